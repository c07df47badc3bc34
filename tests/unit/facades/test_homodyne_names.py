"""Every public name of the least-squares half of homodyne.optimization is there, in the module where it was."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wilks import facades
from wilks.facades import homodyne

PAGE = {
    "info": "get_optimization_info",
    "core": "NLSQResult fit_nlsq_jax fit_nlsq_multistart fit_nlsq_cmaes",
    "wrapper": "create_multistart_warmup_func NLSQWrapper",
    "adapter": "ModelCacheKey CachedModel get_or_create_model clear_model_cache get_cache_stats AdapterConfig "
    "NLSQAdapter get_adapter is_adapter_available",
    "memory": "detect_total_system_memory get_adaptive_memory_threshold estimate_peak_memory_gb NLSQStrategy "
    "StrategyDecision select_nlsq_strategy",
    "parameter_utils": "build_parameter_labels classify_parameter_status sample_xdata compute_jacobian_stats "
    "compute_consistent_per_angle_init compute_quantile_per_angle_scaling",
    "parameter_index_mapper": "ParameterIndexMapper",
    "jacobian": "compute_jacobian_stats compute_jacobian_condition_number analyze_parameter_sensitivity "
    "estimate_gradient_noise",
    "progress": "ProgressConfig HomodyneIterationLogger create_progress_callback MultiStartProgressTracker "
    "create_streaming_progress_callback",
    "transforms": "normalize_param_key normalize_x_scale_map build_per_parameter_x_scale format_x_scale_for_log "
    "parse_shear_transform_config build_physical_index_map apply_forward_shear_transforms_to_vector "
    "apply_forward_shear_transforms_to_bounds apply_inverse_shear_transforms_to_vector "
    "adjust_covariance_for_transforms wrap_model_function_with_transforms wrap_stratified_function_with_transforms",
    "results": "FunctionEvaluationCounter OptimizationResult FallbackInfo UseSequentialOptimization",
    "data_prep": "PreparedData ExpandedParameters expand_per_angle_parameters validate_bounds validate_initial_params "
    "convert_bounds_to_nlsq_format build_parameter_labels classify_parameter_status",
    "fit_computation": "compute_g2_batch compute_g2_batch_with_per_angle_scaling solve_lstsq_batch "
    "normalize_analysis_mode get_physical_param_count extract_parameters_from_result compute_theoretical_fits",
    "result_builder": "QualityMetrics compute_quality_metrics compute_uncertainties normalize_nlsq_result "
    "determine_convergence_status ResultBuilder",
    "strategies.chunking": "AngleDistributionStats StratificationDiagnostics analyze_angle_distribution "
    "estimate_stratification_memory estimate_nlsq_optimization_memory calculate_adaptive_chunk_size "
    "create_angle_stratified_data create_angle_stratified_indices StratifiedIndexIterator "
    "get_stratified_chunk_iterator should_use_stratification compute_stratification_diagnostics "
    "format_diagnostics_report",
    "strategies.residual": "StratifiedResidualFunction create_stratified_residual_function",
    "strategies.residual_jit": "StratifiedResidualFunctionJIT",
    "strategies.sequential": "AngleSubset SequentialResult split_data_by_angle optimize_single_angle "
    "combine_angle_results strip_fixed_parameters restore_fixed_parameters optimize_per_angle_sequential",
    "strategies.executors": "ExecutionResult OptimizationExecutor StandardExecutor LargeDatasetExecutor "
    "StreamingExecutor get_executor",
    "multistart": "MultiStartConfig SingleStartResult MultiStartResult check_zero_volume_bounds "
    "validate_n_starts_for_lhs generate_lhs_starts generate_random_starts include_custom_starts screen_starts "
    "detect_degeneracy get_n_workers run_multistart_nlsq",
    "cmaes_wrapper": "CMAESWrapperConfig CMAESResult CMAESWrapper fit_with_cmaes",
    "fourier_reparam": "FourierReparamConfig FourierReparameterizer create_fourier_model_wrapper",
    "hierarchical": "HierarchicalConfig HierarchicalResult HierarchicalOptimizer",
    "adaptive_regularization": "AdaptiveRegularizationConfig AdaptiveRegularizer",
    "gradient_monitor": "GradientMonitorConfig CollapseEvent GradientCollapseMonitor "
    "create_gradient_function_with_monitoring",
    "shear_weighting": "ShearWeightingConfig ShearSensitivityWeighting create_shear_weighting",
    "anti_degeneracy_controller": "AntiDegeneracyConfig AntiDegeneracyController",
    "config": "safe_float safe_int safe_bool HybridRecoveryConfig NLSQConfig",
    "config_manager": "ConfigManager",
    "adapter_base": "NLSQAdapterBase",
    "validation.input_validator": "InputValidator validate_array_dimensions validate_no_nan_inf "
    "validate_bounds_consistency validate_initial_params",
    "validation.result_validator": "ResultValidator validate_optimized_params validate_covariance "
    "validate_result_consistency",
    "validation.fit_quality": "FitQualityConfig FitQualityReport validate_fit_quality",
    "checkpoint_manager": "CheckpointManager",
    "gradient_diagnostics": "compute_gradient_norms compute_optimal_x_scale diagnose_gradient_imbalance "
    "print_gradient_report",
    "exceptions": "NLSQOptimizationError NLSQConvergenceError NLSQNumericalError NLSQCheckpointError",
    "recovery_strategies": "RecoveryStrategyApplicator",
    "batch_statistics": "BatchStatistics",
    "numerical_validation": "NumericalValidator",
}
PAIRS = [(module, name) for module, names in PAGE.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_name_of_homodyne(module, name):
    found = importlib.import_module(f"wilks.facades.homodyne.{module}")
    assert hasattr(found, name)
    assert name in found.__all__
    assert hasattr(homodyne, name)
    assert name in homodyne.__all__


def test_every_name_is_in_the_table_of_names():
    text = (Path(__file__).parents[3] / "docs" / "coming-from" / "homodyne.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in text.partition("## Names")[2].splitlines() if line.startswith("| `")]
    named = {part.split(".")[-1] for row in rows for part in re.findall(r"`([\w.]+)`", row)}
    whole = {module for row in rows if "all names" in row for module in re.findall(r"`(?:nlsq\.)?([\w.]+)`", row)}
    assert [pair for pair in PAIRS if pair[1] not in named and pair[0] not in whole] == []


def test_there_is_one_function_of_a_name_unless_two_modules_differ():
    several = {}
    for module, name in PAIRS:
        found = importlib.import_module(f"wilks.facades.homodyne.{module}")
        several.setdefault(name, set()).add(getattr(found, name))
    # The one of data_prep clips to the bounds, the one of validation says whether that is needed.
    assert [name for name, found in several.items() if len(found) > 1] == ["validate_initial_params"]
    assert homodyne.validate_initial_params is homodyne.data_prep.validate_initial_params


@pytest.mark.parametrize("module", sorted(homodyne._NAMES))
def test_the_package_names_what_its_modules_name(module):
    found = importlib.import_module(f"wilks.facades.homodyne.{module}")
    assert set(homodyne._NAMES[module]) <= set(found.__all__)
    for name in found.__all__:
        assert name in homodyne.__all__ or f"{module}.{name}" in NOT_ABOVE, name


NOT_ABOVE = {"strategies.sequential.SequentialFailedError"}


def test_the_facade_is_there():
    assert facades.homodyne is homodyne
    assert {"fit_nlsq_jax", "validation", "strategies"} <= set(dir(homodyne))
    with pytest.raises(AttributeError, match="no attribute 'fit_nlsq_jacks'"):
        homodyne.fit_nlsq_jacks  # noqa: B018 - the access is what raises


def test_names_load_on_use():
    code = (
        "import sys; from wilks.facades import homodyne; "
        "print([n for n in ('wilks.xpcs.fitting', 'wilks.facades.homodyne.core') if n in sys.modules]); "
        "homodyne.fit_nlsq_jax; "
        "print([n for n in ('jax', 'matplotlib', 'h5py', 'numba', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["[]", "[]"]
