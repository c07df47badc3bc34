"""What becomes of an ascent of a multi-start: it goes where another one leads, or it ends in a basin, new or known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.loop.foresight import promised_value
from wilks.searchers.basins import BasinRecord, leads_to, same_basin
from wilks.searchers.paths import Paths

if TYPE_CHECKING:
    from wilks.searchers.multistart_state import Job, MultiStartState

_ON_THE_WAY = 4
_OPTIMISM = 10.0
_ROUNDING = 1e-9


def follow(state: MultiStartState, owner: int, job: Job) -> None:
    """Keep the way that an ascent takes."""
    if not (math.isfinite(job.ascent.value) and job.ascent.value > job.value):
        return
    u = state.full(job.base, job.ascent.u[None, :])[0]
    job.n_steps += 1
    if job.n_steps:
        ends, values = np.array([job.u, u]), np.array([job.value, job.ascent.value])
        state.paths.extend(Paths.of_ascent(owner), ends, values)
    job.u, job.value = u, job.ascent.value


def is_superfluous(state: MultiStartState, owner: int, job: Job, lowest: float) -> bool:
    """Does an ascent lead to another basin that is known, or to nothing of interest? It counts as a hit then.

    An ascent from the peak of a scan knows the curvature from its first gradient on: it need not go on when many times
    the gain that it promises would leave it below `lowest`.
    """
    ascent = job.ascent
    if ascent.stage != "trial" or not np.isfinite(ascent.gradient).all():
        return False
    for basin in state.basins:
        if basin.number == job.basin or basin.value < ascent.value or (job.basin >= 0 and not basin.polished):
            continue
        if leads_to(state.columns, basin, job.base, ascent):
            _hit(state, owner, job, basin)
            return True
    if job.basin >= 0:
        return False
    promised = promised_value(ascent)
    if job.kind == "peak" and job.n_steps == 0:
        return bool(ascent.value + _OPTIMISM * (promised - ascent.value) < lowest)
    return job.n_steps >= _ON_THE_WAY and _is_on_known_way(state, owner, job, promised)


def _is_on_known_way(state: MultiStartState, owner: int, job: Job, promised: float) -> bool:
    ascent, own = job.ascent, Paths.of_ascent(owner)
    points = state.full(job.base, np.array([ascent.u, ascent.points[0]]))
    values = np.array([ascent.value, promised])
    label = state.paths.leads_to(points, values, ascent.curvature, state.columns, own)
    if label is None:
        return False
    if label >= 0:
        _hit(state, owner, job, state.basin(label))
    else:
        state.n_aborted += job.kind in ("given", "start")
        state.jobs[Paths.of_ascent(label)].n_followers += job.n_hits
        state.paths.rename(own, label)
    return True


def _hit(state: MultiStartState, owner: int, job: Job, basin: BasinRecord) -> None:
    """An ascent was on the way to a basin; if it was the polish of another one, that is none."""
    state.n_aborted += job.kind in ("given", "start")
    basin.n_hits += job.n_hits
    state.paths.rename(Paths.of_ascent(owner), basin.number, basin.value)
    if job.basin >= 0:
        unite(state, basin, state.basin(job.basin))


def enter_end(state: MultiStartState, owner: int, job: Job) -> None:
    """Enter the end of an ascent among the basins."""
    ascent = job.ascent
    if not math.isfinite(ascent.value):
        return
    u = state.full(job.base, ascent.u[None, :])[0]
    found = BasinRecord(u, ascent.value, ascent.curvature, ascent.gradient, 0, ascent.converged, ascent.reason)
    if job.basin >= 0:
        _enter_polished(state, state.basin(job.basin), found)
        return
    basin = next((basin for basin in state.basins if same_basin(state.columns, basin, found)), None)
    if basin is None:
        basin = found
        basin.number = state.next_basin
        state.next_basin += 1
        state.basins.append(basin)
    elif found.value > basin.value:
        state.withdraw_tenders(basin)
        if basin.polished and found.value < basin.value + _ROUNDING:  # the same place: what is known of it holds
            basin.u, basin.value = u, found.value
        else:
            basin.replace(found)
    basin.n_hits += job.n_hits
    state.paths.rename(Paths.of_ascent(owner), basin.number, basin.value)
    state.sort()


def _enter_polished(state: MultiStartState, basin: BasinRecord, found: BasinRecord) -> None:
    if np.array_equal(basin.u, found.u):  # what was measured there holds
        basin.stayed, basin.converged, basin.reason = True, found.converged, found.reason
    else:
        basin.replace(found)
    basin.polished = True
    merge(state, basin)


def merge(state: MultiStartState, basin: BasinRecord) -> None:
    """A basin that has moved may turn out to be another one."""
    state.sort()
    for other in list(state.basins):
        if other is not basin and same_basin(state.columns, other, basin):
            if other.value >= basin.value:
                unite(state, other, basin)
                return
            unite(state, basin, other)


def unite(state: MultiStartState, kept: BasinRecord, gone: BasinRecord) -> None:
    """Two basins have turned out to be one."""
    kept.n_hits += gone.n_hits
    kept.scanned = kept.scanned or gone.scanned
    state.paths.rename(gone.number, kept.number)
    state.withdraw_tenders(gone)
    for job in state.jobs.values():
        if job.basin == gone.number:  # its scan
            job.basin = kept.number
    state.basins = [basin for basin in state.basins if basin is not gone]
    state.untended = True
