import numpy as np
import pytest
from scipy import stats

from tests.unit.facades.examples import LINE, hill
from wilks import InvalidConfigurationError, InvalidProblemError
from wilks.facades import (
    EvolutionStrategyOptimizer,
    HillClimbingOptimizer,
    MemoryStorage,
    ParallelTemperingOptimizer,
    ParticleSwarmOptimizer,
    RandomSearchOptimizer,
    SimulatedAnnealingOptimizer,
)

ALL = [
    ParallelTemperingOptimizer,
    SimulatedAnnealingOptimizer,
    ParticleSwarmOptimizer,
    EvolutionStrategyOptimizer,
    HillClimbingOptimizer,
    RandomSearchOptimizer,
]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("n_iter", [1, 7, 100])
def test_every_optimizer_makes_exactly_the_iterations_that_are_asked_for(kind, n_iter):
    optimizer = kind(LINE, random_state=1)
    optimizer.search(hill, n_iter, verbosity=False)
    optimizer.search(hill, n_iter, verbosity=False)
    assert len(optimizer.search_data) == 2 * n_iter
    assert optimizer.best_score == optimizer.search_data["score"].max()


@pytest.mark.parametrize("kind", ALL)
def test_every_optimizer_repeats_itself(kind):
    tables = []
    for number in (None, 0, 3):
        optimizer = kind(LINE, random_state=1, nth_process=number)
        optimizer.search(hill, 60, verbosity=False)
        tables.append(optimizer.search_data)
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    optimizer = kind(LINE, random_state=4)
    optimizer.search(hill, 60, verbosity=False)
    assert optimizer.search_data.equals(tables[2])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"population": 0}, "population: expected an integer >= 1, got 0"),
        ({"population": 2.5}, "population"),
        ({"n_iter_swap": 0}, "n_iter_swap: expected an integer >= 1, got 0"),
        ({"rand_rest_p": 1.5}, "rand_rest_p: expected a probability"),
        ({"rand_rest_p": "often"}, "rand_rest_p"),
        ({"boundary": "refect"}, "did you mean 'reflect'"),
        ({"boundary": "wrap"}, "got 'wrap'; known are reflect, clip, periodic, random, intermediate$"),
        ({"random_state": -1}, "random_state: expected an integer >= 0"),
        ({"random_state": 1.5}, "random_state"),
        ({"nth_process": "a"}, "nth_process"),
        ({"initialize": {"vertces": 4}}, "did you mean 'vertices'"),
        ({"initialize": {"random": -1}}, "initialize: random: expected an integer >= 0"),
        ({"initialize": [1]}, "initialize: expected a dictionary"),
        ({"initialize": {"warm_start": {"x": 1}}}, "expected a list of dictionaries"),
        ({"constraints": 1}, "constraints: expected a list of functions"),
        ({"constraints": [1]}, "constraints: expected a list of functions"),
    ],
)
def test_wrong_options_of_the_constructor(options, text):
    with pytest.raises(InvalidConfigurationError, match=text):
        ParallelTemperingOptimizer(LINE, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_iter": -1}, "n_iter: expected an integer >= 0"),
        ({"n_iter": 2.5}, "n_iter"),
        ({"max_time": -1}, "max_time: expected a number >= 0"),
        ({"max_score": "high"}, "max_score: expected a number"),
        ({"max_score": float("nan")}, "max_score: expected a number"),
        ({"optimum": "min"}, "did you mean 'minimum'"),
        ({"early_stopping": {"tol_abs": 1.0}}, r"'n_iter_no_change' is required, got \{'tol_abs': 1.0\}"),
        ({"early_stopping": {}}, r"'n_iter_no_change' is required, got \{\}$"),
        ({"early_stopping": {"n_iter_no_chnge": 1}}, "did you mean 'n_iter_no_change'"),
        ({"early_stopping": {"n_iter_no_change": 0}}, "expected an integer >= 1"),
        ({"early_stopping": {"n_iter_no_change": 5, "tol_rel": -1}}, "tol_rel: expected a number >= 0"),
        ({"early_stopping": 5}, "early_stopping: expected a dictionary"),
        ({"verbosity": ["progres_bar"]}, "did you mean 'progress_bar'"),
        ({"verbosity": True}, "verbosity: expected False or a list"),
        ({"verbosity": "progress_bar"}, r"a list of names such as \['progress_bar', .*\], got 'progress_bar'$"),
        ({"callbacks": [1]}, "callbacks: expected a list of functions"),
        ({"catch": {"ValueError": 1}}, "expected an exception class"),
        ({"catch": {ValueError: "bad"}}, "ValueError: expected a score"),
        ({"catch": [ValueError]}, "catch: expected a dictionary"),
        ({"memory": "file.db"}, "memory: expected True, False or a storage"),
        ({"memory": False, "memory_warm_start": {"score": [1.0], "x": [0.0]}}, "needs memory=True"),
        ({"objective_function": 3}, "objective_function: expected a function"),
    ],
)
def test_wrong_options_of_search(options, text):
    optimizer = ParallelTemperingOptimizer(LINE)
    with pytest.raises(InvalidConfigurationError, match=text):
        optimizer.search(**({"objective_function": hill, "n_iter": 10, "verbosity": False} | options))


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ({"x": 1.0, "z": 2.0}, "unknown parameter 'z'"),
        ({"x": 1.0}, "no value for k"),
        ({"x": 1.0, "k": "c"}, "expected one of 'a', 'b', got 'c'"),
        ({"x": "one", "k": "a"}, "parameter 'x': expected a finite number"),
        ({"x": 1.0, "k": "a", "c": 2}, "it is constant, 1, got 2"),
        ({"x": 1.0, "k": "a", "r": 400}, r"expected a value in \[-5.0, 5.0\], got 400.0$"),
        ({"x": 1e4, "k": "a"}, "parameter 'x': expected a number from 0.0 to 4.0, got 10000.0"),
        ({"x": -1, "k": "a"}, "parameter 'x': expected a number from 0.0 to 4.0, got -1"),
        ({"x": 1.0, "k": "a", "n": 10}, "parameter 'n': expected a number from -4.75.* to 4.75.*, got 10"),
        ({"x": 1.0, "k": "a", "n": True}, "parameter 'n': expected a number from"),
    ],
)
def test_wrong_points_to_start_from(point, text):
    space = {"x": np.arange(5), "k": ["a", "b"], "r": (-5, 5), "n": stats.norm(), "c": 1}
    complete = {"r": 0.0, "n": 0.0, **point}
    with pytest.raises(InvalidProblemError, match=f"initialize: warm_start: point 0.*{text}"):
        ParallelTemperingOptimizer(space, initialize={"warm_start": [complete]})


def test_points_to_start_from_are_read_by_name_and_come_first():
    space = {"x": np.arange(10), "y": np.linspace(0, 50, 51), "k": ["a", "b"], "c": 1}
    optimizer = ParallelTemperingOptimizer(
        space, initialize={"warm_start": [{"k": "b", "y": 40, "x": 2}, {"x": 7.4, "y": 0.2, "k": "a", "c": 1}]}
    )
    optimizer.search(lambda para: 1.0, 2, verbosity=False)
    first = optimizer.search_data.drop(columns="score").to_dict("records")
    assert first == [{"x": 2, "y": 40.0, "k": "b", "c": 1}, {"x": 7, "y": 0.0, "k": "a", "c": 1}]


def test_ends_that_rounding_has_moved_are_points_to_start_from():
    x = np.arange(-1, 0.1, 0.1)
    assert x[-1] < 0.0
    optimizer = ParallelTemperingOptimizer({"x": x}, initialize={"warm_start": [{"x": 0.0}]})
    optimizer.search(lambda para: 1.0, 1, verbosity=False)
    assert optimizer.best_para["x"] == x[-1]


def test_default_initialisation_is_that_of_the_page():
    optimizer = ParallelTemperingOptimizer({"x": (-1.0, 1.0), "y": (0.0, 2.0)}, random_state=1)
    optimizer.search(lambda para: 0.0, 6, verbosity=False)
    points = optimizer.search_data[["x", "y"]].to_numpy()
    corners = np.isin(points[:, 0], [-1.0, 1.0]) & np.isin(points[:, 1], [0.0, 2.0])
    assert corners.sum() == 4
    assert len(np.unique(points[corners], axis=0)) == 4
    assert optimizer.init_stats()["n_init"] == 6


def test_grid_of_the_initialisation():
    optimizer = ParallelTemperingOptimizer({"x": (0.0, 1.0), "y": (0.0, 1.0)}, initialize={"grid": 4, "random": 1})
    optimizer.search(lambda para: 0.0, 5, verbosity=False)
    points = set(map(tuple, optimizer.search_data[["x", "y"]].to_numpy().round(3).tolist()))
    assert {(x, y) for x in (0.333, 0.667) for y in (0.333, 0.667)} < points


def test_nothing_asked_for_in_the_initialisation():
    optimizer = ParallelTemperingOptimizer(LINE, initialize={}, random_state=1)
    optimizer.search(hill, 30, verbosity=False)
    assert len(optimizer.search_data) == 30


def test_restarts_with_probability_one_are_random_search():
    optimizer = ParallelTemperingOptimizer({"x": (0.0, 1.0)}, rand_rest_p=1.0, random_state=1)
    optimizer.search(lambda para: -(para["x"] ** 2), 2000, verbosity=False)
    drawn = optimizer.search_data["x"].to_numpy()[6:]
    counts = np.histogram(drawn, bins=10, range=(0, 1))[0]
    assert abs(counts - len(drawn) / 10).max() < 5 * np.sqrt(len(drawn) / 10)


@pytest.mark.parametrize("boundary", ["clip", "reflect", "periodic", "random", "intermediate"])
def test_boundaries(boundary):
    optimizer = ParallelTemperingOptimizer(
        {"x": (0.0, 1.0)}, boundary=boundary, random_state=1, initialize={"random": 6}
    )
    optimizer.search(lambda para: para["x"], 300, verbosity=False)
    x = optimizer.search_data["x"].to_numpy()
    assert x.min() >= 0.0
    assert x.max() <= 1.0
    at_bound = int(np.sum(x == 1.0))
    assert (at_bound > 0) if boundary == "clip" else at_bound == 0


def test_a_storage_is_a_memory_to_warm_start():
    first = ParallelTemperingOptimizer(LINE, random_state=1)
    first.search(hill, 50, verbosity=False)
    second = ParallelTemperingOptimizer(LINE, random_state=1)
    second.search(hill, 50, verbosity=False, memory=MemoryStorage(), memory_warm_start=first.search_data)
    assert second.diagnostics.counts()["n_cached"] == 50
