"""All roots of a function of one variable: against known ones, and what is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from wilks.core.roots import brent, scan_roots

NODES = np.linspace(0.0, 1.0, 65)


def roots(function, scale=1.0):
    with np.errstate(all="ignore"):
        values = np.array([function(x) for x in NODES])
    return scan_roots(function, NODES, values, scale)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - 0.3,
        lambda x: x**9 - 1e-5,
        lambda x: np.exp(20 * x) - 3,
        lambda x: np.arctan(1e4 * (x - 0.777)),
        lambda x: np.cbrt(x - 0.6),
    ],
)
def test_brent_agrees_with_the_one_of_scipy(function):
    calls = []

    def counted(x):
        calls.append(x)
        return function(x)

    x, value = brent(counted, (0.0, function(0.0)), (1.0, function(1.0)))
    assert x == pytest.approx(brentq(function, 0, 1, xtol=1e-15, rtol=1e-15), abs=1e-14)
    assert value == function(x)
    assert len(calls) < 80


def test_brent_at_a_root_of_third_order():
    assert brent(lambda x: (x - 0.1) ** 3, (0.0, -1e-3), (1.0, 0.729))[0] == pytest.approx(0.1, abs=1e-5)


def test_brent_is_quick_where_a_function_is_smooth():
    calls = []
    x, _ = brent(lambda x: calls.append(x) or x * x - 0.5, (0.0, -0.5), (1.0, 0.5))
    assert x == pytest.approx(0.5**0.5, abs=1e-16)
    assert len(calls) <= 10


@given(st.lists(st.integers(2, 990), min_size=1, max_size=4, unique=True), st.sampled_from([1e-8, 1.0, 1e12]))
def test_every_root_of_a_polynomial_is_found(thousandths, scale):
    """Also pairs within one interval of the grid, as long as they are not alone with others in it."""
    expected = sorted(t / 1000 for t in thousandths)
    gaps = np.diff(np.array([-1.0, *expected, 2.0]))
    crowded = ((gaps[:-1] < 0.05) & (gaps[1:] < 0.05)).any()
    if crowded or expected[0] < 0.02 or expected[-1] > 0.98:
        return
    found = roots(lambda x: scale * float(np.prod([x - r for r in expected])), scale)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("at", [0.3, 0.5, 0.123456, 0.98])
def test_a_root_that_only_touches_zero(at):
    assert roots(lambda x: (x - at) ** 2) == pytest.approx([at], abs=1e-6)
    assert roots(lambda x: -((x - at) ** 2)) == pytest.approx([at], abs=1e-6)
    assert roots(lambda x: (x - at) ** 2 + 1e-9) == []


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_root_at_the_end_is_found_in_spite_of_rounding(end):
    assert roots(lambda x: x - end - 3e-16) == [end]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 / (x - 0.3001),
        lambda x: np.tan(9 * x + 0.2) + 1e9,
        lambda x: -1.0 if x < 0.3 else 1.0,
        lambda x: np.nan,
        lambda x: 1.0,
        lambda x: np.nan if abs(x - 0.5) < 0.2 else x - 0.5,
    ],
)
def test_what_is_no_root(function):
    assert roots(function) == []


def test_roots_beside_something_undefined():
    assert roots(lambda x: np.nan if x > 0.5 else x - 0.3) == pytest.approx([0.3])


def test_a_root_on_a_node_is_one_root():
    assert roots(lambda x: x - NODES[20]) == [NODES[20]]
