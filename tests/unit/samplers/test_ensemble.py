"""The ensemble: each move leaves its target as it is, the chains tell stuck walkers, and the course can be repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core import encoding
from wilks.core.proposal import Evaluations
from wilks.loop import stretch
from wilks.loop.mixing import mixing
from wilks.problems.posteriors import gaussian_posterior, truncated_posterior
from wilks.samplers import ensemble_moves
from wilks.samplers.autocorrelation import as_chains, autocorrelation_time, warmup_length
from wilks.samplers.ensemble import EnsembleSampler
from wilks.samplers.known import Known
from wilks.samplers.target import Target
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_ensemble import ensemble_draws

D, N = 3, 40_000
OTHERS = np.random.default_rng(7).normal(size=(9, D)) * [1.0, 0.5, 2.0] + 0.5
MOVES = {"stretch": (1.0, 0.0), "differential": (0.0, 0.0), "snooker": (0.0, 1.0)}


# The moves


def p_value_after_a_move(monkeypatch, kind):
    """Exact draws of a Gaussian, moved once beside walkers that are no draws of it: p-value of their radii."""
    share, snooker_share = MOVES[kind]
    monkeypatch.setattr(ensemble_moves, "STRETCH_SHARE", share)
    monkeypatch.setattr(ensemble_moves, "SNOOKER_SHARE", snooker_share)
    generator = np.random.default_rng(1)
    x = generator.normal(size=(N, D))
    points, factors = ensemble_moves.propose(x, OTHERS, generator)
    accepted = np.log(generator.random(N)) < factors + 0.5 * (x**2 - points**2).sum(axis=1)
    assert 0.05 < accepted.mean() < 0.9
    x[accepted] = points[accepted]
    return stats.kstest((x**2).sum(axis=1), stats.chi2(D).cdf).pvalue


@pytest.mark.parametrize("kind", MOVES)
def test_a_move_leaves_its_target_as_it_is(monkeypatch, kind):
    assert p_value_after_a_move(monkeypatch, kind) > 0.01


@pytest.mark.parametrize(("kind", "module", "name"), [("stretch", stretch, "log_acceptance"), ("snooker", None, None)])
def test_a_wrong_power_is_found_out(monkeypatch, kind, module, name):
    if module is stretch:
        right = stretch.log_acceptance
        monkeypatch.setattr(stretch, name, lambda z, d, new, old: right(z, d + 1, new, old))
    else:
        right = ensemble_moves.snooker

        def wrong(positions, y, difference, gain, metric):
            points, factors = right(positions, y, difference, gain, metric)
            return points, factors * D / (D - 1)

        monkeypatch.setattr(ensemble_moves, "snooker", wrong)
    assert p_value_after_a_move(monkeypatch, kind) < 1e-6


def test_moves_look_the_same_after_a_linear_map():
    matrix = np.array([[1e-5, 0.0, 0.0], [3e2, 1e3, 0.0], [0.1, 0.2, 0.3]])
    x = np.random.default_rng(2).normal(size=(50, D))
    points, factors = ensemble_moves.propose(x, OTHERS, np.random.default_rng(3))
    mapped, same = ensemble_moves.propose(x @ matrix.T, OTHERS @ matrix.T, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.solve(matrix, mapped.T).T, points, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(same, factors, atol=1e-5)


# The course


def test_autocorrelation_time_of_an_autoregressive_series():
    generator, rho = np.random.default_rng(4), 0.9
    noise = generator.normal(size=(4000, 16, 1)) * np.sqrt(1 - rho**2)
    series = np.empty_like(noise)
    series[0] = generator.normal(size=(16, 1))
    for t in range(1, len(noise)):
        series[t] = rho * series[t - 1] + noise[t]
    assert autocorrelation_time(series)[0] == pytest.approx((1 + rho) / (1 - rho), rel=0.1)
    drift = np.zeros_like(series[:, :, 0])
    drift[:300] = np.linspace(-50.0, 0.0, 300)[:, None]
    short, long = (warmup_length(series, series[:, :, 0] + more) for more in (0.0, drift))
    assert short < 200
    assert 300 < long < 600


def test_walkers_that_stay_in_their_places_are_told():
    noise = np.random.default_rng(5).normal(size=(200, 2, 32))
    moving, stuck = as_chains(noise, 4000), as_chains(0.1 * noise + np.linspace(-1, 1, 32), 4000)
    assert mixing(moving, "ess") > 3000
    assert mixing(stuck, "ess") < 400
    drifting = as_chains(noise + np.linspace(0, 1, 200)[:, None, None], 4000)
    assert mixing(moving, "rhat") < 1.01 < mixing(drifting, "rhat")
    assert autocorrelation_time((0.1 * noise + np.linspace(-1, 1, 32)).reshape(200, 64, 1))[0] > 50


def context_of(problem, seed=1, **common):
    return Context(problem, "sample", Common(seed=seed, callbacks=[], **common))


def nothing_known(d):
    return Known(np.empty((0, d)), np.empty((0, d, d)), np.empty(0))


def draws_of(problem, options, seed=1, **common):
    context = context_of(problem, seed, **common)
    return ensemble_draws(context, options, Target(problem.space), nothing_known(problem.space.dimension))


def test_the_draws_do_not_depend_on_the_workers():
    problem, options = truncated_posterior().problem, wilks.Ensemble(n_walkers=12, max_steps=60)
    alone = draws_of(problem, options)
    with ThreadPoolExecutor(2) as pool:
        together = draws_of(problem, options, executor=pool)
    np.testing.assert_array_equal(together.thetas, alone.thetas)
    assert alone.thetas.shape == (2, 12 * 30, 2)
    assert not np.array_equal(alone.thetas[0], alone.thetas[1])
    assert not np.array_equal(draws_of(problem, options, seed=2).thetas, alone.thetas)
    values = [problem.log_likelihood({"a": a, "b": b}) for a, b in alone.thetas[0, :5]]
    np.testing.assert_allclose(alone.log_likelihoods[0, :5], values)


def driven(sampler, problem, every=None):
    """Run by hand; with `every`, the state goes through its checkpoint after so many batches."""
    state, n = sampler.init(problem.space, 3, np.empty((0, 2))), 0
    while sampler.terminate(state) is None:
        asked, state = sampler.ask(state, 10**6)
        k, n = len(asked), n + 1
        values = problem.log_likelihood(problem.space.values_of_rows(asked.thetas)) if k else np.empty(0)
        zeros = np.zeros(k)
        state = sampler.tell(
            state, Evaluations(asked.ids, asked.thetas, asked.phases, values, zeros.astype(np.int8), zeros, zeros)
        )
        if every and n % every == 0:
            state = encoding.decode(encoding.encode(state))
    return sampler.draws(state)


def test_a_checkpoint_changes_nothing(monkeypatch):
    monkeypatch.setattr("wilks.samplers.ensemble._CAPACITY", 40)  # so that steps are thinned on the way
    problem = truncated_posterior().problem
    sampler = EnsembleSampler(wilks.Ensemble(n_walkers=12, max_steps=110), Target(problem.space), nothing_known(2))
    (thetas, values, look), (again, same, _) = driven(sampler, problem), driven(sampler, problem, every=17)
    np.testing.assert_array_equal(again, thetas)
    np.testing.assert_array_equal(same, values)
    assert look.n_steps == 110
    assert look.n_warmup % 4 == 0


def test_chains_of_a_few_autocorrelation_times_are_not_certified():
    """R-hat and effective sizes hold, since the walkers have begun at draws that are nearly right."""
    posterior = wilks.sample(gaussian_posterior().problem, wilks.Ensemble(max_steps=400), seed=1, callbacks=[])
    (failure,) = posterior.certificate.failures
    assert failure.name == "autocorrelation times"
    assert failure.value < 50
    assert "Ensemble(max_steps=...)" in failure.advice


def test_a_run_that_is_ended_says_so():
    problem = truncated_posterior().problem
    chains = draws_of(problem, wilks.Ensemble(), stop=wilks.MaxEvaluations(40))
    assert chains.thetas.shape == (2, 0, 2)
    assert chains.n_evaluations == 40
    assert "0 steps" in chains.steps[0].detail


def test_failures_count_as_zero():
    def log_likelihood(values):
        if values["a"] < 0:
            raise RuntimeError("no")
        return -0.5 * values["a"] ** 2

    space = wilks.Space(a=wilks.Real(-6, 6))
    chains = draws_of(wilks.LikelihoodProblem(space, log_likelihood), wilks.Ensemble(n_walkers=8, max_steps=100))
    assert chains.thetas.min() >= 0.0
    assert chains.thetas.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.3)


def test_nothing_to_start_from():
    problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 1)), lambda v: -np.inf)
    chains = draws_of(problem, wilks.Ensemble(n_walkers=8))
    assert chains.thetas.shape == (2, 0, 1)
    assert "No walker has a start with a finite log-likelihood." in chains.steps[0].detail


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_walkers": 4}, "n_walkers: expected an integer >= 8, got 4"),
        ({"n_ensembles": 1}, "n_ensembles: expected an integer >= 2, got 1"),
        ({"max_steps": 1.5}, "max_steps: expected an integer >= 20, got 1.5"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        wilks.Ensemble(**options)


def test_too_few_walkers_for_the_parameters():
    with pytest.raises(ValueError, match="expected at least 22 for 10 parameters"):
        wilks.Ensemble(n_walkers=20).walkers_for(10)
