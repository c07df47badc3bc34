r"""Coordinates in which the posterior of a power law with an offset is close to a Gaussian.

Of :math:`J(t) = D_0 t^\alpha + D_\mathrm{offset}` data tell the size at a reference time :math:`t_r` first, then the
slope on a logarithmic axis, and last how much it bends. With :math:`a = D_0 t_r^\alpha`, the coordinates are

.. math:: z = \operatorname{arsinh}(j / c), \quad j = a + D_\mathrm{offset}; \qquad
          m = \alpha a / c; \qquad v = c / a                                                                     (1)

z is as good as :math:`\log j` where j is well above the scale c, and goes on through zero to the other sign, so that
every point of the box with :math:`D_0 > 0` has coordinates: a shear rate may be negative. There is no singularity at
:math:`\alpha = m v = 0`, where amplitude and offset are large and opposite or cannot be told apart: that valley is a
straight line along v. Back again, :math:`D_\mathrm{offset} = c \sinh z - a`,
:math:`\log D_0 = \log a - \alpha \log t_r`, and the determinant is simple,

.. math:: \left|\frac{\partial(\log D_0, \alpha, D_\mathrm{offset})}{\partial(z, m, v)}\right| = c \cosh z  (2)

so that the usual priors, uniform in :math:`\log D_0`, exponent and offset, are uniform in m and v as well: where the
data do not tell how the rate bends, no corner of the box has a peak of its own.

The same holds for the shear rate. Parameters that belong to no law whose three parameters are all free, such as the
direction of the flow, keep their coordinate of the unit box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.xpcs.model import POWER_LAWS, regularised_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.xpcs.model import Geometry

    Array = NDArray[np.float64]

_EDGE = 1e-300
_LARGEST = 600.0
_PART = 0.25
"""Scale c, as a part of the rate at the reference time."""
_N_TIMES = 100


@dataclass(frozen=True)
class PowerLawChart:
    """The coordinates (1); a `wilks.core.chart.Chart`.

    Attributes
    ----------
    laws
        Positions of amplitude, exponent and offset among the free parameters.
    scales
        c of every law.
    log_times
        Logarithm of the reference time of every law, in s.
    lower, upper, is_log
        Boxes of the free parameters.

    Examples
    --------
    >>> box = (1.0, -2.0, -100.0), (1e3, 2.0, 100.0), (True, False, False)
    >>> chart = PowerLawChart(((0, 1, 2),), (50.0,), (0.7,), *box)
    >>> u = np.array([[0.3, 0.6, 0.2]])
    >>> chart.to_unit(chart.from_unit(u)).round(12).tolist()
    [[0.3, 0.6, 0.2]]
    """

    laws: tuple[tuple[int, int, int], ...]
    scales: tuple[float, ...]
    log_times: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    is_log: tuple[bool, ...]

    def to_unit(self, x: Array) -> Array:
        """Points of the unit box; NaN or outside [0, 1] where x has none."""
        u = np.array(x, dtype=float)
        with np.errstate(all="ignore"):
            for law, c, log_time in zip(self.laws, self.scales, self.log_times, strict=True):
                z, m, v = (u[:, i] for i in law)
                alpha = m * v
                offset = c * (np.sinh(z) - 1.0 / v)
                log_d0 = np.log(c / v) - alpha * log_time
                columns = (self._unit_of_log(law[0], log_d0), self._unit(law[1], alpha), self._unit(law[2], offset))
                for i, column in zip(law, columns, strict=True):
                    u[:, i] = column
        return u

    def from_unit(self, u: Array) -> Array:
        """Coordinates of points of the unit box."""
        x = np.array(u, dtype=float)
        for law, c, log_time in zip(self.laws, self.scales, self.log_times, strict=True):
            d0, alpha, offset = (self._value(i, u[:, i]) for i in law)
            log_a = np.log(np.maximum(d0, _EDGE)) + alpha * log_time
            a = np.exp(np.clip(log_a, -_LARGEST, _LARGEST))
            for i, column in zip(law, (np.arcsinh((a + offset) / c), alpha * a / c, c / a), strict=True):
                x[:, i] = column
        return x

    def log_slope(self, x: Array) -> Array:
        """Log of the absolute determinant of du/dx, shape (n,)."""
        total = np.zeros(len(x))
        with np.errstate(all="ignore"):
            u = self.to_unit(x)
            for law, c in zip(self.laws, self.scales, strict=True):
                size = np.abs(x[:, law[0]])
                log_cosh = size + np.log1p(np.exp(-2.0 * size)) - math.log(2.0)
                total += math.log(c) + log_cosh
                for i in law:
                    total -= self._log_width(i, u[:, i])
                total += np.log(np.maximum(self._value(law[0], u[:, law[0]]), _EDGE))
        return np.asarray(total)

    def _unit(self, i: int, value: Array) -> Array:
        if self.is_log[i]:
            return np.asarray(np.log(value / self.lower[i]) / math.log(self.upper[i] / self.lower[i]))
        return np.asarray((value - self.lower[i]) / (self.upper[i] - self.lower[i]))

    def _unit_of_log(self, i: int, log_value: Array) -> Array:
        if self.is_log[i]:
            width = math.log(self.upper[i] / self.lower[i])
            return np.asarray((log_value - math.log(self.lower[i])) / width)
        return self._unit(i, np.exp(np.minimum(log_value, _LARGEST)))

    def _value(self, i: int, unit: Array) -> Array:
        if self.is_log[i]:
            return np.asarray(self.lower[i] * np.exp(unit * math.log(self.upper[i] / self.lower[i])))
        return np.asarray(self.lower[i] + unit * (self.upper[i] - self.lower[i]))

    def _log_width(self, i: int, unit: Array) -> Array:
        """Log of the derivative of a parameter by its coordinate of the unit box."""
        if self.is_log[i]:
            width = math.log(self.upper[i] / self.lower[i])
            return np.asarray(math.log(self.lower[i] * width) + unit * width)
        return np.full(unit.shape, math.log(self.upper[i] - self.lower[i]))


def power_law_chart(
    space: Space, geometry: Geometry, at: Mapping[str, float], covariance: Array
) -> PowerLawChart | None:
    """Return the coordinates for a space; None where no power law has all three parameters free and an amplitude > 0.

    The reference time of a law is that at which its rate is known best, relative to itself: size and slope are not
    correlated there. The scale c is a quarter of that rate, or its standard error where that is more: the first
    coordinate is linear in a rate that might as well be zero.

    Parameters
    ----------
    space
        The physical parameters.
    geometry
        Of the data.
    at
        Best values of the physical parameters.
    covariance
        Of the free parameters, shape (d, d), finite.
    """
    boxes = {name: box for name in space.free if isinstance(box := space[name], Real)}
    times = regularised_times(geometry.t, geometry.dt)
    log_times = np.linspace(np.log(times[0]), np.log(times[-1]), _N_TIMES)
    laws, scales, chosen = [], [], []
    for law in POWER_LAWS:
        if not set(law) <= set(boxes) or boxes[law[0]].lower < 0.0:
            continue
        columns = [space.index(name) for name in law]
        amplitude, exponent, offset = (at[name] for name in law)
        power = np.exp(exponent * log_times)
        rates = amplitude * power + offset
        slopes = np.stack([power, amplitude * power * log_times, np.ones_like(power)], axis=1)
        part = covariance[np.ix_(columns, columns)]
        errors = np.sqrt(np.maximum(np.einsum("ti,ij,tj->t", slopes, part, slopes), 0.0))
        width = boxes[law[2]].upper - boxes[law[2]].lower
        with np.errstate(divide="ignore"):
            best = int(np.argmin(errors / np.abs(rates)))
        laws.append((columns[0], columns[1], columns[2]))
        chosen.append(float(log_times[best]))
        scales.append(max(_PART * abs(float(rates[best])), min(float(errors[best]), width), 1e-12 * width))
    if not laws:
        return None
    ordered = [boxes[name] for name in space.free]
    return PowerLawChart(
        tuple(laws),
        tuple(scales),
        tuple(chosen),
        tuple(box.lower for box in ordered),
        tuple(box.upper for box in ordered),
        tuple(box.scale == "log" for box in ordered),
    )
