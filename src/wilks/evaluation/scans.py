"""Scans through a point of the unit box: each coordinate in turn from end to end, the others held.

The positions are evenly spaced, in the middle of bins of equal width, so every scan of one size shares them. What
interests is where else the function rises: the local maxima on the lines, without the one that the point itself is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def line_points(u: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Points of the scan through `u`, shape (m,), with `n` on each line; shape (m * n, m), line after line.

    Examples
    --------
    >>> line_points(np.array([0.3, 0.9]), 2).tolist()
    [[0.25, 0.9], [0.75, 0.9], [0.3, 0.25], [0.3, 0.75]]
    """
    points = np.repeat(u[None, :], len(u) * n, axis=0)
    for line in range(len(u)):
        points[line * n : (line + 1) * n, line] = (np.arange(n) + 0.5) / n
    return points


def line_peaks(
    u: NDArray[np.float64],
    values: NDArray[np.float64],
    n: int,
    *,
    lowest: float = -np.inf,
    per_line: int | None = None,
) -> list[int]:
    """Numbers of the points that are local maxima on their line, best first, but for those next to `u` itself.

    Parameters
    ----------
    u, n
        As for `line_points`.
    values
        Answers there.
    lowest
        Only what lies above it.
    per_line
        Only so many of each line, the best.

    Examples
    --------
    >>> line_peaks(np.array([0.1]), np.array([5.0, 1.0, 2.0, 1.0, 3.0]), 5)
    [4, 2]
    """
    found: list[tuple[float, int]] = []
    for line in range(len(u)):
        part = np.concatenate([[-np.inf], values[line * n : (line + 1) * n], [-np.inf]])
        is_peak = (part[1:-1] >= part[:-2]) & (part[1:-1] >= part[2:]) & (part[1:-1] > lowest)
        own = int(u[line] * n)
        is_peak[max(0, own - 1) : own + 2] = False
        of_line = sorted((-float(part[at + 1]), line * n + at) for at in np.flatnonzero(is_peak).tolist())
        found += of_line[:per_line]
    return [at for _, at in sorted(found)]
