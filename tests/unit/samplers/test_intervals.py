"""Quantiles and credible sets of weighted draws, against distributions whose sets are known."""

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.samplers.intervals import equal_tailed, highest_density, weighted_quantiles

N = 4000
EVEN = (np.arange(N) + 0.5) / N  # quantiles instead of draws: no noise
EQUAL = np.full(N, 1 / N)
BOX = (-1e6, 1e6)


def importance(distribution, proposal):
    """Draws of a proposal, without noise, and the weights that make them draws of a distribution."""
    x = proposal.ppf(EVEN)
    weights = distribution.pdf(x) / proposal.pdf(x)
    return x, weights / weights.sum()


def length(pieces):
    return sum(high - low for low, high in pieces)


def test_quantiles_of_weighted_draws():
    x, weights = importance(stats.norm(1, 2), stats.t(4, loc=1, scale=3))
    p = np.array([[0.01, 0.3], [0.5, 0.975]])
    np.testing.assert_allclose(weighted_quantiles(x, weights, p), stats.norm(1, 2).ppf(p), atol=0.01)
    shuffled = np.random.default_rng(1).permutation(N)
    np.testing.assert_allclose(
        weighted_quantiles(x[shuffled], weights[shuffled], p), weighted_quantiles(x, weights, p), rtol=1e-12
    )
    assert weighted_quantiles(x, weights, [0.0, 1.0]).tolist() == [x.min(), x.max()]
    assert np.isnan(weighted_quantiles(np.empty(0), np.empty(0), [0.5])).all()
    assert equal_tailed(x, weights, 0.95) == pytest.approx((1 - 3.92, 1 + 3.92), abs=0.02)


def test_draws_without_weight_change_nothing():
    x, weights = np.array([1.0, 2.0, 3.0, -50.0, 99.0]), np.array([0.25, 0.5, 0.25, 0.0, 0.0])
    p = [0.125, 0.3, 0.5, 0.875]
    np.testing.assert_allclose(weighted_quantiles(x, weights, p), weighted_quantiles(x[:3], weights[:3], p))


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, [0.5, 2]])
def test_no_probability(p):
    with pytest.raises(wilks.InvalidConfigurationError, match="expected numbers from 0 to 1, got"):
        weighted_quantiles(EVEN, EQUAL, p)


@pytest.mark.parametrize("p", [0, 1, -0.5, "0.5", True, None, float("nan")])
def test_no_probability_of_a_set(p):
    for function in (equal_tailed, lambda *a: highest_density(*a, BOX)):
        with pytest.raises(wilks.InvalidConfigurationError, match="expected a number between 0 and 1, got"):
            function(EVEN, EQUAL, p)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e5])
@pytest.mark.parametrize("p", [0.5, 0.68, 0.95])
def test_a_bell(scale, p):
    x, weights = importance(stats.norm(0, scale), stats.t(5, scale=1.5 * scale))
    ((low, high),) = highest_density(x, weights, p, BOX)
    assert (low, high) == pytest.approx(stats.norm(0, scale).interval(p), abs=0.08 * scale)


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_cut_by_a_bound(p):
    """The density is highest at the bound, and the set begins there."""
    x = stats.expon(scale=2).ppf(EVEN)
    ((low, high),) = highest_density(x, EQUAL, p, (0.0, 1e6))
    assert low == x.min() < 0.001
    assert high == pytest.approx(-2 * np.log(1 - p), rel=0.04)
    ((low, high),) = highest_density(-x, EQUAL, p, (-1e6, 0.0))
    assert high == -x.min()


@pytest.mark.parametrize("distance", [10.0, 100.0, 1e4])
def test_two_modes(distance):
    """Two pieces, as wide as the modes are and not as they are apart, with their shares of the probability."""
    bell = stats.norm().ppf(EVEN)
    x, weights = np.concatenate([bell, distance + bell]), np.concatenate([0.4 * EQUAL, 0.6 * EQUAL])
    pieces = highest_density(x, weights, 0.9, BOX)
    assert len(pieces) == 2
    shares = [weights[(x >= low) & (x <= high)].sum() for low, high in pieces]
    assert sum(shares) == pytest.approx(0.9, abs=0.02)
    # The density at the ends is the same: 0.4 phi(a) = 0.6 phi(b).
    a = 1.513
    assert shares == pytest.approx(
        [0.4 * (2 * stats.norm.cdf(a) - 1), 0.9 - 0.4 * (2 * stats.norm.cdf(a) - 1)], abs=0.025
    )
    assert length(pieces) == pytest.approx(2 * (a + np.sqrt(a**2 + 2 * np.log(1.5))), rel=0.1)


def test_a_narrow_bell_in_a_wide_box():
    """Importance sampling leaves draws of the prior all over the box, with next to no weight."""
    x = np.concatenate([1e-6 * stats.norm().ppf(EVEN), 9 * (2 * EVEN[::10] - 1)])
    weights = np.concatenate([EQUAL, np.full(N // 10, 1e-300)])
    ((low, high),) = highest_density(x, weights / weights.sum(), 0.68, (-9, 9))
    assert (low, high) == pytest.approx((-0.9945e-6, 0.9945e-6), rel=0.05)


def test_heavy_tails():
    x = stats.cauchy().ppf(EVEN)
    ((low, high),) = highest_density(x, EQUAL, 0.68, BOX)
    assert (low, high) == pytest.approx(stats.cauchy().interval(0.68), abs=0.3)


def test_hardly_any_draws():
    assert highest_density(np.empty(0), np.empty(0), 0.5, BOX) == []
    assert highest_density(np.array([3.0, 3.0]), np.array([0.5, 0.5]), 0.5, BOX) == [(3.0, 3.0)]
    pieces = highest_density(np.array([1.0, 2.0]), np.array([0.5, 0.5]), 0.9, BOX)
    assert pieces[0][0] == 1.0
    assert pieces[-1][1] == 2.0
