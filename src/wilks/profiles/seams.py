"""Seams between branches: every cell is offered the argmax of its neighbours, also of lower ones.

Where two branches meet, the cells on either side know one of them each. A cell on the rim or inside of the region is
offered what its neighbours have, if that differs from all its own by more than the smooth change from cell to cell,
and unless a fit through the branch (`profiles.surrogate`) says that it is not better there: without that rule branches
that are exactly as high as one another would make this the dearest part of a map.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.profiles.branches import runs_parallel
from wilks.profiles.prediction import predict
from wilks.profiles.surrogate import fit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

NEAR_BEST = 3.0
"""An offer whose first value lies further below the best one of the cell is dropped."""
OLD = 99
"""Age of a curvature that comes from elsewhere, so that it is measured first."""
_TRIES = 20
_MOST_UNCERTAIN = 0.5
_USUAL_ON_PATH = 0.25


def queue_offers(plan: ProfileMap, state: MapState) -> None:
    """Offer every cell in or beside the region what its neighbours have and it has not."""
    region = set(plan.region(state).tolist())
    rim = {other for cell in region for other in state.neighbours(cell, diagonal=True)}
    state.reach = _smooth_change(state, region | rim)
    old = state.settled
    winners = _Winners(state)
    offers = [
        (cell, row)
        for cell in sorted(region | rim)
        for other in state.neighbours(cell, diagonal=True)
        if not (len(old) and old[cell] and old[other])
        for row in winners[other]
        if _is_news(state, cell, row) and not runs_parallel(state, row, cell)
    ]
    for cell, row in _promising(plan, state, offers):
        state.push(2, float(state.records.values[row]), "heal", cell, row)
    fresh = [
        cell for cell in sorted(region) if not len(old) or not old[[cell, *state.neighbours(cell, diagonal=True)]].all()
    ]
    for cell in _too_low(plan, state, np.array(fresh, dtype=np.int64)):
        state.push(2, float(state.best_values[cell]), "smooth", cell, int(state.best_rows[cell]))


class _Winners(dict[int, list[int]]):
    """Cell -> the rows that may win just beside it; made when it is asked for."""

    def __init__(self, state: MapState) -> None:
        super().__init__()
        self._state = state

    def __missing__(self, cell: int) -> list[int]:
        state, records = self._state, self._state.records
        lowest = state.best_values[cell] - state.margin
        self[cell] = [row for row in records.rows(cell) if records.values[row] > lowest and _may_win(state, cell, row)]
        return self[cell]


def _may_win(state: MapState, cell: int, row: int) -> bool:
    """Could a branch win just beside this cell? Those of a coarser lattice that lose were weighed there."""
    return bool(state.records.spacings[row] <= state.spacing or state.best_rows[cell] == row)


def _too_low(plan: ProfileMap, state: MapState, cells: NDArray[np.int64]) -> list[int]:
    """Cells that lie lower than the fit through their neighbours on the same branch says."""
    records, found = state.records, []
    if not len(cells) or not records.m:
        return []
    roots, own = records.roots(), state.best_rows[cells]
    for root in np.unique(roots[own]).tolist():
        which = np.flatnonzero(roots[own] == root)
        fits = fit_rows(state.grid, records, np.flatnonzero(roots == root), cells[which], state.spacing)
        with np.errstate(invalid="ignore"):
            lowest = fits.values - np.minimum(fits.uncertainties, _MOST_UNCERTAIN)
            low = fits.known & (state.best_values[cells[which]] < lowest - plan.options.accuracy)
        found += cells[which[low]].tolist()
    return found


def smooth(plan: ProfileMap, state: MapState, cell: int, row: int) -> None:
    """Start where the neighbours on the branch of `row` say that the argmax is."""
    records = state.records
    rows = np.flatnonzero(records.roots() == records.root(int(records.labels[row])))
    fits = fit_rows(state.grid, records, rows, np.array([cell]), state.spacing)
    v, base = fits.arguments[0], state.bases[int(records.labels[row])]
    if not fits.known[0] or _was_tried(state, cell, base, v):
        return
    nearest = int(fits.nearest[0])
    demand = float(state.best_values[cell]) - NEAR_BEST
    plan.begin(state, "offer", cell, -1, base, v, curvature=records.curvatures[nearest], age=OLD, demand=demand)


def _was_tried(state: MapState, cell: int, base: NDArray[np.float64], v: NDArray[np.float64]) -> bool:
    """Was a cell offered this before, or too much? Otherwise it counts as tried from now on."""
    tried, point = state.tried.setdefault(cell, []), np.concatenate([v, base[state.discrete]])
    if len(tried) > _TRIES or any(float(np.abs(point - old).max(initial=0.0)) < 1e-3 for old in tried):
        return True
    tried.append(point)
    return False


def _promising(plan: ProfileMap, state: MapState, offers: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leave out the offers of branches that the cell has itself, or that are not better there by their fit."""
    if not offers:
        return []
    cells, rows = np.array(offers, dtype=np.int64).T
    roots = state.records.roots()
    keep = np.ones(len(offers), dtype=bool)
    for root in np.unique(roots[rows]).tolist():
        which = np.flatnonzero(roots[rows] == root)
        own = np.zeros(state.grid.n_cells, dtype=bool)
        own[state.records.cells[: len(roots)][(roots == root) & state.records.converged[: len(roots)]]] = True
        known = state.best_values[cells[which]]
        fits = fit_rows(state.grid, state.records, np.flatnonzero(roots == root), cells[which], state.spacing)
        with np.errstate(invalid="ignore"):
            highest = fits.values + np.minimum(fits.uncertainties, _MOST_UNCERTAIN)
            keep[which] = ~(fits.known & (highest <= known + plan.options.accuracy)) & ~own[cells[which]]
    return [offer for offer, kept in zip(offers, keep.tolist(), strict=True) if kept]


def _smooth_change(state: MapState, cells: set[int]) -> dict[int, float]:
    """For each cell, how much its argmax may differ from a neighbour's by a smooth change.

    Three times the median change between neighbours around the cell (on a path, where one seam is half of all changes,
    the lower quartile), and a little; each from a cell's best solution to the nearest one of its neighbour, which need
    not be the best: where branches cross, or are equal, that jumps.
    """
    records, rows = state.records, state.best_rows
    links: dict[int, list[float]] = {}
    for cell in cells:
        near = [records.rows(other) for other in state.neighbours(cell)] if rows[cell] >= 0 else []
        links[cell] = [_distance(state, rows[cell], others) for others in near if others]
    share = _USUAL_ON_PATH if state.grid.adaptive else 0.5
    around = {cell: [cell, *state.neighbours(cell, diagonal=True)] for cell in cells}
    gathered = {cell: [x for other in around[cell] for x in links.get(other, [])] for cell in cells}
    return {
        cell: 3.0 * float(np.quantile(lengths, share)) + 2e-3 if lengths else 0.0 for cell, lengths in gathered.items()
    }


def _distance(state: MapState, row: int, others: list[int]) -> float:
    """Distance of a solution from the nearest of several, in the coordinate that differs most."""
    arguments = state.records.arguments
    return float(np.abs(arguments[others] - arguments[row]).max(axis=1, initial=0.0).min())


def _is_news(state: MapState, cell: int, row: int) -> bool:
    """Is the argmax of a neighbour's solution beyond the smooth change from every solution that the cell has?"""
    records = state.records
    discrete = records.discrete[int(records.labels[row])]
    own = [other for other in records.rows(cell) if records.discrete[int(records.labels[other])] == discrete]
    if not own or not records.converged[state.best_rows[cell]]:
        return True
    gaps = np.abs(records.arguments[own] - records.arguments[row]).max(axis=1, initial=0.0)
    return bool((gaps > state.reach.get(cell, 0.0)).all())


def offer(plan: ProfileMap, state: MapState, cell: int, row: int) -> None:
    """Start from the argmax of a neighbour's solution, carried on as it moved over the cell behind the neighbour."""
    records = state.records
    if not _is_news(state, cell, row):
        return
    known = state.best_values[cell]
    label = records.root(int(records.labels[row]))
    guess = predict(state.grid, records, cell, row, state.tangents[label], state.spacing)
    if guess.value + 4 * guess.uncertainty < (known - state.margin if np.isfinite(known) else plan.cut(state)):
        return
    v = _carried_on(state, cell, row) if np.isfinite(known) else guess.argument
    base = state.bases[int(records.labels[row])]
    if _was_tried(state, cell, base, v):
        return
    plan.begin(
        state,
        "offer",
        cell,
        label if records.row_of(cell, label) is None else -1,
        base,
        v,
        curvature=records.curvatures[row],
        age=OLD,
        demand=known - NEAR_BEST if np.isfinite(known) else -math.inf,
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
