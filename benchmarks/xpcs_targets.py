"""What fits of two-time correlations cost as whole processes, beside what they may cost and what other packages need.

    python benchmarks/xpcs_targets.py [--cases 100k 1M 23M 184M] [--repeats 3] [--n-seeds 50] [--data FOLDER]

Every measurement is a process of its own that imports what it needs, opens the data set of `xpcs_peers.py`, and fits
the seven parameters of laminar flow with a contrast and an offset for every angle, from the default start. `wall` and
`cpu` are the seconds of the whole process in the quickest of the repeats, `peak` its largest resident memory, and
`first` the wall time of the run before them, which may still have to read the package from disk or to compile kernels.
Limits of wall time are for two cores that have nothing else to do; on a machine that is busy a process waits for its
turn, so the smaller one of wall and processor time is held against them. `pull` is the largest error of a parameter in
units of its standard error.

`screen` is what the search for the right basin adds to the fit: the time of a whole process minus that of one that
starts beside the truth and does not search. The last lines fit data sets that differ in their noise alone, and give
mean and standard deviation of the pulls of every parameter, which should be 0 and 1.

The largest data set is fitted from its file of HDF5 with a limit of memory that its pairs do not fit into. The
measurements of the peers are those in `benchmarks/results/xpcs_peers.json`.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xpcs_peers
from xpcs_peers import CASES, DATA, GAP, SIGMA, STARTS, TRUTH, Case, Cost, Q, measure

OUT_OF_CORE = "400MB"  # half of what the folded pairs of the largest data set would take

FIT = """
import json, sys
import numpy as np
from wilks import xpcs

path, n_phi, n_t, dt, q, gap, sigma, start, options = json.loads(sys.argv[1])
if path.endswith(".h5"):
    import h5py
    file = h5py.File(path)
    c2 = [file[name] for name in sorted(file)]
else:
    c2 = np.load(path)
data = xpcs.TwoTimeData(
    c2=c2, t=dt * np.arange(n_t), phi=np.linspace(-180.0, 180.0, n_phi, endpoint=False), q=q, gap=gap, dt=dt,
    sigma=sigma,
)
result = xpcs.fit(
    data, mode="laminar_flow", scaling="individual", convention=xpcs.Convention.homodyne(), seed=1, start=start,
    options=xpcs.FitOptions(**options),
)
print(json.dumps({
    "values": {name: float(value) for name, value in result.values.items()},
    "standard_errors": {name: float(value) for name, value in result.standard_errors.items()},
    "contrast": np.asarray(result.contrast).tolist(),
    "reduced_chi_squared": float(result.reduced_chi_squared),
    "status": result.status.message,
    "strategy": result.strategy.name,
}))
"""


@dataclass(frozen=True)
class Limit:
    """What something may cost, and what would be better still: seconds of wall time, megabytes."""

    seconds: float
    megabytes: float | None = None
    stretch_seconds: float | None = None
    stretch_megabytes: float | None = None

    def __str__(self) -> str:
        def text(seconds: float | None, megabytes: float | None) -> str:
            parts = [] if seconds is None else [f"{seconds:g} s"]
            return ", ".join(parts if megabytes is None else [*parts, f"{megabytes:g} MB"])

        stretch = text(self.stretch_seconds, self.stretch_megabytes)
        return text(self.seconds, self.megabytes) + (f" ({stretch})" if stretch else "")

    def verdict(self, cost: Cost) -> str:
        def kept(seconds: float | None, megabytes: float | None) -> bool:
            return min(cost.wall, cost.cpu) <= (seconds or np.inf) and not cost.peak_mb > (megabytes or np.inf)

        if not kept(self.seconds, self.megabytes):
            return "missed"
        has_stretch = self.stretch_seconds is not None
        return "stretch" if has_stretch and kept(self.stretch_seconds, self.stretch_megabytes) else "kept"


LIMITS = {
    "import": Limit(0.25, 70, 0.15),
    "--version": Limit(0.3, None, 0.15),
    "100k": Limit(1.0, None, 0.5),
    "1M": Limit(1.5, None, 0.5),
    "23M": Limit(5.0, 600, 1.5, 300),
    "184M": Limit(90.0, 1500),
    "screen": Limit(2.0),
}
PEERS = {  # the run of the peers that stands beside ours
    "import": "import",
    "--version": "--version",
    "100k": "100k far auto",
    "1M": "1M near individual",
    "23M": "23M near auto",
}


def fit_command(case: Case, folder: Path, *, search: bool = True) -> list[str]:
    start, options = (None, {}) if search else (STARTS["near"], {"method": "local"})
    if case.half:
        options["memory_limit"] = OUT_OF_CORE
    settings = [str(case.path(folder)), case.n_phi, case.n_t, xpcs_peers.DT, Q, GAP, SIGMA, start, options]
    return [sys.executable, "-c", FIT, json.dumps(settings)]


def repeated(command: Sequence[str], n_repeats: int) -> tuple[Cost, float]:
    """The quickest run, and the wall time of the one before all that count."""
    first, *others = [measure(command) for _ in range(n_repeats + 1)]
    return min(others, key=lambda cost: cost.wall), first.wall


def peer_text(row: str) -> str:
    """What the peers did, if it has been measured."""
    known = json.loads(xpcs_peers.RESULTS.read_text()) if xpcs_peers.RESULTS.exists() else {}
    texts = []
    for package, found in sorted(known.items()):
        run = found["runs"].get(PEERS.get(row, ""))
        if run is not None:
            status = f", {run['status']}" if "status" in run else ""
            if "values" in run:
                status += f", pull {max(xpcs_peers.pulls(run).values(), key=abs):+.3g}"
            texts.append(f"{package} {run['cpu']:.1f} cpu-s, {run['peak_mb']:.0f} MB{status}")
    return "; ".join(texts)


def report(row: str, cost: Cost, first: float) -> None:
    limit = LIMITS[row]
    peak, since = ("-" if np.isnan(each) else f"{each:.{n}f}" for each, n in ((cost.peak_mb, 0), (first, 2)))
    print(
        f"{row:10s} {cost.wall:8.2f} {cost.cpu:8.2f} {peak:>8s} {since:>8s}  {limit!s:32s} "
        f"{limit.verdict(cost):8s} {peer_text(row)}",
        flush=True,
    )


def report_fit(found: Mapping[str, Any]) -> None:
    name, pull = max(xpcs_peers.pulls(found).items(), key=lambda item: abs(item[1]))
    chi_squared = found["reduced_chi_squared"]
    right = abs(pull) <= 3.5 and 0.97 <= chi_squared <= 1.03
    print(
        f"{'':10s} {found['status']} {found['strategy']}; pull {pull:+.2f} ({name}), reduced chi-squared "
        f"{chi_squared:.5f}: {'right' if right else 'WRONG'}",
        flush=True,
    )


def processes(names: Sequence[str], folder: Path, n_repeats: int) -> None:
    """The table of costs."""
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print(
        f"{'process':10s} {'wall s':>8s} {'cpu s':>8s} {'peak MB':>8s} {'first s':>8s}  {'limit (stretch)':32s} "
        f"{'verdict':8s} peers"
    )
    report("import", *repeated([sys.executable, "-c", "import wilks"], n_repeats))
    report("--version", *repeated([str(Path(sys.executable).parent / "wilks"), "--version"], n_repeats))
    for name in names:
        cost, first = repeated(fit_command(CASES[name], folder), 1 if CASES[name].half else n_repeats)
        report(name, cost, first)
        if not cost.ended:
            print(f"{'':10s} killed after {cost.wall:.0f} s")
            continue
        report_fit(cost.last_line())
        if name == "1M":
            local, first = repeated(fit_command(CASES[name], folder, search=False), n_repeats)
            local.last_line()
            extra = replace(cost, wall=cost.wall - local.wall, cpu=cost.cpu - local.cpu, peak_mb=np.nan)
            report("screen", extra, np.nan)


def spread(case: Case, n_seeds: int) -> None:
    """Pulls over many data sets with other noise."""
    from wilks import xpcs  # noqa: PLC0415 - the processes above are measured without it

    rows, chi_squared = [], []
    for seed in range(n_seeds):
        noisy = replace(case, seed=seed + 1)
        c2 = np.array([noisy.matrix(angle) for angle in range(case.n_phi)])
        data = xpcs.TwoTimeData(c2=c2, t=case.t, phi=case.phi, q=Q, gap=GAP, dt=xpcs_peers.DT, sigma=SIGMA)
        result = xpcs.fit(
            data, mode="laminar_flow", scaling="individual", convention=xpcs.Convention.homodyne(), seed=seed
        )
        rows.append([(result.values[name] - truth) / result.standard_errors[name] for name, truth in TRUTH.items()])
        chi_squared.append(result.reduced_chi_squared)
    pulls = np.array(rows)
    print(f"\n{case.name}, {n_seeds} seeds: {'':18s} mean {'':4s} spread {'':3s} largest")
    for name, column in zip(TRUTH, pulls.T, strict=True):
        print(f"{name:36s} {column.mean():8.2f} {column.std(ddof=1):8.2f} {np.abs(column).max():8.2f}")
    print(f"reduced chi-squared from {min(chi_squared):.4f} to {max(chi_squared):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=["100k", "1M", "23M", "184M"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-seeds", type=int, default=50, help="data sets for the distribution of pulls, or 0")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data sets are, or are made")
    arguments = parser.parse_args()
    xpcs_peers.write_data(arguments.cases, arguments.data)
    processes(arguments.cases, arguments.data, arguments.repeats)
    if arguments.n_seeds:
        spread(CASES["1M"], arguments.n_seeds)


if __name__ == "__main__":
    main()
