"""Coarse pairs: which they are, and that their means keep the shape and quieten the noise."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.coarse import coarsen, joined
from wilks.xpcs.packing import pair_count, pair_index
from wilks.xpcs.pairs import Pairs

SIZES = [(2, 1, 1), (3, 96, 48), (17, 5, 4), (60, 24, 24), (317, 96, 48), (1001, 24, 24)]


def pairs_of(y, n_t, weights=None):
    y = np.atleast_2d(y)
    used = np.full(len(y), y.shape[1]) if weights is None else (weights > 0).sum(axis=1)
    return Pairs(n_t, y, weights, np.arange(len(y)) + 1.0, np.full(len(y), 0.02), used)


def flat(n_t):
    return pairs_of(np.zeros(pair_count(n_t)), n_t)


@pytest.mark.parametrize(("n_t", "n_rows", "n_lags"), SIZES)
def test_only_pairs_that_exist_each_once(n_t, n_rows, n_lags):
    coarse = coarsen(flat(n_t), n_rows, n_lags)
    assert ((coarse.first >= 0) & (coarse.first < coarse.second) & (coarse.second < n_t)).all()
    assert len(set(zip(coarse.first.tolist(), coarse.second.tolist(), strict=True))) == len(coarse.first)
    lags, counts = np.unique(coarse.second - coarse.first, return_counts=True)
    assert len(lags) <= n_lags
    assert counts.max() <= n_rows
    assert {1, n_t - 1} & set(lags.tolist())


@pytest.mark.parametrize(("n_t", "n_rows", "n_lags"), [(1001, 96, 48), (317, 24, 24)])
def test_lags_and_ages_are_spread(n_t, n_rows, n_lags):
    coarse = coarsen(flat(n_t), n_rows, n_lags)
    lags = np.unique(coarse.second - coarse.first)
    assert lags[:4].tolist() == [1, 2, 3, 4]
    assert lags[-1] == n_t - 1
    assert len(lags) >= 0.9 * n_lags
    ages = coarse.first[coarse.second - coarse.first == 1]
    assert ages[:2].tolist() == [0, 1] or n_rows < 30
    assert ages[-1] == n_t - 2
    assert np.diff(ages).max() <= 2.2 * n_t / n_rows + 1


def blocks(coarse):
    """How far each coarse pair reaches, from its weight."""
    return ((coarse.weights[0] - 1) / 2).astype(int)


@pytest.mark.parametrize(("n_t", "n_rows", "n_lags"), SIZES)
@pytest.mark.parametrize("weighted", [False, True])
def test_means_by_loops(n_t, n_rows, n_lags, weighted):
    rng = np.random.default_rng(n_t)
    reach = blocks(coarsen(flat(n_t), n_rows, n_lags))
    y = rng.normal(0, 1, (2, pair_count(n_t)))
    weights = rng.choice([0, 0.5, 1], y.shape).astype(np.float32) if weighted else None
    coarse = coarsen(pairs_of(y, n_t, weights), n_rows, n_lags)
    chosen = rng.permutation(len(coarse.first))[:300]
    for p in chosen:
        steps = range(-reach[p], reach[p] + 1)
        where = [int(pair_index(coarse.first[p] + s, coarse.second[p] + s, n_t)) for s in steps]
        for k in range(2):
            each = np.ones(len(where)) if weights is None else weights[k, where]
            assert coarse.weights[k, p] == pytest.approx(each.sum())
            expected = (each * y[k, where]).sum() / each.sum() if each.any() else 0.0
            assert coarse.y[k, p] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n_rows", "n_lags"), [(96, 48), (24, 24)])
def test_blocks_do_not_overlap_and_stay_inside(n_rows, n_lags):
    coarse = coarsen(flat(1001), n_rows, n_lags)
    reach, lags = blocks(coarse), coarse.second - coarse.first
    assert reach.max() == 4
    assert (reach <= coarse.first / 8).all()
    assert (coarse.second + reach <= 1000).all()
    for lag in np.unique(lags):
        here = lags == lag
        assert (np.diff(coarse.first[here]) > reach[here][1:] + reach[here][:-1]).all()


def test_means_keep_the_shape_of_an_ageing_decay():
    n_t = 1001
    times = 0.1 * np.maximum(np.arange(n_t), 0.5)
    rate = 0.49 * times**-1.571
    decay = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2)]) * 0.1
    i, j = np.triu_indices(n_t, 1)
    coarse = coarsen(pairs_of(np.exp(decay[i] - decay[j]), n_t))
    exact = np.exp(decay[coarse.first] - decay[coarse.second])
    assert np.abs(coarse.y[0] - exact).max() < 0.003


def test_noise_goes_down_as_the_weights_say():
    y = np.random.default_rng(3).normal(0, 1, (20, pair_count(500)))
    coarse = coarsen(pairs_of(y, 500))
    assert np.var(coarse.y * np.sqrt(coarse.weights)) == pytest.approx(1, rel=0.03)
    assert np.median(coarse.weights) >= 3


def test_masked_blocks_weigh_nothing():
    weights = np.zeros((1, pair_count(50)), np.float32)
    coarse = coarsen(pairs_of(np.zeros(pair_count(50)), 50, weights))
    assert not coarse.weights.any()
    assert not coarse.y.any()


def test_batches_join():
    y = np.random.default_rng(4).normal(0, 1, (3, pair_count(80)))
    whole = pairs_of(y, 80)
    parts = [Pairs(80, y[s], None, whole.centres[s], whole.sigma[s], whole.n_used[s]) for s in (slice(2), slice(2, 3))]
    expected, found = coarsen(whole, 20, 20), joined([coarsen(part, 20, 20) for part in parts])
    for name in ("first", "second", "y", "weights", "centres", "sigma"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


@pytest.mark.parametrize("sizes", [(0, 5), (5, 0)])
def test_sizes_are_checked(sizes):
    with pytest.raises(InvalidConfigurationError, match="n_rows and n_lags must be at least 1"):
        coarsen(flat(10), *sizes)
