"""A derived quantity: a function of the parameters, and the parameter in whose place it can come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.parameter import Real
from wilks.core.random import keyed_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.space import Space

    Values = Mapping[str, Any]
    Near = tuple[NDArray[np.float64], NDArray[np.float64]]
    """A point of the unit box and the standard errors there, shape (dimension,) each."""

_N_NODES_OF_A_CHOICE = 17
_N_SAMPLES = 9
_KEY = 31


@dataclass(frozen=True)
class Derived:
    """A function of the parameters that is to be profiled.

    Parameters
    ----------
    name
        Name of the quantity; not that of a parameter.
    function
        Function of a dictionary of values that returns one float. It is called often and must be cheap. NaN, and a
        ValueError or ArithmeticError, mean that the quantity is not defined there.
    lower, upper
        Interval of interest.
    solve_for
        The real parameter in whose place the quantity comes. By default the one on which it depends most strongly,
        among those on which it depends monotonically if there are any. The profile does not depend on the choice.
    unit, label
        For tables and pictures.

    Raises
    ------
    InvalidProblemError
        If the name, the function or the interval cannot be used.

    Examples
    --------
    >>> total = Derived("total", lambda values: values["a"] + values["b"], -4, 4)
    >>> total.value({"a": 1.0, "b": 2.0})
    3.0
    """

    name: str
    function: Callable[[dict[str, Any]], Any] = field(repr=False)
    lower: float
    upper: float
    solve_for: str | None = None
    unit: str = field(default="", kw_only=True)
    label: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidProblemError(f"Derived: expected a name (text), got {self.name!r}")
        if not callable(self.function):
            raise InvalidProblemError(
                f"Derived {self.name!r}: expected a function of a dictionary of values, got {self.function!r}"
            )
        try:
            domain = self.domain
        except InvalidProblemError as error:
            raise InvalidProblemError(f"Derived {self.name!r}: {error}") from None
        object.__setattr__(self, "lower", domain.lower)
        object.__setattr__(self, "upper", domain.upper)

    @property
    def domain(self) -> Real:
        """The interval as the domain of a parameter."""
        return Real(self.lower, self.upper, unit=self.unit, label=self.label)

    def value(self, values: Values) -> float:
        """The quantity at given values of the parameters; NaN where it is not defined."""
        try:
            with np.errstate(all="ignore"):
                return float(self.function(dict(values)))
        except (ValueError, ArithmeticError):
            return math.nan

    def along(self, values: Values, name: str, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """The quantity at many values of one parameter; in one call if the function can take an array."""
        try:
            with np.errstate(all="ignore"):
                found = self.function({**values, name: thetas})
        except (ValueError, TypeError, ArithmeticError, AttributeError, IndexError):
            found = None  # it wants single numbers
        if type(found) is np.ndarray and found.shape == thetas.shape and found.dtype == np.float64:
            return found
        return np.array([self.value({**values, name: theta}) for theta in thetas.tolist()])


def resolved(base: Problem, derived: Derived, taken: set[str], near: Near | None = None) -> Derived:
    """Return the quantity with the parameter that it replaces: the given one, or the most suitable one.

    Suitable is first what the quantity depends on monotonically, then what it depends on most: within one standard
    error of `near`, where that is known, otherwise in the whole box.

    Raises
    ------
    InvalidProblemError
        If the given parameter cannot be used, or there is none.
    """
    space = base.space
    samples = _samples(space, derived, near)
    free = [name for name in space.free if space[name].n_values is None and name not in taken]
    if derived.solve_for is not None and derived.solve_for not in free:
        raise InvalidProblemError(
            f"Derived {derived.name!r}: solve_for={derived.solve_for!r} is no real parameter that is free for it; "
            f"choose from {', '.join(free)}"
        )
    candidates = free if derived.solve_for is None else [derived.solve_for]
    ranked = [(*_dependence(space, derived, name, samples), name) for name in candidates]
    usable = [(monotonic, span, name) for monotonic, span, name in ranked if span > 0]
    if not usable:
        names = ", ".join(candidates) or "any real parameter that is left"
        raise InvalidProblemError(
            f"Derived {derived.name!r}: it does not depend on {names}, so it cannot take the place of one of them; "
            "it needs a function of the real free parameters, or another solve_for"
        )
    if near is not None:
        usable = [(monotonic, _change(space, derived, name, near), name) for monotonic, _, name in usable]
    return replace(derived, solve_for=max(usable, key=lambda entry: entry[:2])[2])


def _samples(space: Space, derived: Derived, near: Near | None) -> list[dict[str, Any]]:
    """A known point, the initial values or the middle, and a few random points; checks the function on the way."""
    first = np.full(space.dimension, 0.5) if space.start is None else space.to_unit(space.start)
    first = first if near is None else near[0]
    units = np.concatenate([first[None, :], keyed_generator(_KEY).random((_N_SAMPLES - 1, space.dimension))])
    samples = [dict(space.to_values(space.from_unit(u))) for u in units]
    try:
        found = [derived.value(values) for values in samples]
    except (LookupError, TypeError, AttributeError, NameError) as error:
        shown = ", ".join(f"{name}={value!r}" for name, value in samples[0].items())
        raise InvalidProblemError(
            f"Derived {derived.name!r}: the function fails at {shown}: {type(error).__name__}: {error}; it gets a "
            "dictionary of the values of all parameters and must return one float"
        ) from error
    if not np.isfinite(found).any():
        raise InvalidProblemError(f"Derived {derived.name!r}: the function is not finite anywhere, got {found[0]!r}")
    return samples


def _dependence(space: Space, derived: Derived, name: str, samples: list[dict[str, Any]]) -> tuple[bool, float]:
    """Is the quantity monotonic in a parameter wherever it was looked at, and how much does it change in its box?"""
    thetas = space[name].from_unit(np.linspace(0.0, 1.0, _N_NODES_OF_A_CHOICE))
    monotonic, spans = True, []
    for values in samples:
        curve = derived.along(values, name, thetas)
        changes = np.diff(curve[np.isfinite(curve)])
        if len(changes):
            monotonic = monotonic and bool((changes > 0).all() or (changes < 0).all())
            spans.append(float(np.abs(changes).sum()))
    return monotonic, float(np.median(spans)) if spans else 0.0


def _change(space: Space, derived: Derived, name: str, near: Near) -> float:
    """Change of the quantity within one standard error of a parameter on both sides of a known point."""
    u, errors = near
    values, column = space.to_values(space.from_unit(u)), space.index(name)
    ends = np.clip([u[column] - errors[column], u[column] + errors[column]], 0.0, 1.0)
    behind, ahead = derived.along(values, name, space[name].from_unit(ends))
    change = abs(float(ahead - behind))
    return change if math.isfinite(change) else 0.0
