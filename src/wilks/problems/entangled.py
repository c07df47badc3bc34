r"""Textbook functions whose parameters are entangled, with profiles that are known all the same.

Ackley, Griewank, Beale and Eggholder, negated, after the Virtual Library of Simulation Experiments (Surjanovic and
Bingham), in parameters ``x0``, ``x1``, ...; the maximum is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import (
    KnownProblem,
    PairwiseProfile,
    as_given,
    axes_of,
    columns_of,
    largest_over_roots,
    names_of,
    shape_of,
)
from wilks.problems.line import largest_on_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.problems.known import Answer, ExactProfile, Values

    Array = NDArray[np.float64]

_BEALE_LIMIT = 4.5
_BEALE_TARGETS = (1.5, 2.25, 2.625)
_EGGHOLDER_LIMIT = 512.0
# On the bound x = 512, where the derivative with respect to y vanishes. The literature gives 404.2319 and 959.6407.
_EGGHOLDER_BEST = (512.0, 404.23180511375781)
_EGGHOLDER_LARGEST = 959.64066272085080
_GRIEWANK_STIFFNESS = 1 / 2000  # of the bowl x^2 / 4000
_N_BISECTIONS = 60


def _box(
    name: str, log_likelihood: Callable[[Values], Answer], limit: float, best: tuple[float, ...], profile: ExactProfile
) -> KnownProblem:
    names = names_of(len(best))
    problem = LikelihoodProblem(
        Space({each: Real(-limit, limit) for each in names}),
        log_likelihood,
        vectorized=True,
        name=f"{name}_{len(best)}d",
    )
    return KnownProblem(problem, 0.0, (dict(zip(names, best, strict=True)),), profile)


# Ackley: a narrow funnel in a rippled plain.


def ackley(dimension: int = 4) -> KnownProblem:
    r"""Ackley's function on [-5, 5]^n: a narrow peak in the middle of a rippled plain.

    .. math::
        \log L = 20 \exp\Bigl(-0.2 \sqrt{\tfrac{1}{n} \sum_i x_i^2}\Bigr) - 20
                 + \exp\Bigl(\tfrac{1}{n} \sum_i \cos 2 \pi x_i\Bigr) - e

    The function grows with minus the sum of squares and with the sum of cosines; a parameter that is optimised out is
    best for both at 0.

    Examples
    --------
    >>> ackley(2).profile(["x0"], [[0.0, 1.0]]).round(6).tolist()
    [0.0, -2.637531]
    """
    names = names_of(dimension)
    return _box("ackley", ackley_log_likelihood, 5.0, (0.0,) * dimension, ZeroedProfile(names, ackley_log_likelihood))


def ackley_log_likelihood(values: Values) -> Answer:
    """Ackley's function, negated, of all values."""
    x = columns_of(values)
    # The peak has a kink; differences that are exact near it keep the maximum at 0, not at a rounding error.
    bowl = 20 * np.expm1(-0.2 * np.sqrt((x**2).mean(axis=0)))
    ripples = np.e * np.expm1((np.cos(2 * np.pi * x) - 1).mean(axis=0))
    return as_given(bowl + ripples)


@dataclass(frozen=True)
class ZeroedProfile:
    """Profile of a log-likelihood for which every parameter that is optimised out is best at 0."""

    names: tuple[str, ...]
    log_likelihood: Callable[[Values], Answer]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> Array:
        """Evaluate with the other parameters at 0."""
        axes = axes_of(names, nodes, self.names)
        zero = np.zeros(shape_of(axes))
        return np.asarray(self.log_likelihood({name: axes.get(i, zero) for i, name in enumerate(self.names)}))


# Griewank: a product of cosines on a wide bowl.


def griewank(dimension: int = 4) -> KnownProblem:
    r"""Griewank's function on [-100, 100]^n: thousands of ripples on a wide, shallow bowl.

    .. math:: \log L = -1 - \sum_{i=1}^n \frac{x_i^2}{4000} + \prod_{i=1}^n \cos \frac{x_i}{\sqrt i}

    With some parameters fixed, let P be the product of their cosines. Where P >= 0 the others are best at 0. Where
    P < 0 an odd number of them should turn the sign of the product, and one does so at least cost, the first of them,
    k: two or more that are not 0 make a saddle point, as (tan u / u - 1) (tan v / v - 1) < tan^2 u tan^2 v. Its best
    value is x_k = u sqrt(k), where sin(u) / u = k / (2000 abs(P)), or 0 if that has no solution.

    Examples
    --------
    >>> griewank(2).profile(["x1"], [[0.0, 4.442883]]).round(6).tolist()
    [0.0, -0.007401]
    """
    names = names_of(dimension)
    return _box("griewank", griewank_log_likelihood, 100.0, (0.0,) * dimension, GriewankProfile(names))


def griewank_log_likelihood(values: Values) -> Answer:
    """Griewank's function, negated, over all values in their order."""
    x = columns_of(values)
    root = np.sqrt(np.arange(1, len(x) + 1)).reshape(-1, *[1] * (x.ndim - 1))
    return as_given(np.cos(x / root).prod(axis=0) - 1 - (x**2).sum(axis=0) / 4000)


@dataclass(frozen=True)
class GriewankProfile:
    """Exact profile of Griewank's function: at most one of the other parameters is not 0."""

    names: tuple[str, ...]

    def __call__(self, names: Sequence[str], nodes: Sequence[ArrayLike]) -> Array:
        """Return the profile over `names`."""
        axes = axes_of(names, nodes, self.names)
        bowl, product = np.zeros(shape_of(axes)), np.ones(shape_of(axes))
        for column, values in axes.items():
            bowl += values**2 / 4000
            product *= np.cos(values / np.sqrt(column + 1))
        free = [column + 1 for column in range(len(self.names)) if column not in axes]
        if free:
            product = np.where(product < 0, _turned(np.minimum(product, 0.0), free[0]), product)
        return product - 1 - bowl


def _turned(product: Array, number: int) -> Array:
    """Largest value of ``product * cos(u) - number * u**2 / 4000`` for a negative product."""
    size = np.maximum(-product, 1e-300)
    lower, upper = np.zeros(product.shape), np.full(product.shape, np.pi)
    for _ in range(_N_BISECTIONS):  # the derivative has one sign change from + to - there, or none
        middle = (lower + upper) / 2
        rises = size * np.sin(middle) > number * _GRIEWANK_STIFFNESS * middle
        lower, upper = np.where(rises, middle, lower), np.where(rises, upper, middle)
    return np.maximum(product, product * np.cos(lower) - number * lower**2 / 4000)


# Beale: a flat valley with steep walls.


def beale_2d() -> KnownProblem:
    r"""Beale's function on [-4.5, 4.5]^2: a flat, bent valley between steep walls.

    .. math::
        \log L = -(1.5 - x_0 + x_0 x_1)^2 - (2.25 - x_0 + x_0 x_1^2)^2 - (2.625 - x_0 + x_0 x_1^3)^2

    Over x1 the best x0 solves a linear equation, over x0 the best x1 is a root of a polynomial of degree five.

    Examples
    --------
    >>> beale_2d().profile(["x0"], [[3.0, 1.0]]).round(6).tolist()
    [-0.0, -4.368527]
    """
    profile = PairwiseProfile(names_of(2), _beale, (_beale_over_x, _beale_over_y))
    return _box("beale", beale_log_likelihood, _BEALE_LIMIT, (3.0, 0.5), profile)


def _beale(x: Array, y: Array) -> Array:
    return -np.asarray(sum((target - x * (1 - y**power)) ** 2 for power, target in enumerate(_BEALE_TARGETS, start=1)))


def beale_log_likelihood(values: Values) -> Answer:
    """Beale's function, negated, of two values."""
    x, y = columns_of(values)
    return as_given(_beale(x, y))


def _beale_over_x(x: Array) -> Array:
    best = np.empty(x.shape)
    for index, value in np.ndenumerate(x):
        slope = np.zeros(6)
        for power, target in enumerate(_BEALE_TARGETS, start=1):
            residual = np.zeros(power + 1)  # target - x + x y^power, highest power first
            residual[0], residual[-1] = value, target - value
            square = np.convolve(residual, residual)
            slope[6 - 2 * power :] += square[:-1] * np.arange(2 * power, 0, -1)
        best[index] = largest_over_roots(
            partial(_beale, np.asarray(value)), slope.tolist(), -_BEALE_LIMIT, _BEALE_LIMIT
        )
    return best


def _beale_over_y(y: Array) -> Array:
    columns = [1 - y**power for power in (1, 2, 3)]
    norm = np.asarray(sum(column**2 for column in columns))
    fitted = sum(target * column for target, column in zip(_BEALE_TARGETS, columns, strict=True))
    x = np.clip(fitted / np.where(norm > 0, norm, 1.0), -_BEALE_LIMIT, _BEALE_LIMIT)
    return _beale(x, y)


# Eggholder: hundreds of ridges, and the best point on a bound.


def eggholder(dimension: int = 2) -> KnownProblem:
    r"""The Eggholder function of every pair of parameters on [-512, 512]^n, n even: the maximum lies on a bound.

    .. math::
        \log L &= \sum_{i \, \text{even}} \left[E(x_i, x_{i+1}) - 959.6406627\ldots\right]

        E(x, y) &= (y + 47) \sin \sqrt{\left|y + \tfrac{x}{2} + 47\right|} + x \sin \sqrt{|x - y - 47|}

    The profile of a pair over one of its parameters is found by a scan of the other one and golden sections. (The
    function has cusps; at none of them does it take the largest value along a line.)

    Examples
    --------
    >>> known = eggholder(2)
    >>> {name: round(value, 6) for name, value in known.best.items()}
    {'x0': 512.0, 'x1': 404.231805}
    >>> known.profile(["x0"], [[512.0, 0.0]]).round(4).tolist()
    [0.0, -540.6578]
    """
    if dimension < 2 or dimension % 2:
        raise InvalidConfigurationError(f"eggholder: expected an even number of parameters, got {dimension}")
    profile = PairwiseProfile(names_of(dimension), _eggholder, (_eggholder_over_x, _eggholder_over_y))
    best = _EGGHOLDER_BEST * (dimension // 2)
    return _box("eggholder", eggholder_log_likelihood, _EGGHOLDER_LIMIT, best, profile)


def _eggholder(x: Array, y: Array) -> Array:
    first = (y + 47) * np.sin(np.sqrt(np.abs(y + x / 2 + 47)))
    height: Array = first + x * np.sin(np.sqrt(np.abs(x - y - 47))) - _EGGHOLDER_LARGEST
    return height


def eggholder_log_likelihood(values: Values) -> Answer:
    """Eggholder's function, negated and shifted, of all pairs of values in their order."""
    x = columns_of(values)
    return as_given(_eggholder(x[::2], x[1::2]).sum(axis=0))


def _eggholder_over_x(x: Array) -> Array:
    return largest_on_line(_eggholder, x, (-_EGGHOLDER_LIMIT, _EGGHOLDER_LIMIT))


def _eggholder_over_y(y: Array) -> Array:
    return largest_on_line(_eggholder_swapped, y, (-_EGGHOLDER_LIMIT, _EGGHOLDER_LIMIT))


def _eggholder_swapped(y: Array, x: Array) -> Array:
    return _eggholder(x, y)
