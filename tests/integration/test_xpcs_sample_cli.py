"""The posterior of a file with one command: everything is there, interruption changes nothing, failure is told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import wilks
from wilks import xpcs
from wilks.cli.main import app
from wilks.xpcs import files
from wilks.xpcs.configuration import load
from wilks.xpcs.report import write_report
from wilks.xpcs.report_posterior import section

SOURCE = Path(wilks.__file__).parents[1]
RUNNER = CliRunner()
TRUTH = {"D0": 2e4, "alpha": -0.5, "D_offset": 0.0}
OPTIONS = ["--mode", "static", "--fix", "D_offset=0", "--starts", "60", "--method", "importance", "--draws", "1000"]
PRIOR = ["--prior", "D0=lognormal(1e4, 1.5)"]
NUMBERS_ONLY = ["--no-pictures", "--no-report", "--formats", "json"]

STRUCK = """
import os, signal
from wilks.loop.progress import Progress

def strike(self, info):
    if "importance" in info.title:
        os.kill(os.getpid(), signal.SIGINT)

Progress.__call__ = strike
from wilks.cli.main import main
main()
"""


def invoke(*arguments):
    return RUNNER.invoke(app, ["xpcs", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    place = xpcs.Geometry(0.1 * np.arange(40), 0.1, 0.0054, None, np.array([0.0, 90.0]))
    files.write(folder / "rest.h5", xpcs.simulate(TRUTH, place, mode="static", sigma=0.02, seed=1))
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """The run of a fit that a posterior for correlated noise is drawn after, with all pictures of that."""
    run = folder / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wilks.xpcs.pictures.renderings", lambda _: iter(()))  # those of the fit have their own tests
        answer = invoke(
            "sample", folder / "rest.h5", *OPTIONS, *PRIOR, "--noise", "correlated", "--no-report", "--out", run
        )
    assert answer.exit_code == 0, answer.output
    return run, answer.output


def test_everything_is_there(whole):
    run, output = whole
    posterior = wilks.load(run / "results" / "02-posterior.wilks")
    assert posterior.noise == "correlated"
    assert posterior.space["D0"].prior == wilks.LogNormal(1e4, 1.5)
    for text in ("Pareto k-hat", "Posterior and fit", "correlated noise", "moved away from the mode", "Converged."):
        assert text in output
    names = sorted(path.name for path in (run / "pictures").glob("posterior-*.png"))
    expected = ["bands", "ess", "forest", "pair", "prior", "weights"]
    assert names == [f"posterior-{name}.png" for name in expected]
    assert load(run / "config.resolved.yaml").configuration.sample.priors == {"D0": "lognormal(10000.0, 1.5)"}
    assert not list(run.glob("*.sqlite-*"))
    assert [path.name for path in run.glob("*.sqlite")] == ["run.sqlite"]


class NoFigures:
    """An artist that writes down what it was asked for."""

    def figure(self, name, caption, printed, described=None, *, size=""):
        return f"[{name}: {caption}]"


@pytest.mark.slow
def test_section_of_the_report(whole):
    run, _ = whole
    posterior = wilks.load(run / "results" / "02-posterior.wilks")
    text = section(posterior, NoFigures())
    for part in ("1,560 pairs of times, each counted once", "Posterior and fit", "Certificate", "[prior: ", "[pair: "):
        assert part in text
    assert "moved away from the mode" in text
    assert "[bands: " not in text  # they need the data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wilks.xpcs.report_posterior.section", lambda *_: "the section")
        path = write_report(posterior.fit, run / "report.html", title="x", extra=[("Posterior", posterior)], drawn=())
    assert "the section" in path.read_text()


def test_files_have_the_numbers_of_the_result(whole):
    run, _ = whole
    posterior = wilks.load(run / "results" / "02-posterior.wilks")
    plain = json.loads((run / "posterior.json").read_text())
    assert plain["parameters"]["alpha"]["mean"] == posterior.means["alpha"]
    assert plain["angles"]["contrast_sd"] == posterior.contrast_sd.tolist()
    assert plain["shared_noise"]["widening"] == posterior.shared_noise.widening
    assert plain["certificate"]["ok"] is True
    with np.load(run / "posterior.npz") as arrays:
        assert arrays["names"].tolist() == ["D0", "alpha"]
        assert np.array_equal(arrays["draws"][..., 1], posterior.draws["alpha"])
        assert np.array_equal(arrays["offset"], posterior.offset)
    xarray = pytest.importorskip("xarray")
    tree = xarray.open_datatree(run / "posterior.nc", engine="h5netcdf")
    assert np.array_equal(tree["posterior"]["contrast"], posterior.contrast)
    tree.close()


def test_a_finished_posterior_is_not_drawn_again(whole):
    run, _ = whole
    before = (run / "results" / "02-posterior.wilks").read_bytes()
    again = invoke("fit", run, *NUMBERS_ONLY)
    assert again.exit_code == 0, again.output
    assert "The posterior was finished before; nothing is repeated." in again.output
    assert (run / "results" / "02-posterior.wilks").read_bytes() == before
    assert "Posterior and fit" in invoke("info", run).output


def test_interrupted_and_resumed(folder, tmp_path):
    """Ctrl-C in the middle of the draws: exit code 130, and afterwards the draws that there would have been."""
    undisturbed = invoke("sample", folder / "rest.h5", *OPTIONS, *NUMBERS_ONLY, "--out", tmp_path / "one")
    assert undisturbed.exit_code == 0, undisturbed.output
    answer = subprocess.run(
        [sys.executable, "-c", STRUCK, "xpcs", "sample", "rest.h5", *OPTIONS, *NUMBERS_ONLY, "--out", tmp_path / "two"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 130, answer.stderr
    assert not (tmp_path / "two" / "results" / "02-posterior.wilks").exists()
    resumed = invoke("sample", tmp_path / "two")
    assert resumed.exit_code == 0, resumed.output
    assert "The fit was finished before" in resumed.output
    one, two = (wilks.load(tmp_path / name / "results" / "02-posterior.wilks") for name in ("one", "two"))
    for name in one.names:
        assert np.array_equal(one.draws[name], two.draws[name])
    assert np.array_equal(one.contrast, two.contrast)


def test_a_posterior_without_certificate_ends_with_3(folder, tmp_path, monkeypatch):
    poor = {"importance": lambda: wilks.AdaptiveImportance(max_rounds=1, n_first=20)}
    monkeypatch.setattr("wilks.xpcs.config_posterior.METHODS", poor)
    answer = invoke("sample", folder / "rest.h5", *OPTIONS, *NUMBERS_ONLY, "--out", tmp_path / "run")
    assert answer.exit_code == 3, answer.output
    assert "FAILS" in answer.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--prior", "D0=lognormal(1e4)"], "expected two numbers in 'lognormal(1e4)'"),
        (["--prior", "D0=gamma(1, 2)"], "unknown prior 'gamma'"),
        (["--prior", "D_offset=normal(0, 1)"], "is no free parameter"),
        (["--prior", "alpha=normal(0, -1)"], "positive standard deviation"),
        (["--prior", "alpha=uniform(7, 8)"], "widen the box"),
        (["--noise", "pink"], "'pink' is unknown"),
        (["--draws", "3"], "expected a number >= 100, got 3"),
        (["--loss", "huber"], "needs fit.loss: linear"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_the_data_are_read(folder, tmp_path, options, text):
    answer = invoke("sample", folder / "rest.h5", *OPTIONS[:6], *options, "--out", tmp_path / "run")
    assert answer.exit_code == 2, answer.output
    assert text in " ".join(answer.output.split())
    assert not (tmp_path / "run").exists()
