"""Volume sampling on problems whose profiles are known exactly: cost, mixing, and how much of the region is filled.

    python benchmarks/volume.py [--seeds 1 2 3] [--walkers 1000] [--steps 30]
    python benchmarks/volume.py --memory

Walkers are seeded from a map over the first two parameters. For every problem the mean over the seeds of:
`seeding`: evaluations for one walker to find its level; `moves`: evaluations for one walker and step, fewer than one
where proposals leave the box; `accepted`: share of the moves; `in band`: share of the states; `lowest`, `top`: share of
the states in the emptiest tenth of the log-likelihoods and in the best tenth (even: 0.1); `extent`: range of the
samples of a parameter over the range of the exact region, the least of all parameters; `above`: largest amount by which
a sample lies above the exact profile of the first parameter (rounding only); `us`: time for an evaluation in
microseconds, that of the likelihood included.

With `--memory`, for Gaussians and long chains: steps after which the correlation of the log-likelihood of a walker, and
of its first parameter, has fallen below 1/e.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import wilks
from wilks import problems
from wilks.profiles.volume import samples_of
from wilks.verbs import volume as volume_verb

CASES = {
    "gaussian_3d": lambda: problems.gaussian(3),
    "gaussian_10d": lambda: problems.gaussian(10),
    "banana": problems.banana,
    "bounded_4d": problems.bounded,
    "two_islands": problems.two_islands,
    "rosenbrock_4d": lambda: problems.rosenbrock(4),
    "himmelblau_4d": problems.himmelblau_4d,
    "levy_4d": problems.levy_4d,
}
DEPTH, FINE = 4.0, 2001
COLUMNS = ("seeding", "moves", "accepted", "in band", "lowest", "top", "extent", "above", "us")
MEMORY = ((2, 0.1), (4, 0.1), (8, 0.1), (4, 0.3))


def exact_profile(known, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and the exact profile of one parameter."""
    domain = known.problem.space[name]
    nodes = domain.from_unit(np.linspace(0.0, 1.0, FINE))
    return nodes, known.profile((name,), (nodes,))


def memory(series: np.ndarray) -> int:
    """Steps after which the correlation within the rows, shape (walkers, steps), is below 1/e."""
    centred = series - series.mean()
    for lag in range(1, series.shape[1]):
        if (centred[:, lag:] * centred[:, :-lag]).mean() < np.exp(-1.0) * (centred**2).mean():
            return lag
    return series.shape[1]


def chains(state, n_burn_in: int) -> tuple[np.ndarray, np.ndarray]:
    """Deviation of the log-likelihood from the level, and the first parameter, shape (walkers, steps)."""
    visits, counts = samples_of(state)
    n_steps = state.n_sweeps - n_burn_in
    order = np.lexsort((visits.steps, visits.walkers))
    rows = np.repeat(order, counts[order]).reshape(-1, n_steps)
    return visits.values[rows] - state.levels[:, None], visits.points[rows, 0]


def sampled(problem, **arguments):
    """The result, the last state of the sampler, and the time."""
    kept = {}
    right = volume_verb.samples_of

    def watched(state):
        kept["state"] = state
        return right(state)

    volume_verb.samples_of = watched
    began = time.perf_counter()
    result = wilks.sample_volume(problem, callbacks=(), **arguments)
    seconds = time.perf_counter() - began
    volume_verb.samples_of = right
    return result, kept["state"], seconds


def scores(known, seed: int, n_walkers: int, n_steps: int) -> list[float]:
    over = known.problem.space.free[:2]
    grid = (41,) * len(over)
    start = wilks.profile(known.problem, over=over, grid=grid, roi_threshold=DEPTH, audit=0, seed=seed, callbacks=())
    result, state, seconds = sampled(known.problem, start=start, n_walkers=n_walkers, n_steps=n_steps, seed=seed)
    moves = n_walkers * n_steps - result.n_outside
    tenths = result.histogram[1].reshape(10, 2).sum(axis=1) / result.counts.sum()
    extents = []
    for column, name in zip(result.samples.T, known.problem.space.free, strict=True):
        nodes, profile = exact_profile(known, name)
        inside = nodes[profile > known.maximum - DEPTH]
        extents.append(np.ptp(column) / np.ptp(inside))
    nodes, profile = exact_profile(known, known.problem.space.free[0])
    above = result.log_likelihoods - np.interp(result.samples[:, 0], nodes, profile)
    return [
        (state.n_asked - moves) / n_walkers,
        moves / (n_walkers * n_steps),
        result.mean_acceptance,
        result.in_band_fraction,
        tenths.min(),
        tenths[-1],
        min(extents),
        above.max(),
        1e6 * seconds / result.n_evaluations,
    ]


def print_memory(n_walkers: int = 120, n_steps: int = 1500) -> None:
    heads = ("d", "sigma", "accepted", "in band", "log L", "place")
    print("".join(f"{head:>9s}" for head in heads))
    for dimension, fraction in MEMORY:
        space = wilks.Space({f"x{i}": wilks.Real(-20, 20) for i in range(dimension)})
        problem = wilks.LikelihoodProblem(space, lambda values: -0.5 * sum(x * x for x in values.values()))
        options = wilks.VolumeOptions(sigma_fraction=fraction)
        result, state, _ = sampled(problem, n_walkers=n_walkers, n_steps=n_steps, options=options, seed=1)
        lags = [memory(series) for series in chains(state, n_steps // 3)]
        row = (dimension, fraction, result.mean_acceptance, result.in_band_fraction, *lags)
        print("".join(f"{value:9.3g}" for value in row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--walkers", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--problems", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--memory", action="store_true")
    chosen = parser.parse_args()
    if chosen.memory:
        print_memory()
        return
    print(f"{'':15s}" + "".join(f"{column:>9s}" for column in COLUMNS))
    for name in chosen.problems:
        known = CASES[name]()
        rows = [scores(known, seed, chosen.walkers, chosen.steps) for seed in chosen.seeds]
        print(f"{name:15s}" + "".join(f"{value:9.3g}" for value in np.mean(rows, axis=0)), flush=True)


if __name__ == "__main__":
    main()
