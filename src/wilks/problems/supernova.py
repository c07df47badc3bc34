r"""Type Ia supernovae and dark energy: real data, three parameters, an answer that is published.

Data: distance moduli of the 580 supernovae of the Union2.1 compilation (Suzuki et al. 2012, ApJ 746, 85), with their
statistical errors. Model: a flat universe with matter and a dark energy of constant equation of state w. With the
Hubble constant H0 = 70 km/s/Mpc and the speed of light c = 299792.458 km/s, radiation neglected,

.. math::
    E(z)^2 &= \Omega_m (1 + z)^3 + (1 - \Omega_m) (1 + z)^{3 (1 + w)}                                          (1)

    D_C(z) &= \frac{c}{H_0} \int_0^z \frac{dz'}{E(z')} \quad \text{in Mpc}                                     (2)

    \mu(z) &= 5 \log_{10}\frac{(1 + z) D_C(z)}{\text{Mpc}} + 25 + \text{offset} \quad \text{in mag}            (3)

The offset takes up the unknown absolute magnitude, and with it the value of H0. The log-likelihood is exactly
-chi^2 / 2, without a constant, so that chi^2 = -2 log L.

The integral (2) is taken in u = log(1 + z), from each redshift to the next in ascending order, with three
Gauss-Legendre nodes in every gap, and summed up: 1740 evaluations of (1) give all 580 distances. The widest gap is
0.023 in u, while the nearest complex zero of (1) is at least pi / 9 away from the real axis, so the relative error is
below 1e-11 everywhere in the box.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.core.least_squares import ResidualProblem
from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


HUBBLE_CONSTANT = 70.0
"""Fiducial value, km/s/Mpc; the data are given for h = 0.7."""

SPEED_OF_LIGHT = 299792.458
"""In km/s."""

_NODES_PER_GAP = 3


class Supernovae(NamedTuple):
    """The data, in ascending order of redshift.

    Attributes
    ----------
    redshift
        Shape (580,).
    distance_modulus
        In mag, for h = 0.7, shape (580,).
    error
        Statistical standard error of the distance modulus, in mag, shape (580,).
    """

    redshift: NDArray[np.float64]
    distance_modulus: NDArray[np.float64]
    error: NDArray[np.float64]


class _Rule(NamedTuple):
    """The quadrature for (2): what does not depend on the parameters."""

    log_scale: NDArray[np.float64]  # u = log(1 + z) at the nodes, shape (580, 3)
    matter: NDArray[np.float64]  # (1 + z)^3 there
    weight: NDArray[np.float64]  # weight of the node times dz/du = 1 + z
    zero_point: NDArray[np.float64]  # (3) without the integral and the offset, shape (580,)


@lru_cache(maxsize=1)
def supernova_data() -> Supernovae:
    """Read the Union2.1 compilation that comes with wilks.

    Examples
    --------
    >>> data = supernova_data()
    >>> len(data.redshift), float(data.redshift[-1])
    (580, 1.414)
    """
    text = resources.files("wilks.problems").joinpath("data/union2.1.csv").read_text("utf-8")
    table = np.loadtxt(text.splitlines(), delimiter=",", skiprows=3, usecols=(1, 2, 3))
    table = table[np.argsort(table[:, 0], kind="stable")]
    table.setflags(write=False)
    return Supernovae(*table.T)


@lru_cache(maxsize=1)
def _rule() -> _Rule:
    redshift = supernova_data().redshift
    ends = np.log1p(redshift)
    starts = np.concatenate(([0.0], ends[:-1]))
    node, weight = np.polynomial.legendre.leggauss(_NODES_PER_GAP)
    half = 0.5 * (ends - starts)[:, None]
    u = starts[:, None] + half * (1 + node)
    zero_point = 5 * np.log10((1 + redshift) * SPEED_OF_LIGHT / HUBBLE_CONSTANT) + 25
    return _Rule(u, np.exp(3 * u), weight * half * np.exp(u), zero_point)


def distance_modulus(omega_m: float, w: float) -> NDArray[np.float64]:
    """Distance modulus (3) of every supernova, without the offset, in mag.

    Parameters
    ----------
    omega_m
        Matter density today, in units of the critical density, in [0, 1].
    w
        Equation of state of dark energy: pressure over energy density.
    """
    rule = _rule()
    expansion_squared = omega_m * rule.matter + (1 - omega_m) * np.exp(3 * (1 + w) * rule.log_scale)  # (1)
    integral = np.cumsum((rule.weight / np.sqrt(expansion_squared)).sum(axis=1))  # (2)
    modulus: NDArray[np.float64] = rule.zero_point + 5 * np.log10(integral)
    return modulus


def supernova_residual(values: Mapping[str, float]) -> NDArray[np.float64]:
    """(data - model) / error of every supernova, in ascending order of redshift."""
    data = supernova_data()
    model = distance_modulus(values["omega_m"], values["w"]) + values["offset"]
    return (data.distance_modulus - model) / data.error


def supernova_log_likelihood(values: Mapping[str, float]) -> float:
    """Minus half the chi-squared."""
    residual = supernova_residual(values)
    return -0.5 * float(residual @ residual)


def supernova() -> LikelihoodProblem:
    r"""Flat wCDM on the 580 supernovae of Union2.1, as a log-likelihood.

    Parameters of the problem: ``omega_m`` in [0, 1], ``w`` in [-3, 0], ``offset`` in [-1, 1] mag.

    References: with w = -1 the best fit has chi-squared 562.227 at omega_m = 0.2776, and with w free 562.224 at
    omega_m = 0.281, w = -1.01. Suzuki et al. (2012) publish 0.278 +- 0.014 (statistical) for w = -1; here the half
    width of the 68 % interval is 0.013 with the offset held, and 0.019 with the offset optimised out.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.problems.supernova()
    >>> round(-2 * problem.log_likelihood({"omega_m": 0.2776, "w": -1.0, "offset": 0.0}), 2)
    562.23
    """
    return LikelihoodProblem(_space(), supernova_log_likelihood, name="supernova")


def supernova_residuals() -> ResidualProblem:
    """Build the problem of `supernova` from residuals, for least squares.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.problems.supernova_residuals()
    >>> problem.residual({"omega_m": 0.3, "w": -1.0, "offset": 0.0}).shape
    (580,)
    """
    return ResidualProblem(_space(), supernova_residual, name="supernova_residuals")


def _space() -> Space:
    return Space(
        omega_m=Real(0, 1, label=r"$\Omega_m$"),
        w=Real(-3, 0, label="$w$"),
        offset=Real(-1, 1, unit="mag", label="offset"),
    )
