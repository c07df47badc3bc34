"""`wilks export`: the evaluations of a run, and its maps."""

import numpy as np
import pytest
from typer.testing import CliRunner

import wilks
from tests.unit.cli.test_config import configured
from wilks.cli.export import export_run
from wilks.cli.folder import RunFolder
from wilks.cli.main import app
from wilks.cli.run import numbered
from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.store.samples import read_samples

SPACE = wilks.Space(a=wilks.Real(-3, 3), b=wilks.Real(-3, 3))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2), name="small")
CONFIG = "problem: a:b\nstages:\n  - profile: {over: [a], grid: [9], audit: 0}\n"
MORE = "  - profile: {over: [b], grid: [7], audit: 0}\n"
FIT = "  - fit: {n_starts: 3}\n"


def make_run(path, text, n_finished=None):
    """A run folder with the results of the first stages, as `wilks run` leaves it."""
    folder = RunFolder(path)
    folder.create()
    config = configured(text, str(path / "config.yaml"))
    folder.write_config(config.resolved())
    with wilks.EvaluationLog(folder.log) as log:
        for number, stage, title in list(numbered(config))[:n_finished]:
            common = {"log": log, "seed": config.seed, "callbacks": ()}
            if stage.verb == "fit":
                result = wilks.fit(PROBLEM, n_starts=3, **common)
            else:
                result = wilks.profile(PROBLEM, over=stage.over, grid=[9], audit=0, **common)
            folder.finish(stage.key(config.seed), number, title, result)
    return path


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "one", CONFIG)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "two", CONFIG + FIT + MORE)


@pytest.mark.parametrize(("kind", "name"), [("netcdf", "map.nc"), ("npz", "map.npz"), ("csv", "map.csv")])
def test_one_map_is_one_file(one, tmp_path, kind, name):
    assert export_run(one, kind, tmp_path / name, overwrite=False, maps=True) == [tmp_path / name]
    if kind == "npz":
        with np.load(tmp_path / name) as data:
            assert data["log_likelihood"].shape == (9,)
            assert data["over"].tolist() == ["a"]
    assert (tmp_path / name).stat().st_size


def test_maps_go_to_the_run_folder(two):
    paths = export_run(two, "npz", None, overwrite=False)
    assert [path.relative_to(two).as_posix() for path in paths] == [
        "maps/01-profile-of-a.npz",
        "maps/03-profile-of-b.npz",
    ]
    with pytest.raises(InvalidConfigurationError, match=r"01-profile-of-a\.npz: exists already; use --overwrite"):
        export_run(two, "npz", None, overwrite=False)
    assert export_run(two, "npz", None, overwrite=True) == paths


def test_several_maps_go_to_a_folder(two, tmp_path):
    paths = export_run(two, "netcdf", tmp_path / "out", overwrite=False, maps=True)
    assert [path.name for path in paths] == ["01-profile-of-a.nc", "03-profile-of-b.nc"]
    assert all(path.parent == tmp_path / "out" for path in paths)
    (tmp_path / "file.nc").touch()
    with pytest.raises(InvalidConfigurationError, match=r"--output: 2 maps need a folder, .*file\.nc is a file"):
        export_run(two, "netcdf", tmp_path / "file.nc", overwrite=True, maps=True)


def test_evaluations_are_exported_by_default(two, tmp_path):
    (path,) = export_run(two, "csv", tmp_path / "points.csv", overwrite=False)
    with wilks.EvaluationLog(two / "run.sqlite", read_only=True) as log:
        assert len(read_samples(path)) == len(log)
    (path,) = export_run(two, "netcdf", None, overwrite=False)
    assert path == two / "samples.nc"


def test_formats_of_maps(one):
    for kind in ("hdf5", "parquet"):
        with pytest.raises(
            InvalidConfigurationError, match=f"--format: expected one of netcdf, npz, csv, got '{kind}'"
        ):
            export_run(one, kind, None, overwrite=False, maps=True)


@pytest.mark.parametrize(("text", "n_finished"), [("problem: a:b\nstages:\n" + FIT, 1), (CONFIG, 0)])
def test_a_run_without_a_map(tmp_path, text, n_finished):
    make_run(tmp_path, text, n_finished)
    with pytest.raises(CheckpointError, match="no profile stage of this run is finished, there is no map to export"):
        export_run(tmp_path, "npz", None, overwrite=False)


def test_the_command(two, tmp_path):
    runner = CliRunner()
    answer = runner.invoke(app, ["export", str(two), "--maps", "-f", "csv", "-o", str(tmp_path)])
    assert answer.exit_code == 0
    assert answer.output.split() == [f"{tmp_path}/01-profile-of-a.csv", f"{tmp_path}/03-profile-of-b.csv"]
    assert (tmp_path / "01-profile-of-a.csv").read_text().startswith("a,log_likelihood,b,in_roi,status\n-3.0,")
    answer = runner.invoke(app, ["export", str(two), "-f", "xls"])
    assert answer.exit_code == 2
