"""Posteriors of a part of the draws, and of functions of them: what their effective number of draws is asked of.

The effective number of draws of a probability is that of the indicator of its event, so that quantiles and small
intervals need no diagnostics of their own (Vehtari et al. 2021, https://doi.org/10.1214/20-BA1221, section 4.3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import keyed_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_KEY = 67


def column(posterior: Posterior, name: str) -> NDArray[np.float64]:
    """Draws of a parameter that averages are made of: weighted ones, shape (n,), or chains, shape (chain, draw)."""
    if posterior.weighted is not None:
        return posterior.weighted.thetas[:, posterior.names.index(name)]
    return posterior.draws[name]


def effective(posterior: Posterior, functions: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Effective number of draws of the mean of functions of the draws, each of the shape of `column`."""
    names = tuple(functions)
    if posterior.weighted is None:
        return replace(posterior, names=names, draws=dict(functions)).ess
    weighted = replace(posterior.weighted, thetas=np.stack([functions[name] for name in names], axis=1))
    return replace(posterior, names=names, weighted=weighted).ess


def first(posterior: Posterior, share: float) -> Posterior:
    """The posterior from the first draws of every chain; of weighted draws, which have no order, from any of them."""
    if posterior.weighted is None:
        n = max(round(share * posterior.n_draws), 1)
        return replace(
            posterior,
            draws={name: values[:, :n] for name, values in posterior.draws.items()},
            log_likelihoods=posterior.log_likelihoods[:, :n],
            log_priors=posterior.log_priors[:, :n],
        )
    n_all = len(posterior.weighted.thetas)
    order = keyed_generator(posterior.provenance.seed, _KEY).permutation(n_all)
    return _weighted(posterior, order[: max(round(share * n_all), 1)])


def separate(posterior: Posterior) -> list[Posterior]:
    """A posterior from every chain, or from every population of weighted draws."""
    if posterior.weighted is not None:
        populations = posterior.weighted.populations
        return [_weighted(posterior, np.flatnonzero(populations == each)) for each in np.unique(populations)]
    return [
        replace(
            posterior,
            draws={name: values[i : i + 1] for name, values in posterior.draws.items()},
            log_likelihoods=posterior.log_likelihoods[i : i + 1],
            log_priors=posterior.log_priors[i : i + 1],
        )
        for i in range(posterior.n_chains)
    ]


def _weighted(posterior: Posterior, rows: NDArray[np.int64]) -> Posterior:
    assert posterior.weighted is not None  # noqa: S101 - asked by the callers
    whole = posterior.weighted
    log_weights = whole.log_weights[rows]
    weighted = replace(
        whole,
        thetas=whole.thetas[rows],
        log_weights=log_weights - np.logaddexp.reduce(log_weights),
        log_likelihoods=whole.log_likelihoods[rows],
        populations=whole.populations[rows],
    )
    return replace(posterior, weighted=weighted)


def effective_of_chains(posterior: Posterior, chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effective number of draws of every chain alone, at most their number; all of them where it cannot be measured."""
    names = [str(i) for i in range(len(chains))]
    draws = {name: chain[None] for name, chain in zip(names, chains, strict=True)}
    found = replace(posterior, names=tuple(names), draws=draws, weighted=None).ess
    n = chains.shape[1]
    numbers = np.array([found[name] for name in names])
    return np.asarray(np.minimum(np.nan_to_num(numbers, nan=n), n))
