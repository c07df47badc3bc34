"""The space: order, immutability, maps, messages."""

import pickle

import numpy as np
import pytest
from scipy import stats

from wilks import Categorical, Grid, Integer, InvalidProblemError, Normal, Real, Space


@pytest.fixture
def space():
    return Space(
        b=Real(0, 2, initial=1, label="$b$", unit="m"),
        scale=3.0,
        a=Real(0.1, 10, scale="log", initial=0.5),
        kind=Categorical(["x", "y"], initial="y"),
        n=Integer(1, 3, initial=2),
        g=Grid([0.0, 0.5, 4.0], initial=4.0),
        name="fixed",
    )


def test_order_is_the_order_given(space):
    assert space.names == ("b", "scale", "a", "kind", "n", "g", "name")
    assert space.free == ("b", "a", "kind", "n", "g")
    assert list(space) == list(space.names)
    assert (len(space), space.dimension) == (7, 5)
    assert space.constants == {"scale": 3.0, "name": "fixed"}
    assert space.is_continuous.tolist() == [True, True, False, False, False]
    assert space.is_ordered.tolist() == [True, True, False, True, True]
    assert space.n_values == (None, None, 2, 3, 3)
    assert [space.index(name) for name in space.free] == [0, 1, 2, 3, 4]


def test_names_need_not_be_identifiers():
    assert Space({"omega m": Real(0, 1), "λ": 2.0}, z=Real(0, 1)).free == ("omega m", "z")


def test_labels(space):
    assert space.label("b") == "$b$ [m]"
    assert space.label("a") == "a"


def test_cannot_be_changed_through_what_it_returns(space):
    before = space.describe()
    space.constants["scale"] = 7.0
    space.to_values([1, 1, 0, 1, 0.5])["scale"] = 8.0
    given = {"x": Real(0, 1)}
    other = Space(given)
    given["y"] = Real(0, 1)
    assert space.describe() == before
    assert space.to_values([1, 1, 0, 1, 0.5])["scale"] == 3.0
    assert other.free == ("x",)
    with pytest.raises(AttributeError):
        space.free = ()


@pytest.mark.parametrize("name", ["is_continuous", "is_ordered"])
def test_flags_are_made_once_and_cannot_be_changed(space, name):
    assert getattr(space, name) is getattr(space, name)
    for each in (space, pickle.loads(pickle.dumps(space))):
        with pytest.raises(ValueError, match="read-only"):
            getattr(each, name)[0] = False


def test_values_and_theta(space):
    values = {"b": 1.5, "scale": 3.0, "a": 0.2, "kind": "y", "n": 3, "g": 0.5, "name": "fixed"}
    theta = space.to_theta(values)
    assert theta.tolist() == [1.5, 0.2, 1.0, 3.0, 0.5]
    again = space.to_values(theta)
    assert again == values
    assert list(again) == list(values)
    assert [type(v) for v in again.values()] == [float, float, float, str, int, float, str]
    assert space.values_of_row(theta.tolist()) == values


REFUSED_VALUES = [
    ({"b": 1.0}, "no value for a, kind, n, g; expected values for b, a, kind, n, g"),
    ({"q": 1.0}, "unknown parameter 'q'; the parameters are b, scale, a, kind, n, g, name"),
    ({"scale": 4.0}, "parameter 'scale' is fixed at 3.0, got 4.0"),
    ({"b": 3.0, "a": 1, "kind": "x", "n": 1, "g": 0.0}, r"parameter 'b': expected a value in \[0.0, 2.0\], got 3.0"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED_VALUES)
def test_to_theta_refuses(space, values, message):
    with pytest.raises(InvalidProblemError, match=message):
        space.to_theta(values)


def test_theta_of_a_wrong_length_is_refused(space):
    with pytest.raises(ValueError, match="argument"):
        space.to_values([1.0, 2.0])


REFUSED_SPACES = [
    (lambda: Space(x=3.0), "expected at least one free parameter, got constants only"),
    (Space, "expected at least one free parameter"),
    (lambda: Space(x=[1, 2]), r"parameter 'x': expected Real, Integer, Grid, Categorical or a constant, got \[1, 2\]"),
    (lambda: Space({1: Real(0, 1)}), "expected a parameter name"),
    (lambda: Space({"": Real(0, 1)}), "expected a parameter name"),
    (lambda: Space(x=Real), "expected Real, Integer, Grid, Categorical or a constant"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED_SPACES, ids=range(len(REFUSED_SPACES)))
def test_refuses(make, message):
    with pytest.raises(InvalidProblemError, match=message):
        make()


def test_fix(space):
    fixed = space.fix(b=1, kind="x")
    assert fixed.free == ("a", "n", "g")
    assert fixed.names == space.names
    assert fixed.constants == {"b": 1.0, "scale": 3.0, "kind": "x", "name": "fixed"}
    assert isinstance(fixed.constants["b"], float), "the user's function gets a float from a real parameter, always"
    assert fixed == space.fix(b=1.0).fix(kind="x")
    assert space.fix(n=np.float64(2)).constants["n"] == 2
    assert isinstance(space.fix(n=2.0).constants["n"], int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"q": 1}, "fix: parameter 'q': no free parameter 'q'; the free parameters are b, a"),
        ({"scale": 3.0}, "no free parameter 'scale'"),
        ({"b": 5}, r"fix: parameter 'b': expected a value in \[0.0, 2.0\], got 5"),
        ({"b": 1, "a": 1, "kind": "x", "n": 1, "g": 0.0}, "at least one free parameter"),
    ],
)
def test_fix_refuses(space, values, message):
    with pytest.raises(InvalidProblemError, match=message):
        space.fix(**values)


def test_start(space):
    assert space.start.tolist() == [1.0, 0.5, 1.0, 2.0, 4.0]
    assert Space(x=Real(0, 1, initial=0.5), y=Real(0, 1)).start is None


def test_unit_box_maps_agree_with_the_domains(space):
    unit = np.random.default_rng(1).random((50, 5))
    theta = space.from_unit(unit)
    for column, name in enumerate(space.free):
        np.testing.assert_array_equal(theta[:, column], space[name].from_unit(unit[:, column]))
        np.testing.assert_allclose(space.to_unit(theta)[:, column], space[name].to_unit(theta[:, column]))
        np.testing.assert_array_equal(space.slope(theta)[:, column], space[name].slope(theta[:, column]))
    for shape in ((5,), (3, 5), (2, 3, 5)):
        assert space.from_unit(np.zeros(shape)).shape == space.to_unit(np.ones(shape)).shape == shape


KINDS = [
    Real(-1.4, 4.3),
    Real(0, 1),
    Real(3.8, 19.0, scale="log"),
    Real(1e-9, 1e9, scale="log"),
    Integer(-7, 12),
    Integer(5, 10**12),
    Grid([-3.0, 0.5, 0.75, 9.0]),
    Grid(np.linspace(0, 7, 100)),
    Categorical(["a", "b", None]),
]


@pytest.mark.parametrize("seed", range(30))
def test_maps_of_any_mixture_are_those_of_its_domains_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    domains = [KINDS[k] for k in rng.integers(len(KINDS), size=rng.integers(1, 7))]
    space = Space({f"p{i}": domain for i, domain in enumerate(domains)})
    unit = rng.uniform(-0.1, 1.1, (40, len(domains)))
    unit[rng.random(unit.shape) < 0.2] = 1.0
    unit[rng.random(unit.shape) < 0.2] = 0.0
    theta = space.from_unit(unit)
    nearby = theta * (1 + 1e-4 * rng.standard_normal(theta.shape))
    before = unit.copy(), theta.copy()
    for i, domain in enumerate(domains):
        np.testing.assert_array_equal(theta[:, i], domain.from_unit(unit[:, i]))
        np.testing.assert_array_equal(space.to_unit(theta)[:, i], domain.to_unit(theta[:, i]))
        np.testing.assert_array_equal(space.to_unit(nearby)[:, i], domain.to_unit(nearby[:, i]))
    np.testing.assert_array_equal(space.from_unit(np.asfortranarray(unit)), theta)
    np.testing.assert_array_equal(space.from_unit(unit.tolist()), theta)
    np.testing.assert_array_equal(space.from_unit(unit[0]), theta[0])
    np.testing.assert_array_equal((unit, theta), before)
    assert [list(space.values_of_row(row).values()) for row in theta.tolist()] == [
        [domain.decode(t) for domain, t in zip(domains, row, strict=True)] for row in theta.tolist()
    ]


def test_ends_of_the_unit_box_are_exact():
    space = Space(a=Real(3e-7, 11.7, scale="log"), b=Real(-0.1, 0.7), c=Real(0.3, 7, scale="log"))
    missed = Space(linear=Real(-1.4, 4.3), log=Real(3.8, 19.0, scale="log"))
    assert missed.from_unit([1.0, 1.0]).tolist() == [4.3, 19.0], "the plain formula misses both by rounding"
    assert space.from_unit([0.0, 0.0, 0.0]).tolist() == [3e-7, -0.1, 0.3]
    assert space.from_unit([1.0, 1.0, 1.0]).tolist() == [11.7, 0.7, 7.0]
    assert space.from_unit([2.0, -1.0, 2.0]).tolist() == [11.7, -0.1, 7.0]


def test_log_prior_is_the_sum_over_parameters():
    space = Space(
        x=Real(-1, 1, prior=Normal(0, 0.5)), y=Real(0.1, 10, scale="log"), k=Integer(1, 4, prior=[1, 1, 1, 5])
    )
    theta = np.array([[0.2, 1.0, 4.0], [0.2, 20.0, 4.0]])
    inside = stats.truncnorm(-2, 2, scale=0.5).logpdf(0.2) + stats.loguniform(0.1, 10).logpdf(1.0) + np.log(5 / 8)
    np.testing.assert_allclose(space.log_prior(theta), [inside, -np.inf])


def test_draws_are_repeatable_and_independent():
    space = Space(x=Real(-1, 1, prior=Normal(0, 0.5)), y=Real(0.1, 10, scale="log"))
    draws = space.draw(np.random.default_rng(3), 4000)
    np.testing.assert_array_equal(draws, space.draw(np.random.default_rng(3), 4000))
    assert stats.kstest(draws[:, 0], stats.truncnorm(-2, 2, scale=0.5).cdf).pvalue > 0.01
    assert stats.kstest(draws[:, 1], stats.loguniform(0.1, 10).cdf).pvalue > 0.01
    assert abs(stats.spearmanr(draws).statistic) < 0.05


def test_equality_is_of_what_the_parameters_are(space):
    same = pickle.loads(pickle.dumps(space))
    assert same == space
    assert hash(same) == hash(space)
    assert Space(x=Real(0, 1), y=Real(0, 1)) != Space(y=Real(0, 1), x=Real(0, 1))
    assert Space(x=Real(0, 1)) != Space(x=Real(0, 1.0000001))
    assert Space(x=Real(1, 2)) != Space(x=Real(1, 2, scale="log"))
    assert Space(x=Real(0, 1)) != Space(x=Real(0, 1, prior=Normal(0, 1)))
    assert Space(x=Real(0, 1, prior=stats.beta(2, 3))) != Space(x=Real(0, 1, prior=stats.beta(2, 4)))
    assert Space(x=Real(0, 1), y=True) != Space(x=Real(0, 1), y=1)
    assert space != "space"


def test_description_of_a_scipy_prior_does_not_hold_an_address():
    assert "0x" not in Space(x=Real(0, 1, prior=stats.beta(2, 3))).describe()


def test_repr_can_be_read(space):
    assert "a=Real(lower=0.1, upper=10.0, scale='log'" in repr(space)
