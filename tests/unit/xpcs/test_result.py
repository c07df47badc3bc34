"""What a fit returns: values by every name, models and residuals, files, and text."""

import math

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import FitFailedError, InvalidConfigurationError, InvalidDataError
from wilks.core.status import Outcome

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 0.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 0.0, "phi0": 4.0,
}  # fmt: skip
PHI = np.array([80.0, -15.0, 30.0, 5.0])
N_T, DEAD = 20, 2
LOCAL = xpcs.FitOptions(method="local")
FIXED = {"D_offset": 0.0, "gamma_dot_t_offset": 0.0}


def measured(mode="laminar_flow"):
    """The third angle is dead, and of the first some pixels are not known."""
    place = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, 2e6, PHI)
    values = {name: FLOW[name] for name in FLOW if mode == "laminar_flow" or name in ("D0", "alpha", "D_offset")}
    made = xpcs.simulate(values, place, contrast=0.3, sigma=0.005, mode=mode, seed=3)
    c2 = np.array([made.matrix(k) for k in range(4)])
    c2[DEAD] = np.nan
    c2[0, 3, 7] = c2[0, 7, 3] = np.inf
    return xpcs.TwoTimeData(c2, made.t, made.phi, made.q, made.gap, sigma=0.005)


def fit(data, mode="laminar_flow", **keywords):
    start = FLOW if mode == "laminar_flow" else None
    usual = {"parameters": FIXED if start else None, "start": start, "options": LOCAL, "seed": 1, "callbacks": ()}
    return xpcs.fit(data, mode, **(usual | keywords))


@pytest.fixture(scope="module")
def data():
    return measured()


@pytest.fixture(scope="module")
def result(data):
    return fit(data)


def test_values_by_every_name(result):
    assert result.status.success
    assert result.values is result.best
    assert result.physical == {name: result.values[name] for name in FLOW}
    assert result.names == ("D0", "alpha", "gamma_dot_0", "beta", "phi0", *(f"contrast_{k}" for k in range(3)),
                            *(f"offset_{k}" for k in range(3)))  # fmt: skip
    assert set(result.values) == {*result.names, "D_offset", "gamma_dot_offset"}
    assert list(result.standard_errors) == list(result.names)
    np.testing.assert_array_equal(list(result.standard_errors.values()), np.sqrt(np.diag(result.covariance)))
    for name in ("D0", "alpha", "gamma_dot_0", "beta", "phi0"):
        assert abs(result.values[name] - FLOW[name]) < 4 * result.standard_errors[name]
        assert result.identifiable[name]


def test_arrays_have_one_entry_for_every_angle_of_the_data(result):
    for array in (result.contrast, result.contrast_errors, result.offset, result.offset_errors, result.sigma):
        assert np.flatnonzero(np.isnan(array)).tolist() == [DEAD]
    assert result.contrast[3] == result.values["contrast_2"]
    assert result.offset_errors[3] == result.standard_errors["offset_2"]
    assert result.phi.tolist() == PHI.tolist()


def test_counts(result):
    n = N_T * (N_T - 1) // 2
    assert result.n_used == 3 * n - 1
    assert result.n_masked == n + 1
    assert result.dof == result.n_used - 11
    assert result.reduced_chi_squared == result.chi_squared / result.dof
    assert result.log_likelihood == pytest.approx(-0.5 * result.chi_squared)
    assert result.noise == "given"


def test_correlation(result):
    correlation = result.correlation
    np.testing.assert_allclose(np.diag(correlation), 1.0)
    assert np.abs(correlation).max() <= 1 + 1e-12


def test_residuals_add_up_to_chi_squared(result):
    i, j = np.triu_indices(N_T, 1)
    total = 0.0
    for k in range(4):
        found = result.residuals(k)
        assert np.isnan(np.diag(found)).all()
        assert np.isnan(found[i, j]).sum() == {0: 1, DEAD: len(i)}.get(k, 0)
        np.testing.assert_array_equal(found, found.T)
        total += float(np.nansum(found[i, j] ** 2))
    assert total == pytest.approx(result.chi_squared, rel=1e-9)
    assert np.isnan(result.residuals(0)[3, 7])


@pytest.mark.parametrize("storage", ["independent", "upper"])
def test_residuals_are_those_of_the_folded_pairs(storage):
    """With a mask, errors of every value, and halves that were measured on their own or not at all."""
    rng = np.random.default_rng(5)
    place = xpcs.Geometry(0.1 * np.arange(N_T), 0.1, 0.0054, 2e6, PHI)
    made = xpcs.simulate(FLOW, place, sigma=0.005, storage=storage, seed=3)
    mask, sigma = rng.uniform(size=(N_T, N_T)) < 0.8, rng.uniform(0.004, 0.006, (4, N_T, N_T))
    result = fit(xpcs.TwoTimeData(made.c2, made.t, made.phi, made.q, made.gap, sigma=sigma, mask=mask))
    i, j = np.triu_indices(N_T, 1)
    used = mask[i, j] | mask[j, i] if storage == "independent" else mask[i, j]
    total = 0.0
    for k in range(4):
        found = result.residuals(k)
        np.testing.assert_array_equal(np.isnan(found[i, j]), ~used)
        total += float(np.nansum(found[j, i] ** 2))
    assert total == pytest.approx(result.chi_squared, rel=1e-6)
    assert result.reduced_chi_squared == pytest.approx(1.0, abs=0.2)


def test_model(result, data):
    model = result.model(1)
    np.testing.assert_allclose(np.diag(model), result.contrast[1] + result.offset[1])
    np.testing.assert_array_equal(result.model(-1), result.model(3))
    np.testing.assert_array_equal(result.model(np.int64(1)), model)
    assert np.abs(data.matrix(1) - model).max() < 5 * 0.005
    assert np.isnan(result.model(DEAD)).all()


@pytest.mark.parametrize("angle", [4, -5, 1.0, True, "1", None])
def test_angles_that_are_not_there(result, angle):
    for function in (result.model, result.residuals):
        with pytest.raises(InvalidConfigurationError, match="expected its position, an integer from 0 to 3, got"):
            function(angle)


def same(a, b):
    np.testing.assert_equal(a, b)


def test_saved_and_loaded(result, data, tmp_path):
    again = wilks.load(result.save(tmp_path / "fit.json"))
    assert type(again) is xpcs.XpcsFit
    for name in (
        "space", "status", "best", "log_likelihood", "n_evaluations", "provenance", "mode", "convention", "scaling",
        "scaling_reason", "q", "gap", "dt", "names", "at_bounds", "identifiable", "quality", "strategy", "n_used",
        "n_masked", "noise", "dof", "chi_squared", "basins",
    ):  # fmt: skip
        assert getattr(again, name) == getattr(result, name), name
    for name in (
        "t",
        "phi",
        "covariance",
        "contrast",
        "contrast_errors",
        "offset",
        "offset_errors",
        "sigma",
        "information",
    ):
        same(getattr(again, name), getattr(result, name))
    same(again.standard_errors, result.standard_errors)
    assert repr(again) == repr(result)
    same(again.model(0), result.model(0))
    assert again.data is None
    with pytest.raises(InvalidConfigurationError, match=r"use result\.with_data\(data\)"):
        again.residuals(0)
    same(again.with_data(data).residuals(0), result.residuals(0))


def test_data_of_another_measurement(result, data):
    c2 = np.array([data.matrix(k) for k in range(4)])
    fewer = xpcs.TwoTimeData(c2[:3], data.t, data.phi[:3], data.q, data.gap)
    with pytest.raises(InvalidConfigurationError, match="has 4 angles and 20 times, the data 3 and 20"):
        result.with_data(fewer)
    for other in (
        xpcs.TwoTimeData(c2, data.t, data.phi[::-1], data.q, data.gap),
        xpcs.TwoTimeData(c2, data.t + 1, data.phi, data.q, data.gap),
        xpcs.TwoTimeData(c2, data.t, data.phi, 2 * data.q, data.gap),
    ):
        with pytest.raises(InvalidConfigurationError, match="are not those of this result"):
            result.with_data(other)


def test_text(result):
    text = repr(result)
    assert text.startswith("Converged.")
    assert f"XPCS fit, laminar_flow: reduced chi-squared {result.reduced_chi_squared:.4f}" in text
    assert "pairs of 4 angles" in text
    assert "D_offset" in text
    assert "fixed" in text
    assert "(individual). Quality: marginal." in text
    assert "No value is known of angle 2." in text
    page = result._repr_html_()
    assert "<table" in page
    assert "Converged." in page


def test_text_of_a_static_fit_of_one_angle():
    data = measured("static")
    one = xpcs.TwoTimeData(data.matrix(1)[None], data.t, PHI[1:2], data.q, sigma=0.005)
    result = fit(one, "static", parameters={"D_offset": wilks.Real(-500, 500)}, scaling="averaged")
    text = repr(result)
    assert "XPCS fit, static" in text
    assert "pairs of 1 angle)" in text
    assert "phi0" not in text
    assert f"Contrast {result.contrast[0]:.4g}, offset {result.offset[0]:.4g} (averaged)." in text
    assert result.names == ("D0", "alpha", "D_offset", "contrast", "offset")


def test_a_fit_that_did_not_converge(data):
    result = fit(
        data, options=xpcs.FitOptions(method="local", max_iterations=1), start=FLOW | {"D0": 9e4, "alpha": 1.0}
    )
    assert result.status.outcome is Outcome.NOT_CONVERGED
    assert repr(result).startswith("Finished without convergence.")
    assert result.quality.flag == "poor"


def test_throwing(data):
    keywords = {"options": xpcs.FitOptions(method="local"), "stop": wilks.MaxEvaluations(1)}
    result = fit(data, **keywords)
    assert not result.status.success
    with pytest.raises(FitFailedError) as caught:
        fit(data, throw=True, **keywords)
    assert caught.value.result.status == result.status


def test_a_fit_without_any_finite_point(data):
    """Nothing is known, and all of it can still be looked at."""
    hopeless = {"alpha": wilks.Real(1e5, 2e5), "D_offset": 0.0, "gamma_dot_offset": 0.0}
    result = fit(data, parameters=hopeless, start=None, options=xpcs.FitOptions(n_starts=20, n_refined=2))
    assert not result.status.success
    assert "None of" in result.status.message
    assert math.isinf(result.log_likelihood)
    assert math.isnan(result.chi_squared)
    assert np.isnan(result.covariance).all()
    assert not any(result.identifiable.values())
    assert result.quality.flag == "poor"
    text = repr(result)
    assert "Finished without convergence." in text
    assert "Contrast unknown, offset unknown" in text
    assert "nan" in repr(result.reduced_chi_squared)
    with pytest.raises(InvalidConfigurationError, match="has no best point"):
        result.model(0)


def test_what_is_no_data():
    with pytest.raises(InvalidDataError, match=r"expected wilks\.xpcs\.TwoTimeData first, got ndarray"):
        xpcs.fit(np.ones((1, 5, 5)))


def test_contrasts_that_were_given_for_an_angle_that_is_dead(data):
    given = xpcs.Scaling.constant([0.3, 0.31, 0.9, 0.29], [1.0, 1.01, 7.0, 0.99])
    result = fit(data, scaling=given)
    assert result.contrast[[0, 1, 3]].tolist() == [0.3, 0.31, 0.29]
    assert result.offset[[0, 1, 3]].tolist() == [1.0, 1.01, 0.99]
    assert result.scaling == given
    with pytest.raises(InvalidConfigurationError, match="has 3 values, but the data have 4 angles"):
        fit(data, scaling=xpcs.Scaling.constant([0.3, 0.31, 0.29], 1.0))


def test_an_earlier_result_is_a_start(data, result):
    again = fit(data, start=result)
    assert again.values["D0"] == pytest.approx(result.values["D0"], rel=1e-4)
    assert again.log_likelihood == pytest.approx(result.log_likelihood, abs=1e-5)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"D0": 1e4}, "start: alpha, gamma_dot_0, beta, phi0 is missing"),
        (3.0, "expected a result, a dictionary of values or a list"),
        (FLOW | {"D0": 1e9}, "D0"),
    ],
)
def test_starts_that_cannot_be(data, start, message):
    with pytest.raises(ValueError, match=message):
        fit(data, start=start)
