"""Exports of a log, sample files among them."""

import sys

import h5py
import numpy as np
import pytest

import wilks
from tests.unit.store.examples import full_disk, make_evaluations, make_problem, names_in
from wilks.core.errors import CheckpointError, InvalidConfigurationError, MissingDependencyError
from wilks.core.proposal import Evaluations
from wilks.store import backend, memory
from wilks.store.exports import export
from wilks.store.log import EvaluationLog
from wilks.store.samples import read_samples


@pytest.fixture
def filled(monkeypatch):
    """A log of 250 rows in two stages that is streamed in blocks of 100."""
    monkeypatch.setattr(memory, "BLOCK_ROWS", 100)
    with EvaluationLog() as log:
        log.bind(make_problem())
        log.stage("1", "First stage").commit(make_evaluations(0, 130))
        log.stage("2", "Second").commit(make_evaluations(130, 120))
        yield log


@pytest.fixture
def mixed():
    """A log with parameters of every kind, some with awkward names."""
    space = wilks.Space(
        {
            "a/b": wilks.Real(0, 1, unit="km/s", label="$v$"),
            "n": wilks.Integer(-2, 2),
            "g": wilks.Grid([0.5, 2.0]),
            "kind": wilks.Categorical(["deep red", "blue"]),
            "flag": wilks.Categorical([True, False]),
            "order": wilks.Categorical([1, 2, 4]),
            "either": wilks.Categorical(["x", 1, None]),
            "stage": wilks.Real(0, 1),
            "a_b": wilks.Real(0, 1),
            "fixed": 3.0,
        }
    )
    thetas = np.array([[0.1, -2.0, 0.5, 0.0, 1.0, 2.0, 2.0, 0.25, 0.75], [0.2, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.5]])
    with EvaluationLog() as log:
        log.bind(wilks.LikelihoodProblem(space, lambda values: 0.0, name="mixed"))
        log.stage("s", "The stage").commit(
            Evaluations(
                ids=np.arange(2),
                thetas=thetas,
                phases=np.array([7, 0], np.int8),
                log_likelihoods=np.array([-1.5, -np.inf]),
                statuses=np.array([0, 2], np.int8),
                seconds=np.array([0.5, 0.25], np.float32),
                workers=np.array([10, 20], np.int32),
            )
        )
        yield log


def test_csv_has_the_format_of_sample_files(filled, tmp_path):
    path = export(filled, tmp_path / "new" / "samples.csv")
    lines = path.read_text().splitlines()
    assert len(lines) == 250
    assert lines[1] == ", ".join(f"{x:.10e}" for x in (0.001, np.sin(1), 1.0, -0.001, 1.0))
    assert lines[1] == "1.0000000000e-03, 8.4147098481e-01, 1.0000000000e+00, -1.0000000000e-03, 1.0000000000e+00"
    assert lines[6].endswith(", -inf, 7.0000000000e+00")
    assert names_in(path.parent) == ["samples.csv"]


def test_hdf5_has_the_format_of_sample_files(filled, tmp_path):
    path = export(filled, tmp_path / "samples.h5")
    with h5py.File(path) as file:
        samples = file["samples"]
        assert samples.shape == (250, 5)
        assert samples.dtype == np.float64
        assert samples.chunks is not None
        assert list(samples.attrs["columns"]) == ["a", "b", "n", "log_likelihood", "phase"]
        assert "3 suspect" in samples.attrs["phase_legend"]
        assert samples.attrs["problem"] == "hill"


@pytest.mark.parametrize(
    ("name", "tolerance"), [("s.csv", 1e-10), ("s.h5", 0.0), ("s.HDF5", 0.0), ("s.he5", 0.0), ("s.txt", 1e-10)]
)
def test_sample_files_round_trip(filled, tmp_path, name, tolerance):
    back, wrote = read_samples(export(filled, tmp_path / name)), filled.arrays()
    expected = np.column_stack([wrote["thetas"], wrote["log_likelihoods"], wrote["phases"]])
    np.testing.assert_allclose(back, expected, rtol=tolerance, atol=0)


def test_parquet(mixed, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(export(mixed, tmp_path / "log.parquet"))
    assert table.to_pydict() == {
        "a/b": [0.1, 0.2],
        "n": [-2, 2],
        "g": [0.5, 2.0],
        "kind": ["deep red", "blue"],
        "flag": [False, True],
        "order": [4, 1],
        "either": ["None", "x"],
        "stage": [0.25, 0.5],
        "a_b": [0.75, 0.5],
        "log_likelihood": [-1.5, -np.inf],
        "phase": ["search", "global"],
        "status": ["ok", "failed"],
        "seconds": [0.5, 0.25],
        "worker": [10, 20],
        "stage_": ["The stage", "The stage"],
    }
    assert table.schema.field("a/b").metadata == {b"unit": b"km/s"}
    assert table.schema.metadata[b"problem"] == b"mixed"


def test_parquet_in_blocks(filled, tmp_path):
    import pyarrow.parquet as pq

    path = export(filled, tmp_path / "log.parquet")
    assert pq.ParquetFile(path).num_row_groups == 3
    table = pq.read_table(path)
    np.testing.assert_array_equal(table["a"].to_numpy(), np.arange(250) / 1000)
    assert table["stage"].to_pylist() == ["First stage"] * 130 + ["Second"] * 120


def test_parquet_without_pyarrow(filled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"parquet export needs pyarrow: pip install 'wilks\[parquet\]'"):
        export(filled, tmp_path / "log.parquet")
    assert not list(tmp_path.iterdir())


def test_netcdf(mixed, tmp_path):
    """The rules of netCDF-4 classic, read with h5py; xarray, h5netcdf and netCDF4 were tried on these files by hand."""
    with h5py.File(export(mixed, tmp_path / "log.nc")) as file:
        assert file.attrs["_nc3_strict"] == 1
        assert file["evaluation"].is_scale
        assert file["evaluation"][:].tolist() == [0, 1]
        names = [name for name in file if name != "evaluation"]
        for name in names:
            assert file[name].dims[0][0].name == "/evaluation"
            assert file[name].dtype in (np.float64, np.float32, np.int32, np.int8)
            for value in file[name].attrs.values():  # no text of variable length
                assert not isinstance(value, str)
        assert file["a_b"].attrs["units"] == b"km/s"
        assert file["a_b"].attrs["long_name"] == b"$v$"
        assert file["a_b"][:].tolist() == [0.1, 0.2]
        assert file["a_b_"][:].tolist() == [0.75, 0.5]
        assert file["n"].dtype == np.int32
        assert file["n"][:].tolist() == [-2, 2]
        assert file["g"][:].tolist() == [0.5, 2.0]
        assert file["kind"].attrs["flag_meanings"] == b"deep_red blue"
        assert file["kind"].attrs["flag_values"].tolist() == file["kind"][:].tolist() == [0, 1]
        assert file["log_likelihood"][:].tolist() == [-1.5, -np.inf]
        assert file["status"].attrs["flag_meanings"] == b"ok excluded failed violated lost"
        assert file["stage_"].attrs["flag_meanings"] == b"The_stage"


def test_netcdf_in_blocks(filled, tmp_path):
    with h5py.File(export(filled, tmp_path / "log.nc")) as file:
        for name, column in (("a", "thetas"), ("worker", "workers"), ("stage", "stages"), ("seconds", "seconds")):
            expected = filled.arrays()[column]
            np.testing.assert_array_equal(file[name][:], expected[:, 0] if name == "a" else expected)


@pytest.mark.parametrize("name", ["s.csv", "s.h5", "s.parquet", "s.nc"])
def test_a_log_without_evaluations(tmp_path, name):
    with EvaluationLog() as log:
        with pytest.raises(CheckpointError, match="nothing to export: the log belongs to no problem yet"):
            export(log, tmp_path / name)
        log.bind(make_problem())
        assert export(log, tmp_path / name).exists()
        if name == "s.h5":
            assert read_samples(tmp_path / name).shape == (0, 5)
        if name == "s.csv":
            assert not (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["s.csv", "s.h5", "s.parquet", "s.nc"])
def test_an_existing_file_is_kept(filled, tmp_path, name):
    path = tmp_path / name
    path.write_text("precious")
    with pytest.raises(InvalidConfigurationError, match=rf"{name}: exists already; .* pass overwrite=True"):
        export(filled, path)
    assert path.read_text() == "precious"
    export(filled, path, overwrite=True)
    assert path.read_bytes()[:8] != b"precious"


@pytest.mark.parametrize("name", ["s.csv", "s.h5", "s.parquet", "s.nc"])
def test_a_failed_export_leaves_no_half_file(filled, tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_text("precious")
    whole = type(filled).iter_batches

    def break_off(log):
        yield next(whole(log))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EvaluationLog, "iter_batches", break_off)
    with pytest.raises(CheckpointError, match=rf"{name}: cannot be written: No space left on device"):
        export(filled, path, overwrite=True)
    assert names_in(tmp_path) == [name]
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["s.csv", "s.h5", "s.parquet", "s.nc"])
def test_a_full_disk(filled, tmp_path, name):
    with full_disk(3000), pytest.raises(CheckpointError, match=rf"{name}: cannot be written: .*File too large"):
        export(filled, tmp_path / name)
    assert not names_in(tmp_path)
    assert export(filled, tmp_path / name).stat().st_size > 3000


def test_formats(filled, tmp_path):
    assert export(filled, tmp_path / "samples.dat", "csv").read_text().startswith("0.0")
    with pytest.raises(InvalidConfigurationError, match="expected one of csv, hdf5, parquet, netcdf, got 'xls'"):
        export(filled, tmp_path / "s.csv", "xls")
    with pytest.raises(InvalidConfigurationError, match=r"s\.dat: expected a name that ends in one of \.csv, .*dat"):
        export(filled, tmp_path / "s.dat")


def test_export_streams(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(EvaluationLog, "arrays", None)
    for name in ("s.csv", "s.h5", "s.parquet", "s.nc"):
        export(filled, tmp_path / name)
    assert backend.BLOCK_ROWS == 65_536
