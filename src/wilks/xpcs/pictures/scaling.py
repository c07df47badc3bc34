"""Picture of contrast and offset over the angle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.plots import style
from wilks.plots.grid import clean
from wilks.xpcs.scaling import Scaling, linear_block

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from wilks.xpcs.result import XpcsFit

_N_CURVE = 361
_MARGIN = 0.06
_SHARED = {"averaged": "the same for all angles", "fourier": "Fourier series"}


def scaling(result: XpcsFit) -> Figure:
    """Draw contrast and offset of every angle with their standard errors.

    Where angles share them, the common value or the series is a line through the points. A point without a bar has no
    finite standard error.

    Parameters
    ----------
    result
        A fit.

    Returns
    -------
    Figure
        A new figure.
    """
    figure = style.Picture(figsize=(9.6, 3.7), layout="constrained")
    panels = figure.subplots(1, 2)
    rows = (
        ("contrast", result.contrast, result.contrast_errors),
        ("offset", result.offset, result.offset_errors),
    )
    kind = result.scaling.kind
    curves = _curves(result, kind)
    for ax, (name, values, errors), curve in zip(panels, rows, curves[1:], strict=True):
        handles: list[Any] = []
        if kind in _SHARED:
            handles += ax.plot(curves[0], curve, color=style.LINE, linewidth=1.3, zorder=2, label=_SHARED[kind])
        bars = np.where(np.isfinite(errors), errors, 0.0)
        look = {"fmt": "o", "color": style.FIT, "markersize": 4.5, "capsize": 2.5, "zorder": 3}
        points = ax.errorbar(result.phi, values, bars, label=f"fit, {kind}", **look)
        handles = [points, *handles]
        ax.set_xlim(curves[0][0], curves[0][-1])
        ax.set_xlabel(r"$\phi$ [degrees]")
        ax.set_ylabel(name)
        _no_offset(ax)
        clean(ax)
        style.legend_above(ax, handles)
        if not np.isfinite(values).any():
            ax.text(0.5, 0.5, "not known", transform=ax.transAxes, ha="center", va="center", color="0.3")
    return figure


def _curves(result: XpcsFit, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Angles, contrast and offset of what angles share; NaN where they share nothing or nothing is known."""
    low, high = float(result.phi.min()), float(result.phi.max())
    margin = _MARGIN * (high - low) or 5.0
    phi = np.linspace(low - margin, high + margin, _N_CURVE)
    unknown = np.full(_N_CURVE, np.nan)
    if kind not in _SHARED:
        return phi, unknown, unknown
    series = Scaling.averaged() if kind == "averaged" else result.scaling
    block = linear_block(series, phi, np.ones(_N_CURVE, np.int64), (unknown, unknown))
    if not result.best.keys() >= set(block.names):
        return phi, unknown, unknown
    contrast, offset = block.scaled(np.array([result.best[name] for name in block.names], dtype=float))
    return phi, contrast, offset


def _no_offset(ax: Axes) -> None:
    """Offsets near 1 read as 1.002, not as 2 with "+1" in a corner."""
    ax.ticklabel_format(axis="y", useOffset=False)
