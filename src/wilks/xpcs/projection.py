r"""Variable projection: contrast and offset optimised out of chi-squared, in closed form.

For angle k, one pass over the data leaves the matrix :math:`S_k` of weighted sums of products of the columns
:math:`[1, f, \partial f / \partial\theta, y]`, divided by :math:`\sigma_k^2`, where y is c2 minus its centre. The
residual and its derivatives are combinations of these columns,

.. math:: r = y - (o_k - \mathrm{centre}_k) - b_k f, \quad
          \partial r / \partial\theta = -b_k \, \partial f / \partial\theta, \quad
          \partial r / \partial b_k = -f, \quad \partial r / \partial o_k = -1                                       (1)

so every sum of products of (derivatives, residual) follows from the :math:`S_k` without the data. With
:math:`(b, o)` linear in coefficients c (`wilks.xpcs.scaling`), chi-squared is quadratic in c; its minimum within the
bounds is

.. math:: A c = d, \quad A = \sum_k P_k^T S_k P_k + P                                                              (2)

with an active set where a bound is reached. What is left depends on the physical parameters alone. Its gradient is
that of chi-squared at fixed c, since chi-squared is stationary in the free c, and its Gauss-Newton matrix is the Schur
complement

.. math:: H = N_{\theta\theta} - N_{\theta c} A^{-1} N_{c\theta}                                                    (3)

(Golub and Pereyra 1973, with Kaufman's simplification, 1975). The errors of all
parameters follow from N (`wilks.xpcs.errors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.solvers.box_step import box_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves
    from wilks.xpcs.scaling import LinearBlock

_RANK = 1e-12
ONE, F = 0, 1


@dataclass(frozen=True)
class AngleSums:
    """Sums of products for every angle, with what is needed to combine them.

    Attributes
    ----------
    products
        Matrices S_k over [1, f, derivatives..., y], shape (n_angles, m + 3, m + 3).
    centres
        What was subtracted from c2, shape (n_angles,).
    """

    products: NDArray[np.float64]
    centres: NDArray[np.float64]

    @property
    def n_derivatives(self) -> int:
        """Number m of physical derivatives; 0 for sums without."""
        return int(self.products.shape[1]) - 3

    def times(self, factors: NDArray[np.float64]) -> AngleSums:
        """Sums in which every angle weighs more by a factor of its own, shape (n_angles,)."""
        return AngleSums(self.products * factors[:, None, None], self.centres)


def physical_sums(
    grams: NDArray[np.float64],
    curves: Curves,
    values: dict[str, float],
    centres: NDArray[np.float64],
    inverse_variance: NDArray[np.float64],
) -> AngleSums:
    """Sums over the columns of the kernels -> sums over the derivatives with respect to the physical parameters.

    The kernels use the differences of the slopes of decay and strain; equation (2) of `wilks.xpcs.curves` makes
    derivatives of them. That of phi0 is a combination of two others, since the strain is linear in the two rates.

    Parameters
    ----------
    grams
        From `wilks.xpcs.gram`, shape (n_angles, K, K).
    curves
        At the same parameters.
    values
        Physical parameters by name.
    centres, inverse_variance
        Shape (n_angles,).
    """
    scale = inverse_variance[:, None, None]
    n, k = grams.shape[:2]
    if k == 3:  # [1, f, y]
        return AngleSums(grams * scale, centres)
    m = 7 if curves.has_flow else 3
    turn = np.zeros((n, k, m + 3))
    turn[:, ONE, ONE] = turn[:, F, F] = turn[:, -1, -1] = 1.0
    turn[:, 2:5, 2:5] = -np.eye(3)
    if curves.has_flow:
        turn[:, 5:8, 5:8] = curves.phases[:, None, None] * np.eye(3)
        turn[:, 5, 8] = curves.phase_slopes * values["gamma_dot_0"]
        turn[:, 7, 8] = curves.phase_slopes * values["gamma_dot_offset"]
    return AngleSums(np.swapaxes(turn, 1, 2) @ grams @ turn * scale, centres)


@dataclass(frozen=True)
class Projection:
    """Chi-squared with the coefficients at their best.

    Attributes
    ----------
    coefficients
        c, shape (n,).
    held
        Coefficients at a bound: -1 lower, 1 upper, 0 free; shape (n,).
    undetermined
        Does the data leave a combination of the coefficients open?
    contrast, offset
        Shape (n_angles,).
    chi_squared, penalty
        Sum of squared residuals, and the added term.
    normal
        Matrix N over (coefficients, physical parameters, residual), shape (n + m + 1, n + m + 1).
    sums
        What it was made from.
    """

    coefficients: NDArray[np.float64]
    held: NDArray[np.int8]
    undetermined: bool
    contrast: NDArray[np.float64]
    offset: NDArray[np.float64]
    chi_squared: float
    penalty: float
    normal: NDArray[np.float64]
    sums: AngleSums

    @property
    def log_likelihood(self) -> float:
        """Minus half of chi-squared and penalty."""
        return -0.5 * (self.chi_squared + self.penalty)

    def rows(self) -> NDArray[np.float64]:
        """Rows (residual | derivatives) with the projected sums of squares and products, shape (m + 1, m + 1)."""
        n = len(self.coefficients)
        free = np.flatnonzero(self.held == 0)
        rest = np.arange(n, len(self.normal))
        cross = self.normal[np.ix_(free, rest)]
        block = self.normal[np.ix_(free, free)]
        schur = self.normal[np.ix_(rest, rest)] - cross.T @ solve_semidefinite(block, cross)[0]  # (3)
        schur[-1, -1] = self.chi_squared + self.penalty  # free coefficients are at their best: nothing to take away
        return square_root(schur)[:, [-1, *range(len(rest) - 1)]]


def project(sums: AngleSums, block: LinearBlock) -> Projection:
    """Minimise chi-squared over the coefficients, and put the sums of products together."""
    n = len(block.names)
    linear = sums.products[:, :2, :2]
    known = np.stack([block.offset - sums.centres, block.contrast], axis=1)
    seen = sums.products[:, :2, -1] - (linear @ known[:, :, None])[:, :, 0]
    c, held, undetermined = np.empty(0), np.empty(0, dtype=np.int8), False
    if n:
        own, maps = block.own, block.maps
        a = block.penalty.copy()
        np.add.at(a, (own[:, :, None], own[:, None, :]), np.swapaxes(maps, 1, 2) @ linear @ maps)
        d = np.zeros(n)
        np.add.at(d, own, (seen[:, None, :] @ maps)[:, 0])
        move, undetermined = solve_semidefinite(a, d - a @ block.start)  # (2)
        c = block.start + move
        held = np.zeros(n, dtype=np.int8)
        if (c < block.lower).any() or (c > block.upper).any():
            c = _within(a, d, c, block)
            held = np.where(c <= block.lower, -1, np.where(c >= block.upper, 1, 0)).astype(np.int8)
    contrast, offset = block.scaled(c)
    normal = normal_matrix(sums, block, contrast, offset)
    chi_squared, pull = float(normal[-1, -1]), block.penalty @ c
    normal[:n, -1] += pull
    normal[-1, :n] += pull
    penalty = float(c @ pull)
    normal[-1, -1] += penalty
    return Projection(c, held, undetermined, contrast, offset, chi_squared, penalty, normal, sums)


def normal_matrix(
    sums: AngleSums, block: LinearBlock, contrast: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sums of products of (derivatives by coefficients, by physical parameters, residual), by equation (1)."""
    (n_angles, n), width = block.to_contrast.shape, block.own.shape[1]
    m, k = sums.n_derivatives, sums.products.shape[1]
    turn = np.zeros((n_angles, k, width + m + 1))
    turn[:, [ONE, F], :width] = -block.maps
    turn[:, 2 : 2 + m, width : width + m] = -contrast[:, None, None] * np.eye(m)
    turn[:, ONE, -1] = -(offset - sums.centres)
    turn[:, F, -1] = -contrast
    turn[:, -1, -1] = 1.0
    shared = np.broadcast_to(np.arange(n, n + m + 1), (n_angles, m + 1))
    where = np.concatenate([block.own, shared], axis=1)
    normal = np.zeros((n + m + 1, n + m + 1))
    np.add.at(normal, (where[:, :, None], where[:, None, :]), np.swapaxes(turn, 1, 2) @ sums.products @ turn)
    normal[:n, :n] += block.penalty
    return np.asarray(0.5 * (normal + normal.T))


def solve_semidefinite(a: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Solve a x = right for a positive semidefinite matrix; the shortest x (in scaled units) where it is singular.

    The second value says whether it is.

    Examples
    --------
    >>> solve_semidefinite(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([2.0, 2.0]))
    (array([1., 1.]), True)
    """
    if not len(a):
        return np.zeros_like(right), False
    size = np.sqrt(np.diag(a))
    size = np.where(size > 0, size, 1.0)
    scaled = a / np.outer(size, size)
    target = (right.T / size).T
    partner = _partners(a)
    if partner is not None:
        found, singular = _solve_pairs(scaled, target, partner)
        return (found.T / size).T, singular
    try:
        lower = np.linalg.cholesky(scaled)
        if np.diag(lower).min() ** 2 > _RANK:
            found = np.linalg.solve(scaled, target)
            return (found.T / size).T, False
    except np.linalg.LinAlgError:
        pass  # singular: below
    values, vectors = np.linalg.eigh(scaled)
    good = values > _RANK * max(values[-1], 1e-300)
    found = (vectors[:, good] / values[good]) @ (vectors[:, good].T @ target)
    return (found.T / size).T, True


def _partners(a: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """For each row of a matrix that falls apart into pairs, the other one (or itself); None for other matrices."""
    linked = a != 0
    np.fill_diagonal(linked, val=False)
    if (linked.sum(axis=1) > 1).any():
        return None
    return np.where(linked.any(axis=1), linked.argmax(axis=1), np.arange(len(a)))


def _solve_pairs(
    scaled: NDArray[np.float64], target: NDArray[np.float64], partner: NDArray[np.intp]
) -> tuple[NDArray[np.float64], bool]:
    """Solve 2 x 2 systems of unit diagonal (or zero) in terms of sum and difference, their eigenvectors."""
    rows = np.arange(len(scaled))
    diagonal = np.diag(scaled)
    r = np.where(partner == rows, 0.0, scaled[rows, partner])
    other = np.where((partner == rows)[:, None], 0.0, target.reshape(len(rows), -1)[partner])
    own = target.reshape(len(rows), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [
            np.where((value > _RANK)[:, None], 0.5 * (own + sign * other) / value[:, None], 0.0)
            for sign, value in ((1.0, diagonal + r), (-1.0, diagonal - r))
        ]
    singular = bool(((diagonal + r <= _RANK) | (diagonal - r <= _RANK)).any())
    return (halves[0] + halves[1]).reshape(target.shape), singular


def _within(
    a: NDArray[np.float64], d: NDArray[np.float64], c: NDArray[np.float64], block: LinearBlock
) -> NDArray[np.float64]:
    """Minimum of (2) within the bounds, from the one without: only what is tied to an active bound changes."""
    outside, partner = (c < block.lower) | (c > block.upper), _partners(a)
    tied = np.arange(len(a)) if partner is None else np.flatnonzero(outside | outside[partner])
    start = np.clip(c, block.lower, block.upper)[tied]
    lower, upper, part = block.lower[tied], block.upper[tied], a[np.ix_(tied, tied)]
    step, _ = box_step(d[tied] - part @ start, part, lower - start, upper - start)
    found = c.copy()
    found[tied] = np.clip(start + step, lower, upper)
    return found


def square_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows R with R'R = matrix, for a positive semidefinite matrix, negative rounding left out.

    Examples
    --------
    >>> rows = square_root(np.array([[4.0, 2.0], [2.0, 1.0]]))
    >>> np.allclose(rows.T @ rows, [[4.0, 2.0], [2.0, 1.0]])
    True
    """
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * size)
