"""How the audit of a map is carried out; what it is and what it says is in `profiles.audit`.

Its cells are the first of a random order of all cells that lie in the region of interest, so they are a uniform sample
of it whatever the region turns out to be. That allows workers that would be idle to search cells ahead, while the map
is being finished; what such a search finds is looked at, and enters the map, only when the map is finished.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator
from wilks.profiles import ends
from wilks.profiles.audit import CellSearch
from wilks.profiles.combinations import combinations, with_combination
from wilks.profiles.state import Job

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_TRIES = 20


def begin_ahead(plan: ProfileMap, state: MapState) -> None:
    """Begin with the cells that will probably be drawn: those next to a lattice node in the region."""
    if not state.audit.wanted:
        return
    likely = np.zeros(state.grid.n_cells, dtype=bool)
    likely[plan.region(state)] = True
    nodes = [_nearest(at, n) for at, n in _axes(state)]
    near = np.ravel_multi_index(np.meshgrid(*nodes, indexing="ij"), state.grid.shape).ravel()
    for cell in _drawn(state, likely[near])[: state.audit.wanted]:
        _start_search(plan, state, cell, 0)


def _axes(state: MapState) -> list[tuple[NDArray[np.int64], int]]:
    return list(zip(state.grid.lattice(state.spacing), state.grid.shape, strict=True))


def _nearest(at: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The nearest of some ascending positions to each of 0 ... n - 1, the lower one of two that are as near."""
    position = np.arange(n)
    above = np.clip(np.searchsorted(at, position), 0, len(at) - 1)
    below = np.maximum(above - 1, 0)
    return np.asarray(np.where(np.abs(position - at[below]) <= np.abs(at[above] - position), at[below], at[above]))


def _drawn(state: MapState, inside: NDArray[np.bool_]) -> list[int]:
    """Cells of a region in the random order of all cells."""
    order = keyed_generator(state.seed, 3).permutation(state.grid.n_cells)
    found: list[int] = order[inside[order]].tolist()
    return found


def begin(plan: ProfileMap, state: MapState) -> None:
    """Draw the cells, now that the map is finished, and search those that were not searched ahead."""
    ledger = state.audit
    state.requests.hurry()
    inside = np.zeros(state.grid.n_cells, dtype=bool)
    inside[plan.region(state)] = True
    chosen = [cell for cell in _drawn(state, inside) if cell not in ledger.cells]
    chosen = chosen[: max(0, ledger.wanted - len(ledger.cells))]
    under_way = {job.cell: number for number, job in state.jobs.items() if job.kind == "audit"}
    for cell, number in under_way.items():
        if cell not in chosen:
            state.requests.withdraw(number)
            del state.jobs[number]
    for cell in chosen:
        ledger.cells.append(cell)
        ledger.before.append(float(state.best_values[cell]))
        ledger.found.append(math.nan)
        ended = ledger.ended.pop(cell, None)
        if ended is not None:
            _end_search(plan, state, ended)
        elif cell not in under_way:
            _start_search(plan, state, cell, 0)
    ledger.ended.clear()


def _start_search(plan: ProfileMap, state: MapState, cell: int, attempt: int) -> None:
    """From a random point of all nuisance coordinates, discrete ones included."""
    base = keyed_generator(state.seed, 4, cell, attempt).random(state.space.dimension)
    base = state.space.to_unit(state.space.from_unit(base))
    v = base[state.inner]
    search = CellSearch(v, attempt=attempt)
    plan.enter(state, Job("audit", cell, -1, base, plan.local.start(v), v, audit=search))


def advance(
    plan: ProfileMap,
    state: MapState,
    number: int,
    values: NDArray[np.float64],
    payloads: list[NDArray[np.float64] | None] | None,
) -> None:
    """Take the answers of an audited cell."""
    job, search = state.jobs[number], state.jobs[number].audit
    if search.scanning:
        search.take_scan(search.scan_points(), values)
        search.scanning = False
        if search.rounds == 1:
            search.others = _others(state, job)
    else:
        job.ascent = plan.local.advance(job.ascent, values, payloads)
        if len(job.ascent.points):
            plan.request(state, number, job.ascent.points)
            return
        _keep_better(search, job)
        if not len(state.inner) and search.rounds == 0:  # nothing to scan
            search.rounds, search.others = 1, _others(state, job)
    _continue_search(plan, state, number)


def _keep_better(search: CellSearch, job: Job) -> None:
    ascent = job.ascent
    if ascent.value > search.value:
        search.best, search.value, search.base = ascent.u, ascent.value, job.base
        search.curvature, search.converged = ascent.curvature, ascent.converged


def _others(state: MapState, job: Job) -> list[NDArray[np.float64]]:
    """The best end with every other combination of discrete nuisance values."""
    full = job.base.copy()
    full[state.inner] = job.audit.best
    every = (with_combination(state, full, combination) for combination in combinations(state))
    own = state.combination(full)
    return [point for point in every if state.combination(point) != own]


def _continue_search(plan: ProfileMap, state: MapState, number: int) -> None:
    """Next ascent, next scan, or the end."""
    job, search = state.jobs[number], state.jobs[number].audit
    while search.starts or search.others:
        if search.starts:
            job.ascent = plan.local.start(search.starts.pop(0))
        else:
            job.base = search.others.pop(0)
            job.ascent = plan.local.start(job.base[state.inner])
        if len(job.ascent.points):
            plan.request(state, number, job.ascent.points)
            return
    if search.wants_scan():
        search.rounds, search.scanned, search.scanning = search.rounds + 1, search.value, True
        job.base = search.base
        plan.request(state, number, search.scan_points())
        return
    del state.jobs[number]
    if not math.isfinite(search.value) and search.attempt + 1 < _TRIES:
        _start_search(plan, state, job.cell, search.attempt + 1)  # where the likelihood was undefined: draw another
    elif job.cell in state.audit.cells:
        _end_search(plan, state, job)
    else:
        state.audit.ended[job.cell] = job


def _end_search(plan: ProfileMap, state: MapState, job: Job) -> None:
    """Enter what was found in the ledger, and in the map where it is better."""
    search, cell = job.audit, job.cell
    state.audit.found[state.audit.cells.index(cell)] = search.value
    if search.value > state.best_values[cell] + 1e-4:
        ascent = plan.local.start(search.best, curvature=search.curvature)
        ascent.u, ascent.value, ascent.converged = search.best, search.value, search.converged
        base = job.base if search.base is None else search.base
        label = plan.new_branch(state, base, plan.tangent_in(state, cell))
        ends.finish_cell(plan, state, Job("offer", cell, label, base, ascent, search.best))
