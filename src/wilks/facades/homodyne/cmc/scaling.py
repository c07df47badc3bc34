"""Normalised coordinates z of homodyne: P = bounded(center + scale z), with a smooth map onto the open interval.

With m and h the middle and half the width of the bounds, bounded(x) = m + h tanh((x - m) / h). The samplers of wilks
have coordinates of their own (`Problem.chart`); these are here for files and scripts that hold values in z.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.cmc.priors import get_param_names_in_order

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace

__all__ = [
    "ParameterScaling",
    "compute_scaling_factors",
    "log_scaling_factors",
    "transform_initial_values_to_z",
    "transform_samples_from_z",
]

logger = logging.getLogger(__name__)
_INSIDE = 1e-9
_LEAST_SHARE = 0.1


@dataclass
class ParameterScaling:
    """Center, scale and bounds of one parameter.

    Examples
    --------
    >>> scaling = ParameterScaling("alpha", center=0.0, scale=0.5, low=-2.0, high=2.0)
    >>> z = scaling.to_normalized(0.3)
    >>> round(scaling.to_original(z), 12)
    0.3
    """

    name: str
    center: float
    scale: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.scale > 0 and self.low < self.high):
            raise InvalidConfigurationError(
                f"ParameterScaling of {self.name!r}: expected scale > 0 and low < high, got {self!r}"
            )

    @property
    def _middle(self) -> tuple[float, float]:
        return (self.low + self.high) / 2, (self.high - self.low) / 2

    def to_normalized(self, value: ArrayLike) -> Any:  # noqa: ANN401 - a number for a number, else an array
        """Values to z; a value on a bound is moved inside by a billionth of the width."""
        middle, half = self._middle
        inside = np.clip((np.asarray(value, dtype=float) - middle) / half, -1 + _INSIDE, 1 - _INSIDE)
        return _plain((middle + half * np.arctanh(inside) - self.center) / self.scale)

    def to_original(self, z_value: ArrayLike) -> Any:  # noqa: ANN401 - as above
        """Z to values."""
        middle, half = self._middle
        x = self.center + self.scale * np.asarray(z_value, dtype=float)
        return _plain(middle + half * np.tanh((x - middle) / half))


def compute_scaling_factors(
    parameter_space: ParameterSpace, n_phi: int, analysis_mode: str
) -> dict[str, ParameterScaling]:
    """Center and scale of all parameters: mean and standard deviation of the prior, else middle and quarter width.

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.parameter_space import ParameterSpace
    >>> found = compute_scaling_factors(ParameterSpace.from_defaults(), 1, "static")
    >>> list(found), found["alpha"].scale
    (['contrast_0', 'offset_0', 'D0', 'alpha', 'D_offset'], 1.0)
    """
    found = {}
    for name in get_param_names_in_order(n_phi, analysis_mode):
        prior = parameter_space.get_prior(name)
        low, high = prior.min_val, prior.max_val
        normal = prior.dist_type.endswith("Normal") and not prior.dist_type.startswith("Log")
        center = prior.mu if normal and prior.mu is not None else (low + high) / 2
        scale = prior.sigma if normal and prior.sigma is not None else (high - low) / 4
        found[name] = ParameterScaling(name, center, max(scale, _LEAST_SHARE * (high - low)), low, high)
    return found


def log_scaling_factors(scalings: Mapping[str, ParameterScaling]) -> None:
    """Log center, scale and bounds of all parameters, for debugging."""
    for name, found in scalings.items():
        logger.debug("%s: %g + %g z in (%g, %g)", name, found.center, found.scale, found.low, found.high)


def transform_initial_values_to_z(
    initial_values: Mapping[str, float], scalings: Mapping[str, ParameterScaling]
) -> dict[str, float]:
    """Initial values to z, under the names ``"<parameter>_z"``.

    Raises
    ------
    InvalidConfigurationError
        If there is no scaling of a parameter.
    """
    unknown = [name for name in initial_values if name not in scalings]
    if unknown:
        raise InvalidConfigurationError(f"initial_values: no scaling of {unknown[0]!r}; {guess(unknown[0], scalings)}")
    return {f"{name}_z": scalings[name].to_normalized(value) for name, value in initial_values.items()}


def transform_samples_from_z(
    samples: Mapping[str, NDArray[np.float64]], scalings: Mapping[str, ParameterScaling]
) -> dict[str, NDArray[np.float64]]:
    """Samples of ``"<parameter>_z"`` to values under the names of the parameters; other names are kept.

    Examples
    --------
    >>> scalings = {"alpha": ParameterScaling("alpha", 0.0, 0.5, -2.0, 2.0)}
    >>> transform_samples_from_z({"alpha_z": np.zeros(2), "sigma": np.ones(2)}, scalings)
    {'alpha': array([0., 0.]), 'sigma': array([1., 1.])}
    """
    found = {}
    for name, values in samples.items():
        scaling = scalings.get(name.removesuffix("_z")) if name.endswith("_z") else None
        found[name if scaling is None else scaling.name] = values if scaling is None else scaling.to_original(values)
    return found


def _plain(values: NDArray[np.float64]) -> float | NDArray[np.float64]:
    return float(values) if np.ndim(values) == 0 else values
