"""Copies of what was read: used if and only if they are of the same data, and never in the way."""

import errno
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.unit.store.examples import full_disk
from tests.unit.xpcs.files.handmade import RINGS, N, aps_old, aps_u, corrupt, npz
from wilks.core.errors import InvalidDataError
from wilks.xpcs.files import ReadOptions, read

CACHE = read.__globals__["from_cache"].__globals__
"""Names of the module that `read` keeps copies with."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def cached(path, q, folder, **arguments):
    data = read(path, q, options=ReadOptions(cache=folder), **arguments)
    return data, [data.read_c2(k) for k in range(data.n_phi)]


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("make", [aps_u, aps_old, npz])
def test_the_second_reading_is_from_the_cache(tmp_path, folder, make):
    path, _ = make(tmp_path / "run.npz")
    plain = read(path, 0.0054, angles=[0, 80], frames=(3, 9))
    for times, used in enumerate([False, True, True]):
        data, values = cached(path, 0.0054, folder, angles=[0, 80], frames=(3, 9))
        assert (data.source.cached, data.source.notes) == (used, ()), times
        np.testing.assert_array_equal(values, [plain.read_c2(k) for k in range(2)])
        assert (data.q, data.t.tolist(), data.phi.tolist()) == (plain.q, plain.t.tolist(), plain.phi.tolist())
        assert values[0].dtype == plain.read_c2(0).dtype
    assert len(names(folder)) == 1
    assert names(folder)[0].startswith("run-")


def test_the_original_is_not_touched_again(tmp_path, folder):
    path, _ = aps_u(tmp_path / "run.hdf", compression="gzip")
    _, before = cached(path, RINGS[0], folder)
    state = path.stat()
    corrupt(path, "xpcs/twotime/correlation_map/c2_00001")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    data, after = cached(path, RINGS[0], folder)
    assert data.source.cached
    np.testing.assert_array_equal(after, before)


def touched(path):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def rewritten(path):
    """Other values of the same size, at the same time."""
    state = path.stat()
    with path.open("ab") as file:
        file.write(b"\0")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def with_other_list(name):
    def change(path):
        state = path.stat()
        with h5py.File(path, "r+") as file:
            file[name][0, 0] *= 1.0001
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    return change


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        (touched, {}),
        (rewritten, {}),
        (with_other_list("xpcs/dqlist"), {}),
        (with_other_list("xpcs/dphilist"), {}),
        (None, {"frames": (1, 11)}),
        (None, {"frames": (2, 12)}),
        (None, {"angles": [-170, 0]}),
        (None, {"q": RINGS[1]}),
        (None, {"q": RINGS[0] * 1.001}),
    ],
    ids=["time", "size", "list of q", "list of phi", "last", "first", "angles", "q", "q requested"],
)
def test_everything_that_matters_makes_another_copy(tmp_path, folder, change, arguments):
    path, _ = aps_old(tmp_path / "run.hdf")
    cached(path, RINGS[0], folder)
    if change is not None:
        change(path)
    arguments = {"q": RINGS[0], **arguments}
    data, values = cached(path, folder=folder, **arguments)
    assert not data.source.cached
    assert data.source.notes == ()
    assert len(names(folder)) == 2
    plain = read(path, **arguments)
    np.testing.assert_array_equal(values, [plain.read_c2(k) for k in range(plain.n_phi)])


def test_path_and_format_matter(tmp_path, folder, monkeypatch):
    path, _ = aps_old(tmp_path / "run.hdf")
    cached(path, RINGS[0], folder)
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "run.hdf"
    shutil.copy2(path, twin)
    assert not cached(twin, RINGS[0], folder)[0].source.cached
    twin.unlink()
    twin.symlink_to(path)
    assert cached(twin, RINGS[0], folder)[0].source.cached  # it is the same file
    monkeypatch.setitem(CACHE, "_FORMAT", 2)
    assert not cached(path, RINGS[0], folder)[0].source.cached
    assert len(names(folder)) == 3


def test_the_names_of_the_matrices_matter(tmp_path, folder):
    for prefix in ("c2", "C2"):
        path, _ = aps_u(tmp_path / "run.hdf", names=[f"{prefix}_{k:05d}" for k in range(1, 16)])
        os.utime(path, ns=(0, 0))
        assert not cached(path, RINGS[0], folder)[0].source.cached


def test_the_layout_matters(tmp_path, folder):
    named = [f"c2_{k:05d}" for k in range(1, 16)]
    path, _ = aps_old(tmp_path / "run.hdf", names=named)
    other, _ = aps_u(tmp_path / "other.hdf", names=named)
    with h5py.File(path, "r+") as file, h5py.File(other) as source:
        for name in ("qmap", "twotime"):
            source.copy(f"xpcs/{name}", file["xpcs"])
        file["xpcs/twotime/correlation_map/c2_00001"][...] = 7
    for layout, first in (("aps_old", False), ("aps_u", True)):
        data = read(path, RINGS[0], dt=0.1, options=ReadOptions(cache=folder, layout=layout))
        assert not data.source.cached
        assert bool((data.read_c2(0) == 7).all()) is first


def swapped(copy, others):
    others[0].replace(copy)


def truncated(copy, others):
    copy.write_bytes(copy.read_bytes()[:-50])


def garbage(copy, others):
    copy.write_bytes(b"nothing of the kind")


def other_shape(copy, others):
    with h5py.File(copy, "r+") as file:
        del file["c2"]
        file["c2"] = np.zeros((5, N - 1, N - 1), np.float32)


def without_values(copy, others):
    with h5py.File(copy, "r+") as file:
        del file["c2"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (swapped, "holds something else"),
        (truncated, "cannot be opened"),
        (garbage, "this is no HDF5 file"),
        (other_shape, "does not hold 5 matrices of 12 frames"),
        (without_values, "does not hold 5 matrices"),
    ],
)
def test_a_copy_that_is_not_right_is_made_anew(tmp_path, folder, damage, reason):
    path, _ = aps_u(tmp_path / "run.hdf")
    _, first = cached(path, RINGS[0], folder)
    copy = folder / names(folder)[0]
    cached(path, RINGS[1], folder)
    damage(copy, [folder / name for name in names(folder) if folder / name != copy])
    data, values = cached(path, RINGS[0], folder)
    assert not data.source.cached
    assert len(data.source.notes) == 1
    assert "was made anew" in data.source.notes[0]
    assert reason in data.source.notes[0]
    np.testing.assert_array_equal(values, first)
    assert cached(path, RINGS[0], folder)[0].source.cached


def test_values_that_were_changed_are_noticed(tmp_path, folder):
    path, _ = aps_u(tmp_path / "run.hdf")
    cached(path, RINGS[0], folder)
    copy = folder / names(folder)[0]
    with h5py.File(copy) as file:
        where = file["c2"].id.get_chunk_info(0).byte_offset
    with copy.open("r+b") as raw:
        raw.seek(where + 40)
        raw.write(b"\x01")
    data = read(path, RINGS[0], options=ReadOptions(cache=folder))
    with pytest.raises(InvalidDataError, match=f"{copy.name}: c2 cannot be read .*may be deleted"):
        data.read_c2(0)


@pytest.mark.parametrize("what", ["a file in place of the folder", "a full disk", "a disk that says so"])
def test_what_goes_wrong_is_not_in_the_way(tmp_path, folder, monkeypatch, what):
    path, matrices = aps_u(tmp_path / "run.hdf")
    if what == "a file in place of the folder":
        folder.write_text("")
        data, values = cached(path, RINGS[0], folder)
    elif what == "a full disk":
        with full_disk(2000):
            data, values = cached(path, RINGS[0], folder)
        assert names(folder) == []
    else:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        data, values = cached(path, RINGS[0], folder)
        assert "1.05 MB are needed, and 1 kB are free" in data.source.notes[0]
    assert not data.source.cached
    assert data.source.notes[0].startswith("No copy was made in the cache: ")
    np.testing.assert_array_equal(values, [np.triu(matrix) for matrix in matrices[:5]])


def test_damage_of_the_original_is_an_error_and_leaves_no_copy(tmp_path, folder):
    path, _ = aps_u(tmp_path / "run.hdf", compression="gzip")
    corrupt(path, "xpcs/twotime/correlation_map/c2_00004")
    with pytest.raises(InvalidDataError, match=r"run.hdf: xpcs/twotime/correlation_map/c2_00004 cannot be read"):
        cached(path, RINGS[0], folder)
    assert names(folder) == []


def test_large_matrices_are_cut_into_chunks(tmp_path, folder, monkeypatch):
    monkeypatch.setitem(CACHE, "_CHUNK_BYTES", 4 * N * 5)
    path, matrices = aps_u(tmp_path / "run.hdf")
    _, values = cached(path, RINGS[2], folder)
    np.testing.assert_array_equal(values, [np.triu(matrix) for matrix in matrices[10:]])
    with h5py.File(folder / names(folder)[0]) as file:
        assert file["c2"].chunks == (1, 5, N)


def test_a_folder_that_may_not_be_entered(tmp_path, folder, monkeypatch):
    path, _ = aps_u(tmp_path / "run.hdf")
    plain = Path.exists

    def refused(each):
        if each.parent == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return plain(each)

    monkeypatch.setattr(Path, "exists", refused)
    data, values = cached(path, RINGS[0], folder)
    assert not data.source.cached
    assert data.source.notes[0].startswith(f"No copy was made in the cache: {folder}")
    assert data.source.notes[0].endswith("cannot be written: Permission denied.")
    assert len(values) == 5
