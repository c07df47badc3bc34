"""Global optimisation that shares nothing with the profiles of the problems: a dense grid, and scipy from its tops."""

import numpy as np
from scipy.optimize import minimize

N_POINTS = {1: 100_001, 2: 501, 3: 81, 4: 31}
N_STARTS = 10


def box(space, names):
    return [(space[name].lower, space[name].upper) for name in names]


def best_of_the_others(problem, fixed, limits=None):
    """Largest log-likelihood with some parameters fixed, for a log-likelihood that takes arrays."""
    names = [name for name in problem.space.free if name not in fixed]
    bounds = np.array(box(problem.space, names) if limits is None else limits)
    # A grid that shares no points with an even one from bound to bound, but for the bounds themselves.
    n_points = N_POINTS[len(names)]
    line = np.concatenate(([0.0], (np.arange(n_points) + 0.37) / n_points, [1.0]))
    mesh = np.meshgrid(*[lower + (upper - lower) * line for lower, upper in bounds], indexing="ij")
    grid = dict(zip(names, mesh, strict=True))
    heights = problem.log_likelihood({name: fixed.get(name, grid.get(name)) for name in problem.space.free})
    tops = np.argsort(heights, axis=None)[-N_STARTS * len(names) ** 2 :][:: -(len(names) ** 2)]

    def cost(x):
        values = {**fixed, **dict(zip(names, x.tolist(), strict=True))}
        return -problem.log_likelihood({name: values[name] for name in problem.space.free})

    starts = [np.array([grid[name].ravel()[top] for name in names]) for top in tops]
    ends = [minimize(cost, start, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15}) for start in starts]
    end = min(ends, key=lambda answer: answer.fun)
    last = minimize(cost, end.x, bounds=bounds, method="Nelder-Mead", options={"fatol": 1e-13, "xatol": 1e-10})
    return max(heights.max(), -end.fun, -last.fun)
