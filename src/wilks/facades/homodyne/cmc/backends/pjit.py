"""Shards one after the other in this process."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from wilks.evaluation.executors import SerialExecutor
from wilks.facades.homodyne.cmc.backends.base import CMCBackend

if TYPE_CHECKING:
    from wilks.facades.homodyne.cmc.config import CMCConfig

__all__ = ["PjitBackend"]


class PjitBackend(CMCBackend):
    """One shard after the other, as the backend of this name does; each uses the threads of this process."""

    def executor(self, config: CMCConfig) -> nullcontext[SerialExecutor]:
        """The process itself."""
        return nullcontext(SerialExecutor())
