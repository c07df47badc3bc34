"""fit_nlsq_jax and the two adapters: the data that they take, the numbers that they return, and what they refuse."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.core.status import Outcome, Status
from wilks.facades.homodyne import (
    AdapterConfig,
    ConfigManager,
    HomodyneWarning,
    NLSQAdapter,
    NLSQConfig,
    NLSQWrapper,
    clear_model_cache,
    fit_nlsq_cmaes,
    fit_nlsq_jax,
    fit_nlsq_multistart,
    get_adapter,
    get_cache_stats,
    get_optimization_info,
    get_or_create_model,
    is_adapter_available,
    validate_fit_quality,
)
from wilks.facades.homodyne.core import Task
from wilks.facades.homodyne.measurement import direct_form, measurement
from wilks.facades.homodyne.outcome import vector
from wilks.facades.homodyne.question import Asked

TRUTH = {"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}
FLOW = TRUTH | {"gamma_dot_0": 6e-2, "beta": -0.4, "gamma_dot_offset": 0.0, "phi0": -5.0}
T = 0.1 * np.arange(50)


def simulated(truth=TRUTH, phi=(0.0, 90.0), sigma=0.01, contrast=0.3, t=T):
    flow = "gamma_dot_0" in truth
    geometry = xpcs.Geometry(t, 0.1, 0.0054, 2e6 if flow else None, phi, convention=xpcs.Convention.homodyne())
    return xpcs.simulate(
        truth,
        geometry,
        contrast=contrast,
        sigma=sigma,
        mode="laminar_flow" if flow else "static",
        seed=3,
    )


def direct(made, **more):
    return {"phi": made.phi, "g2": made.c2, "t1": made.t, "t2": made.t, "q": 0.0054, "sigma": 0.01, **more}


def settings(mode="static", **nlsq):
    return {"analysis_mode": mode, "optimization": {"nlsq": {"loss": "linear", "progress": {"enable": False}, **nlsq}}}


STATIC = simulated()
DATA = direct(STATIC)


@pytest.fixture(scope="module")
def fitted():
    return fit_nlsq_jax(DATA, ConfigManager(config_override=settings()))


def test_the_numbers_are_those_of_the_engine(fitted):
    own = xpcs.fit(STATIC, "static", convention=xpcs.Convention.homodyne(), seed=42, callbacks=())
    assert fitted.parameter_names == ("contrast_0", "contrast_1", "offset_0", "offset_1", "D0", "alpha", "D_offset")
    assert np.allclose(fitted.parameters[4:], list(own.physical.values()), rtol=1e-6, atol=1e-3)
    assert np.allclose(fitted.parameters[:2], own.contrast, rtol=1e-6)
    assert np.allclose(fitted.uncertainties[4:], [own.standard_errors[name] for name in TRUTH], rtol=1e-4)
    assert np.allclose(fitted.uncertainties[:4], [*own.contrast_errors, *own.offset_errors], rtol=1e-4)
    assert fitted.chi_squared == pytest.approx(own.chi_squared)
    assert fitted.reduced_chi_squared == pytest.approx(own.chi_squared / own.dof)
    assert fitted.success
    assert fitted.convergence_status == "converged"
    assert fitted.iterations > 0
    assert not fitted.sigma_is_default
    assert fitted.fit.convention == xpcs.Convention.homodyne()


def test_the_truth_is_found(fitted):
    truth = [0.3, 0.3, 1.0, 1.0, *TRUTH.values()]
    assert (np.abs(fitted.parameters - truth) < 4 * fitted.uncertainties).all()
    assert 0.9 < fitted.reduced_chi_squared < 1.1


def test_both_formats_are_the_same(fitted):
    grid1, grid2 = np.meshgrid(T, T, indexing="ij")
    loader = {
        "phi_angles_list": STATIC.phi,
        "c2_exp": STATIC.c2,
        "t1": grid1,
        "t2": grid2,
        "wavevector_q_list": np.array([0.0054, 0.0054]),
        "sigma": 0.01 * np.ones_like(STATIC.c2),
        "dt": 0.1,
    }
    assert not measurement(xpcs.TwoTimeData(STATIC.c2, T, STATIC.phi, 0.0054)).sigma_is_default
    for given in (loader, SimpleNamespace(**DATA), STATIC):
        result = fit_nlsq_jax(given, settings(), TRUTH)
        assert np.allclose(result.parameters, fitted.parameters, rtol=1e-4, atol=1e-3)
        assert result.chi_squared == pytest.approx(fitted.chi_squared)


def test_usage_example_of_the_page(capsys):
    t1, t2, c2, phi_rad, q2_phi_t1_t2 = T, T, STATIC.c2, np.deg2rad(STATIC.phi), np.full((2, 50, 50), 0.0054**2)
    initial_params = [1e4, 0.0, 0.0]
    result = fit_nlsq_jax(
        t1=t1,
        t2=t2,
        c2=c2,
        q2_phi_t1_t2=q2_phi_t1_t2,
        phi_rad=phi_rad,
        initial_params=initial_params,
        mode="static",
    )
    print(f"Best-fit D0: {result.parameters[0]:.2f}")  # noqa: T201 - the example
    printed = float(capsys.readouterr().out.removeprefix("Best-fit D0: "))
    assert abs(printed - 2e4) < 5 * result.uncertainties[0]
    assert result.parameter_names[:4] == ("D0", "alpha", "D_offset", "contrast_0")
    assert np.allclose(np.sqrt(np.diag(result.covariance)), result.uncertainties)


def test_flow_in_the_names_and_the_convention_of_homodyne():
    made = simulated(FLOW, phi=(-60.0, -20.0, 20.0, 80.0))
    config = settings("laminar_flow") | {
        "initial_parameters": {"fixed_parameters": {"D_offset": 0.0, "gamma_dot_t_offset": 0.0}},
        "parameter_space": {"bounds": [{"name": "gamma_dot_t0", "min": 1e-4, "max": 0.5}]},
    }
    result = fit_nlsq_jax(direct(made), config)
    values = result.values()
    assert list(values)[8:] == ["D0", "alpha", "D_offset", "gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]
    errors = dict(zip(result.parameter_names, result.uncertainties, strict=True))
    for name, ours in (("gamma_dot_t0", "gamma_dot_0"), ("phi0", "phi0"), ("D0", "D0"), ("beta", "beta")):
        assert abs(values[name] - FLOW[ours]) < 4 * errors[name]
    assert values["D_offset"] == errors["D_offset"] == 0.0  # fixed parameters are fixed
    assert result.covariance.shape == (15, 15)


def test_missing_sigma_is_the_documented_one_with_true_errors(fitted):
    made = simulated(sigma=0.03)
    given = direct(made)
    result = fit_nlsq_jax({key: value for key, value in given.items() if key != "sigma"}, settings(), TRUTH)
    plain = fit_nlsq_jax(given | {"sigma": 0.01}, settings(), TRUTH)
    known = fit_nlsq_jax(given | {"sigma": 0.03}, settings(), TRUTH)
    assert result.sigma_is_default
    assert not plain.sigma_is_default
    assert result.chi_squared == pytest.approx(plain.chi_squared)
    assert np.array_equal(result.parameters, plain.parameters)
    assert np.allclose(result.uncertainties, known.uncertainties, rtol=0.03)
    assert not np.allclose(plain.uncertainties, known.uncertainties, rtol=0.5)
    assert (result.quality_flag, plain.quality_flag) == ("good", "poor")


def test_robust_loss_is_the_default():
    result = fit_nlsq_jax(DATA, {"analysis_mode": "static", "optimization": {"nlsq": {}}}, TRUTH)
    assert result.fit.loss == "soft_l1"
    without = {key: value for key, value in DATA.items() if key != "sigma"}
    assert fit_nlsq_jax(without, {}).nlsq_diagnostics["covariance_factor"] == 1.0


def test_a_poor_local_fit_is_searched_again(fitted):
    config = settings()
    far = {"D0": 1e5, "alpha": 2.0, "D_offset": 9e4}
    result = fit_nlsq_jax(DATA, config, far)
    assert np.allclose(result.parameters, fitted.parameters, rtol=1e-3, atol=1.0)
    near = fit_nlsq_jax(DATA, config, TRUTH)
    assert near.recovery_actions == []
    assert np.allclose(near.parameters, fitted.parameters, rtol=1e-3, atol=1.0)
    assert fitted.recovery_actions == ["no initial values were given: the whole box was searched"]


def stand_in(log_likelihood, chi_squared, flag):
    return SimpleNamespace(
        status=SimpleNamespace(success=True, message="Converged."),
        quality=SimpleNamespace(flag=flag, reasons=()),
        log_likelihood=log_likelihood,
        chi_squared=chi_squared,
    )


@pytest.mark.parametrize(("log_likelihood", "taken"), [(-5.0, "search"), (-50.0, "local")])
def test_recovery_takes_the_better_fit(log_likelihood, taken):
    fits = {"local": stand_in(-10.0, 20.0, "poor"), "multi_start": stand_in(log_likelihood, 10.0, "good")}
    question = SimpleNamespace(
        fit=lambda measured, method, start: fits[method], nlsq=SimpleNamespace(enable_recovery=True)
    )
    found, (action,) = Task(None, question, {"D0": 1.0}).local()
    assert found is fits["multi_start" if taken == "search" else "local"]
    assert ("chi-squared 10 for 20" in action) == (taken == "search")


def test_recovery_says_what_it_did():
    wrong = direct(STATIC) | {"sigma": 0.002}  # no fit is good with this sigma
    result = fit_nlsq_jax(wrong, settings(), TRUTH)
    (action,) = result.recovery_actions
    assert "the fit from the initial values was poor (Reduced chi-squared is" in action
    assert fit_nlsq_jax(wrong, settings(recovery={"enable": False}), TRUTH).recovery_actions == []
    several = fit_nlsq_jax(wrong, settings(multi_start={"enable": True, "n_starts": 1}), TRUTH)
    assert "the best of the fits from the starts was poor (Reduced chi-squared is" in several.recovery_actions[-1]


def test_configuration_made_by_a_script():
    config = settings(x_scale_map={"D0": np.float64(2.0)}, max_iterations=np.int64(50))
    config["parameter_space"] = {"bounds": ({"name": "D0", "min": np.float32(1e3), "max": np.int64(50000)},)}
    result = fit_nlsq_jax(DATA, config, TRUTH)
    assert result.fit.space["D0"].upper == 50000
    assert "optimization.nlsq.x_scale_map" in result.nlsq_diagnostics["without_effect"]


def test_what_has_no_effect_is_listed_and_nothing_else():
    config = settings(recovery={"enable": True, "max_attempts": 3}, multi_start={"enable": False, "n_starts": 4})
    listed = fit_nlsq_jax(DATA, config, TRUTH).nlsq_diagnostics["without_effect"]
    assert list(listed) == ["optimization.nlsq.recovery.max_attempts"]


def test_start_outside_its_bounds_is_moved_with_a_warning():
    with pytest.warns(HomodyneWarning, match=r"D0 = 1e\+09 is outside 100 to 100000"):
        result = fit_nlsq_jax(DATA, settings(), {"D0": 1e9, "contrast": 0.5, "offset_1": 1.0})
    assert result.success


def test_several_wave_vectors_are_warned_of():
    loader = {
        "phi_angles_list": STATIC.phi,
        "c2_exp": STATIC.c2,
        "t1": T,
        "t2": T,
        "wavevector_q_list": [0.0054, 0.006],
    }
    with pytest.warns(HomodyneWarning, match="wave vectors from 0.0054 to 0.006"):
        assert measurement(loader).data.q == 0.0054


def test_angles_keep_their_matrices_in_any_order(fitted):
    turned = DATA | {"phi": STATIC.phi[::-1], "g2": STATIC.c2[::-1]}
    result = fit_nlsq_jax(turned, settings(), TRUTH)
    order = [1, 0, 3, 2, 4, 5, 6]
    assert np.allclose(result.parameters, fitted.parameters[order], rtol=1e-4, atol=1.0)


def test_halves_dead_pixels_and_the_diagonal(fitted):
    half = np.triu(STATIC.c2)
    half[:, np.arange(50), np.arange(50)] = 99.0
    assert np.allclose(
        fit_nlsq_jax(DATA | {"g2": half}, settings(), TRUTH).parameters, fitted.parameters, rtol=1e-4, atol=1.0
    )
    half[0, 3, 9] = np.nan
    result = fit_nlsq_jax(DATA | {"g2": half}, settings(), TRUTH)
    assert result.nlsq_diagnostics["n_masked"] == 1


def test_angle_without_data():
    c2 = np.array(STATIC.c2)
    c2[0] = np.nan
    result = fit_nlsq_jax(DATA | {"g2": c2}, settings(), TRUTH)
    assert np.isnan(result.parameters[[0, 2]]).all()
    assert np.isfinite(result.parameters[[1, 3, 4, 5]]).all()
    assert np.isnan(result.covariance[0]).all()
    assert np.isfinite(result.uncertainties[[1, 3, 4, 5]]).all()


@pytest.mark.parametrize(
    ("mode", "kind"), [("auto", "individual"), ("individual", "individual"), ("constant", "constant")]
)
def test_scaling_of_the_configuration(mode, kind):
    result = fit_nlsq_jax(DATA, settings(anti_degeneracy={"per_angle_mode": mode}), TRUTH)
    assert result.nlsq_diagnostics["scaling"] == kind
    assert result.parameters.shape == (7,)
    fixed = result.uncertainties[:4] == 0
    assert fixed.all() == (kind == "constant")


def test_shared_scaling_has_the_same_errors_everywhere():
    fit = xpcs.fit(STATIC, "static", scaling="averaged", seed=1, callbacks=())
    _, values, covariance = vector(fit)
    assert values[0] == values[1]
    assert covariance[0, 1] == pytest.approx(covariance[0, 0])
    assert covariance[0, 0] == pytest.approx(fit.contrast_errors[0] ** 2)
    assert np.linalg.eigvalsh(covariance / np.abs(np.outer(values, values) + 1e-9)).min() > -1e-9


def test_one_that_is_not_determined_is_infinite():
    made = simulated(TRUTH | {"D0": 1e4}, contrast=0.0)
    result = fit_nlsq_jax(direct(made), settings())
    assert np.isinf(result.uncertainties[4:]).any()
    assert result.quality_flag == "poor"
    assert result.nlsq_diagnostics["not_identifiable"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"g2": STATIC.c2[0]}, "expected the shape"),
        ({"g2": None}, r"c2_exp \(g2\) missing"),
        ({"phi": None}, r"phi_angles_list \(phi\) missing"),
        ({"t1": T[:30], "t2": T[:30]}, "30 times"),
        ({"t2": T + 1.0}, "different axes"),
        ({"t1": np.ones((50, 50)) * T * T[:, None]}, "a grid of them that varies along one axis only"),
        ({"q": 0.0}, "q must be positive"),
        ({"q": []}, "at least one wave vector"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"sigmas": 0.1}, "unknown key 'sigmas'.*did you mean 'sigma'"),
        ({"c2_exp": STATIC.c2}, "'c2_exp' and 'g2' are the same"),
        ({"dt": 0.2}, "dt is 0.2 s, but the median spacing of t is 0.1"),
    ],
)
def test_data_that_cannot_be_used(change, message):
    with pytest.raises(InvalidDataError, match=message):
        fit_nlsq_jax(DATA | change, settings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": settings(los="linear")}, "unknown key 'los'"),
        ({"config": settings(loss="cauchi")}, "loss: expected one of"),
        ({"config": settings() | {"analysis_mod": "static"}}, "analysis_mod"),
        ({"config": settings("flow")}, "mode: expected"),
        ({"config": 3.0}, "expected a ConfigManager, its dictionary, an NLSQConfig or None, got a float"),
        ({"config": "config.yaml"}, "read it by ConfigManager"),
        ({"initial_params": {"D1": 1.0}}, "'D1' is no parameter of 'static'; known are D0, alpha"),
        ({"initial_params": [1.0, 2.0]}, "expected 3 physical parameters"),
        ({"initial_params": {"D0": np.nan}}, "D0 is nan"),
        ({"per_angle_scaling": False}, "per_angle_scaling: expected True"),
        ({"t1": T}, "give data or the arrays t1, not both"),
    ],
)
def test_arguments_that_cannot_be_used(change, message):
    given = {"config": settings(), **change}
    with pytest.raises(InvalidConfigurationError, match=message):
        fit_nlsq_jax(DATA, **given)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "t1, t2, c2, q2_phi_t1_t2, phi_rad missing"),
        ({"c3": 1}, "no argument 'c3'"),
    ],
)
def test_keywords_that_cannot_be_used(arrays, message):
    with pytest.raises(ValueError, match=message):
        fit_nlsq_jax(**arrays)


def test_angles_of_keywords_are_radians():
    squares = np.full((2, 50, 50), 0.0054**2)
    found = direct_form(
        {"t1": T, "t2": T, "c2": STATIC.c2, "phi_rad": [0.0, np.pi / 2], "q2_phi_t1_t2": squares, "L": 1e6}
    )
    assert np.allclose(found["phi"], [0.0, 90.0])
    assert found["q"] == pytest.approx(0.0054)
    assert measurement(found, gap=3e6).data.gap == 1e6
    assert measurement(found | {"L": None}, gap=3e6).data.gap == 3e6


def test_squares_of_several_wave_vectors():
    arrays = {"t1": T, "t2": T, "c2": STATIC.c2, "phi_rad": [0.0, 1.0]}
    with pytest.raises(InvalidDataError, match="the square of one wave vector"):
        fit_nlsq_jax(**arrays, q2_phi_t1_t2=np.array([1e-5, 2e-5]))


def test_global_methods_are_chosen_by_the_configuration():
    many = settings(multi_start={"enable": True, "n_starts": 2, "use_screening": False})
    assert fit_nlsq_jax(DATA, many).device_info["method"] == "multi-start"
    assert fit_nlsq_jax(DATA, many, TRUTH, _skip_global_selection=True).device_info["method"] == "nlsq"
    assert fit_nlsq_jax(DATA, many, use_adapter=True).device_info["adapter"] == "NLSQAdapter"
    for function in (fit_nlsq_multistart, fit_nlsq_cmaes):
        with pytest.raises(ValueError, match="enable is false"):
            function(DATA, settings())
        with pytest.raises(ValueError, match="per_angle_scaling"):
            function(DATA, many, per_angle_scaling=False)


def test_multistart_example_of_the_page(tmp_path, capsys, fitted):
    (tmp_path / "config.yaml").write_text(
        "analysis_mode: static\noptimization: {nlsq: {loss: linear, progress: {enable: false}, "
        "multi_start: {enable: true, n_starts: 6, custom_starts: [[20000.0, -0.5, 0.0]]}}}"
    )
    data = DATA
    config = ConfigManager(tmp_path / "config.yaml")
    # Ensure multi_start.enable: true in config
    result = fit_nlsq_multistart(data, config, {"D0": 1e3})
    print(f"Best chi2: {result.best.chi_squared:.4g}")  # noqa: T201 - the example
    print(f"Strategy used: {result.strategy_used}")  # noqa: T201 - the example
    if result.degeneracy_detected:
        print(f"Warning: {result.n_unique_basins} distinct basins found")  # noqa: T201 - the example
    assert capsys.readouterr().out.startswith("Best chi2: ")
    assert result.strategy_used == "full"
    assert len(result.all_results) == 2 + 3  # initial values, custom start, half of the design
    assert len(result.screening_costs) == 3
    assert [each.start_idx for each in result.all_results] == list(range(5))
    assert result.all_results[0].initial_params[0] == 1e3
    assert result.best.chi_squared == pytest.approx(fitted.chi_squared, rel=1e-5)
    chi_squared = xpcs.problem(STATIC, "static", convention=xpcs.Convention.homodyne())
    start = dict(zip(TRUTH, result.all_results[2].initial_params, strict=True))
    assert result.screening_costs[0] == pytest.approx(-2 * chi_squared.log_likelihood(start))
    plain = result.to_optimization_result()
    assert np.allclose(plain.parameters, fitted.parameters, rtol=1e-3, atol=1.0)
    assert plain.nlsq_diagnostics["multi_start"]["n_starts"] == 5
    assert plain.execution_time == result.total_wall_time
    again = fit_nlsq_multistart(data, config, {"D0": 1e3})
    assert [each.chi_squared for each in again.all_results] == [each.chi_squared for each in result.all_results]


EXAMPLES = {
    "multi_start": """
    multi_start:
      enable: true
      n_starts: 10
      seed: 42
      sampling_strategy: latin_hypercube
      use_screening: true
      screen_keep_fraction: 0.5
      refine_top_k: 3
      degeneracy_threshold: 0.1
""",
    "constant": """
    # Use constant mode to reduce parameters (53 → 9)
    anti_degeneracy:
      enable: true
      per_angle_mode: "constant"
      constant_scaling_threshold: 3
    multi_start:
      enable: true
      n_starts: 20 # ~2x for 9 params
      use_screening: true
      screen_keep_fraction: 0.5 # 10 full fits
      seed: 42
""",
    "cmaes": """
    cmaes:
      enable: true # Enable CMA-ES global optimization
      preset: "cmaes" # "cmaes-fast" (50), "cmaes" (100), "cmaes-global" (200)
      max_generations: 100 # Maximum CMA-ES generations
      sigma: 0.5 # Initial step size (fraction of bounds)
      tol_fun: 1.0e-8 # Function tolerance
      tol_x: 1.0e-8 # Parameter tolerance
      restart_strategy: "bipop" # "none" or "bipop"
      max_restarts: 9 # Maximum BIPOP restarts
      population_batch_size: null # null = auto, or explicit batch size
      data_chunk_size: null # null = auto, or explicit chunk size
      refine_with_nlsq: true # Refine with NLSQ TRF after CMA-ES
      auto_select: true # Auto-select CMA-ES vs multi-start
      scale_threshold: 1000.0 # Scale ratio threshold
      # NLSQ TRF Refinement Settings
      refinement_workflow: "auto" # "auto", "standard", "streaming"
      refinement_ftol: 1.0e-10 # Tighter for local refinement
      refinement_xtol: 1.0e-10
      refinement_gtol: 1.0e-10
      refinement_max_nfev: 500 # Bounded iterations
      refinement_loss: "linear" # "linear", "soft_l1", "huber"
""",
    "streaming": """
    # Memory threshold for automatic streaming mode (GB)
    memory_threshold_gb: 16.0
    # Force streaming mode regardless of memory (default: false)
    use_streaming: false
    # Streaming optimizer settings
    streaming:
      batch_size: 10000 # Points per mini-batch
      max_epochs: 50 # Maximum training epochs
      learning_rate: 0.001 # L-BFGS line search scale
      convergence_tol: 1e-6 # Convergence tolerance
""",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_configurations_of_the_page(name, tmp_path):
    (tmp_path / "config.yaml").write_text("optimization:\n  nlsq:" + EXAMPLES[name], encoding="utf-8")
    manager = ConfigManager(tmp_path / "config.yaml")
    assert NLSQConfig.from_yaml(str(tmp_path / "config.yaml")).is_valid()
    result = fit_nlsq_jax(DATA, manager, TRUTH, _skip_global_selection=True)
    assert result.success
    assert (result.nlsq_diagnostics["scaling"] == "constant") == (name == "constant")


ONLY_D0 = {"initial_parameters": {"fixed_parameters": {"alpha": -0.5}}}
CMAES = {"enable": True, "max_restarts": 1}


def test_cmaes_example_of_the_page(capsys):
    data = DATA
    config = ConfigManager(config_override=settings(cmaes={**CMAES, "scale_threshold": 1.5}) | ONLY_D0)
    # Ensure cmaes.enable: true in config
    result = fit_nlsq_cmaes(data, config)
    print(f"Chi2: {result.chi_squared:.4e}")  # noqa: T201 - the example
    print(f"Method: {result.device_info['method']}")  # noqa: T201 - the example
    assert capsys.readouterr().out.endswith("Method: cmaes\n")
    assert abs(result.values()["D0"] - 2e4) < 4 * result.uncertainties[4]
    report = result.nlsq_diagnostics["cmaes"]
    assert report == {"scale_ratio": pytest.approx(2e5 / 99900), "skipped": False}
    assert result.device_info["convergence_reason"] == "converged"
    assert validate_fit_quality(result).checks_performed["cmaes_convergence"]


def test_what_the_configuration_says_of_other_data_is_said():
    analyzer = {"dt": 0.2, "start_frame": 11, "scattering": {"wavevector_q": 0.006}, "geometry": {}}
    config = settings() | {"analyzer_parameters": analyzer, "phi_filtering": {"enabled": False}}
    with pytest.warns(HomodyneWarning) as caught:
        result = fit_nlsq_jax(DATA | {"dt": 0.1}, config, TRUTH)
    texts = [str(each.message) for each in caught]
    assert "dt is 0.2 s in the configuration and 0.1 s in the data, which go before it" in texts
    assert "q is 0.006 1/Å in the configuration and 0.0054 1/Å in the data, which go before it" in texts
    assert {each.filename for each in caught} == {__file__}
    unused = result.nlsq_diagnostics["without_effect"]
    assert {"analyzer_parameters.start_frame", "analyzer_parameters.scattering.wavevector_q"} <= set(unused)


@pytest.mark.parametrize("adapter", [NLSQWrapper, NLSQAdapter])
def test_a_mode_that_overrules_the_configuration_is_said(adapter):
    with pytest.warns(HomodyneWarning, match="'static_isotropic', the default if.*before 'laminar_flow'") as caught:
        result = adapter().fit(DATA, settings("laminar_flow"), TRUTH)
    assert caught[0].filename == __file__
    assert result.parameter_names[-1] == "D_offset"


def test_cmaes_is_skipped_after_a_good_start():
    good = fit_nlsq_cmaes(DATA, settings(cmaes=CMAES), TRUTH)
    assert good.nlsq_diagnostics["cmaes"]["skipped"]
    assert good.device_info["convergence_reason"] == "warm_start"
    assert good.nlsq_diagnostics["cmaes"]["chi_squared_improvement"] == 0.0
    never = settings(cmaes={**CMAES, "warmstart_auto_skip": False, "auto_select": False}) | ONLY_D0
    assert not fit_nlsq_cmaes(DATA, never, TRUTH).nlsq_diagnostics["cmaes"]["skipped"]


def test_a_search_whose_fits_do_not_converge_has_used_up_its_restarts(monkeypatch, fitted):
    unfinished = replace(fitted.fit, status=Status(Outcome.NOT_CONVERGED))
    monkeypatch.setattr(Asked, "fit", lambda *_: unfinished)
    result = fit_nlsq_cmaes(DATA, settings(cmaes={**CMAES, "auto_select": False}))
    assert result.device_info["convergence_reason"] == "max_restarts"
    assert not validate_fit_quality(result).checks_performed["cmaes_convergence"]


def test_cmaes_is_left_out_where_it_is_of_no_use():
    low = settings(cmaes={**CMAES, "scale_threshold": 1e9})
    assert "local fit in place of CMA-ES" in fit_nlsq_cmaes(DATA, low, TRUTH).recovery_actions[0]
    both = settings(cmaes={**CMAES, "scale_threshold": 1e9}, multi_start={"enable": True, "n_starts": 2})
    result = fit_nlsq_jax(DATA, both, TRUTH)
    assert result.device_info["method"] == "multi-start"
    assert "multi-start in place of CMA-ES" in result.recovery_actions[-1]


def test_wrapper_takes_vectors_and_bounds(fitted):
    lower = np.array([0.0, 0.5, 1e3, -1.0, 0.0])
    upper = np.array([1.0, 1.5, 1e5, 0.0, 0.0])
    config = NLSQConfig(loss="linear", enable_progress_bar=False)
    wrapper = NLSQWrapper(enable_large_dataset=True)
    result = wrapper.fit(DATA, config, np.array([0.3, 1.0, 1e4, -0.2, 0.0]), (lower, upper), "static_isotropic")
    assert result.values()["D_offset"] == 0.0
    assert result.device_info["adapter"] == "NLSQWrapper"
    assert abs(result.values()["D0"] - 2e4) < 4 * result.uncertainties[4]
    assert (result.fit.space["D0"].lower, result.fit.space["alpha"].upper) == (1e3, 0.0)
    expanded = np.array([0.3, 0.3, 1.0, 1.0, 1e4, -0.2, 0.0])
    wide = (np.r_[[0.0] * 2, [0.5] * 2, lower[2:]], np.r_[[1.0] * 2, [1.5] * 2, upper[2:]])
    again = wrapper.fit(DATA, config, expanded, wide, diagnostics_enabled=True, shear_transforms={"log": True})
    assert np.allclose(again.parameters, result.parameters, rtol=1e-4)
    assert set(again.nlsq_diagnostics["absorption"]) == {"D0", "alpha"}
    assert "shear_transforms" in again.nlsq_diagnostics["without_effect"]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (([1.0, 0.0, 0.0], [0.0, 1.0, 1.0]), r"not so at \[0\]"),
        (([1.0], [2.0]), "expected 3 physical parameters"),
        (([0.3, 1.0, 1.0, 0.0, 0.0], [0.3, 1.0, 2.0, 1.0, 1.0]), "per_angle_mode='constant'"),
    ],
)
def test_wrapper_refuses_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        NLSQWrapper().fit(DATA, None, None, bounds)


def test_adapter_example_of_the_page():
    data, initial_params, analysis_mode = DATA, np.array([1e4, 0.0, 0.0]), "static_isotropic"
    bounds = (np.array([100.0, -2.0, -1e5]), np.array([1e5, 2.0, 1e5]))
    config = AdapterConfig(
        enable_cache=True,  # Model caching (default: True)
        enable_jit=True,  # JIT compilation (default: True)
        enable_recovery=True,  # NLSQ recovery system
        goal="quality",  # Optimization goal
    )
    adapter = NLSQAdapter(config)
    result = adapter.fit(data, config, initial_params, bounds, analysis_mode)
    assert result.device_info["fallback"]["adapter_used"] == "NLSQAdapter"
    assert result.success
    assert adapter.workflow_available
    assert is_adapter_available()


def test_adapter_says_what_has_no_effect():
    adapter = get_adapter(AdapterConfig(goal="fast", enable_recovery=False))
    controller = SimpleNamespace(scaling=xpcs.Scaling.averaged(), fit_options=lambda options: options)
    result = adapter.fit(
        DATA, None, anti_degeneracy_controller=controller, per_angle_scaling_initial={"contrast": [0.3]}
    )
    assert {"goal", "per_angle_scaling_initial"} <= set(result.nlsq_diagnostics["without_effect"])
    assert result.fit.scaling == controller.scaling
    with pytest.raises(InvalidConfigurationError, match="goal: expected one of"):
        AdapterConfig(goal="quick")
    with pytest.raises(InvalidConfigurationError, match="expected an AdapterConfig"):
        NLSQAdapter({"goal": "fast"})


def test_cache_example_of_the_page(capsys):
    clear_model_cache()
    get_or_create_model("static_isotropic", np.array([0.0]), 0.001)
    _, _, hit = get_or_create_model("static", np.array([0.0, 0.0]), 0.001)
    # View cache statistics
    stats = get_cache_stats()
    print(f"Hits: {stats['hits']}, Misses: {stats['misses']}")  # noqa: T201 - the example
    # Clear cache (useful for testing)
    n_cleared = clear_model_cache()
    assert capsys.readouterr().out == "Hits: 1, Misses: 1\n"
    assert hit
    assert (stats["size"], n_cleared) == (1, 1)
    assert get_cache_stats() == {"hits": 0, "misses": 0, "size": 0}


def test_cache_forgets_the_model_that_was_not_used_longest():
    clear_model_cache()
    for k in range(64):
        get_or_create_model("static", np.array([0.0]), 0.001 + k)
    get_or_create_model("static", np.array([0.0]), 0.001)
    get_or_create_model("static", np.array([0.0]), 99.0)
    assert get_cache_stats()["size"] == 64
    assert get_or_create_model("static", np.array([0.0]), 0.001)[2]
    assert not get_or_create_model("static", np.array([0.0]), 1.001)[2]
    clear_model_cache()


def test_model_function_is_the_model_of_the_fit():
    made = simulated(FLOW, phi=(-60.0, 20.0), sigma=0.0)
    config = {"analyzer_parameters": {"geometry": {"stator_rotor_gap": 2e6}}}
    _, model_func, _ = get_or_create_model("laminar_flow", np.deg2rad(made.phi), 0.0054, config=config)
    i, j = np.triu_indices(50, 1)
    x = np.vstack([np.column_stack([T[i], T[j], np.full(len(i), k)]) for k in (0, 1)])
    found = model_func(x, 0.3, 1.0, *FLOW.values())
    assert np.allclose(found, np.concatenate([made.c2[k][i, j] for k in (0, 1)]))
    other = get_or_create_model("laminar_flow", np.deg2rad(made.phi), 0.0054, config={})[1]
    assert np.allclose(other(x, 0.3, 0.3, 1.0, 1.0, *FLOW.values()), found)
    clear_model_cache()


@pytest.mark.parametrize(
    ("given", "message"),
    [(("flow", [0.0], 1.0), "mode"), (("static", [], 1.0), "phi_angles"), (("static", [0.0], 0.0), "q: expected")],
)
def test_models_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        get_or_create_model(*given)


def test_model_refuses_points_of_another_shape():
    model, _, _ = get_or_create_model("static", [0.0], 0.001)
    with pytest.raises(InvalidConfigurationError, match="expected points of shape"):
        model.predict(np.ones((3, 2)), np.ones(5))
    clear_model_cache()


def test_information():
    info = get_optimization_info()
    assert info["status"]["nlsq_available"]
    assert info["primary_method"] == "nlsq"
    assert all(isinstance(text, str) for text in info["recommendations"])


def test_cmaes_is_not_skipped_after_a_poor_start():
    wrong = direct(STATIC) | {"sigma": 0.01 / 1.8}
    result = fit_nlsq_cmaes(wrong, settings(cmaes={**CMAES, "auto_select": False}), TRUTH)
    assert 1.5 < result.reduced_chi_squared < 5
    assert not result.nlsq_diagnostics["cmaes"]["skipped"]


def test_cmaes_never_ends_worse_than_it_began(monkeypatch, fitted):
    worse = replace(fitted.fit, log_likelihood=fitted.fit.log_likelihood - 100)
    monkeypatch.setattr(Asked, "fit", lambda *args: worse if "cma_es" in args else fitted.fit)
    config = settings(cmaes={**CMAES, "auto_select": False, "warmstart_auto_skip": False})
    assert fit_nlsq_cmaes(DATA, config, TRUTH).fit is fitted.fit
