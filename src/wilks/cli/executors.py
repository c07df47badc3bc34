"""The executors that a configuration can name, and the processes that ``mpiexec`` starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from wilks.core.errors import WilksError
from wilks.evaluation.launch import Launch, launch
from wilks.store.document import shorten, suggestion, wrong

Choice = str | dict[str, Any]
"""``"serial"``, ``"mpi"``, ``"processes"`` and ``"dask"`` (as many as there are cores), ``{"processes": 2}``,
``{"slurm": {"n_jobs": 4}}``, or ``{"sharded": ...}`` with one of these.
"""


def _serial(n_workers: int | None) -> Any:  # noqa: ANN401, ARG001 - executors share no base; all take the number
    import wilks

    return wilks.SerialExecutor()


def _processes(n_workers: int | None) -> Any:  # noqa: ANN401 - see above
    import wilks

    return wilks.ProcessExecutor(n_workers)


def _mpi(n_workers: int | None) -> Any:  # noqa: ANN401, ARG001 - see above; mpiexec has set the number
    import wilks

    return wilks.MPIExecutor()


def _dask(n_workers: int | None) -> Any:  # noqa: ANN401 - see above
    import wilks

    return wilks.DaskExecutor(n_workers=n_workers)


_EXECUTORS: dict[str, Callable[[int | None], Any]] = {
    "serial": _serial,
    "processes": _processes,
    "mpi": _mpi,
    "dask": _dask,
}
_WITH_WORKERS = ("processes", "dask")
_QUEUES = ("slurm", "pbs")
_SHARDED = "sharded"
_JOB_SETTINGS: dict[str, type] = {
    "n_jobs": int,
    "cores": int,
    "memory": str,
    "walltime": str,
    "queue": str,
    "account": str,
    "job_extra_directives": list,
    "job_script_prologue": list,
    "interface": str,
    "log_directory": str,
    "local_directory": str,
}
"""What a configuration may say about jobs, as `wilks.DaskExecutor.on_queue` takes it."""


def check(choice: object) -> Choice:
    """Validate what a configuration says.

    Raises
    ------
    PydanticCustomError
        If it names no executor.
    """
    known = ", ".join(
        [
            *_EXECUTORS,
            *(f"{{{name}: 2}}" for name in _WITH_WORKERS),
            *(f"{{{name}: {{n_jobs: 2}}}}" for name in _QUEUES),
            f"{{{_SHARDED}: processes}}",
        ]
    )
    if isinstance(choice, str):
        if choice in _EXECUTORS:
            return choice
    elif isinstance(choice, dict) and len(choice) == 1:
        ((name, value),) = choice.items()
        if name in _WITH_WORKERS:
            return _checked_workers(name, value)
        if name in _QUEUES:
            return {name: _checked_jobs(name, value)}
        if name == _SHARDED and not (isinstance(value, dict) and _SHARDED in value):
            return {name: check(value)}
    raise wrong(f"expected one of {known}, got {shorten(choice)}")


def _checked_workers(name: str, n_workers: object) -> Choice:
    if n_workers is None:
        return name
    if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1:
        raise wrong(f"expected a number of workers, at least 1, got {shorten(n_workers)}", at=(name,))
    return {name: n_workers}


def _checked_jobs(name: str, settings: object) -> dict[str, Any]:
    if not isinstance(settings, dict):
        raise wrong(
            f"expected what a job asks for, such as {{n_jobs: 2, cores: 4}}, got {shorten(settings)}", at=(name,)
        )
    for key, value in settings.items():
        if key not in _JOB_SETTINGS:
            raise wrong(f"unknown key{suggestion(str(key), _JOB_SETTINGS)}", at=(name, key))
        kind = _JOB_SETTINGS[key]
        positive = kind is not int or (isinstance(value, int) and value >= 1)
        if isinstance(value, bool) or not isinstance(value, kind) or not positive:
            expected = {int: "a number, at least 1", str: "text (in quotes, if it holds a colon)", list: "a list"}[kind]
            raise wrong(f"expected {expected}, got {shorten(value)}", at=(name, key))
    return settings


def make(choice: Choice) -> Any:  # noqa: ANN401 - see above
    """Return the executor of a valid choice; MPI where ``mpiexec`` has started several processes, whatever it is."""
    import wilks

    name: str
    value: Any
    name, value = (choice, None) if isinstance(choice, str) else next(iter(choice.items()))
    if name == _SHARDED:
        return wilks.ShardedExecutor(make(value))
    if launch().size > 1:
        return _mpi(None)
    if name in _QUEUES:
        return wilks.DaskExecutor.on_queue(name, **value)
    return _EXECUTORS[name](value)


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
