"""Algorithms in derived coordinates: what is evaluated, what they are told, and that a run can be interrupted."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.loop.examples import RandomBatches
from wilks import Derived, LikelihoodProblem, MaxEvaluations, Real, ResidualProblem, SerialExecutor, Space
from wilks.core import encoding
from wilks.core.derived import with_derived
from wilks.core.proposal import Evaluations, EvaluationStatus, Phase, Proposals
from wilks.core.status import Outcome, Status
from wilks.evaluation.call import evaluate_chunk
from wilks.evaluation.evaluator import Evaluator
from wilks.loop import reparametrised
from wilks.loop.drive import Watch, drive
from wilks.loop.reparametrised import Reparametrised, original_points

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5))
SQUARE = Derived("q", lambda v: v["b"] ** 2, -1, 16, solve_for="b")
OK, EXCLUDED, FAILED, VIOLATED = (EvaluationStatus[n] for n in ("OK", "EXCLUDED", "FAILED", "VIOLATED"))


def log_likelihood(values):
    return -((values["a"] - 1) ** 2) + values["b"]


class Fixed:
    """Proposes given points, one batch after the other, and keeps what it is told."""

    def __init__(self, *batches, want="value", generational=False):
        self.batches = [np.array(batch, dtype=float).reshape(-1, 2) for batch in batches]
        self.want = want
        self.generational = generational

    def init(self, space, seed, starts):
        return {"n": 0, "told": [], "next": 0, "starts": starts, "space": space}

    def ask(self, state, limit):
        if state["n"] == len(self.batches):
            return Proposals.empty(2), state
        thetas = self.batches[state["n"]]
        ids = np.arange(state["next"], state["next"] + len(thetas))
        state["n"] += 1
        state["next"] += len(thetas)
        return Proposals(ids, thetas, np.full(len(ids), Phase.MAP, dtype=np.int8), self.want), state

    def tell(self, state, evaluations):
        state["told"].append(evaluations)
        return state

    def terminate(self, state):
        done = state["n"] == len(self.batches) and sum(map(len, state["told"])) == state["next"]
        return Status(Outcome.CONVERGED) if done else None


def run(algorithm, derived=SQUARE, problem=None, limit=100, order=1, pieces=None):
    """Drive by hand; return the outer state and all points of the original problem that were evaluated."""
    problem = problem or LikelihoodProblem(SPACE, log_likelihood)
    outer = Reparametrised(algorithm, with_derived(problem, derived))
    state, seen = outer.init(problem.space, 1, np.empty((0, 2))), []
    while True:
        proposals, state = outer.ask(state, limit)
        if not len(proposals):
            return state, np.array(seen).reshape(-1, 2), outer
        assert len(proposals) <= limit
        seen += proposals.thetas.tolist()
        answer = evaluate_chunk(problem, proposals.thetas, proposals.want)
        step = pieces or len(proposals)
        positions = np.arange(len(proposals))[::order]
        for first in range(0, len(proposals), step):
            state = outer.tell(state, part(proposals, answer, positions[first : first + step]))


def part(proposals, answer, rows):
    payloads = None if answer.payloads is None else [answer.payloads[i] for i in rows]
    errors = {at: answer.errors[i] for at, i in enumerate(rows.tolist()) if i in answer.errors}
    columns = (proposals.ids, proposals.thetas, proposals.phases, answer.log_likelihoods, answer.statuses)
    workers = np.full(len(rows), 7, dtype=np.int32)
    return Evaluations(*(column[rows] for column in columns), answer.seconds[rows], workers, payloads, errors)


def told(state):
    """Everything that was told, by id."""
    found = {}
    for evaluations in state.inner["told"]:
        for row, number in enumerate(evaluations.ids.tolist()):
            payload = None if evaluations.payloads is None else evaluations.payloads[row]
            found[number] = (evaluations.log_likelihoods[row], int(evaluations.statuses[row]), payload)
    return found


def test_every_solution_is_evaluated_and_the_best_is_told():
    state, seen, _ = run(Fixed([[1.0, 4.0], [2.0, 9.0], [0.0, 0.0]]))
    expected = [[1, -2], [1, 2], [2, -3], [2, 3], [0, 0]]
    assert seen == pytest.approx(np.array(expected, dtype=float), abs=1e-12)
    assert [told(state)[i][:2] for i in range(3)] == [
        (pytest.approx(2.0), OK),
        (pytest.approx(2.0), OK),
        (pytest.approx(-1.0), OK),
    ]
    [evaluations] = state.inner["told"]
    assert evaluations.thetas.tolist() == [[1.0, 4.0], [2.0, 9.0], [0.0, 0.0]]
    assert evaluations.phases.tolist() == [Phase.MAP] * 3
    assert evaluations.workers.tolist() == [7] * 3


@pytest.mark.parametrize("generational", [False, True])
def test_a_point_without_solution_is_a_violated_constraint_and_costs_nothing(generational):
    batches = [[1.0, -0.5], [1.0, 4.0]], [[1.0, -0.5]], [[2.0, -0.1], [2.0, -0.9]]
    state, seen, _ = run(Fixed(*batches, generational=generational))
    assert len(seen) == 2
    assert state.n_void == 4
    assert [told(state)[i][:2] for i in (0, 2, 3, 4)] == [(-math.inf, VIOLATED)] * 4
    assert told(state)[1][1] == OK
    assert not state.proposed
    assert not state.places


def test_a_generational_algorithm_is_told_whole_batches():
    batch = [[1.0, 4.0], [1.0, -0.5], [2.0, 9.0], [0.0, 1.0]]
    for limit, order, pieces in ((100, 1, None), (100, -1, 1), (1, 1, None), (3, -1, 2)):
        state, _, _ = run(Fixed(batch, batch, generational=True), limit=limit, order=order, pieces=pieces)
        assert [e.ids.tolist() for e in state.inner["told"]] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_order_and_size_of_pieces_make_no_difference():
    batch = [[1.0, 4.0], [1.0, -0.5], [2.0, 9.0], [0.0, 1.0]]
    symmetric = LikelihoodProblem(SPACE, lambda v: -abs(v["b"]))
    expected = None
    for limit, order, pieces in ((100, 1, None), (100, -1, 1), (1, 1, None), (3, -1, 2)):
        state, _, outer = run(Fixed(batch), problem=symmetric, limit=limit, order=order, pieces=pieces)
        points = original_points(outer.problem, state, np.array(batch)).tolist()
        found = ({number: answer[:2] for number, answer in told(state).items()}, str(points))
        expected = expected or found
        assert found == expected


def test_statuses_of_several_solutions():
    def partly(values):
        if values["b"] > 0:
            raise ValueError("no model there")
        return -math.inf if values["b"] < -2.5 else values["b"]

    problem = LikelihoodProblem(SPACE, partly, constraints=lambda v: v["b"] > -3.5)
    state, _, _ = run(Fixed([[1.0, 4.0], [1.0, 9.0], [1.0, 16.0]]), problem=problem)
    assert [told(state)[i][:2] for i in range(3)] == [
        (pytest.approx(-2.0), OK),
        (-math.inf, EXCLUDED),
        (-math.inf, FAILED),
    ]
    [evaluations] = state.inner["told"]
    assert list(evaluations.errors) == [2]
    assert "no model there" in evaluations.errors[2]


def test_which_solution_was_the_best():
    batch = np.array([[1.0, 4.0], [2.0, 9.0]])
    state, _, outer = run(Fixed(batch))
    assert original_points(outer.problem, state, batch) == pytest.approx(np.array([[1.0, 2.0], [2.0, 3.0]]))
    near = original_points(outer.problem, state, batch + 1e-3)  # not evaluated: as in the neighbourhood
    assert near == pytest.approx(np.array([[1.001, 4.001**0.5], [2.001, 9.001**0.5]]))
    assert np.isnan(original_points(outer.problem, state, np.array([[1.0, -0.5]]))).all()
    many = np.column_stack([np.linspace(-4, 4, 300), np.linspace(0.1, 15, 300)])
    state, _, outer = run(Fixed(many))
    assert state.n_several == 300
    assert (original_points(outer.problem, state, many)[:, 1] > 0).all()


# ---------------------------------------------------------------------- derivatives

CUBE = Derived("q", lambda v: v["a"] * v["b"] ** 3 + v["b"], -9, 9, solve_for="b")


def curved(values):
    return -0.5 * ((values["a"] - 1) ** 2 + 0.5 * (values["b"] - values["a"] ** 2) ** 2)


def gradient(values):
    a, b = values["a"], values["b"]
    return {"a": -(a - 1) + (b - a**2) * a, "b": -0.5 * (b - a**2)}


def partial(values):
    return {"a": gradient(values)["a"]}


def test_gradients_follow_from_the_implicit_function():
    problem = LikelihoodProblem(SPACE, curved, gradient=gradient)
    derived = with_derived(problem, CUBE)
    points = np.array([[1.2, 3.0], [0.5, -2.0], [2.0, 0.3]])
    state, _, _ = run(Fixed(points, want="gradient"), CUBE, problem)
    for number, theta in enumerate(points):
        value = lambda t: derived.log_likelihood(derived.space.to_values(t))  # noqa: E731
        steps = 1e-6 * np.eye(2)
        expected = [(value(theta + step) - value(theta - step)) / 2e-6 for step in steps]
        assert told(state)[number][2] == pytest.approx(expected, rel=1e-5)


def test_gaps_in_a_gradient_are_gaps_in_what_depends_on_them():
    problem = LikelihoodProblem(SPACE, curved, gradient=partial)
    state, _, _ = run(Fixed([[1.2, 3.0]], want="gradient"), CUBE, problem)
    assert np.isnan(told(state)[0][2]).all()
    separate = Derived("q", lambda v: 2 * v["b"], -9, 9, solve_for="b")  # does not move a
    state, _, _ = run(Fixed([[1.2, 3.0]], want="gradient"), separate, problem)
    assert told(state)[0][2].tolist() == [
        pytest.approx(partial({"a": 1.2, "b": 1.5})["a"]),
        pytest.approx(np.nan, nan_ok=True),
    ]


def test_where_the_quantity_does_not_determine_the_parameter_there_is_no_derivative():
    problem = LikelihoodProblem(SPACE, curved, gradient=gradient)
    state, _, _ = run(Fixed([[1.2, 0.0]], want="gradient"), problem=problem)
    assert np.isnan(told(state)[0][2][1])


def test_residuals_and_their_jacobian():
    def residual(values):
        return np.array([values["a"] - 1, values["b"] - values["a"] ** 2])

    def jacobian(values):
        return np.array([[1.0, 0.0], [-2 * values["a"], 1.0]])

    theta = np.array([1.2, 3.0])
    plain = ResidualProblem(SPACE, residual)
    state, _, _ = run(Fixed([theta], want="residual"), CUBE, plain)
    derived = with_derived(plain, CUBE)

    def at(t):
        [solution] = derived.solutions(derived.space.to_values(t))
        return residual(solution)

    assert told(state)[0][2] == pytest.approx(at(theta)[:, None])
    state, _, _ = run(Fixed([theta], want="residual"), CUBE, ResidualProblem(SPACE, residual, jacobian=jacobian))
    expected = np.column_stack([(at(theta + step) - at(theta - step)) / 2e-6 for step in 1e-6 * np.eye(2)])
    rows, said = told(state)[0][2], np.column_stack([at(theta), expected])
    assert rows.T @ rows == pytest.approx(said.T @ said, rel=1e-5)  # its triangular factor says the same


# ---------------------------------------------------------------------- runs


def test_starts_are_carried_over():
    problem = LikelihoodProblem(SPACE, log_likelihood)
    outer = Reparametrised(Fixed(), with_derived(problem, SQUARE))
    starts = np.array([[0.5, 0.7], [0.5, 1.0], [0.0, 0.5]])  # the second has q=25
    state = outer.init(SPACE, 1, starts)
    assert state.inner["space"] == outer.problem.space
    assert state.inner["starts"] == pytest.approx(np.array([[0.5, 5 / 17], [0.0, 1 / 17]]))


def test_a_run_is_logged_in_the_original_parameters_and_goes_on_after_a_stop(tmp_path):
    problem = LikelihoodProblem(SPACE, log_likelihood, name="slope")
    outer = Reparametrised(RandomBatches(n_batches=4, width=1.0), with_derived(problem, SQUARE))

    def once(log, *rules):
        log.bind(problem)
        stage = log.stage("one", "one")
        watch = Watch("one", rules)
        return drive(outer, Evaluator(problem, SerialExecutor()), stage, watch, seed=3, starts=np.empty((0, 2)))

    whole_log = wilks.EvaluationLog()
    whole = once(whole_log)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        stopped = once(log, MaxEvaluations(17))
        assert stopped.run.n_evaluations == 17
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        resumed = once(log)
        rows = log.arrays()
    assert whole.run.n_evaluations == resumed.run.n_evaluations == len(rows["thetas"]) == len(whole_log)
    assert resumed.state.inner["told"] == whole.state.inner["told"]
    assert resumed.state.inner["best"] == whole.state.inner["best"]
    assert sorted(rows["log_likelihoods"].tolist()) == sorted(whole_log.arrays()["log_likelihoods"].tolist())
    expected = [log_likelihood(dict(zip("ab", theta, strict=True))) for theta in rows["thetas"].tolist()]
    assert rows["log_likelihoods"].tolist() == pytest.approx(expected)


def test_a_state_can_be_written_at_any_moment():
    problem = LikelihoodProblem(SPACE, log_likelihood)
    outer = Reparametrised(RandomBatches(n_batches=3, width=1.0), with_derived(problem, SQUARE))
    ends = []
    for copied in (False, True):
        state = outer.init(SPACE, 1, np.empty((0, 2)))
        while True:
            proposals, state = outer.ask(state, 3)
            if copied:
                state = encoding.decode(encoding.encode(state))
            if not len(proposals):
                break
            answer = evaluate_chunk(problem, proposals.thetas, "value")
            state = outer.tell(state, part(proposals, answer, np.arange(len(proposals))))
        ends.append((state.inner["best"], state.inner["told"], state.n_several))
    assert ends[0] == ends[1]


def test_nothing_but_points_without_solution_is_an_end(monkeypatch):
    monkeypatch.setattr(reparametrised, "_MAX_VOID", 50)
    endless = Fixed(*[[[1.0, -0.5]] for _ in range(1000)])
    state, seen, _ = run(endless)
    assert len(seen) == 0
    assert state.n_void == 50


def test_the_name_of_a_stage_knows_the_quantity():
    problem = LikelihoodProblem(SPACE, log_likelihood)
    one = RandomBatches()
    names = {repr(Reparametrised(one, with_derived(problem, d))) for d in (SQUARE, CUBE)}
    assert len(names) == 2
    assert all("RandomBatches" in name for name in names)
