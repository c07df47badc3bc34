"""The SQLite layout of a run file, how to open one, and what SQLite's errors mean to a user.

Layout, version 1: ``header`` (what the run belongs to), ``stages``, ``counts`` (evaluations by stage and status),
``batches`` (one row per committed batch, one blob per column), ``checkpoints`` (the latest state of each stage and the
last batch that it covers), ``payloads`` (gradients and residuals since the checkpoint) and ``failures`` (texts).
"""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError
from wilks.store.rows import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x574C4B53
"""`WLKS` in the head of the file, where ``file`` and other programs look for it."""
SCHEMA_VERSION = 1
_MAX_CHECKED_BYTES = 2**30
"""The check takes a quarter of a second per gigabyte, but longer on a slow disk."""
BUSY_SECONDS = 10.0
"""A reader or a writer may hold the file for a moment, never for long."""

_BLOBS = ", ".join(COLUMNS)
INSERT_BATCH = (
    f"INSERT INTO batches (stage, n, best, crc, {_BLOBS}) "  # noqa: S608 - names from our own table of columns
    f"VALUES (?, ?, ?, ?, {', '.join('?' * len(COLUMNS))})"
)
READ_BATCHES = f"SELECT id, stage, n, crc, {_BLOBS} FROM batches"  # noqa: S608 - the same

_TABLES = (
    "CREATE TABLE header (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE stages (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, title TEXT NOT NULL, finished INTEGER NOT NULL,
        best REAL, time REAL)""",
    """CREATE TABLE counts (
        stage INTEGER NOT NULL, status INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (stage, status)
        ) WITHOUT ROWID""",
    f"""CREATE TABLE batches (
        id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, n INTEGER NOT NULL, best REAL, crc INTEGER NOT NULL,
        {", ".join(f"{name} BLOB NOT NULL" for name in COLUMNS)})""",
    """CREATE TABLE checkpoints (stage INTEGER PRIMARY KEY, last_batch INTEGER NOT NULL, state BLOB NOT NULL)""",
    """CREATE TABLE payloads (stage INTEGER NOT NULL, row INTEGER NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL)""",
    """CREATE TABLE failures (
        stage INTEGER NOT NULL, row INTEGER NOT NULL, theta BLOB NOT NULL, status INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (stage, row)) WITHOUT ROWID""",
)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a run file to write, made when there is none.

    Raises
    ------
    CheckpointError
        If it cannot be opened, or is not a run file that this version can write.
    """
    connection = _connect(path, "rwc")
    try:
        empty = _identify(connection, path)
        _check_pages(connection, path)
        # A commit survives the death of the process at any moment. After a power cut the last ones may be missing,
        # but the file is sound. Waiting for the disk at every commit would cost milliseconds.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if empty:
            _create(connection)
        else:
            # A write that changes nothing: a file that cannot be written is noticed before the first evaluation.
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except CheckpointError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a run file to read, also while another process writes it.

    Raises
    ------
    CheckpointError
        If it is missing, cannot be read, or is not a run file that this version can read.
    """
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such run file; check the path, or start a run first")
    try:
        # Not "ro": whoever closes the file last has to clear away the two files beside it, and may have to bring in
        # what a killed writer left in one of them.
        return _open_reader(path, "rw")
    except sqlite3.Error as error:
        # Reading beside a writer takes a shared file next to the run file. In a folder that cannot be written,
        # and without unfinished work of a writer, the file can be read as it stands.
        journal = path.with_name(path.name + "-wal")
        if _primary_code(error) in _ACCESS and not (journal.exists() and journal.stat().st_size):
            try:
                return _open_reader(path, "ro&immutable=1")
            except sqlite3.Error as second:
                raise explain(second, path) from second
        raise explain(error, path) from error


def _open_reader(path: Path, mode: str) -> sqlite3.Connection:
    connection = _connect(path, mode)
    try:
        connection.execute("PRAGMA query_only = ON")
        if _identify(connection, path):
            raise CheckpointError(f"{path}: the file is empty; no run was started in it yet")
    except (sqlite3.Error, CheckpointError):
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    if path.is_dir():
        raise CheckpointError(f"{path}: expected a run file, found a folder; the run file of a run is a file in it")
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # transactions are begun and ended by hand
            check_same_thread=False,  # the run file has a lock of its own
        )
    except sqlite3.Error as error:
        if mode == "rwc":
            raise explain(error, path) from error
        raise


def _identify(connection: sqlite3.Connection, path: Path) -> bool:
    """Is the file new and empty? An error when it is no run file, or one of a newer version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise CheckpointError(
                f"{path}: written by a newer wilks (run file format {version}, this version knows "
                f"{SCHEMA_VERSION}); update wilks, or use another run folder"
            )
        return False
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application or n_tables:
        raise CheckpointError(f"{path}: not a run file: it is an SQLite database of another program; use another path")
    return True


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse to write to a file whose structure is damaged; the columns have checksums that are tested on reading."""
    if path.stat().st_size > _MAX_CHECKED_BYTES:
        return
    ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise damaged(path, found)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its detail; 0 for errors that Python found."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


_ACCESS = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})

_DAMAGED = (
    "damaged or truncated; restore it from a copy, or move it away together with its -wal file and start again "
    "(the command `sqlite3 FILE .recover` may save part of it)"
)

_MEANINGS = {
    sqlite3.SQLITE_NOTADB: "not a run file: expected a file written by wilks; use another path",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_BUSY: f"locked by another program for over {BUSY_SECONDS:g} s; close that program and try again",
    sqlite3.SQLITE_IOERR: (
        "the disk or the file system reported an error; what was committed before is kept: check the disk, the quota "
        "and the connection to the file server, then resume"
    ),
    **dict.fromkeys(_ACCESS, "cannot be opened or written; check the permissions of the file and of its folder"),
}


def explain(error: sqlite3.Error, path: Path) -> CheckpointError:
    """Turn an error of SQLite into one that says what to do."""
    code = _primary_code(error)
    detail = f"({error})"
    if code == sqlite3.SQLITE_FULL:
        free = shutil.disk_usage(path.parent).free / 1e6 if path.parent.exists() else 0.0
        return CheckpointError(
            f"{path}: the disk is full ({free:.0f} MB free); the last commit was not written, everything before it is "
            f"kept: free some space, then resume {detail}"
        )
    return CheckpointError(f"{path}: {_MEANINGS.get(code, 'cannot be read or written')} {detail}")


def damaged(path: Path, what: str) -> CheckpointError:
    """The error for contents that do not fit together."""
    return CheckpointError(f"{path}: {_DAMAGED} ({what})")
