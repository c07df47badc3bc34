"""How well chains mix: rank-normalised split R-hat and effective sample sizes, as arviz-stats calculates them.

Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, https://doi.org/10.1214/20-BA1221.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Measure = Literal["rhat", "ess", "ess_tail", "bfmi"]

LEAST_DRAWS = 8
"""Draws per chain below which nothing is measured."""


def mixing(chains: NDArray[np.float64], what: Measure) -> float:
    """Diagnose the chains of one parameter, shape (chain, draw).

    Parameters
    ----------
    chains
        Draws; of the energies for ``"bfmi"``.
    what
        ``"rhat"``; ``"ess"`` in the bulk; ``"ess_tail"``, the smaller one of the 5 and 95 % quantiles; ``"bfmi"``, the
        smallest one of the chains.

    Returns
    -------
    float
        NaN for a constant and for fewer than 8 draws per chain.
    """
    from arviz_stats.base import array_stats as stats

    n_chains, n_draws = chains.shape
    if n_draws < LEAST_DRAWS or not np.isfinite(chains).all() or (chains == chains[0, 0]).all():
        return float("nan")
    if what == "bfmi":
        return float(np.min(stats.bfmi(chains)))
    if n_chains == 1:
        n_draws -= n_draws % 2
        chains = chains[0, :n_draws].reshape(2, -1)
    with np.errstate(all="ignore"):  # the ranks of two values have no spread on one side
        if what == "rhat":
            return float(stats.rhat(chains))
        if what == "ess":
            return float(stats.ess(chains))
        return float(stats.ess(chains, method="tail", prob=(0.05, 0.95)))
