"""Contrast and offset from quantiles: right where the correlation decays, with and without noise."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.folding import fold
from wilks.xpcs.packing import pair_count
from wilks.xpcs.pairs import Pairs
from wilks.xpcs.quantiles import quantile_scaling

N_T = 300
CONTRAST, OFFSET = np.array([0.3, 0.1]), np.array([1.0, 1.07])
LAGS = np.abs(np.subtract.outer(np.arange(N_T), np.arange(N_T)))


def pairs_of(decay, sigma, mask=None):
    noise = np.random.default_rng(1).normal(0, sigma, (2, N_T, N_T)) if sigma else np.zeros((2, N_T, N_T))
    c2 = OFFSET[:, None, None] + CONTRAST[:, None, None] * decay + np.triu(noise) + np.triu(noise, 1).transpose(0, 2, 1)
    return fold(TwoTimeData(c2, np.arange(N_T), [0, 45], 0.01, sigma=sigma or 1e-6, mask=mask)).pairs


@pytest.mark.parametrize("sigma", [0.0, 0.02, 0.2])
def test_a_step_is_found_whatever_the_noise(sigma):
    """On both plateaus all spread is noise: the raw 10 % and 90 % quantiles would be off by 1.28 sigma each."""
    contrast, offset = quantile_scaling(pairs_of(LAGS < 100, sigma))
    assert contrast == pytest.approx(CONTRAST, abs=max(1e-5, 0.06 * sigma))
    assert offset == pytest.approx(OFFSET, abs=max(1e-5, 0.06 * sigma))


def test_the_quantile_without_noise_is_that_of_the_values():
    pairs = pairs_of(np.exp(-LAGS / 40), 0.0)
    i, j = np.triu_indices(N_T, 1)
    lags, values = j - i, pairs.y[0] + pairs.centres[0]
    floor = np.quantile(values[lags >= np.quantile(lags, 0.8)], 0.1)
    ceiling = np.quantile(values[lags <= np.quantile(lags, 0.2)], 0.9)
    contrast, offset = quantile_scaling(pairs)
    assert offset[0] == pytest.approx(floor, abs=1e-4)
    assert contrast[0] + offset[0] == pytest.approx(ceiling, abs=2e-3)


def test_noise_is_taken_out_of_a_normal_spread():
    """Equation (1) is exact where the values without their noise are normally distributed."""
    spread, sigma = 0.05, 0.1
    rng = np.random.default_rng(2)
    n = pair_count(N_T)
    y = rng.normal(0, spread, (1, n)) + rng.normal(0, sigma, (1, n))
    pairs = Pairs(N_T, y, None, np.array([1.2]), np.array([sigma]), np.array([n]))
    contrast, offset = quantile_scaling(pairs)
    assert offset[0] == pytest.approx(1.2 - 1.2816 * spread, abs=0.006)
    assert contrast[0] == pytest.approx(2 * 1.2816 * spread, abs=0.01)


def test_an_exponential_decay_is_near_enough_for_a_start():
    contrast, offset = quantile_scaling(pairs_of(np.exp(-LAGS / 30), 0.02))
    assert contrast == pytest.approx(CONTRAST, rel=0.25)
    assert offset == pytest.approx(OFFSET, abs=0.01)


def test_masked_pairs_are_left_out():
    decay = (LAGS < 100).astype(float)
    decay[20:40] = decay[:, 20:40] = 50.0
    mask = np.ones((N_T, N_T), bool)
    mask[20:40] = mask[:, 20:40] = False
    contrast, offset = quantile_scaling(pairs_of(decay, 0.02, mask))
    assert contrast == pytest.approx(CONTRAST, abs=0.002)
    assert offset == pytest.approx(OFFSET, abs=0.002)


def test_weights_enter_the_noise():
    """A quarter of the weight is twice the noise."""
    n = pair_count(N_T)
    y = np.random.default_rng(3).normal(0, 0.2, (1, n))
    pairs = Pairs(N_T, y, np.full((1, n), 0.25, np.float32), np.zeros(1), np.array([0.1]), np.array([n]))
    contrast, _ = quantile_scaling(pairs)
    assert abs(contrast[0]) < 0.03


def test_an_angle_without_pairs_has_no_scaling():
    y = np.zeros((2, pair_count(10)))
    weights = np.array([np.zeros(45), np.ones(45)], np.float32)
    contrast, offset = quantile_scaling(Pairs(10, y, weights, np.ones(2), np.ones(2), np.array([0, 45])))
    assert np.isnan([contrast[0], offset[0]]).all()
    assert [contrast[1], offset[1]] == [0, 1]


@pytest.mark.parametrize("n_t", [2, 3, 5])
def test_few_times(n_t):
    n = pair_count(n_t)
    pairs = Pairs(n_t, np.zeros((1, n)), None, np.array([1.2]), np.ones(1), np.array([n]))
    assert [float(each[0]) for each in quantile_scaling(pairs)] == [0, 1.2]


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_regions_of_all_lags_or_of_one(extreme):
    """Values are the lags: the quantiles 0 and 1 say which lags a region holds."""
    i, j = np.triu_indices(30, 1)
    n = pair_count(30)
    pairs = Pairs(30, (j - i)[None].astype(float), None, np.zeros(1), np.full(1, 1e-9), np.array([n]))
    contrast, offset = quantile_scaling(pairs, lag_floor=extreme, lag_ceiling=extreme, low=0.0, high=1.0)
    assert offset[0] == (29 if extreme else 1)
    assert offset[0] + contrast[0] == (29 if extreme else 1)


@pytest.mark.parametrize("name", ["lag_floor", "lag_ceiling", "low", "high"])
def test_quantiles_are_checked(name):
    pairs = Pairs(3, np.zeros((1, 3)), None, np.ones(1), np.ones(1), np.array([3]))
    with pytest.raises(InvalidConfigurationError, match=f"{name} is a quantile, between 0 and 1, but it is 1.5"):
        quantile_scaling(pairs, **{name: 1.5})
