"""The other ranks of an MPI job, and what rank 0 needs of them; without MPI everything happens in this process.

In a script with the names of paraprof the other ranks wait in a broadcast until rank 0 has made its projector. No
message gets them out of it, so an error on rank 0 before that, in whatever line of the script, has to end the job. That
is arranged for when this module is loaded, in a job of several processes only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from wilks.evaluation.executors import Executor, SerialExecutor
from wilks.evaluation.launch import launch
from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.target import provide

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_met: set[str] = set()
"""Holds a word once rank 0 and the others have met; from then on the executor sees to it that none is left alone."""
_TOUCH = "touch"


def executor_for(comm: Any, myrank: int = 0) -> Executor:  # noqa: ANN401 - mpi4py need not be installed
    """Return what evaluates: the other ranks of a communicator, or this process where there are none.

    Raises
    ------
    ConfigurationError
        If this is not rank 0.
    """
    if comm is None or comm.Get_size() == 1:
        return SerialExecutor()
    if myrank != 0 or comm.Get_rank() != 0:
        raise ConfigurationError(
            f"myrank: a projector runs on rank 0 and all other ranks are in worker_main; this is rank "
            f"{comm.Get_rank()}, and myrank={myrank}",
            "myrank",
            myrank,
        )
    from wilks.evaluation.mpi import MPIExecutor  # noqa: PLC0415 - needs mpi4py

    _met.add(_TOUCH)
    return MPIExecutor(comm)


def worker_main(
    comm: Any,  # noqa: ANN401 - as above
    myrank: int,
    target_func: Callable[..., Any] | None = None,
    grad_func: Callable[..., Any] | None = None,
) -> None:
    """Evaluate what rank 0 sends, until it calls `terminate_workers` or ends.

    Parameters
    ----------
    comm
        The communicator.
    myrank
        The rank of this process, not 0.
    target_func, grad_func
        The functions of this rank, for `run_scan` with ``broadcast_target_func=False``. Without them rank 0 broadcasts
        its functions first, as `run_scan` does, or a script with ``comm.bcast(sampler.target_func, root=0)``.

    Raises
    ------
    ConfigurationError
        If this is rank 0.
    """
    if comm.Get_rank() == 0:
        raise ConfigurationError("worker_main: rank 0 runs the projector, and is no worker", "myrank", myrank)
    from wilks.evaluation.mpi import serve  # noqa: PLC0415 - needs mpi4py

    if target_func is None:
        comm.bcast(None, root=0)  # the functions come with the problem too, but rank 0 waits for all to take part
    else:
        provide("target_func", target_func)
        if grad_func is not None:
            provide("grad_func", grad_func)
    _met.add(_TOUCH)
    serve(comm)


def terminate_workers(comm: Any, myrank: int = 0) -> None:  # noqa: ANN401 - as above
    """Let the other ranks leave `worker_main`; nothing to do where there are none."""
    if comm is None or comm.Get_size() == 1:
        return
    executor = executor_for(comm, myrank)
    executor.close()  # type: ignore[attr-defined]  # more than one rank: it is an MPIExecutor


def _end_job_on_error() -> None:
    """From now on an error that ends this rank before it has met the others ends the whole job."""
    before = sys.excepthook

    def end_job(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        before(kind, error, traceback)
        mpi = sys.modules.get("mpi4py.MPI")
        if _met or mpi is None or not mpi.Is_initialized() or mpi.COMM_WORLD.Get_size() == 1:
            return
        from wilks.evaluation.mpi import abort  # noqa: PLC0415 - needs mpi4py

        sys.stdout.flush()
        sys.stderr.flush()
        abort(mpi.COMM_WORLD, 130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = end_job


if launch().size > 1:
    _end_job_on_error()
