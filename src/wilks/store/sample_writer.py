"""Sample files that grow row by row: a buffer in front of a file that is opened for each write and closed again."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.store.files import writing
from wilks.store.sample_formats import open_samples, sample_format
from wilks.store.sample_hdf5 import Hdf5Samples, append_hdf5, append_rows_hdf5, create_hdf5
from wilks.store.sample_text import append_text, cut_half_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray


class SampleWriter:
    """A sample file that rows are appended to.

    Rows are collected and written together when there are `buffer_rows` of them, on `flush`, on `close`, and when the
    writer is forgotten or the interpreter ends. A killed process loses what is collected, no more. A write that fails
    leaves the rows in the buffer, so that `flush` may be tried again; a text file is left as it was before.

    Parameters
    ----------
    path
        The file, ``.csv`` or ``.txt`` for text, ``.h5``, ``.hdf5`` or ``.he5`` for HDF5. Made, with its folder, when it
        does not exist; otherwise rows are appended to it.
    n_columns
        Number of columns: the parameters, the log-likelihood and, usually, the phase.
    names
        Names of the columns, recorded in a new HDF5 file.
    buffer_rows
        Number of rows that are written together.

    Raises
    ------
    InvalidConfigurationError
        If the name ends in no known way, or a number makes no sense.
    InvalidDataError
        If the file exists and is no sample file of `n_columns` columns.
    CheckpointError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from wilks.store.samples import read_samples
    >>> path = Path(tempfile.mkdtemp()) / "samples.csv"
    >>> with SampleWriter(path, n_columns=4) as writer:
    ...     writer.write([0.1, 0.2, -3.5, 0])
    >>> read_samples(path).tolist()
    [[0.1, 0.2, -3.5, 0.0]]
    """

    def __init__(
        self, path: str | Path, n_columns: int, *, names: Sequence[str] | None = None, buffer_rows: int = 1000
    ) -> None:
        for name, number, least in (("n_columns", n_columns, 2), ("buffer_rows", buffer_rows, 1)):
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
                raise InvalidConfigurationError(f"{name}: expected a whole number >= {least}, got {number!r}")
        if names is not None and len(names) != n_columns:
            raise InvalidConfigurationError(f"names: expected {n_columns}, one for each column, got {len(names)}")
        self._path, self._n_columns, self._buffer_rows = Path(path), int(n_columns), int(buffer_rows)
        self._n_dropped = _prepare(self._path, self._n_columns, names)
        self._buffer = _Buffer(self._path)
        self._finalizer = weakref.finalize(self, self._buffer.flush)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def n_written(self) -> int:
        """Number of rows that this writer has written to the file."""
        return self._buffer.n_written

    @property
    def n_dropped(self) -> int:
        """Number of half-written rows, left by a killed program, that were cut off the file when it was opened."""
        return self._n_dropped

    def write(self, rows: ArrayLike) -> None:
        """Add one row, shape (n_columns,), or several, shape (n, n_columns).

        Raises
        ------
        InvalidDataError
            If the shape is another.
        CheckpointError
            If the writer is closed, or the buffer was full and cannot be written.
        """
        if not self._finalizer.alive:
            raise CheckpointError(f"{self._path}: this writer is closed; make another one to append more rows")
        array = np.array(rows, dtype=float, ndmin=2)
        if array.ndim != 2 or array.shape[1] != self._n_columns:
            raise InvalidDataError(f"{self._path}: expected rows of {self._n_columns} numbers, got shape {array.shape}")
        self._buffer.add(array)
        if self._buffer.n_waiting >= self._buffer_rows:
            self.flush()

    def flush(self) -> None:
        """Write what was collected.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        self._buffer.flush()

    def close(self) -> None:
        """Write what was collected, and end; no effect the second time.

        Raises
        ------
        CheckpointError
            If the file cannot be written; the writer is then still open, and its rows are kept.
        """
        if self._finalizer.alive:
            self._buffer.flush()
            self._finalizer.detach()

    def __enter__(self) -> SampleWriter:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the writer."""
        self.close()

    def __repr__(self) -> str:
        """Return the path and what was written."""
        return f"<SampleWriter {str(self._path)!r}: {self.n_written} rows written, {self._buffer.n_waiting} waiting>"


class _Buffer:
    """Rows on their way; apart from the writer, so that they outlive it until they are written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        self._waiting: list[NDArray[np.float64]] = []
        self.n_waiting = self.n_written = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        self._waiting.append(rows)
        self.n_waiting += len(rows)

    def flush(self) -> None:
        # A forked child has a copy of rows that the parent will write.
        if not self.n_waiting or os.getpid() != self._process:
            return
        rows = np.concatenate(self._waiting)
        with writing(self._path):
            if sample_format(self._path) == "csv":
                append_text(self._path, rows)
            else:
                append_rows_hdf5(self._path, rows)
        self._waiting, self.n_waiting = [], 0
        self.n_written += len(rows)


def _prepare(path: Path, n_columns: int, names: Sequence[str] | None) -> int:
    """Make the file, or check that rows can be appended to it; return the number of rows cut off."""
    kind = sample_format(path)
    if not path.exists():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "csv":
                path.touch()
            else:
                create_hdf5(path, n_columns, names)
        return 0
    source = open_samples(path)
    if source.n_columns not in (None, n_columns):
        raise InvalidDataError(f"{path}: has {source.n_columns} columns; rows of {n_columns} cannot be appended to it")
    if isinstance(source, Hdf5Samples):
        if not source.can_grow:
            raise InvalidDataError(
                f"{path}: its dataset has a fixed size; copy it into a new file with combine_samples, and append there"
            )
        if names is not None and source.names not in (None, list(names)):
            raise InvalidDataError(
                f"{path}: its columns are {', '.join(source.names or ())}; expected {', '.join(names)}"
            )
    with writing(path):
        if kind == "csv":
            return cut_half_line(path)
        append_hdf5(path, [])  # which fails here and not after the first evaluations
    return 0
