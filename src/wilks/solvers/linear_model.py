r"""The linearised least-squares problem at a point, kept as a triangular factor, and its damped steps within bounds.

Of the residual r and the Jacobian J, shape (n, m), a step needs no more than the factor of

.. math:: (J \; r) = Q \, (T \; q)                                                                             (1)

with at most m + 1 rows. The step solves

.. math:: \min_p |q + T p|^2 + |W p|^2, \quad l \le p \le u                                                    (2)

with weights W on the diagonal, by an orthogonal factorisation of the stacked matrix. Normal equations would square the
condition number: at 1e8 nothing would be left. Columns are brought to one size first, so that what is small in its
units is not taken for what is small in rank; a direction that is missing in rank gets the shortest step, none.

The gain :math:`-(Tp)^T q - |Tp|^2 / 2` that a step promises is computed as such: as a difference of two sums of squares
it would be rounding alone near the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.loss import Loss, rescaled
from wilks.core.tsqr import RowFactor
from wilks.solvers.box_step import active_set_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANK = 1e-13


def triangle_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Triangular factor of the rows (J | r), shape (k, m + 1) with k <= m + 1."""
    factor = RowFactor(rows.shape[1])
    factor.add(rows)
    return factor.rows()


def factor_of(rows: NDArray[np.float64], loss: Loss) -> NDArray[np.float64]:
    """Return rows (J | r), at most m + 1, with the products of rows (r | J), or of what a loss makes of them."""
    if not loss.is_linear:
        residual, jacobian = rescaled(rows[:, 0], rows[:, 1:], loss)
        rows = np.column_stack([residual, jacobian])
    return np.roll(triangle_of(rows), -1, axis=1)


@dataclass(frozen=True)
class LinearModel:
    """The least-squares problem (1) with its m parameters.

    Parameters
    ----------
    triangle
        (T | q) of equation (1), or any rows with the same sums of squares and products, shape (k, m + 1).

    Examples
    --------
    >>> model = LinearModel(np.array([[2.0, 0.0, -2.0], [0.0, 1.0, -3.0]]))
    >>> step = model.step(np.zeros(2), np.full(2, -2.0), np.full(2, 2.0))
    >>> step.round(12).tolist(), round(model.gain(step), 12)
    ([1.0, 2.0], 6.0)
    """

    triangle: NDArray[np.float64]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """T, shape (k, m)."""
        return self.triangle[:, :-1]

    @property
    def right(self) -> NDArray[np.float64]:
        """q, shape (k,)."""
        return self.triangle[:, -1]

    @property
    def gradient(self) -> NDArray[np.float64]:
        """Gradient of the log-likelihood, minus J'r."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(-self.matrix.T @ self.right)

    @property
    def curvature(self) -> NDArray[np.float64]:
        """J'J: minus the Hessian, as Gauss and Newton have it."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.matrix.T @ self.matrix)

    @property
    def norms(self) -> NDArray[np.float64]:
        """Norms of the columns of J, shape (m,)."""
        with np.errstate(over="ignore"):
            return np.asarray(np.linalg.norm(self.matrix, axis=0))

    def gain(self, step: NDArray[np.float64]) -> float:
        """Gain in log-likelihood that a step promises."""
        change = self.matrix @ step
        return -float(change @ self.right + 0.5 * change @ change)

    def step(
        self, weights: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Solve (2)."""
        damped = weights > 0
        extra = np.diag(weights)[damped]
        stacked = np.concatenate([self.matrix, extra])
        target = np.concatenate([-self.right, np.zeros(len(extra))])
        with np.errstate(over="ignore"):  # an infinite size leaves a direction out
            sizes = np.linalg.norm(stacked, axis=0)
        sizes = np.where(sizes > 0, sizes, 1.0)

        def maximise(free: NDArray[np.bool_], step: NDArray[np.float64]) -> NDArray[np.float64]:
            # What is solved for is the move from `step`, so that a direction missing in rank stays where it is.
            left, right = stacked[:, free] / sizes[free], target - stacked @ step
            return np.asarray(step[free] + np.linalg.lstsq(left, right, rcond=_RANK)[0] / sizes[free])

        return active_set_step(self.gradient, maximise, lambda p: stacked.T @ (target - stacked @ p), lower, upper)[0]
