"""Two-mode mixtures: total variation, mode masses and evidence; benchmarks/search_sampling.py has the whole table."""

import numpy as np
import pytest

from benchmarks.search_sampling import TARGETS, arithmetic_time, run
from wilks.searchers.tempering import sampler as sampler_module

SEEDS, FEW_SEEDS = range(6), range(3)


def check(name, budget, seeds):
    found = [run((name, budget, seed)) for seed in seeds]
    target = TARGETS[name]()
    variation = np.mean([each.variation for each in found])
    assert variation <= target.limits[budget]
    assert variation < target.peers.get(budget, (np.inf, ""))[0]
    assert np.mean([each.weighted for each in found]) < variation
    assert abs(np.mean([each.mass_error for each in found])) < 0.05
    assert abs(np.mean([each.z for each in found])) < 3.5 / len(found) ** 0.5


@pytest.mark.parametrize(
    "name", [name if name == "mixture_2d" else pytest.param(name, marks=pytest.mark.slow) for name in TARGETS]
)
def test_at_20_000_evaluations(name):
    check(name, 20_000, FEW_SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [20_000, 100_000])
@pytest.mark.parametrize("name", TARGETS)
def test_with_more_seeds(name, budget):
    check(name, budget, SEEDS)


def test_a_reversed_swap_spoils_the_mixture(monkeypatch):
    right = sampler_module.swap_probability
    monkeypatch.setattr(sampler_module, "swap_probability", lambda i, j, a, b: right(j, i, a, b))
    assert run(("mixture_1d", 20_000, 0)).variation > 0.3


def test_an_acceptance_without_temperature_spoils_the_mixture(monkeypatch):
    right = sampler_module.acceptance
    monkeypatch.setattr(sampler_module, "acceptance", lambda _beta, *rest: right(0.3, *rest))
    assert run(("mixture_1d", 20_000, 0)).variation > 0.12


def test_own_arithmetic_is_cheap():
    assert min(arithmetic_time("mixture_2d", 4000) for _ in range(3)) < 15.0
