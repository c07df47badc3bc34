"""What is rarely needed of a posterior."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.core.parameter import Real
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.options import FitOptions

Noise = Literal["white", "correlated"]


@dataclass(frozen=True)
class PosteriorOptions:
    """What a posterior rests on besides data and priors, and how data that were not fitted yet are fitted.

    Parameters
    ----------
    prior_width
        Priors about the fit: normal distributions around the fitted values, this many standard errors wide, but no less
        than 1 % and no more than 50 % of their box, cut to it. They use the data twice and make the posterior too
        narrow unless the width is large; the result says so. None for the priors as they are declared.
    noise
        ``"white"``: every pair has noise of its own. ``"correlated"``: pairs share the noise of the frames that they
        are made of, as in a measurement of speckles; the posterior for white noise is made as wide as its errors are,
        which are measured from the residuals (`wilks.xpcs.posterior.correlated`).
    convention, parameters, fit
        Convention, boxes and options of the fit, as for `wilks.xpcs.fit`; only for data that were not fitted yet.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> PosteriorOptions(prior_width=5.0).prior_width
    5.0
    """

    prior_width: float | None = None
    noise: Noise = "white"
    convention: Convention | None = None
    parameters: Mapping[str, Real | float] | None = None
    fit: FitOptions | None = None

    def __post_init__(self) -> None:
        width = self.prior_width
        if width is not None and (
            isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width < math.inf
        ):
            raise InvalidConfigurationError(f"PosteriorOptions: prior_width: expected a width > 0, got {width!r}")
        check_choice("PosteriorOptions: noise", self.noise, get_args(Noise))


def check_choice(what: str, given: object, known: tuple[str, ...]) -> None:
    """Refuse what is none of the known words."""
    if given not in known:
        near = difflib.get_close_matches(str(given), known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InvalidConfigurationError(f"{what}: expected {' or '.join(map(repr, known))}, got {given!r}{hint}")
