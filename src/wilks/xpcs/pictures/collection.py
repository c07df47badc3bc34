"""All pictures of a fit, by name, in the order of a report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wilks.plots.style import paletted_png
from wilks.xpcs.pictures.angles import chosen, pages
from wilks.xpcs.pictures.correlations import correlations
from wilks.xpcs.pictures.cuts import cuts
from wilks.xpcs.pictures.maps import data_maps, maps
from wilks.xpcs.pictures.residuals import residuals
from wilks.xpcs.pictures.scaling import scaling
from wilks.xpcs.pictures.starts import starts
from wilks.xpcs.views import block_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.figure import Figure

    from wilks.xpcs.result import XpcsFit


def drawings(result: XpcsFit, angles: Sequence[int] | None = None) -> Iterator[tuple[str, str, Callable[[], Figure]]]:
    """Yield name, caption and drawing function of every picture that a fit has, in the order of a report.

    Nothing is read or drawn before a function is called, and an angle is read once for all pictures. A result that was
    loaded without its data has no pictures that compare them with the model (see `XpcsFit.with_data`); one without a
    best point has only those of the data. Where a fit looked for an optimum from one start alone there is no picture of
    the starts.

    Parameters
    ----------
    result
        A fit.
    angles
        Positions of the angles in the maps and cuts; by default all that have data.

    Raises
    ------
    InvalidConfigurationError
        If an angle is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0])
    >>> truth = {"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}
    >>> data = xpcs.simulate(truth, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> [name for name, caption, draw in drawings(result)]
    ['maps', 'cuts', 'residuals', 'scaling', 'correlations']
    """
    shown = pages(chosen(angles, np.isfinite(result.sigma)))
    if result.data is not None and not result.has_best:
        for name, page in _numbered("data", shown):
            caption = f"Two-time correlations as measured{_averaged(result)}. The diagonal is not shown."
            yield name, caption, partial(data_maps, result.data, page)
    if result.data is not None and result.has_best:
        for name, page in _numbered("maps", shown):
            yield name, _maps_caption(result), partial(maps, result, page)
        for name, page in _numbered("cuts", shown):
            yield name, _CUTS, partial(cuts, result, page)
        yield "residuals", _RESIDUALS, partial(residuals, result)
    if result.has_best:
        yield "scaling", _SCALING, partial(scaling, result)
        yield "correlations", _CORRELATIONS, partial(correlations, result)
    if sum(basin.n_hits for basin in result.basins) > 1:
        yield "starts", _STARTS, partial(starts, result)


def pictures(result: XpcsFit, angles: Sequence[int] | None = None) -> dict[str, Figure]:
    """Draw all pictures of a fit, to look at or for ``wilks.plots.save_all``.

    Parameters
    ----------
    result, angles
        As for `drawings`.

    Returns
    -------
    dict
        Name -> figure.

    Raises
    ------
    InvalidConfigurationError
        If an angle is not there.
    """
    return {name: draw() for name, _, draw in drawings(result, angles)}


@dataclass(frozen=True)
class Rendering:
    """A picture that has been drawn, for files and for a report.

    Attributes
    ----------
    name, caption
        As in `drawings`.
    png
        The picture, with 256 colours.
    width
        Width at which it is meant to be seen, in pixels.
    """

    name: str
    caption: str
    png: bytes
    width: int


def renderings(result: XpcsFit, angles: Sequence[int] | None = None) -> Iterator[Rendering]:
    """Draw all pictures of a fit one after the other, and keep no more of them than the files.

    Parameters
    ----------
    result, angles
        As for `drawings`.

    Raises
    ------
    InvalidConfigurationError
        If an angle is not there.
    """
    for name, caption, draw in drawings(result, angles):
        figure = draw()
        yield Rendering(name, caption, paletted_png(figure), round(figure.get_figwidth() * 100))


_CUTS = (
    "Correlations along the lag at some ages (left) and along the age at some lags (right): means over narrow bands "
    "with standard errors from sigma, and the model averaged over the same pairs as lines."
)
_RESIDUALS = (
    "Residuals over sigma: their distribution beside the unit normal one (linear and logarithmic), their "
    "autocorrelation along the age and along the lag with the band of two standard errors of white noise, and "
    "chi-squared per pair of every angle and against the lag."
)
_SCALING = (
    "Contrast and offset over the angle, with standard errors; a point without a bar has no finite one. A line is what "
    "the angles share."
)
_CORRELATIONS = "Correlations between the estimated parameters; hatched where there is no finite standard error."
_STARTS = (
    "Log-likelihood that every refined start ended at, relative to the best, on the subset of the data that starts are "
    "refined on. Many hits of the best optimum say that it is the global one."
)


def _numbered(name: str, shown: list[tuple[int, ...]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number, page in enumerate(shown, 1):
        yield (name if number == 1 else f"{name}-{number}"), page


def _averaged(result: XpcsFit) -> str:
    block = block_of(len(result.t))
    return "" if block == 1 else f", averaged over {block} x {block} pixels"


def _maps_caption(result: XpcsFit) -> str:
    of_means = "" if block_of(len(result.t)) == 1 else "; residuals are those of the means, over their own sigma"
    return (
        f"Two-time correlations as measured and as fitted, with the same colours{_averaged(result)}{of_means}, and "
        "residuals over sigma. Grey: not used by the fit, as the diagonal."
    )
