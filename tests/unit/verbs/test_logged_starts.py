"""Which points of a log a verb starts from."""

import numpy as np

import wilks
from wilks import LikelihoodProblem, Real, Space
from wilks.core.proposal import Phase
from wilks.store.samples import write_samples
from wilks.verbs.context import Common, Context

PROBLEM = LikelihoodProblem(Space(x=Real(0, 1), y=Real(0, 1)), lambda v: 0.0, name="p")


def context(tmp_path, rows):
    log = wilks.EvaluationLog()
    log.import_samples(write_samples(rows, tmp_path / "samples.csv"), PROBLEM)
    assert (log.arrays()["phases"] == Phase.UNKNOWN).all()
    return Context(PROBLEM, "fit", Common(log=log, seed=1))


def peaks():
    """A dense peak of 2000 points, and two others of a point each."""
    dense = np.random.default_rng(1).normal(0.2, 0.01, (2000, 2))
    heights = -0.5 * (((dense - 0.2) / 0.1) ** 2).sum(axis=1)
    return np.vstack([np.column_stack([dense, heights]), [[0.8, 0.8, -2.0], [0.8, 0.2, -3.0]]])


def test_a_dense_peak_does_not_hide_the_others(tmp_path):
    found = context(tmp_path, peaks()).with_logged(np.empty((0, 2)), 5)
    np.testing.assert_allclose(found, [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2]], atol=0.01)


def test_depth_and_number_are_limits(tmp_path):
    calls = context(tmp_path, peaks())
    np.testing.assert_allclose(calls.with_logged(np.empty((0, 2)), 5, 2.5)[1:], [[0.8, 0.8]])
    assert len(calls.with_logged(np.empty((0, 2)), 1)) == 1


def test_what_is_known_as_a_start_is_left_out(tmp_path):
    start = np.array([[0.79, 0.8]])
    found = context(tmp_path, peaks()).with_logged(start, 5)
    np.testing.assert_allclose(found, [[0.79, 0.8], [0.2, 0.2], [0.8, 0.2]], atol=0.01)


def test_an_empty_log_adds_nothing():
    calls = Context(PROBLEM, "fit", Common(log=wilks.EvaluationLog(), seed=1))
    assert calls.with_logged(np.array([[0.5, 0.5]]), 3).tolist() == [[0.5, 0.5]]
