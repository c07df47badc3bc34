"""A prescribed damping: shorter steps at first, in the units that were asked for, and the same end."""

import numpy as np
import pytest

from tests.unit.solvers.ascents import climb, from_residual, parabola
from wilks.solvers.damped import Damped, scaled
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

PLAIN = LevenbergMarquardt(1e-12)


def residual(u):
    return np.array([10 * (u[1] - u[0] ** 2), 1 - u[0] - 0.3, 0.1 * u[1]])


def trials(solver, function=residual, start=(0.1, 0.9), most=12):
    """Steps that were tried from the start, the first `most` of them at most."""
    value, payload = from_residual(function)
    ascent, found = solver.start(np.array(start)), []
    while len(ascent.points) and len(found) < most:
        if ascent.stage == "trial":
            found.append(ascent.points[0] - ascent.u)
        values = np.array([value(u) for u in ascent.points])
        ascent = solver.advance(ascent, values, [payload(u) for u in ascent.points])
    return np.array(found)


def test_the_first_step_is_shorter_the_larger_the_damping():
    solvers = [PLAIN, *(Damped(PLAIN, damping) for damping in (0.1, 10.0, 1000.0))]
    steps = [float(np.linalg.norm(trials(solver)[0])) for solver in solvers]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < 0.1 * steps[0]


@pytest.mark.parametrize("options", [{"damping": 10.0}, {"scales": (0.1, 0.5)}, {"scales": (0.0, 1e-3)}])
def test_the_end_is_the_same(options):
    value, payload = from_residual(residual)
    plain, _ = climb(PLAIN, value, [0.1, 0.9], payload=payload)
    ascent, _ = climb(Damped(PLAIN, **options), value, [0.1, 0.9], payload=payload)
    assert ascent.converged
    assert ascent.u == pytest.approx(plain.u, abs=1e-6)


def test_a_scale_holds_its_parameter_back():
    """Both coordinates are as far from the solution; the damping after the first step is that of the scales."""

    def linear(u):
        return np.array([5 * (u[0] - 0.21), 0.05 * (u[1] - 0.51)])

    def second(scales):
        step = np.abs(trials(Damped(LevenbergMarquardt(1e-15), 1.0, scales), linear, (0.2, 0.5))[1])
        return float(step[1] / step[0])

    assert second(()) == pytest.approx(1.0)
    assert second((0.5, 1e-4)) < 1e-6


def test_what_has_no_scale_keeps_the_norm_of_its_column():
    norms = np.array([4.0, 1.0, 7.0])
    assert (scaled(norms, np.zeros(3)) == norms).all()
    found = scaled(norms, np.array([0.5, 0.0, 0.1]))
    assert found.tolist() == [4.0, 1.0, 20.0]
    assert (found >= norms).all()


def test_a_solver_without_damping_is_left_as_it_is():
    function = parabola(np.array([0.3, 0.6]), [4.0, 9.0])
    plain, careful = QuasiNewton(1e-9), Damped(QuasiNewton(1e-9), 100.0, (0.1, 0.1))
    assert careful.want == plain.want
    one, n_one = climb(plain, function, [0.9, 0.1])
    other, n_other = climb(careful, function, [0.9, 0.1])
    assert (one.u == other.u).all()
    assert n_one == n_other
    assert careful.name == f"{plain.name}, first damping 100, damped by the given scales"
    points = careful.curvature_points(one.u, one.curvature)
    found = careful.curvature_from(one.u, one.value, one.curvature, np.array([function(u) for u in points]))
    assert np.diag(found.matrix) == pytest.approx([4.0, 9.0], rel=1e-4)
