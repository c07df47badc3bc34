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
) -> Prediction:
    """Predict the solution of `cell` on the branch of row `parent`; `tangent` is D, shape (m, number of axes)."""
    label = int(records.labels[parent])
    rows = _neighbours(grid, records, cell, parent, label)
    cells = records.cells[rows]
    offsets = (grid.indices[cells] - grid.indices[cell]).astype(float)
    units = grid.positions[cells] - grid.positions[cell]
    arguments = records.arguments[rows] - units @ tangent.T  # carried to this cell along the tangent
    weights = np.sqrt(1.0 / ((offsets**2).sum(axis=1) + 0.3))
    targets = np.column_stack([arguments, records.values[rows]])
    nearest = rows[int(np.argmin((offsets**2).sum(axis=1)))]
    if len(rows) == 1:
        return Prediction(np.clip(arguments[0], 0.0, 1.0), math.nan, math.inf, nearest)
    # Relative to the parent, so that a direction that the neighbours do not span keeps the parent's tangent.
    change = targets - targets[0]
    linear = _fit(offsets, change, weights, 1)
    if len(rows) <= _n_terms(offsets.shape[1], 2):
        return Prediction(np.clip((targets[0] + linear)[:-1], 0.0, 1.0), math.nan, math.inf, nearest)
    quadratic = _fit(offsets, change, weights, 2)
    best = targets[0] + quadratic
    return Prediction(np.clip(best[:-1], 0.0, 1.0), float(best[-1]), abs(float(quadratic[-1] - linear[-1])), nearest)


def _neighbours(grid: ProfileGrid, records: Records, cell: int, parent: int, label: int) -> list[int]:
    reach = _REACH.get(len(grid.shape), 1)
    rows = [parent]
    for other in grid.around(cell, reach):
        row = records.row_of(other, label)
        if row is not None and row != parent and math.isfinite(records.values[row]):
            rows.append(row)
    return rows


def _n_terms(axes: int, degree: int) -> int:
    return 1 + axes if degree == 1 else 1 + axes + axes * (axes + 1) // 2


def _fit(
    offsets: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], degree: int
) -> NDArray[np.float64]:
    """Value at the origin of the weighted polynomial through the targets, shape of one target."""
    n, axes = offsets.shape
    columns = [np.ones(n), *offsets.T]
    if degree == 2:
        columns += [offsets[:, i] * offsets[:, j] for i in range(axes) for j in range(i, axes)]
    design = np.column_stack(columns) * weights[:, None]
    solution: NDArray[np.float64] = np.linalg.lstsq(design, targets * weights[:, None], rcond=_RANK)[0][0]
    return solution
