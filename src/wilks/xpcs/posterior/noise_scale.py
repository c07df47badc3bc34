r"""The noise that nobody knows: a common factor s of all standard deviations, integrated out.

With the prior 1 / s and the sum of squares R of N values, of which n linear coefficients took their share, what is
left of a likelihood is

.. math:: \int \frac{ds}{s} \; s^{-\nu} e^{-R / 2 s^2} = \tfrac12 \Gamma(\nu / 2) \, (R / 2)^{-\nu / 2},
          \quad \nu = N - n                                                                                      (1)

Where the coefficients lean on a bound the integrand has another factor that depends on s. In t = log s the integrand of
(1) is bell-shaped with the width :math:`(2 \nu)^{-1/2}`, and the trapezoid rule with a step of one such width is exact
to :math:`e^{-2 \pi^2}`, whatever smooth factor comes with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Sigma = Literal["integrated", "per_angle", "known"]
"""One unknown factor of the standard deviations of all angles; one for each angle; standard deviations as they are."""

_REACH = 7


def log_integral(r: Array, nu: Array | float) -> Array:
    """Log of (1).

    Examples
    --------
    >>> round(float(log_integral(np.array(2.0), 2.0)), 4)  # Gamma(1) / 2
    -0.6931
    """
    from scipy.special import gammaln  # noqa: PLC0415 - scipy loads on use

    half = 0.5 * np.asarray(nu, dtype=float)
    return np.asarray(-math.log(2.0) + gammaln(half) - half * np.log(0.5 * r))


def nodes(r: Array, nu: Array | float, around: Array | None = None) -> tuple[Array, Array]:
    r"""Nodes of the integral over s, and logarithms of their weights.

    Parameters
    ----------
    r, nu
        R and :math:`\nu`, shape (...).
    around
        Sum of squares at which the integrand with its other factor has its peak; R by default.

    Returns
    -------
    array, array
        s, and the log of the integrand of (1) times the step, shape (..., n).
    """
    nu = np.asarray(nu, dtype=float)[..., None]
    centre = r if around is None else around
    step = 1.0 / np.sqrt(2.0 * nu)
    t = 0.5 * np.log(centre[..., None] / nu) + step * np.arange(-_REACH, _REACH + 1)
    return np.exp(t), np.log(step) - nu * t - 0.5 * r[..., None] * np.exp(-2.0 * t)


def log_sum(values: Array, axis: int = -1) -> Array:
    """Log of the sum of exponentials along an axis; minus infinity where all are."""
    top = np.max(values, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - top).sum(axis=axis)) + np.squeeze(top, axis=axis))
