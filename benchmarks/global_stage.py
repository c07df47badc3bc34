"""Cost and safety of the global stage of a profile map: how many evaluations, which optima, how well used the workers.

    python benchmarks/global_stage.py [--seeds 1 2 3 4 5] [--problems gaussian_10d] [--workers 1 8 32 128] [--fit]

prints, for each problem and number of workers on a virtual clock (see `virtual_clock.py`): the median and the worst
number of evaluations over the seeds, how many optima of interest each seed found, the largest error of the best value,
the utilisation (time in which the workers worked), and the speed-up over one worker, which does not count what a start
that was withdrawn has spent. `--fit` runs the stage as a fit does: generational, and only the best optimum matters.
"""

import argparse

import numpy as np
from profile_accuracy import CASES
from virtual_clock import Clock

from wilks.searchers.multistart import MultiStart
from wilks.verbs.fit import local_solvers

NAMES = ("gaussian_10d", "rosenbrock_8d", "rosenbrock_4d", "himmelblau_4d", "rastrigin_4d", "levy_4d")


def stage(case, seed, n_workers, *, is_fit):
    """Run the stage once: its clock, the optima of interest, the error of the best value."""
    known = case.known
    depth = 0.0 if is_fit else case.threshold + 1.0
    algorithm = MultiStart(*local_solvers(known.problem), depth=depth, rolling=not is_fit)
    clock = Clock(n_workers, seed)
    state, _ = clock.simulate(algorithm, known.problem, seed=seed)
    best = state.basins[0].value
    return clock, len(state.of_interest(depth)), known.maximum - best, state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--problems", nargs="+", choices=list(CASES), default=list(NAMES))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    print(
        f"{'problem':14s} {'workers':>7s} {'evals':>7s} {'worst':>7s} {'error':>8s} {'used':>5s} {'speed-up':>8s}  "
        "optima found, ended by"
    )
    for name in arguments.problems:
        case = CASES[name]
        alone = {}
        for n_workers in arguments.workers:
            runs = {seed: stage(case, seed, n_workers, is_fit=arguments.fit) for seed in arguments.seeds}
            cost = [clock.n_evaluations for clock, *_ in runs.values()]
            alone = alone or {seed: clock.busy for seed, (clock, *_) in runs.items()}
            faster = [alone[seed] / clock.makespan for seed, (clock, *_) in runs.items()]
            print(
                f"{name:14s} {n_workers:7d} {np.median(cost):7.0f} {max(cost):7d} "
                f"{max(error for _, _, error, _ in runs.values()):8.1e} "
                f"{np.median([clock.efficiency for clock, *_ in runs.values()]):5.2f} {np.median(faster):8.1f}  "
                f"{[n for _, n, _, _ in runs.values()]}, "
                f"{', '.join(sorted({state.ended_by for *_, state in runs.values()}))}",
                flush=True,
            )


if __name__ == "__main__":
    main()
