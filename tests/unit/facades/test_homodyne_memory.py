"""What a fit would take of the memory, by the estimates of homodyne."""

import os

import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne import memory
from wilks.facades.homodyne.memory import NLSQStrategy
from wilks.facades.homodyne.strategies import chunk_memory

GB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of 32 GB, and no wish of the environment."""
    monkeypatch.setattr(memory, "detect_total_system_memory", lambda: 32 * GB)
    monkeypatch.delenv("NLSQ_MEMORY_FRACTION", raising=False)


def test_example_of_the_strategy():
    from wilks.facades.homodyne.memory import select_nlsq_strategy

    decision = select_nlsq_strategy(n_points=100_000_000, n_params=53)
    assert decision.strategy.value == "out_of_core"
    assert decision.reason == "Peak memory (256.7 GB) exceeds threshold (24.0 GB)"


def test_examples_of_the_threshold(monkeypatch):
    from wilks.facades.homodyne.memory import get_adaptive_memory_threshold

    threshold_gb, info = get_adaptive_memory_threshold()
    pct = info["memory_fraction"] * 100
    tot = info["total_memory_gb"]
    text = f"Threshold: {threshold_gb:.1f} GB ({pct:.0f}% of {tot:.1f} GB)"
    assert text == "Threshold: 24.0 GB (75% of 32.0 GB)"
    assert info["source"] == "default"

    threshold_gb, info = get_adaptive_memory_threshold(memory_fraction=0.5)
    assert (threshold_gb, info["source"]) == (16.0, "argument")

    monkeypatch.setitem(os.environ, "NLSQ_MEMORY_FRACTION", "0.6")
    threshold_gb, info = get_adaptive_memory_threshold()
    assert info["source"] == "env"
    assert threshold_gb == pytest.approx(19.2)


@pytest.mark.parametrize(("given", "taken"), [(0.01, 0.1), (0.1, 0.1), (0.9, 0.9), (5, 0.9)])
def test_a_fraction_is_drawn_in(given, taken):
    assert memory.get_adaptive_memory_threshold(given)[1]["memory_fraction"] == taken


@pytest.mark.parametrize("text", ["much", "", "nan"])
def test_an_environment_that_is_no_number_is_an_error(text, monkeypatch):
    monkeypatch.setenv("NLSQ_MEMORY_FRACTION", text)
    with pytest.raises(InvalidConfigurationError, match=r"NLSQ_MEMORY_FRACTION: expected a number from 0\.1 to 0\.9"):
        memory.get_adaptive_memory_threshold()


@pytest.mark.parametrize(
    ("n_points", "n_params", "fraction", "strategy"),
    [
        (1_000_000, 53, 0.75, NLSQStrategy.STANDARD),
        (10_000_000, 53, 0.75, NLSQStrategy.OUT_OF_CORE),
        (10_000_000, 53, 0.9, NLSQStrategy.STANDARD),
        (5_000_000_000, 9, 0.75, NLSQStrategy.HYBRID_STREAMING),
    ],
)
def test_strategies_by_memory(n_points, n_params, fraction, strategy):
    decision = memory.select_nlsq_strategy(n_points, n_params, fraction)
    assert decision.strategy is strategy
    assert decision.threshold_gb == pytest.approx(32 * fraction)
    assert decision.index_memory_gb == pytest.approx(8 * n_points / GB)
    assert decision.peak_memory_gb == pytest.approx(6.5 * 8 * n_points * n_params / GB)


def test_the_environment_goes_before_the_default_and_not_before_an_argument(monkeypatch):
    monkeypatch.setenv("NLSQ_MEMORY_FRACTION", "0.5")
    assert memory.select_nlsq_strategy(1000, 5).threshold_gb == 16.0
    assert memory.select_nlsq_strategy(1000, 5, memory_fraction=0.25).threshold_gb == 8.0


def test_peak_memory_refuses_a_negative_number():
    with pytest.raises(InvalidConfigurationError, match="n_params: expected a number >= 0, got -1"):
        memory.estimate_peak_memory_gb(100, -1)


def test_memory_of_the_machine(monkeypatch):
    monkeypatch.undo()
    import psutil

    assert memory.detect_total_system_memory() == psutil.virtual_memory().total


def test_example_of_the_optimization_memory(monkeypatch):
    from wilks.facades.homodyne.strategies.chunking import estimate_nlsq_optimization_memory

    monkeypatch.setattr(chunk_memory, "available_memory", lambda: int(62.8e9))
    mem = estimate_nlsq_optimization_memory(n_points=23_046_023, n_params=53)
    assert f"Jacobian: {mem['jacobian_mb']:.0f} MB" == "Jacobian: 9772 MB"
    assert f"Total: {mem['peak_gb']:.1f} GB" == "Total: 14.2 GB"
    assert f"Utilization: {mem['utilization_pct']:.1f}%" == "Utilization: 22.5%"
    assert mem["is_safe"]
    assert mem["total_mb"] == pytest.approx(
        1.2 * sum(mem[name] for name in ("data_mb", "jacobian_mb", "jax_overhead_mb", "optimizer_mb"))
    )
    monkeypatch.setattr(chunk_memory, "available_memory", lambda: int(20e9))
    assert not estimate_nlsq_optimization_memory(23_046_023, 53)["is_safe"]


def test_examples_of_the_chunk_size():
    from wilks.facades.homodyne.strategies.chunking import calculate_adaptive_chunk_size

    chunk_size = calculate_adaptive_chunk_size(
        total_points=23_046_023, n_params=53, n_angles=23, available_memory_gb=62.8
    )
    assert chunk_size == 500_000
    chunk_size = calculate_adaptive_chunk_size(total_points=1_000_000, n_params=9, n_angles=3, available_memory_gb=32.0)
    assert chunk_size == 500_000


def test_chunk_size_by_memory(monkeypatch):
    found = chunk_memory.calculate_adaptive_chunk_size(10**6, 53, 23, available_memory_gb=0.26)
    assert found == 0.7 * 0.26e9 // (53 * 8 * 5.0) // 23 * 23
    assert chunk_memory.calculate_adaptive_chunk_size(10**6, 53, 23, available_memory_gb=0.001) == 10_000
    monkeypatch.setattr(chunk_memory, "available_memory", lambda: 260_000_000)
    assert chunk_memory.calculate_adaptive_chunk_size(10**6, 53, 23) == found
    with pytest.raises(InvalidConfigurationError, match="min_chunk_size <= max_chunk_size"):
        chunk_memory.calculate_adaptive_chunk_size(10**6, 53, 23, min_chunk_size=10, max_chunk_size=5)
    with pytest.raises(InvalidConfigurationError, match="n_angles: expected a positive number, got 0"):
        chunk_memory.calculate_adaptive_chunk_size(10**6, 53, 0)


def test_memory_of_a_stratification(monkeypatch):
    monkeypatch.setattr(chunk_memory, "available_memory", lambda: 100_000_000)
    copied = chunk_memory.estimate_stratification_memory(1_000_000, estimated_expansion=2.0)
    assert (copied["original_memory_mb"], copied["stratified_memory_mb"], copied["peak_memory_mb"]) == (32, 64, 96)
    assert not copied["is_safe"]
    by_index = chunk_memory.estimate_stratification_memory(1_000_000, use_index_based=True)
    assert (by_index["index_memory_mb"], by_index["peak_memory_mb"], by_index["is_safe"]) == (8, 40, True)
