"""Looks that all pictures share: figures without global state, labels, axes, colours and line styles."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator, ScalarFormatter
from PIL import Image

from wilks.core.cells import CellStatus
from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Integer, Real
from wilks.plots import geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from wilks.core.space import Space

    Dashes: TypeAlias = str | tuple[float, Sequence[float]]

DELTA_LABEL = r"$\Delta\,\ln L = \ln L - \ln L_{\max}$"
LINE = "#1f5a99"
FILLS = {0.68: "#8fb8de", 0.95: "#d3e3f3"}
DASHES: dict[float, Dashes] = {0.68: "-", 0.95: (0, (4, 2))}
_LOOKS: tuple[tuple[str, Dashes], ...] = (
    (FILLS[0.68], DASHES[0.68]),
    (FILLS[0.95], DASHES[0.95]),
    ("#e6eff8", (0, (1, 1.4))),
    ("#f2f7fb", (0, (6, 1.6, 1, 1.6))),
)
STAR: dict[str, Any] = {"marker": "*", "color": "white", "markeredgecolor": "black", "linestyle": "none"}
FIT = "#c4501b"
BAD_CELLS = {CellStatus.NOT_CONVERGED: ("x", "not converged"), CellStatus.FAILED: ("s", "no finite value")}
"""Marker and words for the cells of a map that went wrong."""
BAD_MARK: dict[str, Any] = {"color": FIT, "markersize": 6, "markeredgewidth": 1.5, "fillstyle": "none"}
LIKELIHOOD_MAP = "viridis"
ARGMAX_MAP = "cividis"
DPI = 160

HALO = [withStroke(linewidth=3.2, foreground="white")]
_WIDE_DECADES = 1.5
_LONG_TICK_TEXT = 28
_LEGEND_ROW, _LEGEND_MARK = 14.5, 5  # characters per inch, and of the mark beside a text


class Look(NamedTuple):
    """How a confidence level is drawn."""

    fill: str
    dashes: Dashes


def looks(levels: Sequence[float]) -> dict[float, Look]:
    """How confidence levels are drawn, by their order from the innermost.

    Raises
    ------
    InvalidConfigurationError
        If there are more than can be told apart.
    """
    if len(levels) > len(_LOOKS):
        listed = ", ".join(f"{level:g}" for level in levels)
        raise InvalidConfigurationError(f"confidence: expected at most {len(_LOOKS)} levels, got {listed}")
    return {level: Look(*look) for level, look in zip(sorted(levels), _LOOKS, strict=False)}


class Picture(Figure):
    """A figure that shows itself in a notebook; it belongs to no window and is freed like any value."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Bytes of a PNG, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def paletted_png(figure: Figure) -> bytes:
    """Bytes of a PNG of 256 colours: a fifth of the size for a map of noise, which hardly compresses otherwise.

    The colours are spread over those of the picture, so that none is off by more than a few percent.
    """
    whole, out = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    image = Image.open(whole).convert("RGB")
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "png")
    return out.getvalue()


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to."""
    figure = ax.get_figure(root=True)
    if figure is None:  # axes that were removed from their figure
        raise ValueError("ax: expected axes that belong to a figure, got axes that were removed from theirs")
    return figure


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or new ones in a figure of their own (inches)."""
    return Picture(figsize=(width, height), layout="constrained").add_subplot() if ax is None else ax


def legend_above(ax: Axes, handles: Sequence[Artist]) -> None:
    """Legend above the axes, where it hides nothing, in as many rows as it needs."""
    width = ax.get_position().width * figure_of(ax).get_figwidth()
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_columns(handles, width),
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=1.7,
        handletextpad=0.5,
        fontsize="small",
    )


def legend_outside(ax: Axes, handles: Sequence[Artist]) -> None:
    """Legend of a figure of several panels, above them all."""
    figure = figure_of(ax)
    n_columns = _columns(handles, figure.get_figwidth())
    figure.legend(handles=list(handles), loc="outside upper left", ncols=n_columns, frameon=False, fontsize="small")


def _columns(handles: Sequence[Artist], width: float) -> int:
    """Columns of a legend that is not wider than so many inches."""
    length = sum(len(str(handle.get_label())) + _LEGEND_MARK for handle in handles)
    n_rows = min(len(handles), math.ceil(length / (_LEGEND_ROW * width)))
    return math.ceil(len(handles) / max(n_rows, 1))


def safe_text(text: str) -> str:
    r"""Text that can be drawn: dollars that do not enclose valid mathematics are shown as they are.

    Examples
    --------
    >>> safe_text("$H_0$"), safe_text("5 $"), safe_text("$oops{$")
    ('$H_0$', '5 \\$', '\\$oops{\\$')
    """
    if "$" not in text:
        return text
    plain = text.replace("$", r"\$")
    if text.count("$") % 2:
        return plain
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return plain
    return text


def label(space: Space, name: str) -> str:
    """Label with unit, safe to draw."""
    return safe_text(space.label(name))


def set_axis(ax: Axes, which: str, space: Space, name: str, *, n_ticks: int = 6) -> None:
    """Scale, ticks and label of the x or the y axis for one parameter."""
    domain = space[name]
    getattr(ax, f"set_{which}label")(label(space, name))
    axis: Axis = ax.xaxis if which == "x" else ax.yaxis
    listed = geometry.ticks(domain, limit=2 * n_ticks)
    if listed is not None:
        _set_listed(axis, which, listed[0], [safe_text(text) for text in listed[1]])
    elif isinstance(domain, Integer):
        axis.set_major_locator(MaxNLocator(n_ticks, integer=True))
    elif isinstance(domain, Real) and domain.scale == "log":
        getattr(ax, f"set_{which}scale")("log")
    else:
        axis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 2.5, 5, 10]))


def _set_listed(axis: Axis, which: str, positions: NDArray[np.float64], texts: Sequence[str]) -> None:
    axis.set_major_locator(MaxNLocator(1))
    axis.set_ticks(positions, labels=list(texts))
    if which == "x" and sum(len(text) for text in texts) > _LONG_TICK_TEXT:
        for tick in axis.get_ticklabels():
            tick.set(rotation=30, ha="right", rotation_mode="anchor")


def set_limits(ax: Axes, which: str, space: Space, name: str, limits: tuple[float, float]) -> None:
    """Limits of one axis; a log axis gets ticks that suit how many decades are shown."""
    getattr(ax, f"set_{which}lim")(*limits)
    domain = space[name]
    if not (isinstance(domain, Real) and domain.scale == "log"):
        return
    axis: Axis = ax.xaxis if which == "x" else ax.yaxis
    if np.log10(limits[1] / limits[0]) >= _WIDE_DECADES:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_major_formatter(LogFormatterSciNotation())
        return
    # Within a decade or so powers of ten would leave one label, or none.
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(ScalarFormatter())
