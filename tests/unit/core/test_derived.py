"""Problems in derived coordinates: solutions, derivatives, what is solved for, what is refused."""

import math

import numpy as np
import pytest

from wilks import Categorical, Derived, Integer, InvalidProblemError, LikelihoodProblem, Real, ResidualProblem, Space
from wilks.core.derived import with_derived
from wilks.core.quantity import resolved

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5), n=Integer(1, 3), c=2.0)


def log_likelihood(values):
    return -0.5 * ((values["a"] - 1) ** 2 + (values["b"] + 2) ** 2) - values["n"]


PROBLEM = LikelihoodProblem(SPACE, log_likelihood)
PRODUCT = Derived("product", lambda v: v["a"] * v["b"] * v["c"], -20, 20, solve_for="b")
SQUARE = Derived("square", lambda v: v["b"] ** 2 + v["a"], 0, 30, solve_for="b")
SUM = Derived("total", lambda v: v["a"] + v["b"], -8, 8)


def test_the_quantity_stands_in_the_place_of_the_parameter():
    problem = with_derived(PROBLEM, Derived("q", PRODUCT.function, -20, 20, "b", unit="m", label="$Q$"))
    assert problem.space.names == ("a", "q", "n", "c")
    assert problem.space.label("q") == "$Q$ [m]"
    assert problem.base is PROBLEM
    assert problem.root is PROBLEM
    assert problem.report_space.names == ("a", "b", "n", "c", "q")
    assert problem.supports("value")
    assert not problem.supports("gradient")


@pytest.mark.parametrize(("square", "n"), [(5.0, 2), (29.5, 0), (1.0, 1), (0.9, 0), (26.0, 2)])
def test_solutions(square, n):
    found = with_derived(PROBLEM, SQUARE).solutions({"a": 1.0, "square": square, "n": 2})
    assert len(found) == n
    for values in found:
        assert SQUARE.function(values) == pytest.approx(square, rel=1e-14)
        assert (values["a"], values["n"], values["c"]) == (1.0, 2, 2.0)


def test_preimages_are_points_of_the_original_problem():
    problem = with_derived(PROBLEM, SQUARE)
    theta = problem.space.to_theta({"a": 1.0, "square": 10.0, "n": 3})
    assert problem.preimages(theta) == pytest.approx(np.array([[1.0, -3.0, 3.0], [1.0, 3.0, 3.0]]))
    assert problem.preimages(problem.space.to_theta({"a": 5.0, "square": 0.0, "n": 3})).shape == (0, 3)


def test_the_log_likelihood_is_the_largest_of_all_solutions():
    problem = with_derived(PROBLEM, SQUARE)
    assert problem.log_likelihood({"a": 1.0, "square": 10.0, "n": 1}) == pytest.approx(-0.5 - 1)
    assert problem.log_likelihood({"a": 1.0, "square": 0.5, "n": 1}) == -math.inf


def test_from_base_is_the_inverse():
    problem = with_derived(PROBLEM, PRODUCT)
    thetas = np.random.default_rng(1).uniform([-5, -5, 1], [5, 5, 1], (50, 3))
    here = problem.from_base(thetas)
    inside = np.abs(2 * thetas[:, 0] * thetas[:, 1]) <= 20
    assert np.isfinite(here).all(axis=1).tolist() == inside.tolist()
    for theta, there in zip(thetas[inside], here[inside], strict=True):
        assert problem.preimages(there) == pytest.approx(theta[None, :], rel=1e-12)


@pytest.mark.parametrize("derived", [PRODUCT, SQUARE, SUM, [SUM, PRODUCT]], ids=["product", "square", "sum", "two"])
def test_tangent_against_differences(derived):
    """Moving in the derived unit box moves the solution as the tangent says."""
    space = Space(a=Real(-5, 5), b=Real(0.1, 5, scale="log"), n=Integer(1, 3), c=2.0)
    problem = with_derived(LikelihoodProblem(space, log_likelihood), derived)
    theta = np.array([1.3, 2.1, 2.0])
    tangent = problem.tangent(theta)
    u = problem.space.to_unit(problem.from_base(theta[None, :])[0])
    for column in np.flatnonzero(problem.space.is_continuous):
        moved = []
        for h in (-1e-6, 1e-6):
            shifted = u.copy()
            shifted[column] += h
            solutions = problem.preimages(problem.space.from_unit(shifted))
            nearest = solutions[np.argmin(np.abs(solutions - theta).sum(axis=1))]
            moved.append(space.to_unit(nearest))
        assert tangent[:, column] == pytest.approx((moved[1] - moved[0]) / 2e-6, rel=1e-5, abs=1e-5)
    assert not tangent[2].any()


def test_an_optimum_is_carried_with_its_curvature():
    space = Space(a=Real(-5, 5), b=Real(-5, 5))
    curvature = np.array([[2.0, 0.5], [0.5, 3.0]])

    def quadratic(values):
        d = np.array([values["a"] - 1, values["b"] - 2])
        return -0.5 * d @ curvature @ d

    problem = with_derived(LikelihoodProblem(space, quadratic), Derived("p", lambda v: v["a"] * v["b"], -9, 9, "b"))
    u, moved = problem.carried(np.array([0.6, 0.7]), 100 * curvature)
    assert problem.space.from_unit(u) == pytest.approx([1.0, 2.0])

    def value(x):
        return problem.log_likelihood(problem.space.to_values(problem.space.from_unit(x)))

    h = 1e-4
    for i in range(2):
        for j in range(2):
            e, f = h * np.eye(2)[i], h * np.eye(2)[j]
            second = (value(u + e + f) - value(u + e - f) - value(u - e + f) + value(u - e - f)) / (4 * h * h)
            assert moved[i, j] == pytest.approx(-second, rel=1e-3)
    assert problem.carried(np.array([1.0, 1.0]), curvature) is None


def test_two_quantities_are_solved_together():
    space = Space(a=Real(-5, 5), b=Real(-5, 5))
    problem = with_derived(
        LikelihoodProblem(space, lambda v: -v["a"]), [SUM, Derived("p", lambda v: v["a"] * v["b"], -9, 9)]
    )
    assert set(problem.space.free) == {"total", "p"}
    found = sorted((s["a"], s["b"]) for s in problem.solutions({"total": 3.0, "p": 2.0}))
    assert found == [pytest.approx((1.0, 2.0)), pytest.approx((2.0, 1.0))]
    assert problem.solutions({"total": 1.0, "p": 2.0}) == []
    nested = with_derived(with_derived(problem.base, SUM), Derived("p", lambda v: v["a"] * v["b"], -9, 9))
    assert nested.solutions({"total": 3.0, "p": 2.0}) == problem.solutions({"total": 3.0, "p": 2.0})


# ---------------------------------------------------------------------- the choice


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda v: v["a"] + 3 * v["b"], "b"),
        (lambda v: 3 * v["a"] + v["b"], "a"),
        (lambda v: v["a"] + v["b"] ** 2, "a"),  # weaker, but monotonic
        (lambda v: v["a"] ** 2 + 0.1 * v["b"] ** 2, "a"),
        (lambda v: v["a"] ** 3, "a"),
        (lambda v: math.exp(v["b"]) + v["n"], "b"),
        (lambda v: math.log(v["b"]) + 0.1 * v["a"], "b"),  # not defined in half of the box
    ],
)
def test_the_parameter_is_chosen(function, expected):
    problem = with_derived(PROBLEM, Derived("q", function, -3, 3))
    assert problem.derived[0].solve_for == expected


def test_a_parameter_that_is_kept_is_not_chosen():
    assert resolved(PROBLEM, SUM, {"a"}).solve_for == "b"
    assert with_derived(PROBLEM, SUM, keep=["b"]).derived[0].solve_for == "a"


def test_a_function_of_arrays_and_one_of_numbers_agree():
    calls = []

    def of_numbers(values):
        calls.append(1)
        return math.hypot(values["a"], values["b"])

    arrays = Derived("r", lambda v: np.hypot(v["a"], v["b"]), 0, 7, "b")
    numbers = Derived("r", of_numbers, 0, 7, "b")
    thetas = np.linspace(-5, 5, 65)
    assert arrays.along({"a": 1.0}, "b", thetas) == pytest.approx(numbers.along({"a": 1.0}, "b", thetas), rel=1e-15)
    assert len(calls) >= 65
    solutions = [with_derived(PROBLEM, d).solutions({"a": 1.0, "r": 3.0, "n": 1}) for d in (arrays, numbers)]
    assert [[s["b"] for s in each] for each in solutions] == [pytest.approx([-(8**0.5), 8**0.5])] * 2


# ---------------------------------------------------------------------- fix, fingerprint


def test_fix():
    problem = with_derived(PROBLEM, PRODUCT)
    fixed = problem.fix(a=2.0)
    assert fixed.space.free == ("product", "n")
    assert fixed.preimages(np.array([8.0, 1.0])) == pytest.approx(np.array([[2.0, 2.0, 1.0]]))
    quantity = problem.fix(product=4.0).fix(n=3)
    assert quantity.space.free == ("a",)
    assert quantity.preimages(np.array([1.0])) == pytest.approx(np.array([[1.0, 2.0, 3.0]]))
    with pytest.raises(InvalidProblemError, match="'b' follows from the derived quantities"):
        problem.fix(b=1.0)


def test_of_a_restricted_problem():
    problem = with_derived(PROBLEM.fix(n=2), PRODUCT)
    assert problem.space.free == ("a", "product")
    assert problem.preimages(np.array([1.0, 4.0])) == pytest.approx(np.array([[1.0, 2.0]]))
    assert problem.root is PROBLEM


def test_fingerprint_knows_the_quantities():
    problems = [
        with_derived(PROBLEM, PRODUCT),
        with_derived(PROBLEM, Derived("product", PRODUCT.function, -20, 20, "a")),
        with_derived(PROBLEM, Derived("product", PRODUCT.function, -20, 19, "b")),
        with_derived(PROBLEM, Derived("product", lambda v: v["a"] * v["b"], -20, 20, "b")),
        with_derived(LikelihoodProblem(SPACE, lambda v: 0.0), PRODUCT),
        with_derived(PROBLEM, PRODUCT).fix(a=1.0),
        with_derived(ResidualProblem(SPACE, log_likelihood), PRODUCT),
    ]
    assert len({problem.fingerprint for problem in problems}) == len(problems)
    assert with_derived(PROBLEM, PRODUCT).fingerprint == problems[0].fingerprint


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Derived("", len, 0, 1), "expected a name"),
        (lambda: Derived("q", 3.0, 0, 1), "expected a function of a dictionary of values, got 3.0"),
        (lambda: Derived("q", len, 1, 1), r"Derived 'q': Real: expected lower < upper, got \(1.0, 1.0\)"),
        (lambda: Derived("q", len, 0, math.inf), "Derived 'q': Real: expected a finite upper"),
        (lambda: with_derived(PROBLEM, "q"), "expected a wilks.Derived, got 'q'"),
        (lambda: with_derived(PROBLEM, Derived("a", SUM.function, 0, 1)), "there is a parameter of this name already"),
        (lambda: with_derived(PROBLEM, [SUM, SUM]), "there is a parameter of this name already"),
        (lambda: with_derived(PROBLEM, Derived("q", SUM.function, 0, 1, "n")), "solve_for='n' is no real parameter"),
        (lambda: with_derived(PROBLEM, Derived("q", SUM.function, 0, 1, "c")), "choose from a, b"),
        (lambda: with_derived(PROBLEM, Derived("q", lambda v: v["a"], 0, 1, "b")), "it does not depend on b"),
        (lambda: with_derived(PROBLEM, Derived("q", lambda v: 1.0, 0, 1)), "it does not depend on a, b"),
        (
            lambda: with_derived(PROBLEM, Derived("q", lambda v: v["x"], 0, 1)),
            r"the function fails at a=0.0, .*KeyError",
        ),
        (lambda: with_derived(PROBLEM, Derived("q", lambda v: None, 0, 1)), "TypeError"),
        (lambda: with_derived(PROBLEM, Derived("q", lambda v: math.nan, 0, 1)), "not finite anywhere, got nan"),
        (
            lambda: with_derived(
                LikelihoodProblem(Space(k=Categorical(["u", "v"])), len), Derived("q", lambda v: 1.0, 0, 1)
            ),
            "any real parameter that is left",
        ),
    ],
)
def test_refused(make, text):
    with pytest.raises(InvalidProblemError, match=text):
        make()
