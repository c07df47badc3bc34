"""What makes a likelihood other than a parabola, as seen in the results: a bound, several modes, skewness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.table import show
from wilks.profiles.result import ProfileResult
from wilks.samplers.result import Posterior
from wilks.verbs.entries import LEVELS
from wilks.verbs.reweighting import Draws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.core.result import Result
    from wilks.verbs.causes import Place
    from wilks.verbs.disagreements import Answer

_DEEP = 3.1
"""Depth of a parabola 2.5 standard errors from its top, where a cut moves the 95 % ends by a tenth of one."""
_BIN, _SEEN = 0.25, 3.0
_AT_WALL = 1e-6
_INSIDE = 2.0
"""Depth of the ends of a 95 % set, rounded up."""
_RELATED = 0.3
_SKEWED = 0.1
_RIVAL = 2.0


def of_shape(place: Place, answers: tuple[Answer, ...], *, with_bounds: bool = True) -> list[str]:
    """What was seen, in words, the most likely cause first; skewness only where nothing explains it."""
    seen = bounds(place, answers)[:1] if with_bounds else []
    seen += list(dict.fromkeys(text for answer in answers for text in _modes(place.name, answer)))[:1]
    if not seen:
        seen += [text for answer in answers for text in _skewness(place, answer)][:1]
    return seen


def bounds(place: Place, answers: tuple[Answer, ...]) -> list[str]:
    """Bounds within reach, in words."""
    return list(dict.fromkeys(text for answer in answers for text in _bounds(place.name, answer)))


def _bounds(name: str, answer: Answer) -> Iterator[str]:
    """A bound at which another parameter is held, or at which the density of the draws has not fallen to nothing."""
    if isinstance(answer.result, ProfileResult):
        yield from _bounds_of_profile(answer.result)
    elif isinstance(answer.result, Posterior):
        yield from _bounds_of_posterior(name, answer.result)


def _bounds_of_profile(profile: ProfileResult) -> Iterator[str]:
    """Of another parameter: a bound of its own does not bend a profile, it only ends it."""
    for other, values in profile.argmax.items():
        domain = profile.space[other]
        if isinstance(domain, Real):
            unit = domain.to_unit(values[profile.log_likelihood_map > profile.log_likelihood - _INSIDE])
            for side, limit in zip((unit < _AT_WALL, unit > 1.0 - _AT_WALL), _limits(profile, other), strict=True):
                if side.any():
                    yield f"{other} is at its bound {show(limit)} in part of the profile"


def _bounds_of_posterior(name: str, posterior: Posterior) -> Iterator[str]:
    """Of the parameter, or of one that is correlated with it."""
    draws, here = Draws.of(posterior), posterior.names.index(name)
    for column, other in enumerate(posterior.names):
        correlation = posterior.correlations[here, column]
        if not (other == name or abs(correlation) > _RELATED) or not isinstance(posterior.space[other], Real):
            continue
        values, width = draws.column(other), _BIN * posterior.standard_deviations[other]
        n_bins = math.ceil(max(float(np.ptp(values)) / width, 1.0)) if width > 0 else 1
        highest = float(np.histogram(values, n_bins, weights=draws.weights)[0].max())
        for limit in _limits(posterior, other):
            near = draws.mass(other, limit - width, limit + width)
            if near > max(highest * math.exp(-_DEEP), _SEEN / draws.n_effective):
                of = "" if other == name else f" of {other} (correlation {correlation:+.2f})"
                yield f"the bound{of} at {show(limit)} is within reach"


def _limits(result: Result, name: str) -> list[float]:
    return [float(end) for end in result.space[name].from_unit(np.array([0.0, 1.0]))]


def _modes(name: str, answer: Answer) -> Iterator[str]:
    """A set in pieces, or another optimum that is as good as the best to within two standard errors."""
    pieces = max(len(answer.entry.intervals(level)) for level in LEVELS)
    if pieces > 1:
        yield f"there are several modes (the set of the {answer.title} has {pieces} pieces)"
        return
    basins = getattr(answer.result, "basins", ())
    top = max((basin.log_likelihood for basin in basins), default=math.inf)
    rivals = [
        basin
        for basin in basins
        if basin.log_likelihood > top - _RIVAL and abs(basin.values[name] - answer.entry.best) > answer.entry.half_width
    ]
    if rivals:
        yield f"there are several modes (the {answer.title} found another one at {show(rivals[0].values[name])})"


def _skewness(place: Place, answer: Answer) -> Iterator[str]:
    """Distances of the two ends of a set from its middle: the best point of a profile, the median of a posterior."""
    pieces = answer.entry.intervals(place.level)
    if answer.entry.kind not in ("profile", "posterior") or len(pieces) != 1:
        return
    (piece,) = pieces
    centre = answer.entry.best
    if isinstance(answer.result, Posterior):
        centre = float(answer.result.quantiles(place.name, 0.5))
    below, above = centre - piece.lower, piece.upper - centre
    if math.isfinite(below + above) and abs(above - below) > _SKEWED * (above + below):
        yield f"the {answer.title} is skewed: {100 * place.level:.0f} % reach {below:.3g} down and {above:.3g} up"
