"""How branches of optima go through a map: where one begins, whether two run side by side, which are given up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.state import Job, MapState, Optimum

_PATIENCE = 1000
_TIE, _PACE_NOISE = 1e-4, 3e-5
_SAME_HEIGHT = 0.1  # of the accuracy
_OPTIMISM = 3.0


def runs_parallel(state: MapState, row: int, cell: int) -> bool:
    """Is `cell` left to a branch that is not lower than that of `row`, because their distance does not change?

    At the pace at which it changed around the row's own cell, it would take more than `_PATIENCE` cells to close: that
    many because the pace may grow on the way. Exact ties are the common case: to follow both sides would double the
    work and change nothing.
    """
    records = state.records
    parent, label = int(records.cells[row]), records.root(int(records.labels[row]))
    for rival in records.rows(parent):
        gap = float(records.values[rival] - records.values[row])
        other = records.root(int(records.labels[rival]))
        if other == label or gap < -_TIE or (gap < _TIE and other > label):
            continue
        if records.discrete[other] != records.discrete[label] and _is_discrete_step(state, parent, cell):
            continue  # there the distance may change at once
        if records.row_of(cell, other) is None and (other, cell) not in state.pending:
            continue
        if gap + _TIE >= _PATIENCE * (_pace(state, parent, (label, other), gap) - _PACE_NOISE):
            return True
    return False


def _is_discrete_step(state: MapState, one: int, other: int) -> bool:
    """Do two cells differ in the value of a discrete axis?"""
    moved = state.grid.indices[one] != state.grid.indices[other]
    return bool((moved & ~state.space.is_continuous[state.columns]).any())


def _pace(state: MapState, cell: int, labels: tuple[int, int], gap: float) -> float:
    """Largest change of the distance between two branches from `cell` to a neighbour; infinite if unknown."""
    records, paces = state.records, []
    for near in state.neighbours(cell):
        one, two = (records.row_of(near, label) for label in labels)
        if one is not None and two is not None:
            paces.append(abs(float(records.values[two] - records.values[one]) - gap))
    return max(paces, default=math.inf)


def tangent_of(state: MapState, optimum: Optimum) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """D = -Bvv^-1 Bvp, shape (m, number of axes), and Bvv; zero and None when the curvature is not to be trusted."""
    continuous = np.flatnonzero(state.space.is_continuous).tolist()
    tangent = np.zeros((len(state.inner), len(state.columns)))
    if optimum.curvature.shape != (len(continuous), len(continuous)):
        return tangent, None
    inner = [continuous.index(c) for c in state.inner.tolist()]
    axes = [(k, continuous.index(c)) for k, c in enumerate(state.columns.tolist()) if c in continuous]
    block = optimum.curvature[np.ix_(inner, inner)]
    if inner and axes and optimum.reliable:
        cross = optimum.curvature[np.ix_(inner, [at for _, at in axes])]
        tangent[:, [k for k, _ in axes]] = -np.linalg.solve(block, cross)
    return tangent, block


def comes_to_known(state: MapState, job: Job) -> bool:
    """Is the next trial point a solution that the cell has already? Then the two are one branch."""
    ascent = job.ascent
    if job.cell < 0 or ascent.stage != "trial":
        return False
    row = state.records.alike(job.cell, ascent.points[0], state.records.discrete[job.label])
    if row is None or state.records.values[row] < ascent.value:
        return False
    state.records.unite(job.label, int(state.records.labels[row]))
    return True


def is_tie(state: MapState, job: Job, accuracy: float) -> bool:
    """Does an offered argmax give just what the cell has? Then it is a branch exactly as high as its best."""
    return bool(abs(job.ascent.value - state.best_values[job.cell]) < _SAME_HEIGHT * accuracy)


def is_hopeless(state: MapState, job: Job) -> bool:
    """Does the first step promise an end that lies further below the best branch than branches are followed?"""
    ascent = job.ascent
    if job.cell < 0 or ascent.stage != "trial" or ascent.iteration != 1 or not job.informed:
        return False
    promised = ascent.value + _OPTIMISM * ascent.promise
    return bool(promised < state.best_values[job.cell] - state.margin)  # False where nothing is known
