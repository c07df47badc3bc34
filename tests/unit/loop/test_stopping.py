"""Stopping rules as values."""

import math

import pytest

import wilks
from wilks.core.status import Outcome
from wilks.loop.stopping import RunInfo, as_rules


def info(n=100, best=-1.0, seconds=1.0, history=()):
    return RunInfo("run", n, 0, best, seconds, history=history)


@pytest.mark.parametrize(
    ("rule", "goes_on", "ends", "outcome", "text"),
    [
        (wilks.MaxEvaluations(100), info(99), info(100), "EVALUATION_LIMIT", "100 evaluations were made, 100 were"),
        (wilks.MaxTime(2), info(seconds=1.9), info(seconds=2.0), "TIME_LIMIT", "2.0 s were used, 2 s were allowed"),
        (
            wilks.TargetLogLikelihood(-1.5),
            info(best=-1.6),
            info(best=-1.5),
            "TARGET_REACHED",
            "Log-likelihood -1.5, the target was -1.5",
        ),
        (
            wilks.NoImprovement(50, tolerance=0.1),
            info(best=-1.0, history=[(10, -2.0), (60, -1.0)]),
            info(best=-1.0, history=[(10, -1.05), (60, -1.0)]),
            "NO_IMPROVEMENT",
            "no more than 0.1 within 50 evaluations",
        ),
    ],
    ids=lambda item: type(item).__name__ if hasattr(item, "check") else "",
)
def test_rule(rule, goes_on, ends, outcome, text):
    assert rule.check(goes_on) is None
    status = rule.check(ends)
    assert status.outcome is Outcome[outcome]
    assert text in status.message


def test_no_improvement_needs_something_to_compare_with():
    rule = wilks.NoImprovement(50)
    assert rule.check(info(40, history=[(1, -1.0)])) is None
    assert rule.check(info(100, best=-math.inf)) is None
    assert rule.check(info(51, best=-1.0, history=[(1, -1.0)])) is not None
    assert rule.check(info(50, best=-1.0, history=[(1, -1.0)])) is None


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: wilks.MaxEvaluations(0), "MaxEvaluations: expected a positive integer, got 0"),
        (lambda: wilks.MaxEvaluations(1.5), "got 1.5"),
        (lambda: wilks.MaxEvaluations(True), "got True"),
        (lambda: wilks.MaxTime(0), "MaxTime: expected a positive number, got 0"),
        (lambda: wilks.MaxTime("1h"), "got '1h'"),
        (lambda: wilks.MaxTime(math.nan), "got nan"),
        (lambda: wilks.NoImprovement(0), "NoImprovement: expected a positive number of evaluations, got 0"),
        (lambda: wilks.NoImprovement(5, -1), "expected tolerance >= 0, got -1"),
        (lambda: wilks.NoImprovement(5, "a"), "expected tolerance >= 0, got 'a'"),
        (lambda: wilks.TargetLogLikelihood(math.nan), "TargetLogLikelihood: expected a number, got nan"),
        (lambda: wilks.TargetLogLikelihood("0"), "got '0'"),
    ],
)
def test_wrong_settings_are_refused(make, text):
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        make()
    assert text in str(caught.value)


def test_rules_alone_in_a_list_or_none():
    rule = wilks.MaxTime(1)
    assert as_rules(None) == ()
    assert as_rules(rule) == (rule,)
    assert as_rules([rule, rule]) == (rule, rule)


@pytest.mark.parametrize("wrong", [100, "soon", [wilks.MaxTime(1), 5], wilks.MaxTime])
def test_what_is_no_rule_is_refused(wrong):
    with pytest.raises(wilks.InvalidConfigurationError, match=r"stop: expected wilks.MaxEvaluations\(n\)"):
        as_rules(wrong)
