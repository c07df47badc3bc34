"""Covariances against inverses of dense matrices."""

import numpy as np
import pytest

from tests.unit.xpcs.test_projection import Dense, every_scaling
from wilks.xpcs.errors import spread
from wilks.xpcs.projection import project
from wilks.xpcs.scaling import Shrinkage


def matrix(m, seed, decades=0):
    tall = np.random.default_rng(seed).normal(size=(4 * m, m)) * np.logspace(0, decades, m)
    return tall.T @ tall


def unit(found, wanted):
    """Both in units of the wanted standard errors."""
    size = np.sqrt(np.diag(wanted))
    return found / np.outer(size, size), wanted / np.outer(size, size)


@every_scaling
@pytest.mark.parametrize("regular", [None, Shrinkage(0.05, 0.05)], ids=["free", "penalty"])
def test_covariance_is_the_inverse_over_all_parameters(scaling, regular):
    dense = Dense(scaling, 7, regular=regular)
    found = project(dense.sums, dense.block)
    jacobian = dense.jacobian(found.contrast)
    normal = found.normal[:-1, :-1]
    ours = spread(normal, np.zeros(len(normal), dtype=bool))
    np.testing.assert_allclose(*unit(ours.covariance, np.linalg.inv(jacobian.T @ jacobian)), atol=1e-8)
    assert ours.flat == ()
    # The physical part is the inverse of the projected matrix.
    rows, m = found.rows()[:, 1:], dense.sums.n_derivatives
    np.testing.assert_allclose(*unit(ours.covariance[-m:, -m:], np.linalg.inv(rows.T @ rows)), atol=1e-8)


def test_held_parameters_are_left_out():
    normal = matrix(5, 1)
    held = np.array([False, True, False, False, True])
    ours = spread(normal, held)
    free = ~held
    np.testing.assert_allclose(
        ours.covariance[np.ix_(free, free)], np.linalg.inv(normal[np.ix_(free, free)]), rtol=1e-9
    )
    assert np.isnan(ours.covariance[held]).all()
    assert np.isnan(ours.covariance[:, held]).all()
    everything = spread(normal, np.ones(5, dtype=bool))
    assert np.isnan(everything.covariance).all()
    assert everything.condition == 1.0


@pytest.mark.parametrize("decades", [0, 6])
def test_sandwich(decades):
    """Scores whose covariance is not the matrix; units that differ by six decades change nothing."""
    rng = np.random.default_rng(2)
    jacobian = rng.normal(size=(60, 4)) * np.logspace(0, decades, 4)
    weights = rng.uniform(0.2, 3, 60)
    normal, meat = (jacobian.T * weights) @ jacobian, (jacobian.T * weights**2) @ jacobian
    held = np.array([False, False, True, False])
    ours = spread(normal, held, meat).covariance
    kept = jacobian[:, ~held]
    # Of the estimate with these weights, for data with variance 1: it is linear in the data.
    linear = np.linalg.solve(kept.T * weights @ kept, kept.T * weights)
    np.testing.assert_allclose(*unit(ours[np.ix_(~held, ~held)], linear @ linear.T), atol=1e-9)
    free = np.ix_(~held, ~held)
    same, plain = spread(normal, held, normal).covariance, spread(normal, held).covariance
    np.testing.assert_allclose(*unit(same[free], plain[free]), atol=1e-9)


def test_sandwich_of_weights_that_are_all_the_same_is_that_of_no_weights():
    normal = matrix(4, 3)
    nothing = np.zeros(4, dtype=bool)
    np.testing.assert_allclose(
        spread(3 * normal, nothing, 9 * normal).covariance, spread(normal, nothing).covariance, rtol=1e-9
    )


def test_flat_directions_do_not_spoil_the_others():
    """The first two enter as their sum only; the third and fourth are independent of them."""
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(50, 3))
    jacobian = columns[:, [0, 0, 1, 2]] * [1.0, 1e3, 1.0, 1.0]
    ours = spread(jacobian.T @ jacobian, np.zeros(4, dtype=bool))
    assert ours.flat == ((0, 1),)
    assert np.isinf(np.diag(ours.covariance)[:2]).all()
    wanted = np.linalg.inv(columns.T @ columns)[1:, 1:]
    np.testing.assert_allclose(ours.covariance[2:, 2:], wanted, rtol=1e-9)
    assert ours.condition > 1e13


def test_two_flat_directions_are_told_apart():
    """Nothing depends on two of the parameters: each is a direction of its own, not some mixture of both."""
    normal = np.zeros((5, 5))
    normal[:3, :3] = matrix(3, 5)
    ours = spread(normal, np.zeros(5, dtype=bool))
    assert sorted(ours.flat) == [(3,), (4,)]
    columns = np.random.default_rng(6).normal(size=(50, 4))
    jacobian = columns[:, [0, 1, 0, 1, 2, 3]]
    ours = spread(jacobian.T @ jacobian, np.zeros(6, dtype=bool))
    assert sorted(ours.flat) == [(0, 2), (1, 3)]


def test_condition_does_not_depend_on_units():
    normal = matrix(4, 8)
    size = np.sqrt(np.diag(normal))
    wanted = np.linalg.cond(normal / np.outer(size, size))
    units = np.logspace(-6, 6, 4)
    for scaled in (normal, normal * np.outer(units, units)):
        assert spread(scaled, np.zeros(4, dtype=bool)).condition == pytest.approx(wanted, rel=1e-6)
