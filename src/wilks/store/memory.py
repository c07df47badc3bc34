"""The log that lives and dies with the process.

An in-memory SQLite database would share its code with the run file but costs 7 microseconds for each commit, more than
many a likelihood; growing byte columns cost 3.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.store import rows
from wilks.store.backend import BLOCK_ROWS, Backend, Resumption, StageSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations


@dataclass
class _Stage:
    key: str
    title: str
    finished: bool = False
    time: float | None = None
    n_rows: int = 0
    state: bytes | None = None
    covered: int = 0
    """Number of rows of the whole log that were there at the checkpoint."""
    n_covered: int = 0
    """Number of rows of this stage that the checkpoint covers."""
    payloads: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    failures: list[rows.RecordedFailure] = field(default_factory=list)


class MemoryBackend(Backend):
    """Rows in growing byte columns."""

    def __init__(self) -> None:
        self._header: dict[str, Any] = {}
        self._stages: list[_Stage] = []
        self._columns = [bytearray() for _ in rows.COLUMNS]
        self._stage_column = bytearray()
        self._row_bytes: list[int] = []
        self._n_rows = 0
        self._appending = False

    def read_header(self) -> dict[str, Any]:
        """Entries of the header."""
        return dict(self._header)

    def write_header(self, entries: dict[str, Any]) -> None:
        """Add or replace entries of the header."""
        self._header.update(entries)

    def open_stage(self, key: str, title: str) -> int:
        """Number of the stage with this key."""
        for number, stage in enumerate(self._stages):
            if stage.key == key:
                stage.title = title
                return number
        self._stages.append(_Stage(key, title))
        return len(self._stages) - 1

    def commit(self, stage: int, evaluations: Evaluations | None, state: bytes | None, *, finished: bool) -> None:
        """Append evaluations and replace the checkpoint."""
        entry = self._stages[stage]
        if evaluations is not None and len(evaluations.ids):
            self._append(stage, entry, evaluations)
        if state is not None:
            entry.state, entry.covered, entry.n_covered = state, self._n_rows, entry.n_rows
            entry.payloads.clear()
        entry.finished = finished
        entry.time = time.time()

    def _append(self, number: int, entry: _Stage, evaluations: Evaluations) -> None:
        if self._appending:
            self._drop_leftovers()
        blobs = rows.pack(evaluations)
        n = len(evaluations.ids)
        if not self._row_bytes:
            self._row_bytes = [len(blob) // n for blob in blobs]
        self._appending = True
        for column, blob in zip(self._columns, blobs, strict=True):
            column.extend(blob)
        self._stage_column += number.to_bytes(4, "little") * n
        if evaluations.payloads:
            entry.payloads += rows.payloads_of(evaluations, entry.n_rows)
        if evaluations.errors:
            entry.failures += rows.failures_of(evaluations, entry.n_rows, len(entry.failures))
        entry.n_rows += n
        self._n_rows += n
        self._appending = False

    def _drop_leftovers(self) -> None:
        """Cut off what Ctrl-C left of an append; rows count only once the numbers of rows are raised."""
        for column, size in zip(self._columns, self._row_bytes, strict=True):
            del column[self._n_rows * size :]
        del self._stage_column[self._n_rows * 4 :]
        for stage in self._stages:
            stage.payloads = [payload for payload in stage.payloads if payload[0] < stage.n_rows]
            stage.failures = [failure for failure in stage.failures if failure.row < stage.n_rows]

    def _read(self, start: int, stop: int) -> rows.Arrays:
        pieces = [
            [column[start * size : stop * size]] for column, size in zip(self._columns, self._row_bytes, strict=True)
        ]
        arrays = rows.unpack(pieces, self._row_bytes[-1] // rows.COLUMNS["thetas"].itemsize)
        arrays["stages"] = np.frombuffer(self._stage_column[4 * start : 4 * stop], "<i4")
        return arrays

    def resume(self, stage: int) -> Resumption:
        """Last checkpoint of a stage and what came after it."""
        entry = self._stages[stage]
        if entry.n_rows == entry.n_covered:
            return Resumption(entry.state, None, entry.finished)
        arrays = self._read(entry.covered, self._n_rows)
        mine = arrays["stages"] == stage
        payloads = rows.by_position(entry.payloads, entry.n_covered)
        errors = {f.row - entry.n_covered: f.text for f in entry.failures if f.row >= entry.n_covered}
        redo = rows.to_evaluations({name: column[mine] for name, column in arrays.items()}, payloads, errors)
        return Resumption(entry.state, redo, entry.finished)

    def counts(self, stage: int | None = None) -> dict[int, int]:
        """Status -> number of evaluations."""
        found: dict[int, int] = {}
        for block in self.blocks():
            statuses = block["statuses"] if stage is None else block["statuses"][block["stages"] == stage]
            for status, n in zip(*np.unique(statuses, return_counts=True), strict=True):
                found[int(status)] = found.get(int(status), 0) + int(n)
        return found

    def stages(self) -> list[StageSummary]:
        """All stages, in order."""
        best = np.full(len(self._stages), -np.inf)
        for block in self.blocks():
            finite = np.isfinite(block["log_likelihoods"])
            np.maximum.at(best, block["stages"][finite], block["log_likelihoods"][finite])
        return [
            StageSummary(
                stage.key,
                stage.title,
                stage.n_rows,
                stage.finished,
                float(best[number]),
                None if stage.time is None else datetime.fromtimestamp(stage.time, UTC),
            )
            for number, stage in enumerate(self._stages)
        ]

    def blocks(self) -> Iterator[rows.Arrays]:
        """All rows in order, in blocks."""
        end = self._n_rows
        for start in range(0, end, BLOCK_ROWS):
            yield self._read(start, min(start + BLOCK_ROWS, end))

    def best(self) -> tuple[NDArray[np.float64], float] | None:
        """Best point and its log-likelihood."""
        found: tuple[NDArray[np.float64], float] | None = None
        for block in self.blocks():
            position = rows.best_position(block["log_likelihoods"])
            if position is not None and (found is None or block["log_likelihoods"][position] > found[1]):
                found = block["thetas"][position].copy(), float(block["log_likelihoods"][position])
        return found

    def failures(self, limit: int) -> list[tuple[int, rows.RecordedFailure]]:
        """The first recorded failures, each with its stage."""
        recorded = [(number, failure) for number, stage in enumerate(self._stages) for failure in stage.failures]
        return recorded[:limit]

    def close(self) -> None:
        """Nothing to let go of."""
