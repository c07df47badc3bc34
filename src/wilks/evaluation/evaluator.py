"""From proposals to evaluations: chunks sized by measured time, workers kept busy, and no failure that ends a run.

When a worker process dies, every chunk that was under way is lost and each may hold the point that killed it. They go
into quarantine: one chunk at a time is sent to the rebuilt pool; a chunk that kills again is halved, until a single
point has killed twice. That point is recorded as LOST; all others get their values.
"""

from __future__ import annotations

import concurrent.futures
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import EvaluationError
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.evaluation.call import ChunkAnswer
from wilks.evaluation.executors import Executor, ProblemNotLoadedError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from wilks.core.problem import Problem

CHUNK_SECONDS = 0.1
"""Time that one chunk should take: long beside a round trip (0.1 ms), short beside a person's patience."""
_SERIAL_SECONDS = 0.05
_MAX_CHUNK = 20_000
_CHUNKS_PER_WORKER = 2
_ASKED_SERIAL = 16
_GIVE_UP_AFTER = 30


@dataclass
class _Chunk:
    proposals: Proposals
    deaths: int = 0

    def halves(self) -> list[_Chunk]:
        middle = len(self.proposals) // 2
        return [_Chunk(_rows(self.proposals, slice(None, middle))), _Chunk(_rows(self.proposals, slice(middle, None)))]


class Evaluator:
    """Evaluates batches of proposals on an executor.

    Parameters
    ----------
    problem
        What to evaluate.
    executor
        Where.
    """

    def __init__(self, problem: Problem, executor: Executor) -> None:
        self.problem = problem
        self.executor = executor
        self.n_failed = 0
        self.n_finished = 0
        self._any_answer = False
        self._first_failure: tuple[Evaluations, int] | None = None
        self._waiting: deque[Proposals] = deque()
        self._quarantine: deque[_Chunk] = deque()
        self._running: dict[Future[ChunkAnswer], _Chunk] = {}
        self._mean_seconds: float | None = None
        self._n_waiting = 0
        executor.open(problem)

    @property
    def outstanding(self) -> int:
        """Number of points that were submitted and not yet collected."""
        held = sum(len(c.proposals) for c in (*self._quarantine, *self._running.values()))
        return self._n_waiting + held

    def room(self) -> int:
        """How many points an asynchronous algorithm may still propose so that all workers stay busy."""
        if self.executor.n_workers == 1:
            return _ASKED_SERIAL
        per_worker = 1.0 if self._mean_seconds is None else CHUNK_SECONDS / max(self._mean_seconds, 1e-9)
        wanted = self.executor.n_workers * _CHUNKS_PER_WORKER * max(2.0, min(per_worker, 500.0))
        return max(0, int(wanted) - self.outstanding)

    def submit(self, proposals: Proposals) -> None:
        """Queue points; they start when a worker is free."""
        if len(proposals):
            self._waiting.append(proposals)
            self._n_waiting += len(proposals)

    def collect(self) -> list[Evaluations]:
        """Wait until at least one chunk is done, and return every chunk that is.

        Raises
        ------
        EvaluationError
            If every call so far has failed, or the executor cannot be used any more.
        InvalidProblemError
            If the workers cannot load the problem.
        """
        self._check_hopeless()
        self._dispatch()
        if not self._running:
            return []
        done, _ = concurrent.futures.wait(self._running, return_when=concurrent.futures.FIRST_COMPLETED)
        found: list[Evaluations] = []
        dead: list[_Chunk] = []
        for future in [f for f in self._running if f in done]:
            chunk = self._running.pop(future)
            try:
                answer = future.result()
            except ProblemNotLoadedError:
                self.executor.abort()
                raise
            except Exception:  # noqa: BLE001 - whatever broke the worker, its chunk is examined
                dead.append(chunk)
            else:
                found.append(self._finished(chunk.proposals, answer))
        if dead:
            found += self._after_death(dead)
        return found

    def abort(self) -> None:
        """Drop everything that is queued or under way."""
        for future in self._running:
            future.cancel()
        self.executor.abort()
        self._running.clear()
        self._waiting.clear()
        self._quarantine.clear()
        self._n_waiting = 0

    def _dispatch(self) -> None:
        if self._quarantine:
            if not self._running:
                self._start(self._quarantine.popleft())
            return
        serial = self.executor.n_workers == 1
        while self._waiting and len(self._running) < (1 if serial else _CHUNKS_PER_WORKER * self.executor.n_workers):
            self._start(_Chunk(self._next_chunk()))

    def _start(self, chunk: _Chunk) -> None:
        try:
            future = self.executor.submit(chunk.proposals.thetas, chunk.proposals.want)
        except concurrent.futures.BrokenExecutor:
            self.executor.recover()
            future = self.executor.submit(chunk.proposals.thetas, chunk.proposals.want)
        self._running[future] = chunk

    def _next_chunk(self) -> Proposals:
        """Take the next points of the first batch, as many as fit into the time of a chunk."""
        batch = self._waiting[0]
        size = self._chunk_size()
        if len(batch) <= size:
            self._waiting.popleft()
            self._n_waiting -= len(batch)
            return batch
        self._waiting[0] = _rows(batch, slice(size, None))
        self._n_waiting -= size
        return _rows(batch, slice(None, size))

    def _chunk_size(self) -> int:
        workers = self.executor.n_workers
        if self._mean_seconds is None:
            return 1 if workers == 1 else 2
        seconds = _SERIAL_SECONDS if workers == 1 else CHUNK_SECONDS
        by_time = int(min(_MAX_CHUNK, seconds / max(self._mean_seconds, 1e-9)))
        share = -(-self._n_waiting // workers) if workers > 1 else self._n_waiting
        return max(1, min(by_time, share))

    def _finished(self, proposals: Proposals, answer: ChunkAnswer) -> Evaluations:
        n = len(proposals)
        mean = float(answer.seconds.sum()) / n
        self._mean_seconds = mean if self._mean_seconds is None else 0.7 * self._mean_seconds + 0.3 * mean
        evaluations = Evaluations(
            ids=proposals.ids,
            thetas=proposals.thetas,
            phases=proposals.phases,
            log_likelihoods=answer.log_likelihoods,
            statuses=answer.statuses,
            seconds=answer.seconds,
            workers=np.full(n, answer.worker, dtype=np.int32),
            payloads=answer.payloads,
            errors=answer.errors,
        )
        self._count(evaluations)
        return evaluations

    def _count(self, evaluations: Evaluations) -> None:
        failed = evaluations.statuses >= EvaluationStatus.FAILED
        failed &= evaluations.statuses != EvaluationStatus.VIOLATED
        n_failed = int(np.count_nonzero(failed))
        self.n_finished += len(evaluations)
        self.n_failed += n_failed
        self._any_answer = self._any_answer or n_failed < len(evaluations)
        if n_failed and self._first_failure is None:
            self._first_failure = (evaluations, int(np.argmax(failed)))

    def _after_death(self, dead: list[_Chunk]) -> list[Evaluations]:
        """Put the lost chunks into quarantine; record a single point that killed twice."""
        found: list[Evaluations] = []
        for future, chunk in list(self._running.items()):  # a broken pool takes all its chunks with it
            if future.done() and not future.cancelled() and future.exception() is None:
                found.append(self._finished(chunk.proposals, future.result()))
            else:
                future.cancel()
                dead.append(chunk)
        self._running.clear()
        how = self.executor.recover()
        alone = len(dead) == 1
        for chunk in reversed(dead):
            chunk.deaths += 1
            if alone and len(chunk.proposals) > 1:
                self._quarantine.extendleft(reversed(chunk.halves()))
            elif alone and chunk.deaths > 1:
                found.append(self._lost(chunk.proposals, how))
            else:
                self._quarantine.appendleft(chunk)
        return found

    def _lost(self, proposals: Proposals, how: str) -> Evaluations:
        text = f"the worker process died twice while evaluating this point ({how})"
        evaluations = Evaluations(
            ids=proposals.ids,
            thetas=proposals.thetas,
            phases=proposals.phases,
            log_likelihoods=np.array([-np.inf]),
            statuses=np.array([EvaluationStatus.LOST], dtype=np.int8),
            seconds=np.zeros(1, dtype=np.float32),
            workers=np.zeros(1, dtype=np.int32),
            payloads=None if proposals.want == "value" else [None],
            errors={0: text},
        )
        self._count(evaluations)
        return evaluations

    def _check_hopeless(self) -> None:
        if self._any_answer or self.n_finished < _GIVE_UP_AFTER or self._first_failure is None:
            return
        evaluations, position = self._first_failure
        self.abort()
        values = self.problem.space.to_values(evaluations.thetas[position])
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise EvaluationError(
            f"all of the first {self.n_finished} evaluations failed, so the run was stopped. The first, at {shown}:",
            values=values,
            traceback=evaluations.errors.get(position, ""),
            worker=int(evaluations.workers[position]),
        )


def _rows(proposals: Proposals, part: slice) -> Proposals:
    return Proposals(proposals.ids[part], proposals.thetas[part], proposals.phases[part], proposals.want)
