"""fit_mcmc_jax: the forms in which the page calls it, what they return, and what is refused."""

import json

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import ConfigManager, cmc, fit_nlsq_jax
from wilks.facades.homodyne.cmc.asking import Asking
from wilks.facades.homodyne.cmc.calls import call_of
from wilks.facades.homodyne.notices import HomodyneWarning

TRUTH = {"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}
QUIET = {"analysis_mode": "static", "optimization": {"nlsq": {"progress": {"enable": False}}}}


@pytest.fixture(scope="module")
def made():
    geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 45.0, 90.0])
    return xpcs.simulate(TRUTH, geometry, mode="static", sigma=0.02, seed=1)


@pytest.fixture(scope="module")
def points(made):
    """Pooled points as a loader makes them: mirrored."""
    half = np.triu(made.c2, 1)
    phi, t1, t2 = (grid.ravel() for grid in np.meshgrid(made.phi, made.t, made.t, indexing="ij"))
    return {"data": (half + half.transpose(0, 2, 1)).ravel(), "t1": t1, "t2": t2, "phi": phi, "q": 0.0054, "L": 2e6}


def sampled(points, **more):
    defaults = {"analysis_mode": "static", "progress_bar": False, "cmc_config": {"num_samples": 500}}
    return cmc.fit_mcmc_jax(**{**points, **defaults, **more})


@pytest.fixture(scope="module")
def result(points):
    return sampled(points, cmc_config=None)


def agrees(one, other, limit=0.25):
    """Are means within a part of a standard deviation, and spreads alike?"""
    apart = np.abs(one.parameters - other.parameters) / other.uncertainties
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = one.uncertainties / other.uncertainties
    return bool((apart < limit).all() and (np.abs(ratio - 1) < limit).all())


def test_the_posterior_is_that_of_the_engine(made, result):
    assert result.success
    assert result.param_names == cmc.get_param_names_in_order(3, "static")
    assert (result.num_shards, result.per_angle_mode, result.analysis_mode) == (1, "individual", "static")
    assert result.n_chains * result.n_samples >= 4000
    assert result.validate_parameters(3) == []
    half = xpcs.TwoTimeData(np.triu(made.c2, 1), made.t, made.phi, 0.0054, None, 0.1, 0.02)
    fit = xpcs.fit(half, "static", convention=xpcs.Convention.homodyne(), seed=2, callbacks=())
    drawn = xpcs.sample(fit, seed=2, callbacks=())
    for name in TRUTH:
        sd = drawn.standard_deviations[name]
        assert abs(result.mean_params[name] - drawn.means[name]) < 0.15 * sd
        assert result.std_params[name] == pytest.approx(sd, rel=0.1)
    assert result.mean_contrast == pytest.approx(drawn.contrast_mean, abs=0.2 * drawn.contrast_sd.min())
    assert np.mean(result.samples["sigma"]) == pytest.approx(0.02, rel=0.05)


def test_points_and_their_mirror_images_are_the_same_data(points, result):
    once = points["t1"] < points["t2"]
    alone = {name: value[once] if np.ndim(value) else value for name, value in points.items()}
    assert agrees(sampled(alone), result)


def test_files_are_written(points, tmp_path):
    found = sampled(points, output_dir=tmp_path / "out")
    assert agrees(cmc.CMCResult(**vars(found)), found, 1e-9)
    diagnostics = json.loads((tmp_path / "out" / "diagnostics.json").read_text())
    assert diagnostics["convergence_status"] == "converged"
    assert {check["name"] for check in diagnostics["certificate"]} >= {"Pareto k-hat"}
    assert diagnostics["device_info"]["per_angle_mode"] == "individual"
    assert cmc.load_samples_npz(tmp_path / "out" / "samples.npz")["n_phi"] == 3


def test_pictures_of_importance_sampling_are_drawn(result, tmp_path):
    found = cmc.generate_diagnostic_plots(result, tmp_path, dpi=30, param_subset=["alpha"])
    assert [path.name for path in found] == ["pair_plot.png", "forest_plot.png", "weights_plot.png"]
    assert result.inference_data["posterior"]["alpha"].size == result.n_chains * result.n_samples


def test_the_fitted_correlations_are_those_of_the_posterior(made, points, result):
    mean, spread = cmc.compute_fitted_c2(
        result, *(points[name] for name in ("t1", "t2", "phi")), 0.0054, 2e6, 0.1, "static"
    )
    off = points["t1"] != points["t2"]
    assert np.std(points["data"][off] - mean[off]) == pytest.approx(0.02, rel=0.03)
    bands = result.posterior.bands(1, 0.9)
    inner = (points["phi"] == 45.0) & (points["t1"] == made.t[3]) & (points["t2"] == made.t[9])
    assert mean[inner].item() == pytest.approx(bands.mean[3, 9], abs=0.3 * bands.sd[3, 9])
    assert spread[inner].item() == pytest.approx(bands.sd[3, 9], rel=0.3)
    with pytest.raises(InvalidDataError, match="the draws have no gamma_dot_t0"):
        cmc.compute_fitted_c2(result, [0.0], [0.1], [0.0], 0.0054, 2e6, 0.1, "laminar_flow")


def test_fixed_scaling_is_taken_where_the_draws_have_none(points, result):
    bare = cmc.CMCResult.from_mcmc_samples(
        cmc.MCMCSamples({name: result.samples[name][:, :100] for name in TRUTH}, list(TRUTH), result.n_chains, 100),
        cmc.SamplingStats(),
        "static",
    )
    coordinates = [points[name][:50] for name in ("t1", "t2", "phi")]
    mean, _ = cmc.compute_fitted_c2(bare, *coordinates, 0.0054, 2e6, 0.1, "static", [0.3], [1.0])
    assert mean[0] == pytest.approx(1.3)  # the diagonal
    with pytest.raises(InvalidDataError, match="give fixed_contrasts"):
        cmc.compute_fitted_c2(bare, *coordinates, 0.0054, 2e6, 0.1, "static")


def test_the_short_call_with_a_fit(made, result):
    data = {"phi": made.phi, "g2": np.triu(made.c2, 1), "t1": made.t, "t2": made.t, "q": 0.0054}
    config = ConfigManager(config_override=QUIET)
    fit = fit_nlsq_jax(data, config)
    with pytest.warns(HomodyneWarning, match="used twice") as told:
        informed = cmc.fit_mcmc_jax(data, config, nlsq_result=fit, progress_bar=False)
    assert told[0].filename == __file__
    # The prior has twice the width of the posterior, but not below 1 % of the bounds.
    assert informed.std_params["D0"] < 0.95 * result.std_params["D0"]
    assert "used twice" in informed.device_info["priors"]
    config.update_config("optimization.cmc.use_nlsq_informed_priors", False)
    plain = cmc.fit_mcmc_jax(data, config, nlsq_result=fit, progress_bar=False)
    assert agrees(plain, result)


def test_the_call_with_arrays(made, points, result):
    found = cmc.fit_mcmc_jax(
        t1=made.t,
        t2=made.t,
        c2=np.triu(made.c2, 1),
        q2_phi_t1_t2=np.array([0.0054**2]),
        phi_rad=np.deg2rad(made.phi),
        initial_params={"D0": 1e4},
        mode="static",
        config=cmc.CMCConfig(num_warmup=1000, num_samples=2000, num_chains=4),
        progress_bar=False,
    )
    assert agrees(found, result)
    assert found.device_info["without_effect"].keys() == {"num_warmup"}
    assert "D0" in str(found.summary().text())


def test_run_cmc_analysis_honours_bounds_and_priors(points, result):
    bounds = [
        {"name": "alpha", "min": -2, "max": 2, "type": "TruncatedNormal", "prior_mu": -0.8, "prior_sigma": 0.002},
    ]
    fixed = {"D_offset": 0.0}
    space = cmc.ParameterSpace.from_config(
        {"parameter_space": {"bounds": bounds}, "initial_parameters": {"fixed_parameters": fixed}}, "static"
    )
    arrays = [points[name] for name in ("data", "t1", "t2", "phi")]
    found = cmc.run_cmc_analysis(*arrays, 0.0054, 2e6, "static", cmc.CMCConfig(run_id="a"), space, dt=0.1)
    assert found.std_params["alpha"] == pytest.approx(0.002, rel=0.1)
    assert found.samples["D_offset"].max() == found.samples["D_offset"].min() == 0.0
    assert found.uncertainties[found.param_names.index("D_offset")] == 0.0


def test_scaling_may_be_held(points, result):
    found = sampled(points, cmc_config={"per_angle_mode": "constant_averaged", "num_samples": 500})
    assert found.std_contrast.max() < 1e-12
    assert np.ptp(found.mean_contrast) == 0.0
    assert found.per_angle_mode == "constant_averaged"
    # Quantiles of a decay that has not ended in the window are no contrast, and the others pay for it.
    assert not agrees(found, result)


def test_shards_are_combined_where_they_are_asked_for(points, result):
    section = {"num_shards": 2, "backend": "pjit", "combination": {"method": "consensus_mc"}}
    found = sampled(points, cmc_config=section)
    assert found.num_shards == 2
    assert found.success == found.certificate.ok
    if found.success:
        assert agrees(found, result)


@pytest.fixture(scope="module")
def model_kwargs(points):
    prepared = cmc.prepare_mcmc_data(*(points[name] for name in ("data", "t1", "t2", "phi")))
    return cmc.create_xdata_dict(prepared, 0.0054, 2e6, 0.1, "static") | {"data": prepared.data}


CHAINS = cmc.CMCConfig(num_chains=2, num_warmup=300, num_samples=500, target_accept_prob=0.9)


@pytest.mark.slow
def test_chains_of_the_no_u_turn_sampler(model_kwargs, result):
    space = cmc.ParameterSpace.from_defaults()
    samples, stats = cmc.run_nuts_sampling(
        cmc.get_xpcs_model(), model_kwargs, CHAINS, None, space, 3, "static", progress_bar=False
    )
    assert (samples.n_chains, samples.n_samples) == (2, 500)
    assert 0.5 < stats.accept_prob <= 1
    assert stats.tree_depth > 0
    assert agrees(cmc.CMCResult.from_mcmc_samples(samples, stats, "static"), result, 0.4)


def test_settings_of_chains_are_those_of_the_configuration(model_kwargs, result, monkeypatch):
    seen = []

    def sample(self, method, *, throw):
        seen.append((self, method, throw))
        return result.posterior

    monkeypatch.setattr(Asking, "sample", sample)
    arguments = (model_kwargs, CHAINS, {"D0": 1e4}, cmc.ParameterSpace.from_defaults(), 3, "static")
    samples, stats = cmc.run_nuts_sampling(cmc.get_xpcs_model(), *arguments)
    assert samples.samples["D0"].shape == (samples.n_chains, samples.n_samples)
    assert stats.total_time == result.execution_time
    cmc.run_nuts_with_retry(cmc.get_xpcs_model("constant"), *arguments, rng_key=7, per_angle_mode="constant")
    (first, nuts, throw), (second, careful, throws) = seen
    assert nuts == wilks.Nuts(n_chains=2, n_warmup=300, n_draws=500, target_accept=0.9, max_retries=0)
    assert (careful.max_retries, throw, throws) == (3, False, True)
    assert (first.seed, second.seed, first.start) == (42, 7, {"D0": 1e4})
    assert (first.scaling().kind, second.scaling().kind) == ("individual", "constant")
    with pytest.raises(InvalidConfigurationError, match="n_phi=2, but the points have 3 angles"):
        cmc.run_nuts_sampling(cmc.get_xpcs_model(), *arguments[:4], 2, "static")
    with pytest.raises(InvalidConfigurationError, match="take get_xpcs_model"):
        cmc.run_nuts_sampling(cmc.get_xpcs_model("constant"), *arguments)
    with pytest.raises(InvalidConfigurationError, match="model_kwargs: data, phi_unique missing"):
        cmc.run_nuts_sampling(cmc.get_xpcs_model(), {**model_kwargs, "data": None, "phi_unique": None}, *arguments[1:])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"analysis_mode": "statik"}, "did you mean 'static'"),
        ({"method": "nlsq"}, "method: got 'nlsq'; known are mcmc"),
        ({"num_samples": 5}, "no argument 'num_samples'"),
        ({"phi": None}, "phi missing"),
        ({"L": None, "analysis_mode": "laminar_flow"}, "L missing"),
        ({"cmc_config": {"num_smaples": 5}}, "unknown key 'num_smaples'; did you mean 'num_samples'"),
        ({"cmc_config": {"require_nlsq_warmstart": True}}, "give nlsq_result"),
        ({"cmc_config": wilks.FitOptions()}, "cmc_config: expected a dictionary or a CMCConfig"),
        ({"cmc_config": cmc.CMCConfig(num_chains=0)}, "cmc_config: num_chains: expected a positive number"),
        ({"parameter_space": {}}, "parameter_space: expected a ParameterSpace"),
        ({"parameter_space": cmc.ParameterSpace.from_defaults("laminar_flow")}, "one of 'laminar_flow'"),
        ({"data": [np.nan]}, "NaN or infinite"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_so(points, more, text):
    with pytest.raises((InvalidConfigurationError, InvalidDataError)) as error:
        sampled(points, **more)
    assert text in str(error.value)


def test_a_wrong_interval_is_told(points):
    given = dict.fromkeys(("analysis_mode", "cmc_config", "initial_values", "parameter_space")) | points
    with pytest.warns(HomodyneWarning, match=r"dt=0.23 s, but the times of the points are 0.1 s apart"):
        assert call_of(given | {"dt": 0.23, "method": "mcmc"}, {}).data.dt == pytest.approx(0.1)
    assert call_of(given | {"dt": 0.05, "method": "mcmc"}, {}).data.dt == 0.05  # every second frame


def test_a_run_with_a_name_goes_on(points, result, tmp_path):
    section = {"backend_config": {"checkpoint_dir": str(tmp_path)}, "run_id": "one", "num_samples": 500}
    first = sampled(points, cmc_config=section)
    again = sampled(points, cmc_config=section)
    assert (tmp_path / "one.sqlite").is_file()
    assert np.array_equal(first.parameters, again.parameters)
    assert agrees(first, result)
