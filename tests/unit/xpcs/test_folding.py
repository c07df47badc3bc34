"""Folding against loops over single pixels, for every way in which a matrix can be stored."""

import h5py
import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.fold_report import FoldReport
from wilks.xpcs.folding import fold
from wilks.xpcs.packing import pair_count, pair_index, row_slice
from wilks.xpcs.storage import filled, storage_of

SIGMA = 0.02
KINDS = ("full", "mirrored", "upper", "lower")


def measured(n_phi=1, n_t=40, seed=0):
    """Matrices whose halves have noise of their own."""
    lags = np.abs(np.subtract.outer(np.arange(n_t), np.arange(n_t)))
    return 1 + 0.3 * np.exp(-lags / 10) + np.random.default_rng(seed).normal(0, SIGMA, (n_phi, n_t, n_t))


def stored(c2, kind, absent=0.0):
    """Return `c2` in one of the ways in which it may be stored."""
    c2 = np.array(c2)
    lower = np.tri(c2.shape[-1], k=-1, dtype=bool)
    for matrix in c2:
        if kind == "mirrored":
            matrix.T[lower] = matrix[lower]
        elif kind == "upper":
            matrix[lower] = absent
        elif kind == "lower":
            matrix.T[lower] = absent
    return c2


def data_of(c2, **changes):
    n_phi, n_t = len(c2), c2[0].shape[0]
    given = {"t": 0.1 * np.arange(n_t), "phi": np.linspace(0, 90, n_phi), "q": 0.01, "sigma": SIGMA}
    return TwoTimeData(c2, **{**given, **changes})


def by_loops(matrix, kind, sigma=SIGMA, mask=None):
    """Values and variances of all pairs; the variance of a masked pair is infinite."""
    values, variances = [], []
    n_t = len(matrix)
    for i in range(n_t):
        for j in range(i + 1, n_t):
            halves = []
            for a, b in [(i, j)] * (kind != "lower") + [(j, i)] * (kind != "upper"):
                if np.isfinite(matrix[a, b]) and (mask is None or mask[a, b]):
                    halves.append((matrix[a, b], (sigma if np.isscalar(sigma) else sigma[a, b]) ** 2))
            total = sum(1 / variance for _, variance in halves)
            values.append(sum(value / variance for value, variance in halves) / total if halves else np.nan)
            if kind == "mirrored" and halves:
                total = max(1 / variance for _, variance in halves)
            variances.append(1 / total if halves else np.inf)
    return np.array(values), np.array(variances)


def check(pairs, k, matrix, kind, tolerance=1e-12, **given):
    """Compare one angle of `pairs` with the loops."""
    values, variances = by_loops(matrix, kind, **given)
    known = np.isfinite(variances)
    weights = np.ones(len(values)) if pairs.weights is None else pairs.weights[k]
    assert ((weights > 0) == known).all()
    assert (pairs.y[k][~known] == 0).all()
    assert pairs.n_used[k] == known.sum()
    assert (pairs.y[k] + pairs.centres[k])[known] == pytest.approx(values[known], abs=tolerance)
    assert pairs.sigma[k] ** 2 / weights[known] == pytest.approx(variances[known], rel=1e-6)


def holes(n_t, seed=1):
    """A mask in which all four cases occur: both halves of a pair good, one of them, none."""
    return np.random.default_rng(seed).random((n_t, n_t)) > 0.4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_t", [3, 4, 33, 40, 65])
def test_storage_is_recognised_and_folded(kind, n_t):
    c2 = stored(measured(3, n_t), kind)
    folded = fold(data_of(c2))
    assert folded.report.storage == (kind,) * 3
    assert folded.pairs.weights is None
    assert folded.pairs.sigma == pytest.approx([SIGMA / np.sqrt(2) if kind == "full" else SIGMA] * 3)
    for k in range(3):
        check(folded.pairs, k, c2[k], kind)


@pytest.mark.parametrize("kind", ["upper", "lower"])
def test_a_half_may_be_absent_as_nan(kind):
    c2 = stored(measured(), kind, absent=np.nan)
    folded = fold(data_of(c2))
    assert (folded.report.storage, folded.pairs.weights) == ((kind,), None)
    check(folded.pairs, 0, c2[0], kind)


def test_values_are_centred_on_their_mean():
    pairs = fold(data_of(measured(2))).pairs
    assert pairs.y.mean(axis=1) == pytest.approx([0, 0], abs=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values(kind):
    c2 = stored(measured(2), kind)
    c2[0][~holes(40)] = np.nan
    c2[1][~holes(40, 2)] = np.inf
    if kind in ("upper", "lower"):  # the absent half stays absent
        c2 = stored(c2, kind)
    folded = fold(data_of(c2))
    for k in range(2):
        check(folded.pairs, k, c2[k], kind)
    assert folded.report.n_masked == tuple(pair_count(40) - folded.pairs.n_used)
    assert min(folded.report.n_masked) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_masks(kind):
    c2 = stored(measured(2), kind)
    masks = np.array([holes(40), holes(40, 2)])
    pairs = fold(data_of(c2, mask=masks)).pairs
    for k in range(2):
        check(pairs, k, c2[k], kind, mask=masks[k])
    pairs = fold(data_of(c2, mask=masks[0])).pairs
    check(pairs, 1, c2[1], kind, mask=masks[0])


def test_a_good_half_counts_half():
    c2 = measured()
    c2[0, 3, 7] = np.nan
    pairs = fold(data_of(c2)).pairs
    where = pair_index(np.array(3), np.array(7), 40)
    assert pairs.weights[0, where] == 0.5
    assert pairs.y[0, where] + pairs.centres[0] == pytest.approx(c2[0, 7, 3])
    assert pairs.n_used.tolist() == [pair_count(40)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [None, holes(40)])
def test_sigma_of_every_value(kind, mask):
    c2 = stored(measured(2), kind)
    sigma = np.random.default_rng(3).uniform(0.01, 0.03, (2, 40, 40))
    sigma = sigma + sigma.transpose(0, 2, 1) if kind == "mirrored" else sigma
    folded = fold(data_of(c2, sigma=sigma, mask=mask))
    for k in range(2):
        check(folded.pairs, k, c2[k], kind, sigma=sigma[k], mask=mask)
        used = folded.pairs.weights[k] > 0
        assert folded.pairs.weights[k][used].mean() == pytest.approx(1)
    assert "every value" in folded.report.sigma_source


def test_sigma_of_one_half_is_that_of_both():
    c2 = stored(measured(), "mirrored")
    sigma = np.triu(np.random.default_rng(3).uniform(0.01, 0.03, (1, 40, 40)))
    check(fold(data_of(c2, sigma=sigma)).pairs, 0, c2[0], "mirrored", sigma=sigma[0] + sigma[0].T)


def test_the_same_sigma_of_every_value_needs_no_weights():
    pairs = fold(data_of(measured(), sigma=np.full((1, 40, 40), 0.02))).pairs
    assert pairs.weights is None
    assert pairs.sigma[0] == pytest.approx(0.02 / np.sqrt(2))


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.nan])
def test_a_sigma_that_is_needed_must_be_positive(wrong):
    sigma = np.full((2, 40, 40), 0.02)
    sigma[:, 5, 5] = wrong  # the diagonal is not used
    fold(data_of(measured(2), sigma=sigma))
    sigma[1, 3, 9] = wrong
    with pytest.raises(InvalidDataError, match=r"sigma of angle 1 .* must be positive, but for 1 pairs"):
        fold(data_of(measured(2), sigma=sigma))
    mask = np.ones((40, 40), bool)
    mask[3, 9] = False
    fold(data_of(measured(2), sigma=sigma, mask=mask))


def test_a_mask_of_true_is_no_mask():
    with_mask = fold(data_of(measured(), mask=np.ones((40, 40), bool))).pairs
    assert with_mask.weights is None
    assert with_mask.y == pytest.approx(fold(data_of(measured())).pairs.y, abs=1e-15)


def test_dead_angles_are_kept_and_named():
    c2 = measured(5)
    c2[1], c2[3] = 0, np.nan
    masks = np.ones((5, 40, 40), bool)
    masks[4] = False
    folded = fold(data_of(c2, sigma=None, mask=masks))
    assert folded.report.dead_angles == (1, 3, 4)
    assert folded.report.storage == ("full", "dead", "full", "dead", "full")
    assert folded.pairs.n_used.tolist() == [780, 0, 780, 0, 0]
    assert (folded.pairs.weights[[1, 3, 4]] == 0).all()
    assert (folded.pairs.weights[[0, 2]] == 1).all()
    assert np.isfinite(folded.pairs.y).all()
    assert (folded.pairs.sigma > 0).all()
    assert any("no value is known of angles 1, 3, 4" in remark for remark in folded.report.remarks())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_angles_are_named(dtype):
    c2 = measured(3).astype(dtype)
    c2[2] = 1.1
    folded = fold(data_of(c2, sigma=None))
    assert folded.report.constant_angles == (2,)
    assert folded.pairs.sigma[2] > 0


def test_a_few_changed_pixels_do_not_make_a_mirrored_matrix_a_full_one():
    c2 = stored(measured(), "mirrored")
    c2[0, 0, 5:9] = 1.9
    assert fold(data_of(c2)).report.storage == ("mirrored",)


def test_mirrored_to_single_precision_is_mirrored():
    c2 = stored(measured(), "mirrored")
    assert storage_of(np.where(np.tri(40), c2[0].astype(np.float32), c2[0])) == "mirrored"


def test_unmeasured_blocks_do_not_make_a_full_matrix_a_mirrored_one():
    c2 = measured(1, 60)
    c2[0, :50] = c2[0, :, :50] = 0
    assert storage_of(c2[0]) == "full"


def test_filled_leaves_other_matrices_alone():
    for kind in ("full", "mirrored"):
        matrix = stored(measured(), kind)[0]
        assert filled(matrix) is matrix


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 2e-7)])
def test_single_precision_data(dtype, tolerance):
    c2 = measured(2).astype(np.float32)
    pairs = fold(data_of(c2), dtype=dtype).pairs
    assert pairs.y.dtype == dtype
    assert fold(data_of(c2)).pairs.y.dtype == np.float32
    for k in range(2):
        check(pairs, k, c2[k].astype(float), "full", tolerance)


def test_double_precision_data_kept_in_single_precision_are_centred_first():
    """Numbers near zero keep digits that numbers near a thousand would lose."""
    c2 = measured() + 1e3
    pairs = fold(data_of(c2), dtype=np.float32).pairs
    assert pairs.y.dtype == np.float32
    check(pairs, 0, c2[0], "full", 1e-7)
    c2[0, 3, 9] = c2[0, 3, 10] = c2[0, 10, 3] = np.nan
    check(fold(data_of(c2), dtype=np.float32).pairs, 0, c2[0], "full", 1e-7)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f8", np.int16])
def test_other_layouts_and_types(order, dtype):
    c2 = np.asarray(np.round(measured() * 1000), dtype=dtype, order=order)
    check(fold(data_of(c2)).pairs, 0, c2[0].astype(float), "full")


def test_memory_map(tmp_path):
    c2 = measured(3)
    np.save(tmp_path / "c2.npy", c2)
    mapped = np.load(tmp_path / "c2.npy", mmap_mode="r")
    assert fold(data_of(mapped)).pairs.y.tolist() == fold(data_of(c2)).pairs.y.tolist()


def test_hdf5(tmp_path):
    c2 = stored(measured(3), "upper").astype(np.float32)
    with h5py.File(tmp_path / "c2.h5", "w") as file:
        cube = file.create_dataset("cube", data=c2, chunks=(1, 16, 40), compression="gzip")
        each = [file.create_dataset(f"c2_{k}", data=matrix) for k, matrix in enumerate(c2)]
        expected = fold(data_of(c2)).pairs.y.tolist()
        for source in (cube, each, tuple(each)):
            assert fold(data_of(source), n_threads=2).pairs.y.tolist() == expected


def test_a_corrupt_chunk_is_named(tmp_path):
    path = tmp_path / "c2.h5"
    with h5py.File(path, "w") as file:
        cube = file.create_dataset("cube", data=measured(3), chunks=(1, 40, 40), compression="gzip")
        place = cube.id.get_chunk_info(2).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\x00" * 100)
    with h5py.File(path) as file:
        data = data_of(file["cube"])
        assert len(fold(data, [0, 1]).pairs) == 2
        with pytest.raises(InvalidDataError, match=r"c2 of angle 2 .* cannot be read"):
            fold(data)


def test_angles_stay_with_their_matrices():
    c2 = measured(4)
    data = data_of(c2, phi=[90, -5, 90, 0], sigma=[0.01, 0.02, 0.03, 0.04])
    folded = fold(data, [3, 1, 1])
    assert folded.report.angles == (3, 1, 1)
    assert folded.pairs.sigma * np.sqrt(2) == pytest.approx([0.04, 0.02, 0.02])
    for k, angle in enumerate((3, 1, 1)):
        check(folded.pairs, k, c2[angle], "full", sigma=0.01 * (angle + 1))


def test_threads_change_nothing():
    c2 = measured(5)
    c2[2, 3, 4] = np.nan
    one, four = (fold(data_of(c2, sigma=None), n_threads=n) for n in (1, 4))
    assert one.report == four.report
    for name in ("y", "weights", "centres", "sigma", "n_used"):
        assert getattr(one.pairs, name).tolist() == getattr(four.pairs, name).tolist()


def test_reports_of_batches_join():
    c2 = measured(4)
    c2[3] = 0
    c2[1, 0, 3] = c2[1, 3, 0] = np.nan
    data = data_of(c2)
    joined = FoldReport.joined([fold(data, [0, 1]).report, fold(data, [2, 3]).report])
    assert repr(joined) == repr(fold(data).report)  # NaN is not equal to itself, but reads the same


def test_wrong_arguments():
    data = data_of(measured(2))
    for angles in ([2], [-1], []):
        with pytest.raises(InvalidConfigurationError, match="angles must be indices from 0 to 1"):
            fold(data, angles)
    with pytest.raises(InvalidConfigurationError, match="dtype must be float32 or float64, but it is int64"):
        fold(data, dtype=np.int64)


def test_remarks():
    c2 = measured(2)
    c2[1, :2] = c2[1, :, :2] = np.nan
    masked = fold(data_of(c2)).report.masked()
    assert masked == "77 pairs (4.94%) are not used (9.9% of angle 1)"
    assert fold(data_of(measured(2))).report.remarks() == ()
    (wrong,) = fold(data_of(measured(2, 60), sigma=2 * SIGMA)).report.remarks()
    assert "disagree by more than 10% for angles 0, 1" in wrong


def test_packing():
    indices = np.arange(pair_count(7))
    i, j = np.triu_indices(7, 1)
    assert pair_index(i, j, 7).tolist() == indices.tolist()
    assert np.concatenate([indices[row_slice(k, 7)] for k in range(7)]).tolist() == indices.tolist()
