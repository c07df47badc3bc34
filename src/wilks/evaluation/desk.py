"""Hands the chunks of a run to the workers of a Dask cluster.

Dask alone would give a worker several chunks at a time, and when it dies nobody can say which of them killed it. So
each chunk is sent to a worker of our choice that has nothing else to do. The chunk that is lost with a worker is then
the one to suspect, and the search of the evaluator for the point that kills (`wilks.evaluation.evaluator`) works as it
does with processes. A chunk whose worker is gone before it began is moved to another one by Dask.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from wilks.core.errors import EvaluationError, WilksError
from wilks.evaluation.pool import Task, WorkerDiedError
from wilks.evaluation.worker import work

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.proposal import Want
    from wilks.evaluation.call import ChunkAnswer
    from wilks.evaluation.executors import Submit

_REFRESH_SECONDS = 1.0
_RETRY_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
"""Time in which a worker that died is started anew; then its shards go to another one."""
_GATHER_SECONDS = 60.0


@dataclass(eq=False)
class _Slot:
    """A thread of a worker; one without an address waits for a worker to come."""

    address: str = ""
    vacant_since: float = field(default_factory=time.monotonic)
    job: _Job | None = None


@dataclass(eq=False)
class _Job:
    """A chunk, the problem as Dask has it, and the number of the only slot that may have it."""

    task: Task
    problem: Any
    number: int | None
    dask_future: Any = field(default=None)


class Desk:
    """Hands out chunks, one at a time to every slot.

    Parameters
    ----------
    client
        The client of the cluster.
    n_slots
        Number of threads that are used; so many that there is a free one somewhere.
    meaning_of
        Makes of an error of Dask what it means for a chunk.
    """

    def __init__(self, client: Any, n_slots: int, meaning_of: Callable[[Exception], Exception]) -> None:  # noqa: ANN401 - see `wilks.evaluation.dask`
        self.client = client
        self._meaning_of = meaning_of
        self._slots = [_Slot() for _ in range(n_slots)]
        self._queue: deque[_Job] = deque()
        self._lock = threading.RLock()
        self._looked = -_REFRESH_SECONDS
        self._timer: threading.Timer | None = None
        self._numbers = itertools.count()
        self._prefix = f"wilks-{uuid.uuid4().hex[:8]}"

    def opened(self, blob: bytes, number: int | None) -> Submit:
        """Return the function that sends chunks of a packed problem."""
        token = hashlib.sha256(blob).hexdigest()
        # A task and no scattered data: Dask makes it again where the worker that has it dies.
        problem = self.client.submit(bytes, blob, key=f"{self._prefix}-problem-{token}", pure=False)
        return partial(self._submit, token, problem, number)

    def _submit(
        self,
        token: str,
        problem: Any,  # noqa: ANN401 - a future of Dask
        number: int | None,
        thetas: NDArray[np.float64],
        want: Want,
    ) -> Future[ChunkAnswer]:
        task = Task(token, b"", thetas, want)
        with self._lock:
            self._queue.append(_Job(task, problem, number))
        self._hand_out()
        return task.future

    def drop(self) -> None:
        """Drop what waits and forget what is under way."""
        with self._lock:
            under_way = [slot.job for slot in self._slots if slot.job is not None]
            left = [*self._queue, *under_way]
            self._queue.clear()
            for slot in self._slots:
                slot.job = None
        self.client.cancel([job.dask_future for job in under_way if job.dask_future is not None])
        for job in left:
            if not job.task.future.cancel() and not job.task.future.done():
                job.task.future.set_exception(WorkerDiedError("the run was aborted"))

    def _hand_out(self) -> None:
        """Give every free slot its next chunk; look again soon when there are chunks and no worker for them."""
        with self._lock:
            try:
                self._look_for_workers()
            except Exception as error:  # noqa: BLE001 - Dask has many ways to say that the connection is lost
                self._give_up(error)
            kept: deque[_Job] = deque()
            while self._queue:
                job = self._queue.popleft()
                slots = self._slots if job.number is None else [self._slots[job.number]]
                slot = next((slot for slot in slots if slot.address and slot.job is None), None)
                if slot is None:
                    kept.append(job)
                elif job.task.claim():
                    self._start(job, slot)
            self._queue = kept
            if kept and self._timer is None and not all(slot.address for slot in self._slots):
                self._timer = threading.Timer(_RETRY_SECONDS, self._retry)
                self._timer.daemon = True
                self._timer.start()

    def _retry(self) -> None:
        with self._lock:
            self._timer = None
            self._looked = -_REFRESH_SECONDS
        self._hand_out()

    def _give_up(self, error: Exception) -> None:
        while self._queue:
            task = self._queue.popleft().task
            if task.claim():
                task.future.set_exception(_unusable(error))

    def _start(self, job: _Job, slot: _Slot) -> None:
        slot.job = job
        try:
            self._send(job, slot)
        except Exception as error:  # noqa: BLE001 - see `_hand_out`
            slot.job = None
            job.task.future.set_exception(_unusable(error))

    def _send(self, job: _Job, slot: _Slot) -> None:
        task = job.task
        job.dask_future = self.client.submit(
            work,
            task.token,
            job.problem,
            task.thetas,
            task.want,
            key=f"{self._prefix}-chunk-{next(self._numbers)}",
            pure=False,
            workers=[slot.address],
            allow_other_workers=True,
        )
        job.dask_future.add_done_callback(partial(self._take, job, slot))

    def _take(self, job: _Job, slot: _Slot, dask_future: Any) -> None:  # noqa: ANN401 - see `wilks.evaluation.dask`
        """Pass an answer on, and give the slot something to do.

        The answer is fetched first: it would be lost with a worker that dies of the next chunk.
        """
        if slot.job is not job:  # dropped
            return
        answer: ChunkAnswer | None = None
        failure: Exception | None = None
        try:
            answer = dask_future.result(timeout=_GATHER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer must learn of it
            failure = error if isinstance(error, WilksError) else self._meaning_of(error)
        with self._lock:
            if slot.job is not job:
                return
            slot.job = None
            if failure is not None:
                self._looked = -_REFRESH_SECONDS  # a worker may have died
        self._hand_out()
        if answer is not None:
            job.task.future.set_result(answer)
        else:
            job.task.future.set_exception(failure)

    def _look_for_workers(self) -> None:
        """Give the address of a worker with a free thread to every slot that has none, or whose worker is gone."""
        now = time.monotonic()
        if now - self._looked < _REFRESH_SECONDS:
            return
        self._looked = now
        free: dict[str, int] = dict(self.client.nthreads())
        for slot in self._slots:
            if slot.address in free:
                free[slot.address] -= 1
            elif slot.address:
                slot.address, slot.vacant_since = "", now
        wanted = {job.number for job in self._queue}
        for number, slot in enumerate(self._slots):
            if slot.address or not free:
                continue
            address = max(free, key=lambda address: free[address])
            if free[address] > 0 or (number in wanted and now - slot.vacant_since > _PATIENCE_SECONDS):
                slot.address = address
                free[address] -= 1


def _unusable(error: Exception) -> EvaluationError:
    return EvaluationError(f"the Dask cluster takes no work: {type(error).__name__}: {error}")
