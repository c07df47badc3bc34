"""Where the data are kept, with numbers that can be checked by hand, and what control groups leave free."""

import tracemalloc

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs import memory, strategy
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.folding import fold
from wilks.xpcs.strategy import choose_strategy

N_PHI, N_T = 10, 100
N_PAIRS = 4950
WORK = N_T**2 * 8 + N_PAIRS * 16  # one matrix, its values and weights
DOUBLE = N_PHI * N_PAIRS * 12 + WORK
SINGLE = N_PHI * N_PAIRS * 8 + WORK


def data(dtype=np.float64):
    c2 = np.full((N_PHI, N_T, N_T), 1.2, dtype)
    return TwoTimeData(c2, np.arange(N_T), np.arange(N_PHI), 0.01)


@pytest.fixture(autouse=True)
def free(monkeypatch):
    monkeypatch.setattr(strategy, "available_memory", lambda: 4_000_000)


@pytest.mark.parametrize(
    ("limit", "name", "dtype", "batch"),
    [
        (DOUBLE, "in_memory", "float64", N_PHI),
        (DOUBLE - 1, "in_memory_float32", "float32", N_PHI),
        (SINGLE, "in_memory_float32", "float32", N_PHI),
        (SINGLE - 1, "out_of_core", "float32", N_PHI - 1),
        (WORK + 3 * N_PAIRS * 8, "out_of_core", "float32", 3),
        (WORK + N_PAIRS * 8, "out_of_core", "float32", 1),
    ],
)
def test_thresholds(limit, name, dtype, batch):
    found = choose_strategy(data(), limit)
    assert (found.name, found.dtype, found.batch) == (name, dtype, batch)
    assert (found.limit_bytes, found.available_bytes, found.needed_bytes) == (limit, 4_000_000, DOUBLE)


def test_single_precision_data_are_kept_as_they_are():
    assert (choose_strategy(data(np.float32)).name, choose_strategy(data(np.float32)).dtype) == ("in_memory", "float32")
    found = choose_strategy(data(np.float32), SINGLE - N_T**2 * 4 - N_PAIRS * 4 - 1)
    assert found.name == "out_of_core"


def test_every_thread_needs_room():
    assert choose_strategy(data(), DOUBLE + WORK, n_threads=2).name == "in_memory"
    assert choose_strategy(data(), DOUBLE + WORK - 1, n_threads=2).name == "in_memory_float32"
    assert choose_strategy(data(), n_threads=50).needed_bytes == DOUBLE + 9 * WORK


def test_too_little_for_one_angle():
    with pytest.raises(InvalidConfigurationError, match="1 kB of memory are not enough to fold one angle of 100 times"):
        choose_strategy(data(), 1000)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, 3_000_000),
        (0.25, 1_000_000),
        (1, 4_000_000),
        (1_000_000, 1_000_000),
        ("2GB", 2 * 10**9),
        ("1.5 MiB", 1.5 * 2**20),
        ("900k", 900_000),
        ("800000", 800_000),
        (" 0.001 tb ", 10**9),
    ],
)
def test_limits(given, expected):
    assert choose_strategy(data(), given).limit_bytes == expected


@pytest.mark.parametrize("given", [0, -1, float("nan"), float("inf"), True, "much", "2 GB/s", "", "i"])
def test_wrong_limits(given):
    with pytest.raises(InvalidConfigurationError, match=r"memory_limit must be a number of bytes.*but it is"):
        choose_strategy(data(), given)


@pytest.mark.parametrize("name", ["expected_passes", "n_threads"])
def test_counts_are_positive(name):
    with pytest.raises(InvalidConfigurationError, match=f"{name} must be at least 1, but it is 0"):
        choose_strategy(data(), **{name: 0})


def test_reasons_name_the_numbers():
    assert choose_strategy(data()).reason == "the folded data take 753 kB of 3 MB that may be used (4 MB are free)"
    assert "would take 753 kB of 600 kB" in choose_strategy(data(), 600_000).reason
    found = choose_strategy(data(), 300_000, expected_passes=5)
    assert "angles are folded 3 at a time" in found.reason
    assert found.note == "each of about 5 passes reads 800 kB, 4 MB in all"


@pytest.mark.parametrize("masked", [False, True])
def test_folding_needs_no_more_than_was_said(masked):
    """The matrices are in memory already here: what is allocated is the answer and the work beside it."""
    given = data()
    mask = np.random.default_rng(1).random((N_T, N_T)) > 0.1 if masked else None
    given = TwoTimeData(given.c2, given.t, given.phi, given.q, mask=mask)
    fold(given)
    tracemalloc.start()
    fold(given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= choose_strategy(given).needed_bytes + 200_000  # panels of 32 rows, small at this size only


def group(folder, version, limit, usage, cache=0):
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, value in zip(names, (limit, usage), strict=True):
        (folder / name).write_text(f"{value}\n")
    total = "" if version == 2 else "total_"
    (folder / "memory.stat").write_text(f"anon 5\n{total}inactive_file {cache}\n")


def left(tmp_path, own):
    (tmp_path / "own").write_text(own)
    return memory._left_by_cgroups(tmp_path / "own", tmp_path)


def test_control_groups_of_version_2(tmp_path):
    group(tmp_path / "a" / "b", 2, 1000, 400, 50)
    group(tmp_path / "a", 2, 800, 500)
    group(tmp_path, 2, "max", 500)
    assert left(tmp_path, "0::/a/b\n") == [650, 300]


def test_control_groups_of_version_1(tmp_path):
    group(tmp_path / "memory", 1, 1000, 900, 20)
    assert left(tmp_path, "5:cpu:/x\n4:memory:/not/visible\n0::/\n") == [120]


def test_a_group_beyond_its_limit_leaves_nothing(tmp_path):
    group(tmp_path, 2, 1000, 1200)
    assert left(tmp_path, "0::/\n") == [0]


def test_without_control_groups(tmp_path):
    assert memory._left_by_cgroups(tmp_path / "none", tmp_path) == []
    assert left(tmp_path, "0::/a\n") == []


def test_free_memory_is_the_smallest_limit(tmp_path, monkeypatch):
    group(tmp_path, 2, 5000, 1000)
    (tmp_path / "own").write_text("0::/\n")
    monkeypatch.setattr(memory, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    assert memory.available_memory() == 4000
    (tmp_path / "own").write_text("")
    assert memory.available_memory() > 10**7
