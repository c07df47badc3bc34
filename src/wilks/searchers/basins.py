"""Starts and basins of a multi-start: the design; what is known of an optimum, when two are one, what leads to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.random import latin_hypercube

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Ascent
    from wilks.core.space import Space

MAX_COMBINATIONS = 64
"""Most combinations of discrete values that a local method goes through."""
_FARTHEST = 1.2  # log-likelihood; no rule below unites optima that differ by more
_REACH = 4.0  # of a parabola, in log-likelihood: less than three standard errors
_EXACT_VALUE, _EXACT_SLOPE = 0.01, 0.001  # agreement with which a parabola is trusted at any distance


@dataclass
class BasinRecord:
    """An optimum in the unit box, shape (dimension,); matrices are over the continuous coordinates (m of them).

    Attributes
    ----------
    n_hits
        Random starts that ended here.
    polished, measured
        Was it brought to the tight tolerance, and minus its Hessian, if that was measured.
    promise
        Gain that is still promised there.
    stayed
        The polish after the measurement found nothing.
    rounds
        Measurements so far.
    number
        By which jobs refer to it.
    """

    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    n_hits: int
    converged: bool
    reason: str
    polished: bool = False
    measured: NDArray[np.float64] | None = None
    curvature_error: float = math.nan
    promise: float = math.nan
    scanned: bool = False
    stayed: bool = False
    rounds: int = 0
    number: int = -1

    def replace(self, found: BasinRecord) -> None:
        """Put a better end in the place of this one; what belongs to the basin as such stays."""
        kept = self.n_hits, self.rounds, self.scanned, self.number
        vars(self).update(vars(found))
        self.n_hits, self.rounds, self.scanned, self.number = kept


def n_combinations(space: Space) -> int:
    """Number of combinations of discrete values, as far as they are gone through."""
    return min(math.prod(space[name].n_values or 1 for name in space.free), MAX_COMBINATIONS)


def start_design(space: Space, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """A Latin hypercube whose rows go through the combinations of the discrete coordinates, if there are not too many.

    Shape (size, dimension), in the unit box.
    """
    design = latin_hypercube(generator, size, space.dimension)
    sizes = [space[name].n_values or 1 for name in space.free]
    discrete = [column for column, size in enumerate(sizes) if size > 1]
    if not discrete or math.prod(sizes) > MAX_COMBINATIONS:
        return design
    for row in range(len(design)):
        rest = row
        for column in discrete:
            design[row, column] = (rest % sizes[column] + 0.5) / sizes[column]
            rest //= sizes[column]
    return design


def same_discrete(columns: NDArray[np.int64], one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Do two points of the unit box agree in everything but the coordinates in `columns`?"""
    mask = np.ones(len(one), dtype=bool)
    mask[columns] = False
    return bool(np.array_equal(one[mask], other[mask]))


def same_basin(columns: NDArray[np.int64], one: BasinRecord, other: BasinRecord) -> bool:
    """Do two ends of ascents belong to one optimum?"""
    better, worse = (one, other) if one.value >= other.value else (other, one)
    gap = better.value - worse.value
    if gap > _FARTHEST or not same_discrete(columns, one.u, other.u):
        return False
    d = (one.u - other.u)[columns]
    if not len(d) or float(np.abs(d).max()) < 1e-4:
        return True
    q = 0.5 * float(d @ better.curvature @ d)
    # Close by, or on the way up a parabola that is known: there the gap is what the parabola says.
    return (q < 0.05 and gap < 0.02) or (q < 1.0 and abs(gap - q) < 0.15 * q + 1e-3)


def explains(columns: NDArray[np.int64], basin: BasinRecord, u: NDArray[np.float64], value: float) -> bool:
    """Is a value what the parabola of a basin near by says?"""
    if basin.value < value or not same_discrete(columns, u, basin.u):
        return False
    d = (u - basin.u)[columns]
    q = 0.5 * float(d @ basin.curvature @ d)
    return q < _REACH and abs(basin.value - q - value) < 0.15 * q + 1e-3


def leads_to(columns: NDArray[np.int64], basin: BasinRecord, base: NDArray[np.float64], ascent: Ascent) -> bool:
    """Do the value and the gradient of an ascent under way say that it is on the slope of a basin?

    Near by they may differ a little from the parabola of the basin. Far away they may not: only where all is one
    parabola does it say what lies between.
    """
    d = ascent.u - basin.u[columns]
    bd = basin.curvature @ d
    q = 0.5 * float(d @ bd)
    off = abs(basin.value - q - ascent.value)
    if q < _REACH:
        if off >= 0.15 * q + 1e-3:
            return False
        slope = 0.2 * q + 1e-4
    elif basin.measured is None or off >= _EXACT_VALUE * q:
        return False
    else:
        slope = _EXACT_SLOPE * q
    if not same_discrete(columns, base, basin.u):
        return False
    e = ascent.gradient + bd
    return float(e @ np.linalg.solve(basin.curvature, e)) < slope
