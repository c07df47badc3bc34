"""Names, scales and transforms of parameters."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne import transforms as tf

FLOW = ["D0", "alpha", "D_offset", "gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]
BOTH = {"enable_gamma_dot_log": True, "enable_beta_centering": True, "beta_reference": 0.5}
VECTOR = np.array([0.3, 1.0, 1e4, -0.5, 3.0, 2e-3, 0.75, 1e-4, -5.0])


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("gamma_dot_0", "gamma_dot_t0"),
        ("gamma_dot0", "gamma_dot_t0"),
        ("gamma_dot_t0", "gamma_dot_t0"),
        ("gamma_dot_offset", "gamma_dot_t_offset"),
        ("phi_0", "phi0"),
        ("beta", "beta"),
        ("contrast", "contrast"),
    ],
)
def test_names(name, theirs):
    assert tf.normalize_param_key(name) == theirs


def test_maps_of_scales():
    assert tf.normalize_x_scale_map(None) == {}
    assert tf.normalize_x_scale_map({"gamma_dot_offset": 2, "D0": "1e4"}) == {"gamma_dot_t_offset": 2.0, "D0": 1e4}
    for wrong in (0, -1, "wide", None, np.inf):
        with pytest.raises(InvalidConfigurationError, match="expected a positive number for 'D0'"):
            tf.normalize_x_scale_map({"D0": wrong})
    with pytest.raises(InvalidConfigurationError, match="'gamma_dot_t0', which is there already"):
        tf.normalize_x_scale_map({"gamma_dot_t0": 1, "gamma_dot_0": 2})
    with pytest.raises(InvalidConfigurationError, match="expected names and scales"):
        tf.normalize_x_scale_map([1.0])


def test_scales_of_all_parameters():
    found = tf.build_per_parameter_x_scale(True, 2, FLOW, "laminar_flow", {"gamma_dot_0": 1e-3, "offset": 0.1})
    assert found.tolist() == [1, 1, 0.1, 0.1, 1, 1, 1, 1e-3, 1, 1, 1]
    single = tf.build_per_parameter_x_scale(True, 2, FLOW, "laminar_flow", {"contrast_1": 5.0})
    assert single.tolist() == [1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert tf.build_per_parameter_x_scale(False, 2, FLOW, "laminar_flow", {"phi0": 10}).tolist() == [1] * 8 + [10]
    assert tf.build_per_parameter_x_scale(True, 2, FLOW, "laminar_flow", {}) is None
    assert tf.build_per_parameter_x_scale(True, 2, FLOW, "laminar_flow", {"D0": 1.0}) is None


def test_scales_of_unknown_parameters_are_refused():
    with pytest.raises(InvalidConfigurationError, match=r"'gama_dot_t0' is no parameter.*did you mean 'gamma_dot_t0'"):
        tf.build_per_parameter_x_scale(True, 2, FLOW, "laminar_flow", {"gama_dot_t0": 1})
    with pytest.raises(InvalidConfigurationError, match="'phi0' is no parameter of 'static'"):
        tf.build_per_parameter_x_scale(True, 2, FLOW[:3], "static", {"phi0": 2})
    with pytest.raises(InvalidConfigurationError, match="mode"):
        tf.build_per_parameter_x_scale(True, 2, FLOW, "turbulent", None)


@pytest.mark.parametrize(
    ("value", "text"),
    [("jac", "jac"), (None, "None"), (2.5, "2.5"), ([1.0, 100.0], "2 scales from 1 to 100"), ([], "none")],
)
def test_scales_in_words(value, text):
    assert tf.format_x_scale_for_log(value) == text


def test_options_of_the_transforms():
    assert tf.parse_shear_transform_config(None) == {
        "enable_gamma_dot_log": False,
        "enable_beta_centering": False,
        "beta_reference": 0.0,
    }
    assert tf.parse_shear_transform_config({"beta_reference": 1})["beta_reference"] == 1.0
    for wrong, message in (
        ({"enable_gamma_log": True}, "no option 'enable_gamma_log'"),
        ({"enable_gamma_dot_log": 1}, "enable_gamma_dot_log: expected True or False"),
        ({"beta_reference": "x"}, "beta_reference: expected a number"),
        ([], "expected a dictionary"),
    ):
        with pytest.raises(InvalidConfigurationError, match=message):
            tf.parse_shear_transform_config(wrong)


def test_there_and_back():
    where = tf.build_physical_index_map(False, 5, FLOW)
    assert where["D0"] == 2
    assert tf.build_physical_index_map(True, 5, FLOW)["phi0"] == 16
    solver, state = tf.apply_forward_shear_transforms_to_vector(VECTOR, where, BOTH)
    assert solver[5] == pytest.approx(np.log(2e-3))
    assert solver[6] == 0.25
    others = [0, 1, 2, 3, 4, 7, 8]
    assert solver[others].tolist() == VECTOR[others].tolist()
    np.testing.assert_allclose(tf.apply_inverse_shear_transforms_to_vector(solver, state), VECTOR, rtol=1e-14)
    assert VECTOR[6] == 0.75  # the given vector stays as it is


def test_no_transform_without_flow_or_wish():
    for where, config in (({"D0": 2}, BOTH), (tf.build_physical_index_map(False, 5, FLOW), None)):
        solver, state = tf.apply_forward_shear_transforms_to_vector(VECTOR, where, config)
        assert solver.tolist() == VECTOR.tolist()
        assert state == tf.ShearTransforms()
    assert tf.apply_inverse_shear_transforms_to_vector(VECTOR, None).tolist() == VECTOR.tolist()


def test_bounds():
    _, state = tf.apply_forward_shear_transforms_to_vector([0.5, 1.0], {"gamma_dot_t0": 0, "beta": 1}, BOTH)
    lower, upper = tf.apply_forward_shear_transforms_to_bounds(([1e-6, -2], [0.5, 2]), state)
    np.testing.assert_allclose(lower, [np.log(1e-6), -2.5])
    np.testing.assert_allclose(upper, [np.log(0.5), 1.5])
    assert tf.apply_forward_shear_transforms_to_bounds(None, state) is None
    with pytest.raises(InvalidConfigurationError, match="gamma_dot_t0: expected a positive number for its logarithm"):
        tf.apply_forward_shear_transforms_to_bounds(([0.0, -2], [0.5, 2]), state)


def test_covariance_is_that_of_the_physical_values():
    """Against samples: a small normal distribution of what the solver sees."""
    where = {"gamma_dot_t0": 0, "beta": 1}
    solver, state = tf.apply_forward_shear_transforms_to_vector([0.02, 0.3], where, BOTH)
    covariance = np.array([[4e-4, 1e-4], [1e-4, 9e-4]])
    found = tf.adjust_covariance_for_transforms(covariance, solver, [0.02, 0.3], state)
    draws = np.random.default_rng(3).multivariate_normal(solver, covariance, 20_000)
    physical = np.array([tf.apply_inverse_shear_transforms_to_vector(draw, state) for draw in draws])
    np.testing.assert_allclose(np.cov(physical.T), found, rtol=0.05)
    with pytest.raises(InvalidConfigurationError, match="as many transformed as physical"):
        tf.adjust_covariance_for_transforms(covariance, solver, [0.02], state)


def test_functions_of_what_a_solver_sees():
    where = {"gamma_dot_t0": 0, "beta": 1}
    solver, state = tf.apply_forward_shear_transforms_to_vector([0.02, 0.3], where, BOTH)
    model = tf.wrap_model_function_with_transforms(lambda x, rate, exponent: rate * x**exponent, state)
    assert model(2.0, *solver) == pytest.approx(0.02 * 2.0**0.3)
    residual = tf.wrap_stratified_function_with_transforms(lambda params: 1 - params, state)
    np.testing.assert_allclose(residual(solver), [0.98, 0.7])
