r"""Contrast, offset and noise of every angle for every draw: what the likelihood had integrated out, drawn again.

Given the physical parameters their distribution is known exactly (`wilks.xpcs.posterior.marginal`), so one draw of it
for each draw of the parameters is a draw of their joint posterior. Means and standard deviations need no such draw:
those of the conditional distributions, averaged over the draws, have less noise (Rao and Blackwell),

.. math:: \mathrm{E}\,b = \langle \mathrm{E}(b | \theta) \rangle, \quad
          \mathrm{var}\,b = \langle \mathrm{var}(b | \theta) \rangle + \mathrm{var}\,\mathrm{E}(b | \theta)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.posterior.problem import MarginalProblem

    Array = NDArray[np.float64]

_BATCH = 200
"""Draws whose nodes are in memory at a time."""
_FOR_MEANS = 2000
"""Draws, evenly spread, over which the conditional means are averaged."""


@dataclass(frozen=True)
class Recovered:
    """What was integrated out, of the angles that have data.

    Attributes
    ----------
    contrast, offset, sigma
        Draws, shape (chain, draw, n_angles); sigma is the standard deviation of a pair.
    contrast_mean, contrast_sd, offset_mean, offset_sd
        Shape (n_angles,).
    outside
        Probability that a contrast or offset lies outside its bounds; 0 where the bounds cut the posterior off.
    """

    contrast: Array
    offset: Array
    sigma: Array
    contrast_mean: Array
    contrast_sd: Array
    offset_mean: Array
    offset_sd: Array
    outside: float


def recover(problem: MarginalProblem, thetas: Array, rng: np.random.Generator) -> Recovered:
    """Draw contrast, offset and noise for draws of the parameters.

    Parameters
    ----------
    problem
        What was sampled.
    thetas
        Shape (chain, draw, d).
    rng
        Makes the draws.
    """
    n_chains, n_draws, _ = thetas.shape
    if not thetas.size:
        return _nothing(n_chains, len(problem.base.sums.centres))
    distinct, which = np.unique(thetas.reshape(-1, thetas.shape[-1]), axis=0, return_inverse=True)
    products = problem.products(distinct)
    which = which.reshape(-1)
    # Draws that were repeated share their parameters and nothing else.
    moments, outside = [], []
    parts = [
        problem.marginal.draw(products[which[first : first + _BATCH]], rng) for first in range(0, len(which), _BATCH)
    ]
    some, times = np.unique(which[:: max(1, len(which) // _FOR_MEANS)], return_counts=True)
    share = times / times.sum()
    for first in range(0, len(some), _BATCH):
        piece = products[some[first : first + _BATCH]]
        moments.append(problem.marginal.conditional(piece).mean_and_variance())
        outside.append(problem.marginal.mass_outside(piece))
    b, o, s = (np.concatenate(each) for each in zip(*parts, strict=True))
    mean_b, var_b, mean_o, var_o = (np.concatenate(each) for each in zip(*moments, strict=True))
    sums = problem.base.sums
    noise = sums.sigma / np.sqrt(problem.base.angle_weights)

    def joint(mean: Array, variance: Array) -> tuple[Array, Array]:
        whole = share @ mean
        return whole, np.sqrt(share @ (variance + (mean - whole) ** 2))

    (contrast_mean, contrast_sd), (offset_mean, offset_sd) = joint(mean_b, var_b), joint(mean_o, var_o)
    shape = (n_chains, n_draws, -1)
    return Recovered(
        b.reshape(shape),
        (o + sums.centres).reshape(shape),
        (s * noise).reshape(shape),
        contrast_mean,
        contrast_sd,
        offset_mean + sums.centres,
        offset_sd,
        float(share @ np.concatenate(outside)),
    )


def _nothing(n_chains: int, n_angles: int) -> Recovered:
    """What is recovered of no draws."""
    none, unknown = np.empty((n_chains, 0, n_angles)), np.full(n_angles, np.nan)
    return Recovered(none, none, none, unknown, unknown, unknown, unknown, 0.0)
