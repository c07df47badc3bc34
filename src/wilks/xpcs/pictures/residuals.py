"""Picture of the residuals: their distribution, their autocorrelation, and chi-squared by angle and by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.xpcs.residual_statistics import residual_statistics
from wilks.xpcs.residual_sums import CLASSES, first_lags
from wilks.xpcs.views import check_data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.xpcs.residual_statistics import ResidualStatistics
    from wilks.xpcs.residual_sums import Direction
    from wilks.xpcs.result import XpcsFit

_BAND = style.FILLS[0.68]
_N_LAGS = 40
_NORMAL: dict[str, Any] = {"color": style.FIT, "linestyle": (0, (4, 2)), "linewidth": 1.5}


def residuals(result: XpcsFit) -> Figure:
    r"""Draw the distribution of the residuals over sigma, and what they would not show if they were white.

    Histograms have the unit normal distribution beside them; residuals beyond 8 are in the outermost classes.
    Autocorrelations have the band :math:`\pm 2 / \sqrt N` that white noise stays in, and the range of
    the angles.
    Chi-squared per pair is that of every angle, and of all angles against the lag, with its standard error.

    Parameters
    ----------
    result
        A fit with its data.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the result has no data or no best point.
    """
    check_data(result)
    found = residual_statistics(result)
    figure = style.Picture(figsize=(11.4, 6.4), layout="constrained")
    panels = figure.subplots(2, 3)
    _draw_histogram(panels[0, 0], found, "linear")
    _draw_histogram(panels[1, 0], found, "log")
    _draw_autocorrelation(panels[0, 1], found, "age")
    _draw_autocorrelation(panels[1, 1], found, "lag")
    _draw_angles(panels[0, 2], found)
    _draw_lags(panels[1, 2], found, result.dt)
    for ax in panels.flat:
        clean(ax)
    verdict = "white" if found.is_white else "not white"
    figure.suptitle(f"Residuals over sigma of {found.overall.n:,} pairs: {verdict}", fontsize="medium")
    return figure


def _draw_histogram(ax: Axes, found: ResidualStatistics, scale: str) -> None:
    sums = found.overall
    density = sums.counts / (sums.n * np.diff(CLASSES))
    bottom = 0.3 / (sums.n * (CLASSES[1] - CLASSES[0]))
    shown = np.maximum(density, bottom) if scale == "log" else density
    look: dict[str, Any] = {"fill": True, "color": style.FILLS[0.68], "baseline": bottom if scale == "log" else 0.0}
    outline = ax.stairs(shown, CLASSES, label="residuals", **look)
    x = np.linspace(CLASSES[0], CLASSES[-1], 321)
    normal = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    lines = ax.plot(x, normal, label="unit normal", **_NORMAL)
    ax.set_yscale(scale)
    used = CLASSES[:-1][sums.counts > 0]
    reach = float(max(5.0, -used.min(), used.max() + CLASSES[1] - CLASSES[0]))
    ax.set_xlim(-reach, reach)
    if scale == "log":
        ax.set_ylim(bottom, 2 * max(density.max(), normal.max()))
    else:
        style.legend_above(ax, [outline, *lines])
    ax.set_xlabel(r"residual / $\sigma$")
    ax.set_ylabel("density")


def _draw_autocorrelation(ax: Axes, found: ResidualStatistics, direction: Direction) -> None:
    correlation, error = found.overall.along(direction)
    shifts = np.arange(1, len(correlation) + 1)
    handles: list[Any] = []
    if len(found.per_angle) > 1:
        each = np.array([sums.along(direction)[0] for sums in found.per_angle])
        low, high = np.fmin.reduce(each), np.fmax.reduce(each)
        handles.append(ax.fill_between(shifts, low, high, color="0.88", linewidth=0, label="range of the angles"))
    band = ax.fill_between(shifts, -2 * error, 2 * error, color=_BAND, linewidth=0, label=r"$\pm 2 / \sqrt{N}$")
    line = ax.plot(
        shifts, correlation, "o-", color=style.LINE, markersize=3, linewidth=1.2, label="all angles", zorder=3
    )
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=2)
    ax.set_xlabel(f"shift along the {direction} [frames]")
    ax.set_ylabel("autocorrelation")
    ax.set_xlim(0, len(shifts) + 0.5)
    finite = error[np.isfinite(error)]
    least = 4 * float(np.median(finite)) if len(finite) else 1.0
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -least), max(high, least))
    if direction == "age":
        style.legend_above(ax, [*line, band, *handles])


def _draw_angles(ax: Axes, found: ResidualStatistics) -> None:
    n = np.array([sums.n for sums in found.per_angle])
    squares = np.array([sums.chi_squared for sums in found.per_angle])
    _draw_ratio(ax, found.phi, squares / n, np.sqrt(2 / n))
    ax.set_xlabel(r"$\phi$ [degrees]")


def _draw_lags(ax: Axes, found: ResidualStatistics, dt: float) -> None:
    sums = found.overall
    n_lags = len(sums.squares)
    starts = first_lags(n_lags + 1, _N_LAGS) - 1
    n = np.add.reduceat(sums.n_squares, starts)
    known = n > 0
    squares = np.add.reduceat(sums.squares, starts)[known]
    lags = np.arange(1.0, n_lags + 1) * dt
    mean_lags = np.add.reduceat(lags * sums.n_squares, starts)[known] / n[known]
    _draw_ratio(ax, mean_lags, squares / n[known], np.sqrt(2 / n[known]))
    ax.set_xscale("log")
    ax.set_xlabel("lag [s]")


def _draw_ratio(ax: Axes, x: NDArray[np.float64], ratio: NDArray[np.float64], error: NDArray[np.float64]) -> None:
    ax.axhline(1, zorder=1, **_NORMAL)
    ax.errorbar(x, ratio, error, fmt="o", color=style.LINE, markersize=3.5, capsize=2, elinewidth=0.9, zorder=2)
    ax.set_ylabel(r"$\chi^2$ / pair")
    ax.ticklabel_format(axis="y", useOffset=False)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.98), max(high, 1.02))
