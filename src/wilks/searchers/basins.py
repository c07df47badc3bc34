"""Basins of a multi-start: what is known of an optimum, when two ends are one, and lines through an optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COMBINATIONS = 64
"""Most combinations of discrete values that a local method goes through."""
_SCAN = 41
_PEAKS_PER_LINE = 4
_FARTHEST = 1.2  # log-likelihood; no rule below unites optima that differ by more


@dataclass
class BasinRecord:
    """An optimum in the unit box, shape (dimension,); matrices are over the continuous coordinates (m of them)."""

    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    n_hits: int
    converged: bool
    reason: str
    polished: bool = False
    measured: NDArray[np.float64] | None = None
    curvature_error: float = math.nan
    promise: float = math.nan
    scanned: bool = False
    stayed: bool = False
    rounds: int = 0


def scan_points(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every coordinate in turn at evenly spaced values, the others as in `u`; shape (m * 41, m)."""
    points = np.repeat(u[None, :], len(u) * _SCAN, axis=0)
    for line in range(len(u)):
        points[line * _SCAN : (line + 1) * _SCAN, line] = (np.arange(_SCAN) + 0.5) / _SCAN
    return points


def scan_peaks(u: NDArray[np.float64], values: NDArray[np.float64], lowest: float) -> list[NDArray[np.float64]]:
    """Points of a scan that are local maxima on their line and above `lowest`, but for those next to `u` itself."""
    points, found = scan_points(u), []
    for line in range(len(u)):
        part = np.concatenate([[-np.inf], values[line * _SCAN : (line + 1) * _SCAN], [-np.inf]])
        is_peak = (part[1:-1] >= part[:-2]) & (part[1:-1] >= part[2:]) & (part[1:-1] > lowest)
        own = int(u[line] * _SCAN)
        is_peak[max(0, own - 1) : own + 2] = False
        peaks = np.flatnonzero(is_peak)
        best = peaks[np.argsort(-part[1:-1][peaks], kind="stable")][:_PEAKS_PER_LINE]
        found += [points[line * _SCAN + at] for at in best.tolist()]
    return found


def cover_combinations(design: NDArray[np.float64], sizes: list[int]) -> None:
    """Make the rows of a design go through the combinations of the discrete coordinates."""
    discrete = [column for column, size in enumerate(sizes) if size > 1]
    if not discrete or math.prod(sizes) > MAX_COMBINATIONS:
        return
    for row in range(len(design)):
        rest = row
        for column in discrete:
            design[row, column] = (rest % sizes[column] + 0.5) / sizes[column]
            rest //= sizes[column]


def same_discrete(columns: NDArray[np.int64], one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Do two points of the unit box agree in everything but the coordinates in `columns`?"""
    mask = np.ones(len(one), dtype=bool)
    mask[columns] = False
    return bool(np.array_equal(one[mask], other[mask]))


def same_basin(columns: NDArray[np.int64], one: BasinRecord, other: BasinRecord) -> bool:
    """Do two ends of ascents belong to one optimum?"""
    better, worse = (one, other) if one.value >= other.value else (other, one)
    gap = better.value - worse.value
    if gap > _FARTHEST or not same_discrete(columns, one.u, other.u):
        return False
    d = (one.u - other.u)[columns]
    if not len(d) or float(np.abs(d).max()) < 1e-4:
        return True
    q = 0.5 * float(d @ better.curvature @ d)
    # Close by, or on the way up a parabola that is known: there the gap is what the parabola says.
    return (q < 0.05 and gap < 0.02) or (q < 1.0 and abs(gap - q) < 0.15 * q + 1e-3)
