"""What is done again in the folder of a run, and what is not."""

import os
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import wilks
from wilks import xpcs
from wilks.cli.main import app
from wilks.xpcs import files

RUNNER = CliRunner()
VALUES = {"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}
FAST = ["--no-pictures", "--no-report", "--set", "fit.kernel=numpy"]
FIT = ["--mode", "static", "--starts", "50", "--fix", "D_offset=0", *FAST]


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


def write(path, seed=1, **options):
    geometry = xpcs.Geometry(0.1 * np.arange(40), 0.1, 0.0054, None, np.array([0.0, 45.0, 90.0]))
    return files.write(path, xpcs.simulate(VALUES, geometry, mode="static", sigma=0.02, seed=seed), **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    write(folder / "sample.h5")
    answer = invoke("fit", folder / "sample.h5", *FIT, "--out", folder / "run")
    assert answer.exit_code == 0, answer.output
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    """A copy of the finished run, in the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def calls(monkeypatch):
    """Fits and maps that were made."""
    made = []
    for verb in ("fit", "profile"):
        original = getattr(xpcs, verb)

        def counted(*arguments, _original=original, _verb=verb, **keywords):
            made.append(_verb)
            return _original(*arguments, **keywords)

        monkeypatch.setattr(xpcs, verb, counted)
    return made


def again(*more):
    return invoke("fit", "sample.h5", *FIT, "--out", "run", "--resume", *more)


@pytest.mark.parametrize(
    "more", [[], ["--formats", "json"], ["--cache", "cache"], ["--set", "output.formats=[]"], ["--set", "profile=[]"]]
)
def test_what_the_fit_does_not_depend_on(project, calls, more):
    answer = again(*more)
    assert answer.exit_code == 0, answer.output
    assert "The fit was finished before; nothing is repeated." in answer.output
    assert calls == []


@pytest.mark.parametrize("more", [["--seed", "2"], ["--loss", "huber"], ["--set", "fit.n_refined=3"]])
def test_what_the_fit_depends_on(project, calls, more):
    before = (project / "run" / "results" / "01-fit.wilks").read_bytes()
    answer = again(*more)
    assert answer.exit_code == 0, answer.output
    assert calls == ["fit"]
    assert (project / "run" / "results" / "01-fit.wilks").read_bytes() != before
    answer = invoke("fit", "run", *FAST)  # the folder has what was done last
    assert "nothing is repeated" in answer.output
    assert calls == ["fit"]


def test_a_file_that_was_written_again(project, calls):
    os.utime(project / "sample.h5")
    assert again().exit_code == 0
    assert calls == ["fit"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--angles", "0,45"], "the function or its data changed"),
        (["--bounds", "D0=1e3:1e5"], "D0: was Real(100.0,100000.0"),
        (["new data"], "the function or its data changed"),
    ],
)
def test_another_problem_is_refused_and_the_folder_keeps_its_own(project, calls, more, words):
    before = (project / "run" / "config.resolved.yaml").read_text()
    if more == ["new data"]:
        write(project / "sample.h5", seed=2, overwrite=True)
        more = []
    answer = again(*more)
    assert answer.exit_code == 1
    assert "belongs to another problem" in answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert (project / "run" / "config.resolved.yaml").read_text() == before


def test_an_existing_run_is_not_touched_without_resume(project, calls):
    answer = invoke("fit", "sample.h5", *FIT, "--out", "run")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == (
        f"{project}/run: there is a run in this folder; use --resume to go on with it, or --out for another folder\n"
    )
    assert calls == []


def test_maps_stay_in_the_run(project, calls):
    """A coarse grid over the box, which is quick; that it finds no region is not what counts here."""
    answer = invoke("profile", "run", "--over", "alpha", "--grid", "4", *FAST)
    assert answer.exit_code in (0, 3), answer.output
    assert calls == ["profile"]
    answer = invoke("profile", "run", "--over", "D0", "--grid", "3", *FAST)
    assert answer.exit_code in (0, 3), answer.output
    assert "profile over alpha: finished before; nothing is repeated." in answer.output
    assert calls == ["profile", "profile"]
    answer = invoke("fit", "run", *FAST)
    assert answer.output.count("nothing is repeated") == 3
    assert calls == ["profile", "profile"]
    results = [path.name for path in sorted((project / "run" / "results").glob("*.wilks"))]
    assert results == ["01-fit.wilks", "02-profile-over-alpha.wilks", "03-profile-over-d0.wilks"]
    shown = invoke("info", "run").output
    assert shown.index("profile over alpha") < shown.index("profile over D0")
    assert shown.count("Converged.\n") == 1
    for name in results[1:]:
        assert f"{wilks.load(project / 'run' / 'results' / name).status.message}\n" in shown


def test_a_map_is_replaced_by_one_of_the_same_parameters(project, calls):
    for nodes in (3, 4):
        invoke("profile", "run", "--over", "alpha", "--grid", nodes, *FAST)
    assert calls == ["profile", "profile"]
    assert len(wilks.load(project / "run" / "results" / "02-profile-over-alpha.wilks").axes["alpha"]) == 4
    assert invoke("info", "run").output.count("profile over alpha") == 1


def test_a_wrong_map_is_found_before_anything_is_done(project, calls):
    answer = invoke("profile", "run", "--over", "alhpa", *FAST)
    assert answer.exit_code == 2
    assert "--over alhpa: profile.0.over.0: 'alhpa' is unknown, did you mean 'alpha'?" in answer.stderr
    assert calls == []
    assert "alhpa" not in (project / "run" / "config.resolved.yaml").read_text()


def test_a_map_that_the_fit_refuses_does_not_stay_in_the_run(project, calls):
    before = (project / "run" / "config.resolved.yaml").read_text()
    answer = invoke("profile", "run", "--over", "alpha", *FAST, "--set", "data.q_tolerance=0.02", "--angles", "0,45")
    assert answer.exit_code == 1
    assert (project / "run" / "config.resolved.yaml").read_text() == before


def test_a_damaged_result_is_made_again(project, calls):
    path = project / "run" / "results" / "01-fit.wilks"
    before = wilks.load(path).best
    path.write_bytes(path.read_bytes()[:-10])
    answer = again()
    assert answer.exit_code == 0, answer.output
    assert "The saved result is not used, the work is taken from the log:" in answer.output
    assert wilks.load(path).best == before


def test_a_fit_that_cannot_begin_leaves_the_folder_free(project, calls):
    arguments = ["fit", "sample.h5", *FIT, "--out", "other"]
    answer = invoke(*arguments, "--memory", "1")
    assert answer.exit_code == 2
    assert "0.001 kB of memory are not enough" in answer.stderr
    assert invoke(*arguments).exit_code == 0


def test_not_converged_is_3(project):
    answer = invoke("fit", "sample.h5", *FIT, "--out", "other", "--set", "fit.max_iterations=1", "--starts", "1")
    assert answer.exit_code == 3
    assert "The fit did not converge." in answer.output
    assert (project / "other" / "result.json").exists()


def test_quiet_says_nothing(project):
    answer = again("-q")
    assert (answer.exit_code, answer.output) == (0, "")


def test_the_data_file_of_a_run_is_gone(project):
    (project / "sample.h5").rename(project / "renamed.h5")
    answer = invoke("fit", "run")
    assert answer.exit_code == 1
    assert answer.stderr == (
        f"run: the data file of this run, {project}/sample.h5, is not there; bring it back, or say where it is: "
        "--set data.file=FILE\n"
    )
    assert invoke("info", "run").exit_code == 0
    answer = invoke("fit", "run", *FAST, "--set", "data.file=renamed.h5")
    assert answer.exit_code == 0, answer.output


def test_folder_and_data_are_moved_together(project, tmp_path, monkeypatch, calls):
    project.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    answer = invoke("fit", "elsewhere/run", *FAST)
    assert answer.exit_code == 0, answer.output
    assert "nothing is repeated" in answer.output
    monkeypatch.chdir(tmp_path / "elsewhere" / "run")
    answer = invoke("fit", ".", *FAST)
    assert "nothing is repeated" in answer.output
    assert f"Results: {tmp_path}/elsewhere/run\n" in answer.output
    assert calls == []
