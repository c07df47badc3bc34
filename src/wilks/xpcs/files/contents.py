"""What a file with two-time correlations holds, without its matrices."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME_Q = 1e-3
"""Wave vectors that differ by less, relatively, are one."""
_WIDTH = 80
_ANGLE_WIDTH = 44
_MAX_ROWS = 30


@dataclass(frozen=True)
class Matrix:
    """One matrix of a file.

    Attributes
    ----------
    key
        Its name in the file.
    q
        Wave vector in 1/Å.
    phi
        Angle in degrees.
    """

    key: str
    q: float
    phi: float


@dataclass(frozen=True, eq=False)
class FileContents:
    """What a file holds.

    Attributes
    ----------
    path
        The file, as it was named.
    layout
        ``"aps_u"``, ``"aps_old"`` or ``"npz"``.
    matrices
        Name, wave vector and angle of every matrix, in the order of the file.
    n_t
        Frames: rows and columns of a matrix.
    dtype
        Type of the values.
    compression
        How the matrices are compressed, or ``"none"``.
    dt
        Time between two frames of the matrices in s, or None if the file does not say.
    notes
        What a reader of the results should know, in sentences.
    t
        Times of the frames in s, where the file lists them.
    """

    path: str
    layout: str
    matrices: tuple[Matrix, ...]
    n_t: int
    dtype: np.dtype[np.generic]
    compression: str
    dt: float | None
    notes: tuple[str, ...] = ()
    t: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def q(self) -> NDArray[np.float64]:
        """Wave vectors in 1/Å, ascending; those that differ by less than 0.1 % are one."""
        return np.array([float(np.median(group)) for group in distinct([each.q for each in self.matrices])])

    @property
    def nbytes(self) -> int:
        """Size of all matrices in bytes, as they are when they have been read."""
        return len(self.matrices) * self.n_t**2 * self.dtype.itemsize

    def table(self) -> Table:
        """Return what there is to choose from, in at most 80 columns."""
        rows = [self._row(group) for group in distinct([each.q for each in self.matrices])]
        if len(rows) > _MAX_ROWS:
            half = _MAX_ROWS // 2
            rows = [*rows[:half], (f"... {len(rows) - 2 * half} more ...", "", ""), *rows[-half:]]
        interval = "the time between frames is not in the file" if self.dt is None else f"one every {self.dt:.6g} s"
        compression = "not compressed" if self.compression == "none" else self.compression
        facts = (
            f"{len(self.matrices)} matri{'x' if len(self.matrices) == 1 else 'ces'}, layout {self.layout}, "
            f"{self.n_t} frames, {interval}; {self.dtype}, {compression}, {size_text(self.nbytes)} when all are read"
        )
        note = "\n".join(line for text in (facts, *self.notes) for line in textwrap.wrap(text, _WIDTH))
        return Table(_shortened(Path(self.path).name), ("q (1/Å)", "matrices", "angles (degrees)"), tuple(rows), note)

    def _row(self, group: NDArray[np.float64]) -> tuple[str, str, str]:
        angles = sorted(each.phi for each in self.matrices if group[0] <= each.q <= group[-1])
        listed = ", ".join(f"{phi:.4g}" for phi in angles)
        if len(listed) > _ANGLE_WIDTH:
            listed = f"{angles[0]:.4g} to {angles[-1]:.4g}"
        return f"{float(np.median(group)):.6g}", str(len(angles)), listed


def distinct(values: list[float]) -> list[NDArray[np.float64]]:
    """Group positive numbers that differ by less than 0.1 % from the least of their group, ascending.

    Examples
    --------
    >>> [group.tolist() for group in distinct([0.01, 0.005, 0.010001])]
    [[0.005], [0.01, 0.010001]]
    """
    ordered = np.sort([value for value in values if np.isfinite(value)])
    groups = []
    while len(ordered):
        n = int(np.searchsorted(ordered, ordered[0] * (1 + SAME_Q), side="right"))
        n = max(n, 1)  # a value of 0 or less, which no wave vector has, is a group of its own
        groups.append(ordered[:n])
        ordered = ordered[n:]
    return groups


def size_text(n_bytes: float) -> str:
    """Size for people.

    Examples
    --------
    >>> size_text(1_840_000)
    '1.84 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def _shortened(name: str) -> str:
    return name if len(name) <= _WIDTH else f"{name[: _WIDTH // 2 - 2]}...{name[-_WIDTH // 2 + 2 :]}"
