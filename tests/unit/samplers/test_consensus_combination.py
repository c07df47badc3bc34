"""Combinations of shards with known posteriors: exact where they must be, and unchanged by a change of units."""

import numpy as np
import pytest

import wilks
from wilks.core.errors import EvaluationError
from wilks.samplers.consensus.combination import combined
from wilks.samplers.consensus.heterogeneity import heterogeneity
from wilks.samplers.consensus.modes import GaussianMixture, fitted_modes, product
from wilks.samplers.consensus.robust import outlying
from wilks.samplers.consensus.shard import ShardPosterior, ShardSample, packed, shard_posterior, unpacked

N = 2000
EXACT = ("consensus", "gaussian_product", "hierarchical", "mixtures", "robust", "auto")


def draws_with(mean, covariance, generator, n=N):
    """Draws whose mean and covariance are exactly these."""
    z = generator.standard_normal((n, len(mean)))
    z -= z.mean(axis=0)
    z = np.linalg.solve(np.linalg.cholesky(np.cov(z.T).reshape(len(mean), -1)), z.T).T
    size = np.sqrt(np.diag(covariance))
    return mean + z @ (size[:, None] * np.linalg.cholesky(covariance / np.outer(size, size))).T


def shard(number, x, ess=None):
    """A shard with these draws; one Gaussian stands for it."""
    n, d = x.shape
    mean, covariance = x.mean(axis=0), np.cov(x.T).reshape(d, d)
    modes = GaussianMixture(np.zeros(1), mean[None], covariance[None])
    return ShardPosterior(number, x, mean, covariance, ess or float(n), True, n, "draws", modes, np.empty(0), 0.0)


def shards_of(means, covariances, seed=1):
    generator = np.random.default_rng(seed)
    return [shard(k, draws_with(m, c, generator)) for k, (m, c) in enumerate(zip(means, covariances, strict=True))]


def truth(means, covariances):
    precisions = [np.linalg.inv(c) for c in covariances]
    covariance = np.linalg.inv(sum(precisions))
    return covariance @ sum(p @ m for p, m in zip(precisions, means, strict=True)), covariance


def stiff(n_shards=10, rho=0.99):
    covariance = n_shards * np.array([[1.0, rho], [rho, 1.0]])
    means = np.random.default_rng(2).multivariate_normal([3.0, -2.0], covariance, size=n_shards)
    return means, [covariance] * n_shards


def rotated():
    covariances = []
    for angle in np.radians([0, 45, 90, 135]):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        covariances.append(turn @ np.diag([9.0, 0.01]) @ turn.T)
    generator = np.random.default_rng(3)
    return [generator.multivariate_normal([1.0, 2.0], c) for c in covariances], covariances


def assert_is(found, mean, covariance):
    size = np.sqrt(np.diag(covariance))
    white = np.linalg.inv(np.linalg.cholesky(covariance))
    assert np.linalg.norm(white @ (found.mean - mean)) < 0.02
    for measured in (found.covariance, np.cov(found.draws.T)):
        np.testing.assert_allclose(np.sqrt(np.diag(measured)) / size, 1.0, atol=0.03)
        expected = covariance[0, 1] / np.prod(size)
        noise = 0.0 if measured is found.covariance else 2.5 * (1 - expected**2) / N**0.5
        assert measured[0, 1] / np.sqrt(np.prod(np.diag(measured))) == pytest.approx(expected, abs=0.01 + noise)
        stretched = np.sqrt(np.linalg.eigvalsh(white @ measured @ white.T))
        np.testing.assert_allclose(stretched, 1.0, atol=0.05)


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("case", [stiff, rotated])
def test_gaussian_shards_are_combined_exactly(case, method):
    means, covariances = case()
    found = combined(shards_of(means, covariances), method, np.random.default_rng(4))
    assert_is(found, *truth(means, covariances))
    assert found.dropped == {}


@pytest.mark.parametrize("method", ["weighted_gaussian", "simple_average"])
def test_weights_of_single_parameters_are_wrong_where_shards_differ(method):
    means, covariances = rotated()
    found = combined(shards_of(means, covariances), method, np.random.default_rng(4))
    _, covariance = truth(means, covariances)
    assert np.sqrt(found.covariance[0, 0] / covariance[0, 0]) > 1.2


@pytest.mark.parametrize("method", EXACT)
def test_a_change_of_units_changes_nothing(method):
    means, covariances = stiff()
    shards = shards_of(means, covariances)
    units = np.array([1e-7, 1e5])
    outer = np.outer(units, units)
    scaled = [
        ShardPosterior(
            s.number,
            s.draws * units,
            s.mean * units,
            s.covariance * outer,
            s.ess,
            True,
            0,
            "",
            GaussianMixture(s.modes.log_shares, s.modes.means * units, s.modes.covariances * outer),
            s.references,
            0.0,
        )
        for s in shards
    ]
    plain = combined(shards, method, np.random.default_rng(4))
    other = combined(scaled, method, np.random.default_rng(4))
    np.testing.assert_allclose(other.draws / units, plain.draws, rtol=1e-10)
    np.testing.assert_allclose(other.covariance / outer, plain.covariance, rtol=1e-10)


def test_groups_of_groups_are_the_same_up_to_rounding():
    generator = np.random.default_rng(5)
    covariances = [np.cov(generator.standard_normal((3, 9))) for _ in range(70)]
    shards = [shard(k, draws_with(generator.normal(size=3), c, generator, 50)) for k, c in enumerate(covariances)]
    first, second = (combined(shards, method, generator) for method in ("consensus", "hierarchical"))
    np.testing.assert_allclose(first.draws, second.draws, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-9)


def test_modes_are_matched_and_have_the_masses_of_the_product():
    n_shards, mass, far = 8, 0.3, np.array([14.0, 5.0])
    generator = np.random.default_rng(6)
    root = np.array([mass, 1 - mass]) ** (1 / n_shards)
    shards = []
    for number in range(n_shards):
        # The same mode comes first in one shard and second in another.
        side = np.where(np.arange(N) < N * root[0] / root.sum(), -1.0, 1.0)[:, None]
        x = side * far + np.sqrt(n_shards) * generator.standard_normal((N, 2))
        sample = ShardSample(x, np.full(N, -np.log(N)), float(N), True, N, "draws")
        shards.append(shard_posterior(number, sample, N, generator, references=np.empty(0), seconds=0.0))
    assert all(s.modes.is_multimodal for s in shards)
    found = combined(shards, "auto", generator)
    assert found.method == "product of mixtures of Gaussians"
    left = found.draws[:, 0] < 0
    assert left.mean() == pytest.approx(mass, abs=0.1)
    for side, sign in ((left, -1.0), (~left, 1.0)):
        np.testing.assert_allclose(found.draws[side].mean(axis=0), sign * far, atol=0.15)
        np.testing.assert_allclose(found.draws[side].std(axis=0), 1.0, atol=0.1)


def test_products_of_mixtures_normalise_by_the_overlap():
    def mixture(masses, width):
        return GaussianMixture(np.log(masses), np.array([[-9.0], [9.0]]), np.full((2, 1, 1), width))

    found = product([mixture([0.2, 0.8], 1.0), mixture([0.6, 0.4], 4.0), mixture([0.5, 0.5], 4.0)])
    masses = np.array([0.2 * 0.6, 0.8 * 0.4])
    order = np.argsort(found.means[:, 0])
    np.testing.assert_allclose(np.exp(found.log_shares[order]), masses / masses.sum(), rtol=1e-6)
    np.testing.assert_allclose(found.covariances.ravel(), 1 / 1.5, rtol=1e-6)


def test_one_gaussian_is_enough_for_gaussian_draws():
    generator = np.random.default_rng(7)
    x = generator.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], size=1000)
    assert fitted_modes(x, np.full(1000, 1e-3), 1000.0, generator).n_components == 1


def homogeneous(generator, n_shards=8, n=400):
    covariance = np.array([[2.0, 1.5, 0.2], [1.5, 2.0, 0.1], [0.2, 0.1, 1.0]])
    means = generator.multivariate_normal(np.zeros(3), covariance, size=n_shards)
    return [shard(k, generator.multivariate_normal(mean, covariance, size=n)) for k, mean in enumerate(means)]


def test_homogeneous_shards_are_left_alone_and_agree():
    generator = np.random.default_rng(8)
    trials = [homogeneous(generator) for _ in range(120)]
    kept = sum(not outlying(shards) for shards in trials)
    p_values = np.sort([heterogeneity(shards).p_value for shards in trials])
    assert kept >= 0.92 * len(trials)
    uniform = (np.arange(len(trials)) + 0.5) / len(trials)
    assert np.abs(p_values - uniform).max() < 0.15  # 1.6 / sqrt(n): 1 % of uniform samples are farther


def test_shards_that_do_not_belong_are_dropped_as_a_whole():
    shards = homogeneous(np.random.default_rng(9))
    away = shard(2, shards[2].draws + np.array([9.0, -9.0, 0.0]))
    stuck = shard(5, shards[5].mean + 1e-3 * (shards[5].draws - shards[5].mean) + 0.5)
    damaged = [away if s.number == 2 else stuck if s.number == 5 else s for s in shards]
    found = combined(damaged, "robust", np.random.default_rng(1))
    assert sorted(found.dropped) == [2, 5]
    assert "squared distance" in found.dropped[2]
    assert "variance" in found.dropped[5]
    rest = [s for s in shards if s.number not in (2, 5)]
    np.testing.assert_allclose(found.mean, combined(rest, "consensus", np.random.default_rng(1)).mean)
    assert heterogeneity(damaged).p_value < 1e-6


def test_two_shards_that_disagree_are_both_kept():
    shards = homogeneous(np.random.default_rng(9), 2)
    assert outlying([shards[0], shard(1, shards[1].draws + 50.0)]) == {}


def test_a_shard_travels_as_numbers():
    generator = np.random.default_rng(10)
    x = generator.standard_normal((300, 2)) + np.array([5.0, 0.0]) * (np.arange(300) % 2)[:, None]
    sample = ShardSample(x, np.full(300, -np.log(300.0)), 250.5, False, 2**40 + 1, "ärger")
    before = shard_posterior(7, sample, 111, generator, references=np.array([-1.0, -np.inf]), seconds=2.5)
    after = unpacked(packed(before))
    assert packed(before).shape[1] == 2
    for name in ("number", "ess", "certified", "n_evaluations", "method", "seconds"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("draws", "mean", "covariance", "references"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    np.testing.assert_array_equal(after.modes.covariances, before.modes.covariances)
    assert len(after.draws) == 111


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x: np.where(np.arange(500)[:, None] == 3, np.nan, x), "not finite"),
        (lambda x: x[:8], "8.0 effective draws"),
        (lambda x: np.column_stack([x[:, 0], 3 * x[:, 0]]), "do not spread in every direction"),
        (lambda x: np.column_stack([x[:, 0], np.ones(500)]), "do not spread in every direction"),
    ],
)
def test_draws_that_cannot_be_used_are_refused(damage, message):
    x = damage(np.random.default_rng(1).standard_normal((500, 2)))
    sample = ShardSample(x, np.full(len(x), -np.log(len(x))), float(len(x)), True, 1, "draws")
    with pytest.raises(EvaluationError, match=message):
        shard_posterior(0, sample, 100, np.random.default_rng(1), references=np.empty(0), seconds=0.0)


def test_unknown_combinations_are_refused():
    with pytest.raises(wilks.InvalidConfigurationError, match="expected 'auto' or one of consensus"):
        combined([], "wasp", np.random.default_rng(1))
