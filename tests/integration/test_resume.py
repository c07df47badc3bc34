"""Real processes that are killed, interrupted or run out of disk space, and go on where they were."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import wilks

SCRIPT = """
import os, struct, sys, time
import numpy as np
import wilks

CALLS = os.path.abspath("calls")

def likelihood(v):
    a, b, c = v["a"], v["b"], v["c"]
    file = os.open(CALLS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, struct.pack("<3d", a, b, c))
    os.close(file)
    time.sleep(float(os.environ["SECONDS_PER_CALL"]))  # no part of the fingerprint
    return -0.5 * ((a - 1) ** 2 / 0.3 + (b - 0.3 * a**2) ** 2 / 0.1 + (c - a * b / 2) ** 2 / 0.05)

space = wilks.Space(a=wilks.Real(-4, 4), b=wilks.Real(-2, 4), c=wilks.Real(-4, 4))
problem = wilks.LikelihoodProblem(space, likelihood, name="p")
executor = wilks.ProcessExecutor(2) if os.environ["EXECUTOR"] == "processes" else wilks.SerialExecutor()
log = wilks.EvaluationLog("run.wilks")
"""

FIT = "result = wilks.fit(problem, log=log, seed=3, n_starts=30, executor=executor)\n"
PROFILE = 'result = wilks.profile(problem, over=("a", "b"), grid=(9, 9), audit=4, log=log, seed=3, executor=executor)\n'
SAVE = """
log.close()
result.save("result.wilks")
print(result.status.outcome.name, result.n_evaluations, result.stats["n_reused"])
"""
RECORD = np.dtype("<3f8")


class Project:
    """A folder with a script that can be started again and again."""

    def __init__(self, folder: Path, body: str, *, end: str = SAVE) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT + body + end)

    def start(self, executor: str = "serial", seconds: float = 0.001) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(wilks.__file__).parents[1]),
            "EXECUTOR": executor,
            "SECONDS_PER_CALL": str(seconds),
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", "script.py"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, executor: str = "serial", seconds: float = 0.0) -> tuple[str, list[str]]:
        process = self.start(executor, seconds)
        out, error = process.communicate(timeout=120)
        assert (process.returncode, error) == (0, "")
        return out, out.split()

    @property
    def n_calls(self) -> int:
        path = self.folder / "calls"
        return path.stat().st_size // RECORD.itemsize if path.exists() else 0

    def calls(self) -> list[bytes]:
        data = (self.folder / "calls").read_bytes()
        return [data[at : at + RECORD.itemsize] for at in range(0, len(data), RECORD.itemsize)]

    def rows(self) -> list[bytes]:
        with wilks.EvaluationLog(self.folder / "run.wilks", read_only=True) as log:
            return [theta.tobytes() for theta in log.arrays()["thetas"]]

    def result(self):
        return wilks.load(self.folder / "result.wilks")

    def wait_for_calls(self, n: int, process: subprocess.Popen[str]) -> bool:
        """Wait for some calls more; False if the process ended before."""
        goal = self.n_calls + n
        while self.n_calls < goal:
            if process.poll() is not None:
                return False
            time.sleep(0.002)
        return True


@pytest.fixture(scope="module", params=["fit", pytest.param("profile", marks=pytest.mark.slow)])
def reference(request, tmp_path_factory):
    body = {"fit": FIT, "profile": PROFILE}[request.param]
    project = Project(tmp_path_factory.mktemp("reference") / request.param, body)
    _, words = project.run()
    assert words[0] == "CONVERGED"
    assert int(words[1]) == project.n_calls == len(project.rows())
    return body, project


def repeated(points: list[bytes]) -> Counter[bytes]:
    return Counter({point: n - 1 for point, n in Counter(points).items() if n > 1})


def check_same(found, expected):
    assert found.best == pytest.approx(expected.best, abs=1e-6)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-6)
    assert found.status.outcome is expected.status.outcome
    if hasattr(expected, "log_likelihood_map"):
        np.testing.assert_array_equal(found.in_roi, expected.in_roi)
        roi = expected.in_roi
        np.testing.assert_allclose(found.log_likelihood_map[roi], expected.log_likelihood_map[roi], atol=1e-4)
    else:
        assert found.standard_errors == expected.standard_errors


def test_killed_at_random_moments_and_resumed_with_another_executor(reference, tmp_path):
    body, expected = reference
    project = Project(tmp_path / "run", body)
    source = random.Random(7)
    n_kills = 0
    for trial in range(7):
        executor = ("serial", "processes")[trial % 2]
        n_before = project.n_calls
        kept = Counter(project.rows()) if n_before else Counter()
        process = project.start(executor)
        running = project.wait_for_calls(source.randint(10, 60), process)
        time.sleep(source.uniform(0, 0.05))
        process.kill()
        _, error = process.communicate()
        time.sleep(0.1)  # workers finish their last line
        again = kept & Counter(project.calls()[n_before:])
        assert sum((again - repeated(expected.rows())).values()) == 0, "an evaluation in the run file was made again"
        if not running:
            assert error == ""
            break
        n_kills += 1
        rows = project.rows()
        assert not Counter(rows) - Counter(project.calls()), "a row that was never called"
        assert len(rows) >= sum(kept.values())
    project.run()
    assert n_kills >= 6
    check_same(project.result(), expected.result())
    assert not repeated(project.rows()) - repeated(expected.rows())
    n_rows = len(project.rows())
    assert project.result().n_evaluations == n_rows <= project.n_calls
    if "wilks.fit" in body:
        assert Counter(project.rows()) == Counter(expected.rows())


def test_ctrl_c_returns_the_best_so_far_and_the_run_goes_on(reference, tmp_path):
    body, expected = reference
    project = Project(tmp_path / "run", body)
    for executor in ("serial", "processes", "serial"):
        process = project.start(executor)
        assert project.wait_for_calls(60, process)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=20)
        assert (process.returncode, error) == (0, "")
        outcome, n, n_reused = out.split()
        assert outcome == "INTERRUPTED"
        assert int(n) == len(project.rows()) >= int(n_reused)
        if "wilks.fit" in body:  # a map has no best before its first optimum
            assert np.isfinite(project.result().log_likelihood)
            assert set(project.result().best) == {"a", "b", "c"}
    out, words = project.run()
    assert words[0] == "CONVERGED"
    check_same(project.result(), expected.result())
    assert not repeated(project.rows()) - repeated(expected.rows())


def test_sigterm_saves_and_ends(tmp_path):
    project = Project(tmp_path / "run", FIT)
    process = project.start(seconds=0.005)
    assert project.wait_for_calls(40, process)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=20)
    assert (process.returncode, out, error) == (-signal.SIGTERM, "", "")
    assert project.n_calls - len(project.rows()) <= 1, "at most the call that was under way is lost"
    n_before = project.n_calls
    _, (_, n, _) = project.run()
    assert project.n_calls - n_before >= int(n) - n_before
    assert not repeated(project.rows())


@pytest.mark.slow
def test_a_fit_that_was_interrupted_goes_on_in_the_same_process(tmp_path):
    body = """
import signal, threading
threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT)).start()
first = wilks.fit(problem, log=log, seed=3, n_starts=30, executor=executor)
assert first.status.outcome.name == "INTERRUPTED", first.status
result = wilks.fit(problem, log=log, seed=3, n_starts=30, executor=executor)
assert result.stats["n_reused"] == first.n_evaluations, (result.stats, first.n_evaluations)
"""
    project = Project(tmp_path / "run", body)
    _, words = project.run("processes", seconds=0.004)
    assert words[0] == "CONVERGED"
    assert not repeated(project.rows())


FULL = """
import resource
def limit(n):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))
limit(int(os.environ.get("LIMIT", "180000")))
try:
    wilks.fit(problem, log=log, seed=3, n_starts=60, executor=executor)
except wilks.CheckpointError as error:
    print(error)
    with wilks.EvaluationLog("run.wilks", read_only=True) as reader:
        n = len(reader.arrays()["thetas"])
        assert n == len(reader) == sum(s.n_evaluations for s in reader.stages()) > 0
else:
    raise SystemExit("the limit was not reached")
limit(resource.RLIM_INFINITY)
if os.environ["EXECUTOR"] == "processes":
    log.close()
    log = wilks.EvaluationLog("run.wilks")
result = wilks.fit(problem, log=log, seed=3, n_starts=60, executor=executor)
assert result.stats["n_reused"] >= n
"""


@pytest.mark.parametrize("executor", [pytest.param("serial", marks=pytest.mark.slow), "processes"])
def test_disk_full_in_the_middle(tmp_path, executor):
    project = Project(tmp_path / "run", FULL)
    out, words = project.run(executor, seconds=0.001)
    assert "run.wilks" in out
    assert "disk" in out.splitlines()[0] or "full" in out.splitlines()[0]
    assert words[-3] == "CONVERGED"
    assert not repeated(project.rows())
