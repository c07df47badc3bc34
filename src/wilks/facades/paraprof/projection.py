"""One projection as the user describes it: parameters, grid, and how its cells are optimised."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wilks.facades.gfo.options import guess
from wilks.facades.paraprof import checks
from wilks.facades.paraprof.exceptions import ConfigurationError, InvalidProjectionError

_FURTHER: dict[str, tuple[Any, checks.Check]] = {
    "optimization_method": ("de", checks.one_of("de", "lbfgsb")),
    "patch_coarse_grid": (True, checks.flag),
    "patch_refined_grid": (False, checks.flag),
    "grid_refinement_factor": (None, checks.optional(checks.whole(1))),
    "refinement_method": ("linear", checks.one_of("linear")),
}
_KEYS = ("dims", "grid_points", *_FURTHER)


@dataclass(frozen=True)
class Projection:
    """A checked projection.

    Attributes
    ----------
    dims
        Indices of the parameters on the axes, in the order in which they were given.
    grid_points
        Number of intervals on each axis, in the same order; there is one node more.
    optimization_method
        ``"de"`` or ``"lbfgsb"``.
    patch_coarse_grid
        Second chances for the cells; without them, or with them for the refined grid too, nothing changes.
    grid_refinement_factor
        Parts that every interval is divided into for the refined grid, 1 for none.
    """

    dims: tuple[int, ...]
    grid_points: tuple[int, ...]
    optimization_method: str
    patch_coarse_grid: bool
    grid_refinement_factor: int

    @classmethod
    def of(cls, config: Any, names: Sequence[str], *, by_name: bool) -> Projection:  # noqa: ANN401 - checked here
        """Check what the user gave.

        Parameters
        ----------
        config
            The dictionary.
        names
            Names of all parameters.
        by_name
            May `dims` hold names?

        Raises
        ------
        InvalidProjectionError
            If it cannot be used.
        """
        if not isinstance(config, Mapping):
            raise InvalidProjectionError(
                f"projection: expected a dictionary with 'dims' and 'grid_points', got {config!r}", config
            )
        for key in config:
            if key not in _KEYS:
                raise InvalidProjectionError(f"projection: no option {key!r}; {guess(key, _KEYS)}", config)
        for key in ("dims", "grid_points"):
            if key not in config:
                raise InvalidProjectionError(f"projection: {key!r} is required, got {dict(config)!r}", config)
        dims = _dims(config, names, by_name=by_name)
        try:
            further = {
                key: check(f"projection: {key}", config[key]) if key in config else default
                for key, (default, check) in _FURTHER.items()
            }
        except ConfigurationError as error:
            raise InvalidProjectionError(str(error), config) from None
        # There is one method only, and every map gets second chances.
        del further["refinement_method"], further["patch_refined_grid"]
        further["grid_refinement_factor"] = further["grid_refinement_factor"] or 1
        return cls(dims, _grid_points(config, len(dims)), **further)

    @property
    def without_effect(self) -> list[str]:
        """Options that ask for something that the method of wilks does not have: every map gets second chances."""
        return [] if self.patch_coarse_grid else ["patch_coarse_grid"]

    def grid(self, factor: int = 1) -> list[int]:
        """Number of nodes on each axis when every interval is divided into `factor` parts."""
        return [intervals * factor + 1 for intervals in self.grid_points]


def _entries(config: Mapping[str, Any], key: str) -> list[Any]:
    given = config[key]
    if isinstance(given, np.ndarray):
        given = given.tolist() if given.ndim == 1 else [given]
    if not isinstance(given, (list, tuple, range)) or not len(given):
        raise InvalidProjectionError(
            f"projection: {key}: expected a list with one entry per axis, got {given!r}", config
        )
    return list(given)


def _dims(config: Mapping[str, Any], names: Sequence[str], *, by_name: bool) -> tuple[int, ...]:
    dims = []
    for entry in _entries(config, "dims"):
        if isinstance(entry, str):
            if not by_name:
                raise InvalidProjectionError(
                    f"projection: dims: got the name {entry!r}, but there are no parameter_names", config
                )
            if entry not in names:
                raise InvalidProjectionError(f"projection: dims: no parameter {entry!r}; {guess(entry, names)}", config)
            dims.append(list(names).index(entry))
        elif isinstance(entry, numbers.Integral) and not isinstance(entry, bool) and int(entry) in range(len(names)):
            dims.append(int(entry))
        else:
            raise InvalidProjectionError(
                f"projection: dims: expected indices between 0 and {len(names) - 1}, or names, got {entry!r}", config
            )
    if len(set(dims)) < len(dims):
        raise InvalidProjectionError(f"projection: dims: expected different parameters, got {config['dims']!r}", config)
    return tuple(dims)


def _grid_points(config: Mapping[str, Any], n_axes: int) -> tuple[int, ...]:
    grid_points = _entries(config, "grid_points")
    if len(grid_points) != n_axes:
        raise InvalidProjectionError(
            f"projection: expected one number of grid_points for each of the {n_axes} dims, got {grid_points!r}", config
        )
    try:
        return tuple(checks.whole(1)("projection: grid_points", n) for n in grid_points)
    except ConfigurationError as error:
        raise InvalidProjectionError(str(error), config) from None
