r"""Charts: the coordinates x in which a sampler moves, and the way from them to the unit box.

A posterior is a density, so it changes with the coordinates: with u(x) the point of the unit box and theta(u) the
parameters, the density of x is

.. math:: p(x) = L(\theta) \, \pi(\theta) \, \left|\frac{\partial\theta}{\partial u}\right|
                 \left|\frac{\partial u}{\partial x}\right|                                                      (1)

A problem may know coordinates in which its posterior is closer to a Gaussian than in the box, and says so by
`Problem.chart`. A likelihood never sees any of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EDGE = 1e-15
"""Nearest to an end of the box that a line still tells apart from it."""


class Chart(Protocol):
    """Coordinates of the unit box; every array of points has shape (n, d), one row per point."""

    def to_unit(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the unit box; anything outside [0, 1], or NaN, where x has none."""
        ...

    def from_unit(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of points of the unit box."""
        ...

    def log_slope(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the absolute determinant of du/dx, shape (n,)."""
        ...


@dataclass(frozen=True)
class BoxChart:
    """The unit box itself; what lies outside has no probability."""

    def to_unit(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return x."""
        return x

    def from_unit(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return u."""
        return u

    def log_slope(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zeros."""
        return np.zeros(len(x))


@dataclass(frozen=True)
class LineChart:
    """Every coordinate on the whole line, by x = log(u / (1 - u)), for samplers that know no walls.

    Examples
    --------
    >>> LineChart().to_unit(np.array([[0.0]])).tolist(), LineChart().log_slope(np.array([[0.0]])).round(4).tolist()
    ([[0.5]], [-1.3863])
    """

    def to_unit(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logistic function."""
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-x))

    def from_unit(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logit; points on the walls are taken for points just inside."""
        inside = np.clip(u, _EDGE, 1.0 - _EDGE)
        return np.log(inside) - np.log1p(-inside)

    def log_slope(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of log(u (1 - u))."""
        size = np.abs(x)
        return np.asarray(-(size + 2.0 * np.log1p(np.exp(-size))).sum(axis=1))
