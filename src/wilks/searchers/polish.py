"""Polish: a local ascent over the real coordinates of the incumbent, the others held.

The local solver sees the log-likelihood in units of a millionth of the spread of the first losses, from the first
incumbent, so that its tolerances mean the same for every likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.incumbent import Incumbent

_UNITS = 1e6


@dataclass
class Polish:
    """State of the polish.

    Attributes
    ----------
    ascent
        State of the local solver; None before the first.
    base
        Point whose other coordinates are held.
    curvature
        What the ascents so far know of the curvature; None at first.
    reference
        Loss that counts as zero; the first finite one.
    unit
        Spread of the first losses, as it was when the ascent began.
    waiting
        Are points outstanding?
    asked
        The points that were proposed last.
    idle_at
        Loss of the incumbent at which an ascent ended; NaN while there is something to do.
    """

    reference: float
    unit: float = 1.0
    ascent: Any = None
    base: Point | None = None
    curvature: NDArray[np.float64] | None = None
    waiting: bool = False
    asked: list[Point] = field(default_factory=list)
    idle_at: float = math.nan

    def propose(self, coordinates: Coordinates, solver: LocalSolver, incumbent: Incumbent) -> list[Point]:
        """Return the points of the ascent; none while others are outstanding or nothing is left to do."""
        if self.waiting or self.idle_at == incumbent.loss or not math.isfinite(incumbent.loss):
            return []
        self.idle_at = math.nan
        reals = coordinates.reals
        if self._begins_anew(incumbent):
            self.base, self.unit = incumbent.point, incumbent.scale or 1.0
            self.reference = self.reference if math.isfinite(self.reference) else incumbent.loss
            u = np.array([self.base[j] for j in reals])
            value = self._value(incumbent.loss)
            self.ascent = solver.start(u, value=value, curvature=self.curvature)
        if not len(self.ascent.points) or self.base is None:
            self.idle_at = incumbent.loss
            return []
        points = []
        for row in self.ascent.points.tolist():
            point = self.base.copy()
            for j, u in zip(reals, row, strict=True):
                point[j] = u
            points.append(point)
        self.waiting, self.asked = True, points.copy()  # a random restart may replace entries of the list
        return points

    def _begins_anew(self, incumbent: Incumbent) -> bool:
        """At the start of an iteration go to the incumbent, if it is better."""
        ascent = self.ascent
        if ascent is None or not len(ascent.points) or self.unit != (incumbent.scale or 1.0):
            return True
        return bool(ascent.stage == "gradient" and self._value(incumbent.loss) > ascent.value)

    def _value(self, loss: float) -> float:
        return -(loss - self.reference) / self.unit * _UNITS

    def absorb(self, solver: LocalSolver, incumbent: Incumbent, points: list[Point], losses: list[float]) -> None:
        """Advance the ascent; a batch with foreign points (random restarts) ends it."""
        self.waiting = False
        for point, loss in zip(points, losses, strict=True):
            incumbent.offer(point, loss)
        if points != self.asked:
            self.ascent = None
            return
        values = np.array([self._value(loss) for loss in losses])
        self.ascent = solver.advance(self.ascent, values)
        self.curvature = self.ascent.curvature
        if not len(self.ascent.points):
            self.idle_at = incumbent.loss
