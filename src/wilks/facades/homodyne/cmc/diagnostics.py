"""Diagnostics of draws: `convergence`, `precision` against prior and fit, and `bimodality` of shards."""

from __future__ import annotations

from wilks.facades.homodyne.cmc.bimodality import (
    BimodalConsensusResult,
    BimodalResult,
    ModeCluster,
    check_shard_bimodality,
    cluster_shard_modes,
    detect_bimodal,
    summarize_cross_shard_bimodality,
)
from wilks.facades.homodyne.cmc.convergence import (
    DEFAULT_MAX_DIVERGENCE_RATE,
    DEFAULT_MAX_RHAT,
    DEFAULT_MIN_ESS,
    check_convergence,
    compute_ess,
    compute_r_hat,
    create_diagnostics_dict,
    get_convergence_recommendations,
    log_analysis_summary,
    summarize_diagnostics,
)
from wilks.facades.homodyne.cmc.precision import (
    compute_nlsq_comparison_metrics,
    compute_posterior_contraction,
    compute_precision_analysis,
    log_precision_analysis,
)

__all__ = [
    "DEFAULT_MAX_DIVERGENCE_RATE",
    "DEFAULT_MAX_RHAT",
    "DEFAULT_MIN_ESS",
    "BimodalConsensusResult",
    "BimodalResult",
    "ModeCluster",
    "check_convergence",
    "check_shard_bimodality",
    "cluster_shard_modes",
    "compute_ess",
    "compute_nlsq_comparison_metrics",
    "compute_posterior_contraction",
    "compute_precision_analysis",
    "compute_r_hat",
    "create_diagnostics_dict",
    "detect_bimodal",
    "get_convergence_recommendations",
    "log_analysis_summary",
    "log_precision_analysis",
    "summarize_cross_shard_bimodality",
    "summarize_diagnostics",
]
