r"""The affine-invariant stretch move of an ensemble of walkers, as functions of plain arrays.

The ensemble is split into halves. A walker of one half at x moves along the line through a walker of the other half at
y (Goodman and Weare 2010, https://doi.org/10.2140/camcos.2010.5.65),

.. math:: x' = y + z (x - y), \qquad g(z) \propto z^{-1/2} \quad \text{on} \quad [1/a, a]                   (1)

and the move is accepted with probability, for a target p in d dimensions,

.. math:: \min(1, z^{d - 1} p(x') / p(x))                                                                   (2)

The walkers of the other half stand still meanwhile, so a whole half moves at once. Detailed balance holds for every y,
and so for any choice of y that does not look at x. Both (1) and (2) look the same after any invertible linear map: no
scale is to be set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRETCH = 2.0
"""The a in (1); the value that Goodman and Weare use."""


def half(n: int, parity: int) -> NDArray[np.int64]:
    """Every second walker."""
    return np.arange(parity, n, 2)


def draw_stretches(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw z of (1) by inversion of its distribution function."""
    return ((STRETCH - 1.0) * quantiles + 1.0) ** 2 / STRETCH


def stretched(
    positions: NDArray[np.float64], partners: NDArray[np.float64], stretches: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Proposals (1), shape (n, d)."""
    return partners + stretches[:, None] * (positions - partners)


def inside_box(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in the unit box."""
    inside: NDArray[np.bool_] = np.all((points >= 0.0) & (points <= 1.0), axis=1)
    return inside


def log_acceptance(
    stretches: NDArray[np.float64], dimension: int, new: NDArray[np.float64], old: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the second argument of (2), from the log-targets at the proposals and at the present positions."""
    return (dimension - 1) * np.log(stretches) + new - old
