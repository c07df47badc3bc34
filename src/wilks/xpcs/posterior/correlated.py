r"""Noise that pairs share: a posterior made as wide as its errors are.

The likelihood takes the noise of every pair of frames for its own. A two-time correlation is a mean over pixels of the
product of two frames, so pairs that share a frame share noise, and so do pairs whose frames are within the life of a
speckle. The posterior for white noise is then centred where it should be and too narrow. What the noise does to the
estimate can be seen in the scores, the first derivatives of the terms of the likelihood.

*Scores.* Frames that are nearer than W are not independent (the window in which residuals are correlated,
`wilks.xpcs.residual_statistics`), so the time axis is cut into blocks of W frames. Two pairs share noise if they have
a block in common, and are independent otherwise, as they are where their angles differ (other pixels). With the sums
:math:`\sigma_I` and :math:`\gamma_{IJ}` of `wilks.xpcs.posterior.scores` the variance of the score of all data is, in
the estimate that is robust for such dyads,

.. math:: V = \sum_I \tilde\sigma_I \tilde\sigma_I^T - \sum_{I<J} \gamma_{IJ} \gamma_{IJ}^T, \quad
          \tilde\sigma_I = (1 - L_I C)^{-1} \sigma_I                                                            (1)

where the second sum takes away what the first one counts twice (Fafchamps and Gubert 2007; Aronow, Samii and Assenova
2015, Political Analysis 23, 564). The factor takes account of the fit, which follows the noise of a block the more, the
more of the information :math:`L_I` is in it: it is that of the jackknife (Bell and McCaffrey 2002; Cameron and Miller
2015), without which errors are 5 to 20 % too small where there are few blocks. Blocks of single frames are not enough:
where photons are many, noise is shared by pairs without a common frame.

*Errors.* Let H be the information of the likelihood over the physical parameters, in the coordinates x of the chart,
and the coefficients c of contrast and offset, and P that of the prior. For white noise the posterior has the covariance
C, and the error of its mean, of noise as it is and of parameters that the prior is right about, the covariance S,

.. math:: C = (H + P)^{-1}, \quad S = C (V + P) C                                                               (2)

which is :math:`H^{-1} V H^{-1}` where data decide, equals C where V = H, and is the prior where they say nothing.

*Draws.* They are moved away from the mode (Shaby 2014, J. Comput. Graph. Stat. 23, 853; Ribatet, Cooley and Davison
2012),

.. math:: x^* = \hat x + A (x - \hat x), \quad A C_{xx} A^T = S_{xx}, \quad A = (S_{xx} C_{xx}^{-1})^{1/2}      (3)

with the principal square root, which is the same map in whatever coordinates it is worked out. What contrast and offset
do not owe to x is treated likewise: with :math:`K = C_{cx} C_{xx}^{-1}` and :math:`\Sigma = C_{cc} - K C_{xc}`, and
:math:`K^*, \Sigma^*` made of S in the same way,

.. math:: c^* = \hat c + K^* (x^* - \hat x) + (\Sigma^* \Sigma^{-1})^{1/2} (c - \hat c - K (x - \hat x))        (4)

The shape of the posterior is kept, its widths and correlations change. The result is no likelihood times a prior: its
log-likelihoods are those that, with the prior, have the density of the moved draws. Draws that leave the box are folded
back at its wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.chart import BoxChart
from wilks.samplers.target import Target
from wilks.xpcs.posterior.scores import angle_scores
from wilks.xpcs.residual_statistics import residual_statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.posterior.problem import MarginalProblem
    from wilks.xpcs.posterior.scores import AngleScores
    from wilks.xpcs.result import XpcsFit
    from wilks.xpcs.scaling import LinearBlock

    Array = NDArray[np.float64]

_FEWEST_BLOCKS = 6
_FAR = 1.5
"""Window in blocks from which on a good part of the shared noise is missed."""
_LEAST = 0.1
"""Least variance over that of white noise, in any direction: an estimated matrix may have any sign."""
_OF_UNIFORM = 12.0
_STEP = 1e-6
_QUANTILES = (np.arange(2001) + 0.5) / 2001


@dataclass(frozen=True)
class Spreads:
    """Covariances C and S of equation (2), over the coordinates of the chart and then the coefficients."""

    white: Array
    shared: Array

    def maps(self, d: int) -> tuple[Array, Array, Array, Array]:
        r"""A, K, :math:`K^*` and the factor of the remainder in equations (3) and (4), d coordinates."""
        found = []
        for matrix in (self.white, self.shared):
            slope = matrix[d:, :d] @ np.linalg.inv(matrix[:d, :d])
            found.append((matrix[:d, :d], slope, matrix[d:, d:] - slope @ matrix[:d, d:]))
        (c, k, rest), (s, k_shared, rest_shared) = found
        return principal_root(c, s), k, k_shared, principal_root(rest, rest_shared)


def principal_root(white: Array, shared: Array) -> Array:
    r"""The principal square root of :math:`S C^{-1}`, for positive definite C and S.

    Examples
    --------
    >>> principal_root(np.diag([1.0, 4.0]), np.diag([9.0, 4.0])).round(12).tolist()
    [[3.0, 0.0], [0.0, 1.0]]
    """
    if not len(white):
        return np.empty((0, 0))
    lower = np.linalg.cholesky(white)
    inverse = np.linalg.inv(lower)
    values, vectors = np.linalg.eigh(inverse @ shared @ inverse.T)
    return np.asarray(lower @ (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T @ inverse)


def spreads(scores: list[AngleScores], turns: list[Array], prior: Array) -> Spreads:
    r"""Equations (1) and (2).

    Parameters
    ----------
    scores
        Of every angle.
    turns
        Matrices :math:`T_k`, shape (q, n).
    prior
        P, shape (n, n).
    """
    information = sum(turn.T @ each.total @ turn for each, turn in zip(scores, turns, strict=True)) + prior
    size = 1.0 / np.sqrt(np.diag(information))
    lower = np.linalg.cholesky(information * np.outer(size, size))
    root = size[:, None] * np.linalg.inv(lower).T  # C is root root'
    white = root @ root.T
    meat = np.zeros(prior.shape)
    for each, turn in zip(scores, turns, strict=True):
        leverage = each.information @ (turn @ white @ turn.T)
        moved = np.linalg.solve(np.eye(len(turn)) - leverage, each.scores[..., None])[..., 0]
        meat += turn.T @ (moved.T @ moved - each.crossed) @ turn
    values, vectors = np.linalg.eigh(root.T @ (meat + prior) @ root)
    basis = root @ vectors
    return Spreads(white, (basis * np.maximum(values, _LEAST)) @ basis.T)


def spreads_at(problem: MarginalProblem, theta: Array, block: int, noise: Array) -> tuple[Spreads, Array]:
    """C and S at a point, and the best coefficients of contrast and offset there.

    Parameters
    ----------
    problem
        The data, the scaling and the priors.
    theta
        The free parameters, shape (d,).
    block
        Frames of a block.
    noise
        Standard deviation of the noise over that of the data, shape (n_angles,).
    """
    base, space = problem.base, problem.space
    values = space.to_values(theta)
    found = base.projection(values)
    assert found is not None  # noqa: S101 - the posterior has been there
    scores = angle_scores(base, values, block)  # type: ignore[arg-type]  # all are real
    scores = [each.times(factor) for each, factor in zip(scores, (noise**-2.0).tolist(), strict=True)]
    target = Target(space, problem.chart() or BoxChart())
    slopes = _slopes(target, target.coordinates(theta[None])[0])
    turns = _turns(base.block, found.contrast, space.slope(theta)[:, None] * slopes)
    return spreads(scores, turns, _prior(problem, slopes)), found.coefficients


def block_of(fit: XpcsFit) -> tuple[int, bool]:
    """Frames within which noise is shared, and whether it reaches farther than can be told.

    White residuals say that it is shared within single frames at most.
    """
    found = residual_statistics(fit)
    window = found.window if found.correlated else 1
    block = max(1, min(window, len(fit.t) // _FEWEST_BLOCKS))
    return block, window > _FAR * block


def _slopes(target: Target, x: Array) -> Array:
    """Derivatives du/dx of the unit box by the coordinates of the chart, shape (d, d)."""
    steps = np.diag(_STEP * np.maximum(np.abs(x), 1.0))
    ahead, behind = target.chart.to_unit(x + steps), target.chart.to_unit(x - steps)
    return np.asarray(((ahead - behind) / (2.0 * np.diag(steps))[:, None]).T)


def _turns(block: LinearBlock, contrast: Array, jacobian: Array) -> list[Array]:
    r"""Matrices :math:`T_k` over (coordinates, coefficients); `jacobian` is :math:`d\theta / dx`."""
    d, n = len(jacobian), len(block.names)
    found = []
    for k, b in enumerate(contrast.tolist()):
        turn = np.zeros((2 + d, d + n))
        turn[2:, :d] = b * jacobian
        turn[0, d:], turn[1, d:] = block.to_offset[k], block.to_contrast[k]
        found.append(turn)
    return found


def _prior(problem: MarginalProblem, slopes: Array) -> Array:
    """P of equation (2): priors as normal distributions of the same variance in the unit box."""
    space, block = problem.space, problem.base.block
    units = [np.asarray(space[name].to_unit(space[name].draw(_QUANTILES))) for name in space.free]
    of_x = slopes.T @ np.diag([1.0 / max(float(np.var(each)), 1e-12) for each in units]) @ slopes
    d, n = len(of_x), len(block.names)
    whole = np.zeros((d + n, d + n))
    whole[:d, :d] = of_x
    whole[d:, d:] = block.penalty + np.diag(_OF_UNIFORM / (block.upper - block.lower) ** 2)
    return whole
