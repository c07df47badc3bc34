"""What people, machines and likelihoods do to a sampling: interruptions, kills, failures, bounds."""

import math
import os
import struct
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core import encoding
from wilks.core.errors import StopRun
from wilks.core.status import Outcome

Real = wilks.Real
SPACE = wilks.Space(a=Real(-9, 9), b=Real(1e-3, 10, scale="log"))


def comparable(result):
    """What must not depend on interruptions: everything but times and the share that came from the file."""
    names = [each.name for each in fields(result) if each.name not in ("provenance", "log", "stats")]
    return encoding.encode([getattr(result, name) for name in names])


def hill(values):
    return -0.5 * ((values["a"] - 4) ** 2 / 0.04 + (math.log(values["b"]) / 0.3) ** 2)


def two_hills(values):
    return float(np.logaddexp(hill(values), hill({**values, "a": -values["a"]})))


class Watched:
    """A problem whose calls are recorded, and which does something at one of them."""

    def __init__(self, function=hill):
        self.calls = []
        self.at = {}
        calls, at = self.calls, self.at

        def log_likelihood(values):
            calls.append((values["a"], values["b"]))
            action = at.pop(len(calls), None)
            if action is not None:
                calls.pop()
                raise action
            return function(values)

        self.problem = wilks.LikelihoodProblem(SPACE, log_likelihood, name="p")
        assert self.problem.fingerprint  # made before the record of the calls changes

    def sample(self, folder=None, **more):
        arguments = {"seed": 3, "callbacks": (), **more}
        if folder is None:
            return wilks.sample(self.problem, **arguments)
        with wilks.EvaluationLog(folder / "run") as log:
            return wilks.sample(self.problem, log=log, **arguments)


@pytest.fixture(scope="module")
def expected():
    watched = Watched()
    result = watched.sample()
    assert result.certificate.ok
    assert result.n_evaluations == len(watched.calls)
    return result


# Interruptions


@pytest.mark.parametrize("cuts", [[100], [260], [1300], [20, 150, 201, 400, 1500, 2100]])
def test_a_limit_on_the_evaluations(cuts, expected, tmp_path):
    watched = Watched()
    for k in cuts:
        short = watched.sample(tmp_path, stop=wilks.MaxEvaluations(k))
        assert short.status.outcome is Outcome.EVALUATION_LIMIT
        assert short.n_evaluations == len(watched.calls) == k
        assert not short.status.success
        assert f"{k} were allowed" in repr(short)
    result = watched.sample(tmp_path)
    assert comparable(result) == comparable(expected)
    assert len(watched.calls) == result.n_evaluations
    assert result.stats["n_reused"] == cuts[-1]


@pytest.mark.parametrize(
    ("action", "outcome"),
    [(KeyboardInterrupt, Outcome.INTERRUPTED), (StopRun, Outcome.STOPPED_BY_CALLBACK)],
)
@pytest.mark.parametrize("call", [30, 900])
def test_the_likelihood_ends_it(action, outcome, call, expected, tmp_path):
    watched = Watched()
    watched.at[call] = action()
    short = watched.sample(tmp_path)
    assert short.status.outcome is outcome
    assert len(watched.calls) == call - 1
    assert short.n_draws == (0 if call == 30 else 2000)
    result = watched.sample(tmp_path)
    assert comparable(result) == comparable(expected)
    assert len(watched.calls) == result.n_evaluations


@pytest.mark.parametrize("stage", ["fit", "importance"])
def test_a_callback_ends_it(stage, expected, tmp_path):
    def callback(info):
        if info.title.startswith(stage):
            raise StopRun

    watched = Watched()
    short = watched.sample(tmp_path, callbacks=[callback])
    assert short.status.outcome is Outcome.STOPPED_BY_CALLBACK
    assert len(short.draws["a"].ravel()) == 0
    assert math.isnan(short.means["a"])
    assert "Posterior of 'p'" in repr(short)
    assert comparable(watched.sample(tmp_path)) == comparable(expected)


def test_limits_hold_for_the_whole_of_it():
    """A fit for every mode, and the draws: together they make no more evaluations than were allowed."""
    whole = Watched(two_hills).sample()
    fits = [step.n_evaluations for step in whole.provenance.executed if step.name == "fit"]
    assert len(fits) == 2
    for k in (fits[0], fits[0] + 10, sum(fits), sum(fits) + 10):
        watched = Watched(two_hills)
        short = watched.sample(stop=wilks.MaxEvaluations(k))
        assert short.status.outcome is Outcome.EVALUATION_LIMIT
        assert short.n_evaluations == len(watched.calls) == k


def test_several_modes_and_an_interruption(tmp_path):
    """The fits of the lesser modes are made again, everything else goes on."""
    watched = Watched(two_hills)
    whole = Watched(two_hills).sample()
    watched.sample(tmp_path, stop=wilks.MaxEvaluations(1000))
    assert comparable(watched.sample(tmp_path)) == comparable(whole)


def test_what_is_done_is_not_done_again(tmp_path):
    watched = Watched()
    watched.sample(tmp_path)
    n = len(watched.calls)
    again = watched.sample(tmp_path)
    assert len(watched.calls) == n == again.n_evaluations == again.stats["n_reused"]
    other = watched.sample(tmp_path, seed=4)
    assert len(watched.calls) > n
    assert other.certificate.ok


def test_two_processes(expected):
    with_two = wilks.sample(
        wilks.LikelihoodProblem(SPACE, hill, name="p"), seed=3, callbacks=(), executor=wilks.ProcessExecutor(2)
    )
    assert comparable(with_two) == comparable(expected)
    assert "2" in with_two.provenance.executor


BARE = """
import sys
sys.modules |= dict.fromkeys(["jax", "numpyro", "arviz_base", "arviz_plots", "h5netcdf", "xarray", "numba"])
import wilks
from wilks.problems.posteriors import log_scale_posterior
posterior = wilks.sample(log_scale_posterior().problem, wilks.Ensemble(n_walkers=16), seed=1, callbacks=())
assert posterior.status.success, posterior
wilks.plots.save(wilks.plots.posterior_ess(posterior), "ess.png")
wilks.plots.save(wilks.plots.posterior_rank(posterior), "rank.png")
"""


def test_chains_are_drawn_certified_and_shown_without_any_extra(tmp_path):
    """The packages of an extra are none that a default way may come to need."""
    done = subprocess.run([sys.executable, "-c", BARE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["ess.png", "rank.png"]


SCRIPT = """
import math, os, struct, time
import wilks

def log_likelihood(values):
    with open("calls", "ab", buffering=0) as file:
        file.write(struct.pack("<2d", values["a"], values["b"]))
    time.sleep(float(os.environ["SECONDS_PER_CALL"]))  # no part of the fingerprint
    return -0.5 * ((values["a"] - 4) ** 2 / 0.04 + (math.log(values["b"]) / 0.3) ** 2)

space = wilks.Space(a=wilks.Real(-9, 9), b=wilks.Real(1e-3, 10, scale="log"))
with wilks.EvaluationLog("run.wilks") as log:
    wilks.sample(wilks.LikelihoodProblem(space, log_likelihood, name="p"), log=log, seed=3).save("result.wilks")
"""


def test_killed(expected, tmp_path):
    """By SIGKILL, in the middle of a batch of draws; what was told to the file is not evaluated again."""
    (tmp_path / "script.py").write_text(SCRIPT)
    calls = tmp_path / "calls"

    def start(seconds):
        path = str(Path(wilks.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": path, "SECONDS_PER_CALL": str(seconds)}
        command = [sys.executable, "-W", "error", "script.py"]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)

    def n_calls():
        return calls.stat().st_size // struct.calcsize("<2d") if calls.exists() else 0

    process = start(0.001)
    while n_calls() < 900 and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.communicate()[1] == b""
    assert process.returncode != 0
    before = n_calls()
    process = start(0.0)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    result = wilks.load(tmp_path / "result.wilks")
    assert comparable(result) == comparable(expected)
    assert result.stats["n_reused"] > 300
    assert n_calls() == before + result.n_evaluations - result.stats["n_reused"]


# Likelihoods that fail


def sample(log_likelihood, space=SPACE, method=None, **more):
    constraints = more.pop("constraints", ())
    problem = wilks.LikelihoodProblem(space, log_likelihood, constraints=constraints, name="p")
    return wilks.sample(problem, method, **{"seed": 1, "callbacks": (), **more})


WIDE = wilks.Space(a=Real(-9, 9), b=Real(-9, 9))
HALF = stats.halfnorm()


@pytest.mark.parametrize("trouble", [math.nan, -math.inf, math.inf, ZeroDivisionError, "text"])
def test_a_likelihood_that_fails_in_half_of_the_box(trouble):
    """Through the peak: the other half has no probability, which is not certified unless it was meant."""

    def failing(values):
        if values["a"] < 0:
            if isinstance(trouble, type):
                raise trouble
            return trouble
        return -0.5 * (values["a"] ** 2 + values["b"] ** 2)

    found = sample(failing, WIDE, wilks.AdaptiveImportance())
    meant = trouble == -math.inf
    assert found.status.success == meant
    assert [check.name for check in found.certificate.failures] == ([] if meant else ["failed evaluations"])
    assert found.draws["a"].min() >= 0
    assert found.means["a"] == pytest.approx(HALF.mean(), abs=0.08)
    assert found.standard_deviations["a"] == pytest.approx(HALF.std(), rel=0.1)
    assert found.log_evidence == pytest.approx(math.log(math.pi / 18**2), abs=4 * found.log_evidence_error)
    if meant:
        assert found.stats["n_failed"] == 0
    else:
        assert found.stats["n_failed"] > 200
        assert f"{found.stats['n_failed']} of them failed" in repr(found)


@pytest.mark.parametrize("answer", [math.nan, None, ZeroDivisionError])
def test_a_likelihood_that_fails_everywhere(answer):
    def failing(values):
        if isinstance(answer, type):
            raise answer
        return answer

    with pytest.raises(wilks.EvaluationError, match=r"(?s)evaluations failed.*at a="):
        sample(failing)


def test_no_probability_anywhere():
    found = sample(lambda v: -math.inf)
    assert found.status.outcome is Outcome.NOT_CONVERGED
    assert "None of 40 starts has a finite log-likelihood" in found.status.message
    assert not found.certificate.ok
    assert found.n_draws == 0
    with pytest.raises(wilks.SampleFailedError, match="None of 40 starts"):
        sample(lambda v: -math.inf, throw=True)


def test_constraints():
    found = sample(
        lambda v: -0.5 * (v["a"] ** 2 + v["b"] ** 2),
        WIDE,
        wilks.AdaptiveImportance(),
        constraints=lambda v: v["a"] > v["b"],
    )
    assert found.certificate.ok
    assert (found.draws["a"] > found.draws["b"]).all()
    assert found.means["a"] == pytest.approx(1 / math.sqrt(math.pi), abs=0.08)
    assert found.log_evidence == pytest.approx(math.log(math.pi / 18**2), abs=4 * found.log_evidence_error)
    assert found.stats["n_violated"] > 200
    assert found.stats["n_failed"] == 0


# Posteriors of awkward shapes


def test_a_parameter_at_a_bound():
    """An exponential that leans on the wall, where a fit has no standard error."""
    found = sample(lambda v: 3 * v["a"] - 0.5 * v["b"] ** 2, WIDE, wilks.AdaptiveImportance())
    assert found.certificate.ok
    assert found.means["a"] == pytest.approx(9 - 1 / 3, abs=0.03)
    assert found.standard_deviations["a"] == pytest.approx(1 / 3, rel=0.1)
    ((low, high),) = found.highest_density("a", 0.68)
    assert high == pytest.approx(9, abs=0.01)
    assert low == pytest.approx(9 + math.log(1 - 0.68) / 3, abs=0.06)


def test_a_flat_direction():
    found = sample(lambda v: -0.5 * v["a"] ** 2, WIDE)
    assert found.certificate.ok
    assert stats.kstest(found.draws["b"][0, ::4], stats.uniform(-9, 18).cdf).statistic < 0.1
    assert found.contraction["b"] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("width", [1e-2, 1e-7])
def test_a_bell_that_is_much_narrower_than_the_box(width):
    found = sample(lambda v: -0.5 * ((v["a"] - 1) ** 2 + (v["b"] - v["a"]) ** 2) / width**2, WIDE)
    assert found.certificate.ok
    assert found.standard_deviations["a"] == pytest.approx(width, rel=0.08)
    assert found.standard_deviations["b"] == pytest.approx(math.sqrt(2) * width, rel=0.08)
    ((low, high),) = found.highest_density("a", 0.68)
    assert high - low == pytest.approx(2 * width, rel=0.15)
    truth = math.log(2 * math.pi * width**2 / 18**2)
    assert found.log_evidence == pytest.approx(truth, abs=4 * found.log_evidence_error)


def test_a_ridge_is_not_certified():
    """Bent so much that one bell does not do: the certificate of importance sampling fails, and says what would."""

    def banana(values):
        return -0.5 * values["a"] ** 2 - 0.5 * ((values["b"] + 4 - values["a"] ** 2) / 0.05) ** 2

    found = sample(banana, WIDE, wilks.AdaptiveImportance(max_rounds=5))
    assert found.status.outcome is Outcome.NOT_CONVERGED
    assert not found.certificate["Pareto k-hat"].ok
    assert "wilks.Ensemble()" in found.status.message
