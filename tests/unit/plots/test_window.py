import numpy as np
import pytest

import wilks
from tests.unit.plots import examples
from wilks.core.wilks_theorem import wilks_depth
from wilks.plots import style
from wilks.plots.window import window


def test_by_default_what_the_map_reaches():
    result = examples.gaussian_2d()
    assert window(result, 2) == ((0.68, 0.95), -4.0, 2)
    assert window(examples.profile(("w",), (np.arange(-3.0, 0.0),), np.zeros(3), best={"w": -1.0}, roi_threshold=1), 1)[
        0
    ] == (0.68,)


def test_levels_are_sorted_and_have_the_depth_of_their_parameters():
    shown = window(examples.gaussian_2d(), 3, confidence=[0.9, 0.5, 0.9], vmin=-2)
    assert shown.levels == (0.5, 0.9)
    assert shown.bottom == -2.0
    assert shown.depths == {level: wilks_depth(level, 3) for level in (0.5, 0.9)}


def test_a_level_out_of_reach_is_refused():
    with pytest.raises(
        wilks.InvalidConfigurationError, match=r"0.997 of 2 parameters needs .* 5.81 .*threshold >= 5.81"
    ):
        window(examples.gaussian_2d(), 2, confidence=[0.68, 0.997])
    with pytest.raises(wilks.InvalidConfigurationError, match=r"between 0 and 1, such as 0.95, got 95"):
        window(examples.gaussian_2d(), 2, confidence=[95])


@pytest.mark.parametrize("vmin", [0.0, 1.0, -np.inf, np.nan])
def test_the_lowest_value_is_below_the_maximum(vmin):
    with pytest.raises(wilks.InvalidConfigurationError, match="vmin: expected a drop below the maximum, such as -4"):
        window(examples.gaussian_2d(), 2, vmin=vmin)


def test_a_profile_that_found_nothing_is_refused():
    nothing = examples.profile(("w",), (np.arange(-3.0, 0.0),), np.full(3, -np.inf), best={}, maximum=-np.inf)
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a profile with a finite log-likelihood"):
        window(nothing, 1)


def test_every_level_looks_different():
    looks = style.looks([0.99, 0.68, 0.95, 0.9])
    assert list(looks) == [0.68, 0.9, 0.95, 0.99]
    assert len(set(looks.values())) == 4
    with pytest.raises(wilks.InvalidConfigurationError, match=r"at most 4 levels, got 0.1, 0.2, 0.3, 0.4, 0.5"):
        style.looks([0.1, 0.2, 0.3, 0.4, 0.5])
