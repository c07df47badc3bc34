"""Combinations of discrete nuisance values, each of which makes branches of its own.

Along an axis with an order the combinations compete like all branches: each is followed until it is too far below the
best. That says nothing of a step to the next value of a discrete axis, where all may change at once. So some cells are
tried with every combination that they have no solution of: for all values of the discrete axes a few cells of the
region, far from one another. The start is what the cell has, moved as the argmax moves between the two combinations in
the nearest cell that has both.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_CELLS, _CELLS_OF_VALUE, _MOST_TRIALS = 24, 4, 20_000


def discrete_columns(space: Space, columns: NDArray[np.int64]) -> list[int]:
    """Columns of theta of the discrete nuisance parameters; `columns` are those of the profiled ones."""
    profiled = set(columns.tolist())
    return [column for column in np.flatnonzero(~space.is_continuous).tolist() if column not in profiled]


def combinations(state: MapState) -> list[tuple[float, ...]]:
    """All combinations of the discrete nuisance values, in the unit box; a single empty one without such parameters."""
    sizes = [state.space[state.space.free[column]].n_values or 1 for column in state.discrete]
    return list(itertools.product(*([(i + 0.5) / size for i in range(size)] for size in sizes)))


def with_combination(state: MapState, u: NDArray[np.float64], combination: tuple[float, ...]) -> NDArray[np.float64]:
    """Return a full point of the unit box with other discrete nuisance values."""
    moved = u.copy()
    moved[state.discrete] = combination
    return moved


def queue_trials(plan: ProfileMap, state: MapState) -> None:
    """Queue the trials of cells of the region that were not tried before, as many as are due."""
    region, n = plan.region(state), len(combinations(state))
    if n < 2 or not len(region):
        return
    steps = np.flatnonzero(~state.space.is_continuous[state.columns])
    slices: dict[tuple[int, ...], list[int]] = {}
    for cell, place in zip(region.tolist(), state.grid.indices[region][:, steps].tolist(), strict=True):
        slices.setdefault(tuple(place), []).append(cell)
    # Without continuous nuisance parameters a trial is one evaluation, and to try everything is to solve the cell.
    most = max(_CELLS_OF_VALUE, -(-_CELLS // len(slices))) if len(state.inner) else len(region)
    for cells in slices.values():
        for cell in _far_apart(state, np.array(cells), most):
            if len(state.tried_in_all) * n < _MOST_TRIALS:
                state.tried_in_all.append(cell)
                for number in range(n):
                    state.push(1, 0.0, "combination", cell, number)


def _far_apart(state: MapState, cells: NDArray[np.int64], most: int) -> list[int]:
    """Choose cells far from one another and from those that were tried before, until there are `most` of both."""
    tried = set(state.tried_in_all)
    chosen = [cell for cell in cells.tolist() if cell in tried]
    places, found = state.grid.positions, []
    if not chosen:
        found.append(int(cells[np.argmax(state.best_values[cells])]))
    gaps = np.full(len(cells), np.inf)
    for cell in chosen + found:
        gaps = np.minimum(gaps, np.abs(places[cells] - places[cell]).max(axis=1))
    while len(chosen) + len(found) < most and gaps.max() > 0:
        found.append(int(cells[np.argmax(gaps)]))
        gaps = np.minimum(gaps, np.abs(places[cells] - places[found[-1]]).max(axis=1))
    return found


def begin_trial(plan: ProfileMap, state: MapState, cell: int, number: int) -> None:
    """Start an ascent in a cell with a combination that it has no solution of."""
    records, own = state.records, int(state.best_rows[cell])
    full = with_combination(state, state.bases[int(records.labels[own])], combinations(state)[number])
    wanted = state.combination(full)
    if any(records.discrete[int(records.labels[row])] == wanted for row in records.rows(cell)):
        return
    v, label = _carried_over(state, cell, wanted)
    plan.begin(state, "offer", cell, label, full, v, curvature=records.curvatures[own])


def _carried_over(state: MapState, cell: int, wanted: tuple[float, ...]) -> tuple[NDArray[np.float64], int]:
    """Where the argmax of another combination may be, and the branch that it would belong to, -1 for a new one."""
    records, own = state.records, int(state.best_rows[cell])
    v: NDArray[np.float64] = records.arguments[own]
    labels = records.labels[: records.n]
    known = [label for label, discrete in enumerate(records.discrete) if discrete == wanted]
    rows = np.flatnonzero(np.isin(labels, known))
    if not len(rows):
        return v, -1
    places = state.grid.positions
    row = int(rows[np.abs(places[records.cells[rows]] - places[cell]).max(axis=1).argmin()])
    same = records.discrete[int(labels[own])]
    there = [other for other in records.rows(int(records.cells[row])) if records.discrete[int(labels[other])] == same]
    step = records.arguments[row] - records.arguments[there[0]] if there else records.arguments[row] - v
    label = records.root(int(labels[row]))
    return np.clip(v + step, 0.0, 1.0), -1 if (label, cell) in state.pending else label
