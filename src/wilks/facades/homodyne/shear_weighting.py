r"""Weights of the angles by how much they see of the shear.

.. math:: w(\phi) = w_{min} + (1 - w_{min}) \, |\cos(\phi_0 - \phi)|^\alpha                                        (1)

``wilks.xpcs.FitOptions(weights=ShearWeights())`` has such weights in a fit, with :math:`\phi_0` where the fit has it
and standard errors that take them into account. This is for losses of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.validation.options import CheckedOptions, limited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ShearSensitivityWeighting", "ShearWeightingConfig", "create_shear_weighting"]

_N_LAMINAR = 7


@dataclass
class ShearWeightingConfig(CheckedOptions):
    """Options of `ShearSensitivityWeighting`.

    Attributes
    ----------
    enable
        If False, all weights are equal.
    min_weight, alpha
        In equation (1) of this module.
    update_frequency
        Only iterations that are multiples of it take over a new phi0.
    initial_phi0
        In degrees; None for 0.
    normalize
        Scale the weights so that their sum is the number of angles.
    """

    enable: bool = True
    min_weight: float = limited(0.3, least=0, most=1)
    alpha: float = limited(1.0, least=0)
    update_frequency: int = limited(1, least=1)
    initial_phi0: float | None = None
    normalize: bool = True

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> ShearWeightingConfig:
        """Make the options from a dictionary: the section ``shear_weighting``, or what is in it."""
        given = config if config is None or "shear_weighting" not in config else config["shear_weighting"]
        return cls.from_dict(given)


class ShearSensitivityWeighting:
    """Weights of angles for the present direction of the flow.

    Parameters
    ----------
    phi_angles
        Angles in degrees, shape (n_phi,).
    n_physical
        Number of physical parameters, which come last in the vector.
    phi0_index
        Position of phi0 among them.
    config
        Options.

    Examples
    --------
    >>> phi_angles = np.array([-30, 0, 30, 60, 90, 120])
    >>> weighter = ShearSensitivityWeighting(phi_angles, n_physical=7, phi0_index=6)
    >>> weights = weighter.get_weights(phi0_current=-5.0)
    >>> int(weights.argmax()), int(weights.argmin()), round(float(weights.sum()), 6)
    (1, 4, 6.0)
    """

    def __init__(
        self,
        phi_angles: ArrayLike,
        n_physical: int,
        phi0_index: int,
        config: ShearWeightingConfig | None = None,
    ) -> None:
        self.phi_angles = np.asarray(phi_angles, dtype=float)
        self.config = config or ShearWeightingConfig()
        if not 0 <= phi0_index < n_physical:
            raise InvalidConfigurationError(
                f"phi0_index: expected 0 to {n_physical - 1}, a position among the physical parameters, got "
                f"{phi0_index!r}"
            )
        self.n_physical, self.phi0_index = n_physical, phi0_index
        self._phi0 = self.config.initial_phi0 or 0.0
        self._n_updates = 0

    @property
    def phi0_current(self) -> float:
        """Direction of the flow that the weights are for, in degrees."""
        return self._phi0

    def update_phi0(self, params: ArrayLike, iteration: int = 0) -> None:
        """Take over phi0 from a vector of parameters, in iterations that are multiples of `update_frequency`."""
        values = np.asarray(params, dtype=float)
        if len(values) < self.n_physical:
            raise InvalidConfigurationError(
                f"params: expected {self.n_physical} physical parameters at the end, got {len(values)} numbers"
            )
        if iteration % self.config.update_frequency == 0:
            self._phi0 = float(values[len(values) - self.n_physical + self.phi0_index])
            self._n_updates += 1

    def get_weights(self, phi0_current: float | None = None) -> NDArray[np.float64]:
        """Weights, shape (n_phi,), for a direction in degrees; None for the present one."""
        if not self.config.enable:
            return np.ones(len(self.phi_angles))
        phi0 = self._phi0 if phi0_current is None else float(phi0_current)
        least = self.config.min_weight
        sight = np.abs(np.cos(np.deg2rad(phi0 - self.phi_angles))) ** self.config.alpha
        weights = least + (1.0 - least) * sight  # (1)
        return np.asarray(weights / weights.mean()) if self.config.normalize else weights

    def apply_weights_to_loss(self, residuals: Any, phi_indices: Any) -> Any:  # noqa: ANN401 - of NumPy or of JAX
        """Weighted mean of squared residuals; `phi_indices` has the position of the angle of each residual.

        Takes arrays of NumPy and of JAX, also while JAX compiles or differentiates.
        """
        weights = residuals.__array_namespace__().asarray(self.get_weights())[phi_indices]
        return (weights * residuals**2).sum() / weights.sum()

    def compute_weighted_mse(self, residuals: Any, phi_indices: Any) -> Any:  # noqa: ANN401 - as above
        """The same, under the name for gradients."""
        return self.apply_weights_to_loss(residuals, phi_indices)

    def get_diagnostics(self) -> dict[str, Any]:
        """Options, and statistics of the present weights."""
        weights = self.get_weights()
        return {
            "enabled": self.config.enable,
            "min_weight": self.config.min_weight,
            "alpha": self.config.alpha,
            "current_phi0": self._phi0,
            "update_count": self._n_updates,
            "weights_range": [float(weights.min()), float(weights.max())],
            "weights_mean": float(weights.mean()),
            "weights_std": float(weights.std()),
        }


def create_shear_weighting(
    phi_angles: ArrayLike,
    n_physical: int,
    config: Mapping[str, Any] | None = None,
    physical_param_names: Sequence[str] | None = None,
) -> ShearSensitivityWeighting | None:
    """Weights by the options in a dictionary; None if they are off, or if no parameter is called phi0.

    Without names, 7 parameters are those of laminar flow, with phi0 last, and fewer have none.
    """
    options = ShearWeightingConfig.from_config(config)
    if physical_param_names is None:
        position = _N_LAMINAR - 1 if n_physical == _N_LAMINAR else None
    else:
        names = list(physical_param_names)
        position = names.index("phi0") if "phi0" in names else None
    if not options.enable or position is None:
        return None
    return ShearSensitivityWeighting(phi_angles, n_physical, position, options)
