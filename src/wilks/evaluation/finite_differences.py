r"""Stencils of finite differences in the unit box: all points of a derivative at once, none outside the box.

Steps are fractions of the box, or of the measured curvature, never of the coordinate itself, so a shift of the
parameter changes nothing. A step that would leave the box is turned inwards.

Gradient, forward, with the known curvature :math:`B_{ii}` (minus the second derivative) as a correction:

.. math:: g_i = \frac{L(u + s h e_i) - L(u)}{s h} + \frac{s h}{2} B_{ii}, \quad s = \pm 1                      (1)

Second derivatives, central, and one-sided with four points at a bound (Abramowitz and Stegun 1964, 25.3.23):

.. math:: L_{ii} = [L(+) - 2 L(0) + L(-)] / h^2                                                               (2)

.. math:: L_{ii} = [2 L(0) - 5 L(1) + 4 L(2) - L(3)] / h^2                                                    (3)

Mixed derivatives from the two points on the diagonal, central in both coordinates (A. & S. 25.3.27), or one point:

.. math:: L_{ij} = [L(++) + L(--) - L(+0) - L(-0) - L(0+) - L(0-) + 2 L(0)] / (2 h_i h_j)                     (4)

.. math:: L_{ij} = [L(s_i s_j) - L(s_i 0) - L(0 s_j) + L(0)] / (s_i h_i s_j h_j)                              (5)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def forward_steps(u: NDArray[np.float64], size: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed steps of one size, or of one each, towards the middle of the box.

    Examples
    --------
    >>> forward_steps(np.array([0.0, 0.2, 1.0]), 1e-6).tolist()
    [1e-06, 1e-06, -1e-06]
    """
    return np.where(u > 0.5, -size, size)


def shifted(u: NDArray[np.float64], steps: NDArray[np.float64], which: NDArray[np.intp]) -> NDArray[np.float64]:
    """Copies of `u`, one per coordinate in `which`, each moved along that coordinate; shape (len(which), m)."""
    points = np.repeat(u[None, :], len(which), axis=0)
    points[np.arange(len(which)), which] += steps[which]
    return points


@dataclass
class HessianStencil:
    """Points of a full Hessian and how to put their values together.

    Attributes
    ----------
    points
        Shape (k, m); the centre is not among them.
    """

    u: NDArray[np.float64]
    steps: NDArray[np.float64]
    sided: NDArray[np.int8]
    points: NDArray[np.float64]
    pairs: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def around(cls, u: NDArray[np.float64], steps: NDArray[np.float64]) -> HessianStencil:
        """Lay the points around `u` with one step per coordinate, shape (m,), all inside the unit box."""
        room = np.minimum(u, 1.0 - u)
        narrow = (room < steps) & (room >= 0.3 * steps)  # shrink the step a little rather than go one-sided
        steps = np.where(narrow, room, steps)
        sided = np.where(room >= steps, 0, np.where(u < 0.5, 1, -1)).astype(np.int8)
        steps = np.where(sided == 0, steps, np.minimum(steps, 0.3))
        m = len(u)
        moves: list[NDArray[np.float64]] = []
        for i in range(m):
            multiples = (1.0, -1.0) if sided[i] == 0 else tuple(float(sided[i]) * k for k in (1, 2, 3))
            moves += [_move(m, {i: k * steps[i]}) for k in multiples]
        pairs = [(i, j) for i in range(m) for j in range(i)]
        for i, j in pairs:
            if sided[i] == 0 and sided[j] == 0:
                moves += [_move(m, {i: k * steps[i], j: k * steps[j]}) for k in (1.0, -1.0)]
            else:
                moves.append(_move(m, {i: _sign(sided[i]) * steps[i], j: _sign(sided[j]) * steps[j]}))
        points = np.clip(u + np.array(moves).reshape(len(moves), m), 0.0, 1.0)
        return cls(u, steps, sided, points, pairs)

    def derivatives(
        self, centre: float, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gradient, shape (m,), and Hessian, shape (m, m), from the values at the points, shape (k,)."""
        m = len(self.u)
        gradient, hessian = np.empty(m), np.empty((m, m))
        plus, minus = np.empty(m), np.full(m, np.nan)
        at = 0
        for i, h in enumerate(self.steps):
            if self.sided[i] == 0:
                plus[i], minus[i] = values[at : at + 2]
                gradient[i] = (plus[i] - minus[i]) / (2 * h)
                hessian[i, i] = (plus[i] - 2 * centre + minus[i]) / h**2  # (2)
                at += 2
            else:
                one, two, three = values[at : at + 3]
                plus[i] = one
                gradient[i] = self.sided[i] * (-11 * centre + 18 * one - 9 * two + 2 * three) / (6 * h)
                hessian[i, i] = (2 * centre - 5 * one + 4 * two - three) / h**2  # (3)
                at += 3
        for i, j in self.pairs:
            area = self.steps[i] * self.steps[j]
            if self.sided[i] == 0 and self.sided[j] == 0:
                both = values[at] + values[at + 1]
                mixed = (both - plus[i] - minus[i] - plus[j] - minus[j] + 2 * centre) / (2 * area)  # (4)
                at += 2
            else:
                sign = _sign(self.sided[i]) * _sign(self.sided[j])
                mixed = sign * (values[at] - plus[i] - plus[j] + centre) / area  # (5)
                at += 1
            hessian[i, j] = hessian[j, i] = mixed
        return gradient, hessian


def _sign(sided: np.int8) -> float:
    return -1.0 if sided < 0 else 1.0


def _move(m: int, entries: dict[int, float]) -> NDArray[np.float64]:
    move = np.zeros(m)
    for i, size in entries.items():
        move[i] = size
    return move
