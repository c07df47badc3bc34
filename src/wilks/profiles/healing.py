"""Second chances of a map, in order: islands, other optima, neighbours' argmax values, and the audit.

A flood follows what it knows; what it does not know is found here. Every stage queues tasks or starts ascents, an
improvement floods again, and the next stage begins when nothing is left to do:

* explore: one look at cells spread over what was not visited, with the best optimum's nuisances, and again on finer
  lattices around what comes near the region; promising local maxima are optimised, and flood if they lie in it;
* cross: the nuisances of the other optima, and all combinations of discrete ones (`profiles.combinations`), are offered
  to some cells of the region;
* scan: a few cells of the region, far from one another, are looked at along every nuisance coordinate, for branches
  that no known optimum belongs to; three rounds at most, as long as there are improvements;
* heal: see `profiles.seams`; until a pass improves nothing;
* refine: see `profiles.refinement`; all so far was done on the lattice, and what follows is done on the grid: a scan of
  the cells at the new ends of the region, and heal again;
* audit: see `profiles.audit`; what it finds is flooded and healed like everything else.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator
from wilks.profiles import auditing, combinations, refinement, seams
from wilks.profiles.audit import SCAN, CellSearch
from wilks.profiles.branches import tangent_of
from wilks.profiles.seams import NEAR_BEST, OLD
from wilks.profiles.seeding import seed_islands
from wilks.profiles.state import Job, Look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.loop.requests import Request
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_MAX_LOOKS, _MAX_LOOKS_ON_PATH = 300, 128
_MAX_DIRECT_LOOKS = 10_000
_MAX_ISLANDS = 24
_MAX_OPTIMA = 8
_CROSS_CELLS = 24
_SCAN_ROUNDS, _MAX_SCANS, _SCAN_POINTS = 3, 6, 600
_AT_THE_ENDS = 2  # scans on the final grid, where the ends of the region are new
_WORTH = 0.5


def next_stage(plan: ProfileMap, state: MapState) -> None:
    """Begin the stage after the one that has just run out of work."""
    _AFTER[state.stage](plan, state)


def _after_flood(plan: ProfileMap, state: MapState) -> None:
    state.stage = "explore"
    _begin_explore(plan, state)


def _after_explore(plan: ProfileMap, state: MapState) -> None:
    if not _refine_looks(plan, state):
        state.stage = "islands"
        _begin_islands(plan, state)


def _after_islands(plan: ProfileMap, state: MapState) -> None:
    state.stage = "cross"
    _begin_cross(plan, state)
    combinations.queue_trials(plan, state)


def _after_cross(plan: ProfileMap, state: MapState) -> None:
    auditing.begin_ahead(plan, state)
    state.stage, state.n_passes, state.n_improved = "scan", 0, 1


def _after_scan(plan: ProfileMap, state: MapState) -> None:
    if not _begin_scans(plan, state):
        state.stage, state.n_passes, state.n_improved = "heal", 0, 1


def _after_heal(plan: ProfileMap, state: MapState) -> None:
    if state.n_improved and state.n_passes < plan.options.max_passes:
        state.n_passes, state.n_improved = state.n_passes + 1, 0
        seams.queue_offers(plan, state)
        combinations.queue_trials(plan, state)
    elif state.spacing > 1:
        state.stage = "refine"
        refinement.begin_level(plan, state)
    else:
        state.stage, state.n_improved = "audit", 0
        auditing.begin(plan, state)


def _after_refine(plan: ProfileMap, state: MapState) -> None:
    if state.spacing > 1:
        refinement.begin_level(plan, state)
        return
    seed_islands(plan, state)
    if not len(state.searched):
        state.stage, state.n_passes, state.n_improved = "scan", 0, 1  # the ends of the region are new
    elif state.searched.all():
        state.stage, state.n_passes, state.n_improved = "heal", 0, 1
    else:  # wider than the earlier map
        state.stage = "explore"
        _begin_explore(plan, state)


def _after_audit(plan: ProfileMap, state: MapState) -> None:  # noqa: ARG001 - all stages are called in one way
    if state.n_improved:  # the neighbourhood of an improved cell deserves another look
        state.stage, state.n_passes = "heal", 0
    else:
        state.stage = "done"


_AFTER = {
    "flood": _after_flood,
    "explore": _after_explore,
    "islands": _after_islands,
    "cross": _after_cross,
    "scan": _after_scan,
    "heal": _after_heal,
    "refine": _after_refine,
    "audit": _after_audit,
}


def begin_task(plan: ProfileMap, state: MapState, kind: str, cell: int, row: int) -> None:
    """Begin an offer.

    `row` is a solution of another cell, for ``"smooth"`` that of the cell itself, for ``"combination"`` the number of
    the combination, and for ``"cross"`` minus one minus the number of an optimum.
    """
    known = state.best_values[cell]
    if kind == "combination":
        combinations.begin_trial(plan, state, cell, row)
        return
    if kind == "heal":
        seams.offer(plan, state, cell, row)
        return
    if kind == "smooth":
        seams.smooth(plan, state, cell, row)
        return
    optimum = state.optima[-1 - row]
    v, (_, block) = optimum.u[state.inner], tangent_of(state, optimum)
    if state.records.alike(cell, v, state.combination(optimum.u)) is None:
        demand = known - _WORTH if np.isfinite(known) else -math.inf
        plan.begin(state, "offer", cell, -1, optimum.u, v, demand=demand, curvature=block, age=OLD)


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
            plan.begin(state, "offer", job.cell, -1, job.base, v, demand=float(state.best_values[job.cell]) - NEAR_BEST)
        return
    auditing.advance(plan, state, number, request.values, payloads)


# ---------------------------------------------------------------------- islands


def _lattice(state: MapState) -> tuple[int, list[int]]:
    """Coarsest spacing of the looks, and its multiples on each axis: as fine as the number of looks allows.

    Without nuisance parameters a look is the whole cell, so there may be more of them.
    """
    grid, most = state.grid, _MAX_LOOKS if len(state.inner) else _MAX_DIRECT_LOOKS
    if grid.adaptive:
        most = _MAX_LOOKS_ON_PATH
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
    near = state.grid.nearest(state.grid.unit(cell), state.spacing)  # between the nodes of the lattice is no island
    searched = len(state.searched) and state.searched[cell]
    if state.best_rows[cell] < 0 and state.best_rows[near] < 0 and not searched and cell not in state.looks:
        best = max(state.optima, key=lambda optimum: optimum.value)
        v = best.u[state.inner]
        state.looks[cell] = -math.inf
        plan.enter(state, Job("explore", cell, -1, best.u, Look(v[None, :]), v))


def _refine_looks(plan: ProfileMap, state: MapState) -> bool:
    """Look more closely around what comes near the region of interest; False when there is nothing to refine."""
    if state.stride <= (state.spacing if state.grid.adaptive else 1):
        return False
    lowest = plan.cut(state) - plan.threshold
    worth = sorted((cell for cell, value in state.looks.items() if value > lowest), key=lambda c: -state.looks[c])
    state.stride = -(-state.stride // 2)
    room = _MAX_DIRECT_LOOKS - len(state.looks)
    for cell in worth:
        for other in state.grid.around(cell, 1, state.stride)[: max(0, room)]:
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


def _begin_cross(plan: ProfileMap, state: MapState) -> None:
    region = plan.region(state)
    if len(state.optima) < 2 or not len(region) or not len(state.inner):
        return
    cells = keyed_generator(state.seed, 2).permutation(region)[:_CROSS_CELLS]
    for cell in cells.tolist():
        for number in range(min(len(state.optima), _MAX_OPTIMA)):
            state.push(1, 0.0, "cross", cell, -1 - number)


def _begin_scans(plan: ProfileMap, state: MapState) -> bool:
    """Scan the cells of the region that are farthest from those scanned before; False when it is time to go on."""
    region, m = plan.region(state), len(state.inner)
    if not m or not len(region) or not state.n_improved or state.n_passes >= _SCAN_ROUNDS:
        return False
    state.n_passes, state.n_improved = state.n_passes + 1, 0
    places = state.grid.positions
    done = [places[cell] for cell in state.scanned] or [state.best_u[state.columns]]
    most = min(_MAX_SCANS, max(2, _SCAN_POINTS // (SCAN * m))) if state.spacing == state.coarsest else _AT_THE_ENDS
    for _ in range(min(len(region), most)):
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
