"""The driver loop: what an algorithm is asked and told, when a run ends, and what is left behind."""

import concurrent.futures
import os
import signal
import sqlite3
import time
from itertools import chain

import numpy as np
import pytest

import wilks
from tests.unit.loop.examples import Counted, RandomBatches, hill, interrupt, problem_of, run
from wilks.core import encoding
from wilks.core.proposal import Proposals
from wilks.core.status import Outcome, Status
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.drive import Watch, drive

MAX = wilks.MaxEvaluations


def same(first, second):
    assert encoding.encode(first.state) == encoding.encode(second.state)
    assert first.run.history == second.run.history
    assert first.run.n_evaluations == second.run.n_evaluations


def test_a_generational_algorithm_is_told_whole_batches_in_order():
    outcomes = run()
    assert outcomes.state["told"] == [list(range(10 * i, 10 * i + 10)) for i in range(5)]
    assert outcomes.status == Status(Outcome.CONVERGED)
    assert (outcomes.run.n_evaluations, outcomes.run.n_failed, outcomes.n_reused) == (50, 0, 0)
    assert outcomes.run.best == outcomes.state["best"] == outcomes.run.history[-1][1]


@pytest.mark.parametrize("generational", [True, False])
@pytest.mark.parametrize("n_workers", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_answer_does_not_depend_on_the_workers(generational, n_workers):
    algorithm = RandomBatches(generational=generational)
    expected = run(algorithm)
    with wilks.ProcessExecutor(n_workers) as executor:
        found = run(algorithm, executor=executor)
    if generational or n_workers == 1:
        same(found, expected)
    else:
        assert sorted(chain(*found.state["told"])) == list(range(50))
    if generational:
        with concurrent.futures.ThreadPoolExecutor(n_workers) as executor:
            same(run(algorithm, executor=executor), expected)


def test_an_asynchronous_algorithm_repeats_bit_by_bit_in_this_process():
    def uneven(values):
        time.sleep(abs(values["x"]) * 0.003)  # measured times differ from run to run
        return hill(values)

    algorithm = RandomBatches(n_batches=3, size=40, generational=False)
    first, second = run(algorithm, uneven), run(algorithm)
    same(first, second)
    assert [len(ids) for ids in first.state["told"]] == [16, 16, 8] * 3


def test_other_workers_are_busy_while_an_asynchronous_algorithm_is_told():
    algorithm = RandomBatches(n_batches=1, size=60, generational=False)
    with wilks.ProcessExecutor(2) as executor:
        outcomes = run(algorithm, lambda v: time.sleep(0.005) or hill(v), executor=executor)
    assert len(outcomes.state["told"]) > 3
    assert sorted(chain(*outcomes.state["told"])) == list(range(60))


def test_nothing_to_ask_is_stalled():
    class Silent(RandomBatches):
        def terminate(self, state):
            return None

    outcomes = run(Silent())
    assert outcomes.status.outcome is Outcome.STALLED
    assert outcomes.run.n_evaluations == 50


# ---------------------------------------------------------------------- stopping rules


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("generational", [True, False])
@pytest.mark.parametrize("n", [1, 7, 10, 33, 50, 1000])
def test_the_budget_is_never_exceeded_by_one_evaluation(n, generational, processes, request, tmp_path):
    calls = tmp_path / "calls"

    def likelihood(values):
        with calls.open("a") as file:
            file.write("x")
        return -(values["x"] ** 2)

    log = wilks.EvaluationLog()
    executor = request.getfixturevalue("two_processes") if processes else None
    outcomes = run(RandomBatches(generational=generational), likelihood, rules=[MAX(n)], executor=executor, log=log)
    assert outcomes.run.n_evaluations == len(calls.read_text()) == len(log) == min(n, 50)
    if n < 50:
        assert outcomes.status.outcome is Outcome.EVALUATION_LIMIT
        assert outcomes.status.detail == f"{n} evaluations were made, {n} were allowed."
        assert outcomes.run.n_told == n, "the result knows all evaluations"


@pytest.fixture(scope="module")
def two_processes():
    with wilks.ProcessExecutor(2) as executor:
        yield executor


def test_evaluations_of_the_same_call_before_this_run_count():
    outcomes = run(rules=[MAX(30)], n_before=18)
    assert outcomes.run.n_evaluations == 12
    assert outcomes.status.detail == "30 evaluations were made, 30 were allowed."
    assert run(rules=[wilks.MaxTime(10)], seconds_before=11).status.outcome is Outcome.TIME_LIMIT


def test_the_smallest_of_several_budgets_counts():
    assert run(rules=[MAX(40), MAX(12), MAX(30)]).run.n_evaluations == 12


def test_time_ends_a_run_also_within_a_batch():
    log = wilks.EvaluationLog()
    began = time.monotonic()
    outcomes = run(RandomBatches(1, 500), lambda v: time.sleep(0.01) or 0.0, rules=[wilks.MaxTime(0.5)], log=log)
    assert time.monotonic() - began < 2
    assert outcomes.status.outcome is Outcome.TIME_LIMIT
    assert outcomes.run.n_evaluations == len(log) == outcomes.run.n_told
    assert 5 < len(log) < 100


def test_calls_under_way_are_finished_and_none_is_left_for_the_next_run(two_processes):
    log = wilks.EvaluationLog()
    slow = problem_of(lambda v: time.sleep(0.05) or 0.0)
    outcomes = run(RandomBatches(1, 500), problem=slow, rules=[wilks.MaxTime(0.5)], executor=two_processes, log=log)
    assert 5 < outcomes.run.n_evaluations == len(log) < 60
    began = time.monotonic()
    assert run(executor=two_processes).status.success
    assert time.monotonic() - began < 1


def test_target_and_no_improvement_are_looked_at_between_batches():
    target = run(rules=[wilks.TargetLogLikelihood(-0.2)])
    assert target.status.outcome is Outcome.TARGET_REACHED
    assert target.run.n_evaluations % 10 == 0
    assert target.run.best >= -0.2
    flat = run(RandomBatches(20), lambda v: 1.0, rules=[wilks.NoImprovement(25)])
    assert flat.status.outcome is Outcome.NO_IMPROVEMENT
    assert flat.run.n_evaluations == 30
    assert flat.run.history == [(1, 1.0)]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_no_improvement_stops_at_the_same_place_for_any_number_of_workers(n_workers):
    rules = [wilks.NoImprovement(20, tolerance=0.01)]
    algorithm = RandomBatches(40, 10)
    with wilks.ProcessExecutor(n_workers) as executor:
        same(run(algorithm, rules=rules, executor=executor), run(algorithm, rules=rules))


def test_the_first_of_several_rules_ends_the_run():
    outcomes = run(rules=[wilks.MaxTime(100), wilks.TargetLogLikelihood(5.0), MAX(20)])
    assert outcomes.status.outcome is Outcome.EVALUATION_LIMIT


# ---------------------------------------------------------------------- callbacks


def test_callbacks_see_the_course_of_the_run():
    seen = []
    outcomes = run(RandomBatches(), callbacks=[seen.append])
    assert len(seen) >= 2
    assert seen[0].title == seen[-1].title == "test"
    assert 1 <= seen[0].n_evaluations <= 10
    last = seen[-1]
    assert (last.n_evaluations, last.n_failed, last.best) == (50, 0, outcomes.run.best)
    assert (last.activity, last.fraction) == ("batch 5", 1.0)
    assert list(last.history) == outcomes.run.history
    assert 0 < last.seconds <= outcomes.seconds


def test_callbacks_are_called_ten_times_a_second():
    seen = []
    run(RandomBatches(1, 100), lambda v: time.sleep(0.01) or 0.0, callbacks=[seen.append])
    assert 6 <= len(seen) <= 14


@pytest.mark.parametrize("size", [10, 1000])
def test_a_callback_that_returns_true_ends_the_run_also_within_a_batch(size):
    def callback(info):
        return info.n_evaluations >= 20

    log = wilks.EvaluationLog()
    outcomes = run(
        RandomBatches(1000, size), lambda v: time.sleep(0.005) or 0.0, callbacks=[lambda i: "no", callback], log=log
    )
    assert outcomes.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert 20 <= outcomes.run.n_evaluations == len(log) < 200


def test_an_error_in_a_callback_comes_out_and_everything_is_kept():
    def callback(info):
        if info.n_evaluations >= 12:
            raise LookupError("mine")

    log = wilks.EvaluationLog()
    likelihood = Counted(lambda v: time.sleep(0.01) or hill(v))
    problem = problem_of(likelihood)
    with pytest.raises(LookupError, match="mine"):
        run(problem=problem, callbacks=[callback], log=log)
    assert len(log) == len(likelihood.calls) >= 12
    found = run(problem=problem, log=log)
    same(found, run())
    assert len(likelihood.calls) == 50
    assert found.n_reused >= 12


@pytest.mark.parametrize("ending", ["good", "error", "interrupt"])
def test_callbacks_with_close_are_told_the_end(ending):
    class Closing:
        closed = 0

        def __call__(self, info):
            if ending == "error":
                raise LookupError
            if ending == "interrupt":
                raise KeyboardInterrupt

        def close(self):
            self.closed += 1

    callback = Closing()
    if ending == "error":
        with pytest.raises(LookupError):
            run(callbacks=[callback])
    else:
        status = run(callbacks=[callback]).status
        assert status.outcome is (Outcome.INTERRUPTED if ending == "interrupt" else Outcome.CONVERGED)
    assert callback.closed == 1


# ---------------------------------------------------------------------- interrupts


@pytest.mark.parametrize("at", [0, 1, 9, 10, 25, 49])
@pytest.mark.parametrize("generational", [True, False])
def test_ctrl_c_in_the_likelihood(at, generational):
    algorithm = RandomBatches(generational=generational)
    log = wilks.EvaluationLog()
    likelihood = Counted(at=at, action=interrupt)
    problem = problem_of(likelihood)
    first = run(algorithm, problem=problem, log=log)
    assert first.status.outcome is Outcome.INTERRUPTED
    assert first.run.n_evaluations == len(log) == at
    assert first.run.n_told == at
    same(run(algorithm, problem=problem, log=log), run(algorithm))
    assert len(likelihood.calls) == len(set(likelihood.calls)) == 50


class SignalWhile(RandomBatches):
    """Sends itself a signal at awkward moments."""

    where = "tell"
    number = signal.SIGINT

    def tell(self, state, evaluations):
        n = len(state["told"])
        if self.where == "tell" and n == 2:
            os.kill(os.getpid(), self.number)
            time.sleep(0.01)
        return super().tell(state, evaluations)

    def ask(self, state, limit):
        if self.where == "ask" and len(state["told"]) == 2:
            os.kill(os.getpid(), self.number)
        return super().ask(state, limit)


class AskSignal(SignalWhile):
    where = "ask"


@pytest.mark.parametrize("kind", [SignalWhile, AskSignal])
def test_a_signal_during_ask_or_tell_waits_until_the_state_is_whole(kind):
    log = wilks.EvaluationLog()
    first = run(kind(), log=log)
    assert first.status.outcome is Outcome.INTERRUPTED
    assert [len(ids) for ids in first.state["told"]] == [10, 10] + [10] * (kind is SignalWhile)
    same(run(RandomBatches(), log=log), run())


def test_a_signal_during_a_commit_waits_until_it_is_written(tmp_path, monkeypatch):
    problem = problem_of()
    with wilks.EvaluationLog(tmp_path / "log") as log:
        log.bind(problem)
        backend = log._backend
        original, commits = backend._append, []

        def append(*arguments):
            commits.append(1)
            if len(commits) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return original(*arguments)

        monkeypatch.setattr(backend, "_append", append)
        monkeypatch.setattr("wilks.loop.checkpoint._COMMIT_SECONDS", 0.0)
        first = run(problem=problem, log=log)
        assert first.status.outcome is Outcome.INTERRUPTED
        assert first.run.n_evaluations == len(log) < 50
        same(run(problem=problem, log=log), run())
        assert len(log) == 50


def test_a_signal_during_the_last_commit_acts_when_the_run_is_written(monkeypatch):
    log = wilks.EvaluationLog()
    problem = problem_of()
    log.bind(problem)
    original = log._backend.commit

    def commit(stage, evaluations, state, *, finished):
        if finished:
            os.kill(os.getpid(), signal.SIGINT)
        original(stage, evaluations, state, finished=finished)

    monkeypatch.setattr(log._backend, "commit", commit)
    with pytest.raises(KeyboardInterrupt):
        run(problem=problem, log=log)
    assert log.stages()[0].finished
    same(run(problem=problem, log=log), run())


def test_a_signal_while_processes_work(two_processes):
    log = wilks.EvaluationLog()
    problem = problem_of(lambda v: __import__("time").sleep(0.01) or -(v["x"] ** 2))
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        first = run(RandomBatches(1, 5000), problem=problem, log=log, executor=two_processes)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert first.status.outcome is Outcome.INTERRUPTED
    assert time.monotonic() - began < 5
    assert first.run.n_evaluations == len(log)
    assert run(executor=two_processes).status.success  # it starts other workers


def test_handlers_are_given_back():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    run(function=Counted(at=5, action=interrupt))
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_in_another_thread_needs_no_signals():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        same(pool.submit(run).result(), run())


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("generational", [True, False])
def test_going_on_after_every_budget(generational):
    algorithm = RandomBatches(generational=generational)
    expected = run(algorithm)
    for n in range(1, 50, 3):
        log = wilks.EvaluationLog()
        likelihood = Counted()
        problem = problem_of(likelihood)
        for budget in (n, n + 1, n + 9):
            run(algorithm, problem=problem, log=log, rules=[MAX(budget)])
            assert len(likelihood.calls) == min(budget, 50)
        found = run(algorithm, problem=problem, log=log)
        same(found, expected)
        assert len(likelihood.calls) == len(log) == 50


def test_a_finished_run_is_returned_without_evaluations():
    log = wilks.EvaluationLog()
    likelihood = Counted()
    problem = problem_of(likelihood)
    first = run(problem=problem, log=log)
    again = run(problem=problem, log=log)
    same(again, first)
    assert len(likelihood.calls) == 50
    assert again.n_reused == 50
    assert again.status == first.status


def test_a_spent_budget_stays_spent():
    log = wilks.EvaluationLog()
    for _ in range(3):
        outcomes = run(log=log, rules=[MAX(23)])
        assert outcomes.run.n_evaluations == len(log) == 23
        assert outcomes.status.outcome is Outcome.EVALUATION_LIMIT


def test_failures_are_counted_once_over_resumes():
    def failing(values):
        if values["x"] > 0.2:
            raise ValueError("no")
        return hill(values)

    log = wilks.EvaluationLog()
    expected = run(function=failing)
    for n in (7, 12, 31):
        run(function=failing, log=log, rules=[MAX(n)])
    found = run(function=failing, log=log)
    same(found, expected)
    assert found.run.n_failed == expected.run.n_failed == log.counts()["failed"] > 0


def test_a_resumed_run_with_answers_is_not_hopeless():
    def failing(values):
        if abs(values["x"]) > 0.4:
            raise ValueError("no")
        return -abs(values["x"] - 1)

    algorithm = RandomBatches(1, 400, width=0.45)
    log = wilks.EvaluationLog()
    run(algorithm, failing, log=log, rules=[MAX(100)])
    broken = wilks.EvaluationLog()
    with pytest.raises(wilks.EvaluationError, match="all of the first 30 evaluations failed"):
        run(algorithm, lambda v: 1 / 0, log=broken)
    assert len(broken) == 30, "the failures are in the log"

    def always(values):
        raise ValueError("now always")

    failing.__code__ = always.__code__
    assert run(algorithm, failing, log=log).status.success


def test_restrictions_share_a_log_in_the_coordinates_of_the_root(tmp_path):
    root = problem_of()
    with wilks.EvaluationLog(tmp_path / "log") as log:
        whole = wilks.fit(root, log=log, seed=1)
        fixed = wilks.fit(root.fix(y=0.25), log=log, seed=1)
        arrays = log.arrays()
        n = whole.n_evaluations
        assert len(log) == n + fixed.n_evaluations
        assert arrays["thetas"].shape[1] == 2
        assert (arrays["thetas"][n:, 1] == 0.25).all()
        assert not (arrays["thetas"][:n, 1] == 0.25).all()
        assert fixed.best["y"] == 0.25
        assert fixed.best["x"] == pytest.approx(0.3, abs=1e-4)
        for theta, value in zip(arrays["thetas"][n:], arrays["log_likelihoods"][n:], strict=True):
            assert value == hill({"x": theta[0], "y": 0.25})


def test_several_verbs_and_seeds_in_one_log():
    log = wilks.EvaluationLog()
    problem = problem_of()
    total = 0
    for call in (
        lambda: wilks.fit(problem, log=log, seed=1),
        lambda: wilks.fit(problem, log=log, seed=2),
        lambda: wilks.profile(problem, over="x", grid=[11], log=log, seed=1),
    ):
        total += call().n_evaluations
        assert len(log) == total
    assert len(log.stages()) == 4


def test_a_run_whose_commit_fails_says_so_and_can_be_repeated(tmp_path, monkeypatch):
    problem = problem_of()
    likelihood = problem.log_likelihood
    with wilks.EvaluationLog(tmp_path / "log") as log:
        log.bind(problem)
        backend = log._backend
        original, n = backend._append, []

        def append(*arguments):
            n.append(1)
            if len(n) >= 3:
                raise sqlite3.OperationalError("disk I/O error")
            return original(*arguments)

        monkeypatch.setattr("wilks.loop.checkpoint._COMMIT_SECONDS", 0.0)
        monkeypatch.setattr(backend, "_append", append)
        with pytest.raises(wilks.CheckpointError, match="disk I/O error"):
            run(problem=problem, log=log)
        assert 0 < len(log) < 50
        monkeypatch.setattr(backend, "_append", original)
        same(run(problem=problem, log=log), run(function=likelihood))
        assert len(log) == 50


def test_huge_batches_are_quick():
    problem = problem_of(lambda v: -v["x"])
    log = wilks.EvaluationLog()
    log.bind(problem)
    evaluator = Evaluator(problem, as_executor(None))

    class Grid(RandomBatches):
        def ask(self, state, limit):
            state["batch"] = 1
            thetas = np.column_stack([np.linspace(-1, 1, 100_000), np.zeros(100_000)])
            return Proposals(np.arange(100_000), thetas, np.zeros(100_000, dtype=np.int8)), state

        def tell(self, state, evaluations):
            state["told"].append(len(evaluations))
            return state

    grid = Grid(1)
    began = time.perf_counter()
    outcomes = drive(grid, evaluator, log.stage("k", "t"), Watch("t"), seed=1, starts=np.empty((0, 2)))
    assert outcomes.state["told"] == [100_000]
    assert time.perf_counter() - began < 3
