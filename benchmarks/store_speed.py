"""Speed of the log: commits, checkpoints, resumption, reading and export, in memory and in a file.

    python benchmarks/store_speed.py [FOLDER]

FOLDER is on the disk to measure; a temporary folder by default.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import wilks
from wilks.core.proposal import Evaluations
from wilks.store.exports import export
from wilks.store.log import EvaluationLog

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSION = 6
COMMITS = [(1, 3000, False), (16, 3000, False), (16, 3000, True), (1000, 500, False), (20_000, 50, False)]
STATE_BYTES = 100_000


def problem() -> wilks.LikelihoodProblem:
    space = wilks.Space({f"p{number}": wilks.Real(0, 1) for number in range(DIMENSION)})
    return wilks.LikelihoodProblem(space, lambda values: -values["p0"], name="speed")


def evaluations(n: int, *, payloads: bool) -> Evaluations:
    generator = np.random.default_rng(1)
    return Evaluations(
        ids=np.arange(n),
        thetas=generator.random((n, DIMENSION)),
        phases=np.zeros(n, np.int8),
        log_likelihoods=-generator.random(n),
        statuses=np.zeros(n, np.int8),
        seconds=np.zeros(n, np.float32),
        workers=np.zeros(n, np.int32),
        payloads=[np.zeros(DIMENSION)] * n if payloads else None,
    )


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure(path: Path | None, folder: Path) -> None:
    print(f"\n{'in memory' if path is None else path}")
    print(f"{'rows':>8} {'payloads':>9} {'median us':>10} {'p99 us':>9} {'mean us':>9} {'rows/s':>11}")
    with EvaluationLog(path) as log:
        log.bind(problem())
        stage = log.stage("s", "S")
        for n, repeats, payloads in COMMITS:
            batch = evaluations(n, payloads=payloads)
            times = 1e6 * np.array([timed(lambda batch=batch: stage.commit(batch)) for _ in range(repeats)])
            print(
                f"{n:8} {'yes' if payloads else 'no':>9} {np.median(times):10.1f} {np.percentile(times, 99):9.0f} "
                f"{times.mean():9.1f} {n / times.mean() * 1e6:11,.0f}"
            )
        stage.commit(None, b"first")
        batch = evaluations(16, payloads=True)
        state = bytes(STATE_BYTES)
        times = 1e6 * np.array([timed(lambda: stage.commit(batch, state)) for _ in range(200)])
        print(f"commit of 16 with a state of {STATE_BYTES // 1000} kB: median {np.median(times):.0f} us")
        for _ in range(1000):
            stage.commit(batch)
        print(f"resume with {1000 * len(batch):,} rows after the checkpoint: {timed(stage.resume):.3f} s")
        print(f"{len(log):,} rows: ", end="")
        reads = {"arrays": log.arrays, "top 100": lambda: log.top(100), "best": log.best, "counts": log.counts}
        reads |= {"stages": log.stages, "dataframe": log.to_dataframe}
        print(", ".join(f"{name} {timed(read):.4f} s" for name, read in reads.items()))
        if path is not None:
            log.close()
            began = time.perf_counter()
            with EvaluationLog(path) as again:
                seconds = time.perf_counter() - began
                print(f"{path.stat().st_size / 1e6:.0f} MB, checked and opened to write in {seconds:.3f} s")
                for name in ("s.csv", "s.h5", "s.parquet", "s.nc"):
                    seconds = timed(lambda name=name: export(again, folder / name))
                    print(f"export {name}: {seconds:.2f} s, {len(again) / seconds:,.0f} rows/s")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        for path in (None, Path(name) / "run.sqlite"):
            measure(path, Path(name))


if __name__ == "__main__":
    main()
