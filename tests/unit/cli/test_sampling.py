"""The stage `sample`: settings, the run with its certificate and exit code, resume, status, and the draws as files."""

import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import wilks
from tests.unit.cli.test_config import configured, message_of, with_stages
from tests.unit.verbs.drawn import FAILED, drawn
from wilks.cli import run as cli_run
from wilks.cli.export import export_run
from wilks.cli.folder import RunFolder
from wilks.cli.main import app
from wilks.cli.sampling import METHODS, Sample
from wilks.core.errors import CheckpointError, InvalidConfigurationError

MODEL = """\
import wilks

space = wilks.Space(a=wilks.Real(-9, 9, unit="m"), b=wilks.Real(-9, 9))
problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2), name="tied")
"""
CONFIG = """\
problem: model.py:problem
stages:
  - fit: {n_starts: 2}
  - sample: {n_draws: 1000}
  - compare: {}
  - report: {}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder, and what the command printed."""
    base = tmp_path_factory.mktemp("sampling")
    (base / "model.py").write_text(MODEL)
    (base / "config.yaml").write_text(CONFIG)
    answer = CliRunner().invoke(app, ["run", str(base / "config.yaml")])
    assert answer.exit_code == 0, answer.output
    return base / "run", answer.output


def test_settings_and_headings():
    text = "  - sample:\n  - sample: {method: nuts, options: {target_accept: 0.95}, n_draws: 500, fix: {w: -1.0}}\n"
    first, second = configured(with_stages(text)).stages
    assert first == Sample()
    assert (first.method, first.n_draws, first.made()) == ("auto", 4000, None)
    assert second.made() == wilks.Nuts(target_accept=0.95)
    assert (first.heading(), second.heading()) == ("posterior", "posterior by nuts with w=-1.0")
    assert first.key(1) != second.key(1)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_made(method):
    made = Sample(method=method).made()
    assert type(made).__name__ == METHODS[method]
    assert getattr(made, "sampling", True)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{method: nutz}", "method: unknown method 'nutz', did you mean 'nuts'?"),
        ("{draws: 5}", "draws: unknown key, did you mean 'n_draws'?"),
        ("{n_draws: 5}", "n_draws: expected a number >= 100, got 5"),
        ("{options: {n_chains: 2}}", "options: options belong to a method, and none is chosen; set 'method' to one of"),
        ("{method: nuts, options: {n_chain: 2}}", "options.n_chain: Nuts has no option 'n_chain', did you mean 'n_ch"),
        ("{method: nuts, options: {n_chains: 0}}", "options.n_chains: expected an integer >= 1, got 0"),
        ("{method: tempering, options: {betas: [2.0]}}", "options."),
    ],
)
def test_what_is_wrong_is_named_with_its_place(settings, expected):
    message = message_of(with_stages(f"  - sample: {settings}\n"))
    assert message.startswith(f"config.yaml:3: stages.0.sample.{expected}")


def test_a_run_leaves_the_result_its_pictures_and_the_certificate(finished):
    folder, output = finished
    posterior = wilks.load(folder / "results" / "02-posterior.wilks")
    assert posterior.certificate.ok
    assert posterior.standard_deviations["a"] == pytest.approx(1.0, abs=0.15)
    assert {"02-posterior-pair.png", "02-posterior-forest.png"} <= {p.name for p in (folder / "pictures").iterdir()}
    for check in posterior.certificate.checks:
        assert check.name in output
    assert "contraction" in output
    assert "The results agree." in output
    assert "Certificate" in (folder / "report.html").read_text("utf-8")


def test_going_on_repeats_nothing_and_status_shows_it(finished, unpainted):
    runner, folder = CliRunner(), finished[0]
    answer = runner.invoke(app, ["run", str(folder), "--resume"])
    assert answer.exit_code == 0
    assert answer.output.count("Finished before; nothing is repeated.") == 2
    answer = runner.invoke(app, ["status", str(folder)])
    assert answer.exit_code == 0
    assert "2 of 2 stages finished: fit; posterior" in answer.output


def test_it_begins_from_the_fit_before_it_and_a_certificate_that_fails_is_exit_code_3(tmp_path, monkeypatch):
    (tmp_path / "other.py").write_text(MODEL)
    stages = "  - sample: {}\n  - fit: {n_starts: 2}\n  - sample: {n_draws: 500}\n  - sample: {start: {a: 1, b: 2}}\n"
    (tmp_path / "config.yaml").write_text(f"problem: other.py:problem\nstages:\n{stages}")
    given = []

    def sample(problem, method, **options):
        given.append(options | {"method": method})
        return drawn(problem, [0, 0], [[1, 1], [1, 2]], n=500, certificate=FAILED)

    monkeypatch.setattr(wilks, "sample", sample)
    monkeypatch.setattr(cli_run, "draw_pictures", lambda *_, **__: [])
    answer = CliRunner().invoke(app, ["run", str(tmp_path / "config.yaml")])
    assert answer.exit_code == 3
    assert "R-hat" in answer.output
    assert "FAILS" in answer.output
    assert "draw longer chains" in answer.output
    first, second, third = given
    assert (first["method"], first["start"], first["n_draws"], first["seed"]) == (None, None, 4000, 1)
    assert second["start"].standard_errors["a"] == pytest.approx(1.0, abs=0.01)
    assert second["n_draws"] == 500
    assert third["start"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("kind", ["csv", "parquet", "hdf5", "netcdf"])
def test_draws_are_exported(finished, tmp_path, kind):
    posterior = wilks.load(finished[0] / "results" / "02-posterior.wilks")
    (path,) = export_run(finished[0], kind, tmp_path / "draws.file", overwrite=False, draws=True)
    if kind in ("csv", "parquet"):
        table = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
        pd.testing.assert_frame_equal(table, posterior.to_dataframe())
    elif kind == "hdf5":
        with h5py.File(path) as file:
            assert list(file) == ["a", "b", "log_likelihood", "log_prior"]
            np.testing.assert_array_equal(file["a"], posterior.draws["a"])
            assert file["a"].attrs["units"] == b"m"
            assert file.attrs["certificate"] == b"every check holds"
    else:
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["posterior/a"], posterior.draws["a"])


def test_the_command_writes_draws_into_the_run_folder(finished):
    runner, folder = CliRunner(), finished[0]
    answer = runner.invoke(app, ["export", str(folder), "--draws", "-f", "csv"])
    assert answer.output.split() == [f"{folder}/draws/02-posterior.csv"]
    answer = runner.invoke(app, ["export", str(folder), "--draws", "-f", "csv"])
    assert answer.exit_code == 2
    assert "exists already; use --overwrite" in answer.output


def test_what_cannot_be_exported(finished, tmp_path):
    with pytest.raises(InvalidConfigurationError, match="--maps, --draws: these are different files"):
        export_run(finished[0], "csv", None, overwrite=False, maps=True, draws=True)
    with pytest.raises(InvalidConfigurationError, match="expected one of csv, hdf5, parquet, netcdf, got 'npz'"):
        export_run(finished[0], "npz", None, overwrite=False, draws=True)
    folder = RunFolder(tmp_path)
    folder.create()
    folder.write_config(configured(with_stages("  - sample: {}\n"), str(tmp_path / "config.yaml")).resolved())
    with pytest.raises(CheckpointError, match="no sample stage of this run is finished, there is no posterior to"):
        export_run(tmp_path, "csv", None, overwrite=False, draws=True)
