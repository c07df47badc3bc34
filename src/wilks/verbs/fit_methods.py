"""The methods of a fit: what is run one after the other, and what becomes of a fit that fails.

Every method ends in the same multi-start of local ascents; they differ in where it starts. Each stage is driven by
`Context.run`, so each goes on from the log where it was, and gives the same answer for any number of workers. Points
that the log already knows enter the first stage, whose checkpoint keeps them: what comes later depends on nothing that
was logged meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.loop.checkpoint import RunState
from wilks.loop.drive import Outcomes
from wilks.searchers.basins import BasinRecord
from wilks.searchers.cma_es import CmaEs
from wilks.searchers.cma_runs import CmaEsRuns, CmaEsRunsState
from wilks.searchers.multistart import MultiStart, MultiStartState
from wilks.searchers.refinement import Refinement
from wilks.searchers.screening import Screening, ScreeningState, best_apart
from wilks.solvers.damped import Damped
from wilks.verbs.fit_options import SCALE_RATIO, FitOptions, scale_ratio
from wilks.verbs.local_solvers import has_jacobian, local_solvers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm, LocalSolver
    from wilks.core.problem import Problem
    from wilks.verbs.context import Context

    Points = NDArray[np.float64]

_KEY = 40
_PERTURBATION = 0.05  # of the box
_DAMPING = (0.1, 10.0, 1000.0)
_ABANDONED = "the fit ended before an ascent"


@dataclass(frozen=True)
class FitRun:
    """What a fit did.

    Attributes
    ----------
    method
        The method that was executed, never ``"auto"``.
    search
        The multi-start at its end.
    outcomes
        What that left behind.
    given_only
        Did it look nowhere else than around the given starts?
    """

    method: str
    search: MultiStart
    outcomes: Outcomes
    given_only: bool = False

    @property
    def state(self) -> MultiStartState:
        """State of the multi-start."""
        state: MultiStartState = self.outcomes.state
        return state

    @property
    def value(self) -> float:
        """Best log-likelihood."""
        best = best_basin(self.state)
        return -math.inf if best is None else best.value


def run_method(context: Context, options: FitOptions, n_starts: int | None, given: Points) -> FitRun:
    """Execute a method, from `given` points of the unit box and from its own."""
    method = _chosen(context, options)
    local, polisher = local_solvers(context.problem, options)
    title = f"fit of {context.problem.name}"
    starts = context.with_logged(given, 1)
    if method in ("multi_start", "local"):
        n_starts = 0 if method == "local" else n_starts
        with_jacobian = isinstance(context.problem, LeastSquaresProblem) and has_jacobian(context.problem)
        if n_starts == 0 and with_jacobian:  # one ascent to the end, where no step of it needs differences
            local = polisher
        search = MultiStart(local, polisher, n_starts=n_starts)
        outcomes = context.run(search, title, starts, given)
        describe_global_stage(context, search, outcomes)
        return FitRun(method, search, outcomes, given_only=search.n_starts == 0)
    if method == "screening":
        chosen = _screened(context, options, starts, given)
    else:
        chosen = _evolved(context, options, starts, given)
    search = MultiStart(local, polisher, n_starts=len(chosen.points))
    if chosen.ended is not None:
        return FitRun(method, search, _abandoned(context, search, chosen, chosen.ended))
    points = np.concatenate([given, chosen.points])
    algorithm = Refinement(search, len(given))
    outcomes = context.run(algorithm, f"{title}: refinement", points, points)
    _describe_refinement(context, search, outcomes)
    return FitRun(method, search, outcomes)


def _chosen(context: Context, options: FitOptions) -> str:
    if options.method != "auto":
        return options.method
    ratio = scale_ratio(context.problem.space)
    method = "cma_es" if ratio > SCALE_RATIO else "multi_start"
    relation = "more" if ratio > SCALE_RATIO else "no more"
    detail = f"{method}: the bounds differ in width by a factor of {ratio:.4g}, {relation} than {SCALE_RATIO:g}"
    context.steps.append(Step("choice of the method", detail))
    return method


@dataclass(frozen=True)
class _Chosen:
    """Points to refine, with the best one seen, and how the stage that chose them was ended, if it was from outside."""

    points: Points
    best: Points
    value: float
    ended: Status | None


def _screened(context: Context, options: FitOptions, starts: Points, given: Points) -> _Chosen:
    """Evaluate a design and choose the best points that lie apart; points of the log compete with them."""
    algorithm = Screening(options.design, options.n_screened)
    outcomes = context.run(algorithm, f"fit of {context.problem.name}: screening", starts, given)
    state: ScreeningState = outcomes.state
    values = np.where(np.isfinite(state.values), state.values, -np.inf)
    own = np.arange(len(values)) >= len(given)
    kept = best_apart(state.points[own], values[own], options.n_refined)
    design = options.design.replace("_", " ")
    detail = f"{state.n_screened} points of a {design} design, the best {len(kept)} of them that lie apart go on"
    context.steps.append(Step("screening", detail, outcomes.run.n_evaluations))
    context.stats["n_screened"] = state.n_screened
    at = int(np.argmax(values)) if len(values) else -1
    best, value = (state.points[at], float(values[at])) if at >= 0 else (np.empty(0), -math.inf)
    return _Chosen(state.points[own][kept], best, value, _ended(algorithm, outcomes))


def _evolved(context: Context, options: FitOptions, starts: Points, given: Points) -> _Chosen:
    """Run CMA-ES, and choose the best point of every run."""
    algorithm = CmaEsRuns(CmaEs(), options.n_restarts)
    outcomes = context.run(algorithm, f"fit of {context.problem.name}: CMA-ES", starts, given)
    state: CmaEsRunsState = outcomes.state
    space = context.problem.space
    order = [i for i in np.argsort([-value for value in state.values], kind="stable") if math.isfinite(state.values[i])]
    points = np.array([space.to_unit(state.thetas[i]) for i in order]).reshape(-1, space.dimension)
    limit = len(state.values) <= options.n_restarts and outcomes.status.outcome is Outcome.CONVERGED
    cut = f" of {1 + options.n_restarts}, up to the limit on their points," if limit else ""
    detail = f"{len(state.values)} runs{cut} with BIPOP restarts, the best point of each goes on"
    context.steps.append(Step("CMA-ES", detail, outcomes.run.n_evaluations))
    best, value = (points[0], state.values[order[0]]) if order else (np.empty(0), -math.inf)
    return _Chosen(points, best, value, _ended(algorithm, outcomes))


def _ended(algorithm: Algorithm[Any], outcomes: Outcomes) -> Status | None:
    """The status, unless the algorithm ended by itself."""
    return None if algorithm.terminate(outcomes.state) is not None else outcomes.status


def nothing_done(context: Context, options: FitOptions, ended: Status) -> FitRun:
    """What a fit is left with that ended before it began."""
    search = MultiStart(*local_solvers(context.problem, options), n_starts=0)
    nothing = np.empty((0, context.problem.space.dimension))
    chosen = _Chosen(nothing, nothing, -math.inf, ended)
    return FitRun(options.method, search, _abandoned(context, search, chosen, ended))


def _abandoned(context: Context, search: MultiStart, chosen: _Chosen, ended: Status) -> Outcomes:
    """What a fit is left with that ended before its ascents: the best point seen, as an optimum that is none."""
    space = context.problem.space
    state = search.init(space, context.seed, np.empty((0, space.dimension)))
    if math.isfinite(chosen.value):
        m = len(state.columns)
        state.basins = [BasinRecord(chosen.best, chosen.value, np.eye(m), np.full(m, np.nan), 0, False, _ABANDONED)]
    return Outcomes(state, ended, RunState(state), 0.0, 0)


def describe_global_stage(context: Context, search: MultiStart, outcomes: Outcomes) -> None:
    """Record what a multi-start did."""
    state: MultiStartState = outcomes.state
    given = f"{len(state.given)} given, " if len(state.given) else ""
    detail = (
        f"{search.local.name}; {state.n_started} starts ({given}the others from Latin hypercubes), "
        f"{state.n_aborted} ended early in a known basin, {len(state.basins)} basins"
    )
    context.steps.append(Step("multi-start", detail, outcomes.run.n_evaluations))
    context.stats.update(n_starts=state.n_started, n_basins=len(state.basins))


def _describe_refinement(context: Context, search: MultiStart, outcomes: Outcomes) -> None:
    state: MultiStartState = outcomes.state
    given = f" ({len(state.given)} of them given)" if len(state.given) else ""
    detail = f"{search.local.name}; ascents from {state.n_started} points{given}, {len(state.basins)} basins"
    context.steps.append(Step("refinement", detail, outcomes.run.n_evaluations))
    context.stats.update(n_starts=state.n_started, n_basins=len(state.basins))


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


# ---------------------------------------------------------------------- when no ascent converged


def with_recovery(context: Context, run: FitRun, given: Points) -> FitRun:
    """The run, or a better one: where no ascent converged, a few more from near by, with more damping.

    They start a twentieth of the box away at most from the best point, or from the given starts where nothing had a
    likelihood. What is tried is recorded. The best point seen is never given up for one that merely converged.
    """
    best, problem = run, context.problem
    for number, damping in enumerate(_DAMPING, start=1):
        origins = _origins(best, given)
        if best.outcomes.status.outcome is not Outcome.NOT_CONVERGED or not len(origins):
            return best
        if any(basin.converged for basin in best.state.basins):
            return best
        starts = _moved(problem, origins, context.seed, number)
        search = replace(best.search, local=_careful(run.search.local, damping), n_starts=len(starts))
        title = f"fit of {problem.name}: recovery {number}"
        outcomes = context.run(Refinement(search), title, starts, starts)
        again = replace(best, search=search, outcomes=outcomes)
        where = f"the best point with log-likelihood {best.value:.6g}" if math.isfinite(best.value) else "the starts"
        ended = "converged" if outcomes.status.outcome is Outcome.CONVERGED else outcomes.status.message
        detail = (
            f"attempt {number} of {len(_DAMPING)}: from {where}, moved by up to {100 * _PERTURBATION:.0f} % "
            f"of the box, by {search.local.name}: {ended}"
        )
        context.steps.append(Step("recovery", detail, outcomes.run.n_evaluations))
        context.stats["n_recoveries"] = number
        if again.value >= best.value and math.isfinite(again.value):
            best = again
        elif outcomes.status.outcome not in (Outcome.CONVERGED, Outcome.NOT_CONVERGED):  # ended from outside
            best = replace(best, outcomes=replace(best.outcomes, status=outcomes.status))
    return best


def _origins(run: FitRun, given: Points) -> Points:
    best = best_basin(run.state)
    return given if best is None else best.u[None, :]


def _moved(problem: Problem, origins: Points, seed: int, number: int) -> Points:
    """Points near by, different ones in every attempt; discrete coordinates stay."""
    space = problem.space
    moves = keyed_generator(seed, _KEY, number).uniform(-_PERTURBATION, _PERTURBATION, origins.shape)
    return np.asarray(np.clip(origins + np.where(space.is_continuous, moves, 0.0), 0.0, 1.0))


def _careful(solver: LocalSolver, damping: float) -> LocalSolver:
    """The solver with a larger first damping, if it has one."""
    return Damped(solver, damping) if solver.want == "residual" else solver
