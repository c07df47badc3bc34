"""HDF5 files that are written, with a full disk as an ordinary error.

The HDF5 library does not survive a write that fails when a file is closed: it leaves half-closed objects behind, and
the process may die of a segmentation fault later. So it writes through an object that keeps the first error to itself,
writes nothing more, and raises the error once the library has closed the file in peace. Until then the library may read
back what it believes to have written: its own records, without which it dies too, are kept in memory.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

_MARGIN = 1 << 16
"""Bytes for the library's own records, when rows are appended."""
_RECORD = 1 << 16
"""Bytes of the largest write that may be a record of the library; larger ones are data, which it can do without."""


@contextlib.contextmanager
def hdf5_file(path: Path, mode: Literal["w", "r+"], **options: Any) -> Iterator[Any]:  # noqa: ANN401 - h5py has no types
    """Open a file to write, with options of `h5py.File`.

    Raises
    ------
    OSError
        At the end, if something could not be written.
    """
    import h5py

    with path.open("w+b" if mode == "w" else "r+b", buffering=0) as raw:
        disk = _Disk(raw)
        try:
            with h5py.File(disk, mode, **options) as file:
                yield file
        finally:
            if disk.error is not None:  # it comes first: what the library says of it is a consequence
                raise disk.error


class _Disk:
    """The file as the HDF5 library sees it: one on which writing never fails."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self.error: OSError | None = None
        self._at = 0
        self._kept: dict[tuple[int, int], bytes] = {}

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = self._raw.seek(offset, whence)
        if whence == os.SEEK_END:
            self._at = max(self._at, *(sum(place) for place in self._kept), 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer
        view = memoryview(buffer).cast("B")
        self._raw.seek(self._at)
        n = self._raw.readinto(view) or 0
        view[n:] = bytes(len(view) - n)  # the library does not look at the count
        for (start, length), part in self._kept.items():  # in the order of writing: the last one counts
            low, high = max(start, self._at), min(start + length, self._at + len(view))
            if low < high:
                view[low - self._at : high - self._at] = part[low - start : high - start]
                n = max(n, high - self._at)
        self._at += n
        return n

    def read(self, size: int) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, data: Any) -> int:  # noqa: ANN401 - a buffer
        rest = memoryview(data).cast("B")
        n, start = len(rest), self._at
        try:
            self._raw.seek(start)
            while rest and self.error is None:
                rest = rest[self._raw.write(rest) :]
        except OSError as error:
            self.error = error
        if self.error is not None and n <= _RECORD:
            self._kept.pop((start, n), None)
            self._kept[start, n] = bytes(memoryview(data).cast("B"))
        self._at = start + n
        return n

    def truncate(self, size: int) -> int:
        try:
            if self.error is None:
                self._raw.truncate(size)
        except OSError as error:
            self.error = error
        return size

    def flush(self) -> None:
        pass


def check_room(path: Path, n_bytes: int) -> None:
    """Find out whether a file may grow by so many bytes, before any byte of it is touched.

    Raises
    ------
    OSError
        If the disk or the quota is full.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        try:
            os.posix_fallocate(file.fileno(), size, n_bytes + _MARGIN)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot say
                raise
        finally:
            file.truncate(size)
