"""The triangle of small panels, one per pair of parameters, that corner pictures are drawn on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import geometry, style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.profiles.result import ProfileResult
    from wilks.solvers.result import FitResult

_N_SIGMA = 3.5
_FEW = 4


class Lattice:
    """Panels on and below the diagonal; columns and rows share their parameter.

    Parameters
    ----------
    space
        For labels and scales.
    names
        Parameters, from left to right and from top to bottom.
    """

    def __init__(self, space: Space, names: Sequence[str]) -> None:
        self.space = space
        self.names = tuple(names)
        n = len(self.names)
        side = 2.3 if n <= _FEW else 1.8
        width = max(side * n + 0.9, 4.2)
        self.figure = style.Picture(figsize=(width, max(side * n + 0.6, 3.6)), layout="constrained")
        self._axes = self.figure.subplots(n, n, squeeze=False)
        for i in range(n):
            for j in range(i + 1, n):
                self._axes[i, j].set_axis_off()

    def at(self, row: int, column: int) -> Axes:
        """Panel of a row and a column."""
        panel: Axes = self._axes[row, column]
        return panel

    def blank(self, row: int, column: int) -> None:
        """Say that there is nothing to show for a pair."""
        ax = self.at(row, column)
        ax.text(0.5, 0.5, "no map", transform=ax.transAxes, ha="center", va="center", color="0.45", fontsize="small")

    def finish(self, limits: dict[str, tuple[float, float]], diagonal: str | None = r"$\Delta\,\ln L$") -> None:
        """Set scales, limits, ticks and labels; inner panels carry none, nor does a diagonal without a label."""
        last = len(self.names) - 1
        for i, row in enumerate(self.names):
            for j, column in enumerate(self.names[: i + 1]):
                ax = self.at(i, j)
                self._set(ax, "x", column, limits[column], shown=i == last)
                if i == j:
                    _set_diagonal(ax, diagonal)
                else:
                    self._set(ax, "y", row, limits[row], shown=j == 0)
                ax.tick_params(labelsize="small")
        self.figure.align_labels()

    def _set(self, ax: Axes, which: str, name: str, limits: tuple[float, float], *, shown: bool) -> None:
        style.set_axis(ax, which, self.space, name, n_ticks=4)
        style.set_limits(ax, which, self.space, name, limits)
        if not shown:
            getattr(ax, f"set_{which}label")("")
            ax.tick_params(axis="x" if which == "x" else "y", which="both", labelbottom=False, labelleft=False)
        elif which == "x":
            for tick in ax.get_xticklabels(which="both"):
                tick.set(rotation=45, ha="right", rotation_mode="anchor")

    def legend(self, handles: list[Artist]) -> None:
        """Legend in the empty corner; a single panel has none and needs none."""
        if len(self.names) > 1:
            self.at(0, len(self.names) - 1).legend(handles=handles, loc="upper right", frameon=False, fontsize="small")


def _set_diagonal(ax: Axes, label: str | None) -> None:
    if label is None:
        ax.yaxis.set_visible(False)
        return
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_ylabel(label, fontsize="small")


def clean(ax: Axes) -> None:
    """Leave out the frame where no data can be."""
    ax.spines[["top", "right"]].set_visible(False)


def axis_limits(name: str, profiles: Iterable[ProfileResult], fit: FitResult | None) -> tuple[float, float]:
    """Range of a parameter: what its grids cover, or else 3.5 standard errors around the fit, within the box."""
    views = [geometry.view(result, name) for result in profiles]
    if views:
        return min(low for low, _ in views), max(high for _, high in views)
    assert fit is not None  # noqa: S101 - a name comes from a profile or from the fit
    domain = fit.space[name]
    low, high = domain.from_unit(np.array([0.0, 1.0]))
    centre, error = domain.encode(fit.best[name]), fit.standard_errors[name]
    return max(float(low), centre - _N_SIGMA * error), min(float(high), centre + _N_SIGMA * error)


def draw_ellipse(ax: Axes, fit: FitResult, x: str, y: str) -> None:
    """Draw the joint 68 and 95 % ellipses of two parameters and the best point."""
    for level in geometry.LEVELS:
        points = ellipse(fit, x, y, level)
        ax.plot(points[:, 0], points[:, 1], color=style.FIT, linewidth=1.3, linestyle=style.DASHES[level], zorder=5)
    ax.plot([_theta(fit, x)], [_theta(fit, y)], "+", color=style.FIT, markersize=8, markeredgewidth=1.5, zorder=5)


def ellipse(fit: FitResult, x: str, y: str, level: float) -> NDArray[np.float64]:
    """Points of the ellipse, shape (k, 2); NaN where the covariance is not known or the point leaves a log axis."""
    columns = [fit.names.index(x), fit.names.index(y)]
    covariance = fit.covariance[np.ix_(columns, columns)]
    if not np.isfinite(covariance).all():
        return np.full((1, 2), np.nan)
    values, vectors = np.linalg.eigh(covariance)
    radius = np.sqrt(2 * wilks_depth(level, 2) * np.clip(values, 0.0, None))
    angle = np.linspace(0.0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points: NDArray[np.float64] = np.array([_theta(fit, x), _theta(fit, y)]) + (radius * circle) @ vectors.T
    for column, name in enumerate((x, y)):
        if getattr(fit.space[name], "scale", "linear") == "log":
            points[points[:, column] <= 0, column] = np.nan
    return points


def draw_parabola(ax: Axes, fit: FitResult, name: str, *, shaded: bool = False) -> None:
    """Draw the log-likelihood that the standard error of one parameter stands for."""
    centre, error = _theta(fit, name), fit.standard_errors[name]
    if not (np.isfinite(error) and error > 0):
        return
    x = centre + error * np.linspace(-_N_SIGMA, _N_SIGMA, 141)
    y = -0.5 * ((x - centre) / error) ** 2
    if shaded:
        for level in reversed(geometry.LEVELS):
            inside = y >= -wilks_depth(level, 1)
            ax.fill_between(x[inside], -(_N_SIGMA**2), y[inside], color=style.FILLS[level], linewidth=0)
    ax.plot(x, y, color=style.FIT, linewidth=1.3, linestyle="-" if shaded else (0, (6, 2)), zorder=4)


def _theta(fit: FitResult, name: str) -> float:
    return fit.space[name].encode(fit.best[name])


def fit_legend(fit: FitResult) -> list[Artist]:
    """Legend entries for the lines of a fit."""
    entries: list[Artist] = []
    if len(fit.names) > 1:
        entries += [
            Line2D([], [], color=style.FIT, linestyle=style.DASHES[level], label=f"fit, {100 * level:.0f} % ellipse")
            for level in geometry.LEVELS
        ]
    entries.append(Line2D([], [], color=style.FIT, marker="+", linestyle="none", label="fit, best point"))
    return entries
