"""Problems: restriction, roots, derivatives by name, what is refused."""

import functools
import pickle

import numpy as np
import pytest

from wilks import Categorical, InvalidProblemError, LikelihoodProblem, Real, ResidualProblem, Space


def log_likelihood(values):
    return -0.5 * (values["a"] ** 2 + values["b"] ** 2)


def residual(values):
    return np.array([values["a"], 2 * values["b"]])


@pytest.fixture
def space():
    return Space(a=Real(-1, 1), kind=Categorical(["u", "v"]), b=Real(1, 100, scale="log"))


def test_fix_keeps_the_root_and_everything_else(space):
    root = LikelihoodProblem(space, log_likelihood, gradient=dict, constraints=bool, vectorized=True, name="mine")
    twice = root.fix(kind="v").fix(b=2)
    assert twice.root is root
    assert root.root is root
    assert (twice.name, twice.gradient, twice.constraints, twice.vectorized) == ("mine", dict, (bool,), True)
    assert twice.space.free == ("a",)
    assert root.space.free == ("a", "kind", "b")


@pytest.mark.parametrize("kind", [LikelihoodProblem, ResidualProblem])
def test_to_root_puts_fixed_values_in_their_columns(space, kind):
    root = kind(space, residual)
    fixed = root.fix(kind="v")
    np.testing.assert_array_equal(fixed.to_root(np.array([[0.5, 7.0], [0.1, 8.0]])), [[0.5, 1, 7.0], [0.1, 1, 8.0]])
    assert fixed.root_columns() == [0, 2]
    thetas = np.zeros((2, 3))
    assert root.to_root(thetas) is thetas


def test_select_takes_the_columns_that_are_free(space):
    fixed = LikelihoodProblem(space, log_likelihood).fix(kind="u")
    assert fixed.select(np.array([1.0, 2.0, 3.0]), "gradient").tolist() == [1.0, 3.0]
    assert fixed.select([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "jacobian").tolist() == [[1.0, 3.0], [4.0, 6.0]]
    np.testing.assert_array_equal(fixed.select({"b": 7.0}, "gradient"), [np.nan, 7.0])


@pytest.mark.parametrize("answer", [1.0, [1.0, 2.0], np.zeros((3, 2))])
def test_select_refuses_a_wrong_number_of_derivatives(space, answer):
    with pytest.raises(InvalidProblemError, match="gradient: expected 3 derivatives, in the order a, kind, b, got"):
        LikelihoodProblem(space, log_likelihood).select(answer, "gradient")


def test_log_likelihood_of_residuals_is_minus_half_the_sum_of_squares(space):
    problem = ResidualProblem(space, residual)
    assert problem.log_likelihood({"a": 3.0, "kind": "u", "b": 2.0}) == -0.5 * (9 + 16)


def test_supports(space):
    assert LikelihoodProblem(space, log_likelihood).supports("value")
    assert not LikelihoodProblem(space, log_likelihood).supports("gradient")
    assert LikelihoodProblem(space, log_likelihood, gradient=dict).supports("gradient")
    assert not LikelihoodProblem(space, log_likelihood).supports("residual")
    assert ResidualProblem(space, residual).supports("residual")
    assert not ResidualProblem(space, residual).supports("gradient")


def test_refuses(space):
    with pytest.raises(InvalidProblemError, match=r"expected a wilks.Space first, got dict"):
        LikelihoodProblem({"a": 1}, log_likelihood)
    for make in (
        lambda: LikelihoodProblem(space, 3.0),
        lambda: LikelihoodProblem(space, log_likelihood, gradient=3.0),
        lambda: LikelihoodProblem(space, log_likelihood, constraints=[3.0]),
        lambda: ResidualProblem(space, 3.0),
        lambda: ResidualProblem(space, residual, jacobian=3.0),
    ):
        with pytest.raises(InvalidProblemError, match=r"expected a function of a dictionary of values, got 3.0"):
            make()


def test_names(space):
    assert LikelihoodProblem(space, log_likelihood).name == "log_likelihood"
    assert LikelihoodProblem(space, lambda v: 0.0).name == "unnamed"
    assert LikelihoodProblem(space, functools.partial(log_likelihood)).name == "partial"
    fixed = LikelihoodProblem(space, log_likelihood, name="mine").fix(a=0.5)
    assert repr(fixed) == "<LikelihoodProblem 'mine': kind, b, a=0.5>"


def test_fingerprint_covers_space_functions_and_fixed_values(space):
    base = LikelihoodProblem(space, log_likelihood)
    others = [
        LikelihoodProblem(Space(a=Real(-1, 1)), log_likelihood),
        LikelihoodProblem(space, residual),
        LikelihoodProblem(space, log_likelihood, gradient=residual),
        LikelihoodProblem(space, log_likelihood, constraints=residual),
        ResidualProblem(space, log_likelihood),
        base.fix(a=0.5),
        base.fix(a=0.25),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1
    assert LikelihoodProblem(space, log_likelihood, name="other").fingerprint == base.fingerprint
    assert base.fix(a=0.5).root.fingerprint == base.fingerprint
    assert pickle.loads(pickle.dumps(base)).fingerprint == base.fingerprint
