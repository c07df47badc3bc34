"""Maps between values, theta and the unit box, and records: true for whatever is put in."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wilks import Categorical, Grid, Integer, Real, Space
from wilks.core.encoding import decode, encode
from wilks.core.table import with_error

finite = st.floats(-1e12, 1e12)


@st.composite
def reals(draw):
    scale = draw(st.sampled_from(["linear", "log"]))
    numbers = st.floats(1e-9, 1e9) if scale == "log" else finite
    lower, upper = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    # Wide enough that the unit interval has more numbers than the rounding of the map can merge.
    if upper - lower <= 1e-6 * max(abs(lower), abs(upper)):
        upper = lower + max(1e-3 * abs(lower), 1e-3)
    return Real(lower, upper, scale=scale)


integers = st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)).map(lambda p: Integer(p[0], p[0] + p[1]))
grids = st.lists(finite, min_size=2, max_size=20, unique_by=float).map(lambda v: Grid(sorted(v)))
names = st.lists(st.text(max_size=5), min_size=2, max_size=10, unique=True).map(Categorical)
domains = st.one_of(reals(), integers, grids, names)
units = st.floats(0, 1)


@given(domains, units)
def test_unit_to_theta_to_value_and_back(domain, unit):
    theta = domain.from_unit(np.array(unit))
    value = domain.decode(float(theta))
    assert domain.encode(value) == theta
    again = domain.to_unit(theta)
    tolerance = 1e-7 if domain.n_values is None else 0.5 / domain.n_values * (1 + 1e-9)
    assert abs(float(again) - unit) <= tolerance
    if domain.n_values is not None:
        assert domain.from_unit(again) == theta


@given(domains, st.floats(-10, 10))
def test_from_unit_never_leaves_the_domain(domain, unit):
    domain.encode(domain.decode(float(domain.from_unit(np.array(unit)))))


@given(reals())
def test_ends_are_exact(domain):
    assert domain.from_unit(np.array([0.0, 1.0])).tolist() == [domain.lower, domain.upper]


@given(domains, st.lists(units, min_size=2, max_size=10))
def test_from_unit_is_monotonic(domain, unit):
    assert (np.diff(domain.from_unit(np.sort(unit))) >= 0).all()


@given(domains, units)
def test_draws_lie_in_the_domain_and_have_a_prior(domain, quantile):
    theta = domain.draw(np.array([quantile]))
    domain.encode(domain.decode(float(theta[0])))
    assert np.isfinite(domain.log_prior(theta)).all()


@given(st.lists(domains, min_size=1, max_size=6), st.data())
def test_space_agrees_with_its_domains(parts, data):
    space = Space({f"p{i}": domain for i, domain in enumerate(parts)}, constant=1.5)
    unit = np.array(data.draw(st.lists(units, min_size=len(parts), max_size=len(parts))))
    theta = space.from_unit(unit)
    assert theta.tolist() == [float(d.from_unit(np.array(u))) for d, u in zip(parts, unit, strict=True)]
    values = space.to_values(theta)
    assert list(values) == list(space.names)
    np.testing.assert_array_equal(space.to_theta(values), theta)
    assert decode(encode(space)) == space
    fixed = space if len(parts) == 1 else space.fix(p0=values["p0"])
    assert fixed.constants.get("p0", values["p0"]) == values["p0"]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(max_size=20),
    st.integers(-(2**200), 2**200),
)
arrays = hnp.arrays(
    st.one_of(hnp.integer_dtypes(), hnp.floating_dtypes(), hnp.complex_number_dtypes(), hnp.unicode_string_dtypes()),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.tuples(st.integers(), st.text()))
trees = st.recursive(
    st.one_of(scalars, arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=15,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(map(repr, a)) == list(map(repr, b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@given(trees)
def test_every_record_comes_back(value):
    assert same(value, decode(encode(value)))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e5))
def test_with_error_loses_less_than_a_tenth_of_the_error(value, error):
    shown, shown_error = map(float, with_error(value, error).split(" ± "))
    assert abs(shown - value) <= 0.051 * error + 1e-5 * abs(value) * (error > 1e5)
    assert math.isclose(shown_error, error, rel_tol=0.051)
