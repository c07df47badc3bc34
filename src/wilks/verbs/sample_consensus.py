"""Consensus Monte Carlo behind the verb `sample`: shards on an executor, their combination, and its verification.

Shards have a run file of their own beside that of the log, since their jobs are no points of the problem. Each shard
that is done is in it, with its draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.random import keyed_generator
from wilks.core.result import Step
from wilks.loop.stopping import MaxTime, as_rules
from wilks.samplers.certificate import Certificate, Check
from wilks.samplers.consensus.combination import Combined, combined
from wilks.samplers.consensus.heterogeneity import heterogeneity
from wilks.samplers.consensus.jobs import Sampler, ShardJobs, ShardSource
from wilks.samplers.consensus.schedule import ShardSchedule, ShardScheduleState
from wilks.samplers.consensus.sharding import default_size, split
from wilks.samplers.consensus.verification import MISSING, Points, Verified, mismatch, proposal, verified
from wilks.store.log import EvaluationLog
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_shard import sample_shard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.status import Status
    from wilks.samplers.consensus.options import Consensus
    from wilks.samplers.consensus.shard import ShardPosterior
    from wilks.samplers.importance_checks import Sample
    from wilks.samplers.known import Known
    from wilks.samplers.target import Target

_KEY_COMBINATION, _KEY_POINTS = 64, 65
_MISMATCH = 0.1
_DISAGREE = 1e-3


@dataclass(frozen=True)
class ConsensusDraws:
    """What consensus Monte Carlo returns.

    Attributes
    ----------
    method
        How the shards were combined, in words.
    samples
        Two populations: weighted to the posterior where the checks of the weights hold, to the combination otherwise;
        none if the run ended early.
    certificate
        Are all shards there, and do the weights hold?
    ended
        The status, if the run was ended from outside.
    """

    method: str
    samples: tuple[Sample, ...]
    certificate: Certificate
    ended: Status | None = None


def consensus_draws(
    context: Context, method: Consensus, target: Target, known: Known, *, sampler: Sampler = sample_shard
) -> ConsensusDraws:
    """Sample every shard, combine them, and weight the combination with the full likelihood.

    Parameters
    ----------
    context
        The call of the verb.
    method
        The settings.
    target, known
        The posterior of the whole problem, and its modes.
    sampler
        Samples one shard.

    Raises
    ------
    EvaluationError
        If too few shards could be sampled.
    InvalidConfigurationError
        If it is not known what the shards are.
    """
    source, sizes = _source(context, method, target)
    jobs = ShardJobs(source, sampler, target, known, seed=context.seed, n_attempts=1 + method.max_retries)
    order = np.argsort(-np.array(sizes), kind="stable") if sizes is not None else np.arange(source.n_shards)
    schedule = ShardSchedule(source.n_shards, tuple(order.tolist()), 1 + method.max_retries, method.min_success)
    state, ended = _sampled(context, jobs, schedule)
    if ended is not None:
        return _nothing(ended)
    schedule.require_enough(state)
    shards = [state.shards[number] for number in sorted(state.shards)]
    generator = keyed_generator(context.seed, _KEY_COMBINATION)
    combination = combined(shards, method.combination, generator)
    context.steps.append(Step("consensus", _described(combination, shards)))
    return _verified(context, method.n_verified, target, (combination, jobs, state), known)


def _source(context: Context, method: Consensus, target: Target) -> tuple[ShardSource, list[int] | None]:
    """Return the shards with their numbers of draws, and their sizes if these are known."""
    if method.shards is not None:
        n = method.n_shards or len(method.shards)  # type: ignore[arg-type]  # a function has its number
        sizes = None if method.sizes is None else list(method.sizes)
        draws = tuple(method.draws_of(size, target.dimension) for size in sizes or (None,) * n)
        return ShardSource(method.shards, draws), sizes
    problem = context.problem
    if not callable(getattr(problem, "shards", None)):
        raise InvalidConfigurationError(
            f"Consensus: problem {problem.name!r} does not say how it can be cut; "
            "give one problem for each shard, wilks.Consensus(shards=[...])"
        )
    labels = problem.labels  # type: ignore[attr-defined]  # of a ShardedProblem
    n_labels = 0 if labels is None else len(np.unique(labels))
    n_points = int(problem.n_points)  # type: ignore[attr-defined]  # as above
    size = method.max_points or default_size(n_points, target.dimension, method.n_draws, n_labels)
    strategy = "random" if labels is None and method.strategy == "balanced" else method.strategy
    n_shards = method.n_shards or max(2, -(-n_points // size))
    found = split(
        n_points,
        strategy,
        labels=labels,
        n_shards=method.n_shards if method.n_shards or n_points > size else n_shards,
        max_points=size,
        min_coverage=method.min_coverage,
        seed=context.seed,
    )
    context.steps.append(Step("shards", f"{found.n_shards} {strategy} shards of {found.sizes.min()} points or more"))
    sizes = found.sizes.tolist()
    draws = tuple(method.draws_of(size, target.dimension) for size in sizes)
    return ShardSource(tuple(problem.shards(found.indices)), draws), sizes  # type: ignore[attr-defined]  # as above


def _sampled(context: Context, jobs: ShardJobs, schedule: ShardSchedule) -> tuple[ShardScheduleState, Status | None]:
    """Have the shards sampled on the executor; the status if that was ended from outside."""
    path = context.log.path
    beside = None if path is None else path.with_name(f"{path.stem}.shards-{jobs.fingerprint[:8]}{path.suffix}")
    clocks = [rule for rule in as_rules(context.common.stop) if isinstance(rule, MaxTime)]
    with EvaluationLog(beside) as log:
        common = Common(context.common.executor, log, context.seed, clocks, context.common.callbacks)
        inner = Context(jobs, "sample", common, began=context.began)
        outcomes = inner.run(schedule, f"shards of {context.problem.name}", np.empty((0, 1)))
    state: ShardScheduleState = outcomes.state
    n_evaluations = sum(shard.n_evaluations for shard in state.shards.values())
    context.n_evaluations += n_evaluations
    n_certified = sum(shard.certified for shard in state.shards.values())
    methods = ", ".join(sorted({shard.method for shard in state.shards.values()})) or "no method"
    detail = (
        f"{len(state.shards)} of {schedule.n_shards} by {methods}, {n_certified} of them certified, "
        f"{state.n_retries} tries repeated"
    )
    if state.lost:
        number, reason = min(state.lost.items())
        detail += (
            f"; lost: {', '.join(map(str, sorted(state.lost)))}; shard {number}: {reason.strip().splitlines()[-1]}"
        )
    context.steps.append(Step("posteriors of shards", detail, n_evaluations))
    context.stats.update(
        n_shards=schedule.n_shards,
        n_shards_sampled=len(state.shards),
        n_shards_certified=n_certified,
        n_shard_retries=state.n_retries,
        n_shards_reused=outcomes.n_reused,
    )
    return state, None if schedule.terminate(state) is not None else outcomes.status


def _described(combination: Combined, shards: list[ShardPosterior]) -> str:
    test = heterogeneity([shard for shard in shards if shard.number not in combination.dropped])
    text = f"{combination.method}; {test}"
    if test.p_value < _DISAGREE:
        text += (
            ": the shards disagree; the noise may be larger than the model says, or correlated, the data may drift, or "
            "the shards have posteriors far from Gaussians"
        )
    for number, reason in combination.dropped.items():
        text += f"; shard {number} was left out: {reason}"
    return text


def _verified(
    context: Context,
    n: int,
    target: Target,
    combination_of: tuple[Combined, ShardJobs, ShardScheduleState],
    known: Known,
) -> ConsensusDraws:
    """Evaluate the full likelihood at points of the proposal, and at the reference points of the shards."""
    combination, jobs, state = combination_of
    generator = keyed_generator(context.seed, _KEY_POINTS)
    q = proposal(combination, known, generator)
    x = q.draw(generator, n)
    inside = np.isfinite(target.log_prior(x))
    thetas = target.thetas(np.concatenate([jobs.references.reshape(-1, target.dimension), x[inside]]))
    outcomes = context.run(Points(), f"verification of {context.problem.name}", target.space.to_unit(thetas), thetas)
    if Points().terminate(outcomes.state) is None:
        return _nothing(outcomes.status)
    n_references = len(jobs.references)
    log_likelihoods = np.full(n, -np.inf)
    log_likelihoods[inside] = outcomes.state.log_likelihoods[n_references:]
    found = verified(target, combination, q, x, log_likelihoods)
    n_used = len(state.shards) - len(combination.dropped)
    n_shards = jobs.source.n_shards
    checks = (Check.at_least("shards in the combination", n_used, n_shards, MISSING), *found.checks)
    _record(context, found, state, outcomes.state.log_likelihoods[:n_references], outcomes.run.n_evaluations)
    return ConsensusDraws(combination.method, found.samples, Certificate(checks))


def _record(
    context: Context, found: Verified, state: ShardScheduleState, whole: NDArray[np.float64], n_evaluations: int
) -> None:
    """Enter what the full likelihood says into the record of what was executed."""
    detail = "weighted with it, the draws are exact" if found.exact else "the consensus is biased, and left as it is"
    if not state.lost:
        apart = mismatch(np.array([shard.references for shard in state.shards.values()]), whole)
        context.stats["shards_against_whole"] = apart
        if apart > _MISMATCH:
            detail += (
                f"; within a standard deviation the log-likelihoods of shards and of the whole differ by {apart:.3g}: "
                "they are not the parts of this problem, or each has parameters of its own integrated out"
            )
    context.steps.append(Step("verification against the full likelihood", detail, n_evaluations))


def _nothing(ended: Status) -> ConsensusDraws:
    return ConsensusDraws("consensus", (), Certificate(()), ended)
