"""The factors of the model: what they are, what they mean, and what is refused."""

import math
import re

import numpy as np
import pytest

from wilks.core.encoding import decode, encode
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.convention import Convention
from wilks.xpcs.sinc import sinc_power

PHYSICAL, HOMODYNE = Convention(), Convention.homodyne()


def test_default_is_the_physics_and_homodyne_is_not():
    assert (PHYSICAL.diffusion_factor, PHYSICAL.shear_argument, PHYSICAL.shear_power) == (0.5, 0.5, 2)
    assert (HOMODYNE.diffusion_factor, HOMODYNE.shear_argument, HOMODYNE.shear_power) == (0.5, 1 / (2 * math.pi), 4)


@pytest.mark.parametrize("name", ["diffusion_factor", "shear_argument"])
@pytest.mark.parametrize("value", [0, -0.5, math.inf, math.nan, "0.5", None, True])
def test_factor_is_refused(name, value):
    with pytest.raises(
        InvalidConfigurationError, match=f"{name}: expected a positive number.*{re.escape(repr(value))}"
    ):
        Convention(**{name: value})


@pytest.mark.parametrize("value", [0, 1, 3, 2.0, "2", True, None])
def test_power_is_refused(value):
    with pytest.raises(InvalidConfigurationError, match=f"shear_power: expected 2 .* or 4 .*{re.escape(repr(value))}"):
        Convention(shear_power=value)


def test_numbers_are_plain_and_are_kept_in_files():
    convention = Convention(diffusion_factor=np.float64(1), shear_argument=1)
    assert type(convention.diffusion_factor) is type(convention.shear_argument) is float
    for each in (convention, PHYSICAL, HOMODYNE):
        assert decode(encode(each)) == each


def test_description_names_all_factors():
    text = Convention(0.75, 0.125, 4).describe()
    assert "2 * 0.75 * q^2" in text
    assert "sinc(0.125 * q" in text
    assert "|^4" in text
    assert "\n" not in text


def test_gap_average_of_the_phase_factor_is_the_default_sinc():
    """A scatterer at the height y of a gap of width L gains the phase q cos() y Int G dt; uniform heights."""
    q, gap, cosine, strain = 0.0054, 2e6, math.cos(math.radians(35)), 4.1e-4
    heights = (np.arange(200_000) + 0.5) / 200_000 * gap
    intensity = np.abs(np.exp(1j * q * cosine * heights * strain).mean()) ** 2
    x = PHYSICAL.shear_argument * q * gap * cosine * strain
    assert intensity == pytest.approx(float(sinc_power(x, PHYSICAL.shear_power)), abs=1e-9)
    assert intensity < 0.6


@pytest.mark.parametrize("pair", [(PHYSICAL, HOMODYNE), (HOMODYNE, PHYSICAL), (Convention(0.5, 0.2, 2), PHYSICAL)])
def test_rates_are_converted(pair):
    ours, theirs = pair
    ratio = ours.rate_ratio(theirs)
    phase = 1e-3  # q L cos Int G dt, small
    here = float(sinc_power(ours.shear_argument * phase, ours.shear_power))
    there = float(sinc_power(theirs.shear_argument * phase * ratio.small_phase, theirs.shear_power))
    assert 1 - here == pytest.approx(1 - there, rel=1e-6)
    at_zero = math.pi / ours.shear_argument
    assert theirs.shear_argument * at_zero * ratio.first_zero == pytest.approx(math.pi, rel=1e-14)


def test_rates_of_homodyne_are_too_large():
    ratio = PHYSICAL.rate_ratio(HOMODYNE)
    assert ratio == pytest.approx((math.pi / math.sqrt(2), math.pi), rel=1e-14)
