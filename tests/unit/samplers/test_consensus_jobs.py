"""Shards as jobs: what fails is tried again or named, what hangs is ended, and what was killed goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import wilks
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.loop.checkpoint import merge
from wilks.samplers.consensus.options import Consensus
from wilks.samplers.consensus.schedule import ShardSchedule
from wilks.samplers.consensus.shard import ShardSample
from wilks.samplers.importance_checks import pooled
from wilks.samplers.known import Known
from wilks.samplers.target import Target
from wilks.verbs.context import Common, Context
from wilks.verbs.sample_consensus import consensus_draws

SPACE = wilks.Space(a=wilks.Real(-100, 100), b=wilks.Real(-100, 100))
ROOT = Path(__file__).parents[3]


class Gaussian:
    """A log-likelihood with a number, so that a sampler can tell shards apart."""

    def __init__(self, number, n_shards):
        self.number = number
        self.covariance = n_shards * np.array([[1.0, 0.9], [0.9, 1.0]])
        self.mean = np.random.default_rng(number).multivariate_normal([3.0, -2.0], self.covariance)

    def __call__(self, values):
        apart = np.array([values["a"], values["b"]]) - self.mean
        return float(-0.5 * apart @ np.linalg.solve(self.covariance, apart))


def exact(task):
    """Sample a Gaussian shard without approximation."""
    gaussian = task.problem.log_likelihood
    thetas = np.random.default_rng(task.seed).multivariate_normal(gaussian.mean, gaussian.covariance, size=task.n_draws)
    n = len(thetas)
    return ShardSample(task.target.coordinates(thetas), np.full(n, -np.log(n)), float(n), True, n, "exact draws")


def whole(shards):
    functions = [shard.log_likelihood for shard in shards]
    return wilks.LikelihoodProblem(SPACE, lambda v: sum(f(v) for f in functions), name="whole")


def run(sampler=exact, n_shards=8, *, executor=None, log=None, stop=None, **options):
    """Return what came of it, and the context."""
    shards = [wilks.LikelihoodProblem(SPACE, Gaussian(k, n_shards), name=f"shard {k}") for k in range(n_shards)]
    target = Target(SPACE)
    mean = np.mean([shard.log_likelihood.mean for shard in shards], axis=0)
    covariance = shards[0].log_likelihood.covariance / n_shards / 200.0**2
    known = Known(target.coordinates(mean[None]), covariance[None], np.zeros(1))
    context = Context(whole(shards), "sample", Common(executor, log, 5, stop, []))
    settings = {"n_draws": 300, "n_verified": 1500, **options}
    return consensus_draws(context, Consensus(shards, **settings), target, known, sampler=sampler), context


def step(context, name):
    return next(each.detail for each in context.steps if each.name == name)


def test_good_shards_give_the_posterior_of_all_data():
    found, context = run()
    sample = pooled(found.samples)
    weights, x = sample.weights, sample.thetas
    means = np.array([Gaussian(k, 8).mean for k in range(8)])
    assert found.certificate.ok
    np.testing.assert_allclose(weights @ x, means.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(x.T, aweights=weights), [[1.0, 0.9], [0.9, 1.0]], atol=0.1)
    # Of the prior, which is uniform, and of the constants that the likelihoods leave out.
    peak = sum(Gaussian(k, 8)(dict(zip("ab", means.mean(axis=0), strict=True))) for k in range(8))
    exact_value = peak + np.log(2 * np.pi) + 0.5 * np.log(1 - 0.9**2) - 2 * np.log(200)
    assert sample.log_evidence == pytest.approx(exact_value, abs=4 * sample.log_evidence_error)
    assert 0 < sample.log_evidence_error < 0.05
    assert context.stats["shards_against_whole"] < 1e-9
    assert context.n_evaluations >= 8 * 300


def test_a_shard_that_fails_once_is_tried_again_with_other_random_numbers():
    seeds = []

    def fails_once(task):
        if task.problem.log_likelihood.number == 3:
            seeds.append(task.seed)
            if len(seeds) == 1:
                raise ValueError("no luck")
        return exact(task)

    found, context = run(fails_once)
    assert found.certificate.ok
    assert len(set(seeds)) == 2
    assert context.stats["n_shard_retries"] == 1


@pytest.mark.parametrize("how", ["raises", "is poisoned with NaN"])
def test_a_lost_shard_is_named_and_nothing_is_certified(how):
    def broken(task):
        sample = exact(task)
        if task.problem.log_likelihood.number == 7:
            if how == "raises":
                raise ValueError("detector saturated")
            sample.x[3] = np.nan
        return sample

    found, context = run(broken, n_shards=12, max_retries=1)
    check = found.certificate["shards in the combination"]
    assert (check.value, check.limit, check.ok) == (11, 12, False)
    assert "not the posterior of all data" in check.advice
    reason = {"raises": "ValueError: detector saturated", "is poisoned with NaN": "weights are not finite"}[how]
    assert "lost: 7" in step(context, "posteriors of shards")
    assert reason in step(context, "posteriors of shards")
    assert context.stats["n_shard_retries"] == 1


def test_too_few_shards_are_not_combined():
    def broken(task):
        if task.problem.log_likelihood.number in (1, 2):
            raise ValueError("detector saturated")
        return exact(task)

    with pytest.raises(wilks.EvaluationError, match="9 are needed: a posterior without the others") as caught:
        run(broken, n_shards=10)
    assert "ValueError: detector saturated" in str(caught.value)


def test_what_is_futile_is_not_begun():
    begun = []

    def broken(task):
        begun.append(task.seed)
        raise ValueError("wrong units")

    with pytest.raises(wilks.EvaluationError, match=r"0 of 40 shards were sampled[\s\S]*wrong units"):
        run(broken, n_shards=40)
    assert len(begun) == 10


def test_a_schedule_gives_up_when_more_shards_are_lost_than_may_be():
    schedule = ShardSchedule(20, tuple(range(20)), 1, 0.9)
    state = schedule.init(SPACE, 1, np.empty((0, 1)))
    state.lost = dict.fromkeys(range(2), "")
    assert schedule.terminate(state) is None
    state.lost[2] = ""
    assert schedule.terminate(state).message.endswith("3 of 20 shards could not be sampled.")
    assert len(schedule.ask(state, 16)[0]) == 0


def test_shards_that_are_not_those_of_the_problem_are_told():
    def of_others(number):
        return wilks.LikelihoodProblem(SPACE, Gaussian(number, 4 if number else 1))

    shards = [of_others(number) for number in range(4)]
    problem = whole([wilks.LikelihoodProblem(SPACE, Gaussian(number, 4)) for number in range(4)])
    target = Target(SPACE)
    known = Known(np.array([[0.515, 0.49]]), np.eye(2)[None] / 200.0**2, np.zeros(1))
    context = Context(problem, "sample", Common(seed=5, callbacks=[]))
    consensus_draws(context, Consensus(of_others, n_shards=4), target, known, sampler=exact)
    assert "they are not the parts of this problem" in step(context, "verification against the full likelihood")
    other = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 1), b=wilks.Real(0, 1)), shards[0].log_likelihood)
    with pytest.raises(wilks.EvaluationError, match="shard 1 has another space than the whole problem"):
        consensus_draws(context, Consensus([shards[0], other]), target, known, sampler=exact)


def test_the_largest_shards_begin():
    order = []

    def noted(task):
        order.append((task.problem.log_likelihood.number, task.n_draws))
        return exact(task)

    run(noted, n_shards=4, sizes=[100, 9000, 10, 5000], n_draws=1000)
    assert order == [(1, 900), (3, 500), (0, 200), (2, 200)]


def test_a_time_limit_ends_the_shards_without_a_result():
    def slow(task):
        time.sleep(0.05)
        return exact(task)

    found, _ = run(slow, stop=wilks.MaxTime(0.02))
    assert found.ended.outcome.name == "TIME_LIMIT"
    assert found.samples == ()


# ---------------------------------------------------------------------- workers that hang or die


def test_a_worker_that_takes_too_long_is_ended_and_the_others_are_not():
    space = wilks.Space(x=wilks.Integer(0, 9))

    def hangs(values):
        if values["x"] == 4:
            time.sleep(1000)
        return float(-values["x"])

    with wilks.ProcessExecutor(2, timeout=0.4) as executor:
        evaluator = Evaluator(wilks.LikelihoodProblem(space, hangs), executor)
        evaluator.submit(Proposals(np.arange(10), np.arange(10.0)[:, None], np.zeros(10, dtype=np.int8)))
        parts = []
        while evaluator.outstanding:
            parts += evaluator.collect()
    found = merge(parts, by_id=True)
    assert np.flatnonzero(found.statuses == EvaluationStatus.LOST).tolist() == [4]
    assert "no answer within 0.4 s" in next(iter(found.errors.values()))
    assert np.delete(found.log_likelihoods, 4).tolist() == [-x for x in range(10) if x != 4]


@pytest.mark.parametrize("timeout", [0, -1.0, "10", True])
def test_timeouts_that_are_none_are_refused(timeout):
    with pytest.raises(wilks.InvalidConfigurationError, match="expected timeout to be a positive number of seconds"):
        wilks.ProcessExecutor(1, timeout=timeout)


@pytest.mark.slow
def test_a_shard_whose_worker_dies_is_lost_and_named():
    def kills(task):
        if task.problem.log_likelihood.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return exact(task)

    with wilks.ProcessExecutor(1) as executor:
        found, context = run(kills, n_shards=10, max_retries=0, executor=executor)
    assert not found.certificate.ok
    assert "shard 2: the worker process died twice" in step(context, "posteriors of shards")
    assert "killed by SIGKILL" in step(context, "posteriors of shards")
    assert context.stats["n_shards_sampled"] == 9


# ---------------------------------------------------------------------- kill -9

SCRIPT = """
import os, sys, time
sys.path.insert(0, {root!r})
import numpy as np
import wilks
from tests.unit.samplers.test_consensus_jobs import exact, pooled, run

def slow(task):
    with open("calls", "a") as file:
        file.write(f"{{task.problem.log_likelihood.number}}\\n")
    time.sleep(float(os.environ["SECONDS"]))
    return exact(task)

executor = wilks.ProcessExecutor(1) if os.environ["SECONDS"] == "0" else None
with wilks.EvaluationLog("run.wilks") as log:
    found, context = run(slow, log=log, executor=executor)
np.savez("found.npz", thetas=pooled(found.samples).thetas, raw=pooled(found.samples).raw)
"""


def test_a_run_that_was_killed_goes_on_elsewhere_with_the_same_draws(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.format(root=str(ROOT)))
    calls = tmp_path / "calls"

    def start(seconds):
        environment = {**os.environ, "SECONDS": seconds, "PYTHONPATH": str(Path(wilks.__file__).parents[1])}
        return subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment)

    first = start("0.3")
    while not calls.exists() or len(calls.read_text().split()) < 4:
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert start("0").wait() == 0
    n_calls = np.bincount([int(number) for number in calls.read_text().split()], minlength=8)
    assert n_calls.min() == 1
    assert n_calls.sum() == 9  # the shard that was under way has begun twice
    expected, _ = run()
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(found["thetas"], pooled(expected.samples).thetas)
    np.testing.assert_array_equal(found["raw"], pooled(expected.samples).raw)
