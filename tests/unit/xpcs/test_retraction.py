"""Steps in the coordinates of power laws: straight to first order, straight in the new coordinates, never outside."""

import itertools
import math

import numpy as np
import pytest

import wilks
from tests.unit.solvers.ascents import climb
from wilks import xpcs
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.retracted import Retracted
from wilks.xpcs.parameters import physical_space
from wilks.xpcs.retraction import power_law_steps

TIMES = 5 + 0.1 * np.arange(200)  # in s
REFERENCE = math.exp(0.5 * (math.log(TIMES[0]) + math.log(TIMES[-1])))
FLOW = {
    "D0": 2e4, "alpha": -0.6, "D_offset": 2e3,
    "gamma_dot_0": 3e-3, "beta": 0.4, "gamma_dot_offset": -1e-3, "phi0": 2.0,
}  # fmt: skip


def space_of(mode="laminar_flow", **overrides):
    return physical_space(mode, overrides)[0]


def unit(space, values):
    return space.to_unit(space.to_theta({name: values[name] for name in space.free})[None, :])[0]


def coordinates(values, amplitude="D0", exponent="alpha", offset="D_offset"):
    """Equation (1)."""
    term = values[amplitude] * REFERENCE ** values[exponent]
    return np.array([term + values[offset], values[exponent] * term, values[exponent]])


def moved(space, u, step):
    return space.to_values(space.from_unit(power_law_steps(space, TIMES)(u, step)))


@pytest.mark.parametrize("held", [(), ("D0",), ("D_offset",), ("gamma_dot_0", "beta"), ("alpha",)])
def test_it_agrees_with_the_straight_step_to_first_order(held):
    """What remains is of second order: half the step leaves a quarter of it."""
    space = space_of()
    u, steps = unit(space, FLOW), power_law_steps(space, TIMES)
    direction = np.array([0.3, 0.02, -0.01, -0.2, 0.05, 0.004, 0.3])
    direction[[space.free.index(name) for name in held]] = 0.0
    off = [np.abs(steps(u, h * direction) - (u + h * direction)) for h in (0.02, 0.01, 0.005)]
    scale = off[0].max()
    assert 0 < scale < 0.02
    for large, small in itertools.pairwise(off):
        bent = large > 1e-3 * scale
        assert np.all((large[bent] / small[bent] > 3.3) & (large[bent] / small[bent] < 4.7))
    for name in held:
        i = space.free.index(name)
        assert steps(u, 0.02 * direction)[i] == u[i]


def test_it_is_straight_in_the_new_coordinates():
    """Equation (1): the new coordinates change by their derivative along the step, with no second order."""
    space = space_of()
    u, h = unit(space, FLOW), 1e-5
    step = np.array([0.02, 0.05, -0.002, 0.01, -0.04, 0.001, 0.1])
    for law in (("D0", "alpha", "D_offset"), ("gamma_dot_0", "beta", "gamma_dot_offset")):
        here = coordinates(FLOW, *law)
        ends = [space.to_values(space.from_unit(u + sign * h * step)) for sign in (1, -1)]
        slope = (coordinates(ends[0], *law) - coordinates(ends[1], *law)) / (2 * h)
        np.testing.assert_allclose(coordinates(moved(space, u, step), *law), here + slope, rtol=1e-6)
    assert moved(space, u, step)["phi0"] == pytest.approx(FLOW["phi0"] + 0.1 * 20)


@pytest.mark.parametrize("held", ["D0", "D_offset"])
def test_where_one_is_held_the_others_keep_the_level_of_the_rate(held):
    """At a bound it does not move; the level at the reference time still changes as the step says."""
    space = space_of("static")
    u, step, h = unit(space, FLOW), np.array([0.03, 0.05, -0.004]), 1e-5
    step[space.free.index(held)] = 0.0
    ends = [space.to_values(space.from_unit(u + sign * h * step)) for sign in (1, -1)]
    slope = (coordinates(ends[0])[0] - coordinates(ends[1])[0]) / (2 * h)
    reached = moved(space, u, step)
    assert reached[held] == pytest.approx(FLOW[held], rel=1e-12)
    assert coordinates(reached)[0] == pytest.approx(coordinates(FLOW)[0] + slope, rel=1e-7)
    straight = space.to_values(space.from_unit(u + step))
    assert coordinates(straight)[0] != pytest.approx(coordinates(FLOW)[0] + slope, rel=1e-4)


def test_the_rate_at_the_reference_time_stays_along_the_valley():
    """Amplitude and offset large and opposite: a step to another exponent keeps level and slope of the rate."""
    space = space_of("static")
    values = {"D0": 5e4, "alpha": 0.05, "D_offset": -4e4}
    u = unit(space, values)
    step = np.zeros(3)
    i, j, k = (space.free.index(name) for name in values)
    step[j] = 0.1 / 4  # alpha by 0.1, and what keeps j and s to first order
    power = REFERENCE**0.05
    factor = -(1 / 0.05 + math.log(REFERENCE)) * 0.1
    step[i] = factor / math.log(1e3)
    step[k] = (-5e4 * power * (factor + math.log(REFERENCE) * 0.1)) / 2e5
    reached = moved(space, u, 0.5 * step)
    assert reached["alpha"] == pytest.approx(0.1)
    np.testing.assert_allclose(coordinates(reached)[:2], coordinates(values)[:2], rtol=1e-8)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ({"alpha": 0.1, "D0": 1e3, "D_offset": 0.0}, [0.45, -0.05, 0.01]),  # the slope keeps its sign, alpha does not
        ({"alpha": 0.2, "D0": 6e4, "D_offset": -9e4}, [0.05, -0.04, -0.01]),  # the offset would leave its box
        ({"alpha": 0.2, "D0": 9e4, "D_offset": 0.0}, [0.01, -0.03, 0.01]),  # so would the amplitude
    ],
)
def test_a_curve_that_leads_out_of_the_box_is_not_followed(values, step):
    space = space_of("static")
    u = unit(space, values)
    found = power_law_steps(space, np.array([0.1, 10.0]))(u, np.array(step))
    np.testing.assert_array_equal(found, np.clip(u + step, 0, 1))


def test_random_steps_never_leave_the_box_and_are_never_nan():
    rng, space = np.random.default_rng(3), space_of()
    steps = power_law_steps(space, TIMES)
    n_bent = 0
    for _ in range(2000):
        u = np.clip(rng.uniform(-0.2, 1.2, 7), 0, 1)  # some at bounds
        step = rng.normal(size=7) * 10.0 ** rng.uniform(-6, 0, 7) * (rng.random(7) < 0.8)
        found = steps(u, step)
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1)).all()
        n_bent += bool((found != np.clip(u + step, 0, 1)).any())
    assert n_bent > 300


def test_exponents_beyond_all_numbers_are_no_error():
    space = space_of("static", alpha=wilks.Real(-5000, 5000))
    steps = power_law_steps(space, 1e3 * TIMES)
    for alpha in (0.1, 0.45, 0.9):
        found = steps(np.array([0.5, alpha, 0.6]), np.array([0.1, -0.05, 0.1]))
        assert np.isfinite(found).all()


def test_laws_of_which_a_parameter_is_fixed_are_straight():
    space = space_of(D_offset=0.0, beta=0.3)
    steps = power_law_steps(space, TIMES)
    assert steps.laws == ()
    u, step = np.full(5, 0.4), np.array([0.1, -0.2, 0.3, 0.4, 0.7])
    np.testing.assert_array_equal(steps(u, step), np.clip(u + step, 0, 1))
    mixed = space_of(phi0=0.0)
    assert [tuple(mixed.free[i] for i in law) for law in power_law_steps(mixed, TIMES).laws] == [
        ("D0", "alpha", "D_offset"), ("gamma_dot_0", "beta", "gamma_dot_offset")
    ]  # fmt: skip


@pytest.mark.parametrize("alpha", [-0.1, 0.05])
def test_the_valley_of_a_power_law_takes_a_few_steps(alpha):
    """From ages of 10 to 15 s level and slope of a rate are seen well, its bend hardly: straight steps crawl."""
    space, times = space_of("static"), 10 + 0.05 * np.arange(100)

    def rate(values):
        return values["D0"] * times ** values["alpha"] + values["D_offset"]

    def residual(u):
        return rate(space.to_values(space.from_unit(u))) - rate({"D0": 2e4, "alpha": -1.0, "D_offset": 1e3})

    def value(u):
        return -0.5 * float(residual(u) @ residual(u))

    def payload(u):
        h = 1e-7
        return np.column_stack(
            [residual(u), *((residual(u + h * e) - residual(u - h * e)) / (2 * h) for e in np.eye(3))]
        )

    plain = LevenbergMarquardt(1e-6, 3000, given=True)
    start = unit(space, {"D0": 8e4, "alpha": alpha, "D_offset": -6e4})
    one, n_one = climb(plain, value, start, payload=payload)
    other, n_other = climb(Retracted(plain, power_law_steps(space, times)), value, start, payload=payload)
    assert one.converged
    assert other.converged
    assert other.value > -1e-5
    assert n_one > 5 * n_other


def test_parameters_that_are_held_in_a_cell_of_a_map_are_no_coordinates():
    """The law whose parameters all move is bent as ever; the other is straight; positions are those of the rest."""
    space = space_of()
    held = ("gamma_dot_0", "beta")
    rest = space.fix(gamma_dot_0=FLOW["gamma_dot_0"], beta=FLOW["beta"])
    moving = [space.free.index(name) for name in space.free if name not in held]
    u = unit(space, FLOW)[moving]
    step = np.full(len(moving), 0.01)
    found = power_law_steps(space, TIMES, held)(u, step)
    assert np.array_equal(found, power_law_steps(rest, TIMES)(u, step))
    assert np.abs(found[:3] - (u + step)[:3]).max() > 1e-5
    assert np.array_equal(found[3:], (u + step)[3:])


def test_the_general_verbs_take_the_curved_steps_of_a_problem():
    """In the valley of a power law the polish of a fit and the cells of a map need a fraction of the evaluations."""
    geometry = xpcs.Geometry(0.1 * np.arange(60), 0.1, 0.0054, None, np.array([0.0, 90.0]))
    data = xpcs.simulate({"D0": 2e4, "alpha": -0.5, "D_offset": 100.0}, geometry, mode="static", sigma=0.03, seed=1)
    start = {"D0": 90000.0, "alpha": -0.01, "D_offset": -60000.0}
    counts = {}
    for name in ("curved", "straight"):
        problem = xpcs.problem(data, "static")
        if name == "straight":
            problem.curved_steps = lambda held: None
        fit = wilks.fit(problem, start=start, n_starts=0, seed=1, callbacks=())
        counts[name] = fit.n_evaluations
        assert any("curved steps" in step.detail for step in fit.provenance.executed) == (name == "curved")
    assert counts["curved"] < 0.7 * counts["straight"], counts
