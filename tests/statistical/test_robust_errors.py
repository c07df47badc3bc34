"""Standard errors of estimates with a robust loss, on data with outliers that nobody told the fit about."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from wilks.core.loss import Loss
from wilks.solvers.robust import sandwich

X = np.linspace(0.0, 4.0, 150)
TRUTH = np.array([50.0, 0.8, 1.0])
N_SEEDS = 400
LOSSES = [Loss("soft_l1"), Loss("huber", 1.5), Loss("cauchy", 2.0), Loss("arctan", 3.0)]


def model(p):
    return p[0] * np.exp(-p[1] * X) + p[2]


def jacobian(p, _=None):
    decay = np.exp(-p[1] * X)
    return np.column_stack([decay, -p[0] * X * decay, np.ones_like(X)])


def estimates(loss):
    """Best points, residuals and Jacobians for many data sets: errors of 1, of 10 for every tenth."""
    for seed in range(N_SEEDS):
        generator = np.random.default_rng(seed)
        sigma = np.where(generator.random(len(X)) < 0.1, 10.0, 1.0)
        data = model(TRUTH) + sigma * generator.normal(size=len(X))
        found = least_squares(
            lambda p, data=data: model(p) - data, TRUTH, jac=jacobian, loss=loss.name, f_scale=loss.scale, xtol=1e-10
        )
        yield found.x, model(found.x) - data, jacobian(found.x)


def moments(pulls):
    """Mean in units of its own error, and spread, of every parameter."""
    pulls = np.array(pulls)
    return pulls.mean(axis=0) * np.sqrt(len(pulls)), pulls.std(axis=0)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_pulls_have_the_spread_of_one(loss):
    pulls, naive = [], []
    for best, residual, jac in estimates(loss):
        pulls.append((best - TRUTH) / np.sqrt(np.diag(sandwich(residual, jac, loss).covariance())))
        naive.append((best - TRUTH) / np.sqrt(np.diag(np.linalg.inv(jac.T @ jac))))
    mean, spread = moments(pulls)
    assert (np.abs(mean) < 4.0).all(), mean
    assert ((spread > 0.85) & (spread < 1.15)).all(), spread
    assert moments(naive)[1].max() > 1.15  # least squares believes that every error is one


def test_least_squares_itself_with_wrong_standard_deviations():
    """With the linear loss the covariance is the one that does not trust the standard deviations."""
    loss = Loss("linear")
    pulls = [
        (best - TRUTH) / np.sqrt(np.diag(sandwich(residual, jac, loss).covariance()))
        for best, residual, jac in estimates(loss)
    ]
    mean, spread = moments(pulls)
    assert (np.abs(mean) < 4.0).all(), mean
    assert ((spread > 0.85) & (spread < 1.15)).all(), spread
