"""Covariances of the unit box: closed forms, bounds, and directions that are not determined."""

import numpy as np
import pytest

from tests.unit.solvers.ascents import positive_definite
from wilks.solvers.covariance import GAUSS_NEWTON_ROUNDING, active_bounds, uncertainty

MIDDLE = np.full(3, 0.5)
FLAT_SLOPE = np.zeros(3)


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_the_covariance_is_the_inverse(m):
    matrix = 1e4 * positive_definite(np.random.default_rng(m), m, 0.1)
    found = uncertainty(np.full(m, 0.5), np.zeros(m), matrix)
    assert found.covariance == pytest.approx(np.linalg.inv(matrix), rel=1e-9)
    assert (found.flat, found.saddle, found.held.tolist()) == ((), False, [0] * m)


def test_scales_do_not_matter():
    """Twelve orders of magnitude between the diagonal elements, and a correlation of 0.9."""
    scale = 10.0 ** np.array([1, 4, 7])
    matrix = np.outer(scale, scale) * (0.1 * np.eye(3) + 0.9)
    found = uncertainty(MIDDLE, FLAT_SLOPE, matrix)
    assert found.covariance == pytest.approx(np.linalg.inv(matrix), rel=1e-9)
    assert found.condition == pytest.approx(28.0)


def test_a_coordinate_at_a_bound_is_held():
    matrix = 1e4 * positive_definite(np.random.default_rng(5), 3, 0.1)
    found = uncertainty(np.array([0.0, 0.5, 0.5]), np.array([-3.0, 0.0, 0.0]), matrix)
    assert found.held.tolist() == [-1, 0, 0]
    assert found.covariance[1:, 1:] == pytest.approx(np.linalg.inv(matrix[1:, 1:]))
    assert np.isnan(found.covariance[0]).all()


def test_bounds_count_only_where_the_likelihood_pushes():
    u = np.array([0.0, 0.0, 1.0, 1.0, 0.5])
    assert active_bounds(u, np.array([-1.0, 1.0, 1.0, -1.0, 3.0])).tolist() == [-1, 0, 1, 0, 0]


def test_an_exact_ridge():
    matrix = np.array([[1e4, 1e4, 0], [1e4, 1e4, 0], [0, 0, 400.0]])
    found = uncertainty(MIDDLE, FLAT_SLOPE, matrix)
    assert np.isinf(np.diag(found.covariance)).tolist() == [True, True, False]
    assert found.covariance[2, 2] == pytest.approx(1 / 400)
    (direction,) = found.flat
    assert direction.tolist() == pytest.approx([-1, 1, 0]) or direction.tolist() == pytest.approx([1, -1, 0])


def test_a_ridge_between_very_different_scales():
    """Along it the first coordinate moves by a ten-thousandth of the box only, which is still not its own error."""
    slope = np.array([1e6, 1e2, 0.0])
    matrix = np.outer(slope, slope) + np.diag([0, 0, 400.0])
    found = uncertainty(MIDDLE, FLAT_SLOPE, matrix)
    assert np.isinf(np.diag(found.covariance)).tolist() == [True, True, False]
    (direction,) = found.flat
    assert direction[0] / direction[1] == pytest.approx(-1e-4)


def test_two_ridges_come_out_as_two():
    matrix = np.zeros((5, 5))
    for i, j in ((0, 3), (1, 4)):
        matrix[np.ix_([i, j], [i, j])] = 1e4
    matrix[2, 2] = 1e4
    found = uncertainty(np.full(5, 0.5), np.zeros(5), matrix)
    assert sorted(tuple(np.flatnonzero(direction).tolist()) for direction in found.flat) == [(0, 3), (1, 4)]
    assert found.covariance[2, 2] == pytest.approx(1e-4)


def test_a_coordinate_that_does_nothing():
    found = uncertainty(MIDDLE, FLAT_SLOPE, np.diag([1e4, 0.0, 1e2]))
    assert np.diag(found.covariance).tolist() == pytest.approx([1e-4, np.inf, 1e-2])
    assert [direction.tolist() for direction in found.flat] == [[0, 1, 0]]
    assert not found.saddle


@pytest.mark.parametrize("noise", [1e-3, -1e-3, 0.3, -0.3])
def test_the_noise_of_a_flat_coordinate_is_flat_too(noise):
    """Its sign says nothing: over the whole box it makes a difference below one half."""
    found = uncertainty(MIDDLE, FLAT_SLOPE, np.diag([1e4, noise, 1e2]))
    assert np.isinf(found.covariance[1, 1])
    assert not found.saddle


def test_a_saddle_is_seen():
    found = uncertainty(MIDDLE, FLAT_SLOPE, np.array([[1.0, 5.0, 0], [5.0, 1.0, 0], [0, 0, 1.0]]) * 1e3)
    assert found.saddle
    assert np.isinf(np.diag(found.covariance)).tolist() == [True, True, False]


def test_wider_than_the_box_is_not_determined():
    for deviation, flat in ((0.9, False), (1.1, True)):
        found = uncertainty(np.array([0.5]), np.zeros(1), np.array([[deviation**-2]]))
        assert bool(found.flat) is flat


def test_a_product_of_jacobians_is_trusted_further():
    """Bennett's data of NIST determine their parameters with an eigenvalue of 1e-9."""
    matrix = 1e12 * np.array([[1.0, 1 - 5e-10], [1 - 5e-10, 1.0]])
    u, slope = np.full(2, 0.5), np.zeros(2)
    assert uncertainty(u, slope, matrix).flat
    trusted = uncertainty(u, slope, matrix, GAUSS_NEWTON_ROUNDING)
    assert not trusted.flat
    assert trusted.covariance[0, 0] == pytest.approx(1e-12 / 1e-9, rel=1e-3)


def test_derivatives_that_are_missing():
    found = uncertainty(MIDDLE, FLAT_SLOPE, np.full((3, 3), np.nan))
    assert np.isnan(found.covariance).all()
    assert np.isnan(found.condition)
