"""What a local ascent will ask for next, if its trial comes out as its model promises."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Ascent, LocalSolver

ONE_WORKER = 16
"""Points that a driver with one worker asks for at a time: nobody is idle then."""
AHEAD = 4
"""Points for each worker that a driver with many asks for, those under way included."""
_NEARLY = 0.9


def promised_value(ascent: Ascent) -> float:
    """Value that the quadratic model of an ascent promises at the point that it is about to try."""
    step = ascent.points[0] - ascent.u
    return float(ascent.value + ascent.gradient @ step - 0.5 * step @ ascent.curvature @ step)


def points_ahead(solver: LocalSolver, ascent: Ascent) -> NDArray[np.float64]:
    """Points that an ascent will ask for after those for which it waits, shape (k, m); none if that cannot be said.

    Known are those around a point that is being looked at or tried, for the gradient there: where they lie does not
    depend on the answer, as long as it is good enough for the step to be made. With them on the way at the same time,
    an iteration takes one round trip, not two.
    """
    nothing = np.empty((0, len(ascent.u)))
    if solver.want == "value" and getattr(ascent, "stage", "") == "value" and len(ascent.u):
        return np.asarray(solver.advance(copy.deepcopy(ascent), np.zeros(1)).points)
    if solver.want != "value" or getattr(ascent, "stage", "") != "trial" or not np.isfinite(ascent.gradient).all():
        return nothing
    gain = promised_value(ascent) - ascent.value  # one that comes out exactly might be the last
    later = solver.advance(copy.deepcopy(ascent), np.array([ascent.value + _NEARLY * gain]))
    return later.points if getattr(later, "stage", "") == "gradient" else nothing
