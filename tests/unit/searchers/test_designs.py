"""Designs: points chosen before anything is known."""

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import MIXED, REAL
from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.designs import Initial, grid_points, latin_hypercube, random_points, vertices
from wilks.searchers.dice import Dice

CUBE = Coordinates.of(REAL)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_latin_property(n):
    points = np.array(latin_hypercube(CUBE, Dice.keyed(1), n))
    assert points.shape == (n, 3)
    for column in points.T:
        assert sorted(np.floor(column * n).astype(int).tolist()) == list(range(n))


def test_latin_hypercube_of_indices():
    points = latin_hypercube(Coordinates.of(wilks.Space(n=wilks.Integer(1, 6))), Dice.keyed(1), 12)
    assert sorted(points) == [[float(i)] for i in range(6) for _ in range(2)]


def test_no_points():
    assert latin_hypercube(CUBE, Dice.keyed(1), 0) == []
    assert random_points(CUBE, Dice.keyed(1), 0) == []
    assert grid_points(CUBE, 0) == []
    assert vertices(CUBE, Dice.keyed(1), 0) == []


def test_grid_lies_inside_at_equal_distances():
    points = grid_points(CUBE, 30)  # 3 to the power of 3 fit
    assert len(points) == 27
    ticks = [0.25, 0.5, 0.75]
    assert sorted(points) == [[a, b, c] for a in ticks for b in ticks for c in ticks]
    assert len(grid_points(CUBE, 7)) == 1


def test_grid_in_many_dimensions_costs_nothing():
    space = wilks.Space({f"x{i}": wilks.Real(0, 1) for i in range(60)})
    assert len(grid_points(Coordinates.of(space), 100)) == 1


def test_corners_are_distinct_while_there_are_enough():
    corners = vertices(CUBE, Dice.keyed(1), 8)
    assert len(set(map(tuple, corners))) == 8
    assert all(value in (0.0, 1.0) for corner in corners for value in corner)
    assert len(vertices(CUBE, Dice.keyed(1), 20)) == 20


def test_corners_of_discrete_parameters():
    coordinates = Coordinates.of(MIXED)
    for corner in vertices(coordinates, Dice.keyed(1), 10):
        for j, value in enumerate(corner):
            assert value in (0.0, 1.0 if not coordinates.sizes[j] else coordinates.sizes[j] - 1)


def test_parts_are_added_up():
    points = Initial(latin_hypercube=4, random=3, grid=8, vertices=2).points(CUBE, Dice.keyed(1), 50)
    assert len(points) == 4 + 3 + 8 + 2
    assert len(Initial().points(CUBE, Dice.keyed(1), 50)) == 50
    assert len(Initial(random=3).points(CUBE, Dice.keyed(1), 50)) == 3


@pytest.mark.parametrize("bad", [-1, 1.5, True, "4"])
def test_numbers_are_checked(bad):
    with pytest.raises(InvalidConfigurationError, match="Initial: vertices: expected a number of points"):
        Initial(vertices=bad)
    with pytest.raises(InvalidConfigurationError, match="Initial: latin_hypercube"):
        Initial(latin_hypercube=bad)
