"""Pictures over a plane of two profiled parameters: the profile itself, and where its maxima lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wilks.core.cells import CellStatus
from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Integer, Real
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry, style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.profiles.result import ProfileResult

_BLANK = "0.93"
_BAD_CELLS = {
    CellStatus.NOT_CONVERGED: ("x", "not converged"),
    CellStatus.FAILED: ("s", "no finite value"),
}


def profile_2d(result: ProfileResult, names: tuple[str, str] | None = None, ax: Axes | None = None) -> Figure:
    """Draw the profile over two parameters as a map, with the outlines of the 68 and 95 % regions.

    The colours reach down to the threshold of the region of interest. Cells that were not visited are hatched; cells
    that did not converge, or hold no finite value, are marked.

    Parameters
    ----------
    result
        A profile of two or more parameters.
    names
        The parameters on the x and the y axis; the two profiled ones by default. Of more than two profiled
        parameters, the others are maximised over.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If `names` are not two profiled parameters.
    """
    plane = geometry.project(result, geometry.pair(result, names))
    ax = style.axes_or_new(ax, 6.4, 4.9)
    mesh = draw_map(ax, plane)
    bar = style.figure_of(ax).colorbar(mesh, ax=ax, label=style.DELTA_LABEL, extend="min", pad=0.02)
    for level in geometry.shown_levels(plane.roi_threshold, 2):
        bar.ax.axhline(-wilks_depth(level, 2), color="black", linestyle=style.DASHES[level], path_effects=style.HALO)
    _set_plane(ax, plane)
    style.legend_above(ax, map_legend([plane]))
    return style.figure_of(ax)


def argmax_map(
    result: ProfileResult, nuisance: str, names: tuple[str, ...] | None = None, ax: Axes | None = None
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

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the nuisance parameter is unknown, or there are more than two axes.
    """
    names = result.over if names is None else names
    projected = geometry.project(result, names if len(names) == 1 else geometry.pair(result, names))
    if nuisance not in projected.argmax:
        raise InvalidConfigurationError(
            f"no nuisance parameter {nuisance!r} here; there are: {', '.join(projected.argmax) or 'none'}"
        )
    if len(names) == 1:
        return _argmax_line(projected, nuisance, ax)
    ax = style.axes_or_new(ax, 6.4, 4.9)
    domain = projected.space[nuisance]
    values = geometry.position(domain, projected.argmax[nuisance])
    low, high = geometry.argmax_range(projected, nuisance)
    norm = LogNorm(low, high) if isinstance(domain, Real) and domain.scale == "log" else Normalize(low, high)
    mesh = _draw_cells(ax, projected, values, style.ARGMAX_MAP, norm)
    if domain.n_values is not None:
        mesh.set_cmap(colormaps[style.ARGMAX_MAP].resampled(max(1, min(256, round(high - low)))))
    title = f"{style.label(projected.space, nuisance)} at the maximum"
    bar = style.figure_of(ax).colorbar(mesh, ax=ax, label=title, pad=0.02)
    _set_bar_ticks(bar, domain)
    _draw_outlines(ax, projected)
    _mark_bad_cells(ax, projected)
    _draw_best(ax, projected)
    _set_plane(ax, projected)
    style.legend_above(ax, map_legend([projected]))
    return style.figure_of(ax)


def draw_map(ax: Axes, plane: ProfileResult, *, star_size: float = 13) -> QuadMesh:
    """Draw map, outlines, marks and best point of a profile over exactly two parameters; no labels."""
    mesh = _draw_cells(ax, plane, geometry.drop(plane), style.LIKELIHOOD_MAP, Normalize(-plane.roi_threshold, 0.0))
    _draw_outlines(ax, plane)
    _mark_bad_cells(ax, plane)
    _draw_best(ax, plane, star_size)
    return mesh


def _draw_cells(ax: Axes, plane: ProfileResult, values: NDArray[np.float64], colours: str, norm: Normalize) -> QuadMesh:
    """Colour the cells; what is not known stays blank and hatched."""
    x, y = (geometry.edges(plane.space[name], plane.axes[name]) for name in plane.over)
    if not np.isfinite(values).all():
        ax.fill_between(
            [x[0], x[-1]], y[0], y[-1], facecolor=_BLANK, edgecolor="0.72", hatch="////", linewidth=0, zorder=0
        )
    return ax.pcolormesh(x, y, np.ma.masked_invalid(values.T), cmap=colours, norm=norm, rasterized=True, zorder=1)


def _draw_outlines(ax: Axes, plane: ProfileResult) -> None:
    for level in geometry.shown_levels(plane.roi_threshold, 2):
        lines = LineCollection(
            geometry.outlines(plane, level),
            colors="black",
            linewidths=1.4,
            linestyles=[style.DASHES[level]],
            path_effects=style.HALO,
            zorder=2,
            label=f"{100 * level:.0f} % region",
        )
        ax.add_collection(lines, autolim=False)


def _draw_best(ax: Axes, plane: ProfileResult, size: float = 13) -> None:
    x, y = (geometry.best_position(plane, name) for name in plane.over)
    ax.plot([x], [y], markersize=size, zorder=4, **style.STAR)


def _mark_bad_cells(ax: Axes, plane: ProfileResult) -> None:
    nodes = (geometry.position(plane.space[name], plane.axes[name]) for name in plane.over)
    x, y = np.meshgrid(*nodes, indexing="ij")
    for status, (marker, _) in _BAD_CELLS.items():
        chosen = plane.cell_status == status
        ax.plot(x[chosen], y[chosen], marker, color="black", markersize=3, fillstyle="none", zorder=3)


def _set_plane(ax: Axes, plane: ProfileResult) -> None:
    for which, name in zip("xy", plane.over, strict=True):
        style.set_axis(ax, which, plane.space, name)
        style.set_limits(ax, which, plane.space, name, geometry.view(plane, name))


def map_legend(planes: list[ProfileResult]) -> list[Artist]:
    """Legend entries for what occurs in some maps."""
    levels = sorted({level for plane in planes for level in geometry.shown_levels(plane.roi_threshold, 2)})
    entries: list[Artist] = [
        Line2D([], [], color="black", linestyle=style.DASHES[level], label=f"{100 * level:.0f} % region")
        for level in levels
    ]
    entries.append(Line2D([], [], markersize=11, label="best point", **style.STAR))
    for status, (marker, text) in _BAD_CELLS.items():
        if any((plane.cell_status == status).any() for plane in planes):
            entries.append(
                Line2D([], [], marker=marker, color="black", fillstyle="none", linestyle="", markersize=4, label=text)
            )
    if any(np.isnan(plane.log_likelihood_map).any() for plane in planes):
        entries.append(Patch(facecolor=_BLANK, edgecolor="0.72", hatch="////", linewidth=0, label="not visited"))
    return entries


def _set_bar_ticks(bar: Colorbar, domain: Domain) -> None:
    listed = geometry.ticks(domain)
    if listed is not None:
        bar.set_ticks(listed[0].tolist(), labels=[style.safe_text(text) for text in listed[1]])
    elif isinstance(domain, Integer):
        bar.locator = MaxNLocator(8, integer=True)
        bar.update_ticks()


def _argmax_line(result: ProfileResult, nuisance: str, ax: Axes | None) -> Figure:
    ax = style.axes_or_new(ax, 6.0, 3.6)
    name = result.over[0]
    domain = result.space[nuisance]
    x, y = geometry.argmax_nodes(result, nuisance)
    joined = domain.n_values is None and result.space[name].n_values is None
    ax.plot(x, y, "o-" if joined else "o", color=style.LINE, markersize=3.2, linewidth=1.2)
    ax.axvline(geometry.best_position(result, name), color="0.35", linewidth=1.0, linestyle=":", label="best point")
    style.set_axis(ax, "x", result.space, name)
    style.set_axis(ax, "y", result.space, nuisance)
    style.set_limits(ax, "x", result.space, name, geometry.view(result, name))
    limits = geometry.widened(domain, *geometry.argmax_range(result, nuisance))
    style.set_limits(ax, "y", result.space, nuisance, limits)
    ax.set_ylabel(f"{style.label(result.space, nuisance)} at the maximum")
    style.legend_above(ax, ax.get_legend_handles_labels()[0])
    return style.figure_of(ax)
