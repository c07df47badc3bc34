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
    PIECE,
    SINC_SERIES,
    SLOPE_SERIES,
    SMALL,
    polynomial,
    strain_tables,
)
from wilks.xpcs.packing import row_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.xpcs.kernel_blocks import Block, BlockSums

    Array = NDArray[np.float64]
    Data = NDArray[np.floating]

__all__ = ["HEIGHT", "chunk_width", "cost_sums", "full_sums", "models", "strain_tables"]

# Rows of a block, and columns of a chunk at most: a tile takes 64 kB.
HEIGHT = 32
_WIDTH = 256


def chunk_width(n_columns: int) -> int:
    """Width of the chunks that share the columns of a block evenly, in whole pieces."""
    n_chunks = -(-n_columns // _WIDTH)
    return -(-n_columns // (n_chunks * PIECE)) * PIECE


def full_sums(block: Block, y: Data, weights: Data | None, sums: BlockSums) -> None:
    """Add the sums of a block over all products of columns to `sums`."""
    n_angles, (n_chunks, n_rows, width) = len(y), block.inverse.shape
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
            np.matmul(ones, products, out=sums.by_column[k, chunk])
            sums.by_row[k] += (products @ curves).swapaxes(0, 1)
        _add_constants(block, chunk, data, None if weights is None else w, sums.constants)


def cost_sums(block: Block, y: Data, weights: Data | None) -> Array:
    """Sums of w, w f, w f^2, w f y, w y and w y^2 over a block, shape (n_angles, 6)."""
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


def models(block: Block, k: int) -> Array:
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
