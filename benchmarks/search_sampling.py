"""Parallel tempering as a sampler: total variation, mode masses and log-evidence against exact distributions.

    python benchmarks/search_sampling.py [--seeds 6] [--budgets 20000 100000] [--targets mixture_1d] [--processes 2]

Every evaluation counts: first points, burn-in and all rungs. Beside the gates is the better of pyPESTO and PINTS, as
measured on the same mixtures at equal numbers of proposals.
"independent" is the total variation of as many exact draws. The last table is the time per evaluation of the
sampler's own arithmetic, without the driver loop and without the likelihood.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pool

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

import wilks
from wilks.searchers.state import Batch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A two-mode density in a box with its exact bin probabilities."""

    problem: wilks.LikelihoodProblem
    edges: Array
    probabilities: Array  # of the bins of all axes, flattened
    upper_mass: float  # of the mode where x > 0
    log_evidence: float
    peers: dict[int, tuple[float, str]]  # budget -> the best total variation of other samplers, and whose it is
    limits: dict[int, float]


def mixture(dimension: int, n_bins: int) -> Target:
    """0.3 N(-8, 1) + 0.7 N(8, 0.5) in [-20, 20]^d."""

    def log_likelihood(values: dict[str, float]) -> float:
        first = second = 0.0
        for x in values.values():
            first -= 0.5 * (x + 8) ** 2
            second -= 2.0 * (x - 8) ** 2
        second += dimension * math.log(2)
        high = max(first, second)
        return high + math.log(0.3 * math.exp(first - high) + 0.7 * math.exp(second - high))

    space = wilks.Space({f"x{i}": wilks.Real(-20, 20) for i in range(dimension)})
    edges = np.linspace(-20, 20, n_bins + 1)
    parts = [np.diff(ndtr((edges - mean) / sd)) for mean, sd in ((-8, 1.0), (8, 0.5))]
    grids = [part if dimension == 1 else np.outer(part, part).ravel() for part in parts]
    evidence = 0.5 * dimension * math.log(2 * math.pi) - dimension * math.log(40)
    peers = {20_000: (0.053, "pyPESTO"), 100_000: (0.023, "pyPESTO")}
    if dimension == 2:
        peers = {20_000: (0.247, "PINTS"), 100_000: (0.113, "PINTS")}
    limits = {20_000: 0.10, 100_000: 0.03} if dimension == 1 else {20_000: 0.22, 100_000: 0.10}
    problem = wilks.LikelihoodProblem(space, log_likelihood)
    return Target(problem, edges, 0.3 * grids[0] + 0.7 * grids[1], 0.7, evidence, peers, limits)


def grid_mixture(dimension: int, n_values: int, sd: float) -> Target:
    """0.7 at -3 and 0.3 at +3 on a grid over [-6, 6]^d."""
    axis = np.linspace(-6, 6, n_values)

    def log_likelihood(values: dict[str, float]) -> float:
        first = second = 0.0
        for x in values.values():
            first -= 0.5 * ((x + 3) / sd) ** 2
            second -= 0.5 * ((x - 3) / sd) ** 2
        high = max(first, second)
        return high + math.log(0.7 * math.exp(first - high) + 0.3 * math.exp(second - high))

    space = wilks.Space({f"x{i}": wilks.Grid(axis) for i in range(dimension)})
    problem = wilks.LikelihoodProblem(space, log_likelihood)
    points = np.stack(np.meshgrid(*[axis] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    likelihood = np.exp([log_likelihood({f"x{i}": x for i, x in enumerate(point)}) for point in points])
    probabilities = likelihood / likelihood.sum()
    step = axis[1] - axis[0]
    edges = np.append(axis - step / 2, axis[-1] + step / 2)
    upper = float(probabilities[points[:, 0] > 0].sum())
    limits = {20_000: 0.10, 100_000: 0.03} if dimension == 1 else {20_000: 0.22, 100_000: 0.10}
    return Target(problem, edges, probabilities, upper, math.log(likelihood.mean()), {}, limits)


TARGETS: dict[str, Callable[[], Target]] = {
    "mixture_1d": lambda: mixture(1, 200),
    "mixture_2d": lambda: mixture(2, 80),
    "grid_1d": lambda: grid_mixture(1, 61, 0.75),
    "grid_2d": lambda: grid_mixture(2, 31, 0.8),
}


def histogram(target: Target, columns: list[Array], weights: Array | None = None) -> Array:
    """Share of the draws in every bin, flattened."""
    counts, _ = np.histogramdd(np.stack(columns, axis=-1), [target.edges] * len(columns), weights=weights)
    return counts.ravel() / counts.sum()


def variation(target: Target, shares: Array) -> float:
    return 0.5 * float(np.abs(shares - target.probabilities).sum())


@dataclass(frozen=True)
class Measured:
    """What one run reached."""

    variation: float
    weighted: float
    independent: float
    mass_error: float
    evidence_error: float
    z: float
    n_rungs: int
    n_draws: int
    round_trips: int


def run(job: tuple[str, int, int]) -> Measured:
    name, budget, seed = job
    target = TARGETS[name]()
    sampler = wilks.ParallelTempering(sampling=True)
    result = wilks.search(target.problem, sampler, n_evaluations=budget, seed=seed, callbacks=[])
    sample = result.sample
    names = list(sample.draws)
    draws = [sample.draws[n][0] for n in names]
    everything = [sample.states[n].ravel() for n in names]
    exact = np.random.default_rng(seed).multinomial(len(draws[0]), target.probabilities / target.probabilities.sum())
    return Measured(
        variation(target, histogram(target, draws)),
        variation(target, histogram(target, everything, sample.weights.ravel())),
        variation(target, exact / len(draws[0])),
        float((draws[0] > 0).mean()) - target.upper_mass,
        sample.log_evidence - target.log_evidence,
        (sample.log_evidence - target.log_evidence) / sample.log_evidence_error,
        len(sample.betas),
        len(draws[0]),
        result.round_trips,
    )


def arithmetic_time(name: str, budget: int) -> float:
    """Microseconds per evaluation in `propose` and `absorb`: without the driver loop and the likelihood."""
    target = TARGETS[name]()
    space = target.problem.space
    sampler = wilks.ParallelTempering(sampling=True, budget=budget)
    state = sampler.init(space, 1, np.empty((0, space.dimension)))

    def losses(points: list[list[float]]) -> list[float]:
        rows = state.coordinates.thetas(points).tolist()
        return [-target.problem.log_likelihood(space.values_of_row(row)) for row in rows]

    state.n_told = len(state.first)
    sampler.begin(state, state.first, losses(state.first))
    spent = 0.0
    while state.n_told < budget:
        began = time.process_time()
        points, notes = sampler.propose(state)
        spent += time.process_time() - began
        batch = Batch(0, points, losses(points), notes=notes)
        state.n_told += len(points)
        began = time.process_time()
        sampler.absorb(state, batch)
        spent += time.process_time() - began
    return spent / budget * 1e6


def report(name: str, budget: int, found: list[Measured]) -> str:
    target = TARGETS[name]()
    mean = {field: np.array([getattr(m, field) for m in found], dtype=float) for field in Measured.__annotations__}
    limit, (peer, whose) = target.limits[budget], target.peers.get(budget, (math.inf, "not measured"))
    v = mean["variation"]
    passed = v.mean() <= limit and np.abs(mean["mass_error"].mean()) < 0.05 and v.mean() < peer
    cells = [
        name,
        str(budget),
        f"{mean['n_rungs'].mean():.1f}",
        f"{mean['n_draws'].mean():.0f}",
        f"{v.mean():.4f} ({v.max():.4f})",
        f"{mean['weighted'].mean():.4f}",
        f"{mean['independent'].mean():.4f}",
        f"{limit}",
        f"{peer:.3f} ({whose})",
        f"{mean['mass_error'].mean():+.4f} / {mean['mass_error'].std():.4f}",
        f"{mean['evidence_error'].mean():+.4f} / {mean['evidence_error'].std():.4f}",
        f"{np.sqrt((mean['z'] ** 2).mean()):.2f}",
        f"{mean['round_trips'].mean():.0f}",
        "yes" if passed else "NO",
    ]
    return "|" + "|".join(cells) + "|"


HEAD = (
    "target",
    "evaluations",
    "rungs",
    "draws",
    "TV mean (max)",
    "TV weighted",
    "independent",
    "gate",
    "best of others",
    "mass error mean / sd",
    "log Z error mean / sd",
    "rms of error / standard error",
    "round trips",
    "passed",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budgets", type=int, nargs="+", default=[20_000, 100_000], choices=[20_000, 100_000])
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print("|" + "|".join(HEAD) + "|\n" + "|---" * len(HEAD) + "|")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with Pool(options.processes) as pool:
        for name in options.targets:
            for budget in options.budgets:
                found = pool.map(run, [(name, budget, seed) for seed in seeds], chunksize=1)
                print(report(name, budget, found), flush=True)
    print("\n|target|own arithmetic, us per evaluation|\n|---|---|")
    for name in options.targets:
        print(f"|{name}|{arithmetic_time(name, 20_000):.1f}|")


if __name__ == "__main__":
    main()
