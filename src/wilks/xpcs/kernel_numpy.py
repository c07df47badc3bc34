"""The fused pass with NumPy: see `wilks.xpcs.kernel_blocks` for what is computed.

A tile of one block, one chunk of columns and one angle stays in the second-level cache, and every step writes into
buffers that are there already: a temporary array would cost more than the arithmetic. Matrix products are kept so small
that no BLAS starts threads for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.kernel_blocks import (
    N_CURVES,
    N_PRODUCTS,
    N_SHARES,
    PIECE,
    SINC_SERIES,
    SLOPE_SERIES,
    SMALL,
    Moments,
    add_moments,
    block_of,
    polynomial,
)
from wilks.xpcs.packing import row_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.xpcs.kernel_blocks import Block, Lines

    Array = NDArray[np.float64]
    Data = NDArray[np.floating]

# Short steps of NumPy hand the interpreter's lock to and fro: two threads take longer than one, for data of any size.
THREADS = False

# Rows of a block, and columns of a chunk at most: a tile takes 64 kB.
HEIGHT = 32
_WIDTH = 256


def full_sums(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Data, weights: Data | None, out: Array
) -> None:
    """Add the `Moments` of some blocks to their shares.

    Parameters
    ----------
    lines
        The curves.
    edges
        First rows of all blocks, and the row after the last one.
    which
        Indices of the blocks that are asked for.
    y, weights
        Pairs of all rows from ``edges[0]`` on, shape (n_angles, n).
    out
        Shape (n, n_angles, N_MOMENTS), n = N_SHARES or the number of blocks, whichever is less: the block b is added
        to ``out[b % N_SHARES]``.
    """
    for b, block, pairs in _blocks(lines, edges, which):
        _add_full(block, y[:, pairs], None if weights is None else weights[:, pairs], Moments.views(out[b % N_SHARES]))


def cost_sums(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Data, weights: Data | None, out: Array
) -> None:
    """Add the sums of w, w f, w f^2, w f y, w y and w y^2, as `full_sums` does: shape (n, n_angles, N_COST)."""
    for b, block, pairs in _blocks(lines, edges, which):
        out[b % N_SHARES] += _cost(block, y[:, pairs], None if weights is None else weights[:, pairs])


def models(lines: Lines, rows: range) -> Array:
    """Model f of every angle at the pairs of some rows that are a block, shape (n_angles, n)."""
    block = _block(lines, rows.start, rows.stop)
    return np.array([_models(block, k) for k in range(len(lines.phases))])


def _blocks(lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp]) -> Iterator[tuple[int, Block, slice]]:
    """Blocks, and where their pairs are."""
    n_t = len(lines.decay)
    begin = row_start(n_t, int(edges[0]))
    for b in which.tolist():
        first, stop = int(edges[b]), int(edges[b + 1])
        yield b, _block(lines, first, stop), slice(row_start(n_t, first) - begin, row_start(n_t, stop) - begin)


def _block(lines: Lines, first: int, stop: int) -> Block:
    return block_of(lines, first, stop, _chunk_width(len(lines.decay) - first - 1))


def _chunk_width(n_columns: int) -> int:
    """Width of the chunks that share the columns of a block evenly, in whole pieces."""
    n_chunks = -(-n_columns // _WIDTH)
    return -(-n_columns // (n_chunks * PIECE)) * PIECE


def _add_full(block: Block, y: Data, weights: Data | None, moments: Moments) -> None:
    n_angles, (n_chunks, n_rows, width) = len(y), block.inverse.shape
    by_column = np.zeros((n_angles, n_chunks, N_PRODUCTS, width))
    by_row = np.zeros((n_angles, n_rows, N_PRODUCTS, N_CURVES + 1))
    products = np.empty((N_PRODUCTS, n_rows, width))
    g, d = waves = np.empty((2, n_rows, width))
    weighted = np.empty((2, n_rows, width))
    data, w = np.zeros((2, n_angles, n_rows, width))
    curves = np.ones((width, N_CURVES + 1))
    ones = np.ones(n_rows)
    for chunk in range(n_chunks):
        inverse = block.inverse[chunk]
        decay, edges = _near(block, chunk)
        curves[:, 1:] = block.curves[chunk].T
        _unpack(block, chunk, y, data)
        if weights is not None:
            _unpack(block, chunk, weights, w)
        for k in range(n_angles):
            np.matmul(block.row_waves[k].reshape(n_rows, 2, 2).swapaxes(0, 1), block.waves[k, chunk], out=waves)
            np.multiply(g, inverse, out=g)
            np.subtract(d, g, out=d)
            np.multiply(d, inverse, out=d)
            if edges[k]:
                _series(block, chunk, k, edges[k], decay, g, d)
            f, h = fh = products[3:5]
            np.multiply(g, d, out=h)
            np.multiply(g, g, out=f)
            if block.power == 4:
                np.multiply(h, f, out=h)
                np.multiply(f, f, out=f)
            if weights is not None:
                weighted[:] = fh
                np.multiply(weighted, w[k], out=fh)
                np.multiply(fh, weighted[0], out=products[:2])
                np.multiply(h, weighted[1], out=products[2])
            else:
                np.multiply(fh, f, out=products[:2])
                np.multiply(h, h, out=products[2])
            np.multiply(fh, data[k], out=products[5:])
            np.matmul(ones, products, out=by_column[k, chunk])
            by_row[k] += (products @ curves).swapaxes(0, 1)
        _add_constants(block, chunk, data, None if weights is None else w, moments.constants)
    add_moments(block, by_column, by_row, moments)


def _cost(block: Block, y: Data, weights: Data | None) -> Array:
    n_angles, (n_chunks, n_rows, width) = len(y), block.inverse.shape
    sums, constants = np.zeros((n_angles, 3)), np.zeros((n_angles, 3))
    f, g = np.empty((2, n_rows, width))
    data, w = np.zeros((2, n_angles, n_rows, width))
    for chunk in range(n_chunks):
        near = _near(block, chunk)
        _unpack(block, chunk, y, data)
        if weights is not None:
            _unpack(block, chunk, weights, w)
        for k in range(n_angles):
            _model(block, chunk, k, near, f)
            wf = f if weights is None else np.multiply(f, w[k], out=g)
            sums[k] += np.add.reduce(wf, axis=None), np.vdot(wf, f), np.vdot(wf, data[k])
        _add_constants(block, chunk, data, None if weights is None else w, constants)
    return np.concatenate([constants[:, :1], sums, constants[:, 1:]], axis=1)


def _models(block: Block, k: int) -> Array:
    """Model f of one angle at the pairs of a block, in the order of the pairs."""
    f = np.empty(row_start(block.n_t, block.first + block.n_rows) - row_start(block.n_t, block.first))
    tile = np.empty(block.inverse.shape[1:])
    for chunk in range(len(block.inverse)):
        _model(block, chunk, k, _near(block, chunk), tile)
        for row, pairs, columns in _rows(block, chunk):
            f[pairs] = tile[row, columns]
    return f


def _model(block: Block, chunk: int, k: int, near: tuple[Array, list[int]], f: Array) -> None:
    decay, edges = near
    np.matmul(block.row_waves[k, :, :2], block.waves[k, chunk], out=f)
    np.multiply(f, block.inverse[chunk], out=f)
    if edges[k]:
        _series(block, chunk, k, edges[k], decay, f, None)
    np.multiply(f, f, out=f)
    if block.power == 4:
        np.multiply(f, f, out=f)


def _near(block: Block, chunk: int) -> tuple[Array, list[int]]:
    """Decay of every pair, 0 where there is none, and for every angle the column after the last small x."""
    decay = block.row_decay[:, None] * block.decay[chunk]
    if chunk == 0:
        decay[np.arange(decay.shape[1]) < np.arange(block.n_rows)[:, None]] = 0.0
    small = np.abs(block.phases)[:, None] * block.nearest[:, chunk].min(axis=0) < SMALL
    edges = np.where(small.any(axis=1), small.shape[1] - small[:, ::-1].argmax(axis=1), 0) * PIECE
    return decay, edges.tolist()


def _series(block: Block, chunk: int, k: int, edge: int, decay: Array, g: Array, d: Array | None) -> None:
    """Replace g and d by their power series where x is small."""
    x = block.phases[k] * (block.strain[chunk, :edge] - block.row_strain[:, None])
    small = np.abs(x) < SMALL
    square = x * x
    np.copyto(g[:, :edge], decay[:, :edge] * polynomial(SINC_SERIES, square), where=small)
    if d is not None:
        slope = polynomial(SLOPE_SERIES, square)
        np.multiply(slope, x, out=slope)
        np.multiply(slope, decay[:, :edge] * block.phases[k], out=slope)
        np.copyto(d[:, :edge], slope, where=small)


def _rows(block: Block, chunk: int) -> Iterator[tuple[int, slice, slice]]:
    """Return rows, where their pairs are among those of the block, and where in the tile."""
    width = block.inverse.shape[2]
    begin = block.first + 1 + chunk * width
    end = min(begin + width, block.n_t)
    for row in range(block.n_rows):
        i = block.first + row
        low = max(begin, i + 1)
        if low >= end:
            return
        start = row_start(block.n_t, i) - row_start(block.n_t, block.first) - i - 1
        yield row, slice(start + low, start + end), slice(low - begin, end - begin)


def _unpack(block: Block, chunk: int, packed: Data, tile: Array) -> None:
    tile[:] = 0.0
    for row, pairs, columns in _rows(block, chunk):
        tile[:, row, columns] = packed[:, pairs]


def _add_constants(block: Block, chunk: int, data: Array, w: Array | None, constants: Array) -> None:
    """Add the sums of w, w y and w y^2, which do not depend on the model."""
    if w is None:
        constants[:, 0] += sum(pairs.stop - pairs.start for _, pairs, _ in _rows(block, chunk))
        weighted = data
    else:
        constants[:, 0] += w.sum(axis=(1, 2))
        weighted = w * data
    constants[:, 1] += weighted.sum(axis=(1, 2))
    constants[:, 2] += np.einsum("kij,kij->k", weighted, data)
