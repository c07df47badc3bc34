"""Files that are written, looked at with plain h5py and zipfile, and read back."""

import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.xpcs.files import read
from wilks.xpcs.files.writing import write

N_T, DT = 12, 0.1
T = DT * np.arange(N_T)
APS = ("aps_u", "aps_old")
LAYOUTS = (*APS, "npz")


def matrices(n, seed=1, n_t=N_T):
    """Matrices with independent halves."""
    return np.random.default_rng(seed).normal(1.2, 0.05, (n, n_t, n_t)).astype(np.float32)


def mirrored(c2):
    return (c2 + c2.transpose(0, 2, 1)) / 2


def measurement(phi=(0.0, 45.0, 90.0), q=0.005, t=T, seed=1, **more):
    return xpcs.TwoTimeData(mirrored(matrices(len(phi), seed, len(t))), t, phi, q, dt=DT, **more)


def full(half):
    """What other programs make of a half."""
    whole = half + half.T
    whole[np.diag_indices(len(whole))] /= 2
    return whole


def test_aps_u_has_the_structure_that_readers_look_for(tmp_path):
    data = measurement()
    with h5py.File(write(tmp_path / "a.hdf", data, layout="aps_u")) as file:
        assert file["xpcs/qmap/dynamic_v_list_dim0"][()].tolist() == [0.005]
        assert file["xpcs/qmap/dynamic_v_list_dim1"][()].tolist() == [0, 45, 90]
        assert file["xpcs/twotime/processed_bins"][()].tolist() == [1, 2, 3]
        factors = [file[f"xpcs/twotime/config/{name}"][()] for name in ("stride_frame", "avg_frame")]
        assert np.prod(factors) * file["entry/instrument/detector_1/frame_time"][()] == pytest.approx(DT)
        group = file["xpcs/twotime/correlation_map"]
        assert list(group) == ["c2_00001", "c2_00002", "c2_00003"]
        for k, half in enumerate(group.values()):
            assert half.dtype == np.float32
            assert (half.compression, half.shuffle) == ("gzip", True)
            assert not np.tril(half[()], -1).any()
            np.testing.assert_array_equal(full(half[()]), data.c2[k])


def test_aps_old_has_the_structure_that_readers_look_for(tmp_path):
    one, two = measurement(), measurement((10.0, 20.0), 0.007, seed=2)
    path = write(tmp_path / "a.hdf", [two, one], layout="aps_old", compression=None)
    with h5py.File(path) as file:
        assert file["xpcs/dqlist"][()].tolist() == [[0.007, 0.007, 0.005, 0.005, 0.005]]
        assert file["xpcs/dphilist"][()].tolist() == [[10, 20, 0, 45, 90]]
        group = file["exchange/C2T_all"]
        for half, matrix in zip(group.values(), [*two.c2, *one.c2], strict=True):
            assert half.compression is None
            assert not np.tril(half[()], -1).any()
            np.testing.assert_array_equal(full(half[()]), matrix)


@pytest.mark.parametrize(("compression", "how"), [("gzip", zipfile.ZIP_DEFLATED), (None, zipfile.ZIP_STORED)])
def test_npz_has_the_arrays_of_the_reference(tmp_path, compression, how):
    data = measurement(sigma=[0.1, 0.2, 0.3])
    path = write(tmp_path / "a.npz", data, layout="npz", compression=compression)
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["c2_exp"], data.c2)
        np.testing.assert_array_equal(file["t1"], T)
        np.testing.assert_array_equal(file["t2"], T)
        assert file["phi_angles_list"].tolist() == [0, 45, 90]
        assert file["wavevector_q_list"].tolist() == [0.005] * 3
        assert file["sigma"].tolist() == [0.1, 0.2, 0.3]
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("c2_exp.npy").compress_type == how


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", ["gzip", None])
def test_what_is_written_is_read_back(tmp_path, layout, compression):
    """Two wave vectors, angles not sorted and one of them twice."""
    written = [measurement((30.0, -60.0, 30.0), 0.007, seed=3), measurement((0.0, 30.0), 0.005)]
    path = write(tmp_path / "a", written, layout=layout, compression=compression)
    for data in written:
        found = read(path, q=data.q)
        assert found.source.layout == layout
        assert found.q == data.q
        np.testing.assert_allclose(found.t, data.t, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(found.phi, data.phi)
        for k in range(data.n_phi):
            np.testing.assert_array_equal(found.matrix(k), data.matrix(k))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_times_keep_their_origin(tmp_path, layout):
    data = measurement(t=T + 3 * DT)
    path = write(tmp_path / "a", data, layout=layout)
    found = read(path, frames=(4, None) if layout in APS else None)
    np.testing.assert_allclose(found.t, data.t, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.matrix(1), data.matrix(1))
    if layout in APS:
        everything = read(path).matrix(1)
        assert np.isnan(everything[:3]).all()
        assert np.isnan(everything[:, :3]).all()
        np.testing.assert_array_equal(everything[3:, 3:], data.matrix(1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("half", [np.triu, np.tril])
def test_a_half_is_filled_up(tmp_path, layout, half):
    c2 = mirrored(matrices(2))
    path = write(tmp_path / "a", xpcs.TwoTimeData(half(c2), T, [0, 90], 0.005), layout=layout)
    for k in range(2):
        np.testing.assert_array_equal(read(path).matrix(k), c2[k])


@pytest.mark.parametrize("layout", APS)
def test_independent_halves_are_averaged_where_one_is_kept(tmp_path, layout):
    c2 = matrices(2)
    path = write(tmp_path / "a", xpcs.TwoTimeData(c2, T, [0, 90], 0.005), layout=layout)
    np.testing.assert_array_equal(read(path).matrix(1), mirrored(c2)[1])


def test_independent_halves_are_kept_where_both_have_a_place(tmp_path):
    c2 = matrices(2).astype(float)
    path = write(tmp_path / "a", xpcs.TwoTimeData(c2, T, [0, 90], 0.005), layout="npz")
    np.testing.assert_array_equal(read(path).read_c2(1), c2[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masked_and_missing_values_are_not_measured(tmp_path, layout):
    c2 = mirrored(matrices(3))
    c2[0, 2, 5] = c2[0, 5, 2] = np.inf
    c2[2] = 0  # no data of this angle
    mask = np.ones((N_T, N_T), bool)
    mask[:, 7] = mask[7] = False
    mask[1, 3] = False  # in one half only: the pair is known from the other
    path = write(tmp_path / "a", xpcs.TwoTimeData(c2, T, [0, 45, 90], 0.005, mask=mask), layout=layout)
    found = read(path)
    expected = c2.copy()
    expected[:, 7] = expected[:, :, 7] = np.nan
    expected[0, 2, 5] = expected[0, 5, 2] = expected[2] = np.nan
    for k in range(3):
        np.testing.assert_array_equal(found.matrix(k), expected[k])


def test_a_mask_of_a_half_says_nothing_of_the_other_half(tmp_path):
    c2 = mirrored(matrices(1))
    mask = np.triu(np.ones((N_T, N_T), bool))
    path = write(tmp_path / "a", xpcs.TwoTimeData(np.triu(c2), T, [0], 0.005, mask=mask), layout="npz")
    np.testing.assert_array_equal(read(path).matrix(0), c2[0])


def test_a_fit_of_what_is_read_back_is_the_same(tmp_path):
    values = {"D0": 2e4, "alpha": -0.5, "D_offset": 3e3}
    geometry = xpcs.Geometry(0.1 * np.arange(40), 0.1, 0.0054, None, [0.0, 90.0])
    made = {"mode": "static", "sigma": [0.01, 0.02], "seed": 1, "dtype": np.float32}
    data = xpcs.simulate(values, geometry, storage="independent", **made)
    each = xpcs.TwoTimeData(data.c2, data.t, data.phi, data.q, sigma=np.full((2, 40, 40), 0.01))
    options = xpcs.FitOptions(n_starts=50, n_refined=2)
    for given in (data, each):
        first = xpcs.fit(given, "static", options=options, seed=1, callbacks=())
        found = read(write(tmp_path / "a", given, layout="npz", overwrite=True))
        again = xpcs.fit(found, "static", options=options, seed=1, callbacks=())
        assert again.noise == first.noise
        assert again.reduced_chi_squared == pytest.approx(first.reduced_chi_squared, rel=1e-6)
        assert again.values["D0"] == pytest.approx(first.values["D0"], rel=1e-5)
        assert again.standard_errors["D0"] == pytest.approx(first.standard_errors["D0"], rel=1e-5)


def test_numbers_and_values_of_sigma_go_into_one_file(tmp_path):
    per_value = np.random.default_rng(4).uniform(0.1, 0.2, (3, N_T, N_T))
    written = [measurement(sigma=per_value), measurement(q=0.007, sigma=0.5)]
    path = write(tmp_path / "a", written, layout="npz")
    np.testing.assert_allclose(read(path, q=0.005).read_sigma(2), per_value[2], rtol=1e-6)
    np.testing.assert_array_equal(read(path, q=0.007).read_sigma(0), 0.5)


@pytest.mark.parametrize(
    ("given", "layout", "message"),
    [
        ([], "npz", "a list with one for every q, got an empty list"),
        ([np.ones(3)], "npz", "got a ndarray"),
        ([measurement(), measurement(q=0.007, t=T[:-1])], "npz", "12 times from 0 to 1.1 s and the one at q = 0.007"),
        ([measurement(), measurement(q=0.007, t=T + DT)], "npz", "0.1 to 1.2 s: write a file for each"),
        ([measurement(), measurement(q=0.0050001)], "npz", "the same wave vector, 0.005 and 0.0050001"),
        ([measurement(sigma=0.1), measurement(q=0.007)], "npz", "1 of 2 measurements have a sigma"),
        ([measurement(t=T + DT / 2)], "aps_u", "begin at 0.05 s"),
        ([measurement(t=T - DT)], "aps_old", "begin at -0.1 s"),
        ([measurement(t=[*T[:-1], 2.0])], "aps_u", "frame 12 of them is at 2 s: write layout='npz'"),
        ([measurement(sigma=np.ones((3, N_T, N_T)))], "aps_old", "a sigma of every value, which the data at q = 0.005"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, given, layout, message):
    with pytest.raises(InvalidDataError, match=message):
        write(tmp_path / "a", given, layout=layout)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("a", {"layout": "nexus"}, "layout: expected one of aps_u, aps_old, npz, got 'nexus'"),
        ("a", {"compression": "lzf"}, "compression: expected 'gzip' or None, got 'lzf'"),
        (7, {}, "path: expected the name of a file, got 7"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(tmp_path, path, options, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        write(tmp_path / path if isinstance(path, str) else path, measurement(), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_replaced_on_request_only_and_as_a_whole(tmp_path, layout):
    path = write(tmp_path / "new" / "a.hdf", measurement(), layout=layout)
    before = path.read_bytes()
    with pytest.raises(InvalidConfigurationError, match="exists already"):
        write(path, measurement(seed=2), layout=layout)

    class Broken:
        shape, dtype = (N_T, N_T), np.dtype(np.float32)

        def __array__(self, dtype=None, copy=None):
            raise InvalidDataError("this matrix is damaged")

    broken = xpcs.TwoTimeData([matrices(1)[0], Broken()], T, [0, 90], 0.005)
    with pytest.raises(InvalidDataError, match="damaged"):
        write(path, broken, layout=layout, overwrite=True)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    write(path, measurement(seed=2), layout=layout, overwrite=True)
    assert path.read_bytes() != before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write(tmp_path / "file" / "a.hdf", measurement())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_more_than_a_few_matrices_are_in_memory(tmp_path, layout):
    """Eight times as many matrices need no more memory."""
    n_t = 200
    one = np.triu(matrices(1, n_t=n_t)[0])
    peaks = []
    for n in (4, 32):
        data = xpcs.TwoTimeData([one] * n, DT * np.arange(n_t), np.arange(n), 0.005)
        tracemalloc.start()
        write(tmp_path / str(n), data, layout=layout)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2 * one.nbytes
