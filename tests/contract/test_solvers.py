"""What every local solver owes to the algorithms that are built of it."""

import math

import numpy as np
import pytest

from tests.unit.solvers.ascents import climb, from_residual
from wilks.core import encoding
from wilks.solvers.global_ascent import GlobalThenLocal
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

X = np.linspace(0, 3, 25)
DATA = 2.3 * np.exp(-1.1 * X) + 0.6 + 0.03 * np.sin(41 * X)


def residual(u):
    """A decay over a constant background, three parameters from 0 to 4."""
    amplitude, rate, background = 4 * u
    return (DATA - amplitude * np.exp(-rate * X) - background) / 0.03


def with_holes(u):
    """The same, undefined in a part of the box away from the best point."""
    return residual(u) if u[0] + u[2] < 1.2 else np.full(len(X), math.nan)


SOLVERS = {
    "quasi-newton": QuasiNewton(1e-8),
    "levenberg-marquardt": LevenbergMarquardt(1e-8),
    "levenberg-marquardt accurate": LevenbergMarquardt(1e-8, accurate=True),
    "global, then quasi-newton": GlobalThenLocal(QuasiNewton(1e-8)),
}


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


def answers(solver, function, points):
    value, payload = from_residual(function)
    payloads = [payload(point) for point in points] if solver.want == "residual" else None
    return np.array([value(point) for point in points]), payloads


def run(solver, function, u, **known):
    value, payload = from_residual(function)
    return climb(solver, value, u, payload=payload if solver.want == "residual" else None, **known)


@pytest.mark.parametrize("function", [residual, with_holes])
def test_an_ascent_ends_at_a_maximum_and_says_so(solver, function):
    for u in np.random.default_rng(1).random((6, 3)) * [0.5, 1, 0.5]:
        ascent, _ = run(solver, function, u)
        assert ascent.converged
        assert ascent.reason
        assert not len(ascent.points)
        assert ascent.points.shape == (0, 3)
        assert ascent.value == pytest.approx(from_residual(function)[0](ascent.u), abs=1e-12)
        assert np.linalg.eigvalsh(ascent.curvature).min() > 0
        assert ascent.gradient.shape == (3,)
        sigma = np.sqrt(np.diag(np.linalg.inv(ascent.curvature)))
        h = 1e-3 * sigma
        value, _ = from_residual(function)
        assert all(value(ascent.u + s * h * e) <= ascent.value + 1e-5 for e in np.eye(3) for s in (-1, 1))


def test_all_solvers_end_in_the_same_place():
    ends = [run(solver, residual, np.array([0.3, 0.3, 0.3]))[0].u for solver in SOLVERS.values()]
    assert ends[1] == pytest.approx(ends[2], abs=1e-6)
    assert ends[0] == pytest.approx(ends[2], abs=1e-5)


def test_the_curvature_at_the_end(solver):
    """Both measure the same matrix, up to what Gauss and Newton leave out."""
    ascent, _ = run(SOLVERS["levenberg-marquardt accurate"], residual, np.array([0.3, 0.3, 0.3]))
    points = solver.curvature_points(ascent.u, ascent.curvature)
    values, payloads = answers(solver, residual, points)
    found = solver.curvature_from(ascent.u, ascent.value, ascent.curvature, values, payloads)
    assert found.matrix == pytest.approx(ascent.curvature, rel=0.03)
    assert found.promise < 1e-6
    assert 0 <= found.error < 0.2
    assert np.linalg.eigvalsh(found.positive).min() > 0


def test_a_failed_curvature_is_survived(solver):
    u, curvature = np.full(3, 0.4), 1e4 * np.eye(3)
    n = len(solver.curvature_points(u, curvature))
    payloads = [None] * n if solver.want == "residual" else None
    found = solver.curvature_from(u, -1.0, curvature, np.full(n, -np.inf), payloads)
    assert np.linalg.eigvalsh(found.positive).min() > 0
    assert math.isfinite(found.promise)


def test_a_state_survives_the_run_file(solver):
    """An ascent that is written and read after every step ends like one that was left alone."""
    u = np.array([0.3, 0.9, 0.1])
    alone, _ = run(solver, residual, u)
    ascent = solver.start(u)
    while len(ascent.points):
        ascent = encoding.decode(encoding.encode(ascent))
        ascent = solver.advance(ascent, *answers(solver, residual, ascent.points))
    assert ascent.u.tolist() == alone.u.tolist()
    assert ascent.value == alone.value
    assert ascent.reason == alone.reason


def test_what_is_given_is_left_alone(solver):
    u, curvature = np.array([0.3, 0.3, 0.3]), 1e3 * np.eye(3)
    run(solver, residual, u, curvature=curvature, measure=True)
    assert u.tolist() == [0.3, 0.3, 0.3]
    assert curvature.tolist() == (1e3 * np.eye(3)).tolist()


def test_nothing_to_optimise(solver):
    """All parameters are profiled or discrete: the value is all there is."""
    ascent, n_points = run(solver, lambda u: np.array([2.0]), np.empty(0))
    assert (ascent.converged, ascent.value, n_points) == (True, -2.0, 1)


def test_starts_on_the_faces_of_the_box(solver):
    for u in ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.5]):
        ascent, _ = run(solver, residual, np.array(u))
        assert ascent.value == pytest.approx(run(solver, residual, np.array([0.5, 0.3, 0.2]))[0].value, abs=1e-5)


def test_the_name_is_for_people(solver):
    assert "(" in solver.name


@pytest.mark.parametrize("seed", range(60))
def test_an_ascent_ends_whatever_the_likelihood_does(solver, seed):
    """Holes, noise, any scale, any known curvature: it ends, inside the box, without a warning of NumPy."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 5))
    factor = rng.normal(size=(m + 1, m)) * 10.0 ** rng.uniform(-6, 7, m)
    centre = rng.uniform(-0.5, 1.5, m)
    share, noise = rng.choice([0.0, 0.05, 0.3, 0.6]), rng.choice([0.0, 1e-9, 1e-3, 1.0, 1e5])
    answered = {}

    def wild(u):
        if u.tobytes() not in answered:
            r = factor @ (u - centre) + noise * rng.normal(size=m + 1)
            answered[u.tobytes()] = np.full(m + 1, math.nan) if rng.random() < share else r
        return answered[u.tobytes()]

    known = {}
    if rng.random() < 0.5:
        spread = rng.normal(size=(m + 1, m))
        known = {"curvature": spread.T @ spread * 10.0 ** rng.uniform(-12, 14), "measure": bool(rng.random() < 0.5)}
    start = rng.random(m) * (rng.random(m) > 0.2)
    ascent, _ = run(solver, wild, start, **known)
    assert ascent.reason
    if math.isfinite(ascent.value):
        assert np.linalg.eigvalsh(ascent.curvature / np.abs(ascent.curvature).max()).min() > -1e-9
        points = solver.curvature_points(ascent.u, ascent.curvature)
        assert ((points >= 0) & (points <= 1)).all()
        found = solver.curvature_from(ascent.u, ascent.value, ascent.curvature, *answers(solver, wild, points))
        assert np.isfinite(found.positive).all()
