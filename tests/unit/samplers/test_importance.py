"""Adaptive importance sampling: unbiased evidence and moments, whatever the order of the answers."""

import math

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core import encoding
from wilks.core.chart import LineChart
from wilks.core.proposal import Evaluations
from wilks.core.status import Outcome
from wilks.samplers import importance
from wilks.samplers.importance import AdaptiveImportance, ImportanceSampler, first_mixture
from wilks.samplers.importance_checks import pooled
from wilks.samplers.known import Known
from wilks.samplers.psis import systematic
from wilks.samplers.target import Target

SIGMA = 0.05


def space_of(d):
    return wilks.Space({f"x{i}": wilks.Real(-1, 1) for i in range(d)})


def bell(thetas, centre=0.2):
    """A Gaussian that is normalised, so that its evidence in the box is 2^-d."""
    return stats.norm(centre, SIGMA).logpdf(thetas).sum(axis=1)


def known_of(d, means=0.6, deviation=SIGMA / 2):
    """Modes in coordinates of the unit box: 0.2 is at 0.6, a deviation half as long."""
    means = np.atleast_2d(np.broadcast_to(means, (1, d)) if np.ndim(means) == 0 else means).astype(float)
    return Known(means, np.stack([deviation**2 * np.eye(d)] * len(means)), np.zeros(len(means)))


def run(target, known, function, *, seed=1, piece=10**9, shuffle=False, copies=False, **options):
    """Drive a sampler by hand."""
    sampler = ImportanceSampler(AdaptiveImportance(**options), target, known)
    state = sampler.init(target.space, seed, np.empty((0, target.dimension)))
    generator = np.random.default_rng(0)
    while sampler.terminate(state) is None:
        answers = []
        while True:
            asked, state = sampler.ask(state, piece)
            if not len(asked):
                break
            zeros = np.zeros(len(asked))
            values = function(asked.thetas)
            answers.append((asked.ids, asked.thetas, asked.phases, values, zeros.astype(np.int8), zeros, zeros))
        if shuffle:
            generator.shuffle(answers)
        for part in answers:
            rows = generator.permutation(len(part[0])) if shuffle else slice(None)
            state = sampler.tell(state, Evaluations(*(column[rows] for column in part)))
            if copies:
                state = encoding.decode(encoding.encode(state))
        if not answers:
            state = sampler.tell(state, Evaluations(*(np.empty(0, dtype=np.int64) for _ in range(7))))
    return sampler, state


def found(*args, **more):
    sampler, state = run(*args, **more)
    return pooled(sampler.samples(state)), state


# Evidence and moments


def mean_excess(d, n_seeds, function=bell, **more):
    """Mean error of the log-evidence, in the standard errors that are stated for the mean."""
    results = [found(Target(space_of(d)), known_of(d), function, seed=s, **more)[0] for s in range(n_seeds)]
    errors = np.array([each.log_evidence_error for each in results])
    gaps = np.array([each.log_evidence for each in results]) + d * math.log(2)
    assert np.sqrt(np.mean((gaps / errors) ** 2)) < 2.0
    return gaps.mean() / math.sqrt(np.mean(errors**2) / n_seeds)


@pytest.mark.parametrize("d", [1, 5, pytest.param(20, marks=pytest.mark.slow)])
def test_evidence_has_no_bias(d):
    """With the mixture fitted to its own draws, it would be 10 % too small in 20 dimensions."""
    assert abs(mean_excess(d, 5)) < 3.5


@pytest.mark.parametrize("deviation", [SIGMA / 2, 3 * SIGMA, SIGMA / 6])
def test_moments_from_a_good_and_from_a_bad_start(deviation):
    sample, state = found(Target(space_of(3)), known_of(3, deviation=deviation), bell)
    assert state.certificate.ok
    means, deviations, ess = sample.moments
    assert (np.abs(means - 0.2) < 4 * SIGMA / np.sqrt(ess)).all()
    np.testing.assert_allclose(deviations, SIGMA, rtol=0.1)
    assert sample.log_evidence == pytest.approx(-3 * math.log(2), abs=5 * sample.log_evidence_error)


def test_a_chart_changes_the_way_and_not_the_end():
    space = wilks.Space(a=wilks.Real(-1, 1, prior=wilks.Normal(0, 0.3)), b=wilks.Real(1e-3, 1e3, scale="log"))
    function = lambda thetas: -0.5 * ((thetas[:, 0] - 0.2) / 0.2) ** 2 - 0.5 * np.log(thetas[:, 1]) ** 2  # noqa: E731
    box, line = (
        found(
            Target(space, chart),
            Known(chart.from_unit(np.array([[0.6, 0.5]])), size**2 * np.eye(2)[None], np.zeros(1)),
            function,
            ess=3000,
        )[0]
        for chart, size in ((Target(space).chart, 0.08), (LineChart(), 0.3))
    )
    noise = math.hypot(box.log_evidence_error, line.log_evidence_error)
    assert abs(box.log_evidence - line.log_evidence) < 4 * noise
    a = 1 / (1 / 0.2**2 + 1 / 0.3**2)
    for sample in (box, line):
        np.testing.assert_allclose(sample.moments[0][0], a * 0.2 / 0.2**2, atol=0.01)
        np.testing.assert_allclose(sample.moments[1][0], math.sqrt(a), rtol=0.08)
        np.testing.assert_allclose(sample.moments[0][1], math.exp(0.5), rtol=0.15)


def test_two_modes_have_their_shares():
    function = lambda thetas: np.logaddexp(bell(thetas, -0.5) + math.log(0.3), bell(thetas, 0.5) + math.log(0.7))  # noqa: E731
    known = known_of(2, means=[[0.25, 0.25], [0.75, 0.75]])
    sample, state = found(Target(space_of(2)), known, function)
    assert state.certificate.ok
    assert state.populations[0].mixture.n_components == 2
    assert sample.weights @ (sample.thetas[:, 0] > 0) == pytest.approx(0.7, abs=0.05)


def test_a_power_of_the_prior():
    """Of a shard: L pi^(1/4), with a Gaussian prior of the width of the likelihood."""
    space = wilks.Space(a=wilks.Real(-1, 1, prior=wilks.Normal(0, SIGMA)))
    sample, _ = found(Target(space, power=0.25), known_of(1), bell)
    assert sample.moments[0][0] == pytest.approx(0.2 / 1.25, abs=0.005)
    assert sample.moments[1][0] == pytest.approx(SIGMA / math.sqrt(1.25), rel=0.08)


# What it must be noticed


def with_last_proposal_only(self, population, x, log_priors):
    """A denominator that forgets what the earlier draws were made from."""
    mixture = population.mixtures[-1]
    population.x = np.concatenate([population.x, x])
    population.log_priors = np.concatenate([population.log_priors, log_priors])
    logs = self._log_proposal(mixture, population.x)
    population.log_proposals = math.log(sum(population.counts)) + logs
    population.log_own = logs


@pytest.fixture
def all_rounds_count(monkeypatch):
    """The proposal never settles, so that no draw is dropped."""
    monkeypatch.setattr(importance, "_ADAPTING", 1.0)


@pytest.mark.usefixtures("all_rounds_count")
def test_a_wrong_denominator_is_noticed(monkeypatch):
    arguments = {"n_first": 400, "max_rounds": 3, "ess": 1e6}
    right, _ = found(Target(space_of(2)), known_of(2, deviation=4 * SIGMA), bell, **arguments)
    assert abs(right.log_evidence + 2 * math.log(2)) < 4 * right.log_evidence_error
    monkeypatch.setattr(ImportanceSampler, "_count_proposals", with_last_proposal_only)
    wrong, _ = found(Target(space_of(2)), known_of(2, deviation=4 * SIGMA), bell, **arguments)
    assert abs(wrong.log_evidence + 2 * math.log(2)) > 8 * wrong.log_evidence_error


@pytest.mark.usefixtures("all_rounds_count")
def test_rounds_of_the_weights_and_weights_of_the_rounds():
    """Equation (2) by brute force, from the mixtures that were kept."""
    target = Target(space_of(2))
    sampler, state = run(target, known_of(2), bell, max_rounds=3, ess=1e6)
    population = state.populations[0]
    proposals = np.stack([sampler._log_proposal(mixture, population.x) for mixture in population.mixtures])
    total = np.logaddexp.reduce(proposals + np.log(population.counts)[:, None], axis=0)
    np.testing.assert_allclose(population.log_proposals, total, rtol=1e-10)
    own = np.repeat(np.arange(3), population.counts)
    np.testing.assert_allclose(population.log_own, proposals[own, np.arange(len(own))], rtol=1e-10)
    # A proposal is a density: wide, narrow and prior parts together have one unit of probability.
    grid = (np.arange(400) + 0.5) / 400 * 3 - 1
    x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    densities = np.exp(sampler._log_proposal(population.mixtures[1], x))
    assert densities.sum() * (3 / 400) ** 2 == pytest.approx(1.0, abs=0.01)


# The course of it


@pytest.mark.parametrize("how", [{"piece": 37}, {"piece": 37, "shuffle": True}, {"copies": True}])
def test_the_order_of_the_answers_changes_nothing(how):
    expected, _ = found(Target(space_of(2)), known_of(2), bell)
    sample, _ = found(Target(space_of(2)), known_of(2), bell, **how)
    np.testing.assert_array_equal(sample.thetas, expected.thetas)
    np.testing.assert_array_equal(sample.raw, expected.raw)


def fitted_to(monkeypatch):
    """Record which draws every proposal was fitted to; the last entry is that of the proposal of the result."""
    seen, adapted = [], importance._adapted

    def recorded(population, generator):
        seen.append(population.x.copy())
        return adapted(population, generator)

    monkeypatch.setattr(importance, "_adapted", recorded)
    return seen


def test_the_proposal_was_not_fitted_to_the_draws_that_count(monkeypatch):
    seen = fitted_to(monkeypatch)
    sample, state = found(Target(space_of(2)), known_of(2, deviation=3 * SIGMA), bell)
    assert state.certificate.ok
    assert 0 < state.n_dropped < state.n_rounds
    assert len(seen) == 2 * state.n_dropped
    used = np.concatenate(seen)
    whole = np.concatenate([population.x for population in state.populations])
    assert len(whole) == len(sample.raw)
    assert not np.isin(whole[:, 0], used[:, 0]).any()
    for population in state.populations:
        assert len(population.counts) == state.n_rounds - state.n_dropped
        own = population.log_own + math.log(sum(population.counts))
        np.testing.assert_allclose(population.log_proposals, own, rtol=1e-10)


def test_before_the_first_round_after_it_settled_the_earlier_draws_are_there():
    sampler = ImportanceSampler(AdaptiveImportance(), Target(space_of(2)), known_of(2))
    state = sampler.init(sampler.target.space, 1, np.empty((0, 2)))
    while state.n_dropped is None:
        asked, state = sampler.ask(state, 10**9)
        zeros = np.zeros(len(asked))
        answers = (bell(asked.thetas), zeros.astype(np.int8), zeros, zeros)
        state = sampler.tell(state, Evaluations(asked.ids, asked.thetas, asked.phases, *answers))
    before = len(pooled(sampler.samples(state)).raw)
    asked, state = sampler.ask(state, 10)
    assert len(pooled(sampler.samples(state)).raw) == before > 0


def test_populations_do_not_share_draws():
    _, state = run(Target(space_of(2)), known_of(2), bell)
    one, other = (population.x for population in state.populations)
    assert not np.isin(one[:, 0], other[:, 0]).any()
    _, again = run(Target(space_of(2)), known_of(2), bell, seed=2)
    assert not np.isin(one[:, 0], again.populations[0].x[:, 0]).any()


def test_it_ends_when_it_is_sure_and_at_its_last_round():
    target, known = Target(space_of(2)), known_of(2)
    sampler, state = run(target, known, bell)
    assert 2 <= state.n_rounds < 6
    assert sampler.terminate(state).outcome is Outcome.CONVERGED
    assert sampler.describe(state)[1] == 1.0
    sampler, state = run(target, known, bell, ess=1e6, max_rounds=3)
    assert state.n_rounds == 3
    assert sampler.terminate(state).outcome is Outcome.NOT_CONVERGED
    assert len(sampler.ask(state, 10)[0]) == 0


def test_nothing_outside_the_box_is_evaluated():
    seen = []

    def function(thetas):
        seen.append(thetas)
        return bell(thetas, centre=0.99)

    sample, state = found(Target(space_of(2)), known_of(2, means=0.995), function, max_rounds=1, n_first=2000)
    thetas = np.concatenate(seen)
    assert (np.abs(thetas) <= 1).all()
    assert len(seen[0]) < len(sample.raw), "half of the bell lies outside"
    assert state.certificate.ok
    truth = stats.truncnorm(-np.inf, (1 - 0.99) / SIGMA, loc=0.99, scale=SIGMA)
    np.testing.assert_allclose(sample.moments[0], truth.mean(), atol=0.004)


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_a_posterior_without_any_probability(value):
    sample, state = found(Target(space_of(2)), known_of(2), lambda thetas: np.full(len(thetas), value), max_rounds=3)
    assert not state.certificate.ok
    assert sample.ess == 0
    assert sample.log_evidence == -math.inf


def test_hardly_any_of_the_box_is_possible():
    """Draws that violate a constraint get no weight, however few others there are."""

    def function(thetas):
        return np.where(thetas[:, 0] > 0.29, bell(thetas), -np.inf)

    sample, _ = found(Target(space_of(3)), known_of(3), function, max_rounds=1, ess=1e6)
    assert 20 < np.isfinite(sample.raw).sum() < 2 * 48, "fewer than the tail that is smoothed"
    assert (sample.weights[np.isneginf(sample.raw)] == 0).all()
    sample, _ = found(Target(space_of(3)), known_of(3), function, max_rounds=6, ess=1e6)
    tail = stats.truncnorm((0.29 - 0.2) / SIGMA, (1 - 0.2) / SIGMA, loc=0.2, scale=SIGMA)
    np.testing.assert_allclose(sample.moments[0], [tail.mean(), 0.2, 0.2], atol=0.008)


def test_without_modes_it_begins_with_the_prior():
    space = wilks.Space(a=wilks.Real(-9, 9, prior=wilks.Normal(3, 0.5)))
    nothing = Known(np.empty((0, 1)), np.empty((0, 1, 1)), np.empty(0))
    mixture = first_mixture(Target(space), nothing)
    assert mixture.means[0, 0] == pytest.approx((3 + 9) / 18, abs=0.01)
    assert mixture.shapes[0, 0, 0] == pytest.approx((0.5 / 18) ** 2, rel=0.15)
    sample, state = found(Target(space), nothing, lambda thetas: np.zeros(len(thetas)))
    assert state.certificate.ok
    assert sample.moments[0][0] == pytest.approx(3, abs=0.08)


def test_modes_count_by_their_mass_and_none_is_forgotten():
    means = np.array([[0.2, 0.2], [0.8, 0.8], [0.5, 0.5]])
    sizes = np.array([0.02, 0.04, 0.02])
    known = Known(means, sizes[:, None, None] ** 2 * np.eye(2), np.array([0.0, 0.0, -50.0]))
    shares = first_mixture(Target(space_of(2)), known).shares
    assert shares[1] / shares[0] == pytest.approx(4.0)
    assert shares[2] == pytest.approx(0.05 / 1.05)


def test_systematic_draws():
    weights = np.array([0.0, 0.1, 0.0, 0.55, 0.35, 0.0])
    for seed in range(20):
        counts = np.bincount(systematic(weights, 100, np.random.default_rng(seed)), minlength=6)
        assert (np.abs(counts - 100 * weights) < 1).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"ess": x}, "ess: expected a number >= 1, got") for x in (0, -1, math.inf, math.nan, True, "many", None)]
    + [({"n_first": x}, "n_first: expected an integer >= 20, got") for x in (19, 50.0, True)]
    + [({"max_rounds": x}, "max_rounds: expected an integer >= 1, got") for x in (0, 2.5, None, False)],
)
def test_options_that_cannot_be_used(options, words):
    with pytest.raises(wilks.InvalidConfigurationError, match=f"AdaptiveImportance: {words}"):
        AdaptiveImportance(**options)
