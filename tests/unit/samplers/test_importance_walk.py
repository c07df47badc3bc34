"""Walkers after an importance sampling: they have the density that they should, and find what the draws missed."""

import math

import numpy as np
import pytest

import wilks
from wilks.core import encoding
from wilks.samplers.importance_walk import Walk
from wilks.samplers.target import Target


def normal(x, deviation=1.0):
    return -0.5 * ((x / deviation) ** 2).sum(axis=1) - x.shape[1] * math.log(deviation)


def target_of(d, half_width=40.0):
    return Target(wilks.Space({f"x{i}": wilks.Real(-half_width, half_width) for i in range(d)}))


def walked(target, log_likelihood, deviation, *, n_draws=2000, seed=1, copies=False):
    """Walk from draws of a normal proposal; coordinates of the target are those of the unit box."""
    d = target.dimension
    width = np.ptp(target.space.from_unit(np.array([[0.0], [1.0]]) * np.ones(d)), axis=0)
    log_scale = math.log(width[0]) * d

    def log_proposal(x):
        return normal(target.thetas(x), deviation) - d * 0.5 * math.log(2 * math.pi) + log_scale

    thetas = np.random.default_rng(seed).normal(0, deviation, (n_draws, d))
    x = target.coordinates(thetas)
    log_likelihoods = log_likelihood(thetas)
    log_targets = np.where(np.isfinite(log_likelihoods), log_likelihoods, -np.inf) + target.log_prior(x)
    walk = Walk.of(seed, x, log_targets, log_proposal(x))
    history = []
    while not walk.done:
        points = walk.propose(target)
        walk.move(log_likelihood(points), log_proposal)
        history.append(target.thetas(walk.positions))
        if copies:
            walk = encoding.decode(encoding.encode(walk))
    return walk, np.array(history)


@pytest.mark.parametrize(("deviation", "expected"), [(math.sqrt(2.0), 1 / 1.5), (math.sqrt(0.6), 1 / (2 - 1 / 0.6))])
def test_walkers_have_the_density_of_target_times_weight(deviation, expected):
    """A normal target over a normal proposal: precision 2 - 1 / deviation^2."""
    walk, history = walked(target_of(2), normal, deviation, n_draws=40_000)
    assert walk.n_halves == len(history) == 800
    assert history[200:].var() == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("d", [1, 5, 20])
def test_where_the_proposal_is_wide_enough_nothing_is_found(d):
    walk, _ = walked(target_of(d), normal, 1.2)
    assert walk.check().ok
    assert walk.highest_draw == pytest.approx(walk.highest, abs=1.0)


def test_what_is_interrupted_in_the_walk_is_not_certified():
    problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    whole = wilks.sample(problem, wilks.AdaptiveImportance(), seed=1, callbacks=[])
    assert whole.certificate.ok
    stop = wilks.MaxEvaluations(whole.n_evaluations - 20)
    part = wilks.sample(problem, wilks.AdaptiveImportance(), seed=1, stop=stop, callbacks=[])
    assert [check.name for check in part.certificate.failures] == ["log weight beyond draws"]
    assert "could not be measured" in str(part.certificate.failures[0])
    np.testing.assert_array_equal(part.draws["a"], whole.draws["a"])


@pytest.mark.parametrize("d", [1, 4])
def test_a_tail_that_the_proposal_does_not_have(d):
    """Two per cent of the mass in a tail five times as wide: the draws see some of it, the walkers what it weighs."""

    def with_tail(thetas):
        return np.logaddexp(normal(thetas) + math.log(0.98), normal(thetas, 5.0) + math.log(0.02))

    walk, _ = walked(target_of(d), with_tail, 1.1)
    check = walk.check()
    assert not check.ok
    assert check.value > 5
    assert "Ensemble()" in check.advice


def test_the_course_is_the_same_from_a_copy():
    one, history = walked(target_of(2), normal, 1.2)
    other, again = walked(target_of(2), normal, 1.2, copies=True)
    np.testing.assert_array_equal(history, again)
    assert one.check() == other.check()


def test_nothing_outside_the_box_is_proposed():
    target = target_of(1, half_width=0.5)
    walk, history = walked(target, normal, 0.4)
    assert (np.abs(history) <= 0.5).all()
    assert walk.done


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_where_the_likelihood_fails_nobody_goes(value):
    walk, history = walked(target_of(1), lambda thetas: np.where(thetas[:, 0] > 0.3, value, normal(thetas)), 1.2)
    assert (history <= 0.3).all()
    assert math.isfinite(walk.check().value)
