"""The same measurement in every form that it may come in gives the same fit."""

import dataclasses

import h5py
import numpy as np
import pytest

from wilks import xpcs

TRUTH = {
    "D0": 2e4, "alpha": -0.6, "D_offset": 2000.0,
    "gamma_dot_0": 1e-3, "beta": -0.5, "gamma_dot_offset": 2e-4, "phi0": -4.0,
}  # fmt: skip
N_T, SIGMA = 40, 0.005
PHI = np.array([-60.0, -30.0, 0.0, 30.0, 60.0, 90.0])
GEOMETRY = xpcs.Geometry(t=0.1 * np.arange(N_T), dt=0.1, q=0.0054, gap=2e6, phi=PHI)
DATA = xpcs.simulate(TRUTH, GEOMETRY, contrast=np.linspace(0.2, 0.4, len(PHI)), sigma=SIGMA, seed=1)
C2 = np.array(DATA.c2)
C2.setflags(write=False)
UPPER = np.triu(np.ones((N_T, N_T), bool), 1)
LOCAL = xpcs.FitOptions(method="local", tolerance=1e-9)


def fitted(c2, *, sigma=SIGMA, mask=None, phi=PHI, **options):
    data = xpcs.TwoTimeData(c2, GEOMETRY.t, phi, GEOMETRY.q, GEOMETRY.gap, GEOMETRY.dt, sigma=sigma, mask=mask)
    chosen = dataclasses.replace(LOCAL, **options)
    result = xpcs.fit(data, start=TRUTH, options=chosen, seed=1, callbacks=())
    assert result.status.success
    return result


@pytest.fixture(scope="module")
def plain():
    return fitted(C2)


def check_same(found, expected, *, within=1e-6, chi_squared=1e-10):
    """Values to some part of their standard errors, and these and chi-squared to rounding."""
    assert found.names == expected.names
    for name in expected.names:
        assert abs(found.values[name] - expected.values[name]) <= within * expected.standard_errors[name], name
        assert found.standard_errors[name] == pytest.approx(expected.standard_errors[name], rel=max(within, 1e-6))
    assert found.chi_squared == pytest.approx(expected.chi_squared, rel=chi_squared)
    assert found.dof == expected.dof


def lower_half(empty):
    return np.where(UPPER | np.eye(N_T, dtype=bool), empty, C2)


def limit(c2, batch):
    """A memory limit that is enough to fold this many angles at a time, on one thread."""
    n_pairs, itemsize = N_T * (N_T - 1) // 2, c2[0].dtype.itemsize
    beside = fitted(c2, n_threads=1).strategy.needed_bytes - len(PHI) * n_pairs * (itemsize + 4)
    return {"memory_limit": beside + (batch * 8 + 4) * n_pairs, "n_threads": 1}


HALVES = {
    "upper, 0": np.where(UPPER.T, 0.0, C2),
    "upper, NaN": np.where(UPPER.T, np.nan, C2),
    "lower, 0": lower_half(0.0),
    "lower, NaN": lower_half(np.nan),
    "another diagonal": C2 + 7 * np.eye(N_T),
    "diagonal of NaN": np.where(np.eye(N_T, dtype=bool), np.nan, C2),
    "a list of matrices": list(C2),
    "a list of halves and whole ones": [np.triu(C2[0]), *C2[1:4], np.tril(C2[4]), C2[5]],
    "another byte order": C2.astype(">f8"),
    "columns first": np.asfortranarray(C2),
}


@pytest.mark.parametrize("name", HALVES)
def test_storage_in_memory(name, plain):
    check_same(fitted(HALVES[name]), plain)


@pytest.mark.parametrize("sigma", [[SIGMA] * len(PHI), np.full(C2.shape, SIGMA), list(np.full(C2.shape, SIGMA))])
def test_sigma_in_other_words(sigma, plain):
    check_same(fitted(C2, sigma=sigma), plain, chi_squared=1e-6)


def test_single_precision(plain):
    check_same(fitted(C2.astype(np.float32)), plain, within=1e-3, chi_squared=1e-4)


def test_memory_map(tmp_path, plain):
    np.save(tmp_path / "c2.npy", C2)
    check_same(fitted(np.load(tmp_path / "c2.npy", mmap_mode="r")), plain)


@pytest.mark.parametrize("in_memory", [True, False])
def test_hdf5(tmp_path, plain, in_memory):
    with h5py.File(tmp_path / "c2.h5", "w") as file:
        file.create_dataset("whole", data=C2, chunks=(1, N_T, N_T), compression="gzip")
        for k in range(len(PHI)):
            file[f"half/{k}"] = np.triu(C2[k])
    with h5py.File(tmp_path / "c2.h5") as file:
        for c2 in (file["whole"], [file[f"half/{k}"] for k in range(len(PHI))]):
            found = fitted(c2, **({} if in_memory else limit(c2, 2)))
            if in_memory:
                check_same(found, plain)
            else:
                assert found.strategy.name == "out_of_core"
                check_same(found, plain, within=1e-3, chi_squared=1e-4)  # folded in single precision


@pytest.mark.parametrize("loss", ["linear", "huber"])
def test_out_of_core(loss):
    """The same numbers come to the same sums, however many angles are folded at a time."""
    single = C2.astype(np.float32)
    within = fitted(single, loss=loss)
    assert within.strategy.name == "in_memory"
    for batch in (1, 4, 5):
        found = fitted(single, loss=loss, **limit(single, batch))
        assert (found.strategy.name, found.strategy.batch) == ("out_of_core", batch)
        assert found.chi_squared == pytest.approx(within.chi_squared, rel=1e-10)
        for name in within.names:
            assert found.values[name] == pytest.approx(within.values[name], rel=1e-10)


def test_single_precision_where_memory_asks_for_it(plain):
    needed = fitted(C2).strategy.needed_bytes
    found = fitted(C2, memory_limit=needed - 1)
    assert found.strategy.name == "in_memory_float32"
    check_same(found, plain, within=1e-3, chi_squared=1e-4)


@pytest.mark.parametrize("convention", [xpcs.Convention(), xpcs.Convention.homodyne()])
@pytest.mark.parametrize("loss", ["linear", "soft_l1"])
@pytest.mark.parametrize("masked", [False, True])
def test_kernels(convention, loss, masked):
    pytest.importorskip("numba")
    c2 = np.where(np.random.default_rng(5).random(C2.shape) < 0.2, np.nan, C2) if masked else C2
    data = xpcs.TwoTimeData(c2, GEOMETRY.t, PHI, GEOMETRY.q, GEOMETRY.gap, sigma=SIGMA)
    found = {}
    for kernel in ("numpy", "numba"):
        options = dataclasses.replace(LOCAL, kernel=kernel, loss=loss)
        found[kernel] = xpcs.fit(
            data, start=TRUTH, options=options, convention=convention, seed=1, callbacks=(),
            parameters={"phi0": -4.0, "gamma_dot_0": 1e-3},
        )  # fmt: skip
        assert found[kernel].stats["kernel"] == kernel
    check_same(found["numba"], found["numpy"], within=1e-5)


def test_threads_do_not_change_the_answer(plain):
    for n_threads in (1, 3):
        check_same(fitted(C2, n_threads=n_threads), plain)


# What is not there


def without(angle):
    return np.delete(C2, angle, axis=0), np.delete(PHI, angle)


@pytest.mark.parametrize("empty", [np.nan, 0.0])
def test_a_dead_angle(empty):
    c2 = C2.copy()
    c2[2] = empty
    found = fitted(c2)
    left, phi = without(2)
    expected = fitted(left, phi=phi)
    for name in TRUTH:
        assert abs(found.values[name] - expected.values[name]) < 1e-6 * expected.standard_errors[name]
        assert found.standard_errors[name] == pytest.approx(expected.standard_errors[name], rel=1e-6)
    for name in ("contrast", "offset", "contrast_errors", "offset_errors", "sigma"):
        values = getattr(found, name)
        assert np.isnan(values[2])
        np.testing.assert_allclose(np.delete(values, 2), getattr(expected, name), rtol=1e-6)
    assert (found.n_used, found.dof) == (expected.n_used, expected.dof)
    assert found.n_masked == N_T * (N_T - 1) // 2
    assert any("No value is known of angle 2" in reason for reason in found.quality.reasons)
    assert np.isnan(found.model(2)).all()
    assert np.isnan(found.residuals(2)).all()


@pytest.mark.parametrize("batch", [1, 4, 6])
def test_dead_angles_out_of_core(batch):
    c2 = C2.astype(np.float32)
    c2[[0, 3]] = np.nan
    found = fitted(c2, **limit(c2, batch))
    assert found.strategy.name == ("out_of_core" if batch < len(PHI) else "in_memory")
    expected = fitted(np.delete(c2, [0, 3], axis=0), phi=np.delete(PHI, [0, 3]))
    np.testing.assert_allclose(np.delete(found.contrast, [0, 3]), expected.contrast, rtol=1e-7)
    assert np.isnan(found.contrast[[0, 3]]).all()


def test_weights_of_a_dead_angle_are_left_out():
    c2 = C2.copy()
    c2[2] = np.nan
    weights = (1.0, 2.0, 9.0, 1.0, 0.5, 1.0)
    left, phi = without(2)
    expected = fitted(left, phi=phi, weights=weights[:2] + weights[3:])
    assert fitted(c2, weights=weights).values["beta"] == pytest.approx(expected.values["beta"], rel=1e-7)


def test_a_mask_is_like_pixels_that_are_not_there(plain):
    rng = np.random.default_rng(3)
    each = rng.random(C2.shape) > 0.2
    each &= np.swapaxes(each, 1, 2)
    found, expected = fitted(C2, mask=each), fitted(np.where(each, C2, np.nan))
    check_same(found, expected)
    n_pairs = (each & UPPER).sum()
    assert found.n_used == expected.n_used == n_pairs
    assert found.n_masked == plain.n_used - n_pairs
    one = each[0]
    check_same(fitted(C2, mask=one), fitted(np.where(one, C2, np.nan)))
    check_same(fitted(C2, mask=np.ones((N_T, N_T), bool)), plain)


def test_bad_pixels_behind_a_mask_do_not_matter():
    mask = np.ones((N_T, N_T), bool)
    mask[5:9, 20:25] = mask[20:25, 5:9] = False
    spoilt = C2.copy()
    spoilt[:, ~mask] = 1e6
    check_same(fitted(spoilt, mask=mask), fitted(C2, mask=mask))


def test_one_good_half_of_a_pair_is_enough():
    """Where noise is independent, what is lost in one half leaves the other, with half the weight."""
    halves = np.array(xpcs.simulate(TRUTH, GEOMETRY, sigma=SIGMA, seed=2, storage="independent").c2)
    lost = np.broadcast_to(UPPER & (np.arange(N_T) % 2 == 0), halves.shape)
    result, whole = fitted(np.where(lost, np.nan, halves)), fitted(halves)
    assert result.n_masked == 0
    assert result.reduced_chi_squared == pytest.approx(1, abs=0.1)
    for name in TRUTH:
        ratio = result.standard_errors[name] / whole.standard_errors[name]
        assert 1.05 < ratio < np.sqrt(2)
