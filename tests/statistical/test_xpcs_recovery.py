"""Are standard errors of XPCS fits what they say? benchmarks/xpcs_recovery.py has larger data sets and more of them."""

import numpy as np
import pytest

from benchmarks.xpcs_recovery import CASES, FLOW, fitted, made, pulls
from wilks import xpcs

SEEDS = range(101, 109)
N_T = 40
MAX_STEPS = 100
THOROUGH = {"soft_l1", "huber, no outliers"}  # other robust losses, with and without outliers, are quick


@pytest.fixture(scope="module")
def found():
    """Pulls by the name of the case, made when first asked for."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = pulls(CASES[name], SEEDS, n_t=N_T)
        return made[name]

    return of


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in THOROUGH else name for name in CASES]
)
def test_errors_cover_the_truth(name, found):
    case = found(name)
    n = case.every.size
    assert case.worst_mean < 3.7  # the largest of some twenty normal variables
    assert case.distance.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / n))
    assert 0.6 < np.sqrt((case.physical**2).mean()) < 1.5  # they are strongly correlated, so this is a mean of few
    for part in (case.contrast, case.offset):
        assert 0.75 < np.sqrt((part**2).mean()) < 1.3


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.outliers])
def test_reduced_chi_squared_is_one(name, found):
    assert 0.97 < found(name).reduced_chi_squared.mean() < 1.03


def test_as_many_evaluations_as_gauss_newton_needs(found):
    """Steps by a matrix that is not the Schur complement arrive too, in many times the number."""
    assert found("static").n_evaluations.mean() < MAX_STEPS


def test_estimated_sigma_is_the_true_one():
    for name in ("sigma estimated", "sigma estimated, halves"):
        case = CASES[name]
        result, _, _ = fitted(case, 7, n_t=N_T)
        folded = case.sigma / np.sqrt(2.0 if case.storage == "independent" else 1.0)
        np.testing.assert_allclose(result.sigma, folded, rtol=0.08)
        assert "estimated" in result.noise


def test_global_search_finds_the_truth():
    """No start is given, and bounds are the defaults."""
    for convention in (xpcs.Convention(), xpcs.Convention.homodyne()):
        case = CASES["laminar"] if convention == xpcs.Convention() else CASES["laminar, homodyne"]
        result, contrast, offset = fitted(case, 11, n_t=60, search=True)
        for name, true in FLOW.items():
            assert abs(result.values[name] - true) < 3.5 * result.standard_errors[name], name
        assert (np.abs(result.contrast - contrast) < 4 * result.contrast_errors).all()
        assert (np.abs(result.offset - offset) < 4 * result.offset_errors).all()


def test_least_squares_is_led_astray_where_a_robust_loss_is_not():
    """All outliers on one side."""
    case = CASES["huber"]
    data, _, offset = made(CASES["laminar"], 3, N_T, 7)
    c2 = np.array(data.c2)
    hot = np.triu(np.random.default_rng(4).random(c2.shape) < 0.02, 1)
    hot |= np.swapaxes(hot, 1, 2)
    c2[hot] += 50 * case.sigma
    spoilt = xpcs.TwoTimeData(c2, data.t, data.phi, data.q, data.gap, data.dt, sigma=case.sigma)
    far = {}
    for loss in ("linear", "cauchy"):
        options = xpcs.FitOptions(method="local", loss=loss)
        result = xpcs.fit(spoilt, start=FLOW, options=options, seed=1, callbacks=())
        far[loss] = np.abs((result.offset - offset) / case.sigma).mean()
    assert far["linear"] > 0.5
    assert far["cauchy"] < 0.2 * far["linear"]
