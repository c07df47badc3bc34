"""Coordinates of a space: kinds, ranges, and the rules at the bounds in closed form."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import INTEGERS, LABELS, MIXED, REAL
from wilks.searchers.coordinates import CATEGORICAL, ORDERED, Coordinates
from wilks.searchers.coordinates import REAL as IS_REAL
from wilks.searchers.dice import Dice


def dice(seed=0):
    return Dice.keyed(seed)


def test_kinds_sizes_and_ranges():
    found = Coordinates.of(MIXED)
    assert found.kinds == [IS_REAL, IS_REAL, ORDERED, ORDERED, CATEGORICAL]
    assert found.sizes == [0, 0, 12, 4, 3]
    assert found.widths == [1.0, 1.0, 11.0, 3.0, 2.0]
    assert found.low == [0.0, 0.0, -0.5, -0.5, -0.5]
    assert found.high == [1.0, 1.0, 11.5, 3.5, 2.5]
    assert found.reals == [0, 1]
    assert found.categoricals == [4]
    assert found.dimension == 5


def test_number_of_points():
    assert Coordinates.of(INTEGERS).n_points == 10 * 41
    assert Coordinates.of(MIXED).n_points == math.inf


def test_points_and_thetas_are_one_to_one():
    for space in (REAL, MIXED, INTEGERS, LABELS):
        found, generator = Coordinates.of(space), dice()
        points = [found.random_point(generator) for _ in range(50)]
        assert np.allclose(found.points(found.units(points)), points, atol=1e-15)
        thetas = found.thetas(points)
        assert np.allclose(space.from_unit(space.to_unit(thetas)), thetas, rtol=1e-14)
        for theta in thetas:
            space.to_theta(space.to_values(theta))  # which refuses what is outside


def test_ends_of_the_unit_box():
    found = Coordinates.of(MIXED)
    assert found.points(np.array([[0.0] * 5, [1.0] * 5])) == [[0.0] * 5, [1.0, 1.0, 11.0, 3.0, 2.0]]


def test_random_points_are_uniform():
    found, generator = Coordinates.of(MIXED), dice()
    points = np.array([found.random_point(generator) for _ in range(3000)])
    assert points[:, 0].mean() == pytest.approx(0.5, abs=0.03)
    for column, size in ((2, 12), (3, 4), (4, 3)):
        counts = np.bincount(points[:, column].astype(int), minlength=size)
        expected = 3000 / size
        assert len(counts) == size
        assert ((counts - expected) ** 2 / expected).sum() < size - 1 + 6 * math.sqrt(2 * (size - 1))


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("reflect", 1.3, 0.7),
        ("reflect", -0.2, 0.2),
        ("reflect", 2.25, 0.25),
        ("reflect", -3.4, 0.6),
        ("clip", 1.3, 1.0),
        ("clip", -7.0, 0.0),
        ("periodic", 1.3, 0.3),
        ("periodic", -0.2, 0.8),
        ("periodic", 5.75, 0.75),
        ("intermediate", 1.3, 0.7),
        ("intermediate", -2.0, 0.2),
    ],
)
def test_rules_for_a_real_coordinate(rule, value, expected):
    found = Coordinates.of(REAL, rule)
    assert found.settle(0, value, 0.4, dice()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("reflect", 11.4, 11),
        ("reflect", 12.6, 10),  # folded at 11.5
        ("reflect", -2.0, 1),
        ("clip", 40.0, 11),
        ("clip", -0.7, 0),
        ("periodic", 12.0, 0),
        ("periodic", -1.0, 11),
        ("periodic", 25.0, 1),
        ("intermediate", 14.0, 8),  # between 4 and 11.5
        ("intermediate", -9.0, 2),
    ],
)
def test_rules_for_an_ordered_coordinate(rule, value, expected):
    found = Coordinates.of(MIXED, rule)
    assert found.settle(2, value, 4.0, dice()) == expected


@pytest.mark.parametrize("rule", ["reflect", "clip", "periodic", "random", "intermediate"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e300, -1e300, 0.25, 1.0, 0.0])
def test_everything_settles_inside(rule, value):
    found = Coordinates.of(MIXED, rule)
    assert 0.0 <= found.settle(0, value, 0.5, dice()) <= 1.0
    assert found.settle(2, value, 5.0, dice()) in range(12)
    if 0.0 <= value <= 1.0:
        assert found.settle(0, value, 0.5, dice()) == value


def test_random_rule_draws_uniformly():
    found, generator = Coordinates.of(REAL, "random"), dice()
    drawn = [found.settle(0, 1.5, 0.4, generator) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.03)
    assert np.std(drawn) == pytest.approx(math.sqrt(1 / 12), abs=0.02)


def test_periodic_steps_do_not_favour_an_index():
    found, generator = Coordinates.of(wilks.Space(n=wilks.Integer(0, 4)), "periodic"), dice()
    counts = np.zeros(5)
    at = 0.0
    for _ in range(4000):
        at = found.settle(0, at + 3 * generator.normal(), at, generator)
        counts[int(at)] += 1
    assert counts.min() > 650


def test_perturbing_one_coordinate():
    found, generator = Coordinates.of(MIXED), dice()
    point = found.random_point(generator)
    changed = set()
    for _ in range(300):
        moved = found.perturb_one(point, generator)
        where = [j for j in range(5) if moved[j] != point[j]]
        assert len(where) == 1
        changed.add(where[0])
    assert changed == set(range(5))
