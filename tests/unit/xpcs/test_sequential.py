"""Fits of single angles: their combination against closed forms, the test of agreement, and what cannot be used."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.angle_by_angle import combine

TRUTH = {"D0": 2e4, "alpha": -0.4, "D_offset": 0.0}
BOXES = {
    "D0": wilks.Real(1e2, 1e5, scale="log", initial=1.8e4),
    "alpha": wilks.Real(-2, 2, initial=-0.3),
    "D_offset": 0.0,
}
LOCAL = xpcs.FitOptions(method="local")
LINE = wilks.Space(a=wilks.Real(-10, 10), b=wilks.Real(-10, 10))


def alone(values, covariance, *, success=True, n_used=100, errors=None):
    """What the combination looks at of a fit."""
    covariance = np.atleast_2d(np.asarray(covariance, dtype=float))
    if errors is None:
        errors = dict(zip(values, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    return SimpleNamespace(
        status=SimpleNamespace(success=success),
        physical=values,
        covariance=np.pad(covariance, (0, 2)),  # contrast and offset follow
        standard_errors=errors,
        identifiable={name: math.isfinite(error) for name, error in errors.items()},
        n_used=n_used,
    )


FITS = (
    alone({"a": 1.0, "b": 2.0}, [[4.0, 1.0], [1.0, 1.0]], n_used=100),
    alone({"a": 3.0, "b": 1.0}, [[1.0, -0.2], [-0.2, 2.0]], n_used=300),
)


def test_the_combination_with_the_least_variance():
    found = combine(LINE, FITS, "inverse_variance", 0.5)
    matrices = [np.linalg.inv(fit.covariance[:2, :2]) for fit in FITS]
    covariance = np.linalg.inv(sum(matrices))
    points = [np.array(list(fit.physical.values())) for fit in FITS]
    best = covariance @ sum(h @ z for h, z in zip(matrices, points, strict=True))
    np.testing.assert_allclose(list(found.values.values()), best, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-12)
    np.testing.assert_allclose(list(found.standard_errors.values()), np.sqrt(np.diag(covariance)), rtol=1e-12)
    # Two angles differ by d, of the covariance C_1 + C_2: Q has a form without the combination.
    d = points[1] - points[0]
    q = d @ np.linalg.solve(FITS[0].covariance[:2, :2] + FITS[1].covariance[:2, :2], d)
    assert found.heterogeneity == pytest.approx(q, rel=1e-12)
    assert (found.heterogeneity_dof, found.used, found.success) == (2, (0, 1), True)


@pytest.mark.parametrize(("combination", "weights"), [("uniform", (0.5, 0.5)), ("n_points", (0.25, 0.75))])
def test_means_with_prescribed_weights(combination, weights):
    found = combine(LINE, FITS, combination, 0.5)
    for name in "ab":
        expected = sum(w * fit.physical[name] for w, fit in zip(weights, FITS, strict=True))
        assert found.values[name] == pytest.approx(expected, rel=1e-12)
    covariance = sum(w**2 * fit.covariance[:2, :2] for w, fit in zip(weights, FITS, strict=True))
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-12)
    # Whether angles agree does not depend on how they are averaged.
    assert found.heterogeneity == pytest.approx(combine(LINE, FITS, "inverse_variance", 0.5).heterogeneity, rel=1e-12)


def test_parameters_on_a_log_scale_are_combined_as_logarithms():
    space = wilks.Space(a=wilks.Real(1, 1e4, scale="log"))
    fits = (alone({"a": 100.0}, 10.0**2), alone({"a": 400.0}, 20.0**2))  # relative errors of 10 % and 5 %
    found = combine(space, fits, "inverse_variance", 0.5)
    assert found.values["a"] == pytest.approx(math.exp(0.2 * math.log(100) + 0.8 * math.log(400)))
    assert found.standard_errors["a"] == pytest.approx(found.values["a"] * math.sqrt(1 / (100 + 400)))


def test_p_value():
    from scipy.stats import chi2

    found = combine(LINE, FITS, "inverse_variance", 0.5)
    assert found.p_value == pytest.approx(chi2.sf(found.heterogeneity, 2))
    one = combine(LINE, FITS[:1], "inverse_variance", 0.5)
    assert one.heterogeneity_dof == 0
    assert math.isnan(one.p_value)
    assert one.values == {"a": pytest.approx(1.0), "b": pytest.approx(2.0)}


def test_what_cannot_be_used_is_left_out():
    bounded = alone({"a": 10.0, "b": 0.0}, np.eye(2), errors={"a": math.nan, "b": 1.0})
    open_ended = alone({"a": 1.0, "b": 0.0}, np.eye(2), errors={"a": 1.0, "b": math.inf})
    failed = alone({"a": 1.0, "b": 0.0}, np.eye(2), success=False)
    fits = (None, FITS[0], bounded, failed, open_ended, FITS[1])
    found = combine(LINE, fits, "inverse_variance", 0.5)
    assert found.used == (1, 5)
    assert found.success  # four of six converged
    assert "4 of 6 angles converged (3 are needed), 2 were combined by inverse variance" in repr(found)
    assert found.values == combine(LINE, FITS, "inverse_variance", 0.5).values
    assert not combine(LINE, fits, "inverse_variance", 0.7).success
    nothing = combine(LINE, (None, bounded), "uniform", 0.0)
    assert not nothing.success
    assert nothing.used == ()
    assert "no angle determines a by itself" in nothing.message
    assert all(math.isnan(value) for value in (*nothing.values.values(), *nothing.standard_errors.values()))
    assert math.isnan(nothing.p_value)


@pytest.mark.parametrize("wrong", [{"combination": "mean"}, {"min_success_rate": 1.1}, {"min_success_rate": math.nan}])
def test_misuse(wrong):
    with pytest.raises(InvalidConfigurationError, match=next(iter(wrong))):
        xpcs.sequential(measured(1), "static", callbacks=(), **wrong)


# On data.


def measured(seed, *, alphas=(-0.4, -0.4, -0.4), sigma=0.01):
    parts = []
    for k, alpha in enumerate(alphas):
        place = xpcs.Geometry(0.1 * np.arange(24), 0.1, 0.0054, None, [60.0 * k])
        parts.append(xpcs.simulate(TRUTH | {"alpha": alpha}, place, mode="static", sigma=sigma, seed=100 * seed + k))
    first = parts[0]
    c2 = np.concatenate([part.c2 for part in parts])
    return xpcs.TwoTimeData(c2, first.t, 60.0 * np.arange(len(alphas)), first.q, sigma=sigma)


def each(data, **keywords):
    return xpcs.sequential(data, "static", parameters=BOXES, options=LOCAL, seed=1, callbacks=(), **keywords)


@pytest.mark.slow
def test_p_values_of_angles_that_agree_are_uniform():
    from scipy.stats import kstest

    found = [each(measured(seed)) for seed in range(40)]
    assert kstest([one.p_value for one in found], "uniform").pvalue > 0.01
    pulls = np.array([(one.values["alpha"] + 0.4) / one.standard_errors["alpha"] for one in found])
    assert abs(pulls.mean()) < 0.5
    assert 0.75 < pulls.std() < 1.3


def test_angles_that_differ_are_found_out():
    found = each(measured(1, alphas=(-0.4, -0.4, -0.7)))
    assert found.success
    assert found.p_value < 1e-6


def test_the_combination_is_that_of_a_joint_fit():
    """With a contrast and an offset for every angle nothing but noise of second order tells them apart."""
    data = measured(2)
    found, joint = each(data), xpcs.fit(data, "static", parameters=BOXES, options=LOCAL, seed=1, callbacks=())
    for name in ("D0", "alpha"):
        assert found.values[name] == pytest.approx(joint.values[name], abs=0.2 * joint.standard_errors[name])
        assert found.standard_errors[name] == pytest.approx(joint.standard_errors[name], rel=0.05)


def test_an_angle_without_data_and_one_at_a_bound():
    data = measured(3, alphas=(-0.4, -0.4, -0.4, 1.5))
    c2 = np.array(data.c2)
    c2[1] = np.nan
    c2[2, :6, :6] = np.nan
    boxes = BOXES | {"alpha": wilks.Real(-2, 0.2, initial=-0.3)}
    data = xpcs.TwoTimeData(c2, data.t, data.phi, data.q, sigma=0.01)
    found = xpcs.sequential(data, "static", parameters=boxes, options=LOCAL, seed=1, callbacks=())
    assert found.fits[1] is None
    assert found.fits[3].at_bounds["alpha"] == "upper"
    assert found.used == (0, 2)
    assert found.success
    assert found.fits[2].n_masked == 15
    assert found.fits[0].n_masked == 0
    assert found.fits[2].diagnostics.pairs_per_angle.tolist() == [0, 0, 276 - 15, 0]
    assert not any("angle 1" in reason for reason in found.fits[0].quality.reasons)
