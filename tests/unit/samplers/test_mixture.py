"""Mixtures of t distributions: density, draws, and fits to weighted draws."""

import numpy as np
import pytest
from scipy import stats

from wilks.samplers.mixture import TMixture, fitted, proper

SHAPE = np.array([[2.0, 0.9, 0.0], [0.9, 1.0, -0.3], [0.0, -0.3, 0.5]])
MIXTURE = TMixture(
    np.array([0.3, 0.7]), np.array([[0.0, 1.0, 2.0], [9.0, 9.0, 9.0]]), np.stack([SHAPE, np.eye(3)]), 6.0
)


def of_scipy(mixture, x):
    parts = zip(mixture.shares, mixture.means, mixture.shapes, strict=True)
    return np.log(sum(a * stats.multivariate_t(m, s, df=mixture.degrees).pdf(x) for a, m, s in parts))


def test_density_as_scipy():
    x = np.random.default_rng(1).normal(scale=6, size=(200, 3))
    np.testing.assert_allclose(MIXTURE.log_density(x), of_scipy(MIXTURE, x), rtol=1e-10)
    wider = MIXTURE.wider(2.0).with_degrees(3.0)
    np.testing.assert_allclose(
        wider.log_density(x), of_scipy(TMixture(MIXTURE.shares, MIXTURE.means, 4 * MIXTURE.shapes, 3.0), x)
    )
    one = TMixture(np.ones(1), np.array([[0.5]]), np.array([[[4.0]]]), 3.0)
    np.testing.assert_allclose(one.log_density(x[:, :1]), stats.t(3, loc=0.5, scale=2).logpdf(x[:, 0]))


def test_draws_have_the_density():
    x = MIXTURE.draw(np.random.default_rng(2), 20_001)
    _, deltas = MIXTURE.log_parts(x)
    first = deltas[:, 0] < deltas[:, 1]
    assert abs(first.sum() - 0.3 * len(x)) < 0.005 * len(x)
    of_t = stats.f(3, MIXTURE.degrees)  # delta / d
    for rows, column in ((first, 0), (~first, 1)):
        assert stats.kstest(deltas[rows, column] / 3, of_t.cdf).pvalue > 0.01
    correlation = np.corrcoef(x[first].T)[0, 1]
    assert correlation == pytest.approx(0.9 / np.sqrt(2), abs=0.05)
    assert MIXTURE.draw(np.random.default_rng(2), 0).shape == (0, 3)


@pytest.fixture
def weighted():
    """Draws of something wider, with other shares, and weights that make them draws of `MIXTURE`."""
    wide = TMixture(np.array([0.6, 0.4]), MIXTURE.means + 0.5, 3 * MIXTURE.shapes, 4.0)
    x = wide.draw(np.random.default_rng(3), 20_000)
    weights = np.exp(MIXTURE.log_density(x) - wide.log_density(x))
    return x, weights / weights.sum()


START = TMixture(np.array([0.5, 0.5]), np.array([[2.0, 2, 2], [7, 7, 7]]), np.stack([3 * np.eye(3)] * 2), 6.0)


def test_every_step_raises_the_cross_entropy(weighted):
    x, weights = weighted
    values = [float(weights @ START.log_density(x))] + [fitted(START, x, weights, 0.0, n)[1] for n in range(1, 8)]
    assert (np.diff(values) > -1e-9).all()
    assert values[1] - values[0] > 0.1


def test_a_fit_finds_what_it_was_made_from(weighted):
    x, weights = weighted
    found, value = fitted(START, x, weights, 0.0, 100)
    np.testing.assert_allclose(found.shares, MIXTURE.shares, atol=0.02)
    np.testing.assert_allclose(found.means, MIXTURE.means, atol=0.15)
    np.testing.assert_allclose(found.shapes, MIXTURE.shapes, atol=0.15)
    assert value == pytest.approx(float(weights @ MIXTURE.log_density(x)), abs=0.01)


def test_few_draws_do_not_make_a_component_collapse():
    x, shape = np.random.default_rng(4).normal(size=(3, 10)), np.diag(np.geomspace(1e-6, 1e6, 10))
    x = x @ np.sqrt(shape)
    start = TMixture(np.ones(1), np.zeros((1, 10)), shape[None], 5.0)
    found, _ = fitted(start, x, np.full(3, 1 / 3), 0.25)
    relative = np.linalg.eigvalsh(found.shapes[0] / np.sqrt(np.outer(np.diag(shape), np.diag(shape))))
    assert relative[0] > 0.15, "lambda / (1 + lambda) of the shape before is left in every direction"


def test_a_component_without_draws_is_dropped(weighted):
    x, weights = weighted
    start = TMixture(np.full(3, 1 / 3), np.array([[0.0] * 3, [9.0] * 3, [1e4] * 3]), np.stack([np.eye(3)] * 3), 5.0)
    found, _ = fitted(start, x, weights, 0.01)
    assert found.n_components == 2
    assert found.shares.sum() == pytest.approx(1)
    lost = TMixture(np.ones(1), np.full((1, 3), 1e4), np.eye(3)[None], 5.0)
    moved, _ = fitted(lost, x, weights, 0.01)
    np.testing.assert_allclose(moved.means[0], weights @ x, atol=1.0)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_proper(scale):
    units = np.array([scale, 1.0, 1e-3])
    singular = np.outer(units, units)
    np.linalg.cholesky(proper(singular))
    np.testing.assert_allclose(proper(singular), singular, rtol=1e-6)
    good = SHAPE * np.outer(units, units)
    np.testing.assert_allclose(proper(good), good, rtol=1e-14)
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    np.linalg.cholesky(proper(indefinite))
    np.linalg.cholesky(proper(np.zeros((2, 2))))
