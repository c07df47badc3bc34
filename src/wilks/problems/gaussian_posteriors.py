"""Posteriors close to a Gaussian: in bad units, with heavy tails, cut by a bound, with a prior on a log scale.

They have their moments, quantiles and evidence in closed form. Boxes cut off less than 1e-12 of the probability, except
where it is said.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.prior import LogNormal, Normal
from wilks.core.problem import LikelihoodProblem
from wilks.core.random import keyed_generator
from wilks.core.space import Space
from wilks.problems.known import as_given, columns_of, names_of
from wilks.problems.known_posterior import (
    LOG_2_PI,
    KnownPosterior,
    bisected,
    boxes,
    conditional_cdf,
    named,
    phi,
    quadrature,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

# A Gaussian in bad units.


def gaussian_posterior(dimension: int = 5, correlation: float = 0.99) -> KnownPosterior:
    r"""A Gaussian whose parameters are all correlated alike, with standard deviations from 1e-7 to 1e4.

    .. math:: \log L = -\frac{1}{2} z^T C^{-1} z, \quad z_i = \frac{x_i - m_i}{s_i},
              \quad C_{ij} = \rho + (1 - \rho) \delta_{ij}

    The prior is uniform on a box of 20 standard deviations to either side.

    Examples
    --------
    >>> known = gaussian_posterior()
    >>> known.standard_deviations["x0"], float(known.correlations[0, 1])
    (1e-07, 0.99)
    """
    names = names_of(dimension)
    scales = np.geomspace(1e-7, 1e4, dimension) if dimension > 1 else np.ones(1)
    centre = scales * (np.arange(dimension) - 1.0)
    shape = np.full((dimension, dimension), correlation) + (1.0 - correlation) * np.eye(dimension)
    precision = np.asarray(np.linalg.inv(shape), dtype=float)
    problem = LikelihoodProblem(
        boxes(names, centre, 20.0 * scales),
        partial(_gaussian, centre=centre, scales=scales, precision=precision),
        gradient=partial(_gaussian_gradient, centre=centre, scales=scales, precision=precision),
        vectorized=True,
        name=f"gaussian_{dimension}d",
    )
    marginals = {name: Normal(m, s).ppf for name, m, s in zip(names, centre.tolist(), scales.tolist(), strict=True)}
    evidence = 0.5 * (dimension * LOG_2_PI + float(np.linalg.slogdet(shape)[1])) - dimension * math.log(40.0)
    return KnownPosterior(problem, named(names, centre), named(names, scales), shape, evidence, marginals)


def _gaussian(values: Values, *, centre: Array, scales: Array, precision: Array) -> Answer:
    z = (columns_of(values).T - centre) / scales
    return as_given(-0.5 * np.einsum("...i,ij,...j->...", z, precision, z))


def _gaussian_gradient(values: Values, *, centre: Array, scales: Array, precision: Array) -> Array:
    return np.asarray(-(precision @ ((columns_of(values) - centre) / scales)) / scales)


# Linear regression without its offset and sigma: heavy tails.


def regression_posterior(n_data: int = 15) -> KnownPosterior:
    r"""Linear regression on three columns; the offset and sigma are integrated out (flat, and flat in log sigma).

    With X and y less their means, the residual sum of squares is that of the best offset, and

    .. math:: \log L = -\frac{n - 1}{2} \log \mathrm{RSS}(\beta)

    so that the posterior is a multivariate Student t with n - 4 degrees of freedom around the least-squares solution,
    of scale matrix s^2 (X'X)^-1, s^2 = RSS_min / (n - 4). The prior is uniform on 300 scales to either side, which
    holds the tails for ten data or more.

    Examples
    --------
    >>> known = regression_posterior()
    >>> known.problem.space.free
    ('slope', 'bend', 'wave')
    """
    names = ("slope", "bend", "wave")
    t = np.linspace(-1.0, 1.0, n_data)
    columns = np.stack([t, t**2, np.cos(6.0 * t)], axis=1)
    noise = keyed_generator(2).normal(size=n_data)
    data = columns @ np.array([2.0, -1.0, 0.5]) + 0.1 * noise
    columns, data = columns - columns.mean(axis=0), data - data.mean()
    found, (least,), _, _ = np.linalg.lstsq(columns, data, rcond=None)
    dof, d = n_data - 4, 3
    scale_matrix = least / dof * np.linalg.inv(columns.T @ columns)
    scales = np.sqrt(np.diag(scale_matrix))
    problem = LikelihoodProblem(
        boxes(names, found, 300.0 * scales),
        partial(_regression, columns=columns, data=data),
        gradient=partial(_regression_gradient, columns=columns, data=data),
        vectorized=True,
        name="regression_student",
    )
    evidence = (
        -0.5 * (n_data - 1) * math.log(least)
        + math.lgamma(0.5 * dof)
        - math.lgamma(0.5 * (dof + d))
        + 0.5 * (d * math.log(dof * math.pi) + float(np.linalg.slogdet(scale_matrix)[1]))
        - float(np.log(600.0 * scales).sum())
    )
    return KnownPosterior(
        problem,
        named(names, found),
        named(names, scales * math.sqrt(dof / (dof - 2.0))),
        scale_matrix / np.outer(scales, scales),
        evidence,
        {name: partial(_student_quantile, m, s, dof) for name, m, s in zip(names, found, scales, strict=True)},
    )


def _regression(values: Values, *, columns: Array, data: Array) -> Answer:
    residuals = data - columns_of(values).T @ columns.T
    return as_given(np.asarray(-0.5 * (len(data) - 1) * np.log((residuals**2).sum(axis=-1))))


def _regression_gradient(values: Values, *, columns: Array, data: Array) -> Array:
    residuals = data - columns @ columns_of(values)
    return np.asarray((len(data) - 1) * (columns.T @ residuals) / (residuals @ residuals))


def _student_quantile(centre: float, scale: float, dof: int, p: Array) -> Array:
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy loads on use

    return np.asarray(centre + scale * stdtrit(dof, p))


# A bound that cuts through the bulk.

_TILT, _BESIDE = 0.8, -0.5


def truncated_posterior() -> KnownPosterior:
    r"""Two correlated Gaussian parameters, one of which has its centre half a standard deviation outside its bound.

    .. math:: \log L = -\frac{1}{2} (a + 0.5)^2 - \frac{1}{2} \left(\frac{b - 0.8 (a + 0.5)}{0.6}\right)^2,
              \quad a \in [0, 10], \; b \in [-10, 10]

    Examples
    --------
    >>> known = truncated_posterior()
    >>> round(known.means["a"], 4), round(float(known.quantile("a", 0.05)), 4)
    (0.641, 0.0442)
    """
    below = float(phi(np.array(-_BESIDE)))
    held = 1.0 - below
    hazard = math.exp(-0.5 * _BESIDE**2 - 0.5 * LOG_2_PI) / held  # density over mass at the bound
    a_mean = _BESIDE + hazard
    a_variance = 1.0 - _BESIDE * hazard - hazard**2
    residual = math.sqrt(1.0 - _TILT**2)
    b_spread = math.sqrt(_TILT**2 * a_variance + residual**2)
    a, weights = quadrature(0.0, 10.0)
    p = weights * np.exp(Normal(_BESIDE, 1.0).logpdf(a))
    cdf = partial(conditional_cdf, p=p / p.sum(), centres=_TILT * (a - _BESIDE), scale=residual)
    problem = LikelihoodProblem(
        Space(a=Real(0, 10), b=Real(-10, 10)),
        _truncated,
        gradient=_truncated_gradient,
        vectorized=True,
        name="truncated_2d",
    )
    correlation = _TILT * math.sqrt(a_variance) / b_spread
    return KnownPosterior(
        problem,
        {"a": a_mean, "b": _TILT * hazard},
        {"a": math.sqrt(a_variance), "b": b_spread},
        np.array([[1.0, correlation], [correlation, 1.0]]),
        LOG_2_PI + math.log(residual * held / 200.0),
        {"a": partial(_truncated_quantile, below), "b": partial(bisected, cdf, (-10.0, 10.0))},
    )


def _truncated(values: Values) -> Answer:
    a, b = columns_of(values)
    rest = (b - _TILT * (a - _BESIDE)) / math.sqrt(1.0 - _TILT**2)
    return as_given(np.asarray(-0.5 * (a - _BESIDE) ** 2 - 0.5 * rest**2))


def _truncated_gradient(values: Values) -> Array:
    a, b = columns_of(values)
    pull = (b - _TILT * (a - _BESIDE)) / (1.0 - _TILT**2)
    return np.array([-(a - _BESIDE) + _TILT * pull, -pull])


def _truncated_quantile(below: float, p: Array) -> Array:
    return Normal(_BESIDE, 1.0).ppf(below + (1.0 - below) * p)


# A scale parameter with a prior on its logarithm.

_PRIOR, _DATUM, _ERROR, _SLOPE, _NOISE = LogNormal(2.0, 0.8), math.log(5.0), 0.5, 1.5, 0.4


def log_scale_posterior() -> KnownPosterior:
    r"""A positive rate r with the prior LogNormal(2, 0.8), measured on a log scale, and a height that follows it.

    .. math:: \log L = -\frac{1}{2} \left(\frac{\log r - \log 5}{0.5}\right)^2
                       - \frac{1}{2} \left(\frac{h - 1.5 \log r}{0.4}\right)^2

    The rate is on a log scale, r in [1e-3, 1e3], and h in [-20, 20]: a sampler that forgets the Jacobian of the scale
    draws rates that are too high. The posterior of log r is Gaussian.

    Examples
    --------
    >>> known = log_scale_posterior()
    >>> round(known.means["rate"], 4), round(float(known.quantile("rate", 0.5)), 4)
    (4.2289, 3.8654)
    """
    location, width = math.log(_PRIOR.median), _PRIOR.sigma
    variance = 1.0 / (1.0 / width**2 + 1.0 / _ERROR**2)
    centre = variance * (location / width**2 + _DATUM / _ERROR**2)
    mean = math.exp(centre + 0.5 * variance)
    spread = mean * math.sqrt(math.expm1(variance))
    h_spread = math.sqrt(_SLOPE**2 * variance + _NOISE**2)
    correlation = _SLOPE * variance * mean / (spread * h_spread)
    problem = LikelihoodProblem(
        Space(rate=Real(1e-3, 1e3, scale="log", prior=_PRIOR), height=Real(-20, 20)),
        _log_scale,
        gradient=_log_scale_gradient,
        vectorized=True,
        name="log_scale_2d",
    )
    total = math.hypot(width, _ERROR)
    evidence = -0.5 * ((_DATUM - location) / total) ** 2 + math.log(_ERROR / total)
    return KnownPosterior(
        problem,
        {"rate": mean, "height": _SLOPE * centre},
        {"rate": spread, "height": h_spread},
        np.array([[1.0, correlation], [correlation, 1.0]]),
        evidence + 0.5 * LOG_2_PI + math.log(_NOISE / 40.0),
        {
            "rate": LogNormal(math.exp(centre), math.sqrt(variance)).ppf,
            "height": Normal(_SLOPE * centre, h_spread).ppf,
        },
    )


def _log_scale(values: Values) -> Answer:
    rate, height = columns_of(values)
    log_rate = np.log(rate)
    return as_given(
        np.asarray(-0.5 * ((log_rate - _DATUM) / _ERROR) ** 2 - 0.5 * ((height - _SLOPE * log_rate) / _NOISE) ** 2)
    )


def _log_scale_gradient(values: Values) -> Array:
    rate, height = columns_of(values)
    log_rate = math.log(rate)
    pull = (height - _SLOPE * log_rate) / _NOISE**2
    return np.array([(-(log_rate - _DATUM) / _ERROR**2 + _SLOPE * pull) / rate, -pull])
