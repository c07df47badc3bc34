"""What a pass over all pairs of an XPCS experiment costs, for each kernel: 23 angles of 1001 times, 11.5 million pairs.

    python benchmarks/xpcs_kernel.py

It takes about a minute. CPU time is that of all threads; memory is the peak of the process above what it held before
the pass. The first call of the compiled kernel comes from its cache where there is one. The coarse sums are those of
the search: 96 x 48 pairs for a gradient, 24 x 24 for the screening of 1000 sets of parameters.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np

from wilks.xpcs.coarse import coarsen
from wilks.xpcs.curves import Curves
from wilks.xpcs.gram import Kernel, choose_kernel, coarse_gram, coarse_scan, gram
from wilks.xpcs.model import Geometry, curves
from wilks.xpcs.pairs import Pairs

N_ANGLES, N_TIMES, DT = 23, 1001, 0.1
REPEATS = 5
TRUTH = {
    "D0": 16830.0, "alpha": -1.571, "D_offset": 3.0,
    "gamma_dot_0": 2e-3, "beta": -0.2, "gamma_dot_offset": 1e-4, "phi0": -5.0,
}  # fmt: skip


def model(mode: str) -> Curves:
    t = np.arange(N_TIMES) * DT
    phi = np.linspace(-90, 90, N_ANGLES)
    return curves(TRUTH, Geometry(t=t, dt=DT, q=0.0054, gap=2e6, phi=phi), mode)


def data(dtype: type) -> Pairs:
    rng = np.random.default_rng(1)
    n_pairs = N_TIMES * (N_TIMES - 1) // 2
    y = np.empty((N_ANGLES, n_pairs), dtype)
    for row in y:
        row[:] = 0.02 * rng.normal(size=n_pairs)
    ones = np.ones(N_ANGLES)
    return Pairs(N_TIMES, y, None, ones, 0.02 * ones, np.full(N_ANGLES, n_pairs))


def quickest(call: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of the quickest of some calls."""
    times = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    best = np.min(times, axis=0)
    return float(best[0]), float(best[1])


def peak() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str) -> None:
    kernel: Kernel = choose_kernel(1, 1, force=name)
    angles = np.arange(N_ANGLES)
    for mode in ("laminar_flow", "static") if name == "numpy" else ("laminar_flow",):
        at = model(mode)
        for dtype in (np.float64, np.float32):
            pairs = data(dtype)
            for derivatives in (True, False):
                before, started = peak(), time.process_time()
                gram(pairs, at, angles, derivatives=derivatives, kernel=kernel, n_threads=1)
                first, more = time.process_time() - started, peak() - before
                one = quickest(lambda: gram(pairs, at, angles, derivatives=derivatives, kernel=kernel, n_threads=1))  # noqa: B023
                two = quickest(lambda: gram(pairs, at, angles, derivatives=derivatives, kernel=kernel, n_threads=2))  # noqa: B023
                print(
                    f"{name:6s} {mode:13s} {np.dtype(dtype).name:8s} {'full' if derivatives else 'cost':5s}"
                    f"{one[0] / pairs.y.size * 1e9:7.1f} ns/pair {one[0]:7.3f} CPU-s (first {first:6.2f})"
                    f"  wall {one[1]:6.3f} s, 2 threads {two[1]:6.3f} s, {two[0]:6.3f} CPU-s  +{more:4.0f} MB"
                )


def measure_coarse() -> None:
    pairs, at = data(np.float64), model("laminar_flow")
    fine, rough = coarsen(pairs, 96, 48), coarsen(pairs, 24, 24)
    cpu, _ = quickest(lambda: [coarse_gram(fine, at) for _ in range(20)])
    print(f"coarse gram of {fine.y.shape[0]} x {fine.y.shape[1]} pairs: {cpu / 20 * 1e3:.2f} CPU-ms")
    cpu, _ = quickest(lambda: coarse_scan(rough, [at] * 1000))
    print(f"coarse scan of {rough.y.shape[0]} x {rough.y.shape[1]} pairs, 1000 points: {cpu:.3f} CPU-s")


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    for target, arguments in ((measure, ("numpy",)), (measure, ("numba",)), (measure_coarse, ())):
        process = spawn.Process(target=target, args=arguments)
        process.start()
        process.join()
