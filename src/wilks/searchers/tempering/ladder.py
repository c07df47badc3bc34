r"""The ladder of temperatures: swaps between neighbours, and where its rungs lie.

At temperature T a replica walks in the density exp(-f / T), f being the loss. Exchanging the states of two rungs i, j
leaves the product of their densities unchanged on average when it is accepted with probability

    min(1, exp((1/T_i - 1/T_j) (f_i - f_j))),                                                   (1)

which only knows differences of losses. Even pairs (0,1), (2,3), ... and odd pairs (1,2), (3,4), ... take turns: this
deterministic order moves a replica along the ladder in a number of sweeps that grows with the number of rungs, where a
random order needs its square (Okabe et al. 2001; Syed et al. 2022, https://doi.org/10.1111/rssb.12464).

The best ladder rejects equally often between all neighbours (Kofke 2002; Predescu et al. 2004; Syed et al. 2022). The
sum of the rejection rates is the communication barrier of the problem: it does not depend on the number of rungs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAIN = 0.3
_LEAST_REJECTION, _LEAST_PART = 1e-4, 1e-3


def swap_probability(beta_i: float, beta_j: float, loss_i: float, loss_j: float) -> float:
    """Probability (1) of exchanging two states, for inverse temperatures beta.

    Examples
    --------
    >>> swap_probability(2.0, 1.0, 3.0, 1.0)  # the colder one has the worse state
    1.0
    >>> round(swap_probability(2.0, 1.0, 1.0, 3.0), 4)
    0.1353
    """
    if loss_i == loss_j:
        return 1.0  # both may be infinite
    exponent = (beta_i - beta_j) * (loss_i - loss_j)
    return 1.0 if math.isnan(exponent) else math.exp(min(exponent, 0.0))  # NaN: equal betas, an infinite loss


def pairs(sweep: int, n_rungs: int) -> range:
    """Lower members of the pairs that may swap after a sweep: even ones, then odd ones."""
    return range(sweep % 2, n_rungs - 1, 2)


def geometric(low: float, high: float, positions: Sequence[float]) -> list[float]:
    """Temperatures at relative positions between the ends, 0 for `low` and 1 for `high`, on a log scale.

    All zero where `high` is: no difference between losses was seen yet.
    """
    if high <= 0.0:
        return [0.0] * len(positions)
    ratio = low / high
    return [high * ratio ** (1.0 - c) for c in positions]


def respaced(positions: Sequence[float], acceptance: Sequence[float]) -> list[float]:
    """Widen the gaps that are crossed more easily than the mean, and narrow the others.

    Examples
    --------
    >>> [round(c, 2) for c in respaced([0.0, 0.5, 1.0], [0.9, 0.1])]
    [0.0, 0.56, 1.0]
    """
    mean = sum(acceptance) / len(acceptance)
    gaps = [
        (high - low) * math.exp(_GAIN * (a - mean))
        for low, high, a in zip(positions, positions[1:], acceptance, strict=False)
    ]
    total, at, moved = sum(gaps), 0.0, [0.0]
    for gap in gaps[:-1]:
        at += gap / total
        moved.append(at)
    return [*moved, 1.0]


def even_rejection(betas: Sequence[float], rejections: Sequence[float], n_rungs: int) -> list[float]:
    """Inverse temperatures at equal steps of the cumulative rejection, from the first to the last of `betas`.

    Parameters
    ----------
    betas
        Those at which the rejections were measured, descending to 0.
    rejections
        Mean rejection probability of every pair of neighbours.
    n_rungs
        Number of inverse temperatures wanted.

    Notes
    -----
    Between two of them the rejection is taken as spread evenly in log(beta), which it is for a normal density; next to
    beta = 0, evenly in beta.

    Examples
    --------
    >>> [round(beta, 3) for beta in even_rejection([1.0, 0.1, 0.0], [0.6, 0.2], 5)]
    [1.0, 0.464, 0.215, 0.1, 0.0]
    """
    costs = [max(rejection, _LEAST_REJECTION) for rejection in rejections]
    step = sum(costs) / (n_rungs - 1)
    found, pair, passed = [betas[0]], 0, 0.0
    for i in range(1, n_rungs - 1):
        while pair < len(costs) - 1 and passed + costs[pair] < i * step:
            passed += costs[pair]
            pair += 1
        part = min((i * step - passed) / costs[pair], 1.0)
        cold, hot = betas[pair], betas[pair + 1]
        found.append(cold * (hot / cold) ** part if hot > 0 else cold * max(1.0 - part, _LEAST_PART))
    return [*found, betas[-1]]
