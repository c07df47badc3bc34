"""Results, files, pictures and diagnostics of draws, and their combination over shards."""

import importlib.util
import json
import math

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne import cmc
from wilks.facades.homodyne.notices import HomodyneWarning

NAMES = ["contrast_0", "contrast_1", "offset_0", "offset_1", "D0", "alpha", "D_offset"]
CENTRES = [0.3, 0.2, 1.0, 1.1, 1e4, -0.5, 20.0]


def drawn(shift=0.0, divergent=0, n=500):
    generator = np.random.default_rng(1)
    samples = {
        name: c + 0.01 * (abs(c) + 1) * generator.normal(size=(4, n)) for name, c in zip(NAMES, CENTRES, strict=True)
    }
    samples["D0"][0] += shift
    samples["sigma"] = 0.01 + 1e-4 * generator.normal(size=(4, n))
    diverging = np.zeros((4, n), dtype=bool)
    diverging.flat[:divergent] = True
    energy = generator.normal(size=(4, n))
    return cmc.MCMCSamples(samples, list(NAMES), 4, n, {"diverging": diverging, "energy": energy})


def result_of(samples, divergent=0):
    return cmc.CMCResult.from_mcmc_samples(samples, cmc.SamplingStats(2.0, 3.0, 5.0, divergent), "static")


@pytest.fixture(scope="module")
def result():
    return result_of(drawn())


def test_a_result_has_moments_by_name_and_position(result):
    assert result.success
    assert result.parameters == pytest.approx(CENTRES, rel=2e-3)
    assert result.mean_params["alpha"] == result.mean_params[1] == result.parameters[5]
    assert list(np.asarray(result.std_params)) == list(result.uncertainties[4:])
    assert result.mean_contrast.tolist() == result.parameters[:2].tolist()
    assert result.covariance.shape == (7, 7)
    assert np.sqrt(np.diag(result.covariance)) == pytest.approx(result.uncertainties, rel=1e-3)
    stats = result.get_posterior_stats()["D0"]
    assert stats["hdi_5%"] < stats["median"] < stats["hdi_95%"]
    assert stats["mean"] == result.parameters[4]
    assert result.summary().title.startswith("Posterior")
    assert repr(result).startswith("CMCResult: Converged: 0 divergences, quality good\n  contrast_0 = 0.2998")


@pytest.mark.parametrize(
    ("samples", "divergent", "status"),
    [
        (drawn(), 0, "converged"),
        (drawn(shift=500.0), 0, "not_converged"),
        (drawn(divergent=3), 3, "divergences"),
        (drawn(n=40), 0, "not_converged"),
    ],
)
def test_a_result_converged_where_the_certificate_holds(samples, divergent, status):
    found = result_of(samples, divergent)
    assert (found.convergence_status, found.success) == (status, found.certificate.ok)
    assert found.quality_flag == ("good" if found.success else "poor")
    assert found.success or found.certificate.message in found.message


def test_a_larger_effective_size_may_be_asked_for():
    stats = cmc.SamplingStats()
    assert not cmc.CMCResult.from_mcmc_samples(drawn(), stats, "static", min_ess=1e6).success


def test_arrays_of_draws_go_round(result):
    array = result.get_samples_array()
    assert array.shape == (4, 500, 7)
    back = cmc.samples_dict_from_array(array, NAMES)
    assert all(np.array_equal(back[name], result.samples[name]) for name in NAMES)
    with pytest.raises(InvalidDataError, match=r"expected the shape \(n_chains, n_samples, 2\)"):
        cmc.samples_dict_from_array(array, ["a", "b"])


def test_missing_parameters_are_named(result):
    averaged = result_of(drawn())
    averaged.per_angle_mode = "auto"
    assert result.validate_parameters() == averaged.validate_parameters() == []
    assert result_of(drawn()).validate_parameters() == []
    result_of_flow = result_of(drawn())
    result_of_flow.analysis_mode, result_of_flow.per_angle_mode = "laminar_flow", "individual"
    assert result_of_flow.validate_parameters() == ["gamma_dot_t0", "beta", "gamma_dot_t_offset", "phi0"]


def test_files_go_round(result, tmp_path):
    fitted = np.ones((2, 3))
    paths = cmc.save_all_results(
        result, tmp_path / "out", fitted + 0.1, fitted, 0.1 * fitted, np.arange(3), np.arange(3), [0.0, 90.0], 0.0054
    )
    assert {path.name for path in paths.values()} == {path.name for path in (tmp_path / "out").iterdir()}
    found = cmc.load_samples_npz(paths["samples"])
    assert np.array_equal(found["posterior_samples"], result.get_samples_array())
    assert (found["param_names"], found["analysis_mode"]) == (NAMES, "static")
    assert (found["n_phi"], found["n_chains"], found["n_samples"], found["schema_version"]) == (2, 4, 500, (1, 0))
    assert found["r_hat"][4] == result.r_hat["D0"]
    with np.load(paths["fitted_data"]) as file:
        assert set(file) == {
            "c2_exp", "c2_fitted", "residuals", "c2_fitted_std", "c2_fitted_5pct", "c2_fitted_95pct", "q",
            "phi_angles", "t1", "t2",
        }  # fmt: skip
        assert file["residuals"] == pytest.approx(np.full((2, 3), 0.1))
        assert file["c2_fitted_95pct"] == pytest.approx(np.full((2, 3), 1.1645), rel=1e-4)
    assert json.loads(paths["parameters"].read_text())["alpha"]["mean"] == result.parameters[5]
    diagnostics = json.loads(paths["diagnostics"].read_text())
    assert diagnostics["convergence_status"] == "converged"
    assert [check["ok"] for check in diagnostics["certificate"]] == [True] * len(result.certificate.checks)


def test_what_could_not_be_measured_is_null(result, tmp_path):
    constant = {
        name: np.full((4, 500), c) if name == "D_offset" else result.samples[name]
        for name, c in zip(NAMES, CENTRES, strict=True)
    }
    found = result_of(cmc.MCMCSamples(constant, list(NAMES), 4, 500))
    cmc.save_parameters_json(found, tmp_path / "parameters.json")
    assert json.loads((tmp_path / "parameters.json").read_text())["D_offset"]["r_hat"] is None


def test_paths_are_checked(result, tmp_path):
    with pytest.raises(InvalidDataError, match=r"ends in \.npz"):
        cmc.save_samples_npz(result, tmp_path / "samples.txt")
    with pytest.raises(InvalidDataError, match="leads up"):
        cmc.load_samples_npz(tmp_path / ".." / "samples.npz")
    with pytest.raises(FileNotFoundError, match="no such file"):
        cmc.load_samples_npz(tmp_path / "samples.npz")
    np.savez(tmp_path / "samples.npz", param_names=np.array([{}], dtype=object))
    with pytest.raises(InvalidDataError, match="no schema_version"):
        cmc.load_samples_npz(tmp_path / "samples.npz")
    (tmp_path / "samples.npz").write_text("no zip")
    with pytest.raises(InvalidDataError, match="cannot be read as arrays"):
        cmc.load_samples_npz(tmp_path / "samples.npz")
    with pytest.raises(InvalidDataError, match="c2_fitted, c2_fitted_std, t1, t2, phi_angles, q missing"):
        cmc.save_all_results(result, tmp_path, c2_exp=np.ones(3))


def test_trees_of_arviz_hold_the_draws(result, tmp_path):
    cmc.save_samples_npz(result, tmp_path / "samples.npz")
    loaded = cmc.samples_to_arviz(cmc.load_samples_npz(tmp_path / "samples.npz"))
    for tree in (result.inference_data, cmc.create_inference_data(drawn()), loaded):
        assert np.array_equal(tree["posterior"]["D0"].values, result.samples["D0"])
    with pytest.raises(InvalidDataError, match="no 'posterior_samples'"):
        cmc.samples_to_arviz({})


def test_all_pictures_are_drawn(result, tmp_path):
    found = cmc.generate_diagnostic_plots(result, tmp_path, dpi=30, param_subset=["D0"])
    names = ["pair", "forest", "energy", "autocorr", "rank", "ess", "trace"]
    assert [path.name for path in found] == [f"{name}_plot.png" for name in names]
    assert all(path.stat().st_size > 1000 for path in found)
    path = cmc.plot_forest(result.inference_data, tmp_path / "again", ["alpha"], figsize=(3, 2), dpi=30)
    assert path.read_bytes()[16:24] == (90).to_bytes(4, "big") + (60).to_bytes(4, "big")
    with pytest.raises(InvalidDataError, match="expected a CMCResult, a posterior of wilks, or an ArviZ tree"):
        cmc.plot_trace([1.0], tmp_path)


def test_convergence_is_held_against_limits():
    good = {"a": 1.0, "b": 1.01}, {"a": 900.0, "b": 500.0}
    assert cmc.check_convergence(*good, 0, 500, 4) == ("converged", [])
    assert cmc.check_convergence(*good, 300, 500, 4)[0] == "divergences"
    assert cmc.check_convergence(*good, 300, 500, 4, num_shards=10)[0] == "converged"
    assert cmc.check_convergence({"a": math.nan}, {"a": 900.0}, 0, 500, 4)[0] == "not_converged"
    assert cmc.check_convergence({}, {}, 0, 500, 4)[0] == "not_converged"
    assert cmc.check_convergence(*good, 0, 500, 4, min_ess=600)[1] == ["bulk ESS of b is 500, expected at least 600"]


def test_chains_that_disagree_are_measured():
    samples = drawn(shift=500.0).samples
    r_hat, (bulk, tail) = cmc.compute_r_hat(samples), cmc.compute_ess(samples)
    assert r_hat["D0"] > 1.5
    assert r_hat["alpha"] < 1.01
    assert bulk["D0"] < 50
    assert bulk["alpha"] > 1000
    assert set(tail) == set(samples)
    with pytest.raises(
        InvalidDataError, match=r"samples of 'a': expected the shape \(n_chains, n_samples\), got \(3,\)"
    ):
        cmc.compute_r_hat({"a": np.zeros(3)})


def test_the_summary_is_logged(caplog):
    with caplog.at_level("INFO"):
        cmc.log_analysis_summary("not_converged", {"a": 1.3}, {"a": 50.0}, 7, 500, 4, 8, 7, 12.5)
    assert "R-hat at most 1.300, bulk ESS at least 50, 7 divergences" in caplog.messages[0]
    assert "7 of 8 shards" in caplog.messages[0]
    assert "draw 8 times as many samples" in caplog.messages[2]
    assert len(caplog.messages) == 4


def test_a_posterior_is_compared_with_prior_and_fit():
    assert math.isnan(cmc.compute_posterior_contraction(1.0, 0.0))
    stats = {
        "D0": {"mean": 1e4, "std": 100.0},
        "alpha": {"mean": -0.5, "std": 0.01},
        "sigma": {"mean": 1.0, "std": 1.0},
    }
    found = cmc.compute_precision_analysis(stats, {"D0": 10_400.0}, {"D0": 50.0}, {"alpha": 0.1})
    assert set(found) == {"D0", "alpha"}
    assert (found["D0"]["z_score"], found["D0"]["uncertainty_ratio"], found["D0"]["coverage_95"]) == (4.0, 2.0, 0.0)
    assert found["alpha"]["posterior_contraction"] == pytest.approx(0.9)
    told = []
    text = cmc.log_precision_analysis(found, told.append)
    assert told == [text]
    assert "far" in text.splitlines()[2]
    assert len(text.splitlines()) == 4


def two_modes(first, second, share, n=2000):
    generator = np.random.default_rng(2)
    return np.where(generator.random(n) < share, first, second) + 0.1 * generator.normal(size=n)


def test_two_modes_are_found():
    found = cmc.detect_bimodal(two_modes(1.0, 3.0, 0.3))
    assert found.is_bimodal
    assert found.weights == pytest.approx((0.3, 0.7), abs=0.03)
    assert (found.separation, found.relative_separation) == pytest.approx((2.0, 1.0), abs=0.03)
    assert not cmc.detect_bimodal(two_modes(1.0, 3.0, 0.1)).is_bimodal
    assert not cmc.detect_bimodal(two_modes(101.0, 103.0, 0.3)).is_bimodal
    assert cmc.detect_bimodal(two_modes(101.0, 103.0, 0.3), min_relative_separation=0.01).is_bimodal
    assert not cmc.detect_bimodal(np.random.default_rng(3).normal(size=4000)).is_bimodal
    skewed = cmc.detect_bimodal(np.random.default_rng(3).gamma(1.5, size=4000))
    assert min(skewed.weights) > 0.2  # two components, and no valley between them
    assert not skewed.is_bimodal
    checked = cmc.check_shard_bimodality({"D0": two_modes(1.0, 3.0, 0.5), "phi0": two_modes(1.0, 3.0, 0.5)})
    assert [(name, each.is_bimodal) for name, each in checked.items()] == [("D0", True)]


def test_modes_of_shards_are_gathered():
    detections = [
        {"shard": 0, "param": "D0", "mode1": 1.0, "mode2": 3.0},
        {"shard": 0, "param": "alpha", "mode1": -1.0, "mode2": 1.0},
        {"shard": 1, "param": "D0", "mode1": 3.2, "mode2": 1.2},
    ]
    summary = cmc.summarize_cross_shard_bimodality(detections, 4, {"D0": 2.1})
    of = summary["per_param"]["D0"]
    assert (of["n_bimodal"], of["fraction"], of["consensus_in_trough"]) == (2, 0.5, True)
    assert (of["lower_mean"], of["upper_mean"], of["mean_separation"]) == pytest.approx((1.1, 3.1, 2.0))
    assert summary["co_occurrence"] == {"n_both": 1, "fraction_both": 0.25}
    assert "alpha" not in cmc.summarize_cross_shard_bimodality(detections, 4, None, 0.3)["per_param"]
    shards = [
        cmc.MCMCSamples({"D0": np.full((1, 5), d), "alpha": np.full((1, 5), a)}, [], 1, 5)
        for d, a in ((2, 0), (2, 0), (1.3, -0.8), (2.8, 0.9))
    ]
    bounds = {"D0": (0.0, 10.0), "alpha": (-2.0, 2.0)}
    assert cmc.cluster_shard_modes(detections, shards, summary, bounds) == ([0, 1, 2], [0, 1, 3])


def gaussian_shards(k, scale=1.0, n=1000):
    """Shards whose narrow directions turn, and the mean and covariance of the product of their posteriors."""
    generator = np.random.default_rng(4)
    found, precision, pulled = [], np.zeros((2, 2)), np.zeros(2)
    for turn in np.linspace(0.6, 1.0, k):
        axis = np.array([np.cos(turn), np.sin(turn)])
        covariance = 0.02 * np.eye(2) + 10.0 * np.outer(axis, axis)
        mean = 0.3 * generator.normal(size=2)
        draws = scale * (mean + generator.normal(size=(4, n // 4, 2)) @ np.linalg.cholesky(covariance).T)
        found.append(cmc.MCMCSamples({"a": draws[..., 0], "b": draws[..., 1]}, ["a", "b"], 4, n // 4))
        precision += np.linalg.inv(covariance)
        pulled += np.linalg.solve(covariance, mean)
    return found, np.linalg.solve(precision, pulled), np.linalg.inv(precision)


@pytest.mark.parametrize("scale", [1.0, 1e-7])
def test_shards_are_combined_with_their_full_covariances(scale):
    shards, mean, covariance = gaussian_shards(10, scale)
    found = cmc.combine_shard_samples(shards, "consensus_mc")
    draws = np.stack([found.samples[name].ravel() for name in "ab"]) / scale
    size = np.sqrt(np.diag(covariance))
    assert np.std(draws, axis=1) == pytest.approx(size, rel=0.1)
    assert np.corrcoef(draws)[0, 1] == pytest.approx(covariance[0, 1] / size.prod(), abs=0.03)
    assert np.mean(draws, axis=1) == pytest.approx(mean, abs=0.3 * size.max())
    assert found.num_shards == 10


def test_methods_that_ignore_correlations_are_warned_of():
    with pytest.warns(HomodyneWarning, match="'weighted_gaussian' ignores correlations"):
        cmc.combine_shard_samples(gaussian_shards(2)[0])
    with pytest.raises(InvalidConfigurationError, match="did you mean 'consensus_mc'"):
        cmc.combine_shard_samples(gaussian_shards(2)[0], "consensus")
    with pytest.raises(InvalidDataError, match="at least one shard"):
        cmc.combine_shard_samples([], "auto")


def test_modes_of_shards_are_combined():
    shards = [cmc.MCMCSamples({"a": two_modes(-3.0, 3.0, 0.8).reshape(4, 500)}, ["a"], 4, 500) for _ in range(2)]
    found, modes = cmc.combine_shard_samples_bimodal(shards, ([0, 1], [0, 1]), [], ["a"], {"n_both": 0})
    assert found.bimodal_consensus is modes
    weights = [mode.weight for mode in modes.modes if mode.weight > 0.01]
    assert weights == pytest.approx([16 / 17, 1 / 17], abs=0.03)  # 0.8 and 0.2, squared
    assert (found.samples["a"] < 0).mean() == pytest.approx(16 / 17, abs=0.03)
    assert modes.modes[0].mean["a"] == pytest.approx(-3.0, abs=0.05)


def test_backends_are_chosen_by_name():
    kinds = {"auto": cmc.MultiprocessingBackend, "multiprocessing": cmc.MultiprocessingBackend, "pjit": cmc.PjitBackend}
    for name, kind in kinds.items():
        config = cmc.CMCConfig(backend_name=name, per_shard_timeout=60)
        backend = cmc.select_backend(config)
        assert isinstance(backend, kind)
        with backend.executor(config) as executor:
            assert executor.name
    with pytest.raises(InvalidConfigurationError, match="did you mean 'pbs'"):
        cmc.select_backend(cmc.CMCConfig(backend_name="pbss"))
    with pytest.raises(InvalidConfigurationError, match="expected 'spawn'"):
        cmc.MultiprocessingBackend(spawn_method="fork")


def test_pbs_is_refused_where_it_is_not(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidConfigurationError, match="no command qsub"):
        cmc.select_backend(cmc.CMCConfig(backend_name="pbs"))
    if importlib.util.find_spec("dask_jobqueue") is None:  # to import it here would change what Ctrl-C does
        pytest.skip("no dask-jobqueue")
    script = (
        cmc.PBSBackend(queue="short", ppn=8, walltime="01:00:00", memory="16gb").executor(cmc.CMCConfig()).job_script()
    )
    assert "#PBS -q short" in script
    assert "ncpus=8" in script
    with pytest.raises(InvalidConfigurationError, match="ppn: expected a whole number >= 1, got 0"):
        cmc.PBSBackend(ppn=0)
