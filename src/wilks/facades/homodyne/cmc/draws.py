"""Draws with what was recorded of them, and how a posterior of wilks becomes such draws.

The names are those of homodyne, in the order contrast of every angle, offset of every angle, physical parameters;
``sigma`` is among the samples and not among the names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.homodyne.config_manager import their_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.facades.homodyne.cmc.config import CMCConfig
    from wilks.xpcs.posterior.result import XpcsPosterior


@dataclass
class SamplingPlan:
    """Lengths of the chains for a shard.

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.config import CMCConfig
    >>> plan = SamplingPlan.from_config(CMCConfig(), shard_size=2000, n_params=7)
    >>> plan.n_warmup, plan.n_samples, plan.was_adapted, plan.total_samples
    (140, 350, True, 1400)
    """

    n_warmup: int
    n_samples: int
    n_chains: int
    shard_size: int
    n_params: int
    was_adapted: bool

    @classmethod
    def from_config(cls, config: CMCConfig, shard_size: int, n_params: int) -> SamplingPlan:
        """Lengths by `CMCConfig.get_adaptive_sample_counts`."""
        warmup, samples = config.get_adaptive_sample_counts(shard_size, n_params)
        adapted = (warmup, samples) != (config.num_warmup, config.num_samples)
        return cls(warmup, samples, config.num_chains, shard_size, n_params, adapted)

    @property
    def total_samples(self) -> int:
        """Draws of all chains."""
        return self.n_samples * self.n_chains


@dataclass
class SamplingStats:
    """Times in s, divergences, and the averages over all draws of what the sampler recorded."""

    warmup_time: float = 0.0
    sampling_time: float = 0.0
    total_time: float = 0.0
    num_divergent: int = 0
    accept_prob: float = 0.0
    step_size: float = 0.0
    step_size_min: float | None = None
    step_size_max: float | None = None
    inverse_mass_matrix_summary: str | None = None
    tree_depth: float = 0.0
    plan: SamplingPlan | None = None


@dataclass
class MCMCSamples:
    """Draws.

    Attributes
    ----------
    samples
        Name -> draws, shape (n_chains, n_samples).
    param_names
        Names of the parameters, in their order.
    n_chains, n_samples
        Numbers of chains, and of the draws of each.
    extra_fields
        What the sampler recorded of every draw, by the names that ArviZ knows.
    num_shards
        Shards that were combined; 1 for the posterior of all data.
    shard_adapted_n_warmup
        Warmup of the chains of shards, where it was adapted.
    bimodal_consensus
        A `BimodalConsensusResult` where shards with several modes were combined.
    """

    samples: dict[str, NDArray[Any]]
    param_names: list[str]
    n_chains: int
    n_samples: int
    extra_fields: dict[str, NDArray[Any]] = field(default_factory=dict)
    num_shards: int = 1
    shard_adapted_n_warmup: int | None = None
    bimodal_consensus: Any = None


@dataclass
class Drawn:
    """A posterior of wilks in the form of homodyne."""

    samples: MCMCSamples
    stats: SamplingStats
    posterior: XpcsPosterior


def drawn_of(posterior: XpcsPosterior, config: CMCConfig, n_shards: int = 1) -> Drawn:
    """Return draws and statistics of a posterior.

    All time is sampling time: the engine does not measure the warmup apart.
    """
    samples = named_draws(posterior)
    recorded = posterior.sampling
    n_chains, n_draws = posterior.n_chains, posterior.n_draws
    found = MCMCSamples(
        samples, [name for name in samples if name != "sigma"], n_chains, n_draws, dict(recorded), n_shards
    )

    def average(name: str) -> float:
        return float(np.mean(recorded[name])) if name in recorded else 0.0

    steps = recorded.get("step_size")
    plan = SamplingPlan(config.num_warmup, n_draws, n_chains, posterior.n_data, len(posterior.names), False)
    stats = SamplingStats(
        sampling_time=posterior.provenance.seconds,
        total_time=posterior.provenance.seconds,
        num_divergent=int(np.sum(recorded["diverging"])) if "diverging" in recorded else 0,
        accept_prob=average("acceptance_rate"),
        step_size=average("step_size"),
        step_size_min=None if steps is None else float(np.min(steps)),
        step_size_max=None if steps is None else float(np.max(steps)),
        tree_depth=average("tree_depth"),
        plan=plan,
    )
    return Drawn(found, stats, posterior)


def named_draws(posterior: XpcsPosterior) -> dict[str, NDArray[np.float64]]:
    """Name -> draws, shape (chain, draw), what is fixed included; sigma is that of an angle with data."""
    found: dict[str, NDArray[np.float64]] = {}
    for what, values in (("contrast", posterior.contrast), ("offset", posterior.offset)):
        found |= {f"{what}_{k}": values[..., k] for k in range(values.shape[-1])}
    shape = posterior.log_likelihoods.shape
    for name in posterior.space.names:
        constant: Any = posterior.space.constants.get(name)
        found[their_name(name)] = posterior.draws[name] if constant is None else np.full(shape, float(constant))
    known = np.flatnonzero(np.isfinite(posterior.sigma).all(axis=(0, 1)))
    return found | {"sigma": posterior.sigma[..., known[0] if len(known) else 0]}
