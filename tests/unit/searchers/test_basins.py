"""Basins: when two ends are one optimum, and what leads to a known one."""

from types import SimpleNamespace

import numpy as np
import pytest

from wilks import Categorical, Integer, Real, Space
from wilks.searchers.basins import BasinRecord, explains, leads_to, n_combinations, same_basin, start_design

BOTH = np.arange(2)
CURVATURE = np.array([[400.0, 100.0], [100.0, 100.0]])
TOP = np.array([0.5, 0.4])


def basin(u=TOP, value=0.0, measured=None):
    return BasinRecord(np.asarray(u), value, CURVATURE, np.zeros(2), 0, converged=True, reason="", measured=measured)


def ascent(u, value=None, gradient=None):
    """An ascent at `u` on the parabola of the basin, unless told otherwise."""
    d = np.asarray(u) - TOP
    value = -0.5 * float(d @ CURVATURE @ d) if value is None else value
    return SimpleNamespace(u=np.asarray(u), value=value, gradient=-CURVATURE @ d if gradient is None else gradient)


def test_ends_on_one_parabola_are_one_optimum():
    """The second lies 0.5 lower, which is what the parabola says there; elsewhere it would be another optimum."""
    d = np.array([0.05, 0.0])
    there = TOP + d
    assert same_basin(BOTH, basin(), basin(there, -0.5 * d @ CURVATURE @ d))
    assert not same_basin(BOTH, basin(), basin(there, -0.3))
    assert not same_basin(BOTH, basin(), basin(TOP + np.array([0.3, 0.0]), -0.5))
    assert same_basin(BOTH, basin(), basin(TOP + 1e-5, -1.0))
    assert not same_basin(BOTH, basin(), basin(TOP + 1e-5, -2.0))


def test_a_value_on_the_parabola_is_explained():
    near, far = TOP + np.array([0.1, 0.0]), TOP + np.array([0.3, 0.0])
    assert explains(BOTH, basin(), near, -2.0)
    assert explains(BOTH, basin(), near, -1.8)
    assert not explains(BOTH, basin(), near, -1.0)
    assert not explains(BOTH, basin(), near, 0.1), "higher than the basin"
    assert not explains(BOTH, basin(), far, -18.0), "too far away to say"


def test_a_slope_near_by_leads_to_the_basin():
    near = TOP + np.array([0.1, -0.05])
    assert leads_to(BOTH, basin(), near, ascent(near))
    assert not leads_to(BOTH, basin(), near, ascent(near, gradient=np.array([20.0, 0.0])))
    assert not leads_to(BOTH, basin(), near, ascent(near, value=-0.5))


@pytest.mark.parametrize(
    ("off", "turned", "is_led"), [(0.0, 0.0, True), (0.02, 0.0, False), (0.0, 0.05, False), (0.005, 0.01, True)]
)
def test_far_away_only_an_exact_parabola_leads_to_it(off, turned, is_led):
    """Ten standard errors off: value and slope must agree to a few per cent."""
    far = np.array([0.05, 0.95])
    there = ascent(far)
    there.value *= 1 + off
    there.gradient = there.gradient * (1 + turned)
    assert leads_to(BOTH, basin(measured=CURVATURE), far, there) is is_led
    assert not leads_to(BOTH, basin(), far, there), "an estimate from a few steps is not good enough"


def test_other_discrete_values_are_another_basin():
    columns = np.array([0])
    one, other = basin([0.5, 0.25], 0.0), basin([0.5, 0.75], 0.0)
    one.curvature = other.curvature = np.array([[100.0]])
    assert same_basin(columns, one, one)
    assert not same_basin(columns, one, other)
    assert explains(columns, one, np.array([0.51, 0.25]), -0.005)
    assert not explains(columns, one, np.array([0.51, 0.75]), -0.005)
    there = SimpleNamespace(u=np.array([0.51]), value=-0.005, gradient=np.array([-1.0]))
    assert leads_to(columns, one, one.u, there)
    assert not leads_to(columns, one, other.u, there)


def test_a_better_end_takes_the_place_but_not_the_history():
    old, new = basin(measured=CURVATURE), basin([0.1, 0.2], 3.0)
    old.n_hits, old.scanned, old.rounds, old.number, old.polished = 5, True, 2, 7, True
    old.replace(new)
    assert (old.u.tolist(), old.value, old.measured, old.polished) == ([0.1, 0.2], 3.0, None, False)
    assert (old.n_hits, old.scanned, old.rounds, old.number) == (5, True, 2, 7)


def test_the_design_goes_through_all_combinations():
    space = Space(x=Real(0, 1), kind=Categorical(["a", "b"]), n=Integer(1, 3))
    assert n_combinations(space) == 6
    design = start_design(space, 12, np.random.default_rng(1))
    values = [space.to_values(space.from_unit(u)) for u in design]
    pairs = [(v["kind"], v["n"]) for v in values]
    assert sorted(pairs) == sorted([(k, n) for k in "ab" for n in (1, 2, 3)] * 2)
    assert sorted((12 * design[:, 0]).astype(int).tolist()) == list(range(12))
