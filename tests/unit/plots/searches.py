"""Search results with known courses, for the tests of pictures and of the report."""

from dataclasses import replace

import numpy as np

import wilks
from tests.unit.plots.examples import PROVENANCE
from wilks.core.status import Outcome, Status
from wilks.searchers.result import SearchResult
from wilks.searchers.tempering.diagnostics import TemperingDiagnostics
from wilks.searchers.tempering.sample import TemperedSample

SPACE = wilks.Space(
    x=wilks.Real(-5, 5, label="$x$", unit="m"),
    rate=wilks.Real(1e-3, 10, scale="log"),
    order=wilks.Integer(0, 9),
    kind=wilks.Categorical(["flat", "curved", "open"]),
    scale=3.0,
)
BEST = {"x": 1.0, "rate": 0.1, "order": 3, "kind": "flat", "scale": 3.0}
HISTORY = np.array([[1, -50.0], [7, -12.0], [40, -3.0], [600, -1.01], [850, -1.0]])


def tempering(**more):
    """Four rungs; the replicas go round in a circle, so that each of them sees every rung."""
    ways = np.array([np.roll(np.arange(4), shift) for shift in range(120)])
    settings = {
        "ladder": np.array([0.001, 0.1, 1.0, 10.0]),
        "ladder_history": (np.array([20, 40]), np.array([[0.1, 0.5, 2.0, 10.0], [0.01, 0.3, 1.5, 10.0]])),
        "swap_rates": np.array([0.08, 0.4, np.nan]),
        "swap_attempts": np.array([60, 60, 0]),
        "swaps": np.array([5, 24, 0]),
        "acceptance": np.array([0.01, 0.3, 0.5, 0.9]),
        "trajectory": ways,
        "trajectory_every": 2,
        "round_trips": 12,
        "n_sweeps": 240,
    }
    return TemperingDiagnostics(**(settings | more))


def search(**more):
    """A search of a thousand evaluations without a log."""
    settings = {
        "space": SPACE,
        "status": Status(Outcome.BUDGET_SPENT, "The best was found at evaluation 850."),
        "best": BEST,
        "log_likelihood": -1.0,
        "n_evaluations": 1000,
        "stats": {"n_failed": 4},
        "provenance": PROVENANCE,
        "algorithm": "ParallelTempering(n_replicas=4)",
        "history": HISTORY,
        "details": {"n_restarts": 2},
        "stage": "search-1",
    }
    return SearchResult(**(settings | more))


def sampled(n=2000, **more):
    """A search with draws of every kind of parameter."""
    random = np.random.default_rng(1)
    shape = (1, n)
    x = np.where(random.random(shape) < 0.3, random.normal(-1, 0.4, shape), random.normal(1, 0.5, shape))
    draws = {
        "x": x,
        "rate": 10 ** (-1 + 0.3 * x + random.normal(0, 0.3, shape)),
        "order": np.clip(np.round(random.normal(3 + x, 1, shape)), 0, 9),
        "kind": random.choice(3, shape, p=[0.6, 0.3, 0.1]).astype(float),
    }
    sample = TemperedSample(
        states=draws,
        rung_log_likelihoods=-(x**2),
        betas=np.array([1.0]),
        log_evidence=-3.21,
        log_evidence_error=0.12,
        n_burn_in=200,
    )
    return replace(search(tempering=tempering()), sample=sample, **more)
