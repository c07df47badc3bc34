"""Covariances of the unit box: closed forms, bounds, and directions that are not determined."""

import numpy as np
import pytest

from tests.unit.solvers.ascents import positive_definite
from wilks.solvers.covariance import FACTOR_ROUNDING, GAUSS_NEWTON_ROUNDING, active_bounds, uncertainty

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


@pytest.mark.parametrize("slope", [0.0, -1e-3])
def test_a_flat_direction_that_ends_at_a_bound_is_flat(slope):
    """Two equal columns: which point of the valley an ascent ends at is chance, a bound as well as any other."""
    matrix = np.array([[1e4, 1e4, 0], [1e4, 1e4, 0], [0, 0, 400.0]])
    found = uncertainty(np.array([0.0, 0.5, 0.5]), np.array([slope, slope, 0.0]), matrix)
    assert found.held.tolist() == [0, 0, 0]
    assert np.isinf(np.diag(found.covariance)).tolist() == [True, True, False]


def test_an_optimum_exactly_on_a_bound_has_its_errors():
    found = uncertainty(np.array([0.0]), np.zeros(1), np.array([[1e4]]))
    assert found.held.tolist() == [0]
    assert found.covariance[0, 0] == pytest.approx(1e-4)


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


def jacobian_with_condition(condition, rng, n=40, m=4):
    """Columns of one size, with singular values from 1 to 1 / condition."""
    left, _ = np.linalg.qr(rng.normal(size=(n, m)))
    right, _ = np.linalg.qr(rng.normal(size=(m, m)))
    return 1e11 * left @ np.diag(np.geomspace(1, 1 / condition, m)) @ right.T


def test_a_factor_keeps_the_digits_that_its_product_loses():
    """Condition 1e9: in the product, 1e18, nothing is left of the smallest eigenvalue."""
    jacobian = jacobian_with_condition(1e9, np.random.default_rng(2))
    factor = np.linalg.qr(jacobian, mode="r")
    # The exact inverse from the singular values: the pseudo-inverse of the Jacobian, squared.
    inverse = np.linalg.pinv(jacobian, rcond=1e-15)
    u, slope = np.full(4, 0.5), np.zeros(4)
    found = uncertainty(u, slope, factor.T @ factor, FACTOR_ROUNDING, factor=factor)
    assert not found.flat
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(np.linalg.norm(inverse, axis=1), rel=1e-5)
    assert found.condition > 1e16
    lost = uncertainty(u, slope, factor.T @ factor, GAUSS_NEWTON_ROUNDING)
    assert lost.flat


def test_a_factor_agrees_with_its_product_where_that_is_enough():
    jacobian = jacobian_with_condition(1e3, np.random.default_rng(4))
    u, slope = np.array([0.5, 0.0, 0.5, 0.5]), np.array([0.0, -1e9, 0.0, 0.0])  # the second one is held at its bound
    product = uncertainty(u, slope, jacobian.T @ jacobian, GAUSS_NEWTON_ROUNDING)
    factor = uncertainty(u, slope, jacobian.T @ jacobian, FACTOR_ROUNDING, factor=jacobian)
    assert factor.covariance[2:, 2:] == pytest.approx(product.covariance[2:, 2:], rel=1e-8)
    assert factor.condition == pytest.approx(product.condition, rel=1e-6)
    assert np.isnan(factor.covariance[1]).all()


def test_a_direction_that_is_missing_in_a_factor():
    factor = np.array([[1e3, 1e3, 0.0], [0.0, 0.0, 1e2]])  # fewer rows than columns
    found = uncertainty(MIDDLE, FLAT_SLOPE, factor.T @ factor, FACTOR_ROUNDING, factor=factor)
    assert np.isinf(np.diag(found.covariance)).tolist() == [True, True, False]
    assert found.covariance[2, 2] == pytest.approx(1e-4)
    assert found.condition == np.inf


def test_the_covariance_of_an_estimate_that_maximises_no_likelihood():
    rng = np.random.default_rng(6)
    matrix, spread = (1e4 * positive_definite(rng, 3, 0.1) for _ in range(2))
    found = uncertainty(MIDDLE, FLAT_SLOPE, matrix, spread=spread)
    inverse = np.linalg.inv(matrix)
    assert found.covariance == pytest.approx(inverse @ spread @ inverse, rel=1e-9)
    same = uncertainty(MIDDLE, FLAT_SLOPE, matrix, spread=matrix)
    assert same.covariance == pytest.approx(inverse, rel=1e-9)
    held = uncertainty(np.array([0.0, 0.5, 0.5]), np.array([-1.0, 0, 0]), matrix, spread=spread)
    part = np.linalg.inv(matrix[1:, 1:])
    assert held.covariance[1:, 1:] == pytest.approx(part @ spread[1:, 1:] @ part, rel=1e-9)
