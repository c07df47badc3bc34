"""Checkpoints: when they are written, what is in them, and how a run goes on from one.

A checkpoint is the algorithm's state, the proposals that were handed out and not told, and a few counters, in the same
transaction as the evaluations up to it. Evaluations after it are kept with their full answers. A resumed run starts
from the checkpoint; what it asks that is already answered is told from the file and not evaluated again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core import encoding
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.evaluation.evaluator import rows
from wilks.evaluation.gradients import count_gradients, first_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want
    from wilks.store.stage import StageLog

_COMMIT_SECONDS, _DEAR_SECONDS = 0.05, 0.5
_FIRST_CHECKPOINT_SECONDS = 1.0
_CHECKPOINT_SHARE = 30.0
_FEW = 50
_OK, _FAILED, _VIOLATED, _LOST = (
    int(EvaluationStatus.OK),
    int(EvaluationStatus.FAILED),
    int(EvaluationStatus.VIOLATED),
    int(EvaluationStatus.LOST),
)


@dataclass
class RunState:
    """Everything that a run needs to go on.

    Attributes
    ----------
    algorithm
        State of the algorithm.
    outstanding
        Batches that were handed out and are not told completely.
    ready
        Evaluations that are back and not told.
    n_evaluations, n_failed
        Counts of this run, before and after a resume, without the points that violate constraints.
    n_violated
        Number of those.
    n_in_vain
        How many of them, without another one between, the algorithm was told last.
    best
        Best log-likelihood so far.
    history
        (number of evaluations, best) at every rise of the best, in the order in which the algorithm was told.
    n_told
        Number of evaluations that the algorithm was told, again without those points.
    seconds
        Wall time used before the present call.
    n_gradients, n_gradient_entries_missing, n_gradient_errors
        Calls of the user's gradient, derivatives that it left out, and calls that failed.
    gradient_error
        Text of the first of those.
    n_data
        Number of residuals of a least-squares problem, once one was evaluated.
    spare
        Evaluations that an interrupted run made and this one has not asked for yet, in the root's coordinates.
    """

    algorithm: Any
    outstanding: list[Proposals] = field(default_factory=list)
    ready: list[Evaluations] = field(default_factory=list)
    n_evaluations: int = 0
    n_failed: int = 0
    best: float = -np.inf
    history: list[tuple[int, float]] = field(default_factory=list)
    n_told: int = 0
    seconds: float = 0.0
    spare: Evaluations | None = None
    n_violated: int = 0
    n_in_vain: int = 0
    n_gradients: int = 0
    n_gradient_entries_missing: int = 0
    n_gradient_errors: int = 0
    gradient_error: str = ""
    n_data: int = 0

    def count(self, evaluations: Evaluations) -> None:
        """Count evaluations that are back."""
        statuses, values = evaluations.statuses, evaluations.log_likelihoods
        n = len(statuses)
        if np.count_nonzero(statuses):
            self.n_failed += int(np.count_nonzero((statuses == _FAILED) | (statuses == _LOST)))
            in_vain = n_violated(statuses)
            self.n_violated += in_vain
            n -= in_vain
        self.n_evaluations += n
        self.best = max(self.best, values.item(values.argmax()))
        if evaluations.payloads is not None:
            counts = count_gradients(evaluations)
            self.n_gradients += counts.n_gradients
            self.n_gradient_entries_missing += counts.n_missing
            self.n_gradient_errors += counts.n_errors
            self.gradient_error = self.gradient_error or first_error(evaluations)

    def remember(self, evaluations: Evaluations) -> None:
        """Enter every rise of the best, in the order in which the algorithm is told."""
        statuses, values = evaluations.statuses, evaluations.log_likelihoods
        n = len(statuses)
        counted = statuses != _VIOLATED if np.count_nonzero(statuses) else None
        known = self.history[-1][1] if self.history else -np.inf
        if self.best > known:  # here, or in evaluations that are not told yet
            numbers = np.arange(1, n + 1) if counted is None else np.cumsum(counted)
            highest = np.maximum.accumulate(np.concatenate([[known], values]))
            for at in np.flatnonzero(highest[1:] > highest[:-1]).tolist():
                self.history.append((self.n_told + int(numbers[at]), float(values[at])))
        if counted is None:
            self.n_in_vain = 0
            self.n_told += n
            return
        last = int(np.flatnonzero(counted)[-1]) if counted.any() else -1
        self.n_in_vain = n - 1 - last + (self.n_in_vain if last < 0 else 0)
        self.n_told += int(np.count_nonzero(counted))


class Recorder:
    """Writes a run's evaluations and checkpoints to its stage of the log, in the root's coordinates."""

    def __init__(self, problem: Problem, stage: StageLog) -> None:
        self._problem = problem
        self._stage = stage
        self.answered = Answered(problem, None)
        self._buffer: list[Evaluations] = []
        self._committed = time.perf_counter()
        self._saved = self._committed
        self._pause = _FIRST_CHECKPOINT_SECONDS

    def resume(self) -> tuple[RunState | None, bool]:
        """Return the last checkpoint, and whether the run had finished; the answers after it are in `answered`."""
        data, redo, finished = self._stage.resume()
        state: RunState | None = None if data is None else encoding.decode(data)
        parts = [part for part in (None if state is None else state.spare, redo) if part is not None]
        self.answered = Answered(self._problem, merge(parts))
        return state, finished

    def add(self, evaluations: Evaluations) -> None:
        """Take evaluations; they are written at once when the last write is long enough ago, or one took long."""
        self._buffer.append(evaluations)
        is_dear = float(evaluations.seconds.max(initial=0.0)) > _DEAR_SECONDS
        if is_dear or time.perf_counter() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self, state: RunState | None = None, *, finished: bool = False) -> None:
        """Write what is buffered, with the state as the new checkpoint if one is given."""
        merged = merge(self._buffer)
        if state is not None:
            state.spare = self.answered.left()
        data = None if state is None else encoding.encode(state)
        if merged is not None or data is not None or finished:
            self._stage.commit(None if merged is None else self._in_root(merged), data, finished=finished)
        self._buffer.clear()
        self._committed = time.perf_counter()

    def checkpoint_if_due(self, state: RunState) -> None:
        """Write a checkpoint now and then: at most a thirtieth of the time goes into them."""
        now = time.perf_counter()
        if now - self._saved < self._pause:
            return
        self.commit(state)
        self._saved = time.perf_counter()
        self._pause = max(_FIRST_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE * (self._saved - now))

    def _in_root(self, evaluations: Evaluations) -> Evaluations:
        if self._problem.root is self._problem:
            return evaluations
        fields = {**vars(evaluations), "thetas": self._problem.to_root(evaluations.thetas)}
        return Evaluations(**fields)


class Answered:
    """Answers that a resumed run already has, by the exact bytes of the point; each is used once.

    Attributes
    ----------
    n_left, n_left_violated
        How many were not used yet, and how many of these violate constraints.
    """

    def __init__(self, problem: Problem, redo: Evaluations | None) -> None:
        self._problem = problem
        self._redo = redo
        self._rows: dict[tuple[bytes, bool], list[int]] = {}
        self.n_left = 0 if redo is None else len(redo)
        self.n_left_violated = 0 if redo is None else n_violated(redo.statuses)
        if redo is not None:
            payloads = redo.payloads or [None] * len(redo)
            for row in reversed(range(len(redo))):
                key = (redo.thetas[row].tobytes(), payloads[row] is not None)
                self._rows.setdefault(key, []).append(row)

    def split(self, proposals: Proposals) -> tuple[Evaluations | None, Proposals]:
        """Return what is answered already, and the proposals that are not."""
        if self._redo is None or not self.n_left:
            return None, proposals
        thetas = self._problem.to_root(proposals.thetas)
        found = [self._use(theta.tobytes(), proposals.want) for theta in thetas]
        known = np.array([row is not None for row in found], dtype=bool)
        if not known.any():
            return None, proposals
        taken = np.array([row for row in found if row is not None])
        self.n_left -= len(taken)
        self.n_left_violated -= n_violated(self._redo.statuses[taken])
        return _answers(self._redo, taken, rows(proposals, known)), rows(proposals, ~known)

    def _use(self, theta: bytes, want: Want) -> int | None:
        """Number of a row that answers this and was not used yet."""
        with_payload = self._rows.get((theta, True)) if want != "value" else None
        if with_payload:
            return with_payload.pop()
        plain = self._rows.get((theta, False))
        if not plain or (want != "value" and self._redo is not None and self._redo.statuses[plain[-1]] == _OK):
            return None
        return plain.pop()

    @property
    def n_left_evaluated(self) -> int:
        """Number of answers that were not used yet, without the points that violate constraints."""
        return self.n_left - self.n_left_violated

    def left(self) -> Evaluations | None:
        """Return the answers that were not used yet, in order."""
        if self._redo is None or not self.n_left:
            return None
        left = np.array(sorted(row for rows_here in self._rows.values() for row in rows_here))
        redo = self._redo
        return _answers(redo, left, Proposals(redo.ids[left], redo.thetas[left], redo.phases[left], "residual"))


def _answers(redo: Evaluations, rows: NDArray[np.int64], proposals: Proposals) -> Evaluations:
    payloads = None
    if proposals.want != "value":
        kept = redo.payloads or [None] * len(redo)
        payloads = [kept[row] for row in rows.tolist()]
    return Evaluations(
        ids=proposals.ids,
        thetas=proposals.thetas,
        phases=proposals.phases,
        log_likelihoods=redo.log_likelihoods[rows],
        statuses=redo.statuses[rows],
        seconds=redo.seconds[rows],
        workers=redo.workers[rows],
        payloads=payloads,
        errors={at: redo.errors[row] for at, row in enumerate(rows.tolist()) if row in redo.errors},
    )


def n_violated(statuses: NDArray[np.int8]) -> int:
    """Number of points that violate a constraint: the user's function was not called there."""
    return int(np.count_nonzero(statuses == _VIOLATED)) if np.count_nonzero(statuses) else 0


def merge(parts: list[Evaluations], *, by_id: bool = False) -> Evaluations | None:
    """Put batches of evaluations together, in order of their ids if asked for; None when there is none."""
    if not parts:
        return None
    if len(parts) == 1 and (not by_id or _ascending(parts[0].ids)):
        return parts[0]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
    }
    order = np.argsort(columns["ids"], kind="stable") if by_id else np.arange(len(columns["ids"]))
    payloads: list[NDArray[np.float64] | None] | None = None
    if any(part.payloads is not None for part in parts):
        flat = [p for part in parts for p in (part.payloads or [None] * len(part))]
        payloads = [flat[row] for row in order.tolist()]
    errors: dict[int, str] = {}
    if any(part.errors for part in parts):
        position, offset = np.argsort(order), 0
        for part in parts:
            errors |= {int(position[offset + at]): text for at, text in part.errors.items()}
            offset += len(part)
    return Evaluations(**{name: column[order] for name, column in columns.items()}, payloads=payloads, errors=errors)


def _ascending(ids: NDArray[np.int64]) -> bool:
    if len(ids) < _FEW:  # lists are quicker
        numbers = ids.tolist()
        return bool(numbers == sorted(numbers))
    return not np.count_nonzero(ids[1:] <= ids[:-1])
