"""Picture of the correlations between the estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wilks.xpcs.result import XpcsFit

_FEW = 12
"""Parameters of all kinds up to which contrasts and offsets are shown too."""
_DARK = 0.6


def correlations(result: XpcsFit) -> Figure:
    """Draw the correlation matrix of the free physical parameters, and of contrasts and offsets if these are few.

    Parameters without a finite standard error have no correlation: their cells are hatched.

    Parameters
    ----------
    result
        A fit.

    Returns
    -------
    Figure
        A new figure.
    """
    names = result.names if len(result.names) <= _FEW else result.space.free
    columns = [result.names.index(name) for name in names]
    matrix = result.correlation[np.ix_(columns, columns)]
    known = np.isfinite([result.standard_errors[name] for name in names])
    matrix = np.where(np.outer(known, known) & np.isfinite(matrix), matrix, np.nan)
    n = len(names)
    side = 1.9 + 0.62 * n
    figure = style.Picture(figsize=(side + 0.9, side), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(np.ma.masked_invalid(matrix), vmin=-1, vmax=1, cmap="RdBu_r")
    for i, j in np.ndindex(n, n):
        value = matrix[i, j]
        if np.isnan(value):
            ax.fill_between(
                [j - 0.5, j + 0.5], i - 0.5, i + 0.5, facecolor="0.93", edgecolor="0.6", hatch="////", linewidth=0
            )
        else:
            colour = "white" if abs(value) > _DARK else "black"
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize="small", color=colour)
    texts = [_label(result, name) for name in names]
    ax.set_xticks(range(n), labels=texts, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n), labels=texts)
    ax.set_xlim(-0.5, n - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    figure.colorbar(image, ax=ax, label="correlation", shrink=0.85)
    if np.isnan(matrix).any():
        ax.set_title("hatched: no finite standard error", fontsize="small", loc="left")
    return figure


def _label(result: XpcsFit, name: str) -> str:
    """The symbol of a parameter, without its unit."""
    if name not in result.space.free:
        return name.replace("_", " ")
    return style.safe_text(result.space[name].label or name)
