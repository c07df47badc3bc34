"""What one result says of one parameter, in the same shape for every verb: the rows of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wilks.core.wilks_theorem import wilks_depth
from wilks.profiles.regions import Interval
from wilks.profiles.result import ProfileResult
from wilks.samplers.result import Posterior
from wilks.searchers.result import SearchResult
from wilks.verbs.reweighting import Draws

if TYPE_CHECKING:
    from wilks.core.result import Result

LEVELS = (0.68, 0.95)
_LEAST_MASS = 0.02
_VALLEY = 0.5
_CLEAR = 3.0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Entry:
    """What one result says of one parameter.

    Attributes
    ----------
    best
        Best value; the mean of a posterior, or its most probable value where the values are discrete.
    standard_error
        From a fit; the standard deviation of a posterior; NaN otherwise.
    intervals_68, intervals_95
        Confidence or credible sets as pieces; empty where the result cannot say.
    is_coarse
        Is the grid of the profile too coarse for this parameter?
    kind
        What it comes from.
    """

    best: Any
    standard_error: float
    intervals_68: tuple[Interval, ...]
    intervals_95: tuple[Interval, ...]
    is_coarse: bool = False
    kind: Literal["search", "fit", "profile", "posterior"] = "fit"

    def intervals(self, level: float) -> tuple[Interval, ...]:
        """The set of one of the two levels."""
        return self.intervals_68 if level == LEVELS[0] else self.intervals_95

    @property
    def half_width(self) -> float:
        """Half the length of the first piece at 68 %: a standard error for what is nearly Gaussian."""
        piece = self.intervals_68[0]
        return 0.5 * (piece.upper - piece.lower)


def entry_of(result: Result, name: str) -> Entry | None:
    """What a result says of a parameter; None if nothing."""
    if name not in result.space.free or name not in result.best:
        return None
    if isinstance(result, Posterior):
        return _of_posterior(result, name)
    best = result.best[name]
    errors: dict[str, float] | None = getattr(result, "standard_errors", None)  # fits of any kind have them
    if errors is not None:
        error = errors[name]
        return Entry(best, error, _symmetric(best, error, LEVELS[0]), _symmetric(best, error, LEVELS[1]))
    if isinstance(result, SearchResult):
        return Entry(best, math.nan, (), (), kind="search")
    if isinstance(result, ProfileResult) and name in result.over:
        sets = [
            tuple(result.intervals(name, level)) if wilks_depth(level, 1) <= result.roi_threshold else ()
            for level in LEVELS
        ]
        return Entry(best, math.nan, sets[0], sets[1], name in result.coarse_axes, "profile")
    return None


def _symmetric(best: Any, error: float, level: float) -> tuple[Interval, ...]:  # noqa: ANN401 - a parameter value
    if not isinstance(best, float) or not (math.isfinite(error) and error > 0):
        return ()
    half = math.sqrt(2 * wilks_depth(level, 1)) * error
    return (_closed(best - half, best + half),)


def _closed(lower: float, upper: float) -> Interval:
    return Interval(lower, upper, open_lower=False, open_upper=False)


def _of_posterior(posterior: Posterior, name: str) -> Entry | None:
    draws = Draws.of(posterior)
    if name not in posterior.names or not len(draws.weights):
        return None
    if posterior.space[name].n_values is not None:
        return _of_values(posterior, draws, name)
    sets = [_credible(posterior, draws, name, level) for level in LEVELS]
    return Entry(posterior.means[name], posterior.standard_deviations[name], sets[0], sets[1], kind="posterior")


def _of_values(posterior: Posterior, draws: Draws, name: str) -> Entry:
    """A parameter with discrete values: the most probable one, and the fewest values that hold a probability."""
    values, place = np.unique(draws.thetas[:, draws.names.index(name)], return_inverse=True)
    order = np.argsort(-np.bincount(place, draws.weights), kind="stable")
    total = np.cumsum(np.bincount(place, draws.weights)[order])
    sets = []
    for level in LEVELS:
        n = int(np.searchsorted(total, level - _ROUNDING)) + 1
        sets.append(tuple(_closed(x, x) for x in np.sort(values[order[:n]]).tolist()))
    best = posterior.space[name].decode(float(values[order[0]]))
    return Entry(best, math.nan, sets[0], sets[1], kind="posterior")


def _credible(posterior: Posterior, draws: Draws, name: str, level: float) -> tuple[Interval, ...]:
    """The smallest set where it has several pieces beyond doubt, else the interval with equal tails."""
    smallest = _clear(posterior.highest_density(name, level), draws, name)
    if len(smallest) > 1:
        return tuple(_closed(*piece) for piece in smallest)
    return (_closed(*draws.ends(name, level)),)


def _clear(pieces: list[tuple[float, float]], draws: Draws, name: str) -> list[tuple[float, float]]:
    """Pieces with a probability worth a mention and a valley between them that is not the noise of the draws.

    The density in a valley must lie below half of that in the pieces at its sides, by three standard errors of the
    number of draws in it.
    """
    kept: list[tuple[float, float]] = []
    for piece in pieces:
        if draws.mass(name, *piece) < _LEAST_MASS:
            continue
        if not kept:
            kept.append(piece)
            continue
        (_, before), (after, _) = kept[-1], piece
        low = min(draws.mass(name, *each) / max(each[1] - each[0], 1e-300) for each in (kept[-1], piece))
        expected, seen = _VALLEY * low * (after - before), draws.mass(name, before, after)
        if seen + _CLEAR * math.sqrt(expected / draws.n_effective) < expected:
            kept.append(piece)
        else:
            kept[-1] = (kept[-1][0], piece[1])
    return kept
