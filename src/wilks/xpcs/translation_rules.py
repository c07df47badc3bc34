"""Every key of a configuration of the packages homodyne and xpcsjax, and why a fit here does not need most of them.

`SECTIONS` is the schema: dotted path of a section -> its keys and the reason that is given for those of them that
`wilks.xpcs.translation` does not take over; ``[]`` stands for the entries of a list. A key that is in no section is a
typing error, which those packages pass over in silence.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """What may stand in a section.

    Attributes
    ----------
    reason
        Why its keys are not needed here.
    keys
        Names of its keys, other sections aside.
    is_open
        May anything stand in it?
    """

    reason: str
    keys: tuple[str, ...]
    is_open: bool = False


def _section(reason: str, keys: str = "", *, is_open: bool = False) -> Section:
    return Section(reason, tuple(keys.split()), is_open)


_NOT_THE_FIT = "belongs to the Bayesian part; this configuration is that of the fit"
_MADE_UP = "describes the file in words; nothing depends on it"
_EXACT = (
    "a defence against contrast and offset absorbing the flow; here they are solved exactly, for every angle, at every "
    "point, and the result says what of the information they absorb"
)
_STEPS = "tunes steps that the fit here does not make: it needs no scales, step sizes or damping to be set"
_SIZE = "how much memory and how many pieces the data take is chosen by the fit; fit.memory_limit is its only bound"
_LOG = "the command line has its own progress and messages"
_QUALITY = "the verdict on a fit has fixed rules, which the result states with its reasons"
_LAYERS = "an optional layer in front of the reader; pixels that are not finite are masked and counted here"
_GLOBAL = "the evolution strategy here works on a coarse subset of the data and sets its own sizes and tolerances"
_SEARCH = "the search here screens on a coarse subset, refines the best, and lists the different optima that it found"
_TYPE = "every parameter has a box; a distribution matters to the Bayesian part only"
_PICTURES = "pictures have one style; output.pictures says whether they are made"
_CHECKS = "always checked here, before the data are read where possible"

SECTIONS: dict[str, Section] = {
    "": _section(_MADE_UP, "analysis_mode config_version q_tolerance_fraction"),
    "metadata": _section(_MADE_UP, is_open=True),
    "analysis_settings": _section(_MADE_UP, is_open=True),
    "analyzer_parameters": _section("as in the file", "dt start_frame end_frame frame_step time_unit"),
    "analyzer_parameters.scattering": _section("as in the file", "wavevector_q"),
    "analyzer_parameters.geometry": _section("as in the file", "stator_rotor_gap"),
    "experimental_data": _section(
        "the layout of the file is recognised, and what the cache keeps of it is found by its content",
        "file_path data_folder_path data_file_name phi_angles_path phi_angles_file cache_file_path "
        "cache_filename_template cache_compression cache_directory use_caching data_type file_format exchange_key",
    ),
    "phi_filtering": _section(
        "the ranges are taken as they are written; an angle in none of them is left out",
        "enabled target_ranges fallback_to_all_angles algorithm tolerance",
    ),
    "phi_filtering.target_ranges[]": _section(_MADE_UP, "min_angle max_angle description"),
    "phi_filtering.quality_control": _section(
        "what few or badly placed angles do not determine, the result says parameter by parameter",
        "min_angles_required max_angle_spread validate_coverage require_orthogonal_angles",
    ),
    "initial_parameters": _section(
        "units are fixed, and shown with every result",
        "parameter_names values units active_parameters fixed_parameters tied_parameters",
    ),
    "initial_parameters.per_angle_scaling": _section(
        "contrast and offset follow from the other parameters in closed form, and need no start", "contrast offset"
    ),
    "parameter_space": _section("the mode says it", "model bounds"),
    "parameter_space.bounds[]": _section(_TYPE, "name min max type prior_mu prior_sigma unit log_space description"),
    "parameter_space.priors": _section(_NOT_THE_FIT, is_open=True),
    "optimization": _section("the command says what is done: `wilks xpcs fit`, `wilks xpcs profile`", "method"),
    "optimization.angle_filtering": _section(
        "phi_filtering is what selects angles", "enabled target_angle_ranges target_ranges fallback_to_all_angles"
    ),
    "optimization.nlsq": _section(
        _STEPS,
        "workflow goal memory_fraction memory_threshold_gb max_iterations tolerance ftol xtol gtol trust_region_scale "
        "verbose loss x_scale x_scale_map force_stratified_ls use_streaming",
    ),
    "optimization.nlsq.progress": _section(_LOG, "enable verbose log_interval"),
    "optimization.nlsq.diagnostics": _section(
        "always there: result.diagnostics", "enable enabled sample_size check_gradients log_jacobian_norms"
    ),
    "optimization.nlsq.streaming": _section(
        _SIZE, "enable chunk_size batch_size max_epochs learning_rate convergence_tol"
    ),
    "optimization.nlsq.stratified": _section(_SIZE, "enable target_chunk_size"),
    "optimization.nlsq.recovery": _section(
        "a fit that fails says so and why; it is not started again from other values in silence", "enable max_attempts"
    ),
    "optimization.nlsq.hybrid_streaming": _section(
        f"{_SIZE}. Large data take the same steps to the same optimum as small ones",
        "enable normalize normalization_strategy warmup_iterations max_warmup_iterations warmup_learning_rate "
        "gauss_newton_max_iterations gauss_newton_tol chunk_size trust_region_initial regularization_factor "
        "enable_checkpoints checkpoint_frequency validate_numerics verbose log_frequency enable_warm_start_detection "
        "warm_start_threshold enable_adaptive_warmup_lr warmup_lr_refinement warmup_lr_careful enable_cost_guard "
        "cost_increase_tolerance enable_step_clipping max_warmup_step_size",
    ),
    "optimization.nlsq.anti_degeneracy": _section(
        _EXACT,
        "enable execute_layers per_angle_mode constant_scaling_threshold fourier_order fourier_auto_threshold",
    ),
    "optimization.nlsq.anti_degeneracy.hierarchical": _section(
        _EXACT,
        "enable max_outer_iterations outer_tolerance physical_max_iterations per_angle_max_iterations",
    ),
    "optimization.nlsq.anti_degeneracy.regularization": _section(
        "the width of fit.regularisation is all there is to it",
        "enable mode lambda target_cv target_contribution max_cv auto_tune_lambda",
    ),
    "optimization.nlsq.anti_degeneracy.gradient_monitoring": _section(
        _EXACT, "enable ratio_threshold consecutive_triggers response"
    ),
    "optimization.nlsq.anti_degeneracy.shear_weighting": _section(
        f"{_EXACT}. To weight angles by the shear that they see, set fit.weights: "
        "{shear: {exponent: 1.0, minimum: 0.3}}",
        "enable alpha min_weight update_frequency normalize",
    ),
    "optimization.nlsq.multi_start": _section(
        _SEARCH,
        "enable n_starts seed sampling_strategy n_workers use_screening screen_keep_fraction refine_top_k "
        "refinement_ftol degeneracy_threshold",
    ),
    "optimization.nlsq.cmaes": _section(
        _GLOBAL,
        "enable preset max_generations sigma sigma_warmstart warmstart_auto_skip warmstart_skip_threshold popsize "
        "tol_fun tol_x restart_strategy max_restarts population_batch_size data_chunk_size memory_limit_gb auto_select "
        "scale_threshold normalize normalization_epsilon refine_with_nlsq refinement_workflow refinement_ftol "
        "refinement_xtol refinement_gtol refinement_max_nfev refinement_loss n_seeds",
    ),
    "optimization.nlsq.quality_validation": _section(
        _QUALITY,
        "enable reduced_chi_squared_threshold warn_on_max_restarts warn_on_bounds_hit warn_on_convergence_failure "
        "bounds_tolerance",
    ),
    "optimization.streaming": _section(
        "an interrupted fit goes on from the evaluations in its log, where it has one; there are no checkpoints to set",
        "enable_checkpoints checkpoint_dir checkpoint_frequency resume_from_checkpoint keep_last_checkpoints "
        "enable_fault_tolerance max_retries_per_batch min_success_rate batch_size adaptive_batching",
    ),
    "optimization.stratification": _section(
        _SIZE,
        "enabled target_chunk_size max_imbalance_ratio force_sequential_fallback check_memory_safety use_index_based "
        "collect_diagnostics log_diagnostics",
    ),
    "optimization.sequential": _section(
        "angle by angle is a function of its own, wilks.xpcs.sequential, and never a silent way out",
        "min_success_rate weighting",
    ),
    "optimization.recovery": _section(
        "a fit that fails says so and why; it is not started again from other values in silence",
        "enable max_attempts lr_decay lambda_growth trust_decay log_retries",
    ),
    "optimization.mcmc": _section(_NOT_THE_FIT, is_open=True),
    "optimization.cmc": _section(_NOT_THE_FIT, is_open=True),
    "noise_estimation": _section(
        "without data.sigma the noise of every angle is estimated from second differences, always", is_open=True
    ),
    "performance": _section(_SIZE, "strategy_override memory_limit_gb enable_progress"),
    "performance.memory_optimization": _section(
        _SIZE, "enabled max_memory_usage_gb chunk_size enable_caching cache_strategy"
    ),
    "performance.computation": _section(
        "the faster loops are taken when they pay; fit.kernel chooses them by hand",
        "enable_jit cpu_threads vectorization_level",
    ),
    "logging": _section(_LOG, is_open=True),
    "quality_control": _section(_LAYERS, is_open=True),
    "preprocessing": _section(_LAYERS, is_open=True),
    "data_filtering": _section(_LAYERS, is_open=True),
    "advanced_features": _section(_LAYERS, is_open=True),
    "v2_features": _section(_LAYERS, is_open=True),
    "plotting": _section(
        _PICTURES,
        "save_plots show_plots format dpi style preview_mode fit_surface correlation_function fit_quality "
        "parameter_distributions residual_analysis angle_coverage angle_correlation",
    ),
    "plotting.color_scale": _section(_PICTURES, is_open=True),
    "plotting.datashader": _section(_PICTURES, is_open=True),
    "plotting.matplotlib": _section(_PICTURES, is_open=True),
    "output": _section(
        "there is one folder for an analysis, and its files are compressed where that helps",
        "directory base_directory formats create_subdirs timestamp_dirs compress_hdf5 compression_level "
        "include_diagnostics",
    ),
    "output.formats": _section(
        "files with all numbers are json, npz and hdf5; tables are in the report", "hdf5 json csv yaml npz"
    ),
    "validation": _section(_CHECKS, is_open=True),
}

REASONS: dict[str, str] = {
    "analysis_mode": "the mode is required",
    "analyzer_parameters.time_unit": "times are in s",
    "phi_filtering.target_ranges": "without ranges, and with phi_filtering.enabled not true, all angles are taken",
    "experimental_data.phi_angles_path": "the angles are read from the data file itself",
    "experimental_data.phi_angles_file": "the angles are read from the data file itself",
    "experimental_data.file_path": "data_folder_path and data_file_name go before it",
    "experimental_data.cache_file_path": "no cache is asked for",
    "experimental_data.cache_directory": "no cache is asked for, or cache_file_path goes before it",
    "experimental_data.use_caching": "there is a cache where data.cache names a folder",
    "phi_filtering.fallback_to_all_angles": "no angle in the ranges is an error here, with a list of those there are",
    "initial_parameters.active_parameters": "all parameters are free",
    "initial_parameters.fixed_parameters": "no parameter is fixed",
    "initial_parameters.values": "no start is needed: the search finds one",
    "initial_parameters.tied_parameters": "no parameters are tied",
    "optimization.nlsq.tolerance": (
        "a relative change of chi-squared; the fit here ends when the log-likelihood gains less than fit.tolerance, "
        "far below any standard error"
    ),
    "optimization.nlsq.anti_degeneracy.constant_scaling_threshold": "contrast and offset are not averaged here",
    "optimization.nlsq.anti_degeneracy.fourier_order": "contrast and offset are no series in the angle here",
    "output.base_directory": "output.directory is the folder",
}
"""Reasons for single keys, where that of the section does not say it."""

ALTERNATIVE_TOLERANCES = ("ftol", "xtol", "gtol")
for _name in ALTERNATIVE_TOLERANCES:
    REASONS[f"optimization.nlsq.{_name}"] = REASONS["optimization.nlsq.tolerance"]

TOP_KEYS = ("analysis_mode", "analyzer_parameters", "experimental_data")
"""Any of these at the top, and a file is one of those packages."""


def keys_of(path: str) -> tuple[str, ...]:
    """Return the keys that may stand in a section, its own sections among them.

    Examples
    --------
    >>> keys_of("analyzer_parameters.geometry")
    ('stator_rotor_gap',)
    """
    prefix = f"{path}." if path else ""
    below = [name[len(prefix) :] for name in SECTIONS if name.startswith(prefix) and name]
    return (*SECTIONS[path].keys, *(name for name in below if "." not in name and "[" not in name))
