"""Errors of a fit: from the second derivatives of the search, or from one more look at the residuals.

The multi-start measures the curvature :math:`J^T J`, which is enough, but for two cases. Where its condition number
says that the half of the digits of J that it loses are missed, the factor of J is taken, which has them. And an
estimate with another loss than the linear one has another covariance (`wilks.solvers.robust`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import StopRun
from wilks.core.least_squares import LeastSquaresProblem, ResidualProblem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.evaluation.answers import attempt
from wilks.solvers.covariance import (
    DIFFERENCES_ROUNDING,
    FACTOR_ROUNDING,
    GAUSS_NEWTON_ROUNDING,
    Uncertainty,
    uncertainty,
)
from wilks.solvers.residual_pass import ResidualPass, ResidualPassState
from wilks.solvers.robust import chunked_sandwich
from wilks.verbs.fit_methods import FitRun, best_basin
from wilks.verbs.local_solvers import loss_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.searchers.basins import BasinRecord
    from wilks.verbs.context import Context

    Parts = tuple[NDArray[np.float64], NDArray[np.float64]]

_ILL_CONDITIONED = 1e9


def with_errors(context: Context, run: FitRun) -> tuple[FitRun, Uncertainty | None]:
    """The run, and the covariance of its best point in the unit box; None where no second derivatives were measured.

    A run that was ended from outside during this ends so, without errors.
    """
    best, columns = best_basin(run.state), run.state.columns
    if best is None or best.measured is None:
        return run, None
    u, gradient = best.u[columns], best.gradient
    if not isinstance(context.problem, LeastSquaresProblem):
        return run, uncertainty(u, gradient, best.measured)
    coarse = uncertainty(u, gradient, best.measured, GAUSS_NEWTON_ROUNDING)
    if not len(columns):
        return run, coarse
    loss = loss_of(context.problem)
    if loss.is_linear and not coarse.condition > _ILL_CONDITIONED:
        return run, coarse
    if not loss.is_linear and isinstance(context.problem, ResidualProblem) and context.problem.chunked:
        return _from_chunks(context, run, best)
    algorithm = ResidualPass(tuple(np.diag(best.curvature).tolist()), loss)
    outcomes = context.run(algorithm, f"fit of {context.problem.name}: errors", best.u[None, :], best.u)
    state: ResidualPassState = outcomes.state
    n = outcomes.run.n_evaluations
    if outcomes.status.outcome is not Outcome.CONVERGED:
        context.steps.append(Step("errors", "ended before they were known", n))
        return replace(run, outcomes=replace(run.outcomes, status=outcomes.status)), None
    if state.factor is None:
        context.steps.append(Step("errors", "the residuals next to the best point are not all defined", n))
        return run, coarse if loss.is_linear else None
    if state.parts is not None:
        context.steps.append(Step("errors", _of_loss(loss.name), n))
        return run, _of_parts(best, columns, state.parts)
    context.steps.append(Step("errors", "from the factor of the Jacobian, since its product loses too many digits", n))
    rounding = DIFFERENCES_ROUNDING if state.by_differences else FACTOR_ROUNDING
    return run, uncertainty(u, gradient, state.factor.T @ state.factor, rounding, factor=state.factor)


def _from_chunks(context: Context, run: FitRun, best: BasinRecord) -> tuple[FitRun, Uncertainty | None]:
    """Errors from another pass through data that come in chunks."""
    problem, columns = context.problem, run.state.columns
    assert isinstance(problem, ResidualProblem)  # noqa: S101 - the caller has looked
    theta = problem.space.from_unit(best.u)
    try:
        found, failure = attempt(chunked_sandwich, problem, problem.space.to_values(theta))
    except (KeyboardInterrupt, StopRun) as ended:
        outcome = Outcome.STOPPED_BY_CALLBACK if isinstance(ended, StopRun) else Outcome.INTERRUPTED
        context.steps.append(Step("errors", "ended before they were known"))
        return replace(run, outcomes=replace(run.outcomes, status=Status(outcome))), None
    if failure:
        context.steps.append(Step("errors", f"not known: the residual failed, {failure}"))
        return run, None
    units = np.outer(*[problem.space.slope(theta)[columns]] * 2)
    context.steps.append(Step("errors", f"{_of_loss(problem.loss.name)}, in another pass through the chunks"))
    return run, _of_parts(best, columns, (found.curvature * units, found.spread * units))


def _of_parts(best: BasinRecord, columns: NDArray[np.int64], parts: Parts) -> Uncertainty:
    """Covariance from curvature and spread; the first leaves terms out, so its sign proves no saddle."""
    found = uncertainty(best.u[columns], best.gradient, parts[0], GAUSS_NEWTON_ROUNDING, spread=parts[1])
    return replace(found, saddle=False)


def _of_loss(name: str) -> str:
    return f"those of an estimate with the loss {name!r}, whatever the distribution of the residuals"
