"""Pictures of a profile over three or more parameters: planes, maximised over the other axes or cut through them."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.table import show
from wilks.plots import geometry, style
from wilks.plots.maps import draw_colour_bar, draw_map, map_legend, set_plane
from wilks.plots.window import window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.plots.window import Window
    from wilks.profiles.result import ProfileResult

    SliceMode: TypeAlias = Literal["max", "all"]

_FEWEST_AXES = 3
_MOST_CUTS = 12
_MOST_COLUMNS = 4
_PLANE = 2
_MODES = ("max", "all")


def profile_slices(
    result: ProfileResult,
    names: Sequence[str] | None = None,
    *,
    mode: SliceMode = "max",
    along: str | None = None,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> Figure:
    """Draw a profile over three or more parameters as maps of two.

    With ``mode="max"`` there is one panel per pair of parameters, maximised over all others, with the joint regions
    of the two. With ``mode="all"`` there is one panel per node of a third parameter, with the cuts through the joint
    region of all three; of many nodes, twelve are drawn.

    Parameters
    ----------
    result
        A profile of three or more parameters.
    names
        For ``"max"`` the parameters whose pairs are drawn, all by default. For ``"all"`` the two on the axes of the
        panels; by default the first two besides `along`.
    mode
        ``"max"`` or ``"all"``.
    along
        For ``"all"``, the parameter that differs from panel to panel; by default the first that is not in `names`.
        Any further ones are maximised over.
    confidence
        Levels of the regions, at most four; by default those of 68 and 95 % that the region of interest reaches.
    vmin
        Log-likelihood at the lower end of the colours, relative to the maximum; by default that of the region of
        interest.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If there are fewer than three profiled parameters, or an argument does not suit them.
    """
    check_mode(mode)
    _check(result, mode, along)
    if mode == "max":
        return _draw_pairs(result, result.over if names is None else tuple(names), confidence, vmin)
    if names is None:
        names = [name for name in result.over if name != along][:_PLANE]
    pair = geometry.pair(result, tuple(names))
    geometry.check_names(result, pair)
    along = next(name for name in result.over if name not in pair) if along is None else along
    solid = geometry.project(result, (*pair, along))
    return _draw_cuts(solid, window(solid, _FEWEST_AXES, confidence, vmin))


def check_mode(mode: str) -> None:
    """Refuse a mode that does not exist.

    Raises
    ------
    InvalidConfigurationError
        If it does not.
    """
    if mode not in _MODES:
        raise InvalidConfigurationError(f"mode of slices: expected one of {', '.join(_MODES)}, got {mode!r}")


def _check(result: ProfileResult, mode: str, along: str | None) -> None:
    if len(result.over) < _FEWEST_AXES:
        raise InvalidConfigurationError(
            f"slices need a profile over three or more parameters, got one over {', '.join(result.over)}; "
            "draw profile_2d or profile_1d"
        )
    if along is not None and mode == "max":
        raise InvalidConfigurationError(f"along={along!r} is for mode='all'; with mode='max' the others are maximised")


def _draw_pairs(
    result: ProfileResult, names: tuple[str, ...], confidence: Sequence[float] | None, vmin: float | None
) -> Figure:
    geometry.check_names(result, names)
    if len(names) < _PLANE:
        raise InvalidConfigurationError(f"names: expected at least two parameters, got {', '.join(names) or 'none'}")
    planes = [geometry.project(result, pair) for pair in combinations(names, _PLANE)]
    shown = window(result, _PLANE, confidence, vmin)
    n_columns = min(len(planes), 3)
    axes = _panels(len(planes), n_columns, (3.5, 3.2))
    meshes = []
    for ax, plane in zip(axes, planes, strict=True):
        meshes.append(draw_map(ax, plane, shown, star_size=11))
        set_plane(ax, plane, n_ticks=5)
    _finish(axes, meshes[0], planes, shown)
    return style.figure_of(axes[0])


def _draw_cuts(solid: ProfileResult, shown: Window) -> Figure:
    *pair, along = solid.over
    plane = geometry.project(solid, (pair[0], pair[1]))
    chosen, home = _nodes(solid, along)
    n_columns = _columns(len(chosen))
    axes = _panels(len(chosen), n_columns, (2.7, 2.5))
    cuts = [geometry.slice_at(solid, along, index) for index in chosen]
    meshes = []
    label = style.safe_text(solid.space[along].label or along)
    for number, (ax, index, cut) in enumerate(zip(axes, chosen, cuts, strict=True)):
        meshes.append(draw_map(ax, cut, shown, star=index == home, star_size=11))
        set_plane(ax, plane, n_ticks=4)
        ax.set_title(f"{label} = {_value(solid, along, index)}", fontsize="medium")
        if number % n_columns:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
        if number + n_columns < len(chosen):
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    _finish(axes, meshes[0], cuts, shown)
    return style.figure_of(axes[0])


def _columns(n: int) -> int:
    """Three or four columns, whichever leaves fewer places of the last row empty."""
    return min(n, min((_MOST_COLUMNS, _MOST_COLUMNS - 1), key=lambda columns: -n % columns))


def _panels(n: int, n_columns: int, size: tuple[float, float]) -> list[Axes]:
    """Axes of `n` panels, row by row; what the last row has too many is left out."""
    n_rows = math.ceil(n / n_columns)
    figure = style.Picture(figsize=(size[0] * n_columns + 1.0, size[1] * n_rows + 0.5), layout="constrained")
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    for ax in axes[n:]:
        ax.remove()
    return axes[:n]


def _finish(axes: list[Axes], mesh: QuadMesh, planes: Sequence[ProfileResult], shown: Window) -> None:
    """Colour bar and legend for all panels."""
    draw_colour_bar(mesh, axes, planes[0], shown)
    style.legend_outside(axes[0], map_legend(planes, shown))


def _nodes(solid: ProfileResult, along: str) -> tuple[list[int], int]:
    """Nodes whose panels are drawn, evenly out of those in the region of interest, and the one nearest to the best."""
    seen = np.flatnonzero(solid.in_roi.any(axis=(0, 1)))
    if not len(seen):
        seen = np.arange(len(solid.axes[along]))
    domain = solid.space[along]
    distance: NDArray[np.float64] = np.abs(
        domain.to_unit(solid.axes[along]) - domain.to_unit(np.array(solid.best_on_axis(along)))
    )
    home = int(distance.argmin())
    even = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _MOST_CUTS)).round().astype(int))]
    if home in seen and home not in even:  # the best node takes the place of its nearest neighbour
        even[np.abs(even - home).argmin()] = home
    return [int(index) for index in even], home


def _value(solid: ProfileResult, name: str, index: int) -> str:
    domain = solid.space[name]
    value = domain.decode(float(solid.axes[name][index]))
    text = show(value)
    if isinstance(value, float):
        text = f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    return style.safe_text(f"{text} {domain.unit}".strip())
