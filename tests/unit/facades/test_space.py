import pickle
import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from tests.unit.facades.examples import hill
from wilks import Categorical, Integer, InvalidProblemError, Real
from wilks.facades import ParallelTemperingOptimizer, RandomSearchOptimizer
from wilks.facades.gfo.space import SearchSpace


def values(entry, n=60, **more):
    """What an objective is given for one entry of a search space."""
    seen = []
    optimizer = RandomSearchOptimizer({"x": entry, "other": (0.0, 1.0)}, random_state=1, **more)
    optimizer.search(lambda para: seen.append(para["x"]) or 0.0, n, verbosity=False)
    return seen


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (np.arange(10), np.int64),
        (np.arange(10, dtype=np.int16), np.int16),
        (np.linspace(0, 1, 7), np.float64),
        (np.linspace(0, 1, 7, dtype=np.float32), np.float32),
        ([1, 2, 5], int),
        ([0.5, 0.25, 1.0], float),
        ([np.float32(1), np.float32(2)], np.float32),
        (range(3, 9, 2), int),
        (range(9, 3, -2), int),
        ((0, 1), float),
        ((np.int64(0), np.float32(1)), float),
        ((1e-3, 10, "log"), float),
        (Real(0, 1), float),
        (Integer(0, 5), int),
        (Categorical(["a", "b"]), str),
        (["a", "b"], str),
        ([True, False], bool),
        (np.array([True, False]), np.bool_),
        (np.array(["a", "b"]), np.str_),
        (stats.norm(), float),
        (stats.norm, float),
        (stats.poisson(4), int),
        (np.array(["2020-01-01", "2020-02-01"], dtype="M8[D]"), np.datetime64),
    ],
)
def test_objective_gets_values_of_the_users_type(entry, kind):
    seen = values(entry)
    assert {type(value) for value in seen} == {kind}
    if isinstance(entry, (list, range, np.ndarray)):
        assert all(any(value == known for known in entry) for value in seen)
        assert len(set(map(str, seen))) > 1


def test_mixed_numbers_keep_their_types():
    assert {repr(value) for value in values([1, 2.5, 4])} == {"1", "2.5", "4"}


def test_numeric_lists_are_ordered_and_names_are_not():
    space = SearchSpace({"n": [3, 1, 2], "name": ["c", "a", "b"]})
    assert space.space.is_ordered.tolist() == [True, False]
    assert space.para({"n": 1.0, "name": 0}) == {"n": 1, "name": "c"}


def test_unhashable_categories_are_handed_over_as_they_are():
    def some_function():
        return 1

    entries = [{"a": 1}, [1, 2], None, np.arange(3), some_function]
    seen = values(entries)
    assert {id(value) for value in seen} == set(map(id, entries))
    optimizer = ParallelTemperingOptimizer({"x": entries, "y": (0.0, 1.0)}, random_state=1)
    optimizer.search(lambda para: float(para["x"] is None) - para["y"], 100, verbosity=False)
    assert optimizer.best_para["x"] is None
    assert len(optimizer.search_data["x"]) == 100


def test_any_order_and_duplicates():
    space = SearchSpace({"x": np.array([2.0, 1.0, 1.0, 1.0]), "y": [1, 1, 1, 2]})
    assert space.space.n_values == (2, 2)
    calls = []
    optimizer = ParallelTemperingOptimizer({"x": [1, 1, 1, 2]}, random_state=1)
    optimizer.search(lambda para: calls.append(1) or para["x"], 40, verbosity=False)
    assert len(calls) == 2
    assert len(optimizer.search_data) == 40


def test_constants():
    data = [1, 2]
    given = {"a": 3, "b": "text", "x": (0.0, 1.0), "c": np.array([7.5]), "d": [data], "e": None, "f": range(4, 5)}
    optimizer = ParallelTemperingOptimizer(given, random_state=1)
    seen = []
    optimizer.search(lambda para: seen.append(para) or para["x"], 20, verbosity=False)
    assert list(seen[0]) == list(given)
    assert (seen[0]["a"], seen[0]["b"], seen[0]["c"], seen[0]["d"], seen[0]["e"]) == (3, "text", 7.5, data, None)
    assert seen[0]["d"] is data
    assert isinstance(seen[0]["c"], np.float64)
    assert list(optimizer.search_data.columns) == ["score", *given]


def test_only_constants():
    optimizer = ParallelTemperingOptimizer({"a": 3, "b": [4]}, random_state=1)
    optimizer.search(hill, 10, verbosity=False)
    assert optimizer.best_para == {"a": 3, "b": 4}
    assert len(optimizer.search_data) == 10


def test_large_integers_stay_exact():
    big = 2**60
    assert set(values(np.array([big, big + 1]))) == {big, big + 1}
    assert set(values([big, big + 1])) == {big, big + 1}


def test_log_scale():
    seen = np.array(values((1e-6, 1.0, "log"), 400))
    assert 0.4 < np.mean(seen < 1e-3) < 0.6
    assert seen.min() >= 1e-6
    assert seen.max() <= 1.0


def test_distributions_are_searched_in_their_quantiles():
    seen = np.array(values(stats.norm(10, 2), 400, initialize={"random": 1}))
    assert 9.5 < seen.mean() < 10.5
    assert 1.6 < seen.std() < 2.4
    uniform = np.array(values(stats.uniform(2, 3), 200))
    assert uniform.min() >= 2
    assert uniform.max() <= 5
    assert {2, 5} <= set(values(stats.uniform(2, 3), 20, initialize={"vertices": 4}))
    counts = np.array(values(stats.binom(3, 0.5), 400, initialize={"random": 1}))
    assert set(counts) == {0, 1, 2, 3}
    assert np.mean(counts == 3) < 0.25


def test_tails_beyond_three_sigma_are_reached():
    optimizer = ParallelTemperingOptimizer({"x": stats.norm()}, random_state=1)
    optimizer.search(lambda para: para["x"], 200, verbosity=False)
    assert 4.5 < optimizer.best_para["x"] < 4.8


def test_huge_grids_cost_nothing():
    x = np.linspace(-1, 1, 1_000_000)
    tracemalloc.start()
    optimizer = ParallelTemperingOptimizer({"x": x, "y": x}, random_state=1)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    began = time.process_time()
    ParallelTemperingOptimizer({"x": x, "y": x}, random_state=1)
    assert time.process_time() - began < 0.1  # 5 ms where nothing else runs
    optimizer.search(hill, 100, verbosity=False)
    assert optimizer.best_para["x"] in x


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "at least one parameter"),
        ([1, 2], "expected a dictionary"),
        ({"x": []}, "at least one value"),
        ({"x": np.array([])}, "at least one value"),
        ({"x": range(0)}, "at least one value"),
        ({1: [1, 2]}, "names of parameters"),
        ({"x": {1, 2}}, "got set"),
        ({"x": {"a": 1}}, "got dict"),
        ({"x": np.zeros((2, 2))}, "one dimension"),
        ({"x": np.array([1.0, np.nan, 2.0])}, "finite"),
        ({"x": [1.0, float("inf")]}, "finite"),
        ({"x": (1, 2, 3)}, "continuous interval"),
        ({"x": ("a", "b")}, "continuous interval"),
        ({"x": (1, 2, "logarithmic")}, "continuous interval"),
        ({"x": (2, 1)}, "lower < upper"),
        ({"x": (1, 1)}, "lower < upper"),
        ({"x": (0, 1, "log")}, "lower > 0"),
        ({"x": (0, float("inf"))}, "finite"),
        ({"x": stats.gamma}, "needs its parameters"),
        ({"x": object()}, "expected an array"),
    ],
)
def test_wrong_spaces(given, text):
    with pytest.raises(InvalidProblemError, match=text):
        ParallelTemperingOptimizer(given)


def test_fingerprint_knows_all_values():
    one = SearchSpace({"x": [[1], [2]], "y": 3.0})
    assert one.fingerprint == SearchSpace({"x": [[1], [2]], "y": 3.0}).fingerprint
    assert one.fingerprint != SearchSpace({"x": [[1], [3]], "y": 3.0}).fingerprint
    assert one.fingerprint != SearchSpace({"x": [[1], [2]], "y": 4.0}).fingerprint
    assert (
        len({SearchSpace({"x": entry}).fingerprint for entry in (stats.norm(loc=1), stats.norm(loc=2), stats.norm(1))})
        == 3
    )
    assert SearchSpace({"x": stats.norm(0, 1)}).fingerprint != SearchSpace({"x": stats.logistic(0, 1)}).fingerprint


def test_spaces_can_be_pickled():
    space = SearchSpace({"x": np.arange(4), "k": ["a", {"b": 1}], "n": stats.norm(), "c": 1})
    copy = pickle.loads(pickle.dumps(space))
    numbers = {"x": 2.0, "k": 1, "n": 0.5}
    assert copy.para(numbers) == space.para(numbers) == {"x": 2, "k": {"b": 1}, "n": 0.5, "c": 1}
