"""What people and likelihoods do to a search: one test for each kind of trouble, on `wilks.search`."""

import math
import pickle
import random
import re
import threading
import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest

import wilks
from tests.catalogue import SEARCHES
from wilks.core.errors import StopRun
from wilks.core.status import Outcome

SPACE = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5))
every = pytest.mark.parametrize("name", SEARCHES)
QUICK = ("portfolio", "sampler", "differential_evolution", "latin_hypercube")
# For tests that take a second for each algorithm.
some = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SEARCHES]
)
ENDLESS = [name for name in SEARCHES if name not in ("sampler", "latin_hypercube", "sobol")]


def hill(values):
    return -((values["x"] - 1) ** 2) - (values["y"] + 2) ** 2


def search(log_likelihood=hill, name="portfolio", space=SPACE, n=100, **more):
    constraints = more.pop("constraints", ())
    problem = wilks.LikelihoodProblem(space, log_likelihood, constraints=constraints, name="p")
    run = {"n_evaluations": n, "seed": 1, "callbacks": (), **more}
    return wilks.search(problem, SEARCHES[name](), **run)


def spent(name):
    """How a search ends that has used its budget; a sampler wants more than a few hundred evaluations."""
    return Outcome.NOT_CONVERGED if name == "sampler" else Outcome.BUDGET_SPENT


# Likelihoods that fail


@every
def test_one_that_raises_sometimes(name):
    def failing(values):
        if math.sin(40 * values["x"]) > 0.5:
            raise ValueError(f"not at {values['x']}")
        return hill(values)

    result = search(failing, name)
    assert result.status.outcome is spent(name)
    assert result.n_evaluations == 100
    assert 10 < result.stats["n_failed"] == result.log.counts()["failed"] < 80
    assert "ValueError: not at " in result.log.failures()[0].error
    assert result.log_likelihood == hill(result.best)


@every
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "must return one float, got None"),
        ("many", "must return one float, got 'many'"),
        (np.array([1.0]), r"must return one float, got an array of shape \(1,\)"),
        (math.nan, "finite float or minus infinity, got nan"),
        (math.inf, "finite float or minus infinity, got inf"),
        (ZeroDivisionError, "ZeroDivisionError"),
    ],
    ids=["none", "text", "array", "nan", "plus infinity", "raises"],
)
def test_one_that_always_fails(name, answer, words):
    """It is said soon, with the point and the reason, and the log keeps what there was."""

    def failing(values):
        if isinstance(answer, type):
            raise answer
        return answer

    log = wilks.EvaluationLog()
    with pytest.raises(wilks.EvaluationError, match=rf"(?s)evaluations failed.*{words}") as caught:
        search(failing, name, log=log, n=10_000)
    assert set(caught.value.values) == {"x", "y"}
    assert 0 < len(log) < 500
    assert log.best() is None


@every
def test_all_nan_in_a_short_search(name):
    """Too short for a verdict: a result that is no success, and has no best point."""
    result = search(lambda values: math.nan, name, n=5)
    assert result.status.outcome is Outcome.NOT_CONVERGED
    assert "None of 5 points has a finite log-likelihood." in result.status.message
    assert (result.best, result.log_likelihood, result.history.size) == ({}, -math.inf, 0)
    assert "5 of them failed" in repr(result)


@every
def test_no_likelihood_anywhere_is_an_answer(name):
    result = search(lambda values: -math.inf, name, n=150)
    assert result.status.outcome is Outcome.NOT_CONVERGED
    assert (result.best, result.n_evaluations, result.stats["n_failed"]) == ({}, 150, 0)


@every
def test_thirty_percent_nan(name):
    source = random.Random(1)
    result = search(lambda v: math.nan if source.random() < 0.3 else hill(v), name, n=200)
    assert result.status.outcome is spent(name)
    assert 30 < result.stats["n_failed"] < 90
    assert result.log_likelihood == hill(result.best)
    if name in ENDLESS:
        assert result.log_likelihood > -3.0


@every
def test_the_first_five_nan(name):
    left = iter(range(5))
    result = search(lambda v: math.nan if next(left, None) is not None else hill(v), name)
    assert result.stats["n_failed"] == 5
    assert result.log_likelihood == hill(result.best)


@every
@pytest.mark.parametrize("hole", [math.inf, math.nan, 1e400])
def test_what_is_not_finite_never_wins(name, hole):
    result = search(lambda v: hole if abs(v["x"]) < 2 else hill(v), name)
    assert abs(result.best["x"]) >= 2
    assert math.isfinite(result.log_likelihood)


@every
def test_a_half_space_without_likelihood(name):
    result = search(lambda v: -math.inf if v["x"] < 2 else hill(v), name, n=200)
    assert result.best["x"] >= 2
    assert result.stats["n_failed"] == 0
    if name in ("portfolio", "tempering", "differential_evolution", "cma_es"):
        assert result.log_likelihood > -1.1


@every
def test_a_constant_likelihood(name):
    result = search(lambda values: 7.0, name, n=300)
    assert result.status.outcome is spent(name)
    assert (result.log_likelihood, len(result.history)) == (7.0, 1)


# Constraints


@some
def test_constraints_that_nothing_satisfies(name):
    calls = []
    began = time.process_time()
    result = search(lambda v: calls.append(1) or 0.0, name, constraints=lambda v: v["x"] > 6)
    assert time.process_time() - began < 20
    assert result.status.outcome is Outcome.STALLED
    assert not result.status.success
    assert re.search(r"of 2\d{4} proposals so far 0 were feasible \(0 %\)", result.status.message)
    assert (calls, result.best, result.n_evaluations) == ([], {}, 0)


BAND = wilks.Space(x=wilks.Real(0, 10), y=wilks.Real(0, 10))
TINY = {
    "corner": (SPACE, lambda v: v["x"] > 4.7 and v["y"] > 4.7),  # 1e-3 of the box
    "band": (BAND, lambda v: abs(v["x"] * v["y"] - 3) < 0.01),
}


@pytest.mark.parametrize(
    "where", [pytest.param(where, marks=pytest.mark.slow) if where == "band" else where for where in TINY]
)
@some
def test_a_tiny_feasible_set(name, where):
    space, allowed = TINY[where]
    calls = []
    result = search(lambda v: calls.append(v) or hill(v), name, space, 60, constraints=allowed, seed=2)
    assert all(map(allowed, calls)), "not one infeasible evaluation"
    assert len(calls) == result.n_evaluations == 60
    assert result.status.outcome is spent(name)
    assert result.stats["n_violated"] > 0


# Spaces


@every
def test_parameters_with_one_value(name):
    space = wilks.Space(x=wilks.Real(-5, 5), n=3, fixed=2.0, label="a")
    result = search(lambda v: -((v["x"] - 1) ** 2) - v["n"], name, space)
    assert (result.best["n"], result.best["fixed"], result.best["label"]) == (3, 2.0, "a")
    assert result.n_evaluations == 100
    assert result.log_likelihood > -3.5


def test_nothing_but_parameters_with_one_value():
    with pytest.raises(wilks.InvalidProblemError, match="expected at least one free parameter"):
        search(space=wilks.Space(x=1.0, y=2))
    with pytest.raises(wilks.InvalidProblemError, match="a plain number makes a constant"):
        search(space=wilks.Space(x=wilks.Integer(3, 3)))


HUGE = {
    "two axes": wilks.Space(x=wilks.Grid(np.linspace(-5, 5, 10**6)), y=wilks.Grid(np.linspace(-5, 5, 10**6))),
    "one axis": wilks.Space(x=wilks.Integer(-(5 * 10**11), 5 * 10**11 - 1), y=1.0),
}


@pytest.mark.parametrize("space", HUGE.values(), ids=HUGE)
@every
def test_a_grid_of_a_million_million_points(name, space):
    assert math.prod(space.n_values) == 10**12
    scale = 1.0 if "y" in space.free else 1e11
    log_likelihood = lambda v: -((v["x"] / scale - 1) ** 2) - (v["y"] + 2) ** 2  # noqa: E731
    search(log_likelihood, name, space, 20)  # imports
    tracemalloc.start()
    began = time.process_time()
    result = search(log_likelihood, name, space, 300)
    seconds = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.n_evaluations == 300
    assert seconds < 5
    assert peak < 3e7


# What belongs to others: random numbers, threads, memory, time


@every
def test_global_random_numbers_are_left_alone(name):
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 - the generator that must be left alone
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    plain = search(name=name).history
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002

    def noisy(values):
        random.random()
        np.random.random()  # noqa: NPY002
        return hill(values)

    assert np.array_equal(search(noisy, name).history, plain)


@every
def test_threads_with_the_same_seed(name):
    found = []
    threads = [threading.Thread(target=lambda: found.append(search(name=name))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = search(name=name)
    for result in found:
        assert np.array_equal(result.history, expected.history)
        assert np.array_equal(result.log.arrays()["thetas"], expected.log.arrays()["thetas"])
    assert len(found) == 4


@pytest.mark.parametrize(
    ("name", "n"),
    [
        pytest.param("portfolio", 6000, marks=pytest.mark.slow),
        *(pytest.param(name, 20_000, marks=pytest.mark.slow) for name in ("portfolio", "tempering", "annealing")),
    ],
)
def test_memory_and_time_do_not_grow(name, n):
    """After the rows of the log, a long search keeps next to nothing for each evaluation, and gets no slower."""
    usage, marks = [], iter(range(n // 4, n + 1, n // 4))
    mark = next(marks)
    n_calls = 0
    rugged = lambda v: hill(v) - 3 * math.sin(7 * v["x"]) ** 2 - 3 * math.sin(9 * v["y"]) ** 2  # noqa: E731

    def counted(values):
        nonlocal n_calls, mark
        n_calls += 1
        if n_calls == mark:
            usage.append((tracemalloc.get_traced_memory()[0], time.process_time()))
            mark = next(marks, math.inf)
        return rugged(values)

    usage.append((0, time.process_time()))
    tracemalloc.start()
    result = search(counted, name, n=n)
    tracemalloc.stop()
    assert result.n_evaluations == n
    (memory, clock) = zip(*usage, strict=True)
    per_evaluation = (memory[-1] - memory[1]) / (0.75 * n)
    row = 8 * (2 + 1 + 1) + 2 + 4 + 4  # theta, value, identity, phase, status, time, worker
    assert per_evaluation < row + 150
    quarters = np.diff(clock)
    assert quarters[3] < 2.5 * quarters[0]


# Results


@every
def test_results_travel(name, tmp_path):
    result = search(name=name)
    sent = pickle.loads(pickle.dumps(result))
    loaded = wilks.load(result.save(tmp_path / "result"))
    for other in (sent, loaded):
        assert (other.best, other.log_likelihood, other.status) == (result.best, result.log_likelihood, result.status)
        assert np.array_equal(other.history, result.history)
        assert repr(other) == repr(result)
    if result.draws is not None:
        assert np.array_equal(loaded.draws["x"], result.draws["x"])
    with pytest.raises(wilks.InvalidDataError, match="loaded without its log"):
        loaded.to_dataframe()


# How a search ends


@every
@pytest.mark.parametrize("k", [0, 1, 30])
def test_ctrl_c_returns_the_best_so_far(name, k):
    calls = []

    def interrupted(values):
        if len(calls) == k:
            raise KeyboardInterrupt
        calls.append(hill(values))
        return calls[-1]

    result = search(interrupted, name)
    assert result.status.outcome is Outcome.INTERRUPTED
    assert not result.status.success
    assert result.n_evaluations == len(result.log) == k
    assert result.log_likelihood == max(calls, default=-math.inf)
    assert bool(result.best) == (k > 0)


@every
def test_a_likelihood_may_ask_for_the_end(name):
    calls = []

    def stopping(values):
        if len(calls) == 20:
            raise StopRun
        return calls.append(1) or hill(values)

    result = search(stopping, name)
    assert result.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert result.n_evaluations == 20


@every
def test_rules_and_callbacks_end_a_search(name):
    rules = {
        Outcome.TARGET_REACHED: wilks.TargetLogLikelihood(-15.0),
        Outcome.NO_IMPROVEMENT: wilks.NoImprovement(25, tolerance=1e9),
        Outcome.EVALUATION_LIMIT: wilks.MaxEvaluations(17),
        Outcome.TIME_LIMIT: wilks.MaxTime(1e-9),
    }
    if name not in ENDLESS:  # designs are one batch, and rules look between batches; a sampler wants its draws
        rules = {outcome: rules[outcome] for outcome in (Outcome.EVALUATION_LIMIT, Outcome.TIME_LIMIT)}
    for outcome, rule in rules.items():
        result = search(name=name, stop=rule, n=300)
        assert result.status.outcome is outcome
        assert result.n_evaluations < 300
        assert result.status.success == (outcome in (Outcome.TARGET_REACHED, Outcome.NO_IMPROVEMENT))

    seen = []
    result = search(name=name, callbacks=[lambda info: seen.append(info) or info.n_evaluations >= 1], n=100_000)
    assert result.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert seen[-1].best == result.log_likelihood == result.history[-1, 1]
    assert seen[-1].title.startswith("search of p by ")


@pytest.mark.parametrize("name", ["portfolio", "tempering", "random"])
def test_callbacks_see_the_history(name):
    seen = []

    def slow(values):
        time.sleep(0.001)
        return hill(values)

    result = search(slow, name, n=300, callbacks=[seen.append])
    history = [tuple(row) for row in result.history.tolist()]
    assert len(seen) >= 3
    assert [info.n_evaluations for info in seen] == sorted(info.n_evaluations for info in seen)
    assert (seen[-1].n_evaluations, seen[-1].best) == (300, result.log_likelihood)
    for info in seen:
        assert list(info.history) == history[: len(info.history)]
        assert info.activity in ("first points", "search")
    assert 0.0 < seen[-1].fraction <= 1.0


def test_points_are_not_lost_on_the_way_to_the_log():
    calls = []
    result = search(lambda v: calls.append((v["x"], v["y"])) or hill(v), n=150)
    assert Counter(map(tuple, result.log.arrays()["thetas"].tolist())) == Counter(calls)
