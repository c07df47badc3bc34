"""The multi-start: its design, its basins, its rule for stopping, and what it hands over."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.solvers.ascents import positive_definite
from wilks import Categorical, Integer, LikelihoodProblem, Outcome, Real, Space, problems
from wilks.core import encoding
from wilks.core.proposal import Evaluations
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive
from wilks.searchers.basins import BasinRecord
from wilks.searchers.multistart import MultiStart
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
    assert sum(basin.n_hits for basin in state.basins) + state.n_withdrawn == state.n_started
    assert state.basins[0].measured == pytest.approx(np.diag([400.0, 100.0]), rel=1e-3)
    assert state.basins[1].measured is None
    assert 0 < state.n_aborted <= state.n_started, "of the starts; ascents from scans are none"


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
    state = run(LikelihoodProblem(SQUARE, lambda v: 0.0), MultiStart(LOCAL, POLISHER, n_starts=8)).state
    for coordinate in state.design.T:
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


# ---------------------------------------------------------------------- how many starts


def four_peaks(v):
    """Equal peaks in the four quarters of the square."""
    x, y = (min(abs(v[name] - 0.25), abs(v[name] - 0.75)) for name in ("x", "y"))
    return -0.5 * (x**2 + y**2) / 0.05**2


FOUR_PEAKS = LikelihoodProblem(SQUARE, four_peaks)


@pytest.mark.parametrize(("n_optima", "n_found"), [(1, 1), (2, 2), ((1, 3), 3), ((None, 2), 2)])
def test_the_search_ends_with_the_optima_that_were_asked_for(n_optima, n_found):
    outcomes = run(FOUR_PEAKS, MultiStart(LOCAL, POLISHER, depth=1.0, n_optima=n_optima))
    polished = [basin for basin in outcomes.state.basins if basin.polished]
    # Starts under way at the same time may bring more than was asked for.
    assert n_found <= len(polished) <= n_found + 3
    assert outcomes.state.ended_by == "n_optima"
    assert "ended by the number of optima that was asked for" in outcomes.status.message
    assert all(basin.measured is not None for basin in outcomes.state.basins)
    free = run(FOUR_PEAKS, MultiStart(LOCAL, POLISHER, depth=1.0))
    assert outcomes.run.n_evaluations < free.run.n_evaluations
    assert free.state.ended_by == "rule"
    assert len(free.state.basins) == 4


def test_the_search_goes_on_until_there_are_the_optima_that_were_asked_for():
    """There is no third peak: the cap ends it, and says so."""
    problem = LikelihoodProblem(SQUARE, two_peaks)
    outcomes = run(problem, MultiStart(LOCAL, POLISHER, depth=3.0, n_optima=(3, None)))
    assert outcomes.state.ended_by == "cap"
    assert sum(basin.n_hits for basin in outcomes.state.basins) == 40
    assert outcomes.status.message.endswith("2 basins, ended by the cap on the number of starts.")
    outcomes = run(problem, MultiStart(LOCAL, POLISHER, depth=3.0, n_optima=(3, 9), max_starts=11))
    assert outcomes.state.n_random == 11
    assert outcomes.state.ended_by == "cap"


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("max_starts", [1, 2, 5])
def test_the_cap_on_the_starts(max_starts, rolling):
    outcomes = run(FOUR_PEAKS, MultiStart(LOCAL, POLISHER, depth=1.0, max_starts=max_starts, rolling=rolling), [[0, 0]])
    assert outcomes.state.n_random == max_starts
    assert outcomes.state.n_started == max_starts + 1
    assert outcomes.state.ended_by == "cap"
    assert len(outcomes.state.basins) == 4, "by the scans"


def test_the_cap_holds_for_idle_workers_too():
    algorithm = MultiStart(LOCAL, POLISHER, max_starts=3, rolling=True)
    _, state = algorithm.ask(algorithm.init(SQUARE, 1, np.empty((0, 2))), 200)
    assert len(state.under_way("start")) == state.n_random == 3


WRONG = {
    "no optima": ({"n_optima": 0}, "n_optima: expected a positive integer, a pair .*, got 0"),
    "half an optimum": ({"n_optima": 0.5}, "n_optima: expected .*, got 0.5"),
    "three bounds": ({"n_optima": (1, 2, 3)}, r"n_optima: expected .*, got \(1, 2, 3\)"),
    "the wrong way round": ({"n_optima": (3, 2)}, r"n_optima: expected fewest <= most, got \(3, 2\)"),
    "no starts": ({"max_starts": 0}, "max_starts: expected a positive integer or None, got 0"),
    "boolean": ({"max_starts": True}, "max_starts: expected a positive integer or None, got True"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_bounds(name):
    options, message = WRONG[name]
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        MultiStart(LOCAL, POLISHER, **options)


# ---------------------------------------------------------------------- what is saved


def asked_by(problem, algorithm, limit=16, seed=1):
    """Run by hand; return the state and the number of points that each kind of job has asked for."""
    state = algorithm.init(problem.space, seed, np.empty((0, problem.space.dimension)))
    asked = {}
    while algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(state, limit)
        for number in proposals.ids.tolist():
            kind = state.jobs[state.requests.opened[number >> 32].owner].kind
            asked[kind] = asked.get(kind, 0) + 1
        state = algorithm.tell(state, answered(problem, proposals))
    return state, asked


def answered(problem, proposals):
    values = [problem.log_likelihood(problem.space.to_values(theta)) for theta in proposals.thetas]
    n = len(values)
    nothing = np.zeros(n, dtype=np.int8)
    return Evaluations(
        proposals.ids, proposals.thetas, proposals.phases, np.array(values), nothing, np.ones(n), np.ones(n, dtype=int)
    )


def test_every_further_start_of_a_parabola_costs_one_gradient():
    """Six of the seven starts that the rule asks for see from afar where they lead."""
    problem = problems.gaussian(6).problem
    state, asked = asked_by(problem, MultiStart(LOCAL, POLISHER, rolling=True))
    ascent, n = LOCAL.start(state.design[0]), 0
    while len(ascent.points):
        thetas = problem.space.from_unit(ascent.points)
        n += len(thetas)
        ascent = LOCAL.advance(ascent, np.array([problem.log_likelihood(problem.space.to_values(t)) for t in thetas]))
    assert state.n_started == 7
    assert asked["start"] == n + 6 * (1 + 6)


def test_peaks_of_a_scan_that_are_known_are_not_climbed(monkeypatch):
    """The second of four equal peaks is scanned after the others were found by the scan of the first."""
    state, asked = asked_by(FOUR_PEAKS, MultiStart(LOCAL, POLISHER, depth=1.0, rolling=True))
    assert state.n_scans == 4
    assert asked["scan"] == 4 * 2 * 41
    monkeypatch.setattr("wilks.searchers.tending.explains", lambda *_: False)
    _, climbed = asked_by(FOUR_PEAKS, MultiStart(LOCAL, POLISHER, depth=1.0, rolling=True))
    assert asked["scan"] == climbed["scan"]
    # Eight peaks in all, and those of the third and fourth scan are known at least: a gradient each.
    assert asked.get("peak", 0) + 4 * 2 <= climbed["peak"]


def test_a_known_valley_is_not_followed_again(monkeypatch):
    problem = problems.rosenbrock(4).problem
    state, asked = asked_by(problem, MultiStart(LOCAL, POLISHER, depth=5.0))
    monkeypatch.setattr("wilks.searchers.arrivals._ON_THE_WAY", 10_000)
    other, without = asked_by(problem, MultiStart(LOCAL, POLISHER, depth=5.0))
    assert asked["start"] < 0.8 * without["start"]
    for each in (state, other):  # whoever has gone ahead, each start is a hit of the basin to which it leads
        assert sum(basin.n_hits for basin in each.basins) + each.n_withdrawn == each.n_started
    assert [basin.value for basin in state.basins] == pytest.approx([b.value for b in other.basins], abs=1e-6)


# ---------------------------------------------------------------------- as many workers as there are


def test_one_worker_has_one_start_under_way():
    problem = problems.himmelblau_4d().problem
    algorithm = MultiStart(LOCAL, POLISHER, depth=1.0, rolling=True)
    state = algorithm.init(problem.space, 1, np.empty((0, 4)))
    while algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(state, 16)
        starts = state.under_way("start")
        assert len(starts) <= 1
        assert not starts or len(state.jobs) == 1, "a start waits for what can be learnt first"
        state = algorithm.tell(state, answered(problem, proposals))


@pytest.mark.parametrize("n_workers", [8, pytest.param(64, marks=pytest.mark.slow)])
def test_many_workers_find_the_same(n_workers):
    """Answers come back one by one and out of order; at the end nothing is left to wait for."""
    known = problems.himmelblau_4d()
    algorithm = MultiStart(LOCAL, POLISHER, depth=1.0, rolling=True)
    state = algorithm.init(known.problem.space, 1, np.empty((0, 4)))
    rng = np.random.default_rng(5)
    out, most, n = [], 0, 0
    while algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(state, 4 * n_workers - len(out))
        n += len(proposals)
        if n % 100 == 0:
            state = encoding.decode(encoding.encode(state))
        whole = answered(known.problem, proposals)
        out += [(whole, row) for row in range(len(proposals))]
        most = max(most, len(state.under_way("start")))
        if not out:
            break
        whole, row = out.pop(rng.integers(min(len(out), n_workers)))
        part = {k: getattr(whole, k)[row : row + 1] for k in ("ids", "thetas", "phases", "log_likelihoods", "statuses")}
        state = algorithm.tell(state, Evaluations(**part, seconds=np.ones(1), workers=np.ones(1, dtype=int)))
    assert algorithm.terminate(state) is not None
    assert most > 2
    assert n < 7000
    assert sorted(basin.value for basin in state.basins) == pytest.approx([known.maximum] * 16, abs=1e-6)
    assert sum(basin.n_hits for basin in state.basins) + state.n_withdrawn == state.n_started
    assert not state.jobs
    assert not state.held
    assert all(request.withdrawn for request in state.requests.opened.values())
    assert state.requests.n_unsent == 0


def test_starts_under_way_are_withdrawn_when_the_rule_fires():
    problem = problems.gaussian(4).problem
    algorithm = MultiStart(LOCAL, POLISHER, rolling=True)
    state = algorithm.init(problem.space, 1, np.empty((0, 4)))
    proposals, state = algorithm.ask(state, 200)
    assert len(state.under_way("start")) > 7, "more than the rule asks for"
    slow = state.under_way("start")[7:]
    late = []
    while algorithm.terminate(state) is None:
        whole = answered(problem, proposals)
        owners = [state.requests.opened[number >> 32].owner for number in whole.ids.tolist()]
        late += [number for number, owner in zip(whole.ids.tolist(), owners, strict=True) if owner in slow]
        rows = [row for row, owner in enumerate(owners) if owner not in slow]
        fields = ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
        state = algorithm.tell(state, Evaluations(**{name: getattr(whole, name)[rows] for name in fields}))
        proposals, state = algorithm.ask(state, 200)
    assert state.n_withdrawn >= len(slow)
    assert not set(slow) & set(state.jobs)
    assert state.ended_by == "rule"
    assert {number >> 32 for number in late} == set(state.requests.opened)


@pytest.mark.parametrize("known", [problems.rosenbrock(4), problems.gaussian(5)], ids=["rosenbrock", "gaussian"])
def test_the_schedule_of_one_worker_is_the_generational_one_with_one_start(known, monkeypatch):
    """One code path: the batch is the unit, and how many starts there are in it is all that differs."""
    rolling = asked_by(known.problem, MultiStart(LOCAL, POLISHER, depth=2.0, rolling=True), limit=16)
    monkeypatch.setattr("wilks.searchers.multistart._TOGETHER", 1)
    batches = asked_by(known.problem, MultiStart(LOCAL, POLISHER, depth=2.0), limit=1_000_000)
    assert rolling[1] == batches[1]
    assert [basin.value for basin in rolling[0].basins] == [basin.value for basin in batches[0].basins]


def test_idle_workers_evaluate_what_comes_next(monkeypatch):
    """The gradients at the points that are tried come along: fewer rounds, the same optimum."""
    problem = problems.rosenbrock(4).problem

    def rounds():
        algorithm = MultiStart(LOCAL, POLISHER, rolling=True, n_starts=1)
        state, n = algorithm.init(problem.space, 1, np.empty((0, 4))), 0
        while algorithm.terminate(state) is None:
            proposals, state = algorithm.ask(state, 200)
            assert len(proposals) or algorithm.terminate(state), "an empty ask would be taken for the end"
            state = algorithm.tell(state, answered(problem, proposals))
            n += 1
        assert all(request.withdrawn for request in state.requests.opened.values())
        return n, state.basins[0].value

    foreseen = rounds()
    monkeypatch.setattr("wilks.searchers.multistart.points_ahead", lambda solver, ascent: np.empty((0, 4)))
    plain = rounds()
    assert foreseen[0] < 0.75 * plain[0]
    assert foreseen[1] == plain[1]
