r"""Covariance from the curvature at an optimum, without hiding what the data do not determine.

In the unit box, with B minus the Hessian over the coordinates that are not at a bound:

* scaled to unit diagonal, B = S R S; an eigenvalue of R below rounding is a flat direction;
* a direction whose standard deviation :math:`\lambda^{-1/2}` exceeds the width of the box is not determined within the
  box, and is called flat too;
* a negative eigenvalue that would matter within the box says that the point is no maximum in that direction.

Parameters that take part in such a direction have an infinite variance; the others keep the inverse of B on the
remaining directions. Coordinates at a bound that the log-likelihood pushes against are held there: an active constraint
has no variance of its own. Where moving beyond the bound would gain nothing that can be told from rounding, nothing
pushes: the end of a flat direction may happen to lie on a bound, and is none the more determined for that.
Standard errors are those of the parameters themselves, not of their logarithms: at an optimum the gradient vanishes
and :math:`C_\theta = T C_u T` with :math:`T = d\theta/du` diagonal.

A product of Jacobians :math:`B = J^T J` loses half of the digits: with a triangular factor, :math:`B = F^T F`, the
eigenvalues of R are the squares of the singular values of :math:`F S^{-1}`, and what is left of an ill-conditioned
problem is kept.

An estimate that does not maximise the likelihood of its data, such as one with a robust loss, has the covariance

.. math:: C = B^{-1} M B^{-1}                                                                                   (1)

with M the covariance of the gradient (Huber and Ronchetti 2009, Robust Statistics, 2nd edition, section 6.3): the
likelihood of the data has M = B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-9
GAUSS_NEWTON_ROUNDING = 1e-13
"""Smallest eigenvalue that can be told from zero when B is a product of Jacobians: never negative, and precise."""
FACTOR_ROUNDING = 1e-26
"""The same with a factor of B at hand."""
DIFFERENCES_ROUNDING = 1e-18
"""The same with a factor whose Jacobian is one of differences."""
_PART = 0.02
_UPWARDS = -1e-3
_BOUND = 1e-7
_PUSH = 1e-8  # gain in log-likelihood beyond a bound that is not seen for the noise of the derivatives


@dataclass(frozen=True)
class Uncertainty:
    """Covariance in the unit box, shape (m, m), with the directions that are not determined.

    Attributes
    ----------
    covariance
        NaN in the rows and columns of held coordinates, infinite variances where a flat direction enters.
    held
        Coordinates at a bound: -1 lower, +1 upper, 0 free; shape (m,).
    flat
        Flat directions, each of shape (m,).
    saddle
        Does the log-likelihood curve upwards in some direction?
    condition
        Ratio of the largest to the smallest eigenvalue of the scaled curvature.
    """

    covariance: NDArray[np.float64]
    held: NDArray[np.int8]
    flat: tuple[NDArray[np.float64], ...]
    saddle: bool
    condition: float


def active_bounds(u: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.int8]:
    """Bounds that the log-likelihood pushes against: -1 lower, +1 upper, 0 none; shape (m,)."""
    lower = (u < _BOUND) & (gradient <= 0)
    upper = (u > 1 - _BOUND) & (gradient >= 0)
    return np.where(lower, -1, np.where(upper, 1, 0)).astype(np.int8)


def uncertainty(
    u: NDArray[np.float64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    rounding: float = _ROUNDING,
    *,
    factor: NDArray[np.float64] | None = None,
    spread: NDArray[np.float64] | None = None,
) -> Uncertainty:
    """Covariance in the unit box from minus the Hessian at an optimum.

    Parameters
    ----------
    u, gradient, curvature
        Point, gradient of the log-likelihood, and minus its Hessian.
    rounding
        Eigenvalues of the scaled curvature below it belong to flat directions.
    factor
        Rows F with ``curvature = F.T @ F``, from which more digits are taken.
    spread
        Covariance of the gradient, M of (1); that of a likelihood by default.
    """
    m = len(u)
    still = np.abs(gradient) <= math.sqrt(2.0 * _PUSH) * np.sqrt(np.maximum(np.diag(curvature), 0.0))
    held = np.where(still, 0, active_bounds(u, gradient)).astype(np.int8)
    free = np.flatnonzero(held == 0)
    covariance = np.full((m, m), np.nan)
    if not len(free) or not np.isfinite(curvature[np.ix_(free, free)]).all():
        return Uncertainty(covariance, held, (), False, float("nan"))
    part = curvature[np.ix_(free, free)]
    scale = np.sqrt(np.abs(np.diag(part)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = _eigen(part, scale, None if factor is None else factor[:, free])
    # Directions in the box: columns of S^-1 vectors; their standard deviation is |direction| / sqrt(value).
    directions = vectors / scale[:, None]
    lengths = np.linalg.norm(directions, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = ~(lengths / np.sqrt(np.abs(values)) <= 1.0)
    saddle = bool(((values < _UPWARDS) & ~wide).any())
    bad = wide | (values < rounding)
    good = ~bad
    inverse = (directions[:, good] / values[good]) @ directions[:, good].T
    if spread is not None:
        inverse = inverse @ spread[np.ix_(free, free)] @ inverse  # (1)
    flat = []
    for vector in sparse_basis(vectors[:, bad].T):
        part_of = np.abs(vector) > _PART
        inverse[part_of, part_of] = np.inf
        full = np.zeros(m)
        full[free] = np.where(part_of, vector / scale, 0.0)
        flat.append(full / np.abs(full).max())
    covariance[np.ix_(free, free)] = inverse
    condition = float(values.max() / values.min()) if values.min() > 0 else float("inf")
    return Uncertainty(covariance, held, tuple(flat), saddle, condition)


def _eigen(
    matrix: NDArray[np.float64], scale: NDArray[np.float64], factor: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues and eigenvectors (columns) of the matrix scaled to unit diagonal, from its factor if there is one."""
    if factor is None:
        found = np.linalg.eigh(matrix / np.outer(scale, scale))
        return found.eigenvalues, found.eigenvectors
    rows = factor / scale
    missing = max(0, rows.shape[1] - rows.shape[0])
    rows = np.concatenate([rows, np.zeros((missing, rows.shape[1]))])
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    return singular[::-1] ** 2, right[::-1].T


def sparse_basis(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors of the same span, shape (k, m), each with zeros at the largest entries of the others.

    Eigenvectors of one eigenvalue are mixtures of directions that have nothing to do with each other.

    Examples
    --------
    >>> sparse_basis(np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])).round(12).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    rows = basis.copy()
    open_rows = list(range(len(rows)))
    while open_rows:
        largest = np.abs(rows[open_rows]).max(axis=1)
        row = open_rows.pop(int(np.argmax(largest)))
        pivot = int(np.argmax(np.abs(rows[row])))
        rows[row] /= rows[row, pivot]
        for other in range(len(rows)):
            if other != row:
                rows[other] -= rows[other, pivot] * rows[row]
    return np.asarray(rows / np.abs(rows).max(axis=1, initial=1e-300, keepdims=True))
