"""Trace picture: the way of every chain through every parameter, with its marginal density beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wilks.plots import geometry, style
from wilks.plots.grid import clean
from wilks.plots.posterior import panels
from wilks.plots.posterior.density import density

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.samplers.result import Posterior

_MOST_NAMES = 8
_MOST_POINTS = 2000
_DODGE = 0.25  # between the chains, where discrete values lie 1 apart


def posterior_trace(posterior: Posterior, names: Sequence[str] | None = None) -> Figure:
    """Draw the draws of every chain in their order, and beside them the marginal density from each chain.

    Chains that mix look like the same noise all along and have the same density. Ticks at the bottom stand where a
    transition diverged. The warmup is not part of a posterior, and not shown.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    names
        The parameters; by default all, at most the 8 with the fewest effective draws.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If one of `names` was not sampled.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    >>> figure = wilks.plots.posterior_trace(wilks.sample(problem, n_draws=400, seed=1))
    >>> len(figure.axes)
    2
    """
    shown = panels.chosen(posterior, names, _MOST_NAMES, "trace")
    figure = style.Picture(figsize=(8.4, 1.45 * len(shown) + 1.2), layout="constrained")
    rows = figure.subplots(len(shown), 2, squeeze=False, sharey="row", width_ratios=(4, 1))
    step = math.ceil(posterior.n_draws / _MOST_POINTS)
    for (path, beside), name in zip(rows, shown, strict=True):
        _draw_paths(path, posterior, name, step)
        _draw_densities(beside, posterior, name)
        path.sharex(rows[-1, 0])
        if path is not rows[-1, 0]:
            path.tick_params(labelbottom=False)
    rows[-1, 0].set_xlabel("draw" if step == 1 else f"draw, one of {step} shown")
    rows[-1, 1].set_xlabel("density")
    figure.align_ylabels()
    handles = panels.chain_handles(posterior.n_chains)
    n_diverging = int(np.sum(posterior.sampling.get("diverging", 0.0)))
    if n_diverging:
        mark = Line2D([], [], color=style.FIT, marker="|", linestyle="none", markeredgewidth=1.4)
        mark.set_label(f"{n_diverging} diverging transition{'' if n_diverging == 1 else 's'}")
        handles.append(mark)
    panels.legend_below(figure, handles)
    rest = panels.left_out(posterior, shown) if names is None else ""
    panels.headline(figure, panels.source(posterior) + rest)
    return figure


def _draw_paths(ax: Axes, posterior: Posterior, name: str, step: int) -> None:
    domain, draws = posterior.space[name], posterior.draws[name]
    x = np.arange(posterior.n_draws)
    for chain, look in zip(draws, panels.chain_looks(len(draws)), strict=True):
        heights = geometry.position(domain, chain[::step])
        # Dashes would be noise in noise: the colour alone tells the paths apart, the densities have both.
        ax.plot(x[::step], heights, color=look.color, alpha=0.75 * look.alpha, linewidth=0.6)
    diverging = np.flatnonzero(np.any(np.asarray(posterior.sampling.get("diverging", [[0.0]])) != 0, axis=0))
    if len(diverging):
        ax.plot(
            diverging,
            np.full(len(diverging), 0.03),
            "|",
            color=style.FIT,
            markeredgewidth=1.4,
            transform=ax.get_xaxis_transform(),
            zorder=5,
        )
    panels.set_parameter(ax, "y", posterior.space, name, panels.view(domain, draws))
    ax.set_xlim(0, max(posterior.n_draws - 1, 1))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    clean(ax)


def _draw_densities(ax: Axes, posterior: Posterior, name: str) -> None:
    domain, draws = posterior.space[name], posterior.draws[name]
    limits = panels.view(domain, draws)
    dodges = np.linspace(_DODGE, -_DODGE, len(draws)) if len(draws) > 1 else np.zeros(1)
    for chain, look, dodge in zip(draws, panels.chain_looks(len(draws)), dodges, strict=True):
        curve = density(domain, chain, limits)
        if domain.n_values is None:
            (line,) = ax.plot(curve.heights, curve.positions, color=look.color, alpha=look.alpha, linewidth=1.2)
            line.set_linestyle(look.dashes)
        else:
            ax.hlines(curve.positions + dodge, 0, curve.heights, color=look.color, alpha=look.alpha, linewidth=2.0)
    ax.set_xlim(left=0)
    ax.set_xticks([])
    ax.tick_params(labelleft=False)
    clean(ax)
