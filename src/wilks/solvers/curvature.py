r"""Second derivatives at an optimum: the stencil, the repair of what is not positive definite, and a check.

Steps are a tenth of a standard error (from the curvature known so far), so that the parabola is measured where it
matters and rounding does not: the log-likelihood changes by 0.005 over a step.

The check: with C the inverse of the curvature B, the straight line of parameter i, which a parabola's profile follows,
leads one standard error away to

.. math:: u \pm C e_i / \sqrt{C_{ii}}                                                                          (1)

where a parabola has fallen by 1/2. The root of the ratio of that fall and the one that is found is what the standard
error would have to be multiplied with to be right there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.box_step import box_step
from wilks.evaluation.finite_differences import HessianStencil, shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGMAS = 0.1
_SMALLEST, _LARGEST = 1e-6, 0.05
_FLOOR = 1e-12
_TESTED = 0.01  # fall of the log-likelihood: enough to see, however small the likelihood's noise


@dataclass(frozen=True)
class Curvature:
    """Derivatives at a point of the unit box.

    Attributes
    ----------
    gradient
        Of the log-likelihood, shape (m,).
    matrix
        Minus its Hessian, shape (m, m), as measured: not necessarily positive definite.
    error
        Largest relative error of a standard error one standard error away, see (1).
    positive
        `matrix` made positive definite.
    promise
        Gain in log-likelihood that a Newton step within the box promises.
    """

    gradient: NDArray[np.float64]
    matrix: NDArray[np.float64]
    error: float
    positive: NDArray[np.float64]
    promise: float


def measured(
    u: NDArray[np.float64], gradient: NDArray[np.float64], matrix: NDArray[np.float64], error: float
) -> Curvature:
    """Complete the derivatives at `u` with what follows from them."""
    gradient = np.where(np.isfinite(gradient), gradient, 0.0)
    positive = repaired(matrix)
    step, _ = box_step(gradient, positive, -u, 1.0 - u)
    promise = float(gradient @ step - 0.5 * step @ positive @ step)
    return Curvature(gradient, matrix, error, positive, promise)


def measuring_steps(curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps for the stencil, shape (m,), from the curvature known so far."""
    return np.clip(_SIGMAS / np.sqrt(np.maximum(np.diag(curvature), 1e-300)), _SMALLEST, _LARGEST)


def hessian_points(u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points to evaluate: the full stencil, then those of `parabola_points`, shape (k, m)."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    return np.concatenate([stencil.points, parabola_points(u, curvature)])


def hessian_from(
    u: NDArray[np.float64], centre: float, curvature: NDArray[np.float64], values: NDArray[np.float64]
) -> Curvature:
    """Put the values at `hessian_points` together."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    k = len(stencil.points)
    with np.errstate(invalid="ignore"):
        gradient, hessian = stencil.derivatives(centre, values[:k])
    error = parabola_error(u, centre, gradient, -hessian, (parabola_points(u, curvature), values[k:]))
    return measured(u, gradient, -hessian, error)


def parabola_points(u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (1), both ways for every coordinate and no further than the edge of the box, shape (2 m, m)."""
    covariance = np.linalg.inv(repaired(curvature))
    lines = covariance / np.sqrt(np.diag(covariance))
    both = np.concatenate([lines.T, -lines.T])
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(both > 0, (1.0 - u) / both, np.where(both < 0, -u / both, np.inf))
    return np.clip(u + np.minimum(room.min(axis=1, initial=1.0), 1.0)[:, None] * both, 0.0, 1.0)


def parabola_error(
    u: NDArray[np.float64],
    centre: float,
    gradient: NDArray[np.float64],
    matrix: NDArray[np.float64],
    answers: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Largest relative error of the parabola at the points and values in `answers`; NaN if none is far enough away.

    Infinite where the log-likelihood does not fall, or is minus infinity.
    """
    moves, values = answers[0] - u, answers[1]
    promised = 0.5 * np.einsum("ki,ij,kj->k", moves, matrix, moves)
    fall = centre + moves @ gradient - values
    tested = promised > _TESTED
    if not tested.any():
        return float("nan")
    with np.errstate(divide="ignore"):
        ratio = np.sqrt(promised[tested] / np.maximum(fall[tested], 0.0))
    return float(np.where(ratio > 0, np.abs(ratio - 1.0), np.inf).max())


def repaired(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest useful positive definite matrix: eigenvalues of the scaled matrix made positive.

    Examples
    --------
    >>> repaired(np.array([[4.0, 0.0], [0.0, -1.0]])).round(12).tolist()
    [[4.0, 0.0], [0.0, 1.0]]
    """
    if not matrix.size:
        return matrix
    clean = np.where(np.isfinite(matrix), 0.5 * (matrix + matrix.T), 0.0)
    scale = np.sqrt(np.abs(np.diag(clean)))
    scale[scale == 0] = max(float(scale.max()), 1.0) * 1e-6
    values, vectors = np.linalg.eigh(clean / np.outer(scale, scale))
    values = np.maximum(np.abs(values), _FLOOR * max(float(np.abs(values).max()), 1e-300))
    return np.outer(scale, scale) * (vectors * values @ vectors.T)
