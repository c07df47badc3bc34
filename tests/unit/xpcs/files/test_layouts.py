"""Layouts: what is read from files written by hand, compared with plain readings, and files that are not right."""

import errno
import json
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from tests.unit.xpcs.files.handmade import ANGLES, RINGS, N, aps_old, aps_u, full_matrices, npz
from wilks.core.errors import InvalidDataError
from wilks.xpcs.files import ReadOptions, describe, read


def upper(matrices):
    return [np.triu(matrix) for matrix in matrices]


def values(data):
    return [data.read_c2(k) for k in range(data.n_phi)]


@pytest.mark.parametrize("layout", [aps_u, aps_old])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}], ids=str)
def test_hdf5(tmp_path, layout, options):
    path, matrices = layout(tmp_path / "run.hdf", **options)
    for i, q in enumerate(RINGS):
        data = read(path, q)
        np.testing.assert_array_equal(values(data), upper(matrices[5 * i : 5 * i + 5]))
        assert data.phi.tolist() == list(ANGLES)
        assert (data.q, data.dt) == (q, pytest.approx(0.1))
        assert data.t == pytest.approx(0.1 * np.arange(N))
        assert data.is_float32
        assert data.source.layout == layout.__name__
        assert data.source.notes == ()
        np.testing.assert_array_equal(data.matrix(1), matrices[5 * i + 1].astype(float))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(tmp_path, compressed, dtype, order):
    c2 = np.asarray(100 * full_matrices(4)).astype(dtype, order=order)
    path, _ = npz(tmp_path / "run.npz", compressed=compressed, c2=c2)
    data = read(path, angles=[-170, 80], frames=(3, 9))
    np.testing.assert_array_equal(values(data), c2[[0, 3], 2:9, 2:9])
    assert data.t == pytest.approx(0.1 * np.arange(2, 9))
    assert data.source.keys == ("c2_exp[0]", "c2_exp[3]")
    assert describe(path).compression == ("deflate" if compressed else "none")


def test_big_endian_and_integers(tmp_path):
    c2 = np.round(full_matrices(15))
    for dtype in (">f4", ">f8", "<i2"):
        path, _ = aps_old(tmp_path / "run.hdf")
        with h5py.File(path, "r+") as file:
            for name, matrix in zip(list(file["exchange/C2T_all"]), c2, strict=True):
                del file[f"exchange/C2T_all/{name}"]
                file[f"exchange/C2T_all/{name}"] = matrix.astype(dtype)
        data = read(path, 0.0054)
        np.testing.assert_array_equal(values(data), c2[5:10])


def test_bins_that_were_processed(tmp_path):
    path, matrices = aps_u(tmp_path / "run.hdf", bins=[6, 8, 9, 11])  # numbered from 1: ring 1 has 6 to 10
    contents = describe(path)
    assert [(each.key, each.q, each.phi) for each in contents.matrices] == [
        ("c2_00001", RINGS[1], ANGLES[0]),
        ("c2_00002", RINGS[1], ANGLES[2]),
        ("c2_00003", RINGS[1], ANGLES[3]),
        ("c2_00004", RINGS[2], ANGLES[0]),
    ]
    np.testing.assert_array_equal(values(read(path, RINGS[1])), upper(matrices[:3]))


def test_matrices_named_by_their_bin(tmp_path):
    names = [f"c2_{number:05d}" for number in (9, 6, 11)]
    path, matrices = aps_u(tmp_path / "run.hdf", bins=[9, 6, 11], names=names)
    data = read(path, RINGS[1])
    assert data.phi.tolist() == [ANGLES[3], ANGLES[0]]
    assert data.source.keys == ("c2_00009", "c2_00006")
    np.testing.assert_array_equal(values(data), upper(matrices[:2]))


def test_the_place_of_a_matrix_is_its_name_where_both_could_be(tmp_path):
    path, matrices = aps_u(tmp_path / "run.hdf", bins=[2, 1, 3])
    data = read(path)
    assert data.phi.tolist() == [ANGLES[1], ANGLES[0], ANGLES[2]]
    np.testing.assert_array_equal(values(data), upper(matrices))


def test_names_of_bins_in_the_order_of_their_numbers(tmp_path):
    path, matrices = aps_u(tmp_path / "run.hdf", names=[f"c2_{number}" for number in range(1, 16)])
    np.testing.assert_array_equal(values(read(path, RINGS[1])), upper(matrices[5:10]))


def test_bins_without_pixels_are_left_out_of_the_count(tmp_path):
    mapping = [1, 2, 5, 7, 9]  # points of the grid, ring * 5 + angle, numbered from 0
    path, matrices = aps_u(tmp_path / "run.hdf", bins=[3, 4, 5], mapping=mapping)
    data = read(path)
    assert data.q == RINGS[1]
    assert data.phi.tolist() == [ANGLES[0], ANGLES[2], ANGLES[4]]
    np.testing.assert_array_equal(values(data), upper(matrices))
    assert "bins without pixels" in data.source.notes[0]


def test_a_map_of_all_bins_needs_no_word(tmp_path):
    assert describe(aps_u(tmp_path / "run.hdf", mapping=np.arange(15))[0]).notes == ()


@pytest.mark.parametrize("phi", [(), (30.0,)])
def test_rings_without_angles(tmp_path, phi):
    path, matrices = aps_u(tmp_path / "run.hdf", phi=phi)
    data = read(path, RINGS[2])
    assert data.phi.tolist() == [phi[0] if phi else 0.0]
    assert any("no angles" in note for note in data.source.notes) is (not phi)
    np.testing.assert_array_equal(values(data), upper(matrices[2:]))


def test_time_between_frames(tmp_path):
    assert describe(aps_u(tmp_path / "a.hdf", time=0.02, factors=(3, 5))[0]).dt == pytest.approx(0.3)
    partly = describe(aps_u(tmp_path / "b.hdf", time=0.02, factors=(3,))[0])
    assert partly.dt == pytest.approx(0.06)
    assert "avg_frame is not in the file" in partly.notes[0]
    for path in (aps_u(tmp_path / "c.hdf", time=None)[0], aps_old(tmp_path / "d.hdf", period=0)[0]):
        assert describe(path).dt is None
        with pytest.raises(InvalidDataError, match=r"the time between frames is not in the file .* give dt in s"):
            read(path, RINGS[0])
        assert read(path, RINGS[0], dt=2).t.tolist() == [2.0 * k for k in range(N)]


FRAME_TIME, STRIDE = "entry/instrument/detector_1/frame_time", "xpcs/twotime/config/stride_frame"


@pytest.mark.parametrize("name", [FRAME_TIME, STRIDE])
@pytest.mark.parametrize("value", [np.linspace(0.05, 0.06, 9), np.empty(0), "0.05", 0.0, np.nan, np.inf, "a group"])
def test_times_between_frames_that_are_none_are_in_the_way_of_nobody_who_knows_better(tmp_path, name, value):
    path, _ = aps_u(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file[name]
        if isinstance(value, str) and value == "a group":
            file.create_group(name)
        else:
            file[name] = value
    with pytest.raises(InvalidDataError, match=r"not one positive number there: give dt in s"):
        read(path, RINGS[0])
    data = read(path, RINGS[0], dt=0.2)
    assert data.dt == pytest.approx(0.2)
    expected = f"{name} is not one positive number, so the time between frames is not known from the file."
    assert data.source.notes == (expected,)


def test_the_time_between_frames_may_be_listed_for_every_frame(tmp_path):
    assert describe(aps_u(tmp_path / "run.hdf", time=np.full((N, 1), 0.05), factors=(1, 2))[0]).dt == pytest.approx(0.1)


def test_names_in_the_order_of_their_numbers(tmp_path):
    names = [f"g2_{number}" for number in range(1, 16)]
    path, matrices = aps_old(tmp_path / "run.hdf", names=names)
    data = read(path, RINGS[2])
    assert data.source.keys == tuple(names[10:])
    np.testing.assert_array_equal(values(data), upper(matrices[10:]))
    assert "g2_2 before g2_10" in data.source.notes[0]


def test_some_bins_of_the_old_layout(tmp_path):
    q, phi = np.repeat(RINGS, len(ANGLES)), np.tile(ANGLES, len(RINGS))
    path, matrices = aps_old(tmp_path / "run.hdf", q=q, phi=phi, bins=[7, 8, 13], matrices=full_matrices(3))
    data = read(path, RINGS[1])
    assert data.phi.tolist() == [ANGLES[1], ANGLES[2]]
    np.testing.assert_array_equal(values(data), upper(matrices[:2]))


def test_lists_of_unequal_lengths(tmp_path):
    path, _ = aps_old(tmp_path / "a.hdf", matrices=full_matrices(14))
    with pytest.raises(InvalidDataError, match=r"a.hdf: 14 matrices .* 15 values in xpcs/dqlist"):
        describe(path)
    path, _ = aps_old(tmp_path / "b.hdf", phi=np.arange(14))
    with pytest.raises(InvalidDataError, match="dqlist has 15 values and xpcs/dphilist 14"):
        describe(path)
    path, _ = aps_u(tmp_path / "c.hdf")
    with h5py.File(path, "r+") as file:
        del file["xpcs/twotime/correlation_map/c2_00015"]
    with pytest.raises(InvalidDataError, match=r"14 matrices .*processed_bins lists 15 bins"):
        describe(path)


@pytest.mark.parametrize(
    ("bins", "mapping", "message"),
    [
        ([1, 16], None, "outside of the 15 points of the grid"),
        ([0, 1], None, "numbers of bins, counted from 1"),
        ([1.5, 2], None, "numbers of bins, counted from 1"),
        ([np.nan, 2], None, "numbers of bins, counted from 1"),
        ([3, 3], None, "every bin once"),
        ([1, 6], np.arange(5), "goes up to 6, but .* has 5 entries"),
        ([1, 2], [0, 99], "outside of the 15 points"),
    ],
)
def test_bins_that_cannot_be(tmp_path, bins, mapping, message):
    path, _ = aps_u(tmp_path / "run.hdf", bins=bins, mapping=mapping)
    with pytest.raises(InvalidDataError, match=message):
        describe(path)


def test_bins_of_the_old_layout_beyond_the_lists(tmp_path):
    path, _ = aps_old(tmp_path / "run.hdf", bins=[1, 99], matrices=full_matrices(2))
    with pytest.raises(InvalidDataError, match="goes up to 99, but xpcs/dqlist has 15 values"):
        describe(path)


@pytest.mark.parametrize("names", [("x", "y"), ("q", "y"), ("phi", "q"), ("x", "phi")])
def test_another_division_of_the_detector(tmp_path, names):
    path, _ = aps_u(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file["xpcs/qmap/map_names"]
        file["xpcs/qmap/map_names"] = list(names)
    with pytest.raises(InvalidDataError, match=rf"divided by {names[0]} and {names[1]} .* expected q and phi"):
        describe(path)


def test_names_of_the_division_that_are_none(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file["xpcs/qmap/map_names"]
        file.create_group("xpcs/qmap/map_names")
    assert describe(path).q.tolist() == list(RINGS)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EAGAIN, "another program has it open for writing; wait until it has closed it, or read a copy"),
        (errno.ENOLCK, "its file system has no locks; set the environment variable HDF5_USE_FILE_LOCKING=FALSE"),
        (None, "it is damaged or was copied incompletely"),
    ],
)
def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch, code, advice):
    path, _ = aps_u(tmp_path / "run.hdf")

    def refused(*_):
        raise OSError(code, "unable to lock file") if code else OSError("truncated file")

    monkeypatch.setattr(h5py, "File", refused)
    with pytest.raises(InvalidDataError, match=rf"run.hdf: this HDF5 file cannot be opened \(.*\): {advice}"):
        describe(path)


def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_dir", refused)
    with pytest.raises(InvalidDataError, match=r"run.hdf: cannot be read: Permission denied"):
        describe(tmp_path / "run.hdf")


@pytest.mark.parametrize("half", [np.triu, np.tril])
@pytest.mark.parametrize("empty", [0.0, np.nan])
def test_either_half(tmp_path, half, empty):
    matrices = full_matrices(2)
    path, _ = aps_old(tmp_path / "run.hdf", q=[0.01] * 2, phi=[0, 30])
    with h5py.File(path, "r+") as file:
        for name, matrix in zip(list(file["exchange/C2T_all"]), matrices, strict=True):
            file[f"exchange/C2T_all/{name}"][...] = np.where(half(np.ones((N, N))) > 0, matrix, empty)
    data = read(path, frames=(3, 9))
    np.testing.assert_array_equal(data.matrix(1), matrices[1, 2:9, 2:9].astype(np.float32))


@pytest.mark.parametrize("shape", [(-1,), (1, -1), (-1, 1)])
def test_lists_of_any_shape(tmp_path, shape):
    path, _ = aps_old(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        for name in ("xpcs/dqlist", "xpcs/dphilist"):
            values = file[name][()]
            del file[name]
            file[name] = values.reshape(shape)
    assert read(path, RINGS[1]).phi.tolist() == list(ANGLES)


def test_no_square_matrix_at_all(tmp_path):
    path, _ = aps_old(tmp_path / "run.hdf", q=[0.01], phi=[0])
    with h5py.File(path, "r+") as file:
        del file["exchange/C2T_all/g2_00001"]
        file["exchange/C2T_all/g2_00001"] = np.zeros((3, 4))
    with pytest.raises(InvalidDataError, match=r"expected square matrices, but g2_00001 has shape \(3, 4\)"):
        describe(path)


def test_the_size_is_that_of_most_matrices(tmp_path):
    path, _ = aps_old(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file["exchange/C2T_all/g2_00001"]
        file["exchange/C2T_all/g2_00001"] = np.zeros((3, 3))
    contents = describe(path)
    assert contents.n_t == N
    assert "1 of 15 matrices are not (12, 12) like the others: g2_00001" in contents.notes[0]


def test_wave_vectors_that_are_none_are_shown(tmp_path):
    assert describe(aps_old(tmp_path / "run.hdf", q=[-0.01, -0.01, 0, 0.01], phi=[0, 1, 2, 3])[0]).q.tolist() == [
        -0.01,
        -0.01,
        0,
        0.01,
    ]


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (aps_u, "xpcs/twotime/processed_bins"),
        (aps_u, "xpcs/qmap/dynamic_v_list_dim0"),
        (aps_old, "xpcs/dqlist"),
        (aps_old, "xpcs/dphilist"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "group", "text"])
def test_lists_that_are_not_there(tmp_path, layout, name, how):
    path, _ = layout(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file[name]
        if how == "group":
            file.create_group(name)
        elif how == "text":
            file[name] = "none"
    with pytest.raises(InvalidDataError, match=rf"run.hdf: .*{name}.*(is missing|is none|type is object)"):
        describe(path)


@pytest.mark.parametrize(("layout", "group"), [(aps_u, "xpcs/twotime/correlation_map"), (aps_old, "exchange/C2T_all")])
def test_groups_that_are_not_there(tmp_path, layout, group):
    path, _ = layout(tmp_path / "run.hdf")
    with h5py.File(path, "r+") as file:
        del file[group]
        file.create_group(group)
    with pytest.raises(InvalidDataError, match=f"the group {group} is empty"):
        describe(path)
    with h5py.File(path, "r+") as file:
        del file[group]
    with pytest.raises(InvalidDataError, match=rf"none of the known layouts(.|\n)*{layout.__name__}: {group}, "):
        describe(path)
    with pytest.raises(InvalidDataError, match=f"expected the group {group} with the matrices, but it is missing"):
        read(path, options=ReadOptions(layout=layout.__name__))


def test_a_layout_that_is_asked_for(tmp_path):
    path, _ = aps_old(tmp_path / "run.hdf")
    assert read(path, RINGS[0], options=ReadOptions(layout="aps_old")).n_phi == 5
    with pytest.raises(InvalidDataError, match="expected the group xpcs/twotime/correlation_map"):
        read(path, options=ReadOptions(layout="aps_u"))
    with pytest.raises(InvalidDataError, match="layout npz is one of NPZ files, and this is a file of HDF5"):
        read(path, options=ReadOptions(layout="npz"))


def test_files_of_another_kind(tmp_path):
    with pytest.raises(InvalidDataError, match=r"absent.hdf: there is no such file \(looked in"):
        describe(tmp_path / "absent.hdf")
    with pytest.raises(InvalidDataError, match="this is a folder"):
        describe(tmp_path)
    path = tmp_path / "run.hdf"
    path.write_bytes(b"")
    with pytest.raises(InvalidDataError, match="the file is empty"):
        describe(path)
    path.write_text("q phi c2\n")
    with pytest.raises(InvalidDataError, match="neither an HDF5 nor an NPZ file; its first bytes are b'q phi c2'"):
        describe(path)
    np.save(tmp_path / "c2.npy", np.zeros(3))
    with pytest.raises(InvalidDataError, match="a single NumPy array; write an NPZ file with c2_exp, "):
        describe(tmp_path / "c2.npy")
    with h5py.File(path, "w") as file:
        file["entry/data/frames"] = np.zeros((2, 3))
        file["xpcs/dqlist"] = np.zeros(3)
    with pytest.raises(InvalidDataError) as caught:
        describe(path)
    for part in (
        "aps_u: xpcs/twotime/correlation_map",
        "xpcs/dqlist (there)",
        "  entry/\n    data/\n  xpcs/\n    dqlist (3,)",
    ):
        assert part in str(caught.value)
    np.savez(tmp_path / "run.npz", c2=np.zeros(3), t=np.zeros(2))
    with pytest.raises(InvalidDataError, match=r"NPZ file has none(.|\n)*npz: c2_exp, phi(.|\n)*found:\n  c2, t"):
        describe(tmp_path / "run.npz")


@pytest.mark.parametrize("make", [aps_u, aps_old, npz])
def test_a_truncated_file(tmp_path, make):
    path, _ = make(tmp_path / "run.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidDataError, match=r"run.npz: .*(damaged|copied incompletely)"):
        describe(path)


T = 0.1 * np.arange(N)


@pytest.mark.parametrize(
    ("t1", "t2"),
    [(T[:, None] + 0 * T, T + 0 * T[:, None]), (T + 0 * T[:, None], T[:, None] + 0 * T), (T, T + 0 * T[:, None])],
)
def test_grids_of_times(tmp_path, t1, t2):
    path, _ = npz(tmp_path / "run.npz", t1=t1, t2=t2)
    assert read(path).t == pytest.approx(T)
    path, _ = npz(tmp_path / "run.npz", t1=np.array([t1] * 5), t2=t2)
    assert read(path).t == pytest.approx(T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t1": T[:-1]}, "t1: expected the 12 times of the frames"),
        ({"t1": T[::-1], "t2": T[::-1]}, "t1: expected the 12 times .* ascending"),
        ({"t2": 2 * T}, "t1 and t2 are not the same times"),
        ({"t1": np.random.default_rng(1).random((N, N))}, "t1 is neither an axis nor a grid"),
        ({"phi_angles_list": np.zeros(4)}, "5 matrices in c2_exp, but 4 values in phi_angles_list"),
        ({"wavevector_q_list": np.zeros(2)}, "and 2 in wavevector_q_list"),
        ({"phi_angles_list": np.array(list("abcde"))}, "phi_angles_list: expected real numbers"),
        ({"phi_angles_list": None}, "expected an array phi_angles_list, but the file holds "),
        ({"c2": np.zeros((N, N))}, r"c2_exp has shape \(12, 12\)"),
        ({"c2": np.zeros((2, N, N), complex)}, "c2_exp has .* type complex128"),
        ({"c2": np.zeros((2, N, N)).astype(object)}, "c2_exp holds Python objects .pickles."),
        ({"t1": T.astype(object)}, "t1 holds Python objects .pickles."),
        ({"sigma": np.ones(4)}, "sigma has shape"),
        ({"sigma": np.ones((5, N, 3))}, "sigma has shape"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, changes, message):
    path, _ = npz(tmp_path / "run.npz", **changes)
    with pytest.raises(InvalidDataError, match=f"run.npz: .*{message}"):
        read(path, frames=(2, 7))


def test_one_wave_vector_for_all(tmp_path):
    assert read(npz(tmp_path / "run.npz", wavevector_q_list=np.array([0.01]))[0]).q == 0.01


@pytest.mark.parametrize("compressed", [False, True])
def test_sigma_of_the_file(tmp_path, compressed):
    sigma = np.random.default_rng(2).uniform(0.01, 0.02, (5, N, N))
    path, _ = npz(tmp_path / "a.npz", compressed=compressed, sigma=sigma)
    data = read(path, angles=[(-10, 10)], frames=(2, 7))
    assert data.has_sigma_per_value
    np.testing.assert_array_equal([data.read_sigma(k) for k in range(2)], sigma[1:3, 1:7, 1:7])
    data = read(npz(tmp_path / "b.npz", sigma=np.arange(1, 6))[0], angles=[80, 175])
    assert data.sigma.tolist() == [4, 5]
    assert read(npz(tmp_path / "c.npz", sigma=0.5)[0]).sigma.tolist() == [0.5] * 5
    assert read(path, options=ReadOptions(sigma=0.3)).sigma.tolist() == [0.3] * 5
    assert read(npz(tmp_path / "d.npz")[0]).sigma is None


def test_times_of_the_file_keep_their_origin(tmp_path):
    t = 5 + 0.1 * np.arange(N)
    path, _ = npz(tmp_path / "run.npz", t1=t, t2=t)
    assert read(path, frames=(3, 6)).t == pytest.approx(t[2:6])
    assert read(path, frames=(3, 6), dt=0.2).t == pytest.approx(2 * t[2:6])


@pytest.mark.parametrize(("first", "start", "noted"), [(401, 0.0, True), (1, 0.0, False), (401, 40.0, False)])
def test_a_cache_of_homodyne_that_was_cut(tmp_path, first, start, noted):
    metadata = np.asarray(json.dumps({"start_frame": first}))
    path, _ = npz(tmp_path / "run.npz", cache_metadata_json=metadata, t1=start + T, t2=start + T)
    notes = read(path).source.notes
    assert bool(notes) is noted
    if noted:
        assert "begins with frame 401" in notes[0]


def test_of_a_compressed_npz_only_the_windows_are_kept(tmp_path):
    n, n_matrices = 250, 12
    c2 = np.ones((n_matrices, n, n))
    t = np.arange(n)
    arrays = {"wavevector_q_list": [0.01], "phi_angles_list": np.arange(n_matrices), "t1": t, "t2": t, "c2_exp": c2}
    np.savez_compressed(tmp_path / "run.npz", **arrays)
    read(tmp_path / "run.npz", frames=(1, 20))  # loads what it needs
    tracemalloc.start()
    read(tmp_path / "run.npz", frames=(1, 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * c2[0].nbytes


def test_a_compressed_npz_whose_values_are_damaged(tmp_path):
    path, _ = npz(tmp_path / "run.npz", compressed=True)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("c2_exp.npy")
    with path.open("r+b") as raw:
        raw.seek(info.header_offset + info.compress_size // 2)
        raw.write(b"\xff" * 64)
    with pytest.raises(InvalidDataError, match=r"run.npz: this NPZ file cannot be read .* damaged"):
        read(path)
