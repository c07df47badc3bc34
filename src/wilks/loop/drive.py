"""The driver loop: the only place where algorithms, evaluations and the run file meet.

    ask -> evaluate -> record -> tell, until the algorithm is done or a rule says stop

A generational algorithm is told whole batches, in the order of their ids, so its answer does not depend on the number
of workers. Any other algorithm is told each chunk as it comes and asked for more while other chunks are under way; in
the serial executor the order is always the same, so a run repeats bit by bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import EvaluationError
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.core.status import Outcome, Status
from wilks.loop.checkpoint import Answered, Recorder, RunState, merge
from wilks.loop.interrupts import InterruptGate
from wilks.loop.stopping import MaxEvaluations, RunInfo, StoppingRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm
    from wilks.evaluation.evaluator import Evaluator
    from wilks.store.log import StageLog

Callback = Callable[[RunInfo], object]
"""Called after every step with the course of the run; a callback that returns True ends the run."""

_EVERYTHING = 1_000_000
_CALLBACK_SECONDS = 0.1


@dataclass(frozen=True)
class Outcomes:
    """What a run left behind.

    Attributes
    ----------
    state
        Last state of the algorithm.
    status
        Why the run ended.
    run
        Counters of the whole run.
    seconds
        Wall time of this call.
    n_reused
        Evaluations that a resumed run took from the run file.
    """

    state: Any
    status: Status
    run: RunState
    seconds: float
    n_reused: int


@dataclass(frozen=True)
class Watch:
    """Who looks at a run: stopping rules and callbacks, under a title for people."""

    title: str
    rules: tuple[StoppingRule, ...] = ()
    callbacks: tuple[Callback, ...] = ()


def drive(
    algorithm: Algorithm[Any],
    evaluator: Evaluator,
    stage: StageLog,
    watch: Watch,
    *,
    seed: int,
    starts: NDArray[np.float64],
) -> Outcomes:
    """Run an algorithm to its end, from its beginning or from the checkpoint of `stage`.

    Returns
    -------
    Outcomes
        With status INTERRUPTED after Ctrl-C or SIGTERM: everything up to there is in the log.

    Raises
    ------
    EvaluationError
        If every evaluation fails.
    CheckpointError
        If the log cannot be written.
    """
    recorder = Recorder(evaluator.problem, stage)
    run, answered, finished = recorder.resume()
    if run is None:
        run = RunState(algorithm.init(evaluator.problem.space, seed, starts))
        recorder.commit(run)
    driver = _Driver(algorithm, evaluator, recorder, watch, run, answered)
    if finished:
        status = algorithm.terminate(run.algorithm) or Status(Outcome.NOT_CONVERGED)
        return Outcomes(run.algorithm, status, run, 0.0, run.n_evaluations)
    with InterruptGate() as gate:
        try:
            status = driver.run_to_end(gate)
        except KeyboardInterrupt:
            evaluator.abort()
            status = Status(Outcome.INTERRUPTED)
        except EvaluationError:
            recorder.commit()
            raise
        finally:
            for callback in watch.callbacks:
                if hasattr(callback, "close"):
                    callback.close()
        run.seconds += driver.elapsed
        recorder.commit(run, finished=algorithm.terminate(run.algorithm) is not None)
    return Outcomes(run.algorithm, status, run, driver.elapsed, driver.n_reused)


class _Driver:
    def __init__(
        self,
        algorithm: Algorithm[Any],
        evaluator: Evaluator,
        recorder: Recorder,
        watch: Watch,
        run: RunState,
        answered: Answered,
    ) -> None:
        self._algorithm = algorithm
        self._evaluator = evaluator
        self._recorder = recorder
        self._watch = watch
        self._run = run
        self._answered = answered
        self._began = time.perf_counter()
        self._shown = 0.0
        self._replaying = False
        self.n_reused = 0

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def run_to_end(self, gate: InterruptGate) -> Status:
        run = self._run
        back = np.concatenate([e.ids for e in run.ready]) if run.ready else np.empty(0, dtype=np.int64)
        for batch in _without(run.outstanding, back):  # handed out before a resume
            self._submit(batch)
        while True:
            status = self._algorithm.terminate(run.algorithm) or self._stop()
            if status is not None:
                return status
            proposals, run.algorithm = self._algorithm.ask(run.algorithm, self._limit())
            if len(proposals):
                run.outstanding.append(proposals)
                self._submit(proposals)
            if not run.outstanding:
                return self._algorithm.terminate(run.algorithm) or Status(Outcome.STALLED)
            self._collect(gate)
            self._tell()
            if not self._replaying:
                self._recorder.checkpoint_if_due(run)

    def _limit(self) -> int:
        room = _EVERYTHING if self._algorithm.generational else self._evaluator.room()
        budgets = [r.remaining(self._run.n_evaluations) for r in self._watch.rules if isinstance(r, MaxEvaluations)]
        held = self._evaluator.outstanding
        return max(0, min([room, *(budget - held for budget in budgets)]))

    def _submit(self, proposals: Proposals) -> None:
        known, unknown = self._answered.split(proposals)
        self._replaying = known is not None
        if known is not None:
            self._run.ready.append(known)
            self._account(known)
            self.n_reused += len(known)
        self._evaluator.submit(unknown)

    def _collect(self, gate: InterruptGate) -> None:
        """Wait for what can be told: for a generational algorithm everything that is outstanding."""
        run = self._run
        while self._evaluator.outstanding and (self._algorithm.generational or not run.ready):
            with gate.open():
                found = self._evaluator.collect()
            for evaluations in found:
                self._recorder.add(evaluations)
                self._account(evaluations)
            run.ready += found
            self._show()

    def _tell(self) -> None:
        run = self._run
        ready = [merge(run.ready, by_id=True)] if self._algorithm.generational else run.ready
        run.ready = []
        for evaluations in ready:
            if evaluations is not None:
                run.algorithm = self._algorithm.tell(run.algorithm, evaluations)
                run.outstanding = _without(run.outstanding, evaluations.ids)

    def _account(self, evaluations: Evaluations) -> None:
        run = self._run
        run.n_evaluations += len(evaluations)
        statuses = evaluations.statuses
        failed = (statuses == EvaluationStatus.FAILED) | (statuses == EvaluationStatus.LOST)
        run.n_failed += int(np.count_nonzero(failed))
        best = float(evaluations.log_likelihoods.max())
        if best > run.best:
            run.best = best
            run.history.append((run.n_evaluations, best))

    def _info(self) -> RunInfo:
        describe = getattr(self._algorithm, "describe", None)
        activity, fraction = describe(self._run.algorithm) if describe else ("", math.nan)
        run = self._run
        return RunInfo(
            self._watch.title, run.n_evaluations, run.n_failed, run.best, self.elapsed, activity, fraction, run.history
        )

    def _stop(self) -> Status | None:
        if self._watch.rules:
            info = self._info()
            for rule in self._watch.rules:
                status = rule.check(info)
                if status is not None:
                    return status
        return Status(Outcome.STOPPED_BY_CALLBACK) if self._show() else None

    def _show(self) -> bool:
        """Call the callbacks, ten times a second at most; True if one of them wants to end the run."""
        if not self._watch.callbacks or self.elapsed - self._shown < _CALLBACK_SECONDS:
            return False
        self._shown = self.elapsed
        info = self._info()
        answers = [callback(info) for callback in self._watch.callbacks]
        return any(answer is True for answer in answers)


def _without(batches: list[Proposals], ids: NDArray[np.int64]) -> list[Proposals]:
    """Return the batches without the points that have these ids."""
    if len(batches) == 1 and len(batches[0]) == len(ids):
        return []
    if not len(ids):
        return batches
    kept: list[Proposals] = []
    for batch in batches:
        mask = np.isin(batch.ids, ids, invert=True)
        if mask.all():
            kept.append(batch)
        elif mask.any():
            kept.append(Proposals(batch.ids[mask], batch.thetas[mask], batch.phases[mask], batch.want))
    return kept
