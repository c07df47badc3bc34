"""Calls in the processes of an MPI job: the first one, rank 0, drives, and the others evaluate what it sends.

The only module that knows mpi4py. A rank that waits looks for messages at growing intervals, since a rank that waits
within MPI keeps a core busy. A job cannot lose a rank and go on; `wilks.evaluation.guard` says which one it was, and
the run file has everything up to there.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Self

from wilks.core.errors import EvaluationError, InvalidConfigurationError, MissingDependencyError
from wilks.evaluation.crew import Crew
from wilks.evaluation.executors import SerialExecutor, pickled
from wilks.evaluation.launch import launch
from wilks.evaluation.pool import THREAD_VARIABLES, Task
from wilks.evaluation.rank import Rank, dismiss_guard, start_guard

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.proposal import Want
    from wilks.evaluation.call import ChunkAnswer
    from wilks.evaluation.executors import Executor, Submit

_FREE_SECONDS = 30.0
"""Time that ranks get to end in, when none has anything to do."""
_BUSY_SECONDS = 2.0
"""The same, when a run was aborted and one may be in a call that takes its time."""
_LAST_WORDS_SECONDS = 0.5
_crews: list[Crew] = []
"""Rank 0's view of the other ranks, one for each communicator that was used."""


class WorkDone(SystemExit):
    """Ends a process other than rank 0 after its work: what follows in the script is for rank 0 alone."""


class MPIExecutor:
    """Calls in the processes of an MPI job, on any number of machines.

    A script that makes one needs no ranks in it. Started by ``mpiexec -n 8 python script.py``, rank 0 goes on with the
    script and evaluates nothing; the seven others stay in this constructor, evaluate what they are sent until rank 0
    closes the executor or ends, and then end themselves, with SystemExit. So make it early, before the script reads
    data or prints. In one process alone (plain ``python``) it evaluates there, and its name says so.

    Executors of one communicator share the workers. After `close` the workers are gone.

    Parameters
    ----------
    comm
        An mpi4py communicator; ``MPI.COMM_WORLD`` by default.

    Raises
    ------
    MissingDependencyError
        If mpi4py is not installed.
    InvalidConfigurationError
        If it belongs to another MPI than the ``mpiexec`` that was used, or was initialised without threads.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-1, 1))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -v["x"] ** 2)
    >>> with MPIExecutor() as executor:  # here in one process
    ...     wilks.fit(problem, executor=executor, seed=1).provenance.executor
    'serial (MPI with one process)'
    """

    def __init__(self, comm: Any = None) -> None:  # noqa: ANN401 - mpi4py may be missing, and with it the type
        comm = connected(comm)
        size = comm.Get_size()
        self.inline = size == 1
        self.n_workers = max(1, size - 1)
        self.name = "serial (MPI with one process)"
        self._crew: Crew | None = None
        if size == 1:
            return
        if comm.Get_rank() > 0:
            serve(comm)
            raise WorkDone(0)
        self.name = f"MPI ({self.n_workers} worker{'s' if size > 2 else ''})"
        self._crew = _crew_of(comm)

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks to the workers; the problem goes to each of them once."""
        if self._crew is None:
            return SerialExecutor().open(problem)
        if self._crew.ended:
            raise EvaluationError(
                "this MPIExecutor was closed, and its workers have ended; make one for the whole script, "
                "and close it at the end"
            )
        return _opened(self._crew, problem, None)

    def lanes(self) -> list[Executor]:
        """Return one executor for every worker: the problem goes to that one only."""
        crew = self._crew
        return [self] if crew is None else [_Lane(self, crew, number) for number in range(self.n_workers)]

    def abort(self) -> None:
        """Drop what is queued; answers of calls that are under way are not waited for, and are thrown away."""
        if self._crew is not None:
            self._crew.drop()

    def close(self) -> None:
        """Let the workers end, when they have finished what they have."""
        if self._crew is not None:
            self._crew.end()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Return what it works with; a communicator has no constructor call."""
        return f"MPIExecutor(): {self.name}"


class _Lane:
    """One worker of an MPI job."""

    inline = False
    n_workers = 1

    def __init__(self, executor: MPIExecutor, crew: Crew, number: int) -> None:
        self._executor, self._crew, self._number = executor, crew, number
        self.name = f"worker {number} of {executor.name}"

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks to the worker."""
        if self._crew.ended:
            return self._executor.open(problem)
        return _opened(self._crew, problem, self._number)

    def abort(self) -> None:
        """Drop all work of the executor."""
        self._executor.abort()


def _opened(crew: Crew, problem: Problem, lane: int | None) -> Submit:
    """Return the function that sends chunks of a problem, to one worker or to all."""
    blob = pickled(problem)
    token = hashlib.sha256(blob).hexdigest()

    def submit(thetas: NDArray[np.float64], want: Want) -> Future[ChunkAnswer]:
        task = Task(token, blob, thetas, want, lane=lane)
        crew.submit(task)
        return task.future

    return submit


def serve(comm: Any = None) -> None:  # noqa: ANN401 - see MPIExecutor
    """Evaluate what rank 0 sends, until it closes its `MPIExecutor` or ends.

    Parameters
    ----------
    comm
        An mpi4py communicator; ``MPI.COMM_WORLD`` by default.

    Raises
    ------
    InvalidConfigurationError
        If this is rank 0.
    """
    comm = connected(comm)
    rank = comm.Get_rank()
    if rank == 0:
        raise InvalidConfigurationError("serve: rank 0 drives and does not serve; make a wilks.MPIExecutor there")
    _hold_threads()
    guard = start_guard(rank, comm.Get_size())
    try:
        Rank(comm, guard).serve()
    except BaseException as error:  # noqa: BLE001 - a rank that ends in silence would let all others wait for ever
        _end_job(comm, rank, error)
    dismiss_guard()


def connected(comm: Any = None) -> Any:  # noqa: ANN401 - see MPIExecutor
    """Return a communicator that can be used, ``MPI.COMM_WORLD`` by default; see `MPIExecutor` for the errors."""
    mpi = _library()
    if comm is None:
        comm = mpi.COMM_WORLD
        started = launch()
        if comm.Get_size() == 1 < started.size:
            version = mpi.Get_library_version().split("\n")[0].strip()
            raise InvalidConfigurationError(
                f"this is process {started.rank} of {started.size}, but mpi4py ({version}) sees one process only: it "
                "belongs to another MPI than the mpiexec that was used; take the mpiexec of the same MPI, or install "
                "mpi4py for this one"
            )
    if comm.Get_size() > 1 and mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        raise InvalidConfigurationError(
            "MPIExecutor talks to MPI from a thread, but MPI was initialised without threads; leave mpi4py.rc.threads "
            "and mpi4py.rc.thread_level as they are"
        )
    return comm


def abort(comm: Any, code: int) -> None:  # noqa: ANN401 - see MPIExecutor
    """End the whole job, after a moment in which the launcher can pass on what was written last."""
    time.sleep(_LAST_WORDS_SECONDS)
    comm.Abort(code)


def end_workers(code: int = 0) -> None:
    """Let all workers end, and wait for it; a job in which one is stuck in a call is ended, with this exit code."""
    for crew in _crews:
        crew.end()
        seconds = _BUSY_SECONDS if crew.aborted else _FREE_SECONDS
        if not crew.wait_ended(seconds):
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            dismiss_guard()
            abort(crew.comm, code)
    _crews.clear()
    dismiss_guard()


def _end_workers_at_exit() -> None:
    """End the workers when the script ends, with or without an exception."""
    kind = getattr(sys, "last_type", None)  # of the exception that ends the interpreter
    end_workers(0 if kind is None else 130 if issubclass(kind, KeyboardInterrupt) else 1)


def _crew_of(comm: Any) -> Crew:  # noqa: ANN401 - see MPIExecutor
    """Return the crew of a communicator; it lives as long as the workers, that is, longer than an executor."""
    for crew in _crews:
        if crew.comm == comm:
            return crew
    if not _crews:
        atexit.register(_end_workers_at_exit)
    crew = Crew(comm)
    start_guard(0, comm.Get_size())
    _crews.append(crew)
    return crew


def _end_job(comm: Any, rank: int, error: BaseException) -> None:  # noqa: ANN401 - see MPIExecutor
    """Say what happened in a worker, and end the whole job."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(
        f"wilks: MPI rank {rank} cannot go on, which ends the job; what was evaluated is in the run file\n{text}"
    )
    sys.stderr.flush()
    dismiss_guard()
    abort(comm, 1)


def _library() -> Any:  # noqa: ANN401 - a module
    if importlib.util.find_spec("mpi4py") is None:
        raise MissingDependencyError("a run under MPI", "mpi4py", "mpi")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise InvalidConfigurationError(
            f"mpi4py finds no MPI library ({error}); load the MPI module of this machine, or: pip install mpich"
        ) from error
    return MPI


def _hold_threads() -> None:
    """Hold linear algebra to one thread, unless the environment names a number."""
    if any(name in os.environ for name in THREAD_VARIABLES):
        return
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # for libraries that are loaded later
    if importlib.util.find_spec("threadpoolctl") is not None:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - loads on use

        threadpool_limits(1)  # for those that are loaded: NumPy's is
