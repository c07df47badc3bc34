"""Picture of effective numbers of draws: how they grow with the draws, and how they differ over the distribution.

Bulk and tail are those of Vehtari et al. 2021, https://doi.org/10.1214/20-BA1221: of the mean, and the smaller one of
the probabilities below the 5 and the 95 % quantile. Locally they are those of the probability between neighbouring
quantiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

_MOST_NAMES = 6
_N_STEPS, _N_INTERVALS = 12, 20
_TAILS = (0.05, 0.95)
_LIMIT = 400.0
_TAIL_COLOUR = "#E69F00"


def posterior_ess(posterior: Posterior, names: Sequence[str] | None = None) -> Figure:
    """Draw the effective number of draws against the number of draws, and over the distribution of each parameter.

    On the left lines that rise steadily are well; one that bends or falls belongs to chains that have begun to
    disagree, or to a weight that outweighs the others. On the right a dip shows where in its range a parameter is
    explored badly. The dashed line is what the certificate asks for, the dotted one independent draws.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    names
        The parameters; by default all, at most the 6 with the fewest effective draws.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If one of `names` was not sampled.
    """
    shown = panels.chosen(posterior, names, _MOST_NAMES, "ess")
    figure = style.Picture(figsize=(8.4, 1.8 * len(shown) + 1.2), layout="constrained")
    rows = figure.subplots(len(shown), 2, squeeze=False)
    limit = panels.check_limit(posterior, "bulk ESS", _LIMIT)
    growing = growth(posterior, shown)
    for (left, right), name in zip(rows, shown, strict=True):
        numbers, bulk, tail = growing[name]
        left.plot(numbers, numbers, color="0.6", linestyle=":", linewidth=1.0)
        left.plot(numbers, bulk, "o-", color=style.LINE, markersize=3.5, linewidth=1.4)
        left.plot(numbers, tail, "s--", color=_TAIL_COLOUR, markersize=3.5, linewidth=1.4)
        left.set_xlim(0, 1.03 * numbers[-1])
        local = _draw_local(right, posterior, name)
        for ax, heights in ((left, [*bulk, *tail]), (right, local)):
            if np.isnan(heights).all():
                ax.text(0.5, 0.4, "did not move", transform=ax.transAxes, ha="center", va="center", color="0.35")
            ax.set_ylim(0, 1.15 * float(np.nanmax([*heights, limit])))
            ax.axhline(limit, color="black", linestyle=style.DASHES[0.95], linewidth=1.0, zorder=1)
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.tick_params(labelsize="small")
            clean(ax)
        left.set_ylabel(style.label(posterior.space, name))
    rows[-1, 0].set_xlabel("draws of all chains" if posterior.weighted is None else "weighted draws", fontsize="small")
    rows[-1, 1].set_xlabel("quantile", fontsize="small")
    rows[0, 0].set_title("effective draws, as they grow", fontsize="small", loc="left")
    rows[0, 1].set_title("effective draws in small intervals", fontsize="small", loc="left")
    figure.align_ylabels()
    panels.legend_below(figure, _handles(limit))
    rest = panels.left_out(posterior, shown) if names is None else ""
    panels.headline(figure, panels.evaluated(posterior) + rest)
    return figure


def _draw_local(ax: Axes, posterior: Posterior, name: str) -> NDArray[np.float64]:
    edges = np.linspace(0.0, 1.0, _N_INTERVALS + 1)
    inner = posterior.quantiles(name, edges[1:-1])
    values = parts.column(posterior, name)
    bounds = [-np.inf, *inner.tolist(), np.inf]
    functions = {str(i): ((values > bounds[i]) & (values <= bounds[i + 1])).astype(float) for i in range(_N_INTERVALS)}
    found = parts.effective(posterior, functions)
    # A discrete parameter has intervals without a value in them.
    heights = np.array([found[key] if functions[key].any() else np.nan for key in functions])
    ax.plot(0.5 * (edges[1:] + edges[:-1]), heights, "o-", color=style.LINE, markersize=3.5, linewidth=0.8)
    ax.set_xlim(0, 1)
    return heights


def growth(
    posterior: Posterior, names: Sequence[str]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Name -> numbers of draws, and the bulk and tail effective numbers of so many of them, shape (step,) each."""
    n_all = parts.column(posterior, names[0]).size
    shares = np.arange(1, _N_STEPS + 1) / _N_STEPS
    numbers = np.round(shares * n_all)
    bulk, tail = (np.full((len(names), _N_STEPS), np.nan) for _ in range(2))
    for step, share in enumerate(shares.tolist()):
        part = parts.first(posterior, share)
        functions: dict[str, NDArray[np.float64]] = {}
        for i, name in enumerate(names):
            values = parts.column(part, name)
            functions[f"{i} bulk"] = values
            for j, quantile in enumerate(part.quantiles(name, _TAILS).tolist()):
                functions[f"{i} tail {j}"] = (values <= quantile).astype(float)
        found = parts.effective(part, functions)
        for i in range(len(names)):
            bulk[i, step] = found[f"{i} bulk"]
            tail[i, step] = min(found[f"{i} tail {j}"] for j in range(len(_TAILS)))
    return {name: (numbers, bulk[i], tail[i]) for i, name in enumerate(names)}


def _handles(limit: float) -> list[Artist]:
    return [
        Line2D([], [], color=style.LINE, marker="o", markersize=3.5, label="bulk"),
        Line2D([], [], color=_TAIL_COLOUR, marker="s", markersize=3.5, linestyle="--", label="tail"),
        Line2D([], [], color="black", linestyle=style.DASHES[0.95], linewidth=1.0, label=f"limit, {limit:.4g}"),
        Line2D([], [], color="0.6", linestyle=":", linewidth=1.0, label="independent draws"),
    ]
