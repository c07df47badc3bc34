"""Section of the report about the posterior of an XPCS measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.report import elements
from wilks.report.posterior import posterior_section
from wilks.xpcs.pictures.posterior import posterior_drawings

if TYPE_CHECKING:
    from wilks.report.figures import Artist
    from wilks.xpcs.posterior.result import XpcsPosterior

_SIGMA = {
    "integrated": "its size is right up to a common factor, which was integrated out",
    "per_angle": "its size is right up to a factor for each angle, which was integrated out",
    "known": "its size is known",
}


def section(posterior: XpcsPosterior, artist: Artist) -> str:
    """What is assumed, what every posterior has, the fit beside it, contrast and offset, and its own pictures."""
    parts = [elements.paragraph(_assumed(posterior))]
    if posterior.remarks:
        parts.append(elements.bullets(list(posterior.remarks)))
    parts.append(posterior_section(posterior, artist))
    if not posterior.log_likelihoods.size:
        return "".join(parts)
    parts += [
        elements.table(posterior.compare_with_fit()),
        elements.details("Contrast, offset and noise", elements.table(posterior.angles())),
    ]
    parts += [artist.figure(name, caption, draw) for name, caption, draw in posterior_drawings(posterior) if caption]
    return "".join(parts)


def _assumed(posterior: XpcsPosterior) -> str:
    priors = "about the fit" if posterior.fit_informed else "uniform on the scale of their boxes, or as declared"
    return (
        f"The probability of the physical parameters given {posterior.n_data:,} pairs of times, each counted once, "
        f"with contrast and offset integrated out (scaling {posterior.scaling.kind}). Priors are {priors}. The noise "
        f"is taken for {posterior.noise}; {_SIGMA[posterior.sigma_model]}."
    )
