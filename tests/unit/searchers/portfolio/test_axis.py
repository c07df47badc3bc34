"""The search along the axes: archives, where to look next, parabolas, and what becomes of a better point."""

import itertools
import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import MIXED, sphere
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.portfolio import axis
from wilks.searchers.portfolio.axis import AxisSearch, Line, refined, unexplored

SQUARE = Coordinates.of(sphere(2)[0])
ORDERED = Coordinates.of(wilks.Space(n=wilks.Integer(0, 9)))
LABEL = Coordinates.of(wilks.Space(k=wilks.Categorical(list("pqrst"))))


def line(*pairs):
    return Line([float(t) for t, _ in pairs], [float(h) for _, h in pairs])


def test_a_line_stays_sorted_and_replaces():
    archive = line((0.5, 0.0))
    for t, h in ((0.9, 3.0), (0.1, 2.0), (0.5, -1.0)):
        archive.add(t, h)
    assert (archive.t, archive.h) == ([0.1, 0.5, 0.9], [2.0, -1.0, 3.0])
    assert archive.at(0.5) == -1.0
    assert archive.at(0.4) is None


def test_a_full_line_keeps_its_lowest_and_where_we_are():
    archive = line(*((t, abs(t - 60)) for t in range(axis._MOST_PAIRS + 1)))
    archive.thin(keep=3.0)
    assert len(archive.t) == axis._KEPT_PAIRS + 1
    assert archive.t == sorted(archive.t)
    assert 3.0 in archive.t
    assert max(abs(t - 60) for t in archive.t if t != 3.0) <= axis._KEPT_PAIRS / 2


def test_few_points_look_into_the_largest_gap():
    archive = line((0.1, 0.0), (0.9, 1.0))
    drawn = [unexplored(SQUARE, Dice.keyed(seed), 0, archive, 0.1) for seed in range(50)]
    assert min(drawn) >= 0.1 + 0.3 * 0.8
    assert max(drawn) <= 0.1 + 0.7 * 0.8
    lonely = [unexplored(SQUARE, Dice.keyed(seed), 0, line((0.9, 0.0)), 0.9) for seed in range(200)]
    assert np.mean(np.array(lonely) < 0.9) == pytest.approx(0.9, abs=0.07)


def test_the_easiest_interval_is_that_of_the_least_bending():
    archive = line((0.0, 5.0), (0.2, 1.0), (0.4, 0.0), (0.7, 1.0), (1.0, 5.0))
    dip = axis._DIP * 1.0
    difficulty = [
        (math.sqrt(h0 + dip) + math.sqrt(h1 + dip)) / (t1 - t0)
        for (t0, h0), (t1, h1) in itertools.pairwise(zip(archive.t, archive.h, strict=True))
    ]
    best = int(np.argmin(difficulty))
    expected = (archive.t[best], archive.t[best + 1])
    assert axis._easiest(archive, 1.0, 1e-7) == expected == (0.4, 0.7)


def test_beyond_the_outermost_points_there_is_a_mirror():
    archive = line((0.4, 0.0), (0.45, 1.0), (0.5, 1.0), (0.55, 1.0))
    low, high = axis._easiest(archive, 1.0, 1e-7)
    assert (low, high) == (-0.4, 0.4)
    drawn = [unexplored(SQUARE, Dice.keyed(seed), 0, archive, 0.4) for seed in range(20)]
    assert min(drawn) >= 0.0
    assert max(drawn) <= 0.05


def test_an_interval_that_is_too_short_is_closed():
    archive = line(*((t, 0.0) for t in range(10)))
    assert axis._easiest(archive, 9.0, 1.5) is None
    assert unexplored(ORDERED, Dice.keyed(0), 0, archive, 3.0) is None


def test_an_index_is_tried_once():
    archive = line((3, 0.0))
    dice = Dice.keyed(1)
    tried = [3.0]
    for _ in range(30):
        t = unexplored(ORDERED, dice, 0, archive, 3.0)
        if t is None:
            break
        assert t == round(t)
        assert 0 <= t <= 9
        tried.append(t)
        archive.add(t, (t - 7) ** 2 - 16)
    assert len(tried) == len(set(tried)) >= 8


def test_a_level_is_tried_once():
    archive, dice, tried = line((2, 0.0)), Dice.keyed(0), []
    while (t := unexplored(LABEL, dice, 0, archive, 2.0)) is not None:
        tried.append(t)
        archive.add(t, 1.0)
    assert sorted(tried) == [0.0, 1.0, 3.0, 4.0]


def test_a_parabola_is_minimised_exactly():
    f = lambda t: 3 * (t - 0.37) ** 2  # noqa: E731
    archive = line(*((t, f(t)) for t in (0.0, 0.2, 0.3, 0.55, 1.0)))
    assert refined(SQUARE, 0, archive) == pytest.approx(0.37, abs=1e-12)


@pytest.mark.parametrize(
    "archive",
    [
        line((0.0, 0.0), (0.5, 1.0), (1.0, 2.0)),  # the lowest is outermost
        line((0.0, 0.0), (0.5, 0.0), (1.0, 0.0)),  # nothing bends
        line((0.0, 1.0), (0.5, 0.0), (1.0, 1.0)),  # it is known already
    ],
    ids=["end", "flat", "known"],
)
def test_a_parabola_that_promises_nothing(archive):
    assert refined(SQUARE, 0, archive) is None


def descend(coordinates, loss, n, start, frozen=None):
    """Search along the axes only; return the incumbent, all points and whether it found nothing more to do."""
    dice = Dice.keyed(0)
    incumbent = Incumbent(start, loss(start), 1.0)
    search, points = AxisSearch.at(start, frozen), []
    for _ in range(n):
        found, trial = search.propose(coordinates, dice, incumbent)
        if not found:
            return incumbent, points, search
        points += found
        search.absorb(coordinates, incumbent, found[0], loss(found[0]), trial)
    return incumbent, points, search


def test_one_coordinate_changes_at_a_time():
    coordinates = Coordinates.of(MIXED)
    start = [0.2, 0.2, 3.0, 1.0, 2.0]
    current = start
    incumbent = Incumbent(start, 9.0, 1.0)
    search, dice = AxisSearch.at(start), Dice.keyed(2)
    for _ in range(40):
        (point,), trial = search.propose(coordinates, dice, incumbent)
        assert sum(a != b for a, b in zip(point, current, strict=True)) == 1
        loss = sum((a - b) ** 2 for a, b in zip(point, [0.7, 0.6, 5.0, 2.0, 0.0], strict=True))
        search.absorb(coordinates, incumbent, point, loss, trial)
        current = incumbent.point


def test_a_separable_loss_is_solved():
    f = lambda p: (p[0] - 0.31) ** 2 + abs(p[1] - 0.77)  # noqa: E731
    incumbent, points, _ = descend(SQUARE, f, 80, [0.9, 0.1])
    assert incumbent.loss < 1e-2
    assert all(0 <= u <= 1 for point in points for u in point)


def test_differences_along_an_axis_outlive_a_move_along_another():
    f = lambda p: (p[0] - 0.31) ** 2 + 100 * (p[1] - 0.77) ** 2  # noqa: E731
    _, _, search = descend(SQUARE, f, 40, [0.9, 0.1])
    archive = search.lines[0]
    expected = np.array([(t - 0.31) ** 2 for t in archive.t])
    assert np.array(archive.h) - archive.h[0] == pytest.approx(expected - expected[0], abs=1e-9)


def test_frozen_coordinates_stay():
    _, points, _ = descend(SQUARE, lambda p: p[0] + p[1], 30, [0.9, 0.5], frozen=[1])
    assert {point[1] for point in points} == {0.5}
    assert descend(SQUARE, sum, 30, [0.9, 0.5], frozen=[0, 1])[1] == []


def test_it_is_idle_until_the_incumbent_changes():
    coordinates = ORDERED
    f = lambda p: (p[0] - 4) ** 2  # noqa: E731
    incumbent, points, search = descend(coordinates, f, 100, [8.0])
    assert incumbent.point == [4.0]
    assert len(points) < 12
    assert search.propose(coordinates, Dice.keyed(0), incumbent) == ([], None)
    assert incumbent.offer([5.0], -1.0)
    assert search.propose(coordinates, Dice.keyed(0), incumbent)[0]


def test_a_point_of_another_is_taken_over():
    incumbent = Incumbent([0.5, 0.5], 1.0, 1.0)
    search = AxisSearch.at(incumbent.point)
    incumbent.offer([0.5, 0.25], 0.5)
    (point,), _ = search.propose(SQUARE, Dice.keyed(0), incumbent)
    assert search.base == [0.5, 0.25]
    assert search.lines[1].at(0.25) == min(search.lines[1].h)
    assert point[0] == 0.5 or point[1] == 0.25


def test_failures_are_high_walls():
    incumbent = Incumbent([0.5, 0.5], 1.0, 7.0)
    search, dice = AxisSearch.at(incumbent.point), Dice.keyed(0)
    for _ in range(12):
        (point,), trial = search.propose(SQUARE, dice, incumbent)
        search.absorb(SQUARE, incumbent, point, math.inf, trial)
    assert incumbent.point == [0.5, 0.5]
    assert all(math.isfinite(h) for archive in search.lines for h in archive.h)
    assert max(search.lines[0].h) >= 7.0


def test_a_point_off_the_axis_teaches_nothing_about_it():
    incumbent = Incumbent([0.5, 0.5], 1.0, 1.0)
    search, dice = AxisSearch.at(incumbent.point), Dice.keyed(0)
    _, trial = search.propose(SQUARE, dice, incumbent)
    search.absorb(SQUARE, incumbent, [0.1, 0.2], 0.3, trial)
    assert [archive.t for archive in search.lines] == [[0.5], [0.5]]
    assert (incumbent.point, incumbent.loss) == ([0.1, 0.2], 0.3)
    (point,), _ = search.propose(SQUARE, dice, incumbent)
    assert point[0] == 0.1 or point[1] == 0.2
