"""Posteriors of the supernova problem against quadrature that has nothing of wilks in it.

With flat priors the offset integrates out exactly: the log-likelihood is a parabola in it whose width depends on the
data alone, so that the posterior of the cosmological parameters is the profile likelihood, normalised.
"""

import numpy as np
import pytest

import wilks
from benchmarks.supernova_brute_force import brute_force_map, profiled_chi_squared, read_data
from wilks import problems

LEVELS = (0.68, 0.95)
QUIET = {"seed": 1, "callbacks": ()}
EXACT = wilks.AdaptiveImportance(ess=25_000, n_first=5_000)  # 0.05 is three Monte Carlo errors of a 95 % end
TOLERANCE = 0.05  # of a standard deviation


class Curve:
    """A density on a grid, refined between the nodes by a cubic spline of its logarithm."""

    def __init__(self, nodes, log_density):
        from scipy.interpolate import CubicSpline

        self.x = np.linspace(nodes[0], nodes[-1], 20_001)
        density = np.exp(CubicSpline(nodes, log_density - np.max(log_density))(self.x))
        self.shares = density / density.sum()
        self.mean = float(self.shares @ self.x)
        self.sd = float(np.sqrt(self.shares @ (self.x - self.mean) ** 2))

    def quantile(self, p):
        return float(np.interp(p, np.cumsum(self.shares) - 0.5 * self.shares, self.x))

    def interval(self, level):
        return self.quantile(0.5 - 0.5 * level), self.quantile(0.5 + 0.5 * level)


def agrees(posterior, name, truth):
    assert posterior.means[name] == pytest.approx(truth.mean, abs=TOLERANCE * truth.sd)
    assert posterior.standard_deviations[name] == pytest.approx(truth.sd, rel=TOLERANCE)
    for level in LEVELS:
        assert posterior.interval(name, level) == pytest.approx(truth.interval(level), abs=TOLERANCE * truth.sd)


@pytest.fixture(scope="module")
def constant():
    """Fit, profile and posterior of a cosmological constant."""
    problem = problems.supernova().fix(w=-1.0)
    fit = wilks.fit(problem, **QUIET)
    profile = wilks.profile(problem, over="omega_m", grid=(101,), start=fit, audit=0, **QUIET)
    return fit, profile, wilks.sample(problem, EXACT, start=fit, **QUIET)


@pytest.fixture(scope="module")
def truth():
    """The posterior of omega_m for w = -1, and the best offset and its standard deviation given omega_m."""
    nodes = np.linspace(0.17, 0.39, 67)
    chi_squared, offset = np.array([profiled_chi_squared(x, -1.0) for x in nodes]).T
    width = float(np.sum(read_data()[2] ** -2.0) ** -0.5)
    return Curve(nodes, -0.5 * chi_squared), nodes, offset, width


def test_matter_density(constant, truth):
    posterior = constant[2]
    assert posterior.status.success
    assert posterior.certificate.ok
    curve = truth[0]
    assert (curve.mean, curve.sd) == pytest.approx((0.279, 0.0197), abs=1e-3)
    agrees(posterior, "omega_m", curve)


def test_offset(constant, truth):
    """A mixture of Gaussians of one width around the best offset at every omega_m."""
    curve, nodes, offset, width = truth
    best = np.interp(curve.x, nodes, offset)
    mean = float(curve.shares @ best)
    sd = float(np.sqrt(width**2 + curve.shares @ (best - mean) ** 2))
    posterior = constant[2]
    assert posterior.means["offset"] == pytest.approx(mean, abs=TOLERANCE * sd)
    assert posterior.standard_deviations["offset"] == pytest.approx(sd, rel=TOLERANCE)
    correlation = float(curve.shares @ ((curve.x - curve.mean) * (best - mean))) / (curve.sd * sd)
    assert posterior.correlations[0, 1] == pytest.approx(correlation, abs=0.02)


def test_hessian_profile_and_posterior_agree(constant):
    compared = wilks.compare(*constant)
    assert compared.disagreements == ()
    entries = compared.entries["omega_m"]
    assert [entry.kind for entry in entries] == ["fit", "profile", "posterior"]
    assert np.ptp([entry.best for entry in entries]) < 0.1 * 0.0197


@pytest.mark.slow
def test_any_constant_equation_of_state():
    """A bent valley: far from a Gaussian, and the fit says so little of it that it must be told."""
    omega_m, w = np.linspace(0.0, 0.56, 57), np.linspace(-2.4, -0.35, 42)
    density, _ = brute_force_map(omega_m, w)
    log_density = density - density.max()
    problem = problems.supernova()
    fit = wilks.fit(problem, **QUIET)
    posterior = wilks.sample(problem, EXACT, start=fit, **QUIET)
    assert posterior.certificate.ok
    for name, nodes, axis in (("omega_m", omega_m, 1), ("w", w, 0)):
        alone = np.log(np.exp(log_density).sum(axis=axis) + 1e-300)
        agrees(posterior, name, Curve(nodes, alone))
    profile = wilks.profile(problem, over="omega_m", start=fit, audit=0, **QUIET)
    sentences = wilks.compare(fit, profile, posterior).disagreements
    assert any(text.startswith("omega_m: ") for text in sentences)
    assert not any("no cause" in text for text in sentences)
