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
from wilks.core.proposal import Evaluations, Proposals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.store.log import StageLog

_COMMIT_SECONDS = 0.05
_FIRST_CHECKPOINT_SECONDS = 1.0
_CHECKPOINT_SHARE = 30.0


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
        Counts of this run, before and after a resume.
    best
        Best log-likelihood so far.
    history
        (number of evaluations, best) at every rise of the best.
    seconds
        Wall time used before the present call.
    """

    algorithm: Any
    outstanding: list[Proposals] = field(default_factory=list)
    ready: list[Evaluations] = field(default_factory=list)
    n_evaluations: int = 0
    n_failed: int = 0
    best: float = -np.inf
    history: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0


class Recorder:
    """Writes a run's evaluations and checkpoints to its stage of the log, in the root's coordinates."""

    def __init__(self, problem: Problem, stage: StageLog) -> None:
        self._problem = problem
        self._stage = stage
        self._buffer: list[Evaluations] = []
        self._committed = time.perf_counter()
        self._saved = self._committed
        self._pause = _FIRST_CHECKPOINT_SECONDS

    def resume(self) -> tuple[RunState | None, Answered, bool]:
        """Return the last checkpoint, the answers after it, and whether the run had finished."""
        data, redo, finished = self._stage.resume()
        state: RunState | None = None if data is None else encoding.decode(data)
        return state, Answered(self._problem, redo), finished

    def add(self, evaluations: Evaluations) -> None:
        """Take evaluations; they are written at once when the last write is long enough ago."""
        self._buffer.append(evaluations)
        if time.perf_counter() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self, state: RunState | None = None, *, finished: bool = False) -> None:
        """Write what is buffered, with the state as the new checkpoint if one is given."""
        merged = merge(self._buffer)
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
    """Answers that a resumed run already has, by the exact bytes of the point."""

    def __init__(self, problem: Problem, redo: Evaluations | None) -> None:
        self._problem = problem
        self._redo = redo
        self._rows: dict[bytes, int] = {}
        if redo is not None:
            self._rows = {theta.tobytes(): row for row, theta in enumerate(redo.thetas)}

    def split(self, proposals: Proposals) -> tuple[Evaluations | None, Proposals]:
        """Return what is answered already, and the proposals that are not."""
        if not self._rows or self._redo is None:
            return None, proposals
        keys = [theta.tobytes() for theta in self._problem.to_root(proposals.thetas)]
        known = np.array([key in self._rows for key in keys], dtype=bool)
        if not known.any():
            return None, proposals
        rows = np.array([self._rows[key] for key in keys if key in self._rows])
        return _answers(self._redo, rows, _select(proposals, known)), _select(proposals, ~known)


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


def _select(proposals: Proposals, mask: NDArray[np.bool_]) -> Proposals:
    return Proposals(proposals.ids[mask], proposals.thetas[mask], proposals.phases[mask], proposals.want)


def merge(parts: list[Evaluations], *, by_id: bool = False) -> Evaluations | None:
    """Put batches of evaluations together, in order of their ids if asked for; None when there is none."""
    if not parts:
        return None
    if len(parts) == 1 and not by_id:
        return parts[0]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("ids", "thetas", "phases", "log_likelihoods", "statuses", "seconds", "workers")
    }
    order = np.argsort(columns["ids"], kind="stable") if by_id else np.arange(len(columns["ids"]))
    position = {int(row): at for at, row in enumerate(order)}
    payloads: list[NDArray[np.float64] | None] | None = None
    if any(part.payloads is not None for part in parts):
        flat = [p for part in parts for p in (part.payloads or [None] * len(part))]
        payloads = [flat[row] for row in order.tolist()]
    errors, offset = {}, 0
    for part in parts:
        errors.update({position[offset + at]: text for at, text in part.errors.items()})
        offset += len(part)
    return Evaluations(**{name: column[order] for name, column in columns.items()}, payloads=payloads, errors=errors)
