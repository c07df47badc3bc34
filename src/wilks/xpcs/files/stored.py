"""A correlation matrix that stays in its HDF5 file until it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.xpcs.files.hdf5 import missing_filter, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredMatrix:
    """Square window of a data set of an HDF5 file, read anew each time it is made an array.

    A value without an open file: it can be pickled and sent to other processes. The file is opened for each reading,
    and nothing but the window is read. Values that are not finite stay as they are: they count as not measured.

    Attributes
    ----------
    path
        The file.
    dataset
        Name of the data set in it, of shape (n, n), or (m, n, n) with an `index`.
    n_frames
        n, the frames of the matrix in the file.
    dtype
        Type of the values as they are read: real numbers in the byte order of the machine.
    frames
        First and last frame of the window, counted from 1.
    index
        Position in a data set with several matrices.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "run.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["c2"] = np.arange(16.0).reshape(4, 4)
    >>> matrix = StoredMatrix(str(path), "c2", 4, np.dtype(float), (2, 3))
    >>> matrix.shape
    (2, 2)
    >>> np.asarray(matrix)
    array([[ 5.,  6.],
           [ 9., 10.]])
    >>> folder.cleanup()
    """

    path: str
    dataset: str
    n_frames: int
    dtype: np.dtype[Any]
    frames: tuple[int, int]
    index: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        n = self.frames[1] - self.frames[0] + 1
        return n, n

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's
        """Read the window; it is always a copy, so `copy` asks for nothing."""
        with opened(self.path) as file:
            found = file.get(self.dataset)
            require_matrix(self.path, self.dataset, found, self.n_frames, self.index)
            window = slice(self.frames[0] - 1, self.frames[1])
            where = (window, window) if self.index is None else (self.index, window, window)
            needed = missing_filter(found)
            if needed is not None:
                raise InvalidDataError(
                    f"{self.path}: {self.dataset} is compressed with {needed}, and this installation of HDF5 has no "
                    "such filter: pip install hdf5plugin, which is then used, or h5repack -f GZIP=1 OLD NEW"
                )
            try:
                values = found[where]
            except (OSError, RuntimeError) as error:
                raise InvalidDataError(
                    f"{self.path}: {self.dataset} cannot be read ({error}): the file is damaged or was copied "
                    "incompletely; get it again (a file of a cache may be deleted)"
                ) from error
        return np.asarray(values, dtype=self.dtype if dtype is None else dtype)


def require_matrix(path: str, name: str, dataset: Any, n: int, index: int | None = None) -> None:  # noqa: ANN401
    """Check that a data set of h5py, or None, is a matrix of real numbers with n frames.

    Raises
    ------
    InvalidDataError
        If it is not.
    """
    if dataset is None:
        raise InvalidDataError(
            f"{path}: the data set {name} is missing or damaged, expected a matrix of {n} x {n} numbers"
        )
    shape, dtype = getattr(dataset, "shape", None), getattr(dataset, "dtype", None)
    if shape is None or dtype is None:
        raise InvalidDataError(f"{path}: {name} is a group, expected a matrix of {n} x {n} numbers")
    fits = shape == (n, n) if index is None else len(shape) == 3 and index < shape[0] and shape[1:] == (n, n)
    if not fits:
        raise InvalidDataError(
            f"{path}: {name} has shape {shape}, expected {n} x {n} numbers like the other matrices; leave this one out "
            "(angles=...), or have the file correlated again"
        )
    if dtype.kind not in "fiu":
        raise InvalidDataError(f"{path}: {name}: expected real numbers, but its type is {dtype}")
