"""Screening: designs, points that violate constraints, and which points are the best that lie apart."""

import math

import numpy as np
import pytest

import wilks
from wilks.core import encoding
from wilks.core.proposal import Evaluations
from wilks.evaluation.call import evaluate_chunk
from wilks.searchers.cma_es import CmaEs
from wilks.searchers.cma_runs import CmaEsRuns
from wilks.searchers.multistart import MultiStart
from wilks.searchers.refinement import Refinement
from wilks.searchers.screening import DESIGNS, Screening, best_apart, design_points
from wilks.solvers.quasi_newton import QuasiNewton

SPACE = wilks.Space(x=wilks.Real(-3, 3), y=wilks.Real(-3, 3))
NONE = np.empty((0, 2))


def log_likelihood(v):
    return -(v["x"] ** 2) - (v["y"] - 1) ** 2


def run(algorithm, *, constraints=(), starts=NONE, limit=1000, space=SPACE, function=log_likelihood):
    problem = wilks.LikelihoodProblem(space, function, constraints=constraints)
    state = algorithm.init(space, 1, starts)
    while algorithm.terminate(state) is None:
        proposals, state = algorithm.ask(state, limit)
        if not len(proposals):
            break
        state = encoding.decode(encoding.encode(state))
        answer = evaluate_chunk(problem, proposals.thetas, proposals.want)
        batch = (proposals.ids, proposals.thetas, proposals.phases, answer.log_likelihoods, answer.statuses)
        state = algorithm.tell(state, Evaluations(*batch, answer.seconds, np.zeros(len(proposals), dtype=np.int32)))
    return state, algorithm.terminate(state)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_design_has_the_number_of_points_and_fills_the_box(design):
    points = design_points(design, SPACE, 64, np.random.default_rng(1))
    assert points.shape == (64, 2)
    assert ((points >= 0) & (points < 1)).all()
    quarters = np.unique((points * 4).astype(int), axis=0)
    assert len(quarters) >= (16 if design != "random" else 14)
    if design == "latin_hypercube":
        assert sorted((points[:, 0] * 64).astype(int).tolist()) == list(range(64))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("limit", [1000, 7])
def test_all_points_are_evaluated_once(design, limit):
    state, status = run(Screening(design, 50), limit=limit)
    assert status.message == "Converged. 50 points were screened."
    assert len(np.unique(state.points, axis=0)) == 50
    values = [log_likelihood(SPACE.to_values(theta)) for theta in SPACE.from_unit(state.points)]
    assert state.values.tolist() == values


def test_given_points_come_first_and_are_none_of_the_design():
    given = np.array([[0.5, 0.5], [0.1, 0.2]])
    state, _ = run(Screening("sobol", 8), starts=given)
    assert (state.points[:2] == given).all()
    assert (len(state.points), state.n_screened) == (10, 8)


def test_points_that_violate_a_constraint_are_replaced():
    state, _ = run(Screening("latin_hypercube", 40), constraints=lambda v: v["x"] > 1.5)
    assert state.n_screened == 40
    assert (np.isfinite(state.values)).sum() == 40
    assert len(state.points) > 100


def test_a_constraint_that_leaves_nothing_ends_the_screening():
    state, status = run(Screening("random", 20), constraints=lambda v: False)
    assert status is not None
    assert state.n_screened == 0
    assert 1000 <= len(state.points) <= 1020


def test_points_without_a_likelihood_count():
    state, _ = run(Screening("random", 20), function=lambda v: -math.inf)
    assert state.n_screened == 20
    assert best_apart(state.points, state.values, 5) == []


def test_the_best_points_lie_apart():
    points = np.array([[0.5, 0.5], [0.55, 0.55], [0.5, 0.65], [0.9, 0.1], [0.1, 0.1]])
    values = np.array([5.0, 4.0, 3.0, 2.0, -math.inf])
    assert best_apart(points, values, 3) == [0, 2, 3]
    assert best_apart(points, values, 2) == [0, 2]
    assert best_apart(points, values, 9) == [0, 1, 2, 3]  # there are not so many apart: the others follow


def test_cma_es_makes_its_runs_and_remembers_the_best_of_each():
    algorithm = CmaEsRuns(CmaEs(), 2)
    state, status = run(algorithm)
    assert status.message == "Converged. 3 runs of CMA-ES."
    assert len(state.values) == 3
    for theta, value in zip(state.thetas, state.values, strict=True):
        assert log_likelihood(SPACE.to_values(theta)) == value
        assert value > -1e-6


def test_cma_es_without_restarts_is_one_run():
    state, _ = run(CmaEsRuns(CmaEs(), 0))
    assert len(state.values) == 1


def test_cma_es_of_discrete_parameters_alone_ends():
    space = wilks.Space(n=wilks.Integer(0, 4), m=wilks.Integer(0, 3))
    state, status = run(CmaEsRuns(CmaEs(), 3), space=space, function=lambda v: -((v["n"] - 2) ** 2) - v["m"])
    assert status is not None
    assert max(state.values) == 0.0


def test_a_refinement_takes_given_points_first_and_the_others_for_random_ones():
    search = MultiStart(QuasiNewton(1e-3), QuasiNewton(1e-9), n_starts=2)
    points = np.array([[0.1, 0.9], [0.2, 0.3], [0.8, 0.7]])
    state = Refinement(search, 1).init(SPACE, 1, points)
    assert (state.given == points[:1]).all()
    assert (state.design == points[1:]).all()
