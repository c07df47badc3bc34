r"""Fold correlation matrices along their diagonal, so that every pair of times is there once.

What a pair :math:`t_i < t_j` is worth depends on how the matrix was stored (`wilks.xpcs.storage`). With the values u
(upper) and l (lower) of a pair, of standard deviation :math:`\sigma` each,

* both halves measured independently: :math:`y = (u + l) / 2`, variance :math:`\sigma^2 / 2`; if only one of them is
  known, y is that one and its weight is one half;
* one half stored, or the same one twice: y is that value, variance :math:`\sigma^2`.

Standard deviations of every value give every pair a weight of its own (`wilks.xpcs.panels`); the weights are divided
by their mean, whose inverse is the :math:`\sigma^2` of the angle. The diagonal is left out: it holds the shot noise of
a frame with itself.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.fold_report import FoldReport
from wilks.xpcs.noise import ESTIMATED, GIVEN, GIVEN_PER_VALUE, sigma_along_age, sigma_of_halves
from wilks.xpcs.packing import pair_count
from wilks.xpcs.pairs import Pairs
from wilks.xpcs.panels import fold_values, fold_weighted
from wilks.xpcs.storage import Storage, filled, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import DTypeLike, NDArray

    from wilks.xpcs.data import TwoTimeData

# Weights that differ by less are rounding.
_EQUAL = 1e-6


@dataclass(frozen=True)
class Folded:
    """Folded correlations, and what was found in the matrices on the way."""

    pairs: Pairs
    report: FoldReport


@dataclass(frozen=True)
class _Angle:
    """What folding one angle found."""

    storage: Storage
    centre: float
    sigma: float
    sigma_of_halves: float
    n_used: int
    constant: bool


class _Weights:
    """Weights of all angles, made when the first angle needs them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.array: NDArray[np.float32] | None = None
        self._shape = shape
        self._lock = Lock()

    def store(self, row: int, weights: NDArray[np.floating] | float) -> None:
        with self._lock:
            if self.array is None:
                self.array = np.ones(self._shape, np.float32)
        self.array[row] = weights


def fold(
    data: TwoTimeData,
    angles: Iterable[int] | None = None,
    *,
    dtype: DTypeLike | None = None,
    n_threads: int = 1,
) -> Folded:
    """Fold the matrices of `angles` (indices, None for all) along their diagonal.

    Parameters
    ----------
    data
        The measurement.
    angles
        Indices of the angles to fold, in this order; None folds all.
    dtype
        Type in which the pairs are kept, float32 or float64; None is that of the data.
    n_threads
        Number of angles that are folded at the same time. The answer does not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.data import TwoTimeData
    >>> half = np.triu(np.random.default_rng(1).normal(1.2, 0.02, (1, 100, 100)))
    >>> folded = fold(TwoTimeData(half, t=np.arange(100), phi=[0], q=0.01, sigma=0.02))
    >>> folded.pairs.y.shape, folded.report.storage, folded.pairs.sigma
    ((1, 4950), ('upper',), array([0.02]))
    """
    chosen = _chosen(data, angles)
    kind = np.dtype(dtype if dtype is not None else np.float32 if data.is_float32 else np.float64)
    if kind not in (np.float32, np.float64):
        raise InvalidConfigurationError(f"dtype must be float32 or float64, but it is {kind}")
    shape = (len(chosen), pair_count(data.n_t))
    y, weights = np.empty(shape, kind), _Weights(shape)

    def one(row: int) -> _Angle:
        # Not finite values are what the sums are looked at for; threads do not inherit this from where they start.
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            return _fold_angle(data, chosen[row], y[row], weights, row)

    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            found = list(pool.map(one, range(len(chosen))))
    else:
        found = [one(row) for row in range(len(chosen))]
    pairs = Pairs(
        n_t=data.n_t,
        y=y,
        weights=weights.array,
        centres=np.array([each.centre for each in found]),
        sigma=np.array([each.sigma for each in found]),
        n_used=np.array([each.n_used for each in found], dtype=np.int64),
    )
    return Folded(pairs, _report(data, chosen, found, pairs))


def _chosen(data: TwoTimeData, angles: Iterable[int] | None) -> list[int]:
    chosen = list(range(data.n_phi)) if angles is None else [int(angle) for angle in angles]
    wrong = [angle for angle in chosen if not 0 <= angle < data.n_phi]
    if wrong or not chosen:
        raise InvalidConfigurationError(
            f"angles must be indices from 0 to {data.n_phi - 1}, at least one, but they are {chosen}"
        )
    return chosen


def _report(data: TwoTimeData, chosen: list[int], found: list[_Angle], pairs: Pairs) -> FoldReport:
    n_pairs = pair_count(data.n_t)
    source = ESTIMATED if data.sigma is None else GIVEN_PER_VALUE if data.has_sigma_per_value else GIVEN
    return FoldReport(
        angles=tuple(chosen),
        storage=tuple(each.storage for each in found),
        n_pairs=n_pairs,
        n_masked=tuple(n_pairs - each.n_used for each in found),
        dead_angles=tuple(angle for angle, each in zip(chosen, found, strict=True) if each.n_used == 0),
        constant_angles=tuple(angle for angle, each in zip(chosen, found, strict=True) if each.constant),
        dtype=str(pairs.y.dtype),
        sigma_source=source,
        sigma=tuple(each.sigma for each in found),
        sigma_of_halves=tuple(each.sigma_of_halves for each in found),
    )


def _fold_angle(data: TwoTimeData, angle: int, y: NDArray[np.floating], weights: _Weights, row: int) -> _Angle:
    """Fold one angle into `y`, and store its weights if it has any."""
    matrix = data.read_c2(angle)
    sigma, mask = data.read_sigma(angle), data.read_mask(angle)
    storage = storage_of(matrix)
    given = sigma / np.sqrt(2.0 if storage == "full" else 1.0) if isinstance(sigma, float) else None
    # Sums keep the precision of the data until they are centred.
    values = y if y.itemsize >= matrix.itemsize else np.empty(len(y), matrix.dtype)
    worth: NDArray[np.float64] | None = None
    total = np.nan
    if storage != "dead" and mask is None and not isinstance(sigma, np.ndarray):
        fold_values(matrix, storage, values)
        total = float(values.sum())
    if np.isfinite(total):  # then every value is
        centre, n_used = values.dtype.type(total / len(y)), len(y)
        np.subtract(values, centre, out=y, casting="same_kind")
    else:
        worth, mean = _weigh(angle, (matrix, storage, sigma, mask), values)
        n_used = int(np.count_nonzero(worth))
        if n_used == 0:
            y[:] = 0
            weights.store(row, 0.0)
            return _Angle(storage, 0.0, given or 1.0, np.nan, 0, constant=False)
        centre = values.dtype.type(np.einsum("i,i", worth, values) / worth.sum())
        values -= centre
        values *= worth > 0
        if values is not y:
            y[:] = values
        if isinstance(sigma, np.ndarray):
            given = float(mean**-0.5)
        if n_used < len(y) or np.ptp(worth) > _EQUAL:
            weights.store(row, worth)
        else:
            worth = None
    rounding = 8 * float(np.finfo(matrix.dtype).eps) * abs(float(centre))
    constant = bool(max(-y.min(), y.max()) <= rounding)
    return _Angle(
        storage=storage,
        centre=float(centre),
        sigma=given if given is not None else _estimate(y, worth, data.n_t, rounding),
        sigma_of_halves=sigma_of_halves(matrix) if storage == "full" else np.nan,
        n_used=n_used,
        constant=constant,
    )


def _weigh(
    angle: int,
    given: tuple[NDArray[np.floating], Storage, float | NDArray[np.floating] | None, NDArray[np.bool_] | None],
    values: NDArray[np.floating],
) -> tuple[NDArray[np.float64], float]:
    """Fold into `values`; the weights in units of their mean where sigma is given for every value, and this mean."""
    matrix, storage, sigma, mask = given
    worth = np.zeros(len(values))
    each = None
    if isinstance(sigma, np.ndarray):
        each = filled(sigma)
    if storage != "dead":
        fold_weighted(matrix, storage, each, mask, (values, worth))
    n_wrong = int(np.isnan(worth).sum())
    if n_wrong:
        raise InvalidDataError(
            f"sigma of angle {angle} (the first is 0) must be positive, but for {n_wrong} pairs of known values it "
            "is zero, negative or NaN: correct it, or mask these values"
        )
    mean = 1.0
    if each is not None and worth.any():
        mean = float(worth.sum() / np.count_nonzero(worth))
        worth /= mean
    return worth, mean


def _estimate(y: NDArray[np.floating], worth: NDArray[np.float64] | None, n_t: int, rounding: float) -> float:
    """Noise of an angle; the spread of its values where there are too few, and never less than their rounding."""
    sigma = sigma_along_age(y, worth, n_t)
    if np.isnan(sigma):
        sigma = float(np.std(y if worth is None else y[worth > 0], dtype=np.float64))
    return max(sigma, rounding) or 1.0
