"""NIST StRD nonlinear regression: correct digits of wilks, of scipy.optimize.least_squares and of lmfit.

    python benchmarks/nist.py

Every data set from both starting points of NIST. Digits are those of the worst parameter and of the worst standard
error. Residuals are in units of the certified standard deviation. SciPy runs its Levenberg-Marquardt (MINPACK) and
its trust-region method without bounds, with x_scale="jac" and all tolerances at 1e-14; its errors come from the
Jacobian that it returns. lmfit, if it is installed, runs `leastsq` with its defaults and 1e-14. `wilks linear` has the
parameters declared in which the model is linear. `calls` counts evaluations of the residual, those for Jacobians
included.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).parents[1]))

import wilks
from tests.reference.strd import LINEAR, MODELS, Dataset, digits, read

Row = tuple[float, float, int]


def by_wilks(dataset: Dataset, number: int, linear: tuple[str, ...] = ()) -> Row:
    problem = dataset.problem(dataset.box(10.0), linear=linear)
    result = wilks.fit(problem, start=dataset.start(number), n_starts=0, seed=1, callbacks=())
    best = np.array([result.best[name] for name in result.names])
    errors = np.array([result.standard_errors[name] for name in result.names])
    scaled = errors * np.sqrt(result.reduced_chi_squared or 1.0)
    return digits(best, dataset.certified), digits(scaled, dataset.certified_sd), result.n_evaluations


def by_scipy(dataset: Dataset, number: int, method: str) -> Row:
    calls = 0

    def residual(b: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return np.nan_to_num(dataset.residual(b), nan=1e10, posinf=1e10, neginf=-1e10)

    start = dataset.starts[number - 1]
    found = least_squares(
        residual, start, method=method, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=5000
    )
    variance = 2 * found.cost / (len(dataset.y) - len(start))
    try:
        errors = np.sqrt(variance * np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    except np.linalg.LinAlgError:
        errors = np.full(len(start), np.nan)
    return digits(found.x, dataset.certified), digits(errors, dataset.certified_sd), calls


def by_lmfit(dataset: Dataset, number: int) -> Row:
    import lmfit  # noqa: PLC0415 - only if it is installed

    calls = 0

    def residual(parameters: lmfit.Parameters) -> np.ndarray:
        nonlocal calls
        calls += 1
        b = np.array([parameters[name].value for name in dataset.names])
        return np.nan_to_num(dataset.residual(b), nan=1e10, posinf=1e10, neginf=-1e10)

    parameters = lmfit.Parameters()
    for name, value in dataset.start(number).items():
        parameters.add(name, value=value)
    found = lmfit.minimize(residual, parameters, max_nfev=20000, ftol=1e-14, xtol=1e-14, gtol=1e-14)
    best = np.array([found.params[name].value for name in dataset.names])
    errors = np.array([found.params[name].stderr or np.nan for name in dataset.names])
    return digits(best, dataset.certified), digits(errors, dataset.certified_sd), calls


def main() -> None:
    warnings.simplefilter("ignore")  # overflows on the way are part of the test
    methods = {
        "wilks": by_wilks,
        "wilks linear": lambda d, n: by_wilks(d, n, LINEAR.get(d.name, ())),
        "scipy lm": lambda d, n: by_scipy(d, n, "lm"),
        "scipy trf": lambda d, n: by_scipy(d, n, "trf"),
    }
    if importlib.util.find_spec("lmfit") is not None:
        methods["lmfit"] = by_lmfit
    print(f"{'data set':10s} {'start':>5s}" + "".join(f" | {m:>12s} errors  calls" for m in methods))
    rows: dict[str, list[Row]] = {m: [] for m in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for name in MODELS:
        dataset = read(name)
        for number in (1, 2):
            line = f"{name:10s} {number:5d}"
            for method, run in methods.items():
                began = time.perf_counter()
                row = run(dataset, number)
                seconds[method] += time.perf_counter() - began
                rows[method].append(row)
                line += f" | {row[0]:12.1f} {row[1]:6.1f} {row[2]:6d}"
            print(line, flush=True)
    for method, found in rows.items():
        table = np.array(found)
        solved = table[:, 0] > 4
        print(
            f"{method}: {solved.sum()} of {len(table)} with more than 4 digits; median digits "
            f"{np.median(table[:, 0]):.1f}, errors {np.median(table[:, 1]):.1f}; median calls "
            f"{np.median(table[:, 2]):.0f}; {seconds[method]:.1f} s"
        )


if __name__ == "__main__":
    main()
