"""Textbook functions with many optima and exact profiles in closed form: Rastrigin, Levy, Himmelblau.

Each is the negated function of the Virtual Library of Simulation Experiments (Surjanovic and Bingham), or twice
Himmelblau's, in parameters ``x0``, ``x1``, ...; the maximum is 0.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import (
    KnownProblem,
    PairwiseProfile,
    SeparableProfile,
    as_given,
    columns_of,
    largest_over_roots,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

_RASTRIGIN_LIMIT = 5.12
_LEVY_LIMIT = 10.0
_HIMMELBLAU_LIMIT = 6.0
_HIMMELBLAU_SCALE = 0.05
# Roots of Himmelblau's function, to the last digit.
HIMMELBLAU_ROOTS = (
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.283185991286170),
    (3.584428340330492, -1.848126526964404),
)


# Rastrigin: a grid of local maxima, of which only the middle one counts.


def rastrigin(dimension: int = 4, *, with_gradient: bool = False) -> KnownProblem:
    r"""Rastrigin's function on [-5.12, 5.12]^n: about 10^n local maxima on a broad bowl.

    .. math:: \log L = -\sum_i [x_i^2 + 10 (1 - \cos 2 \pi x_i)]

    Examples
    --------
    >>> rastrigin(2).profile(["x1"], [[0.0, 1.0]]).round(9).tolist()
    [0.0, -1.0]
    """
    names = names_of(dimension)
    problem = LikelihoodProblem(
        Space({name: Real(-_RASTRIGIN_LIMIT, _RASTRIGIN_LIMIT) for name in names}),
        rastrigin_log_likelihood,
        gradient=rastrigin_gradient if with_gradient else None,
        name=f"rastrigin_{dimension}d",
    )
    profile = SeparableProfile(names, (_rastrigin_term,) * dimension)
    return KnownProblem(problem, 0.0, (dict.fromkeys(names, 0.0),), profile)


def _rastrigin_term(x: Array) -> Array:
    term: Array = -(x**2 + 10 * (1 - np.cos(2 * np.pi * x)))
    return term


def rastrigin_log_likelihood(values: Values) -> Answer:
    """Sum over all values."""
    return as_given(_rastrigin_term(columns_of(values)).sum(axis=0))


def rastrigin_gradient(values: Mapping[str, float]) -> Array:
    """Gradient of `rastrigin_log_likelihood`."""
    x = columns_of(values)
    return -(2 * x + 20 * np.pi * np.sin(2 * np.pi * x))


# Levy: ripples of unequal size on a bowl.


def levy(dimension: int = 4, *, with_gradient: bool = False) -> KnownProblem:
    r"""Levy's function on [-10, 10]^n: a bowl with ripples, and a flank along which the best point jumps.

    With w_i = 1 + (x_i - 1) / 4,

    .. math::
        -\log L = \sin^2 \pi w_1 + \sum_{i=1}^{n-1} (w_i - 1)^2 [1 + 10 \sin^2(\pi w_i + 1)]
                  + (w_n - 1)^2 [1 + \sin^2 2 \pi w_n]

    Every term holds one parameter, so the function is a sum of functions of one parameter.

    Examples
    --------
    >>> levy(2).profile(["x1"], [[1.0, 5.0]]).round(9).tolist()
    [0.0, -1.0]
    """
    names = names_of(dimension)
    problem = LikelihoodProblem(
        Space({name: Real(-_LEVY_LIMIT, _LEVY_LIMIT) for name in names}),
        levy_log_likelihood,
        gradient=levy_gradient if with_gradient else None,
        name=f"levy_{dimension}d",
    )
    only = (_levy_only,) if dimension == 1 else (_levy_first, *[_levy_middle] * (dimension - 2), _levy_last)
    return KnownProblem(problem, 0.0, (dict.fromkeys(names, 1.0),), SeparableProfile(names, only))


def levy_4d(*, with_gradient: bool = False) -> KnownProblem:
    """Levy's function in four parameters, as in `levy`.

    Examples
    --------
    >>> levy_4d().profile(["x3"], [[1.0, 5.0]]).round(9).tolist()
    [0.0, -1.0]
    """
    return levy(4, with_gradient=with_gradient)


def _levy_only(x: Array) -> Array:
    term: Array = _levy_last(x) - np.sin(np.pi * (x + 3) / 4) ** 2
    return term


def _levy_first(x: Array) -> Array:
    term: Array = _levy_middle(x) - np.sin(np.pi * (x + 3) / 4) ** 2
    return term


def _levy_middle(x: Array) -> Array:
    w = (x + 3) / 4
    term: Array = -((w - 1) ** 2) * (1 + 10 * np.sin(np.pi * w + 1) ** 2)
    return term


def _levy_last(x: Array) -> Array:
    w = (x + 3) / 4
    term: Array = -((w - 1) ** 2) * (1 + np.sin(2 * np.pi * w) ** 2)
    return term


def levy_log_likelihood(values: Values) -> Answer:
    """Levy's function, negated, over all values in their order."""
    x = columns_of(values)
    if len(x) == 1:
        return as_given(_levy_only(x[0]))
    return as_given(_levy_first(x[0]) + _levy_middle(x[1:-1]).sum(axis=0) + _levy_last(x[-1]))


def levy_gradient(values: Mapping[str, float]) -> Array:
    """Gradient of `levy_log_likelihood`."""
    w = (columns_of(values) + 3) / 4
    ripple = 1 + 10 * np.sin(np.pi * w + 1) ** 2
    slope = 2 * (w - 1) * ripple + (w - 1) ** 2 * 10 * np.pi * np.sin(2 * (np.pi * w + 1))
    end, phase = w[-1] - 1, 2 * np.pi * w[-1]
    slope[-1] = 2 * end * (1 + np.sin(phase) ** 2) + end**2 * 2 * np.pi * np.sin(2 * phase)
    slope[0] += np.pi * np.sin(2 * np.pi * w[0])
    gradient: Array = -slope / 4
    return gradient


# Himmelblau, twice: 16 equal maxima.


def himmelblau_4d(*, with_gradient: bool = False) -> KnownProblem:
    r"""Two copies of Himmelblau's function on [-6, 6]^4: 16 equal maxima, and profiles whose argmax jumps.

    .. math:: \log L = -0.05 [H(x_0, x_1) + H(x_2, x_3)], \quad H(x, y) = (x^2 + y - 11)^2 + (x + y^2 - 7)^2

    Examples
    --------
    >>> himmelblau_4d().profile(["x0", "x1"], [[3.0], [2.0, 3.0]]).tolist()
    [[0.0, -1.3]]
    """
    names = names_of(4)
    problem = LikelihoodProblem(
        Space({name: Real(-_HIMMELBLAU_LIMIT, _HIMMELBLAU_LIMIT) for name in names}),
        himmelblau_log_likelihood,
        gradient=himmelblau_gradient if with_gradient else None,
        name="himmelblau_4d",
    )
    maxima = tuple(
        dict(zip(names, (*first, *second), strict=True)) for first, second in product(HIMMELBLAU_ROOTS, repeat=2)
    )
    curves = (partial(_himmelblau_curve, which=0), partial(_himmelblau_curve, which=1))
    return KnownProblem(problem, 0.0, maxima, PairwiseProfile(names, _himmelblau_term, curves))


def himmelblau(x: Array, y: Array) -> Array:
    """Himmelblau's function; it is 0 at `HIMMELBLAU_ROOTS` and positive elsewhere."""
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _himmelblau_term(x: Array, y: Array) -> Array:
    return -_HIMMELBLAU_SCALE * himmelblau(x, y)


def himmelblau_log_likelihood(values: Values) -> Answer:
    """Two copies of Himmelblau's function."""
    x = columns_of(values)
    return as_given(-_HIMMELBLAU_SCALE * himmelblau(x[::2], x[1::2]).sum(axis=0))


def himmelblau_gradient(values: Mapping[str, float]) -> Array:
    """Gradient of `himmelblau_log_likelihood`."""
    x, y = columns_of(values).reshape(-1, 2).T
    first, second = x**2 + y - 11, x + y**2 - 7
    return -_HIMMELBLAU_SCALE * np.column_stack((4 * x * first + 2 * second, 2 * first + 4 * y * second)).ravel()


def _himmelblau_section(free: Array, fixed: Array, *, which: int) -> Array:
    return _himmelblau_term(fixed, free) if which == 0 else _himmelblau_term(free, fixed)


def _himmelblau_curve(fixed: Array, *, which: int) -> Array:
    """Profile of one copy over its coordinate `which`: the other one is at a root of a cubic, or at a bound."""
    best = np.empty(fixed.shape)
    for index, value in np.ndenumerate(fixed):
        linear, constant = (value - 7, value**2 - 11) if which == 0 else (value - 11, value**2 - 7)
        best[index] = largest_over_roots(
            partial(_himmelblau_section, fixed=np.asarray(value), which=which),
            (4.0, 0.0, 4 * linear + 2, 2 * constant),
            -_HIMMELBLAU_LIMIT,
            _HIMMELBLAU_LIMIT,
        )
    return best
