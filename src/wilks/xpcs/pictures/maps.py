"""Maps of two-time correlations: data, model and residuals of every angle side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.plots import style
from wilks.xpcs.pictures.angles import angle_text, of_one_figure
from wilks.xpcs.views import block_means, block_of, check_data, edges_of, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.diagonal import Diagonal
    from wilks.xpcs.result import XpcsFit

CORRELATION_COLOURS, RESIDUAL_COLOURS = "viridis", "RdBu_r"
RESIDUAL_LIMIT = 4.0
"""Residuals are drawn from minus to plus so many sigma."""
_NOTHING = "0.86"
_PERCENTILES, _WIDE_PERCENTILES = (1.0, 99.0), (0.5, 99.8)
"""Of the data, beside a model that shows how high the ridge at short lags is, and without."""
_ACROSS = 3
_SIDE, _LEFT, _TOP, _BOTTOM, _BETWEEN, _GAP, _BAR_ROOM = 2.4, 0.65, 0.65, 0.55, 0.4, 0.34, 0.95
"""Inches."""


def maps(result: XpcsFit, angles: Sequence[int] | None = None) -> Figure:
    """Draw data, model and residuals over sigma of some angles.

    Data and model of an angle have the same colours, residuals of all angles too. The diagonal and pairs that the fit
    did not use are grey. Of matrices with more than 400 rows, blocks are averaged; residuals are then those of the
    means, over their own sigma.

    Parameters
    ----------
    result
        A fit with its data.
    angles
        Positions of at most 6 angles; by default all that have data, or 6 of them.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If the result has no data or no best point, or an angle is not there.
    """
    check_data(result)
    shown = of_one_figure(angles, np.isfinite(result.sigma))
    figure, axes = _panels(len(shown), _ACROSS, (_GAP, _BAR_ROOM, _BAR_ROOM))
    block = block_of(len(result.t))
    last: Any = None
    for row, angle in zip(axes, shown, strict=True):
        seen = view(result, angle)
        low, high = _common_range(seen.c2, seen.model)
        _draw(row[0], seen.edges, seen.c2, (CORRELATION_COLOURS, low, high))
        image = _draw(row[1], seen.edges, seen.model, (CORRELATION_COLOURS, low, high))
        last = _draw(row[2], seen.edges, seen.residual, (RESIDUAL_COLOURS, -RESIDUAL_LIMIT, RESIDUAL_LIMIT))
        if np.isfinite(seen.c2).any():
            _bar(figure, image, row[1], row[1], "$c_2$")
        for ax, what in zip(row, ("experiment", "model", r"residual / $\sigma$"), strict=True):
            ax.set_title(f"{angle_text(result.phi[angle])}: {what}", fontsize="medium")
    of_means = "" if block == 1 else f" of means of {block} x {block} pairs"
    _bar(figure, last, axes[0, 2], axes[-1, 2], rf"residual / $\sigma${of_means}")
    _label(axes)
    _title(figure, f"{result.mode.replace('_', ' ')}, q = {result.q:.4g} Å$^{{-1}}$", block)
    return figure


def data_maps(data: TwoTimeData, angles: Sequence[int] | None = None, *, diagonal: Diagonal = "masked") -> Figure:
    """Draw correlations as they were measured, masked ones too, with the same colours for all angles.

    Parameters
    ----------
    data
        A measurement.
    angles
        Positions of at most 6 angles; by default all, or 6 of them.
    diagonal
        What to show there, as for `TwoTimeData.matrix`.

    Returns
    -------
    Figure
        A new figure.

    Raises
    ------
    InvalidConfigurationError
        If an angle is not there, or `diagonal` is none of these.
    """
    shown = of_one_figure(angles, np.ones(data.n_phi, dtype=bool))
    block = block_of(data.n_t)
    seen = [block_means(data.matrix(angle, diagonal), block) for angle in shown]
    # The shot noise on the diagonal would leave no colours to the rest.
    beside = [block_means(data.matrix(angle, "masked"), block).ravel() for angle in shown]
    low, high = _range(np.concatenate(beside), _WIDE_PERCENTILES)
    across = min(len(shown), _ACROSS)
    down = -(-len(shown) // across)
    figure, axes = _panels(down, across, (*[_GAP] * (across - 1), _BAR_ROOM))
    image, edges = None, edges_of(data.t, block)
    for ax, angle, matrix in zip(axes.flat, shown, seen, strict=False):
        image = _draw(ax, edges, matrix, (CORRELATION_COLOURS, low, high))
        ax.set_title(angle_text(data.phi[angle]), fontsize="medium")
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    _bar(figure, image, axes[0, -1], axes[-1, -1], "$c_2$")
    _label(axes, len(shown))
    _title(figure, f"q = {data.q:.4g} Å$^{{-1}}$", block)
    return figure


def _panels(down: int, across: int, gaps: tuple[float, ...]) -> tuple[Figure, NDArray[Any]]:
    """Square panels with some inches to the right of each: their place need not be found by drawing them twice."""
    width = _LEFT + across * _SIDE + sum(gaps)
    height = _BOTTOM + _TOP + down * _SIDE + (down - 1) * _BETWEEN
    figure = style.Picture(figsize=(width, height))
    axes: NDArray[Any] = np.empty((down, across), dtype=object)
    for row, column in np.ndindex(down, across):
        x = _LEFT + column * _SIDE + sum(gaps[:column])
        y = height - _TOP - _SIDE - row * (_SIDE + _BETWEEN)
        shared = axes[0, 0] if row or column else None
        axes[row, column] = figure.add_axes(
            (x / width, y / height, _SIDE / width, _SIDE / height), sharex=shared, sharey=shared
        )
    return figure, axes


def _bar(figure: Figure, image: Any, top: Axes, bottom: Axes, label: str) -> None:  # noqa: ANN401 - see _draw
    """Colour bar to the right of one panel, or of a column of them."""
    inch = 1 / figure.get_figwidth()
    low, high = bottom.get_position(), top.get_position()
    place = (low.x1 + 0.1 * inch, low.y0, 0.13 * inch, high.y1 - low.y0)
    bar = figure.add_axes(place, label="<colorbar>")  # the label that matplotlib gives to those it places itself
    triangle = 0.06 * low.height / (high.y1 - low.y0)
    figure.colorbar(image, cax=bar, label=label, extend="both", extendfrac=triangle)


def _draw(ax: Axes, edges: NDArray[np.float64], matrix: NDArray[np.floating], colours: tuple[str, float, float]) -> Any:  # noqa: ANN401 - one of several kinds of image, by the spacing of the edges
    name, low, high = colours
    ax.set_facecolor(_NOTHING)
    image = ax.pcolorfast(edges, edges, np.ma.masked_invalid(matrix), cmap=name, vmin=low, vmax=high)
    ax.set_aspect("equal")
    if np.isnan(matrix).all():
        ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", color="0.3")
    return image


def _common_range(c2: NDArray[np.float32], model: NDArray[np.float32]) -> tuple[float, float]:
    """All of the model, and of the data what is no outlier."""
    if not np.isfinite(model).any():
        return 0.0, 1.0
    low, high = _range(c2, _PERCENTILES)
    return min(low, float(np.nanmin(model))), max(high, float(np.nanmax(model)))


def _range(values: NDArray[np.float32], percentiles: tuple[float, float]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = (float(each) for each in np.percentile(known, percentiles))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _label(axes: NDArray[Any], n_shown: int | None = None) -> None:
    """Label the outer axes; where the last row is not full, the axes above the gap carry the labels."""
    n_shown = axes.size if n_shown is None else n_shown
    across = axes.shape[1]
    for number, ax in enumerate(axes.flat[:n_shown]):
        is_last, is_first = number + across >= n_shown, number % across == 0
        ax.tick_params(labelbottom=is_last, labelleft=is_first)
        if is_last:
            ax.set_xlabel("$t_1$ [s]")
        if is_first:
            ax.set_ylabel("$t_2$ [s]")


def _title(figure: Figure, text: str, block: int) -> None:
    averaged = "" if block == 1 else f"; means of {block} x {block} pixels"
    figure.suptitle(text + averaged, x=0.5, y=1 - 0.08 / figure.get_figheight(), va="top", fontsize="medium")
