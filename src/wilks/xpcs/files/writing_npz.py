"""NPZ files with the names of the cache files of the package homodyne; `npz` says what they are, for reading."""

from __future__ import annotations

import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files.matrices import as_measured
from wilks.xpcs.files.npz import MARKS
from wilks.xpcs.storage import filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from wilks.xpcs.data import TwoTimeData

_C2, _PHI, _Q, _T1, _T2 = MARKS


def write_npz(path: Path, measurements: Sequence[TwoTimeData], *, compressed: bool) -> None:
    """Write all matrices as one array, one after the other."""
    kind = np.dtype(np.float32 if all(data.is_float32 for data in measurements) else np.float64)
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    places = [(data, k) for data in measurements for k in range(data.n_phi)]
    size = measurements[0].n_t
    shape = (len(places), size, size)
    n_given = sum(data.sigma is not None for data in measurements)
    if n_given not in (0, len(measurements)):
        raise InvalidDataError(
            f"write: {n_given} of {len(measurements)} measurements have a sigma: give it to all of a file, or to none"
        )
    with zipfile.ZipFile(path, "w") as archive:
        arrays = {
            _PHI: np.concatenate([data.phi for data in measurements]),
            _Q: np.concatenate([np.full(data.n_phi, data.q) for data in measurements]),
            _T1: measurements[0].t,
            _T2: measurements[0].t,
        }
        per_value = any(data.has_sigma_per_value for data in measurements)
        if n_given and not per_value:
            arrays["sigma"] = np.array([data.read_sigma(k) for data, k in places], dtype=float)
        for name, array in arrays.items():
            with _member(archive, name, how) as stream:
                npy.write_array(stream, array, allow_pickle=False)
        with _member(archive, _C2, how) as stream:
            _write_matrices(stream, shape, kind, (as_measured(data, k) for data, k in places))
        if per_value:
            with _member(archive, "sigma", how) as stream:
                _write_matrices(stream, shape, kind, (_sigma(data, k) for data, k in places))


def _member(archive: zipfile.ZipFile, name: str, how: int) -> IO[bytes]:
    """A file of the archive, with a fixed date: the same data give the same bytes."""
    described = zipfile.ZipInfo(f"{name}.npy")
    described.compress_type = how
    return archive.open(described, "w", force_zip64=True)


def _sigma(data: TwoTimeData, angle: int) -> NDArray[np.floating]:
    given = data.read_sigma(angle)
    if isinstance(given, np.ndarray):
        return filled(given)
    return np.full((data.n_t, data.n_t), given, dtype=float)


def _write_matrices(
    stream: IO[bytes], shape: tuple[int, int, int], kind: np.dtype[Any], matrices: Iterable[NDArray[np.floating]]
) -> None:
    """Write one array of the archive, matrix by matrix."""
    header = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, header)
    for matrix in matrices:
        stream.write(np.ascontiguousarray(matrix, dtype=kind).data)
