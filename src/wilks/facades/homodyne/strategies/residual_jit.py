"""Residuals in chunks of the same length: the shorter ones are padded, and the padding has residuals of 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.strategies.residual import StratifiedResidualFunction

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = ["StratifiedResidualFunctionJIT"]


class StratifiedResidualFunctionJIT:
    """Residuals of all chunks, each padded to the longest.

    It calculates with NumPy, through `StratifiedResidualFunction`: the model needs a few curves on the time axis and
    one exponential for every point, and gains nothing by a compiler.

    Parameters
    ----------
    stratified_data, per_angle_scaling, physical_param_names, logger
        As for `StratifiedResidualFunction`.
    fixed_contrast_per_angle, fixed_offset_per_angle
        Contrasts and offsets of the angles, ascending; given together, and then not part of the vector of parameters.

    Attributes
    ----------
    phi_padded, t1_padded, t2_padded, g2_padded
        The points, shape (n_chunks, max_chunk_size).
    mask
        Which of them are real, of the same shape.
    n_chunks, max_chunk_size, n_real_points
        Numbers of chunks, of points of the longest, and of all real points.

    Raises
    ------
    InvalidConfigurationError
        If one of contrast and offset is fixed, or not one for each angle.
    """

    def __init__(
        self,
        stratified_data: Any,  # noqa: ANN401 - anything with chunks
        per_angle_scaling: bool,
        physical_param_names: Sequence[str],
        logger: logging.Logger | None = None,
        fixed_contrast_per_angle: ArrayLike | None = None,
        fixed_offset_per_angle: ArrayLike | None = None,
    ) -> None:
        self._plain = StratifiedResidualFunction(stratified_data, per_angle_scaling, physical_param_names, logger)
        self._fixed = self._checked(fixed_contrast_per_angle, fixed_offset_per_angle)
        sizes = self._plain.chunk_sizes
        self.n_chunks, self.max_chunk_size, self.n_real_points = len(sizes), max(sizes), sum(sizes)
        self.mask: NDArray[np.bool_] = np.arange(self.max_chunk_size) < np.array(sizes)[:, None]
        points = self._plain.points
        padded = [self._padded(each) for each in (points.phi, points.t1, points.t2, points.g2)]
        self.phi_padded, self.t1_padded, self.t2_padded, self.g2_padded = padded

    def __call__(self, params: ArrayLike) -> Arrays:
        """Return the residuals, shape (n_chunks * max_chunk_size,); 0 in the padding.

        Parameters
        ----------
        params
            Contrasts, offsets, physical parameters; the last alone if the others are fixed.
        """
        if self._fixed is None:
            found = self._plain(params)
        else:
            physical = np.asarray(params, dtype=float).ravel()
            if len(physical) != len(self._plain.physical_param_names):
                raise InvalidConfigurationError(
                    f"params: contrast and offset are fixed, expected {len(self._plain.physical_param_names)} "
                    f"physical parameters, got {len(physical)}"
                )
            found = self._plain.residuals(*self._fixed, physical)
        return self._padded(found).ravel()

    def validate_chunk_structure(self) -> bool:
        """Check that every chunk holds every angle.

        Raises
        ------
        InvalidDataError
            If one does not.
        """
        return self._plain.validate_chunk_structure()

    def get_diagnostics(self) -> dict[str, Any]:
        """Return numbers of chunks, points and angles."""
        return {
            **self._plain.get_diagnostics(),
            "n_real_points": self.n_real_points,
            "scaling_is_fixed": bool(self._fixed),
        }

    def log_diagnostics(self) -> None:
        """Write the diagnostics into the log."""
        self._plain.log_diagnostics()

    def _padded(self, values: Arrays) -> Arrays:
        filled = np.zeros(self.mask.shape)
        filled[self.mask] = values
        return filled

    def _checked(self, contrast: ArrayLike | None, offset: ArrayLike | None) -> tuple[Arrays, Arrays] | None:
        if contrast is None and offset is None:
            return None
        n = len(self._plain.angles)
        numbers = [np.empty(0) if each is None else np.asarray(each, dtype=float) for each in (contrast, offset)]
        if any(each.shape != (n,) for each in numbers):
            raise InvalidConfigurationError(
                f"fixed_contrast_per_angle, fixed_offset_per_angle: expected both, with {n} numbers each, got shapes "
                f"{numbers[0].shape} and {numbers[1].shape}"
            )
        return numbers[0], numbers[1]
