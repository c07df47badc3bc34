"""Two-time correlations with known parameters, and what other packages make of them: whole processes, with imports.

    python benchmarks/xpcs_peers.py --python PEERS/bin/python [--package homodyne] [--limit 200] [--data FOLDER]

`--python` is the interpreter of an environment that has the package, which needs Python 3.12: homodyne==2.23.3 or
xpcsjax==0.1.8. Every line is one process of its own: `wall` and `cpu` are the seconds of the whole process, user and
system time of all its threads and children; `peak` is its largest resident memory. A fit that has not ended after
`--limit` seconds of wall time is killed and counts as unfinished. Results go to `benchmarks/results/xpcs_peers.json`;
`xpcs_targets.py` puts ours beside them.

The data are made here with NumPy alone, by the formulas of homodyne's code, so that it fits the very model that made
them: powers of max(t, dt / 2), trapezoids, sinc to the fourth power with 1 / (2 pi) as its prefactor. Noise is the same
in both triangles, since files store one; the diagonal is the mean of its neighbours, as homodyne's reader makes it. The
angles ascend, because homodyne pairs others with the wrong matrices. Each package is given sigma, its own
configuration template for laminar flow, and starts "near" the truth and "far" from it (see `STARTS`).
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "xpcs_peers.json"
FUNCTIONS = {"homodyne": "fit_nlsq_jax", "xpcsjax": "fit_nlsq"}
DATA = Path(tempfile.gettempdir()) / "wilks-benchmark-xpcs"

TRUTH = {
    "D0": 16830.0,
    "alpha": -1.571,
    "D_offset": 3.0,
    "gamma_dot_0": 2e-3,
    "beta": -0.2,
    "gamma_dot_offset": 1e-4,
    "phi0": -5.0,
}
STARTS = {
    "near": dict(zip(TRUTH, (15000.0, -1.5, 5.0, 2.2e-3, -0.25, 5e-5, -4.0), strict=True)),
    "far": dict(zip(TRUTH, (1000.0, 0.0, 10.0, 1e-2, 0.0, 0.0, 0.0), strict=True)),
}
Q, GAP, DT, SIGMA = 0.0054, 2e6, 0.1, 0.02  # 1/angstrom, angstrom, seconds, of one pixel


@dataclass(frozen=True)
class Case:
    """A data set: so many angles, so many times, and what its file holds."""

    name: str
    n_phi: int
    n_t: int
    half: bool = False  # the upper triangle only, in one file of HDF5
    seed: int = 0  # of the noise

    @property
    def t(self) -> np.ndarray:
        return DT * np.arange(self.n_t)

    @property
    def phi(self) -> np.ndarray:
        return np.linspace(-180.0, 180.0, self.n_phi, endpoint=False)

    @property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Contrast and offset of every angle."""
        generator = np.random.default_rng(self.n_phi)
        return 0.3 + 0.05 * generator.standard_normal(self.n_phi), 1 + 0.01 * generator.standard_normal(self.n_phi)

    def path(self, folder: Path) -> Path:
        return folder / f"{self.name}.{'h5' if self.half else 'npy'}"

    def matrix(self, angle: int) -> np.ndarray:
        """Correlations of one angle with noise."""
        times = np.maximum(self.t, DT / 2)
        d0, alpha, d_offset, gamma_dot_0, beta, gamma_dot_offset, phi0 = TRUTH.values()
        transport, shear = d0 * times**alpha + d_offset, gamma_dot_0 * times**beta + gamma_dot_offset
        decay, strain = (Q**2 * DT * trapezoids(transport)), DT * trapezoids(shear)
        phases = Q * GAP / (2 * np.pi) * np.cos(np.deg2rad(phi0 - self.phi[angle])) * strain
        contrast, offset = (each[angle] for each in self.scaling)
        first, second = np.triu_indices(self.n_t, 1)
        model = np.exp(decay[first] - decay[second]) * np.sinc((phases[second] - phases[first]) / np.pi) ** 4
        noise = np.random.default_rng([self.n_phi, self.n_t, angle, self.seed]).standard_normal(len(first))
        c2 = np.zeros((self.n_t, self.n_t))
        c2[first, second] = offset + contrast * model + SIGMA * noise
        if not self.half:
            c2 += c2.T
            beside = np.diagonal(c2, 1)
            np.fill_diagonal(c2, (np.append(beside, beside[-1]) + np.append(beside[0], beside)) / 2)
        return c2

    def write(self, folder: Path) -> None:
        """Write what is not there yet; a file appears only when it is whole."""
        path, unfinished = self.path(folder), self.path(folder).with_suffix(".unfinished")
        if path.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        shape = (self.n_phi, self.n_t, self.n_t)
        if self.half:
            import h5py  # noqa: PLC0415 - the environments of the peers may lack it

            with h5py.File(unfinished, "w") as file:
                for angle in range(self.n_phi):
                    file[f"c2_{angle:05d}"] = self.matrix(angle).astype(np.float32)
        else:
            c2 = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float64, shape=shape)
            for angle in range(self.n_phi):
                c2[angle] = self.matrix(angle)
            c2.flush()
        unfinished.rename(path)


def trapezoids(values: np.ndarray) -> np.ndarray:
    """Cumulative integral in units of the spacing."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2)])


CASES = {
    case.name: case
    for case in (
        Case("97k", 3, 180),
        Case("100k", 3, 183),
        Case("1M", 10, 317),
        Case("23M", 23, 1001),
        Case("184M", 46, 2000, half=True),
    )
}


@dataclass(frozen=True)
class Cost:
    """What a whole process cost, and what it said."""

    wall: float
    cpu: float
    peak_mb: float
    ended: bool  # by itself, before the time limit
    exit_code: int
    output: str
    errors: str

    def last_line(self) -> dict[str, Any]:
        """JSON of the last line that it wrote."""
        if self.exit_code:
            raise RuntimeError(f"exit code {self.exit_code}:\n{self.errors[-4000:]}")
        return json.loads(self.output.splitlines()[-1])


def measure(command: Sequence[str], limit: float = 600.0) -> Cost:
    """Run a process to its end or to the time limit.

    Linux counts the memory of the process that starts another one as if it were the other's until it loads its own
    program; whoever calls this stays small, therefore, and lets data sets be made by children.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own scripts
            command, stdout=output, stderr=errors, start_new_session=True
        )
        overdue = threading.Event()

        def kill() -> None:
            overdue.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            kill()
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    cpu, ended = usage.ru_utime + usage.ru_stime, not overdue.is_set()
    return Cost(wall, cpu, usage.ru_maxrss / 1024, ended, process.returncode, *texts)


def write_data(names: Sequence[str], folder: Path) -> None:
    """Have a child write the data sets that are not there."""
    missing = [name for name in names if not CASES[name].path(folder).exists()]
    if missing:
        measure([sys.executable, __file__, "--write", *missing, "--data", str(folder)]).last_line()


def fit(package: str, case: Case, folder: Path, start: Mapping[str, float], mode: str) -> dict[str, Any]:
    """Fit inside an environment that has the package."""
    import yaml  # noqa: PLC0415 - not in every environment

    function = getattr(import_module(f"{package}.optimization.nlsq"), FUNCTIONS[package])
    manager = import_module(f"{package}.config.manager").ConfigManager
    template = files(package) / "config" / "templates" / f"{package}_laminar_flow.yaml"
    config = yaml.safe_load(template.read_text(encoding="utf-8"))
    config["analyzer_parameters"].update(dt=DT, start_frame=1, end_frame=case.n_t)
    config["analyzer_parameters"]["scattering"]["wavevector_q"] = Q
    config["initial_parameters"]["values"] = list(start.values())
    config["optimization"]["nlsq"]["anti_degeneracy"]["per_angle_mode"] = mode
    c2 = np.load(case.path(folder))
    data = {
        "phi_angles_list": case.phi,
        "c2_exp": c2,
        "t1": case.t,
        "t2": case.t,
        "wavevector_q_list": np.array([Q]),
        "sigma": np.full(c2.shape, SIGMA),
        "L": GAP,
        "dt": DT,
    }
    found = function(data, manager(config_override=config))
    n = len(TRUTH)
    return {
        "values": dict(zip(TRUTH, found.parameters[-n:].tolist(), strict=True)),
        "standard_errors": dict(zip(TRUTH, found.uncertainties[-n:].tolist(), strict=True)),
        "n_parameters": len(found.parameters),
        "reduced_chi_squared": float(found.reduced_chi_squared),
        "status": found.convergence_status,
        "quality": found.quality_flag,
        "n_iterations": int(found.iterations),
    }


RUNS = [  # data set, start, how contrast and offset depend on the angle
    ("97k", "near", "auto"),
    ("100k", "near", "auto"),
    ("100k", "far", "auto"),
    ("1M", "near", "auto"),
    ("1M", "near", "individual"),
    ("23M", "near", "auto"),
]
VERSIONS = """
import json, platform
from importlib.metadata import version
names = ["{package}", "nlsq", "jax", "numpy", "scipy"]
print(json.dumps({{"python": platform.python_version(), **{{name: version(name) for name in names}}}}))
"""


def run_package(package: str, python: Path, folder: Path, limit: float, names: Sequence[str]) -> dict[str, Any]:
    """Measure an import, `--version`, and the fits of some data sets."""
    runs: dict[str, Any] = {}

    def record(title: str, cost: Cost, found: Mapping[str, Any]) -> None:
        runs[title] = {"wall": cost.wall, "cpu": cost.cpu, "peak_mb": cost.peak_mb, **found}
        print(f"{title:24s} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.peak_mb:8.0f}  {verdict(found)}", flush=True)

    versions = measure([str(python), "-c", VERSIONS.format(package=package)]).last_line()
    print(f"{'run':24s} {'wall s':>8s} {'cpu s':>8s} {'peak MB':>8s}")
    record("import", repeated([str(python), "-c", f"import {package}.optimization"]), {})
    record("--version", repeated([str(python.parent / package), "--version"]), {})
    for name, start, mode in RUNS:
        if name not in names:
            continue
        child = ["--fit", package, name, start, mode, "--data", str(folder)]
        cost = measure([str(python), __file__, *child], limit)
        if not cost.ended:
            found = {"status": f"unfinished after {limit:g} s"}
        elif cost.exit_code:
            found = {"status": "failed", "message": cost.errors.strip().splitlines()[-1]}
        else:
            found = cost.last_line()
        record(f"{name} {start} {mode}", cost, found)
    return {"versions": versions, "runs": runs}


def repeated(command: Sequence[str], n_runs: int = 3) -> Cost:
    """The run with the least processor time, after one that fills the caches."""
    return min((measure(command) for _ in range(n_runs + 1)), key=lambda cost: cost.cpu)


def pulls(found: Mapping[str, Any]) -> dict[str, float]:
    """Error of every physical parameter in units of its standard error."""
    values, errors = found["values"], found["standard_errors"]
    return {name: (values[name] - truth) / errors[name] for name, truth in TRUTH.items()}


def verdict(found: Mapping[str, Any]) -> str:
    """What a fit says of itself, and how far it is from the truth."""
    if "values" not in found:
        return " ".join(str(found[key]) for key in ("status", "message") if key in found)
    name, largest = max(pulls(found).items(), key=lambda item: abs(item[1]))
    off = abs(found["values"][name] / TRUTH[name] - 1)
    return (
        f"{found['status']}, {found['quality']}; reduced chi-squared {found['reduced_chi_squared']:.3f}; "
        f"{name} is {largest:+.3g} of its standard errors ({off:.1%}) off"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="interpreter of an environment that has the package")
    parser.add_argument("--package", choices=list(FUNCTIONS), default="homodyne")
    parser.add_argument("--limit", type=float, default=200.0, help="seconds of wall time for one fit")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data sets are, or are made")
    parser.add_argument("--cases", nargs="*", choices=sorted({run[0] for run in RUNS}), help="only these data sets")
    parser.add_argument("--write", nargs="+", choices=list(CASES), help="make these data sets, nothing else")
    parser.add_argument("--fit", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        for name in arguments.write:
            CASES[name].write(arguments.data)
        print(json.dumps({name: str(CASES[name].path(arguments.data)) for name in arguments.write}))
    elif arguments.fit:
        package, name, start, mode = arguments.fit
        print(json.dumps(fit(package, CASES[name], arguments.data, STARTS[start], mode)))
    elif arguments.python is None:
        parser.error("--python is missing: the interpreter of an environment that has the package")
    else:
        names = [run[0] for run in RUNS] if arguments.cases is None else arguments.cases
        write_data(names, arguments.data)
        found = run_package(arguments.package, arguments.python, arguments.data, arguments.limit, names)
        save(arguments.package, found)


def save(package: str, found: Mapping[str, Any]) -> None:
    """Put runs beside those that are there already."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    runs = {**known.get(package, {}).get("runs", {}), **found["runs"]}
    machine = {"system": platform.platform(), "n_cores": os.cpu_count()}
    known[package] = {"versions": found["versions"], "machine": machine, "runs": runs}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
