r"""Coordinates in which a power law with an offset is straight, for the steps of a fit (`wilks.solvers.retracted`).

Of :math:`J(t) = D_0 t^\alpha + D_\mathrm{offset}` the data tell the size at some reference time :math:`t_r` first, then
the slope on a logarithmic axis, and last how much it bends. With these as coordinates,

.. math:: j = D_0 t_r^\alpha + D_\mathrm{offset}, \quad s = \alpha D_0 t_r^\alpha, \quad \alpha                  (1)

the rate is :math:`J(t) = j + s \, ((t/t_r)^\alpha - 1) / \alpha`, which is regular where :math:`\alpha` is near 0 and
amplitude and offset are large and opposite: the valley along which only their sum is determined is a straight line. The
same holds for the shear rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.xpcs.model import POWER_LAWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.space import Space

_LARGEST_POWER = 300.0
"""Logarithm of the largest power of the reference time that is computed: products of a few stay finite."""


@dataclass(frozen=True)
class PowerLawSteps:
    """Steps in the coordinates (1) of every power law; a `wilks.core.least_squares.Retraction`.

    Attributes
    ----------
    laws
        Positions of amplitude, exponent and offset among the free parameters.
    lower, upper, is_log
        Boxes of the free parameters.
    log_time
        Logarithm of the reference time in s.
    """

    laws: tuple[tuple[int, int, int], ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    is_log: tuple[bool, ...]
    log_time: float

    def __call__(self, u: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Carry a step out in the coordinates (1); straight where that leads out of the box."""
        found = np.clip(u + step, 0.0, 1.0)
        for law in self.laws:
            bent = self._bent(u, found, law)
            if bent is not None:
                found[list(law)] = bent
        return found

    def _bent(
        self, u: NDArray[np.float64], straight: NDArray[np.float64], law: tuple[int, int, int]
    ) -> list[float] | None:
        (a, alpha, offset), (da, dalpha, doffset) = self._values(u, straight, law)
        if not (da or doffset) or not dalpha:
            return None  # straight in these coordinates
        if (abs(alpha) + abs(dalpha)) * abs(self.log_time) > _LARGEST_POWER:
            return None
        power = math.exp(alpha * self.log_time)
        j = a * power + offset + da * power + a * power * self.log_time * dalpha + doffset
        s = alpha * a * power + alpha * power * da + a * power * (1.0 + alpha * self.log_time) * dalpha
        alpha += dalpha
        power = math.exp(alpha * self.log_time)
        if not da:  # held at its bound: the offset gives way
            amplitude, offset = a, j - a * power
        elif not doffset:
            amplitude = (j - offset) / power
        elif alpha * s > 0:
            amplitude = s / (alpha * power)
            offset = j - s / alpha
        else:
            return None
        values = (amplitude, alpha, offset)
        units = [self._unit(i, value) for i, value in zip(law, values, strict=True)]
        return units if all(0.0 <= unit <= 1.0 for unit in units) else None

    def _values(
        self, u: NDArray[np.float64], straight: NDArray[np.float64], law: tuple[int, int, int]
    ) -> tuple[list[float], list[float]]:
        """Values at `u`, and the step in these units to first order."""
        values, moves = [], []
        for i in law:
            width = math.log(self.upper[i] / self.lower[i]) if self.is_log[i] else self.upper[i] - self.lower[i]
            move = float(straight[i] - u[i]) * width
            value = self.lower[i] * math.exp(u[i] * width) if self.is_log[i] else self.lower[i] + u[i] * width
            values.append(float(value))
            moves.append(move * float(value) if self.is_log[i] else move)
        return values, moves

    def _unit(self, i: int, value: float) -> float:
        if self.is_log[i]:
            return math.log(value / self.lower[i]) / math.log(self.upper[i] / self.lower[i]) if value > 0 else -1.0
        return (value - self.lower[i]) / (self.upper[i] - self.lower[i])


def power_law_steps(space: Space, times: NDArray[np.float64], held: Sequence[str] = ()) -> PowerLawSteps:
    """Return the steps for the power laws whose three parameters move.

    Parameters
    ----------
    space
        The physical parameters.
    times
        The regularised ages in s.
    held
        Free parameters that do not move; points and steps are those of the others.
    """
    free = [name for name in space.free if name not in held]
    boxes = [space[name] for name in free]
    real = [box for box in boxes if isinstance(box, Real)]
    laws = tuple(
        (free.index(law[0]), free.index(law[1]), free.index(law[2])) for law in POWER_LAWS if set(law) <= set(free)
    )
    return PowerLawSteps(
        laws,
        tuple(box.lower for box in real),
        tuple(box.upper for box in real),
        tuple(box.scale == "log" for box in real),
        float(0.5 * (np.log(times[0]) + np.log(times[-1]))),
    )
