"""Wrong input is refused with a message that helps, and what the data do not say is said to be so."""

import dataclasses
import math

import numpy as np
import pytest

import wilks
from wilks import xpcs

TRUTH = {
    "D0": 2e4, "alpha": -0.6, "D_offset": 2000.0,
    "gamma_dot_0": 1e-3, "beta": -0.5, "gamma_dot_offset": 2e-4, "phi0": -4.0,
}  # fmt: skip
STATIC = {name: TRUTH[name] for name in ("D0", "alpha", "D_offset")}
FLOW_NAMES = {"gamma_dot_0", "beta", "gamma_dot_offset", "phi0"}
N_T = 40
SIGMA = 0.005
PHI = (-60.0, -30.0, 0.0, 30.0, 60.0, 90.0)
LOCAL = xpcs.FitOptions(method="local")


def simulated(truth=TRUTH, phi=PHI, contrast=0.3, **more):
    geometry = xpcs.Geometry(t=0.1 * np.arange(N_T), dt=0.1, q=0.0054, gap=2e6, phi=np.array(phi, dtype=float))
    return xpcs.simulate(truth, geometry, contrast=contrast, **({"sigma": SIGMA, "seed": 1} | more))


GOOD = simulated(contrast=np.linspace(0.2, 0.4, len(PHI)))


def changed(**fields):
    """The good data with something wrong."""
    names = ("c2", "t", "phi", "q", "gap", "dt", "sigma")
    return xpcs.TwoTimeData(**({name: getattr(GOOD, name) for name in names} | fields))


def fitted(data=GOOD, mode="laminar_flow", **keywords):
    start = TRUTH if mode == "laminar_flow" else STATIC
    return xpcs.fit(data, mode, **({"start": start, "options": LOCAL, "seed": 1, "callbacks": ()} | keywords))


def undetermined(result):
    return {name for name, found in result.identifiable.items() if not found}


# Data

DATA_ERRORS = {
    "c2 for one angle only, 2-D": (
        lambda: changed(c2=GOOD.c2[0], phi=[0.0]),
        [r"c2 has shape \(40, 40\), expected \(n_phi, n_t, n_t\)", r"For a single angle give \[c2\]"],
    ),
    "not square": (lambda: changed(c2=GOOD.c2[:, :, :30]), [r"\(6, 40, 30\)", "one square matrix for every angle"]),
    "no c2": (lambda: changed(c2=None), [r"c2 must be an array of shape", r"missing \(None\)"]),
    "text": (lambda: changed(c2=np.full((6, N_T, N_T), "x")), ["c2 must hold real numbers"]),
    "t too short": (lambda: changed(t=GOOD.t[:-1]), ["40 rows but t has 39 times", "time of every frame"]),
    "t not ascending": (
        lambda: changed(t=GOOD.t[::-1], dt=None),
        ["t must ascend", r"t\[0\] = 3.9", "sort the frames"],
    ),
    "t not finite": (lambda: changed(t=np.where(GOOD.t > 1, np.nan, GOOD.t)), ["t must be finite"]),
    "no phi": (lambda: changed(phi=None), [r"phi is missing \(None\)", "angle of every matrix"]),
    "too many angles": (lambda: changed(phi=[*PHI, 1.0]), ["6 matrices but phi has 7 angles"]),
    "q is zero": (lambda: changed(q=0.0), ["q must be positive", "1/Å", "it is 0"]),
    "q is negative": (lambda: changed(q=-0.0054), ["q must be positive", "-0.0054"]),
    "gap is zero": (lambda: changed(gap=0), ["gap must be positive"]),
    "dt is another": (lambda: changed(dt=0.2), ["dt is 0.2 s", "spacing of t is 0.1 s", "correct one of them"]),
    "sigma is zero": (lambda: changed(sigma=0.0), ["sigma must be positive", "it is 0", "estimates it from the data"]),
    "sigma is negative": (lambda: changed(sigma=[1, 1, 1, 1, 1, -1]), ["sigma must be positive", "-1"]),
    "sigma of other angles": (lambda: changed(sigma=[0.01, 0.02]), ["sigma has 2 values for 6 angles"]),
    "mask of numbers": (lambda: changed(mask=np.ones((N_T, N_T))), ["mask must hold True and False"]),
    "sigma of a pixel is zero": (
        lambda: fitted(changed(sigma=np.where(np.arange(GOOD.c2.size) == 45, 0, SIGMA).reshape(GOOD.c2.shape))),
        ["sigma of angle 0", "for 1 pairs", "mask these values"],
    ),
    "nothing measured": (lambda: fitted(changed(c2=np.full_like(GOOD.c2, np.nan))), ["none of the 6 angles"]),
    "everything masked": (lambda: fitted(changed(mask=np.zeros((N_T, N_T), bool))), ["none of the 6 angles"]),
    "flow without a gap": (lambda: fitted(changed(gap=None)), ["width of the gap", r"gap=\.\.\.", "mode='static'"]),
    "ages before zero": (lambda: fitted(changed(t=GOOD.t - 1)), ["times >= 0"]),
    "an array as data": (lambda: xpcs.fit(GOOD.c2), ["expected wilks.xpcs.TwoTimeData first, got ndarray"]),
}


@pytest.mark.parametrize("name", DATA_ERRORS)
def test_data_that_cannot_be_used(name):
    call, patterns = DATA_ERRORS[name]
    with pytest.raises(wilks.WilksError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    for pattern in patterns:
        assert caught.match(pattern)


@pytest.mark.parametrize("name", [name for name in DATA_ERRORS if name != "an array as data"])
def test_what_is_wrong_with_data_is_an_error_of_the_data(name):
    with pytest.raises(wilks.InvalidDataError):
        DATA_ERRORS[name][0]()


# What was asked for

QUESTIONS = {
    "unknown mode": (lambda: fitted(mode="laminr"), ["'static' or 'laminar_flow', got 'laminr'", "did you mean"]),
    "unknown loss": (lambda: xpcs.FitOptions(loss="hubr"), ["loss: expected one of 'linear'", "did you mean 'huber'"]),
    "unknown method": (
        lambda: xpcs.FitOptions(method="multistart"),
        ["method: expected", "did you mean 'multi_start'"],
    ),
    "unknown kernel": (lambda: xpcs.FitOptions(kernel="jax"), ["kernel: expected one of 'auto', 'numpy', 'numba'"]),
    "unknown scaling": (lambda: fitted(scaling="indiv"), ["scaling: expected", "did you mean 'individual'"]),
    "no starts": (lambda: xpcs.FitOptions(n_starts=0), ["n_starts: expected an integer >= 1, got 0"]),
    "misspelt parameter": (
        lambda: fitted(parameters={"gama_dot_0": 1.0}),
        ["'gama_dot_0' is unknown", "did you mean 'gamma_dot_0'", "they are D0, alpha"],
    ),
    "parameter of the other mode": (
        lambda: fitted(mode="static", parameters={"beta": 1.0}),
        ["'beta' belongs to mode='laminar_flow', but mode is 'static'"],
    ),
    "a pair as a box": (lambda: fitted(parameters={"alpha": (-1, 1)}), ["'alpha' takes wilks.Real"]),
    "a number as contrast": (lambda: fitted(parameters={"contrast": 0.3}), ["takes a box", "Scaling.constant"]),
    "inverted bounds": (
        lambda: fitted(parameters={"alpha": wilks.Real(2.0, -2.0)}),
        [r"expected lower < upper, got \(2.0, -2.0\)"],
    ),
    "all fixed": (lambda: fitted(parameters=TRUTH, start=None), ["all of D0.* are fixed", "leave one free"]),
    "start outside": (
        lambda: fitted(start=TRUTH | {"D0": 1e9}),
        [r"'D0': expected a value in \[100.0, 100000.0\], got 1000000000.0"],
    ),
    "start not a number": (lambda: fitted(start=TRUTH | {"D0": math.nan}), ["'D0': expected a value in", "got nan"]),
    "start incomplete": (lambda: fitted(start={"D0": 1e4}), ["start: alpha, D_offset.* is missing"]),
    "start of another kind": (lambda: fitted(start=[1e4, -0.5]), ["start: expected a result, a dictionary"]),
    "weights of other angles": (
        lambda: fitted(options=dataclasses.replace(LOCAL, weights=(1.0, 2.0))),
        ["one for each of the 6 angles, got 2"],
    ),
    "negative weights": (lambda: xpcs.FitOptions(weights=(1.0, -2.0)), ["weights: expected positive numbers"]),
    "shear weights without shear": (
        lambda: fitted(mode="static", options=dataclasses.replace(LOCAL, weights=xpcs.ShearWeights())),
        ["ShearWeights need mode='laminar_flow'"],
    ),
    "constants of other angles": (
        lambda: fitted(scaling=xpcs.Scaling.constant(contrast=[0.1, 0.2])),
        ["2 .*6 angles"],
    ),
    "series longer than the angles": (
        lambda: fitted(scaling=xpcs.Scaling.fourier(3)),
        ["only 6 angles", "lower order"],
    ),
    "too little memory": (
        lambda: fitted(options=dataclasses.replace(LOCAL, memory_limit="1 kB")),
        ["1 kB of memory are not enough", "raise memory_limit"],
    ),
    "memory in words": (
        lambda: fitted(options=dataclasses.replace(LOCAL, memory_limit="much")),
        ["memory_limit must be a number of bytes", "'much'"],
    ),
    "another log": (lambda: fitted(log="run.wilks"), ["log: expected a wilks.EvaluationLog, got 'run.wilks'"]),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_that_cannot_be_asked(name):
    call, patterns = QUESTIONS[name]
    with pytest.raises(wilks.WilksError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    for pattern in patterns:
        assert caught.match(pattern)


def test_unknown_options_are_errors():
    with pytest.raises(TypeError, match="lss"):
        xpcs.FitOptions(lss="huber")


def test_a_log_of_other_data_is_refused(tmp_path):
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log:
        fitted(log=log)
    with wilks.EvaluationLog(tmp_path / "run.wilks") as log, pytest.raises(wilks.CheckpointError):
        fitted(simulated(seed=2), log=log)


def test_throw():
    impatient = dataclasses.replace(LOCAL, max_iterations=1)
    far = TRUTH | {"D0": 1e3, "alpha": 0.5}
    assert not fitted(options=impatient, start=far).status.success
    with pytest.raises(wilks.FitFailedError) as caught:
        fitted(options=impatient, start=far, throw=True)
    assert caught.value.result.best.keys() >= TRUTH.keys()


# What is legitimate


def test_pixels_that_are_not_finite_are_masked_and_counted():
    c2 = np.array(GOOD.c2)
    c2[2, :, :13] = c2[2, :13, :] = np.nan
    c2[0, 5, 7] = np.inf  # its mirror image is there
    c2[4, 3, 9] = c2[4, 9, 3] = -np.inf
    n_lost = 13 * 12 // 2 + 13 * (N_T - 13) + 1
    result = fitted(changed(c2=c2))
    n_pairs = len(PHI) * N_T * (N_T - 1) // 2
    assert (result.n_masked, result.n_used) == (n_lost, n_pairs - n_lost)
    assert any(f"{n_lost} pairs" in reason and "of angle 2" in reason for reason in result.notes)
    for name, true in TRUTH.items():
        assert abs(result.values[name] - true) < 3.5 * result.standard_errors[name]


def test_sigma_that_is_missing_is_estimated_and_said_so():
    result = fitted(changed(sigma=None))
    assert "estimated" in result.noise
    np.testing.assert_allclose(result.sigma, SIGMA, rtol=0.2)  # 1500 differences for each angle
    assert fitted().noise == "given"


def test_time_between_frames_is_taken_from_the_times():
    with_dt, without = fitted(), fitted(changed(dt=None))
    assert without.dt == pytest.approx(0.1)
    assert without.values["D0"] == pytest.approx(with_dt.values["D0"], rel=1e-9)


def test_order_of_the_angles_does_not_matter():
    order = np.array([3, 0, 5, 1, 4, 2])
    plain, shuffled = fitted(), fitted(changed(c2=GOOD.c2[order], phi=GOOD.phi[order]))
    for name in TRUTH:
        assert shuffled.values[name] == pytest.approx(plain.values[name], abs=1e-5 * plain.standard_errors[name])
    np.testing.assert_allclose(shuffled.contrast, plain.contrast[order], rtol=1e-7)
    assert shuffled.chi_squared == pytest.approx(plain.chi_squared, rel=1e-10)


def test_an_angle_that_is_there_twice_counts_twice():
    doubled = fitted(changed(c2=np.concatenate([GOOD.c2, GOOD.c2]), phi=[*PHI, *PHI], sigma=SIGMA))
    plain = fitted()
    for name in TRUTH:
        assert doubled.values[name] == pytest.approx(plain.values[name], abs=1e-3 * plain.standard_errors[name])
        assert doubled.standard_errors[name] == pytest.approx(plain.standard_errors[name] / np.sqrt(2), rel=1e-3)


def test_fixed_parameters_stay_and_sharpen_the_others():
    result = fitted(parameters={"gamma_dot_t_offset": TRUTH["gamma_dot_offset"], "phi0": -4.0})
    assert (result.values["gamma_dot_offset"], result.values["phi0"]) == (TRUTH["gamma_dot_offset"], -4.0)
    assert "phi0" not in result.names
    assert "phi0" not in result.standard_errors
    assert result.standard_errors["beta"] < 0.7 * fitted().standard_errors["beta"]


def test_own_bounds_are_kept_and_reported():
    result = fitted(parameters={"alpha": wilks.Real(-0.5, 1.0)}, start=TRUTH | {"alpha": -0.4})
    assert result.values["alpha"] == pytest.approx(-0.5)
    assert result.at_bounds["alpha"] == "lower"
    assert math.isnan(result.standard_errors["alpha"])
    assert "box decides" in result.identifiable["alpha"].reason


# What the data do not say


def check_undetermined(result, names, *reasons):
    """Exactly these, with no finite error, and every reason of one of them or of all."""
    assert undetermined(result) == set(names)
    assert result.quality.flag != "good"
    for name in names:
        assert not math.isfinite(result.standard_errors[name])
        assert any(reason in result.identifiable[name].reason for reason in reasons), result.identifiable[name]
        assert name in repr(result)
    for name in set(result.identifiable) - set(names):
        assert 0 < result.standard_errors[name] < math.inf
    listed = next(reason for reason in result.quality.reasons if reason.startswith("Not determined"))
    assert all(name in listed for name in names)


@pytest.mark.parametrize("sigma", [SIGMA, None])
@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_constant_data(mode, sigma):
    result = fitted(changed(c2=np.full_like(GOOD.c2, 1.2), sigma=sigma), mode)
    check_undetermined(result, PHYSICAL[mode], "do not differ from a constant")
    assert result.quality.flag == "poor"
    assert any("constant" in reason for reason in result.quality.reasons)
    np.testing.assert_allclose(result.offset, 1.2)


PHYSICAL = {"static": tuple(STATIC), "laminar_flow": tuple(TRUTH)}


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_noise_alone(mode):
    noise = 1.2 + SIGMA * np.random.default_rng(1).standard_normal(GOOD.c2.shape)
    result = fitted(changed(c2=noise), mode)
    check_undetermined(result, PHYSICAL[mode], "do not differ from a constant")
    assert result.quality.flag == "poor"


def test_one_angle_without_contrast_spoils_nothing():
    result = fitted(simulated(contrast=[0.0, 0.3, 0.3, 0.3, 0.3, 0.3]))
    assert not undetermined(result)
    for name, true in TRUTH.items():
        assert abs(result.values[name] - true) < 3.5 * result.standard_errors[name]


PRECISE = {"sigma": 0.0005}


@pytest.mark.parametrize("phi", [[20.0], [20.0] * 3], ids=["one angle", "equal angles"])
@pytest.mark.parametrize("options", [LOCAL, None], ids=["local", "search"])
def test_all_angles_see_the_same_shear(phi, options):
    start = TRUTH if options else None
    result = fitted(simulated(phi=phi, **PRECISE), options=options, start=start)
    check_undetermined(result, ["gamma_dot_0", "gamma_dot_offset", "phi0"], "only a combination with")
    assert ("only one angle" in result.identifiable["phi0"].reason) == (len(phi) == 1)
    for name in ("D0", "alpha", "D_offset", "beta"):
        assert abs(result.values[name] - TRUTH[name]) < 3.5 * result.standard_errors[name]


def test_shear_that_only_angles_across_the_flow_would_see():
    across = TRUTH | {"phi0": 0.0}
    result = fitted(simulated(across, phi=[90.0, -90.0, 90.0]), start=across)
    check_undetermined(result, FLOW_NAMES, "no shear is seen")
    for name in STATIC:
        assert abs(result.values[name] - TRUTH[name]) < 3.5 * result.standard_errors[name]


def test_no_flow():
    still = TRUTH | {"gamma_dot_0": 1e-6, "gamma_dot_offset": 0.0}
    result = fitted(simulated(still), start=still)
    check_undetermined(result, FLOW_NAMES, "no shear is seen")


@pytest.mark.parametrize("options", [LOCAL, None], ids=["local", "search"])
def test_a_constant_shear_rate_may_be_in_either_term(options):
    constant = TRUTH | {"beta": 0.0}
    result = fitted(simulated(constant), options=options, start=constant if options else None)
    check_undetermined(
        result,
        ["gamma_dot_0", "beta", "gamma_dot_offset"],
        "only a combination with gamma_dot", "gamma_dot_0 is compatible with zero", "beta is compatible with 0",
    )  # fmt: skip
    at_one_second = result.values["gamma_dot_0"] + result.values["gamma_dot_offset"]
    assert at_one_second == pytest.approx(1.2e-3, rel=0.02)


@pytest.mark.parametrize("options", [LOCAL, None], ids=["local", "search"])
def test_a_constant_diffusion_coefficient_may_be_in_either_term(options):
    constant = TRUTH | {"alpha": 0.0}
    result = fitted(simulated(constant), options=options, start=constant if options else None)
    check_undetermined(
        result,
        STATIC,
        "only a combination with D", "D0 is compatible with zero", "alpha is compatible with 0",
    )  # fmt: skip
    assert result.values["D0"] + result.values["D_offset"] == pytest.approx(2.2e4, rel=0.02)


def test_a_constant_rate_is_determined_once_the_offset_is_fixed():
    constant = TRUTH | {"beta": 0.0, "alpha": 0.0}
    fixed = {"D_offset": 2000.0, "gamma_dot_offset": 2e-4}
    assert not undetermined(fitted(simulated(constant), start=constant, parameters=fixed))


@pytest.mark.parametrize(
    ("exponent", "pair"), [("alpha", ("D0", "D_offset")), ("beta", ("gamma_dot_0", "gamma_dot_offset"))]
)
def test_an_exponent_fixed_at_zero_leaves_a_sum(exponent, pair):
    constant = TRUTH | {exponent: 0.0}
    result = fitted(simulated(constant), start=constant, parameters={exponent: 0.0})
    check_undetermined(result, pair, f"only a combination with {pair[0]}", f"only a combination with {pair[1]}")
