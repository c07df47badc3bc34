"""Second chances of a map, in order: islands, other optima, neighbours' argmax values, and the audit.

A flood follows what it knows; what it does not know is found here. Every stage queues tasks or starts ascents, an
improvement floods again, and the next stage begins when nothing is left to do:

* explore: one look at cells spread over what was not visited, with the best optimum's nuisances, and again on finer
  lattices around what comes near the region; promising local maxima are optimised, and flood if they lie in it;
* cross: the nuisances of the other optima are offered to some cells of the region;
* scan: a few cells of the region, far from one another, are looked at along every nuisance coordinate, for branches
  that no known optimum belongs to; three rounds at most, as long as there are improvements;
* heal: every cell on the rim or inside of the region is offered the argmax of its neighbours, also of lower ones,
  where it differs from all its own by more than the smooth change from cell to cell; until a pass improves nothing;
* audit: see `profiles.audit`; what it finds is flooded and healed like everything else.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.random import keyed_generator
from wilks.profiles.audit import SCAN, CellSearch, draw_cells
from wilks.profiles.branches import runs_parallel
from wilks.profiles.prediction import predict
from wilks.profiles.state import MARGIN, Job, Look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.loop.requests import Request
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_MAX_LOOKS = 300
_MAX_DIRECT_LOOKS = 10_000
_MAX_ISLANDS = 24
_MAX_OPTIMA = 8
_CROSS_CELLS = 24
_MAX_PASSES = 12
_SCAN_ROUNDS, _MAX_SCANS, _SCAN_POINTS = 3, 6, 600
_WORTH = 0.5
_NEAR_BEST = 3.0
_TRIES = 20
_OLD = 99


def next_stage(plan: ProfileMap, state: MapState) -> None:
    """Begin the stage after the one that has just run out of work."""
    if state.stage == "flood":
        state.stage = "explore"
        _begin_explore(plan, state)
    elif state.stage == "explore":
        if not _refine_looks(plan, state):
            state.stage = "islands"
            _begin_islands(plan, state)
    elif state.stage == "islands":
        state.stage = "cross"
        _begin_cross(plan, state)
    elif state.stage == "cross":
        state.stage, state.n_passes, state.n_improved = "scan", 0, 1
    elif state.stage == "scan":
        if not _begin_scans(plan, state):
            state.stage, state.n_passes, state.n_improved = "heal", 0, 1
    elif state.stage == "heal":
        if state.n_improved and state.n_passes < _MAX_PASSES:
            state.n_passes, state.n_improved = state.n_passes + 1, 0
            _queue_heal(plan, state)
        else:
            state.stage, state.n_improved = "audit", 0
            _begin_audit(plan, state)
    elif state.n_improved:  # the audit improved cells: their neighbourhood deserves another look
        state.stage, state.n_passes = "heal", 0
    else:
        state.stage = "done"


def begin_task(plan: ProfileMap, state: MapState, kind: str, cell: int, row: int) -> None:
    """Begin an offer: `row` is a solution of another cell, or minus one minus the number of an optimum."""
    known = state.best_values[cell]
    if kind == "heal":
        _offer_neighbour(plan, state, cell, row)
        return
    optimum = state.optima[-1 - row]
    v = optimum.u[state.inner]
    if state.records.alike(cell, v) is None:
        plan.begin(state, "offer", cell, -1, optimum.u, v, demand=known - _WORTH if np.isfinite(known) else -math.inf)


def advance(
    plan: ProfileMap,
    state: MapState,
    number: int,
    request: Request,
    payloads: list[NDArray[np.float64] | None] | None,
) -> None:
    """Take the answers of a look or of an audited cell."""
    job = state.jobs[number]
    if job.kind == "explore":
        del state.jobs[number]
        state.looks[job.cell] = float(request.values[0])
        return
    if job.kind == "scan":
        del state.jobs[number]
        job.audit.take_scan(job.ascent.points, request.values)
        for v in job.audit.starts:
            plan.begin(
                state, "offer", job.cell, -1, job.base, v, demand=float(state.best_values[job.cell]) - _NEAR_BEST
            )
        return
    _advance_audit(plan, state, number, request.values, payloads)


# ---------------------------------------------------------------------- islands


def _lattice(state: MapState) -> tuple[int, list[int]]:
    """Coarsest spacing of the looks, and its multiples on each axis: as fine as the number of looks allows.

    Without nuisance parameters a look is the whole cell, so there may be more of them.
    """
    grid, most = state.grid, _MAX_LOOKS if len(state.inner) else _MAX_DIRECT_LOOKS
    stride, strides = 0, [1]
    while stride == 0 or math.prod(-(-size // s) for size, s in zip(grid.shape, strides, strict=True)) > most:
        stride += 1
        strides = [1 if unordered else stride for unordered in grid.unordered]
        if stride > max(grid.shape):
            break
    return stride, strides


def _begin_explore(plan: ProfileMap, state: MapState) -> None:
    if not state.optima:
        return
    state.stride, strides = _lattice(state)
    sizes = zip(state.grid.shape, strides, strict=True)
    positions = [range((s // 2) % size, size, s) for size, s in sizes]
    for index in itertools.product(*positions):
        _look(plan, state, int(np.ravel_multi_index(index, state.grid.shape)))


def _look(plan: ProfileMap, state: MapState, cell: int) -> None:
    """Ask for one value of a cell that was not visited, with the nuisances of the best optimum."""
    if state.best_rows[cell] < 0 and cell not in state.looks:
        best = max(state.optima, key=lambda optimum: optimum.value)
        v = best.u[state.inner]
        state.looks[cell] = -math.inf
        plan.enter(state, Job("explore", cell, -1, best.u, Look(v[None, :]), v))


def _refine_looks(plan: ProfileMap, state: MapState) -> bool:
    """Look more closely around what comes near the region of interest; False when there is nothing to refine."""
    if state.stride <= 1:
        return False
    lowest = plan.cut(state) - plan.threshold
    worth = sorted((cell for cell, value in state.looks.items() if value > lowest), key=lambda c: -state.looks[c])
    state.stride = -(-state.stride // 2)
    room = _MAX_DIRECT_LOOKS - len(state.looks)
    for cell in worth:
        for other in state.grid.around(cell, state.stride, step=state.stride)[: max(0, room)]:
            room -= other not in state.looks
            _look(plan, state, other)
    return True


def _begin_islands(plan: ProfileMap, state: MapState) -> None:
    """Optimise the best local maxima among the looks, as far as they come near the region of interest."""
    if not state.looks:
        return
    best = max(state.optima, key=lambda optimum: optimum.value)
    lowest = plan.cut(state) - (plan.threshold if len(state.inner) else 0.0)
    promising = []
    for cell, value in state.looks.items():
        if not value > lowest or state.best_rows[cell] >= 0:
            continue
        if not len(state.inner) or all(_height(state, other) <= value for other in state.grid.around(cell, 1)):
            promising.append((-value, cell))
    most = _MAX_ISLANDS if len(state.inner) else len(promising)
    for _, cell in sorted(promising)[:most]:
        plan.begin(state, "offer", cell, -1, best.u, best.u[state.inner])
    state.looks.clear()


def _height(state: MapState, cell: int) -> float:
    """What is known of a cell: its value, or else its look."""
    return float(state.best_values[cell]) if state.best_rows[cell] >= 0 else state.looks.get(cell, -math.inf)


# ---------------------------------------------------------------------- other optima, neighbours


def _region(plan: ProfileMap, state: MapState) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.flatnonzero(state.best_values > plan.cut(state))
    return found


def _begin_cross(plan: ProfileMap, state: MapState) -> None:
    region = _region(plan, state)
    if len(state.optima) < 2 or not len(region) or not len(state.inner):
        return
    cells = keyed_generator(state.seed, 2).permutation(region)[:_CROSS_CELLS]
    for cell in cells.tolist():
        for number in range(min(len(state.optima), _MAX_OPTIMA)):
            state.push(1, 0.0, "cross", cell, -1 - number)


def _begin_scans(plan: ProfileMap, state: MapState) -> bool:
    """Scan the cells of the region that are farthest from those scanned before; False when it is time to go on."""
    region, m = _region(plan, state), len(state.inner)
    if not m or not len(region) or not state.n_improved or state.n_passes >= _SCAN_ROUNDS:
        return False
    state.n_passes, state.n_improved = state.n_passes + 1, 0
    places = state.grid.positions
    done = [places[cell] for cell in state.scanned] or [state.best_u[state.columns]]
    for _ in range(min(len(region), _MAX_SCANS, max(2, _SCAN_POINTS // (SCAN * m)))):
        gaps = np.min([np.abs(places[region] - place).max(axis=1) for place in done], axis=0)
        cell = int(region[np.argmax(gaps)])
        if cell in state.scanned:
            break
        row = state.best_rows[cell]
        state.scanned.append(cell)
        done.append(places[cell])
        search = CellSearch(state.records.arguments[row].copy())
        base = state.bases[int(state.records.labels[row])]
        plan.enter(state, Job("scan", cell, -1, base, Look(search.scan_points()), search.best, audit=search))
    return True


def _queue_heal(plan: ProfileMap, state: MapState) -> None:
    """Offer every cell in or beside the region what its neighbours have and it has not."""
    region = set(_region(plan, state).tolist())
    rim = {other for cell in region for other in state.grid.neighbours(cell, diagonal=True)}
    state.reach = _smooth_change(state, region | rim)
    for cell in sorted(region | rim):
        for other in state.grid.neighbours(cell, diagonal=True):
            for row in state.records.rows(other):
                near = state.records.values[row] > state.best_values[other] - MARGIN
                if near and _is_news(state, cell, row) and not runs_parallel(state, row, cell):
                    state.push(2, float(state.records.values[row]), "heal", cell, row)


def _smooth_change(state: MapState, cells: set[int]) -> dict[int, float]:
    """For each cell, how much its argmax may differ from a neighbour's by a smooth change.

    Three times the median change between neighbours around the cell, and a little.
    """
    arguments, rows, grid = state.records.arguments, state.best_rows, state.grid
    links: dict[int, list[float]] = {}
    for cell in cells:
        near = [rows[other] for other in grid.neighbours(cell) if rows[other] >= 0] if rows[cell] >= 0 else []
        links[cell] = np.abs(arguments[near] - arguments[rows[cell]]).max(axis=1, initial=0.0).tolist() if near else []
    around = {cell: [cell, *grid.neighbours(cell, diagonal=True)] for cell in cells}
    gathered = {cell: [x for other in around[cell] for x in links.get(other, [])] for cell in cells}
    return {cell: 3.0 * float(np.median(lengths)) + 2e-3 if lengths else 0.0 for cell, lengths in gathered.items()}


def _is_news(state: MapState, cell: int, row: int) -> bool:
    """Is the argmax of a neighbour's solution beyond the smooth change from every solution that the cell has?"""
    records = state.records
    own = records.rows(cell)
    if not own or not records.converged[state.best_rows[cell]]:
        return True
    gaps = np.abs(records.arguments[own] - records.arguments[row]).max(axis=1, initial=0.0)
    return bool((gaps > state.reach.get(cell, 0.0)).all())


def _offer_neighbour(plan: ProfileMap, state: MapState, cell: int, row: int) -> None:
    """Start from the argmax of a neighbour's solution, carried on as it moved over the cell behind the neighbour."""
    records = state.records
    if not _is_news(state, cell, row):
        return
    known = state.best_values[cell]
    label = records.root(int(records.labels[row]))
    guess = predict(state.grid, records, cell, row, state.tangents[label])
    if guess.value + 4 * guess.uncertainty < (known - MARGIN if np.isfinite(known) else plan.cut(state)):
        return
    v = _carried_on(state, cell, row) if np.isfinite(known) else guess.argument
    tried = state.tried.setdefault(cell, [])
    if len(tried) > _TRIES or any(float(np.abs(v - old).max(initial=0.0)) < 1e-3 for old in tried):
        return
    tried.append(v)
    plan.begin(
        state,
        "offer",
        cell,
        label if records.row_of(cell, label) is None else -1,
        state.bases[int(records.labels[row])],
        v,
        curvature=records.curvatures[row],
        age=_OLD,
        demand=known - _NEAR_BEST if np.isfinite(known) else -math.inf,
    )


def _carried_on(state: MapState, cell: int, row: int) -> NDArray[np.float64]:
    records, shape = state.records, state.grid.shape
    v: NDArray[np.float64] = records.arguments[row].copy()
    neighbour = int(records.cells[row])
    behind = [2 * n - c for n, c in zip(state.grid.index(neighbour), state.grid.index(cell), strict=True)]
    if all(0 <= i < size for i, size in zip(behind, shape, strict=True)):
        for other in records.rows(int(np.ravel_multi_index(behind, shape))):
            step = v - records.arguments[other]
            if float(np.abs(step).max(initial=0.0)) <= state.reach.get(cell, 0.0):
                v = np.clip(v + step, 0.0, 1.0)
                break
    return v


# ---------------------------------------------------------------------- audit


def _begin_audit(plan: ProfileMap, state: MapState) -> None:
    generator = keyed_generator(state.seed, 3, len(state.audit.cells))
    for cell in draw_cells(generator, _region(plan, state), state.audit.cells, state.audit.wanted):
        state.audit.cells.append(cell)
        state.audit.before.append(float(state.best_values[cell]))
        state.audit.found.append(math.nan)
        _start_search(plan, state, cell, 0)


def _start_search(plan: ProfileMap, state: MapState, cell: int, attempt: int) -> None:
    """From a random point of all nuisance coordinates, discrete ones included."""
    base = keyed_generator(state.seed, 4, cell, attempt).random(state.space.dimension)
    base = state.space.to_unit(state.space.from_unit(base))
    v = base[state.inner]
    search = CellSearch(v, attempt=attempt)
    plan.enter(state, Job("audit", cell, -1, base, plan.local.start(v), v, audit=search))


def _advance_audit(
    plan: ProfileMap,
    state: MapState,
    number: int,
    values: NDArray[np.float64],
    payloads: list[NDArray[np.float64] | None] | None,
) -> None:
    job, search = state.jobs[number], state.jobs[number].audit
    if search.scanning:
        search.take_scan(search.scan_points(), values)
        search.scanning = False
    else:
        job.ascent = plan.local.advance(job.ascent, values, payloads)
        if len(job.ascent.points):
            plan.request(state, number, job.ascent.points)
            return
        _keep_better(search, job.ascent)
    _continue_search(plan, state, number)


def _keep_better(search: CellSearch, ascent: Any) -> None:  # noqa: ANN401 - each solver has its own Ascent
    if ascent.value > search.value:
        search.best, search.value = ascent.u, ascent.value
        search.curvature, search.converged = ascent.curvature, ascent.converged


def _continue_search(plan: ProfileMap, state: MapState, number: int) -> None:
    """Next ascent, next scan, or the end."""
    job, search = state.jobs[number], state.jobs[number].audit
    while search.starts:
        job.ascent = plan.local.start(search.starts.pop(0))
        if len(job.ascent.points):
            plan.request(state, number, job.ascent.points)
            return
    if search.wants_scan():
        search.rounds, search.scanned, search.scanning = search.rounds + 1, search.value, True
        plan.request(state, number, search.scan_points())
        return
    del state.jobs[number]
    _end_search(plan, state, job)


def _end_search(plan: ProfileMap, state: MapState, job: Job) -> None:
    search, cell = job.audit, job.cell
    at = state.audit.cells.index(cell)
    if not math.isfinite(search.value):  # the start lay where the likelihood is undefined: draw another
        if search.attempt + 1 < _TRIES:
            _start_search(plan, state, cell, search.attempt + 1)
        else:
            state.audit.found[at] = -math.inf
        return
    state.audit.found[at] = search.value
    if search.value > state.best_values[cell] + 1e-4:
        ascent = plan.local.start(search.best, curvature=search.curvature)
        ascent.u, ascent.value, ascent.converged = search.best, search.value, search.converged
        plan.finish_cell(state, Job("offer", cell, plan.new_branch(state, job.base), job.base, ascent, search.best))
