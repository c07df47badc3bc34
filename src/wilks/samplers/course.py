"""The course of a sampler that drives itself: what stopping rules and callbacks see of it, and the end they want."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TypeVar

from wilks.core.errors import StopRun
from wilks.core.status import Outcome, Status
from wilks.loop.interrupts import InterruptGate
from wilks.loop.stopping import RunInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from wilks.loop.drive import Watch

    T = TypeVar("T")

_CALLBACK_SECONDS = 0.1


class Course:
    """Context manager around a run; Ctrl-C acts where `look` or `attempt` is called.

    Parameters
    ----------
    watch
        Stopping rules and callbacks.

    Attributes
    ----------
    status
        Why the run is to end; None while it is to go on.
    n_evaluations, n_failed, n_violated
        Counts so far, kept by the sampler.
    activity, fraction
        What it is doing, and which part of the work is done.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._gate = InterruptGate()
        self._began = time.perf_counter()
        self._shown = -math.inf
        self._history: list[tuple[int, float]] = []
        self.status: Status | None = None
        self.n_evaluations = self.n_failed = self.n_violated = 0
        self.activity, self.fraction = "", math.nan

    def __enter__(self) -> Course:
        """Take signals over."""
        self._gate.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Give signals back, and tell the callbacks that this is the end."""
        try:
            if self._watch.callbacks and not any(error):
                self._show()
        finally:
            for callback in self._watch.callbacks:
                if hasattr(callback, "close"):
                    callback.close()
            self._gate.__exit__(*error)

    @property
    def best(self) -> float:
        """Best log-likelihood so far, minus infinity if there is none."""
        return self._history[-1][1] if self._history else -math.inf

    def heard(self, log_likelihood: float) -> None:
        """Take a log-likelihood into account; after the evaluation was counted."""
        if log_likelihood > self.best:
            self._history.append((self._watch.n_before + self.n_evaluations, log_likelihood))

    def attempt(self, call: Callable[[], T]) -> T | None:
        """Return the answer of a call that Ctrl-C and `StopRun` may end; None where they do, and `status` says so."""
        try:
            with self._gate.open():
                return call()
        except KeyboardInterrupt:
            self.status = Status(Outcome.INTERRUPTED)
        except StopRun:
            self.status = Status(Outcome.STOPPED_BY_CALLBACK, "The likelihood asked for it.")
        return None

    def look(self) -> None:
        """Let signals, rules and callbacks have a look; `status` says whether one of them ends the run."""
        if self.status is not None:
            return
        try:
            self._gate.check()
        except KeyboardInterrupt:
            self.status = Status(Outcome.INTERRUPTED)
            return
        info = self._info()
        self.status = next(filter(None, (rule.check(info) for rule in self._watch.rules)), None)
        elapsed = time.perf_counter() - self._began
        if self.status is None and self._watch.callbacks and elapsed - self._shown >= _CALLBACK_SECONDS:
            self._shown = elapsed
            if self._show():
                self.status = Status(Outcome.STOPPED_BY_CALLBACK)

    def _show(self) -> bool:
        """Call the callbacks; True if one of them wants to end the run."""
        info = self._info()
        try:
            answers = [callback(info) for callback in self._watch.callbacks]
        except StopRun:
            return True
        return any(answer is True for answer in answers)

    def _info(self) -> RunInfo:
        return RunInfo(
            title=self._watch.title,
            n_evaluations=self._watch.n_before + self.n_evaluations,
            n_failed=self.n_failed,
            best=self.best,
            seconds=self._watch.seconds_before + time.perf_counter() - self._began,
            activity=self.activity,
            fraction=self.fraction,
            history=self._history,
            n_violated=self.n_violated,
        )
