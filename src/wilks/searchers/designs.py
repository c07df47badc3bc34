"""Designs: sets of points chosen before anything is known about the loss."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core import random
from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice


@dataclass(frozen=True)
class Initial:
    """How the first points of a search are chosen; the parts are added up.

    Parameters
    ----------
    latin_hypercube
        Number of points of a Latin hypercube; None for as many as the method wants, when nothing else is asked for.
    random
        Number of uniformly random points.
    grid
        Number of points of a regular grid inside the box, at most.
    vertices
        Number of random corners of the box.

    Raises
    ------
    InvalidConfigurationError
        If a number is not a non-negative integer.

    Examples
    --------
    >>> Initial(vertices=4, random=2).n_asked
    6
    """

    latin_hypercube: int | None = None
    random: int = 0
    grid: int = 0
    vertices: int = 0

    def __post_init__(self) -> None:
        for name, n in vars(self).items():
            optional = name == "latin_hypercube" and n is None
            if not optional and (isinstance(n, bool) or not isinstance(n, int) or n < 0):
                raise InvalidConfigurationError(f"Initial: {name}: expected a number of points >= 0, got {n!r}")

    @property
    def n_asked(self) -> int:
        """Number of points that are asked for explicitly."""
        return (self.latin_hypercube or 0) + self.random + self.grid + self.vertices

    def points(self, coordinates: Coordinates, dice: Dice, n_wanted: int) -> list[Point]:
        """Return the points; `n_wanted` is the number where nothing is asked for."""
        n_hypercube = self.latin_hypercube
        if n_hypercube is None:
            n_hypercube = 0 if self.n_asked else n_wanted
        found = random_points(coordinates, dice, self.random)
        found += grid_points(coordinates, self.grid)
        found += vertices(coordinates, dice, self.vertices)
        return found + latin_hypercube(coordinates, dice, n_hypercube)


def random_points(coordinates: Coordinates, dice: Dice, n: int) -> list[Point]:
    """Draw `n` points uniformly."""
    return coordinates.points(dice.generator.random((n, coordinates.dimension)))


def latin_hypercube(coordinates: Coordinates, dice: Dice, n: int) -> list[Point]:
    """Draw a Latin hypercube of `n` points: every one of `n` equal slices of every axis holds one of them."""
    if not n:
        return []
    return coordinates.points(random.latin_hypercube(dice.generator, n, coordinates.dimension))


def grid_points(coordinates: Coordinates, n: int) -> list[Point]:
    """Return the largest regular grid of at most `n` points, at equal distances inside the box."""
    d = coordinates.dimension
    per_axis = max(1, math.floor(n ** (1 / d) + 1e-9)) if n else 0
    ticks = [(i + 1) / (per_axis + 1) for i in range(per_axis)]
    rows = itertools.islice(itertools.product(ticks, repeat=d), n)
    return coordinates.points(np.array(list(rows), dtype=float).reshape(-1, d))


def vertices(coordinates: Coordinates, dice: Dice, n: int) -> list[Point]:
    """Draw `n` corners of the box, different ones as long as there are enough."""
    ends = [(0.0, 1.0) if not size else (0.0, float(size - 1)) for size in coordinates.sizes]
    n_corners = 2 ** sum(low != high for low, high in ends)
    found: list[Point] = []
    seen: set[tuple[float, ...]] = set()
    while len(found) < n:
        corner = [pair[dice.integer(2)] for pair in ends]
        if tuple(corner) not in seen or len(seen) >= n_corners:
            seen.add(tuple(corner))
            found.append(corner)
    return found
