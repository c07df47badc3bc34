"""Searches that are killed or stopped anywhere, and go on as if nothing had happened."""

import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wilks
from tests.catalogue import SEARCHES
from wilks.core import encoding
from wilks.core.status import Outcome

SCRIPT = """
import os, struct, time
import wilks

CALLS = os.path.abspath("calls")
KINDS = ["p", "q", "r"]

def likelihood(v):
    a, b, n, kind = v["a"], v["b"], v["n"], KINDS.index(v["kind"])
    file = os.open(CALLS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, struct.pack("<4d", a, b, n, kind))
    os.close(file)
    time.sleep(float(os.environ["SECONDS_PER_CALL"]))  # no part of the fingerprint
    return -0.5 * ((a - 1) ** 2 / 0.3 + (b - 0.3 * a**2) ** 2 / 0.1 + (n - 3) ** 2) - (kind == 1)

space = wilks.Space(a=wilks.Real(-4, 4), b=wilks.Real(-2, 4), n=wilks.Integer(0, 9), kind=wilks.Categorical(KINDS))
problem = wilks.LikelihoodProblem(space, likelihood, constraints=lambda v: v["b"] < 3.5, name="p")
algorithms = [
    wilks.Portfolio(batch_size=2), wilks.ParallelTempering(), wilks.ParallelTempering(sampling=True),
    wilks.DifferentialEvolution(), wilks.CmaEs(),
]
executor = wilks.ProcessExecutor(2) if os.environ["EXECUTOR"] == "processes" else wilks.SerialExecutor()
log = wilks.EvaluationLog("run.wilks")
for number, algorithm in enumerate(algorithms):
    result = wilks.search(problem, algorithm, n_evaluations=150, log=log, seed=number, executor=executor)
    result.save(f"result{number}.wilks")
log.close()
"""
N_ALGORITHMS = 5
RECORD = 4 * 8


class Project:
    """A folder with a script that searches with one algorithm after the other on one run file."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)

    def start(self, executor, seconds):
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(wilks.__file__).parents[1]),
            "EXECUTOR": executor,
            "SECONDS_PER_CALL": str(seconds),
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", "script.py"], cwd=self.folder, env=environment, stderr=subprocess.PIPE
        )

    def run(self):
        process = self.start("serial", 0.0)
        _, error = process.communicate(timeout=120)
        assert (process.returncode, error) == (0, b"")

    def calls(self):
        path = self.folder / "calls"
        data = path.read_bytes() if path.exists() else b""
        return [data[at : at + RECORD] for at in range(0, len(data), RECORD)]

    def rows(self):
        """Every row of the run file that was evaluated, as the call would be recorded."""
        with wilks.EvaluationLog(self.folder / "run.wilks", read_only=True) as log:
            arrays = log.arrays()
        return [struct.pack("<4d", *theta) for theta in arrays["thetas"][arrays["statuses"] == 0]]

    def results(self):
        return [wilks.load(self.folder / f"result{number}.wilks") for number in range(N_ALGORITHMS)]


def comparable(result):
    """What must not depend on interruptions: everything but times, the share that came from the file, and its key."""
    besides = ("provenance", "stats", "log", "stage")
    saved = {name: getattr(result, name) for name in vars(result) if name not in besides}
    return encoding.encode(saved)


def repeated(points):
    return Counter({point: n - 1 for point, n in Counter(points).items() if n > 1})


def test_killed_at_random_moments(tmp_path):
    expected, project, source = Project(tmp_path / "expected"), Project(tmp_path / "killed"), random.Random(5)
    expected.run()
    meant = repeated(expected.rows())  # the start of a later search, and what recombination and samplers repeat
    n_kills = 0
    for trial in range(5):
        n_before, kept = len(project.calls()), Counter(project.rows() if trial else [])
        process = project.start(("serial", "processes")[trial % 2], 0.001)
        goal = n_before + source.randint(60, 140)
        while len(project.calls()) < goal and process.poll() is None:
            time.sleep(0.002)
        time.sleep(source.uniform(0, 0.05))
        process.kill()
        _, error = process.communicate()
        time.sleep(0.1)  # workers finish their last line
        assert error == b""
        n_kills += process.returncode != 0
        again = kept & Counter(project.calls()[n_before:])
        assert not again - meant, "an evaluation in the run file was made again"
    project.run()
    assert n_kills >= 4
    assert Counter(project.rows()) == Counter(expected.rows())
    assert list(map(comparable, project.results())) == list(map(comparable, expected.results()))
    assert [result.n_evaluations for result in project.results()] == [150] * N_ALGORITHMS


# Stopped by a rule in one process

KINDS = ["p", "q", "r"]
SPACES = {
    "real": wilks.Space(a=wilks.Real(-4, 4), b=wilks.Real(-2, 4)),
    "mixed": wilks.Space(
        a=wilks.Real(-4, 4), b=wilks.Real(-2, 4), n=wilks.Integer(0, 9), kind=wilks.Categorical(KINDS)
    ),
    "discrete": wilks.Space(a=wilks.Grid(np.linspace(-4, 4, 17)), n=wilks.Integer(0, 9), kind=wilks.Categorical(KINDS)),
}
INTERRUPTED = ("portfolio", "portfolio_in_batches", "tempering", "sampler", "differential_evolution", "cma_es")
N = 80


class Counted:
    """A problem that records its calls."""

    def __init__(self, space="mixed"):
        self.calls = calls = []

        def log_likelihood(values):
            calls.append(tuple(values.values()))
            a, b, n = values["a"], values.get("b", 0.0), values.get("n", 0)
            return -((a - 1) ** 2) / 0.3 - (b - 0.3 * a) ** 2 - 0.2 * (n - 3) ** 2 - (values.get("kind") == "q")

        constraint = lambda v: v.get("n") != 5  # noqa: E731 - one of its own for every problem
        self.problem = wilks.LikelihoodProblem(SPACES[space], log_likelihood, constraints=constraint, name="p")
        assert self.problem.fingerprint  # made before the record of the calls changes


def search(name, counted, log, **more):
    run = {"n_evaluations": N, **more}
    return wilks.search(counted.problem, SEARCHES[name](), log=log, seed=4, callbacks=(), **run)


_expected = {}


def expected(name, space):
    if (name, space) not in _expected:
        counted = Counted(space)
        result = search(name, counted, wilks.EvaluationLog())
        assert result.n_evaluations == len(counted.calls) == N
        _expected[name, space] = comparable(result), counted.calls
    return _expected[name, space]


@pytest.mark.parametrize("space", ["mixed", pytest.param("discrete", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", INTERRUPTED)
def test_stopped_after_every_single_evaluation(name, space):
    counted, log = Counted(space), wilks.EvaluationLog()
    for k in range(1, N):
        result = search(name, counted, log, stop=wilks.MaxEvaluations(k))
        assert result.n_evaluations == len(counted.calls) == k
        assert result.status.outcome is Outcome.EVALUATION_LIMIT
    final = search(name, counted, log)
    assert counted.calls == expected(name, space)[1]
    assert comparable(final) == expected(name, space)[0]


@pytest.mark.parametrize("name", INTERRUPTED)
@given(cuts=st.lists(st.integers(1, N - 1), min_size=1, max_size=4), space=st.sampled_from(list(SPACES)))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_stopped_anywhere_on_disk(name, cuts, space):
    counted = Counted(space)
    with tempfile.TemporaryDirectory() as folder:
        for k in [*sorted(cuts), None]:
            with wilks.EvaluationLog(Path(folder) / "run") as log:
                result = search(name, counted, log, stop=None if k is None else wilks.MaxEvaluations(k))
    assert counted.calls == expected(name, space)[1]
    assert comparable(result) == expected(name, space)[0]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_has_ended_is_not_repeated(name):
    counted, log = Counted(), wilks.EvaluationLog()
    first, again = (search(name, counted, log) for _ in range(2))
    assert len(counted.calls) == again.n_evaluations == again.stats["n_reused"] == N
    assert (again.best, again.log_likelihood) == (first.best, first.log_likelihood)
    assert again.history.tolist() == first.history.tolist()
    assert again.status.success == first.status.success


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_goes_on_with_more_evaluations(name, tmp_path):
    counted = Counted("real")
    with wilks.EvaluationLog(tmp_path / "run") as log:
        first = search(name, counted, log)
        begun = counted.calls.copy()
    with wilks.EvaluationLog(tmp_path / "run") as log:
        second = search(name, counted, log, n_evaluations=2 * N)
        n_rows = log.counts()["ok"]
    assert counted.calls[:N] == begun
    assert len(counted.calls) == second.n_evaluations == n_rows == 2 * N
    assert second.stats["n_reused"] == N
    assert second.log_likelihood >= first.log_likelihood
    assert len(set(counted.calls)) > 0.95 * 2 * N, "as good as none twice: recombination may yield a known point"


def test_fewer_evaluations_than_were_made():
    counted, log = Counted(), wilks.EvaluationLog()
    search("portfolio", counted, log)
    result = search("portfolio", counted, log, n_evaluations=N // 2)
    assert len(counted.calls) == result.n_evaluations == N
    assert result.status.outcome is Outcome.BUDGET_SPENT
