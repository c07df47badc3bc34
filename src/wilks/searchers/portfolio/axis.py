r"""Search along the axes: one coordinate of the incumbent is changed at a time, where little is known about its line.

Every coordinate has an archive of pairs (t, h): its value, and the loss along this axis up to a constant. Differences
found while the other coordinates had other values are kept, as if the loss were a sum over the coordinates; where it is
one, this alone finds the optimum, where it is not, little is lost.

The next t lies in the interval that may hide a new minimum most easily. Take a parabola through both ends of
(t_i, t_i+1) that dips eps below the lowest h; the square root of its curvature is

    D_i = [sqrt(h_i - h_min + eps) + sqrt(h_(i+1) - h_min + eps)] / (t_(i+1) - t_i),                      (1)

and the interval of least D_i is the one where the least bending suffices (the idea of Shubert 1972, with a curvature in
the place of a slope; "select the easiest point", Langerman, Seront and Bersini 1994). The first and the last interval
are closed by the mirror image of the outermost point at the bound.

A second point goes to the minimum of the parabola through the lowest pair and its neighbours, if it promises something.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wilks.searchers.coordinates import CATEGORICAL, Coordinates, Point

if TYPE_CHECKING:
    from wilks.searchers.dice import Dice
    from wilks.searchers.incumbent import Incumbent

_DIP, _WORTH = 1e-2, 1e-3
_FEW = 4
_SHORTEST_REAL, _SHORTEST_ORDERED = 1e-7, 1.5
_MOST_PAIRS, _KEPT_PAIRS = 120, 40


@dataclass
class Line:
    """The archive of one coordinate, sorted by t."""

    t: list[float]
    h: list[float]

    def add(self, t: float, h: float) -> None:
        """Enter a pair, or replace the one at the same t."""
        at = bisect.bisect_left(self.t, t)
        if at < len(self.t) and self.t[at] == t:
            self.h[at] = h
        else:
            self.t.insert(at, t)
            self.h.insert(at, h)

    def at(self, t: float) -> float | None:
        """The h at this very t, if it is known."""
        at = bisect.bisect_left(self.t, t)
        return self.h[at] if at < len(self.t) and self.t[at] == t else None

    def thin(self, keep: float) -> None:
        """Forget all but the lowest pairs, and the one at `keep`, when there are too many."""
        if len(self.t) <= _MOST_PAIRS:
            return
        lowest = set(sorted(range(len(self.t)), key=self.h.__getitem__)[:_KEPT_PAIRS])
        kept = [i for i in range(len(self.t)) if i in lowest or self.t[i] == keep]
        self.t, self.h = [self.t[i] for i in kept], [self.h[i] for i in kept]


@dataclass
class Trial:
    """One change of one coordinate: of which point, with what loss, and whether a refinement may follow."""

    coordinate: int
    base: Point
    loss: float
    explores: bool


@dataclass
class AxisSearch:
    """State of the search along the axes.

    Attributes
    ----------
    lines
        Archive of every coordinate.
    base
        Incumbent that the archives know.
    todo
        Coordinates left in this sweep over all.
    refine
        Coordinates whose parabola is looked at next.
    frozen
        Coordinates that stay as they are.
    found_work
        Was anything tried in this sweep?
    idle_at
        Loss of the incumbent at which a whole sweep found nothing to try; NaN while there is something.
    """

    lines: list[Line]
    base: Point
    todo: list[int] = field(default_factory=list)
    refine: list[int] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)
    found_work: bool = True
    idle_at: float = math.nan

    @classmethod
    def at(cls, point: Point, frozen: list[int] | None = None) -> AxisSearch:
        """Begin at a point."""
        return cls([Line([t], [0.0]) for t in point], point, frozen=frozen or [])

    def propose(self, coordinates: Coordinates, dice: Dice, incumbent: Incumbent) -> tuple[list[Point], Trial | None]:
        """Return one point, and what is tried with it; no point if nothing is left."""
        self._follow(incumbent)
        if self.idle_at == incumbent.loss:
            return [], None
        self.idle_at = math.nan
        while True:
            explores = not self.refine
            j, t = self._next(coordinates, dice)
            if j < 0:
                self.lines = [Line([value], [0.0]) for value in self.base]
                self.idle_at = incumbent.loss
                return [], None
            if t is not None:
                self.found_work = True
                moved = self.base.copy()
                moved[j] = t
                return [moved], Trial(j, self.base, incumbent.loss, explores)

    def _follow(self, incumbent: Incumbent) -> None:
        """Enter what has changed in the incumbent, as the lowest of each line."""
        if incumbent.point is self.base:
            return
        for line, old, new in zip(self.lines, self.base, incumbent.point, strict=True):
            if new != old and line.at(new) is None:
                line.add(new, min(line.h))
        self.base = incumbent.point

    def _next(self, coordinates: Coordinates, dice: Dice) -> tuple[int, float | None]:
        """Return the next coordinate and the value to try, None if it has none; coordinate -1 after an idle sweep."""
        if self.refine:
            j = self.refine.pop(0)
            return j, refined(coordinates, j, self.lines[j])
        if not self.todo:
            if not self.found_work:
                self.found_work = True
                return -1, None
            self.todo = [j for j in dice.order(coordinates.dimension) if j not in self.frozen]
            self.found_work = False
            if not self.todo:
                return -1, None
        j = self.todo.pop()
        return j, unexplored(coordinates, dice, j, self.lines[j], self.base[j])

    def absorb(self, coordinates: Coordinates, incumbent: Incumbent, point: Point, loss: float, trial: Trial) -> None:
        """Enter the answer, and take the point if it is the best; one off the axis (a random restart) says no more."""
        if math.isinf(trial.loss) and math.isfinite(loss):  # the first finite loss: all differences before mean nothing
            incumbent.offer(point, loss)
            self.lines, self.base = [Line([t], [0.0]) for t in point], point
            return
        j = trial.coordinate
        if any(new != old for i, (new, old) in enumerate(zip(point, trial.base, strict=True)) if i != j):
            incumbent.offer(point, loss)
            return
        line = self.lines[j]
        before = line.at(trial.base[j])
        difference = loss - trial.loss
        if math.isfinite(difference):
            line.add(point[j], (min(line.h) if before is None else before) + difference)
        else:
            line.add(point[j], max(line.h) + incumbent.scale)
        incumbent.offer(point, loss)
        self._follow(incumbent)
        line.thin(self.base[j])
        if trial.explores and coordinates.kinds[j] != CATEGORICAL:
            self.refine.append(j)


def unexplored(coordinates: Coordinates, dice: Dice, j: int, line: Line, here: float) -> float | None:
    """Value of coordinate `j` to try next; None when nothing is left."""
    if coordinates.kinds[j] == CATEGORICAL:
        left = [float(i) for i in range(coordinates.sizes[j]) if line.at(float(i)) is None]
        return left[dice.integer(len(left))] if left else None
    top = coordinates.widths[j]
    real = not coordinates.sizes[j]
    shortest = _SHORTEST_REAL if real else _SHORTEST_ORDERED
    if len(line.t) < _FEW:
        t = _in_largest_gap(dice, line, here, top)
    else:
        found = _easiest(line, top, shortest)
        if found is None:
            return None
        low, high = found
        t = low + (0.5 + 0.1 * (dice.uniform() - 0.5)) * (high - low)
        t = -t if t < 0 else 2 * top - t if t > top else t
    if real:
        return t
    t = float(min(max(round(t), 0), top))
    return t if line.at(t) is None else _nearest_untried(line, t, int(top))


def _in_largest_gap(dice: Dice, line: Line, here: float, top: float) -> float:
    fraction = 0.3 + 0.4 * dice.uniform()
    if len(line.t) == 1:
        low, high = (0.0, here) if dice.uniform() * top < here else (here, top)
    else:
        ends = [0.0, *line.t, top]
        low, high = max(itertools.pairwise(ends), key=lambda gap: gap[1] - gap[0])
    return low + fraction * (high - low)


def _easiest(line: Line, top: float, shortest: float) -> tuple[float, float] | None:
    """Interval of least difficulty (1) among those that are long enough; ends beyond the range are mirror images."""
    lowest = min(line.h)
    dip = _DIP * (statistics.median(line.h) - lowest)
    roots = [math.sqrt(h - lowest + dip) for h in line.h]
    t = [-line.t[0], *line.t, 2 * top - line.t[-1]]
    roots = [roots[0], *roots, roots[-1]]
    best, least = None, math.inf
    for i in range(len(t) - 1):
        length = t[i + 1] - t[i]
        if length < shortest:
            continue
        difficulty = (roots[i] + roots[i + 1] or dip or 1e-300) / length
        if difficulty < least:
            best, least = (t[i], t[i + 1]), difficulty
    return best


def _nearest_untried(line: Line, t: float, top: int) -> float | None:
    """Index next to `t` that was not tried, None if it has no such neighbour."""
    for candidate in (t - 1, t + 1):
        if 0 <= candidate <= top and line.at(candidate) is None:
            return candidate
    return None


def refined(coordinates: Coordinates, j: int, line: Line) -> float | None:
    """Minimum of the parabola through the lowest pair and its neighbours, None where it promises too little."""
    i = min(range(len(line.t)), key=lambda k: line.h[k])
    if not 0 < i < len(line.t) - 1:
        return None
    left, right = line.t[i] - line.t[i - 1], line.t[i + 1] - line.t[i]
    down, up = (line.h[i - 1] - line.h[i]) / left, (line.h[i + 1] - line.h[i]) / right
    bend = (down + up) / (left + right)
    if not bend > 0 or not math.isfinite(bend):
        return None
    step = (down * right - up * left) / (2 * (down + up)) if down + up > 0 else 0.0
    if bend * step * step < _WORTH * (statistics.median(line.h) - min(line.h)):
        return None
    t = line.t[i] + step
    if coordinates.sizes[j]:
        t = float(round(t))
    return t if line.at(t) is None else None
