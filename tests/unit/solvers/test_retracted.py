"""Steps along a curve: the same end, far fewer steps where valleys bend, and nothing else that changes."""

import numpy as np
import pytest

from tests.unit.solvers.ascents import climb, from_residual, parabola
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton
from wilks.solvers.retracted import Retracted

PLAIN = LevenbergMarquardt(1e-10)
STEEP = 3e3


def straight(u, step):
    return np.clip(u + step, 0.0, 1.0)


def along_the_parabola(u, step):
    """Steps in the coordinates x and y - x^2."""
    x = u[0] + step[0]
    found = np.array([x, u[1] - u[0] ** 2 + step[1] - 2 * u[0] * step[0] + x**2])
    return found if ((found >= 0) & (found <= 1)).all() else straight(u, step)


def bent(u):
    """A narrow valley along y = x^2, with its bottom at x = 0.8."""
    return np.array([STEEP * (u[1] - u[0] ** 2), u[0] - 0.8])


def run(solver, u=(0.1, 0.6)):
    value, payload = from_residual(bent)
    return climb(solver, value, list(u), payload=payload)


def test_straight_steps_change_nothing():
    one, n_one = run(PLAIN)
    other, n_other = run(Retracted(PLAIN, straight))
    assert n_one == n_other
    assert one.u == pytest.approx(other.u, abs=1e-12)  # u + (v - u) is v but for rounding
    assert (one.converged, one.iteration) == (other.converged, other.iteration)


def test_a_valley_that_is_straight_in_other_coordinates_takes_a_few_steps():
    plain, _ = run(PLAIN)
    ascent, n_points = run(Retracted(PLAIN, along_the_parabola))
    assert plain.converged
    assert ascent.converged
    assert ascent.u == pytest.approx([0.8, 0.64], abs=1e-5)
    assert plain.iteration > 5 * ascent.iteration
    assert n_points < 60


def test_only_trial_steps_are_bent():
    called = []

    def noted(u, step):
        called.append(u + step)
        return straight(u, step)

    ascent, _ = run(Retracted(PLAIN, noted))
    assert len(called) == ascent.iteration


def test_a_stencil_of_one_point_is_no_trial_step():
    value, payload = from_residual(lambda u: bent(np.array([u[0], 0.5])))
    solver = Retracted(PLAIN, lambda u, step: pytest.fail("a stencil was bent"))
    begun = solver.start(np.array([0.1]))
    begun = solver.advance(begun, np.array([value(begun.points[0])]), [payload(begun.points[0])])
    assert begun.stage == "jacobian"
    assert len(begun.points) == 1


def test_a_solver_that_has_no_trial_steps_is_left_as_it_is():
    function = parabola(np.array([0.3, 0.6]), [4.0, 9.0])
    plain = QuasiNewton(1e-9)
    solver = Retracted(plain, straight)
    one, n_one = climb(plain, function, [0.9, 0.1])
    other, n_other = climb(solver, function, [0.9, 0.1])
    assert n_one == n_other
    assert one.u == pytest.approx(other.u, abs=1e-12)
    assert solver.want == plain.want
    assert solver.name == f"{plain.name}, curved steps"


def test_curvatures_are_those_of_the_solver():
    solver, u = Retracted(PLAIN, along_the_parabola), np.array([0.8, 0.64])
    value, payload = from_residual(bent)
    curvature = np.diag([STEEP**2, STEEP**2])
    points = solver.curvature_points(u, curvature)
    assert (points == PLAIN.curvature_points(u, curvature)).all()
    answers = np.array([value(point) for point in points]), [payload(point) for point in points]
    ours = solver.curvature_from(u, answers[0][0], curvature, *answers)
    theirs = PLAIN.curvature_from(u, answers[0][0], curvature, *answers)
    assert (ours.matrix == theirs.matrix).all()
    begun = solver.start(u, value=1.0, curvature=curvature, measure=True)
    assert (begun.curvature == curvature).all()
