"""Levenberg-Marquardt ascents: precision, bounds, and what is not called converged."""

import itertools
import math

import numpy as np
import pytest

import wilks
from tests.unit.solvers.ascents import climb, from_residual
from wilks.core.loss import Loss
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.linear_model import LinearModel, factor_of, triangle_of

QUICK = LevenbergMarquardt(1e-6)
POLISH = LevenbergMarquardt(1e-15, 1000, accurate=True)
X = np.linspace(0.0, 3.0, 30)


def decay(u):
    """Residuals of an exponential decay, in units of the noise; amplitude and rate from 0 to 4."""
    amplitude, rate = 4 * u
    data = 2.3 * np.exp(-1.1 * X) + 0.05 * np.cos(37 * X)
    return (data - amplitude * np.exp(-rate * X)) / 0.05


def rosenbrock(u):
    x, y = -2 + 4 * u
    return np.array([10 * (y - x**2), 1 - x])


def run(solver, residual, u, **known):
    value, payload = from_residual(residual)
    return climb(solver, value, u, payload=payload, **known)


@pytest.mark.parametrize("residual", [decay, rosenbrock])
def test_every_start_reaches_the_best_point(residual):
    from scipy.optimize import least_squares

    best = least_squares(residual, [0.7, 0.4], bounds=([0, 0], [1, 1]), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    for u in np.random.default_rng(2).random((10, 2)):
        ascent, n_points = run(QUICK, residual, u)
        assert ascent.converged
        assert ascent.value >= -best.cost - 1e-5
        assert n_points < 250
        polished, _ = run(POLISH, residual, ascent.u, curvature=ascent.curvature)
        assert polished.u.tolist() == pytest.approx(best.x.tolist(), rel=1e-7)


def test_the_gradient_at_the_end_vanishes():
    """Three-point differences have no bias; forward ones would end where their own gradient vanishes."""
    ascent, _ = run(POLISH, decay, [0.6, 0.3])
    value, _ = from_residual(decay)
    h = 1e-5
    slopes = [(value(ascent.u + h * e) - value(ascent.u - h * e)) / (2 * h) for e in np.eye(2)]
    sigma = 1 / np.sqrt(np.diag(ascent.curvature))
    assert np.abs(slopes * sigma).max() < 1e-5


def test_the_first_step_is_not_taken_to_the_other_end_of_the_box():
    """In the foot of a step the linearisation promises the top of it far away, where nothing is left of the slope."""

    def residual(u):
        return (2.0 - 2.0 * np.tanh(30 * (u[0] - 0.2)) * np.ones(5)) / 0.01

    value, payload = from_residual(residual)
    ascent = QUICK.start(np.array([0.1]))
    while ascent.stage != "trial":
        points = ascent.points
        ascent = QUICK.advance(ascent, np.array([value(p) for p in points]), [payload(p) for p in points])
    assert 0.05 < ascent.points[0, 0] - 0.1 <= 0.1 + 1e-12
    free = LevenbergMarquardt(1e-6).start(np.array([0.1]), curvature=np.eye(1))
    assert free.reach > 0.1  # a known curvature is that of a place nearby


def test_a_linear_problem_takes_one_step():
    design = np.random.default_rng(1).normal(size=(20, 3))
    residual = lambda u: design @ (u - 0.4) * 100  # noqa: E731
    ascent, n_points = run(LevenbergMarquardt(1e-9), residual, [0.45, 0.35, 0.42])
    assert ascent.value == pytest.approx(0.0, abs=1e-8)
    assert n_points <= 24  # three Jacobians, three steps: the last two confirm


def test_a_given_jacobian_is_used():
    matrix = np.random.default_rng(1).normal(size=(20, 3)) * 100

    def residual(u):
        return matrix @ (u - 0.4) + 0.1 * np.sin(5 * u).sum()

    def payload(u):
        return np.column_stack([residual(u), matrix + 0.5 * np.cos(5 * u)])

    ascent, n_points = climb(QUICK, from_residual(residual)[0], [0.9, 0.1, 0.6], payload=payload)
    _, without = run(QUICK, residual, [0.9, 0.1, 0.6])
    assert ascent.converged
    assert n_points < without


def test_active_bounds_are_exact():
    """Amplitude 2.3 in a box that ends at 2.0, with the rate free."""

    def residual(u):
        return (2.3 * np.exp(-1.1 * X) - 2 * u[0] * np.exp(-4 * u[1] * X)) / 0.05

    for u in np.random.default_rng(3).random((5, 2)):
        ascent, _ = run(QUICK, residual, u)
        assert ascent.converged
        assert ascent.u[0] == 1.0
        other = np.linspace(0, 1, 200_001)
        known = max(from_residual(residual)[0](np.array([1.0, x])) for x in other[55_000:65_000:50])
        assert ascent.value > known - 1e-3


def test_a_small_promise_that_is_due_to_damping_ends_nothing():
    """A residual that is wrong by a jump: every step falls, the damping grows, and the ascent must say so."""

    def residual(u):
        return np.array([1.0 + 10 * u[0] if u[0] >= 0.5 else 20.0])

    ascent, _ = run(QUICK, residual, [0.5])
    assert not ascent.converged
    assert "no step rises" in ascent.reason


def test_an_unused_parameter_and_a_ridge():
    for residual in (lambda u: np.array([10 * (u[0] - 0.3)]), lambda u: np.array([10 * (u[0] + u[1] - 0.7)])):
        ascent, _ = run(QUICK, residual, [0.9, 0.6])
        assert ascent.converged
        assert ascent.value == pytest.approx(0.0, abs=1e-8)
        assert np.linalg.eigvalsh(ascent.curvature).min() > 0  # the contract, also when J has no full rank


@pytest.mark.parametrize("scale", [1e10, 1.0, 1e-3])
def test_any_size_of_the_residual(scale):
    ascent, _ = run(POLISH, lambda u: scale * decay(u), [0.6, 0.3])
    known, _ = run(POLISH, decay, [0.6, 0.3])
    assert ascent.u.tolist() == pytest.approx(known.u.tolist(), rel=1e-6)


def test_columns_of_very_different_size():
    weights = 10.0 ** np.array([0, 4, 8, 12])

    def residual(u):
        return weights * (u - 0.37)

    ascent, _ = run(POLISH, residual, [0.1, 0.9, 0.4, 0.3])
    assert (np.abs(ascent.u - 0.37) * weights < 1e-3).all()


def test_residuals_that_are_undefined_on_one_side():
    """The forward difference of the first coordinate has no residual: the other side is taken."""

    def residual(u):
        return np.array([10 * (u[0] - 0.2), 10 * (u[1] - 0.2)]) if u[0] <= 0.4 else np.array([math.nan, math.nan])

    ascent, _ = run(QUICK, residual, [0.4, 0.9])
    assert ascent.converged
    assert ascent.u.tolist() == pytest.approx([0.2, 0.2], abs=1e-4)


def test_a_start_without_residual():
    ascent, n_points = run(QUICK, lambda u: np.array([math.nan]), [0.5])
    assert (ascent.converged, n_points, ascent.reason) == (False, 1, "no finite value at the start")


def test_the_limit_on_iterations_is_said():
    ascent, _ = run(LevenbergMarquardt(1e-9, 2), rosenbrock, [0.1, 0.9])
    assert (ascent.converged, ascent.reason) == (False, "no convergence in 2 trial steps")


def test_more_parameters_than_residuals():
    ascent, _ = run(QUICK, lambda u: np.array([100 * (u.sum() - 1.4)]), [0.9, 0.9, 0.1, 0.8])
    assert ascent.converged
    assert ascent.value == pytest.approx(0.0, abs=1e-8)


def _ill_conditioned(seed, n=200, m=6):
    """A matrix of condition 1e8 in any scaling of its columns, with entries and products that are exact."""
    rng = np.random.default_rng(seed)
    base = rng.integers(-8, 9, size=(n, m)).astype(float)
    base[:, 1] = base[:, 0] + 3 * 2.0**-27 * rng.integers(-8, 9, size=n)
    return base


@pytest.mark.parametrize("seed", range(5))
def test_a_step_keeps_its_digits_at_condition_1e8(seed):
    """Normal equations would keep none: the step is that of a known solution, of equations without any rounding."""
    matrix = _ill_conditioned(seed)
    solution = np.array([0.125, -0.25, 0.5, -0.375, 0.25, 0.0625])
    model = LinearModel(triangle_of(np.column_stack([matrix, -(matrix @ solution)])))
    assert np.linalg.cond(matrix / np.linalg.norm(matrix, axis=0)) == pytest.approx(1e8, rel=0.25)
    step = model.step(np.zeros(6), np.full(6, -1.0), np.full(6, 1.0))
    assert step == pytest.approx(solution, abs=1e-8)
    normal = np.linalg.solve(model.curvature, model.gradient)
    assert np.abs(normal - solution).max() > 1e-3


def test_an_ascent_at_condition_1e8_ends_at_the_solution():
    matrix = 1e9 * _ill_conditioned(3)
    best = np.array([0.125, 0.25, 0.5, 0.375, 0.75, 0.0625])

    def residual(u):
        return matrix @ (np.asarray(u) - best)

    payload = lambda u: np.column_stack([residual(u), matrix])  # noqa: E731
    solver = LevenbergMarquardt(1e-15, given=True)
    ascent, n_points = climb(solver, from_residual(residual)[0], np.full(6, 0.5), payload=payload)
    assert ascent.converged
    assert ascent.u == pytest.approx(best, abs=1e-8)
    assert n_points < 12


def test_a_direction_without_rank_stays_where_it_is():
    model = LinearModel(np.array([[1.0, 1.0, -0.5], [0.0, 0.0, 0.0]]))
    assert model.step(np.zeros(2), np.full(2, -1.0), np.full(2, 1.0)) == pytest.approx([0.25, 0.25])
    assert model.gain(np.array([0.25, 0.25])) == pytest.approx(0.125)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", ["soft_l1", "huber", "cauchy", "arctan"])
def test_robust_losses_end_where_scipy_ends(name, given):
    from scipy.optimize import least_squares

    loss = Loss(name, 1.5)
    outliers = np.where(np.arange(30) % 7 == 3, 12.0, 0.0)

    def residual(u):
        return decay(np.asarray(u)) + outliers

    def value(u):
        return loss.value(residual(u))

    def payload(u):
        columns = [(residual(u + h) - residual(u - h)) / 2e-6 for h in 1e-6 * np.eye(2)] if given else []
        return np.column_stack([residual(u), *columns])

    start = np.array([0.55, 0.3])
    solver = LevenbergMarquardt(1e-12, 400, accurate=not given, loss=loss, given=given)
    ascent, n_points = climb(solver, value, start, payload=payload)
    known = least_squares(residual, start, loss=name, f_scale=1.5, xtol=1e-15, ftol=1e-15, gtol=1e-12)
    assert ascent.converged
    assert ascent.value == pytest.approx(-known.cost, rel=1e-9)
    assert ascent.u == pytest.approx(known.x, abs=1e-5)
    assert n_points < 100
    slopes = [(value(ascent.u + h) - value(ascent.u - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
    sigma = 1 / np.sqrt(np.diag(ascent.curvature))
    assert np.abs(slopes * sigma).max() < 1e-4


def test_rows_of_a_loss_have_its_gradient():
    u, loss = np.array([0.5, 0.3]), Loss("cauchy", 2.0)
    columns = [(decay(u + h) - decay(u - h)) / 2e-6 for h in 1e-6 * np.eye(2)]
    model = LinearModel(factor_of(np.column_stack([decay(u), *columns]), loss))
    slopes = [(loss.value(decay(u + h)) - loss.value(decay(u - h))) / 2e-6 for h in 1e-6 * np.eye(2)]
    assert model.gradient == pytest.approx(slopes, rel=1e-6)


def test_a_step_like_one_that_failed_is_not_tried():
    """Beyond 0.5 there is no likelihood: every trial promises clearly less than the one before it."""

    def residual(u):
        return np.array([100 * (u[0] - 0.9), 1.0]) if u[0] < 0.35 else np.full(2, math.nan)

    value, payload = from_residual(residual)
    ascent = QUICK.start(np.array([0.3]))
    promises = []
    while len(ascent.points):
        if ascent.stage == "trial":
            promises.append((ascent.iteration, ascent.u[0], ascent.promise))
        points = ascent.points
        ascent = QUICK.advance(ascent, np.array([value(p) for p in points]), [payload(p) for p in points])
    first = [promise for _, u, promise in promises if u == 0.3]
    assert len(first) > 1
    assert all(later <= 0.9 * earlier for earlier, later in itertools.pairwise(first))
    assert ascent.u[0] > 0.3


class TestMeasuredWithGivenJacobians:
    """Three points measure the curvature when every answer holds a Jacobian, and test the parabola."""

    solver = LevenbergMarquardt(1e-12, given=True)
    matrix = np.array([[200.0, 30.0], [0.0, 150.0], [10.0, 0.0]])

    def measured(self, residual, jacobian, u):
        curvature = jacobian(u).T @ jacobian(u)
        points = self.solver.curvature_points(u, curvature)
        assert len(points) == 3
        rows = [np.column_stack([residual(p), jacobian(p)]) for p in points]
        values = np.array([-0.5 * float(r[:, 0] @ r[:, 0]) for r in rows])
        return self.solver.curvature_from(u, values[0], curvature, values, rows)

    def test_a_parabola_is_one(self):
        u = np.array([0.4, 0.6])
        found = self.measured(lambda p: self.matrix @ (p - u), lambda _: self.matrix, u)
        assert found.matrix == pytest.approx(self.matrix.T @ self.matrix)
        assert found.error == pytest.approx(0.0, abs=1e-9)

    @pytest.mark.parametrize("bend", [0.02, 0.3])
    def test_a_bend_is_seen(self, bend):
        """The residual of the first parameter grows as x + bend x^2 / 2 with x in standard errors."""

        def residual(p):
            x = 200 * (p[0] - 0.4)
            return np.array([x + 0.5 * bend * x * x, 150 * (p[1] - 0.6)])

        def jacobian(p):
            return np.diag([200 * (1 + bend * 200 * (p[0] - 0.4)), 150.0])

        found = self.measured(residual, jacobian, np.array([0.4, 0.6]))
        assert 0.3 * bend < found.error < 2.5 * bend

    def test_the_curvature_of_a_direction_that_the_values_do_not_show(self):
        """The product of two parameters: along both at once it cancels in the values at either point."""

        def jacobian(p):
            return np.diag([200 * (1 + 50 * (p[1] - 0.6)), 150 * (1 - 50 * (p[0] - 0.4))])

        found = self.measured(lambda p: np.diag([200.0, 150.0]) @ (p - [0.4, 0.6]), jacobian, np.array([0.4, 0.6]))
        assert 0.05 < found.error < 0.3

    def test_no_likelihood_a_standard_error_away(self):
        u, curvature = np.array([0.4, 0.6]), self.matrix.T @ self.matrix
        rows = np.column_stack([np.zeros(3), self.matrix])
        found = self.solver.curvature_from(u, 0.0, curvature, np.array([0.0, -np.inf, -1.0]), [rows, None, rows])
        assert math.isinf(found.error)
        assert found.matrix == pytest.approx(curvature)


@pytest.mark.parametrize("half", [1e2, 1e4, 1e6, 1e7])
def test_wide_boxes_change_neither_values_nor_errors(half):
    """A ten-millionth of a wide box is no small step: differences shrink until they fit the residuals."""
    x = np.linspace(0, 4, 50)
    y = 2 * np.exp(-1.3 * x) + np.random.default_rng(1).normal(0, 0.01, 50)

    def residual(v):
        with np.errstate(over="ignore"):
            return (v["a"] * np.exp(-v["b"] * x) - y) / 0.01

    def fit(width):
        space = wilks.Space(a=wilks.Real(-width, width), b=wilks.Real(-width, width))
        problem = wilks.ResidualProblem(space, residual)
        return wilks.fit(problem, start={"a": 1.0, "b": 1.0}, n_starts=0, seed=1, callbacks=())

    narrow, wide = fit(10.0), fit(half)
    assert wide.status.success
    for name in ("a", "b"):
        assert wide.best[name] == pytest.approx(narrow.best[name], abs=0.02 * narrow.standard_errors[name])
        assert wide.standard_errors[name] == pytest.approx(narrow.standard_errors[name], rel=0.01)
    assert wide.quality.flag == "good" or half > 1e6


def test_a_box_that_is_too_wide_for_differences_is_told():
    x = np.linspace(0, 4, 50)
    y = 2 * np.exp(-1.3 * x) + np.random.default_rng(1).normal(0, 0.01, 50)
    space = wilks.Space(a=wilks.Real(-1e9, 1e9), b=wilks.Real(0, 10))
    problem = wilks.ResidualProblem(space, lambda v: (v["a"] * np.exp(-v["b"] * x) - y) / 0.01)
    found = wilks.fit(problem, start={"a": 1.0, "b": 1.0}, n_starts=0, seed=1, callbacks=())
    assert found.quality.flag == "poor"
    assert any("the range of a is more than 1e+09 times the standard error" in text for text in found.quality.reasons)


def test_derivatives_beyond_all_numbers_end_an_ascent():
    """They made the least-squares solver of the step fail with an exception."""
    x = np.linspace(0, 4, 50)
    y = 2 * np.exp(-1.3 * x)
    space = wilks.Space(a=wilks.Real(-1e3, 1e3), b=wilks.Real(-1e3, 1e3))

    def residual(v):
        with np.errstate(over="ignore"):
            return (v["a"] * np.exp(-v["b"] * x) - y) / 0.01

    found = wilks.fit(wilks.ResidualProblem(space, residual), start={"a": 1.0, "b": 1.0}, seed=1, callbacks=())
    assert found.best["b"] == pytest.approx(1.3, abs=1e-3)
