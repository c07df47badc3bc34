"""Which sample file is of which format, and what all of them offer to a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from wilks.core.errors import InvalidConfigurationError
from wilks.store.sample_hdf5 import Hdf5Samples
from wilks.store.sample_text import TextSamples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SAMPLE_FORMATS: dict[str, Literal["csv", "hdf5"]] = {
    ".csv": "csv",
    ".txt": "csv",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".he5": "hdf5",
}
"""Extension -> format."""


class Samples(Protocol):
    """A sample file that is read."""

    names: list[str] | None
    """Names of the columns, where they are recorded."""
    n_dropped: int
    """Half-written rows that were left out; known once `blocks` has come to its end."""

    @property
    def n_columns(self) -> int | None:
        """Number of columns; None for a file without any row that does not record it."""
        ...

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.float64]]:
        """Rows in order, `n_rows` at a time."""
        ...


def sample_format(path: Path) -> Literal["csv", "hdf5"]:
    """Format that the name of a file stands for.

    Raises
    ------
    InvalidConfigurationError
        If it ends in another way.
    """
    suffix = path.suffix.lower()
    if suffix not in SAMPLE_FORMATS:
        raise InvalidConfigurationError(
            f"{path}: expected the name of a sample file, which ends in one of {', '.join(SAMPLE_FORMATS)}, got "
            f"{suffix or 'no extension'!r}"
        )
    return SAMPLE_FORMATS[suffix]


def open_samples(path: Path) -> Samples:
    """Look at a sample file: its columns.

    Raises
    ------
    InvalidConfigurationError
        If the name ends in no known way.
    InvalidDataError
        If the file cannot be read, or is no sample file.
    """
    return TextSamples(path) if sample_format(path) == "csv" else Hdf5Samples(path)
