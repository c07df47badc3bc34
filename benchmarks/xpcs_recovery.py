"""Are the errors of XPCS fits what they say? Pulls of every parameter over many noise realisations.

    python benchmarks/xpcs_recovery.py [--n-seeds 50] [--n-t 100] [--search] [case ...]

Data sets of seven angles that differ in their noise alone are fitted, and every estimate is compared with the truth in
units of its standard error. Where the standard errors are right, a pull has mean 0 and standard deviation 1, and the
distance d'C^-1 d of all parameters together, C the whole covariance, is their number on average, which also tells
whether the correlations are right. The columns of the table:

worst mean      of the pulls of a parameter, in units of its standard error over the seeds: should be below 3
spread          smallest and largest standard deviation of the pulls of a physical parameter: .8 to 1.25 for 50 seeds
scaling         standard deviation of the pulls of all contrasts, and of all offsets
distance        mean of d'C^-1 d over its expectation
chi2            mean of the reduced chi-squared: .97 to 1.03

What must be 1 does not depend on how the matrices are stored, on masks, or on who knows sigma. Some cases need a word:

* ``weights``, ``shear weights``: weights that are no inverse variances cost precision, and the errors (a sandwich) say
  how much: the pulls keep the spread 1. Chi-squared is reported without the weights.
* ``shrinkage``: the regularisation is a prior on contrast and offset, and the errors those of the posterior. Spread 1
  is therefore what contrasts and offsets show that are drawn from that prior, anew for every data set, as is done here.
  For contrasts that stay the same in all data sets pulls are narrower than 1, and off 0 by what the prior pulls.
* ``huber``, ``soft_l1``, ``cauchy``: 5 % of the pixels are off by up to thirty sigma. The sandwich knows the precision
  that the loss has for such data; least squares would be off. Chi-squared counts the outliers.

Without ``--search`` fits start at the truth, since what is asked is where they end; with it they search.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from wilks import Loss, xpcs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FLOW = {
    "D0": 2e4, "alpha": -0.6, "D_offset": 2000.0, "gamma_dot_0": 1e-3, "beta": -0.5, "gamma_dot_offset": 2e-4,
    "phi0": -4.0,
}  # fmt: skip
STATIC = {name: FLOW[name] for name in ("D0", "alpha", "D_offset")}
CONTRAST, OFFSET, SIGMA = 0.3, 1.0, 0.005
_NARROW = (0.0005, 0.00015)
_UNEQUAL = (9.0, 0.1, 1.0, 9.0, 1.0, 0.1, 9.0)
_OUTLIERS, _FARTHEST = 0.05, 30.0


@dataclass(frozen=True)
class Case:
    """How data are made, and fitted."""

    truth: dict[str, float] = field(default_factory=lambda: FLOW)
    convention: xpcs.Convention = field(default_factory=xpcs.Convention)
    storage: Any = "mirrored"
    knows_sigma: bool = True
    sigma: float = SIGMA
    masked: float = 0.0
    outliers: bool = False
    redrawn: bool = False
    widths: tuple[float, float] = (0.05, 0.01)
    scaling: str | xpcs.Scaling = "individual"
    options: xpcs.FitOptions = field(default_factory=xpcs.FitOptions)

    @property
    def mode(self) -> str:
        return "laminar_flow" if "beta" in self.truth else "static"


CASES = {
    "laminar": Case(),
    "laminar, homodyne": Case(convention=xpcs.Convention.homodyne()),
    "static": Case(STATIC),
    "independent halves": Case(storage="independent"),
    "upper half": Case(storage="upper"),
    "masked": Case(masked=0.3),
    "masked, independent": Case(storage="independent", masked=0.3),
    "sigma estimated": Case(knows_sigma=False),
    "sigma estimated, halves": Case(storage="independent", knows_sigma=False),
    "fourier": Case(scaling=xpcs.Scaling.fourier(1)),
    "averaged": Case(scaling="averaged"),
    "weights": Case(options=xpcs.FitOptions(weights=_UNEQUAL)),
    "shear weights": Case(options=xpcs.FitOptions(weights=xpcs.ShearWeights())),
    "shrinkage": Case(redrawn=True, widths=_NARROW, options=xpcs.FitOptions(regularisation=xpcs.Shrinkage(*_NARROW))),
    "shrinkage, weights": Case(
        redrawn=True,
        widths=_NARROW,
        options=xpcs.FitOptions(weights=_UNEQUAL, regularisation=xpcs.Shrinkage(*_NARROW)),
    ),
    "huber": Case(outliers=True, options=xpcs.FitOptions(loss="huber")),
    "soft_l1": Case(outliers=True, options=xpcs.FitOptions(loss=Loss("soft_l1", 0.3))),
    "cauchy": Case(outliers=True, options=xpcs.FitOptions(loss=Loss("cauchy", 3.0))),
    "huber, no outliers": Case(options=xpcs.FitOptions(loss="huber")),
}


@dataclass(frozen=True)
class Pulls:
    """(estimate - truth) / standard error: one row per data set.

    Attributes
    ----------
    physical, contrast, offset
        Shape (n_seeds, number of parameters).
    distance
        d'C^-1 d over its expectation, shape (n_seeds,).
    reduced_chi_squared
        Shape (n_seeds,).
    n_evaluations
        Of each fit.
    """

    physical: NDArray[np.float64]
    contrast: NDArray[np.float64]
    offset: NDArray[np.float64]
    distance: NDArray[np.float64]
    reduced_chi_squared: NDArray[np.float64]
    n_evaluations: NDArray[np.int64]

    @property
    def every(self) -> NDArray[np.float64]:
        return np.hstack([self.physical, self.contrast, self.offset])

    @property
    def worst_mean(self) -> float:
        """Largest mean of a parameter in units of its standard error, if the pulls have the spread 1."""
        return float(np.abs(self.every.mean(axis=0)).max() * np.sqrt(len(self.every)))


def made(case: Case, seed: int, n_t: int, n_phi: int) -> tuple[xpcs.TwoTimeData, NDArray[np.float64], Any]:
    """Data with their true contrasts and offsets."""
    rng = np.random.default_rng(seed if case.redrawn else 12345)
    contrast = CONTRAST + case.widths[0] * rng.standard_normal(n_phi)
    offset = OFFSET + case.widths[1] * rng.standard_normal(n_phi)
    phi = np.linspace(-75.0, 90.0, n_phi)
    if case.scaling == "averaged":
        contrast[:], offset[:] = CONTRAST, OFFSET
    elif case.scaling != "individual":
        wave = np.cos(np.deg2rad(phi)) - 0.5 * np.sin(np.deg2rad(phi))
        contrast, offset = CONTRAST + case.widths[0] * wave, OFFSET - case.widths[1] * wave
    geometry = xpcs.Geometry(
        t=0.1 * np.arange(n_t), dt=0.1, q=0.0054, gap=2e6 if "beta" in case.truth else None, phi=phi,
        convention=case.convention,
    )  # fmt: skip
    data = xpcs.simulate(
        case.truth, geometry, contrast=contrast, offset=offset, sigma=case.sigma, mode=case.mode,
        storage=case.storage, seed=seed,
    )  # fmt: skip
    c2 = np.array(data.c2)
    noise = np.random.default_rng([seed, 1])
    if case.outliers:
        upper = np.triu(noise.random(c2.shape) < _OUTLIERS, 1)
        off = case.sigma * np.where(upper, noise.uniform(-_FARTHEST, _FARTHEST, c2.shape), 0.0)
        c2 += off + np.swapaxes(off, 1, 2)
    if case.masked:
        c2[noise.random(c2.shape) < case.masked] = np.nan
        if case.storage == "mirrored":  # a pixel that is bad is bad in both halves
            c2 = np.where(np.isnan(np.swapaxes(c2, 1, 2)), np.nan, c2)
    sigma = case.sigma if case.knows_sigma else None
    data = xpcs.TwoTimeData(c2, data.t, data.phi, data.q, data.gap, data.dt, sigma=sigma)
    return data, contrast, offset


def fitted(case: Case, seed: int, *, n_t: int, n_phi: int = 7, search: bool = False) -> tuple[xpcs.XpcsFit, Any, Any]:
    """One data set fitted; with its contrasts and offsets."""
    data, contrast, offset = made(case, seed, n_t, n_phi)
    options = case.options if search else replace(case.options, method="local")
    result = xpcs.fit(
        data, case.mode, scaling=case.scaling, convention=case.convention, options=options, seed=seed, callbacks=(),
        start=None if search else case.truth,
    )  # fmt: skip
    if not result.status.success:
        raise RuntimeError(f"seed {seed}: {result.status.message}")
    return result, contrast, offset


def pulls(case: Case, seeds: Sequence[int], *, n_t: int, n_phi: int = 7, search: bool = False) -> Pulls:
    """Fit data sets that differ in their noise."""
    rows: list[tuple[Any, ...]] = []
    for seed in seeds:
        result, contrast, offset = fitted(case, seed, n_t=n_t, n_phi=n_phi, search=search)
        physical = [(result.values[name] - v) / result.standard_errors[name] for name, v in case.truth.items()]
        scaled = true_coefficients(result, contrast, offset)
        gap = np.array([result.values[name] for name in result.names])
        gap -= np.array([*case.truth.values(), *scaled])
        distance = gap @ np.linalg.solve(result.covariance, gap) / len(gap)
        rows.append(
            (
                physical,
                (result.contrast - contrast) / result.contrast_errors,
                (result.offset - offset) / result.offset_errors,
                distance,
                result.reduced_chi_squared,
                result.n_evaluations,
            )
        )
    return Pulls(*(np.array([row[i] for row in rows]) for i in range(6)))


def true_coefficients(result: xpcs.XpcsFit, contrast: NDArray[np.float64], offset: NDArray[np.float64]) -> list[float]:
    """True values of the coefficients of the scaling, in the order of `result.names`."""
    if result.scaling.kind == "individual":
        return [*contrast, *offset]
    if result.scaling.kind == "averaged":
        return [contrast[0], offset[0]]
    angles = np.deg2rad(result.phi)
    basis = np.column_stack([np.ones(len(angles)), np.cos(angles), np.sin(angles)])
    return [c for true in (contrast, offset) for c in np.linalg.lstsq(basis, true)[0]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="case", help=", ".join(CASES))
    parser.add_argument("--n-seeds", type=int, default=50)
    parser.add_argument("--n-t", type=int, default=100)
    parser.add_argument("--search", action="store_true")
    chosen = parser.parse_args()
    print(f"{chosen.n_seeds} data sets of 7 angles and {chosen.n_t} frames for every case")
    print(f"{'':24s} worst mean  spread       scaling      distance   chi2  calls  seconds per fit")
    for name in chosen.cases:
        began = time.perf_counter()
        found = pulls(CASES[name], range(1, chosen.n_seeds + 1), n_t=chosen.n_t, search=chosen.search)
        seconds = (time.perf_counter() - began) / chosen.n_seeds
        spread = np.sqrt((found.physical**2).mean(axis=0))
        scaling = [float(np.sqrt((part**2).mean())) for part in (found.contrast, found.offset)]
        print(
            f"{name:24s} {found.worst_mean:10.2f}  {spread.min():4.2f}..{spread.max():4.2f}   {scaling[0]:4.2f}, "
            f"{scaling[1]:4.2f}   {found.distance.mean():8.3f}  {found.reduced_chi_squared.mean():5.3f}  "
            f"{found.n_evaluations.mean():5.0f}  {seconds:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
