"""What every executor must do: the same answers, the same failures, and nothing that ends a run."""

import concurrent.futures
import importlib.util
import multiprocessing
import os
import sys
import time

import numpy as np
import pytest

import wilks
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.checkpoint import merge

SPACE = wilks.Space(x=wilks.Real(0, 100), y=wilks.Real(0, 2))

EXECUTORS = {
    "serial": wilks.SerialExecutor,
    "one process": lambda: wilks.ProcessExecutor(1),
    "two processes": lambda: wilks.ProcessExecutor(2),
    "threads": lambda: concurrent.futures.ThreadPoolExecutor(2),
    "somebody's pool": lambda: concurrent.futures.ProcessPoolExecutor(
        2, mp_context=multiprocessing.get_context("spawn")
    ),
}
if importlib.util.find_spec("mpi4py") is not None:
    # In one process here; tests/integration/test_mpi.py runs this file under mpiexec.
    EXECUTORS["MPI"] = wilks.MPIExecutor


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request):
    made = EXECUTORS[request.param]()
    yield made
    if hasattr(made, "close"):
        made.close()
    elif hasattr(made, "shutdown"):
        made.shutdown()


@pytest.fixture
def in_processes(executor):
    inline = getattr(executor, "inline", False)
    return not inline and not isinstance(executor, concurrent.futures.ThreadPoolExecutor)


def proposals(thetas, want="value"):
    n = len(thetas)
    return Proposals(np.arange(n), np.asarray(thetas, dtype=float), np.zeros(n, dtype=np.int8), want)


def evaluate(problem, executor, thetas, want="value"):
    evaluator = Evaluator(problem, as_executor(executor))
    evaluator.submit(proposals(thetas, want))
    found = []
    while evaluator.outstanding:
        found += evaluator.collect()
    return merge(found, by_id=True)


def points(n):
    return np.column_stack([np.arange(n), np.ones(n)])


def names(evaluations):
    return [EvaluationStatus(int(status)).name for status in evaluations.statuses]


def test_values_come_back_with_their_points(executor):
    offset = 0.25  # a closure
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -v["x"] - offset * v["y"])
    found = evaluate(problem, executor, points(50))
    assert found.ids.tolist() == list(range(50))
    np.testing.assert_array_equal(found.thetas, points(50))
    assert found.log_likelihoods.tolist() == [-x - 0.25 for x in range(50)]
    assert (found.statuses == EvaluationStatus.OK).all()
    assert (found.seconds >= 0).all()
    assert found.payloads is None


def test_calls_happen_where_they_should(executor, in_processes):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -1.0)
    workers = set(evaluate(problem, executor, points(20)).workers.tolist())
    assert (os.getpid() not in workers) == in_processes


BAD = {
    0: (lambda v: 1 / 0, "ZeroDivisionError"),
    1: (lambda v: float("nan"), "got nan"),
    2: (lambda v: float("inf"), "got inf"),
    3: (lambda v: None, "got None"),
    4: (lambda v: "text", "got 'text'"),
    5: (lambda v: [1.0], "got [1.0]"),
    6: (lambda v: np.ones(1), "shape (1,)"),
    7: (lambda v: np.ones(2), "shape (2,)"),
    8: (lambda v: 1j, "got 1j"),
    9: (lambda v: True, "got True"),
    10: (lambda v: sys.exit("bye"), "SystemExit: bye"),
    11: (lambda v: exec("raise type('Odd', (Exception,), {})(lambda: 0)"), "Odd"),  # an exception nobody can pickle
}


def test_failures_are_recorded(executor):
    bad = BAD

    def likelihood(values):
        x = int(values["x"])
        return -np.inf if x == 12 else bad[x][0](values) if x in bad else -1.0

    problem = wilks.LikelihoodProblem(SPACE, likelihood, constraints=lambda v: v["x"] != 13)
    found = evaluate(problem, executor, points(16))
    assert names(found) == ["FAILED"] * 12 + ["EXCLUDED", "VIOLATED", "OK", "OK"]
    for position, (_, text) in bad.items():
        assert text in found.errors[position]
        assert "src/wilks" not in found.errors[position]
    assert "in likelihood" in found.errors[0]
    assert (found.log_likelihoods[:14] == -np.inf).all()


def test_gradients_and_residuals_travel(executor):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -v["x"], gradient=lambda v: {"x": v["x"]})
    found = evaluate(problem, executor, points(5), "gradient")
    np.testing.assert_array_equal(found.payloads, [[x, np.nan] for x in range(5)])
    large = wilks.ResidualProblem(SPACE, lambda v: np.full(200_000, v["x"]))
    found = evaluate(large, executor, points(5), "residual")
    assert [payload.shape for payload in found.payloads] == [(200_000, 1)] * 5
    assert [payload[0, 0] for payload in found.payloads] == [0, 1, 2, 3, 4]


def test_vectorized(executor):
    def likelihood(values):
        if np.any(values["x"] == 3):
            raise ValueError("three")
        return np.where(values["x"] == 5, np.nan, -values["x"])

    found = evaluate(wilks.LikelihoodProblem(SPACE, likelihood, vectorized=True), executor, points(40))
    assert [i for i, name in enumerate(names(found)) if name != "OK"] == [3, 5]
    assert "ValueError: three" in found.errors[3]
    assert "got nan" in found.errors[5]


def test_what_always_fails_ends_early_and_shows_the_first_traceback(executor):
    def hopeless(values):
        raise ZeroDivisionError("by my own code")

    problem = wilks.LikelihoodProblem(SPACE, hopeless)
    with pytest.raises(wilks.EvaluationError, match=r"(?s)evaluations failed.*in hopeless.*by my own code") as caught:
        wilks.fit(problem, executor=executor, seed=1)
    assert set(caught.value.values) == {"x", "y"}
    assert "in hopeless" in caught.value.traceback
    assert "src/wilks" not in caught.value.traceback


def test_one_executor_for_several_problems_also_within_each_other(executor):
    first = wilks.LikelihoodProblem(SPACE, lambda v: 1.0)
    second = wilks.LikelihoodProblem(SPACE, lambda v: 2.0)
    outer = Evaluator(first, as_executor(executor))
    outer.submit(proposals(points(40)))
    values = {float(x) for e in outer.collect() for x in e.log_likelihoods}
    assert set(evaluate(second, executor, points(9)).log_likelihoods.tolist()) == {2.0}
    while outer.outstanding:
        values |= {float(x) for e in outer.collect() for x in e.log_likelihoods}
    assert values == {1.0}


def test_ctrl_c_within_the_function_interrupts_and_keeps_the_answers(executor):
    def likelihood(values):
        if values["x"] == 7:
            raise KeyboardInterrupt
        return -1.0

    evaluator = Evaluator(wilks.LikelihoodProblem(SPACE, likelihood), as_executor(executor))
    evaluator.submit(proposals(points(8)))
    found = []
    while not evaluator.interrupted:
        found += evaluator.collect()
    evaluator.abort()
    assert 7 not in np.concatenate([e.ids for e in found])
    assert evaluator.outstanding == 0


def test_huge_batch_stays_fast(executor):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -v["x"])
    n = 100_000
    thetas = np.column_stack([np.linspace(0, 100, n), np.ones(n)])
    began = time.perf_counter()
    found = evaluate(problem, executor, thetas)
    assert time.perf_counter() - began < 10
    np.testing.assert_array_equal(found.log_likelihoods, -thetas[:, 0])


def test_result_names_the_executor(executor):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -((v["x"] - 3) ** 2) - v["y"])
    result = wilks.fit(problem, executor=executor, seed=1, n_starts=2)
    assert result.provenance.executor == as_executor(executor).name
    assert result.best["x"] == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (2, "expected wilks.SerialExecutor"),
        ("processes", "got 'processes'"),
        (wilks.ProcessExecutor, "a class was given"),
    ],
)
def test_what_is_no_executor_is_refused(given, text):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -v["x"])
    with pytest.raises(wilks.InvalidConfigurationError, match=text):
        wilks.fit(problem, executor=given)
