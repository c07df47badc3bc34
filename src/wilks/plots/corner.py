"""Corner picture: all pairs of the parameters of a set of profiles, and a fit for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import geometry, style
from wilks.plots.curves import draw_curve
from wilks.plots.draws import draws_corner, is_search
from wilks.plots.grid import Lattice, axis_limits, draw_ellipse, draw_parabola, fit_legend
from wilks.plots.maps import draw_map, map_legend
from wilks.plots.window import window

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.artist import Artist
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from wilks.plots.window import Window
    from wilks.profiles.result import ProfileResult
    from wilks.searchers.result import SearchResult
    from wilks.solvers.result import FitResult


def corner(
    results: ProfileResult | Sequence[ProfileResult] | SearchResult,
    fit: FitResult | None = None,
    *,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> Figure:
    """Draw profiles, or draws, of all pairs below the diagonal and of the single parameters on it.

    A pair is taken from the profile with the fewest axes that has both parameters; where only a map exists for a
    parameter, the diagonal shows that map, maximised over the other axis. Draws are shown as the smallest regions that
    hold 68 and 95 % of them, with their marginal densities.

    Parameters
    ----------
    results
        One profile or several, of the same problem, or a search that sampled.
    fit
        A fit whose covariance is drawn over the maps of profiles, as ellipses and parabolas.
    confidence, vmin
        For profiles: levels and lowest log-likelihood, as for `profile_2d`.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If there is no profile, or a search without draws, or a profile that does not reach one of the levels.
    """
    if is_search(results):
        return draws_corner(results)
    profiles: list[ProfileResult] = list(results) if isinstance(results, Sequence) else [results]
    if not profiles:
        raise InvalidConfigurationError("corner: expected at least one profile, got none")
    profiles.sort(key=lambda result: len(result.over))  # stable: the first of equals wins
    found = {name for result in profiles for name in result.over}
    names = tuple(name for name in profiles[0].space.names if name in found)
    lattice = Lattice(profiles[0].space, names)
    planes, mesh = [], None
    choose = partial(window, confidence=confidence, vmin=vmin)
    for i, row in enumerate(names):
        _draw_diagonal(lattice, i, profiles, fit, choose)
        for j, column in enumerate(names[:i]):
            plane = _plane(profiles, column, row)
            if plane is not None:
                planes.append(plane)
                mesh = draw_map(lattice.at(i, j), plane, choose(plane, 2), star_size=10)
            if fit is not None and {row, column} <= set(fit.names):
                draw_ellipse(lattice.at(i, j), fit, column, row)
            elif plane is None:
                lattice.blank(i, j)
    lattice.finish({name: axis_limits(name, [r for r in profiles if name in r.over], fit) for name in names})
    lattice.legend(_legend(planes, fit, choose))
    if mesh is not None:
        _add_colour_bar(lattice, mesh)
    return lattice.figure


def _draw_diagonal(
    lattice: Lattice, index: int, profiles: list[ProfileResult], fit: FitResult | None, choose: Callable[..., Window]
) -> None:
    name = lattice.names[index]
    ax = lattice.at(index, index)
    result = next(result for result in profiles if name in result.over)
    draw_curve(ax, result, name, choose(result, 1), max_marked=25)
    if fit is not None and name in fit.names:
        draw_parabola(ax, fit, name)


def _plane(profiles: list[ProfileResult], x: str, y: str) -> ProfileResult | None:
    for result in profiles:
        if {x, y} <= set(result.over):
            return geometry.project(result, (x, y))
    return None


def _legend(planes: list[ProfileResult], fit: FitResult | None, choose: Callable[..., Window]) -> list[Artist]:
    # Where the thresholds differ, that of the deepest map shows the most levels.
    entries: list[Artist] = [Line2D([], [], color=style.LINE, marker="o", label="profile")]
    if planes:
        entries = map_legend(planes, choose(max(planes, key=lambda plane: plane.roi_threshold), 2))
    return entries + (fit_legend(fit) if fit is not None else [])


def _add_colour_bar(lattice: Lattice, mesh: QuadMesh) -> None:
    """A small bar in the corner that the legend leaves free."""
    ax = lattice.at(0, len(lattice.names) - 1)
    bar = lattice.figure.colorbar(mesh, cax=ax.inset_axes((0.1, 0.0, 0.85, 0.06)), orientation="horizontal")
    bar.ax.tick_params(labelsize="small")
    bar.ax.set_title(r"$\Delta\,\ln L$", fontsize="small", pad=3)
