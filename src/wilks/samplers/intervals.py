"""Quantiles and credible sets of weighted draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BINS_PER_SPREAD, _MOST_BINS = 48, 20_000
_NEGLIGIBLE = 1e-6
_N_STEPS = 64


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], probabilities: ArrayLike
) -> NDArray[np.float64]:
    """Quantiles of weighted draws, with every weight in the middle of its step.

    Parameters
    ----------
    values, weights
        Shape (n,); the weights sum to 1.
    probabilities
        Any shape.

    Raises
    ------
    InvalidConfigurationError
        If a probability lies outside [0, 1].

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([0.25, 0.25, 0.5]), [0.125, 0.5]).tolist()
    [1.0, 2.0]
    """
    wanted = np.asarray(probabilities, dtype=float)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise InvalidConfigurationError(f"probabilities: expected numbers from 0 to 1, got {probabilities!r}")
    if not len(values):
        return np.full(wanted.shape, np.nan)
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.asarray(np.interp(wanted, below, values[order]))


def equal_tailed(values: NDArray[np.float64], weights: NDArray[np.float64], probability: float) -> tuple[float, float]:
    """Interval with the same probability left out on either side."""
    check_probability(probability)
    low, high = weighted_quantiles(values, weights, [0.5 - 0.5 * probability, 0.5 + 0.5 * probability]).tolist()
    return low, high


def highest_density(
    values: NDArray[np.float64], weights: NDArray[np.float64], probability: float, limits: tuple[float, float]
) -> list[tuple[float, float]]:
    """Smallest set with a probability, from a density on a fine grid (a Gaussian kernel, reflected at the limits).

    Returns
    -------
    list of (lower, upper)
        Pieces in ascending order.
    """
    check_probability(probability)
    if not len(values):
        return []
    kept = weights > _NEGLIGIBLE * weights.max()  # a wide proposal reaches far beyond the posterior
    values, weights = values[kept], weights[kept] / weights[kept].sum()
    low, high = max(limits[0], float(values.min())), min(limits[1], float(values.max()))
    if low == high:
        return [(low, high)]
    n_effective = 1.0 / float(weights @ weights)
    quartiles = weighted_quantiles(values, weights, [0.25, 0.75])
    spread = min(float(np.sqrt(weights @ (values - weights @ values) ** 2)), (quartiles[1] - quartiles[0]) / 1.34)
    # Separate modes are as wide as the smallest set with half of the probability says, not as far apart as they are.
    steps = np.sort(np.diff(weighted_quantiles(values, weights, np.linspace(0.0, 1.0, _N_STEPS + 1))))
    spread = min(spread, float(steps[: _N_STEPS // 2].sum()) / 1.349)
    spread = spread if spread > 0 else (high - low)
    width = 0.9 * spread * n_effective**-0.2
    n_bins = int(min(max((high - low) / spread * _BINS_PER_SPREAD, 100), _MOST_BINS))
    edges = np.linspace(low, high, n_bins + 1)
    counts = np.histogram(values, edges, weights=weights)[0]
    density = _smoothed(counts, width / (edges[1] - edges[0]))
    order = np.argsort(density)[::-1]
    mass = np.cumsum(density[order]) / density.sum()
    inside = np.zeros(n_bins, dtype=bool)
    inside[order[: int(np.searchsorted(mass, probability)) + 1]] = True
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    ends = np.flatnonzero(inside & ~np.concatenate([inside[1:], [False]]))
    return [(float(edges[i]), float(edges[j + 1])) for i, j in zip(starts, ends, strict=True)]


def _smoothed(counts: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Counts spread by a Gaussian of a width in bins, reflected at the ends."""
    if width < 0.3:
        return counts
    reach = min(int(4 * width) + 1, len(counts))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(counts, reach, mode="symmetric")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))


def check_probability(probability: float) -> None:
    """Refuse what is no probability between 0 and 1."""
    if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 < probability < 1:
        raise InvalidConfigurationError(f"probability: expected a number between 0 and 1, got {probability!r}")
