"""Confidence sets of profiles: coverage on simulated data, and the same numbers from closed forms and from MINOS."""

import math
import re

import numpy as np
import pytest
from scipy import optimize, special, stats

import wilks
from tests.unit.profiles.examples import CASES
from wilks import LikelihoodProblem, Real, ResidualProblem, Space, problems
from wilks.core.wilks_theorem import wilks_depth

TIMES = np.linspace(0.0, 4.0, 20)
TRUTH = {"amplitude": 3.0, "rate": 0.8}
NOISE = 0.25


def decay(data):
    def residual(v):
        return (data - v["amplitude"] * np.exp(-v["rate"] * TIMES)) / NOISE

    return ResidualProblem(Space(amplitude=Real(0, 10), rate=Real(0.1, 5, scale="log")), residual)


@pytest.mark.parametrize("n_data_sets", [50, pytest.param(300, marks=pytest.mark.slow)])
def test_intervals_cover_the_truth_as_often_as_they_say(n_data_sets):
    """The number of data sets lies between the 0.1 and 99.9 % quantiles of its binomial law, at 68 and at 95 %."""
    generator = np.random.default_rng(11)
    nodes, levels = np.geomspace(0.35, 1.8, 17), np.array([0.68, 0.95])
    covered = np.zeros(2)
    for _ in range(n_data_sets):
        data = TRUTH["amplitude"] * np.exp(-TRUTH["rate"] * TIMES) + NOISE * generator.standard_normal(len(TIMES))
        result = wilks.profile(
            decay(data), over="rate", grid=(nodes,), roi_threshold=3.0, seed=1, audit=0, callbacks=[]
        )
        sets = [result.intervals("rate", level) for level in levels]
        covered += [any(p.lower <= TRUTH["rate"] <= p.upper for p in pieces) for pieces in sets]
    low, high = stats.binom(n_data_sets, levels).ppf(np.array([[0.001], [0.999]]))
    assert (low <= covered).all()
    assert (covered <= high).all()


def gaussian_map(correlation=0.8, n=41):
    problem = LikelihoodProblem(
        Space(x=Real(-5, 5), y=Real(-5, 5), n=Real(-9, 9)),
        lambda v: (
            -0.5 * (v["x"] ** 2 - 2 * correlation * v["x"] * v["y"] + v["y"] ** 2) / (1 - correlation**2)
            - 0.5 * (v["n"] - v["x"]) ** 2
        ),
    )
    return wilks.profile(problem, over=("x", "y"), grid=(n, n), roi_threshold=5.0, seed=1, audit=0, callbacks=[])


@pytest.mark.parametrize("level", [0.6827, 0.95, 0.99])
def test_intervals_from_a_two_dimensional_map_follow_its_ridge(level):
    result = gaussian_map()
    sigmas = stats.norm.ppf(0.5 + level / 2)
    for name in ("x", "y"):
        (piece,) = result.intervals(name, level)
        assert piece == pytest.approx((-sigmas, sigmas, False, False), abs=2e-3)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_contours_are_the_ellipse(level):
    result = gaussian_map(n=61)
    (line,) = result.contours(level)
    depth = stats.chi2.ppf(level, 2) / 2
    x, y = line.points.T
    assert line.closed
    np.testing.assert_allclose(0.5 * (x**2 - 1.6 * x * y + y**2) / 0.36, depth, rtol=0.03)
    assert np.ptp(x) / 2 == pytest.approx(math.sqrt(2 * depth), rel=0.01)
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert area == pytest.approx(math.pi * 2 * depth * 0.6, rel=0.01)


def test_a_union_has_its_pieces_where_the_curve_crosses():
    known = problems.two_islands(drop=0.5)
    result = wilks.profile(known.problem, over="x", grid=(161,), roi_threshold=4.0, seed=1, audit=0, callbacks=[])
    pieces = result.intervals("x", 0.95)
    depth = wilks_depth(0.95, 1)

    def height(x):
        return float(known.profile(["x"], [[x]])[0]) + depth

    edges = [optimize.brentq(height, *ends) for ends in ((-3, -2), (-2, -1), (1, 2), (2, 3))]
    assert [(p.open_lower, p.open_upper) for p in pieces] == [(False, False)] * 2
    assert [end for p in pieces for end in p[:2]] == pytest.approx(edges, abs=2e-3)


def test_ends_at_the_box_are_open():
    case = CASES["touches the box"]()
    result = case.profile()
    (x,), (y,) = result.intervals("x", 0.95), result.intervals("y", 0.95)
    assert (x.lower, x.open_lower, x.open_upper) == (0.0, True, False)
    assert (y.upper, y.open_lower, y.open_upper) == (3.0, False, True)


def test_tuples_in_a_list():
    (piece,) = gaussian_map(n=21).intervals("x")
    lower, upper, open_lower, open_upper = piece
    assert isinstance(piece, tuple)
    assert lower < upper
    assert (open_lower, open_upper) == (False, False)
    assert all(type(end) is float for end in (lower, upper))


def test_a_region_that_is_too_shallow_says_what_to_do():
    result = CASES["log axes"]().profile(audit=0)
    message = (
        "confidence=0.999 needs the map down to 5.41 below the maximum, but roi_threshold=4; make the profile with "
        "roi_threshold >= 5.41"
    )
    with pytest.raises(wilks.InvalidConfigurationError, match=re.escape(message)):
        result.intervals("a", 0.999)
    with pytest.raises(wilks.InvalidConfigurationError, match="'b' is not profiled here; the axes are a"):
        result.intervals("b")
    with pytest.raises(wilks.InvalidConfigurationError, match="contours need two profiled parameters, here are 1"):
        result.contours()
    with pytest.raises(wilks.InvalidConfigurationError, match="expected a number between 0 and 1"):
        result.intervals("a", 95)


@pytest.mark.parametrize(("level", "depth"), [(0.68268949, 0.5), (0.95449974, 2.0)])
def test_the_same_as_minos_on_a_skewed_likelihood(level, depth):
    """A weak signal on a background, counted in 12 bins."""
    iminuit = pytest.importorskip("iminuit")
    shape = np.exp(-0.5 * ((np.arange(12) - 5) / 1.2) ** 2)
    counts = np.array([2, 1, 3, 2, 5, 7, 4, 2, 1, 2, 1, 0])

    def log_likelihood(signal, background):
        expected = signal * shape + background
        return float(np.sum(special.xlogy(counts, expected) - expected))

    problem = LikelihoodProblem(
        Space(signal=Real(0, 30), background=Real(0.1, 10)), lambda v: log_likelihood(v["signal"], v["background"])
    )
    result = wilks.profile(problem, over="signal", grid=(121,), roi_threshold=4.0, seed=1, audit=0, callbacks=[])
    (piece,) = result.intervals("signal", level)
    minuit = iminuit.Minuit(lambda s, b: -log_likelihood(s, b), s=5.0, b=2.0)
    minuit.limits = [(0, 30), (0.1, 10)]
    minuit.errordef = depth
    minuit.migrad()
    minuit.minos("s", cl=None)
    errors = minuit.merrors["s"]
    best = minuit.values["s"]
    assert abs(errors.upper) > 1.1 * abs(errors.lower), "the likelihood is skewed"
    width = errors.upper - errors.lower
    assert piece.lower == pytest.approx(best + errors.lower, abs=0.01 * width)
    assert piece.upper == pytest.approx(best + errors.upper, abs=0.01 * width)
