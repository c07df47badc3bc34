"""Differential evolution: trials, what is learned of them, the archive and the size of the population."""

import math

import numpy as np
import pytest

from tests.unit.searchers.examples import LABELS, LINE, MIXED, begin, bowl, play, sphere
from wilks.searchers import differential_evolution
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.designs import Initial
from wilks.searchers.dice import Dice
from wilks.searchers.differential_evolution import DifferentialEvolution, Population, Trial


def population(points, losses):
    return Population([p.copy() for p in points], list(losses), len(points), 0.0, 1.0, growing=False)


def test_a_trial_is_the_mutant_of_its_members():
    """With three members, no archive and a crossover rate of 1 every trial is one of two known points."""
    coordinates = Coordinates.of(sphere(2)[0])
    points = [[0.2, 0.3], [0.5, 0.4], [0.6, 0.7]]
    members = population(points, [3.0, 2.0, 1.0])
    x, a, b = np.array(points)
    top, scale = b, 0.25
    expected = [x + scale * (top - x + a - b), x + scale * (top - x + b - a)]
    for seed in range(20):
        trial = members._trial(coordinates, Dice.keyed(seed), 0, points[2], scale, 1.0)
        assert any(np.allclose(trial, point) for point in expected)


def test_crossover_rate_zero_changes_one_coordinate():
    coordinates, generator = Coordinates.of(sphere(5)[0]), np.random.default_rng(0)
    points = generator.random((8, 5)).tolist()
    members = population(points, generator.random(8).tolist())
    for seed in range(20):
        trial = members._trial(coordinates, Dice.keyed(seed), 0, points[1], 0.5, 0.0)
        assert sum(new != old for new, old in zip(trial, points[0], strict=True)) == 1


def test_levels_come_from_members():
    coordinates = Coordinates.of(LABELS)
    members = population([[0.0, 0.0], [1.0, 1.0], [1.0, 2.0], [2.0, 1.0]], [4.0, 3.0, 2.0, 1.0])
    for seed in range(50):
        trial = members._trial(coordinates, Dice.keyed(seed), 0, members.points[3], 0.5, 0.9)
        assert trial[0] in (0.0, 1.0, 2.0)
        assert trial[1] in (0.0, 1.0, 2.0)


def test_winners_replace_and_teach():
    members = population([[0.1], [0.2], [0.3], [0.4]], [4.0, 3.0, 2.0, 1.0])
    trials = [Trial(0, 0.9, 0.2), Trial(1, 0.5, 0.6), Trial(2, 0.1, 0.1), Trial(3, 0.7, 0.7)]
    members.compete(Dice.keyed(0), [[0.5], [0.6], [0.7], [0.8]], [1.0, 2.0, 2.0, 5.0], trials)
    assert members.losses == [1.0, 2.0, 2.0, 1.0]
    assert members.points == [[0.5], [0.6], [0.7], [0.4]]  # an equal one moves, and teaches nothing
    assert sorted(members.archive) == [[0.1], [0.2]]
    weights, scales, rates = np.array([3.0, 1.0]), np.array([0.9, 0.5]), np.array([0.2, 0.6])
    assert members.scales[0] == pytest.approx((weights @ scales**2) / (weights @ scales))
    assert members.rates[0] == pytest.approx((weights @ rates**2) / (weights @ rates))
    assert members.slot == 1
    assert members.scales[1:] == [0.5] * 4


def test_a_member_without_a_finite_loss_is_replaced():
    members = population([[0.1], [0.2], [0.3], [0.4]], [math.inf, math.inf, 2.0, 1.0])
    trials = [Trial(k, 0.5, 0.5) for k in range(4)]
    members.compete(Dice.keyed(0), [[0.5], [0.6], [0.7], [0.8]], [7.0, math.inf, 3.0, 3.0], trials)
    assert members.losses == [7.0, math.inf, 2.0, 1.0]
    assert all(math.isfinite(value) for value in members.scales + members.rates)


def test_the_archive_is_no_larger_than_the_population():
    course = play(DifferentialEvolution(n_members=8), *sphere(3), 800)
    assert 0 < len(course.state.engine.archive) <= 8


def test_the_population_shrinks_with_a_budget_only():
    space, loss = sphere(4)
    algorithm = DifferentialEvolution(n_members=20, budget=600)
    sizes = play(algorithm, space, loss, 600).batches
    assert sizes[0] == 20
    assert sizes[-2] < 8
    assert sizes == sorted(sizes, reverse=True) or min(sizes[:-1]) >= 4
    assert set(play(DifferentialEvolution(n_members=20), space, loss, 600).batches) == {20}


def test_default_sizes():
    coordinates = Coordinates.of(sphere(10)[0])
    found = [DifferentialEvolution().members_for(coordinates, left) for left in (50, 2000, 10**8, math.inf)]
    assert found == [8, 22, 180, 15]
    assert DifferentialEvolution().members_for(coordinates, math.inf, 3) == 120
    assert DifferentialEvolution().members_for(Coordinates.of(MIXED), 2000) == 35


def test_a_collapsed_population_begins_anew():
    course = play(DifferentialEvolution(), LINE, lambda v: (v["x"] - 1) ** 2, 2000)
    engine = course.state.engine
    assert engine.n_restarts >= 1
    assert engine.size > differential_evolution._LEAST_WANTED
    assert course.best < 1e-12


def test_too_few_initial_points_are_made_up_for():
    algorithm = DifferentialEvolution(n_members=10, initial=Initial(random=3))
    course = play(algorithm, *sphere(2), 30)
    assert course.batches == [3, 7, 10, 10]
    assert len(begin(algorithm, sphere(2)[0]).first) == 3


def test_a_pair_of_categories_is_found():
    """The right pair only shows with the right number."""

    def loss(v):
        right = (v["kind"] == "b") + (v["g"] == 2.0)
        return {0: 1.0, 1: 1.2, 2: 0.0}[right] + (v["x"] - right) ** 2

    solved = [play(DifferentialEvolution(budget=1000), MIXED, loss, 1000, seed=s).best < 1e-4 for s in range(5)]
    assert sum(solved) >= 3


def test_f_is_in_its_range():
    dice = Dice.keyed(0)
    drawn = np.array([differential_evolution._positive_cauchy(0.5, dice) for _ in range(3000)])
    assert drawn.min() > 0
    assert drawn.max() == 1.0
    assert np.median(drawn) == pytest.approx(0.5, abs=0.02)


def test_mixed_course():
    assert play(DifferentialEvolution(budget=800), MIXED, bowl, 800).best < 0.01
