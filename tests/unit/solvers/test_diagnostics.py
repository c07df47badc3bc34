"""What the numbers of a fit are worth: every threshold from both sides."""

import math
from dataclasses import replace

import numpy as np
import pytest

from wilks import Integer, Real, Space
from wilks.solvers.covariance import uncertainty
from wilks.solvers.diagnostics import Evidence, identifiability, n_equivalent, slopes_at
from wilks.solvers.result import Identifiability

SPACE = Space(a=Real(0, 1), n=Integer(0, 3), b=Real(0, 10))
COLUMNS = np.array([0, 2])


def found(matrix=((1e4, 0.0), (0.0, 1e4)), u=(0.5, 0.5), gradient=(0.0, 0.0)):
    return uncertainty(np.array(u), np.array(gradient), np.array(matrix))


GOOD = Evidence("", found(), ("a", "b"), 1e-9, 0.01, 0.02, (100.0, 100))


def flag(**changes):
    findings = replace(GOOD, **changes).findings()
    return findings[0].flag if findings else "good"


def texts(**changes):
    return [finding.text for finding in replace(GOOD, **changes).findings()]


def test_nothing_speaks_against_a_good_fit():
    assert GOOD.findings() == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ended": "Interrupted"}, "poor"),
        ({"uncertainty": None}, "poor"),
        ({"remaining_gain": 0.009}, "good"),
        ({"remaining_gain": 0.011}, "marginal"),
        ({"remaining_gain": 0.6}, "poor"),
        ({"remaining_gain": math.nan}, "good"),
        ({"curvature_error": 0.09}, "good"),
        ({"curvature_error": 0.11}, "marginal"),
        ({"curvature_error": math.inf}, "marginal"),
        ({"undiscovered": 0.049}, "good"),
        ({"undiscovered": 0.051}, "marginal"),
        ({"undiscovered": math.nan}, "good"),
        ({"n_equivalent": 1}, "marginal"),
        ({"uncertainty": found(((1e8, 0.9999e8), (0.9999e8, 1e8)))}, "good"),
        ({"uncertainty": found(((1e8, 0.9999999e8), (0.9999999e8, 1e8)))}, "marginal"),
        ({"uncertainty": found(((1e4, 0.0), (0.0, 12.2)))}, "good"),
        ({"uncertainty": found(((1e4, 0.0), (0.0, 11.8)))}, "marginal"),
        ({"uncertainty": found(((1e4, 0.0), (0.0, 0.5)))}, "poor"),
        ({"uncertainty": found(u=(0.0, 0.5), gradient=(-1.0, 0.0))}, "marginal"),
        ({"uncertainty": found(u=(0.0, 1.0), gradient=(-1.0, 1.0))}, "poor"),
        ({"uncertainty": found(((math.nan, 0.0), (0.0, 1e4)))}, "poor"),
    ],
)
def test_the_flag_follows_the_thresholds(changes, expected):
    assert flag(**changes) == expected


@pytest.mark.parametrize(
    ("reduced", "dof", "expected"),
    [
        (1.45, 10_000, "good"),
        (1.55, 10_000, "marginal"),
        (2.9, 10_000, "marginal"),
        (3.1, 10_000, "poor"),
        (0.55, 10_000, "good"),
        (0.45, 10_000, "marginal"),
        (0.0, 10_000, "marginal"),
        (2.4, 8, "good"),  # with few degrees of freedom that is chance
        (2.6, 8, "marginal"),
        (3.4, 8, "marginal"),
        (3.6, 8, "poor"),
        (50.0, 0, "good"),
    ],
)
def test_chi_squared_counts_where_it_is_far_off_and_no_chance(reduced, dof, expected):
    assert flag(chi_squared=(reduced * max(dof, 1), dof)) == expected
    assert flag(chi_squared=None) == "good"


def test_the_worst_reason_comes_first_and_none_is_left_out():
    bad = {"curvature_error": 0.5, "chi_squared": (500.0, 100), "n_equivalent": 2, "ended": "Interrupted"}
    assert texts(**bad) == [
        "Interrupted",
        "the reduced chi-squared is 5: the model does not fit the data",
        "the log-likelihood is no parabola within one standard error",
        "the chi-squared of 2 other optima is within 4 of the best",
    ]


def test_names_are_named():
    assert texts(uncertainty=found(((1e4, 0.0), (0.0, 11.8)))) == [
        "the standard error of b is more than 29 % of the range"
    ]
    ridge = found(((1e4, 1e4), (1e4, 1e4)))
    assert texts(uncertainty=ridge) == ["a and b are not determined"]
    assert texts(uncertainty=found(u=(0.0, 0.5), gradient=(-1.0, 0.0))) == ["a is at a bound"]


def test_only_optima_elsewhere_that_are_as_good_are_equivalent():
    points = [np.array([0.1, 0.1]), np.array([0.1, 0.105]), np.array([0.1, 0.9]), np.array([0.5, 0.1])]
    assert n_equivalent(points, [-1.0, -1.0, -2.9, -3.1]) == 1
    assert n_equivalent(points[:1], [-1.0]) == 0
    assert n_equivalent([], []) == 0


def test_what_is_determined_and_why_not():
    def reasons(uncertain):
        return {name: verdict.reason for name, verdict in identifiability(SPACE, COLUMNS, uncertain).items()}

    assert identifiability(SPACE, COLUMNS, found()) == dict.fromkeys("anb", Identifiability(ok=True))
    assert reasons(found(u=(0.5, 1.0), gradient=(0.0, 1.0)))["b"] == "at its upper bound"
    assert reasons(found(((1e4, 0.0), (0.0, 0.0))))["b"] == "nothing changes when it moves"
    ridge = reasons(found(((1e4, 1e4), (1e4, 1e4))))
    assert ridge == {
        "a": "nothing changes when it moves together with b",
        "n": "",
        "b": "nothing changes when it moves together with a",
    }
    assert reasons(found(((1e4, 0.0), (0.0, 4.0))))["b"] == "its standard error is 50 % of its range"
    assert reasons(found(((math.nan, 0.0), (0.0, 1e4))))["a"] == "the log-likelihood has no second derivative"
    assert reasons(None)["a"] == "no second derivatives were measured"


def test_slopes_do_not_depend_on_units():
    names, gradient, curvature = ["a", "b"], np.array([0.3, -0.2]), np.array([[4.0, 1.0], [1.0, 100.0]])
    free = np.zeros(2, dtype=np.int8)
    small = slopes_at(names, gradient, curvature, np.array([1.0, 1.0]), free)
    large = slopes_at(names, gradient, curvature, np.array([1e6, 1.0]), free)
    assert small.scaled_gradient == large.scaled_gradient == pytest.approx({"a": 0.15, "b": -0.02})
    assert small.imbalance == large.imbalance == pytest.approx(5.0)
    assert large.sensitivity == {"b": 10.0, "a": pytest.approx(2e-6)}
    assert list(large.sensitivity) == list(small.sensitivity) == ["b", "a"]


def test_slopes_at_a_bound_and_of_what_does_nothing():
    held = np.array([1, 0, 0], dtype=np.int8)
    curvature = np.diag([4.0, 0.0, math.nan])
    at = slopes_at(["a", "b", "c"], np.array([9.0, 0.0, 0.0]), curvature, np.ones(3), held)
    assert at.scaled_gradient == {}
    assert at.sensitivity == {"a": 2.0, "b": 0.0}
    assert at.imbalance == math.inf
