"""Points that violate constraints cost nothing: they are in the log, and in no count and no budget."""

import numpy as np
import pytest

import wilks
from tests.unit.loop.examples import Counted, RandomBatches, hill, problem_of, run
from wilks.core import encoding
from wilks.core.proposal import EvaluationStatus, Phase, Proposals
from wilks.core.status import Outcome
from wilks.loop import drive as loop

MAX = wilks.MaxEvaluations
ALGORITHM = RandomBatches(n_batches=6, size=20, width=0.9)


def allowed(values):
    return (10 * values["x"]) % 1 < 0.4  # stripes


def constrained(function=hill, constraint=allowed, **more):
    return problem_of(function, constraints=constraint, **more)


@pytest.fixture(scope="module")
def two_processes():
    with wilks.ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def whole():
    """The run without a limit: its outcomes, its number of real evaluations, and its rows."""
    log = wilks.EvaluationLog()
    outcomes = run(ALGORITHM, problem=constrained(), log=log)
    arrays = log.arrays()
    assert 30 < outcomes.run.n_evaluations < 90
    return outcomes, arrays["thetas"], arrays["statuses"] != EvaluationStatus.VIOLATED


def same(first, second):
    assert encoding.encode(first.state) == encoding.encode(second.state)
    assert first.run.history == second.run.history
    assert first.run.n_told == second.run.n_told
    counts = [(o.run.n_evaluations, o.run.n_violated, o.run.n_failed, o.run.n_in_vain) for o in (first, second)]
    assert counts[0] == counts[1]


def test_violated_points_are_counted_apart(whole):
    likelihood, log, seen = Counted(), wilks.EvaluationLog(), []
    outcomes = run(ALGORITHM, problem=constrained(likelihood), log=log, callbacks=[seen.append])
    counts = log.counts()
    assert outcomes.run.n_evaluations == len(likelihood.calls) == counts["ok"] == outcomes.run.n_told
    assert outcomes.run.n_violated == counts["violated"] == 120 - counts["ok"]
    assert outcomes.run.n_failed == 0
    assert (seen[-1].n_evaluations, seen[-1].n_violated) == (counts["ok"], counts["violated"])
    assert [len(ids) for ids in outcomes.state["told"]] == [20] * 6, "the algorithm is told of them"
    same(outcomes, whole[0])


def test_places_in_the_history_are_numbers_of_evaluations():
    log = wilks.EvaluationLog()
    outcomes = run(ALGORITHM, problem=constrained(), log=log)
    arrays = log.arrays()
    values = arrays["log_likelihoods"][arrays["statuses"] == EvaluationStatus.OK]
    rises = [i for i in range(len(values)) if i == 0 or values[i] > values[:i].max()]
    assert outcomes.run.history == [(i + 1, values[i]) for i in rises]


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("n", [1, 2, 9, 31, 10_000])
def test_a_budget_is_spent_to_the_last_evaluation(n, processes, vectorized, whole, request):
    executor = request.getfixturevalue("two_processes") if processes else None
    log = wilks.EvaluationLog()
    problem = constrained(vectorized=vectorized)
    outcomes = run(ALGORITHM, problem=problem, rules=[MAX(n)], executor=executor, log=log)
    expected, thetas, real = whole
    n_real = min(n, expected.run.n_evaluations)
    counts = log.counts()
    assert outcomes.run.n_evaluations == counts["ok"] == n_real == outcomes.run.n_told
    assert outcomes.run.n_violated == counts["violated"]
    needed = thetas if n > n_real else thetas[: int(np.flatnonzero(real)[n - 1]) + 1]
    found = log.arrays()["thetas"]
    assert sorted(found.tolist()) == sorted(needed.tolist()), "the same points for any number of workers"
    if n > n_real:
        assert outcomes.status.outcome is Outcome.CONVERGED
    else:
        assert outcomes.status.outcome is Outcome.EVALUATION_LIMIT
        assert outcomes.status.detail == f"{n} evaluations were made, {n} were allowed."


def test_a_budget_of_an_asynchronous_algorithm(two_processes, tmp_path):
    calls = tmp_path / "calls"

    def likelihood(values):
        with calls.open("a") as file:
            file.write("x")
        return -(values["x"] ** 2)

    algorithm = RandomBatches(n_batches=6, size=20, width=0.9, generational=False)
    problem = problem_of(likelihood, constraints=lambda v: (10 * v["x"]) % 1 < 0.4)
    for n in (1, 7, 30):
        calls.write_text("")
        outcomes = run(algorithm, problem=problem, rules=[MAX(n)], executor=two_processes)
        assert outcomes.run.n_evaluations == len(calls.read_text()) == n
        assert outcomes.status.outcome is Outcome.EVALUATION_LIMIT


def test_a_budget_that_suffices_after_all_does_not_end_the_run(whole):
    expected = whole[0]
    outcomes = run(ALGORITHM, problem=constrained(), rules=[MAX(expected.run.n_evaluations + 1)])
    assert outcomes.status.outcome is Outcome.CONVERGED
    same(outcomes, expected)


@pytest.mark.parametrize("generational", [True, False])
def test_going_on_after_every_budget(generational):
    algorithm = RandomBatches(n_batches=4, size=20, width=0.9, generational=generational)
    expected = run(algorithm, problem=constrained())
    total = expected.run.n_evaluations
    for n in range(1, total, 4):
        log, likelihood = wilks.EvaluationLog(), Counted()
        problem = constrained(likelihood)
        for budget in (n, n, n + 1, n + 9):
            found = run(algorithm, problem=problem, log=log, rules=[MAX(budget)])
            assert len(likelihood.calls) == found.run.n_evaluations == min(budget, total)
            assert log.counts()["violated"] == found.run.n_violated
        found = run(algorithm, problem=problem, log=log)
        same(found, expected)
        assert len(likelihood.calls) == log.counts()["ok"] == total
        assert len(log) == 80
        again = run(algorithm, problem=problem, log=log)
        assert again.n_reused == again.run.n_evaluations == total


def test_no_improvement_counts_evaluations():
    log = wilks.EvaluationLog()
    problem = constrained(lambda v: 1.0)
    outcomes = run(RandomBatches(100, 10, width=0.9), problem=problem, rules=[wilks.NoImprovement(25)], log=log)
    assert outcomes.status.outcome is Outcome.NO_IMPROVEMENT
    assert 26 <= outcomes.run.n_evaluations == log.counts()["ok"] < 36
    assert outcomes.run.history == [(1, 1.0)]


def test_failures_alone_end_the_run_whatever_the_constraints_say():
    problem = constrained(lambda v: 1 / 0)
    with pytest.raises(wilks.EvaluationError, match="all of the first 30 evaluations failed"):
        run(RandomBatches(100, 20, width=0.9), problem=problem)


# ---------------------------------------------------------------------- nothing but violated constraints


class Endless(RandomBatches):
    """Never gives up."""

    def terminate(self, state):
        return None

    def ask(self, state, limit):
        if state["open"]:
            return Proposals.empty(2), state
        state["batch"] += 1
        ids = np.arange(self.size) + state["batch"] * self.size
        state["open"] = ids.tolist()
        thetas = np.column_stack([np.full(self.size, min(state["batch"] / 1e4, 1.0)), np.zeros(self.size)])
        return Proposals(ids, thetas, np.full(self.size, Phase.SEARCH, dtype=np.int8)), state

    def tell(self, state, evaluations):
        state["open"] = [i for i in state["open"] if i not in set(evaluations.ids.tolist())]
        return state


def test_a_run_without_a_feasible_point_ends():
    log = wilks.EvaluationLog()
    outcomes = run(Endless(size=100), problem=constrained(constraint=lambda v: False), log=log)
    assert outcomes.status.outcome is Outcome.STALLED
    assert outcomes.status.detail.startswith(
        "The last 20000 proposals violated the constraints; of 20000 proposals so far 0 were feasible (0 %). "
    )
    assert "give a start that satisfies them" in outcomes.status.detail
    assert log.counts()["violated"] == len(log) == outcomes.run.n_violated == 20_000
    assert outcomes.run.n_evaluations == 0
    assert outcomes.run.best == -np.inf


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("generational", [True, False])
def test_one_feasible_point_starts_the_count_again(generational, processes, request, monkeypatch):
    monkeypatch.setattr(loop, "_MAX_IN_VAIN", 300)
    executor = request.getfixturevalue("two_processes") if processes else None
    log = wilks.EvaluationLog()
    problem = constrained(constraint=lambda v: v["x"] in (0.0010, 0.0035))
    algorithm = Endless(size=10, generational=generational)
    outcomes = run(algorithm, problem=problem, log=log, executor=executor, rules=[MAX(1000)])
    assert outcomes.status.outcome is Outcome.STALLED
    assert "The last 300 proposals" in outcomes.status.detail
    assert "of 650 proposals so far 20 were feasible (3.1 %)" in outcomes.status.detail
    assert (outcomes.run.n_evaluations, outcomes.run.n_violated, len(log)) == (20, 630, 650)
    again = run(algorithm, problem=problem, log=log, executor=executor, rules=[MAX(1000)])
    assert again.status == outcomes.status
    assert len(log) == 650, "the same call says the same, and evaluates nothing"


def test_the_last_points_of_a_budget_are_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(loop, "_MAX_IN_VAIN", 300)
    problem = constrained(constraint=lambda v: v["x"] < 0.0005)
    outcomes = run(Endless(size=10), problem=problem, rules=[MAX(45)])
    assert outcomes.status.outcome is Outcome.STALLED
    assert outcomes.run.n_evaluations == 40


def test_stalled_after_any_interruption(monkeypatch):
    monkeypatch.setattr(loop, "_MAX_IN_VAIN", 100)

    def constraint(values):
        return values["x"] < 0.0012

    expected = run(Endless(size=10), problem=constrained(constraint=constraint))
    for n in (1, 15, 109, 110):
        log = wilks.EvaluationLog()
        run(Endless(size=10), problem=constrained(constraint=constraint), log=log, rules=[MAX(n)])
        found = run(Endless(size=10), problem=constrained(constraint=constraint), log=log)
        same(found, expected)
        assert found.status == expected.status


def test_a_fit_says_what_it_cost():
    likelihood = Counted()
    log = wilks.EvaluationLog()
    result = wilks.fit(constrained(likelihood, lambda v: v["x"] < 0.9), log=log, seed=1, callbacks=())
    assert result.status.success
    assert result.n_evaluations == len(likelihood.calls) == log.counts()["ok"]
    assert log.counts()["violated"] > 0
