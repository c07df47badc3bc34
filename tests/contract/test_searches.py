"""What every algorithm of `wilks.search` must do, on every kind of space: order, checkpoints, budgets, seeds, units."""

import math
import random

import numpy as np
import pytest

import wilks
from tests.catalogue import SEARCHES
from tests.unit.searchers.examples import INTEGERS, LINE, MIXED, REAL, SMALL, answered, begin, bowl, rows
from wilks.core import encoding
from wilks.core.proposal import EvaluationStatus
from wilks.verbs.search import _prepared

SPACES = {"real": REAL, "mixed": MIXED, "discrete": INTEGERS, "tiny": SMALL, "line": LINE}
N = 130

every = pytest.mark.parametrize("name", SEARCHES)
on_every_space = pytest.mark.parametrize(
    "space",
    [pytest.param(space, marks=pytest.mark.slow) if name == "line" else space for name, space in SPACES.items()],
    ids=SPACES,
)


def stepped(values, offset=0.0):
    """A loss with ties and exact differences, so that an offset of a power of two is exact too."""
    return round(bowl(values) * 8) / 8 + offset


def problem_of(space, loss=bowl, **more):
    return wilks.LikelihoodProblem(space, lambda values: -loss(values), **more)


def search(name, problem, n=N, seed=1, **more):
    return wilks.search(problem, SEARCHES[name](), n_evaluations=n, seed=seed, callbacks=(), **more)


def course(result):
    """What a search did, in the order of the log."""
    return result.log.arrays()["thetas"].tolist(), result.history.tolist()


# Ask and tell


def play(algorithm, space, source=None, n=90):
    """Run a search by hand; with a source of randomness in pieces, in any order, with a checkpoint at every step."""

    def saved(state):
        return encoding.decode(encoding.encode(state)) if source and source.random() < 0.3 else state

    state, asked = begin(algorithm, space), {}
    while state.n_told < n and algorithm.terminate(state) is None:
        batch = []
        while True:
            limit = source.choice([1, 2, 7]) if source else 10**6
            proposals, state = algorithm.ask(saved(state), limit)
            if not len(proposals):
                break
            assert len(proposals) <= limit
            batch.append(answered(space, proposals, stepped))
        if not batch:
            break
        asked |= {i: theta for part in batch for i, theta in zip(part.ids.tolist(), part.thetas.tolist(), strict=True)}
        while batch:
            part = batch.pop(source.randrange(len(batch)) if source else 0)
            if source:
                order = source.sample(range(len(part)), len(part))
                k = source.randint(1, len(part))
                if k < len(part):
                    batch.append(rows(part, order[k:]))
                part = rows(part, order[:k])
            state = algorithm.tell(saved(state), part)
    return asked, state


@on_every_space
@every
def test_pieces_in_any_order_and_checkpoints_at_any_moment_change_nothing(name, space):
    algorithm = _prepared(SEARCHES[name](), 90)
    asked, state = play(algorithm, space)
    found, other = play(algorithm, space, random.Random(1))
    assert found == asked
    assert encoding.encode(other) == encoding.encode(state)


@every
def test_a_tell_of_half_a_batch_counts_for_the_best(name):
    algorithm = _prepared(SEARCHES[name](), N)
    proposals, state = algorithm.ask(begin(algorithm, REAL), 10**6)
    told = answered(REAL, proposals, bowl)
    best = int(np.argmax(told.log_likelihoods))
    state = algorithm.tell(state, rows(told, [best]))
    assert state.best_loss == -told.log_likelihoods[best]
    assert state.coordinates.thetas([state.best])[0] == pytest.approx(told.thetas[best])


# Through the verb


@on_every_space
@every
def test_every_evaluation_lies_in_the_space_and_none_is_wasted(name, space):
    calls = []

    def log_likelihood(values):
        calls.append(values)
        return -bowl(values)

    result = search(name, wilks.LikelihoodProblem(space, log_likelihood))
    thetas = result.log.arrays()["thetas"]
    units = space.to_unit(thetas)
    n_points = math.prod(space.n_values) if all(space.n_values) else math.inf
    n = N if name == "sampler" else min(N, n_points)  # a sampler counts every visit
    assert len(calls) == len(thetas) == result.n_evaluations == n
    assert ((units >= 0) & (units <= 1)).all()
    for theta, values in zip(thetas, calls, strict=True):
        assert space.to_theta({key: values[key] for key in space.free}) == pytest.approx(theta, rel=1e-15)
    if n_points < math.inf and name != "sampler":
        assert len(set(map(bytes, thetas))) == n
    assert result.status.success == (name != "sampler" or result.sample is not None)
    assert result.log_likelihood == max(-bowl(values) for values in calls) == -bowl(result.best)
    assert result.history[-1, 1] == result.log_likelihood


@on_every_space
@every
def test_constraints_are_never_violated_and_cost_nothing(name, space):
    calls = []
    first = space.free[0]
    allowed = {"x": lambda v: v["x"] > 0.5, "n": lambda v: v["n"] % 2 == 1}[first]
    problem = wilks.LikelihoodProblem(space, lambda v: calls.append(v) or -bowl(v), constraints=allowed)
    result = search(name, problem, 90)
    n_points = {"discrete": 5 * 41, "tiny": 2 * 3}.get(next(k for k, s in SPACES.items() if s is space), math.inf)
    n = 90 if name == "sampler" else min(90, n_points)
    assert all(map(allowed, calls))
    assert len(calls) == result.n_evaluations == n
    counts = result.log.counts()
    assert counts["violated"] == result.stats["n_violated"] > 0
    assert allowed(result.best)


@every
@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_budgets(name, n):
    for space in (REAL, MIXED):
        result = search(name, problem_of(space), n)
        assert result.n_evaluations == len(result.log) == n
        assert result.log_likelihood == -bowl(result.best)


@every
def test_a_seed_decides_everything(name):
    one, again, other = (course(search(name, problem_of(MIXED), seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one[0] != other[0]


# Units


@every
@pytest.mark.parametrize("space", [REAL, MIXED], ids=["real", "mixed"])
def test_a_constant_added_to_the_likelihood_changes_nothing(name, space):
    plain = search(name, problem_of(space, stepped))
    for offset in (2.0**20, -(2.0**10)):
        shifted = search(name, problem_of(space, lambda v, c=offset: stepped(v, c)))
        assert course(shifted)[0] == course(plain)[0]
        assert shifted.log_likelihood == plain.log_likelihood - offset


@pytest.mark.parametrize("name", [name for name in SEARCHES if name != "sampler"])  # there it is a temperature
@pytest.mark.parametrize("space", [REAL, MIXED], ids=["real", "mixed"])
def test_a_factor_changes_nothing(name, space):
    plain = search(name, problem_of(space))
    for factor in (2.0**30, 2.0**-30):
        scaled = search(name, problem_of(space, lambda v, k=factor: k * bowl(v)))
        assert course(scaled)[0] == course(plain)[0]
        assert scaled.log_likelihood == plain.log_likelihood * factor


@pytest.mark.parametrize("name", ["portfolio", "portfolio_in_batches", "local_restarts"])
def test_units_that_are_not_exact_change_rounding_only(name):
    plain = search(name, problem_of(REAL), 400)
    moved = search(name, problem_of(REAL, lambda v: 0.3 * bowl(v) + 17.3), 400)
    assert plain.log_likelihood == pytest.approx(0.0, abs=1e-6)
    assert moved.log_likelihood == pytest.approx(-17.3, abs=1e-6)


# Executors


@pytest.fixture(scope="module", params=[1, 2, pytest.param(4, marks=pytest.mark.slow)])
def processes(request):
    with wilks.ProcessExecutor(request.param) as executor:
        yield executor


@every
def test_the_answer_does_not_depend_on_the_number_of_workers(name, processes):
    problem = problem_of(MIXED, constraints=lambda v: v["n"] != 3)
    expected, found = search(name, problem, 90), search(name, problem, 90, executor=processes)
    assert sorted(course(found)[0]) == sorted(course(expected)[0])
    assert found.history.tolist() == expected.history.tolist()
    assert (found.best, found.log_likelihood) == (expected.best, expected.log_likelihood)
    assert (found.status, found.n_evaluations) == (expected.status, expected.n_evaluations)
    assert found.details == pytest.approx(expected.details, nan_ok=True)
    statuses = found.log.arrays()["statuses"]
    assert np.count_nonzero(statuses != EvaluationStatus.VIOLATED) == 90
