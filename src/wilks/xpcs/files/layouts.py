"""The layouts that are known, and how a file is recognised as one of them.

A layout is: the names that files of it have, a function that says what a file holds, and one that gives matrices of
it, which are read later. To add one, write a module with these and list it in `LAYOUTS`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files import aps_old, aps_u, npz
from wilks.xpcs.files.hdf5 import opened, tree
from wilks.xpcs.files.stored import StoredMatrix, require_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wilks.xpcs.files.contents import FileContents

_HDF5, _NPZ = "HDF5", "NPZ"


@dataclass(frozen=True)
class Layout:
    """One way to keep two-time correlations in a file.

    Attributes
    ----------
    name
        What it is called.
    container
        ``"HDF5"`` or ``"NPZ"``.
    marks
        Names that must be there; the first one tells the layout from others.
    contents
        What a file holds.
    matrices
        Windows of some matrices: of the contents, the positions, and the first and last frame.
    sigma
        The same of their standard deviations; None if there are none.
    """

    name: str
    container: str
    marks: tuple[str, ...]
    contents: Callable[[Path], FileContents]
    matrices: Callable[[FileContents, Sequence[int], tuple[int, int]], list[Any]]
    sigma: Callable[[FileContents, Sequence[int], tuple[int, int]], Any]


def _stored(
    group: str, contents: FileContents, positions: Sequence[int], frames: tuple[int, int]
) -> list[StoredMatrix]:
    """Matrices of a group of an HDF5 file; only their descriptions are looked at."""
    found = []
    with opened(contents.path) as file:
        for k in positions:
            name = f"{group}/{contents.matrices[k].key}"
            dataset = file.get(name)
            require_matrix(contents.path, name, dataset, contents.n_t)
            native = dataset.dtype.newbyteorder("=")
            found.append(StoredMatrix(contents.path, name, contents.n_t, native, frames))
    return found


def _mapped(contents: FileContents, positions: Sequence[int], frames: tuple[int, int]) -> list[Any]:
    return npz.matrices(contents.path, npz.MARKS[0], positions, frames)


def _no_sigma(contents: FileContents, positions: Sequence[int], frames: tuple[int, int]) -> None:
    """These files have no standard deviations."""


LAYOUTS = (
    Layout("aps_u", _HDF5, aps_u.MARKS, aps_u.contents, functools.partial(_stored, aps_u.GROUP), _no_sigma),
    Layout("aps_old", _HDF5, aps_old.MARKS, aps_old.contents, functools.partial(_stored, aps_old.GROUP), _no_sigma),
    Layout("npz", _NPZ, npz.MARKS, npz.contents, _mapped, npz.sigma_of),
)
"""All of them; a file that could be several is the first."""


def layout_of(path: Path, name: str) -> Layout:
    """Return the layout called `name`, or with ``"auto"`` the one that a file has.

    Raises
    ------
    InvalidDataError
        If there is no such file, or it has none of the layouts.
    """
    container = _container(path)
    if name != "auto":
        layout = next(each for each in LAYOUTS if each.name == name)
        if layout.container != container:
            raise InvalidDataError(
                f"{path}: the layout {name} is one of {layout.container} files, and this is a file of {container}; "
                "leave out the layout to have it recognised"
            )
        return layout
    if container == _NPZ:
        there = npz.names_in_archive(path)
        shown = "  " + (", ".join(there) or "nothing")
    else:
        with opened(path) as file:
            there = [mark for each in LAYOUTS for mark in each.marks if file.get(mark) is not None]
            shown = tree(file)
    candidates = [each for each in LAYOUTS if each.container == container]
    for layout in candidates:
        if layout.marks[0] in there:
            return layout
    wanted = "\n".join(f"  {each.name}: {_state(each, there)}" for each in candidates)
    raise InvalidDataError(
        f"{path}: this {container} file has none of the known layouts. Looked for:\n{wanted}\nfound:\n{shown}"
    )


def _state(layout: Layout, there: Sequence[str]) -> str:
    return ", ".join(mark if mark not in there else f"{mark} (there)" for mark in layout.marks)


def _container(path: Path) -> str:
    """Kind of a file, by its content."""
    import h5py

    try:
        if path.is_dir():
            raise InvalidDataError(f"{path}: this is a folder, expected a file with two-time correlations")
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise InvalidDataError(f"{path}: there is no such file (looked in {Path.cwd()})") from error
    except OSError as error:
        raise InvalidDataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start.startswith(b"PK"):
        return _NPZ
    if h5py.is_hdf5(path):
        return _HDF5
    if not start:
        raise InvalidDataError(f"{path}: the file is empty")
    single = start.startswith(b"\x93NUMPY")
    hint = f" (but a single NumPy array; write an NPZ file with {', '.join(npz.MARKS)})" if single else ""
    raise InvalidDataError(f"{path}: this is neither an HDF5 nor an NPZ file{hint}; its first bytes are {start!r}")
