"""The coordinates of samplers: there and back, the determinant, and no point of the box without any; priors."""

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks import xpcs
from wilks.core import encoding
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.parameters import physical_space
from wilks.xpcs.posterior.chart import power_law_chart
from wilks.xpcs.posterior.priors import about_fit, with_priors

PLACE = xpcs.Geometry(0.1 * np.arange(200), 0.1, 0.0054, 2e6, np.array([0.0, 90.0]))
AT = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0,
}  # fmt: skip


def charted(overrides=None, mode="laminar_flow"):
    space, _ = physical_space(mode, overrides)
    widths = {"D0": 1e3, "alpha": 0.05, "D_offset": 900.0, "gamma_dot_0": 1e-4, "beta": 0.1, "gamma_dot_offset": 2e-4}
    spread = np.array([widths.get(name, 1.0) for name in space.free])
    return space, power_law_chart(space, PLACE, AT, np.diag(spread**2))


LINEAR = {"D0": wilks.Real(0.0, 1e5), "gamma_dot_0": wilks.Real(1e-4, 0.1), "phi0": 3.0}


@pytest.mark.parametrize("overrides", [None, LINEAR])
def test_there_and_back(overrides):
    """Every point of the box, rates of either sign included; exponents of both signs and 0."""
    space, chart = charted(overrides)
    u = np.random.default_rng(1).random((500, space.dimension))
    u[0, 1] = 0.5
    x = chart.from_unit(u)
    assert np.isfinite(x).all()
    assert (x[:, 0] < 0).any()
    assert chart.to_unit(x) == pytest.approx(u, abs=1e-7)


@pytest.mark.parametrize("overrides", [None, LINEAR])
def test_determinant_agrees_with_differences(overrides):
    space, chart = charted(overrides)
    n = space.dimension
    u = np.random.default_rng(2).uniform(0.3, 0.7, (5, n))
    for x in chart.from_unit(u):
        step = 1e-6 * np.maximum(np.abs(x), 0.1)
        columns = [(chart.to_unit((x + e)[None]) - chart.to_unit((x - e)[None]))[0] / 2 for e in np.diag(step)]
        _, expected = np.linalg.slogdet(np.array(columns) / step[:, None])
        assert chart.log_slope(x[None])[0] == pytest.approx(expected, abs=1e-5)


def test_far_away_is_outside_and_no_error():
    space, chart = charted()
    x = chart.from_unit(np.full((1, space.dimension), 0.5))
    with np.errstate(all="raise"):
        u = chart.to_unit(np.concatenate([x + 900.0, x - 900.0]))
        chart.log_slope(np.concatenate([x + 900.0, x - 900.0]))
    assert not ((u >= 0) & (u <= 1)).all(axis=1).any()


def test_chart_is_stored_as_plain_numbers():
    _, chart = charted()
    assert encoding.decode(encoding.encode(chart)) == chart


def test_law_with_a_fixed_parameter_keeps_the_box():
    _, chart = charted({"alpha": 0.0})
    assert len(chart.laws) == 1
    assert charted({"alpha": 0.0}, "static")[1] is None
    assert charted({"D0": wilks.Real(-10.0, 1e4)}, "static")[1] is None


def test_priors_by_name_and_alias():
    space, _ = physical_space("laminar_flow", None)
    found = with_priors(space, {"D0": wilks.LogNormal(1000.0, 1.5), "gamma_dot_t0": stats.gamma(2.0, scale=1e-3)})
    assert found["D0"].prior == wilks.LogNormal(1000.0, 1.5)
    theta = np.array([3e3, 0.1, 0.0, 5e-4, 0.0, 0.0, 1.0])
    other = theta.copy()
    other[0] = 6e3
    expected = stats.lognorm(1.5, scale=1000.0).logpdf([6e3, 3e3])
    assert found.log_prior(other) - found.log_prior(theta) == pytest.approx(expected[0] - expected[1])
    assert found["gamma_dot_0"].prior is not None
    assert found["beta"] == space["beta"]


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"D_0": wilks.Normal(1, 1)}, "did you mean 'D0'"),
        ({"phi0": wilks.Normal(1, 1)}, "which is fixed"),
        ({"alpha": 3.0}, "takes a prior such as"),
        ({"alpha": wilks.Uniform(5.0, 6.0)}, "no probability"),
        ({"gamma_dot_0": wilks.Normal(1, 1), "gamma_dot_t0": wilks.Normal(1, 1)}, "two names"),
        ([("alpha", 3.0)], "expected a dictionary"),
    ],
)
def test_priors_that_are_none_are_told(priors, message):
    space, _ = physical_space("laminar_flow", {"phi0": 0.0})
    with pytest.raises(InvalidConfigurationError, match=message):
        with_priors(space, priors)


def test_priors_about_a_fit_keep_their_limits():
    """Two standard errors, no less than 1 % and no more than half of the box, a tenth where there is no error."""
    space, _ = physical_space("laminar_flow", None)
    errors = {"D0": 1e9, "alpha": 0.1, "D_offset": 1e-9, "gamma_dot_0": np.inf}
    found = about_fit(space, AT, errors, 2.0)
    spreads = {name: found[name].prior.standard_deviation for name in space.free}
    assert spreads["alpha"] == pytest.approx(0.2)
    assert spreads["D0"] == pytest.approx(0.5 * (1e5 - 1e2))
    assert spreads["D_offset"] == pytest.approx(0.01 * 2e5)
    assert spreads["gamma_dot_0"] == pytest.approx(0.1 * (0.5 - 1e-6))
    assert found["alpha"].prior.mean == AT["alpha"]
