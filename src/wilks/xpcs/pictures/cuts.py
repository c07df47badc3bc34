"""Cuts through two-time correlations: along the lag at some ages, and along the age at some lags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.xpcs.pictures.angles import angle_text, of_one_figure
from wilks.xpcs.views import check_data, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.xpcs.result import XpcsFit
    from wilks.xpcs.views import Cut

LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#0072b2", "marker": "o", "linestyle": "-"},
    {"color": "#e69f00", "marker": "s", "linestyle": (0, (5, 1.6))},
    {"color": "#a23b8c", "marker": "^", "linestyle": (0, (1.2, 1.2))},
    {"color": "#1a1a1a", "marker": "D", "linestyle": (0, (6, 1.5, 1.2, 1.5))},
)
"""Colours (Okabe and Ito, 2008, or darker), markers and dashes of the cuts of a panel."""

_WIDTH, _ROW, _TOP, _BOTTOM = 9.6, 2.1, 0.75, 0.55
"""Inches: the place of panels is known, and need not be found by drawing them twice."""


def cuts(result: XpcsFit, angles: Sequence[int] | None = None) -> Figure:
    """Draw the correlations of some angles along the lag and along the age, with the model as lines.

    Points are means over narrow bands of ages (a fiftieth of all) and of lags (a tenth of the lag on either side), and
    over classes along the axis; error bars follow from sigma, and the model is averaged over the same pairs. The age of
    a pair is that of its earlier frame.

    Parameters
    ----------
    result
        A fit with its data.
    angles
        Positions of at most 6 angles; by default all that have data, or 6 of them.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the result has no data or no best point, or an angle is not there.
    """
    check_data(result)
    shown = of_one_figure(angles, np.isfinite(result.sigma))
    n = len(shown)
    height = _TOP + _BOTTOM + _ROW * n
    figure = style.Picture(figsize=(_WIDTH, height))
    place = {"left": 0.105, "right": 0.985, "wspace": 0.14, "hspace": 0.16}
    axes = figure.subplots(
        n, 2, squeeze=False, sharex="col", sharey="row",
        gridspec_kw=place | {"bottom": _BOTTOM / height, "top": 1 - _TOP / height},
    )  # fmt: skip
    first = next((row for row, angle in enumerate(shown) if np.isfinite(result.sigma[angle])), None)
    for row, angle in enumerate(shown):
        seen = view(result, angle)
        for ax, lines, what in zip(axes[row], (seen.along_lag, seen.along_age), ("age", "lag"), strict=True):
            handles = _draw(ax, lines, what)
            if not handles:
                ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", color="0.3")
                ax.set_yticks([])
            elif row == first:
                style.legend_above(ax, handles)
            clean(ax)
        axes[row, 0].set_ylabel(f"{angle_text(result.phi[angle])}\n$c_2$")
        axes[row, 0].set_xscale("log")
    axes[-1, 0].set_xlabel("lag $t_2 - t_1$ [s]")
    axes[-1, 1].set_xlabel("age $t_1$ [s]")
    title = f"means with standard errors, and model (lines); q = {result.q:.4g} Å$^{{-1}}$"
    figure.suptitle(title, y=1 - 0.1 / height, va="top", fontsize="medium")
    return figure


def _draw(ax: Axes, lines: tuple[Cut, ...], what: str) -> list[Any]:
    handles = []
    for cut, look in zip(lines, LOOKS, strict=False):
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 3.2}
        ax.errorbar(cut.x, cut.c2, cut.error, elinewidth=0.8, fillstyle="none", alpha=0.8, zorder=2, **points)
        line = ax.plot(cut.x, cut.model, color=look["color"], linestyle=look["linestyle"], linewidth=1.4, zorder=3)
        line[0].set_label(f"{what} {cut.at:.2g} s")
        handles += line
    return handles
