"""Where shards are sampled: processes of this machine, this process, or jobs of PBS."""

from __future__ import annotations

from wilks.facades.homodyne.cmc.backends.base import (
    CMCBackend,
    combine_shard_samples,
    combine_shard_samples_bimodal,
    select_backend,
)
from wilks.facades.homodyne.cmc.backends.multiprocessing import MultiprocessingBackend
from wilks.facades.homodyne.cmc.backends.pbs import PBSBackend
from wilks.facades.homodyne.cmc.backends.pjit import PjitBackend

__all__ = [
    "CMCBackend",
    "MultiprocessingBackend",
    "PBSBackend",
    "PjitBackend",
    "combine_shard_samples",
    "combine_shard_samples_bimodal",
    "select_backend",
]
