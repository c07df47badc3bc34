"""Where the calls happen: in this process, in worker processes, or on any ``concurrent.futures`` executor.

An executor is given a problem and returns a function that takes chunks and returns futures, so that several runs, also
of different problems, can use one executor, after one another or within each other.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import math
import os
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

from wilks.core.errors import EvaluationError, InvalidConfigurationError, InvalidProblemError
from wilks.evaluation.call import ChunkAnswer, evaluate_chunk
from wilks.evaluation.pool import Task, WorkerPool
from wilks.evaluation.worker import work

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want

    Submit = Callable[[NDArray[np.float64], Want], "Pending"]
    """Starts the evaluation of a chunk of points, shape (n, dimension)."""


class Pending(Protocol):
    """A chunk on its way: a ``concurrent.futures.Future``, or less for an inline executor."""

    def result(self) -> ChunkAnswer:
        """Return the answer, as soon as it is there."""
        ...


class Executor(Protocol):
    """What the evaluator needs of an executor.

    The future of a chunk whose worker died raises `wilks.evaluation.pool.WorkerDiedError`; other chunks are not
    concerned. After a ``concurrent.futures.BrokenExecutor`` nothing can be submitted any more.
    """

    @property
    def n_workers(self) -> int:
        """Number of chunks that can be worked on at the same time."""
        ...

    @property
    def name(self) -> str:
        """For provenance."""
        ...

    @property
    def inline(self) -> bool:
        """Does the evaluation happen within the submission, in this thread?"""
        ...

    def open(self, problem: Problem) -> Submit:
        """Return the function that starts chunks of a problem."""
        ...

    def abort(self) -> None:
        """End all work at once, without waiting for calls that are under way; the executor stays usable."""
        ...


class SerialExecutor:
    """Calls in this process, one after the other.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-1, 1))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -v["x"] ** 2)
    >>> wilks.fit(problem, executor=SerialExecutor(), seed=1).provenance.executor
    'serial'
    """

    n_workers = 1
    name = "serial"
    inline = True

    def open(self, problem: Problem) -> Submit:
        """Return the function that evaluates a chunk now."""
        return partial(_evaluated, problem)

    def abort(self) -> None:
        """Nothing is under way."""

    def __repr__(self) -> str:
        """Return the constructor call."""
        return "SerialExecutor()"


@dataclass(slots=True)
class _Answered:
    """A chunk that was evaluated at once; a real future, with its lock, costs as much as many a likelihood."""

    answer: ChunkAnswer

    def result(self) -> ChunkAnswer:
        return self.answer


def _evaluated(problem: Problem, thetas: NDArray[np.float64], want: Want) -> _Answered:
    return _Answered(evaluate_chunk(problem, thetas, want))


class ProcessExecutor:
    """Calls in worker processes of this machine; a context manager, reusable for any number of runs.

    The workers are new interpreters that share no state with this process; linear algebra libraries are held to one
    thread in each. The main module is not imported again, so a script needs no ``if __name__ == "__main__"``. The
    workers end with this process, however it ends.

    Parameters
    ----------
    n_workers
        Number of worker processes; the number of usable cores by default.
    timeout
        Seconds after which a worker that has not answered is killed; None waits for ever. It should be far above the
        time of a call, and of a tenth of a second: quick calls travel together. A point at which a worker took longer
        twice is recorded as lost, and the run goes on.

    Raises
    ------
    InvalidConfigurationError
        If `n_workers` is not a positive integer, or `timeout` no positive number.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-1, 1))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -v["x"] ** 2)
    >>> with ProcessExecutor(2) as executor:
    ...     wilks.fit(problem, executor=executor, seed=1).provenance.executor
    '2 processes'
    """

    inline = False

    def __init__(self, n_workers: int | None = None, *, timeout: float | None = None) -> None:
        count = n_usable_cores() if n_workers is None else n_workers
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidConfigurationError(f"ProcessExecutor: expected a positive n_workers, got {n_workers!r}")
        if isinstance(timeout, bool) or not (timeout is None or (isinstance(timeout, (int, float)) and timeout > 0)):
            raise InvalidConfigurationError(
                f"ProcessExecutor: expected timeout to be a positive number of seconds or None, got {timeout!r}"
            )
        self.timeout = timeout
        self.n_workers = count
        self.name = f"{count} process{'es' if count > 1 else ''}"
        self._pool: WorkerPool | None = None
        self._finalizer: weakref.finalize[[], ProcessExecutor] | None = None

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks to the workers, which are started when there are none."""
        blob = pickled(problem)
        return partial(self._submit, hashlib.sha256(blob).hexdigest(), blob)

    def _submit(self, token: str, blob: bytes, thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        if self._pool is None:
            self._pool = WorkerPool(self.n_workers, math.inf if self.timeout is None else self.timeout)
            # Ends the workers when the executor is forgotten or the interpreter ends.
            self._finalizer = weakref.finalize(self, self._pool.kill)
        task = Task(token, blob, thetas, want)
        self._pool.submit(task)
        return task.future

    @property
    def pids(self) -> list[int]:
        """Process identifiers of the workers that run."""
        return [] if self._pool is None else self._pool.pids

    def abort(self) -> None:
        """Kill the workers; the next run starts others."""
        self._end(kill=True)

    def close(self) -> None:
        """End the workers; the next run would start others."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._pool is not None and self._finalizer is not None:
            self._pool.close(kill=kill)
            self._finalizer.detach()
            self._pool = self._finalizer = None

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Return the constructor call."""
        limit = "" if self.timeout is None else f", timeout={self.timeout:g}"
        return f"ProcessExecutor({self.n_workers}{limit})"


class ForeignExecutor:
    """Adapter for any ``concurrent.futures.Executor``: threads, somebody's process pool, ``client.get_executor()``."""

    inline = False

    def __init__(self, executor: concurrent.futures.Executor) -> None:
        self._executor = executor
        self.n_workers = int(getattr(executor, "_max_workers", 0)) or n_usable_cores()
        self.name = f"{type(executor).__name__} ({self.n_workers} workers)"

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks, with the problem; threads share it as it is."""
        if type(self._executor) is concurrent.futures.ThreadPoolExecutor:
            return partial(self._submit, evaluate_chunk, problem)
        blob = pickled(problem)
        return partial(self._submit, work, hashlib.sha256(blob).hexdigest(), blob)

    def _submit(self, function: Callable[..., ChunkAnswer], *arguments: object) -> Future[ChunkAnswer]:
        try:
            return self._executor.submit(function, *arguments)
        except concurrent.futures.BrokenExecutor:
            raise
        except RuntimeError as error:
            raise EvaluationError(f"the {type(self._executor).__name__} takes no work: {error}") from error

    def abort(self) -> None:
        """Leave the pool to its owner; chunks that have not begun were cancelled."""


def as_executor(executor: object) -> Executor:
    """Return what the evaluator can use: ours as they are, None as serial, others adapted.

    Raises
    ------
    InvalidConfigurationError
        If the object is no executor.
    """
    if executor is None:
        return SerialExecutor()
    if isinstance(executor, concurrent.futures.Executor):
        return ForeignExecutor(executor)
    is_class = isinstance(executor, type)
    if not is_class and all(hasattr(executor, name) for name in ("open", "abort", "n_workers", "name", "inline")):
        return executor  # type: ignore[return-value]  # just checked
    raise InvalidConfigurationError(
        "executor: expected wilks.SerialExecutor(), wilks.ProcessExecutor(n), wilks.MPIExecutor(), "
        "wilks.DaskExecutor(client), one of these within wilks.ShardedExecutor(...), or a concurrent.futures.Executor, "
        f"got {executor!r}" + ("; a class was given, make an object of it" if is_class else "")
    )


def n_usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pickled(problem: Problem) -> bytes:
    """Return a problem as bytes for worker processes; functions of a script or notebook go along by value.

    Raises
    ------
    InvalidProblemError
        If something in it cannot be sent.
    """
    import cloudpickle  # noqa: PLC0415 - loads on use

    try:
        return bytes(cloudpickle.dumps(problem))
    except Exception as error:
        raise InvalidProblemError(
            f"problem {problem.name!r} cannot be sent to workers: {type(error).__name__}: {error}; keep open files, "
            "locks and connections out of the likelihood, or use wilks.SerialExecutor()"
        ) from error
