"""Sample files: what is written comes back, in batches of any size, and what is broken is said."""

import warnings

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.unit.store.examples import full_disk, names_in
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.store import samples as samples_module
from wilks.store.samples import Combined, DroppedRowsWarning, combine_samples, iter_sample_batches, read_samples
from wilks.store.samples import write_samples as write

ENDINGS = [".csv", ".txt", ".h5", ".hdf5", ".he5", ".CSV"]
# Eleven digits of the largest float are more than a float holds.
LARGEST = 1.7976931348e308
NUMBERS = st.one_of(
    st.floats(-LARGEST, LARGEST, allow_subnormal=True),
    st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -2.2250738585072014e-308, LARGEST]),
)
TABLES = st.tuples(st.integers(0, 12), st.integers(2, 5)).flatmap(
    lambda shape: arrays(float, shape, elements=NUMBERS, fill=st.nothing())
)
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def table(n, columns=4):
    rows = np.random.default_rng(n).normal(size=(n, columns))
    rows[:, -1] = np.arange(n) % 5
    return rows


def assert_rounded(back, wrote, digits=11):
    """Equal up to the rounding of text, zeros with their signs, infinities and NaN in their places."""
    assert back.shape == wrote.shape
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, wrote, rtol=0.5 * 10.0 ** (1 - digits) * 1.001, atol=5e-324)
    np.testing.assert_array_equal(np.signbit(back[wrote == 0]), np.signbit(wrote[wrote == 0]))


@REUSED
@given(TABLES)
def test_text_comes_back(tmp_path, rows):
    path = write(rows, tmp_path / "s.csv", overwrite=True)
    if len(rows):
        assert_rounded(read_samples(path), rows)
        assert_rounded(np.concatenate(list(iter_sample_batches(path, 5))), rows)
    else:
        with pytest.raises(InvalidDataError, match="holds no complete row"):
            read_samples(path)


@REUSED
@given(TABLES)
def test_hdf5_comes_back_bit_by_bit(tmp_path, rows):
    path = write(rows, tmp_path / "s.h5", overwrite=True)
    back = read_samples(path)
    assert back.shape == rows.shape
    assert back.tobytes() == rows.tobytes()


@REUSED
@given(TABLES, st.integers(1, 20))
def test_combined_files_hold_all_rows_in_order(tmp_path, rows, at):
    first, second, out = tmp_path / "a.h5", tmp_path / "b.csv", tmp_path / "c.hdf5"
    write(rows[:at], first, overwrite=True)
    write(rows[at:], second, overwrite=True)
    assert combine_samples([first, second], out, overwrite=True) == Combined(len(rows), 0)
    back = read_samples(out)
    assert back[:at].tobytes() == rows[:at].tobytes()
    assert_rounded(back[at:], rows[at:])


def test_the_text_format(tmp_path):
    path = write([[1.0, -0.5, -np.inf, 4], [1e-300, 2e100, np.nan, -1]], tmp_path / "new" / "s.csv")
    assert path.read_text() == (
        "1.0000000000e+00, -5.0000000000e-01, -inf, 4.0000000000e+00\n"
        "1.0000000000e-300, 2.0000000000e+100, nan, -1.0000000000e+00\n"
    )


def test_the_hdf5_format(tmp_path):
    path = write(table(10), tmp_path / "s.h5", names=["a", "b", "log_likelihood", "phase"])
    with h5py.File(path) as file:
        dataset = file["samples"]
        assert (dataset.shape, dataset.dtype) == ((10, 4), np.float64)
        assert dataset.chunks is not None
        assert dataset.maxshape == (None, 4)
        assert list(dataset.attrs["columns"]) == ["a", "b", "log_likelihood", "phase"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [3, 3, 1]), (7, [7]), (100, [7]), (1, [1] * 7)])
def test_batches(tmp_path, ending, batch_size, sizes):
    rows = table(7)
    path = write(rows, tmp_path / f"s{ending}")
    batches = list(iter_sample_batches(path, batch_size=batch_size))
    assert [len(batch) for batch in batches] == sizes
    np.testing.assert_allclose(np.concatenate(batches), rows, rtol=1e-10)
    np.testing.assert_array_equal(np.concatenate(batches), read_samples(path))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True])
def test_batches_of_no_size(tmp_path, batch_size):
    path = write(table(2), tmp_path / "s.csv")
    with pytest.raises(InvalidConfigurationError, match="batch_size: expected a number of rows >= 1"):
        iter_sample_batches(path, batch_size)


def test_a_wrong_file_is_refused_before_the_first_batch(tmp_path):
    with pytest.raises(InvalidDataError, match=r"no\.csv: cannot be read: No such file or directory"):
        iter_sample_batches(tmp_path / "no.csv")


def test_files_of_other_programs(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"\xef\xbb\xbf# a comment\r\n1,2,-3\r\n\r\n4, 5 ,-6 # best\r\n")
    assert read_samples(path).tolist() == [[1, 2, -3], [4, 5, -6]]
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.create_dataset("samples", data=np.array([[1, -2, 4]], dtype=np.int32), compression="gzip")
    assert read_samples(tmp_path / "s.h5").tolist() == [[1, -2, 4]]


@pytest.mark.parametrize("cut", [1, 2, 17, 20, 50])
def test_a_half_written_last_line_is_dropped_and_said(tmp_path, cut):
    rows = table(5, columns=3)
    path = write(rows, tmp_path / "s.csv")
    path.write_bytes(path.read_bytes()[:-cut])
    said = r"s\.csv: 1 row dropped: the last line is half-written"
    with pytest.warns(DroppedRowsWarning, match=said):
        assert_rounded(read_samples(path), rows[:4])
    with pytest.warns(DroppedRowsWarning, match=said):
        assert sum(len(batch) for batch in iter_sample_batches(path, 2)) == 4
    with pytest.warns(DroppedRowsWarning, match=said):
        assert combine_samples([path], tmp_path / "out.h5") == Combined(4, 1)
    assert_rounded(read_samples(tmp_path / "out.h5"), rows[:4])


def test_a_file_with_nothing_but_a_half_written_line(tmp_path):
    path, good = tmp_path / "s.csv", write(table(2), tmp_path / "good.csv")
    path.write_text("1.0, 2.0")
    with pytest.warns(DroppedRowsWarning), pytest.raises(InvalidDataError, match="holds no complete row"):
        read_samples(path)
    with pytest.warns(DroppedRowsWarning):
        assert combine_samples([path, good], tmp_path / "out.csv") == Combined(2, 1)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
def test_a_truncated_hdf5_file(tmp_path, part):
    path = write(table(20_000), tmp_path / "s.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    said = rf"s\.h5: truncated: {int(len(whole) * part)} of {len(whole)} bytes are there, and none of its rows"
    for use in (read_samples, iter_sample_batches, lambda p: combine_samples([p], tmp_path / "out.csv")):
        with pytest.raises(InvalidDataError, match=said):
            use(path)
    assert names_in(tmp_path) == ["s.h5"]


def test_a_damaged_hdf5_file(tmp_path):
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("samples", data=table(100), chunks=(10, 4), fletcher32=True)
        where = file["samples"].id.get_chunk_info(5).byte_offset
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\xff" * 8)
    batches = iter_sample_batches(path, 10)
    for _ in range(5):
        next(batches)
    with pytest.raises(InvalidDataError, match=r"damaged: of 100 rows those from 51 on cannot be read .* first 50 in"):
        next(batches)


WRONG_TEXTS = {
    "a header": (
        "a, b, log_likelihood\n1, 2, 3\n",
        "line 1: expected numbers with commas .* no header, got 'a, b, log",
    ),
    "a shorter line": ("1, 2, 3\n# \n1, 2\n", "line 3: expected 3 numbers .* got '1, 2'"),
    "a longer line": ("1, 2, 3\n1, 2, 3, 4\n", "line 2: expected 3 numbers"),
    "two lines in one": ("1, 2, 3\n1, 2.01, 2, 3\n", "line 2: expected 3 numbers"),
    "a word": ("1, 2, 3\n1, x, 3\n", "line 2: expected 3 numbers"),
    "an empty field": ("1, 2, 3\n1, , 3\n", "line 2: expected 3 numbers"),
    "blanks": ("1 2 3\n", "line 1: expected numbers with commas"),
    "one column": ("1\n2\n", "line 1: expected numbers with commas"),
    "what loadtxt refuses": ("1, 2, 3\n1_0, 2, 3\n", "line 1: expected 3 numbers"),
    "no line end": ("x" * 2_000_000, "line 1: expected numbers"),
}


@pytest.mark.parametrize("what", WRONG_TEXTS)
def test_texts_that_are_no_sample_files(tmp_path, what):
    text, message = WRONG_TEXTS[what]
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InvalidDataError, match=rf"s\.csv: {message}"):
        read_samples(path)


def test_the_number_of_a_wrong_line_counts_all_blocks(tmp_path):
    path = write(table(9), tmp_path / "s.csv")
    with path.open("a") as file:
        file.write("1, 2\n")
    batches = iter_sample_batches(path, 4)
    next(batches), next(batches)
    with pytest.raises(InvalidDataError, match="line 10: expected 4 numbers"):
        next(batches)


def test_hdf5_files_that_are_no_sample_files(tmp_path):
    path = tmp_path / "s.h5"
    path.write_text("text")
    with pytest.raises(InvalidDataError, match=r"s\.h5: cannot be read: .*signature not found"):
        read_samples(path)
    for name, data in (("data", np.zeros((2, 3))), ("samples", np.zeros(3)), ("samples", np.array([[b"a", b"b"]]))):
        with h5py.File(path, "w") as file:
            file[name] = data
        with pytest.raises(InvalidDataError, match=r"s\.h5: expected a dataset 'samples' of numbers with a row for"):
            read_samples(path)
    with h5py.File(path, "w") as file:
        file.create_group("samples")
    with pytest.raises(InvalidDataError, match="expected a dataset 'samples' of numbers"):
        read_samples(path)
    with h5py.File(path, "w") as file:
        file["samples"] = np.zeros((2, 3))
        file["samples"].attrs["columns"] = ["a"]
    with pytest.raises(InvalidDataError, match="has 3 columns, but names for 1"):
        read_samples(path)


def test_unknown_extensions(tmp_path):
    for use in (read_samples, lambda p: write([[1, 2]], p), lambda p: combine_samples([p], p)):
        with pytest.raises(InvalidConfigurationError, match=r"expected the name of a sample file, .* got '\.dat'"):
            use(tmp_path / "s.dat")


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_an_existing_file_is_replaced_on_request_only(tmp_path, ending):
    path, other = tmp_path / f"s{ending}", write(table(3), tmp_path / "other.csv")
    for use in (lambda **more: write(table(3), path, **more), lambda **more: combine_samples([other], path, **more)):
        path.write_text("precious")
        with pytest.raises(InvalidConfigurationError, match=r"exists already; .* pass overwrite=True"):
            use()
        assert path.read_text() == "precious"
        use(overwrite=True)
        np.testing.assert_allclose(read_samples(path), table(3), rtol=1e-10)


@pytest.mark.parametrize("rows", [[1.0, 2.0], [[1.0]], np.zeros((2, 2, 2)), [["a", "b"]], [[1, 2], [3]]])
def test_what_is_no_table(tmp_path, rows):
    with pytest.raises(InvalidDataError, match="samples: expected a"):
        write(rows, tmp_path / "s.csv")
    assert not names_in(tmp_path)


def test_names_of_the_wrong_number(tmp_path):
    with pytest.raises(InvalidConfigurationError, match="names: expected 4, one for each column, got 1"):
        write(table(2), tmp_path / "s.h5", names=["a"])


def test_files_that_cannot_be_combined(tmp_path):
    a, b = write(table(2, 4), tmp_path / "a.csv"), write(table(2, 5), tmp_path / "b.h5")
    with pytest.raises(InvalidDataError, match=r"b\.h5: has 5 columns, .*a\.csv has 4; they are of different problems"):
        combine_samples([a, b], tmp_path / "out.csv")
    with pytest.raises(InvalidConfigurationError, match=r"a\.csv: is one of the files to read"):
        combine_samples([b, a], tmp_path / "." / "a.csv", overwrite=True)
    with pytest.raises(InvalidConfigurationError, match=r"expected a list of files to read, got '.*a\.csv'"):
        combine_samples(str(a), tmp_path / "out.csv")
    with pytest.raises(InvalidConfigurationError, match="no file to read was given"):
        combine_samples([], tmp_path / "out.csv")
    (tmp_path / "none.csv").touch()
    with pytest.raises(InvalidDataError, match="there is no complete row"):
        combine_samples([tmp_path / "none.csv"], tmp_path / "out.csv")
    assert names_in(tmp_path) == ["a.csv", "b.h5", "none.csv"]
    assert_rounded(read_samples(a), table(2, 4))


def test_combined_names(tmp_path):
    a = write(table(2), tmp_path / "a.h5", names=["a", "b", "log_likelihood", "phase"])
    b = write(table(2), tmp_path / "b.h5", names=["b", "a", "log_likelihood", "phase"])
    none = write(table(2), tmp_path / "c.csv")
    with pytest.raises(InvalidDataError, match=r"b\.h5: its columns are b, a, .*; put them into one order"):
        combine_samples([a, b], tmp_path / "out.h5")
    combine_samples([none, a], tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert list(file["samples"].attrs["columns"]) == ["a", "b", "log_likelihood", "phase"]


def test_an_empty_text_adds_nothing(tmp_path):
    (tmp_path / "none.csv").touch()
    good = write(table(3), tmp_path / "good.csv")
    assert combine_samples([tmp_path / "none.csv", good], tmp_path / "out.csv") == Combined(3, 0)


def test_combining_holds_one_block_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(samples_module, "BLOCK_ROWS", 10)
    files = [write(table(35), tmp_path / name) for name in ("a.csv", "b.h5")]
    sizes = []
    whole = samples_module.write_blocks

    def watched(path, kind, blocks, *rest):
        whole(path, kind, (sizes.append(len(block)) or block for block in blocks), *rest)

    monkeypatch.setattr(samples_module, "write_blocks", watched)
    combine_samples(files, tmp_path / "out.csv")
    assert sizes == [10, 10, 10, 5] * 2
    assert (tmp_path / "out.csv").read_bytes() == files[0].read_bytes() * 2


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_a_full_disk_leaves_no_half_file(tmp_path, ending):
    path = tmp_path / f"s{ending}"
    with full_disk(20_000):
        with pytest.raises(CheckpointError, match=rf"s\{ending}: cannot be written: File too large"):
            write(table(5000), path)
        assert not names_in(tmp_path)
    assert len(read_samples(write(table(5000), path))) == 5000


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_a_place_that_cannot_be_written(tmp_path, ending):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"cannot be written: (Not a directory|File exists)"):
        write(table(2), tmp_path / "file" / f"s{ending}")


def test_reading_gives_no_other_warning(tmp_path):
    (tmp_path / "s.csv").write_text("# nothing\n\n1, 2\n\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [batch.tolist() for batch in iter_sample_batches(tmp_path / "s.csv", 1)] == [[[1, 2]]]
