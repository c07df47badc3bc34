"""Every public name of homodyne.optimization.cmc is in its module, or in the table with what to use instead."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wilks.facades import homodyne
from wilks.facades.homodyne import cmc

PAGE = {
    "core": "fit_mcmc_jax run_cmc_analysis",
    "config": "CMCConfig",
    "model": "validate_model_output get_model_param_count xpcs_model_scaled xpcs_model_constant xpcs_model_averaged "
    "xpcs_model_constant_averaged xpcs_model_reparameterized get_xpcs_model",
    "reparameterization": "ReparamConfig",
    "priors": "estimate_contrast_offset_from_data estimate_per_angle_scaling build_prior_from_spec build_prior "
    "get_init_value validate_initial_value_bounds build_init_values_dict get_param_names_in_order "
    "validate_init_values_order build_nlsq_informed_prior build_nlsq_informed_priors extract_nlsq_values_for_cmc",
    "data_prep": "PreparedData validate_pooled_data extract_phi_info estimate_noise_scale compute_data_statistics "
    "prepare_mcmc_data shard_data_stratified shard_data_random shard_data_angle_balanced create_xdata_dict",
    "sampler": "SamplingStats SamplingPlan MCMCSamples run_nuts_sampling run_nuts_with_retry",
    "scaling": "ParameterScaling compute_scaling_factors log_scaling_factors transform_initial_values_to_z "
    "transform_samples_from_z",
    "results": "ParameterStats CMCResult create_inference_data samples_dict_from_array compute_fitted_c2",
    "diagnostics": "compute_r_hat compute_ess check_convergence create_diagnostics_dict summarize_diagnostics "
    "log_analysis_summary get_convergence_recommendations compute_posterior_contraction "
    "compute_nlsq_comparison_metrics compute_precision_analysis log_precision_analysis BimodalResult ModeCluster "
    "BimodalConsensusResult detect_bimodal check_shard_bimodality summarize_cross_shard_bimodality cluster_shard_modes",
    "io": "save_samples_npz load_samples_npz samples_to_arviz save_fitted_data_npz save_parameters_json "
    "save_diagnostics_json save_all_results",
    "plotting": "generate_diagnostic_plots plot_pair plot_forest plot_energy plot_autocorr plot_rank plot_ess "
    "plot_trace",
    "backends.base": "CMCBackend select_backend combine_shard_samples combine_shard_samples_bimodal",
    "backends.multiprocessing": "MultiprocessingBackend",
    "backends.pjit": "PjitBackend",
    "backends.pbs": "PBSBackend",
    "parameter_space": "ParameterSpace PriorDistribution",
}
ELSEWHERE = {"create_init_strategy", "sample_scaled_parameter", "SharedDataManager"}
"""What only makes sense inside a NumPyro model or a pool of one's own: a line in the table, and no name."""
PAIRS = [(module, name) for module, names in PAGE.items() for name in names.split()]
METHODS = {
    "CMCConfig": "from_dict validate is_valid should_enable_cmc get_num_shards get_adaptive_sample_counts "
    "get_effective_per_angle_mode to_dict",
    "CMCResult": "success message from_mcmc_samples get_posterior_stats get_samples_array validate_parameters summary",
    "ParameterStats": "as_array",
    "ParameterScaling": "to_normalized to_original",
    "SamplingPlan": "from_config total_samples",
    "CMCBackend": "run",
    "PBSBackend": "is_available run",
    "PjitBackend": "is_available run",
}


def test_every_name_of_the_page_is_in_its_module():
    missing = []
    for module, name in PAIRS:
        found = importlib.import_module(f"wilks.facades.homodyne.cmc.{module}")
        places = (found.__all__, cmc.__all__, homodyne.__all__)
        if not all(name in place for place in places) or getattr(cmc, name) is not getattr(found, name):
            missing.append((module, name))
    assert missing == []
    assert homodyne.fit_mcmc_jax is cmc.fit_mcmc_jax
    assert homodyne.PreparedData is homodyne.data_prep.PreparedData  # two modules have one


def test_every_method_of_the_page_is_there():
    assert [
        (cls, name) for cls, names in METHODS.items() for name in names.split() if not hasattr(getattr(cmc, cls), name)
    ] == []


def test_every_name_is_in_the_table_of_names():
    text = (Path(__file__).parents[3] / "docs" / "coming-from" / "homodyne.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in text.partition("### Posteriors")[2].splitlines() if line.startswith("| `")]
    named = {part.split(".")[-1] for row in rows for part in re.findall(r"`([\w.]+)`", row)}
    assert {name for _, name in PAIRS} | ELSEWHERE <= named


def test_an_unknown_name_is_told():
    with pytest.raises(AttributeError, match="no attribute 'fit_mcmc_jaks'"):
        cmc.fit_mcmc_jaks  # noqa: B018 - the access is what raises
    assert {"fit_mcmc_jax", "backends", "priors"} <= set(dir(cmc))


def test_names_load_on_use():
    code = (
        "import sys; from wilks.facades.homodyne import cmc; "
        "print([n for n in ('wilks.xpcs', 'wilks.facades.homodyne.cmc.core') if n in sys.modules]); "
        "cmc.fit_mcmc_jax; cmc.CMCConfig; cmc.plot_pair; cmc.PBSBackend; "
        "print([n for n in ('jax', 'numpyro', 'matplotlib', 'h5py', 'numba', 'pandas', 'arviz_base', 'distributed') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["[]", "[]"]
