"""c2 of known parameters, derivatives of residuals, and progress."""

import io
import logging
from types import SimpleNamespace

import numpy as np
import pytest

import wilks
from wilks.core.errors import InvalidConfigurationError, InvalidDataError, InvalidProblemError
from wilks.facades.homodyne import progress
from wilks.facades.homodyne.fit_computation import (
    compute_g2_batch,
    compute_g2_batch_with_per_angle_scaling,
    compute_theoretical_fits,
    extract_parameters_from_result,
    get_physical_param_count,
    normalize_analysis_mode,
    solve_lstsq_batch,
)
from wilks.facades.homodyne.jacobian import (
    analyze_parameter_sensitivity,
    compute_jacobian_condition_number,
    compute_jacobian_stats,
    estimate_gradient_noise,
    jacobian_at,
)

TRUTH = np.array([1.6e4, -0.5, 3.0, 2e-3, -0.2, 1e-4, -5.0])
PHI = np.array([80.0, -30.0, 10.0])  # in no order
Q, GAP, DT = 0.0054, 2e6, 0.1
T = DT * np.arange(30)
CONTRAST, OFFSET = np.array([0.3, 0.25, 0.35]), np.array([1.0, 1.01, 0.99])


def c1_squared(params, phi):
    """The model of homodyne, written down as its texts have it: trapezoid sums, 1 / (2 pi), sinc squared in c1."""
    d0, alpha, d_offset, g0, beta, g_offset, phi0 = params
    tau = np.maximum(T, DT / 2)

    def integral(rate):
        sums = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
        return np.abs(np.subtract.outer(sums, sums))

    diffusion = np.exp(-(Q**2) * DT / 2 * integral(d0 * tau**alpha + d_offset))
    x = Q * GAP * DT / (2 * np.pi) * np.cos(np.deg2rad(phi0 - phi)) * integral(g0 * tau**beta + g_offset)
    return (diffusion * np.sinc(x / np.pi) ** 2) ** 2


def expected():
    return np.stack([OFFSET[k] + CONTRAST[k] * c1_squared(TRUTH, phi) for k, phi in enumerate(PHI)])


def test_c2_is_that_of_the_formula():
    f = np.stack([c1_squared(TRUTH, phi) for phi in PHI])
    found = compute_g2_batch(TRUTH, T, T, np.deg2rad(PHI), Q, GAP, DT)
    np.testing.assert_allclose(found, 1 + f, rtol=1e-12)
    found = compute_g2_batch(TRUTH, T, T, np.deg2rad(PHI), Q, GAP, DT, contrast=0.2, offset=1.1)
    np.testing.assert_allclose(found, 1.1 + 0.2 * f, rtol=1e-12)


def test_c2_with_scaling_of_each_angle():
    found = compute_g2_batch_with_per_angle_scaling(TRUTH, T, T, np.deg2rad(PHI), Q, GAP, DT, CONTRAST, OFFSET)
    np.testing.assert_allclose(found, expected(), rtol=1e-12)
    with pytest.raises(InvalidConfigurationError, match="contrasts: expected 3, one for each angle"):
        compute_g2_batch_with_per_angle_scaling(TRUTH, T, T, np.deg2rad(PHI), Q, GAP, DT, CONTRAST[:2], OFFSET)


def test_times_may_be_grids_and_parts():
    whole = compute_g2_batch(TRUTH, T, T, np.deg2rad(PHI), Q, GAP, DT)
    grids = np.meshgrid(T, T, indexing="ij")
    np.testing.assert_array_equal(compute_g2_batch(TRUTH, *grids, np.deg2rad(PHI), Q, GAP, DT), whole)
    part = compute_g2_batch(TRUTH, T[:5], T[10:], np.deg2rad(PHI), Q, GAP, DT)
    np.testing.assert_allclose(part, whole[:, :5, 10:], rtol=1e-12)


def test_degrees_are_not_taken_for_radians():
    with pytest.raises(InvalidDataError, match=r"expected radians, but 80 is beyond a full turn.*numpy\.deg2rad"):
        compute_g2_batch(TRUTH, T, T, PHI, Q, GAP, DT)


def test_static_needs_no_gap():
    found = compute_g2_batch(TRUTH[:3], T, T, [0.0], Q, None, DT)
    diffusion = compute_g2_batch([*TRUTH[:3], 0, 0, 0, 0], T, T, [0.0], Q, GAP, DT)
    np.testing.assert_allclose(found, diffusion, rtol=1e-12)
    with pytest.raises(InvalidConfigurationError, match=r"expected 3 numbers \(static\) or 7"):
        compute_g2_batch(TRUTH[:4], T, T, [0.0], Q, GAP, DT)


def test_scaling_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    theory, measured = rng.random((3, 20)), rng.random((3, 20))
    measured[0, 3] = theory[1, 4] = np.nan
    contrasts, offsets = solve_lstsq_batch(theory, measured)
    for k in range(3):
        known = np.isfinite(theory[k]) & np.isfinite(measured[k])
        design = np.column_stack([theory[k, known], np.ones(known.sum())])
        np.testing.assert_allclose(
            [contrasts[k], offsets[k]], np.linalg.lstsq(design, measured[k, known], rcond=None)[0], rtol=1e-10
        )


def test_scaling_where_nothing_is_to_be_found():
    contrasts, offsets = solve_lstsq_batch([[1.0, 1.0], [1.0, 2.0]], [[2.0, 4.0], [np.nan, np.nan]])
    assert (contrasts[0], offsets[0]) == (0.0, 3.0)
    assert np.isnan([contrasts[1], offsets[1]]).all()
    with pytest.raises(InvalidDataError, match="expected the same shape"):
        solve_lstsq_batch(np.zeros((2, 3)), np.zeros((3, 2)))


def test_modes():
    assert normalize_analysis_mode("Static_Isotropic", 0, 0) == "static"
    assert normalize_analysis_mode(None, 53, 23) == "laminar_flow"
    assert normalize_analysis_mode(None, 2 * 23 + 3, 23) == "static"
    assert normalize_analysis_mode("", 5, 23) == "static"
    assert (get_physical_param_count("static"), get_physical_param_count("laminar_flow")) == (3, 7)
    with pytest.raises(InvalidConfigurationError, match=r"10 parameters of 4 angles fit none; expected 11 \(static\)"):
        normalize_analysis_mode(None, 10, 4)
    with pytest.raises(InvalidConfigurationError, match="mode"):
        get_physical_param_count("turbulent")


def test_vectors_apart():
    contrasts, offsets, physical, expanded = extract_parameters_from_result(np.arange(7.0), 2, "static")
    assert (contrasts.tolist(), offsets.tolist(), physical.tolist(), expanded) == ([0, 1], [2, 3], [4, 5, 6], False)
    contrasts, offsets, physical, expanded = extract_parameters_from_result(np.arange(5.0), 2, "static")
    assert (contrasts.tolist(), offsets.tolist(), physical.tolist(), expanded) == ([0, 0], [1, 1], [2, 3, 4], True)
    assert not extract_parameters_from_result(np.arange(5.0), 1, "static")[3]
    with pytest.raises(InvalidConfigurationError, match=r"expected 7 of them.*or 5 with one of each, got 6"):
        extract_parameters_from_result(np.arange(6.0), 2, "static")


def dictionary(c2):
    return {"phi_angles_list": PHI, "c2_exp": c2, "t1": T, "t2": T}


PLACE = {"q": Q, "L": GAP, "dt": DT}


def test_theoretical_fits():
    c2 = expected()
    c2[:, np.arange(30), np.arange(30)] = 5.0  # shot noise
    result = SimpleNamespace(parameters=np.concatenate([CONTRAST + 0.1, OFFSET, TRUTH]))
    found = compute_theoretical_fits(result, dictionary(c2), PLACE)
    np.testing.assert_allclose(found["per_angle_scaling"], np.column_stack([CONTRAST, OFFSET]), rtol=1e-9)
    np.testing.assert_allclose(found["per_angle_scaling_solver"], np.column_stack([CONTRAST + 0.1, OFFSET]))
    np.testing.assert_allclose(found["c2_theoretical_scaled"], expected(), rtol=1e-9)
    f = np.stack([c1_squared(TRUTH, phi) for phi in PHI])
    np.testing.assert_allclose(found["c2_theoretical_raw"], 1 + f, rtol=1e-12)
    np.testing.assert_allclose(found["c2_solver_scaled"], expected() + 0.1 * f, rtol=1e-9)
    off_diagonal = ~np.eye(30, dtype=bool)
    assert abs(found["residuals"][:, off_diagonal]).max() < 1e-9
    assert not found["scalar_per_angle_expansion"]
    assert "c2_solver_scaled" not in compute_theoretical_fits(
        result, dictionary(c2), PLACE, include_solver_surface=False
    )


def test_theoretical_fits_of_halves_and_of_one_contrast():
    result = SimpleNamespace(parameters=np.concatenate([[0.3, 1.0], TRUTH]))
    found = compute_theoretical_fits(result, dictionary(np.triu(expected())), PLACE, analysis_mode="laminar_flow")
    assert found["scalar_per_angle_expansion"]
    np.testing.assert_allclose(found["per_angle_scaling"][:, 0], CONTRAST, rtol=1e-9)
    np.testing.assert_array_equal(found["per_angle_scaling_solver"], [[0.3, 1.0]] * 3)


def test_theoretical_fits_of_a_fit():
    """The scaling after a fit by least squares is that of the fit."""
    geometry = wilks.xpcs.Geometry(T, DT, Q, None, [0.0, 90.0], wilks.xpcs.Convention.homodyne())
    values = {"D0": 1.6e4, "alpha": -0.5, "D_offset": 3.0}
    data = wilks.xpcs.simulate(values, geometry, contrast=[0.3, 0.25], sigma=0.01, mode="static", seed=1)
    fit = wilks.xpcs.fit(data, "static", convention=wilks.xpcs.Convention.homodyne(), seed=1, callbacks=())
    vector = np.concatenate([fit.contrast, fit.offset, list(fit.physical.values())])
    keys = {"phi_angles_list": [0.0, 90.0], "c2_exp": data.c2, "t1": T, "t2": T}
    found = compute_theoretical_fits(SimpleNamespace(parameters=vector), keys, {"q": Q, "dt": DT})
    np.testing.assert_allclose(found["per_angle_scaling"], found["per_angle_scaling_solver"], rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "place", "message"),
    [
        ({}, {"L": GAP, "dt": DT}, "'q' is missing"),
        ({"t1": None}, PLACE, "data: t1 is missing"),
        ({"c2_exp": np.zeros((3, 30, 29))}, PLACE, "expected a square matrix of 30 times for each of 3 angles"),
        ({}, {"q": Q, "dt": DT}, "gap"),
    ],
)
def test_theoretical_fits_refuse(changed, place, message):
    result = SimpleNamespace(parameters=np.concatenate([CONTRAST, OFFSET, TRUTH]))
    with pytest.raises(ValueError, match=message):
        compute_theoretical_fits(result, {**dictionary(expected()), **changed}, place)


X = np.linspace(0.5, 2.0, 40)


def decay(x, a, b):
    return a * np.exp(-b * x)


def columns(a, b):
    return np.column_stack([np.exp(-b * X), -a * X * np.exp(-b * X)])


def test_derivatives_are_those_of_the_function():
    found = jacobian_at(decay, X, [1.5, 0.7])
    np.testing.assert_allclose(found, columns(1.5, 0.7), rtol=1e-8)
    np.testing.assert_allclose(jacobian_at(decay, X, [1.5e-6, 0.0]), columns(1.5e-6, 0.0), rtol=1e-6)
    jtj, norms = compute_jacobian_stats(decay, X, [1.5, 0.7], 4.0)
    np.testing.assert_allclose(jtj, 4 * columns(1.5, 0.7).T @ columns(1.5, 0.7), rtol=1e-7)
    np.testing.assert_allclose(norms, 2 * np.linalg.norm(columns(1.5, 0.7), axis=0), rtol=1e-7)


def test_derivatives_by_jax_are_exact():
    import jax
    import jax.numpy as jnp

    def model(x, a, b):
        return a * jnp.exp(-b * x)

    with jax.enable_x64(True):
        found = jacobian_at(model, X, [1.5, 0.7])
    np.testing.assert_allclose(found, columns(1.5, 0.7), rtol=1e-14)


def test_condition_and_sensitivity():
    assert compute_jacobian_condition_number(decay, X, [1.5, 0.7]) == pytest.approx(np.linalg.cond(columns(1.5, 0.7)))
    assert compute_jacobian_condition_number(lambda x, a, b: (a + b) * x, X, [1.0, 1.0]) > 1e9
    norms = np.linalg.norm(columns(1.5, 0.7), axis=0)
    found = analyze_parameter_sensitivity(decay, X, [1.5, 0.7], ["a", "b"])
    assert found == pytest.approx({"a": norms[0] / norms.max(), "b": norms[1] / norms.max()})
    with pytest.raises(InvalidConfigurationError, match="expected 2 names, got 1"):
        analyze_parameter_sensitivity(decay, X, [1.5, 0.7], ["a"])


def test_noise_of_derivatives():
    rng = np.random.default_rng(1)
    quiet = estimate_gradient_noise(decay, X, [1.5, 0.7])
    noisy = estimate_gradient_noise(lambda x, a, b: decay(x, a, b) + 1e-6 * rng.standard_normal(40), X, [1.5, 0.7])
    assert quiet < 1e-5
    assert noisy > 1e-2
    assert estimate_gradient_noise(decay, X, [1.5, 0.7]) == quiet
    assert estimate_gradient_noise(decay, X, [1.5, 0.7], perturbation=0.1) > 1e-3
    with pytest.raises(InvalidConfigurationError, match="n_samples >= 2"):
        estimate_gradient_noise(decay, X, [1.5, 0.7], n_samples=1)


def test_a_function_that_fails_has_no_derivatives():
    def failing(x, a):
        if a > 0.9:
            raise ArithmeticError("too large")
        return a * x

    def undefined(x, a):
        return np.full(3, np.nan)

    for function in (failing, undefined):
        assert compute_jacobian_stats(function, X, [1.0], 1.0) == (None, None)
        assert compute_jacobian_condition_number(function, X, [1.0]) is None
        assert analyze_parameter_sensitivity(function, X, [1.0], ["a"]) == {}
        assert estimate_gradient_noise(function, X, [1.0]) is None
    assert compute_jacobian_stats(failing, X, [0.5], 1.0)[0] is not None
    with pytest.raises(InvalidProblemError, match="number of residuals depends on a parameter"):
        compute_jacobian_stats(lambda x, a: np.ones(3 if a > 1 else 2), X, [1.0], 1.0)


def test_what_is_shown_comes_from_a_configuration():
    config = SimpleNamespace(enable_progress_bar=False, verbose=2, log_iteration_interval=3, max_iterations=77)
    found = progress.ProgressConfig.from_nlsq_config(config)
    assert found == progress.ProgressConfig(False, 2, 3, 77)
    assert progress.ProgressConfig.from_nlsq_config(config, 5, "Fit") == progress.ProgressConfig(False, 2, 3, 5, "Fit")
    with pytest.raises(InvalidConfigurationError, match="log_interval: expected an integer >= 1, got 0"):
        progress.ProgressConfig(log_interval=0)


def test_iterations_in_the_log(caplog):
    logger = logging.getLogger("homodyne")
    with caplog.at_level(logging.DEBUG, "homodyne"):
        for verbose in (0, 1, 2):
            log = progress.HomodyneIterationLogger(verbose, 5, logger)
            for iteration in range(1, 11):
                log(iteration, 12.5, None, {})
    lines = [(record.levelname, record.getMessage().split(",")[0]) for record in caplog.records]
    assert lines == [
        ("DEBUG", "iteration 5: cost 12.5"),
        ("DEBUG", "iteration 10: cost 12.5"),
        ("INFO", "iteration 5: cost 12.5"),
        ("INFO", "iteration 10: cost 12.5"),
    ]


def test_a_callback_is_one_of_wilks_too(caplog):
    callback, log = progress.create_progress_callback(verbose=2, log_interval=1)
    assert isinstance(log, progress.HomodyneIterationLogger)
    problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-1, 1)), lambda v: -3.0 - v["x"] ** 2)
    with caplog.at_level(logging.INFO, "homodyne"):
        assert wilks.fit(problem, seed=1, callbacks=[callback]).status.success
    assert caplog.records[-1].getMessage().split(": ")[1].startswith("cost 3,")


def test_no_callback_if_nothing_is_to_be_shown():
    assert progress.create_progress_callback(enable_progress_bar=False, verbose=0) == (None, None)
    quiet = progress.ProgressConfig(enable_progress_bar=False, verbose=0)
    assert progress.create_progress_callback(quiet, verbose=2) == (None, None)
    assert progress.create_streaming_progress_callback(100, 10, 2, enable_progress_bar=False, verbose=0) is None
    with pytest.raises(InvalidConfigurationError, match="expected positive numbers"):
        progress.create_streaming_progress_callback(100, 0, 2)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_in_a_terminal_only(monkeypatch):
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        callback = progress.create_streaming_progress_callback(95, 10, 2, verbose=0)
        callback(7, 12.5, None, {})
        callback.close()
        assert ("Streaming" in stream.getvalue()) is shown
    assert progress.create_streaming_progress_callback(95, 10, 2)._config.max_nfev == 20


def test_starts_are_counted(caplog):
    with (
        caplog.at_level(logging.INFO, "homodyne"),
        progress.MultiStartProgressTracker(3, enable_progress_bar=False, verbose=2) as tracker,
    ):
        tracker.update(0, success=True, chi_squared=30.0, wall_time=1.5)
        tracker.update(1, success=False, chi_squared=5.0, message="stuck")
        tracker.update(2, success=True, chi_squared=20.0)
    assert (tracker.n_completed, tracker.n_successful, tracker.best_chi_squared) == (3, 2, 20.0)
    assert [record.getMessage() for record in caplog.records] == [
        "start 0: converged, chi-squared 30, 1.5 s",
        "start 1: failed stuck, chi-squared 5",
        "start 2: converged, chi-squared 20",
        "2 of 3 starts converged, best chi-squared 20",
    ]
    with pytest.raises(InvalidConfigurationError, match="n_starts"):
        progress.MultiStartProgressTracker(0)
