"""Kicked restarts: jump to another place, search there by oneself, give up when it leads to nothing better.

A kick changes some coordinates of the incumbent, or draws a random point. From there a private search along the axes
and a private polish take turns. What makes the difference for categorical parameters: a changed category stays as it is
during the restart. A better category with badly tuned numbers looks worse at first, and would be changed back at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.searchers.incumbent import Incumbent
from wilks.searchers.polish import Polish
from wilks.searchers.portfolio.axis import AxisSearch, Trial

if TYPE_CHECKING:
    from wilks.core.algorithm import LocalSolver
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

_RANDOM, _RANDOM_WITH_CATEGORIES = 0.3, 0.1
_CATEGORICAL, _RESAMPLE = 0.85, 0.1
_REACH = 5
_DRAWS = 6


@dataclass
class Restart:
    """One private search.

    Attributes
    ----------
    own
        Its best point.
    spent, gained_from
        Evaluations of this pair of slices, and the loss at its beginning.
    in_slice
        Evaluations of the present slice.
    polishing
        Is it the turn of the polish?
    """

    own: Incumbent
    axis: AxisSearch
    polish: Polish
    gained_from: float
    spent: int = 0
    in_slice: int = 0
    polishing: bool = False


@dataclass
class Kicks:
    """State of the kicked restarts.

    Attributes
    ----------
    restart
        The search under way; None between two.
    frozen
        Coordinates that the next restart must not change.
    waiting
        Are points outstanding?
    tried
        How often each combination of categories was kicked to.
    n_restarts
        Restarts begun.
    """

    restart: Restart | None = None
    frozen: list[int] = field(default_factory=list)
    waiting: bool = False
    tried: dict[tuple[float, ...], int] = field(default_factory=dict)
    n_restarts: int = 0

    def propose(
        self, coordinates: Coordinates, dice: Dice, solver: LocalSolver | None, incumbent: Incumbent
    ) -> tuple[list[Point], Any]:
        """Return the next points of the private search, or those that begin one."""
        if self.waiting:
            return [], None
        points, note = self._go_on(coordinates, dice, solver)
        if not points:
            points, note = self._kicked(coordinates, dice, incumbent), "start"
        self.waiting = True
        return points, note

    def _go_on(self, coordinates: Coordinates, dice: Dice, solver: LocalSolver | None) -> tuple[list[Point], Any]:
        restart = self.restart
        if restart is None:
            return [], None
        for _ in range(2):
            note: Trial | None = None
            if restart.polishing and solver is not None and coordinates.reals:
                points = restart.polish.propose(coordinates, solver, restart.own)
            else:
                points, note = restart.axis.propose(coordinates, dice, restart.own)
            if points:
                return points, note
            restart.polishing, restart.in_slice = not restart.polishing, 0
        self.restart = None
        return [], None

    def _kicked(self, coordinates: Coordinates, dice: Dice, incumbent: Incumbent) -> list[Point]:
        d, categoricals = coordinates.dimension, coordinates.categoricals
        self.frozen = []
        if dice.uniform() < (_RANDOM_WITH_CATEGORIES if categoricals else _RANDOM):
            return [coordinates.random_point(dice) for _ in range(max(2, d // 2))]
        point = incumbent.point.copy()
        if categoricals and dice.uniform() < _CATEGORICAL:
            self._change_categories(coordinates, dice, point, categoricals)
            if dice.uniform() < _RESAMPLE:
                for j in range(d):
                    if j not in self.frozen and dice.uniform() < 0.5:
                        point[j] = coordinates.random_value(j, dice)
            return [point]
        sure, rate = dice.integer(d), max(2.0 / d, 0.2)
        for j in range(d):
            if j == sure or dice.uniform() < rate:
                point[j] = coordinates.random_value(j, dice)
        return [point]

    def _change_categories(self, coordinates: Coordinates, dice: Dice, point: Point, categoricals: list[int]) -> None:
        """Change one category or two: of several draws the combination that was tried least."""
        best: Point | None = None
        least = math.inf
        for _ in range(_DRAWS):
            n = min(len(categoricals), 1 if dice.uniform() < 0.7 else 2)
            changed = [categoricals[i] for i in dice.order(len(categoricals))[:n]]
            drawn = point.copy()
            for j in changed:
                drawn[j] = float(dice.other(coordinates.sizes[j], int(point[j])))
            n_tried = self.tried.get(tuple(drawn[j] for j in categoricals), 0)
            if n_tried < least:
                best, least, self.frozen = drawn, n_tried, changed
        if best is not None:
            point[:] = best
            combination = tuple(point[j] for j in categoricals)
            self.tried[combination] = self.tried.get(combination, 0) + 1

    def absorb(
        self,
        coordinates: Coordinates,
        solver: LocalSolver | None,
        incumbent: Incumbent,
        points: list[Point],
        losses: list[float],
        note: Any,  # noqa: ANN401 - of whichever method proposed them
        left: float,
    ) -> None:
        """Take the answers; `left` is the number of evaluations that the whole search may still use."""
        self.waiting = False
        if self.restart is not None:
            self.restart.own.scale = incumbent.scale
        if note == "start":
            self._begin(points, losses, incumbent)
            return
        restart = self.restart
        if restart is None:
            return
        if restart.polishing and solver is not None and coordinates.reals:
            restart.polish.absorb(solver, restart.own, points, losses)
        else:
            restart.axis.absorb(coordinates, restart.own, points[0], losses[0], note)
        restart.spent += len(points)
        restart.in_slice += len(points)
        if incumbent.offer(restart.own.point, restart.own.loss):
            restart.axis.frozen = []
        self._close_slice(coordinates, incumbent, restart, left)

    def _begin(self, points: list[Point], losses: list[float], incumbent: Incumbent) -> None:
        self.n_restarts += 1
        loss, point = min(zip(losses, points, strict=True), key=lambda pair: pair[0])
        if not math.isfinite(loss):
            self.restart = None
            return
        own = Incumbent(point, loss, incumbent.scale)
        incumbent.offer(point, loss)
        self.restart = Restart(own, AxisSearch.at(point, self.frozen), Polish(loss), loss)

    def _close_slice(self, coordinates: Coordinates, incumbent: Incumbent, restart: Restart, left: float) -> None:
        """After a slice the other method takes over; after both, go on only if it can still win."""
        d = coordinates.dimension
        polished = restart.polish.idle_at == restart.own.loss  # nothing is left to polish
        if restart.in_slice < d + 4 and not (restart.polishing and polished):
            return
        restart.in_slice = 0
        if restart.polishing or polished or not coordinates.reals:
            rate = (restart.gained_from - restart.own.loss) / max(1, restart.spent)
            reach = rate * min(_REACH * d, left)
            if rate <= 0 or restart.own.loss - reach > incumbent.loss:
                self.restart = None
            restart.gained_from, restart.spent = restart.own.loss, 0
        restart.polishing = not (restart.polishing or polished)
