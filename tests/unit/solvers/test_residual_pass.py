"""One pass over the residuals at a point: the factor of the Jacobian, and the parts of a robust covariance."""

import numpy as np
import pytest

from wilks import Integer, Real, ResidualProblem, Space
from wilks.core import encoding
from wilks.core.loss import Loss
from wilks.core.proposal import Evaluations
from wilks.evaluation.call import evaluate_chunk
from wilks.solvers.residual_pass import ResidualPass
from wilks.solvers.robust import sandwich

SPACE = Space(a=Real(0, 10), k=Real(0.1, 10, scale="log"), n=Integer(0, 2))
X = np.linspace(0, 3, 40)
DATA = 3 * np.exp(-X) + np.random.default_rng(1).normal(size=40)
AT = {"a": 3.1, "k": 0.9, "n": 1}


def residual(v):
    return DATA - v["a"] * np.exp(-v["k"] * X) - 0.01 * v["n"]


def jacobian(v):
    decay = np.exp(-v["k"] * X)
    return np.column_stack([-decay, v["a"] * X * decay, -0.01 * np.ones(40)])


def run(problem, loss=Loss(), limit=100):  # noqa: B008 - frozen
    algorithm, n_points = ResidualPass((1e4, 1e4), loss), 0
    u = SPACE.to_unit(SPACE.to_theta(AT))
    state = algorithm.init(problem.space, 1, u[None, :])
    while True:
        proposals, state = algorithm.ask(state, limit)
        if not len(proposals):
            assert algorithm.terminate(state).success
            return state, n_points
        state = encoding.decode(encoding.encode(state))
        n_points += len(proposals)
        answer = evaluate_chunk(problem, proposals.thetas, proposals.want)
        batch = (proposals.ids, proposals.thetas, proposals.phases, answer.log_likelihoods, answer.statuses)
        workers = np.zeros(len(proposals), dtype=np.int32)
        state = algorithm.tell(state, Evaluations(*batch, answer.seconds, workers, answer.payloads, answer.errors))


def exact():
    theta = SPACE.to_theta(AT)
    return jacobian(AT)[:, :2] * SPACE.slope(theta)[:2]


@pytest.mark.parametrize(("given", "n", "digits"), [(True, 1, 1e-13), (False, 5, 1e-7)])
def test_the_factor_has_the_products_of_the_jacobian(given, n, digits):
    state, n_points = run(ResidualProblem(SPACE, residual, jacobian=jacobian if given else None))
    assert n_points == n
    assert state.by_differences is not given
    assert state.factor.shape == (2, 2)
    assert state.factor.T @ state.factor == pytest.approx(exact().T @ exact(), rel=digits)
    assert state.parts is None
    assert not state.residual.size  # data do not go into checkpoints


def test_the_parts_of_a_robust_covariance():
    loss = Loss("cauchy", 0.7)
    state, _ = run(ResidualProblem(SPACE, residual, jacobian=jacobian, loss=loss), loss)
    found = sandwich(residual(AT), exact(), loss)
    assert state.parts[0] == pytest.approx(found.curvature)
    assert state.parts[1] == pytest.approx(found.spread)


def test_a_residual_that_is_not_defined_next_to_the_point():
    def cut(v):
        return residual(v) * (np.nan if v["k"] != pytest.approx(0.9, abs=1e-12) else 1.0)

    state, n_points = run(ResidualProblem(SPACE, cut))
    assert state.factor is None
    assert n_points == 5


def test_points_one_by_one_make_no_difference():
    problem = ResidualProblem(SPACE, residual)
    assert (run(problem)[0].factor == run(problem, limit=1)[0].factor).all()
