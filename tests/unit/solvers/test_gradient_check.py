"""The check of a gradient: it sees every gross error, accuses nobody else, and is cheap."""

import numpy as np
import pytest

from tests.catalogue import WITH_GRADIENT
from wilks import Integer, LikelihoodProblem, Real, Space
from wilks.core import encoding
from wilks.core.proposal import Evaluations
from wilks.evaluation.call import evaluate_chunk
from wilks.solvers.gradient_check import GradientCheck

SEEDS = range(10)
NONE = np.empty((0, 0))


def check(problem, seed=1, starts=NONE, limit=10):
    """Run the check by hand; return its state and the number of points that it asked for."""
    algorithm, n_points = GradientCheck(), 0
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


def known(name):
    return WITH_GRADIENT[name]().problem


def with_gradient(problem, change):
    """The same problem, with a gradient that is `change` of the right one."""

    def gradient(values):
        return change(problem.select(problem.gradient(values), "gradient"))

    return LikelihoodProblem(problem.space, problem.log_likelihood, gradient=gradient)


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_a_right_gradient_passes(name):
    n_compared = 0
    for seed in SEEDS:
        state, n_points = check(known(name), seed)
        assert (state.message, state.is_wrong) == ("", False)
        assert n_points <= 4
        n_compared += len(state.ends)
    assert n_compared >= 19


@pytest.mark.parametrize("factor", [-1.0, -2.0])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_the_gradient_of_minus_the_log_likelihood_or_of_chi_squared_is_wrong(name, factor):
    problem = with_gradient(known(name), lambda g: factor * g)
    for seed in SEEDS:
        state, _ = check(problem, seed)
        assert state.is_wrong
        assert state.message


def negate(g, i):
    g[i] = -g[i]
    return g


@pytest.mark.parametrize("name", ["gaussian_3d", "rosenbrock_4d", "himmelblau_4d"])
def test_one_wrong_sign_is_noticed(name):
    problem = known(name)
    for i in range(problem.space.dimension):
        wrong = with_gradient(problem, lambda g, i=i: negate(g, i))
        assert all(check(wrong, seed)[0].message for seed in SEEDS)


def test_the_message_shows_where_and_both_numbers():
    space = Space(a=Real(-1, 1), b=Real(-1, 1), c=3.0)
    problem = LikelihoodProblem(space, lambda v: v["a"] + v["b"], gradient=lambda v: {"a": -1.0, "b": -1.0})
    state, _ = check(problem)
    _, promised, actual = state.ends[0]
    assert promised == pytest.approx(2e-3, rel=0.2)
    assert actual == pytest.approx(-promised)
    assert "from a=" in state.message
    assert ", b=" in state.message
    assert f"the gradient says that it changes by {promised:.4g}, and it changes by {actual:.4g}" in state.message


def test_derivatives_of_the_logarithm_are_noticed():
    space = Space(a=Real(1e-3, 1e-1, scale="log"))
    right = LikelihoodProblem(
        space, lambda v: -(np.log(v["a"]) ** 2), gradient=lambda v: [-2 * np.log(v["a"]) / v["a"]]
    )
    wrong = LikelihoodProblem(space, right.log_likelihood, gradient=lambda v: [-2 * np.log(v["a"])])
    assert not check(right)[0].message
    assert check(wrong)[0].message
    assert not check(wrong)[0].is_wrong


def test_what_is_left_out_is_not_compared():
    space = Space(a=Real(-1, 1), b=Real(-1, 1))
    problem = LikelihoodProblem(space, lambda v: v["a"] + 5 * v["b"], gradient=lambda v: {"a": 1.0})
    state, n_points = check(problem)
    assert (len(state.ends), n_points, state.message) == (2, 4, "")
    nothing = LikelihoodProblem(space, lambda v: v["a"], gradient=lambda v: {})
    assert check(nothing)[1] == 2


def test_a_start_is_a_place_with_a_likelihood():
    space = Space(a=Real(-1000, 1000), n=Integer(0, 9))
    problem = LikelihoodProblem(
        space,
        lambda v: -((v["a"] - 3) ** 2) if v["n"] == 7 and abs(v["a"]) < 200 else -np.inf,
        gradient=lambda v: {"a": 2 * (v["a"] - 3)},
    )
    start = space.to_unit(space.to_theta({"a": 0.0, "n": 7}))
    assert not check(problem)[0].ends
    assert check(problem, starts=start[None, :])[0].is_wrong


@pytest.mark.parametrize("function", [lambda v: -np.inf, lambda v: v["nothing"], lambda v: 1.0])
def test_where_nothing_can_be_seen_nothing_is_said(function):
    problem = LikelihoodProblem(Space(a=Real(-1, 1)), function, gradient=lambda v: {"a": 0.0})
    state, n_points = check(problem)
    assert (state.ends, state.message, state.is_wrong, n_points) == ([], "", False, 2)


def test_a_kink_within_the_step_accuses_nobody():
    """Ripples as short as the step: the derivatives at its ends say nothing of the change between them."""

    def log_likelihood(values):
        return np.sin(1e5 * values["a"])

    problem = LikelihoodProblem(
        Space(a=Real(0, 1)), log_likelihood, gradient=lambda v: {"a": 1e5 * np.cos(1e5 * v["a"]) / 100}
    )
    assert not any(check(problem, seed)[0].is_wrong for seed in range(50))


def test_a_small_limit_changes_nothing():
    whole, pieces = check(known("levy_4d"))[0], check(known("levy_4d"), limit=1)[0]
    assert [end[1:] for end in whole.ends] == [end[1:] for end in pieces.ends]
