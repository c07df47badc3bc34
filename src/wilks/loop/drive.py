"""The driver loop: the only place where algorithms, evaluations and the run file meet.

    ask -> evaluate -> record -> tell, until the algorithm is done or a rule says stop

A generational algorithm is told whole batches, in the order of their ids, so its answer does not depend on the number
of workers. Any other algorithm is told each chunk as it comes and asked for more while other chunks are under way; with
one worker it is told whole batches too, so a run repeats bit by bit.

What an algorithm is asked never depends on a stopping rule: a rule that ends a run in the middle of a batch leaves
points that are handed out and not evaluated, or evaluated and not told. They are part of the checkpoint, so a run that
goes on is the run that was never stopped. Only for the result is the algorithm told what it has not heard yet.

A point that violates a constraint was never given to the user's likelihood: the algorithm is told of it and the log
holds it, but it is no evaluation, in no count and in no budget. A run that gets nothing else for long enough ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import CheckpointError, StopRun
from wilks.core.status import Outcome, Status
from wilks.evaluation.evaluator import rows
from wilks.loop.budget import Budget
from wilks.loop.checkpoint import Recorder, RunState, merge, n_violated
from wilks.loop.interrupts import InterruptGate
from wilks.loop.stopping import MaxEvaluations, MaxTime, RunInfo, StoppingRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm
    from wilks.core.proposal import Proposals
    from wilks.evaluation.evaluator import Evaluator
    from wilks.store.stage import StageLog

Callback = Callable[[RunInfo], object]
"""Called with the course of the run, ten times a second and at its end; one that returns True, or raises `StopRun`,
ends the run.

A callback with a method ``close`` is told the end of the run by it.
"""

_EVERYTHING = 1_000_000
_CALLBACK_SECONDS = 0.1
_MAX_IN_VAIN = 20_000
"""Violated constraints in a row after which nothing else is expected."""


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
    """Who looks at a run: stopping rules and callbacks, under a title for people.

    Attributes
    ----------
    n_before, seconds_before
        Evaluations and time that the same call of a verb has already spent on other runs.
    """

    title: str
    rules: tuple[StoppingRule, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    n_before: int = 0
    seconds_before: float = 0.0


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
        With status INTERRUPTED after Ctrl-C, STOPPED_BY_CALLBACK after `StopRun`: everything up to there is in the log.

    Raises
    ------
    EvaluationError
        If every evaluation fails.
    CheckpointError
        If the log cannot be written.
    """
    recorder = Recorder(evaluator.problem, stage)
    run, finished = recorder.resume()
    if run is None:
        run = RunState(algorithm.init(evaluator.problem.space, seed, starts))
        recorder.commit(run)
    n_known = run.n_evaluations
    driver = _Driver(algorithm, evaluator, recorder, watch, run)
    if finished:
        status = algorithm.terminate(run.algorithm) or Status(Outcome.NOT_CONVERGED)
        _count_left(run, recorder)
        return Outcomes(run.algorithm, status, run, 0.0, run.n_evaluations)
    evaluator.any_answer = run.n_evaluations > run.n_failed
    with InterruptGate() as gate:
        try:
            with _Rescue(evaluator, recorder):
                status = driver.run_to_end(gate)
                driver.show()
        except KeyboardInterrupt:
            status = Status(Outcome.INTERRUPTED)
        finally:
            for callback in watch.callbacks:
                if hasattr(callback, "close"):
                    callback.close()
        run.seconds += driver.elapsed
        recorder.commit(run, finished=algorithm.terminate(run.algorithm) is not None)
        driver.tell_rest()
    _count_left(run, recorder)
    return Outcomes(run.algorithm, status, run, driver.elapsed, n_known + driver.n_reused)


def _count_left(run: RunState, recorder: Recorder) -> None:
    """Count what an earlier call evaluated and this one did not ask for."""
    run.n_evaluations += recorder.answered.n_left_evaluated
    run.n_violated += recorder.answered.n_left_violated


class _Rescue:
    """Context manager around a run: whatever ends it, an error of a callback too, costs no evaluation."""

    def __init__(self, evaluator: Evaluator, recorder: Recorder) -> None:
        self._evaluator = evaluator
        self._recorder = recorder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the work of others, and write what is known unless writing is what failed."""
        if kind is not None:
            self._evaluator.abort()
            if not issubclass(kind, CheckpointError):
                self._recorder.commit()


class _Driver:
    def __init__(
        self, algorithm: Algorithm[Any], evaluator: Evaluator, recorder: Recorder, watch: Watch, run: RunState
    ) -> None:
        self._algorithm = algorithm
        self._evaluator = evaluator
        self._recorder = recorder
        self._watch = watch
        self._run = run
        self._whole_batches = algorithm.generational or evaluator.lockstep
        self._budget = Budget(watch.rules, evaluator)
        self._clocks = tuple(rule for rule in watch.rules if isinstance(rule, MaxTime))
        # Most rules are limits, which are looked at without an account of the run.
        self._only_limits = all(type(rule) in (MaxTime, MaxEvaluations) for rule in watch.rules)
        self._max_seconds = min((rule.seconds for rule in self._clocks), default=math.inf) - watch.seconds_before
        self._history: tuple[tuple[int, float], ...] = ()
        self._began = time.perf_counter()
        self._shown = -math.inf if watch.callbacks else math.inf  # nobody looks
        self.n_reused = 0

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def run_to_end(self, gate: InterruptGate) -> Status:
        run, algorithm = self._run, self._algorithm
        back = np.concatenate([e.ids for e in run.ready]) if run.ready else np.empty(0, dtype=np.int64)
        for batch in _without(run.outstanding, back):  # handed out before a resume
            self._submit(batch)
        if not run.outstanding:
            status = self._stalled() or self._by_rules()  # a run that is called again may have no right to ask
            if status is not None:
                return status
            self._ask()
        while True:
            gate.check()
            if run.outstanding:
                status = self._collect(gate)
                if status is not None:
                    return self._wind_up(gate, status)
                self._tell()
                self._recorder.checkpoint_if_due(run)
            status = algorithm.terminate(run.algorithm) or self._stop()
            if status is not None:
                return self._wind_up(gate, status)
            self._ask()
            if not run.outstanding:
                return algorithm.terminate(run.algorithm) or Status(Outcome.STALLED)

    def _ask(self) -> None:
        room = _EVERYTHING if self._algorithm.generational else self._evaluator.room()
        proposals, self._run.algorithm = self._algorithm.ask(self._run.algorithm, room)
        if len(proposals):
            self._run.outstanding.append(proposals)
            self._submit(proposals)

    def _submit(self, proposals: Proposals) -> None:
        known, unknown = self._recorder.answered.split(proposals)
        if known is not None:
            self._run.ready.append(known)
            self._run.count(known)
            self.n_reused += len(known) - n_violated(known.statuses)
        self._budget.submit(unknown, self._n_made())

    def _collect(self, gate: InterruptGate) -> Status | None:
        """Wait for what can be told, or for the end: the status, if a rule or a callback wants it now."""
        run, evaluator, budget = self._run, self._evaluator, self._budget
        while evaluator.outstanding and (self._whole_batches or not run.ready or budget.keeps_back):
            self._take(gate)
            status = self._stop_at_once(self.elapsed)
            if status is not None:
                return status
            if budget.keeps_back:
                budget.release(self._n_made())
        return budget.status(self._n_made()) if budget.keeps_back else None

    def _take(self, gate: InterruptGate) -> None:
        run = self._run
        for evaluations in self._evaluator.collect(gate.open):
            run.ready.append(evaluations)
            run.count(evaluations)
            run.n_data = max(run.n_data, self._evaluator.n_data)
            self._recorder.add(evaluations)
        if self._evaluator.interrupted:
            raise KeyboardInterrupt

    def _wind_up(self, gate: InterruptGate, status: Status) -> Status:
        """Finish the calls that are under way, so that nobody works for a run that has ended."""
        self._evaluator.hold()
        while self._evaluator.outstanding:
            self._take(gate)
            self._evaluator.hold()  # what a chunk has left unanswered
        return status

    def _tell(self) -> None:
        run = self._run
        ready, run.ready = run.ready, []
        if self._whole_batches:
            whole = merge(ready, by_id=True)
            ready = [] if whole is None else [whole]
        for evaluations in ready:
            run.remember(evaluations)
            run.algorithm = self._algorithm.tell(run.algorithm, evaluations)
            run.outstanding = _without(run.outstanding, evaluations.ids)

    def tell_rest(self) -> None:
        """Let the result profit from what a run that ended within a batch has not told; the checkpoint stays."""
        if self._run.ready:
            self._tell()

    def _n_used(self) -> int:
        return self._watch.n_before + self._run.n_evaluations

    def _n_made(self) -> int:
        """Evaluations that count for the budget, those too that a resumed run has not asked for yet."""
        return self._n_used() + self._recorder.answered.n_left_evaluated

    def _info(self, activity: str = "", fraction: float = math.nan) -> RunInfo:
        run, before = self._run, self._watch.n_before
        if len(self._history) != len(run.history):
            self._history = tuple((before + at, value) for at, value in run.history)
        return RunInfo(
            title=self._watch.title,
            n_evaluations=before + run.n_evaluations,
            n_failed=run.n_failed,
            best=run.best,
            seconds=self._watch.seconds_before + self.elapsed,
            activity=activity,
            fraction=fraction,
            history=self._history,
            n_violated=run.n_violated,
        )

    def _stop(self) -> Status | None:
        """Look at all rules; only between batches, so that the answer does not depend on the number of workers."""
        return self._stalled() or self._by_rules() or self._stop_at_once(self.elapsed)

    def _by_rules(self) -> Status | None:
        if not self._only_limits or self._n_used() >= self._budget.limit or self.elapsed >= self._max_seconds:
            info = self._info()
            for rule in self._watch.rules:
                status = rule.check(info)
                if status is not None:
                    return status
        return None

    def _stop_at_once(self, elapsed: float) -> Status | None:
        """Look at what does not wait for the end of a batch: the user's function, the clock, and the callbacks."""
        if self._evaluator.stopped:
            return Status(Outcome.STOPPED_BY_CALLBACK, "The likelihood asked for it.")
        if elapsed >= self._max_seconds:
            info = self._info()
            return next(filter(None, (rule.check(info) for rule in self._clocks)), None)
        if elapsed - self._shown >= _CALLBACK_SECONDS and self.show():
            return Status(Outcome.STOPPED_BY_CALLBACK)
        return None

    def _stalled(self) -> Status | None:
        run = self._run
        if run.n_in_vain < _MAX_IN_VAIN:
            return None
        n = run.n_evaluations + run.n_violated
        share = 100 * run.n_evaluations / n
        return Status(
            Outcome.STALLED,
            f"The last {run.n_in_vain} proposals violated the constraints; of {n} proposals so far {run.n_evaluations} "
            f"were feasible ({share:.2g} %). Check the constraints, give a start that satisfies them, narrow the box, "
            "or choose parameters in which the constraints become bounds.",
        )

    def show(self) -> bool:
        """Call the callbacks; True if one of them wants to end the run."""
        if not self._watch.callbacks:
            return False
        self._shown = self.elapsed
        describe = getattr(self._algorithm, "describe", None)
        info = self._info(*describe(self._run.algorithm)) if describe else self._info()
        try:
            answers = [callback(info) for callback in self._watch.callbacks]
        except StopRun:
            return True
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
            kept.append(rows(batch, mask))
    return kept
