"""Pooled points, checked and folded, and how they are split into shards.

The loader of homodyne mirrors every correlation matrix, so that its pooled points hold every pair of times twice: as
(t1, t2) and as (t2, t1). The two are one measurement, and a likelihood that counts both has intervals that are too
short by the square root of two. Here every pair is there once, with the earlier time first: the number of points is
that of the independent ones. Where both halves were measured on their own, the value of a pair is the mean of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.facades.homodyne.points import Points, TimeAxis
from wilks.samplers.consensus.sharding import split
from wilks.xpcs.parameters import check_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.xpcs.data import TwoTimeData

    Arrays = NDArray[np.float64]

__all__ = [
    "PreparedData",
    "compute_data_statistics",
    "create_xdata_dict",
    "estimate_noise_scale",
    "extract_phi_info",
    "prepare_mcmc_data",
    "shard_data_angle_balanced",
    "shard_data_random",
    "shard_data_stratified",
    "validate_pooled_data",
]

_MAD_TO_SIGMA = 1.4826
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass
class PreparedData:
    """Points of all angles, every pair of times once.

    Attributes
    ----------
    data, t1, t2, phi
        Value, times in s and angle in degrees of each point, shape (n_total,).
    phi_unique
        Different angles, ascending, shape (n_phi,).
    phi_indices
        Where the angle of each point is among them, shape (n_total,).
    n_total, n_phi
        Numbers of points and of angles.
    noise_scale
        A robust estimate of the spread of the values.
    n_mirrored
        Points that were left out since they are others seen from the other side of the diagonal.
    """

    data: Arrays
    t1: Arrays
    t2: Arrays
    phi: Arrays
    phi_unique: Arrays
    phi_indices: NDArray[np.intp]
    n_total: int
    n_phi: int
    noise_scale: float
    n_mirrored: int = field(default=0, kw_only=True)

    def some(self, where: NDArray[np.intp]) -> PreparedData:
        """The points at these positions, among the same angles."""
        return PreparedData(
            self.data[where],
            self.t1[where],
            self.t2[where],
            self.phi[where],
            self.phi_unique,
            self.phi_indices[where],
            len(where),
            self.n_phi,
            estimate_noise_scale(self.data[where]),
        )

    def two_time_data(self, q: float, gap: float | None, dt: float | None = None) -> TwoTimeData:
        """The points as matrices, for `wilks.xpcs`; what was not measured is NaN."""
        return Points(self.phi, self.t1, self.t2, self.data, q, gap, dt).two_time_data()


def validate_pooled_data(data: ArrayLike, t1: ArrayLike, t2: ArrayLike, phi: ArrayLike) -> None:
    """Check that there is a finite value, two times and an angle for every point.

    Raises
    ------
    InvalidDataError
        A ValueError that says which array is wrong, and how.
    """
    arrays = {"data": data, "t1": t1, "t2": t2, "phi": phi}
    sizes = {}
    for name, given in arrays.items():
        array = np.asarray(given)
        if array.ndim != 1:
            raise InvalidDataError(f"{name}: expected the pooled points, shape (n_total,), got {array.shape}")
        sizes[name] = array.size
        n_bad = int(np.count_nonzero(~np.isfinite(array.astype(float))))
        if n_bad:
            raise InvalidDataError(
                f"{name}: {n_bad} of {array.size} values are NaN or infinite; leave these points out"
            )
    if len(set(sizes.values())) != 1 or not sizes["data"]:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InvalidDataError(f"pooled data: expected one of each for every point, and at least one, got {found}")


def extract_phi_info(phi: ArrayLike) -> tuple[Arrays, NDArray[np.intp]]:
    """Different angles, ascending, and which of them each point has.

    Examples
    --------
    >>> extract_phi_info([90.0, 0.0, 90.0])
    (array([ 0., 90.]), array([1, 0, 1]))
    """
    angles, where = np.unique(np.asarray(phi, dtype=float), return_inverse=True)
    return angles, where


def estimate_noise_scale(data: ArrayLike) -> float:
    """Standard deviation of the values by their median absolute deviation: an upper limit of that of the noise.

    Examples
    --------
    >>> round(estimate_noise_scale([1.0, 1.1, 0.9, 1.0, 5.0]), 3)
    0.148
    """
    values = np.asarray(data, dtype=float)
    if not values.size:
        raise InvalidDataError("estimate_noise_scale: expected at least one value, got none")
    return float(_MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))


def compute_data_statistics(data: ArrayLike) -> dict[str, float]:
    """Number, mean, spread, extremes and quartiles of the values.

    Examples
    --------
    >>> compute_data_statistics([1.0, 2.0, 3.0])["median"]
    2.0
    """
    values = np.asarray(data, dtype=float)
    if not values.size:
        raise InvalidDataError("compute_data_statistics: expected at least one value, got none")
    low, middle, high = np.quantile(values, _QUARTILES).tolist()
    return {
        "n": float(values.size),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "q25": low,
        "median": middle,
        "q75": high,
        "noise_scale": estimate_noise_scale(values),
    }


def prepare_mcmc_data(
    data: ArrayLike, t1: ArrayLike, t2: ArrayLike, phi: ArrayLike, filter_diagonal: bool = True
) -> PreparedData:
    """Check pooled points, leave out the diagonal, and fold mirrored pairs.

    Parameters
    ----------
    data, t1, t2, phi
        Values, times in s and angles in degrees, shape (n_total,).
    filter_diagonal
        Must be True: the diagonal holds the shot noise of a frame with itself.

    Raises
    ------
    InvalidDataError
        If the arrays cannot be used, or nothing is left of them.

    Examples
    --------
    >>> prepared = prepare_mcmc_data([1.2, 1.1, 1.1, 1.2], [0, 0, 1, 1], [0, 1, 0, 1], [45.0] * 4)
    >>> prepared.n_total, prepared.n_mirrored, prepared.t1, prepared.t2
    (1, 1, array([0.]), array([1.]))
    """
    if not filter_diagonal:
        raise InvalidConfigurationError(
            "filter_diagonal: expected True; the diagonal holds the shot noise of a frame with itself, and no model of "
            "it is fitted"
        )
    validate_pooled_data(data, t1, t2, phi)
    values, angles = np.asarray(data, dtype=float), np.asarray(phi, dtype=float)
    times = np.sort(np.stack([np.asarray(t1, dtype=float), np.asarray(t2, dtype=float)]), axis=0)
    phi_unique, phi_indices = extract_phi_info(angles)
    if times.min() == times.max():
        raise InvalidDataError(f"t1, t2: expected at least two different times in s, all are {times.max():g}")
    axis = TimeAxis.of(np.unique(times), None)
    first, second = axis.index(times[0]), axis.index(times[1])
    apart = np.flatnonzero(first != second)
    if not apart.size:
        raise InvalidDataError(f"all {values.size} points lie on the diagonal t1 = t2, which is not used")
    n_t = len(axis.t)
    pair = ((phi_indices.astype(np.int64) * n_t + first) * n_t + second)[apart]
    _, where, copies, counts = np.unique(pair, return_index=True, return_inverse=True, return_counts=True)
    mean = np.bincount(copies, values[apart]) / counts
    # The mean of equal values may differ from them in the last digit.
    kept = values[apart][where]
    folded = np.where(counts == 1, kept, np.where(np.isclose(mean, kept, rtol=1e-12, atol=0.0), kept, mean))
    chosen = apart[where]
    return PreparedData(
        folded,
        times[0, chosen],
        times[1, chosen],
        angles[chosen],
        phi_unique,
        phi_indices[chosen],
        len(chosen),
        len(phi_unique),
        estimate_noise_scale(folded),
        n_mirrored=int(apart.size - len(chosen)),
    )


def shard_data_stratified(
    prepared: PreparedData,
    num_shards: int | None = None,
    max_points_per_shard: int | None = None,
    max_shards_per_angle: int = 100,
    seed: int = 42,
) -> list[PreparedData]:
    """Split into shards of one angle each; an angle with many points is split at random.

    Parameters
    ----------
    prepared
        The points.
    num_shards
        Total number of shards that is aimed at.
    max_points_per_shard
        Largest size; without either there is one shard for every angle.
    max_shards_per_angle
        Where more would be needed, shards are larger. All points are used.
    seed
        Of the order of the points.
    """
    limit = max_points_per_shard or (None if num_shards is None else math.ceil(prepared.n_total / num_shards))
    found: list[NDArray[np.intp]] = []
    for angle in range(prepared.n_phi):
        of = np.flatnonzero(prepared.phi_indices == angle)
        if len(of):
            n = 1 if limit is None else min(math.ceil(len(of) / limit), max_shards_per_angle)
            found += [of[part] for part in split(len(of), "random", n_shards=n, seed=seed + angle).indices]
    return _shards(prepared, found)


def shard_data_random(
    prepared: PreparedData,
    num_shards: int | None = None,
    max_points_per_shard: int | None = None,
    max_shards: int = 100,
    seed: int = 42,
) -> list[PreparedData]:
    """Split at random into shards of the same size but for one point; all points are used.

    Parameters
    ----------
    prepared
        The points.
    num_shards
        Number of shards; from `max_points_per_shard` where None, and one without either.
    max_points_per_shard
        Largest size.
    max_shards
        Where more would be needed, shards are larger.
    seed
        Of the order of the points.

    Examples
    --------
    >>> t1, t2 = np.triu_indices(10, 1)
    >>> prepared = prepare_mcmc_data(np.ones(45), t1, t2, np.zeros(45))
    >>> [shard.n_total for shard in shard_data_random(prepared, num_shards=4)]
    [12, 11, 11, 11]
    """
    n = _number(prepared, num_shards, max_points_per_shard, max_shards)
    return _shards(prepared, split(prepared.n_total, "random", n_shards=n, seed=seed).indices)


def shard_data_angle_balanced(
    prepared: PreparedData,
    num_shards: int | None = None,
    max_points_per_shard: int | None = None,
    max_shards: int = 500,
    min_angle_coverage: float = 0.8,
    seed: int = 42,
) -> list[PreparedData]:
    """Split so that every shard has its share of every angle; all points are used.

    Parameters
    ----------
    prepared, num_shards, max_points_per_shard, max_shards, seed
        As for `shard_data_random`.
    min_angle_coverage
        Least share of the angles that every shard must have: shards are larger where that takes it, and an error if
        `num_shards` is given.
    """
    n = _number(prepared, num_shards, max_points_per_shard, max_shards)
    found = split(
        prepared.n_total,
        "balanced",
        labels=prepared.phi_indices,
        n_shards=n if num_shards is not None else None,
        max_points=math.ceil(prepared.n_total / n),
        min_coverage=min_angle_coverage,
        seed=seed,
    )
    return _shards(prepared, found.indices)


def create_xdata_dict(prepared: PreparedData, q: float, L: float, dt: float, analysis_mode: str) -> dict[str, Any]:
    """What a model needs to know of the points, by name."""
    return {
        "t1": prepared.t1,
        "t2": prepared.t2,
        "phi": prepared.phi,
        "phi_unique": prepared.phi_unique,
        "phi_indices": prepared.phi_indices,
        "q": float(q),
        "L": float(L),
        "dt": float(dt),
        "analysis_mode": check_mode(analysis_mode),
    }


def _number(prepared: PreparedData, number: int | None, size: int | None, most: int) -> int:
    for name, value in (("num_shards", number), ("max_points_per_shard", size), ("max_shards", most)):
        if value is not None and value < 1:
            raise InvalidConfigurationError(f"{name}: expected a whole number >= 1, got {value!r}")
    wanted = number or (1 if size is None else math.ceil(prepared.n_total / size))
    return min(wanted, most, prepared.n_total)


def _shards(prepared: PreparedData, parts: Sequence[NDArray[np.intp]]) -> list[PreparedData]:
    return [prepared.some(part) for part in parts]
