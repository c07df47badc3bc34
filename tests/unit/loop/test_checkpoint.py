"""Bookkeeping of checkpoints: merging, and what a resumed run already knows."""

import time
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wilks
from tests.unit.loop.examples import RandomBatches, problem_of, run
from wilks.core import encoding
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.loop.checkpoint import Answered, Recorder, RunState, merge


def evaluations(ids, payloads=None, errors=None, statuses=None):
    n = len(ids)
    return Evaluations(
        np.array(ids, dtype=np.int64),
        np.column_stack([np.array(ids, dtype=float), np.ones(n)]),
        np.zeros(n, dtype=np.int8),
        -np.array(ids, dtype=float),
        np.zeros(n, dtype=np.int8) if statuses is None else np.array(statuses, dtype=np.int8),
        np.zeros(n, dtype=np.float32),
        np.ones(n, dtype=np.int32),
        payloads,
        errors or {},
    )


def proposals(xs, want="value"):
    n = len(xs)
    thetas = np.column_stack([np.array(xs, dtype=float), np.ones(n)])
    return Proposals(np.arange(100, 100 + n), thetas, np.zeros(n, dtype=np.int8), want)


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, unique=True), min_size=1, max_size=5))
def test_merge_keeps_every_row_whole(parts):
    parts = [[i * 10 + k for i in part] for k, part in enumerate(parts)]
    given_parts = [
        evaluations(p, [np.array([float(i)]) if i % 3 else None for i in p], {at: str(i) for at, i in enumerate(p)})
        for p in parts
    ]
    merged = merge(given_parts, by_id=True)
    every = sorted(chain(*parts))
    assert merged.ids.tolist() == every
    assert merged.thetas[:, 0].tolist() == every
    assert merged.errors == {at: str(i) for at, i in enumerate(every)}
    assert [None if p is None else p[0] for p in merged.payloads] == [float(i) if i % 3 else None for i in every]
    plain = merge(given_parts)
    assert plain.ids.tolist() == list(chain(*parts))
    assert [plain.errors[at] for at in range(len(every))] == [str(i) for i in list(chain(*parts))]


def test_merge_of_nothing():
    assert merge([]) is None
    assert merge([], by_id=True) is None


def test_answers_are_used_once_and_in_order():
    problem = problem_of()
    redo = evaluations([1, 2, 2, 3])
    redo.log_likelihoods[:] = [-1, -2, -22, -3]
    answered = Answered(problem, redo)
    known, unknown = answered.split(proposals([2, 5, 2, 2]))
    assert known.log_likelihoods.tolist() == [-2, -22]
    assert known.ids.tolist() == [100, 102]
    assert unknown.ids.tolist() == [101, 103]
    assert answered.n_left == 2
    assert answered.left().log_likelihoods.tolist() == [-1, -3]
    answered.split(proposals([1, 3]))
    assert answered.left() is None
    assert answered.split(proposals([1]))[0] is None


def test_an_answer_without_its_gradient_is_no_answer_to_a_question_for_it():
    redo = evaluations([1, 2, 3, 1], [None, np.array([5.0]), None, np.array([7.0])], {2: "bad"}, [0, 0, 2, 0])
    answered = Answered(problem_of(), redo)
    known, unknown = answered.split(proposals([1, 2, 3], "gradient"))
    assert [None if p is None else p[0] for p in known.payloads] == [7.0, 5.0, None]
    assert known.statuses.tolist() == [0, 0, EvaluationStatus.FAILED]
    assert known.errors == {2: "bad"}
    assert len(unknown) == 0
    known, _ = answered.split(proposals([1]))
    assert known.payloads is None
    assert answered.n_left == 0
    nothing, unknown = Answered(problem_of(), evaluations([1])).split(proposals([1], "gradient"))
    assert nothing is None
    assert len(unknown) == 1


def test_what_is_not_asked_again_is_kept_over_any_number_of_checkpoints():
    log = wilks.EvaluationLog()
    problem = problem_of()
    log.bind(problem)
    stage = log.stage("key", "title")
    recorder = Recorder(problem, stage)
    recorder.commit(RunState({}))
    recorder.add(evaluations([1, 2, 3], errors={1: "two"}))
    recorder.commit()
    for n_left in (3, 2, 1):
        recorder = Recorder(problem, stage)
        state, finished = recorder.resume()
        assert recorder.answered.n_left == n_left
        assert not finished
        asked = 4 - n_left
        known, _ = recorder.answered.split(proposals([asked]))
        assert known.log_likelihoods.tolist() == [-asked]
        assert known.errors == ({0: "two"} if asked == 2 else {})
        recorder.commit(state)
    assert len(log) == 3


def test_checkpoints_are_written_now_and_then(monkeypatch):
    monkeypatch.setattr("wilks.loop.checkpoint._FIRST_CHECKPOINT_SECONDS", 0.05)
    states = []
    original = encoding.encode
    monkeypatch.setattr(encoding, "encode", lambda value: states.append(value) or original(value))
    outcomes = run(RandomBatches(50, 1), lambda v: time.sleep(0.01) or 0.0)
    kept = [state for state in states if isinstance(state, RunState)]
    assert 5 <= len(kept) <= outcomes.seconds / 0.05 + 2  # besides those at the beginning and at the end


@pytest.mark.parametrize("generational", [True, False])
def test_encoding_the_state_at_every_step_changes_nothing(monkeypatch, generational):
    expected = run(RandomBatches(generational=generational))

    class Encoded(RandomBatches):
        def ask(self, state, limit):
            return super().ask(encoding.decode(encoding.encode(state)), limit)

        def tell(self, state, evaluations):
            return super().tell(encoding.decode(encoding.encode(state)), evaluations)

    found = run(Encoded(generational=generational))
    assert encoding.encode(found.state) == encoding.encode(expected.state)
