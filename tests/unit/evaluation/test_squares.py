"""Rows (residual | Jacobian) of least-squares problems, above all of data that come in chunks."""

import gc
import math
import tracemalloc

import numpy as np
import pytest

from wilks import Categorical, Real, ResidualProblem, Space, StopRun
from wilks.core.loss import Loss, rescaled
from wilks.core.proposal import EvaluationStatus
from wilks.evaluation.call import evaluate_chunk
from wilks.evaluation.squares import gather, squares

X = np.linspace(0.0, 3.0, 100)
DATA = 2.0 * np.exp(-0.7 * X) + 0.1 * np.sin(37 * X)
SPACE = Space(a=Real(0, 5), rate=Real(0.1, 10, scale="log"), b=Real(-1, 1))
THETA = np.array([1.5, 1.1, 0.2])
VALUES = SPACE.to_values(THETA)
CUTS = [1, 30, 30, 77]  # a chunk of one, an empty one


def residual(values):
    return (DATA - values["a"] * np.exp(-values["rate"] * X) - values["b"]) / 0.1


def jacobian(values):
    decay = np.exp(-values["rate"] * X)
    return -np.column_stack([decay, -values["a"] * X * decay, np.ones_like(X)]) / 0.1


def in_chunks(function):
    def chunked(values):
        yield from np.split(function(values), CUTS)

    return chunked


def products(rows):
    return rows.T @ rows


def whole_rows(loss="linear", values=VALUES):
    r, j = rescaled(residual(values), jacobian(values), Loss(loss) if isinstance(loss, str) else loss)
    return np.column_stack([r, j])


def answer_of(problem, theta=THETA, want="residual"):
    """Status, log-likelihood, payload and error of one point, as the evaluator sees it."""
    answer = evaluate_chunk(problem, np.asarray(theta, dtype=float)[None, :], want)
    payload = answer.payloads[0] if answer.payloads else None
    return EvaluationStatus(int(answer.statuses[0])).name, answer.log_likelihoods[0], payload, answer.errors.get(0, "")


# ---------------------------------------------------------------------- in one piece


@pytest.mark.parametrize("loss", ["huber", "arctan"])
def test_rows_in_one_piece_are_as_they_came(loss):
    problem = ResidualProblem(SPACE, residual, jacobian=jacobian, loss=loss)
    value, rows = squares(problem, VALUES, "residual")
    assert value == problem.log_likelihood(VALUES)
    np.testing.assert_array_equal(rows, np.column_stack([residual(VALUES), jacobian(VALUES)]))
    assert squares(problem, VALUES, "value") == (value, None)
    without = ResidualProblem(SPACE, residual, loss=loss)
    np.testing.assert_array_equal(squares(without, VALUES, "residual")[1], residual(VALUES)[:, None])


def test_with_a_jacobian_the_factor_is_kept():
    problem = ResidualProblem(SPACE, residual, jacobian=jacobian)
    status, value, rows, _ = answer_of(problem)
    assert (status, value) == ("OK", problem.log_likelihood(VALUES))
    assert rows.shape == (4, 4)
    np.testing.assert_allclose(products(rows), products(whole_rows()), rtol=1e-12)
    _, _, rows, _ = answer_of(problem.fix(rate=1.1), [1.5, 0.2])
    np.testing.assert_allclose(products(rows), products(whole_rows()[:, [0, 1, 3]]), rtol=1e-12)
    without = ResidualProblem(SPACE, residual)
    np.testing.assert_array_equal(answer_of(without)[2], residual(VALUES)[:, None])


def test_fewer_residuals_than_parameters_in_one_piece():
    problem = ResidualProblem(SPACE, lambda v: residual(v)[:2], jacobian=lambda v: jacobian(v)[:2])
    np.testing.assert_allclose(products(answer_of(problem)[2]), products(whole_rows()[:2]), rtol=1e-12)


def test_residual_and_jacobian_may_use_one_array():
    buffer = np.empty((len(X), 4))

    def reusing(values):
        buffer[:, 3] = residual(values)
        return buffer[:, 3]

    def overwriting(values):
        buffer[:] = np.nan
        buffer[:, :3] = jacobian(values)
        return buffer[:, :3]

    _, _, rows, _ = answer_of(ResidualProblem(SPACE, reusing, jacobian=overwriting))
    np.testing.assert_allclose(products(rows), products(whole_rows()), rtol=1e-12)


def test_a_likelihood_of_zero_in_one_piece():
    problem = ResidualProblem(SPACE, lambda v: np.full(3, 1e200), jacobian=lambda v: np.ones((3, 3)))
    assert answer_of(problem)[:3] == ("EXCLUDED", -math.inf, None)


def with_entry(matrix, value):
    matrix[7, 1] = value
    return matrix


WRONG_JACOBIANS = {
    "NaN": (lambda v: with_entry(jacobian(v), np.nan), "jacobian: 1 of 300 entries are NaN or infinite"),
    "infinite": (lambda v: with_entry(jacobian(v), np.inf), "jacobian: 1 of 300 entries are NaN or infinite"),
    "transposed": (
        lambda v: jacobian(v).T,
        "jacobian must return an array of floats of shape (100, 3), got shape (3, ",
    ),
    "too short": (lambda v: jacobian(v)[1:], "of shape (100, 3), got shape (99, 3)"),
    "text": (lambda v: "abc", "of shape (100, 3), got 'abc'"),
}


@pytest.mark.parametrize("loss", ["linear", "huber"])
@pytest.mark.parametrize("case", WRONG_JACOBIANS)
def test_a_wrong_jacobian_is_a_failure_that_says_why(case, loss):
    function, text = WRONG_JACOBIANS[case]
    status, _, rows, error = answer_of(ResidualProblem(SPACE, residual, jacobian=function, loss=loss))
    assert (status, rows) == ("FAILED", None)
    assert text in error
    _, _, _, error = answer_of(ResidualProblem(SPACE, residual, jacobian=function, loss=loss).fix(rate=1.1), [1.5, 0.2])
    assert text in error


def test_what_is_returned_may_be_used_again():
    buffer = np.empty(len(X))

    def reusing(values):
        buffer[:] = residual(values)
        return buffer

    answer = evaluate_chunk(ResidualProblem(SPACE, reusing), np.array([THETA, 0.5 * THETA]), "residual")
    np.testing.assert_array_equal(answer.payloads[0][:, 0], residual(VALUES))


def test_a_generator_in_one_piece_is_told_what_it_needs():
    status, _, _, error = answer_of(ResidualProblem(SPACE, in_chunks(residual)))
    assert status == "FAILED"
    assert "must return an array of floats" in error
    assert error.endswith("need chunked=True")


# ---------------------------------------------------------------------- in chunks


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
def test_the_rows_of_chunks_have_the_products_of_the_whole(loss):
    problem = ResidualProblem(SPACE, in_chunks(residual), jacobian=in_chunks(jacobian), loss=loss, chunked=True)
    status, value, rows, _ = answer_of(problem)
    assert status == "OK"
    assert value == pytest.approx(ResidualProblem(SPACE, residual, loss=loss).log_likelihood(VALUES), rel=1e-13)
    assert rows.shape == (4, 4)
    np.testing.assert_allclose(products(rows), products(whole_rows(loss)), rtol=1e-11)
    assert answer_of(problem, want="value")[1] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("loss", ["linear", Loss("soft_l1", 0.5)])
def test_differences_are_taken_along_the_way(loss):
    problem = ResidualProblem(SPACE, in_chunks(residual), loss=loss, chunked=True)
    _, value, rows, _ = answer_of(problem)
    assert value == pytest.approx(ResidualProblem(SPACE, residual, loss=loss).log_likelihood(VALUES), rel=1e-13)
    np.testing.assert_allclose(products(rows), products(whole_rows(loss)), rtol=1e-5, atol=1e-4)


def test_every_generator_is_made_once_and_goes_through_once():
    made = []

    def counted(values):
        made.append(values)
        yield from np.split(residual(values), CUTS)

    answer_of(ResidualProblem(SPACE, counted, chunked=True))
    assert len(made) == 4
    made.clear()
    answer_of(ResidualProblem(SPACE, counted, chunked=True), want="value")
    assert len(made) == 1


def test_generators_run_side_by_side():
    """No generator is more than one chunk ahead of another: a file that all of them read is read once."""
    course = []

    def told(values):
        for index, piece in enumerate(np.split(residual(values), CUTS)):
            course.append(index)
            yield piece

    answer_of(ResidualProblem(SPACE, told, chunked=True))
    assert course == sorted(course)


@pytest.mark.parametrize("theta", [[0.0, 0.1, -1.0], [5.0, 10.0, 1.0], [5.0 - 1e-12, 10.0 - 1e-12, 1e-12 - 1.0]])
def test_no_point_outside_the_box(theta):
    def strict(values):
        for name in SPACE.free:
            assert SPACE[name].lower <= values[name] <= SPACE[name].upper
        yield residual(values)

    status, _, rows, error = answer_of(ResidualProblem(SPACE, strict, chunked=True), theta)
    assert status == "OK", error
    expected = whole_rows(values=SPACE.to_values(theta))
    np.testing.assert_allclose(products(rows), products(expected), rtol=1e-5, atol=1e-4)


def test_constants_and_fixed_parameters():
    root = ResidualProblem(SPACE, in_chunks(residual), jacobian=in_chunks(jacobian), chunked=True)
    _, _, rows, _ = answer_of(root.fix(rate=1.1), [1.5, 0.2])
    expected = products(whole_rows()[:, [0, 1, 3]])
    np.testing.assert_allclose(products(rows), expected, rtol=1e-11)
    _, _, rows, _ = answer_of(ResidualProblem(SPACE, in_chunks(residual), chunked=True).fix(rate=1.1), [1.5, 0.2])
    np.testing.assert_allclose(products(rows), expected, rtol=1e-5)


def test_discrete_parameters_have_no_derivative():
    space = Space(kind=Categorical(["u", "v"]), a=Real(0, 5), rate=Real(0.1, 10), b=Real(-1, 1))
    _, _, rows, _ = answer_of(ResidualProblem(space, in_chunks(residual), chunked=True), [1.0, *THETA])
    assert (rows[:, 1] == 0).all()
    np.testing.assert_allclose(products(rows[:, [0, 2, 3, 4]]), products(whole_rows()), rtol=1e-5, atol=1e-4)


def test_fewer_data_than_parameters():
    problem = ResidualProblem(SPACE, lambda v: iter([residual(v)[:2]]), chunked=True)
    _, value, rows, _ = answer_of(problem)
    assert rows.shape == (2, 4)
    assert np.linalg.norm(rows[:, 0]) ** 2 == pytest.approx(-2 * value)


def test_memory_does_not_grow_with_the_data():
    n = 20_000

    def long(values):
        for k in range(50):
            yield np.full(n, values["a"] - k)

    problem = ResidualProblem(Space(a=Real(0, 5)), long, chunked=True)
    gc.collect()
    tracemalloc.start()
    answer_of(problem, [1.0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 8 * n  # a dozen arrays of a chunk; the data are fifty


def test_what_is_yielded_may_be_used_again():
    buffer = np.empty(25)

    def reusing(values):
        for piece in np.split(residual(values), 4):
            buffer[:] = piece
            yield buffer

    _, _, rows, _ = answer_of(ResidualProblem(SPACE, reusing, chunked=True))
    np.testing.assert_allclose(products(rows), products(whole_rows()), rtol=1e-5, atol=1e-4)


def test_a_likelihood_of_zero():
    problem = ResidualProblem(SPACE, lambda v: [np.full(3, 1e200)], chunked=True)
    assert answer_of(problem)[:3] == ("EXCLUDED", -math.inf, None)


# ---------------------------------------------------------------------- neighbours where nothing is defined


def test_constraints_hold_for_neighbours_too():
    below = []

    def only_above(values):
        if values["a"] < 1.5:
            below.append(values)
        yield residual(values)

    space = Space(a=Real(0, 2), rate=Real(0.1, 10, scale="log"), b=Real(-1, 1))  # inwards is below
    theta = np.array([np.nextafter(1.5, 2.0), 1.1, 0.2])
    problem = ResidualProblem(space, only_above, constraints=lambda v: v["a"] >= 1.5, chunked=True)
    status, _, rows, error = answer_of(problem, theta)
    assert status == "OK", error
    assert not below
    np.testing.assert_allclose(products(rows), products(whole_rows()), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("how", ["raises", "NaN"])
def test_an_undefined_neighbour_is_replaced_by_the_other_one(how):
    """It shows in the last chunk, when the others have been taken already."""

    def partly(values):
        pieces = np.split(residual(values), CUTS)
        if values["rate"] < 1.1:  # inwards
            if how == "raises":
                yield from pieces[:-1]
                raise ZeroDivisionError
            pieces[-1][3] = np.nan
        yield from pieces

    status, value, rows, error = answer_of(ResidualProblem(SPACE, partly, chunked=True))
    assert status == "OK", error
    assert value == pytest.approx(-0.5 * residual(VALUES) @ residual(VALUES), rel=1e-13)
    np.testing.assert_allclose(products(rows), products(whole_rows()), rtol=1e-5, atol=1e-4)


def test_without_a_neighbour_on_either_side_there_is_no_derivative():
    def only_here(values):
        if values["rate"] != VALUES["rate"]:
            raise ZeroDivisionError
        yield from np.split(residual(values), CUTS)

    status, _, rows, error = answer_of(ResidualProblem(SPACE, only_here, chunked=True))
    assert status == "OK", error
    expected = whole_rows()
    expected[:, 2] = 0.0
    np.testing.assert_allclose(products(rows), products(expected), rtol=1e-5, atol=1e-4)


def test_a_request_to_stop_at_a_neighbour_is_obeyed():
    def stopping(values):
        if values["a"] != 1.5:
            raise StopRun
        yield residual(values)

    assert evaluate_chunk(ResidualProblem(SPACE, stopping, chunked=True), THETA[None, :], "residual").stopped


# ---------------------------------------------------------------------- failures


def spoiled(values):
    for index in range(10):
        yield np.array([values["a"], np.nan if index == 7 else 0.0])


def of_any_length(values):
    yield np.ones(3)
    yield np.ones(3 if values["b"] == VALUES["b"] else 4)


def of_any_number(values):
    yield np.ones(3)
    if values["b"] == VALUES["b"]:
        yield np.ones(3)


USED_UP = iter(())
ONES = {"residual": lambda v: [np.ones(2), np.ones(3)], "jacobian": lambda v: [np.ones((2, 3)), np.ones((3, 3))]}
FAILURES = {
    "NaN": ({"residual": spoiled}, "residual, chunk 7 (counted from 0): 1 of 2 entries are NaN or infinite"),
    "no chunk": ({"residual": lambda v: iter(())}, "no data came; expected at least one chunk"),
    "used up": ({"residual": lambda v: USED_UP}, "a generator that was made outside of the function is used up"),
    "empty chunks": ({"residual": lambda v: [[], []]}, "no data came"),
    "one array": ({"residual": lambda v: np.ones(3)}, "expected an iterable of arrays, got one array of shape (3,)"),
    "a number": ({"residual": lambda v: 3.0}, "expected an iterable of arrays, got 3.0"),
    "matrices": ({"residual": lambda v: np.ones((2, 3, 4))}, "residual, chunk 0 (counted from 0) must return"),
    "text": ({"residual": lambda v: ["abc"]}, "got 'abc'"),
    "numbers": ({"residual": lambda v: [1.0, 2.0]}, "of shape (n,), got 1.0"),
    "longer neighbour": (
        {"residual": of_any_length},
        "chunk 1 (counted from 0): 3 numbers at the point, but 4 numbers",
    ),
    "fewer chunks": ({"residual": of_any_number}, "3 numbers at the point, but no such chunk where 'b' is moved"),
    "Jacobian too short": (
        ONES | {"jacobian": lambda v: [np.ones((2, 3))]},
        "jacobian, chunked=True: it ended after 1 chunks, the residual goes on",
    ),
    "Jacobian too long": (
        ONES | {"jacobian": lambda v: [np.ones((2, 3)), np.ones((3, 3)), np.ones((3, 3))]},
        "it goes on after the 2 chunks of the residual",
    ),
    "Jacobian of other lengths": (
        ONES | {"jacobian": lambda v: [np.ones((2, 3)), np.ones((2, 3))]},
        "jacobian, chunk 1 (counted from 0) must return an array of floats of shape (3, 3), got shape (2, 3)",
    ),
    "Jacobian with NaN": (
        ONES | {"jacobian": lambda v: [np.ones((2, 3)), np.full((3, 3), np.nan)]},
        "jacobian, chunk 1 (counted from 0): 9 of 9 entries are NaN or infinite",
    ),
    "one matrix": (ONES | {"jacobian": lambda v: np.ones((5, 3))}, "jacobian, chunked=True: expected an iterable"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_wrong_chunks_are_failures_that_say_where(case):
    functions, text = FAILURES[case]
    status, value, rows, error = answer_of(ResidualProblem(SPACE, **functions, chunked=True))
    assert (status, value, rows) == ("FAILED", -math.inf, None)
    assert text in error
    assert "src/wilks" not in error


def test_what_a_generator_raises_is_told():
    def raising(values):
        yield residual(values)
        raise ZeroDivisionError("by my own code")

    status, _, _, error = answer_of(ResidualProblem(SPACE, raising, chunked=True), want="value")
    assert status == "FAILED"
    assert "by my own code" in error
    assert "test_squares" in error


def test_gather_hands_out_rows_as_they_are():
    class Kept:
        def __init__(self):
            self.rows = []

        def add(self, residual, jacobian):
            self.rows.append(np.column_stack([residual, jacobian]))

    problem = ResidualProblem(SPACE, in_chunks(residual), jacobian=in_chunks(jacobian), loss="huber", chunked=True)
    kept = gather(problem, VALUES, Kept)
    assert [len(rows) for rows in kept.rows] == [1, 29, 0, 47, 23]
    np.testing.assert_array_equal(np.concatenate(kept.rows), whole_rows("linear"))


# ---------------------------------------------------------------------- as many residuals at every point


@pytest.mark.parametrize("want", ["value", "residual"])
@pytest.mark.parametrize("kind", ["whole", "with Jacobian", "chunked"])
def test_the_number_of_residuals_stays_the_same(kind, want):
    data = slice(0, 100)

    def some(function):
        return (lambda values: iter([function(values)[data]])) if kind == "chunked" else lambda v: function(v)[data]

    given = some(jacobian) if kind == "with Jacobian" else None
    problem = ResidualProblem(SPACE, some(residual), jacobian=given, chunked=kind == "chunked")
    assert answer_of(problem, want=want)[0] == "OK"
    data = slice(1, 100)
    status, _, _, error = answer_of(problem.fix(b=0.2), THETA[:2], want=want)
    assert status == "FAILED"
    assert "residual: 99 numbers, where the first answer had 100" in error
    anew = ResidualProblem(SPACE, some(residual), chunked=kind == "chunked")
    assert answer_of(anew, want=want)[0] == "OK"
