r"""The best step of a concave quadratic model within bounds, by a true active set.

.. math:: \max_p \; g^T p - \tfrac12 p^T B p \quad \mbox{with} \quad l \le p \le u                            (1)

B is positive definite and the origin lies within the bounds. The primal active-set method (Nocedal and Wright 2006,
algorithm 16.3) walks through feasible points: towards the maximum over the coordinates that are free, up to the first
bound in the way, which then holds its coordinate; where no bound is in the way, the held coordinate whose multiplier
has the wrong sign by most is released. The model rises with every move, so the end is the maximum of (1): a free step
is never cut back componentwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Maximise = Callable[[NDArray[np.bool_], NDArray[np.float64]], NDArray[np.float64]]
    Pull = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_ROUNDING = 1e-12


def bounds_within(u: NDArray[np.float64], reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of a step from `u` that stays in the unit box and goes no further than `reach`.

    A bound of the box that lies at the reach but for rounding is reached, not missed by it.

    Examples
    --------
    >>> lower, upper = bounds_within(np.array([0.1, 0.5]), 0.3)
    >>> lower.tolist(), upper.tolist()
    ([-0.1, -0.3], [0.3, 0.3])
    """
    far = reach * (1 + _ROUNDING)
    return np.where(u <= far, -u, -reach), np.where(1.0 - u <= far, 1.0 - u, reach)


def box_step(
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve (1); return the step, shape (m,), and which coordinates are held on a bound.

    Examples
    --------
    >>> step, held = box_step(np.array([1.0, 1.0]), np.eye(2), np.full(2, -1.0), np.array([0.25, 2.0]))
    >>> step.tolist(), held.tolist()
    ([0.25, 1.0], [True, False])
    """
    if len(gradient) == 1:  # one coordinate: cutting back is exact
        free_step = gradient[0] / curvature[0, 0]
        step = min(max(free_step, lower[0]), upper[0])
        return np.array([step]), np.array([step != free_step])

    def maximise(free: NDArray[np.bool_], step: NDArray[np.float64]) -> NDArray[np.float64]:
        if free.all():
            return _solved(curvature, gradient)
        right = gradient[free] - curvature[np.ix_(free, ~free)] @ step[~free]
        return _solved(curvature[np.ix_(free, free)], right)

    return active_set_step(gradient, maximise, lambda step: gradient - curvature @ step, lower, upper)


def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:  # positive definite but for rounding
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def active_set_step(
    gradient: NDArray[np.float64],
    maximise: Maximise,
    pull: Pull,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve (1) for a model that is given by what one can do with it.

    Parameters
    ----------
    gradient
        Of the model at the origin, shape (m,).
    maximise
        ``maximise(free, step)``: values of the free coordinates that maximise the model, the others staying where
        they are in `step`.
    pull
        Gradient of the model at a step.
    lower, upper
        Bounds, lower <= 0 <= upper.
    """
    m = len(gradient)
    held = ((lower >= 0) & (gradient < 0)) | ((upper <= 0) & (gradient > 0))
    step = np.zeros(m)
    for _ in range(10 * m + 10):  # far more than it takes; rounding could make it go round in circles
        free = ~held
        if free.any():
            move = np.zeros(m)
            move[free] = maximise(free, step) - step[free]
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(move > 0, (upper - step) / move, np.where(move < 0, (lower - step) / move, np.inf))
            first = int(np.argmin(room))
            if room[first] < 1.0:
                step = step + max(float(room[first]), 0.0) * move
                step[first] = upper[first] if move[first] > 0 else lower[first]
                held[first] = True
                continue
            step = step + move
        slopes = pull(step)
        inwards = np.where(held, np.where(step <= lower, slopes, -slopes), -np.inf)
        inwards[held & (lower >= upper)] = -np.inf  # no room at all
        release = int(np.argmax(inwards))
        if inwards[release] <= _ROUNDING * (1.0 + abs(float(gradient[release]))):
            break
        held[release] = False
    return np.clip(step, lower, upper), held
