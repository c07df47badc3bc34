"""Scores in a SQLite file: they outlive the process, and any number of processes and threads share them.

Every `put` is a transaction of its own in write-ahead mode: when it returns, the row survives the death of the process.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import struct
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import CheckpointError
from wilks.facades.gfo.storage import BaseStorage, ObjectiveResult, as_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wilks.facades.gfo.storage import Key

_PATIENCE = 60.0
_PAUSE = 0.01
_TABLE = """
create table if not exists wilks_scores (
    key blob primary key, score real, metrics text not null default '{}'
) without rowid
"""
_PUT = "insert or replace into wilks_scores values (?, ?, ?)"
_GET = "select score, metrics from wilks_scores where key = ?"


class SQLiteStorage(BaseStorage):
    """Scores in a file.

    It may be used from any thread, copied to other processes with pickle, and opened by several processes at once.

    Parameters
    ----------
    path
        The file, made when it does not exist.

    Raises
    ------
    CheckpointError
        If the file cannot be opened, or is something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SQLiteStorage(f"{folder}/scores.db") as storage:
    ...     storage.put(("objective", 0.1), ObjectiveResult(float("nan"), {"loss": 1.0}))
    ...     storage.get(("objective", 0.1))
    ObjectiveResult(score=nan, metrics={'loss': 1.0})
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._open()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        try:
            self._connection = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._write_ahead()
            self._connection.execute("pragma synchronous = normal").close()
            self._connection.execute(_TABLE).close()
        except sqlite3.Error as error:
            raise CheckpointError(f"{self._path}: cannot be used as a storage of scores: {error}") from error

    def _write_ahead(self) -> None:
        """Switch the mode of the file; SQLite itself does not wait for others that are doing the same."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connection.execute("pragma journal_mode = wal").close()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time."""
        if self._process != os.getpid():  # a connection must not be carried over a fork
            self._open()
        try:
            with self._lock:
                yield self._connection
        except sqlite3.Error as error:
            raise CheckpointError(f"{self._path}: {error}") from error

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._alone() as connection:
            return connection.execute(statement, values).fetchall()

    def get(self, key: Key) -> ObjectiveResult | None:
        """Return what is stored, None when there is nothing."""
        found = self._execute(_GET, (packed(key),))
        return _result(*found[0]) if found else None

    def put(self, key: Key, result: ObjectiveResult) -> None:
        """Store a result; it survives the death of the process."""
        self._execute(_PUT, _row(key, result))

    def contains(self, key: Key) -> bool:
        """Is something stored?"""
        return bool(self._execute("select 1 from wilks_scores where key = ?", (packed(key),)))

    def update(self, mapping: Mapping[Key, ObjectiveResult]) -> None:
        """Store many results in one transaction."""
        rows = [_row(key, result) for key, result in mapping.items()]
        with self._alone() as connection:
            connection.execute("begin immediate").close()
            with connection:  # commits, or takes everything back
                connection.executemany(_PUT, rows).close()

    def items(self) -> Iterator[tuple[Key, ObjectiveResult]]:
        """Iterate over keys and results."""
        for key, score, metrics in self._execute("select key, score, metrics from wilks_scores"):
            yield unpacked(key), _result(score, metrics)

    def __len__(self) -> int:
        """Return the number of results."""
        return int(self._execute("select count(*) from wilks_scores")[0][0])

    def __bool__(self) -> bool:
        """True: a storage is something also while it is empty."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> SQLiteStorage:
        """Return the storage."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def __del__(self) -> None:
        """Close what was forgotten."""
        connection = getattr(self, "_connection", None)
        if connection is not None and self._process == os.getpid():
            connection.close()

    def __reduce__(self) -> tuple[type[SQLiteStorage], tuple[Path]]:
        """For pickle: the copy opens the file anew."""
        return type(self), (self._path,)

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"SQLiteStorage({str(self._path)!r})"


def packed(key: Key) -> bytes:
    """Bytes of a key: numbers as exact doubles, so that 1 and 1.0 are one key, anything else as text.

    Examples
    --------
    >>> unpacked(packed(("objective", 0.1, 2)))
    ('objective', 0.1, 2.0)
    """
    parts = []
    for item in key:
        if isinstance(item, (int, float, np.integer, np.floating)):
            parts.append(b"d" + struct.pack("<d", item + 0.0))  # no negative zero
        else:
            text = str(item).encode()
            parts.append(b"s" + struct.pack("<I", len(text)) + text)
    return b"".join(parts)


def unpacked(data: bytes) -> Key:
    """The key that was packed."""
    items: list[Any] = []
    at = 0
    while at < len(data):
        if data[at : at + 1] == b"d":
            items.append(struct.unpack_from("<d", data, at + 1)[0])
            at += 9
        else:
            size = struct.unpack_from("<I", data, at + 1)[0]
            items.append(data[at + 5 : at + 5 + size].decode())
            at += 5 + size
    return tuple(items)


def _row(key: Key, given: Any) -> tuple[bytes, float | None, str]:  # noqa: ANN401 - any form of a result
    result = as_result(given)
    metrics = json.dumps(plain(result.metrics)) if result.metrics else "{}"
    return packed(key), None if math.isnan(result.score) else result.score, metrics


def _result(score: float | None, metrics: str) -> ObjectiveResult:
    return ObjectiveResult(math.nan if score is None else score, json.loads(metrics))


def plain(item: Any) -> Any:  # noqa: ANN401 - any metric
    """An object as JSON knows it: what NumPy made as numbers and lists, what has no such form as text.

    Examples
    --------
    >>> plain({"loss": np.float32(0.5), "curve": np.arange(3), 1: {2}})
    {'loss': 0.5, 'curve': [0, 1, 2], '1': '{2}'}
    """
    if isinstance(item, dict):
        return {str(key): plain(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [plain(value) for value in item]
    if isinstance(item, (np.generic, np.ndarray)):
        return plain(item.tolist())
    return item if isinstance(item, (str, int, float, bool, type(None))) else repr(item)
