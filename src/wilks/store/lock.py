"""One writer per run file: an advisory lock that dies with its process.

The lock is taken on a file of its own beside the run file. Opening and closing the run file itself would silently
drop the locks that SQLite holds on it, since POSIX locks belong to the process and not to the open file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

_held: set[int] = set()


def _drop_in_child() -> None:
    """Close what a forked child inherited, or a lingering pool worker would keep a killed run locked for ever."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_drop_in_child)


class WriterLock:
    """The right to write one run file, from construction to `release`.

    Parameters
    ----------
    target
        The run file.

    Raises
    ------
    CheckpointError
        If another process or another open log has it, or the folder cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self._path = target.with_name(target.name + ".lock")
        try:
            self._descriptor = self._acquire()
            try:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, f"{os.getpid()} {platform.node()}\n".encode(), 0)
            except OSError:
                self.release()
                raise
        except BlockingIOError:
            raise CheckpointError(self._refusal(target)) from None
        except OSError as error:
            raise CheckpointError(_explain(error, target)) from error

    def _acquire(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The previous holder may have removed the name between our opening it and our locking it.
                current = self._path.exists() and os.path.samestat(os.fstat(descriptor), self._path.stat())
            except OSError:
                os.close(descriptor)
                raise
            if current:
                _held.add(descriptor)
                return descriptor
            os.close(descriptor)

    def _refusal(self, target: Path) -> str:
        try:
            process, _, host = self._path.read_text().strip().partition(" ")
        except OSError:
            process, host = "", ""
        if process == str(os.getpid()) and host == platform.node():
            return (
                f"{target}: already open for writing in this process; share that log, or close it first "
                "(log.close()), or open this one with read_only=True"
            )
        where = f" on {host}" if host and host != platform.node() else ""
        who = f"process {process}{where}" if process else "another process"
        return (
            f"{target}: {who} is writing this run file; wait for it, stop it, or use another run folder "
            "(reading with read_only=True is possible meanwhile)"
        )

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._descriptor not in _held:
            return
        _held.discard(self._descriptor)
        # Removed while it is still locked, so that whoever opens the name later gets a new file. A file that is
        # gone, or stays, does no harm: only the lock on it counts.
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)


def _explain(error: OSError, target: Path) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{target}: the folder {target.parent} cannot be written ({error.strerror}); "
            "use another run folder, or change its permissions"
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{target}: the disk is full ({error.strerror}); free some space, or use another run folder"
    return (
        f"{target}: cannot be locked for writing ({error.strerror}); "
        "use a run folder on a file system that supports locks, such as a local disk"
    )
