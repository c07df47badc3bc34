"""X-ray photon correlation spectroscopy: two-time correlations fitted exactly, in seconds.

>>> from wilks import xpcs
>>> geometry = xpcs.Geometry(t=[0.0, 0.1, 0.2, 0.3], dt=0.1, q=0.0054, gap=None, phi=[0.0])
>>> xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static").n_phi
1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wilks.xpcs.angle_by_angle import SequentialFit, sequential
from wilks.xpcs.convention import Convention
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.fitting import fit, problem
from wilks.xpcs.identifiability import Identifiability
from wilks.xpcs.model import Geometry
from wilks.xpcs.options import FitOptions, ShearWeights
from wilks.xpcs.quality import XpcsQuality
from wilks.xpcs.result import XpcsFit
from wilks.xpcs.scaling import Scaling, Shrinkage
from wilks.xpcs.simulation import simulate

if TYPE_CHECKING:
    from wilks.xpcs.files import ReadOptions, describe, read
    from wilks.xpcs.maps import profile
    from wilks.xpcs.posterior.options import PosteriorOptions
    from wilks.xpcs.posterior.result import XpcsPosterior
    from wilks.xpcs.posterior.sampling import sample

_LAZY = {
    "PosteriorOptions": "wilks.xpcs.posterior.options",
    "ReadOptions": "wilks.xpcs.files",
    "XpcsPosterior": "wilks.xpcs.posterior.result",
    "describe": "wilks.xpcs.files",
    "profile": "wilks.xpcs.maps",
    "read": "wilks.xpcs.files",
    "sample": "wilks.xpcs.posterior.sampling",
}
"""Names that a fit can do without -> their modules, which load on use."""

__all__ = [
    "Convention",
    "FitOptions",
    "Geometry",
    "Identifiability",
    "PosteriorOptions",
    "ReadOptions",
    "Scaling",
    "SequentialFit",
    "ShearWeights",
    "Shrinkage",
    "TwoTimeData",
    "XpcsFit",
    "XpcsPosterior",
    "XpcsQuality",
    "describe",
    "fit",
    "problem",
    "profile",
    "read",
    "sample",
    "sequential",
    "simulate",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in _LAZY:
        raise AttributeError(f"module 'wilks.xpcs' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
