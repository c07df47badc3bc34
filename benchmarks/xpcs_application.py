"""From a beamline's file to numbers, pictures and a report: where the time goes, as a user would run it.

    python benchmarks/xpcs_application.py [--angles 23] [--frames 1001] [--layout aps_u] [--folder FOLDER] [--repeats 2]

The file is made on the spot: laminar flow with a contrast and an offset of its own for every angle, upper halves in
single precision, compressed. Then ``wilks xpcs fit FILE`` runs as a process of its own, with the default start, all
pictures, all result files and the report. Printed are what the command says of its time, wall and processor time of the
whole process, its peak of memory, and how far every parameter is from the truth in units of its standard error.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import wilks
from wilks import xpcs
from wilks.xpcs.files import write

TRUTH = {
    "D0": 16830.0,
    "alpha": -0.571,
    "D_offset": 3.0,
    "gamma_dot_0": 2e-3,
    "beta": -0.2,
    "gamma_dot_offset": 1e-4,
    "phi0": -5.0,
}
Q, GAP, DT, SIGMA = 0.0054, 2e6, 0.1, 0.02


def make(path: Path, n_phi: int, n_t: int, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Write the file; return contrasts and offsets."""
    rng = np.random.default_rng(3)
    contrast, offset = rng.uniform(0.25, 0.35, n_phi), rng.uniform(0.99, 1.01, n_phi)
    phi = np.linspace(-180.0, 180.0, n_phi, endpoint=False)
    geometry = xpcs.Geometry(DT * np.arange(n_t), DT, Q, GAP, phi)
    data = xpcs.simulate(
        TRUTH, geometry, contrast=contrast, offset=offset, sigma=SIGMA, storage="upper", dtype=np.float32, seed=5
    )
    write(path, data, layout=layout, overwrite=True)  # type: ignore[arg-type]  # checked by the parser
    return contrast, offset


def run(path: Path, folder: Path) -> tuple[str, float, float, float]:
    """Fit once; return what was printed, wall and processor seconds, and the peak in MB."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        Path(sys.executable).with_name("wilks"), "xpcs", "fit", path, "--gap", f"{GAP:g}", "--out", folder,
        "--sigma", f"{SIGMA:g}",
    ]  # fmt: skip
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output)  # noqa: S603 - our own command
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {os.waitstatus_to_exitcode(status)}\n{text}")
    return text, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Make the file, fit it, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--angles", type=int, default=23)
    parser.add_argument("--frames", type=int, default=1001)
    parser.add_argument("--layout", choices=["aps_u", "aps_old", "npz"], default="aps_u")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    path = folder / f"{given.angles}x{given.frames}.{'npz' if given.layout == 'npz' else 'h5'}"
    contrast, offset = make(path, given.angles, given.frames, given.layout)
    print(f"{path}: {given.angles} x {given.frames}^2, {path.stat().st_size / 1e6:.0f} MB, layout {given.layout}")
    for _ in range(given.repeats):
        text, wall, cpu, peak = run(path, folder / "fit")
        times = next(line for line in text.splitlines() if line.startswith("reading "))
        print(f"wall {wall:.1f} s, cpu {cpu:.1f} s, peak {peak:.0f} MB; {times}")
    fit = xpcs_result(folder / "fit")
    pulls = {name: (fit.values[name] - value) / fit.standard_errors[name] for name, value in TRUTH.items()}
    print("pulls: " + ", ".join(f"{name} {pull:+.2f}" for name, pull in pulls.items()))
    print(
        f"contrast off by {np.abs(fit.contrast / contrast - 1).max():.2%} at most, offset by "
        f"{np.abs(fit.offset / offset - 1).max():.3%}; reduced chi-squared {fit.reduced_chi_squared:.4f}, "
        f"quality {fit.quality.flag}"
    )


def xpcs_result(folder: Path) -> xpcs.XpcsFit:
    """Return the saved result of a run."""
    (path,) = (folder / "results").glob("*fit.wilks")
    return wilks.load(path)


if __name__ == "__main__":
    main()
