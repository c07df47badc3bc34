"""Profile maps for other programs."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import wilks
from tests.unit.store.examples import names_in
from wilks.core.cells import CellStatus
from wilks.core.errors import CheckpointError
from wilks.store.maps import write_csv

xarray = pytest.importorskip("xarray")


def open_map(path):
    """Every variable as xarray sees it, with h5py to read the file."""
    found = {}
    with h5py.File(path) as file:
        scales = {file[name].name.lstrip("/") for name in file if file[name].is_scale}
        for name, variable in file.items():
            attributes = {
                key: value.decode() if isinstance(value, bytes) else value
                for key, value in variable.attrs.items()
                if key not in ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST")
            }
            own = (name,) if name in scales else tuple(scale[0].name.lstrip("/") for scale in variable.dims)
            values = variable.asstr()[()] if h5py.check_string_dtype(variable.dtype) else variable[()]
            found[name] = xarray.Variable(own, values, attributes)
        attributes = {key: v.decode() if isinstance(v, bytes) else v for key, v in file.attrs.items()}
    coordinates = {name: found.pop(name) for name in scales}
    return xarray.decode_cf(xarray.Dataset(found, coordinates, attributes))


SPACE = wilks.Space(
    {
        "a/b": wilks.Real(0.1, 10.0, scale="log", unit="km/s", label="$v$"),
        "kind": wilks.Categorical(["deep red", "blü", "x"]),
        "t": wilks.Real(0.0, 1.0, unit="s"),
        "n": wilks.Integer(0, 2),
        "order": wilks.Categorical([4, 2]),
        "flag": wilks.Categorical([True, False]),
        "col": wilks.Categorical(["u v", "w"]),
        "status": wilks.Grid([0.5, 2.0]),
        "fixed": 3.0,
    }
)


def made_up(over, axes, surface, argmax, **more):
    """A result whose numbers are all known; its provenance is that of a small profile."""
    problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 1)), lambda v: -(v["a"] ** 2), name="mixed")
    small = wilks.profile(problem, over="a", grid=[3], seed=1, audit=0, callbacks=[])
    return replace(
        small,
        space=SPACE,
        best={"a/b": 1.0, "kind": "blü", "t": 0.5, "n": 1, "order": 2, "flag": False, "col": "u v", "status": 0.5}
        | {"fixed": 3.0},
        log_likelihood=-0.5,
        over=over,
        axes=axes,
        log_likelihood_map=surface,
        in_roi=surface > -4.5,
        argmax=argmax,
        cell_status=np.full(surface.shape, CellStatus.CONVERGED, dtype=np.int8),
        roi_threshold=4.0,
        **more,
    )


@pytest.fixture(scope="module")
def result():
    """A map over a log axis and a choice: cell (0, 0) failed, cell (12, 2) was not visited."""
    nodes, shape = np.geomspace(0.1, 10, 13), (13, 3)
    surface = -0.5 - 2 * np.log(nodes)[:, None] ** 2 - np.array([0.25, 0.0, 20.0])
    cells = np.arange(39.0).reshape(shape)
    argmax = {"t": cells / 50, "n": cells % 3, "order": np.full(shape, 1.0), "flag": np.full(shape, 1.0)}
    argmax |= {"col": cells % 2, "status": np.where(cells < 20, 0.5, 2.0)}
    for array, failed in ((surface, -np.inf), *((array, np.nan) for array in argmax.values())):
        array[0, 0], array[12, 2] = failed, np.nan
    found = made_up(("a/b", "kind"), {"a/b": nodes, "kind": np.arange(3.0)}, surface, argmax)
    found.cell_status[0, 0], found.cell_status[12, 2] = CellStatus.FAILED, CellStatus.UNVISITED
    return found


@pytest.fixture(scope="module")
def whole():
    """A map over discrete axes without a gap."""
    surface = np.array([[-4.5, -1.5], [-3.5, -0.5], [-4.5, -1.5]])
    axes = {"n": np.array([0.0, 1.0, 2.0]), "order": np.array([0.0, 1.0])}
    return made_up(("n", "order"), axes, surface, {"kind": np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]])})


def test_netcdf(result, tmp_path):
    path = result.to_netcdf(tmp_path / "new" / "map.nc")
    assert path == tmp_path / "new" / "map.nc"
    data = open_map(path)
    assert data.log_likelihood.dims == ("a_b", "kind")
    np.testing.assert_array_equal(data.a_b, result.axes["a/b"])
    assert data.kind.to_numpy().tolist() == ["deep red", "blü", "x"]
    np.testing.assert_array_equal(data.log_likelihood, result.log_likelihood_map)
    assert data.in_roi.dtype == bool
    np.testing.assert_array_equal(data.in_roi, result.in_roi)
    np.testing.assert_array_equal(data.cell_status, result.cell_status)
    assert data.cell_status.attrs["flag_meanings"].split()[:4] == ["unvisited", "converged", "not_converged", "failed"]
    assert data.cell_status.attrs["flag_values"].tolist() == [int(status) for status in CellStatus]
    for name in ("t", "n", "col", "flag", "status"):
        np.testing.assert_array_equal(data[name], result.argmax[name], err_msg=name)
        assert data[name].dims == ("a_b", "kind")
    # The index of a number is not the number.
    np.testing.assert_array_equal(data["order"], np.where(np.isnan(result.argmax["order"]), np.nan, 2))
    assert data.col.attrs["flag_meanings"] == "u_v w"
    assert data.flag.attrs["flag_meanings"] == "True False"
    assert (data.a_b.attrs["units"], data.a_b.attrs["long_name"], data.a_b.attrs["scale"]) == ("km/s", "$v$", "log")
    assert data.t.attrs["best"] == result.best["t"]
    assert data.kind.attrs["best"] == "blü"
    assert data.attrs["log_likelihood"] == result.log_likelihood
    assert data.attrs["roi_threshold"] == 4.0
    assert json.loads(data.attrs["best"]) == result.best
    origin = json.loads(data.attrs["provenance"])
    assert (origin["seed"], origin["fingerprint"]) == (1, result.provenance.fingerprint)
    assert data.attrs["title"] == "Profile log-likelihood of mixed over a/b, kind"
    assert (data.attrs["status"], data.attrs["summary"]) == (result.status.message, result.summary())


def test_netcdf_over_discrete_axes(whole, tmp_path):
    data = open_map(whole.to_netcdf(tmp_path / "map.nc"))
    assert data.n.to_numpy().tolist() == [0, 1, 2]
    assert data["order"].to_numpy().tolist() == [4, 2]
    assert data.n.dtype == data["order"].dtype == np.int64
    assert float(data.log_likelihood.sel(n=1, order=2)) == whole.log_likelihood


def test_netcdf_as_others_read_it(result, tmp_path):
    pytest.importorskip("h5netcdf")
    path = result.to_netcdf(tmp_path / "map.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        xarray.testing.assert_identical(data.load(), open_map(path))


def test_npz(result, tmp_path):
    path = result.to_npz(tmp_path / "map.npz")
    with np.load(path, allow_pickle=False) as data:
        assert data["over"].tolist() == ["a/b", "kind"]
        assert data["nuisances"].tolist() == list(result.argmax)
        np.testing.assert_array_equal(data["axis_a/b"], result.axes["a/b"])
        assert data["axis_kind"].tolist() == ["deep red", "blü", "x"]
        for name, wrote in (
            ("log_likelihood", result.log_likelihood_map),
            ("in_roi", result.in_roi),
            ("cell_status", result.cell_status),
            ("argmax_t", result.argmax["t"]),
            ("argmax_n", result.argmax["n"]),
        ):
            np.testing.assert_array_equal(data[name], wrote)
            assert data[name].dtype == wrote.dtype
        assert data["cell_status_meanings"].tolist() == [status.name.lower() for status in CellStatus]
        assert data["cell_status_values"].tolist() == [int(status) for status in CellStatus]
        assert data["argmax_col"][0, 0] == data["argmax_col"][12, 2] == ""
        assert data["argmax_col"][0].tolist() == ["", "w", "u v"]
        assert set(data["argmax_flag"].ravel()) == {"", "False"}
        assert np.isnan(data["argmax_order"][0, 0])
        assert data["argmax_order"][6, 0] == 2
        assert {name: data[f"best_{name}"][()] for name in result.best} == result.best
        assert data["maximum"] == result.log_likelihood
        facts = json.loads(str(data["metadata"]))
    assert facts["units"] == {"a/b": "km/s", "t": "s"}
    assert facts["provenance"]["problem"] == "mixed"


def test_npz_without_gaps(whole, tmp_path):
    with np.load(whole.to_npz(tmp_path / "map.npz")) as data:
        assert data["axis_order"].tolist() == [4, 2]
        assert data["argmax_kind"].tolist() == [["deep red", "blü"], ["blü", "deep red"], ["x", "deep red"]]
        assert data["axis_n"].dtype == np.int64


def test_table(result):
    table = result.to_dataframe()
    assert list(table.columns) == ["a/b", "kind", "log_likelihood", *result.argmax, "in_roi", "status_"]
    assert len(table) == result.cell_status.size - int((result.cell_status == CellStatus.UNVISITED).sum())
    first, second = table.iloc[0], table.iloc[1]
    assert (first["a/b"], first["kind"], first["log_likelihood"]) == (result.axes["a/b"][0], "deep red", -np.inf)
    assert (first["status_"], second["status_"]) == ("failed", "converged")
    assert pd.isna(first["col"])
    assert (second["kind"], second["col"], second["order"], second["flag"]) == ("blü", "w", 2, False)
    assert (second["t"], second["n"], second["status"]) == (1 / 50, 1, 0.5)
    values = table["log_likelihood"].to_numpy()
    np.testing.assert_array_equal(values, result.log_likelihood_map[result.cell_status != CellStatus.UNVISITED])


def test_table_without_gaps(whole):
    table = whole.to_dataframe()
    assert table["n"].dtype == table["order"].dtype == np.int64
    assert table["n"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["order"].tolist() == [4, 2] * 3
    assert table["in_roi"].dtype == bool
    assert table["kind"].tolist() == ["deep red", "blü", "blü", "deep red", "x", "deep red"]


def test_text(result, tmp_path):
    path = write_csv(result, tmp_path / "map.csv")
    back = pd.read_csv(path)
    assert list(back.columns) == list(result.to_dataframe().columns)
    np.testing.assert_array_equal(back["log_likelihood"], result.to_dataframe()["log_likelihood"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.data())
def test_every_number_comes_back(result, tmp_path, data):
    numbers = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324]))
    surface = data.draw(arrays(float, result.log_likelihood_map.shape, elements=numbers))
    changed = replace(result, log_likelihood_map=surface, argmax={**result.argmax, "t": surface})
    with np.load(changed.to_npz(tmp_path / "map.npz")) as back:
        for name in ("log_likelihood", "argmax_t"):
            np.testing.assert_array_equal(back[name], surface)
            np.testing.assert_array_equal(np.signbit(back[name]), np.signbit(surface))
    with h5py.File(changed.to_netcdf(tmp_path / "map.nc")) as file:
        for name in ("log_likelihood", "t"):
            np.testing.assert_array_equal(file[name][()], surface)
            np.testing.assert_array_equal(np.signbit(file[name][()]), np.signbit(surface))
    visited = result.cell_status != CellStatus.UNVISITED
    np.testing.assert_array_equal(changed.to_dataframe()["log_likelihood"], surface[visited])


def test_a_map_of_nothing(tmp_path):
    space = wilks.Space(a=wilks.Real(0, 1), log_likelihood=wilks.Real(0, 1))
    problem = wilks.LikelihoodProblem(space, lambda v: -(v["a"] ** 2) - v["log_likelihood"] ** 2, name="few")
    found = wilks.profile(problem, over="a", grid=[5], seed=1, audit=0, callbacks=[])
    empty = replace(
        found,
        best={},
        log_likelihood=-np.inf,
        cell_status=np.zeros(5, dtype=np.int8),
        log_likelihood_map=np.full(5, np.nan),
        argmax={"log_likelihood": np.full(5, np.nan)},
        in_roi=np.zeros(5, dtype=bool),
    )
    data = open_map(empty.to_netcdf(tmp_path / "map.nc"))
    assert set(data.data_vars) == {"log_likelihood", "log_likelihood_", "in_roi", "cell_status"}
    assert data.attrs["best"] == "{}"
    assert list(empty.to_dataframe().columns) == ["a", "log_likelihood_", "log_likelihood", "in_roi", "status"]
    assert len(empty.to_dataframe()) == 0
    with np.load(empty.to_npz(tmp_path / "map.npz")) as back:
        assert back["maximum"] == -np.inf
        assert json.loads(str(back["metadata"]))["log_likelihood"] is None


def test_a_map_over_all_parameters(tmp_path):
    problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(0, 1)), lambda v: -(v["a"] ** 2), name="one")
    found = wilks.profile(problem, over="a", grid=[5], seed=1, audit=0, callbacks=[])
    data = open_map(found.to_netcdf(tmp_path / "map.nc"))
    np.testing.assert_array_equal(data.log_likelihood, found.log_likelihood_map)
    assert set(data.data_vars) == {"log_likelihood", "in_roi", "cell_status"}


FULL_DISK = """
import resource, sys
import wilks
result, method, path = wilks.load(sys.argv[1]), sys.argv[2], sys.argv[3]
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
try:
    getattr(result, method)(path)
except wilks.CheckpointError as error:
    print(error)
"""


@pytest.mark.parametrize("method", ["to_netcdf", "to_npz"])
def test_files_are_written_whole_or_not_at_all(result, tmp_path, method):
    """In a process of its own: a limit on the size of files holds for all threads and libraries of a process."""
    write = getattr(result, method)
    saved, path = result.save(tmp_path / "map.wilks"), tmp_path / "map.file"
    path.write_text("old")
    call = [sys.executable, "-c", FULL_DISK, str(saved), method, str(path)]
    run = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"map\.file: cannot be written: .*File too large", run.stdout)
    assert names_in(tmp_path) == ["map.file", "map.wilks"]
    assert path.read_text() == "old"
    assert write(path).stat().st_size > 2000
    with pytest.raises(CheckpointError, match=r"cannot be written: (Not a directory|File exists)"):
        write(path / "map")


def test_a_loaded_result_is_written_too(result, tmp_path):
    loaded = wilks.load(result.save(tmp_path / "map.wilks"))
    xarray.testing.assert_identical(
        open_map(loaded.to_netcdf(tmp_path / "a.nc")), open_map(result.to_netcdf(tmp_path / "b.nc"))
    )
