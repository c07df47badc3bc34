"""The ranking of parameter sets on a coarse subset, and the scale on which they are searched."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import lsq_linear

import wilks
from wilks import xpcs
from wilks.xpcs.coarse import coarsen
from wilks.xpcs.folding import fold
from wilks.xpcs.model import curves, decay_function
from wilks.xpcs.pairs import CoarsePairs
from wilks.xpcs.parameters import physical_space
from wilks.xpcs.screening import ScreenProblem

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0,
}  # fmt: skip
PHI = np.array([80.0, -15.0, 30.0])
BOUNDS = np.array([[0.0, 1.0], [0.5, 1.5]])
PLACE = xpcs.Geometry(0.1 * np.arange(60), 0.1, 0.0054, 2e6, PHI)


def subset(contrast=0.3, seed=1):
    data = xpcs.simulate(FLOW, PLACE, contrast=contrast, offset=[1.0, 1.02, 0.97], sigma=[0.01, 0.02, 0.005], seed=seed)
    return coarsen(fold(data).pairs, 10, 10)


def screen_of(overrides=None, coarse=None, bounds=BOUNDS):
    space, _ = physical_space("laminar_flow", overrides)
    return ScreenProblem(space, subset() if coarse is None else coarse, PLACE, "laminar_flow", np.asarray(bounds))


def ranked(screen, points):
    """Log-likelihoods of several physical points."""
    searched = [screen.searched(point) for point in points]
    return screen.log_likelihood({name: np.array([s[name] for s in searched]) for name in screen.space.free})


def chi_squared(coarse, values, bounds):
    """The smallest for each angle by dense least squares within the bounds, summed."""
    made, total = curves(values, PLACE), 0.0
    for k in range(3):
        f = decay_function(made, coarse.first, coarse.second, k)
        scale = np.sqrt(coarse.weights[k]) / coarse.sigma[k]
        design = np.column_stack([f, np.ones_like(f)]) * scale[:, None]
        target = (coarse.y[k] + coarse.centres[k]) * scale
        found = lsq_linear(design, target, (bounds[:, 0], bounds[:, 1]), method="bvls", tol=1e-14)
        total += 2 * found.cost
    return total


POINTS = [FLOW, FLOW | {"D0": 1e3, "alpha": 0.7}, FLOW | {"phi0": -9.0, "beta": -1.0, "gamma_dot_offset": -0.05}]


def test_ranking_is_that_of_the_best_scaling_of_each_angle():
    coarse = subset()
    wide = np.array([[-50.0, 50.0], [-50.0, 50.0]])
    found = ranked(screen_of(coarse=coarse, bounds=wide), POINTS)
    np.testing.assert_allclose(-2 * found, [chi_squared(coarse, values, wide) for values in POINTS], rtol=1e-8)
    assert found.argmax() == 0


def test_ranking_with_a_bound_on_the_contrast():
    """Cut back, with the best offset that goes with it: that of bounded least squares where one bound is active."""
    coarse, bounds = subset(contrast=0.6), np.array([[0.0, 0.4], [-50.0, 50.0]])
    found = ranked(screen_of(coarse=coarse, bounds=bounds), POINTS)
    np.testing.assert_allclose(-2 * found, [chi_squared(coarse, values, bounds) for values in POINTS], rtol=1e-8)
    assert found[0] < ranked(screen_of(coarse=coarse), POINTS)[0] - 10


def test_offsets_stay_within_their_bounds():
    bounds = np.array([[0.0, 1.0], [1.2, 1.5]])
    coarse = subset()
    found = -2 * ranked(screen_of(coarse=coarse, bounds=bounds), POINTS)
    best = [chi_squared(coarse, values, bounds) for values in POINTS]
    assert (found >= np.array(best) * (1 - 1e-9)).all()
    assert (found > -2 * ranked(screen_of(coarse=coarse), POINTS) + 100).all()


def test_there_and_back():
    screen = screen_of()
    for d, g in itertools.product((-1e5, -3.0, 0.0, 0.2, 1e5), (-0.1, -1e-7, 0.0, 1e-3, 0.1)):
        values = FLOW | {"D_offset": d, "gamma_dot_offset": g}
        back = screen.physical(screen.searched(values))
        assert back == pytest.approx(values, rel=1e-12, abs=1e-12)


def test_offsets_of_any_size_and_sign_are_as_likely():
    screen = screen_of({"D_offset": wilks.Real(-1e5, 1e3)})
    box = screen.problem.space["D_offset"]
    at = [
        screen.physical({**screen.searched(FLOW), "D_offset": s})["D_offset"]
        for s in np.linspace(box.lower, box.upper, 5)
    ]
    assert at[0] == pytest.approx(-1e5)
    assert at[-1] == pytest.approx(1e3)
    assert at == sorted(at)
    assert sum(abs(value) < 1e3 for value in at) >= 2  # on a linear scale there would be none but the last
    assert screen.units == {"D_offset": 1.0, "gamma_dot_offset": pytest.approx(1e-6)}


def test_an_offset_on_a_log_scale_is_left_alone():
    screen = screen_of({"D_offset": wilks.Real(1.0, 1e4, scale="log"), "gamma_dot_offset": 0.0})
    assert screen.units == {}
    assert screen.problem.space["D_offset"].scale == "log"
    assert "gamma_dot_offset" not in screen.searched(FLOW)


def test_fixed_parameters_are_used():
    coarse = subset()
    fixed = {"D0": 1e3, "gamma_dot_offset": 1e-4}
    part = ranked(screen_of(fixed, coarse), [FLOW])[0]
    assert part == pytest.approx(ranked(screen_of(None, coarse), [FLOW | fixed])[0], rel=1e-12)


def test_points_without_a_finite_model_come_last():
    screen = screen_of({"alpha": wilks.Real(-1e4, 1e4)})
    found = ranked(screen, [FLOW, FLOW | {"alpha": 9e3}])
    assert math.isfinite(found[0])
    assert found[1] == -math.inf


def test_an_angle_without_pairs_in_the_subset_is_left_out():
    coarse = subset()
    weights = coarse.weights.copy()
    weights[1] = 0.0
    gap = CoarsePairs(coarse.first, coarse.second, coarse.y, weights, coarse.centres, coarse.sigma)
    wide = np.array([[-50.0, 50.0], [-50.0, 50.0]])
    found = ranked(screen_of(coarse=gap, bounds=wide), POINTS)
    np.testing.assert_allclose(-2 * found, [chi_squared(gap, values, wide) for values in POINTS], rtol=1e-8)


def test_a_search_finds_the_basin():
    fixed = {"D_offset": 800.0, "gamma_dot_offset": 1e-4, "beta": 0.3, "phi0": 4.0}
    screen = screen_of(fixed)
    result = wilks.search(screen.problem, n_evaluations=300, seed=1, callbacks=())
    best = screen.physical(result.best)
    assert best["gamma_dot_0"] == pytest.approx(6e-4, rel=0.1)
    assert result.log_likelihood <= ranked(screen, [FLOW])[0] + 10
