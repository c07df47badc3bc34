import math

import numpy as np
import pytest

from wilks import Integer, InvalidProblemError, Real, ResidualProblem, Space
from wilks.core.loss import Loss
from wilks.solvers.covariance import uncertainty
from wilks.solvers.robust import chunked_sandwich, sandwich

GENERATOR = np.random.default_rng(8)
RESIDUAL = GENERATOR.standard_t(2, size=60)
JACOBIAN = GENERATOR.normal(size=(60, 3))
NAMES = ("linear", "soft_l1", "huber", "cauchy", "arctan")


def psi(name, r):
    """Influence of one residual with scale 1, written out once more."""
    return {
        "linear": r,
        "soft_l1": r / math.sqrt(1 + r * r),
        "huber": max(-1.0, min(1.0, r)),
        "cauchy": r / (1 + r * r),
        "arctan": r / (1 + r**4),
    }[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_both_parts_one_residual_after_another(name, scale):
    curvature, spread = np.zeros((3, 3)), np.zeros((3, 3))
    for r, row in zip(RESIDUAL / scale, JACOBIAN, strict=True):
        slope = (psi(name, r + 1e-6) - psi(name, r - 1e-6)) / 2e-6
        curvature += slope * np.outer(row, row)
        spread += (scale * psi(name, r)) ** 2 * np.outer(row, row) * 60 / 57
    found = sandwich(RESIDUAL, JACOBIAN, Loss(name, scale))
    np.testing.assert_allclose(found.curvature, curvature, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.spread, spread, rtol=1e-12, atol=1e-12)
    inverse = np.linalg.inv(found.curvature)
    np.testing.assert_allclose(found.covariance(), inverse @ found.spread @ inverse, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_curvature_is_that_of_the_log_likelihood(name):
    loss, h = Loss(name, 2.5), 1e-3

    def value(p):
        return loss.value(RESIDUAL + JACOBIAN @ p)

    steps = h * np.eye(3)
    hessian = [
        [(value(e + f) - value(e - f) - value(f - e) + value(-e - f)) / (4 * h * h) for e in steps] for f in steps
    ]
    np.testing.assert_allclose(sandwich(RESIDUAL, JACOBIAN, loss).curvature, -np.array(hessian), rtol=1e-2, atol=0.1)


def test_with_a_wide_scale_and_right_errors_it_is_least_squares():
    residual = np.where(np.arange(4000) % 2, 1.0, -1.0)
    jacobian = np.random.default_rng(2).normal(size=(4000, 2))
    for name in NAMES:
        found = sandwich(residual, jacobian, Loss(name, 1e3)).covariance()
        np.testing.assert_allclose(found, np.linalg.inv(jacobian.T @ jacobian), rtol=1e-3)


def test_the_estimate_of_a_mean_has_the_error_of_its_sample():
    data = np.array([1.0, 2.0, 4.0, 9.0])
    found = sandwich(data - data.mean(), np.ones((4, 1)), Loss("linear")).covariance()
    assert found[0, 0] == pytest.approx(data.var(ddof=1) / 4, rel=1e-14)


def test_no_more_data_than_parameters():
    assert np.isfinite(sandwich(np.ones(2), np.eye(2), Loss("huber")).covariance()).all()


def test_a_parameter_without_influence_is_not_determined():
    found = sandwich(RESIDUAL, JACOBIAN * [1.0, 0.0, 1.0], Loss("huber"))
    with pytest.raises(np.linalg.LinAlgError):
        found.covariance()
    told = uncertainty(np.full(3, 0.5), np.zeros(3), found.curvature, spread=found.spread)
    assert np.isinf(told.covariance[1, 1])
    both = sandwich(RESIDUAL, JACOBIAN[:, [0, 2]], Loss("huber"))
    np.testing.assert_allclose(
        told.covariance[np.ix_([0, 2], [0, 2])], both.covariance() * (57 / 60) ** -1 * (58 / 60), rtol=1e-9
    )


@pytest.mark.parametrize("with_jacobian", [True, False])
@pytest.mark.parametrize("name", ["linear", "cauchy"])
def test_in_chunks(name, with_jacobian):
    space = Space(a=Real(-1, 1), b=Real(-1, 1), c=Real(-1, 1))
    theta = np.array([0.2, -0.3, 0.1])

    def residual(values):
        yield from np.split(RESIDUAL + JACOBIAN @ [values[name] for name in "abc"], [10, 45])

    jacobian = (lambda values: iter(np.split(JACOBIAN, [10, 45]))) if with_jacobian else None
    problem = ResidualProblem(space, residual, jacobian=jacobian, loss=Loss(name, 0.7), chunked=True)
    found = chunked_sandwich(problem, space.to_values(theta))
    whole = sandwich(RESIDUAL + JACOBIAN @ theta, JACOBIAN, problem.loss)
    np.testing.assert_allclose(found.curvature, whole.curvature, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.spread, whole.spread, rtol=1e-6, atol=1e-6)
    fixed = chunked_sandwich(problem.fix(b=-0.3), space.to_values(theta))
    np.testing.assert_allclose(fixed.curvature, whole.curvature[np.ix_([0, 2], [0, 2])], rtol=1e-6, atol=1e-6)


def test_in_chunks_beside_a_discrete_parameter():
    space = Space(a=Real(-1, 1), n=Integer(0, 3), c=Real(-1, 1))
    slopes = JACOBIAN[:, [0, 2]]

    def residual(values):
        yield from np.split(RESIDUAL + slopes @ [values["a"], values["c"]], 2)

    problem = ResidualProblem(space, residual, loss="huber", chunked=True)
    found = chunked_sandwich(problem, {"a": 0.0, "n": 1, "c": 0.0})
    whole = sandwich(RESIDUAL, slopes, problem.loss)
    np.testing.assert_allclose(found.curvature, whole.curvature, rtol=1e-6)
    np.testing.assert_allclose(found.spread, whole.spread, rtol=1e-6)


def test_wrong_chunks_are_told():
    problem = ResidualProblem(Space(a=Real(-1, 1)), lambda v: [[np.nan]], chunked=True)
    with pytest.raises(InvalidProblemError, match=r"residual, chunk 0 \(counted from 0\): 1 of 1"):
        chunked_sandwich(problem, {"a": 0.0})
