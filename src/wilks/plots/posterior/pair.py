"""Pair picture: marginal densities of every parameter and of every pair, with what else is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch

from wilks.core.table import with_error
from wilks.plots import geometry, style
from wilks.plots.draws import draws_corner
from wilks.plots.grid import draw_ellipse, fit_legend
from wilks.plots.posterior import panels
from wilks.plots.posterior.density import credible_set, prior_density

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.samplers.result import Posterior
    from wilks.solvers.result import FitResult

_MOST_NAMES = 8  # panels grow with its square
_WIDTHS = {0.95: 1.4, 0.68: 4.0}
_SET_HEIGHT = 0.025
_PRIOR: dict[str, Any] = {"color": "0.45", "linewidth": 1.0, "linestyle": (0, (5, 2))}
_DIVERGING: dict[str, Any] = {
    "marker": "x",
    "color": "black",
    "linestyle": "none",
    "markersize": 4,
    "markeredgewidth": 0.9,
}


def posterior_pair(posterior: Posterior, names: Sequence[str] | None = None, *, fit: FitResult | None = None) -> Figure:
    """Draw the marginal densities of a posterior, of single parameters on the diagonal and of pairs below it.

    Pairs show the smallest regions with 68 and 95 % of the draws, crosses where transitions diverged, and the best
    point. Single parameters show the smallest sets with 68 and 95 % as bars at the bottom, the prior as a dashed line,
    and mean and standard deviation above. Of a fit, the best point and its 68 and 95 % ellipses are added.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    names
        The parameters; by default all, at most the first 8.
    fit
        A fit of the same problem.

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
    >>> space = wilks.Space(a=wilks.Real(-9, 9), b=wilks.Real(-9, 9))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    >>> figure = wilks.plots.posterior_pair(wilks.sample(problem, seed=1))
    >>> len(figure.axes)
    4
    """
    wanted = posterior.names[:_MOST_NAMES] if names is None else names
    shown = panels.chosen(posterior, wanted, _MOST_NAMES, "pair")
    figure = draws_corner(posterior, shown)
    axes = np.array(figure.axes, dtype=object).reshape(len(shown), len(shown))
    diverging = np.asarray(posterior.sampling.get("diverging", np.zeros(posterior.log_likelihoods.shape))) != 0
    for i, row in enumerate(shown):
        _finish_marginal(axes[i, i], posterior, row)
        for j, column in enumerate(shown[:i]):
            _finish_plane(axes[i, j], posterior, (column, row), diverging, fit)
    _legend(axes, fit, n_diverging=int(diverging.sum()))
    rest = panels.left_out(posterior, shown, "the first ones") if names is None else ""
    panels.headline(figure, panels.source(posterior) + rest)
    return figure


def _finish_marginal(ax: Axes, posterior: Posterior, name: str) -> None:
    domain = posterior.space[name]
    limits = ax.get_xlim()
    prior = prior_density(domain, (min(limits), max(limits)))
    if domain.n_values is None:
        ax.plot(prior.positions, prior.heights * _length_of_bin(ax, domain), **_PRIOR)
    else:
        ax.plot(prior.positions, prior.heights, marker="_", markersize=9, **{**_PRIOR, "linestyle": "none"})
    for level, width in _WIDTHS.items():
        for lower, upper in credible_set(posterior, name, level):
            ax.plot(
                [lower, upper],
                [_SET_HEIGHT] * 2,
                color=style.LINE,
                linewidth=width,
                solid_capstyle="butt",
                transform=ax.get_xaxis_transform(),
                zorder=4,
            )
    ax.set_xlim(limits)
    panels.set_log_ticks(ax, "x", domain, limits)
    if domain.n_values is None and np.ptp(posterior.draws[name]) > 0:
        ax.set_title(with_error(posterior.means[name], posterior.standard_deviations[name]), fontsize="small", pad=4)


def _length_of_bin(ax: Axes, domain: Domain) -> float:
    """Length of the bins of the histogram on the scale of the axis: the share of a density of 1 per unit."""
    steps = next(patch for patch in ax.patches if isinstance(patch, StepPatch))
    ends = domain.to_unit(np.asarray(steps.get_data()[1])[:2])
    return float(ends[1] - ends[0])


def _finish_plane(
    ax: Axes, posterior: Posterior, names: tuple[str, str], diverging: NDArray[np.bool_], fit: FitResult | None
) -> None:
    limits = ax.get_xlim(), ax.get_ylim()
    if diverging.any():
        x, y = (geometry.position(posterior.space[name], posterior.draws[name][diverging]) for name in names)
        ax.plot(x, y, zorder=5, **_DIVERGING)
    if fit is not None and all(name in fit.names for name in names):
        draw_ellipse(ax, fit, *names)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    for which, name, ends in zip("xy", names, limits, strict=True):
        panels.set_log_ticks(ax, which, posterior.space[name], ends)


def _legend(axes: NDArray[np.object_], fit: FitResult | None, *, n_diverging: int) -> None:
    """Complete the legend in the upper right corner; a single panel has none."""
    corner: Axes = axes[0, -1]
    old = corner.get_legend()
    if old is None:
        return
    handles: list[Artist] = [handle for handle in old.legend_handles if handle is not None]
    handles.append(Line2D([], [], label="prior", **_PRIOR))
    if n_diverging:
        handles.append(Line2D([], [], label=f"{n_diverging} diverging", **_DIVERGING))
    if fit is not None:
        handles += fit_legend(fit)
    corner.legend(handles=handles, loc="upper right", frameon=False, fontsize="small")
