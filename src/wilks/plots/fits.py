"""Pictures of a fit: the covariance as ellipses for every pair, and the optima that the starts ended in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.core.table import with_error
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import style
from wilks.plots.grid import Lattice, axis_limits, clean, draw_ellipse, draw_parabola, fit_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.solvers.result import FitResult

_MAX_MARKED = 12
_WIDE = 30.0


def fit_corner(fit: FitResult, names: Sequence[str] | None = None) -> Figure:
    """Draw the covariance of a fit: ellipses of the joint 68 and 95 % regions of every pair of parameters.

    Parameters
    ----------
    fit
        The fit.
    names
        The parameters; by default all that have a finite standard error, at most the first 12.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If no parameter has a finite standard error, or one of `names` has none.
    """
    known = determined(fit)
    chosen = tuple(names) if names is not None else known[:_MAX_MARKED]
    missing = [name for name in chosen if name not in known]
    if missing or not chosen:
        raise InvalidConfigurationError(
            "expected parameters with a finite standard error, got "
            f"{', '.join(missing) or 'none'}; this fit has: {', '.join(known) or 'none'}"
        )
    lattice = Lattice(fit.space, chosen)
    limits = {name: axis_limits(name, (), fit) for name in chosen}
    for i, name in enumerate(chosen):
        ax = lattice.at(i, i)
        draw_parabola(ax, fit, name, shaded=True)
        value = fit.best[name]
        assert isinstance(value, float)  # noqa: S101 - parameters with a standard error are real
        ax.set_title(with_error(value, fit.standard_errors[name]), fontsize="small", pad=4)
        ax.set_ylim(-3.2, 0.3)
        for j in range(i):
            draw_ellipse(lattice.at(i, j), fit, chosen[j], name)
    lattice.finish(limits)
    lattice.legend(fit_legend(fit))
    return lattice.figure


def determined(fit: FitResult) -> tuple[str, ...]:
    """Parameters with a finite standard error; coefficients that are solved for beside them have no box to draw in."""
    errors = fit.standard_errors
    return tuple(name for name in fit.space.free if np.isfinite(errors[name]) and errors[name] > 0)


def waterfall(fit: FitResult, ax: Axes | None = None) -> Figure:
    """Draw the log-likelihood that each start of a fit ended at, best first, with the number of hits per optimum.

    A plateau at the top says that many starts agree on the best point; a lone point there, that more starts may find
    a better one. When the optima lie far apart, the axis is linear near the top and logarithmic below.

    Parameters
    ----------
    fit
        A fit with its basins.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.
    """
    ax = style.axes_or_new(ax, 6.0, 3.8)
    top = fit.basins[0].log_likelihood if fit.basins else 0.0
    basins = [basin for basin in fit.basins if np.isfinite(basin.log_likelihood)]
    first = 1
    for number, basin in enumerate(basins):
        n_dots = max(1, basin.n_hits)  # an optimum that only given starts ended in has no hits
        starts = np.arange(first, first + n_dots)
        height = basin.log_likelihood - top
        colour = style.FIT if number == 0 else style.LINE
        ax.plot(starts, np.full(len(starts), height), "o-", color=colour, markersize=4)
        if number < _MAX_MARKED:
            hits = "1 hit" if basin.n_hits == 1 else f"{basin.n_hits} hits"
            ax.annotate(
                hits, (starts.mean(), height), (0, 6), textcoords="offset points", ha="center", fontsize="small"
            )
        first += n_dots
    deepest = min((basin.log_likelihood - top for basin in basins), default=0.0)
    _set_depths(ax, deepest)
    ax.set_xlim(0.3, max(first, 2) - 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    ax.set_xlabel("starts, sorted")
    ax.set_ylabel(r"$\ln L$ relative to the best")
    clean(ax)
    return style.figure_of(ax)


def _set_depths(ax: Axes, deepest: float) -> None:
    if deepest >= -_WIDE:
        depth = max(-deepest, 0.5)
        ax.set_ylim(-1.12 * depth, 0.16 * depth)
        return
    linear = wilks_depth(0.95, 1)
    ax.set_yscale("symlog", linthresh=linear)
    ax.set_ylim(deepest * 3, 0.8 * linear)
    decades = range(int(np.ceil(np.log10(-deepest))) + 1)
    step = max(1, len(decades) // 5)
    ax.set_yticks([0.0, *(-(10.0**k) for k in decades[::step])], minor=False)
    ax.minorticks_off()
