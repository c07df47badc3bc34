"""Exact profiles by brute force, for problems that do not fall apart into terms with few parameters.

At every node the log-likelihood is evaluated on a dense grid over the parameters that are free. From the highest local
maxima of the grid, damped Newton steps on the free face of the box, with central differences, climb to rounding error.
All nodes and all climbs are done together, with arrays. A grid finds what is wider than its spacing, so `n_points` is
a statement about the function; the tests compare with independent global optimisers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.problems.known import axes_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

_N_CLIMBS = 12
_CHUNK = 400_000  # evaluations at a time
# Steps of differences, as parts of the box: second differences need a large one, and where the curvature jumps a
# small one makes first differences right.
_FIRST_STEP = 1e-6
_SECOND_STEP = 1e-4
_MAX_NEWTON = 100
_CONVERGED = 1e-14
_MAX_DAMPING = 1e12


@dataclass(frozen=True)
class SearchedProfile:
    """Profile of a log-likelihood that takes arrays, found by a search over the free parameters.

    Attributes
    ----------
    names
        All parameters, in order.
    log_likelihood
        Function of a dictionary of arrays that broadcast; finite inside the limits.
    limits
        The box in which the free parameters are optimised, (lower, upper) for each.
    n_points
        Points of the grid along each axis when one, two, ... parameters are free.
    """

    names: tuple[str, ...]
    log_likelihood: Callable[[Values], Answer]
    limits: tuple[tuple[float, float], ...]
    n_points: tuple[int, ...] = (1001, 101, 41, 17, 11)

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> Array:
        """Return the profile over `names`.

        Raises
        ------
        InvalidConfigurationError
            If the names make no sense, or leave more parameters free than can be searched.
        """
        axes = axes_of(names, nodes, self.names)
        return self._solve(axes)[0].reshape(shape_of(axes))

    def argmax(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> dict[str, Array]:
        """Return the values of the free parameters at every node of the profile over `names`."""
        axes = axes_of(names, nodes, self.names)
        free = [name for column, name in enumerate(self.names) if column not in axes]
        best = self._solve(axes)[1]
        return {name: best[:, j].reshape(shape_of(axes)) for j, name in enumerate(free)}

    def _solve(self, axes: dict[int, Array]) -> tuple[Array, Array]:
        """Values at all nodes, shape (n,), and the free parameters there, shape (n, free)."""
        shape = shape_of(axes)
        fixed = {column: np.broadcast_to(values, shape).ravel() for column, values in axes.items()}
        n_nodes, n_free = int(np.prod(shape)), len(self.names) - len(axes)
        if n_free == 0:
            return self._evaluate(fixed, np.empty((n_nodes, 0))), np.empty((n_nodes, 0))
        if n_free > len(self.n_points):
            raise InvalidConfigurationError(
                f"profile: known with at most {len(self.n_points)} of the parameters {', '.join(self.names)} free, "
                f"got {n_free} free; name more of them"
            )
        rows = max(1, _CHUNK // self.n_points[n_free - 1] ** n_free)
        parts = [
            self._climbed({column: values[start : start + rows] for column, values in fixed.items()}, n_free)
            for start in range(0, n_nodes, rows)
        ]
        return np.concatenate([value for value, _ in parts]), np.concatenate([point for _, point in parts])

    def _evaluate(self, fixed: dict[int, Array], free: Array) -> Array:
        """Log-likelihood at points whose last axis runs over the free parameters; NaN is minus infinity."""
        columns = iter(range(free.shape[-1]))
        values = {
            name: fixed[column] if column in fixed else free[..., next(columns)]
            for column, name in enumerate(self.names)
        }
        return np.fmax(self.log_likelihood(values), -np.inf)

    def _climbed(self, fixed: dict[int, Array], n_free: int) -> tuple[Array, Array]:
        """Best value and point of every node: a grid, and climbs from its highest local maxima."""
        box = np.array([limits for column, limits in enumerate(self.limits) if column not in fixed]).T
        n_points = self.n_points[n_free - 1]
        lines = [np.linspace(lower, upper, n_points) for lower, upper in box.T]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, n_free)
        heights = self._evaluate({column: values[:, None] for column, values in fixed.items()}, grid)
        n_nodes = next(iter(fixed.values())).size if fixed else 1
        heights = np.broadcast_to(heights, (n_nodes, len(grid))).reshape(n_nodes, *[n_points] * n_free)
        ranked = np.where(_local_maxima(heights), heights, -np.inf).reshape(n_nodes, -1)
        n_climbs = min(_N_CLIMBS, ranked.shape[1])
        chosen = np.argpartition(ranked, -n_climbs, axis=1)[:, -n_climbs:]
        rows, picks = np.nonzero(np.isfinite(np.take_along_axis(ranked, chosen, axis=1)))
        start = grid[chosen[rows, picks]]
        value, point = self._climb({column: values[rows] for column, values in fixed.items()}, start, box)
        best_value, best_point = np.full(n_nodes, -np.inf), np.full((n_nodes, n_free), np.nan)
        order = np.argsort(value, kind="stable")  # of several entries to a row, the last one stays
        best_value[rows[order]], best_point[rows[order]] = value[order], point[order]
        return best_value, best_point

    def _climb(self, fixed: dict[int, Array], x: Array, box: Array) -> tuple[Array, Array]:
        """Climb from the points `x`, shape (n, free), in the box; return values and points."""
        x, value = x.copy(), self._evaluate(fixed, x)
        gradient, hessian = np.empty(x.shape), np.empty((*x.shape, x.shape[1]))
        damping = np.full(len(x), 1e-3)
        moved = active = np.arange(len(x))
        for _ in range(_MAX_NEWTON):
            gradient[moved], hessian[moved] = self._derivatives(_rows(fixed, moved), x[moved], box)
            here, g, h = x[active], gradient[active], -hessian[active]
            pinned = ((here <= box[0]) & (g < 0)) | ((here >= box[1]) & (g > 0))
            g = np.where(pinned, 0.0, g)
            h[pinned[:, :, None] | pinned[:, None, :]] = 0.0
            # By Gershgorin's theorem a damping of 1 makes the matrix positive definite, whatever it was.
            size = np.abs(h).sum(axis=2) + np.abs(g).max(axis=1, keepdims=True) / (box[1] - box[0]) + 1e-300
            np.einsum("nii->ni", h)[:] += damping[active, None] * size + pinned
            trial = np.clip(here + np.linalg.solve(h, g[..., None])[..., 0], box[0], box[1])
            height = self._evaluate(_rows(fixed, active), trial)
            better = height > value[active]
            small = better & (height - value[active] <= _CONVERGED * (1 + np.abs(height)))
            moved = active[better]
            x[moved], value[moved] = trial[better], height[better]
            damping[active] *= np.where(better, 0.1, 10.0)
            active = active[~small & (damping[active] < _MAX_DAMPING)]
            moved = np.intersect1d(moved, active, assume_unique=True)
            if not len(active):
                break
        return value, x

    def _derivatives(self, fixed: dict[int, Array], x: Array, box: Array) -> tuple[Array, Array]:
        """Gradient and Hessian by central differences around the nearest point with room for them in the box."""
        n_free, width = x.shape[1], box[1] - box[0]
        pairs = list(combinations(range(n_free), 2))
        single = np.eye(n_free)
        double = np.array([single[i] + single[j] for i, j in pairs]).reshape(-1, n_free)
        step = _SECOND_STEP * width
        centre = np.clip(x, box[0] + step, box[1] - step)
        slope_step = _FIRST_STEP * width * np.concatenate((single, -single))
        curve_step = step * np.concatenate((np.zeros((1, n_free)), single, -single, double, -double))
        near = centre[:, None, :] + np.concatenate((slope_step, curve_step))
        heights = self._evaluate({column: values[:, None] for column, values in fixed.items()}, near)
        sizes = [n_free, n_free, 1, n_free, n_free, len(pairs)]
        ahead, behind, middle, up, down, both_up, both_down = np.split(heights, np.cumsum(sizes).tolist(), axis=1)
        hessian = np.empty((*x.shape, n_free))
        curve = up + down - 2 * middle
        np.einsum("nii->ni", hessian)[:] = curve / step**2
        for k, (i, j) in enumerate(pairs):
            mixed = both_up[:, k] + both_down[:, k] - 2 * middle[:, 0] - curve[:, i] - curve[:, j]
            hessian[:, i, j] = hessian[:, j, i] = mixed / (2 * step[i] * step[j])
        gradient = (ahead - behind) / (2 * _FIRST_STEP * width)
        gradient += np.einsum("nij,nj->ni", hessian, x - centre)
        return gradient, hessian


def _rows(fixed: dict[int, Array], rows: NDArray[np.intp]) -> dict[int, Array]:
    return {column: values[rows] for column, values in fixed.items()}


def _local_maxima(heights: Array) -> NDArray[np.bool_]:
    """Is a point of the grid as high as its neighbours along every axis but the first?"""
    found = np.ones(heights.shape, dtype=bool)
    for axis in range(1, heights.ndim):
        before = heights.take(range(heights.shape[axis] - 1), axis)
        after = heights.take(range(1, heights.shape[axis]), axis)
        rising, falling = after > before, after < before
        ends = [(0, 0)] * heights.ndim
        ends[axis] = (0, 1)
        found &= ~np.pad(rising, ends)
        ends[axis] = (1, 0)
        found &= ~np.pad(falling, ends)
    return found
