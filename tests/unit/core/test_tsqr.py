import math
from fractions import Fraction

import numpy as np
import pytest

from wilks.core import tsqr
from wilks.core.tsqr import RowFactor


def factor_of(matrix, chunks):
    factor = RowFactor(matrix.shape[1])
    for chunk in np.split(matrix, chunks):
        factor.add(chunk)
    return factor


def solution(triangle):
    """Least-squares solution of rows (A | b) from their factor."""
    m = triangle.shape[1] - 1
    return np.linalg.solve(triangle[:m, :m], triangle[:m, m])


def exact_solution(rows):
    """The same in rational arithmetic: floats are fractions, and elimination makes no rounding error."""
    table = [[Fraction(x) for x in row] for row in rows.tolist()]
    m = len(table[0]) - 1
    normal = [[sum(row[i] * row[j] for row in table) for j in range(m + 1)] for i in range(m)]
    for i in range(m):
        pivot = next(k for k in range(i, m) if normal[k][i])
        normal[i], normal[pivot] = normal[pivot], normal[i]
        for k in range(m):
            if k != i:
                ratio = normal[k][i] / normal[i][i]
                normal[k] = [a - ratio * b for a, b in zip(normal[k], normal[i], strict=True)]
    return np.array([float(normal[i][m] / normal[i][i]) for i in range(m)])


def ill_conditioned(n, condition):
    """Rows (A | b) with a given condition number of A, and a residual of the size of what is fitted."""
    generator = np.random.default_rng(3)
    left, right = np.linalg.qr(generator.normal(size=(n, 4)))[0], np.linalg.qr(generator.normal(size=(4, 4)))[0]
    a = left * np.geomspace(1.0, 1.0 / condition, 4) @ right
    return np.column_stack([a, a @ np.ones(4) + 1e-9 * generator.normal(size=n)])


@pytest.mark.parametrize("n_columns", [1, 3, 11, 60])
@pytest.mark.parametrize("n", [1, 7, 700, 40_001])
def test_sums_of_squares_and_products_are_kept(n, n_columns):
    generator = np.random.default_rng(n + n_columns)
    matrix = generator.normal(size=(n, n_columns))
    triangle = factor_of(matrix, [n // 3, n // 2]).rows()
    assert triangle.shape == (min(n, n_columns), n_columns)
    np.testing.assert_array_equal(triangle, np.triu(triangle))
    expected = matrix.T @ matrix
    np.testing.assert_allclose(triangle.T @ triangle, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_the_digits_of_the_condition_are_kept():
    rows = ill_conditioned(300, 1e8)
    expected = exact_solution(rows)
    normal = np.linalg.solve(rows[:, :4].T @ rows[:, :4], rows[:, :4].T @ rows[:, 4])
    assert np.abs(normal - expected).max() > 1e-4  # what the product of the matrix with itself would give
    np.testing.assert_allclose(solution(factor_of(rows, [50, 51, 200]).rows()), expected, rtol=1e-8)


def test_many_blocks_lose_no_digits():
    """Zero rows and repeated rows change no solution, but the order of the arithmetic."""
    rows = ill_conditioned(300, 1e8)
    long = np.repeat(rows, 200, axis=0)
    np.testing.assert_allclose(solution(factor_of(long, [1, 9_999]).rows()), exact_solution(rows), rtol=1e-7)


def test_what_is_asked_for_in_between_changes_nothing():
    matrix = np.random.default_rng(2).normal(size=(3_000, 3))
    factor = RowFactor(3)
    for chunk in np.split(matrix, 10):
        factor.add(chunk)
        factor.rows()[:] = np.nan  # a copy: the caller may write into it
    np.testing.assert_allclose(np.abs(factor.rows()), np.abs(np.linalg.qr(matrix, mode="r")), rtol=1e-12)


def test_the_rows_are_neither_kept_nor_changed():
    chunk = np.random.default_rng(2).normal(size=(5, 3))
    given = chunk.copy()
    factor = RowFactor(3)
    factor.add(chunk)
    np.testing.assert_array_equal(chunk, given)
    chunk[:] = 0.0  # a generator may use its array again
    assert np.linalg.norm(factor.rows()) == pytest.approx(np.linalg.norm(given))


def test_memory_does_not_grow():
    factor = RowFactor(3)
    for _ in range(2_000):
        factor.add(np.ones((100, 3)))
    assert sum(part.size for part in factor._waiting) <= 6_000
    assert factor.n_rows == 200_000


def test_columns_of_very_different_sizes():
    matrix = np.random.default_rng(5).normal(size=(4_000, 3)) * [1e150, 1.0, 1e-150]
    triangle = factor_of(matrix, [100]).rows()
    scaled = np.abs(np.linalg.qr(matrix / [1e150, 1.0, 1e-150], mode="r"))
    np.testing.assert_allclose(np.abs(triangle / [1e150, 1.0, 1e-150]), scaled, rtol=1e-12, atol=1e-13)


def test_no_rows():
    assert RowFactor(3).rows().shape == (0, 3)
    factor = RowFactor(3)
    factor.add(np.empty((0, 3)))
    assert factor.rows().shape == (0, 3)


@pytest.mark.parametrize(
    "parts",
    [
        (np.zeros(3),),
        (np.zeros((2, 4)),),
        (),
        (np.zeros((2, 2)), np.zeros(2)),
        (np.zeros((2, 2)), np.zeros((3, 1))),
        (np.zeros((2, 2)), np.zeros((2, 2))),
        (np.float64(1.0),),
    ],
)
def test_rows_of_another_shape_are_refused(parts):
    with pytest.raises(ValueError, match=r"expected rows of shape \(n, 3\), got"):
        RowFactor(3).add(*parts)


@pytest.mark.parametrize("n", [5, 2_100, 40_001])
@pytest.mark.parametrize("m", [4, 9])
def test_matrices_side_by_side_are_the_rows(n, m):
    matrix = np.random.default_rng(n).normal(size=(n, m))
    parts = np.asfortranarray(matrix[:, :2]), matrix[:, 2:-1], matrix[:, -1:].copy()
    factor = RowFactor(m)
    factor.add(*parts)
    assert factor.n_rows == n
    np.testing.assert_allclose(np.abs(factor.rows()), np.abs(factor_of(matrix, [3]).rows()), rtol=1e-10, atol=1e-11)


# ---------------------------------------------------------------------- very tall: a sample speaks for the rows


def householder(monkeypatch, rows):
    with monkeypatch.context() as patch:
        patch.setattr(tsqr, "_VERY_TALL", math.inf)
        return factor_of(rows, []).rows()


def very_tall(kind, condition):
    """Unique rows (A | b), 8 columns in all, and the same rows many times; the residual is small."""
    generator = np.random.default_rng(int(np.log10(condition)))
    n, m = 60, 7
    if kind == "spectrum":
        left, right = np.linalg.qr(generator.normal(size=(n, m)))[0], np.linalg.qr(generator.normal(size=(m, m)))[0]
        a = left * np.geomspace(1.0, 1.0 / condition, m) @ right
    else:
        a = generator.normal(size=(n, m))
        a[:, 1] = a[:, 0] + a[:, 1] / condition  # the first two columns, so that all others come after them
    a *= 10.0 ** np.arange(-9, 12, 3)[:m] if kind == "scaled" else 1.0
    fitted = a @ (generator.normal(size=m) / np.abs(a).max(axis=0))
    rows = np.column_stack([a, fitted + 1e-6 * np.abs(fitted).max() * generator.normal(size=n)])
    return rows, np.repeat(rows, 150, axis=0)


@pytest.mark.parametrize("condition", [1e2, 1e8, 1e12])
@pytest.mark.parametrize("kind", ["spectrum", "leading columns", "scaled"])
def test_the_sample_costs_no_digits(kind, condition, monkeypatch):
    rows, long = very_tall(kind, condition)
    assert tsqr._preconditioned([long], *long.shape) is not None
    exact = exact_solution(rows)

    def error(triangle):
        return np.abs(solution(triangle) / exact - 1.0).max()

    found = factor_of(long, []).rows()
    np.testing.assert_array_equal(found, np.triu(found))
    assert error(found) < max(2.0 * error(householder(monkeypatch, long)), 10 * np.finfo(float).eps * condition)


def with_outlier(matrix):
    matrix[4_321] *= 1e9
    return matrix


def of_rank_seven(matrix):
    matrix[:, 3] = matrix[:, 5] - 2.0 * matrix[:, 1]
    return matrix


def with_zeros(matrix):
    matrix[:, 3] = 0.0
    return matrix


def beyond_the_floats(matrix):
    matrix[4_321] = 1e200
    return matrix


def in_one_row(matrix):
    matrix[:, 3] = 0.0
    matrix[4_321, 3] = 1.0
    return matrix


def subnormal(matrix):
    return matrix * 1e-320


def infinite(matrix):
    matrix[::2] = np.inf
    return matrix


def nearly_infinite(matrix):
    return matrix * 3e307


SPOILT = [
    with_outlier, of_rank_seven, with_zeros, beyond_the_floats, in_one_row, subnormal, infinite, nearly_infinite
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
def test_rows_that_no_sample_speaks_for_are_reflected(spoil, monkeypatch):
    rows = spoil(np.random.default_rng(6).normal(size=(20_000, 8)))
    assert tsqr._preconditioned([rows], *rows.shape) is None
    np.testing.assert_array_equal(factor_of(rows, []).rows(), householder(monkeypatch, rows))


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_very_tall_columns_of_very_different_sizes(size):
    sizes = np.array([1.0, size] * 4)
    matrix = np.random.default_rng(5).normal(size=(9_000, 8))
    assert tsqr._preconditioned([matrix * sizes], *matrix.shape) is not None
    triangle = factor_of(matrix * sizes, []).rows()
    expected = np.abs(np.linalg.qr(matrix, mode="r"))
    np.testing.assert_allclose(np.abs(triangle / sizes), expected, rtol=1e-11, atol=1e-11)


def test_no_columns_are_refused():
    with pytest.raises(ValueError, match="at least one column, got 0"):
        RowFactor(0)
