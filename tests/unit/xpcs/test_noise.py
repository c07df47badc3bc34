"""Estimates of the noise: unbiased, whatever the model, the weights and the hot pixels are."""

import numpy as np
import pytest

from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.folding import fold
from wilks.xpcs.noise import sigma_along_age, sigma_of_halves
from wilks.xpcs.packing import pair_count

N_T = 450  # 1e5 pairs
SIGMA = 0.02


def white(seed=1, n_t=N_T):
    return np.random.default_rng(seed).normal(0, SIGMA, pair_count(n_t))


def model(n_t, correlation_time):
    """A decay with the lag and a power-law ageing, packed."""
    i, j = np.triu_indices(n_t, 1)
    ages = np.cumsum((np.arange(n_t) + 0.5) ** -0.5)
    return 1 + 0.5 * np.exp(-(ages[j] - ages[i]) * 10 / correlation_time)


@pytest.mark.parametrize("seed", range(5))
def test_white_noise(seed):
    assert sigma_along_age(white(seed), None, N_T) == pytest.approx(SIGMA, rel=0.02)


def test_no_bias():
    found = [sigma_along_age(white(seed), None, N_T) for seed in range(60)]
    assert np.mean(found) == pytest.approx(SIGMA, rel=0.0025)


@pytest.mark.parametrize("correlation_time", [0.1, 1, 3, 10, 100, 1000])
def test_a_steep_decay_does_not_inflate_it(correlation_time):
    y = model(N_T, correlation_time) + white()
    assert sigma_along_age(y, None, N_T) == pytest.approx(SIGMA, rel=0.02)


def test_hot_pixels_do_not_inflate_it():
    y = white()
    y[np.random.default_rng(2).random(len(y)) < 0.002] = 50
    assert sigma_along_age(y, None, N_T) == pytest.approx(SIGMA, rel=0.02)


def test_weights():
    rng = np.random.default_rng(3)
    weights = rng.choice([0, 0.5, 1, 3], pair_count(N_T))
    y = np.where(weights > 0, white() / np.sqrt(np.maximum(weights, 0.1)), 100.0)
    assert sigma_along_age(y, weights, N_T) == pytest.approx(SIGMA, rel=0.03)


@pytest.mark.parametrize("n_t", [4, 5, 8])
def test_few_times(n_t):
    assert sigma_along_age(np.arange(pair_count(n_t)) ** 2.0, None, n_t) > 0


def test_too_few_times_or_pairs():
    assert np.isnan(sigma_along_age(np.ones(3), None, 3))
    assert np.isnan(sigma_along_age(np.ones(6), np.zeros(6), 4))


def test_difference_of_halves():
    matrix = np.random.default_rng(4).normal(1.2, SIGMA, (N_T, N_T))
    matrix[5] = np.nan
    assert sigma_of_halves(matrix) == pytest.approx(SIGMA / np.sqrt(2), rel=0.02)
    assert np.isnan(sigma_of_halves(np.full((5, 5), np.nan)))


@pytest.mark.parametrize("storage", ["full", "upper"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("masked", [False, True])
def test_folding_estimates_what_is_not_given(storage, dtype, masked):
    rng = np.random.default_rng(5)
    lags = np.abs(np.subtract.outer(np.arange(N_T), np.arange(N_T)))
    c2 = (1 + 0.3 * np.exp(-lags / 2) + rng.normal(0, SIGMA, (2, N_T, N_T))).astype(dtype)
    c2[1] += rng.normal(0, 2 * SIGMA, (N_T, N_T))
    if storage == "upper":
        c2 = np.triu(c2)
    mask = rng.random((N_T, N_T)) > 0.1 if masked else None
    folded = fold(TwoTimeData(c2, np.arange(N_T), [0, 1], 0.01, mask=mask))
    expected = SIGMA * np.array([1, np.sqrt(5)]) / (np.sqrt(2) if storage == "full" else 1)
    assert folded.pairs.sigma == pytest.approx(expected, rel=0.02)
    assert folded.report.sigma_source == "estimated from second differences along the age"
    assert folded.report.remarks() == () or masked
    if storage == "full":
        assert folded.report.sigma_of_halves == pytest.approx(expected, rel=0.02)


def test_sigma_is_positive_without_noise_and_with_few_pairs():
    exact = np.full((1, 10, 10), 1.5)
    assert 0 < fold(TwoTimeData(exact, np.arange(10), [0], 0.01)).pairs.sigma[0] < 1e-12
    few = np.array([[[0, 1.0, 2.0], [0, 0, 3.0], [0, 0, 0]]])
    assert fold(TwoTimeData(few, np.arange(3), [0], 0.01)).pairs.sigma[0] == pytest.approx(np.std([1, 2, 3]))
