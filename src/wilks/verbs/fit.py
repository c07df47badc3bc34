"""The verb `fit`: the best point, how sure it is, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.core.errors import FitFailedError, InvalidConfigurationError
from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.problem import Problem
from wilks.verbs.context import Common, Context, check_discrete
from wilks.verbs.fit_checks import checked_linear, use_autodiff
from wilks.verbs.fit_errors import with_errors
from wilks.verbs.fit_methods import nothing_done, run_method, with_recovery
from wilks.verbs.fit_options import FitOptions
from wilks.verbs.fit_result import fit_result
from wilks.verbs.local_solvers import linear_names, loss_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.solvers.result import FitResult
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start


def fit(
    problem: Problem,
    *,
    start: Start = None,
    n_starts: int | None = None,
    options: FitOptions | None = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> FitResult:
    """Find the maximum of the log-likelihood in the whole box, and its uncertainties.

    Local ascents (quasi-Newton for a likelihood, Levenberg-Marquardt for residuals, both with bounds as active
    constraints) start from a Latin hypercube until another start is unlikely to find a new optimum; `options` knows
    other methods. The best optimum is polished, and its standard errors come from the second derivatives there.

    Parameters
    ----------
    problem
        A `LikelihoodProblem` or a `ResidualProblem`.
    start
        Where to start besides: an earlier result, a dictionary of values, or a list of these. The initial values of
        the space are used when nothing is given.
    n_starts
        Number of random starts; None lets the search decide when it has seen enough. 0 fits from `start` alone.
    options
        A `FitOptions`: another method than the multi-start, and what is rarely needed.
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
        If an argument cannot be used, or a parameter that was declared linear is not.
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
    settings = _settings(problem, n_starts, options)
    context = Context(problem, "fit", Common(executor, log, seed, stop, callbacks))
    check_discrete(problem, "fit")
    settings.scales(problem.space)
    given = context.starts(start)
    if (n_starts == 0 or settings.method == "local") and not len(given):
        what = "n_starts=0" if n_starts == 0 else "method='local'"
        raise InvalidConfigurationError(f"fit: {what} needs start=, or initial values in the space")
    result = _result(context, settings, n_starts, given)
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def _result(context: Context, settings: FitOptions, n_starts: int | None, given: NDArray[np.float64]) -> FitResult:
    """What comes of the points `given` and of the method's own: checks, the method, recovery, errors."""
    use_autodiff(context, given)
    context.check_gradient(given)
    ended = checked_linear(context, given)
    run = nothing_done(context, settings, ended) if ended else run_method(context, settings, n_starts, given)
    run, errors = with_errors(context, with_recovery(context, run, given))
    return fit_result(context, run, settings, errors)


def _settings(problem: object, n_starts: object, options: object) -> FitOptions:
    if n_starts is not None and (isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 0):
        raise InvalidConfigurationError(f"n_starts: expected an integer >= 0 or None, got {n_starts!r}")
    if options is not None and not isinstance(options, FitOptions):
        raise InvalidConfigurationError(f"options: expected a wilks.FitOptions, got {options!r}")
    settings = options or FitOptions()
    if n_starts is not None and settings.method not in ("multi_start", "auto"):
        raise InvalidConfigurationError(
            f"n_starts: only method='multi_start' makes random starts, got method={settings.method!r}"
        )
    if isinstance(problem, Problem):
        _check_used(problem, settings)
    return settings


def _check_used(problem: Problem, options: FitOptions) -> None:
    """Refuse options that change nothing for this kind of problem."""
    if not isinstance(problem, LeastSquaresProblem):
        for name, is_default in (("x_scale", not options.x_scale), ("sigma_known", options.sigma_known)):
            if not is_default:
                raise InvalidConfigurationError(
                    f"{name}: only problems with residuals use it, got a {type(problem).__name__}; leave it out"
                )
    if options.projection != "kaufman" and not linear_names(problem):
        loss = loss_of(problem)
        why = "the problem declares none" if loss.is_linear else f"the loss {loss.name!r} allows none"
        raise InvalidConfigurationError(
            f"projection: {options.projection!r} is for linear parameters that are solved for; {why}; leave it out"
        )
