r"""The global search: many parameter sets on a coarse subset of the data, without a start.

Amplitudes are searched on a log scale. An offset may have either sign and any size, so it is searched in

.. math:: s = \mathrm{sign}(v) \log(1 + |v| / v_0), \quad v_0 = 10^{-5} \max|bounds|                          (1)

For the ranking every angle gets its own best contrast and offset, cut back to their bounds: two numbers for each angle
in closed form, whatever scaling the fit uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.xpcs.gram import coarse_scan
from wilks.xpcs.model import PHYSICAL_NAMES, curves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.xpcs.model import Geometry
    from wilks.xpcs.pairs import CoarsePairs
    from wilks.xpcs.parameters import Mode

_SIGNED = ("D_offset", "gamma_dot_offset")
_SMALLEST = 1e-5
_TINY = 1e-300


class ScreenProblem:
    """The ranking of parameter sets as a problem of its own, and the way back to the physical parameters.

    Parameters
    ----------
    space
        The physical parameters.
    coarse
        The subset.
    geometry, mode
        As in the fit.
    bounds
        Bounds of contrast and offset, shape (2, 2).
    """

    def __init__(
        self, space: Space, coarse: CoarsePairs, geometry: Geometry, mode: Mode, bounds: NDArray[np.float64]
    ) -> None:
        self.space, self.coarse, self.geometry, self.mode, self.bounds = space, coarse, geometry, mode, bounds
        self.units = {
            name: _SMALLEST * max(abs(box.lower), abs(box.upper))
            for name in space.free
            if name in _SIGNED and isinstance(box := space[name], Real) and box.scale == "linear"
        }
        boxes: dict[str, Any] = {name: space[name] for name in space.free}
        for name, unit in self.units.items():
            boxes[name] = Real(_squeezed(boxes[name].lower, unit), _squeezed(boxes[name].upper, unit))
        self.problem = LikelihoodProblem(
            Space(boxes), self.log_likelihood, vectorized=True, name=f"coarse subset, {mode}"
        )

    def physical(self, values: Mapping[str, Value]) -> dict[str, float]:
        """Values of the search -> physical parameters."""
        found: dict[str, float] = {}
        for name in self.space.free:
            value = float(values[name])  # type: ignore[arg-type]  # all are real
            if name in self.units:
                box = self.space[name]
                assert isinstance(box, Real)  # noqa: S101 - for the type checker
                value = float(np.clip(_spread(value, self.units[name]), box.lower, box.upper))
            found[name] = value
        return found

    def searched(self, values: Mapping[str, Value]) -> dict[str, float]:
        """Physical parameters -> values of the search."""
        plain = {name: float(values[name]) for name in self.space.free}  # type: ignore[arg-type]  # all are real
        return plain | {name: _squeezed(plain[name], unit) for name, unit in self.units.items()}

    def log_likelihood(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """Minus half of chi-squared for many parameter sets, shape (n,)."""
        names = PHYSICAL_NAMES[self.mode]
        fixed = {name: float(self.space.constants[name]) for name in names if name in self.space.constants}  # type: ignore[arg-type]
        n = len(next(iter(values.values())))
        many = []
        for i in range(n):
            point = self.physical({name: values[name][i] for name in self.space.free})
            many.append(curves({**fixed, **point}, self.geometry, self.mode))
        with np.errstate(all="ignore"):
            chi_squared = scaled_chi_squared(coarse_scan(self.coarse, many), self.coarse, self.bounds)
        return np.where(np.isfinite(chi_squared), -0.5 * chi_squared, -np.inf)


def scaled_chi_squared(
    grams: NDArray[np.float64], coarse: CoarsePairs, bounds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chi-squared with the best contrast and offset of each angle, cut back to their bounds.

    Parameters
    ----------
    grams
        Sums of products of [1, f, y], shape (n, n_angles, 3, 3).
    coarse
        The subset, for its centres and its noise.
    bounds
        Of contrast and offset, shape (2, 2).

    Returns
    -------
    ndarray
        Shape (n,).
    """
    one, f = np.maximum(grams[..., 0, 0], _TINY), grams[..., 1, 1]  # an angle may have no pair in the subset
    cross, with_one, with_f = grams[..., 0, 1], grams[..., 0, 2], grams[..., 1, 2]
    spread = f - cross**2 / one
    contrast = (with_f - cross * with_one / one) / np.where(spread > _TINY + 1e-12 * f, spread, np.inf)
    contrast = np.clip(contrast, *bounds[0])
    offset = np.clip((with_one - contrast * cross) / one, *(bounds[1][:, None] - coarse.centres))
    squares = (
        grams[..., 2, 2]
        + offset**2 * one
        + contrast**2 * f
        + 2 * (offset * contrast * cross - offset * with_one - contrast * with_f)
    )
    return np.asarray((squares / coarse.sigma**2).sum(axis=-1))


def _squeezed(value: float, unit: float) -> float:
    return float(np.sign(value) * np.log1p(abs(value) / unit))  # (1)


def _spread(value: float, unit: float) -> float:
    return float(np.sign(value) * unit * np.expm1(abs(value)))
