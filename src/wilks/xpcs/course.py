"""The course of a fit: screen, refine on a coarse subset, finish on all data."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.loop.stopping import MaxEvaluations, MaxTime, as_rules
from wilks.searchers.ascents import Ascents
from wilks.searchers.cma_es import CmaEs
from wilks.searchers.cma_runs import CmaEsRuns
from wilks.searchers.multistart import MultiStart
from wilks.searchers.screening import Screening, best_apart
from wilks.solvers.damped import Damped
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.result import Basin
from wilks.solvers.retracted import Retracted
from wilks.verbs.context import Common, Context
from wilks.verbs.fit_options import SCALE_RATIO, scale_ratio
from wilks.xpcs.model import regularised_times
from wilks.xpcs.options import ShearWeights
from wilks.xpcs.problems import RobustXpcsProblem, XpcsProblem
from wilks.xpcs.retraction import power_law_steps
from wilks.xpcs.screening import ScreenProblem
from wilks.xpcs.sums import CoarseSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.problem import Problem
    from wilks.core.space import Space
    from wilks.loop.drive import Outcomes
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.options import FitOptions
    from wilks.xpcs.pairs import CoarsePairs
    from wilks.xpcs.preparation import Prepared, Question
    from wilks.xpcs.problems import Sums

_COARSE_TOLERANCE = 1e-3
_FIRST_ITERATIONS, _COARSE_ITERATIONS = 40, 100
"""Trial steps on the small subset, whose valleys need not be followed to their end, and on the large one."""
_FROM_OUTSIDE = (Outcome.INTERRUPTED, Outcome.STOPPED_BY_CALLBACK, Outcome.TIME_LIMIT, Outcome.EVALUATION_LIMIT)
"""Ends after which no other stage begins."""
_RIVAL = 5.0
"""Log-likelihood below the best, on a subset, down to which an optimum is followed on more data."""
_MAX_RIVALS = 3
_WORTHWHILE = 2.0
"""Least ratio of the sizes of two subsets for which both are used."""
_DAMPINGS, _MOVED, _KEY = (100.0, 10_000.0), 0.05, 50


@dataclass
class Ended:
    """Where a fit has come to.

    Attributes
    ----------
    problem
        All data.
    values
        Best physical parameters, and for a robust loss the coefficients of the scaling; None if there is no finite
        point.
    status
        How it ended.
    basins
        Optima on the coarse subset.
    robust
        The problem with the robust loss, if there is one.
    """

    problem: XpcsProblem
    values: dict[str, float] | None
    status: Status
    basins: tuple[Basin, ...]
    robust: RobustXpcsProblem | None
    context: Context


class Course:
    """One fit under way."""

    def __init__(
        self, question: Question, prepared: Prepared, common: Common, starts: list[dict[str, float]], began: float
    ) -> None:
        self.question, self.prepared, self.common = question, prepared, common
        self.given = starts
        self.steps: list[Step] = []
        self.n_evaluations = 0
        self.began, self.seconds_reading = began, time.perf_counter() - began

    @property
    def options(self) -> FitOptions:
        """The options of the fit."""
        return self.question.options

    @property
    def space(self) -> Space:
        """The physical parameters."""
        return self.question.space

    def run(self, log: EvaluationLog | None) -> Ended:
        """Go through all stages."""
        weights = self.question.angle_weights(self.prepared.used)
        by_shear = self.options.weights
        starts, status = self._starts()
        basins: tuple[Basin, ...] = ()
        if status.outcome not in _FROM_OUTSIDE:
            basins, status = self._refined(weights, starts)
        goes_on = bool(basins) and status.outcome not in _FROM_OUTSIDE
        if goes_on and isinstance(by_shear, ShearWeights) and len(weights) > 1:
            phi0 = float(basins[0].values["phi0"])  # type: ignore[arg-type]  # a real parameter
            weights = by_shear.of(self.prepared.geometry.phi, phi0)
            self.steps.append(Step("weights", f"of the angles by their shear, for phi0 = {phi0:.4g}"))
            basins, status = self._refined(weights, [_free(self.space, basin.values) for basin in basins])
        full = self._problem(self.prepared.sums, weights)
        common = replace(self.common, executor=None, log=log)
        context = Context(full, "xpcs.fit", common, began=self.began)
        context.steps, context.n_evaluations = self.steps, self.n_evaluations
        context.stats["seconds_reading"] = self.seconds_reading
        if basins and status.outcome not in _FROM_OUTSIDE:
            return self._finished(full, context, basins)
        best: dict[str, Any] | None = dict(basins[0].values) if basins else None
        if best is None and starts and status.outcome in _FROM_OUTSIDE:
            best = {**self.space.constants, **starts[0]}
        return Ended(full, best, status, basins, None, context)

    def _problem(self, sums: Sums, weights: NDArray[np.float64]) -> XpcsProblem:
        prepared = self.prepared
        return XpcsProblem(self.space, sums, prepared.geometry, self.question.mode, prepared.block, weights)

    def _solver(self, tolerance: float, max_iterations: int) -> LocalSolver:
        """Levenberg-Marquardt with steps that follow the valleys of power laws."""
        geometry = self.prepared.geometry
        steps = power_law_steps(self.space, regularised_times(geometry.t, geometry.dt))
        return Retracted(LevenbergMarquardt(tolerance, max_iterations, given=True), steps)

    # ------------------------------------------------------------------ where to start

    def _context(self, problem: Problem) -> Context:
        """Return the context of a stage on a subset: limits hold for all stages, goals for the last one alone."""
        limits = tuple(rule for rule in as_rules(self.common.stop) if isinstance(rule, (MaxEvaluations, MaxTime)))
        context = Context(
            problem, "xpcs.fit on a subset", replace(self.common, log=None, stop=limits), began=self.began
        )
        context.n_evaluations = self.n_evaluations
        return context

    def _starts(self) -> tuple[list[dict[str, float]], Status]:
        """Points to refine on the subset, the given ones and the best of the search that lie apart; how it ended.

        A search that was ended from outside returns its best points alone.
        """
        given = list(self.given)
        start = self.space.start
        if not given and start is not None:
            given.append(dict(self.space.to_values(start)))  # type: ignore[arg-type]  # all are real
        method = self.options.method
        if method == "auto":
            ratio = scale_ratio(self.space)
            method = "cma_es" if ratio > SCALE_RATIO else "multi_start"
            self.steps.append(Step("choice of method", f"{method}: the widths of the boxes differ by {ratio:.3g}"))
        if method == "local":
            if not given:
                middle = self.space.to_values(self.space.from_unit(np.full(self.space.dimension, 0.5)))
                given.append(dict(middle))  # type: ignore[arg-type]  # all are real
                self.steps.append(Step("start", "no initial values were given: the middle of the boxes"))
            return given, Status(Outcome.CONVERGED)
        found, status = self._screened(method, given)
        return (found or given) if status.outcome in _FROM_OUTSIDE else given + found, status

    def _screened(self, method: str, given: list[dict[str, float]]) -> tuple[list[dict[str, float]], Status]:
        """The best points of the search that lie apart; the given ones are among those it looks at."""
        prepared = self.prepared
        screen = ScreenProblem(
            self.space, prepared.screen, prepared.geometry, self.question.mode, np.array(self.question.bounds)
        )
        space = screen.problem.space
        context = self._context(screen.problem)
        points = np.array([space.to_theta(screen.searched(values)) for values in given]).reshape(-1, space.dimension)
        points, title = space.to_unit(points), "XPCS fit: search on a subset of the data"
        if method == "cma_es":
            outcomes = context.run(CmaEsRuns(CmaEs(), self.options.n_restarts), title, points)
            thetas, values = np.array(outcomes.state.thetas), np.array(outcomes.state.values)
            thetas = thetas.reshape(-1, space.dimension)
            units, what = space.to_unit(thetas), f"{len(values)} runs with BIPOP restarts"
        else:
            outcomes = context.run(Screening(self.options.design, self.options.n_starts), title, points)
            units, values = outcomes.state.points, outcomes.state.values
            what = f"{outcomes.run.n_evaluations} points of a {self.options.design.replace('_', ' ')} design"
        n = outcomes.run.n_evaluations
        self.n_evaluations += n
        if outcomes.status.outcome in _FROM_OUTSIDE:  # some points may have no value yet
            units, values = units[np.isfinite(values)], values[np.isfinite(values)]
        kept = best_apart(units, np.where(np.isfinite(values), values, -np.inf), self.options.n_refined)
        detail = f"{what}, on {prepared.screen.y.size} pixels; the best {len(kept)} that lie apart go on"
        self.steps.append(Step("CMA-ES" if method == "cma_es" else "screening", detail, n))
        return [screen.physical(space.to_values(space.from_unit(units[i]))) for i in kept], outcomes.status

    def _refined(
        self, weights: NDArray[np.float64], starts: list[dict[str, float]]
    ) -> tuple[tuple[Basin, ...], Status]:
        """Local fits from every start on the small subset, and from the optima found there on the large one."""
        small, large = self.prepared.screen, self.prepared.coarse
        if large.y.size < _WORTHWHILE * small.y.size:
            return self._optima(large, weights, starts, _COARSE_ITERATIONS)
        basins, status = self._optima(small, weights, starts, _FIRST_ITERATIONS)
        if not basins or status.outcome in _FROM_OUTSIDE:
            return basins, status
        starts = [_free(self.space, basin.values) for basin in _rivals(basins)]
        return self._optima(large, weights, starts, _COARSE_ITERATIONS)

    def _optima(
        self,
        subset: CoarsePairs,
        weights: NDArray[np.float64],
        starts: list[dict[str, float]],
        max_iterations: int,
    ) -> tuple[tuple[Basin, ...], Status]:
        """Local fits on a subset from every start."""
        context = self._context(self._problem(CoarseSums(subset), weights))
        solver = self._solver(_COARSE_TOLERANCE, max_iterations)
        thetas = np.array([self.space.to_theta(_free(self.space, start)) for start in starts])
        points = self.space.to_unit(thetas.reshape(-1, self.space.dimension))
        outcomes = context.run(MultiStart(solver, solver, n_starts=0), "XPCS fit on a subset of the data", points)
        self.n_evaluations += outcomes.run.n_evaluations
        state = outcomes.state
        basins = tuple(
            Basin(self.space.to_values(self.space.from_unit(basin.u)), basin.value, max(basin.n_hits, 1))
            for basin in state.basins
        )
        self.steps.append(
            Step(
                "refinement on a subset",
                f"{solver.name} from {len(starts)} {'start' if len(starts) == 1 else 'starts'} on "
                f"{subset.y.size} pixels: "
                f"{len(basins)} {'basin' if len(basins) == 1 else 'basins'}",
                outcomes.run.n_evaluations,
            )
        )
        return basins, outcomes.status

    # ------------------------------------------------------------------ all data

    def _finished(self, full: XpcsProblem, context: Context, basins: tuple[Basin, ...]) -> Ended:
        """Local fits on all data, from the best optimum of the subset and its rivals."""
        solver = self._solver(self.options.tolerance, self.options.max_iterations)
        rivals = [self.space.to_theta(_free(self.space, basin.values)) for basin in _rivals(basins)]
        points = self.space.to_unit(np.array(rivals))
        outcomes = context.run(Ascents(solver), "XPCS fit on all data", points, points)
        context.steps.append(
            Step(
                "fit of all data",
                f"{solver.name} from {len(rivals)} {'start' if len(rivals) == 1 else 'starts'}, "
                f"{self.prepared.kernel.name} kernel",
                outcomes.run.n_evaluations,
            )
        )
        outcomes = self._recovered(context, solver, outcomes, points)
        state, best = outcomes.state, outcomes.state.best
        if best < 0:
            return Ended(full, None, outcomes.status, basins, None, context)
        values = self.space.to_values(self.space.from_unit(state.ascents[best].u))
        plain: dict[str, float] = {name: float(value) for name, value in values.items()}  # type: ignore[arg-type]
        ended = Ended(full, plain, outcomes.status, basins, None, context)
        if self.options.loss.is_linear or outcomes.status.outcome in _FROM_OUTSIDE:
            return ended
        return self._robust(ended, plain, solver)

    def _recovered(
        self, context: Context, solver: LocalSolver, outcomes: Outcomes, points: NDArray[np.float64]
    ) -> Outcomes:
        """Where the best ascent did not converge, try again from near by with more damping, and say so."""
        best = outcomes
        for number, damping in enumerate(_DAMPINGS, start=1):
            if best.status.outcome is not Outcome.NOT_CONVERGED:
                break
            at = best.state.best
            origin = points[0] if at < 0 else best.state.ascents[at].u
            value = -math.inf if at < 0 else best.state.ascents[at].value
            moves = keyed_generator(context.seed, _KEY, number).uniform(-_MOVED, _MOVED, origin.shape)
            start = np.clip(origin + moves, 0.0, 1.0)[None, :]
            again = context.run(
                Ascents(Damped(solver, damping)), f"XPCS fit on all data: recovery {number}", start, start
            )
            detail = (
                f"attempt {number} of {len(_DAMPINGS)}: from the best point, moved by up to {100 * _MOVED:.0f} % "
                f"of the box, first damping {damping:g}: {again.status.message}"
            )
            context.steps.append(Step("recovery", detail, again.run.n_evaluations))
            converged = again.status.outcome is Outcome.CONVERGED
            least = value - self.options.tolerance if converged else value  # the same optimum, but for the tolerance
            if again.state.best >= 0 and again.state.ascents[again.state.best].value >= least:
                best = again
            if again.status.outcome in _FROM_OUTSIDE:
                return replace(best, status=again.status)
        return best

    def _robust(self, ended: Ended, values: dict[str, float], solver: LocalSolver) -> Ended:
        """Go on from the least-squares optimum, at `values`, with the robust loss."""
        problem = ended.problem
        projection = problem.projection(values)
        assert projection is not None  # noqa: S101 - it was evaluated there
        names = problem.block.names
        start = values | dict(zip(names, projection.coefficients.tolist(), strict=True))
        robust = RobustXpcsProblem(problem, self.prepared.sums, self.options.loss, start)
        space = robust.space
        context = Context(robust, "xpcs.fit", replace(self.common, executor=None, log=None), began=self.began)
        context.n_evaluations = ended.context.n_evaluations
        point = space.to_unit(space.to_theta(_free(space, start))[None, :])
        outcomes = context.run(Ascents(solver), f"XPCS fit with {self.options.loss.name}", point, point)
        ended.context.steps.append(
            Step("robust fit", f"{self.options.loss.name}, from the least-squares optimum", outcomes.run.n_evaluations)
        )
        ended.context.n_evaluations += outcomes.run.n_evaluations
        if outcomes.state.best < 0:
            return replace(ended, status=outcomes.status)
        found = space.to_values(space.from_unit(outcomes.state.ascents[0].u))
        plain = {name: float(value) for name, value in found.items()}  # type: ignore[arg-type]  # all are real
        return replace(ended, values=plain, status=outcomes.status, robust=robust)


def _rivals(basins: tuple[Basin, ...]) -> list[Basin]:
    """Optima about as high as the best."""
    return [basin for basin in basins if basin.log_likelihood >= basins[0].log_likelihood - _RIVAL][:_MAX_RIVALS]


def _free(space: Space, values: Any) -> dict[str, Any]:  # noqa: ANN401 - a mapping of values
    return {name: values[name] for name in space.free}
