"""The data as the fit sees them: every pair of times once, folded, centred, and weighted where it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pairs:
    """Folded correlations of some angles; the pairs are the upper triangle, row by row.

    Row i holds the pairs (i, j) with j = i + 1 ... n_t - 1; the pair (i, j) is entry
    ``i * n_t - i * (i + 1) // 2 + (j - i - 1)`` of the last axis.

    Attributes
    ----------
    n_t
        Number of times.
    y
        c2 minus `centres`, shape (n_angles, n_t (n_t - 1) / 2), float32 or float64; 0 where the pair is masked.
    weights
        Inverse variance of every pair in units of ``1 / sigma**2``, the same shape, 0 where the pair is masked; None
        when all pairs of the angle are there and weigh the same (weight 1).
    centres
        What was subtracted, shape (n_angles,): sums of squares of numbers near zero keep their digits.
    sigma
        Standard deviation of a folded pair of weight 1, shape (n_angles,).
    n_used
        Number of pairs that are not masked, shape (n_angles,).
    """

    n_t: int
    y: NDArray[np.floating]
    weights: NDArray[np.float32] | None
    centres: NDArray[np.float64]
    sigma: NDArray[np.float64]
    n_used: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of angles."""
        return len(self.y)

    def compacted(self, angles: NDArray[np.intp]) -> Pairs:
        """Some of the angles, in ascending order, in the same memory: these pairs cannot be used any more."""
        for row, angle in enumerate(angles.tolist()):
            if row != angle:
                self.y[row] = self.y[angle]
                if self.weights is not None:
                    self.weights[row] = self.weights[angle]
        n = len(angles)
        return Pairs(
            self.n_t,
            self.y[:n],
            None if self.weights is None else self.weights[:n],
            self.centres[angles],
            self.sigma[angles],
            self.n_used[angles],
        )

    def rows(self, angles: NDArray[np.intp] | slice) -> Pairs:
        """Some of the angles; those of a slice share their memory."""
        return Pairs(
            self.n_t,
            self.y[angles],
            None if self.weights is None else self.weights[angles],
            self.centres[angles],
            self.sigma[angles],
            self.n_used[angles],
        )


@dataclass(frozen=True)
class CoarsePairs:
    """Some pairs only, the same ones for all angles: for the search, which needs the shape and not every pixel.

    Attributes
    ----------
    first, second
        Indices i < j of the times of each pair, shape (n_pairs,).
    y, weights
        As in `Pairs`, shape (n_angles, n_pairs); a weight may be the number of pixels that were averaged.
    centres, sigma
        As in `Pairs`.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    centres: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def rows(self, angles: NDArray[np.intp]) -> CoarsePairs:
        """Some of the angles."""
        return CoarsePairs(
            self.first, self.second, self.y[angles], self.weights[angles], self.centres[angles], self.sigma[angles]
        )
