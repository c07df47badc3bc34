"""The verb `profile`: the log-likelihood in one or two parameters, all others optimised out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.cells import CellStatus
from wilks.core.errors import FitFailedError, InvalidConfigurationError
from wilks.core.problem import ResidualProblem
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.profiles.audit import summarise
from wilks.profiles.grid import make_grid
from wilks.profiles.result import ProfileResult
from wilks.profiles.schedule import ProfileMap
from wilks.profiles.state import MapState, Optimum
from wilks.searchers.multistart import MultiStart, MultiStartState
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.verbs.context import Common, Context, check_discrete
from wilks.verbs.fit import best_basin, describe_global_stage, local_solvers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from wilks.core.algorithm import LocalSolver
    from wilks.core.problem import Problem
    from wilks.loop.drive import Callback, Outcomes
    from wilks.loop.stopping import StoppingRule
    from wilks.profiles.grid import ProfileGrid
    from wilks.store.log import EvaluationLog
    from wilks.verbs.context import Start

_CELL_TOLERANCE = 1e-5
_LOGGED_STARTS = 5


def profile(
    problem: Problem,
    *,
    over: Sequence[str] | str,
    grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None = None,
    roi_threshold: float = 4.0,
    start: Start = None,
    audit: int = 12,
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
        Name or names of the profiled parameters.
    grid
        For each a number of nodes, evenly on the parameter's scale from end to end, or the nodes themselves; a
        sequence in the order of `over` or a dictionary by name. By default 61 nodes in one dimension, 41 in two, 15
        in more; all values of a discrete parameter.
    roi_threshold
        Depth of the region of interest below the maximum, in log-likelihood. Two parameters at 95 % confidence need
        3.0, at 99.7 % 5.9.
    start
        An earlier result, a dictionary of values or a list of these, as additional starts.
    audit
        Number of cells to audit: 12 give a limit of 22 % on wrong cells, 59 give 5 %; 0 switches it off.
    executor, log, seed, stop, callbacks, throw
        As for `wilks.fit`.

    Returns
    -------
    ProfileResult
        Map, argmax of the nuisance parameters, status of each cell, audit; intervals and contours on request.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used.
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
    lattice = make_grid(problem.space, over, grid)
    check_discrete(problem, "profile", lattice.names)
    _check(roi_threshold, audit)
    given = context.starts(start)
    local, polisher = local_solvers(problem)
    search = MultiStart(local, polisher, depth=roi_threshold + 1.0)
    starts = context.with_logged(given, _LOGGED_STARTS)
    title = f"profile of {problem.name} over {', '.join(lattice.names)}"
    first = context.run(search, f"{title}: optima", starts, given)
    describe_global_stage(context, search, first)
    result = _map(context, lattice, (roi_threshold, audit), first, title)
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def _check(roi_threshold: object, audit: object) -> None:
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


def _cell_solver(problem: Problem, local: LocalSolver) -> LocalSolver:
    if isinstance(problem, ResidualProblem):
        return LevenbergMarquardt(_CELL_TOLERANCE)
    return QuasiNewton(_CELL_TOLERANCE, use_gradient=local.want == "gradient")


def _map(
    context: Context, lattice: ProfileGrid, settings: tuple[float, int], first: Outcomes, title: str
) -> ProfileResult:
    """Run the schedule from the optima of the first stage."""
    threshold, n_audit = settings
    found: MultiStartState = first.state
    cell_solver = _cell_solver(context.problem, local_solvers(context.problem)[0])
    near = [b for b in found.basins if b.value > found.basins[0].value - threshold - 1.0] if found.basins else []
    optima = tuple(Optimum(b.u, b.value, b.curvature, b.measured is not None) for b in near)
    plan = ProfileMap(cell_solver, float(threshold), n_audit, lattice, optima)
    if first.status.outcome not in (Outcome.CONVERGED, Outcome.NOT_CONVERGED) or not optima:
        space = context.problem.space
        state = replace(plan, optima=()).init(space, context.seed, np.empty((0, space.dimension)))
        best = best_basin(found)
        if best is not None:
            state.best, state.best_u = best.value, best.u
        return _result(context, plan, state, _unfinished(first.status))
    outcomes = context.run(plan, title, np.empty((0, context.problem.space.dimension)), lattice.names, lattice.nodes)
    state = outcomes.state
    detail = (
        f"{cell_solver.name}; flood over {int((state.best_rows >= 0).sum())} cells from {len(optima)} optima, "
        f"{_n_branches(plan, state)} branches in the region of interest, "
        f"{state.n_passes} healing passes"
    )
    context.steps.append(Step("map", detail, outcomes.run.n_evaluations - state.audit.n_evaluations))
    if state.audit.cells:
        context.steps.append(Step("audit", f"{len(state.audit.cells)} cells", state.audit.n_evaluations))
    if state.n_better_optima:
        detail = f"cells beat the best fit {state.n_better_optima} times; the map went on from the better optimum"
        context.steps.append(Step("better optimum", detail))
    return _result(context, plan, state, _unfinished(outcomes.status))


def _unfinished(status: Status) -> Status:
    """A map that a rule ended before its audit is no success, whatever the rule."""
    if status.success and status.outcome is not Outcome.CONVERGED:
        return Status(Outcome.NOT_CONVERGED, f"The map is not finished: {status.message}")
    return status


def _n_branches(plan: ProfileMap, state: MapState) -> int:
    records = state.records
    inside = np.flatnonzero(records.values[: records.n] > plan.cut(state))
    return len({records.root(int(label)) for label in records.labels[inside]})


def _result(context: Context, plan: ProfileMap, state: MapState, status: Status) -> ProfileResult:
    space, shape = context.problem.space, plan.grid.shape
    rows = state.best_rows
    visited = rows >= 0
    values = state.best_values.copy()
    cell_status = np.full(plan.grid.n_cells, CellStatus.UNVISITED, dtype=np.int8)
    converged = state.records.converged[rows[visited]] if visited.any() else np.empty(0, dtype=bool)
    cell_status[visited] = np.where(converged, CellStatus.CONVERGED, CellStatus.NOT_CONVERGED)
    failed = np.array(state.failed_cells, dtype=np.int64)
    cell_status[failed], values[failed] = CellStatus.FAILED, -np.inf
    context.stats.update(n_visited=int(visited.sum()), n_better_optima=state.n_better_optima)
    context.stats["is_complete"] = state.stage == "done"
    has_best = math.isfinite(state.best)
    with np.errstate(invalid="ignore"):
        in_roi = values > state.best - plan.threshold
    return ProfileResult(
        space=space,
        status=status,
        best=space.to_values(space.from_unit(state.best_u)) if has_best else {},
        log_likelihood=state.best,
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        over=plan.grid.names,
        axes=dict(zip(plan.grid.names, plan.grid.nodes, strict=True)),
        log_likelihood_map=values.reshape(shape),
        in_roi=in_roi.reshape(shape),
        argmax=_argmax(state, shape),
        cell_status=cell_status.reshape(shape),
        audit=summarise(state.audit, state.best_values, shape) if state.audit.cells else None,
        roi_threshold=plan.threshold,
    )


def _argmax(state: MapState, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Nuisance values of the best solution of each cell, NaN where not visited."""
    visited = np.flatnonzero(state.best_rows >= 0)
    rows = state.best_rows[visited]
    full = np.zeros((len(visited), state.space.dimension))
    for at, row in enumerate(rows.tolist()):
        full[at] = state.bases[int(state.records.labels[row])]
        full[at, state.inner] = state.records.arguments[row]
    theta = state.space.from_unit(full)
    found = {}
    for column, name in enumerate(state.space.free):
        if column not in state.columns:
            values = np.full(int(np.prod(shape)), np.nan)
            values[visited] = theta[:, column]
            found[name] = values.reshape(shape)
    return found
