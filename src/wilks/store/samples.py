"""Sample files: one row per evaluation, the parameters (theta), the log-likelihood and the phase.

Two formats: text without a header, every number as ``%.10e`` and ``", "`` between them; and HDF5 with the same columns
in the dataset ``samples``. Both are written and read a block at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.core.proposal import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from wilks.store.rows import Arrays

DATASET = "samples"
_CHUNK_ROWS = 4096


def as_rows(block: Arrays) -> NDArray[np.float64]:
    """One block of a log as the rows of a sample file, shape (n, dimension + 2)."""
    return np.column_stack([block["thetas"], block["log_likelihoods"], block["phases"].astype(float)])


def write_csv(path: Path, blocks: Iterable[NDArray[np.float64]]) -> None:
    """Write rows as text."""
    with path.open("w", encoding="ascii") as file:
        for block in blocks:
            line = ", ".join(["%.10e"] * block.shape[1]) + "\n"
            file.write((line * len(block)) % tuple(block.ravel().tolist()))


def write_hdf5(
    path: Path, blocks: Iterable[NDArray[np.float64]], columns: Sequence[str], attributes: dict[str, Any]
) -> None:
    """Write rows to a dataset that has the names of its columns and further attributes with it."""
    import h5py

    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            DATASET, (0, len(columns)), "<f8", maxshape=(None, len(columns)), chunks=(_CHUNK_ROWS, len(columns))
        )
        dataset.attrs["columns"] = list(columns)
        for name, value in attributes.items():
            dataset.attrs[name] = value
        n = 0
        for block in blocks:
            dataset.resize(n + len(block), axis=0)
            dataset[n:] = block
            n += len(block)


def read_csv(path: Path) -> NDArray[np.float64]:
    """Read rows of text, shape (n, columns)."""
    if not path.stat().st_size:
        return np.empty((0, 0))
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise InvalidDataError(
            f"{path}: expected lines of numbers with commas between them, without a header: {error}"
        ) from None


def read_hdf5(path: Path) -> tuple[NDArray[np.float64], list[str] | None]:
    """Read rows and, when they are recorded, the names of the columns."""
    import h5py

    with h5py.File(path, "r") as file:
        dataset = file.get(DATASET)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 2:
            raise InvalidDataError(
                f"{path}: expected a two-dimensional dataset {DATASET!r}, found {', '.join(file) or 'nothing'}"
            )
        columns = dataset.attrs.get("columns")
        return np.asarray(dataset[()], dtype=float), None if columns is None else [str(name) for name in columns]


def arrange(rows: NDArray[np.float64], names: Sequence[str], columns: list[str] | None, path: Path) -> Arrays:
    """Rows of a sample file as arrays whose columns are the parameters `names`, in that order."""
    n_free = len(names)
    if not rows.size:
        rows = np.empty((0, n_free + 2))
    if rows.shape[1] not in (n_free + 1, n_free + 2):
        raise InvalidDataError(
            f"{path}: expected {n_free + 2} columns ({', '.join(names)}, log_likelihood, phase), or one less without "
            f"the phase, got {rows.shape[1]}"
        )
    order = list(range(n_free))
    if columns is not None:
        if sorted(columns[:n_free]) != sorted(names):
            raise InvalidDataError(
                f"{path}: holds the parameters {', '.join(columns[:n_free])}; expected {', '.join(names)}"
            )
        order = [columns.index(name) for name in names]
    has_phase = rows.shape[1] == n_free + 2
    phases = rows[:, n_free + 1].astype(np.int8) if has_phase else np.full(len(rows), int(Phase.UNKNOWN), np.int8)
    return {"thetas": rows[:, order], "log_likelihoods": rows[:, n_free].copy(), "phases": phases}
