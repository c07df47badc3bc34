"""Confidence sets: against closed forms, against Wilks' theorem, and where the curve is not known."""

import math

import numpy as np
import pytest
from scipy import special, stats

from wilks import Categorical, Grid, Integer, InvalidConfigurationError, Real
from wilks.core.wilks_theorem import wilks_depth
from wilks.profiles.regions import Interval, contours, intervals, ridge

BOX = Real(-10, 10)


def parabola(x, centre=0.0, sigma=1.0):
    return -0.5 * ((x - centre) / sigma) ** 2


@pytest.mark.parametrize("n_parameters", [1, 2, 3, 7])
@pytest.mark.parametrize("confidence", [0.01, 0.5, 0.6827, 0.9, 0.95, 0.9973, 1 - 1e-9])
def test_depth_is_half_a_quantile_of_chi_squared(confidence, n_parameters):
    expected = stats.chi2(n_parameters).ppf(confidence) / 2
    assert wilks_depth(confidence, n_parameters) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95, math.nan])
def test_depth_refuses_what_is_no_confidence(confidence):
    with pytest.raises(
        InvalidConfigurationError, match=r"confidence: expected a number between 0 and 1, such as 0.95, got"
    ):
        wilks_depth(confidence, 1)


@pytest.mark.parametrize("n_nodes", [5, 8, 41])
@pytest.mark.parametrize("centre", [0.0, 1.2345, -3.7])
@pytest.mark.parametrize("depth", [0.02, 0.5, 1.9207, 4.5])
def test_a_parabola_is_exact_on_any_grid(n_nodes, centre, depth):
    nodes = np.linspace(-10, 10, n_nodes)
    (piece,) = intervals(nodes, parabola(nodes, centre), centre, 0.0, depth, BOX)
    half = math.sqrt(2 * depth)
    assert piece[:2] == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert piece[2:] == (False, False)


def test_a_parabola_in_the_logarithm_is_exact_on_a_log_scale():
    domain = Real(1e-3, 1e3, scale="log")
    nodes = np.geomspace(1e-3, 1e3, 13)
    (piece,) = intervals(nodes, parabola(np.log(nodes), math.log(2.0), 0.8), 2.0, 0.0, 0.5, domain)
    assert piece[:2] == pytest.approx((2 * math.exp(-0.8), 2 * math.exp(0.8)), rel=1e-9)


def test_an_asymmetric_curve():
    """Two half parabolas of different widths, and a Poisson mean, whose ends are roots of an equation."""
    nodes = np.linspace(-10, 10, 33)
    profile = np.where(nodes < 0.3, parabola(nodes, 0.3, 0.7), parabola(nodes, 0.3, 2.1))
    (piece,) = intervals(nodes, profile, 0.3, 0.0, 0.5, BOX)
    assert piece[:2] == pytest.approx((-0.4, 2.4), abs=1e-9)

    count, domain = 4.0, Real(0.1, 20)
    nodes = np.linspace(0.1, 20, 400)
    maximum = count * math.log(count) - count
    (piece,) = intervals(nodes, count * np.log(nodes) - nodes, count, maximum, 0.5, domain)
    ends = [-count * special.lambertw(-math.exp(-1 - 0.5 / count), branch).real for branch in (0, -1)]
    assert piece[:2] == pytest.approx(ends, abs=1e-4)


def test_two_pieces_stay_two():
    nodes = np.linspace(-10, 10, 161)
    profile = np.maximum(parabola(nodes, -4), parabola(nodes, 5, 0.5) - 0.25)
    first, second = intervals(nodes, profile, -4.0, 0.0, 0.5, BOX)
    assert first == pytest.approx((-5.0, -3.0, False, False), abs=1e-9)
    half = 0.5 * math.sqrt(2 * 0.25)
    assert second[:2] == pytest.approx((5 - half, 5 + half), abs=0.02), "the top of a lower piece may lie between nodes"
    (only,) = intervals(nodes, profile, -4.0, 0.0, 0.2, BOX)
    assert only[0] == pytest.approx(-4 - math.sqrt(0.4), abs=1e-9)


@pytest.mark.parametrize(("centre", "expected"), [(-9.5, (-10.0, -8.5, True, False)), (9.5, (8.5, 10.0, False, True))])
def test_a_set_that_runs_into_the_end_of_the_grid_is_open_there(centre, expected):
    nodes = np.linspace(-10, 10, 41)
    (piece,) = intervals(nodes, parabola(nodes, centre), centre, 0.0, 0.5, BOX)
    assert piece == pytest.approx(expected, abs=1e-9)


def test_a_flat_profile_is_open_at_both_ends():
    nodes = np.linspace(-10, 10, 5)
    assert intervals(nodes, np.zeros(5), 0.0, 0.0, 0.5, BOX) == [(-10.0, 10.0, True, True)]


@pytest.mark.parametrize("hole", [np.nan, -np.inf], ids=["not visited", "no finite value"])
def test_an_unknown_neighbour_makes_an_end_open(hole):
    nodes = np.linspace(-10, 10, 41)
    profile = parabola(nodes, 0.0, 2.0)
    profile[nodes > 1.0] = hole
    (piece,) = intervals(nodes, profile, 0.0, 0.0, 0.5, BOX)
    assert piece == pytest.approx((-2.0, 1.0, False, True), abs=1e-9)


def test_a_gap_is_not_bridged():
    nodes = np.linspace(-10, 10, 41)
    profile = parabola(nodes, 0.0, 3.0)
    profile[20] = np.nan
    profile[21] = np.nan
    first, second = intervals(nodes, profile, -1.0, 0.0, 0.5, BOX)
    assert (first.upper, first.open_upper) == (-0.5, True)
    assert (second.lower, second.open_lower) == (1.0, True)


def test_a_best_point_between_nodes_is_a_set_of_its_own():
    """The peak is narrower than the grid: no node is inside, the best point still is."""
    nodes = np.linspace(-10, 10, 21)
    (piece,) = intervals(nodes, parabola(nodes, 0.5, 0.1), 0.5, 0.0, 0.5, BOX)
    assert piece == pytest.approx((0.4, 0.6, False, False), abs=1e-9)


def test_a_best_point_beyond_the_grid_does_not_break_it():
    nodes = np.linspace(-2, 2, 9)
    (piece,) = intervals(nodes, parabola(nodes, 3.0, 1.0), 3.0, 0.0, 1.0, BOX)
    assert piece.upper == 2.0
    assert piece.open_upper
    # The curve crosses beyond the first inside node, between 1.5 and 2.
    assert piece.lower == pytest.approx(3 - math.sqrt(2), abs=1e-9)


def test_nothing_is_inside():
    nodes = np.linspace(-2, 2, 9)
    assert intervals(nodes, np.full(9, np.nan), 5.0, 0.0, 0.5, BOX) == []
    assert intervals(nodes, np.full(9, -10.0), 5.0, 0.0, 0.5, BOX) == []


@pytest.mark.parametrize(
    ("domain", "nodes"),
    [
        (Integer(1, 5), np.arange(1.0, 6.0)),
        (Grid([0.0, 1.0, 4.0, 5.0, 9.0]), np.array([0.0, 1.0, 4.0, 5.0, 9.0])),
        (Categorical(list("abcde")), np.arange(5.0)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_discrete_parameters_give_single_values(domain, nodes):
    profile = np.array([-0.3, -3.0, 0.0, np.nan, -0.4])
    found = intervals(nodes, profile, nodes[2], 0.0, 0.5, domain)
    assert found == [(nodes[k], nodes[k], False, False) for k in (0, 2, 4)]


def test_intervals_read_well():
    assert str(Interval(0.123456, 2.0, False, True)) == "[0.12346, 2)"
    assert str(Interval(-1.0, 2.0, True, False)) == "(-1, 2]"


@pytest.mark.parametrize("confidence", [0.6827, 0.95])
def test_intervals_cover_the_truth_as_often_as_they_say(confidence):
    """60 exponential waiting times of rate 1.3, 2000 times; the binomial tails beyond the limits hold 1 in 500."""
    generator, truth, n, repeats = np.random.default_rng(21), 1.3, 60, 2000
    domain, nodes = Real(0.3, 5, scale="log"), np.geomspace(0.3, 5, 121)
    depth, covered = wilks_depth(confidence, 1), 0
    for _ in range(repeats):
        total = generator.exponential(1 / truth, n).sum()
        profile, best = n * np.log(nodes) - nodes * total, n / total
        pieces = intervals(nodes, profile, best, n * math.log(best) - n, depth, domain)
        covered += any(piece.lower <= truth <= piece.upper for piece in pieces)
    low, high = stats.binom(repeats, confidence).ppf([0.001, 0.999])
    assert low <= covered <= high


@pytest.mark.parametrize("k", [1, 2, 3])
def test_regions_of_several_parameters_cover_the_truth_as_often_as_they_say(k):
    generator, repeats, confidence = np.random.default_rng(22), 4000, 0.9
    drop = 0.5 * (generator.standard_normal((repeats, k)) ** 2).sum(axis=1)
    covered = int((drop <= wilks_depth(confidence, k)).sum())
    low, high = stats.binom(repeats, confidence).ppf([0.001, 0.999])
    assert low <= covered <= high


def elliptic(x, y, correlation=0.6):
    return -0.5 * (x**2 - 2 * correlation * x * y + y**2) / (1 - correlation**2)


def test_contour_of_a_gaussian_is_its_ellipse():
    x, y = np.linspace(-4, 4, 81), np.linspace(-5, 5, 61)
    box = (Real(-4, 4), Real(-5, 5))
    depth = wilks_depth(0.68, 2)
    (line,) = contours((x, y), elliptic(x[:, None], y), 0.0, depth, box)
    assert line.closed
    np.testing.assert_allclose(line.points[0], line.points[-1], atol=1e-12)
    np.testing.assert_allclose(-elliptic(*line.points.T), depth, rtol=0.02)
    assert np.ptp(line.points[:, 0]) == pytest.approx(2 * math.sqrt(2 * depth), rel=0.01)
    assert np.ptp(line.points[:, 1]) == pytest.approx(2 * math.sqrt(2 * depth), rel=0.01)


def test_contours_converge_with_the_square_of_the_spacing():
    errors = []
    for n in (21, 41, 81):
        x = np.linspace(-4, 4, n)
        (line,) = contours((x, x), elliptic(x[:, None], x), 0.0, 1.0, (Real(-4, 4), Real(-4, 4)))
        errors.append(np.abs(-elliptic(*line.points.T) - 1.0).max())
    assert errors[1] < errors[0] / 2.5
    assert errors[2] < errors[1] / 2.5


def test_contours_know_which_axis_is_which():
    x, y = np.linspace(-4, 4, 41), np.linspace(-40, 40, 81)
    surface = parabola(x)[:, None] + parabola(y, 0, 10)
    (line,) = contours((x, y), surface, 0.0, 0.5, (Real(-4, 4), Real(-40, 40)))
    assert np.abs(line.points).max(axis=0) == pytest.approx((1, 10), rel=0.01)


def test_two_islands_have_two_outlines():
    x = np.linspace(-10, 10, 81)
    surface = np.maximum(parabola(x, -5), parabola(x, 5))[:, None] + parabola(x)
    lines = contours((x, x), surface, 0.0, 1.0, (BOX, BOX))
    assert [line.closed for line in lines] == [True, True]
    assert sorted(np.sign(line.points[:, 0].mean()) for line in lines) == [-1, 1]


@pytest.mark.parametrize("hole", [np.nan, -np.inf])
def test_an_outline_ends_where_the_map_does(hole):
    x = np.linspace(-4, 4, 41)
    surface = parabola(x)[:, None] + parabola(x)
    surface[x > 0.5] = hole
    lines = contours((x, x), surface, 0.0, 1.0, (Real(-4, 4), Real(-4, 4)))
    assert not any(line.closed for line in lines)
    assert max(line.points[:, 0].max() for line in lines) <= 0.5 + 1e-9
    edge = contours((x, x), parabola(x, 4.0)[:, None] + parabola(x), 0.0, 1.0, (Real(-4, 4), Real(-4, 4)))
    assert [line.closed for line in edge] == [False]


def test_a_map_without_any_value_has_no_outline():
    x = np.linspace(-4, 4, 5)
    assert contours((x, x), np.full((5, 5), np.nan), 0.0, 1.0, (Real(-4, 4), Real(-4, 4))) == []


def test_contours_on_log_and_discrete_axes():
    x, k = np.geomspace(0.01, 100, 81), np.arange(-5.0, 6.0)
    surface = parabola(np.log(x))[:, None] + parabola(k, 0.0, 2.0)
    (line,) = contours((x, k), surface, 0.0, 0.5, (Real(0.01, 100, scale="log"), Integer(-5, 5)))
    assert line.points[:, 0].max() == pytest.approx(math.e, rel=0.02)
    assert line.points[:, 1].max() == pytest.approx(2.0, abs=0.05)


def test_ridge_looks_along_one_axis_and_not_beyond_the_known():
    x = np.array([-1.0, 0.0, 1.0])
    assert ridge(np.array([-np.inf, -1.0, -np.inf]), [x], [True]) == -1.0
    assert ridge(np.array([np.nan, -1.0, -2.0]), [x], [True]) == -1.0
    a, b = np.meshgrid(x - 0.3, x - 0.3, indexing="ij")
    assert ridge(-0.5 * (a**2 + b**2 + 1.8 * a * b), [x, x], [True, True]) <= 1e-12, "never above the true maximum"
