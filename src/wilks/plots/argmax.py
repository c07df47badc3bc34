"""Pictures of the nuisance parameters at the maximum of each cell: what the profiling did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Integer, Real
from wilks.plots import geometry, maps, style
from wilks.plots.window import percent, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

    from wilks.core.parameter import Domain
    from wilks.plots.window import Window
    from wilks.profiles.result import ProfileResult

_MOST_COLOURS = 256
_MANY = 120
_FEW = 4


def argmax_map(
    result: ProfileResult,
    nuisance: str,
    names: tuple[str, ...] | None = None,
    ax: Axes | None = None,
    *,
    confidence: Sequence[float] | None = None,
) -> Figure:
    """Draw the value of a nuisance parameter at the maximum of each cell, over one or two profiled parameters.

    A smooth picture says that the cells agree with their neighbours on one optimum; an edge, that two compete.

    Parameters
    ----------
    result
        A profile.
    nuisance
        The nuisance parameter.
    names
        One or two profiled parameters, the axes of the picture; all by default.
    ax
        Axes to draw on; a new figure by default.
    confidence
        Levels of the regions drawn with it, at most four; by default those of 68 and 95 % that the region of interest
        reaches.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the nuisance parameter is unknown, there are more than two axes, or the region of interest does not reach
        one of the levels.
    """
    projected = _projected(result, names)
    _check(projected, (nuisance,))
    shown = window(projected, len(projected.over), confidence)
    ax = style.axes_or_new(ax, *((6.0, 3.6) if len(projected.over) == 1 else (6.4, 4.9)))
    _draw(ax, projected, nuisance, shown)
    style.legend_above(ax, _legend(projected, shown))
    return style.figure_of(ax)


def argmax_maps(
    result: ProfileResult,
    nuisances: Sequence[str] | None = None,
    names: tuple[str, ...] | None = None,
    *,
    confidence: Sequence[float] | None = None,
) -> Figure:
    """Draw the values of several nuisance parameters at the maximum of each cell, one panel for each.

    Parameters
    ----------
    result
        A profile.
    nuisances
        The nuisance parameters; all by default.
    names, confidence
        As for `argmax_map`.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If a nuisance parameter is unknown, there are none or more than two axes, or the region of interest does not
        reach one of the levels.
    """
    projected = _projected(result, names)
    chosen = tuple(projected.argmax) if nuisances is None else tuple(nuisances)
    _check(projected, chosen)
    shown = window(projected, len(projected.over), confidence)
    line = len(projected.over) == 1
    n_columns = 1 if line and len(chosen) <= _FEW else min(len(chosen), 2 if len(chosen) <= _FEW else 3)
    n_rows = math.ceil(len(chosen) / n_columns)
    width, height = (6.0 if n_columns == 1 else 4.6, 2.2) if line else (4.9, 3.7)
    figure = style.Picture(figsize=(width * n_columns, height * n_rows + 0.5), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for number, ax in enumerate(axes.flat):
        if number >= len(chosen):
            ax.set_axis_off()
            continue
        _draw(ax, projected, chosen[number], shown)
        if number + n_columns < len(chosen):
            ax.set_xlabel("")
        if number % n_columns and not line:
            ax.set_ylabel("")
    style.legend_outside(axes[0, 0], _legend(projected, shown))
    figure.align_ylabels()
    return figure


def _projected(result: ProfileResult, names: tuple[str, ...] | None) -> ProfileResult:
    chosen = result.over if names is None else tuple(names)
    return geometry.project(result, chosen if len(chosen) == 1 else geometry.pair(result, chosen))


def _check(result: ProfileResult, nuisances: Sequence[str]) -> None:
    unknown = [name for name in nuisances if name not in result.argmax]
    if unknown or not nuisances:
        there = ", ".join(result.argmax) or "none, all parameters are profiled"
        raise InvalidConfigurationError(
            f"no nuisance parameter {', '.join(map(repr, unknown)) or 'to draw'} here; there are: {there}"
        )


def _draw(ax: Axes, result: ProfileResult, nuisance: str, shown: Window) -> None:
    if len(result.over) == 1:
        _draw_line(ax, result, nuisance, shown)
    else:
        _draw_plane(ax, result, nuisance, shown)


def _draw_line(ax: Axes, result: ProfileResult, nuisance: str, shown: Window) -> None:
    (name,) = result.over
    domain = result.space[nuisance]
    x, y = geometry.argmax_nodes(result, nuisance)
    discrete = result.space[name].n_values is not None
    if not discrete:
        looks = style.looks(shown.levels)
        for level in reversed(shown.levels):
            for piece in result.intervals(name, level):
                ax.axvspan(piece.lower, piece.upper, color=looks[level].fill, linewidth=0, zorder=0)
    joined = domain.n_values is None and not discrete
    if joined:  # faint, since between two optima nothing is known to lie on it
        ax.plot(x, y, color=style.LINE, linewidth=0.8, alpha=0.5, zorder=1.8)
    ax.plot(x, y, "o", color=style.LINE, markersize=3.4 if len(x) <= _MANY else 2.2, zorder=2)
    for status, chosen in geometry.bad_cells(result).items():
        mark, _ = style.BAD_CELLS[status]
        ax.plot(x[chosen], y[chosen], mark, linestyle="none", zorder=3, **style.BAD_MARK)
    ax.axvline(geometry.best_position(result, name), color="0.35", linewidth=1.0, linestyle=":", zorder=1)
    style.set_axis(ax, "x", result.space, name)
    style.set_limits(ax, "x", result.space, name, geometry.view(result, name))
    style.set_axis(ax, "y", result.space, nuisance)
    limits = geometry.widened(domain, *geometry.argmax_range(result, nuisance))
    style.set_limits(ax, "y", result.space, nuisance, limits)
    if isinstance(domain, Real):
        for bound in (domain.lower, domain.upper):
            if limits[0] <= bound <= limits[1]:
                ax.axhline(bound, color="0.35", linewidth=0.9, zorder=1)
    ax.set_ylabel(f"{style.label(result.space, nuisance)}\nat the maximum")


def _draw_plane(ax: Axes, result: ProfileResult, nuisance: str, shown: Window) -> None:
    domain = result.space[nuisance]
    values = np.where(result.in_roi, geometry.position(domain, result.argmax[nuisance]), np.nan)
    low, high = geometry.argmax_range(result, nuisance)
    norm = LogNorm(low, high) if isinstance(domain, Real) and domain.scale == "log" else Normalize(low, high)
    mesh = maps.draw_cells(ax, result, values, style.ARGMAX_MAP, norm)
    if domain.n_values is not None:
        n_colours = max(1, min(_MOST_COLOURS, round(high - low)))
        mesh.set_cmap(colormaps[style.ARGMAX_MAP].resampled(n_colours))
    title = f"{style.label(result.space, nuisance)} at the maximum"
    bar = style.figure_of(ax).colorbar(mesh, ax=ax, label=title, pad=0.02)
    _set_bar_ticks(bar, domain)
    maps.draw_outlines(ax, result, shown)
    maps.mark_bad_cells(ax, result)
    maps.draw_best(ax, result)
    maps.set_plane(ax, result)


def _set_bar_ticks(bar: Colorbar, domain: Domain) -> None:
    listed = geometry.ticks(domain)
    if listed is not None:
        bar.set_ticks(listed[0].tolist(), labels=[style.safe_text(text) for text in listed[1]])
    elif isinstance(domain, Integer):
        bar.locator = MaxNLocator(8, integer=True)
        bar.update_ticks()


def _legend(result: ProfileResult, shown: Window) -> list[Artist]:
    if len(result.over) > 1:
        return maps.map_legend([result], shown)
    entries: list[Artist] = []
    if result.space[result.over[0]].n_values is None:
        looks = style.looks(shown.levels)
        entries += [Patch(color=looks[level].fill, label=f"{percent(level)} set") for level in shown.levels]
    entries.append(Line2D([], [], color="0.35", linewidth=1.0, linestyle=":", label="best point"))
    for status, chosen in geometry.bad_cells(result).items():
        if chosen.any():
            marker, text = style.BAD_CELLS[status]
            entries.append(Line2D([], [], marker=marker, linestyle="none", label=text, **style.BAD_MARK))
    return entries
