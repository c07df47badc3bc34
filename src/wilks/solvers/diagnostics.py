r"""What the numbers of a fit are worth: parameter by parameter, and as one word.

All is said in units in which neither the unit of a parameter nor its origin matters: of the box, or of the curvature B
(minus the Hessian). With g the gradient, the sensitivity of parameter i and its scaled gradient are

.. math:: s_i = \sqrt{B_{ii}}, \qquad \gamma_i = g_i / s_i                                                      (1)

For residuals, :math:`s_i` is the norm of a column of the Jacobian. :math:`\gamma_i^2 / 2` is the gain in log-likelihood
that moving the parameter alone promises.

The word is that of the worst of these findings:

=========================================  ================================  ===============================
finding                                    marginal                          poor
=========================================  ================================  ===============================
the fit did not converge                                                     always
no second derivatives                                                        always
a flat direction                                                             always
remaining gain in log-likelihood           above 0.01                        above 0.5
condition number                           above 1e6                         above 1e12
standard error of a parameter              above :math:`1/\sqrt{12}` of its
                                           range: knowing the range alone
                                           would be as good
errors, one standard error away            off by more than 10 %
parameters at a bound                      one or more                       all
reduced chi-squared, if more than 3 (5)    below 0.5 or above 1.5            above 3
standard deviations :math:`\sqrt{2/n}`
from 1, for n degrees of freedom
chance of another optimum of interest      above 5 %
other optima within 4 of the chi-squared   one or more
of the best, elsewhere in the box
=========================================  ================================  ===============================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from wilks.solvers.result import Identifiability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.solvers.covariance import Uncertainty

    Flag = Literal["good", "marginal", "poor"]

CURVATURE_TRUST = 0.1
"""Relative error of the standard errors above which a parabola does not describe the log-likelihood."""
UNDISCOVERED = 0.05
"""Probability of another optimum of interest above which the global maximum is not certain."""
_GAIN = (0.01, 0.5)
_CONDITION = (1e6, 1e12)
_KNOWN_BY_RANGE = 1 / math.sqrt(12)
_LOW_CHI, _HIGH_CHI, _MISFIT = 0.5, 1.5, 3.0
_DEVIATIONS = (3.0, 5.0)
_SAME_CHI = 4.0
_ELSEWHERE = 0.01


@dataclass(frozen=True)
class Finding:
    """Something that speaks against a fit.

    Attributes
    ----------
    flag
        How much.
    text
        In words.
    warns
        Is it to be told as a warning? The others are told in other places of the result.
    """

    flag: Flag
    text: str
    warns: bool = False


@dataclass(frozen=True)
class Evidence:
    """What the verdict on a fit is made of.

    Attributes
    ----------
    ended
        Why the fit did not converge; empty when it did.
    uncertainty
        Covariance in the unit box, with bounds and flat directions; None without second derivatives.
    names
        Of its coordinates.
    remaining_gain, curvature_error, undiscovered
        As in `wilks.solvers.result.Quality`.
    chi_squared
        Chi-squared and its degrees of freedom; None where it says nothing of the quality.
    n_equivalent
        Other optima that the data hardly tell from the best one.
    resolution
        Least standard error, as a fraction of the box, that the differences behind it can tell; 0 without differences.
    """

    ended: str
    uncertainty: Uncertainty | None
    names: Sequence[str] = ()
    remaining_gain: float = math.nan
    curvature_error: float = math.nan
    undiscovered: float = math.nan
    chi_squared: tuple[float, int] | None = None
    n_equivalent: int = 0
    resolution: float = 0.0

    def findings(self) -> tuple[Finding, ...]:
        """All that speaks against the fit, worst first.

        Examples
        --------
        >>> [finding.text for finding in Evidence("", None, n_equivalent=1).findings()]
        ['no second derivatives were measured', 'the chi-squared of another optimum is within 4 of the best']
        """
        found = [*self._of_the_end(), *self._of_the_errors(), *self._of_the_optima(), *_of_chi(self.chi_squared)]
        return tuple(sorted(found, key=lambda finding: finding.flag != "poor"))

    def _of_the_end(self) -> list[Finding]:
        findings = [Finding("poor", self.ended)] if self.ended else []
        if self.remaining_gain > _GAIN[0]:
            text = f"another step promises a gain of {self.remaining_gain:.2g} in log-likelihood"
            findings.append(Finding(_graded(self.remaining_gain, _GAIN), text, warns=True))
        return findings

    def _of_the_errors(self) -> list[Finding]:
        found = self.uncertainty
        if found is None:
            return [Finding("poor", "no second derivatives were measured")]
        findings = []
        held = [name for name, side in zip(self.names, found.held, strict=True) if side]
        if held:
            text = f"{' and '.join(held)} {'is' if len(held) == 1 else 'are'} at a bound"
            findings.append(Finding("poor" if len(held) == len(self.names) else "marginal", text))
        if found.flat:
            names = [n for i, n in enumerate(self.names) if any(direction[i] for direction in found.flat)]
            text = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not determined"
            findings.append(Finding("poor", text))
        elif found.condition > _CONDITION[0]:
            text = f"the condition number of the curvature is {found.condition:.1e}"
            findings.append(Finding(_graded(found.condition, _CONDITION), text, warns=True))
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.diag(found.covariance))
        if np.isnan(errors[found.held == 0]).any():
            findings.append(Finding("poor", "the log-likelihood has no second derivatives"))
        wide = [n for n, e in zip(self.names, errors, strict=True) if _KNOWN_BY_RANGE < e < math.inf]
        if wide:
            share = f"{100 * _KNOWN_BY_RANGE:.0f} % of the range"
            text = f"the standard error of {' and of '.join(wide)} is more than {share}"
            findings.append(Finding("marginal", text, warns=True))
        narrow = [n for n, e in zip(self.names, errors, strict=True) if 0 < e < self.resolution]
        if narrow:
            text = (
                f"the range of {' and of '.join(narrow)} is more than {1 / self.resolution:.0e} times the standard "
                "error, too wide for differences: give a narrower one, or derivatives"
            )
            findings.append(Finding("poor", text, warns=True))
        if self.curvature_error > CURVATURE_TRUST:
            findings.append(Finding("marginal", "the log-likelihood is no parabola within one standard error"))
        return findings

    def _of_the_optima(self) -> list[Finding]:
        findings = []
        if self.undiscovered > UNDISCOVERED:
            text = f"another start would find another optimum with probability {self.undiscovered:.2f}"
            findings.append(Finding("marginal", text))
        if self.n_equivalent:
            several = f"{self.n_equivalent} other optima" if self.n_equivalent > 1 else "another optimum"
            text = f"the chi-squared of {several} is within {_SAME_CHI:g} of the best"
            findings.append(Finding("marginal", text))
        return findings


def _graded(number: float, limits: tuple[float, float]) -> Flag:
    return "poor" if number > limits[1] else "marginal"


def _of_chi(chi_squared: tuple[float, int] | None) -> list[Finding]:
    if chi_squared is None or chi_squared[1] <= 0:
        return []
    reduced = chi_squared[0] / chi_squared[1]
    deviations = abs(reduced - 1.0) / math.sqrt(2.0 / chi_squared[1])
    text = f"the reduced chi-squared is {reduced:.3g}: "
    if reduced > _MISFIT and deviations > _DEVIATIONS[1]:
        return [Finding("poor", f"{text}the model does not fit the data", warns=True)]
    if reduced > _HIGH_CHI and deviations > _DEVIATIONS[0]:
        return [Finding("marginal", f"{text}the model, or sigma of the data, is off", warns=True)]
    if reduced < _LOW_CHI and deviations > _DEVIATIONS[0]:
        return [Finding("marginal", f"{text}sigma of the data is too large, or the model too flexible", warns=True)]
    return []


def n_equivalent(points: Sequence[NDArray[np.float64]], values: Sequence[float]) -> int:
    """How many optima but the first, the best one, lie elsewhere in the box and are nearly as good.

    Examples
    --------
    >>> n_equivalent([np.array([0.1]), np.array([0.8]), np.array([0.5])], [-3.0, -4.0, -9.0])
    1
    """
    if not len(points):
        return 0
    apart = [float(np.abs(point - points[0]).max()) > _ELSEWHERE for point in points[1:]]
    near = [2.0 * (values[0] - value) < _SAME_CHI for value in values[1:]]
    return sum(far and close for far, close in zip(apart, near, strict=True))


def identifiability(space: Space, columns: NDArray[np.int64], found: Uncertainty | None) -> dict[str, Identifiability]:
    """Which free parameters the data determine; `columns` are the continuous ones, the coordinates of `found`."""
    verdicts = {name: Identifiability(ok=True, reason="") for name in space.free}
    names = [space.free[column] for column in columns]
    if found is None:
        unknown = Identifiability(ok=False, reason="no second derivatives were measured")
        return verdicts | dict.fromkeys(names, unknown)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(found.covariance))
    for i, name in enumerate(names):
        reason = ""
        others = [names[j] for d in found.flat if d[i] for j in np.flatnonzero(d).tolist() if j != i]
        if found.held[i]:
            reason = f"at its {'lower' if found.held[i] < 0 else 'upper'} bound"
        elif any(direction[i] for direction in found.flat):
            with_whom = f" together with {' and '.join(dict.fromkeys(others))}" if others else ""
            reason = f"nothing changes when it moves{with_whom}"
        elif math.isnan(errors[i]):
            reason = "the log-likelihood has no second derivative"
        elif errors[i] > _KNOWN_BY_RANGE:
            reason = f"its standard error is {100 * errors[i]:.0f} % of its range"
        verdicts[name] = Identifiability(ok=not reason, reason=reason)
    return verdicts


@dataclass(frozen=True)
class Slopes:
    """Derivatives at an optimum by parameter; see `wilks.solvers.result.Quality`."""

    sensitivity: dict[str, float]
    imbalance: float
    scaled_gradient: dict[str, float]


def slopes_at(
    names: Sequence[str],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    units: NDArray[np.float64],
    held: NDArray[np.int8],
) -> Slopes:
    """Sensitivities and scaled gradient (1); `units` are the derivatives of the parameters over the box.

    Examples
    --------
    >>> at = slopes_at(["a", "b"], np.array([0.2, 0]), np.diag([4.0, 100]), np.array([2.0, 1]), np.zeros(2, np.int8))
    >>> at.sensitivity, at.imbalance, at.scaled_gradient
    ({'b': 10.0, 'a': 1.0}, 5.0, {'a': 0.1, 'b': 0.0})
    """
    diagonal = np.diag(curvature)
    rows = [i for i in range(len(names)) if math.isfinite(diagonal[i])]
    norms = {i: math.sqrt(max(float(diagonal[i]), 0.0)) for i in rows}
    order = sorted(rows, key=lambda i: -norms[i])
    smallest = min(norms.values(), default=0.0)
    return Slopes(
        {names[i]: norms[i] / float(units[i]) for i in order},
        max(norms.values()) / smallest if smallest > 0 else math.inf if norms else math.nan,
        {names[i]: float(gradient[i]) / norms[i] for i in rows if norms[i] > 0 and not held[i]},
    )
