"""The two samples of the example files: true values, geometry, bins."""

from __future__ import annotations

import numpy as np
from speckle import Bin, modes

DT = 0.1
N_T = 100
GAP = 2e6
PHOTONS = 0.055
N_PIXELS = 2_500_000
SEEDS = {"rest": 20240517, "flow": 20240518}

TIMES = DT * np.arange(N_T)

REST = {"D0": 4e4, "alpha": -0.5, "D_offset": 1e4}
REST_Q = (0.0045, 0.0054)
REST_PHI = (-60.0, 0.0, 60.0)

FLOW = {
    "D0": 2.5e4, "alpha": -0.5, "D_offset": 1e4,
    "gamma_dot_0": 5e-4, "beta": -0.4, "gamma_dot_offset": 1e-4, "phi0": -4.0,
}  # fmt: skip
FLOW_Q = (0.0054,)
FLOW_PHI = (-60.0, -30.0, -5.0, 5.0, 20.0, 50.0, 90.0)

VALUES = {"rest": REST, "flow": FLOW}


def bins(sample: str, n_pixels: int = N_PIXELS) -> list[Bin]:
    """Return the bins of a sample, wave vector by wave vector; the contrast differs from bin to bin."""
    wave_vectors, angles = (REST_Q, REST_PHI) if sample == "rest" else (FLOW_Q, FLOW_PHI)
    pairs = [(q, phi) for q in wave_vectors for phi in angles]
    ratios = np.linspace(0.60, 0.78, len(pairs))
    gap = None if sample == "rest" else GAP
    return [
        Bin(q, phi, gap, modes(ratio), PHOTONS, n_pixels)
        for (q, phi), ratio in zip(pairs, ratios.tolist(), strict=True)
    ]
