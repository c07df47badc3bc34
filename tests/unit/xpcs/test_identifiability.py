"""The rules that say which parameters are determined, one by one and on data that break them."""

import math

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.xpcs.identifiability import Evidence, chance, judge

SPACE = wilks.Space(
    D0=wilks.Real(1e2, 1e4, scale="log"),
    alpha=wilks.Real(-2, 2),
    gamma_dot_0=wilks.Real(0, 1),
    phi0=wilks.Real(-10, 10),
)


def of(**changes):
    usual = {
        "values": {"D0": 1e3, "alpha": 0.5, "gamma_dot_0": 0.1, "phi0": 1.0},
        "errors": {"D0": 10.0, "alpha": 0.1, "gamma_dot_0": 0.01, "phi0": 0.1},
        "at_bounds": {},
        "flat": (),
        "contrast_gain": 1e4,
        "shear_gain": 1e3,
        "n_angles": 4,
    }
    return judge(SPACE, Evidence(**(usual | changes)))


def errors(**changed):
    return {"D0": 10.0, "alpha": 0.1, "gamma_dot_0": 0.01, "phi0": 0.1} | changed


def undetermined(found):
    return {name for name, each in found.items() if not each}


def test_all_is_well():
    found = of()
    assert undetermined(found) == set()
    assert list(found) == list(SPACE.free)
    assert all(each.ok and not each.reason for each in found.values())


@pytest.mark.parametrize("n", [1, 2, 5, 30, 300])
def test_what_parameters_gain_by_chance_is_a_quantile_of_chi_squared(n):
    from scipy.stats import chi2

    assert chance(n) == pytest.approx(chi2.isf(0.0027, n), rel=0.02)
    assert chance(0) == chance(1)  # a direction of the flow that is fixed costs nothing


def test_no_contrast():
    limit = chance(8)  # of four contrasts and four parameters
    found = of(contrast_gain=limit - 0.01)
    assert undetermined(found) == set(SPACE.free)
    assert "do not differ from a constant: chi-squared is only 24 lower" in found["D0"].reason
    assert undetermined(of(contrast_gain=limit + 0.01)) == set()
    assert "only 0 lower" in of(contrast_gain=-3.0)["D0"].reason
    assert undetermined(of(contrast_gain=math.nan)) == set()  # contrasts were given


def test_no_shear():
    limit = chance(2)  # of the rate and the direction
    found = of(shear_gain=limit - 0.01)
    assert undetermined(found) == {"gamma_dot_0", "phi0"}
    assert found["phi0"].reason == "no shear is seen: without it chi-squared rises by 12 only"
    assert undetermined(of(shear_gain=limit + 0.01)) == undetermined(of(shear_gain=math.nan)) == set()
    assert "one angle alone" in of(shear_gain=1.0, n_angles=1)["gamma_dot_0"].reason


def test_bounds():
    found = of(at_bounds={"alpha": "upper"}, values={"alpha": 2.0, "D0": 1e3})
    assert undetermined(found) == {"alpha"}
    assert found["alpha"].reason.startswith("at its upper bound, 2:")


def test_flat_directions():
    found = of(flat=(("D0", "contrast_0"), ("phi0",)), errors=errors(D0=math.inf, phi0=math.inf))
    assert undetermined(found) == {"D0", "phi0"}
    assert found["D0"].reason == "only a combination with contrast_0 is determined"
    assert found["phi0"].reason == "chi-squared does not depend on it within its box"
    one = of(flat=(("gamma_dot_0", "alpha", "phi0"),), n_angles=1)
    assert one["phi0"].reason == "only a combination with gamma_dot_0 and alpha is determined (there is only one angle)"
    assert "one angle" not in one["alpha"].reason


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_no_finite_error(error):
    assert undetermined(of(errors=errors(alpha=error))) == {"alpha"}


def test_errors_as_wide_as_the_box():
    assert undetermined(of(errors=errors(alpha=0.99))) == set()  # the box is 4 wide
    wide = of(errors=errors(alpha=1.01))
    assert wide["alpha"].reason == "its standard error 1 covers 25 % of its box"
    narrow = wilks.Space(D0=wilks.Real(1e3, 2e3, scale="log"))  # on a log scale the error counts relative to the value
    for fraction, expected in ((0.249, set()), (0.251, {"D0"})):
        evidence = Evidence({"D0": 1e3}, {"D0": 1e3 * fraction * math.log(2)}, {}, (), 1e4, 1e3, 4)
        assert undetermined(judge(narrow, evidence)) == expected


def test_errors_larger_than_an_amplitude():
    assert undetermined(of(errors=errors(D0=990.0))) == set()
    assert of(errors=errors(D0=1010.0))["D0"].reason == "its standard error 1e+03 is larger than its value 1e+03"


def test_one_angle_whose_direction_stops_at_its_bound():
    bound = of(at_bounds={"phi0": "upper"}, n_angles=1)
    assert bound["gamma_dot_0"].reason == "only a combination with phi0 is determined (there is only one angle)"
    assert bound["phi0"].reason == "only a combination with gamma_dot_0 is determined (there is only one angle)"
    assert undetermined(bound) == {"phi0", "gamma_dot_0"}
    both = of(at_bounds={"phi0": "upper", "gamma_dot_0": "lower"}, n_angles=1)
    assert all(both[name].reason.startswith("at its ") for name in ("gamma_dot_0", "phi0"))
    values = {"D0": 1e3, "alpha": 0.5, "gamma_dot_0": 0.1, "gamma_dot_offset": 1e-3, "phi0": 1.0}
    scaled = of(at_bounds={"phi0": "upper"}, n_angles=1, values=values)  # by the rate that is given
    assert scaled["phi0"].reason.startswith("at its upper bound")
    assert scaled["gamma_dot_0"].ok
    assert undetermined(of(at_bounds={"phi0": "upper"})) == {"phi0"}


# On data.

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
PHI = np.array([80.0, -15.0, 30.0, 5.0])
QUICK = xpcs.FitOptions(n_starts=60, n_refined=2)
LOCAL = xpcs.FitOptions(method="local", max_iterations=20)


def measured(values=FLOW, n_angles=4, n_t=24, contrast=0.3):
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, PHI[:n_angles])
    return xpcs.simulate(values, place, contrast=contrast, sigma=0.005, seed=3)


def verdicts(data, options=QUICK, **keywords):
    result = xpcs.fit(data, seed=2, callbacks=(), options=options, **keywords)
    return {name: each.reason for name, each in result.identifiable.items() if not each}, result


def test_one_angle_cannot_tell_the_rate_from_its_direction():
    reasons, result = verdicts(measured(n_angles=1), parameters={"D_offset": 0.0, "gamma_dot_offset": 0.0})
    assert "only a combination with phi0" in reasons["gamma_dot_0"]
    assert "only a combination with gamma_dot_0" in reasons["phi0"]
    assert {"D0", "alpha", "beta"}.isdisjoint(reasons)
    assert math.isinf(result.standard_errors["phi0"])
    assert math.isfinite(result.standard_errors["beta"])


def test_a_sample_at_rest_has_no_shear():
    still = FLOW | {"gamma_dot_0": 0.0}
    reasons, _ = verdicts(measured(still), parameters={"D_offset": 0.0, "gamma_dot_offset": 0.0, "beta": 0.0})
    assert reasons["gamma_dot_0"].startswith("no shear is seen")
    assert {"D0", "alpha"}.isdisjoint(reasons)


def test_a_sigma_that_is_too_small_makes_no_shear_of_noise():
    """By the sigma that is given, noise gains a hundred times as much with a shear."""
    data = measured(FLOW | {"gamma_dot_0": 0.0})
    low = xpcs.TwoTimeData(data.c2, data.t, data.phi, data.q, data.gap, sigma=0.0005)
    reasons, result = verdicts(low, parameters={"D_offset": 0.0, "gamma_dot_offset": 0.0})
    assert {"gamma_dot_0", "beta", "phi0"} == set(reasons)
    assert result.reduced_chi_squared > 50


def test_offsets_that_differ_do_not_hide_the_contrast_of_averaged_scaling():
    place = xpcs.Geometry(0.1 * np.arange(24), 0.1, 0.0054, None, PHI)
    values = {name: FLOW[name] for name in ("D0", "alpha", "D_offset")}
    data = xpcs.simulate(values, place, mode="static", contrast=0.1, offset=[1.0, 1.1, 0.9, 1.2], sigma=0.01, seed=4)
    result = xpcs.fit(data, "static", scaling="averaged", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    assert not any("do not differ from a constant" in each.reason for each in result.identifiable.values())


@pytest.mark.parametrize("n_angles", [1, 4])
def test_noise_about_a_constant_determines_nothing(n_angles):
    reasons, result = verdicts(measured(n_angles=n_angles, n_t=16, contrast=0.0), LOCAL, start=FLOW)
    assert set(reasons) == set(FLOW)
    assert all("do not differ from a constant" in reason for reason in reasons.values())
    assert result.quality.flag == "poor"


def test_a_wrong_sigma_makes_no_signal_of_noise():
    data = measured(n_t=16, contrast=0.0)
    low = xpcs.TwoTimeData(data.c2, data.t, data.phi, data.q, data.gap, sigma=0.0005)
    assert set(verdicts(low, LOCAL, start=FLOW)[0]) == set(FLOW)
