"""The workers of an MPI job as rank 0 sees them: a thread sends chunks to them and takes their answers.

Every worker answers in the order in which it was asked, so an answer needs no number. Nothing is sent or received
while no chunk is under way, and the thread sleeps then.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wilks.core.errors import EvaluationError, WilksError
from wilks.evaluation.pool import WorkerDiedError

if TYPE_CHECKING:
    from wilks.evaluation.pool import Task

TAG = 1938
"""Of all messages; the user's own have another one, it is hoped."""
POINTS, PROBLEM, DROP, END = "points", "problem", "drop", "end"
SKIPPED, ENDED = "skipped", "ended"
_KEPT_PROBLEMS = 4
_QUEUED_AHEAD = 2
_AHEAD_SECONDS = 0.02
_SHORTEST_PAUSE, _PAUSE, _LONGEST_PAUSE = 2e-5, 1e-3, 5e-3


def pause(waited: float) -> float:
    """Seconds until the next look for a message, when so many were waited: first a tenth more, later a hundredth."""
    return max(_SHORTEST_PAUSE, min(0.1 * waited, max(_PAUSE, 0.01 * waited), _LONGEST_PAUSE))


@dataclass(eq=False)
class _Worker:
    """A worker; None stands for a chunk whose answer nobody wants any more."""

    rank: int
    tokens: OrderedDict[str, None] = field(default_factory=OrderedDict)
    tasks: deque[Task | None] = field(default_factory=deque)
    began: float = 0.0
    ended: bool = False


class Crew:
    """The workers of a communicator: every rank but 0.

    Parameters
    ----------
    comm
        The mpi4py communicator.

    Attributes
    ----------
    ended
        Were the workers told to end?
    """

    def __init__(self, comm: Any) -> None:  # noqa: ANN401 - mpi4py may be missing, and with it the type
        self.comm = comm
        self.ended = False
        self._workers = [_Worker(rank) for rank in range(1, comm.Get_size())]
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._orders: deque[str] = deque()
        self._sending: list[Any] = []
        self._wake = threading.Event()
        self._finished = threading.Event()
        self._broken = ""
        self._last_seconds = float("inf")
        self._process = os.getpid()
        self._thread: threading.Thread | None = None

    @property
    def aborted(self) -> bool:
        """Is a worker in a call whose answer nobody wants?"""
        with self._lock:
            return any(worker.tasks for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Queue a chunk; its future gets the answer, or what the worker complains about."""
        if self._broken or self.ended:
            task.future.set_exception(EvaluationError(self._broken or "the MPI workers have ended"))
            return
        self._queue.append(task)
        self._start()

    def drop(self) -> None:
        """Drop what is queued and forget what is under way; workers skip what they have not begun."""
        with self._lock:
            left = [*self._queue, *(task for worker in self._workers for task in worker.tasks if task is not None)]
            self._queue.clear()
            for worker in self._workers:
                worker.tasks = deque([None] * len(worker.tasks))
            if left:
                self._orders.append(DROP)
        for task in left:
            if not task.future.cancel() and not task.future.done():
                task.future.set_exception(WorkerDiedError("the run was aborted"))
        self._wake.set()

    def end(self) -> None:
        """Tell the workers to end when they have finished what they have."""
        if os.getpid() != self._process or self.ended:  # a forked child must leave the workers alone
            return
        self.drop()
        self.ended = True
        with self._lock:
            self._orders.append(END)
        self._start()

    def wait_ended(self, seconds: float) -> bool:
        """Wait until all workers have ended, but not longer than this; have they?"""
        if os.getpid() != self._process:
            return True
        return self._finished.wait(seconds)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wilks MPI crew", daemon=True)
            self._thread.start()
        self._wake.set()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._talk()
        except Exception as error:  # noqa: BLE001 - whoever waits for an answer must learn of it
            self._broken = f"the connection to the MPI workers broke down: {type(error).__name__}: {error}"
            with self._lock:
                left = [*self._queue, *(task for worker in self._workers for task in worker.tasks if task is not None)]
            for task in left:
                if task.claim():
                    task.future.set_exception(EvaluationError(self._broken))

    def _talk(self) -> None:
        since = time.perf_counter()
        while True:
            self._wake.clear()
            with self._lock:
                active = self._receive() | self._carry_out_orders() | self._hand_out()
                self._sending = [request for request in self._sending if not request.Test()]
                waiting = self.ended or bool(self._queue or self._sending or any(w.tasks for w in self._workers))
            if all(worker.ended for worker in self._workers) and not self._sending:
                self._finished.set()
                return
            now = time.perf_counter()
            if active:
                since = now
            self._wake.wait(pause(now - since) if waiting else None)

    def _carry_out_orders(self) -> bool:
        if not self._orders:
            return False
        while self._orders:
            order = self._orders.popleft()
            for worker in self._workers:
                self._send(worker, (order,))
        return True

    def _hand_out(self) -> bool:
        """Give the next chunk to the worker with the least to do, as far as there is one that may take it."""
        room = _QUEUED_AHEAD if self._last_seconds < _AHEAD_SECONDS else 1
        active = False
        kept: deque[Task] = deque()
        while self._queue:
            task = self._queue.popleft()
            worker = min(self._workers, key=lambda worker: len(worker.tasks))
            if task.lane is not None:
                worker = self._workers[task.lane]
            if len(worker.tasks) >= room:
                kept.append(task)
            elif task.claim():
                self._give(worker, task)
                active = True
        self._queue.extendleft(reversed(kept))
        return active

    def _give(self, worker: _Worker, task: Task) -> None:
        if task.token not in worker.tokens:
            forgotten = worker.tokens.popitem(last=False)[0] if len(worker.tokens) >= _KEPT_PROBLEMS else None
            worker.tokens[task.token] = None
            self._send(worker, (PROBLEM, task.token, len(task.blob), forgotten, list(sys.path)))
            self._sending.append(self.comm.Isend(task.blob, worker.rank, TAG))
        worker.tokens.move_to_end(task.token)
        if not worker.tasks:
            worker.began = time.perf_counter()
        worker.tasks.append(task)
        self._send(worker, (POINTS, task.token, task.thetas, task.want))

    def _send(self, worker: _Worker, message: tuple[Any, ...]) -> None:
        self._sending.append(self.comm.isend(message, worker.rank, TAG))

    def _receive(self) -> bool:
        active = False
        while (waiting := self.comm.improbe(tag=TAG)) is not None:
            rank, answer = waiting.recv()
            self._take(self._workers[rank - 1], answer)
            active = True
        return active

    def _take(self, worker: _Worker, answer: Any) -> None:  # noqa: ANN401 - a ChunkAnswer, an error, or a word
        if isinstance(answer, str) and answer == ENDED:
            worker.ended = True
            return
        task = worker.tasks.popleft()
        now = time.perf_counter()
        if task is not None:
            self._last_seconds = now - worker.began
            if isinstance(answer, WilksError):
                task.future.set_exception(answer)
            elif isinstance(answer, str):
                task.future.set_exception(WorkerDiedError("the chunk was skipped"))
            else:
                task.future.set_result(answer)
        worker.began = now
