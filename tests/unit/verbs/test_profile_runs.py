"""The course of a profile: what is counted, what a stop leaves, resuming, repeating, better optima."""

import numpy as np
import pytest

import wilks
from tests.unit.profiles.examples import assert_argmax_gives_the_map, assert_exact, far_island
from wilks import LikelihoodProblem, Real, Space, problems
from wilks.core.cells import CellStatus
from wilks.core.encoding import decode, encode
from wilks.core.proposal import Evaluations, EvaluationStatus
from wilks.profiles.grid import make_grid
from wilks.profiles.schedule import ProfileMap
from wilks.profiles.state import Optimum
from wilks.solvers.quasi_newton import QuasiNewton

ARGUMENTS = {"over": ("x0", "x1"), "grid": (21, 21), "roi_threshold": 5.0, "seed": 3, "callbacks": []}


class Counted:
    """Himmelblau's function, twice, that counts its calls."""

    def __init__(self):
        self.known = problems.himmelblau_4d()
        self.n_calls = 0
        self.problem = LikelihoodProblem(self.known.problem.space, self)

    def __call__(self, values):
        self.n_calls += 1
        return self.known.problem.log_likelihood(values)

    def truth(self, result):
        return self.known.profile(result.over, [result.axes[name] for name in result.over])


def test_every_call_is_counted_and_attributed():
    counted = Counted()
    result = wilks.profile(counted.problem, audit=5, **ARGUMENTS)
    assert result.n_evaluations == counted.n_calls
    steps = {step.name: step.n_evaluations for step in result.provenance.executed}
    assert sum(steps.values()) == counted.n_calls
    assert steps["audit"] == result.audit.n_evaluations > 0
    assert result.stats["n_visited"] == np.isfinite(result.log_likelihood_map).sum()
    assert_argmax_gives_the_map(result, counted.problem)


def test_the_audit_does_not_change_what_a_right_map_costs():
    with_audit, without = (wilks.profile(Counted().problem, audit=n, **ARGUMENTS) for n in (6, 0))
    assert without.audit is None
    assert with_audit.n_evaluations - with_audit.audit.n_evaluations == without.n_evaluations
    np.testing.assert_array_equal(with_audit.log_likelihood_map, without.log_likelihood_map)


def test_a_serial_run_repeats_bit_by_bit():
    one, two = (wilks.profile(Counted().problem, audit=3, **ARGUMENTS) for _ in range(2))
    assert one.n_evaluations == two.n_evaluations
    np.testing.assert_array_equal(one.log_likelihood_map, two.log_likelihood_map)
    for name in one.argmax:
        np.testing.assert_array_equal(one.argmax[name], two.argmax[name])
    np.testing.assert_array_equal(one.audit.cells, two.audit.cells)


def test_processes_agree_with_the_serial_run():
    known = problems.two_islands()
    arguments = {"over": ("x", "y"), "grid": (31, 31), "roi_threshold": 4.0, "seed": 1, "audit": 3, "callbacks": []}
    serial = wilks.profile(known.problem, **arguments)
    with wilks.ProcessExecutor(2) as executor:
        parallel = wilks.profile(known.problem, executor=executor, **arguments)
    np.testing.assert_array_equal(serial.in_roi, parallel.in_roi)
    inside = serial.in_roi
    np.testing.assert_allclose(parallel.log_likelihood_map[inside], serial.log_likelihood_map[inside], atol=2e-5)
    assert_exact(parallel, known.profile(("x", "y"), [parallel.axes["x"], parallel.axes["y"]]), known.maximum)


@pytest.mark.parametrize("n", [1, 400, 6000])
def test_a_stop_leaves_a_usable_part(n):
    counted = Counted()
    result = wilks.profile(counted.problem, audit=5, stop=wilks.MaxEvaluations(n), **ARGUMENTS)
    assert result.status.outcome is wilks.Outcome.EVALUATION_LIMIT
    assert not result.status.success
    assert result.n_evaluations == counted.n_calls
    found = result.log_likelihood_map
    finite = np.isfinite(found)
    assert (found[finite] <= counted.truth(result)[finite] + 1e-9).all()
    assert ((result.cell_status == CellStatus.UNVISITED) == np.isnan(found)).all()
    assert result.log_likelihood >= np.max(found[finite], initial=-np.inf)
    assert repr(result).startswith("Stopped at the limit")


def test_throw_carries_the_part():
    with pytest.raises(wilks.FitFailedError, match="Stopped at the limit") as caught:
        wilks.profile(Counted().problem, stop=wilks.MaxEvaluations(300), throw=True, **ARGUMENTS)
    assert isinstance(caught.value.result.best, dict)


@pytest.mark.parametrize(
    "n",
    [
        pytest.param(300, marks=pytest.mark.slow),
        pytest.param(1500, marks=pytest.mark.slow),
        pytest.param(5300, marks=pytest.mark.slow),
        6000,
    ],
)
def test_a_stopped_run_goes_on_from_its_log(n, tmp_path):
    """The same result in the end, and no point evaluated twice."""
    whole = wilks.profile(Counted().problem, audit=5, **ARGUMENTS)
    path = tmp_path / "run.wilks"
    first, second = Counted(), Counted()
    with wilks.EvaluationLog(path) as log:
        wilks.profile(first.problem, audit=5, log=log, stop=wilks.MaxEvaluations(n), **ARGUMENTS)
    with wilks.EvaluationLog(path) as log:
        result = wilks.profile(second.problem, audit=5, log=log, **ARGUMENTS)
    assert result.status.success
    assert first.n_calls + second.n_calls == pytest.approx(whole.n_evaluations, rel=0.1)
    assert second.n_calls < whole.n_evaluations - 250
    assert_exact(result, second.truth(result), 0.0)


def test_a_finished_run_is_read_from_its_log():
    log, counted = wilks.EvaluationLog(), Counted()
    first = wilks.profile(counted.problem, audit=2, log=log, **ARGUMENTS)
    n_calls = counted.n_calls
    second = wilks.profile(counted.problem, audit=2, log=log, **ARGUMENTS)
    assert counted.n_calls == n_calls
    np.testing.assert_array_equal(first.log_likelihood_map, second.log_likelihood_map)


def test_a_result_survives_saving(tmp_path):
    result = wilks.profile(Counted().problem, audit=2, **ARGUMENTS)
    again = wilks.load(result.save(tmp_path / "profile.wilks"))
    np.testing.assert_array_equal(again.log_likelihood_map, result.log_likelihood_map)
    np.testing.assert_array_equal(again.cell_status, result.cell_status)
    assert again.audit.limit_95 == result.audit.limit_95
    assert again.intervals("x0", 0.68) == result.intervals("x0", 0.68)


# ---------------------------------------------------------------------- optima that are not the best one


def planted_map(problem, over, grid, threshold, u, monkeypatch):
    """A map that is told of one optimum only, at `u` of the unit box."""
    space = problem.space
    value = problem.log_likelihood(space.to_values(space.from_unit(u)))

    def told_of_one(local, threshold, n_audit, grid, optima, *_):
        return ProfileMap(local, threshold, n_audit, grid, (Optimum(u, value, np.eye(len(u)), reliable=False),))

    monkeypatch.setattr("wilks.verbs.profile.ProfileMap", told_of_one)
    return wilks.profile(problem, over=over, grid=grid, roi_threshold=threshold, seed=1, audit=4, callbacks=[])


def inferior_optimum():
    """An optimum that is lower by 2 and, along the profiled parameter, connected with the best one."""

    def log_likelihood(v):
        x, n = v["x"], v["n"]
        lower = -2.0 - 0.05 * (x + 2.0) ** 2 - 0.5 * (n - 1.0) ** 2
        upper = -0.5 * ((x - 2.0) / 0.5) ** 2 - 0.5 * (n - 1.0) ** 2
        return float(np.logaddexp(4 * lower, 4 * upper) / 4)

    return LikelihoodProblem(Space(x=Real(-4, 4), n=Real(-5, 5)), log_likelihood)


def test_a_cell_that_beats_the_best_fit_makes_a_better_optimum(monkeypatch):
    problem = inferior_optimum()
    u = problem.space.to_unit(np.array([-2.0, 1.0]))
    result = planted_map(problem, "x", (41,), 4.0, u, monkeypatch)
    assert result.best["x"] == pytest.approx(2.0, abs=1e-3)
    assert result.log_likelihood == pytest.approx(0.0, abs=1e-3)
    assert result.stats["n_better_optima"] == 1
    (step,) = [step for step in result.provenance.executed if step.name == "better optimum"]
    assert step.detail == "cells beat the best fit 1 times; the map went on from the better optimum"
    truth = np.array([problem.log_likelihood({"x": x, "n": 1.0}) for x in result.axes["x"]])
    assert_exact(result, truth, result.log_likelihood)


def test_islands_that_no_optimum_belongs_to_are_found(monkeypatch):
    """The only seed is one of 16 optima, on one of four islands of the map."""
    known = problems.himmelblau_4d()
    u = known.problem.space.to_unit(np.array([3.0, 2.0, 3.0, 2.0]))
    result = planted_map(known.problem, ("x0", "x1"), (41, 41), 2.0, u, monkeypatch)
    x, y = np.meshgrid(result.axes["x0"], result.axes["x1"], indexing="ij")
    assert all((result.in_roi & (a * x > 0) & (b * y > 0)).any() for a in (-1, 1) for b in (-1, 1))
    assert_exact(result, known.profile(("x0", "x1"), [result.axes["x0"], result.axes["x1"]]), known.maximum)


@pytest.mark.slow
def test_an_island_narrower_than_the_lattice_of_looks_is_found(monkeypatch):
    case = far_island()
    u = case.problem.space.to_unit(np.array([-2.0, -2.0, 1.0]))
    result = planted_map(case.problem, case.over, case.grid, case.threshold, u, monkeypatch)
    assert (result.in_roi & (result.axes["x"] > 1)[:, None]).sum() >= 5
    assert_exact(result, case.true_map(result), case.maximum)


def test_tied_branches_are_not_all_followed():
    """Over (x0, x1) the other two parameters have four optima, everywhere equally good."""
    known = problems.himmelblau_4d()
    arguments = {"over": ("x0", "x1"), "grid": (41, 41), "roi_threshold": 5.0, "seed": 1, "audit": 0, "callbacks": []}
    result = wilks.profile(known.problem, **arguments)
    (step,) = [step for step in result.provenance.executed if step.name == "map"]
    assert step.n_evaluations < 12 * np.isfinite(result.log_likelihood_map).sum()


@pytest.mark.slow
def test_a_flood_between_two_folds_ends():
    """In eight dimensions ascents from either side of a fold end on the other."""
    known = problems.rosenbrock(8)
    result = wilks.profile(known.problem, over="x0", grid=(121,), roi_threshold=4.0, seed=1, audit=0, callbacks=[])
    assert_exact(result, known.profile(["x0"], [result.axes["x0"]]), known.maximum)
    assert result.n_evaluations < 30_000


@pytest.mark.slow
def test_the_schedule_alone_is_an_algorithm():
    """ask and tell without the driver, answers in reverse order, the state saved and read again after every step."""
    known = problems.himmelblau_4d()
    problem, space = known.problem, known.problem.space
    grid = make_grid(space, ("x0", "x2"), (13, 13))
    best = space.to_unit(np.array([[m[name] for name in space.free] for m in known.maxima]))
    plan = ProfileMap(QuasiNewton(1e-5), 5.0, 3, grid, tuple(Optimum(u, 0.0, np.eye(4) * 1e3, False) for u in best))
    state = plan.init(space, 1, np.empty((0, 4)))
    stages = set()
    while True:
        proposals, state = plan.ask(state, 97)
        n = len(proposals)
        assert n <= 97
        stages.add(state.stage)
        if n == 0:
            break
        values = np.array([problem.log_likelihood(space.to_values(theta)) for theta in proposals.thetas])
        evaluations = Evaluations(
            ids=proposals.ids[::-1],
            thetas=proposals.thetas[::-1],
            phases=proposals.phases[::-1],
            log_likelihoods=values[::-1],
            statuses=np.full(n, EvaluationStatus.OK, dtype=np.int8),
            seconds=np.zeros(n, dtype=np.float32),
            workers=np.zeros(n, dtype=np.int32),
        )
        state = decode(encode(plan.tell(state, evaluations)))
    assert plan.terminate(state).success
    assert stages >= {"flood", "explore", "cross", "scan", "heal", "audit", "done"}
    assert not state.jobs
    assert not state.pending
    truth = known.profile(("x0", "x2"), list(grid.nodes)).ravel()
    region = truth > -5.0
    np.testing.assert_allclose(state.best_values[region], truth[region], atol=1e-3)
    assert len(state.audit.cells) == 3
