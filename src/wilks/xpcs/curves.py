r"""What the model says about the time axis: the few curves from which every pixel of every angle follows.

With the times :math:`t_i < t_j` of a pixel, angle k and :math:`\Delta F = F_j - F_i` for any curve F,

.. math:: f_k(t_i, t_j) = e^{-\Delta E} \, \mathrm{sinc}^p(x), \quad x = p_k \, \Delta\Gamma, \quad
          \mathrm{sinc}\,x = \sin(x) / x                                                                          (1)

and :math:`c_2 = \mathrm{offset}_k + \mathrm{contrast}_k f_k`. The derivatives are those of E and of the strain
:math:`\Gamma`, which are curves too,

.. math:: \partial f = -f \, \Delta(\partial E), \quad
          \partial f = h \, p_k \, \Delta(\partial\Gamma), \quad h = e^{-\Delta E} \frac{d\,\mathrm{sinc}^p}{dx}     (2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Curves:
    """Curves on the time axis for one set of physical parameters.

    Attributes
    ----------
    decay
        E of equation (1), shape (n_t,), without unit.
    decay_slopes
        Derivatives of `decay` with respect to D0, alpha and D_offset, shape (3, n_t).
    strain
        Accumulated shear strain, shape (n_t,); zeros without flow.
    strain_slopes
        Derivatives of `strain` with respect to gamma_dot_0, beta and gamma_dot_offset, shape (3, n_t); shape (0, n_t)
        without flow.
    phases
        Factor p_k of every angle, shape (n_phi,); zeros without flow.
    phase_slopes
        Derivatives of `phases` with respect to phi0, per degree, shape (n_phi,).
    power
        Power p of the sinc: 2 or 4.
    """

    decay: NDArray[np.float64]
    decay_slopes: NDArray[np.float64]
    strain: NDArray[np.float64]
    strain_slopes: NDArray[np.float64]
    phases: NDArray[np.float64]
    phase_slopes: NDArray[np.float64]
    power: int

    @property
    def has_flow(self) -> bool:
        """Is there shear at all?"""
        return len(self.strain_slopes) > 0
