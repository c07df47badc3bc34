"""The verb `search`: its arguments, its starts, what it records and what it returns."""

import math

import numpy as np
import pytest

import wilks
from wilks.core.status import Outcome
from wilks.searchers.result import SearchResult

SPACE = wilks.Space(
    x=wilks.Real(-5, 5, unit="mm"), n=wilks.Integer(0, 9), kind=wilks.Categorical(["a", "b", "c"]), fixed=2.5
)


def hill(values):
    return -((values["x"] - 1) ** 2) - (values["n"] - 3) ** 2 - (values["kind"] != "b")


def problem_of(function=hill, space=SPACE, **more):
    return wilks.LikelihoodProblem(space, function, name="hill", **more)


def search(problem=None, algorithm=None, **more):
    run = {"n_evaluations": 100, "seed": 1, "callbacks": (), **more}
    return wilks.search(problem or problem_of(), algorithm, **run)


def recorded():
    calls = []
    return calls, problem_of(lambda v: calls.append(v) or hill(v))


# Arguments


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"n_evaluations": 0}, "n_evaluations: expected a positive integer or None, got 0"),
        ({"n_evaluations": 10.5}, "n_evaluations: expected a positive integer or None, got 10.5"),
        ({"n_evaluations": True}, "n_evaluations: expected a positive integer or None, got True"),
        ({"algorithm": "tempering"}, r"such as wilks.ParallelTempering\(\), got 'tempering'"),
        ({"algorithm": wilks.Portfolio}, "such as wilks.ParallelTempering"),
        ({"seed": -1}, "seed: expected a non-negative integer or None, got -1"),
        ({"stop": 100}, "stop: expected wilks.MaxEvaluations"),
        ({"start": 3.0}, "start: expected a result, a dictionary of values or a list of these, got 3.0"),
        ({"start": [{"x": 1.0, "n": 1, "kind": "a"}, 2.0]}, "start: expected a result, a dictionary"),
        ({"log": "run"}, "log: expected a wilks.EvaluationLog, got 'run'"),
    ],
)
def test_arguments_are_checked(more, words):
    with pytest.raises(wilks.InvalidConfigurationError, match=words):
        search(**more)


@pytest.mark.parametrize(
    "start", [{"x": 9.0, "n": 1, "kind": "a"}, {"x": 1.0, "n": 1}, {"x": 1.0, "n": 1, "kind": "z"}, {"y": 1.0}]
)
def test_starts_are_checked(start):
    with pytest.raises(wilks.InvalidProblemError):
        search(start=start)


def test_a_misspelt_option():
    with pytest.raises(TypeError, match="n_replica"):
        wilks.ParallelTempering(n_replica=4)
    with pytest.raises(TypeError, match="n_evaluation"):
        search(n_evaluation=10)


def test_the_first_argument_is_a_problem():
    with pytest.raises(wilks.InvalidProblemError, match=r"expected a wilks\.LikelihoodProblem .* got function"):
        wilks.search(hill)


# Budgets


def test_the_default_budget():
    assert search(n_evaluations=None, algorithm=wilks.RandomSearch()).n_evaluations == 1000 + 200 * 3


def test_a_rule_stands_in_for_a_budget():
    result = search(n_evaluations=None, stop=wilks.MaxEvaluations(77))
    assert result.n_evaluations == 77
    assert result.status.outcome is Outcome.EVALUATION_LIMIT
    both = search(n_evaluations=100, stop=[wilks.MaxEvaluations(33), wilks.MaxTime(1e6)])
    assert both.n_evaluations == 33


def test_numbers_of_numpy():
    assert search(n_evaluations=np.int64(20), seed=np.int64(1)).n_evaluations == 20


def test_a_spent_budget_is_a_success_that_says_when_the_best_was_found():
    result = search()
    assert result.status.success
    assert result.status.outcome is Outcome.BUDGET_SPENT
    assert f"The best was found at evaluation {int(result.history[-1, 0])}." in result.status.message


def test_throw():
    assert search(throw=True).status.success
    with pytest.raises(wilks.SearchFailedError, match="3 were allowed") as caught:
        search(stop=wilks.MaxEvaluations(3), throw=True)
    assert caught.value.result.n_evaluations == 3


# Starts


def test_what_is_given_is_evaluated_first():
    calls, problem = recorded()
    search(problem, start={"x": 2.0, "n": 7, "kind": "c"})
    assert calls[0] == {"x": 2.0, "n": 7, "kind": "c", "fixed": 2.5}


def test_keys_count_and_not_their_order():
    calls, problem = recorded()
    search(problem, start=[{"kind": "c", "n": 7, "x": 2.0}, {"n": 1, "x": -1.0, "kind": "a"}])
    assert [call["x"] for call in calls[:2]] == pytest.approx([2.0, -1.0])
    assert [call["n"] for call in calls[:2]] == [7, 1]


def test_a_result_is_a_start():
    calls, problem = recorded()
    first = search(problem, n_evaluations=60)
    calls.clear()
    second = search(problem, start=first, seed=9, n_evaluations=20)
    assert calls[0] == first.best
    assert second.log_likelihood >= first.log_likelihood


def test_a_result_without_a_best_point_is_none():
    empty = search(problem_of(lambda v: -math.inf), n_evaluations=5)
    with pytest.raises(wilks.InvalidConfigurationError, match="the given result has no best point"):
        search(start=empty)


def test_initial_values_of_the_space():
    space = wilks.Space(x=wilks.Real(-5, 5, initial=0.25), n=wilks.Integer(0, 9, initial=8))
    calls = []
    search(wilks.LikelihoodProblem(space, lambda v: calls.append(v) or -(v["x"] ** 2)))
    assert calls[0] == {"x": 0.25, "n": 8}


def test_the_best_of_the_log_is_a_start():
    log, (calls, problem) = wilks.EvaluationLog(), recorded()
    first = search(problem, log=log)
    calls.clear()
    second = search(problem, log=log, seed=2)
    assert calls[0] == pytest.approx(first.best)
    assert second.n_evaluations == 100
    assert len(log) == 200
    assert second.log_likelihood >= first.log_likelihood


@pytest.mark.parametrize("verb", ["fit", "search"])
def test_searches_and_fits_share_a_log(verb):
    space = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["x"] ** 2 + (v["y"] - 1) ** 2))
    with wilks.EvaluationLog() as log:
        first = wilks.search(problem, n_evaluations=200, log=log, seed=1, callbacks=())
        more = {"n_evaluations": 50} if verb == "search" else {"n_starts": 1}
        second = getattr(wilks, verb)(problem, log=log, seed=2, callbacks=(), **more)
        assert second.log_likelihood >= first.log_likelihood - 1e-9
        assert len(log) == first.n_evaluations + second.n_evaluations


def test_a_restriction_of_a_problem_shares_its_log():
    log, problem = wilks.EvaluationLog(), problem_of()
    search(problem, log=log)
    fixed = search(problem.fix(kind="c"), log=log)
    assert fixed.best["kind"] == "c"
    assert set(log.to_dataframe()["kind"]) == {"a", "b", "c"}


def test_residuals_can_be_searched():
    x = np.linspace(0, 1, 10)
    space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    problem = wilks.ResidualProblem(space, lambda v: 10 * (v["a"] * x + v["b"] - 2 * x - 1))
    assert search(problem, n_evaluations=300).best == pytest.approx({"a": 2.0, "b": 1.0}, abs=1e-3)


# The result


def test_what_is_returned():
    result = search()
    assert isinstance(result, SearchResult)
    assert list(result.best) == ["x", "n", "kind", "fixed"]
    assert result.log_likelihood == hill(result.best)
    assert (np.diff(result.history, axis=0) > 0).all()
    assert result.history[-1, 1] == result.log_likelihood
    assert result.algorithm == "Portfolio()"
    assert result.provenance.seed == 1
    assert result.provenance.problem == "hill"
    (step,) = result.provenance.executed
    assert (step.name, step.detail, step.n_evaluations) == ("Portfolio", "Portfolio()", 100)
    assert result.stats == {"n_failed": 0, "n_reused": 0, "n_violated": 0}


def test_its_texts():
    result = search(algorithm=wilks.ParallelTempering(n_replicas=4))
    text, page = repr(result), result._repr_html_()
    assert text.startswith("Search of 'hill' with ParallelTempering(n_replicas=4)\nFinished: all evaluations")
    for words in ("kind", "mm", "fixed", "100 evaluations", "4 rungs, swap rates", "round trips in"):
        assert words in text
        assert words in page
    assert "rungs" not in repr(search(algorithm=wilks.RandomSearch()))


def test_diagnostics_of_tempering_and_of_others():
    result = search(algorithm=wilks.ParallelTempering(n_replicas=4), n_evaluations=400)
    assert result.swap_rates.shape == (3,)
    assert result.ladder.shape == (4,)
    assert (np.diff(result.ladder) > 0).all()
    assert result.round_trips >= 0
    assert result.draws is result.log_evidence is result.sample is None
    other = search(algorithm=wilks.RandomSearch())
    assert other.swap_rates is other.ladder is other.round_trips is other.tempering is None


def test_the_table_of_one_search():
    log, problem = wilks.EvaluationLog(), problem_of()
    first, second = search(problem, log=log, n_evaluations=30), search(problem, log=log, n_evaluations=40, seed=2)
    assert [len(result.to_dataframe()) for result in (first, second)] == [30, 40]
    table = second.to_dataframe()
    assert table["log_likelihood"].max() == second.log_likelihood
    assert set(table["status"]) == {"ok"}


def test_a_seed_is_drawn_and_recorded():
    first = search(seed=None)
    again = search(seed=first.provenance.seed)
    assert np.array_equal(first.history, again.history)


def test_only_the_verb_knows_budget_and_solver():
    algorithm = wilks.Portfolio()
    search(algorithm=algorithm)
    assert (algorithm.budget, algorithm.solver) == (None, None)


def test_another_local_solver():
    from wilks.solvers.quasi_newton import QuasiNewton

    rough = QuasiNewton(1e6, 3)
    for kind in (wilks.Portfolio, wilks.LocalRestarts):
        result = search(algorithm=kind(solver=rough))
        assert result.n_evaluations == 100
