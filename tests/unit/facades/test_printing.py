import io
import sys

import pytest

from tests.unit.facades.examples import PLANE, hill
from wilks import facades
from wilks.facades import ParallelTemperingOptimizer


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(capsys, verbosity, n_iter=50, **options):
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1)
    optimizer.search(hill, n_iter, verbosity=verbosity, **options)
    return capsys.readouterr().out


@pytest.mark.parametrize("verbosity", [False, [], None])
def test_silence(capsys, verbosity):
    assert shown(capsys, verbosity) == ""


def test_default(capsys):
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1)
    optimizer.search(hill, 50)
    text = capsys.readouterr().out
    assert f"best score:           {optimizer.best_score}" in text
    assert "objective:            hill" in text
    assert "throughput" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("print_results", "best parameters\n    x: "),
        ("print_times", "evaluation time:"),
        ("print_search_stats", "initialization:     6 (12.0 %)"),
        ("print_search_stats", "acceptance rate:      "),
        ("print_statistics", "std:"),
    ],
)
def test_parts(capsys, name, expected):
    text = shown(capsys, [name])
    assert expected in text
    assert len([line for line in text.splitlines() if not line.startswith(" ")]) == 1


def test_reason_to_stop(capsys):
    assert shown(capsys, ["debug_stop"]) == ""
    assert "max_time: 0.0" in shown(capsys, ["debug_stop"], max_time=0)
    assert "max_score: -" in shown(capsys, ["debug_stop"], max_score=-100)
    text = shown(capsys, ["debug_stop"], 500, early_stopping={"n_iter_no_change": 5})
    assert "early_stopping: no improvement in 5 iterations" in text
    assert "<lambda> returned False" in shown(capsys, ["debug_stop"], callbacks=[lambda info: False])


def test_no_finite_score(capsys):
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1)
    optimizer.search(
        lambda para: float("nan"), 20, verbosity=["print_results", "print_statistics", "print_search_stats"]
    )
    text = capsys.readouterr().out
    assert "no finite score" in text
    assert "invalid scores:       20" in text


def test_progress_bar_in_a_terminal_only(monkeypatch, capsys):
    assert shown(capsys, ["progress_bar"]) == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    ParallelTemperingOptimizer(PLANE, random_state=1).search(hill, 50, verbosity=["progress_bar"])
    assert "ParallelTemperingOptimizer" in terminal.getvalue()
    assert "50/50" in terminal.getvalue()


def test_progress_bar_of_a_search_that_fails(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    optimizer = ParallelTemperingOptimizer(PLANE, random_state=1)
    with pytest.raises(ZeroDivisionError):
        optimizer.search(lambda para: 1 / 0, 50, verbosity=["progress_bar"])
    assert optimizer.search_data.empty


def test_names_load_on_use():
    assert set(facades.__all__) == set(dir(facades))
    for name in facades.__all__:
        assert getattr(facades, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = facades.Nothing
