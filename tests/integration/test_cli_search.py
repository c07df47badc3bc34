import shutil
from pathlib import Path

import pytest

import wilks
from tests.integration.cli_process import Project

EXAMPLE = Path(__file__).parents[2] / "examples" / "mixed"
CONFIG = """\
problem: model.py:problem
seed: 3
stages:
  - search: {algorithm: parallel_tempering, options: {n_replicas: 4}, n_evaluations: 300}
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, CONFIG, pictures=True)


def test_a_search_is_run_reported_and_exported(project, unpainted):
    (project.folder / "config.yaml").write_text(CONFIG + "  - fit: {n_starts: 1}\n  - compare:\n  - report:\n")
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "No intervals from search by parallel tempering" in answer.stdout
    assert "parameter  best value" in answer.stdout
    run = project.folder / "run"
    assert (run / "pictures" / "01-search-by-parallel-tempering.png").is_file()
    assert "were searched by ParallelTempering" in (run / "report.html").read_text()
    result = project.result("01-*")
    assert (result.n_evaluations, result.tempering.n_sweeps > 10) == (300, True)

    shown = project.invoke("status", "run").stdout
    assert "search of model" in shown
    assert "2 of 2 stages finished" in shown
    (run / "report.html").unlink()
    assert project.invoke("report", "run").returncode == 0
    assert "evaluation" in (run / "report.html").read_text()
    assert project.invoke("export", "run", "--format", "csv").returncode == 0
    assert len((run / "samples.csv").read_text().splitlines()) == project.n_calls


@pytest.mark.slow
def test_a_search_is_not_repeated_and_goes_on_with_more_evaluations(project):
    assert project.invoke("run", "config.yaml").returncode == 0
    assert project.n_calls == 300
    answer = project.invoke("run", "config.yaml", "--resume")
    assert "nothing is repeated" in answer.stdout
    assert project.n_calls == 300
    (project.folder / "run" / "pictures" / "01-search-by-parallel-tempering.png").unlink()
    assert project.invoke("run", "config.yaml", "--resume").returncode == 0  # the picture has its dots from the log
    assert (project.folder / "run" / "pictures" / "01-search-by-parallel-tempering.png").is_file()
    answer = project.invoke("run", "config.yaml", "--resume", "--set", "stages.0.search.n_evaluations=500")
    assert answer.returncode == 0, answer.stderr
    assert project.n_calls == 500


def test_an_interrupted_search_ends_as_if_it_had_not_been(project, tmp_path):
    import signal

    other = Project(tmp_path / "other", CONFIG)
    assert other.invoke("run", "config.yaml").returncode == 0
    project.end_by(signal.SIGKILL, 100, "run", "config.yaml", seconds=0.005)
    assert 100 <= project.n_calls < 300
    answer = project.invoke("run", "config.yaml", "--resume")
    assert answer.returncode == 0, answer.stderr
    assert project.result("01-*").best == other.result("01-*").best
    assert project.result("01-*").history.tolist() == other.result("01-*").history.tolist()


@pytest.mark.slow
def test_the_example_of_a_mixed_space(tmp_path):
    for name in ("config.yaml", "regression.py"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    project = Project(tmp_path / "unused")
    project.folder = tmp_path
    answer = project.invoke("run", "config.yaml", "-q")
    assert answer.returncode == 0, answer.stderr
    for number in ("01", "02"):
        search = project.result(f"{number}-*")
        assert (search.best["family"], search.best["order"]) == ("waves", 5)
    fit = project.result("03-*")
    profile = project.result("04-*")
    assert isinstance(fit.best["decay"], float)
    assert profile.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-3)
    assert search.log_likelihood == pytest.approx(fit.log_likelihood, abs=0.05)
    assert wilks.load(next((tmp_path / "run" / "results").glob("02-*"))).round_trips is not None
