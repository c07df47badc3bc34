"""Sizes of chunks, and what is an answer: with points that violate constraints among the others."""

import numpy as np
import pytest

import wilks
from wilks.core.errors import StopRun
from wilks.core.proposal import EvaluationStatus, Proposals
from wilks.evaluation.call import ChunkAnswer
from wilks.evaluation.evaluator import Evaluator

SPACE = wilks.Space(x=wilks.Real(0, 1000))
N = 400


class Pretended:
    """An executor that says how long calls take, without calling; even points violate a constraint."""

    n_workers, name, inline = 1, "pretended", True

    def __init__(self, seconds):
        self.seconds = seconds
        self.sizes = []

    def open(self, problem):
        return self._submit

    def _submit(self, thetas, want):
        self.sizes.append(len(thetas))
        odd = thetas[:, 0] % 2 == 1
        statuses = np.where(odd, EvaluationStatus.OK, EvaluationStatus.VIOLATED).astype(np.int8)
        n = len(thetas)
        mean = self.seconds if odd.any() else None
        self.answer = ChunkAnswer(np.where(odd, -1.0, -np.inf), statuses, np.zeros(n, np.float32), 1, mean)
        return self

    def result(self):
        return self.answer

    def abort(self):
        pass


def collected(evaluator, thetas):
    n = len(thetas)
    evaluator.submit(Proposals(np.arange(n), np.asarray(thetas, float)[:, None], np.zeros(n, dtype=np.int8)))
    found = []
    while evaluator.outstanding and not evaluator.stopped:
        found += evaluator.collect()
    return found


@pytest.mark.parametrize(("seconds", "size"), [(1.0, 1), (0.005, 10), (1e-6, N)])
def test_chunks_fit_the_time_of_a_call_however_many_points_have_none(seconds, size):
    executor = Pretended(seconds)
    evaluator = Evaluator(wilks.LikelihoodProblem(SPACE, lambda v: 0.0), executor)
    collected(evaluator, [1] + [0] * 50)
    executor.sizes.clear()
    collected(evaluator, np.arange(N))
    assert set(executor.sizes[:-1]) <= {size}
    assert executor.sizes[0] == size
    assert sum(executor.sizes) == N


def test_points_that_violate_constraints_are_no_answers():
    evaluator = Evaluator(wilks.LikelihoodProblem(SPACE, lambda v: 0.0), Pretended(1e-6))
    collected(evaluator, np.zeros(100))
    assert not evaluator.any_answer
    collected(evaluator, np.ones(1))
    assert evaluator.any_answer


def test_what_stop_run_left_waits_until_it_is_dropped():
    def likelihood(values):
        if values["x"] == 7:
            raise StopRun
        return 0.0

    evaluator = Evaluator(wilks.LikelihoodProblem(SPACE, likelihood), wilks.SerialExecutor())
    found = collected(evaluator, np.arange(20))
    assert sum(map(len, found)) == 7
    assert evaluator.outstanding == 13
    evaluator.hold()
    assert evaluator.outstanding == 0
    assert evaluator.collect() == []
