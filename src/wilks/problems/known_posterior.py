r"""A posterior of which everything is known, and the one integral that some of its quantiles take.

Where one parameter t is enough to make another one Gaussian, the marginal of that one is

.. math:: P(x < q) = \int p(t) \, \Phi\left(\frac{q - m(t)}{s(t)}\right) dt                                     (1)

by Gauss-Legendre quadrature, and a quantile is found by bisection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.problem import LikelihoodProblem

    Array = NDArray[np.float64]

_N_NODES, _N_BISECTIONS = 400, 90
LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class KnownPosterior:
    """A problem whose posterior is known.

    Attributes
    ----------
    problem
        What a verb is given: a vectorised log-likelihood with its gradient.
    means, standard_deviations
        Of every parameter under the posterior, by name.
    correlations
        Posterior correlations, in the order of the parameters, shape (d, d).
    log_evidence
        Log of the mean of the likelihood under the prior.
    marginals
        Name -> quantile function of the marginal posterior, of an array of probabilities.

    Examples
    --------
    >>> from wilks.problems.posteriors import mixture_posterior
    >>> known = mixture_posterior()
    >>> known.name, round(known.means["x0"], 9), round(float(known.quantile("x0", 0.35)), 9)
    ('mixture_4d', -1.0, -2.5)
    """

    problem: LikelihoodProblem
    means: dict[str, float]
    standard_deviations: dict[str, float]
    correlations: Array
    log_evidence: float
    marginals: Mapping[str, Callable[[Array], Array]] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the problem."""
        return self.problem.name

    def quantile(self, name: str, p: ArrayLike) -> Array:
        """Quantiles of the marginal posterior of a parameter, shape of `p`.

        Raises
        ------
        InvalidConfigurationError
            If there is no such parameter.
        """
        if name not in self.marginals:
            raise InvalidConfigurationError(f"no parameter {name!r}; the parameters are {', '.join(self.marginals)}")
        return np.asarray(self.marginals[name](np.asarray(p, dtype=float)))


def boxes(names: Sequence[str], centre: Array, half_widths: Array) -> Space:
    """A space of intervals around a centre, with uniform priors."""
    sides = zip(names, (centre - half_widths).tolist(), (centre + half_widths).tolist(), strict=True)
    return Space({name: Real(low, high) for name, low, high in sides})


def named(names: Sequence[str], values: Array) -> dict[str, float]:
    """Name -> number."""
    return dict(zip(names, values.tolist(), strict=True))


def phi(z: Array) -> Array:
    """Distribution function of the standard normal."""
    from scipy.special import ndtr  # noqa: PLC0415 - scipy loads on use

    return np.asarray(ndtr(z), dtype=float)


def quadrature(lower: float, upper: float) -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre on an interval."""
    nodes, weights = _gauss_legendre()
    half = 0.5 * (upper - lower)
    return lower + half * (nodes + 1.0), half * weights


@cache
def _gauss_legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_N_NODES)


def conditional_cdf(q: Array, *, p: Array, centres: Array, scale: Array | float) -> Array:
    """Equation (1), with the weights p of the nodes, the centres at them and the scale (of each, or of all)."""
    return np.asarray(phi((q[..., None] - centres) / scale) @ p)


def bisected(cdf: Callable[[Array], Array], limits: tuple[float, float], p: Array) -> Array:
    """Quantiles of a distribution function, by bisection to the last digit."""
    low, high = np.full(p.shape, limits[0]), np.full(p.shape, limits[1])
    for _ in range(_N_BISECTIONS):
        middle = 0.5 * (low + high)
        below = cdf(middle) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))
