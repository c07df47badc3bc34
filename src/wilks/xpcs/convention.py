r"""What the numbers D0 and gamma_dot_0 of a fit mean: the factors in front of the two integrals.

Let :math:`\mathbf r` be what a scatterer moves between the times t1 and t2. The intermediate scattering function is
:math:`g_1 = \langle e^{i \mathbf q \cdot \mathbf r} \rangle`, and the two-time correlation of the intensities (Siegert)
is :math:`c_2 = \mathrm{offset} + \mathrm{contrast} \, |g_1|^2`.

*Diffusion.* With the transport coefficient :math:`J(t) = d\langle x^2 \rangle / dt` along q and Gaussian displacements,
:math:`|g_1| = \exp(-\frac{q^2}{2} \int J\,dt)`. For Brownian motion with the diffusion coefficient D,
:math:`\langle x^2 \rangle = 2 D t`, so J is 2 D and :math:`|g_1| = e^{-D q^2 t}`, as it must be.

*Shear.* In a plane Couette gap of width L the velocity at the height y is :math:`G y`, in the direction of the flow.
With the angle :math:`\phi_0 - \phi` between q and the flow, a scatterer at y gains the phase
:math:`q \cos(\phi_0 - \phi) \, y \int G\,dt`. The mean over :math:`0 \le y \le L` is, apart from a phase of modulus 1,

.. math:: |g_1| = |\mathrm{sinc}\,x|, \quad x = \tfrac12 q L \cos(\phi_0 - \phi) \int G\,dt, \quad
          \mathrm{sinc}\,x = \sin(x) / x

which is squared in c2. All together, with a factor for each convention that is in use,

.. math:: c_2 = \mathrm{offset} + \mathrm{contrast} \; e^{-2 \, d \, q^2 \int J\,dt} \;
          |\mathrm{sinc}(s \, q L \cos(\phi_0 - \phi) \int G\,dt)|^p                                              (1)

where d is `diffusion_factor`, s is `shear_argument` and p is `shear_power`; the integrals run from t1 to t2, in s.

References
----------
H. He et al., "Transport coefficient approach for characterizing nonequilibrium dynamics in soft matter",
PNAS 121, e2401162121 (2024): J, and the sinc of a gap that is sheared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from wilks.core.errors import InvalidConfigurationError

_POWERS = (2, 4)


class RateRatio(NamedTuple):
    """What a shear rate is multiplied with to pass from one convention to another.

    Attributes
    ----------
    small_phase
        Where the sinc is a parabola: the curvatures agree.
    first_zero
        Where the sinc vanishes first: the zeros agree.
    """

    small_phase: float
    first_zero: float


@dataclass(frozen=True)
class Convention:
    r"""The factors of the model of c2.

    .. math:: c_2 = \mathrm{offset} + \mathrm{contrast} \; e^{-2 d q^2 \int J\,dt} \;
              |\mathrm{sinc}(s \, q L \cos(\phi_0 - \phi) \int G\,dt)|^p, \quad \mathrm{sinc}\,x = \sin(x) / x

    The default is the physics of a plane Couette gap, with J the rate at which the mean square displacement along q
    grows: 2 D for Brownian motion with the diffusion coefficient D.

    Parameters
    ----------
    diffusion_factor
        d, in :math:`|g_1| = \exp(-d q^2 \int J\,dt)`: 0.5 if J is a transport coefficient, 1 if it is a diffusion
        coefficient. The value of D0 goes with 1 / d.
    shear_argument
        s: 0.5 for a gap that is sheared as a whole. The shear rate goes with 1 / s.
    shear_power
        p, the power of the sinc in c2: 2 for a plane Couette gap, or 4.

    Raises
    ------
    InvalidConfigurationError
        If a factor is not a positive number, or the power neither 2 nor 4.

    Examples
    --------
    >>> Convention()
    Convention(diffusion_factor=0.5, shear_argument=0.5, shear_power=2)

    A diffusion coefficient in place of a transport coefficient:

    >>> Convention(diffusion_factor=1.0).describe()[:46]
    'c2 = offset + contrast * exp(-2 * 1 * q^2 * In'
    """

    diffusion_factor: float = 0.5
    shear_argument: float = 0.5
    shear_power: int = 2

    def __post_init__(self) -> None:
        """Check the numbers, and make them plain ones."""
        for name in ("diffusion_factor", "shear_argument"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise InvalidConfigurationError(f"{name}: expected a positive number, such as 0.5, got {value!r}")
            object.__setattr__(self, name, float(value))
        power = self.shear_power
        if isinstance(power, bool) or not isinstance(power, int) or power not in _POWERS:
            raise InvalidConfigurationError(
                "shear_power: expected 2 (c2 falls with sinc^2, a plane Couette gap) or 4 (Convention.homodyne()), "
                f"got {power!r}"
            )

    @classmethod
    def homodyne(cls) -> Convention:
        r"""Return the factors of the package homodyne: 0.5, 1 / (2 pi), and the fourth power of the sinc.

        Its shear rates are larger than those of the default convention: pi / sqrt(2) = 2.2 times where the phase is
        small, pi times at the first zero of the sinc. Its transport coefficients are the same.

        Examples
        --------
        >>> round(Convention.homodyne().rate_ratio(Convention()).small_phase, 3)
        0.45
        """
        return cls(diffusion_factor=0.5, shear_argument=1 / (2 * math.pi), shear_power=4)

    def rate_ratio(self, other: Convention) -> RateRatio:
        r"""Return what a shear rate of this convention is multiplied with to have its value in another one.

        For small x, :math:`\mathrm{sinc}^p x = 1 - p x^2 / 6`, so the curvature keeps its value where
        :math:`s \sqrt p \, G` does; the first zero, x = pi, keeps its place where :math:`s \, G` does. The two ratios
        are the same, and the conversion exact, if and only if the powers are the same; otherwise fit again.

        Examples
        --------
        >>> there = Convention().rate_ratio(Convention.homodyne())
        >>> round(there.small_phase, 4), round(there.first_zero, 4)
        (2.2214, 3.1416)
        """
        first_zero = self.shear_argument / other.shear_argument
        return RateRatio(first_zero * math.sqrt(self.shear_power / other.shear_power), first_zero)

    def describe(self) -> str:
        """Return the model with the factors put in, for people and for files with results."""
        return (
            f"c2 = offset + contrast * exp(-2 * {self.diffusion_factor:.10g} * q^2 * Int J dt) * "
            f"|sinc({self.shear_argument:.10g} * q * L * cos(phi0 - phi) * Int G dt)|^{self.shear_power}, "
            "sinc x = sin(x) / x, integrals from t1 to t2 in s"
        )
