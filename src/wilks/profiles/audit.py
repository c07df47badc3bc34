r"""The audit of a map: cells drawn at random are optimised again from scratch, blind to the map.

A cell that is wrong is wrong because its best basin is hard to hit, so one random start would rarely see it. The
search of an audited cell is therefore: a random start, an ascent, a scan of every nuisance coordinate through its end
(31 points each), ascents from the best three local maxima of the scans, and again while it improves, three rounds at
most. The first round goes on with an ascent for every other combination of discrete nuisance values. Its power is
measured: the fraction r of audited cells in which it comes within the tolerance of the best value known. With k
improved cells among n, the 95 % limit on the fraction of wrong cells is the one-sided limit of Clopper and Pearson
(1934) on k among n, divided by r:

.. math:: f_{95} = \min(1, \mathrm{Beta}^{-1}(0.95;\, k + 1,\, n - k) / r)                                      (1)

The best value known is that of the map or of the audit: what both miss, for example a ridge much narrower than the
box, is not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.evaluation.scans import line_peaks, line_points
from wilks.profiles.result import Audit

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCAN = 31
"""Points of a scan along one coordinate."""
_FROM_SCAN = 3
_ROUNDS = 3
TOLERANCE = 0.01
"""A cell is wrong when its log-likelihood is too low by more than this."""


@dataclass
class AuditLedger:
    """Cells that were audited, and what was found.

    Attributes
    ----------
    wanted
        Number of cells to audit.
    cells, before, found
        Cell, value of the map before its audit, value found by the audit: NaN until its search has ended, minus
        infinity when that found nothing.
    n_evaluations
        Points evaluated by the audit itself.
    ended
        Searches that were made ahead: cell -> its job.
    """

    wanted: int
    cells: list[int] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    n_evaluations: int = 0
    ended: dict[int, Any] = field(default_factory=dict)


@dataclass
class CellSearch:
    """The search from scratch in one cell, as a sequence of ascents and scans.

    Attributes
    ----------
    best, value, curvature
        Best end so far: argmax in the unit box of the nuisance coordinates, log-likelihood, curvature.
    base
        Full point of the unit box that has the discrete nuisance values of the best end.
    starts
        Points from which ascents are still to start, with the discrete nuisance values of the best end.
    others
        Full points with other ones, from which ascents are still to start.
    scanning
        Are the points under way those of a scan?
    """

    best: NDArray[np.float64]
    value: float = -math.inf
    curvature: NDArray[np.float64] | None = None
    converged: bool = False
    base: NDArray[np.float64] | None = None
    starts: list[NDArray[np.float64]] = field(default_factory=list)
    others: list[NDArray[np.float64]] = field(default_factory=list)
    scanning: bool = False
    scanned: float = -math.inf
    attempt: int = 0
    rounds: int = 0

    def scan_points(self) -> NDArray[np.float64]:
        """Every coordinate in turn through the best point, at evenly spaced values; shape (m * 31, m)."""
        return line_points(self.best, SCAN)

    def take_scan(self, points: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Choose the starts of the next round: the best local maxima of the scans."""
        self.starts = [points[at] for at in line_peaks(self.best, values, SCAN)[:_FROM_SCAN]]

    def wants_scan(self) -> bool:
        """Is another round worth it: is the best point new since the last scan?"""
        is_new = self.value > self.scanned + TOLERANCE / 10
        return len(self.best) > 0 and self.rounds < _ROUNDS and math.isfinite(self.value) and is_new


def upper_limit(n_improved: int, n_cells: int, power: float) -> float:
    """Limit (1) on the fraction of wrong cells, 95 % confidence.

    Examples
    --------
    >>> round(upper_limit(0, 59, 1.0), 4)
    0.0495
    >>> upper_limit(0, 0, 1.0)
    1.0
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - scipy loads on use

    if n_cells == 0 or power <= 0 or n_improved >= n_cells:
        return 1.0
    return float(min(1.0, betaincinv(n_improved + 1, n_cells - n_improved, 0.95) / power))


def summarise(ledger: AuditLedger, best_values: NDArray[np.float64], shape: tuple[int, ...]) -> Audit:
    """Return the ledger as it is reported; `best_values` are the values of the finished map."""
    ended = ~np.isnan(np.array(ledger.found, dtype=float))
    cells = np.array(ledger.cells, dtype=np.int64)[ended]
    before, found = np.array(ledger.before)[ended], np.array(ledger.found)[ended]
    gains = np.maximum(found - before, 0.0)
    gains[~np.isfinite(gains)] = 0.0
    n_improved = int((gains > TOLERANCE).sum())
    reached = found >= best_values[cells] - TOLERANCE if len(cells) else np.empty(0, dtype=bool)
    power = float(reached.mean()) if len(cells) else 0.0
    return Audit(
        cells=np.stack(np.unravel_index(cells, shape), axis=-1).astype(np.int64),
        improvements=gains,
        n_improved=n_improved,
        largest_improvement=float(gains.max(initial=0.0)),
        limit_95=upper_limit(n_improved, len(cells), power),
        power=power,
        tolerance=TOLERANCE,
        n_evaluations=ledger.n_evaluations,
        before=before,
        found=found,
    )
