"""Data that are ready to be fitted: one angle of many, bounds, angles without data, memory."""

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidDataError
from wilks.xpcs.fitting import check_question
from wilks.xpcs.folding import fold
from wilks.xpcs.model import curves
from wilks.xpcs.preparation import prepare

TRUTH = {"D0": 2e4, "alpha": -0.4, "D_offset": 0.0}
PHI = (0.0, 30.0, 60.0, 90.0)
ONE_ANGLE = "35 kB"  # of memory: enough to fold one angle of 40 times


def place(phi=PHI):
    return xpcs.Geometry(0.1 * np.arange(40), 0.1, 0.0054, None, phi)


def measured(*, dead=(), gap=None, **keywords):
    data = xpcs.simulate(TRUTH, place(), mode="static", sigma=[0.01, 0.02, 0.01, 0.03], seed=5)
    c2 = np.array(data.c2)
    c2[list(dead)] = np.nan
    return xpcs.TwoTimeData(c2, data.t, data.phi, data.q, gap, sigma=data.sigma, **keywords)


def prepared(data, scaling="individual", parameters=None, **options):
    question = check_question(data, "static", scaling, parameters, None, xpcs.FitOptions(n_threads=1, **options))
    return prepare(data, question), question


def sums_of(ready):
    return ready.sums.grams(curves(TRUTH, ready.geometry, "static"), derivatives=True)


@pytest.mark.parametrize("limit", [None, ONE_ANGLE])
def test_one_of_the_used_angles(limit):
    """As the data with this angle alone, in memory and out of core."""
    ready, question = prepared(measured(dead=(1,)), memory_limit=limit)
    assert ready.strategy.name == ("in_memory" if limit is None else "out_of_core")
    assert ready.used.tolist() == [0, 2, 3]
    alone = ready.only(1, question)
    data = measured()
    other, _ = prepared(xpcs.TwoTimeData(data.c2[2:3], data.t, data.phi[2:3], data.q, sigma=0.01))
    assert alone.used.tolist() == [2]
    assert alone.geometry.phi.tolist() == [60.0]
    np.testing.assert_allclose(sums_of(alone), sums_of(other), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sums_of(alone), sums_of(ready)[1:2], rtol=1e-12, atol=1e-12)
    for ours, theirs in ((alone.coarse, other.coarse), (alone.screen, other.screen)):
        np.testing.assert_allclose(ours.y, theirs.y, atol=1e-6)
    assert alone.block.names == other.block.names == ("contrast_0", "offset_0")
    assert (alone.report.angles, alone.report.n_masked, alone.report.dead_angles) == ((2,), (0,), ())
    assert alone.report.sigma == (ready.report.sigma[2],)


def test_one_angle_out_of_core_is_the_only_one_that_is_read():
    data = measured()
    ready, question = prepared(data, memory_limit=ONE_ANGLE)
    alone = ready.only(2, question)

    class Watched:
        shape, dtype, read = data.c2.shape, data.c2.dtype, []

        def __getitem__(self, angle):
            self.read.append(int(angle))
            return data.c2[angle]

    watched = Watched()
    object.__setattr__(data._stacks["c2"], "source", watched)
    sums_of(alone)
    assert watched.read == [2]


@pytest.mark.parametrize("limit", [None, ONE_ANGLE])
def test_angles_without_data_are_left_out(limit):
    ready, _ = prepared(measured(dead=(0, 2)), memory_limit=limit)
    assert ready.used.tolist() == [1, 3]
    assert ready.geometry.phi.tolist() == [30.0, 90.0]
    assert ready.sums.sigma.tolist() == [0.02, 0.03]
    whole, _ = prepared(measured())
    np.testing.assert_allclose(sums_of(ready), sums_of(whole)[[1, 3]], rtol=1e-5, atol=1e-6)
    assert ready.report.dead_angles == (0, 2)
    assert len(ready.block.names) == 4


def test_angles_without_data_take_no_second_copy_of_the_others():
    mask = np.ones((4, 40, 40), dtype=bool)
    mask[3, 5, 9] = mask[3, 9, 5] = False
    pairs = fold(measured(dead=(1,), mask=mask)).pairs
    expected, weights = pairs.y[[0, 2, 3]].copy(), pairs.weights[[0, 2, 3]].copy()
    found = pairs.compacted(np.array([0, 2, 3]))
    np.testing.assert_array_equal(found.y, expected)
    np.testing.assert_array_equal(found.weights, weights)
    assert np.shares_memory(found.y, pairs.y)
    assert found.n_used.tolist() == [780, 780, 779]


def test_nothing_to_fit():
    with pytest.raises(InvalidDataError, match="none of the 4 angles has a single finite"):
        prepared(measured(dead=(0, 1, 2, 3)))


def test_bounds_of_contrast_and_offset():
    boxes = {"contrast": wilks.Real(0.1, 0.4), "offset": wilks.Real(0.9, 1.2)}
    ready, question = prepared(measured(), parameters=boxes)
    assert question.bounds == ((0.1, 0.4), (0.9, 1.2))
    assert ready.block.lower.tolist() == [0.1] * 4 + [0.9] * 4
    assert ready.block.upper.tolist() == [0.4] * 4 + [1.2] * 4
    assert prepared(measured())[1].bounds == ((0.0, 1.0), (0.5, 1.5))


def test_a_scaling_that_is_given_goes_with_its_angles():
    scaling = xpcs.Scaling.constant(contrast=[0.1, 0.2, 0.3, 0.4], offset=1.0)
    ready, question = prepared(measured(dead=(1,)), scaling)
    assert ready.block.contrast.tolist() == [0.1, 0.3, 0.4]
    assert ready.only(2, question).block.contrast.tolist() == [0.4]


def test_quantiles_that_do_not_tell_are_no_scaling():
    mask = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) < 8
    data = measured(mask=np.stack([np.ones_like(mask), mask, np.ones_like(mask), np.ones_like(mask)]))
    relative = xpcs.Shrinkage(offset=0.1, relative=True)
    for asked in ({"scaling": "constant"}, {"scaling": xpcs.Scaling.constant(0.3)}, {"regularisation": relative}):
        with pytest.raises(InvalidDataError, match=r"angle 1 \(phi = 30 degrees\) has no value at long or at short"):
            prepared(data, **asked)
    for asked in (
        {},
        {"scaling": xpcs.Scaling.constant(0.3, 1.0)},
        {"regularisation": xpcs.Shrinkage(offset=0.1)},
    ):
        ready, _ = prepared(data, **asked)
        assert np.isfinite(ready.block.contrast).all()
        assert np.isfinite(ready.block.penalty).all()
