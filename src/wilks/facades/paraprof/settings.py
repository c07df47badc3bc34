"""The arguments of `ProfileProjector`, checked, in the words of wilks."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.parameter import Real
from wilks.core.random import resolve_seed
from wilks.core.space import Space
from wilks.facades.paraprof import advanced, checks
from wilks.facades.paraprof.exceptions import ConfigurationError, InvalidBoundsError, InvalidProjectionError
from wilks.facades.paraprof.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_MANY_OPTIMA = 10**9
_PLAIN: dict[str, advanced.Option] = {
    "roi_threshold": advanced.Option(4.0, checks.real(above=0.0), has_effect=True),
    "pop_per_grid_point": advanced.Option(3, checks.whole(1)),
    "max_patching_waves": advanced.Option(10, checks.whole(0), has_effect=True),
    "lbfgsb_max_iter": advanced.Option(50, checks.whole(1)),
    "lbfgsb_polish": advanced.Option(True, checks.flag),
    "n_initial_optimizations": advanced.Option(None, checks.optional(checks.whole(1)), has_effect=True),
    "grad_func": advanced.Option(None, checks.optional(checks.function), has_effect=True),
    "use_clustering": advanced.Option(True, checks.flag),
    "refinement_direct_eval": advanced.Option(False, checks.flag),
    "samples_output_file": advanced.Option(None, checks.optional(checks.sample_file), has_effect=True),
    "warm_start_file": advanced.Option(None, checks.optional(checks.sample_file), has_effect=True),
    "audit": advanced.Option(12, checks.whole(0), has_effect=True),
}


@dataclass(frozen=True)
class Settings:
    """What a projector was given.

    Attributes
    ----------
    target_func, grad_func
        The user's functions of an array.
    bounds
        Shape (n, 2).
    names
        Names of the parameters, ``x0``, ``x1``, ... when none were given.
    named
        Were names given, so that a projection may use them?
    projections
        The projections.
    roi_threshold, samples_output_file, warm_start_file, audit
        As given.
    initial_points
        Shape (k, n).
    max_waves, max_starts, n_optima, accuracy
        Fields of `wilks.ProfileOptions` (the first is its `max_passes`); None for its default.
    reuse_optima
        Do later projections take over the optima of earlier ones?
    every_cell_from_scratch
        Does differential evolution search every cell whose projection has the method ``"de"``?
    volume
        All options of the volume sampling, None without it.
    seed
        Seed of all random numbers.
    without_effect
        Options that ask for something that the method of wilks does not have.
    """

    target_func: Callable[..., Any]
    grad_func: Callable[..., Any] | None
    bounds: NDArray[np.float64]
    names: tuple[str, ...]
    named: bool
    projections: tuple[Mapping[str, Any], ...]
    roi_threshold: float
    samples_output_file: str | None
    warm_start_file: str | None
    audit: int
    initial_points: NDArray[np.float64]
    max_waves: int | None
    max_starts: int | None
    n_optima: int | tuple[int | None, int | None] | None
    accuracy: float | None
    reuse_optima: bool
    every_cell_from_scratch: bool
    volume: dict[str, Any] | None
    seed: int
    without_effect: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Check all arguments.

        Raises
        ------
        ConfigurationError, InvalidBoundsError, InvalidProjectionError
            If one of them cannot be used.
        """
        target = checks.function("target_func", given["target_func"])
        bounds = _bounds(given["bounds"])
        names = _names(given["parameter_names"], len(bounds))
        plain = {name: option.check(name, given[name]) for name, option in _PLAIN.items()}
        expert = advanced.read_advanced(given["advanced_config"])
        n_optima = _n_optima(given["n_optima"])
        if expert.get("basin_detection.undiscovered_threshold") == 0:
            del expert["basin_detection.undiscovered_threshold"]  # of all its values this one has an effect
            n_optima = n_optima or (_MANY_OPTIMA, None)  # never enough: the starts go on to their cap
        unused = advanced.without_effect(plain, _PLAIN)
        unused += [f"advanced_config: {name}" for name in advanced.without_effect(expert, advanced.ADVANCED)]
        projections = _projections(given["projections"])
        for number, config in enumerate(projections):
            projection = Projection.of(config, names, by_name=given["parameter_names"] is not None)
            unused += [f"projection {number}: {name}" for name in projection.without_effect]
        return cls(
            target_func=target,
            grad_func=plain["grad_func"],
            bounds=bounds,
            names=names,
            named=given["parameter_names"] is not None,
            projections=projections,
            roi_threshold=plain["roi_threshold"],
            samples_output_file=plain["samples_output_file"],
            warm_start_file=plain["warm_start_file"],
            audit=plain["audit"],
            initial_points=_points(given["initial_points"], bounds),
            max_waves=_other_than_default("max_patching_waves", plain),
            max_starts=plain["n_initial_optimizations"],
            n_optima=n_optima,
            accuracy=expert.get("convergence_threshold"),
            reuse_optima=expert.get("cross_projection.pool_seeded_initial_maxima", True),
            every_cell_from_scratch=not expert.get("de.allow_early_DE_exit", True),
            volume=advanced.read_volume(given["volume_sampling"], len(bounds)),
            seed=_seed(given["seed"]),
            without_effect=unused,
        )

    @property
    def space(self) -> Space:
        """The box as a space of wilks."""
        return Space({name: Real(*ends) for name, ends in zip(self.names, self.bounds.tolist(), strict=True)})

    def projection(self, config: Any) -> Projection:  # noqa: ANN401 - checked there
        """Check a projection against the parameters."""
        return Projection.of(config, self.names, by_name=self.named)


def _other_than_default(name: str, plain: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any option
    """Value of an option, None for the default of paraprof: that of wilks is made for its own method."""
    return None if plain[name] == _PLAIN[name].default else plain[name]


def _bounds(given: Any) -> NDArray[np.float64]:  # noqa: ANN401 - checked here
    try:
        bounds = np.array(given, dtype=float)
    except (TypeError, ValueError):
        bounds = np.empty(0)
    if bounds.ndim != 2 or bounds.shape[1] != 2 or not len(bounds):
        raise InvalidBoundsError(f"bounds: expected a pair (lower, upper) for every parameter, got {given!r}", given)
    for number, (lower, upper) in enumerate(bounds.tolist()):
        if not -np.inf < lower < upper < np.inf:
            raise InvalidBoundsError(
                f"bounds: parameter {number}: expected finite ends with lower < upper, got ({lower}, {upper})", given
            )
    return bounds


def _names(given: Any, n: int) -> tuple[str, ...]:  # noqa: ANN401 - checked here
    if given is None:
        return tuple(f"x{number}" for number in range(n))
    good = isinstance(given, (list, tuple)) and all(isinstance(name, str) and name for name in given)
    if not good or len(set(given)) != len(given) or len(given) != n:
        raise ConfigurationError(
            f"parameter_names: expected {n} different names, one for each parameter, got {given!r}",
            "parameter_names",
            given,
        )
    return tuple(given)


def _projections(given: Any) -> tuple[Mapping[str, Any], ...]:  # noqa: ANN401 - checked here
    if not isinstance(given, (list, tuple)) or not given:
        raise InvalidProjectionError(
            f"projections: expected a list of dictionaries with 'dims' and 'grid_points', got {given!r}", given
        )
    return tuple(given)


def _n_optima(given: Any) -> int | tuple[int | None, int | None] | None:  # noqa: ANN401 - checked here
    if given is None or (isinstance(given, numbers.Integral) and not isinstance(given, bool)):
        exact: int | None = checks.optional(checks.whole(1))("n_optima", given)
        return exact
    limits = checks.dictionary("n_optima", given)
    checks.known_keys("n_optima", limits, ("min", "max"))
    at_least, at_most = (
        checks.optional(checks.whole(1))(f"n_optima: {key}", limits.get(key)) for key in ("min", "max")
    )
    if at_least is None and at_most is None:
        raise ConfigurationError(
            f"n_optima: expected an integer or a dictionary with 'min', 'max' or both, got {given!r}", "n_optima", given
        )
    if at_least is not None and at_most is not None and at_least > at_most:
        raise ConfigurationError(f"n_optima: expected min <= max, got {given!r}", "n_optima", given)
    return at_least, at_most


def _points(given: Any, bounds: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401 - checked here
    if given is None:
        return np.empty((0, len(bounds)))
    try:
        points = np.atleast_2d(np.array(given, dtype=float))
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != len(bounds):
        raise ConfigurationError(
            f"initial_points: expected points of {len(bounds)} numbers each, got {given!r}", "initial_points", given
        )
    outside = np.flatnonzero(~((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all(axis=1))
    if len(outside):
        raise ConfigurationError(
            f"initial_points: point {outside[0]}, {points[outside[0]].tolist()}, lies outside the bounds",
            "initial_points",
            given,
        )
    return points


def _seed(given: Any) -> int:  # noqa: ANN401 - checked here
    checks.optional(checks.whole(0))("seed", given)
    return resolve_seed(None if given is None else int(given))


def as_arguments(names: Sequence[str], points: NDArray[np.float64]) -> list[dict[str, float]]:
    """Points, shape (k, n), as dictionaries of values."""
    return [dict(zip(names, row, strict=True)) for row in points.tolist()]
