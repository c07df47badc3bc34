"""`StopRun`, raised in a user's function or in a callback, ends the run and loses nothing."""

import concurrent.futures
import math
import time
from pathlib import Path

import pytest

import wilks
from tests.unit.loop.examples import Counted, RandomBatches, hill, problem_of, run
from wilks.core import encoding
from wilks.core.errors import StopRun
from wilks.core.status import Outcome, Status

ASKED = Status(Outcome.STOPPED_BY_CALLBACK, "The likelihood asked for it.")


def stop():
    raise StopRun


@pytest.mark.parametrize("at", [0, 1, 9, 10, 25, 49])
@pytest.mark.parametrize("generational", [True, False])
def test_in_the_likelihood(at, generational):
    algorithm = RandomBatches(generational=generational)
    log = wilks.EvaluationLog()
    likelihood = Counted(at=at, action=stop)
    problem = problem_of(likelihood)
    first = run(algorithm, problem=problem, log=log)
    assert first.status == ASKED
    assert first.run.n_evaluations == first.run.n_told == len(log) == at
    assert log.counts()["failed"] == first.run.n_failed == 0
    second, expected = run(algorithm, problem=problem, log=log), run(algorithm)
    assert encoding.encode(second.state) == encoding.encode(expected.state)
    assert second.status == expected.status
    assert len(likelihood.calls) == len(set(likelihood.calls)) == 50


@pytest.mark.parametrize("kind", ["processes", "threads"])
@pytest.mark.parametrize("generational", [True, False])
def test_in_a_worker(kind, generational, tmp_path):
    calls, go_on = tmp_path / "calls", tmp_path / "go_on"

    def likelihood(values, calls=str(calls), go_on=str(go_on)):
        path = Path(calls)
        if values["x"] > 0.3 and not Path(go_on).exists():
            raise StopRun("enough")
        with path.open("a") as file:
            file.write("x")
        time.sleep(0.002)
        return -(values["x"] ** 2)

    log = wilks.EvaluationLog()
    problem = problem_of(likelihood)
    algorithm = RandomBatches(n_batches=3, size=60, generational=generational)
    made = wilks.ProcessExecutor(2) if kind == "processes" else concurrent.futures.ThreadPoolExecutor(2)
    with made as executor:
        began = time.monotonic()
        first = run(algorithm, problem=problem, executor=executor, log=log)
        assert time.monotonic() - began < 10
        assert first.status == ASKED
        n = len(calls.read_text())
        assert first.run.n_evaluations == len(log) == n < 150, "what other workers had begun is kept"
        assert (log.arrays()["thetas"][:, 0] <= 0.3).all()
        go_on.touch()
        assert run(algorithm, problem=problem, executor=executor, log=log).status.success
    assert len(log) == len(calls.read_text()) == 180


def test_in_a_constraint_a_gradient_and_a_residual():
    for problem in (
        problem_of(constraints=lambda v: stop()),
        wilks.LikelihoodProblem(problem_of().space, hill, gradient=lambda v: stop()),
        wilks.ResidualProblem(problem_of().space, lambda v: stop()),
    ):
        log = wilks.EvaluationLog()
        result = wilks.fit(problem, log=log, seed=1, callbacks=())
        assert result.status == ASKED
        assert len(log) == result.n_evaluations == 0


@pytest.mark.parametrize("at", [1, 3])
def test_in_a_callback(at):
    seen = []

    def callback(info):
        seen.append(info)
        if len(seen) == at:
            raise StopRun

    log = wilks.EvaluationLog()
    outcomes = run(function=lambda v: time.sleep(0.01) or hill(v), callbacks=[callback], log=log)
    assert outcomes.status == Status(Outcome.STOPPED_BY_CALLBACK)
    assert outcomes.run.n_evaluations == len(log) < 50
    assert run(function=hill, log=log).status.success


def test_in_the_last_call_of_a_callback(monkeypatch):
    """There is nothing to stop any more."""
    monkeypatch.setattr("wilks.loop.drive._CALLBACK_SECONDS", math.inf)  # one call at first, and one at the end
    seen = []

    def callback(info):
        seen.append(info.n_evaluations)
        if info.n_evaluations == 50:
            raise StopRun

    assert run(function=hill, callbacks=[callback]).status.outcome is Outcome.CONVERGED
    assert len(seen) == 2
    assert seen[0] < seen[1] == 50


def test_it_ends_with_the_time_limit_too():
    """A chunk that ends so while the run winds up is not begun again."""

    def likelihood(values):
        time.sleep(0.2)
        raise StopRun

    with wilks.ProcessExecutor(2) as executor:
        run(executor=executor)  # the workers are there
        outcomes = run(function=likelihood, executor=executor, rules=[wilks.MaxTime(0.05)])
    assert outcomes.status.outcome in (Outcome.STOPPED_BY_CALLBACK, Outcome.TIME_LIMIT)
    assert outcomes.run.n_evaluations == 0
