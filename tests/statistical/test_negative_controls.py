"""Errors that have been made in posteriors, each of which the tests of `references` must find.

The number that gives it away stands beside each. `benchmarks/calibration.py --studies controls` shows what the same
errors do to ranks and coverage.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import wilks
from benchmarks.consensus import marginal, rotated, stiff
from tests.statistical.calibration import BROKEN, FEW, TRUTH
from tests.statistical.references import (
    N_SHARDS,
    Moments,
    agreement,
    line,
    line_moments,
    marginal_problem,
    static_grid,
)
from wilks import xpcs
from wilks.samplers.consensus.combination import combined

PRECISE = wilks.AdaptiveImportance(ess=4000)


def of_line(problem, method=PRECISE):
    return wilks.sample(problem, method, start={"a": 0.0, "b": 1.0}, n_starts=0, seed=1, callbacks=[])


def judged(posterior):
    return agreement(Moments.of_posterior(posterior), line_moments(), min(posterior.ess.values()))


# ---------------------------------------------------------------------- shards and priors, on a straight line


def test_what_is_right_passes():
    assert judged(of_line(line())).failures == ()


def test_a_dropped_shard():
    """Certified, since it is the posterior of the data that are left, and too wide."""
    found = of_line(line(0, N_SHARDS - 1))
    assert found.certificate.ok
    assert judged(found).eigen[1] == pytest.approx(1.26, abs=0.05)
    assert len(judged(found).failures) == 5


def test_shards_that_are_not_all():
    """The full likelihood makes the draws of consensus right again, and the result says what was missing."""
    shards = [line(k, k + 1) for k in range(N_SHARDS - 1)]
    found = of_line(line(), wilks.Consensus(shards, n_draws=200, n_verified=2000))
    assert judged(found).failures == ()
    assert found.stats["shards_against_whole"] == pytest.approx(0.84, abs=0.02)
    assert any("they are not the parts of this problem" in step.detail for step in found.provenance.executed)


@pytest.mark.parametrize(("error", "spread"), [("prior squared", 0.76), ("prior left out", 2.03)])
def test_a_wrong_power_of_the_prior(error, spread):
    with BROKEN[error]():
        found = judged(of_line(line()))
    assert found.spreads == pytest.approx((spread, spread), abs=0.03)
    assert len(found.failures) == 5


# ---------------------------------------------------------------------- consensus without correlations


N_DRAWS = 400
ENDS = 1.6448536 * np.array([[-1.0], [1.0]])


def of_gaussian(mean, covariance):
    return Moments(mean, covariance, mean + ENDS * np.sqrt(np.diag(covariance)))


def of_combination(shards, name):
    draws = combined(shards, name, np.random.default_rng(1)).draws
    return Moments.of(draws, np.full(len(draws), 1.0 / len(draws)))


def test_consensus_of_single_parameters():
    """Ten shards with the correlation 0.99: ten times too wide in one direction."""
    shards, *exact = stiff(N_DRAWS)
    exact = of_gaussian(*exact)
    assert agreement(of_combination(shards, "consensus"), exact, N_DRAWS).failures == ()
    found = agreement(of_gaussian(*marginal(shards)), exact)
    assert found.eigen == pytest.approx((0.7, 10.0), rel=0.1)
    assert "direction" in found.failures[-1]


def test_weights_of_single_parameters():
    """Four shards with covariances that are turned."""
    shards, *exact = rotated(N_DRAWS)
    exact = of_gaussian(*exact)
    assert agreement(of_combination(shards, "consensus"), exact, N_DRAWS).failures == ()
    found = agreement(of_combination(shards, "weighted_gaussian"), exact, N_DRAWS)
    assert found.eigen[1] == pytest.approx(1.45, abs=0.15)
    assert any(failure.startswith("direction") for failure in found.failures)


# ---------------------------------------------------------------------- the marginal likelihood, on a grid


@pytest.fixture(scope="module")
def grid():
    """Few pairs at many angles, where every factor of the marginal likelihood counts."""
    setup = replace(FEW, noise=(0.001, 0.001))
    data = xpcs.simulate(TRUTH, setup.geometry, contrast=0.3, sigma=0.001, mode="static", seed=2)
    problem = marginal_problem(setup, data)
    near = wilks.sample(problem, wilks.AdaptiveImportance(ess=1000), start=TRUTH, n_starts=0, seed=1, callbacks=[])
    return static_grid(setup, data, Moments.of_posterior(near), n=21, reach=5.0), problem


def on(grid):
    points, problem = grid
    return agreement(points.moments(problem.log_likelihoods(points.thetas)), points.moments())


def test_the_marginal_likelihood_is_that_of_linear_regression(grid):
    found = on(grid)
    assert found.mean < 1e-6
    assert found.eigen == pytest.approx((1.0, 1.0), abs=1e-6)


def test_pairs_counted_twice(grid):
    with BROKEN["pairs counted twice"]():
        found = on(grid)
    assert found.eigen[0] == pytest.approx(0.64, abs=0.03)
    assert len(found.failures) == 5


def test_log_v_left_out(grid):
    with BROKEN["log v left out"]():
        found = on(grid)
    assert found.mean == pytest.approx(0.37, abs=0.05)
    assert {"mean", "quantile", "Mahalanobis"} <= {failure.split(":")[0] for failure in found.failures}


def test_degrees_of_freedom_too_many(grid):
    """One for each of eight angles, on 64: standard deviations are too small by 6 %."""
    with BROKEN["nu too large by the number of angles"]():
        found = on(grid)
    assert found.eigen[0] == pytest.approx(np.sqrt(64 / 72), abs=0.01)
    assert any(failure.startswith("direction") for failure in found.failures)
