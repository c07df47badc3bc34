"""Pictures of an analysis: of its data, its fit, its maps and its posterior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wilks import plots, xpcs
from wilks.cli.folder import RunFolder
from wilks.cli.xpcs.loading import finished_posterior, finished_results, load, read
from wilks.cli.xpcs.sampling import with_fit
from wilks.store.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.cli.xpcs.options import Given
    from wilks.profiles.result import ProfileResult
    from wilks.xpcs.diagonal import Diagonal
    from wilks.xpcs.pictures import Rendering
    from wilks.xpcs.posterior.result import XpcsPosterior

    Map = tuple[str, ProfileResult]

_MOST_PANELS = 6


def draw(source: Path, given: Given, folder: Path | None, diagonal: Diagonal) -> list[Path]:
    """Draw a data file, or the results of a run.

    Parameters
    ----------
    source
        A data file, a configuration, or the folder of a run.
    given
        Options of the command line that say what to read.
    folder
        Where to write; by default the pictures of the run, or ``NAME-pictures`` for a data file.
    diagonal
        What to show on the diagonal of measured correlations.

    Returns
    -------
    list
        The files.

    Raises
    ------
    WilksError
        If there is nothing to draw, or something cannot be read.
    """
    loaded = load(source, given)
    if source.is_dir():
        run = RunFolder(source)
        fit, maps = finished_results(run)
        fit, posterior = fit.with_data(read(loaded)), finished_posterior(run)
        drawn = None if posterior is None else with_fit(posterior, fit)
        return draw_pictures(fit, maps, drawn, folder or run.path / "pictures")[0]
    folder = folder or Path(f"{loaded.configuration.file.stem}-pictures")
    return draw_data(loaded.configuration.read(), folder, diagonal)  # whatever is to be fitted


def draw_data(data: xpcs.TwoTimeData, folder: Path, diagonal: Diagonal) -> list[Path]:
    """Draw the correlations of all angles, some to a page."""
    from wilks.xpcs import pictures

    pages = [range(first, min(first + _MOST_PANELS, data.n_phi)) for first in range(0, data.n_phi, _MOST_PANELS)]
    return [
        plots.save(pictures.data_maps(data, list(page), diagonal=diagonal), folder / f"data-{number:02d}.png")
        for number, page in enumerate(pages, start=1)
    ]


def draw_pictures(
    fit: xpcs.XpcsFit, maps: Sequence[Map], posterior: XpcsPosterior | None, folder: Path
) -> tuple[list[Path], list[Rendering]]:
    """Draw everything that there is to see of a fit, of its maps and posterior; return the files, and those of the fit.

    Pictures of the fit are also returned as they are, for a report.
    """
    from wilks.xpcs import pictures

    drawn = list(pictures.renderings(fit))
    files = [folder / f"{number:02d}-{each.name}.png" for number, each in enumerate(drawn, start=1)]
    for path, each in zip(files, drawn, strict=True):
        with written_whole(path, overwrite=True) as temporary:
            temporary.write_bytes(each.png)
    for _, result in maps:
        if result.best:
            named = {f"profile-{name}": figure for name, figure in plots.profile_pictures(result).items()}
            files += plots.save_all(named, folder)
    if posterior is not None and posterior.log_likelihoods.size:
        for name, _, draw_one in pictures.posterior_drawings(posterior):
            files.append(plots.save(draw_one(), folder / f"posterior-{name}.png"))
    return files, drawn
