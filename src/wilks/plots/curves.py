"""Picture of a profile in one parameter, with its confidence set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.plots import geometry, style
from wilks.plots.window import percent, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.plots.window import Window
    from wilks.profiles.regions import Interval
    from wilks.profiles.result import ProfileResult

_ARROW = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11}
_ARROW_LENGTH = 20  # points
_LEGEND_ORDER = ("open end", "grid nodes", "best point", "not converged", "no finite value")
_MAX_MARKED_NODES = 80


def profile_1d(
    result: ProfileResult,
    name: str | None = None,
    ax: Axes | None = None,
    *,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> Figure:
    """Draw the profile of one parameter, relative to its maximum, with the 68 and 95 % confidence sets.

    Pieces of the sets are shaded; an arrow marks an end that is open: the set goes on beyond the grid or beyond the
    visited cells. Nodes in the region of interest that did not converge, and nodes without a finite value, are marked.

    Parameters
    ----------
    result
        A profile of one or more parameters.
    name
        The parameter; it may be left out when only one is profiled.
    ax
        Axes to draw on; a new figure by default.
    confidence
        Levels of the sets, at most four; by default those of 68 and 95 % that the region of interest reaches.
    vmin
        Lowest log-likelihood that is shown, relative to the maximum; by default that of the region of interest.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the parameter is not profiled in this result, or it does not reach one of the levels.
    """
    name = result.over[0] if name is None else name
    geometry.check_names(result, (name,))
    shown = window(result, 1, confidence, vmin)
    ax = style.axes_or_new(ax, 6.0, 4.0)
    draw_curve(ax, result, name, shown)
    style.set_axis(ax, "x", result.space, name)
    style.set_limits(ax, "x", result.space, name, geometry.view(result, name))
    ax.set_ylabel(style.DELTA_LABEL)
    for level, depth in shown.depths.items():
        if -depth > shown.bottom:
            ax.text(1.01, -depth, percent(level), transform=ax.get_yaxis_transform(), va="center")
    handles, texts = ax.get_legend_handles_labels()
    order = [*(_set_text(level) for level in shown.levels), *_LEGEND_ORDER]
    in_order = sorted(zip(texts, handles, strict=True), key=lambda entry: order.index(entry[0]))
    style.legend_above(ax, [handle for _, handle in in_order])
    return style.figure_of(ax)


def draw_curve(
    ax: Axes, result: ProfileResult, name: str, shown: Window, *, max_marked: int = _MAX_MARKED_NODES
) -> None:
    """Draw levels, shaded sets, curve, nodes and best point; limits of the y axis, no labels.

    More than `max_marked` nodes get no markers, which would hide the line.
    """
    bottom = 1.08 * shown.bottom
    looks = style.looks(shown.levels)
    discrete = result.space[name].n_values is not None
    if not discrete:
        _draw_sets(ax, result, name, shown, bottom)
    for level, depth in shown.depths.items():
        ax.axhline(-depth, color="0.35", linewidth=1.0, linestyle=looks[level].dashes, zorder=1.5)
    x, y = geometry.nodes_1d(result, name)
    if discrete:
        _draw_values(ax, x, y, bottom, shown)
    else:
        ax.plot(*geometry.curve(result, name), color=style.LINE, linewidth=1.6, zorder=3)
        if len(x) <= max_marked:
            ax.plot(x, y, "o", color=style.LINE, markersize=3.2, label="grid nodes", zorder=3)
    _mark_bad_nodes(ax, result, name, bottom)
    best = geometry.best_position(result, name)
    ax.plot([best], [0.0], "*", color="white", markeredgecolor="black", markersize=13, label="best point", zorder=5)
    ax.set_ylim(bottom, -0.09 * shown.bottom)


def _set_text(level: float) -> str:
    return f"{percent(level)} set"


def _draw_sets(ax: Axes, result: ProfileResult, name: str, shown: Window, bottom: float) -> None:
    """Shade the pieces of the sets, the widest first, and mark their open ends."""
    looks = style.looks(shown.levels)
    for level in reversed(shown.levels):
        pieces = result.intervals(name, level)
        for number, piece in enumerate(pieces):
            x, y = geometry.under_curve(result, name, piece)
            text = _set_text(level) if number == 0 else None
            ax.fill_between(x, min(bottom, y.min()), y, color=looks[level].fill, linewidth=0, label=text, zorder=1)
        if -shown.depths[level] > bottom:
            _mark_open_ends(ax, pieces, -shown.depths[level])


def _mark_open_ends(ax: Axes, pieces: list[Interval], height: float) -> None:
    """An arrow from inside the set to each end that is not known, at the height of the level."""
    ends = [(p.lower, _ARROW_LENGTH) for p in pieces if p.open_lower]
    ends += [(p.upper, -_ARROW_LENGTH) for p in pieces if p.open_upper]
    for end, offset in ends:
        ax.annotate("", (end, height), (offset, 0), textcoords="offset points", arrowprops=_ARROW, zorder=4)
    if ends and not any(handle.get_label() == "open end" for handle in ax.lines):
        ax.plot([], [], ">", color="black", markersize=6, label="open end")


def _mark_bad_nodes(ax: Axes, result: ProfileResult, name: str, bottom: float) -> None:
    """Mark the nodes that did not converge at their values, and those without a value at the lower edge."""
    x, y = geometry.nodes_1d(result, name)
    for status, chosen in geometry.bad_cells(geometry.project(result, (name,))).items():
        marker, text = style.BAD_CELLS[status]
        if chosen.any():
            lowest = 0.97 * bottom  # where the whole marker is still within the axes
            heights = np.maximum(np.nan_to_num(y[chosen], nan=lowest), lowest)
            ax.plot(x[chosen], heights, marker, label=text, zorder=4, **style.BAD_MARK)


def _draw_values(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], bottom: float, shown: Window) -> None:
    """A discrete parameter has no curve between its values: one bar per value, shaded by the set that it is in."""
    looks = style.looks(shown.levels)
    inner = np.full(len(y), False)  # already drawn in the colour of a smaller set
    for level, depth in [*shown.depths.items(), (None, np.inf)]:
        chosen = (y >= -depth) & ~inner & (y > bottom)
        inner |= chosen
        if chosen.any():
            colour = "white" if level is None else looks[level].fill
            text = None if level is None else _set_text(level)
            ax.bar(x[chosen], y[chosen] - bottom, 0.6, bottom, color=colour, edgecolor=style.LINE, label=text, zorder=2)
