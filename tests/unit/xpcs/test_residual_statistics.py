"""Statistics of residuals against sums made pair by pair, and what they say of noise that is and is not white."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs import residual_statistics as statistics
from wilks.xpcs.residual_statistics import inflation, residual_statistics
from wilks.xpcs.residual_sums import CLASSES, EXPECTED_BEYOND, joined, residual_sums
from wilks.xpcs.views import view

TRUTH = {"D0": 2e4, "alpha": -0.3, "D_offset": 0.0}
LOCAL = xpcs.FitOptions(method="local")
SIGMA = 0.02


def place(n_t, phi, q=0.0054):
    return xpcs.Geometry(0.1 * np.arange(n_t), 0.1, q, None, phi)


def fit(data, **keywords):
    usual = {"parameters": {"D_offset": 0.0}, "start": TRUTH, "options": LOCAL, "seed": 1, "callbacks": ()}
    return xpcs.fit(data, "static", **(usual | keywords))


def noisy(noise, phi=(0.0, 40.0, 90.0), sigma=SIGMA, q=0.0054):
    """The model with some noise, one half of the matrix; `noise` in units of SIGMA, shape (n_phi, n_t, n_t)."""
    clean = xpcs.simulate(TRUTH, place(noise.shape[-1], phi, q), mode="static")
    c2 = np.triu(np.asarray(clean.c2) + SIGMA * noise)
    return xpcs.TwoTimeData(c2, clean.t, clean.phi, clean.q, sigma=sigma)


def white(seed, n_t=60, n_phi=3):
    return np.random.default_rng(seed).normal(size=(n_phi, n_t, n_t))


def said(noise, **keywords):
    return residual_statistics(fit(noisy(noise), **keywords)).reasons


@pytest.fixture(scope="module")
def masked():
    """Some pairs are not known, a band is masked, one angle is dead, and every value has its own sigma."""
    rng = np.random.default_rng(4)
    data = noisy(white(2, 40, 4), phi=(0.0, 30.0, 60.0, 90.0))
    c2 = np.array(data.c2)
    c2[1] = np.nan
    c2[0, 3, 8:12] = np.nan
    mask = np.ones((40, 40), bool)
    mask[20:23], mask[:, 20:23] = False, False
    sigma = SIGMA * rng.uniform(0.8, 1.2, c2.shape)
    return fit(xpcs.TwoTimeData(c2, data.t, data.phi, data.q, sigma=sigma, mask=mask))


def above(matrix):
    values = matrix[np.triu_indices(len(matrix), 1)]
    return values[np.isfinite(values)]


def products(upper, a, b):
    """Mean of r_ij r_(i+a)(j+b) over pairs above the diagonal, and their number."""
    n = len(upper)
    found = [
        upper[i, j] * upper[i + a, j + b]
        for i in range(n)
        for j in range(i + 1, n)
        if 0 <= i + a < j + b < n and np.isfinite(upper[i, j] * upper[i + a, j + b])
    ]
    return sum(found), len(found)


def test_moments_and_counts(masked):
    found = residual_statistics(masked)
    assert found.angles == (0, 2, 3)
    assert found.phi.tolist() == [0.0, 60.0, 90.0]
    everything = [above(masked.residuals(k)) for k in found.angles]
    for sums, r in zip((*found.per_angle, found.overall), (*everything, np.concatenate(everything)), strict=True):
        assert sums.n == len(r)
        assert sums.mean == pytest.approx(r.mean(), abs=1e-7)
        assert sums.chi_squared == pytest.approx((r**2).sum(), rel=1e-7)
        assert sums.standard_deviation == pytest.approx(r.std(), rel=1e-7)
        assert sums.skewness == pytest.approx(stats.skew(r), abs=1e-6)
        assert sums.excess_kurtosis == pytest.approx(stats.kurtosis(r), abs=1e-6)
        assert sums.beyond == ((np.abs(r) > 3).mean(), (np.abs(r) > 5).mean())
        np.testing.assert_array_equal(sums.counts, np.histogram(r, CLASSES)[0])
        within = (np.abs(r) < 1).mean()
        assert sums.bulk_deviation == pytest.approx(1 / stats.norm.ppf((1 + within) / 2))
    assert found.overall.chi_squared == pytest.approx(masked.chi_squared, rel=1e-6)
    assert found.overall.n == masked.n_used


def test_autocorrelations_are_those_of_products_pair_by_pair(masked):
    for sums, angle in zip(residual_statistics(masked).per_angle, (0, 2, 3), strict=True):
        upper = np.triu(masked.residuals(angle), 1)
        upper[np.tril_indices(40)] = np.nan
        size = np.nanmean(upper**2)
        age, age_error = sums.along("age")
        lag, lag_error = sums.along("lag")
        assert len(age) == len(lag) == sums.max_shift == 10
        for s in (1, 4, 10):
            total, n = products(upper, s, s)
            assert age[s - 1] == pytest.approx(total / n / size, abs=1e-6)
            assert age_error[s - 1] == pytest.approx(n**-0.5)
            (later, n_later), (earlier, n_earlier) = products(upper, 0, s), products(upper, s, 0)
            assert lag[s - 1] == pytest.approx((later + earlier) / (n_later + n_earlier) / size, abs=1e-6)
            assert lag_error[s - 1] == pytest.approx((n_later + n_earlier) ** -0.5)


def test_products_at_all_shifts():
    """Also those that move the two times in opposite directions, and where nothing is missing."""
    upper = np.random.default_rng(1).normal(size=(24, 24))
    sums = residual_sums(upper)
    upper[np.tril_indices(24)] = np.nan
    for a, b in ((0, -3), (2, -3), (2, 5), (6, -6), (0, 0)):
        total, n = products(upper, a, b)
        assert sums.n_products[a, sums.max_shift + b] == n
        assert sums.products[a, sums.max_shift + b] == pytest.approx(total / np.nanmean(upper**2), abs=1e-4)


def test_chi_squared_against_lag(masked):
    found = residual_statistics(masked)
    for sums, angle in zip(found.per_angle, found.angles, strict=True):
        r = masked.residuals(angle)
        expected = [np.nanmean(np.diagonal(r, lag) ** 2) if lag < 39 else r[0, 39] ** 2 for lag in range(1, 40)]
        np.testing.assert_allclose(sums.mean_squares, expected, rtol=1e-6)
    np.testing.assert_allclose(found.overall.squares.sum(), masked.chi_squared, rtol=1e-6)


def test_nothing_known():
    sums = residual_sums(np.full((12, 12), np.nan))
    assert sums.n == 0
    assert math.isnan(sums.mean)
    assert math.isnan(sums.standard_deviation)
    assert math.isnan(sums.skewness)
    assert math.isnan(sums.excess_kurtosis)
    assert math.isnan(sums.bulk_deviation)
    assert np.isnan([*sums.beyond, *sums.mean_squares, *sums.along("age")[0]]).all()
    assert np.isinf(sums.along("lag")[1]).all()


def test_expected_tails():
    assert pytest.approx([2 * stats.norm.sf(3), 2 * stats.norm.sf(5)]) == EXPECTED_BEYOND


def test_white_noise_is_hardly_ever_called_something_else():
    n_alarms = 0
    for seed in range(60):
        noise = white(seed, n_t=30, n_phi=2)
        n_alarms += not residual_statistics(fit(noisy(noise, phi=(0.0, 90.0)))).is_white
    assert n_alarms <= 1


def test_white_noise_of_estimated_size():
    found = residual_statistics(fit(noisy(white(7), sigma=None)))
    assert found.is_white
    assert found.reasons == ()
    assert "They are white" in repr(found)
    assert found.inflation == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(("shift", "expected"), [((1, 0), 2.0), ((1, 1), 2.0), ((1, -1), 2.0)])
def test_inflation_of_a_moving_average(shift, expected):
    """(e_p + e_(p + shift)) / sqrt(2) has a correlation of 1/2 at one shift and its opposite: F = 2."""
    e = np.random.default_rng(3).normal(size=(8, 202, 202))
    r = (e + np.roll(e, shift, axis=(1, 2)))[:, 1:-1, 1:-1] / math.sqrt(2)
    factor, window = inflation(joined([residual_sums(each) for each in r]))
    assert factor**2 == pytest.approx(expected, rel=0.08)
    assert window < 12


def test_inflation_counts_the_size_of_the_residuals():
    r = white(5, 100, 1)[0]
    small, large = (inflation(residual_sums(scale * r))[0] for scale in (1.0, 3.0))
    assert large == pytest.approx(3 * small)


def test_inflation_is_what_estimates_of_correlated_noise_scatter_by():
    pulls, factors = [], []
    for seed in range(20):
        noise = np.array([gaussian_filter(each, 0.7) for each in white(seed, 80, 2)])
        result = fit(noisy(noise / noise.std(), phi=(0.0, 90.0), q=0.004))
        found = residual_statistics(result)
        assert "correlated between neighbouring ages" in found.reasons[0]
        assert "standard errors are too small; a rough factor is " in found.reasons[0]
        factors.append(found.inflation)
        pulls.append([(result.values[name] - TRUTH[name]) / result.standard_errors[name] for name in ("D0", "alpha")])
    scatter = np.sqrt(np.mean(np.square(pulls)))
    assert 0.75 < np.mean(factors) / scatter < 1.33
    assert np.mean(np.abs(pulls) < 1.96) < 0.75
    assert np.mean(np.abs(pulls) < 1.96 * np.array(factors)[:, None]) > 0.88


def test_correlations_that_cancel():
    (reason,) = statistics._correlation_reasons(residual_sums(gaussian_filter(white(1, 40, 1)[0], 1.0)), math.nan, 3)
    assert "by a factor that cannot be told" in reason


def test_anticorrelated_noise():
    noise = white(3, 61)
    (reason,) = said((noise[:, 1:, 1:] - 0.5 * noise[:, :-1, :-1]) / math.sqrt(1.25))
    assert "correlated between neighbouring ages (-0.4" in reason
    assert "standard errors are too large; a rough factor is 0." in reason


def test_noise_that_pairs_of_a_frame_share_shows_along_the_lag():
    noise = white(1) + np.random.default_rng(9).normal(size=(3, 60, 1))
    (reason, *_) = said(noise / math.sqrt(2), scaling="individual")
    assert "between lags that are 1 to 10 frames apart (0.2" in reason
    assert "too small" in reason


def shared(seed, n_phi=7, n_t=100, part=0.04, tau=5.0):
    """White noise, of which a part persists: pairs that have either frame in common share it for tau other frames."""
    rng = np.random.default_rng(seed)
    phi = math.exp(-1 / tau)
    drawn = rng.normal(size=(2, n_phi, n_t, n_t))
    for at in range(1, n_t):
        drawn[..., at] = phi * drawn[..., at - 1] + math.sqrt(1 - phi**2) * drawn[..., at]
    slow = (drawn[0] + drawn[1].swapaxes(1, 2)) / math.sqrt(2)
    return math.sqrt(1 - part) * rng.normal(size=slow.shape) + math.sqrt(part) * slow, 1 + 2 * part * phi / (1 - phi)


def test_weak_correlations_that_reach_far_add_up():
    """Each of them is lost in its error, and together they make standard errors 1.17 times larger."""
    factors = []
    for seed in range(20):
        noise, total = shared(seed)
        sums = joined([residual_sums(each) for each in noise])
        factors.append(inflation(sums)[0])
        (reason,) = statistics._correlation_reasons(sums, factors[-1], 10)
        assert "between lags that are 1 to " in reason
        assert " on average)" in reason
        assert "too small; a rough factor is 1." in reason
    assert np.mean(factors) == pytest.approx(math.sqrt(total), rel=0.03)


def test_sums_of_autocorrelations_of_white_noise_are_not_significant():
    alarms = 0
    for seed in range(300):
        sums = residual_sums(np.random.default_rng(seed).normal(size=(50, 50)))
        alarms += any(statistics._longest(sums, direction)[2] > statistics._SURE for direction in ("age", "lag"))
    assert alarms <= 1


def test_an_offset_that_is_off():
    reasons = said(white(1), scaling=xpcs.Scaling.constant(0.3, 0.97))
    assert any(reason.startswith("The mean of the residuals is 0.") and "offset" in reason for reason in reasons)


@pytest.mark.parametrize(("scale", "words"), [(1.5, "sigma is too small"), (0.6, "sigma is too large")])
def test_sigma_that_is_off(scale, words):
    (reason,) = said(scale * white(1))
    assert f"The standard deviation of the residuals is {scale:.1f}" in reason
    assert words in reason


def test_one_angle_that_is_noisier():
    noise = white(1)
    noise[1] *= 1.5
    (reason,) = (each for each in said(noise) if "usual" in each)
    assert "at 40° (1.4" in reason
    assert "90°" not in reason


def test_one_angle_that_is_correlated():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(12, 61, 61))
    noise[4, 1:, 1:] = (noise[4, 1:, 1:] + 0.4 * noise[4, :-1, :-1]) / math.sqrt(1.16)
    found = residual_statistics(fit(noisy(noise[:, 1:, 1:], phi=tuple(np.arange(0.0, 120.0, 10.0)))))
    assert any("at 40° along the age (0.2" in reason for reason in found.reasons)


def test_outliers():
    noise = white(1)
    noise[0, [2, 10, 20], [30, 31, 32]] = 20.0
    (reason,) = said(noise)
    assert reason.startswith("3 of 5310 residuals are beyond 5 sigma, where normal noise as broad has 0.003")
    assert "a robust loss" in reason
    (again,) = said(noise, options=xpcs.FitOptions(method="local", loss="soft_l1"))
    assert "a robust loss" not in again


def test_angles_of_different_width_are_no_outliers():
    """All angles together have heavy tails then; each of them is normal."""
    noise = white(1)
    noise[2] *= 3.0
    reasons = said(noise)
    assert any("usual" in reason for reason in reasons)
    assert not any("outliers" in reason for reason in reasons)


def test_skewed_noise():
    noise = np.random.default_rng(1).gamma(40.0, size=(3, 60, 60))
    (reason,) = said((noise - 40.0) / math.sqrt(40.0))
    assert "skewed (0.3" in reason


def test_noise_that_depends_on_the_lag():
    lag = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    for seed, below, size, lags in ((1, 6, 1.6, "0.1 to 0.4 s is 1.8"), (3, 12, 1.12, "0.1 to 0.9 s is 1.2")):
        reasons = said(white(seed) * np.where(lag < below, size, 1.0))
        (reason,) = (each for each in reasons if "Chi-squared per pair at lags" in each)
        assert "the noise depends on the lag" in reason
        assert f"lags of {lags[:11]}" in reason


def test_a_model_that_misses_the_flow():
    flow = {**TRUTH, "gamma_dot_0": 1e-3, "beta": 0.0, "gamma_dot_offset": 0.0, "phi0": 0.0}
    geometry = xpcs.Geometry(0.1 * np.arange(60), 0.1, 0.0054, 2e6, np.array([0.0, 45.0, 90.0]))
    data = xpcs.simulate(flow, geometry, sigma=SIGMA, seed=1)
    found = residual_statistics(fit(data, start=None))
    assert "correlated" in found.reasons[0]
    assert "the model misses something" in found.reasons[0]
    assert found.inflation > 1.5


def test_table():
    table = residual_statistics(fit(noisy(white(1)))).table()
    assert [row[0] for row in table.rows] == ["0", "40", "90", "all", "white"]
    assert max(map(len, table.text().splitlines())) <= 80


def test_results_without_data_or_best_point(masked, tmp_path):
    loaded = wilks.load(masked.save(tmp_path / "fit.json"))
    with pytest.raises(InvalidConfigurationError, match=r"use result\.with_data\(data\)"):
        residual_statistics(loaded)
    assert residual_statistics(loaded.with_data(masked.data)).overall.n == masked.n_used
    hopeless = fit(
        noisy(white(1)),
        start=None,
        parameters={"alpha": wilks.Real(1e5, 2e5), "D_offset": 0.0},
        options=xpcs.FitOptions(n_starts=20, n_refined=2),
    )
    with pytest.raises(InvalidConfigurationError, match="no best point"):
        residual_statistics(hopeless)


def test_one_reading_serves_pictures_and_statistics(monkeypatch):
    result, read = fit(noisy(white(1))), []
    original = xpcs.TwoTimeData.read_c2
    monkeypatch.setattr(xpcs.TwoTimeData, "read_c2", lambda data, angle: read.append(angle) or original(data, angle))
    residual_statistics(result)
    for angle in (0, 1, 2):
        view(result, angle)
    residual_statistics(result)
    assert read == [0, 1, 2]


def test_the_error_of_the_deviation_is_its_scatter():
    sums = [residual_sums(white(seed, 40, 1)[0]) for seed in range(300)]
    error = statistics._spread_error(sums[0], 1, is_estimated=False)
    assert np.std([each.bulk_deviation for each in sums]) == pytest.approx(error, rel=0.12)


@pytest.mark.slow
def test_the_error_of_the_deviation_where_sigma_is_estimated():
    """The noise of the estimate is nearly that of the bulk itself where both are of the same few pairs."""
    sums = []
    for seed in range(200):
        measured = noisy(white(seed, 40, 1), phi=(0.0,), sigma=None)
        sums.append(residual_sums(fit(measured).residuals(0)))
    error = statistics._spread_error(sums[0], 1, is_estimated=True)
    assert np.std([each.bulk_deviation for each in sums]) == pytest.approx(error, rel=0.15)
