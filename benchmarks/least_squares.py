"""General least squares: 100000 residuals, 10 parameters, from one start, the second call in the process.

    python benchmarks/least_squares.py [--repeats 5] [--parts]

The data are three Gaussian peaks on a constant background with noise of known size; the Jacobian is analytic, or JAX
makes it. Every method starts from the same point and gets the same functions. Printed are the wall and CPU time of
a whole call, the best of some repeats after a first one, how often the functions were called, and the distance of the
answer from the optimum in standard errors. Methods that are not installed are left out. `--parts` prints where the time
of `wilks.fit` goes.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import pstats
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

import wilks

Array = NDArray[np.float64]
Call = Callable[[], Array]

N_POINTS, SIGMA = 100_000, 0.1
X = np.linspace(0.0, 10.0, N_POINTS)
NAMES = (*(f"{part}{i}" for i in (1, 2, 3) for part in ("height", "centre", "width")), "background")
TRUTH = np.array([3.0, 2.0, 0.5, 5.0, 5.0, 0.8, 2.0, 7.5, 0.6, 1.0])
START = np.array([2.0, 1.8, 0.7, 4.0, 5.3, 1.0, 3.0, 7.7, 0.4, 0.5])
LOWER = np.array([0.0, 0.0, 0.1] * 3 + [-5.0])
UPPER = np.array([20.0, 10.0, 5.0] * 3 + [5.0])


def model(b: Array) -> Array:
    """Peaks on a background."""
    total = np.full(N_POINTS, b[9])
    for height, centre, width in b[:9].reshape(3, 3):
        total += height * np.exp(-0.5 * ((X - centre) / width) ** 2)
    return total


DATA = model(TRUTH) + SIGMA * np.random.default_rng(1).normal(size=N_POINTS)


def residual(b: Array) -> Array:
    """(model - data) / sigma."""
    found = model(b)
    found -= DATA
    found /= SIGMA
    return found


def jacobian(b: Array) -> Array:
    """Its derivatives, shape (N_POINTS, 10)."""
    columns = np.empty((10, N_POINTS))
    for i, (height, centre, width) in enumerate(b[:9].reshape(3, 3)):
        z = (X - centre) / width
        peak, first, second = columns[3 * i : 3 * i + 3]
        np.exp(-0.5 * z * z, out=peak)
        peak /= SIGMA
        np.multiply(peak, z, out=first)
        first *= height / width
        np.multiply(first, z, out=second)
    columns[9] = 1.0 / SIGMA
    return columns.T


@dataclass
class Counted:
    """The functions, counting their calls."""

    n_residual: int = 0
    n_jacobian: int = 0

    def residual(self, b: Array) -> Array:
        self.n_residual += 1
        return residual(np.asarray(b))

    def jacobian(self, b: Array) -> Array:
        self.n_jacobian += 1
        return jacobian(np.asarray(b))

    def of_values(self, values: Mapping[str, float]) -> Array:
        return self.residual(np.array([values[name] for name in NAMES]))

    def jacobian_of_values(self, values: Mapping[str, float]) -> Array:
        return self.jacobian(np.array([values[name] for name in NAMES]))


@dataclass
class Method:
    """A method to time."""

    name: str
    call: Callable[[Counted], Array]
    functions: Counted = field(default_factory=Counted)

    def time(self, repeats: int) -> tuple[float, float, Array]:
        """Least wall time, CPU time of the same call, and the answer."""
        answer = self.call(self.functions)
        best = (np.inf, np.inf)
        for _ in range(repeats):
            self.functions = Counted()
            wall, cpu = time.perf_counter(), time.process_time()
            answer = self.call(self.functions)
            best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
        return *best, answer


def by_wilks(functions: Counted, linear: tuple[str, ...] = (), *, differences: bool = False) -> Array:
    bounds = zip(NAMES, LOWER.tolist(), UPPER.tolist(), strict=True)
    space = wilks.Space({name: wilks.Real(low, high) for name, low, high in bounds})
    given = {} if differences else {"jacobian": functions.jacobian_of_values}
    if linear:
        given["linear"] = linear
    problem = wilks.ResidualProblem(space, functions.of_values, **given)
    start = dict(zip(NAMES, START.tolist(), strict=True))
    result = wilks.fit(problem, start=start, n_starts=0, seed=1, callbacks=())
    return np.array([result.best[name] for name in NAMES])


def by_scipy(functions: Counted, method: str) -> Array:
    bounds = (-np.inf, np.inf) if method == "lm" else (LOWER, UPPER)
    found = least_squares(
        functions.residual, START, jac=functions.jacobian, bounds=bounds, method=method, x_scale="jac"
    )
    return np.asarray(found.x)


def by_lmfit(functions: Counted) -> Array:
    import lmfit  # noqa: PLC0415 - only if it is installed

    parameters = lmfit.Parameters()
    for name, value, low, high in zip(NAMES, START, LOWER, UPPER, strict=True):
        parameters.add(name, value=value, min=low, max=high)
    found = lmfit.minimize(lambda p: functions.residual(np.array([p[name].value for name in NAMES])), parameters)
    return np.array([found.params[name].value for name in NAMES])


def jax_model(x, *b):  # type: ignore[no-untyped-def]  # arrays of JAX
    import jax.numpy as jnp  # noqa: PLC0415 - only if it is installed

    total = b[9]
    for i in range(3):
        total = total + b[3 * i] * jnp.exp(-0.5 * ((x - b[3 * i + 1]) / b[3 * i + 2]) ** 2)
    return total


def by_wilks_jax(functions: Counted) -> Array:
    import jax  # noqa: PLC0415 - only if it is installed

    jax.config.update("jax_enable_x64", val=True)
    bounds = zip(NAMES, LOWER.tolist(), UPPER.tolist(), strict=True)
    space = wilks.Space({name: wilks.Real(low, high) for name, low, high in bounds})
    problem = _SOLVERS.setdefault("wilks", wilks.ResidualProblem(space, _jax_residual))
    functions.n_residual = -1
    start = dict(zip(NAMES, START.tolist(), strict=True))
    result = wilks.fit(problem, start=start, n_starts=0, seed=1, callbacks=())
    return np.array([result.best[name] for name in NAMES])


def _jax_residual(values):  # type: ignore[no-untyped-def]  # arrays of JAX
    return (jax_model(X, *(values[name] for name in NAMES)) - DATA) / SIGMA


def by_optimistix(functions: Counted) -> Array:
    import jax  # noqa: PLC0415 - only if it is installed
    import jax.numpy as jnp  # noqa: PLC0415 - only if it is installed
    import optimistix  # noqa: PLC0415 - only if it is installed

    jax.config.update("jax_enable_x64", val=True)
    functions.n_residual = -1
    solver = _SOLVERS.setdefault("optimistix", optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8))
    found = optimistix.least_squares(_of_array, solver, jnp.asarray(START), max_steps=400)
    return np.asarray(found.value)


def _of_array(b, _):  # type: ignore[no-untyped-def]  # arrays of JAX
    return (jax_model(X, *b) - DATA) / SIGMA


def by_nlsq(functions: Counted) -> Array:
    import nlsq  # noqa: PLC0415 - only if it is installed

    functions.n_residual = -1
    fit = _SOLVERS.setdefault("nlsq", nlsq.CurveFit())
    found = fit.curve_fit(jax_model, X, DATA, p0=START, sigma=np.full(N_POINTS, SIGMA), absolute_sigma=True)
    return np.asarray(found[0])


_SOLVERS: dict[str, object] = {}


def methods() -> list[Method]:
    """Everything that is installed."""

    def has(name: str) -> bool:
        return importlib.util.find_spec(name) is not None

    found = [
        Method("wilks", by_wilks),
        Method("wilks, linear declared", lambda f: by_wilks(f, ("height1", "height2", "height3", "background"))),
        Method("wilks, no Jacobian", lambda f: by_wilks(f, differences=True)),
        Method("scipy trf", lambda f: by_scipy(f, "trf")),
        Method("scipy lm", lambda f: by_scipy(f, "lm")),
    ]
    if has("lmfit"):
        found.append(Method("lmfit leastsq, no Jacobian", by_lmfit))
    if has("jax"):
        found.insert(3, Method("wilks, JAX", by_wilks_jax))
        found += [Method("optimistix LM, JAX", by_optimistix)] if has("optimistix") else []
        found += [Method("nlsq, JAX", by_nlsq)] if has("nlsq") else []
    return found


def optimum() -> tuple[Array, Array]:
    """The best point by Gauss-Newton steps to rounding, and its standard errors."""
    b = TRUTH.copy()
    for _ in range(8):
        b = b - np.linalg.lstsq(jacobian(b), residual(b), rcond=None)[0]
    factor = np.linalg.inv(np.linalg.qr(jacobian(b), mode="r"))
    return b, np.sqrt((factor**2).sum(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", action="store_true", help="where the time of wilks.fit goes")
    arguments = parser.parse_args()
    best, errors = optimum()
    clock = time.perf_counter()
    residual(START)
    between = time.perf_counter()
    jacobian(START)
    print(
        f"one residual {1e3 * (between - clock):.1f} ms, one Jacobian {1e3 * (time.perf_counter() - between):.1f} ms\n"
        f"{'method':28s} {'wall':>9s} {'CPU':>9s} {'residuals':>10s} {'Jacobians':>10s} {'off by':>10s}"
    )
    for method in methods():
        wall, cpu, answer = method.time(arguments.repeats)
        off = float(np.abs((answer - best) / errors).max())
        calls = method.functions
        n = "-" if calls.n_residual < 0 else str(calls.n_residual)
        print(
            f"{method.name:28s} {1e3 * wall:6.0f} ms {1e3 * cpu:6.0f} ms {n:>10s} {calls.n_jacobian:10d} {off:10.1e}",
            flush=True,
        )
    if arguments.parts:
        profiler = cProfile.Profile()
        profiler.runcall(by_wilks, Counted())
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


if __name__ == "__main__":
    main()
