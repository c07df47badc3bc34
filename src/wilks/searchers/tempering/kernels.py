r"""Moves of the tempering sampler, for every kind of coordinate; each is symmetric, q(y | x) = q(x | y).

    one           one coordinate: a real one by a normal step of random scale, an ordered one by +-(1 + a geometric
                  number), a categorical one to any other level
    all           all reals by normal steps, all ordered ones by rounded normal steps, some categorical ones
    differential  along the difference of two points a, b of a fixed archive (ter Braak 2006; ter Braak and Vrugt 2008,
                  https://doi.org/10.1007/s11222-008-9104-9): y = x + g (a - b) + a small step, g = 1 for jumps between
                  modes or 2.38 / sqrt(2 d) for steps within one; a categorical level exchanges the names of a and b

Which move is made, of which coordinate and at which scale never depends on the state. The pairs (a, b) and (b, a) are
equally likely, and the archive knows nothing of the chain. So Metropolis' rule needs no correction (Metropolis et al.
1953), provided that a proposal outside the box is a rejection: clipping would break detailed balance. Where the
coordinates are periodic it is taken around instead, which is symmetric too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.searchers.coordinates import CATEGORICAL, REAL

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

ONE, ALL, DIFFERENTIAL, PRIOR = range(4)

_DIFFERENTIAL_SHARE = 0.2
_JITTER = 1e-3
_GAIN = 2.38


def choose(coordinates: Coordinates, dice: Dice, *, with_archive: bool) -> int:
    """Draw the kind of a move; nothing of the state is known here."""
    if with_archive and dice.uniform() < _DIFFERENTIAL_SHARE:
        return DIFFERENTIAL
    d = len(coordinates.kinds)
    if d == 1:
        return ALL if coordinates.kinds[0] == REAL else ONE
    return ONE if dice.uniform() < 0.5 else ALL


def one(coordinates: Coordinates, dice: Dice, point: Point, j: int, step: float) -> Point | None:
    """Move coordinate `j`; `step` is relative to its range. None outside the box."""
    moved = point.copy()
    kind, size = coordinates.kinds[j], coordinates.sizes[j]
    if kind == CATEGORICAL:
        if size > 1:
            moved[j] = float(dice.other(size, int(point[j])))
        return moved
    scale = step * 10.0 ** (dice.uniform() - 0.5)
    if kind == REAL:
        value = point[j] + scale * dice.normal()
    else:
        length = 1.0 + geometric(dice, scale * coordinates.widths[j] - 1.0)
        value = point[j] + (length if dice.uniform() < 0.5 else -length)
    if not coordinates.low[j] <= value <= coordinates.high[j]:
        if coordinates.boundary != "periodic":
            return None
        value %= size or 1.0
    moved[j] = value
    return moved


def geometric(dice: Dice, mean: float) -> float:
    """Draw 0, 1, 2, ... with probabilities that fall geometrically and this mean; 0 where it is not positive."""
    if mean <= 0.0:
        return 0.0
    return float(math.floor(math.log(1.0 - dice.uniform()) / math.log(mean / (1.0 + mean))))


def several(coordinates: Coordinates, dice: Dice, point: Point, steps: list[float], jump: float) -> Point | None:
    """Move all coordinates by `jump` times their steps over the root of their number. None outside the box."""
    kinds, low, high, widths = coordinates.kinds, coordinates.low, coordinates.high, coordinates.widths
    d = len(kinds)
    scale = jump / math.sqrt(d)
    moved: Point = []
    for j, x in enumerate(point):
        kind = kinds[j]
        if kind == REAL:
            value = x + scale * steps[j] * dice.normal()
        elif kind == CATEGORICAL:
            change = coordinates.sizes[j] > 1 and dice.uniform() * d < 1.0
            moved.append(float(dice.other(coordinates.sizes[j], int(x))) if change else x)
            continue
        else:
            value = x + round(scale * steps[j] * widths[j] * dice.normal())
        if not low[j] <= value <= high[j]:
            if coordinates.boundary != "periodic":
                return None
            value %= coordinates.sizes[j] or 1.0
        moved.append(value)
    return moved


def differential(
    coordinates: Coordinates, dice: Dice, point: Point, archive: list[Point], steps: list[float]
) -> Point | None:
    """Move along the difference of two points of the archive. None outside the box."""
    kinds, low, high = coordinates.kinds, coordinates.low, coordinates.high
    a = dice.integer(len(archive))
    first, second = archive[a], archive[dice.other(len(archive), a)]
    gain = 1.0 if dice.uniform() < 0.5 else _GAIN / math.sqrt(2.0 * len(point))
    moved: Point = []
    for j, x in enumerate(point):
        kind, ours, theirs = kinds[j], first[j], second[j]
        if kind == REAL:
            value = x + gain * (ours - theirs) + _JITTER * steps[j] * dice.normal()
        elif kind == CATEGORICAL:
            moved.append(ours if x == theirs else theirs if x == ours else x)
            continue
        else:
            value = x + round(gain * (ours - theirs))  # halves go to even numbers: odd in its argument
        if not low[j] <= value <= high[j]:
            if coordinates.boundary != "periodic":
                return None
            value %= coordinates.sizes[j] or 1.0
        moved.append(value)
    return moved
