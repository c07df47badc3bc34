"""Quasi-Newton ascents: where they end, what they cost, and what they do not hide."""

import math

import numpy as np
import pytest

from tests.catalogue import KNOWN_PROBLEMS, WITH_GRADIENT
from tests.unit.solvers import ascents
from tests.unit.solvers.ascents import climb, parabola, positive_definite
from wilks.solvers.gradient import check_derivatives, check_points
from wilks.solvers.quasi_newton import QuasiNewton

TIGHT = QuasiNewton(1e-9, 400)
LOOSE = QuasiNewton(1e-3, 200)


def starts(m, n=4, seed=1):
    return np.random.default_rng(seed).random((n, m))


def in_unit_box(known):
    space = known.problem.space
    return lambda u: known.problem.log_likelihood(space.to_values(space.from_unit(u)))


def near(space, known, rng):
    """A start in the neighbourhood of the maximum: an ascent is local."""
    u = space.to_unit(space.to_theta(known.best))
    return np.clip(u + 0.003 * rng.normal(size=space.dimension), 0.0, 1.0)


@pytest.mark.parametrize("name", KNOWN_PROBLEMS)
def test_known_maxima(name):
    known = KNOWN_PROBLEMS[name]()
    space = known.problem.space
    rng = np.random.default_rng(3)
    for _ in range(3):
        ascent, n_points = climb(TIGHT, in_unit_box(known), near(space, known, rng))
        assert ascent.converged
        assert ascent.value == pytest.approx(known.maximum, abs=1e-5)
        assert n_points < 60 * (space.dimension + 1)


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_known_maxima_with_gradients(name):
    known = WITH_GRADIENT[name]()
    space = known.problem.space

    def gradient(u):
        theta = space.from_unit(u)
        return known.problem.select(known.problem.gradient(space.to_values(theta)), "gradient") * space.slope(theta)

    rng = np.random.default_rng(3)
    solver = QuasiNewton(1e-9, 400, use_gradient=True)
    for _ in range(3):
        u = near(space, known, rng)
        ascent, n_points = climb(solver, in_unit_box(known), u, payload=gradient)
        _, without = climb(TIGHT, in_unit_box(known), u)
        assert ascent.value == pytest.approx(known.maximum, abs=1e-5)
        assert n_points < without


@pytest.mark.parametrize(
    ("function", "m", "budget"),
    [
        (ascents.rosenbrock, 2, 300),
        (ascents.rosenbrock, 4, 600),
        (ascents.beale, 2, 250),
        (ascents.powell, 4, 600),
        (ascents.booth, 2, 60),
        (ascents.wood, 4, 1000),
    ],
)
def test_textbook_functions(function, m, budget):
    for u in starts(m, 6):
        ascent, n_points = climb(TIGHT, function, u)
        assert ascent.converged
        assert n_points < budget
        if function is not ascents.beale:  # it has a maximum of its own in a corner of the box
            assert ascent.value == pytest.approx(0.0, abs=2e-6)


def test_random_quadratics():
    rng = np.random.default_rng(5)
    for m in (1, 2, 3, 5, 8):
        centre = rng.uniform(0.3, 0.7, m)
        matrix = 1e4 * positive_definite(rng, m)
        ascent, n_points = climb(TIGHT, parabola(centre, matrix), rng.random(m))
        assert ascent.value == pytest.approx(0.0, abs=1e-7)
        assert n_points < 50 * (m + 1)


def test_a_quadratic_with_active_bounds_is_solved_exactly():
    """The maximum lies on two faces; the coordinates there come out on the bound, not near it."""
    rng = np.random.default_rng(7)
    matrix = 1e3 * positive_definite(rng, 4, 0.1)
    centre = np.array([-0.5, 0.4, 1.6, 0.6])
    from scipy.optimize import minimize

    value = parabola(centre, matrix)
    peer = minimize(lambda u: -value(u), np.full(4, 0.5), bounds=[(0, 1)] * 4, method="L-BFGS-B", tol=1e-14)
    for u in starts(4):
        ascent, _ = climb(TIGHT, value, u)
        assert ascent.converged
        assert ascent.value >= -peer.fun - 1e-7
        on_bound = (peer.x < 1e-9) | (peer.x > 1 - 1e-9)
        assert on_bound.any()
        assert (ascent.u[on_bound] == np.round(peer.x[on_bound])).all()


def test_a_linear_likelihood_ends_in_its_corner():
    for scale in (1e-2, 1.0, 1e4):
        for u in starts(3):
            ascent, n_points = climb(TIGHT, lambda u, scale=scale: scale * (u[0] - u[1] + 0.5 * u[2]), u)
            assert ascent.u.tolist() == [1.0, 0.0, 1.0]
            assert ascent.converged
            assert n_points < 80


def test_a_constant_likelihood_ends_at_once():
    ascent, n_points = climb(TIGHT, lambda u: 1.0, [0.3, 0.4, 0.5])
    assert ascent.converged
    assert ascent.u.tolist() == [0.3, 0.4, 0.5]
    assert n_points <= 16


@pytest.mark.parametrize("solver", [TIGHT, LOOSE])
def test_curvatures_that_differ_by_twelve_orders(solver):
    value = parabola(0.37, 10.0 ** np.linspace(0, 12, 4))
    for u in starts(4):
        ascent, n_points = climb(solver, value, u)
        assert ascent.converged
        assert ascent.value > -10 * solver.tolerance - 1e-8
        assert n_points < 800


@pytest.mark.parametrize("solver", [TIGHT, LOOSE])
def test_twenty_parameters(solver):
    value = parabola(0.3, 10.0 ** np.linspace(2, 6, 20))
    for u in starts(20, 2):
        ascent, n_points = climb(solver, value, u)
        assert ascent.converged
        assert ascent.value > -0.05
        assert n_points < 6000


@pytest.mark.parametrize("scale", [1e10, 1e4, 1.0, 1e-10])
def test_any_size_of_the_log_likelihood(scale):
    inner = parabola(0.3, [1.0, 10.0, 100.0])
    for u in starts(3):
        ascent, n_points = climb(TIGHT, lambda u: scale * inner(u), u)
        assert ascent.converged
        assert ascent.value > -1e-8
        assert n_points < 250


def test_a_large_constant_costs_digits_and_nothing_else():
    inner = parabola(0.3, [1e3, 1e4, 1e5])
    for u in starts(3):
        ascent, _ = climb(TIGHT, lambda u: 1e10 + inner(u), u)
        assert ascent.converged
        assert ascent.value >= 1e10 - 1e-3


@pytest.mark.parametrize(("noise", "allowed"), [(1e-6, 1e-3), (1e-3, 0.1)])
@pytest.mark.parametrize("solver", [TIGHT, LOOSE])
def test_noise(noise, allowed, solver):
    inner = parabola(0.3, [1e3, 1e4, 1e5])
    converged = []
    for number, u in enumerate(starts(3, 8)):
        rng = np.random.default_rng(number)
        ascent, n_points = climb(solver, lambda u, rng=rng: inner(u) + noise * rng.normal(), u)
        assert inner(ascent.u) > -allowed - 3 * solver.tolerance
        assert n_points < 800
        converged.append(ascent.converged)
    assert sum(converged) >= 6  # an ascent may say that the noise keeps it from its goal


def test_flat_directions_do_not_disturb():
    for u in starts(3):
        ascent, _ = climb(TIGHT, lambda u: parabola(0.3, [1e4])(u[:1]), u)
        assert ascent.value == pytest.approx(0.0, abs=1e-9)
        assert ascent.u[1:].tolist() == pytest.approx(u[1:].tolist(), abs=1e-5)


def test_ridges():
    for function in (lambda u: -1e4 * (u[0] + u[1] - 1) ** 2, lambda u: -1e4 * (u[0] * u[1] - 0.2) ** 2):
        for u in starts(2):
            ascent, n_points = climb(TIGHT, function, u)
            assert ascent.converged
            assert ascent.value > -1e-8
            assert n_points < 120


def test_a_saddle_is_left():
    def value(u):
        x = u[0] - 0.5
        return 1e3 * (x**2 - 8 * x**4) - 1e3 * (u[1] - 0.5) ** 2

    for u in ([0.5, 0.5], [0.5, 0.2]):
        ascent, _ = climb(TIGHT, value, u)
        assert ascent.value == pytest.approx(31.25, abs=1e-6)


@pytest.mark.parametrize("nothing", [-math.inf, math.nan])
def test_holes_are_walked_around(nothing):
    """The likelihood is missing in a corner that holds neither the start nor the maximum."""

    def value(u):
        return nothing if u[0] > 0.8 and u[1] > 0.8 else parabola(0.5, [1e3, 1e4])(u)

    for u in ([0.79, 0.9], [0.85, 0.75], [0.1, 0.9]):
        ascent, _ = climb(TIGHT, value, u)
        assert ascent.converged
        assert ascent.value == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("nothing", [-math.inf, math.nan])
def test_an_end_at_a_wall_is_not_called_converged(nothing):
    """The maximum of the parabola lies where there is no likelihood."""

    def value(u):
        return nothing if u[0] + u[1] < 1 else parabola(0.3, [2e3, 2e3])(u)

    for u in starts(2, 8):
        if math.isfinite(value(u)):
            ascent, _ = climb(TIGHT, value, u)
            assert not ascent.converged
            assert "without a likelihood" in ascent.reason or "no step rises" in ascent.reason


def test_a_start_without_likelihood():
    ascent, n_points = climb(TIGHT, lambda u: -math.inf, [0.5])
    assert (ascent.converged, n_points, ascent.reason) == (False, 1, "no finite value at the start")


def test_an_island_of_one_point():
    """Nothing but the start has a likelihood."""
    ascent, _ = climb(TIGHT, lambda u: 0.0 if u.tolist() == [0.5, 0.5] else -math.inf, [0.5, 0.5])
    assert not ascent.converged
    assert ascent.u.tolist() == [0.5, 0.5]


def test_partial_gradients_are_completed():
    inner = parabola(0.3, [1e3, 1e4, 1e5])
    solver = QuasiNewton(1e-9, 400, use_gradient=True)

    def gradient(u):
        full = -np.array([1e3, 1e4, 1e5]) * (u - 0.3)
        return np.where([True, False, True], full, np.nan)

    ascent, _ = climb(solver, inner, [0.9, 0.8, 0.1], payload=gradient)
    assert ascent.converged
    assert ascent.value == pytest.approx(0.0, abs=1e-8)


def test_a_known_value_and_curvature_save_evaluations():
    matrix = 1e4 * positive_definite(np.random.default_rng(0), 3)
    value = parabola(0.4, matrix)
    u = np.array([0.41, 0.39, 0.42])
    _, alone = climb(TIGHT, value, u)
    ascent, helped = climb(TIGHT, value, u, value=value(u), curvature=matrix)
    assert ascent.value == pytest.approx(0.0, abs=1e-9)
    assert helped <= 8 < alone


def test_a_stale_curvature_is_measured():
    """Off by four orders: with `measure` its diagonal is corrected from the first gradient."""
    value = parabola(0.4, [1e4, 1e6])
    u = np.array([0.41, 0.402])
    ascent, n_points = climb(TIGHT, value, u, value=value(u), curvature=np.diag([1e8, 1e2]), measure=True)
    assert ascent.value == pytest.approx(0.0, abs=1e-8)
    assert n_points < 30


def test_the_limit_on_iterations_is_said():
    ascent, _ = climb(QuasiNewton(1e-9, 3), ascents.rosenbrock, [0.1, 0.9])
    assert (ascent.converged, ascent.reason) == (False, "no convergence in 3 iterations")


def test_a_shift_of_the_parameter_changes_nothing():
    """Steps are fractions of the box: the ascent is the same wherever zero lies."""
    from wilks import Real

    def run(shift):
        domain = Real(shift - 1, shift + 1)
        inner = parabola(0.2, [400.0])
        return climb(TIGHT, lambda u: inner(np.array([float(domain.from_unit(u[0])) - shift])), [0.1])

    (a, n), (b, k) = run(0.0), run(64.0)
    assert n == k
    assert a.u[0] == pytest.approx(b.u[0], abs=1e-9)


def test_a_step_that_was_cut_short_by_its_reach_proves_nothing():
    """The known curvature is next to nothing, so the step is as long as it may be, and delivers what it promised."""
    ascent, _ = climb(TIGHT, lambda u: 1e-3 * (u[0] - u[1]), [0.1, 0.9], curvature=1e-9 * np.eye(2))
    assert ascent.u.tolist() == [1.0, 0.0]


def test_an_ascent_slides_along_a_wall():
    """No likelihood below x = 0.4, where the maximum would be: y is still found."""

    def value(u):
        return -math.inf if u[0] < 0.4 else parabola(0.5, [2e3])(u[1:]) - 1e3 * (u[0] - 0.3) ** 2

    for u in ([0.8, 0.2], [0.5, 0.9], [0.9, 0.9]):
        ascent, _ = climb(TIGHT, value, u)
        assert not ascent.converged
        assert ascent.u.tolist() == pytest.approx([0.4, 0.5], abs=1e-3)


def test_careful_gradients_are_of_second_order_at_a_bound_too():
    def value(u):
        return float(np.exp(u[0]) + np.exp(-u[1]) + np.exp(0.5 * u[2]))

    u = np.array([0.0, 1.0, 0.5])
    ascent = TIGHT.start(u, value=value(u), curvature=np.eye(3), measure=True)
    ascent = TIGHT.advance(ascent, np.array([value(point) for point in ascent.points]))
    exact = [1.0, -math.exp(-1.0), 0.5 * math.exp(0.25)]
    assert ascent.gradient.tolist() == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize("known_entries", ["half", "none"])
@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_gaps_in_a_gradient_are_filled_by_differences(name, known_entries):
    """As good as without any gradient, and never dearer."""
    known = WITH_GRADIENT[name]()
    space = known.problem.space
    gaps = np.arange(space.dimension) % 2 == 0 if known_entries == "half" else np.ones(space.dimension, dtype=bool)

    def gradient(u):
        theta = space.from_unit(u)
        slopes = known.problem.select(known.problem.gradient(space.to_values(theta)), "gradient") * space.slope(theta)
        return np.where(gaps, np.nan, slopes)

    rng = np.random.default_rng(4)
    solver = QuasiNewton(1e-9, 400, use_gradient=True)
    for _ in range(3):
        u = near(space, known, rng)
        ascent, n_points = climb(solver, in_unit_box(known), u, payload=gradient)
        _, without = climb(TIGHT, in_unit_box(known), u)
        assert ascent.converged
        assert ascent.value == pytest.approx(known.maximum, abs=1e-5)
        assert n_points <= 1.2 * without


def test_the_check_of_the_curvature_has_no_gaps():
    """Where the derivative was left out, the second one comes from the values."""
    centre, stiffness = np.array([0.3, 0.8]), np.array([1e4, 50.0])
    function = parabola(centre, stiffness)
    ascent = QuasiNewton(use_gradient=True).start(np.array([0.31, 0.7]), curvature=np.diag([1e4, 1e4]))
    ascent.value, ascent.gradient = function(ascent.u), -stiffness * (ascent.u - centre)
    points, ascent.steps = check_points(ascent, both_sides=False)
    values = np.array([function(point) for point in points])
    gradients = [np.array([-stiffness[0] * (point[0] - centre[0]), np.nan]) for point in points]
    slopes, bends = check_derivatives(ascent, values, gradients)
    assert slopes == pytest.approx(ascent.gradient)
    assert bends == pytest.approx(stiffness, rel=1e-5)
