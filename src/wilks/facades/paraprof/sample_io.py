"""Sample files under the names of paraprof; the implementation is that of `wilks.store.samples`.

Rows are ``[parameters..., log-likelihood, phase]``; the extension tells the format: ``.csv`` or ``.txt`` for text,
``.h5``, ``.hdf5`` or ``.he5`` for HDF5.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.paraprof.exceptions import ConfigurationError, ParaProfError
from wilks.store import samples as files
from wilks.store.sample_formats import sample_format
from wilks.store.sample_writer import SampleWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

DEFAULT_CHUNK_SIZE = 10_000


class SampleFileExistsError(ParaProfError, FileExistsError):
    """A file would have been overwritten."""


def infer_format(path: str | Path) -> str:
    """``"csv"`` or ``"hdf5"``, by the extension.

    Raises
    ------
    ConfigurationError
        If the extension is another.

    Examples
    --------
    >>> infer_format("samples.h5")
    'hdf5'
    """
    try:
        return sample_format(Path(path))
    except InvalidConfigurationError as error:
        raise ConfigurationError(str(error), "path", str(path)) from None


def read_samples(path: str | Path, fmt: str | None = None) -> NDArray[np.float64]:
    """Read a sample file whole, shape (number of samples, number of parameters + 2).

    Raises
    ------
    InvalidDataError
        If the file cannot be read.
    ConfigurationError
        If the extension is unknown, or `fmt` is another format than that of the extension.
    """
    _check(path, fmt)
    return files.read_samples(path)


def iter_sample_batches(
    path: str | Path, chunk_size: int = DEFAULT_CHUNK_SIZE, fmt: str | None = None
) -> Iterator[NDArray[np.float64]]:
    """Rows of a sample file, at most `chunk_size` at a time; raises what `read_samples` raises."""
    _check(path, fmt)
    return files.iter_sample_batches(path, chunk_size)


def write_samples(
    samples: ArrayLike,
    path: str | Path,
    fmt: str | None = None,
    overwrite: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> int:
    """Write an array of samples to a new file, and return their number.

    Raises
    ------
    SampleFileExistsError
        If the file exists and `overwrite` is False.
    InvalidDataError
        If `samples` is no table of numbers.
    ConfigurationError
        As for `read_samples`.
    """
    _check(path, fmt)
    _refuse_existing(path, overwrite)
    files.write_samples(samples, path, overwrite=True)
    return len(np.asarray(samples))


def combine_samples(
    inputs: Iterable[str | Path],
    output: str | Path,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    fmt: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write the rows of several files, of any format, to a new one, and return their number.

    Raises
    ------
    SampleFileExistsError
        If `output` exists and `overwrite` is False.
    InvalidConfigurationError
        If there is nothing to read, or `output` is one of the files to read.
    InvalidDataError
        If a file cannot be read, or the files have different columns.
    """
    _check(output, fmt)
    paths = inputs if isinstance(inputs, (str, Path)) else list(inputs)
    if isinstance(paths, list) and not any(Path(path).resolve() == Path(output).resolve() for path in paths):
        _refuse_existing(output, overwrite)
    return files.combine_samples(paths, output, overwrite=overwrite).n_rows


def create_sample_writer(path: str | Path, fmt: str | None = None) -> BatchWriter:
    """Return a writer that appends batches of rows to a file.

    Raises
    ------
    ConfigurationError
        As for `read_samples`.
    """
    _check(path, fmt)
    return BatchWriter(path)


class BatchWriter:
    """Appends batches of rows to a sample file; every batch is on disk when `write_batch` returns.

    The file is made with the first batch, so nothing is left behind by a run that writes nothing.

    Parameters
    ----------
    path
        The file.
    names
        Names of the columns: a file that exists must have as many, and a new HDF5 file records them.
    """

    def __init__(self, path: str | Path, names: list[str] | None = None) -> None:
        self.path = path
        self._names = names
        self._is_closed = False
        self._writer: SampleWriter | None = None
        if names is not None and Path(path).exists():  # find out now that it does not fit, not in the middle of a run
            self._writer = SampleWriter(path, len(names), names=names)

    def write_batch(self, rows: ArrayLike) -> None:
        """Append rows, shape (n, number of columns).

        Raises
        ------
        ConfigurationError
            If the writer is closed.
        InvalidDataError
            If the file has other columns.
        CheckpointError
            If the file cannot be written.
        """
        if self._is_closed:
            raise ConfigurationError(f"{self.path}: this writer is closed; make another one to append more rows")
        array = np.array(rows, dtype=float, ndmin=2)
        if not array.size:
            return
        if self._writer is None:
            self._writer = SampleWriter(self.path, array.shape[1], names=self._names)
        self._writer.write(array)
        self._writer.flush()

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """End; no effect the second time."""
        self._is_closed = True
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> BatchWriter:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the writer."""
        self.close()


def _check(path: str | Path, fmt: Any) -> None:  # noqa: ANN401 - checked here
    kind = infer_format(path)
    if fmt is not None and fmt != kind:
        raise ConfigurationError(
            f"{path}: the extension stands for the format {kind!r}, got fmt={fmt!r}; rename the file", "fmt", fmt
        )


def _refuse_existing(path: str | Path, overwrite: bool) -> None:
    if not overwrite and Path(path).exists():
        raise SampleFileExistsError(f"{path}: exists already; choose another name, or pass overwrite=True")
