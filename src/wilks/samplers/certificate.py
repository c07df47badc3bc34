"""The certificate of a posterior: what was measured of its draws, what would be enough, and what to do if it is not.

A posterior is called converged when every check holds, and never otherwise. Thresholds: rank-normalised split R-hat
below 1.01 and effective sample sizes above 400 (Vehtari et al. 2021, https://doi.org/10.1214/20-BA1221), Pareto k-hat
below min(1 - 1/log10 S, 0.7) (Vehtari et al. 2024, JMLR 25), no divergences, E-BFMI above 0.3 (Betancourt 2016),
and two independent populations whose means agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wilks.core.table import Table


@dataclass(frozen=True)
class Check:
    """One thing that was measured.

    Attributes
    ----------
    name
        What it is: ``"Pareto k-hat"``, ``"R-hat"``, ...
    value, limit
        What was measured (the worst over the parameters), and what it is held against.
    ok
        Does it hold? A value that could not be measured (NaN) does not.
    parameter
        The parameter that `value` belongs to; empty where it is of all.
    advice
        What to do if it fails.
    above
        Is the value to lie above its limit? Otherwise below.
    """

    name: str
    value: float
    limit: float
    ok: bool
    parameter: str = ""
    advice: str = ""
    above: bool = False

    @classmethod
    def below(cls, name: str, value: float, limit: float, advice: str, parameter: str = "") -> Check:
        """A value that must not exceed its limit, which must be finite to say anything.

        Examples
        --------
        >>> Check.below("R-hat", 1.004, 1.01, "draw more").ok
        True
        """
        return cls(name, value, limit, bool(value <= limit < math.inf), parameter, advice)

    @classmethod
    def at_least(cls, name: str, value: float, limit: float, advice: str, parameter: str = "") -> Check:
        """A value that must reach its limit."""
        return cls(name, value, limit, bool(value >= limit), parameter, advice, above=True)

    def __str__(self) -> str:
        """Return the finding as a phrase: what, for which parameter, and what it should be."""
        of = f" of {self.parameter}" if self.parameter else ""
        if math.isnan(self.value):
            return f"{self.name}{of} could not be measured"
        relation = "at least" if self.above else "at most"
        return f"{self.name}{of} is {self.value:.4g}, expected {relation} {self.limit:.4g}"


@dataclass(frozen=True, repr=False)
class Certificate:
    """All checks of one posterior.

    Attributes
    ----------
    checks
        In the order of their weight.

    Examples
    --------
    >>> certificate = Certificate((Check.below("R-hat", 1.3, 1.01, "draw longer chains", "a"),))
    >>> certificate.ok, certificate.message
    (False, 'R-hat of a is 1.3, expected at most 1.01: draw longer chains.')
    """

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Do all checks hold? False without any."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def message(self) -> str:
        """What fails and what to do about it, for people; empty when all is well."""
        advice: dict[str, list[str]] = {}
        for check in self.failures:
            advice.setdefault(check.advice, []).append(str(check))
        return " ".join(f"{'; '.join(found)}: {todo}." for todo, found in advice.items())

    def __getitem__(self, name: str) -> Check:
        """Return a check by its name."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"{name!r} was not checked; checked were {', '.join(check.name for check in self.checks)}")

    def table(self) -> Table:
        """What was measured, as a table."""
        rows = tuple(
            (
                check.name,
                check.parameter or "all",
                "not measured" if math.isnan(check.value) else f"{check.value:.4g}",
                f"{'>=' if check.above else '<='} {check.limit:.4g}",
                "ok" if check.ok else "FAILS",
            )
            for check in self.checks
        )
        return Table("Certificate", ("check", "parameter", "value", "limit", ""), rows, self.message)

    def __repr__(self) -> str:
        """Return the table."""
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()
