"""Best points and standard errors against iminuit (MIGRAD and HESSE) where the likelihood is no parabola."""

import math

import numpy as np
import pytest
from iminuit import Minuit

import wilks
from wilks import Real


def poisson_line():
    """Counts over a line: intercept and slope of the mean."""
    x = np.linspace(0, 10, 15)
    counts = np.random.default_rng(1).poisson(3 + 2 * x)

    def log_likelihood(v):
        mean = v["a"] + v["b"] * x
        return float(np.sum(counts * np.log(mean) - mean)) if mean.min() > 0 else -math.inf

    return wilks.Space(a=Real(0.1, 30), b=Real(0.01, 20)), log_likelihood, {"a": 5.0, "b": 1.0}


def decay_times():
    """Exponential decay over a constant background in a window, unbinned."""
    rng = np.random.default_rng(2)
    times = np.concatenate([rng.exponential(1.3, 300), rng.uniform(0, 10, 150)])
    times = times[times < 10]

    def log_likelihood(v):
        decay = np.exp(-times / v["tau"]) / (v["tau"] * (1 - math.exp(-10 / v["tau"])))
        return float(np.log(v["signal"] * decay + (1 - v["signal"]) / 10).sum())

    return wilks.Space(tau=Real(0.1, 20, scale="log"), signal=Real(0, 1)), log_likelihood, {"tau": 1.0, "signal": 0.5}


def gaussian_mixture():
    """Two normal distributions of one width: fraction, two means, width."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(-1.5, 0.8, 150), rng.normal(1.5, 0.8, 250)])

    def log_likelihood(v):
        one, two = (np.exp(-0.5 * ((x - v[m]) / v["s"]) ** 2) for m in ("m1", "m2"))
        return float(np.log((v["f"] * one + (1 - v["f"]) * two) / v["s"]).sum())

    space = wilks.Space(f=Real(0, 1), m1=Real(-4, 0), m2=Real(0, 4), s=Real(0.1, 5, scale="log"))
    return space, log_likelihood, {"f": 0.5, "m1": -1.0, "m2": 1.0, "s": 1.0}


def correlated_counts():
    """A spectrum: peak on an exponential background, extended likelihood of binned counts."""
    edges = np.linspace(0, 10, 41)
    middle = 0.5 * (edges[1:] + edges[:-1])

    def mean(v):
        return v["s"] * np.exp(-0.5 * ((middle - v["m"]) / 0.5) ** 2) + v["b"] * np.exp(-middle / v["l"])

    counts = np.random.default_rng(4).poisson(mean({"s": 25.0, "m": 4.0, "b": 40.0, "l": 4.0}))

    def log_likelihood(v):
        expected = mean(v)
        return float(np.sum(counts * np.log(expected) - expected))

    space = wilks.Space(s=Real(0.1, 200), m=Real(0, 10), b=Real(1, 300), l=Real(0.5, 50, scale="log"))
    return space, log_likelihood, {"s": 20.0, "m": 4.2, "b": 30.0, "l": 3.0}


@pytest.mark.parametrize("make", [poisson_line, decay_times, gaussian_mixture, correlated_counts])
def test_errors_agree_with_hesse(make):
    space, log_likelihood, start = make()
    result = wilks.fit(wilks.LikelihoodProblem(space, log_likelihood), seed=1, callbacks=())
    peer = Minuit(lambda *x: -log_likelihood(dict(zip(start, x, strict=True))), *start.values(), name=tuple(start))
    peer.errordef = Minuit.LIKELIHOOD
    peer.tol = 1e-4
    for name in start:
        peer.limits[name] = (space[name].lower, space[name].upper)
    peer.migrad()
    peer.hesse()
    assert peer.valid
    assert result.status.success
    assert result.log_likelihood >= -peer.fval - 1e-6
    covariance = np.array(peer.covariance)
    peer_errors = dict(zip(start, np.sqrt(np.diag(covariance)), strict=True))
    for name in start:
        assert result.best[name] == pytest.approx(peer.values[name], abs=0.005 * peer_errors[name])
        assert result.standard_errors[name] == pytest.approx(peer_errors[name], rel=0.01)
    scale = np.sqrt(np.diag(covariance))
    assert result.correlation == pytest.approx(covariance / np.outer(scale, scale), abs=0.01)
