"""One parameter of a search space: from what the user wrote to a domain of wilks, and between their values.

Three things are told apart: the user's *value* (any object at all), its *number* (a float, or the index of a choice, by
which a point is remembered and found again), and the *coordinate* in which the search moves, which differs from the
number only for a probability distribution.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.parameter import Categorical, Domain, Grid, Integer, Real
from wilks.facades.gfo.options import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_EXACT_INTEGER = 2**53
_TAIL = 1e-6
_SCALES = ("linear", "log")
_SHOWN = 80
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Dimension:
    """What all kinds share; also an interval of real or whole numbers, whose values are its numbers.

    Parameters
    ----------
    name
        Name of the parameter.
    domain
        Where its coordinate lies; None for a constant.
    kind
        Type of its values, where they are numbers.
    """

    name: str
    domain: Domain | None
    kind: Any = field(default=float, kw_only=True)

    @property
    def make(self) -> Callable[[Any], Any]:
        """Function from the number to the value."""
        kind: Callable[[Any], Any] = self.kind
        return kind

    @property
    def snap(self) -> Callable[[float], float] | None:
        """Function from the coordinate to the number, where they differ."""
        return None

    @property
    def details(self) -> Any:  # noqa: ANN401 - plain data
        """What identifies the values, besides the domain."""
        return None

    def number(self, value: Any) -> float:  # noqa: ANN401 - a user's value
        """The number of a value; of the nearest one where the values are an ordered list."""
        if not is_number(value):
            raise self._refused(value, "expected a number")
        try:
            return self._domain.encode(float(value))
        except InvalidProblemError as error:  # it names the value
            raise InvalidProblemError(f"parameter {self.name!r}: {error}") from None

    def coordinate(self, number: float) -> Any:  # noqa: ANN401 - whatever the domain encodes
        """Where the search has to go for a number."""
        return number

    def column(self, found: NDArray[np.float64]) -> Any:  # noqa: ANN401 - an array or a list, for a table
        """Values for an array of numbers."""
        return found.astype(self.kind)

    def exact(self, value: Any) -> float | None:  # noqa: ANN401 - a user's value
        """The number of a value that a search can visit, None for any other."""
        try:
            number = self.number(value)
        except InvalidProblemError:
            return None
        return number if same(self.make(number), value) else None

    @property
    def _domain(self) -> Domain:
        if self.domain is None:
            raise InvalidProblemError(f"search_space: {self.name!r} is a constant")
        return self.domain

    @property
    def _ends(self) -> tuple[float, float]:
        """The lowest and the highest coordinate."""
        low, high = self._domain.from_unit(np.array([0.0, 1.0])).tolist()
        return low, high

    def _refused(self, value: object, why: str) -> InvalidProblemError:
        return InvalidProblemError(f"parameter {self.name!r}: {why}, got {value!r:.{_SHOWN}}")


@dataclass(frozen=True)
class Constant(Dimension):
    """A parameter with one value."""

    value: Any = None

    @property
    def make(self) -> Callable[[Any], Any]:
        """The one value, whatever the number."""
        return lambda _: self.value

    @property
    def details(self) -> Any:  # noqa: ANN401 - as in the base
        """The one value."""
        return self.value

    def number(self, value: Any) -> float:  # noqa: ANN401 - a user's value
        """Zero, for the one value."""
        if not same(self.value, value):
            raise self._refused(value, f"it is constant, {self.value!r:.{_SHOWN}}")
        return 0.0


@dataclass(frozen=True)
class Ordered(Dimension):
    """Numbers in order, all of one type: that of the array, or of the entries of the list."""

    def number(self, value: Any) -> float:  # noqa: ANN401 - a user's value
        """The nearest value of the list; a number beyond its ends is refused."""
        if not is_number(value) or not math.isfinite(value):
            raise self._refused(value, "expected a finite number")
        low, high = self._ends
        slack = _ROUNDING * (high - low)  # the ends of np.arange are not quite what one would write
        number = float(value)
        if not low - slack <= number <= high + slack:
            raise self._refused(value, f"expected a number from {low} to {high}")
        return float(self._domain.from_unit(self._domain.to_unit(np.array(number))))


@dataclass(frozen=True)
class Listed(Dimension):
    """Any objects, with or without an order: the number is the position."""

    values: tuple[Any, ...] = ()

    @property
    def make(self) -> Callable[[Any], Any]:
        """The object at a position."""
        return self._at

    @property
    def details(self) -> Any:  # noqa: ANN401 - as in the base
        """The objects."""
        return self.values

    def _at(self, number: float) -> Any:  # noqa: ANN401 - a user's value
        return self.values[int(number)]

    def number(self, value: Any) -> float:  # noqa: ANN401 - a user's value
        """Position of a value."""
        for position, known in enumerate(self.values):
            if same(known, value):
                return float(position)
        shown = ", ".join(f"{known!r:.{_SHOWN}}" for known in self.values[:6])
        more = f", ... {len(self.values)} in all" if len(self.values) > 6 else ""
        raise self._refused(value, f"expected one of {shown}{more}")

    def coordinate(self, number: float) -> Any:  # noqa: ANN401 - as in the base
        """The position."""
        return int(number)

    def column(self, found: NDArray[np.float64]) -> Any:  # noqa: ANN401 - as in the base
        """A list of the objects."""
        return [self.values[position] for position in found.astype(int).tolist()]


@dataclass(frozen=True)
class Distributed(Dimension):
    """A frozen distribution of ``scipy.stats``: the search moves in its quantiles, between two limits."""

    distribution: Any = None
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def snap(self) -> Callable[[float], float] | None:
        """From the quantile to the value."""
        return self._at_quantile

    def _at_quantile(self, quantile: float) -> float:
        low, high = self.limits
        return float(min(max(self.distribution.ppf(quantile), low), high))

    @property
    def details(self) -> Any:  # noqa: ANN401 - as in the base
        """Name and arguments of the distribution."""
        family = getattr(self.distribution, "dist", self.distribution)
        name = getattr(family, "name", type(family).__qualname__)
        return name, getattr(self.distribution, "args", ()), getattr(self.distribution, "kwds", {})

    def number(self, value: Any) -> float:  # noqa: ANN401 - a user's value
        """The value as a float; one beyond the limits is refused."""
        low, high = self.limits
        if not is_number(value) or not low <= float(value) <= high:
            raise self._refused(value, f"expected a number from {low} to {high}, the range that is searched")
        return float(value)

    def coordinate(self, number: float) -> Any:  # noqa: ANN401 - as in the base
        """The quantile, inside those that are searched."""
        upper = float(self.distribution.cdf(number))
        if self.kind is int:  # the middle of the quantiles that belong to this value
            upper = 0.5 * (upper + float(self.distribution.cdf(number - 1)))
        low, high = self._ends  # where rounding may lead beyond
        return min(max(upper, low), high)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any two objects
    """Are two values equal, True not being 1? Arrays are equal when all their entries are.

    Examples
    --------
    >>> same(1, 1.0), same(True, 1), same(np.arange(2), np.arange(2))
    (True, False, True)
    """
    if one is other:
        return True
    if isinstance(one, (bool, np.bool_)) != isinstance(other, (bool, np.bool_)):
        return False
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.shape(one) == np.shape(other) and bool(np.all(np.asarray(one) == np.asarray(other)))
    equal = one == other
    return bool(equal) if isinstance(equal, (bool, np.bool_)) else False


def dimension_of(name: str, given: Any) -> Dimension:  # noqa: ANN401 - whatever the user wrote
    """Return the dimension for one entry of a search space.

    Raises
    ------
    InvalidProblemError
        If the entry means nothing.
    """
    if isinstance(given, Domain) and not isinstance(given, type):
        return _of_domain(name, given)
    if hasattr(given, "ppf") and hasattr(given, "cdf") and hasattr(given, "support"):
        return _of_distribution(name, given)
    if given is None or isinstance(given, (str, bytes, bool, numbers.Number, np.generic)):
        return Constant(name, None, given)
    if isinstance(given, tuple):
        return _of_interval(name, given)
    if isinstance(given, range):
        return _of_range(name, given)
    if isinstance(given, list):
        return _of_list(name, given)
    if not isinstance(given, (set, frozenset, Mapping)) and (hasattr(given, "shape") or hasattr(given, "__array__")):
        return _of_array(name, np.asarray(given))
    raise InvalidProblemError(
        f"search_space: parameter {name!r}: expected an array, a list or a range of values, a tuple (low, high), a "
        f"frozen distribution of scipy.stats, or a plain value for a constant, got {type(given).__name__}"
    )


def _of_domain(name: str, domain: Domain) -> Dimension:
    if isinstance(domain, Integer):
        return Dimension(name, domain, kind=int)
    if isinstance(domain, Grid):
        return Ordered(name, domain)
    if isinstance(domain, Categorical):
        return _choice(name, list(domain.values))
    return Dimension(name, domain)


def _of_interval(name: str, given: tuple[Any, ...]) -> Dimension:
    ends = given[:2]
    plain = len(ends) == 2 and all(map(is_number, ends))
    if not plain or len(given) > 3 or (len(given) == 3 and given[2] not in _SCALES):
        raise InvalidProblemError(
            f"search_space: parameter {name!r}: a tuple is a continuous interval, (low, high) or (low, high, 'log'), "
            f"got {given!r:.{_SHOWN}}; use a list for values to choose from"
        )
    try:
        return Dimension(name, Real(float(ends[0]), float(ends[1]), "log" if given[2:] == ("log",) else "linear"))
    except InvalidProblemError as error:
        raise InvalidProblemError(f"search_space: parameter {name!r}: {error}") from None


def _of_distribution(name: str, given: Any) -> Dimension:  # noqa: ANN401 - scipy has no types
    try:
        frozen = given if hasattr(given, "dist") else given()
        low, high = (float(end) for end in frozen.support())
    except TypeError as error:
        raise InvalidProblemError(
            f"search_space: parameter {name!r}: the distribution needs its parameters: {error}"
        ) from None
    if math.isnan(low) or math.isnan(high):
        raise InvalidProblemError(f"search_space: parameter {name!r}: the distribution has invalid parameters")
    box = Real(0.0 if math.isfinite(low) else _TAIL, 1.0 if math.isfinite(high) else 1.0 - _TAIL)
    lowest, highest = (min(max(float(frozen.ppf(end)), low), high) for end in (box.lower, box.upper))
    return Distributed(name, box, frozen, (lowest, highest), kind=int if hasattr(frozen, "pmf") else float)


def _of_range(name: str, given: range) -> Dimension:
    ascending = given if given.step > 0 else given[::-1]
    if not ascending:
        raise _empty(name)
    if len(ascending) == 1:
        return Constant(name, None, ascending[0])
    return Ordered(name, Grid(ascending), kind=int)


def _of_list(name: str, given: list[Any]) -> Dimension:
    kinds = set(map(type, given))
    if not kinds:
        raise _empty(name)
    if not all(issubclass(kind, numbers.Real) and not issubclass(kind, bool) for kind in kinds):
        return _choice(name, given)
    array = np.asarray([float(value) for value in given]) if _all_exact(given) else None
    if array is None:
        return _in_order(name, sorted(set(given)))
    kind = kinds.pop()
    if not kinds and (kind in (int, float) or issubclass(kind, np.generic)):
        return _of_numbers(name, array, kind)
    _check_finite(name, array)
    return _in_order(name, sorted({float(value): value for value in given}.values(), key=float))


def _all_exact(given: Sequence[Any]) -> bool:
    return all(abs(int(value)) <= _EXACT_INTEGER for value in given if isinstance(value, numbers.Integral))


def _of_array(name: str, array: NDArray[Any]) -> Dimension:
    if array.ndim == 0:
        return Constant(name, None, array.item())
    if array.ndim > 1:
        raise InvalidProblemError(
            f"search_space: parameter {name!r}: expected an array of one dimension, got shape {array.shape}"
        )
    if not len(array):
        raise _empty(name)
    if array.dtype.kind in "mM":
        return _in_order(name, list(np.unique(array)))
    if array.dtype.kind not in "iuf":
        return _choice(name, list(array))
    if array.dtype.kind in "iu" and max(abs(int(array.min())), abs(int(array.max()))) > _EXACT_INTEGER:
        return _in_order(name, list(np.unique(array)))
    return _of_numbers(name, array, array.dtype.type)


def _of_numbers(name: str, array: NDArray[Any], kind: type) -> Dimension:
    if not (array[1:] > array[:-1]).all():
        _check_finite(name, array)
        array = np.unique(array)
    _check_finite(name, array[[0, -1]])
    if len(array) == 1:
        return Constant(name, None, kind(array[0]))
    return Ordered(name, Grid(array), kind=kind)


def _check_finite(name: str, array: NDArray[Any]) -> None:
    if not np.isfinite(array).all():
        raise InvalidProblemError(f"search_space: parameter {name!r}: expected finite numbers, got NaN or infinity")


def _in_order(name: str, values: list[Any]) -> Dimension:
    if len(values) == 1:
        return Constant(name, None, values[0])
    return Listed(name, Grid(range(len(values))), tuple(values))


def _choice(name: str, given: Sequence[Any]) -> Dimension:
    """Return a choice among the different ones of some objects; what cannot be hashed is different from all else."""
    found: dict[object, Any] = {}
    for value in given:
        hashable = isinstance(value, (str, bytes, int, float, complex, np.generic, type(None)))
        found.setdefault((isinstance(value, (bool, np.bool_)), value) if hashable else id(value), value)
    values = tuple(found.values())
    if len(values) == 1:
        return Constant(name, None, values[0])
    return Listed(name, Categorical(range(len(values))), values)


def _empty(name: str) -> InvalidProblemError:
    return InvalidProblemError(f"search_space: parameter {name!r}: expected at least one value, got none")
