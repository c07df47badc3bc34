"""All pictures of one profile, by name, and all figures to files."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from wilks.plots import style
from wilks.plots.argmax import argmax_maps
from wilks.plots.corner import corner
from wilks.plots.curves import profile_1d
from wilks.plots.maps import profile_2d
from wilks.plots.output import save
from wilks.plots.posterior.collection import posterior_drawings
from wilks.plots.posterior.forest import is_posterior
from wilks.plots.slices import check_mode, profile_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.figure import Figure

    from wilks.plots.slices import SliceMode
    from wilks.profiles.result import ProfileResult
    from wilks.samplers.result import Posterior

_MOST_PANELS = 12
_PLANE = 2


def profile_pictures(
    result: ProfileResult,
    *,
    slice_mode: SliceMode = "max",
    argmax: bool = True,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> dict[str, Figure]:
    """Draw everything that there is to see of a profile.

    For one parameter its curve, for two the map, for more all pairs of them, with the curves; then the nuisance
    parameters at the maximum of each cell.

    Parameters
    ----------
    result
        A profile.
    slice_mode
        For three or more parameters: ``"max"`` draws each pair maximised over the others, ``"all"`` also the cuts at
        the nodes of a third parameter, as `profile_slices` does.
    argmax
        Draw the nuisance parameters too.
    confidence, vmin
        As for `profile_2d`; a level must be within reach of every region that is drawn.

    Returns
    -------
    dict
        Name -> figure, such as ``"a-b"`` for a map over a and b and ``"a-b-argmax"``.

    Raises
    ------
    InvalidConfigurationError
        If an argument does not suit the profile.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))
    >>> result = wilks.profile(problem, over="a", grid=9, seed=1, audit=0)
    >>> list(wilks.plots.profile_pictures(result))
    ['a', 'a-argmax']
    """
    check_mode(slice_mode)
    drawings = profile_drawings(result, slice_mode=slice_mode, argmax=argmax, confidence=confidence, vmin=vmin)
    return {name: draw() for name, draw in drawings}


def profile_drawings(
    result: ProfileResult,
    *,
    slice_mode: SliceMode = "max",
    argmax: bool = True,
    confidence: Sequence[float] | None = None,
    vmin: float | None = None,
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield the name of every picture with what draws it, so that one may leave some out."""
    stem = "-".join(result.over)
    if len(result.over) == 1:
        yield stem, partial(profile_1d, result, confidence=confidence, vmin=vmin)
    elif len(result.over) == _PLANE:
        yield stem, partial(profile_2d, result, confidence=confidence, vmin=vmin)
    else:
        yield stem, partial(corner, result, confidence=confidence, vmin=vmin)
        for names in combinations(result.over, _PLANE) if slice_mode == "all" else ():
            draw = partial(profile_slices, result, names, mode="all", confidence=confidence, vmin=vmin)
            yield f"{stem}-slices-{'-'.join(names)}", draw
    if argmax and len(result.over) <= _PLANE:
        nuisances = tuple(result.argmax)
        for first in range(0, len(nuisances), _MOST_PANELS):
            number = f"-{first // _MOST_PANELS + 1}" if first else ""
            chosen = nuisances[first : first + _MOST_PANELS]
            yield f"{stem}-argmax{number}", partial(argmax_maps, result, chosen, confidence=confidence)


def save_all(
    figures: Mapping[str, Figure] | Posterior, folder: str | Path, *, file_type: str = "png", dpi: float = style.DPI
) -> list[Path]:
    """Write figures to one folder, each under its name, and return the paths.

    Parameters
    ----------
    figures
        Name -> figure, such as `profile_pictures` returns; or a posterior, for all that `posterior_pictures` draws.
    folder
        It is made where it is missing.
    file_type
        png, pdf, svg, and others that matplotlib knows.
    dpi
        Dots per inch.

    Raises
    ------
    InvalidConfigurationError
        If the format is not known, or `dpi` is not positive.
    """
    if is_posterior(figures):
        named = ((name, draw()) for name, draw in posterior_drawings(figures))  # one figure in memory at a time
        return [save(figure, Path(folder) / f"{name}.{file_type}", dpi=dpi) for name, figure in named]
    return [save(figure, Path(folder) / f"{name}.{file_type}", dpi=dpi) for name, figure in figures.items()]
