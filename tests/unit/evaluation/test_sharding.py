"""Additive likelihoods: the same numbers with any number of shards and of workers, and failures that name the shard."""

import concurrent.futures
import itertools
import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wilks
from wilks.core.additive import Block, merged, total_of
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.checkpoint import merge

DATA = np.random.default_rng(1).normal(3.0, 2.0, 2003)
SPACE = wilks.Space(mean=wilks.Real(-10, 10), width=wilks.Real(0.1, 10))
THETAS = np.random.default_rng(2).uniform([-10.0, 0.1], [10.0, 10.0], (40, 2))


def sums(values, shard):
    return [len(shard), ((shard - values["mean"]) ** 2).sum()]


def log_likelihood(values, total):
    return -total[0] * np.log(values["width"]) - 0.5 * total[1] / values["width"] ** 2


def batch_sums(values, shard):
    squares = ((shard[None, :] - values["mean"][:, None]) ** 2).sum(axis=1)
    return np.column_stack([np.full(len(squares), len(shard)), squares])


def batch_log_likelihood(values, total):
    return -total[:, 0] * np.log(values["width"]) - 0.5 * total[:, 1] / values["width"] ** 2


def normal(n_shards, *, vectorized=False, constraints=()):
    functions = (batch_sums, batch_log_likelihood) if vectorized else (sums, log_likelihood)
    shards = np.array_split(DATA, n_shards)
    return wilks.AdditiveProblem(SPACE, shards, *functions, vectorized=vectorized, constraints=constraints)


def evaluate(problem, executor, thetas):
    evaluator = Evaluator(problem, as_executor(executor))
    n = len(thetas)
    evaluator.submit(Proposals(np.arange(n), np.asarray(thetas, dtype=float), np.zeros(n, dtype=np.int8)))
    found = []
    while evaluator.outstanding:
        found += evaluator.collect()
    return merge(found, by_id=True)


def names(evaluations):
    return [EvaluationStatus(int(status)).name for status in evaluations.statuses]


@pytest.fixture(scope="module")
def processes():
    with wilks.ShardedExecutor(wilks.ProcessExecutor(2)) as executor:
        yield executor


@pytest.fixture(params=["unsharded", "sharded", "threads"])
def anywhere(request):
    if request.param == "threads":
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            yield wilks.ShardedExecutor(pool)
    else:
        yield wilks.ShardedExecutor() if request.param == "sharded" else None


@settings(max_examples=40)
@given(st.integers(1, 40), st.lists(st.integers(1, 39), max_size=5), st.integers(0, 2**32 - 1))
def test_sums_do_not_depend_on_who_has_which_shard(n_shards, cuts, seed):
    terms = np.random.default_rng(seed).normal(0.0, 10.0 ** np.arange(n_shards)[:, None], (n_shards, 3))
    blocks = [Block(0, position, terms[position]) for position in range(n_shards)]
    bounds = [0, *sorted({cut for cut in cuts if cut < n_shards}), n_shards]
    groups = [merged(blocks[start:stop]) for start, stop in itertools.pairwise(bounds)]
    total = total_of(block for group in groups for block in group)
    assert total.tolist() == total_of(blocks).tolist()
    np.testing.assert_allclose(total, terms.sum(axis=0), rtol=1e-12, atol=1e-13 * np.abs(terms).max())


@settings(max_examples=12)
@given(st.integers(1, 60), st.integers(1, 5), st.booleans(), st.booleans())
def test_sharded_is_unsharded(n_shards, n_workers, vectorized, fixed):
    whole, problem = normal(1), normal(n_shards, vectorized=vectorized)
    thetas = THETAS
    if fixed:
        whole, problem, thetas = whole.fix(width=2.5), problem.fix(width=2.5), THETAS[:, :1]
    expected = evaluate(whole, None, thetas).log_likelihoods
    with concurrent.futures.ThreadPoolExecutor(n_workers) as pool:
        found = evaluate(problem, wilks.ShardedExecutor(pool), thetas)
    np.testing.assert_allclose(found.log_likelihoods, expected, rtol=1e-10)
    assert found.log_likelihoods.tolist() == evaluate(problem, None, thetas).log_likelihoods.tolist()


@pytest.mark.parametrize("vectorized", [False, True])
def test_processes_give_the_bits_of_one_process(processes, vectorized):
    problem = normal(7, vectorized=vectorized, constraints=lambda v: v["mean"] < 8)
    expected, found = evaluate(problem, None, THETAS), evaluate(problem, processes, THETAS)
    assert found.log_likelihoods.tolist() == expected.log_likelihoods.tolist()
    assert names(found) == names(expected)
    assert set(names(found)) == {"OK", "VIOLATED"}


def test_verbs_do_not_notice(processes):
    serial, sharded = (wilks.fit(normal(5), seed=1, executor=executor) for executor in (None, processes))
    assert sharded.best == serial.best
    assert sharded.n_evaluations == serial.n_evaluations
    assert sharded.best["mean"] == pytest.approx(DATA.mean(), rel=1e-5)
    assert sharded.provenance.executor == "shards on 2 processes"


class Traced:
    """A shard that writes down where it arrives."""

    def __init__(self, path, number):
        self.path, self.number = path, number

    def __reduce__(self):
        return arrived, (self.path, self.number)


def arrived(path, number):
    with path.open("a") as file:
        file.write(f"{os.getpid()} {number}\n")
    return Traced(path, number)


def test_each_worker_gets_its_own_shards_once(processes, tmp_path):
    shards = [Traced(tmp_path / "arrivals", number) for number in range(5)]
    space = wilks.Space(x=wilks.Real(0, 1), y=wilks.Real(0, 1))
    problem = wilks.AdditiveProblem(space, shards, lambda v, shard: [shard.number], lambda v, total: total[0])
    for each in (problem, problem.fix(y=0.5), problem):
        found = evaluate(each, processes, np.full((3, each.space.dimension), 0.5))
        assert found.log_likelihoods.tolist() == [10.0] * 3
    where = {}
    for line in (tmp_path / "arrivals").read_text().splitlines():
        pid, number = line.split()
        where.setdefault(pid, []).append(int(number))
    assert sorted(where.values()) == [[0, 1], [2, 3, 4]]


LINE = wilks.Space(x=wilks.Real(0, 100))
POINTS = np.arange(7.0)[:, None]


def odd_sums(values, shard):
    if shard == 2:
        if values["x"] == 1:
            raise ZeroDivisionError("by my own code")
        if values["x"] == 2:
            return [np.nan, 1.0]
        if values["x"] == 3:
            return [[1.0]]
        if values["x"] == 4:
            return [1.0]
    values["x"] = -1.0  # a user's function may change what it is given
    return [-np.inf if shard == 1 and values.get("y") else 1.0, shard]


def odd_log_likelihood(values, total):
    if values["x"] == 5:
        raise ValueError("at the end")
    return -np.inf if values["x"] == 6 else total[1]


def test_failures_name_the_shard(anywhere):
    problem = wilks.AdditiveProblem(LINE, range(4), odd_sums, odd_log_likelihood)
    found = evaluate(problem, anywhere, POINTS)
    assert names(found) == ["OK"] + ["FAILED"] * 5 + ["EXCLUDED"]
    assert found.log_likelihoods[0] == 6.0
    where = "shard 2 of 4 (counted from 0)"
    texts = {1: "ZeroDivisionError: by my own code", 2: "1 of 2 numbers are NaN", 3: "got shape (1, 1)", 4: "1 numbers"}
    for at, text in texts.items():
        assert text in found.errors[at]
        assert where in found.errors[at]
    assert "in odd_sums" in found.errors[1]
    assert "ValueError: at the end" in found.errors[5]


def odd_batch_sums(values, shard):
    if shard == 2 and np.any(values["x"] == 1):
        raise ZeroDivisionError("by my own code")
    nan = (values["x"] == 2) & (shard == 3)
    return np.column_stack([values["x"], np.where(nan, np.nan, shard)])


def odd_batch_log_likelihood(values, total):
    if np.any(values["x"] == 5):
        raise ValueError("at the end")
    return np.where(values["x"] == 6, -np.inf, total[:, 1])


def test_failures_in_a_batch_are_those_of_their_points(anywhere):
    problem = wilks.AdditiveProblem(LINE, range(4), odd_batch_sums, odd_batch_log_likelihood, vectorized=True)
    found = evaluate(problem, anywhere, POINTS)
    assert names(found) == ["OK", "FAILED", "FAILED", "OK", "OK", "FAILED", "EXCLUDED"]
    assert found.log_likelihoods[[0, 3, 4]].tolist() == [6.0] * 3
    assert "ZeroDivisionError: by my own code" in found.errors[1]
    assert "shard 2 of 4" in found.errors[1]
    assert "sums, shard 3 of 4 (counted from 0): 1 of 2 numbers are NaN" in found.errors[2]
    assert "ValueError: at the end" in found.errors[5]


def test_a_zero_likelihood_of_one_shard_excludes(anywhere):
    def one(values, shard):
        return [-np.inf if shard == 1 and values["x"] == 3 else -1.0]

    problem = wilks.AdditiveProblem(LINE, range(3), one, lambda values, total: total[0])
    found = evaluate(problem, anywhere, POINTS)
    assert [name for name in names(found) if name != "OK"] == ["EXCLUDED"]
    assert found.log_likelihoods[0] == -3.0


@pytest.mark.parametrize("where", ["sums", "log_likelihood"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_a_run_can_be_stopped_from_inside(anywhere, where, vectorized):
    def stop(values, answer, place):
        if place == where and np.any(values["x"] > 50):
            raise wilks.StopRun
        return answer

    problem = wilks.AdditiveProblem(
        LINE,
        range(2),
        lambda v, shard: stop(v, np.reshape(v["x"], (-1, 1)) if vectorized else [v["x"]], "sums"),
        lambda v, total: stop(v, -total[..., 0], "log_likelihood"),
        vectorized=vectorized,
    )
    search = wilks.search(problem, wilks.RandomSearch(), n_evaluations=200, seed=1, executor=anywhere)
    assert search.status.outcome is wilks.Outcome.STOPPED_BY_CALLBACK


def test_a_worker_that_dies_costs_one_point(processes):
    def deadly(values, shard):
        if shard == 3 and values["x"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return [values["x"]]

    problem = wilks.AdditiveProblem(LINE, range(4), deadly, lambda values, total: total[0])
    found = evaluate(problem, processes, POINTS[:2])
    assert names(found) == ["OK", "LOST"]
    assert "killed by SIGKILL, with shards 2 to 3 of 4 (counted from 0)" in found.errors[1]


def test_fingerprint_covers_the_data():
    assert normal(3).fingerprint == normal(3).fingerprint
    assert normal(3).fingerprint != normal(4).fingerprint
    assert normal(3).fix(width=1.0).fingerprint != normal(3).fingerprint


@pytest.mark.parametrize("shards", ["part.npy", [], {"a": 1}, np.array(1.0), 3])
def test_shards_are_a_list(shards):
    with pytest.raises(wilks.InvalidProblemError, match="shards: expected a list of the pieces of the data"):
        wilks.AdditiveProblem(LINE, shards, sums, log_likelihood)


def test_what_cannot_be_sharded():
    problem = wilks.LikelihoodProblem(LINE, lambda v: -v["x"], name="plain")
    with pytest.raises(wilks.InvalidProblemError, match=r"got the LikelihoodProblem 'plain', which has no shards"):
        wilks.fit(problem, executor=wilks.ShardedExecutor())
    with pytest.raises(wilks.InvalidConfigurationError, match="spread already"):
        wilks.ShardedExecutor(wilks.ShardedExecutor())
