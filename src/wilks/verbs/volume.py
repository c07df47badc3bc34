"""The verb `sample_volume`: points through the whole region of interest, and across its log-likelihoods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import FitFailedError, InvalidConfigurationError, InvalidProblemError
from wilks.core.result import Result, Step
from wilks.core.status import Outcome, Status
from wilks.profiles.result import ProfileResult
from wilks.profiles.state import Optimum
from wilks.profiles.volume import VolumeSampler, VolumeState, samples_of
from wilks.profiles.volume_options import VolumeOptions
from wilks.profiles.volume_result import VolumeResult
from wilks.profiles.volume_seeding import Seeds, points_of_map
from wilks.searchers.multistart import MultiStart
from wilks.store.imports import STAGE_KEY
from wilks.verbs.context import Common, Context
from wilks.verbs.fit_checks import use_autodiff
from wilks.verbs.fit_methods import best_basin, describe_global_stage
from wilks.verbs.local_solvers import local_solvers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Problem
    from wilks.loop.drive import Callback, Outcomes
    from wilks.loop.stopping import StoppingRule
    from wilks.store.log import EvaluationLog

    VolumeStart = Result | Mapping[str, Value] | Sequence[Result | Mapping[str, Value]] | None

_DEPTH = 4.0
_LOGGED_STARTS = 5
_EQUAL = 1e-3  # in log-likelihood
_MOST_POINTS = 2000
"""Points of maps and of the log from which walkers are seeded, at most."""
_DEFAULTS = VolumeOptions()


def sample_volume(
    problem: Problem,
    *,
    start: VolumeStart = None,
    roi_threshold: float | None = None,
    n_walkers: int = 1000,
    n_steps: int = 30,
    options: VolumeOptions = _DEFAULTS,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> VolumeResult:
    """Fill the region of interest with points: through its volume, and across its log-likelihoods.

    An ensemble of walkers, each held to a level of log-likelihood of its own, moves through the region
    {log L > best - roi_threshold} by the affine-invariant stretch move. The points are draws of Markov chains, spread
    evenly over the levels: they cover the region, they are no posterior.

    Parameters
    ----------
    problem
        A `LikelihoodProblem` or a `ResidualProblem` whose free parameters are all real.
    start
        Where the region is: a profile, a fit, a search, or a list of these. From a profile of this problem, walkers
        are seeded in its cells. Dictionaries of values are starts of a search for the optima, which is made as in
        `wilks.fit` when no result is given.
    roi_threshold
        Depth of the region below the best log-likelihood; None for the largest of the given profiles, 4.0 without.
    n_walkers
        Size of the ensemble, at least 2 (d + 1) for d parameters; the number of samples goes with it.
    n_steps
        Steps of each walker; the first third is left out of the samples.
    options
        What is seldom changed, see `wilks.VolumeOptions`.
    executor, log, seed, stop, callbacks, throw
        As for `wilks.fit`. Evaluations in the log that lie in the region seed walkers, too.

    Returns
    -------
    VolumeResult
        Samples with their log-likelihoods and counts; none, and a status that says why, when no point with a finite
        log-likelihood is known to begin from.

    Raises
    ------
    InvalidProblemError, InvalidConfigurationError
        If an argument cannot be used.
    EvaluationError
        If every evaluation fails; it shows the first traceback.
    FitFailedError
        With ``throw=True``, if the sampling did not come to its end.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    >>> result = wilks.sample_volume(problem, n_walkers=50, seed=1)
    >>> bool((result.log_likelihoods > -4.0).all()), result.samples.shape[1]
    (True, 2)
    """
    context = Context(problem, "sample_volume", Common(executor, log, seed, stop, callbacks))
    _check(problem, n_walkers, n_steps, options)
    results, given = _sorted_out(start)
    profiles = [item for item in results if isinstance(item, ProfileResult)]
    depth = _depth(roi_threshold, profiles)
    optima, first = _optima(context, results, given, depth)
    maps = [points_of_map(item) for item in profiles if item.provenance.fingerprint == problem.fingerprint]
    seeds = _seeds(context, optima, maps, depth, use_log=options.use_log)
    sampler = VolumeSampler(depth, int(n_walkers), int(n_steps), options, seeds)
    if first is not None and first.status.outcome not in (Outcome.CONVERGED, Outcome.NOT_CONVERGED):
        result = _stopped_before(context, sampler, first)
    else:
        result = _run(context, sampler, (maps, [optimum.u for optimum in optima]))
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def _check(problem: Problem, n_walkers: object, n_steps: object, options: object) -> None:
    space = problem.space
    discrete = [name for name in space.free if space[name].n_values is not None]
    if discrete:
        raise InvalidProblemError(
            f"sample_volume: {', '.join(discrete)} is discrete, and walkers move along straight lines: expected "
            f"real parameters only; fix the others, as in problem.fix({discrete[0]}=...), and sample for each value"
        )
    fewest = 2 * (space.dimension + 1)
    if isinstance(n_walkers, bool) or not isinstance(n_walkers, (int, np.integer)) or n_walkers < fewest:
        raise InvalidConfigurationError(
            f"n_walkers: expected at least 2 (d + 1) = {fewest} for {space.dimension} parameters, got {n_walkers!r}"
        )
    if isinstance(n_steps, bool) or not isinstance(n_steps, (int, np.integer)) or n_steps < 1:
        raise InvalidConfigurationError(f"n_steps: expected a positive integer, got {n_steps!r}")
    if not isinstance(options, VolumeOptions):
        raise InvalidConfigurationError(f"options: expected a wilks.VolumeOptions, got {options!r}")


def _sorted_out(start: Any) -> tuple[list[Result], list[Mapping[str, Value]]]:  # noqa: ANN401 - checked here
    """Results, and dictionaries of values."""
    items = list(start or ()) if start is None or isinstance(start, (list, tuple)) else [start]
    for item in items:
        if not isinstance(item, (Result, Mapping)):
            raise InvalidConfigurationError(
                f"start: expected a profile, another result, a dictionary of values or a list of these, got {item!r}"
            )
    return [i for i in items if isinstance(i, Result)], [i for i in items if isinstance(i, Mapping)]


def _depth(threshold: Any, profiles: Sequence[ProfileResult]) -> float:  # noqa: ANN401 - checked here
    if threshold is None:
        return float(max((item.roi_threshold for item in profiles), default=_DEPTH))
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 < threshold < math.inf:
        raise InvalidConfigurationError(
            f"roi_threshold: expected a positive depth in log-likelihood or None, got {threshold!r}"
        )
    return float(threshold)


def _optima(
    context: Context, results: Sequence[Result], given: Sequence[Mapping[str, Value]], depth: float
) -> tuple[tuple[Optimum, ...], Outcomes | None]:
    """The optima of the region with their curvature, and the multi-start that found or measured them.

    Profiles hand theirs over. Other results have a best point, from which a single ascent measures the curvature.
    """
    use_autodiff(context, context.starts(None))
    problem = context.problem
    known = [
        optimum
        for item in results
        if isinstance(item, ProfileResult) and item.provenance.fingerprint == problem.fingerprint
        for optimum in getattr(item, "optima", ())
        if optimum.reliable
    ]
    covered = max((optimum.value for optimum in known), default=-math.inf)
    begin = [values for item in results for values in _best_points(item, covered, depth)]
    if results and not begin and not given:
        return tuple(known), None
    points = context.starts([*({n: v[n] for n in problem.space.free if n in v} for v in begin), *given])
    local, polisher = local_solvers(problem)
    search = MultiStart(local, polisher, n_starts=0 if results else None, depth=depth)
    starts = points if results else context.with_logged(points, _LOGGED_STARTS)
    first = context.run(search, f"volume of {problem.name}: optima", starts, points)
    describe_global_stage(context, search, first)
    found = [Optimum(b.u, b.value, b.curvature, b.measured is not None) for b in first.state.basins]
    return (*known, *found), first


def _best_points(result: Result, covered: float, depth: float) -> list[Mapping[str, Value]]:
    """Values of the optima of a result that are worth an ascent, the best of them always unless it is covered."""
    if not result.best or (isinstance(result, ProfileResult) and result.log_likelihood <= covered + _EQUAL):
        return []
    basins = [b for b in getattr(result, "basins", ()) if b.log_likelihood > result.log_likelihood - depth]
    return [basin.values for basin in basins] or [result.best]


def _seeds(
    context: Context,
    optima: Sequence[Optimum],
    maps: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    depth: float,
    *,
    use_log: bool,
) -> Seeds:
    """What is known of the region: optima, cells of maps, and logged evaluations."""
    nothing = np.empty((0, context.problem.space.dimension)), np.empty(0)
    parts = [nothing, *maps]
    best = Seeds.of(optima, *_joined(parts), depth).best
    if use_log and best is not None:
        parts.append(_logged(context, best[1] - depth))
    return Seeds.of(optima, *_joined(parts), depth).thinned(_MOST_POINTS)


def _joined(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.concatenate([points for points, _ in parts]), np.concatenate([values for _, values in parts])


def _logged(context: Context, lowest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logged points of the region in the unit box, with their log-likelihoods; those of sample files may be wrong."""
    problem = context.problem
    imported = [number for number, stage in enumerate(context.log.stages()) if stage.key.startswith(STAGE_KEY)]
    columns = problem.root_columns()
    parts = [(np.empty((0, problem.root.space.dimension)), np.empty(0))]
    for block in context.log.iter_batches():
        rows = np.isfinite(block["log_likelihoods"]) & (block["log_likelihoods"] > lowest)
        rows &= ~np.isin(block["stages"], imported)
        parts.append((block["thetas"][rows], block["log_likelihoods"][rows]))
    thetas, values = _joined(parts)
    # Of a log that is shared with the unrestricted problem, only the points that have the fixed values.
    same = (problem.to_root(thetas[:, columns]) == thetas).all(axis=1)
    return problem.space.to_unit(thetas[same][:, columns]), values[same]


def _stopped_before(context: Context, sampler: VolumeSampler, first: Outcomes) -> VolumeResult:
    """The result of a call that a rule or an interruption ended while the optima were searched for."""
    space = context.problem.space
    state = replace(sampler, seeds=None).init(space, context.seed, np.empty((0, space.dimension)))
    best = best_basin(first.state)
    if best is not None:
        state.best, state.first_best, state.best_point = best.value, best.value, best.u
    status = first.status
    if status.success:  # for the search, not for what was asked for
        status = Status(Outcome.NOT_CONVERGED, f"Nothing was sampled yet: {status.message}")
    return _result(context, sampler, state, status)


def _run(context: Context, sampler: VolumeSampler, identity: tuple[object, ...]) -> VolumeResult:
    """Sample, unless nothing is known to begin from, and put the result together.

    The points from the log are no part of the identity: an interrupted run finds its own evaluations there.
    """
    space = context.problem.space
    starts = np.empty((0, space.dimension))
    if sampler.seeds is None or sampler.seeds.best is None:
        state = sampler.init(space, context.seed, starts)
        return _result(context, sampler, state, sampler.terminate(state) or Status(Outcome.NOT_CONVERGED))
    outcomes = context.run(sampler, f"volume of {context.problem.name}", starts, *identity)
    state = outcomes.state
    n_optima, n_points = len(state.seeds.optima), len(state.seeds.points)
    detail = (
        f"{sampler.n_walkers} walkers seeded from {n_optima} optima and {n_points} known points; "
        f"{state.n_sweeps} steps of the stretch move, {state.n_outside} proposals outside the box"
    )
    context.steps.append(Step("volume", detail, outcomes.run.n_evaluations))
    context.stats.update(n_optima=n_optima, n_known_points=n_points)
    return _result(context, sampler, state, outcomes.status)


def _result(context: Context, sampler: VolumeSampler, state: VolumeState, status: Status) -> VolumeResult:
    space, begun = context.problem.space, bool(len(state.levels))
    visits, counts = samples_of(state)
    inside = visits.values > state.best - sampler.threshold
    if status.success and begun and not inside.any():
        status = Status(Outcome.NOT_CONVERGED, f"No walker was in the region after the burn-in: {status.message}")
    return VolumeResult(
        space=space,
        status=status,
        best=space.to_values(space.from_unit(state.best_point)) if len(state.best_point) else {},
        log_likelihood=state.best + 0.0,  # no minus before a zero
        n_evaluations=context.n_evaluations,
        stats=context.stats,
        provenance=context.provenance(),
        log=context.log,
        samples=space.from_unit(visits.points[inside].reshape(-1, space.dimension)),
        log_likelihoods=visits.values[inside],
        counts=counts[inside],
        levels=state.levels[visits.walkers[inside]] if begun else np.empty(0),
        band=(state.best - sampler.threshold, state.best),
        roi_threshold=sampler.threshold,
        sigma=sampler.sigma,
        n_walkers=sampler.n_walkers if begun else 0,
        n_steps=sampler.n_steps,
        n_sweeps=state.n_sweeps,
        n_outside=state.n_outside,
        mean_acceptance=state.n_accepted / state.n_proposed if state.n_proposed else math.nan,
        in_band_fraction=float(counts[inside].sum() / counts.sum()) if len(counts) else math.nan,
        best_drift=state.best - state.first_best if begun else 0.0,
    )
