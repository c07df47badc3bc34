"""What a fit sums its data up from: a coarse subset, folded pairs in memory, or matrices that are read again each time.

All three deliver the same thing, so the problems (`wilks.xpcs.problems`) do not know which it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.gram import RobustSums, coarse_gram, gram, robust_gram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wilks.core.loss import Loss
    from wilks.xpcs.curves import Curves
    from wilks.xpcs.gram import Kernel
    from wilks.xpcs.pairs import CoarsePairs, Pairs

    Batches = Callable[[], Iterator[tuple[NDArray[np.intp], Pairs]]]


@dataclass(frozen=True, eq=False)
class CoarseSums:
    """Sums over a coarse subset.

    Attributes
    ----------
    coarse
        The subset.
    centres, sigma, n_used
        One for each angle.
    """

    coarse: CoarsePairs
    centres: NDArray[np.float64] = field(init=False)
    sigma: NDArray[np.float64] = field(init=False)
    n_used: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Take over what does not change."""
        object.__setattr__(self, "centres", self.coarse.centres)
        object.__setattr__(self, "sigma", self.coarse.sigma)
        object.__setattr__(self, "n_used", np.count_nonzero(self.coarse.weights > 0, axis=1))

    def grams(self, curves: Curves, *, derivatives: bool) -> NDArray[np.float64]:
        """Sums of products, shape (n_angles, K, K)."""
        return coarse_gram(self.coarse, curves, derivatives=derivatives)


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums over all pairs: batches of angles that are in memory, or are folded anew in every pass.

    Attributes
    ----------
    batches
        Makes an iterator over (positions of the angles, their pairs); called once for each pass.
    kernel, n_threads
        How a pass is made.
    centres, sigma, n_used
        One for each angle.
    """

    batches: Batches
    kernel: Kernel
    n_threads: int | None
    centres: NDArray[np.float64]
    sigma: NDArray[np.float64]
    n_used: NDArray[np.int64]

    def grams(self, curves: Curves, *, derivatives: bool) -> NDArray[np.float64]:
        """Sums of products, shape (n_angles, K, K)."""
        parts = [
            (angles, gram(pairs, curves, angles, derivatives=derivatives, kernel=self.kernel, n_threads=self.n_threads))
            for angles, pairs in self.batches()
        ]
        return _in_order(parts)

    def robust(
        self, curves: Curves, contrast: NDArray[np.float64], offset: NDArray[np.float64], loss: Loss
    ) -> RobustSums:
        """Sums of products weighted with a robust loss."""
        parts = [
            (
                angles,
                robust_gram(pairs, curves, angles, contrast[angles], offset[angles], loss, kernel=self.kernel),
            )
            for angles, pairs in self.batches()
        ]
        return RobustSums(
            *(
                _in_order([(angles, getattr(part, name)) for angles, part in parts])
                for name in ("value", "gram", "meat")
            )
        )


def _in_order(parts: list[tuple[NDArray[np.intp], NDArray[np.float64]]]) -> NDArray[np.float64]:
    if len(parts) == 1:
        return parts[0][1]
    order = np.concatenate([angles for angles, _ in parts])
    stacked = np.concatenate([part for _, part in parts])
    return np.asarray(stacked[np.argsort(order)])
