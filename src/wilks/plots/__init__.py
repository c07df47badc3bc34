"""Pictures of results, drawn with matplotlib: figures that belong to no window and leave no global state behind.

Every function returns a `matplotlib.figure.Figure`; `save` writes it to a file.
"""

from __future__ import annotations

from wilks.plots.argmax import argmax_map, argmax_maps
from wilks.plots.collection import profile_pictures, save_all
from wilks.plots.comparison import comparison
from wilks.plots.convergence import convergence
from wilks.plots.corner import corner
from wilks.plots.curves import profile_1d
from wilks.plots.draws import draws_corner
from wilks.plots.fits import fit_corner, waterfall
from wilks.plots.maps import profile_2d
from wilks.plots.output import picture_html, save
from wilks.plots.posterior.autocorrelation import posterior_autocorrelation
from wilks.plots.posterior.collection import posterior_pictures
from wilks.plots.posterior.energy import posterior_energy
from wilks.plots.posterior.ess import posterior_ess
from wilks.plots.posterior.forest import posterior_forest
from wilks.plots.posterior.pair import posterior_pair
from wilks.plots.posterior.rank import posterior_rank
from wilks.plots.posterior.trace import posterior_trace
from wilks.plots.posterior.weights import posterior_weights
from wilks.plots.search import search
from wilks.plots.slices import profile_slices
from wilks.plots.tempering import acceptance, ladder, replicas, swap_rates
from wilks.plots.volume import volume, volume_corner

__all__ = [
    "acceptance",
    "argmax_map",
    "argmax_maps",
    "comparison",
    "convergence",
    "corner",
    "draws_corner",
    "fit_corner",
    "ladder",
    "picture_html",
    "posterior_autocorrelation",
    "posterior_energy",
    "posterior_ess",
    "posterior_forest",
    "posterior_pair",
    "posterior_pictures",
    "posterior_rank",
    "posterior_trace",
    "posterior_weights",
    "profile_1d",
    "profile_2d",
    "profile_pictures",
    "profile_slices",
    "replicas",
    "save",
    "save_all",
    "search",
    "swap_rates",
    "volume",
    "volume_corner",
    "waterfall",
]
