"""CPU time and memory of parallel tempering beside Gradient-Free-Optimizers, which it is run in turn with.

    python benchmarks/search_overhead.py

It needs the environment that search_peers.py describes, and takes some minutes. Times are process times per evaluation
beyond the objective itself, the least of three; five replicas each. `facade` is the class of the same name and
signature in wilks.facades, `search` is `wilks.search`, and `batches of 5` the same with an objective that takes the
points of all replicas at once; `batches of 10` and `of 50` have as many replicas. GFO evaluates one point after the
other and takes the same time for any number of replicas. On grids `search` evaluates no point twice, which GFO and the
facade do here. Memory is what stays allocated for each evaluation, its row in the log included.
"""

import gc
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradient_free_optimizers as gfo
import numpy as np

import wilks
import wilks.facades

POPULATION, BATCHES = 5, (5, 10, 50)
DIMENSIONS = (2, 10, 50)
LENGTHS = (1_000, 10_000)
MEMORY_LENGTHS = (1_000, 5_000)
REPEATS = 3

Run = Callable[..., object]


def objective(values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number, or an array of numbers
    return -(values["x0"] ** 2) - values["x1"] ** 2


def objective_seconds() -> float:
    values = {"x0": 0.5, "x1": 0.5}
    began = time.process_time()
    for _ in range(200_000):
        objective(values)
    return (time.process_time() - began) / 200_000


def by_class(module: Any, dimension: int, *, grid: bool, extras: Mapping[str, Any], n: int) -> object:  # noqa: ANN401 - a module
    axis = np.linspace(-10, 10, 1000) if grid else (-10.0, 10.0)
    optimizer = module.ParallelTemperingOptimizer(
        {f"x{i}": axis for i in range(dimension)}, population=POPULATION, random_state=1
    )
    optimizer.search(objective, n_iter=n, memory=False, verbosity=False, **extras)
    return optimizer


def by_verb(dimension: int, population: int, *, grid: bool, vectorized: bool, n: int) -> object:
    domain = wilks.Grid(np.linspace(-10, 10, 1000)) if grid else wilks.Real(-10, 10)
    space = wilks.Space({f"x{i}": domain for i in range(dimension)})
    problem = wilks.LikelihoodProblem(space, objective, vectorized=vectorized)
    algorithm = wilks.ParallelTempering(n_replicas=population)
    return wilks.search(problem, algorithm, n_evaluations=n, seed=1, callbacks=())


def runs(dimension: int, *, grid: bool) -> dict[str, Run]:
    return {
        "GFO": partial(by_class, gfo, dimension, grid=grid, extras={}),
        "facade": partial(by_class, wilks.facades, dimension, grid=grid, extras={}),
        "search": partial(by_verb, dimension, POPULATION, grid=grid, vectorized=False),
    } | {f"batches of {n}": partial(by_verb, dimension, n, grid=grid, vectorized=True) for n in BATCHES}


def watched_runs(dimension: int) -> dict[str, Run]:
    """With a callback and early stopping, which look at the whole course in GFO."""
    extras = {"callbacks": [lambda _: None], "early_stopping": {"n_iter_no_change": 10**6}}
    modules = {"GFO": gfo, "facade": wilks.facades}
    return {name: partial(by_class, m, dimension, grid=False, extras=extras) for name, m in modules.items()}


def seconds(run: Run, n: int) -> float:
    gc.collect()
    began = time.process_time()
    run(n=n)
    return (time.process_time() - began) / n


def bytes_each(run: Run) -> float:
    """Memory that stays per evaluation: the difference between a long and a short run."""
    kept = []
    for n in MEMORY_LENGTHS:
        tracemalloc.start()
        result = run(n=n)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        del result
    return (kept[1] - kept[0]) / (MEMORY_LENGTHS[1] - MEMORY_LENGTHS[0])


def compare(title: str, methods: Mapping[str, Run], own: float) -> None:
    for run in methods.values():
        run(n=100)  # imports
    memory = {name: bytes_each(run) for name, run in methods.items()}
    for n in LENGTHS:
        times = dict.fromkeys(methods, math.inf)
        for _ in range(REPEATS):
            for name, run in methods.items():
                times[name] = min(times[name], seconds(run, n) - own)
        for name, each in times.items():
            ratio = "" if name == "GFO" else f"GFO / {times['GFO'] / each:.1f}"
            print(f"|{title}|{n}|{name}|{1e6 * each:.1f}|{ratio}|{memory[name]:.0f}|", flush=True)


def in_new_interpreter(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own code


CONSTRUCTION = """
import resource, time
import numpy as np
from {module} import ParallelTemperingOptimizer
grid = {{name: np.linspace(0, 1, 10**6) for name in "xy"}}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
ParallelTemperingOptimizer(grid, random_state=1)
passed = time.perf_counter() - began
print(f"{{1e3 * passed:.1f}} ms, {{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.1f}} MB")
"""

IMPORT = """
import sys, time
began = time.perf_counter()
from {module} import {name}
print(time.perf_counter() - began, "pandas" in sys.modules)
"""


def import_time(module: str, name: str) -> str:
    found = [in_new_interpreter(IMPORT.format(module=module, name=name)).split() for _ in range(5)]
    pandas = "with" if found[0][1] == "True" else "without"
    return f"{min(float(passed) for passed, _ in found):.2f} s, {pandas} pandas"


def main() -> None:
    own = objective_seconds()
    print("|parameters|evaluations|method|us for each|ratio|bytes for each|\n" + "|---" * 6 + "|")
    for dimension in DIMENSIONS:
        for grid in (True, False):
            compare(f"{dimension} {'grids' if grid else 'reals'}", runs(dimension, grid=grid), own)
    compare("10 reals, callback and early stopping", watched_runs(10), own)
    print("\nConstruction on a grid of 1e6 x 1e6 points, and import:\n")
    for module in ("gradient_free_optimizers", "wilks.facades"):
        construction = in_new_interpreter(CONSTRUCTION.format(module=module))
        print(f"* {module}: {construction}; import {import_time(module, 'ParallelTemperingOptimizer')}")
    print(f"* wilks: import {import_time('wilks', 'Space')}")


if __name__ == "__main__":
    main()
