r"""Is the log-likelihood a parabola as far as the posterior reaches? Two points say so, where each brings a Jacobian.

With the curvature :math:`B = \sum_i \lambda_i v_i v_i^T` (of columns scaled to one size), the points

.. math:: u \pm d, \quad d = \sum_i v_i / \sqrt{\lambda_i}                                                     (1)

lie one standard error away along every principal axis at once, as far from the optimum as a draw from the posterior is.
A Jacobian there gives the curvature in all directions: were the log-likelihood a parabola, it would be B. Where the
curvature along a line goes as :math:`B (1 + c s)` with the distance s in standard errors, the parabola with B is off by
:math:`c / 6` in the standard error that its fall at s = 1 says, and the curvature there by c: that is
:math:`c / 2` in the standard error that it says. So of the change of the curvature one third is what counts, and the
values at the two points are compared as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.curvature import parabola_error, repaired

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE = 1.0 / 3.0
_SMALLEST = 1e-12


def probe_points(u: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (1), moved into the unit box, shape (2, m).

    Examples
    --------
    >>> probe_points(np.array([0.5, 0.5]), np.diag([100.0, 400.0])).round(12).tolist()
    [[0.6, 0.55], [0.4, 0.45]]
    """
    scale, values, vectors = _axes(repaired(curvature))
    signs = np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)  # an eigenvector has none of its own
    move = (vectors * (signs / np.sqrt(values))).sum(axis=1) / scale
    return np.asarray(np.clip(np.array([u + move, u - move]), 0.0, 1.0))


def probe_error(
    u: NDArray[np.float64],
    value: float,
    gradient: NDArray[np.float64],
    matrix: NDArray[np.float64],
    probes: tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.float64] | None]],
) -> float:
    """Largest relative error of the standard errors, from the points, their values and their curvatures.

    Infinite where there is no log-likelihood; NaN if the points are no distance away.
    """
    points, values, curvatures = probes
    error = parabola_error(u, value, gradient, matrix, (points, values))
    if not error < np.inf:
        return error
    scale, sizes, vectors = _axes(repaired(matrix))
    whitened = vectors / np.sqrt(sizes) / scale[:, None]
    for there in curvatures:
        if there is not None:
            ratios = np.linalg.eigvalsh(whitened.T @ there @ whitened)
            changes = np.abs(1.0 / np.sqrt(np.maximum(ratios, _SMALLEST)) - 1.0)
            error = max(error, _SHARE * float(changes.max()))
    return error


def _axes(
    matrix: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Scale of the columns, and eigenvalues and eigenvectors of the scaled matrix, which is positive definite."""
    scale = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    return scale, np.maximum(values, _SMALLEST * float(values.max())), vectors
