"""Residuals of data that come in chunks, as a function of contrasts, offsets and physical parameters.

For solvers of the user's own. `wilks.xpcs.fit` uses no residuals: it fits contrasts and offsets in closed form, from
sums over the data.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne.parameter_utils import build_parameter_labels
from wilks.facades.homodyne.points import chunk_arrays, decay_at, model_curves, points_of
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = ["StratifiedResidualFunction", "create_stratified_residual_function"]


class StratifiedResidualFunction:
    """(c2 - model) / sigma of all points, chunk after chunk.

    The diagonal t1 = t2, which holds shot noise, has residuals of 0; so have values that are not finite.

    Parameters
    ----------
    stratified_data
        With ``chunks``, each with ``phi`` in degrees, ``t1``, ``t2``, ``g2``, ``q``, ``L`` and ``dt``; and ``sigma``, a
        number or an array of shape (n_phi, n_t, n_t). Without it, residuals are not divided by anything.
    per_angle_scaling
        Has every angle a contrast and an offset of its own?
    physical_param_names
        D0, alpha, D_offset; and gamma_dot_t0, beta, gamma_dot_t_offset, phi0 with flow.
    logger
        Of `log_diagnostics`; the logger ``"homodyne"`` by default.

    Attributes
    ----------
    chunks
        As given.
    n_chunks, n_total_points
        Numbers of chunks and of points.
    angles
        Different angles, ascending: the order of contrasts and offsets.

    Raises
    ------
    InvalidDataError
        If there are no chunks, or one lacks something.
    """

    def __init__(
        self,
        stratified_data: Any,  # noqa: ANN401 - anything with chunks
        per_angle_scaling: bool,
        physical_param_names: Sequence[str],
        logger: logging.Logger | None = None,
    ) -> None:
        chunks = getattr(stratified_data, "chunks", None)
        if not chunks:
            raise InvalidDataError("stratified_data: expected an attribute 'chunks' with at least one chunk, got none")
        self.chunks = list(chunks)
        self.per_angle_scaling = per_angle_scaling
        self.physical_param_names = list(physical_param_names)
        self.logger = logging.getLogger("homodyne") if logger is None else logger
        self._order = _order(self.physical_param_names)
        self.points = points_of(stratified_data)
        self.angles = self.points.angles
        self.n_chunks, self.n_total_points = len(self.chunks), len(self.points.g2)

    @cached_property
    def _angles_of_chunks(self) -> list[Arrays]:
        return [chunk_arrays(chunk, number)[0] for number, chunk in enumerate(self.chunks)]

    @cached_property
    def chunk_sizes(self) -> list[int]:
        """Number of points of each chunk."""
        return [len(phi) for phi in self._angles_of_chunks]

    @cached_property
    def parameter_names(self) -> list[str]:
        """Names of the parameters in the order of the vector."""
        return build_parameter_labels(self.per_angle_scaling, len(self.angles), self.physical_param_names)

    @cached_property
    def _place(self) -> tuple[Any, tuple[NDArray[np.intp], ...]]:
        axis = self.points.axis
        return self.points.geometry(axis), self.points.positions(axis)

    @cached_property
    def _is_used(self) -> NDArray[np.bool_]:
        _, (_, first, second) = self._place
        return np.asarray((first != second) & np.isfinite(self.points.g2))

    def __call__(self, params: ArrayLike) -> Arrays:
        """Return the residuals of all points, shape (n_total_points,).

        Parameters
        ----------
        params
            Contrasts, offsets, physical parameters; one contrast and one offset without `per_angle_scaling`.
        """
        vector = np.asarray(params, dtype=float).ravel()
        if len(vector) != len(self.parameter_names):
            raise InvalidConfigurationError(
                f"params: expected {len(self.parameter_names)} numbers ({', '.join(self.parameter_names)}), "
                f"got {len(vector)}"
            )
        n = len(self.angles) if self.per_angle_scaling else 1
        contrast, offset, physical = np.split(vector, [n, 2 * n])
        return self.residuals(
            np.broadcast_to(contrast, self.angles.shape), np.broadcast_to(offset, self.angles.shape), physical
        )

    def residuals(self, contrast: Arrays, offset: Arrays, physical: Arrays) -> Arrays:
        """Return the residuals for contrasts and offsets of all angles, and physical parameters as they were named."""
        geometry, (k, first, second) = self._place
        f = decay_at(model_curves(physical[self._order], geometry), k, first, second)
        difference = self.points.g2 - offset[k] - contrast[k] * f
        sigma = self.points.sigma
        return np.where(self._is_used, difference if sigma is None else difference / sigma, 0.0)

    def validate_chunk_structure(self) -> bool:
        """Check that every chunk holds every angle.

        Raises
        ------
        InvalidDataError
            If one does not.
        """
        for number, phi in enumerate(self._angles_of_chunks):
            missing = np.setdiff1d(self.angles, phi)
            if len(missing):
                raise InvalidDataError(
                    f"chunk {number} has no points of {len(missing)} of {len(self.angles)} angles, the first is "
                    f"{missing[0]:g}: make the chunks with create_angle_stratified_data"
                )
        return True

    def get_diagnostics(self) -> dict[str, Any]:
        """Return numbers of chunks, points and angles."""
        sizes = self.chunk_sizes
        return {
            "n_chunks": self.n_chunks,
            "n_total_points": self.n_total_points,
            "n_angles": len(self.angles),
            "per_angle_scaling": self.per_angle_scaling,
            "chunk_sizes": sizes,
            "chunk_angle_counts": [len(np.unique(phi)) for phi in self._angles_of_chunks],
            "min_chunk_size": min(sizes),
            "max_chunk_size": max(sizes),
            "mean_chunk_size": float(np.mean(sizes)),
            "n_points_used": int(self._is_used.sum()),
            "sigma_is_given": self.points.sigma is not None,
        }

    def log_diagnostics(self) -> None:
        """Write the diagnostics into the log."""
        for name, value in self.get_diagnostics().items():
            self.logger.info("%s: %s", name, value)


def create_stratified_residual_function(
    stratified_data: Any,  # noqa: ANN401 - anything with chunks
    per_angle_scaling: bool,
    physical_param_names: Sequence[str],
    logger: logging.Logger | None = None,
    validate: bool = True,
) -> StratifiedResidualFunction:
    """Make a `StratifiedResidualFunction`, and check that every chunk holds every angle.

    Parameters
    ----------
    stratified_data, per_angle_scaling, physical_param_names, logger
        As for `StratifiedResidualFunction`.
    validate
        Check the chunks?

    Raises
    ------
    InvalidDataError
        If a chunk lacks an angle.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> t1, t2 = np.arange(3.0), np.arange(3.0) + 1
    >>> chunk = SimpleNamespace(phi=np.zeros(3), t1=t1, t2=t2, g2=np.full(3, 1.2), q=0.01, L=2e6, dt=1.0)
    >>> data = SimpleNamespace(chunks=[chunk], sigma=0.1)
    >>> residual = create_stratified_residual_function(data, True, ["D0", "alpha", "D_offset"])
    >>> residual([0.0, 1.0, 1e3, 0.0, 0.0]).round(6)
    array([2., 2., 2.])
    """
    made = StratifiedResidualFunction(stratified_data, per_angle_scaling, physical_param_names, logger)
    if validate:
        made.validate_chunk_structure()
    return made


def _order(names: Sequence[str]) -> list[int]:
    """Where the physical parameters, in the order of the engine, are among those that were named."""
    ours = [ALIASES.get(name, name) for name in names]
    for known in PHYSICAL_NAMES.values():
        if set(ours) == set(known) and len(ours) == len(known):
            return [ours.index(name) for name in known]
    raise InvalidConfigurationError(
        f"physical_param_names: expected D0, alpha, D_offset, or these and gamma_dot_t0, beta, gamma_dot_t_offset, "
        f"phi0; got {', '.join(names) or 'none'}"
    )
