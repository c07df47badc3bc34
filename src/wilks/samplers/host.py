r"""What a sampler that follows gradients needs of a posterior that was not written for JAX: values with derivatives.

With z the whitened coordinates (`samplers.whitening`) and theta the parameters, the log-density of z is

.. math:: \log p(z) = \log L(\theta(z)) + h(z), \qquad
          \nabla_z \log p = \left(\frac{\partial\theta}{\partial z}\right)^T \nabla_\theta \log L + \nabla_z h     (1)

where h holds the prior and all Jacobians (`samplers.target`). The derivatives of theta and h over z are central
differences with a step of a thousandth of the posterior's width, which cost no likelihood. An error of a derivative
does no harm to the draws: a leapfrog step with any field in the place of the gradient keeps volumes and can be
reversed, and the densities that decide about its end are exact.

The gradient of a sum of squares with residuals r and their Jacobian J is -J' r; with a loss see `core.loss`, (2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import StopRun
from wilks.core.least_squares import ResidualProblem
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation.call import evaluate_chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want
    from wilks.evaluation.call import ChunkAnswer
    from wilks.samplers.course import Course
    from wilks.samplers.target import Target
    from wilks.samplers.whitening import Whitening

    Slopes = tuple[NDArray[np.float64], NDArray[np.float64]]

_STEP = 1e-3
"""Of a difference, in units of the posterior's width."""


@dataclass(frozen=True)
class Placement:
    """From whitened coordinates to parameters.

    Attributes
    ----------
    target
        The density without its likelihood.
    whitening
        From z to the coordinates of `target`.
    """

    target: Target
    whitening: Whitening

    def __call__(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Parameters, shape (n, d), and h of (1), shape (n,): minus infinity where the prior has no density."""
        x = self.whitening(z)
        return self.target.thetas(x), self.target.log_prior(x)

    def with_slopes(self, z: NDArray[np.float64]) -> Slopes:
        """Parameters and h of one point, shape (d + 1,), and their derivatives, shape (d + 1, d).

        NaN in the place of parameters where the prior has no density, so that no likelihood is called there.
        """
        d = len(z)
        nowhere = np.append(np.full(d, np.nan), -np.inf), np.zeros((d + 1, d))
        if not np.isfinite(z).all():
            return nowhere
        steps = _STEP * np.eye(d)
        thetas, log_priors = self(np.concatenate([z[None, :], z + steps, z - steps]))
        if not np.isfinite(log_priors[0]):
            return nowhere
        values = np.column_stack([thetas, log_priors])
        with np.errstate(invalid="ignore"):
            slopes = (values[1 : d + 1] - values[d + 1 :]) / (2.0 * _STEP)
        return values[0], np.where(np.isfinite(slopes), slopes, 0.0).T


class HostLikelihood:
    """Log-likelihood with its gradient, as the problem offers them; what fails has no likelihood, and is counted.

    Derivatives that are missing are central differences of the log-likelihood.

    Parameters
    ----------
    problem
        A problem that can be evaluated for `want`.
    want
        ``"gradient"`` or ``"residual"``.
    scales
        Widths of the posterior in every parameter, shape (d,).
    course
        Where evaluations are counted.

    Attributes
    ----------
    n_differences
        Points at which derivatives were missing.
    error
        Why the gradient failed, where it did first; empty if it never raised.
    """

    def __init__(self, problem: Problem, want: Want, scales: NDArray[np.float64], course: Course) -> None:
        self._problem = problem
        self._want = want
        self._scales = scales
        self._course = course
        self._ends = problem.space.from_unit(np.array([[0.0], [1.0]]).repeat(problem.space.dimension, axis=1))
        self.n_differences = 0
        self.error = ""

    def __call__(self, theta: NDArray[np.float64]) -> Slopes:
        """Value, shape (1,), and gradient, shape (1, d).

        Raises
        ------
        KeyboardInterrupt, StopRun
            If the user's function was ended by Ctrl-C, or asks for an end.
        """
        nothing = np.array([-np.inf]), np.zeros((1, len(theta)))
        if not np.isfinite(theta).all():
            return nothing
        answer = self._evaluated(theta[None, :], self._want)
        value = float(answer.log_likelihoods[0])
        payload = (answer.payloads or [None])[0]
        if answer.statuses[0] != EvaluationStatus.OK or payload is None or not np.isfinite(value):
            return nothing
        self._course.heard(value)
        if 0 in answer.errors and not self.error:
            self.error = answer.errors[0].strip().splitlines()[-1]
        gradient = payload if self._want == "gradient" else self._of_rows(payload)
        missing = np.flatnonzero(~np.isfinite(gradient))
        if len(missing):
            self.n_differences += 1
            gradient[missing] = self._differences(theta, missing)
        return np.array([value]), gradient[None, :]

    def _of_rows(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient from rows (residual | Jacobian)."""
        residual, jacobian = rows[:, 0], rows[:, 1:]
        problem = self._problem
        # All others come with the loss applied.
        if isinstance(problem, ResidualProblem) and not problem.chunked and not problem.loss.is_linear:
            residual = residual * problem.loss.at(residual)[1]
        return -(jacobian.T @ residual)

    def _differences(self, theta: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Central differences inside the bounds; zero where a neighbour has no likelihood."""
        steps = np.zeros((len(columns), len(theta)))
        steps[np.arange(len(columns)), columns] = _STEP * self._scales[columns]
        points = np.clip(np.concatenate([theta + steps, theta - steps]), self._ends.min(axis=0), self._ends.max(axis=0))
        values = self._evaluated(points, "value").log_likelihoods
        above, below = np.split(points, 2)
        rows = np.arange(len(columns))
        widths = above[rows, columns] - below[rows, columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            slopes = (values[: len(columns)] - values[len(columns) :]) / widths
        return np.where(np.isfinite(slopes), slopes, 0.0)

    def _evaluated(self, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
        answer = evaluate_chunk(self._problem, thetas, want)
        n_violated = int(np.count_nonzero(answer.statuses == EvaluationStatus.VIOLATED))
        self._course.n_violated += n_violated
        self._course.n_evaluations += len(answer) - n_violated
        self._course.n_failed += int(np.count_nonzero(answer.statuses == EvaluationStatus.FAILED))
        if answer.interrupted:
            raise KeyboardInterrupt
        if answer.stopped:
            raise StopRun
        return answer
