"""Statistics of batches: a running account of the last ones, and totals of all."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BatchStatistics"]


class BatchStatistics:
    """Account of batches: the last `max_size` of them one by one, all of them in totals.

    Parameters
    ----------
    max_size
        Number of batches that are kept.

    Attributes
    ----------
    buffer
        The batches that are kept, as dictionaries.
    total_batches, total_successes, total_failures
        Of all batches.
    error_counts
        Kind of error -> how often it came.

    Examples
    --------
    >>> stats = BatchStatistics(max_size=100)
    >>> stats.record_batch(batch_idx=0, success=True, loss=0.123, iterations=50, recovery_actions=[])
    >>> stats.get_success_rate()
    1.0
    """

    def __init__(self, max_size: int = 100) -> None:
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
            raise InvalidConfigurationError(f"max_size: expected an integer >= 1, got {max_size!r}")
        self.buffer: deque[dict[str, Any]] = deque(maxlen=max_size)
        self.total_batches = 0
        self.total_successes = 0
        self.total_failures = 0
        self.error_counts: Counter[str] = Counter()

    def record_batch(
        self,
        batch_idx: int,
        success: bool,
        loss: float,
        iterations: int,
        recovery_actions: Sequence[str],
        error_type: str | None = None,
    ) -> None:
        """Take a batch into account; `error_type` names what went wrong."""
        self.buffer.append(
            {
                "batch_idx": int(batch_idx),
                "success": bool(success),
                "loss": float(loss),
                "iterations": int(iterations),
                "recovery_actions": list(recovery_actions),
                "error_type": error_type,
            }
        )
        self.total_batches += 1
        self.total_successes += bool(success)
        self.total_failures += not success
        if error_type is not None:
            self.error_counts[error_type] += 1

    def get_success_rate(self) -> float:
        """Fraction of the kept batches that succeeded; 1 before the first batch, so that no gate refuses it."""
        return _mean([float(batch["success"]) for batch in self.buffer], 1.0)

    def get_average_loss(self) -> float:
        """Mean loss of the kept batches that succeeded; NaN if there is none."""
        return _mean([batch["loss"] for batch in self.buffer if batch["success"]], math.nan)

    def get_average_iterations(self) -> float:
        """Mean number of iterations of the kept batches; 0 if there is none."""
        return _mean([batch["iterations"] for batch in self.buffer], 0.0)

    def get_statistics(self) -> dict[str, Any]:
        """Everything in one dictionary."""
        return {
            "total_batches": self.total_batches,
            "total_successes": self.total_successes,
            "total_failures": self.total_failures,
            "success_rate": self.get_success_rate(),
            "average_loss": self.get_average_loss(),
            "average_iterations": self.get_average_iterations(),
            "error_distribution": dict(self.error_counts),
            "recent_batches": list(self.buffer),
        }


def _mean(numbers: list[float], nothing: float) -> float:
    return math.fsum(numbers) / len(numbers) if numbers else nothing
