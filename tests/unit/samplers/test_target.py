"""The density that is sampled: prior and Jacobian against brute force, each once."""

import math

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core.chart import BoxChart, LineChart
from wilks.samplers.target import Target

Real = wilks.Real
PARAMETERS = {
    "uniform": Real(-2, 3),
    "log scale": Real(1e-3, 10, scale="log"),
    "uniform on a log scale": Real(0.1, 10, scale="log", prior=wilks.Uniform(0.1, 10)),
    "log-uniform": Real(0.1, 10, prior=wilks.LogUniform(0.1, 10)),
    "cut normal": Real(0, 9, prior=wilks.Normal(1, 2)),
    "wider than the box": Real(0, 1, prior=wilks.Uniform(-1, 4)),
    "log-normal": Real(0.1, 20, prior=wilks.LogNormal(2, 0.5)),
    "log-normal on a log scale": Real(0.1, 20, scale="log", prior=wilks.LogNormal(2, 0.5)),
    "beta": Real(0, 1, prior=stats.beta(2, 3)),
    "cut t": Real(-3, 1, prior=stats.t(3)),
}
CHARTS = {"box": BoxChart(), "line": LineChart()}
every_parameter = pytest.mark.parametrize("name", PARAMETERS)
every_chart = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)


def cdf(domain, theta):
    """Of the prior as it was declared, cut to the box."""
    prior = domain.prior or (wilks.LogUniform if domain.scale == "log" else wilks.Uniform)(domain.lower, domain.upper)
    low, high = float(prior.cdf(domain.lower)), float(prior.cdf(domain.upper))
    return (prior.cdf(theta) - low) / (high - low)


def theta_of(domain, x, chart):
    """The map from x to the parameter, once more."""
    u = x if isinstance(chart, BoxChart) else stats.logistic.cdf(x)
    if domain.scale == "log":
        return domain.lower * (domain.upper / domain.lower) ** u
    return domain.lower + u * (domain.upper - domain.lower)


@every_chart
@every_parameter
def test_prior_is_the_slope_of_its_distribution_function(name, chart):
    domain = PARAMETERS[name]
    x = chart.from_unit(np.linspace(0.02, 0.98, 41)[:, None])
    step = 1e-5
    slopes = (cdf(domain, theta_of(domain, x + step, chart)) - cdf(domain, theta_of(domain, x - step, chart))) / step
    found = Target(wilks.Space(a=domain), chart).log_prior(x)
    np.testing.assert_allclose(np.exp(found), 0.5 * slopes[:, 0], rtol=1e-5)


@every_chart
@every_parameter
def test_prior_integrates_to_one(name, chart):
    n = 100_000
    x = (np.arange(n) + 0.5) / n if isinstance(chart, BoxChart) else np.linspace(-45, 45, n)
    densities = np.exp(Target(wilks.Space(a=PARAMETERS[name]), chart).log_prior(x[:, None]))
    assert densities.sum() * (x[1] - x[0]) == pytest.approx(1.0, abs=2e-5)


@every_chart
def test_several_parameters(chart):
    """Products of what each has alone, in the right columns."""
    target = Target(wilks.Space(PARAMETERS), chart)
    x = chart.from_unit(np.random.default_rng(1).uniform(0.05, 0.95, (20, target.dimension)))
    alone = [Target(wilks.Space(a=PARAMETERS[name]), chart).log_prior(x[:, [i]]) for i, name in enumerate(PARAMETERS)]
    np.testing.assert_allclose(target.log_prior(x), np.sum(alone, axis=0), rtol=1e-12)
    np.testing.assert_allclose(target.coordinates(target.thetas(x)), x, rtol=1e-7, atol=1e-9)


@every_chart
@every_parameter
def test_a_power_takes_the_prior_and_leaves_the_jacobian(name, chart):
    domain, k = PARAMETERS[name], 7
    space = wilks.Space(a=domain)
    x = chart.from_unit(np.linspace(0.1, 0.9, 9)[:, None])
    root, whole = (Target(space, chart, power=power).log_prior(x) for power in (1 / k, 1.0))
    jacobian = whole - domain.log_prior(target_thetas := Target(space, chart).thetas(x))[:, 0]
    np.testing.assert_allclose(k * (root - jacobian) + jacobian, whole, rtol=1e-9, atol=1e-12)
    step = 1e-6
    slope = (theta_of(domain, x + step, chart) - theta_of(domain, x - step, chart)) / (2 * step)
    np.testing.assert_allclose(np.exp(jacobian), slope[:, 0], rtol=1e-5)
    np.testing.assert_allclose(target_thetas, theta_of(domain, x, chart), rtol=1e-12)


def test_nothing_outside_the_box():
    target = Target(wilks.Space(a=Real(0, 4), b=Real(1, 10, scale="log")))
    x = np.array([[0.5, 0.5], [0.0, 1.0], [-1e-9, 0.5], [0.5, 1 + 1e-9], [np.nan, 0.5], [np.inf, 0.5]])
    np.testing.assert_array_equal(np.isfinite(target.log_prior(x)), [True, True, False, False, False, False])
    thetas = target.thetas(x)
    assert ((thetas >= [0, 1]) & (thetas <= [4, 10])).all()
    np.testing.assert_allclose(thetas[1], [0, 10])
    assert Target(target.space, LineChart()).log_prior(np.array([[-800.0, 800.0]])) == pytest.approx(-1600, abs=10)


@pytest.mark.parametrize(("prior", "end"), [(stats.beta(0.5, 1), 0.0), (stats.beta(1, 0.5), 1.0)])
def test_an_infinite_density_is_none(prior, end):
    """At one point, which has no probability; as a weight it would be all there is, or no number."""
    target = Target(wilks.Space(a=Real(0, 1, prior=prior)))
    assert target.log_prior(np.array([[end]])) == -math.inf
    assert math.isfinite(target.log_prior(np.array([[0.5]]))[0])


def test_failures_count_as_zero():
    target = Target(wilks.Space(a=Real(0, 4)))
    answers = np.array([-2.0, -np.inf, np.nan, np.inf, -1.0])
    x = np.array([[0.5], [0.5], [0.5], [0.5], [2.0]])
    assert target.log_density(x, answers).tolist() == [-2.0] + 4 * [-math.inf]


def test_discrete_parameters_are_refused():
    space = wilks.Space(a=Real(0, 1), n=wilks.Integer(0, 3), kind=wilks.Categorical(["p", "q"]))
    with pytest.raises(wilks.InvalidProblemError, match=r"n, kind has discrete values; use method=wilks.ParallelT"):
        Target(space)
    Target(space.fix(n=1, kind="p"))
