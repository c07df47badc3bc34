"""Moves of the sampler: symmetric on every kind of coordinate, nothing outside the box."""

import itertools

import numpy as np
import pytest

import wilks
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.tempering import kernels

N = 20_000
ORDERED = wilks.Space(n=wilks.Integer(0, 3), m=wilks.Integer(0, 1))
MIXED = wilks.Space(kind=wilks.Categorical(["a", "b", "c"]), n=wilks.Integer(0, 2))
REAL = wilks.Space(x=wilks.Real(0, 1), y=wilks.Real(0, 1))
ARCHIVES = {ORDERED: [[0.0, 0.0], [1.0, 1.0], [3.0, 0.0], [3.0, 1.0]], MIXED: [[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]]}


def one(coordinates, dice, point):
    return kernels.one(coordinates, dice, point, dice.integer(len(point)), 0.7)


def several(coordinates, dice, point):
    return kernels.several(coordinates, dice, point, [0.5] * len(point), 1.0)


def differential(coordinates, dice, point):
    return kernels.differential(coordinates, dice, point, ARCHIVES[coordinates.space], [0.1] * len(point))


@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
@pytest.mark.parametrize("space", [ORDERED, MIXED], ids=["ordered", "mixed"])
@pytest.mark.parametrize("move", [one, several, differential])
def test_there_and_back_are_equally_likely(move, space, boundary):
    coordinates, dice = Coordinates.of(space, boundary), Dice.keyed(1)
    states = list(itertools.product(*(range(size) for size in coordinates.sizes)))
    number = {state: i for i, state in enumerate(states)}
    counts = np.zeros((len(states), len(states)))
    for state in states:
        for _ in range(N // len(states)):
            moved = move(coordinates, dice, [float(i) for i in state])
            if moved is not None:
                counts[number[state], number[tuple(int(i) for i in moved)]] += 1
    there, back = counts[np.triu_indices(len(states), 1)], counts.T[np.triu_indices(len(states), 1)]
    seen = there + back > 20
    pulls = (there - back)[seen] / np.sqrt((there + back)[seen])
    assert seen.sum() > 5
    assert np.abs(pulls).max() < 4.5
    assert np.mean(pulls**2) < 2


@pytest.mark.parametrize("move", [one, several])
def test_real_steps_have_no_direction(move):
    coordinates, dice = Coordinates.of(REAL), Dice.keyed(2)
    moved = [move(coordinates, dice, [0.5, 0.5]) for _ in range(N)]
    steps = np.array([point for point in moved if point is not None]) - 0.5
    assert np.abs(steps.mean(axis=0)).max() < 4 * steps.std() / np.sqrt(len(steps))
    assert np.abs(steps).max() <= 0.5


def test_outside_the_box_is_none_or_taken_around():
    point = [0.01, 0.01]
    plain, periodic = Coordinates.of(REAL), Coordinates.of(REAL, "periodic")
    found = [several(plain, Dice.keyed(seed), point) for seed in range(50)]
    around = [several(periodic, Dice.keyed(seed), point) for seed in range(50)]
    assert None in found
    assert None not in around
    assert all(0 <= u <= 1 for p in around for u in p)


def test_a_geometric_number_has_its_mean():
    dice = Dice.keyed(3)
    assert kernels.geometric(dice, -0.5) == 0.0
    drawn = [kernels.geometric(dice, 3.0) for _ in range(N)]
    assert min(drawn) == 0.0
    assert np.mean(drawn) == pytest.approx(3.0, abs=4 * np.sqrt(12 / N))


def test_kinds_of_moves_fit_the_space():
    dice = Dice.keyed(4)
    single_real = Coordinates.of(wilks.Space(x=wilks.Real(0, 1)))
    single_choice = Coordinates.of(wilks.Space(kind=wilks.Categorical(["a", "b"])))
    assert {kernels.choose(single_choice, dice, with_archive=False) for _ in range(50)} == {kernels.ONE}
    assert {kernels.choose(single_real, dice, with_archive=False) for _ in range(50)} == {kernels.ALL}
    assert {kernels.choose(Coordinates.of(MIXED), dice, with_archive=True) for _ in range(100)} == {
        kernels.ONE,
        kernels.ALL,
        kernels.DIFFERENTIAL,
    }
