"""Posteriors that mean what they say: ranks of known parameters, coverage, and a sum over a grid.

These are small versions, whose thresholds follow from the number of simulations; `benchmarks/calibration.py` has the
large ones, and `test_negative_controls` what must fail.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import wilks
from tests.statistical.calibration import (
    ERROR,
    LAMINAR,
    N_RANKS,
    STATIC,
    TRUTH,
    posterior_of,
    study_of_correlations,
    study_of_priors,
    uniformity,
)
from tests.statistical.references import Moments, agreement, static_grid
from wilks import xpcs


@pytest.mark.parametrize("n", [60, 500])
def test_uniform_ranks_pass_as_often_as_they_should(n):
    """Each p-value is below 0.05 in 5 % of 400 studies; the binomial quantiles of 1e-4 are 0.016 and 0.099."""
    generator = np.random.default_rng(1)
    found = np.array([uniformity(generator.integers(0, N_RANKS, n), seed) for seed in range(400)])
    below = (found < 0.05).mean(axis=0)
    assert (below > 0.016).all()
    assert (below < 0.099).all()


@pytest.mark.parametrize(
    ("test", "made"),
    [
        ("band", lambda g: g.beta(1.0, 1.4, 300)),
        ("chi_squared", lambda g: np.where(g.random(300) < 0.2, g.uniform(0.5, 0.6, 300), g.random(300))),
        ("shift", lambda g: g.beta(1.0, 1.3, 300)),
        ("width", lambda g: g.beta(0.5, 0.5, 300)),
    ],
)
def test_ranks_that_are_not_uniform_fail(test, made):
    ranks = (N_RANKS * made(np.random.default_rng(2))).astype(int)
    assert getattr(uniformity(ranks), test) < 0.002


@pytest.mark.slow
def test_every_kind_of_prior_is_calibrated():
    study = study_of_priors(range(60))
    assert study.n >= 50
    assert study.worst()[0] > ERROR, study.worst()
    assert study.covers()[0] > ERROR, study.covers()


def test_static_correlations_are_calibrated():
    """Contrasts, offsets and noise too, from matrices that hold every pair twice."""
    precise = replace(STATIC, noise=(0.001, 0.004), options=xpcs.FitOptions(n_starts=60, n_refined=2))
    study = study_of_correlations(precise, range(24))
    assert study.n >= 21
    assert study.worst()[0] > ERROR, study.worst()
    assert study.covers()[0] > ERROR, study.covers()


@pytest.mark.slow
def test_laminar_flow_is_calibrated():
    study = study_of_correlations(LAMINAR, range(60))
    assert study.n >= 50
    assert study.worst()[0] > ERROR, study.worst()
    assert study.covers()[0] > ERROR, study.covers()


def test_static_posterior_is_the_sum_over_a_grid():
    setup = replace(STATIC, noise=(0.01, 0.01))
    data = xpcs.simulate(TRUTH, setup.geometry, contrast=0.25, sigma=0.01, mode="static", seed=2)
    found = posterior_of(setup, data, 1, wilks.AdaptiveImportance(ess=3000))
    moments = Moments.of_posterior(found)
    exact = static_grid(setup, data, moments, n=31).moments()
    assert found.certificate.ok
    assert agreement(moments, exact, min(found.ess.values())).failures == ()
