"""Fits that are stopped, interrupted or killed anywhere, and go on as if nothing had happened."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core import encoding
from wilks.core.status import Outcome

PROBLEM = """
import numpy as np
from wilks import xpcs

TRUTH = {
    "D0": 2e4, "alpha": -0.6, "D_offset": 2000.0,
    "gamma_dot_0": 1e-3, "beta": -0.5, "gamma_dot_offset": 2e-4, "phi0": -4.0,
}
GEOMETRY = xpcs.Geometry(t=0.1 * np.arange(110), dt=0.1, q=0.0054, gap=2e6, phi=np.array([-60.0, 0.0, 30.0, 75.0]))
DATA = xpcs.simulate(TRUTH, GEOMETRY, sigma=0.02, seed=3)
START = TRUTH | {"D0": 1e4, "alpha": -0.3}


def fit(**keywords):
    options = xpcs.FitOptions(method="local", tolerance=1e-10, n_threads=1, kernel="numpy")
    return xpcs.fit(DATA, **({"start": START, "options": options, "seed": 1, "callbacks": ()} | keywords))
"""
namespace = {}
exec(PROBLEM, namespace)  # the same text is run by other processes
DATA, START, fit = (namespace[name] for name in ("DATA", "START", "fit"))

STAGES = {"search": "search on a subset", "refinement": "fit on a subset", "all data": "fit on all data"}


class Stopper:
    """A callback that ends a stage, in one of the ways in which that is done."""

    def __init__(self, stage, how):
        self.part, self.how, self.titles = STAGES[stage], how, []

    def __call__(self, info):
        self.titles.append(info.title)
        if self.part not in info.title:
            return False
        if self.how == "Ctrl-C":
            raise KeyboardInterrupt
        if self.how == "StopRun":
            raise wilks.StopRun
        return True


def comparable(result):
    """Everything but times, what came from the file, the memory that was free, and the data."""
    besides = ("provenance", "stats", "log", "strategy", "data")
    return encoding.encode({name: getattr(result, name) for name in vars(result) if name not in besides})


@pytest.fixture(scope="module")
def expected():
    result = fit()
    assert result.status.success
    return result


def on_all_data(result):
    return next(step.n_evaluations for step in result.provenance.executed if step.name == "fit of all data")


@pytest.mark.parametrize("how", ["Ctrl-C", "StopRun", "True"])
def test_stopped_again_and_again_on_all_data(tmp_path, expected, how):
    path, n_made = tmp_path / "run.wilks", []
    for _ in range(20):
        with wilks.EvaluationLog(path) as log:
            result = fit(log=log, callbacks=[Stopper("all data", how)])
            n_made.append(log.counts()["ok"])
        if result.status.success:
            break
        outcome = Outcome.INTERRUPTED if how == "Ctrl-C" else Outcome.STOPPED_BY_CALLBACK
        assert result.status.outcome is outcome
        assert result.status.message == outcome.value
        assert result.quality.flag == "poor"
        assert set(result.best) == set(expected.best)
        assert result.log_likelihood <= expected.log_likelihood
    assert n_made == sorted(n_made)
    assert len(set(n_made)) > 2, "every call came further"
    with wilks.EvaluationLog(path) as log:
        result = fit(log=log)
        assert log.counts()["ok"] == on_all_data(expected), "no evaluation was made twice"
    assert comparable(result) == comparable(expected)
    assert result.stats["n_reused"] == on_all_data(expected)


def test_an_ended_fit_is_not_repeated(tmp_path, expected):
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        first, again = fit(log=log), fit(log=log)
    assert comparable(first) == comparable(again) == comparable(expected)
    assert (first.stats["n_reused"], again.stats["n_reused"]) == (0, on_all_data(expected))


def test_a_budget_in_instalments(tmp_path, expected):
    """The budget counts the evaluations of all stages."""
    n = expected.n_evaluations
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        for budget in (1, n // 2, n - 3, n - 1):
            result = fit(log=log, stop=wilks.MaxEvaluations(budget))
            assert result.status.outcome is Outcome.EVALUATION_LIMIT
            assert result.n_evaluations == budget
            assert np.isfinite(result.log_likelihood)
        assert comparable(fit(log=log)) == comparable(expected)


@pytest.mark.parametrize("budget", [20, 50, 51, 60])
def test_a_budget_is_one_for_all_stages(budget):
    options = xpcs.FitOptions(n_starts=50, n_refined=2)
    result = fit(options=options, start=None, stop=wilks.MaxEvaluations(budget))
    assert result.status.outcome is Outcome.EVALUATION_LIMIT
    assert result.n_evaluations == budget


def test_a_goal_is_one_for_all_data():
    """Values on a subset are higher, and reach no goal."""
    options = xpcs.FitOptions(n_starts=50, n_refined=2)
    whole = fit(options=options)
    near = whole.log_likelihood - 1e3
    result = fit(options=options, stop=wilks.TargetLogLikelihood(near))
    assert result.status.outcome is Outcome.TARGET_REACHED
    assert result.log_likelihood >= near
    on_subsets = [
        [(step.name, step.n_evaluations) for step in each.provenance.executed if step.name != "fit of all data"]
        for each in (whole, result)
    ]
    assert on_subsets[0] == on_subsets[1]


@pytest.mark.parametrize("how", ["Ctrl-C", "StopRun", "True"])
@pytest.mark.parametrize("stage", ["search", "refinement"])
def test_stopped_on_a_subset(stage, how):
    options = xpcs.FitOptions(n_starts=50, n_refined=2)
    stopper = Stopper(stage, how)
    result = fit(options=options, start=None, callbacks=[stopper])
    outcome = Outcome.INTERRUPTED if how == "Ctrl-C" else Outcome.STOPPED_BY_CALLBACK
    assert result.status.outcome is outcome
    assert STAGES[stage] in stopper.titles[-1], "no other stage began"
    assert np.isfinite(result.log_likelihood)
    assert result.quality.flag == "poor"
    assert len(repr(result)) > 200


def test_interrupted_at_the_first_point():
    def at_once(info):
        raise KeyboardInterrupt

    options = xpcs.FitOptions(method="cma_es", n_starts=50)
    result = fit(options=options, start=None, stop=wilks.MaxEvaluations(1), callbacks=[at_once])
    assert not result.status.success
    assert result.n_evaluations == 1
    assert result.quality.flag == "poor"
    assert repr(result)


def test_a_robust_fit_that_was_stopped_goes_on(tmp_path):
    options = xpcs.FitOptions(method="local", loss="huber", n_threads=1, kernel="numpy")
    whole = fit(options=options)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        stopped = fit(options=options, log=log, callbacks=[Stopper("all data", "Ctrl-C")])
        assert stopped.status.outcome is Outcome.INTERRUPTED
        assert comparable(fit(options=options, log=log)) == comparable(whole)


SCRIPT = """
import time
from pathlib import Path

import wilks
from problem import fit


def slow(info):
    if "all data" in info.title:
        with Path("seen").open("a") as file:
            file.write(f"{info.n_evaluations}\\n")
        time.sleep(0.2)


with wilks.EvaluationLog("run.wilks") as log:
    fit(log=log, callbacks=[slow]).save("result.wilks")
"""


class Folder:
    """A script in a folder, run by another process."""

    def __init__(self, path):
        self.path = path
        (path / "problem.py").write_text(PROBLEM)
        (path / "script.py").write_text(SCRIPT)

    def start(self):
        environment = {**os.environ, "PYTHONPATH": str(Path(wilks.__file__).parents[1])}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "script.py"], cwd=self.path, env=environment, stderr=subprocess.PIPE
        )

    def seen(self):
        path = self.path / "seen"
        return path.read_text().split() if path.exists() else []


def test_killed_on_all_data(tmp_path, expected):
    folder = Folder(tmp_path)
    for _ in range(2):
        n_before = len(folder.seen())
        process = folder.start()
        while len(folder.seen()) < n_before + 4 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        _, error = process.communicate()
        assert (process.returncode, error) == (-9, b"")
    with wilks.EvaluationLog(tmp_path / "run.wilks", read_only=True) as log:
        kept = log.counts()["ok"]
    assert 0 < kept < on_all_data(expected)
    process = folder.start()
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (0, b"")
    result = wilks.load(tmp_path / "result.wilks")
    assert result.stats["n_reused"] == kept
    assert comparable(result.with_data(DATA)) == comparable(expected)


def test_the_file_of_a_run_holds_no_pickle(tmp_path):
    """Nothing that could run code is read back: a run file holds numbers and text."""
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        fit(log=log, callbacks=[Stopper("all data", "True")])
    content = (tmp_path / "run.wilks").read_bytes()
    assert content.startswith(b"SQLite format 3")
    for mark in (b"numpy._core.multiarray", b"copyreg", b"__reduce__", b"cwilks", b"wilks.xpcs.course"):
        assert mark not in content


@pytest.mark.parametrize("damage", ["header", "middle"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "run.wilks"
    with wilks.EvaluationLog(path) as log:
        fit(log=log)
    content = bytearray(path.read_bytes())
    begin = 0 if damage == "header" else 4096
    content[begin : begin + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    with pytest.raises(wilks.CheckpointError), wilks.EvaluationLog(path) as log:
        fit(log=log)
