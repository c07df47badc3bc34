r"""Contrast and offset of every angle without a model, from the values at long and at short lags.

At long lags the correlation has decayed and c2 is the offset, the floor; at short lags it is the offset plus the
contrast, the ceiling. A low quantile of the values at long lags and a high one of those at short lags estimate the two,
however the decay in between looks.

A quantile away from the median also moves with the noise: the 10 % quantile of pure noise lies :math:`1.28\,\sigma`
below what is measured. With v the spread of the values (their standard deviation, from the quartiles) and m their
median, the quantile Q is therefore drawn in to

.. math:: m + (Q - m) \sqrt{\max(0, 1 - \sigma^2 / v^2)}                                                         (1)

which is the quantile of the values without their noise if these are normally distributed; it is m where all spread is
noise, and Q where there is no noise. The root would make much of a v that is larger than :math:`\sigma` by chance:
within three standard errors, :math:`v^2` (its relative standard error from the quartiles of n values is
:math:`2.33 / \sqrt n`) counts as noise.

What (1) cannot see is the physics: a correlation that has not decayed within the measurement raises the offset, and one
that decays within the short lags lowers the contrast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.packing import pair_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.pairs import Pairs

_QUARTILES_OF_NORMAL = 1.3489795003921634
_ERROR_OF_SPREAD = 2.33
_SIGNIFICANT = 3.0
# Quantiles of a sample of this size are as good as the estimate itself.
_N_SAMPLED = 20_000


def quantile_scaling(
    pairs: Pairs, lag_floor: float = 0.8, lag_ceiling: float = 0.2, low: float = 0.1, high: float = 0.9
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Contrast and offset of every angle, each of shape (n_angles,); NaN for an angle without pairs there.

    Parameters
    ----------
    pairs
        Folded correlations.
    lag_floor, lag_ceiling
        Pairs with lags above the first quantile of all lags are long, below the second short.
    low, high
        Quantiles of the values at long and at short lags that are floor and ceiling, after equation (1).

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.data import TwoTimeData
    >>> from wilks.xpcs.folding import fold
    >>> lags = np.abs(np.subtract.outer(np.arange(200), np.arange(200)))
    >>> c2 = 1.05 + 0.3 * (lags < 60) + np.random.default_rng(1).normal(0, 0.02, (200, 200))
    >>> pairs = fold(TwoTimeData([c2], t=np.arange(200), phi=[0], q=0.01)).pairs
    >>> contrast, offset = quantile_scaling(pairs)
    >>> round(contrast.item(), 2), round(offset.item(), 2)
    (0.3, 1.05)
    """
    for name, value in {"lag_floor": lag_floor, "lag_ceiling": lag_ceiling, "low": low, "high": high}.items():
        if not 0 <= value <= 1:
            raise InvalidConfigurationError(f"{name} is a quantile, between 0 and 1, but it is {value:g}")
    long, short = _regions(pairs.n_t, lag_floor, lag_ceiling)
    floor = np.array([_level(pairs, k, long, low) for k in range(len(pairs))])
    ceiling = np.array([_level(pairs, k, short, high) for k in range(len(pairs))])
    return ceiling - floor, floor


def _level(pairs: Pairs, angle: int, where: NDArray[np.intp], quantile: float) -> float:
    values, variance = pairs.y[angle, where], pairs.sigma[angle] ** 2
    if pairs.weights is not None:
        weights = pairs.weights[angle, where].astype(np.float64)
        known = weights > 0
        if not known.any():
            return float("nan")
        values = values[known]
        variance *= float(np.mean(1 / weights[known]))
    first, median, third, level = np.quantile(values.astype(np.float64), [0.25, 0.5, 0.75, quantile])
    spread = ((third - first) / _QUARTILES_OF_NORMAL) ** 2
    signal = 1 - variance / spread if spread > 0 else 1.0
    kept = np.sqrt(signal) if signal > _SIGNIFICANT * _ERROR_OF_SPREAD / np.sqrt(len(values)) else 0.0
    return float(pairs.centres[angle] + median + (level - median) * kept)


def _regions(n_t: int, lag_floor: float, lag_ceiling: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the pairs with long and with short lags are, or an even sample of them."""
    counts = np.arange(n_t - 1, 0, -1)  # of the pairs of lag 1, 2 ... n_t - 1
    shares = np.cumsum(counts) / counts.sum()
    longest_short = int(np.searchsorted(shares, lag_ceiling)) + 1
    shortest_long = int(np.searchsorted(shares, lag_floor)) + 1
    return _sampled(n_t, shortest_long, n_t - 1), _sampled(n_t, 1, longest_short)


def _sampled(n_t: int, shortest: int, longest: int) -> NDArray[np.intp]:
    lags = np.arange(shortest, longest + 1)
    counts = n_t - lags
    ends = np.cumsum(counts)
    chosen = np.unique(np.linspace(0, ends[-1] - 1, min(int(ends[-1]), _N_SAMPLED)).astype(np.intp))
    of = np.searchsorted(ends, chosen, side="right")
    first = chosen - (ends[of] - counts[of])
    return pair_index(first, first + lags[of], n_t)
