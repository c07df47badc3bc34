r"""Which points give the columns of a Jacobian when some parameters are linear, and how their residuals become columns.

The k linear parameters have exact columns from one point each, over half the box: they are wanted at every trial. The
others have differences around points that were accepted. The full Jacobian of the projection needs the product
:math:`g = A^T r` at the first offset of each of them, so their linear columns there, k points more for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.jacobian import (
    forward_jacobian,
    forward_offsets,
    offset_points,
    three_point_jacobian,
    three_point_offsets,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.solvers.jacobian import Residuals


@dataclass(frozen=True)
class ResidualDifferences:
    """Differences around a point of the unit box, shape (m,).

    Parameters
    ----------
    u
        The point.
    linear, others
        Positions of the linear parameters, k of them, and of the others.
    curvature
        Curvature that the steps of three-point differences fit; None for forward differences.
    size
        Offset of the linear parameters.
    sizes
        Sizes of the forward differences, shape (m,).
    """

    u: NDArray[np.float64]
    linear: NDArray[np.intp]
    others: NDArray[np.intp]
    curvature: NDArray[np.float64] | None
    size: float
    sizes: NDArray[np.float64]

    @property
    def offsets(self) -> tuple[NDArray[np.float64], ...]:
        """One or two offsets per coordinate, each of shape (m,)."""
        return (
            (forward_offsets(self.u, self.sizes),)
            if self.curvature is None
            else three_point_offsets(self.u, self.curvature)
        )

    @property
    def n_points(self) -> int:
        """Number of `points`."""
        return len(self.others) * (1 if self.curvature is None else 2)

    def linear_points(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear parameters moved, around any point, shape (k, m)."""
        return offset_points(at, forward_offsets(at, self.size), which=self.linear)

    def linear_columns(self, centre: NDArray[np.float64], answers: Residuals) -> NDArray[np.float64]:
        """Columns from the residuals at a point with the linear parameters of `u`, and at its `linear_points`."""
        return forward_jacobian(centre, forward_offsets(self.u, self.size)[self.linear], answers)

    def points(self) -> NDArray[np.float64]:
        """Others moved: forwards, or to both sides as far as fits the curvature."""
        return offset_points(self.u, *self.offsets, which=self.others)

    def columns(self, centre: NDArray[np.float64], answers: Residuals) -> NDArray[np.float64]:
        """Columns from the residuals at `u` and at `points`, shape (n, m - k); NaN where one is missing."""
        first, *second = (offsets[self.others] for offsets in self.offsets)
        if second:
            return three_point_jacobian(centre, (first, second[0]), answers)
        return forward_jacobian(centre, first, answers)

    def other_columns(
        self, centre: NDArray[np.float64], missing: NDArray[np.intp], points: NDArray[np.float64], answers: Residuals
    ) -> NDArray[np.float64]:
        """Columns that were `missing` from residuals at points to their other side; NaN where there is none either."""
        moved = self.others[missing]
        moves = points[np.arange(len(moved)), moved] - self.u[moved]
        return forward_jacobian(centre, np.where(moves != 0.0, moves, np.nan), answers)

    def rows(self, here: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows (r | J) from (linear columns | r) and the columns of the others; zero where one is not defined."""
        found = np.empty((len(here), 1 + len(self.u)))
        found[:, 0] = here[:, -1]
        found[:, 1 + self.linear] = here[:, :-1]
        found[:, 1 + self.others] = np.nan_to_num(columns, nan=0.0)
        return found

    def mixed_points(self) -> NDArray[np.float64]:
        """Linear parameters moved at every first offset of the others, shape ((m - k) k, m)."""
        first = offset_points(self.u, self.offsets[0], which=self.others)
        return np.concatenate([self.linear_points(point) for point in first])

    def mixed_products(self, centres: Residuals, answers: Residuals) -> NDArray[np.float64]:
        """Products A'r at the first offsets, shape (k, m - k), from the residuals there and at `mixed_points`."""
        k = len(self.linear)
        products = np.full((k, len(self.others)), np.nan)
        for j, centre in enumerate(centres):
            if centre is not None:
                products[:, j] = self.linear_columns(centre, answers[j * k : (j + 1) * k]).T @ centre
        return products

    def given_products(self, answers: list[NDArray[np.float64] | None]) -> NDArray[np.float64]:
        """Return the same from rows (r | J) at the first offsets."""
        products = np.full((len(self.linear), len(self.others)), np.nan)
        for j, rows in enumerate(answers):
            if rows is not None:
                products[:, j] = rows[:, 1 + self.linear].T @ rows[:, 0]
        return products

    def mixed(self, products: NDArray[np.float64], triangle: NDArray[np.float64]) -> NDArray[np.float64]:
        """W = dA'r of `solvers.variable_projection`, shape (k, m - k); zero where a product is missing.

        The derivative of A'r is W + A'J; `triangle` has the products of (J | r) at `u`.
        """
        linear = triangle[:, self.linear]
        slopes = (products - (linear.T @ triangle[:, -1])[:, None]) / self.offsets[0][self.others]
        return np.nan_to_num(slopes - linear.T @ triangle[:, self.others], nan=0.0)
