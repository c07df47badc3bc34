"""What one map hands over to the next: all its solutions, for a finer grid, a wider range, or a deeper region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.profiles.records import Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.profiles.grid import ProfileGrid
    from wilks.profiles.result import ProfileResult
    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import MapState

_SAME_NODE = 1e-9


@dataclass(frozen=True, eq=False)
class Solutions:
    """Local optima of the cells of a map, n of them, several in a cell where there are branches.

    Attributes
    ----------
    cells
        Index of the cell on every axis, shape (n, number of axes).
    labels
        The branch, shape (n,).
    points
        Unit box, all parameters, shape (n, dimension).
    values, converged, anchors
        Log-likelihood; did the optimisation reach its tolerance; was the gradient looked at; shape (n,).
    curvatures
        Over the continuous nuisance parameters (m of them), unit box, shape (n, m, m).
    """

    cells: NDArray[np.int64]
    labels: NDArray[np.int64]
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    converged: NDArray[np.bool_]
    anchors: NDArray[np.bool_]
    curvatures: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of solutions."""
        return len(self.values)


def solutions_of(state: MapState) -> Solutions:
    """Collect the solutions that a map has found."""
    records, n = state.records, state.records.n
    points = np.array(state.bases, dtype=float).reshape(-1, state.space.dimension)[records.labels[:n]]
    points[:, state.inner] = records.arguments[:n].reshape(n, records.m)
    points[:, state.columns] = state.grid.positions[records.cells[:n]]
    return Solutions(
        state.grid.indices[records.cells[:n]],
        records.roots(),
        points,
        records.values[:n].copy(),
        records.converged[:n].copy(),
        records.anchors[:n].copy(),
        records.curvatures[:n].reshape(n, records.m, records.m).copy(),
    )


@dataclass(frozen=True, eq=False)
class Known:
    """Solutions of earlier maps, as far as their cells are nodes of the new grid.

    Attributes
    ----------
    cells
        Cell of the new grid of each solution.
    solutions
        The solutions.
    spacing
        Steps of the new grid from one old node to the next.
    searched
        Cells of the new grid that lie within a finished old map, in which there are no further islands.
    nodes
        Cells of the new grid that were nodes of a finished old map, visited or not.
    optima
        Optima whose branches those maps have followed, unit box, shape (n, dimension).
    audited
        Cells, values before and values found of an audit that holds for the new map too; None if it does not.
    """

    cells: NDArray[np.int64]
    solutions: Solutions
    spacing: int
    searched: NDArray[np.bool_]
    nodes: NDArray[np.bool_]
    optima: NDArray[np.float64]
    audited: tuple[list[int], list[float], list[float]] | None


def known_cells(grid: ProfileGrid, results: Sequence[ProfileResult], threshold: float) -> Known | None:
    """Find what earlier maps over the same parameters know of the cells of a grid; None when that is nothing.

    A path does not grow where it is refined, so it takes over only what reaches as far as the new one.
    """
    parts = []
    searched, nodes = np.zeros(grid.n_cells, dtype=bool), np.zeros(grid.shape, dtype=bool)
    spacing, audited, n_labels = 1, None, 0
    optima: list[NDArray[np.float64]] = []
    for result in results:
        old = result.solutions
        if set(result.over) != set(grid.names) or old is None or not len(old):
            continue
        order = [result.over.index(name) for name in grid.names]
        maps = [_matching(result.space, name, result.axes[name], grid.nodes[k]) for k, name in enumerate(grid.names)]
        index = np.stack([maps[k][old.cells[:, at]] for k, at in enumerate(order)], axis=-1)
        there = np.asarray((index >= 0).all(axis=1), dtype=bool)
        if not there.any():
            continue
        cells = np.ravel_multi_index(tuple(index[there].T), grid.shape).astype(np.int64)
        rows = Solutions(**{name: part[there] for name, part in vars(old).items()})
        rows = Solutions(**{**vars(rows), "labels": rows.labels + n_labels})
        n_labels += int(old.labels.max()) + 1
        parts.append((cells, rows))
        spacing = max(spacing, *(_spacing(found) for found in maps))
        lowest = result.log_likelihood - threshold
        if result.is_complete and result.roi_threshold >= threshold and there[old.values > lowest].all():
            searched |= _within(grid, result)
            nodes[np.ix_(*(found[found >= 0] for found in maps))] = True
            optima += [optimum.u for optimum in result.optima]
            audited = _longer(audited, _audited(grid, result, threshold, maps))
    if not parts or (grid.adaptive and not searched.all()):
        return None
    joined = {name: np.concatenate([vars(rows)[name] for _, rows in parts]) for name in vars(parts[0][1])}
    cells = np.concatenate([cells for cells, _ in parts])
    followed = np.array(optima).reshape(-1, parts[0][1].points.shape[1])
    return Known(cells, Solutions(**joined), spacing, searched, nodes.ravel(), followed, audited)


def _matching(space: Space, name: str, old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each old node its place among the new ones, -1 where it is none of them."""
    x, nodes = space[name].to_unit(old), space[name].to_unit(new)
    nearest = np.abs(x[:, None] - nodes[None, :]).argmin(axis=1)
    found: NDArray[np.int64] = np.where(np.abs(x - nodes[nearest]) < _SAME_NODE, nearest, -1)
    return found


def _spacing(places: NDArray[np.int64]) -> int:
    steps = np.diff(places[places >= 0])
    return int(np.gcd.reduce(steps)) if len(steps) else 1


def _within(grid: ProfileGrid, result: ProfileResult) -> NDArray[np.bool_]:
    """Cells of a grid that lie between the first and the last node of an old map on every axis.

    Those of a path are only what it visited of its interval, so all of it was searched; where there is no order, only
    the nodes themselves were.
    """
    if result.stats.get("is_path", False):
        return np.ones(grid.n_cells, dtype=bool)
    inside = []
    for k, name in enumerate(grid.names):
        old, new = result.space[name].to_unit(result.axes[name]), grid.positions[:, k]
        if grid.unordered[k]:
            inside.append(np.isclose(new[:, None], old, rtol=0.0, atol=_SAME_NODE).any(axis=1))
        else:
            inside.append((new >= old.min() - _SAME_NODE) & (new <= old.max() + _SAME_NODE))
    found: NDArray[np.bool_] = np.logical_and.reduce(inside)
    return found


_Audited = tuple[list[int], list[float], list[float]]


def _longer(one: _Audited | None, other: _Audited | None) -> _Audited | None:
    if one is None or other is None:
        return one or other
    return one if len(one[0]) >= len(other[0]) else other


def _audited(
    grid: ProfileGrid, result: ProfileResult, threshold: float, maps: list[NDArray[np.int64]]
) -> _Audited | None:
    """Cells of an old audit, if its region is that of the new map: only then they are a uniform sample of it."""
    audit = result.audit
    if grid.adaptive:
        same = bool(result.stats.get("is_path", False))
    else:
        same = all(len(found) == n for found, n in zip(maps, grid.shape, strict=True))
    same = same and result.roi_threshold == threshold and all((found >= 0).all() for found in maps)
    if audit is None or not same or len(audit.found) != audit.n_cells:
        return None
    columns = [maps[k][audit.cells[:, result.over.index(name)]] for k, name in enumerate(grid.names)]
    cells = np.ravel_multi_index(tuple(columns), grid.shape)
    return cells.tolist(), audit.before.tolist(), audit.found.tolist()


def take_over(plan: ProfileMap, state: MapState, known: Known) -> None:
    """Enter known solutions into the table; the map goes on by refinement around the region that they make."""
    state.spacing, state.stage = max(known.spacing, 2), "refine"
    state.searched = known.searched
    _enter_solutions(plan, state, known)
    # Also the nodes that a finished map over the same nodes left out, since they lie outside of the region.
    state.settled = known.searched & ((state.best_rows >= 0) | (known.nodes & (known.spacing == 1)))
    state.seen = (state.best_rows >= 0) | state.settled
    if known.audited is not None:
        cells, before, found = known.audited
        state.audit.cells, state.audit.before, state.audit.found = list(cells), list(before), list(found)


def _enter_solutions(plan: ProfileMap, state: MapState, known: Known) -> None:
    records, old = state.records, known.solutions
    labels: dict[int, int] = {}
    for at, cell in enumerate(known.cells.tolist()):
        u, value = old.points[at], float(old.values[at])
        if int(old.labels[at]) not in labels:
            labels[int(old.labels[at])] = plan.new_branch(state, u)
        v = u[state.inner]
        row = records.alike(cell, v, state.combination(u))
        if row is not None and value <= records.values[row]:
            continue
        solution = Solution(
            value, v, old.curvatures[at], 0, bool(old.converged[at]), state.spacing, bool(old.anchors[at])
        )
        if row is None:
            row = records.add(cell, labels[int(old.labels[at])], solution)
        else:
            records.put(row, solution)
        if not value <= state.best_values[cell]:
            state.best_values[cell], state.best_rows[cell] = value, row
        if value > state.best:
            state.best, state.best_u = value, u
