"""Runs on real Dask clusters of this machine, with workers that die."""

import importlib.util
import os
import signal

import numpy as np
import pytest

import wilks
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.loop.checkpoint import merge

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="no Dask; pip install 'wilks[dask]' brings it"
)
SPACE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))


def log_likelihood(values):
    return -0.5 * (values["a"] ** 2 + (values["b"] - values["a"] ** 2) ** 2)


@pytest.fixture(scope="module")
def executor():
    with wilks.DaskExecutor(n_workers=2) as made:
        yield made


def evaluate(problem, executor, thetas):
    evaluator = Evaluator(problem, executor)
    n = len(thetas)
    evaluator.submit(Proposals(np.arange(n), np.asarray(thetas, dtype=float), np.zeros(n, dtype=np.int8)))
    found = []
    while evaluator.outstanding:
        found += evaluator.collect()
    return merge(found, by_id=True)


def names(evaluations):
    return [EvaluationStatus(int(status)).name for status in evaluations.statuses]


def test_a_fit_is_the_one_of_this_process(executor):
    problem = wilks.LikelihoodProblem(SPACE, log_likelihood)
    here, there = (wilks.fit(problem, seed=1, executor=each) for each in (None, executor))
    assert there.best == here.best
    assert there.provenance.executor == "Dask (2 workers)"


def test_failures_come_back_with_their_reason(executor):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: 1 / 0 if v["a"] > 2 else -1.0, constraints=lambda v: v["b"] == 0)
    found = evaluate(problem, executor, [[0, 0], [3, 0], [0, 1], [1, 0]])
    assert names(found) == ["OK", "FAILED", "VIOLATED", "OK"]
    assert "ZeroDivisionError" in found.errors[1]
    assert os.getpid() not in found.workers


def test_shards_stay_with_their_workers_and_give_the_same_bits(executor):
    shards = np.array_split(np.random.default_rng(1).normal(1.0, 2.0, 1000), 5)
    problem = wilks.AdditiveProblem(
        SPACE,
        shards,
        lambda v, shard: [((shard - v["a"]) ** 2).sum(), os.getpid() * 1e-6],
        lambda v, total: -0.1 * total[0] - v["b"] ** 2,
    )
    sharded = wilks.ShardedExecutor(executor)
    thetas = np.random.default_rng(2).uniform(-5, 5, (20, 2))
    found = evaluate(problem, sharded, thetas)
    assert found.log_likelihoods.tolist() == evaluate(problem, wilks.SerialExecutor(), thetas).log_likelihoods.tolist()
    pids = wilks.AdditiveProblem(SPACE, range(2), lambda v, shard: np.eye(2)[shard] * os.getpid(), lambda v, total: 0.0)
    seen = []
    pids.log_likelihood_of_total = lambda v, total: seen.append(tuple(total)) or 0.0
    evaluate(pids, sharded, thetas)
    assert len(set(seen)) == 1
    assert len({*seen[0]} - {os.getpid()}) == 2


def test_a_worker_that_is_killed_is_replaced(executor, tmp_path):
    flag = tmp_path / "killed"

    def deadly(values):
        if values["a"] == 1 and not flag.exists():
            flag.write_text("once")
            os.kill(os.getpid(), signal.SIGKILL)
        return values["a"]

    found = evaluate(wilks.LikelihoodProblem(SPACE, deadly), executor, [[a, 0] for a in range(5)])
    assert flag.exists()
    assert found.log_likelihoods.tolist() == [0, 1, 2, 3, 4]


def test_a_client_stays_open(executor):
    from distributed import Client

    cluster = executor._started().client.cluster
    with Client(cluster, set_as_default=False) as client:
        with wilks.DaskExecutor(client) as borrowed:
            problem = wilks.LikelihoodProblem(SPACE, log_likelihood)
            found = evaluate(problem, borrowed, [[0, 0]])
        assert client.status == "running"
    assert found.log_likelihoods.tolist() == [0.0]
    with pytest.raises(
        wilks.InvalidConfigurationError, match=r"expected a distributed\.Client that is not asynchronous"
    ):
        wilks.DaskExecutor(cluster)


def test_a_cluster_that_is_gone_ends_the_run(executor):
    from distributed import Client

    client = Client(executor._started().client.cluster, set_as_default=False)
    borrowed = wilks.DaskExecutor(client)
    problem = wilks.LikelihoodProblem(SPACE, log_likelihood)
    evaluate(problem, borrowed, [[0, 0]])
    evaluator = Evaluator(problem, borrowed)
    client.close()
    evaluator.submit(Proposals(np.arange(1), np.zeros((1, 2)), np.zeros(1, dtype=np.int8)))
    with pytest.raises(wilks.EvaluationError, match="the Dask cluster takes no work"):
        evaluator.collect()


@pytest.mark.slow
def test_a_point_that_kills_every_time_is_lost_alone(executor):
    def deadly(values):
        if values["a"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return values["a"]

    found = evaluate(wilks.LikelihoodProblem(SPACE, deadly), executor, [[a, 0] for a in range(5)])
    assert names(found) == ["OK", "OK", "LOST", "OK", "OK"]
    assert "ended during the call" in found.errors[2]
