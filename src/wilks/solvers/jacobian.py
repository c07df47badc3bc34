r"""Differences of residual vectors: forward where speed counts, three points where digits do.

With the residuals at two offsets a and b of a coordinate, of different size or sign, the parabola through them and
the centre has the slope

.. math:: r' = \frac{b^2 (r_a - r_0) - a^2 (r_b - r_0)}{a b (b - a)}                                           (1)

which is the central difference for b = -a, and stays of second order at a bound, where both lie on one side.

A residual that is affine in a coordinate has the same difference over any offset: there a large one costs no digits.

Residuals of different lengths have no difference: the log-likelihoods of such points cannot be compared either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.evaluation.finite_differences import forward_steps, shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Residuals = list[NDArray[np.float64] | None]

_FORWARD = 1e-7
_SIGMAS = 0.003
SHORTEST = 1e-8
"""Shortest step, as a fraction of the box, that rounding allows."""
_SMALLEST, _LARGEST = 2e-6, 1e-3
"""Limits of three-point steps: shorter ones lose digits, unless they would be longer than a standard error."""
_FORWARD_SIGMAS = 0.1
_NEAR_ZERO = 1e-3


def forward_sizes(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sizes of forward differences where the columns of the Jacobian have norms of this size, shape (m,).

    A tiny step of the box is a long one where the box is very wide: none is longer than a fraction of the distance
    over which the residuals change by 1, as far as rounding allows.

    Examples
    --------
    >>> forward_sizes(np.array([0.0, 1e3, 1e7])).tolist()
    [1e-07, 1e-07, 1e-08]
    """
    with np.errstate(divide="ignore"):
        return np.clip(_FORWARD_SIGMAS / norms, SHORTEST, _FORWARD)


def forward_offsets(u: NDArray[np.float64], size: float | NDArray[np.float64] = _FORWARD) -> NDArray[np.float64]:
    """One offset per coordinate, shape (m,), inwards."""
    return (u + forward_steps(u, size)) - u


def three_point_offsets(
    u: NDArray[np.float64], curvature: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two offsets per coordinate, each of shape (m,), that fit the curvature and stay in the unit box.

    Examples
    --------
    >>> ahead, behind = three_point_offsets(np.array([0.5, 1.0]), 1e4 * np.eye(2))
    >>> ahead.round(9).tolist(), behind.round(9).tolist()
    ([3e-05, -6e-05], [-3e-05, -3e-05])
    """
    sigma = 1.0 / np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    # Rounding allows smaller steps near zero: coordinates have more digits there.
    near = np.clip(u, _NEAR_ZERO, 1.0)
    smallest = np.maximum(np.minimum(_SMALLEST * near, sigma), SHORTEST * near)
    size = np.clip(_SIGMAS * sigma, smallest, _LARGEST)
    above, below = 1.0 - u >= size, u >= size
    ahead, behind = np.where(above, size, -2.0 * size), np.where(below, -size, np.where(above, 2.0 * size, -size))
    return (u + ahead) - u, (u + behind) - u  # what rounding leaves of them


def offset_points(
    u: NDArray[np.float64], *offsets: NDArray[np.float64], which: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """All coordinates, or those in `which` (q of them), moved by the first offsets, then by the next.

    Shape (number of offsets * q, m); offsets have shape (m,).
    """
    moved = np.arange(len(u)) if which is None else which
    return np.asarray(np.clip(np.concatenate([shifted(u, offset, moved) for offset in offsets]), 0.0, 1.0))


def forward_jacobian(
    centre: NDArray[np.float64], offsets: NDArray[np.float64], answers: Residuals
) -> NDArray[np.float64]:
    """Jacobian, shape (n, m), from the residuals at these offsets of m coordinates; NaN where a residual is missing.

    Raises
    ------
    InvalidProblemError
        If the residuals have different lengths.
    """
    require_length(len(centre), answers)
    jacobian = np.empty((len(centre), len(offsets)))
    for column, (r, h) in enumerate(zip(answers, offsets, strict=True)):
        jacobian[:, column] = np.nan if r is None else (r - centre) / h
    return jacobian


def three_point_jacobian(
    centre: NDArray[np.float64],
    offsets: tuple[NDArray[np.float64], NDArray[np.float64]],
    answers: Residuals,
) -> NDArray[np.float64]:
    """Jacobian, shape (n, m), by equation (1); a residual that is missing leaves a difference of first order.

    Raises
    ------
    InvalidProblemError
        If the residuals have different lengths.
    """
    require_length(len(centre), answers)
    m = len(offsets[0])
    jacobian = np.empty((len(centre), m))
    for column, (a, b, at_a, at_b) in enumerate(zip(*offsets, answers[:m], answers[m:], strict=True)):
        if at_a is not None and at_b is not None:
            slope = (b * b * (at_a - centre) - a * a * (at_b - centre)) / (a * b * (b - a))  # (1)
        elif at_a is not None:
            slope = (at_a - centre) / a
        elif at_b is not None:
            slope = (at_b - centre) / b
        else:
            slope = np.full_like(centre, np.nan)
        jacobian[:, column] = slope
    return jacobian


def require_length(n: int, answers: Residuals) -> None:
    """Refuse residuals of another length than n.

    Raises
    ------
    InvalidProblemError
        If there is one.
    """
    for answer in answers:
        if answer is not None and len(answer) != n:
            raise InvalidProblemError(
                f"residual: {n} numbers at one point, {len(answer)} at another; the number of residuals may not depend "
                "on a parameter, or on anything else that changes between calls"
            )
