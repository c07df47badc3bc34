"""A checkpoint is as good as none: a run that is interrupted anywhere, any number of times, is the same run."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wilks
from wilks.core import encoding
from wilks.core.errors import StopRun
from wilks.core.status import Outcome

SPACE = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-2, 4))
X = np.linspace(0, 1, 12)
DATA = np.exp(-1.3 * X) + 0.05 * np.sin(40 * X)


class Interrupting:
    """A function that counts its calls and is interrupted, or asks for the end, after some of them."""

    def __init__(self, function):
        self.function = function
        self.calls = []
        self.left = None
        self.how = "interrupt"

    def __call__(self, values):
        if self.left is not None:
            if self.left == 0:
                self.left = None
                raise KeyboardInterrupt if self.how == "interrupt" else StopRun
            self.left -= 1
        self.calls.append((values["a"], values["b"]))
        return self.function(values)


def curved(values):
    a, b = values["a"], values["b"]
    return -0.5 * (a - 1) ** 2 / 0.3 - 0.5 * (b - 0.4 * a**2 + 0.2 * np.sin(3 * a)) ** 2 / 0.1


def residual(values):
    return (values["a"] * np.exp(-values["b"] * X) - DATA) / 0.05


def slope(values):
    a, b = values["a"], values["b"]
    return {"a": -(a - 1) / 0.3 + (b - 0.4 * a**2) / 0.1 * 0.8 * a, "b": -(b - 0.4 * a**2) / 0.1}


def likelihood_problem(function):
    return wilks.LikelihoodProblem(SPACE, function, name="p")


def constrained_problem(function):
    constraints = [lambda v: v["a"] < 1.7 or v["b"] > 2.5, lambda v: v["b"] < 3.2]
    return wilks.LikelihoodProblem(SPACE, function, constraints=constraints, name="p")


def gradient_problem(function):
    return wilks.LikelihoodProblem(SPACE, function, gradient=slope, name="p")


def residual_problem(function):
    return wilks.ResidualProblem(SPACE, function, name="p")


def fit(problem, log, **more):
    return wilks.fit(problem, log=log, seed=5, n_starts=6, callbacks=(), **more)


def profile(problem, log, **more):
    return wilks.profile(
        problem, over="a", grid=[15], roi_threshold=2.0, audit=3, log=log, seed=5, callbacks=(), **more
    )


def path(problem, log, **more):
    return wilks.profile(problem, over="a", roi_threshold=2.0, audit=2, log=log, seed=5, callbacks=(), **more)


def lattice_map(problem, log, **more):
    """Wide enough for a lattice of every second node, which is refined."""
    return wilks.profile(
        problem, over="a", grid=[41], roi_threshold=2.0, audit=2, log=log, seed=5, callbacks=(), **more
    )


def crossing(values):
    """Two branches of the nuisance that cross in the region of interest."""
    a, b = values["a"], values["b"]
    low, high = -0.5 * (b + 1) ** 2 / 0.1 - 0.3 * a, -0.5 * (b - 2) ** 2 / 0.1 + 0.3 * a
    return -0.5 * (a / 1.5) ** 2 + np.logaddexp(low, high)


CASES = {
    "path": (path, likelihood_problem, curved),
    "path with a seam": (path, likelihood_problem, crossing),
    "map on a lattice": (lattice_map, likelihood_problem, crossing),
    "map on a lattice of residuals": (lattice_map, residual_problem, residual),
    "fit": (fit, likelihood_problem, curved),
    "fit of residuals": (fit, residual_problem, residual),
    "fit with constraints": (fit, constrained_problem, curved),
    "fit with gradient": (fit, gradient_problem, lambda v: curved({"a": v["a"], "b": v["b"]})),
    "profile": (profile, likelihood_problem, curved),
    "profile with constraints": (profile, constrained_problem, curved),
    "profile of residuals": (profile, residual_problem, residual),
}
THOROUGH = {
    "path with a seam",
    "map on a lattice of residuals",
    "fit",
    "fit with constraints",
    "profile",
    "profile of residuals",
}
_expected = {}


def comparable(result):
    """What must not depend on interruptions: everything but times and the share that was taken from the file."""
    saved = {name: getattr(result, name) for name in vars(result) if name not in ("provenance", "stats", "log")}
    steps = [(step.name, step.detail, step.n_evaluations) for step in result.provenance.executed]
    return encoding.encode((saved, steps))


def expected(name):
    if name not in _expected:
        verb, make, function = CASES[name]
        counted = Interrupting(function)
        result = verb(make(counted), wilks.EvaluationLog())
        assert result.n_evaluations == len(counted.calls)
        assert (result.log.counts()["violated"] > 20) == ("constraints" in name)
        _expected[name] = comparable(result), counted.calls, len(result.log)
    return _expected[name]


interruptions = st.lists(
    st.tuples(st.sampled_from(["interrupt", "stop", "budget"]), st.integers(0, 400)), min_size=1, max_size=5
)
ENDS = {"interrupt": Outcome.INTERRUPTED, "stop": Outcome.STOPPED_BY_CALLBACK}


def n_evaluated(log):
    return len(log) - log.counts()["violated"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in THOROUGH else name for name in CASES]
)
@given(plan=interruptions, on_disk=st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_interrupted_at_random(name, plan, on_disk):
    verb, make, function = CASES[name]
    result_bytes, calls, n_rows = expected(name)
    counted = Interrupting(function)
    problem = make(counted)
    with tempfile.TemporaryDirectory() as folder:
        memory = wilks.EvaluationLog()

        def opened():
            return wilks.EvaluationLog(Path(folder) / "run") if on_disk else memory

        for how, n in plan:
            log = opened()
            before = n_evaluated(log)
            if how in ENDS:
                counted.left, counted.how = n, how
                result = verb(problem, log)
                interrupted = counted.left is None
                counted.left = None
            else:
                result = verb(problem, log, stop=wilks.MaxEvaluations(before + n + 1))
                interrupted = result.status.outcome is Outcome.EVALUATION_LIMIT
            assert result.n_evaluations == n_evaluated(log) == len(counted.calls)
            assert interrupted or len(counted.calls) == len(calls)
            if how in ENDS and interrupted:
                assert result.status.outcome is ENDS[how]
                assert len(counted.calls) == before + n
            log.close()
        log = opened()
        final = verb(problem, log)
        assert len(log) == n_rows
        log.close()
    assert counted.calls == calls, "the same calls in the same order, none of them twice"
    assert comparable(final) == result_bytes


@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=4), seed=st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_a_lost_checkpoint_costs_nothing(cuts, seed):
    """Only rows are committed, as after SIGKILL: what follows the last checkpoint is told again, not evaluated."""
    counted = Interrupting(curved)
    problem = likelihood_problem(counted)
    _, calls, _ = expected("fit")
    log = wilks.EvaluationLog()
    for n in cuts:
        counted.left = n
        stage_states = {}

        def forgetful(stage, evaluations, state, *, finished, _states=stage_states, _commit=log._backend.commit):
            first = stage not in _states and log._backend._stages[stage].state is None
            _states[stage] = True
            _commit(stage, evaluations, state if first or finished else None, finished=finished)

        original, log._backend.commit = log._backend.commit, forgetful
        fit(problem, log)
        log._backend.commit = original
        counted.left = None
    final = fit(problem, log)
    assert counted.calls == calls
    assert comparable(final) == expected("fit")[0]
    assert final.n_evaluations == len(log) == len(calls)
