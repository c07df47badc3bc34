"""What a parameter domain offers, and what all domains share: checks, and the arithmetic of discrete values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.prior import Prior, scipy_prior_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Value = float | int | str | bool | None
"""What a parameter may be in the user's terms."""

MAX_LISTED = 6
"""Number of values that a message names."""


@runtime_checkable
class Domain(Protocol):
    """What every parameter domain offers to a space."""

    @property
    def unit(self) -> str:
        """Unit, for tables and pictures; may be empty."""
        ...

    @property
    def label(self) -> str:
        """Text for axes; may be empty, then the name is used."""
        ...

    @property
    def n_values(self) -> int | None:
        """Number of values, None when there is a continuum."""
        ...

    @property
    def start(self) -> Value:
        """The value given by the user as ``initial=``, or None."""
        ...

    def encode(self, value: Value) -> float:
        """Value to theta; raises InvalidProblemError when the value does not belong to the domain."""
        ...

    def decode(self, theta: float) -> Value:
        """Theta to value."""
        ...

    def to_unit(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta to the unit interval, elementwise."""
        ...

    def from_unit(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit interval to theta, elementwise; values outside [0, 1] are brought to the nearer end."""
        ...

    def slope(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivative d theta / d unit at `theta` (zero for discrete domains)."""
        ...

    def log_prior(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the prior density (of the probability, when discrete), normalised on the domain."""
        ...

    def draw(self, quantile: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta at quantiles of the prior, so that uniform quantiles give prior draws."""
        ...

    def describe(self) -> str:
        """Text that identifies the domain, for fingerprints."""
        ...


@dataclass(frozen=True)
class Discrete:
    """Shared arithmetic of the domains with K values, each the owner of one of K equal bins of [0, 1]."""

    prior: Sequence[float] | None = field(default=None, kw_only=True)
    unit: str = field(default="", kw_only=True)
    label: str = field(default="", kw_only=True)
    initial: Value = field(default=None, kw_only=True)

    def _check(self) -> None:
        if self.prior is not None:
            weights = as_weights(self.prior)
            if weights.shape != (self._size,) or not (weights >= 0).all() or not 0 < weights.sum() < math.inf:
                raise InvalidProblemError(
                    f"prior of a discrete parameter: expected {self._size} weights >= 0, one per value, "
                    f"got {self.prior!r}"
                )
            object.__setattr__(self, "prior", tuple((weights / weights.sum()).tolist()))
        if self.initial is not None:
            self._index(self.initial)

    @property
    def _size(self) -> int:
        raise TypeError(type(self).__name__)

    def _index(self, value: Value) -> int:
        raise TypeError(f"{type(self).__name__}: {value!r}")

    def _theta(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        return index.astype(float)

    def _theta_of(self, index: int) -> float:
        return float(index)

    def _indices(self, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        index: NDArray[np.int64] = np.rint(np.asarray(theta, dtype=float)).astype(np.int64)
        return index

    @property
    def n_values(self) -> int | None:
        """Number of values."""
        return self._size

    @property
    def start(self) -> Value:
        """The initial value, or None."""
        return self.initial

    def encode(self, value: Value) -> float:
        """Value to theta."""
        return self._theta_of(self._index(value))

    def to_unit(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta to the middle of its bin."""
        return (self._indices(theta) + 0.5) / self._size

    def from_unit(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit interval to the theta whose bin holds it."""
        index: NDArray[np.int64] = np.floor(np.asarray(unit, dtype=float) * self._size).astype(np.int64)
        return self._theta(self._inside(index))

    def _inside(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        # Several times quicker than np.clip for a few points.
        return np.minimum(np.maximum(index, 0), self._size - 1)

    def slope(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zero: a discrete parameter has no derivative."""
        return np.zeros(np.shape(theta))

    def log_prior(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-probability of each theta; minus infinity beyond the ends."""
        index = self._indices(theta)
        known = (index >= 0) & (index < self._size)
        if self.prior is None:
            return np.where(known, -math.log(self._size), -np.inf)
        with np.errstate(divide="ignore"):
            return np.where(known, np.log(self.prior)[self._inside(index)], -np.inf)

    def draw(self, quantile: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta at quantiles of the prior."""
        if self.prior is None:
            return self.from_unit(quantile)
        index = np.searchsorted(np.cumsum(self.prior), np.asarray(quantile), side="right")
        return self._theta(np.minimum(index, self._size - 1))


def as_float(value: object, where: str) -> float:
    """A number as a float; raises InvalidProblemError for anything else, True and False included."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    raise InvalidProblemError(f"{where}: expected a number, got {value!r} of type {type(value).__name__}")


def as_weights(prior: object) -> NDArray[np.float64]:
    """Weights as an array; raises InvalidProblemError for anything that is no list of numbers."""
    try:
        return np.asarray(prior, dtype=float)
    except (TypeError, ValueError):
        raise InvalidProblemError(
            f"prior of a discrete parameter: expected a list of weights, one per value, got {prior!r}"
        ) from None


def check_list(values: object, where: str) -> None:
    """Raise InvalidProblemError unless this is something like a list: many values in a definite order."""
    single = isinstance(values, np.ndarray) and values.ndim == 0  # such an array has __iter__, and refuses it
    if single or isinstance(values, (str, set, frozenset, dict)) or not isinstance(values, Iterable):
        raise InvalidProblemError(f"{where}: expected a list of values, in a definite order, got {values!r}")


def distinct(values: Sequence[Value], where: str) -> tuple[Value, ...]:
    """Values as a tuple of at least two different plain ones; raises InvalidProblemError for anything else."""
    check_list(values, where)
    plain = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    if len(plain) < 2:  # one value is a constant
        raise InvalidProblemError(
            f"{where}: expected at least two values, got {plain!r}; a plain value makes a constant"
        )
    seen = set()
    for value in plain:
        if not isinstance(value, (int, float, str, bool, type(None))) or value != value:  # noqa: PLR0124 - NaN
            raise InvalidProblemError(f"{where}: expected numbers, text, True, False or None, got {value!r}")
        key = (isinstance(value, bool), value)  # True is not 1 here
        if key in seen:
            raise InvalidProblemError(f"{where}: the value {value!r} is given twice")
        seen.add(key)
    return plain


def listed(values: Sequence[Value], size: int | None = None) -> str:
    """Text of a list for messages, cut when it is long; `size` is its length where only the first are given."""
    size = len(values) if size is None else size
    shown = ", ".join(repr(v) for v in values[:MAX_LISTED])
    return f"[{shown}]" if size <= MAX_LISTED else f"[{shown}, ... {size} in all]"


def check_prior(prior: object) -> None:
    """Raise InvalidProblemError unless this is a prior or None."""
    if prior is not None and (isinstance(prior, type) or not isinstance(prior, Prior)):
        raise InvalidProblemError(
            f"prior: expected a prior of wilks or a frozen distribution of scipy.stats, got {prior!r}"
        )


def describe_prior(prior: object) -> str:
    """Text that identifies a prior, for fingerprints."""
    form = scipy_prior_form(prior)  # a frozen scipy distribution has no stable repr
    return repr(prior) if form is None else f"{form[0]}({form[1]!r},{form[2]!r})"
