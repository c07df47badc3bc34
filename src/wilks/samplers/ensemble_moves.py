r"""Moves of an ensemble of walkers: stretch, differential evolution and snooker, one of them drawn for each walker.

The ensemble is split into halves; a walker x of one half is moved by walkers y, a, b of the other, which stand still.
All three satisfy detailed balance for any y, a, b that are drawn without looking at x:

* the stretch move of `wilks.loop.stretch`;
* differential evolution (ter Braak 2006, https://doi.org/10.1007/s11222-006-8769-1), a symmetric move,

  .. math:: x' = x + \gamma (a - b), \quad \gamma = \frac{2.38}{\sqrt{2 d}} e^{\epsilon / 5} \quad \text{or} \quad 1 (1)

  with a standard normal epsilon. The factor 1, for one move in five, jumps between modes that hold both a and b;
* the snooker move (ter Braak and Vrugt 2008, https://doi.org/10.1007/s11222-008-9104-9), along the line through y,

  .. math:: x' = x + \gamma_s \langle e, a - b \rangle \, e, \quad e = \frac{x - y}{|x - y|}, \quad
            \gamma_s \sim U(1.2, 2.2), \qquad
            \alpha = \min\left(1, \frac{|x' - y|^{d-1} p(x')}{|x - y|^{d-1} p(x)}\right)                          (2)

  with the scalar product of the inverse covariance of the other half, so that it has no scale either.

All of them look the same after any invertible linear map of the coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.loop import stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STRETCH_SHARE, SNOOKER_SHARE = 0.1, 0.2
_JUMP_SHARE = 0.2
_GAIN, _GAIN_SPREAD = 2.38, 0.2
_SNOOKER_LEAST, _SNOOKER_MOST = 1.2, 2.2
_RIDGE = 1e-10


def propose(positions: Array, others: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    """Propose a move for every walker of a half.

    Parameters
    ----------
    positions
        Walkers that move, shape (n, d).
    others
        Walkers of the other half, at least three, shape (m, d).
    generator
        Source of the random numbers; as many are drawn whatever the walkers are.

    Returns
    -------
    array, array
        Proposals, shape (n, d), and the logarithms of the factors that stand beside p(x') / p(x), shape (n,).
    """
    n, d = positions.shape
    kinds, stretches, jumps, snookers = generator.random((4, n))
    y, a, b = others[_three_of(len(others), generator.random((3, n)))]
    gain = np.where(
        jumps < _JUMP_SHARE, 1.0, _GAIN / math.sqrt(2.0 * d) * np.exp(_GAIN_SPREAD * generator.normal(size=n))
    )
    points = positions + gain[:, None] * (a - b)
    factors = np.zeros(n)
    rows = kinds < STRETCH_SHARE
    z = stretch.draw_stretches(stretches[rows])
    points[rows] = stretch.stretched(positions[rows], y[rows], z)
    factors[rows] = stretch.log_acceptance(z, d, np.zeros(len(z)), np.zeros(len(z)))
    rows = kinds > 1.0 - SNOOKER_SHARE
    gain = _SNOOKER_LEAST + (_SNOOKER_MOST - _SNOOKER_LEAST) * snookers[rows]
    points[rows], factors[rows] = snooker(positions[rows], y[rows], a[rows] - b[rows], gain, inverse_covariance(others))
    return points, factors


def snooker(positions: Array, y: Array, difference: Array, gain: Array, metric: Array) -> tuple[Array, Array]:
    """Proposals (2) and the logarithms of their factors."""
    apart = positions - y
    length = np.einsum("ni,ij,nj->n", apart, metric, apart)
    along = np.einsum("ni,ij,nj->n", apart, metric, difference)
    with np.errstate(divide="ignore", invalid="ignore"):  # a walker that stands on y stays there
        ratio = np.where(length > 0.0, 1.0 + gain * along / length, 1.0)
        factors = (positions.shape[1] - 1) * np.log(np.abs(ratio))
    return y + ratio[:, None] * apart, factors


def inverse_covariance(points: Array) -> Array:
    """Inverse covariance of points, shape (d, d); of the scales alone where the points do not span the space."""
    d = points.shape[1]
    size = points.std(axis=0)
    size = np.where(size > 0.0, size, 1.0)
    apart = (points - points.mean(axis=0)) / size
    correlation = apart.T @ apart / len(points) + _RIDGE * np.eye(d)
    inverse = np.linalg.inv(correlation) if len(points) > d else np.eye(d)
    return np.asarray(inverse / np.outer(size, size))


def _three_of(m: int, quantiles: Array) -> NDArray[np.int64]:
    """Three different numbers below m for each column of uniform numbers, shape (3, n)."""
    first = (quantiles[0] * m).astype(np.int64)
    second = (first + 1 + (quantiles[1] * (m - 1)).astype(np.int64)) % m
    low, high = np.minimum(first, second), np.maximum(first, second)
    third = (quantiles[2] * (m - 2)).astype(np.int64)
    third += third >= low
    third += third >= high
    return np.stack([first, second, third])
