"""What more workers do for profile maps: how busy they are kept, and that the maps are the same.

    python benchmarks/profile_parallel.py [--problems levy_4d] [--workers 8 32 128] [--seed 1]
    python benchmarks/profile_parallel.py --mpi [--problems levy_4d]

The projections of a problem are made one after the other, each with what the earlier ones hand over, as in
`profile_accuracy.py`. Without `--mpi` they run on a virtual clock (`virtual_clock.py`): `efficiency` is the share of
the workers' time in which they worked, from the first evaluation of the search for optima to the last of the last
audit; `search` and `map` are that of these parts alone; `speed-up` is the time of one worker divided by that of so
many, which counts evaluations that more workers need too; `evals` has all evaluations, those of audits too, and
`wrong` the cells of the true regions of interest that are missing or not within 0.01 of the truth.

With `--mpi` the same maps are made by `mpiexec` with two and three processes, one of which drives, and by two worker
processes, and compared with those of the serial executor: `difference` is the largest of any cell that lies in the
region of interest of either, `missing` the number of those that only one of them has. `us` is the time of all
processors together for each evaluation, without the likelihood itself and the start of worker processes; under MPI it
is that of the process that drives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import virtual_clock
from profile_accuracy import CASES, RIGHT, exact

import wilks

PROBLEMS = ("himmelblau_4d", "levy_4d", "rosenbrock_4d", "gaussian_10d")
SEARCHES = ("MultiStart", "GradientCheck")
N_TIMED = 4000


def chain(case, seed, executor=None):
    """Make all projections of a problem."""
    known, done = case.known, []
    for over, nodes in case.projections:
        done.append(
            wilks.profile(
                known.problem,
                over=over,
                grid=nodes,
                roi_threshold=case.threshold,
                seed=seed,
                start=list(done),
                executor=executor,
                callbacks=(),
            )
        )
    return done


def n_wrong(case, results):
    """Cells of the true regions of interest that are not right."""
    wrong = 0
    for result, (over, nodes) in zip(results, case.projections, strict=True):
        truth = exact(case.known, over, nodes)
        region = truth > case.known.maximum - case.threshold
        wrong += int((~(np.abs(truth - result.log_likelihood_map)[region] < RIGHT)).sum())
    return wrong


def share(clock, names, *, inside):
    """Efficiency of some of the runs on a clock."""
    parts = [part for part in clock.parts if (part[0] in names) == inside]
    spent = sum(makespan for *_, makespan in parts)
    return sum(busy for _, _, busy, _ in parts) / (clock.n_workers * spent) if spent else float("nan")


def on_the_clock(names, counts, seed):
    """Efficiency on the virtual clock."""
    print(
        f"{'problem':14s} {'workers':>7s} {'evals':>7s} {'wrong':>5s} {'efficiency':>10s} {'search':>6s} {'map':>6s} "
        f"{'speed-up':>8s}"
    )
    for name in names:
        alone = None
        for n_workers in (1, *counts):
            with virtual_clock.workers(n_workers) as clock:
                results = chain(CASES[name], seed)
            alone = alone or clock.makespan
            search, maps = (share(clock, SEARCHES, inside=inside) for inside in (True, False))
            print(
                f"{name:14s} {n_workers:7d} {clock.n_evaluations:7d} {n_wrong(CASES[name], results):5d} "
                f"{clock.efficiency:10.3f} {search:6.3f} {maps:6.3f} {alone / clock.makespan:8.1f}",
                flush=True,
            )


@dataclass(frozen=True)
class Made:
    """Maps, regions of interest, and what they cost."""

    maps: list
    regions: list
    n_evaluations: int
    cpu: float
    seconds: float

    @staticmethod
    def of(results, cpu, seconds):
        """Collect what is compared."""
        return Made(
            [result.log_likelihood_map for result in results],
            [result.in_roi for result in results],
            sum(result.n_evaluations for result in results),
            cpu,
            seconds,
        )

    def save(self, path):
        """Write to a file."""
        pairs = zip(self.maps, self.regions, strict=True)
        arrays = {f"{kind}{k}": array for k, pair in enumerate(pairs) for kind, array in zip("mr", pair, strict=True)}
        np.savez(path, costs=[self.n_evaluations, self.cpu, self.seconds], **arrays)

    @staticmethod
    def load(path):
        """Read from a file."""
        with np.load(path) as file:
            n_evaluations, cpu, seconds = file["costs"]
            n = len(file.files) // 2
            maps, regions = ([file[f"{kind}{k}"] for k in range(n)] for kind in "mr")
            return Made(maps, regions, int(n_evaluations), float(cpu), float(seconds))

    def against(self, other):
        """Largest difference of a cell of either region, and the number of such cells that one of them has alone."""
        largest, missing = 0.0, 0
        for ours, theirs, a, b in zip(self.maps, other.maps, self.regions, other.regions, strict=True):
            difference = np.abs(ours - theirs)[a | b]
            missing += int(np.isnan(difference).sum())
            largest = max(largest, float(np.nanmax(difference)))
        return largest, missing


def made(case, seed, executor=None):
    """Make the maps in this process, or with workers that an executor has."""
    began, clock = time.process_time(), time.perf_counter()
    results = chain(case, seed, executor)
    return Made.of(results, time.process_time() - began, time.perf_counter() - clock)


def with_processes(case, seed, n_workers):
    """Make the maps with worker processes that have started."""

    def workers():
        times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return sum(spent.user + spent.system for spent in times)

    with wilks.ProcessExecutor(n_workers) as executor:
        wilks.fit(case.known.problem, seed=seed, n_starts=8, executor=executor, callbacks=())
        before = workers()
        found = made(case, seed, executor)
        return Made(found.maps, found.regions, found.n_evaluations, found.cpu + workers() - before, found.seconds)


def with_mpi(name, seed, n_processes, folder):
    """Make the maps with mpiexec."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec = shutil.which("mpiexec", path=path)
    if mpiexec is None:
        sys.exit("--mpi needs an mpiexec: pip install 'wilks[mpi]'")
    file = Path(folder) / f"{name}-{n_processes}.npz"
    script = [sys.executable, __file__, "--problems", name, "--seed", str(seed), "--write", str(file)]
    subprocess.run([mpiexec, "-n", str(n_processes), *script], check=True)  # noqa: S603 - our own file
    return Made.load(file)


def likelihood_seconds(problem):
    """Time of one call of the likelihood, with the dictionary that it is given."""
    thetas = problem.space.from_unit(np.random.default_rng(1).random((N_TIMED, problem.space.dimension)))
    began = time.process_time()
    for theta in thetas:
        problem.log_likelihood(problem.space.to_values(theta))
    return (time.process_time() - began) / N_TIMED


def compared(names, seed):
    """Maps of several executors beside those of the serial one."""
    print(
        f"{'problem':14s} {'executor':14s} {'evals':>7s} {'wall s':>6s} {'us':>6s} {'difference':>10s} {'missing':>7s}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            case = CASES[name]
            call = likelihood_seconds(case.known.problem)
            serial = made(case, seed)
            runs = {
                "serial": (serial, call),
                "2 processes": (with_processes(case, seed, 2), call),
                "mpiexec -n 2": (with_mpi(name, seed, 2, folder), 0.0),
                "mpiexec -n 3": (with_mpi(name, seed, 3, folder), 0.0),
            }
            for title, (found, apart) in runs.items():
                difference, missing = found.against(serial)
                print(
                    f"{name:14s} {title:14s} {found.n_evaluations:7d} {found.seconds:6.1f} "
                    f"{1e6 * (found.cpu / found.n_evaluations - apart):6.0f} {difference:10.1e} {missing:7d}",
                    flush=True,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=list(CASES), default=list(PROBLEMS))
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mpi", action="store_true")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        with wilks.MPIExecutor() as executor:  # the other processes stay here
            made(CASES[arguments.problems[0]], arguments.seed, executor).save(arguments.write)
    elif arguments.mpi:
        compared(arguments.problems, arguments.seed)
    else:
        on_the_clock(arguments.problems, arguments.workers, arguments.seed)


if __name__ == "__main__":
    main()
