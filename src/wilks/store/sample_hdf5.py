"""Sample files in HDF5: the rows as one chunked dataset ``samples`` of doubles, which may name its columns.

The file is open only while something is written, so that a process that dies between two writes leaves a sound file.
One that dies in the middle of a write may leave a file that HDF5 refuses; text is safer there.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.store.files import reading
from wilks.store.hdf5 import check_room, hdf5_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DATASET = "samples"
_CHUNK_ROWS = 4096
_TRUNCATED = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")


class Hdf5Samples:
    """A sample file in HDF5, to be read.

    Attributes
    ----------
    n_columns
        Number of columns.
    names
        Names of the columns; None when they are not recorded.
    n_dropped
        0: of a damaged file nothing is left out silently, reading it ends with an error.
    can_grow
        May rows be appended to the dataset?
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_dropped = 0
        with _opened(self._path) as dataset:
            self.n_columns: int | None = int(dataset.shape[1])
            names = dataset.attrs.get("columns")
            self.can_grow = dataset.maxshape[0] is None
        self.names = None if names is None else [_text(name) for name in names]
        if self.names is not None and len(self.names) != self.n_columns:
            raise InvalidDataError(
                f"{path}: the dataset {DATASET!r} has {self.n_columns} columns, but names for {len(self.names)}"
            )

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.float64]]:
        """Rows in order, `n_rows` at a time, each block of shape (n, n_columns)."""
        with _opened(self._path) as dataset:
            n_all = len(dataset)
            for start in range(0, n_all, n_rows):
                try:
                    block = np.asarray(dataset[start : start + n_rows], dtype=float)
                except OSError as error:
                    raise InvalidDataError(
                        f"{self._path}: damaged: of {n_all} rows those from {start + 1} on cannot be read ({error}); "
                        f"iter_sample_batches gives the first {start} in batches of {n_rows}"
                    ) from error
                yield block


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The dataset of a file that is open to be read."""
    import h5py

    with reading(path):
        path.stat()  # a missing file, in plain words
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            found = _TRUNCATED.search(str(error))
            if found is None:
                raise
            raise InvalidDataError(
                f"{path}: truncated: {found[1]} of {found[2]} bytes are there, and none of its rows can be read; "
                "a program was killed while it wrote the file, or a copy broke off"
            ) from error
    with file:
        dataset = file.get(DATASET)
        _check(dataset, path, ", ".join(file) or "nothing")
        yield dataset


def _check(dataset: Any, path: Path, found: str) -> None:  # noqa: ANN401 - h5py has no types
    if getattr(dataset, "ndim", 0) != 2 or dataset.shape[1] < 2 or dataset.dtype.kind not in "fiu":
        raise InvalidDataError(
            f"{path}: expected a dataset {DATASET!r} of numbers with a row for each sample (parameters, "
            f"log-likelihood, phase), found {found if dataset is None else dataset}"
        )


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def create_hdf5(
    path: Path, n_columns: int, names: Sequence[str] | None, attributes: Mapping[str, Any] | None = None
) -> None:
    """Make a file with an empty dataset that can grow, and attributes of the dataset."""
    with hdf5_file(path, "w") as file:
        dataset = file.create_dataset(
            DATASET, (0, n_columns), "<f8", maxshape=(None, n_columns), chunks=(_CHUNK_ROWS, n_columns)
        )
        if names is not None:
            dataset.attrs["columns"] = list(names)
        for name, value in (attributes or {}).items():
            dataset.attrs[name] = value


def append_hdf5(path: Path, blocks: Iterable[NDArray[np.float64]]) -> None:
    """Append rows to the dataset of a file."""
    with hdf5_file(path, "r+") as file:
        dataset = file[DATASET]
        n = len(dataset)
        for block in blocks:
            dataset.resize(n + len(block), axis=0)
            dataset[n:] = block
            n += len(block)


def append_rows_hdf5(path: Path, rows: NDArray[np.float64]) -> None:
    """Append rows: all of them or, when the disk is full, none."""
    check_room(path, rows.nbytes + _CHUNK_ROWS * rows.shape[1] * rows.itemsize)
    append_hdf5(path, [rows])
