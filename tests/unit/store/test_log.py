"""What goes into a log comes out of it, for both kinds of log."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wilks
from tests.unit.store.examples import DIMENSION, assert_same, make_evaluations, make_problem, names_in
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.core.proposal import Evaluations
from wilks.store import rows, runfile
from wilks.store.log import EvaluationLog

COLUMNS = ("thetas", "log_likelihoods", "phases", "statuses", "seconds", "workers")


def reopened(log):
    """The same log after its process has ended; a log in memory as it is."""
    if log.path is None:
        return log
    log.close()
    return EvaluationLog(log.path)


def test_round_trip(log):
    log.bind(make_problem(), seed=5)
    stage = log.stage("fit-1", "Fit")
    written = make_evaluations(0, 50)
    stage.commit(written)
    with reopened(log) as again:
        arrays = again.arrays()
        assert set(arrays) == {*COLUMNS, "stages"}
        for name in COLUMNS:
            np.testing.assert_array_equal(arrays[name], getattr(written, name))
            assert arrays[name].dtype == getattr(written, name).dtype
            assert arrays[name].flags.writeable
        assert len(again) == again.stage("fit-1", "Fit").n_evaluations == 50
        assert again.header["seed"] == 5
        assert again.header["columns"] == ["a", "b", "n"]
        assert again.space.constants == {"offset": 2.5}


def test_a_new_log_is_empty(log):
    assert len(log) == 0
    assert log  # a log is something also while it is empty
    assert log.best() is None
    assert log.arrays()["thetas"].shape == (0, 0)
    assert log.to_dataframe().empty
    assert log.stages() == []
    assert log.failures() == []
    log.bind(make_problem())
    assert log.arrays()["thetas"].shape == log.top(3).shape == (0, DIMENSION)
    assert list(log.to_dataframe())[:4] == ["a", "b", "n", "log_likelihood"]
    assert set(log.counts().values()) == {0}
    stage = log.stage("s", "S")
    stage.commit(None)
    stage.commit(make_evaluations(0, 0))
    assert stage.resume() == (None, None, False)


def test_evaluations_may_be_changed_after_the_commit(log):
    log.bind(make_problem())
    batch = make_evaluations(0, 4, payloads=True)
    stage = log.stage("s", "S")
    stage.commit(batch)
    batch.thetas[:] = -1.0
    batch.payloads[1][:] = -1.0
    assert_same(stage.resume().redo, make_evaluations(0, 4, payloads=True))


def test_checkpoint_covers_what_is_committed_with_it(log):
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(0, 10, payloads=True))
    assert stage.resume().state is None
    stage.commit(make_evaluations(10, 10, payloads=True), b"first")
    assert stage.resume() == (b"first", None, False)
    stage.commit(make_evaluations(20, 13, payloads=True))
    with reopened(log) as again:
        stage = again.stage("s", "S")
        state, redo, finished = stage.resume()
        assert (state, finished) == (b"first", False)
        assert_same(redo, make_evaluations(20, 13, payloads=True))
        stage.commit(None, b"second", finished=True)
        assert stage.resume() == (b"second", None, True)
        assert stage.n_evaluations == 33


def test_stages_do_not_mix(log):
    log.bind(make_problem())
    first, second = log.stage("1", "First"), log.stage("2", "Second")
    first.commit(make_evaluations(0, 5), b"state of the first")
    second.commit(make_evaluations(5, 5))
    first.commit(make_evaluations(10, 5))
    second.commit(make_evaluations(15, 5))
    first.commit(make_evaluations(20, 1))
    assert first.resume().state == b"state of the first"
    np.testing.assert_array_equal(first.resume().redo.ids, [10, 11, 12, 13, 14, 20])
    assert first.resume().redo.errors == {3: "row 13 failed", 5: "row 20 failed"}
    np.testing.assert_array_equal(second.resume().redo.ids, [*range(5, 10), *range(15, 20)])
    assert second.resume().redo.errors == {1: "row 6 failed"}
    np.testing.assert_array_equal(log.arrays()["stages"], np.repeat([0, 1, 0, 1, 0], [5, 5, 5, 5, 1]))
    assert [(s.key, s.title, s.n_evaluations) for s in log.stages()] == [("1", "First", 11), ("2", "Second", 10)]
    assert log.stage("1", "Renamed").n_evaluations == 11
    assert [s.title for s in log.stages()] == ["Renamed", "Second"]


def test_stage_summaries(log):
    log.bind(make_problem())
    log.stage("begun", "Begun")
    done = log.stage("done", "Done")
    done.commit(make_evaluations(3, 5), b"", finished=True)
    begun, done = log.stages()
    assert begun == ("begun", "Begun", 0, False, -np.inf, None)
    assert done[:5] == ("done", "Done", 5, True, -0.003)
    assert done.time.tzinfo is not None


CUTS = st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 1)), max_size=12)


@given(cuts=CUTS)
def test_any_split_into_commits_gives_the_same_log(tmp_path_factory, cuts):
    starts = [0, *itertools.accumulate(n for n, _, _ in cuts)]
    whole = make_evaluations(0, starts[-1], payloads=True)
    for path in (None, tmp_path_factory.mktemp("log") / "run.sqlite"):
        with EvaluationLog(path) as log:
            log.bind(make_problem())
            stages = [log.stage(key, key) for key in "xy"]
            expected = {0: (None, []), 1: (None, [])}
            for start, (n, checkpoint, which) in zip(starts, cuts, strict=False):
                state = b"%d" % start if checkpoint else None
                stages[which].commit(make_evaluations(start, n, payloads=True), state)
                kept = expected[which]
                expected[which] = (state, []) if checkpoint else (kept[0], [*kept[1], *range(start, start + n)])
            arrays = log.arrays()
            for name in COLUMNS:
                np.testing.assert_array_equal(arrays[name], getattr(whole, name))
            assert sum(log.counts().values()) == len(log) == starts[-1]
            for stage, (state, ids) in zip(stages, expected.values(), strict=True):
                resumed = stage.resume()
                assert resumed.state == state
                assert ([] if resumed.redo is None else resumed.redo.ids.tolist()) == ids
                if ids:
                    assert resumed.redo.errors == {at: f"row {i} failed" for at, i in enumerate(ids) if i % 7 == 6}
                    for row, payload in zip(ids, resumed.redo.payloads or itertools.repeat(None), strict=False):
                        assert (payload is None) == (row % 3 == 0)
                        assert payload is None or (payload == row).all()


def test_large_batches_are_stored_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(runfile, "BLOCK_ROWS", 10)
    with EvaluationLog(tmp_path / "run.sqlite") as log:
        log.bind(make_problem())
        stage = log.stage("s", "S")
        stage.commit(make_evaluations(0, 35, payloads=True))
        assert [len(block["seconds"]) for block in log.iter_batches()] == [10, 10, 10, 5]
        assert_same(stage.resume().redo, make_evaluations(0, 35, payloads=True))
        assert log.best() == ({"a": 0.0, "b": 0.0, "n": 0, "offset": 2.5}, 0.0)


def test_best_and_top(log):
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(20, 10))
    stage.commit(make_evaluations(6, 5))
    stage.commit(make_evaluations(8, 2))  # the same points again
    values, log_likelihood = log.best()
    assert log_likelihood == -0.007
    assert values == {"a": 0.007, "b": np.sin(7), "n": 7, "offset": 2.5}
    assert isinstance(values["n"], int)
    np.testing.assert_array_equal(log.top(5)[:, 0] * 1000, [7, 8, 9, 10, 21])
    assert len(log.top(100)) == 4 + 8  # rows 6, 20 and 27 failed
    with pytest.raises(InvalidConfigurationError, match="number of points >= 1, got 0"):
        log.top(0)


def test_a_log_of_failures_has_no_best_point(log):
    log.bind(make_problem())
    log.stage("s", "S").commit(make_evaluations(6, 1))
    assert log.best() is None
    assert log.top(3).shape == (0, DIMENSION)
    assert log.stages()[0].log_likelihood == -np.inf


def test_counts_and_failures(log):
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(0, 10))
    stage.commit(make_evaluations(10, 11))
    assert log.counts() == {"ok": 18, "excluded": 0, "failed": 3, "violated": 0, "lost": 0}
    assert [failure.error for failure in log.failures()] == ["row 6 failed", "row 13 failed", "row 20 failed"]
    first = log.failures(limit=1)
    assert first == [({"a": 0.006, "b": np.sin(6), "n": 6, "offset": 2.5}, "failed", "row 6 failed")]


def test_error_texts_are_limited_in_number_and_length(log, monkeypatch):
    monkeypatch.setattr(rows, "MAX_TEXTS", 4)
    log.bind(make_problem())
    stages = [log.stage("1", "1"), log.stage("2", "2")]
    for start in (0, 21, 42):
        for stage in stages:
            stage.commit(make_evaluations(start, 21))
    failures = log.failures(limit=100)
    assert len(failures) == 18
    assert [failure.error for failure in failures[:4]] == [f"row {row} failed" for row in (6, 13, 20, 27)]
    assert [failure.error for failure in failures[8:]] == [""] * 10
    assert sorted(failure.values["a"] for failure in failures) == sorted([row / 1000 for row in range(6, 63, 7)] * 2)
    assert len(log.failures(limit=11)) == 11
    long = make_evaluations(6, 1)
    long.errors[0] = "é" * 30_000 + "ValueError: the end"
    monkeypatch.setattr(rows, "MAX_TEXTS", 1000)
    stages[0].commit(long)
    (text,) = [failure.error for failure in log.failures(100) if "the end" in failure.error]
    assert 15_000 < len(text.encode()) < 20_100
    assert text.startswith("[the first ")
    assert text.endswith("éValueError: the end")


def test_dataframe(log):
    space = wilks.Space(
        x=wilks.Real(0, 1), n=wilks.Integer(1, 3), kind=wilks.Categorical(["red", "blue"]), phase=wilks.Grid([0.5, 2])
    )
    log.bind(wilks.LikelihoodProblem(space, lambda values: values["x"]))
    log.stage("s", "A stage").commit(
        Evaluations(
            ids=np.arange(2),
            thetas=np.array([[0.1, 2.0, 1.0, 0.5], [0.2, 3.0, 0.0, 2.0]]),
            phases=np.array([7, 99], np.int8),
            log_likelihoods=np.array([-1.0, -np.inf]),
            statuses=np.array([0, 3], np.int8),
            seconds=np.array([0.5, 0.0], np.float32),
            workers=np.array([11, 12], np.int32),
        )
    )
    frame = log.to_dataframe()
    assert frame.to_dict("list") == {
        "x": [0.1, 0.2],
        "n": [2, 3],
        "kind": ["blue", "red"],
        "phase": [0.5, 2.0],
        "log_likelihood": [-1.0, -np.inf],
        "phase_": ["search", "99"],
        "status": ["ok", "violated"],
        "seconds": [0.5, 0.0],
        "worker": [11, 12],
        "stage": ["A stage", "A stage"],
    }
    assert frame["n"].dtype == np.int64


def test_restrictions_of_a_problem_share_a_log(log):
    problem = make_problem()
    log.bind(problem)
    log.bind(problem.fix(a=1.0))
    log.bind(make_problem(), seed=3)
    log.bind(problem, seed=4)  # the first seed that was given is kept
    log.check_seed(None)
    log.check_seed(3)
    with pytest.raises(CheckpointError, match=r"begun with seed 3, got seed 4; continue with seed 3, or use another"):
        log.check_seed(4)


def test_another_problem_is_refused(log):
    log.bind(make_problem())
    with pytest.raises(CheckpointError, match=r"parameters differ:\n  a: was Real\(0.0,10.0.*, is Real\(0.0,20.0"):
        log.bind(make_problem(width=2.0))
    same_space = wilks.LikelihoodProblem(make_problem().space, lambda values: values["a"] + 1.0)
    with pytest.raises(CheckpointError, match=r"the function or its data changed\nUse another run folder"):
        log.bind(same_space)
    entries = make_problem().space
    more = wilks.Space(b=entries["b"], a=entries["a"], n=entries["n"], offset=2.5)
    with pytest.raises(CheckpointError, match=r"order of the parameters changed: it was a, b, n, offset, it is b, a"):
        log.bind(wilks.LikelihoodProblem(more, lambda values: -values["a"]))
    fewer = wilks.Space(a=entries["a"], b=entries["b"], offset=2.5, extra=1)
    with pytest.raises(CheckpointError, match=r"(?s)n: was Integer\(0,100,None\), is absent.*extra: was absent, is 1"):
        log.bind(wilks.LikelihoodProblem(fewer, lambda values: -values["a"]))


def test_another_python_is_named_as_a_possible_reason(log, monkeypatch):
    log.bind(make_problem())
    monkeypatch.setattr("platform.python_version", lambda: "3.99.1")
    changed = wilks.LikelihoodProblem(make_problem().space, lambda values: 0.0)
    with pytest.raises(CheckpointError, match=r"this is Python 3\.99: if you changed nothing, continue with Python"):
        log.bind(changed)


def test_a_prior_of_another_package_does_not_hinder(log):
    from scipy.stats import norm

    space = wilks.Space(x=wilks.Real(-5, 5, prior=norm(0, 1)))
    log.bind(wilks.LikelihoodProblem(space, lambda values: 0.0))
    assert log.space.free == ("x",)


def test_what_does_not_fit_is_refused_and_changes_nothing(log):
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(0, 3))
    good = make_evaluations(3, 4)
    with pytest.raises(InvalidDataError, match=r"expected thetas of shape \(4, 3\), .* got \(4, 2\)"):
        stage.commit(Evaluations(**{**vars(good), "thetas": good.thetas[:, :2]}))
    with pytest.raises(InvalidDataError, match="expected 4 seconds, one per id, got 3"):
        stage.commit(Evaluations(**{**vars(good), "seconds": good.seconds[:3]}), b"state")
    stage.commit(good)
    assert_same(stage.resume().redo, make_evaluations(0, 7))


def test_an_append_in_memory_that_was_cut_short_leaves_no_trace(monkeypatch):
    log = EvaluationLog()
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(0, 7, payloads=True))
    with monkeypatch.context() as patch:

        def interrupt(*arguments):
            raise KeyboardInterrupt

        patch.setattr(rows, "failures_of", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stage.commit(make_evaluations(100, 20, payloads=True), b"state")
    assert_same(stage.resume().redo, make_evaluations(0, 7, payloads=True))
    stage.commit(make_evaluations(7, 9, payloads=True))
    assert_same(stage.resume().redo, make_evaluations(0, 16, payloads=True))


def test_bind_comes_first(log):
    with pytest.raises(CheckpointError, match=r"bind\(problem\) comes before the first stage"):
        log.stage("s", "S")


def test_closing(log):
    log.bind(make_problem())
    stage = log.stage("s", "S")
    stage.commit(make_evaluations(0, 3))
    log.close()
    log.close()
    assert log.closed
    if log.path is None:
        assert len(log) == 3
        return
    assert "closed" in repr(log) + repr(stage)
    assert "closed" in log._repr_html_()
    for use in (lambda: len(log), log.best, lambda: stage.commit(make_evaluations(3, 1))):
        with pytest.raises(CheckpointError, match=r"run\.sqlite: this log is closed; open it again"):
            use()
    assert names_in(log.path.parent) == ["run.sqlite"]


def test_a_forgotten_log_is_closed(tmp_path):
    log = EvaluationLog(tmp_path / "deep" / "run.sqlite")
    log.bind(make_problem())
    log.stage("s", "S").commit(make_evaluations(0, 3))
    path = log.path
    del log
    assert names_in(path.parent) == ["run.sqlite"]
    with EvaluationLog(path) as again:
        assert len(again) == 3


def test_repr(log):
    log.bind(make_problem())
    log.stage("s", "Global <search>").commit(make_evaluations(1, 6), finished=True)
    log.stage("t", "Fit")
    assert repr(log).splitlines()[1:] == [
        "6 evaluations of 'hill', 1 failed",
        "stage            evaluations  best log-likelihood",
        "Global <search>            6               -0.001      finished",
        "Fit                        0                       not finished",
    ]
    assert "Global &lt;search&gt;" in log._repr_html_()
    assert repr(log).startswith("EvaluationLog()" if log.path is None else f"EvaluationLog({str(log.path)!r})")
