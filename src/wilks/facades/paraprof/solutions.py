"""Profiles in the shape of paraprof: dictionaries from grid indices to points."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.cells import CellStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.profiles.result import ProfileResult


def solution_of(result: ProfileResult, names: Sequence[str], pool: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A profile as the dictionary that paraprof returns for a grid, with the profile itself as ``profile``.

    Parameters
    ----------
    result
        The profile.
    names
        Names of all parameters, in order.
    pool
        The solution pool so far.
    """
    dims = [names.index(name) for name in result.over]
    profiled = [dim for dim in range(len(names)) if dim not in dims]
    indices, full = cells_of(result, names)
    values = result.log_likelihood_map[tuple(indices.T)]
    return {
        "grid_axes": [result.axes[name].copy() for name in result.over],
        "projection_dims": dims,
        "profiled_dims": profiled,
        "solutions": {
            tuple(index): {"profiled_params": point[profiled], "likelihood": value, "full_params": point}
            for index, point, value in zip(indices.tolist(), full, values.tolist(), strict=True)
        },
        "grid_shape": result.log_likelihood_map.shape,
        "global_solution_pool": list(pool),
        "profile": replace(result, log=None),  # can be pickled
    }


def cells_of(result: ProfileResult, names: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Grid indices of the cells with a finite value, shape (k, number of axes), and their points, shape (k, n)."""
    found = np.isfinite(result.log_likelihood_map)
    indices = np.argwhere(found)
    full = np.empty((len(indices), len(names)))
    for column, name in enumerate(names):
        if name in result.over:
            full[:, column] = result.axes[name][indices[:, result.over.index(name)]]
        else:
            full[:, column] = result.argmax[name][found]
    return indices, full


def pool_of(results: Sequence[ProfileResult], names: Sequence[str]) -> list[dict[str, Any]]:
    """All solutions of some profiles, the best first; best points that lie between the nodes have no index."""
    pool = []
    for result in results:
        if result.best:
            pool.append(
                {"full_params": result.space.to_theta(result.best), "fitness": result.log_likelihood, "grid_idx": None}
            )
        indices, full = cells_of(result, names)
        values = result.log_likelihood_map[tuple(indices.T)]
        pool += [
            {"full_params": point, "fitness": value, "grid_idx": tuple(index)}
            for index, point, value in zip(indices.tolist(), full, values.tolist(), strict=True)
        ]
    return sorted(pool, key=lambda entry: -entry["fitness"])


def registry_of(result: ProfileResult) -> list[dict[str, Any]]:
    """The distinct optima of the whole box that a profile started from."""
    return [
        {"point": result.space.from_unit(optimum.u), "point_norm": optimum.u.copy(), "target_val": optimum.value}
        for optimum in result.optima
    ]


def population_of(result: ProfileResult, names: Sequence[str]) -> dict[tuple[int, ...], dict[str, Any]]:
    """State of every visited cell; a population has one member, the solution of the cell."""
    profiled = [column for column, name in enumerate(names) if name not in result.over]
    indices, full = cells_of(result, names)
    population = {}
    for index, point in zip(map(tuple, indices.tolist()), full, strict=True):
        value = float(result.log_likelihood_map[index])
        population[index] = {
            "profiled_params": point[None, profiled],
            "fitnesses": np.array([value]),
            "best_fitness": value,
            "full_params": point,
            "status": CellStatus(int(result.cell_status[index])).name.lower(),
        }
    return population
