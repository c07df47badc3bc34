"""Consensus Monte Carlo against posteriors that are known: exact after weighting, or refused."""

import math

import numpy as np
import pytest

import wilks
from wilks.samplers.consensus.options import Consensus
from wilks.samplers.consensus.shard import ShardSample
from wilks.samplers.importance_checks import pooled
from wilks.samplers.known import Known
from wilks.samplers.target import Target
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_consensus import consensus_draws


def equal(x):
    n = len(x)
    return ShardSample(x, np.full(n, -math.log(n)), float(n), True, n, "exact draws")


def consensus(problem, shards, sampler, known, **options):
    context = Context(problem, "sample", Common(seed=5, callbacks=[]))
    return consensus_draws(context, Consensus(shards, **options), Target(problem.space), known, sampler=sampler)


# ---------------------------------------------------------------------- a straight line: exact, prior included

LINE_SPACE = wilks.Space(
    a=wilks.Real(-5, 5, prior=wilks.Normal(0.0, 0.02)), b=wilks.Real(-5, 5, prior=wilks.Normal(1.0, 0.5))
)
NOISE, N_POINTS = 1.0, 2000


class Line(wilks.LikelihoodProblem):
    """Data on a line, which can be cut; half of them carry one label and half another."""

    def __init__(self, t, y):
        self.t, self.y, self.n_points, self.labels = t, y, len(t), t > 0.5
        super().__init__(LINE_SPACE, self.value, vectorized=True)

    def value(self, values):
        apart = np.asarray(values["a"])[:, None] + np.asarray(values["b"])[:, None] * self.t - self.y
        return -0.5 * (apart**2).sum(axis=1) / NOISE**2

    def shards(self, indices):
        return [Line(self.t[index], self.y[index]) for index in indices]


def test_a_problem_that_can_be_cut_has_its_prior_once():
    generator = np.random.default_rng(1)
    t = generator.random(N_POINTS)
    problem = Line(t, 0.1 + 0.7 * t + NOISE * generator.standard_normal(N_POINTS))
    design = np.column_stack([np.ones(N_POINTS), t])
    prior = np.diag([0.02**-2, 0.5**-2])
    covariance = np.linalg.inv(design.T @ design / NOISE**2 + prior)
    mean = covariance @ (design.T @ problem.y / NOISE**2 + prior @ [0.0, 1.0])
    found = wilks.sample(problem, Consensus(n_shards=5, n_draws=300), seed=1, callbacks=[])
    assert found.status.success
    for index, name in enumerate("ab"):
        sd = math.sqrt(covariance[index, index])
        error = 0.05 + 3 / math.sqrt(found.ess[name])
        assert abs(found.means[name] - mean[index]) < error * sd
        assert found.standard_deviations[name] / sd == pytest.approx(1.0, abs=0.05)
    # Shards with the whole prior each would have made a consensus that covers the posterior badly.
    assert found.certificate["importance ESS"].value > 0.7 * 4000
    steps = {step.name: step.detail for step in found.provenance.executed}
    assert steps["shards"] == "5 balanced shards of 400 points or more"
    assert steps["posteriors of shards"].startswith("5 of 5 by importance sampling, 5 of them certified")


# ---------------------------------------------------------------------- skewed: Gamma shards of one rate

RATE_SPACE = wilks.Space(rate=wilks.Real(0, 40))
N_SHARDS, SHAPE = 20, 4.0


def gamma_log_likelihood(values):
    return (SHAPE - 1) * math.log(values["rate"]) - values["rate"]


def gamma_whole(values):
    return N_SHARDS * gamma_log_likelihood(values)


def gamma_draws(task):
    rates = np.random.default_rng(task.seed).gamma(SHAPE, size=task.n_draws)
    return equal(task.target.coordinates(rates[:, None]))


@pytest.mark.parametrize("combination", ["auto", "robust"])
def test_skewed_shards_are_weighted_into_the_posterior(combination):
    shape = N_SHARDS * (SHAPE - 1) + 1  # of a Gamma distribution with rate 20
    exact_mean, exact_sd = shape / N_SHARDS, math.sqrt(shape) / N_SHARDS
    shards = [wilks.LikelihoodProblem(RATE_SPACE, gamma_log_likelihood)] * N_SHARDS
    known = Known(np.array([[(shape - 1) / N_SHARDS / 40]]), np.array([[[(exact_sd / 40) ** 2]]]), np.zeros(1))
    problem = wilks.LikelihoodProblem(RATE_SPACE, gamma_whole)
    found = consensus(problem, shards, gamma_draws, known, combination=combination, n_draws=500, n_verified=3000)
    assert found.certificate.ok
    sample = pooled(found.samples)
    weights, rates = sample.weights, sample.thetas[:, 0]
    mean = weights @ rates
    sd = math.sqrt(weights @ (rates - mean) ** 2)
    ess = sample.ess
    assert abs(mean - exact_mean) < (0.05 + 3 / math.sqrt(ess)) * exact_sd
    assert sd / exact_sd == pytest.approx(1.0, abs=0.03 + 2 / math.sqrt(ess))


# ---------------------------------------------------------------------- bent: the consensus is far off

BENT_SPACE = wilks.Space({name + k: wilks.Real(-60, 240) for k in "123" for name in "ab"})
WIDTH, THICKNESS, N_BENT = 3.0, 0.5, 8


def bent_log_likelihood(values):
    total = 0.0
    for k in "123":
        a, b = values["a" + k], values["b" + k]
        total -= 0.5 * (a / WIDTH) ** 2 + 0.5 * ((b - a**2) / THICKNESS) ** 2
    return total / N_BENT


def bent_draws(task):
    generator = np.random.default_rng(task.seed)
    n, size = task.n_draws, math.sqrt(N_BENT)
    a = size * WIDTH * generator.standard_normal((n, 3))
    b = a**2 + size * THICKNESS * generator.standard_normal((n, 3))
    return equal(task.target.coordinates(np.stack([a, b], axis=2).reshape(n, 6)))


@pytest.mark.parametrize("combination", ["consensus", "mixtures"])
def test_a_biased_consensus_is_refused(combination):
    shards = [wilks.LikelihoodProblem(BENT_SPACE, bent_log_likelihood)] * N_BENT
    problem = wilks.LikelihoodProblem(BENT_SPACE, lambda values: N_BENT * bent_log_likelihood(values))
    target = Target(BENT_SPACE)
    mode = target.coordinates(np.zeros((1, 6)))
    variances = np.tile([WIDTH**2, THICKNESS**2], 3) / 300.0**2
    known = Known(mode, np.diag(variances)[None], np.zeros(1))
    found = consensus(problem, shards, bent_draws, known, combination=combination, n_draws=400, n_verified=1000)
    assert not found.certificate.ok
    assert "the consensus is biased here" in found.certificate.message
    # What is handed out then is the combination.
    assert pooled(found.samples).ess > 300


# ---------------------------------------------------------------------- two modes

TWO_SPACE = wilks.Space(x=wilks.Real(-40, 40), y=wilks.Real(-40, 40))
MASS, FAR, N_TWO = 0.3, 14.0, 6


def two_log_likelihood(values):
    x, y = values["x"], values["y"]
    left = math.log(MASS) - 0.5 * (x + FAR) ** 2
    right = math.log(1 - MASS) - 0.5 * (x - FAR) ** 2
    return (np.logaddexp(left, right) - 0.5 * y**2) / N_TWO


def two_draws(task):
    """Rejection from the two tempered Gaussians, of which the shard is at most twice the sum."""
    generator = np.random.default_rng(task.seed)
    masses = np.array([MASS, 1 - MASS]) ** (1 / N_TWO)
    x = np.where(generator.random(4 * task.n_draws) < masses[0] / masses.sum(), -FAR, FAR)
    x = x + math.sqrt(N_TWO) * generator.standard_normal(len(x))
    left, right = math.log(MASS) - 0.5 * (x + FAR) ** 2, math.log(1 - MASS) - 0.5 * (x - FAR) ** 2
    ratio = np.exp(np.logaddexp(left, right) / N_TWO - np.logaddexp(left / N_TWO, right / N_TWO))
    x = x[generator.random(len(x)) < ratio][: task.n_draws]
    y = math.sqrt(N_TWO) * generator.standard_normal(len(x))
    return equal(task.target.coordinates(np.column_stack([x, y])))


def test_two_modes_keep_their_masses():
    shards = [wilks.LikelihoodProblem(TWO_SPACE, two_log_likelihood)] * N_TWO
    problem = wilks.LikelihoodProblem(TWO_SPACE, lambda values: N_TWO * two_log_likelihood(values))
    known = Known(np.array([[0.5 + FAR / 80, 0.5]]), np.eye(2)[None] / 80.0**2, np.zeros(1))  # one of the modes
    found = consensus(problem, shards, two_draws, known)
    assert found.method == "product of mixtures of Gaussians"
    assert found.certificate.ok
    sample = pooled(found.samples)
    weights, x = sample.weights, sample.thetas
    left = x[:, 0] < 0
    assert weights[left].sum() == pytest.approx(MASS, abs=0.04)
    assert math.sqrt(weights[left] @ (x[left, 0] + FAR) ** 2 / weights[left].sum()) == pytest.approx(1.0, abs=0.08)
