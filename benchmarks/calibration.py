"""Simulation-based calibration and coverage of posteriors, their agreement with references, and what must fail.

    python -m benchmarks.calibration [--studies priors static laminar few coverage controls agreement]
                                     [--simulations 500] [--processes 2]

For every parameter: p-values of the ranks of known values (`tests.statistical.calibration` says which), and how often
equal-tailed intervals hold the value. A p-value of a band below 0.05 means that the ranks leave the simultaneous 95 %
band. The verdict is the smallest p-value of all tests and parameters of a study times their number (Bonferroni).

    priors    five parameters with priors of five kinds, twelve measurements in four shards
    static    two angles of 30 frames, every pair twice in the matrices; contrast, offset and noise drawn as well
    laminar   three angles of 30 frames, seven physical parameters
    few       eight angles of five frames
    coverage  the same static measurement again and again, three angles of 40 frames, flat priors
    controls  the same while the package makes an error: every one must fail
    agreement moments and quantiles of static correlations against a sum over a grid, of laminar flow against an
              ensemble of walkers

The exit code is 1 if a study fails that should not, or a control does not.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np

import wilks
from tests.statistical.calibration import (
    ERROR,
    FEW,
    LAMINAR,
    LEVELS,
    N_SHARDS,
    STATIC,
    Study,
    posterior_of,
    simulated,
    study_of_broken,
    study_of_correlations,
    study_of_priors,
    study_of_replicates,
)
from tests.statistical.references import Agreement, Moments, agreement, static_grid

Studied = Callable[[Sequence[int]], Study]

_TWELVE = replace(STATIC, n_t=12, phi=tuple(np.linspace(-80.0, 80.0, 6).tolist()), noise=(0.015, 0.03))
_STATIC, _FEW, _NOISY = (partial(study_of_correlations, setup) for setup in (STATIC, FEW, _TWELVE))
STUDIES: dict[str, tuple[Studied, int]] = {
    "priors": (study_of_priors, 1000),
    "static": (_STATIC, 500),
    "laminar": (partial(study_of_correlations, LAMINAR), 200),
    "few": (_FEW, 100),
    "coverage": (study_of_replicates, 400),
}
CONTROLS: dict[str, tuple[Studied, int]] = {
    "static, pairs counted twice": (partial(study_of_broken, "pairs counted twice", _STATIC), 100),
    "coverage, pairs counted twice": (partial(study_of_broken, "pairs counted twice", study_of_replicates), 100),
    "priors, a shard left out": (partial(study_of_priors, n_shards=N_SHARDS - 1), 400),
    "priors, prior squared": (partial(study_of_broken, "prior squared", study_of_priors), 400),
    "priors, prior left out": (partial(study_of_broken, "prior left out", study_of_priors), 400),
    "noisy, log v left out": (partial(study_of_broken, "log v left out", _NOISY), 60),
    "few, nu too large": (partial(study_of_broken, "nu too large by the number of angles", _FEW), 60),
}
_CHUNK = 10
_N_AGREEMENTS = 3


def run(study: Studied, n: int, n_processes: int) -> Study:
    """Simulations 0 to n - 1, a few at a time in every process."""
    chunks = [range(first, min(first + _CHUNK, n)) for first in range(0, n, _CHUNK)]
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(study, chunks))
    return joined(parts)


def joined(parts: Sequence[Study]) -> Study:
    arrays = [np.concatenate([getattr(part, each) for part in parts]) for each in ("ranks", "shares", "certified")]
    return Study(parts[0].names, *arrays)


def show(name: str, study: Study, *, is_drawn: bool) -> bool:
    """Print a study; were parameters drawn from their priors, so that ranks are uniform? Does nothing fail?"""
    print(f"\n{name}: {study.n} of {len(study.ranks)} posteriors certified")
    heads = ("band", "chi2", "shift", "width") if is_drawn else ()
    print(f"{'parameter':<18}" + "".join(f"{head:>8}" for head in (*heads, "68 %", "95 %")))
    found, covered = study.uniformities(), study.covered()
    for i, each in enumerate(study.names):
        numbers = (*(found[each] if is_drawn else ()), *covered[:, i])
        print(f"{each:<18}" + "".join(f"{number:8.3f}" for number in numbers))
    verdicts = {"coverage": study.covers()}
    if is_drawn:
        verdicts["ranks"] = study.worst()
        outside = [each for each in study.names if found[each].band < 0.05]
        print(f"outside the simultaneous 95 % band: {', '.join(outside) or 'none'}")
    margins = 2 * np.sqrt(LEVELS * (1 - LEVELS) / study.n)
    far = [
        f"{level:.0%} of {each}"
        for level, row, margin in zip(LEVELS, covered, margins, strict=True)
        for each, share in zip(study.names, row, strict=True)
        if abs(share - level) > margin
    ]
    print(f"coverage farther than two standard errors: {', '.join(far) or 'none'}")
    for what, (p, where) in verdicts.items():
        print(f"{what}: smallest p-value after Bonferroni {p:.2g} ({where})")
    return min(p for p, _ in verdicts.values()) >= ERROR


def agreements() -> bool:
    """Print how far posteriors are from references that were found by other means."""
    print(
        f"\n{'agreement':<12}{'mean':>7}{'sd ratios':>16}{'quantile':>10}{'directions':>16}{'Mahalanobis':>13}  fails"
    )
    precise = wilks.AdaptiveImportance(ess=6000, max_rounds=20)
    ok = True
    for number in range(_N_AGREEMENTS):
        _, data = simulated(replace(STATIC, noise=(0.004, 0.008)), number)
        # Bounds that cut nothing off: then the formula of the reference holds.
        setup = replace(STATIC, boxes={name: STATIC.boxes[name] for name in STATIC.priors})
        found = posterior_of(setup, data, number, precise)
        moments = Moments.of_posterior(found)
        exact = static_grid(setup, data, moments).moments()
        ok &= _row("static", agreement(moments, exact, min(found.ess.values())))
    for number in range(_N_AGREEMENTS):
        _, data = simulated(LAMINAR, number)
        found = posterior_of(LAMINAR, data, number, precise)
        walkers = posterior_of(LAMINAR, data, number, wilks.Ensemble(n_draws=40_000))
        errors = [1.0 / min(each.ess.values()) for each in (found, walkers)]
        judged = agreement(Moments.of_posterior(found), Moments.of_posterior(walkers), 1.0 / sum(errors))
        ok &= _row("laminar", judged)
    return ok


def _row(name: str, found: Agreement) -> bool:
    spreads, eigen = (f"{low:.3f} to {high:.3f}" for low, high in (found.spreads, found.eigen))
    print(
        f"{name:<12}{found.mean:7.3f}{spreads:>16}{found.quantile:10.3f}{eigen:>16}{found.mahalanobis:13.3f}  "
        f"{', '.join(found.failures) or 'nothing'}",
        flush=True,
    )
    return not found.failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = [*STUDIES, "controls", "agreement"]
    parser.add_argument("--studies", nargs="+", choices=choices, default=choices)
    parser.add_argument("--simulations", type=int, help="of each study; each has its own number by default")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    ok = True
    for name in given.studies:
        began = time.perf_counter()
        if name == "agreement":
            ok &= agreements()
        elif name == "controls":
            for control, (study, n) in CONTROLS.items():
                found = run(study, given.simulations or n, given.processes)
                ok &= not show(control, found, is_drawn=not control.startswith("coverage"))
        else:
            study, n = STUDIES[name]
            found = run(study, given.simulations or n, given.processes)
            ok &= show(name, found, is_drawn=name != "coverage")
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
