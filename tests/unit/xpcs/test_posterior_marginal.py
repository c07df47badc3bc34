"""Contrast, offset and noise integrated out: against sums over a fine grid of all three, and differences."""

import numpy as np
import pytest

from wilks import xpcs
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.fitting import check_question, problem_of
from wilks.xpcs.kernel_choice import NUMPY
from wilks.xpcs.posterior.box import Bell, Grid, log_mass
from wilks.xpcs.posterior.problem import MarginalProblem, small
from wilks.xpcs.posterior.scan import static_scan
from wilks.xpcs.preparation import prepare
from wilks.xpcs.problems import XpcsProblem
from wilks.xpcs.scaling import Scaling

FLOW = {
    "D0": 2e4, "alpha": -0.4, "D_offset": 800.0,
    "gamma_dot_0": 6e-4, "beta": 0.3, "gamma_dot_offset": 1e-4, "phi0": 4.0,
}  # fmt: skip
STATIC = {name: FLOW[name] for name in ("D0", "alpha", "D_offset")}
SHRUNK = xpcs.FitOptions(regularisation=xpcs.Shrinkage(contrast=0.05, offset=0.02))


def marginal(mode="static", n_phi=2, n_t=12, *, sigma="integrated", scaling="individual", contrast=0.2, **more):
    """A problem on simulated data; `more` goes to the simulation but for options."""
    options = more.pop("options", None)
    mask = more.pop("mask", None)
    place = xpcs.Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, np.linspace(-60.0, 80.0, n_phi))
    truth = STATIC if mode == "static" else FLOW
    data = xpcs.simulate(truth, place, mode=mode, contrast=contrast, sigma=more.pop("noise", 0.05), seed=1, **more)
    if mask is not None:
        data = xpcs.TwoTimeData(data.c2, data.t, data.phi, data.q, data.gap, sigma=data.sigma, mask=mask)
    question = check_question(data, mode, scaling, None, None, options)
    base = problem_of(question, prepare(data, question))
    return MarginalProblem(base, sigma, bounds=question.bounds), truth | {"D0": 2.2e4}


def summed(problem, values, n=401):
    """Log of the marginal likelihood of each angle for itself, noise known, on a grid over the whole box."""
    products = small(problem.base.sums_at(values, derivatives=False))
    found = []
    for s, centre, count in zip(products, problem.base.sums.centres, problem.base.sums.n_used, strict=True):
        peak = np.linalg.solve(s[:2, :2], s[:2, 2])
        sd = np.sqrt(np.diag(np.linalg.inv(s[:2, :2])))
        o = np.linspace(max(0.5, centre + peak[0] - 9 * sd[0]), min(1.5, centre + peak[0] + 9 * sd[0]), n)
        b = np.linspace(max(0.0, peak[1] - 9 * sd[1]), min(1.0, peak[1] + 9 * sd[1]), n)
        row = np.stack(np.broadcast_arrays(-(o - centre)[:, None], -b, 1.0))
        chi = np.einsum("iab,ij,jab->ab", row, s, row)
        density = np.exp(-0.5 * (chi - chi.min()))
        mass = np.trapezoid(np.trapezoid(density, b, axis=1), o)
        found.append(np.log(mass) - 0.5 * chi.min() - 0.5 * count * np.log(2 * np.pi))
    return np.array(found)


@pytest.mark.parametrize("contrast", [0.2, 0.005])
def test_known_noise_is_the_sum_over_a_grid(contrast):
    """With the contrast far from its bounds, and leaning on 0."""
    problem, values = marginal(sigma="known", contrast=contrast)
    assert float(problem.log_likelihood(values)[0]) == pytest.approx(summed(problem, values).sum(), abs=2e-4)


def of_scale(problem, values, s):
    """The log-likelihood with the noise of all angles multiplied."""
    base = problem.base
    scaled = XpcsProblem(base.space, base.sums, base.geometry, base.mode, base.block, base.angle_weights / s**2)
    known = MarginalProblem(scaled, "known", bounds=problem.bounds)
    return float(known.log_likelihood(values)[0]) - int(base.sums.n_used.sum()) * np.log(s)


@pytest.mark.parametrize(
    ("scaling", "contrast", "options"),
    [
        ("individual", 0.2, None),
        ("individual", 0.005, None),
        ("averaged", 0.005, None),
        ("constant", 0.2, None),
        (Scaling.fourier(1), 0.2, None),
        ("individual", 0.2, SHRUNK),
    ],
)
def test_noise_is_integrated_over_its_scale(scaling, contrast, options):
    """The likelihoods of known noise, summed over its logarithm (the prior 1 / s), are that of unknown noise."""
    problem, values = marginal(n_phi=3, scaling=scaling, contrast=contrast, options=options)
    t = np.linspace(-0.7, 1.2, 400)
    logs = np.array([of_scale(problem, values, np.exp(each)) for each in t])
    expected = logs.max() + np.log(np.trapezoid(np.exp(logs - logs.max()), t))
    assert float(problem.log_likelihood(values)[0]) == pytest.approx(expected, abs=1e-4)


def test_noise_of_each_angle_is_integrated_for_itself():
    problem, values = marginal(sigma="per_angle", scaling="individual")
    total = 0.0
    for k in range(2):
        products = small(problem.base.sums_at(values, derivatives=False))[k][None, None]
        alone = type(problem.marginal)(
            problem.base.sums.n_used[k : k + 1], problem.base.sums.centres[k : k + 1],
            (0.0, 1.0), (0.5, 1.5), shared=False, sigma="integrated",
        )  # fmt: skip
        total += float(alone.log_likelihood(products)[0])
    assert float(problem.log_likelihood(values)[0]) == pytest.approx(total, abs=1e-9)


def test_closed_form_of_individual_scaling():
    """-1/2 sum log v - nu/2 log RSS: differences between two points, by hand."""
    problem, values = marginal()
    logs, expected = [], []
    for d0 in (2.0e4, 2.2e4):
        at = values | {"D0": d0}
        logs.append(float(problem.log_likelihood(at)[0]))
        rss = log_v = 0.0
        for s in small(problem.base.sums_at(at, derivatives=False)):
            v = s[1, 1] - s[0, 1] ** 2 / s[0, 0]
            u = s[1, 2] - s[0, 1] * s[0, 2] / s[0, 0]
            rss += s[2, 2] - s[0, 2] ** 2 / s[0, 0] - u**2 / v
            log_v += np.log(v)
        nu = int(problem.base.sums.n_used.sum()) - 4
        expected.append(-0.5 * log_v - 0.5 * nu * np.log(rss))
    assert logs[1] - logs[0] == pytest.approx(expected[1] - expected[0], abs=1e-9)


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
@pytest.mark.parametrize(
    ("sigma", "scaling", "contrast", "options"),
    [
        ("integrated", "individual", 0.2, None),
        ("integrated", "individual", 0.003, None),
        ("known", "averaged", 0.003, None),
        ("per_angle", "individual", 0.003, None),
        ("integrated", "constant", 0.2, None),
        ("integrated", Scaling.fourier(1), 0.2, None),
        ("integrated", "individual", 0.2, SHRUNK),
    ],
)
def test_gradient_agrees_with_differences(mode, sigma, scaling, contrast, options):
    problem, values = marginal(mode, 3, 20, sigma=sigma, scaling=scaling, contrast=contrast, options=options)
    theta = problem.space.to_theta(values)
    found = problem.gradient(values) * theta
    expected = []
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-4 * theta[i]
        points = np.array([theta + k * step for k in (-2, -1, 1, 2)])
        at = problem.log_likelihoods(points)
        expected.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-4)
    assert found == pytest.approx(np.array(expected), rel=1e-5, abs=1e-5 * np.abs(found).max())


def test_likelihood_is_finite_where_the_data_tell_no_contrast():
    """f is the same for all pairs: without the box the likelihood would grow without limit."""
    problem, _ = marginal()
    nothing_left = problem.log_likelihood({"D0": 1e5, "alpha": 2.0, "D_offset": 1e5})[0]
    at_rest = problem.log_likelihood({"D0": 1e2, "alpha": 2.0, "D_offset": -1e2})[0]
    best = problem.log_likelihood(STATIC)[0]
    assert np.isfinite([nothing_left, at_rest]).all()
    assert max(nothing_left, at_rest) < best


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
def test_many_sets_at_a_time_are_one_by_one(mode, masked):
    """Products of matrices and tables of indices against the pass of the fit; with negative rates too."""
    mask = np.random.default_rng(2).random((3, 70, 70)) < 0.8 if masked else None
    problem, values = marginal(mode, 3, 70, mask=mask)
    sets = [values, values | {"D0": 9e4, "alpha": 1.5}, values | {"D_offset": -9e3}]
    thetas = np.array([problem.space.to_theta(each) for each in sets])
    found = problem.products(thetas)
    for each, sums in zip(sets, found, strict=True):
        expected = small(problem.base.sums_at(each, derivatives=False))
        size = np.sqrt(np.einsum("kii->ki", expected))
        assert np.abs(sums - expected).max(initial=0.0, where=size[0, 0] > 0) <= 1e-11 * (size.max() ** 2)
        assert np.allclose(sums, expected, rtol=1e-10, atol=1e-12 * size.max() ** 2)


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr("wilks.xpcs.posterior.scan._MIN_FOR_THREADS", 0)
    problem, values = marginal("static", 40, 110)
    ((_, pairs),) = problem.base.sums.batches()
    decays = np.array([np.linspace(0.0, x, 110) for x in (1.0, 3.0)])
    assert np.array_equal(static_scan(pairs, decays, 1), static_scan(pairs, decays, 2))
    assert NUMPY.name == problem.base.sums.kernel.name
    assert np.isfinite(problem.log_likelihood(values)).all()


@pytest.mark.parametrize(
    ("peak", "v", "mean_y"),
    [(0.02, 4e4, 1.02), (-0.05, 1e4, 1.0), (0.3, 1e-3, 1.1), (0.4, 400.0, 1.42), (0.9, 2e3, 1.6)],
)
def test_mass_moments_and_draws_in_the_box(peak, v, mean_y):
    """Against a grid: leaning on a bound, beyond it, without any width, and with the offset at its own bound."""
    one = np.ones(1)
    bell = Bell(v * one, peak * one, 9e4 * one, mean_y * one, 0.3 * one, 0 * one, one, 0.5 * one, 1.5 * one)
    s = 1.1 * one
    b, o = np.linspace(0, 1, 1501)[:, None] ** 2, np.linspace(0.5, 1.5, 1501)
    logs = -0.5 * (v * (b - peak) ** 2 + 9e4 * (o - (mean_y - 0.3 * b)) ** 2) / 1.1**2
    p = np.exp(logs - logs.max())
    total = np.trapezoid(np.trapezoid(p, o, axis=1), b[:, 0])
    expected = np.log(total) + logs.max() - np.log(2 * np.pi * 1.1**2 / np.sqrt(9e4 * v))
    assert log_mass(bell, s)[0] == pytest.approx(expected, abs=2e-3)
    p = p * np.gradient(b[:, 0])[:, None]
    p = p / p.sum()
    moments = [float((p * each).sum()) for each in (b, o, b**2, b * o, o**2)]
    found = Grid.of(bell, s).moments()
    assert np.concatenate(found) == pytest.approx(np.array(moments), rel=3e-3, abs=3e-4)
    many = Bell(*(np.full(6000, each[0]) for each in bell))
    b_drawn, o_drawn = Grid.of(many, np.full(6000, 1.1)).draw(np.random.default_rng(3))
    assert ((b_drawn >= 0) & (b_drawn <= 1) & (o_drawn >= 0.5) & (o_drawn <= 1.5)).all()
    sd = np.sqrt(moments[2] - moments[0] ** 2), np.sqrt(moments[4] - moments[1] ** 2)
    assert abs(b_drawn.mean() - moments[0]) < 0.06 * sd[0]
    assert abs(o_drawn.mean() - moments[1]) < 0.06 * sd[1]
    assert b_drawn.std() == pytest.approx(sd[0], rel=0.05)


def test_what_cannot_be_integrated_is_told():
    with pytest.raises(InvalidConfigurationError, match="ties to that of the others"):
        marginal(sigma="per_angle", scaling="averaged")
    with pytest.raises(InvalidConfigurationError, match="pairs do not tell"):
        marginal(n_phi=1, n_t=3)
