r"""All solutions of f(x) = 0 for a cheap function of one variable on the unit interval.

The function is looked at on a regular grid. Between two nodes with different signs lies a root, which Brent's method
finds (Brent 1973, chapter 4): inverse quadratic interpolation where it converges, bisection where it does not. A node
that comes nearer to zero than its neighbours without a change of sign may hide a pair of roots, or one that only
touches zero: the extremum is followed by golden sections as long as it may reach zero. A change of sign at a pole or
a jump is no root. Roots that are closer than the grid in any other way are missed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Function = Callable[[float], float]

_GOLDEN = 0.5 * (3.0 - math.sqrt(5.0))
_MAX_ITERATIONS = 100
_SECTIONS = 60
_TOUCHES = 1e-13
_ROUNDING = 8e-16
_SAME = 1e-12
_POLE = 0.5
_MAY_REACH = 0.25


def scan_roots(
    function: Function, nodes: NDArray[np.float64], values: NDArray[np.float64], scale: float
) -> list[float]:
    """All roots between the first and the last node, ascending.

    Parameters
    ----------
    function
        Of a float; NaN where it is not defined.
    nodes, values
        Where it was looked at, ascending, and what it is there, shape (n,).
    scale
        Size of the numbers that `function` is a difference of: what is rounding, and what is not.

    Examples
    --------
    >>> nodes = np.linspace(0, 1, 9)
    >>> [round(x, 12) for x in scan_roots(lambda x: (x - 0.3) * (x - 0.31), nodes, (nodes - 0.3) * (nodes - 0.31), 1)]
    [0.3, 0.31]
    """
    found = nodes[np.abs(values) <= _ROUNDING * scale].tolist()
    size = np.where(np.abs(values) <= _ROUNDING * scale, 0.0, values)
    with np.errstate(invalid="ignore"):
        for i in np.flatnonzero(np.sign(size[:-1]) * np.sign(size[1:]) < 0).tolist():
            ends = [(float(nodes[j]), float(size[j])) for j in (i, i + 1)]
            found += _bracketed(function, ends[0], ends[1], scale)
        inner = np.abs(size[1:-1])
        same = (np.sign(size[:-2]) == np.sign(size[1:-1])) & (np.sign(size[2:]) == np.sign(size[1:-1])) & (inner > 0)
        low = same & (inner <= np.abs(size[:-2])) & (inner <= np.abs(size[2:]))
    for i in np.flatnonzero(low).tolist():
        found += _touching(function, nodes[i : i + 3], size[i : i + 3], scale)
    return _distinct(sorted(found))


def _distinct(ascending: list[float]) -> list[float]:
    kept: list[float] = []
    for x in ascending:
        if not kept or x - kept[-1] > _SAME:
            kept.append(x)
    return kept


def _bracketed(function: Function, a: tuple[float, float], b: tuple[float, float], scale: float) -> list[float]:
    """The root between two points of different sign, unless it is a pole, a jump, or something undefined."""
    x, value = brent(function, a, b)
    small = min(abs(a[1]), abs(b[1]))
    return [x] if abs(value) <= max(_TOUCHES * scale, _POLE * small) and abs(value) < 1e-6 * scale else []


def _touching(function: Function, x: NDArray[np.float64], f: NDArray[np.float64], scale: float) -> list[float]:
    """Roots around a node that is nearer to zero than its neighbours, all three of one sign."""
    sign = math.copysign(1.0, f[1])
    left, middle, right = (float(each) for each in sign * f)
    bend = left - 2 * middle + right
    if bend <= 0:
        return []
    lowest = middle - (right - left) ** 2 / (8 * bend)  # of the parabola through the three
    if lowest > _MAY_REACH * max(left - middle, right - middle):
        return []
    low, high = float(x[0]), float(x[2])
    at, value = float(x[1]), middle
    for _ in range(_SECTIONS):
        left_is_wider = at - low > high - at
        trial = at - _GOLDEN * (at - low) if left_is_wider else at + _GOLDEN * (high - at)
        there = sign * function(trial)
        if there < 0:
            outer = (float(x[0]), float(f[0])), (float(x[2]), float(f[2]))
            middle_point = (trial, sign * there)
            return _bracketed(function, outer[0], middle_point, scale) + _bracketed(
                function, middle_point, outer[1], scale
            )
        if there < value:
            low, high = (low, at) if left_is_wider else (at, high)
            at, value = trial, there
        elif left_is_wider:
            low = trial
        else:
            high = trial
    return [at] if value <= _TOUCHES * scale else []


def brent(function: Function, a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Root between two points (x, f) with different signs, to rounding, and the value there.

    Examples
    --------
    >>> brent(lambda x: x * x - 0.5, (0.0, -0.5), (1.0, 0.5))[0] == 0.5**0.5
    True
    """
    (xa, fa), (xb, fb) = a, b
    xc, fc = xa, fa
    step = before = xb - xa
    for _ in range(_MAX_ITERATIONS):
        if (fb > 0) == (fc > 0):
            xc, fc = xa, fa
            step = before = xb - xa
        if abs(fc) < abs(fb):
            xa, fa, xb, fb, xc, fc = xb, fb, xc, fc, xb, fb
        tolerance = 2.3e-16 * abs(xb) + 1e-300
        half = 0.5 * (xc - xb)
        if abs(half) <= tolerance or fb == 0:
            break
        trial = _interpolated((xa, fa), (xb, fb), (xc, fc)) if abs(before) >= tolerance and abs(fa) > abs(fb) else None
        if trial is not None and abs(trial) < min(1.5 * abs(half), 0.5 * abs(before)) and trial * half > 0:
            before, step = step, trial
        else:
            before = step = half
        xa, fa = xb, fb
        xb += step if abs(step) > tolerance else math.copysign(tolerance, half)
        fb = function(xb)
        if math.isnan(fb):
            break
    return xb, fb if not math.isnan(fb) else math.inf


def _interpolated(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Step from b to the root of the inverse parabola (the straight line, where two points are one)."""
    (xa, fa), (xb, fb), (xc, fc) = a, b, c
    s = fb / fa
    if xa == xc:
        return (xc - xb) * s / (s - 1.0)
    q, r = fa / fc, fb / fc
    p = s * ((xc - xb) * q * (q - r) - (xb - xa) * (r - 1.0))
    return p / -((q - 1.0) * (r - 1.0) * (s - 1.0))
