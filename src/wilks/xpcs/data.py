"""A measurement: two-time correlation matrices of several angles, with what is needed to fit them."""

from __future__ import annotations

import copy
import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.xpcs.diagonal import with_diagonal
from wilks.xpcs.stack import Matrices, Stack, stack_of
from wilks.xpcs.storage import filled, storage_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from wilks.xpcs.diagonal import Diagonal
    from wilks.xpcs.source import Source

MIN_TIMES = 3
_SAME_INTERVAL = 1e-3


@dataclass(frozen=True, init=False, eq=False, repr=False)
class TwoTimeData:
    """Two-time correlations c2 of several angles at one wave vector.

    Nothing is read at construction but shapes and the small arrays: values are checked when they are folded.

    Parameters
    ----------
    c2
        Correlation matrices, one for every angle: an array, a memory map or an HDF5 dataset of shape
        (n_phi, n_t, n_t), or a list with one of shape (n_t, n_t) per angle; read angle by angle. Matrices may be
        full, mirrored, or one half only (the other 0 or NaN). NaN and infinity count as not measured; the diagonal
        is not used.
    t
        Times of the frames in s, strictly ascending, shape (n_t,).
    phi
        Angles in degrees, shape (n_phi,), in the order of the matrices: any order, duplicates allowed.
    q
        Wave vector in 1/Å.
    gap
        Width of the sheared gap in Å; None if nothing flows.
    dt
        Time between frames in s; None takes it from `t`.
    sigma
        Standard deviation of the values of c2: one number, one per angle, or one per value (as `c2`); None estimates
        it from the data.
    mask
        Values to use: True and False, shape (n_t, n_t) for all angles or as `c2`; None uses all.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> c2 = np.random.default_rng(1).normal(1.2, 0.02, (2, 50, 50))
    >>> xpcs.TwoTimeData(c2, t=0.1 * np.arange(50), phi=[90, 0], q=0.0054, gap=2e6)
    TwoTimeData(2 angles, 50 times of 0.1 s, q = 0.0054 1/Å, gap = 2e+06 Å, sigma to be estimated, float64, 0.04 MB)
    """

    c2: Matrices
    t: NDArray[np.float64]
    phi: NDArray[np.float64]
    q: float
    gap: float | None
    dt: float
    sigma: NDArray[np.float64] | Matrices | None
    mask: Matrices | None
    source: Source | None
    _stacks: dict[str, Stack]

    def __init__(
        self,
        c2: Matrices,
        t: ArrayLike,
        phi: ArrayLike,
        q: float,
        gap: float | None = None,
        dt: float | None = None,
        sigma: ArrayLike | Matrices | None = None,
        mask: Matrices | NDArray[np.bool_] | None = None,
    ) -> None:
        stack, times, angles = stack_of("c2", c2, "fiu"), _times(t), _angles(phi)
        if stack.n_angles != len(angles):
            raise InvalidDataError(
                f"c2 holds {stack.n_angles} matrices but phi has {len(angles)} angles: give the angle of every matrix, "
                "in their order"
            )
        if stack.n_t != len(times):
            raise InvalidDataError(
                f"the matrices of c2 have {stack.n_t} rows but t has {len(times)} times: give the time of every frame"
            )
        stacks = {"c2": stack}
        errors = None if sigma is None else _errors(sigma, stack)
        if isinstance(errors, Stack):
            stacks["sigma"] = errors
        if mask is not None:
            stacks["mask"] = _mask(mask, stack)
        checked = {
            "c2": c2,
            "t": times,
            "phi": angles,
            "q": _positive("q", q, "the wave vector in 1/Å"),
            "gap": None if gap is None else _positive("gap", gap, "the width of the gap in Å"),
            "dt": _interval(dt, times),
            "sigma": sigma if isinstance(errors, Stack) else errors,
            "mask": mask,
            "source": None,
            "_stacks": stacks,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the instance is frozen from here on

    def with_source(self, source: Source) -> TwoTimeData:
        """Return the same data with a word on where they come from."""
        found = copy.copy(self)
        object.__setattr__(found, "source", source)
        return found

    @property
    def n_phi(self) -> int:
        """Number of angles."""
        return self._stacks["c2"].n_angles

    @property
    def n_t(self) -> int:
        """Number of times."""
        return self._stacks["c2"].n_t

    @property
    def is_float32(self) -> bool:
        """Are the matrices kept in single precision?"""
        return self._stacks["c2"].dtype == np.float32

    @property
    def nbytes(self) -> int:
        """Size of all matrices in bytes, as they are when they have been read."""
        return self.n_phi * self.n_t**2 * self._stacks["c2"].dtype.itemsize

    @property
    def has_sigma_per_value(self) -> bool:
        """Is the standard deviation of every value given?"""
        return "sigma" in self._stacks

    def required_gap(self) -> float:
        """Width of the gap in Å, for a model with flow; an error if there is none."""
        if self.gap is None:
            raise InvalidDataError(
                "a model with shear flow needs the width of the gap: give TwoTimeData(..., gap=...) in Å, or fit "
                "mode='static'"
            )
        return self.gap

    def read_c2(self, angle: int) -> NDArray[np.floating]:
        """c2 of one angle as it was stored, shape (n_t, n_t), float32 or float64."""
        return self._stacks["c2"].read(angle)

    def read_sigma(self, angle: int) -> float | NDArray[np.floating] | None:
        """Standard deviations of one angle: a number, an array of shape (n_t, n_t), or None."""
        if "sigma" in self._stacks:
            return self._stacks["sigma"].read(angle)
        return None if self.sigma is None else float(np.asarray(self.sigma)[angle])

    def read_mask(self, angle: int) -> NDArray[np.bool_] | None:
        """Values to use of one angle, shape (n_t, n_t), or None for all."""
        if "mask" not in self._stacks:
            return None
        mask = self._stacks["mask"]
        return mask.read(angle if mask.n_angles == self.n_phi else 0)

    def matrix(self, angle: int, diagonal: Diagonal = "measured") -> NDArray[np.float64]:
        """c2 of one angle as a full symmetric matrix, shape (n_t, n_t), to look at.

        A missing half is filled up from the other, independent halves are averaged, what was not measured is NaN.
        The mask is not applied.

        Parameters
        ----------
        angle
            Position of the angle, from 0.
        diagonal
            What to show on the diagonal, which holds shot noise and which no fit uses: the ``"measured"`` values,
            ``"masked"`` (NaN), the mean of the ``"neighbours"``, the running ``"median"`` of values beside it, or
            ``"interpolated"`` to lag 0 from the first three lags.

        Examples
        --------
        >>> import numpy as np
        >>> half = np.array([[2.0, 1.3, 1.2], [0, 2.0, 1.3], [0, 0, 2.0]])
        >>> TwoTimeData([half], t=[0, 1, 2], phi=[0], q=0.01).matrix(0)
        array([[2. , 1.3, 1.2],
               [1.3, 2. , 1.3],
               [1.2, 1.3, 2. ]])
        """
        matrix = filled(np.array(self.read_c2(angle), dtype=np.float64))
        matrix[~np.isfinite(matrix)] = np.nan
        if storage_of(matrix) == "dead":
            return with_diagonal(np.full_like(matrix, np.nan), diagonal)
        other = matrix.T
        full = np.where(np.isnan(matrix), other, np.where(np.isnan(other), matrix, (matrix + other) / 2))
        return with_diagonal(full, diagonal)

    def __repr__(self) -> str:
        parts = [
            f"{self.n_phi} angle{'s' if self.n_phi > 1 else ''}",
            f"{self.n_t} times of {self.dt:g} s",
            f"q = {self.q:g} 1/Å",
            "no gap" if self.gap is None else f"gap = {self.gap:g} Å",
            self._sigma_text(),
            *(["masked"] if self.mask is not None else []),
            str(self._stacks["c2"].dtype),
            f"{self.nbytes / 1e6:.3g} MB",
        ]
        return f"TwoTimeData({', '.join(parts)})"

    def _sigma_text(self) -> str:
        if self.sigma is None:
            return "sigma to be estimated"
        if "sigma" in self._stacks:
            return "sigma per value"
        values = np.unique(np.asarray(self.sigma))
        return f"sigma = {values[0]:g}" if len(values) == 1 else f"sigma = {values[0]:g} to {values[-1]:g}"


def _times(t: ArrayLike) -> NDArray[np.float64]:
    times = _numbers("t", t, "the times of the frames in s")
    if times.ndim != 1:
        raise InvalidDataError(
            f"t has shape {times.shape}, expected (n_t,), the time of every frame in s; of a grid of times give one "
            "axis"
        )
    if len(times) < MIN_TIMES:
        raise InvalidDataError(f"t has {len(times)} times, and a fit needs at least {MIN_TIMES}")
    steps = np.diff(times)
    if not (steps > 0).all():
        first = int(np.argmin(steps > 0))
        raise InvalidDataError(
            f"t must ascend, but t[{first}] = {times[first]:g} and t[{first + 1}] = {times[first + 1]:g}: sort the "
            "frames, rows and columns of c2 with them"
        )
    return times


def _angles(phi: ArrayLike) -> NDArray[np.float64]:
    angles = _numbers("phi", phi, "the angle of every matrix in degrees")
    if angles.ndim != 1:
        raise InvalidDataError(f"phi has shape {angles.shape}, expected (n_phi,), the angle of every matrix in degrees")
    return angles


def _numbers(name: str, value: ArrayLike, meaning: str) -> NDArray[np.float64]:
    """Own read-only copy of finite real numbers."""
    if value is None:
        raise InvalidDataError(f"{name} is missing (None): give {meaning}")
    try:
        given = np.asarray(value)
    except ValueError as error:  # rows of unequal lengths
        raise InvalidDataError(f"{name} must be an array of real numbers, {meaning}: {error}") from error
    if given.dtype.kind not in "fiu":
        raise InvalidDataError(f"{name} must be an array of real numbers, {meaning}, but its type is {given.dtype}")
    array = np.array(given, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InvalidDataError(f"{name} must be finite, but {int((~np.isfinite(array)).sum())} of its values are not")
    array.setflags(write=False)
    return array


def _positive(name: str, value: object, meaning: str) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidDataError(f"{name} must be one number, {meaning}, but it is {value!r}")
    given = float(value)
    if not (math.isfinite(given) and given > 0):
        raise InvalidDataError(f"{name} must be positive and finite, {meaning}, but it is {given:g}")
    return given


def _interval(dt: float | None, times: NDArray[np.float64]) -> float:
    spacing = float(np.median(np.diff(times)))
    if dt is None:
        return spacing
    given = _positive("dt", dt, "the time between frames in s")
    if abs(given - spacing) > _SAME_INTERVAL * spacing:
        raise InvalidDataError(
            f"dt is {given:g} s, but the median spacing of t is {spacing:g} s: correct one of them, or leave out dt"
        )
    return given


def _errors(sigma: object, c2: Stack) -> NDArray[np.float64] | Stack:
    """One standard deviation per angle, or the matrices of one per value."""
    shape = getattr(sigma, "shape", None)
    listed = isinstance(sigma, list | tuple) and any(np.ndim(each) > 0 for each in sigma)
    if listed or (shape is not None and len(shape) > 1):
        stack = stack_of("sigma", sigma, "fiu")
        if (stack.n_angles, stack.n_t) != (c2.n_angles, c2.n_t):
            raise InvalidDataError(
                f"sigma holds {stack.n_angles} matrices of {stack.n_t} rows, and c2 {c2.n_angles} of {c2.n_t}: give "
                "one number, one per angle, or one per value"
            )
        return stack
    values = _numbers("sigma", cast("ArrayLike", sigma), "the standard deviation of c2")
    if values.ndim == 1 and len(values) != c2.n_angles:
        raise InvalidDataError(
            f"sigma has {len(values)} values for {c2.n_angles} angles: give one number, one per angle, or one per value"
        )
    if not (values > 0).all():
        raise InvalidDataError(
            f"sigma must be positive, but it is {float(values.min()):g}: sigma=None estimates it from the data"
        )
    each = np.array(np.broadcast_to(values, c2.n_angles))
    each.setflags(write=False)
    return each


def _mask(mask: object, c2: Stack) -> Stack:
    shape, dtype = getattr(mask, "shape", None), getattr(mask, "dtype", None)
    if shape is not None and len(shape) == 2 and dtype is not None:
        mask = [mask]
    stack = stack_of("mask", mask, "b")
    if stack.n_angles not in (1, c2.n_angles) or stack.n_t != c2.n_t:
        raise InvalidDataError(
            f"mask has shape {(stack.n_angles, stack.n_t, stack.n_t)}, expected ({c2.n_t}, {c2.n_t}) for all angles or "
            f"({c2.n_angles}, {c2.n_t}, {c2.n_t})"
        )
    return stack
