"""Standard errors keep their promise: intervals of simulated experiments cover the truth as often as they say."""

import math

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks import Real

N = 400
# Where a binomial count of N draws lies with 99.9 % probability.
LOWEST, HIGHEST = stats.binom(N, 0.6827).interval(0.999)


def line(rng):
    """A straight line with known noise: intervals are exact."""
    x = np.linspace(0, 10, 12)
    data = 1.0 + 0.3 * x + 0.5 * rng.normal(size=12)
    space = wilks.Space(a=Real(-20, 20, initial=0.0), b=Real(-5, 5, initial=0.0))
    return wilks.ResidualProblem(space, lambda v: (data - v["a"] - v["b"] * x) / 0.5)


def decay(rng):
    """An exponential decay: not linear in the rate."""
    x = np.linspace(0, 4, 40)
    data = 5 * np.exp(-0.7 * x) + 0.2 * rng.normal(size=40)
    space = wilks.Space(a=Real(0, 20, initial=3.0), b=Real(0, 5, initial=1.0))
    return wilks.ResidualProblem(space, lambda v: (data - v["a"] * np.exp(-v["b"] * x)) / 0.2)


def counts(rng):
    """Mean and slope of many counts, by their likelihood."""
    x = np.linspace(-1, 1, 30)
    n = rng.poisson(20 * np.exp(0.5 * x))

    def log_likelihood(v):
        log_mean = math.log(v["a"]) + v["b"] * x
        return float(np.sum(n * log_mean - np.exp(log_mean)))

    space = wilks.Space(a=Real(1, 100, scale="log", initial=10.0), b=Real(-3, 3, initial=0.0))
    return wilks.LikelihoodProblem(space, log_likelihood)


@pytest.mark.parametrize(
    ("make", "truth"),
    [
        (line, (1.0, 0.3)),
        pytest.param(decay, (5.0, 0.7), marks=pytest.mark.slow),
        pytest.param(counts, (20.0, 0.5), marks=pytest.mark.slow),
    ],
    ids=["line", "decay", "counts"],
)
def test_one_standard_error_covers_68_percent(make, truth):
    covered, pulls = np.zeros(2), []
    for seed in range(N):
        result = wilks.fit(make(np.random.default_rng(seed)), n_starts=0, seed=1, callbacks=())
        assert result.status.success
        pull = [(result.best[n] - t) / result.standard_errors[n] for n, t in zip(("a", "b"), truth, strict=True)]
        covered += np.abs(pull) < 1
        pulls.append(pull)
    assert (covered >= LOWEST).all(), covered
    assert (covered <= HIGHEST).all(), covered
    # Both together: the squared distance in the metric of the errors, mean and spread of the pulls.
    assert np.abs(np.mean(pulls, axis=0)).max() < 3.5 / math.sqrt(N) + 0.05
    assert np.std(pulls, axis=0) == pytest.approx(1.0, abs=3.5 / math.sqrt(2 * N))


@pytest.mark.slow
def test_correlations_are_covered_too():
    """The ellipse of the covariance at 68.27 % of chi-squared with two degrees of freedom."""
    depth = stats.chi2(2).ppf(0.6827)
    covered = 0
    for seed in range(N):
        result = wilks.fit(line(np.random.default_rng(1000 + seed)), n_starts=0, seed=1, callbacks=())
        d = np.array([result.best["a"] - 1.0, result.best["b"] - 0.3])
        covered += float(d @ np.linalg.solve(result.covariance, d)) < depth
    assert LOWEST <= covered <= HIGHEST


def test_chi_squared_follows_its_law():
    """Kolmogorov and Smirnov: the minimum has as many degrees of freedom as the result says."""
    values = []
    for seed in range(200):
        result = wilks.fit(line(np.random.default_rng(2000 + seed)), n_starts=0, seed=1, callbacks=())
        assert result.dof == 10
        values.append(result.chi_squared)
    assert stats.kstest(values, stats.chi2(10).cdf).pvalue > 0.01
