"""What a multi-start does for its basins: polish, measure, and scan them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.scans import line_peaks, line_points
from wilks.searchers.arrivals import merge
from wilks.searchers.basins import BasinRecord, explains
from wilks.searchers.multistart_state import Job

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.searchers.multistart import MultiStart
    from wilks.searchers.multistart_state import MultiStartState
    from wilks.searchers.start_rule import Count

POLISH_DEPTH = 5.0
"""Optima down to this far below the best are polished in any case: they may yet rise."""
MAX_SCANNED = 16
"""Most optima that are scanned, or measured at the end; the best one is in any case."""
_SCAN, _PEAKS_PER_LINE = 41, 4
_HITS_BEFORE_SCAN = 6
_STIFFER = 4.0  # second derivatives, against those that the steps were made for
_MAX_ROUNDS = 4
_GAIN_LEFT = 1e-6


def tend(search: MultiStart, state: MultiStartState, basin: BasinRecord) -> bool:
    """Begin the polish or the measurement of a basin, if it needs one."""
    best = state.basins[0]
    if not basin.polished and search.local == search.polisher and basin.converged:
        basin.polished = True
    if not basin.polished:
        if basin.value < best.value - max(search.depth, POLISH_DEPTH):
            return False
        ascent = search.polisher.start(basin.u[state.columns], value=basin.value, curvature=basin.curvature)
        search.begin(state, Job("polish", basin.u, ascent, basin.number))
        return True
    if basin is not best or basin.measured is not None:
        return False
    begin_measure(search, state, basin)
    return True


def begin_measure(search: MultiStart, state: MultiStartState, basin: BasinRecord) -> None:
    """Ask for the second derivatives at an optimum."""
    points = search.polisher.curvature_points(basin.u[state.columns], basin.curvature)
    if len(points):
        state.begin_for("measure", basin, points)
    else:
        basin.measured = np.empty((0, 0))


def measured(
    search: MultiStart,
    state: MultiStartState,
    basin: BasinRecord,
    values: NDArray[np.float64],
    payloads: list[NDArray[np.float64] | None] | None,
) -> None:
    """Take the second derivatives; if they promise a gain, or the steps did not fit, the basin is tended again."""
    u = basin.u[state.columns]
    state.untended = True
    basin.rounds += 1
    at = int(np.argmax(values))
    if values[at] > basin.value + _GAIN_LEFT and basin.rounds < _MAX_ROUNDS:  # go on from there
        basin.u = basin.u.copy()
        basin.u[state.columns] = search.polisher.curvature_points(u, basin.curvature)[at]
        basin.value, basin.polished = float(values[at]), False
        merge(state, basin)
        return
    assumed = np.diag(basin.curvature)
    found = search.polisher.curvature_from(u, basin.value, basin.curvature, values, payloads)
    if basin.rounds < _MAX_ROUNDS and (np.diag(found.positive) > _STIFFER * assumed).any():
        basin.curvature = found.positive  # the steps were too wide for it: measure again with those that fit
        return
    basin.measured, basin.curvature_error, basin.gradient = found.matrix, found.error, found.gradient
    basin.curvature, basin.promise = found.positive, found.promise
    if found.promise > _GAIN_LEFT and basin.rounds < _MAX_ROUNDS and not basin.stayed:
        basin.polished = False


def next_scan(search: MultiStart, state: MultiStartState, count: Count, more: int) -> BasinRecord | None:
    """The best optimum of interest that was not scanned, when it is known well enough."""
    if search.n_starts is not None or not len(state.columns) or search.rule.has_all_optima(count):
        return None
    if not state.basins or (more and count.hits < _HITS_BEFORE_SCAN):
        return None
    for basin in state.of_interest(search.depth):
        if not basin.scanned:
            spent = state.n_scans >= MAX_SCANNED and basin is not state.basins[0]
            busy = any(job.basin == basin.number for job in state.jobs.values())
            return None if spent or busy or not basin.polished else basin
    return None


def begin_scan(state: MultiStartState, basin: BasinRecord) -> None:
    """Look along all coordinates through an optimum."""
    basin.scanned = True
    state.n_scans += 1
    state.begin_for("scan", basin, line_points(basin.u[state.columns], _SCAN))


def scanned(
    search: MultiStart,
    state: MultiStartState,
    basin: BasinRecord,
    base: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Start ascents from the local maxima on the lines of a scan, but for those of basins that are known."""
    lowest = state.basins[0].value - 3.0 * max(search.depth, 4.0) - 2.0
    v = base[state.columns]
    points = state.full(base, line_points(v, _SCAN))
    for at in line_peaks(v, values, _SCAN, lowest=lowest, per_line=_PEAKS_PER_LINE):
        u, value = points[at], float(values[at])
        if any(explains(state.columns, known, u, value) for known in state.basins):
            continue
        ascent = search.local.start(u[state.columns], value=value, curvature=basin.curvature.copy())
        search.begin(state, Job("peak", base, ascent))
