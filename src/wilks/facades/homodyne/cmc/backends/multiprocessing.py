"""Shards in processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError
from wilks.evaluation.executors import ProcessExecutor
from wilks.facades.homodyne.cmc.backends.base import CMCBackend

if TYPE_CHECKING:
    from wilks.facades.homodyne.cmc.config import CMCConfig

__all__ = ["MultiprocessingBackend"]


class MultiprocessingBackend(CMCBackend):
    """A `wilks.ProcessExecutor`: workers that die are replaced, and a shard that hangs ends at its timeout.

    Parameters
    ----------
    n_workers
        Number of processes; one for each usable core where None.
    spawn_method
        Must be ``"spawn"``: a fork of a process with threads may hang.
    """

    def __init__(self, n_workers: int | None = None, spawn_method: str = "spawn") -> None:
        if spawn_method != "spawn":
            raise InvalidConfigurationError(
                f"spawn_method: expected 'spawn', got {spawn_method!r}; a fork of a process with threads may hang"
            )
        self.n_workers = n_workers

    def executor(self, config: CMCConfig) -> ProcessExecutor:
        """Processes with the timeout of the configuration."""
        return ProcessExecutor(self.n_workers, timeout=float(config.per_shard_timeout))
