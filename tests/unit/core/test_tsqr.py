from fractions import Fraction

import numpy as np
import pytest

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


def test_two_factors_merge_into_one():
    matrix = np.random.default_rng(1).normal(size=(5_000, 4))
    one, two = factor_of(matrix[:1_000], [10]), factor_of(matrix[1_000:], [3_000])
    before = two.rows()
    one.merge(two)
    assert one.n_rows == 5_000
    np.testing.assert_array_equal(two.rows(), before)
    np.testing.assert_allclose(np.abs(one.rows()), np.abs(factor_of(matrix, [2_500]).rows()), rtol=1e-12)


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


@pytest.mark.parametrize("rows", [np.zeros(3), np.zeros((2, 4))])
def test_rows_of_another_shape_are_refused(rows):
    with pytest.raises(ValueError, match=r"expected rows of shape \(n, 3\), got"):
        RowFactor(3).add(rows)


def test_no_columns_are_refused():
    with pytest.raises(ValueError, match="at least one column, got 0"):
        RowFactor(0)
