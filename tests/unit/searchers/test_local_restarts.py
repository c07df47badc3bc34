"""Local ascents one after the other: their starts, their order, and what they leave alone."""

import math

import pytest

import wilks
from tests.unit.searchers.examples import LABELS, LINE, MIXED, REAL, bowl, play, sphere
from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.designs import Initial
from wilks.verbs.search import _prepared


def restarts(budget=None, **options):
    return _prepared(wilks.LocalRestarts(**options), budget)


def test_one_valley_is_solved_at_once():
    space, loss = sphere(4)
    course = play(restarts(), space, loss, 120)
    assert course.best < 1e-12
    assert course.state.engine.n_ascents >= 1


def test_several_peaks_take_several_ascents():
    loss = lambda v: 0.3 * (v["x"] - 2.6) ** 2 + 1 - math.cos(6 * (v["x"] - 2.6))  # noqa: E731
    course = play(restarts(), LINE, loss, 600)
    assert course.best < 1e-9
    assert restarts().findings(course.state).details["n_ascents"] >= 5


def test_the_best_of_the_first_points_begins():
    course = play(restarts(initial=Initial(random=7)), REAL, bowl, 40)
    first = course.losses[:7]
    start = course.thetas[first.index(min(first))]
    assert course.batches[0] == 7
    assert course.thetas[7] == pytest.approx(start, abs=1e-3), "differences around it"


@pytest.mark.parametrize("screen", [1, 6])
def test_later_starts_are_the_best_of_some(screen):
    algorithm = restarts(screen=screen)
    course = play(algorithm, LINE, lambda v: (v["x"] - 1) ** 2, 300)
    assert course.batches.count(screen) >= 3
    assert course.state.engine.n_ascents > 3


def test_discrete_parameters_keep_the_value_of_the_start():
    course = play(restarts(), MIXED, bowl, 400)
    ascents = [theta for theta, n in zip(course.thetas, course.batches, strict=False) if n == 2]
    assert ascents
    assert course.best < 3.0


def test_without_reals_it_is_a_design():
    course = play(restarts(), LABELS, bowl, 100)
    assert len(course.losses) == 12
    assert course.ended


def test_failures_end_an_ascent_and_not_the_search():
    course = play(restarts(), REAL, lambda v: math.inf if v["x"] > 0 else bowl(v), 300)
    assert len(course.losses) == 300
    assert course.best < 4.0
    assert len(play(restarts(), REAL, lambda v: math.inf, 100).losses) == 100


def test_random_restarts_lead_nobody_astray():
    assert play(restarts(restart_probability=0.2), REAL, bowl, 800).best < 1e-6


@pytest.mark.parametrize("screen", [0, 2.0, True, None])
def test_options_are_checked(screen):
    with pytest.raises(InvalidConfigurationError, match="LocalRestarts: screen: expected an integer >= 1, got"):
        wilks.LocalRestarts(screen=screen)
