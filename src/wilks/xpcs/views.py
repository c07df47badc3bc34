r"""What is looked at of one angle, from one reading of its data: maps and cuts to draw, and sums over its residuals.

Correlation matrices may be far larger than memory, and than any screen. An angle is therefore read and folded once,
whatever is asked of it, and only what is small is kept: maps of some hundred rows, in which blocks of pairs are
averaged, some averaged curves, and sums over the residuals (`wilks.xpcs.residual_sums`). What was made is kept as long
as the result lives.

The mean of the residuals of a block of n pairs would fade with n; their sum over :math:`\sqrt n` has the standard
deviation 1 for white noise, whatever n, and shows structure that a single pair hides in its noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.folding import fold
from wilks.xpcs.residual_sums import first_lags, residual_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.residual_sums import ResidualSums
    from wilks.xpcs.result import XpcsFit

MAX_ROWS = 400
"""Rows of a map above which blocks are averaged."""
_N_POINTS = 40
_AGES = (0.0, 0.25, 0.5, 0.75)
"""Where cuts along the lag are made, as fractions of the range of ages."""
_LAGS = (0.0, 0.25, 0.5, 1.0)
"""Where cuts along the age are made, on a logarithmic scale from one frame to a third of all."""
_BAND = 50
"""Bands of ages are this part of all frames wide."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The pairs of one angle above the diagonal of matrices, NaN where the fit used nothing.

    Attributes
    ----------
    c2, model, residual
        Folded data, fitted model, and their difference over sigma, shape (n_t, n_t).
    sigma
        Standard deviation of every pair, shape (n_t, n_t).
    """

    c2: NDArray[np.float64]
    model: NDArray[np.float64]
    residual: NDArray[np.float64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cut:
    """Correlations along one axis, averaged over a narrow band of the other.

    Attributes
    ----------
    at
        Mean of the other axis over the band, in s.
    x
        Lags or ages, in s, shape (n,).
    c2, error, model
        Means of the data, their standard error from sigma, and means of the model over the same pairs, shape (n,).
    """

    at: float
    x: NDArray[np.float64]
    c2: NDArray[np.float64]
    error: NDArray[np.float64]
    model: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    r"""What is looked at of one angle.

    Attributes
    ----------
    angle
        Its position in the data.
    block
        Number of rows and columns of which each row and column of the maps is the mean.
    edges
        Limits of the rows of the maps, in s, shape (m + 1,).
    c2, model, residual
        Maps, shape (m, m), symmetric, float32: means, and sums of residuals over the root of their number; NaN where
        there is nothing.
    along_lag, along_age
        Cuts at some ages (of the earlier frame), and at some lags.
    sums
        Over the residuals.
    """

    angle: int
    block: int
    edges: NDArray[np.float64]
    c2: NDArray[np.float32]
    model: NDArray[np.float32]
    residual: NDArray[np.float32]
    along_lag: tuple[Cut, ...]
    along_age: tuple[Cut, ...]
    sums: ResidualSums


_VIEWS: WeakKeyDictionary[XpcsFit, dict[int, View]] = WeakKeyDictionary()


def view(result: XpcsFit, angle: int) -> View:
    """Return the view of one angle, given by its position; it is made once for a result.

    Raises
    ------
    InvalidConfigurationError
        If there is no such angle, the result has no best point, or its data are not here.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0])
    >>> truth = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    >>> data = xpcs.simulate(truth, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> seen = view(result, 0)
    >>> seen.c2.shape, seen.sums.n
    ((40, 40), 780)
    """
    made = _VIEWS.setdefault(result, {})
    if angle not in made:
        made[angle] = _view(result, angle, read(result, angle))
    return made[angle]


def read(result: XpcsFit, angle: int) -> Reading:
    """Read one angle and compare it with the model.

    Raises
    ------
    InvalidConfigurationError
        If there is no such angle, the result has no best point, or its data are not here.
    """
    check_data(result)
    model = result.model(angle)
    assert result.data is not None  # noqa: S101 - just checked
    angle %= len(result.phi)
    pairs = fold(result.data, [angle]).pairs
    above = np.tri(pairs.n_t, k=-1, dtype=bool).T
    c2 = np.full(model.shape, np.nan)
    c2[above] = pairs.y[0] + pairs.centres[0]
    sigma = np.broadcast_to(result.sigma[angle], model.shape)
    if pairs.weights is not None:
        weights = np.zeros(model.shape)
        weights[above] = pairs.weights[0]
        c2[weights == 0] = np.nan
        sigma = sigma / np.sqrt(np.where(weights > 0, weights, np.nan))
    model[np.isnan(c2)] = np.nan
    return Reading(c2, model, (c2 - model) / sigma, sigma)


def check_data(result: XpcsFit) -> None:
    """Refuse a result that does not have its data.

    Raises
    ------
    InvalidConfigurationError
        If it was loaded without them.
    """
    if result.data is None:
        raise InvalidConfigurationError(
            "the model is to be compared with the data, but the result was loaded without its data: use "
            "result.with_data(data)"
        )


def block_of(n_t: int) -> int:
    """Rows that are averaged to one row of a map."""
    return math.ceil(n_t / MAX_ROWS)


def edges_of(t: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Limits of blocks of frames, in s: half-way between frames.

    Examples
    --------
    >>> import numpy as np
    >>> edges_of(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 2)
    array([-0.5,  1.5,  3.5,  4.5])
    """
    between = (t[1:] + t[:-1]) / 2
    limits = np.concatenate([[t[0] - (between[0] - t[0])], between, [t[-1] + (t[-1] - between[-1])]])
    return np.append(limits[:-1:block], limits[-1])


def block_means(matrix: NDArray[np.floating], block: int) -> NDArray[np.float32]:
    """Means of the known values of blocks of rows and columns; NaN where none is known.

    Examples
    --------
    >>> import numpy as np
    >>> block_means(np.array([[np.nan, 1.0, 2.0], [1.0, np.nan, 4.0], [2.0, 4.0, np.nan]]), 2)
    array([[ 1.,  3.],
           [ 3., nan]], dtype=float32)
    """
    known = np.isfinite(matrix)
    return _quotient(_blocks(np.where(known, matrix, 0.0), block), _blocks(known, block))


def _view(result: XpcsFit, angle: int, reading: Reading) -> View:
    block = block_of(len(result.t))
    known = np.isfinite(reading.c2)
    n = _both(_blocks(known, block))
    maps = [
        _both(_blocks(np.where(known, matrix, 0.0), block)) for matrix in (reading.c2, reading.model, reading.residual)
    ]
    along_lag, along_age = _cuts(result.t, reading)
    return View(
        angle=angle % len(result.phi),
        block=block,
        edges=edges_of(result.t, block),
        c2=_quotient(maps[0], n),
        model=_quotient(maps[1], n),
        residual=_quotient(maps[2], np.sqrt(n)),
        along_lag=along_lag,
        along_age=along_age,
        sums=residual_sums(reading.residual),
    )


def _blocks(matrix: NDArray[np.generic], block: int) -> NDArray[np.float64]:
    """Sums over blocks of rows and columns; the last ones may be smaller."""
    starts = np.arange(0, len(matrix), block)
    rows = np.add.reduceat(matrix, starts, axis=0, dtype=np.float64)  # whole rows first: the quicker order
    return np.asarray(np.add.reduceat(rows, starts, axis=1))


def _both(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mirror sums over pairs above the diagonal, each of which counts once in a block that the diagonal crosses."""
    return upper + np.triu(upper, 1).T


def _quotient(sums: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float32]:
    unknown = np.full(sums.shape, np.nan)
    return np.asarray(np.divide(sums, n, out=unknown, where=n > 0), dtype=np.float32)


def _cuts(t: NDArray[np.float64], reading: Reading) -> tuple[tuple[Cut, ...], tuple[Cut, ...]]:
    """Cuts along the lag and along the age."""
    n_t = len(t)
    width = max(1, n_t // _BAND)
    lag_classes = first_lags(n_t, _N_POINTS)
    age_classes = np.unique(np.linspace(0, n_t, _N_POINTS + 1).astype(int))[:-1]
    along_lag, along_age = [], []
    for first in sorted({int(fraction * (n_t - width)) for fraction in _AGES}):
        rows, lags = np.arange(first, first + width), np.arange(n_t)
        ages, others, *sums = _band(t, reading, rows, lags, axis=0)
        along_lag.append(_cut(ages, others, sums, lag_classes))
    for lag in sorted({round((n_t / 3) ** fraction) for fraction in _LAGS}):
        rows, lags = np.arange(n_t), np.arange(lag - lag // 10, lag + lag // 10 + 1)
        ages, others, *sums = _band(t, reading, rows, lags, axis=1)
        along_age.append(_cut(others, ages, sums, age_classes))
    return tuple(filter(None, along_lag)), tuple(filter(None, along_age))


def _band(
    t: NDArray[np.float64], reading: Reading, rows: NDArray[np.intp], lags: NDArray[np.intp], axis: int
) -> list[NDArray[np.float64]]:
    """Sums of age, lag, number, c2, variance and model over some pairs (row, row + lag), across one axis."""
    i, j = rows[:, None], np.minimum(rows[:, None] + lags, len(t) - 1)
    c2 = np.where(rows[:, None] + lags < len(t), reading.c2[i, j], np.nan)
    known = np.isfinite(c2)
    each = (
        np.broadcast_to(t[i], c2.shape),
        t[j] - t[i],
        np.ones(c2.shape),
        c2,
        np.square(reading.sigma[i, j]),
        reading.model[i, j],
    )
    return [np.where(known, values, 0.0).sum(axis=axis) for values in each]


def _cut(
    across: NDArray[np.float64], along: NDArray[np.float64], sums: list[NDArray[np.float64]], starts: NDArray[np.intp]
) -> Cut | None:
    """Average in classes that begin at `starts`; None where nothing is known."""
    n = np.add.reduceat(sums[0], starts)
    keep = n > 0
    if not keep.any():
        return None
    n = n[keep]
    x, c2, variance, model = (np.add.reduceat(each, starts)[keep] / n for each in (along, *sums[1:]))
    return Cut(at=float(across.sum() / sums[0].sum()), x=x, c2=c2, error=np.sqrt(variance / n), model=model)
