r"""The fused pass over all pairs: one Gram matrix per angle, from which everything else follows.

With the model :math:`c_2 = o_k + c_k f` of angle k, the sum of squares, its gradient, the Gauss-Newton matrix and the
covariance are all made of the sums, over the pairs of the angle, of the products of two columns of

.. math:: V = [1, \; f, \; f \Delta E_1, f \Delta E_2, f \Delta E_3, \; h \Delta G_1, h \Delta G_2, h \Delta G_3, \; y]

(without flow, of :math:`[1, f, f \Delta E_1, f \Delta E_2, f \Delta E_3, y]`; see `wilks.xpcs.curves` for f, h and the
curves). They are 9 x 9 numbers per angle, whatever the number of pairs: memory does not grow with the data, batches of
angles can follow one another, and any way of tying contrasts and offsets together is a matter of what is done with
these matrices afterwards.

The pairs are gone through in blocks of rows, each of which is a task for a thread. The blocks do not depend on the
number of threads and are added up in their order, so the result is the same, to the last bit, for any number of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from wilks.evaluation.executors import n_usable_cores
from wilks.xpcs import kernel_numpy
from wilks.xpcs.kernel_blocks import Block, BlockSums, Waves, block_end, block_of, gram_of, waves_of
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

T = TypeVar("T")

__all__ = ["NUMPY", "Kernel", "RobustSums", "choose_kernel", "coarse_gram", "coarse_scan", "gram", "robust_gram"]

# Below this number of pairs of all angles, a second thread costs more than it saves.
_MIN_FOR_THREADS = 100_000


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
    """What all blocks of a pass share."""

    pairs: Pairs
    curves: Curves
    waves: Waves | None
    kernel: ModuleType

    def blocks(self) -> list[range]:
        """Rows of every block."""
        found, first, last = [], 0, self.pairs.n_t - 1
        with np.errstate(all="ignore"):
            while first < last:
                stop = block_end(self.curves, first, last, self.kernel.HEIGHT)
                found.append(range(first, stop))
                first = stop
        return found

    def tables(self, rows: range) -> Block:
        """Tables of a block, with flow."""
        assert self.waves is not None  # noqa: S101 - the caller has looked for flow
        width = self.kernel.chunk_width(self.pairs.n_t - rows.start - 1)
        return block_of(self.curves, self.waves, rows.start, rows.stop, width, self.kernel.strain_tables)

    def data(self, rows: range) -> tuple[Data, Data | None]:
        """Folded correlations and weights of the block."""
        packed = slice(row_start(self.pairs.n_t, rows.start), row_start(self.pairs.n_t, rows.stop))
        weights = self.pairs.weights
        return self.pairs.y[:, packed], None if weights is None else weights[:, packed]

    def gram(self, rows: range, block: Block | None, y: Data, weights: Data | None, *, derivatives: bool) -> Array:
        """Gram matrices of a block."""
        if block is None:
            return static_gram(self.curves, rows, y, weights, derivatives=derivatives)
        if not derivatives:
            return _of_cost(self.kernel.cost_sums(block, y, weights))
        sums = BlockSums.zeros(block)
        self.kernel.full_sums(block, y, weights, sums)
        return gram_of(block, sums)


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
        Number of threads; None for one per core.

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

    def one(rows: range) -> Array:
        block = work.tables(rows) if curves.has_flow else None
        return work.gram(rows, block, *work.data(rows), derivatives=derivatives)

    return np.asarray(sum(_map(one, work, n_threads)))


def robust_gram(
    pairs: Pairs,
    curves: Curves,
    angles: NDArray[np.intp],
    contrast: Array,
    offset: Array,
    loss: Loss,
    *,
    kernel: Kernel = NUMPY,
    n_threads: int | None = None,
) -> RobustSums:
    r"""Sums of a loss of the residuals, and of products of columns weighted with it.

    The residual of a pair of weight w is :math:`r = (y + \mathrm{centre} - o - c f) \sqrt w / \sigma`.

    Parameters
    ----------
    pairs, curves, angles, kernel, n_threads
        As for `gram`.
    contrast, offset
        c and o of the angles in `pairs`, shape (n_angles,).
    loss
        The loss.
    """
    work = _pass_of(pairs, curves, angles, kernel)
    shift = offset - pairs.centres

    def one(rows: range) -> tuple[Array, Array, Array]:
        block = work.tables(rows) if curves.has_flow else None
        y, weights = work.data(rows)
        value, bread, meat = np.zeros(len(y)), np.empty(y.shape), np.empty(y.shape)
        shared = static_models(curves, rows) if block is None else np.empty(0)
        for k in range(len(y)):
            f = shared if block is None else kernel_numpy.models(block, k)
            residual = (y[k] - shift[k] - contrast[k] * f) / pairs.sigma[k]
            w: Array | float = 1.0
            if weights is not None:
                w = weights[k].astype(np.float64)
                residual *= np.sqrt(w)
            rho, slope, _ = loss.at(residual)
            value[k] = loss.scale**2 * rho.sum()
            np.multiply(w, slope, out=bread[k])
            np.multiply(w, (slope * residual) ** 2, out=meat[k])
        full, squared = (work.gram(rows, block, y, each, derivatives=True) for each in (bread, meat))
        return value, full, squared

    values, breads, meats = zip(*_map(one, work, n_threads), strict=True)
    return RobustSums(np.asarray(sum(values)), np.asarray(sum(breads)), np.asarray(sum(meats)))


def _pass_of(pairs: Pairs, curves: Curves, angles: NDArray[np.intp], kernel: Kernel) -> _Pass:
    with np.errstate(all="ignore"):  # curves that overflow make sums that are not finite, for the caller to see
        waves = waves_of(curves, angles) if curves.has_flow else None
    name = kernel.name if curves.has_flow else "numpy"
    return _Pass(pairs, curves, waves, import_module(f"wilks.xpcs.kernel_{name}"))


def _of_cost(sums: Array) -> Array:
    """Gram matrices of [1, f, y] from the sums of w, w f, w f^2, w f y, w y and w y^2."""
    return np.asarray(sums[:, [[0, 1, 4], [1, 2, 3], [4, 3, 5]]])


def _map(one: Callable[[range], T], work: _Pass, n_threads: int | None) -> list[T]:
    """Call a function for every block of a pass, and return the results in the order of the blocks."""

    def quiet(rows: range) -> T:
        with np.errstate(all="ignore"):  # a thread has its own
            return one(rows)

    blocks = work.blocks()
    n_threads = min(n_threads or n_usable_cores(), len(blocks))
    if n_threads == 1 or work.pairs.y.size < _MIN_FOR_THREADS:
        return [quiet(rows) for rows in blocks]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(quiet, blocks))
