"""Fourier series of contrast and offset in the angle, and alternating descent."""

import logging

import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.exceptions import NLSQNumericalError
from wilks.facades.homodyne.fourier_reparam import (
    FourierReparamConfig,
    FourierReparameterizer,
    create_fourier_model_wrapper,
)
from wilks.facades.homodyne.hierarchical import HierarchicalConfig, HierarchicalOptimizer
from wilks.xpcs.fitting import problem

PHI = np.linspace(-np.pi, np.pi, 23)


def fourier_of(n=23, mode="fourier", order=2):
    return FourierReparameterizer(np.linspace(-np.pi, np.pi, n), FourierReparamConfig(mode=mode, fourier_order=order))


def test_example_of_the_page():
    phi_angles = np.linspace(-np.pi, np.pi, 23)
    config = FourierReparamConfig(mode="fourier", fourier_order=2)
    fourier = FourierReparameterizer(phi_angles, config)
    # Convert initial per-angle values to Fourier
    contrast = np.full(23, 0.3)
    offset = np.full(23, 1.0)
    fourier_coeffs = fourier.per_angle_to_fourier(contrast, offset)
    # Convert back during model evaluation
    contrast_out, offset_out = fourier.fourier_to_per_angle(fourier_coeffs)

    assert (fourier.n_phi, fourier.n_coeffs, fourier.n_coeffs_per_param, fourier.order) == (23, 10, 5, 2)
    np.testing.assert_allclose(contrast_out, contrast, atol=1e-12)
    np.testing.assert_allclose(offset_out, offset, atol=1e-12)


@pytest.mark.parametrize(("n", "expected"), [(2, 4), (3, 6), (6, 12), (7, 10), (10, 10), (23, 10), (100, 10)])
def test_number_of_coefficients_is_that_of_the_table(n, expected):
    assert fourier_of(n, "fourier").n_coeffs == expected
    assert fourier_of(n, "auto").n_coeffs == expected
    assert fourier_of(n, "independent").n_coeffs == 2 * n


def test_a_series_that_is_asked_for_in_vain_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        assert not fourier_of(5).use_fourier
    assert "needs more than 6 angles" in caplog.text


def test_coefficients_are_those_of_the_formula():
    fourier, coefficients = fourier_of(), np.array([0.3, 0.02, -0.01, 0.03, 0.005])
    c0, c1, s1, c2, s2 = coefficients
    expected = c0 + c1 * np.cos(PHI) + s1 * np.sin(PHI) + c2 * np.cos(2 * PHI) + s2 * np.sin(2 * PHI)
    np.testing.assert_allclose(fourier.from_fourier(coefficients), expected, rtol=1e-12)
    np.testing.assert_allclose(fourier.to_fourier(expected), coefficients, rtol=1e-10)
    np.testing.assert_allclose(fourier.get_basis_matrix() @ coefficients, expected, rtol=1e-12)
    assert fourier.get_coefficient_labels()[:5] == [f"contrast_{name}" for name in ("c0", "c1", "s1", "c2", "s2")]


def test_jacobian_is_the_derivative_and_carries_a_covariance():
    fourier = fourier_of(9, order=1)
    jacobian = fourier.get_jacobian_transform()
    assert jacobian.shape == (18, 6)
    base = np.arange(6.0)
    for k in range(6):
        moved = np.concatenate(fourier.fourier_to_per_angle(base + np.eye(6)[k]))
        np.testing.assert_allclose(
            moved - np.concatenate(fourier.fourier_to_per_angle(base)), jacobian[:, k], atol=1e-12
        )


def test_bounds_and_initial_coefficients():
    fourier = fourier_of()
    lower, upper = fourier.get_bounds()
    assert lower.tolist() == [0.1, *[-0.2] * 4, 0.5, *[-0.3] * 4]
    assert upper.tolist() == [0.8, *[0.2] * 4, 1.5, *[0.3] * 4]
    np.testing.assert_allclose(
        fourier.get_initial_coefficients(0.3, np.ones(23)), [0.3, 0, 0, 0, 0, 1, 0, 0, 0, 0], atol=1e-12
    )
    assert fourier.get_diagnostics()["reduction_ratio"] == pytest.approx(1 - 10 / 46)


def test_without_series_values_are_their_own_coefficients():
    fourier = fourier_of(4)
    assert fourier.get_basis_matrix() is None
    values = np.array([0.1, 0.2, 0.3, 0.4])
    assert fourier.per_angle_to_fourier(values, 10 * values).tolist() == [*values, *(10 * values)]
    assert fourier.get_bounds()[0].tolist() == [0.1] * 4 + [0.5] * 4
    assert fourier.get_coefficient_labels()[:2] == ["contrast[0]", "contrast[1]"]


def test_wrapped_model_gets_per_angle_values():
    fourier = fourier_of(9, order=1)
    model = create_fourier_model_wrapper(lambda params, x: (params, x), fourier, n_physical=2)
    full, x = model(np.array([0.3, 0, 0, 1.0, 0, 0, 7.0, 8.0]), "x")
    np.testing.assert_allclose(full, [0.3] * 9 + [1.0] * 9 + [7.0, 8.0])
    assert x == "x"
    with pytest.raises(InvalidConfigurationError, match="expected 8 numbers"):
        model(np.zeros(7), "x")


@pytest.mark.parametrize("call", ["to_fourier", "from_fourier", "fourier_to_per_angle"])
def test_wrong_lengths_are_value_errors(call):
    with pytest.raises(ValueError, match=r"expected .* numbers"):
        getattr(fourier_of(), call)(np.zeros(3))


def test_options_are_checked():
    assert FourierReparamConfig.from_dict({"fourier_order": "3", "c0_bounds": [0, 1]}).c0_bounds == (0.0, 1.0)
    for wrong in ({"mode": "furier"}, {"fourier_ordr": 2}, {"fourier_order": -1}, {"ck_bounds": (0.2, -0.2)}):
        with pytest.raises(InvalidConfigurationError, match=r"fourier|bounds|mode"):
            FourierReparamConfig.from_dict(wrong)


# ---- hierarchical ----------------------------------------------------------------------------------------------------


def quadratic(n, seed=1):
    matrix = np.random.default_rng(seed).normal(size=(10 * n, n))
    target = np.linspace(0.5, 2.0, n)

    def loss_fn(params):
        return float(np.sum((matrix @ (params - target)) ** 2))

    def grad_fn(params):
        return 2 * matrix.T @ (matrix @ (params - target))

    return loss_fn, grad_fn, target


def test_hierarchical_example_of_the_page():
    loss_fn, grad_fn, target = quadratic(53)
    p0, bounds = np.ones(53), (np.full(53, -5.0), np.full(53, 5.0))

    config = HierarchicalConfig(max_outer_iterations=5)
    optimizer = HierarchicalOptimizer(config, n_phi=23, n_physical=7)
    result = optimizer.fit(loss_fn, grad_fn, p0, bounds)

    assert optimizer.per_angle_indices.tolist() == list(range(46))
    assert optimizer.physical_indices.tolist() == list(range(46, 53))
    assert result.n_outer_iterations == len(result.history) == 5
    assert not result.success
    assert "still move by" in result.message
    np.testing.assert_allclose(result.x, target, atol=1e-2)
    assert result.fun == pytest.approx(loss_fn(result.x))


def test_alternation_settles_at_the_common_optimum_whatever_the_units():
    loss_fn, _, target = quadratic(6)
    units = np.array([1.0, 1.0, 1.0, 1.0, 1e4, 1e-3])
    optimizer = HierarchicalOptimizer(HierarchicalConfig(max_outer_iterations=60), n_phi=2, n_physical=2)
    found = optimizer.fit(lambda p: 1e-9 * loss_fn(p / units), None, units, (-5 * units, 5 * units))
    assert found.success
    np.testing.assert_allclose(found.x / units, target, atol=1e-4)


def test_bounds_hold_and_the_callback_sees_every_round():
    loss_fn, grad_fn, _ = quadratic(6)
    seen = []
    upper = np.full(6, 1.0)
    found = HierarchicalOptimizer(HierarchicalConfig(save_intermediate_results=True), n_phi=2, n_physical=2).fit(
        loss_fn, grad_fn, np.zeros(6), (np.full(6, -np.inf), upper), lambda p, k: seen.append((k, p.copy()))
    )
    assert (found.x <= upper).all()
    assert [k for k, _ in seen] == list(range(found.n_outer_iterations))
    assert seen[1][1].tolist() == found.history[0]["params"].tolist()
    losses = [entry["stage2_loss"] for entry in found.history]
    assert losses == sorted(losses, reverse=True)


def test_switched_off_it_fits_everything_at_once():
    loss_fn, grad_fn, target = quadratic(6)
    found = HierarchicalOptimizer(HierarchicalConfig(enable=False), n_phi=2, n_physical=2).fit(
        loss_fn, grad_fn, np.zeros(6), (np.full(6, -5.0), np.full(6, 5.0))
    )
    assert found.success
    assert found.n_outer_iterations == 1
    np.testing.assert_allclose(found.x, target, atol=1e-3)


def test_where_rounding_ends_the_descent_it_has_converged():
    found = HierarchicalOptimizer(HierarchicalConfig(enable=False), n_phi=2, n_physical=1).fit(
        lambda p: float(((p - 3) ** 2).sum()), None, np.ones(5), (np.zeros(5), np.full(5, 10.0))
    )
    np.testing.assert_allclose(found.x, 3.0, atol=1e-6)
    assert found.success  # L-BFGS-B itself says "abnormal" here: its line search finds nothing lower
    short = HierarchicalOptimizer(HierarchicalConfig(enable=False, physical_max_iterations=1), 2, 2).fit(
        quadratic(6)[0], None, np.zeros(6), (np.full(6, -5.0), np.full(6, 5.0))
    )
    assert (short.success, short.message) == (False, "Not converged within 1 iterations; allow more.")


def test_a_loss_that_is_finite_at_the_start_only_has_not_converged():
    start = np.ones(5)
    for gradient in (None, np.ones_like):
        found = HierarchicalOptimizer(HierarchicalConfig(), n_phi=2, n_physical=1).fit(
            lambda p: 1.0 if np.array_equal(p, start) else np.nan, gradient, start, (np.zeros(5), np.full(5, 10.0))
        )
        assert not found.success
        assert "not finite around the point where the physical parameters begin" in found.message


def test_coefficients_of_series_are_the_first_block():
    optimizer = HierarchicalOptimizer(HierarchicalConfig(), 23, 7, fourier_of())
    assert optimizer.physical_indices.tolist() == list(range(10, 17))
    assert optimizer.get_diagnostics()["fourier_enabled"] is True


def test_what_cannot_be_fitted_is_said():
    optimizer = HierarchicalOptimizer(HierarchicalConfig(), n_phi=1, n_physical=1)
    box = (np.zeros(3), np.ones(3))
    with pytest.raises(InvalidConfigurationError, match=r"expected 3 numbers \(2 for contrasts"):
        optimizer.fit(lambda p: 0.0, None, np.zeros(4), box)
    with pytest.raises(InvalidConfigurationError, match="parameter 2 is 5, expected 0 to 1"):
        optimizer.fit(lambda p: 0.0, None, np.array([0, 0, 5.0]), box)
    with pytest.raises(NLSQNumericalError, match="start elsewhere"):
        optimizer.fit(lambda p: np.nan, None, np.zeros(3), box)


def test_a_loss_that_is_finite_at_the_start_only_leaves_it_there():
    start = np.full(3, 0.5)
    found = HierarchicalOptimizer(HierarchicalConfig(enable=False), n_phi=1, n_physical=1).fit(
        lambda p: 1.0 if p.tolist() == start.tolist() else np.nan,
        lambda p: np.ones(3),
        start,
        (np.zeros(3), np.ones(3)),
    )
    assert (found.x.tolist(), found.fun, found.success) == (start.tolist(), 1.0, False)


def test_it_ends_where_the_engine_ends():
    """Alternation over contrast, offset and D0 is variable projection in slow motion."""
    geometry = xpcs.Geometry(t=0.3 * np.arange(30), dt=0.3, q=0.0054, gap=None, phi=[0.0, 90.0])
    truth = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    data = xpcs.simulate(truth, geometry, mode="static", sigma=0.02, contrast=[0.2, 0.3], seed=1)
    fixed = {"alpha": 0.0, "D_offset": 0.0}
    fit = xpcs.fit(data, "static", parameters=fixed, seed=1, callbacks=())
    upper = np.triu_indices(30, 1)
    values = np.stack([data.matrix(k)[upper] for k in range(2)])

    def loss_fn(params):
        decay = np.exp(-(0.0054**2) * params[4] * (geometry.t[upper[1]] - geometry.t[upper[0]]))
        return float(np.sum((values - params[2:4, None] - params[:2, None] * decay) ** 2))

    box = (np.array([0, 0, 0.5, 0.5, 1e2]), np.array([1, 1, 1.5, 1.5, 1e5]))
    start = np.array([0.25, 0.25, 1.0, 1.0, 1.5e4])
    found = HierarchicalOptimizer(HierarchicalConfig(max_outer_iterations=60, outer_tolerance=1e-6), 2, 1).fit(
        loss_fn, None, start, box
    )
    assert found.success
    assert found.x[4] == pytest.approx(fit.values["D0"], abs=0.05 * fit.standard_errors["D0"])
    assert found.x[:2] == pytest.approx(fit.contrast, abs=1e-3)
    assert problem(data, "static", parameters=fixed).log_likelihood({**fixed, "D0": found.x[4]}) == pytest.approx(
        fit.log_likelihood, abs=1e-2
    )
