"""Batch queues: what a job asks for, in the words of dask-jobqueue, and the commands that a machine needs for it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import Any

from wilks.core.errors import InvalidConfigurationError

QUEUES = {
    "slurm": ("SLURMCluster", "sbatch"),
    "pbs": ("PBSCluster", "qsub"),
    "sge": ("SGECluster", "qsub"),
    "lsf": ("LSFCluster", "bsub"),
    "moab": ("MoabCluster", "msub"),
    "oar": ("OARCluster", "oarsub"),
}
"""Name of a queue -> its class in dask-jobqueue, and the command that submits a job."""


@dataclass(frozen=True)
class Queue:
    """Jobs on a batch queue, each with one worker process per core.

    Parameters
    ----------
    kind
        A key of `QUEUES`.
    n_jobs, cores, memory, walltime
        Number of jobs; what each of them asks for.
    queue, account
        Partition and account, if the queue has no defaults.
    options
        Anything else that the class of dask-jobqueue takes.

    Raises
    ------
    InvalidConfigurationError
        If the queue is unknown, or a number is not positive.

    Examples
    --------
    >>> Queue("slurm", n_jobs=4, cores=8).n_workers
    32
    """

    kind: str
    n_jobs: int = 1
    cores: int = 1
    memory: str = "2GB"
    walltime: str = "01:00:00"
    queue: str | None = None
    account: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check."""
        if self.kind not in QUEUES:
            raise InvalidConfigurationError(f"on_queue: expected one of {', '.join(QUEUES)}, got {self.kind!r}")
        for name in ("n_jobs", "cores"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidConfigurationError(f"on_queue: expected a positive {name}, got {value!r}")

    @property
    def n_workers(self) -> int:
        """Number of worker processes of all jobs."""
        return self.n_jobs * self.cores

    @property
    def class_name(self) -> str:
        """Its class in dask-jobqueue."""
        return QUEUES[self.kind][0]

    def job_options(self) -> dict[str, Any]:
        """Keywords of the job of dask-jobqueue.

        The workers run this interpreter. A worker that loses the main process ends within a minute, and its job with
        it.
        """
        plain = {
            "cores": self.cores,
            "processes": self.cores,
            "memory": self.memory,
            "walltime": self.walltime,
            "queue": self.queue,
            "account": self.account,
            "job_name": "wilks-worker",
            "python": sys.executable,
            "log_directory": os.curdir,
            "death_timeout": 60,
        }
        return {**plain, **self.options}

    def require_command(self) -> None:
        """Refuse a machine that cannot submit jobs.

        Raises
        ------
        InvalidConfigurationError
            If the command of the queue is not on PATH.
        """
        command = QUEUES[self.kind][1]
        if shutil.which(command) is None:
            raise InvalidConfigurationError(
                f"the {self.kind} queue needs the command {command}, which is not on PATH here; start the run where "
                f"jobs are submitted, most often on a login node, or load the module that brings {command}"
            )
