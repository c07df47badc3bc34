"""Optima of the full problem in a map: which lattice fits them, the branches that they seed, and better ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.profiles.branches import tangent_of
from wilks.profiles.grid import power_of_two
from wilks.profiles.state import Job, Optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.profiles.grid import ProfileGrid
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_WIDEST_LATTICE, _WIDEST_ON_PATH = 4, 128
_LOOKED_AT = 6
_BETTER = 1e-3
_SAME_OPTIMUM = 1e-4


def lattice_spacing(grid: ProfileGrid, space: Space, optima: tuple[Optimum, ...], threshold: float) -> int:
    r"""Return the spacing, in cells, at which the narrowest region of interest still has four lattice nodes across.

    With S the curvature of the profile at an optimum, in cells, the region is
    :math:`\sqrt{2 t / \lambda_{max}(S)}` wide on either side.
    """
    widths = []
    for optimum in sorted(optima, key=lambda optimum: -optimum.value)[:_LOOKED_AT]:
        stiffness = _profile_curvature(grid, space, optimum)
        if stiffness is None:
            return 1
        if len(stiffness):
            widths.append(math.sqrt(2 * threshold / max(float(np.linalg.eigvalsh(stiffness)[-1]), 1e-300)))
    if not widths:
        return 1
    widest = _WIDEST_ON_PATH if grid.adaptive else _WIDEST_LATTICE
    return min(widest, power_of_two(min(widths) / 2))


def _profile_curvature(grid: ProfileGrid, space: Space, optimum: Optimum) -> NDArray[np.float64] | None:
    """Minus the Hessian of the profile in cell units over the ordered axes; None when it is not to be trusted."""
    continuous = np.flatnonzero(space.is_continuous).tolist()
    if not optimum.reliable or optimum.curvature.shape != (len(continuous), len(continuous)):
        return None
    axes = [k for k, name in enumerate(grid.names) if space.index(name) in continuous and len(grid.units[k]) > 1]
    outer = [continuous.index(space.index(grid.names[k])) for k in axes]
    inner = [i for i in range(len(continuous)) if space.free[continuous[i]] not in grid.names]
    b = optimum.curvature
    stiffness = b[np.ix_(outer, outer)]
    if inner:
        cross = b[np.ix_(inner, outer)]
        stiffness = stiffness - cross.T @ np.linalg.solve(b[np.ix_(inner, inner)], cross)
    cells = np.array([_cell_size(grid.units[k], optimum.u[space.index(grid.names[k])]) for k in axes])
    return stiffness * np.outer(cells, cells)


def _cell_size(units: NDArray[np.float64], u: float) -> float:
    at = min(max(int(np.searchsorted(units, u)), 1), len(units) - 1)
    return float(units[at] - units[at - 1])


def add_optimum(plan: ProfileMap, state: MapState, optimum: Optimum) -> None:
    """Seed a branch in the nearest cell of the lattice, the argmax carried there along the tangent."""
    state.optima.append(optimum)
    if optimum.value > state.best:
        state.best, state.best_u = optimum.value, optimum.u
    tangent, block = tangent_of(state, optimum)
    label = plan.new_branch(state, optimum.u, tangent)
    at, grid = optimum.u[state.columns], state.grid
    # Around the best one all corners, so that a peak narrower than the grid has its sides, too.
    is_best = optimum.value >= state.best
    for cell in grid.around_point(at, state.spacing) if is_best else [grid.nearest(at, state.spacing)]:
        if not _was_followed(plan, state, optimum, cell):
            _seed(plan, state, optimum, (cell, label), tangent, block)


def _was_followed(plan: ProfileMap, state: MapState, optimum: Optimum, cell: int) -> bool:
    """Has an earlier map followed the branch of an optimum from a cell that it has settled?"""
    if plan.known is None or not state.settled[cell]:
        return False
    return bool((np.abs(plan.known.optima - optimum.u).max(axis=1) < _SAME_OPTIMUM).any())


def _seed(
    plan: ProfileMap,
    state: MapState,
    optimum: Optimum,
    place: tuple[int, int],
    tangent: NDArray[np.float64],
    block: NDArray[np.float64] | None,
) -> None:
    cell, label = place
    move = state.grid.unit(cell) - optimum.u[state.columns]
    v = np.clip(optimum.u[state.inner] + tangent @ move, 0.0, 1.0)
    twin = state.records.alike(cell, v, state.records.discrete[label])
    if twin is not None:
        state.records.unite(label, int(state.records.labels[twin]))
        return
    plan.begin(state, "extend", cell, label, optimum.u, v, curvature=block)


def seed_islands(plan: ProfileMap, state: MapState) -> None:
    """Seed the nearest cell of every optimum of interest that has no cell of the region beside it.

    Its island may be narrower than the lattice.
    """
    grid, cut = state.grid, plan.cut(state)
    for optimum in state.optima:
        at = optimum.u[state.columns]
        cell = grid.nearest(at)
        around = [cell, *grid.neighbours(cell, diagonal=True)]
        if optimum.value > cut and not any(state.best_values[other] > cut for other in around):
            tangent, block = tangent_of(state, optimum)
            _seed(plan, state, optimum, (cell, plan.new_branch(state, optimum.u, tangent)), tangent, block)


def end_climb(plan: ProfileMap, state: MapState, job: Job) -> None:
    """An ascent in the full space has ended: a better optimum."""
    ascent = job.ascent
    if not math.isfinite(ascent.value):
        return
    u = job.base.copy()
    u[plan.moved(state, job)] = ascent.u
    state.n_better_optima += 1
    add_optimum(plan, state, Optimum(u, ascent.value, ascent.curvature, reliable=False))


def climb_from_best(plan: ProfileMap, state: MapState) -> bool:
    """Where a cell beats every optimum, climb from it in the full space; False when there is no such cell."""
    known = max((optimum.value for optimum in state.optima), default=math.inf)
    if state.best <= known + _BETTER or state.best <= state.climbed_from:
        return False
    state.climbed_from = state.best
    v = state.best_u[np.flatnonzero(state.space.is_continuous)]
    plan.enter(state, Job("optimum", -1, -1, state.best_u, plan.local.start(v), v))
    return True
