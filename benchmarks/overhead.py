"""What the machinery costs: time and memory per evaluation beyond the likelihood, and the speed-up with two processes.

    python benchmarks/overhead.py [--profile]

It takes about two minutes. The overhead is the wall time of the whole loop, with the log, minus the time spent in the
likelihood, per evaluation and per batch. The memory is what a log in memory holds on to, and what a run takes for a
while besides. With --profile: where the loop spends its time.
"""

import cProfile
import gc
import pstats
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wilks
from wilks.core.proposal import Evaluations, Phase, Proposals
from wilks.core.status import Outcome, Status
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive

SPACE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5), c=wilks.Real(-5, 5), d=wilks.Real(-5, 5))
PLANE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
SLOW_SECONDS = 0.01
TIMED_SECONDS = 1.0
POINTS = np.random.default_rng(1).uniform(-5, 5, (200_000, 4))


@dataclass(frozen=True)
class Batches:
    """Batches of random points: an algorithm that costs next to nothing (2 us per batch)."""

    n_batches: int
    size: int
    dimension: int = 4
    generational: bool = True

    def init(self, _space: wilks.Space, seed: int, _starts: np.ndarray) -> dict[str, int]:
        return {"batch": 0, "seed": seed}

    def ask(self, state: dict[str, int], _limit: int) -> tuple[Proposals, dict[str, int]]:
        if state["batch"] == self.n_batches:
            return Proposals.empty(self.dimension), state
        first = state["batch"] * self.size
        state["batch"] += 1
        ids = np.arange(first, first + self.size)
        thetas = POINTS[ids[0] % 100_000 :][: self.size, : self.dimension]
        return Proposals(ids, thetas, np.full(self.size, Phase.SEARCH, dtype=np.int8)), state

    def tell(self, state: dict[str, int], _evaluations: Evaluations) -> dict[str, int]:
        return state

    def terminate(self, state: dict[str, int]) -> Status | None:
        return Status(Outcome.CONVERGED) if state["batch"] == self.n_batches else None


def quick(values: dict[str, float]) -> float:
    return -0.5 * (values["a"] ** 2 + values["b"] ** 2 + values["c"] ** 2 + (values["d"] - 0.2 * values["a"] ** 2) ** 2)


def slow(values: dict[str, float]) -> float:
    time.sleep(SLOW_SECONDS)  # waiting, so that the figure does not depend on what else the machine does
    return quick(values)


@contextmanager
def logs(*, on_disk: bool) -> Iterator[wilks.EvaluationLog]:
    with (
        tempfile.TemporaryDirectory() as folder,
        wilks.EvaluationLog(Path(folder) / "log" if on_disk else None) as log,
    ):
        yield log


def in_the_plane(values: dict[str, float]) -> float:
    return -0.5 * (values["a"] ** 2 + values["b"] ** 2)


def run_batches(
    executor: object, log: wilks.EvaluationLog, n_batches: int, size: int, space: wilks.Space = SPACE
) -> int:
    problem = wilks.LikelihoodProblem(space, quick if space is SPACE else in_the_plane)
    log.bind(problem)
    stage = log.stage("key", "title")
    watch = Watch("title", (wilks.MaxTime(1e6),), (lambda _: None,))
    algorithm = Batches(n_batches, size, space.dimension)
    evaluator = Evaluator(problem, as_executor(executor))
    starts = np.empty((0, space.dimension))
    return drive(algorithm, evaluator, stage, watch, seed=1, starts=starts).run.n_evaluations


def run_fit(executor: object, log: wilks.EvaluationLog, function: Callable[[Any], float] = quick) -> int:
    problem = wilks.LikelihoodProblem(SPACE, function)
    return wilks.fit(problem, executor=executor, log=log, seed=1, n_starts=24, callbacks=()).n_evaluations


def run_profile(
    executor: object, log: wilks.EvaluationLog, function: Callable[[Any], float] = quick, n: int = 31
) -> int:
    problem = wilks.LikelihoodProblem(SPACE, function)
    return wilks.profile(
        problem, over=("a", "b"), grid=(n, n), executor=executor, log=log, seed=1, callbacks=()
    ).n_evaluations


def small_profile(executor: object, log: wilks.EvaluationLog, function: Callable[[Any], float]) -> int:
    return run_profile(executor, log, function, 9)


def likelihood_seconds() -> float:
    values = dict.fromkeys("abcd", 0.5)
    began = time.perf_counter()
    for _ in range(100_000):
        quick(values)
    return (time.perf_counter() - began) / 100_000


def timed(run: Callable[..., int], executor: object, *sizes: int, on_disk: bool = False) -> tuple[int, float]:
    """Number of evaluations and the shortest of at least three runs, of many if they are short."""
    best, n = float("inf"), 0
    end, n_runs = time.perf_counter() + TIMED_SECONDS, 0
    while n_runs < 3 or time.perf_counter() < end:
        n_runs += 1
        with logs(on_disk=on_disk) as log:
            began = time.perf_counter()
            n = run(executor, log, *sizes)
            best = min(best, time.perf_counter() - began)
    return n, best


def report(title: str, n: int, seconds: float, own: float, size: int = 0) -> None:
    each = 1e6 * (seconds / n - own)
    batch = f", {each * size:.1f} us per batch" if size else ""
    print(f"{title:<52} {n:>8} evaluations {each:>9.1f} us each beyond the likelihood{batch}")


def overhead() -> None:
    own = likelihood_seconds()
    print(f"the likelihood itself: {1e6 * own:.2f} us")
    serial = wilks.SerialExecutor()
    run_fit(serial, wilks.EvaluationLog())  # imports
    with wilks.ProcessExecutor(2) as processes:
        run_fit(processes, wilks.EvaluationLog())
        for size in (1, 5, 8, 100, 10_000):
            n_batches = 100_000 // size if size > 8 else 500
            for executor, name in ((serial, "serial"), (processes, "2 processes")):
                for on_disk in (False, True):
                    place = "on disk" if on_disk else "in memory"
                    n, seconds = timed(run_batches, executor, n_batches, size, on_disk=on_disk)
                    report(f"loop, batches of {size}, {name}, log {place}", n, seconds, own, size)
        for run, name in ((run_fit, "fit"), (run_profile, "profile")):
            for executor, where in ((serial, "serial"), (processes, "2 processes")):
                n, seconds = timed(run, executor)
                report(f"{name}, {where}, log in memory", n, seconds, own)


def memory(n: int = 100_000, size: int = 5) -> None:
    run_batches(None, wilks.EvaluationLog(), 10, size, PLANE)
    gc.collect()
    tracemalloc.start()
    log = wilks.EvaluationLog()
    run_batches(None, log, n // size, size, PLANE)
    gc.collect()
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"memory of {len(log)} evaluations of two parameters in batches of {size}, log in memory: {kept / n:.0f} bytes "
        f"each, and {1e-6 * (most - kept):.1f} MB for a while"
    )


def speed_up() -> None:
    for run, name in ((run_fit, "fit"), (small_profile, "profile")):
        found = {}
        for n_workers in (1, 2):
            with wilks.ProcessExecutor(n_workers) as executor:
                run_batches(executor, wilks.EvaluationLog(), 10, 100)  # the workers are there
                began = time.perf_counter()
                n = run(executor, wilks.EvaluationLog(), slow)
                found[n_workers] = n, time.perf_counter() - began
        (n_one, one), (n_two, two) = found[1], found[2]
        print(
            f"{name} with a likelihood of {1000 * SLOW_SECONDS:.0f} ms: {one:.2f} s ({n_one} evaluations) with one "
            f"process, {two:.2f} s ({n_two}) with two: {one / two:.2f} times as fast, "
            f"{(one / n_one) / (two / n_two):.2f} per evaluation"
        )


def profile_of_the_loop() -> None:
    profiler = cProfile.Profile()
    log = wilks.EvaluationLog()
    profiler.enable()
    run_batches(None, log, 2000, 8)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    if "--profile" in sys.argv:
        profile_of_the_loop()
    else:
        overhead()
        memory()
        speed_up()
