"""A posterior beside the fit it started from: what the data said, and where the two disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wilks.core.parameter import Real
from wilks.core.table import Table, show

if TYPE_CHECKING:
    from wilks.xpcs.posterior.result import XpcsPosterior

LITTLE, _MOST = 0.3, 0.9
"""Contraction below which the prior decides, and above which the data do."""
_APART, _RATIO, _OVERLAP = 0.5, 1.25, 0.7
_TWO_SIDED = 1.959963984540054
PROBABILITY = 0.95


@dataclass(frozen=True)
class Comparison:
    """One parameter.

    Attributes
    ----------
    contraction
        1 - (posterior / prior standard deviation).
    z_score
        (Posterior mean - fitted value) / posterior standard deviation.
    uncertainty_ratio
        Posterior standard deviation / standard error.
    relative_difference
        (Posterior mean - fitted value) / fitted value.
    overlap
        Length that the 95 % intervals share, over that of the shorter one.
    verdict
        The same in words.
    """

    contraction: float
    z_score: float
    uncertainty_ratio: float
    relative_difference: float
    overlap: float
    verdict: str


def compare_with_fit(posterior: XpcsPosterior) -> dict[str, Comparison]:
    """Compare every free physical parameter of a posterior with its fit."""
    return {name: _one(posterior, name) for name in posterior.names}


def comparison_table(posterior: XpcsPosterior) -> Table:
    """The comparison as a table."""
    rows = []
    for name, found in compare_with_fit(posterior).items():
        numbers = (found.z_score, found.uncertainty_ratio, found.relative_difference, found.overlap)
        rows.append(
            (
                name,
                show(posterior.means[name]),
                show(float(posterior.fit.best[name])),  # type: ignore[arg-type]  # a real parameter
                f"{found.contraction:.2f}",
                *("" if math.isnan(number) else f"{number:.3g}" for number in numbers),
                found.verdict,
            )
        )
    heads = ("parameter", "posterior", "fit", "contraction", "z", "sd ratio", "rel. diff.", "overlap", "")
    note = "" if not posterior.fit_informed else "The priors are about the fit: agreement with it is no confirmation."
    return Table("Posterior and fit", heads, tuple(rows), note)


def _one(posterior: XpcsPosterior, name: str) -> Comparison:
    fit = posterior.fit
    mean, sd = posterior.means[name], posterior.standard_deviations[name]
    value, error = float(fit.best[name]), fit.standard_errors.get(name, math.nan)  # type: ignore[arg-type]  # real
    contraction = posterior.contraction[name]
    z = (mean - value) / sd if sd > 0 else math.nan
    usable = math.isfinite(error) and error > 0
    ratio = sd / error if usable else math.nan
    relative = (mean - value) / value if value else math.nan
    overlap = math.nan
    if usable:
        box = posterior.space[name]
        assert isinstance(box, Real)  # noqa: S101 - physical parameters are
        low, high = posterior.interval(name, PROBABILITY)
        left = max(value - _TWO_SIDED * error, box.lower)
        right = min(value + _TWO_SIDED * error, box.upper)
        shorter = min(high - low, right - left)
        overlap = max(0.0, min(high, right) - max(low, left)) / shorter if shorter > 0 else math.nan
    return Comparison(contraction, z, ratio, relative, overlap, _words(contraction, z, ratio, overlap))


def _words(contraction: float, z: float, ratio: float, overlap: float) -> str:
    if contraction < LITTLE:
        told = "the prior decides"
    elif contraction < _MOST:
        told = "prior and data decide"
    else:
        told = "the data decide"
    if math.isnan(ratio):
        return f"{told}; the fit has no error"
    apart = abs(z) > _APART
    if apart and overlap < _OVERLAP:
        return f"{told}; away from the fit"
    if ratio > _RATIO:
        return f"{told}; wider than the fit says"
    if ratio < 1.0 / _RATIO:
        return f"{told}; narrower than the fit says"
    return f"{told}; skewed, its mean is beside the fit" if apart else f"{told}; agrees with the fit"
