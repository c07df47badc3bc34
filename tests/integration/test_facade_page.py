"""Every code example of the reference page of ParallelTemperingOptimizer runs with only its import lines changed."""

import inspect

import numpy as np
import pytest

from wilks import facades

IMPORTS = {
    "from gradient_free_optimizers import": "from wilks.facades import",
    "from gradient_free_optimizers._storage import": "from wilks.facades import",
}

GRIEWANK = """
>>> import numpy as np
>>> from gradient_free_optimizers import ParallelTemperingOptimizer
>>> def griewank(para):
...     x, y = para["x"], para["y"]
...     sum_sq = (x**2 + y**2) / 4000
...     prod_cos = np.cos(x / np.sqrt(1)) * np.cos(y / np.sqrt(2))
...     return -(sum_sq - prod_cos + 1)
>>> search_space = {
...     "x": np.linspace(-600, 600, 1000),
...     "y": np.linspace(-600, 600, 1000),
... }
>>> opt = ParallelTemperingOptimizer(search_space, population=10, n_iter_swap=10)
>>> opt.search(griewank, n_iter=2000)
"""

BASIC = """
>>> import numpy as np
>>> from gradient_free_optimizers import HillClimbingOptimizer
>>> def objective(para):
...     return -(para["x"] ** 2)
>>> search_space = {"x": np.linspace(-10, 10, 100)}
>>> opt = HillClimbingOptimizer(search_space)
>>> opt.search(objective, n_iter=30)
>>> opt.search(
...     objective,
...     n_iter=1000,
...     max_time=60,
...     max_score=-0.01,
...     early_stopping={"n_iter_no_change": 50},
... )
"""

SETUP = """
import numpy as np
from gradient_free_optimizers import HillClimbingOptimizer, ParallelTemperingOptimizer
search_space = {
    "x": np.linspace(-10, 10, 100),
    "y": np.linspace(-10, 10, 100),
}
def objective(params):
    return -(params["x"] ** 2 + params["y"] ** 2)
"""

INITIALIZE = """
initialize = {"vertices": 4, "random": 10}
ParallelTemperingOptimizer(search_space, initialize=initialize).search(objective, n_iter=20)
initialize = {"warm_start": [{"x": 0.5, "y": 1.0}], "random": 5}
opt = ParallelTemperingOptimizer(search_space, initialize=initialize)
opt.search(objective, n_iter=20)
"""

CONSTRAINTS = """
def circular_constraint(para):
    return para["x"]**2 + para["y"]**2 <= 25

constraints = [circular_constraint]
opt = ParallelTemperingOptimizer(search_space, constraints=constraints)
opt.search(objective, n_iter=100)
"""

METRICS = """
def objective_with_metrics(params):
    loss = params["x"] ** 2
    return -loss, {"loss": loss}
opt = ParallelTemperingOptimizer(search_space)
opt.search(objective_with_metrics, n_iter=100)
"""

EARLY_STOPPING = """
opt = ParallelTemperingOptimizer(search_space)
early_stopping = {"n_iter_no_change": 50}
opt.search(objective, n_iter=500, early_stopping=early_stopping)
early_stopping = {"n_iter_no_change": 30, "tol_abs": 0.001}
opt.search(objective, n_iter=500, early_stopping=early_stopping)
"""

STORAGE = """
opt = ParallelTemperingOptimizer(search_space)
from gradient_free_optimizers._storage import SQLiteStorage
opt.search(objective, memory=SQLiteStorage("results.db"), n_iter=50)
"""

WARM_START = """
opt1 = HillClimbingOptimizer(search_space)
opt1.search(objective, n_iter=50)

opt2 = HillClimbingOptimizer(search_space)
opt2.search(objective, n_iter=50,
            memory_warm_start=opt1.search_data)
"""

CALLBACKS = """
opt = ParallelTemperingOptimizer(search_space)

def log_progress(info):
    if info.iteration % 10 == 0:
        print(f"Iter {info.iteration}: best={info.best_score:.4f}")

def stop_early(info):
    if info.best_score > 0.99:
        return False  # stops the search

opt.search(objective, n_iter=100,
           callbacks=[log_progress, stop_early])
"""

CATCH = """
opt = ParallelTemperingOptimizer(search_space)
catch = {ValueError: -1000, RuntimeError: float('nan')}

opt.search(objective, n_iter=100, catch=catch)
"""


def run(*texts):
    """Run examples in one namespace, with only their import lines changed."""
    namespace = {}
    for text in texts:
        lines = [line[4:] if line.startswith((">>> ", "... ")) else line for line in text.strip().splitlines()]
        for old, new in IMPORTS.items():
            lines = [line.replace(old, new) for line in lines]
        exec("\n".join(lines), namespace)
    return namespace


def test_example_of_the_class(capsys):
    optimizer = run(GRIEWANK)["opt"]
    assert len(optimizer.search_data) == 2000
    assert optimizer.best_score > -1.0
    assert "best score" in capsys.readouterr().out


def test_examples_of_search(capsys):
    optimizer = run(BASIC)["opt"]
    assert 31 <= len(optimizer.search_data) <= 1030
    assert optimizer.best_score > -1.0


def test_initialize(capsys):
    table = run(SETUP, INITIALIZE)["opt"].search_data
    assert abs(table["x"][0] - 0.5) < 0.11
    assert abs(table["y"][0] - 1.0) < 0.11


def test_constraints(capsys):
    namespace = run(SETUP, CONSTRAINTS)
    rows = namespace["opt"].search_data.to_dict("records")
    assert len(rows) == 100
    assert all(map(namespace["circular_constraint"], rows))


def test_metrics(capsys):
    table = run(SETUP, METRICS)["opt"].search_data
    assert (table["loss"] == -table["score"]).all()


def test_early_stopping(capsys):
    assert len(run(SETUP, EARLY_STOPPING)["opt"].search_data) < 1000


def test_storage(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(run(SETUP, STORAGE)["opt"].search_data) == 50
    assert (tmp_path / "results.db").exists()
    assert run(SETUP, STORAGE)["opt"].diagnostics.counts()["n_cached"] >= 4  # corners are common to both


def test_memory_warm_start(capsys):
    assert len(run(SETUP, WARM_START)["opt2"].search_data) == 50


def test_callbacks(capsys):
    assert len(run(SETUP, CALLBACKS)["opt"].search_data) == 100
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Iter ")]
    assert len(printed) == 10


def test_catch(capsys):
    assert len(run(SETUP, CATCH)["opt"].search_data) == 100


def test_constructor_has_the_arguments_and_defaults_of_the_page():
    found = inspect.signature(facades.ParallelTemperingOptimizer).parameters
    assert {name: parameter.default for name, parameter in found.items() if name != "search_space"} == {
        "initialize": None,
        "constraints": None,
        "random_state": None,
        "rand_rest_p": 0,
        "nth_process": None,
        "boundary": "clip",
        "population": 5,
        "n_iter_swap": 5,
    }


def test_search_has_the_arguments_and_defaults_of_the_page():
    found = inspect.signature(facades.ParallelTemperingOptimizer.search).parameters
    defaults = {name: parameter.default for name, parameter in found.items()}
    assert list(defaults)[:3] == ["self", "objective_function", "n_iter"]
    assert list(defaults["verbosity"]) == ["progress_bar", "print_results", "print_times"]
    others = {name: default for name, default in defaults.items() if name != "verbosity"}
    assert list(others.items())[3:] == [
        ("max_time", None),
        ("max_score", None),
        ("early_stopping", None),
        ("memory", True),
        ("memory_warm_start", None),
        ("optimum", "maximum"),
        ("callbacks", None),
        ("catch", None),
    ]


@pytest.mark.parametrize("name", ["best_para", "best_score", "best_value", "diagnostics", "search_data"])
def test_attributes_of_the_page(name):
    assert isinstance(getattr(facades.ParallelTemperingOptimizer, name), property)


@pytest.mark.parametrize("name", ["search", "eval_time", "init_stats", "iter_time"])
def test_methods_of_the_page(name):
    assert callable(getattr(facades.ParallelTemperingOptimizer, name))


def test_relatives_that_the_page_names():
    objective = run(SETUP)["objective"]
    space = {"x": np.linspace(-10, 10, 100), "y": np.linspace(-10, 10, 100)}
    for name in ("SimulatedAnnealing", "ParticleSwarm", "EvolutionStrategy", "ParallelTempering"):
        optimizer = getattr(facades, f"{name}Optimizer")(space, random_state=1)
        optimizer.search(objective, n_iter=500, verbosity=False)
        assert optimizer.best_score > -1.0, name
