"""The result of a profile: a map with its cells' statuses, its audit, and confidence sets."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.cells import CellStatus
from wilks.core.errors import InvalidConfigurationError
from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.core.wilks_theorem import wilks_depth
from wilks.profiles import regions
from wilks.store import maps

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from wilks.profiles.handover import Solutions
    from wilks.profiles.state import Optimum


_FEWEST = 5


@dataclass(frozen=True, eq=False)
class Audit:
    """What the re-optimisation of randomly drawn cells found.

    Attributes
    ----------
    cells
        Index of every audited cell, shape (n_cells, number of profiled parameters).
    improvements
        Gain in log-likelihood over the map as it stood before the audit, shape (n_cells,).
    n_improved
        Number of cells improved by more than `tolerance`.
    largest_improvement
        Largest of the improvements, 0 when there is none.
    limit_95
        Upper 95 % limit on the fraction of wrong cells in the region of interest (Clopper and Pearson 1934),
        divided by `power`, at most 1. Cells that the audit improved are corrected in the map.
    power
        Fraction of the audited cells in which the search from scratch, blind to the map, reached the best known
        value: how well the audit can see.
    tolerance
        A cell counts as wrong when its log-likelihood is too low by more than this.
    n_evaluations
        Cost of the audit.
    before, found
        Log-likelihood in the map before the audit, and what the audit found, shape (n_cells,).
    """

    cells: NDArray[np.int64]
    improvements: NDArray[np.float64]
    n_improved: int
    largest_improvement: float
    limit_95: float
    power: float
    tolerance: float
    n_evaluations: int
    before: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    found: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def n_cells(self) -> int:
        """Number of audited cells."""
        return len(self.cells)

    def summary(self) -> str:
        """One sentence for people."""
        if not self.n_cells:
            return "No cell was audited."
        wrong = f"fewer than {100 * self.limit_95:.0f} % of the cells are" if self.limit_95 > 0 else "no cell is"
        return (
            f"{self.n_cells} cells were optimised again from scratch: {self.n_improved} improved "
            f"(largest gain {self.largest_improvement:.2g}); {wrong} wrong by more than {self.tolerance:g} "
            f"(95 % confidence; power of the audit {self.power:.2f})."
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ProfileResult(Result):
    """The result of `wilks.profile`.

    Attributes
    ----------
    over
        Names of the profiled parameters, in the order of the axes.
    axes
        Name -> nodes, 1-D, ascending.
    log_likelihood_map
        Profile log-likelihood at every node, NaN where not visited, minus infinity where no finite value was found.
    in_roi
        True where the map is above ``log_likelihood - roi_threshold``, same shape.
    argmax
        Nuisance name -> its value at the maximum of each cell (theta: the index of the value for a `Categorical`),
        NaN where not visited, same shape.
    cell_status
        `CellStatus` of each cell, same shape.
    audit
        What the audit found; None when it was switched off or did not take place.
    roi_threshold
        Depth of the region of interest below the best log-likelihood.
    optima
        Optima of the whole problem that were known at the end, the best first.
    solutions
        Every local optimum of every cell, from which a finer, wider or deeper map can start.
    """

    over: tuple[str, ...]
    axes: dict[str, NDArray[np.float64]]
    log_likelihood_map: NDArray[np.float64]
    in_roi: NDArray[np.bool_]
    argmax: dict[str, NDArray[np.float64]]
    cell_status: NDArray[np.int8]
    audit: Audit | None
    roi_threshold: float
    optima: tuple[Optimum, ...] = ()
    solutions: Solutions | None = None

    def profile_of(self, name: str) -> NDArray[np.float64]:
        """Profile log-likelihood of one profiled parameter at its nodes: the maximum over the other axes.

        Between the nodes of the other axes the maximum is that of the parabola through the best node and its two
        neighbours, so the ridge of a map is followed; a profile over this parameter alone is more exact.
        """
        axis = self._axis(name)
        surface = np.moveaxis(self.log_likelihood_map, axis, 0)
        positions = [self.space[n].to_unit(self.axes[n]) for n in self.over if n != name]
        ordered = [self.space[n].n_values is None for n in self.over if n != name]
        return np.array([regions.ridge(part, positions, ordered) for part in surface])

    def _axis(self, name: str) -> int:
        if name not in self.over:
            raise InvalidConfigurationError(f"{name!r} is not profiled here; the axes are {', '.join(self.over)}")
        return self.over.index(name)

    def intervals(self, name: str, confidence: float = 0.95) -> list[regions.Interval]:
        """Confidence set of one parameter: a list of pieces (lower, upper, open_lower, open_upper).

        By Wilks' theorem, the set where the profile lies less than half the chi-squared quantile (one degree of
        freedom) below the maximum. An end is open when the set runs into the end of the grid, or into cells
        that were not visited, or when the map is not finished, so that the true end is not known.

        Raises
        ------
        InvalidConfigurationError
            If the parameter is not profiled here, the confidence is not in (0, 1), or the region of interest is
            too shallow for it.
        """
        depth = wilks_depth(confidence, 1)
        self._check_depth(depth, confidence)
        curve = self.profile_of(name)
        if not self.best or not (self.is_complete or self.in_roi.any()):
            return []
        best = self.best_on_axis(name)
        pieces = regions.intervals(self.axes[name], curve, best, self.log_likelihood, depth, self.space[name])
        if self.is_complete:
            return pieces
        return [piece._replace(open_lower=True, open_upper=True) for piece in pieces]

    @property
    def is_complete(self) -> bool:
        """Was the schedule of the map carried out to its end, or was it stopped before?"""
        return bool(self.stats.get("is_complete", True))

    @property
    def coarse_axes(self) -> tuple[str, ...]:
        """Real parameters with fewer than five nodes in the region of interest: too few to interpolate between."""
        return tuple(
            name
            for name in self.over
            if self.space[name].n_values is None
            and self.is_complete
            and _nodes_inside(self, name) < min(_FEWEST, len(self.axes[name]))
        )

    def best_on_axis(self, name: str) -> float:
        """Position of the best point on an axis (theta)."""
        return self.space[name].encode(self.best[name])

    def contours(self, confidence: float = 0.95) -> list[regions.Contour]:
        """Outline of the joint confidence region of the two profiled parameters.

        Raises
        ------
        InvalidConfigurationError
            If there are not exactly two profiled parameters, or the region of interest is too shallow.
        """
        if len(self.over) != 2:  # a contour is a line in a plane
            raise InvalidConfigurationError(f"contours need two profiled parameters, here are {len(self.over)}")
        depth = wilks_depth(confidence, 2)
        self._check_depth(depth, confidence)
        if not self.best:
            return []
        x, y = self.over
        axes, domains = (self.axes[x], self.axes[y]), (self.space[x], self.space[y])
        return regions.contours(axes, self.log_likelihood_map, self.log_likelihood, depth, domains)

    def _check_depth(self, depth: float, confidence: float) -> None:
        if depth > self.roi_threshold:
            raise InvalidConfigurationError(
                f"confidence={confidence} needs the map down to {depth:.2f} below the maximum, but "
                f"roi_threshold={self.roi_threshold:g}; make the profile with roi_threshold >= {depth:.2f}"
            )

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each visited cell: its axes, log-likelihood, nuisance parameters at the maximum, status."""
        return maps.to_dataframe(self)

    def to_npz(self, path: str | Path) -> Path:
        """Write the map as NumPy arrays, which `numpy.load` reads without pickle; return the path.

        The arrays are ``over``, ``nuisances``, ``axis_NAME``, ``log_likelihood``, ``in_roi``, ``cell_status`` with
        ``cell_status_values`` and ``cell_status_meanings``, ``argmax_NAME``, ``best_NAME``, ``maximum``,
        ``roi_threshold`` and, as JSON, ``metadata``.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        return maps.write_npz(self, path)

    def to_netcdf(self, path: str | Path) -> Path:
        """Write the map as a netCDF-4 file, for xarray, ArviZ and other programs; return the path.

        The dimensions are the axes, with their nodes as coordinates; the variables are ``log_likelihood``, ``in_roi``,
        ``cell_status`` and the value of each nuisance parameter at the maximum, with units. The best point, the
        threshold and the provenance are attributes.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        return maps.write_netcdf(self, path)

    def table(self) -> Table:
        """Intervals of every profiled parameter at 68 and 95 % confidence."""
        if not self.best:
            return Table("Profile: no finite log-likelihood was found", ("parameter",), tuple((n,) for n in self.over))
        rows = []
        for name in self.over:
            cells = [self._interval_text(name, level) for level in (0.68, 0.95)]
            rows.append((name, show(self.best[name]), *cells, self.space[name].unit))
        title = f"Profile: log-likelihood {self.log_likelihood:.6g}"
        return Table(title, ("parameter", "best", "68 %", "95 %", ""), tuple(rows))

    def _interval_text(self, name: str, confidence: float) -> str:
        if wilks_depth(confidence, 1) > self.roi_threshold:
            return "beyond the map"
        empty = "empty" if self.is_complete else "unknown"
        return " or ".join(str(piece) for piece in self.intervals(name, confidence)) or empty

    def summary(self) -> str:
        """Sentences about the map and its audit."""
        counts = ", ".join(
            f"{int((self.cell_status == status).sum())} {status.name.lower().replace('_', ' ')}"
            for status in CellStatus
        )
        audit = self.audit.summary() if self.audit else "The map was not audited."
        coarse = "".join(
            f" The grid is too coarse for {name}: it has {_nodes_inside(self, name)} nodes in the region of interest, "
            "and the intervals are not to be trusted; use more nodes, or nodes in a narrower range."
            for name in self.coarse_axes
        )
        n_inside = int(self.in_roi.sum())
        return f"{n_inside} of {self.in_roi.size} cells in the region of interest ({counts}). {audit}{coarse}"

    def __repr__(self) -> str:
        """Return status, table and summary."""
        return f"{self.status.message}\n{self.table().text()}\n{self.summary()}\n{self.cost}"

    def _repr_html_(self) -> str:
        from wilks.plots import picture_html  # noqa: PLC0415 - matplotlib loads on use

        status, summary = html.escape(self.status.message), html.escape(self.summary())
        return f"<p>{status}</p>{self.table().html()}<p>{summary}</p>{picture_html(self)}"


def _nodes_inside(result: ProfileResult, name: str) -> int:
    """Number of nodes of an axis that the region of interest reaches."""
    axis = result.over.index(name)
    others = tuple(i for i in range(len(result.over)) if i != axis)
    return int(result.in_roi.any(axis=others).sum())
