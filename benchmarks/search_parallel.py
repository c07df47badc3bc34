"""What more workers do for a search: the same answer, sooner.

    python benchmarks/search_parallel.py

Every evaluation of a search with 1, 2 and 4 workers is compared bit for bit. The speed-up is that of two processes over
one call after the other, with an objective of 20 ms: one that waits, so that the figure does not depend on what else
the machine does, and one that computes. It takes about a minute and a half.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import wilks
from wilks.searchers.result import SearchResult

SECONDS = 0.02
N_IDENTICAL, N_TIMED = 600, 400
SPACE = wilks.Space(
    x=wilks.Real(-5, 5),
    y=wilks.Real(1e-3, 1e3, scale="log"),
    n=wilks.Integer(0, 20),
    kind=wilks.Categorical(["a", "b", "c"]),
)
ALGORITHMS = {
    "default": (),
    "default, batches of 4": (wilks.Portfolio(batch_size=4),),
    "ParallelTempering": (wilks.ParallelTempering(),),
}

Function = Callable[[Mapping[str, Any]], float]


def quick(values: Mapping[str, Any]) -> float:
    ripple = 1 - np.cos(6 * (values["x"] - 1))
    far = (values["x"] - 1) ** 2 + np.log(values["y"]) ** 2 + 0.1 * (values["n"] - 7) ** 2
    return -float(far + ripple + (values["kind"] != "b"))


def waiting(values: Mapping[str, Any]) -> float:
    time.sleep(SECONDS)
    return quick(values)


def computing(values: Mapping[str, Any]) -> float:
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        quick(values)
    return quick(values)


def search(function: Function, name: str, executor: object, n: int) -> SearchResult:
    problem = wilks.LikelihoodProblem(SPACE, function)
    return wilks.search(problem, *ALGORITHMS[name], n_evaluations=n, executor=executor, seed=1, callbacks=())


def course(name: str, executor: object) -> tuple[list[list[float]], list[Any]]:
    """How the best rose, and every evaluation, sorted: those of one batch come back in any order."""
    result = search(quick, name, executor, N_IDENTICAL)
    rows = result.to_dataframe()[[*SPACE.free, "log_likelihood"]].itertuples(index=False, name=None)
    return result.history.tolist(), sorted(rows)


def timed(function: Function, name: str, executor: object) -> float:
    began = time.perf_counter()
    search(function, name, executor, N_TIMED)
    return time.perf_counter() - began


def main() -> None:
    with wilks.ProcessExecutor(2) as two, wilks.ProcessExecutor(4) as four:
        for name in ALGORITHMS:
            serial = course(name, wilks.SerialExecutor())
            same = [course(name, executor) == serial for executor in (two, four)]
            print(f"{name}: {len(serial[1])} evaluations, identical with 2 and with 4 workers: {same[0]}, {same[1]}")
        for name in ALGORITHMS:
            for function in (waiting, computing):
                alone, together = timed(function, name, wilks.SerialExecutor()), timed(function, name, two)
                print(
                    f"{name}, objective {function.__name__} {1000 * SECONDS:.0f} ms, {N_TIMED} evaluations: "
                    f"{alone:.2f} s serial, {together:.2f} s with two processes, {alone / together:.2f} times as fast"
                )


if __name__ == "__main__":
    main()
