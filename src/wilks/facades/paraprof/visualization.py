"""Pictures in files: the maps of a projector, and the samples of its volume.

The drawing is that of `wilks.plots`; here are the names of the files and the settings of paraprof.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.space import Space
from wilks.core.wilks_theorem import wilks_depth
from wilks.facades.paraprof import checks
from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.facades.paraprof.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wilks.facades.paraprof.projector import ProfileProjector
    from wilks.profiles.result import ProfileResult

_PLANE = 2


_DEEPEST = 30.0  # beyond it the confidence of a contour is 1, but for rounding


def _confidence(depth: float, n_parameters: int) -> float:
    """Confidence whose region a contour at this depth bounds; not deeper by rounding, for the map may end there."""
    from scipy.special import gammainc  # noqa: PLC0415 - scipy loads on use

    found = float(gammainc(n_parameters / 2, depth))
    while wilks_depth(found, n_parameters) > depth:
        found = float(np.nextafter(found, 0.0))
    return found


@dataclass(frozen=True)
class PlotSettings:
    """How pictures are drawn.

    Attributes
    ----------
    dpi
        Dots per inch.
    filetype
        Ending of the files: png, pdf, svg and others that matplotlib knows.
    slice_mode
        For three axes and more, ``"max"``: cuts through the best cell; ``"all"``: maximised over the other axes.
    vmin
        Lower end of the colours, relative to the best log-likelihood; None for the threshold of the map.
    contour_levels
        Outlines in a plane, relative to the best log-likelihood; None for the 68 and 95 % regions.
    plot_profiled_params
        Draw the profiled parameters too?
    output_dir
        Folder of the files, made if it is missing.
    """

    dpi: int = 300
    filetype: str = "png"
    slice_mode: str = "max"
    vmin: float | None = None
    contour_levels: tuple[float, ...] | None = None
    plot_profiled_params: bool = True
    output_dir: str = "."

    @classmethod
    def of(cls, given: Any, roi_threshold: float = np.inf) -> PlotSettings:  # noqa: ANN401 - checked here
        """Check what the user gave, before any time is spent on a map.

        Raises
        ------
        ConfigurationError
            If an option does not exist, its value cannot be used, or a contour lies below the map.
        """
        options = dict(checks.dictionary("plot_settings", {} if given is None else given))
        checks.known_keys("plot_settings", options, _OPTIONS)
        found = {name: _OPTIONS[name](f"plot_settings: {name}", value) for name, value in options.items()}
        if found.pop("vmax", 0.0) != 0.0:
            warnings.warn("plot_settings: vmax has no effect: the colours end at the maximum, 0", stacklevel=3)
        if found.get("vmin", -1.0) >= 0.0:
            raise ConfigurationError(
                f"plot_settings: vmin: expected a drop below the maximum, such as -4, got {found['vmin']}", "vmin"
            )
        settings = cls(**found)
        deepest = min(roi_threshold, _DEEPEST)
        for level in settings.contour_levels or ():
            if not -deepest <= level < 0.0:
                raise ConfigurationError(
                    f"plot_settings: contour_levels: expected numbers below 0 and not below {-deepest:g}, where "
                    f"{'the map ends' if deepest == roi_threshold else 'the confidence is 1'}, got {level:g}",
                    "contour_levels",
                    given,
                )
        return settings

    def confidence(self, n_parameters: int) -> list[float] | None:
        """Confidence whose region a contour bounds, by Wilks' theorem, for every contour."""
        if self.contour_levels is None:
            return None
        return sorted(_confidence(-level, n_parameters) for level in self.contour_levels)

    def save(self, figure: Figure, name: str) -> Path:
        """Write a figure and return its path."""
        from wilks import plots  # noqa: PLC0415 - matplotlib loads on use

        path = plots.save(figure, Path(self.output_dir) / f"{name}.{self.filetype}", dpi=self.dpi)
        get_logger().info("saved %s", path)
        return path


def _levels(name: str, value: Any) -> tuple[float, ...]:  # noqa: ANN401 - checked here
    if not isinstance(value, (list, tuple, np.ndarray)) or not 1 <= len(value) <= _MOST_CONTOURS:
        raise ConfigurationError(f"{name}: expected a list of one to four numbers, got {value!r}", name, value)
    return tuple(checks.real()(name, level) for level in value)


_MOST_CONTOURS = 4
_OPTIONS: dict[str, checks.Check] = {
    "dpi": checks.whole(1),
    "filetype": checks.one_of("png", "pdf", "svg", "svgz", "eps", "ps", "jpg", "jpeg", "tif", "tiff", "webp", "pgf"),
    "slice_mode": checks.one_of("max", "all"),
    "vmin": checks.real(),
    "vmax": checks.real(),
    "contour_levels": _levels,
    "plot_profiled_params": checks.flag,
    "output_dir": checks.path,
}


def plot_profiles(
    sampler: ProfileProjector, filename: str, plot_settings: Mapping[str, Any] | None = None
) -> list[Path]:
    """Draw the last map of a projector, and the profiled parameters over it.

    Parameters
    ----------
    sampler
        The projector.
    filename
        Name of the files, without an ending.
    plot_settings
        ``dpi`` (300), ``filetype`` ("png"), ``slice_mode`` ("max" for cuts through the best cell, "all" for the
        maximum over the other axes; for three axes and more), ``vmin`` (by default where the map ends),
        ``contour_levels`` (by default the 68 and 95 % regions), ``plot_profiled_params`` (True), ``output_dir``
        (".").

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ConfigurationError
        If there is no map yet, or an option cannot be used.
    """
    settings = PlotSettings.of(plot_settings, sampler.roi_threshold)
    return draw_profile(sampler.profile_result, filename, settings)


def plot_profiled_parameters(
    sampler: ProfileProjector, base_filename: str, plot_settings: Mapping[str, Any] | None = None
) -> list[Path]:
    """Draw where the profiled parameters were best over the last map of a projector; see `plot_profiles`."""
    settings = PlotSettings.of(plot_settings, sampler.roi_threshold)
    return _draw_profiled(sampler.profile_result, base_filename, settings)


def draw_profile(result: ProfileResult, name: str, settings: PlotSettings) -> list[Path]:
    """Draw a profile and, if wanted, its profiled parameters; a profile without a finite value gives no picture."""
    from wilks import plots  # noqa: PLC0415 - matplotlib loads on use

    if not result.best:
        get_logger().warning("%s: nothing to draw: %s", name, result.status.message)
        return []
    if len(result.over) == 1:
        figure = plots.profile_1d(result, vmin=settings.vmin)
    elif len(result.over) == _PLANE:
        figure = plots.profile_2d(result, confidence=settings.confidence(_PLANE), vmin=settings.vmin)
    elif settings.slice_mode == "all":
        figure = plots.profile_slices(result, confidence=settings.confidence(_PLANE), vmin=settings.vmin)
    else:
        pairs = list(itertools.combinations(result.over, _PLANE))
        cuts = [_cut(result, pair) for pair in pairs]

        def draw(number: int, ax: Axes) -> None:
            confidence = settings.confidence(_PLANE)
            plots.profile_2d(cuts[number], ax=ax, confidence=confidence, vmin=settings.vmin)

        figure = _panels(len(cuts), draw)
    paths = [settings.save(figure, name)]
    return paths + (_draw_profiled(result, name, settings) if settings.plot_profiled_params else [])


def _draw_profiled(result: ProfileResult, name: str, settings: PlotSettings) -> list[Path]:
    from wilks import plots  # noqa: PLC0415 - matplotlib loads on use

    if not result.argmax or not result.best:
        return []
    if len(result.over) == 1:
        return [settings.save(plots.argmax_maps(result), f"{name}_profiled_params")]
    pairs = list(itertools.combinations(result.over, _PLANE))
    paths = []
    for nuisance in result.argmax:

        def draw(number: int, ax: Axes, nuisance: str = nuisance) -> None:
            plots.argmax_map(result, nuisance, names=pairs[number], ax=ax, confidence=settings.confidence(_PLANE))

        dim = result.space.free.index(nuisance)
        paths.append(settings.save(_panels(len(pairs), draw), f"{name}_profiled_param_{dim}"))
    return paths


def _cut(result: ProfileResult, pair: tuple[str, ...]) -> ProfileResult:
    """The profile over two of its axes in the cells where all others are at the best cell."""
    from wilks.plots import geometry  # noqa: PLC0415 - matplotlib loads on use

    finite = np.where(np.isfinite(result.log_likelihood_map), result.log_likelihood_map, -np.inf)
    best = dict(zip(result.over, np.unravel_index(int(np.argmax(finite)), finite.shape), strict=True))
    for name in [name for name in result.over if name not in pair]:
        result = geometry.slice_at(result, name, int(best[name]))
    return result


def _panels(n: int, draw: Callable[[int, Axes], None]) -> Figure:
    """Draw `n` pictures side by side, three in a row."""
    from wilks.plots import style  # noqa: PLC0415 - matplotlib loads on use

    n_columns = min(3, n)
    n_rows = -(-n // n_columns)
    figure = style.Picture(figsize=(6.4 * n_columns, 4.9 * n_rows), layout="constrained")
    for number, ax in enumerate(figure.subplots(n_rows, n_columns, squeeze=False).flat):
        if number < n:
            draw(number, ax)
        else:
            ax.set_axis_off()
    return figure


def plot_volume_samples(
    volume_result: Mapping[str, Any],
    dims: Sequence[int],
    filename: str,
    plot_settings: Mapping[str, Any] | None = None,
    grid_solution: Mapping[str, Any] | None = None,
    parameter_names: Sequence[str] | None = None,
) -> Path:
    """Draw the samples of the volume over two parameters, coloured by log-likelihood.

    Parameters
    ----------
    volume_result
        ``sampler.volume_stage_result``, or what `run_volume_sampling` returned.
    dims
        Indices of the two parameters.
    filename
        Name of the file, to which ``_volume_<a>_<b>`` and the ending are added.
    plot_settings
        ``dpi``, ``filetype`` and ``output_dir``, as for `plot_profiles`.
    grid_solution
        A ``coarse_solution`` or ``refined_solution`` over these parameters, drawn below the samples.
    parameter_names
        Labels of all parameters, in the place of their names.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigurationError
        If there are no samples, or an argument does not suit them.
    """
    from wilks import plots  # noqa: PLC0415 - matplotlib loads on use

    settings = PlotSettings.of(plot_settings)
    if not isinstance(volume_result, dict) or "volume" not in volume_result or not len(volume_result["samples"]):
        raise ConfigurationError(
            "volume_result: expected sampler.volume_stage_result with samples, got "
            + (f"none: {volume_result.get('reason')}" if isinstance(volume_result, dict) else repr(volume_result))
        )
    result = volume_result["volume"]
    names = result.space.free
    if len(dims) != _PLANE or not all(dim in range(len(names)) for dim in dims) or dims[0] == dims[1]:
        raise ConfigurationError(
            f"dims: expected two different indices between 0 and {len(names) - 1}, got {dims!r}", "dims", dims
        )
    chosen = [names[dim] for dim in dims]
    profile = None if grid_solution is None else grid_solution["profile"]
    if profile is not None and set(profile.over) != set(chosen):
        raise ConfigurationError(
            f"grid_solution: expected a map over {' and '.join(chosen)}, got one over {' and '.join(profile.over)}"
        )
    if parameter_names is not None:
        result = _labelled(result, parameter_names)
    figure = plots.volume(result, chosen, profile)
    return settings.save(figure, f"{filename}_volume_{dims[0]}_{dims[1]}")


def _labelled(result: Any, labels: Sequence[str]) -> Any:  # noqa: ANN401 - any result
    space = result.space
    if len(labels) != len(space.free):
        raise ConfigurationError(
            f"parameter_names: expected {len(space.free)} names, got {labels!r}", "parameter_names", labels
        )
    named = {name: replace(space[name], label=label) for name, label in zip(space.free, labels, strict=True)}
    return replace(result, space=Space(named))
