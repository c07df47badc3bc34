"""Evaluations as raw little-endian columns, and back: what both kinds of log store.

Columns are kept whole instead of row by row: a batch of any size costs the same few operations, and columns of many
small batches are joined before they become arrays.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.core.proposal import Evaluations, EvaluationStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

# Short columns first: a reader of the statuses alone never touches the pages that hold the points.
COLUMNS: dict[str, np.dtype[Any]] = {
    "statuses": np.dtype("<i1"),
    "phases": np.dtype("<i1"),
    "workers": np.dtype("<i4"),
    "seconds": np.dtype("<f4"),
    "ids": np.dtype("<i8"),
    "log_likelihoods": np.dtype("<f8"),
    "thetas": np.dtype("<f8"),
}
FAILURES = (int(EvaluationStatus.FAILED), int(EvaluationStatus.LOST))
"""Statuses of points that went wrong; an excluded point or a violated constraint is an answer."""

MAX_TEXTS = 1000
"""Error texts kept per stage; a likelihood that always fails must not fill the disk with one traceback."""
_MAX_TEXT_BYTES = 20_000
_MAX_RUN_BYTES = 2**26
"""Payloads that are stored in one piece; a residual vector may have millions of entries."""


class RecordedFailure(NamedTuple):
    """One failed evaluation: its number within its stage, its point, its status and what happened."""

    row: int
    theta: bytes
    status: int
    text: str


def pack(evaluations: Evaluations) -> list[bytes]:
    """Return the bytes of every column, in the order of `COLUMNS`.

    Raises
    ------
    InvalidDataError
        If the columns have different lengths.
    """
    n = len(evaluations.ids)
    blobs = []
    for name, dtype in COLUMNS.items():
        column = getattr(evaluations, name)
        if len(column) != n:
            raise InvalidDataError(f"evaluations: expected {n} {name}, one per id, got {len(column)}")
        blobs.append(column.astype(dtype, copy=False).tobytes())
    return blobs


def checksum(blobs: Iterable[bytes]) -> int:
    """CRC-32 over all columns of a batch."""
    return zlib.crc32(b"".join(blobs))


def unpack(columns: Sequence[Sequence[bytes | bytearray]], dimension: int) -> Arrays:
    """Join the pieces of every column, in the order of `COLUMNS`, into writable arrays."""
    arrays: Arrays = {
        name: np.frombuffer(bytearray().join(pieces), dtype)
        for (name, dtype), pieces in zip(COLUMNS.items(), columns, strict=True)
    }
    arrays["thetas"] = arrays["thetas"].reshape(len(arrays["ids"]), dimension)
    return arrays


def to_evaluations(arrays: Arrays, payloads: Mapping[int, NDArray[np.float64]], errors: dict[int, str]) -> Evaluations:
    """Columns, payloads by position and error texts by position -> the evaluations that were committed."""
    n = len(arrays["ids"])
    listed = [payloads.get(position) for position in range(n)] if payloads else None
    return Evaluations(**{name: arrays[name] for name in COLUMNS}, payloads=listed, errors=errors)


def payloads_of(evaluations: Evaluations, first_row: int) -> list[tuple[int, NDArray[np.float64]]]:
    """Copies of the payloads: runs of neighbours of one shape, stacked, each with its first row in the stage."""
    runs: list[tuple[int, list[NDArray[np.float64]]]] = []
    room, shape = 0, None
    for row, payload in enumerate(evaluations.payloads or [], start=first_row):
        if payload is None:
            shape = None
            continue
        if payload.shape != shape or payload.nbytes > room:
            runs.append((row, []))
            room, shape = _MAX_RUN_BYTES, payload.shape
        runs[-1][1].append(payload)
        room -= payload.nbytes
    return [(row, np.array(run, dtype="<f8")) for row, run in runs]


def by_position(runs: Iterable[tuple[int, NDArray[np.float64]]], first_row: int) -> dict[int, NDArray[np.float64]]:
    """Payloads by their position after `first_row`, from the runs of `payloads_of`."""
    return {row - first_row + i: payload for row, run in runs for i, payload in enumerate(run)}


def failures_of(evaluations: Evaluations, first_row: int, n_known: int) -> list[RecordedFailure]:
    """The failures to record, as far as a stage with `n_known` recorded ones has room for more."""
    positions = sorted(evaluations.errors)[: max(MAX_TEXTS - n_known, 0)]
    return [
        RecordedFailure(
            first_row + position,
            evaluations.thetas[position].astype("<f8", copy=False).tobytes(),
            int(evaluations.statuses[position]),
            _cut(evaluations.errors[position]),
        )
        for position in positions
    ]


def _cut(text: str) -> str:
    """Keep the end of a long text: the last lines of a traceback say what went wrong."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= _MAX_TEXT_BYTES:
        return raw.decode()
    mark = f"[the first {len(raw) - _MAX_TEXT_BYTES} bytes are cut]\n"
    return mark + raw[-_MAX_TEXT_BYTES:].decode(errors="ignore")


def best_position(log_likelihoods: NDArray[np.float64]) -> int | None:
    """Position of the largest finite value, the first of equals; None when there is none."""
    finite = np.isfinite(log_likelihoods)
    if not finite.any():
        return None
    return int(np.argmax(np.where(finite, log_likelihoods, -np.inf)))


def no_rows(dimension: int) -> Arrays:
    """The arrays of a log without evaluations."""
    empty: Arrays = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items() if name != "ids"}
    empty["thetas"] = np.empty((0, dimension))
    empty["stages"] = np.empty(0, np.int32)
    return empty


def of_stages(block: Arrays, stages: Sequence[int]) -> Arrays:
    """The rows of some stages."""
    mine = np.isin(block["stages"], stages)
    return {name: column[mine] for name, column in block.items()}
