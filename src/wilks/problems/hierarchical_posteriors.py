r"""Posterior of a hierarchical model: some values that scatter about a common mean by an amount that is not known.

The posterior narrows with the scatter, as in Neal's funnel, but mildly: everyday random effects (Gelman 2006, Bayesian
Analysis 1, 515, https://doi.org/10.1214/06-BA117A). With the scatter t, data y_i with standard errors s_i, and
V_i = s_i^2 + t^2, everything else is Gaussian:

.. math:: p(t) \propto \pi(t) \, W^{-1/2} \prod_i V_i^{-1/2} \,
          \exp\left(-\frac{1}{2} \sum_i \frac{(y_i - \hat\mu)^2}{V_i}\right), \quad
          W = \sum_i \frac{1}{V_i}, \quad \hat\mu = \frac{1}{W} \sum_i \frac{y_i}{V_i}                          (1)

.. math:: \mu \mid t \sim N(\hat\mu, 1 / W), \quad
          x_i \mid \mu, t \sim N\left(b_i y_i + (1 - b_i) \mu, \; b_i s_i^2\right), \quad b_i = t^2 / V_i        (2)
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import Chebyshev

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import as_given, columns_of, names_of
from wilks.problems.known_posterior import LOG_2_PI, KnownPosterior, bisected, conditional_cdf, named, quadrature

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

_DATA = np.array([0.9, -0.7, 1.6, 0.2, -1.1, 0.4, 2.3, -0.2])
_ERRORS = np.array([0.5, 0.6, 0.4, 0.7, 0.5, 0.3, 0.8, 0.6])
_LEAST, _MOST, _BOX = 0.3, 10.0, 60.0
_DEGREE = 60


def scatter_posterior(n_values: int = 5) -> KnownPosterior:
    r"""Values x_i about a mean mu with a scatter t: x_i and mu in [-60, 60], t in [0.3, 10] on a log scale.

    .. math:: \log L = -\sum_i \left[\frac{1}{2} \left(\frac{y_i - x_i}{s_i}\right)^2 +
              \frac{1}{2} \left(\frac{x_i - \mu}{t}\right)^2 + \log t\right]

    Parameters
    ----------
    n_values
        Number of values, from 2 to 8.

    Examples
    --------
    >>> known = scatter_posterior()
    >>> known.problem.space.dimension, 0.3 < known.means["t"] < 3.0
    (7, True)
    """
    data, errors = _DATA[:n_values], _ERRORS[:n_values]
    names = names_of(n_values)
    log_t, weights = quadrature(math.log(_LEAST), math.log(_MOST))
    t = np.exp(log_t)
    logs, centres, variances = given_scatter(t, data, errors)
    masses = weights * np.exp(logs - logs.max())
    p = masses / masses.sum()
    means = np.append(p @ t, p @ centres)
    spreads = np.append(p @ t**2, p @ (centres**2 + np.diagonal(variances, axis1=1, axis2=2))) - means**2
    # Given t the scatter is a number: it is correlated with the rest through the centres alone.
    points = np.concatenate([t[:, None], centres], axis=1) - means
    covariance = (points * p[:, None]).T @ points
    covariance[1:, 1:] += np.tensordot(p, variances, axes=1)
    deviations = np.sqrt(spreads)
    of_t = partial(bisected, _distribution(data, errors), (_LEAST, _MOST))
    of_rest = [
        partial(
            bisected,
            partial(conditional_cdf, p=p, centres=centres[:, i], scale=np.sqrt(variances[:, i, i])),
            (-_BOX, _BOX),
        )
        for i in range(n_values + 1)
    ]
    problem = LikelihoodProblem(
        Space(
            {
                "t": Real(_LEAST, _MOST, scale="log"),
                **{name: Real(-_BOX, _BOX) for name in ("mu", *names)},
            }
        ),
        partial(_scatter, data=data, errors=errors),
        gradient=partial(_scatter_gradient, data=data, errors=errors),
        vectorized=True,
        name=f"scatter_{n_values + 2}d",
    )
    # In (1) the densities of the data and of the values are normalised; in the likelihood they are not.
    constant = float(np.log(errors).sum()) + n_values * LOG_2_PI
    log_evidence = math.log(float(masses.sum())) + float(logs.max()) + constant
    log_evidence -= math.log(math.log(_MOST / _LEAST)) + (n_values + 1) * math.log(2.0 * _BOX)
    every = ("t", "mu", *names)
    return KnownPosterior(
        problem,
        named(every, means),
        named(every, deviations),
        covariance / np.outer(deviations, deviations),
        log_evidence,
        dict(zip(every, (of_t, *of_rest), strict=True)),
    )


def given_scatter(t: Array, data: Array, errors: Array) -> tuple[Array, Array, Array]:
    """Log of (1) without the prior, and means and covariances of mu and all x_i, by (2); first axis as t."""
    total = errors**2 + t[:, None] ** 2
    precision = (1.0 / total).sum(axis=1)
    mu = (data / total).sum(axis=1) / precision
    logs = -0.5 * (((data - mu[:, None]) ** 2 / total).sum(axis=1) + np.log(2.0 * math.pi * total).sum(axis=1))
    logs += 0.5 * (LOG_2_PI - np.log(precision))
    share = t[:, None] ** 2 / total
    pull = np.concatenate([np.ones((len(t), 1)), 1.0 - share], axis=1)  # what mu + 1 does to each
    own = np.concatenate([np.zeros((len(t), 1)), share * errors**2], axis=1)
    centres = np.concatenate([np.zeros((len(t), 1)), share * data], axis=1) + pull * mu[:, None]
    variances = pull[:, :, None] * pull[:, None, :] / precision[:, None, None]
    return logs, centres, variances + own[:, :, None] * np.eye(len(data) + 1)


def _distribution(data: Array, errors: Array) -> Callable[[Array], Array]:
    """Distribution function of t: the antiderivative of a polynomial through its density in log t, to 1e-12."""

    def density(log_t: Array) -> Array:
        return np.exp(given_scatter(np.exp(log_t), data, errors)[0])

    domain = (math.log(_LEAST), math.log(_MOST))
    integral = Chebyshev.interpolate(density, _DEGREE, domain).integ(lbnd=domain[0])
    total = float(integral(domain[1]))
    return lambda q: np.asarray(integral(np.log(q))) / total


def _scatter(values: Values, *, data: Array, errors: Array) -> Answer:
    t, mu, *x = columns_of(values)
    apart = np.square([(each - mu) / t for each in x]).sum(axis=0)
    off = np.square([(y - each) / s for each, y, s in zip(x, data, errors, strict=True)]).sum(axis=0)
    return as_given(-0.5 * (apart + off) - len(x) * np.log(t))


def _scatter_gradient(values: Values, *, data: Array, errors: Array) -> Array:
    t, mu, *x = (float(each) for each in columns_of(values))
    apart = (np.array(x) - mu) / t
    of_x = (data - np.array(x)) / errors**2 - apart / t
    return np.array([(float(apart @ apart) - len(x)) / t, float(apart.sum()) / t, *of_x])
