"""Sample files that grow: buffers, crashes, full disks."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.examples import full_disk
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.store import sample_hdf5
from wilks.store.samples import SampleWriter, read_samples, write_samples

ENDINGS = [".csv", ".h5"]


def rows_from(start, n):
    return np.column_stack([np.arange(start, start + n), -np.arange(start, start + n) / 8, np.full(n, 2)]).astype(float)


def n_rows(path):
    return len(read_samples(path)) if path.suffix == ".h5" or path.stat().st_size else 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_are_written_when_the_buffer_is_full_and_at_the_end(tmp_path, ending):
    path = tmp_path / "new" / f"s{ending}"
    with SampleWriter(path, 3, buffer_rows=4) as writer:
        assert n_rows(path) == 0
        writer.write(rows_from(0, 1)[0])
        writer.write(rows_from(1, 2))
        assert (n_rows(path), writer.n_written) == (0, 0)
        writer.write(rows_from(3, 3))
        assert (n_rows(path), writer.n_written) == (6, 6)
        writer.write(rows_from(6, 1))
        writer.flush()
        assert n_rows(path) == 7
        writer.write(rows_from(7, 1))
        assert repr(writer) == f"<SampleWriter {str(path)!r}: 7 rows written, 1 waiting>"
    writer.close()
    np.testing.assert_array_equal(read_samples(path), rows_from(0, 8))


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_are_appended_to_a_file(tmp_path, ending):
    path = write_samples(rows_from(0, 3), tmp_path / f"s{ending}")
    for start in (3, 5):
        with SampleWriter(path, 3) as writer:
            writer.write(rows_from(start, 2))
            assert writer.n_dropped == 0
    np.testing.assert_array_equal(read_samples(path), rows_from(0, 7))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 7), st.sampled_from(ENDINGS))
def test_pieces_of_any_size_make_the_same_file(tmp_path, pieces, buffer_rows, ending):
    path = tmp_path / f"s{ending}"
    path.unlink(missing_ok=True)
    rows = rows_from(0, sum(pieces))
    with SampleWriter(path, 3, buffer_rows=buffer_rows) as writer:
        for end, n in zip(np.cumsum(pieces), pieces, strict=True):
            writer.write(rows[end - n : end])
            assert writer._buffer.n_waiting < buffer_rows
    assert n_rows(path) == len(rows)
    if len(rows):
        np.testing.assert_array_equal(read_samples(path), rows)


def test_a_row_may_be_changed_once_it_is_given(tmp_path):
    row = np.array([1.0, 2.0, 3.0])
    with SampleWriter(tmp_path / "s.csv", 3) as writer:
        writer.write(row)
        row[:] = 0
    assert read_samples(tmp_path / "s.csv").tolist() == [[1, 2, 3]]


def test_names_are_recorded(tmp_path):
    names = ["a", "log_likelihood", "phase"]
    path = tmp_path / "s.h5"
    SampleWriter(path, 3, names=names).close()
    with h5py.File(path) as file:
        assert list(file["samples"].attrs["columns"]) == names
    SampleWriter(path, 3, names=names).close()
    with pytest.raises(InvalidDataError, match="its columns are a, log_likelihood, phase; expected b, log_likelihood"):
        SampleWriter(path, 3, names=["b", *names[1:]])


@pytest.mark.parametrize("cut", [1, 15, 40])
def test_a_half_written_line_is_cut_off_before_rows_are_appended(tmp_path, cut):
    path = write_samples(rows_from(0, 3), tmp_path / "s.csv")
    path.write_bytes(path.read_bytes()[:-cut])
    with SampleWriter(path, 3) as writer:
        assert writer.n_dropped == 1
        writer.write(rows_from(2, 1))
    np.testing.assert_array_equal(read_samples(path), rows_from(0, 3))


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "s.csv"
    for text in ("precious", "1, 2, 3\nprecious"):
        path.write_text(text)
        with pytest.raises(InvalidDataError, match="its last line is no row of numbers, and has no end"):
            SampleWriter(path, 3)
        assert path.read_text() == text
    path.write_text("a, b, c\n")
    with pytest.raises(InvalidDataError, match="line 1: expected numbers"):
        SampleWriter(path, 3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_with_other_columns(tmp_path, ending):
    path = write_samples(rows_from(0, 3), tmp_path / f"s{ending}")
    before = path.read_bytes()
    with pytest.raises(InvalidDataError, match="has 3 columns; rows of 4 cannot be appended to it"):
        SampleWriter(path, 4)
    assert path.read_bytes() == before


def test_a_dataset_of_fixed_size(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["samples"] = rows_from(0, 3)
    with pytest.raises(InvalidDataError, match=r"has a fixed size; copy it into a new file with combine_samples"):
        SampleWriter(tmp_path / "s.h5", 3)


@pytest.mark.parametrize("arguments", [{"n_columns": 1}, {"n_columns": 2.5}, {"buffer_rows": 0}, {"names": ["a"]}])
def test_arguments_that_make_no_sense(tmp_path, arguments):
    with pytest.raises(InvalidConfigurationError, match=next(iter(arguments))):
        SampleWriter(tmp_path / "s.csv", **{"n_columns": 3, **arguments})
    assert not list(tmp_path.iterdir())


def test_rows_of_another_shape(tmp_path):
    with SampleWriter(tmp_path / "s.csv", 3) as writer:
        for rows in ([1.0], [[1.0, 2.0]], np.zeros((2, 3, 1))):
            with pytest.raises(InvalidDataError, match=r"expected rows of 3 numbers, got shape"):
                writer.write(rows)
    with pytest.raises(CheckpointError, match="this writer is closed"):
        writer.write([1.0, 2.0, 3.0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_costs_no_row(tmp_path, ending):
    path, limit = tmp_path / f"s{ending}", 400_000
    writer = SampleWriter(path, 3, buffer_rows=1000)
    n = 0
    with full_disk(limit):
        while path.stat().st_size < 150_000:
            writer.write(rows_from(n, 1000))
            n += 1000
        n += 10_000  # which wait in the buffer
        with pytest.raises(CheckpointError, match=rf"s\{ending}: cannot be written: File too large"):
            writer.write(rows_from(n - 10_000, 10_000))
        assert (writer.n_written, n_rows(path)) == (n - 10_000, n - 10_000)
        with pytest.raises(CheckpointError):
            writer.close()
        np.testing.assert_array_equal(read_samples(path), rows_from(0, n - 10_000))
    writer.close()
    np.testing.assert_array_equal(read_samples(path), rows_from(0, n))


def test_a_disk_that_fills_up_while_hdf5_writes(tmp_path, monkeypatch):
    """The HDF5 library must not learn of it, or the process dies later."""
    monkeypatch.setattr(sample_hdf5, "check_room", lambda path, n_bytes: None)
    path = write_samples(rows_from(0, 3), tmp_path / "s.h5")
    writer = SampleWriter(path, 3, buffer_rows=100_000)
    writer.write(rows_from(3, 50_000))
    with full_disk(500_000), pytest.raises(CheckpointError, match=r"s\.h5: cannot be written: File too large"):
        writer.flush()
    writer._finalizer.detach()
    write_samples(rows_from(0, 50_000), tmp_path / "other.h5")
    np.testing.assert_array_equal(read_samples(tmp_path / "other.h5"), rows_from(0, 50_000))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_place_that_cannot_be_written_is_noticed_at_once(tmp_path, ending):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"cannot be written: (Not a directory|File exists)"):
        SampleWriter(tmp_path / "file" / f"s{ending}", 3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_writer_that_is_forgotten_writes_its_rows(tmp_path, ending):
    path = tmp_path / f"s{ending}"
    writer = SampleWriter(path, 3)
    writer.write(rows_from(0, 2))
    del writer
    assert n_rows(path) == 2


def test_a_forked_child_writes_no_row_of_its_parent(tmp_path):
    writer = SampleWriter(tmp_path / "s.csv", 3)
    writer.write(rows_from(0, 2))
    writer._buffer._process += 1  # as it looks from a child
    writer.flush()
    assert n_rows(tmp_path / "s.csv") == 0
    writer._buffer._process -= 1
    writer.close()
    assert n_rows(tmp_path / "s.csv") == 2


KILLED = """
import sys
from wilks.store import sample_hdf5
from wilks.store.samples import SampleWriter

writer = SampleWriter(sys.argv[1], 3, buffer_rows=100)
n = 0
while True:
    writer.write([n, -n / 8, 2])
    n += 1
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_killed_program_loses_at_most_its_buffer(tmp_path, ending):
    path = tmp_path / f"s{ending}"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    deadline = time.monotonic() + 60
    while (not path.exists() or path.stat().st_size < 30_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    try:
        SampleWriter(path, 3).close()
        found = read_samples(path)
    except InvalidDataError:  # a kill in the middle of a write may damage HDF5, and that is said
        assert ending == ".h5"
        return
    np.testing.assert_array_equal(found, rows_from(0, len(found)))
    assert len(found) >= 100
