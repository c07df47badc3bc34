"""What a parameter domain offers, and the checks that all domains share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.prior import Prior, scipy_prior_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Value = float | int | str | bool | None
"""What a parameter may be in the user's terms."""

_MAX_LISTED = 6


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


def distinct(values: Sequence[Value], where: str) -> tuple[Value, ...]:
    """Values as a tuple of at least two different plain ones; raises InvalidProblemError for anything else."""
    if isinstance(values, (str, set, frozenset, dict)) or not hasattr(values, "__iter__"):
        raise InvalidProblemError(f"{where}: expected a list of values, in a definite order, got {values!r}")
    plain = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    if len(plain) < 2:  # one value is a constant
        raise InvalidProblemError(
            f"{where}: expected at least two values, got {plain!r}; a plain value makes a constant"
        )
    for index, value in enumerate(plain):
        if not isinstance(value, (int, float, str, bool, type(None))) or value != value:  # noqa: PLR0124 - NaN
            raise InvalidProblemError(f"{where}: expected numbers, text, True, False or None, got {value!r}")
        if any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in plain[:index]):
            raise InvalidProblemError(f"{where}: the value {value!r} is given twice")
    return plain


def listed(values: Sequence[Value]) -> str:
    """Text of a list for messages, cut when it is long."""
    shown = ", ".join(repr(v) for v in values[:_MAX_LISTED])
    return f"[{shown}]" if len(values) <= _MAX_LISTED else f"[{shown}, ... {len(values)} in all]"


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
