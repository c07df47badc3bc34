"""`wilks.sample`: what it is given, what comes back, and that the prior is the one that was declared."""

import math
from dataclasses import fields

import numpy as np
import pytest
from scipy import integrate, stats

import wilks
from wilks.core import encoding
from wilks.core.chart import LineChart
from wilks.core.status import Outcome
from wilks.samplers.importance import ImportanceSampler
from wilks.samplers.target import Target
from wilks.verbs.sample_known import _apart

Real = wilks.Real


def sample(log_likelihood, space, method=None, **more):
    name, constraints = more.pop("name", "p"), more.pop("constraints", ())
    problem = wilks.LikelihoodProblem(space, log_likelihood, constraints=constraints, name=name)
    return wilks.sample(problem, method, **{"seed": 1, "callbacks": (), **more})


def hill(values):
    return -0.5 * ((values["a"] - 1) ** 2 + (values["b"] + 2) ** 2 / 0.25)


SPACE = wilks.Space(a=Real(-9, 9), b=Real(-9, 9))
PROBLEM = wilks.LikelihoodProblem(SPACE, hill, name="hill")


def comparable(result):
    """What must not depend on how it came about."""
    names = (each.name for each in fields(result) if each.name not in ("provenance", "log"))
    return encoding.encode({name: getattr(result, name) for name in names})


@pytest.fixture(scope="module")
def posterior():
    return wilks.sample(PROBLEM, seed=1, callbacks=())


# The result


def test_a_bell(posterior):
    assert posterior.status.outcome is Outcome.CONVERGED
    assert posterior.certificate.ok
    assert posterior.status.message.endswith("checks of the certificate hold.")
    errors = posterior.standard_errors_of_means
    assert abs(posterior.means["a"] - 1) < 4 * errors["a"] < 0.15
    assert abs(posterior.means["b"] + 2) < 4 * errors["b"]
    assert posterior.standard_deviations == pytest.approx({"a": 1.0, "b": 0.5}, rel=0.08)
    truth = math.log(2 * math.pi * 0.5 / 18**2)
    assert posterior.log_evidence == pytest.approx(truth, abs=4 * posterior.log_evidence_error)
    assert posterior.n_evaluations < 4000
    assert [step.name for step in posterior.provenance.executed] == ["fit", "importance sampling"]
    assert posterior.n_evaluations == sum(step.n_evaluations for step in posterior.provenance.executed)


def test_draws_and_what_belongs_to_them(posterior):
    assert {name: draws.shape for name, draws in posterior.draws.items()} == {"a": (2, 2000), "b": (2, 2000)}
    heights = hill({name: posterior.draws[name] for name in "ab"})
    np.testing.assert_allclose(posterior.log_likelihoods, heights, rtol=1e-10)
    np.testing.assert_allclose(posterior.log_priors, -2 * math.log(18))
    assert posterior.log_likelihood == posterior.log_likelihoods.max() == hill(posterior.best)
    assert np.exp(posterior.weighted.log_weights).sum() == pytest.approx(1)
    for name in "ab":
        first, second = posterior.draws[name]
        assert first.mean() == pytest.approx(posterior.means[name], abs=0.1)
        assert not np.isin(first, second).any(), "each chain is of a population of its own"
        halves = first[:1000].mean() - first[1000:].mean()
        assert abs(halves) < 0.2, "in no order"
    assert np.corrcoef(posterior.draws["a"][0, 1:], posterior.draws["a"][0, :-1])[0, 1] == pytest.approx(0, abs=0.1)


def test_number_of_draws():
    result = wilks.sample(PROBLEM, seed=1, callbacks=(), n_draws=501)
    assert result.draws["a"].shape == (2, 250)


def test_a_seed_is_enough(posterior):
    again = wilks.sample(PROBLEM, seed=1, callbacks=())
    assert comparable(again) == comparable(posterior)
    other = wilks.sample(PROBLEM, seed=2, callbacks=())
    assert not np.isin(other.draws["a"], posterior.draws["a"]).any()
    unseeded = wilks.sample(PROBLEM, callbacks=())
    repeated = wilks.sample(PROBLEM, seed=unseeded.provenance.seed, callbacks=())
    assert comparable(repeated) == comparable(unseeded)


def test_constants_are_no_parameters():
    found = wilks.sample(PROBLEM.fix(b=-2.5), seed=1, callbacks=())
    assert found.names == ("a",)
    assert found.best["b"] == -2.5
    assert found.log_likelihood == hill(found.best)
    assert found.log_evidence == pytest.approx(math.log(math.sqrt(2 * math.pi) / 18) - 0.5, abs=0.05)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "nuts"}, r"method: expected None or one of wilks.AdaptiveImportance\(...\), .*, got 'nuts'"),
        ({"method": wilks.AdaptiveImportance}, "method: expected None or one of .*, got <class"),
        ({"method": wilks.ParallelTempering()}, r"expected wilks.ParallelTempering\(sampling=True\), got an optimiser"),
        ({"n_draws": 99}, "n_draws: expected an integer >= 100, got 99"),
        ({"n_draws": 1e3}, "n_draws: expected an integer >= 100, got 1000.0"),
        ({"n_draws": True}, "n_draws: expected an integer >= 100, got True"),
        ({"n_starts": -1}, "n_starts: expected an integer >= 0 or None, got -1"),
        ({"n_starts": 0}, "n_starts=0 needs start="),
        ({"start": 3}, "start: expected a result, a dictionary of values or a list of these, got 3"),
        ({"start": {"a": 1.0}}, "no value for b; expected values for a, b"),
        ({"start": {"a": 1.0, "b": 99}}, r"parameter 'b': expected a value in \[-9.0, 9.0\], got 99"),
        ({"log": "run"}, "log: expected a wilks.EvaluationLog, got 'run'"),
        ({"stop": 3}, "stop: expected wilks.MaxEvaluations"),
        ({"callbacks": print}, "callbacks: expected a list of functions"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        wilks.sample(PROBLEM, **{"seed": 1, "callbacks": (), **arguments})
    assert isinstance(caught.value, wilks.WilksError)


def test_no_problem():
    with pytest.raises(wilks.InvalidProblemError, match=r"sample: expected a wilks.LikelihoodProblem .* got function"):
        wilks.sample(hill)


def test_throw():
    short = wilks.AdaptiveImportance(max_rounds=1, n_first=20)
    with pytest.raises(wilks.SampleFailedError, match=r"importance ESS is .* expected at least 1000") as caught:
        wilks.sample(PROBLEM, short, seed=1, callbacks=(), throw=True)
    result = caught.value.result
    assert not result.status.success
    assert result.status.outcome is Outcome.NOT_CONVERGED
    assert result.status.message.endswith(result.certificate.message)
    assert wilks.sample(PROBLEM, seed=1, callbacks=(), throw=True).status.success


# Where it starts


def test_a_fit_is_not_made_again():
    fitted = wilks.fit(PROBLEM, seed=1, callbacks=(), n_starts=40)
    found = wilks.sample(PROBLEM, start=fitted, seed=1, callbacks=())
    assert [step.name for step in found.provenance.executed] == ["importance sampling"]
    fewer = wilks.fit(PROBLEM, seed=1, callbacks=(), n_starts=10)
    completed = wilks.sample(PROBLEM, start=fewer, seed=1, callbacks=())
    assert [step.name for step in completed.provenance.executed] == ["fit", "importance sampling"]
    trusted = wilks.sample(PROBLEM, start=fewer, n_starts=0, seed=1, callbacks=())
    assert [step.name for step in trusted.provenance.executed] == ["importance sampling"]
    assert trusted.certificate.ok


def test_a_fit_of_something_else_is_a_place_to_begin():
    other = wilks.LikelihoodProblem(SPACE, lambda v: -50 * (v["a"] + 7) ** 2 - v["b"] ** 2, name="other")
    narrower = wilks.fit(PROBLEM.fix(b=1.0), seed=1, callbacks=())
    for fitted in (wilks.fit(other, seed=1, callbacks=(), n_starts=40), narrower):
        found = wilks.sample(PROBLEM, start=fitted, n_starts=0, seed=1, callbacks=())
        assert [step.name for step in found.provenance.executed] == ["fit", "importance sampling"]
        assert found.means["a"] == pytest.approx(1, abs=0.15)


def test_values_to_start_from():
    far = [{"a": -8.0, "b": 8.0}, {"a": 8.0, "b": 8.0}]
    for start in (far[0], far):
        found = wilks.sample(PROBLEM, start=start, n_starts=0, seed=1, callbacks=())
        assert found.certificate.ok
        assert found.means["b"] == pytest.approx(-2, abs=0.1)


def two_modes(values):
    return float(np.logaddexp(*(-0.5 * ((values["a"] - a) ** 2 + values["b"] ** 2) / 0.01 for a in (-4, 4))))


def test_one_optimum_that_was_reached_twice_is_one_mode():
    shape = np.array([[1.0, 0.999], [0.999, 1.0]]) * np.outer([1e-6, 1e3], [1e-6, 1e3])
    again, other = np.array([2e-8, 20.0]), np.array([-2e-7, 200.0])  # along the valley, and across it
    bells = [(np.zeros(2), shape, -1.0), (again, shape, -1.0), (other, shape, -2.0)]
    assert [bell[2] for bell in _apart(bells)] == [-1.0, -2.0]


def test_a_mode_that_nobody_told_of():
    """With `n_starts=0` only what is known can be certified: the draws never see the other mode. The search does."""
    blind = sample(two_modes, SPACE, start={"a": 4.0, "b": 0.0}, n_starts=0)
    assert blind.certificate.ok
    assert blind.draws["a"].min() > 3
    seeing = sample(two_modes, SPACE, start={"a": 4.0, "b": 0.0})
    assert seeing.certificate.ok
    assert (seeing.draws["a"] > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert seeing.log_evidence - blind.log_evidence == pytest.approx(math.log(2), abs=0.08)


def test_a_mode_that_the_draws_happen_upon():
    """The prior is part of every proposal: draws of it in an unknown mode have great weights, and k-hat tells."""
    space, start = wilks.Space(a=Real(-9, 9)), {"a": 4.0}
    both = lambda v: float(np.logaddexp(-16 - 0.5 * (v["a"] - 4) ** 2, -((v["a"] + 6) ** 2)))  # noqa: E731
    first = sample(both, space, wilks.AdaptiveImportance(max_rounds=1), start=start, n_starts=0)
    assert first.certificate["Pareto k-hat"].value > 1
    found = sample(both, space, wilks.AdaptiveImportance(), start=start, n_starts=0)
    assert found.certificate.ok
    assert found.means["a"] == pytest.approx(-6, abs=0.1)
    assert found.log_evidence == pytest.approx(math.log(math.sqrt(math.pi) / 18), abs=4 * found.log_evidence_error)


def test_discrete_parameters_go_to_tempering():
    space = wilks.Space(n=wilks.Integer(0, 3), a=Real(-3, 3))
    found = sample(lambda v: -0.5 * v["a"] ** 2 - v["n"], space, stop=wilks.MaxEvaluations(1500))
    assert found.method == "parallel tempering"
    assert found.status.outcome is Outcome.EVALUATION_LIMIT
    with pytest.raises(wilks.InvalidProblemError, match=r"n has discrete values; use method=wilks.ParallelTempering"):
        sample(lambda v: 0.0, space, wilks.AdaptiveImportance())


# The prior


def weighted_distance(found, cdf, name="a"):
    """Largest difference of two distribution functions, times the root of the effective number of draws."""
    order = np.argsort(found.weighted.thetas[:, 0])
    weights = np.exp(found.weighted.log_weights[order])
    below = np.cumsum(weights) - 0.5 * weights
    return float(np.abs(below - cdf(found.weighted.thetas[order, 0])).max()) * math.sqrt(found.ess[name])


LOW, HIGH = 0.1, 10.0
PRIORS = {
    "uniform": (Real(LOW, HIGH), stats.uniform(LOW, HIGH - LOW)),
    "log scale": (Real(LOW, HIGH, scale="log"), stats.loguniform(LOW, HIGH)),
    "log-uniform": (Real(LOW, HIGH, prior=wilks.LogUniform(LOW, HIGH)), stats.loguniform(LOW, HIGH)),
    "uniform on a log scale": (
        Real(LOW, HIGH, scale="log", prior=wilks.Uniform(LOW, HIGH)),
        stats.uniform(LOW, HIGH - LOW),
    ),
    "normal": (Real(LOW, HIGH, prior=wilks.Normal(3, 2)), stats.truncnorm((LOW - 3) / 2, (HIGH - 3) / 2, 3, 2)),
    "log-normal": (Real(LOW, HIGH, prior=wilks.LogNormal(1.5, 0.4)), stats.lognorm(0.4, scale=1.5)),
    "beta": (Real(LOW, HIGH, prior=stats.beta(2, 5, loc=0.1, scale=9.9)), stats.beta(2, 5, loc=0.1, scale=9.9)),
}


@pytest.mark.parametrize("name", PRIORS)
def test_of_a_flat_likelihood_the_posterior_is_the_prior(name):
    """And not that of any other kind of prior."""
    domain, truth = PRIORS[name]
    found = sample(lambda v: 0.0, wilks.Space(a=domain), wilks.AdaptiveImportance())
    assert found.certificate.ok
    assert weighted_distance(found, truth.cdf) < 1.63  # one in a hundred, and the seed is fixed
    assert found.log_evidence == pytest.approx(0.0, abs=4 * found.log_evidence_error)
    for other, (_, wrong) in PRIORS.items():
        if wrong.mean() != truth.mean():
            assert weighted_distance(found, wrong.cdf) > 3, other
    assert abs(found.contraction["a"]) < 0.1


def test_a_prior_far_from_the_likelihood():
    space = wilks.Space(a=Real(-9, 9, prior=wilks.Normal(-5, 0.5)), b=Real(-9, 9))
    found = sample(lambda v: -0.5 * ((v["a"] - 8) ** 2 / 0.04 + v["b"] ** 2), space)
    precision = 1 / 0.04 + 1 / 0.25
    assert found.certificate.ok
    assert found.means["a"] == pytest.approx((8 / 0.04 - 5 / 0.25) / precision, abs=0.03)
    assert found.standard_deviations["a"] == pytest.approx(precision**-0.5, rel=0.1)


class Charted(wilks.LikelihoodProblem):
    def chart(self):
        return LineChart()


def test_coordinates_of_the_problem():
    space = wilks.Space(a=Real(0, 1, prior=stats.beta(2, 5)))
    found = wilks.sample(Charted(space, lambda v: math.log(v["a"]), name="c"), seed=1, callbacks=())
    truth = stats.beta(3, 5)
    assert weighted_distance(found, truth.cdf) < 1.63
    assert found.log_evidence == pytest.approx(math.log(2 / 7), abs=4 * found.log_evidence_error)


# Formulas that are wrong must be noticed

LOG_SPACE = wilks.Space(a=Real(-6, 6, prior=wilks.Normal(1, 1)), b=Real(0.01, 100, scale="log"))


def tilted(values):
    return -0.5 * values["a"] ** 2 - 0.5 * (values["b"] - 1.0) ** 2 / 0.25


def excess():
    """Errors of the moments and of the evidence, in the standard errors that are stated; the largest one."""
    found = sample(tilted, LOG_SPACE, wilks.AdaptiveImportance(ess=2000))
    weight = lambda b, k: b ** (k - 1) * math.exp(-0.5 * (b - 1) ** 2 / 0.25)  # noqa: E731 - the prior is flat in log b
    zero, one = (integrate.quad(weight, 0.01, 100, (k,), points=[0.1, 1, 3])[0] for k in (0, 1))
    evidence = math.log(stats.norm(0, math.sqrt(2)).pdf(1) * math.sqrt(2 * math.pi) * zero / math.log(1e4))
    truth = {"a": 0.5, "b": one / zero}
    errors = found.standard_errors_of_means
    return max(
        *(abs(found.means[name] - truth[name]) / errors[name] for name in truth),
        abs(found.standard_deviations["a"] - math.sqrt(0.5)) / errors["a"],
        abs(found.log_evidence - evidence) / found.log_evidence_error,
    )


right = Target.log_prior


def without_jacobian(self, x):
    return np.where(np.isfinite(right(self, x)), self.power * self.space.log_prior(self.thetas(x)), -np.inf)


def prior_twice(self, x):
    return right(self, x) + self.power * self.space.log_prior(self.thetas(x))


def prior_unnormalised(self, x):
    return right(self, x) + 0.3


def without_prior_part(self, mixture, x):
    return mixture.log_density(x)


def test_right_formulas_agree_with_quadrature():
    assert excess() < 4


@pytest.mark.parametrize("wrong", [without_jacobian, prior_twice, prior_unnormalised])
def test_a_wrong_prior_is_noticed(monkeypatch, wrong):
    monkeypatch.setattr(Target, "log_prior", wrong)
    assert excess() > 8


def test_a_wrong_proposal_is_noticed(monkeypatch):
    monkeypatch.setattr(ImportanceSampler, "_log_proposal", without_prior_part)
    assert excess() > 8
