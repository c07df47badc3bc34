"""Uncompressed copies of the matrices that were selected, so that the next reading does not unpack them again.

A copy is one HDF5 file. Its name has a hash of everything that decides what is in it: the file with its size and the
time of its last change, the layout, the matrices, their wave vectors and angles, and the frames. The same is written
inside, in clear, and compared, so that neither a file of another origin nor a collision is taken for it. Values carry
checksums, which HDF5 verifies when it reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import CheckpointError, InvalidDataError
from wilks.store.files import written_whole
from wilks.store.hdf5 import hdf5_file
from wilks.xpcs.files.contents import size_text
from wilks.xpcs.files.hdf5 import opened
from wilks.xpcs.files.stored import StoredMatrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.xpcs.files.contents import FileContents
    from wilks.xpcs.files.selection import Selection

_FORMAT = 1
"""Changes when what is in a file of the cache does."""
_DATASET, _KEY = "c2", "key"
_CHUNK_BYTES = 1 << 22
_MARGIN = 1 << 20


def from_cache(
    folder: Path, contents: FileContents, selection: Selection, q: float | None, matrices: Sequence[Any]
) -> tuple[Sequence[Any], bool, list[str]]:
    """Return the matrices from the cache, were they there already?, and notes; they are copied there if they were not.

    What goes wrong with the cache is noted, and never in the way: then the matrices come back as they were given.
    """
    key = json.dumps(_key(contents, selection, q), sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = folder / f"{Path(contents.path).stem}-{digest}.h5"
    shape = (len(matrices), *matrices[0].shape)
    dtype = np.result_type(*(each.dtype for each in matrices))
    notes = []
    if _is_there(path):
        flaw = _flaw(path, key, shape, dtype)
        if flaw is None:
            return _stored(path, shape, dtype), True, []
        notes.append(f"The copy in the cache was not used and was made anew: {flaw}.")
    try:
        _write(path, key, shape, dtype, matrices)
    except CheckpointError as error:
        return matrices, False, [*notes, f"No copy was made in the cache: {error}."]
    return _stored(path, shape, dtype), False, notes


def _key(contents: FileContents, selection: Selection, q: float | None) -> dict[str, object]:
    path = Path(contents.path).resolve()
    state = path.stat()
    chosen = [contents.matrices[k] for k in selection.positions]
    return {
        "format": _FORMAT,
        "path": str(path),
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "layout": contents.layout,
        "keys": [each.key for each in chosen],
        "q": [each.q for each in chosen],
        "phi": [each.phi for each in chosen],
        "q_requested": None if q is None else float(q),
        "frames": list(selection.frames),
    }


def _is_there(path: Path) -> bool:
    """Is there such a file? Not for us, if its folder may not be entered: writing it will say so."""
    with contextlib.suppress(OSError):
        return path.exists()
    return False


def _flaw(path: Path, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
    """What is wrong with a file of the cache, or None."""
    try:
        with opened(path) as file:
            if file.attrs.get(_KEY) != key:
                return f"{path.name} holds something else"
            found = file.get(_DATASET)
            if (getattr(found, "shape", None), getattr(found, "dtype", None)) != (shape, dtype):
                return f"{path.name} does not hold {shape[0]} matrices of {shape[1]} frames"
    except (InvalidDataError, OSError) as error:
        return str(error)
    return None


def _write(path: Path, key: str, shape: tuple[int, ...], dtype: np.dtype[Any], matrices: Sequence[Any]) -> None:
    n_bytes = int(np.prod(shape)) * dtype.itemsize + _MARGIN
    rows = max(1, min(shape[1], _CHUNK_BYTES // (shape[2] * dtype.itemsize)))
    with written_whole(path, overwrite=True) as temporary:
        free = shutil.disk_usage(path.parent).free
        if free < n_bytes:
            raise CheckpointError(f"{path.parent}: {size_text(n_bytes)} are needed, and {size_text(free)} are free")
        with hdf5_file(temporary, "w") as file:
            file.attrs[_KEY] = key
            chunks = (1, rows, shape[2])
            dataset = file.create_dataset(_DATASET, shape, dtype, chunks=chunks, fletcher32=True)
            for k, matrix in enumerate(matrices):
                dataset[k] = np.asarray(matrix)


def _stored(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[StoredMatrix]:
    return [StoredMatrix(str(path), _DATASET, shape[1], dtype, (1, shape[1]), k) for k in range(shape[0])]
