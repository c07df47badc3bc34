"""Picture of a profile over a plane of two parameters, and the parts that all such pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wilks.plots import geometry, style
from wilks.plots.window import percent, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.plots.window import Window
    from wilks.profiles.result import ProfileResult

_GAP: dict[str, Any] = {"facecolor": "0.93", "edgecolor": "0.72", "hatch": "////", "linewidth": 0}
_MANY_CELLS = 1500
_PLANE = 2


def profile_2d(
    result: ProfileResult,
    names: tuple[str, str] | None = None,
    ax: Axes | None = None,
    *,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> Figure:
    """Draw the profile over two parameters as a map, with the outlines of the 68 and 95 % regions.

    What lies outside the region of interest is blank. Cells in it that did not converge, and cells without a finite
    value, are marked; where the map is not finished, the cells that were not visited are hatched.

    Parameters
    ----------
    result
        A profile of two or more parameters.
    names
        The parameters on the x and the y axis; the two profiled ones by default. Of more than two profiled
        parameters, the others are maximised over.
    ax
        Axes to draw on; a new figure by default.
    confidence
        Levels of the regions, at most four; by default those of 68 and 95 % that the region of interest reaches.
    vmin
        Log-likelihood at the lower end of the colours, relative to the maximum; by default that of the region of
        interest.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If `names` are not two profiled parameters, or the region of interest does not reach one of the levels.
    """
    plane = geometry.project(result, geometry.pair(result, names))
    shown = window(result, 2, confidence, vmin)
    ax = style.axes_or_new(ax, 6.4, 4.9)
    mesh = draw_map(ax, plane, shown)
    draw_colour_bar(mesh, [ax], plane, shown)
    set_plane(ax, plane)
    style.legend_above(ax, map_legend([plane], shown))
    return style.figure_of(ax)


def draw_map(ax: Axes, plane: ProfileResult, shown: Window, *, star: bool = True, star_size: float = 13) -> QuadMesh:
    """Draw map, outlines, marks and best point of a profile over exactly two parameters; no labels."""
    mesh = draw_cells(ax, plane, geometry.inside(plane), style.LIKELIHOOD_MAP, Normalize(shown.bottom, 0.0))
    draw_outlines(ax, plane, shown)
    mark_bad_cells(ax, plane)
    if star:
        draw_best(ax, plane, star_size)
    return mesh


def draw_cells(ax: Axes, plane: ProfileResult, values: NDArray[np.float64], colours: str, norm: Normalize) -> QuadMesh:
    """Colour the cells; those without a value stay blank, those that nobody knows of are hatched."""
    x, y = (geometry.edges(plane.space[name], plane.axes[name]) for name in plane.over)
    if geometry.has_gaps(plane):
        ax.fill_between([x[0], x[-1]], y[0], y[-1], **_GAP, zorder=0)
        known = np.where(np.isnan(plane.log_likelihood_map), np.nan, 1.0)
        ax.pcolormesh(x, y, np.ma.masked_invalid(known.T), cmap="gray", vmin=0, vmax=1, rasterized=True, zorder=0.5)
    return ax.pcolormesh(x, y, np.ma.masked_invalid(values.T), cmap=colours, norm=norm, rasterized=True, zorder=1)


def draw_outlines(ax: Axes, plane: ProfileResult, shown: Window) -> None:
    """Draw the outline of the region of every level."""
    for level, look in style.looks(shown.levels).items():
        lines = LineCollection(
            geometry.outlines(plane, level, shown.n_parameters),
            colors="black",
            linewidths=1.4,
            linestyles=[look.dashes],
            path_effects=style.HALO,
            zorder=2,
            label=_region(level),
        )
        ax.add_collection(lines, autolim=False)


def _region(level: float) -> str:
    return f"{percent(level)} region"


def draw_best(ax: Axes, plane: ProfileResult, size: float = 13) -> None:
    """Draw the best point as a star."""
    x, y = (geometry.best_position(plane, name) for name in plane.over)
    ax.plot([x], [y], markersize=size, zorder=4, **style.STAR)


def mark_bad_cells(ax: Axes, plane: ProfileResult) -> None:
    """Mark the cells that did not converge, or hold no finite value; the more cells, the smaller."""
    nodes = (geometry.position(plane.space[name], plane.axes[name]) for name in plane.over)
    x, y = np.meshgrid(*nodes, indexing="ij")
    size = 3.2 if plane.cell_status.size > _MANY_CELLS else 5.0
    for status, chosen in geometry.bad_cells(plane).items():
        marker, _ = style.BAD_CELLS[status]
        mark = style.BAD_MARK | {"markersize": size, "markeredgewidth": 1.0, "path_effects": style.HALO}
        ax.plot(x[chosen], y[chosen], marker, linestyle="none", zorder=3, **mark)


def set_plane(ax: Axes, plane: ProfileResult, *, n_ticks: int = 6) -> None:
    """Scales, limits and labels of both axes."""
    for which, name in zip("xy", plane.over, strict=True):
        style.set_axis(ax, which, plane.space, name, n_ticks=n_ticks)
        style.set_limits(ax, which, plane.space, name, geometry.view(plane, name))


def draw_colour_bar(mesh: QuadMesh, axes: Sequence[Axes], plane: ProfileResult, shown: Window) -> Colorbar:
    """Colour bar of one or more maps, with the drops that bound the regions."""
    is_cut = shown.bottom > -plane.roi_threshold
    bar = style.figure_of(axes[0]).colorbar(
        mesh, ax=list(axes), label=style.DELTA_LABEL, extend="min" if is_cut else "neither", pad=0.02
    )
    looks = style.looks(shown.levels)
    for level, depth in shown.depths.items():
        if -depth > shown.bottom:
            bar.ax.axhline(-depth, color="black", linestyle=looks[level].dashes, path_effects=style.HALO)
    return bar


def map_legend(planes: Sequence[ProfileResult], shown: Window) -> list[Artist]:
    """Legend entries for what occurs in some maps."""
    of_all = f" of {shown.n_parameters} parameters" if shown.n_parameters > _PLANE else ""
    entries: list[Artist] = [
        Line2D([], [], color="black", linestyle=look.dashes, label=f"{_region(level)}{of_all}")
        for level, look in style.looks(shown.levels).items()
    ]
    entries.append(Line2D([], [], markersize=11, label="best point", **style.STAR))
    for status, (marker, text) in style.BAD_CELLS.items():
        if any(geometry.bad_cells(plane)[status].any() for plane in planes):
            mark = style.BAD_MARK | {"markersize": 5, "markeredgewidth": 1.2}
            entries.append(Line2D([], [], marker=marker, linestyle="none", label=text, **mark))
    if any(geometry.has_gaps(plane) for plane in planes):
        entries.append(Patch(**_GAP, label="not visited"))
    return entries
