"""The Rosenbrock chain, and its exact profiles by dynamic programming.

A curved valley that is easy to find and hard to follow. Each term couples neighbours only, so with some parameters
fixed the others fall apart into stretches between them, each of which depends on the fixed values at its two ends.
The best stretch on a grid is found by dynamic programming (Viterbi 1967), globally; Newton steps take it to rounding
error.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, axes_of, names_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.problems.known import Answer, Values

_LIMIT = 6.0
_SCALE = 0.1
_N_GRID = 481
_N_CANDIDATES = 4
_MAX_NEWTON = 200
_CONVERGED = 1e-13
_MAX_DAMPING = 1e12


def rosenbrock(dimension: int = 4, *, with_gradient: bool = False) -> KnownProblem:
    r"""The Rosenbrock function on [-6, 6]^n, times -0.1.

    .. math:: \log L = -0.1 \sum_i [100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2]                                      (1)

    Parameters
    ----------
    dimension
        Number of parameters, ``x0``, ``x1``, ...
    with_gradient
        Give the problem its analytic gradient.

    Examples
    --------
    >>> known = rosenbrock(4)
    >>> known.best
    {'x0': 1.0, 'x1': 1.0, 'x2': 1.0, 'x3': 1.0}
    >>> known.profile(["x3"], [[1.0, 4.0]]).round(5).tolist()
    [-0.0, -0.12061]
    """
    names = names_of(dimension)
    problem = LikelihoodProblem(
        Space({name: Real(-_LIMIT, _LIMIT) for name in names}),
        rosenbrock_log_likelihood,
        gradient=rosenbrock_gradient if with_gradient else None,
        name=f"rosenbrock_{dimension}d",
    )
    return KnownProblem(problem, 0.0, (dict.fromkeys(names, 1.0),), ChainProfile(names))


def rosenbrock_log_likelihood(values: Values) -> Answer:
    """Equation (1), over all values in their order."""
    steps = pairwise(values.values())
    total: Answer = -_SCALE * sum(100 * (after - before**2) ** 2 + (1 - before) ** 2 for before, after in steps)
    return total


def rosenbrock_gradient(values: Mapping[str, float]) -> NDArray[np.float64]:
    """Gradient of `rosenbrock_log_likelihood`."""
    x = np.array(list(values.values()))
    step = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[1:] += 200 * step
    gradient[:-1] += -400 * step * x[:-1] - 2 * (1 - x[:-1])
    return -_SCALE * gradient


def _term(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    return _SCALE * (100 * (after - before**2) ** 2 + (1 - before) ** 2)


@dataclass(frozen=True)
class ChainProfile:
    """Exact profile of the Rosenbrock chain: the sum of the costs of its stretches."""

    names: tuple[str, ...]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Return the profile over `names`."""
        axes = axes_of(names, nodes, self.names)
        columns = sorted(axes)
        cost = np.zeros(shape_of(axes))
        for before, after in zip([None, *columns], [*columns, None], strict=True):
            n_free = (len(self.names) if after is None else after) - (-1 if before is None else before) - 1
            left, right = (None if c is None else axes[c].ravel() for c in (before, after))
            stretch = _stretch(left, right, n_free)
            if before is not None and after is not None:
                # Axes may be in any order: put the rows of `stretch` along `before`, its columns along `after`.
                rows = np.arange(stretch.shape[0]).reshape(axes[before].shape)
                cost += stretch[rows, np.arange(stretch.shape[1]).reshape(axes[after].shape)]
            elif before is not None:
                cost += stretch[:, 0].reshape(axes[before].shape)
            elif after is not None:
                cost += stretch[0].reshape(axes[after].shape)
        return -cost


def _stretch(left: NDArray[np.float64] | None, right: NDArray[np.float64] | None, n_free: int) -> NDArray[np.float64]:
    """Least cost of `n_free` free parameters between fixed neighbours, shape (n_left, n_right); None is a free end."""
    n_left, n_right = (1 if ends is None else len(ends) for ends in (left, right))
    if n_free == 0:
        if left is None or right is None:
            return np.zeros((n_left, n_right))
        return _term(left[:, None], right)
    starts = _viterbi(left, right, n_free)  # (n_left, n_right, candidates, n_free)
    shape = starts.shape[:-1]
    ends = [
        None if e is None else np.broadcast_to(e.reshape(form), shape).ravel()
        for e, form in ((left, (-1, 1, 1)), (right, (1, -1, 1)))
    ]
    cost = _polish(starts.reshape(-1, n_free), ends[0], ends[1])
    least: NDArray[np.float64] = cost.reshape(shape).min(axis=-1)
    return least


def _viterbi(left: NDArray[np.float64] | None, right: NDArray[np.float64] | None, n_free: int) -> NDArray[np.float64]:
    """Best stretches on a grid: one for each of the deepest local minima in the last free parameter."""
    grid = np.linspace(-_LIMIT, _LIMIT, _N_GRID)
    pair = _term(grid[:, None], grid)
    message = np.zeros((1, _N_GRID)) if left is None else _term(left[:, None], grid)
    origins = []
    for _ in range(n_free - 1):
        origin = np.stack([np.argmin(row[:, None] + pair, axis=0) for row in message])
        message = np.take_along_axis(message, origin, axis=1) + pair[origin, np.arange(_N_GRID)]
        origins.append(origin)
    n_right = 1 if right is None else len(right)
    last = np.zeros((_N_GRID, n_right)) if right is None else _term(grid[:, None], right)
    total = message[:, None, :] + last.T  # (n_left, n_right, grid)
    padded = np.pad(total, ((0, 0), (0, 0), (1, 1)), constant_values=np.inf)
    is_minimum = (total <= padded[..., :-2]) & (total <= padded[..., 2:])
    ranked = np.where(is_minimum, total, np.inf)
    chosen = np.argpartition(ranked, _N_CANDIDATES, axis=-1)[..., :_N_CANDIDATES]
    rows = np.arange(len(message))[:, None, None]
    path = [chosen]
    for origin in reversed(origins):
        path.insert(0, origin[rows, path[0]])
    return grid[np.stack(path, axis=-1)]


def _polish(
    x: NDArray[np.float64], left: NDArray[np.float64] | None, right: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Least cost near the stretches `x`, shape (n, n_free): damped Newton steps on the free face of the box."""
    cost, damping = _cost(x, left, right), np.full(len(x), 1e-3)
    active = np.arange(len(x))
    for _ in range(_MAX_NEWTON):
        ends = [None if e is None else e[active] for e in (left, right)]
        here = x[active]
        gradient, hessian = _derivatives(here, ends[0], ends[1])
        pinned = ((here <= -_LIMIT) & (gradient > 0)) | ((here >= _LIMIT) & (gradient < 0))
        gradient[pinned] = 0.0
        hessian[pinned[:, :, None] | pinned[:, None, :]] = 0.0
        # By Gershgorin's theorem a damping of 1 makes the matrix positive definite, whatever it was.
        np.einsum("nii->ni", hessian)[:] += damping[active, None] * (1 + np.abs(hessian).sum(axis=2)) + pinned
        trial = np.clip(here - np.linalg.solve(hessian, gradient[..., None])[..., 0], -_LIMIT, _LIMIT)
        trial_cost = _cost(trial, ends[0], ends[1])
        better = trial_cost < cost[active]
        gain = np.where(better, cost[active] - trial_cost, 0.0)
        x[active[better]] = trial[better]
        cost[active[better]] = trial_cost[better]
        small = better & (gain <= _CONVERGED * (1 + cost[active]))
        damping[active] *= np.where(better, 0.1, 10.0)
        active = active[~small & (damping[active] < _MAX_DAMPING)]
        if not len(active):
            break
    return cost


def _extended(
    x: NDArray[np.float64], left: NDArray[np.float64] | None, right: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    return np.column_stack([part for part in (left, x, right) if part is not None])


def _cost(
    x: NDArray[np.float64], left: NDArray[np.float64] | None, right: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    full = _extended(x, left, right)
    total: NDArray[np.float64] = _term(full[:, :-1], full[:, 1:]).sum(axis=1)
    return total


def _derivatives(
    x: NDArray[np.float64], left: NDArray[np.float64] | None, right: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient and Hessian of the cost with respect to the free parameters."""
    full = _extended(x, left, right)
    before, step = full[:, :-1], full[:, 1:] - full[:, :-1] ** 2
    n, size = full.shape
    gradient = np.zeros((n, size))
    gradient[:, 1:] += 200 * step
    gradient[:, :-1] += -400 * step * before - 2 * (1 - before)
    hessian = np.zeros((n, size, size))
    each = np.arange(size - 1)
    hessian[:, each + 1, each + 1] += 200
    hessian[:, each, each] += 1200 * before**2 - 400 * full[:, 1:] + 2
    hessian[:, each, each + 1] = hessian[:, each + 1, each] = -400 * before
    free = slice(0 if left is None else 1, size if right is None else size - 1)
    return _SCALE * gradient[:, free], _SCALE * hessian[:, free, free]
