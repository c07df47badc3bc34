"""The options of a fit: what is refused, and with which words."""

import numpy as np
import pytest

import wilks
from wilks import Integer, LikelihoodProblem, Real, Space
from wilks.core import encoding
from wilks.verbs.fit_options import FitOptions, scale_ratio

SPACE = Space(a=Real(0, 10), rate=Real(0.1, 10, scale="log"), n=Integer(0, 3), c=2.0)

WRONG = {
    "method": ({"method": "multistart"}, ("method: expected one of 'multi_start', 'screening', 'cma_es', "
               "'local', 'auto', got 'multistart'; did you mean 'multi_start'?")),
    "design": ({"method": "screening", "design": "halton"},
               "design: expected one of 'latin_hypercube', 'sobol', 'random', got 'halton'"),
    "projection": ({"projection": "half"}, "projection: expected one of 'kaufman', 'full', got 'half'"),
    "n_screened": ({"method": "screening", "n_screened": 0}, "n_screened: expected an integer >= 1, got 0"),
    "n_refined": ({"method": "screening", "n_refined": 2.5}, "n_refined: expected an integer >= 1, got 2.5"),
    "boolean": ({"method": "cma_es", "n_restarts": True}, "n_restarts: expected an integer >= 0, got True"),
    "sigma_known": ({"sigma_known": 1}, "sigma_known: expected True or False, got 1"),
    "x_scale": ({"x_scale": 3.0}, "x_scale: expected a mapping of names to typical scales, got 3.0"),
    "negative scale": ({"x_scale": {"a": -1.0}}, "x_scale: expected a positive number for 'a', got -1.0"),
    "of another method": ({"design": "sobol"},
                          "design: only method='screening' uses it, got method='multi_start'"),
    "of another method still": ({"method": "screening", "n_restarts": 1},
                                "n_restarts: only method='cma_es' or 'auto' uses it, got method='screening'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_refused(name):
    options, message = WRONG[name]
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        FitOptions(**options)
    assert str(caught.value) == message


def test_options_are_a_value():
    options = FitOptions(method="screening", design="sobol", n_screened=64, x_scale={"a": 2.0})
    assert encoding.decode(encoding.encode(options)) == options
    assert options == FitOptions("screening", "sobol", 64, x_scale={"a": 2.0})


def test_scales_are_in_units_of_the_box():
    scales = FitOptions(x_scale={"a": 2.0, "rate": 0.5, "c": 1.0}).scales(SPACE)
    assert scales == {"a": pytest.approx(0.2), "rate": pytest.approx(0.5 / 4.605170186)}


@pytest.mark.parametrize(
    ("name", "hint"), [("rat", "did you mean 'rate'?"), ("n", "they are a, rate"), ("zzz", "they are a, rate")]
)
def test_a_scale_of_what_is_no_real_parameter(name, hint):
    problem = wilks.ResidualProblem(SPACE, lambda v: np.ones(3))
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        wilks.fit(problem, options=FitOptions(x_scale={name: 1.0}), callbacks=())
    assert str(caught.value) == f"x_scale: {name!r} is no free real parameter; {hint}"


def test_the_scale_ratio_is_that_of_linear_widths():
    assert scale_ratio(SPACE) == 1.0
    assert scale_ratio(Space(a=Real(0, 1), b=Real(-10, 10), c=Real(1e-9, 1e9, scale="log"), n=Integer(0, 500))) == 20.0
    assert scale_ratio(Space(n=Integer(0, 500))) == 1.0


CALLS = {
    "options": (lambda p: wilks.fit(p, options="screening"), "options: expected a wilks.FitOptions, got 'screening'"),
    "n_starts with a screening": (
        lambda p: wilks.fit(p, n_starts=3, options=FitOptions("screening")),
        "n_starts: only method='multi_start' makes random starts, got method='screening'",
    ),
    "nowhere to start": (
        lambda p: wilks.fit(p, options=FitOptions("local")),
        "fit: method='local' needs start=, or initial values in the space",
    ),
    "scales without residuals": (
        lambda p: wilks.fit(p, options=FitOptions(x_scale={"a": 1.0})),
        "x_scale: only problems with residuals use it, got a LikelihoodProblem; leave it out",
    ),
    "sigma without residuals": (
        lambda p: wilks.fit(p, options=FitOptions(sigma_known=False)),
        "sigma_known: only problems with residuals use it, got a LikelihoodProblem; leave it out",
    ),
    "projection of nothing": (
        lambda p: wilks.fit(p, options=FitOptions(projection="full")),
        "projection: 'full' is for linear parameters that are solved for; the problem declares none; leave it out",
    ),
    "projection with a loss": (
        lambda p: wilks.fit(
            wilks.ResidualProblem(Space(a=Real(0, 1)), lambda v: np.ones(3), linear=("a",), loss="huber"),
            options=FitOptions(projection="full"),
        ),
        "projection: 'full' is for linear parameters that are solved for; the loss 'huber' allows none; leave it out",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_calls(name):
    call, message = CALLS[name]
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        call(LikelihoodProblem(SPACE, lambda v: 0.0))
    assert str(caught.value) == message


def test_scales_change_the_way_and_not_the_end():
    x = np.linspace(0, 3, 25)
    data = 2.3 * np.exp(-1.1 * x)
    space = Space(a=Real(0, 10), rate=Real(0.1, 10, scale="log"))
    problem = wilks.ResidualProblem(space, lambda v: (data - v["a"] * np.exp(-v["rate"] * x)) / 0.05)
    start = {"a": 9.0, "rate": 9.0}
    plain = wilks.fit(problem, start=start, n_starts=0, callbacks=())
    scaled = wilks.fit(
        problem, start=start, n_starts=0, options=FitOptions(x_scale={"a": 1e-3, "rate": 1.0}), callbacks=()
    )
    assert scaled.best == pytest.approx(plain.best, rel=1e-6)
    assert scaled.n_evaluations != plain.n_evaluations
    assert "damped by the given scales" in scaled.provenance.executed[0].detail
