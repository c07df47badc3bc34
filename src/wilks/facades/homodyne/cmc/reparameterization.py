"""Coordinates at a reference time, in which the parameters of a power law are hardly correlated.

With t_ref = sqrt(dt t_max): D_ref = D0 t_ref^alpha, D_offset_ratio = D_offset / D_ref, gamma_ref = gamma_dot_t0
t_ref^beta; D_ref and gamma_ref by their logarithms. The engine samples in such coordinates by itself (`Problem.chart`),
with the Jacobian that belongs to them, so the switches have no effect on a run; the functions are for scripts that hold
values in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ReparamConfig", "compute_t_ref", "transform_to_physics_space", "transform_to_sampling_space"]

_POWER_LAWS = (("D0", "alpha", "log_D_ref"), ("gamma_dot_t0", "beta", "log_gamma_ref"))


@dataclass(frozen=True)
class ReparamConfig:
    """Which parameters are given at the reference time."""

    enable_d_ref: bool = True
    enable_gamma_ref: bool = True
    t_ref: float = 1.0

    def laws(self) -> list[tuple[str, str, str]]:
        """Amplitude, exponent and new name of the power laws that are given at the reference time."""
        return [law for law, on in zip(_POWER_LAWS, (self.enable_d_ref, self.enable_gamma_ref), strict=True) if on]


def compute_t_ref(dt: float, t_max: float) -> float:
    """Geometric mean of the shortest and the longest time.

    Examples
    --------
    >>> compute_t_ref(0.1, 10.0)
    1.0
    """
    if not 0 < dt <= t_max < math.inf:
        raise InvalidConfigurationError(f"compute_t_ref: expected 0 < dt <= t_max, got {dt!r} and {t_max!r}")
    return math.sqrt(dt * t_max)


def transform_to_sampling_space(params: Mapping[str, float], config: ReparamConfig) -> dict[str, float]:
    """Physical parameters to those at the reference time; what is not part of a power law is kept.

    Examples
    --------
    >>> found = transform_to_sampling_space({"D0": 100.0, "alpha": -1.0, "D_offset": 5.0}, ReparamConfig(t_ref=10.0))
    >>> round(found["log_D_ref"], 6), found["D_offset_ratio"]
    (2.302585, 0.5)
    """
    found = dict(params)
    for amplitude, exponent, new in config.laws():
        if amplitude in found:
            if not found[amplitude] > 0:
                raise InvalidConfigurationError(f"{amplitude}: expected a positive number, got {found[amplitude]!r}")
            found[new] = math.log(found.pop(amplitude)) + found[exponent] * math.log(config.t_ref)
    if "log_D_ref" in found and "D_offset" in found:
        found["D_offset_ratio"] = found.pop("D_offset") / math.exp(found["log_D_ref"])
    return found


def transform_to_physics_space(params: Mapping[str, float], config: ReparamConfig) -> dict[str, float]:
    """The inverse of `transform_to_sampling_space`.

    Examples
    --------
    >>> given = {"D0": 100.0, "alpha": -1.0, "D_offset": 5.0}
    >>> config = ReparamConfig(t_ref=10.0)
    >>> back = transform_to_physics_space(transform_to_sampling_space(given, config), config)
    >>> {name: round(back[name], 9) for name in given} == given
    True
    """
    found = dict(params)
    if "D_offset_ratio" in found:
        found["D_offset"] = found.pop("D_offset_ratio") * math.exp(found["log_D_ref"])
    for amplitude, exponent, new in config.laws():
        if new in found:
            found[amplitude] = math.exp(found.pop(new) - found[exponent] * math.log(config.t_ref))
    return found
