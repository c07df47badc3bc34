"""Tables of a block, compiled by numba, and how functions are compiled for `wilks.xpcs.kernel_numba`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np

from wilks.xpcs.kernel_blocks import MAX_DECAY, NO_SHEAR, PIECE, Block
from wilks.xpcs.kernel_choice import compiled_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.xpcs.kernel_blocks import Lines

    Array = NDArray[np.float64]
    F = TypeVar("F", bound=Callable[..., object])

# Rows of a block, and columns of a chunk: what a row reads and writes then stays in the first-level cache.
HEIGHT = 64
WIDTH = 240

_DIGEST = compiled_from()


def compiled(function: F) -> F:
    """Compile a function when it is called, or take what was compiled before."""
    # Sums may be reordered, which is what makes them vector code; NaN and infinity keep their meaning.
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": {"reassoc", "contract", "arcp", "nsz"},
        "error_model": "numpy",
    }
    if _DIGEST is not None:
        # Numba looks whether the file of a function has changed, not those of the functions that it calls.
        function.__qualname__ += f"_{_DIGEST}"
        with contextlib.suppress(RuntimeError):  # no folder that it may write to
            return cast("F", numba.njit(cache=True, **options)(function))
    return cast("F", numba.njit(**options)(function))


@compiled
def tables(lines: Lines, first: int, stop: int, n_curves: int) -> Block:
    """Tables of a block, as `wilks.xpcs.kernel_blocks.block_of` makes them, with all curves or none."""
    n_t, n_rows, n_angles, r = lines.decay.size, stop - first, lines.phases.size, stop - 1
    n_columns = n_t - first - 1
    n_chunks = (n_columns + WIDTH - 1) // WIDTH
    strain, decay = np.zeros((n_chunks, WIDTH)), np.zeros((n_chunks, WIDTH))
    waves, curves = np.zeros((n_angles, n_chunks, 2, WIDTH)), np.zeros((n_chunks, n_curves, WIDTH))
    for chunk in range(n_chunks):
        begin = first + 1 + chunk * WIDTH
        for j in range(min(WIDTH, n_t - begin)):
            rise = lines.decay[begin + j] - lines.decay[r]
            decay[chunk, j] = 0.0 if rise > 2 * MAX_DECAY else np.exp(-rise / lines.power)
            strain[chunk, j] = lines.strain[begin + j] - lines.strain[r]
            for a in range(n_curves):
                curves[chunk, a, j] = lines.slopes[a, begin + j] - lines.slopes[a, r]
            for k in range(n_angles):
                waves[k, chunk, 0, j] = lines.sine[k, begin + j] * decay[chunk, j]
                waves[k, chunk, 1, j] = lines.cosine[k, begin + j] * decay[chunk, j]
    row_strain, row_decay = np.empty(n_rows), np.empty(n_rows)
    row_curves, row_waves = np.empty((n_rows, n_curves)), np.empty((n_angles, n_rows, 4))
    for row in range(n_rows):
        i = first + row
        row_strain[row] = lines.strain[i] - lines.strain[r]
        row_decay[row] = np.exp((lines.decay[i] - lines.decay[r]) / lines.power)
        for a in range(n_curves):
            row_curves[row, a] = lines.slopes[a, i] - lines.slopes[a, r]
        for k in range(n_angles):
            sine, cosine = lines.sine[k, i] * row_decay[row], lines.cosine[k, i] * row_decay[row]
            share = 1.0 if lines.phases[k] == 0.0 else 1.0 / lines.phases[k]
            row_waves[k, row, 0], row_waves[k, row, 1] = cosine * share, -sine * share
            row_waves[k, row, 2], row_waves[k, row, 3] = sine, cosine
    inverse, nearest = _strain_tables(strain, row_strain, n_columns)
    return Block(
        n_t, first, n_rows, lines.power, curves, row_curves, strain, row_strain, decay, row_decay, inverse, nearest,
        waves, row_waves, lines.phases,
    )  # fmt: skip


@compiled
def _strain_tables(strain: Array, row_strain: Array, n_columns: int) -> tuple[Array, Array]:
    """Return `Block.inverse` and `Block.nearest`."""
    n_chunks, n_rows = len(strain), len(row_strain)
    inverse, nearest = np.empty((n_chunks, n_rows, WIDTH)), np.empty((n_rows, n_chunks, WIDTH // PIECE))
    for chunk in range(n_chunks):
        high = min(WIDTH, n_columns - chunk * WIDTH)
        columns = strain[chunk]
        for row in range(n_rows):
            low, here = max(0, row - chunk * WIDTH), row_strain[row]
            table, least = inverse[chunk, row], nearest[row, chunk]
            for j in range(WIDTH):
                difference = columns[j] - here
                table[j] = 1.0 / difference if abs(difference) > NO_SHEAR else 0.0
            table[:low] = 0.0
            table[high:] = 0.0
            for piece in range(WIDTH // PIECE):
                smallest = np.inf
                for j in range(max(low, piece * PIECE), min(high, (piece + 1) * PIECE)):
                    smallest = min(smallest, abs(columns[j] - here))
                least[piece] = smallest
    return inverse, nearest
