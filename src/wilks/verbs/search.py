"""The verb `search`: where the good regions are, without gradients, on any kind of parameter."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, SearchFailedError
from wilks.core.problem import Problem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.loop.stopping import MaxEvaluations, as_rules
from wilks.searchers.portfolio.algorithm import Portfolio
from wilks.searchers.result import SearchResult
from wilks.searchers.searcher import Searcher
from wilks.searchers.tempering.algorithm import ParallelTempering
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.verbs.context import Common, Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.loop.drive import Callback, Outcomes
    from wilks.loop.stopping import StoppingRule
    from wilks.searchers.state import Findings, SearchState
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start

_SOLVER = QuasiNewton(1e-12, 200, step=1e-8)  # it sees the log-likelihood in units of a millionth of its first spread
_DEFAULT_EVALUATIONS, _DEFAULT_PER_PARAMETER = 1000, 200


def search(
    problem: Problem,
    algorithm: Searcher | None = None,
    *,
    n_evaluations: int | None = None,
    start: Start = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> SearchResult:
    """Look for the highest log-likelihood in the whole space, without gradients.

    Works on every kind of parameter and on likelihoods with many maxima. Points that violate a constraint are never
    evaluated and do not count.

    Parameters
    ----------
    problem
        A `LikelihoodProblem` or a `ResidualProblem`.
    algorithm
        How to search; a portfolio of methods that share what they find by default. See "How to choose".
    n_evaluations
        Number of evaluations; schedules stretch over it. None: 1000 and 200 per free parameter, or, when `stop` is
        given, until a rule ends the search.
    start
        Points to evaluate first: an earlier result, a dictionary of values, or a list of these. The initial values of
        the space are used when nothing is given.
    executor
        ``SerialExecutor()`` (the default), ``ProcessExecutor(n)`` or ``MPIExecutor()`` of wilks, or as for `wilks.fit`.
        The result does not depend on the number of workers.
    log
        Where evaluations are kept, in memory or in a file; the best point in it is tried first. With a file, a search
        that was interrupted goes on when it is called again with the same `seed`; one that had ended goes on when it
        is called with more `n_evaluations`.
    seed
        Seed of the random numbers; drawn and recorded when None.
    stop
        Stopping rules, for example ``wilks.TargetLogLikelihood(-0.01)``.
    callbacks
        Called with the course of the run; a progress line in terminals by default.
    throw
        Raise `SearchFailedError` instead of returning a result whose ``status.success`` is False.

    Returns
    -------
    SearchResult
        The best point, its history and the diagnostics of the algorithm.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used.
    EvaluationError
        If every evaluation fails; it shows the first traceback.
    SearchFailedError
        With ``throw=True``, if the search did not end as it should.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-5, 5), n=wilks.Integer(0, 9), kind=wilks.Categorical(["a", "b"]))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["n"] - 3) ** 2 - (v["kind"] == "a"))
    >>> result = wilks.search(problem, n_evaluations=300, seed=1)
    >>> result.best["n"], result.best["kind"], round(result.best["x"], 3)
    (3, 'b', 1.0)
    """
    budget = _budget(n_evaluations, problem, stop)
    rules = [*as_rules(stop), *([MaxEvaluations(budget)] if budget else [])]
    context = Context(problem, "search", Common(executor, log, seed, rules, callbacks))
    chosen = _prepared(Portfolio() if algorithm is None else algorithm, budget)
    given = context.starts(start)
    starts = given if len(given) else context.with_logged(given, 1)
    outcomes = context.run(chosen, f"search of {problem.name} by {type(chosen).__name__}", starts, given)
    result = _result(context, chosen, outcomes, budget)
    if throw and not result.status.success:
        raise SearchFailedError(result)
    return result


def _budget(n_evaluations: object, problem: Problem, stop: object) -> int | None:
    if n_evaluations is None:
        if not isinstance(problem, Problem):
            return None  # it is refused with the other keywords
        return None if stop is not None else _DEFAULT_EVALUATIONS + _DEFAULT_PER_PARAMETER * problem.space.dimension
    if isinstance(n_evaluations, bool) or not isinstance(n_evaluations, (int, np.integer)) or n_evaluations < 1:
        raise InvalidConfigurationError(f"n_evaluations: expected a positive integer or None, got {n_evaluations!r}")
    return int(n_evaluations)


def _prepared(algorithm: object, budget: int | None) -> Searcher:
    """Return the algorithm with what only the verb knows: the budget, and the local solver."""
    if not isinstance(algorithm, Searcher):
        raise InvalidConfigurationError(
            f"search: expected an algorithm such as wilks.ParallelTempering(), got {algorithm!r}"
        )
    more: dict[str, Any] = {"solver": _SOLVER} if getattr(algorithm, "solver", _SOLVER) is None else {}
    return dataclasses.replace(algorithm, budget=budget, **more)


def _result(context: Context, algorithm: Searcher, outcomes: Outcomes, budget: int | None) -> SearchResult:
    state: SearchState = outcomes.state
    space = context.problem.space
    best: dict[str, Any] = {}
    if state.best is not None:
        best = space.to_values(state.coordinates.thetas([state.best])[0])
    findings = algorithm.findings(state)
    status = _status(outcomes, budget, found=bool(best))
    if isinstance(algorithm, ParallelTempering) and algorithm.sampling:
        status = _of_sampling(status, findings)
    context.steps.append(Step(type(algorithm).__name__, algorithm.text, outcomes.run.n_evaluations))
    return SearchResult(
        space=space,
        status=status,
        best=best,
        log_likelihood=0.0 - state.best_loss,  # no minus before a zero
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        algorithm=algorithm.text,
        history=np.array(outcomes.run.history, dtype=float).reshape(-1, 2),
        details=findings.details,
        stage=context.stage_key,
        tempering=findings.tempering,
        sample=findings.sample,
    )


def _status(outcomes: Outcomes, budget: int | None, *, found: bool) -> Status:
    status, run = outcomes.status, outcomes.run
    if not found and status.success | (status.outcome is Outcome.EVALUATION_LIMIT):
        return Status(Outcome.NOT_CONVERGED, f"None of {run.n_evaluations} points has a finite log-likelihood.")
    if status.outcome is Outcome.EVALUATION_LIMIT and budget is not None and run.n_evaluations >= budget:
        return Status(Outcome.BUDGET_SPENT, f"The best was found at evaluation {_last_rise(outcomes)}.")
    return status


def _of_sampling(status: Status, findings: Findings) -> Status:
    """A sampler that has not begun to sample has not succeeded, whatever its best point is."""
    note = str(findings.details.get("sampling", ""))
    if status.outcome is Outcome.BUDGET_SPENT:
        return Status(status.outcome if findings.sample else Outcome.NOT_CONVERGED, note)
    if findings.sample is None and status.success:
        return Status(Outcome.NOT_CONVERGED, f"{status.message} No draws: the burn-in was not over.")
    return status


def _last_rise(outcomes: Outcomes) -> int:
    return outcomes.run.history[-1][0] if outcomes.run.history else 0
