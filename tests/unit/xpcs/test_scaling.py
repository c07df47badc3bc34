"""Matrices, bounds and penalties of the ways in which contrast and offset depend on the angle."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.scaling import CONTRAST_BOUNDS, OFFSET_BOUNDS, Scaling, Shrinkage, as_scaling, linear_block

PHI = np.array([30.0, -60.0, 100.0, 5.0])
MANY = np.full(4, 1000)
QUANTILES = (np.array([0.2, 0.3, 0.4, 0.5]), np.array([1.0, 1.1, 0.9, 1.2]))


def block_of(scaling, phi=PHI, n_used=MANY, **more):
    quantiles = tuple(each[: len(phi)] for each in QUANTILES)
    return linear_block(as_scaling(scaling), np.asarray(phi), n_used[: len(phi)], quantiles, **more)


def test_individual_has_a_contrast_and_an_offset_for_every_angle():
    block = block_of("individual")
    c = np.array([0.1, 0.2, 0.3, 0.4, 1.1, 1.2, 1.3, 1.4])
    contrast, offset = block.scaled(c)
    assert contrast.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert offset.tolist() == [1.1, 1.2, 1.3, 1.4]
    assert block.names == tuple(f"{what}_{k}" for what in ("contrast", "offset") for k in range(4))
    assert block.lower.tolist() == [CONTRAST_BOUNDS[0]] * 4 + [OFFSET_BOUNDS[0]] * 4
    assert block.upper.tolist() == [CONTRAST_BOUNDS[1]] * 4 + [OFFSET_BOUNDS[1]] * 4
    assert not block.penalty.any()


def test_averaged_has_one_of_each():
    block = block_of("averaged")
    contrast, offset = block.scaled(np.array([0.3, 1.1]))
    assert contrast.tolist() == [0.3] * 4
    assert offset.tolist() == [1.1] * 4
    assert block.names == ("contrast", "offset")


@pytest.mark.parametrize("order", [0, 1])
def test_fourier_is_a_series_in_the_angle(order):
    block = block_of(Scaling.fourier(order))
    n = 2 * order + 1
    c = np.random.default_rng(1).normal(size=2 * n)
    angle = np.pi / 180 * PHI
    for found, part in zip(block.scaled(c), (c[:n], c[n:]), strict=True):
        wanted = part[0] + sum(
            part[2 * m - 1] * np.cos(m * angle) + part[2 * m] * np.sin(m * angle) for m in range(1, order + 1)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
    waves = [name for name in block.names if "mean" not in name]
    assert waves == [f"{what}_{wave}1" for what in ("contrast", "offset") for wave in ("cos", "sin") if order]
    for i, name in enumerate(block.names):  # waves may have either sign
        bounds = CONTRAST_BOUNDS if name.startswith("contrast") else OFFSET_BOUNDS
        wanted = bounds if "mean" in name else (bounds[0] - bounds[1], bounds[1] - bounds[0])
        assert (block.lower[i], block.upper[i]) == wanted
        assert block.lower[i] <= block.start[i] <= block.upper[i]


def test_fourier_of_second_order():
    block = block_of(Scaling.fourier(2), phi=np.linspace(0, 160, 5), n_used=np.full(5, 100))
    assert np.linalg.matrix_rank(block.to_contrast[:, :5]) == 5
    assert block.names[:5] == ("contrast_mean", "contrast_cos1", "contrast_sin1", "contrast_cos2", "contrast_sin2")
    np.testing.assert_allclose(block.to_contrast[:, 4], np.sin(2 * np.deg2rad(np.linspace(0, 160, 5))), atol=1e-15)


def test_more_coefficients_than_angles_are_refused():
    with pytest.raises(InvalidConfigurationError, match="order 2 has 5 coefficients, but there are only 4 angles"):
        block_of(Scaling.fourier(2))


@pytest.mark.parametrize("order", [-1, 1.0, True, "1"])
def test_orders_that_are_none(order):
    with pytest.raises(InvalidConfigurationError, match="expected an integer order >= 0"):
        Scaling.fourier(order)


def test_constant_takes_given_numbers_and_quantiles():
    block = block_of(Scaling.constant(0.3, [1.0, 1.1, 1.2, 1.3]))
    contrast, offset = block.scaled(np.empty(0))
    assert contrast.tolist() == [0.3] * 4
    assert offset.tolist() == [1.0, 1.1, 1.2, 1.3]
    half = block_of(Scaling.constant(offset=1.0))
    assert half.contrast.tolist() == QUANTILES[0].tolist()
    assert half.offset.tolist() == [1.0] * 4
    assert block_of("constant").offset.tolist() == QUANTILES[1].tolist()
    assert block.names == ()


@pytest.mark.parametrize("given", [[[0.3]], float("nan"), [0.3, np.inf]])
def test_constants_that_are_no_numbers_for_angles(given):
    with pytest.raises(InvalidConfigurationError, match="a number or one for each angle, contrast="):
        Scaling.constant(given)


@pytest.mark.parametrize("given", [{"contrast": -1}, {"contrast": [0.3, 0.0]}, {"offset": -0.5}])
def test_constants_are_positive(given):
    with pytest.raises(InvalidConfigurationError, match="expected positive numbers, got "):
        Scaling.constant(**given)


def test_constants_of_some_of_the_angles():
    scaling = Scaling.constant([0.1, 0.2, 0.3], 1.0).rows(np.array([0, 2]), 3)
    assert scaling == Scaling.constant([0.1, 0.3], 1.0)
    assert Scaling.individual().rows(np.array([0]), 3) == Scaling.individual()
    with pytest.raises(InvalidConfigurationError, match="has 3 values, but the data have 4 angles; give one, or 4"):
        Scaling.constant([0.1, 0.2, 0.3]).rows(np.array([0, 1]), 4)


def test_auto_says_why():
    plenty = block_of("auto")
    assert len(plenty.names) == 8
    assert "exact for every data set" in plenty.reason
    few = block_of("auto", n_used=np.array([1000, 29, 1000, 1000]))
    assert few.names == ("contrast", "offset")
    assert "only 29 pairs" in few.reason
    assert len(block_of("auto", n_used=np.array([1000, 30, 1000, 1000])).names) == 8
    assert block_of("auto", phi=PHI[:1], n_used=np.array([5])).names == ("contrast_0", "offset_0")
    assert block_of("individual").reason == "as asked for"


def test_own_bounds():
    block = block_of("averaged", bounds=((0.0, 0.2), (1.1, 1.3)))
    assert block.lower.tolist() == [0.0, 1.1]
    assert block.upper.tolist() == [0.2, 1.3]
    assert block.start.tolist() == [0.2, 1.1]  # the usual start, cut back


@pytest.mark.parametrize("given", ["indivdual", "fourier", None, 3])
def test_what_is_no_scaling(given):
    with pytest.raises(InvalidConfigurationError, match=r"expected one of 'individual'.*Scaling\.fourier"):
        as_scaling(given)


def test_typos_get_a_hint():
    for make in (as_scaling, Scaling):
        with pytest.raises(InvalidConfigurationError, match="did you mean 'individual'"):
            make("indivdual")


@pytest.mark.parametrize("scaling", ["individual", "averaged", Scaling.fourier(1), "constant"])
def test_shrinkage_is_the_spread_about_the_mean(scaling):
    block = block_of(scaling)
    c = np.random.default_rng(2).normal(size=len(block.names))
    contrast, offset = (b - fixed for b, fixed in zip(block.scaled(c), (block.contrast, block.offset), strict=True))

    def spread(values, width):
        return float(np.square(values - values.mean()).sum() / width**2)

    both = Shrinkage(0.05, 0.01).penalty(block, *QUANTILES)
    assert c @ both @ c == pytest.approx(spread(contrast, 0.05) + spread(offset, 0.01), rel=1e-9, abs=1e-12)
    one = Shrinkage(offset=0.01).penalty(block, *QUANTILES)
    assert c @ one @ c == pytest.approx(spread(offset, 0.01), rel=1e-9, abs=1e-12)
    relative = Shrinkage(0.5, 0.1, relative=True).penalty(block, *QUANTILES)
    wanted = spread(contrast, 0.5 * QUANTILES[0].mean()) + spread(offset, 0.1 * QUANTILES[1].mean())
    assert c @ relative @ c == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert block.with_penalty(both).penalty is both


@pytest.mark.parametrize("width", [0.0, -1.0, float("inf"), float("nan"), "1"])
def test_widths_must_be_positive(width):
    with pytest.raises(InvalidConfigurationError, match="expected a width > 0 or None for offset"):
        Shrinkage(offset=width)


@pytest.mark.parametrize(
    ("scaling", "width"), [("individual", 2), ("averaged", 2), (Scaling.fourier(1), 6), (Scaling.constant(0.3, 1.0), 0)]
)
def test_the_coefficients_of_each_angle_say_all(scaling, width):
    """However many angles: each depends on the coefficients of its own alone."""
    phi = np.array([0.0, 40.0, 95.0, 170.0, -30.0])
    block = linear_block(as_scaling(scaling), phi, np.full(5, 100), (np.full(5, 0.3), np.ones(5)))
    assert block.own.shape == (5, width)
    c = np.random.default_rng(1).normal(size=len(block.names))
    for k in range(5):
        offset, contrast = block.maps[k] @ c[block.own[k]]
        assert offset == pytest.approx(block.to_offset[k] @ c)
        assert contrast == pytest.approx(block.to_contrast[k] @ c)


def test_without_contrast_the_offsets_stay():
    block = linear_block(as_scaling("individual"), np.zeros(3), np.full(3, 100), (np.full(3, 0.3), np.ones(3)))
    none = block.without_contrast()
    contrast, offset = none.scaled(np.arange(6.0))
    assert contrast.tolist() == [0.0, 0.0, 0.0]
    assert offset.tolist() == [3.0, 4.0, 5.0]
