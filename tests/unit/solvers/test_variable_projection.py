"""Variable projection: the same optimum as in the full space, from any start, within bounds, and honest about it."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.unit.solvers.ascents import climb, from_residual
from wilks.core import encoding
from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.variable_projection import projected_norms, projection_rows, resolved

T = np.linspace(0.0, 4.0, 60)
LINEAR, OTHERS = [0, 2, 4], [1, 3]
MODES = ("differences", "jacobian")


class Decays:
    """Two decays on a background: amplitudes 0, 2, 4 to 10, rates 1, 3 to 5; in units of the noise."""

    def __init__(self, seed=0, truth=(3.0, 0.7, 1.2, 2.5, 3.5), noise=0.02, highest=10.0):
        self.noise, self.highest = noise, highest
        truth = np.array(truth)
        noiseless = self.basis(truth[OTHERS]) @ truth[LINEAR]
        self.data = noiseless + noise * np.random.default_rng(seed).normal(size=len(T))

    def basis(self, rates):
        return np.column_stack([np.exp(-rates[0] * T), np.exp(-rates[1] * T), np.ones_like(T)])

    def residual(self, u):
        return (self.basis(5 * u[OTHERS]) @ (self.highest * u[LINEAR]) - self.data) / self.noise

    def jacobian(self, u):
        basis = self.basis(5 * u[OTHERS])
        found = np.empty((len(T), 5))
        found[:, LINEAR] = self.highest * basis
        for j, (column, other) in enumerate(zip(LINEAR, OTHERS, strict=False)):
            found[:, other] = -5 * T * basis[:, j] * self.highest * u[column]
        return found / self.noise

    def projected(self, rates):
        """Closed form of the sum of squares with the best amplitudes, without bounds."""
        basis = self.basis(5 * rates)
        best = np.linalg.lstsq(basis, self.data, rcond=None)[0]
        return float((((basis @ best) - self.data) ** 2).sum()) / self.noise**2

    def payload(self, mode):
        if mode == "differences":
            return from_residual(self.residual)[1]
        return lambda u: np.column_stack([self.residual(u), self.jacobian(u)])


def solver(mode="differences", *, linear=tuple(LINEAR), tolerance=1e-12, **options):
    return LevenbergMarquardt(
        tolerance, 400, accurate=mode == "differences", linear=linear, given=mode == "jacobian", **options
    )


def run(problem, u, mode="differences", **options):
    return climb(solver(mode, **options), from_residual(problem.residual)[0], u, payload=problem.payload(mode))


@pytest.mark.parametrize("projection", ["kaufman", "full"])
@pytest.mark.parametrize("mode", MODES)
def test_the_optimum_is_that_of_the_full_space(mode, projection):
    problem = Decays()
    known, _ = run(problem, np.array([0.3, 0.14, 0.12, 0.5, 0.35]), "jacobian", linear=())
    for u in ([0.5, 0.1, 0.5, 0.9, 0.5], [0.1, 0.3, 0.1, 0.35, 0.1], [0.0, 0.05, 1.0, 0.6, 0.0]):
        ascent, _ = run(problem, u, mode, projection=projection)
        assert ascent.converged
        assert ascent.value == pytest.approx(known.value, abs=1e-9)
        assert ascent.u == pytest.approx(known.u, abs=1e-6)
        assert np.linalg.inv(ascent.curvature) == pytest.approx(np.linalg.inv(known.curvature), rel=1e-4)
        assert ascent.value == pytest.approx(-0.5 * problem.projected(ascent.u[OTHERS]), abs=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_the_start_of_linear_parameters_does_not_matter(mode):
    problem, ways = Decays(), []
    for amplitudes in ([0.0, 0.0, 0.0], [0.9, 0.2, 0.7], [1.0, 1.0, 1.0]):
        ascent = solver(mode).start(np.array([amplitudes[0], 0.1, amplitudes[1], 0.9, amplitudes[2]]))
        value, payload, way = from_residual(problem.residual)[0], problem.payload(mode), []
        while len(ascent.points):
            if ascent.stage == "trial":
                way.append(ascent.points[0][OTHERS].tolist())
            points = ascent.points
            ascent = solver(mode).advance(ascent, np.array([value(p) for p in points]), [payload(p) for p in points])
        ways.append(way)
    assert len(ways[0]) > 5
    for way in ways[1:]:
        assert np.array(way[:5]) == pytest.approx(np.array(ways[0][:5]), abs=1e-6)


def test_fewer_evaluations_than_in_the_full_space():
    problem, worst = Decays(), np.array([0.0, 0.1, 1.0, 0.9, 0.2])
    for mode in MODES:
        assert run(problem, worst, mode)[1] < run(problem, worst, mode, linear=())[1]


@pytest.mark.parametrize(("projection", "extra"), [("kaufman", 0), ("full", 6)])
def test_numbers_of_points(projection, extra):
    """A look costs the point and one for each linear parameter; a Jacobian two, and the full one three for each."""
    problem = Decays()
    forward = LevenbergMarquardt(1e-9, linear=tuple(LINEAR), projection=projection)
    value, payload = from_residual(problem.residual)
    ascent = forward.start(np.array([0.0, 0.1, 1.0, 0.9, 0.2]))
    stages = {}
    while len(ascent.points):
        stages.setdefault(ascent.stage, set()).add(len(ascent.points))
        points = ascent.points
        ascent = forward.advance(ascent, np.array([value(p) for p in points]), [payload(p) for p in points])
    assert stages["value"] == stages["trial"] == {1 + 3}
    assert stages["recentre"] == {1 + 2 + extra}
    assert stages.get("jacobian", {2 + extra}) == {2 + extra}


@pytest.mark.parametrize("mode", MODES)
def test_all_parameters_linear_is_one_step(mode):
    design = np.random.default_rng(1).normal(size=(20, 3))
    truth = np.array([0.2, 0.9, 0.5])

    class Line:
        residual = staticmethod(lambda u: design @ (u - truth) * 100 + 0.1)

        @staticmethod
        def payload(mode):
            columns = np.empty((20, 0)) if mode == "differences" else 100 * design
            return lambda u: np.column_stack([Line.residual(u), columns])

    ascent, n_points = run(Line, [1.0, 0.0, 0.0], mode, linear=(0, 1, 2))
    best = truth - np.linalg.lstsq(100 * design, np.full(20, 0.1), rcond=None)[0]
    assert ascent.converged
    assert ascent.u == pytest.approx(best, abs=1e-10)
    assert n_points == (5 if mode == "differences" else 2)


@pytest.mark.parametrize("mode", MODES)
def test_bounds_of_linear_parameters_are_exact(mode):
    """Amplitudes end at 2.0, and one of them would be 3: the others are the best beside it."""
    problem = Decays(truth=(3.0, 0.7, 1.2, 2.5, 1.5), highest=2.0)
    u = np.array([0.5, 0.2, 0.5, 0.9, 0.5])
    known, _ = run(problem, u, "jacobian", linear=())
    for projection in ("kaufman", "full"):
        ascent, _ = run(problem, u, mode, projection=projection)
        assert ascent.converged
        assert ascent.u[0] == 1.0
        assert ascent.gradient[0] > 0
        assert ascent.value == pytest.approx(known.value, abs=1e-8)
        assert ascent.u == pytest.approx(known.u, abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("projection", ["kaufman", "full"])
def test_equal_rates_leave_no_rank_and_no_nan(mode, projection):
    """Both decays are the same at the start: the amplitudes move the shortest way, and the ascent goes on."""
    problem = Decays()
    ascent, _ = run(problem, [0.5, 0.3, 0.2, 0.3, 0.5], mode, projection=projection)
    assert np.isfinite(ascent.u).all()
    assert math.isfinite(ascent.value)
    single = min(problem.projected(np.array([rate, rate])) for rate in np.linspace(0.0, 1.0, 2001))
    assert ascent.value > -0.5 * single - 1e-3
    rows = np.column_stack([problem.jacobian(np.array([0.5, 0.3, 0.2, 0.3, 0.5]))[:, [0, 2]], np.ones(60)])
    move = resolved(rows, np.array([0.5, 0.5])).move
    assert move[0] == pytest.approx(move[1], rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_declaration_is_found(mode):
    """A rate is declared linear."""
    ascent, _ = run(Decays(), [0.5, 0.1, 0.5, 0.9, 0.5], mode, linear=(0, 1, 2, 4))
    assert not ascent.converged
    assert "one of the coordinates (0, 1, 2, 4) is declared linear and is not" in ascent.reason
    assert ascent.value == pytest.approx(from_residual(Decays().residual)[0](ascent.u))
    alone, _ = run(Decays(), [0.5, 0.1, 0.5, 0.9, 0.5], mode, linear=(3,))
    assert "coordinate 3 is declared linear and is not" in alone.reason


def test_columns_where_half_the_box_is_not_defined():
    """The amplitudes have no likelihood far away: their columns come from nearer points."""
    problem = Decays()

    def residual(u):
        return problem.residual(u) if np.abs(u[LINEAR] - 0.3).max() < 0.35 else np.full(len(T), math.nan)

    value, payload = from_residual(residual)
    ascent, _ = climb(solver(), value, [0.3, 0.1, 0.3, 0.9, 0.3], payload=payload)
    assert ascent.converged
    assert ascent.value == pytest.approx(run(problem, [0.3, 0.1, 0.3, 0.9, 0.3])[0].value, abs=1e-9)


def test_no_value_where_the_linear_parameters_are_best():
    problem = Decays()
    holes = lambda u: problem.residual(u) if u[4] > 0.45 else np.full(len(T), math.nan)  # noqa: E731
    value, payload = from_residual(holes)
    ascent, _ = climb(solver(), value, [0.3, 0.1, 0.3, 0.9, 0.5], payload=payload)
    assert not ascent.converged
    assert ascent.reason.startswith("no finite value where the linear parameters are best; if a constraint concerns")
    assert ascent.value == value(ascent.u)


@pytest.mark.parametrize("projection", ["kaufman", "full"])
def test_compressed_rows_do_as_well_as_all(projection):
    """Rows with the same products, in any rotation: the course is the same but for rounding."""
    problem, rng = Decays(), np.random.default_rng(3)

    def compressed(u):
        rows = np.linalg.qr(problem.payload("jacobian")(u), mode="r")
        return np.linalg.qr(rng.normal(size=(9, 6)))[0] @ rows

    value = from_residual(problem.residual)[0]
    start = [0.0, 0.1, 1.0, 0.9, 0.2]
    ascent, n_points = climb(solver("jacobian", projection=projection), value, start, payload=compressed)
    known, n_known = run(problem, start, "jacobian", projection=projection)
    assert ascent.u == pytest.approx(known.u, abs=1e-9)
    assert n_points == n_known


@pytest.mark.parametrize("mode", MODES)
def test_a_state_survives_the_run_file(mode):
    problem, one = Decays(), solver(mode, projection="full")
    value, payload = from_residual(problem.residual)[0], problem.payload(mode)
    alone, _ = run(problem, [0.5, 0.1, 0.5, 0.9, 0.5], mode, projection="full")
    ascent = one.start(np.array([0.5, 0.1, 0.5, 0.9, 0.5]))
    while len(ascent.points):
        ascent = encoding.decode(encoding.encode(ascent))
        points = ascent.points
        ascent = one.advance(ascent, np.array([value(p) for p in points]), [payload(p) for p in points])
    assert (ascent.u.tolist(), ascent.value, ascent.reason) == (alone.u.tolist(), alone.value, alone.reason)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.15, 0.9), st.floats(1.6, 4.5), st.floats(0.5, 8.0), st.sampled_from(MODES))
def test_random_separable_problems(seed, slow, fast, amplitude, mode):
    """From rates near by, the ascent is never worse than one in the full space from the best amplitudes."""
    problem = Decays(seed, truth=(amplitude, slow, 2.0, fast, 5.0))
    start = np.array([0.5, 0.9 * slow / 5, 0.5, 1.1 * fast / 5, 0.5])
    ascent, _ = run(problem, start, mode)
    assert ascent.converged
    full = start.copy()
    columns = problem.jacobian(start)[:, LINEAR]
    full[LINEAR] = np.clip(start[LINEAR] - np.linalg.lstsq(columns, problem.residual(start), rcond=None)[0], 0, 1)
    known, _ = run(problem, full, mode, linear=())
    assert ascent.value > known.value - 1e-6


def test_projected_columns_and_the_full_jacobian():
    """Norms of P J, and rows that make the squared change of the projected residual, against differences of it."""
    problem, u = Decays(), np.array([0.3, 0.15, 0.12, 0.5, 0.35])
    linear, others = np.array(LINEAR), np.array(OTHERS)

    def projected(rates):
        v = u.copy()
        v[others] = rates
        columns = problem.jacobian(v)[:, linear]
        v[linear] -= np.linalg.lstsq(columns, problem.residual(v), rcond=None)[0]
        return problem.residual(v), v

    residual, v = projected(u[others])
    h = 1e-6
    slopes = np.column_stack(
        [(projected(v[others] + h * e)[0] - projected(v[others] - h * e)[0]) / (2 * h) for e in np.eye(2)]
    )
    jacobian = problem.jacobian(v)
    triangle = np.linalg.qr(np.column_stack([jacobian, residual]), mode="r")
    q = np.linalg.qr(jacobian[:, linear])[0]
    kaufman = jacobian[:, others] - q @ (q.T @ jacobian[:, others])
    assert projected_norms(triangle, linear, others) == pytest.approx(np.linalg.norm(kaufman, axis=0))
    mixed = np.empty((3, 2))
    for j, other in enumerate(others):
        ahead, behind = v.copy(), v.copy()
        ahead[other] += h
        behind[other] -= h
        mixed[:, j] = (problem.jacobian(ahead) - problem.jacobian(behind))[:, linear].T @ residual / (2 * h)
    rows = projection_rows(triangle, linear, others, mixed)
    both = np.concatenate([kaufman, rows[:, others]])
    assert both.T @ both == pytest.approx(slopes.T @ slopes, rel=1e-6)
    assert np.abs(rows[:, others]).max() > 1e-3
    assert not rows[:, [*LINEAR, -1]].any()


def test_what_cannot_be_configured():
    with pytest.raises(InvalidConfigurationError, match="expected 'kaufman' or 'full', got 'half'"):
        LevenbergMarquardt(projection="half")
    with pytest.raises(InvalidConfigurationError, match="not with the loss 'huber'"):
        LevenbergMarquardt(linear=(0,), loss=Loss("huber"))


def test_the_reach_of_a_step_does_not_hold_linear_parameters():
    ascent = solver().start(np.array([0.5, 0.3, 0.2, 0.3, 0.5]))
    lower, upper = ascent.bounds(0.1, np.array(LINEAR))
    assert lower == pytest.approx([-0.5, -0.1, -0.2, -0.1, -0.5])
    assert upper == pytest.approx([0.5, 0.1, 0.8, 0.1, 0.5])
