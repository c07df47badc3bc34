"""What a reader of a fit should know besides its numbers: sentences about the data, the scaling and the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.xpcs.model import negative_transport
from wilks.xpcs.projection import project
from wilks.xpcs.scaling import Scaling, linear_block

if TYPE_CHECKING:
    from wilks.xpcs.preparation import Prepared, Question
    from wilks.xpcs.projection import AngleSums

_FAR = 5.0
"""Standard deviations by which a gain in chi-squared must exceed what more coefficients give by chance."""
_BACKGROUND = 0.4
"""Values at long lags below this are no correlation that tends to 1."""


def notes(prepared: Prepared) -> tuple[str, ...]:
    """Everything that was found in the data."""
    report = prepared.report
    texts = (report.masked(), *report.remarks())
    return tuple(dict.fromkeys(_sentence(text) for text in texts if text))


def remarks(
    question: Question, prepared: Prepared, sums: AngleSums | None, chi_squared: float, best: dict[str, float]
) -> tuple[str, ...]:
    """Reasons to doubt a fit that the data, the scaling or the model give.

    Parameters
    ----------
    question, prepared
        The fit.
    sums, chi_squared
        Sums of products at the best point, without weights of angles, and chi-squared there; None if there is none.
    best
        The physical parameters there.
    """
    found = [_sentence(text) for text in prepared.report.remarks()]
    if sums is not None:
        found += filter(None, [_angles_differ(question, prepared, sums, chi_squared)])
        if (prepared.quantiles[1] < _BACKGROUND).all():
            found.append("The data look like g2 - 1: their values at long lags are near 0. Add 1 to c2.")
    if best:
        t = prepared.geometry.t
        negative = negative_transport(best, t, prepared.geometry.dt)
        if len(negative):
            found.append(
                f"The transport coefficient is negative at {len(negative)} of {len(t)} times, "
                f"from {negative[0]:.4g} s to {negative[-1]:.4g} s: no diffusion does that."
            )
    return tuple(found)


def _angles_differ(question: Question, prepared: Prepared, sums: AngleSums, chi_squared: float) -> str:
    """A remark where contrast and offset of every angle for itself would fit far better than the chosen scaling."""
    n_more = 2 * len(prepared.used) - len(prepared.block.names)
    if n_more <= 0:
        return ""
    n_used = prepared.sums.n_used
    own = linear_block(Scaling.individual(), prepared.geometry.phi, n_used, prepared.quantiles, question.bounds)
    least = project(sums, own).chi_squared
    gain = (chi_squared - least) / max(1.0, least / float(n_used.sum()))
    if gain <= n_more + _FAR * math.sqrt(2.0 * n_more):
        return ""
    return (
        f"Contrast and offset differ between the angles: with scaling='individual' chi-squared would be {gain:.4g} "
        f"lower for {n_more} more coefficients; the parameters are biased without."
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
