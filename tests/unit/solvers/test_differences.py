"""Finite differences: never outside the box, exact on quadratics, of the order they claim, blind to shifts."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.unit.solvers.ascents import parabola, positive_definite
from wilks.core.errors import InvalidProblemError
from wilks.evaluation.finite_differences import HessianStencil
from wilks.solvers.curvature import hessian_from, hessian_points, parabola_error, parabola_points, repaired
from wilks.solvers.jacobian import (
    forward_jacobian,
    forward_offsets,
    offset_points,
    three_point_jacobian,
    three_point_offsets,
)

COORDINATE = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9, 1e-5, 0.5]))
SIZE = st.floats(-8, 12).map(lambda exponent: 10.0**exponent)


@given(st.lists(st.tuples(COORDINATE, SIZE), min_size=1, max_size=5))
def test_no_point_outside_the_box(rows):
    u, diagonal = np.array(rows).T
    curvature = np.diag(diagonal)
    for points in (
        hessian_points(u, curvature),
        offset_points(u, forward_offsets(u)),
        offset_points(u, *three_point_offsets(u, curvature)),
    ):
        assert (points >= 0).all()
        assert (points <= 1).all()


@given(st.lists(st.tuples(COORDINATE, SIZE), min_size=1, max_size=5))
def test_three_points_are_three(rows):
    u, diagonal = np.array(rows).T
    ahead, behind = three_point_offsets(u, np.diag(diagonal))
    assert (ahead != 0).all()
    assert (behind != 0).all()
    assert (ahead != behind).all()


@pytest.mark.parametrize("u", [[0.5, 0.4, 0.7], [0.0, 0.4, 1.0], [1e-4, 0.999, 0.5]])
def test_hessians_of_quadratics_are_exact(u):
    """Inside and at bounds; only rounding is left."""
    rng = np.random.default_rng(2)
    matrix, u = 1e4 * positive_definite(rng, 3, 0.1), np.array(u)
    value = parabola(u - 0.003 * rng.normal(size=3), matrix)
    points = hessian_points(u, matrix)
    found = hessian_from(u, value(u), matrix, np.array([value(p) for p in points]))
    assert found.matrix == pytest.approx(matrix, rel=1e-6, abs=1e-6 * np.abs(matrix).max())
    h = 1e-6
    slopes = [(value(u + h * e) - value(u - h * e)) / (2 * h) for e in np.eye(3)]
    assert found.gradient.tolist() == pytest.approx(slopes, rel=1e-5, abs=1e-3)
    if u.min() > 0 and u.max() < 1:
        assert found.error < 1e-5


def test_a_hessian_does_not_see_a_shift_of_the_value():
    """A constant costs digits by rounding, no more."""
    matrix, u = 1e4 * np.eye(2), np.array([0.4, 0.6])
    value = parabola(0.5, matrix)
    points = hessian_points(u, matrix)
    values = np.array([value(p) for p in points])
    plain = hessian_from(u, value(u), matrix, values)
    moved = hessian_from(u, value(u) + 1e6, matrix, values + 1e6)
    assert moved.matrix == pytest.approx(plain.matrix, rel=1e-5, abs=1)


def errors_of(measure, sizes):
    return np.array([measure(size) for size in sizes])


@pytest.mark.parametrize(("sided", "order"), [(False, 2.0), (True, 2.0)])
def test_order_of_second_derivatives(sided, order):
    """The error of the stencil falls with the square of the step."""
    u = np.array([0.0 if sided else 0.5])

    def measure(step):
        stencil = HessianStencil.around(u, np.array([step]))
        values = np.exp(2 * stencil.points[:, 0])
        _, hessian = stencil.derivatives(float(np.exp(2 * u[0])), values)
        return abs(hessian[0, 0] - 4 * np.exp(2 * u[0]))

    one, two = errors_of(measure, [0.02, 0.01])
    assert np.log2(one / two) == pytest.approx(order, abs=0.15)


def test_order_of_the_extrapolated_derivatives():
    """With the differences over twice the step the errors of both derivatives fall with the fourth power."""
    u = np.array([0.5])

    def measure(curvature):
        matrix = np.array([[curvature]])
        values = np.exp(2 * hessian_points(u, matrix)[:, 0])
        found = hessian_from(u, float(np.exp(1.0)), matrix, values)
        return abs(found.gradient[0] - 2 * np.exp(1.0)), abs(-found.matrix[0, 0] - 4 * np.exp(1.0))

    one, two = errors_of(measure, [6.25, 25.0])  # steps of 0.04 and 0.02
    assert np.log2(one / two) == pytest.approx([4.0, 4.0], abs=0.15)


@pytest.mark.parametrize("u", [0.0, 0.3, 1.0])
def test_order_of_jacobians(u):
    u = np.array([u])
    truth = 3 * np.cos(3 * u[0])

    def residual(points):
        return [np.sin(3 * p) for p in points]

    def three(sigma):
        curvature = np.array([[1 / sigma**2]])
        offsets = three_point_offsets(u, curvature)
        found = three_point_jacobian(np.sin(3 * u), offsets, residual(offset_points(u, *offsets)))
        return abs(found[0, 0] - truth)

    one, two = errors_of(three, [0.08, 0.04])  # steps of 8e-4 and 4e-4
    assert np.log2(one / two) == pytest.approx(2.0, abs=0.2)
    offsets = forward_offsets(u)
    forward = forward_jacobian(np.sin(3 * u), offsets, residual(offset_points(u, offsets)))
    assert forward[0, 0] == pytest.approx(truth, abs=2e-6)


def test_a_missing_residual_leaves_a_difference_of_first_order():
    u, curvature = np.array([0.5]), np.array([[1e4]])
    offsets = three_point_offsets(u, curvature)
    points = offset_points(u, *offsets)
    full = [np.exp(p) for p in points]
    for answers, accuracy in ((full, 1e-7), ([None, full[1]], 1e-3), ([full[0], None], 1e-3)):
        found = three_point_jacobian(np.exp(u), offsets, answers)
        assert found[0, 0] == pytest.approx(np.exp(0.5), rel=accuracy)
    assert np.isnan(three_point_jacobian(np.exp(u), offsets, [None, None])).all()
    assert np.isnan(forward_jacobian(np.exp(u), forward_offsets(u), [None])).all()


def test_the_lines_of_a_parabola_fall_by_one_half():
    rng = np.random.default_rng(3)
    matrix = 1e4 * positive_definite(rng, 4, 0.1)
    u = np.full(4, 0.5)
    value = parabola(u, matrix)
    points = parabola_points(u, matrix)
    falls = np.array([-value(p) for p in points])
    whole = np.linalg.norm(points - u, axis=1) > 0
    assert falls[whole] == pytest.approx(0.5, rel=1e-9)
    answers = (points, -falls)
    assert parabola_error(u, 0.0, np.zeros(4), matrix, answers) < 1e-9
    assert parabola_error(u, 0.0, np.zeros(4), 1.44 * matrix, answers) == pytest.approx(0.2)


@pytest.mark.parametrize("counts", [3, 30, 1000])
def test_an_asymmetric_likelihood_is_measured(counts):
    """Poisson: n log x - x falls by n (z - log(1 + z)) at x = n (1 + z), and a parabola by one half at n z^2 = 1."""
    u, curvature = np.array([0.5]), np.array([[4.0 * counts]])  # the box goes from 0 to 2 n
    value = lambda u: counts * np.log(2 * counts * u) - 2 * counts * u  # noqa: E731
    points = parabola_points(u, curvature)
    z = np.array([1.0, -1.0]) / np.sqrt(counts)
    expected = np.abs(np.sqrt(0.5 / (counts * (z - np.log1p(z)))) - 1).max()
    answers = (points, np.array([value(p[0]) for p in points]))
    assert parabola_error(u, value(0.5), np.zeros(1), curvature, answers) == pytest.approx(expected, rel=1e-9)
    cut = (points, np.where(points[:, 0] < 0.5, -np.inf, answers[1]))
    assert parabola_error(u, value(0.5), np.zeros(1), curvature, cut) == np.inf


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_repair_makes_positive_definite_and_leaves_what_is(m, seed):
    rng = np.random.default_rng(seed)
    good = positive_definite(rng, m, 0.1)
    assert repaired(good) == pytest.approx(good, rel=1e-9, abs=1e-9)
    bad = rng.normal(size=(m, m)) * 10.0 ** rng.uniform(-5, 5)
    assert np.linalg.eigvalsh(repaired(bad)).min() > 0
    for empty in (np.zeros((m, m)), np.full((m, m), np.nan)):
        assert np.diag(repaired(empty)).min() > 0


@pytest.mark.parametrize("other", [1, 4])
def test_residuals_of_another_length_have_no_difference(other):
    """One number would be spread over all of them in silence."""
    centre, answers = np.ones(3), [np.ones(3), None, np.ones(other), np.ones(3)]
    with pytest.raises(InvalidProblemError, match=f"3 numbers at one point, {other} at another"):
        forward_jacobian(centre, np.full(4, 0.1), answers)
    with pytest.raises(InvalidProblemError, match=f"3 numbers at one point, {other} at another"):
        three_point_jacobian(centre, (np.full(2, 0.1), np.full(2, -0.1)), answers)
