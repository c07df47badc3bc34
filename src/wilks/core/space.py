"""The space of parameters: ordered, immutable, shared by every verb."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from wilks.core.errors import InvalidProblemError
from wilks.core.grid import EvenNodes
from wilks.core.parameter import Categorical, Domain, Grid, Integer, Real, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

_OWN_DOMAINS = (Real, Integer, Grid, Categorical)
_PLAIN = (int, float, str, bool, type(None))


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
            if isinstance(plain, type) or not isinstance(plain, (*_OWN_DOMAINS, *_PLAIN, Domain)):
                raise InvalidProblemError(
                    f"Space: parameter {name!r}: expected Real, Integer, Grid, Categorical or a constant, "
                    f"got {entry!r} of type {type(entry).__name__}"
                )
            self._entries[name] = plain
        domains = {name: entry for name, entry in self._entries.items() if _is_domain(entry)}
        if not domains:
            raise InvalidProblemError("Space: expected at least one free parameter, got constants only")
        self._domains: dict[str, Domain] = domains
        self._description = ""
        self._free = tuple(domains)
        self._prepare()

    def _prepare(self) -> None:
        """Arrays for the vectorised maps between theta and the unit box, a number for every column."""
        domains = list(self._domains.values())
        columns = np.array([_column(domain) for domain in domains])
        self._lower, self._upper, self._width, self._step, top = np.ascontiguousarray(columns.T)
        is_even = np.isfinite(top)
        self._top = top if is_even.any() else None
        self._is_whole = np.array([isinstance(d, (Integer, Categorical)) for d in domains])
        self._is_log = np.array([isinstance(d, Real) and d.scale == "log" for d in domains])
        self._any_whole, self._any_log = bool(self._is_whole.any()), bool(self._is_log.any())
        is_binned = self._is_whole | is_even
        mixed = is_binned.any() and not is_binned.all()
        self._binned: NDArray[np.bool_] | bool = is_binned if mixed else bool(is_binned[0])
        self._grids = [(i, d) for i, d in enumerate(domains) if not isinstance(d, (Real, Integer, Categorical))]
        self._other = [(i, d) for i, d in self._grids if not is_even[i]]
        self._middle = self._lower - 0.5 * self._is_whole  # a whole number goes to the middle of its bin
        self._log_lower = np.where(self._is_log, self._lower, 1.0)
        self._log_width = np.array(
            [math.log(d.upper / d.lower) if isinstance(d, Real) and d.scale == "log" else 1.0 for d in domains]
        )
        # Rounding is monotonic: a linear map that does not go beyond its upper end there does so nowhere.
        end = np.where(is_even, np.where(is_even, top, 0.0) * self._step, self._width) + self._lower
        self._may_miss_end = self._any_log or bool((end < self._upper).any())
        self._may_pass_end = self._any_log or bool((end > self._upper).any())
        self._decoders = [(name, _decoder(d)) for name, d in self._domains.items() if not isinstance(d, (Real, Grid))]
        constants = {name: entry for name, entry in self._entries.items() if not _is_domain(entry)}
        self._constants: dict[str, Value] = constants  # type: ignore[assignment]  # just sorted out
        self._template: dict[str, Value] = dict.fromkeys(self._entries) | self._constants  # all names in order
        self._n_values = tuple(domain.n_values for domain in domains)
        self._is_continuous = np.array([n is None for n in self._n_values])
        self._is_ordered = np.array([not isinstance(d, Categorical) for d in domains])
        for flags in (self._is_continuous, self._is_ordered):
            flags.setflags(write=False)

    def __reduce__(self) -> tuple[Callable[..., Space], tuple[object, ...]]:
        """For pickle: the parameters alone, in order."""
        return _of_items, (tuple(self._entries.items()),)

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
        return self._constants.copy()

    @property
    def dimension(self) -> int:
        """Number of free parameters."""
        return len(self._free)

    @property
    def is_continuous(self) -> NDArray[np.bool_]:
        """For every free parameter: is it real? A read-only array."""
        return self._is_continuous

    @property
    def is_ordered(self) -> NDArray[np.bool_]:
        """For every free parameter: are its values numbers in order? False for a Categorical. A read-only array."""
        return self._is_ordered

    @property
    def n_values(self) -> tuple[int | None, ...]:
        """For every free parameter: its number of values, None where it is real."""
        return self._n_values

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
        row = np.asarray(theta, dtype=float).tolist()
        if len(row) != len(self._free):
            expected = f"{len(self._free)} numbers, for {', '.join(self._free)}"
            raise InvalidProblemError(f"expected an argument of {expected}, got {len(row)}")
        return self.values_of_row(row)

    def values_of_row(self, row: list[float]) -> dict[str, Value]:
        """Like `to_values`, for a list of as many floats as there are columns; the fast path of the evaluator."""
        values: dict[str, Value] = dict(zip(self._free, row))  # noqa: B905 - the keyword takes a quarter of the time
        if self._constants:
            values = {**self._template, **values}
        for name, decode in self._decoders:
            values[name] = decode(values[name])  # type: ignore[arg-type]  # a float until decoded here
        return values

    def values_of_rows(self, thetas: NDArray[np.float64]) -> dict[str, Any]:
        """Thetas, shape (n, dimension), to an array of n values for every parameter, by name; constants as they are."""
        columns = dict(zip(self._free, thetas.T.copy(), strict=True))
        values = {**self._template, **columns} if self._constants else columns
        for name, decode in self._decoders:
            values[name] = np.array([decode(number) for number in columns[name].tolist()])
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
        if self._any_whole:
            unit = theta.copy()
            np.rint(unit, out=unit, where=self._is_whole)
            unit -= self._middle
        else:
            unit = theta - self._middle
        unit /= self._width
        if self._any_log:
            np.log(theta / self._log_lower, out=unit, where=self._is_log)
            np.divide(unit, self._log_width, out=unit, where=self._is_log)
        for column, domain in self._grids:
            unit[..., column] = domain.to_unit(theta[..., column])
        return unit

    def from_unit(self, unit: ArrayLike) -> NDArray[np.float64]:
        """Unit box, shape (..., dimension), to theta."""
        inside: NDArray[np.float64] = np.minimum(np.asarray(unit, dtype=float), 1.0)
        theta: NDArray[np.float64] = inside * self._width
        if self._binned is not False:
            np.floor(theta, out=theta, where=self._binned)
        at_end = inside == 1.0 if self._may_miss_end else None
        if self._top is not None:  # indices of evenly spaced values
            np.maximum(theta, 0.0, out=theta)
            np.minimum(theta, self._top, out=theta)
            if at_end is not None:
                at_end |= theta == self._top
            theta *= self._step
        theta += self._lower
        if self._any_log:
            np.copyto(theta, self._lower * np.exp(inside * self._log_width), where=self._is_log)
        # The rounding above may miss an end by one unit in the last place; a whole number has its last bin there.
        if at_end is not None:
            np.copyto(theta, self._upper, where=at_end)
        if self._may_pass_end:
            np.minimum(theta, self._upper, out=theta)
        np.maximum(theta, self._lower, out=theta)
        for column, domain in self._other:
            theta[..., column] = domain.from_unit(inside[..., column])
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
        if not self._description:
            known: dict[object, str] = {}  # the values of a long list take a while to be written
            lines = []
            for name, entry in self._entries.items():
                domain = self._domains.get(name)
                text = repr(entry) if domain is None else ""
                if isinstance(domain, Grid):
                    key = domain.nodes, domain.prior
                    text = known[key] = known.get(key) or domain.describe()
                elif domain is not None:
                    text = domain.describe()
                lines.append(f"{name}={text}")
            self._description = "\n".join(lines)
        return self._description


def _is_domain(entry: Domain | Value) -> TypeGuard[Domain]:
    """The quick way: to ask whether something is of a protocol takes a hundred times longer."""
    return isinstance(entry, _OWN_DOMAINS) or (not isinstance(entry, _PLAIN) and isinstance(entry, Domain))


def _column(domain: Domain) -> tuple[float, float, float, float, float]:
    """Lower end, upper end and width of the linear map of a domain, zero to one where there is none.

    Then the distance of evenly spaced values and the last of their indices; one and infinity where there are none.
    """
    if isinstance(domain, Real):
        return domain.lower, domain.upper, domain.upper - domain.lower, 1.0, math.inf
    if isinstance(domain, Integer):
        return domain.lower, domain.upper, domain.n_values or 1, 1.0, math.inf
    if isinstance(domain, Categorical):
        return 0.0, len(domain.values) - 1.0, len(domain.values), 1.0, math.inf
    if isinstance(domain, Grid) and isinstance(domain.nodes, EvenNodes):
        nodes = domain.nodes
        return nodes.first, nodes.last, nodes.size, nodes.step, nodes.size - 1
    return 0.0, 1.0, 1.0, 1.0, math.inf


def _decoder(domain: Domain) -> Callable[[float], Value]:
    """From a float to the value; for an Integer without the way through its method."""
    return round if isinstance(domain, Integer) else domain.decode


def _of_items(items: tuple[tuple[str, Domain | Value], ...]) -> Space:
    return Space(dict(items))
