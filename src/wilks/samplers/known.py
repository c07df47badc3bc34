"""What is known of a posterior before a sampler begins: modes with their widths, and draws of an earlier method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Known:
    """Modes and draws, in the coordinates of a `Target`.

    Attributes
    ----------
    means
        Modes, the highest first, shape (k, d).
    covariances
        Of a Gaussian that has the height and the curvature of the mode, shape (k, d, d).
    log_likelihoods
        At the modes, shape (k,).
    draws
        Equally weighted draws of an earlier method, shape (n, d); maybe none, and maybe rough.
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    draws: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
