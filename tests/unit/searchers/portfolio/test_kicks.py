"""Kicked restarts: where they go, what they hold, when they give up and what they hand over."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import sphere
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.portfolio.kicks import Kicks
from wilks.verbs.search import _SOLVER

REALS = Coordinates.of(sphere(5)[0])
SPACE = wilks.Space(x=wilks.Real(0, 1), a=wilks.Categorical(list("pqrs")), b=wilks.Categorical(list("pqrs")))
LABELLED = Coordinates.of(SPACE)


def begun(coordinates, point, seed):
    kicks = Kicks()
    points, note = kicks.propose(coordinates, Dice.keyed(seed), _SOLVER, Incumbent(point, 1.0, 1.0))
    assert note == "start"
    return kicks, points


def test_a_kick_changes_something_and_keeps_something():
    here = [0.5] * 5
    n_changed, n_random = [], 0
    for seed in range(300):
        _, points = begun(REALS, here, seed)
        if len(points) > 1:
            n_random += 1
            continue
        n_changed.append(sum(u != 0.5 for u in points[0]))
    assert n_random / 300 == pytest.approx(0.3, abs=0.08)
    assert min(n_changed) == 1
    assert np.mean(n_changed) == pytest.approx(1 + 4 * 0.4, abs=0.2)


def test_changed_categories_are_frozen():
    here = [0.5, 1.0, 2.0]
    seen = set()
    for seed in range(100):
        kicks, points = begun(LABELLED, here, seed)
        changed = [j for j in (1, 2) if points[0][j] != here[j]]
        if kicks.frozen:
            assert set(kicks.frozen) <= set(changed), "another one may have been drawn anew"
            seen.add(tuple(sorted(kicks.frozen)))
    assert seen == {(1,), (2,), (1, 2)}


def run(kicks, coordinates, incumbent, loss, n, *, dice=None, solver=_SOLVER):
    """Let the kicks run; return all points with whether they began a restart."""
    dice, points = dice or Dice.keyed(0), []
    while len(points) < n:
        found, note = kicks.propose(coordinates, dice, solver, incumbent)
        points += [(point, note == "start") for point in found]
        kicks.absorb(coordinates, solver, incumbent, found, [loss(p) for p in found], note, math.inf)
    return points


def test_a_frozen_category_stays_during_the_restart():
    """It looks worse at first, and would be changed back by the search along the axes."""

    def loss(point):
        better = point[1] == 3.0
        return {0.0: 1.2, 1.0: 1.0, 2.0: 1.2, 3.0: 0.0}[point[1]] + 20 * (point[0] - (0.9 if better else 0.2)) ** 2

    incumbent, kicks, frozen = Incumbent([0.2, 1.0, 2.0], 1.0, 1.0), Kicks(), None
    dice = Dice.keyed(3)
    for _ in range(400):
        found, note = kicks.propose(LABELLED, dice, _SOLVER, incumbent)
        if note == "start":
            frozen = [(j, found[0][j]) for j in kicks.frozen]
        elif kicks.restart.axis.frozen:
            assert all(point[j] == value for point in found for j, value in frozen)
        kicks.absorb(LABELLED, _SOLVER, incumbent, found, [loss(p) for p in found], note, math.inf)
    assert incumbent.point[1] == 3.0
    assert incumbent.loss < 1e-9


def test_the_freeze_ends_with_a_better_point():
    kicks = Kicks()
    incumbent = Incumbent([0.5, 1.0, 2.0], 10.0, 1.0)
    for seed in range(20):
        kicks = Kicks()
        found, note = kicks.propose(LABELLED, Dice.keyed(seed), _SOLVER, incumbent)
        if kicks.frozen:
            break
    kicks.absorb(LABELLED, _SOLVER, incumbent, found, [11.0], note, math.inf)
    assert kicks.restart.axis.frozen
    found, note = kicks.propose(LABELLED, Dice.keyed(1), _SOLVER, incumbent)
    kicks.absorb(LABELLED, _SOLVER, incumbent, found, [9.0] * len(found), note, math.inf)
    assert incumbent.loss == 9.0
    assert kicks.restart.axis.frozen == []


def test_combinations_are_tried_evenly():
    kicks, incumbent = Kicks(), Incumbent([0.5, 1.0, 2.0], 0.0, 1.0)
    dice = Dice.keyed(0)
    for _ in range(300):
        kicks.waiting, kicks.restart = False, None
        kicks.propose(LABELLED, dice, _SOLVER, incumbent)
    counts = np.array(list(kicks.tried.values()))
    assert len(counts) == 15
    assert counts.max() < 4 * counts.min()


def test_a_restart_that_leads_nowhere_is_given_up():
    incumbent, kicks = Incumbent([0.5] * 5, -100.0, 1.0), Kicks()
    points = run(kicks, REALS, incumbent, lambda p: 1.0 + 1e-6 * p[0], 600)
    assert kicks.n_restarts >= 8
    assert sum(start for _, start in points) >= kicks.n_restarts
    assert incumbent.loss == -100.0


def test_a_restart_that_has_converged_below_the_best_is_given_up():
    """Also when its polish is done long before a slice is over."""
    loss = lambda p: 1.0 + sum((u - 0.3) ** 2 for u in p)  # noqa: E731
    incumbent, kicks = Incumbent([0.5] * 2, 0.0, 1.0), Kicks()
    run(kicks, Coordinates.of(sphere(2)[0]), incumbent, loss, 800)
    assert kicks.n_restarts >= 30
    assert incumbent.loss == 0.0


def test_a_restart_that_promises_something_goes_on():
    incumbent, kicks = Incumbent([0.5] * 5, 0.0, 1.0), Kicks()
    run(kicks, REALS, incumbent, lambda p: sum((u - 0.3) ** 2 for u in p) - 0.01, 100)
    assert incumbent.loss == pytest.approx(-0.01, abs=1e-9)
    assert kicks.n_restarts <= 4


def test_a_start_without_a_finite_loss_begins_nothing():
    incumbent, kicks = Incumbent([0.5] * 5, 0.0, 1.0), Kicks()
    found, note = kicks.propose(REALS, Dice.keyed(0), _SOLVER, incumbent)
    kicks.absorb(REALS, _SOLVER, incumbent, found, [math.inf] * len(found), note, math.inf)
    assert kicks.restart is None
    assert kicks.n_restarts == 1


def test_nothing_more_is_proposed_while_points_are_outstanding():
    incumbent, kicks = Incumbent([0.5] * 5, 0.0, 1.0), Kicks()
    assert kicks.propose(REALS, Dice.keyed(0), _SOLVER, incumbent)[0]
    assert kicks.propose(REALS, Dice.keyed(0), _SOLVER, incumbent) == ([], None)


def test_without_reals_the_axes_search_alone():
    coordinates = Coordinates.of(wilks.Space(n=wilks.Integer(0, 50), m=wilks.Integer(0, 50)))
    incumbent, kicks = Incumbent([3.0, 3.0], 1e4, 1.0), Kicks()
    run(kicks, coordinates, incumbent, lambda p: (p[0] - 40) ** 2 + (p[1] - 30) ** 2, 200)
    assert incumbent.loss <= 4
