"""Stopping rules: values that look at the course of a run and may end it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wilks.core.errors import InvalidConfigurationError
from wilks.core.status import Outcome, Status


@dataclass(frozen=True)
class RunInfo:
    """The course of a run, as stopping rules and callbacks see it.

    Attributes
    ----------
    title
        What is running, for people.
    n_evaluations
        Points evaluated so far by this call of a verb, and by those that it resumes.
    n_failed
        How many of them failed.
    best
        Best log-likelihood so far, minus infinity if there is none.
    seconds
        Wall time of this call.
    activity
        What the algorithm is doing, in a few words.
    fraction
        Estimated part of the work that is done, NaN when it cannot be said.
    history
        (number of evaluations, best log-likelihood) at every rise of the best.
    n_violated
        Points that violated a constraint, besides: they are no evaluations, and cost none of a budget.
    """

    title: str
    n_evaluations: int
    n_failed: int
    best: float
    seconds: float
    activity: str = ""
    fraction: float = math.nan
    history: Sequence[tuple[int, float]] = ()
    n_violated: int = 0


class StoppingRule(Protocol):
    """Ends a run by returning a status."""

    def check(self, info: RunInfo) -> Status | None:
        """Return the status to end with, or None to go on."""
        ...


@dataclass(frozen=True)
class MaxEvaluations:
    """Stop after `n` evaluations; never more are made. Points that violate a constraint are none.

    Examples
    --------
    >>> MaxEvaluations(100).remaining(90)
    10
    """

    n: int

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise InvalidConfigurationError(f"MaxEvaluations: expected a positive integer, got {self.n!r}")

    def remaining(self, n_evaluations: int) -> int:
        """Evaluations that may still be made."""
        return max(0, self.n - n_evaluations)

    def check(self, info: RunInfo) -> Status | None:
        """End when the budget is spent."""
        if info.n_evaluations < self.n:
            return None
        return Status(Outcome.EVALUATION_LIMIT, f"{info.n_evaluations} evaluations were made, {self.n} were allowed.")


@dataclass(frozen=True)
class MaxTime:
    """Stop after `seconds` of wall time; calls that are under way are finished first.

    Examples
    --------
    >>> MaxTime(3600)
    MaxTime(seconds=3600)
    """

    seconds: float

    def __post_init__(self) -> None:
        _require_positive("MaxTime", self.seconds)

    def check(self, info: RunInfo) -> Status | None:
        """End when the time is over."""
        if info.seconds < self.seconds:
            return None
        return Status(Outcome.TIME_LIMIT, f"{info.seconds:.1f} s were used, {self.seconds:g} s were allowed.")


@dataclass(frozen=True)
class TargetLogLikelihood:
    """Stop when the log-likelihood reaches `value`.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-1, 1))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -v["x"] ** 2)
    >>> wilks.fit(problem, seed=1, stop=TargetLogLikelihood(-0.5)).status.outcome.name
    'TARGET_REACHED'
    """

    value: float

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or math.isnan(self.value):
            raise InvalidConfigurationError(f"TargetLogLikelihood: expected a number, got {self.value!r}")

    def check(self, info: RunInfo) -> Status | None:
        """End at the target."""
        if info.best < self.value:
            return None
        return Status(Outcome.TARGET_REACHED, f"Log-likelihood {info.best:.6g}, the target was {self.value:.6g}.")


@dataclass(frozen=True)
class NoImprovement:
    """Stop when the best log-likelihood has not risen by more than `tolerance` within `n` evaluations.

    Examples
    --------
    >>> rule = NoImprovement(100, tolerance=0.1)
    >>> info = RunInfo("fit", 250, 0, -3.0, 1.0, history=[(10, -8.0), (120, -3.05), (200, -3.0)])
    >>> rule.check(info).outcome.name
    'NO_IMPROVEMENT'
    """

    n: int
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise InvalidConfigurationError(f"NoImprovement: expected a positive number of evaluations, got {self.n!r}")
        if isinstance(self.tolerance, bool) or not isinstance(self.tolerance, (int, float)) or not self.tolerance >= 0:
            raise InvalidConfigurationError(f"NoImprovement: expected tolerance >= 0, got {self.tolerance!r}")

    def check(self, info: RunInfo) -> Status | None:
        """End when the recent past brought nothing."""
        n_before = bisect.bisect_right(info.history, info.n_evaluations - self.n, key=lambda rise: rise[0])
        if not n_before:
            return None
        before = info.history[n_before - 1][1]
        if not math.isfinite(before) or info.best > before + self.tolerance:
            return None
        return Status(
            Outcome.NO_IMPROVEMENT,
            f"The best rose by no more than {self.tolerance:g} within {self.n} evaluations.",
        )


def as_rules(stop: StoppingRule | Sequence[StoppingRule] | None) -> tuple[StoppingRule, ...]:
    """Return the rules as a tuple.

    Raises
    ------
    InvalidConfigurationError
        If something is not a stopping rule.
    """
    rules = () if stop is None else tuple(stop) if isinstance(stop, Sequence) else (stop,)
    for rule in rules:
        if isinstance(rule, type) or not callable(getattr(rule, "check", None)):
            raise InvalidConfigurationError(
                f"stop: expected wilks.MaxEvaluations(n), wilks.MaxTime(seconds) or another rule, got {rule!r}"
            )
    return rules


def _require_positive(where: str, number: float) -> None:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not number > 0:
        raise InvalidConfigurationError(f"{where}: expected a positive number, got {number!r}")
