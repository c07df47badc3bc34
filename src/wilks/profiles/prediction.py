r"""Where the argmax of a cell will be, from the cells of the same branch that are solved already.

Near a solved cell the argmax moves along the tangent :math:`v(p) \approx v_k + D (p - p_k)` with
:math:`D = -B_{vv}^{-1} B_{vp}` from the curvature at the optimum (implicit function theorem). What the tangent leaves
over is fitted by a weighted polynomial in the profiled coordinates (degree 1 or 2, as the number of solved neighbours
allows) with weights :math:`1 / (r^2 + 0.3)`, r the distance in cells. Directions in which no neighbour lies keep the
tangent. The value is predicted from the same neighbours; its uncertainty is the change from degree 1 to degree 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.grid import ProfileGrid
    from wilks.profiles.records import Records

_REACH = {1: 3, 2: 2}
_RANK = 1e-4


@dataclass(frozen=True)
class Prediction:
    """Argmax, shape (m,), inside the unit box; value with its uncertainty (NaN and infinity if unknown)."""

    argument: NDArray[np.float64]
    value: float
    uncertainty: float
    nearest: int


def predict(
    grid: ProfileGrid,
    records: Records,
    cell: int,
    parent: int,
    tangent: NDArray[np.float64],
    spacing: int = 1,
) -> Prediction:
    """Predict the solution of `cell` on the branch of row `parent`; `tangent` is D, shape (m, number of axes)."""
    rows = _neighbours(grid, records, cell, parent, spacing)
    cells = records.cells[rows]
    offsets = (grid.indices[cells] - grid.indices[cell]) / np.array(grid.strides(spacing))
    units = grid.positions[cells] - grid.positions[cell]
    arguments = records.arguments[rows] - units @ tangent.T  # carried to this cell along the tangent
    nearest = rows[int(np.argmin((offsets**2).sum(axis=1)))]
    if len(rows) == 1:
        return Prediction(np.clip(arguments[0], 0.0, 1.0), math.nan, math.inf, nearest)
    # Relative to the parent, so that a direction that the neighbours do not span keeps the parent's tangent.
    change, pattern, axes = arguments - arguments[0], offsets.tobytes(), offsets.shape[1]
    linear = _coefficients(pattern, axes, 1)
    if len(rows) <= _n_terms(axes, 2):
        return Prediction(np.clip(arguments[0] + linear @ change, 0.0, 1.0), math.nan, math.inf, nearest)
    quadratic = _coefficients(pattern, axes, 2)
    values = records.values[rows] - records.values[parent]
    value = float(records.values[parent] + quadratic @ values)
    argument = np.clip(arguments[0] + quadratic @ change, 0.0, 1.0)
    return Prediction(argument, value, abs(float((quadratic - linear) @ values)), nearest)


def _neighbours(grid: ProfileGrid, records: Records, cell: int, parent: int, spacing: int) -> list[int]:
    reach = _REACH.get(len(grid.nodes), 1)
    rows = records.branch_rows(grid.around(cell, reach, spacing), int(records.labels[parent]))
    return [parent, *(row for row in rows if row != parent)]


def _n_terms(axes: int, degree: int) -> int:
    return 1 + axes if degree == 1 else 1 + axes + axes * (axes + 1) // 2


@lru_cache(maxsize=20_000)  # in a flood the same patterns of neighbours come again and again
def _coefficients(offsets: bytes, axes: int, degree: int) -> NDArray[np.float64]:
    """Coefficients c of the neighbours, so that c @ targets is the weighted polynomial's value at the origin."""
    steps = np.frombuffer(offsets).reshape(-1, axes)
    weights = np.sqrt(1.0 / ((steps**2).sum(axis=1) + 0.3))
    columns = [np.ones(len(steps)), *steps.T]
    if degree == 2:
        columns += [steps[:, i] * steps[:, j] for i in range(axes) for j in range(i, axes)]
    found: NDArray[np.float64] = np.linalg.pinv(np.column_stack(columns) * weights[:, None], rcond=_RANK)[0] * weights
    return found
