"""Which parameters the data determine, and why not the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wilks.core.parameter import Real
from wilks.xpcs.model import FLOW_NAMES, POWER_LAWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.core.space import Space

_WIDE = 0.25
"""Largest standard error of a parameter that counts as determined, as a fraction of its box."""
_SEEN = 3.0
"""Standard errors by which an amplitude must differ from zero to be seen."""
_RARE = 2.782
"""Quantile of the normal distribution that is exceeded with the probability 0.0027."""


@dataclass(frozen=True)
class Identifiability:
    """Whether a parameter is determined by the data.

    Attributes
    ----------
    ok
        Is it?
    reason
        Why not; empty where it is.
    """

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        """Return `ok`."""
        return self.ok


@dataclass(frozen=True)
class Evidence:
    """What is known at the end of a fit.

    Attributes
    ----------
    values, errors
        Physical parameters and coefficients of the scaling with their standard errors, by name.
    at_bounds
        Name -> ``"lower"`` or ``"upper"``.
    flat
        Names that take part in each direction in which chi-squared does not change.
    contrast_gain
        How much lower chi-squared is than that without any contrast; NaN where the contrasts were given.
    shear_gain
        How much chi-squared rises when the flow is taken away; NaN without flow. Both gains are in units of reduced
        chi-squared where that is above 1: a sigma that is too small makes no signal of noise.
    n_angles
        Number of angles.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    at_bounds: Mapping[str, str]
    flat: tuple[tuple[str, ...], ...]
    contrast_gain: float
    shear_gain: float
    n_angles: int


def judge(space: Space, evidence: Evidence) -> dict[str, Identifiability]:
    """Return the verdict on every free physical parameter."""
    dark = _no_contrast(evidence, evidence.n_angles + len(space.free))
    still = evidence.shear_gain < chance(sum(name in space.free for name in FLOW_NAMES))
    found = {}
    for name in space.free:
        if dark:
            reason = dark
        elif name in FLOW_NAMES and still:
            reason = f"no shear is seen: without it chi-squared rises by {evidence.shear_gain:.2g} only" + (
                ", and there is one angle alone" if evidence.n_angles == 1 else ""
            )
        else:
            reason = _own_reason(name, space, evidence)
        found[name] = Identifiability(not reason, reason)
    return found


def chance(n: int) -> float:
    r"""Gain in chi-squared that `n` parameters exceed in pure noise as seldom as one parameter exceeds three sigma.

    The quantile of chi-squared by Wilson and Hilferty (1931): :math:`(\chi^2_n / n)^{1/3}` is nearly normal with the
    mean :math:`1 - 2 / 9n` and the variance :math:`2 / 9n`.

    Examples
    --------
    >>> [round(chance(n), 1) for n in (1, 4, 100)]
    [9.1, 16.4, 143.9]
    """
    variance = 2 / (9 * max(n, 1))
    return max(n, 1) * (1 - variance + _RARE * math.sqrt(variance)) ** 3


def _no_contrast(evidence: Evidence, n: int) -> str:
    """Is the gain no more than `n` parameters may find in noise?"""
    if not evidence.contrast_gain < chance(n):
        return ""
    return (
        f"the correlations do not differ from a constant: chi-squared is only {max(evidence.contrast_gain, 0.0):.2g} "
        "lower than that of no contrast at all"
    )


def _own_reason(name: str, space: Space, evidence: Evidence) -> str:
    one_angle = _one_angle_reason(name, space, evidence)
    if name in evidence.at_bounds:
        side, value = evidence.at_bounds[name], evidence.values[name]
        return one_angle or f"at its {side} bound, {value:.6g}: the box decides, not the data"
    for group in evidence.flat:
        if name in group:
            others = [other for other in group if other != name]
            if not others:
                return "chi-squared does not depend on it within its box"
            alone = " (there is only one angle)" if evidence.n_angles == 1 and name in FLOW_NAMES else ""
            return f"only a combination with {' and '.join(others)} is determined{alone}"
    if one_angle:
        return one_angle
    law = next((law for law in POWER_LAWS if name in law), None)
    if law is not None and law[2] in space.free and name in evidence.values:
        reason = _law_reason(name, law, space, evidence)
        if reason:
            return reason
    error, box = evidence.errors[name], space[name]
    if not math.isfinite(error):
        return "it has no finite standard error"
    if not isinstance(box, Real):
        return ""
    if box.scale == "log":
        if error > evidence.values[name]:
            return f"its standard error {error:.2g} is larger than its value {evidence.values[name]:.2g}"
        fraction = error / evidence.values[name] / math.log(box.upper / box.lower)
    else:
        fraction = error / (box.upper - box.lower)
    if fraction > _WIDE:
        return f"its standard error {error:.2g} covers {100 * fraction:.0f} % of its box"
    return ""


def _one_angle_reason(name: str, space: Space, evidence: Evidence) -> str:
    """Where a fit of one angle ended at an edge of the box for phi0, no direction is flat, but none is determined.

    A rate that is given, or that is at its own bound, sets the scale.
    """
    if evidence.n_angles > 1 or "phi0" not in evidence.at_bounds:
        return ""
    rates = [each for each in (POWER_LAWS[1][0], POWER_LAWS[1][2]) if evidence.values.get(each, 0.0) != 0]
    if any(each not in space.free or each in evidence.at_bounds for each in rates):
        return ""
    if name == "phi0":
        others = " and ".join(rates)
    else:
        others = "phi0" if name in rates else ""
    return f"only a combination with {others} is determined (there is only one angle)" if others else ""


def _law_reason(name: str, law: tuple[str, str, str], space: Space, evidence: Evidence) -> str:
    """Why a power law with a free offset does not determine a parameter, though chi-squared is curved here.

    With an exponent of zero the power is a constant like the offset, and without an amplitude any exponent will do. The
    curvature at one point on such a valley does not show how far it reaches.
    """
    amplitude, exponent, offset = law
    values, errors = evidence.values, evidence.errors
    if amplitude not in space.free:
        return ""
    if exponent not in space.free:
        constant = values[exponent] == 0
    else:
        constant = abs(values[exponent]) < _SEEN * errors[exponent] < math.inf
        seen = abs(values[amplitude]) >= _SEEN * errors[amplitude] or math.isinf(errors[amplitude])
        faint = not seen or (amplitude,) in evidence.flat
        if faint and (constant or not math.isfinite(errors[exponent])):
            return (
                f"{amplitude} is compatible with zero: any {exponent} will do, and one of 0 makes {amplitude} and "
                f"{offset} the same; fix one of the three"
            )
    if constant and name != exponent:
        return f"{exponent} is compatible with 0, and then only the sum of {amplitude} and {offset} is determined"
    return ""
