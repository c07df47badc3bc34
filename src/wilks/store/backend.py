"""What a log needs of the place where its rows are kept: memory or a run file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.store.rows import Arrays, RecordedFailure

BLOCK_ROWS = 65_536
"""Rows that are handled at a time when a log is streamed, and at most stored in one piece."""


class StageSummary(NamedTuple):
    """One stage of a run, as shown while it goes on."""

    key: str
    title: str
    n_evaluations: int
    finished: bool
    log_likelihood: float
    """Best so far; minus infinity while there is none."""
    time: datetime | None
    """Last commit, UTC; None before the first."""


class Resumption(NamedTuple):
    """Where a stage goes on."""

    state: bytes | None
    """The last checkpoint."""
    redo: Evaluations | None
    """What was committed after it, with payloads and errors."""
    finished: bool
    """Has the stage ended?"""


class Backend(Protocol):
    """Rows, checkpoints and the header of a log."""

    def read_header(self) -> dict[str, Any]:
        """Entries of the header; empty when none were written."""
        ...

    def write_header(self, entries: dict[str, Any]) -> None:
        """Add or replace entries of the header."""
        ...

    def open_stage(self, key: str, title: str) -> int:
        """Number of the stage with this key, from 0; made when there is none."""
        ...

    def commit(self, stage: int, evaluations: Evaluations | None, state: bytes | None, *, finished: bool) -> None:
        """Append evaluations and replace the checkpoint: both or, after an error, neither."""
        ...

    def resume(self, stage: int) -> Resumption:
        """Last checkpoint of a stage and what came after it."""
        ...

    def counts(self, stage: int | None = None) -> dict[int, int]:
        """Status -> number of evaluations, of one stage or of all; statuses that do not occur are left out."""
        ...

    def stages(self) -> list[StageSummary]:
        """All stages, in the order in which they were opened."""
        ...

    def blocks(self) -> Iterator[Arrays]:
        """All rows in order, about `BLOCK_ROWS` at a time, with the number of the stage as the column ``stages``."""
        ...

    def best(self) -> tuple[NDArray[np.float64], float] | None:
        """Best point and its log-likelihood; None when no finite value was seen."""
        ...

    def failures(self, limit: int) -> list[tuple[int, RecordedFailure]]:
        """The first recorded failures, each with its stage."""
        ...

    def close(self) -> None:
        """Let go of files; no effect the second time."""
        ...
