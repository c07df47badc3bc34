"""Wrong arguments of `wilks.profile`: each is refused with a message that says what to do."""

import re

import numpy as np
import pytest

import wilks
from wilks import Categorical, Integer, LikelihoodProblem, Real, Space

SPACE = Space(a=Real(-1, 1), b=Real(0.1, 10, scale="log"), k=Integer(0, 3), c=2.5)
PROBLEM = LikelihoodProblem(SPACE, lambda v: -(v["a"] ** 2) - np.log(v["b"]) ** 2 - v["k"])

WRONG = {
    "unknown name": ({"over": "q"}, "over: 'q' is no free parameter; they are a, b, k"),
    "a constant": ({"over": ("a", "c")}, "over: 'c' is no free parameter; they are a, b, k"),
    "twice": ({"over": ("a", "a")}, "over: expected one or more different parameter names, got ('a', 'a')"),
    "none": ({"over": ()}, "over: expected one or more different parameter names, got ()"),
    "grid too short": (
        {"over": ("a", "b"), "grid": (11,)},
        "grid: expected 2 entries, one for each of a, b, got 1",
    ),
    "stray name in grid": (
        {"over": "a", "grid": {"a": 11, "b": 11}},
        "grid: 'b' is not profiled here; over is a",
    ),
    "one node": ({"over": "a", "grid": 1}, "grid: 'a': expected at least 2 nodes, got 1"),
    "descending": (
        {"over": "a", "grid": {"a": [0.5, 0.0]}},
        "grid: 'a': expected a number of nodes or finite nodes in ascending order, got [0.5, 0.0]",
    ),
    "NaN": (
        {"over": "a", "grid": {"a": [0.0, float("nan")]}},
        "grid: 'a': expected a number of nodes or finite nodes in ascending order, got [0.0, nan]",
    ),
    "no nodes": (
        {"over": "a", "grid": {"a": []}},
        "grid: 'a': expected a number of nodes or finite nodes in ascending order, got []",
    ),
    "text": (
        {"over": "a", "grid": {"a": "fine"}},
        "grid: 'a': expected a number of nodes or finite nodes in ascending order, got 'fine'",
    ),
    "true": (
        {"over": "a", "grid": {"a": True}},
        "grid: 'a': expected a number of nodes or finite nodes in ascending order, got True",
    ),
    "outside": ({"over": "a", "grid": {"a": [0.0, 1.5]}}, "grid: 'a': expected a value in [-1.0, 1.0], got 1.5"),
    "not a value": ({"over": "k", "grid": {"k": [1, 9]}}, "grid: 'k': expected an integer in [0, 3], got 9"),
    "number of discrete nodes": (
        {"over": "k", "grid": 7},
        "grid: 'k' has 4 values, got 7 nodes; leave it out, or list values",
    ),
    "discrete value twice": (
        {"over": "k", "grid": {"k": [1, 1]}},
        "grid: 'k': expected different values, got [1, 1]",
    ),
    "threshold": (
        {"over": "a", "roi_threshold": 0.0},
        "roi_threshold: expected a positive depth in log-likelihood, got 0.0",
    ),
    "negative threshold": (
        {"over": "a", "roi_threshold": -4},
        "roi_threshold: expected a positive depth in log-likelihood, got -4",
    ),
    "endless threshold": (
        {"over": "a", "roi_threshold": float("inf")},
        "roi_threshold: expected a positive depth in log-likelihood, got inf",
    ),
    "audit": ({"over": "a", "audit": -1}, "audit: expected a number of cells >= 0, got -1"),
    "audit fraction": ({"over": "a", "audit": 0.1}, "audit: expected a number of cells >= 0, got 0.1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name):
    arguments, message = WRONG[name]
    with pytest.raises(wilks.WilksError, match=re.escape(message)) as caught:
        wilks.profile(PROBLEM, seed=1, callbacks=[], **arguments)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == message


def test_too_many_discrete_combinations_are_refused():
    space = Space(x=Real(-1, 1), j=Integer(0, 9), k=Integer(0, 9))
    problem = LikelihoodProblem(space, lambda v: -(v["x"] ** 2))
    with pytest.raises(wilks.InvalidProblemError, match=re.escape("j, k have 100 combinations")):
        wilks.profile(problem, over="x", seed=1, callbacks=[])
    assert wilks.profile(problem, over=("x", "j"), grid={"x": 5}, seed=1, audit=0, callbacks=[]).status.success


@pytest.mark.parametrize("options", [None, wilks.ProfileOptions(max_starts=0)])
def test_a_wrong_linear_parameter_is_refused(options):
    """A map with it would be too low everywhere."""
    x = np.linspace(0, 3, 20)
    space = Space(a=Real(0, 5), rate=Real(0.1, 5))
    problem = wilks.ResidualProblem(space, lambda v: 2 * np.exp(-x) - v["a"] * np.exp(-v["rate"] * x), linear=("rate",))
    with pytest.raises(wilks.InvalidProblemError, match="the residual is not linear in rate, which is declared so"):
        wilks.profile(problem, over="a", start={"a": 2.0, "rate": 1.0}, options=options, seed=1, callbacks=[])


def test_a_problem_is_needed():
    with pytest.raises(wilks.InvalidProblemError, match=r"profile: expected a wilks\.LikelihoodProblem"):
        wilks.profile(lambda v: 0.0, over="a")


def test_default_grids():
    shapes = {("a", "b"): (41, 41), ("k", "a"): (4, 41), ("a", "b", "k"): (15, 15, 4), ("k",): (4,)}
    for over, shape in shapes.items():
        result = wilks.profile(PROBLEM, over=over, seed=1, audit=0, callbacks=[], roi_threshold=1.0)
        assert result.log_likelihood_map.shape == shape
        assert tuple(len(axis) for axis in result.axes.values()) == shape
        if "a" in over:
            assert result.axes["a"][[0, -1]].tolist() == [-1.0, 1.0]
    result = wilks.profile(PROBLEM, over=("a", "b", "k"), seed=1, audit=0, callbacks=[], roi_threshold=1.0)
    np.testing.assert_allclose(np.diff(np.log(result.axes["b"])), np.log(100) / 14)


def test_nodes_of_a_discrete_axis_may_be_a_choice_of_its_values():
    kinds = ["north", "east", "south"]
    problem = LikelihoodProblem(
        Space(kind=Categorical(kinds), n=Real(-1, 1)), lambda v: -kinds.index(v["kind"]) - v["n"] ** 2
    )
    result = wilks.profile(problem, over="kind", grid={"kind": ["south", "north"]}, seed=1, audit=0, callbacks=[])
    assert result.axes["kind"].tolist() == [0.0, 2.0]
    np.testing.assert_allclose(result.log_likelihood_map, [0.0, -2.0], atol=1e-5)
