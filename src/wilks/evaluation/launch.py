"""Was this process started together with others, by ``mpiexec`` or ``srun``? The environment tells, without MPI."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK")
_PMIX = "PMIX_RANK"
_SLURM_SIZE = "SLURM_STEP_NUM_TASKS"
"""Counts only beside the rank of PMIx: a batch script that starts nothing in parallel has it too."""


@dataclass(frozen=True)
class Launch:
    """How this process was started.

    Attributes
    ----------
    rank
        Its number, from 0.
    size
        Number of processes that were started together.
    """

    rank: int = 0
    size: int = 1


def launch(environment: Mapping[str, str] | None = None) -> Launch:
    """Return what the environment says; one process when it says nothing.

    Parameters
    ----------
    environment
        Variables by name; those of this process by default.

    Examples
    --------
    >>> launch({"PMI_RANK": "2", "PMI_SIZE": "8"})
    Launch(rank=2, size=8)
    >>> launch({})
    Launch(rank=0, size=1)
    """
    found = os.environ if environment is None else environment
    sizes = (*_SIZES, _SLURM_SIZE) if _PMIX in found else _SIZES
    size = next(filter(None, (_number(found.get(name)) for name in sizes)), 1)
    rank = next((number for name in _RANKS if (number := _number(found.get(name))) is not None), 0)
    return Launch(rank, size) if rank < size else Launch()


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
