"""The executors that a configuration can name, and the processes that ``mpiexec`` starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from wilks.core.errors import WilksError
from wilks.evaluation.launch import Launch, launch
from wilks.store.document import shorten, wrong

Choice = str | dict[str, int]
"""``"serial"``, ``"mpi"``, ``"processes"`` (as many as there are cores) or ``{"processes": 2}``."""


def _serial(n_workers: int | None) -> Any:  # noqa: ANN401, ARG001 - executors share no base; all take the number
    import wilks

    return wilks.SerialExecutor()


def _processes(n_workers: int | None) -> Any:  # noqa: ANN401 - see above
    import wilks

    return wilks.ProcessExecutor(n_workers)


def _mpi(n_workers: int | None) -> Any:  # noqa: ANN401, ARG001 - see above; mpiexec has set the number
    import wilks

    return wilks.MPIExecutor()


_EXECUTORS: dict[str, Callable[[int | None], Any]] = {"serial": _serial, "processes": _processes, "mpi": _mpi}
_WITH_WORKERS = ("processes",)


def check(choice: object) -> Choice:
    """Validate what a configuration says.

    Raises
    ------
    PydanticCustomError
        If it names no executor.
    """
    known = ", ".join([*_EXECUTORS, *(f"{{{name}: 2}}" for name in _WITH_WORKERS)])
    if isinstance(choice, str):
        if choice in _EXECUTORS:
            return choice
    elif isinstance(choice, dict) and len(choice) == 1:
        ((name, n_workers),) = choice.items()
        if name in _WITH_WORKERS:
            if n_workers is None:
                return str(name)
            if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1:
                raise wrong(f"expected a number of workers, at least 1, got {shorten(n_workers)}", at=(name,))
            return {str(name): n_workers}
    raise wrong(f"expected one of {known}, got {shorten(choice)}")


def make(choice: Choice) -> Any:  # noqa: ANN401 - see above
    """Return the executor of a valid choice; MPI where ``mpiexec`` has started several processes, whatever it is."""
    name, n_workers = (choice, None) if isinstance(choice, str) else next(iter(choice.items()))
    if launch().size > 1:
        name = "mpi"
    return _EXECUTORS[name](n_workers)


def take_part(started: Launch, command: Callable[[], None]) -> None:
    """Do the part of one of several processes: the first carries out the command, the others evaluate for it.

    Parameters
    ----------
    started
        Which process this is.
    command
        Ends with SystemExit.

    Raises
    ------
    SystemExit
        At the end, with the exit code of this process.
    """
    from wilks.evaluation import mpi
    from wilks.evaluation.rank import advice, dismiss_guard, start_guard

    code = 1
    try:
        if sys.argv[1:2] == ["run"]:
            start_guard(started.rank, started.size, advice(["wilks", *sys.argv[1:]], started.size))
        comm = mpi.connected()
        if started.rank > 0:
            mpi.serve(comm)
            raise SystemExit(0)
        mpi.MPIExecutor(comm)  # from here on the others hear of the end, whatever the command does
        command()
    except WilksError as error:
        if started.rank == 0:
            print(error, file=sys.stderr)
        raise SystemExit(code) from None
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        if started.rank == 0:
            mpi.end_workers(code)
        dismiss_guard()
