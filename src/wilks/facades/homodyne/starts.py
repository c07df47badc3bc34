"""Starts of fits: designs in a box, the user's own, and a screening by cost."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.random import latin_hypercube
from wilks.core.space import Space
from wilks.evaluation.executors import n_usable_cores
from wilks.facades.homodyne.notices import notice
from wilks.searchers.screening import design_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

_MOST_PER_PARAMETER = 1000


def check_zero_volume_bounds(bounds: ArrayLike) -> bool:
    """Are all parameters fixed, lower = upper everywhere?

    Examples
    --------
    >>> check_zero_volume_bounds([[1.0, 1.0], [2.0, 2.0]]), check_zero_volume_bounds([[1.0, 1.0], [2.0, 3.0]])
    (True, False)
    """
    box = box_of(bounds)
    return bool((box[:, 0] == box[:, 1]).all())


def validate_n_starts_for_lhs(n_starts: int, n_params: int, warn: bool = True) -> int:
    """Return the number of starts, with a warning if it is far from what a Latin hypercube needs.

    Examples
    --------
    >>> validate_n_starts_for_lhs(20, 9)
    20
    """
    if isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 1:
        raise InvalidConfigurationError(f"n_starts: expected an integer >= 1, got {n_starts!r}")
    if warn and n_starts < n_params:
        notice(
            f"n_starts ({n_starts}) < n_params ({n_params}): LHS coverage may be inadequate. "
            f"Consider n_starts >= {n_params}."
        )
    if warn and n_starts > _MOST_PER_PARAMETER * n_params:
        notice(f"n_starts ({n_starts}) is very large for {n_params} parameters: most starts will tell nothing new.")
    return n_starts


def generate_lhs_starts(bounds: ArrayLike, n_starts: int, seed: int = 42) -> Vector:
    """Latin hypercube: every one of `n_starts` equal slices of every range holds one start; shape (n_starts, n).

    Examples
    --------
    >>> sorted(np.floor(generate_lhs_starts([[0.0, 4.0]], 4)[:, 0]).tolist())
    [0.0, 1.0, 2.0, 3.0]
    """
    box = box_of(bounds)
    return _in_box(latin_hypercube(np.random.default_rng(seed), n_starts, len(box)), box)


def generate_random_starts(bounds: ArrayLike, n_starts: int, seed: int = 42) -> Vector:
    """Uniformly random starts, shape (n_starts, n).

    Examples
    --------
    >>> generate_random_starts([[0.0, 1.0], [5.0, 6.0]], 3).shape
    (3, 2)
    """
    box = box_of(bounds)
    return _in_box(np.random.default_rng(seed).random((n_starts, len(box))), box)


def generate_sobol_starts(bounds: ArrayLike, n_starts: int, seed: int = 42) -> Vector:
    """Starts of a scrambled Sobol sequence, shape (n_starts, n).

    Examples
    --------
    >>> sorted(np.floor(generate_sobol_starts([[0.0, 4.0]], 4)[:, 0]).tolist())
    [0.0, 1.0, 2.0, 3.0]
    """
    box = box_of(bounds)
    space = Space({f"p{k}": Real(0.0, 1.0) for k in range(len(box))})
    return _in_box(design_points("sobol", space, n_starts, np.random.default_rng(seed)), box)


def include_custom_starts(generated_starts: ArrayLike, custom_starts: ArrayLike | None, bounds: ArrayLike) -> Vector:
    """Put the user's starts before the others.

    Raises
    ------
    InvalidConfigurationError
        If one has the wrong number of parameters, or lies outside the bounds.

    Examples
    --------
    >>> include_custom_starts([[0.5]], [[0.25]], [[0.0, 1.0]]).tolist()
    [[0.25], [0.5]]
    """
    generated, box = np.atleast_2d(np.asarray(generated_starts, dtype=float)), box_of(bounds)
    if custom_starts is None or not len(np.atleast_1d(np.asarray(custom_starts, dtype=object))):
        return generated
    custom = np.atleast_2d(np.asarray(custom_starts, dtype=float))
    if custom.shape[1] != len(box):
        raise InvalidConfigurationError(
            f"custom_starts: expected {len(box)} numbers in each, got the shape {custom.shape}"
        )
    outside = ((custom < box[:, 0]) | (custom > box[:, 1])).any(axis=1)
    if outside.any():
        number = int(np.flatnonzero(outside)[0])
        raise InvalidConfigurationError(
            f"custom_starts: number {number}, {custom[number].tolist()}, is outside the bounds"
        )
    return np.vstack([custom, generated])


def screen_starts(
    cost_func: Callable[[Vector], float],
    starts: ArrayLike,
    keep_fraction: float = 0.5,
    min_keep: int = 3,
    n_workers: int = 0,
) -> tuple[Vector, Vector]:
    """Return the starts with the lowest costs, best first, and these costs.

    Parameters
    ----------
    cost_func
        Chi-squared of a vector; what is not finite comes last.
    starts
        Shape (n_starts, n).
    keep_fraction, min_keep
        How many to keep.
    n_workers
        Threads that call the function; 0 for one less than there are cores.

    Examples
    --------
    >>> kept, costs = screen_starts(lambda p: float(p[0] ** 2), [[3.0], [1.0], [2.0], [4.0]], min_keep=1)
    >>> kept[:, 0].tolist(), costs.tolist()
    ([1.0, 2.0], [1.0, 4.0])
    """
    if not 0 < keep_fraction <= 1:
        raise InvalidConfigurationError(f"keep_fraction: expected a fraction above 0 and up to 1, got {keep_fraction}")
    points = np.atleast_2d(np.asarray(starts, dtype=float))
    workers = n_workers or max(1, n_usable_cores() - 1)
    costs = np.array(mapped(cost_func, points, workers), dtype=float)
    costs[np.isnan(costs)] = np.inf
    n = min(len(points), max(min_keep, math.ceil(keep_fraction * len(points))))
    order = np.argsort(costs, kind="stable")[:n]
    return points[order], costs[order]


def mapped(function: Callable[[Any], Any], items: Iterable[Any], n_workers: int) -> list[Any]:
    """Results of a function in the order of its arguments, from so many threads."""
    if n_workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(function, items))


def box_of(bounds: ArrayLike) -> Vector:
    """Bounds of shape (n, 2), given so or as a tuple (lower, upper)."""
    if isinstance(bounds, tuple) and len(bounds) == 2 and np.ndim(bounds[0]) == 1:
        bounds = np.column_stack([np.asarray(side, dtype=float) for side in bounds])
    box = np.asarray(bounds, dtype=float)
    if box.ndim != 2 or box.shape[1] != 2 or not (box[:, 0] <= box[:, 1]).all():
        raise InvalidConfigurationError(
            f"bounds: expected (lower, upper), lower <= upper for every parameter, shape (n, 2), got {bounds!r:.200}"
        )
    return box


def _in_box(unit: Vector, box: Vector) -> Vector:
    return np.asarray(box[:, 0] + unit * (box[:, 1] - box[:, 0]))
