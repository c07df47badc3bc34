"""Pictures of a fit, of its data and of a posterior, drawn with matplotlib: figures that belong to no window.

What they show of an angle comes from one reading of its data (`wilks.xpcs.views`), shared by all pictures of a result.
Colours are safe for all kinds of colour vision, and lines differ in dashes and markers too.
"""

from __future__ import annotations

from wilks.xpcs.pictures.collection import Rendering, drawings, pictures, renderings
from wilks.xpcs.pictures.correlations import correlations
from wilks.xpcs.pictures.cuts import cuts
from wilks.xpcs.pictures.maps import data_maps, maps
from wilks.xpcs.pictures.posterior import bands, posterior_drawings, prior_and_posterior
from wilks.xpcs.pictures.residuals import residuals
from wilks.xpcs.pictures.scaling import scaling
from wilks.xpcs.pictures.starts import starts

__all__ = [
    "Rendering",
    "bands",
    "correlations",
    "cuts",
    "data_maps",
    "drawings",
    "maps",
    "pictures",
    "posterior_drawings",
    "prior_and_posterior",
    "renderings",
    "residuals",
    "scaling",
    "starts",
]
