"""One square matrix per angle, wherever it is kept, read when it is asked for.

The correlation matrices of an experiment may be a hundred times larger than what a fit keeps of them. They are
therefore not copied at construction: an array, a memory map, a dataset of an HDF5 file, or a list with one of these
per angle is looked at for its shape and type only, and then read angle by angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wilks.core.errors import InvalidDataError

Matrices = NDArray[np.generic] | Sequence[NDArray[np.generic]]
"""Array of shape (n_phi, n_t, n_t), or one array of shape (n_t, n_t) per angle; datasets of h5py count as arrays."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Matrices of all angles.

    Attributes
    ----------
    name
        What the user calls them, for messages.
    source
        Where they are.
    n_angles, n_t
        Number of matrices, and of rows and columns of each.
    dtype
        Common type of their elements.
    """

    name: str
    source: Matrices
    n_angles: int
    n_t: int
    dtype: np.dtype[Any]

    def read(self, angle: int) -> NDArray[Any]:
        """Matrix of one angle, shape (n_t, n_t): float32, float64 or bool; not a copy if it need not be one."""
        try:
            matrix = np.asarray(self.source[angle])
        except InvalidDataError:  # a reader of files has said what is wrong
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidDataError(
                f"{self.name} of angle {angle} (the first is 0) cannot be read: {error}. Is the file complete, and "
                "still open?"
            ) from error
        return matrix if matrix.dtype == self.dtype else matrix.astype(self.dtype)


def stack_of(name: str, source: object, kinds: str) -> Stack:
    """Check the shape and the type of `source`, reading nothing; `kinds` are the kinds of NumPy that are allowed."""
    if isinstance(source, list | tuple):
        shape, dtypes = _shape_of_list(name, source)
    else:
        shape, dtypes = _shape_of_array(name, source)
    for dtype in dtypes:
        if dtype.kind not in kinds:
            wanted = "True and False" if kinds == "b" else "real numbers"
            raise InvalidDataError(f"{name} must hold {wanted}, but its type is {dtype}")
    common = np.result_type(*dtypes)
    if common.kind != "b":
        common = np.dtype(np.float32 if common in (np.float16, np.float32) else np.float64)
    return Stack(name, cast("Matrices", source), shape[0], shape[1], common)


def _shape_of_array(name: str, source: object) -> tuple[tuple[int, ...], list[np.dtype[Any]]]:
    shape, dtype = getattr(source, "shape", None), getattr(source, "dtype", None)
    if shape is None or dtype is None:
        raise InvalidDataError(
            f"{name} must be an array of shape (n_phi, n_t, n_t), or a list with one matrix for every angle, but it is "
            f"{_kind(source)}"
        )
    if len(shape) == 2 and shape[0] == shape[1]:
        raise InvalidDataError(
            f"{name} has shape {shape}, expected (n_phi, n_t, n_t): one matrix for every angle. For a single angle "
            f"give [{name}]"
        )
    if len(shape) != 3 or shape[1] != shape[2] or shape[0] == 0:
        raise InvalidDataError(
            f"{name} has shape {shape}, expected (n_phi, n_t, n_t): one square matrix for every angle"
        )
    return tuple(shape), [np.dtype(dtype)]


def _shape_of_list(name: str, source: Sequence[object]) -> tuple[tuple[int, ...], list[np.dtype[Any]]]:
    if not source:
        raise InvalidDataError(f"{name} is empty, expected one matrix for every angle")
    shapes = [getattr(each, "shape", None) for each in source]
    first = shapes[0]
    for angle, shape in enumerate(shapes):
        if shape is None or len(shape) != 2 or shape[0] != shape[1]:
            got = _kind(source[angle]) if shape is None else f"of shape {shape}"
            raise InvalidDataError(
                f"{name} is a list and must hold one array of shape (n_t, n_t) for every angle, but its entry {angle} "
                f"is {got}"
            )
        if shape != first:
            raise InvalidDataError(
                f"the matrices of {name} must have one size, but entry 0 has shape {first} and entry {angle} {shape}"
            )
    return (len(source), *cast("tuple[int, int]", first)), [np.dtype(getattr(each, "dtype", object)) for each in source]


def _kind(value: object) -> str:
    return "missing (None)" if value is None else f"a {type(value).__name__}"
