"""Second derivatives at an optimum: the stencil, the repair of what is not positive definite, and what it costs to trust.

Steps are a tenth of a standard error (from the curvature known so far), so that the parabola is measured where it
matters and rounding does not: the log-likelihood changes by 0.005 over a step.
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
        Largest relative change of a standard error when the diagonal is measured with twice the step.
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
    """Points to evaluate: the full stencil, then two more per coordinate at twice the step, shape (k, m)."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    wide = _wide_steps(stencil)
    every = np.arange(len(u))
    return np.concatenate([stencil.points, shifted(u, wide, every), shifted(u, -wide, every)])


def hessian_from(
    u: NDArray[np.float64], centre: float, curvature: NDArray[np.float64], values: NDArray[np.float64]
) -> Curvature:
    """Put the values at `hessian_points` together."""
    stencil = HessianStencil.around(u, measuring_steps(curvature))
    m, k = len(u), len(stencil.points)
    gradient, hessian = stencil.derivatives(centre, values[:k])
    wide = _wide_steps(stencil)
    with np.errstate(divide="ignore", invalid="ignore"):
        second = (values[k : k + m] - 2 * centre + values[k + m :]) / wide**2
        ratio = np.sqrt(np.abs(np.diag(hessian) / second))
    ratio = ratio[(stencil.sided == 0) & (wide > 0)]
    error = float(np.max(np.abs(ratio - 1))) if len(ratio) and np.isfinite(ratio).all() else float("nan")
    return measured(u, gradient, -hessian, error)


def _wide_steps(stencil: HessianStencil) -> NDArray[np.float64]:
    room = np.minimum(stencil.u, 1.0 - stencil.u)
    return np.minimum(2 * stencil.steps, room)


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
