"""Which settings of `CMCConfig` steer something here, and why the others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wilks.facades.homodyne.cmc.config import CMCConfig

_ADAPTS = "the method adapts itself, and goes on until its certificate holds or it gives up"
_EXACT = (
    "the posterior is that of all data: no shards were asked for (enable: true, num_shards or max_points_per_shard)"
)
_STRICTER = "a posterior converged where every check of its certificate holds, and its limits are stricter"
_CHART = "the coordinates of the engine are always such ones"
_ALL = {
    "num_warmup": _ADAPTS,
    "chain_method": "chains of one process run together",
    "target_accept_prob": _ADAPTS,
    "dense_mass": _ADAPTS,
    "adaptive_sampling": _ADAPTS,
    "max_tree_depth": _ADAPTS,
    "min_warmup": _ADAPTS,
    "min_samples": _ADAPTS,
    "enable_jax_profiling": "profile with the tools of JAX around the call",
    "jax_profile_dir": "profile with the tools of JAX around the call",
    "max_r_hat": _STRICTER,
    "min_ess": _STRICTER,
    "max_divergence_rate": _STRICTER,
    "min_points_for_cmc": "shards are combined only where they are asked for in so many words",
    "heartbeat_timeout": "a worker that dies is noticed at once, and one that hangs by per_shard_timeout",
    "min_success_rate_warning": "a missing shard is always told, and the result has not converged then",
    "max_parameter_cv": "whether shards agree is tested by chi-squared",
    "heterogeneity_abort": "the certificate refuses what the full likelihood does not confirm",
    "early_abort_threshold": "always one half",
    "prior_tempering": "always: otherwise the prior would count once for every shard",
    "bimodal_min_weight": "modes are told by the valley between them",
    "bimodal_min_separation": "modes are told by the valley between them",
    "reparameterization_d_total": _CHART,
    "reparameterization_log_gamma": _CHART,
}
_SHARDS = (
    "sharding_strategy",
    "backend_name",
    "combination_method",
    "min_success_rate",
    "per_shard_timeout",
    "min_points_per_shard",
    "min_points_per_param",
    "min_angle_coverage",
)


def without_effect(config: CMCConfig, *, sharded: bool) -> dict[str, str]:
    """Name and reason of every setting that is not at its default and changes nothing.

    Examples
    --------
    >>> from wilks.facades.homodyne.cmc.config import CMCConfig
    >>> list(without_effect(CMCConfig(num_warmup=200, backend_name="pbs"), sharded=True))
    ['num_warmup']
    """
    reasons = _ALL if sharded else _ALL | dict.fromkeys(_SHARDS, _EXACT)
    return {name: reasons[name] for name in config.not_default() if name in reasons}
