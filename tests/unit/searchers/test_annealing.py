"""Simulated annealing: the temperature, the acceptance and the return to the best point."""

import math

import numpy as np
import pytest

from tests.unit.searchers.examples import MIXED, REAL, answered, begin, bowl, play, sphere
from wilks.searchers import annealing
from wilks.searchers.annealing import Annealing, SimulatedAnnealing, Walker
from wilks.searchers.dice import Dice


def state_after(algorithm, space, n):
    return play(algorithm, space, bowl, n).state


def walking(*losses, best=0.0):
    walkers = [Walker([0.5, 0.5], loss, loss, [0.1, 0.1]) for loss in losses]
    return Annealing(walkers, [], 1.0, [0.0, 0.0], best, 0)


def test_temperature_falls_geometrically_with_the_budget():
    algorithm = SimulatedAnnealing(budget=1000)
    states = [state_after(algorithm, REAL, n) for n in (100, 400, 700, 1000)]
    temperatures = np.array([algorithm.temperature(state) for state in states])
    ratios = temperatures[1:] / temperatures[:-1]
    assert ratios == pytest.approx(ratios[0], rel=1e-9)
    hottest = annealing._HIGH_REAL * states[0].engine.spread
    assert temperatures[-1] == pytest.approx(hottest * annealing._FALL, rel=1e-9)


def test_without_a_budget_coolings_get_longer():
    algorithm = SimulatedAnnealing()
    state, begun = begin(algorithm, REAL), []
    while state.n_told < 5000:
        proposals, state = algorithm.ask(state, 100)
        state = algorithm.tell(state, answered(REAL, proposals, bowl))
        if state.engine is not None and (not begun or state.engine.cooled_from != begun[-1]):
            begun.append(state.engine.cooled_from)
    lengths = np.diff(begun)
    assert lengths.tolist() == [600, 1200, 2400]
    assert algorithm.findings(state).details["n_reheatings"] == 3


@pytest.mark.parametrize(("difference", "temperature"), [(1.0, 1.0), (0.3, 2.0), (5.0, 1.0)])
def test_worse_points_are_accepted_as_metropolis_says(difference, temperature):
    dice, n = Dice.keyed(0), 4000
    n_accepted = 0
    for _ in range(n):
        engine = walking(10.0)
        engine.absorb(dice, [[0.1, 0.1]], [10.0 + difference], [(1, 0)], temperature)
        n_accepted += engine.walkers[0].loss > 10.0
    p = math.exp(-difference / temperature)
    assert n_accepted / n == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))


def test_better_points_are_always_accepted_and_infinite_ones_never():
    engine = walking(1.0, 1.0)
    engine.absorb(Dice.keyed(0), [[0.1, 0.1], [0.2, 0.2]], [-1.0, math.inf], [(1, 0), (1, 0)], 1e9)
    assert [walker.loss for walker in engine.walkers] == [-1.0, 1.0]
    assert (engine.best, engine.best_loss) == ([0.1, 0.1], -1.0)


def test_idle_walkers_return_to_the_best():
    engine = walking(3.0, 3.0, best=1.0)
    engine.walkers[1].n_idle = 9
    engine.return_idle(9)
    assert [walker.loss for walker in engine.walkers] == [3.0, 1.0]
    assert engine.walkers[1].point == [0.0, 0.0]
    assert engine.n_returns == 1


def test_steps_follow_the_acceptance():
    engine = walking(1.0)
    dice = Dice.keyed(0)
    for _ in range(20):  # all accepted
        engine.absorb(dice, [[0.1, 0.1]], [engine.walkers[0].loss - 1], [(0, 1)], 1.0)
    wide = engine.walkers[0].steps
    assert wide[0] == 0.1
    assert wide[1] == annealing._MOST_STEP
    for _ in range(100):  # none
        engine.absorb(dice, [[0.1, 0.1]], [math.inf], [(0, 1)], 1.0)
    assert engine.walkers[0].steps[1] < 1e-4


def test_several_chains_share_a_batch():
    course = play(SimulatedAnnealing(n_chains=4, budget=400, remember=False), MIXED, bowl, 400)
    assert set(course.batches[1:-1]) == {4}
    assert len(course.state.engine.walkers) == 4


def test_a_narrow_valley_askew():
    space, _ = sphere(2)
    found = []
    for seed in range(5):
        valley = lambda v: (v["x0"] + v["x1"]) ** 2 * 1e4 + (v["x0"] - 0.5) ** 2  # noqa: E731
        found.append(play(SimulatedAnnealing(budget=2000), space, valley, 2000, seed=seed).best)
    assert np.median(found) < 1e-5
