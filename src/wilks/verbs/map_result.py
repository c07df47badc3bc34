"""The result of a map, from the state in which its schedule ended."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.cells import CellStatus
from wilks.profiles.audit import summarise
from wilks.profiles.handover import solutions_of
from wilks.profiles.result import ProfileResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.status import Status
    from wilks.profiles.handover import Solutions
    from wilks.profiles.result import Audit
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState, Optimum
    from wilks.verbs.context import Context
    from wilks.verbs.coordinates import MapCoordinates


def map_result(
    context: Context,
    coordinates: MapCoordinates,
    plan: ProfileMap,
    outer: Any,  # noqa: ANN401 - the state of the map, or of the map in derived coordinates
    status: Status,
    optima: tuple[Optimum, ...] = (),
) -> ProfileResult:
    """Put the result together."""
    state: MapState = coordinates.state(outer)
    cells, shape = _shown(plan, state)
    values = state.best_values.copy()
    values[state.failed_cells] = -np.inf
    visited = state.best_rows >= 0
    context.stats.update(n_visited=int(visited.sum()), n_better_optima=state.n_better_optima)
    context.stats["is_complete"] = state.stage == "done"
    if plan.grid.adaptive:
        context.stats["is_path"] = True
    has_best = math.isfinite(state.best)
    with np.errstate(invalid="ignore"):
        in_roi = values > state.best - plan.threshold
    nodes = plan.grid.nodes
    return ProfileResult(
        space=coordinates.report_space,
        status=status,
        best=coordinates.best(outer, state.space.from_unit(state.best_u)) if has_best else {},
        log_likelihood=state.best,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        over=plan.grid.names,
        axes=dict(zip(plan.grid.names, (nodes[0][cells],) if plan.grid.adaptive else nodes, strict=True)),
        log_likelihood_map=values[cells].reshape(shape),
        in_roi=in_roi[cells].reshape(shape),
        argmax={name: column[cells].reshape(shape) for name, column in _argmax(coordinates, plan, outer).items()},
        cell_status=_statuses(state)[cells].reshape(shape),
        audit=_audit(plan, state, cells),
        roi_threshold=plan.threshold,
        optima=optima,
        solutions=_solutions(plan, state, cells) if coordinates.derived is None else None,
    )


def _shown(plan: ProfileMap, state: MapState) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Cells of the result and its shape: of a path, the nodes where the profile was evaluated."""
    if not plan.grid.adaptive:
        return np.arange(plan.grid.n_cells), plan.grid.shape
    visited = state.best_rows >= 0
    visited[state.failed_cells] = True
    cells = np.flatnonzero(visited)
    return cells, (len(cells),)


def _statuses(state: MapState) -> NDArray[np.int8]:
    rows, records = state.best_rows, state.records
    statuses = np.full(len(rows), CellStatus.UNVISITED, dtype=np.int8)
    visited = rows >= 0
    if visited.any():
        good = np.where(records.anchors[rows[visited]], CellStatus.CONVERGED, CellStatus.PREDICTED)
        statuses[visited] = np.where(records.converged[rows[visited]], good, CellStatus.NOT_CONVERGED)
    statuses[state.failed_cells] = CellStatus.FAILED
    return statuses


def _audit(plan: ProfileMap, state: MapState, cells: NDArray[np.int64]) -> Audit | None:
    if not state.audit.cells:
        return None
    audit = summarise(state.audit, state.best_values, plan.grid.shape)
    if not plan.grid.adaptive:
        return audit
    return replace(audit, cells=np.searchsorted(cells, audit.cells))


def _solutions(plan: ProfileMap, state: MapState, cells: NDArray[np.int64]) -> Solutions:
    solutions = solutions_of(state)
    if not plan.grid.adaptive:
        return solutions
    return replace(solutions, cells=np.searchsorted(cells, solutions.cells))


def _argmax(
    coordinates: MapCoordinates,
    plan: ProfileMap,
    outer: Any,  # noqa: ANN401 - as above
) -> dict[str, NDArray[np.float64]]:
    """Nuisance values of the best solution of each cell, NaN where not visited."""
    state: MapState = coordinates.state(outer)
    visited = np.flatnonzero(state.best_rows >= 0)
    rows = state.best_rows[visited]
    full = np.array(state.bases, dtype=float).reshape(-1, state.space.dimension)[state.records.labels[rows]]
    full[:, state.inner] = state.records.arguments[rows].reshape(len(rows), len(state.inner))
    theta = state.space.from_unit(full)
    for k, column in enumerate(state.columns.tolist()):
        theta[:, column] = plan.grid.nodes[k][plan.grid.indices[visited, k]]
    found = {}
    for name, values in coordinates.argmax(outer, theta).items():
        every = np.full(plan.grid.n_cells, np.nan)
        every[visited] = values
        found[name] = every
    return found
