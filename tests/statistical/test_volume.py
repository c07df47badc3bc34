"""Walkers of the volume sampler have the distribution that they should: closed forms, and proof that tests can fail.

A walker with the level l, a Gaussian likelihood of dimension d and no wall in reach lies at the depth t below the best
with the density t^(d/2 - 1) exp(-(t - l)^2 / 2 sigma^2), in a uniform direction of the whitened space.
"""

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core.proposal import Evaluations
from wilks.loop import stretch
from wilks.profiles import volume_moves as moves
from wilks.profiles.state import Optimum
from wilks.profiles.volume import VolumeSampler, samples_of
from wilks.profiles.volume_options import VolumeOptions
from wilks.profiles.volume_seeding import Seeds

DEPTH, N_WALKERS, N_STEPS, N_SEEDS = 4.0, 240, 300, 10
LOOSE = {"sigma_fraction": 0.5}  # with which chains forget faster, so that there is more to see
FEW_STEPS = 40  # before rounding has grown to a decision
ABLE_TO_FAIL, GOOD = 1e-6, 1e-3


class Gaussian:
    """A Gaussian likelihood in the unit box, as the sampler sees it."""

    def __init__(self, mean, covariance):
        self.mean, self.factor = np.asarray(mean, dtype=float), np.linalg.cholesky(covariance)
        self.dimension = len(self.mean)
        self.curvature = np.linalg.inv(covariance)
        self.space = wilks.Space({f"x{i}": wilks.Real(0, 1) for i in range(self.dimension)})

    def whitened(self, points):
        return np.linalg.solve(self.factor, (points - self.mean).T).T

    def __call__(self, points):
        return -0.5 * (self.whitened(points) ** 2).sum(axis=1)

    def seeds(self):
        best = np.clip(self.mean, 0.0, 1.0)
        optimum = Optimum(best, float(self(best[None])[0]), self.curvature)
        return Seeds.of((optimum,), np.empty((0, self.dimension)), np.empty(0), DEPTH)

    def sampler(self, n_steps=None, **options):
        return VolumeSampler(DEPTH, N_WALKERS, n_steps or N_STEPS, VolumeOptions(**options), self.seeds())


def correlated(dimension, width=0.03, mean=0.5):
    """Widths that differ by an order of magnitude, and strong correlations."""
    scales = width * np.geomspace(0.2, 2.0, dimension)
    correlation = np.full((dimension, dimension), 0.8) + 0.2 * np.eye(dimension)
    return Gaussian(np.full(dimension, mean), scales[:, None] * correlation * scales)


def cornered(dimension):
    """The best point in a corner of the box: only one orthant lies inside."""
    return Gaussian(np.zeros(dimension), 0.05**2 * np.eye(dimension))


def walked(gaussian, sampler, seed=1, watch=lambda state: None):
    state = sampler.init(gaussian.space, seed, np.empty((0, gaussian.dimension)))
    while sampler.terminate(state) is None:
        watch(state)
        proposals, state = sampler.ask(state, 10**6)
        n = len(proposals)
        values = gaussian(proposals.thetas)
        zeros = np.zeros(n, dtype=np.int8)
        answer = Evaluations(
            proposals.ids, proposals.thetas, proposals.phases, values, zeros, zeros.astype(np.float32), zeros
        )
        state = sampler.tell(state, answer)
    return state


def final_states(gaussian, watch=lambda state: None, **options):
    """The last states of independent ensembles, whose walkers are independent too: levels, points, depths, sigma."""
    sampler = gaussian.sampler(**options)
    states = [walked(gaussian, sampler, seed, watch) for seed in range(N_SEEDS)]
    levels, values = (np.concatenate([getattr(state, name) for state in states]) for name in ("levels", "values"))
    return levels, np.concatenate([state.positions for state in states]), -values, sampler.sigma


def depth_quantiles(levels, depths, sigma, dimension):
    """Quantile of every depth in its exact distribution; uniform if all is right."""
    x = np.linspace(0.0, np.sqrt(DEPTH + 10 * sigma), 2001)  # t = x^2, in which the density has no pole at the best
    densities = x ** (dimension - 1) * np.exp(-0.5 * ((x**2 + levels[:, None]) / sigma) ** 2)
    masses = np.cumsum(np.pad(0.5 * (densities[:, 1:] + densities[:, :-1]), ((0, 0), (1, 0))), axis=1)
    return np.array([np.interp(t, x, m / m[-1]) for t, m in zip(np.sqrt(depths), masses, strict=True)])


def depth_p_value(gaussian, **options):
    levels, _, depths, sigma = final_states(gaussian, **options)
    return stats.kstest(depth_quantiles(levels, depths, sigma, gaussian.dimension), "uniform").pvalue


@pytest.mark.parametrize(
    "dimension", [2, *(pytest.param(dimension, marks=pytest.mark.slow) for dimension in (1, 3, 4))]
)
def test_depths_follow_their_density(dimension):
    assert depth_p_value(correlated(dimension)) > GOOD


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"sigma_fraction": 0.03}, marks=pytest.mark.slow),
        LOOSE,
        pytest.param({"partner_window": 0.3}, marks=pytest.mark.slow),
    ],
)
def test_depths_follow_their_density_whatever_the_options(options):
    assert depth_p_value(correlated(3), **options) > GOOD


def test_depths_fill_equal_bins():
    """The same by counts: a chi-squared test of 20 equal bins."""
    levels, _, depths, sigma = final_states(correlated(3))
    quantiles = depth_quantiles(levels, depths, sigma, 3)
    assert stats.chisquare(np.histogram(quantiles, 20, (0, 1))[0]).pvalue > GOOD


def direction_p_values(whitened):
    """The square of each component of a uniform direction has a beta distribution."""
    d = whitened.shape[1]
    squares = whitened**2 / (whitened**2).sum(axis=1, keepdims=True)
    return [stats.kstest(column, stats.beta(0.5, 0.5 * (d - 1)).cdf).pvalue for column in squares.T]


def place(monkeypatch, gaussian, positions):
    """Let the walkers begin at given places."""
    right = VolumeSampler.init

    def init(self, space, seed, starts):
        state = right(self, space, seed, starts)
        state.rays, state.positions, state.values = None, positions.copy(), gaussian(positions)
        return state

    monkeypatch.setattr(VolumeSampler, "init", init)


@pytest.mark.parametrize("dimension", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_directions_are_uniform_wherever_the_walkers_begin(monkeypatch, dimension):
    gaussian = correlated(dimension)
    cone = np.ones(dimension) + 0.1 * np.random.default_rng(1).standard_normal((N_WALKERS, dimension))
    assert max(direction_p_values(cone)) < ABLE_TO_FAIL
    place(monkeypatch, gaussian, gaussian.mean + cone @ gaussian.factor.T)
    _, points, _, _ = final_states(gaussian, **LOOSE)
    whitened = gaussian.whitened(points)
    p_values = direction_p_values(whitened)
    p_values += [stats.binomtest(int((column > 0).sum()), len(column)).pvalue for column in whitened.T]
    assert min(p_values) > GOOD


@pytest.mark.parametrize(
    "dimension", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_peak_in_a_corner(dimension):
    """In one orthant the depths follow the same density, and the directions are uniform within it."""
    gaussian = cornered(dimension)
    levels, points, depths, sigma = final_states(gaussian, **LOOSE)
    assert points.min() > 0.0
    assert stats.kstest(depth_quantiles(levels, depths, sigma, dimension), "uniform").pvalue > GOOD
    if dimension > 1:
        assert min(direction_p_values(points)) > GOOD


# What must be found out


@pytest.mark.parametrize("wrong", [pytest.param(-1, marks=pytest.mark.slow), 1])
def test_a_wrong_power_of_the_stretch_is_found_out(monkeypatch, wrong):
    right = stretch.log_acceptance
    monkeypatch.setattr(stretch, "log_acceptance", lambda z, d, new, old: right(z, d + wrong, new, old))
    assert depth_p_value(correlated(3), **LOOSE) < ABLE_TO_FAIL


def test_stretches_from_another_density_are_found_out(monkeypatch):
    monkeypatch.setattr(stretch, "draw_stretches", lambda quantiles: 0.5 + 1.5 * quantiles)
    assert depth_p_value(correlated(3), **LOOSE) < ABLE_TO_FAIL


def test_proposals_that_are_clipped_to_the_box_are_found_out(monkeypatch):
    right = stretch.stretched
    monkeypatch.setattr(stretch, "stretched", lambda *args: np.clip(right(*args), 0.0, 1.0))
    assert depth_p_value(cornered(2), **LOOSE) < ABLE_TO_FAIL


@pytest.mark.slow
def test_proposals_that_are_drawn_until_they_lie_inside_are_found_out(monkeypatch):
    def drawn_again(positions, partners, stretches):
        generator = np.random.default_rng(1)
        points = partners + stretches[:, None] * (positions - partners)
        for _ in range(20):
            outside = np.flatnonzero(~stretch.inside_box(points))
            stretches[outside] = stretch.draw_stretches(generator.random(len(outside)))
            points[outside] = partners[outside] + stretches[outside, None] * (positions - partners)[outside]
        return points

    monkeypatch.setattr(stretch, "stretched", drawn_again)
    assert depth_p_value(cornered(1), **LOOSE) < ABLE_TO_FAIL


@pytest.mark.slow
def test_a_state_that_is_kept_counts_again():
    """The counts make the visits a sample; without them, states that are hard to leave are too rare."""
    gaussian = correlated(3)
    sampler = gaussian.sampler()
    shares = []
    for seed in range(N_SEEDS):
        state = walked(gaussian, sampler, seed)
        visits, counts = samples_of(state)
        some = visits.walkers % 6 == 0  # enough, and quicker
        quantiles = depth_quantiles(state.levels[visits.walkers[some]], -visits.values[some], sampler.sigma, 3)
        middle = np.abs(quantiles - 0.5) < 0.25
        shares.append((np.average(middle, weights=counts[some]), np.mean(middle)))
    right, wrong = np.array(shares).T
    error = right.std(ddof=1) / np.sqrt(N_SEEDS)
    assert abs(right.mean() - 0.5) < 4 * error
    assert abs(wrong.mean() - 0.5) > 6 * error


@pytest.mark.slow
def test_partners_chosen_by_their_present_log_likelihood_are_found_out(monkeypatch):
    """A window on levels, which are fixed, is right; one on what changes with the walker itself is not."""
    now = {}
    right = moves.draw_partners

    def by_value(levels, others, window, fewest, quantiles):
        state = now["state"]
        parity = state.n_halves % 2
        own, theirs = state.values[parity::2], state.values[1 - parity :: 2]
        order = np.argsort(-theirs)
        return order[right(own, theirs[order], window, fewest, quantiles)]

    gaussian = correlated(3)
    options = {**LOOSE, "partner_window": 0.1, "watch": lambda state: now.update(state=state)}
    assert depth_p_value(gaussian, **options) > GOOD
    monkeypatch.setattr(moves, "draw_partners", by_value)
    assert depth_p_value(gaussian, **options) < ABLE_TO_FAIL


# Affine invariance


def mapped(gaussian, matrix, shift):
    covariance = gaussian.factor @ gaussian.factor.T
    return Gaussian(matrix @ gaussian.mean + shift, matrix @ covariance @ matrix.T)


def test_a_linear_map_of_the_box_maps_the_chain():
    """Seeding included, for a triangular map, which keeps the factors triangular."""
    gaussian = correlated(3, width=0.01)
    matrix = np.array([[0.3, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.4, 0.2, 1.5]])
    shift = 0.5 - matrix @ gaussian.mean
    other = mapped(gaussian, matrix, shift)
    first, second = (walked(each, each.sampler(FEW_STEPS), seed=5) for each in (gaussian, other))
    assert first.n_accepted == second.n_accepted > 0
    assert first.n_outside == second.n_outside == 0
    np.testing.assert_allclose(second.positions, first.positions @ matrix.T + shift, atol=1e-9)
    np.testing.assert_allclose(second.values, first.values, atol=1e-6)


def test_any_linear_map_maps_the_moves(monkeypatch):
    """Of any map, once the walkers stand at mapped places."""
    gaussian = correlated(3, width=0.01)
    matrix = np.array([[0.3, -1.0, 0.7], [0.5, 1.2, 0.1], [-0.4, 0.2, 1.5]])
    shift = 0.5 - matrix @ gaussian.mean
    other = mapped(gaussian, matrix, shift)
    start = gaussian.mean + 0.01 * np.random.default_rng(1).standard_normal((N_WALKERS, 3))
    place(monkeypatch, gaussian, start)
    first = walked(gaussian, gaussian.sampler(FEW_STEPS), seed=5)
    monkeypatch.undo()
    place(monkeypatch, other, start @ matrix.T + shift)
    second = walked(other, other.sampler(FEW_STEPS), seed=5)
    assert first.n_accepted == second.n_accepted > 0
    np.testing.assert_allclose(second.positions, first.positions @ matrix.T + shift, atol=1e-9)
