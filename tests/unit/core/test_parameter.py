"""Domains of single parameters: what they refuse, and their three representations."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from wilks import Categorical, Grid, Integer, InvalidProblemError, LogNormal, LogUniform, Normal, Real, Space, Uniform
from wilks.core.parameter import Domain

REFUSED = [
    (lambda: Real(-math.inf, 1), r"expected a finite lower, got -inf; every parameter needs a finite box"),
    (lambda: Real(0, math.nan), r"expected a finite upper, got nan"),
    (lambda: Real(0, True), r"expected a finite upper, got True"),
    (lambda: Real("0", 1), r"expected a finite lower, got '0'"),
    (lambda: Real(None, 1), r"Real: lower: expected a number, got None"),
    (lambda: Real(1, 1), r"expected lower < upper, got \(1.0, 1.0\); a plain number makes a constant"),
    (lambda: Real(2, 1), r"expected lower < upper, got \(2.0, 1.0\)"),
    (lambda: Real(0, 1, scale="log10"), r"scale must be 'linear' or 'log', got 'log10'"),
    (lambda: Real(0, 1, scale="log"), r"lower > 0 is needed for scale='log', got \(0.0, 1.0\)"),
    (lambda: Real(-1e308, 1e308), r"wider than a float can hold"),
    (lambda: Real(1e-300, 1e300, scale="log"), r"wider than a float can hold"),
    (lambda: Real(0, 1, prior="uniform"), r"expected a prior of wilks or a frozen distribution of scipy.stats"),
    (lambda: Real(0, 1, prior=Uniform), r"expected a prior of wilks"),
    (lambda: Real(0, 1, prior=Uniform(2, 3)), r"gives the interval \(0.0, 1.0\) no probability"),
    (lambda: Real(0, 1, initial=2), r"expected a value in \[0.0, 1.0\], got 2"),
    (lambda: Real(0, 1, initial="a"), r"expected a number, got 'a' of type str"),
    (lambda: Integer(0, 1.5), r"Integer: expected an integer upper, got 1.5"),
    (lambda: Integer(False, 3), r"Integer: expected an integer lower, got False"),
    (lambda: Integer(0, 10**15), r"Integer: expected bounds within ±562949953421312.*, got upper=1000000000000000"),
    (lambda: Integer(3, 3), r"Integer: expected lower < upper, got \(3, 3\)"),
    (lambda: Integer(1, 3, initial=2.5), r"expected an integer in \[1, 3\], got 2.5"),
    (lambda: Integer(1, 3, prior=[1, 2]), r"expected 3 weights >= 0, one per value, got \[1, 2\]"),
    (lambda: Integer(1, 3, prior=[1, -1, 1]), r"expected 3 weights >= 0"),
    (lambda: Integer(1, 3, prior=[0, 0, 0]), r"expected 3 weights >= 0"),
    (lambda: Integer(1, 3, prior=[1, math.inf, 1]), r"expected 3 weights >= 0"),
    (lambda: Integer(1, 3, prior=[1, math.nan, 1]), r"expected 3 weights >= 0"),
    (lambda: Integer(1, 3, prior="abc"), r"expected a list of weights"),
    (lambda: Grid([1.0]), r"Grid: expected at least two values, got \(1.0,\)"),
    (lambda: Grid([2.0, 1.0]), r"expected finite numbers in ascending order, got \[2.0, 1.0\]"),
    (lambda: Grid([1.0, math.inf]), r"expected finite numbers in ascending order"),
    (lambda: Grid([1.0, 1.0]), r"the value 1.0 is given twice"),
    (lambda: Grid([1, 1.0]), r"is given twice"),
    (lambda: Grid(["a", "b"]), r"expected numbers, got \['a', 'b'\]; use Categorical for names"),
    (lambda: Grid(3.0), r"Grid: expected a list of values"),
    (lambda: Categorical("ab"), r"Categorical: expected a list of values"),
    (lambda: Categorical({"a", "b"}), r"in a definite order"),
    (lambda: Categorical(["a", "a"]), r"the value 'a' is given twice"),
    (lambda: Categorical([1, 1.0]), r"is given twice"),
    (lambda: Categorical([[1], [2]]), r"expected numbers, text, True, False or None, got \[1\]"),
    (lambda: Categorical([math.nan, 1.0]), r"expected numbers, text, True, False or None, got nan"),
    (lambda: Categorical(["a", "b"], initial="c"), r"expected one of \['a', 'b'\], got 'c'"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refuses(make, message):
    with pytest.raises(InvalidProblemError, match=message):
        make()


NOT_IN_DOMAIN = [
    (Real(0, 1), [1.5, -0.1, math.nan, math.inf, "0.5", None, True]),
    (Integer(1, 4), [0, 5, 2.5, math.inf, -math.inf, math.nan, "2", True]),
    (Grid([0.0, 1.0]), [0.5, math.nan, "0", None]),
    (Categorical(["a", 1]), ["b", 2, True, None]),
]


@pytest.mark.parametrize(("domain", "values"), NOT_IN_DOMAIN, ids=lambda v: type(v).__name__)
def test_encode_refuses_what_does_not_belong(domain, values):
    for value in values:
        with pytest.raises(InvalidProblemError, match="expected"):
            domain.encode(value)


def test_a_long_list_is_cut_in_messages():
    with pytest.raises(InvalidProblemError, match=r"\[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, ... 20 in all\], got 0.5"):
        Grid(range(20)).encode(0.5)


DOMAINS = [
    Real(-2, 3),
    Real(1e-3, 1e4, scale="log"),
    Real(0.1, 0.7),
    Integer(-3, 5),
    Grid([-1.0, 0.0, 0.25, 10.0]),
    Categorical(["a", None, True, 1, 2.5]),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: d.describe())
def test_is_a_domain(domain):
    assert isinstance(domain, Domain)
    assert (domain.n_values is None) == isinstance(domain, Real)


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d.n_values], ids=lambda d: d.describe())
def test_discrete_values_own_equal_bins(domain):
    k = domain.n_values
    middles = (np.arange(k) + 0.5) / k
    theta = domain.from_unit(middles)
    assert len(set(theta.tolist())) == k
    np.testing.assert_allclose(domain.to_unit(theta), middles)
    np.testing.assert_array_equal(domain.from_unit(middles + 0.49 / k), theta)
    np.testing.assert_array_equal(domain.from_unit(middles - 0.49 / k), theta)
    assert domain.from_unit(np.array([-3.0, 0.0, 1.0, 7.0])).tolist() == [theta[0], theta[0], theta[-1], theta[-1]]
    assert [domain.encode(domain.decode(t)) for t in theta] == theta.tolist()
    assert (domain.slope(theta) == 0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, np.int64, np.uint16])
def test_numpy_scalars_are_numbers(kind):
    assert Real(kind(0), kind(2), initial=kind(1)) == Real(0, 2, initial=1)
    assert Real(kind(1), kind(2), scale="log").describe() == Real(1, 2, scale="log").describe()
    assert Grid([kind(0), 1, kind(3)], initial=kind(3)) == Grid([0, 1, 3], initial=3)
    assert Categorical([kind(1), "a"]).values == (1, "a")
    for domain in (Real(0, 2), Integer(0, 2), Grid([0, 1]), Categorical([0, 1])):
        assert domain.encode(kind(1)) == 1.0
    if issubclass(kind, np.integer):
        assert Integer(kind(0), kind(2), initial=kind(1)) == Integer(0, 2, initial=1)
        assert type(Integer(kind(0), kind(2)).upper) is int


def test_categorical_knows_the_booleans_of_numpy():
    assert Categorical([False, True]).encode(np.True_) == 1.0
    with pytest.raises(InvalidProblemError, match="expected one of"):
        Categorical([0, 1]).encode(np.True_)


def test_categorical_tells_true_from_one():
    domain = Categorical([True, 1, 0, False])
    assert [domain.encode(v) for v in (True, 1, 0, False)] == [0.0, 1.0, 2.0, 3.0]
    assert domain.decode(0.0) is True


@pytest.mark.parametrize(
    "domain",
    [Real(0.3, 7.0, scale="log"), Real(1e-5, 0.1, scale="log"), Real(3e-7, 11.7, scale="log"), Real(-0.1, 0.7)],
)
def test_ends_are_exact(domain):
    ends = domain.from_unit(np.array([-1.0, 0.0, 1.0, 2.0]))
    assert ends.tolist() == [domain.lower, domain.lower, domain.upper, domain.upper]
    np.testing.assert_allclose(domain.to_unit(np.array([domain.lower, domain.upper])), [0, 1], atol=1e-15)


@pytest.mark.parametrize("domain", DOMAINS[:3], ids=lambda d: d.describe())
def test_slope_is_the_derivative(domain):
    unit, h = np.linspace(0.1, 0.9, 5), 1e-6
    numerical = (domain.from_unit(unit + h) - domain.from_unit(unit - h)) / (2 * h)
    np.testing.assert_allclose(domain.slope(domain.from_unit(unit)), numerical, rtol=1e-6)


PRIORS = [
    Real(-2, 3),
    Real(1e-3, 1e2, scale="log"),
    Real(-1, 4, prior=Normal(1.0, 0.7)),
    Real(-1, 0.5, prior=Normal(1.0, 0.7)),
    Real(0.1, 5, prior=LogNormal(1.0, 0.8)),
    Real(0.5, 5, scale="log", prior=LogNormal(1.0, 0.8)),
    Real(0, 5, prior=LogUniform(0.1, 20.0)),
    Real(0, 5, prior=Uniform(1.0, 2.0)),
    Real(0, 1, prior=stats.beta(2, 5)),
    Real(0.2, 3, prior=stats.gamma(2.0, scale=0.5)),
]


@pytest.mark.parametrize("domain", PRIORS, ids=lambda d: d.describe())
def test_prior_of_a_real_integrates_to_one_on_its_interval(domain):
    def density(x):
        return float(np.exp(domain.log_prior(np.array(x))))

    kinks = [x for x in (0.1, 1.0, 2.0) if domain.lower < x < domain.upper]
    total = integrate.quad(density, domain.lower, domain.upper, points=kinks, epsabs=1e-10, limit=500)[0]
    assert total == pytest.approx(1.0, abs=1e-6)
    outside = np.array([domain.lower - 1.0, domain.upper + 1.0])
    assert (domain.log_prior(outside) == -np.inf).all()


@pytest.mark.parametrize("domain", PRIORS, ids=lambda d: d.describe())
def test_draws_of_a_real_follow_its_prior(domain):
    """Kolmogorov and Smirnov against the integral of the density that `log_prior` states."""
    draws = domain.draw(np.random.default_rng(11).random(4000))
    spacing = np.geomspace if domain.lower > 0 else np.linspace
    nodes = spacing(domain.lower, domain.upper, 20001)
    density = np.exp(domain.log_prior(nodes))
    cumulative = integrate.cumulative_trapezoid(density, nodes, initial=0.0)
    assert stats.kstest(draws, lambda x: np.interp(x, nodes, cumulative / cumulative[-1])).pvalue > 0.01
    assert domain.lower <= draws.min() < draws.max() <= domain.upper


DISCRETE = [
    Integer(1, 4),
    Integer(1, 4, prior=[1, 0, 5, 2]),
    Grid([0.0, 1.0, 5.0], prior=[3, 1, 1]),
    Categorical(["a", "b"]),
]


@pytest.mark.parametrize("domain", DISCRETE, ids=lambda d: d.describe())
def test_discrete_prior_sums_to_one_and_draws_follow_it(domain):
    theta = domain.from_unit((np.arange(domain.n_values) + 0.5) / domain.n_values)
    probability = np.exp(domain.log_prior(theta))
    assert probability.sum() == pytest.approx(1.0)
    draws = domain.draw(np.random.default_rng(12).random(5000))
    counts = np.array([(draws == t).sum() for t in theta])
    possible = probability > 0
    assert (counts[~possible] == 0).all()
    assert stats.chisquare(counts[possible], 5000 * probability[possible]).pvalue > 0.01


def test_discrete_prior_is_zero_beyond_the_ends():
    assert Integer(1, 4).log_prior(np.array([0.0, 1.0, 5.0])).tolist() == [-np.inf, -math.log(4), -np.inf]
    assert Integer(1, 2, prior=[1, 0]).log_prior(np.array([0.0, 1.0, 2.0, 3.0])).tolist() == [
        -np.inf,
        0,
        -np.inf,
        -np.inf,
    ]


@pytest.mark.parametrize(("lower", "upper"), [(0, 10**12), (-3, 2**40), (-(2**49), 2**49), (2**48, 2**49)])
def test_every_integer_of_a_huge_range_is_told_apart(lower, upper):
    domain = Integer(lower, upper)
    some = np.random.default_rng(3).integers(lower, upper, 2000, endpoint=True)
    theta = np.concatenate((some, lower + np.arange(50), upper - np.arange(50))).astype(float)
    unit = domain.to_unit(theta)
    assert 0 < unit.min() < unit.max() < 1
    np.testing.assert_array_equal(domain.from_unit(unit), theta)
    space = Space(n=domain)
    np.testing.assert_array_equal(space.from_unit(space.to_unit(theta[:, None]))[:, 0], theta)
    assert domain.from_unit(np.array([0.0, 1.0])).tolist() == [lower, upper]
    assert [domain.encode(domain.decode(t)) for t in theta] == theta.tolist()
    assert domain.decode(float(upper)) == upper
    assert domain.log_prior(theta[:1]).item() == pytest.approx(-math.log(upper - lower + 1))
    assert domain.draw(np.array([0.5])).item() == pytest.approx(lower + (upper - lower) / 2, rel=1e-9)


PRIOR_REFUSALS = [
    (lambda: Uniform(1, 1), "Uniform prior: expected finite lower < upper"),
    (lambda: Uniform(0, math.inf), "Uniform prior: expected finite lower < upper"),
    (lambda: LogUniform(0, 1), "LogUniform prior: expected 0 < lower < upper"),
    (lambda: LogUniform(1, math.inf), "LogUniform prior"),
    (lambda: Normal(0, 0), "Normal prior: expected a finite mean and a positive standard deviation"),
    (lambda: Normal(math.nan, 1), "Normal prior"),
    (lambda: LogNormal(-1, 1), "LogNormal prior: expected a positive median and sigma"),
]


@pytest.mark.parametrize(("make", "message"), PRIOR_REFUSALS, ids=range(len(PRIOR_REFUSALS)))
def test_priors_refuse(make, message):
    with pytest.raises(InvalidProblemError, match=message):
        make()


TWINS = [
    (Uniform(-1, 3), stats.uniform(-1, 4)),
    (LogUniform(0.01, 10), stats.loguniform(0.01, 10)),
    (Normal(2.0, 0.5), stats.norm(2.0, 0.5)),
    (LogNormal(3.0, 0.4), stats.lognorm(0.4, scale=3.0)),
]


@pytest.mark.parametrize(("ours", "theirs"), TWINS, ids=[type(o).__name__ for o, _ in TWINS])
def test_priors_agree_with_scipy(ours, theirs):
    quantile = np.array([0.001, 0.1, 0.5, 0.9, 0.999])
    x = np.concatenate((theirs.ppf(quantile), [-7.0, 50.0]))
    np.testing.assert_allclose(ours.ppf(quantile), theirs.ppf(quantile), rtol=1e-12)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ours.logpdf(x), theirs.logpdf(x), rtol=1e-10)
