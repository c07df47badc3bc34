"""The interface of homodyne on `wilks.xpcs`: its dictionaries, its configuration, its numbers.

Everything is fitted by `wilks.xpcs.fit`, and sampled by `wilks.xpcs.sample`, with `wilks.xpcs.Convention.homodyne`.
The half of consensus Monte Carlo is the package `cmc`. Names load on use.
"""

from __future__ import annotations

from typing import Any

from wilks.facades.homodyne.cmc import NAMES as _CMC
from wilks.facades.homodyne.lazy import looked_up

_HERE = "wilks.facades.homodyne"
_NAMES: dict[str, tuple[str, ...]] = {
    **{f"cmc.{module}": names for module, names in _CMC.items()},
    "adapter": (
        "AdapterConfig",
        "CachedModel",
        "ModelCacheKey",
        "NLSQAdapter",
        "clear_model_cache",
        "get_adapter",
        "get_cache_stats",
        "get_or_create_model",
        "is_adapter_available",
    ),
    "adapter_base": ("NLSQAdapterBase",),
    "adaptive_regularization": ("AdaptiveRegularizationConfig", "AdaptiveRegularizer"),
    "anti_degeneracy_controller": ("AntiDegeneracyConfig", "AntiDegeneracyController"),
    "batch_statistics": ("BatchStatistics",),
    "checkpoint_manager": ("CheckpointManager",),
    "cmaes_wrapper": ("CMAESResult", "CMAESWrapper", "CMAESWrapperConfig", "fit_with_cmaes"),
    "config": ("HybridRecoveryConfig", "NLSQConfig", "safe_bool", "safe_float", "safe_int"),
    "config_manager": ("ConfigManager",),
    "core": ("fit_nlsq_cmaes", "fit_nlsq_jax", "fit_nlsq_multistart"),
    "data_prep": (
        "ExpandedParameters",
        "PreparedData",
        "build_parameter_labels",
        "classify_parameter_status",
        "convert_bounds_to_nlsq_format",
        "expand_per_angle_parameters",
        "validate_bounds",
        "validate_initial_params",
    ),
    "exceptions": ("NLSQCheckpointError", "NLSQConvergenceError", "NLSQNumericalError", "NLSQOptimizationError"),
    "fit_computation": (
        "compute_g2_batch",
        "compute_g2_batch_with_per_angle_scaling",
        "compute_theoretical_fits",
        "extract_parameters_from_result",
        "get_physical_param_count",
        "normalize_analysis_mode",
        "solve_lstsq_batch",
    ),
    "fourier_reparam": ("FourierReparamConfig", "FourierReparameterizer", "create_fourier_model_wrapper"),
    "gradient_diagnostics": (
        "compute_gradient_norms",
        "compute_optimal_x_scale",
        "diagnose_gradient_imbalance",
        "print_gradient_report",
    ),
    "gradient_monitor": (
        "CollapseEvent",
        "GradientCollapseMonitor",
        "GradientMonitorConfig",
        "create_gradient_function_with_monitoring",
    ),
    "hierarchical": ("HierarchicalConfig", "HierarchicalOptimizer", "HierarchicalResult"),
    "info": ("get_optimization_info",),
    "jacobian": (
        "analyze_parameter_sensitivity",
        "compute_jacobian_condition_number",
        "compute_jacobian_stats",
        "estimate_gradient_noise",
    ),
    "memory": (
        "DEFAULT_MEMORY_FRACTION",
        "NLSQStrategy",
        "StrategyDecision",
        "detect_total_system_memory",
        "estimate_peak_memory_gb",
        "get_adaptive_memory_threshold",
        "select_nlsq_strategy",
    ),
    "multistart": (
        "MultiStartConfig",
        "MultiStartResult",
        "SingleStartResult",
        "check_zero_volume_bounds",
        "detect_degeneracy",
        "generate_lhs_starts",
        "generate_random_starts",
        "get_n_workers",
        "include_custom_starts",
        "run_multistart_nlsq",
        "screen_starts",
        "validate_n_starts_for_lhs",
    ),
    "notices": ("HomodyneWarning", "NoEffectWarning"),
    "numerical_validation": ("NumericalValidator",),
    "parameter_index_mapper": ("ParameterIndexMapper",),
    "parameter_utils": (
        "compute_consistent_per_angle_init",
        "compute_quantile_per_angle_scaling",
        "sample_xdata",
    ),
    "progress": (
        "HomodyneIterationLogger",
        "MultiStartProgressTracker",
        "ProgressConfig",
        "create_progress_callback",
        "create_streaming_progress_callback",
    ),
    "recovery_strategies": ("RecoveryStrategyApplicator",),
    "result_builder": (
        "QualityMetrics",
        "ResultBuilder",
        "compute_quality_metrics",
        "compute_uncertainties",
        "determine_convergence_status",
        "normalize_nlsq_result",
    ),
    "results": (
        "FallbackInfo",
        "FunctionEvaluationCounter",
        "NLSQResult",
        "OptimizationResult",
        "UseSequentialOptimization",
    ),
    "shear_weighting": ("ShearSensitivityWeighting", "ShearWeightingConfig", "create_shear_weighting"),
    "strategies.chunking": (
        "AngleDistributionStats",
        "StratificationDiagnostics",
        "StratifiedIndexIterator",
        "analyze_angle_distribution",
        "calculate_adaptive_chunk_size",
        "compute_stratification_diagnostics",
        "create_angle_stratified_data",
        "create_angle_stratified_indices",
        "estimate_nlsq_optimization_memory",
        "estimate_stratification_memory",
        "format_diagnostics_report",
        "get_stratified_chunk_iterator",
        "should_use_stratification",
    ),
    "strategies.executors": (
        "ExecutionResult",
        "LargeDatasetExecutor",
        "OptimizationExecutor",
        "StandardExecutor",
        "StreamingExecutor",
        "get_executor",
    ),
    "strategies.residual": ("StratifiedResidualFunction", "create_stratified_residual_function"),
    "strategies.residual_jit": ("StratifiedResidualFunctionJIT",),
    "strategies.sequential": (
        "AngleSubset",
        "SequentialResult",
        "combine_angle_results",
        "optimize_per_angle_sequential",
        "optimize_single_angle",
        "restore_fixed_parameters",
        "split_data_by_angle",
        "strip_fixed_parameters",
    ),
    "transforms": (
        "adjust_covariance_for_transforms",
        "apply_forward_shear_transforms_to_bounds",
        "apply_forward_shear_transforms_to_vector",
        "apply_inverse_shear_transforms_to_vector",
        "build_per_parameter_x_scale",
        "build_physical_index_map",
        "format_x_scale_for_log",
        "normalize_param_key",
        "normalize_x_scale_map",
        "parse_shear_transform_config",
        "wrap_model_function_with_transforms",
        "wrap_stratified_function_with_transforms",
    ),
    "validation.fit_quality": ("FitQualityConfig", "FitQualityReport", "validate_fit_quality"),
    "validation.input_validator": (
        "InputValidator",
        "validate_array_dimensions",
        "validate_bounds_consistency",
        "validate_no_nan_inf",
    ),
    "validation.result_validator": (
        "ResultValidator",
        "validate_covariance",
        "validate_optimized_params",
        "validate_result_consistency",
    ),
    "wrapper": ("NLSQWrapper", "create_multistart_warmup_func"),
}
"""Module -> names that this package has of it. Where two modules have one, it is that of ``data_prep`` of the fits."""

_LAZY = {name: module for module, names in _NAMES.items() for name in names}
_MODULES = frozenset(module.split(".")[0] for module in _NAMES)

__all__ = sorted(_LAZY)  # noqa: PLE0605 - the list above


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    return looked_up(_HERE, name, _LAZY)


def __dir__() -> list[str]:
    return sorted([*_LAZY, *_MODULES])
