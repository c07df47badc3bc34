r"""The best step of a concave quadratic model within bounds, by a true active set.

.. math:: \max_p \; g^T p - \tfrac12 p^T B p \quad \mbox{with} \quad l \le p \le u                            (1)

B is positive definite. A free step that leaves the bounds is never cut back componentwise: the coordinate that leaves
the furthest is put on its bound and the others are solved again with the coupling to it; at the end a coordinate
whose multiplier has the wrong sign is released (Nocedal and Wright 2006, section 16.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    m = len(gradient)
    if m == 1:  # one coordinate: cutting back is exact
        free = gradient[0] / curvature[0, 0]
        step = min(max(free, lower[0]), upper[0])
        return np.array([step]), np.array([step != free])
    held = ((lower >= 0) & (gradient < 0)) | ((upper <= 0) & (gradient > 0))
    step = np.where(held, np.where(gradient < 0, lower, upper), 0.0)
    for _ in range(3 * m + 3):
        _solve_free(step, held, gradient, curvature)
        outside = np.maximum(lower - step, step - upper)
        worst = int(np.argmax(np.where(held, -np.inf, outside)))
        if not held[worst] and outside[worst] > 1e-14:  # rounding of the unit box
            step[worst] = lower[worst] if step[worst] < lower[worst] else upper[worst]
            held[worst] = True
            continue
        pull = gradient - curvature @ step  # multiplier of a held coordinate
        inwards = np.where(step <= lower, pull, -pull)
        release = int(np.argmax(np.where(held, inwards, -np.inf)))
        if not held[release] or inwards[release] <= 1e-12 * (1 + abs(gradient[release])):
            break
        held[release] = False
    return np.clip(step, lower, upper), held


def _solve_free(
    step: NDArray[np.float64],
    held: NDArray[np.bool_],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
) -> None:
    """Solve for the free coordinates in place, those held staying where they are."""
    if not held.any():
        step[:] = np.linalg.solve(curvature, gradient)
        return
    free = ~held
    if free.any():
        right = gradient[free] - curvature[np.ix_(free, held)] @ step[held]
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], right)
