r"""The fused pass over all pairs: one Gram matrix per angle, from which everything else follows.

With the model :math:`c_2 = o_k + c_k f` of angle k, the sum of squares, its gradient, the Gauss-Newton matrix and the
covariance are all made of the sums, over the pairs of the angle, of the products of two columns of

.. math:: V = [1, \; f, \; f \Delta E_1, f \Delta E_2, f \Delta E_3, \; h \Delta G_1, h \Delta G_2, h \Delta G_3, \; y]

(without flow, of :math:`[1, f, f \Delta E_1, f \Delta E_2, f \Delta E_3, y]`; see `wilks.xpcs.curves` for f, h and the
curves). They are 9 x 9 numbers per angle, whatever the number of pairs: memory does not grow with the data, batches of
angles can follow one another, and any way of tying contrasts and offsets together is a matter of what is done with
these matrices afterwards.

The pairs are gone through in blocks of rows. Threads share the blocks of the compiled kernel, many in each call, so
that the interpreter is hardly needed; neither the blocks nor the order in which they are added up depend on the number
of threads, so the result is the same, to the last bit, for any number of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.evaluation.executors import n_usable_cores
from wilks.xpcs.kernel_blocks import (
    N_COST,
    N_MOMENTS,
    N_SHARES,
    Lines,
    Moments,
    assembled,
    block_edges,
    lines_of,
    scales,
)
from wilks.xpcs.kernel_choice import NUMPY, Kernel, choose_kernel
from wilks.xpcs.kernel_coarse import coarse_gram, coarse_scan
from wilks.xpcs.kernel_static import static_gram, static_models
from wilks.xpcs.packing import row_start

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from wilks.core.loss import Loss
    from wilks.xpcs.curves import Curves
    from wilks.xpcs.pairs import Pairs

    Array = NDArray[np.float64]
    Data = NDArray[np.floating]

__all__ = ["NUMPY", "Kernel", "RobustSums", "choose_kernel", "coarse_gram", "coarse_scan", "gram", "robust_gram"]

# Below this number of pairs of all angles, a second thread costs more than it saves.
_MIN_FOR_THREADS = 100_000

# Values of all angles in one call of a kernel: some 50 ms, in which compiled code does not see Ctrl-C.
_PIECE = 10_000_000


@dataclass(frozen=True)
class RobustSums:
    r"""Sums of a pass with a loss :math:`\rho`.

    Attributes
    ----------
    value
        :math:`s^2 \sum \rho(r^2 / s^2)` with the scale s of the loss, shape (n_angles,).
    gram
        Gram matrices with the weights :math:`w \rho'`, shape (n_angles, K, K).
    meat
        Gram matrices with the weights :math:`w \, (\rho' r)^2`: divided by sigma^2, the sum of the outer products of
        the pairs' gradients.
    """

    value: Array
    gram: Array
    meat: Array


class _Pass(NamedTuple):
    """A pass, block by block; without flow there are no lines."""

    pairs: Pairs
    curves: Curves
    lines: Lines | None
    kernel: ModuleType
    edges: NDArray[np.intp]

    @property
    def blocks(self) -> range:
        """All blocks."""
        return range(len(self.edges) - 1)

    def rows(self, blocks: range) -> range:
        """Rows of consecutive blocks."""
        return range(int(self.edges[blocks.start]), int(self.edges[blocks.stop]))

    def data(self, b: int) -> tuple[Data, Data | None]:
        """Folded correlations and weights of a block."""
        rows = self.rows(range(b, b + 1))
        packed = slice(row_start(self.pairs.n_t, rows.start), row_start(self.pairs.n_t, rows.stop))
        weights = self.pairs.weights
        return self.pairs.y[:, packed], None if weights is None else weights[:, packed]

    def models(self, b: int) -> Array:
        """Model f of every angle at the pairs of a block; without flow, the same for all."""
        rows = self.rows(range(b, b + 1))
        if self.lines is None:
            f = static_models(self.curves, rows)
            return np.broadcast_to(f, (len(self.pairs.y), len(f)))
        return np.asarray(self.kernel.models(self.lines, rows))

    def gram(
        self, blocks: range, y: Data, weights: Data | None, *, derivatives: bool = True, n_threads: int = 1
    ) -> Array:
        """Gram matrices of consecutive blocks, with their data."""
        if self.lines is None:
            return static_gram(self.curves, self.rows(blocks), y, weights, derivatives=derivatives)
        sums = self.kernel.full_sums if derivatives else self.kernel.cost_sums
        edges = self.edges[blocks.start : blocks.stop + 1]
        n_blocks = len(blocks)
        out = np.zeros((min(N_SHARES, n_blocks), len(y), N_MOMENTS if derivatives else N_COST))

        def call(which: NDArray[np.intp]) -> None:
            sums(self.lines, edges, which, y, weights, out)

        starts = [row_start(self.pairs.n_t, i) for i in edges.tolist()]
        _share_out(call, np.diff(starts) * len(y), min(n_threads, len(out)))
        total = out.sum(axis=0)
        if not derivatives:
            return np.asarray(total[:, [[0, 1, 4], [1, 2, 3], [4, 3, 5]]])
        return assembled(Moments.views(total), scales(self.lines.phases, self.curves.power))


def _share_out(call: Callable[[NDArray[np.intp]], None], sizes: NDArray[np.intp], n_threads: int) -> None:
    """Call a function for the numbers of all blocks, in threads, and in pieces after which an interruption is seen."""
    ended = Event()

    def run(which: NDArray[np.intp]) -> None:
        piece = (np.cumsum(sizes[which]) - 1) // _PIECE
        for each in np.split(which, np.flatnonzero(np.diff(piece)) + 1):
            if ended.is_set():
                return
            call(each)

    # No two threads add to one share, and each has large blocks, which come first, and small ones.
    turn = np.arange(len(sizes)) % N_SHARES % (2 * n_threads)
    thread = np.minimum(turn, 2 * n_threads - 1 - turn)
    first, *others = (np.flatnonzero(thread == k) for k in range(n_threads))
    with ThreadPoolExecutor(len(others)) if others else nullcontext() as pool:
        made = [pool.submit(run, which) for which in others] if pool else []
        try:
            run(first)
            for each in made:
                each.result()
        finally:
            ended.set()


def gram(
    pairs: Pairs,
    curves: Curves,
    angles: NDArray[np.intp],
    *,
    derivatives: bool = True,
    kernel: Kernel = NUMPY,
    n_threads: int | None = None,
) -> Array:
    """Gram matrix of the columns V of every angle, each pair weighted with ``pairs.weights``.

    Parameters
    ----------
    pairs
        Folded correlations of some angles.
    curves
        The model.
    angles
        For each angle in `pairs`, its index into ``curves.phases``.
    derivatives
        With all columns; otherwise those of ``[1, f, y]`` only, which is two to four times as quick.
    kernel
        From `choose_kernel`. Without flow, where the model is the same for all angles, matrix products of NumPy are
        the quickest and are always used.
    n_threads
        Number of threads of the compiled kernel; None for one per core.

    Returns
    -------
    ndarray
        Symmetric matrices, shape (n_angles, K, K), K = 9 with flow and 6 without, or 3. Not divided by sigma. Not
        finite where a curve is not.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks.xpcs.curves import Curves
    >>> from wilks.xpcs.pairs import Pairs
    >>> t = np.arange(3.0)
    >>> curves = Curves(t, np.array([t, t, t]), 0 * t, np.empty((0, 3)), np.zeros(1), np.zeros(1), power=2)
    >>> one = np.ones(1)
    >>> pairs = Pairs(3, np.array([[0.5, 0.2, 0.4]]), None, one, one, np.array([3]))
    >>> gram(pairs, curves, np.array([0]), derivatives=False).round(3)
    array([[[3.   , 0.871, 1.1  ],
            [0.871, 0.289, 0.358],
            [1.1  , 0.358, 0.45 ]]])
    """
    work = _pass_of(pairs, curves, angles, kernel)
    n_threads = (n_threads or n_usable_cores()) if pairs.y.size >= _MIN_FOR_THREADS and work.kernel.THREADS else 1
    with np.errstate(all="ignore"):
        return work.gram(work.blocks, pairs.y, pairs.weights, derivatives=derivatives, n_threads=n_threads)


def robust_gram(
    pairs: Pairs,
    curves: Curves,
    angles: NDArray[np.intp],
    contrast: Array,
    offset: Array,
    loss: Loss,
    *,
    kernel: Kernel = NUMPY,
) -> RobustSums:
    r"""Sums of a loss of the residuals, and of products of columns weighted with it.

    The residual of a pair of weight w is :math:`r = (y + \mathrm{centre} - o - c f) \sqrt w / \sigma`.

    Parameters
    ----------
    pairs, curves, angles, kernel
        As for `gram`.
    contrast, offset
        c and o of the angles in `pairs`, shape (n_angles,).
    loss
        The loss.
    """
    work = _pass_of(pairs, curves, angles, kernel)
    shift = offset - pairs.centres
    n_angles, n_columns = len(pairs.y), 9 if curves.has_flow else 6
    value, sums = np.zeros(n_angles), np.zeros((2, n_angles, n_columns, n_columns))
    with np.errstate(all="ignore"):
        for b in work.blocks:
            y, weights = work.data(b)
            f = work.models(b)
            bread, meat = np.empty(y.shape), np.empty(y.shape)
            for k in range(n_angles):
                residual = (y[k] - shift[k] - contrast[k] * f[k]) / pairs.sigma[k]
                w: Array | float = 1.0
                if weights is not None:
                    w = weights[k].astype(np.float64)
                    residual *= np.sqrt(w)
                rho, slope, _ = loss.at(residual)
                value[k] += loss.scale**2 * rho.sum()
                np.multiply(w, slope, out=bread[k])
                np.multiply(w, (slope * residual) ** 2, out=meat[k])
            for i, each in enumerate((bread, meat)):
                sums[i] += work.gram(range(b, b + 1), y, each)
    return RobustSums(value, *sums)


def _pass_of(pairs: Pairs, curves: Curves, angles: NDArray[np.intp], kernel: Kernel) -> _Pass:
    with np.errstate(all="ignore"):  # curves that overflow make sums that are not finite, for the caller to see
        lines = lines_of(curves, angles) if curves.has_flow else None
        module = import_module(f"wilks.xpcs.kernel_{kernel.name if curves.has_flow else 'numpy'}")
        return _Pass(pairs, curves, lines, module, block_edges(curves.decay, module.HEIGHT))
