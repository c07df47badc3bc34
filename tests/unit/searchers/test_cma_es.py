"""CMA-ES: its kinds of coordinates, its memory, foreign points and restarts."""

import math

import numpy as np
import pytest
from cmaes import CatCMAwM

import wilks
from tests.unit.searchers.examples import INTEGERS, LABELS, MIXED, REAL, bowl, play, sphere
from wilks.core import encoding
from wilks.searchers import cma_es, cma_strategy
from wilks.searchers.cma_es import CmaEs
from wilks.searchers.cma_strategy import Parts
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice


def rotated_ellipsoid(dimension, seed=0):
    generator = np.random.default_rng(seed)
    axes = np.linalg.qr(generator.standard_normal((dimension, dimension)))[0]
    centre = generator.uniform(-0.5, 0.5, dimension)
    scales = 1e4 ** (np.arange(dimension) / (dimension - 1))
    space = wilks.Space({f"x{i}": wilks.Real(-1, 1) for i in range(dimension)})
    return space, lambda v: float(scales @ (axes @ (np.array(list(v.values())) - centre)) ** 2)


def test_coordinates_are_sorted():
    space = wilks.Space(
        k=wilks.Categorical(["a", "b"]), n=wilks.Integer(0, 3), x=wilks.Real(0, 1), big=wilks.Integer(0, 10**9)
    )
    parts = Parts.of(Coordinates.of(space))
    assert (parts.smooth, parts.stepped, parts.labelled) == ([2, 3], [1], [0])
    assert parts.n == 4


def test_memory_is_all_that_a_strategy_knows():
    """A strategy that is rebuilt from its memory draws and learns as the one it was."""
    coordinates = Coordinates.of(MIXED)
    memory = cma_strategy.begun(coordinates, Parts.of(coordinates), 8, np.full(4, 0.5), 0.3)
    one = cma_strategy.strategy_of(memory, 5)
    other = cma_strategy.strategy_of(encoding.decode(encoding.encode(memory)), 5)
    assert set(vars(one)) == set(vars(CatCMAwM(x_space=[[0, 1]], z_space=[[0, 1]], c_space=[2])))
    for strategy in (one, other):
        for _ in range(3):
            drawn = [strategy.ask() for _ in range(8)]
            strategy.tell([(d, float((d.x**2).sum() + d.z.sum())) for d in drawn])
    assert np.array_equal(one._mean, other._mean)
    assert np.array_equal(one._C, other._C)
    assert np.array_equal(one._q, other._q)


def test_the_generator_is_seeded_from_the_dice():
    state = play(CmaEs(), REAL, bowl, 40).state
    assert "_rng" not in state.engine.run.memory
    one, other = (encoding.decode(encoding.encode(state)) for _ in range(2))
    np.random.seed(1)  # noqa: NPY002 - which must not matter
    assert CmaEs().propose(one)[0] == CmaEs().propose(other)[0]


def test_a_rotated_ellipsoid():
    found = [play(CmaEs(budget=2500), *rotated_ellipsoid(6, seed), 2500, seed=seed).best for seed in range(3)]
    assert np.median(found) < 1e-8


def test_restarts_alternate():
    space, loss = sphere(2)
    algorithm = CmaEs()
    course = play(algorithm, space, loss, 6000)
    engine = course.state.engine
    assert engine.n_runs > 3
    assert engine.n_doublings >= 1
    assert engine.n_used_small > 0
    assert course.best < 1e-13
    assert min(course.batches) >= cma_es._LEAST_DRAWS


def test_first_restart_has_twice_the_draws():
    course = play(CmaEs(n_draws=6), *sphere(2), 5000)
    sizes = course.batches[1:]
    change = next(i for i, size in enumerate(sizes) if size != 6)
    assert sizes[change] == 12


@pytest.mark.parametrize("space", [INTEGERS, LABELS], ids=["integers", "labels"])
def test_spaces_without_reals(space):
    course = play(CmaEs(remember=False), space, bowl, 600)
    assert course.best == 0.0
    assert course.state.engine.n_runs > 1


def test_very_many_values():
    space = wilks.Space(n=wilks.Integer(0, 10**12), x=wilks.Real(0, 1))
    course = play(CmaEs(budget=1500), space, lambda v: (v["n"] / 10**12 - 0.3) ** 2 + (v["x"] - 0.6) ** 2, 1500)
    assert course.best < 1e-12


def test_losses_are_normalised():
    engine = play(CmaEs(), REAL, bowl, 10).state.engine
    engine.reference, engine.spread = 5.0, 100.0
    assert engine.normalised([5.0, 105.0, math.inf]) == [0.0, 100.0, 101.0]
    assert engine.normalised([math.inf, math.inf]) == [1.0, 1.0]


def test_foreign_points_are_pulled_towards_the_mean():
    coordinates = Coordinates.of(sphere(3)[0])
    memory = cma_strategy.begun(coordinates, Parts.of(coordinates), 8, np.full(3, 0.5), 0.1)
    strategy = cma_strategy.strategy_of(memory, 1)
    strategy.ask()
    memory = cma_strategy.memory_of(strategy)
    near = np.array([0.55, 0.5, 0.45])
    assert np.array_equal(cma_strategy.limited_step(memory, near), near)
    pulled = cma_strategy.limited_step(memory, np.array([3.5, 0.5, 0.5]))
    assert pulled == pytest.approx([0.5 + 0.1 * (math.sqrt(3) + 6 / 5), 0.5, 0.5])


def test_a_first_mean_among_the_better_points():
    state = play(CmaEs(n_draws=40), *sphere(3), 40).state
    mean = 2 * state.engine.run.memory["_mean"] - 1
    centre = np.random.default_rng(0).uniform(-0.5, 0.5, 3)
    assert np.linalg.norm(mean - centre) < 0.35


def test_next_run_is_of_the_kind_that_used_less():
    engine = play(CmaEs(), REAL, bowl, 10).state.engine
    coordinates, dice = Coordinates.of(REAL), Dice.keyed(0)
    kinds = []
    for n_used in (10, 100, 30, 30, 60):
        engine.run.n_used = n_used
        engine.next_run(dice, 7, 0.3, coordinates)
        kinds.append(engine.run.large)
    assert kinds == [True, False, False, False, True]
    assert engine.run.size == 28
