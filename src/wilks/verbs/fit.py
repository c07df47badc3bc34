"""The verb `fit`: the best point, how sure it is, and what is wrong with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import FitFailedError, InvalidConfigurationError
from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.problem import LikelihoodProblem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.searchers.basins import BasinRecord
from wilks.searchers.multistart import MultiStart, MultiStartState
from wilks.solvers.covariance import GAUSS_NEWTON_ROUNDING, Uncertainty, uncertainty
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.solvers.result import Basin, FitResult, Quality
from wilks.verbs.context import Common, Context, check_discrete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.problem import Problem
    from wilks.loop.drive import Callback, Outcomes
    from wilks.loop.stopping import StoppingRule
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start

_LOCAL_TOLERANCE = 1e-3
_POLISH_TOLERANCE = 1e-9
_RESIDUAL_TOLERANCE = 1e-15  # rounding sets the limit
_CURVATURE_TRUST = 0.1
_UNDISCOVERED = 0.05


def fit(
    problem: Problem,
    *,
    start: Start = None,
    n_starts: int | None = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> FitResult:
    """Find the maximum of the log-likelihood in the whole box, and its uncertainties.

    Local ascents (quasi-Newton for a likelihood, Levenberg-Marquardt for residuals, both with bounds as active
    constraints) start from a Latin hypercube until another start is unlikely to find a new optimum. The best optimum
    is polished, and its standard errors come from the second derivatives measured there.

    Parameters
    ----------
    problem
        A `LikelihoodProblem` or a `ResidualProblem`.
    start
        Where to start besides: an earlier result, a dictionary of values, or a list of these. The initial values of
        the space are used when nothing is given.
    n_starts
        Number of random starts; None lets the search decide when it has seen enough. 0 fits from `start` alone.
    executor
        ``wilks.SerialExecutor()`` (the default), ``wilks.ProcessExecutor(n)``, ``wilks.MPIExecutor()`` or any
        ``concurrent.futures`` executor.
    log
        Where evaluations are kept, in memory or in a file; the best points in it are starts too. With a file, a fit
        that was interrupted goes on when it is called again with the same `seed`.
    seed
        Seed of the random starts; drawn and recorded when None.
    stop
        Stopping rules, for example ``wilks.MaxEvaluations(1000)``.
    callbacks
        Called with the course of the run; a progress line in terminals by default.
    throw
        Raise `FitFailedError` instead of returning a result whose ``status.success`` is False.

    Returns
    -------
    FitResult
        With standard errors, covariance, parameters at bounds, flat directions and all basins.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used.
    EvaluationError
        If every evaluation fails; it shows the first traceback.
    FitFailedError
        With ``throw=True``, if the fit did not converge.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - 1) ** 2 / 0.04))
    >>> result = wilks.fit(problem, seed=1)
    >>> {name: round(error, 4) for name, error in result.standard_errors.items()}
    {'a': 1.0, 'b': 0.2}
    """
    _check_n_starts(n_starts)
    context = Context(problem, "fit", Common(executor, log, seed, stop, callbacks))
    check_discrete(problem, "fit")
    local, polisher = local_solvers(problem)
    algorithm = MultiStart(local, polisher, n_starts=n_starts)
    given = context.starts(start)
    if n_starts == 0 and not len(given):
        raise InvalidConfigurationError("fit: n_starts=0 needs start=, or initial values in the space")
    context.check_gradient(given)
    outcomes = context.run(algorithm, f"fit of {problem.name}", context.with_logged(given, 1), given)
    describe_global_stage(context, algorithm, outcomes)
    result = _result(context, algorithm, outcomes)
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def local_solvers(problem: Problem) -> tuple[LocalSolver, LocalSolver]:
    """Return the solver of the ascents and the one of the polish that fit the kind of problem."""
    if isinstance(problem, LeastSquaresProblem):
        return LevenbergMarquardt(_LOCAL_TOLERANCE), LevenbergMarquardt(_RESIDUAL_TOLERANCE, 1000, accurate=True)
    use_gradient = isinstance(problem, LikelihoodProblem) and problem.gradient is not None
    return QuasiNewton(_LOCAL_TOLERANCE, 200, use_gradient), QuasiNewton(_POLISH_TOLERANCE, 400, use_gradient)


def describe_global_stage(context: Context, algorithm: MultiStart, outcomes: Outcomes) -> None:
    """Record what the multi-start did."""
    state: MultiStartState = outcomes.state
    given = f"{len(state.given)} given, " if len(state.given) else ""
    detail = (
        f"{algorithm.local.name}; {state.n_started} starts ({given}the others from Latin hypercubes), "
        f"{state.n_aborted} ended early in a known basin, {len(state.basins)} basins"
    )
    context.steps.append(Step("multi-start", detail, outcomes.run.n_evaluations))
    context.stats.update(n_starts=state.n_started, n_basins=len(state.basins))


def _check_n_starts(n_starts: object) -> None:
    if n_starts is not None and (isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 0):
        raise InvalidConfigurationError(f"n_starts: expected an integer >= 0 or None, got {n_starts!r}")


def best_basin(state: MultiStartState) -> BasinRecord | None:
    """Return the best optimum, or, of a run that was stopped early, the best point of an ascent under way."""
    under_way = [job for job in state.jobs.values() if job.ascent is not None and math.isfinite(job.ascent.value)]
    best = state.basins[0] if state.basins else None
    for job in under_way:
        if best is None or job.ascent.value > best.value:
            u = job.base.copy()
            u[state.columns] = job.ascent.u
            ascent = job.ascent
            best = BasinRecord(u, ascent.value, ascent.curvature, ascent.gradient, 1, False, "it was interrupted")
    return best


def _result(context: Context, algorithm: MultiStart, outcomes: Outcomes) -> FitResult:
    state: MultiStartState = outcomes.state
    space, names = context.problem.space, context.problem.space.free
    best = best_basin(state)
    sigma = np.full((len(names), len(names)), np.nan)
    quality, at_bounds = Quality(math.nan, math.nan), {}
    values: dict[str, Any] = {}
    if best is not None:
        theta = space.from_unit(best.u)
        values = space.to_values(theta)
        if best.measured is not None:
            rounding = (GAUSS_NEWTON_ROUNDING,) if isinstance(context.problem, LeastSquaresProblem) else ()
            found = uncertainty(best.u[state.columns], best.gradient, best.measured, *rounding)
            slopes = space.slope(theta)[state.columns]
            with np.errstate(invalid="ignore"):
                sigma[np.ix_(state.columns, state.columns)] = found.covariance * np.outer(slopes, slopes)
            free_names = [names[column] for column in state.columns]
            at_bounds = {n: "lower" if h < 0 else "upper" for n, h in zip(free_names, found.held, strict=True) if h}
            quality = _quality(algorithm, state, best, found, slopes)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(sigma))
    chi_squared = dof = None
    if isinstance(context.problem, LeastSquaresProblem) and best is not None:
        chi_squared = -2.0 * best.value
        dof = context.problem.n_data(values) - (len(names) - len(at_bounds))
    return FitResult(
        space=space,
        status=_status(outcomes.status, quality),
        best=values,
        log_likelihood=best.value if best is not None else -math.inf,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        names=names,
        standard_errors=dict(zip(names, errors.tolist(), strict=True)),
        covariance=sigma,
        quality=quality,
        at_bounds=at_bounds,
        basins=tuple(Basin(space.to_values(space.from_unit(b.u)), b.value, b.n_hits) for b in state.basins),
        chi_squared=chi_squared,
        dof=dof,
    )


def _status(status: Status, quality: Quality) -> Status:
    if status.outcome is Outcome.CONVERGED and any("no maximum" in warning for warning in quality.warnings):
        return Status(Outcome.NOT_CONVERGED, " ".join(quality.warnings))
    return status


def _quality(
    algorithm: MultiStart,
    state: MultiStartState,
    best: BasinRecord,
    found: Uncertainty,
    slopes: NDArray[np.float64],
) -> Quality:
    names = [state.space.free[column] for column in state.columns]
    flat = []
    for direction in found.flat:
        scaled = direction * slopes
        weights = scaled / np.abs(scaled).max()
        flat.append({n: round(float(w), 6) for n, w in zip(names, weights, strict=True) if w})
    undiscovered = algorithm.undiscovered(state)
    warnings = [
        f"{name} is at its {'lower' if side < 0 else 'upper'} bound: it is held there in the errors of the others."
        for name, side in zip(names, found.held, strict=True)
        if side
    ]
    warnings += [f"The likelihood does not determine {' and '.join(d)} within the box: flat direction." for d in flat]
    if math.isnan(found.condition) and not found.held.all():
        warnings.append("The likelihood ends next to the best point: it has no derivatives there, and no errors.")
    if found.saddle:
        warnings.append("The log-likelihood still rises to both sides in some direction: this is no maximum.")
    if best.curvature_error > _CURVATURE_TRUST:
        off = f"is not parabolic (the errors are off by {100 * best.curvature_error:.0f} %)"
        how = "ends or does not fall" if math.isinf(best.curvature_error) else off
        warnings.append(
            f"Within one standard error of the best point the log-likelihood {how}: use intervals from wilks.profile."
        )
    if algorithm.n_starts == 0:
        warnings.append("Only the given starts were used: there may be a better optimum elsewhere.")
    elif undiscovered > _UNDISCOVERED:
        warnings.append(
            f"Another start would find a new optimum with probability {undiscovered:.2f} (estimated): "
            "the global maximum is not certain; raise n_starts."
        )
    return Quality(
        remaining_gain=best.promise,
        condition_number=found.condition,
        flat_directions=tuple(flat),
        curvature_error=best.curvature_error,
        undiscovered=undiscovered,
        warnings=tuple(warnings),
    )
