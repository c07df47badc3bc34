"""Domains of single parameters: what values they take, and how they map to arrays and to the unit interval.

Three representations are used, each in its place:

* *value*: what the user's function sees (a float, an int, a string, ...);
* *theta*: one float, what is logged and put into arrays. It equals the value, except for a
  `Categorical`, where it is the index of the value;
* *unit*: a float in [0, 1], what algorithms move. Real parameters map linearly or logarithmically;
  a discrete parameter with K values owns K equal bins, and a value sits in the middle of its bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from wilks.core.domain import Discrete, Domain, Value, as_float, check_prior, describe_prior, distinct, listed
from wilks.core.errors import InvalidProblemError
from wilks.core.grid import Grid
from wilks.core.prior import LogUniform, Prior, Uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Categorical", "Domain", "Grid", "Integer", "Real", "Value"]

# Below it the middle of every bin is a float, and theta -> unit -> theta gives every integer back.
_LARGEST_INTEGER = 2**49


@dataclass(frozen=True)
class Real:
    """A real parameter in a finite interval.

    Parameters
    ----------
    lower, upper
        Ends of the interval, both included.
    scale
        ``"linear"`` or ``"log"``; on a log scale all steps and grids are logarithmic, and `lower` must be positive.
    prior
        A `Prior`, or a frozen distribution of ``scipy.stats``; uniform on the scale of the parameter by default.
    unit, label
        For tables and pictures, for example ``unit="km/s/Mpc"`` and ``label="$H_0$"``.
    initial
        A value from which a local method may start.

    Raises
    ------
    InvalidProblemError
        If the interval is empty or infinite, or `initial` lies outside it.

    Examples
    --------
    >>> Real(1e-3, 10.0, scale="log").from_unit(np.array([0.0, 0.5, 1.0])).tolist()
    [0.001, 0.1, 10.0]
    """

    lower: float
    upper: float
    scale: Literal["linear", "log"] = "linear"
    prior: Prior | None = field(default=None, kw_only=True)
    unit: str = field(default="", kw_only=True)
    label: str = field(default="", kw_only=True)
    initial: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            bound = getattr(self, name)
            if isinstance(bound, (bool, str)) or not math.isfinite(as_float(bound, f"Real: {name}")):
                raise InvalidProblemError(
                    f"Real: expected a finite {name}, got {bound!r}; every parameter needs a finite box, "
                    "choose limits wide enough to hold every value of interest"
                )
            object.__setattr__(self, name, float(bound))
        if not self.lower < self.upper:
            raise InvalidProblemError(
                f"Real: expected lower < upper, got ({self.lower}, {self.upper}); a plain number makes a constant"
            )
        if self.scale not in ("linear", "log"):
            raise InvalidProblemError(f"Real: scale must be 'linear' or 'log', got {self.scale!r}")
        if self.scale == "log" and self.lower <= 0:
            raise InvalidProblemError(f"Real: lower > 0 is needed for scale='log', got ({self.lower}, {self.upper})")
        if not math.isfinite(self.upper / self.lower if self.scale == "log" else self.upper - self.lower):
            raise InvalidProblemError(f"Real: ({self.lower}, {self.upper}) is wider than a float can hold; narrow it")
        check_prior(self.prior)
        if self.prior is not None and not float(self.prior.cdf(self.upper) - self.prior.cdf(self.lower)) > 0:
            raise InvalidProblemError(
                f"Real: the prior {self.prior!r} gives the interval ({self.lower}, {self.upper}) no probability"
            )
        if self.initial is not None:
            object.__setattr__(self, "initial", self.encode(self.initial))

    @property
    def n_values(self) -> int | None:
        """None: a continuum."""
        return None

    @property
    def start(self) -> Value:
        """The initial value, or None."""
        return self.initial

    def encode(self, value: Value) -> float:
        """Value to theta."""
        theta = as_float(value, "Real")
        if not self.lower <= theta <= self.upper:
            raise InvalidProblemError(f"expected a value in [{self.lower}, {self.upper}], got {value!r}")
        return theta

    def decode(self, theta: float) -> float:
        """Theta to value."""
        return float(theta)

    def to_unit(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta to the unit interval."""
        theta = np.asarray(theta, dtype=float)
        if self.scale == "log":
            return np.log(theta / self.lower) / math.log(self.upper / self.lower)
        return (theta - self.lower) / (self.upper - self.lower)

    def from_unit(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit interval to theta."""
        unit = np.minimum(unit, 1.0)
        if self.scale == "log":
            theta = self.lower * np.exp(unit * math.log(self.upper / self.lower))
        else:
            theta = self.lower + unit * (self.upper - self.lower)
        # The rounding of the line above may miss an end by one unit in the last place.
        theta = np.where(unit == 1.0, self.upper, theta)
        return np.minimum(np.maximum(theta, self.lower), self.upper)

    def slope(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivative d theta / d unit."""
        theta = np.asarray(theta, dtype=float)
        if self.scale == "log":
            return theta * math.log(self.upper / self.lower)
        return np.full(theta.shape, self.upper - self.lower)

    @property
    def _prior(self) -> Prior:
        if self.prior is not None:
            return self.prior
        return (LogUniform if self.scale == "log" else Uniform)(self.lower, self.upper)

    def log_prior(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-density of the prior, cut to the interval and normalised there."""
        theta = np.asarray(theta, dtype=float)
        mass = float(self._prior.cdf(self.upper) - self._prior.cdf(self.lower))
        inside = (theta >= self.lower) & (theta <= self.upper)
        return np.where(inside, self._prior.logpdf(theta) - math.log(mass), -np.inf)

    def draw(self, quantile: NDArray[np.float64]) -> NDArray[np.float64]:
        """Theta at quantiles of the prior cut to the interval."""
        low, high = float(self._prior.cdf(self.lower)), float(self._prior.cdf(self.upper))
        theta = self._prior.ppf(low + np.asarray(quantile) * (high - low))
        return np.clip(theta, self.lower, self.upper)

    def describe(self) -> str:
        """Text that identifies the domain."""
        return f"Real({self.lower!r},{self.upper!r},{self.scale},{describe_prior(self.prior)})"


@dataclass(frozen=True)
class Integer(Discrete):
    """An integer parameter, both ends included.

    Examples
    --------
    >>> Integer(1, 4).from_unit(np.array([0.0, 0.3, 1.0])).tolist()
    [1.0, 2.0, 4.0]
    """

    lower: int
    upper: int

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            bound = getattr(self, name)
            if isinstance(bound, bool) or not isinstance(bound, (int, np.integer)):
                raise InvalidProblemError(f"Integer: expected an integer {name}, got {bound!r}")
            if abs(int(bound)) > _LARGEST_INTEGER:
                raise InvalidProblemError(
                    f"Integer: expected bounds within ±{_LARGEST_INTEGER}, which a float still tells apart, "
                    f"got {name}={bound!r}"
                )
            object.__setattr__(self, name, int(bound))
        if not self.lower < self.upper:
            raise InvalidProblemError(
                f"Integer: expected lower < upper, got ({self.lower}, {self.upper}); a plain number makes a constant"
            )
        self._check()

    @property
    def _size(self) -> int:
        return self.upper - self.lower + 1

    def _index(self, value: Value) -> int:
        number = as_float(value, "Integer")
        if not self.lower <= number <= self.upper or number != round(number):
            raise InvalidProblemError(f"expected an integer in [{self.lower}, {self.upper}], got {value!r}")
        return round(number) - self.lower

    def _theta(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        return (index + self.lower).astype(float)

    def _theta_of(self, index: int) -> float:
        return float(index + self.lower)

    def _indices(self, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        index: NDArray[np.int64] = np.rint(np.asarray(theta, dtype=float)).astype(np.int64) - self.lower
        return index

    def decode(self, theta: float) -> int:
        """Theta to value."""
        return round(float(theta))

    def describe(self) -> str:
        """Text that identifies the domain."""
        return f"Integer({self.lower},{self.upper},{self.prior!r})"


@dataclass(frozen=True)
class Categorical(Discrete):
    """A choice among values without an order.

    Examples
    --------
    >>> Categorical(["elliptic", "spiral"]).decode(1.0)
    'spiral'
    """

    values: Sequence[Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", distinct(self.values, "Categorical"))
        self._check()

    @property
    def _size(self) -> int:
        return len(self.values)

    def _index(self, value: Value) -> int:
        value = value.item() if isinstance(value, np.generic) else value
        for index, known in enumerate(self.values):
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return index
        raise InvalidProblemError(f"expected one of {listed(self.values)}, got {value!r}")

    def decode(self, theta: float) -> Value:
        """Theta to value."""
        return self.values[round(float(theta))]

    def describe(self) -> str:
        """Text that identifies the domain."""
        return f"Categorical({self.values!r},{self.prior!r})"
