"""Searches on several workers: the same answer, sooner, on one pool that stays, also when workers die."""

import concurrent.futures
import os
import signal
import threading
import time

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import MIXED, bowl

ALGORITHMS = {
    "portfolio": wilks.Portfolio(batch_size=8),
    "tempering": wilks.ParallelTempering(n_replicas=8),
    "evolution_strategy": wilks.EvolutionStrategy(),
}


def course(result):
    return sorted(result.log.arrays()["thetas"].tolist()), result.history.tolist(), result.best, result.status


def search(algorithm, problem=None, n=200, **more):
    problem = problem or wilks.LikelihoodProblem(MIXED, lambda v: -bowl(v))
    return wilks.search(problem, algorithm, n_evaluations=n, seed=2, callbacks=(), **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_any_executor_of_the_standard_library(algorithm):
    expected = course(search(algorithm))
    for executor in (concurrent.futures.ThreadPoolExecutor(3), concurrent.futures.ProcessPoolExecutor(1)):
        with executor:
            assert course(search(algorithm, _module_level_problem(), executor=executor)) == expected


def _module_level_problem():
    return wilks.LikelihoodProblem(MIXED, _log_likelihood)


def _log_likelihood(values):
    return -bowl(values)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_likelihood_that_takes_batches_gives_the_same(algorithm):
    sizes = []

    def of_batches(values):
        sizes.append(len(values["x"]))
        columns = [np.broadcast_to(column, sizes[-1]).tolist() for column in values.values()]
        return np.array([-bowl(dict(zip(values, row, strict=True))) for row in zip(*columns, strict=True)])

    vectorized = wilks.LikelihoodProblem(MIXED, of_batches, vectorized=True)
    assert course(search(algorithm, vectorized)) == course(search(algorithm))
    assert np.mean(sizes) > 3


@pytest.mark.parametrize(
    "algorithm",
    [each if name == "portfolio" else pytest.param(each, marks=pytest.mark.slow) for name, each in ALGORITHMS.items()],
    ids=ALGORITHMS,
)
def test_two_workers_are_sooner_done(algorithm):
    def slow(values):
        time.sleep(0.01)
        return -bowl(values)

    problem = wilks.LikelihoodProblem(MIXED, slow)
    with wilks.ProcessExecutor(2) as executor:
        search(algorithm, problem, 4, executor=executor)  # the workers are started
        seconds = []
        for more in ({}, {"executor": executor}):
            began = time.perf_counter()
            search(algorithm, problem, 64, **more)
            seconds.append(time.perf_counter() - began)
    assert seconds[0] / seconds[1] > 1.4


def test_the_pool_stays_from_search_to_search():
    with wilks.ProcessExecutor(2) as executor:
        search(ALGORITHMS["tempering"], executor=executor)
        pids = executor.pids
        search(ALGORITHMS["portfolio"], executor=executor)
        assert executor.pids == pids
        assert len(pids) == 2


def test_workers_that_die_change_nothing():
    """One that the likelihood kills at one place, and some that somebody kills at random moments."""
    problem = wilks.LikelihoodProblem(MIXED, lambda v: os._exit(1) if v["n"] == 5 else -bowl(v))
    failing = wilks.LikelihoodProblem(MIXED, lambda v: 1 / 0 if v["n"] == 5 else -bowl(v))
    algorithm = wilks.ParallelTempering(n_replicas=4)
    with wilks.ProcessExecutor(2) as executor:
        found = search(algorithm, problem, 60, executor=executor)
    expected = search(algorithm, failing, 60)
    assert course(found) == course(expected)
    assert found.log.counts()["lost"] == found.stats["n_failed"] == expected.stats["n_failed"] > 0


def test_a_worker_that_is_killed_changes_nothing():
    killed = []

    def slow(values):
        time.sleep(0.003)
        return -bowl(values)

    def kill():
        worker = next(worker for worker in executor._pool._workers if worker.ready)
        os.kill(worker.process.pid, signal.SIGKILL)
        killed.append(worker.process.pid)

    problem = wilks.LikelihoodProblem(MIXED, slow)
    with wilks.ProcessExecutor(2) as executor:
        search(ALGORITHMS["tempering"], problem, 4, executor=executor)  # the workers are started
        killer = threading.Timer(0.1, kill)
        killer.start()
        found = search(ALGORITHMS["tempering"], problem, 300, executor=executor)
        killer.join()
    assert killed
    assert course(found) == course(search(ALGORITHMS["tempering"], n=300))
