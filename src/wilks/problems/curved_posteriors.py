"""Posteriors far from a Gaussian: Neal's funnel, a bent ridge, two modes of which the higher one has less mass.

The funnel narrows with one of its parameters (Neal 2003, https://doi.org/10.1214/aos/1056562461); the ridge is that of
Haario, Saksman and Tamminen (1999, https://doi.org/10.1007/s001800050022). Boxes cut off less than 1e-12 of the
probability, except where it is said.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.prior import Normal
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import as_given, columns_of, names_of
from wilks.problems.known_posterior import LOG_2_PI, KnownPosterior, bisected, conditional_cdf, phi, quadrature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

# Neal's funnel.

_FUNNEL_SPREAD, _FUNNEL_V, _FUNNEL_X = 3.0, 9.0, 200.0


def funnel_posterior(n_widths: int = 9) -> KnownPosterior:
    r"""Neal's funnel: v with the prior N(0, 3) in [-9, 9], and x_i ~ N(0, exp(v / 2)) in [-200, 200].

    .. math:: \log L = -\sum_i \left(\frac{x_i^2 e^{-v}}{2} + \frac{v}{2}\right)

    The boxes cut off what can be seen, and the moments take it in: v has the density

    .. math:: p(v) \propto e^{-v^2 / 18} \left[2 \Phi(200 \, e^{-v / 2}) - 1\right]^9

    and given v every x_i is a Gaussian that is cut at its box.

    Examples
    --------
    >>> known = funnel_posterior()
    >>> known.means["x0"], known.means["v"] < 0.0
    (0.0, True)
    """
    names = ("v", *names_of(n_widths))
    v, weights = quadrature(-_FUNNEL_V, _FUNNEL_V)
    sizes = np.exp(0.5 * v)
    cut = _FUNNEL_X / sizes
    held = 2.0 * phi(cut) - 1.0
    masses = weights * np.exp(Normal(0.0, _FUNNEL_SPREAD).logpdf(v)) * held**n_widths
    prior_mass = float(weights @ np.exp(Normal(0.0, _FUNNEL_SPREAD).logpdf(v)))
    total = float(masses.sum())
    p = masses / total
    mean = float(p @ v)
    spread = math.sqrt(float(p @ (v - mean) ** 2))
    edge = 2.0 * cut * np.exp(-0.5 * cut**2 - 0.5 * LOG_2_PI) / held
    width = math.sqrt(float(p @ (sizes**2 * (1.0 - edge))))
    space = {name: Real(-_FUNNEL_X, _FUNNEL_X) for name in names[1:]}
    problem = LikelihoodProblem(
        Space({"v": Real(-_FUNNEL_V, _FUNNEL_V, prior=Normal(0.0, _FUNNEL_SPREAD)), **space}),
        _funnel,
        gradient=_funnel_gradient,
        vectorized=True,
        name=f"funnel_{n_widths + 1}d",
    )
    of_v = partial(bisected, partial(_funnel_v_cdf, n_widths=n_widths), (-_FUNNEL_V, _FUNNEL_V))
    of_x = partial(bisected, partial(_funnel_x_cdf, p=p, sizes=sizes, held=held), (-_FUNNEL_X, _FUNNEL_X))
    return KnownPosterior(
        problem,
        {"v": mean, **dict.fromkeys(names[1:], 0.0)},
        {"v": spread, **dict.fromkeys(names[1:], width)},
        np.eye(n_widths + 1),
        math.log(total / prior_mass) + n_widths * (0.5 * LOG_2_PI - math.log(2.0 * _FUNNEL_X)),
        {"v": of_v, **dict.fromkeys(names[1:], of_x)},
    )


def _funnel(values: Values) -> Answer:
    v, *x = columns_of(values)
    return as_given(-0.5 * (np.square(x).sum(axis=0) * np.exp(-v) + len(x) * v))


def _funnel_gradient(values: Values) -> Array:
    v, *x = columns_of(values)
    size = math.exp(-v)
    return np.array([0.5 * float(np.square(x).sum()) * size - 0.5 * len(x), *(-each * size for each in x)])


def _funnel_v_cdf(q: Array, *, n_widths: int) -> Array:
    """Integrals from the lower end to each q, which the quadrature does best when it ends there."""
    nodes, weights = quadrature(0.0, 1.0)
    lengths = np.append(q.ravel(), _FUNNEL_V)[:, None] + _FUNNEL_V
    v = lengths * nodes - _FUNNEL_V
    held = 2.0 * phi(_FUNNEL_X * np.exp(-0.5 * v)) - 1.0
    found = (lengths * np.exp(-0.5 * (v / _FUNNEL_SPREAD) ** 2) * held**n_widths) @ weights
    return np.asarray(found[:-1].reshape(q.shape) / found[-1])


def _funnel_x_cdf(q: Array, *, p: Array, sizes: Array, held: Array) -> Array:
    inside = (phi(q[..., None] / sizes) - phi(-_FUNNEL_X / sizes)) / held
    return np.asarray(inside @ p)


# A bent ridge.

_BEND, _RIDGE = 1.0, 0.5


def banana_posterior() -> KnownPosterior:
    r"""A Gaussian that is twisted: x in [-8, 8], y in [-10, 70].

    .. math:: \log L = -\frac{x^2}{2} - \frac{1}{2} \left(\frac{y - (x^2 - 1)}{0.5}\right)^2

    x and y are uncorrelated, though each x has its y; the variance of y is 0.25 + 2.

    Examples
    --------
    >>> known = banana_posterior()
    >>> known.means, known.standard_deviations
    ({'x': 0.0, 'y': 0.0}, {'x': 1.0, 'y': 1.5})
    """
    x, weights = quadrature(-8.0, 8.0)
    p = weights * np.exp(Normal(0.0, 1.0).logpdf(x))
    cdf = partial(conditional_cdf, p=p / p.sum(), centres=_BEND * (x**2 - 1.0), scale=_RIDGE)
    problem = LikelihoodProblem(
        Space(x=Real(-8, 8), y=Real(-10, 70)), _banana, gradient=_banana_gradient, vectorized=True, name="banana_2d"
    )
    return KnownPosterior(
        problem,
        {"x": 0.0, "y": 0.0},
        {"x": 1.0, "y": math.sqrt(_RIDGE**2 + 2.0 * _BEND**2)},
        np.eye(2),
        LOG_2_PI + math.log(_RIDGE) - math.log(16.0 * 80.0),
        {"x": Normal(0.0, 1.0).ppf, "y": partial(bisected, cdf, (-10.0, 70.0))},
    )


def _banana(values: Values) -> Answer:
    x, y = columns_of(values)
    return as_given(np.asarray(-0.5 * x**2 - 0.5 * ((y - _BEND * (x**2 - 1.0)) / _RIDGE) ** 2))


def _banana_gradient(values: Values) -> Array:
    x, y = columns_of(values)
    pull = (y - _BEND * (x**2 - 1.0)) / _RIDGE**2
    return np.array([-x + 2.0 * _BEND * x * pull, -pull])


# Two modes, the higher one with less mass.

_MASSES, _PLACES, _WIDTHS = np.array([0.7, 0.3]), np.array([-2.5, 2.5]), np.array([0.5, 0.25])


def mixture_posterior(dimension: int = 4) -> KnownPosterior:
    """Two Gaussians far apart in [-6, 6]^n: 0.7 of the mass at -2.5 with width 0.5, 0.3 at 2.5 with width 0.25.

    In four dimensions the lighter one is the higher one by a factor of seven.

    Examples
    --------
    >>> known = mixture_posterior()
    >>> round(known.log_evidence, 9) == round(-4 * math.log(12), 9)
    True
    """
    names = names_of(dimension)
    mean = float(_MASSES @ _PLACES)
    between = float(_MASSES @ (_PLACES - mean) ** 2)
    variance = between + float(_MASSES @ _WIDTHS**2)
    problem = LikelihoodProblem(
        Space({name: Real(-6, 6) for name in names}),
        _mixture,
        gradient=_mixture_gradient,
        vectorized=True,
        name=f"mixture_{dimension}d",
    )
    cdf = partial(conditional_cdf, p=_MASSES, centres=_PLACES, scale=_WIDTHS)
    correlations = np.full((dimension, dimension), between / variance)
    np.fill_diagonal(correlations, 1.0)
    return KnownPosterior(
        problem,
        dict.fromkeys(names, mean),
        dict.fromkeys(names, math.sqrt(variance)),
        correlations,
        -dimension * math.log(12.0),
        dict.fromkeys(names, partial(bisected, cdf, (-6.0, 6.0))),
    )


def _components(x: Array) -> Array:
    """Log of mass times density of both Gaussians, first axis."""
    d = len(x)
    return np.stack(
        [
            math.log(mass) - d * (math.log(width) + 0.5 * LOG_2_PI) - 0.5 * np.square((x - place) / width).sum(axis=0)
            for mass, place, width in zip(_MASSES.tolist(), _PLACES.tolist(), _WIDTHS.tolist(), strict=True)
        ]
    )


def _mixture(values: Values) -> Answer:
    return as_given(np.logaddexp.reduce(_components(columns_of(values)), axis=0))


def _mixture_gradient(values: Values) -> Array:
    x = columns_of(values)
    parts = _components(x)
    shares = np.exp(parts - np.logaddexp.reduce(parts))
    pulls = -(x - _PLACES[:, None]) / _WIDTHS[:, None] ** 2
    return np.asarray(shares @ pulls)
