"""Sample files as text: no header, every number as ``%.10e``, ``", "`` between them, one row a line.

Eleven digits are kept, so a number read back differs from the one written by a relative 5e-11 at most; zeros keep their
sign, infinities and NaN come back as they were. A line counts once its end is written: the last line of a file whose
writer was killed may hold a number that was cut short without looking like it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.store.files import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_LONGEST_LINE = 1 << 20
_TAIL_BYTES = 1 << 16
_PART_OF_A_ROW = re.compile(rb"[0-9eE+\-., \tinfa]*")
_SHOWN = 60


class TextSamples:
    """A sample file of text, to be read.

    Attributes
    ----------
    n_columns
        Number of columns; None while the file holds no complete line.
    names
        None: such a file has no names of columns.
    n_dropped
        Half-written lines found at the end, 0 or 1; known once `blocks` has come to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names: list[str] | None = None
        self.n_dropped = 0
        with reading(path):
            self.n_columns = self._count_columns()

    def _count_columns(self) -> int | None:
        with self._path.open(encoding="utf-8-sig", errors="replace") as file:
            for number in itertools.count(1):
                line = file.readline(_LONGEST_LINE)
                if not line.endswith("\n"):
                    if len(line) == _LONGEST_LINE:
                        raise self._refusal(number, line)
                    return None
                if _has_numbers(line):
                    n_columns = _n_numbers(line)
                    if n_columns is None or n_columns < 2:  # a parameter and the log-likelihood
                        raise self._refusal(number, line)
                    return n_columns
        return None

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.float64]]:
        """Rows in order, `n_rows` at a time, each block of shape (n, n_columns)."""
        self.n_dropped = 0
        if self.n_columns is None:
            with reading(self._path):
                self.n_dropped = int(self._path.stat().st_size > 0 and not _ends_with_line(self._path))
            return
        first = 1
        with reading(self._path), self._path.open(encoding="utf-8-sig", errors="replace") as file:
            while lines := list(itertools.islice(file, n_rows)):
                n_lines = len(lines)
                if not lines[-1].endswith("\n"):
                    self.n_dropped = 1
                    lines.pop()
                rows = [line for line in lines if _has_numbers(line)]
                if rows:
                    yield self._parse(rows, lines, first)
                first += n_lines

    def _parse(self, rows: list[str], lines: list[str], first: int) -> NDArray[np.float64]:
        try:
            block = np.loadtxt(rows, delimiter=",", ndmin=2)
        except ValueError:
            block = np.empty((0, 0))
        if block.shape[1] == self.n_columns:
            return block
        for number, line in enumerate(lines, start=first):
            if _has_numbers(line) and _n_numbers(line) != self.n_columns:
                raise self._refusal(number, line)
        raise self._refusal(first, lines[0])

    def _refusal(self, number: int, line: str) -> InvalidDataError:
        wanted = "numbers" if getattr(self, "n_columns", None) is None else f"{self.n_columns} numbers"
        shown = line.strip()
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        return InvalidDataError(
            f"{self._path}: line {number}: expected {wanted} with commas between them (parameters, log-likelihood, "
            f"phase) and no header, got {shown!r}"
        )


def _has_numbers(line: str) -> bool:
    text = line.strip()
    return bool(text) and text[0] != "#"


def _n_numbers(line: str) -> int | None:
    """Number of columns of a line; None when it holds something else than numbers."""
    fields = line.partition("#")[0].split(",")
    try:
        for field in fields:
            float(field)
    except ValueError:
        return None
    return len(fields)


def formatted(rows: NDArray[np.float64]) -> bytes:
    r"""The text of rows.

    Examples
    --------
    >>> formatted(np.array([[0.5, -0.0]]))
    b'5.0000000000e-01, -0.0000000000e+00\n'
    """
    line = ", ".join(["%.10e"] * rows.shape[1]) + "\n"
    return ((line * len(rows)) % tuple(rows.ravel().tolist())).encode("ascii")


def write_text(path: Path, blocks: Iterable[NDArray[np.float64]]) -> None:
    """Write rows to a new file."""
    with path.open("wb") as file:
        for block in blocks:
            file.write(formatted(block))


def append_text(path: Path, rows: NDArray[np.float64]) -> None:
    """Append rows to a file: all of them or, after an error or Ctrl-C, none."""
    with path.open("ab", buffering=0) as file:
        start = file.seek(0, os.SEEK_END)
        rest = memoryview(formatted(rows))
        try:
            while rest:
                rest = rest[file.write(rest) :]
        finally:
            if rest:
                with contextlib.suppress(OSError):
                    file.truncate(start)


def cut_half_line(path: Path) -> int:
    """Cut off a half-written last line of a sample file; return the number of rows dropped, 0 or 1.

    Raises
    ------
    InvalidDataError
        If what stands there is no part of a row.
    """
    if not path.stat().st_size or _ends_with_line(path):
        return 0
    with path.open("r+b") as file:
        start = max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"\n") + 1
        if (start and not end) or not _PART_OF_A_ROW.fullmatch(tail[end:]):
            raise InvalidDataError(
                f"{path}: expected a sample file to append to; its last line is no row of numbers, and has no end"
            )
        file.truncate(start + end)
    return 1


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
