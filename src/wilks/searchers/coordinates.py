"""Coordinates in which gradient-free searches move: one number per free parameter, each of a known kind.

A real parameter is its position u in [0, 1] (logarithmic for a log scale). A parameter with ordered values (an integer,
a grid) is its index 0..K-1, a categorical one its index without an order. Points are lists of floats: a search moves a
few coordinates of a few points at a time, where lists are several times quicker than small arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.parameter import Categorical

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.searchers.dice import Dice

Boundary = Literal["reflect", "clip", "periodic", "random", "intermediate"]
"""What becomes of a coordinate that left its range."""

BOUNDARIES: tuple[str, ...] = get_args(Boundary)

REAL, ORDERED, CATEGORICAL = 0, 1, 2

_MOST_LOG = 700.0

Point = list[float]


@dataclass
class Coordinates:
    """The coordinates of a space.

    Attributes
    ----------
    kinds
        REAL, ORDERED or CATEGORICAL of each coordinate.
    sizes
        Number of values, 0 for a continuum.
    widths
        Length of the range in steps: 1 for a real one, K - 1 for a discrete one.
    low, high
        Range before rounding: [0, 1], or [-0.5, K - 0.5], so that every index owns an interval of length one.
    """

    space: Space
    boundary: Boundary
    kinds: list[int]
    sizes: list[int]
    widths: list[float]
    low: list[float]
    high: list[float]

    @classmethod
    def of(cls, space: Space, boundary: Boundary = "reflect") -> Coordinates:
        """Return the coordinates of a space, with the rule for what leaves it."""
        domains = [space[name] for name in space.free]
        sizes = [domain.n_values or 0 for domain in domains]
        kinds = [
            REAL if domain.n_values is None else CATEGORICAL if isinstance(domain, Categorical) else ORDERED
            for domain in domains
        ]
        return cls(
            space,
            boundary,
            kinds,
            sizes,
            [float(n - 1) if n else 1.0 for n in sizes],
            [-0.5 if n else 0.0 for n in sizes],
            [n - 0.5 if n else 1.0 for n in sizes],
        )

    @cached_property
    def dimension(self) -> int:
        """Number of coordinates."""
        return len(self.kinds)

    @cached_property
    def reals(self) -> list[int]:
        """Positions of the real coordinates."""
        return [j for j, kind in enumerate(self.kinds) if kind == REAL]

    @property
    def categoricals(self) -> list[int]:
        """Positions of the categorical coordinates that have a choice."""
        return [j for j, kind in enumerate(self.kinds) if kind == CATEGORICAL and self.sizes[j] > 1]

    @property
    def n_points(self) -> float:
        """Number of different points; infinite with a real coordinate, or where no float can count them."""
        if 0 in self.sizes or sum(map(math.log, self.sizes)) > _MOST_LOG:
            return math.inf
        return float(math.prod(self.sizes))

    def thetas(self, points: list[Point]) -> NDArray[np.float64]:
        """Return the points as thetas, shape (n, dimension)."""
        return self.space.from_unit(self.units(points))

    def units(self, points: list[Point]) -> NDArray[np.float64]:
        """Return the points in the unit box, discrete ones in the middle of their bins."""
        array = np.array(points, dtype=float).reshape(-1, len(self.kinds))
        if self._any_discrete:
            array += self._half
            array /= self._n_bins
        return array

    @cached_property
    def _any_discrete(self) -> bool:
        return any(self.sizes)

    @cached_property
    def _half(self) -> NDArray[np.float64]:
        """From an index to the middle of its bin."""
        return np.array([0.5 if size else 0.0 for size in self.sizes])

    @cached_property
    def _n_bins(self) -> NDArray[np.float64]:
        return np.array([float(size or 1) for size in self.sizes])

    def points(self, units: NDArray[np.float64]) -> list[Point]:
        """Return points of the unit box, shape (n, dimension), in these coordinates."""
        array = np.array(units, dtype=float).reshape(-1, len(self.kinds))
        for j, size in enumerate(self.sizes):
            if size:
                array[:, j] = np.clip(np.floor(array[:, j] * size), 0, size - 1)
        rows: list[Point] = array.tolist()
        return rows

    def random_value(self, j: int, dice: Dice) -> float:
        """Draw one coordinate uniformly."""
        return float(dice.integer(self.sizes[j])) if self.sizes[j] else dice.uniform()

    def random_point(self, dice: Dice) -> Point:
        """Draw a point uniformly."""
        return [self.random_value(j, dice) for j in range(len(self.kinds))]

    def settle(self, j: int, value: float, current: float, dice: Dice) -> float:
        """Return a proposed value inside its range, by the rule for the boundary, and rounded where it is an index."""
        low, high, size = self.low[j], self.high[j], self.sizes[j]
        if not low <= value <= high:
            value = self._fold(value, low, high, current, dice)
        if not size:
            return value
        index = math.floor(value + 0.5)
        return float(index if 0 <= index < size else 0 if index < 0 else size - 1)

    def _fold(self, value: float, low: float, high: float, current: float, dice: Dice) -> float:
        width, rule = high - low, self.boundary
        if rule == "reflect" and math.isfinite(value):
            beyond = (value - low) % (2 * width)
            return low + min(beyond, 2 * width - beyond)
        if rule == "periodic" and math.isfinite(value):
            return low + (value - low) % width
        if rule == "random":
            return low + dice.uniform() * width
        end = low if value < low else high
        return (current + end) / 2 if rule == "intermediate" else end

    def perturb_one(self, point: Point, dice: Dice) -> Point:
        """Return the point with one coordinate drawn anew, not the same if there is a choice."""
        moved = point.copy()
        j = dice.integer(len(moved))
        size = self.sizes[j]
        moved[j] = float(dice.other(size, int(moved[j]))) if size > 1 else self.random_value(j, dice)
        return moved
