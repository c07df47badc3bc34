"""Are posteriors right that importance sampling certifies? Sixty of them with known means and standard deviations.

    python benchmarks/importance_honesty.py [--only funnel "common scatter"] [--seeds 6]

Bells, skewed and heavy-tailed posteriors, bent ridges, corners, funnels and models with a common scatter, from those
that importance sampling should do to those that it must refuse. For each: how many of the seeds are certified, the
median number of evaluations, the standard deviation in units of the true one (the geometric mean over the certified
seeds, and over all, of the parameter where it is farthest from one), and which checks fail how often. The exit code is
1 if a posterior of which at least half of the seeds are certified has a standard deviation that is off on average by
more than 5 %, and by more than three standard errors of that average.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import stats

import wilks
from wilks import LikelihoodProblem, Normal, Real, Space
from wilks.problems.hierarchical_posteriors import given_scatter
from wilks.problems.known_posterior import quadrature

Truth = dict[str, tuple[float, float]]
"""Name of a parameter -> its mean and its standard deviation."""
_TOLERANCE, _ERRORS_OF_MEAN = 0.05, 3.0
_DATA = np.array([0.9, -0.7, 1.6, 0.2, -1.1, 0.4, 2.3, -0.2])
_ERRORS = np.array([0.5, 0.6, 0.4, 0.7, 0.5, 0.3, 0.8, 0.6])


def names_of(d: int) -> list[str]:
    return [f"x{i}" for i in range(d)]


def stacked(values: dict[str, np.ndarray], d: int) -> np.ndarray:
    return np.stack([np.asarray(values[name]) for name in names_of(d)], axis=-1)


def alike(d: int, low: float, high: float, function: Callable, mean: float, sd: float) -> tuple:
    """A posterior all of whose parameters are alike; the function takes an array whose last axis is that of them."""
    space = Space({name: Real(low, high) for name in names_of(d)})
    problem = LikelihoodProblem(space, lambda values: function(stacked(values, d)), vectorized=True)
    return problem, dict.fromkeys(names_of(d), (mean, sd))


def normal(d: int) -> tuple:
    precision = np.linalg.inv(np.full((d, d), 0.5) + 0.5 * np.eye(d))
    return alike(d, -10, 10, lambda x: -0.5 * np.einsum("...i,ij,...j", x, precision, x), 0.0, 1.0)


def student(nu: float, d: int) -> tuple:
    def function(x: np.ndarray) -> np.ndarray:
        return -0.5 * (nu + d) * np.log1p(np.sum(x**2, axis=-1) / nu)

    return alike(d, -2000, 2000, function, 0.0, math.sqrt(nu / (nu - 2)))


def gamma(shape: float, d: int) -> tuple:
    def function(x: np.ndarray) -> np.ndarray:
        return np.sum((shape - 1) * np.log(x) - x, axis=-1)

    return alike(d, 1e-12, 60 + 4 * shape, function, shape, math.sqrt(shape))


def lognormal(s: float, d: int) -> tuple:
    def function(x: np.ndarray) -> np.ndarray:
        return np.sum(-0.5 * (np.log(x) / s) ** 2 - np.log(x), axis=-1)

    return alike(d, 1e-9, math.exp(8 * s), function, stats.lognorm(s).mean(), stats.lognorm(s).std())


def corner(d: int) -> tuple:
    """A normal posterior of which the box leaves one orthant."""
    return alike(d, 0, 10, lambda x: -0.5 * np.sum(x**2, axis=-1), math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi))


def banana(bend: float) -> tuple:
    def function(values: dict) -> np.ndarray:
        return -0.5 * values["x"] ** 2 - 2.0 * (values["y"] - bend * (values["x"] ** 2 - 1)) ** 2

    space = Space(x=Real(-8, 8), y=Real(-10 - 5 * bend, 10 + 70 * bend))
    truth = {"x": (0.0, 1.0), "y": (0.0, math.sqrt(0.25 + 2 * bend**2))}
    return LikelihoodProblem(space, function, vectorized=True), truth


def mean_and_sigma(n: int) -> tuple:
    """Mean and standard deviation of n normal numbers."""
    x = stats.norm.ppf((np.arange(n) + 0.5) / n)
    square = float(np.sum(x**2))
    s = np.linspace(1e-3, 60, 400_001)
    logs = -(n - 1) * np.log(s) - 0.5 * square / s**2
    p = np.exp(logs - logs.max())
    p /= p.sum()
    mean = float(p @ s)
    truth = {"m": (0.0, math.sqrt(p @ s**2 / n)), "s": (mean, math.sqrt(p @ s**2 - mean**2))}
    space = Space(m=Real(-200, 200), s=Real(1e-3, 60))
    function = lambda v: -n * np.log(v["s"]) - 0.5 * (square + n * v["m"] ** 2) / v["s"] ** 2  # noqa: E731
    return LikelihoodProblem(space, function, vectorized=True), truth


def funnel(spread: float, n: int) -> tuple:
    half, width = 8 * spread, max(8 * math.exp(2 * spread), 8.0)
    v, weights = quadrature(-half, half)
    cut = width * np.exp(-0.5 * v)
    held = 2 * stats.norm.cdf(cut) - 1
    p = weights * np.exp(-0.5 * (v / spread) ** 2) * held**n
    p /= p.sum()
    mean = float(p @ v)
    variance = float(p @ (np.exp(v) * (1 - 2 * cut * stats.norm.pdf(cut) / held)))
    truth = {"v": (mean, math.sqrt(p @ v**2 - mean**2)), **dict.fromkeys(names_of(n), (0.0, math.sqrt(variance)))}

    def function(values: dict) -> np.ndarray:
        square = np.sum(stacked(values, n) ** 2, axis=-1)
        return -0.5 * square * np.exp(-np.asarray(values["v"])) - 0.5 * n * np.asarray(values["v"])

    space = {name: Real(-width, width) for name in names_of(n)}
    space = Space({"v": Real(-half, half, prior=Normal(0, spread)), **space})
    return LikelihoodProblem(space, function, vectorized=True), truth


def common_scatter(n: int, least: float, most: float, *, centred: bool) -> tuple:
    """Values about a mean with an unknown scatter t: the values themselves, or their distances in units of t."""
    data, errors = np.resize(_DATA, n), np.resize(_ERRORS, n)
    log_t, weights = quadrature(math.log(least), math.log(most))
    t = np.exp(log_t)
    logs, centres, covariances = given_scatter(t, data, errors)
    p = weights * np.exp(logs - logs.max())
    p /= p.sum()
    variances = np.diagonal(covariances, axis1=1, axis2=2).copy()
    if not centred:
        variances[:, 1:] += variances[:, :1] - 2 * covariances[:, 0, 1:]
        variances[:, 1:] /= t[:, None] ** 2
        centres = np.concatenate([centres[:, :1], (centres[:, 1:] - centres[:, :1]) / t[:, None]], axis=1)
    means = np.append(p @ t, p @ centres)
    sds = np.sqrt(np.append(p @ t**2, p @ (centres**2 + variances)) - means**2)
    truth = dict(zip(("t", "mu", *names_of(n)), zip(means.tolist(), sds.tolist(), strict=True), strict=True))

    def function(values: dict) -> np.ndarray:
        x, t, mu = stacked(values, n), np.asarray(values["t"])[..., None], np.asarray(values["mu"])[..., None]
        if centred:
            return -0.5 * np.sum(((data - x) / errors) ** 2 + ((x - mu) / t) ** 2 + 2 * np.log(t), axis=-1)
        return -0.5 * np.sum(((data - mu - t * x) / errors) ** 2, axis=-1)

    value = Real(-60, 60) if centred else Real(-7, 7, prior=Normal(0, 1))
    space = Space({"t": Real(least, most, scale="log"), "mu": Real(-60, 60), **dict.fromkeys(names_of(n), value)})
    return LikelihoodProblem(space, function, vectorized=True), truth


POSTERIORS: dict[str, Callable[[], tuple[LikelihoodProblem, Truth]]] = {
    **{f"normal, {d} parameters": partial(normal, d) for d in (1, 2, 5, 10, 20)},
    **{f"Student t, nu {nu}, {d} parameters": partial(student, nu, d) for nu in (3, 5, 10) for d in (1, 3, 8)},
    **{f"corner, {d} parameters": partial(corner, d) for d in (1, 3, 8)},
    **{f"gamma, shape {a}, {d} parameters": partial(gamma, a, d) for a in (2, 5, 20) for d in (1, 4)},
    "gamma, shape 20, 10 parameters": partial(gamma, 20, 10),
    **{f"lognormal, s {s}, {d} parameters": partial(lognormal, s, d) for s in (0.2, 0.4) for d in (1, 4, 10)},
    "lognormal, s 0.7, 1 parameter": partial(lognormal, 0.7, 1),
    **{f"mean and sigma of {n}": partial(mean_and_sigma, n) for n in (4, 6, 10, 20)},
    **{f"banana, bend {bend}": partial(banana, bend) for bend in (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)},
    **{f"funnel, spread {s}, {n} widths": partial(funnel, s, n) for s in (0.2, 0.4, 0.7, 1.0) for n in (1, 4, 9)},
    **{
        f"common scatter of {n}, t from {least}, {'values' if centred else 'offsets'}": partial(
            common_scatter, n, least, 10.0, centred=centred
        )
        for n in (3, 5, 8)
        for least, centred in ((0.1, False), (0.3, True), (0.8, True))
    },
    "common scatter of 16, t from 0.8, values": partial(common_scatter, 16, 0.8, 10.0, centred=True),
}


def farthest(ratios: list[list[float]]) -> float:
    """Geometric mean over seeds of the ratio of the parameter where that is farthest from one."""
    if not ratios:
        return math.nan
    means = np.exp(np.mean(np.log(ratios), axis=0))
    return float(means[np.argmax(np.abs(np.log(means)))])


def is_off(ratios: list[list[float]]) -> bool:
    """Is the mean over seeds of any parameter off by more than the tolerance, beyond three standard errors?"""
    logs = np.log(ratios)
    error = logs.std(axis=0, ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else np.inf
    return bool((np.abs(logs.mean(axis=0)) > np.maximum(math.log1p(_TOLERANCE), _ERRORS_OF_MEAN * error)).any())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names")
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    print(f"{'posterior':42} {'certified':>9} {'evals':>6} {'sd, certified':>13} {'sd, all':>7}  failed checks")
    wrong = []
    for name in (name for name in POSTERIORS if any(part in name for part in options.only)):
        problem, truth = POSTERIORS[name]()
        certified, every, n_evaluations, failed = [], [], [], Counter()
        for seed in range(1, options.seeds + 1):
            found = wilks.sample(problem, wilks.AdaptiveImportance(), seed=seed, callbacks=[])
            ratios = [found.standard_deviations[each] / sd for each, (_, sd) in truth.items()]
            every.append(ratios)
            n_evaluations.append(found.n_evaluations)
            failed.update(check.name for check in found.certificate.failures)
            if found.certificate.ok:
                certified.append(ratios)
        if 2 * len(certified) >= options.seeds and is_off(certified):
            wrong.append(name)
        print(
            f"{name:42} {len(certified):4d} of {options.seeds:d} {np.median(n_evaluations):7.0f} "
            f"{farthest(certified):13.3f} {farthest(every):7.3f}  "
            f"{', '.join(f'{check} {n}' for check, n in failed.items())}"
            f"{'  <- CERTIFIED AND WRONG' if name in wrong else ''}",
            flush=True,
        )
    print(f"{len(wrong)} certified and wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
