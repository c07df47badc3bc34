"""Pooled points, shards, priors, initial values and coordinates."""

import math

import numpy as np
import pytest

import wilks
from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import cmc, fit_nlsq_jax
from wilks.facades.homodyne.cmc.sharded import pooled
from wilks.facades.homodyne.notices import HomodyneWarning

N, PHI = 12, np.array([0.0, 45.0, 90.0])
BOUNDS = [{"name": "D0", "min": 1e3, "max": 1e5, "type": "LogNormal", "prior_mu": 9.2, "prior_sigma": 1.0}]


def points(c2):
    phi, t1, t2 = (grid.ravel() for grid in np.meshgrid(PHI, 0.1 * np.arange(N), 0.1 * np.arange(N), indexing="ij"))
    return c2.ravel(), t1, t2, phi


@pytest.fixture(scope="module")
def half():
    return np.triu(np.random.default_rng(1).normal(1.2, 0.02, (3, N, N)), 1)


@pytest.fixture(scope="module")
def prepared(half):
    return cmc.prepare_mcmc_data(*points(half + half.transpose(0, 2, 1)))


def test_mirrored_points_count_once(half, prepared):
    n_pairs = 3 * N * (N - 1) // 2
    assert (prepared.n_total, prepared.n_mirrored, prepared.n_phi) == (n_pairs, n_pairs, 3)
    assert (prepared.t1 < prepared.t2).all()
    i, j = np.rint(10 * prepared.t1).astype(int), np.rint(10 * prepared.t2).astype(int)
    assert np.array_equal(prepared.data, half[prepared.phi_indices, i, j])


def test_halves_that_were_measured_apart_are_averaged(half):
    other = half + 0.02 * np.triu(np.ones((N, N)), 1)
    found = cmc.prepare_mcmc_data(*points(half + other.transpose(0, 2, 1)))
    i, j = np.rint(10 * found.t1).astype(int), np.rint(10 * found.t2).astype(int)
    np.testing.assert_allclose(found.data, half[found.phi_indices, i, j] + 0.01, rtol=1e-12)


def test_matrices_and_their_points_are_the_same_data(prepared):
    data = prepared.two_time_data(0.0054, 2e6)
    again = pooled(data)
    np.testing.assert_array_equal(again.data, prepared.data)
    np.testing.assert_allclose(again.t2, prepared.t2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"data": [np.nan, 1.0]}, "data: 1 of 2 values are NaN or infinite"),
        ({"t1": [0.0]}, "expected one of each for every point, and at least one, got data 2, t1 1"),
        ({"data": [[1.0], [1.0]]}, r"expected the pooled points, shape (n_total,), got (2, 1)"),
        ({"t1": [1.0, 2.0]}, "all 2 points lie on the diagonal"),
        ({"t1": [1.0, 1.0], "t2": [1.0, 1.0]}, "at least two different times"),
    ],
)
def test_points_that_cannot_be_used_are_told(change, text):
    given = {"data": [1.0, 1.1], "t1": [0.0, 1.0], "t2": [1.0, 2.0], "phi": [0.0, 0.0]} | change
    with pytest.raises(InvalidDataError) as error:
        cmc.prepare_mcmc_data(**given)
    assert text in str(error.value)


def test_the_diagonal_is_not_used():
    with pytest.raises(InvalidConfigurationError, match="filter_diagonal: expected True"):
        cmc.prepare_mcmc_data([1.0], [0.0], [1.0], [0.0], filter_diagonal=False)


@pytest.mark.parametrize(
    "shards",
    [
        lambda p: cmc.shard_data_random(p, num_shards=5),
        lambda p: cmc.shard_data_random(p, max_points_per_shard=10, max_shards=4),
        lambda p: cmc.shard_data_angle_balanced(p, max_points_per_shard=40),
        lambda p: cmc.shard_data_stratified(p, max_points_per_shard=30),
        lambda p: cmc.shard_data_stratified(p, max_points_per_shard=1, max_shards_per_angle=2),
    ],
)
def test_all_points_are_in_one_shard(prepared, shards):
    found = shards(prepared)
    assert len(found) > 1
    every = np.concatenate([np.stack([s.phi, s.t1, s.t2, s.data], axis=1) for s in found])
    whole = np.stack([prepared.phi, prepared.t1, prepared.t2, prepared.data], axis=1)
    assert np.array_equal(every[np.lexsort(every.T)], whole[np.lexsort(whole.T)])
    assert [s.n_total for s in found] == [len(s.data) for s in found]


def test_shards_have_the_angles_that_their_strategy_says(prepared):
    assert [s.n_total for s in cmc.shard_data_random(prepared, num_shards=5)] == [40, 40, 40, 39, 39]
    assert len(cmc.shard_data_random(prepared, max_points_per_shard=10, max_shards=4)) == 4
    balanced = cmc.shard_data_angle_balanced(prepared, num_shards=6)
    assert all(np.array_equal(np.bincount(s.phi_indices), [11, 11, 11]) for s in balanced)
    stratified = cmc.shard_data_stratified(prepared)
    assert [np.unique(s.phi).tolist() for s in stratified] == [[0.0], [45.0], [90.0]]
    assert all(s.n_phi == 3 for s in stratified)  # the angles keep their numbers
    first, again, other = (cmc.shard_data_random(prepared, 3, seed=seed)[0].data for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_statistics_of_the_values(prepared):
    found = cmc.compute_data_statistics(prepared.data)
    assert found["mean"] == pytest.approx(prepared.data.mean())
    assert found["noise_scale"] == prepared.noise_scale == pytest.approx(0.02, rel=0.2)
    assert cmc.create_xdata_dict(prepared, 0.01, 2e6, 0.1, "laminar")["analysis_mode"] == "laminar_flow"


@pytest.mark.parametrize(
    ("entry", "prior"),
    [
        ({"type": "TruncatedNormal"}, wilks.Normal(0.0, 1.0)),
        ({"type": "TruncatedNormal", "prior_mu": 0.5, "prior_sigma": 0.1}, wilks.Normal(0.5, 0.1)),
        ({"type": "Uniform"}, wilks.Uniform(-2.0, 2.0)),
        ({}, wilks.Uniform(-2.0, 2.0)),
        ({"min": 0.5, "type": "LogUniform"}, wilks.LogUniform(0.5, 2.0)),
    ],
)
def test_the_type_of_a_prior_counts(entry, prior):
    space = cmc.ParameterSpace.from_config({"parameter_space": {"bounds": [{"name": "alpha", **entry}]}})
    assert cmc.build_prior("alpha", space).prior == prior
    assert space.parameters()["alpha"].prior == prior


def test_a_parameter_space_is_read_whole():
    config = {
        "analysis_mode": "laminar_flow",
        "parameter_space": {"bounds": [*BOUNDS, {"name": "gamma_dot_0", "min": 1e-5, "max": 0.1}]},
        "initial_parameters": {"parameter_names": ["phi0"], "values": [-5.0], "fixed_parameters": ["phi0"]},
    }
    space = cmc.ParameterSpace.from_config(config)
    assert space.parameter_names == ["D0", "alpha", "D_offset", "gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]
    assert space.get_bounds("gamma_dot_t0") == (1e-5, 0.1)
    assert space.bounds["contrast"] == space.get_bounds("contrast_7") == (0.0, 1.0)
    assert space.parameters()["phi0"] == -5.0
    assert space.parameters()["D0"].prior == wilks.LogNormal(math.exp(9.2), 1.0)
    with pytest.raises(InvalidConfigurationError, match="'Dzero' is no parameter"):
        space.get_prior("Dzero")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "alpha", "type": "LogUniformX"}, "unknown type 'LogUniformX'; .*did you mean 'LogUniform'"),
        ({"name": "alpha", "type": "LogNormal"}, "LogNormal needs positive bounds, got -2 to 2"),
        ({"name": "alpha", "prior_mu": "big"}, "prior_mu of alpha: expected a number, got 'big'"),
        ({"name": "alhpa"}, "'alhpa' is no parameter"),
    ],
)
def test_priors_that_cannot_be_used_are_told(entry, text):
    with pytest.raises(InvalidConfigurationError, match=text):
        cmc.ParameterSpace.from_config({"parameter_space": {"bounds": [entry]}}).parameters()


def test_priors_about_a_fit_keep_within_their_limits():
    space = cmc.ParameterSpace.from_defaults()
    values, errors = {"D0": 1e4, "alpha": -0.5, "D_offset": 10.0}, {"D0": 1e6, "alpha": 1e-9, "D_offset": np.nan}
    found = cmc.build_nlsq_informed_priors(values, errors, space, "static", 3, width_factor=2.0)
    assert found["D0"].prior == wilks.Normal(1e4, 0.5 * (1e5 - 1e2))
    assert found["alpha"].prior == wilks.Normal(-0.5, 0.01 * 4.0)
    assert found["D_offset"].prior == wilks.Normal(10.0, 0.1 * 2e5)


def test_values_of_fits_are_found_in_every_form(prepared):
    flat = {"D0": 1e4, "gamma_dot_0": 1e-3}
    assert cmc.extract_nlsq_values_for_cmc(flat) == ({"D0": 1e4, "gamma_dot_t0": 1e-3}, None)
    assert cmc.extract_nlsq_values_for_cmc({"best_params": flat})[0]["D0"] == 1e4
    data = prepared.two_time_data(0.0054, 2e6)
    result = fit_nlsq_jax(data, {"analysis_mode": "static", "optimization": {"nlsq": {"progress": {"enable": False}}}})
    values, errors = cmc.extract_nlsq_values_for_cmc(result)
    assert values["alpha"] == cmc.extract_nlsq_values_for_cmc(result.fit)[0]["alpha"]
    assert "contrast_2" in values
    assert set(errors) == set(values)
    with pytest.raises(InvalidConfigurationError, match="expected a result of fit_nlsq_jax"):
        cmc.extract_nlsq_values_for_cmc([1.0])


def test_initial_values_have_their_priority(half):
    decay = np.exp(-0.5 * np.abs(np.subtract.outer(np.arange(N), np.arange(N))))
    data = cmc.prepare_mcmc_data(*points(1.0 + np.array([0.1, 0.2, 0.3])[:, None, None] * decay + 0 * half))
    arrays = {"c2_data": data.data, "t1": data.t1, "t2": data.t2, "phi_indices": data.phi_indices}
    space = cmc.ParameterSpace.from_defaults()
    given = {"contrast": 0.5, "contrast_1": 0.4, "alpha": -0.5}
    found = cmc.build_init_values_dict(3, "static", given, space, **arrays)
    assert list(found) == cmc.get_param_names_in_order(3, "static")
    assert [found[f"contrast_{k}"] for k in range(3)] == [0.5, 0.4, 0.5]
    assert found["offset_0"] == pytest.approx(1.0, abs=0.02)
    assert (found["alpha"], found["D0"]) == (-0.5, (1e2 + 1e5) / 2)
    cmc.validate_init_values_order(found, cmc.get_param_names_in_order(3, "static"))
    alone = cmc.build_init_values_dict(3, "static", None, space, per_angle_mode="auto", **arrays)
    estimated = cmc.estimate_per_angle_scaling(*arrays.values(), 3, (0.0, 1.0), (0.5, 1.5))
    assert alone["contrast"] == pytest.approx(np.mean([estimated[f"contrast_{k}"] for k in range(3)]))
    with pytest.raises(InvalidConfigurationError, match="'alpa' is no parameter"):
        cmc.build_init_values_dict(3, "static", {"alpa": 1.0}, space)
    with pytest.raises(InvalidConfigurationError, match="expected 'offset_0' at place 3, got 'D0'"):
        cmc.validate_init_values_order(
            dict.fromkeys(["contrast_0", "contrast_1", "contrast_2", "D0"], 1.0), list(found)
        )


def test_a_value_outside_its_bounds_is_moved_with_a_warning():
    with pytest.warns(HomodyneWarning, match="alpha: 3 is outside -2 to 2; 1.96 is taken"):
        assert cmc.validate_initial_value_bounds("alpha", 3.0, cmc.ParameterSpace.from_defaults()) == (1.96, True)


def test_normalised_coordinates_go_round():
    space = cmc.ParameterSpace.from_config(
        {
            "parameter_space": {
                "bounds": [{"name": "alpha", "type": "TruncatedNormal", "prior_mu": 0.3, "prior_sigma": 0.7}]
            }
        }
    )
    scalings = cmc.compute_scaling_factors(space, 2, "static")
    assert (scalings["alpha"].center, scalings["alpha"].scale) == (0.3, 0.7)
    values = {"alpha": 1.5, "D0": 2e4, "contrast_1": 0.3}
    z = cmc.transform_initial_values_to_z(values, scalings)
    back = cmc.transform_samples_from_z(z, scalings)
    assert back == {name: pytest.approx(value) for name, value in values.items()}
    assert scalings["alpha"].to_original(np.array([-1e9, 1e9])).tolist() == [-2.0, 2.0]
    with pytest.raises(InvalidConfigurationError, match="no scaling of 'beta'"):
        cmc.transform_initial_values_to_z({"beta": 0.0}, scalings)


def test_coordinates_at_a_reference_time_go_round():
    values = {"D0": 1e4, "alpha": -0.7, "D_offset": -50.0, "gamma_dot_t0": 1e-3, "beta": 0.4, "phi0": 1.0}
    for config in (cmc.ReparamConfig(t_ref=0.3), cmc.ReparamConfig(enable_gamma_ref=False, t_ref=5.0)):
        inner = cmc.transform_to_sampling_space(values, config)
        assert ("log_gamma_ref" in inner) is config.enable_gamma_ref
        assert inner["log_D_ref"] == pytest.approx(np.log(1e4 * config.t_ref**-0.7))
        assert cmc.transform_to_physics_space(inner, config) == {k: pytest.approx(v) for k, v in values.items()}
