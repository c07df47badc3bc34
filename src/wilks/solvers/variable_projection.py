r"""Variable projection: parameters in which the residual is affine are solved for, not stepped in.

Let the residual be :math:`r(a, c) = r_0(a) + A(a) c`, with k linear parameters c and the others a. For every a the best
c within its bounds follows from a small linear problem, and only the projected residual :math:`r_p(a) = r(a, c^*(a))`,
:math:`c^*(a) = \arg\min_c |r(a, c)|`, is left to minimise (Golub and Pereyra 1973): fewer parameters, no start values
for c, fewer iterations.

**Kaufman's Jacobian is that of the full space.** Where no bound holds c, :math:`c^* = -A^+ r_0` and
:math:`r_p = P r_0` with the projection :math:`P = 1 - A A^+`. With :math:`dP = -P\, dA\, A^+ - (P\, dA\, A^+)^T`,

.. math:: dr_p = P (dr_0 + dA\, c^*) - (A^+)^T dA^T r_p = P J_a - (A^+)^T W, \quad W = dA^T r_p                (1)

where :math:`J_a = \partial r / \partial a` is taken at :math:`(a, c^*)`. The second term lies in the range of A, to
which :math:`r_p` is orthogonal: the gradient is that of the first term alone. Kaufman (1975) drops it. Now let a step
(p, d) of a and c solve the linearised problem in the full space. For a given p the best d is
:math:`d = -A^+ (r_p + J_a p)`, which leaves :math:`|P r_p + P J_a p|`, and the minimum over p is the Gauss-Newton step
with Kaufman's Jacobian. So a step in the full space, followed by solving for c again at the new a, is Kaufman's
algorithm (Ruhe and Wedin 1980), with damping of p alone, and with bounds on both: these are what makes the full space
the better place for it.

**The full Jacobian** adds to the sum of squares of a step p what (1) has in the range of A,

.. math:: |r_p + dr_p\, p|^2 = |r_p + P J_a p|^2 + |(A^+)^T W p|^2                                             (2)

and with the factor R of A the last term is :math:`|R^{-T} W p|^2`: k more rows below the triangular factor. Column j
of W comes from differences: with :math:`g(a) = A(a)^T r(a, c^*)`, the derivative of which is
:math:`W + A^T J_a`, inner products are all it takes, and they are the same for compressed rows.

References: G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413, https://doi.org/10.1137/0710036;
L. Kaufman, BIT 15 (1975) 49, https://doi.org/10.1007/BF01932995;
A. Ruhe, P.-A. Wedin, SIAM Review 22 (1980) 318, https://doi.org/10.1137/1022057.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.linear_model import LinearModel, triangle_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANK = 1e-13
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Resolved:
    """Where the linear parameters are best.

    Attributes
    ----------
    move
        From where they are, shape (k,).
    length
        Norm of the change of the residual.
    remaining
        Norm of the residual that is left.
    rounding
        What rounding may leave of sums of linear terms as large as the box lets them be.
    """

    move: NDArray[np.float64]
    length: float
    remaining: float
    rounding: float


def resolved(rows: NDArray[np.float64], c: NDArray[np.float64]) -> Resolved:
    """Solve for linear parameters that are at `c` in the unit box, from rows (A | r) of any number.

    Where A has no full rank, the move is the shortest one (in columns of one size).

    Examples
    --------
    >>> found = resolved(np.array([[10.0, -4.0], [0.0, 3.0]]), np.array([0.8]))
    >>> found.move.round(12).tolist(), round(found.length, 9), round(found.remaining, 9)
    ([0.2], 2.0, 3.605551275)
    """
    model = LinearModel(triangle_of(rows))
    move = model.step(np.zeros(len(c)), -c, 1.0 - c)
    change = model.matrix @ move
    with np.errstate(over="ignore"):  # so far away that the likelihood is zero
        length, remaining = float(np.linalg.norm(change)), float(np.linalg.norm(model.right + change))
        return Resolved(move, length, remaining, _ROUNDING * float(model.norms.sum()))


def projected_norms(
    triangle: NDArray[np.float64], linear: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Norms of the columns of P J_a, one for each of the `others`, from the factor (J | r)."""
    factor = triangle_of(triangle[:, np.concatenate([linear, others])])
    return np.asarray(np.linalg.norm(factor[len(linear) :, len(linear) :], axis=0))


def projection_rows(
    triangle: NDArray[np.float64],
    linear: NDArray[np.intp],
    others: NDArray[np.intp],
    mixed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Rows of the last term of (2), shape (k, m + 1).

    Parameters
    ----------
    triangle
        Factor (J | r), shape (., m + 1).
    linear, others
        Positions of the linear parameters that are free to move, k of them, and of the nonlinear ones.
    mixed
        W of equation (1), shape (k, number of others).
    """
    rows = np.zeros((len(linear), triangle.shape[1]))
    if not len(linear):
        return rows
    factor = triangle_of(triangle[:, linear])
    sizes = np.linalg.norm(factor, axis=0)
    sizes = np.where(sizes > 0, sizes, 1.0)
    scaled = (factor / sizes).T
    found = np.linalg.lstsq(scaled, mixed / sizes[:, None], rcond=_RANK)[0]
    rows[: len(found), others] = found
    return rows
