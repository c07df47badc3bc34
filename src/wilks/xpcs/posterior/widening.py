"""A posterior for white noise, moved apart to the one for noise that pairs share: `wilks.xpcs.posterior.correlated`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.chart import BoxChart
from wilks.samplers.target import Target
from wilks.xpcs.posterior.correlated import Spreads, block_of, spreads_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.posterior.problem import MarginalProblem
    from wilks.xpcs.posterior.result import XpcsPosterior

    Array = NDArray[np.float64]

_NOTABLE_FOLDED, _MANY_FOLDED = 0.01, 0.2
_HALVINGS = 60


@dataclass(frozen=True)
class SharedNoise:
    """What was found of noise that pairs of frames share.

    Attributes
    ----------
    block, n_blocks
        Frames within which noise is shared, and number of such blocks on the time axis of one angle.
    reaches_far
        Does it reach farther than the blocks, which must be six at least? Then errors are still too small.
    widening
        Name -> standard deviation over that for white noise, of the physical parameters.
    folded
        Fraction of the draws that left their box and were folded back.
    """

    block: int
    n_blocks: int
    reaches_far: bool
    widening: dict[str, float]
    folded: float


def widened(posterior: XpcsPosterior, problem: MarginalProblem) -> XpcsPosterior:
    """Return the posterior for noise that pairs of frames share, made of that for white noise.

    Parameters
    ----------
    posterior
        For white noise, with the data of its fit.
    problem
        What was sampled.
    """
    if not posterior.log_likelihoods.size:
        return posterior
    moved = _Moved.of(posterior, problem)
    return moved.result()


@dataclass(frozen=True)
class _Moved:
    """A posterior with the map that belongs to it.

    Attributes
    ----------
    centre
        The mode in the coordinates of the chart, shape (d,).
    coefficients
        Those of contrast and offset at the mode, shape (n_c,).
    spread
        C and S.
    block
        Frames of a block.
    reaches_far
        As in `SharedNoise`.
    """

    posterior: XpcsPosterior
    problem: MarginalProblem
    target: Target
    centre: Array
    coefficients: Array
    spread: Spreads
    block: int
    reaches_far: bool

    @classmethod
    def of(cls, posterior: XpcsPosterior, problem: MarginalProblem) -> _Moved:
        """Look at the scores at the mode."""
        target = Target(problem.space, problem.chart() or BoxChart())
        theta = _mode(posterior, problem)
        block, reaches_far = block_of(posterior.fit)
        spread, c = spreads_at(problem, theta, block, _noise_factors(posterior, problem))
        return cls(posterior, problem, target, target.coordinates(theta[None])[0], c, spread, block, reaches_far)

    def result(self) -> XpcsPosterior:
        """Move everything."""
        old, space, d = self.posterior, self.problem.space, len(self.centre)
        map_x, k_white, k_shared, map_rest = self.spread.maps(d)
        shape = old.log_likelihoods.shape
        x = self.target.coordinates(_draws(old))
        moved_x, folded = self._moved(x, map_x)
        thetas = self.target.thetas(moved_x)
        c = self._coefficients()
        middle = self.coefficients
        apart = c - middle - (x - self.centre) @ k_white.T
        moved_c = middle + (moved_x - self.centre) @ k_shared.T + apart @ map_rest.T
        contrast, offset = self._scaled(moved_c)
        weighted = old.weighted
        if weighted is not None:
            before = self.target.coordinates(weighted.thetas)
            after, _ = self._moved(before, map_x)
            weighted = replace(
                weighted,
                thetas=self.target.thetas(after),
                log_likelihoods=weighted.log_likelihoods + self._correction(before, after),
            )
        new = replace(
            old,
            draws={name: thetas[:, i].reshape(shape) for i, name in enumerate(space.free)},
            weighted=weighted,
            log_likelihoods=old.log_likelihoods + self._correction(x, moved_x).reshape(shape),
            log_priors=space.log_prior(thetas).reshape(shape),
            contrast=contrast,
            offset=offset,
            contrast_mean=contrast.mean(axis=(0, 1)),
            contrast_sd=contrast.std(axis=(0, 1), ddof=1),
            offset_mean=offset.mean(axis=(0, 1)),
            offset_sd=offset.std(axis=(0, 1), ddof=1),
            noise="correlated",
        )
        before_sd, after_sd = old.standard_deviations, new.standard_deviations
        shared = SharedNoise(
            self.block,
            -(-len(self.problem.base.geometry.t) // self.block),
            self.reaches_far,
            {name: after_sd[name] / before_sd[name] if before_sd[name] > 0 else 1.0 for name in old.names},
            folded,
        )
        return replace(new, shared_noise=shared, remarks=(*_remarks(shared), *old.remarks))

    def _moved(self, x: Array, map_x: Array) -> tuple[Array, float]:
        """Equation (3), and the fraction of the points that were outside the box."""
        moved = self.centre + (x - self.centre) @ map_x.T
        unit = self.target.chart.to_unit(moved)
        outside = ~((unit >= 0.0) & (unit <= 1.0)).all(axis=1)
        for _ in range(_HALVINGS):
            nowhere = ~np.isfinite(unit).all(axis=1)
            if not nowhere.any():
                break
            moved[nowhere] = 0.5 * (moved[nowhere] + self.centre)
            unit[nowhere] = self.target.chart.to_unit(moved[nowhere])
        moved[outside] = self.target.chart.from_unit(1.0 - np.abs(1.0 - np.mod(unit[outside], 2.0)))
        return moved, float(outside.mean())

    def _correction(self, before: Array, after: Array) -> Array:
        """What makes log-likelihoods those that have, with the prior, the density of moved draws."""
        return self.target.log_prior(before) - self.target.log_prior(after)

    def _coefficients(self) -> Array:
        """Coefficients c of the scaling for every draw, shape (n, n_c)."""
        block, used = self.problem.base.block, self._used()
        n = self.posterior.log_likelihoods.size
        given = [
            values[..., used].reshape(n, -1) - fixed
            for values, fixed in ((self.posterior.contrast, block.contrast), (self.posterior.offset, block.offset))
        ]
        both = np.concatenate([block.to_contrast, block.to_offset])
        return np.asarray(np.concatenate(given, axis=1) @ np.linalg.pinv(both).T)

    def _scaled(self, c: Array) -> tuple[Array, Array]:
        """Contrasts and offsets of all angles, folded back where their bounds cut."""
        block, old = self.problem.base.block, self.posterior
        found = []
        for matrix, fixed, before, (low, high) in (
            (block.to_contrast, block.contrast, old.contrast, self.problem.bounds[0]),
            (block.to_offset, block.offset, old.offset, self.problem.bounds[1]),
        ):
            values = c @ matrix.T + fixed
            if block.kind in ("individual", "averaged"):
                values = low + (high - low) * (1.0 - np.abs(1.0 - np.mod((values - low) / (high - low), 2.0)))
            full = before.copy()
            full[..., self._used()] = values.reshape(*before.shape[:2], -1)
            found.append(full)
        return found[0], found[1]

    def _used(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.isfinite(self.posterior.contrast[0, 0]))


def _draws(posterior: XpcsPosterior) -> Array:
    return np.stack([posterior.draws[name].ravel() for name in posterior.names], axis=1)


def _mode(posterior: XpcsPosterior, problem: MarginalProblem) -> Array:
    """The best of the draws, or what was fitted, if that is better for this scaling and these priors."""
    space = problem.space
    points = np.array(
        [space.to_theta({name: each[name] for name in space.free}) for each in (posterior.fit.physical, posterior.best)]
    )
    return np.asarray(points[int(np.argmax(problem.log_likelihoods(points) + space.log_prior(points)))])


def _noise_factors(posterior: XpcsPosterior, problem: MarginalProblem) -> Array:
    """Factor s of the noise that the posterior found, for every angle that has data."""
    noise = problem.base.sums.sigma / np.sqrt(problem.base.angle_weights)
    used = np.isfinite(posterior.sigma[0, 0])
    return np.asarray(np.sqrt((posterior.sigma[..., used] ** 2).mean(axis=(0, 1))) / noise)


def _remarks(shared: SharedNoise) -> list[str]:
    factors = ", ".join(f"{name} {value:.2f}" for name, value in shared.widening.items())
    frames = "one frame" if shared.block == 1 else f"{shared.block} frames"
    found = [
        (
            f"Noise that pairs share within {frames} is in the widths: draws for white noise were moved away from the "
            f"mode, and standard deviations are those for white noise times {factors}. The certificate is that of the "
            "draws before they were moved."
        )
    ]
    if shared.reaches_far:
        found.append(
            f"The noise is correlated over more than {frames}, a sixth of the series: the widths are still too small."
        )
    if shared.folded > _NOTABLE_FOLDED:
        few = "near a bound the widths are rough"
        many = "the posterior is too far from a bell for its width to be corrected, and these are guesses"
        found.append(
            f"{100 * shared.folded:.2g} % of the moved draws left their box and were folded back: "
            f"{many if shared.folded > _MANY_FOLDED else few}."
        )
    return found
