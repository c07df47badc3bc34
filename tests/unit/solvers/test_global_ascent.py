"""Global ascents: how often they find the best of many optima, at what price, and what holes do to them."""

import math

import numpy as np
import pytest

from tests.unit.solvers.ascents import climb, from_residual, parabola
from wilks.core import encoding
from wilks.core.random import keyed_generator
from wilks.solvers.global_ascent import GlobalThenLocal, _cauchy, _hypercube, _propose, reflected
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

LOCAL = QuasiNewton(1e-5)
SOLVER = GlobalThenLocal(LOCAL)


def rastrigin(u):
    """As many as 10 optima per coordinate, the best one in the middle of the box."""
    x = -5.12 + 10.24 * np.asarray(u)
    return -float(np.sum(x * x - 10 * np.cos(2 * np.pi * x) + 10))


def rippled(u):
    """Ripples along axes that are not those of the box."""
    x = -3 + 6 * np.asarray(u)
    c, s = math.cos(0.5), math.sin(0.5)
    y = np.concatenate([[c * x[0] - s * x[1], s * x[0] + c * x[1]], x[2:]])
    return -float(np.sum(0.5 * y * y + 1.5 * (1 - np.cos(2 * np.pi * y))))


def found(solver, function, m, n=40):
    """Fraction of random starts that end in the global maximum, which is 0, and the mean number of points."""
    ends = [climb(solver, function, u) for u in np.random.default_rng(2).random((n, m))]
    return np.mean([ascent.value > -0.01 for ascent, _ in ends]), np.mean([n_points for _, n_points in ends])


@pytest.mark.parametrize(
    ("function", "m", "fraction", "cost"),
    [
        (rastrigin, 1, 1.0, 400),
        (rastrigin, 2, 0.9, 750),
        pytest.param(rastrigin, 3, 0.9, 1500, marks=pytest.mark.slow),
        (rippled, 2, 0.9, 600),
    ],
)
def test_the_best_of_many_optima(function, m, fraction, cost):
    right, n_points = found(SOLVER, function, m)
    assert right >= fraction
    assert n_points < cost
    assert found(LOCAL, function, m)[0] < 0.3


def test_a_longer_window_is_surer_and_dearer():
    short, long = (found(GlobalThenLocal(LOCAL, window=window), rastrigin, 2) for window in (3, 12))
    assert long[0] > short[0]
    assert long[1] > short[1]


def test_one_optimum_is_found_to_the_tolerance_of_the_local_solver():
    ascent, _ = climb(SOLVER, parabola(np.array([0.3, 1.2]), [1e4, 10.0]), [0.9, 0.1])
    assert ascent.converged
    assert ascent.u == pytest.approx([0.3, 1.0], abs=1e-4)
    assert ascent.value == pytest.approx(-0.5 * 10 * 0.04, abs=1e-5)


def test_the_given_start_is_a_member():
    """A needle that nothing but the start can know."""

    def needle(u):
        return 100.0 - 1e8 * float(np.sum((u - 0.123) ** 2)) if np.abs(u - 0.123).max() < 1e-3 else -float(u @ u)

    ascent, _ = climb(SOLVER, needle, [0.1231, 0.1229])
    assert ascent.value == pytest.approx(100.0, abs=1e-4)


def test_a_known_value_and_curvature_save_evaluations():
    curvature = np.diag([1e4, 1e3])
    function, u = parabola(np.array([0.3, 0.6]), curvature), np.array([0.301, 0.602])
    _, plain = climb(SOLVER, function, u)
    _, with_value = climb(SOLVER, function, u, value=function(u))
    _, with_both = climb(SOLVER, function, u, value=function(u), curvature=curvature)
    assert with_value == plain - 1
    assert with_both < with_value


def test_a_curvature_from_another_optimum_is_not_used():
    def two(u):
        return max(-5e3 * float((u - 0.2) @ (u - 0.2)), 10 - 50 * float((u - 0.8) @ (u - 0.8)))

    ascent, _ = climb(SOLVER, two, [0.2, 0.2], curvature=1e4 * np.eye(2))
    assert ascent.u == pytest.approx([0.8, 0.8], abs=1e-3)
    assert np.diag(ascent.curvature) == pytest.approx([100, 100], rel=0.5)


@pytest.mark.parametrize("hole", [math.nan, -math.inf])
def test_holes(hole):
    """Most of the box has no value, the best optimum lies beside the hole."""

    def function(u):
        return hole if u[0] + u[1] > 0.7 else rastrigin(np.append(u[0] + 0.2, u[1] + 0.2))

    right = 0
    for u in np.random.default_rng(3).random((20, 2)):
        ascent, _ = climb(SOLVER, function, u)
        assert math.isfinite(ascent.value)
        right += ascent.value > -0.01
    assert right >= 15


@pytest.mark.parametrize("hole", [math.nan, -math.inf])
def test_nowhere_a_value_ends_soon(hole):
    ascent, n_points = climb(SOLVER, lambda u: hole, [0.5, 0.5, 0.5])
    assert not ascent.converged
    assert ascent.value == -math.inf
    assert ascent.reason == "no finite value in the population"
    assert n_points == 6 * 15


def test_a_small_island_of_likelihood_is_reached_from_a_start_on_it():
    def island(u):
        return -float(np.sum((u - 0.5) ** 2)) if np.abs(u - 0.5).max() < 0.02 else -math.inf

    ascent, _ = climb(SOLVER, island, [0.51, 0.49])
    assert ascent.value == pytest.approx(0.0, abs=1e-5)


def test_residuals():
    value, payload = from_residual(lambda u: np.array([3 * np.sin(9 * u[0]) + u[0], 5 * (u[1] - 0.4)]))
    ascent, _ = climb(GlobalThenLocal(LevenbergMarquardt(1e-8)), value, [0.3, 0.9], payload=payload)
    assert ascent.converged
    assert ascent.value > -1e-6


def test_gradients_are_for_the_local_part():
    centre = np.array([0.3, 0.6])
    function = parabola(centre, [1e3, 1e3])
    solver = GlobalThenLocal(QuasiNewton(1e-8, use_gradient=True))
    assert solver.want == "gradient"
    ascent, _ = climb(solver, function, [0.9, 0.9], payload=lambda u: -1e3 * (u - centre))
    assert ascent.u == pytest.approx(centre, abs=1e-5)


def test_equal_starts_and_seeds_are_equal_and_others_are_not():
    def trace(solver, u):
        seen = []
        climb(solver, lambda point: seen.append(point.tolist()) or rastrigin(point), u)
        return seen

    one = trace(SOLVER, [0.3, 0.4])
    assert trace(SOLVER, [0.3, 0.4]) == one
    assert trace(GlobalThenLocal(LOCAL, seed=1), [0.3, 0.4])[1:20] != one[1:20]
    assert trace(SOLVER, [0.3, 0.40001])[1:20] != one[1:20]


def test_a_state_can_be_written_at_any_moment():
    alone, _ = climb(SOLVER, rastrigin, [0.1, 0.2])
    ascent = SOLVER.start(np.array([0.1, 0.2]))
    while len(ascent.points):
        ascent = encoding.decode(encoding.encode(ascent))
        ascent = SOLVER.advance(ascent, np.array([rastrigin(u) for u in ascent.points]))
    assert (ascent.value, ascent.u.tolist(), ascent.reason) == (alone.value, alone.u.tolist(), alone.reason)


def test_the_population_is_a_latin_hypercube_of_the_right_size():
    ascent = SOLVER.start(np.full(4, 0.5))
    assert ascent.members.shape == (20, 4)
    assert len(SOLVER.start(np.full(1, 0.5)).members) == 10
    points = _hypercube(7, 3, keyed_generator(1))
    assert (np.sort(np.floor(7 * points), axis=0) == np.arange(7)[:, None]).all()


def test_trial_points_take_one_coordinate_at_least_and_never_leave_the_box():
    ascent = SOLVER.start(np.full(3, 0.5))
    ascent = SOLVER.advance(ascent, np.random.default_rng(1).random(15))
    ascent.mean_rate = -10.0  # no coordinate but the one that is certain
    _propose(ascent, keyed_generator(1))
    assert ((ascent.points != ascent.members).sum(axis=1) <= 1).all()
    ascent.mean_rate = 10.0
    for number in range(50):
        _propose(ascent, keyed_generator(number))
        assert ((ascent.points >= 0) & (ascent.points <= 1)).all()
        assert ((ascent.points != ascent.members).sum(axis=1) == 3).sum() >= 12


def test_settings_of_trials_keep_to_their_laws():
    drawn = _cauchy(0.5, 4000, keyed_generator(3))
    assert ((drawn > 0) & (drawn <= 1)).all()
    assert np.median(drawn) == pytest.approx(0.5, abs=0.02)
    assert np.quantile(drawn, 0.75) - np.quantile(drawn, 0.25) == pytest.approx(0.2, abs=0.03)


def test_the_means_follow_what_has_worked():
    ascent = SOLVER.start(np.full(2, 0.5))
    ascent = SOLVER.advance(ascent, np.zeros(10))
    ascent.scales, ascent.rates = np.linspace(0.1, 1.0, 10), np.linspace(0.0, 0.9, 10)
    values = np.where(np.arange(10) >= 8, 1.0, -1.0)  # the two with the largest settings win
    after = SOLVER.advance(ascent, values)
    lehmer = (0.9**2 + 1.0**2) / 1.9
    assert after.mean_scale == pytest.approx(0.9 * 0.5 + 0.1 * lehmer)
    assert after.mean_rate == pytest.approx(0.9 * 0.5 + 0.1 * 0.85)
    assert len(after.archive) == 2


def test_reflection():
    points = np.linspace(-2, 3, 501)
    folded = reflected(points)
    assert ((folded >= 0) & (folded <= 1)).all()
    assert reflected(np.array([0.0, 0.25, 1.0, 1.25, -0.25])).tolist() == [0.0, 0.25, 1.0, 0.75, 0.25]
