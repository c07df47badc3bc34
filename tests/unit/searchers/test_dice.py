"""Dice: single random numbers that are part of a state."""

import numpy as np
import pytest

from wilks.core import encoding
from wilks.searchers.dice import Dice


def test_keys():
    def numbers(dice):
        return [dice.uniform() for _ in range(5)]

    assert numbers(Dice.keyed(1, 2)) == numbers(Dice.keyed(1, 2))
    assert numbers(Dice.keyed(1, 2)) != numbers(Dice.keyed(1, 3))
    assert numbers(Dice.keyed(1)) != numbers(Dice.keyed(2))


def test_a_copy_from_bytes_goes_on():
    dice = Dice.keyed(3)
    [dice.uniform() for _ in range(700)], [dice.normal() for _ in range(5)]
    copy = encoding.decode(encoding.encode(dice))
    assert [copy.uniform() for _ in range(900)] == [dice.uniform() for _ in range(900)]
    assert [copy.normal() for _ in range(900)] == [dice.normal() for _ in range(900)]


def test_distributions():
    dice = Dice.keyed(0)
    uniforms = np.array([dice.uniform() for _ in range(4000)])
    normals = np.array([dice.normal() for _ in range(4000)])
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert uniforms.mean() == pytest.approx(0.5, abs=0.02)
    assert normals.mean() == pytest.approx(0, abs=0.06)
    assert normals.std() == pytest.approx(1, abs=0.05)


def chi_squared(drawn, probabilities):
    counts = np.bincount(drawn, minlength=len(probabilities))
    expected = len(drawn) * np.array(probabilities)
    assert (counts[expected == 0] == 0).all()
    kept = expected > 0
    return float(((counts - expected)[kept] ** 2 / expected[kept]).sum())


def test_integers_and_others():
    dice = Dice.keyed(0)
    assert chi_squared([dice.integer(5) for _ in range(5000)], [0.2] * 5) < 20
    assert chi_squared([dice.other(4, 2) for _ in range(5000)], [1 / 3, 1 / 3, 0, 1 / 3]) < 18
    assert {dice.other(2, 0) for _ in range(20)} == {1}


def test_pick():
    dice = Dice.keyed(0)
    assert chi_squared([dice.pick([1.0, 0.0, 3.0, 0.0]) for _ in range(5000)], [0.25, 0, 0.75, 0]) < 15
    assert {dice.pick([0.0, 1e-300, 0.0]) for _ in range(50)} == {1}


def test_order_is_a_permutation():
    dice = Dice.keyed(0)
    assert all(sorted(dice.order(7)) == list(range(7)) for _ in range(20))
    first = [dice.order(3)[0] for _ in range(3000)]
    assert chi_squared(first, [1 / 3] * 3) < 18
    assert dice.order(0) == []
