"""Posteriors against exact ones: what is certified is right, and a wrong formula is not taken for right.

`benchmarks/posteriors.py` holds every method against every posterior.
"""

from __future__ import annotations

import numpy as np
import pytest

import wilks
from benchmarks.importance_honesty import POSTERIORS as HIERARCHIES
from benchmarks.posteriors import judged
from wilks.problems.posteriors import POSTERIORS
from wilks.samplers import importance_checks, importance_walk
from wilks.samplers.target import Target
from wilks.verbs.sample_tempering import combined

METHODS = {
    "importance": wilks.AdaptiveImportance(),
    "ensemble": wilks.Ensemble(n_walkers=16),
    "tempering": wilks.ParallelTempering(sampling=True),
}
CASES = [
    ("units", "importance"),
    ("bound", "importance"),
    pytest.param("bound", "tempering", marks=pytest.mark.slow),
    ("scale", "importance"),
    ("scale", "ensemble"),
]


def sampled(problem, method, seed=1):
    return wilks.sample(problem, METHODS[method], seed=seed, callbacks=[])


@pytest.mark.parametrize(("name", "method"), CASES)
def test_certified_and_right(name, method):
    known = POSTERIORS[name]()
    posterior = sampled(known.problem, method)
    found = judged(posterior, known)
    assert posterior.certificate.ok
    assert found.right
    if method != "ensemble":
        assert abs(found.evidence) < 3.5


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", POSTERIORS)
def test_what_is_certified_is_right(name, method):
    known = POSTERIORS[name]()
    posterior = sampled(known.problem, method)
    assert judged(posterior, known).right or not posterior.certificate.ok


def test_a_common_scatter_is_not_certified_by_importance_sampling(monkeypatch):
    """Without k-hat of squares and without the walk it is."""
    problem, _ = HIERARCHIES["common scatter of 5, t from 0.8, values"]()
    assert not any(sampled(problem, "importance", seed).certificate.ok for seed in (1, 2))
    monkeypatch.setattr(importance_checks, "_MOST_SQUARE_K", 9.0)
    monkeypatch.setattr(importance_walk, "_MOST_GAIN", 99.0)
    assert all(sampled(problem, "importance", seed).certificate.ok for seed in (1, 2))


def test_the_mouth_of_a_funnel_is_found_by_the_walk(monkeypatch):
    """Though the draws, but for their squares, are as they should be."""
    monkeypatch.setattr(importance_checks, "_MOST_SQUARE_K", 9.0)
    problem, _ = HIERARCHIES["funnel, spread 0.7, 9 widths"]()
    for seed in (1, 2):
        certificate = sampled(problem, "importance", seed).certificate
        assert [check.name for check in certificate.failures] == ["log weight beyond draws"]


def test_a_bent_ridge_is_not_certified_by_importance_sampling():
    posterior = sampled(POSTERIORS["ridge"]().problem, "importance")
    assert not posterior.status.success
    assert "k-hat" in posterior.status.message


# What must be found out

RIGHT_PRIOR = Target.log_prior


def prior_twice(target, x):
    return RIGHT_PRIOR(target, x) + target.space.log_prior(target.thetas(x))


def no_jacobian(target, x):
    return RIGHT_PRIOR(target, x) - np.log(target.space.slope(target.thetas(x))).sum(axis=1)


@pytest.mark.parametrize("wrong", [prior_twice, no_jacobian])
@pytest.mark.parametrize("method", ["importance", pytest.param("ensemble", marks=pytest.mark.slow)])
def test_a_wrong_density_is_found_out(monkeypatch, method, wrong):
    known = POSTERIORS["scale"]()
    monkeypatch.setattr(Target, "log_prior", wrong)
    assert not judged(sampled(known.problem, method), known).right


# Tempering over mixed spaces


def test_tempering_over_a_mixed_space():
    space = wilks.Space(x=wilks.Real(-8, 8), kind=wilks.Categorical(["wide", "narrow"]))
    widths = {"wide": 1.0, "narrow": 0.5}

    def log_likelihood(values):
        return -0.5 * ((values["x"] - 1.0) / widths[values["kind"]]) ** 2

    problem = wilks.LikelihoodProblem(space, log_likelihood)
    posterior = wilks.sample(problem, seed=2, callbacks=[])
    assert posterior.method == "parallel tempering"
    assert posterior.certificate.ok
    assert posterior.n_chains == 2
    assert not np.array_equal(*posterior.draws["x"])
    assert posterior.draws["kind"].mean() == pytest.approx(1 / 3, abs=0.06)  # masses are as the widths
    assert posterior.means["x"] == pytest.approx(1.0, abs=0.15)
    exact = np.log(0.5 * np.sqrt(2 * np.pi) * 1.5 / 16)
    assert abs(posterior.log_evidence - exact) < 3.5 * posterior.log_evidence_error


def test_evidences_that_differ_have_a_larger_error():
    value, error = combined(np.array([0.0, 1.0]), np.array([0.1, 0.2]))
    assert value == pytest.approx(0.2)
    assert error == pytest.approx(np.sqrt(20.0 / 125.0))  # chi squared of 20 for one degree of freedom
    assert combined(np.array([0.0, 0.1]), np.array([0.1, 0.1]))[1] == pytest.approx(np.sqrt(0.005))
