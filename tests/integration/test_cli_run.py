import json

import h5py
import numpy as np
import pytest

import wilks
from tests.integration.cli_process import CONFIG, MODEL, Project

FIT_ONLY = "problem: model.py:problem\nseed: 3\nstages:\n  - fit: {n_starts: 2}\n"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def small(tmp_path):
    return Project(tmp_path, FIT_ONLY)


def test_init_then_run_as_it_is(tmp_path, unpainted):
    project = Project(tmp_path / "unused", pictures=True)
    project.folder = tmp_path / "new"
    project.folder.mkdir()
    assert project.invoke("init").returncode == 0
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "Report: run/report.html"
    for word in ("half_life", "[5/5]", "Converged."):
        assert word in answer.stdout
    run = project.folder / "run"
    for name in ("config.resolved.yaml", "run.sqlite", "report.html", "results/index.json"):
        assert (run / name).is_file(), name
    assert len(list((run / "results").glob("*.wilks"))) == 3
    assert len(list((run / "pictures").glob("*.png"))) >= 3
    fit = wilks.load(next((run / "results").glob("01-*.wilks")))
    assert fit.best["half_life"] == pytest.approx(6.5, abs=4 * fit.standard_errors["half_life"])

    shown = project.invoke("status", "run").stdout
    assert "run: decay, not running" in shown
    assert "3 of 3 stages finished" in shown

    (run / "report.html").unlink()
    answer = project.invoke("report", "run")
    assert (answer.returncode, answer.stdout) == (0, "run/report.html\n")
    assert "half_life" in (run / "report.html").read_text()

    for ending, name in (("csv", "csv"), ("hdf5", "h5"), ("parquet", "parquet"), ("netcdf", "nc")):
        answer = project.invoke("export", "run", "--format", ending)
        assert (answer.returncode, answer.stdout) == (0, f"run/samples.{name}\n"), answer.stderr
    with wilks.EvaluationLog(run / "run.sqlite", read_only=True) as log:
        n = len(log)
    assert len((run / "samples.csv").read_text().splitlines()) == n
    with h5py.File(run / "samples.h5") as file:
        assert file["samples"].shape == (n, 5)
    answer = project.invoke("export", "run", "--format", "csv")
    assert answer.returncode == 2
    assert answer.stderr == "run/samples.csv: exists already; use --overwrite, or another file with --output\n"
    assert project.invoke("export", "run", "--format", "csv", "--overwrite").returncode == 0


def test_quiet_says_nothing(small):
    answer = small.wilks("run", "config.yaml", "-q")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_finished_stages_are_not_repeated_and_work_can_be_added(project):
    config = project.folder / "config.yaml"
    config.write_text(FIT_ONLY)
    assert project.invoke("run", "config.yaml").returncode == 0
    n_calls = project.n_calls
    answer = project.invoke("run", "config.yaml", "--resume")
    assert answer.returncode == 0
    assert "nothing is repeated" in answer.stdout
    assert project.n_calls == n_calls

    config.write_text(FIT_ONLY + "  - profile: {over: [x], grid: [5], audit: 0}\n")
    answer = project.invoke("run", "config.yaml", "--resume")
    assert answer.returncode == 0, answer.stderr
    assert "[1/2] fit\nConverged." in answer.stdout
    assert project.n_calls == project.n_logged
    assert project.result("02-*").provenance.executed
    assert project.result("01-*").n_evaluations == n_calls


def test_a_run_folder_is_enough_to_go_on(small, tmp_path):
    assert small.invoke("run", "config.yaml").returncode == 0
    small.folder = tmp_path.parent  # another working folder
    run = tmp_path / "run"
    answer = small.invoke("run", str(run), "--set", "stages.1={fit: {n_starts: 2, fix: {x: 0.5}}}")
    assert answer.returncode == 0, answer.stderr
    names = [entry["file"] for entry in json.loads((run / "results" / "index.json").read_text())]
    assert names == ["results/01-fit.wilks", "results/02-fit-with-x=0.5.wilks"]
    assert wilks.load(run / names[1]).best["x"] == 0.5
    assert "fix: {x: 0.5}" in (run / "config.resolved.yaml").read_text()


def test_a_damaged_result_is_made_again_from_the_log(small):
    assert small.invoke("run", "config.yaml").returncode == 0
    before, n_calls = small.result("01-fit.wilks").best, small.n_calls
    path = small.folder / "run" / "results" / "01-fit.wilks"
    path.write_bytes(path.read_bytes()[:-10])
    answer = small.invoke("run", "config.yaml", "--resume")
    assert answer.returncode == 0, answer.stderr
    assert "the stage is taken from the log" in answer.stdout
    assert small.result("01-fit.wilks").best == before
    assert small.n_calls - n_calls <= n_calls // 2


def test_not_converged_is_3(small):
    answer = small.invoke("run", "config.yaml", "--set", "stages.0.fit.stop={n_evaluations: 9}")
    assert answer.returncode == 3
    assert "9 evaluations" in answer.stdout
    assert small.n_calls == 9


def test_an_existing_run_is_not_touched_without_resume(small):
    assert small.invoke("run", "config.yaml").returncode == 0
    n_calls = small.n_calls
    answer = small.invoke("run", "config.yaml")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        "run: there is a run in this folder; use --resume to go on with it, or another run folder\n"
    )
    assert small.n_calls == n_calls


@pytest.mark.slow
def test_resume_of_nothing_is_a_start(small):
    assert small.invoke("run", "config.yaml", "--resume").returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("0.01", "0.02"), "the function or its data changed"),
        (lambda text: text.replace("z=wilks.Real(-2, 2)", "z=wilks.Real(-2, 3)"), "z"),
    ],
)
def test_another_problem_is_refused(small, change, words):
    assert small.invoke("run", "config.yaml").returncode == 0
    resolved = (small.folder / "run" / "config.resolved.yaml").read_text()
    (small.folder / "model.py").write_text(change(MODEL))
    answer = small.invoke("run", "config.yaml", "--resume", "--set", "stages.0.fit.n_starts=3")
    assert answer.returncode == 1
    assert "belongs to another problem" in answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert (small.folder / "run" / "config.resolved.yaml").read_text() == resolved


@pytest.mark.slow
def test_another_seed_is_refused(small):
    assert small.invoke("run", "config.yaml").returncode == 0
    answer = small.invoke("run", "config.yaml", "--resume", "--seed", "4")
    assert answer.returncode == 1
    assert "was begun with seed 3, got seed 4" in answer.stderr


def test_a_likelihood_that_always_fails_ends_the_run_early(tmp_path):
    model = MODEL.replace("    x, y, z = ", "    1 / 0\n    x, y, z = ")
    project = Project(tmp_path, CONFIG, model)
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 1
    assert answer.stderr.startswith("fit: no evaluation gave a finite log-likelihood. The first that failed, at x=")
    assert "ZeroDivisionError: division by zero" in answer.stderr
    assert "model.py" in answer.stderr
    assert project.n_calls < 200
    assert not list((tmp_path / "run").glob("results/*.wilks"))
    shown = project.invoke("status", "run").stdout
    assert "no finite log-likelihood yet" in shown
    assert "ZeroDivisionError: division by zero" in shown


def test_typos_are_all_shown_at_once_and_nothing_is_written(tmp_path):
    text = CONFIG.replace("fit:", "fitt:").replace("roi", "ro").replace("audit: 4", "audit: 4.5")
    project = Project(tmp_path, text)
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 2
    assert answer.stderr == (
        "config.yaml:4: stages.0.fitt: unknown key, did you mean 'fit'?\n"
        "config.yaml:5: stages.1.profile.audit: expected a whole number, got 4.5\n"
    )
    assert not (tmp_path / "run").exists()


def test_unknown_parameters_are_found_before_anything_is_evaluated(tmp_path):
    project = Project(tmp_path, CONFIG.replace("[x, y]", "[x, yy]"))
    answer = project.invoke("run", "config.yaml")
    assert (answer.returncode, answer.stderr) == (
        2,
        "config.yaml:5: stages.1.profile.over.1: unknown parameter 'yy', did you mean 'y'?\n",
    )
    assert project.n_calls == 0
    assert not (tmp_path / "run").exists()


def test_what_a_verb_refuses_is_shown_with_its_line(tmp_path):
    project = Project(tmp_path, CONFIG.replace("grid: [9, 9]", "grid: [[0.5, 0.1], 9]"))
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 2
    assert answer.stderr.startswith("config.yaml:5: stages.1.profile: ")


@pytest.mark.slow
def test_workers_give_the_same_fit(small, tmp_path):
    other = Project(tmp_path / "other", FIT_ONLY)
    assert small.invoke("run", "config.yaml").returncode == 0
    assert other.wilks("run", "config.yaml", "-n", "2").returncode == 0
    assert other.result("01-*").best == small.result("01-*").best
    np.testing.assert_array_equal(other.result("01-*").covariance, small.result("01-*").covariance)
