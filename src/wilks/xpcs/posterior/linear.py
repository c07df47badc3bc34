r"""The likelihood with the coefficients of any scaling integrated out, and with contrast and offset fixed.

Contrasts and offsets are linear in coefficients c (`wilks.xpcs.scaling`), and chi-squared is
:math:`(r - 2 d^T c + c^T A c) / s^2`. For series in the angle, and where a penalty ties the angles together, the box of
the coefficients has no mass in closed form. Their prior is then the normal distribution with the means and variances of
the box, times the penalty:

.. math:: c \sim N(m, \Lambda^{-1}), \quad \Lambda = P + \mathrm{diag}(12 / \mathrm{width}^2)                   (1)

With :math:`\Lambda = L L^T` and the eigenvalues :math:`\lambda_i` of :math:`L^{-1} A L^{-T}`, in whose basis
:math:`e = Q^T L^{-1} (d - A m)` and :math:`r_m` is the sum of squares at m,

.. math:: p(y | \theta, s) = (2 \pi s^2)^{-N/2} \prod_i \left(1 + \frac{\lambda_i}{s^2}\right)^{-1/2}
          \exp\left[-\frac{1}{2 s^2} \Big(r_m - \sum_i \frac{e_i^2}{s^2 + \lambda_i}\Big)\right]                 (2)

which is finite for any data, and is summed over s as in `wilks.xpcs.posterior.noise_scale`. How much of the
distribution of contrast and offset lies outside their bounds is counted when they are drawn.

Fixed contrasts and offsets leave nothing to integrate but the noise, :math:`-(N / 2) \log R`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.posterior.conditional import Conditional
from wilks.xpcs.posterior.marginal import draw_noise
from wilks.xpcs.posterior.noise_scale import Sigma, log_integral, log_sum, nodes
from wilks.xpcs.scaling import CONTRAST_BOUNDS, OFFSET_BOUNDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.scaling import LinearBlock

    Array = NDArray[np.float64]

_OF_UNIFORM = 12.0
_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class FixedMarginal:
    """Contrast and offset are numbers; only the noise is integrated out.

    Attributes
    ----------
    n_used
        Number of pairs of every angle.
    contrast, offset
        Of every angle, the offset less its centre.
    sigma
        What is known of the noise.
    """

    n_used: NDArray[np.int64]
    contrast: Array
    offset: Array
    sigma: Sigma

    def log_likelihood(self, products: Array) -> Array:
        """Log of the marginal likelihood, shape (n,)."""
        r, n = self._of_noise(products)
        constant = -0.5 * float(self.n_used.sum()) * _LOG_2PI
        if self.sigma == "known":
            return np.asarray(constant - 0.5 * r.sum(axis=1))
        return np.asarray(constant + log_integral(r, n).sum(axis=1))

    def conditional(self, products: Array) -> Conditional:
        """Moments of the noise factor; contrast and offset do not vary."""
        r, n = self._of_noise(products)
        shape = (len(products), len(self.contrast), 1)
        s, p = np.ones(shape), np.ones(shape)
        if self.sigma != "known":
            s, logs = nodes(r, np.broadcast_to(n, r.shape))
            shape = (*shape[:2], s.shape[-1])
            p = np.broadcast_to(np.exp(logs - log_sum(logs)[..., None]), shape)
            s = np.broadcast_to(s, shape)
        b, o = (np.broadcast_to(each[:, None], shape) for each in (self.contrast, self.offset))
        return Conditional(s, p, b, o, b**2, b * o, o**2)

    def draw(self, products: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """The fixed numbers, and noise factors."""
        r, n = self._of_noise(products)
        shape = (len(products), len(self.contrast))
        s = np.ones(shape)
        if self.sigma != "known":
            s = np.broadcast_to(np.sqrt(r / rng.chisquare(np.broadcast_to(n, r.shape))), shape)
        return np.broadcast_to(self.contrast, shape), np.broadcast_to(self.offset, shape), s

    def mass_outside(self, products: Array) -> Array:
        """Zero: they were given."""
        return np.zeros(len(products))

    def _of_noise(self, products: Array) -> tuple[Array, Array]:
        turn = np.stack([-self.offset, -self.contrast, np.ones_like(self.offset)], axis=1)
        r = np.maximum(np.einsum("ki,nkij,kj->nk", turn, products, turn), 1e-14 * products[..., 2, 2])
        n = self.n_used.astype(float)
        if self.sigma == "integrated":
            return r.sum(axis=1, keepdims=True), n.sum(keepdims=True)
        return r, n


@dataclass(frozen=True)
class LinearMarginal:
    """Equation (2).

    Attributes
    ----------
    n_used
        Number of pairs of all angles.
    centres
        What was subtracted from c2, shape (n_angles,).
    block
        The scaling, with its penalty.
    sigma
        What is known of the noise: ``"integrated"`` or ``"known"``.
    bounds
        Of contrast and offset.
    """

    n_used: int
    centres: Array
    block: LinearBlock
    sigma: Sigma
    bounds: tuple[tuple[float, float], tuple[float, float]] = (CONTRAST_BOUNDS, OFFSET_BOUNDS)

    def log_likelihood(self, products: Array) -> Array:
        """Log of the marginal likelihood, shape (n,)."""
        return self._solved(products).log_likelihood()

    def conditional(self, products: Array) -> Conditional:
        """Moments of what was integrated out."""
        solved, block = self._solved(products), self.block
        s, logs, _ = solved.on_nodes()
        p = np.exp(logs - log_sum(logs)[:, None])
        n_angles = len(self.centres)
        shape = (len(products), n_angles, s.shape[1])
        mean = solved.mean(s)  # (n, nodes, coefficients) in the basis of the eigenvectors
        variance = solved.variance(s)
        to_b, to_o = (np.einsum("kc,ncj->nkj", matrix, solved.basis) for matrix in (block.to_contrast, block.to_offset))
        at_b, at_o = block.scaled(solved.m)
        b = np.einsum("nkj,nqj->nkq", to_b, mean) + at_b[:, None]
        o = np.einsum("nkj,nqj->nkq", to_o, mean) + (at_o - self.centres)[:, None]
        var_b, var_o = (np.einsum("nkj,nqj->nkq", each**2, variance) for each in (to_b, to_o))
        both = np.einsum("nkj,nqj->nkq", to_b * to_o, variance)
        s, p = (np.broadcast_to(each[:, None], shape) for each in (s, p))
        return Conditional(s, p, b, o, b**2 + var_b, b * o + both, o**2 + var_o)

    def draw(self, products: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """One contrast, offset (less its centre) and noise factor for every angle."""
        solved, block = self._solved(products), self.block
        s, logs, factor = solved.on_nodes()
        drawn = np.ones(len(products)) if self.sigma == "known" else draw_noise(rng, s, logs, factor)
        at = drawn[:, None]
        z = solved.mean(at)[:, 0] + np.sqrt(solved.variance(at)[:, 0]) * rng.standard_normal(solved.e.shape)
        c = solved.m + np.einsum("ncj,nj->nc", solved.basis, z)
        b, o = c @ block.to_contrast.T + block.contrast, c @ block.to_offset.T + block.offset
        return b, o - self.centres, np.broadcast_to(at, b.shape)

    def mass_outside(self, products: Array) -> Array:
        """Probability that some contrast or offset lies outside its bounds, at most: the sum of those of the angles."""
        from scipy.special import ndtr  # noqa: PLC0415 - scipy loads on use

        b, var_b, o, var_o = self.conditional(products).mean_and_variance()
        total = np.zeros(len(products))
        for mean, variance, (low, high) in ((b, var_b, self.bounds[0]), (o + self.centres, var_o, self.bounds[1])):
            sd = np.sqrt(np.maximum(variance, 1e-300))
            total += (ndtr((low - mean) / sd) + ndtr((mean - high) / sd)).sum(axis=1)
        return np.minimum(total, 1.0)

    def _solved(self, products: Array) -> _Solved:
        block = self.block
        linear = products[..., :2, :2]
        middle = 0.5 * (block.lower + block.upper)
        prior = block.penalty + np.diag(_OF_UNIFORM / (block.upper - block.lower) ** 2)
        lower = np.linalg.cholesky(prior)
        rows = np.stack([block.to_offset, block.to_contrast], axis=1)  # (n_angles, 2, coefficients)
        a = np.einsum("kic,nkij,kjd->ncd", rows, linear, rows, optimize=True)
        at_b, at_o = block.scaled(middle)
        turn = np.stack([-(at_o - self.centres), -at_b, np.ones_like(at_b)], axis=1)
        left = np.einsum("nkij,kj->nki", products, turn)  # sums of products with the residual at m
        r = np.maximum(np.einsum("ki,nki->n", turn, left), 1e-14 * products[..., 2, 2].sum(axis=1))
        d = np.einsum("kic,nki->nc", rows, left[..., :2])
        inverse = np.linalg.inv(lower)
        values, vectors = np.linalg.eigh(inverse @ a @ inverse.T)
        e = np.einsum("ncj,nc->nj", vectors, d @ inverse.T)
        return _Solved(r, np.maximum(values, 0.0), e, inverse.T @ vectors, middle, float(self.n_used), self.sigma)


@dataclass(frozen=True)
class _Solved:
    r: Array
    values: Array
    e: Array
    basis: Array
    m: Array
    n: float
    sigma: Sigma

    def log_likelihood(self) -> Array:
        _, logs, _ = self.on_nodes()
        return log_sum(logs) - 0.5 * self.n * _LOG_2PI

    def mean(self, s: Array) -> Array:
        """Of z at noise factors of shape (n, nodes)."""
        return np.asarray(self.e[:, None] / (s[..., None] ** 2 + self.values[:, None]))

    def variance(self, s: Array) -> Array:
        squares = s[..., None] ** 2
        return np.asarray(squares / (squares + self.values[:, None]))

    def on_nodes(self) -> tuple[Array, Array, Array]:
        """Noise factors, the log of (2) with the weights of the nodes, and the part of it that is no power of s."""
        one = np.ones((len(self.r), 1))
        if self.sigma == "known":
            factor = self._factor(one)
            return one, factor - 0.5 * self.r[:, None], factor
        # The residual sum of squares is what the nodes surround; the coefficients' share depends on s but little.
        nu = self.n - self.e.shape[1]
        around = self.r
        for _ in range(3):
            gain = (self.e**2 / (around[:, None] / nu + self.values)).sum(axis=1)
            around = np.maximum(self.r - gain, 1e-14 * self.r)
        s, logs = nodes(around, np.full(len(self.r), nu))
        base = -(self.n - nu) * np.log(s) - 0.5 * (self.r - around)[:, None] / s**2
        factor = self._factor(s) + base
        return s, logs + factor, factor

    def _factor(self, s: Array) -> Array:
        squares, values = s[..., None] ** 2, self.values[:, None]
        shrunk = -0.5 * np.log1p(values / squares)
        gain = 0.5 * self.e[:, None] ** 2 / (squares * (squares + values))
        return np.asarray((shrunk + gain).sum(axis=-1))
