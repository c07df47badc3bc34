"""Regularisation, monitor of the gradient, weights of the angles, and the controller that joins them."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.adaptive_regularization import AdaptiveRegularizationConfig, AdaptiveRegularizer
from wilks.facades.homodyne.anti_degeneracy_controller import AntiDegeneracyConfig, AntiDegeneracyController
from wilks.facades.homodyne.gradient_monitor import (
    GradientCollapseMonitor,
    GradientMonitorConfig,
    create_gradient_function_with_monitoring,
)
from wilks.facades.homodyne.shear_weighting import (
    ShearSensitivityWeighting,
    ShearWeightingConfig,
    create_shear_weighting,
)

PARAMS = np.array([0.3, 0.32, 0.25, 1.0, 1.01, 0.99, 5.0, 6.0])

# ---- regularisation --------------------------------------------------------------------------------------------------


def test_regularisation_example_of_the_page():
    params = np.r_[np.linspace(0.25, 0.35, 23), np.ones(23), np.zeros(7)]
    config = AdaptiveRegularizationConfig(target_cv=0.10, target_contribution=0.10)
    regularizer = AdaptiveRegularizer(config, n_phi=23)
    reg_term = regularizer.compute_regularization(params, mse=0.04, n_points=23_000_000)

    assert regularizer.lambda_value == pytest.approx(10.0)
    cv = params[:23].std() / params[:23].mean()
    assert reg_term == pytest.approx(10.0 * cv**2 * 0.04 * 23_000_000)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 10.0 * (0.10151449**2 + 0.00816497**2) * 0.04 * 1000),
        ({"auto_tune_lambda": False, "lambda_base": 3.0}, 3.0 * (0.10151449**2 + 0.00816497**2) * 0.04 * 1000),
        ({"mode": "absolute"}, 10.0 * (PARAMS[:3].var() + PARAMS[3:6].var()) * 1000),
        ({"mode": "auto"}, 10.0 * (PARAMS[:3].var() + PARAMS[3:6].var()) * 1000),
        ({"group_indices": [(0, 3)]}, 10.0 * 0.10151449**2 * 0.04 * 1000),
        ({"enable": False}, 0.0),
    ],
)
def test_penalty_in_every_mode_with_its_gradient(options, expected):
    regularizer = AdaptiveRegularizer(AdaptiveRegularizationConfig(**options), n_phi=3, n_params=8)
    assert regularizer.compute_regularization(PARAMS, 0.04, 1000) == pytest.approx(expected, rel=1e-5)
    step = 1e-6 * np.eye(8)
    numeric = [
        (regularizer.compute_regularization(PARAMS + s, 0.04, 1000)
         - regularizer.compute_regularization(PARAMS - s, 0.04, 1000)) / 2e-6
        for s in step
    ]  # fmt: skip
    gradient = regularizer.compute_regularization_gradient(PARAMS, 0.04, 1000)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5)


def test_many_angles_are_relative_in_auto_mode():
    assert AdaptiveRegularizer(AdaptiveRegularizationConfig(mode="auto"), n_phi=6).is_relative


def test_jax_compiles_and_differentiates_the_penalty():
    regularizer = AdaptiveRegularizer(AdaptiveRegularizationConfig(), n_phi=3)

    def penalty(params):
        return regularizer.compute_regularization_jax(params, 0.04, 1000)

    given = jnp.asarray(PARAMS)
    assert float(jax.jit(penalty)(given)) == pytest.approx(regularizer.compute_regularization(PARAMS, 0.04, 1000), 1e-4)
    expected = regularizer.compute_regularization_gradient(PARAMS, 0.04, 1000)
    np.testing.assert_allclose(jax.grad(penalty)(given), expected, rtol=1e-3, atol=1e-2)


def test_violations_are_named_and_logged(caplog):
    regularizer = AdaptiveRegularizer(AdaptiveRegularizationConfig(), n_phi=3)
    assert regularizer.check_constraint_violation(PARAMS) == {}
    with caplog.at_level(logging.WARNING):
        found = regularizer.check_constraint_violation(PARAMS * [1, 2, 1, 1, 1, 1, 1, 1])
    assert set(found) == {"group_0_contrast"}
    assert found["group_0_contrast"]["cv"] == pytest.approx(0.436813, rel=1e-5)
    assert "group_0_contrast" in caplog.text
    assert regularizer.check_constraint_violation(np.r_[-1.0, 0.0, 1.0, PARAMS[3:]])["group_0_contrast"]["cv"] == np.inf


def test_diagnostics_of_the_last_penalty_and_wrong_groups():
    regularizer = AdaptiveRegularizer(AdaptiveRegularizationConfig(), n_phi=3)
    value = regularizer.compute_regularization(PARAMS, 0.04, 1000)
    found = regularizer.get_diagnostics()
    assert found["last_reg_contribution"] == value
    assert found["last_cv_values"][0] == pytest.approx(0.10151449)
    with pytest.raises(InvalidConfigurationError, match="group_indices"):
        AdaptiveRegularizer(AdaptiveRegularizationConfig(group_indices=[(0, 9)]), n_phi=3, n_params=8)


# ---- monitor ---------------------------------------------------------------------------------------------------------

LOW = np.array([1, 1, 1, 1, 1, 1, 1e-4, 1e-4])


def monitor_of(**options):
    return GradientCollapseMonitor(GradientMonitorConfig(**options), [6, 7], range(6))


def test_monitor_example_of_the_page():
    responses = []
    params = np.r_[np.full(6, 0.5), np.ones(7)]

    def compute_gradients(params):
        return np.r_[np.ones(6), np.full(7, 1e-5)]

    config = GradientMonitorConfig(ratio_threshold=0.01, consecutive_triggers=5)
    monitor = GradientCollapseMonitor(
        config, physical_indices=[6, 7, 8, 9, 10, 11, 12], per_angle_indices=list(range(6))
    )
    for iter in range(100):  # noqa: A001 - as on the page
        gradients = compute_gradients(params)
        status = monitor.check(gradients, iter)
        if status == "COLLAPSE_DETECTED":
            response = monitor.get_response()
            responses.append(response)

    assert len(responses) == 96
    assert responses[0]["mode"] == "hierarchical"
    assert [event.iteration for event in monitor.collapse_events] == [4]
    assert monitor.get_diagnostics()["n_checks"] == 100


def test_a_good_gradient_breaks_the_row_and_the_best_point_is_kept():
    monitor = monitor_of(consecutive_triggers=3)
    statuses = [
        monitor.check(gradient, k, PARAMS + k, loss)
        for k, (gradient, loss) in enumerate([(LOW, 3.0), (LOW, 1.0), (np.ones(8), 2.0), (LOW, 5.0)])
    ]
    assert statuses == ["WARNING", "WARNING", "OK", "WARNING"]
    assert monitor.get_response() is None
    assert (monitor.best_loss, monitor.best_params[0]) == (1.0, PARAMS[0] + 1)
    assert monitor.consecutive_count == 1


def test_interval_switch_and_gradients_that_are_not_finite():
    monitor = monitor_of(consecutive_triggers=1, check_interval=10)
    assert [monitor.check(LOW, k) for k in (1, 5, 10)] == ["OK", "OK", "COLLAPSE_DETECTED"]
    assert monitor_of(enable=False, consecutive_triggers=1).check(LOW, 0) == "OK"
    wild = monitor_of()
    assert wild.check(np.full(8, np.nan), 0) == "WARNING"
    assert wild.get_diagnostics()["n_checks"] == 0
    assert monitor_of().check(np.zeros(8), 0) == "OK"  # converged, not collapsed


def test_watched_parameters_and_a_history_of_limited_length():
    monitor = monitor_of(watch_parameters=[7], watch_min_iteration=2)
    gradient = np.array([1, 1, 1, 1, 1, 1, 1e4, 0])
    assert [monitor.check(gradient, k) for k in range(5)] == ["OK"] * 4 + ["WARNING"]
    assert monitor.get_diagnostics()["watch_collapse_detected"] == {7: True}
    for k in range(1200):
        monitor.check(np.ones(8), k)
    assert monitor.get_diagnostics()["n_checks"] == monitor.MAX_HISTORY_SIZE
    assert monitor.get_diagnostics()["watch_consecutive_counts"] == {7: 0}


def test_reset_to_the_mean():
    np.testing.assert_allclose(monitor_of().compute_reset_params(PARAMS, 3), [0.29] * 3 + [1.0] * 3 + [5.0, 6.0])
    series = monitor_of().compute_reset_params(PARAMS, 23)
    np.testing.assert_allclose(series, [0.3, 0, 0, 1.0, 0, 0, 5.0, 6.0])
    np.testing.assert_allclose(monitor_of(reset_per_angle_to_mean=False).compute_reset_params(PARAMS, 3), PARAMS)


def test_a_monitored_gradient_is_the_same_gradient():
    monitor = monitor_of(consecutive_triggers=2)
    gradient = create_gradient_function_with_monitoring(lambda params: LOW * params[0], monitor)
    assert gradient(np.ones(8)).tolist() == LOW.tolist()
    gradient(np.ones(8))
    assert monitor.collapse_detected
    assert monitor.collapse_events[0].iteration == 1
    assert (monitor.collapse_events[0].ratio, monitor.collapse_events[0].response_mode) == (
        pytest.approx(1e-4 / np.sqrt(3)),
        "hierarchical",
    )


# ---- weights ---------------------------------------------------------------------------------------------------------


def test_weighting_example_of_the_page():
    phi_angles = np.array([-30, 0, 30, 60, 90, 120])
    weighter = ShearSensitivityWeighting(phi_angles, n_physical=7, phi0_index=6)
    weights = weighter.get_weights(phi0_current=-5.0)
    # Angles near -5 deg and 175 deg get higher weight

    expected = 0.3 + 0.7 * np.abs(np.cos(np.deg2rad(-5.0 - phi_angles)))
    np.testing.assert_allclose(weights, expected * 6 / expected.sum())
    assert weights.argmax() == 1


def test_weights_follow_phi0_by_their_frequency():
    weighter = ShearSensitivityWeighting([0.0, 90.0], 7, 6, ShearWeightingConfig(update_frequency=2, initial_phi0=10.0))
    assert weighter.phi0_current == 10.0
    params = np.r_[np.zeros(4), np.arange(6.0), 90.0]
    weighter.update_phi0(params, iteration=1)
    assert weighter.phi0_current == 10.0
    weighter.update_phi0(params, iteration=2)
    assert weighter.phi0_current == 90.0
    assert weighter.get_weights().argmax() == 1
    assert weighter.get_diagnostics()["update_count"] == 1
    with pytest.raises(InvalidConfigurationError, match="expected 7 physical parameters"):
        weighter.update_phi0(np.ones(3))


def test_options_of_the_weights():
    plain = ShearSensitivityWeighting([0.0, 90.0], 7, 6, ShearWeightingConfig(normalize=False, alpha=2, min_weight=0.1))
    np.testing.assert_allclose(plain.get_weights(60.0), [0.1 + 0.9 * 0.25, 0.1 + 0.9 * 0.75])
    off = ShearSensitivityWeighting([0.0, 90.0], 7, 6, ShearWeightingConfig(enable=False))
    assert off.get_weights().tolist() == [1.0, 1.0]
    with pytest.raises(InvalidConfigurationError, match="phi0_index"):
        ShearSensitivityWeighting([0.0], 7, 7)
    with pytest.raises(InvalidConfigurationError, match="min_weight: expected a number >= 0 and <= 1"):
        ShearWeightingConfig(min_weight=1.5)


def test_weighted_loss_in_numpy_and_in_compiled_jax():
    weighter = ShearSensitivityWeighting([0.0, 45.0, 90.0], 7, 6)
    residuals, phi_indices = np.array([1.0, 2.0, 3.0, -1.0]), np.array([0, 0, 1, 2])
    weights = weighter.get_weights()[phi_indices]
    expected = (weights * residuals**2).sum() / weights.sum()
    assert weighter.apply_weights_to_loss(residuals, phi_indices) == pytest.approx(expected)
    compiled = jax.jit(weighter.compute_weighted_mse)
    assert float(compiled(jnp.asarray(residuals), jnp.asarray(phi_indices))) == pytest.approx(expected, rel=1e-5)


def test_factory_makes_weights_where_there_is_a_phi0():
    phi = np.array([0.0, 90.0])
    assert create_shear_weighting(phi, 7).phi0_index == 6
    assert create_shear_weighting(phi, 7, {"shear_weighting": {"enable": False}}) is None
    assert create_shear_weighting(phi, 3) is None
    assert create_shear_weighting(phi, 3, None, ["D0", "phi0", "beta"]).phi0_index == 1
    assert create_shear_weighting(phi, 2, None, ["D0", "beta"]) is None
    with pytest.raises(InvalidConfigurationError, match="did you mean 'alpha'"):
        create_shear_weighting(phi, 7, {"alfa": 2.0})


# ---- controller ------------------------------------------------------------------------------------------------------

PHI = np.linspace(-1.0, 1.0, 8)
FULL = np.r_[np.linspace(0.2, 0.4, 8), np.linspace(1.0, 1.1, 8), np.arange(7.0)]


def controller_of(config=None, n=8, **arguments):
    return AntiDegeneracyController.from_config(config or {}, n, np.linspace(-1.0, 1.0, n), 7, **arguments)


def test_usage_of_the_page():
    config_dict, n_phi, phi_angles, n_physical = {"per_angle_mode": "fourier"}, 8, PHI, 7
    initial_params = FULL

    def base_model_fn(params, x):
        return params[:8] * x

    controller = AntiDegeneracyController.from_config(config_dict, n_phi, phi_angles, n_physical)

    if controller.is_enabled:
        # Use controller.fourier, controller.hierarchical, etc.
        transformed_params = controller.transform_params_to_fourier(initial_params)
        model_fn = controller.wrap_model_fn(base_model_fn)

    params, (lower, upper) = transformed_params
    assert params.shape == lower.shape == upper.shape == (17,)
    assert np.isinf(upper[10:]).all()
    np.testing.assert_allclose(controller.transform_params_from_fourier(params), FULL, atol=2e-3)
    np.testing.assert_allclose(model_fn(params, 2.0), 2 * FULL[:8], atol=2e-3)


class CurveFit:
    """Stands for a fitter that knows the callbacks."""

    def curve_fit(self, f, xdata, ydata, *, loss_augmentation, iteration_callback, group_variance_indices):
        params = FULL.copy()
        penalty = loss_augmentation(params, ydata - f(xdata, *params))
        iteration_callback(0, params, 1.0, np.r_[np.ones(16), np.full(7, 1e-6)])
        return penalty, group_variance_indices


def test_callbacks_example_of_the_page():
    config, n_phi, phi_angles, n_physical = {"per_angle_mode": "individual"}, 8, PHI, 7
    fitter, xdata, ydata = CurveFit(), np.zeros(10), np.ones(10)

    def f(x, *params):
        return 0.5 + x

    controller = AntiDegeneracyController.from_config(config, n_phi, phi_angles, n_physical)
    callbacks = controller.create_nlsq_callbacks()
    result = fitter.curve_fit(f, xdata, ydata, **callbacks)

    expected = controller.regularizer.compute_regularization(FULL, 0.25, 10)
    assert result == (pytest.approx(expected), [(0, 8), (8, 16)])
    assert controller.monitor.consecutive_count == 1
    assert controller.shear_weighter.phi0_current == 6.0


def test_hybrid_streaming_example_of_the_page():
    def HybridStreamingConfig(**kwargs):
        return kwargs

    controller = AntiDegeneracyController.from_config({"per_angle_mode": "individual"}, 8, PHI, 7)
    kwargs = controller.create_hybrid_streaming_config_kwargs()
    config = HybridStreamingConfig(**kwargs)

    assert config == {
        "enable_group_variance_regularization": True,
        "group_variance_lambda": pytest.approx(10.0),
        "group_variance_indices": [(0, 8), (8, 16)],
    }


@pytest.mark.parametrize(
    ("config", "n", "mode", "n_scaling", "kind"),
    [
        ({}, 8, "auto_averaged", 2, "averaged"),
        ({}, 2, "individual", 4, "individual"),
        ({"constant_scaling_threshold": 100}, 8, "fourier", 10, "fourier"),
        ({"constant_scaling_threshold": 100}, 6, "individual", 12, "individual"),
        ({"per_angle_mode": "individual"}, 8, "individual", 16, "individual"),
        ({"per_angle_mode": "fourier", "fourier_order": 1}, 8, "fourier", 6, "fourier"),
        ({"per_angle_mode": "fourier"}, 4, "individual", 8, "individual"),
        ({"per_angle_mode": "constant"}, 8, "fixed_constant", 0, "constant"),
        ({"enable": False}, 8, "disabled", 16, "individual"),
    ],
)
def test_modes(config, n, mode, n_scaling, kind):
    controller = controller_of(config, n)
    assert controller.per_angle_mode_actual == mode
    assert controller.n_per_angle_params == n_scaling
    assert controller.scaling.kind == kind
    assert controller.use_constant == (mode in ("auto_averaged", "fixed_constant"))
    assert controller.use_averaged_scaling == (mode == "auto_averaged")
    assert controller.use_fixed_scaling == (mode == "fixed_constant")
    assert controller.use_fourier == (mode == "fourier")
    assert controller.is_enabled == (mode != "disabled")
    found = controller.get_diagnostics()
    assert found["n_total_params"] == n_scaling + 7
    groups = controller.get_group_variance_indices()
    if mode in ("fixed_constant", "disabled"):
        assert groups is None
        assert not controller.use_hierarchical
    else:
        assert groups == [(0, n_scaling // 2), (n_scaling // 2, n_scaling)]
        assert controller.hierarchical.physical_indices.tolist() == list(range(n_scaling, n_scaling + 7))


@pytest.mark.parametrize("off", [{"per_angle_scaling": False}, {"is_laminar_flow": False}])
def test_nothing_to_defend(off):
    controller = controller_of(**off)
    assert not controller.is_enabled
    assert controller.get_shear_weights() is None
    assert controller.create_nlsq_callbacks() == controller.create_hybrid_streaming_config_kwargs() == {}
    assert controller.transform_params_to_constant(FULL).tolist() == FULL.tolist()


def test_angles_are_in_radians_there_and_phi0_in_degrees():
    controller = controller_of()
    controller.update_shear_phi0(np.r_[np.zeros(8), 30.0])
    expected = ShearSensitivityWeighting(np.rad2deg(PHI), 7, 6).get_weights(30.0)
    np.testing.assert_allclose(controller.get_shear_weights(), expected)


def test_averaged_parameters_there_and_back():
    controller = controller_of()
    short = controller.transform_params_to_constant(FULL)
    np.testing.assert_allclose(short, [0.3, 1.05, *range(7)])
    np.testing.assert_allclose(
        controller.transform_params_from_constant(short), [0.3] * 8 + [1.05] * 8 + list(range(7))
    )
    assert controller.wrap_model_fn(lambda params, x: params.size + x)(short, 1) == 24
    with pytest.raises(InvalidConfigurationError, match="expected 2 numbers for contrasts and offsets and 7 physical"):
        controller.transform_params_from_constant(FULL)


def flat_points(data):
    """Data point by point, as a strategy has them."""
    first, second = np.meshgrid(data.t, data.t, indexing="ij")
    n = data.n_t**2
    return {
        "phi_flat": np.repeat(data.phi, n),
        "t1_flat": np.tile(first.ravel(), data.n_phi),
        "t2_flat": np.tile(second.ravel(), data.n_phi),
        "g2_flat": np.concatenate([data.matrix(k).ravel() for k in range(data.n_phi)]),
        "q": data.q,
        "L": data.gap,
        "dt": data.dt,
    }


def laminar_data(phi_degrees, contrast):
    truth = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0, "gamma_dot_0": 6e-4, "beta": 0.0, "gamma_dot_offset": 0.0}
    geometry = xpcs.Geometry(t=0.2 * np.arange(40), dt=0.2, q=0.0054, gap=2e6, phi=phi_degrees)
    return xpcs.simulate({**truth, "phi0": 0.0}, geometry, contrast=contrast, sigma=0.005, seed=1)


def test_fixed_scaling_keeps_the_order_of_the_angles():
    phi = np.array([40.0, -40.0, 0.0])
    controller = AntiDegeneracyController.from_config({"per_angle_mode": "constant"}, 3, np.deg2rad(phi), 7)
    physical = np.arange(7.0)
    with pytest.raises(InvalidConfigurationError, match="compute_fixed_per_angle_scaling"):
        controller.transform_params_from_constant(physical)
    controller.compute_fixed_per_angle_scaling(flat_points(laminar_data(phi, [0.6, 0.1, 0.5])))
    assert controller.has_fixed_per_angle_scaling()
    contrast, _ = controller.get_fixed_per_angle_scaling()
    assert contrast.argsort().tolist() == [1, 2, 0]
    assert controller.scaling.contrast == tuple(contrast.tolist())
    assert controller.transform_params_from_constant(physical)[:3].tolist() == contrast.tolist()
    clipped = AntiDegeneracyController.from_config({"per_angle_mode": "constant"}, 3, np.deg2rad(phi), 7)
    clipped.compute_fixed_per_angle_scaling(flat_points(laminar_data(phi, 0.3)), (0.0, 0.1), (1.2, 1.5))
    assert [each.tolist() for each in clipped.get_fixed_per_angle_scaling()] == [[0.1] * 3, [1.2] * 3]


def test_the_engine_takes_what_a_controller_says():
    data = laminar_data(np.linspace(-70, 70, 8), np.linspace(0.25, 0.35, 8))
    controller = controller_of({"per_angle_mode": "individual", "regularization": {"target_cv": 0.2}})
    options = controller.fit_options(xpcs.FitOptions(method="local"))
    assert options.method == "local"
    assert options.weights == xpcs.ShearWeights(1.0, 0.3)
    assert options.regularisation == xpcs.Shrinkage(0.2, 0.2, relative=True)
    fixed = {"D_offset": 0.0, "gamma_dot_offset": 0.0, "beta": 0.0, "alpha": 0.0}
    start = {"D0": 1.5e4, "gamma_dot_0": 5e-4, "phi0": 1.0}
    fit = xpcs.fit(
        data, scaling=controller.scaling, options=options, parameters=fixed, start=start, seed=1, callbacks=()
    )
    assert fit.values["gamma_dot_0"] == pytest.approx(6e-4, abs=4 * fit.standard_errors["gamma_dot_0"])
    assert controller_of({"shear_weighting": {"enable": False}}).fit_options() == xpcs.FitOptions()


def test_series_are_penalised_by_their_values():
    controller = controller_of({"per_angle_mode": "fourier"})
    coefficients, _ = controller.transform_params_to_fourier(FULL)
    penalty = controller.create_nlsq_callbacks()["loss_augmentation"](coefficients, np.ones(10))
    full = controller.transform_params_from_fourier(coefficients)
    assert penalty == pytest.approx(controller.regularizer.compute_regularization(full, 1.0, 10))
    assert penalty > 0


def test_every_option_of_a_section_counts():
    controller = controller_of(
        {
            "per_angle_mode": "individual",
            "hierarchical": {"physical_ftol": "1e-5", "max_outer_iterations": 7},
            "regularization": {"enable": False},
            "gradient_monitoring": {"response": "abort", "check_interval": 3},
            "shear_weighting": {"initial_phi0": 12.0},
        }
    )
    assert (controller.hierarchical.config.physical_ftol, controller.hierarchical.config.max_outer_iterations) == (
        1e-5,
        7,
    )
    assert controller.regularizer is None
    assert (controller.monitor.config.response_mode, controller.monitor.config.check_interval) == ("abort", 3)
    assert controller.shear_weighter.phi0_current == 12.0
    assert controller.config.hierarchical_max_outer_iterations == 7


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"per_angle_mod": "auto"}, "no option 'per_angle_mod'; .* did you mean 'per_angle_mode'"),
        ({"per_angle_mode": "averaged"}, "per_angle_mode: got 'averaged'"),
        ({"hierarchical": {"max_iterations": 3}}, "anti_degeneracy.hierarchical: no option 'max_iterations'"),
        ({"hierarchical": {"physical_ftol": -1}}, "HierarchicalConfig: physical_ftol: expected a number > 0, got -1"),
        ({"regularization": 3}, "anti_degeneracy.regularization: expected a dictionary"),
        ({"enable": "yes"}, "enable: expected True or False, got 'yes'"),
    ],
)
def test_mistakes_are_named(config, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        AntiDegeneracyConfig.from_dict(config)


def test_angles_must_be_as_many_as_said():
    with pytest.raises(InvalidConfigurationError, match="expected 3 angles"):
        AntiDegeneracyController.from_config({}, 3, PHI, 7)
