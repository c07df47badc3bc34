"""Shards in jobs of PBS."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.cmc.backends.base import CMCBackend

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wilks.facades.homodyne.cmc.config import CMCConfig

__all__ = ["PBSBackend"]


class PBSBackend(CMCBackend):
    """A `wilks.DaskExecutor` in jobs of PBS; for Slurm and other queues see ``wilks.DaskExecutor.on_queue``.

    Parameters
    ----------
    queue
        Name of the queue.
    ppn
        Cores of a job; each runs a worker.
    walltime, memory
        Limits of a job.
    poll_interval, max_wait_time
        Have no effect: workers report by themselves, and the limit of a job is its walltime.
    n_jobs
        Number of jobs.

    Examples
    --------
    >>> PBSBackend(ppn=8, walltime="01:00:00").ppn
    8
    """

    def __init__(
        self,
        queue: str = "batch",
        ppn: int = 4,
        walltime: str = "04:00:00",
        memory: str = "8gb",
        poll_interval: int = 30,
        max_wait_time: int = 14400,
        n_jobs: int = 1,
    ) -> None:
        for name, value in (("ppn", ppn), ("n_jobs", n_jobs)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidConfigurationError(f"PBSBackend: {name}: expected a whole number >= 1, got {value!r}")
        self.queue, self.ppn, self.walltime, self.memory, self.n_jobs = queue, ppn, walltime, memory, n_jobs

    def is_available(self) -> bool:
        """Is there a command qsub?"""
        return shutil.which("qsub") is not None

    def executor(self, config: CMCConfig) -> AbstractContextManager[Any]:
        """Workers in jobs, which are submitted when the first shard is sampled.

        Raises
        ------
        MissingDependencyError
            If dask-jobqueue is not installed.
        """
        from wilks.evaluation.dask import DaskExecutor  # noqa: PLC0415 - Dask loads on use

        return DaskExecutor.on_queue(
            "pbs", n_jobs=self.n_jobs, cores=self.ppn, memory=self.memory, walltime=self.walltime, queue=self.queue
        )
