"""A run may end at any moment, by any means: going on gives the answer of a run that was never interrupted."""

import signal
import time

import numpy as np
import pytest

from tests.integration.cli_process import MODEL, Project

SECONDS = 0.001


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 0, answer.stderr
    return project


def assert_same_answer(project, undisturbed, *, exact):
    for pattern in ("01-*", "02-*"):
        ours, theirs = project.result(pattern), undisturbed.result(pattern)
        if exact:
            assert ours.best == theirs.best
        assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=0 if exact else 1e-6)
    ours, theirs = project.result("02-*"), undisturbed.result("02-*")
    deep = theirs.in_roi
    np.testing.assert_array_equal(ours.in_roi, deep)
    difference = np.abs(ours.log_likelihood_map[deep] - theirs.log_likelihood_map[deep])
    assert difference.max() <= (0 if exact else 0.01)


def test_the_test_sees_every_call(undisturbed):
    assert undisturbed.n_calls == undisturbed.n_logged > 300


@pytest.mark.parametrize("executor", [pytest.param("serial", marks=pytest.mark.slow), "processes"])
def test_sigkill_at_any_moment(tmp_path, undisturbed, executor):
    project = Project(tmp_path)
    arguments = ["run", "config.yaml", "--resume", *(["-n", "2"] if executor == "processes" else [])]
    moments = np.random.default_rng(7).integers(1, undisturbed.n_calls // 4, size=3)
    n_killed = 0
    for moment in moments.tolist():
        code, _, _ = project.end_by(signal.SIGKILL, moment, *arguments, seconds=SECONDS)
        n_killed += code == -signal.SIGKILL
    assert n_killed >= 2
    n_calls, n_logged = project.n_calls, project.n_logged
    answer = project.wilks(*arguments, seconds=SECONDS)
    assert answer.returncode == 0, answer.stderr
    # The last process called the likelihood for what was not in the log, and for nothing else.
    assert project.n_calls - n_calls == project.n_logged - n_logged
    assert_same_answer(project, undisturbed, exact=executor == "serial")


@pytest.mark.parametrize(
    ("number", "code", "executor"),
    [
        (signal.SIGINT, 130, "processes"),
        pytest.param(signal.SIGTERM, 143, "serial", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, "serial", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "processes", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_and_sigterm_end_a_run_in_good_order(tmp_path, undisturbed, number, code, executor):
    project = Project(tmp_path)
    workers = ["-n", "2"] if executor == "processes" else []
    ended, out, err = project.end_by(number, 30, "run", "config.yaml", *workers, seconds=SECONDS)
    assert ended == code, err
    # With options, the folder and not the file says all that is needed to go on.
    again = ["run", "run" if workers else "config.yaml", "--resume"]
    assert out.endswith(f"\ninterrupted; continue with: wilks {' '.join(again)}\n"), out
    assert "Interrupted; this is the best so far." in out
    assert "Traceback" not in err
    assert not list((tmp_path / "run").glob("results/01-*.wilks"))
    n_calls, n_logged = project.n_calls, project.n_logged
    answer = project.wilks(*again, seconds=SECONDS)
    assert answer.returncode == 0, answer.stderr
    assert project.n_calls - n_calls == project.n_logged - n_logged
    assert_same_answer(project, undisturbed, exact=executor == "serial")


@pytest.mark.slow
def test_ctrl_c_in_the_map(tmp_path, undisturbed):
    project = Project(tmp_path)
    n_fit = undisturbed.result("01-*").n_evaluations
    ended, out, _ = project.end_by(signal.SIGINT, n_fit + 40, "run", "config.yaml", seconds=SECONDS)
    assert ended == 130
    assert "fit" in out
    assert [path.name for path in (tmp_path / "run" / "results").glob("*.wilks")] == ["01-fit.wilks"]
    assert project.wilks("status", "run").stdout.count("1 of 2 stages finished: fit") == 1
    assert project.wilks("run", "run", seconds=SECONDS).returncode == 0
    assert_same_answer(project, undisturbed, exact=True)


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    body = "    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        time.sleep(60)\n"
    project = Project(tmp_path, model=MODEL.replace("    time.sleep(", body + "    time.sleep("))
    with project.start("run", "config.yaml") as process:
        while project.n_calls < 1:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None  # the likelihood has swallowed the first
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


def test_status_while_it_runs(tmp_path):
    project = Project(tmp_path)
    with project.start("run", "config.yaml", seconds=0.01) as process:
        while project.n_calls < 20:
            assert process.poll() is None
        shown = project.wilks("status", "run").stdout
        refused = project.wilks("run", "config.yaml", "--resume")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert f"run: model, running (process {process.pid})" in shown
    assert "0 of 2 stages finished" in shown
    assert " per second now" in shown
    assert "best so far: log-likelihood" in shown
    assert refused.returncode == 1
    assert f"process {process.pid} is writing this run file" in refused.stderr
