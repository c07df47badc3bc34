"""What an ascent will ask for next, and how much time that saves."""

import numpy as np
import pytest

from wilks.loop.foresight import points_ahead, promised_value
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

SOLVER = QuasiNewton(1e-6)


def quadratic(u):
    d = u - np.array([0.3, 0.6, 0.5])
    return -50.0 * float(d @ d) - 100.0 * float(d[0] * d[1]) - 200.0 * float(d[2]) ** 2


def test_what_is_foreseen_is_asked_for():
    """After every trial that is good enough, the gradient points are those that were foreseen."""
    ascent, n_right, n_wrong = SOLVER.start(np.array([0.9, 0.1, 0.2])), 0, 0
    while len(ascent.points):
        foreseen, stage = points_ahead(SOLVER, ascent), ascent.stage
        assert len(foreseen) == 0 or stage in ("value", "trial")
        ascent = SOLVER.advance(ascent, np.array([quadratic(u) for u in ascent.points]))
        if len(foreseen):
            n_right += np.array_equal(foreseen, ascent.points)
            n_wrong += ascent.stage == "gradient" and not np.array_equal(foreseen, ascent.points)
    assert ascent.value == pytest.approx(0.0, abs=1e-5)
    assert n_right > 3
    assert n_wrong == 0


def test_looking_ahead_leaves_the_ascent_as_it_is():
    ascent = SOLVER.start(np.array([0.9, 0.1, 0.2]))
    ascent = SOLVER.advance(ascent, np.array([quadratic(ascent.u)]))
    ascent = SOLVER.advance(ascent, np.array([quadratic(u) for u in ascent.points]))
    before = repr(ascent)
    assert len(points_ahead(SOLVER, ascent)) == 3
    assert repr(ascent) == before


def test_the_promise_is_the_value_of_the_model():
    ascent = SOLVER.start(np.array([0.9, 0.1, 0.2]))
    ascent = SOLVER.advance(ascent, np.array([quadratic(ascent.u)]))
    ascent = SOLVER.advance(ascent, np.array([quadratic(u) for u in ascent.points]))
    assert promised_value(ascent) == pytest.approx(ascent.value + ascent.promise)


def test_nothing_is_foreseen_of_solvers_that_need_more_than_values():
    u = np.array([0.9, 0.1])
    for solver in (LevenbergMarquardt(1e-6), QuasiNewton(use_gradient=True)):
        assert len(points_ahead(solver, solver.start(u))) == 0
