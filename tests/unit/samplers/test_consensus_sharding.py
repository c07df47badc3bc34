"""Every point in exactly one shard, labels where they belong, and sizes by the rule that is documented."""

import numpy as np
import pytest

import wilks
from wilks.samplers.consensus.options import Consensus
from wilks.samplers.consensus.sharding import default_size, n_shards_for, needs_shards, split

LABELS = np.repeat([0.0, 22.5, 90.0], [500, 300, 203])


@pytest.mark.parametrize("strategy", ["random", "balanced", "stratified", "contiguous"])
def test_all_data_are_used_once(strategy):
    found = split(1003, strategy, labels=LABELS, n_shards=7, seed=3)
    assert found.complete
    assert found.n_shards == 7
    again, other = (split(1003, strategy, labels=LABELS, n_shards=7, seed=seed) for seed in (3, 4))
    assert all(map(np.array_equal, found.indices, again.indices))
    assert all(map(np.array_equal, found.indices, other.indices)) == (strategy == "contiguous")
    assert "every point is in one shard" in repr(found)


def test_balanced_shards_hold_every_label_in_proportion():
    found = split(1003, "balanced", labels=LABELS, n_shards=7)
    assert np.ptp(found.sizes) <= 1
    for label in np.unique(LABELS):
        counts = [np.sum(LABELS[part] == label) for part in found.indices]
        assert np.ptp(counts) <= 1
    assert found.coverage.tolist() == [1.0] * 7


def test_stratified_shards_hold_one_label():
    found = split(1003, "stratified", labels=LABELS, max_points=200)
    assert all(len(np.unique(LABELS[part])) == 1 for part in found.indices)
    assert found.coverage.max() == pytest.approx(1 / 3)


def test_contiguous_shards_are_cut_as_the_data_are():
    found = split(10, "contiguous", n_shards=3)
    assert [part.tolist() for part in found.indices] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_coverage_is_kept_or_refused():
    labels = np.array([0] * 990 + [1] * 5 + [2] * 5)
    found = split(1000, "balanced", labels=labels, max_points=20)
    assert found.n_shards < 50
    assert found.coverage.min() >= 0.8
    with pytest.raises(wilks.InvalidConfigurationError, match=r"min_coverage=0\.8 is asked for"):
        split(1000, "balanced", labels=labels, n_shards=50)


def test_sizes_follow_the_rule():
    assert default_size(1_000_000, 3, 2000) == 10_000
    assert default_size(3_000_000, 3, 2000) == 15_000
    assert default_size(2_000_000_000, 3, 2000) == 20_000
    assert default_size(1_000_000, 7, 2000) == 8_000
    assert default_size(3_000_000, 7, 2000, n_labels=12) == 5_000
    assert default_size(1_000_000, 7, 2000, n_labels=4) == 5_600
    assert default_size(1_000_000, 7, 500, n_labels=4) == 11_200
    assert default_size(1_000_000, 7, 100_000) == 3_000
    assert default_size(1_000_000, 3, 100_000) == 5_000
    assert [n_shards_for(n, 1000) for n in (10**5, 10**7, 10**8, 10**10)] == [100, 10_000, 50_000, 100_000]


def test_shards_are_for_many_points_or_for_who_asks():
    assert [needs_shards(n) for n in (99_999, 100_000)] == [False, True]
    assert needs_shards(10, max_points=5)
    assert needs_shards(10, enable=True)


def test_small_shards_take_fewer_draws():
    method = Consensus(n_draws=1500)
    assert [method.draws_of(n, 3) for n in (None, 50_000, 5_000, 500)] == [1500, 1500, 750, 200]
    assert method.draws_of(500, 40) == 1500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n: expected a positive integer, got 0"),
        ({"n": 5, "strategy": "angular"}, "expected one of random, balanced, stratified, contiguous, got 'angular'"),
        ({"n": 5, "n_shards": 6}, "at most one for each of the 5 points, got 6"),
        ({"n": 5, "strategy": "balanced"}, "needs the label of every point"),
        ({"n": 5, "labels": [1, 2]}, "one for each of the 5 points"),
        ({"n": 5, "min_coverage": 2}, "from 0 to 1, got 2"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(arguments, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        split(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_draws": 10}, "n_draws: expected an integer of at least 100, got 10"),
        ({"shards": [1, 2]}, "expected at least two problems, got 1"),
        ({"shards": lambda number: None}, "a function for shards needs their number"),
        ({"combination": "wasp"}, "combination: expected 'auto' or one of consensus"),
        ({"min_success": 90}, "min_success: expected a number from 0 to 1, got 90"),
        ({"strategy": "angular"}, "strategy: expected one of"),
        ({"shards": lambda number: None, "n_shards": 3, "sizes": [1, 2]}, "a positive number for each of 3 shards"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(wilks.InvalidConfigurationError, match=message):
        Consensus(**options)
