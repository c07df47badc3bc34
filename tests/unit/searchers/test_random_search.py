"""Random search and designs: uniformity, the Latin property, the Sobol sequence, and their ends."""

import numpy as np
import pytest
from scipy.stats import qmc

import wilks
from tests.unit.searchers.examples import LINE, MIXED, REAL, SMALL, VIOLATED, bowl, play, sphere
from wilks.core.status import Outcome
from wilks.searchers.random_search import LatinHypercube, RandomSearch, Sobol


def units(space, course):
    return space.to_unit(np.array(course.thetas))


def test_random_search_is_uniform():
    space, loss = sphere(3)
    found = units(space, play(RandomSearch(), space, loss, 3000))
    assert found.mean(axis=0) == pytest.approx(np.full(3, 0.5), abs=0.03)
    assert np.cov(found.T) == pytest.approx(np.eye(3) / 12, abs=0.01)


def test_random_search_goes_on():
    course = play(RandomSearch(batch_size=50), REAL, bowl, 1000)
    assert not course.ended
    assert set(course.batches) == {50}


@pytest.mark.parametrize("n", [1, 7, 100])
def test_one_latin_hypercube_of_the_budget(n):
    course = play(LatinHypercube(budget=n), REAL, bowl, 2 * n)
    assert course.ended
    assert course.batches == [n]
    for column in units(REAL, course).T:
        assert sorted(np.floor(column * n).astype(int).tolist()) == list(range(n))


def test_the_size_may_be_given():
    algorithm = LatinHypercube(n_points=12)
    course = play(algorithm, REAL, bowl, 100)
    assert len(course.losses) == 12
    status = algorithm.terminate(course.state)
    assert status.outcome is Outcome.CONVERGED
    assert "All 12 points" in status.message


def test_hypercubes_without_a_budget():
    course = play(LatinHypercube(batch_size=10), LINE, bowl, 40)
    assert not course.ended
    for k in range(4):
        column = units(LINE, course)[10 * k : 10 * k + 10, 0]
        assert sorted(np.floor(column * 10).astype(int).tolist()) == list(range(10))


@pytest.mark.parametrize("n", [1, 8, 13, 64])
def test_sobol_points(n):
    """Every elementary interval of the first 2^k points holds one of them, at every length without a warning."""
    course = play(Sobol(budget=n), REAL, bowl, 2 * n)
    assert len(course.losses) == n
    found = units(REAL, course)
    k = 2 ** int(np.log2(n))
    for column in found[:k].T:
        assert sorted(np.floor(column * k).astype(int).tolist()) == list(range(k))


def test_sobol_goes_on_where_it_was():
    space, loss = sphere(4)
    whole = units(space, play(Sobol(budget=96), space, loss, 96))
    pieces = units(space, play(Sobol(batch_size=16), space, loss, 96))
    assert np.array_equal(whole, pieces)
    assert qmc.discrepancy(whole[:64]) < 0.02


def test_sobol_is_scrambled_by_the_seed():
    assert play(Sobol(), REAL, bowl, 8, seed=1).thetas != play(Sobol(), REAL, bowl, 8, seed=2).thetas


@pytest.mark.parametrize("kind", [LatinHypercube, Sobol])
def test_infeasible_points_are_replaced(kind):
    for algorithm in (kind(n_points=60), kind(budget=60)):
        course = play(algorithm, REAL, lambda v: VIOLATED if v["x"] > -4 else bowl(v), 60)
        assert len(course.losses) == 60
        assert max(theta[0] for theta in course.thetas) <= -4
    assert play(kind(n_points=60), REAL, lambda v: VIOLATED if v["x"] > -4 else bowl(v), 100).ended


@pytest.mark.parametrize("kind", [LatinHypercube, Sobol])
def test_points_seen_before_are_replaced(kind):
    course = play(kind(n_points=12), SMALL, bowl, 100)
    assert len(set(map(tuple, course.thetas))) == 12


@pytest.mark.parametrize("kind", [LatinHypercube, Sobol])
def test_starts_count(kind):
    course = play(kind(budget=20), LINE, bowl, 40, starts=[[0.5]])
    assert len(course.losses) == 20
    assert course.batches == [1, 19]


def test_designs_of_mixed_parameters():
    course = play(LatinHypercube(budget=60), MIXED, bowl, 60)
    kinds = [MIXED.to_values(theta)["kind"] for theta in course.thetas]
    assert {kind: kinds.count(kind) for kind in "abc"} == {"a": 20, "b": 20, "c": 20}


def test_a_design_ends_the_search():
    problem = wilks.LikelihoodProblem(LINE, lambda v: -bowl(v))
    result = wilks.search(problem, Sobol(n_points=16), n_evaluations=100, seed=1, callbacks=[])
    assert result.n_evaluations == 16
    assert result.status.success
