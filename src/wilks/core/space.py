"""The space of parameters: ordered, immutable, shared by every verb."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.parameter import Domain, Real, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray


class Space:
    """Ordered parameters with their domains; a plain number or string is a constant.

    Parameters
    ----------
    parameters
        A mapping from names to domains or constants, for names that are no Python identifiers.
    **more
        The same, as keywords.

    Raises
    ------
    InvalidProblemError
        If a domain is of an unknown kind, or no parameter is free.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(0, 2), kind=wilks.Categorical(["a", "b"]), scale=3.0)
    >>> space.free
    ('x', 'kind')
    >>> space.to_values([1.5, 1.0])
    {'x': 1.5, 'kind': 'b', 'scale': 3.0}
    >>> space.to_theta({"x": 1.5, "kind": "b"}).tolist()
    [1.5, 1.0]
    """

    def __init__(self, parameters: Mapping[str, Domain | Value] | None = None, /, **more: Domain | Value) -> None:
        merged = {**(parameters or {}), **more}
        self._entries: dict[str, Domain | Value] = {}
        for name, entry in merged.items():
            if not isinstance(name, str) or not name:
                raise InvalidProblemError(f"Space: expected a parameter name (text), got {name!r}")
            plain = entry.item() if isinstance(entry, np.generic) else entry
            if isinstance(plain, type) or not isinstance(plain, (Domain, int, float, str, bool, type(None))):
                raise InvalidProblemError(
                    f"Space: parameter {name!r}: expected Real, Integer, Grid, Categorical or a constant, "
                    f"got {entry!r} of type {type(entry).__name__}"
                )
            self._entries[name] = plain
        domains = {name: entry for name, entry in self._entries.items() if isinstance(entry, Domain)}
        if not domains:
            raise InvalidProblemError("Space: expected at least one free parameter, got constants only")
        self._domains: dict[str, Domain] = domains
        self._free = tuple(domains)
        self._prepare()

    def _prepare(self) -> None:
        """Arrays for the vectorised maps between theta and the unit box."""
        reals = [d if isinstance(d, Real) else None for d in self._domains.values()]
        self._other = [(i, d) for i, d in enumerate(self._domains.values()) if not isinstance(d, Real)]
        self._lower = np.array([d.lower if d else 0.0 for d in reals])
        self._upper = np.array([d.upper if d else 1.0 for d in reals])
        self._is_log = np.array([d is not None and d.scale == "log" for d in reals])
        self._log_width = np.array([math.log(d.upper / d.lower) if d and d.scale == "log" else 0.0 for d in reals])
        self._any_log = bool(self._is_log.any())
        self._decoders = [(name, d) for name, d in self._domains.items() if not isinstance(d, Real)]
        self._has_constants = len(self._entries) > len(self._free)
        self._template = dict.fromkeys(self._entries) | self.constants  # all names in order, for `values_of_row`

    @property
    def names(self) -> tuple[str, ...]:
        """All names, constants too, in order."""
        return tuple(self._entries)

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free parameters: the columns of theta."""
        return self._free

    @property
    def constants(self) -> dict[str, Value]:
        """Names and values of the constants."""
        return {name: entry for name, entry in self._entries.items() if not isinstance(entry, Domain)}

    @property
    def dimension(self) -> int:
        """Number of free parameters."""
        return len(self._free)

    @property
    def is_continuous(self) -> NDArray[np.bool_]:
        """For every free parameter: is it real?"""
        return np.array([domain.n_values is None for domain in self._domains.values()])

    def __getitem__(self, name: str) -> Domain:
        """Return the domain of a free parameter."""
        try:
            return self._domains[name]
        except KeyError:
            raise InvalidProblemError(
                f"no free parameter {name!r}; the free parameters are {', '.join(self._free)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of parameters, constants included."""
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        """Spaces are equal when they describe the same parameters in the same order."""
        return isinstance(other, Space) and self.describe() == other.describe()

    def __hash__(self) -> int:
        """Hash of the description."""
        return hash(self.describe())

    def __repr__(self) -> str:
        """Return one line per parameter."""
        return "Space(\n" + "".join(f"    {name}={entry!r},\n" for name, entry in self._entries.items()) + ")"

    def index(self, name: str) -> int:
        """Column of a free parameter in theta."""
        self[name]
        return self._free.index(name)

    def label(self, name: str) -> str:
        """Text for an axis: the label (or the name) with its unit."""
        domain = self[name]
        text = domain.label or name
        return f"{text} [{domain.unit}]" if domain.unit else text

    def to_values(self, theta: ArrayLike) -> dict[str, Value]:
        """One theta, shape (dimension,), to the values by name that the user's function gets."""
        return self.values_of_row(np.asarray(theta, dtype=float).tolist())

    def values_of_row(self, row: list[float]) -> dict[str, Value]:
        """Like `to_values`, for a list of floats; the fast path of the evaluator."""
        values: dict[str, Value] = dict(zip(self._free, row, strict=True))
        for name, domain in self._decoders:
            values[name] = domain.decode(values[name])  # type: ignore[arg-type]  # a float until decoded here
        if self._has_constants:
            return {**self._template, **values}
        return values

    def to_theta(self, values: Mapping[str, Value]) -> NDArray[np.float64]:
        """Values by name to theta, shape (dimension,); constants may be given when they agree.

        Raises
        ------
        InvalidProblemError
            If a name is unknown or missing, or a value lies outside its domain.
        """
        self._check_names(values)
        missing = [name for name in self._free if name not in values]
        if missing:
            raise InvalidProblemError(f"no value for {', '.join(missing)}; expected values for {', '.join(self._free)}")
        theta = np.empty(self.dimension)
        for column, name in enumerate(self._free):
            try:
                theta[column] = self._domains[name].encode(values[name])
            except InvalidProblemError as error:
                raise InvalidProblemError(f"parameter {name!r}: {error}") from None
        return theta

    def _check_names(self, values: Mapping[str, Value]) -> None:
        unknown = [name for name in values if name not in self._entries]
        if unknown:
            raise InvalidProblemError(
                f"unknown parameter {', '.join(map(repr, unknown))}; the parameters are {', '.join(self._entries)}"
            )
        for name, value in values.items():
            if name not in self._domains and value != self._entries[name]:
                raise InvalidProblemError(f"parameter {name!r} is fixed at {self._entries[name]!r}, got {value!r}")

    def to_unit(self, theta: ArrayLike) -> NDArray[np.float64]:
        """Theta, shape (..., dimension), to the unit box."""
        theta = np.asarray(theta, dtype=float)
        unit: NDArray[np.float64] = (theta - self._lower) / (self._upper - self._lower)
        if self._any_log:
            ratio = np.where(self._is_log, theta / self._lower_safe, 1.0)
            unit = np.where(self._is_log, np.log(ratio) / np.where(self._is_log, self._log_width, 1.0), unit)
        for column, domain in self._other:
            unit[..., column] = domain.to_unit(theta[..., column])
        return unit

    @property
    def _lower_safe(self) -> NDArray[np.float64]:
        return np.where(self._is_log, self._lower, 1.0)

    def from_unit(self, unit: ArrayLike) -> NDArray[np.float64]:
        """Unit box, shape (..., dimension), to theta."""
        unit = np.asarray(np.minimum(unit, 1.0), dtype=float)
        theta: NDArray[np.float64] = self._lower + unit * (self._upper - self._lower)
        if self._any_log:
            theta = np.where(self._is_log, self._lower * np.exp(unit * self._log_width), theta)
        # The rounding above may miss an end by one unit in the last place.
        theta = np.where(unit == 1.0, self._upper, theta)
        theta = np.minimum(np.maximum(theta, self._lower), self._upper)
        for column, domain in self._other:
            theta[..., column] = domain.from_unit(np.asarray(unit[..., column]))
        return theta

    def slope(self, theta: ArrayLike) -> NDArray[np.float64]:
        """Derivatives d theta / d unit of every coordinate, shape of `theta`; zero where discrete."""
        theta = np.asarray(theta, dtype=float)
        columns = [domain.slope(theta[..., column]) for column, domain in enumerate(self._domains.values())]
        return np.stack(columns, axis=-1)

    def log_prior(self, theta: ArrayLike) -> NDArray[np.float64]:
        """Log of the prior density at theta, shape (..., dimension) -> (...)."""
        theta = np.asarray(theta, dtype=float)
        parts = [domain.log_prior(theta[..., column]) for column, domain in enumerate(self._domains.values())]
        total: NDArray[np.float64] = np.sum(np.stack(parts, axis=-1), axis=-1)
        return total

    def draw(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw `n` thetas from the prior, shape (n, dimension)."""
        quantiles = generator.random((n, self.dimension))
        columns = [domain.draw(quantiles[:, column]) for column, domain in enumerate(self._domains.values())]
        return np.stack(columns, axis=-1)

    @property
    def start(self) -> NDArray[np.float64] | None:
        """Theta of the initial values; None unless every free parameter has one."""
        initial = {name: domain.start for name, domain in self._domains.items()}
        if any(value is None for value in initial.values()):
            return None
        return self.to_theta(initial)

    def fix(self, **values: Value) -> Space:
        """Return the same space with some parameters made constants.

        Raises
        ------
        InvalidProblemError
            If a name is not a free parameter, a value lies outside its domain, or nothing stays free.
        """
        for name, value in values.items():
            try:
                self[name].encode(value)
            except InvalidProblemError as error:
                raise InvalidProblemError(f"fix: parameter {name!r}: {error}") from None
        # As the user's function would get them: -1 becomes -1.0 where the parameter is real.
        plain = {name: self[name].decode(self[name].encode(value)) for name, value in values.items()}
        return Space({name: plain.get(name, entry) for name, entry in self._entries.items()})

    def describe(self) -> str:
        """Text that identifies the space, for fingerprints."""
        lines = [
            f"{name}={entry.describe() if isinstance(entry, Domain) else repr(entry)}"
            for name, entry in self._entries.items()
        ]
        return "\n".join(lines)
