"""`ProfileProjector`: what is to be mapped, and what was found."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.scan import Scan
from wilks.facades.paraprof.settings import Settings
from wilks.facades.paraprof.solutions import pool_of, population_of, registry_of, solution_of
from wilks.facades.paraprof.target import Sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from wilks.profiles.result import ProfileResult

NO_EFFECT = "these options have no effect on the method of wilks: "


class ProfileProjector:
    """A function of an array, its box, and the projections of it that are wanted.

    The arguments are those of paraprof. The work is done by `wilks.profile`, see `run_all_projections`; options that
    steer a part which its method does not have are named in a warning when they are not at their default.

    Parameters
    ----------
    target_func
        Function of an array of n parameters that returns the log-likelihood.
    bounds
        (lower, upper) of every parameter.
    projections
        Dictionaries: ``dims`` and ``grid_points``; optional ``optimization_method``, ``grid_refinement_factor``,
        ``refinement_method``, ``patch_coarse_grid``, ``patch_refined_grid``.
    roi_threshold
        Depth of the region of interest below the best log-likelihood.
    pop_per_grid_point, lbfgsb_max_iter, lbfgsb_polish, use_clustering, refinement_direct_eval
        Checked; they steer nothing here.
    max_patching_waves
        Most passes of second chances over a map.
    n_initial_optimizations
        Most random starts of the search for the optima.
    n_optima
        Number of optima, or ``{"min": ..., "max": ...}``, when it is known.
    initial_points
        Points, shape (k, n), to start from besides.
    grad_func
        Gradient of `target_func`: an array, NaN where a derivative is not known, or a dictionary from indices.
    samples_output_file
        File to which every evaluation is written.
    warm_start_file
        Sample file of earlier runs to start from, in every projection.
    volume_sampling
        Options of the volume sampling after the projections, see the guide.
    parameter_names
        Names of the parameters, for ``dims`` and for pictures.
    advanced_config
        Further options, see the guide.
    seed
        Seed of all random numbers; a fresh one, which results report, by default.
    audit
        Number of cells of every map that are optimized again from scratch.

    Raises
    ------
    ConfigurationError, InvalidBoundsError, InvalidProjectionError
        If an argument cannot be used.

    Examples
    --------
    >>> from wilks.facades import run_projection, set_log_level
    >>> set_log_level("WARNING")
    >>> projection = {"dims": [0], "grid_points": [20]}
    >>> target = lambda p: -0.5 * (p[0] ** 2 + (p[1] - p[0]) ** 2)
    >>> with ProfileProjector(target, [(-5, 5), (-5, 5)], [projection], seed=1) as sampler:
    ...     solution = run_projection(None, sampler, projection)["coarse_solution"]
    >>> round(solution["solutions"][12,]["likelihood"], 3)
    -0.5
    """

    de_cells_skipped = 0
    """No cell has a differential evolution that could be skipped."""

    def __init__(
        self,
        target_func: Callable[[NDArray[np.float64]], Any],
        bounds: ArrayLike,
        projections: Sequence[Mapping[str, Any]],
        roi_threshold: float = 4.0,
        pop_per_grid_point: int = 3,
        max_patching_waves: int = 10,
        lbfgsb_max_iter: int = 50,
        lbfgsb_polish: bool = True,
        n_initial_optimizations: int | None = None,
        n_optima: int | Mapping[str, int] | None = None,
        initial_points: ArrayLike | None = None,
        grad_func: Callable[[NDArray[np.float64]], Any] | None = None,
        use_clustering: bool = True,
        refinement_direct_eval: bool = False,
        samples_output_file: str | None = None,
        warm_start_file: str | None = None,
        volume_sampling: Mapping[str, Any] | None = None,
        parameter_names: Sequence[str] | None = None,
        advanced_config: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        audit: int = 12,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        self.settings = Settings.of(given)
        if self.settings.without_effect:
            warnings.warn(NO_EFFECT + ", ".join(self.settings.without_effect), stacklevel=2)
        self.scan = Scan(self.settings)
        self._first = self.settings.projection(self.settings.projections[0])
        self.volume_stage_result: dict[str, Any] | None = None

    def close(self) -> None:
        """Write what is not yet in the sample file."""
        self.scan.update_file()

    def __enter__(self) -> ProfileProjector:
        """Return the projector."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def target_func(self) -> Sendable:
        """The user's function, in a form that every pickler can send."""
        return Sendable(self.settings.target_func)

    @property
    def grad_func(self) -> Sendable | None:
        """The user's gradient, likewise."""
        return None if self.settings.grad_func is None else Sendable(self.settings.grad_func)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """The box, shape (n, 2)."""
        return self.settings.bounds.copy()

    @property
    def dims(self) -> int:
        """Number of parameters."""
        return len(self.settings.names)

    @property
    def parameter_names(self) -> list[str] | None:
        """The names that were given."""
        return list(self.settings.names) if self.settings.named else None

    @property
    def projections(self) -> list[Mapping[str, Any]]:
        """The projections that were given."""
        return list(self.settings.projections)

    @property
    def roi_threshold(self) -> float:
        """Depth of the region of interest."""
        return self.settings.roi_threshold

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""
        return self.settings.seed

    @property
    def samples_output_file(self) -> str | None:
        """The file that evaluations are written to."""
        return self.settings.samples_output_file

    @property
    def target_calls(self) -> int:
        """Calls of the target so far, failed ones included."""
        return self.scan.counts.calls

    @property
    def target_call_errors(self) -> int:
        """How many of them failed: raised, or returned something that is no log-likelihood."""
        return self.scan.counts.errors

    @property
    def target_calls_saved_by_user_gradient(self) -> int:
        """Derivatives that the user's gradient gave; each that a step needs would have cost a call."""
        return self.scan.counts.saved

    @property
    def user_gradient_errors(self) -> int:
        """Calls of the user's gradient that failed; finite differences took its place."""
        return self.scan.counts.gradient_errors

    @property
    def global_max_target_val(self) -> float:
        """Largest log-likelihood so far; minus infinity before a run."""
        return self.scan.best

    @property
    def global_solution_pool(self) -> list[dict[str, Any]]:
        """Solutions of all projections, ``{full_params, fitness, grid_idx}``, the best first."""
        return pool_of(self.scan.results, self.settings.names)

    @property
    def initial_optima_registry(self) -> list[dict[str, Any]]:
        """Distinct optima, ``{point, point_norm, target_val}``, the best first; empty before a run."""
        return [] if self.scan.current is None else registry_of(self.scan.current)

    @property
    def projection_dims(self) -> list[int]:
        """Parameters on the axes of the last grid; of the first projection before a run."""
        if self.scan.current is None:
            return list(self._first.dims)
        return [self.settings.names.index(name) for name in self.scan.current.over]

    @property
    def profiled_dims(self) -> list[int]:
        """The other parameters."""
        return [dim for dim in range(self.dims) if dim not in self.projection_dims]

    @property
    def n_proj_dims(self) -> int:
        """Number of axes of the last grid."""
        return len(self.projection_dims)

    @property
    def n_prof_dims(self) -> int:
        """Number of the other parameters."""
        return len(self.profiled_dims)

    @property
    def grid_axes(self) -> list[NDArray[np.float64]]:
        """Nodes of the last grid."""
        if self.scan.current is not None:
            return [self.scan.current.axes[name].copy() for name in self.scan.current.over]
        ends = [self.settings.bounds[dim].tolist() for dim in self._first.dims]
        return [np.linspace(low, high, n) for (low, high), n in zip(ends, self._first.grid(), strict=True)]

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of nodes on every axis."""
        return tuple(len(axis) for axis in self.grid_axes)

    @property
    def profile_likelihood_grid(self) -> dict[tuple[int, ...], float]:
        """Grid index -> profile log-likelihood, for all visited cells of the last grid."""
        return {index: state["best_fitness"] for index, state in self.population.items()}

    @property
    def population(self) -> dict[tuple[int, ...], dict[str, Any]]:
        """Grid index -> state of the cell, for all visited cells of the last grid."""
        return {} if self.scan.current is None else population_of(self.scan.current, self.settings.names)

    @property
    def profile_result(self) -> ProfileResult:
        """The last map as a result of wilks, with intervals, contours and its audit.

        Raises
        ------
        ConfigurationError
            If nothing was run yet.
        """
        if self.scan.current is None:
            raise ConfigurationError("there is no map yet: run_projection or run_all_projections comes first")
        return self.scan.current

    def export_grid_solution(self) -> dict[str, Any]:
        """The last grid: axes, dims, solutions, shape and solution pool.

        Raises
        ------
        ConfigurationError
            If nothing was run yet.
        """
        return solution_of(self.profile_result, self.settings.names, self.global_solution_pool)

    def __repr__(self) -> str:
        """Return what is mapped, and at what cost so far."""
        over = "; ".join(str(list(config["dims"])) for config in self.settings.projections)
        return f"<ProfileProjector of {self.scan.problem.name!r} over {over}: {self.target_calls} target calls>"
