"""Picture of a comparison: the intervals of several results side by side, one panel per parameter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.grid import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.verbs.compare import Comparison
    from wilks.verbs.entries import Entry

_PER_ROW = 3
_DOT: dict[str, Any] = {
    "marker": "o",
    "color": "white",
    "markeredgecolor": "black",
    "markersize": 5,
    "linestyle": "none",
}
_WIDTHS = {"intervals_95": 1.6, "intervals_68": 5.0}


def comparison(compared: Comparison) -> Figure:
    """Draw the 68 and 95 % intervals that several results give for the same parameters.

    A thick line is a 68 % interval, a thin one a 95 % interval, a dot the best value, or the mean of a posterior; an
    arrow head marks an end that is not known.

    Parameters
    ----------
    compared
        What `wilks.compare` returned.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If no parameter has numbers for values.
    """
    names, titles = drawable(compared), compared.columns
    if not names:
        raise InvalidConfigurationError(
            "comparison: expected at least one parameter with numbers for values, "
            f"got {', '.join(compared.names) or 'none'}"
        )
    across = min(len(names), _PER_ROW)
    down = math.ceil(len(names) / across)
    figure = style.Picture(figsize=(1.6 + 2.5 * across, 0.5 + down * (0.9 + 0.32 * len(titles))), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for index, ax in enumerate(panels.flat):
        if index >= len(names):
            ax.set_axis_off()
            continue
        for row, entry in enumerate(compared.entries[names[index]]):
            _draw_entry(ax, row, entry)
        ax.set_xlabel(style.safe_text(names[index]))
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.margins(x=0.08)
        clean(ax)
    first = panels[0, 0]
    first.set_yticks(range(len(titles)), labels=[style.safe_text(title) for title in titles])
    first.set_ylim(len(titles) - 0.5, -0.5)
    marks = [
        Line2D([], [], color=style.LINE, linewidth=_WIDTHS["intervals_68"], solid_capstyle="butt", label="68 %"),
        Line2D([], [], color=style.LINE, linewidth=_WIDTHS["intervals_95"], label="95 %"),
        Line2D([], [], **_DOT, label=_of_dots(compared)),
    ]
    figure.legend(handles=marks, loc="outside upper right", ncols=3, frameon=False, fontsize="small")
    return figure


def _of_dots(compared: Comparison) -> str:
    """What the dots are."""
    kinds = {entry.kind for row in compared.entries.values() for entry in row if entry is not None}
    if "posterior" not in kinds:
        return "best point"
    return "mean" if kinds == {"posterior"} else "best point, or mean"


def drawable(compared: Comparison) -> tuple[str, ...]:
    """Parameters whose values are numbers."""
    return tuple(
        name
        for name in compared.names
        if all(isinstance(entry.best, (int, float)) for entry in compared.entries[name] if entry is not None)
    )


def _draw_entry(ax: Axes, row: int, entry: Entry | None) -> None:
    """One line of a panel; nothing where a result does not have the parameter."""
    if entry is None:
        return
    for key, width in _WIDTHS.items():
        for lower, upper, open_lower, open_upper in getattr(entry, key):
            ax.plot([lower, upper], [row, row], color=style.LINE, linewidth=width, solid_capstyle="butt")
            for end, is_open, marker in ((lower, open_lower, "<"), (upper, open_upper, ">")):
                if is_open:
                    ax.plot([end], [row], marker, color=style.LINE, markersize=7)
    ax.plot([entry.best], [row], **_DOT)
