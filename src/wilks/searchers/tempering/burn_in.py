"""The burn-in of the tempering sampler: its rounds, its first ladder, and steps for a ladder that was changed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wilks.searchers.tempering.ladder import geometric

_SHARE, _LEAST_SWEEPS, _LEAST_ROUNDS = 0.2, 10, 3
_ALL_ROUNDS = 15  # 1 + 2 + 4 + 8
_HOTTEST = 0.3


@dataclass
class BurnIn:
    """Rounds of doubling length, in evaluations since the beginning of the search."""

    end: int
    round_end: int
    length: int

    @classmethod
    def planned(cls, n_told: int, budget: int, n_rungs: int) -> BurnIn:
        """Return the plan: a share of the budget, but at least a few rounds."""
        shortest = _LEAST_SWEEPS * n_rungs
        total = max(round(_SHARE * budget) - n_told, shortest * (2**_LEAST_ROUNDS - 1))
        length = max(shortest, total // _ALL_ROUNDS)
        return cls(n_told + total, n_told + length, length)

    @property
    def last_round(self) -> bool:
        """Is this the last round?"""
        return self.round_end >= self.end

    def next_round(self) -> None:
        """Go on to a round of twice the length; the last one takes what is left."""
        self.length *= 2
        self.round_end += self.length
        if self.end - self.round_end < 2 * self.length:
            self.length += self.end - self.round_end
            self.round_end = self.end


def first_betas(losses: list[float], n: int) -> list[float]:
    """Return a first ladder: 1, then geometric down to where half of the first points count, then 0."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    spread = float(np.subtract(*np.percentile(finite, [75, 25]))) if len(finite) > 1 else 0.0
    hottest = min(_HOTTEST, 0.5 / spread) if spread > 0 else _HOTTEST
    return [*geometric(1.0, hottest, [k / max(1, n - 2) for k in range(n - 1)]), 0.0]


def between(old: list[float], new: list[float], rows: list[list[float]]) -> list[list[float]]:
    """Interpolate positive rows, given at the rungs of `old`, at those of `new`: logarithms, linear in log(beta)."""
    at = np.log([beta for beta in reversed(old) if beta > 0])
    table = np.log(rows[: len(at)][::-1])
    wanted = np.log([max(beta, math.exp(at[0])) for beta in new])
    columns = [np.exp(np.interp(wanted, at, column)) for column in table.T]
    found: list[list[float]] = np.stack(columns, axis=-1).tolist()
    return found
