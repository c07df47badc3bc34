"""How a run ended, in words for people and as a value for programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """Why a run ended; the value is the sentence that a person reads."""

    CONVERGED = "Converged."
    TARGET_REACHED = "Stopped: the target log-likelihood was reached."
    NO_IMPROVEMENT = "Stopped: no improvement within the number of evaluations that the stopping rule allows."
    BUDGET_SPENT = "Finished: all evaluations that were asked for were made."
    EVALUATION_LIMIT = "Stopped at the limit on the number of evaluations, before convergence."
    TIME_LIMIT = "Stopped at the time limit, before convergence."
    STOPPED_BY_CALLBACK = "Stopped by a callback, before convergence."
    NOT_CONVERGED = "Finished without convergence."
    STALLED = "Stopped: nothing that could be evaluated was proposed any more."
    ALL_FAILED = "Stopped: every evaluation failed."
    INTERRUPTED = "Interrupted; this is the best so far."


_SUCCESSES = frozenset({Outcome.CONVERGED, Outcome.TARGET_REACHED, Outcome.NO_IMPROVEMENT, Outcome.BUDGET_SPENT})


@dataclass(frozen=True)
class Status:
    """The outcome of a run with what is particular to it.

    Examples
    --------
    >>> Status(Outcome.CONVERGED, "12 starts, 1 basin.").message
    'Converged. 12 starts, 1 basin.'
    """

    outcome: Outcome
    detail: str = ""

    @property
    def message(self) -> str:
        """A sentence for people."""
        return f"{self.outcome.value} {self.detail}".strip()

    @property
    def success(self) -> bool:
        """Was the goal reached?"""
        return self.outcome in _SUCCESSES

    def __str__(self) -> str:
        """Return the message."""
        return self.message
