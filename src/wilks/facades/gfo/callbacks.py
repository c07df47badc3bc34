"""What a callback is told after each iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class CallbackInfo(NamedTuple):
    """The course of a search, in the user's units."""

    iteration: int
    """Number of the iteration in this call of `search`, from 0."""
    score: float
    """Score of this evaluation."""
    params: dict[str, Any]
    """Parameters of this evaluation."""
    best_score: float
    """Best score so far."""
    best_para: dict[str, Any]
    """Parameters of the best score; empty while there is no finite one."""
    n_iter: int
    """Number of iterations that are planned."""
    phase: Literal["init", "iter"]
    """Initialisation or search."""
    elapsed_time: float
    """Seconds since the search began."""
    metrics: dict[str, Any]
    """Metrics of the objective; empty if it returns only a score."""
    convergence: Sequence[float]
    """Best score at each iteration so far, all calls of `search` together."""
