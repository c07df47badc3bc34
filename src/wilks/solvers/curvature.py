r"""Second derivatives at an optimum: the stencil, the repair of what is not positive definite, and a check.

Steps are a tenth of a standard error (from the curvature known so far), so that the parabola is measured where it
matters and rounding does not: the log-likelihood changes by 0.005 over a step. With the same differences over twice
the step, D(2h), the leading error of the first derivatives and of the diagonal goes (Richardson 1911):

.. math:: D = D(h) + [D(h) - D(2h)] / 3                                                                        (2)

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

from wilks.evaluation.finite_differences import HessianStencil, shifted
from wilks.solvers.box_step import box_step

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
    """Points to evaluate, shape (k, m): the full stencil, two more per coordinate, and those of `parabola_points`."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    wide, every = _wide_steps(stencil), np.arange(len(u))
    return np.concatenate(
        [stencil.points, shifted(u, wide, every), shifted(u, -wide, every), parabola_points(u, curvature)]
    )


def hessian_from(
    u: NDArray[np.float64], centre: float, curvature: NDArray[np.float64], values: NDArray[np.float64]
) -> Curvature:
    """Put the values at `hessian_points` together."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    m, k = len(u), len(stencil.points)
    with np.errstate(invalid="ignore"):
        gradient, hessian = stencil.derivatives(centre, values[:k])
        ahead, behind = values[k : k + m], values[k + m : k + 2 * m]
        wide = _wide_steps(stencil)
        slopes = (ahead - behind) / (2 * np.where(wide > 0, wide, np.nan))
        bends = (ahead - 2 * centre + behind) / np.where(wide > 0, wide, np.nan) ** 2
        known = np.isfinite(slopes + bends + gradient + np.diag(hessian))
    gradient[known] += (gradient[known] - slopes[known]) / 3  # (2)
    every = np.arange(m)[known]
    hessian[every, every] += (hessian[every, every] - bends[known]) / 3  # (2)
    error = parabola_error(u, centre, gradient, -hessian, (parabola_points(u, curvature), values[k + 2 * m :]))
    return measured(u, gradient, -hessian, error)


def _wide_steps(stencil: HessianStencil) -> NDArray[np.float64]:
    """Twice the steps of the stencil, zero where it is one-sided or the box ends before."""
    fits = (stencil.sided == 0) & (2 * stencil.steps <= np.minimum(stencil.u, 1.0 - stencil.u))
    return np.where(fits, 2 * stencil.steps, 0.0)


def parabola_points(u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (1), both ways for every coordinate and no further than the edge of the box, shape (2 m, m)."""
    covariance = np.linalg.inv(repaired(curvature))
    lines = covariance / np.sqrt(np.diag(covariance))
    both = np.concatenate([lines.T, -lines.T])
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(both > 0, (1.0 - u) / both, np.where(both < 0, -u / both, np.inf))
    return np.asarray(np.clip(u + room.min(axis=1, initial=1.0)[:, None] * both, 0.0, 1.0))


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
    with np.errstate(divide="ignore", invalid="ignore"):
        promised = 0.5 * np.einsum("ki,ij,kj->k", moves, matrix, moves)
        fall = centre + moves @ gradient - values
        tested = promised > _TESTED
        ratio = np.sqrt(promised[tested] / np.maximum(fall[tested], 0.0))
    if not tested.any():
        return float("nan")
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
    values = np.maximum(np.abs(values), _FLOOR * (float(np.abs(values).max()) or 1.0))
    return np.asarray(np.outer(scale, scale) * (vectors * values @ vectors.T))
