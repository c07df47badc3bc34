r"""From the physical parameters to the curves on the time axis, and from the curves to two-time correlations.

Transport coefficient and shear rate are power laws of the age with an offset,

.. math:: J(t) = D_0 \, \tau^\alpha + D_\mathrm{offset}, \quad
          G(t) = \dot\gamma_0 \, \tau^\beta + \dot\gamma_\mathrm{offset}, \quad \tau = \max(t, dt / 2)             (1)

At t = 0 a power law may diverge: the first frame stands for the ages from 0 to dt, and half a frame is their mean.
Pixels see J and G only through their integrals (trapezoid rule on the time axis),

.. math:: E(t) = 2 d \, q^2 \int J\,dt, \quad \Gamma(t) = \int G\,dt, \quad
          p_k = s \, q L \cos(\phi_0 - \phi_k)                                                                    (2)

with the factors d and s of `wilks.xpcs.convention`; `wilks.xpcs.curves` says how c2 and its derivatives follow from
E, :math:`\Gamma` and p_k. Everything is linear in the amplitudes and offsets, and the derivative with respect to an
exponent is the same integral with a factor :math:`\log\tau`, so three integrals for each power law give it all.

J and G may become negative: the correlation then grows with the lag, which no matter does, but a fit that passes
through such values on its way must see the slope that leads it out. There is therefore no floor.

Units: time in s, q in 1/Å, gap in Å, angles in degrees, D0 and D_offset in Å^2/s (D0 where the age is 1 s),
gamma_dot_0 and gamma_dot_offset in 1/s, alpha and beta without unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.convention import Convention
from wilks.xpcs.curves import Curves
from wilks.xpcs.sinc import sinc_power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

_DIFFUSION = ("D0", "alpha", "D_offset")
_FLOW = ("gamma_dot_0", "beta", "gamma_dot_offset")

POWER_LAWS = (_DIFFUSION, _FLOW)
"""Names of amplitude, exponent and offset of transport coefficient and shear rate."""

FLOW_NAMES = (*_FLOW, "phi0")
PHYSICAL_NAMES = {"static": _DIFFUSION, "laminar_flow": (*_DIFFUSION, *FLOW_NAMES)}
"""Names of the physical parameters of each mode, in the order of the slopes of `wilks.xpcs.curves.Curves`."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """What the model knows of a measurement, its data aside.

    Parameters
    ----------
    t
        Times of the frames in s, strictly ascending, shape (n_t,). They are ages: the power laws begin at t = 0.
    dt
        Time between frames, in s.
    q
        Wave vector, in 1/Å.
    gap
        Gap between rotor and stator, in Å; None if there is no flow.
    phi
        Angle of the wave vector, in degrees, shape (n_phi,); in any order.
    convention
        Factors of the model.

    Raises
    ------
    InvalidDataError
        If a value cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> geometry = Geometry(t=0.1 * np.arange(50), dt=0.1, q=0.0054, gap=2e6, phi=[0.0, 45.0, 90.0])
    >>> geometry.phi.shape
    (3,)
    """

    t: NDArray[np.float64]
    dt: float
    q: float
    gap: float | None
    phi: NDArray[np.float64]
    convention: Convention = field(default_factory=Convention)

    def __post_init__(self) -> None:
        """Check the values, and make them arrays."""
        for name in ("t", "phi"):
            object.__setattr__(self, name, _line(name, getattr(self, name)))
        if len(self.t) < 2 or not (np.diff(self.t) > 0).all() or self.t[0] < 0:
            raise InvalidDataError(f"t: expected at least two times >= 0 in s, strictly ascending, got {self.t!r:.120}")
        for name in ("dt", "q") if self.gap is None else ("dt", "q", "gap"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < math.inf:
                unit = {"dt": "s", "q": "1/Å", "gap": "Å"}[name]
                raise InvalidDataError(f"{name}: expected a positive number, in {unit}, got {value!r}")
            object.__setattr__(self, name, float(value))

    @cached_property
    def log_age(self) -> NDArray[np.float64]:
        """Logarithm of the regularised times, in s."""
        return np.log(regularised_times(self.t, self.dt))

    @cached_property
    def elapsed(self) -> NDArray[np.float64]:
        """Time since the first frame, in s: the integral of 1."""
        since: NDArray[np.float64] = self.t - self.t[0]
        return since


def regularised_times(t: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Return the larger of the time and half a frame, in s: power laws of any exponent are finite there."""
    times: NDArray[np.float64] = np.maximum(np.asarray(t, dtype=float), dt / 2)
    return times


def transport_coefficient(times: NDArray[np.float64], d0: float, alpha: float, d_offset: float) -> NDArray[np.float64]:
    """Return J of equation (1) in Å^2/s, at regularised times in s; `d0` and `d_offset` in Å^2/s.

    Examples
    --------
    >>> import numpy as np
    >>> transport_coefficient(np.array([1.0, 4.0]), 100.0, -0.5, 3.0)
    array([103.,  53.])
    """
    with np.errstate(all="ignore"):
        values: NDArray[np.float64] = d0 * times**alpha + d_offset
    return values


def shear_rate(
    times: NDArray[np.float64], gamma_dot_0: float, beta: float, gamma_dot_offset: float
) -> NDArray[np.float64]:
    """Return G of equation (1) in 1/s, at regularised times in s; `gamma_dot_0` and `gamma_dot_offset` in 1/s."""
    with np.errstate(all="ignore"):
        values: NDArray[np.float64] = gamma_dot_0 * times**beta + gamma_dot_offset
    return values


def negative_transport(values: Mapping[str, float], t: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Return the times in s at which J is negative: an answer of a fit that has any is no physical one.

    Examples
    --------
    >>> negative_transport({"D0": 100.0, "alpha": -1.0, "D_offset": -40.0}, [1.0, 2.0, 3.0], dt=1.0)
    array([3.])
    """
    times = np.asarray(t, dtype=float)
    return times[transport_coefficient(regularised_times(times, dt), *_pick(values, _DIFFUSION)) < 0]


def cumulative(values: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from the first time to each time by the trapezoid rule, along the last axis; it starts at 0.

    Examples
    --------
    >>> import numpy as np
    >>> cumulative(np.array([1.0, 3.0, 3.0]), np.array([0.0, 1.0, 3.0]))
    array([0., 2., 8.])
    """
    integral = np.zeros(values.shape)
    np.cumsum(0.5 * np.diff(t) * (values[..., 1:] + values[..., :-1]), axis=-1, out=integral[..., 1:])
    return integral


def curves(values: Mapping[str, float], geometry: Geometry, mode: str = "laminar_flow") -> Curves:
    """Return the curves of equation (2) with all their derivatives.

    Where a power law overflows, the curves are infinite or NaN, without a warning: callers leave such a point out.

    Parameters
    ----------
    values
        Physical parameters of the mode by name; others are not looked at.
    geometry
        Times, angles and factors.
    mode
        ``"static"`` or ``"laminar_flow"``.

    Raises
    ------
    InvalidConfigurationError
        If a value is missing or the mode is unknown.
    InvalidDataError
        If there is flow and the gap is not known.

    Examples
    --------
    >>> import numpy as np
    >>> geometry = Geometry(t=0.1 * np.arange(50), dt=0.1, q=0.0054, gap=None, phi=[0.0])
    >>> made = curves({"D0": 1e4, "alpha": 0.0, "D_offset": 0.0}, geometry, "static")
    >>> round(float(made.decay[-1]), 4)  # q^2 * 1e4 * 4.9
    1.4288
    """
    if mode not in PHYSICAL_NAMES:
        raise InvalidConfigurationError(f"mode: expected {' or '.join(map(repr, PHYSICAL_NAMES))}, got {mode!r}")
    convention, n_phi = geometry.convention, len(geometry.phi)
    with np.errstate(all="ignore"):
        transport, transport_slopes = _integral(geometry, *_pick(values, _DIFFUSION))
        factor = 2 * convention.diffusion_factor * geometry.q**2
        decay, decay_slopes = factor * transport, factor * transport_slopes
        if mode == "laminar_flow":
            strain, strain_slopes = _integral(geometry, *_pick(values, _FLOW))
            phases, phase_slopes = _phases(geometry, *_pick(values, ("phi0",)))
        else:
            strain, strain_slopes = np.zeros(len(geometry.t)), np.zeros((0, len(geometry.t)))
            phases, phase_slopes = np.zeros(n_phi), np.zeros(n_phi)
    return Curves(decay, decay_slopes, strain, strain_slopes, phases, phase_slopes, convention.shear_power)


_ROWS = 64
"""Rows of a model matrix that are made at a time: half of the matrix follows from the other."""


def decay_function(made: Curves, first: NDArray[np.intp], second: NDArray[np.intp], k: int) -> NDArray[np.float64]:
    """Return f of equation (1) of `wilks.xpcs.curves`, which is 1 where the times are the same.

    Parameters
    ----------
    made
        The curves.
    first, second
        Indices of the times of each pair, any shape, ``first <= second``.
    k
        The angle.
    """
    with np.errstate(all="ignore"):
        f = np.exp(made.decay[first] - made.decay[second])
        if made.has_flow:
            f *= sinc_power(made.phases[k] * (made.strain[second] - made.strain[first]), made.power)
    return f


def model_matrix(made: Curves, k: int) -> NDArray[np.float64]:
    """Return f for all pairs of times of angle k, shape (n_t, n_t): symmetric, 1 on the diagonal.

    Examples
    --------
    >>> import numpy as np
    >>> geometry = Geometry(t=np.arange(3.0), dt=1.0, q=0.01, gap=1e6, phi=[0.0, 90.0])
    >>> values = {"D0": 1e3, "alpha": 0.0, "D_offset": 0.0, "gamma_dot_0": 2e-4, "beta": 0.0}
    >>> made = curves({**values, "gamma_dot_offset": 0.0, "phi0": 0.0}, geometry)
    >>> model_matrix(made, 0).round(3)
    array([[1.   , 0.641, 0.169],
           [0.641, 1.   , 0.641],
           [0.169, 0.641, 1.   ]])
    """
    n_t = len(made.decay)
    index, upper = np.arange(n_t), np.zeros((n_t, n_t))
    for begin in range(0, n_t, _ROWS):
        rows = slice(begin, begin + _ROWS)
        upper[rows, begin:] = decay_function(made, index[rows, None], index[None, begin:], k)
    upper = np.triu(upper)
    return upper + np.triu(upper, 1).T


def _line(name: str, given: ArrayLike) -> NDArray[np.float64]:
    try:
        line = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        line = np.zeros(0)
    if line.ndim != 1 or not line.size or not np.isfinite(line).all():
        raise InvalidDataError(f"{name}: expected finite numbers in one dimension, got {given!r:.120}")
    return line


def _pick(values: Mapping[str, float], names: tuple[str, ...]) -> list[float]:
    try:
        return [float(values[name]) for name in names]
    except KeyError:
        missing = ", ".join(name for name in names if name not in values)
        raise InvalidConfigurationError(
            f"values: {missing} is missing; static mode needs {', '.join(_DIFFUSION)}, "
            f"laminar_flow {', '.join(FLOW_NAMES)} too; got {', '.join(values) or 'nothing'}"
        ) from None


def _integral(
    geometry: Geometry, amplitude: float, exponent: float, offset: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integral of a power law with an offset, shape (n_t,), and its derivatives, shape (3, n_t)."""
    rates = np.empty((2, len(geometry.t)))
    np.exp(exponent * geometry.log_age, out=rates[0])
    np.multiply(rates[0], geometry.log_age, out=rates[1])
    slopes = np.empty((3, len(geometry.t)))
    slopes[:2] = cumulative(rates, geometry.t)
    slopes[1] *= amplitude
    slopes[2] = geometry.elapsed
    return amplitude * slopes[0] + offset * slopes[2], slopes


def _phases(geometry: Geometry, phi0: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """p_k of equation (2), without unit, and its derivative with respect to phi0 in degrees."""
    if geometry.gap is None:
        raise InvalidDataError(
            "gap: mode 'laminar_flow' needs the gap between rotor and stator in Å, got None; give it, or take "
            "mode='static' for a sample at rest"
        )
    scale = geometry.convention.shear_argument * geometry.q * geometry.gap
    angle = np.deg2rad(phi0 - geometry.phi)
    return scale * np.cos(angle), -scale * np.deg2rad(np.sin(angle))
