"""Evolution strategy: recombination, mutation, selection and age."""

import math

import numpy as np
import pytest

from tests.unit.searchers.examples import LABELS, LINE, MIXED, bowl, play, sphere
from wilks.searchers import evolution_strategy
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.evolution_strategy import EvolutionStrategy, Generation, Individual


def individual(loss, *, age=0, x=0.5):
    return Individual([x], loss, [0.1], age)


def test_the_best_of_parents_and_offspring_survive():
    generation = Generation([individual(1.0), individual(4.0)], 1.0, growing=False)
    generation.select([individual(2.0), individual(3.0)], 2, math.inf)
    assert [p.loss for p in generation.parents] == [1.0, 2.0]
    assert [p.age for p in generation.parents] == [1, 0]


def test_an_old_parent_gives_way():
    generation = Generation([individual(1.0, age=20), individual(4.0)], 1.0, growing=False)
    generation.select([individual(2.0), individual(3.0)], 2, 20)
    assert [p.loss for p in generation.parents] == [2.0, 3.0]


def test_an_old_parent_stays_where_nobody_else_is():
    generation = Generation([individual(1.0, age=20), individual(4.0, age=20)], 1.0, growing=False)
    generation.select([individual(2.0)], 2, 20)
    assert [p.loss for p in generation.parents] == [1.0, 2.0]


def test_steps_are_log_normal():
    dice = Dice.keyed(0)
    drawn = np.log([evolution_strategy._mutated_steps(dice, [0.01] * 4) for _ in range(3000)]) - math.log(0.01)
    assert drawn.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.05)
    common, own = 1 / (2 * 4), 1 / (2 * math.sqrt(4))
    covariance = np.cov(drawn.T)
    assert np.diag(covariance) == pytest.approx(np.full(4, common + own), rel=0.1)
    assert covariance[0, 1] == pytest.approx(common, abs=0.03)


def test_mutation_has_the_size_of_the_steps():
    coordinates, dice = Coordinates.of(sphere(2)[0]), Dice.keyed(0)
    moved = np.array([evolution_strategy._mutated(coordinates, dice, [0.5, 0.5], [0.01, 0.1]) for _ in range(3000)])
    changed = moved != 0.5
    assert changed.any(axis=1).all()
    assert 0.5 < changed[:, 0].mean() < 0.95
    for column, step in enumerate([0.01, 0.1]):
        assert (moved[changed[:, column], column] - 0.5).std() == pytest.approx(step, rel=0.1)


def test_a_crossover_takes_from_both():
    algorithm = EvolutionStrategy(crossover_probability=1.0)
    parents = [Individual([0.0] * 6, 0.0, [0.01] * 6), Individual([1.0] * 6, 0.0, [0.04] * 6)]
    dice = Dice.keyed(0)
    children = [algorithm._recombined(dice, parents) for _ in range(200)]
    assert np.mean([point for _, point, _ in children]) == pytest.approx(0.5, abs=0.06)
    assert children[0][2] == pytest.approx([0.02] * 6)


def test_no_crossover():
    algorithm = EvolutionStrategy(crossover_probability=0.0)
    parents = [Individual([0.0] * 6, 0.0, [0.01] * 6), Individual([1.0] * 6, 0.0, [0.04] * 6)]
    for _ in range(50):
        parent, point, steps = algorithm._recombined(Dice.keyed(0), parents)
        assert point == parent.point
        assert steps == parent.steps


def test_offspring_differ_from_their_parent():
    for mutation in (0.0, 0.5):
        algorithm = EvolutionStrategy(mutation_probability=mutation)
        state = play(algorithm, LABELS, bowl, 11).state
        parents = [p.point for p in state.engine.parents]
        points, _ = algorithm.propose(state)
        assert len(points) == algorithm.n_offspring
        if state.engine.parents[0].point == parents[-1]:
            assert all(point != parents[0] for point in points)


def test_sizes():
    course = play(EvolutionStrategy(n_parents=3, n_offspring=7, remember=False), MIXED, bowl, 100)
    assert len(course.state.engine.parents) == 3
    assert set(course.batches[1:-1]) == {7}
    space, loss = sphere(2)
    assert play(EvolutionStrategy(n_parents=1, n_offspring=1), space, loss, 600).best < 1e-3


def test_a_collapsed_population_begins_anew():
    course = play(EvolutionStrategy(), LINE, lambda v: (v["x"] - 1) ** 2, 3000)
    assert course.state.engine.n_restarts >= 1
    assert course.best < 1e-12
