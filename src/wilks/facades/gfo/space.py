"""The search space of the facade: a dictionary of anything that has values, as a `wilks.Space` and back."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidProblemError
from wilks.core.fingerprint import fingerprint
from wilks.core.parameter import Integer
from wilks.core.space import Space
from wilks.facades.gfo.dimensions import Constant, Dimension, dimension_of
from wilks.facades.gfo.options import guess

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain, Value

    Numbers = Mapping[str, Any]
    """A number for every free parameter, in order."""

_UNUSED = "(constant)"


class SearchSpace:
    """A search space.

    Parameters
    ----------
    given
        Name -> an array, a list, a range, a tuple ``(low, high)`` or ``(low, high, "log")``, a frozen distribution of
        ``scipy.stats``, a domain of wilks, or a plain value for a constant.

    Attributes
    ----------
    names
        Names of all parameters, in order.
    free
        Those that are no constants.
    space
        The space in which the search moves.
    is_plain
        Are the numbers, by name, the user's dictionary of values already?

    Raises
    ------
    InvalidProblemError
        If it holds nothing, or an entry means nothing.

    Examples
    --------
    >>> import numpy as np
    >>> found = SearchSpace({"x": np.arange(3), "kind": ["a", "b"], "scale": 2.0})
    >>> found.para({"x": 1.0, "kind": 1})
    {'x': np.int64(1), 'kind': 'b', 'scale': 2.0}
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping) or not given:
            raise InvalidProblemError(
                f"search_space: expected a dictionary with at least one parameter, got {given!r:.80}"
            )
        for name in given:
            if not isinstance(name, str) or not name:
                raise InvalidProblemError(f"search_space: expected names of parameters (text), got {name!r}")
        self.dimensions: dict[str, Dimension] = {name: dimension_of(name, entry) for name, entry in given.items()}
        self.names = tuple(self.dimensions)
        domains: dict[str, Domain | Value] = {
            name: dimension.domain for name, dimension in self.dimensions.items() if dimension.domain is not None
        }
        self.free = tuple(domains)
        self.space = Space(domains or {_UNUSED: Integer(0, 1)})
        self._makers = [(name, self.dimensions[name].make) for name in self.free]
        self._template: dict[str, Any] = dict.fromkeys(self.names)
        self._template |= {name: d.value for name, d in self.dimensions.items() if isinstance(d, Constant)}
        snaps = [(name, self.dimensions[name].snap) for name in self.free]
        self.snaps = [(name, snap) for name, snap in snaps if snap is not None]
        self.is_plain = self.free == self.names and not self.snaps and all(make is float for _, make in self._makers)

    @property
    def fingerprint(self) -> str:
        """Identifies the space with all its values."""
        details = [dimension.details for dimension in self.dimensions.values()]
        return fingerprint(self.space.describe(), self.names, details)

    def para(self, found: Numbers) -> dict[str, Any]:
        """The user's dictionary of values for numbers."""
        para = self._template.copy()
        for name, make in self._makers:
            para[name] = make(found[name])
        return para

    def para_of_row(self, row: Iterable[float]) -> dict[str, Any]:
        """Like `para`, for the numbers alone."""
        return self.para(dict(zip(self.free, row, strict=True)))

    def snapped(self, found: Numbers) -> dict[str, Any]:
        """Numbers for coordinates of the search; only distributions make a difference."""
        return {**found, **{name: snap(found[name]) for name, snap in self.snaps}}

    def numbers(self, para: Mapping[str, Any], where: str) -> dict[str, float]:
        """Numbers of a point given by the user; constants may be left out.

        Raises
        ------
        InvalidProblemError
            If a name is unknown or missing, or a value does not belong to the space.
        """
        for name in para:
            if name not in self.dimensions:
                raise InvalidProblemError(f"{where}: unknown parameter {name!r}; {guess(name, self.names)}")
        missing = [name for name in self.free if name not in para]
        if missing:
            raise InvalidProblemError(
                f"{where}: no value for {', '.join(missing)}; a point needs values for {', '.join(self.free)}"
            )
        try:
            found = {name: self.dimensions[name].number(value) for name, value in para.items()}
        except InvalidProblemError as error:
            raise InvalidProblemError(f"{where}: {error}") from None
        return {name: found[name] for name in self.free}

    def coordinates(self, found: Numbers) -> dict[str, Value]:
        """Numbers as values of the `wilks.Space`, to start from."""
        values: dict[str, Value] = {name: self.dimensions[name].coordinate(found[name]) for name in self.free}
        return values or {_UNUSED: 0}

    def row(self, found: Numbers) -> array[float]:
        """Numbers of the free parameters alone."""
        return array("d", [float(found[name]) for name in self.free])

    def exact(self, para: Mapping[str, Any]) -> dict[str, float] | None:
        """Numbers of a point, given by all its values, if a search can visit exactly this one; else None."""
        found: dict[str, float] = {}
        for name, dimension in self.dimensions.items():
            number = dimension.exact(para[name])
            if number is None:
                return None
            found[name] = number
        return {name: found[name] for name in self.free}

    def columns(self, rows: NDArray[np.float64]) -> dict[str, Any]:
        """Values of all parameters for rows of numbers, shape (n, number of free parameters), by name."""
        columns: dict[str, Any] = {}
        for name, dimension in self.dimensions.items():
            if isinstance(dimension, Constant):
                columns[name] = [dimension.value] * len(rows)
            else:
                columns[name] = dimension.column(rows[:, self.free.index(name)])
        return columns
