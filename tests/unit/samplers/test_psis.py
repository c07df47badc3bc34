"""Pareto smoothing: against arviz-stats, against draws whose k is known, and with weights of every kind."""

import math

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from wilks.samplers.psis import effective_size, k_limit, pareto_fit, smoothed


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("n", [100, 400, 3600])
def test_as_arviz(spread, n):
    """Of as many draws as make 3 sqrt(n) whole: arviz-stats rounds it down, the paper's own package up."""
    log_weights = np.random.default_rng(n).normal(scale=spread, size=n)
    expected, k = array_stats.psislw(-log_weights)
    found, k_hat = smoothed(log_weights)
    assert k_hat == pytest.approx(float(k), abs=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("k", [-0.5, 0.0, 0.3, 0.7, 1.5])
def test_draws_of_a_known_k(k):
    n = 1000
    draws = stats.genpareto(k, scale=3.0).rvs((20, n), random_state=1)
    found = np.mean([pareto_fit(np.sort(row))[0] for row in draws])
    assert found == pytest.approx((n * k + 5) / (n + 10), abs=0.03)
    scales = [pareto_fit(np.sort(row))[1] for row in draws]
    assert np.mean(scales) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("degrees", [2, 5])
def test_k_of_a_proposal_with_known_tails(degrees):
    """Ratios of a t target to a Gaussian have no moments; of a t to a t with tails as heavy all of them."""
    x = np.random.default_rng(3).standard_t(degrees, size=20_000)
    same = stats.t(degrees, scale=0.5).logpdf(x) - stats.t(degrees).logpdf(x)
    heavier = stats.t(degrees / 2).logpdf(x) - stats.t(degrees).logpdf(x)
    assert smoothed(same)[1] < 0.2
    assert smoothed(heavier)[1] == pytest.approx(0.5, abs=0.15)  # P(w > t) falls like t^-2


KINDS = {
    "bounded": lambda rng, n: rng.normal(size=n),
    "wild": lambda rng, n: 300 * rng.normal(size=n),
    "impossible": lambda rng, n: np.where(rng.random(n) < 0.9, -np.inf, rng.normal(size=n)),
    "at the smallest floats": lambda rng, n: np.concatenate([[0.0], rng.uniform(-709, -700, size=n - 1)]),
    "far from 0": lambda rng, n: -1e5 + rng.normal(size=n),
    "tied": lambda rng, n: rng.integers(0, 3, size=n).astype(float),
    "one": lambda rng, n: np.concatenate([np.full(n - 1, -np.inf), [3.0]]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stay_weights(kind):
    rng = np.random.default_rng(4)
    for n in [1, 7, 24, 26, 101, 1000]:
        raw = KINDS[kind](rng, n)
        found, k = smoothed(raw)
        assert not math.isnan(k)
        assert np.logaddexp.reduce(found) == pytest.approx(0.0, abs=1e-9)
        order = np.argsort(raw, kind="stable")
        ascending = found[order][np.isfinite(raw[order])]
        assert (np.diff(ascending) >= -1e-9).all()
        assert np.isneginf(found[np.isneginf(raw)]).all(), "what is impossible stays so"
        if n < 25:
            assert k == math.inf


def test_no_weight_at_all():
    for log_weights in (np.full(50, -np.inf), np.empty(0)):
        found, k = smoothed(log_weights)
        assert k == math.inf
        assert np.isneginf(found).all()
    assert effective_size(np.full(50, -np.inf)) == 0.0
    assert effective_size(np.empty(0)) == 0.0


def test_equal_weights_have_no_tail():
    found, k = smoothed(np.full(100, 7.0))
    assert k == -math.inf
    np.testing.assert_allclose(found, -math.log(100))
    assert effective_size(found) == pytest.approx(100)


def test_effective_size():
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    with np.errstate(divide="ignore"):
        assert effective_size(np.log(weights)) == pytest.approx(1 / (weights @ weights))


def test_limit():
    assert k_limit(5) == 0.0
    assert k_limit(100) == 0.5
    assert k_limit(10**6) == 0.7
