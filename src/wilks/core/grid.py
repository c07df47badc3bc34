"""A parameter that takes the values of an ordered list, of any length and with any spacing.

The values of a `Grid` are kept in one of two forms. Evenly spaced ones, such as `np.linspace`, `np.arange` and `range`
make, are four numbers: value i is ``first + i * step`` in floating-point arithmetic, and the last one is kept by
itself, since `np.linspace` sets it to the end that was asked for. The form is chosen only when it gives every value
back bit for bit. All other values are bytes, which nobody can change. A theta finds its value by rounding in the
first form and by bisection in the second, so that a grid of a million values costs no more than one of three.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np

from wilks.core.domain import MAX_LISTED, Discrete, Value, as_float, check_list, distinct, listed
from wilks.core.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_CHUNK = 8192  # values that are compared at a time: they stay in the cache
_MIN_STEP_IN_ULPS = 16  # so that rounding moves no value, and no middle between two, by a tenth of a step
_SURELY_NEAREST = 0.25  # a theta so close to a value, in steps, is nearer to it than to any other
_EXACT_INTEGER = 2**53  # up to here every integer is a float
_SHORT = 1000  # up to here the text for fingerprints names all values
_SHOWN = 20  # up to here the repr does
_NUMBERS = (int, float, np.integer, np.floating)


@dataclass(frozen=True)
class EvenNodes:
    """Values ``first + i * step``, the last one given by itself."""

    first: float
    step: float
    size: int
    last: float

    def array(self) -> NDArray[np.float64]:
        """All values."""
        return self.at(np.arange(self.size, dtype=np.int64))

    def head(self, n: int) -> list[float]:
        """The first `n` values."""
        return [self._value(i) for i in range(min(n, self.size))]

    def at(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values at indices."""
        values: NDArray[np.float64] = np.add(index * self.step, self.first)
        if self.last != self.first + (self.size - 1) * self.step:
            return np.where(index == self.size - 1, self.last, values)
        return values

    def nearest(self, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices of the nearest values, of the lower one halfway between two; NaN goes to the last."""
        inside = np.fmax(np.fmin(theta, self.last), self.first)
        steps = (inside - self.first) / self.step
        index: NDArray[np.int64] = np.rint(steps).astype(np.int64)
        if (np.abs(steps - index) < _SURELY_NEAREST).all():
            return index
        # Near the middle between two values the answer is that of the values as they are after rounding.
        below = np.maximum(index - 1, 0)
        above = np.minimum(index + 1, self.size - 1)
        here = self.at(index)
        down = (index > below) & (0.5 * (here + self.at(below)) >= inside)
        up = (index < above) & (0.5 * (self.at(above) + here) < inside)
        return index - down + up

    def find(self, number: float) -> int | None:
        """Index of a value, None when it is not among them."""
        if not self.first <= number <= self.last:
            return None
        index = min(round((number - self.first) / self.step), self.size - 1)
        return index if self._value(index) == number else None

    def _value(self, index: int) -> float:
        return self.last if index == self.size - 1 else index * self.step + self.first

    def describe(self) -> str:
        """Short text that identifies the values."""
        return f"even:{self.first!r},{self.step!r},{self.size},{self.last!r}"


@dataclass(frozen=True)
class ListedNodes:
    """Values with any spacing, as the bytes of an array of floats."""

    data: bytes

    def array(self) -> NDArray[np.float64]:
        """All values."""
        return np.frombuffer(self.data)

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.data) // 8

    def head(self, n: int) -> list[float]:
        """The first `n` values."""
        values: list[float] = self.array()[:n].tolist()
        return values

    def at(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values at indices."""
        return self.array()[index]

    def nearest(self, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices of the nearest values, of the lower one halfway between two; NaN goes to the last."""
        values = self.array()
        inside = np.fmin(theta, values[-1])
        index: NDArray[np.int64] = np.asarray(values.searchsorted(inside), dtype=np.int64)
        here = values[index]
        if (here == inside).all():
            return index
        below = values[np.maximum(index - 1, 0)]
        down: NDArray[np.bool_] = (index > 0) & (0.5 * (here + below) >= inside)
        return np.subtract(index, down, dtype=np.int64)

    def find(self, number: float) -> int | None:
        """Index of a value, None when it is not among them."""
        values = memoryview(self.data).cast("d")
        index = bisect_left(values, number)
        return index if index < len(values) and values[index] == number else None

    def describe(self) -> str:
        """Short text that identifies the values."""
        return f"{_digest(self.data)},{self.size}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


Nodes = EvenNodes | ListedNodes
"""The two forms of the values of a grid."""


class _Values:
    """The attribute `values` of a grid: given and read as a list of numbers, kept as `Nodes`."""

    @overload
    def __get__(self, grid: None, owner: type) -> NoReturn: ...

    @overload
    def __get__(self, grid: Grid, owner: type) -> NDArray[np.float64]: ...

    def __get__(self, grid: Grid | None, owner: type) -> NDArray[np.float64]:
        """Return a read-only array; long ones of evenly spaced values are made anew on every access."""
        if grid is None:  # which tells the dataclass that the field has no default
            raise AttributeError("values")
        values = grid.nodes.array()
        values.setflags(write=False)
        return values

    def __set__(self, grid: Grid, values: Sequence[float] | ArrayLike | range | Nodes) -> None:
        """Check and keep the values."""
        vars(grid)["values"] = values if isinstance(values, (EvenNodes, ListedNodes)) else nodes_of(values)


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Discrete):
    """An ordered list of numbers, with any spacing.

    Parameters
    ----------
    values
        At least two finite numbers in ascending order: a list, a tuple, a range or an array. They are given back as
        a read-only array of floats. Evenly spaced values take no memory, however many they are.
    prior
        Weights, one for each value; equal by default.
    unit, label, initial
        As for `Real`.

    Raises
    ------
    InvalidProblemError
        If these are no such numbers, or `prior` or `initial` does not fit them.

    Examples
    --------
    >>> Grid([0.0, 0.5, 2.0]).from_unit(np.array([0.1, 0.9])).tolist()
    [0.0, 2.0]
    >>> Grid(range(10**9)).from_unit(np.array([0.25, 1.0])).tolist()
    [250000000.0, 999999999.0]
    """

    values: _Values = _Values()

    def __post_init__(self) -> None:
        self._check()

    @property
    def nodes(self) -> Nodes:
        """The values in the form in which they are kept."""
        nodes: Nodes = vars(self)["values"]
        return nodes

    @property
    def _size(self) -> int:
        return self.nodes.size

    def _index(self, value: Value) -> int:
        index = self.nodes.find(as_float(value, "Grid"))
        if index is None:
            known = listed(self.nodes.head(MAX_LISTED), self._size)
            raise InvalidProblemError(f"expected one of {known}, got {value!r}")
        return index

    def _theta(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.nodes.at(index)

    def _theta_of(self, index: int) -> float:
        return float(self.nodes.at(np.array(index)))

    def _indices(self, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.nodes.nearest(np.asarray(theta, dtype=float))

    def decode(self, theta: float) -> float:
        """Theta to value."""
        return float(theta)

    def describe(self) -> str:
        """Text that identifies the domain; short, whatever the number of values."""
        if self._size <= _SHORT:
            return f"Grid({tuple(self.nodes.head(_SHORT))!r},{self.prior!r})"
        weights = None if self.prior is None else _digest(np.asarray(self.prior).tobytes())
        return f"Grid({self.nodes.describe()},{weights})"

    def _identity(self) -> tuple[object, ...]:
        return self.prior, self.unit, self.label, self.initial, self.nodes

    def __eq__(self, other: object) -> bool:
        """Grids are equal when all that was given is equal."""
        return self._identity() == other._identity() if isinstance(other, Grid) else NotImplemented

    def __hash__(self) -> int:
        """Hash of what was given."""
        return hash(self._identity())

    def __repr__(self) -> str:
        """Return what was given; of many values, the first few."""
        n = self._size
        short = n <= _SHOWN
        prior = repr(self.prior) if short or self.prior is None else f"<{n} weights>"
        values = repr(tuple(self.nodes.head(n))) if short else listed(self.nodes.head(MAX_LISTED), n)
        return (
            f"Grid(prior={prior}, unit={self.unit!r}, label={self.label!r}, initial={self.initial!r}, values={values})"
        )


def nodes_of(values: Any) -> Nodes:  # noqa: ANN401 - whatever a user may give
    """Values, checked, in the form in which a grid keeps them.

    Raises
    ------
    InvalidProblemError
        If these are not at least two finite numbers in ascending order.
    """
    check_list(values, "Grid")
    if isinstance(values, range) and len(values) > 1:
        if values.step < 0:
            raise _not_ascending(values)
        first, step, last = values[0], values.step, values[-1]
        if max(abs(first), abs(last), last - first) <= _EXACT_INTEGER and step >= _smallest_step(first, last):
            return EvenNodes(float(first), float(step), len(values), float(last))
    if type(values) is not np.ndarray or values.ndim != 1 or values.dtype.kind not in "iuf":
        values = _numbers(values)
    if len(values) < 2:
        distinct(values, "Grid")  # raises: one value is no list
    try:
        array = np.asarray(values, dtype=float)
    except OverflowError:  # an integer of hundreds of digits
        raise _not_ascending(values) from None
    if not (array[1:] > array[:-1]).all() or not np.isfinite(array[[0, -1]]).all():
        raise _what_is_wrong(array, values)
    return _even(array) or ListedNodes(array.tobytes())


def _numbers(values: Any) -> tuple[float, ...]:  # noqa: ANN401 - any list
    items = tuple(values)
    if not all(issubclass(kind, _NUMBERS) and kind is not bool for kind in set(map(type, items))):
        distinct(items, "Grid")  # raises for the first that can be a value of no parameter
        raise InvalidProblemError(f"Grid: expected numbers, got {_shown(items)}; use Categorical for names")
    return items


def _what_is_wrong(array: NDArray[np.float64], values: Sequence[float] | NDArray[Any]) -> InvalidProblemError:
    order = np.argsort(array, kind="stable")
    again = order[1:][np.diff(array[order]) == 0]
    no_number = np.flatnonzero(np.isnan(array))
    if no_number.size and not (again.size and again.min() < no_number[0]):
        return InvalidProblemError("Grid: expected numbers, text, True, False or None, got nan")
    if again.size:
        return InvalidProblemError(f"Grid: the value {_plain(values[again.min()])!r} is given twice")
    return _not_ascending(values)


def _not_ascending(values: Sequence[float] | NDArray[Any]) -> InvalidProblemError:
    return InvalidProblemError(f"Grid: expected finite numbers in ascending order, got {_shown(values)}")


def _shown(values: Sequence[Any] | NDArray[Any]) -> str:
    return listed([_plain(v) for v in values[:MAX_LISTED]], len(values))


def _plain(value: Any) -> Any:  # noqa: ANN401 - an item of any list
    return value.item() if isinstance(value, np.generic) else value


def _even(array: NDArray[np.float64]) -> EvenNodes | None:
    """The compact form of the values, if there is one."""
    first, second, last = (float(array[i]) for i in (0, 1, -1))
    size, width, smallest = len(array), last - first, _smallest_step(first, last)
    # np.linspace divides the interval and sets the last value; np.arange repeats the distance of the first two.
    for step, n_checked in ((width / (size - 1), size - 1), (second - first, size)):
        if smallest <= step < math.inf and math.isfinite(width) and _repeats(array[:n_checked], first, step):
            return EvenNodes(first, step, size, last)
    return None


def _smallest_step(first: float, last: float) -> float:
    return _MIN_STEP_IN_ULPS * math.ulp(max(abs(first), abs(last)))


def _repeats(array: NDArray[np.float64], first: float, step: float) -> bool:
    """Whether ``first + i * step`` is the array, to the last bit."""
    bits = array.view(np.int64)
    counts = np.arange(min(_CHUNK, len(array)), dtype=float)
    for start in range(0, len(array), _CHUNK):
        part = bits[start : start + _CHUNK]
        made = counts[: len(part)] + start
        made *= step
        made += first
        if not np.array_equal(made.view(np.int64), part):
            return False
    return True
