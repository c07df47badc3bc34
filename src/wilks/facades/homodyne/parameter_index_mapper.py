"""Where contrasts, offsets and physical parameters are in a vector, for each way to describe the former."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from wilks.facades.homodyne.fourier_reparam import FourierReparameterizer

__all__ = ["ParameterIndexMapper"]

_DEFAULT_ORDER = 2


@dataclass(init=False)
class ParameterIndexMapper:
    """Positions of the groups in a vector of contrasts, offsets and physical parameters.

    Parameters
    ----------
    n_phi
        Number of angles.
    n_physical
        Number of physical parameters, 7 with flow.
    fourier
        Series in the angle for contrast and offset; one that is not in use counts as none.
    use_constant
        Do all angles share a contrast and an offset?
    use_fourier, fourier_order
        A series by its order alone, without a `fourier`.

    Raises
    ------
    InvalidConfigurationError
        If a number is none, or the series has another number of angles or more coefficients than there are angles.

    Examples
    --------
    >>> mapper = ParameterIndexMapper(n_phi=23, n_physical=7)
    >>> mapper.get_group_indices()
    [(0, 23), (23, 46)]
    >>> mapper.mode_name, mapper.total_params
    ('individual', 53)
    """

    n_phi: int
    n_physical: int
    fourier: FourierReparameterizer | None
    use_constant: bool
    _n_coefficients: int | None

    def __init__(
        self,
        n_phi: int,
        n_physical: int,
        fourier: FourierReparameterizer | None = None,
        use_constant: bool = False,
        *,
        use_fourier: bool | None = None,
        fourier_order: int | None = None,
    ) -> None:
        for name, value, least in (("n_phi", n_phi, 1), ("n_physical", n_physical, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise InvalidConfigurationError(f"{name}: expected an integer >= {least}, got {value!r}")
        if fourier is not None and fourier.n_phi != n_phi:
            raise InvalidConfigurationError(f"fourier: expected {n_phi} angles (n_phi), but it has {fourier.n_phi}")
        if use_fourier and fourier is not None and not fourier.use_fourier:
            raise InvalidConfigurationError(
                "use_fourier: the series that is given is not in use; leave out one of them"
            )
        if fourier_order is not None and not use_fourier:
            raise InvalidConfigurationError("fourier_order: it needs use_fourier=True, or give fourier instead")
        self.n_phi, self.n_physical = int(n_phi), int(n_physical)
        self.fourier, self.use_constant = fourier, bool(use_constant)
        self._n_coefficients = None
        if fourier is not None and fourier.use_fourier:
            self._n_coefficients = fourier.n_coeffs_per_param
        elif use_fourier:
            self._n_coefficients = 2 * (_DEFAULT_ORDER if fourier_order is None else fourier_order) + 1
        if self._n_coefficients is not None and self._n_coefficients > n_phi:
            raise InvalidConfigurationError(
                f"fourier: a series of {self._n_coefficients} coefficients needs as many angles, got n_phi={n_phi}"
            )

    @property
    def use_fourier(self) -> bool:
        """Are contrast and offset series in the angle?"""
        return self._n_coefficients is not None and not self.use_constant

    @property
    def n_per_group(self) -> int:
        """Number of parameters for contrast, and for offset."""
        if self.use_constant:
            return 1
        return self.n_phi if self._n_coefficients is None else self._n_coefficients

    @property
    def mode_name(self) -> str:
        """``"constant"``, ``"fourier"`` or ``"individual"``."""
        if self.use_constant:
            return "constant"
        return "fourier" if self.use_fourier else "individual"

    @property
    def n_per_angle_total(self) -> int:
        """Number of parameters for contrast and offset together."""
        return 2 * self.n_per_group

    @property
    def total_params(self) -> int:
        """Number of all parameters."""
        return self.n_per_angle_total + self.n_physical

    def get_group_indices(self) -> list[tuple[int, int]]:
        """Return first and end position of the contrasts, and of the offsets."""
        n = self.n_per_group
        return [(0, n), (n, 2 * n)]

    def get_physical_indices(self) -> list[int]:
        """Return the positions of the physical parameters."""
        return list(range(self.n_per_angle_total, self.total_params))

    def get_per_angle_indices(self) -> list[int]:
        """Return the positions of contrasts and offsets."""
        return list(range(self.n_per_angle_total))

    def validate_indices(self, params: ArrayLike) -> bool:
        """Check that a vector has as many parameters as there are positions.

        Raises
        ------
        InvalidConfigurationError
            If it has not.
        """
        n = np.size(params)
        if n != self.total_params:
            raise InvalidConfigurationError(
                f"params: mode {self.mode_name!r} of {self.n_phi} angles has {self.n_per_angle_total} scaling and "
                f"{self.n_physical} physical parameters, {self.total_params} in all, but the vector has {n}"
            )
        return True

    def get_diagnostics(self) -> dict[str, Any]:
        """Return mode, counts and positions."""
        return {
            "mode": self.mode_name,
            "n_phi": self.n_phi,
            "n_physical": self.n_physical,
            "n_per_group": self.n_per_group,
            "n_per_angle_total": self.n_per_angle_total,
            "total_params": self.total_params,
            "use_fourier": self.use_fourier,
            "use_constant": self.use_constant,
            "group_indices": self.get_group_indices(),
            "physical_indices": self.get_physical_indices(),
        }

    def get_covariance_slice_indices(self) -> tuple[slice, slice]:
        """Return where contrasts and offsets, and where the physical parameters are in a covariance matrix."""
        return slice(0, self.n_per_angle_total), slice(self.n_per_angle_total, self.total_params)
