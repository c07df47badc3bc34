"""What it costs to spread the shards of a likelihood over workers, and what it gains.

    python benchmarks/sharded_likelihood.py [--points 500000] [--mpi]

It takes about a minute; with --mpi, start it by mpiexec. The data are numbers in 8 shards, the sums those of a curve
that costs 10 to 20 ns per number. A row: time per evaluation, one by one and in batches of 50; the speed-up over the
unsharded likelihood in this process, and the largest relative difference from it, which is the rounding of a linear
algebra library with another number of threads; last, the time per evaluation when there are next to no data.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

import wilks
from wilks.core.proposal import Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor

SPACE = wilks.Space(rate=wilks.Real(0.1, 3), height=wilks.Real(0.5, 2))
N_SHARDS, N_THETAS = 8, 50
THETAS = np.random.default_rng(2).uniform([0.1, 0.5], [3.0, 2.0], (N_THETAS, 2))


def sums(values: dict[str, float], shard: np.ndarray) -> list[float]:
    curve = values["height"] * np.exp(-values["rate"] * shard[0])
    return [curve @ curve, curve @ shard[1], shard[1] @ shard[1]]


def batch_sums(values: dict[str, np.ndarray], shard: np.ndarray) -> np.ndarray:
    points = zip(values["rate"], values["height"], strict=True)
    return np.array([sums({"rate": rate, "height": height}, shard) for rate, height in points])


def log_likelihood(_values: dict[str, float], total: np.ndarray) -> np.ndarray:
    return -50.0 * (total[..., 0] - 2.0 * total[..., 1] + total[..., 2])


def problem(n_points: int, *, vectorized: bool) -> wilks.AdditiveProblem:
    rng = np.random.default_rng(1)
    times = np.linspace(0.0, 3.0, n_points)
    data = np.stack([times, np.exp(-times) + rng.normal(0.0, 0.1, n_points)])
    shards = [np.ascontiguousarray(part) for part in np.array_split(data, N_SHARDS, axis=1)]
    return wilks.AdditiveProblem(
        SPACE, shards, batch_sums if vectorized else sums, log_likelihood, vectorized=vectorized, name="curve"
    )


def timed(asked: wilks.AdditiveProblem, executor: object) -> tuple[float, np.ndarray]:
    """Seconds per evaluation, when the data are in place, and the log-likelihoods."""
    seconds, found = [], np.empty(N_THETAS)
    for _ in range(3):
        evaluator = Evaluator(asked, as_executor(executor))
        evaluator.submit(Proposals(np.arange(N_THETAS), THETAS, np.zeros(N_THETAS, dtype=np.int8)))
        began = time.perf_counter()
        while evaluator.outstanding:
            for part in evaluator.collect():
                found[part.ids] = part.log_likelihoods
        seconds.append((time.perf_counter() - began) / N_THETAS)
    return min(seconds), found


def executors(*, mpi: wilks.MPIExecutor | None) -> Iterator[tuple[str, Callable[[], object]]]:
    if mpi is not None:
        yield mpi.name, lambda: mpi
        return
    yield "this process", lambda: None
    for n in (1, 2):
        yield f"{n} processes", lambda n=n: wilks.ProcessExecutor(n)
    yield "Dask, 2 workers", lambda: wilks.DaskExecutor(n_workers=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=500_000)
    parser.add_argument("--mpi", action="store_true")
    options = parser.parse_args()
    mpi = wilks.MPIExecutor() if options.mpi else None
    cases = {"one by one": False, "batches": True}
    problems = {name: problem(options.points, vectorized=vectorized) for name, vectorized in cases.items()}
    tiny = problem(8 * 10, vectorized=False)
    reference = {name: timed(each, None) for name, each in problems.items()}
    print(
        f"{options.points} numbers, {N_SHARDS} shards; unsharded, one by one: {1e3 * reference['one by one'][0]:.1f} ms"
    )
    print(f"{'shards on':<18} {'one by one':>11} {'batches':>9} {'speed-up':>9} {'difference':>11} {'no data':>9}")
    for name, make in executors(mpi=mpi):
        with wilks.ShardedExecutor(make()) as executor:
            rows = {case: timed(each, executor) for case, each in problems.items()}
            overhead = timed(tiny, executor)[0]
        base, expected = reference["batches"]
        difference = max(np.max(np.abs(found / expected - 1.0)) for _, found in rows.values())
        columns = [f"{1e3 * rows[case][0]:.2f} ms" for case in cases]
        print(
            f"{name:<18} {columns[0]:>11} {columns[1]:>9} {base / rows['batches'][0]:>8.2f}x {difference:>11.1e} "
            f"{1e6 * overhead:>6.0f} us"
        )


if __name__ == "__main__":
    main()
