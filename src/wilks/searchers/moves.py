"""Moves of searches that hold a population, for every kind of coordinate.

    1  one coordinate, normal, with a step of its own on every rung
    2  one coordinate, heavy tail: a step of 10^-4 to 1 of the range, uniform in its logarithm
    3  one coordinate, uniform
    4  differential: along the difference of two other replicas (ter Braak 2006; Storn and Price 1997), half of the time
       towards one of the colder replicas too, in a random subset of the coordinates
    5  crossover with another replica
    6  several real coordinates at once, normal

They look at the present population, and who uses them weights them by their success: they serve an optimiser, not a
sampler.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.searchers.coordinates import CATEGORICAL, ORDERED, REAL, Coordinates, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wilks.searchers.dice import Dice

NORMAL, HEAVY, UNIFORM, DIFFERENTIAL, CROSSOVER, SEVERAL = range(6)

SHARES = (0.30, 0.15, 0.10, 0.30, 0.05, 0.10)
"""How often each is used where nothing is known about its success."""

_CROSSOVER_RATES = (0.1, 0.5, 0.9)
_DRAWS_PER_COORDINATE = 3  # at most: is it moved, is it rounded up, and where does it land if it leaves its range?


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


def move_one(coordinates: Coordinates, dice: Dice, point: Point, j: int, step: float) -> Point:
    """Move one coordinate by `step` (of an index: by one at least); a categorical one to any other level."""
    moved = point.copy()
    kind = coordinates.kinds[j]
    if kind == CATEGORICAL:
        size = coordinates.sizes[j]
        moved[j] = float(dice.other(size, int(point[j]))) if size > 1 else 0.0
        return moved
    if kind == ORDERED and abs(step) < 1.0:
        step = math.copysign(1.0, step)
    value = point[j] + step
    # Most steps end inside, and a call of `settle` costs as much as all of the rest.
    moved[j] = value if kind == REAL and 0.0 <= value <= 1.0 else coordinates.settle(j, value, point[j], dice)
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
    point, first, second = population[k], population[a], population[b]
    d = len(point)
    uniform = dice.drawing(_DRAWS_PER_COORDINATE * d + 6)
    scale = 0.4 + 0.6 * uniform() if uniform() < 0.7 else 1.0
    towards = scale if uniform() < 0.5 else 0.0
    top = population[int(uniform() * max(1, n // 3))]
    kinds, moved = coordinates.kinds, point.copy()
    for j in chosen(uniform, d):
        kind, x = kinds[j], point[j]
        if kind == CATEGORICAL:
            moved[j] = first[j]
            continue
        z = x + scale * (first[j] - second[j]) + towards * (top[j] - x)
        if kind == ORDERED:
            z = math.floor(z + uniform())
        moved[j] = z if kind == REAL and 0.0 <= z <= 1.0 else coordinates.settle(j, z, x, dice)
    return moved


def masked(dice: Dice, point: Point, value: Callable[[int], float]) -> Point:
    """Replace a random subset of the coordinates."""
    d, moved = len(point), point.copy()
    for j in chosen(dice.drawing(_DRAWS_PER_COORDINATE * d + 2), d):
        moved[j] = value(j)
    return moved


def chosen(uniform: Callable[[], float], d: int) -> Iterator[int]:
    """Choose a random subset of the coordinates, one at least, at a random rate; drawn one after the other."""
    rate = _CROSSOVER_RATES[int(uniform() * 3)]
    sure = int(uniform() * d)
    for j in range(d):
        if j == sure or uniform() < rate:
            yield j


def crossover(dice: Dice, population: list[Point], k: int) -> Point:
    """Take every coordinate from another replica with probability one half."""
    other = population[dice.other(len(population), k)]
    uniform = dice.drawing(len(other))
    return [theirs if uniform() < 0.5 else mine for mine, theirs in zip(population[k], other, strict=True)]


def several(coordinates: Coordinates, dice: Dice, point: Point, step: float) -> Point:
    """Move about half of the real coordinates at once."""
    reals = coordinates.reals
    rate = max(0.5, 2.0 / len(reals))
    moved = point.copy()
    uniform = dice.drawing(2 * len(reals))
    for j in reals:
        if uniform() < rate:
            z = point[j] + step * dice.normal()
            moved[j] = z if 0.0 <= z <= 1.0 else coordinates.settle(j, z, point[j], dice)
    return moved
