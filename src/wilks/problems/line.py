"""The largest value of a function of one free parameter, for many values of a fixed one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_N_SCAN = 2049
_N_BRACKETS = 6
_GOLDEN = (np.sqrt(5) - 1) / 2
_N_SECTIONS = 50  # shrink a bracket by 3e-11


def largest_on_line(function: Callable[[Array, Array], Array], fixed: Array, limits: tuple[float, float]) -> Array:
    """Largest value of ``function(fixed, free)`` over the free parameter, for every value of the fixed one.

    A scan with 2049 points brackets the local maxima; golden sections climb to the top of the highest six.

    Parameters
    ----------
    function
        Vectorised, in two parameters.
    fixed
        Values of the first one, of any shape.
    limits
        Lower and upper bound of the second one.
    """
    rows = fixed.reshape(-1, 1)
    scan = np.linspace(*limits, _N_SCAN)
    heights = function(rows, scan)
    walled = np.pad(heights, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_top = (heights >= walled[:, :-2]) & (heights >= walled[:, 2:])
    ranked = np.where(is_top, heights, -np.inf)
    tops = np.argpartition(ranked, -_N_BRACKETS, axis=1)[:, -_N_BRACKETS:]
    lower, upper = scan[np.maximum(tops - 1, 0)], scan[np.minimum(tops + 1, _N_SCAN - 1)]
    left, right = upper - _GOLDEN * (upper - lower), lower + _GOLDEN * (upper - lower)
    at_left, at_right = function(rows, left), function(rows, right)
    for _ in range(_N_SECTIONS):
        shift = at_left < at_right  # the top is right of `left`
        lower, upper = np.where(shift, left, lower), np.where(shift, upper, right)
        new = np.where(shift, lower + _GOLDEN * (upper - lower), upper - _GOLDEN * (upper - lower))
        at_new = function(rows, new)
        left, right = np.where(shift, right, new), np.where(shift, new, left)
        at_left, at_right = np.where(shift, at_right, at_new), np.where(shift, at_new, at_left)
    best: Array = np.concatenate((heights, at_left, at_right), axis=1).max(axis=1)
    return best.reshape(fixed.shape)
