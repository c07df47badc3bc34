"""Calls on a Dask cluster: on this machine, on a cluster that somebody else has started, or in jobs of a batch queue.

The only module that knows Dask. Who gets which chunk is decided by `wilks.evaluation.desk`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import signal
import weakref
from typing import TYPE_CHECKING, Any, Self

from wilks.core.errors import EvaluationError, InvalidConfigurationError, MissingDependencyError
from wilks.evaluation.desk import Desk
from wilks.evaluation.executors import n_usable_cores, pickled
from wilks.evaluation.pool import WorkerDiedError
from wilks.evaluation.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from wilks.core.problem import Problem
    from wilks.evaluation.executors import Submit


class DaskExecutor:
    """Calls in the workers of a Dask cluster; a context manager, reusable for any number of runs.

    Messages take 5 to 10 ms each way: for calls that take their time, and for many machines. On one machine,
    `wilks.ProcessExecutor` is quicker. Workers with one thread each are best: then a worker that dies takes one chunk
    with it. A cluster that the executor starts has these; it starts with the first run, and ends with `close`, with
    this process, or a minute after this process was killed.

    Parameters
    ----------
    client
        A ``distributed.Client``, which stays open; None to start workers on this machine (in a script, below
        ``if __name__ == "__main__":``, since they import it).
    n_workers
        Number of workers: to start, by default one for each usable core; or that a client has or will get, by default
        those that it has.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    InvalidConfigurationError
        If it is no client, or `n_workers` is not a positive integer.

    Examples
    --------
    >>> import wilks
    >>> executor = wilks.DaskExecutor(n_workers=2)
    >>> executor.name
    'Dask (2 workers)'
    >>> executor.close()
    """

    inline = False

    def __init__(self, client: Any = None, n_workers: int | None = None, *, _queue: Queue | None = None) -> None:  # noqa: ANN401 - Dask may be missing, and with it the type
        _require("distributed")
        self._client, self._queue = client, _queue
        count = _n_workers(client) if n_workers is None else n_workers
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidConfigurationError(f"DaskExecutor: expected a positive n_workers, got {n_workers!r}")
        self.n_workers = count
        where = f" on {_queue.kind}" if _queue else ""
        self.name = f"Dask{where} ({count} worker{'s' if count > 1 else ''})"
        self._desk: Desk | None = None
        self._finalizer: weakref.finalize[[Any, Any], DaskExecutor] | None = None

    @classmethod
    def on_queue(
        cls,
        kind: str,
        *,
        n_jobs: int = 1,
        cores: int = 1,
        memory: str = "2GB",
        walltime: str = "01:00:00",
        queue: str | None = None,
        account: str | None = None,
        **options: Any,  # noqa: ANN401 - of another package
    ) -> DaskExecutor:
        """Return an executor whose workers run in jobs of a batch queue.

        The jobs are submitted with the first run; it begins as soon as one of them does.

        Parameters
        ----------
        kind
            ``"slurm"``, ``"pbs"``, ``"sge"``, ``"lsf"``, ``"moab"`` or ``"oar"``.
        n_jobs
            Number of jobs, each on one machine.
        cores, memory, walltime
            What each job asks for; it runs one worker process per core.
        queue, account
            Partition and account, where there are no defaults.
        options
            Anything else that the cluster class of dask-jobqueue takes, such as ``job_extra_directives=[...]``,
            ``job_script_prologue=[...]``, ``interface="ib0"`` or ``log_directory=...``.

        Raises
        ------
        InvalidConfigurationError
            If the queue is unknown, or a number is not positive; with the first run, if its command is not there.

        Examples
        --------
        >>> executor = DaskExecutor.on_queue("slurm", n_jobs=4, cores=8, memory="16GB", queue="short")
        >>> executor.name
        'Dask on slurm (32 workers)'
        >>> [line for line in executor.job_script().splitlines() if line.startswith("#SBATCH -p")]
        ['#SBATCH -p short']
        """
        _require("dask_jobqueue", "dask-jobqueue")
        asked = Queue(kind, n_jobs, cores, memory, walltime, queue, account, options)
        return cls(None, asked.n_workers, _queue=asked)

    def job_script(self) -> str:
        """Return the script of a job, before or after it is submitted; the address of the main process is made up.

        Raises
        ------
        InvalidConfigurationError
            If the workers run in no job.
        """
        if self._queue is None:
            raise InvalidConfigurationError(
                "job_script: the workers of this executor run in no job of ours; see wilks.DaskExecutor.on_queue"
            )
        job = _cluster_class(self._queue).job_cls("tcp://host:port", name="wilks", **self._queue.job_options())
        return str(job.job_script())

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks; waits for the first worker. The problem is sent to each once."""
        desk = self._started()
        desk.client.wait_for_workers(1)
        return _opened(desk, problem, None)

    def lanes(self) -> Sequence[_Lane]:
        """Return one executor for every worker; waits for all of them."""
        desk = self._started()
        desk.client.wait_for_workers(min(self.n_workers, self._n_processes(desk)))
        return [_Lane(self, number) for number in range(self.n_workers)]

    def _n_processes(self, desk: Desk) -> int:
        """Number of workers to wait for: those that there are, if their threads are enough."""
        threads = desk.client.nthreads()
        return len(threads) if sum(threads.values()) >= self.n_workers else self.n_workers

    def _started(self) -> Desk:
        if self._desk is None:
            client, cluster = self._client, None
            if client is None:
                cluster = _local_cluster(self.n_workers) if self._queue is None else _jobs(self._queue)
                try:
                    client = _client_of(cluster)
                except BaseException:
                    cluster.close()
                    raise
            self._desk = Desk(client, self.n_workers, _meaning_of)
            # Ends the workers when the executor is forgotten or the interpreter ends.
            self._finalizer = weakref.finalize(self, _shut, None if cluster is None else client, cluster)
        return self._desk

    def abort(self) -> None:
        """Drop all work; a call that is under way goes on, and its worker takes nothing else until it has ended."""
        if self._desk is not None:
            self._desk.drop()

    def close(self) -> None:
        """End the workers and jobs that the executor has started; the next run would start others."""
        if self._desk is not None and self._finalizer is not None:
            self._desk.drop()
            self._finalizer()
            self._desk = self._finalizer = None

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Return what it works with; a client has no constructor call."""
        return f"<DaskExecutor: {self.name}>"


class _Lane:
    """One worker of a Dask cluster."""

    inline = False
    n_workers = 1

    def __init__(self, executor: DaskExecutor, number: int) -> None:
        self._executor, self._number = executor, number
        self.name = f"worker {number} of {executor.name}"

    def open(self, problem: Problem) -> Submit:
        """Return the function that sends chunks to the worker."""
        return _opened(self._executor._started(), problem, self._number)  # noqa: SLF001 - its own executor

    def abort(self) -> None:
        """Drop all work of the executor."""
        self._executor.abort()


def _opened(desk: Desk, problem: Problem, number: int | None) -> Submit:
    """Return the function that sends chunks of a problem, to one worker or to all, however large it is."""
    import dask

    blob = pickled(problem)
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):
        return desk.opened(blob, number)


def _meaning_of(error: Exception) -> Exception:
    """What the failure of a task of Dask means for a chunk."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerDiedError(f"the worker {error.last_worker.address} ended during the call")
    kind = type(error).__name__
    if "Cancelled" in kind or isinstance(error, (OSError, TimeoutError)):
        return EvaluationError(f"the connection to the Dask cluster was lost: {kind}: {error}")
    return EvaluationError(
        f"a Dask worker could not do its work: {kind}: {error}; the workers need wilks, and all that the problem "
        "needs, in the versions of the main process"
    )


def _n_workers(client: Any) -> int:  # noqa: ANN401 - see DaskExecutor
    if client is None:
        return n_usable_cores()
    from distributed import Client

    if not isinstance(client, Client) or client.asynchronous:
        raise InvalidConfigurationError(
            f"DaskExecutor: expected a distributed.Client that is not asynchronous, got {client!r:.200}; a cluster has "
            "one: cluster.get_client()"
        )
    threads: dict[str, int] = client.nthreads()
    return max(1, sum(threads.values()))


def _local_cluster(n_workers: int) -> Any:  # noqa: ANN401 - see DaskExecutor
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        scheduler_kwargs={"allowed_failures": 0},
    )


def _jobs(queue: Queue) -> Any:  # noqa: ANN401 - see DaskExecutor
    """Submit the jobs; none is left when that fails."""
    queue.require_command()
    options = queue.job_options()
    scheduler = {"dashboard_address": ":0", "allowed_failures": 0, **options.pop("scheduler_options", {})}
    cluster = _cluster_class(queue)(scheduler_options=scheduler, silence_logs=logging.CRITICAL, **options)
    try:
        cluster.scale(jobs=queue.n_jobs)
    except BaseException:
        cluster.close()
        raise
    return cluster


def _cluster_class(queue: Queue) -> Any:  # noqa: ANN401 - see DaskExecutor
    handler = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, handler)  # its import lets Ctrl-C end the process with exit code 0
    return getattr(dask_jobqueue, queue.class_name)


def _client_of(cluster: Any) -> Any:  # noqa: ANN401 - see DaskExecutor
    from distributed import Client

    return Client(cluster, set_as_default=False)


def _shut(client: Any, cluster: Any) -> None:  # noqa: ANN401 - see DaskExecutor
    """Close what the executor has started."""
    for each in (client, cluster):
        if each is not None:
            with contextlib.suppress(TimeoutError, OSError):
                each.close()


def _require(module: str, package: str = "") -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError("wilks.DaskExecutor", package or module, "dask")
