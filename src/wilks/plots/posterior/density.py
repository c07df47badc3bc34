"""Densities of one parameter and its credible sets, in the coordinates of a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.plots import geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Domain
    from wilks.samplers.result import Posterior

_N_BINS = 200
_HALF_OF_NORMAL = 1.349  # length of the smallest interval with half of a normal distribution, in standard deviations
HALF_WIDTH = 0.3
"""Of the line that stands for a discrete value."""


class Curve(NamedTuple):
    """A density where it is drawn: per unit of the axis as it is scaled, its maximum arbitrary."""

    positions: NDArray[np.float64]
    heights: NDArray[np.float64]


def density(domain: Domain, thetas: NDArray[np.float64], limits: tuple[float, float]) -> Curve:
    """Density of draws: a Gaussian kernel on the scale of the axis, reflected at its ends; shares of discrete values.

    Parameters
    ----------
    domain
        Of the parameter.
    thetas
        Draws with equal weights, shape (n,).
    limits
        Ends of the axis.
    """
    values = geometry.position(domain, thetas)
    if domain.n_values is not None:
        positions, counts = np.unique(values, return_counts=True)
        return Curve(positions, counts / len(values))
    low, high = domain.to_unit(np.array(limits)).tolist()
    edges = np.linspace(low, high, _N_BINS + 1)
    counts = np.histogram(domain.to_unit(thetas), edges)[0]
    width = kernel_width(np.sort(domain.to_unit(thetas))) / (edges[1] - edges[0])
    return Curve(domain.from_unit(0.5 * (edges[1:] + edges[:-1])), smooth(counts / max(len(thetas), 1), width))


def kernel_width(ordered: NDArray[np.float64]) -> float:
    """Width of a kernel for draws in order, by Silverman's rule (1986) with a spread that several modes do not widen.

    The spread is the length of the smallest region that holds half of the draws, which need not be one piece.
    """
    pieces = np.sort(np.diff(ordered[:: max(math.isqrt(len(ordered)), 1)]))
    spread = float(pieces[: (len(pieces) + 1) // 2].sum()) / _HALF_OF_NORMAL
    n_distinct = np.count_nonzero(np.diff(ordered)) + 1  # a chain that stays repeats its draws
    return float(0.9 * spread * n_distinct**-0.2)


def smooth(counts: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Counts spread by a Gaussian of a width in bins, reflected at the ends."""
    from scipy.ndimage import gaussian_filter1d  # noqa: PLC0415 - scipy loads on use

    found: NDArray[np.float64] = gaussian_filter1d(counts, min(max(width, 1e-3), len(counts)), mode="reflect")
    return found


def prior_density(domain: Domain, limits: tuple[float, float]) -> Curve:
    """Density of the prior per unit of the scaled axis, whose whole length is 1; shares of discrete values."""
    if domain.n_values is not None:
        first, last = (float(domain.from_unit(np.array(end))) for end in (0.0, 1.0))
        thetas = domain.from_unit((np.arange(domain.n_values) + 0.5) / domain.n_values)
        positions = geometry.position(domain, thetas)
        inside = (positions >= limits[0]) & (positions <= limits[1]) & (thetas >= first) & (thetas <= last)
        return Curve(positions[inside], np.exp(domain.log_prior(thetas[inside])))
    low, high = domain.to_unit(np.array(limits)).tolist()
    thetas = domain.from_unit(np.linspace(low, high, _N_BINS + 1))
    return Curve(thetas, np.exp(domain.log_prior(thetas)) * domain.slope(thetas))


def credible_set(posterior: Posterior, name: str, level: float) -> list[tuple[float, float]]:
    """Pieces of the smallest set with a probability, as drawn; of discrete values each with a little width."""
    domain = posterior.space[name]
    if domain.n_values is None:
        return posterior.highest_density(name, level)
    values, shares = _shares(posterior, name)
    falling = np.argsort(-shares, kind="stable")
    inside = np.sort(falling[: int(np.searchsorted(np.cumsum(shares[falling]), level * (1 - 1e-12))) + 1])
    return [(float(x) - HALF_WIDTH, float(x) + HALF_WIDTH) for x in geometry.position(domain, values[inside])]


def centre(posterior: Posterior, name: str) -> float:
    """Mean of a parameter, as drawn; of discrete values the most probable one."""
    domain = posterior.space[name]
    if domain.n_values is None:
        return posterior.means[name]
    values, shares = _shares(posterior, name)
    return float(geometry.position(domain, values[[shares.argmax()]])[0])


def _shares(posterior: Posterior, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Discrete values that were drawn, in order, and the probability of each."""
    thetas, weights = posterior.draws[name].ravel(), None
    if posterior.weighted is not None:
        thetas = posterior.weighted.thetas[:, posterior.names.index(name)]
        weights = np.exp(posterior.weighted.log_weights)
    values, places = np.unique(thetas, return_inverse=True)
    shares = np.bincount(places.ravel(), weights)
    return values, shares / shares.sum()
