r"""The sums of `wilks.xpcs.gram` over some thousand pairs, for a search: what counts is the time of a call.

`coarse_gram` takes sine and cosine of the times, not of the pairs, and otherwise the factors of equation (2) in
`wilks.xpcs.kernel_blocks`. `coarse_scan` needs no more than :math:`\mathrm{sinc}^2 x = \sin^2 r / x^2`, where r is x
less the nearest multiple of :math:`\pi`, and for :math:`|r| \le \pi / 2` the power series of the sine is several times
quicker than a call of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.kernel_blocks import (
    N_MOMENTS,
    NO_SHEAR,
    SINC_SERIES,
    SLOPE_SERIES,
    SMALL,
    Moments,
    assembled,
    polynomial,
    scales,
    waves_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves
    from wilks.xpcs.kernel_blocks import Waves
    from wilks.xpcs.pairs import CoarsePairs

    Array = NDArray[np.float64]

# Angles x pairs at a time: arrays stay in the second-level cache, and BLAS starts no threads.
_ENTRIES = 12288

# sin(r) / r as a polynomial of r^2, to 1e-13 for |r| <= pi / 2.
_SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(9))

# In place of a difference of strain that is 0: sin(x) / x is 1 to rounding, and no quotient 0 / 0.
_TINY = 1e-30

# A decay below it is 0: its powers would be denormal numbers, which are slow.
_UNDERFLOW = 1e-40

_EE = np.triu_indices(3)


def coarse_gram(coarse: CoarsePairs, curves: Curves, *, derivatives: bool = True) -> Array:
    """Gram matrix of every angle over the pairs of `coarse`.

    Parameters
    ----------
    coarse
        The pairs.
    curves
        The model.
    derivatives
        With all columns; otherwise those of ``[1, f, y]`` only.

    Returns
    -------
    ndarray
        As from `wilks.xpcs.gram.gram`, shape (n_angles, K, K).
    """
    if not derivatives:
        return np.asarray(coarse_scan(coarse, [curves])[0])
    with np.errstate(all="ignore"):  # sums that are not finite are for the caller to see
        if not curves.has_flow:
            return _static_gram(coarse, curves)
        return _flow_gram(coarse, curves)


def coarse_scan(coarse: CoarsePairs, many: Sequence[Curves]) -> Array:
    """Gram matrices of [1, f, y] for many sets of parameters.

    Parameters
    ----------
    coarse
        The pairs.
    many
        The models, all of one kind.

    Returns
    -------
    ndarray
        Shape (n_points, n_angles, 3, 3).
    """
    n_angles = len(coarse.y)
    w, wy = coarse.weights, coarse.weights * coarse.y
    grams = np.empty((len(many), n_angles, 3, 3))
    grams[..., 0, 0] = w.sum(axis=1)
    grams[..., 0, 2] = grams[..., 2, 0] = wy.sum(axis=1)
    grams[..., 2, 2] = np.einsum("kn,kn->k", wy, coarse.y)
    buffers = np.empty((3, *coarse.y.shape))
    with np.errstate(all="ignore"):
        for sums, curves in zip(grams, many, strict=True):
            f = _models(coarse, curves, buffers)
            wf = np.multiply(w, f, out=buffers[1])
            sums[:, 0, 1] = sums[:, 1, 0] = np.add.reduce(wf, axis=1)
            sums[:, 1, 1] = np.einsum("kn,kn->k", wf, np.broadcast_to(f, wf.shape))
            sums[:, 1, 2] = sums[:, 2, 1] = np.einsum("kn,kn->k", wf, coarse.y)
    return grams


def _models(coarse: CoarsePairs, curves: Curves, buffers: Array) -> Array:
    """Model f of every angle at every pair, in the first of the buffers; one row for all angles without flow."""
    decay = np.exp(curves.decay[coarse.first] - curves.decay[coarse.second])
    if not curves.has_flow:
        return decay[None]
    f: Array = buffers[0]
    x, rest = buffers[1:]
    np.multiply.outer(curves.phases, curves.strain[coarse.second] - curves.strain[coarse.first], out=x)
    np.add(x, _TINY, out=x)
    np.multiply(x, 1 / math.pi, out=rest)
    np.rint(rest, out=rest)
    np.multiply(rest, math.pi, out=rest)
    np.subtract(x, rest, out=rest)
    np.divide(rest, x, out=x)
    np.multiply(rest, rest, out=rest)
    polynomial(_SINE, rest, out=f)
    np.multiply(f, x, out=f)
    np.multiply(f, f, out=f)
    if curves.power == 4:
        np.multiply(f, f, out=f)
    np.multiply(f, decay, out=f)
    return f


def _static_gram(coarse: CoarsePairs, curves: Curves) -> Array:
    first, second = np.triu_indices(5)
    products, with_y = np.zeros((len(coarse.y), len(first))), np.zeros((len(coarse.y), 5))
    for here in _pieces(coarse):
        i, j = coarse.first[here], coarse.second[here]
        V = np.ones((5, len(i)))
        np.exp(curves.decay[i] - curves.decay[j], out=V[1])
        np.multiply(curves.decay_slopes[:, j] - curves.decay_slopes[:, i], V[1], out=V[2:])
        w = coarse.weights[:, here]
        products += w @ (V[first] * V[second]).T
        with_y += (w * coarse.y[:, here]) @ V.T
    grams = np.empty((len(coarse.y), 6, 6))
    grams[:, first, second] = grams[:, second, first] = products
    grams[:, :-1, -1] = grams[:, -1, :-1] = with_y
    grams[:, -1, -1] = np.einsum("kn,kn,kn->k", coarse.weights, coarse.y, coarse.y)
    return grams


def _pieces(coarse: CoarsePairs) -> Iterator[slice]:
    step = max(1, _ENTRIES // len(coarse.y))
    for begin in range(0, len(coarse.first), step):
        yield slice(begin, begin + step)


def _flow_gram(coarse: CoarsePairs, curves: Curves) -> Array:
    n_angles = len(coarse.y)
    waves = waves_of(curves, np.arange(n_angles))
    six = np.concatenate([curves.decay_slopes, curves.strain_slopes])
    moments = Moments.views(np.zeros((n_angles, N_MOMENTS)))
    # Arrays of this size that come and go would be given back to the system and fetched again each time.
    buffers = np.empty((6, max(n_angles, _ENTRIES)))
    for here in _pieces(coarse):
        i, j = coarse.first[here], coarse.second[here]
        room = buffers[:, : n_angles * len(i)].reshape(6, n_angles, len(i))
        f, h = _factors(curves, waves, i, j, room)
        _add(moments, (f, h), coarse.y[:, here], coarse.weights[:, here], six[:, j] - six[:, i], room[2:])
    return assembled(moments, scales(waves.phases, curves.power))


def _factors(
    curves: Curves, waves: Waves, i: NDArray[np.intp], j: NDArray[np.intp], room: Array
) -> tuple[Array, Array]:
    """Model f and slope h, the latter without its factor p / P, of all angles at some pairs: the first of `room`."""
    sine, cosine, phases = waves
    strain = curves.strain[j] - curves.strain[i]
    inverse = np.divide(1.0, strain, out=np.zeros_like(strain), where=np.abs(strain) > NO_SHEAR)
    decay = np.exp((curves.decay[i] - curves.decay[j]) / curves.power)
    decay[decay < _UNDERFLOW] = 0.0
    g, d, s_i, s_j, c_i, c_j = room
    for part, at, out in ((sine, i, s_i), (sine, j, s_j), (cosine, i, c_i), (cosine, j, c_j)):
        np.take(part, at, axis=1, mode="clip", out=out)
    np.multiply(c_i, c_j, out=d)
    np.multiply(s_i, s_j, out=g)
    np.add(d, g, out=d)
    np.multiply(s_j, c_i, out=g)
    np.multiply(c_j, s_i, out=s_i)
    np.subtract(g, s_i, out=g)
    np.multiply(g, 1.0 / np.where(phases == 0.0, 1.0, phases)[:, None], out=g)
    np.multiply(g, inverse, out=g)
    np.subtract(d, g, out=d)
    np.multiply(d, inverse, out=d)
    np.multiply.outer(np.abs(phases), np.abs(strain), out=s_j)
    row, column = np.nonzero(s_j < SMALL)
    x = phases[row] * strain[column]
    q = x * x
    g[row, column] = polynomial(SINC_SERIES, q)
    d[row, column] = polynomial(SLOPE_SERIES, q) * x * phases[row]
    np.multiply(g, decay, out=g)
    np.multiply(d, decay, out=d)
    np.multiply(d, g, out=d)
    np.multiply(g, g, out=g)
    if curves.power == 4:
        np.multiply(d, g, out=d)
        np.multiply(g, g, out=g)
    return g, d


def _add(moments: Moments, models: tuple[Array, Array], y: Array, w: Array, differences: Array, room: Array) -> None:
    """Add the sums of some pairs with the models f and h; `room` is for four arrays like f."""
    (f, h), e, g = models, differences[:3], differences[3:]
    ones = np.ones((1, e.shape[1]))
    with_e = np.concatenate([ones, e]).T
    with_ee = np.concatenate([ones, e, e[_EE[0]] * e[_EE[1]]]).T
    with_eg = np.concatenate([g, (e[:, None] * g).reshape(9, -1)]).T
    with_gg = (g[_EE[0]] * g[_EE[1]]).T
    wf, wh, wy, product = room
    np.multiply(w, f, out=wf)
    np.multiply(w, h, out=wh)
    np.multiply(w, y, out=wy)
    ff = np.multiply(wf, f, out=product) @ with_ee
    fh = np.multiply(wf, h, out=product) @ with_eg
    hh = np.multiply(wh, h, out=product) @ with_gg
    moments.plain[:, 0] += ff[:, 0]
    moments.linear[:, 0, :3] += ff[:, 1:4]
    moments.square[:, 0, _EE[0], _EE[1]] += ff[:, 4:]
    moments.linear[:, 1, 3:] += fh[:, :3]
    moments.square[:, 1, :3, 3:] += fh[:, 3:].reshape(-1, 3, 3)
    moments.square[:, 2, 3 + _EE[0], 3 + _EE[1]] += hh
    _add_linear(moments, 3, wf @ with_e, wh @ g.T)
    np.multiply(wy, h, out=product)
    np.multiply(wy, f, out=f)
    _add_linear(moments, 5, f @ with_e, product @ g.T)
    moments.constants[:, 0] += np.add.reduce(w, axis=1)
    moments.constants[:, 1] += np.add.reduce(wy, axis=1)
    moments.constants[:, 2] += np.einsum("kn,kn->k", wy, y)


def _add_linear(moments: Moments, product: int, of_f: Array, of_h: Array) -> None:
    moments.plain[:, product] += of_f[:, 0]
    moments.linear[:, product, :3] += of_f[:, 1:]
    moments.linear[:, product + 1, 3:] += of_h
