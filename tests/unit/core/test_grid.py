"""Grids: what they keep, what they refuse, and that the compact form cannot be told from the values."""

import dataclasses
import math
import pickle
import timeit
import tracemalloc
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import wilks.core.parameter
from wilks import Grid, InvalidProblemError
from wilks.core.encoding import decode, encode
from wilks.core.grid import EvenNodes, ListedNodes

EVEN = {
    "linspace": np.linspace(-1, 2, 7),
    "linspace, thirds": np.linspace(0, 1, 4),
    "linspace far from zero": np.linspace(1e5, 1e5 + 0.1, 1001),
    "long linspace": np.linspace(3.3, 17.77, 30_001),
    "arange": np.arange(0, 1, 0.1),
    "arange of floats": np.arange(-0.3, 500, 0.37),
    "arange of integers": np.arange(5, 40_000, 3),
    "range": range(-10, 90, 7),
    "long range": range(20_000),
    "two": [0.5, 2.25],
    "list": [0.1 * i for i in range(50)],
}
LISTED = {
    "uneven": [0.0, 0.5, 2.0],
    "random": np.sort(np.random.default_rng(1).random(20_000)),
    "geomspace": np.geomspace(1e-3, 1e3, 500),
    "one bit off": np.concatenate((np.linspace(0, 1, 9000)[:-5], np.nextafter(np.linspace(0, 1, 9000)[-5:], 2))),
    "longer last step": [0.0, 1.0, 2.0, 3.5],
    "minus zero": [-0.0, 1.0, 2.0],
    "steps near rounding": 1.0 + np.arange(20) * 2.0**-50,
    "wider than a float": [-1.5e308, 0.0, 1.5e308],
    "single precision": np.linspace(0, 1, 11, dtype=np.float32),
}
ALL = EVEN | LISTED


def floats(values):
    return np.array([float(v) for v in values])


@pytest.mark.parametrize("name", ALL)
def test_values_are_those_given_bit_for_bit(name):
    grid = Grid(ALL[name])
    assert isinstance(grid.nodes, EvenNodes if name in EVEN else ListedNodes)
    assert grid.values.dtype == np.float64
    assert grid.values.tobytes() == floats(ALL[name]).tobytes()
    assert not grid.values.flags.writeable
    assert grid.n_values == len(ALL[name])
    assert grid.nodes.head(3) == grid.values[:3].tolist()
    assert [grid.encode(v) for v in grid.values[-50:].tolist()] == grid.values[-50:].tolist()
    assert grid.from_unit((np.arange(grid.n_values) + 0.5) / grid.n_values).tobytes() == grid.values.tobytes()


@pytest.mark.parametrize("name", [name for name in ALL if name != "wider than a float"])
def test_theta_goes_to_the_nearest_value(name):
    """Against bisection in the middles between values, on and beside every value and middle, and far away."""
    grid = Grid(ALL[name])
    values = grid.values
    middles = 0.5 * (values[1:] + values[:-1])
    sides = [np.nextafter(x, to) for x in (values, middles) for to in (-math.inf, math.inf)]
    far = [-1e300, values[0] - 1, values[-1] + 1, 1e300, math.inf, -math.inf, math.nan]
    theta = np.concatenate((values, middles, *sides, far, np.linspace(values[0], values[-1], 777)))
    expected = np.searchsorted(middles, theta)
    np.testing.assert_array_equal(grid.to_unit(theta), (expected + 0.5) / len(values))
    assert [float(grid.to_unit(t)) for t in theta[:20]] == grid.to_unit(theta[:20]).tolist()


@pytest.mark.parametrize("name", ALL)
def test_what_does_not_belong_is_refused(name):
    grid = Grid(ALL[name])
    values = grid.values
    for wrong in (*np.nextafter(values[:5], math.inf), values[0] - 1e-9, math.inf, -math.inf, math.nan, 1.7e308):
        if wrong not in values:
            with pytest.raises(InvalidProblemError, match="expected one of"):
                grid.encode(float(wrong))


def test_any_random_progression_can_be_recovered():
    rng = np.random.default_rng(5)
    for _ in range(300):
        start, step, n = rng.normal(), rng.uniform(1e-6, 1.0), int(rng.integers(2, 300))
        for values in (np.linspace(start, start + step * n, n), np.arange(start, start + (n + 0.5) * step, step)):
            grid = Grid(values)
            assert isinstance(grid.nodes, EvenNodes)
            assert grid.values.tobytes() == values.tobytes()


def test_a_list_may_be_anything_with_an_order():
    expected = Grid([1.0, 2.0, 4.0])
    array = np.array([1, 2, 4])
    given = [
        (1, 2, 4),
        iter([1, 2, 4]),
        array,
        array.astype(">f4"),
        array.astype(object),
        array.astype(np.uint8),
        array.astype(np.longdouble),
        np.array([1, 9, 2, 9, 4, 9])[::2],
        pd.Series([1, 2, 4], index=[7, 8, 9]),
        [np.int64(1), np.float32(2), 4],
        expected.values,
    ]
    for values in given:
        assert Grid(values) == expected


def test_the_callers_array_stays_the_callers():
    for values in (np.array([1.0, 2.0, 4.0]), np.arange(3.0)):
        grid = Grid(values)
        before = grid.values.copy()
        values[0] = -7.0
        np.testing.assert_array_equal(grid.values, before)
        with pytest.raises(ValueError, match="read-only"):
            grid.values[0] = 1.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            grid.values = values


def test_a_range_is_not_unrolled():
    grid = Grid(range(-5, 10**12, 5))
    assert grid.n_values == (10**12 + 4) // 5 + 1
    some = np.array([0, 1, 77, 10**11, grid.n_values - 1])
    theta = -5.0 + 5.0 * some
    np.testing.assert_array_equal(grid.from_unit(grid.to_unit(theta)), theta)
    assert grid.encode(10**12 - 5) == 10**12 - 5
    assert "200000000001 in all" in repr(grid)
    assert Grid(range(0, 2**60, 2**50)).values.tolist() == [float(i * 2**50) for i in range(2**10)]


LONG = np.linspace(0, 1, 100_000)


def with_item(index, value):
    changed = LONG.copy()
    changed[index] = value
    return changed


REFUSED = [
    (np.array(3.0), r"expected a list of values, in a definite order, got array\(3\.\)"),
    ("12", "expected a list of values"),
    ({1.0, 2.0}, "in a definite order"),
    ([], r"expected at least two values, got \(\)"),
    (np.array([1.5]), r"at least two values, got \(1.5,\)"),
    (range(4, 5), r"at least two values, got \(4,\)"),
    (LONG[::-1], r"finite numbers in ascending order, got \[1.0, 0.99998.*, ... 100000 in all\]"),
    (LONG[::-1].tolist(), r"ascending order, got \[1.0, "),
    (range(10**12, 0, -1), r"ascending order, got \[1000000000000, 999999999999.* ... 1000000000000 in all\]"),
    (with_item(-1, math.inf), "expected finite numbers in ascending order"),
    (with_item(0, -math.inf), "expected finite numbers in ascending order"),
    (with_item(500, math.nan), "expected numbers, text, True, False or None, got nan"),
    (with_item(500, 0.0), "the value 0.0 is given twice"),
    (with_item(500, 2.0), "expected finite numbers in ascending order"),
    ([3, 1, 2, 1, math.nan], "the value 1 is given twice"),
    ([2**53, 2**53 + 1], "the value 9007199254740993 is given twice"),
    ([1, 10**400], "expected finite numbers in ascending order, got"),
    ([True, False], r"expected numbers, got \[True, False\]; use Categorical for names"),
    (np.array([False, True]), r"expected numbers, got \[False, True\]"),
    ([1.0, None], r"expected numbers, got \[1.0, None\]"),
    (np.array(["1", "2"]), r"expected numbers, got \['1', '2'\]"),
    ([1.0, Decimal(2)], r"expected numbers, text, True, False or None, got Decimal\('2'\)"),
    ([1.0, 2.0j], "True, False or None, got 2j"),
    (np.ones((2, 2)), r"True, False or None, got array\(\[1., 1.\]\)"),
    (np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"), "True, False or None, got datetime.date"),
    (np.ma.masked_array([1.0, 2.0], [True, False]), "True, False or None, got masked"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refuses(values, message):
    with pytest.raises(InvalidProblemError, match=r"^Grid: .*" + message):
        Grid(values)


def test_equality_is_of_all_that_was_given():
    values = np.linspace(0, 1, 50)
    same = [Grid(values), Grid(values.tolist()), Grid(values, prior=None), pickle.loads(pickle.dumps(Grid(values)))]
    assert len(set(same)) == 1
    others = [
        Grid(values[:-1]),
        Grid(np.nextafter(values, 2)),
        Grid(values, unit="m"),
        Grid(values, label="x"),
        Grid(values, initial=0.0),
        Grid(values, prior=np.ones(50)),
        Grid(values**2),
    ]
    assert len({same[0], *others}) == 8
    assert Grid([1, 2, 4]) == Grid([1.0, 2.0, 4.0]) != (1.0, 2.0, 4.0)
    assert Grid(range(100)) == Grid(np.arange(100)) == Grid(list(range(100)))


@pytest.mark.parametrize("name", ALL)
def test_comes_back_from_records_and_copies(name):
    grid = Grid(ALL[name], label="x", initial=float(ALL[name][1]))
    for again in (decode(encode(grid)), pickle.loads(pickle.dumps(grid)), dataclasses.replace(grid)):
        assert again == grid
        assert again.describe() == grid.describe()
        assert again.values.tobytes() == grid.values.tobytes()
        assert not again.values.flags.writeable
    assert dataclasses.replace(grid, label="y").label == "y"


def test_texts_of_short_grids_name_all_values():
    grid = Grid([0, 0.5, 4], prior=[1, 1, 2], unit="m")
    assert grid.describe() == "Grid((0.0, 0.5, 4.0),(0.25, 0.25, 0.5))"
    assert repr(grid) == "Grid(prior=(0.25, 0.25, 0.5), unit='m', label='', initial=None, values=(0.0, 0.5, 4.0))"
    assert Grid(range(1000)).describe() == f"Grid({tuple(map(float, range(1000)))!r},None)"


def test_texts_of_long_grids_are_short_and_differ():
    even, uneven = Grid(LONG), Grid(LONG**2)
    assert even.describe() == f"Grid(even:0.0,{LONG[1]!s},100000,1.0,None)"
    others = [LONG[:-1], with_item(-1, 1.5), with_item(7, np.nextafter(LONG[7], 1)), LONG * 2]
    grids = [even, uneven, Grid(LONG, prior=LONG), Grid(LONG, prior=LONG + 1), *map(Grid, others)]
    assert len({grid.describe() for grid in grids}) == len(grids)
    for grid in grids:
        assert len(grid.describe()) < 250
        assert len(repr(grid)) < 250
    assert uneven.describe() == Grid((LONG**2).tolist()).describe()


def test_two_huge_even_grids_take_no_memory_and_little_time():
    first, second = np.linspace(-3, 11, 10**6), np.arange(10**6) * 0.37
    tracemalloc.start()
    grids = [Grid(first), Grid(second)]
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [grid.n_values for grid in grids] == [10**6, 10**6]
    assert kept < 50_000
    assert peak < 5_000_000
    build = min(timeit.repeat(lambda: (Grid(first), Grid(second)), number=1, repeat=5))
    scan = min(timeit.repeat(lambda: (np.sum(first), np.sum(second)), number=1, repeat=5))
    assert build < 20 * scan


@pytest.mark.parametrize("power", [1, 2], ids=["even", "uneven"])
def test_the_cost_of_a_conversion_does_not_grow_with_the_grid(power):
    def cost(grid):
        theta = grid.from_unit(np.linspace(0, 1, 5))
        beside = theta + 1e-3
        value = float(theta[2])
        calls = [lambda: grid.to_unit(theta), lambda: grid.to_unit(beside), lambda: grid.encode(value)]
        calls += [lambda: grid.from_unit(np.linspace(0, 1, 5)), lambda: hash(grid.nodes)]
        return [min(timeit.repeat(call, number=50, repeat=7)) for call in calls]

    short, long = (cost(Grid(np.linspace(0.5, 3, n) ** power)) for n in (30, 10**6))
    assert all(slow < 10 * quick for quick, slow in zip(short, long, strict=True)), (short, long)


def test_the_class_is_found_where_it_was():
    assert wilks.core.parameter.Grid is wilks.Grid is Grid
    assert [field.name for field in dataclasses.fields(Grid)] == ["prior", "unit", "label", "initial", "values"]
    with pytest.raises(TypeError, match="values"):
        Grid()
