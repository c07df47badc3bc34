"""Residual problems: losses, linear parameters, data in chunks. What is common to all problems is in test_problem."""

import pickle

import numpy as np
import pytest

from wilks import Categorical, Integer, InvalidProblemError, Real, ResidualProblem, Space
from wilks.core.loss import Loss

SPACE = Space(a=Real(-5, 5), b=Real(-5, 5), rate=Real(0.1, 10, scale="log"), k=Integer(1, 3), c=2.0)
VALUES = {"a": 3.0, "b": 2.0, "rate": 1.0, "k": 1, "c": 2.0}


def residual(values):
    return np.array([values["a"], 2 * values["b"], 0.1])


def pieces(values):
    yield np.array([values["a"]])
    yield np.array([2 * values["b"], 0.1])


def test_plain_problems_are_least_squares():
    problem = ResidualProblem(SPACE, residual)
    assert (problem.linear, problem.loss, problem.chunked) == ((), Loss(), False)
    assert problem.log_likelihood(VALUES) == pytest.approx(-0.5 * 25.01)
    assert problem.n_data(VALUES) == 3


def test_the_loss_makes_the_log_likelihood():
    problem = ResidualProblem(SPACE, residual, loss=Loss("huber", 2.0))
    assert problem.log_likelihood(VALUES) == pytest.approx(-0.5 * 4 * ((2 * 1.5 - 1) + (2 * 2.0 - 1) + 0.0025))
    assert ResidualProblem(SPACE, residual, loss="cauchy").loss == Loss("cauchy")


@pytest.mark.parametrize("loss", ["linear", "soft_l1"])
@pytest.mark.parametrize("function", [pieces, lambda v: list(pieces(v)), lambda v: (p.tolist() for p in pieces(v))])
def test_chunks_add_up(loss, function):
    problem = ResidualProblem(SPACE, function, loss=loss, chunked=True)
    whole = ResidualProblem(SPACE, residual, loss=loss)
    assert problem.log_likelihood(VALUES) == pytest.approx(whole.log_likelihood(VALUES), rel=1e-14)
    assert problem.n_data(VALUES) == 3


def test_fix_keeps_everything():
    root = ResidualProblem(
        SPACE,
        pieces,
        jacobian=dict,
        linear=("a", "b"),
        loss=Loss("huber", 2.0),
        chunked=True,
        constraints=bool,
        name="mine",
    )
    fixed = root.fix(k=2).fix(b=1)
    assert fixed.root is root
    assert fixed.linear == ("a",)
    assert (fixed.residual, fixed.jacobian, fixed.constraints, fixed.name) == (pieces, dict, (bool,), "mine")
    assert (fixed.loss, fixed.chunked) == (Loss("huber", 2.0), True)
    assert root.linear == ("a", "b")
    assert root.fix(a=0, b=0).linear == ()


def test_constants_of_the_space_are_not_solved_for():
    assert ResidualProblem(SPACE, residual, linear=["c", "b", "b"]).linear == ("b",)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("z",), "linear: 'z' is no parameter; they are a, b, rate, k, c"),
        (("rate",), r"parameter 'rate' has scale='log'; expected scale='linear'"),
        (("k",), r"parameter 'k' is discrete; expected Real\(lower, upper\)"),
        (("kind",), "parameter 'kind' is discrete"),
        ("a", r"expected a sequence of names, got 'a'; write \('a',\)"),
        ((1,), "linear: 1 is no parameter"),
    ],
)
def test_what_cannot_be_linear_is_refused(names, text):
    space = SPACE if names != ("kind",) else Space(a=Real(0, 1), kind=Categorical(["u", "v"]))
    with pytest.raises(InvalidProblemError, match=text):
        ResidualProblem(space, residual, linear=names)


@pytest.mark.parametrize("chunked", [1000, None, "yes"])
def test_chunked_is_yes_or_no(chunked):
    with pytest.raises(InvalidProblemError, match="expected True or False, got"):
        ResidualProblem(SPACE, residual, chunked=chunked)


def test_an_unknown_loss_is_refused():
    with pytest.raises(InvalidProblemError, match="did you mean 'cauchy'"):
        ResidualProblem(SPACE, residual, loss="cauchi")


def test_every_setting_is_part_of_the_fingerprint():
    variants = [
        ResidualProblem(SPACE, residual),
        ResidualProblem(SPACE, residual, loss="huber"),
        ResidualProblem(SPACE, residual, loss=Loss("huber", 2.0)),
        ResidualProblem(SPACE, residual, loss="cauchy"),
        ResidualProblem(SPACE, residual, linear=("a",)),
        ResidualProblem(SPACE, residual, linear=("b",)),
        ResidualProblem(SPACE, residual, chunked=True),
        ResidualProblem(SPACE, residual, jacobian=pieces),
    ]
    assert len({problem.fingerprint for problem in variants}) == len(variants)
    assert ResidualProblem(SPACE, residual, loss="huber").fingerprint == variants[1].fingerprint


def test_another_jacobian_changes_nothing_else():
    problem = ResidualProblem(SPACE, residual, linear=("a",), loss="arctan", constraints=bool, name="mine").fix(k=1)
    other = problem.with_jacobian(dict)
    assert other.jacobian is dict
    assert problem.jacobian is None
    assert other.root is problem.root
    assert other.fingerprint == problem.fingerprint
    assert other.space is problem.space
    assert (other.linear, other.loss, other.constraints, other.name) == (("a",), Loss("arctan"), (bool,), "mine")
    assert other.fix(b=1.0).jacobian is dict


def test_problems_travel_to_other_processes():
    problem = pickle.loads(pickle.dumps(ResidualProblem(SPACE, residual, linear=("a",), loss="huber").fix(b=2.0)))
    assert (problem.linear, problem.loss) == (("a",), Loss("huber"))
    assert problem.log_likelihood(VALUES) == pytest.approx(-0.5 * (5 + 7 + 0.01))
