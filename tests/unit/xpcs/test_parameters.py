"""Which parameters a mode has, and what a user may say about them."""

import numpy as np
import pytest

import wilks
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES, DEFAULTS, check_mode, physical_space


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_defaults(mode):
    space, boxes = physical_space(mode, None)
    assert space.free == PHYSICAL_NAMES[mode]
    assert boxes == {}
    for name in space.free:
        assert space[name] == DEFAULTS[name]
        assert space[name].label.startswith("$")


def test_modes_and_their_other_names():
    assert [check_mode(name) for name in ("static", "laminar_flow")] == ["static", "laminar_flow"]
    assert [check_mode(name) for name in ("static_isotropic", "laminar")] == ["static", "laminar_flow"]


def test_a_mode_that_is_none():
    with pytest.raises(
        InvalidConfigurationError, match=r"expected 'static' or 'laminar_flow', got 'laminr_flow' \(did"
    ):
        check_mode("laminr_flow")
    with pytest.raises(InvalidConfigurationError, match="got None"):
        check_mode(None)


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias):
    space, _ = physical_space("laminar_flow", {alias: 0.25})
    assert space.constants == {ALIASES[alias]: 0.25}


def test_one_parameter_under_two_names():
    with pytest.raises(InvalidConfigurationError, match="'gamma_dot_t0' and 'gamma_dot_0' are the same parameter"):
        physical_space("laminar_flow", {"gamma_dot_t0": 0.1, "gamma_dot_0": 0.2})


@pytest.mark.parametrize("value", [0.5, 1, np.float64(0.5), np.float32(0.5), np.int64(1)])
def test_a_number_fixes(value):
    space, _ = physical_space("static", {"alpha": value})
    assert space.free == ("D0", "D_offset")
    assert space.constants == {"alpha": float(value)}
    assert type(space.constants["alpha"]) is float
    assert space.names == PHYSICAL_NAMES["static"]


def test_a_box_replaces_the_default_and_keeps_unit_and_label():
    given = wilks.Real(10, 20, scale="log", initial=12)
    space, _ = physical_space("static", {"D0": given})
    box = space["D0"]
    assert (box.lower, box.upper, box.scale, box.initial) == (10, 20, "log", 12)
    assert (box.unit, box.label) == (DEFAULTS["D0"].unit, DEFAULTS["D0"].label)
    own, _ = physical_space("static", {"D0": wilks.Real(10, 20, unit="nm^2/s", label="D")})
    assert (own["D0"].unit, own["D0"].label) == ("nm^2/s", "D")


def test_boxes_of_the_scaling_are_handed_over():
    box = wilks.Real(0, 0.4)
    space, boxes = physical_space("static", {"contrast": box})
    assert boxes == {"contrast": box}
    assert space.free == PHYSICAL_NAMES["static"]


def test_the_scaling_is_fixed_elsewhere():
    with pytest.raises(InvalidConfigurationError, match=r"scaling=Scaling\.constant\(offset=1\.0\)"):
        physical_space("static", {"offset": 1.0})


@pytest.mark.parametrize("name", ["gamma_dot_0", "phi0", "gamma_dot_t0"])
def test_parameters_of_the_other_mode(name):
    with pytest.raises(
        InvalidConfigurationError, match=f"{name!r} belongs to mode='laminar_flow', but mode is 'static'"
    ):
        physical_space("static", {name: 0.1})


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("D_ofset", "D_offset"), ("alfa", "alpha"), ("gamma_dot_t00", "gamma_dot_t0"), ("ofset", "offset")],
)
def test_typos_get_a_hint(typo, meant):
    with pytest.raises(InvalidConfigurationError, match=f"{typo!r} is unknown \\(did you mean {meant!r}"):
        physical_space("laminar_flow", {typo: 0.1})


@pytest.mark.parametrize(
    "value", [True, "0.5", None, (0, 1), wilks.Integer(0, 3), wilks.Grid([0.1, 0.2]), float("nan")]
)
def test_values_that_are_neither(value):
    with pytest.raises(
        InvalidConfigurationError, match=r"'alpha' takes wilks\.Real\(lower, upper\) or a finite number"
    ):
        physical_space("static", {"alpha": value})


def test_nothing_left_to_fit():
    with pytest.raises(InvalidConfigurationError, match="all of D0, alpha, D_offset are fixed"):
        physical_space("static", dict.fromkeys(PHYSICAL_NAMES["static"], 1.0))
