"""What the end of an ascent does to the map: a new solution, a new branch, a better value, cells to go to next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.profiles.records import Solution, last_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import Job, MapState

_ROUNDING = 1e-7
_SURPRISE = 0.1
_SMALL_PROMISE, _SMALL_STEP = 1e-4, 0.01
_JUMP, _SMALL_JUMP, _JUMP_GAIN = 0.1, 0.03, 2.0


def finish_cell(plan: ProfileMap, state: MapState, job: Job) -> None:
    """Enter the end of an ascent into the table, and offer it to the neighbours."""
    ascent = job.ascent
    if not math.isfinite(ascent.value):
        if state.best_rows[job.cell] < 0 and job.cell not in state.failed_cells:
            state.failed_cells.append(job.cell)
        return
    label = _label_of_end(plan, state, job)
    aim, promise = last_step(ascent.u, ascent.gradient, ascent.curvature) if ascent.converged else (ascent.u, 0.0)
    if not promise < _SMALL_PROMISE or float(np.abs(aim - ascent.u).max(initial=0.0)) > _SMALL_STEP:
        aim, promise = ascent.u, 0.0
    solution = Solution(
        ascent.value, ascent.u, ascent.curvature, job.age, ascent.converged, state.spacing, aim=aim, promise=promise
    )
    enter_solution(plan, state, job, label, solution)


def enter_solution(plan: ProfileMap, state: MapState, job: Job, label: int, solution: Solution) -> None:
    """Enter a solution into the table, and queue what follows from it."""
    records = state.records
    row = records.alike(job.cell, solution.argument, records.discrete[label])
    if row is not None:
        records.unite(label, int(records.labels[row]))
    else:
        row = records.row_of(job.cell, label)
    if row is None:
        row = records.add(job.cell, label, solution)
    elif solution.value > records.values[row] + _least_gain(state, job.cell, solution):
        records.put(row, solution)
    else:
        return
    _enter_value(plan, state, job, row)


def _least_gain(state: MapState, cell: int, solution: Solution) -> float:
    """What is gained by rounding alone is none, in cells that an earlier map has settled: they keep their values."""
    is_settled = len(state.settled) and state.settled[cell]
    return 0.0 if solution.converged and not is_settled else _ROUNDING


def _label_of_end(plan: ProfileMap, state: MapState, job: Job) -> int:
    """The branch of the prediction, or a new one when the ascent went somewhere else."""
    moved = float(np.abs(job.ascent.u - job.start).max(initial=0.0))
    d = job.ascent.u - job.start
    gain = 0.5 * float(d @ job.ascent.curvature @ d) if len(d) else 0.0
    if moved > _JUMP or (moved > _SMALL_JUMP and gain > _JUMP_GAIN):
        return plan.new_branch(state, job.base, state.tangents[job.label])
    return state.records.root(job.label)


def _enter_value(plan: ProfileMap, state: MapState, job: Job, row: int) -> None:
    """Raise the map where the row is better, and queue what follows from it."""
    records, cell = state.records, job.cell
    value = float(records.values[row])
    known = float(state.best_values[cell])
    if not value <= known and not _is_tie_without_end(state, row, cell):  # better, or the first
        state.best_values[cell], state.best_rows[cell] = value, row
        if cell in state.failed_cells:
            state.failed_cells.remove(cell)
        if math.isfinite(known) and value > known + 1e-4:
            state.n_improved += 1
    if value > state.best:
        state.best, state.best_u = value, full_point(state, cell, row)
    if value > plan.cut(state) and value > state.best_values[cell] - state.margin:
        if state.stage == "refine":
            state.grow(cell)
        if job.kind == "refine" and not _is_surprise(job, value):
            return
        faces = state.neighbours(cell)
        for other in faces:
            state.push(0, value, "extend", other, row)
        # Corners last, when the faces have nothing left: a ridge narrower than a cell may lead through them only.
        for other in state.neighbours(cell, diagonal=True):
            if other not in faces:
                state.push(1, value, "extend", other, row)


def _is_tie_without_end(state: MapState, row: int, cell: int) -> bool:
    """Would an ascent that did not reach its tolerance take the place of one that did, for a rounding error?"""
    records, best = state.records, state.best_rows[cell]
    if best < 0 or records.converged[row] or not records.converged[best]:
        return False
    return bool(records.values[row] <= state.best_values[cell] + _ROUNDING)


def full_point(state: MapState, cell: int, row: int) -> NDArray[np.float64]:
    """Full point of the unit box of a solution."""
    u = state.bases[int(state.records.labels[row])].copy()
    u[state.columns] = state.grid.unit(cell)
    u[state.inner] = state.records.arguments[row]
    return u


def _is_surprise(job: Job, value: float) -> bool:
    """Did the ascent of a candidate end on something that was not expected?"""
    guess = job.guess
    return guess is None or not value <= guess.value + 3 * guess.uncertainty + _SURPRISE
