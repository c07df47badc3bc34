"""Fits of files that do not come from the model: photons of moving speckles, correlated by another package.

`examples/xpcs` has the files and the truth, `tools/xpcs_test_data` the simulation: fields of Ornstein-Uhlenbeck
processes, summed over the layers of a sheared gap, Poisson photons. The noise of such data is not quite white (the
speckles are those of a finite number of pixels), which the standard errors of a fit do not know: they are about 1.3
times too small here.
"""

import functools
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from wilks import xpcs
from wilks.xpcs.files import read

FOLDER = Path(__file__).parents[2] / "examples" / "xpcs"
TRUTH = json.loads((FOLDER / "truth.json").read_text())["samples"]
CASES = [("rest", 0.0045), ("rest", 0.0054), ("flow", 0.0054)]


def bins_of(sample, q):
    return [each for each in TRUTH[sample]["bins"] if each["q"] == q]


@functools.cache
def measured(sample, q):
    known = TRUTH[sample]
    return read(FOLDER / known["file"], q=q, gap=known["gap"])


@functools.cache
def fitted(sample, q, convention=None):
    return xpcs.fit(measured(sample, q), TRUTH[sample]["mode"], convention=convention, seed=1, callbacks=())


def test_the_files_are_small_enough_to_be_shipped():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.hdf")) < 500_000


@pytest.mark.parametrize(("sample", "q"), CASES)
def test_what_is_read_is_what_is_in_the_file(sample, q):
    data = measured(sample, q)
    assert data.phi.tolist() == [each["phi"] for each in bins_of(sample, q)]
    assert data.source.layout == TRUTH[sample]["layout"]
    np.testing.assert_allclose(data.t, TRUTH[sample]["dt"] * np.arange(TRUTH[sample]["n_t"]), rtol=0, atol=1e-12)
    position = TRUTH[sample]["bins"].index(bins_of(sample, q)[1])
    group = {"rest": "exchange/C2T_all", "flow": "xpcs/twotime/correlation_map"}[sample]
    with h5py.File(FOLDER / TRUTH[sample]["file"]) as file:
        half = list(file[group].values())[position][()]
    np.testing.assert_array_equal(data.matrix(1), half + np.triu(half, 1).T)


@pytest.mark.parametrize(("sample", "q"), CASES)
def test_the_diagonal_has_the_shot_noise_of_a_frame_with_itself(sample, q):
    """<I^2> / <I>^2 is 1 + contrast + 1 / photons."""
    expected = [1 + each["contrast"] + 1 / TRUTH[sample]["photons_per_pixel_and_frame"] for each in bins_of(sample, q)]
    data = measured(sample, q)
    found = [np.diag(data.matrix(k)).mean() for k in range(data.n_phi)]
    np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize(("sample", "q"), CASES)
def test_the_truth_is_found(sample, q):
    result = fitted(sample, q)
    assert result.status.success
    assert result.quality.flag == "good"
    for name, value in TRUTH[sample]["values"].items():
        assert abs(result.values[name] - value) < 3 * result.standard_errors[name], name
    assert result.reduced_chi_squared == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("sample", "q"), CASES)
def test_contrasts_are_within_one_percent(sample, q):
    result = fitted(sample, q)
    np.testing.assert_allclose(result.contrast, [each["contrast"] for each in bins_of(sample, q)], rtol=0.01)
    np.testing.assert_allclose(result.offset, 1, atol=0.002)


@pytest.mark.parametrize(("sample", "q"), CASES)
def test_mean_rates_are_within_one_percent(sample, q):
    """Amplitude, exponent and offset of a power law make up for each other; its mean is sharp."""
    found, true = fitted(sample, q).values, TRUTH[sample]["values"]
    t = measured(sample, q).t[1:]
    laws = [("D0", "alpha", "D_offset"), ("gamma_dot_0", "beta", "gamma_dot_offset")]
    for amplitude, exponent, offset in laws if sample == "flow" else laws[:1]:
        means = [np.mean(each[amplitude] * t ** each[exponent] + each[offset]) for each in (found, true)]
        assert means[0] == pytest.approx(means[1], rel=0.01), amplitude


def test_layers_between_plates_have_the_sinc_of_the_physical_convention():
    other = fitted("flow", 0.0054, xpcs.Convention.homodyne())
    assert other.chi_squared - fitted("flow", 0.0054).chi_squared > 100
