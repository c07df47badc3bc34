"""What a fit says of its data and its scaling, and the other verbs on the same data."""

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.options import FitOptions, ShearWeights

TRUTH = {"D0": 2e4, "alpha": -0.3, "D_offset": 0.0}
PLACE = xpcs.Geometry(t=0.1 * np.arange(50), dt=0.1, q=0.0054, gap=None, phi=[0.0, 40.0, 80.0])
FIXED = {"D_offset": 0.0}
LOCAL = FitOptions(method="local")


def data(contrast=0.3, sigma=0.01, seed=1):
    return xpcs.simulate(TRUTH, PLACE, mode="static", contrast=contrast, sigma=sigma, seed=seed)


def fit(measured, **more):
    options = {"parameters": FIXED, "options": LOCAL, "start": TRUTH, "seed": 1, "callbacks": ()} | more
    return xpcs.fit(measured, "static", **options)


def test_angles_that_differ_are_told_where_they_share_a_contrast():
    measured = data(contrast=[0.25, 0.3, 0.35])
    shared = fit(measured, scaling="averaged")
    assert shared.quality.flag != "good"
    assert any("scaling='individual'" in reason for reason in shared.quality.reasons)
    assert fit(measured).quality.flag == "good"


def test_angles_that_agree_are_not_accused():
    told = [
        seed
        for seed in range(30)
        if any("scaling=" in reason for reason in fit(data(seed=seed), scaling="averaged").quality.reasons)
    ]
    assert not told


def test_angles_that_agree_are_not_accused_where_sigma_is_too_small():
    told = []
    for seed in range(10):
        measured = data(seed=seed)
        small = xpcs.TwoTimeData(measured.c2, PLACE.t, PLACE.phi, PLACE.q, sigma=0.002)  # of noise of 0.01
        told += [reason for reason in fit(small, scaling="averaged").quality.reasons if "scaling=" in reason]
    assert not told


def test_correlations_without_their_background_are_recognised():
    measured = data()
    without = xpcs.TwoTimeData(np.asarray(measured.c2) - 1.0, PLACE.t, PLACE.phi, PLACE.q, sigma=0.01)
    assert any("Add 1 to c2" in reason for reason in fit(without).quality.reasons)
    assert not any("Add 1" in reason for reason in fit(measured).quality.reasons)


def test_one_pixel_that_is_not_finite_is_a_note_and_no_doubt():
    c2 = np.array(data().c2)
    c2[1, 3, 7] = c2[1, 7, 3] = np.inf
    result = fit(xpcs.TwoTimeData(c2, PLACE.t, PLACE.phi, PLACE.q, sigma=0.01))
    assert result.quality.flag == "good"
    assert any("1 pairs" in note for note in result.notes)
    assert "1 pairs" in repr(result)


def test_the_data_as_a_problem_have_the_profile_of_the_fit():
    measured = data()
    result = fit(measured)
    problem = xpcs.problem(measured, "static", parameters=FIXED)
    assert problem.log_likelihood(result.physical) == pytest.approx(result.log_likelihood, rel=1e-12)
    profile = wilks.profile(problem, over="alpha", start=result, seed=1, callbacks=())
    (piece,) = profile.intervals("alpha", 0.6827)
    error = result.standard_errors["alpha"]
    assert piece.lower == pytest.approx(result.values["alpha"] - error, abs=0.1 * error)
    assert piece.upper == pytest.approx(result.values["alpha"] + error, abs=0.1 * error)
    table = wilks.compare(result, profile)
    assert "alpha" in table.names
    assert table.entries["alpha"][0].standard_error == error


@pytest.mark.parametrize("options", [FitOptions(loss="huber"), FitOptions(weights=ShearWeights())])
def test_a_problem_needs_a_fixed_sum_of_squares(options):
    place = xpcs.Geometry(t=PLACE.t, dt=0.1, q=0.0054, gap=2e6, phi=PLACE.phi)
    flowing = {**TRUTH, "gamma_dot_0": 1e-3, "beta": 0.0, "gamma_dot_offset": 0.0, "phi0": 0.0}
    measured = xpcs.simulate(flowing, place, sigma=0.01, seed=1)
    with pytest.raises(InvalidConfigurationError, match="need a fit around them"):
        xpcs.problem(measured, options=options)


def test_sequential_says_why_nothing_was_combined():
    place = xpcs.Geometry(t=PLACE.t, dt=0.1, q=0.0054, gap=2e6, phi=[0.0, 30.0])
    flowing = {**TRUTH, "gamma_dot_0": 5e-3, "beta": 0.0, "gamma_dot_offset": 0.0, "phi0": 0.0}
    measured = xpcs.simulate(flowing, place, sigma=0.01, seed=1)
    fixed = {"D_offset": 0.0, "gamma_dot_offset": 0.0, "beta": 0.0}
    found = xpcs.sequential(
        measured, parameters=fixed, options=FitOptions(n_starts=100, n_refined=3), seed=1, callbacks=()
    )
    assert not found.used
    assert "phi0" in found.message


def test_starts_and_modes_that_are_none():
    measured = data()
    with pytest.raises(InvalidConfigurationError, match="'aplha' is no parameter"):
        fit(measured, start={"D0": 2e4, "alpha": -0.3, "aplha": 1.0})
    with pytest.raises(InvalidConfigurationError, match="mode: expected"):
        xpcs.fit(measured, ["static"])
    with pytest.raises(InvalidConfigurationError, match="expected a dictionary of names"):
        fit(measured, parameters=["D0"])
    with pytest.raises(InvalidConfigurationError, match="callbacks: expected a list"):
        fit(measured, callbacks=print)
