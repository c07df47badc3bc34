"""Moves of the tempering optimiser, for every kind of coordinate.

    1  one coordinate, normal, with a step of its own on every rung
    2  one coordinate, heavy tail: a step of 10^-4 to 1 of the range, uniform in its logarithm
    3  one coordinate, uniform
    4  differential: along the difference of two other replicas (ter Braak 2006; Storn and Price 1997), half of the time
       towards one of the colder replicas too, in a random subset of the coordinates
    5  crossover with another replica
    6  several real coordinates at once, normal

They look at the present population and are weighted by their success, so they serve an optimiser, not a sampler.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.searchers.coordinates import CATEGORICAL, ORDERED, REAL, Coordinates, Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from wilks.searchers.dice import Dice

NORMAL, HEAVY, UNIFORM, DIFFERENTIAL, CROSSOVER, SEVERAL = range(6)

SHARES = (0.30, 0.15, 0.10, 0.30, 0.05, 0.10)
"""How often each is used where nothing is known about its success."""

_CROSSOVER_RATES = (0.1, 0.5, 0.9)


def shares(coordinates: Coordinates, n_replicas: int) -> list[float]:
    """Return the shares of the moves that a space and a number of replicas allow."""
    allowed = list(SHARES)
    if n_replicas < 3:
        allowed[DIFFERENTIAL] = 0.0
    if n_replicas < 2:
        allowed[CROSSOVER] = 0.0
    if len(coordinates.reals) < 2:
        allowed[SEVERAL] = 0.0
    return allowed


def move_one(
    coordinates: Coordinates, dice: Dice, point: Point, j: int, step: float, *, at_least_one: bool = True
) -> Point:
    """Move one coordinate by `step` (of an index: by one at least); a categorical one to any other level."""
    moved = point.copy()
    kind = coordinates.kinds[j]
    if kind == CATEGORICAL:
        size = coordinates.sizes[j]
        moved[j] = float(dice.other(size, int(point[j]))) if size > 1 else 0.0
        return moved
    if kind == ORDERED and at_least_one and abs(step) < 1.0:
        step = math.copysign(1.0, step)
    moved[j] = coordinates.settle(j, point[j] + step, point[j], dice)
    return moved


def heavy_step(coordinates: Coordinates, dice: Dice, j: int) -> float:
    """Draw a step for move 2."""
    sign = 1.0 if dice.uniform() < 0.5 else -1.0
    return float(sign * coordinates.widths[j] * 10.0 ** (-4.0 * dice.uniform()))


def uniform(coordinates: Coordinates, dice: Dice, point: Point, j: int) -> Point:
    """Draw one coordinate anew."""
    moved = point.copy()
    moved[j] = coordinates.random_value(j, dice)
    return moved


def differential(coordinates: Coordinates, dice: Dice, population: list[Point], k: int) -> Point:
    """Move 4 for member `k` of a population that is sorted from cold to hot."""
    n = len(population)
    a = dice.other(n, k)
    b = dice.other(n, k)
    while b == a:
        b = dice.other(n, k)
    scale = 0.4 + 0.6 * dice.uniform() if dice.uniform() < 0.7 else 1.0
    towards = scale if dice.uniform() < 0.5 else 0.0
    point, first, second = population[k], population[a], population[b]
    top = population[dice.integer(max(1, n // 3))]

    def value(j: int) -> float:
        if coordinates.kinds[j] == CATEGORICAL:
            return first[j]
        z = point[j] + scale * (first[j] - second[j]) + towards * (top[j] - point[j])
        if coordinates.kinds[j] == ORDERED:
            z = math.floor(z + dice.uniform())
        return coordinates.settle(j, z, point[j], dice)

    return masked(dice, point, value)


def masked(dice: Dice, point: Point, value: Callable[[int], float]) -> Point:
    """Replace a random subset of the coordinates, one at least, at a random rate."""
    d = len(point)
    rate = _CROSSOVER_RATES[dice.integer(3)]
    moved = point.copy()
    sure = dice.integer(d)
    for j in range(d):
        if j == sure or dice.uniform() < rate:
            moved[j] = value(j)
    return moved


def crossover(dice: Dice, population: list[Point], k: int) -> Point:
    """Take every coordinate from another replica with probability one half."""
    other = population[dice.other(len(population), k)]
    return [theirs if dice.uniform() < 0.5 else mine for mine, theirs in zip(population[k], other, strict=True)]


def several(coordinates: Coordinates, dice: Dice, point: Point, step: float) -> Point:
    """Move about half of the real coordinates at once."""
    reals = [j for j, kind in enumerate(coordinates.kinds) if kind == REAL]
    rate = max(0.5, 2.0 / len(reals))
    moved = point.copy()
    for j in reals:
        if dice.uniform() < rate:
            moved[j] = coordinates.settle(j, point[j] + step * dice.normal(), point[j], dice)
    return moved
