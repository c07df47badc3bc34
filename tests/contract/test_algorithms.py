"""What every algorithm must do, whatever it searches: the contract in wilks.core.algorithm."""

import concurrent.futures
import random

import numpy as np
import pytest

import wilks
from tests.catalogue import ALGORITHMS, EASY_PROBLEMS, KNOWN_PROBLEMS
from wilks.core import encoding
from wilks.core.proposal import Evaluations, EvaluationStatus
from wilks.core.status import Outcome
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive

MAX_EVALUATIONS = 30_000


@pytest.fixture(params=EASY_PROBLEMS)
def known(request):
    return KNOWN_PROBLEMS[request.param]()


@pytest.fixture(params=ALGORITHMS)
def make(request):
    return ALGORITHMS[request.param]


def answered(problem, proposals, function=None):
    function = function or problem.log_likelihood
    values = [function(problem.space.to_values(theta)) for theta in proposals.thetas]
    bad = ~np.isfinite(np.array(values))
    n = len(proposals)
    return Evaluations(
        proposals.ids,
        proposals.thetas,
        proposals.phases,
        np.where(bad, -np.inf, values),
        np.where(bad, EvaluationStatus.FAILED, EvaluationStatus.OK).astype(np.int8),
        np.zeros(n, dtype=np.float32),
        np.ones(n, dtype=np.int32),
    )


def some(evaluations, rows):
    fields = ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
    return Evaluations(**{name: getattr(evaluations, name)[rows] for name in fields})


def initial(algorithm, problem, seed=1):
    return algorithm.init(problem.space, seed, np.empty((0, problem.space.dimension)))


def play(algorithm, problem, *, limit=1000, function=None, between=lambda state: state, source=None):
    """Run an algorithm by hand; with a `source`, answers come in pieces and out of order. Return all steps."""
    state, waiting, steps = initial(algorithm, problem), [], []
    ids = set()
    while True:
        state = between(state)
        status = algorithm.terminate(state)
        if status is not None:
            return state, status, steps
        proposals, state = algorithm.ask(between(state), limit)
        state = between(state)
        assert len(proposals) <= limit
        assert not ids & set(proposals.ids.tolist())
        ids |= set(proposals.ids.tolist())
        assert len(ids) < MAX_EVALUATIONS
        unit = problem.space.to_unit(proposals.thetas) if len(proposals) else np.zeros(1)
        assert ((unit >= 0) & (unit <= 1)).all(), "outside the box"
        if len(proposals):
            waiting.append(answered(problem, proposals, function))
        if not waiting:
            return state, algorithm.terminate(state), steps
        if source is None:
            told = waiting.pop()
        else:
            whole = waiting.pop(source.randrange(len(waiting)))
            order = source.sample(range(len(whole)), len(whole))
            n = source.randint(1, len(whole))
            told = some(whole, order[:n])
            if n < len(whole):
                waiting.append(some(whole, order[n:]))
        steps.append((told.ids.tolist(), told.thetas.tobytes()))
        state = algorithm.tell(state, told)


def best_of(state):
    return state.basins[0].value if hasattr(state, "basins") else state.best


def test_reaches_the_maximum(make, known):
    state, status, _ = play(make(known), known.problem)
    assert status.outcome is Outcome.CONVERGED
    assert best_of(state) == pytest.approx(known.maximum, abs=1e-4)


def test_the_same_seed_repeats_bit_by_bit(make, known):
    first, second = play(make(known), known.problem), play(make(known), known.problem)
    assert first[2] == second[2]
    assert encoding.encode(first[0]) == encoding.encode(second[0])


@pytest.mark.parametrize("name", [*EASY_PROBLEMS, "two_islands", pytest.param("rippled", marks=pytest.mark.slow)])
def test_a_state_is_a_value(make, name):
    """Writing and reading the state at every step changes nothing."""
    known = KNOWN_PROBLEMS[name]()
    expected = play(make(known), known.problem)
    found = play(make(known), known.problem, between=lambda state: encoding.decode(encoding.encode(state)))
    assert found[2] == expected[2]
    assert encoding.encode(found[0]) == encoding.encode(expected[0])


@pytest.mark.parametrize("limit", [1, 7])
def test_any_subset_in_any_order(make, known, limit):
    state, status, _ = play(make(known), known.problem, limit=limit, source=random.Random(limit))
    assert status.outcome is Outcome.CONVERGED
    assert best_of(state) == pytest.approx(known.maximum, abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_failures_are_data(make, known, share):
    source = random.Random(3)

    def failing(values):
        return np.nan if source.random() < share else known.problem.log_likelihood(values)

    state, status, _ = play(make(known), known.problem, function=failing)
    assert status is not None
    if share < 0.1:
        assert best_of(state) == pytest.approx(known.maximum, abs=0.1)


def test_nothing_but_failures_comes_to_an_end(make, known):
    _, status, _ = play(make(known), known.problem, function=lambda values: np.nan)
    assert status is None or status.outcome is Outcome.NOT_CONVERGED


def test_a_fresh_seed_asks_for_other_points(make, known):
    algorithm = make(known)
    asked = []
    for seed in (1, 2):
        proposals, _ = algorithm.ask(initial(algorithm, known.problem, seed), 1000)
        asked.append(proposals.thetas.tobytes())
    assert (asked[0] != asked[1]) == algorithm.generational, "a map starts from the optima, whatever the seed"


EXECUTORS = {
    "one process": lambda: wilks.ProcessExecutor(1),
    "two processes": lambda: wilks.ProcessExecutor(2),
    "four processes": lambda: wilks.ProcessExecutor(4),
    "threads": lambda: concurrent.futures.ThreadPoolExecutor(3),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name == "four processes" else name for name in EXECUTORS],
)
def executor(request):
    with EXECUTORS[request.param]() as made:
        yield made


def driven(algorithm, problem, executor=None):
    log = wilks.EvaluationLog()
    log.bind(problem)
    evaluator = Evaluator(problem, as_executor(executor))
    return drive(
        algorithm, evaluator, log.stage("k", "t"), Watch("t"), seed=1, starts=np.empty((0, problem.space.dimension))
    )


def test_the_answer_does_not_depend_on_the_executor(make, known, executor):
    expected = driven(make(known), known.problem)
    found = driven(make(known), known.problem, executor)
    if make(known).generational or as_executor(executor).n_workers == 1:
        assert encoding.encode(found.state) == encoding.encode(expected.state)
        assert found.run.n_evaluations == expected.run.n_evaluations
        assert found.status == expected.status
    else:
        assert found.status.outcome is expected.status.outcome
        roi = expected.state.best_values > expected.state.best - 4.0
        np.testing.assert_allclose(found.state.best_values[roi], expected.state.best_values[roi], atol=1e-3)
