"""Profiles of the supernova problem against a computation that has nothing of wilks in it."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import wilks
from benchmarks.supernova_brute_force import brute_force_map, one_dimensional_profiles, profiled_chi_squared
from wilks import problems

THRESHOLD = 4.0
NODES = 61


def make(over, problem=None, **more):
    problem = problem or problems.supernova()
    grid = (NODES,) * len(over)
    return wilks.profile(
        problem, over=over, grid=grid, roi_threshold=THRESHOLD, seed=1, callbacks=[], **{"audit": 6, **more}
    )


@pytest.fixture(scope="module")
def plane():
    return make(("omega_m", "w"))


def offset_optimised_out(omega_m, w):
    """The log-likelihood is a parabola in the offset, so three points give its top."""
    function = problems.supernova().log_likelihood
    low, middle, high = (function({"omega_m": omega_m, "w": w, "offset": offset}) for offset in (-1.0, 0.0, 1.0))
    bend, slope = 0.5 * (low + high) - middle, 0.5 * (high - low)
    top = float(np.clip(-0.5 * slope / bend, -1.0, 1.0))
    return middle + slope * top + bend * top**2


def test_best_fit_of_the_plane(plane):
    assert plane.status.success
    assert -2 * plane.log_likelihood == pytest.approx(562.224, abs=1e-3)
    assert plane.best["omega_m"] == pytest.approx(0.281, abs=1e-3)
    assert plane.best["w"] == pytest.approx(-1.01, abs=5e-3)


def test_every_visited_cell_of_the_plane_is_that_of_brute_force(plane):
    omega_m, w = plane.axes["omega_m"], plane.axes["w"]
    visited = np.argwhere(np.isfinite(plane.log_likelihood_map))
    assert len(visited) > 100
    for i, j in visited:
        chi2, offset = profiled_chi_squared(omega_m[i], w[j])
        assert plane.log_likelihood_map[i, j] == pytest.approx(-0.5 * chi2, abs=1e-3)
        assert plane.argmax["offset"][i, j] == pytest.approx(offset, abs=2e-4)


def test_no_cell_of_the_true_region_is_missing(plane):
    truth = np.array([[offset_optimised_out(a, b) for b in plane.axes["w"]] for a in plane.axes["omega_m"]])
    region = truth > plane.log_likelihood - THRESHOLD
    assert np.isfinite(plane.log_likelihood_map[region]).all()
    assert np.array_equal(plane.in_roi, region)
    np.testing.assert_allclose(plane.log_likelihood_map[region], truth[region], atol=1e-4)


def test_a_cosmological_constant():
    result = make(("omega_m",), problems.supernova().fix(w=-1.0))
    assert -2 * result.log_likelihood == pytest.approx(562.227, abs=1e-3)
    assert result.best["omega_m"] == pytest.approx(0.2776, abs=1e-4)
    truth = np.array([-0.5 * profiled_chi_squared(x, -1.0)[0] for x in result.axes["omega_m"]])
    visited = np.isfinite(result.log_likelihood_map)
    assert visited[truth > result.log_likelihood - THRESHOLD].all()
    np.testing.assert_allclose(result.log_likelihood_map[visited], truth[visited], atol=1e-3)


@pytest.mark.parametrize("name", ["omega_m", "w"])
def test_each_alone(name):
    result = make((name,))
    other, bounds = ("w", (-3.0, 0.0)) if name == "omega_m" else ("omega_m", (0.0, 1.0))

    def profiled(x):
        """Scan, then bounded optimisation around the best of it."""

        def loss(y):
            return -offset_optimised_out(**{name: x, other: y})

        scan = np.linspace(*bounds, 41)
        k = int(np.argmin([loss(y) for y in scan]))
        near = (scan[max(0, k - 1)], scan[min(40, k + 1)])
        return -minimize_scalar(loss, bounds=near, method="bounded", options={"xatol": 1e-7}).fun

    truth = np.array([profiled(x) for x in result.axes[name]])
    visited = np.isfinite(result.log_likelihood_map)
    assert visited[truth > result.log_likelihood - THRESHOLD].all()
    np.testing.assert_allclose(result.log_likelihood_map[visited], truth[visited], atol=1e-3)


def test_residuals_give_the_same_map(plane):
    least_squares = make(("omega_m", "w"), problems.supernova_residuals(), audit=0)
    assert np.array_equal(least_squares.in_roi, plane.in_roi)
    inside = plane.in_roi
    np.testing.assert_allclose(least_squares.log_likelihood_map[inside], plane.log_likelihood_map[inside], atol=1e-4)


@pytest.mark.slow
def test_all_of_brute_force(plane):
    """Every node of the plane, and each parameter alone, all by brute force."""
    truth, _ = brute_force_map(plane.axes["omega_m"], plane.axes["w"])
    region = truth > plane.log_likelihood - THRESHOLD
    assert np.array_equal(region, plane.in_roi)
    alone = one_dimensional_profiles(plane.axes["omega_m"], plane.axes["w"])
    for name, curve in zip(("omega_m", "w"), alone, strict=True):
        result = make((name,))
        visited = np.isfinite(result.log_likelihood_map)
        assert visited[curve > result.log_likelihood - THRESHOLD].all()
        np.testing.assert_allclose(result.log_likelihood_map[visited], curve[visited], atol=1e-3)
