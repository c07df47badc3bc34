"""Least squares by other packages: the large problem of `least_squares.py`, and NIST StRD by lmfit.

    PEERS/bin/python benchmarks/least_squares_peers.py [--methods scipy optimistix nlsq lmfit] [--skip-nist]

PEERS is an environment of Python 3.12 with scipy, lmfit, nlsq, optimistix and jax; this project is read from its own
source tree. Every method of the large problem has a process of its own, is given the same start and no bounds, and is
timed from its second call on (`wall`, `cpu`: seconds, the least of five calls), when JAX has compiled what it needs;
`first` is the first call. SciPy gets its Jacobian from JAX, optimistix and nlsq differentiate by themselves, and lmfit
takes differences, as its documentation has it. Tolerances are the defaults, except that optimistix has none: 1e-8.
`error` is the largest distance to the optimum in units of the standard errors.

NIST: residuals in units of the certified standard deviation, no bounds, all tolerances of MINPACK at 1e-14; digits are
those of the worst parameter and of the worst standard error, as in `nist.py`.

Results go to `benchmarks/results/least_squares_peers.json`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from least_squares import DATA, N_POINTS, SIGMA, START, X, optimum, residual  # noqa: E402 - found by the line above

from tests.reference.strd import MODELS, digits, read  # noqa: E402 - found by the line above

RESULTS = ROOT / "benchmarks" / "results" / "least_squares_peers.json"
N_TIMED = 5
PACKAGES = ("scipy", "jax", "optimistix", "nlsq", "lmfit", "numpy")


def model(np_or_jnp: Any, x: Any, *theta: Any) -> Any:  # noqa: ANN401 - arrays of either library
    """The model of `least_squares.py` for arrays of either library."""
    peaks = [
        height * np_or_jnp.exp(-0.5 * ((x - centre) / width) ** 2)
        for height, centre, width in zip(theta[0:9:3], theta[1:9:3], theta[2:9:3], strict=True)
    ]
    return sum(peaks) + theta[9]


Fit = Callable[[], tuple[np.ndarray, int]]


def jax_residual() -> tuple[Any, Any]:
    import jax  # noqa: PLC0415 - methods without it are measured without it

    jax.config.update("jax_enable_x64", True)
    x, y = jax.numpy.asarray(X), jax.numpy.asarray(DATA)
    return jax, lambda theta: (model(jax.numpy, x, *theta) - y) / SIGMA


def scipy() -> Fit:
    """Trust region with the Jacobian of JAX."""
    from scipy.optimize import least_squares  # noqa: PLC0415

    jax, of_array = jax_residual()
    f, jacobian = jax.jit(of_array), jax.jit(jax.jacfwd(of_array))

    def fit() -> tuple[np.ndarray, int]:
        found = least_squares(
            lambda theta: np.asarray(f(theta)), START, jac=lambda theta: np.asarray(jacobian(theta)), method="trf"
        )
        return found.x, found.nfev

    return fit


def optimistix() -> Fit:
    """Levenberg-Marquardt, which gets its Jacobian by itself."""
    import optimistix as optx  # noqa: PLC0415

    jax, of_array = jax_residual()
    solver = optx.LevenbergMarquardt(rtol=1e-8, atol=1e-8)

    @jax.jit
    def solve(start: Any) -> Any:  # noqa: ANN401 - arrays of JAX
        found = optx.least_squares(lambda theta, _: of_array(theta), solver, start, max_steps=500)
        return found.value, found.stats["num_steps"]

    def fit() -> tuple[np.ndarray, int]:
        theta, n_steps = solve(jax.numpy.asarray(START))
        return np.asarray(theta), int(n_steps)

    return fit


def nlsq() -> Fit:
    """Its `curve_fit`, with the object that keeps what was compiled."""
    import jax.numpy as jnp  # noqa: PLC0415
    from nlsq import CurveFit  # noqa: PLC0415

    fitter = CurveFit()

    def curve(x: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any) -> Any:  # noqa: ANN401 - it counts parameters by their names
        return model(jnp, x, a, b, c, d, e, f, g, h, i, j)

    def fit() -> tuple[np.ndarray, int]:
        found = fitter.curve_fit(curve, X, DATA, p0=START, sigma=np.full(N_POINTS, SIGMA), absolute_sigma=True)
        return np.asarray(found.popt), int(found.nfev)

    return fit


def lmfit() -> Fit:
    """MINPACK with differences."""
    from lmfit import Parameters, minimize  # noqa: PLC0415

    start = Parameters()
    for k, value in enumerate(START):
        start.add(f"p{k}", value=value)

    def fit() -> tuple[np.ndarray, int]:
        found = minimize(lambda p: residual(np.array(list(p.valuesdict().values()))), start, method="leastsq")
        return np.array([found.params[name].value for name in start]), found.nfev

    return fit


METHODS: dict[str, Callable[[], Fit]] = {"scipy": scipy, "optimistix": optimistix, "nlsq": nlsq, "lmfit": lmfit}


def timed(method: str) -> dict[str, Any]:
    """Time one method; for a process of its own."""
    best, errors = optimum()
    fit = METHODS[method]()
    walls, cpus = [], []
    for _ in range(N_TIMED + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        theta, n_evaluations = fit()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "first": walls[0],
        "wall": min(walls[1:]),
        "cpu": min(cpus[1:]),
        "n_evaluations": n_evaluations,
        "error": float(np.abs((theta - best) / errors).max()),
    }


def nist_by_lmfit(name: str, number: int) -> dict[str, Any]:
    """Correct digits of one data set from one start."""
    from lmfit import Parameters, minimize  # noqa: PLC0415

    dataset = read(name)
    start = Parameters()
    for parameter, value in dataset.start(number).items():
        start.add(parameter, value=value)

    def residual(p: Any) -> np.ndarray:  # noqa: ANN401 - its own parameters
        found = dataset.residual(np.array(list(p.valuesdict().values())))
        return np.nan_to_num(found, nan=1e10, posinf=1e10, neginf=-1e10)

    found = minimize(residual, start, method="leastsq", ftol=1e-14, xtol=1e-14, gtol=1e-14, max_nfev=20_000)
    values = np.array([found.params[p].value for p in start])
    errors = np.array([found.params[p].stderr or np.nan for p in start], dtype=float)
    return {
        "digits": digits(values, dataset.certified),
        "error_digits": digits(errors, dataset.certified_sd),
        "n_evaluations": found.nfev,
    }


def nist() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows on the way are part of the test
        return {f"{name} {number}": nist_by_lmfit(name, number) for name in MODELS for number in (1, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--skip-nist", action="store_true")
    parser.add_argument("--child", choices=list(METHODS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(timed(arguments.child)))
        return
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known["versions"] = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    known["machine"] = {"system": platform.platform(), "n_cores": os.cpu_count()}
    print(f"{'method':12s} {'wall ms':>8s} {'cpu ms':>8s} {'first ms':>8s} {'calls':>6s} {'error':>8s}")
    for method in arguments.methods:
        child = subprocess.run(  # noqa: S603 - this file
            [sys.executable, __file__, "--child", method], capture_output=True, text=True, check=True
        )
        row = known.setdefault("large", {})[method] = json.loads(child.stdout.splitlines()[-1])
        times = " ".join(f"{1e3 * row[key]:8.0f}" for key in ("wall", "cpu", "first"))
        print(f"{method:12s} {times} {row['n_evaluations']:6d} {row['error']:8.1e}", flush=True)
    if not arguments.skip_nist:
        known["nist lmfit"] = nist()
        values, errors = np.array([[row["digits"], row["error_digits"]] for row in known["nist lmfit"].values()]).T
        print(
            f"NIST by lmfit: {(values >= 6).sum()} of {len(values)} with 6 digits or more, {(values > 4).sum()} with "
            f"more than 4; median digits {np.median(values):.1f}, of standard errors {np.median(errors):.1f}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
