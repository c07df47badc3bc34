"""Bennett's ratio, weights and errors against closed forms."""

import math

import numpy as np
import pytest

from wilks.searchers.tempering.evidence import bennett, log_evidence, long_run_variance, mbar_log_weights

BETAS = np.array([0.0, 0.05, 0.3, 1.0])


def states(n, seed=1, shift=0.0):
    """Exact draws of E = x^2 / 2 under a uniform prior on [-10, 10], at BETAS, by inversion."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-10, 10, 20001)
    columns = []
    for beta in BETAS:
        cumulative = np.cumsum(np.exp(-0.5 * beta * grid**2))
        columns.append(np.interp(rng.random(n), cumulative / cumulative[-1], grid))
    x = np.stack(columns, axis=-1)
    return x, 0.5 * x**2 + shift


EXACT = 0.5 * math.log(2 * math.pi) - math.log(20)


def test_the_evidence_and_its_error():
    found = np.array([log_evidence(states(1000, seed)[1], BETAS) for seed in range(40)])
    pulls = (found[:, 0] - EXACT) / found[:, 1]
    assert abs(pulls.mean()) < 3.5 / math.sqrt(40)
    assert 0.7 < np.sqrt((pulls**2).mean()) < 1.35


def test_a_constant_shifts_the_evidence_alone():
    plain, shifted = (log_evidence(states(500, shift=c)[1], BETAS) for c in (0.0, 3000.0))
    assert plain[0] - shifted[0] == pytest.approx(3000.0)
    assert plain[1] == pytest.approx(shifted[1], rel=1e-6)


def test_infinite_losses_of_the_prior_count_as_no_likelihood():
    rng = np.random.default_rng(1)
    inside = rng.random(4000) < 0.25
    losses = np.stack([np.where(inside, 0.0, np.inf), np.zeros(4000)], axis=-1)
    value, error = log_evidence(losses, np.array([0.0, 1.0]))
    assert abs(value - math.log(0.25)) < 4 * error
    weights = np.exp(mbar_log_weights(losses, np.array([0.0, 1.0])))
    assert weights.sum() == pytest.approx(1.0)
    assert not weights[~inside, 0].any()


def test_weights_recover_the_target():
    x, losses = states(2000)
    weights = np.exp(mbar_log_weights(losses, BETAS))
    assert weights.sum() == pytest.approx(1.0)
    assert (weights * x).sum() == pytest.approx(0.0, abs=0.06)
    assert (weights * x**2).sum() == pytest.approx(1.0, abs=0.1)


def test_weights_bear_very_different_evidences():
    """A likelihood of exp(-1e5) and less under the prior."""
    losses = np.array([[1e5, 3.0, 1.0], [2e5, 2.0, 1.5], [1.5e5, 4.0, 0.5]])
    weights = np.exp(mbar_log_weights(losses, np.array([0.0, 0.5, 1.0])))
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1.0)


def test_bennett_solves_its_equation():
    rng = np.random.default_rng(2)
    first, second = rng.normal(-1, 2, 500), rng.normal(1, 2, 500)
    c = bennett(first, second)
    left, right = 1 / (1 + np.exp(c - first)), 1 / (1 + np.exp(second - c))
    assert left.mean() == pytest.approx(right.mean(), rel=1e-8)
    assert bennett(np.zeros(5), np.zeros(5)) == 0.0


def test_the_variance_of_a_correlated_series():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(20):
        noise = rng.normal(size=4000)
        series = np.zeros(4000)
        for i in range(1, 4000):
            series[i] = 0.9 * series[i - 1] + noise[i]
        found.append(long_run_variance(series))
    assert np.mean(found) == pytest.approx(1 / 0.1**2, rel=0.15)
    assert long_run_variance(rng.normal(size=4000)) == pytest.approx(1.0, rel=0.2)
    assert long_run_variance(np.ones(100)) == 0.0
