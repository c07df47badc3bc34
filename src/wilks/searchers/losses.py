"""What searches do with losses: measure their spread, and accept one in the place of another."""

from __future__ import annotations

import math
import statistics


def acceptance(proposed: float, present: float, temperature: float) -> float:
    """Metropolis' probability of moving between two losses; an infinite loss is never taken for a finite one.

    Examples
    --------
    >>> acceptance(1.0, 2.0, 1.0)
    1.0
    >>> round(acceptance(2.0, 1.0, 1.0), 4)
    0.3679
    """
    if proposed <= present:
        return 1.0
    if temperature <= 0.0 or proposed == math.inf:
        return 0.0
    return math.exp(-(proposed - present) / temperature)


def spread_of(losses: list[float]) -> float:
    """Median minus minimum of the finite losses, or the largest difference if that is zero."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        return 0.0
    lowest = min(finite)
    return statistics.median(finite) - lowest or max(finite) - lowest
