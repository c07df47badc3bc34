"""Measurements: what is accepted, what is refused and with which words, and what is read when."""

import dataclasses

import h5py
import numpy as np
import pytest

from wilks.core.errors import InvalidDataError
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.stack import stack_of

N = 6
T = 0.1 * np.arange(N)
GOOD = {"c2": np.full((2, N, N), 1.2), "t": T, "phi": [0.0, 90.0], "q": 0.01, "gap": 2e6}


def data(**changes):
    return TwoTimeData(**{**GOOD, **changes})


class Unread:
    """Looks like an HDF5 dataset, and does not let itself be read."""

    shape = (2, N, N)
    dtype = np.dtype(float)

    def __getitem__(self, angle):
        raise AssertionError("nothing should be read")


def test_what_was_given_is_there():
    given = data(dt=0.1)
    assert (given.n_phi, given.n_t, given.q, given.gap, given.dt) == (2, N, 0.01, 2e6, 0.1)
    assert given.phi.tolist() == [0, 90]
    assert given.t.tolist() == T.tolist()
    assert given.nbytes == 2 * N * N * 8
    assert not given.is_float32


def test_positional():
    given = TwoTimeData(GOOD["c2"], T, [5, 3], 0.01, 1e6, 0.1, 0.02)
    assert (given.gap, given.dt, given.read_sigma(1)) == (1e6, 0.1, 0.02)


def test_dt_comes_from_t():
    assert data(t=[0, 1, 2, 3, 4, 100]).dt == 1


def test_dt_may_be_rounded():
    assert data(dt=0.10005).dt == 0.10005


@pytest.mark.parametrize("phi", [[90.0, 0.0], [5.0, 5.0]])
def test_angles_keep_their_order(phi):
    assert data(phi=phi).phi.tolist() == phi


def test_nothing_can_be_changed():
    times = T.copy()
    given = data(t=times, sigma=np.array([0.1, 0.2]))
    times[:] = 0
    assert given.t.tolist() == T.tolist()
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.q = 1.0
    for array in (given.t, given.phi, given.sigma):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_nothing_is_read_at_construction():
    given = data(c2=Unread(), sigma=Unread())
    assert "2 angles, 6 times" in repr(given)


REFUSED = [
    ({"c2": np.ones((N, N))}, r"c2 has shape \(6, 6\), expected \(n_phi, n_t, n_t\).*give \[c2\]"),
    ({"c2": np.ones((2, N, N + 1))}, r"c2 has shape \(2, 6, 7\).*square"),
    ({"c2": np.ones(N)}, r"c2 has shape \(6,\)"),
    ({"c2": np.ones((0, N, N))}, r"c2 has shape \(0, 6, 6\)"),
    ({"c2": np.ones((3, N, N))}, "c2 holds 3 matrices but phi has 2 angles"),
    ({"c2": [np.ones((N, N))]}, "c2 holds 1 matrices but phi has 2 angles"),
    ({"c2": [np.ones((N, N)), np.ones((5, 5))]}, r"entry 0 has shape \(6, 6\) and entry 1 \(5, 5\)"),
    ({"c2": [np.ones((N, N)), np.ones(N)]}, r"entry 1 is of shape \(6,\)"),
    ({"c2": [[1.0, 2.0], [3.0, 4.0]]}, "entry 0 is a list"),
    ({"c2": []}, "c2 is empty"),
    ({"c2": None}, r"c2 must be an array.*missing \(None\)"),
    ({"c2": "data.h5"}, "c2 must be an array.*a str"),
    ({"c2": np.full((2, N, N), "x")}, "c2 must hold real numbers, but its type is <U1"),
    ({"c2": np.ones((2, N, N), complex)}, "real numbers, but its type is complex128"),
    ({"c2": np.ones((2, N, N), object)}, "real numbers, but its type is object"),
    ({"t": T[:-1]}, "matrices of c2 have 6 rows but t has 5 times"),
    ({"t": None}, r"t is missing \(None\): give the times"),
    ({"t": np.meshgrid(T, T)[0]}, r"t has shape \(6, 6\).*one axis"),
    ({"t": T[::-1]}, r"t must ascend, but t\[0\] = 0.5 and t\[1\] = 0.4"),
    ({"t": [0, 1, 2, 2, 3, 4]}, r"t must ascend, but t\[2\] = 2 and t\[3\] = 2"),
    ({"t": [0, 1, 2, np.nan, 3, 4]}, "t must be finite, but 1 of its values are not"),
    ({"t": ["a"] * N}, "t must be an array of real numbers"),
    ({"t": [[0, 1], [2]]}, "t must be an array of real numbers"),
    ({"t": T[:2], "c2": np.ones((2, 2, 2))}, "t has 2 times, and a fit needs at least 3"),
    ({"phi": None}, r"phi is missing \(None\)"),
    ({"phi": 0.0}, r"phi has shape \(\), expected \(n_phi,\)"),
    ({"phi": [0, np.inf]}, "phi must be finite, but 1"),
    ({"q": 0}, "q must be positive and finite, the wave vector in 1/Å, but it is 0"),
    ({"q": -0.01}, "q must be positive.*-0.01"),
    ({"q": np.nan}, "q must be positive and finite.*nan"),
    ({"q": [0.01, 0.02]}, r"q must be one number.*\[0.01, 0.02\]"),
    ({"q": True}, "q must be one number"),
    ({"q": None}, "q must be one number.*None"),
    ({"gap": 0.0}, "gap must be positive and finite, the width of the gap in Å, but it is 0"),
    ({"dt": 0.2}, "dt is 0.2 s, but the median spacing of t is 0.1 s"),
    ({"dt": -0.1}, "dt must be positive"),
    ({"sigma": 0}, "sigma must be positive, but it is 0: sigma=None estimates it"),
    ({"sigma": [0.1, -0.1]}, "sigma must be positive, but it is -0.1"),
    ({"sigma": [0.1, np.nan]}, "sigma must be finite"),
    ({"sigma": [0.1, 0.1, 0.1]}, "sigma has 3 values for 2 angles"),
    ({"sigma": np.ones((3, N, N))}, "sigma holds 3 matrices of 6 rows, and c2 2 of 6"),
    ({"sigma": np.ones((2, N, 1))}, r"sigma has shape \(2, 6, 1\)"),
    ({"sigma": "small"}, "sigma must be an array of real numbers"),
    ({"mask": np.ones((2, N, N))}, "mask must hold True and False, but its type is float64"),
    ({"mask": np.ones((5, 5), bool)}, r"mask has shape \(1, 5, 5\), expected \(6, 6\) for all angles or \(2, 6, 6\)"),
    ({"mask": np.ones((3, N, N), bool)}, r"mask has shape \(3, 6, 6\)"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(changes, message):
    with pytest.raises(InvalidDataError, match=message):
        data(**changes)


def test_a_numpy_scalar_is_a_number():
    assert data(q=np.float32(0.5), gap=np.array(2.0)).gap == 2.0


def test_gap_is_needed_with_flow_only():
    assert data().required_gap() == 2e6
    with pytest.raises(InvalidDataError, match=r"gap=\.\.\..*mode='static'"):
        data(gap=None).required_gap()


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [(0.02, [0.02, 0.02]), ([0.1, 0.2], [0.1, 0.2]), (np.array([0.1, 0.2]), [0.1, 0.2]), (np.float32(0.5), [0.5, 0.5])],
)
def test_sigma_per_angle(sigma, expected):
    assert [data(sigma=sigma).read_sigma(k) for k in (0, 1)] == expected


def test_sigma_per_value():
    errors = np.arange(2 * N * N, dtype=float).reshape(2, N, N) + 1
    for given in (data(sigma=errors), data(sigma=list(errors))):
        assert given.has_sigma_per_value
        assert given.read_sigma(1).tolist() == errors[1].tolist()


def test_masks():
    masks = np.random.default_rng(1).random((2, N, N)) > 0.5
    assert data().read_mask(0) is None
    assert data(mask=masks).read_mask(1).tolist() == masks[1].tolist()
    assert data(mask=masks[0]).read_mask(1).tolist() == masks[0].tolist()


@pytest.mark.parametrize(
    ("dtype", "read"), [(np.float16, np.float32), (">f4", np.float32), (np.float64, np.float64), (np.int32, np.float64)]
)
def test_types_are_single_or_double(dtype, read):
    given = data(c2=np.ones((2, N, N), dtype))
    assert given.read_c2(0).dtype == read
    assert given.is_float32 == (read == np.float32)
    assert given.nbytes == 2 * N * N * np.dtype(read).itemsize


def test_reading_an_array_copies_nothing():
    assert np.shares_memory(data().read_c2(1), GOOD["c2"])


def test_matrices_of_hdf5(tmp_path):
    values = np.random.default_rng(2).normal(1.2, 0.1, (2, N, N)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = values
        file["a"], file["b"] = values
        file["mask"] = values > 1.2
        for c2 in (file["cube"], [file["a"], file["b"]]):
            given = data(c2=c2, mask=file["mask"])
            assert given.is_float32
            assert given.read_c2(1).tolist() == values[1].tolist()
            assert given.read_mask(1).tolist() == (values[1] > 1.2).tolist()


def test_a_closed_file_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = GOOD["c2"]
        given = data(c2=file["cube"])
    with pytest.raises(InvalidDataError, match=r"c2 of angle 1 .* cannot be read.*still open"):
        given.read_c2(1)


def test_stack_of_different_types_has_the_wider_one():
    stack = stack_of("c2", [np.ones((3, 3), np.float32), np.ones((3, 3))], "f")
    assert stack.read(0).dtype == np.float64


def test_matrix_fills_up_a_half():
    full = np.random.default_rng(3).normal(1.2, 0.1, (N, N))
    full = (full + full.T) / 2
    upper = np.triu(full)
    with_nan = np.where(np.tri(N, k=-1), np.nan, full)
    for half in (upper, upper.T, with_nan, with_nan.T, full):
        assert data(c2=[half, half]).matrix(1).tolist() == full.tolist()


def test_matrix_averages_halves_and_shows_gaps():
    full = np.random.default_rng(4).normal(1.2, 0.1, (N, N))
    full[1, 2] = np.inf
    full[3, 4] = full[4, 3] = np.nan
    shown = data(c2=[full, np.zeros((N, N))], mask=np.zeros((N, N), bool)).matrix(0)
    assert shown[0, 1] == shown[1, 0] == (full[0, 1] + full[1, 0]) / 2
    assert shown[1, 2] == shown[2, 1] == full[2, 1]
    assert np.isnan(shown).sum() == 2
    assert np.isnan(shown[3, 4])


def test_matrix_of_a_dead_angle_is_empty():
    assert np.isnan(data(c2=np.zeros((2, N, N))).matrix(0)).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "TwoTimeData(2 angles, 6 times of 0.1 s, q = 0.01 1/Å, gap = 2e+06 Å, sigma to be estimated, float64"),
        ({"sigma": 0.02, "gap": None}, "no gap, sigma = 0.02, float64"),
        ({"sigma": [0.02, 0.01]}, "sigma = 0.01 to 0.02"),
        ({"sigma": np.ones((2, N, N))}, "sigma per value"),
        ({"mask": np.ones((N, N), bool)}, "sigma to be estimated, masked, float64, 0.000576 MB"),
    ],
)
def test_repr(changes, text):
    assert text in repr(data(**changes))
