"""A pool of worker processes, each with a socket of its own, so that a death concerns one worker and its chunk only.

``concurrent.futures.ProcessPoolExecutor`` cannot be used for this: its workers share their queues, so the death of one
breaks the pool, takes the chunks of all others along, and may leave a lock or half a message behind.
A thread hands the chunks out. While chunks are short, each worker is sent the next one before it has finished the
first, so that it never waits for a busy main process.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import TYPE_CHECKING, Any

from wilks.core.errors import EvaluationError, WilksError
from wilks.evaluation.worker import LOADED, READY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.proposal import Want
    from wilks.evaluation.call import ChunkAnswer

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_QUEUED_AHEAD = 2
_AHEAD_SECONDS = 0.02
_AHEAD_BYTES = 32_768
_MAX_FALSE_STARTS = 3
_PATIENCE_SECONDS = 5.0
_CLOSED = "the pool was closed"


class WorkerDiedError(RuntimeError):
    """The process that worked on this chunk ended without an answer; the message says how."""


@dataclass
class Task:
    """One chunk on its way; `token` and `blob` are the problem's, `lane` the number of its worker, if it matters."""

    token: str
    blob: bytes
    thetas: NDArray[np.float64]
    want: Want
    future: Future[ChunkAnswer] = field(default_factory=Future)
    lane: int | None = None

    def claim(self) -> bool:
        """Is the answer still wanted? From here on it cannot be cancelled."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    token: str = ""
    tasks: deque[Task] = field(default_factory=deque)
    began: float = 0.0
    sentinel: int = -1
    """Readable when the process has ended; -1 where the system does not offer it."""


class WorkerPool:
    """Worker processes that start with the first chunk.

    Parameters
    ----------
    n_workers
        Number of processes.
    timeout
        Seconds after which a worker that has not answered is killed, without the time that it takes to load the
        problem; infinity for none.
    """

    def __init__(self, n_workers: int, timeout: float = math.inf) -> None:
        self._n_workers = n_workers
        self._timeout = timeout
        self._lock = threading.RLock()  # Ctrl-C may end the pool where it holds it
        self._queue: deque[Task] = deque()
        self._workers: list[_Worker] = []
        self._false_starts = 0
        self._last_seconds = float("inf")
        self._closing = self._silent = False
        self._broken = ""
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)

    @property
    def pids(self) -> list[int]:
        """Process identifiers of the workers."""
        return [worker.process.pid for worker in list(self._workers)]

    def submit(self, task: Task) -> None:
        """Queue a chunk; its future gets the answer, or `WorkerDiedError`, or what the worker complains about."""
        if self._broken:
            task.future.set_exception(EvaluationError(self._broken))
            return
        with self._lock:  # the pipe must not be closed in between
            if not self._closing:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="wilks worker pool", daemon=True)
                    self._thread.start()
                self._queue.append(task)
                self._wake()
            elif not self._silent:
                task.future.set_exception(WorkerDiedError(_CLOSED))

    def kill(self) -> None:
        """End the workers at once, when nobody is left to wait for them.

        At the end of the interpreter a thread that is left behind must not wake up to complain: futures stay open.
        """
        self._silent = True
        self.close(kill=True)

    def close(self, *, kill: bool = False) -> None:
        """End the workers, at once or when they have finished what they have; futures without answer are cancelled."""
        if os.getpid() != self._process or self._closing:  # a forked child must leave the parent's workers alone
            return
        self._closing = True
        if self._thread is not None:
            if kill:
                with self._lock:  # no worker may start in between
                    for worker in self._workers:
                        worker.process.kill()
            self._wake()
            self._thread.join()
        with self._lock:
            os.close(self._wake_reader)
            os.close(self._wake_writer)
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send(None)
        for worker in self._workers:
            _end(worker)
        left = () if self._silent else (*self._queue, *(t for worker in self._workers for t in worker.tasks))
        for task in left:
            if not task.future.cancel() and not task.future.done():
                task.future.set_exception(WorkerDiedError(_CLOSED))
        self._workers.clear()
        self._queue.clear()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of calls to wake up
            os.write(self._wake_writer, b"x")

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._start_missing()
                self._hand_out()
                self._wait()
                self._kill_late()
        except Exception as error:  # noqa: BLE001 - whoever waits for an answer must learn of it
            self._broken = f"the pool of worker processes broke down: {type(error).__name__}: {error}"
            for task in [*self._queue, *(task for worker in self._workers for task in worker.tasks)]:
                if task.claim():
                    task.future.set_exception(EvaluationError(self._broken))
            self._queue.clear()

    def _wait(self) -> None:
        sources: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        sources |= {worker.sentinel: worker for worker in self._workers if worker.sentinel >= 0}
        for source in wait([self._wake_reader, *sources], self._patience()):
            if source == self._wake_reader:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_reader, 4096)
            elif sources[source] in self._workers:
                self._receive(sources[source])

    def _patience(self) -> float | None:
        """Seconds until the first worker has taken too long; None when none can."""
        ends = [worker.began + self._timeout for worker in self._workers if worker.tasks]
        left = min(ends, default=math.inf) - time.perf_counter()
        return max(left, 0.0) if math.isfinite(left) else None

    def _kill_late(self) -> None:
        """End the workers that have taken too long, unless their answer has just come."""
        now = time.perf_counter()
        for worker in list(self._workers):
            if worker.tasks and now - worker.began >= self._timeout and not worker.connection.poll():
                worker.process.kill()
                self._bury(worker, f"no answer within {self._timeout:g} s")

    def _start_missing(self) -> None:
        n_tasks = len(self._queue) + sum(len(worker.tasks) for worker in self._workers)
        while len(self._workers) < min(self._n_workers, n_tasks):
            try:
                with self._lock:
                    if self._closing:
                        return
                    self._workers.append(_started())
            except OSError as error:
                if not self._workers:
                    self._give_up(f"worker processes cannot be started: {error.strerror or error}")
                return

    def _hand_out(self) -> None:
        """Give the next chunk to the worker with the least to do, as far as there is one that may take it."""
        ahead = _QUEUED_AHEAD if self._last_seconds < _AHEAD_SECONDS else 1
        while self._queue:
            small = self._queue[0].thetas.nbytes <= _AHEAD_BYTES  # more would not fit into the socket
            room = ahead if small else 1
            free = [worker for worker in self._workers if worker.ready and len(worker.tasks) < room]
            if not free:
                return
            worker = min(free, key=lambda worker: len(worker.tasks))
            if worker.tasks and not all(other.ready for other in self._workers):
                return  # somebody else is about to be ready
            task = self._queue.popleft()
            if task.claim():
                self._send(worker, task)

    def _send(self, worker: _Worker, task: Task) -> None:
        if not worker.tasks:  # loading a problem is not the user's function taking its time
            worker.began = time.perf_counter() if worker.token == task.token else math.inf
        worker.tasks.append(task)
        try:
            if worker.token != task.token:
                worker.connection.send(task.blob)
                worker.token = task.token
            worker.connection.send((task.thetas, task.want))
        except OSError:
            self._bury(worker)

    def _receive(self, worker: _Worker) -> None:
        """Take one message; no message from a dead process means that none will come."""
        try:
            if not worker.connection.poll():
                if worker.process.poll() is not None:
                    self._bury(worker)
                return
            message = worker.connection.recv()
        except Exception:  # noqa: BLE001 - an answer that cannot be read is lost, whatever the reason
            worker.process.kill()
            self._bury(worker)
            return
        if isinstance(message, str) and message == READY:
            worker.ready, self._false_starts = True, 0
            return
        if isinstance(message, str) and message == LOADED:
            worker.began = time.perf_counter()
            return
        task = worker.tasks.popleft()
        now = time.perf_counter()
        self._last_seconds, worker.began = now - worker.began, now
        if isinstance(message, WilksError):
            task.future.set_exception(message)
        else:
            task.future.set_result(message)

    def _bury(self, worker: _Worker, reason: str = "") -> None:
        """Take leave of a dead worker: the chunk that it worked on is lost, what it had not begun goes back."""
        code = _end(worker)
        how = reason or _describe_exit(code)
        self._workers.remove(worker)
        first = worker.tasks.popleft() if worker.tasks else None
        self._queue.extendleft(reversed(worker.tasks))
        if self._silent:
            return
        if first is not None:
            first.future.set_exception(WorkerDiedError(how))
        elif not worker.ready and not self._closing:
            self._false_starts += 1
            if self._false_starts >= _MAX_FALSE_STARTS:
                self._give_up(f"worker processes end before they begin to work ({how})")

    def _give_up(self, text: str) -> None:
        self._false_starts = 0
        while self._queue:
            task = self._queue.popleft()
            if task.claim():
                task.future.set_exception(EvaluationError(f"{text}; wilks.SerialExecutor() needs none"))


def _started() -> _Worker:
    """Start a worker: a new interpreter, which knows nothing of this one's main module.

    It is in a process group of its own: Ctrl-C in a terminal does not reach it.
    """
    ours, theirs = Pipe()
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv = ['wilks-worker']; "
        f"from wilks.evaluation.worker import serve; serve({theirs.fileno()})"
    )
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
            pass_fds=(theirs.fileno(),),
            process_group=0,
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Worker(process, ours, sentinel=_sentinel(process.pid))


def _sentinel(pid: int) -> int:
    """Return a descriptor that tells of the end of a process, or -1 where the system has none to give."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return -1


def _end(worker: _Worker) -> int:
    """Wait for the end of a process that has been told to end, or has ended; return its exit code."""
    try:
        code = worker.process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        code = worker.process.wait()
    worker.connection.close()
    if worker.sentinel >= 0:
        os.close(worker.sentinel)
    return code


def _describe_exit(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
