r"""What a fit tells a sampler: a Gaussian for every mode, in the coordinates in which the sampler moves.

Around an optimum with the covariance C of the likelihood and a prior of mean :math:`\mu_0` and precision P_0, the
posterior is close to a Gaussian of precision and mean

.. math:: \Lambda = C^{-1} + P_0, \qquad m = \Lambda^{-1} (C^{-1} \hat x + P_0 \mu_0)                            (1)

A parameter without a standard error (at a bound, or not determined by the data) has the prior alone.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.core.status import Outcome
from wilks.loop.stopping import MaxEvaluations, MaxTime, RunInfo, as_rules
from wilks.samplers.known import Known
from wilks.solvers.result import FitResult
from wilks.store.log import EvaluationLog
from wilks.verbs.fit import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.status import Status
    from wilks.loop.stopping import StoppingRule
    from wilks.samplers.target import Target
    from wilks.verbs.context import Context, Start

    _Bell = tuple[NDArray[np.float64], NDArray[np.float64], float]

_DEPTH = 12.0
"""How far below the best optimum another one may lie and still be of interest."""
_MOST_MODES = 8
_ENDED = (
    Outcome.INTERRUPTED,
    Outcome.STOPPED_BY_CALLBACK,
    Outcome.TIME_LIMIT,
    Outcome.EVALUATION_LIMIT,
    Outcome.TARGET_REACHED,
    Outcome.NO_IMPROVEMENT,
)
_N_PRIOR = 2000
_STEP = 1e-5
_LEAST_SECONDS = 1e-3
_RELATIVE = 1e-10
_SAME = 0.1
"""Optima so few standard deviations apart are one."""


def known_from(context: Context, target: Target, start: Start, n_starts: int) -> tuple[Known, Status | None]:
    """Return the modes that a fit knows of, and the status of a search for them that was ended from outside.

    A mode of little height may hold most of the probability, so the search makes `n_starts` random starts even where
    the best optimum is found early; those of a fit that is given count.
    """
    given = start if isinstance(start, FitResult) and start.best else None
    if given is not None and given.provenance.fingerprint != context.problem.fingerprint:
        given = None  # of another likelihood or space: a place to begin
    found = given
    n_made = 0 if given is None else sum(basin.n_hits for basin in given.basins)
    if given is None or n_made < n_starts:
        places: Start = start if given is None else [given.best, *(basin.values for basin in given.basins)]
        found = _fitted(context, places, n_starts - n_made, context.log)
        if not found.best or found.status.outcome in _ENDED:
            return _nothing(target), found.status
    assert found is not None  # noqa: S101 - one of the two
    fits = [found]
    others = [
        basin.values
        for basin in sorted(found.basins, key=lambda each: -each.log_likelihood)[1:_MOST_MODES]
        if basin.log_likelihood > found.log_likelihood - _DEPTH and basin.values != found.best
    ]
    rules = as_rules(context.common.stop)
    for values in others:
        ended = _spent(context, rules)
        if ended is not None:
            return _nothing(target), ended
        fits.append(_fitted(context, values, 0, EvaluationLog()))  # in its own log: another knows better places
        if fits[-1].status.outcome in _ENDED:
            return _nothing(target), _spent(context, rules) or fits[-1].status
    bells = _apart([(*_bell(target, each), each.log_likelihood) for each in fits if each.best])
    if others:
        context.steps.append(Step("modes", f"{len(bells)} optima of the likelihood are of interest"))
    means, covariances, heights = (np.array(parts) for parts in zip(*bells, strict=True))
    return Known(means, covariances, heights), None


def _apart(bells: list[_Bell]) -> list[_Bell]:
    """One of each: an ascent that was given up on a curved ridge ends, when it is gone on with, at an optimum known."""
    kept: list[_Bell] = []
    for mean, covariance, height in bells:
        if all(_distance(mean - each[0], each[1]) > _SAME for each in kept):
            kept.append((mean, covariance, height))
    return kept


def _distance(step: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Length of a step in standard deviations."""
    size = np.sqrt(np.diag(covariance))
    size = np.where(size > 0.0, size, 1.0)
    inverse = np.linalg.pinv(covariance / np.outer(size, size), rcond=_RELATIVE, hermitian=True)
    return math.sqrt(max(float((step / size) @ inverse @ (step / size)), 0.0))


def _nothing(target: Target) -> Known:
    d = target.dimension
    return Known(np.empty((0, d)), np.empty((0, d, d)), np.empty(0), np.empty((0, d)))


def _fitted(context: Context, start: Start, n_starts: int, log: EvaluationLog) -> FitResult:
    """A fit on behalf of this call, which pays for it."""
    common = context.common
    found = fit(
        context.problem,
        start=start,
        n_starts=n_starts,
        executor=common.executor,
        log=log,
        seed=context.seed,
        stop=[_remaining(rule, context) for rule in as_rules(common.stop)],
        callbacks=common.callbacks,
    )
    context.n_evaluations += found.n_evaluations
    for name in ("n_failed", "n_reused", "n_violated"):
        context.stats[name] += found.stats.get(name, 0)
    context.steps.append(Step("fit", found.status.message, found.n_evaluations))
    return found


def _spent(context: Context, rules: Sequence[StoppingRule]) -> Status | None:
    """The status that a limit on the whole call asks for now."""
    info = RunInfo("", context.n_evaluations, 0, -math.inf, time.perf_counter() - context.began)
    limits = (rule.check(info) for rule in rules if isinstance(rule, (MaxEvaluations, MaxTime)))
    return next(filter(None, limits), None)


def _remaining(rule: StoppingRule, context: Context) -> StoppingRule:
    """What a limit on the whole call leaves for its next fit; it is not spent yet."""
    if isinstance(rule, MaxEvaluations):
        return MaxEvaluations(max(rule.remaining(context.n_evaluations), 1))
    if isinstance(rule, MaxTime):
        return MaxTime(max(rule.seconds - (time.perf_counter() - context.began), _LEAST_SECONDS))
    return rule


def _bell(target: Target, found: FitResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of equation (1), in the coordinates of the target."""
    space = target.space
    theta = space.to_theta({name: found.best[name] for name in space.free})
    u = space.to_unit(theta)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = found.covariance / np.outer(space.slope(theta), space.slope(theta))
    good = np.isfinite(np.diag(covariance)) & (np.diag(covariance) > 0)
    good &= np.isfinite(covariance[:, good]).all(axis=1) if good.any() else good
    x = target.chart.from_unit(u[None])[0]
    into = _slopes(target, u)
    precision = np.zeros((len(u), len(u)))
    if good.any():
        precision[np.ix_(good, good)] = _inverse(covariance[np.ix_(good, good)])
    back = np.linalg.pinv(into)
    precision = back.T @ precision @ back  # in the coordinates x
    drawn = target.coordinates(space.draw(keyed_generator(0), _N_PRIOR))
    spread = drawn.std(axis=0)
    prior = target.power * np.diag(1.0 / np.where(spread > 0, spread, 1.0) ** 2)
    inverse = _inverse(precision + prior)
    mean = inverse @ (precision @ x + prior @ drawn.mean(axis=0))
    return mean, inverse


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a semidefinite matrix, in units of its diagonal: what is small there is not what is precise."""
    size = np.sqrt(np.diag(matrix))
    scale = np.outer(size, size)
    return np.asarray(np.linalg.pinv(matrix / scale, rcond=_RELATIVE, hermitian=True) / scale)


def _slopes(target: Target, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivatives dx/du of the chart at a point, by differences towards the inside."""
    steps = np.where(u > 0.5, -_STEP, _STEP)
    points = np.clip(u, _STEP, 1.0 - _STEP) + np.concatenate([np.zeros((1, len(u))), np.diag(steps)])
    x = target.chart.from_unit(points)
    found = ((x[1:] - x[0]) / steps[:, None]).T
    return found if np.isfinite(found).all() else np.eye(len(u)) * math.sqrt(_STEP)
