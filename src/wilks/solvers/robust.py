r"""Covariance of an estimate with a robust loss.

With the loss of `core.loss`, an estimate is a zero of the sum of :math:`\psi_i J_i` with :math:`\psi_i = \rho'_i r_i`.
It is no maximum of the likelihood of its data, whose outliers nobody has modelled, so the inverse of the curvature is
not its covariance. That follows from what data of the same kind would do to the zero (Huber 1967; Huber and Ronchetti
2009, chapters 6.3 and 7.6):

.. math:: C = H^{-1} M H^{-1}                                                                                   (1)

.. math:: H = \sum_i (\rho'_i + 2 z_i \rho''_i) J_i^T J_i                                                       (2)

.. math:: M = \frac{n}{n - m} \sum_i \psi_i^2 J_i^T J_i                                                         (3)

H is the curvature as the data show it, its sum over them and not a mean times :math:`J^T J`, so that neither equal
errors nor outliers that are spread evenly are supposed. What it leaves out, :math:`\psi_i` times the second derivatives
of the residuals, has the expectation zero where the errors are symmetric. The factor of (3) is that of the m parameters
which have been fitted to n residuals. For the linear loss (1) is the covariance that does not trust the standard
deviations that the residuals were divided by (White 1980).

Outliers enter (2) with terms that are not positive, so that (2) is not the curvature that a solver steps with; and rows
that were rescaled for a solver do not tell (3). Both are taken from the residuals and their Jacobian: for data that
come in chunks, in another pass through them.

References: P. J. Huber, E. M. Ronchetti, Robust Statistics, 2nd edition, Wiley 2009; H. White, Econometrica 48 (1980)
817.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.core.loss import bend
from wilks.evaluation.squares import gather

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from wilks.core.least_squares import ResidualProblem
    from wilks.core.loss import Loss


class Sandwich(NamedTuple):
    """The two parts of (1), each of shape (m, m), in the coordinates of the Jacobian."""

    curvature: NDArray[np.float64]
    """H: minus the Hessian of the log-likelihood, not necessarily positive definite."""
    spread: NDArray[np.float64]
    """M: covariance of the gradient."""

    def covariance(self) -> NDArray[np.float64]:
        """Equation (1), where H has an inverse.

        Raises
        ------
        numpy.linalg.LinAlgError
            If it has none; `solvers.covariance.uncertainty` takes both parts, and says what is not determined.
        """
        inverse = np.linalg.inv(self.curvature)
        return np.asarray(inverse @ self.spread @ inverse)


def sandwich(residual: NDArray[np.float64], jacobian: NDArray[np.float64], loss: Loss) -> Sandwich:
    """Parts of the covariance from the residuals, shape (n,), and their Jacobian, shape (n, m), at the best point.

    Neither is rescaled by the loss.

    Examples
    --------
    >>> from wilks.core.loss import Loss
    >>> residual = np.array([0.5, -1.0, 0.3, 40.0])  # of one number that was measured four times
    >>> sandwich(residual, np.ones((4, 1)), Loss("huber")).covariance().round(3).tolist()
    [[0.347]]
    """
    sums = _Sums(loss, np.ones(jacobian.shape[1], dtype=bool))
    sums.add(residual, jacobian)
    return sums.sandwich()


def chunked_sandwich(problem: ResidualProblem, values: Mapping[str, Any]) -> Sandwich:
    """Return the same, over the continuous free parameters, from one pass through data that come in chunks.

    Raises
    ------
    InvalidProblemError
        If an answer has the wrong shape or is not finite.
    """
    return gather(problem, values, lambda: _Sums(problem.loss, problem.space.is_continuous)).sandwich()


class _Sums:
    """The sums (2) and (3) over the residuals so far, in the columns of the Jacobian that are `moved`."""

    def __init__(self, loss: Loss, moved: NDArray[np.bool_]) -> None:
        self._loss, self._moved = loss, moved
        self._n, self._m = 0, int(moved.sum())
        self._curvature, self._spread = np.zeros((2, self._m, self._m))

    def add(self, residual: NDArray[np.float64], jacobian: NDArray[np.float64]) -> None:
        jacobian = jacobian if self._moved.all() else jacobian[:, self._moved]
        parts = self._loss.at(residual)
        self._curvature += jacobian.T @ (bend(residual, parts, self._loss)[:, None] * jacobian)  # (2)
        gradients = (parts[1] * residual)[:, None] * jacobian
        self._spread += gradients.T @ gradients  # (3)
        self._n += len(residual)

    def sandwich(self) -> Sandwich:
        n, m = self._n, self._m
        return Sandwich(self._curvature, self._spread * (n / (n - m) if n > m else 1.0))
