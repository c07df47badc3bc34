"""Picture of a profile in one parameter, with its confidence set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.profiles.regions import Interval
    from wilks.profiles.result import ProfileResult

_ARROW = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11}
_ARROW_LENGTH = 20  # points
_LEGEND_ORDER = ("68 % set", "95 % set", "open end", "grid nodes", "best point")
_MAX_MARKED_NODES = 80


def profile_1d(result: ProfileResult, name: str | None = None, ax: Axes | None = None) -> Figure:
    """Draw the profile of one parameter, relative to its maximum, with the 68 and 95 % confidence sets.

    Pieces of the sets are shaded; an arrow marks an end that is open: the set goes on beyond the grid or beyond the
    visited cells. A level that the region of interest does not reach is left out.

    Parameters
    ----------
    result
        A profile of one or more parameters.
    name
        The parameter; it may be left out when only one is profiled.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the parameter is not profiled in this result.
    """
    name = result.over[0] if name is None else name
    ax = style.axes_or_new(ax, 6.0, 4.0)
    draw_curve(ax, result, name)
    style.set_axis(ax, "x", result.space, name)
    style.set_limits(ax, "x", result.space, name, geometry.view(result, name))
    ax.set_ylabel(style.DELTA_LABEL)
    for level in geometry.shown_levels(result.roi_threshold, 1):
        ax.text(1.01, -wilks_depth(level, 1), f"{100 * level:.0f} %", transform=ax.get_yaxis_transform(), va="center")
    handles, texts = ax.get_legend_handles_labels()
    in_order = sorted(zip(texts, handles, strict=True), key=lambda entry: _LEGEND_ORDER.index(entry[0]))
    style.legend_above(ax, [handle for _, handle in in_order])
    return style.figure_of(ax)


def draw_curve(ax: Axes, result: ProfileResult, name: str, *, max_marked: int = _MAX_MARKED_NODES) -> None:
    """Draw levels, shaded sets, curve, nodes and best point; limits of the y axis, no labels.

    More than `max_marked` nodes get no markers, which would hide the line.
    """
    bottom = -1.08 * result.roi_threshold
    levels = geometry.shown_levels(result.roi_threshold, 1)
    discrete = result.space[name].n_values is not None
    for level in reversed(levels):
        pieces = result.intervals(name, level)
        if not discrete:
            _shade(ax, result, name, pieces, level, bottom)
            _mark_open_ends(ax, pieces, level)
    for level in levels:
        ax.axhline(-wilks_depth(level, 1), color="0.35", linewidth=1.0, linestyle=style.DASHES[level], zorder=1.5)
    x, y = geometry.nodes_1d(result, name)
    if discrete:
        _draw_values(ax, x, y, bottom, levels)
    else:
        ax.plot(*geometry.curve(result, name), color=style.LINE, linewidth=1.6, zorder=3)
        if len(x) <= max_marked:
            ax.plot(x, y, "o", color=style.LINE, markersize=3.2, label="grid nodes", zorder=3)
    best = geometry.best_position(result, name)
    ax.plot([best], [0.0], "*", color="white", markeredgecolor="black", markersize=13, label="best point", zorder=5)
    ax.set_ylim(bottom, 0.09 * result.roi_threshold)


def _shade(ax: Axes, result: ProfileResult, name: str, pieces: list[Interval], level: float, bottom: float) -> None:
    for number, piece in enumerate(pieces):
        x, y = geometry.under_curve(result, name, piece)
        text = f"{100 * level:.0f} % set" if number == 0 else None
        ax.fill_between(x, bottom, y, color=style.FILLS[level], linewidth=0, label=text, zorder=1)


def _mark_open_ends(ax: Axes, pieces: list[Interval], level: float) -> None:
    """An arrow from inside the set to each end that is not known, at the height of the level."""
    height = -wilks_depth(level, 1)
    ends = [(p.lower, _ARROW_LENGTH) for p in pieces if p.open_lower]
    ends += [(p.upper, -_ARROW_LENGTH) for p in pieces if p.open_upper]
    for end, offset in ends:
        ax.annotate("", (end, height), (offset, 0), textcoords="offset points", arrowprops=_ARROW, zorder=4)
    if ends and not any(handle.get_label() == "open end" for handle in ax.lines):
        ax.plot([], [], ">", color="black", markersize=6, label="open end")


def _draw_values(ax: Axes, x: np.ndarray, y: np.ndarray, bottom: float, levels: list[float]) -> None:
    """A discrete parameter has no curve between its values: one bar per value, shaded by the set that it is in."""
    for level, inner in zip([*levels, 1.0], [0.0, *levels], strict=True):
        low = -wilks_depth(level, 1) if level < 1 else -np.inf
        high = -wilks_depth(inner, 1) if inner else 0.0
        chosen = (y >= low) & ((y < high) | (inner == 0.0)) & (y > bottom)
        if chosen.any():
            text = f"{100 * level:.0f} % set" if level < 1 else None
            colour = style.FILLS.get(level, "white")
            ax.bar(x[chosen], y[chosen] - bottom, 0.6, bottom, color=colour, edgecolor=style.LINE, label=text, zorder=2)
