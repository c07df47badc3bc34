"""Counts of gradients: what was answered, what was left out, what failed, wherever it was evaluated."""

import numpy as np
import pytest

from wilks import Integer, LikelihoodProblem, ProcessExecutor, Real, ResidualProblem, SerialExecutor, Space
from wilks.core.proposal import Proposals
from wilks.evaluation.call import evaluate_chunk
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.gradients import count_gradients, first_error

SPACE = Space(x=Real(-1, 1), y=Real(0, 2), n=Integer(0, 3))


def log_likelihood(values):
    return -np.inf if values["x"] > 0.9 else -(values["x"] ** 2)


def gradient(values):
    if values["x"] < -0.5:
        raise ZeroDivisionError("by my own code")
    return {"x": -2 * values["x"]} if values["x"] < 0 else {"x": -2 * values["x"], "y": 0.0}


PROBLEM = LikelihoodProblem(SPACE, log_likelihood, gradient=gradient)
POINTS = np.column_stack([[-0.9, -0.6, -0.2, 0.5, 0.95], np.ones(5), np.ones(5)])


def test_what_is_counted():
    answer = evaluate_chunk(PROBLEM, POINTS, "gradient")
    assert count_gradients(answer) == (4, 1, 2)
    assert "in gradient" in first_error(answer)


@pytest.mark.parametrize("want", ["value", "residual"])
def test_only_gradients_are_counted(want):
    problem = ResidualProblem(SPACE, lambda v: [v["x"]]) if want == "residual" else PROBLEM
    answer = evaluate_chunk(problem, POINTS, want)
    assert count_gradients(answer) == (0, 0, 0)
    assert first_error(answer) == ""


def test_a_failed_likelihood_is_no_failed_gradient():
    problem = LikelihoodProblem(SPACE, lambda v: v["nothing"], gradient=gradient)
    answer = evaluate_chunk(problem, POINTS, "gradient")
    assert len(answer.errors) == 5
    assert count_gradients(answer) == (0, 0, 0)
    assert first_error(answer) == ""


def test_counts_come_back_from_worker_processes():
    with ProcessExecutor(2) as executor:
        counts = [_counts(executor), _counts(SerialExecutor())]
    assert counts == [(4, 1, 2), (4, 1, 2)]


def _counts(executor):
    evaluator = Evaluator(PROBLEM, executor)
    numbers = np.arange(5)
    evaluator.submit(Proposals(numbers, POINTS, numbers.astype(np.int8), "gradient"))
    found = []
    while evaluator.outstanding:
        found += evaluator.collect()
    assert any("by my own code" in text for evaluations in found for text in evaluations.errors.values())
    return tuple(np.sum([count_gradients(evaluations) for evaluations in found], axis=0).tolist())
