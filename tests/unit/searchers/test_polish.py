"""The polish: units, who leads, when it ends, and points that are not its own."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import sphere
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.polish import Polish
from wilks.verbs.search import _SOLVER

SQUARE = Coordinates.of(sphere(2)[0])
PARTLY = Coordinates.of(wilks.Space(x=wilks.Real(0, 1), k=wilks.Integer(0, 4), y=wilks.Real(0, 1)))


def valley(point):
    return 100 * (point[1] - point[0] ** 2) ** 2 + (0.6 - point[0]) ** 2


def climb(polish, coordinates, incumbent, loss, n=400):
    """Let the polish run to its end; return the points."""
    points = []
    while len(points) < n:
        found = polish.propose(coordinates, _SOLVER, incumbent)
        if not found:
            break
        points += found
        polish.absorb(_SOLVER, incumbent, found, [loss(p) for p in found])
    return points


def at(point, loss, scale=1.0):
    return Incumbent(point, loss(point), scale), Polish(loss(point))


def test_a_valley_is_followed_to_its_end():
    incumbent, polish = at([0.1, 0.9], valley)
    points = climb(polish, SQUARE, incumbent, valley)
    assert incumbent.loss < 1e-12
    assert incumbent.point == pytest.approx([0.6, 0.36], abs=1e-5)
    assert len(points) < 200
    assert polish.idle_at == incumbent.loss


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40])
def test_units_do_not_matter(factor):
    incumbent, polish = at([0.1, 0.9], valley)
    plain = climb(polish, SQUARE, incumbent, valley)
    scaled = lambda p: factor * valley(p)  # noqa: E731
    incumbent, polish = at([0.1, 0.9], scaled, scale=factor)
    assert climb(polish, SQUARE, incumbent, scaled) == plain


def test_what_is_not_real_stays():
    loss = lambda p: (p[0] - 0.3) ** 2 + (p[2] - 0.8) ** 2 + p[1]  # noqa: E731
    incumbent, polish = at([0.5, 3.0, 0.5], loss)
    points = climb(polish, PARTLY, incumbent, loss)
    assert {point[1] for point in points} == {3.0}
    assert incumbent.point == pytest.approx([0.3, 3.0, 0.8], abs=1e-6)


def test_it_goes_where_others_found_something_better():
    incumbent, polish = at([0.1, 0.9], valley)
    found = polish.propose(SQUARE, _SOLVER, incumbent)
    polish.absorb(_SOLVER, incumbent, found, [valley(p) for p in found])
    better = [0.55, 0.31]
    while polish.ascent.stage != "gradient":
        found = polish.propose(SQUARE, _SOLVER, incumbent)
        polish.absorb(_SOLVER, incumbent, found, [valley(p) for p in found])
    incumbent.offer(better, valley(better))
    found = polish.propose(SQUARE, _SOLVER, incumbent)
    assert all(np.abs(np.subtract(point, better)).max() < 1e-5 for point in found)
    assert polish.curvature is not None, "what was learnt is kept"


def test_it_rests_until_the_incumbent_changes():
    incumbent, polish = at([0.1, 0.9], valley)
    climb(polish, SQUARE, incumbent, valley)
    assert polish.propose(SQUARE, _SOLVER, incumbent) == []
    incumbent.offer([0.2, 0.2], incumbent.loss - 1)
    assert polish.propose(SQUARE, _SOLVER, incumbent)


def test_nothing_to_do_without_a_finite_loss():
    polish = Polish(math.inf)
    assert polish.propose(SQUARE, _SOLVER, Incumbent([0.5, 0.5], math.inf, 0.0)) == []


def test_points_of_others_in_its_batch_do_not_lead_it_astray():
    """A random restart may replace a proposal; its loss says nothing about the point that was proposed."""
    incumbent, polish = at([0.1, 0.9], valley)
    source, foreign = np.random.default_rng(0), [[0.3, 0.1], [0.5, 0.24], [0.55, 0.31]]
    for _ in range(300):
        found = polish.propose(SQUARE, _SOLVER, incumbent)
        if not found:
            break
        if foreign and len(found) == 1 and source.random() < 0.3:  # a trial step
            found[0] = foreign.pop(0)
        polish.absorb(_SOLVER, incumbent, found, [valley(p) for p in found])
        if polish.ascent is not None:
            loss = polish.reference - polish.ascent.value * incumbent.scale / 1e6
            assert loss == pytest.approx(valley(polish.ascent.u.tolist()), rel=1e-6, abs=1e-9)
    assert not foreign
    assert incumbent.loss < 1e-12
