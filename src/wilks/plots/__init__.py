"""Pictures of results, drawn with matplotlib: figures that belong to no window and leave no global state behind.

Every function returns a `matplotlib.figure.Figure`; `save` writes it to a file.
"""

from __future__ import annotations

from wilks.plots.comparison import comparison
from wilks.plots.corner import corner
from wilks.plots.curves import profile_1d
from wilks.plots.fits import fit_corner, waterfall
from wilks.plots.maps import argmax_map, profile_2d
from wilks.plots.output import picture_html, save

__all__ = [
    "argmax_map",
    "comparison",
    "corner",
    "fit_corner",
    "picture_html",
    "profile_1d",
    "profile_2d",
    "save",
    "waterfall",
]
