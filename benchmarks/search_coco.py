"""Runtime profiles of `wilks.search` and its peers on COCO's bbob and bbob-mixint suites, 5-D and 10-D.

    python benchmarks/search_coco.py [--instances 1 2 3 4 5] [--ours wilks wilks.ParallelTempering] [--picture PATH]

24 functions for each suite, dimension and instance, 200 calls for each dimension D, 51 targets at distances 1e2 to 1e-8
from the minimum, evenly in the logarithm. Printed is the fraction of targets that is reached after 20D, 50D, 100D and
200D calls; the picture shows all of the course, which is read from one run that plans for 200D. The minimum is the
value at the point that COCO itself gives as the best (for mixint too).

It needs the environment that search_peers.py describes. What the peers reached is kept in
results/search_coco_peers.json. One instance takes ours some minutes with two processes.
"""

import argparse
import contextlib
import functools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import cocoex
import numpy as np
from matplotlib.figure import Figure
from search_peers import PEERS, read_results, run_ours, run_peer, versions, write_results

import wilks

PEERS_FILE = Path(__file__).parent / "results" / "search_coco_peers.json"
SUITES = tuple((suite, dimension) for suite in ("bbob", "bbob-mixint") for dimension in (5, 10))
FUNCTIONS = range(1, 25)
TARGETS = np.logspace(2, -8, 51)
SHOWN = (20, 50, 100, 200)
# Calls for each dimension at which a run is read.
GRID = sorted({*SHOWN, *(round(10 ** (i / 20), 2) for i in range(-13, 46))})
COCO_PEERS = [name for name in PEERS if not name.startswith("gfo")]
# Name in the picture, colour (of Okabe and Ito, which differ for every kind of colour vision) and dashes.
LOOKS: dict[str, tuple[str, str, Any]] = {
    "scipy_dual_annealing": ("dual annealing", "#009e73", (0, (6, 2))),
    "scipy_DE": ("differential evolution", "#e69f00", (0, (1, 1))),
    "scipy_DE_popsize5": ("the same, smaller population", "#e69f00", (0, (4, 1.5))),
    "cma_BIPOP": ("CMA-ES, BIPOP", "#cc79a7", (0, (5, 1, 1, 1))),
    "random": ("random", "#777777", (0, (2, 3))),
}
OUR_COLOURS = ("#d55e00", "#0072b2", "#000000", "#56b4e9")

Job = tuple[str, str, int, int, int]
Course = list[float]


@functools.cache
def suite_of(suite: str, dimension: int, instance: int) -> cocoex.Suite:
    return cocoex.Suite(suite, f"instances: {instance}", f"dimensions: {dimension}")


def minimum(problem: Any) -> float:  # noqa: ANN401 - cocoex has no types
    """Value at the best point, which cocoex tells only in a file in the present folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")  # noqa: SLF001 - there is no other way
        best = np.array(Path("._bbob_problem_best_parameter.txt").read_text().split(), dtype=float)
    return float(problem(best))


def space_of(problem: Any) -> wilks.Space:  # noqa: ANN401 - cocoex has no types
    """The integers come first in COCO."""
    reals = [wilks.Real(low, high) for low, high in zip(problem.lower_bounds, problem.upper_bounds, strict=True)]
    integers = [wilks.Integer(int(d.lower), int(d.upper)) for d in reals[: problem.number_of_integer_variables]]
    return wilks.Space({f"x{i}": domain for i, domain in enumerate(integers + reals[len(integers) :])})


def course(job: Job) -> Course:
    """Distance from the minimum after each number of calls in the grid."""
    method, suite, dimension, function, instance = job
    problem = suite_of(suite, dimension, instance).get_problem_by_function_dimension_instance(
        function, dimension, instance
    )
    space = space_of(problem)
    run: Callable[..., Any] = run_peer if method in PEERS else run_ours
    recorder = run(
        method,
        space,
        lambda values: float(problem([values[name] for name in space.free])),
        SHOWN[-1] * dimension,
        1000 * function + instance,
    )
    least = minimum(problem)
    distances = [recorder.after(math.ceil(n * dimension)) - least for n in GRID]
    if distances[-1] < -1e-8:
        raise RuntimeError(f"{method} is {-distances[-1]:.1e} below the minimum of {problem.id}")
    return [float(f"{distance:.4g}") for distance in distances]


def run(jobs: Sequence[Job], n_processes: int) -> dict[Job, Course]:
    with Pool(n_processes) as pool:
        return dict(zip(jobs, pool.imap(course, jobs, chunksize=4), strict=True))


def all_jobs(methods: Sequence[str], instances: Sequence[int]) -> list[Job]:
    return [(m, suite, d, f, i) for m in methods for suite, d in SUITES for i in instances for f in FUNCTIONS]


def reached(courses: Sequence[Course]) -> np.ndarray:
    """Fraction of targets reached at each point of the grid."""
    return (np.array(courses)[:, :, None] <= TARGETS).mean(axis=(0, 2))


def profiles(found: Mapping[Job, Course]) -> dict[str, list[float]]:
    """Key of method, suite, dimension and instance -> fraction of targets over the grid, all functions together."""
    grouped: dict[str, list[Course]] = {}
    for (method, suite, dimension, _, instance), row in found.items():
        grouped.setdefault(f"{method} {suite} {dimension} {instance}", []).append(row)
    return {key: [round(x, 6) for x in reached(rows).tolist()] for key, rows in grouped.items()}


def peers_profiles(instances: Sequence[int], n_processes: int) -> dict[str, list[float]]:
    """Profiles of the peers, from the file; what is missing there is run and added."""
    results = read_results(PEERS_FILE)
    jobs = all_jobs(COCO_PEERS, instances)
    missing = [job for job in jobs if f"{job[0]} {job[1]} {job[2]} {job[4]}" not in results]
    if missing:
        results |= profiles(run(missing, n_processes))
        results |= {"versions": versions("coco-experiment", "scipy", "cma"), "grid": GRID}
        write_results(PEERS_FILE, results)
    if results["grid"] != GRID:
        raise SystemExit(f"the grid of calls has changed: remove {PEERS_FILE} and run again")
    print("peers: " + ", ".join(f"{package} {number}" for package, number in results["versions"].items()))
    return results


def mean_profile(
    table: Mapping[str, list[float]], method: str, where: tuple[str, int], instances: Sequence[int]
) -> np.ndarray:
    suite, dimension = where
    return np.mean([table[f"{method} {suite} {dimension} {instance}"] for instance in instances], axis=0)


def show(table: Mapping[str, list[float]], methods: Sequence[str], instances: Sequence[int]) -> None:
    print(f"\nFraction of targets reached after {', '.join(f'{n}D' for n in SHOWN)} calls, instances {instances}\n")
    print("|method|" + "|".join(f"{suite} {dimension}-D" for suite, dimension in SUITES) + "|")
    print("|---" * (len(SUITES) + 1) + "|")
    columns = [GRID.index(n) for n in SHOWN]
    for method in methods:
        rows = [mean_profile(table, method, where, instances)[columns] for where in SUITES]
        print(f"|{method}|" + "|".join(" ".join(f"{x:.3f}"[1:] for x in row) for row in rows) + "|")


def show_functions(found: Mapping[Job, Course], method: str) -> None:
    print(f"\nMedian distance from the minimum after {SHOWN[-1]}D calls, {method}\n")
    for where in SUITES:
        ends = {f: [row[-1] for job, row in found.items() if job[:4] == (method, *where, f)] for f in FUNCTIONS}
        texts = (f"f{f} {np.median(distances):.1e}" for f, distances in ends.items())
        print(f"{where[0]} {where[1]}-D: " + ", ".join(texts))


def draw(table: Mapping[str, list[float]], ours: Sequence[str], instances: Sequence[int], path: Path) -> None:
    looks = {name: (name, OUR_COLOURS[k % len(OUR_COLOURS)], "-") for k, name in enumerate(ours)} | LOOKS
    figure = Figure(figsize=(8.6, 7.0), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for ax, where in zip(axes.flat, SUITES, strict=True):
        for name, (label, colour, dashes) in looks.items():
            profile = mean_profile(table, name, where, instances)
            width = 2.4 if name in ours else 1.5
            ax.plot(GRID, profile, color=colour, linestyle=dashes, linewidth=width, label=label)
        ax.set_title(f"{where[0]}, {where[1]} parameters", loc="left", fontsize="medium")
        ax.set_xscale("log")
        ax.set_xticks([1, 10, 100, 200], labels=["1", "10", "100", "200"])
        ax.set_xlim(1, SHOWN[-1])
        ax.grid(color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylim(bottom=0)
    figure.supxlabel("evaluations / number of parameters", fontsize="medium")
    figure.supylabel("fraction of targets reached", fontsize="medium")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
    wilks.plots.save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", nargs="+", type=int, default=[1, 2, 3, 4, 5], metavar="NUMBER")
    parser.add_argument("--ours", nargs="*", default=["wilks", "wilks.ParallelTempering"], metavar="METHOD")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="also draw the profiles")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    table = peers_profiles(options.instances, options.processes)
    found = run(all_jobs(options.ours, options.instances), options.processes)
    table |= profiles(found)
    show(table, [*options.ours, *COCO_PEERS], options.instances)
    for method in options.ours:
        show_functions(found, method)
    if options.picture:
        draw(table, options.ours, options.instances, options.picture)


if __name__ == "__main__":
    main()
