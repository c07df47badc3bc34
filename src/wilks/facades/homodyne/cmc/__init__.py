"""The names of ``homodyne.optimization.cmc``, on `wilks.xpcs.sample` and `wilks.Consensus`.

They translate arguments in and results out, and hold no algorithm. Names load on use.
"""

from __future__ import annotations

from typing import Any

from wilks.facades.homodyne.lazy import looked_up

_HERE = "wilks.facades.homodyne.cmc"
NAMES: dict[str, tuple[str, ...]] = {
    "backends.base": ("CMCBackend", "combine_shard_samples", "combine_shard_samples_bimodal", "select_backend"),
    "backends.multiprocessing": ("MultiprocessingBackend",),
    "backends.pbs": ("PBSBackend",),
    "backends.pjit": ("PjitBackend",),
    "config": ("CMCConfig",),
    "core": ("fit_mcmc_jax", "run_cmc_analysis"),
    "data_prep": (
        "PreparedData",
        "compute_data_statistics",
        "create_xdata_dict",
        "estimate_noise_scale",
        "extract_phi_info",
        "prepare_mcmc_data",
        "shard_data_angle_balanced",
        "shard_data_random",
        "shard_data_stratified",
        "validate_pooled_data",
    ),
    "diagnostics": (
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
    ),
    "io": (
        "load_samples_npz",
        "samples_to_arviz",
        "save_all_results",
        "save_diagnostics_json",
        "save_fitted_data_npz",
        "save_parameters_json",
        "save_samples_npz",
    ),
    "model": (
        "XpcsModel",
        "get_model_param_count",
        "get_xpcs_model",
        "validate_model_output",
        "xpcs_model_averaged",
        "xpcs_model_constant",
        "xpcs_model_constant_averaged",
        "xpcs_model_reparameterized",
        "xpcs_model_scaled",
    ),
    "parameter_space": ("ParameterSpace", "PriorDistribution"),
    "plotting": (
        "generate_diagnostic_plots",
        "plot_autocorr",
        "plot_energy",
        "plot_ess",
        "plot_forest",
        "plot_pair",
        "plot_rank",
        "plot_trace",
    ),
    "priors": (
        "build_init_values_dict",
        "build_nlsq_informed_prior",
        "build_nlsq_informed_priors",
        "build_prior",
        "build_prior_from_spec",
        "estimate_contrast_offset_from_data",
        "estimate_per_angle_scaling",
        "extract_nlsq_values_for_cmc",
        "get_init_value",
        "get_param_names_in_order",
        "validate_init_values_order",
        "validate_initial_value_bounds",
    ),
    "reparameterization": (
        "ReparamConfig",
        "compute_t_ref",
        "transform_to_physics_space",
        "transform_to_sampling_space",
    ),
    "results": (
        "CMCResult",
        "ParameterStats",
        "compute_fitted_c2",
        "create_inference_data",
        "samples_dict_from_array",
    ),
    "sampler": ("MCMCSamples", "SamplingPlan", "SamplingStats", "run_nuts_sampling", "run_nuts_with_retry"),
    "scaling": (
        "ParameterScaling",
        "compute_scaling_factors",
        "log_scaling_factors",
        "transform_initial_values_to_z",
        "transform_samples_from_z",
    ),
}
"""Module -> names that this package has of it."""

_LAZY = {name: module for module, names in NAMES.items() for name in names}
_MODULES = frozenset(module.split(".")[0] for module in NAMES)

__all__ = sorted(_LAZY)  # noqa: PLE0605 - the list above


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    return looked_up(_HERE, name, _LAZY)


def __dir__() -> list[str]:
    return sorted([*_LAZY, *_MODULES])
