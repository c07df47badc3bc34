"""Sampling of one shard: importance sampling, and Markov chains where its weights cannot be trusted.

This runs where the shard is, in a worker process perhaps, without a log of its own.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import StopRun
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome
from wilks.samplers.chains import chain_checks
from wilks.samplers.consensus.shard import ShardSample
from wilks.samplers.ensemble_options import Ensemble
from wilks.samplers.importance import AdaptiveImportance, ImportanceSampler
from wilks.samplers.importance_checks import pooled
from wilks.samplers.nuts_options import Nuts
from wilks.samplers.psis import systematic
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_ensemble import ensemble_draws
from wilks.verbs.sample_nuts import gradient_source, nuts_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.status import Status
    from wilks.samplers.chains import Chains
    from wilks.samplers.consensus.jobs import ShardTask
    from wilks.samplers.importance_state import ImportanceState

_KEY = 66
_N_CHAINS, _N_STARTS = 4, 400
_OF_NUMBER = ("importance ESS", "bulk ESS", "tail ESS")
"""Checks that fail where there are few draws, good as they may be."""


def sample_shard(task: ShardTask) -> ShardSample:
    """Sample a shard.

    Parameters
    ----------
    task
        The shard, and how many draws are wanted of it.

    Raises
    ------
    EvaluationError
        If its likelihood fails everywhere.
    """
    context = Context(task.problem, "sample", Common(seed=task.seed, callbacks=()))
    sample, x = _by_importance(context, task)
    if sample.certified:
        return sample
    target, known = task.target, replace(task.known, draws=x)
    theta = target.thetas(x[:1])[0]
    if importlib.util.find_spec("numpyro") is not None and gradient_source(task.problem, theta):
        nuts = Nuts(n_chains=_N_CHAINS, n_draws=max(task.n_draws // _N_CHAINS, 100))
        chains, method = nuts_draws(context, nuts, target, known), "NUTS"
    else:
        chains, method = ensemble_draws(context, Ensemble(n_draws=task.n_draws), target, known), "ensemble sampling"
    _hand_on(chains.ended)
    return _of_chains(chains, task, context.n_evaluations, method)


def _by_importance(context: Context, task: ShardTask) -> tuple[ShardSample, NDArray[np.float64]]:
    """Importance sampling, and equally weighted draws of it."""
    sampler = ImportanceSampler(AdaptiveImportance(ess=task.n_draws), task.target, task.known)
    outcomes = context.run(sampler, "importance sampling of a shard", np.empty((0, task.target.dimension)))
    _hand_on(outcomes.status)
    state: ImportanceState = outcomes.state
    samples = sampler.samples(state)
    whole = pooled(samples)
    x = np.concatenate([population.x for population in state.populations])
    kept = np.isfinite(whole.smoothed[0])
    assert state.certificate is not None  # noqa: S101 - the run was not ended from outside
    failed = {check.name for check in state.certificate.failures}
    log_weights = whole.smoothed[0][kept]
    sample = ShardSample(
        x[kept], log_weights, whole.ess, failed <= set(_OF_NUMBER), context.n_evaluations, "importance sampling"
    )
    if not kept.any():
        return sample, np.empty((0, task.target.dimension))
    rows = systematic(np.exp(log_weights), _N_STARTS, keyed_generator(context.seed, _KEY))
    return sample, x[kept][rows]


def _of_chains(chains: Chains, task: ShardTask, n_evaluations: int, method: str) -> ShardSample:
    names = task.target.space.free
    draws = {name: chains.thetas[:, :, column] for column, name in enumerate(names)}
    checks = [*chain_checks(draws, chains.sampling), *chains.checks]
    ess = next(check.value for check in checks if check.name == "bulk ESS")
    certified = all(check.ok for check in checks if check.name not in _OF_NUMBER)
    x = task.target.coordinates(chains.thetas.reshape(-1, len(names)))
    log_weights: NDArray[np.float64] = np.full(len(x), -math.log(len(x)))
    return ShardSample(x, log_weights, ess, certified, n_evaluations, method)


def _hand_on(status: Status | None) -> None:
    """Let what ended the sampling of a shard from outside end the run too: half a shard is none."""
    outcome = None if status is None else status.outcome
    if outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    if outcome is Outcome.STOPPED_BY_CALLBACK:
        raise StopRun
