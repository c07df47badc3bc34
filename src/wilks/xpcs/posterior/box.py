r"""Contrast and offset of one angle within their box: the mass, the moments and draws of a normal distribution cut off.

Given the noise factor s, contrast b and offset o of an angle have the posterior density

.. math:: \exp\left[-\frac{v (b - \hat b)^2}{2 s^2}\right] \exp\left[-\frac{W (o - o(b))^2}{2 s^2}\right],
          \quad o(b) = \bar y - b \bar f                                                                          (1)

inside the box and 0 outside. The offset is known better than anything else, so it is integrated first, and the mass is
one integral over the contrast,

.. math:: I(s) = \frac{\sqrt{2 \pi} s}{\sqrt W} \int_{b_1}^{b_2}
          e^{-v (b - \hat b)^2 / 2 s^2} \left[\Phi\Big(\frac{o_2 - o(b)}{\tau}\Big)
          - \Phi\Big(\frac{o_1 - o(b)}{\tau}\Big)\right] db, \quad \tau = s / \sqrt W                              (2)

It is a difference of two normal distribution functions where the bounds of the offset are far away. Otherwise it is
done with Gauss-Legendre nodes between the places where the integrand changes: the peak, and the steps of the square
bracket. It stays finite where the data tell nothing of the contrast (v = 0): there the box alone decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.xpcs.posterior.noise_scale import log_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FAR = 7.5
"""Standard deviations beyond which a bound cuts nothing off: 1e-13 of the mass."""
_RANGE = 8.5
_STEEP = 40.0
_NODES = 10
_PARTS = (0.06, 0.12, 0.25, 0.5)


class Bell(NamedTuple):
    """What equation (1) is made of, arrays of one shape, and bounds of contrast and offset that go with it."""

    v: Array
    peak: Array
    w: Array
    mean_y: Array
    mean_f: Array
    b1: Array
    b2: Array
    o1: Array
    o2: Array

    def rows(self, chosen: NDArray[np.bool_]) -> Bell:
        """Some of them, in one dimension."""
        return Bell(*(each[chosen] for each in np.broadcast_arrays(*self)))

    def spread(self) -> Bell:
        """With another axis at the end, for the nodes of s."""
        return Bell(*(each[..., None] for each in self))

    def offset(self, b: Array) -> Array:
        """o(b)."""
        return self.mean_y - b * self.mean_f


def is_far(bell: Bell, s: Array) -> NDArray[np.bool_]:
    """Are all bounds so far from the peak of (1) that they cut nothing off?"""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        of_b = FAR * s / np.sqrt(bell.v)
        of_o = FAR * s * np.sqrt(1.0 / bell.w + bell.mean_f**2 / bell.v)
        o = bell.offset(bell.peak)
        found = (bell.peak - of_b >= bell.b1) & (bell.peak + of_b <= bell.b2)
        return np.asarray(found & (o - of_o >= bell.o1) & (o + of_o <= bell.o2))


def clipped(bell: Bell) -> Array:
    """The contrast nearest to the peak that lies in the box and leaves the offset in its own."""
    low, high = _allowed(bell, np.zeros_like(bell.peak))
    return np.clip(bell.peak, low, np.maximum(low, high))


def log_mass(bell: Bell, s: Array) -> Array:
    r"""Log of (2) over :math:`2 \pi s^2 / \sqrt{W v}`, the same without bounds."""
    from scipy.special import log_ndtr  # noqa: PLC0415 - scipy loads on use

    shape = np.broadcast_shapes(bell.v.shape, s.shape)
    bell = Bell(*(np.broadcast_to(each, shape) for each in bell))
    s = np.broadcast_to(s, shape)
    scale = np.sqrt(bell.v) / s
    low, high = scale * (bell.b1 - bell.peak), scale * (bell.b2 - bell.peak)
    # Of two tails the difference of the lower ones keeps its digits.
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    upper, lower = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(upper + np.log1p(-np.exp(np.minimum(lower - upper, 0.0))))
        narrow = high - low < 1e-6  # the density times the width
        found = np.where(narrow, np.log(high - low) - 0.25 * (high**2 + low**2) - 0.5 * math.log(2 * math.pi), found)
    near = ~_offset_is_free(bell, s)
    if near.any():
        part = bell.rows(near)
        grid = Grid.of(part, s[near])
        found[near] = log_sum(grid.log_density) + 0.5 * np.log(part.v) - np.log(s[near]) - 0.5 * math.log(2 * math.pi)
    return found


def _offset_is_free(bell: Bell, s: Array) -> NDArray[np.bool_]:
    """Does the offset stay away from its bounds wherever the contrast has any mass?"""
    low, high = _reach(bell, s, bell.b1, bell.b2)
    margin = _RANGE * s / np.sqrt(bell.w)
    ends = bell.offset(low), bell.offset(high)
    return np.asarray((np.minimum(*ends) - margin >= bell.o1) & (np.maximum(*ends) + margin <= bell.o2))


def _allowed(bell: Bell, margin: Array) -> tuple[Array, Array]:
    """Contrasts in the box that leave the offset within `margin` of its own box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = ((bell.mean_y - bound) / bell.mean_f for bound in (bell.o2 + margin, bell.o1 - margin))
    first, last = np.minimum(first, last), np.maximum(first, last)
    first = np.where(np.isfinite(first), first, -np.inf)
    last = np.where(np.isfinite(last), last, np.inf)
    low, high = np.maximum(bell.b1, first), np.minimum(bell.b2, last)
    empty = low >= high
    return np.where(empty, bell.b1, low), np.where(empty, bell.b2, high)


def _reach(bell: Bell, s: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where between `low` and `high` the bell of the contrast is not negligible against its largest value there."""
    nearest, width = np.clip(bell.peak, low, high), _width(bell, s, low, high)
    return np.maximum(low, nearest - width), np.minimum(high, nearest + width)


def _width(bell: Bell, s: Array, low: Array, high: Array) -> Array:
    """How far from its largest value between `low` and `high` the bell reaches: of a tail less than of the peak."""
    with np.errstate(divide="ignore", over="ignore"):
        sd = s / np.sqrt(bell.v)
        steep = _STEEP * sd**2 / np.abs(np.clip(bell.peak, low, high) - bell.peak)
    return np.asarray(np.minimum(_RANGE * sd, steep))


@dataclass(frozen=True)
class Grid:
    """Nodes of the integral (2) over the contrast, shape (..., n).

    Attributes
    ----------
    b, steps
        Contrasts, and the lengths that they stand for.
    log_height, log_density
        Log of the integrand, and the same times the length.
    first
        Where the range begins, shape (...).
    bell, s
        What it is of.
    """

    b: Array
    steps: Array
    log_height: Array
    log_density: Array
    first: Array
    bell: Bell
    s: Array

    @classmethod
    def of(cls, bell: Bell, s: Array) -> Grid:
        """Nodes for bells of the shape of `s`."""
        tau = s / np.sqrt(bell.w)
        allowed = _allowed(bell, 9.0 * tau)
        nearest, width = np.clip(bell.peak, *allowed), _width(bell, s, *allowed)
        low, high = np.maximum(allowed[0], nearest - width), np.minimum(allowed[1], nearest + width)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = tau / bell.mean_f
            cuts = [low, high, nearest, *(nearest + sign * part * width for part in _PARTS for sign in (-1, 1))]
            for bound in (bell.o1, bell.o2):
                cuts += [(bell.mean_y - bound) / bell.mean_f + k * step for k in (-6, -3, 0, 3, 6)]
        edges = np.stack([np.clip(np.nan_to_num(cut), low, high) for cut in cuts], axis=-1)
        edges.sort(axis=-1)
        x, weight = _legendre()
        pieces = np.diff(edges, axis=-1)
        b = (edges[..., :-1, None] + pieces[..., None] * x).reshape(*s.shape, -1)
        steps = (pieces[..., None] * weight).reshape(b.shape)
        wide, at = bell.spread(), s[..., None]
        with np.errstate(divide="ignore"):
            log_height = -0.5 * wide.v * ((b - wide.peak) / at) ** 2 + _log_between(*cls._ends(wide, at, b))
            return cls(b, steps, log_height, log_height + np.log(steps), low, bell, s)

    @staticmethod
    def _ends(bell: Bell, s: Array, b: Array) -> tuple[Array, Array]:
        """Bounds of the offset in standard deviations from o(b)."""
        tau, o = s / np.sqrt(bell.w), bell.offset(b)
        return (bell.o1 - o) / tau, (bell.o2 - o) / tau

    @property
    def weights(self) -> Array:
        """Probability of every node."""
        return np.exp(self.log_density - log_sum(self.log_density)[..., None])

    def moments(self) -> tuple[Array, Array, Array, Array, Array]:
        """Means of b, o, b^2, b o and o^2, shape (...)."""
        p, wide, at = self.weights, self.bell.spread(), self.s[..., None]
        low, high = self._ends(wide, at, self.b)
        tau = at / np.sqrt(wide.w)
        # Mean and second moment of a standard normal distribution between two ends.
        log_z = _log_between(low, high)
        left, right = (
            np.exp(-0.5 * np.minimum(z**2, 1400.0) - 0.5 * math.log(2 * math.pi) - log_z) for z in (low, high)
        )
        shift = left - right
        bounded_low, bounded_high = (np.clip(z, -40.0, 40.0) for z in (low, high))
        second = 1.0 + bounded_low * left - bounded_high * right
        o = wide.offset(self.b) + tau * shift
        oo = o**2 + tau**2 * np.maximum(second - shift**2, 0.0)
        return tuple((p * each).sum(axis=-1) for each in (self.b, o, self.b**2, self.b * o, oo))

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A contrast and an offset for every bell, shape (...)."""
        from scipy.special import ndtr, ndtri  # noqa: PLC0415 - scipy loads on use

        cumulative = np.cumsum(self.weights, axis=-1)
        u = rng.random(self.s.shape)[..., None] * cumulative[..., -1:]
        at = np.minimum((cumulative < u).sum(axis=-1), self.b.shape[-1] - 1)[..., None]

        def of(values: Array, i: NDArray[np.intp]) -> Array:
            return np.asarray(np.take_along_axis(values, i, -1))

        # The weights of a piece add up to its length, so the cells that they stand for lie side by side; in each the
        # density is taken for an exponential.
        ends = self.first[..., None] + np.cumsum(self.steps, axis=-1)
        length, right = of(self.steps, at), np.minimum(at + 1, self.b.shape[-1] - 1)
        left = np.maximum(at - 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (of(self.log_height, right) - of(self.log_height, left)) / (of(self.b, right) - of(self.b, left))
        bend = np.clip(np.where(np.isfinite(slope), slope, 0.0) * length, -50.0, 50.0)
        bend = np.where(np.abs(bend) < 1e-6, 1e-6, bend)
        part = np.log1p(rng.random(bend.shape) * np.expm1(bend)) / bend
        b = (of(ends, at) + (part - 1.0) * length)[..., 0]
        low, high = self._ends(self.bell, self.s, b)
        flip = low > 0
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        z = ndtri(ndtr(low) + rng.random(b.shape) * (ndtr(high) - ndtr(low)))
        z = np.clip(np.where(flip, -z, z), *(np.where(flip, -high, low), np.where(flip, -low, high)))
        return b, self.bell.offset(b) + z * self.s / np.sqrt(self.bell.w)


def _log_between(low: Array, high: Array) -> Array:
    """Log of the mass of a standard normal distribution between two ends."""
    from scipy.special import log_ndtr  # noqa: PLC0415 - scipy loads on use

    found = np.zeros(np.broadcast_shapes(low.shape, high.shape))
    cut = (low > -_RANGE) | (high < _RANGE)  # elsewhere all of it
    low, high = (np.broadcast_to(each, found.shape)[cut] for each in (low, high))
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    upper, lower = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore", invalid="ignore"):
        found[cut] = upper + np.log1p(-np.exp(np.minimum(lower - upper, 0.0)))
    return found


@cache
def _legendre() -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    x, weight = np.polynomial.legendre.leggauss(_NODES)
    return 0.5 * (x + 1.0), 0.5 * weight
