"""The supernova problem: physics to 1e-8, data complete, safe everywhere in its box, quick."""

import itertools
import pickle
import sys
import time

import numpy as np
import pytest
from scipy.integrate import quad

from wilks.problems import supernova, supernova_data, supernova_residuals

module = sys.modules["wilks.problems.supernova"]  # the package attribute of that name is the function


def distance(omega_m, w, redshift):
    """Comoving distance in units of c / H0, by adaptive quadrature in the redshift."""

    def integrand(z):
        return (omega_m * (1 + z) ** 3 + (1 - omega_m) * (1 + z) ** (3 * (1 + w))) ** -0.5

    return quad(integrand, 0, redshift, epsabs=0, epsrel=1e-12, limit=200)[0]


def test_the_data_are_complete():
    data = supernova_data()
    assert {array.shape for array in data} == {(580,)}
    assert data.redshift[0] == 0.015
    assert data.redshift[-1] == 1.414
    assert (np.diff(data.redshift) >= 0).all()
    assert (data.error > 0).all()
    row = np.flatnonzero(np.isclose(data.redshift, 0.028488, atol=1e-9))
    assert 35.3465833928 in data.distance_modulus[row]


def test_the_data_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        supernova_data().redshift[0] = 1.0


CORNERS = list(itertools.product((0.0, 1e-3, 0.28, 1.0), (-3.0, -1.0, 0.0)))


@pytest.mark.parametrize(("omega_m", "w"), CORNERS)
def test_distances_are_accurate_to_a_part_in_a_hundred_million(omega_m, w):
    redshift = supernova_data().redshift
    modulus = module.distance_modulus(omega_m, w)
    for k in (0, 1, 17, 150, 300, 450, 540, 570, 575, 578, 579):
        ours = 10 ** ((modulus[k] - 25) / 5) / (1 + redshift[k]) * 70 / 299792.458
        assert ours == pytest.approx(distance(omega_m, w, redshift[k]), rel=1e-10)


def test_closed_forms():
    """Matter only, and a cosmological constant only: the integral is elementary."""
    z = supernova_data().redshift
    scale = 5 * np.log10(299792.458 / 70 * (1 + z)) + 25
    np.testing.assert_allclose(
        module.distance_modulus(1.0, -1.0), scale + 5 * np.log10(2 - 2 / np.sqrt(1 + z)), rtol=1e-12
    )
    np.testing.assert_allclose(module.distance_modulus(0.0, -1.0), scale + 5 * np.log10(z), rtol=1e-12)


@pytest.mark.parametrize("point", list(itertools.product((0.0, 1.0), (-3.0, 0.0), (-1.0, 1.0))))
def test_finite_at_every_corner(point):
    values = dict(zip(("omega_m", "w", "offset"), point, strict=True))
    assert np.isfinite(supernova().log_likelihood(values))
    assert np.isfinite(supernova_residuals().residual(values)).all()


def test_both_problems_are_the_same_likelihood():
    values = {"omega_m": 0.31, "w": -0.9, "offset": 0.02}
    residual = supernova_residuals().residual(values)
    assert supernova().log_likelihood(values) == -0.5 * residual @ residual
    assert supernova_residuals().log_likelihood(values) == pytest.approx(supernova().log_likelihood(values), rel=1e-14)
    assert supernova().space == supernova_residuals().space


def test_space_says_what_the_parameters_are():
    space = supernova().space
    assert space.free == ("omega_m", "w", "offset")
    assert space.label("omega_m") == r"$\Omega_m$"
    assert space.label("offset") == "offset [mag]"


def test_survives_pickling_and_keeps_its_fingerprint():
    problem = supernova()
    before = problem.fingerprint
    problem.log_likelihood({"omega_m": 0.3, "w": -1.0, "offset": 0.0})
    assert pickle.loads(pickle.dumps(supernova())).fingerprint == before
    assert supernova().fix(w=-1.0).root.fingerprint == before


def test_is_quick():
    """About 30 microseconds on a laptop; the limit leaves room for a busy machine."""
    problem, values = supernova(), {"omega_m": 0.3, "w": -1.0, "offset": 0.0}
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(20):
            problem.log_likelihood(values)
        best = min(best, (time.perf_counter() - start) / 20)
    assert best < 150e-6
