r"""Textbook functions that are sums of functions of one parameter: sphere, Michalewicz, Styblinski-Tang, Schwefel.

The functions are those of the Virtual Library of Simulation Experiments (Surjanovic and Bingham), negated, in
parameters ``x0``, ``x1``, ... The literature rounds the largest values (418.9829 and 39.16617 a parameter, 1.8013,
4.687658 and 9.66015 for two, five and ten parameters of Michalewicz); here they are right to the last digit, so that
the maximum is 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, SeparableProfile, as_given, columns_of, names_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]
    Term = Callable[[Array], Array]

_TANG_BEST = -2.9035340277711771  # root of 4 x^3 - 32 x + 5
_TANG_LARGEST = 39.166165703771416
_SCHWEFEL_BEST = 420.96874635998203  # root of sin(s) + s cos(s) / 2 with s^2 = x, the last one in the box
_SCHWEFEL_LARGEST = 418.98288727243371
_STEEPNESS = 10
_N_NEWTON = 30


def _sum_of_terms(
    name: str,
    log_likelihood: Callable[[Values], Answer],
    limits: tuple[float, float],
    terms: tuple[Term, ...],
    best: tuple[float, ...],
) -> KnownProblem:
    names = names_of(len(terms))
    problem = LikelihoodProblem(
        Space({each: Real(*limits) for each in names}),
        log_likelihood,
        vectorized=True,
        name=f"{name}_{len(terms)}d",
    )
    return KnownProblem(problem, 0.0, (dict(zip(names, best, strict=True)),), SeparableProfile(names, terms))


def sphere(dimension: int = 4) -> KnownProblem:
    r"""A bowl on [-5, 5]^n: the easiest problem there is.

    .. math:: \log L = -\sum_i x_i^2

    Examples
    --------
    >>> sphere(10).profile(["x0", "x9"], [[0.0, 1.0], [2.0]]).tolist()
    [[-4.0], [-5.0]]
    """
    return _sum_of_terms("sphere", sphere_log_likelihood, (-5.0, 5.0), (_sphere_term,) * dimension, (0.0,) * dimension)


def _sphere_term(x: Array) -> Array:
    return -(x**2)


def sphere_log_likelihood(values: Values) -> Answer:
    """Minus the sum of squares of all values."""
    return as_given(_sphere_term(columns_of(values)).sum(axis=0))


def styblinski_tang(dimension: int = 4) -> KnownProblem:
    r"""The Styblinski-Tang function on [-5, 5]^n: 2^n local maxima of different heights, the lower one 14.1 below.

    .. math:: \log L = -\sum_i \left[\frac{x_i^4 - 16 x_i^2 + 5 x_i}{2} + 39.1661657\ldots\right]

    Examples
    --------
    >>> styblinski_tang(2).profile(["x1"], [[-2.903534, 2.746803]]).round(4).tolist()
    [-0.0, -14.1367]
    """
    return _sum_of_terms(
        "styblinski_tang", tang_log_likelihood, (-5.0, 5.0), (_tang_term,) * dimension, (_TANG_BEST,) * dimension
    )


def _tang_term(x: Array) -> Array:
    term: Array = -0.5 * (x**4 - 16 * x**2 + 5 * x) - _TANG_LARGEST
    return term


def tang_log_likelihood(values: Values) -> Answer:
    """Styblinski and Tang's function, negated and shifted, over all values."""
    return as_given(_tang_term(columns_of(values)).sum(axis=0))


def schwefel(dimension: int = 4) -> KnownProblem:
    r"""Schwefel's function on [-500, 500]^n: the best maximum is far from the second best, and near a corner.

    .. math:: \log L = \sum_i \left[x_i \sin \sqrt{|x_i|} - 418.9828872\ldots\right]

    Examples
    --------
    >>> schwefel(2).profile(["x0"], [[420.968746, -302.524935]]).round(4).tolist()
    [0.0, -118.4383]
    """
    return _sum_of_terms(
        "schwefel",
        schwefel_log_likelihood,
        (-500.0, 500.0),
        (_schwefel_term,) * dimension,
        (_SCHWEFEL_BEST,) * dimension,
    )


def _schwefel_term(x: Array) -> Array:
    term: Array = x * np.sin(np.sqrt(np.abs(x))) - _SCHWEFEL_LARGEST
    return term


def schwefel_log_likelihood(values: Values) -> Answer:
    """Schwefel's function, negated and shifted, over all values."""
    return as_given(_schwefel_term(columns_of(values)).sum(axis=0))


def michalewicz(dimension: int = 4) -> KnownProblem:
    r"""Michalewicz' function on [0, pi]^n: narrow ridges along every axis, with flat ground between them.

    .. math::
        \log L = \sum_i \left[\sin x_i \sin^{20} \frac{i x_i^2}{\pi} - M_i\right],
        \quad M_i = \max_x \sin x \sin^{20} \frac{i x^2}{\pi}

    Examples
    --------
    >>> known = michalewicz(2)
    >>> {name: round(value, 6) for name, value in known.best.items()}
    {'x0': 2.202906, 'x1': 1.570796}
    >>> known.profile(["x0"], [[2.202906, 0.0]]).round(6).tolist()
    [-0.0, -0.801303]
    """
    best, largest = zip(*(_michalewicz_top(number) for number in range(1, dimension + 1)), strict=True)
    terms = tuple(partial(_michalewicz_term, number=1 + i, largest=top) for i, top in enumerate(largest))
    log_likelihood = partial(michalewicz_log_likelihood, largest=np.array(largest))
    return _sum_of_terms("michalewicz", log_likelihood, (0.0, np.pi), terms, best)


def _michalewicz_term(x: Array, *, number: int | NDArray[np.int64], largest: float | Array) -> Array:
    term: Array = np.sin(x) * np.sin(number * x**2 / np.pi) ** (2 * _STEEPNESS) - largest
    return term


def _michalewicz_top(number: int) -> tuple[float, float]:
    """Place and height of the highest ridge of a term: Newton's method for its logarithm, from all crests."""
    # The power has its crests where number * x^2 / pi is an odd multiple of pi / 2; the sine only moves them a little.
    x = np.pi * np.sqrt((np.arange(number) + 0.5) / number)
    rate = 2 * number / np.pi
    for _ in range(_N_NEWTON):
        phase = number * x**2 / np.pi
        slope = 1 / np.tan(x) + 2 * _STEEPNESS * rate * x / np.tan(phase)
        curvature = -1 / np.sin(x) ** 2 + 2 * _STEEPNESS * (rate / np.tan(phase) - (rate * x / np.sin(phase)) ** 2)
        x = x - slope / curvature
    heights = _michalewicz_term(x, number=number, largest=0.0)
    best = int(np.argmax(heights))
    return float(x[best]), float(heights[best])


def michalewicz_log_likelihood(values: Values, *, largest: Array) -> Answer:
    """Michalewicz' function over all values in their order, less the largest value of every term."""
    x = columns_of(values)
    shape = (-1, *[1] * (x.ndim - 1))
    number = np.arange(1, len(x) + 1).reshape(shape)
    return as_given(_michalewicz_term(x, number=number, largest=largest.reshape(shape)).sum(axis=0))
