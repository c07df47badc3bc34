"""Picture of the optima that the starts of a fit ended in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wilks.plots import style, waterfall

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wilks.solvers.result import FitResult
    from wilks.xpcs.result import XpcsFit


def starts(result: XpcsFit) -> Figure:
    """Draw the log-likelihood that each refined start ended at, best first, with the number of hits per optimum.

    The starts are refined on a subset of the data, so these are log-likelihoods on the subset.

    Parameters
    ----------
    result
        A fit.

    Returns
    -------
    Figure
        A new figure.
    """
    # The picture looks at nothing but the optima, which are the same for both kinds of fit.
    figure = waterfall(cast("FitResult", result))
    (ax,) = figure.axes
    ax.set_ylabel(r"$\ln L$ on the subset, relative to the best")
    if not result.basins:
        ax.text(0.5, 0.5, "no start was refined", transform=ax.transAxes, ha="center", va="center", color="0.3")
        ax.set_yticks([])
    return style.figure_of(ax)
