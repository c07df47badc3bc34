"""Where the calls happen: in this process, in worker processes, or on any ``concurrent.futures`` executor.

An executor takes chunks and returns futures. The problem is sent once: worker processes read it from a file that is
named in every chunk and keep it; other executors receive its bytes with every chunk and unpack them once per process.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import weakref
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from wilks.core.errors import EvaluationError, InvalidConfigurationError, InvalidProblemError
from wilks.evaluation.call import ChunkAnswer, evaluate_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_KEPT_PROBLEMS = 4


class Executor(Protocol):
    """What the evaluator needs of an executor."""

    @property
    def n_workers(self) -> int:
        """Number of chunks that can be worked on at the same time."""
        ...

    @property
    def name(self) -> str:
        """For provenance."""
        ...

    def open(self, problem: Problem) -> None:
        """Make the problem known to the workers; called before each run."""
        ...

    def submit(self, thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        """Start one chunk."""
        ...

    def recover(self) -> str:
        """After the death of a worker: make `submit` work again; say in words how the worker ended."""
        ...

    def abort(self) -> None:
        """End all work at once, without waiting for calls that are under way."""
        ...


class SerialExecutor:
    """Calls in this process, one after the other.

    Examples
    --------
    >>> SerialExecutor().n_workers
    1
    """

    n_workers = 1
    name = "serial"

    def __init__(self) -> None:
        self._problem: Problem | None = None

    def open(self, problem: Problem) -> None:
        """Remember the problem."""
        self._problem = problem

    def submit(self, thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        """Evaluate the chunk now."""
        if self._problem is None:
            raise InvalidConfigurationError("SerialExecutor: open(problem) comes before submit")
        future: Future[ChunkAnswer] = Future()
        future.set_result(evaluate_chunk(self._problem, thetas, want))
        return future

    def recover(self) -> str:
        """Nothing can die but this process."""
        return ""

    def abort(self) -> None:
        """Nothing is under way."""

    def __repr__(self) -> str:
        """Return the constructor call."""
        return "SerialExecutor()"


class ProcessExecutor:
    """Calls in worker processes of this machine; a context manager, reusable for any number of runs.

    The workers are spawned, so they share no state with this process; linear algebra libraries are held to one thread
    in each. The main module is not imported again, so a script needs no ``if __name__ == "__main__"``. The
    workers end with this process, however it ends.

    Parameters
    ----------
    n_workers
        Number of worker processes; the number of usable cores by default.

    Raises
    ------
    InvalidConfigurationError
        If `n_workers` is not a positive integer.

    Examples
    --------
    >>> with ProcessExecutor(2) as executor:
    ...     executor.n_workers
    2
    """

    def __init__(self, n_workers: int | None = None) -> None:
        count = len(os.sched_getaffinity(0)) if n_workers is None and hasattr(os, "sched_getaffinity") else n_workers
        count = count or os.cpu_count() or 1
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidConfigurationError(f"ProcessExecutor: expected a positive n_workers, got {n_workers!r}")
        self.n_workers = count
        self.name = f"{count} processes"
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None
        self._folder: Path | None = None
        self._token = ""
        self._source = ""

    def open(self, problem: Problem) -> None:
        """Write the problem where the workers find it."""
        blob = _pickled(problem)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="wilks-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._token = hashlib.sha256(blob).hexdigest()
        path = self._folder / self._token
        if not path.exists():
            path.write_bytes(blob)
        self._source = str(path)

    def submit(self, thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        """Send the chunk to the pool, which is started when it is not running."""
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self.n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker
            )
        if len(self._processes()) < self.n_workers:  # the pool starts its processes one by one, as chunks come
            with _spawn_environment():
                return self._pool.submit(_work, self._token, self._source, thetas, want)
        return self._pool.submit(_work, self._token, self._source, thetas, want)

    def _processes(self) -> list[BaseProcess]:
        # The pool keeps no public list of its processes; without it neither exit codes nor a prompt end are to be had.
        return list((getattr(self._pool, "_processes", None) or {}).values())

    def recover(self) -> str:
        """Drop the broken pool; the next `submit` starts another."""
        processes = self._processes()
        self._end(processes)
        codes = sorted({p.exitcode for p in processes if p.exitcode not in (None, 0, -signal.SIGTERM)}, key=str)
        return ", ".join(_describe_exit(code) for code in codes) or "exit code unknown"

    def abort(self) -> None:
        """Kill the workers; the executor stays usable."""
        self._end(self._processes())

    def _end(self, processes: list[BaseProcess]) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in processes:
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        for process in processes:
            process.join()

    def close(self) -> None:
        """End the workers; the next run would start them again."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

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
        return f"ProcessExecutor({self.n_workers})"


class ForeignExecutor:
    """Adapter for any ``concurrent.futures.Executor``: threads, somebody's process pool, ``client.get_executor()``."""

    def __init__(self, executor: concurrent.futures.Executor) -> None:
        self._executor = executor
        self.n_workers = int(getattr(executor, "_max_workers", 0)) or len(os.sched_getaffinity(0))
        self.name = f"{type(executor).__name__} ({self.n_workers} workers)"
        self._token = ""
        self._blob = b""

    def open(self, problem: Problem) -> None:
        """Pack the problem."""
        self._blob = _pickled(problem)
        self._token = hashlib.sha256(self._blob).hexdigest()

    def submit(self, thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        """Send the chunk with the problem."""
        return self._executor.submit(_work, self._token, self._blob, thetas, want)

    def recover(self) -> str:
        """Not possible: the pool belongs to the caller."""
        raise EvaluationError(
            f"a worker of the {type(self._executor).__name__} died and the pool cannot be used any more; "
            "wilks.ProcessExecutor rebuilds its pool and finds the point that kills workers"
        )

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
    if all(hasattr(executor, name) for name in ("open", "submit", "recover", "abort", "n_workers")):
        return executor  # type: ignore[return-value]  # just checked
    raise InvalidConfigurationError(
        "executor: expected wilks.SerialExecutor(), wilks.ProcessExecutor(n) or a concurrent.futures.Executor, "
        f"got {executor!r}"
    )


class ProblemNotLoadedError(InvalidProblemError):
    """A worker could not unpack the problem."""


_problems: OrderedDict[str, Problem] = OrderedDict()


def _work(token: str, source: str | bytes, thetas: NDArray[np.float64], want: Want) -> ChunkAnswer:
    """What a worker does with one chunk."""
    if token not in _problems:
        import cloudpickle  # noqa: PLC0415 - workers only

        try:
            blob = source if isinstance(source, bytes) else Path(source).read_bytes()
            _problems[token] = cloudpickle.loads(blob)
        except Exception as error:
            raise ProblemNotLoadedError(
                f"the problem cannot be loaded in a worker process: {type(error).__name__}: {error}; everything that "
                "the likelihood needs must be importable there"
            ) from error
        while len(_problems) > _KEPT_PROBLEMS:
            _problems.popitem(last=False)
    return evaluate_chunk(_problems[token], thetas, want)


def _pickled(problem: Problem) -> bytes:
    import cloudpickle  # noqa: PLC0415 - loads on use

    try:
        return bytes(cloudpickle.dumps(problem))
    except Exception as error:
        raise InvalidProblemError(
            f"problem {problem.name!r} cannot be sent to workers: {type(error).__name__}: {error}; keep open files, "
            "locks and connections out of the likelihood, or use wilks.SerialExecutor()"
        ) from error


def _prepare_worker() -> None:
    """Leave Ctrl-C to the main process, and end when the main process ends, even by SIGKILL."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def _spawn_environment() -> Iterator[None]:
    """While the workers start: one thread for linear algebra, and no second import of the main module."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    main = sys.modules.get("__main__")
    hidden = {name: vars(main)[name] for name in ("__file__", "__spec__") if main and name in vars(main)}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        if main is not None:
            vars(main).pop("__file__", None)
            vars(main)["__spec__"] = None
        yield
    finally:
        if main is not None:
            vars(main).update(hidden)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
