"""Which matrices and frames are taken, and what is said where there is nothing of the kind."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.xpcs.files.handmade import RINGS, N, aps_old, aps_u, full_matrices, npz
from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.files import ReadOptions, describe, parse_angles, read
from wilks.xpcs.files.angles import selected_angles


def rings(tmp_path, q, phi):
    return aps_old(tmp_path / "run.hdf", q=np.asarray(q), phi=np.asarray(phi, dtype=float))[0]


def test_the_only_wave_vector_need_not_be_named(tmp_path):
    data = read(rings(tmp_path, [0.0054] * 3, [0, 30, 60]))
    assert (data.q, data.source.q_requested, data.source.q_range) == (0.0054, None, (0.0054, 0.0054))


def test_one_of_several_has_to_be_named(tmp_path):
    path, _ = aps_old(tmp_path / "run.hdf")
    with pytest.raises(InvalidDataError, match=r"run.hdf: .*3 wave vectors; choose .* q .*: 0.004, 0.0054, 0.008$"):
        read(path)


def test_long_lists_are_cut(tmp_path):
    with pytest.raises(InvalidDataError, match=r"0.0111, ... 8 more up to 0.0119"):
        read(rings(tmp_path, 0.01 + 1e-4 * np.arange(20), np.zeros(20)))


def test_nothing_near(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    with pytest.raises(InvalidDataError, match=r"within 1 % of q = 0.006 1/Å; the nearest are at 0.004, 0.0054, 0.008"):
        read(path, 0.006)
    assert read(path, 0.006, options=ReadOptions(q_tolerance=0.15)).q == 0.0054


def test_the_tolerance_is_relative(tmp_path):
    path = rings(tmp_path, [0.0054] * 2, [0, 30])
    assert read(path, 0.0054 / 1.0099).q == 0.0054
    with pytest.raises(InvalidDataError, match="no matrix within 1 %"):
        read(path, 0.0054 / 1.0101)


def test_all_within_the_tolerance_in_the_order_of_the_file(tmp_path):
    path, matrices = aps_old(tmp_path / "run.hdf", q=[0.01, 0.01005, 0.02, 0.00996], phi=[90, 0, 5, 45])
    data = read(path, 0.01)
    assert data.phi.tolist() == [90, 0, 45]
    assert data.q == pytest.approx(np.mean([0.01, 0.01005, 0.00996]))
    assert data.source.q_range == (0.00996, 0.01005)
    assert data.source.q_requested == 0.01
    np.testing.assert_array_equal(data.read_c2(2), np.triu(matrices[3]))
    assert len(data.source.notes) == 1
    assert "differ by 0.9 %" in data.source.notes[0]
    assert "their mean, 0.0100033" in data.source.notes[0]


def test_small_differences_need_no_word(tmp_path):
    assert read(rings(tmp_path, [0.01, 0.010005], [0, 30])).source.notes == ()


@pytest.mark.parametrize(("q", "tolerance"), [(0.0101, 0.05), (None, 0.05), (0.0102, 0.3), (0.01025, 0.05)])
def test_two_rings_are_not_one(tmp_path, q, tolerance):
    path = rings(tmp_path, [0.0100, 0.0100, 0.0105, 0.0105], [0, 30, 0, 30])
    with pytest.raises(InvalidDataError, match=r"several rings .* q = 0.01, 0.0105 1/Å.*q_tolerance") as caught:
        read(path, q, options=ReadOptions(q_tolerance=tolerance))
    proposed = float(str(caught.value).rsplit("q_tolerance=", 1)[1].split()[0])
    assert proposed < tolerance
    named = q if "separates" in str(caught.value) else 0.01
    assert read(path, named, options=ReadOptions(q_tolerance=proposed)).q == 0.01


def test_two_rings_of_which_the_angles_leave_one(tmp_path):
    path = rings(tmp_path, [0.0100, 0.0100, 0.0105], [0, 30, 0])
    assert read(path, 0.01, angles=[30], options=ReadOptions(q_tolerance=0.1)).q == 0.01


def test_two_rings_are_found_once_around_the_circle(tmp_path):
    path = rings(tmp_path, [0.0100, 0.0100, 0.0105], [0, 30, 360])
    with pytest.raises(InvalidDataError, match="several rings"):
        read(path, 0.01, options=ReadOptions(q_tolerance=0.1))


def test_the_same_angle_twice_in_one_ring_is_fine(tmp_path):
    assert read(rings(tmp_path, [0.01] * 3, [0, 0, 360])).n_phi == 3


@pytest.mark.parametrize("q", [0, -0.01, np.nan, np.inf, "0.01", True])
def test_wave_vectors_that_cannot_be(tmp_path, q):
    with pytest.raises(InvalidConfigurationError, match="q: expected a positive number"):
        read(aps_u(tmp_path / "run.hdf")[0], q)


def test_matrices_without_wave_vector_or_angle(tmp_path):
    path = rings(tmp_path, [0.01, np.nan, 0.01, 0.02], [0, 30, 60, np.nan])
    assert read(path, 0.01).phi.tolist() == [0, 60]
    assert describe(path).q.tolist() == [0.01, 0.02]
    assert read(path, 0.01).source.notes == (
        "1 of the matrices in the file have no wave vector (NaN) and were left out.",
    )
    with pytest.raises(InvalidDataError, match=r"1 of the matrices have no angle .NaN.: leave them out with angles="):
        read(path, 0.02)


@pytest.mark.parametrize("q", [0.0, -0.01, np.nan])
def test_no_wave_vector_at_all(tmp_path, q):
    with pytest.raises(InvalidDataError, match=rf"run.hdf: expected wave vectors > 0 in 1/Å, but the file has {q:g}, "):
        read(rings(tmp_path, [q, q], [0, 30]))


def test_a_ring_whose_wave_vectors_vary_by_more_than_the_tolerance(tmp_path):
    path = rings(tmp_path, [0.0098, 0.0100, 0.0102, 0.0104, 0.02], [0, 30, 60, 90, 120])
    data = read(path, 0.01)
    assert data.phi.tolist() == [30]
    (note,) = data.source.notes
    assert note.startswith("3 matrices at other angles (0, 60, 90 degrees) with wave vectors nearby (0.0098 to 0.0104")
    assert read(path, 0.01, options=ReadOptions(q_tolerance=0.05)).phi.tolist() == [0, 30, 60, 90]


def test_another_ring_nearby_needs_no_word(tmp_path):
    path = rings(tmp_path, [0.01, 0.01, 0.0105, 0.0105, 0.0105], [0, 30, 360, 60, 90])
    assert read(path, 0.01).source.notes == ()


CIRCLE = np.array([-170.0, -90, -10, 0, 10, 79.6, 90, 170, 180, 190, 350])


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ([80], [79.6]),
        ([-180], [180]),
        ([-10], [-10, 350]),
        ([(-10, 10)], [-10, 0, 10, 350]),
        ([(170, -170)], [-170, 170, 180, 190]),
        ([(170, 190)], [-170, 170, 180, 190]),
        ([(-190, -170)], [-170, 170, 180, 190]),
        ([(10, -10)], [-170, -90, -10, 10, 79.6, 90, 170, 180, 190, 350]),
        ([(0, 360)], CIRCLE),
        ([(90, 90)], [90]),
        ([0, (80, 90), 180], [0, 90, 180]),
        ([[-10, 10]], [-10, 0, 10, 350]),
        (np.array([0.0, 90.0]), [0, 90]),
    ],
)
def test_angles(tmp_path, angles, expected):
    path = rings(tmp_path, np.full(len(CIRCLE), 0.01), CIRCLE)
    assert read(path, angles=angles).phi.tolist() == list(expected)


@settings(max_examples=200)
@given(
    low=st.integers(-400, 400),
    width=st.integers(0, 359),
    turns=st.integers(-2, 2),
    phi=st.lists(st.integers(-400, 400), min_size=1, max_size=8),
)
def test_a_range_goes_from_low_to_high(low, width, turns, phi):
    inside = [(value - low) % 360 <= width for value in phi]
    high = low + width + 360 * min(turns, 0)  # a whole turn more would be the circle
    if any(inside):
        chosen, notes = selected_angles(np.array(phi, dtype=float), ((float(low), float(high)),), 0.5, "run")
        assert chosen.tolist() == inside
        assert notes == []
    else:
        with pytest.raises(InvalidDataError, match="no angle lies in"):
            selected_angles(np.array(phi, dtype=float), ((float(low), float(high)),), 0.5, "run")


def test_angles_that_are_not_there(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    with pytest.raises(InvalidDataError, match=r"q = 0.004: no angle within 0.5 degrees of 20; .*-170, -5, 0, 80, 175"):
        read(path, RINGS[0], angles=[0, 20])
    with pytest.raises(InvalidDataError, match=r"no angle lies in 20:30, 100:110; there are .*-170, -5, 0, 80, 175"):
        read(path, RINGS[0], angles=[(20, 30), (100, 110)])
    data = read(path, RINGS[0], angles=[(20, 30), (-10, 10)])
    assert data.phi.tolist() == [-5, 0]
    assert data.source.notes == ("No angle lies between 20 and 30 degrees.",)
    assert read(path, RINGS[0], angles=[20], options=ReadOptions(angle_tolerance=20.5)).phi.tolist() == [0]


@pytest.mark.parametrize("angles", ["0:10", [], 5, ["a"], [(1, 2, 3)], [(0, np.inf)], [np.nan], [(0,)], ["01"]])
def test_angles_that_cannot_be(tmp_path, angles):
    with pytest.raises(InvalidConfigurationError, match="angles: expected"):
        read(aps_u(tmp_path / "run.hdf")[0], RINGS[0], angles=angles)


@pytest.mark.parametrize("text", ["", "a", "1:2:3", "1,,2", "nan", "1:", "0:inf"])
def test_texts_that_are_no_angles(text):
    with pytest.raises(InvalidConfigurationError, match="such as '-10:10,80,170:-170', got"):
        parse_angles(text)


def write_any(tmp_path, layout):
    path = tmp_path / layout
    if path.exists():
        return path
    return {
        "aps_u": lambda: aps_u(path, phi=(0.0, 30.0), chunks=(5, 5), compression="gzip"),
        "aps_old": lambda: aps_old(path, q=[0.004, 0.004], phi=[0, 30]),
        "stored.npz": lambda: npz(path, c2=full_matrices(2)),
        "compressed.npz": lambda: npz(path, c2=full_matrices(2), compressed=True),
    }[layout]()[0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    layout=st.sampled_from(["aps_u", "aps_old", "stored.npz", "compressed.npz"]),
    first=st.integers(1, N - 2),
    n=st.integers(3, N),
    open_end=st.booleans(),
)
def test_a_window_is_a_slice_of_the_whole(tmp_path, layout, first, n, open_end):
    path = write_any(tmp_path, layout)
    q = 0.0054 if layout.endswith("npz") else 0.004
    last = N if open_end else min(N, first + n - 1)
    whole, part = read(path, q), read(path, q, frames=(first, None if open_end else last))
    assert part.source.frames == (first, last)
    assert part.t.tolist() == whole.t[first - 1 : last].tolist()
    for k in range(2):
        np.testing.assert_array_equal(part.read_c2(k), whole.read_c2(k)[first - 1 : last, first - 1 : last])


def test_times_keep_their_origin(tmp_path):
    data = read(aps_old(tmp_path / "run.hdf")[0], RINGS[0], frames=(4, 8), dt=0.1)
    assert data.t == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7])


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ((1, 13), InvalidDataError, "frames 1 to 13 were asked for, and there are 12"),
        ((11, None), InvalidDataError, "frames 11 to 12 are fewer than the 3"),
        ((4, 5), InvalidDataError, "fewer than the 3"),
        ((0, 5), InvalidConfigurationError, "1 <= first <= last"),
        ((7, 5), InvalidConfigurationError, "1 <= first <= last"),
        ((13, None), InvalidDataError, "frames 13 to the end were asked for, and there are 12"),
        ((1, -1), InvalidConfigurationError, "1 <= first <= last"),
        ((1,), InvalidConfigurationError, "first, last"),
        (5, InvalidConfigurationError, "first, last"),
        ((1.0, 5), InvalidConfigurationError, "first, last"),
        ((True, 5), InvalidConfigurationError, "first, last"),
        ((None, 5), InvalidConfigurationError, "first, last"),
    ],
)
def test_frames_that_cannot_be(tmp_path, frames, error, message):
    with pytest.raises(error, match=message):
        read(aps_u(tmp_path / "run.hdf")[0], RINGS[0], frames=frames)


def test_dt_that_is_given(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    same = read(path, RINGS[0], dt=0.10005)
    assert (same.dt, same.source.notes) == (pytest.approx(0.10005), ())
    other = read(path, RINGS[0], dt=0.2)
    assert other.t == pytest.approx(0.2 * np.arange(N))
    assert other.source.notes == ("The time between frames is 0.2 s, as given, and 0.1 s according to the file.",)


@pytest.mark.parametrize("dt", [0, -1, np.nan, "0.1", True])
def test_dt_that_cannot_be(tmp_path, dt):
    with pytest.raises(InvalidConfigurationError, match="dt: expected a positive number"):
        read(aps_u(tmp_path / "run.hdf")[0], RINGS[0], dt=dt)


def test_the_gap_goes_to_the_data(tmp_path):
    assert read(aps_u(tmp_path / "run.hdf")[0], RINGS[0], gap=2e6).gap == 2e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "aps"}, r"layout: expected one of 'auto', .* \(did you mean 'aps_u'"),
        ({"q_tolerance": 0}, "q_tolerance: expected a number between 0 and 1"),
        ({"q_tolerance": 1.5}, "q_tolerance"),
        ({"angle_tolerance": "1"}, "angle_tolerance: expected a number between 0 and 180"),
        ({"sigma": 0}, "sigma: expected a positive number or None"),
        ({"sigma": True}, "sigma"),
        ({"cache": 3}, "cache: expected a folder or None"),
    ],
)
def test_options_that_cannot_be(change, message):
    with pytest.raises(InvalidConfigurationError, match=f"ReadOptions: {message}"):
        ReadOptions(**change)


def test_contents(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf", compression="gzip", shuffle=True, fletcher32=True)
    contents = describe(path)
    assert contents.q.tolist() == list(RINGS)
    assert (contents.layout, contents.n_t, contents.dtype, contents.compression) == ("aps_u", N, np.float32, "gzip")
    assert contents.nbytes == 15 * N * N * 4
    lines = contents.table().text().splitlines()
    assert lines[0] == "run.hdf"
    assert lines[2].split() == ["0.004", "5", "-170,", "-5,", "0,", "80,", "175"]
    assert "15 matrices, layout aps_u, 12 frames, one every 0.1 s; float32, gzip, 8.64 kB" in " ".join(lines)


def test_the_table_fits_a_terminal(tmp_path):
    n = 400
    path = rings(tmp_path, 0.01 + 1e-4 * np.arange(n), 3.3333 * np.arange(n))
    text = describe(path.rename(tmp_path / f"{'long_name_' * 12}.hdf")).table().text()
    assert max(map(len, text.splitlines())) <= 80
    assert "... 370 more ..." in text
    path = rings(tmp_path, np.full(n, 0.01), 0.12345 * np.arange(n))
    text = describe(path).table().text()
    assert "0 to 49.26" in text
    assert max(map(len, text.splitlines())) <= 80


def test_values_that_are_nearly_one_are_listed_once(tmp_path):
    contents = describe(rings(tmp_path, [0.01, 0.010002, 0.02, 0.010001], [0, 1, 2, 3]))
    assert contents.q.tolist() == [0.010001, 0.02]
    assert "0.010001         3" in contents.table().text()


def test_a_matrix_that_is_not_like_the_others(tmp_path):
    path, _ = aps_u(tmp_path / "run.hdf")
    name = "xpcs/twotime/correlation_map/c2_00007"
    for bad, message in [
        (np.zeros((N, N + 1)), r"has shape \(12, 13\), expected 12 x 12"),
        (np.zeros((N, N), complex), "its type is complex128"),
        (np.zeros((N - 1, N - 1)), r"has shape \(11, 11\)"),
        (None, "is a group"),
    ]:
        with h5py.File(path, "r+") as file:
            del file[name]
            if bad is None:
                file.create_group(name)
            else:
                file[name] = bad
        with pytest.raises(InvalidDataError, match=f"run.hdf: {name}:? .*{message}"):
            read(path, RINGS[1])
        assert read(path, RINGS[1], angles=[-170, 0, 80]).n_phi == 3
        notes = describe(path).notes
        assert ("c2_00007" in "".join(notes)) is (message != "its type is complex128")


def test_a_wave_vector_that_is_far_from_the_one_asked_for_is_told(tmp_path):
    path = tmp_path / "one.npz"
    c2 = np.ones((1, 5, 5))
    np.savez(path, wavevector_q_list=[0.0054], phi_angles_list=[0.0], t1=np.arange(5.0), t2=np.arange(5.0), c2_exp=c2)
    assert read(path, 0.0054).source.notes == ()
    notes = read(path, 0.005, options=ReadOptions(q_tolerance=0.1)).source.notes
    assert notes == ("The wave vector of the matrices is 0.0054 1/Å; 0.005 was asked for.",)
