r"""Losses of least-squares problems: how much of a large residual counts.

With :math:`z_i = (r_i / s)^2` of the residuals r and a scale s, a loss :math:`\rho` makes the log-likelihood

.. math:: \log L = -\tfrac12 s^2 \sum_i \rho(z_i)                                                               (1)

which is minus half the sum of squares for :math:`\rho(z) = z`, and near it for every loss where :math:`z \ll 1`. The
names and the functions are those of ``scipy.optimize.least_squares``.

The derivatives over the parameters, with the Jacobian J of the residuals and its rows :math:`J_i`, are

.. math:: \nabla \log L = -\sum_i \rho'_i r_i J_i, \quad
          -\nabla^2 \log L \approx \sum_i b_i J_i^T J_i, \quad b_i = \rho'_i + 2 z_i \rho''_i                      (2)

where second derivatives of the residuals are left out, as Gauss and Newton did. Both are those of an ordinary
least-squares problem with rescaled rows (Triggs, McLauchlan, Hartley and Fitzgibbon 2000, section 4.3)

.. math:: \tilde J_i = \sqrt{w_i} J_i, \quad \tilde r_i = \rho'_i r_i / \sqrt{w_i}, \quad
          w_i = \max(b_i, \epsilon \rho'_i)                                                                       (3)

:math:`\tilde J^T \tilde r` is the exact gradient for any w > 0. Beyond a few scales b is zero or negative, and a
curvature that is no maximum's would lead a step astray: it is kept at a small part :math:`\epsilon` of the weight
:math:`\rho'` that the same residual has in reweighted least squares. In proportion to :math:`\rho'`, not as a constant:
the rescaled residuals of far outliers are then no larger than the outliers, and no digits are lost beside them.

Reference: B. Triggs, P. F. McLauchlan, R. I. Hartley, A. W. Fitzgibbon, Bundle adjustment - a modern synthesis, in
Vision Algorithms: Theory and Practice, LNCS 1883 (2000) 298.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Parts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

_LARGEST = 1e300  # of z: beyond it a residual is as good as infinite, and infinities would meet zeros
_KEPT = 1e-3
_BLOCK = 4096


@dataclass(frozen=True)
class Loss:
    r"""A loss: its name, and the size of a residual above which it counts for less than its square.

    Parameters
    ----------
    name
        ``"linear"``, :math:`\rho = z`: ordinary least squares, whatever the scale;
        ``"soft_l1"``, :math:`2 (\sqrt{1 + z} - 1)`: a smooth absolute value;
        ``"huber"``, z where z <= 1 and :math:`2 \sqrt z - 1` elsewhere: squares, then absolute values;
        ``"cauchy"``, :math:`\log(1 + z)`: outliers hardly count;
        ``"arctan"``, :math:`\arctan z`: no residual counts for more than :math:`\pi s^2 / 4`.
    scale
        In the units of the residual: for residuals that are divided by their standard deviations, 1 to 3.

    Raises
    ------
    InvalidProblemError
        If the name is unknown, or the scale is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> Loss("huber", scale=2.0).value(np.array([1.0, 4.0]))
    -6.5
    """

    name: str = "linear"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in _RHO:
            near = difflib.get_close_matches(str(self.name).lower().replace("-", "_"), _RHO, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidProblemError(f"loss: expected one of {', '.join(map(repr, _RHO))}, got {self.name!r}{hint}")
        number = isinstance(self.scale, (int, float, np.integer, np.floating)) and not isinstance(self.scale, bool)
        if not number or not 0 < self.scale < math.inf:
            raise InvalidProblemError(
                f"loss: expected a positive scale, in the units of the residual, got {self.scale!r}"
            )
        object.__setattr__(self, "scale", float(self.scale))

    @property
    def is_linear(self) -> bool:
        """Is it ordinary least squares?"""
        return self.name == "linear"

    def rho(self, z: NDArray[np.float64]) -> Parts:
        r"""Loss and its first and second derivatives at :math:`z = (r / s)^2`, each of the shape of z.

        Examples
        --------
        >>> [part.tolist() for part in Loss("cauchy").rho(np.array([0.0, 1.0]))]
        [[0.0, 0.6931471805599453], [1.0, 0.5], [-1.0, -0.25]]
        """
        with np.errstate(over="ignore"):  # the denominators of z that is nearly infinite
            return _RHO[self.name](np.minimum(z, _LARGEST))

    def at(self, residual: NDArray[np.float64]) -> Parts:
        """Loss and its first and second derivatives over z, of residuals."""
        with np.errstate(over="ignore"):
            return self.rho((residual / self.scale) ** 2)

    def value(self, residual: NDArray[np.float64]) -> float:
        """Log-likelihood (1) of residuals; minus infinity where it is too low for a float."""
        with np.errstate(over="ignore"):
            if self.is_linear:
                return -0.5 * sum_of_squares(residual)
            return -0.5 * self.scale**2 * float(self.at(residual)[0].sum())


def sum_of_squares(residual: NDArray[np.float64]) -> float:
    """Sum of squares of a 1-D array, in blocks: rounding grows with their size, not with that of the whole.

    The product of the array with itself would start the threads of BLAS, which cost more than they bring where others
    have the cores.

    Examples
    --------
    >>> sum_of_squares(np.array([3.0, 4.0]))
    25.0
    """
    n = len(residual) // _BLOCK * _BLOCK
    whole, rest = residual[:n].reshape(-1, _BLOCK), residual[n:]
    return float(np.einsum("ij,ij->i", whole, whole).sum() + np.einsum("i,i", rest, rest))


def as_loss(loss: str | Loss) -> Loss:
    """Return a loss as it is, or the one of that name with scale 1.

    Raises
    ------
    InvalidProblemError
        If it is neither, or the name is unknown.

    Examples
    --------
    >>> as_loss("soft_l1")
    Loss(name='soft_l1', scale=1.0)
    """
    if isinstance(loss, Loss):
        return loss
    if not isinstance(loss, str):
        raise InvalidProblemError(
            f"loss: expected a name such as 'huber', or wilks.Loss('huber', scale=2.0), got {loss!r}"
        )
    return Loss(loss)


def rescaled(
    residual: NDArray[np.float64], jacobian: NDArray[np.float64], loss: Loss
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Residual, shape (n,), and Jacobian, shape (n, m), of the least-squares problem (3); themselves if it is linear.

    Their product is the exact gradient of the log-likelihood, with its sign changed; half the sum of squares of the
    first is not the log-likelihood.

    Examples
    --------
    >>> residual, jacobian = np.array([0.5, -3.0]), np.array([[1.0], [2.0]])
    >>> r, j = rescaled(residual, jacobian, Loss("soft_l1"))
    >>> slope = Loss("soft_l1").at(residual)[1]
    >>> float(j[:, 0] @ r), float(jacobian[:, 0] @ (slope * residual))
    (-1.450153, -1.450153)
    """
    if loss.is_linear:
        return residual, jacobian
    _, slope, _ = parts = loss.at(residual)
    root = np.sqrt(np.maximum(bend(residual, parts, loss), _KEPT * slope))
    tiny = np.finfo(float).tiny  # a slope that underflowed is no influence at all
    return residual * (slope / np.maximum(root, tiny)), jacobian * root[:, None]


def bend(residual: NDArray[np.float64], parts: Parts, loss: Loss) -> NDArray[np.float64]:
    """Curvature b of (2) for every residual, from what `Loss.at` says of them: of either sign."""
    with np.errstate(over="ignore", invalid="ignore"):
        return parts[1] + 2.0 * np.minimum((residual / loss.scale) ** 2, _LARGEST) * parts[2]


def _linear(z: NDArray[np.float64]) -> Parts:
    return z, np.ones_like(z), np.zeros_like(z)


def _soft_l1(z: NDArray[np.float64]) -> Parts:
    root = np.sqrt(1.0 + z)
    return 2.0 * (z / (1.0 + root)), 1.0 / root, -0.5 / root**3  # not 2 (root - 1): small z would lose its digits


def _huber(z: NDArray[np.float64]) -> Parts:
    root = np.sqrt(np.maximum(z, 1.0))
    inside = z <= 1.0
    return np.where(inside, z, 2.0 * root - 1.0), 1.0 / root, np.where(inside, 0.0, -0.5 / root**3)


def _cauchy(z: NDArray[np.float64]) -> Parts:
    slope = 1.0 / (1.0 + z)
    return np.log1p(z), slope, -(slope**2)


def _arctan(z: NDArray[np.float64]) -> Parts:
    slope = 1.0 / (1.0 + z**2)
    return np.arctan(z), slope, -2.0 * (z * slope) * slope


_RHO: dict[str, Callable[[NDArray[np.float64]], Parts]] = {
    "linear": _linear,
    "soft_l1": _soft_l1,
    "huber": _huber,
    "cauchy": _cauchy,
    "arctan": _arctan,
}
