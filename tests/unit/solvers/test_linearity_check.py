"""The check of declared linear parameters: it sees what is not linear, accuses nobody else, and costs four points."""

import math

import numpy as np
import pytest

from wilks import Integer, LikelihoodProblem, Real, ResidualProblem, Space
from wilks.core import encoding
from wilks.core.proposal import Evaluations
from wilks.evaluation.call import evaluate_chunk
from wilks.solvers.linearity_check import LinearityCheck

SPACE = Space(a=Real(-4, 9), b=Real(0, 50), k=Real(0.1, 10, scale="log"), c=Real(1e3, 1e5))
X = np.linspace(0, 3, 30)
DATA = np.random.default_rng(3).normal(size=30)
SEEDS = range(10)
NONE = np.empty((0, 0))


def check(problem, names, seed=1, starts=NONE, limit=10):
    """Run the check by hand; return its state and the number of points that it asked for."""
    algorithm, n_points = LinearityCheck(names), 0
    state = algorithm.init(problem.space, seed, starts)
    while True:
        proposals, state = algorithm.ask(state, limit)
        if not len(proposals):
            assert algorithm.terminate(state).success
            return state, n_points
        state = encoding.decode(encoding.encode(state))
        n_points += len(proposals)
        answer = evaluate_chunk(problem, proposals.thetas, proposals.want)
        batch = (proposals.ids, proposals.thetas, proposals.phases, answer.log_likelihoods, answer.statuses)
        workers = np.zeros(len(proposals), dtype=np.int32)
        state = algorithm.tell(state, Evaluations(*batch, answer.seconds, workers, answer.payloads, answer.errors))


def problem(model, space=SPACE):
    return ResidualProblem(space, lambda v: (DATA - model(v)) / 0.05)


LINEAR = {
    "sum": (lambda v: v["a"] * np.exp(-v["k"] * X) + v["b"] * X + v["c"], ("a", "b", "c")),
    "one of a product": (lambda v: v["a"] * v["b"] * X + v["c"] ** 2 * np.cos(v["k"]), ("a",)),
    "tiny": (lambda v: 1e-9 * v["a"] * X + v["b"], ("a", "b")),
    "huge": (lambda v: 1e6 * v["c"] * X + v["b"], ("b", "c")),
    "lost in rounding": (lambda v: 1e-9 * v["a"] * X + 1e3 * v["c"], ("a",)),
    "nothing": (lambda v: v["k"] * X, ("a", "b")),
    "everything": (lambda v: v["a"] * X + v["b"], ("a", "b")),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_parameters_pass(name):
    model, names = LINEAR[name]
    for seed in SEEDS:
        state, n_points = check(problem(model), names, seed)
        assert (state.failed, state.message) == (False, "")
        assert n_points == 4


BENT = {
    "square": (lambda v: v["a"] ** 2 + v["b"] * X, ("a", "b"), "in a, which is declared so"),
    "exponential": (lambda v: v["a"] * np.exp(-0.01 * v["b"] * X), ("a", "b"), "in b, which is declared so"),
    "weakly bent": (lambda v: v["a"] + 1e-3 * v["a"] ** 2, ("a",), "in a, which is declared so"),
    "two": (lambda v: v["a"] ** 2 + np.sqrt(v["b"]) + v["c"], ("a", "b", "c"), "in a, b, which are declared so"),
    "product": (lambda v: v["a"] * v["b"] * X, ("a", "b"), "but not in all of them at once"),
}


@pytest.mark.parametrize("name", BENT)
def test_what_is_not_linear_is_named(name):
    model, names, expected = BENT[name]
    for seed in SEEDS:
        state, n_points = check(problem(model), names, seed)
        assert state.failed
        assert expected in state.message
        assert n_points <= 4 + 4 * len(names)


def test_the_message_says_where_and_what_to_do():
    state, _ = check(problem(BENT["square"][0]), ("a",), starts=np.full((1, 4), 0.5))
    assert state.message == (
        "linear: the residual is not linear in a, which is declared so (looked at along a line of a, at b=25, k=1, "
        "c=50500); declare only parameters that the residual is linear in when the others are held"
    )


def test_where_nothing_is_defined_nobody_is_accused():
    state, n_points = check(problem(lambda v: np.full(30, math.nan)), ("a",))
    assert (state.failed, state.message, n_points) == (None, "", 12)


def test_another_point_is_tried():
    def model(v):
        return v["a"] * X if v["k"] < 1 else np.full(30, math.nan)

    start = np.full((1, 4), 0.9)
    tries = {check(problem(model), ("a",), seed, start)[0].n_tries for seed in SEEDS}
    assert max(tries) > 0
    assert any(check(problem(model), ("a",), seed, start)[0].failed is False for seed in SEEDS)


def test_only_log_likelihoods_are_looked_at():
    """Also what gives no residuals at all can be checked, and discrete parameters are in nobody's way."""
    space = Space(n=Integer(0, 3), a=Real(-1, 1))
    parabola = LikelihoodProblem(space, lambda v: -((v["a"] - 0.1 * v["n"]) ** 2))
    assert check(parabola, ("a",))[0].failed is False


def test_points_one_by_one_make_no_difference():
    whole, one = (check(problem(BENT["two"][0]), ("a", "b"), limit=limit)[0] for limit in (10, 1))
    assert whole.message == one.message
