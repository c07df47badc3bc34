"""Order data so that every chunk of them holds every angle.

A solver that goes through the data chunk by chunk sees no slope for the contrast of an angle that a chunk lacks. The
engine of `wilks.xpcs` needs none of this: it sums every angle up on its own. These functions are for solvers that do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne.strategies.chunk_memory import (
    calculate_adaptive_chunk_size,
    estimate_nlsq_optimization_memory,
    estimate_stratification_memory,
)
from wilks.facades.homodyne.strategies.chunk_report import (
    StratificationDiagnostics,
    compute_stratification_diagnostics,
    format_diagnostics_report,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Arrays = NDArray[np.float64]

__all__ = [
    "AngleDistributionStats",
    "StratificationDiagnostics",
    "StratifiedIndexIterator",
    "analyze_angle_distribution",
    "calculate_adaptive_chunk_size",
    "compute_stratification_diagnostics",
    "create_angle_stratified_data",
    "create_angle_stratified_indices",
    "estimate_nlsq_optimization_memory",
    "estimate_stratification_memory",
    "format_diagnostics_report",
    "get_stratified_chunk_iterator",
    "should_use_stratification",
]

_BALANCED = 5.0
_LARGE = 100_000


@dataclass(frozen=True, eq=False)
class AngleDistributionStats:
    """How many points each angle has.

    Attributes
    ----------
    unique_angles
        Ascending, shape (n_angles,).
    n_angles
        Their number.
    counts, fractions
        Angle -> number of its points, and part of all.
    imbalance_ratio
        Most over fewest points.
    min_angle, max_angle
        Angles with fewest and with most points.
    is_balanced
        Is the ratio below 5?
    """

    unique_angles: Arrays
    n_angles: int
    counts: dict[float, int]
    fractions: dict[float, float]
    imbalance_ratio: float
    min_angle: float
    max_angle: float
    is_balanced: bool


@dataclass(frozen=True, eq=False)
class StratifiedData:
    """Points in an order in which every chunk holds every angle; unpacks into the four arrays.

    Attributes
    ----------
    phi, t1, t2, g2
        The points, shape (n,).
    chunk_sizes
        Number of points of each chunk.
    """

    phi: Arrays
    t1: Arrays
    t2: Arrays
    g2: Arrays
    chunk_sizes: list[int]

    def __iter__(self) -> Iterator[Arrays]:
        """Go through the four arrays."""
        return iter((self.phi, self.t1, self.t2, self.g2))


class StratifiedIndexIterator:
    """Goes through the positions of the points, chunk by chunk; more than once, if wanted.

    Parameters
    ----------
    indices
        Positions of all points, chunk after chunk.
    chunk_sizes
        Number of points of each chunk.

    Examples
    --------
    >>> [chunk.tolist() for chunk in StratifiedIndexIterator(np.array([0, 2, 1, 3]), [2, 2])]
    [[0, 2], [1, 3]]
    """

    indices: NDArray[np.intp]

    def __init__(self, indices: ArrayLike, chunk_sizes: list[int]) -> None:
        self.indices = np.asarray(indices, dtype=np.intp)
        self.chunk_sizes = list(chunk_sizes)
        if sum(self.chunk_sizes) != len(self.indices):
            raise InvalidConfigurationError(
                f"chunk_sizes: expected a sum of {len(self.indices)}, the number of indices, got {sum(chunk_sizes)}"
            )

    def __len__(self) -> int:
        return len(self.chunk_sizes)

    def __iter__(self) -> Iterator[NDArray[np.intp]]:
        """Go through the chunks."""
        ends = np.cumsum(self.chunk_sizes)
        return iter(np.split(self.indices, ends[:-1]))


def analyze_angle_distribution(phi: ArrayLike) -> AngleDistributionStats:
    """Count the points of each angle.

    Parameters
    ----------
    phi
        Angle of each point, in degrees or radians, shape (n,).

    Raises
    ------
    InvalidDataError
        If there is none, or one is not finite.

    Examples
    --------
    >>> stats = analyze_angle_distribution(np.array([0, 0, 45, 45, 90]))
    >>> stats.imbalance_ratio, stats.is_balanced, stats.min_angle
    (2.0, True, 90.0)
    """
    given = _angles(phi)
    angles, counts = np.unique(given, return_counts=True)
    ratio = float(counts.max() / counts.min())
    return AngleDistributionStats(
        angles,
        len(angles),
        dict(zip(angles.tolist(), counts.tolist(), strict=True)),
        dict(zip(angles.tolist(), (counts / len(given)).tolist(), strict=True)),
        ratio,
        float(angles[counts.argmin()]),
        float(angles[counts.argmax()]),
        ratio < _BALANCED,
    )


def create_angle_stratified_data(
    phi: ArrayLike, t1: ArrayLike, t2: ArrayLike, g2_exp: ArrayLike, target_chunk_size: int = 100_000
) -> StratifiedData:
    """Order points so that every chunk holds as many of each angle; angles with fewer points begin anew.

    Points of these angles are there more than once, and weigh more in a sum over all: with angles that have different
    numbers of points take `create_angle_stratified_indices`, which repeats none.

    Parameters
    ----------
    phi, t1, t2, g2_exp
        Angle, times and value of each point, shape (n,).
    target_chunk_size
        Number of points that a chunk should have.

    Returns
    -------
    StratifiedData
        Unpacks into the four arrays; the sizes of the chunks are its ``chunk_sizes``.

    Raises
    ------
    InvalidDataError
        If the arrays have different lengths, or no point.

    Examples
    --------
    >>> phi = np.repeat([0.0, 90.0], 4)
    >>> t, g2 = np.tile(np.arange(4.0), 2), np.ones(8)
    >>> phi_s, t1_s, t2_s, g2_s = create_angle_stratified_data(phi, t, t, g2, target_chunk_size=4)
    >>> phi_s.tolist()
    [0.0, 0.0, 90.0, 90.0, 0.0, 0.0, 90.0, 90.0]
    """
    given = _angles(phi)
    columns = [given, *(np.asarray(each, dtype=float).ravel() for each in (t1, t2, g2_exp))]
    if len({column.size for column in columns}) != 1:
        raise InvalidDataError(
            f"phi, t1, t2, g2_exp: expected the same number of values, got {[column.size for column in columns]}"
        )
    groups = _groups(given)
    largest = max(len(group) for group in groups)
    per_angle = max(1, _checked_size(target_chunk_size) // len(groups))
    parts = np.array_split(np.arange(largest), -(-largest // per_angle))
    chunks = [np.concatenate([group[part % len(group)] for group in groups]) for part in parts]
    order = np.concatenate(chunks)
    phi_s, t1_s, t2_s, g2_s = (column[order] for column in columns)
    return StratifiedData(phi_s, t1_s, t2_s, g2_s, [len(chunk) for chunk in chunks])


def create_angle_stratified_indices(
    phi: ArrayLike, target_chunk_size: int = 100_000
) -> tuple[NDArray[np.intp], list[int]]:
    """Return an order in which every chunk holds its part of each angle; every point is there once.

    Parameters
    ----------
    phi
        Angle of each point, shape (n,).
    target_chunk_size
        Number of points that a chunk should have. An angle with fewer points than there are chunks is not in all.

    Returns
    -------
    indices, chunk_sizes
        Positions of the points in the new order, shape (n,), and the number of points of each chunk.

    Examples
    --------
    >>> create_angle_stratified_indices(np.repeat([0.0, 90.0], 4), target_chunk_size=4)
    (array([0, 2, 4, 6, 1, 3, 5, 7]), [4, 4])
    """
    given = _angles(phi)
    n_chunks = max(1, round(len(given) / _checked_size(target_chunk_size)))
    groups = _groups(given)
    chunks = [np.concatenate([group[first::n_chunks] for group in groups]) for first in range(n_chunks)]
    return np.concatenate(chunks), [len(chunk) for chunk in chunks]


def get_stratified_chunk_iterator(phi: ArrayLike, target_chunk_size: int = 100_000) -> StratifiedIndexIterator:
    """Go through positions of points, chunk by chunk, in the order of `create_angle_stratified_indices`.

    Examples
    --------
    >>> for chunk in get_stratified_chunk_iterator(np.repeat([0.0, 90.0], 2), target_chunk_size=2):
    ...     chunk.tolist()
    [0, 2]
    [1, 3]
    """
    return StratifiedIndexIterator(*create_angle_stratified_indices(phi, target_chunk_size))


def should_use_stratification(
    n_points: int, n_angles: int, per_angle_scaling: bool, imbalance_ratio: float
) -> tuple[bool, str]:
    """Say whether a solver that takes chunks needs the angles in all of them, and why.

    Parameters
    ----------
    n_points, n_angles
        Numbers of points and of angles.
    per_angle_scaling
        Has every angle a contrast and an offset of its own?
    imbalance_ratio
        Most over fewest points of an angle.

    Examples
    --------
    >>> should_use_stratification(3_000_000, 3, True, 2.5)
    (True, 'Large dataset with balanced angles')
    """
    if n_points < _LARGE:
        return False, f"Small dataset ({n_points} points): no chunks"
    if not per_angle_scaling:
        return False, "No scaling per angle: any chunks will do"
    if n_angles < 2:
        return False, "A single angle: every chunk holds it"
    if imbalance_ratio > _BALANCED:
        return False, f"Imbalance of angles ({imbalance_ratio:.1f}): fit them one after another"
    return True, "Large dataset with balanced angles"


def _groups(phi: Arrays) -> list[NDArray[np.intp]]:
    """Positions of the points of each angle, angles ascending."""
    order = np.argsort(phi, kind="stable")
    _, first = np.unique(phi[order], return_index=True)
    return list(np.split(order, first[1:]))


def _angles(phi: ArrayLike) -> Arrays:
    given = np.asarray(phi, dtype=float).ravel()
    if not given.size or not np.isfinite(given).all():
        raise InvalidDataError(f"phi: expected the finite angle of every point, at least one, got {given!r:.120}")
    return given


def _checked_size(target_chunk_size: int) -> int:
    if isinstance(target_chunk_size, bool) or target_chunk_size < 1:
        raise InvalidConfigurationError(f"target_chunk_size: expected an integer >= 1, got {target_chunk_size!r}")
    return int(target_chunk_size)
