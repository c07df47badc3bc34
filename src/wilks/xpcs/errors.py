r"""Covariance of all parameters of a fit: the physical ones and every contrast and offset.

With the matrix N of sums of products of derivatives over the physical parameters and the coefficients of the scaling
(`wilks.xpcs.projection`), least squares has

.. math:: C = N^{-1}                                                                                                (1)

over the parameters that are not at a bound. Weights that are not inverse variances, or a robust loss, make it

.. math:: C = N^{-1} M N^{-1}                                                                                       (2)

with M the sum of outer products of the scores (Huber 1967). A direction in which N vanishes is not determined: the
parameters that take part have no finite variance, and the others keep theirs.

A parameter may also be so weakly seen that its box decides where it ends. Equation (1) would let it go far beyond the
box, and whatever is correlated with it would follow. With the information that a box of width w has by itself, that of
a uniform distribution,

.. math:: N' = N + \mathrm{diag}(12 / w_i^2)                                                                        (3)

parameters are recognised whose spread is still about that of their box (`loose`); they have no finite variance either,
and for the covariance of the others they keep (3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.covariance import sparse_basis

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-13
_PART = 0.02
_OF_UNIFORM = 12.0
"""Inverse variance of a uniform distribution in units of its width."""
_LOOSE = 0.25
"""Spread, as a fraction of the box, from which on the box decides: a uniform distribution has 0.289."""


@dataclass(frozen=True)
class Spread:
    """Covariance of some parameters.

    Attributes
    ----------
    covariance
        Shape (n, n); NaN in the rows of parameters that are held, infinite variances where a flat direction enters.
    flat
        Positions of the parameters that take part in each flat direction.
    condition
        Condition number of N in units in which its diagonal is 1.
    """

    covariance: NDArray[np.float64]
    flat: tuple[tuple[int, ...], ...]
    condition: float


def spread(normal: NDArray[np.float64], held: NDArray[np.bool_], meat: NDArray[np.float64] | None = None) -> Spread:
    """Return the covariance by (1), or by (2) where `meat` is given.

    Parameters
    ----------
    normal, meat
        N and M, shape (n, n).
    held
        Parameters at a bound, or fixed, shape (n,).

    Examples
    --------
    >>> found = spread(np.diag([4.0, 0.0, 1.0]), np.array([False, False, True]))
    >>> found.covariance.tolist(), found.flat
    ([[0.25, 0.0, nan], [0.0, inf, nan], [nan, nan, nan]], ((1,),))
    """
    n = len(normal)
    covariance = np.full((n, n), np.nan)
    free = np.flatnonzero(~held)
    if not len(free):
        return Spread(covariance, (), 1.0)
    part = normal[np.ix_(free, free)]
    size = np.sqrt(np.maximum(np.diag(part), 0.0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(part / np.outer(size, size))
    good = values > _ROUNDING * max(values[-1], 1e-300)
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    if meat is not None:
        inverse = inverse @ (meat[np.ix_(free, free)] / np.outer(size, size)) @ inverse
    inverse = inverse / np.outer(size, size)
    flat = []
    for vector in sparse_basis(vectors[:, ~good].T):
        members = np.flatnonzero(np.abs(vector) > _PART)
        inverse[members, members] = np.inf
        flat.append(tuple(int(free[member]) for member in members))
    covariance[np.ix_(free, free)] = inverse
    condition = float(values[-1] / values[0]) if values[0] > 0 else float("inf")
    return Spread(covariance, tuple(flat), condition)


def loose(
    information: NDArray[np.float64], widths: NDArray[np.float64], held: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Information of their boxes, by (3), for the parameters whose spread it decides; 0 for all others, shape (n,).

    Parameters
    ----------
    information
        Matrix over the physical parameters with the scaling projected out, shape (n, n).
    widths
        Of the boxes, where the parameters are, shape (n,).
    held
        Parameters at a bound, shape (n,).

    Examples
    --------
    >>> nothing_held = np.array([False, False])
    >>> loose(np.diag([100.0, 1e-3]), np.array([1.0, 2.0]), nothing_held).tolist()
    [0.0, 3.0]
    """
    found = np.zeros(len(widths))
    free = np.flatnonzero(~held)
    w = widths[free]
    with_box = information[np.ix_(free, free)] * np.outer(w, w) + _OF_UNIFORM * np.eye(len(free))
    size = np.sqrt(np.diag(with_box))
    variances = np.diag(np.linalg.pinv(with_box / np.outer(size, size), hermitian=True)) / size**2
    found[free] = np.where(variances > _LOOSE**2, _OF_UNIFORM / w**2, 0.0)
    return found
