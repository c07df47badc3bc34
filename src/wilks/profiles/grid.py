"""The grid of a profile: nodes of the profiled parameters, cells by number, and who is next to whom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Categorical, Integer, Real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.core.space import Space

_DEFAULT_NODES = {2: 41}
_DEFAULT_MORE = 15
_PATH_NODES = 8193  # one and a power of two
_FEWEST_STEPS = 4  # of the lattice on an axis


def power_of_two(limit: float) -> int:
    """Largest power of two up to a limit, at least 1.

    Examples
    --------
    >>> power_of_two(7.9), power_of_two(0.3)
    (4, 1)
    """
    return 1 if limit < 1 else 1 << int(np.log2(limit))


@dataclass
class ProfileGrid:
    """Nodes on every axis.

    Attributes
    ----------
    names
        The profiled parameters.
    nodes
        Theta of the nodes of each axis, ascending.
    units
        The same in the unit interval.
    unordered
        Axes without an order (categorical): there every cell is a neighbour of every other.
    stepwise
        Axes along which all may change from one node to the next (categorical or integer): none is left out, and
        nothing is fitted across them.
    adaptive
        Are the nodes only places where the profile may be evaluated, so that most of them stay empty?
    """

    names: tuple[str, ...]
    nodes: tuple[NDArray[np.float64], ...]
    units: tuple[NDArray[np.float64], ...]
    unordered: tuple[bool, ...]
    stepwise: tuple[bool, ...]
    adaptive: bool = False
    _indices: NDArray[np.int64] | None = field(default=None, repr=False, metadata={"saved": False})
    _positions: NDArray[np.float64] | None = field(default=None, repr=False, metadata={"saved": False})
    _near: dict[tuple[int, ...], list[int]] = field(default_factory=dict, repr=False, metadata={"saved": False})

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes on each axis."""
        return tuple(len(axis) for axis in self.nodes)

    @cached_property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def indices(self) -> NDArray[np.int64]:
        """Position of every cell on the axes, shape (n_cells, number of axes)."""
        if self._indices is None:
            self._indices = np.stack(np.unravel_index(np.arange(self.n_cells), self.shape), axis=-1)
        return self._indices

    @property
    def positions(self) -> NDArray[np.float64]:
        """Profiled parameters of every cell in the unit box, shape (n_cells, number of axes)."""
        if self._positions is None:
            columns = [axis[i] for axis, i in zip(self.units, self.indices.T, strict=True)]
            self._positions = np.stack(columns, axis=-1)
        return self._positions

    def index(self, cell: int) -> tuple[int, ...]:
        """Position of a cell on the axes."""
        return tuple(self.indices[cell].tolist())

    def theta(self, cell: int) -> NDArray[np.float64]:
        """Theta of the profiled parameters in a cell, shape (number of axes,)."""
        return np.array([axis[i] for axis, i in zip(self.nodes, self.index(cell), strict=True)])

    def unit(self, cell: int) -> NDArray[np.float64]:
        """The same in the unit box."""
        row: NDArray[np.float64] = self.positions[cell]
        return row

    def strides(self, spacing: int) -> tuple[int, ...]:
        """Spacing of the lattice on every axis: 1 where all may change at once, less where an axis is short."""
        return tuple(
            1 if stepwise else min(spacing, power_of_two((size - 1) / _FEWEST_STEPS))
            for size, stepwise in zip(self.shape, self.stepwise, strict=True)
        )

    def lattice(self, spacing: int) -> tuple[NDArray[np.int64], ...]:
        """Positions of the lattice's nodes on every axis: the first, and so on in steps."""
        return tuple(np.arange(0, size, s) for size, s in zip(self.shape, self.strides(spacing), strict=True))

    def nearest(self, unit: NDArray[np.float64], spacing: int = 1) -> int:
        """Cell of the lattice nearest to a point of the unit box of the profiled parameters."""
        index = [
            int(at[np.argmin(np.abs(axis[at] - x))])
            for axis, at, x in zip(self.units, self.lattice(spacing), unit, strict=True)
        ]
        return int(np.ravel_multi_index(index, self.shape))

    def around_point(self, unit: NDArray[np.float64], spacing: int = 1) -> list[int]:
        """Cells at the corners of the box of lattice nodes that a point lies in, the nearest first."""
        choices = []
        places = zip(self.units, self.lattice(spacing), unit.tolist(), self.unordered, strict=True)
        for axis, at, x, unordered in places:
            nearest = int(np.argmin(np.abs(axis[at] - x)))
            other = nearest + (1 if x > axis[at[nearest]] else -1)
            inside = 0 <= other < len(at) and x != axis[at[nearest]] and not unordered
            choices.append([int(at[nearest]), int(at[other])] if inside else [int(at[nearest])])
        return [int(np.ravel_multi_index(index, self.shape)) for index in itertools.product(*choices)]

    def neighbours(self, cell: int, spacing: int = 1, *, diagonal: bool = False) -> list[int]:
        """Cells of the lattice next to this one along an axis; with `diagonal`, also at the corners."""
        key = (cell, spacing, -1 - int(diagonal))
        if key not in self._near:
            self._near[key] = self._find_neighbours(cell, spacing, diagonal=diagonal)
        return self._near[key]

    def _find_neighbours(self, cell: int, spacing: int, *, diagonal: bool) -> list[int]:
        index = self.index(cell)
        choices = []
        for i, size, unordered, s in zip(index, self.shape, self.unordered, self.strides(spacing), strict=True):
            others = [j for j in range(size) if j != i] if unordered else [j for j in (i - s, i + s) if 0 <= j < size]
            choices.append([i, *others])
        if diagonal:
            found = list(itertools.product(*choices))[1:]
        else:
            found = [
                (*index[:axis], j, *index[axis + 1 :]) for axis, options in enumerate(choices) for j in options[1:]
            ]
        return [int(np.ravel_multi_index(other, self.shape)) for other in found]

    def around(self, cell: int, reach: int, spacing: int = 1) -> list[int]:
        """Cells of the lattice at most `reach` steps away on every axis, but for the cell itself.

        On an unordered axis only cells with the same value.
        """
        key = (cell, spacing, reach)
        if key not in self._near:
            found, strides = [0], self.strides(spacing)
            for i, size, unordered, s in zip(self.index(cell), self.shape, self.unordered, strides, strict=True):
                reached = [i] if unordered else range(i - reach * s, i + reach * s + 1, s)
                near = [j for j in reached if 0 <= j < size]
                found = [before * size + j for before in found for j in near]
            found.remove(cell)
            self._near[key] = found
        return self._near[key]


def make_grid(
    space: Space, over: Sequence[str], grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None
) -> ProfileGrid:
    """Lay a grid over the profiled parameters.

    Parameters
    ----------
    space
        The space.
    over
        Names of the profiled parameters.
    grid
        For each of them a number of nodes (from end to end of its interval, evenly on its scale) or the nodes
        themselves; a discrete parameter has its values as nodes when nothing is given, and along a single real one
        the path is followed with steps of its own.

    Raises
    ------
    InvalidConfigurationError
        If names and grid do not fit the space or each other.
    """
    names = (over,) if isinstance(over, str) else tuple(over)
    if not names or len(set(names)) != len(names):
        raise InvalidConfigurationError(f"over: expected one or more different parameter names, got {over!r}")
    unknown = [name for name in names if name not in space.free]
    if unknown:
        raise InvalidConfigurationError(
            f"over: {', '.join(map(repr, unknown))} is no free parameter; they are {', '.join(space.free)}"
        )
    wanted = _by_name(names, grid)
    adaptive = grid is None and len(names) == 1 and isinstance(space[names[0]], Real)
    if adaptive:
        wanted[names[0]] = _PATH_NODES
    nodes, units = [], []
    for name in names:
        axis = _nodes(space, name, wanted.get(name), len(names))
        nodes.append(axis)
        units.append(space[name].to_unit(axis))
    unordered = tuple(isinstance(space[name], Categorical) for name in names)
    stepwise = tuple(isinstance(space[name], (Categorical, Integer)) for name in names)
    return ProfileGrid(names, tuple(nodes), tuple(units), unordered, stepwise, adaptive)


def _by_name(
    names: tuple[str, ...], grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None
) -> dict[str, int | ArrayLike | None]:
    if grid is None:
        return {}
    if isinstance(grid, Mapping):
        stray = [name for name in grid if name not in names]
        if stray:
            raise InvalidConfigurationError(
                f"grid: {', '.join(map(repr, stray))} is not profiled here; over is {', '.join(names)}"
            )
        return dict(grid)
    if len(names) == 1 and isinstance(grid, np.ndarray) and grid.ndim == 1:  # the nodes of the only axis
        return {names[0]: grid}
    entries = [grid] if isinstance(grid, int) else list(grid)
    if len(entries) != len(names):
        raise InvalidConfigurationError(
            f"grid: expected {len(names)} entries, one for each of {', '.join(names)}, got {len(entries)}"
        )
    return dict(zip(names, entries, strict=True))


def _nodes(space: Space, name: str, wanted: int | ArrayLike | None, n_axes: int) -> NDArray[np.float64]:
    domain = space[name]
    is_number = isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool)
    if domain.n_values is not None:
        if wanted is None or (is_number and wanted == domain.n_values):
            return domain.from_unit((np.arange(domain.n_values) + 0.5) / domain.n_values)
        if is_number:
            raise InvalidConfigurationError(
                f"grid: {name!r} has {domain.n_values} values, got {wanted} nodes; leave it out, or list values"
            )
        nodes = np.array(sorted(_encoded(space, name, wanted)))
        if len(nodes) < 1 or (np.diff(nodes) == 0).any():
            raise InvalidConfigurationError(f"grid: {name!r}: expected different values, got {wanted!r}")
        return nodes
    if wanted is None or is_number:
        n = _DEFAULT_NODES.get(n_axes, _DEFAULT_MORE) if wanted is None else int(wanted)  # type: ignore[arg-type]  # a number
        if n < 2:
            raise InvalidConfigurationError(f"grid: {name!r}: expected at least 2 nodes, got {n}")
        return domain.from_unit(np.linspace(0.0, 1.0, n))
    nodes = _as_nodes(wanted)
    if nodes.ndim != 1 or len(nodes) < 1 or not np.isfinite(nodes).all() or (np.diff(nodes) <= 0).any():
        raise InvalidConfigurationError(
            f"grid: {name!r}: expected a number of nodes or finite nodes in ascending order, got {wanted!r}"
        )
    return np.array(_encoded(space, name, nodes.tolist()))


def _as_nodes(wanted: object) -> NDArray[np.float64]:
    """An array, or one without rows where these are no numbers."""
    try:
        return np.asarray(wanted, dtype=float)
    except (TypeError, ValueError):
        return np.empty((0,))


def _encoded(space: Space, name: str, wanted: Any) -> list[float]:  # noqa: ANN401 - values of any kind, checked here
    if isinstance(wanted, str) or not hasattr(wanted, "__iter__"):
        raise InvalidConfigurationError(f"grid: {name!r}: expected a list of values, got {wanted!r}")
    try:
        return [space[name].encode(value) for value in wanted]
    except InvalidProblemError as error:
        raise InvalidConfigurationError(f"grid: {name!r}: {error}") from None
