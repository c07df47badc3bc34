"""The user's functions on their way to wilks and to other processes, and the test functions of paraprof."""

import pickle

import numpy as np
import pytest

from wilks import problems
from wilks.core.errors import InvalidProblemError
from wilks.facades import (
    ConfigurationError,
    NuisanceParameterWrapper,
    create_nuisance_wrapped_function,
    get_test_function,
    paraprof,
    register_nuisance_wrapped_test_functions,
)
from wilks.facades.paraprof import target
from wilks.facades.paraprof.target import Gradient, OnEveryRank, Sendable, Target, provide

NAMES = ("a", "b")
VALUES = {"b": 2.0, "a": 1.0}


def test_target_gets_an_array_in_the_order_of_the_names():
    seen = []
    Target(seen.append, NAMES)(VALUES)
    (array,) = seen
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [1.0, 2.0]


def test_target_may_change_its_array():
    first = Target(lambda p: p.sort() or float(p[0]), NAMES)
    assert [first({"a": 3.0, "b": 2.0}), first({"a": 3.0, "b": 2.0})] == [2.0, 2.0]


@pytest.mark.parametrize("answer", [-3.0, np.float64(-3), np.array(-3.0), np.array([-3.0]), np.array([[-3]]), [-3.0]])
def test_one_number_in_an_array_is_that_number(answer):
    value = Target(lambda p: answer, NAMES)(VALUES)
    assert float(value) == -3.0
    assert np.ndim(value) == 0


def test_other_answers_are_left_to_the_evaluator():
    assert Target(lambda p: None, NAMES)(VALUES) is None
    assert Target(lambda p: p, NAMES)(VALUES).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([1, np.nan], [1, np.nan]),
        (np.array([[1.0, 2.0]]), [1, 2]),
        ({1: 4}, {"b": 4.0}),
        ({np.int64(0): np.float64(2), 1: np.inf}, {"a": 2.0, "b": np.inf}),
        ({}, {}),
    ],
)
def test_gradient_with_gaps(answer, expected):
    found = Gradient(lambda p: answer, NAMES)(VALUES)
    if isinstance(expected, dict):
        assert found == expected
    else:
        np.testing.assert_array_equal(found, expected)


def test_gradient_for_an_index_that_does_not_exist():
    with pytest.raises(InvalidProblemError, match="expected the indices 0 to 1 as keys, got 2"):
        Gradient(lambda p: {2: 1.0}, NAMES)(VALUES)


def test_any_function_can_be_sent_by_the_pickle_of_mpi4py():
    factor = 3.0
    function = Sendable(lambda p: -factor * p[0])
    assert function([2.0]) == -6.0
    assert pickle.loads(pickle.dumps(function))([2.0]) == -6.0


def test_function_that_every_rank_has_is_found_there(monkeypatch):
    monkeypatch.setattr(target, "_provided", {})
    function = pickle.loads(pickle.dumps(OnEveryRank("target_func")))
    with pytest.raises(InvalidProblemError, match=r"worker_main\(comm, myrank, target_func=...\)"):
        function([1.0])
    provide("target_func", sum)
    assert function([1.0, 2.0]) == 3.0


@pytest.mark.parametrize("name", paraprof.list_test_functions())
def test_test_functions_have_their_maximum_at_the_peaks(name):
    log_likelihood, bounds, peaks = get_test_function(name)
    lower, upper = np.transpose(bounds)
    known = problems.test_function(name)
    assert len(peaks) == len(known.maxima)
    for peak in peaks:
        assert ((peak >= lower) & (peak <= upper)).all()
        assert log_likelihood(peak) == pytest.approx(known.maximum, abs=1e-8)
    middle = 0.9 * lower + 0.1 * upper
    assert log_likelihood(middle) <= known.maximum


def test_test_function_takes_lists_and_is_sent_by_name():
    log_likelihood, bounds, _ = get_test_function("rosenbrock_4d")
    data = pickle.dumps(log_likelihood)
    assert len(data) < 200
    assert pickle.loads(data)([0, 0, 0, 0]) == log_likelihood(np.zeros(4)) == pytest.approx(-0.3)
    assert bounds == [[-6.0, 6.0]] * 4


def test_unknown_test_function():
    with pytest.raises(ValueError, match="himmelblau_4d"):
        get_test_function("himmelblau_4")


def ridge(x):
    return -0.5 * float(x[0] ** 2 + 4 * x[1] ** 2)


@pytest.mark.parametrize(
    ("mode", "point", "moved"),
    [
        ("shift", [1.0, 2.0, 0.5, -0.25], [1.5, 1.75]),
        ("scale", [1.0, 2.0, 0.5, -0.25], [1.5, 1.5]),
        ("additive", [1.0, 2.0, 0.5, -0.25], [1.0, 2.0]),
        ("rotation", [1.0, 2.0, 0.5, -0.25], [np.cos(0.05) - 2 * np.sin(0.05), np.sin(0.05) + 2 * np.cos(0.05)]),
    ],
)
def test_modes_of_nuisances(mode, point, moved):
    function = NuisanceParameterWrapper(ridge, 2, 2, coupling_mode=mode)
    assert function(np.array(point)) == pytest.approx(ridge(moved) - 0.5 * (0.5**2 + 0.25**2))


def test_mixed_mode_is_linear_and_always_the_same():
    first, second = (NuisanceParameterWrapper(ridge, 2, 5, coupling_mode="mixed") for _ in range(2))
    assert (first.coupling_matrix == second.coupling_matrix).all()
    assert (first.coupling_matrix == 0).any()
    nuisance = np.arange(5) / 10
    expected = ridge(np.ones(2) + first.coupling_matrix @ nuisance) - 0.5 * nuisance @ nuisance
    assert first([1.0, 1.0, *nuisance]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [("gaussian", -0.125, -2.0), ("uniform", 0.0, -np.inf), ("soft_uniform", 0.0, -0.5)],
)
def test_constraints_of_nuisances(constraint, inside, outside):
    function = NuisanceParameterWrapper(
        ridge, 2, 1, "additive", constraint_sigma=2.0, nuisance_mean=1.0, constraint_mode=constraint
    )
    assert (function([0, 0, 2.0]), function([0, 0, 5.0])) == (inside, outside)


def test_outside_a_uniform_constraint_the_function_is_not_called():
    function = NuisanceParameterWrapper(lambda x: 1 / 0, 1, 1, constraint_mode="uniform")
    assert function([0.0, 3.0]) == -np.inf


def test_optimal_nuisances_are_not_the_mean_of_the_constraint():
    function, bounds, same = create_nuisance_wrapped_function(
        ridge, [[-5, 5], [-5, 5]], 2, 2, constraint_sigma=[1.0, 0.5], nuisance_mean=0.0
    )
    assert same is function
    assert bounds == [[-5, 5], [-5, 5], [-5.0, 5.0], [-2.5, 2.5]]
    # Maximum of -(3 + nu)^2 / 2 - nu^2 / 2, and of -4 (1 + nu)^2 / 2 - 4 nu^2 / 2.
    value, best = function.profile_over_nuisance([3.0, 1.0])
    assert best == pytest.approx([-1.5, -0.5], abs=1e-3)
    assert value == pytest.approx(-2.25 - 1.0, abs=1e-6)
    assert function.get_optimal_nuisance([3.0, 1.0]) == pytest.approx(best)
    assert function([3.0, 1.0, 0.0, 0.0]) < value - 3


def test_optimal_nuisances_stay_within_a_uniform_constraint():
    function = NuisanceParameterWrapper(ridge, 2, 1, constraint_mode="uniform", constraint_sigma=0.5)
    value, best = function.profile_over_nuisance([3.0, 0.0])
    assert best == pytest.approx([-0.5])
    assert value == pytest.approx(ridge([2.5, 0.0]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"coupling_mode": "bend"}, "known are shift, scale"),
        ({"constraint_mode": "hard"}, "known are gaussian"),
        ({"constraint_sigma": [1.0]}, "expected one number or 2"),
        ({"constraint_sigma": 0.0}, "expected positive widths"),
        ({"coupling_matrix": np.ones((2, 3))}, r"expected the shape \(2, 2\), got \(2, 3\)"),
        ({"n_nuisance": 0}, "n_nuisance"),
        ({"base_func": None}, "base_func"),
    ],
)
def test_nuisances_that_cannot_be_used(changed, words):
    with pytest.raises(ConfigurationError, match=words):
        NuisanceParameterWrapper(**({"base_func": ridge, "n_poi": 2, "n_nuisance": 2} | changed))


def test_point_of_another_length():
    with pytest.raises(ConfigurationError, match="2 parameters of interest and 1 nuisance parameters"):
        NuisanceParameterWrapper(ridge, 2, 1)([1.0, 2.0])


def test_registered_cases():
    registry = register_nuisance_wrapped_test_functions()
    assert len(registry) == 14
    function, bounds, wrapper, peaks = registry["himmelblau_4d_scale_8nuis_sigma0.1"]
    assert (len(bounds), wrapper.n_total, len(peaks)) == (12, 12, 16)
    assert function(np.concatenate([peaks[0], np.zeros(8)])) == pytest.approx(0.0, abs=1e-9)
    assert bounds[-1] == pytest.approx([-0.5, 0.5])
