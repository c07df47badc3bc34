r"""The stretch move for walkers that are held to levels of log-likelihood, as functions of plain arrays.

Walker k has a level l_k that never changes, and the target, in the unit box of dimension d and zero outside of it,

.. math:: \pi_k(u) = \exp(-(\log L(u) - l_k)^2 / 2 \sigma^2)                                                (1)

The ensemble is split into halves. A walker of one half at x moves along the line through a walker of the other half at
y (Goodman and Weare 2010, https://doi.org/10.2140/camcos.2010.5.65),

.. math:: x' = y + z (x - y), \qquad g(z) \propto z^{-1/2} \quad \text{on} \quad [1/a, a]                   (2)

and the move is accepted with probability

.. math:: \min(1, z^{d - 1} \pi_k(x') / \pi_k(x))                                                           (3)

The walkers of the other half stand still meanwhile, so a whole half moves at once. Detailed balance holds for every y,
and so for any choice of y that does not look at x. Which walkers may be partners is therefore decided by the levels,
which are fixed; to decide it by the log-likelihoods, which change with x, would be wrong.
Both (2) and (3) look the same after any invertible linear map of the box: no scale is to be set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRETCH = 2.0
"""The a in (2); the value that Goodman and Weare use."""


def draw_levels(best: float, depth: float, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Levels of n walkers, one in each of n equal slices below the best, in descending order."""
    return best - depth * (np.arange(n) + generator.random(n)) / n


def half(n: int, parity: int) -> NDArray[np.int64]:
    """Every second walker, so that both halves have the levels of the whole ensemble."""
    return np.arange(parity, n, 2)


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


def draw_stretches(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw z of (2) by inversion of its distribution function."""
    return ((STRETCH - 1.0) * quantiles + 1.0) ** 2 / STRETCH


def stretched(
    positions: NDArray[np.float64], partners: NDArray[np.float64], stretches: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Proposals (2), shape (n, d)."""
    return partners + stretches[:, None] * (positions - partners)


def inside_box(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in the unit box."""
    inside: NDArray[np.bool_] = np.all((points >= 0.0) & (points <= 1.0), axis=1)
    return inside


def log_target(log_likelihoods: NDArray[np.float64], levels: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Logarithm of (1); minus infinity where there is no finite log-likelihood."""
    finite = np.isfinite(log_likelihoods)
    return np.where(finite, -0.5 * ((np.where(finite, log_likelihoods, levels) - levels) / sigma) ** 2, -np.inf)


def log_acceptance(
    stretches: NDArray[np.float64], dimension: int, new: NDArray[np.float64], old: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the second argument of (3), from the log-targets at the proposals and at the present positions."""
    return (dimension - 1) * np.log(stretches) + new - old
