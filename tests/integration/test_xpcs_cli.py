"""From a beamline's file to numbers, pictures and a report with one command, also if it is interrupted or killed."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import wilks
from wilks import xpcs
from wilks.cli.main import app
from wilks.xpcs import files

SOURCE = Path(wilks.__file__).parents[1]
RUNNER = CliRunner()
VALUES = {
    "D0": 2e4,
    "alpha": -0.5,
    "D_offset": 0.0,
    "gamma_dot_0": 6e-3,
    "beta": -0.2,
    "gamma_dot_offset": 0.0,
    "phi0": -5.0,
}
FREE = ("D0", "alpha", "gamma_dot_0", "beta", "phi0")
PHI = np.array([-60.0, -20.0, 20.0, 60.0])
OPTIONS = [
    *("--gap", "2e6", "--fix", "D_offset=0", "--fix", "gamma_dot_offset=0"),
    *("--starts", "100", "--set", "fit.kernel=numpy", "--set", "fit.n_threads=1"),
]
STATIC = ["--mode", "static", "--fix", "D_offset=0", "--starts", "100", "--set", "fit.kernel=numpy"]
NUMBERS_ONLY = ["--no-pictures", "--no-report"]

STRUCK = """
import os, signal, sys
from wilks.loop.progress import Progress

def strike(self, info):
    if {where!r} in info.title + info.activity:
        os.kill(os.getpid(), {number})

Progress.__call__ = strike
from wilks.cli.main import main
main()
"""
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({n}, resource.RLIM_INFINITY))
from wilks.cli.main import main
main()
"""
PLAIN = "from wilks.cli.main import main; main()"


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


def process(code, *arguments, folder):
    """Run a command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "xpcs", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def numbers(folder):
    """All numbers of a result, without those that tell how it was made."""
    found = json.loads((folder / "result.json").read_text())
    for name in ("n_evaluations", "provenance", "strategy", "stats"):
        found.pop(name, None)
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The measurement in all layouts, with another wave vector in those that may have one."""
    folder = tmp_path_factory.mktemp("data")
    measured = [
        xpcs.simulate(VALUES, xpcs.Geometry(0.1 * np.arange(60), 0.1, q, 2e6, PHI), sigma=0.003, seed=1)
        for q in (0.0054, 0.008)
    ]
    files.write(folder / "aps_u.h5", measured, layout="aps_u")
    files.write(folder / "aps_old.h5", measured, layout="aps_old")
    files.write(folder / "plain.npz", measured[0], layout="npz")
    still = xpcs.Geometry(0.1 * np.arange(40), 0.1, 0.0054, None, np.array([0.0, 90.0]))
    static = {name: VALUES[name] for name in ("D0", "alpha", "D_offset")}
    files.write(folder / "static.h5", xpcs.simulate(static, still, mode="static", sigma=0.02, seed=1))
    return folder


@pytest.fixture(scope="module")
def undisturbed(written):
    """The run of a whole analysis: its folder, and what it has printed."""
    answer = process(PLAIN, "fit", "aps_u.h5", "--q", "0.0054", *OPTIONS, "--out", "run", folder=written)
    assert answer.returncode == 0, answer.stderr
    return written / "run", answer


class TestTheWhole:
    def test_everything_is_there(self, undisturbed):
        run, answer = undisturbed
        assert not answer.stderr
        for name in ("config.resolved.yaml", "run.sqlite", "results/01-fit.wilks", "results/index.json"):
            assert (run / name).is_file(), name
        for name in ("result.json", "result.npz", "result.h5", "report.html"):
            assert (run / name).stat().st_size > 1000, name
        pictures = sorted((run / "pictures").glob("*.png"))
        assert len(pictures) >= 5
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
        assert f"Results: {run}, {len(pictures)} pictures\nReport: {run}/report.html\n" in answer.stdout
        assert not [path for path in run.rglob("*") if ".part" in path.name]

    def test_the_numbers_are_those_of_the_engine_and_near_the_truth(self, undisturbed, written):
        run, _ = undisturbed
        fixed = {"D_offset": 0.0, "gamma_dot_offset": 0.0}
        options = xpcs.FitOptions(n_starts=100, kernel="numpy", n_threads=1)
        data = files.read(written / "aps_u.h5", 0.0054, gap=2e6)
        expected = xpcs.fit(data, parameters=fixed, options=options, seed=1, callbacks=())
        saved = wilks.load(run / "results" / "01-fit.wilks")
        for name in FREE:
            assert saved.values[name] == pytest.approx(expected.values[name], rel=1e-12)
            assert abs(saved.values[name] - VALUES[name]) < 4 * saved.standard_errors[name]

    def test_every_file_has_the_numbers_that_the_terminal_shows(self, undisturbed):
        run, answer = undisturbed
        plain, saved = numbers(run), wilks.load(run / "results" / "01-fit.wilks")
        with np.load(run / "result.npz") as arrays, h5py.File(run / "result.h5") as file:
            assert len(arrays.files) > 5
            assert len(file) > 1
        shown = dict(re.findall(r"^(\w+) +(-?[\d.]+(?:e[-+]\d+)?)(?: ±|  )", answer.stdout, re.MULTILINE))
        for name in FREE:
            found = plain["parameters"][name]
            assert (found["value"], found["standard_error"]) == (saved.values[name], saved.standard_errors[name])
            assert float(shown[name]) == pytest.approx(found["value"], abs=0.06 * found["standard_error"])
        assert f"reduced chi-squared {plain['reduced_chi_squared']:.4f}" in re.sub(" +", " ", answer.stdout)

    @pytest.mark.parametrize(("name", "q"), [("aps_old.h5", ["--q", "0.0054"]), ("plain.npz", [])])
    def test_other_layouts_have_the_same_numbers(self, undisturbed, written, tmp_path, name, q):
        answer = invoke("fit", written / name, *q, *OPTIONS, *NUMBERS_ONLY, "--out", tmp_path / "run")
        assert answer.exit_code == 0, answer.output
        ours, theirs = numbers(tmp_path / "run"), numbers(undisturbed[0])
        for parameter in FREE:
            found, expected = ours["parameters"][parameter], theirs["parameters"][parameter]
            assert abs(found["value"] - expected["value"]) < 0.05 * expected["standard_error"]  # single precision
        assert sorted(path.name for path in (tmp_path / "run").glob("result.*")) == [
            "result.h5",
            "result.json",
            "result.npz",
        ]

    def test_a_configuration_and_a_run_say_the_same(self, undisturbed, written, tmp_path):
        run, _ = undisturbed
        text = (run / "config.resolved.yaml").read_text()
        assert "file: ../aps_u.h5" in text
        (written / "analysis.yaml").write_text(text.replace("../", "").replace("folder: .", "folder: null"))
        answer = invoke("fit", written / "analysis.yaml", *NUMBERS_ONLY, "--out", tmp_path / "again")
        assert answer.exit_code == 0, answer.output
        assert numbers(tmp_path / "again") == numbers(run)


def test_a_map_after_the_fit_does_not_fit_again(written, tmp_path, monkeypatch):
    answer = invoke("fit", written / "static.h5", *STATIC, *NUMBERS_ONLY, "--out", tmp_path / "run")
    assert answer.exit_code == 0, answer.output
    monkeypatch.setattr(xpcs, "fit", None)
    answer = invoke("profile", tmp_path / "run", "--over", "D0,alpha", "--grid", "3,3", "--report")
    assert "The fit was finished before; nothing is repeated." in answer.output
    assert answer.exit_code == 0, answer.output
    assert "profile over D0, alpha" in answer.output
    assert "profile over D0, alpha" in (tmp_path / "run" / "report.html").read_text()


class TestInterrupted:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
    def test_during_the_fit_on_all_data(self, undisturbed, tmp_path, number, code):
        run = tmp_path / "my run"
        arguments = ["fit", undisturbed[0].parent / "aps_u.h5", "--q", "0.0054", *OPTIONS, *NUMBERS_ONLY, "--out", run]
        strike = STRUCK.format(where="all data", number=int(number))
        answer = process(strike, *arguments, folder=tmp_path)
        assert answer.returncode == code, answer.stderr
        assert not answer.stderr
        assert not (run / "results").exists()
        with wilks.EvaluationLog(run / "run.sqlite", read_only=True) as log:
            n_before = len(log)
        if number != signal.SIGKILL:  # which leaves no time to write down the last moments
            assert n_before > 0
            assert "Interrupted; this is the best so far." in answer.stdout
            assert answer.stdout.endswith(f"\ninterrupted; continue with: wilks xpcs fit '{run}'\n")
        refused = invoke(*arguments)
        assert refused.exit_code == 1
        assert "there is a run in this folder; use --resume to go on with it" in refused.stderr
        again = invoke("fit", run) if number == signal.SIGINT else invoke(*arguments, "--resume")
        assert again.exit_code == 0, again.output
        assert numbers(run) == numbers(undisturbed[0])
        assert wilks.load(run / "results" / "01-fit.wilks").stats["n_reused"] == n_before

    def test_during_a_map(self, written, tmp_path):
        """Going on with the folder alone makes the map that was asked for."""
        arguments = [written / "static.h5", *STATIC, *NUMBERS_ONLY, "--out", "run"]
        strike = STRUCK.format(where="map, ", number=int(signal.SIGINT))
        answer = process(strike, "profile", *arguments, "--over", "alpha", "--grid", "6", folder=tmp_path)
        assert answer.returncode == 130, answer.stderr
        assert answer.stdout.endswith(f"\ninterrupted; continue with: wilks xpcs fit {tmp_path}/run\n")
        results = tmp_path / "run" / "results"
        assert [path.name for path in results.glob("*.wilks")] == ["01-fit.wilks"]
        again = invoke("fit", tmp_path / "run")
        assert again.exit_code in (0, 3), again.output
        assert "The fit was finished before; nothing is repeated." in again.output
        assert len(wilks.load(results / "02-profile-over-alpha.wilks").axes["alpha"]) == 6


@pytest.mark.parametrize(("n_bytes", "name"), [(8_000, "run.sqlite"), (140_000, "result.npz")])
def test_a_full_disk(undisturbed, tmp_path, n_bytes, name):
    """The first limit is reached by the log, the second by what is written after the fit."""
    arguments = ["fit", undisturbed[0].parent / "aps_u.h5", "--q", "0.0054", *OPTIONS, *NUMBERS_ONLY, "--out", "run"]
    answer = process(LIMITED.format(n=n_bytes), *arguments, folder=tmp_path)
    assert answer.returncode == 1, answer.stdout
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith(f"{tmp_path}/run/{name}: ")
    assert not [path for path in (tmp_path / "run").rglob("*") if ".part" in path.name]
    again = invoke(*arguments[:-1], tmp_path / "run", "--resume")
    assert again.exit_code == 0, again.output
    assert numbers(tmp_path / "run") == numbers(undisturbed[0])


def test_not_converged_is_3_and_wrong_usage_2(written, tmp_path):
    source = [written / "aps_u.h5", "--q", "0.0054", *NUMBERS_ONLY, "--out", tmp_path / "run"]
    answer = invoke("fit", *source, *OPTIONS[:6], "--starts", "1", "--set", "fit.max_iterations=1")
    assert answer.exit_code == 3, answer.output
    assert json.loads((tmp_path / "run" / "result.json").read_text())["success"] is False
    assert invoke("fit").exit_code == 2
    assert invoke("fit", *source, "more").exit_code == 2
    assert invoke("profile", *source).exit_code == 2


def test_going_on_from_the_data_file_keeps_the_maps_of_the_run(written, tmp_path):
    given = (*STATIC, *NUMBERS_ONLY, "--out", tmp_path / "run")
    answer = invoke("profile", written / "static.h5", *given, "--over", "alpha", "--grid", "5")
    assert answer.exit_code == 0, answer.output
    answer = invoke("fit", written / "static.h5", *given, "--resume")
    assert answer.exit_code == 0, answer.output
    assert "profile over alpha: finished before" in answer.output
    assert "over: [alpha]" in (tmp_path / "run" / "config.resolved.yaml").read_text()
