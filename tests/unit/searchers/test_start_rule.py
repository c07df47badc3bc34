"""The rule of a multi-start: how many more starts."""

from dataclasses import replace

import numpy as np
import pytest

from wilks.searchers.basins import BasinRecord
from wilks.searchers.start_rule import Count, StartRule, distinct, hits_for, undiscovered

NOTHING = Count(dimension=4, optima=0, pending=0, w=0, n=0, hits=0, over=0, least=0)


def test_hits_for_is_the_first_number_that_is_enough():
    for w in range(1, 40):
        n = hits_for(w)
        assert undiscovered(w, n) < 0.05 <= undiscovered(w, n - 1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (5, "rule")),
        ({"optima": 1, "w": 1, "n": 3, "hits": 3, "over": 3}, (4, "rule")),
        ({"optima": 1, "w": 1, "n": 7, "hits": 7, "over": 7}, (0, "rule")),
        ({"optima": 1, "w": 1, "n": 7, "hits": 7, "over": 7, "least": 12}, (5, "rule")),
        ({"optima": 16, "w": 16, "n": 40, "hits": 40, "over": 40}, (8, "rule")),
        ({"optima": 16, "w": 16, "n": 48, "hits": 48, "over": 48}, (0, "cap")),
        ({"over": 300}, (5, "rule")),
        ({"over": 800}, (0, "cap")),
    ],
)
def test_how_many_more(changes, expected):
    """Four dimensions: the cap is at 48 hits, or 800 starts that hit nothing."""
    assert StartRule().more(replace(NOTHING, **changes)) == expected


def test_bounds_come_first():
    two = replace(NOTHING, optima=2, w=2, n=3, hits=3, over=3)
    assert StartRule().more(two) == (9, "rule")
    assert StartRule(n_optima=2).more(two) == (0, "n_optima")
    assert StartRule(n_optima=(None, 2)).more(two) == (0, "n_optima")
    assert StartRule(n_optima=(2, None)).more(two) == (9, "rule")
    assert StartRule(n_optima=(3, None)).more(two) == (45, "rule")
    assert StartRule(n_optima=(3, None), max_starts=5).more(two) == (2, "rule")
    assert StartRule(max_starts=3).more(two) == (0, "cap")
    assert StartRule(n_starts=20).more(two) == (17, "n_starts")
    assert StartRule(n_starts=3).more(two) == (0, "n_starts")
    assert not StartRule().has_all_optima(replace(two, optima=10**6))


def test_the_first_optimum_of_a_combination_of_discrete_values_is_no_discovery():
    def basin(x, kind, hits):
        return BasinRecord(np.array([x, kind]), 0.0, np.eye(1), np.zeros(1), hits, converged=True, reason="")

    columns = np.array([0])
    assert distinct([], columns) == 0
    assert distinct([basin(0.1, 0.25, 0)], columns) == 0
    assert distinct([basin(0.1, 0.25, 1), basin(0.1, 0.75, 1)], columns) == 1
    assert distinct([basin(0.1, 0.25, 1), basin(0.1, 0.75, 1), basin(0.9, 0.75, 1)], columns) == 2
