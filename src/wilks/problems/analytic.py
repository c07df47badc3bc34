"""Functions made for one difficulty each: a bent ridge, two islands, ripples. Their profiles are known.

The maximum of every one is 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.problem import LikelihoodProblem
from wilks.core.space import Space
from wilks.problems.known import KnownProblem, PairwiseProfile, as_given, axes_of, largest_over_roots, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.problems.known import Answer, Values

    Array = NDArray[np.float64]

# Banana: one curved ridge.

_BANANA_BEND = 0.5
_BANANA_SPREAD = 2.0
_BANANA_WIDTH = 0.25


def banana() -> KnownProblem:
    r"""A curved ridge: x in [-6, 6], y in [-4, 20].

    .. math:: \log L = -\frac{1}{2} \left(\frac{x}{2}\right)^2 - \frac{1}{2} \left(\frac{y - x^2 / 2}{0.25}\right)^2

    The profile over x is a parabola, that over y is lopsided.

    Examples
    --------
    >>> banana().profile(["x"], [[0.0, 2.0]]).tolist()
    [0.0, -0.5]
    """
    problem = LikelihoodProblem(Space(x=Real(-6, 6), y=Real(-4, 20)), banana_log_likelihood, name="banana")
    profile = PairwiseProfile(("x", "y"), _banana, (_banana_over_x, _banana_over_y))
    return KnownProblem(problem, 0.0, ({"x": 0.0, "y": 0.0},), profile)


def _banana(x: Array, y: Array) -> Array:
    return -0.5 * (x / _BANANA_SPREAD) ** 2 - 0.5 * ((y - _BANANA_BEND * x**2) / _BANANA_WIDTH) ** 2


def banana_log_likelihood(values: Values) -> Answer:
    """Gaussian in x, and in the distance of y from a parabola."""
    return as_given(_banana(np.asarray(values["x"]), np.asarray(values["y"])))


def _banana_over_x(x: Array) -> Array:
    return -0.5 * (x / _BANANA_SPREAD) ** 2


def _banana_over_y(y: Array) -> Array:
    # With t = x^2 the log-likelihood is a parabola in t >= 0, whose top lies within the box.
    top = (y - 0.5 * _BANANA_WIDTH**2 / (_BANANA_BEND * _BANANA_SPREAD**2)) / _BANANA_BEND
    return _banana(np.sqrt(np.clip(top, 0.0, 36.0)), y)


# Two islands: a region of interest in two pieces.

_ISLAND_DEPTH = 25.0
_ISLAND_PULL = 1.5
_ISLAND_WIDTH = 0.3


def two_islands(*, drop: float = 1.0) -> KnownProblem:
    r"""Two maxima at x = +2 and x = -2, the second one lower by `drop`, with a barrier of about 25 between them.

    .. math::
        \log L = -25 (1 - u^2)^2 - drop (1 - u)^2 (2 + u) / 4 - \frac{y^2}{2}
                 - \frac{1}{2} \left(\frac{nuisance - 1.5 x}{0.3}\right)^2, \quad u = x / 2

    Box: x in [-4, 4], y in [-4, 4], nuisance in [-8, 8]. The region of interest over (x, y) is two islands, over x two
    intervals; the nuisance parameter is far apart on the two, so what is known of one does not help on the other.

    Examples
    --------
    >>> two_islands().profile(["x"], [[-2.0, 0.0, 2.0]]).round(9).tolist()
    [-1.0, -25.5, -0.0]
    """
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), y=Real(-4, 4), nuisance=Real(-8, 8)),
        partial(two_islands_log_likelihood, drop=drop),
        name="two_islands",
    )
    best = {"x": 2.0, "y": 0.0, "nuisance": 2.0 * _ISLAND_PULL}
    return KnownProblem(problem, 0.0, (best,), partial(two_islands_profile, drop=drop))


def _double_well(x: Array, drop: float) -> Array:
    u = x / 2
    return -_ISLAND_DEPTH * (1 - u**2) ** 2 - drop * (1 - u) ** 2 * (2 + u) / 4


def two_islands_log_likelihood(values: Values, *, drop: float) -> Answer:
    """Log-likelihood of `two_islands`."""
    x, nuisance = np.asarray(values["x"]), np.asarray(values["nuisance"])
    return as_given(_island_section(nuisance, x, drop=drop) - 0.5 * np.asarray(values["y"]) ** 2)


def two_islands_profile(names: Sequence[str], nodes: Sequence[ArrayLike], *, drop: float) -> Array:
    """Exact profile; over the nuisance parameter alone, the best x is a root of a polynomial of degree three."""
    axes = axes_of(names, nodes, ("x", "y", "nuisance"))
    x, y, nuisance = (axes.get(column) for column in range(3))
    total = np.zeros(shape_of(axes))
    if y is not None:
        total -= 0.5 * y**2
    if x is not None and nuisance is not None:
        total += _island_section(nuisance, x, drop=drop)
    elif x is not None:
        total += _double_well(x, drop)
    elif nuisance is not None:
        total += _island_curve(nuisance, drop)
    return total


def _island_section(nuisance: Array, x: Array, *, drop: float) -> Array:
    return _double_well(x, drop) - 0.5 * ((nuisance - _ISLAND_PULL * x) / _ISLAND_WIDTH) ** 2


def _island_curve(nuisance: Array, drop: float) -> Array:
    best = np.empty(nuisance.shape)
    pull = _ISLAND_PULL / _ISLAND_WIDTH**2
    for index, value in np.ndenumerate(nuisance):
        # Derivatives with respect to x of: the double well, the drop, and the pull of the nuisance parameter.
        well = np.array([-_ISLAND_DEPTH / 4, 0.0, _ISLAND_DEPTH, 0.0])
        slope = drop * 3 / 8 * np.array([0.0, -1 / 4, 0.0, 1.0])
        spring = pull * np.array([0.0, 0.0, -_ISLAND_PULL, value])
        best[index] = largest_over_roots(
            partial(_island_section, np.asarray(value), drop=drop),
            (well + slope + spring).tolist(),
            -4.0,
            4.0,
        )
    return best


# Rippled: many shallow local maxima in the nuisance parameter of every cell.


def rippled(*, amplitude: float = 1.0, wavelength: float = 0.5) -> KnownProblem:
    r"""A parabola with ripples across its ridge: x in [-4, 4], nuisance in [-6, 6].

    .. math::
        \log L = -\frac{x^2}{2} - \frac{d^2}{2} - amplitude \left(1 - \cos\frac{2 \pi d}{wavelength}\right),
        \quad d = nuisance - x

    Every cell of a profile over x has many local maxima in the nuisance parameter, the best one at nuisance = x: the
    profile itself is the parabola. Over the nuisance parameter the profile is found by a scan of x with 40 points to a
    wavelength, and Newton steps from every local maximum of the scan.

    Examples
    --------
    >>> rippled().profile(["x"], [[0.0, 2.0]]).tolist()
    [0.0, -2.0]
    """
    problem = LikelihoodProblem(
        Space(x=Real(-4, 4), nuisance=Real(-6, 6)),
        partial(rippled_log_likelihood, amplitude=amplitude, wavelength=wavelength),
        name="rippled",
    )
    surface = partial(_rippled, amplitude=amplitude, wavelength=wavelength)
    over_nuisance = partial(_rippled_over_nuisance, amplitude=amplitude, wavelength=wavelength)
    profile = PairwiseProfile(("x", "nuisance"), surface, (_rippled_over_x, over_nuisance))
    return KnownProblem(problem, 0.0, ({"x": 0.0, "nuisance": 0.0},), profile)


def _rippled(x: Array, nuisance: Array, *, amplitude: float, wavelength: float) -> Array:
    distance = nuisance - x
    ripple = amplitude * (1 - np.cos(2 * np.pi * distance / wavelength))
    return -0.5 * x**2 - 0.5 * distance**2 - ripple


def rippled_log_likelihood(values: Values, *, amplitude: float, wavelength: float) -> Answer:
    """Log-likelihood of `rippled`."""
    x, nuisance = np.asarray(values["x"]), np.asarray(values["nuisance"])
    return as_given(_rippled(x, nuisance, amplitude=amplitude, wavelength=wavelength))


def _rippled_over_x(x: Array) -> Array:
    return -0.5 * x**2


def _rippled_over_nuisance(nuisance: Array, *, amplitude: float, wavelength: float) -> Array:
    flat = nuisance.ravel()[:, None]
    k = 2 * np.pi / wavelength
    x = np.broadcast_to(np.linspace(-4, 4, 1 + int(320 / wavelength)), (flat.size, 1 + int(320 / wavelength))).copy()
    for _ in range(6):
        first = -x + (flat - x) + amplitude * k * np.sin(k * (flat - x))
        second = -2 - amplitude * k**2 * np.cos(k * (flat - x))
        # Only from where the curve is concave; elsewhere the scan is good enough as it stands.
        x = np.clip(np.where(second < 0, x - first / np.where(second < 0, second, 1.0), x), -4, 4)
    height: Array = _rippled(x, flat, amplitude=amplitude, wavelength=wavelength).max(axis=1)
    return height.reshape(nuisance.shape)
