"""Picture of the course of a search: the best log-likelihood so far, and every evaluation behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.grid import clean

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.searchers.result import SearchResult

_MOST_DOTS = 20_000
_SOLID_DOTS = 900
_WIDE = 10.0
_SMALLEST, _SMALLEST_EVER = 1e-9, 1e-6  # of the largest gap, and of one: nobody needs the digits that a polish adds
_DOT = "0.45"
_ROOM = 2.5


def convergence(result: SearchResult, maximum: float | None = None, ax: Axes | None = None) -> Figure:
    """Draw how far the best log-likelihood was below the maximum, over the number of evaluations; up is better.

    Every evaluation of the search is a faint dot when the log is at hand. The axis is logarithmic when the gaps
    differ by more than a factor of 10.

    Parameters
    ----------
    result
        A search.
    maximum
        The highest log-likelihood, where it is known; the best that the search found by default.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    Figure
        The figure, new or that of `ax`.

    Raises
    ------
    InvalidConfigurationError
        If the search found no finite log-likelihood, or more than `maximum`.
    """
    if not len(result.history):
        raise InvalidConfigurationError("convergence: expected a search with a finite log-likelihood, got one without")
    top = result.log_likelihood if maximum is None else float(maximum)
    if not top >= result.log_likelihood:
        raise InvalidConfigurationError(
            f"maximum: expected at least the best of the search, {result.log_likelihood:.10g}, got {maximum!r}"
        )
    ax = style.axes_or_new(ax, 6.4, 3.8)
    at, gaps = result.history[:, 0], top - result.history[:, 1]
    numbers, dots = _evaluations(result, top)
    floor = _floor(gaps, dots)
    n_last = max(result.n_evaluations, at[-1])
    if floor is None:
        _draw_linear(ax, gaps, dots)
    else:
        _draw_logarithmic(ax, gaps, dots, floor)
    lowest = 0.0 if floor is None else floor
    alpha = float(np.clip(_SOLID_DOTS / max(len(dots), 1), 0.15, 0.6))
    ax.plot(numbers, np.maximum(dots, lowest), ".", color=_DOT, markersize=2.4, alpha=alpha, zorder=1, rasterized=True)
    shown = np.maximum(np.append(gaps, gaps[-1]), lowest)
    ax.step(np.append(at, n_last), shown, where="post", color=style.LINE, linewidth=1.7, zorder=3)
    ax.plot(at[-1:], shown[-1:], **(style.STAR | {"markersize": 12, "zorder": 4, "clip_on": False}))
    ax.set_xlim(0, 1.02 * n_last)
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    ax.set_xlabel("evaluations")
    ax.set_ylabel(r"$\ln L$ below the " + ("best" if maximum is None else "maximum"))
    clean(ax)
    style.legend_above(ax, _legend(at[-1], has_dots=bool(len(numbers))))
    return style.figure_of(ax)


def _evaluations(result: SearchResult, top: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Number and gap of every evaluation with a finite value, thinned where nobody could tell them apart."""
    if result.log is None:
        return np.empty(0), np.empty(0)
    # The first column after the parameters, of which the log has more than the search where the search fixed some.
    values: NDArray[np.float64] = result.to_dataframe().iloc[:, len(result.log.space.free)].to_numpy(dtype=float)
    known = np.flatnonzero(np.isfinite(values))
    known = known[:: -(-len(known) // _MOST_DOTS) or 1]
    return known.astype(float) + 1.0, top - values[known]


def _floor(gaps: NDArray[np.float64], dots: NDArray[np.float64]) -> float | None:
    """Where the axis ends, on which a gap of zero has no place; None for a linear axis."""
    deepest = max(float(gaps[0]), float(np.median(dots)) if len(dots) else 0.0)
    seen = gaps[gaps > min(_SMALLEST * deepest, _SMALLEST_EVER)]
    if not len(seen) or deepest < _WIDE * seen[-1]:
        return None
    return float(seen[-1] / (_ROOM if gaps[-1] < seen[-1] else 1.0))


def _draw_linear(ax: Axes, gaps: NDArray[np.float64], dots: NDArray[np.float64]) -> None:
    deepest = max(float(gaps[0]), float(np.quantile(dots, 0.9)) if len(dots) else 0.0)
    depth = deepest or 1.0
    ax.set_ylim(1.06 * depth, -0.06 * depth)
    ax.yaxis.set_major_locator(MaxNLocator(6))


def _draw_logarithmic(ax: Axes, gaps: NDArray[np.float64], dots: NDArray[np.float64], floor: float) -> None:
    deepest = max(float(gaps[0]), float(dots.max()) if len(dots) else 0.0)
    ax.set_yscale("log")
    ax.set_ylim(_ROOM * deepest, floor / _ROOM**0.5)
    ax.yaxis.set_major_locator(LogLocator(numticks=8))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(LogFormatterSciNotation())


def _legend(at: float, *, has_dots: bool) -> list[Artist]:
    entries: list[Artist] = [
        Line2D([], [], color=style.LINE, linewidth=1.7, label="best so far"),
        Line2D([], [], **style.STAR, markersize=10, label=f"best point, evaluation {at:,.0f}"),
    ]
    if has_dots:
        entries.append(Line2D([], [], marker=".", color=_DOT, linestyle="none", label="evaluation"))
    return entries
