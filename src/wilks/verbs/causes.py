r"""Why an end of an interval differs between a posterior and a profile or a fit: the difference, split into its causes.

Write L for the likelihood, pi for the prior, :math:`\hat L(x)` for the profile likelihood of a parameter x with the
others at :math:`\hat\nu(x)`, and :math:`e[p]` for the end of the interval of a density p. The posterior of x alone is

.. math:: m(x) = \int L \, \pi \, d\nu \approx \hat L(x) \, \pi(x, \hat\nu(x)) \, V(x), \qquad
          V(x) = \sqrt{\det C(x)}                                                                               (1)

with C(x) the covariance of the other parameters :math:`\nu` at x (Laplace): the volume that is marginalised over and
that a maximum knows nothing of. So the end of a posterior differs from that of Wilks' set of a profile by

.. math:: (e[\hat L] - e_{Wilks}) + (e[\hat L \pi] - e[\hat L]) + (e[m] - e[m / V]) + (e[m / V] - e[\hat L \pi])   (2)

The first bracket is the shape: a skewed, bounded or many-peaked curve is cut at one height by Wilks' theorem, and at
equal tails by a probability. The second is the prior, both by quadrature along the profile. The third is the volume,
from the draws with other weights (`wilks.verbs.reweighting`); V comes from the covariance of the others in slices of
x. The fourth would be zero.

A fit is a Gaussian G with its optimum and its covariance; B cuts it to the box. With all parameters at once,

.. math:: (e[G B] - e[G]) + (e[G \pi] - e[G B]) + (e[L \pi] - e[G \pi]_{draws}) + (e[G \pi]_{draws} - e[G \pi])      (3)

are the bounds, the prior, how far the likelihood is from a parabola (the volume has a part in this), and zero again.
The first two are averages over normal draws of G, the third over the draws of the posterior with the weights G / L.
What should be zero and is not has no cause among these: the draws, or what they are compared with, are wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.profiles.result import ProfileResult
from wilks.samplers.intervals import equal_tailed
from wilks.verbs.reweighting import Draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.result import Result
    from wilks.samplers.result import Posterior

_FINE = 2001
_DEEP_ENOUGH = 3.0
_FEWEST_NODES = 5
_SLICES, _PER_SLICE, _REACH, _BEND = (12, 7, 5, 3), 50, 2.0, 4
_N_NORMAL = 20_000
_FLAT, _SWAYED = 1e-9, 2.0


@dataclass(frozen=True)
class Place:
    """Which end of which interval: the parameter, the level, and 0 for the lower or 1 for the upper end."""

    name: str
    level: float
    side: int


@dataclass(frozen=True)
class Split:
    """Parts of a difference, posterior minus other, by equations (2) and (3); NaN where not measured.

    Attributes
    ----------
    bound
        Of (3); of (2) it is in the shape.
    prior, volume, shape, rest
        The other brackets. The shape of (3) includes the volume.
    noise, rest_noise
        Monte Carlo standard errors of the difference and of the rest.
    far
        Are the draws too far from the Gaussian of the fit to be weighted to it?
    swayed
        Has the prior taken them far from the maximum of the likelihood? Equations (2) and (3) then do not hold: a
        profile knows the prior only where the other parameters are at their best without it.
    """

    noise: float
    bound: float = math.nan
    prior: float = math.nan
    volume: float = math.nan
    shape: float = math.nan
    rest: float = math.nan
    rest_noise: float = math.nan
    far: bool = False
    swayed: bool = False


def split(posterior: Posterior, other: Result, place: Place, ends: tuple[float, float]) -> Split:
    """Split the difference between an end of a posterior and that of a profile or a fit.

    Parameters
    ----------
    posterior, other
        What is compared; `other` is a profile over the parameter, or a fit.
    place
        Which end.
    ends
        Where it lies: of the posterior, and of the other.
    """
    draws = Draws.of(posterior)
    noise = draws.noise(place.name, ends[0])
    if not all(isinstance(posterior.space[name], Real) for name in posterior.names):
        return Split(noise)
    found = _parts(draws, other, place, ends, noise)
    log_prior = posterior.space.log_prior(draws.thetas)
    allowed = log_prior[np.isfinite(log_prior)]
    if not len(allowed) or np.ptp(allowed) <= _FLAT:
        return found
    likely = draws.reweighted(-log_prior) if math.isnan(found.prior) else None
    if likely is not None:
        found = replace(found, prior=_end(draws, place) - _end(likely, place))
    return replace(found, swayed=_is_swayed(draws, posterior, other))


def _is_swayed(draws: Draws, posterior: Posterior, other: Result) -> bool:
    """Do the draws lie clearly deeper below the maximum than the half for each parameter that is usual (Wilks)?"""
    top = float(draws.log_likelihoods.max())
    if posterior.provenance.fingerprint == other.provenance.fingerprint:
        top = max(top, other.log_likelihood)
    seen = draws.weights > 0
    return bool(draws.weights[seen] @ (top - draws.log_likelihoods[seen]) > len(draws.names) + _SWAYED)


def _parts(draws: Draws, other: Result, place: Place, ends: tuple[float, float], noise: float) -> Split:
    """All brackets of (2) or (3)."""
    volume = _volume(draws, place)
    if not isinstance(other, ProfileResult):
        return _against_fit(draws, other, place, volume, noise)
    nodes, heights, log_prior = _along(other, place.name)
    alone = _end_of_curve(other, place, nodes, heights)
    with_prior = _end_of_curve(other, place, nodes, heights, log_prior)
    rest = _end(draws, place) - volume - with_prior
    return Split(noise, math.nan, with_prior - alone, volume, alone - ends[1], rest, noise)


def _end(draws: Draws, place: Place) -> float:
    return draws.ends(place.name, place.level)[place.side]


def _along(profile: ProfileResult, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Nodes of a profile that are known, with depth and log-prior there, the other parameters at the maximum."""
    axis = profile.over.index(name)
    surface = np.moveaxis(profile.log_likelihood_map, axis, 0).reshape(len(profile.axes[name]), -1)
    heights = profile.profile_of(name) - profile.log_likelihood
    known = np.flatnonzero(np.isfinite(heights))
    top = np.nanargmax(np.where(np.isnan(surface[known]), -np.inf, surface[known]), axis=1)
    grid = dict(zip(profile.over, np.meshgrid(*(profile.axes[n] for n in profile.over), indexing="ij"), strict=True))
    thetas = np.column_stack(
        [
            np.moveaxis(grid[n] if n in grid else profile.argmax[n], axis, 0).reshape(surface.shape)[known, top]
            for n in profile.space.free
        ]
    )
    return profile.axes[name][known], heights[known], profile.space.log_prior(thetas)


def _end_of_curve(
    profile: ProfileResult,
    place: Place,
    nodes: NDArray[np.float64],
    heights: NDArray[np.float64],
    log_prior: NDArray[np.float64] | None = None,
) -> float:
    """End of the interval of a profile likelihood as a density; NaN where the curve is not known far enough."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415 - scipy loads on use

    domain = profile.space[place.name]
    if len(nodes) < _FEWEST_NODES or (log_prior is not None and not np.isfinite(log_prior).all()):
        return math.nan
    limits = domain.from_unit(np.array([0.0, 1.0]))
    logs = heights if log_prior is None else heights + log_prior
    # Beyond its ends the curve is unknown: they must be ends of the box, or so deep that nothing is beyond.
    for end in (0, -1):
        is_deep = max(heights[end], logs[end] - logs.max()) <= -_DEEP_ENOUGH
        if not is_deep and not math.isclose(nodes[end], limits[end], rel_tol=1e-9, abs_tol=1e-12):
            return math.nan
    fine = np.linspace(nodes[0], nodes[-1], _FINE)
    curve = PchipInterpolator(domain.to_unit(nodes), logs)(domain.to_unit(fine))
    density = np.exp(curve - curve.max())
    return equal_tailed(fine, density / density.sum(), place.level)[place.side]


def _volume(draws: Draws, place: Place) -> float:
    """The third bracket of (2); 0 without other parameters, NaN where too few draws are left."""
    others = [column for column, name in enumerate(draws.names) if name != place.name]
    if not others:
        return 0.0
    log_volume = _log_volume(draws, place.name, others)
    without = None if log_volume is None else draws.reweighted(-log_volume)
    return math.nan if without is None else _end(draws, place) - _end(without, place)


def _log_volume(draws: Draws, name: str, others: list[int]) -> NDArray[np.float64] | None:
    """Logarithm of V at every draw: a parabola through half the log-determinants in three slices of equal weight."""
    x, rest = draws.column(name), draws.thetas[:, others]
    spread = math.sqrt(float(draws.weights @ (x - draws.weights @ x) ** 2))
    scale = np.sqrt(draws.weights @ (rest - draws.weights @ rest) ** 2)
    if not (spread > 0 and (scale > 0).all()):
        return None
    z, rest = (x - draws.weights @ x) / spread, rest / scale
    # What follows x along a curve is no width: bent ridges are straightened first.
    powers, root = np.vander(z, _BEND + 1), np.sqrt(draws.weights)[:, None]
    rest = rest - powers @ np.linalg.lstsq(powers * root, rest * root, rcond=None)[0]
    centres: list[float] = []
    heights: list[float] = []
    wanted = _PER_SLICE + 5 * len(others)
    for rows in _slices(draws, x, wanted):
        share = draws.weights[rows].sum()
        weights = draws.weights[rows] / share
        apart = rest[rows] - weights @ rest[rows]
        sign, log_determinant = np.linalg.slogdet((apart * weights[:, None]).T @ apart)
        if sign <= 0:
            return None
        centres.append(float(weights @ z[rows]))
        heights.append(0.5 * float(log_determinant))
    if not centres:
        return None
    # Far beyond the outer slices a parabola would run away.
    reach = np.clip(z, _REACH * centres[0], _REACH * centres[-1])
    return np.asarray(np.polyval(np.polyfit(centres, heights, 2), reach))


def _slices(draws: Draws, x: NDArray[np.float64], wanted: float) -> list[NDArray[np.int64]]:
    """Rows of slices of x with equal weight, as many as have enough effective draws each; none where three have not."""
    order = np.argsort(x, kind="stable")
    for n_slices in _SLICES:
        places = np.minimum((np.cumsum(draws.weights[order]) * n_slices).astype(int), n_slices - 1)
        found = [order[places == number] for number in range(n_slices)]
        sizes = [
            draws.weights[rows].sum() ** 2 / max(float(draws.weights[rows] @ draws.weights[rows]), 1e-300)
            for rows in found
        ]
        if min(sizes) * draws.efficiency >= wanted:
            return found
    return []


def _against_fit(draws: Draws, fit: Result, place: Place, volume: float, noise: float) -> Split:
    """All brackets of (3)."""
    names, covariance = getattr(fit, "names", ()), getattr(fit, "covariance", None)
    unknown = Split(noise, volume=volume)
    if covariance is None or not set(draws.names) <= set(names) or fit.space.free != draws.names:
        return unknown
    columns = [names.index(name) for name in draws.names]
    sigma = np.asarray(covariance)[np.ix_(columns, columns)]
    if not np.isfinite(sigma).all() or (np.diag(sigma) <= 0).any():
        return unknown
    centre, errors = fit.space.to_theta({name: fit.best[name] for name in draws.names}), np.sqrt(np.diag(sigma))
    factor = np.linalg.cholesky(sigma / np.outer(errors, errors))
    # The same draws for all of the Gaussian's ends, so that their differences have little noise.
    normal = np.random.default_rng(0).standard_normal((_N_NORMAL // 2, len(errors)))
    thetas = centre + np.concatenate([normal, -normal]) @ factor.T * errors
    n = len(thetas)
    gaussian = Draws(draws.names, thetas, np.full(n, 1.0 / n), np.zeros(n))
    inside = np.isfinite(_log_box(fit, thetas))
    cut = gaussian.reweighted(np.where(inside, 0.0, -np.inf))
    log_prior = np.full(n, -np.inf)
    log_prior[inside] = fit.space.log_prior(thetas[inside])
    expected = gaussian.reweighted(log_prior)
    apart = np.linalg.solve(factor, ((draws.thetas - centre) / errors).T)
    seen = draws.reweighted(-0.5 * np.sum(apart**2, axis=0) - draws.log_likelihoods)
    if cut is None or expected is None or seen is None:
        return replace(unknown, far=seen is None)
    return Split(
        noise,
        bound=_end(cut, place) - _end(gaussian, place),
        prior=_end(expected, place) - _end(cut, place),
        volume=volume,
        shape=_end(draws, place) - _end(seen, place),
        rest=_end(seen, place) - _end(expected, place),
        rest_noise=math.hypot(
            seen.noise(place.name, _end(seen, place)), expected.noise(place.name, _end(expected, place))
        ),
    )


def _log_box(fit: Result, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zero inside the box, minus infinity outside."""
    limits = np.array([np.sort(fit.space[name].from_unit(np.array([0.0, 1.0]))) for name in fit.space.free])
    return np.where(((thetas >= limits[:, 0]) & (thetas <= limits[:, 1])).all(axis=1), 0.0, -np.inf)
