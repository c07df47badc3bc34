"""Profile stages that hand over to each other: going on after an interruption changes nothing in them."""

import signal

import numpy as np
import pytest

from tests.integration.cli_process import Project

SECONDS = 0.001
CONFIG = """\
problem: model.py:problem
seed: 3
stages:
  - profile: {over: [x, y], grid: [9, 9], audit: 4}
  - profile: {over: [x, y], grid: [17, 17], audit: 4}
  - profile: {over: [z], audit: 4}
"""
RESULTS = ("01-*", "02-*", "03-*")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("undisturbed"), CONFIG)
    answer = project.invoke("run", "config.yaml")
    assert answer.returncode == 0, answer.stderr
    return project


@pytest.mark.slow
def test_the_search_for_optima_is_not_repeated(undisturbed):
    first, second, third = (undisturbed.result(pattern) for pattern in RESULTS)
    steps = [{step.name for step in result.provenance.executed} for result in (first, second, third)]
    assert ["multi-start" in names for names in steps] == [True, False, False]
    inside = first.in_roi
    np.testing.assert_array_equal(second.log_likelihood_map[::2, ::2][inside], first.log_likelihood_map[inside])


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (signal.SIGKILL, 1),
        pytest.param(signal.SIGINT, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, 2, marks=pytest.mark.slow),
    ],
)
def test_an_interruption_anywhere_changes_no_bit(tmp_path, undisturbed, stage, number):
    """The earlier maps come from their files then, and not from memory."""
    project = Project(tmp_path, CONFIG)
    before = sum(undisturbed.result(pattern).n_evaluations for pattern in RESULTS[:stage])
    inside = undisturbed.result(RESULTS[stage]).n_evaluations
    project.end_by(number, before + inside // 2, "run", "config.yaml", seconds=SECONDS)
    assert not list((tmp_path / "run" / "results").glob(f"{RESULTS[stage]}.wilks"))
    n_calls, n_logged = project.n_calls, project.n_logged
    assert n_calls > before
    answer = project.invoke("run", "run")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("Finished before; nothing is repeated.") == stage
    assert project.n_calls - n_calls == project.n_logged - n_logged  # nothing that is in the log was called again
    assert project.n_logged == undisturbed.n_logged
    for pattern in RESULTS:
        ours, theirs = project.result(pattern), undisturbed.result(pattern)
        assert ours.best == theirs.best
        assert ours.n_evaluations == theirs.n_evaluations
        np.testing.assert_array_equal(ours.log_likelihood_map, theirs.log_likelihood_map)
        for name, argmax in theirs.argmax.items():
            np.testing.assert_array_equal(ours.argmax[name], argmax)
