"""Discrete nuisance parameters: every cell has the best combination, by exact enumeration."""

import itertools

import numpy as np
import pytest

import wilks
from tests.unit.profiles.examples import assert_exact
from wilks import Categorical, Integer, LikelihoodProblem, Real, Space
from wilks.profiles.records import Records, Solution

KINDS, COLOURS = ("plain", "fancy"), ("red", "green", "blue")
COMBINATIONS = list(itertools.product(KINDS, (0, 1), COLOURS))
NUISANCES = {"kind": Categorical(KINDS), "flag": Integer(0, 1), "col": Categorical(COLOURS)}
SHAPES = tuple("pqr")
SOURCE = np.random.default_rng(5)
HEIGHTS = SOURCE.uniform(-3, 0, (8, 3, 12))
CENTRES = SOURCE.uniform(-4, 4, (8, 3, 12))
SLOPES = SOURCE.uniform(-0.5, 0.5, 12)


def number(v):
    return COMBINATIONS.index((v["kind"], v["flag"], v["col"]))


def better_by_one(v):
    """One kind is better by 1 everywhere, with the same argmax of n."""
    i, shape, k = v["i"], SHAPES.index(v["shape"]), KINDS.index(v["kind"])
    offset = 0.3 * i + 0.5 * shape + 0.7 * v["flag"] - 0.4 * COLOURS.index(v["col"])
    bonus = k - 0.3 * v["flag"] - 0.5 * COLOURS.index(v["col"])
    return -0.5 * ((i - 3) / 1.5) ** 2 - 0.5 * (0.8 * shape) ** 2 + bonus - 0.5 * ((v["n"] - offset) / 0.5) ** 2


def rough(v):
    """Nothing carries over from one cell to the next."""
    at = v["i"], SHAPES.index(v["shape"]), number(v)
    return HEIGHTS[at] - 0.5 * ((v["n"] - CENTRES[at]) / 0.5) ** 2


def without_n(v):
    return HEIGHTS[v["i"], SHAPES.index(v["shape"]), number(v)]


def truth_of(case):
    if case != "better by one":
        return HEIGHTS.max(axis=2)
    i, shape = np.ogrid[:8, :3]
    return 1.0 - 0.5 * ((i - 3) / 1.5) ** 2 - 0.5 * (0.8 * shape) ** 2


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ["better by one", "rough", "without a real one"])
def test_discrete_axes(case, seed):
    likelihood = {"better by one": better_by_one, "rough": rough, "without a real one": without_n}[case]
    space = {"i": Integer(0, 7), "shape": Categorical(SHAPES), **NUISANCES}
    if case != "without a real one":
        space["n"] = Real(-5, 5)
    problem = LikelihoodProblem(Space(space), likelihood)
    result = wilks.profile(problem, over=("i", "shape"), seed=seed, audit=0, callbacks=())
    assert_exact(result, truth_of(case), truth_of(case).max())


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_discrete_and_a_real_axis(seed):
    """The combinations change places along x, and all at once from one i to the next."""

    def likelihood(v):
        k = number(v)
        offset = 0.5 * v["x"] + 2 * SLOPES[k]
        return -0.5 * v["x"] ** 2 + SLOPES[k] * v["x"] + HEIGHTS[v["i"], 0, k] - 0.5 * ((v["n"] - offset) / 0.3) ** 2

    space = Space({"i": Integer(0, 7), "x": Real(-4, 4), **NUISANCES, "n": Real(-5, 5)})
    problem = LikelihoodProblem(space, likelihood)
    result = wilks.profile(problem, over=("i", "x"), grid={"x": 31}, seed=seed, audit=0, callbacks=())
    x = result.axes["x"][None, :, None]
    truth = (-0.5 * x**2 + SLOPES * x + HEIGHTS[:, 0][:, None, :]).max(axis=2)
    assert_exact(result, truth, result.log_likelihood)


def test_the_audit_finds_the_best_combination():
    """From a random combination: without going through all of them it would find one cell of twelve."""
    space = Space({"i": Integer(0, 7), "shape": Categorical(SHAPES), **NUISANCES, "n": Real(-5, 5)})
    problem = LikelihoodProblem(space, rough)
    result = wilks.profile(problem, over=("i", "shape"), seed=1, audit=6, callbacks=())
    assert result.audit.power == 1.0
    assert result.audit.n_improved == 0


def test_solutions_with_other_discrete_values_are_never_the_same():
    records = Records(1)
    one, two = records.new_label((0.0,)), records.new_label((1.0,))
    solution = Solution(0.0, np.array([0.5]), np.eye(1), 0, converged=True)
    records.add(0, one, solution)
    assert records.alike(0, np.array([0.5]), (0.0,)) == 0
    assert records.alike(0, np.array([0.5]), (1.0,)) is None
    records.unite(one, two)
    assert records.root(two) == two


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_discrete_nuisances_alone_every_combination_of_every_cell_is_looked_at(seed):
    kinds = ["a", "b", "c"]

    def log_likelihood(v):
        k = kinds.index(v["kind"])
        bend = 0.3 * (v["flag"] - 1.5 * np.sin(3 * v["x"])) ** 2
        return -0.5 * (v["x"] - k) ** 2 / (0.3 + 0.1 * v["flag"]) - bend

    space = wilks.Space(x=wilks.Real(-3, 4), kind=wilks.Categorical(kinds), flag=wilks.Integer(0, 4))
    result = wilks.profile(
        wilks.LikelihoodProblem(space, log_likelihood), over="x", grid=61, roi_threshold=3.0, seed=seed, callbacks=[]
    )
    every = [{"kind": kind, "flag": flag} for kind in kinds for flag in range(5)]
    exact = np.array([max(log_likelihood({"x": x, **values}) for values in every) for x in result.axes["x"]])
    region = exact > exact.max() - 2.9
    assert np.array_equal(result.log_likelihood_map[region], exact[region])
    assert result.audit.n_cells == 12
    assert (result.audit.n_improved, result.audit.power) == (0, 1.0)
