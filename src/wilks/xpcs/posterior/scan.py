r"""Sums over all pairs for many parameter sets at a time, without derivatives: what a sampler asks for.

Without flow, :math:`f = e^{-(E_j - E_i)}` is a product of two factors. With a reference r at the end of a block of rows
i, for all columns j beyond the block,

.. math:: \sum_{ij} w y f = \sum_i e^{-(E_r - E_i)} \sum_j (w y)_{ij} e^{-(E_j - E_r)}                             (1)

which for many parameter sets is a product of matrices: two operations per pair and set, no exponential, and the data
are read once for all sets. Neither factor overflows where E rises, and what underflows is zero. The pairs within a
block, few of all, are computed one by one.

With flow no such factors exist. Up to some ten thousand pairs are summed up as the coarse subset of a search is
(`wilks.xpcs.kernel_coarse`), more by the passes of a fit, for one set after the other but batch by batch of the angles,
so that data which do not fit into memory are read once for all sets.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.executors import n_usable_cores
from wilks.xpcs.gram import coarse_gram, coarse_scan, gram
from wilks.xpcs.packing import pair_count, row_start
from wilks.xpcs.pairs import CoarsePairs
from wilks.xpcs.preparation import Source
from wilks.xpcs.sums import CoarseSums, PairSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves
    from wilks.xpcs.pairs import Pairs

    Array = NDArray[np.float64]

_HEIGHT, _WIDTH, _SETS = 32, 96, 64
"""Rows, columns and parameter sets in one product of matrices."""
_SMALL = 200_000
"""Multiplications in a product for which BLAS starts no threads: ours share the work without waiting for each other."""
_FEW = 60_000
"""Values of all angles up to which a pass goes pair by pair with tables of indices."""
_MIN_FOR_THREADS = 2_000_000
"""Values of all angles below which a second thread waits for the interpreter longer than it computes."""


@dataclass
class Scanner:
    """Sums of products of [1, f, y] over the data of a fit.

    Attributes
    ----------
    sums
        The data.
    n_t
        Number of times.
    """

    sums: PairSums | CoarseSums
    n_t: int
    _few: CoarsePairs | None = field(default=None, init=False, repr=False)

    def __call__(self, many: Sequence[Curves]) -> Array:
        """Sums for every set of parameters, shape (n, n_angles, 3, 3); not finite where a curve is not."""
        sums = self.sums
        if isinstance(sums, CoarseSums):
            return coarse_scan(sums.coarse, many)
        n_angles = len(sums.centres)
        found = np.empty((len(many), n_angles, 3, 3))
        if self._is_small and many[0].has_flow:
            return coarse_scan(self._table(sums), many)
        for angles, pairs in sums.batches():
            if not many[0].has_flow:
                found[:, angles] = static_scan(pairs, np.array([each.decay for each in many]), sums.n_threads)
                continue
            for row, curves in zip(found, many, strict=True):
                row[angles] = gram(
                    pairs, curves, angles, derivatives=False, kernel=sums.kernel, n_threads=sums.n_threads
                )
        return found

    def with_derivatives(self, curves: Curves) -> Array:
        """Sums of products of all columns for one set, shape (n_angles, K, K), as of `wilks.xpcs.gram.gram`."""
        sums = self.sums
        if isinstance(sums, PairSums) and self._is_small:
            return coarse_gram(self._table(sums), curves)
        return sums.grams(curves, derivatives=True)

    @property
    def _is_small(self) -> bool:
        in_memory = not isinstance(self.sums, PairSums) or _in_memory(self.sums)
        return in_memory and len(self.sums.centres) * pair_count(self.n_t) <= _FEW

    def _table(self, sums: PairSums) -> CoarsePairs:
        if self._few is None:
            ((_, pairs),) = sums.batches()
            self._few = _indexed(pairs)
        return self._few

    def likes_batches(self, has_flow: bool) -> bool:  # noqa: FBT001 - a question, not a switch
        """Is one pass for many sets quicker than one for each? If not, a run of single sets can be ended sooner."""
        sums = self.sums
        if isinstance(sums, CoarseSums) or not has_flow:
            return True
        return self._is_small or not _in_memory(sums)

    def __getstate__(self) -> dict[str, object]:
        """Without the table, which is made again."""
        return {"sums": self.sums, "n_t": self.n_t, "_few": None}


def _in_memory(sums: PairSums) -> bool:
    """Are all pairs in memory, as one batch?"""
    return isinstance(sums.batches, Source) and sums.batches.pairs is not None


def _indexed(pairs: Pairs) -> CoarsePairs:
    first, second = np.triu_indices(pairs.n_t, 1)
    y = pairs.y.astype(np.float64)
    weights = np.ones_like(y) if pairs.weights is None else pairs.weights.astype(np.float64)
    return CoarsePairs(first, second, y, weights, pairs.centres, pairs.sigma)


def static_scan(pairs: Pairs, decays: Array, n_threads: int | None = None) -> Array:
    """Sums of products of [1, f, y] without flow, for many decays E.

    Parameters
    ----------
    pairs
        The data.
    decays
        E, shape (n, n_t).
    n_threads
        Number of threads; None for one per core.

    Returns
    -------
    ndarray
        Shape (n, n_angles, 3, 3).

    Examples
    --------
    >>> one = np.ones(1)
    >>> from wilks.xpcs.pairs import Pairs
    >>> pairs = Pairs(3, np.array([[0.5, 0.2, 0.4]]), None, one, one, np.array([3]))
    >>> static_scan(pairs, np.arange(3.0)[None])[0].round(3)
    array([[[3.   , 0.871, 1.1  ],
            [0.871, 0.289, 0.358],
            [1.1  , 0.358, 0.45 ]]])
    """
    blocks = [range(i, min(i + _HEIGHT, pairs.n_t - 1)) for i in range(0, pairs.n_t - 1, _HEIGHT)]
    threads = 1 if pairs.y.size < _MIN_FOR_THREADS else min(n_threads or n_usable_cores(), len(blocks))

    def one(rows: range) -> Array:
        with np.errstate(all="ignore"):
            return _block_sums(pairs, decays, rows)

    if threads == 1:
        parts = [one(rows) for rows in blocks]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(one, blocks))
    s_w, s_f, s_ff, s_fy, s_y, s_yy = np.moveaxis(np.asarray(sum(parts)), -1, 0)
    return np.stack([s_w, s_f, s_y, s_f, s_ff, s_fy, s_y, s_fy, s_yy], axis=-1).reshape(*s_w.shape, 3, 3)


def _block_sums(pairs: Pairs, decays: Array, rows: range) -> Array:
    """Sums of w, w f, w f^2, w f y, w y and w y^2 over the pairs of some rows, shape (n, n_angles, 6)."""
    n_angles, n_t = len(pairs.y), pairs.n_t
    here = slice(row_start(n_t, rows.start), row_start(n_t, rows.stop))
    y = pairs.y[:, here].astype(np.float64)
    w = None if pairs.weights is None else pairs.weights[:, here].astype(np.float64)
    wy = y if w is None else w * y
    out = np.zeros((len(decays), n_angles, 6))
    out[..., 0] = y.shape[1] if w is None else w.sum(axis=1)
    out[..., 4] = wy.sum(axis=1)
    out[..., 5] = np.einsum("kp,kp->k", wy, y)
    starts = row_start(n_t, rows.start)
    begins = [row_start(n_t, i) - starts for i in rows]
    cut = rows.stop  # columns from here on are beyond the block
    inner = np.concatenate([np.arange(b, b + cut - i - 1) for b, i in zip(begins, rows, strict=True)])
    i_in = np.repeat(np.arange(rows.start, rows.stop), [cut - i - 1 for i in rows])
    j_in = np.concatenate([np.arange(i + 1, cut) for i in rows])
    n_out = n_t - cut
    tiles = [
        _tiles(values, [slice(b + cut - i - 1, b + n_t - i - 1) for b, i in zip(begins, rows, strict=True)])
        for values in (wy, w)
        if values is not None and n_out
    ]
    for first in range(0, len(decays), _SETS):
        part = slice(first, first + _SETS)
        e, sums = decays[part], out[part]
        if len(inner):
            f = np.exp(e[:, i_in] - e[:, j_in])
            _add_inner(sums, f, wy[:, inner], None if w is None else w[:, inner])
        if n_out:
            reference = e[:, cut - 1, None]
            u, v = np.exp(e[:, rows.start : cut] - reference), np.exp(reference - e[:, cut:])
            _add_outer(sums, u, v, tiles)
    return out


def _tiles(values: Array, rows: Sequence[slice]) -> Array:
    """Rows of equal length as tiles of equal width, shape (n_angles, n_tiles, rows, width)."""
    n = rows[0].stop - rows[0].start
    n_tiles = -(-n // _WIDTH)
    padded = np.zeros((len(values), len(rows), n_tiles * _WIDTH))
    for row, where in enumerate(rows):
        padded[:, row, :n] = values[:, where]
    return np.ascontiguousarray(padded.reshape(len(values), len(rows), n_tiles, _WIDTH).swapaxes(1, 2))


def _add_inner(sums: Array, f: Array, wy: Array, w: Array | None) -> None:
    step = max(1, _SMALL // f.size)
    for first in range(0, len(wy), step):
        here = slice(first, first + step)
        sums[:, here, 3] += f @ wy[here].T
        if w is not None:
            sums[:, here, 1] += f @ w[here].T
            sums[:, here, 2] += f**2 @ w[here].T
    if w is None:
        sums[..., 1] += f.sum(axis=1, keepdims=True)
        sums[..., 2] += np.einsum("np,np->n", f, f)[:, None]


def _add_outer(sums: Array, u: Array, v: Array, tiles: Sequence[Array]) -> None:
    n_tiles = tiles[0].shape[1]
    right = np.zeros((len(v), n_tiles * _WIDTH))
    right[:, : v.shape[1]] = v
    right = right.reshape(len(v), n_tiles, _WIDTH).swapaxes(0, 1)

    def bilinear(left: Array, tiled: Array, beyond: Array) -> Array:
        return np.stack([np.einsum("tnj,tnj->n", left @ of_angle, beyond) for of_angle in tiled], axis=1)

    sums[..., 3] += bilinear(u, tiles[0], right)
    if len(tiles) == 1:
        sums[..., 1] += (u.sum(axis=1) * v.sum(axis=1))[:, None]
        sums[..., 2] += (np.einsum("ni,ni->n", u, u) * np.einsum("nj,nj->n", v, v))[:, None]
    else:
        sums[..., 1] += bilinear(u, tiles[1], right)
        sums[..., 2] += bilinear(u**2, tiles[1], right**2)
