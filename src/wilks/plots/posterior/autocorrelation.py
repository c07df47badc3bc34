r"""Autocorrelation picture: how long a chain remembers where it was.

For M chains of n draws with the variances :math:`s_m^2` and autocorrelations :math:`\rho_{t,m}`,

.. math:: \rho_t = 1 - \frac{W - \frac{1}{M} \sum_m s_m^2 \, \rho_{t,m}}{\hat{V}}, \qquad
          \hat{V} = \frac{n - 1}{n} W + \frac{B}{n}                                                               (1)

with the variance W within the chains and B / n of their means, is what effective sample sizes are made of; it does not
fall to zero when the chains disagree (Vehtari et al. 2021, https://doi.org/10.1214/20-BA1221, equation 10).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_MOST_NAMES = 12
_FEWEST_LAGS, _FORGOTTEN, _BEYOND = 20, 0.05, 3
_TOP = 1.05


def posterior_autocorrelation(posterior: Posterior, names: Sequence[str] | None = None) -> Figure:
    """Draw the autocorrelation of every chain, and of all of them together in black.

    The lags go to three times the first one at which the correlation is below 0.05. The grey band holds 95 % of the
    values of a chain of independent draws.

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
    shown = panels.chosen(posterior, names, _MOST_NAMES, "autocorrelation")
    figure, axes = panels.sheet(len(shown), 3, (3.0, 2.1))
    looks = panels.chain_looks(posterior.n_chains)
    half_width = 1.96 / math.sqrt(posterior.n_draws)
    for ax, name in zip(axes, shown, strict=True):
        each, together = autocorrelations(posterior.draws[name])
        n_lags = last_lag(together)
        lags = np.arange(n_lags + 1)
        ax.fill_between([0, n_lags], -half_width, half_width, color="0.88", linewidth=0, zorder=0)
        if np.isnan(together).all():
            ax.text(0.5, 0.5, "did not move", transform=ax.transAxes, ha="center", va="center", color="0.35")
        for chain, look in zip(each, looks, strict=True):
            ax.plot(lags, chain[: n_lags + 1], color=look.color, linestyle=look.dashes, alpha=look.alpha, linewidth=1.0)
        ax.plot(lags, together[: n_lags + 1], color="black", linewidth=1.8)
        ax.set_xlim(0, max(n_lags, 1))
        low = min(-0.25, 1.1 * float(np.nanmin(each[:, : n_lags + 1], initial=0.0)))
        ax.set_ylim(max(low, -_TOP), _TOP)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.tick_params(labelsize="small")
        ax.set_title(style.label(posterior.space, name), fontsize="small")
        clean(ax)
    for ax in axes[-min(len(axes), 3) :]:
        ax.set_xlabel("lag, in draws", fontsize="small")
    handles = [*panels.chain_handles(posterior.n_chains), Line2D([], [], color="black", label="together")]
    panels.legend_below(figure, [*handles, Patch(facecolor="0.88", label="independent draws, 95 %")])
    rest = panels.left_out(posterior, shown) if names is None else ""
    panels.headline(figure, panels.source(posterior) + rest)
    return figure


def autocorrelations(chains: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Autocorrelation of every chain, shape (chain, lag), and by equation (1), shape (lag,); NaN where none moved."""
    n_chains, n = chains.shape
    apart = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(apart, 2 * n, axis=1)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / n
    within = covariances[:, :1].copy()
    within[np.ptp(chains, axis=1) == 0] = np.nan
    between = float(np.var(chains.mean(axis=1), ddof=1)) if n_chains > 1 else 0.0
    mean_within = float(covariances[:, 0].mean())
    total = mean_within + between
    together = np.full(n, np.nan)
    if total > 0 and np.ptp(chains) > 0:
        together = 1.0 - (mean_within - covariances.mean(axis=0)) / total
    return covariances / within, together


def last_lag(together: NDArray[np.float64]) -> int:
    """Last lag that is worth to be shown."""
    n = len(together)
    low = np.flatnonzero(together < _FORGOTTEN)
    wanted = max(_FEWEST_LAGS, _BEYOND * int(low[0]) if len(low) else n)
    return min(wanted, max(n // 2, 1), n - 1)
