"""Vectors of parameters: names, bounds, positions, and contrasts and offsets to start from."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import data_prep, parameter_utils
from wilks.facades.homodyne.data_prep import (
    ExpandedParameters,
    PreparedData,
    convert_bounds_to_nlsq_format,
    expand_per_angle_parameters,
    validate_bounds,
    validate_initial_params,
)
from wilks.facades.homodyne.fit_computation import compute_g2_batch_with_per_angle_scaling
from wilks.facades.homodyne.notices import HomodyneWarning
from wilks.facades.homodyne.parameter_index_mapper import ParameterIndexMapper
from wilks.facades.homodyne.parameter_utils import (
    build_parameter_labels,
    classify_parameter_status,
    compute_consistent_per_angle_init,
    compute_quantile_per_angle_scaling,
    sample_xdata,
)

FLOW = ["D0", "alpha", "D_offset", "gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]
TRUTH = [1.6e4, -0.5, 3.0, 2e-3, -0.2, 1e-4, -5.0]
PHI = np.array([-30.0, 10.0, 80.0])
CONTRAST, OFFSET = np.array([0.3, 0.25, 0.35]), np.array([1.0, 1.01, 0.99])


def made(n_t=40, noise=0.0, phi=PHI):
    """Data as an object with arrays of angles, times and matrices."""
    t = 0.1 * np.arange(n_t)
    g2 = compute_g2_batch_with_per_angle_scaling(TRUTH, t, t, np.deg2rad(phi), 0.0054, 2e6, 0.1, CONTRAST, OFFSET)
    g2 += noise * np.random.default_rng(1).standard_normal(g2.shape)
    g2[:, np.arange(n_t), np.arange(n_t)] = 3.0  # shot noise
    return SimpleNamespace(phi=phi, t1=t, t2=t, g2=g2, q=0.0054, L=2e6, dt=0.1)


def flat(data):
    phi, t1, t2 = (each.ravel() for each in np.meshgrid(data.phi, data.t1, data.t2, indexing="ij"))
    order = np.random.default_rng(2).permutation(phi.size)
    names = {"phi_flat": phi, "t1_flat": t1, "t2_flat": t2, "g2_flat": data.g2.ravel()}
    return SimpleNamespace(q=data.q, L=data.L, dt=data.dt, **{name: each[order] for name, each in names.items()})


def chunked(data):
    points = flat(data)
    parts = [np.array_split(getattr(points, f"{name}_flat"), 3) for name in ("phi", "t1", "t2", "g2")]
    place = {"q": data.q, "L": data.L, "dt": data.dt}
    return SimpleNamespace(
        chunks=[SimpleNamespace(phi=a, t1=b, t2=c, g2=d, **place) for a, b, c, d in zip(*parts, strict=True)]
    )


def test_labels():
    assert build_parameter_labels(True, 2, ["D0"]) == ["contrast_0", "contrast_1", "offset_0", "offset_1", "D0"]
    assert build_parameter_labels(False, 2, ["D0"]) == ["contrast", "offset", "D0"]


def test_one_implementation_under_two_names():
    assert data_prep.build_parameter_labels is build_parameter_labels
    assert data_prep.classify_parameter_status is classify_parameter_status
    from wilks.facades.homodyne.jacobian import compute_jacobian_stats

    assert parameter_utils.compute_jacobian_stats is compute_jacobian_stats


def test_status():
    found = classify_parameter_status([1e-10, 0.5, 2.0, 1 - 1e-6], [0, 0, 0, 0], [1, 1, 2, 1])
    assert found == ["at_lower_bound", "active", "at_upper_bound", "active"]
    assert classify_parameter_status([0.9], [0], [1], atol=0.2) == ["at_upper_bound"]
    assert classify_parameter_status([0.0], None, None) == ["active"]
    with pytest.raises(InvalidConfigurationError, match="expected 2 lower and upper ones, got 1 and 2"):
        classify_parameter_status([0, 0], [0], [1, 1])


def test_sample():
    assert sample_xdata(np.arange(101), 3).tolist() == [0, 50, 100]
    assert len(sample_xdata(np.zeros((1000, 3)), 10)) == 10
    assert sample_xdata([1, 2], 5).tolist() == [1, 2]
    with pytest.raises(InvalidConfigurationError, match="max_points"):
        sample_xdata([1], 0)


@pytest.mark.parametrize("form", [lambda data: data, flat, chunked, vars], ids=["grid", "flat", "chunks", "dict"])
def test_consistent_scaling_of_data_in_any_form(form):
    contrast, offset = compute_consistent_per_angle_init(form(made()), np.array(TRUTH), FLOW)
    np.testing.assert_allclose(contrast, CONTRAST, atol=1e-9)
    np.testing.assert_allclose(offset, OFFSET, atol=1e-9)


def test_consistent_scaling_takes_parameters_by_name():
    names, values = FLOW[::-1], np.array(TRUTH)[::-1]
    contrast, _ = compute_consistent_per_angle_init(made(), values, names)
    np.testing.assert_allclose(contrast, CONTRAST, atol=1e-9)


def test_consistent_scaling_of_angles_in_any_order_is_ascending():
    data = made()
    shuffled = SimpleNamespace(**{**vars(data), "phi": data.phi[[2, 0, 1]], "g2": data.g2[[2, 0, 1]]})
    np.testing.assert_allclose(compute_consistent_per_angle_init(shuffled, TRUTH, FLOW)[0], CONTRAST, atol=1e-9)


def test_an_angle_that_says_nothing_gets_the_defaults(caplog):
    data = made()
    data.g2[1] = np.nan
    logger = logging.getLogger("test")
    contrast, offset = compute_consistent_per_angle_init(data, TRUTH, FLOW, 0.4, 1.2, logger)
    assert contrast.tolist()[1] == 0.4
    assert offset.tolist()[1] == 1.2
    np.testing.assert_allclose(contrast[[0, 2]], CONTRAST[[0, 2]], atol=1e-9)
    assert "contrast and offset of 1 angles are not determined" in caplog.text
    still, _ = compute_consistent_per_angle_init(data, [0.0, 0.0, 0.0], ["D0", "alpha", "D_offset"], 0.4)
    assert still.tolist() == [0.4] * 3  # nothing decays: contrast and offset are one number


def test_consistent_scaling_refuses():
    with pytest.raises(InvalidConfigurationError, match="expected D0, alpha, D_offset, got D0, alpha, beta"):
        compute_consistent_per_angle_init(made(), TRUTH[:3], ["D0", "alpha", "beta"])
    with pytest.raises(InvalidConfigurationError, match="expected 7 names, got 3"):
        compute_consistent_per_angle_init(made(), TRUTH, FLOW[:3])
    with pytest.raises(InvalidDataError, match="stratified_data: expected chunks"):
        compute_consistent_per_angle_init(SimpleNamespace(phi=PHI), TRUTH, FLOW)
    nowhere = made()
    nowhere.q = None
    with pytest.raises(InvalidDataError, match="the data do not say q"):
        compute_consistent_per_angle_init(nowhere, TRUTH, FLOW)


def test_quantiles_see_contrast_and_offset():
    lags = np.abs(np.subtract.outer(np.arange(100), np.arange(100)))
    t = np.arange(100.0)
    g2 = np.stack([1.05 + 0.3 * (lags < 30), 0.95 + 0.2 * (lags < 30)])
    data = SimpleNamespace(phi=[0.0, 90.0], t1=t, t2=t, g2=g2, q=0.01, L=None, dt=1.0)
    contrast, offset = compute_quantile_per_angle_scaling(data)
    np.testing.assert_allclose(contrast, [0.3, 0.2], atol=1e-9)
    np.testing.assert_allclose(offset, [1.05, 0.95], atol=1e-9)
    contrast, offset = compute_quantile_per_angle_scaling(data, (0.25, 1.0), (0.5, 1.0))
    assert contrast.tolist() == pytest.approx([0.3, 0.25])
    assert offset.tolist() == pytest.approx([1.0, 0.95])


def test_quantiles_take_the_levels_that_are_given(caplog):
    data = made()
    low = compute_quantile_per_angle_scaling(data, value_quantile_low=0.1)[1]
    high = compute_quantile_per_angle_scaling(data, value_quantile_low=0.5)[1]
    assert (low < high).all()
    with caplog.at_level(logging.INFO):
        compute_quantile_per_angle_scaling(data, logger=logging.getLogger("test"))
    assert "from quantiles" in caplog.text


def test_examples_of_the_mapper():
    from wilks.facades.homodyne.fourier_reparam import FourierReparamConfig, FourierReparameterizer

    mapper = ParameterIndexMapper(n_phi=23, n_physical=7, use_constant=True)
    assert mapper.get_group_indices() == [(0, 1), (1, 2)]
    assert mapper.n_per_angle_total == 2
    assert mapper.mode_name == "constant"
    mapper = ParameterIndexMapper(n_phi=23, n_physical=7, fourier=None)
    assert mapper.get_group_indices() == [(0, 23), (23, 46)]
    assert mapper.n_per_angle_total == 46
    angles = np.linspace(-np.pi, np.pi, 23)
    fourier_obj = FourierReparameterizer(angles, FourierReparamConfig(mode="fourier", fourier_order=2))
    mapper = ParameterIndexMapper(n_phi=23, n_physical=7, fourier=fourier_obj)
    assert mapper.get_group_indices() == [(0, 5), (5, 10)]
    assert mapper.n_per_angle_total == 10


def test_usage_example_of_the_mapper():
    from wilks.facades.homodyne.parameter_index_mapper import ParameterIndexMapper

    # Constant mode (23 phi angles, 7 physical params)
    mapper = ParameterIndexMapper(n_phi=23, n_physical=7, use_constant=True)
    assert mapper.mode_name == "constant"
    assert mapper.n_per_angle_total == 2
    assert mapper.total_params == 9
    # Fourier mode (order=2)
    mapper = ParameterIndexMapper(n_phi=23, n_physical=7, use_fourier=True, fourier_order=2)
    assert mapper.mode_name == "fourier"
    assert mapper.n_per_angle_total == 10
    assert mapper.total_params == 17


def test_positions():
    mapper = ParameterIndexMapper(4, 3, use_fourier=True, fourier_order=1)
    assert mapper.use_fourier
    assert mapper.get_per_angle_indices() == [0, 1, 2, 3, 4, 5]
    assert mapper.get_physical_indices() == [6, 7, 8]
    assert mapper.get_covariance_slice_indices() == (slice(0, 6), slice(6, 9))
    assert mapper.validate_indices(np.zeros(9))
    with pytest.raises(InvalidConfigurationError, match=r"6 scaling and 3 physical parameters, 9 in all.*has 8"):
        mapper.validate_indices(np.zeros(8))
    told = mapper.get_diagnostics()
    assert (told["mode"], told["total_params"], told["group_indices"]) == ("fourier", 9, [(0, 3), (3, 6)])


def test_a_series_that_is_not_in_use_counts_as_none():
    unused = SimpleNamespace(n_phi=3, use_fourier=False, n_coeffs_per_param=5)
    mapper = ParameterIndexMapper(3, 7, fourier=unused)
    assert (mapper.mode_name, mapper.use_fourier, mapper.n_per_group) == ("individual", False, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_phi": 0, "n_physical": 7}, "n_phi: expected an integer >= 1"),
        ({"n_phi": 3, "n_physical": 7, "fourier_order": 2}, "needs use_fourier=True"),
        ({"n_phi": 3, "n_physical": 7, "use_fourier": True}, "series of 5 coefficients needs as many angles"),
        ({"n_phi": 3, "n_physical": 7, "fourier": SimpleNamespace(n_phi=4)}, "expected 3 angles"),
    ],
)
def test_a_mapper_refuses(arguments, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        ParameterIndexMapper(**arguments)


def test_expansion():
    found = expand_per_angle_parameters([0.3, 1.0, 5.0, 6.0], ([0, 0.5, 1, 2], [1, 1.5, 9, 9]), 2, 2)
    assert isinstance(found, ExpandedParameters)
    assert found.params.tolist() == [0.3, 0.3, 1, 1, 5, 6]
    assert found.bounds[0].tolist() == [0, 0, 0.5, 0.5, 1, 2]
    assert found.bounds[1].tolist() == [1, 1, 1.5, 1.5, 9, 9]
    assert (found.n_params, found.n_physical, found.n_angles) == (6, 2, 2)
    with pytest.raises(InvalidConfigurationError, match=r"compact_params: expected 4 numbers.*got 3"):
        expand_per_angle_parameters([0.3, 1.0, 5.0], None, 2, 2)


def test_bounds():
    assert validate_bounds(None, 3) is None
    assert convert_bounds_to_nlsq_format(None) is None
    lower, upper = convert_bounds_to_nlsq_format(([0, 1], (2, 3)))
    assert lower.dtype == upper.dtype == np.float64
    with pytest.raises(InvalidConfigurationError, match="expected 2 lower and upper ones, got 1 and 1"):
        validate_bounds(([0], [1]), 2)
    with pytest.raises(InvalidConfigurationError, match="parameter 1: expected lower <= upper, got 3 and 2"):
        validate_bounds(([0, 3], [1, 2]), 2)
    with pytest.raises(InvalidConfigurationError, match="parameter 0"):
        validate_bounds(([np.nan], [1]), 1)
    with pytest.raises(InvalidConfigurationError, match=r"expected \(lower, upper\)"):
        validate_bounds(([0], [1], [2]), 1)


def test_a_start_outside_is_moved_with_a_warning():
    with pytest.warns(HomodyneWarning, match="parameter 1 from 9 to 2"):
        found = validate_initial_params([0.5, 9.0], ([0, 0], [1, 2]))
    assert found.tolist() == [0.5, 2.0]
    assert validate_initial_params([0.5], None).tolist() == [0.5]
    with pytest.raises(InvalidConfigurationError, match="expected finite numbers"):
        validate_initial_params([np.nan], None)


def test_prepared_data_is_what_it_is_made_from():
    made = PreparedData(np.zeros(4), np.ones(4), 4, 1, np.zeros(1))
    assert (made.n_data, made.n_phi, made.ydata.sum()) == (4, 1, 4.0)
