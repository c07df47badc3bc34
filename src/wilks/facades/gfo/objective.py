"""The user's objective as a log-likelihood: everything that happens at an evaluation happens here, in this order.

    remembered? -> the user's call -> its answer, or what was caught -> the record -> callbacks and reasons to stop

The serial executor calls it once for every point, in the order of the search. A reason to stop is acted upon at the
next call, so that the evaluation that gave the reason is part of the record and of the state of the search.
"""

from __future__ import annotations

import numbers
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError, StopRun
from wilks.facades.gfo.callbacks import CallbackInfo
from wilks.facades.gfo.feasibility import is_allowed
from wilks.facades.gfo.records import Convergence
from wilks.facades.gfo.storage import MemoryStorage, ObjectiveResult, as_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from wilks.facades.gfo.options import SearchOptions
    from wilks.facades.gfo.printing import ProgressBar
    from wilks.facades.gfo.records import Records
    from wilks.facades.gfo.storage import BaseStorage

    Row = tuple[float, ...]
    """Numbers of the free parameters."""

_SHOWN = 100


class InvalidScoreError(InvalidProblemError, TypeError):
    """The objective returned something that is no score."""


class Guard:
    """Context manager around the user's functions: an exception is kept, and ends the search in an orderly way.

    It is raised again when the search has ended.

    Attributes
    ----------
    error
        What was raised.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Keep the exception, and ask for the end; Ctrl-C and a request to stop go their own way."""
        if isinstance(error, (Exception, SystemExit)) and not isinstance(error, StopRun):
            self.error = error
            raise StopRun


class Feasible:
    """The constraints of the user, all of them, as one of wilks.

    Parameters
    ----------
    objective
        Whose translation of points is used, and who is told of an exception.
    constraints
        Functions of the user's dictionary.
    """

    def __init__(self, objective: Objective, constraints: tuple[Callable[..., Any], ...]) -> None:
        self._objective = objective
        self._constraints = constraints

    def __call__(self, values: Mapping[str, Any]) -> bool:
        """Is the point allowed?"""
        space = self._objective.records.space
        with self._objective.guard:
            return is_allowed(space, self._constraints, space.snapped(values))


class Objective:
    """A function of the values of wilks that returns a log-likelihood.

    Parameters
    ----------
    function
        The user's.
    identity
        First entry of its keys in the storage.
    records
        Where every evaluation is entered.
    options
        What else the user wants.
    storage
        What is remembered; None for nothing.
    bar
        Shows the progress; None for silence.

    Attributes
    ----------
    guard
        Holds the exception that ended the search, if one did.
    reason
        Why the search ended before its last iteration; empty if it did not.
    """

    def __init__(
        self,
        function: Callable[[dict[str, Any]], Any],
        identity: str,
        records: Records,
        options: SearchOptions,
        storage: BaseStorage | None,
        bar: ProgressBar | None,
    ) -> None:
        self.records = records
        self.guard = Guard()
        self.reason = ""
        self._function: Callable[[Any], Any] = function
        self._identity, self._options, self._bar = identity, options, bar
        self._caught = tuple(options.catch)
        self._find: Callable[[Any], Any] | None
        self._keep: Callable[[Any, Any], None] | None
        if isinstance(storage, MemoryStorage):  # the dictionary itself: no call of a method of ours at every evaluation
            self._find, self._keep = storage.scores.get, storage.scores.__setitem__
        elif storage is None:
            self._find = self._keep = None
        else:
            self._find, self._keep = self._stored(storage.get), self._stored(storage.put)
        self._first = len(records)
        stopping = options.early_stopping
        self._window = stopping.n_iter_no_change if stopping else 0
        self._watched = bool(stopping or options.callbacks or bar or options.max_score is not None)
        self._began = self._ended = time.perf_counter()
        self._deadline = self._began + options.max_time

    def _stored(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a storage that gets and gives whole results; what it raises ends the search."""

        def call(key: tuple[Any, ...], *answer: float | ObjectiveResult) -> Any:  # noqa: ANN401 - the storage's answer
            with self.guard:
                return function(key, *map(as_result, answer))

        return call

    def __call__(self, found: Mapping[str, Any]) -> float:
        """Evaluate a point, given by the values of the `wilks.Space`."""
        if self.reason:
            raise StopRun
        records = self.records
        space = records.space
        if space.snaps:
            found = space.snapped(found)
        row = tuple(found.values()) if space.free else ()
        answer, key = None, ()
        if self._find is not None:
            key = (self._identity, *row)
            answer = self._find(key)
        seconds = 0.0
        if answer is None:
            began = time.perf_counter()
            # The dictionary is this function's own, so the user's function may have it as it is.
            answer, was_caught = self._called(found if space.is_plain else space.para(found), row)
            seconds = time.perf_counter() - began
            if was_caught:
                records.n_caught += 1
            elif self._keep is not None:
                self._keep(key, answer)
        else:
            records.n_cached += 1
        metrics: dict[str, Any] | None = None
        if type(answer) is not float:
            answer, metrics = as_result(answer)
            if metrics:
                records.metrics[len(records)] = metrics
        now = time.perf_counter()
        value = records.add(row, answer, seconds, now - self._ended)
        self._ended = now
        if now >= self._deadline:
            self.reason = f"max_time: {now - self._began:.3f} s of {self._options.max_time:g} s were used"
        if self._watched:
            self._look(row, answer, metrics, now)
        return value

    def _called(self, para: Mapping[str, Any], row: Row) -> tuple[float | ObjectiveResult, bool]:
        """Answer of the user's function, or the score for what it raised, and whether it raised that."""
        with self.guard:
            try:
                raw = self._function(para)
            except StopRun:
                raise
            except self._caught as error:
                return next(s for kind, s in self._options.catch.items() if isinstance(error, kind)), True
            return raw if type(raw) is float else checked(raw, self.records.space.para_of_row(row)), False

    def _look(self, row: Row, score: float, metrics: dict[str, Any] | None, now: float) -> None:
        """Call the callbacks, look for a reason to stop, and show the progress."""
        options, records = self._options, self.records
        target, stopping = options.max_score, options.early_stopping
        if target is not None and records.best >= records.sign * target:
            self.reason = f"max_score: {records.best_score:.6g} was reached, {target:g} was wanted"
        last = len(records) - 1
        before = last - self._window
        if stopping is not None and before >= max(self._first - 1, 0):
            scores = records.best_so_far
            if stopping.stalled(scores[before], scores[last]):
                self.reason = f"early_stopping: no improvement in {self._window} iterations"
        if options.callbacks:
            self._tell_callbacks(row, score, metrics or {}, now)
        if self._bar is not None:
            self._bar.show(last + 1 - self._first, now)

    def _tell_callbacks(self, row: Row, score: float, metrics: dict[str, Any], now: float) -> None:
        records, options = self.records, self._options
        n = len(records)
        for callback in options.callbacks:
            info = CallbackInfo(
                iteration=n - 1 - self._first,
                score=score,
                params=records.space.para_of_row(row),
                best_score=records.best_score,
                best_para=records.para(records.best_row) if records.best_row >= 0 else {},
                n_iter=options.n_iter,
                phase="init" if n <= records.n_init else "iter",
                elapsed_time=now - self._began,
                metrics=metrics,
                convergence=Convergence(records.best_so_far, n),
            )
            name = getattr(callback, "__name__", repr(callback))
            try:
                with self.guard:
                    answer = callback(info)
            except StopRun:
                self.reason = f"callbacks: {name} raised an exception"
                return
            if answer is False or (isinstance(answer, np.bool_) and not answer):
                self.reason = f"callbacks: {name} returned False"


def checked(raw: Any, para: Mapping[str, Any]) -> float | ObjectiveResult:  # noqa: ANN401 - whatever the user returned
    """Return an answer of the user's function as a score, or as a score with metrics.

    Raises
    ------
    InvalidScoreError
        If it is neither.
    """
    score, metrics = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw, None)
    if metrics is None and hasattr(raw, "score"):
        score, metrics = raw.score, getattr(raw, "metrics", None)
    if isinstance(score, np.ndarray) and score.ndim == 0:
        score = score.item()
    if not isinstance(score, (numbers.Real, np.bool_)) or not (metrics is None or hasattr(metrics, "keys")):
        raise InvalidScoreError(
            f"the objective must return a number, or a number and a dictionary of metrics, "
            f"got {raw!r:.{_SHOWN}} of type {type(raw).__name__} at {dict(para)!r}"
        )
    return ObjectiveResult(float(score), dict(metrics)) if metrics else float(score)
