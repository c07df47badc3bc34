r"""How many random starts a multi-start makes.

With N random starts that ended in one of w distinct optima of interest, the probability that the next start finds one
that is not known is estimated as (Boender and Rinnooy Kan 1987)

.. math:: p = \frac{w (w + 1)}{N (N - 1)}                                                                      (1)

and the starts end when it is small. Bounds on the number of optima and of starts may end them before, or put it off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.searchers.basins import BasinRecord

_ENOUGH = 0.05
_MIN_HITS = 5
_CAP, _CAP_PER_DIMENSION = 40, 12
_MOST_IN_VAIN = 800


def undiscovered(w: int, n: int) -> float:
    """Estimate (1) for `w` optima after `n` hits.

    Examples
    --------
    >>> undiscovered(1, 8)
    0.03571428571428571
    """
    return min(1.0, w * (w + 1) / (n * (n - 1))) if n > 1 else 1.0


def hits_for(w: int) -> int:
    """Fewest hits after which (1) is small enough.

    Examples
    --------
    >>> [hits_for(w) for w in (0, 1, 2, 16)]
    [5, 7, 12, 75]
    """
    n = max(_MIN_HITS, math.ceil(0.5 + math.sqrt(0.25 + w * (w + 1) / _ENOUGH)))
    return n if undiscovered(w, n) < _ENOUGH else n + 1


def distinct(basins: list[BasinRecord], columns: NDArray[np.int64]) -> int:
    """Number of optima that random starts have discovered, for (1).

    Every combination of discrete values is gone through: its first optimum is no discovery.
    """
    hit = [basin for basin in basins if basin.n_hits]
    combinations = {np.delete(basin.u, columns).tobytes() for basin in hit}
    return len(hit) - len(combinations) + 1 if hit else 0


@dataclass(frozen=True)
class Count:
    """Where a multi-start stands.

    Attributes
    ----------
    dimension
        Of the space.
    optima
        Distinct optima of interest.
    pending
        Ends near the best that may yet turn out to be no optima, or those that are known.
    w, n
        Of (1): the optima, and the random starts that ended in them.
    hits
        Random starts that ended in any basin.
    over
        Random starts that are over, wherever they ended.
    least
        Random starts that are made in any case.
    """

    dimension: int
    optima: int
    pending: int
    w: int
    n: int
    hits: int
    over: int
    least: int


@dataclass(frozen=True)
class StartRule:
    """When enough starts were made; the parameters are those of `searchers.multistart.MultiStart`."""

    n_starts: int | None = None
    n_optima: int | tuple[int | None, int | None] | None = None
    max_starts: int | None = None

    def check(self) -> None:
        """Raise `InvalidConfigurationError` if the bounds make no sense."""
        bounds = self.n_optima if isinstance(self.n_optima, tuple) else (self.n_optima, self.n_optima)
        if len(bounds) != 2 or not all(_is_count(bound) for bound in bounds):
            raise InvalidConfigurationError(
                "n_optima: expected a positive integer, a pair (fewest, most) of these or None, or None, "
                f"got {self.n_optima!r}"
            )
        if self.bounds()[0] > self.bounds()[1]:
            raise InvalidConfigurationError(f"n_optima: expected fewest <= most, got {self.n_optima!r}")
        if not _is_count(self.max_starts):
            raise InvalidConfigurationError(f"max_starts: expected a positive integer or None, got {self.max_starts!r}")

    def bounds(self) -> tuple[int, float]:
        """Fewest and most optima that are wanted."""
        least, most = self.n_optima if isinstance(self.n_optima, tuple) else (self.n_optima, self.n_optima)
        return least or 0, math.inf if most is None else most

    def has_all_optima(self, count: Count) -> bool:
        """Were as many optima found as are wanted at most?"""
        return count.optima >= self.bounds()[1]

    def more(self, count: Count) -> tuple[int, str]:
        """How many starts are still to end, those under way included; if none, what ended them."""
        if self.n_starts is not None:
            return max(0, self.n_starts - count.over), "n_starts"
        if self.has_all_optima(count):
            return 0, "n_optima"
        cap = max(_CAP, _CAP_PER_DIMENSION * count.dimension)
        left = cap - count.hits if count.hits else _MOST_IN_VAIN - count.over
        if self.max_starts is not None:
            left = min(left, self.max_starts - count.over)
        if left <= 0:
            return 0, "cap"
        wanted = max(hits_for(count.w) - count.n, count.least - count.over)
        if count.optima < self.bounds()[0]:
            wanted = left
        return max(0, min(wanted, left)), "rule"


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
