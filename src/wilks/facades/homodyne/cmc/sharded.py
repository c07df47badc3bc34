"""Shards of pooled points as problems, for `wilks.Consensus`.

Every shard has a contrast, an offset and a sigma of its own integrated out, so that the likelihoods of the shards
do not quite multiply to that of all data. Consensus weights its draws with the likelihood of all data, so where the
shards are large enough this costs draws, and where they are not the certificate fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.homodyne.cmc.asking import with_common_sigma
from wilks.facades.homodyne.cmc.data_prep import (
    PreparedData,
    prepare_mcmc_data,
    shard_data_angle_balanced,
    shard_data_random,
    shard_data_stratified,
)
from wilks.facades.homodyne.notices import notice
from wilks.samplers.consensus.options import Consensus
from wilks.samplers.consensus.sharding import split
from wilks.xpcs.convention import Convention
from wilks.xpcs.fitting import check_question, problem_of
from wilks.xpcs.posterior.problem import MarginalProblem
from wilks.xpcs.preparation import prepare

if TYPE_CHECKING:
    from wilks.core.problem import Problem
    from wilks.facades.homodyne.cmc.asking import Asking
    from wilks.facades.homodyne.cmc.config import CMCConfig
    from wilks.xpcs.data import TwoTimeData

COMBINATIONS = {
    "robust_consensus_mc": "robust",
    "consensus_mc": "consensus",
    "weighted_gaussian": "weighted_gaussian",
    "simple_average": "simple_average",
    "auto": "auto",
}
"""Methods of homodyne -> those of `wilks.Consensus`."""
_DEPRECATED = ("weighted_gaussian", "simple_average")
_LEAST_DRAWS = 100


@dataclass(frozen=True)
class ShardMaker:
    """Makes the problem of a shard where that is sampled; the data go to the workers as pooled points."""

    shards: tuple[PreparedData, ...]
    asking: Asking

    def __call__(self, number: int) -> Problem:
        """The problem of a shard."""
        whole = self.asking.data
        data = with_common_sigma(self.shards[number].two_time_data(whole.q, whole.gap, whole.dt))
        asked = self.asking
        question = check_question(data, asked.mode, asked.scaling(), asked.parameters, Convention.homodyne(), None)
        return MarginalProblem(problem_of(question, prepare(data, question)), "integrated", bounds=question.bounds)


def pooled(data: TwoTimeData) -> PreparedData:
    """The points of matrices, every pair once."""
    first, second = np.triu_indices(data.n_t, 1)
    parts = []
    for k, phi in enumerate(data.phi.tolist()):
        matrix = np.asarray(data.c2[k], dtype=float)
        for i, j in ((first, second), (second, first)):
            values = matrix[i, j]
            known = np.isfinite(values) & (values != 0)
            parts.append((values[known], data.t[i[known]], data.t[j[known]], np.full(int(known.sum()), phi)))
    values, t1, t2, angles = (np.concatenate([part[column] for part in parts]) for column in range(4))
    return prepare_mcmc_data(values, t1, t2, angles)


def shards_of(prepared: PreparedData, config: CMCConfig, n_params: int) -> list[PreparedData]:
    """Split by the strategy of the configuration; ``"random"`` gives every shard its share of every angle."""
    n = config.get_num_shards(prepared.n_total, prepared.n_phi, n_params)
    if config.sharding_strategy == "stratified":
        return shard_data_stratified(prepared, n, seed=config.seed)
    if config.sharding_strategy == "contiguous":
        return [prepared.some(part) for part in split(prepared.n_total, "contiguous", n_shards=n).indices]
    if prepared.n_phi == 1:
        return shard_data_random(prepared, n, max_shards=n, seed=config.seed)
    size = math.ceil(prepared.n_total / n)
    number = n if config.num_shards != "auto" else None
    return shard_data_angle_balanced(
        prepared, number, size, max_shards=n, min_angle_coverage=config.min_angle_coverage, seed=config.seed
    )


def consensus_of(shards: list[PreparedData], asking: Asking, config: CMCConfig) -> Consensus:
    """The method that samples these shards and combines them."""
    if config.combination_method in _DEPRECATED:
        notice(
            f"combination_method {config.combination_method!r} ignores correlations; take 'consensus_mc'", stacklevel=6
        )
    settings: dict[str, Any] = {
        "n_draws": max(config.num_samples * config.num_chains, _LEAST_DRAWS),
        "combination": COMBINATIONS[config.combination_method],
        "min_success": config.min_success_rate,
        "sizes": [shard.n_total for shard in shards],
    }
    return Consensus(ShardMaker(tuple(shards), asking), len(shards), **settings)
