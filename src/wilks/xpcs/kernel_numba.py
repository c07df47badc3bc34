"""The fused pass compiled by numba: see `wilks.xpcs.kernel_blocks` for what is computed.

This module imports numba and is itself imported only when that kernel was chosen. Compiled code is kept beside it, or
in the user's cache folder; where neither can be written to, it is compiled anew in every process.

The inner loops are vector code: no branch, and arrays that are parts of few others, so that the compiler can show that
what is written is not what is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.xpcs.kernel_blocks import N_CURVES, N_PRODUCTS, N_SHARES, SINC_SERIES, SLOPE_SERIES, SMALL
from wilks.xpcs.kernel_numba_tables import HEIGHT, WIDTH, compiled, tables
from wilks.xpcs.packing import row_start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.xpcs.kernel_blocks import Block, Lines

    Array = NDArray[np.float64]
    Data = NDArray[np.floating]
    Flat = tuple[Data, int]

__all__ = ["HEIGHT", "THREADS", "cost_sums", "full_sums", "models"]

# A call is for many blocks, and does not need the interpreter.
THREADS = True

# Rows whose part of a chunk is computed before it is added up.
_GROUP = 4

_S1, _S2, _S3, _S4 = SINC_SERIES[1:]
_D0, _D1, _D2, _D3, _D4 = SLOPE_SERIES

_NO_WEIGHTS = np.empty((1, 0), dtype=np.float32)


def full_sums(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Data, weights: Data | None, out: Array
) -> None:
    """Add the moments of some blocks to their shares, as `wilks.xpcs.kernel_numpy.full_sums` does."""
    _full_blocks(lines, edges, which, _flat(y), _flat(_NO_WEIGHTS if weights is None else weights), out)


def cost_sums(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Data, weights: Data | None, out: Array
) -> None:
    """Add the sums without derivatives, as `wilks.xpcs.kernel_numpy.cost_sums` does."""
    _cost_blocks(lines, edges, which, _flat(y), _flat(_NO_WEIGHTS if weights is None else weights), out)


def models(lines: Lines, rows: range) -> Array:
    """Model f of every angle at the pairs of some rows that are a block, shape (n_angles, n)."""
    n_t = len(lines.decay)
    f = np.empty((len(lines.phases), row_start(n_t, rows.stop) - row_start(n_t, rows.start)))
    _fill_models(lines, rows.start, rows.stop, f)
    return f


def _flat(rows: Data) -> Flat:
    """Return a view of the memory from the first to the last element, and the elements from one row to the next.

    Part of a matrix and a whole one are then of one type, for which code is compiled once.
    """
    if rows.strides[1] != rows.itemsize or rows.strides[0] % rows.itemsize:
        rows = np.ascontiguousarray(rows)
    step = rows.strides[0] // rows.itemsize
    length = (len(rows) - 1) * step + rows.shape[1]
    return np.lib.stride_tricks.as_strided(rows, (length,), (rows.itemsize,)), step


@compiled
def _full_blocks(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Flat, weights: Flat, out: Array
) -> None:
    for b in which:
        block = tables(lines, edges[b], edges[b + 1], N_CURVES)
        _full(block, _part(block, edges[0], y), _part(block, edges[0], weights), out[b % N_SHARES])


@compiled
def _cost_blocks(
    lines: Lines, edges: NDArray[np.intp], which: NDArray[np.intp], y: Flat, weights: Flat, out: Array
) -> None:
    for b in which:
        block = tables(lines, edges[b], edges[b + 1], 0)
        _cost(block, _part(block, edges[0], y), _part(block, edges[0], weights), out[b % N_SHARES])


@compiled
def _part(block: Block, begin: int, pairs: Flat) -> Flat:
    """Pairs from those of a block on, of all from the row `begin` on."""
    n, first = block.n_t, block.first
    skipped = (first * (2 * n - first - 1) - begin * (2 * n - begin - 1)) // 2
    return pairs[0][skipped:], pairs[1]


@compiled
def _full(block: Block, y: Flat, weights: Flat, out: Array) -> None:
    n_chunks = len(block.inverse)
    scratch = np.ones((4, _GROUP, WIDTH))
    by_column, by_row = np.empty((n_chunks, N_PRODUCTS * WIDTH)), np.empty((block.n_rows, N_PRODUCTS, 1 + N_CURVES))
    for k in range(len(block.phases)):
        by_column[:], by_row[:] = 0.0, 0.0
        for chunk in range(n_chunks):
            curves = block.curves[chunk].reshape(-1)
            for begin in range(0, block.n_rows, _GROUP):
                end = min(begin + _GROUP, block.n_rows)
                _fill(block, k, chunk, begin, end, scratch)
                _load(block, chunk, begin, end, y[0][k * y[1] :], scratch[2])
                if weights[0].size > 0:
                    _load(block, chunk, begin, end, weights[0][k * weights[1] :], scratch[3])
                _add_constants(block, chunk, begin, end, scratch, out[k])
                # Whole vectors: the rest of a chunk is zero.
                n = min(WIDTH, (block.n_t - block.first - 1 - chunk * WIDTH + 15) & -16)
                _add_rows(n, end - begin, scratch, curves, by_column[chunk], by_row[begin:end])
        _add_moments(block, by_column, by_row, out[k])


@compiled
def _add_moments(block: Block, by_column: Array, by_row: Array, out: Array) -> None:
    """Add what a Gram matrix needs, by equation (3) of `wilks.xpcs.kernel_blocks`, in the order of its `Moments`."""
    linear, square = 3 + N_PRODUCTS, 3 + N_PRODUCTS * (1 + N_CURVES)
    for p in range(N_PRODUCTS):
        for r in range(block.n_rows):
            out[3 + p] += by_row[r, p, 0]
    for p, low, high in ((0, 0, 3), (1, 3, 6), (3, 0, 3), (4, 3, 6), (5, 0, 3), (6, 3, 6)):
        for a in range(low, high):
            out[linear + p * N_CURVES + a] += _difference(block, by_column, by_row, p, a)
    for p, rows, columns in ((0, 0, 0), (1, 0, 3), (2, 3, 3)):
        for a in range(rows, rows + 3):
            for b in range(columns, columns + 3):
                out[square + (p * N_CURVES + a) * N_CURVES + b] += _product(block, by_column, by_row, p, a, b)


@compiled
def _difference(block: Block, by_column: Array, by_row: Array, p: int, a: int) -> float:
    """Sum of a product times the difference of a curve."""
    total = 0.0
    for chunk in range(len(by_column)):
        c, curve = by_column[chunk, p * WIDTH : (p + 1) * WIDTH], block.curves[chunk, a]
        for j in range(WIDTH):
            total += c[j] * curve[j]
    for r in range(block.n_rows):
        total -= by_row[r, p, 0] * block.row_curves[r, a]
    return total


@compiled
def _product(block: Block, by_column: Array, by_row: Array, p: int, a: int, b: int) -> float:
    """Sum of a product times the differences of two curves."""
    total = 0.0
    for chunk in range(len(by_column)):
        c, first, second = by_column[chunk, p * WIDTH : (p + 1) * WIDTH], block.curves[chunk, a], block.curves[chunk, b]
        for j in range(WIDTH):
            total += c[j] * first[j] * second[j]
    for r in range(block.n_rows):
        at_a, at_b = block.row_curves[r, a], block.row_curves[r, b]
        total += by_row[r, p, 0] * at_a * at_b - at_a * by_row[r, p, 1 + b] - at_b * by_row[r, p, 1 + a]
    return total


@compiled
def _cost(block: Block, y: Flat, weights: Flat, sums: Array) -> None:
    scratch = np.ones((4, _GROUP, WIDTH))
    constants = np.zeros((len(block.phases), 3))
    for k in range(len(block.phases)):
        for chunk in range(len(block.inverse)):
            for begin in range(0, block.n_rows, _GROUP):
                end = min(begin + _GROUP, block.n_rows)
                _fill_model(block, k, chunk, begin, end, scratch[0])
                _load(block, chunk, begin, end, y[0][k * y[1] :], scratch[2])
                if weights[0].size > 0:
                    _load(block, chunk, begin, end, weights[0][k * weights[1] :], scratch[3])
                _add_constants(block, chunk, begin, end, scratch, constants[k])
                _add_cost(end - begin, scratch, sums[k])
        sums[k, 0] += constants[k, 0]
        sums[k, 4] += constants[k, 1]
        sums[k, 5] += constants[k, 2]


@compiled
def _fill_models(lines: Lines, first: int, stop: int, out: Array) -> None:
    block, f = tables(lines, first, stop, 0), np.empty((_GROUP, WIDTH))
    for k in range(len(block.phases)):
        for chunk in range(len(block.inverse)):
            for begin in range(0, block.n_rows, _GROUP):
                end = min(begin + _GROUP, block.n_rows)
                _fill_model(block, k, chunk, begin, end, f)
                for r in range(end - begin):
                    low, high, start = _place(block, chunk, begin + r)
                    out[k, start : start + high - low] = f[r, low:high]


@compiled
def _place(block: Block, chunk: int, row: int) -> tuple[int, int, int]:
    """Columns of a row in a chunk, from low to before high, and where their pairs begin among those of the block."""
    i = block.first + row
    begin = block.first + 1 + chunk * WIDTH
    high = min(WIDTH, block.n_t - begin)
    low = min(max(0, i + 1 - begin), high)
    offset = row * block.n_t - (row * (block.first + i + 1)) // 2
    return low, high, offset + begin + low - i - 1


@compiled
def _edge(block: Block, k: int, chunk: int, row: int) -> int:
    """Column after the last piece that holds a small x."""
    phase = abs(block.phases[k])
    piece = block.nearest.shape[2]
    while piece > 0 and phase * block.nearest[row, chunk, piece - 1] >= SMALL:
        piece -= 1
    return int(piece * (WIDTH // block.nearest.shape[2]))


@compiled
def _fill(block: Block, k: int, chunk: int, begin: int, end: int, scratch: Array) -> None:
    """Compute f and h of some rows, the latter without its factor p / P."""
    inverse, u_sin, u_cos = block.inverse[chunk], block.waves[k, chunk, 0], block.waves[k, chunk, 1]
    decay, strain, factors = block.decay[chunk], block.strain[chunk], block.row_waves[k]
    f, h, phase = scratch[0], scratch[1], block.phases[k]
    for r in range(end - begin):
        row = begin + r
        g_sin, g_cos, d_sin, d_cos = factors[row, 0], factors[row, 1], factors[row, 2], factors[row, 3]
        for j in range(WIDTH):
            g = (u_sin[j] * g_sin + u_cos[j] * g_cos) * inverse[row, j]
            h[r, j] = (u_cos[j] * d_cos + u_sin[j] * d_sin - g) * inverse[row, j]
            f[r, j] = g
        row_decay, row_strain = block.row_decay[row], block.row_strain[row]
        for j in range(_edge(block, k, chunk, row)):
            x = phase * (strain[j] - row_strain)
            q = x * x
            e = decay[j] * row_decay
            g_near = e * (1.0 + q * (_S1 + q * (_S2 + q * (_S3 + q * _S4))))
            d_near = e * phase * x * (_D0 + q * (_D1 + q * (_D2 + q * (_D3 + q * _D4))))
            near = abs(x) < SMALL
            g_far, d_far = f[r, j], h[r, j]
            f[r, j] = g_near if near else g_far
            h[r, j] = d_near if near else d_far
        for _ in range(block.power // 2 - 1):
            for j in range(WIDTH):
                h[r, j] *= f[r, j] * f[r, j]
        for j in range(WIDTH):
            h[r, j] *= f[r, j]
        for _ in range(block.power // 2):
            for j in range(WIDTH):
                f[r, j] *= f[r, j]
        low, _, _ = _place(block, chunk, row)
        for j in range(low):
            f[r, j] = 0.0
            h[r, j] = 0.0


@compiled
def _fill_model(block: Block, k: int, chunk: int, begin: int, end: int, f: Array) -> None:
    """Compute f of some rows."""
    inverse, u_sin, u_cos = block.inverse[chunk], block.waves[k, chunk, 0], block.waves[k, chunk, 1]
    decay, strain, factors, phase = block.decay[chunk], block.strain[chunk], block.row_waves[k], block.phases[k]
    for r in range(end - begin):
        row = begin + r
        g_sin, g_cos = factors[row, 0], factors[row, 1]
        for j in range(WIDTH):
            f[r, j] = (u_sin[j] * g_sin + u_cos[j] * g_cos) * inverse[row, j]
        row_decay, row_strain = block.row_decay[row], block.row_strain[row]
        for j in range(_edge(block, k, chunk, row)):
            x = phase * (strain[j] - row_strain)
            q = x * x
            near = decay[j] * row_decay * (1.0 + q * (_S1 + q * (_S2 + q * (_S3 + q * _S4))))
            far = f[r, j]
            f[r, j] = near if abs(x) < SMALL else far
        for _ in range(block.power // 2):
            for j in range(WIDTH):
                f[r, j] *= f[r, j]
        low, _, _ = _place(block, chunk, row)
        for j in range(low):
            f[r, j] = 0.0


@compiled
def _load(block: Block, chunk: int, begin: int, end: int, packed: Data, tile: Array) -> None:
    """Copy the pairs of some rows to where their columns are."""
    for r in range(end - begin):
        low, high, start = _place(block, chunk, begin + r)
        source, target = packed[start : start + high - low], tile[r, low:high]
        for j in range(target.size):
            target[j] = source[j]


@compiled
def _add_constants(block: Block, chunk: int, begin: int, end: int, scratch: Array, constants: Array) -> None:
    s_w = s_wy = s_wyy = 0.0
    for r in range(end - begin):
        low, high, _ = _place(block, chunk, begin + r)
        y, w = scratch[2, r, low:high], scratch[3, r, low:high]
        for j in range(y.size):
            wy = w[j] * y[j]
            s_w += w[j]
            s_wy += wy
            s_wyy += wy * y[j]
    constants[0] += s_w
    constants[1] += s_wy
    constants[2] += s_wyy


@compiled
def _add_cost(n_rows: int, scratch: Array, sums: Array) -> None:
    s_f = s_ff = s_fy = 0.0
    f, y, w = scratch[0], scratch[2], scratch[3]
    for r in range(n_rows):
        for j in range(WIDTH):
            wf = w[r, j] * f[r, j]
            s_f += wf
            s_ff += wf * f[r, j]
            s_fy += wf * y[r, j]
    sums[1] += s_f
    sums[2] += s_ff
    sums[3] += s_fy


@compiled
def _add_rows(  # noqa: PLR0915 - a line for every sum: they are registers of the processor
    n: int, n_rows: int, scratch: Array, curves: Array, by_column: Array, by_row: Array
) -> None:
    f, h, y, w = scratch[0], scratch[1], scratch[2], scratch[3]
    a1, a2, a3 = curves[:WIDTH], curves[WIDTH : 2 * WIDTH], curves[2 * WIDTH : 3 * WIDTH]
    b1, b2, b3 = curves[3 * WIDTH : 4 * WIDTH], curves[4 * WIDTH : 5 * WIDTH], curves[5 * WIDTH :]
    c_ff, c_fh, c_hh = by_column[:WIDTH], by_column[WIDTH : 2 * WIDTH], by_column[2 * WIDTH : 3 * WIDTH]
    c_f, c_h = by_column[3 * WIDTH : 4 * WIDTH], by_column[4 * WIDTH : 5 * WIDTH]
    c_fy, c_hy = by_column[5 * WIDTH : 6 * WIDTH], by_column[6 * WIDTH :]
    for r in range(n_rows):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = 0.0
        p1 = p2 = p3 = q1 = q2 = q3 = q4 = q5 = q6 = r4 = r5 = r6 = 0.0
        for j in range(n):
            wf = w[r, j] * f[r, j]
            wh = w[r, j] * h[r, j]
            ff = wf * f[r, j]
            fh = wf * h[r, j]
            hh = wh * h[r, j]
            fy = wf * y[r, j]
            hy = wh * y[r, j]
            s0 += ff
            s1 += fh
            s2 += hh
            s3 += wf
            s4 += wh
            s5 += fy
            s6 += hy
            c_ff[j] += ff
            c_fh[j] += fh
            c_hh[j] += hh
            c_f[j] += wf
            c_h[j] += wh
            c_fy[j] += fy
            c_hy[j] += hy
            p1 += ff * a1[j]
            p2 += ff * a2[j]
            p3 += ff * a3[j]
            q1 += fh * a1[j]
            q2 += fh * a2[j]
            q3 += fh * a3[j]
            q4 += fh * b1[j]
            q5 += fh * b2[j]
            q6 += fh * b3[j]
            r4 += hh * b1[j]
            r5 += hh * b2[j]
            r6 += hh * b3[j]
        by_row[r, 0, 0] += s0
        by_row[r, 1, 0] += s1
        by_row[r, 2, 0] += s2
        by_row[r, 3, 0] += s3
        by_row[r, 4, 0] += s4
        by_row[r, 5, 0] += s5
        by_row[r, 6, 0] += s6
        by_row[r, 0, 1] += p1
        by_row[r, 0, 2] += p2
        by_row[r, 0, 3] += p3
        by_row[r, 1, 1] += q1
        by_row[r, 1, 2] += q2
        by_row[r, 1, 3] += q3
        by_row[r, 1, 4] += q4
        by_row[r, 1, 5] += q5
        by_row[r, 1, 6] += q6
        by_row[r, 2, 4] += r4
        by_row[r, 2, 5] += r5
        by_row[r, 2, 6] += r6
