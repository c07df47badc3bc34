"""Some thousand pairs that show the shape of all angles, for the search of a start.

Lags are spread over their logarithm, with the shortest all there: a decay is over within few frames or within hundreds.
Ages are spread over their square root, closer together at the beginning, where ageing dynamics change quickly. The same
pairs are taken of every angle, and only the number of times decides which.

A coarse pair is the mean over neighbours along the age, at its own lag: up to four frames to either side, no further
than half way to the next pair, and no further than an eighth of the age. Along the lag nothing is averaged, since that
is where the correlation decays. With an ageing that follows a power of the time the means keep the shape to a few
permil, and the noise of most pairs goes down to a third; its weight says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.packing import pair_index
from wilks.xpcs.pairs import CoarsePairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.pairs import Pairs

_REACH = 4
_AGE_PER_REACH = 8


def coarsen(pairs: Pairs, n_rows: int = 96, n_lags: int = 48) -> CoarsePairs:
    """Means over small blocks of `pairs`, at up to `n_rows` ages for each of up to `n_lags` lags.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.data import TwoTimeData
    >>> from wilks.xpcs.folding import fold
    >>> c2 = np.random.default_rng(1).normal(1.2, 0.02, (2, 300, 300))
    >>> pairs = fold(TwoTimeData(c2, t=np.arange(300), phi=[0, 45], q=0.01)).pairs
    >>> coarse = coarsen(pairs, 24, 24)
    >>> coarse.y.shape, float(coarse.weights.max())
    ((2, 542), 9.0)
    """
    if n_rows < 1 or n_lags < 1:
        raise InvalidConfigurationError(f"n_rows and n_lags must be at least 1, but they are {n_rows} and {n_lags}")
    first, second, reach = _chosen(pairs.n_t, n_rows, n_lags)
    shape = (len(pairs), len(first))
    sums, weights = np.zeros(shape), np.zeros(shape)
    for step in range(-_REACH, _REACH + 1):
        used = np.flatnonzero(np.abs(step) <= reach)
        if not len(used):
            continue
        where = pair_index(first[used] + step, second[used] + step, pairs.n_t)
        values = np.take(pairs.y, where, axis=1).astype(np.float64)
        if pairs.weights is None:
            sums[:, used] += values
            weights[:, used] += 1
        else:
            each = np.take(pairs.weights, where, axis=1).astype(np.float64)
            sums[:, used] += each * values
            weights[:, used] += each
    y = np.divide(sums, weights, out=np.zeros(shape), where=weights > 0)
    return CoarsePairs(first, second, y, weights, pairs.centres, pairs.sigma)


def joined(parts: Sequence[CoarsePairs]) -> CoarsePairs:
    """Coarse pairs of batches of angles that were folded one after the other, as one."""
    return CoarsePairs(
        first=parts[0].first,
        second=parts[0].second,
        y=np.concatenate([part.y for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        centres=np.concatenate([part.centres for part in parts]),
        sigma=np.concatenate([part.sigma for part in parts]),
    )


def _chosen(n_t: int, n_rows: int, n_lags: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Indices of both times of every coarse pair, and how many frames to either side it averages."""
    first, second, reach = [], [], []
    for lag in _lags(n_t, n_lags):
        last = n_t - 1 - lag
        ages = np.unique(np.round(last * np.linspace(0, 1, min(n_rows, last + 1)) ** 2).astype(np.intp))
        gaps = np.diff(ages, prepend=-1, append=last + 1)
        free = (np.minimum(gaps[:-1], gaps[1:]) - 1) // 2
        first.append(ages)
        second.append(ages + lag)
        reach.append(np.minimum(np.minimum(free, _REACH), ages // _AGE_PER_REACH))
    return np.concatenate(first), np.concatenate(second), np.concatenate(reach)


def _lags(n_t: int, n_lags: int) -> list[int]:
    """Up to `n_lags` whole lags from 1 to n_t - 1, spread over their logarithm as far as whole numbers allow."""
    if n_lags >= n_t - 1:
        return list(range(1, n_t))
    found = np.array([1])
    for count in range(n_lags, 4 * n_lags + 1):
        tried = np.unique(np.round(np.geomspace(1, n_t - 1, count)).astype(int))
        if len(tried) > n_lags:
            break
        found = tried
    return [int(lag) for lag in found]
