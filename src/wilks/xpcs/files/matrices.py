"""A matrix of a measurement as a file takes it: both halves, and NaN for what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.storage import storage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.data import TwoTimeData


def as_measured(data: TwoTimeData, angle: int) -> NDArray[np.floating]:
    """Matrix of one angle in its own precision, NaN where it is masked or was not measured; halves as they are.

    Of a matrix that was stored as one half the other half is filled up.

    Examples
    --------
    >>> from wilks.xpcs import TwoTimeData
    >>> half = np.array([[2.0, 1.3, 1.2], [0, 2.0, 1.4], [0, 0, 2.0]])
    >>> mask = np.array([[True, True, False]] * 3)
    >>> as_measured(TwoTimeData([half], t=[0, 1, 2], phi=[0], q=0.01, mask=mask), 0)
    array([[2. , 1.3, nan],
           [1.3, 2. , nan],
           [nan, nan, nan]])
    """
    matrix = np.array(data.read_c2(angle))
    storage = storage_of(matrix)
    if storage == "dead":
        return np.full_like(matrix, np.nan)
    known = np.isfinite(matrix)
    mask = data.read_mask(angle)
    if mask is not None:
        known &= mask
    if storage == "upper":
        known = np.triu(known)
    elif storage == "lower":
        known = np.tril(known)
    matrix[~known] = np.nan
    return matrix if storage == "full" else np.where(known, matrix, matrix.T)


def symmetric(data: TwoTimeData, angle: int) -> NDArray[np.floating]:
    """The same as a symmetric matrix, independent halves averaged.

    Examples
    --------
    >>> from wilks.xpcs import TwoTimeData
    >>> c2 = np.array([[2.0, 1.3, 1.2], [1.5, 2.0, np.nan], [1.2, 1.4, 2.0]])
    >>> symmetric(TwoTimeData([c2], t=[0, 1, 2], phi=[0], q=0.01), 0)
    array([[2. , 1.4, 1.2],
           [1.4, 2. , 1.4],
           [1.2, 1.4, 2. ]])
    """
    matrix = as_measured(data, angle)
    other = matrix.T
    return np.where(np.isnan(matrix), other, np.where(np.isnan(other), matrix, (matrix + other) / 2))
