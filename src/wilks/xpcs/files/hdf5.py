"""HDF5 files of beamlines, read with errors that say which file, which data set, and what to do."""

from __future__ import annotations

import contextlib
import errno
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FILTERS = {
    1: "gzip", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle",
    32013: "zfp", 32015: "zstd", 32017: "sz", 32026: "blosc2",
}  # fmt: skip
_HELPERS = (2, 3)
"""Shuffle and Fletcher32 compress nothing."""
_MAX_TREE = 24


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open an HDF5 file to read.

    Raises
    ------
    InvalidDataError
        If it is none, or cannot be opened.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if not Path(path).is_file():
            raise InvalidDataError(f"{path}: there is no such file") from error
        if not h5py.is_hdf5(path):
            raise InvalidDataError(f"{path}: this is no HDF5 file") from error
        raise InvalidDataError(f"{path}: this HDF5 file cannot be opened ({error}): {_cause(error)}") from error
    with file:
        try:
            yield file
        except InvalidDataError:
            raise
        except (OSError, RuntimeError, ValueError) as error:  # from the library, where the structure is damaged
            raise InvalidDataError(f"{path}: this HDF5 file is damaged ({error}); get it again") from error


def _cause(error: OSError) -> str:
    if error.errno == errno.EAGAIN:
        return "another program has it open for writing; wait until it has closed it, or read a copy"
    if error.errno == errno.ENOLCK:
        return "its file system has no locks; set the environment variable HDF5_USE_FILE_LOCKING=FALSE"
    return "it is damaged or was copied incompletely; get it again"


def numbers(file: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401 - h5py has no types
    """Return a small data set of numbers, as one row.

    Raises
    ------
    InvalidDataError
        If it is missing, cannot be read, or does not hold numbers.
    """
    dataset = file.get(name)
    if dataset is None or not hasattr(dataset, "shape"):
        got = "it is missing" if dataset is None else "it is none"
        raise InvalidDataError(f"{file.filename}: expected a data set {name}, but {got}; the file holds:\n{tree(file)}")
    if dataset.dtype.kind not in "fiu":
        raise InvalidDataError(f"{file.filename}: {name}: expected numbers, but its type is {dataset.dtype}")
    try:
        return np.asarray(dataset[()], dtype=np.float64).ravel()
    except (OSError, RuntimeError) as error:
        raise InvalidDataError(f"{file.filename}: {name}: cannot be read ({error}): the file is damaged") from error


def frame_interval(file: Any, time: str, factors: tuple[str, ...]) -> tuple[float | None, list[str]]:  # noqa: ANN401
    """Return the time between two frames of the matrices in s, or None, and notes.

    The correlator may have taken every n-th frame of the detector, and averages of m of them: the interval is the one
    of the detector, `time`, multiplied with the `factors`. A factor that is missing is 1. What is there and is not one
    positive number leaves the interval unknown: whoever reads the file has to give it.
    """
    if file.get(time) is None:
        return None, []
    interval, notes = 1.0, []
    for name in (time, *factors):
        if file.get(name) is None:
            notes.append(f"{name} is not in the file and was taken as 1; it multiplies the time between frames.")
            continue
        dataset = file[name]
        known = hasattr(dataset, "shape") and dataset.dtype.kind in "fiu"
        values = np.unique(numbers(file, name)) if known else np.empty(0)
        if len(values) != 1 or not 0 < values[0] < np.inf:
            return None, [f"{name} is not one positive number, so the time between frames is not known from the file."]
        interval *= float(values[0])
    return interval, notes


def names_in(file: Any, group: str) -> list[str]:  # noqa: ANN401 - h5py has no types
    """Return the names in a group.

    Raises
    ------
    InvalidDataError
        If it is missing, no group, or empty.
    """
    found = file.get(group)
    if not hasattr(found, "keys"):
        got = "it is missing" if found is None else "it is a data set"
        raise InvalidDataError(
            f"{file.filename}: expected the group {group} with the matrices, but {got}; the file holds:\n{tree(file)}"
        )
    names = list(found.keys())
    if not names:
        raise InvalidDataError(f"{file.filename}: the group {group} is empty, expected the matrices in it")
    return names


def survey(file: Any, group: str, names: list[str]) -> tuple[int, np.dtype[Any], str, list[str]]:  # noqa: ANN401
    """Return size, type and compression of the matrices of a group, and notes on those that are not like the others.

    Only the descriptions of the data sets are looked at.
    """
    shapes = [getattr(file[group].get(name), "shape", None) for name in names]
    square = [shape for shape in shapes if shape is not None and len(shape) == 2 and shape[0] == shape[1]]
    if not square:
        raise InvalidDataError(
            f"{file.filename}: {group}: expected square matrices, but {names[0]} "
            + ("cannot be found" if shapes[0] is None else f"has shape {shapes[0]}")
        )
    usual = max(set(square), key=square.count)
    odd = [name for name, shape in zip(names, shapes, strict=True) if shape != usual]
    notes = [f"{len(odd)} of {len(names)} matrices are not {usual} like the others: {_some(odd)}."] if odd else []
    first = file[group][names[shapes.index(usual)]]
    return int(usual[0]), first.dtype, compression_of(first), notes


def compression_of(dataset: Any) -> str:  # noqa: ANN401 - h5py has no types
    """Name of the filters that compress a data set, or ``"none"``."""
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    return " + ".join(_filter_name(code) for code in codes if code not in _HELPERS) or "none"


def missing_filter(dataset: Any) -> str | None:  # noqa: ANN401 - h5py has no types
    """Name of a filter that a data set needs and that cannot be loaded, or None.

    The package hdf5plugin, which brings the filters that HDF5 does not, is loaded if it is installed.
    """
    import h5py

    plist = dataset.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        code = plist.get_filter(i)[0]
        if not h5py.h5z.filter_avail(code):
            with contextlib.suppress(ImportError):
                importlib.import_module("hdf5plugin")
            if not h5py.h5z.filter_avail(code):
                return _filter_name(code)
    return None


def _filter_name(code: int) -> str:
    return _FILTERS.get(code, f"filter {code}")


def tree(file: Any, max_depth: int = 2) -> str:  # noqa: ANN401 - h5py has no types
    """Top of the tree of a file, as indented text."""
    lines: list[str] = []

    def add(group: Any, depth: int) -> None:  # noqa: ANN401 - h5py has no types
        for name in group:
            if len(lines) >= _MAX_TREE:
                break
            each = group.get(name)
            shape = getattr(each, "shape", None)
            lines.append(f"{'  ' * (depth + 1)}{name}" + ("/" if shape is None else f" {shape}"))
            if shape is None and depth + 1 < max_depth and hasattr(each, "keys"):
                add(each, depth + 1)

    add(file, 0)
    if len(lines) >= _MAX_TREE:
        lines.append("  ...")
    return "\n".join(lines) or "  nothing"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
