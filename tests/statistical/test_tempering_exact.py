"""The tempering sampler draws from what it says: exact enumerations, closed forms, proof that the tests can fail."""

import math

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks import Categorical, Grid, Integer, LikelihoodProblem, ParallelTempering, Real, Space
from wilks.core.prior import Normal
from wilks.searchers.tempering import sampler as sampler_module

N_SEEDS = 20


def sampled(problem, n_evaluations, seed, **options):
    algorithm = ParallelTempering(sampling=True, **options)
    return wilks.search(problem, algorithm, n_evaluations=n_evaluations, seed=seed, callbacks=[])


def independent(values, thin):
    return values[0, thin::thin]


# Exact enumerations: every state of a small space, by chi-square


def three_states():
    values = {"a": 0.0, "b": 1.5, "c": -0.7}
    problem = LikelihoodProblem(Space(kind=Categorical(list(values))), lambda v: values[v["kind"]])
    return problem, np.exp(list(values.values()))


def mixed_states():
    """A categorical with weights times an ordered one, with an interaction."""
    table = np.array([[0.0, 2.0], [1.0, -1.0], [-0.5, 0.5]])
    weights = [0.8, 0.15, 0.05]
    space = Space(kind=Categorical(["a", "b", "c"], prior=weights), n=Integer(1, 2))
    problem = LikelihoodProblem(space, lambda v: float(table["abc".index(v["kind"]), v["n"] - 1]))
    return problem, (np.array(weights)[:, None] * np.exp(table)).ravel()


def five_in_order():
    """An ordered parameter alone, so that its own moves and the differential ones do all the work."""
    values = np.array([0.0, -2.0, 1.0, -1.0, 0.5])
    nodes = [0.0, 1.0, 2.0, 4.0, 8.0]
    problem = LikelihoodProblem(Space(n=Grid(nodes)), lambda v: float(values[nodes.index(v["n"])]))
    return problem, np.exp(values)


def state_numbers(draws, space):
    number = np.zeros(1, dtype=int)
    for name, column in draws.items():
        domain = space[name]
        index = np.floor(domain.to_unit(column[0]) * domain.n_values).astype(int)
        number = number * domain.n_values + index
    return number


def chi_square(make, seed, **options):
    problem, exact = make()
    result = sampled(problem, 2000, seed, n_replicas=3, **options)
    numbers = state_numbers(result.draws, problem.space)[None]
    counts = np.bincount(independent(numbers, 8), minlength=len(exact))
    expected = exact / exact.sum() * counts.sum()
    return float(((counts - expected) ** 2 / expected).sum()), len(exact) - 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(three_states, marks=pytest.mark.slow),
        mixed_states,
        pytest.param(five_in_order, marks=pytest.mark.slow),
    ],
)
def test_small_spaces_by_enumeration(make):
    found = [chi_square(make, seed) for seed in range(N_SEEDS)]
    p_values = [stats.chi2.sf(*each) for each in found]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert min(p_values) > 1e-4


def total_p_value(make):
    found = [chi_square(make, seed) for seed in range(6)]
    return float(stats.chi2.sf(sum(value for value, _ in found), sum(degrees for _, degrees in found)))


def test_a_reversed_swap_is_found_out(monkeypatch):
    right = sampler_module.swap_probability
    monkeypatch.setattr(sampler_module, "swap_probability", lambda i, j, a, b: right(j, i, a, b))
    assert total_p_value(three_states) < 1e-6


def test_swaps_that_are_always_accepted_are_found_out(monkeypatch):
    monkeypatch.setattr(sampler_module, "swap_probability", lambda *_: 1.0)
    assert total_p_value(three_states) < 1e-6


@pytest.mark.parametrize("factor", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
def test_a_wrong_acceptance_is_found_out(monkeypatch, factor):
    right = sampler_module.acceptance
    monkeypatch.setattr(sampler_module, "acceptance", lambda beta, *rest: right(factor * beta, *rest))
    assert total_p_value(three_states) < 1e-6


def test_a_forgotten_prior_is_found_out(monkeypatch):
    right = sampler_module.acceptance
    monkeypatch.setattr(sampler_module, "acceptance", lambda beta, new, old, _: right(beta, new, old, 0.0))
    assert total_p_value(mixed_states) < 1e-6


@pytest.mark.parametrize("broken", [False, True])
def test_clipping_at_the_ends_is_found_out(monkeypatch, broken):
    """The classical mistake: a proposal beyond an end becomes the end."""
    right = sampler_module.kernels.several

    def clipped(coordinates, dice, point, steps, jump):
        moved = right(coordinates, dice, point, steps, jump)
        return [float(point[0] > 0.5)] if moved is None else moved

    if broken:
        monkeypatch.setattr(sampler_module.kernels, "several", clipped)
    result = sampled(LikelihoodProblem(Space(x=Real(0, 1)), lambda v: 3 * v["x"]), 6000, seed=1)
    draws = independent(result.draws["x"], 8)
    p_value = stats.kstest(draws, lambda x: np.expm1(3 * x) / math.expm1(3)).pvalue
    assert p_value < 1e-6 if broken else p_value > 1e-3


# Closed forms: priors, scales, constraints


def assert_drawn_from(result, name, distribution, thin=12):
    draws = independent(result.draws[name], thin)
    assert len(draws) > 100
    assert stats.kstest(draws, distribution.cdf).pvalue > 1e-3


def test_a_declared_prior_on_a_real_is_honoured():
    space = Space(x=Real(-10, 10, prior=Normal(1.0, 0.5)))
    problem = LikelihoodProblem(space, lambda v: -0.5 * ((v["x"] + 1) / 0.7) ** 2)
    result = sampled(problem, 12000, seed=2)
    precision = 1 / 0.25 + 1 / 0.49
    assert_drawn_from(result, "x", stats.norm((1 / 0.25 - 1 / 0.49) / precision, precision**-0.5))
    evidence = 0.5 * math.log(2 * math.pi * 0.49) + stats.norm(1.0, math.hypot(0.5, 0.7)).logpdf(-1.0)
    assert abs(result.log_evidence - evidence) < 4 * result.sample.log_evidence_error


def test_a_prior_of_scipy_on_a_log_scale_is_honoured():
    prior = stats.gamma(3.0, scale=2.0)
    space = Space(x=Real(1e-3, 100, scale="log", prior=prior))
    result = sampled(LikelihoodProblem(space, lambda v: -v["x"]), 12000, seed=1)
    assert_drawn_from(result, "x", stats.gamma(3.0, scale=2 / 3))
    assert abs(result.log_evidence + 3 * math.log(3)) < 4 * result.sample.log_evidence_error


def test_a_log_scale_without_a_prior_is_uniform_in_the_logarithm():
    space = Space(x=Real(1e-3, 1e3, scale="log"))
    result = sampled(LikelihoodProblem(space, lambda v: -0.5 * (math.log(v["x"]) / 0.5) ** 2), 12000, seed=1)
    assert_drawn_from(result, "x", stats.lognorm(0.5))


def test_weights_of_a_categorical_and_a_value_that_they_exclude():
    space = Space(kind=Categorical(["a", "b", "c"], prior=[0.6, 0.4, 0.0]), x=Real(0, 1))
    seen = set()

    def log_likelihood(v):
        seen.add(v["kind"])
        return 1.0 if v["kind"] == "b" else 0.0

    result = sampled(LikelihoodProblem(space, log_likelihood), 8000, seed=1)
    share = independent(result.draws["kind"], 8)
    right = 0.4 * math.e / (0.6 + 0.4 * math.e)
    assert not (result.draws["kind"] == 2).any()
    assert abs(share.mean() - right) < 4 * math.sqrt(right * (1 - right) / len(share))
    assert abs(result.log_evidence - math.log(0.6 + 0.4 * math.e)) < 4 * result.sample.log_evidence_error


def test_constraints_cut_the_prior():
    space = Space(x=Real(0, 1), y=Real(0, 1))
    problem = LikelihoodProblem(space, lambda v: 2 * v["x"], constraints=lambda v: v["x"] + v["y"] < 1)
    result = sampled(problem, 10000, seed=1)
    assert (result.draws["x"] + result.draws["y"] < 1).all()
    x = np.linspace(0, 1, 20001)
    mass = np.cumsum((1 - x) * np.exp(2 * x))
    draws = independent(result.draws["x"], 12)
    assert stats.kstest(draws, lambda value: np.interp(value, x, mass / mass[-1])).pvalue > 1e-3
    evidence = math.log(np.trapezoid((1 - x) * np.exp(2 * x), x) / 0.5)
    assert abs(result.log_evidence - evidence) < 4 * result.sample.log_evidence_error


def test_a_periodic_parameter():
    space = Space(angle=Real(0, 2 * math.pi))
    problem = LikelihoodProblem(space, lambda v: 4 * math.cos(v["angle"]))
    result = sampled(problem, 12000, seed=1, boundary="periodic")
    angles = (result.draws["angle"] + math.pi) % (2 * math.pi) - math.pi
    assert stats.kstest(independent(angles, 12), stats.vonmises(4).cdf).pvalue > 1e-3


def test_a_likelihood_that_is_zero_in_a_part_of_the_box():
    space = Space(x=Real(0, 1))
    problem = LikelihoodProblem(space, lambda v: 0.0 if v["x"] < 0.25 else -math.inf)
    result = sampled(problem, 6000, seed=1)
    assert_drawn_from(result, "x", stats.uniform(0, 0.25), thin=4)
    assert abs(result.log_evidence - math.log(0.25)) < 4 * result.sample.log_evidence_error
    assert np.isfinite(result.sample.log_likelihoods).all()


def test_correlated_parameters():
    """Moves of one coordinate, of all, and along differences, together."""
    space = Space(x=Real(-8, 8), y=Real(-8, 8))
    rho = 0.95
    problem = LikelihoodProblem(
        space, lambda v: -0.5 * (v["x"] ** 2 - 2 * rho * v["x"] * v["y"] + v["y"] ** 2) / (1 - rho**2)
    )
    result = sampled(problem, 30000, seed=1)
    x, y = (independent(result.draws[name], 30) for name in ("x", "y"))
    assert stats.kstest(x, stats.norm.cdf).pvalue > 1e-3
    assert stats.kstest((y - rho * x) / math.sqrt(1 - rho**2), stats.norm.cdf).pvalue > 1e-3


# Evidence and weights


def test_the_standard_error_of_the_evidence_covers():
    space = Space(x=Real(-10, 10), y=Real(-10, 10))
    problem = LikelihoodProblem(space, lambda v: -0.5 * (v["x"] ** 2 + (v["y"] - 1) ** 2 / 0.04))
    exact = math.log(2 * math.pi * 0.2 / 400)
    pulls = []
    for seed in range(N_SEEDS):
        result = sampled(problem, 3000, seed)
        pulls.append((result.log_evidence - exact) / result.sample.log_evidence_error)
    spread = math.sqrt(np.mean(np.square(pulls)))
    low, high = np.sqrt(stats.chi2.ppf([0.0005, 0.9995], N_SEEDS) / N_SEEDS)
    assert low < spread < 1.15 * high, pulls  # the standard error is itself estimated
    assert abs(np.mean(pulls)) < 3.5 / math.sqrt(N_SEEDS)


@pytest.mark.slow
def test_weights_make_all_rungs_a_sample_and_a_better_one():
    space = Space(x=Real(-10, 10))
    problem = LikelihoodProblem(space, lambda v: -0.5 * (v["x"] - 1) ** 2)
    draws, weighted = [], []
    for seed in range(N_SEEDS):
        sample = sampled(problem, 2000, seed).sample
        assert sample.weights.shape == sample.states["x"].shape
        assert sample.weights.sum() == pytest.approx(1.0)
        draws.append(sample.draws["x"].mean() - 1)
        weighted.append((sample.weights * sample.states["x"]).sum() - 1)
    assert np.std(weighted) < np.std(draws)
    assert abs(np.mean(weighted)) < 4 * np.std(weighted) / math.sqrt(N_SEEDS)


def test_a_constant_added_to_the_log_likelihood_changes_nothing_but_the_evidence():
    def shifted(c):
        space = Space(x=Real(-4, 4), n=Integer(0, 5))
        return LikelihoodProblem(space, lambda v: c - round(64 * (v["x"] - v["n"]) ** 2) / 64)  # sums without rounding

    plain, raised = (sampled(shifted(c), 3000, seed=1) for c in (0.0, 1024.0))
    for name in plain.draws:
        assert np.array_equal(plain.draws[name], raised.draws[name])
    assert np.array_equal(plain.ladder, raised.ladder)
    assert raised.log_evidence - plain.log_evidence == pytest.approx(1024.0)
    assert raised.sample.log_evidence_error == pytest.approx(plain.sample.log_evidence_error)
    assert np.allclose(plain.sample.weights, raised.sample.weights)
