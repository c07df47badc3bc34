"""Every method of `wilks.sample` on every posterior whose moments, quantiles and evidence are known.

    python benchmarks/posteriors.py [--methods importance ensemble] [--problems ridge funnel] [--seeds 3]

For each: evaluations, seconds, the worst over the parameters of |mean error| / sd, sd ratio and error of the 5 and 95 %
quantiles / sd, the error of the log-evidence in its own standard errors, the measure of the certificate that is nearest
to its limit, whether the certificate holds, and whether the posterior is right. Right means, with MCSE the Monte Carlo
standard error of each number: |mean error| < 0.05 sd + 3 MCSE, sd ratio within 0.97 to 1.03 plus 3 MCSE, quantiles
within 0.1 sd + 3 MCSE. A certificate that holds over a posterior that is wrong is the one thing that must not happen;
the exit code is 1 if it does.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass

import numpy as np

import wilks
from wilks.loop.mixing import mixing
from wilks.problems.posteriors import POSTERIORS, KnownPosterior
from wilks.samplers.result import Posterior

METHODS = {
    "automatic": lambda: None,
    "importance": wilks.AdaptiveImportance,
    "nuts": wilks.Nuts,
    "ensemble": wilks.Ensemble,
    "tempering": lambda: wilks.ParallelTempering(sampling=True),
}
_MEAN, _SPREAD, _QUANTILE, _ERRORS = 0.05, 0.03, 0.1, 3.0
_ENDS = np.array([0.05, 0.95])


@dataclass(frozen=True)
class Judgement:
    """How far a posterior is from the exact one: the worst over the parameters, and whether it is right."""

    mean: float
    spread: float
    quantile: float
    evidence: float
    right: bool


def judged(posterior: Posterior, known: KnownPosterior) -> Judgement:
    """Compare a posterior with the exact one."""
    nodes, weights = np.polynomial.legendre.leggauss(100)
    p = 0.5 * (1.0 + np.sin(0.5 * np.pi * nodes))  # dense at the ends, where the quantiles run away
    weights = 0.25 * np.pi * weights * np.cos(0.5 * np.pi * nodes)
    means, spreads, quantiles, right = [], [], [], posterior.log_likelihoods.size > 0
    for name in posterior.names if right else ():
        sd = known.standard_deviations[name]
        ess = posterior.ess[name]
        tail = ess if posterior.weighted is not None else mixing(posterior.draws[name], "ess_tail")
        kurtosis = float(weights @ ((known.quantile(name, p) - known.means[name]) / sd) ** 4)
        densities = 0.02 / (known.quantile(name, _ENDS + 0.01) - known.quantile(name, _ENDS - 0.01))
        mean = abs(posterior.means[name] - known.means[name]) / sd
        ratio = posterior.standard_deviations[name] / sd
        apart = np.abs(posterior.quantiles(name, _ENDS) - known.quantile(name, _ENDS)) / sd
        errors = np.sqrt(_ENDS * (1 - _ENDS) / tail) / (densities * sd)
        right &= mean < _MEAN + _ERRORS / math.sqrt(ess)
        right &= abs(ratio - 1.0) < _SPREAD + _ERRORS * math.sqrt((kurtosis - 1.0) / (4.0 * tail))
        right &= bool((apart < _QUANTILE + _ERRORS * errors).all())
        means.append(mean)
        spreads.append(ratio)
        quantiles.append(float(apart.max()))
    worst = max(spreads, key=lambda ratio: abs(math.log(ratio)) if ratio > 0 else math.inf, default=math.nan)
    evidence = (posterior.log_evidence - known.log_evidence) / (posterior.log_evidence_error or math.nan)
    return Judgement(max(means, default=math.nan), worst, max(quantiles, default=math.nan), evidence, bool(right))


def nearest(posterior: Posterior) -> str:
    """The check that fails first, or that is nearest to its limit."""
    failures = posterior.certificate.failures
    if failures:
        return f"{failures[0].name} {failures[0].value:.3g}"
    names = ("Pareto k-hat", "R-hat", "bulk ESS")
    found = [check for check in posterior.certificate.checks if check.name in names]
    return ", ".join(f"{check.name} {check.value:.4g}" for check in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--problems", nargs="+", choices=POSTERIORS, default=list(POSTERIORS))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'problem':8} {'method':10} {'seed':>4} {'evals':>8} {'s':>6} {'mean':>6} {'sd':>6} {'5/95%':>6} {'logZ':>6} "
        f"{'ok':>5} {'right':>5}  checks"
    )
    n_right = n_ok = n_wrong = 0
    for problem in options.problems:
        known = POSTERIORS[problem]()
        for method in options.methods:
            for seed in range(1, options.seeds + 1):
                began = time.perf_counter()
                posterior = wilks.sample(known.problem, METHODS[method](), seed=seed, callbacks=[])
                seconds = time.perf_counter() - began
                found, ok = judged(posterior, known), posterior.certificate.ok
                n_right += found.right
                n_ok += ok
                n_wrong += ok and not found.right
                print(
                    f"{problem:8} {method:10} {seed:4d} {posterior.n_evaluations:8d} {seconds:6.1f} {found.mean:6.3f} "
                    f"{found.spread:6.3f} {found.quantile:6.3f} {found.evidence:6.2f} {ok!s:>5} {found.right!s:>5}  "
                    f"{nearest(posterior)}{' <- CERTIFIED AND WRONG' if ok and not found.right else ''}",
                    flush=True,
                )
    print(f"{n_ok} certified, {n_right} right, {n_wrong} certified and wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
