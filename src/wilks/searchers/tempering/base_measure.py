"""The prior in the coordinates of a search: what the hottest rung of a sampler draws from.

Densities are relative to the uniform distribution over the coordinates. A prior that was not declared is that
distribution, so its logarithm is 0. A declared one is, at a real coordinate, its density in theta times the slope
d theta / d u, and at a discrete one of K values its probability times K; coordinates are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.searchers.coordinates import REAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

_POOL = 64


@dataclass
class BaseMeasure:
    """The prior of a space, as a density and as a source of points.

    Attributes
    ----------
    reals
        Positions of the real coordinates with a declared prior.
    tables
        Log-density of every value of the discrete coordinates with declared weights, by position.
    pool
        Draws that wait to be used; they are made in blocks.
    """

    reals: list[int]
    tables: dict[int, list[float]]
    pool: list[Point] = field(default_factory=list)

    @classmethod
    def of(cls, coordinates: Coordinates) -> BaseMeasure:
        """Return the prior of the space of the coordinates."""
        space = coordinates.space
        reals: list[int] = []
        tables: dict[int, list[float]] = {}
        for j, name in enumerate(space.free):
            weights = getattr(space[name], "prior", None)
            if weights is None:
                continue
            if coordinates.kinds[j] == REAL:
                reals.append(j)
            else:
                tables[j] = [math.log(w * len(weights)) if w > 0 else -math.inf for w in weights]
        return cls(reals, tables)

    @property
    def uniform(self) -> bool:
        """Was no prior declared?"""
        return not self.reals and not self.tables

    def log_densities(self, coordinates: Coordinates, points: list[Point]) -> list[float]:
        """Return the log-density of each point, minus infinity where the prior has none."""
        if self.uniform or not points:
            return [0.0] * len(points)
        total = np.zeros(len(points))
        for j in self.reals:
            total += _log_density(coordinates.space, j, np.array([point[j] for point in points]))
        for j, table in self.tables.items():
            total += [table[int(point[j])] for point in points]
        total[~np.isfinite(total)] = -math.inf  # a pole of the density is a single point
        found: list[float] = total.tolist()
        return found

    def draw(self, coordinates: Coordinates, dice: Dice) -> Point:
        """Draw a point from the prior."""
        if not self.pool:
            space = coordinates.space
            units = space.to_unit(space.draw(dice.generator, _POOL))
            self.pool = coordinates.points(np.clip(units, 0.0, 1.0))
        return self.pool.pop()


def _log_density(space: Space, j: int, u: NDArray[np.float64]) -> NDArray[np.float64]:
    domain = space[space.free[j]]
    theta = domain.from_unit(u)
    with np.errstate(divide="ignore"):  # a density that is zero there
        return np.asarray(domain.log_prior(theta) + np.log(domain.slope(theta)), dtype=float)
