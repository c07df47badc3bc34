"""Data point by point, as the strategies of homodyne hold them, and what the engine makes of them.

A point is an angle, two times and a value of c2. The engine wants matrices, and its model the curves on a time axis;
here the one is translated into the other. Angles are in degrees and in ascending order, whatever the order of the
points; the model is that of `wilks.xpcs.Convention.homodyne`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.xpcs.convention import Convention
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.model import PHYSICAL_NAMES, Geometry, curves, decay_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.xpcs.curves import Curves

_SAME = 1e-4  # of the time between frames
_DIGITS = 9
_FIELDS = ("phi", "t1", "t2", "g2")
_SCALARS = ("q", "L", "dt")


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """The times of the frames, and where a time is among them.

    Attributes
    ----------
    t
        Ascending, in s.
    dt
        Time between frames, in s.
    is_regular
        Are the times multiples of `dt` from the first, gaps between them filled up?
    """

    t: NDArray[np.float64]
    dt: float
    is_regular: bool

    @classmethod
    def of(cls, times: NDArray[np.float64], dt: float | None) -> TimeAxis:
        """Make the axis that holds some times.

        Examples
        --------
        >>> TimeAxis.of(np.array([0.1, 0.4, 0.2]), 0.1).t
        array([0.1, 0.2, 0.3, 0.4])
        """
        if not times.size or not np.isfinite(times).all():
            raise InvalidDataError(f"t1, t2: expected finite times in s, got {times!r:.120}")
        distinct = np.unique(_rounded(times))
        if len(distinct) < 2:
            raise InvalidDataError(f"t1, t2: expected at least two different times in s, all are {distinct[0]:g}")
        spacing = float(np.median(np.diff(distinct))) if dt is None else float(dt)
        if not 0 < spacing < np.inf:
            raise InvalidDataError(f"dt: expected a positive time between frames in s, got {dt!r}")
        frames = (distinct - distinct[0]) / spacing
        if (np.abs(frames - np.round(frames)) < _SAME).all():
            return cls(distinct[0] + spacing * np.arange(round(frames[-1]) + 1), spacing, is_regular=True)
        return cls(distinct, spacing, is_regular=False)

    def index(self, times: ArrayLike) -> NDArray[np.intp]:
        """Where these times are on the axis."""
        given = np.asarray(times, dtype=float)
        if self.is_regular:
            return np.asarray(np.round((given - self.t[0]) / self.dt), dtype=np.intp)
        return np.searchsorted(self.t, _rounded(given))


@dataclass(frozen=True, eq=False)
class Points:
    """Points of all angles.

    Attributes
    ----------
    phi, t1, t2, g2
        Angle in degrees, times in s and value of each point, shape (n,).
    q, gap, dt
        Wave vector in 1/Å, gap in Å and time between frames in s; None where the data do not say.
    sigma
        Standard deviation of each value, shape (n,), or of all; None if it is not known.
    """

    phi: NDArray[np.float64]
    t1: NDArray[np.float64]
    t2: NDArray[np.float64]
    g2: NDArray[np.float64]
    q: float | None = None
    gap: float | None = None
    dt: float | None = None
    sigma: NDArray[np.float64] | float | None = None

    @cached_property
    def angles(self) -> NDArray[np.float64]:
        """Different angles, ascending."""
        return np.unique(self.phi)

    @cached_property
    def axis(self) -> TimeAxis:
        """Times of all points."""
        return TimeAxis.of(np.concatenate([self.t1, self.t2]), self.dt)

    def positions(self, axis: TimeAxis) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Angle, first and second time of each point as positions among `angles` and on the axis."""
        return np.searchsorted(self.angles, self.phi), axis.index(self.t1), axis.index(self.t2)

    def two_time_data(self) -> TwoTimeData:
        """Return the same data as matrices; a point that is there more than once counts once."""
        axis = self.axis
        k, i, j = self.positions(axis)
        c2 = np.full((len(self.angles), len(axis.t), len(axis.t)), np.nan)
        c2[k, i, j] = self.g2
        sigma: float | NDArray[np.float64] | None = self.sigma
        if isinstance(sigma, np.ndarray):
            errors = np.full(c2.shape, np.nan)
            errors[k, i, j] = sigma
            sigma = errors
        return TwoTimeData(c2, axis.t, self.angles, self.require("q"), self.gap, axis.dt, sigma)

    def geometry(self, axis: TimeAxis) -> Geometry:
        """Return what the model needs to know."""
        return Geometry(axis.t, axis.dt, self.require("q"), self.gap, self.angles, Convention.homodyne())

    def require(self, name: str) -> float:
        """Return a number that the data must say."""
        value = getattr(self, name)
        if value is None:
            raise InvalidDataError(f"the data do not say {name}: give them an attribute {name!r}")
        return float(value)


def points_of(given: object) -> Points:
    """Return the points of data in any of the forms in which homodyne passes them on.

    Parameters
    ----------
    given
        With ``chunks``, a list of objects with ``phi``, ``t1``, ``t2``, ``g2``, ``q``, ``L`` and ``dt``; with arrays
        ``phi_flat``, ``t1_flat``, ``t2_flat`` and ``g2_flat``; or with ``phi``, ``t1``, ``t2`` and ``g2``, the last
        of shape (n_phi, n_t1, n_t2) or all of the same length. Objects or dictionaries.

    Raises
    ------
    InvalidDataError
        If it is none of these.
    """
    if isinstance(given, Points):
        return given
    scalars = {name: _get(given, name) for name in _SCALARS}
    chunks = _get(given, "chunks")
    if chunks is not None:
        parts = [chunk_arrays(chunk, number) for number, chunk in enumerate(chunks)]
        if not parts:
            raise InvalidDataError("stratified_data.chunks is empty: expected at least one chunk")
        columns = [np.concatenate([part[i] for part in parts]) for i in range(4)]
        first = chunks[0]
        scalars = {name: _get(first, name) if value is None else value for name, value in scalars.items()}
    else:
        columns = _columns(given)
    phi, t1, t2, g2 = columns
    bare = Points(phi, t1, t2, g2, scalars["q"], scalars["L"], scalars["dt"])
    return replace(bare, sigma=_sigma(_get(given, "sigma"), bare))


def chunk_arrays(chunk: object, number: int) -> list[NDArray[np.float64]]:
    """Angles, times and values of a chunk, each of shape (n,)."""
    found = [_get(chunk, name) for name in _FIELDS]
    missing = [name for name, value in zip(_FIELDS, found, strict=True) if value is None]
    if missing:
        raise InvalidDataError(f"chunk {number} has no {', '.join(missing)}: expected {', '.join(_FIELDS)}, q, L, dt")
    arrays = [np.asarray(value, dtype=float).ravel() for value in found]
    sizes = [array.size for array in arrays]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise InvalidDataError(f"chunk {number}: {', '.join(_FIELDS)} have {sizes} values, expected the same number")
    return arrays


def physical_values(physical_params: ArrayLike) -> tuple[dict[str, float], str]:
    """Physical parameters by the names of the engine, and the mode that their number means.

    Examples
    --------
    >>> physical_values([1e4, -0.5, 10.0])
    ({'D0': 10000.0, 'alpha': -0.5, 'D_offset': 10.0}, 'static')
    """
    vector = np.asarray(physical_params, dtype=float).ravel()
    for mode, names in PHYSICAL_NAMES.items():
        if len(vector) == len(names):
            return dict(zip(names, vector.tolist(), strict=True)), mode
    raise InvalidConfigurationError(
        f"physical_params: expected 3 numbers (static) or 7 (laminar_flow), got {len(vector)}: {vector!r:.120}"
    )


def model_curves(physical_params: ArrayLike, geometry: Geometry) -> Curves:
    """Return the curves of the model; of the gap, a static mode needs nothing."""
    values, mode = physical_values(physical_params)
    return curves(values, geometry, mode)


def decay_at(made: Curves, k: NDArray[np.intp], i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return f = (c2 - offset) / contrast at points given by angle and times, shape (n,); 1 where the times agree."""
    first, second = np.minimum(i, j), np.maximum(i, j)
    f = np.empty(len(k))
    for angle in np.unique(k).tolist():
        here = k == angle
        f[here] = decay_function(made, first[here], second[here], angle)
    return f


def surfaces(
    physical_params: ArrayLike,
    times: Sequence[ArrayLike],
    phi: ArrayLike,
    q: float,
    gap: float | None,
    dt: float | None,
) -> NDArray[np.float64]:
    """Return f = (c2 - offset) / contrast of all angles in degrees, shape (n_phi, n_t1, n_t2).

    `times` are t1 and t2: axes, or the grids of two dimensions that ``numpy.meshgrid(..., indexing="ij")`` makes.
    """
    t1, t2 = (_axis(given, position) for position, given in enumerate(times))
    axis = TimeAxis.of(np.concatenate([t1, t2]), dt)
    angles = np.atleast_1d(np.asarray(phi, dtype=float))
    made = model_curves(physical_params, Geometry(axis.t, axis.dt, q, gap, angles, Convention.homodyne()))
    i, j = axis.index(t1)[:, None], axis.index(t2)[None, :]
    first, second = np.minimum(i, j), np.maximum(i, j)
    return np.stack([decay_function(made, first, second, k) for k in range(len(angles))])


def _axis(given: ArrayLike, position: int) -> NDArray[np.float64]:
    array = np.asarray(given, dtype=float)
    if array.ndim == 2:
        array = array[:, 0] if position == 0 else array[0]
    if array.ndim != 1:
        raise InvalidDataError(f"t{position + 1}: expected times of shape (n,), or a grid of them, got {array.shape}")
    return array


def _columns(given: object) -> list[NDArray[np.float64]]:
    flat = [_get(given, f"{name}_flat") for name in _FIELDS]
    found = flat if all(value is not None for value in flat) else [_get(given, name) for name in _FIELDS]
    if any(value is None for value in found):
        raise InvalidDataError(
            "stratified_data: expected chunks, or arrays phi_flat, t1_flat, t2_flat, g2_flat, or phi, t1, t2, g2; "
            f"got a {type(given).__name__}"
        )
    phi, t1, t2, g2 = (np.asarray(value, dtype=float) for value in found)
    if g2.ndim == 3:
        t1, t2 = _axis(t1, 0), _axis(t2, 1)
        if g2.shape != (phi.size, t1.size, t2.size):
            raise InvalidDataError(
                f"g2 has shape {g2.shape}, expected one matrix for each of {phi.size} angles, ({t1.size}, {t2.size})"
            )
        phi, t1, t2 = np.meshgrid(phi.ravel(), t1, t2, indexing="ij")
    columns = [array.ravel() for array in (phi, t1, t2, g2)]
    sizes = [column.size for column in columns]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise InvalidDataError(f"phi, t1, t2, g2 have {sizes} values: expected one of each for every point")
    return columns


def _sigma(given: Any, points: Points) -> NDArray[np.float64] | float | None:  # noqa: ANN401 - checked here
    """Standard deviations, one for all points or one for each: a number, one per point, or one per matrix element."""
    if given is None:
        return None
    array = np.asarray(given, dtype=float)
    if array.ndim == 3:
        axis = points.axis
        expected = (len(points.angles), len(axis.t), len(axis.t))
        if array.shape != expected:
            raise InvalidDataError(f"sigma has shape {array.shape}, expected {expected}: angles ascending, all times")
        k, i, j = points.positions(axis)
        array = array[k, i, j]
    if array.size not in (1, points.g2.size) or not (array > 0).all():
        raise InvalidDataError(
            f"sigma: expected positive numbers, one, one for each of {points.g2.size} points, or of shape "
            f"(n_phi, n_t, n_t); got shape {np.shape(given)}, smallest {float(np.min(given)):g}"
        )
    return float(array.ravel()[0]) if array.size == 1 else array.ravel()


def _rounded(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times without the rounding errors of their making."""
    largest = float(np.abs(times).max())
    return np.round(times, _DIGITS - int(np.ceil(np.log10(largest)))) if largest > 0 else times


def _get(given: object, name: str) -> Any:  # noqa: ANN401 - whatever is there
    if isinstance(given, Mapping):
        return given.get(name)
    return getattr(given, name, None)
