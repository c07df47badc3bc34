r"""Rank picture: are the ranks of the draws of every chain among those of all chains uniform?

Of N ranks, B bins expect n / B of the n draws of a chain each. Were the draws independent, the number in a bin would be
hypergeometric, with the variance

.. math:: n \, p \, (1 - p) \, (1 - n / N) \, N / (N - 1), \qquad p = 1 / B                                      (1)

which is multiplied by n over the effective number of draws of the chain alone. (That of all chains together would make
room for chains that disagree, which is what the picture is to show.) The band holds all bins of a parameter with a
probability of 95 % by Bonferroni's bound. Vehtari et al. 2021, https://doi.org/10.1214/20-BA1221, section 4.1.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wilks.core.random import keyed_generator
from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_MOST_NAMES = 12
_MOST_BINS, _DRAWS_PER_BIN, _FEWEST_BINS = 20, 25, 4
_ALL_INSIDE = 0.95
_ROOM = 0.42  # of the distance of two chains, for the largest deviation
_KEY = 71
_WITHIN: dict[str, Any] = {"facecolor": style.FILLS[0.68]}
_BEYOND: dict[str, Any] = {"facecolor": style.FIT, "hatch": "////", "edgecolor": "white"}


def posterior_rank(posterior: Posterior, names: Sequence[str] | None = None) -> Figure:
    """Draw rank histograms: how the ranks of each chain's draws, among those of all chains, are spread.

    Each chain has a base line, the number that every bin expects. Bars go up where there are more draws and down where
    there are fewer; where chains sample the same distribution they stay within the grey band. A bar beyond it is dark.
    A single chain is cut into halves.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    names
        The parameters; by default all, at most the 12 with the fewest effective draws.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If one of `names` was not sampled.
    """
    shown = panels.chosen(posterior, names, _MOST_NAMES, "rank")
    n_rows = max(posterior.n_chains, 2)
    figure, axes = panels.sheet(len(shown), 3, (3.0, 1.1 + 0.24 * min(n_rows, 16)))
    for ax, name in zip(axes, shown, strict=True):
        _draw_ranks(ax, posterior, name)
        ax.set_title(style.label(posterior.space, name), fontsize="small")
    handles = [
        Patch(facecolor="0.88", label=f"{100 * _ALL_INSIDE:.0f} % of parameters that mix lie within"),
        Patch(label="within", **_WITHIN),
        Patch(label="beyond", **_BEYOND),
    ]
    panels.legend_below(figure, [*handles, Line2D([], [], color="0.35", linewidth=0.8, label="expected")])
    halves = " (cut into halves)" if posterior.n_chains == 1 else ""
    rest = panels.left_out(posterior, shown) if names is None else ""
    panels.headline(figure, panels.source(posterior) + halves + rest)
    return figure


def _draw_ranks(ax: Axes, posterior: Posterior, name: str) -> None:
    chains = posterior.draws[name]
    if len(chains) == 1:
        chains = chains[:, : chains.size - chains.size % 2].reshape(2, -1)
    shares, band = rank_shares(posterior, chains)
    reach = max(float(np.abs(shares - 1.0).max()), 1.3 * float(band.max()), 1e-9)
    edges = np.linspace(0.0, 1.0, shares.shape[1] + 1)
    for row, (share, width) in enumerate(zip(shares, band, strict=True), start=1):
        heights = -_ROOM * (share - 1.0) / reach  # the axis points down: chains are numbered from the top
        ax.fill_between([0, 1], row - _ROOM * width / reach, row + _ROOM * width / reach, color="0.88", linewidth=0)
        beyond = np.abs(share - 1.0) > width
        for bins, look in ((~beyond, _WITHIN), (beyond, _BEYOND)):
            ax.bar(edges[:-1][bins], heights[bins], np.diff(edges)[bins], row, align="edge", zorder=2, **look)
        ax.axhline(row, color="0.35", linewidth=0.8, zorder=3)
    ax.set_xlim(0, 1)
    ax.set_ylim(len(shares) + 0.6, 0.4)
    ax.set_yticks(range(1, len(shares) + 1, -(-len(shares) // 12)))
    ax.set_ylabel("chain" if posterior.n_chains > 1 else "half", fontsize="small")
    ax.set_xlabel("rank / number of draws", fontsize="small")
    ax.tick_params(labelsize="small")
    clean(ax)


def rank_shares(posterior: Posterior, chains: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draws in each bin relative to what is expected, shape (chain, bin), and the half-width of the band, (chain,).

    Equal draws, of which a resampled or a slowly moving chain has many, get their ranks at random.
    """
    n_chains, n = chains.shape
    n_bins = int(np.clip(n // _DRAWS_PER_BIN, _FEWEST_BINS, _MOST_BINS))
    tie_breaks = keyed_generator(posterior.provenance.seed, _KEY).random(chains.size)
    ranks = np.empty(chains.size, dtype=np.int64)
    ranks[np.lexsort((tie_breaks, chains.ravel()))] = np.arange(chains.size)
    bins = ranks.reshape(chains.shape) * n_bins // chains.size
    counts = np.stack([np.bincount(row, minlength=n_bins) for row in bins])
    expected = n / n_bins
    by_chain = parts.effective_of_chains(posterior, chains)
    variance = expected * (1 - 1 / n_bins) * (1 - 1 / n_chains) * chains.size / (chains.size - 1) * n / by_chain
    z = NormalDist().inv_cdf(1 - 0.5 * (1 - _ALL_INSIDE) / counts.size)
    return counts / expected, z * np.sqrt(variance) / expected
