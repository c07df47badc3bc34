r"""Shards that do not belong to the others: found as a whole, in all parameters together.

Two things can be wrong with a shard. Its covariance may have collapsed (a chain that got stuck), which would give it
all the weight of a consensus: in every direction its variance is less than a hundredth of that of the median shard. (In
a few directions it may be, since shards may know different things.) Or its mean may lie elsewhere. With
:math:`\mu_{-s}` and :math:`P_{-s}^{-1}` the consensus of the others,

.. math:: D_s^2 = (\mu_s - \mu_{-s})^T \left(S_s + P_{-s}^{-1}\right)^{-1} (\mu_s - \mu_{-s}) \sim \chi^2_d     (1)

and a shard is out beyond the quantile 1 - 0.05 / K (Bonferroni): K shards that follow one model are all kept with a
probability of 95 %. The worst is taken out first, and the others are looked at again, as long as more than half stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.samplers.consensus.shard import ShardPosterior

_COLLAPSED = 0.01
_ERROR_RATE = 0.05
_FEWEST = 3


def outlying(shards: Sequence[ShardPosterior]) -> dict[int, str]:
    """Find the shards that do not belong to the others.

    Returns
    -------
    dict
        Number of a shard -> reason. Never half of the shards, and none of fewer than three.
    """
    kept, found = list(shards), dict[int, str]()
    cut = _quantile(len(shards), len(shards[0].mean))
    for find in (_narrowest, _farthest):
        while len(kept) - 1 > len(shards) / 2 and len(kept) >= _FEWEST:
            worst, value = find(kept)
            if find is _narrowest and value < _COLLAPSED:
                found[worst.number] = f"nowhere is its variance more than {value:.2g} of that of the median shard"
            elif find is _farthest and value > cut:
                found[worst.number] = (
                    f"the squared distance of its mean from the other shards is {value:.4g}, where {cut:.4g} is allowed"
                )
            else:
                break
            kept.remove(worst)
    return found


def _quantile(n_shards: int, d: int) -> float:
    from scipy.special import gammainccinv  # noqa: PLC0415 - loads on use

    return float(2.0 * gammainccinv(0.5 * d, _ERROR_RATE / n_shards))


def _narrowest(shards: Sequence[ShardPosterior]) -> tuple[ShardPosterior, float]:
    """The shard whose largest variance, relative to the median of the others, is smallest, and how small."""
    volumes = [_log_volume(shard.covariance) for shard in shards]
    order = np.argsort(volumes, kind="stable")
    middle = len(shards) // 2
    values = []
    for number, shard in enumerate(shards):
        # The shard of the median volume; the next one if it is this one itself.
        typical = shards[order[middle] if order[middle] != number else order[middle - 1]].covariance
        size = np.sqrt(np.diag(typical))
        lower = np.linalg.cholesky(typical / np.outer(size, size))
        half = np.linalg.solve(lower, shard.covariance / np.outer(size, size))
        values.append(float(np.linalg.eigvalsh(np.linalg.solve(lower, half.T))[-1]))
    worst = int(np.argmin(values))
    return shards[worst], values[worst]


def _log_volume(covariance: NDArray[np.float64]) -> float:
    size = np.sqrt(np.diag(covariance))
    return float(2.0 * np.log(size).sum() + np.linalg.slogdet(covariance / np.outer(size, size))[1])


def _farthest(shards: Sequence[ShardPosterior]) -> tuple[ShardPosterior, float]:
    """The shard whose mean is farthest from the others, and its squared distance by equation (1)."""
    scale = np.sqrt(np.mean([np.diag(shard.covariance) for shard in shards], axis=0))
    outer = np.outer(scale, scale)
    centre = np.mean([shard.mean for shard in shards], axis=0)
    means = np.array([(shard.mean - centre) / scale for shard in shards])
    precisions = np.array([shard.precision * outer for shard in shards])
    total, pulled = precisions.sum(axis=0), np.einsum("sij,sj->i", precisions, means)
    values = []
    for shard, mean, precision in zip(shards, means, precisions, strict=True):
        rest = total - precision
        apart = mean - np.linalg.solve(rest, pulled - precision @ mean)
        spread = shard.covariance / outer * (1.0 + 1.0 / shard.ess) + np.linalg.inv(rest)
        values.append(float(apart @ np.linalg.solve(spread, apart)))
    worst = int(np.argmax(values))
    return shards[worst], values[worst]
