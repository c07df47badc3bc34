"""The problems of a fit as problems: gradients, fixing, fingerprints, failures, other verbs and other processes."""

import dataclasses
import math

import cloudpickle
import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.loss import Loss
from wilks.xpcs.folding import fold
from wilks.xpcs.gram import NUMPY
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import physical_space
from wilks.xpcs.problems import RobustXpcsProblem, XpcsProblem
from wilks.xpcs.scaling import Scaling, Shrinkage, as_scaling, linear_block
from wilks.xpcs.sums import PairSums

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0,
}  # fmt: skip
PHI = np.array([80.0, -15.0, 30.0])
CONVENTIONS = [xpcs.Convention(), xpcs.Convention.homodyne()]


def place(convention=CONVENTIONS[0], n_t=16):
    return xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, PHI, convention)


def problem_of(
    mode="laminar_flow", convention=CONVENTIONS[0], scaling="individual", *, weights=(1.0, 2.0, 0.5), seed=1, **more
):
    where = place(convention)
    values = {name: FLOW[name] for name in PHYSICAL_NAMES[mode]}
    data = xpcs.simulate(values, where, contrast=[0.3, 0.32, 0.28], sigma=0.01, mode=mode, seed=seed)
    pairs = fold(data).pairs
    sums = PairSums(lambda: iter([(np.arange(3), pairs)]), NUMPY, 1, pairs.centres, pairs.sigma, pairs.n_used)
    block = linear_block(as_scaling(scaling), PHI, pairs.n_used, (np.full(3, 0.3), np.ones(3)))
    if "penalty" in more:
        block = block.with_penalty(more["penalty"].penalty(block, np.full(3, 0.3), np.ones(3)))
    return XpcsProblem(physical_space(mode, None)[0], sums, where, mode, block, np.array(weights))


def moved(mode):
    """Not at the optimum."""
    values = {name: FLOW[name] for name in PHYSICAL_NAMES[mode]}
    return values | {"D0": 2.3e4, "alpha": -0.5} | ({"phi0": 6.0, "beta": 0.4} if mode == "laminar_flow" else {})


def steps(values):
    return {name: 1e-4 * max(abs(value), 1e-3) for name, value in values.items()}


def slope(function, values, name, step):
    """Derivative by differences of fourth order."""
    at = [function({**values, name: values[name] + k * step}) for k in (-2, -1, 1, 2)]
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=["default", "homodyne"])
@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
@pytest.mark.parametrize(
    "scaling", ["individual", "averaged", Scaling.fourier(1), Scaling.constant(0.2, 1.03)], ids=str
)
def test_gradient_is_that_of_the_projected_log_likelihood(scaling, mode, convention):
    problem, values = problem_of(mode, convention, scaling), moved(mode)
    value, rows = problem.factor(values)
    assert value == pytest.approx(problem.log_likelihood(values), rel=1e-12)
    assert rows[:, 0] @ rows[:, 0] == pytest.approx(-2 * value, rel=1e-10)
    assert rows.shape[1] == 1 + len(values)
    for i, name in enumerate(problem.space.free):
        wanted = slope(problem.log_likelihood, values, name, steps(values)[name])
        assert -rows[:, 0] @ rows[:, 1 + i] == pytest.approx(wanted, rel=1e-5, abs=1e-6 / steps(values)[name] * 1e-4)


def test_gradient_with_penalty_and_active_bounds():
    problem = problem_of(penalty=Shrinkage(0.02, 0.01))
    values = moved("laminar_flow") | {"D0": 9e3, "alpha": -1.6, "gamma_dot_0": 1e-3}  # asks for a contrast above 1?
    narrow = problem.block
    narrow.upper[:3] = 0.25
    found = problem.projection(values)
    assert found.penalty > 0.1
    assert found.held.any()
    assert not found.held.all()
    _, rows = problem.factor(values)
    for i, name in enumerate(problem.space.free):
        wanted = slope(problem.log_likelihood, values, name, steps(values)[name])
        assert -rows[:, 0] @ rows[:, 1 + i] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan"])
def test_gradient_of_a_robust_cost(loss):
    base = problem_of(penalty=Shrinkage(0.02, 0.01))
    coefficients = dict(zip(base.block.names, [0.3, 0.35, 0.25, 1.0, 1.01, 0.99], strict=True))
    problem = RobustXpcsProblem(base, base.sums, Loss(loss, 1.3), moved("laminar_flow") | coefficients)
    values = moved("laminar_flow") | coefficients
    value, rows = problem.factor(values)
    assert value == problem.log_likelihood(values)
    assert problem.space.free == (*PHYSICAL_NAMES["laminar_flow"], *base.block.names)
    for i, name in enumerate(problem.space.free):
        step = 0.1 * steps(values)[name]
        wanted = slope(problem.log_likelihood, values, name, step)
        size = np.linalg.norm(rows[:, 1 + i])
        assert -rows[:, 0] @ rows[:, 1 + i] == pytest.approx(wanted, rel=1e-5, abs=1e-4 * size)


def test_linear_loss_is_least_squares():
    """With the loss that is none, and the coefficients at their best, both problems are the same."""
    base, values = problem_of(penalty=Shrinkage(0.02, 0.01)), moved("laminar_flow")
    found = base.projection(values)
    whole = values | dict(zip(base.block.names, found.coefficients.tolist(), strict=True))
    robust = RobustXpcsProblem(base, base.sums, Loss("linear"), whole)
    value, normal, meat = robust.sums_at(whole)
    assert value == pytest.approx(found.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(normal, found.normal, rtol=1e-8, atol=1e-6)
    assert meat.shape == normal.shape


def test_scores_count_with_the_square_of_the_weight_of_their_angle():
    values, made = moved("laminar_flow"), []
    for weight in (1.0, 3.0):
        base = problem_of(weights=[weight] * 3)
        c = dict(zip(base.block.names, [0.3] * 3 + [1.0] * 3, strict=True))
        made.append(RobustXpcsProblem(base, base.sums, Loss("huber"), values | c).sums_at(values | c))
    (value, normal, meat), (heavy, heavy_normal, heavy_meat) = made
    assert heavy == pytest.approx(3 * value, rel=1e-12)
    np.testing.assert_allclose(heavy_normal, 3 * normal, rtol=1e-12)
    np.testing.assert_allclose(heavy_meat, 9 * meat, rtol=1e-12)


def test_batches_in_any_order():
    base, values = problem_of(), moved("laminar_flow")
    pairs = next(base.sums.batches())[1]
    parts = [np.array([2]), np.array([0, 1])]
    sums = dataclasses.replace(base.sums, batches=lambda: ((rows, pairs.rows(rows)) for rows in parts))
    other = XpcsProblem(base.space, sums, base.geometry, base.mode, base.block, base.angle_weights)
    assert other.log_likelihood(values) == pytest.approx(base.log_likelihood(values), rel=1e-12)
    np.testing.assert_allclose(other.projection(values).normal, base.projection(values).normal, rtol=1e-9)
    c = dict(zip(base.block.names, [0.3, 0.35, 0.25, 1.0, 1.01, 0.99], strict=True))
    costs = [
        RobustXpcsProblem(base, each, Loss("huber"), values | c).factor(values | c)[0] for each in (sums, base.sums)
    ]
    assert costs[0] == pytest.approx(costs[1], rel=1e-12)


def test_fixing():
    problem, values = problem_of(), moved("laminar_flow")
    fixed = problem.fix(D0=values["D0"], phi0=values["phi0"])
    assert fixed.space.free == ("alpha", "D_offset", "gamma_dot_0", "beta", "gamma_dot_offset")
    assert fixed.root is problem
    assert fixed.log_likelihood(values) == problem.log_likelihood(values)
    np.testing.assert_array_equal(fixed.factor(values)[1], problem.factor(values)[1])  # columns are the root's
    twice = fixed.fix(alpha=-0.4)
    assert twice.root is problem
    assert twice.space.constants["D0"] == values["D0"]
    coefficients = dict(zip(problem.block.names, [0.3] * 3 + [1.0] * 3, strict=True))
    robust = RobustXpcsProblem(problem, problem.sums, Loss("huber"), values | coefficients).fix(contrast_0=0.3, D0=2e4)
    assert "contrast_0" not in robust.space.free
    assert robust.log_likelihood({**values, **coefficients, "D0": 2e4}) < 0


def test_a_parameter_fixed_from_the_beginning_has_no_column():
    whole = problem_of()
    space, _ = physical_space("laminar_flow", {"alpha": -0.4})
    part = XpcsProblem(space, whole.sums, whole.geometry, whole.mode, whole.block, whole.angle_weights)
    values = moved("laminar_flow") | {"alpha": -0.4}
    ours, theirs = part.factor(values)[1], whole.factor(values)[1]
    assert ours.shape[1] == 7
    keep = [0, 1, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(ours.T @ ours, theirs[:, keep].T @ theirs[:, keep], rtol=1e-9)


def test_fingerprints():
    known = problem_of().fingerprint
    assert known == problem_of().fingerprint
    others = {
        "data": problem_of(seed=2),
        "convention": problem_of(convention=CONVENTIONS[1]),
        "scaling": problem_of(scaling="averaged"),
        "numbers": problem_of(scaling=Scaling.constant(0.3, 1.0)),
        "other numbers": problem_of(scaling=Scaling.constant(0.3, 1.01)),
        "weights": problem_of(weights=(1.0, 1.0, 1.0)),
        "penalty": problem_of(penalty=Shrinkage(0.1)),
        "mode": problem_of("static"),
    }
    prints = [known, *(problem.fingerprint for problem in others.values())]
    assert len(set(prints)) == len(prints)
    one = problem_of()
    for other in (
        place(CONVENTIONS[1]),
        dataclasses.replace(place(), gap=1e6),
        dataclasses.replace(place(), phi=PHI + 1),
    ):
        same_data = XpcsProblem(one.space, one.sums, other, one.mode, one.block, one.angle_weights)
        assert same_data.fingerprint not in prints
    start = FLOW | dict(zip(problem_of().block.names, [0.3] * 3 + [1.0] * 3, strict=True))
    robust = [RobustXpcsProblem(problem_of(), problem_of().sums, Loss(name), start) for name in ("huber", "cauchy")]
    assert len({known, *(problem.fingerprint for problem in robust)}) == 3


@pytest.mark.parametrize("values", [{"D0": math.nan}, {"alpha": 1e4}, {"beta": -1e4}, {"gamma_dot_0": math.inf}])
def test_a_model_that_is_not_finite_is_left_out(values):
    problem = problem_of()
    at = FLOW | values
    assert problem.log_likelihood(at) == -math.inf
    value, rows = problem.factor(at)
    assert value == -math.inf
    assert rows.size == 0
    assert problem.projection(at) is None
    coefficients = dict(zip(problem.block.names, [0.3] * 3 + [1.0] * 3, strict=True))
    robust = RobustXpcsProblem(problem, problem.sums, Loss("huber"), FLOW | coefficients)
    assert robust.log_likelihood(at | coefficients) == -math.inf


def test_a_correlation_that_grows_out_of_all_bounds_is_left_out():
    problem = problem_of()
    assert problem.log_likelihood(FLOW | {"D_offset": -1e12}) == -math.inf


def test_pickling_keeps_the_values_and_not_the_cache():
    problem, values = problem_of(), moved("laminar_flow")
    problem.projection(values)
    again = cloudpickle.loads(cloudpickle.dumps(problem))
    assert again.log_likelihood(values) == problem.log_likelihood(values)
    assert again.fingerprint == problem.fingerprint
    assert not again._recent
    assert problem._recent


def test_recent_points_are_kept_and_forgotten(monkeypatch):
    problem, calls = problem_of(), []
    monkeypatch.setattr(
        problem, "sums_at", lambda *args, **more: calls.append(1) or XpcsProblem.sums_at(problem, *args, **more)
    )
    for k in range(12):
        problem.projection(FLOW | {"phi0": 1.0 + 0.1 * k})
    assert len(calls) == 12
    problem.factor(FLOW | {"phi0": 1.0 + 0.1 * 11})
    assert len(calls) == 12
    problem.factor(FLOW | {"phi0": 1.0})
    assert len(calls) == 13
    assert problem.projection(FLOW | {"phi0": 1.0}).chi_squared != problem.projection(FLOW | {"phi0": 2.0}).chi_squared


def fewer():
    """Three parameters are left."""
    fixed = {name: FLOW[name] for name in ("D_offset", "gamma_dot_offset", "beta", "phi0")}
    return problem_of().fix(**fixed)


@pytest.mark.parametrize("executor", [None, "processes"])
def test_profile_over_two_parameters(executor):
    """Profiles take the problem as any other: each cell is the optimum of the problem with the two fixed."""
    problem = fewer()
    box = {
        "D0": wilks.Real(1.6e4, 2.4e4, scale="log"),
        "alpha": wilks.Real(-0.6, -0.2),
        "gamma_dot_0": wilks.Real(4e-4, 8e-4),
    }
    space = wilks.Space(**{name: box.get(name, problem.space.constants.get(name)) for name in problem.space.names})
    near = XpcsProblem(space, problem.sums, problem.geometry, problem.mode, problem.block, problem.angle_weights)
    pool = wilks.ProcessExecutor(2) if executor else None
    result = wilks.profile(
        near, over=("D0", "alpha"), grid=(5, 5), roi_threshold=4.0, seed=1, callbacks=(), executor=pool, start=FLOW_FREE
    )
    nodes = result.axes["D0"], result.axes["alpha"]
    seen = np.argwhere(np.isfinite(result.log_likelihood_map))
    assert len(seen) >= 3
    for i, j in seen[:3]:
        cell = near.fix(D0=float(nodes[0][i]), alpha=float(nodes[1][j]))
        best = wilks.fit(cell, seed=1, callbacks=(), start={"gamma_dot_0": 6e-4})
        assert result.log_likelihood_map[i, j] == pytest.approx(best.log_likelihood, abs=1e-3)


FLOW_FREE = {name: FLOW[name] for name in ("D0", "alpha", "gamma_dot_0")}


def test_fit_in_other_processes_is_the_same():
    problem = fewer()
    here, there = (
        wilks.fit(problem, seed=1, callbacks=(), start=FLOW_FREE, executor=executor)
        for executor in (None, wilks.ProcessExecutor(2))
    )
    assert here.best == there.best
    assert here.log_likelihood == there.log_likelihood
