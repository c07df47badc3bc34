"""Ascents side by side, by hand and in the loop."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import rows
from wilks.core.proposal import Evaluations, EvaluationStatus, Phase
from wilks.core.status import Outcome
from wilks.searchers.ascents import Ascents
from wilks.solvers.levenberg_marquardt import LevenbergMarquardt
from wilks.solvers.quasi_newton import QuasiNewton

SPACE = wilks.Space(x=wilks.Real(-3, 3), y=wilks.Real(1e-2, 1e2, scale="log"))
STARTS = np.array([[0.1, 0.2], [0.9, 0.9], [0.4, 0.7]])


def residual(values):
    """Two optima: near x = -1 and, lower by 0.5, near x = 1; y = 2 at both."""
    x, y = values["x"], values["y"]
    return np.array([3 * (x * x - 1), (x + 1) / 2, math.log(y / 2)])


def answered(proposals, *, broken=lambda values: False):
    """Every point with its log-likelihood and its residual."""
    n = len(proposals)
    values, payloads, statuses = np.full(n, -np.inf), [None] * n, np.zeros(n, np.int8)
    for row, theta in enumerate(proposals.thetas):
        at = SPACE.to_values(theta)
        if broken(at):
            statuses[row] = EvaluationStatus.FAILED
            continue
        r = residual(at)
        values[row], payloads[row] = -0.5 * float(r @ r), r[:, None]
    return Evaluations(
        proposals.ids, proposals.thetas, proposals.phases, values, statuses, np.zeros(n, np.float32),
        np.zeros(n, np.int32), payloads,
    )  # fmt: skip


def run(starts, *, limit=10**6, shuffled=None, broken=lambda values: False, local=None):
    algorithm = Ascents(local or LevenbergMarquardt(1e-10))
    state = algorithm.init(SPACE, 1, np.array(starts, dtype=float).reshape(-1, 2))
    n, phases = 0, set()
    while (status := algorithm.terminate(state)) is None:
        proposals, state = algorithm.ask(state, limit)
        assert 0 < len(proposals) <= limit
        assert proposals.want == "residual"
        phases |= set(proposals.phases.tolist())
        n += len(proposals)
        evaluations = answered(proposals, broken=broken)
        order = range(len(evaluations)) if shuffled is None else shuffled.permutation(len(evaluations))
        for row in order:
            state = algorithm.tell(state, _row(evaluations, row))
    assert phases <= {int(Phase.GLOBAL)}
    assert len(algorithm.ask(state, limit)[0]) == 0
    return algorithm, state, status, n


def _row(evaluations, row):
    one = rows(evaluations, [row])
    return Evaluations(
        one.ids, one.thetas, one.phases, one.log_likelihoods, one.statuses, one.seconds, one.workers,
        [evaluations.payloads[row]],
    )  # fmt: skip


def test_every_start_ends_in_its_own_optimum():
    algorithm, state, status, _ = run(STARTS)
    assert algorithm.generational
    assert status.outcome is Outcome.CONVERGED
    ends = SPACE.from_unit(np.array([ascent.u for ascent in state.ascents]))
    np.testing.assert_allclose(ends[:, 1], 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.sign(ends[:, 0]), [-1, 1, -1])
    assert state.best in (0, 2)
    assert state.ascents[state.best].value == pytest.approx(0.0, abs=1e-9)
    assert state.ascents[1].value < -0.4
    assert algorithm.describe(state) == ("0 of 3 ascents under way", pytest.approx(math.nan, nan_ok=True))


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_answer_does_not_depend_on_batches_or_their_order(limit):
    _, known, _, n = run(STARTS)
    _, state, _, m = run(STARTS, limit=limit, shuffled=np.random.default_rng(limit))
    assert m == n
    for ours, theirs in zip(state.ascents, known.ascents, strict=True):
        np.testing.assert_array_equal(ours.u, theirs.u)


def test_failures_at_a_start_leave_the_others():
    _, state, status, _ = run(STARTS, broken=lambda values: values["x"] < 0)
    assert status.outcome is Outcome.CONVERGED
    assert state.best == 1
    assert not math.isfinite(state.ascents[0].value)


def test_nothing_finite():
    _, state, status, _ = run(STARTS, broken=lambda values: True)
    assert (state.best, status.outcome) == (-1, Outcome.NOT_CONVERGED)
    assert "None of 3 starts has a finite log-likelihood" in status.message


def test_no_start_at_all():
    _, state, status, n = run([])
    assert (state.best, n) == (-1, 0)
    assert "None of 0 starts" in status.message


def test_a_best_ascent_that_ended_early():
    _, _, status, _ = run(STARTS[:1], local=LevenbergMarquardt(1e-10, max_iterations=1))
    assert status.outcome is Outcome.NOT_CONVERGED
    assert "The best ascent ended early: no convergence in 1 trial steps" in status.message


def test_the_worse_ascent_may_end_early():
    """What counts is the best one."""
    close = SPACE.to_unit(np.array([[-1.0, 2.0]]))
    algorithm = Ascents(LevenbergMarquardt(1e-10))
    state = algorithm.init(SPACE, 1, np.vstack([STARTS[1:2], close]))
    while algorithm.terminate(state) is None:
        state = algorithm.tell(state, answered(algorithm.ask(state, 10)[0]))
    state.ascents[0].converged = False
    assert algorithm.terminate(state).outcome is Outcome.CONVERGED
    state.ascents[1].converged = False
    assert algorithm.terminate(state).outcome is Outcome.NOT_CONVERGED


def test_every_solver_gets_what_it_wants():
    algorithm = Ascents(QuasiNewton())
    proposals, state = algorithm.ask(algorithm.init(SPACE, 1, STARTS), 5)
    assert proposals.want == QuasiNewton().want != LevenbergMarquardt().want
    assert algorithm.describe(state)[0] == "3 of 3 ascents under way"
