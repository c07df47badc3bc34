"""Curvature at an optimum from residuals: the product of their Jacobians, and how far it tells the errors.

Where every answer holds a Jacobian, two points test the parabola (`solvers.curvature_probe`); otherwise the Jacobian is
one of three-point differences, and the parabola is tested along the line of every parameter (`solvers.curvature`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.curvature import Curvature, measured, parabola_error, parabola_points
from wilks.solvers.curvature_probe import probe_error, probe_points
from wilks.solvers.jacobian import offset_points, three_point_jacobian, three_point_offsets
from wilks.solvers.linear_model import LinearModel, factor_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.loss import Loss

    Array = NDArray[np.float64]


def residual_curvature_points(u: Array, curvature: Array, *, given: bool) -> Array:
    """The centre, and what tests the parabola; the points of a three-point Jacobian unless Jacobians are given."""
    if given:
        return np.concatenate([u[None, :], probe_points(u, curvature)]) if len(u) else u[None, :]
    stencil = offset_points(u, *three_point_offsets(u, curvature))
    return np.concatenate([u[None, :], stencil, parabola_points(u, curvature)])


def residual_curvature(
    at: tuple[Array, float, Array], values: Array, answers: list[Array | None], loss: Loss, *, given: bool
) -> Curvature:
    """Gauss-Newton curvature, and the error of the standard errors that it says.

    Parameters
    ----------
    at
        The point, its log-likelihood, and the curvature that the points were made with.
    values, answers
        Log-likelihoods and rows (r | J), or r alone, at the `residual_curvature_points`.
    loss
        Loss that the rows come without.
    given
        Does every answer hold a Jacobian?
    """
    u, value, curvature = at
    m = len(u)
    rows = answers[0]
    if rows is None or (given and rows.shape[1] == 1):
        return measured(u, np.zeros(m), curvature, math.nan)
    if rows.shape[1] == 1:
        residuals = [None if answer is None else answer[:, 0] for answer in answers[1 : 2 * m + 1]]
        jacobian = three_point_jacobian(rows[:, 0], three_point_offsets(u, curvature), residuals)
        if np.isnan(jacobian).any():
            return measured(u, np.zeros(m), curvature, math.nan)
        rows = np.column_stack([rows, jacobian])
    model = LinearModel(factor_of(rows, loss))
    gradient, matrix = model.gradient, model.curvature
    if given:
        found = [None if answer is None else LinearModel(factor_of(answer, loss)).curvature for answer in answers[1:]]
        error = probe_error(u, value, gradient, matrix, (probe_points(u, curvature), values[1:], found))
    else:
        error = parabola_error(u, value, gradient, matrix, (parabola_points(u, curvature), values[2 * m + 1 :]))
    return measured(u, gradient, matrix, error)
