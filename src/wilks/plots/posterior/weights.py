r"""Picture of importance weights: how heavy their tail is, and how few draws carry how much of the weight.

Where the largest of n ratios follow a generalised Pareto distribution with the shape k, the weight of rank r goes like

.. math:: w_{(r)} \propto r^{-k}                                                                                (1)

in that tail of M = min(n / 5, 3 sqrt(n)) weights (Vehtari et al. 2024, JMLR 25(72)): a straight line on logarithmic
axes. A k above the limit is one at which averages are carried by a few draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels, parts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.samplers.certificate import Check
    from wilks.samplers.result import Posterior

_K_HAT = "Pareto k-hat"
_LOWEST = 1e-6
_MARKED = (0.5, 0.9)


def posterior_weights(posterior: Posterior) -> Figure:
    """Draw the weights of importance sampling in their order, with the slope that k-hat stands for, and their sum.

    On the left, the tail is dark; it should rise less steeply than the dashed line, which has the slope of the limit.
    Faint lines are the independent populations. On the right is the share of the whole weight that the heaviest draws
    have; a curve that is near the top at the left says that few draws count.

    Parameters
    ----------
    posterior
        Draws by importance sampling.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the draws have no weights.
    """
    reason = without_weights(posterior)
    if reason or posterior.weighted is None:
        raise InvalidConfigurationError(f"weights: {reason}")
    figure = style.Picture(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    weights = np.sort(np.exp(posterior.weighted.log_weights))[::-1]
    k_hat = next((check for check in posterior.certificate.checks if check.name == _K_HAT), None)
    for part in parts.separate(posterior):
        assert part.weighted is not None  # noqa: S101 - parts of weighted draws have weights
        share = np.sort(np.exp(part.weighted.log_weights))[::-1] * len(part.weighted.thetas)
        left.plot(np.arange(1, len(share) + 1), share, color="0.75", linewidth=0.8, zorder=1)
    _draw_tail(left, weights * len(weights), k_hat)
    _draw_sum(right, weights)
    found = f"; k-hat {k_hat.value:.2f}, at most {k_hat.limit:.2f} expected" if k_hat is not None else ""
    panels.headline(figure, panels.evaluated(posterior) + found)
    return figure


def without_weights(posterior: Posterior) -> str:
    """Why there is no picture of the weights; empty if there is one."""
    if posterior.weighted is not None:
        return ""
    return (
        f"expected draws by importance sampling, got draws by {posterior.method}, all of which weigh the same; "
        "draw posterior_rank and posterior_ess instead"
    )


def _draw_tail(ax: Axes, weights: NDArray[np.float64], k_hat: Check | None) -> None:
    """Weights relative to their mean, the heaviest first, and the slopes of k-hat and of its limit in the tail."""
    n = len(weights)
    ranks = np.arange(1, n + 1)
    n_tail = max(min(n // 5, math.ceil(3 * math.sqrt(n))), 1)
    ax.plot(ranks, weights, color=style.LINE, linewidth=1.4, zorder=3)
    ax.plot(ranks[:n_tail], weights[:n_tail], color=style.LINE, linewidth=4.0, solid_capstyle="butt", zorder=3)
    handles = [
        Line2D([], [], color=style.LINE, linewidth=4.0, label=f"tail, {n_tail} draws"),
        Line2D([], [], color="0.75", linewidth=0.8, label="each population"),
    ]
    top = float(weights[0])
    slopes = () if k_hat is None else ((k_hat.value, "-", "k-hat"), (k_hat.limit, style.DASHES[0.95], "limit"))
    for slope, dashes, text in slopes:
        if not math.isfinite(slope):
            continue
        guide = weights[n_tail - 1] * (ranks[:n_tail] / n_tail) ** -max(slope, 0.0)  # below 0 the weights are bounded
        top = max(top, float(guide[0]))
        ax.plot(ranks[:n_tail], guide, color=style.FIT, linestyle=dashes, linewidth=1.4, zorder=4)
        label = f"slope of {text}, {slope:.2f}"
        handles.append(Line2D([], [], color=style.FIT, linestyle=dashes, linewidth=1.4, label=label))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.9, 1.1 * n)
    # The range that autoscaling takes goes as far up as the smallest weight goes down.
    ax.set_ylim(min(max(float(weights.min()) / 2, _LOWEST), 1e-3), 3.0 * top)
    ax.set_xlabel("rank of the draw")
    ax.set_ylabel("weight / mean weight")
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="lower left")
    clean(ax)


def _draw_sum(ax: Axes, weights: NDArray[np.float64]) -> None:
    n = len(weights)
    total = np.cumsum(weights) / weights.sum()
    shares = np.arange(1, n + 1) / n
    ax.plot(shares, shares, color="0.6", linestyle=":", linewidth=1.0)
    ax.plot(shares, total, color=style.LINE, linewidth=1.6)
    for level in _MARKED:
        needed = int(np.searchsorted(total, level * (1 - 1e-12))) + 1
        ax.plot([needed / n], [level], "o", color="white", markeredgecolor="black", markersize=6, zorder=4)
        ax.annotate(
            f"{100 * level:.0f} % from {needed:,} draws",
            (needed / n, level),
            (8, -3) if needed < n / 2 else (-6, 5),
            textcoords="offset points",
            ha="left" if needed < n / 2 else "right",
            va="top" if needed < n / 2 else "bottom",
            fontsize="small",
            path_effects=style.HALO,
            zorder=5,
        )
    effective = 1.0 / float(weights @ weights)
    ax.set_title(f"{effective:,.0f} effective draws of {n:,}", fontsize="small", loc="left")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("share of the draws, the heaviest first")
    ax.set_ylabel("share of the weight")
    ax.legend(
        handles=[Line2D([], [], color="0.6", linestyle=":", label="equal weights")],
        frameon=False,
        fontsize="small",
        loc="lower right",
    )
    clean(ax)
