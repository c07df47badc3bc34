"""A verdict on a fit, with its reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.xpcs.identifiability import Identifiability

GOOD_MISFIT, MARGINAL_MISFIT = 0.1, 0.5
"""Largest difference of reduced chi-squared from 1 that is good, and that is marginal."""
MAX_CONDITION = 1e10
"""Largest condition number that is good."""

Flag = Literal["good", "marginal", "poor"]


@dataclass(frozen=True)
class XpcsQuality:
    """How far the numbers of a fit can be trusted.

    Attributes
    ----------
    flag
        ``"good"``: converged, reduced chi-squared within 0.1 of 1, all parameters determined, none at a bound, one
        best basin. ``"poor"``: not converged, reduced chi-squared off by more than 0.5, or nothing determined.
        ``"marginal"``: anything between.
    reasons
        Sentences for people: why it is not good.
    condition_number
        Of the matrix of the fit, in units in which its diagonal is 1.
    significance
        Physical parameter -> value over standard error.
    n_basins
        Distinct optima that the search found on the coarse subset.
    degenerate
        Do parameters that lie apart fit about equally well?
    """

    flag: Flag
    reasons: tuple[str, ...]
    condition_number: float
    significance: dict[str, float]
    n_basins: int
    degenerate: bool

    def __str__(self) -> str:
        """Return the flag."""
        return self.flag


@dataclass(frozen=True)
class Findings:
    """What the verdict rests on; see `wilks.xpcs.result.XpcsFit`.

    With a robust loss, `reduced_chi_squared` is None: outliers raise it, and are no fault of the fit. So it is where
    the model is finite nowhere.
    """

    converged: bool
    reduced_chi_squared: float | None
    identifiable: Mapping[str, Identifiability]
    at_bounds: Mapping[str, str]
    condition_number: float
    values: Mapping[str, float]
    errors: Mapping[str, float]
    n_basins: int
    degenerate: bool
    remarks: tuple[str, ...]


def verdict(findings: Findings) -> XpcsQuality:
    """Return the verdict on a fit."""
    poor, marginal = [], list(findings.remarks)
    if not findings.converged:
        poor.append("The fit did not converge.")
    reduced = 1.0 if findings.reduced_chi_squared is None else findings.reduced_chi_squared
    off = abs(reduced - 1.0)
    if not off <= GOOD_MISFIT:
        text = f"Reduced chi-squared is {reduced:.4g}: the model or sigma is not right."
        (marginal if off <= MARGINAL_MISFIT else poor).append(text)
    open_names = [name for name, found in findings.identifiable.items() if not found]
    if open_names:
        text = f"Not determined by the data: {', '.join(open_names)}."
        (poor if len(open_names) == len(findings.identifiable) else marginal).append(text)
    bounded = [name for name in findings.at_bounds if name not in open_names]
    if bounded:
        marginal.append(f"At a bound: {', '.join(bounded)}.")
    if findings.condition_number > MAX_CONDITION and not open_names:
        marginal.append(f"Parameters are nearly degenerate: condition number {findings.condition_number:.1e}.")
    if findings.degenerate:
        marginal.append("Another optimum fits about as well.")
    flag: Flag = "poor" if poor else "marginal" if marginal else "good"
    significance = {
        name: abs(findings.values[name]) / error if math.isfinite(error) and error > 0 else 0.0
        for name, error in findings.errors.items()
    }
    return XpcsQuality(
        flag,
        (*poor, *marginal),
        findings.condition_number,
        significance,
        findings.n_basins,
        findings.degenerate,
    )
