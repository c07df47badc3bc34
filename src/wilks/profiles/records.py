r"""What is known of the cells: solutions of the inner problem, each belonging to a branch.

A branch is a family of local optima that continue one another from cell to cell. Several branches may have a solution
in one cell; the map is the largest of them. Two solutions of a cell are the same when they are close in the metric of
their curvature,

.. math:: q(d) = d^T B d / 2                                                                                   (1)

the log-likelihood that one loses by being d away from the argmax; then their branches are united. With other values of
discrete nuisance parameters they are never the same.
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
    anchors
        Was the gradient over the nuisance coordinates looked at, or was a prediction accepted after one evaluation?
    spacings
        Spacing of the lattice on which the row was found.
    aims, estimates
        Where the argmax is expected and how high, after the last Newton step that was not taken: for predictions
        only, shapes (rows, m) and (rows,).
    parents
        Union-find over the branch labels.
    discrete
        Values of the discrete nuisance parameters on the branch of each label.
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
    anchors: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    spacings: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    aims: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    estimates: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    parents: list[int] = field(default_factory=list)
    discrete: list[tuple[float, ...]] = field(default_factory=list)
    _rows_of: dict[int, list[int]] = field(default_factory=dict, repr=False, metadata={"saved": False})
    _labels_of_rows: list[int] = field(default_factory=list, repr=False, metadata={"saved": False})
    _cells_of_root: dict[int, set[int]] = field(default_factory=dict, repr=False, metadata={"saved": False})

    def new_label(self, discrete: tuple[float, ...] = ()) -> int:
        """Return the label of a branch that is not yet known, with these discrete nuisance values."""
        self.parents.append(len(self.parents))
        self.discrete.append(discrete)
        return len(self.parents) - 1

    def root(self, label: int) -> int:
        """The label under which a branch goes after unions."""
        while self.parents[label] != label:
            label = self.parents[label]
        return label

    def unite(self, one: int, other: int) -> None:
        """Two labels turned out to be one branch.

        They stay two when both have a solution in some cell: branches that meet in a fold and go on side by side.
        """
        one, other = self.root(one), self.root(other)
        if self.discrete[one] != self.discrete[other]:
            return
        if one == other or not self._cells_of(one).isdisjoint(self._cells_of(other)):
            return
        kept, gone = min(one, other), max(one, other)
        self.parents[gone] = kept
        self._cells_of_root[kept] = self._cells_of(kept) | self._cells_of_root.pop(gone)

    def _cells_of(self, root: int) -> set[int]:
        """Cells in which a branch has a solution."""
        if not self._rows_of:
            self._index_rows()
        return self._cells_of_root.setdefault(root, set())

    def roots(self) -> NDArray[np.int64]:
        """The label under which the branch of each row goes, shape (n,)."""
        every = np.array([self.root(label) for label in range(len(self.parents))], dtype=np.int64)
        found: NDArray[np.int64] = every[self.labels[: self.n]]
        return found

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
            self._cells_of_root.setdefault(self.root(self._labels_of_rows[row]), set()).add(known)

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

    def alike(self, cell: int, argument: NDArray[np.float64], discrete: tuple[float, ...] = ()) -> int | None:
        """Row of the cell whose argmax is the same as `argument`, by (1), with the same discrete nuisance values."""
        for row in self.rows(cell):
            if self.discrete[self._labels_of_rows[row]] != discrete:
                continue
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
        self._cells_of_root.setdefault(self.root(label), set()).add(cell)
        return row

    def put(self, row: int, solution: Solution) -> None:
        """Overwrite the solution of a row."""
        self.values[row] = solution.value
        self.arguments[row] = solution.argument
        self.curvatures[row] = solution.curvature
        self.ages[row] = solution.age
        self.converged[row] = solution.converged
        self.anchors[row], self.spacings[row] = solution.anchor, solution.spacing
        self.aims[row] = solution.argument if solution.aim is None else solution.aim
        self.estimates[row] = solution.value + solution.promise

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
            ("anchors", ()),
            ("spacings", ()),
            ("aims", (self.m,)),
            ("estimates", ()),
        ):
            old = getattr(self, name)
            new = np.zeros((size, *shape), dtype=old.dtype)
            new[: self.n] = old[: self.n].reshape((self.n, *shape))
            setattr(self, name, new)


@dataclass
class Solution:
    """The end of one ascent in a cell; `aim` and `promise` are the Newton step that was not taken and its gain."""

    value: float
    argument: NDArray[np.float64]
    curvature: NDArray[np.float64]
    age: int
    converged: bool
    spacing: int = 1
    anchor: bool = True
    aim: NDArray[np.float64] | None = None
    promise: float = 0.0


def last_step(
    u: NDArray[np.float64], gradient: NDArray[np.float64], curvature: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Newton step from the end of an ascent and its gain; coordinates that are pushed against a bound stay."""
    free = ~(((u <= 0.0) & (gradient < 0)) | ((u >= 1.0) & (gradient > 0)))
    if not free.any() or not np.isfinite(gradient).all():
        return u, 0.0
    step = np.zeros(len(u))
    try:
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
    except np.linalg.LinAlgError:  # of a likelihood that is undefined here and there
        return u, 0.0
    return u + step, 0.5 * float(gradient @ step)
