r"""Three functions of four parameters that do not fall apart, each with one more difficulty for a profile map.

The first two start from Himmelblau's function H of two pairs, in rotated parameters:

.. math:: \log L_0(x) = -0.05 [H(y_0, y_1) + H(y_2, y_3)], \quad y = R x                                       (1)

with R the product of the rotations in the planes (0, 2), (1, 3), (0, 3), (1, 2) by 0.5, 0.4, 0.3, 0.2 radians. Their
profiles are known by brute force (`SearchedProfile`), over any parameters; over two of them, 41 x 41 nodes take a
few seconds.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, as_given, columns_of, names_of
from wilks.problems.search import SearchedProfile
from wilks.problems.textbook import HIMMELBLAU_ROOTS, himmelblau

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

# Of the search, with one, two, ... free parameters. The narrowest features, ripples of wavelength 2 in a box of 10,
# take twelve steps of the grid over two.
_N_POINTS = (1001, 61, 31, 17)
_SCALE = 0.05
_PLANES = (((0, 2), 0.5), ((1, 3), 0.4), ((0, 3), 0.3), ((1, 2), 0.2))
_COUPLING = 0.08
# Best point and value of (2) in its box: the best of the local maxima found from a grid of 25^4 points, then Newton's
# method with 40 digits.
_BOUNDED_BEST = (-0.85572209290168773, 4.4557423616326297, 3.0, 1.1577148462304218)
_BOUNDED_LARGEST = 0.53491702671859165
_WAVE = np.pi  # of the ripples: a wavelength of 2


def rotation() -> Array:
    """Return the matrix R of (1)."""
    matrix = np.eye(4)
    for (i, j), angle in _PLANES:
        plane = np.eye(4)
        plane[[i, j], [i, j]] = np.cos(angle)
        plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ plane
    return matrix


_ROTATION = rotation()


def _known(
    name: str,
    log_likelihood: Callable[[Values], Answer],
    limits: tuple[tuple[float, float], ...],
    maxima: list[tuple[float, ...]],
) -> KnownProblem:
    names = names_of(4)
    space = Space({each: Real(*box) for each, box in zip(names, limits, strict=True)})
    problem = LikelihoodProblem(space, log_likelihood, vectorized=True, name=name)
    points = tuple(dict(zip(names, point, strict=True)) for point in maxima)
    return KnownProblem(problem, 0.0, points, SearchedProfile(names, log_likelihood, limits, _N_POINTS))


def rotated_4d() -> KnownProblem:
    r"""Function (1) on [-6, 6]^4: 16 equal maxima that are in line with no axis.

    The profile over any two parameters has regions with different argmax side by side, and no term can be optimised
    apart from the others.

    Examples
    --------
    >>> known = rotated_4d()
    >>> len(known.maxima)
    16
    >>> known.profile(["x0", "x1"], [[known.best["x0"], 0.0], [known.best["x1"]]]).round(4).tolist()
    [[-0.0], [-2.4444]]
    """
    maxima = [
        tuple((_ROTATION.T @ np.array([*first, *second])).tolist())
        for first, second in product(HIMMELBLAU_ROOTS, repeat=2)
    ]
    return _known("rotated_4d", rotated_log_likelihood, ((-6.0, 6.0),) * 4, maxima)


def rotated_log_likelihood(values: Values) -> Answer:
    """Equation (1)."""
    return as_given(_rotated(columns_of(values)))


def _rotated(x: Array) -> Array:
    y = np.tensordot(_ROTATION, x, axes=1)
    height: Array = -_SCALE * (himmelblau(y[0], y[1]) + himmelblau(y[2], y[3]))
    return height


def bounded_coupled_4d() -> KnownProblem:
    r"""Function (1) with a coupling, in a box that cuts it: x0, x1 in [-6, 6], x2, x3 in [-3, 3].

    .. math:: \log L = \log L_0(x) - 0.08 (x_0 x_2 - x_1 x_3) - 0.5349170267\ldots                              (2)

    The maximum lies on the bound x2 = 3. In the profile over (x0, x1), in two fifths of the region within 5 of the
    maximum at least one of the other parameters ends on a bound, not everywhere on the same.

    Examples
    --------
    >>> known = bounded_coupled_4d()
    >>> {name: round(value, 4) for name, value in known.best.items()}
    {'x0': -0.8557, 'x1': 4.4557, 'x2': 3.0, 'x3': 1.1577}
    >>> known.profile(["x2"], [[3.0, -1.83]]).round(4).tolist()
    [0.0, -0.1599]
    """
    limits = ((-6.0, 6.0), (-6.0, 6.0), (-3.0, 3.0), (-3.0, 3.0))
    return _known("bounded_coupled_4d", bounded_coupled_log_likelihood, limits, [_BOUNDED_BEST])


def bounded_coupled_log_likelihood(values: Values) -> Answer:
    """Equation (2)."""
    x = columns_of(values)
    return as_given(_rotated(x) - _COUPLING * (x[0] * x[2] - x[1] * x[3]) - _BOUNDED_LARGEST)


def rippled_coupled_4d() -> KnownProblem:
    r"""A strongly coupled Gaussian with ripples that run askew: x0, x1 in [-4, 4], x2, x3 in [-5, 5].

    .. math::
        \log L = &-\frac{x_0^2 + x_1^2}{2 \cdot 1.2^2} - \frac{a^2 + b^2 + 0.8 a b}{2 \cdot 0.9^2}             (3)

        &- 1.5 [1 - \cos \pi (x_2 - \tfrac{x_1}{2} - \tfrac{x_0 x_1}{4})]
         - 1.5 [1 - \cos \pi (x_3 + 0.4 x_0 + 0.15 x_0^2)] - 0.8 [1 - \cos \pi (x_2 + x_3)]

        a = {} & x_2 + 0.6 x_0 - 0.5 x_1, \quad b = x_3 - 0.5 x_0 - 0.6 x_1

    Within 4 of the maximum there are 24 local maxima. As x0 and x1 move, the Gaussian moves from crest to crest of the
    ripples: the map over (x0, x1) is a patchwork of a dozen branches, some of them only a few cells wide on 41 x 41
    nodes, which no local maximum of the whole function need belong to.

    Examples
    --------
    >>> rippled_coupled_4d().profile(["x0", "x1"], [[0.0, 1.0], [0.0]]).round(4).tolist()
    [[-0.0], [-1.3938]]
    """
    limits = ((-4.0, 4.0), (-4.0, 4.0), (-5.0, 5.0), (-5.0, 5.0))
    return _known("rippled_coupled_4d", rippled_coupled_log_likelihood, limits, [(0.0,) * 4])


def rippled_coupled_log_likelihood(values: Values) -> Answer:
    """Equation (3)."""
    x0, x1, x2, x3 = columns_of(values)
    a, b = x2 + 0.6 * x0 - 0.5 * x1, x3 - 0.5 * x0 - 0.6 * x1
    envelope = (x0**2 + x1**2) / (2 * 1.2**2) + (a**2 + b**2 + 0.8 * a * b) / (2 * 0.9**2)
    first = 1.5 * (1 - np.cos(_WAVE * (x2 - 0.5 * x1 - 0.25 * x0 * x1)))
    second = 1.5 * (1 - np.cos(_WAVE * (x3 + 0.4 * x0 + 0.15 * x0**2)))
    third = 0.8 * (1 - np.cos(_WAVE * (x2 + x3)))
    return as_given(-envelope - first - second - third)
