"""Pictures to files and to notebooks."""

from __future__ import annotations

import base64
import html
import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.corner import corner
from wilks.plots.curves import profile_1d
from wilks.plots.draws import is_search
from wilks.plots.fits import determined, fit_corner, waterfall
from wilks.plots.maps import profile_2d
from wilks.plots.posterior.forest import is_posterior
from wilks.plots.posterior.pair import posterior_pair
from wilks.plots.search import search
from wilks.plots.volume import best_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from typing_extensions import TypeIs

    from wilks.profiles.result import ProfileResult
    from wilks.profiles.volume_result import VolumeResult
    from wilks.samplers.result import Posterior
    from wilks.searchers.result import SearchResult
    from wilks.solvers.result import FitResult

    Drawable: TypeAlias = ProfileResult | FitResult | SearchResult | VolumeResult | Posterior


def save(figure: Figure, path: str | Path, *, dpi: float = style.DPI) -> Path:
    """Write a figure to a file that is either complete or not there, and return the path.

    Parameters
    ----------
    figure
        What a function of `wilks.plots` returned.
    path
        The ending says the format: png, pdf, svg, and others that matplotlib knows.
    dpi
        Dots per inch, also of the maps inside a pdf or svg.

    Raises
    ------
    InvalidConfigurationError
        If the ending is not that of a known format, or `dpi` is not positive.
    """
    path = Path(path)
    kind = path.suffix[1:].lower()
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise InvalidConfigurationError(
            f"{path}: expected a file name that ends in one of {', '.join(sorted(known))}, "
            f"got {path.suffix or 'no ending'!r}"
        )
    if not 0 < dpi < math.inf:
        raise InvalidConfigurationError(f"dpi: expected a positive number of dots per inch, got {dpi!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    figure.savefig(temporary, format=kind, dpi=dpi)
    temporary.replace(path)
    return path


def picture_html(result: Drawable) -> str:
    """Return the picture that suits a result best as HTML: one image with the data inside.

    For a profile its curve, map or corner; for a fit its ellipses, or its starts when no standard error is known; for a
    search its course, for volume sampling its samples, for a posterior its densities. Empty when a profile found no
    finite log-likelihood.
    """
    if _is_profile(result) and not result.best:
        return ""
    text = "Covariance or optima of the fit"
    if is_search(result):
        text = f"Course of the search by {result.algorithm.partition('(')[0]}"
    elif is_posterior(result):
        text = f"Posterior densities by {result.method}"
    elif _is_volume(result):
        text = f"Samples of the region of interest over {', '.join(result.space.free)}"
    elif _is_profile(result):
        text = f"Profile log-likelihood over {' and '.join(result.over)}"
    return image_html(picture(result), text)


def picture(result: Drawable) -> Figure:
    """Return the picture that suits a result best."""
    if is_search(result):
        return search(result)
    if _is_volume(result):
        return best_picture(result)
    if is_posterior(result):
        return posterior_pair(result)
    if not _is_profile(result):
        return fit_corner(result) if determined(result) else waterfall(result)
    if len(result.over) == 1:
        return profile_1d(result)
    return profile_2d(result) if len(result.over) == 2 else corner(result)


def _is_profile(result: Drawable) -> TypeIs[ProfileResult]:
    """Told by its axes, since pictures import core only."""
    return hasattr(result, "over")


def _is_volume(result: Drawable) -> TypeIs[VolumeResult]:
    """Told by its band of log-likelihoods, likewise."""
    return hasattr(result, "band")


def image_html(figure: Figure, text: str) -> str:
    """Return a figure as an ``<img>`` with a base64 PNG, and `text` for those who do not see it."""
    return png_html(style.paletted_png(figure), round(figure.get_figwidth() * 100), text)


def png_html(data: bytes, width: int, text: str) -> str:
    """Return a PNG as an ``<img>`` of a width in pixels, and `text` for those who do not see it."""
    return (
        f'<img alt="{html.escape(text)}" width="{width}" style="max-width:100%;height:auto" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
    )
