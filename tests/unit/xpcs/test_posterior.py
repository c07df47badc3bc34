"""Posteriors of correlations: against a sum over all parameters on a grid, what counts once, and what is told."""

import dataclasses

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.folding import fold
from wilks.xpcs.posterior.comparison import _words

STATIC = {"D0": 2e4, "alpha": -0.4, "D_offset": 800.0}
STEADY = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
PRECISE = wilks.AdaptiveImportance(ess=3000)
QUICK = wilks.AdaptiveImportance(ess=400)


def simulated(truth=STATIC, n_t=40, n_phi=2, sigma=0.01, **more):
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, np.linspace(-60.0, 80.0, n_phi))
    mode = "static" if len(truth) == 3 else "laminar_flow"
    return xpcs.simulate(truth, place, mode=mode, contrast=0.2, sigma=sigma, seed=1, **more)


def fitted(data, mode="static", **more):
    return xpcs.fit(data, mode, seed=1, callbacks=(), **more)


@pytest.fixture(scope="module")
def fit():
    return fitted(simulated())


@pytest.fixture(scope="module")
def posterior(fit):
    return xpcs.sample(fit, seed=2, method=QUICK, callbacks=())


def on_grid(data, box):
    """Mean and standard deviation of D0, contrast, offset and sigma: the joint posterior of all four, summed up."""
    (y,), t = fold(data).pairs.y, data.t
    y = y + fold(data).pairs.centres[0]
    first, second = np.triu_indices(len(t), 1)
    axes = [np.geomspace(*box[0], 41), *(np.linspace(*ends, n) for ends, n in zip(box[1:], (61, 131, 13), strict=True))]
    _, b, o, s = np.meshgrid(*axes, indexing="ij", sparse=True)
    f = np.exp(-(data.q**2) * axes[0][:, None] * (t[second] - t[first]))
    terms = [np.einsum("np->n", each)[:, None, None, None] for each in (f, f**2, f * y)]
    chi = (y @ y) - 2 * o * y.sum() + o**2 * len(y) + 2 * b * o * terms[0] + b**2 * terms[1] - 2 * b * terms[2]
    # D0 is spaced in its logarithm, which has a flat prior.
    logs = -len(y) * np.log(s) - 0.5 * chi / s**2 - np.log(s)
    p = np.exp(logs - logs.max())
    p[:, [0, -1]] /= 2  # where a bound cuts, the grid is that of trapezoids
    p[[0, -1]] /= 2
    p /= p.sum()
    edges = [p.sum(axis=tuple(j for j in range(4) if j != i)) for i in range(4)]
    assert all(max(edge[0], edge[-1]) < 2e-4 * edge.max() for edge in edges[2:])
    means = [float(edge @ axis) for edge, axis in zip(edges, axes, strict=True)]
    return means, [
        float(np.sqrt(edge @ (axis - mean) ** 2)) for edge, axis, mean in zip(edges, axes, means, strict=True)
    ]


@pytest.mark.parametrize(
    ("contrast", "noise", "ends"),
    [(0.2, 0.012, [(0.1, 0.4), (0.84, 1.1), (0.008, 0.022)]), (0.02, 0.03, [(0.0, 0.25), (0.7, 1.06), (0.02, 0.055)])],
)
def test_posterior_is_that_of_all_parameters_together(contrast, noise, ends):
    """Few pairs, so that nothing is Gaussian; in the second case the contrast leans on its bound."""
    place = xpcs.Geometry(0.2 * np.arange(13), 0.2, 0.0054, None, np.array([0.0]))
    data = xpcs.simulate(STEADY, place, mode="static", contrast=contrast, sigma=noise, seed=4)
    parameters = {"D0": wilks.Real(1e4, 6e4, scale="log"), "alpha": 0.0, "D_offset": 0.0}
    options = xpcs.PosteriorOptions(parameters=parameters)
    found = xpcs.sample(data, "static", seed=2, method=PRECISE, options=options, callbacks=())
    box = [(1e4, 6e4), *ends]
    means, spreads = on_grid(data, box)
    ours = [found.means["D0"], found.contrast_mean[0], found.offset_mean[0], float(found.sigma.mean())]
    ours_spread = [found.standard_deviations["D0"], found.contrast_sd[0], found.offset_sd[0], float(found.sigma.std())]
    drawn = [float(draws.mean()) for draws in (found.contrast, found.offset)]
    for mean, sd, our, our_sd in zip(means, spreads, ours, ours_spread, strict=True):
        assert our == pytest.approx(mean, abs=0.08 * sd)
        assert our_sd == pytest.approx(sd, rel=0.08)
    assert drawn == pytest.approx(means[1:3], abs=0.08 * spreads[1])


def test_every_pair_counts_once():
    """One half, or the same half twice, is the same measurement; two halves with noise of their own are more."""
    problems = []
    for storage in ("upper", "mirrored", "independent"):
        found = xpcs.sample(
            fitted(simulated(storage=storage, sigma=0.004)), seed=2, method=QUICK, callbacks=(), n_draws=100
        )
        problems.append(found)
    upper, mirrored, independent = problems
    assert upper.n_data == mirrored.n_data == independent.n_data == 2 * 40 * 39 // 2
    for name in upper.names:
        assert np.array_equal(upper.draws[name], mirrored.draws[name])
    ratio = independent.standard_deviations["D0"] / upper.standard_deviations["D0"]
    assert ratio == pytest.approx(np.sqrt(0.5), rel=0.15)


def test_result_tells_all(posterior, fit):
    assert posterior.status.success, posterior.status.message
    assert posterior.contrast.shape == (*posterior.draws["D0"].shape, 2)
    assert (posterior.scaling.kind, posterior.mode, posterior.noise, posterior.sigma_model) == (
        "individual", "static", "white", "integrated",
    )  # fmt: skip
    assert posterior.sigma.mean() == pytest.approx(0.01, rel=0.05)
    assert abs(posterior.contrast_mean - 0.2).max() < 5 * posterior.contrast_sd.max()
    assert posterior.contrast.mean(axis=(0, 1)) == pytest.approx(
        posterior.contrast_mean, abs=0.1 * fit.contrast_errors[0]
    )
    assert posterior.contrast.std(axis=(0, 1)) == pytest.approx(posterior.contrast_sd, rel=0.1)
    assert posterior.contrast_sd == pytest.approx(fit.contrast_errors, rel=0.35)
    assert "contrast" in posterior.angles().text()


def test_comparison_with_the_fit(posterior, fit):
    found = posterior.comparisons["alpha"]
    assert found.z_score == pytest.approx(
        (posterior.means["alpha"] - fit.values["alpha"]) / posterior.standard_deviations["alpha"]
    )
    assert found.uncertainty_ratio == pytest.approx(
        posterior.standard_deviations["alpha"] / fit.standard_errors["alpha"]
    )
    assert 0.5 < found.overlap <= 1.0
    assert "alpha" in posterior.compare_with_fit().text()


@pytest.mark.parametrize(
    ("contraction", "z", "ratio", "overlap", "words"),
    [
        (0.95, 0.1, 1.0, 0.95, "the data decide; agrees with the fit"),
        (0.1, 0.1, np.nan, np.nan, "the prior decides; the fit has no error"),
        (0.5, 2.0, 1.0, 0.3, "prior and data decide; away from the fit"),
        (0.95, 0.1, 2.0, 0.8, "the data decide; wider than the fit says"),
        (0.95, 0.1, 0.5, 0.8, "the data decide; narrower than the fit says"),
        (0.95, 0.8, 1.1, 0.9, "the data decide; skewed, its mean is beside the fit"),
    ],
)
def test_comparison_in_words(contraction, z, ratio, overlap, words):
    assert _words(contraction, z, ratio, overlap) == words


def test_bands_hold_the_correlations(posterior, monkeypatch):
    """Against all draws at once; and in pieces of a few rows the same."""
    whole = posterior.bands(1, 0.9, n_draws=60)
    monkeypatch.setattr("wilks.xpcs.posterior.bands._VALUES", 60 * 40 * 3)
    pieces = posterior.bands(1, 0.9, n_draws=60)
    for name in ("mean", "sd", "lower", "upper"):
        assert np.allclose(getattr(whole, name), getattr(pieces, name), rtol=0, atol=1e-12)
        assert np.array_equal(getattr(whole, name), getattr(whole, name).T)
    chosen = np.unique(np.linspace(0, posterior.contrast[..., 1].size - 1, 60).astype(int))
    place = xpcs.Geometry(posterior.fit.t, 0.1, 0.0054, 2e6, posterior.phi[1:])
    c2 = []
    for i in chosen:
        values = {name: posterior.draws[name].ravel()[i] for name in STATIC}
        b, o = posterior.contrast[..., 1].ravel()[i], posterior.offset[..., 1].ravel()[i]
        c2.append(xpcs.simulate(values, place, contrast=b, offset=o, mode="static").c2[0])
    assert whole.mean == pytest.approx(np.mean(c2, axis=0), abs=1e-12)
    assert whole.upper == pytest.approx(np.quantile(c2, 0.95, axis=0), abs=1e-12)
    with pytest.raises(InvalidConfigurationError, match="angle"):
        posterior.bands(7)


def test_saved_and_loaded(posterior, tmp_path):
    loaded = wilks.load(posterior.save(tmp_path / "posterior.wilks"))
    assert type(loaded) is xpcs.XpcsPosterior
    assert loaded.data is None
    assert posterior.data is not None
    assert np.array_equal(loaded.contrast, posterior.contrast)
    assert loaded.compare_with_fit().text() == posterior.compare_with_fit().text()
    assert np.array_equal(loaded.bands(0, n_draws=5).mean, posterior.bands(0, n_draws=5).mean)


def test_priors_about_the_fit_are_told(fit):
    """The data are used twice: the posterior is too narrow, and says why."""
    options = xpcs.PosteriorOptions(prior_width=1.0)
    narrow = xpcs.sample(fit, seed=2, method=QUICK, options=options, callbacks=())
    assert narrow.fit_informed
    assert "used twice" in repr(narrow)
    assert narrow.standard_deviations["alpha"] < 0.85 * fit.standard_errors["alpha"]


def test_what_the_data_do_not_tell_keeps_its_prior():
    """Without any shear the exponent and the direction of the flow mean nothing."""
    truth = STATIC | {"gamma_dot_0": 0.0, "beta": 0.0, "gamma_dot_offset": 0.0, "phi0": 0.0}
    parameters = {"gamma_dot_0": 0.0, "gamma_dot_offset": 0.0, "D_offset": 800.0}
    fit = fitted(simulated(truth), "laminar_flow", parameters=parameters)
    found = xpcs.sample(fit, seed=2, method=QUICK, callbacks=())
    assert found.standard_deviations["beta"] == pytest.approx(4 / np.sqrt(12), rel=0.08)
    assert found.means["phi0"] == pytest.approx(0.0, abs=1.0)
    assert any("beta, phi0" in remark for remark in found.remarks)


@pytest.mark.parametrize("scaling", ["averaged", xpcs.Scaling.constant(0.2, 1.0), xpcs.Scaling.fourier(0)])
def test_other_scalings(fit, scaling):
    found = xpcs.sample(fit, scaling=scaling, seed=2, method=QUICK, callbacks=(), n_draws=400)
    assert found.status.success, found.status.message
    assert np.allclose(found.contrast[..., 0], found.contrast[..., 1])
    assert found.contrast[..., 0].std() > 1e-4 or found.scaling.kind == "constant"
    assert found.means["D0"] == pytest.approx(fit.values["D0"], abs=6 * fit.standard_errors["D0"])


def test_angle_without_data_has_no_numbers():
    data = simulated(n_phi=3)
    c2 = np.array(data.c2)
    c2[1] = np.nan
    data = xpcs.TwoTimeData(c2, data.t, data.phi, data.q, data.gap, sigma=0.03)
    found = xpcs.sample(fitted(data), seed=2, method=QUICK, callbacks=(), n_draws=100)
    assert np.isnan(found.contrast[..., 1]).all()
    assert np.isfinite(found.contrast[..., [0, 2]]).all()
    with pytest.raises(InvalidConfigurationError, match="has no data"):
        found.bands(1)


def test_arguments_that_cannot_be_used(fit):
    loaded = dataclasses.replace(fit, data=None)
    with pytest.raises(InvalidConfigurationError, match="with_data"):
        xpcs.sample(loaded)
    with pytest.raises(InvalidConfigurationError, match="the fit has mode 'static'"):
        xpcs.sample(fit, "laminar_flow")
    with pytest.raises(InvalidConfigurationError, match="did you mean 'known'"):
        xpcs.sample(fit, sigma="know")
    with pytest.raises(InvalidConfigurationError, match="PosteriorOptions"):
        xpcs.sample(fit, options=xpcs.FitOptions())
    with pytest.raises(InvalidConfigurationError, match="convention is that of the fit"):
        xpcs.sample(fit, options=xpcs.PosteriorOptions(convention=xpcs.Convention()))
    with pytest.raises(InvalidConfigurationError, match="prior_width"):
        xpcs.PosteriorOptions(prior_width=0.0)
    robust = fitted(simulated(), options=xpcs.FitOptions(loss="huber"))
    with pytest.raises(InvalidConfigurationError, match="loss 'huber'"):
        xpcs.sample(robust)


def test_sampling_that_was_stopped_goes_on(fit, posterior, tmp_path):
    """Nothing is certified before the end; with the same log and seed the end is the same."""
    path = tmp_path / "run.wilks"
    with wilks.EvaluationLog(path) as log:
        stopped = xpcs.sample(fit, seed=2, method=QUICK, log=log, stop=wilks.MaxEvaluations(600), callbacks=())
    assert not stopped.status.success
    with wilks.EvaluationLog(path) as log:
        resumed = xpcs.sample(fit, seed=2, method=QUICK, log=log, callbacks=())
    assert np.array_equal(resumed.draws["D0"], posterior.draws["D0"])
    assert np.array_equal(resumed.contrast, posterior.contrast)


def test_posterior_without_draws_says_so(fit):
    found = xpcs.sample(fit, seed=2, stop=wilks.MaxEvaluations(1), callbacks=())
    assert found.contrast.shape[1:] == (0, 2)
    assert "limit" in repr(found)
    assert "nan" in found.angles().text()
    with pytest.raises(InvalidConfigurationError, match="no draws"):
        found.bands(0)
    with pytest.raises(wilks.SampleFailedError):
        xpcs.sample(fit, seed=2, stop=wilks.MaxEvaluations(1), callbacks=(), throw=True)


def test_flow_and_its_mirror_image():
    """The sign of the shear does not show; where the box has room for both there are two modes, each as likely."""
    truth = STATIC | {"gamma_dot_0": 2e-3, "beta": 0.0, "gamma_dot_offset": 0.0, "phi0": 4.0}
    parameters = {"D0": 2e4, "alpha": -0.4, "D_offset": 800.0, "beta": 0.0, "phi0": 4.0,
                  "gamma_dot_0": wilks.Real(1e-3, 0.01), "gamma_dot_offset": wilks.Real(-0.02, 0.0)}  # fmt: skip
    fit = fitted(simulated(truth, n_phi=3), "laminar_flow", parameters=parameters)
    found = xpcs.sample(fit, seed=2, callbacks=())
    rate = found.draws["gamma_dot_0"] + found.draws["gamma_dot_offset"]
    assert np.abs(rate).mean() == pytest.approx(2e-3, rel=0.1)
    # The line of rate 2e-3 is 8e-3 long in the box, that of -2e-3 as well from 1e-3 on: 9e-3.
    assert (rate < 0).mean() == pytest.approx(9 / 17, abs=0.12)
