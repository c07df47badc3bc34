r"""Walkers that are held to levels of log-likelihood: their target, and the partners of their stretch move.

Walker k has a level l_k that never changes, and the target, in the unit box and zero outside of it,

.. math:: \pi_k(u) = \exp(-(\log L(u) - l_k)^2 / 2 \sigma^2)                                                (1)

The walkers make the stretch move of `wilks.loop.stretch`, whose detailed balance holds for any choice of a partner that
does not look at the walker. Which walkers may be partners is therefore decided by the levels, which are fixed; to
decide it by the log-likelihoods, which change as they move, would be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_levels(best: float, depth: float, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Levels of n walkers, one in each of n equal slices below the best, in descending order."""
    return best - depth * (np.arange(n) + generator.random(n)) / n


def draw_partners(
    levels: NDArray[np.float64],
    others: NDArray[np.float64],
    window: float | None,
    fewest: int,
    quantiles: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Draw a partner for each of some walkers, uniformly from those whose levels are near.

    Parameters
    ----------
    levels
        Levels of the walkers that move.
    others
        Levels of the other half, in descending order.
    window
        Largest difference of levels; None for any.
    fewest
        Number of partners that are allowed in any case, the nearest.
    quantiles
        Uniform random numbers, one for each walker that moves.

    Returns
    -------
    array
        Positions in the other half.
    """
    n = len(others)
    first, last = np.zeros(len(levels), dtype=np.int64), np.full(len(levels), n)
    if window is not None:
        # Between two neighbours the nearest `fewest` change where the level is their middle.
        fewest = min(fewest, n)
        middles = 0.5 * (others[: n - fewest] + others[fewest:])
        nearest = np.searchsorted(-middles, -levels)
        first = np.minimum(np.searchsorted(-others, -(levels + window), side="left"), nearest)
        last = np.maximum(np.searchsorted(-others, -(levels - window), side="right"), nearest + fewest)
    return first + np.minimum((quantiles * (last - first)).astype(np.int64), last - first - 1)


def log_target(log_likelihoods: NDArray[np.float64], levels: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Logarithm of (1); minus infinity where there is no finite log-likelihood."""
    finite = np.isfinite(log_likelihoods)
    return np.where(finite, -0.5 * ((np.where(finite, log_likelihoods, levels) - levels) / sigma) ** 2, -np.inf)
