"""What is shown on the diagonal, against loops written as the definition says."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.diagonal import with_diagonal

N = 20


def measured(holes=0, n=N, seed=1):
    """A symmetric matrix with shot noise on the diagonal, and pixels that were not measured."""
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.normal(1.2, 0.02, (n, n)), 1)
    matrix[rng.random((n, n)) < holes] = np.nan
    matrix = matrix + matrix.T
    np.fill_diagonal(matrix, 5.0)
    return matrix


def centred(matrix, i, lag):
    """Known values of the pairs about frame i."""
    found = [(i - before, i - before + lag) for before in {lag // 2, lag - lag // 2}]
    values = [matrix[a, b] for a, b in found if a >= 0 and b < len(matrix)]
    return [value for value in values if np.isfinite(value)]


def neighbours(matrix, i):
    values = centred(matrix, i, 1)
    return np.mean(values) if values else np.nan


def median(matrix, i):
    pairs = [matrix[k, k + 1] for k in range(max(0, i - 3), min(len(matrix) - 1, i + 3))]
    pairs = [value for value in pairs if np.isfinite(value)]
    return np.median(pairs) if pairs else np.nan


def line(matrix, i):
    known = {lag: np.mean(values) for lag in (1, 2, 3) if (values := centred(matrix, i, lag))}
    if not known:
        return np.nan
    if len(known) == 1:
        return next(iter(known.values()))
    return np.polyfit(list(known), list(known.values()), 1)[1]


@pytest.mark.parametrize(
    ("diagonal", "definition"), [("neighbours", neighbours), ("median", median), ("interpolated", line)]
)
@pytest.mark.parametrize("holes", [0, 0.3, 0.9, 1])
@pytest.mark.parametrize("n", [3, 4, N])
def test_definitions(diagonal, definition, holes, n):
    matrix = measured(holes, n)
    before = matrix.copy()
    shown = with_diagonal(matrix, diagonal)
    np.testing.assert_allclose(np.diagonal(shown), [definition(matrix, i) for i in range(n)], rtol=1e-12)
    np.testing.assert_array_equal(matrix, before)
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_array_equal(shown[off], matrix[off])


def test_measured_and_masked():
    matrix = measured()
    assert (np.diagonal(with_diagonal(matrix, "measured")) == 5).all()
    assert np.isnan(np.diagonal(with_diagonal(matrix, "masked"))).all()


@pytest.mark.parametrize(("diagonal", "error"), [("neighbours", 0.1), ("median", 0.1), ("interpolated", 0.0)])
def test_a_correlation_that_falls_linearly(diagonal, error):
    lag = np.abs(np.subtract.outer(np.arange(N), np.arange(N)))
    matrix = 1.5 - 0.1 * lag
    np.fill_diagonal(matrix, 9)
    inner = np.diagonal(with_diagonal(matrix, diagonal))[1:-1]
    np.testing.assert_allclose(inner, 1.5 - error, atol=1e-12)


def test_an_outlier_does_not_move_the_median():
    matrix = measured()
    matrix[7, 8] = matrix[8, 7] = 1000
    assert np.diagonal(with_diagonal(matrix, "median")).max() < 1.3
    assert np.diagonal(with_diagonal(matrix, "neighbours")).max() > 100


@pytest.mark.parametrize("diagonal", ["", "mask", "basic", None])
def test_unknown(diagonal):
    with pytest.raises(InvalidConfigurationError, match="diagonal: expected one of 'measured', 'masked', "):
        with_diagonal(measured(), diagonal)


def test_of_a_measurement():
    half = np.triu(measured())
    dead = np.full((N, N), np.nan)
    data = TwoTimeData([half, dead], t=np.arange(N), phi=[0, 90], q=0.01)
    np.testing.assert_array_equal(data.matrix(0), measured())
    np.testing.assert_array_equal(data.matrix(0, diagonal="median"), with_diagonal(measured(), "median"))
    assert np.isnan(data.matrix(1, "interpolated")).all()
    with pytest.raises(InvalidConfigurationError):
        data.matrix(1, "basic")
