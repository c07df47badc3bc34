r"""What is known of the cells: solutions of the inner problem, each belonging to a branch.

A branch is a family of local optima that continue one another from cell to cell. Several branches may have a solution
in one cell; the map is the largest of them. Two solutions of a cell are the same when they are close in the metric of
their curvature,

.. math:: q(d) = d^T B d / 2                                                                                   (1)

the log-likelihood that one loses by being d away from the argmax; then their branches are united.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAME_GAIN = 0.02
_SAME_PLACE = 0.05
_ALIKE = 1e-3


@dataclass
class Records:
    """A growing table of solutions; row numbers stay valid.

    Attributes
    ----------
    n
        Number of rows in use.
    cells, labels
        Cell and branch label of each row.
    values
        Log-likelihood, evaluated, never interpolated.
    arguments
        Nuisance coordinates in the unit box, shape (rows, m).
    curvatures
        Minus the Hessian over them, shape (rows, m, m).
    ages
        Steps from cell to cell since the curvature was measured.
    converged
        Did the optimisation of the row reach its tolerance?
    parents
        Union-find over the branch labels.
    """

    m: int
    n: int = 0
    cells: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    arguments: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    curvatures: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0, 0)))
    ages: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    converged: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    parents: list[int] = field(default_factory=list)
    _rows_of: dict[int, list[int]] = field(default_factory=dict, repr=False, metadata={"saved": False})
    _labels_of_rows: list[int] = field(default_factory=list, repr=False, metadata={"saved": False})

    def new_label(self) -> int:
        """Return the label of a branch that is not yet known."""
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def root(self, label: int) -> int:
        """The label under which a branch goes after unions."""
        while self.parents[label] != label:
            label = self.parents[label]
        return label

    def unite(self, one: int, other: int) -> None:
        """Two labels turned out to be one branch."""
        one, other = self.root(one), self.root(other)
        self.parents[max(one, other)] = min(one, other)

    def rows(self, cell: int) -> list[int]:
        """Rows of a cell."""
        if not self._rows_of:
            self._index_rows()
        return self._rows_of.get(cell, [])

    def _index_rows(self) -> None:
        """Make the index, which is not saved, from the table."""
        self._labels_of_rows = self.labels[: self.n].tolist()
        for row, known in enumerate(self.cells[: self.n].tolist()):
            self._rows_of.setdefault(known, []).append(row)

    def row_of(self, cell: int, label: int) -> int | None:
        """Row of a branch in a cell."""
        return next(iter(self.branch_rows([cell], label)), None)

    def branch_rows(self, cells: list[int], label: int) -> list[int]:
        """Rows of a branch in several cells, those cells left out in which it has none."""
        if not self._rows_of:
            self._index_rows()
        root, parents, found = self.root(label), self.parents, []
        for cell in cells:
            for row in self._rows_of.get(cell, ()):
                own = parents[self._labels_of_rows[row]]
                if own == root or (parents[own] != own and self.root(own) == root):
                    found.append(row)
                    break
        return found

    def alike(self, cell: int, argument: NDArray[np.float64]) -> int | None:
        """Row of the cell whose argmax is the same as `argument`, by (1)."""
        for row in self.rows(cell):
            d = argument - self.arguments[row]
            largest = float(np.abs(d).max(initial=0.0))
            if largest < _ALIKE:
                return row
            if largest < _SAME_PLACE and 0.5 * float(d @ self.curvatures[row] @ d) < _SAME_GAIN:
                return row
        return None

    def add(self, cell: int, label: int, solution: Solution) -> int:
        """Append a row."""
        self.rows(cell)  # the index must exist before it grows
        if self.n == len(self.cells):
            self._grow()
        row = self.n
        self.n += 1
        self.cells[row], self.labels[row] = cell, label
        self.put(row, solution)
        self._rows_of.setdefault(cell, []).append(row)
        self._labels_of_rows.append(label)
        return row

    def put(self, row: int, solution: Solution) -> None:
        """Overwrite the solution of a row."""
        self.values[row] = solution.value
        self.arguments[row] = solution.argument
        self.curvatures[row] = solution.curvature
        self.ages[row] = solution.age
        self.converged[row] = solution.converged

    def _grow(self) -> None:
        size = max(64, 2 * len(self.cells))
        for name, shape in (
            ("cells", ()),
            ("labels", ()),
            ("values", ()),
            ("arguments", (self.m,)),
            ("curvatures", (self.m, self.m)),
            ("ages", ()),
            ("converged", ()),
        ):
            old = getattr(self, name)
            new = np.zeros((size, *shape), dtype=old.dtype)
            new[: self.n] = old[: self.n].reshape((self.n, *shape))
            setattr(self, name, new)


@dataclass
class Solution:
    """The end of one ascent in a cell."""

    value: float
    argument: NDArray[np.float64]
    curvature: NDArray[np.float64]
    age: int
    converged: bool
