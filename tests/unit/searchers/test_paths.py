"""Ways of ascents: who is on one, and where it leads."""

import numpy as np
import pytest

from wilks.core import encoding
from wilks.searchers.paths import Paths

EVERY = np.arange(2)


def way(points, values, label=0, paths=None):
    paths = Paths.none(len(points[0])) if paths is None else paths
    for k in range(len(points) - 1):
        paths.extend(label, np.array(points[k : k + 2], dtype=float), np.array(values[k : k + 2], dtype=float))
    return paths


BEND = ([[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]], [-20.0, -10.0, 0.0])


def leads(paths, points, values, scale=1.0, own=-99, columns=EVERY):
    return paths.leads_to(np.array(points), np.array(values), scale * np.eye(len(columns)), columns, own)


@pytest.mark.parametrize(
    ("point", "value", "scale", "is_on"),
    [
        ([0.3, 0.11], -15.0, 1.0, True),
        ([0.51, 0.3], -5.0, 1.0, True),
        ([0.3, 0.16], -15.0, 1.0, False),  # farther away than 0.05 of the box
        ([0.3, 0.11], -15.0, 1e6, False),  # it would lose 50 on the way over
        ([0.3, 0.11], -5.0, 1.0, False),  # not the height of the way
        ([0.5, 0.49], 0.1, 1.0, False),  # higher than the way leads
        ([0.02, 0.1], -20.0, 1.0, False),  # before its beginning
    ],
)
def test_being_on_a_way(point, value, scale, is_on):
    assert (leads(way(*BEND, label=4), [point], [value], scale) == 4) is is_on


def test_a_fork_is_not_mistaken_for_the_way():
    """The ascent is on the way, and about to leave it."""
    paths = way(*BEND, label=4)
    assert leads(paths, [[0.3, 0.1], [0.4, 0.1]], [-15.0, -12.5]) == 4
    assert leads(paths, [[0.3, 0.1], [0.3, 0.2]], [-15.0, -12.5]) is None


def test_both_points_must_lie_on_the_same_way():
    paths = way([[0.1, 0.1], [0.3, 0.1]], [-20.0, -15.0], label=1)
    way([[0.4, 0.1], [0.6, 0.1]], [-12.0, -7.0], label=2, paths=paths)
    assert leads(paths, [[0.2, 0.1], [0.5, 0.1]], [-17.5, -9.5]) is None


def test_the_own_way_does_not_count():
    paths = way(*BEND, label=Paths.of_ascent(3))
    assert Paths.of_ascent(Paths.of_ascent(3)) == 3
    assert leads(paths, [[0.3, 0.1]], [-15.0]) == Paths.of_ascent(3)
    assert leads(paths, [[0.3, 0.1]], [-15.0], own=Paths.of_ascent(3)) is None


def test_a_way_that_gets_longer_leads_higher():
    paths = way([[0.1, 0.1], [0.5, 0.1]], [-20.0, -14.0])
    assert leads(paths, [[0.48, 0.11]], [-14.05]) is None, "next to nothing is left to gain there"
    way([[0.5, 0.1], [0.5, 0.5]], [-14.0, 0.0], paths=paths)
    assert leads(paths, [[0.48, 0.11]], [-14.05]) == 0


def test_ways_are_renamed_and_dropped():
    paths = way(*BEND, label=-1)
    way([[0.9, 0.9], [0.9, 0.5]], [-9.0, -3.0], label=5, paths=paths)
    paths.rename(-1, 2, top=7.0)
    assert paths.labels.tolist() == [2, 2, 5]
    assert paths.tops.tolist() == [7.0, 7.0, -3.0]
    paths.drop(2)
    assert paths.labels.tolist() == [5]
    assert leads(paths, [[0.9, 0.7]], [-6.0]) == 5
    assert leads(paths, [[0.3, 0.1]], [-15.0]) is None


def test_other_discrete_values_are_another_way():
    paths = way([[0.1, 0.25], [0.5, 0.25]], [-20.0, 0.0])
    assert leads(paths, [[0.3, 0.25]], [-10.0], columns=np.array([0])) == 0
    assert leads(paths, [[0.3, 0.75]], [-10.0], columns=np.array([0])) is None


def test_ways_are_values():
    paths = way(*BEND)
    again = encoding.decode(encoding.encode(paths))
    assert encoding.encode(again) == encoding.encode(paths)
    assert leads(Paths.none(2), [[0.3, 0.1]], [-15.0]) is None
