"""Workers that die, in every way, and main processes that die: nothing is lost, nothing stays behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import wilks
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.evaluator import Evaluator
from wilks.loop.checkpoint import merge

SPACE = wilks.Space(x=wilks.Real(0, 1000), y=wilks.Real(0, 2))


def evaluate(problem, executor, n, want="value"):
    thetas = np.column_stack([np.arange(n), np.ones(n)])
    evaluator = Evaluator(problem, executor)
    evaluator.submit(Proposals(np.arange(n), thetas, np.zeros(n, dtype=np.int8), want))
    found = []
    while evaluator.outstanding:
        found += evaluator.collect()
    return merge(found, by_id=True)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pids_of_children():
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture
def children():
    """Function that returns the child processes that this test has started and that are still there, zombies too."""
    before = pids_of_children()
    return lambda: pids_of_children() - before


WAYS_TO_DIE = {
    "exit": ("os._exit(7)", "exit code 7"),
    "exit 0": ("os._exit(0)", "exit code 0"),
    "segfault": ("ctypes.string_at(0)", "killed by SIGSEGV"),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    "abort": ("os.abort()", "killed by SIGABRT"),
}


@pytest.mark.parametrize(
    ("way", "n_workers"),
    [("kill", 2), ("exit", 1), *(pytest.param(way, 2, marks=pytest.mark.slow) for way in WAYS_TO_DIE if way != "kill")],
)
def test_point_that_kills_is_found_and_all_others_get_values(way, n_workers):
    code, how = WAYS_TO_DIE[way]

    def likelihood(values):
        if values["x"] == 137:
            exec(f"import os, signal, ctypes; {code}")
        return -values["x"]

    with wilks.ProcessExecutor(n_workers) as executor:
        found = evaluate(wilks.LikelihoodProblem(SPACE, likelihood), executor, 300)
    assert np.flatnonzero(found.statuses).tolist() == [137]
    assert found.statuses[137] == EvaluationStatus.LOST
    assert found.errors == {137: f"the worker process died twice while evaluating this point ({how})"}
    expected = -np.arange(300.0)
    expected[137] = -np.inf
    np.testing.assert_array_equal(found.log_likelihoods, expected)


@pytest.mark.slow
def test_several_points_that_kill_and_a_vectorized_likelihood():
    def likelihood(values):
        if np.isin(values["x"], [3, 4, 250]).any():
            os._exit(1)
        return -values["x"]

    with wilks.ProcessExecutor(2) as executor:
        found = evaluate(wilks.LikelihoodProblem(SPACE, likelihood, vectorized=True), executor, 300)
    assert np.flatnonzero(found.statuses).tolist() == [3, 4, 250]
    assert set(found.errors) == {3, 4, 250}


def test_fit_goes_on_after_a_death(tmp_path):
    def likelihood(values):
        if 0.45 < values["y"] < 0.55:
            os._exit(1)
        return -0.5 * ((values["x"] - 300) / 100) ** 2 - 0.5 * (values["y"] - 1) ** 2 / 0.01

    problem = wilks.LikelihoodProblem(SPACE, likelihood)
    with wilks.ProcessExecutor(2) as executor, wilks.EvaluationLog(tmp_path / "log") as log:
        result = wilks.fit(problem, executor=executor, log=log, seed=1)
        assert result.status.success
        assert result.best["x"] == pytest.approx(300, abs=1e-2)
        assert 1 <= result.stats["n_failed"] == log.counts()["lost"]
        assert all("died twice" in failure.error for failure in log.failures())


@pytest.mark.slow
def test_every_point_kills(children):
    problem = wilks.LikelihoodProblem(SPACE, lambda v: os._exit(1))
    with (
        wilks.ProcessExecutor(2) as executor,
        pytest.raises(wilks.EvaluationError, match=r"(?s)evaluations failed.*died twice.*exit code 1"),
    ):
        wilks.fit(problem, executor=executor, seed=1)
    assert children() == set()


@pytest.mark.parametrize(("payload", "n"), [pytest.param(1, 500, marks=pytest.mark.slow), (100_000, 120)])
def test_workers_killed_at_random_lose_nothing(payload, n, children):
    def residual(values):
        time.sleep(0.002)
        return np.full(payload, np.sqrt(2 * values["x"] / payload))

    stop = threading.Event()
    executor = wilks.ProcessExecutor(2)
    killed = []

    def kill():
        source = random.Random(1)
        while not stop.wait(source.uniform(0.2, 0.4)):
            # Not those that are starting: on a busy machine they would never get beyond it.
            for worker in [worker for worker in list(executor._pool._workers) if worker.ready][:1]:
                os.kill(worker.process.pid, signal.SIGKILL)
                killed.append(worker.process.pid)

    problem = wilks.ResidualProblem(SPACE, residual)
    with executor:
        evaluate(problem, executor, 10)
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            found = evaluate(problem, executor, n, "residual")
        finally:
            stop.set()
            killer.join()
    assert killed
    assert (found.statuses == EvaluationStatus.OK).all()
    np.testing.assert_allclose(found.log_likelihoods, -np.arange(float(n)))
    assert children() == set()


def test_dead_worker_is_noticed_though_a_child_of_it_holds_its_socket():
    def likelihood(values):
        if values["x"] == 5 and os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        if values["x"] == 5:
            os._exit(1)
        return -values["x"]

    began = time.monotonic()
    with wilks.ProcessExecutor(2) as executor:
        found = evaluate(wilks.LikelihoodProblem(SPACE, likelihood), executor, 20)
    assert np.flatnonzero(found.statuses).tolist() == [5]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("end", ["close", "abort", "forget"])
def test_no_process_is_left(end, children):
    executor = wilks.ProcessExecutor(2)
    evaluate(wilks.LikelihoodProblem(SPACE, lambda v: -1.0), executor, 100)
    pids = executor.pids
    assert len(pids) == 2
    assert all(map(alive, pids))
    if end == "forget":
        del executor
    else:
        getattr(executor, end)()
        assert executor.pids == []
        getattr(executor, end)()  # the second time nothing happens
    assert not any(map(psutil.pid_exists, pids))
    assert children() == set()


def test_executor_is_usable_after_close_and_abort(children):
    executor = wilks.ProcessExecutor(2)
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -1.0)
    for end in (executor.close, executor.abort, executor.close):
        assert (evaluate(problem, executor, 30).log_likelihoods == -1).all()
        end()
    assert children() == set()


def test_abort_does_not_wait_for_calls(children):
    executor = wilks.ProcessExecutor(1)
    evaluator = Evaluator(wilks.LikelihoodProblem(SPACE, lambda v: time.sleep(60)), executor)
    evaluator.submit(Proposals(np.arange(1), np.ones((1, 2)), np.zeros(1, dtype=np.int8)))
    evaluator._dispatch()
    assert wait_until(lambda: executor.pids)
    began = time.monotonic()
    executor.abort()
    assert time.monotonic() - began < 3
    assert children() == set()


def test_problem_that_cannot_be_sent():
    lock = threading.Lock()

    def likelihood(values):
        with lock:
            return -1.0

    problem = wilks.LikelihoodProblem(SPACE, likelihood, name="locked")
    with (
        wilks.ProcessExecutor(2) as executor,
        pytest.raises(wilks.InvalidProblemError, match=r"'locked' cannot be sent.*cannot pickle.*SerialExecutor"),
    ):
        wilks.fit(problem, executor=executor)


# ---------------------------------------------------------------------- whole programs

PREAMBLE = """
import os, signal, sys, threading, time
import numpy as np
import wilks
space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
"""


def start(folder, code, *, preamble=PREAMBLE, **more):
    script = Path(folder) / "script.py"
    script.write_text(preamble + textwrap.dedent(code))
    source = str(Path(wilks.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def run(folder, code, **more):
    process = start(folder, code, **more)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


def test_script_without_guard_and_without_close(tmp_path):
    code = """
    print("once")
    def likelihood(v):
        helper = lambda x: x ** 2
        return -helper(v["a"]) - shifted(v["b"])
    def shifted(b):
        return (b - offset) ** 2
    offset = 1.0
    began = time.monotonic()
    result = wilks.fit(wilks.LikelihoodProblem(space, likelihood), executor=wilks.ProcessExecutor(2), seed=1)
    print(round(result.best["b"], 4), result.provenance.executor)
    """
    began = time.monotonic()
    code, out, error = run(tmp_path, code)
    assert (code, error) == (0, "")
    assert out == "once\n1.0 2 processes\n"
    assert time.monotonic() - began < 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ["script.py"]


def test_classes_and_dataclasses_of_the_main_module(tmp_path):
    code = """
    from dataclasses import dataclass
    @dataclass
    class Model:
        centre: float
        def __call__(self, v):
            return -(v["a"] - self.centre) ** 2 - v["b"] ** 2
    with wilks.ProcessExecutor(2) as executor:
        for centre in (1.0, 2.0):
            result = wilks.fit(wilks.LikelihoodProblem(space, Model(centre)), executor=executor, seed=1)
            print(round(result.best["a"], 4))
    """
    assert run(tmp_path, code) == (0, "1.0\n2.0\n", "")


def test_linear_algebra_uses_one_thread_in_workers(tmp_path):
    code = """
    def likelihood(v):
        import os
        import numpy
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        x = numpy.ones((300, 300)) @ numpy.ones((300, 300))
        threads = len(os.listdir("/proc/self/task"))
        return -1.0 if all(os.environ[n] == "1" for n in names) and threads <= 2 else None
    before = dict(os.environ)
    with wilks.ProcessExecutor(2) as executor:
        result = wilks.fit(wilks.LikelihoodProblem(space, likelihood), executor=executor, seed=1, n_starts=3)
    print(result.stats["n_failed"], dict(os.environ) == before)
    """
    assert run(tmp_path, code) == (0, "0 True\n", "")


def test_module_that_workers_cannot_import(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "mine.py").write_text("def likelihood(v):\n    return -v['a'] ** 2 - v['b'] ** 2\n")
    code = """
    import importlib.util
    spec = importlib.util.spec_from_file_location("mine", "hidden/mine.py")
    mine = importlib.util.module_from_spec(spec)
    sys.modules["mine"] = mine
    spec.loader.exec_module(mine)
    executor = wilks.ProcessExecutor(2)
    problem = wilks.LikelihoodProblem(space, mine.likelihood)
    try:
        wilks.fit(problem, executor=executor, seed=1)
    except wilks.InvalidProblemError as error:
        print(error)
    import cloudpickle
    cloudpickle.register_pickle_by_value(mine)
    print(wilks.fit(problem, executor=executor, seed=1).status.success)
    """
    code, out, error = run(tmp_path, code)
    assert (code, error) == (0, "")
    first, second = out.splitlines()
    assert "cannot be loaded in a worker process: ModuleNotFoundError: No module named 'mine'" in first
    assert "register_pickle_by_value" in first
    assert second == "True"


def test_workers_see_the_path_of_the_main_process(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.py").write_text("def likelihood(v):\n    return -v['a'] ** 2 - v['b'] ** 2\n")
    code = """
    sys.path.insert(0, "elsewhere")
    import mine
    print(wilks.fit(wilks.LikelihoodProblem(space, mine.likelihood), executor=wilks.ProcessExecutor(2), seed=1).status)
    """
    code, out, error = run(tmp_path, code)
    assert (code, error) == (0, "")
    assert "Converged" in out


@pytest.mark.parametrize(
    ("python", "text"),
    [
        (shutil.which("false"), r"worker processes end before they begin to work \(exit code 1\)"),
        ("/no/such/python", "worker processes cannot be started: No such file or directory"),
    ],
)
def test_workers_that_cannot_start(monkeypatch, python, text):
    monkeypatch.setattr(sys, "executable", python)
    problem = wilks.LikelihoodProblem(SPACE, lambda v: -1.0)
    with wilks.ProcessExecutor(2) as executor, pytest.raises(wilks.EvaluationError, match=text):
        wilks.fit(problem, executor=executor, seed=1)


@pytest.mark.parametrize("when", ["exception", "exit", "thread"])
def test_interpreter_that_ends_in_the_middle_makes_no_noise(tmp_path, when):
    ends = {
        "exception": "raise KeyError('mine')",
        "exit": "sys.exit(4)",
        "thread": "pass",
    }
    code = f"""
    def likelihood(v):
        time.sleep({0.0005 if when == "thread" else 0.01})
        return -v["a"] ** 2 - v["b"] ** 2
    executor = wilks.ProcessExecutor(2)
    problem = wilks.LikelihoodProblem(space, likelihood)
    def callback(info):
        if info.n_evaluations > 20:
            {ends[when]}
    if {when == "thread"!r}:
        options = dict(executor=executor, seed=1, n_evaluations=10**6)
        threading.Thread(target=wilks.search, args=(problem,), kwargs=options, daemon=True).start()
        time.sleep(1.0)
    else:
        wilks.fit(problem, executor=executor, seed=1, callbacks=[callback])
    """
    began = time.monotonic()
    code, out, error = run(tmp_path, code)
    assert time.monotonic() - began < 20
    assert out == ""
    if when == "exception":
        assert code == 1
        assert error.count("Traceback") == 1
        assert error.endswith("KeyError: 'mine'\n")
    else:
        assert (code, error) == ({"exit": 4, "thread": 0}[when], "")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_main_process_that_is_killed(tmp_path, how):
    code = """
    def likelihood(v):
        print(os.getpid(), flush=True)
        time.sleep(100)
    wilks.fit(wilks.LikelihoodProblem(space, likelihood), executor=wilks.ProcessExecutor(2), seed=1)
    """
    process = start(tmp_path, code)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    assert len(set(pids)) == 2
    assert all(map(alive, pids))
    process.send_signal(how)
    process.wait(10)
    assert wait_until(lambda: not any(map(alive, pids)))
    process.communicate()
    assert process.returncode == -how
    assert sorted(p.name for p in tmp_path.iterdir()) == ["script.py"]


def test_ctrl_c_with_processes_leaves_nothing_and_returns_the_best_so_far(tmp_path):
    code = """
    def likelihood(v):
        time.sleep(0.01)
        return -v["a"] ** 2 - v["b"] ** 2
    def interrupt(info):
        if info.n_evaluations > 20:
            os.kill(os.getpid(), signal.SIGINT)
    executor = wilks.ProcessExecutor(2)
    problem = wilks.LikelihoodProblem(space, likelihood)
    result = wilks.fit(problem, executor=executor, seed=1, n_starts=500, callbacks=[interrupt])
    print(result.status.outcome.name, result.n_evaluations == len(result.log) > 20, executor.pids)
    """
    assert run(tmp_path, code) == (0, "INTERRUPTED True []\n", "")
