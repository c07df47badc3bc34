"""Absorption, sensitivity and gradient: by hand, and at the end of fits."""

import numpy as np
import pytest

import wilks
from wilks import xpcs
from wilks.xpcs.diagnostics import Diagnostics, physical_diagnostics

TRUTH = {"D0": 2e4, "alpha": -0.4, "D_offset": 0.0}
OPTIONS = xpcs.FitOptions(method="local")
BOXES = {"D0": wilks.Real(1e2, 1e5, scale="log", initial=1.5e4), "alpha": wilks.Real(-2, 2, initial=-0.3)}


def measured(n_t=30, phi=(0.0, 45.0, 90.0), **keywords):
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, None, phi)
    return xpcs.simulate(TRUTH, place, mode="static", sigma=0.01, seed=5, **keywords)


def fitted(data, **keywords):
    parameters = BOXES | {"D_offset": 0.0}
    return xpcs.fit(data, "static", parameters=parameters, options=OPTIONS, seed=1, callbacks=(), **keywords)


def test_numbers_by_hand():
    information = np.array([[4.0, 1.0], [1.0, 0.25]])
    absorption, sensitivity, gradient = physical_diagnostics(
        {"a": -3.0, "b": 0.0}, np.array([16.0, 0.25]), information, np.array([1.0, -0.5])
    )
    assert absorption == {"a": 0.75, "b": 0.0}
    assert sensitivity == {"a": 6.0, "b": 0.5}  # b is zero: by 1
    assert gradient == {"a": 0.5, "b": -1.0}


@pytest.mark.parametrize("left", [0.0, -1e-12])
def test_a_parameter_without_information(left):
    found = physical_diagnostics({"a": 2.0}, np.array([0.0]), np.array([[left]]), np.array([1e-9]))
    assert found == ({"a": 1.0}, {"a": 0.0}, {"a": 0.0})


def test_rounding_makes_no_negative_absorption():
    assert physical_diagnostics({"a": 1.0}, np.ones(1), np.full((1, 1), 1 + 1e-12), np.zeros(1))[0] == {"a": 0.0}


def test_imbalance_is_that_of_angles_with_data():
    nothing = np.empty(0)
    assert Diagnostics({}, {}, {}, nothing, nothing, np.array([40, 0, 10])).imbalance == 4.0


def test_at_the_end_of_a_fit():
    data = measured()
    free, known = fitted(data), fitted(data, scaling=xpcs.Scaling.constant(0.3, 1.0))
    assert all(0 < each < 1 for each in free.diagnostics.absorption.values())
    assert known.diagnostics.absorption == {"D0": 0.0, "alpha": 0.0}  # no scaling is free to imitate anything
    for result in (free, known):
        assert max(map(abs, result.diagnostics.gradient.values())) < 0.01
    own = 1 / free.standard_errors["alpha"] ** 2
    assert (free.diagnostics.sensitivity["alpha"] / free.values["alpha"]) ** 2 >= own  # D0 is not held there
    np.testing.assert_allclose(free.diagnostics.quantile_contrast, 0.3, atol=0.1)


def test_pixels_of_every_angle():
    data = measured()
    c2 = np.array(data.c2)
    c2[1] = np.nan
    c2[2, :10, :10] = np.nan
    found = fitted(xpcs.TwoTimeData(c2, data.t, data.phi, data.q, sigma=0.01)).diagnostics
    assert found.pairs_per_angle.tolist() == [435, 0, 435 - 45]
    assert found.imbalance == 435 / 390
    assert np.isnan(found.quantile_contrast).tolist() == [False, True, False]
