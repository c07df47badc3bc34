"""What is a log-likelihood, and what is a failure: one call at a time."""

import sys
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest

from wilks import Categorical, Integer, LikelihoodProblem, Real, ResidualProblem, Space
from wilks.core.errors import InvalidProblemError, StopRun
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation.call import evaluate_chunk

SPACE = Space(x=Real(-1, 1), y=Real(0, 2))
POINTS = np.array([[0.5, 1.0], [-0.5, 2.0]])


def answer_of(function, thetas=POINTS, want="value", space=SPACE, **more):
    return evaluate_chunk(LikelihoodProblem(space, function, **more), np.asarray(thetas, dtype=float), want)


def statuses(answer):
    return [EvaluationStatus(int(status)).name for status in answer.statuses]


class Badly:
    def __repr__(self):
        raise RuntimeError("no text either")


def raising(_):
    raise ZeroDivisionError("by my own code")


def endless(values):
    return endless(values) + 1.0


def never(_):
    raise AssertionError("was called")


FAILURES = {
    "raises": (raising, "ZeroDivisionError: by my own code"),
    "exits": (lambda _: sys.exit(3), "SystemExit: 3"),
    "NaN": (lambda _: float("nan"), "must return a finite float or minus infinity, got nan"),
    "+inf": (lambda _: np.inf, "must return a finite float or minus infinity, got inf"),
    "None": (lambda _: None, "must return one float, got None of type NoneType"),
    "text": (lambda _: "1.5", "must return one float, got '1.5' of type str"),
    "list": (lambda _: [1.5], "must return one float, got [1.5] of type list"),
    "array of one": (lambda _: np.array([1.5]), "got an array of shape (1,) of type ndarray"),
    "array of two": (lambda _: np.array([1.5, 2]), "got an array of shape (2,) of type ndarray"),
    "complex": (lambda _: 1.5 + 0j, "got (1.5+0j) of type complex"),
    "NumPy complex": (lambda _: np.array(1.5 + 0j), "got an array of shape () of type ndarray"),
    "bool": (lambda _: True, "got True of type bool"),
    "NumPy bool": (lambda _: np.True_, "of type bool"),
    "no repr": (lambda _: Badly(), "no text either"),
    "recursion": (endless, "RecursionError"),
    "stop": (lambda _: next(iter(())), "StopIteration"),
}


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_failure_is_recorded_with_its_reason(name, vectorized):
    function, text = FAILURES[name]
    answer = answer_of(function, [[0.1, 1], [0.2, 1], [0.3, 1]], vectorized=vectorized)
    assert statuses(answer) == ["FAILED"] * 3
    assert (answer.log_likelihoods == -np.inf).all()
    assert sorted(answer.errors) == [0, 1, 2]
    if not vectorized:
        assert text in answer.errors[0]


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), np.array(2), Fraction(4, 2)], ids=repr
)
def test_any_real_number_is_a_log_likelihood(value):
    answer = answer_of(lambda _: value)
    assert statuses(answer) == ["OK", "OK"]
    assert answer.log_likelihoods.tolist() == [2.0, 2.0]
    assert answer.payloads is None
    assert answer.errors == {}


def test_scalar_of_another_array_library():
    class Scalar:
        shape = ()

        def __array__(self, dtype=None, copy=None):
            return np.array(-1.5, dtype=dtype)

        def __float__(self):
            return -1.5

    assert answer_of(lambda _: Scalar()).log_likelihoods.tolist() == [-1.5, -1.5]


def test_minus_infinity_is_an_answer():
    answer = answer_of(lambda v: -np.inf if v["x"] < 0 else -1.0)
    assert statuses(answer) == ["OK", "EXCLUDED"]
    assert answer.errors == {}


def test_warning_is_shown_and_the_value_stands():
    def warns(_):
        warnings.warn("look out", UserWarning, stacklevel=1)
        return 1.0

    with pytest.warns(UserWarning, match="look out"):
        assert statuses(answer_of(warns)) == ["OK", "OK"]


def test_traceback_shows_the_users_frames_only():
    def inner(values):
        return {}["nothing"]

    def outer(values):
        return inner(values)

    text = answer_of(outer).errors[0]
    assert text.startswith("Traceback (most recent call last):")
    assert text.index("in outer") < text.index("in inner") < text.index("KeyError: 'nothing'")
    assert "src/wilks" not in text


def test_error_of_wilks_within_the_users_function_keeps_its_frames():
    def outer(values):
        return SPACE.fix(z=1.0)

    text = answer_of(outer).errors[0]
    assert "in outer" in text
    assert "InvalidProblemError" in text


def test_ctrl_c_ends_the_chunk_and_keeps_what_it_has():
    def likelihood(values):
        if values["x"] < 0:
            raise KeyboardInterrupt
        return 1.0

    answer = answer_of(likelihood, [[0.5, 1], [0.6, 1], [-0.5, 1], [0.7, 1]])
    assert answer.interrupted
    assert len(answer) == 2
    assert answer.log_likelihoods.tolist() == [1.0, 1.0]
    assert len(answer.seconds) == 2
    assert not answer_of(lambda _: 1.0).interrupted


@pytest.mark.parametrize("where", ["likelihood", "constraint", "gradient"])
def test_stop_run_ends_the_chunk_and_is_no_failure(where):
    def asks(values):
        if values["x"] < 0:
            raise StopRun
        return {"x": 1.0, "y": 1.0} if where == "gradient" else 1.0

    functions = {"function": lambda _: 1.0, "constraints": (), "gradient": lambda v: {"x": 1.0}}
    functions[{"likelihood": "function", "constraint": "constraints"}.get(where, where)] = asks
    answer = answer_of(thetas=[[0.5, 1], [0.6, 1], [-0.5, 1], [0.7, 1]], want="gradient", **functions)
    assert (answer.stopped, answer.interrupted) == (True, False)
    assert statuses(answer) == ["OK", "OK"]
    assert len(answer.log_likelihoods) == len(answer.seconds) == len(answer.payloads) == 2
    assert answer.errors == {}
    assert not answer_of(lambda _: 1.0).stopped


def test_time_of_a_call_does_not_include_points_without_a_call():
    def likelihood(values):
        time.sleep(0.002)
        return 1.0

    answer = answer_of(likelihood, np.column_stack([np.linspace(-0.9, 1, 20), np.ones(20)]))
    assert 0.002 < answer.mean_seconds == pytest.approx(answer.seconds.mean(), rel=1e-3)
    some = answer_of(
        likelihood, np.column_stack([np.linspace(-0.9, 1, 20), np.ones(20)]), constraints=lambda v: v["x"] > 0.85
    )
    assert statuses(some).count("VIOLATED") == 18
    assert some.mean_seconds > 0.002
    assert answer_of(likelihood, constraints=lambda v: False).mean_seconds is None
    assert answer_of(lambda v: v["x"], constraints=lambda v: False, vectorized=True).mean_seconds is None
    whole = answer_of(lambda v: time.sleep(0.004) or v["x"], constraints=lambda v: v["x"] > 0, vectorized=True)
    assert whole.mean_seconds > 0.004


def test_other_exceptions_that_are_no_errors_are_not_swallowed():
    class Stop(BaseException):
        pass

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        answer_of(stop)


def test_constraints():
    calls = []

    def likelihood(values):
        calls.append(values["x"])
        return 1.0

    answer = answer_of(likelihood, constraints=[lambda v: v["x"] > 0, lambda v: v["y"] < 3])
    assert statuses(answer) == ["OK", "VIOLATED"]
    assert calls == [0.5]
    assert answer.errors == {}
    assert answer.log_likelihoods.tolist() == [1.0, -np.inf]


@pytest.mark.parametrize("vectorized", [False, True])
def test_constraint_that_raises(vectorized):
    answer = answer_of(never, constraints=raising, vectorized=vectorized)
    assert statuses(answer) == ["FAILED", "FAILED"]
    assert "in raising" in answer.errors[0]
    assert "src/wilks" not in answer.errors[0]


def test_functions_may_change_what_they_are_given():
    def constraint(values):
        return values.pop("x") is not None

    def likelihood(values):
        return values.pop("x") + values.pop("y")

    problem = {"constraints": constraint, "gradient": lambda v: {"x": v.pop("x"), "y": v.pop("y")}}
    answer = answer_of(likelihood, want="gradient", **problem)
    assert answer.log_likelihoods.tolist() == [1.5, 1.5]
    assert answer.payloads[1].tolist() == [-0.5, 2.0]


# ---------------------------------------------------------------------- vectorized


def test_vectorized_gets_all_points_at_once():
    shapes = []

    def likelihood(values):
        shapes.append((values["x"].shape, values["c"]))
        return values["x"] * values["c"]

    space = Space(x=Real(-1, 1), y=Real(0, 2), c=3.0)
    answer = answer_of(likelihood, space=space, vectorized=True)
    assert shapes == [((2,), 3.0)]
    assert answer.log_likelihoods.tolist() == [1.5, -1.5]
    assert statuses(answer) == ["OK", "OK"]


def test_vectorized_bad_values_concern_their_points_only():
    def likelihood(values):
        return np.where(values["x"] > 0.7, np.nan, np.where(values["x"] < 0, -np.inf, values["x"]))

    answer = answer_of(likelihood, [[0.5, 1], [0.9, 1], [-0.5, 1]], vectorized=True)
    assert statuses(answer) == ["OK", "FAILED", "EXCLUDED"]
    assert list(answer.errors) == [1]
    assert "got nan" in answer.errors[1]


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_vectorized_that_raises_for_one_point(bad):
    thetas = np.column_stack([np.linspace(0, 0.6, 7), np.ones(7)])
    sizes = []

    def likelihood(values):
        sizes.append(len(values["x"]))
        if np.any(values["x"] == thetas[bad, 0]):
            raise ValueError("not here")
        return values["x"]

    answer = answer_of(likelihood, thetas, vectorized=True)
    expected = ["FAILED" if i == bad else "OK" for i in range(7)]
    assert statuses(answer) == expected
    assert "not here" in answer.errors[bad]
    assert len(answer.errors) == 1
    assert len(sizes) <= 7


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (lambda v: 1.0, "must return an array of floats of shape (2,), got 1.0"),
        (lambda v: np.ones(3), "of shape (2,), got shape (3,) of dtype float64"),
        (lambda v: np.ones((2, 1)), "got shape (2, 1)"),
        (lambda v: np.array([1j, 2j]), "dtype complex128"),
        (lambda v: np.array([True, False]), "dtype bool"),
        (lambda v: np.array(["a", "b"]), "dtype <U1"),
        (lambda v: None, "got None"),
    ],
)
def test_vectorized_wrong_answer_is_told_once_for_the_batch(returned, text):
    calls = []

    def likelihood(values):
        calls.append(1)
        return returned(values)

    answer = answer_of(likelihood, vectorized=True)
    assert statuses(answer) == ["FAILED", "FAILED"]
    assert len(calls) == 1
    assert text in answer.errors[0]
    assert answer.errors[0] == answer.errors[1]


def test_vectorized_lists_and_objects_of_numbers():
    assert answer_of(lambda v: [1, 2.5], vectorized=True).log_likelihoods.tolist() == [1.0, 2.5]
    objects = np.array([Fraction(1, 2), 2], dtype=object)
    assert answer_of(lambda v: objects, vectorized=True).log_likelihoods.tolist() == [0.5, 2.0]


def test_vectorized_with_constraints_sees_allowed_points_only():
    seen = []

    def likelihood(values):
        seen.append(values["x"].tolist())
        return values["x"]

    points = [[0.1, 1], [0.2, 2], [0.3, 1], [0.4, 2]]
    answer = answer_of(likelihood, points, vectorized=True, constraints=lambda v: v["y"] < 1.5)
    assert seen == [[0.1, 0.3]]
    assert statuses(answer) == ["OK", "VIOLATED", "OK", "VIOLATED"]
    assert answer.log_likelihoods.tolist() == [0.1, -np.inf, 0.3, -np.inf]
    everything = answer_of(never, points, vectorized=True, constraints=lambda v: False)
    assert statuses(everything) == ["VIOLATED"] * 4


def test_vectorized_with_categories_and_integers():
    space = Space(kind=Categorical(["a", "b"]), n=Integer(1, 3), x=Real(0, 1))
    thetas = np.array([space.to_theta({"kind": k, "n": n, "x": 0.5}) for k, n in [("a", 1), ("b", 3)]])
    seen = {}

    def likelihood(values):
        seen.update(values)
        return np.where(values["kind"] == "b", values["n"] * values["x"], 0.0)

    assert answer_of(likelihood, thetas, space=space, vectorized=True).log_likelihoods.tolist() == [0.0, 1.5]
    assert seen["n"].dtype.kind == "i"


def test_vectorized_ctrl_c():
    def likelihood(values):
        if len(values["x"]) > 1:
            raise ValueError("halve it")
        if values["x"][0] < 0:
            raise KeyboardInterrupt
        return values["x"]

    answer = answer_of(likelihood, [[0.1, 1], [0.2, 1], [-0.1, 1], [0.3, 1]], vectorized=True)
    assert answer.interrupted
    assert answer.log_likelihoods.tolist() == [0.1, 0.2]


@pytest.mark.parametrize("where", ["likelihood", "constraint"])
def test_vectorized_stop_run(where):
    def asks(values):
        if np.any(values["x"] < 0):
            raise StopRun
        return values["x"]

    points = [[0.1, 1], [0.2, 1], [-0.1, 1], [0.3, 1]]
    if where == "likelihood":
        answer = answer_of(asks, points, vectorized=True)
    else:
        answer = answer_of(never, points, vectorized=True, constraints=asks)
    assert answer.stopped
    assert not answer.interrupted
    assert len(answer) == len(answer.log_likelihoods) == 0
    assert answer.errors == {}


def test_vectorized_with_gradient_is_called_with_arrays_of_one():
    space = Space(x=Real(-1, 1), y=Real(0, 2), c=3.0)
    answer = answer_of(
        lambda v: v["x"] * v["c"] + 0 * v["y"],
        want="gradient",
        space=space,
        vectorized=True,
        gradient=lambda v: {"x": v["c"], "y": 0.0},
    )
    assert answer.log_likelihoods.tolist() == [1.5, -1.5]
    assert answer.payloads[0].tolist() == [3.0, 0.0]


# ---------------------------------------------------------------------- gradients


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        (lambda v: {"x": 1, "y": 2}, [1, 2]),
        (lambda v: {"y": 2}, [np.nan, 2]),
        (lambda v: np.array([1, 2]), [1, 2]),
        (lambda v: [np.nan, 2.0], [np.nan, 2]),
        (lambda v: np.array([np.inf, 2]), [np.nan, 2]),
    ],
)
def test_gradient(gradient, expected):
    answer = answer_of(lambda v: v["x"], want="gradient", gradient=gradient)
    assert statuses(answer) == ["OK", "OK"]
    np.testing.assert_array_equal(answer.payloads[0], expected)


@pytest.mark.parametrize(
    ("gradient", "text"),
    [
        (raising, "by my own code"),
        (lambda v: sys.exit(3), "SystemExit: 3"),
        (lambda v: [1.0], "gradient must return an array of floats of shape (2,), got shape (1,)"),
        (lambda v: np.ones((2, 2)), "got shape (2, 2)"),
        (lambda v: None, "got None"),
        (lambda v: {"x": "a", "y": 1.0}, "could not convert string to float"),
        (lambda v: {"x": 1.0, "z": 1.0}, "gradient: 'z' is no parameter; they are x, y"),
        (lambda v: np.array([1j, 2]), "complex"),
    ],
)
def test_wrong_gradient_costs_nothing_but_itself(gradient, text):
    answer = answer_of(lambda v: v["x"], want="gradient", gradient=gradient)
    assert statuses(answer) == ["OK", "OK"]
    assert answer.log_likelihoods.tolist() == [0.5, -0.5]
    np.testing.assert_array_equal(answer.payloads, np.full((2, 2), np.nan))
    assert sorted(answer.errors) == [0, 1]
    assert answer.errors[0].startswith("gradient")
    assert text in answer.errors[0]
    assert "src/wilks" not in answer.errors[0]


def test_only_the_first_broken_gradient_of_a_chunk_has_its_traceback():
    answer = answer_of(lambda v: v["x"], want="gradient", gradient=raising)
    assert "in raising" in answer.errors[0]
    assert answer.errors[1] == "gradient: ZeroDivisionError: by my own code"


def test_no_gradient_where_there_is_no_likelihood():
    asked = []

    def gradient(values):
        asked.append(values["x"])
        return {"x": 1.0}

    function = {0.1: 1.0, 0.2: -np.inf, 0.3: np.nan}
    points = [[0.1, 1], [0.2, 1], [0.3, 1], [0.4, 1]]
    answer = answer_of(
        lambda v: function[v["x"]], points, want="gradient", gradient=gradient, constraints=lambda v: v["x"] != 0.4
    )
    assert statuses(answer) == ["OK", "EXCLUDED", "FAILED", "VIOLATED"]
    assert asked == [0.1]
    assert [payload is None for payload in answer.payloads] == [False, True, True, True]


@pytest.mark.parametrize("gradient", [lambda v: {"x": 2.0}, lambda v: [2.0, np.nan], raising])
def test_a_discrete_parameter_has_no_derivative_to_miss(gradient):
    space = Space(x=Real(-1, 1), n=Integer(0, 3))
    answer = answer_of(lambda v: v["x"], [[0.5, 1.0]], want="gradient", gradient=gradient, space=space)
    assert answer.payloads[0][1] == 0.0


def test_gradient_of_a_fixed_problem_is_over_the_free_parameters():
    problem = LikelihoodProblem(SPACE, lambda v: v["x"], gradient=lambda v: np.array([1.0, 2.0])).fix(x=0.25)
    answer = evaluate_chunk(problem, np.array([[1.0]]), "gradient")
    assert answer.payloads[0].tolist() == [2.0]


def test_asking_for_what_a_problem_does_not_have_is_an_error_of_the_program():
    with pytest.raises(InvalidProblemError, match="a gradient was asked for"):
        answer_of(lambda v: 1.0, want="gradient")


# ---------------------------------------------------------------------- residuals


def residual_answer(residual, jacobian=None, want="residual"):
    return evaluate_chunk(ResidualProblem(SPACE, residual, jacobian=jacobian), POINTS, want)


def test_residual_and_jacobian():
    answer = residual_answer(lambda v: [v["x"], 2.0, 0.0], lambda v: np.arange(6).reshape(3, 2))
    assert answer.log_likelihoods.tolist() == [-2.125, -2.125]
    rows, said = answer.payloads[0], np.array([[0.5, 0, 1], [2, 2, 3], [0, 4, 5]])
    assert rows.T @ rows == pytest.approx(said.T @ said)  # its triangular factor says the same
    assert answer.n_data == 3
    assert residual_answer(lambda v: [1.0, 2.0]).payloads[0].tolist() == [[1.0], [2.0]]
    assert residual_answer(lambda v: [1.0, 2.0], want="value").payloads is None


def test_residual_so_large_that_its_square_overflows_excludes_the_point():
    answer = residual_answer(lambda v: [1e200, 1.0], want="value")
    assert statuses(answer) == ["EXCLUDED", "EXCLUDED"]


@pytest.mark.parametrize(
    ("residual", "jacobian", "text"),
    [
        (lambda v: 1.0, None, "residual must return an array of floats of shape (n,), got 1.0"),
        (lambda v: np.ones((2, 2)), None, "got shape (2, 2)"),
        (lambda v: [], None, "got shape (0,)"),
        (lambda v: [1.0, np.nan, np.inf], None, "residual: 2 of 3 entries are NaN or infinite"),
        (lambda v: np.array([1j]), None, "complex128"),
        (lambda v: "abc", None, "got 'abc'"),
        (raising, None, "by my own code"),
        (lambda v: [1.0, 2.0], raising, "by my own code"),
        (lambda v: [1.0, 2.0], lambda v: np.ones((3, 2)), "of shape (2, 2), got shape (3, 2)"),
        (lambda v: [1.0, 2.0], lambda v: np.ones((2, 3)), "of shape (2, 2), got shape (2, 3)"),
        (lambda v: [1.0, 2.0], lambda v: np.ones(2), "got shape (2,)"),
        (lambda v: [1.0, 2.0], lambda v: [[1.0, np.nan], [0, 0]], "jacobian: 1 of 4 entries"),
        (lambda v: [1.0, 2.0], lambda v: {"x": 1}, "got {'x': 1}"),
    ],
)
def test_wrong_residuals_are_failures(residual, jacobian, text):
    answer = residual_answer(residual, jacobian)
    assert statuses(answer) == ["FAILED", "FAILED"]
    assert text in answer.errors[0]
    assert "src/wilks" not in answer.errors[0]
    assert answer.payloads == [None, None]


def test_jacobian_of_a_fixed_problem():
    problem = ResidualProblem(SPACE, lambda v: [1.0, 2.0], jacobian=lambda v: [[1, 2], [3, 4]]).fix(x=0.0)
    rows = evaluate_chunk(problem, np.array([[1.0]]), "residual").payloads[0]
    assert rows.T @ rows == pytest.approx(np.array([[5, 10], [10, 20]]))
