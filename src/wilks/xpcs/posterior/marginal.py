r"""The likelihood with contrast, offset and noise integrated out: a contrast and an offset for every group of angles.

For one group (an angle, or all angles that share a contrast and an offset) let :math:`W = \sum w`,
:math:`\bar f = \sum w f / W`, and likewise :math:`\bar y`, with the weights w over :math:`\sigma^2`, and

.. math:: v = \sum w (f - \bar f)^2, \quad u = \sum w (f - \bar f)(y - \bar y), \quad
          R = \sum w (y - \bar y)^2 - u^2 / v                                                                    (1)

Noise of the standard deviation :math:`s \sigma` and flat priors of contrast b and offset o on their box of area A make

.. math:: p(y | \theta, s) = (2 \pi s^2)^{-N/2} \, e^{-R / 2 s^2} \; \frac{2 \pi s^2}{\sqrt{W v}} \; \frac{M(s)}{A}
                                                                                                                 (2)

where M is the mass of the normal distribution of b and o inside the box (`wilks.xpcs.posterior.box`), and a constant of
the data is left out. Several groups multiply. With s known this is it. With the prior 1 / s and G groups,

.. math:: p(y | \theta) = (2 \pi)^{G - N/2} \prod_g \frac{1}{A_g \sqrt{W_g v_g}} \;
          \int \frac{ds}{s} s^{-\nu} e^{-\sum R_g / 2 s^2} \prod_g M_g(s), \quad \nu = N - 2 G                    (3)

which is closed where all :math:`M_g = 1`:

.. math:: \log p = -\tfrac12 \sum_g \log v_g - \tfrac{\nu}{2} \log \sum_g R_g + \mathrm{const}                   (4)

and one short sum over s otherwise (`wilks.xpcs.posterior.noise_scale`). The box matters more than it seems: where f is
the same for all pairs, v vanishes and (4) grows without limit, while :math:`M / \sqrt v` stays finite.

The gradient needs no derivative of any of this. Differentiating under the integral,

.. math:: \frac{\partial \log p}{\partial \theta} = \sum \left\langle \frac{b}{s^2} \right\rangle \sum w y f'
          - \left\langle \frac{b \, o}{s^2} \right\rangle \sum w f'
          - \left\langle \frac{b^2}{s^2} \right\rangle \sum w f f'                                                (5)

with means over the conditional distribution of b, o and s given :math:`\theta`, which the recovery of contrast and
offset needs as well (Fisher's identity; marginalisation of the linear part of a Gaussian model as in Bretthorst 1988,
Bayesian Spectrum Analysis and Parameter Estimation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.posterior.box import Bell, Grid, clipped, is_far, log_mass
from wilks.xpcs.posterior.conditional import Conditional
from wilks.xpcs.posterior.noise_scale import Sigma, log_integral, log_sum, nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FLAT = 1e-13
"""Part of the sum of squares of f below which its variance is rounding."""
_FINE = 16


@dataclass(frozen=True)
class PairMarginal:
    """Equations (2) and (3).

    Attributes
    ----------
    n_used
        Number of pairs of every angle.
    centres
        What was subtracted from c2, shape (n_angles,).
    contrast, offset
        Boxes.
    shared
        Do all angles share one contrast and one offset?
    sigma
        What is known of the noise.
    """

    n_used: NDArray[np.int64]
    centres: Array
    contrast: tuple[float, float]
    offset: tuple[float, float]
    shared: bool
    sigma: Sigma

    def log_likelihood(self, products: Array) -> Array:
        """Log of the marginal likelihood, shape (n,)."""
        return self._state(products).log_likelihood()

    def conditional(self, products: Array) -> Conditional:
        """Moments of what was integrated out."""
        return self._spread(self._state(products).conditional())

    def draw(self, products: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """One contrast, offset (less its centre) and noise factor for every angle."""
        b, o, s = self._state(products).draw(rng)
        n = len(self.centres)
        if self.shared:
            b, o, s = (np.repeat(each, n, axis=-1) for each in (b, o, s))
            o = o + (self.centres[0] - self.centres)
        return b, o, np.broadcast_to(s, b.shape)

    def mass_outside(self, products: Array) -> Array:
        """Zero: what lies outside is cut off."""
        return np.zeros(len(products))

    def _spread(self, found: Conditional) -> Conditional:
        """From one group to all angles, each with its own centre."""
        if not self.shared:
            return found
        shift = (self.centres[0] - self.centres)[:, None]

        def every(values: Array) -> Array:
            return np.repeat(values, len(self.centres), axis=1)

        return Conditional(
            s=every(found.s),
            p=every(found.p),
            b=every(found.b),
            o=found.o + shift,
            bb=every(found.bb),
            bo=found.bo + shift * found.b,
            oo=found.oo + 2.0 * shift * found.o + shift**2,
        )

    def _state(self, products: Array) -> _State:
        s, counts, centres = products, self.n_used, self.centres
        if self.shared:
            # y of every angle less the same number, then one sum over the angles.
            move = (centres - centres[0])[:, None, None] * np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
            turn = np.eye(3) + move
            s = (np.swapaxes(turn, 1, 2) @ products @ turn).sum(axis=1, keepdims=True)
            counts, centres = counts.sum(keepdims=True), centres[:1]
        w, f1, ff, y1, fy, yy = (s[..., i, j] for i, j in ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)))
        mean_f, mean_y = f1 / w, y1 / w
        v = ff - f1 * mean_f
        flat = v <= _FLAT * ff
        v = np.where(flat, 1e-200, v)
        u = np.where(flat, 0.0, fy - y1 * mean_f)
        peak = u / v
        ends = (self.contrast[0], self.contrast[1], self.offset[0] - centres, self.offset[1] - centres)
        bell = Bell(v, peak, w, mean_y, mean_f, *(np.broadcast_to(end, v.shape) for end in ends))
        r = np.maximum(yy - y1 * mean_y - u * peak, 1e-14 * yy)
        area = (self.contrast[1] - self.contrast[0]) * (self.offset[1] - self.offset[0])
        known = 0.5 * (2.0 - counts) * math.log(2 * math.pi) - 0.5 * (np.log(w) + np.log(v)) - math.log(area)
        return _State(bell, r, known, counts.astype(float) - 2.0, self.sigma)


@dataclass(frozen=True)
class _State:
    """Some points: bells and sums of squares of every group, the factors of (2) without s, and degrees of freedom."""

    bell: Bell
    r: Array
    log_known: Array
    nu: Array
    sigma: Sigma

    def _of_noise(self) -> tuple[Array, Array]:
        """R and degrees of freedom of everything that shares a noise factor, shape (n, 1) or (n, n_groups)."""
        if self.sigma == "integrated":
            return self.r.sum(axis=1, keepdims=True), np.asarray(self.nu.sum(keepdims=True))
        return self.r, self.nu

    def _largest(self) -> Array:
        """A noise factor that is hardly exceeded."""
        if self.sigma == "known":
            return np.ones((1, 1))
        r, nu = self._of_noise()
        return np.asarray(np.sqrt(r / nu) * (1.0 + 4.0 / np.sqrt(nu)))

    def log_likelihood(self) -> Array:
        known = self.log_known.sum(axis=1)
        far = np.asarray(is_far(self.bell, self._largest()).all(axis=1))
        if self.sigma == "known":
            known = known - 0.5 * self.r.sum(axis=1)
            if not far.all():
                near = self._rows(~far)
                known[~far] += log_mass(near.bell, np.ones_like(near.r)).sum(axis=1)
            return np.asarray(known)
        r, nu = self._of_noise()
        found = np.asarray(log_integral(r, nu).sum(axis=1))
        if not far.all():
            found[~far] = log_sum(self._rows(~far)._on_nodes()[1]).sum(axis=1)  # noqa: SLF001 - of the same class
        return np.asarray(known + found)

    def _rows(self, chosen: NDArray[np.bool_]) -> _State:
        bell = Bell(*(each[chosen] for each in self.bell))
        return _State(bell, self.r[chosen], self.log_known[chosen], self.nu, self.sigma)

    def _on_nodes(self) -> tuple[Array, Array, Array]:
        """Noise factors, log of the integrand of (3), and the part of it that is mass: (n, 1 or n_groups, nodes)."""
        if self.sigma == "known":
            one = np.ones((*self.r.shape, 1))
            return one, np.zeros_like(one), np.zeros_like(one)
        r, nu = self._of_noise()
        forced = self.bell.v * (clipped(self.bell) - self.bell.peak) ** 2
        around = r + (forced.sum(axis=1, keepdims=True) if self.sigma == "integrated" else forced)
        s, logs = nodes(r, np.broadcast_to(nu, r.shape), around)
        mass = self._log_mass(s)
        if self.sigma == "integrated":
            mass = mass.sum(axis=1, keepdims=True)
        return s, logs + mass, mass

    def _log_mass(self, s: Array) -> Array:
        far = is_far(self.bell, self._largest())
        shape = (*self.r.shape, s.shape[-1])
        found, at = np.zeros(shape), np.broadcast_to(s, shape)
        if not far.all():
            found[~far] = log_mass(self.bell.rows(~far).spread(), at[~far])
        return found

    def conditional(self) -> Conditional:
        s, logs, _ = self._on_nodes()
        shape = (*self.r.shape, s.shape[-1])
        p = np.exp(logs - log_sum(logs)[..., None])
        s, p = (np.broadcast_to(each, shape).copy() for each in (s, p))
        wide = self.bell.spread()
        b = np.broadcast_to(wide.peak, shape).copy()
        var = s**2 / wide.v
        o = wide.mean_y - b * wide.mean_f
        bb, bo = b**2 + var, b * o - var * wide.mean_f
        oo = o**2 + s**2 / wide.w + var * wide.mean_f**2
        near = ~is_far(self.bell, self._largest())
        if near.any():
            bells = Bell(*(np.broadcast_to(each, s[near].shape) for each in self.bell.rows(near).spread()))
            cut = Grid.of(bells, s[near]).moments()
            for whole, part in zip((b, o, bb, bo, oo), cut, strict=True):
                whole[near] = part
        return Conditional(s, p, b, o, bb, bo, oo)

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        near = ~is_far(self.bell, self._largest())
        s = np.broadcast_to(self._draw_s(rng, cut=bool(near.any())), self.r.shape)
        normal = rng.standard_normal((2, *self.r.shape))
        b = self.bell.peak + s / np.sqrt(self.bell.v) * normal[0]
        o = self.bell.offset(b) + s / np.sqrt(self.bell.w) * normal[1]
        if near.any():
            b[near], o[near] = Grid.of(self.bell.rows(near), s[near]).draw(rng)
        return b, o, s

    def _draw_s(self, rng: np.random.Generator, *, cut: bool) -> Array:
        if self.sigma == "known":
            return np.ones((1, 1))
        r, nu = self._of_noise()
        if not cut:
            return np.asarray(np.sqrt(r / rng.chisquare(np.broadcast_to(nu, r.shape))))
        s, logs, mass = self._on_nodes()
        return draw_noise(rng, s, logs, mass)


def draw_noise(rng: np.random.Generator, s: Array, logs: Array, factor: Array) -> Array:
    """Draw noise factors from integrands on nodes, shape (..., n) -> (...).

    Between the nodes the smooth `factor` is interpolated, of which `logs` is the sum with (1) of `noise_scale`.
    """
    t, part = np.log(s), np.arange(_FINE) / _FINE
    base = logs - factor

    def between(values: Array) -> Array:
        made = values[..., :-1, None] * (1.0 - part) + values[..., 1:, None] * part
        return made.reshape(*values.shape[:-1], -1)

    # The integrand without its factor is so nearly a bell that its logarithm is interpolated by a parabola.
    bend = np.gradient(np.gradient(base, axis=-1), axis=-1)[..., 1:-1].mean(axis=-1)
    curve = between(base) - 0.5 * bend[..., None] * np.tile(part * (1.0 - part), base.shape[-1] - 1)
    fine, density = between(t), curve + between(factor)
    cumulative = np.cumsum(np.exp(density - density.max(axis=-1, keepdims=True)), axis=-1)
    u = rng.random(cumulative.shape[:-1])[..., None] * cumulative[..., -1:]
    at = np.minimum((cumulative < u).sum(axis=-1), fine.shape[-1] - 2)[..., None]
    below = np.where(at > 0, np.take_along_axis(cumulative, np.maximum(at - 1, 0), -1), 0.0)
    width = np.take_along_axis(fine, at + 1, -1) - np.take_along_axis(fine, at, -1)
    share = (u - below) / (np.take_along_axis(cumulative, at, -1) - below)
    return np.asarray(np.exp(np.take_along_axis(fine, at, -1) + (share - 0.5) * width)[..., 0])
