"""The verb `profile`: the log-likelihood in one or two parameters, all others optimised out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import FitFailedError, InvalidConfigurationError
from wilks.core.least_squares import LeastSquaresProblem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.profiles.grid import make_grid
from wilks.profiles.handover import known_cells
from wilks.profiles.options import ProfileOptions
from wilks.profiles.result import ProfileResult
from wilks.profiles.schedule import ProfileMap
from wilks.profiles.state import MapState, Optimum
from wilks.searchers.multistart import MultiStart, MultiStartState
from wilks.solvers.global_ascent import GlobalThenLocal
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.verbs.context import Common, Context, check_discrete
from wilks.verbs.coordinates import MapCoordinates
from wilks.verbs.fit_checks import checked_linear, use_autodiff
from wilks.verbs.fit_methods import best_basin, describe_global_stage
from wilks.verbs.local_solvers import curved, local_solvers, residual_solver
from wilks.verbs.map_result import map_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.algorithm import LocalSolver
    from wilks.core.derived import Derived
    from wilks.core.problem import Problem
    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.profiles.grid import ProfileGrid
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start

_CELL_TOLERANCE = 0.01  # of the accuracy
_SAME_OPTIMUM = 1e-4
_LOGGED_STARTS = 5


def profile(
    problem: Problem,
    *,
    over: Sequence[str | Derived] | str | Derived,
    grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None = None,
    roi_threshold: float = 4.0,
    start: Start = None,
    audit: int = 12,
    options: ProfileOptions | None = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> ProfileResult:
    """Map the profile likelihood of one or more parameters on a grid.

    The optima of the whole box are found first, by the multi-start of `wilks.fit`. From them the map spreads over the
    cells of the region of interest, each cell started from its neighbours and optimised over the nuisance parameters;
    several branches of optima are followed. At the end a random sample of cells is optimised again from scratch.

    Parameters
    ----------
    problem
        A `LikelihoodProblem` or a `ResidualProblem`.
    over
        Name or names of the profiled parameters; a `wilks.Derived` is a function of them.
    grid
        For each a number of nodes, evenly on the parameter's scale from end to end, or the nodes themselves; a
        sequence in the order of `over` or a dictionary by name. By default the path of one parameter is followed with
        steps that fit it, two parameters have 41 nodes each, more have 15; a discrete one has all its values.
    roi_threshold
        Depth of the region of interest, in log-likelihood: two parameters at 95 % confidence need 3.0, at 99.7 % 5.9.
    start
        An earlier result, a dictionary of values or a list of these, as additional starts. Earlier profiles of the
        same problem hand over their optima, and all cells that are nodes of the new grid: nothing is done twice.
    audit
        Number of cells to audit: 12 give a limit of 22 % on wrong cells, 59 give 5 %; 0 switches it off.
    options
        A `ProfileOptions`, for what is rarely needed.
    executor, log, seed, stop, callbacks, throw
        As for `wilks.fit`.

    Returns
    -------
    ProfileResult
        Map, argmax of the nuisance parameters, status of each cell, audit; intervals and contours on request.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used, or a parameter that was declared linear is not.
    EvaluationError
        If every evaluation fails; it shows the first traceback.
    FitFailedError
        With ``throw=True``, if the map did not converge.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    >>> result = wilks.profile(problem, over="a", seed=1)
    >>> [round(x, 3) for x in result.intervals("a", 0.6827)[0][:2]]
    [-1.0, 1.0]
    """
    context = Context(problem, "profile", Common(executor, log, seed, stop, callbacks))
    coordinates = MapCoordinates.of(problem, over)
    lattice = make_grid(coordinates.space, coordinates.names, grid)
    check_discrete(problem, "profile", lattice.names)
    settings = _settings(roi_threshold, audit, options)
    earlier = _earlier(context, start)
    use_autodiff(context, context.starts(start))
    title = f"profile of {problem.name} over {', '.join(lattice.names)}"
    known = (*_optima(context, settings, earlier, start, title), earlier)
    result = _map(context, coordinates, lattice, settings, known, title)
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


@dataclass(frozen=True)
class _Settings:
    threshold: float
    n_audit: int
    options: ProfileOptions


def _settings(roi_threshold: object, audit: object, options: object) -> _Settings:
    if (
        isinstance(roi_threshold, bool)
        or not isinstance(roi_threshold, (int, float))
        or not 0 < roi_threshold < math.inf
    ):
        raise InvalidConfigurationError(
            f"roi_threshold: expected a positive depth in log-likelihood, got {roi_threshold!r}"
        )
    if isinstance(audit, bool) or not isinstance(audit, int) or audit < 0:
        raise InvalidConfigurationError(f"audit: expected a number of cells >= 0, got {audit!r}")
    if options is not None and not isinstance(options, ProfileOptions):
        raise InvalidConfigurationError(f"options: expected a wilks.ProfileOptions, got {options!r}")
    return _Settings(float(roi_threshold), audit, options or ProfileOptions())


def _earlier(context: Context, start: Start) -> list[ProfileResult]:
    """Earlier profiles of the same problem among the starts."""
    given: list[object] = list(start) if isinstance(start, (list, tuple)) else [start]
    fingerprint = context.problem.fingerprint
    return [x for x in given if isinstance(x, ProfileResult) and x.provenance.fingerprint == fingerprint]


def _optima(
    context: Context, settings: _Settings, earlier: list[ProfileResult], start: Start, title: str
) -> tuple[tuple[Optimum, ...], Status]:
    """Optima of the whole box, and how the search for them ended."""
    optima = _handed_over(context, earlier, settings.threshold)
    if not optima:
        interrupted = checked_linear(context, context.starts(start))
        if interrupted is not None:
            return (), interrupted
    if not optima and settings.options.max_starts == 0:
        starts = context.starts(start)
        if not len(starts):
            raise InvalidConfigurationError("options: max_starts=0 needs start=, from which the map can spread")
        return _ascents(context, settings, starts, title)
    if not optima:
        return _global_stage(context, settings, start, title)
    given: list[Any] = list(start) if isinstance(start, (list, tuple)) else [start]
    beside = [x for x in given if not any(x is result for result in earlier)]
    if not beside:
        return optima, Status(Outcome.CONVERGED)
    more, status = _ascents(context, settings, context.starts(beside), title)
    return _apart((*optima, *more)), status


def _ascents(
    context: Context, settings: _Settings, starts: NDArray[np.float64], title: str
) -> tuple[tuple[Optimum, ...], Status]:
    """Ascents from the values that were given, and from nowhere else."""
    local, polisher = local_solvers(context.problem)
    context.check_gradient(starts)
    search = MultiStart(local, polisher, n_starts=0, depth=settings.threshold + 1.0, rolling=True)
    ended = context.run(search, f"{title}: given starts", starts, starts)
    n = len(starts)
    context.steps.append(
        Step("given starts", f"ascents from {n} point{'s' * (n > 1)} and their scans", ended.run.n_evaluations)
    )
    basins = ended.state.basins
    return tuple(Optimum(b.u, b.value, b.curvature, b.measured is not None) for b in basins), ended.status


def _handed_over(context: Context, earlier: list[ProfileResult], threshold: float) -> tuple[Optimum, ...]:
    """Optima of earlier profiles that looked as deep; none if they have to be searched for."""
    deep = [result for result in earlier if result.roi_threshold >= threshold and result.optima]
    apart = _apart(tuple(optimum for result in deep for optimum in result.optima))
    if apart:
        n = len(apart)
        detail = f"{n} {'optimum' if n == 1 else 'optima'} of {len(deep)} earlier profile{'s' * (len(deep) > 1)}"
        context.steps.append(Step("handed over", detail))
    return apart


def _apart(optima: tuple[Optimum, ...]) -> tuple[Optimum, ...]:
    """Optima in different places, the best first."""
    apart: list[Optimum] = []
    for optimum in sorted(optima, key=lambda optimum: -optimum.value):
        if all(float(np.abs(optimum.u - other.u).max()) > _SAME_OPTIMUM for other in apart):
            apart.append(optimum)
    return tuple(apart)


def _global_stage(
    context: Context, settings: _Settings, start: Start, title: str
) -> tuple[tuple[Optimum, ...], Status]:
    """Search for the optima of the whole box."""
    given = context.starts(start)
    local, polisher = local_solvers(context.problem)
    options = settings.options
    if options.inner == "global":
        local = GlobalThenLocal(local, context.seed)
    search = MultiStart(
        local,
        polisher,
        depth=settings.threshold + 1.0,
        n_optima=options.n_optima,
        max_starts=options.max_starts,
        rolling=True,
    )
    context.check_gradient(given)
    starts = context.with_logged(given, _LOGGED_STARTS, settings.threshold + 1.0)
    first = context.run(search, f"{title}: optima", starts, given)
    describe_global_stage(context, search, first)
    found: MultiStartState = first.state
    if first.status.outcome not in (Outcome.CONVERGED, Outcome.NOT_CONVERGED):
        best = best_basin(found)
        return () if best is None else (Optimum(best.u, best.value, best.curvature, reliable=False),), first.status
    basins = found.basins
    near = [b for b in basins if b.value > basins[0].value - settings.threshold - 1.0]
    return tuple(Optimum(b.u, b.value, b.curvature, b.measured is not None) for b in near), first.status


def _cell_solver(problem: Problem, options: ProfileOptions, seed: int, held: Sequence[str] | None) -> LocalSolver:
    """Solver of the cells, in which the parameters `held` do not move; None where the axes are derived quantities."""
    tolerance = _CELL_TOLERANCE * options.accuracy
    local: LocalSolver
    if isinstance(problem, LeastSquaresProblem):
        solver = residual_solver(problem, tolerance, held=held or ())
        # Where the axes are derived quantities, what moves in a cell is neither linear nor a parameter.
        local = replace(solver, linear=()) if held is None else curved(solver, problem, held)
    else:
        local = QuasiNewton(tolerance, use_gradient=local_solvers(problem)[0].want == "gradient")
    return GlobalThenLocal(local, seed) if options.inner == "global" else local


def _map(
    context: Context,
    coordinates: MapCoordinates,
    lattice: ProfileGrid,
    settings: _Settings,
    known: tuple[tuple[Optimum, ...], Status, list[ProfileResult]],
    title: str,
) -> ProfileResult:
    """Run the schedule from what is known: the optima, how their search ended, and earlier profiles."""
    found, ended, earlier = known
    held = lattice.names if coordinates.derived is None else None
    solver = _cell_solver(context.problem, settings.options, context.seed, held)
    coordinates = coordinates.suited(found)
    optima = coordinates.optima(list(found))
    cells = known_cells(lattice, earlier, settings.threshold) if coordinates.derived is None else None
    plan = ProfileMap(solver, settings.threshold, settings.n_audit, lattice, optima, cells, settings.options)
    nothing = np.empty((0, context.problem.space.dimension))
    if ended.outcome not in (Outcome.CONVERGED, Outcome.NOT_CONVERGED) or not optima:
        outer = coordinates.algorithm(replace(plan, optima=(), known=None)).init(
            context.problem.space, context.seed, nothing
        )
        if optima:
            coordinates.state(outer).best, coordinates.state(outer).best_u = optima[0].value, optima[0].u
        return map_result(context, coordinates, plan, outer, _unfinished(ended))
    seen = () if cells is None else (cells.cells, cells.solutions.values, settings.n_audit)
    identity = (*((optimum.u, optimum.value) for optimum in optima), *seen)
    outcomes = context.run(coordinates.algorithm(plan), title, nothing, lattice.names, lattice.nodes, *identity)
    state = coordinates.state(outcomes.state)
    if coordinates.derived is not None:
        context.stats["n_violated"] += outcomes.state.n_void
        context.steps.append(Step("derived quantities", coordinates.detail()))
    taken = "" if cells is None else f"{len(np.unique(cells.cells))} cells taken over, "
    detail = (
        f"{solver.name}; {taken}{int((state.best_rows >= 0).sum())} cells in all from {len(optima)} optima, "
        f"{_n_branches(plan, state)} branches in the region of interest, "
        f"{int((~state.records.anchors[: state.records.n]).sum())} cells accepted by one evaluation, "
        f"{state.n_passes} healing passes"
    )
    context.steps.append(Step("map", detail, outcomes.run.n_evaluations - state.audit.n_evaluations))
    if state.audit.cells:
        context.steps.append(Step("audit", f"{len(state.audit.cells)} cells", state.audit.n_evaluations))
    if state.n_better_optima:
        detail = f"cells beat the best fit {state.n_better_optima} times; the map went on from the better optimum"
        context.steps.append(Step("better optimum", detail))
    if coordinates.derived is None:
        found = tuple(sorted(state.optima, key=lambda optimum: -optimum.value))
    return map_result(context, coordinates, plan, outcomes.state, _unfinished(outcomes.status), found)


def _unfinished(status: Status) -> Status:
    """A map that a rule ended before its audit is no success, whatever the rule."""
    if status.success and status.outcome is not Outcome.CONVERGED:
        return Status(Outcome.NOT_CONVERGED, f"The map is not finished: {status.message}")
    return status


def _n_branches(plan: ProfileMap, state: MapState) -> int:
    records = state.records
    inside = np.flatnonzero(records.values[: records.n] > plan.cut(state))
    return len({records.root(int(label)) for label in records.labels[inside]})
