"""The step within bounds: against brute force, against scipy, and by its optimality conditions."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import lsq_linear

from tests.unit.solvers.ascents import positive_definite
from wilks.solvers.box_step import box_step


def model(step, gradient, curvature):
    return float(gradient @ step - 0.5 * step @ curvature @ step)


def by_brute_force(gradient, curvature, lower, upper):
    """Try every set of active bounds."""
    best = -np.inf
    for sides in itertools.product((-1, 0, 1), repeat=len(gradient)):
        side = np.array(sides)
        step = np.where(side < 0, lower, np.where(side > 0, upper, 0.0))
        free = side == 0
        if free.any():
            right = gradient[free] - curvature[np.ix_(free, ~free)] @ step[~free]
            step[free] = np.linalg.solve(curvature[np.ix_(free, free)], right)
        if (step >= lower - 1e-12).all() and (step <= upper + 1e-12).all():
            best = max(best, model(step, gradient, curvature))
    return best


def draw(rng, m):
    """A random problem; every fifth bound lies at the origin itself."""
    curvature = positive_definite(rng, m, 10.0 ** rng.uniform(-4, 0))
    gradient = rng.normal(size=m) * 10.0 ** rng.uniform(-3, 3)
    lower = -rng.exponential(size=m) * (rng.random(m) > 0.2)
    upper = rng.exponential(size=m) * (rng.random(m) > 0.2)
    return gradient, curvature, lower, upper


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6])
def test_brute_force_finds_nothing_better(m):
    rng = np.random.default_rng(m)
    for _ in range(400 // m**2 + 10):
        problem = draw(rng, m)
        step, held = box_step(*problem)
        assert model(step, *problem[:2]) == pytest.approx(by_brute_force(*problem), rel=1e-9, abs=1e-12)
        inside = (step > problem[2]) & (step < problem[3])
        assert not (inside & held).any()


@pytest.mark.parametrize("m", [7, 8, 20])
def test_scipy_finds_nothing_better(m):
    rng = np.random.default_rng(m)
    for _ in range(20):
        gradient, curvature, lower, upper = draw(rng, m)
        upper = np.maximum(upper, lower + 1e-6)  # scipy wants room
        step, _ = box_step(gradient, curvature, lower, upper)
        factor = np.linalg.cholesky(curvature).T
        other = lsq_linear(factor, np.linalg.solve(factor.T, gradient), (lower, upper), method="bvls", tol=1e-14)
        found, known = model(step, gradient, curvature), model(other.x, gradient, curvature)
        assert found >= known - 1e-9 * abs(known)


@given(st.integers(1, 8), st.integers(0, 10**6))
def test_optimality_conditions(m, seed):
    """Karush-Kuhn-Tucker: no slope where it is free, a slope outwards where it is held."""
    gradient, curvature, lower, upper = draw(np.random.default_rng(seed), m)
    step, held = box_step(gradient, curvature, lower, upper)
    assert (step >= lower).all()
    assert (step <= upper).all()
    slope = gradient - curvature @ step
    size = np.abs(gradient).max() + np.abs(curvature).max() * np.abs(step).max() + 1.0
    assert np.abs(slope[~held]).max(initial=0.0) < 1e-8 * size
    assert (slope[held & (step == lower) & (lower < upper)] <= 1e-8 * size).all()
    assert (slope[held & (step == upper) & (lower < upper)] >= -1e-8 * size).all()


def test_a_step_is_not_cut_back_componentwise():
    """Strong correlation: cutting the free step (-17, 18) back would even lower the model."""
    curvature = np.array([[1.0, 0.95], [0.95, 1.0]])
    gradient = np.array([0.1, 1.0])
    step, held = box_step(gradient, curvature, np.full(2, -0.5), np.full(2, 0.5))
    assert step.tolist() == pytest.approx([-0.375, 0.5])
    assert held.tolist() == [False, True]


def test_no_gradient_no_step():
    step, held = box_step(np.zeros(3), np.eye(3), -np.ones(3), np.ones(3))
    assert step.tolist() == [0, 0, 0]
    assert not held.any()


def test_no_room_no_step():
    step, held = box_step(np.array([1.0, -1.0]), np.eye(2), np.zeros(2), np.zeros(2))
    assert step.tolist() == [0, 0]
    assert held.all()
