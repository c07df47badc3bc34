"""Pictures of volume sampling: the samples, coloured by their log-likelihood, alone or over a map of the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import geometry, style
from wilks.plots.grid import Lattice
from wilks.plots.maps import draw_cells, draw_outlines
from wilks.plots.window import window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.profiles.result import ProfileResult
    from wilks.profiles.volume_result import VolumeResult

_MARGIN, _WIDEST_GAP = 0.06, 0.02
_MOST_AXES = 6
_INK = 9000.0
"""Area of all points together, in square points per panel of full size; many points are drawn smaller."""


def volume(
    result: VolumeResult,
    names: Sequence[str] | None = None,
    profile: ProfileResult | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the samples over two parameters, coloured by log-likelihood, or one parameter against the log-likelihood.

    Every sample lies below the profile likelihood of its parameters: over a map, where the profile is high, all
    colours occur; near its rim only the lowest.

    Parameters
    ----------
    result
        A volume sampling with samples.
    names
        One or two of its parameters; by default those of the profile, or the first two.
    profile
        A profile over these parameters, and perhaps others, drawn below the samples: its map in grey with the outlines
        of the 68 and 95 % regions, or its curve.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If there are no samples, or the names are not one or two of the parameters, also of the profile.
    """
    _require_samples(result)
    chosen = _names(result, names, profile)
    if len(chosen) == 1:
        ax = style.axes_or_new(ax, 6.0, 4.2)
        entries = _draw_heights(ax, result, chosen[0], profile)
        style.set_axis(ax, "x", result.space, chosen[0])
        ax.set_ylabel(style.DELTA_LABEL)
        style.set_limits(ax, "x", result.space, chosen[0], _limits(result, chosen[0]))
        style.legend_above(ax, entries)
        return style.figure_of(ax)
    ax = style.axes_or_new(ax, 6.4, 4.9)
    entries = [] if profile is None else _draw_profile(ax, profile, chosen)
    points = _draw_samples(ax, result, chosen)
    for which, name in zip("xy", chosen, strict=True):
        style.set_axis(ax, which, result.space, name)
        style.set_limits(ax, which, result.space, name, _limits(result, name))
    style.figure_of(ax).colorbar(points, ax=ax, label=style.DELTA_LABEL, pad=0.02)
    style.legend_above(ax, [*entries, *_legend(result)])
    return style.figure_of(ax)


def volume_corner(result: VolumeResult, names: Sequence[str] | None = None) -> Figure:
    """Draw the samples over all pairs of parameters, and each parameter against the log-likelihood on the diagonal.

    Parameters
    ----------
    result
        A volume sampling with samples.
    names
        Two or more of its parameters; the first six by default.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If there are no samples, or the names are not two or more different parameters.
    """
    _require_samples(result)
    chosen = result.space.free[:_MOST_AXES] if names is None else tuple(names)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not set(chosen) <= set(result.space.free):
        raise InvalidConfigurationError(
            f"names: expected two or more different parameters out of {', '.join(result.space.free)}, "
            f"got {', '.join(chosen)}"
        )
    lattice = Lattice(result.space, chosen)
    points = None
    for i, row in enumerate(chosen):
        _draw_heights(lattice.at(i, i), result, row, None, scale=0.25)
        for j, column in enumerate(chosen[:i]):
            points = _draw_samples(lattice.at(i, j), result, (column, row), scale=0.25)
    lattice.finish({name: _limits(result, name) for name in chosen})
    lattice.legend(_legend(result))
    if points is not None:
        corner = lattice.at(0, len(chosen) - 1)
        bar = lattice.figure.colorbar(points, cax=corner.inset_axes((0.1, 0.0, 0.85, 0.06)), orientation="horizontal")
        bar.ax.tick_params(labelsize="small")
        bar.ax.set_title(r"$\Delta\,\ln L$", fontsize="small", pad=3)
    return lattice.figure


def best_picture(result: VolumeResult) -> Figure:
    """The picture that shows all parameters: one panel for one or two of them, a corner for more."""
    return volume(result) if result.space.dimension <= 2 else volume_corner(result)


def _require_samples(result: VolumeResult) -> None:
    if not len(result.samples):
        raise InvalidConfigurationError(f"expected a volume sampling with samples, got none: {result.status.message}")


def _names(result: VolumeResult, names: Sequence[str] | None, profile: ProfileResult | None) -> tuple[str, ...]:
    free, over = result.space.free, () if profile is None else tuple(profile.over)
    chosen = tuple(names) if names is not None else (over or free)[:2]
    if len(chosen) not in (1, 2) or len(set(chosen)) < len(chosen) or not set(chosen) <= set(free):
        raise InvalidConfigurationError(
            f"names: expected one or two different parameters out of {', '.join(free)}, got {', '.join(chosen)}"
        )
    if profile is not None and not set(chosen) <= set(over):
        raise InvalidConfigurationError(
            f"profile: expected one over {' and '.join(chosen)}, and perhaps others, got one over {', '.join(over)}"
        )
    return chosen


def _order(result: VolumeResult) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Positions of the samples, the best last so that they are seen, and how far they lie below the best."""
    order = np.argsort(result.log_likelihoods, kind="stable")
    return order, result.log_likelihoods[order] - result.log_likelihood


def _column(result: VolumeResult, name: str) -> NDArray[np.float64]:
    column: NDArray[np.float64] = result.samples[:, result.space.index(name)]
    return column


def _size(result: VolumeResult, scale: float) -> float:
    return float(np.clip(scale * _INK / len(result.samples), 1.2 if scale == 1 else 0.6, 14.0))


def _draw_samples(ax: Axes, result: VolumeResult, names: Sequence[str], scale: float = 1.0) -> PathCollection:
    """Draw the samples over two parameters, and the best point."""
    order, drops = _order(result)
    x, y = (_column(result, name)[order] for name in names)
    norm = Normalize(-result.roi_threshold, 0.0)
    points = ax.scatter(
        x, y, _size(result, scale), drops, cmap=style.LIKELIHOOD_MAP, norm=norm, linewidths=0, rasterized=True, zorder=3
    )
    best = [result.space[name].encode(result.best[name]) for name in names]
    ax.plot(*([value] for value in best), markersize=13 if scale == 1 else 8, zorder=5, **style.STAR)
    return points


def _draw_heights(
    ax: Axes, result: VolumeResult, name: str, profile: ProfileResult | None, scale: float = 1.0
) -> list[Artist]:
    """Draw one parameter against the log-likelihood, below the curve of its profile."""
    order, drops = _order(result)
    norm = Normalize(-result.roi_threshold, 0.0)
    ax.scatter(
        _column(result, name)[order],
        drops,
        _size(result, scale),
        drops,
        cmap=style.LIKELIHOOD_MAP,
        norm=norm,
        linewidths=0,
        rasterized=True,
    )
    ax.set_ylim(-1.02 * result.roi_threshold, 0.06 * result.roi_threshold)
    entries: list[Artist] = []
    if profile is not None:
        x, y = geometry.curve(profile, name)
        entries += ax.plot(
            x, y + (profile.log_likelihood - result.log_likelihood), color=style.LINE, linewidth=1.4, label="profile"
        )
    best = result.space[name].encode(result.best[name])
    ax.plot([best], [0.0], markersize=13 if scale == 1 else 8, zorder=5, **style.STAR)
    return [*entries, *_legend(result)]


def _draw_profile(ax: Axes, profile: ProfileResult, names: Sequence[str]) -> list[Artist]:
    """Draw the map in grey, so that the colours belong to the samples, and its outlines; return legend entries."""
    plane = geometry.project(profile, tuple(names))
    shown = window(plane, 2)
    # Light grey where the profile is best, white at the threshold.
    draw_cells(ax, plane, geometry.drop(plane), "gray_r", Normalize(-plane.roi_threshold, 2.0 * plane.roi_threshold))
    draw_outlines(ax, plane, shown)
    return [
        Line2D([], [], color="black", linestyle=look.dashes, label=f"{100 * level:.0f} % region")
        for level, look in style.looks(shown.levels).items()
    ]


def _legend(result: VolumeResult) -> list[Artist]:
    n = len(result.samples)
    dot = Line2D([], [], marker="o", markersize=4, color="#21918c", linestyle="none", label=f"{n:,} samples")
    return [dot, Line2D([], [], markersize=11, label="best point", **style.STAR)]


def _limits(result: VolumeResult, name: str) -> tuple[float, float]:
    """Range of the samples with a margin, on the scale of the parameter and within the box."""
    domain = result.space[name]
    best = domain.encode(result.best[name])
    unit = domain.to_unit(np.append(_column(result, name), best))
    low, high = float(unit.min()), float(unit.max())
    margin = max(_MARGIN * (high - low), 1e-9)
    # A face of the box shows as such: with a little room beyond the points that lie on it.
    low = low - margin if low - margin > _WIDEST_GAP * (high - low) else 0.0
    high = high + margin if 1.0 - high - margin > _WIDEST_GAP * (high - low) else 1.0
    ends = domain.from_unit(np.array([low, high]))
    return float(ends[0]), float(ends[1])
