"""Quality of `wilks.search` beside its peers: median best loss on nine shifted problems at equal numbers of calls.

    python benchmarks/search_quality.py [--ours wilks wilks.ParallelTempering] [--seeds 20] [--problems mixed]

Every call of the loss counts, those for gradients by finite differences too; problem and method have the same seed. A
peer knows no budget: one run of 2000 calls is read after 200 and 1000 as well. Ours knows its budget and is run for
each. What the peers reached is kept in results/search_quality_peers.json; a run that is not in there needs the
environment that search_peers.py describes. The default takes some minutes with two processes.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from search_peers import PEERS, read_results, run_ours, run_peer, versions, write_results
from search_problems import PROBLEMS

PEERS_FILE = Path(__file__).parent / "results" / "search_quality_peers.json"
BUDGETS = (200, 1000, 2000)
# Losses below this are rounding, and one is as good as the other.
SOLVED = 1e-12

Job = tuple[str, str, int]
Losses = dict[tuple[str, str], np.ndarray]


def losses(job: Job) -> list[float]:
    """Best loss of one method on one problem after each budget."""
    method, name, seed = job
    problem = PROBLEMS[name](seed)
    if method in PEERS:
        recorder = run_peer(method, problem.space, problem.loss, BUDGETS[-1], seed)
        return [recorder.after(n) for n in BUDGETS]
    return [run_ours(method, problem.space, problem.loss, n, seed).after(n) for n in BUDGETS]


def run(jobs: Sequence[Job], n_processes: int) -> dict[Job, list[float]]:
    with Pool(n_processes) as pool:
        return dict(zip(jobs, pool.imap(losses, jobs, chunksize=5), strict=True))


def probes() -> dict[str, float]:
    """Loss of each problem at one point: tells whether the file is about the same problems."""
    found = {}
    for name, problem in PROBLEMS.items():
        space = problem(0).space
        found[name] = problem(0).loss(space.to_values(space.draw(np.random.default_rng(0), 1)[0]))
    return found


def peers_results(names: Sequence[str], seeds: Sequence[int], n_processes: int) -> dict[Job, list[float]]:
    """What the peers reached, from the file; what is missing there is run and added."""
    results, now = read_results(PEERS_FILE), probes()
    if results.get("probes", now) != now:
        raise SystemExit(f"the problems have changed: remove {PEERS_FILE} and run again")
    jobs = [(method, name, seed) for method in PEERS for name in names for seed in seeds]
    missing = [job for job in jobs if str(job[2]) not in results.get(f"{job[0]} {job[1]}", {})]
    if missing:
        for (method, name, seed), found in run(missing, n_processes).items():
            results.setdefault(f"{method} {name}", {})[str(seed)] = found
        results |= {"probes": now, "versions": versions("gradient-free-optimizers", "scipy", "cma")}
        write_results(PEERS_FILE, results)
    print("peers: " + ", ".join(f"{package} {number}" for package, number in results["versions"].items()))
    return {job: results[f"{job[0]} {job[1]}"][str(job[2])] for job in jobs}


def medians(found: dict[Job, list[float]]) -> Losses:
    """(method, problem) -> median over the seeds after each budget."""
    grouped = defaultdict(list)
    for (method, name, _), row in found.items():
        grouped[method, name].append(row)
    return {key: np.median(rows, axis=0) for key, rows in grouped.items()}


def show(table: Losses, names: Sequence[str], ours: Sequence[str]) -> None:
    methods = [*ours, *PEERS]
    for i, budget in enumerate(BUDGETS):
        print(f"\n**Median best loss after {budget} evaluations**\n")
        print("|method|" + "|".join(names) + "|\n" + "|---" * (len(names) + 1) + "|")
        for method in methods:
            print(f"|{method}|" + "|".join(f"{table[method, name][i]:.3g}" for name in names) + "|")
        for method in ours:
            rivals = {name: [max(table[peer, name][i], SOLVED) for peer in PEERS] for name in names}
            ranks = [1 + sum(loss < table[method, name][i] for loss in rivals[name]) for name in names]
            print(f"|rank of {method} among the peers|" + "|".join(map(str, ranks)) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", nargs="*", default=["wilks", "wilks.ParallelTempering"], metavar="METHOD")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS), metavar="PROBLEM")
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    found = peers_results(options.problems, seeds, options.processes)
    jobs = [(method, name, seed) for method in options.ours for name in options.problems for seed in seeds]
    found |= run(jobs, options.processes)
    show(medians(found), options.problems, options.ours)


if __name__ == "__main__":
    main()
