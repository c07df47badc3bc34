"""From proposals to evaluations: chunks sized by measured time, workers kept busy, and no failure that ends a run.

The chunk of a worker that died may hold the point that killed it: it is halved, and its halves are evaluated again,
down to a single point. One that kills a second time is recorded as LOST; all others get their values.
"""

from __future__ import annotations

import concurrent.futures
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import EvaluationError, WilksError
from wilks.core.proposal import Evaluations, EvaluationStatus, Proposals
from wilks.evaluation.call import takes_batches
from wilks.evaluation.pool import WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from wilks.core.problem import Problem
    from wilks.evaluation.call import ChunkAnswer
    from wilks.evaluation.executors import Executor

CHUNK_SECONDS = 0.1
"""Time that one chunk should take: long beside a round trip (0.1 ms), short beside a person's patience."""
_LEAST_SECONDS = 0.0005
"""Time that one chunk should take at least, though another worker may be idle: a few round trips."""
_SERIAL_SECONDS = 0.05
_MAX_CHUNK = 20_000
_WHOLE_BATCH, _WHOLE_BATCH_SECONDS = 1000, 5.0
_CHUNKS_PER_WORKER = 2
_ASKED_SERIAL = 16
_GIVE_UP_AFTER, _GIVE_UP_AFTER_LOST = 30, 5


@dataclass
class _Chunk:
    proposals: Proposals
    deaths: int = 0

    def halves(self) -> list[_Chunk]:
        middle = len(self.proposals) // 2
        return [_Chunk(rows(self.proposals, slice(None, middle))), _Chunk(rows(self.proposals, slice(middle, None)))]


class Evaluator:
    """Evaluates batches of proposals on an executor.

    Parameters
    ----------
    problem
        What to evaluate.
    executor
        Where.

    Attributes
    ----------
    outstanding
        Number of points that were submitted and not yet collected.
    interrupted, stopped
        Did Ctrl-C, or `StopRun`, end a call? The point, and those after it in its chunk, are not evaluated.
    n_data
        Number of residuals of a least-squares problem, once one was evaluated.
    any_answer
        Did any evaluation of the run succeed? Set it when one of an earlier call did.
    """

    def __init__(self, problem: Problem, executor: Executor) -> None:
        self.problem = problem
        self.executor = executor
        self.outstanding = 0
        self.interrupted = False
        self.stopped = False
        self.any_answer = False
        self.n_data = 0
        self._n_failed = 0
        self._n_lost = 0
        self._first_failure: tuple[Evaluations, int] | None = None
        self._waiting: deque[Proposals] = deque()
        self._n_waiting = 0
        self._suspects: deque[_Chunk] = deque()
        self._running: dict[Future[ChunkAnswer], _Chunk] = {}
        self._mean_seconds: float | None = None
        self._submit = executor.open(problem)

    @property
    def lockstep(self) -> bool:
        """Is there one worker, so that the order of evaluations can be the same in every run?"""
        return self.executor.n_workers == 1

    def room(self) -> int:
        """How many points an asynchronous algorithm may still propose so that all workers stay busy."""
        if self.lockstep:
            return _ASKED_SERIAL
        per_worker = 1.0 if self._mean_seconds is None else CHUNK_SECONDS / max(self._mean_seconds, 1e-9)
        wanted = self.executor.n_workers * _CHUNKS_PER_WORKER * max(2.0, min(per_worker, 500.0))
        return max(0, int(wanted) - self.outstanding)

    def submit(self, proposals: Proposals) -> None:
        """Queue points; they start when a worker is free."""
        n = len(proposals.ids)
        if n:
            self._waiting.append(proposals)
            self._n_waiting += n
            self.outstanding += n

    def collect(self, interruptible: Callable[[], AbstractContextManager[Any]] = nullcontext) -> list[Evaluations]:
        """Wait until at least one chunk is done, and return every chunk that is.

        Parameters
        ----------
        interruptible
            Makes the context in which user's functions are waited for.

        Raises
        ------
        EvaluationError
            If every call so far has failed, or the executor cannot be used any more.
        InvalidProblemError
            If the workers cannot load the problem.
        """
        if not self.any_answer:
            self._check_hopeless()
        if self.executor.inline:
            return self._evaluated_here(interruptible) if self._waiting else []
        self._dispatch()
        if not self._running:
            return []
        with interruptible():
            done, _ = concurrent.futures.wait(self._running, return_when=concurrent.futures.FIRST_COMPLETED)
        found: list[Evaluations] = []
        for future in [future for future in self._running if future in done]:
            found += self._taken(future)
        self.outstanding -= sum(map(len, found))
        return found

    def hold(self) -> None:
        """Drop what no worker has begun; what is under way can still be collected."""
        for future in list(self._running):
            if future.cancel():
                del self._running[future]
        self._waiting.clear()
        self._suspects.clear()
        self._n_waiting = 0
        self.outstanding = sum(len(chunk.proposals) for chunk in self._running.values())

    def abort(self) -> None:
        """Drop everything that is queued or under way."""
        for future in self._running:
            future.cancel()
        self.executor.abort()
        self._running.clear()
        self.hold()

    def _evaluated_here(self, interruptible: Callable[[], AbstractContextManager[Any]]) -> list[Evaluations]:
        """Evaluate the next chunk in this thread: the short way, since here a cheap likelihood may be called once."""
        proposals = self._next_chunk()
        with interruptible():
            answer = self._submit(proposals.thetas, proposals.want).result()
        found = self._answered(proposals, answer)
        self.outstanding -= len(answer)
        return found

    def _dispatch(self) -> None:
        limit = _CHUNKS_PER_WORKER * self.executor.n_workers
        while (self._suspects or self._waiting) and len(self._running) < limit:
            chunk = self._suspects.popleft() if self._suspects else _Chunk(self._next_chunk())
            proposals = chunk.proposals
            try:
                future = self._submit(proposals.thetas, proposals.want)
            except concurrent.futures.BrokenExecutor as error:
                raise self._broken() from error
            self._running[future] = chunk  # type: ignore[index]  # only inline executors return something else

    def _next_chunk(self) -> Proposals:
        """Take the next points of the first batch, as many as fit into the time of a chunk."""
        batch = self._waiting[0]
        n = len(batch.ids)
        if n == 1 or self._fits(n) or n <= (size := self._chunk_size(batch)):
            self._waiting.popleft()
            self._n_waiting -= n
            return batch
        self._waiting[0] = rows(batch, slice(size, None))
        self._n_waiting -= size
        return rows(batch, slice(None, size))

    def _fits(self, n: int) -> bool:
        """Are these few and quick, so that one worker evaluates them together? A short way around `_chunk_size`."""
        mean = self._mean_seconds
        quick = mean is not None and n < _WHOLE_BATCH and n * mean < _SERIAL_SECONDS
        return quick and self.any_answer and self.executor.n_workers == 1

    def _chunk_size(self, batch: Proposals) -> int:
        workers = self.executor.n_workers
        mean = self._mean_seconds
        # Ever smaller chunks towards the end of a batch: the workers finish together.
        share = self._n_waiting if workers == 1 else -(-self._n_waiting // (2 * workers))
        if mean is not None:
            share = max(share, int(min(1e9, _LEAST_SECONDS / max(mean, 1e-9))))
        if takes_batches(self.problem, batch.want):
            by_time = 0 if mean is None else int(_WHOLE_BATCH_SECONDS / max(mean, 1e-9))
            return max(1, min(share, _MAX_CHUNK, max(_WHOLE_BATCH, by_time)))
        if mean is None:
            return 1 if workers == 1 else 2
        if not self.any_answer:  # what always fails should end soon, however quickly it fails
            share = min(share, max(1, _GIVE_UP_AFTER - self._n_failed))
        seconds = _SERIAL_SECONDS if self.executor.inline else CHUNK_SECONDS
        return max(1, min(share, _MAX_CHUNK, int(min(1e9, seconds / max(mean, 1e-9)))))

    def _taken(self, future: Future[ChunkAnswer]) -> list[Evaluations]:
        """Evaluations of a chunk that has ended; what it leaves unanswered waits again."""
        chunk = self._running.pop(future)
        try:
            answer = future.result()
        except WilksError:
            raise
        except concurrent.futures.BrokenExecutor as error:
            raise self._broken() from error
        except concurrent.futures.CancelledError as error:
            raise EvaluationError(f"the {self.executor.name} executor was shut down during the run") from error
        except Exception as error:  # noqa: BLE001 - executors have errors of their own for the death of a worker
            return self._after_death(chunk, error)
        return self._answered(chunk.proposals, answer)

    def _answered(self, proposals: Proposals, answer: ChunkAnswer) -> list[Evaluations]:
        """Evaluations of the points that were answered; the others wait again."""
        n = len(answer)
        self.n_data = max(self.n_data, answer.n_data)
        if answer.interrupted or answer.stopped:
            self.interrupted |= answer.interrupted
            self.stopped |= answer.stopped
            rest = rows(proposals, slice(n, None))
            self._waiting.appendleft(rest)
            self._n_waiting += len(rest)
            proposals = rows(proposals, slice(None, n))
        if not n:
            return []
        mean, known = answer.mean_seconds, self._mean_seconds
        if mean is not None:
            self._mean_seconds = mean if known is None else 0.7 * known + 0.3 * mean
        workers = np.empty(n, dtype=np.int32)
        workers.fill(answer.worker)
        evaluations = Evaluations(
            proposals.ids,
            proposals.thetas,
            proposals.phases,
            answer.log_likelihoods,
            answer.statuses,
            answer.seconds,
            workers,
            answer.payloads,
            answer.errors,
        )
        if not self.any_answer:
            self._look_for_failures(evaluations)
        return [evaluations]

    def _look_for_failures(self, evaluations: Evaluations) -> None:
        """Note whether there was an answer; a point that violates a constraint is none, and no failure either."""
        statuses = evaluations.statuses
        failed = (statuses == EvaluationStatus.FAILED) | (statuses == EvaluationStatus.LOST)
        n_failed = int(np.count_nonzero(failed))
        self.any_answer |= n_failed + int(np.count_nonzero(statuses == EvaluationStatus.VIOLATED)) < len(statuses)
        self._n_failed += n_failed
        if n_failed and self._first_failure is None:
            self._first_failure = (evaluations, int(np.argmax(failed)))

    def _after_death(self, chunk: _Chunk, error: Exception) -> list[Evaluations]:
        if len(chunk.proposals) > 1:
            self._suspects.extend(chunk.halves())
            return []
        chunk.deaths += 1
        if chunk.deaths == 1:
            self._suspects.append(chunk)
            return []
        how = str(error) if isinstance(error, WorkerDiedError) else f"{type(error).__name__}: {error}"
        self._n_lost += 1
        lost = _lost(chunk.proposals, f"the worker process died twice while evaluating this point ({how})")
        self._look_for_failures(lost)
        return [lost]

    def _broken(self) -> EvaluationError:
        return EvaluationError(
            f"the pool of the {self.executor.name} executor is broken, most likely because a worker died; "
            "wilks.ProcessExecutor survives this and finds the point that kills workers"
        )

    def _check_hopeless(self) -> None:
        few = self._n_failed < _GIVE_UP_AFTER and self._n_lost < _GIVE_UP_AFTER_LOST
        if few or self._first_failure is None:
            return
        evaluations, position = self._first_failure
        values = self.problem.space.to_values(evaluations.thetas[position])
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise EvaluationError(
            f"all of the first {self._n_failed} evaluations failed, so the run was stopped. The first, at {shown}:",
            values=values,
            traceback=evaluations.errors.get(position, ""),
            worker=int(evaluations.workers[position]),
        )


def _lost(proposals: Proposals, text: str) -> Evaluations:
    return Evaluations(
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


def rows(proposals: Proposals, part: slice | np.ndarray) -> Proposals:
    """Return some of the points."""
    return Proposals(proposals.ids[part], proposals.thetas[part], proposals.phases[part], proposals.want)
