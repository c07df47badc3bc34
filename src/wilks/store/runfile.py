"""The log in a file that survives its process: one SQLite file that holds evaluations and checkpoints.

Each commit is one transaction in a write-ahead log, so rows and state can never disagree, a process may be killed at
any moment, and other processes may read meanwhile. Nothing about the contents is kept in this object.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core import encoding
from wilks.core.errors import CheckpointError
from wilks.core.proposal import Evaluations
from wilks.store import rows, schema
from wilks.store.backend import BLOCK_ROWS, Backend, Resumption, StageSummary
from wilks.store.lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_ADD_COUNT = "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (stage, status) DO UPDATE SET n = n + excluded.n"
_TOUCH_STAGE = (
    "UPDATE stages SET finished = ?1, time = ?2, best = CASE WHEN ?3 IS NULL OR best >= ?3 THEN best ELSE ?3 END "
    "WHERE id = ?4"
)
_PAGE = 1024
"""Batches that are looked at together when a log is streamed."""


class RunFile(Backend):
    """A run file, open to write (one process at a time) or to read.

    Parameters
    ----------
    path
        The file; made, with its folder, when it does not exist and is opened to write.
    read_only
        Read only, also while another process writes.

    Raises
    ------
    CheckpointError
        If the file cannot be opened, is damaged, is no run file, or is being written by another process.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._path = path
        self._process = os.getpid()
        self._mutex = threading.RLock()
        self._writable = not read_only
        with contextlib.ExitStack() as opened:
            if read_only:
                self._connection = schema.open_reader(path)
            else:
                _make_folder(path.parent, path)
                opened.callback(WriterLock(path).release)
                self._connection = schema.open_writer(path)
            opened.callback(self._connection.close)
            self._opened: contextlib.ExitStack | None = opened.pop_all()

    def close(self) -> None:
        """Close the file; its last commits move from the write-ahead log into it."""
        # A forked child must leave the parent's connection alone.
        if self._opened is not None and os.getpid() == self._process:
            self._opened.close()
        self._opened = None

    def _check(self, *, writing: bool) -> None:
        if self._opened is None:
            raise CheckpointError(
                f"{self._path}: this log is closed; open it again, with EvaluationLog(path, read_only=True) to read"
            )
        if os.getpid() != self._process:
            raise CheckpointError(f"{self._path}: this log was opened by process {self._process}; open it anew here")
        if writing and not self._writable:
            raise CheckpointError(f"{self._path}: this log was opened with read_only=True and cannot be written")

    def _query(self, sql: str, *values: object) -> list[Any]:
        self._check(writing=False)
        try:
            with self._mutex:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise schema.explain(error, self._path) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._check(writing=True)
        connection = self._connection
        with self._mutex:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise schema.explain(error, self._path) from error
            finally:
                # Also after Ctrl-C in the middle.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def read_header(self) -> dict[str, Any]:
        """Entries of the header."""
        entries = self._query("SELECT key, value FROM header")
        try:
            return {key: encoding.decode(value) for key, value in entries}
        except CheckpointError as error:
            raise schema.damaged(self._path, str(error)) from None

    def write_header(self, entries: dict[str, Any]) -> None:
        """Add or replace entries of the header."""
        encoded = [(key, encoding.encode(value)) for key, value in entries.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO header VALUES (?, ?)", encoded)

    def open_stage(self, key: str, title: str) -> int:
        """Number of the stage with this key."""
        known = self._query("SELECT id, title FROM stages WHERE key = ?", key)
        if known and (known[0][1] == title or not self._writable):
            return int(known[0][0])
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO stages (id, key, title, finished) VALUES ((SELECT count(*) FROM stages), ?, ?, 0) "
                "ON CONFLICT (key) DO UPDATE SET title = excluded.title",
                (key, title),
            )
        return self.open_stage(key, title)

    def commit(self, stage: int, evaluations: Evaluations | None, state: bytes | None, *, finished: bool) -> None:
        """Append evaluations and replace the checkpoint in one transaction."""
        best = None
        with self._transaction() as connection:
            if evaluations is not None and len(evaluations):
                best = self._append(connection, stage, evaluations)
            if state is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, (SELECT ifnull(max(id), 0) FROM batches), ?)",
                    (stage, state),
                )
                connection.execute("DELETE FROM payloads WHERE stage = ?", (stage,))
            connection.execute(_TOUCH_STAGE, (finished, time.time(), best, stage))

    def _append(self, connection: sqlite3.Connection, stage: int, evaluations: Evaluations) -> float | None:
        if evaluations.errors or evaluations.payloads:
            self._append_details(connection, stage, evaluations)
        best = None
        for piece in _pieces(evaluations):
            blobs = rows.pack(piece)
            position = rows.best_position(piece.log_likelihoods)
            here = None if position is None else float(piece.log_likelihoods[position])
            connection.execute(schema.INSERT_BATCH, (stage, len(piece), here, rows.checksum(blobs), *blobs))
            best = here if best is None or (here is not None and here > best) else best
        for status, n in _tally(evaluations.statuses).items():
            connection.execute(_ADD_COUNT, (stage, status, n))
        return best

    def _append_details(self, connection: sqlite3.Connection, stage: int, evaluations: Evaluations) -> None:
        """Payloads and failures; they are numbered by the rows that are already there."""
        ((n_rows,),) = connection.execute("SELECT ifnull(sum(n), 0) FROM counts WHERE stage = ?", (stage,))
        ((n_known,),) = connection.execute("SELECT count(*) FROM failures WHERE stage = ?", (stage,))
        connection.executemany(
            "INSERT INTO payloads VALUES (?, ?, ?, ?)",
            ((stage, row, json.dumps(run.shape), run.tobytes()) for row, run in rows.payloads_of(evaluations, n_rows)),
        )
        connection.executemany(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?)",
            ((stage, *failure) for failure in rows.failures_of(evaluations, n_rows, n_known)),
        )

    def resume(self, stage: int) -> Resumption:
        """Last checkpoint of a stage and what came after it."""
        ((finished,),) = self._query("SELECT finished FROM stages WHERE id = ?", stage)
        checkpoint = self._query("SELECT last_batch, state FROM checkpoints WHERE stage = ?", stage)
        last_batch, state = checkpoint[0] if checkpoint else (0, None)
        batches = self._query(schema.READ_BATCHES + " WHERE stage = ? AND id > ? ORDER BY id", stage, last_batch)
        if not batches:
            return Resumption(state, None, bool(finished))
        arrays = self._unpack(batches)
        first_row = sum(self.counts(stage).values()) - len(arrays["ids"])
        found = self._query("SELECT row, shape, data FROM payloads WHERE stage = ?", stage)
        runs = [(row, np.frombuffer(bytearray(data), "<f8").reshape(json.loads(shape))) for row, shape, data in found]
        found = self._query("SELECT row, text FROM failures WHERE stage = ? AND row >= ?", stage, first_row)
        errors = {row - first_row: text for row, text in found}
        return Resumption(state, rows.to_evaluations(arrays, rows.by_position(runs, first_row), errors), bool(finished))

    def _unpack(self, batches: list[Any]) -> rows.Arrays:
        for number, _, _, crc, *blobs in batches:
            if rows.checksum(blobs) != crc:
                raise schema.damaged(self._path, f"wrong checksum of batch {number}")
        _, stages, sizes, _, *columns = zip(*batches, strict=True)
        dimension = len(columns[-1][0]) // (8 * sizes[0])
        arrays = rows.unpack(columns, dimension)
        arrays["stages"] = np.repeat(np.array(stages, dtype="<i4"), sizes)
        return arrays

    def counts(self, stage: int | None = None) -> dict[int, int]:
        """Status -> number of evaluations."""
        if stage is None:
            return dict(self._query("SELECT status, sum(n) FROM counts GROUP BY status"))
        return dict(self._query("SELECT status, n FROM counts WHERE stage = ?", stage))

    def stages(self) -> list[StageSummary]:
        """All stages, in order."""
        found = self._query(
            "SELECT key, title, (SELECT ifnull(sum(n), 0) FROM counts WHERE stage = id), finished, best, time "
            "FROM stages ORDER BY id"
        )
        return [
            StageSummary(
                key,
                title,
                n,
                bool(finished),
                -np.inf if best is None else best,
                None if seconds is None else datetime.fromtimestamp(seconds, UTC),
            )
            for key, title, n, finished, best, seconds in found
        ]

    def blocks(self) -> Iterator[rows.Arrays]:
        """All rows in order, in blocks; rows that are committed meanwhile are left out."""
        ((last,),) = self._query("SELECT ifnull(max(id), 0) FROM batches")
        done = 0
        while done < last:
            sizes = self._query("SELECT id, n FROM batches WHERE id > ? ORDER BY id LIMIT ?", done, _PAGE)
            end = min(_end_of_block(sizes), last)
            yield self._unpack(self._query(schema.READ_BATCHES + " WHERE id > ? AND id <= ? ORDER BY id", done, end))
            done = end

    def best(self) -> tuple[NDArray[np.float64], float] | None:
        """Best point and its log-likelihood."""
        found = self._query("SELECT id FROM batches WHERE best IS NOT NULL ORDER BY best DESC, id LIMIT 1")
        if not found:
            return None
        arrays = self._unpack(self._query(schema.READ_BATCHES + " WHERE id = ?", found[0][0]))
        position = rows.best_position(arrays["log_likelihoods"])
        if position is None:
            raise schema.damaged(self._path, f"batch {found[0][0]} has lost its best point")
        return arrays["thetas"][position], float(arrays["log_likelihoods"][position])

    def failures(self, limit: int) -> list[tuple[int, rows.RecordedFailure]]:
        """The first recorded failures, each with its stage."""
        found = self._query("SELECT stage, row, theta, status, text FROM failures ORDER BY stage, row LIMIT ?", limit)
        return [(stage, rows.RecordedFailure(*failure)) for stage, *failure in found]


def _make_folder(folder: Path, path: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{path}: the folder {folder} cannot be made ({error.strerror}); use another run folder"
        ) from error


def _end_of_block(sizes: list[Any]) -> int:
    """Number of the batch with which a block is full, given (number, rows) of the batches to come."""
    n_rows = 0
    for number, n in sizes:
        n_rows += n
        if n_rows >= BLOCK_ROWS:
            return int(number)
    return int(sizes[-1][0])


def _pieces(evaluations: Evaluations) -> Iterator[Evaluations]:
    """The batch, cut where it is too large for one blob."""
    if len(evaluations) <= BLOCK_ROWS:
        yield evaluations
        return
    for start in range(0, len(evaluations), BLOCK_ROWS):
        yield Evaluations(**{name: getattr(evaluations, name)[start : start + BLOCK_ROWS] for name in rows.COLUMNS})


def _tally(statuses: NDArray[np.int8]) -> dict[int, int]:
    """Status -> number of rows."""
    return {int(status): int(n) for status, n in zip(*np.unique(statuses, return_counts=True), strict=True)}
