"""How good chunks of data are: their sizes, and the angles in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.core.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

_MB = 1e6
_ARRAYS = 4


@dataclass(frozen=True)
class StratificationDiagnostics:
    """Chunks of stratified data.

    Attributes
    ----------
    n_chunks, chunk_sizes
        Number of chunks, and of the points of each.
    chunk_balance
        ``min``, ``max``, ``mean``, ``std`` and ``ratio`` (largest over smallest) of the sizes.
    angles_per_chunk
        Number of angles in each.
    angle_coverage
        ``mean`` and ``min`` over the chunks of the fraction of all angles that a chunk holds, and
        ``complete_fraction``, that of the chunks that hold all.
    execution_time_ms
        Time that it took, in milliseconds.
    memory_overhead_mb
        What the copies or the positions take.
    memory_efficiency
        Size of the data over what was in memory at once.
    throughput_points_per_sec
        Points over time.
    use_index_based
        Positions instead of copies?
    """

    n_chunks: int
    chunk_sizes: list[int]
    chunk_balance: dict[str, float]
    angles_per_chunk: list[int]
    angle_coverage: dict[str, float]
    execution_time_ms: float
    memory_overhead_mb: float
    memory_efficiency: float
    throughput_points_per_sec: float
    use_index_based: bool


def compute_stratification_diagnostics(
    phi_original: ArrayLike,
    phi_stratified: ArrayLike,
    execution_time_ms: float,
    use_index_based: bool = False,
    target_chunk_size: int = 100_000,
    chunk_sizes: Sequence[int] | None = None,
) -> StratificationDiagnostics:
    """Look at the chunks of stratified data.

    Parameters
    ----------
    phi_original, phi_stratified
        Angles of the points before and after.
    execution_time_ms
        Time that it took, in milliseconds.
    use_index_based
        Were positions made instead of copies?
    target_chunk_size
        Size of the chunks, if `chunk_sizes` are not given.
    chunk_sizes
        What the stratification said.

    Raises
    ------
    InvalidDataError
        If there are no points, or the sizes are not those of the data.

    Examples
    --------
    >>> phi = np.tile([0.0, 90.0], 50)
    >>> found = compute_stratification_diagnostics(phi, phi, 1.0, target_chunk_size=20)
    >>> found.n_chunks, found.angle_coverage["complete_fraction"], found.throughput_points_per_sec
    (5, 1.0, 100000.0)
    """
    before, after = (np.asarray(each, dtype=float).ravel() for each in (phi_original, phi_stratified))
    if not before.size or not after.size:
        raise InvalidDataError("phi_original, phi_stratified: expected at least one point in each")
    if chunk_sizes is None:
        starts = range(0, after.size, max(1, target_chunk_size))
        sizes = [min(target_chunk_size, after.size - start) for start in starts]
    else:
        sizes = [int(size) for size in chunk_sizes]
    if sum(sizes) != after.size or min(sizes) < 1:
        raise InvalidDataError(f"chunk_sizes: expected positive sizes with the sum {after.size}, got {sizes!r:.200}")
    n_angles = len(np.unique(before))
    present = [len(np.unique(chunk)) for chunk in np.split(after, np.cumsum(sizes)[:-1])]
    covered = np.array(present) / n_angles
    data = before.size * _ARRAYS * before.itemsize
    overhead = after.size * (np.dtype(np.intp).itemsize if use_index_based else _ARRAYS * after.itemsize)
    return StratificationDiagnostics(
        n_chunks=len(sizes),
        chunk_sizes=sizes,
        chunk_balance={
            "min": float(min(sizes)),
            "max": float(max(sizes)),
            "mean": float(np.mean(sizes)),
            "std": float(np.std(sizes)),
            "ratio": max(sizes) / min(sizes),
        },
        angles_per_chunk=present,
        angle_coverage={
            "mean": float(covered.mean()),
            "min": float(covered.min()),
            "complete_fraction": float(np.mean(covered >= 1.0)),
        },
        execution_time_ms=float(execution_time_ms),
        memory_overhead_mb=overhead / _MB,
        memory_efficiency=data / (data + overhead),
        throughput_points_per_sec=before.size / execution_time_ms * 1e3 if execution_time_ms > 0 else float("inf"),
        use_index_based=use_index_based,
    )


def format_diagnostics_report(diagnostics: StratificationDiagnostics) -> str:
    """Return diagnostics as a text of several lines.

    Examples
    --------
    >>> phi = np.tile([0.0, 90.0], 50)
    >>> print(format_diagnostics_report(compute_stratification_diagnostics(phi, phi, 1.0)).splitlines()[0])
    Stratification: 1 chunk of 100 points
    """
    balance, coverage = diagnostics.chunk_balance, diagnostics.angle_coverage
    n = diagnostics.n_chunks
    rows = (
        ("points of a chunk", f"{balance['min']:.0f} to {balance['max']:.0f}, mean {balance['mean']:.0f}"),
        ("largest over smallest chunk", f"{balance['ratio']:.3g}"),
        ("angles in a chunk", f"{min(diagnostics.angles_per_chunk)} to {max(diagnostics.angles_per_chunk)}"),
        ("chunks with all angles", f"{100 * coverage['complete_fraction']:.0f} %"),
        ("time", f"{diagnostics.execution_time_ms:.3g} ms"),
        ("points per second", f"{diagnostics.throughput_points_per_sec:.3g}"),
        ("memory besides the data", f"{diagnostics.memory_overhead_mb:.3g} MB"),
        ("order kept as", "positions" if diagnostics.use_index_based else "a copy of the data"),
    )
    title = f"Stratification: {n} chunk{'s' if n > 1 else ''} of {sum(diagnostics.chunk_sizes)} points"
    return Table(title, ("", ""), rows).text()
