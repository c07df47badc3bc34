import math
import pickle
import warnings

import numpy as np
import pytest

import wilks.core.loss as losses
from wilks.core.encoding import decode, encode
from wilks.core.errors import InvalidProblemError
from wilks.core.loss import Loss, as_loss, bend, rescaled, sum_of_squares

NAMES = ("linear", "soft_l1", "huber", "cauchy", "arctan")
ROBUST = NAMES[1:]
Z = np.array([0.0, 1e-12, 1e-3, 0.3, 0.999, 1.001, 4.0, 100.0, 1e8])

# Written out once more, the obvious way.
OBVIOUS = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (math.sqrt(1 + z) - 1),
    "huber": lambda z: z if z <= 1 else 2 * math.sqrt(z) - 1,
    "cauchy": lambda z: math.log(1 + z),
    "arctan": math.atan,
}


def line(x, a):
    return np.column_stack([np.ones_like(x), x]) @ a


@pytest.mark.parametrize("name", NAMES)
def test_the_function_and_its_derivatives(name):
    rho, slope, second = Loss(name).rho(Z)
    np.testing.assert_allclose(rho, [OBVIOUS[name](z) for z in Z], rtol=1e-13, atol=1e-15)
    ahead, _, _ = Loss(name).rho(Z * (1 + 1e-6) + 1e-9)
    behind, _, _ = Loss(name).rho(Z * (1 - 1e-6) - 1e-9)
    np.testing.assert_allclose(slope, (ahead - behind) / (2e-6 * Z + 2e-9), rtol=1e-5, atol=1e-8)
    _, above, _ = Loss(name).rho(Z + 1e-5)
    _, below, _ = Loss(name).rho(Z - 1e-5)
    np.testing.assert_allclose(second, (above - below) / 2e-5, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_cost_gradient_and_curvature_are_those_of_scipy(name, scale):
    from scipy.optimize import least_squares

    generator = np.random.default_rng(4)
    x = np.linspace(0, 1, 30)
    data = line(x, [1.0, 2.0]) + generator.standard_t(2, size=30)
    at = np.array([0.7, 2.4])
    jacobian = np.column_stack([np.ones(30), x])
    found = least_squares(lambda a: line(x, a) - data, at, jac=lambda a: jacobian, loss=name, f_scale=scale, max_nfev=1)
    loss, residual = Loss(name, scale), line(x, at) - data
    assert loss.value(residual) == pytest.approx(-found.cost, rel=1e-13)
    r, j = rescaled(residual, jacobian, loss)
    np.testing.assert_allclose(j.T @ r, found.grad, rtol=1e-12)
    np.testing.assert_allclose(j.T @ j, found.jac.T @ found.jac, rtol=2e-3)  # theirs drops what is not positive


@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 4097, 100_000])
def test_the_sum_of_squares_is_exact_to_rounding(n):
    residual = np.random.default_rng(n).normal(size=2 * n)[::2]  # not contiguous
    exact = math.fsum((residual.astype(np.longdouble) ** 2).tolist())
    assert sum_of_squares(residual) == pytest.approx(exact, rel=4e-15, abs=0.0)
    assert Loss("linear").value(residual) == -0.5 * sum_of_squares(residual)


@pytest.mark.parametrize("n", [3, 5000])
def test_a_likelihood_that_is_too_low_is_zero(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Loss("linear").value(np.full(n, 1e200)) == -math.inf


def test_a_small_residual_keeps_its_digits():
    tiny = np.array([1e-9])
    for name in NAMES:
        assert Loss(name).value(tiny) == pytest.approx(-0.5e-18, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_is_half_the_sum_of_squares_near_zero_and_never_lower(name):
    residual = np.array([0.01, -0.02])
    assert Loss(name, 5.0).value(residual) == pytest.approx(-2.5e-4, rel=1e-4)
    assert Loss(name).value(np.array([7.0])) >= -24.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_rescaled_rows_have_the_gradient_and_the_curvature_of_the_value(name, scale):
    """By differences of the value of a residual that is linear, so that nothing is left out."""
    generator = np.random.default_rng(1)
    jacobian, residual = generator.normal(size=(50, 2)), 0.3 * generator.normal(size=50)
    loss = Loss(name, scale)

    def value(p):
        return loss.value(residual + jacobian @ p)

    h = 1e-4
    steps = h * np.eye(2)
    gradient = [(value(e) - value(-e)) / (2 * h) for e in steps]
    r, j = rescaled(residual, jacobian, loss)
    np.testing.assert_allclose(-j.T @ r, gradient, rtol=1e-5, atol=1e-6)
    b = bend(residual, loss.at(residual), loss)
    hessian = [
        [(value(e + f) - value(e - f) - value(f - e) + value(-e - f)) / (4 * h * h) for e in steps] for f in steps
    ]
    np.testing.assert_allclose(-(jacobian.T * b) @ jacobian, hessian, rtol=1e-2, atol=2e-2)
    if b.min() > 0.1:
        np.testing.assert_allclose(j.T @ j, (jacobian.T * b) @ jacobian, rtol=1e-12)


@pytest.mark.parametrize("name", ROBUST)
def test_far_outliers_keep_the_gradient_and_disturb_no_digits(name):
    residual, jacobian = np.array([0.1, 1e3, -1e9]), np.array([[1.0], [2.0], [3.0]])
    loss = Loss(name)
    r, j = rescaled(residual, jacobian, loss)
    slope = loss.at(residual)[1]
    np.testing.assert_allclose(j[:, 0] * r, jacobian[:, 0] * slope * residual, rtol=1e-12)
    assert (j[:, 0] ** 2 >= 0).all()
    assert (j[1:, 0] ** 2 <= 2e-3 * 9).all()  # next to no curvature
    assert (np.abs(r) <= np.maximum(np.abs(residual), 40.0) * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", ROBUST)
def test_residuals_that_are_nearly_infinite(name):
    residual, jacobian = np.array([1.0, 1e160, -1e300]), np.ones((3, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = Loss(name).value(residual)
        r, j = rescaled(residual, jacobian, Loss(name))
    assert value < 0
    assert not math.isnan(value)
    assert np.isfinite(r).all()
    assert np.isfinite(j).all()


def test_linear_is_untouched():
    residual, jacobian = np.arange(3.0), np.ones((3, 2))
    r, j = rescaled(residual, jacobian, Loss("linear", 7.0))
    assert r is residual
    assert j is jacobian
    assert Loss("linear", 7.0).value(residual) == -2.5
    assert Loss().value(np.array([1e200])) == -math.inf


def test_a_loss_by_name():
    assert as_loss("huber") == Loss("huber", 1.0)
    mine = Loss("huber", 2)
    assert as_loss(mine) is mine
    assert isinstance(mine.scale, float)
    assert as_loss("linear").is_linear
    assert not mine.is_linear


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: as_loss("hubert"), "expected one of 'linear', 'soft_l1', .*, got 'hubert'; did you mean 'huber'?"),
        (lambda: Loss("Soft-L1"), "did you mean 'soft_l1'"),
        (lambda: as_loss("xyz"), r"got 'xyz'$"),
        (lambda: as_loss(3.0), "expected a name such as 'huber', or .* got 3.0"),
        (lambda: as_loss(None), "got None"),
        (lambda: Loss(None), "got None"),
        (lambda: Loss("huber", 0.0), "expected a positive scale, .*, got 0.0"),
        (lambda: Loss("huber", -1), "got -1"),
        (lambda: Loss("huber", math.inf), "got inf"),
        (lambda: Loss("huber", math.nan), "got nan"),
        (lambda: Loss("huber", "1"), "got '1'"),
        (lambda: Loss("huber", True), "got True"),
    ],
)
def test_what_is_no_loss_is_refused(make, text):
    with pytest.raises(InvalidProblemError, match=text):
        make()


def test_a_loss_can_be_saved_and_sent():
    loss = Loss("cauchy", 0.1)
    assert decode(encode(loss)) == loss
    assert pickle.loads(pickle.dumps(loss)) == loss


def test_every_name_is_tested():
    assert tuple(losses._RHO) == NAMES
