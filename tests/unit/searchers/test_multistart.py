"""The multi-start: its design, its basins, its rule for stopping, and what it hands over."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.solvers.ascents import positive_definite
from wilks import Categorical, Integer, LikelihoodProblem, Outcome, Real, Space
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive
from wilks.searchers.multistart import BasinRecord, MultiStart
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

LOCAL, POLISHER = QuasiNewton(1e-3, 200), QuasiNewton(1e-9, 400)
SQUARE = Space(x=Real(0, 1), y=Real(0, 1))


def run(problem, algorithm, starts=None, seed=1):
    log = wilks.EvaluationLog()
    log.bind(problem)
    given = np.empty((0, problem.space.dimension)) if starts is None else np.asarray(starts, dtype=float)
    evaluator = Evaluator(problem, as_executor(None))
    return drive(algorithm, evaluator, log.stage("multi-start", ""), Watch("test"), seed=seed, starts=given)


def two_peaks(v):
    """Peaks of height 0 at 0.25 and of height -2 at 0.75."""
    one = -0.5 * ((v["x"] - 0.25) / 0.05) ** 2
    two = -2 - 0.5 * ((v["x"] - 0.75) / 0.05) ** 2
    return float(np.logaddexp(one, two)) - 0.5 * ((v["y"] - 0.5) / 0.1) ** 2


def record(value, hits):
    return BasinRecord(np.zeros(2), value, np.eye(2), np.zeros(2), hits, converged=True, reason="")


def test_the_estimate_of_what_is_undiscovered():
    """Boender and Rinnooy Kan: w (w + 1) / (N (N - 1))."""
    algorithm = MultiStart(LOCAL, POLISHER)
    state = algorithm.init(SQUARE, 1, np.empty((0, 2)))
    state.basins = [record(0.0, 8)]
    assert algorithm.undiscovered(state) == pytest.approx(2 / 56)
    state.basins = [record(0.0, 4), record(-0.5, 3)]
    assert algorithm.undiscovered(state) == pytest.approx(6 / 42)
    state.basins.append(record(-100.0, 50))  # of no interest
    assert algorithm.undiscovered(state) == pytest.approx(6 / 42)
    state.basins = [record(0.0, 1)]
    assert algorithm.undiscovered(state) == 1.0


def test_both_peaks_are_found_and_ordered():
    problem = LikelihoodProblem(SQUARE, two_peaks)
    state = run(problem, MultiStart(LOCAL, POLISHER)).state
    assert [basin.value for basin in state.basins] == pytest.approx([0.0, -2.0], abs=1e-3)
    assert sum(basin.n_hits for basin in state.basins) == state.n_started
    assert state.basins[0].measured == pytest.approx(np.diag([400.0, 100.0]), rel=1e-3)
    assert state.basins[1].measured is None


def test_depth_says_which_optima_are_measured():
    problem = LikelihoodProblem(SQUARE, two_peaks)
    state = run(problem, MultiStart(LOCAL, POLISHER, depth=3.0)).state
    assert all(basin.measured is not None for basin in state.basins)
    assert all(basin.polished for basin in state.basins)
    assert [basin.value for basin in state.basins] == pytest.approx([0.0, -2.0], abs=1e-8)


@pytest.mark.parametrize("n_starts", [0, 1, 3, 20])
def test_the_number_of_starts(n_starts):
    problem = LikelihoodProblem(SQUARE, two_peaks)
    state = run(problem, MultiStart(LOCAL, POLISHER, n_starts=n_starts), [[0.3, 0.3], [0.6, 0.6]]).state
    assert state.n_started == n_starts + 2


def test_given_starts_come_first():
    seen = []

    def log_likelihood(v):
        seen.append((v["x"], v["y"]))
        return two_peaks(v)

    run(LikelihoodProblem(SQUARE, log_likelihood), MultiStart(LOCAL, POLISHER), [[0.3, 0.4], [0.6, 0.7]])
    assert np.array(seen[:2]) == pytest.approx(np.array([[0.3, 0.4], [0.6, 0.7]]))


def test_the_design_is_a_latin_hypercube():
    """Eight starts: in each coordinate one in every eighth of the box."""
    seen = []

    def log_likelihood(v):
        seen.append((v["x"], v["y"]))
        return 0.0

    run(LikelihoodProblem(SQUARE, log_likelihood), MultiStart(LOCAL, POLISHER, n_starts=8))
    for coordinate in np.array(seen[:8]).T:
        assert sorted((8 * coordinate).astype(int).tolist()) == list(range(8))


def test_every_combination_of_discrete_values_is_started_from():
    space = Space(kind=Categorical(["a", "b", "c"]), n=Integer(1, 4), x=Real(0, 1))
    seen = set()

    def log_likelihood(v):
        seen.add((v["kind"], v["n"]))
        return -((v["x"] - 0.5) ** 2) * 1e3 - v["n"]

    state = run(LikelihoodProblem(space, log_likelihood), MultiStart(LOCAL, POLISHER)).state
    assert seen == {(kind, n) for kind in "abc" for n in range(1, 5)}
    assert len(state.basins) == 12


def test_basins_of_correlated_peaks_are_told_apart_by_their_curvature():
    """A ridge 200 times longer than wide: its ends agree in value, and are one optimum."""
    rng = np.random.default_rng(3)
    matrix = 1e4 * positive_definite(rng, 4, 0.3)
    space = Space({f"x{i}": Real(0, 1) for i in range(4)})

    def log_likelihood(v):
        d = np.array(list(v.values())) - 0.45
        return -0.5 * float(d @ matrix @ d)

    state = run(LikelihoodProblem(space, log_likelihood), MultiStart(LOCAL, POLISHER)).state
    assert len(state.basins) == 1
    assert state.basins[0].measured == pytest.approx(matrix, rel=1e-3, abs=1e-3 * np.abs(matrix).max())


def test_residual_problems():
    x = np.linspace(0, 1, 20)
    problem = wilks.ResidualProblem(SQUARE, lambda v: 30 * (0.3 + 0.4 * x - v["x"] - v["y"] * x))
    solvers = LevenbergMarquardt(1e-3), LevenbergMarquardt(1e-12, accurate=True)
    state = run(problem, MultiStart(*solvers)).state
    assert state.basins[0].u == pytest.approx([0.3, 0.4], abs=1e-6)
    assert state.n_data == 20


def test_no_likelihood_anywhere():
    outcomes = run(LikelihoodProblem(SQUARE, lambda v: -math.inf), MultiStart(LOCAL, POLISHER))
    assert outcomes.status.outcome is Outcome.NOT_CONVERGED
    assert outcomes.state.basins == []
    assert f"None of {outcomes.state.n_started} starts" in outcomes.status.message


def test_a_failing_neighbourhood_is_survived():
    """Where the function raises there is no likelihood; the rest of the box is searched."""

    def log_likelihood(v):
        if v["x"] > 0.6:
            raise ZeroDivisionError
        return two_peaks(v)

    outcomes = run(LikelihoodProblem(SQUARE, log_likelihood), MultiStart(LOCAL, POLISHER))
    assert outcomes.status.success
    assert outcomes.state.basins[0].value == pytest.approx(0.0, abs=1e-6)
