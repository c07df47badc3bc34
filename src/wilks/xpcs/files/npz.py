"""NPZ files with the keys ``c2_exp``, ``phi_angles_list``, ``wavevector_q_list``, ``t1``, ``t2``, and maybe ``sigma``.

These are the caches of the package homodyne, what people write themselves with `numpy.savez`, and files of ours. An
NPZ file is a ZIP archive with one member for every array. A member that is stored as it is can be mapped into memory,
and its matrices are read when they are asked for. A compressed member cannot be entered in the middle: the matrices
that were selected are unpacked in one go, and then kept in memory.
"""

from __future__ import annotations

import contextlib
import json
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.lib import format as npy

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files.contents import FileContents, Matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MARKS = ("c2_exp", "phi_angles_list", "wavevector_q_list", "t1", "t2")
_C2, _PHI, _Q, _T1, _T2 = MARKS
_SIGMA, _METADATA = "sigma", "cache_metadata_json"
_LOCAL_HEADER = 30
"""Bytes of a local header of a ZIP archive before the name of the member; the lengths of what follows are at 26."""


@dataclass(frozen=True)
class _Member:
    """An array of the archive: what its header says, and where its values begin in the file, if they are there."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int | None


@dataclass(frozen=True)
class MappedMatrix:
    """Square window of an uncompressed array of an NPZ file, read anew each time it is made an array.

    Attributes
    ----------
    path
        The file.
    member
        Name of the array, of shape (m, n, n).
    index
        Position of the matrix in it.
    frames
        First and last frame of the window, counted from 1.
    dtype
        Type of the values as they are read.
    """

    path: str
    member: str
    index: int
    frames: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        n = self.frames[1] - self.frames[0] + 1
        return n, n

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's
        """Read the window; it is always a copy, so `copy` asks for nothing."""
        with _archive(self.path) as archive:
            member = _member(self.path, archive, self.member)
        window = slice(self.frames[0] - 1, self.frames[1])
        order: Literal["F", "C"] = "F" if member.fortran else "C"
        if member.offset is None or len(member.shape) != 3 or self.index >= member.shape[0]:
            raise InvalidDataError(f"{self.path}: the file was changed after it was looked at: read it again")
        mapped = np.memmap(self.path, member.dtype, mode="r", offset=member.offset, shape=member.shape, order=order)
        return np.array(mapped[self.index, window, window], dtype=self.dtype if dtype is None else dtype)


def contents(path: Path) -> FileContents:
    """Return what a file of this layout holds."""
    with _archive(path) as archive:
        c2 = _member(path, archive, _C2)
        if len(c2.shape) != 3 or c2.shape[1] != c2.shape[2] or c2.dtype.kind not in "fiu":
            raise InvalidDataError(
                f"{path}: {_C2} has shape {c2.shape} and type {c2.dtype}, expected real numbers of shape (n_phi, n_t, "
                "n_t): one matrix for every angle"
            )
        n_phi, n_t = c2.shape[:2]
        phi, q = _array(path, archive, _PHI).ravel(), _array(path, archive, _Q).ravel()
        times = _axis(path, _T1, _array(path, archive, _T1), n_t)
        if not np.allclose(times, _axis(path, _T2, _array(path, archive, _T2), n_t), rtol=1e-6):
            raise InvalidDataError(f"{path}: {_T1} and {_T2} are not the same times, expected those of the frames")
        notes = _cut_note(path, archive, times)
        compressed = archive.getinfo(f"{_C2}.npy").compress_type != zipfile.ZIP_STORED
    if len(q) == 1:
        q = np.repeat(q, n_phi)
    if (len(phi), len(q)) != (n_phi, n_phi):
        raise InvalidDataError(
            f"{path}: {n_phi} matrices in {_C2}, but {len(phi)} values in {_PHI} and {len(q)} in {_Q}: expected one "
            "angle and one q for every matrix, or one q for all"
        )
    matrices = tuple(Matrix(f"{_C2}[{k}]", float(q[k]), float(phi[k])) for k in range(n_phi))
    dt = float(np.median(np.diff(times)))
    compression = "deflate" if compressed else "none"
    return FileContents(str(path), "npz", matrices, n_t, c2.dtype, compression, dt, notes, times)


def matrices(path: str, name: str, chosen: Sequence[int], frames: tuple[int, int]) -> list[Any]:
    """Return windows of some matrices of the array `name`: mapped, or arrays if the file is compressed."""
    with _archive(path) as archive:
        member = _member(path, archive, name)
        native = member.dtype.newbyteorder("=")
        if member.offset is not None:
            return [MappedMatrix(path, name, k, frames, native) for k in chosen]
        window = slice(frames[0] - 1, frames[1])
        if member.fortran:  # the matrices lie interleaved
            whole = _array(path, archive, name, dtype=native)
            return [np.array(whole[k, window, window]) for k in chosen]
        unpacked = _unpacked(archive, name, member, frozenset(chosen))
        found = {k: np.array(matrix[window, window], dtype=native) for k, matrix in unpacked}
    return [found[k] for k in chosen]


def sigma_of(found: FileContents, chosen: Sequence[int], frames: tuple[int, int]) -> Any:  # noqa: ANN401 - three forms
    """Return standard deviations of some matrices, as `TwoTimeData` takes them, or None if the file has none."""
    path, n_phi = found.path, len(found.matrices)
    with _archive(path) as archive:
        if f"{_SIGMA}.npy" not in archive.namelist():
            return None
        shape = _member(path, archive, _SIGMA).shape
        if shape != (n_phi, found.n_t, found.n_t):
            given = _array(path, archive, _SIGMA).ravel() if len(shape) <= 1 else np.empty(0)
            if len(given) not in (1, n_phi):
                raise InvalidDataError(
                    f"{path}: {_SIGMA} has shape {shape} for {n_phi} matrices of {found.n_t} frames: expected one "
                    "number, one for every matrix, or one for every value"
                )
            return np.broadcast_to(given, n_phi)[list(chosen)]
    return matrices(path, _SIGMA, chosen, frames)


def names_in_archive(path: Path) -> list[str]:
    """Names of the arrays of an NPZ file."""
    with _archive(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


@contextlib.contextmanager
def _archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise InvalidDataError(f"{path}: there is no such file") from error
    except (OSError, RuntimeError, UnicodeDecodeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InvalidDataError(
            f"{path}: this NPZ file cannot be read ({error}): it is damaged or was copied incompletely; get it again"
        ) from error


def _member(path: str | Path, archive: zipfile.ZipFile, name: str) -> _Member:
    """Read the header of an array."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        there = ", ".join(each.removesuffix(".npy") for each in archive.namelist()) or "nothing"
        raise InvalidDataError(f"{path}: expected an array {name}, but the file holds {there}") from error
    with archive.open(info) as stream:
        try:
            shape, fortran, dtype = _header(stream)
        except (ValueError, tokenize.TokenError) as error:
            raise InvalidDataError(f"{path}: {name} is no NumPy array that can be read: {error}") from error
        n_header = stream.tell()
    if dtype.hasobject:
        raise InvalidDataError(
            f"{path}: {name} holds Python objects (pickles), which run code when they are read, so they are not: "
            "write it again as an array of numbers"
        )
    offset = None
    if info.compress_type == zipfile.ZIP_STORED:
        with Path(path).open("rb") as file:
            file.seek(info.header_offset + 26)
            lengths = file.read(4)
        n_name, n_extra = (int.from_bytes(lengths[i : i + 2], "little") for i in (0, 2))
        offset = info.header_offset + _LOCAL_HEADER + n_name + n_extra + n_header
    return _Member(shape, fortran, dtype, offset)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type, up to where the values begin."""
    return npy.read_array_header_1_0(stream) if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0(stream)


def _array(
    path: str | Path, archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any] | type[float] = np.float64
) -> NDArray[Any]:
    """Read a whole array of real numbers."""
    member = _member(path, archive, name)
    if member.dtype.kind not in "fiu":
        raise InvalidDataError(f"{path}: {name}: expected real numbers, but its type is {member.dtype}")
    with archive.open(f"{name}.npy") as stream:
        try:
            return np.asarray(npy.read_array(stream, allow_pickle=False), dtype=dtype)
        except ValueError as error:  # fewer values than the header says
            raise InvalidDataError(f"{path}: {name} cannot be read: {error}; the file is damaged") from error


def _unpacked(
    archive: zipfile.ZipFile, name: str, member: _Member, chosen: frozenset[int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Unpack the chosen matrices of an array one after the other, and the others between them without keeping them."""
    rows, columns = member.shape[1:]
    n_bytes = rows * columns * member.dtype.itemsize
    with archive.open(f"{name}.npy") as stream:
        _header(stream)
        for k in range(max(chosen) + 1):
            values = stream.read(n_bytes)
            if len(values) < n_bytes:
                raise EOFError(f"{name} ends in matrix {k}")
            if k in chosen:
                yield k, np.frombuffer(values, member.dtype).reshape(rows, columns)


def _axis(path: Path, name: str, times: NDArray[np.float64], n_t: int) -> NDArray[np.float64]:
    """Return the times of the frames, given as an axis, or as a grid in which they go along one direction."""
    while times.ndim > 2:
        times = times[0] if times.shape[0] else times.ravel()
    if times.ndim == 2:
        rows = times.shape[0] > 1 and bool((np.diff(times[:, 0]) > 0).all())
        axis = times[:, 0] if rows else times[0]
        if not (times == (axis[:, None] if rows else axis)).all():
            raise InvalidDataError(f"{path}: {name} is neither an axis nor a grid of one: its shape is {times.shape}")
        times = axis
    if times.shape != (n_t,) or not (np.diff(times) > 0).all():
        raise InvalidDataError(
            f"{path}: {name}: expected the {n_t} times of the frames in s, ascending, got {times.size} "
            f"({np.array2string(times.ravel()[:4], precision=4)} ...)"
        )
    return times


def _cut_note(path: Path, archive: zipfile.ZipFile, times: NDArray[np.float64]) -> tuple[str, ...]:
    """A note if frames were cut off when the file was written, and the times begin at 0 nevertheless."""
    if f"{_METADATA}.npy" not in archive.namelist():
        return ()
    member = _member(path, archive, _METADATA)
    if member.dtype.kind != "U":
        return ()
    with archive.open(f"{_METADATA}.npy") as stream:
        text = str(npy.read_array(stream, allow_pickle=False))
    try:
        metadata = json.loads(text)
    except json.JSONDecodeError:
        return ()  # nothing but this note depends on it
    first = metadata.get("start_frame") if isinstance(metadata, dict) else None
    if not isinstance(first, int) or first <= 1 or times[0] > 0:
        return ()
    note = (
        f"The file begins with frame {first} of the measurement, but its times begin at 0: powers of the time "
        "(alpha, beta) count from there. Read the original file to keep the origin of time."
    )
    return (note,)
