r"""Scores of pairs of frames, summed over blocks of frames: the first derivatives of which sandwich errors are made.

The score of a pair p of angle k is the derivative of its term of the log-likelihood,

.. math:: g_p = w_p \, r_p \, T_k^T U_p, \quad U_p = [1, f, \partial f / \partial \theta_1, \dots],
          \quad r_p = y_p - o_k - b_k f_p                                                                       (1)

with the weight w over :math:`\sigma^2` and the matrix :math:`T_k` that makes derivatives by the physical parameters
and by the coefficients of contrast and offset of the columns U. The time axis is cut into blocks of B frames. The
pairs of block I with block J leave one small matrix,

.. math:: M_{IJ} = \sum_{p \in IJ} w_p \, [U_p, r_p] [U_p, r_p]^T                                               (2)

in whose last column is their score :math:`\gamma_{IJ}`, and whose remainder is their information. All pairs that a
block takes part in have the score :math:`\sigma_I = \sum_J \gamma_{IJ}` and the information :math:`L_I`.

One pass over the data makes these sums, some rows at a time; what is kept grows with the number of blocks, not of
pairs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.evaluation.executors import n_usable_cores
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.model import curves as curves_of
from wilks.xpcs.packing import row_slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wilks.xpcs.curves import Curves
    from wilks.xpcs.pairs import Pairs
    from wilks.xpcs.problems import XpcsProblem
    from wilks.xpcs.sums import PairSums

    Array = NDArray[np.float64]

_SMALL = 1e-4


@dataclass(frozen=True)
class AngleScores:
    """Scores of one angle; q is the number of columns U.

    Attributes
    ----------
    scores
        Of all pairs that a block takes part in, shape (n_blocks, q).
    information
        Of the same pairs, shape (n_blocks, q, q).
    crossed
        Sum of the outer products of the scores of the pairs of two different blocks, shape (q, q).
    total
        Information of all pairs, shape (q, q).
    """

    scores: Array
    information: Array
    crossed: Array
    total: Array

    def times(self, factor: float) -> AngleScores:
        """With a log-likelihood that is larger by a factor."""
        return AngleScores(
            factor * self.scores, factor * self.information, factor**2 * self.crossed, factor * self.total
        )


def angle_scores(problem: XpcsProblem, values: Mapping[str, float], block: int) -> list[AngleScores]:
    """Return the scores of every angle, weights and noise as the problem has them.

    Parameters
    ----------
    problem
        The data, with sums over all pairs.
    values
        Physical parameters; contrast and offset are at their best for them.
    block
        Number of frames of a block.

    Returns
    -------
    list
        One for each angle. The columns U have the derivatives by the free physical parameters, in their order.
    """
    sums: PairSums = problem.sums  # type: ignore[assignment]  # of all pairs: the caller has no subset
    plain = {name: float(values[name]) for name in PHYSICAL_NAMES[problem.mode]}
    found = problem.projection(plain)
    assert found is not None  # noqa: S101 - the posterior has been there
    made = curves_of(plain, problem.geometry, problem.mode)
    names = PHYSICAL_NAMES[problem.mode]
    free = [names.index(name) for name in problem.space.free]
    flow = [plain["gamma_dot_0"], plain["gamma_dot_offset"]] if made.has_flow else [0.0, 0.0]
    scale = problem.angle_weights / sums.sigma**2
    made_of: dict[int, AngleScores] = {}
    for angles, pairs in sums.batches():

        def one(row: int, pairs: Pairs = pairs, angles: NDArray[np.intp] = angles) -> AngleScores:
            k = int(angles[row])
            columns = _Columns(made, k, free, (flow[0], flow[1]))
            shift = float(found.offset[k] - pairs.centres[row])
            return _summed(pairs, row, columns, (float(found.contrast[k]), shift), block, float(scale[k]))

        with ThreadPoolExecutor(min(len(angles), sums.n_threads or n_usable_cores())) as pool:
            made_of |= dict(zip(angles.tolist(), pool.map(one, range(len(angles))), strict=True))
    return [made_of[k] for k in sorted(made_of)]


@dataclass(frozen=True)
class _Columns:
    """Makes f and its derivatives by the free parameters, for one angle."""

    curves: Curves
    k: int
    free: list[int]
    flow: tuple[float, float]

    def __len__(self) -> int:
        return 2 + len(self.free)

    def fill(self, rows: slice, columns: slice, out: Array) -> None:
        """Write 1, f and the derivatives for pairs of rows and columns to `out`, shape (q, rows, columns)."""
        c = self.curves
        out[0] = 1.0
        out[1] = np.exp(c.decay[rows, None] - c.decay[columns])
        slope = np.empty(0)
        if c.has_flow:
            strain = c.strain[columns] - c.strain[rows, None]
            value, slope = _sinc_power(c.phases[self.k] * strain, c.power)
            slope *= out[1]
            out[1] *= value
        for position, parameter in enumerate(self.free, start=2):
            if parameter < 3:
                own = c.decay_slopes[parameter]
                np.multiply(out[1], own[rows, None] - own[columns], out=out[position])
            elif parameter < 6:
                own = c.strain_slopes[parameter - 3]
                np.multiply(slope, c.phases[self.k] * (own[columns] - own[rows, None]), out=out[position])
            else:
                np.multiply(slope, c.phase_slopes[self.k] * strain, out=out[position])


def _sinc_power(x: Array, power: int) -> tuple[Array, Array]:
    """A power of the sinc, and its derivative."""
    near = np.abs(x) < _SMALL
    safe = np.where(near, 1.0, x)
    sine = np.where(near, 1.0 - x**2 / 6.0, np.sin(safe) / safe)
    slope = np.where(near, -x / 3.0, (np.cos(safe) - sine) / safe)
    return sine**power, power * sine ** (power - 1) * slope


def _summed(
    pairs: Pairs, row: int, columns: _Columns, scaling: tuple[float, float], block: int, scale: float
) -> AngleScores:
    """Equation (2) for all blocks of one angle; contrast, and offset less the centre of the angle."""
    n_t, q = pairs.n_t, len(columns)
    n_blocks = -(-n_t // block)
    scores, information = np.zeros((n_blocks, q)), np.zeros((n_blocks, q, q))
    crossed, total = np.zeros((q, q)), np.zeros((q, q))
    for one in range(n_blocks):
        first = one * block
        last, n_others = min(first + block, n_t), n_blocks - one
        tile = np.zeros((q + 1, block, n_others * block))
        inside = tile[:, : last - first, : n_t - first]
        with np.errstate(all="ignore"):  # pairs that are none are blotted out
            columns.fill(slice(first, last), slice(first, n_t), inside[:q])
        worth = np.zeros(inside.shape[1:])
        for i in range(first, last):
            at, there = slice(i + 1 - first, n_t - first), row_slice(i, n_t)
            inside[q, i - first, at] = pairs.y[row, there]
            worth[i - first, at] = 1.0 if pairs.weights is None else np.sqrt(pairs.weights[row, there])
        inside[q] -= scaling[1] + scaling[0] * inside[1]
        np.multiply(inside, worth, out=inside, where=worth > 0)
        inside[:, worth == 0] = 0.0
        parts = tile.reshape(q + 1, block, n_others, block).transpose(2, 0, 1, 3).reshape(n_others, q + 1, -1)
        products = scale * (parts @ parts.transpose(0, 2, 1))
        own, score = products[:, :q, :q], products[:, :q, q]
        total += own.sum(axis=0)
        crossed += score[1:].T @ score[1:]
        scores[one] += score.sum(axis=0)
        scores[one + 1 :] += score[1:]
        information[one] += own.sum(axis=0)
        information[one + 1 :] += own[1:]
    return AngleScores(scores, information, crossed, total)
