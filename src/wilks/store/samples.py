"""Sample files: one row per evaluation, the parameters (theta), the log-likelihood and the phase.

Two formats, told apart by the extension: text without a header (``.csv``, ``.txt``), every number as ``%.10e`` and
``", "`` between them; and HDF5 (``.h5``, ``.hdf5``, ``.he5``) with the same columns in the dataset ``samples``. What
reads or writes them here works on a block of rows at a time, so that a file may be far larger than the memory.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.store.backend import BLOCK_ROWS
from wilks.store.files import written_whole
from wilks.store.sample_formats import Samples, open_samples, sample_format
from wilks.store.sample_hdf5 import append_hdf5, create_hdf5
from wilks.store.sample_text import write_text
from wilks.store.sample_writer import SampleWriter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.store.rows import Arrays

__all__ = [
    "Combined",
    "DroppedRowsWarning",
    "SampleWriter",
    "combine_samples",
    "iter_sample_batches",
    "read_samples",
    "write_samples",
]


class DroppedRowsWarning(UserWarning):
    """Rows of a sample file were left out, because a program was killed while it wrote them."""


class Combined(NamedTuple):
    """What `combine_samples` did."""

    n_rows: int
    """Number of rows written."""
    n_dropped: int
    """Number of half-written rows that were left out."""


def iter_sample_batches(path: str | Path, batch_size: int = BLOCK_ROWS) -> Iterator[NDArray[np.float64]]:
    """Rows of a sample file, a batch at a time; for files larger than the memory.

    Parameters
    ----------
    path
        The file.
    batch_size
        Number of rows of each batch; the last one may be smaller.

    Yields
    ------
    ndarray
        Shape (n, number of columns).

    Raises
    ------
    InvalidConfigurationError
        If the name ends in no known way, or `batch_size` is no positive number.
    InvalidDataError
        If the file cannot be read, or is no sample file.

    Warns
    -----
    DroppedRowsWarning
        If the last line of a text file is half-written, and was left out.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise InvalidConfigurationError(f"batch_size: expected a number of rows >= 1, got {batch_size!r}")
    return _batches(open_samples(Path(path)), Path(path), int(batch_size))


def _batches(source: Samples, path: Path, batch_size: int) -> Iterator[NDArray[np.float64]]:
    yield from source.blocks(batch_size)
    if source.n_dropped:
        warnings.warn(_loss(path, source.n_dropped), DroppedRowsWarning, stacklevel=2)


def _loss(path: Path, n_dropped: int) -> str:
    return (
        f"{path}: {n_dropped} row dropped: the last line is half-written, it has no line end; a program was killed "
        "while it wrote it"
    )


def read_samples(path: str | Path) -> NDArray[np.float64]:
    """Read a sample file whole.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ndarray
        Shape (number of samples, number of columns): parameters, log-likelihood and, usually, phase.

    Raises
    ------
    InvalidConfigurationError
        If the name ends in no known way.
    InvalidDataError
        If the file cannot be read, is no sample file, or is a text without a single row.

    Warns
    -----
    DroppedRowsWarning
        If the last line of a text file is half-written, and was left out.

    Examples
    --------
    >>> import tempfile
    >>> path = write_samples([[0.5, -1.25, 7]], Path(tempfile.mkdtemp()) / "samples.h5")
    >>> read_samples(path)
    array([[ 0.5 , -1.25,  7.  ]])
    """
    path = Path(path)
    source = open_samples(path)
    blocks = list(_batches(source, path, BLOCK_ROWS))
    if source.n_columns is None:
        raise InvalidDataError(f"{path}: expected rows of numbers, the file holds no complete row")
    return np.concatenate([np.empty((0, source.n_columns)), *blocks])


def write_samples(
    samples: ArrayLike, path: str | Path, *, overwrite: bool = False, names: Sequence[str] | None = None
) -> Path:
    """Write rows to a new sample file, and return its path.

    Parameters
    ----------
    samples
        Shape (number of samples, number of columns).
    path
        The file; the extension chooses the format. It appears when it is complete.
    overwrite
        Replace a file of that name.
    names
        Names of the columns, recorded in HDF5.

    Raises
    ------
    InvalidConfigurationError
        If the name ends in no known way, or the file exists and `overwrite` is False.
    InvalidDataError
        If `samples` is no table of numbers with two columns or more.
    CheckpointError
        If the file cannot be written.
    """
    path = Path(path)
    rows = _as_table(samples)
    if names is not None and len(names) != rows.shape[1]:
        raise InvalidConfigurationError(f"names: expected {rows.shape[1]}, one for each column, got {len(names)}")
    blocks = (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
    kind = sample_format(path)
    with written_whole(path, overwrite=overwrite) as temporary:
        write_blocks(temporary, kind, blocks, rows.shape[1], names)
    return path


def _as_table(samples: ArrayLike) -> NDArray[np.float64]:
    try:
        rows = np.asarray(samples, dtype=float)
    except (TypeError, ValueError):
        raise InvalidDataError("samples: expected a table of numbers, got something else") from None
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InvalidDataError(
            f"samples: expected an array of shape (n, number of parameters + 2), got shape {rows.shape}"
        )
    return rows


def combine_samples(paths: Iterable[str | Path], out: str | Path, *, overwrite: bool = False) -> Combined:
    """Write the rows of several sample files, of any format, to one; or convert a file to the other format.

    Parameters
    ----------
    paths
        The files to read, in order. Each is read a block at a time.
    out
        The file to write; the extension chooses the format. It appears when it is complete.
    overwrite
        Replace a file of that name, which must not be one of `paths`.

    Returns
    -------
    Combined
        Number of rows written, and of half-written rows left out.

    Raises
    ------
    InvalidConfigurationError
        If there is no file to read, `out` is one of them, exists, or ends in no known way.
    InvalidDataError
        If a file cannot be read, or the files have different columns.
    CheckpointError
        If `out` cannot be written.

    Warns
    -----
    DroppedRowsWarning
        For each text file whose last line is half-written, and was left out.
    """
    if isinstance(paths, (str, Path)):
        raise InvalidConfigurationError(f"combine_samples: expected a list of files to read, got {str(paths)!r}")
    files, out = [Path(path) for path in paths], Path(out)
    if not files:
        raise InvalidConfigurationError("combine_samples: no file to read was given (a pattern that matches nothing?)")
    for path in files:
        if out.exists() and path.exists() and out.samefile(path):
            raise InvalidConfigurationError(f"{out}: is one of the files to read; write to another file")
    sources = [open_samples(path) for path in files]
    n_columns = _common_columns(files, sources)
    names = _common_names(files, sources)
    kind, n_rows = sample_format(out), 0

    def rows() -> Generator[NDArray[np.float64], None, None]:
        nonlocal n_rows
        for source, path in zip(sources, files, strict=True):
            for block in _batches(source, path, BLOCK_ROWS):
                n_rows += len(block)
                yield block

    with contextlib.closing(rows()) as blocks, written_whole(out, overwrite=overwrite) as temporary:
        write_blocks(temporary, kind, blocks, n_columns, names)
    return Combined(n_rows, sum(source.n_dropped for source in sources))


def _common_columns(files: list[Path], sources: list[Samples]) -> int:
    """Number of columns of all files; one without a row has any number."""
    known = [(source.n_columns, path) for source, path in zip(sources, files, strict=True) if source.n_columns]
    if not known:
        raise InvalidDataError(f"{', '.join(map(str, files))}: expected rows of numbers, there is no complete row")
    n_columns, first = known[0]
    for n, path in known:
        if n != n_columns:
            raise InvalidDataError(f"{path}: has {n} columns, {first} has {n_columns}; they are of different problems")
    return n_columns


def _common_names(files: list[Path], sources: list[Samples]) -> list[str] | None:
    known = [(source.names, path) for source, path in zip(sources, files, strict=True) if source.names is not None]
    for names, path in known:
        if names != known[0][0]:
            raise InvalidDataError(
                f"{path}: its columns are {', '.join(names)}, those of {known[0][1]} are {', '.join(known[0][0])}; "
                "put them into one order first"
            )
    return known[0][0] if known else None


def write_blocks(
    path: Path,
    kind: str,
    blocks: Iterable[NDArray[np.float64]],
    n_columns: int,
    names: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write rows to a new file of a format; names and attributes go with HDF5 only."""
    if kind == "csv":
        write_text(path, blocks)
    else:
        create_hdf5(path, n_columns, names, attributes)
        append_hdf5(path, blocks)


def as_rows(block: Arrays) -> NDArray[np.float64]:
    """One block of a log as the rows of a sample file, shape (n, dimension + 2)."""
    return np.column_stack([block["thetas"], block["log_likelihoods"], block["phases"].astype(float)])
