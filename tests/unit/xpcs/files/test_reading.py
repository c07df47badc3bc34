"""Matrices stay in their file until they are needed, and what is damaged is said where it is met."""

import pickle
import sys

import h5py
import numpy as np
import pytest

from tests.unit.xpcs.files.handmade import RINGS, N, aps_old, aps_u, corrupt, npz
from wilks.core.errors import InvalidDataError
from wilks.xpcs.files import describe, read

GROUP = "xpcs/twotime/correlation_map"


@pytest.fixture
def readings(monkeypatch):
    """Names of the data sets that are read, in the order in which they are."""
    names = []
    plain = h5py.Dataset.__getitem__

    def counted(dataset, *arguments, **options):
        names.append(dataset.name)
        return plain(dataset, *arguments, **options)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    return names


@pytest.mark.parametrize(("layout", "group"), [(aps_u, GROUP), (aps_old, "exchange/C2T_all")])
def test_only_what_is_needed_is_read(tmp_path, readings, layout, group):
    path, _ = layout(tmp_path / "run.hdf")
    describe(path)
    data = read(path, RINGS[1], angles=[(-10, 10)], frames=(2, 8))
    assert not [name for name in readings if group in name]
    readings.clear()
    data.read_c2(1)
    assert readings == [f"/{group}/{data.source.keys[1]}"]


def test_matrices_that_are_not_selected_may_be_damaged(tmp_path):
    path, matrices = aps_u(tmp_path / "run.hdf", compression="gzip")
    for k in range(15):
        if k != 7:
            corrupt(path, f"{GROUP}/c2_{k + 1:05d}")
    data = read(path, RINGS[1], angles=[0])
    np.testing.assert_array_equal(data.read_c2(0), np.triu(matrices[7]))
    damaged = read(path, RINGS[1], angles=[80])
    with pytest.raises(InvalidDataError, match=f"run.hdf: {GROUP}/c2_00009 cannot be read .* damaged"):
        damaged.read_c2(0)


def test_only_the_window_is_unpacked(tmp_path):
    path, matrices = aps_u(tmp_path / "run.hdf", compression="gzip", chunks=(4, N))
    corrupt(path, f"{GROUP}/c2_00001")  # its first rows
    np.testing.assert_array_equal(read(path, RINGS[0], frames=(5, 12)).read_c2(0), np.triu(matrices[0])[4:, 4:])


def test_an_uncompressed_npz_is_mapped(tmp_path, monkeypatch):
    path, c2 = npz(tmp_path / "run.npz")
    data = read(path, angles=[0])
    monkeypatch.setattr("numpy.lib.format.read_array", None)  # nothing is read as a whole from here on
    np.testing.assert_array_equal(data.read_c2(0), c2[2])


@pytest.mark.parametrize("make", [aps_u, aps_old, npz])
def test_data_travel_between_processes(tmp_path, make):
    path, _ = make(tmp_path / "run.npz")
    data = read(path, 0.0054, frames=(2, 9))
    packed = pickle.dumps(data)
    assert len(packed) < 3000 or make is not npz
    again = pickle.loads(packed)
    assert again.source == data.source
    for k in range(data.n_phi):
        np.testing.assert_array_equal(again.read_c2(k), data.read_c2(k))


def test_a_file_that_changes_or_goes(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    data = read(path, RINGS[0])
    with h5py.File(path, "r+") as file:
        del file[f"{GROUP}/c2_00001"]
        file[f"{GROUP}/c2_00001"] = np.zeros((N + 1, N + 1))
        del file[f"{GROUP}/c2_00002"]
    with pytest.raises(InvalidDataError, match=r"c2_00001 has shape \(13, 13\), expected 12 x 12"):
        data.read_c2(0)
    with pytest.raises(InvalidDataError, match=r"the data set .*c2_00002 is missing"):
        data.read_c2(1)
    path.unlink()
    with pytest.raises(InvalidDataError, match="there is no such file"):
        data.read_c2(2)
    path, _ = npz(tmp_path / "run.npz")
    data = read(path)
    npz(path, compressed=True)
    with pytest.raises(InvalidDataError, match="was changed after it was looked at"):
        data.read_c2(0)


BITSHUFFLE = 32008


@pytest.fixture
def packed_by_a_plugin(tmp_path):
    """A file whose first matrix says that it was compressed with bitshuffle."""
    path, _ = aps_u(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file[f"{GROUP}/c2_00001"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((N, N))
        plist.set_filter(BITSHUFFLE, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((N, N))
        dataset = h5py.h5d.create(file[GROUP].id, b"c2_00001", h5py.h5t.NATIVE_FLOAT, space, plist)
        dataset.write_direct_chunk((0, 0), bytes(4 * N * N), 0)
    return path


def test_a_filter_that_is_not_installed(packed_by_a_plugin, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)  # as if it were not there
    assert describe(packed_by_a_plugin).compression == "bitshuffle"
    with pytest.raises(InvalidDataError, match=r"c2_00001 is compressed with bitshuffle, .*pip install hdf5plugin"):
        read(packed_by_a_plugin, RINGS[0]).read_c2(0)


def test_the_package_with_the_filters_is_loaded(packed_by_a_plugin, tmp_path, monkeypatch):
    # It registers its filters when it is imported; this one only says that it did.
    (tmp_path / "hdf5plugin.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hdf5plugin", raising=False)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: "hdf5plugin" in sys.modules)
    with pytest.raises(InvalidDataError, match="c2_00001 cannot be read"):
        read(packed_by_a_plugin, RINGS[0]).read_c2(0)
    assert sys.modules.pop("hdf5plugin").__file__ == str(tmp_path / "hdf5plugin.py")


def test_values_that_are_not_finite_stay(tmp_path):
    path, c2 = npz(tmp_path / "run.npz")
    c2[0, 2, 3], c2[0, 4, 5] = np.nan, np.inf
    npz(path, c2=c2)
    read_back = read(path).read_c2(0)
    assert np.isnan(read_back[2, 3])
    assert np.isinf(read_back[4, 5])
