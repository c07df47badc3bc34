"""Sample files as rows of a log: what was evaluated elsewhere, for verbs to start from.

A file is read twice: first to check every row, so that a file with a wrong one changes nothing, then to copy it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.core.proposal import Evaluations, EvaluationStatus, Phase
from wilks.store.backend import BLOCK_ROWS
from wilks.store.sample_formats import open_samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from wilks.core.problem import Problem
    from wilks.core.space import Space

STAGE_KEY = "import-"
"""How the keys of stages begin that hold rows of sample files."""

# Text keeps eleven digits: a bound of the box may come back slightly outside of it.
_ROUNDING = 1e-9
_PHASES = np.iinfo(np.int8)


class Imported(NamedTuple):
    """What came of a sample file."""

    n_imported: int
    """Number of rows added to the log."""
    n_known: int
    """Number of rows of this file that the log held before."""
    n_skipped: int
    """Number of rows left out because they are not of the problem; always 0 without ``skip_invalid=True``."""
    n_dropped: int
    """Number of half-written rows at the end of the file."""


class SampleImport:
    """One sample file, checked against a space.

    Parameters
    ----------
    path
        The file.
    space
        Its parameters: the columns of the file are its free parameters, the log-likelihood and, if there is one more,
        the phase.
    problem
        The problem with this space, if points are to be brought to the coordinates of its root.
    skip_invalid
        Leave out rows that cannot be points of the problem, instead of refusing the file.

    Attributes
    ----------
    digest
        Identifies the contents.
    n_valid, n_skipped, n_dropped
        Numbers of rows: that can be imported; that cannot; that are half-written.

    Raises
    ------
    InvalidDataError
        If the file cannot be read, has other columns, no row that can be imported, or, without `skip_invalid`, a row
        that cannot.
    """

    def __init__(self, path: Path, space: Space, problem: Problem | None, *, skip_invalid: bool) -> None:
        self._path, self._space, self._problem = path, space, problem
        self._source = open_samples(path)
        self._order = self._find_columns()
        self._lower = space.from_unit(np.zeros(space.dimension))
        self._upper = space.from_unit(np.ones(space.dimension))
        self.n_valid = self.n_skipped = 0
        digest = hashlib.sha256(repr((space.free, space.constants, self._order)).encode())
        complaint = ""
        for first, rows, thetas, valid in self._checked():
            digest.update(rows.astype("<f8").tobytes())
            self.n_valid += int(valid.sum())
            self.n_skipped += int((~valid).sum())
            if not complaint and not valid.all():
                at = int(np.argmin(valid))
                complaint = f"row {first + at}: {self._complaint(rows[at], thetas[at])}"
        self.digest = digest.hexdigest()[:32]
        self.n_dropped = self._source.n_dropped
        if complaint and not skip_invalid:
            raise InvalidDataError(
                f"{path}: {self.n_skipped} of {self.n_skipped + self.n_valid} rows cannot be imported; the first is "
                f"{complaint}; with skip_invalid=True such rows are left out"
            )
        if not self.n_valid:
            raise InvalidDataError(
                f"{path}: holds no row that can be imported" + (f"; the first is {complaint}" if complaint else "")
            )

    def _find_columns(self) -> list[int]:
        """Columns of the file that hold the free parameters, in the order of the space."""
        free, n_columns, names = self._space.free, self._source.n_columns, self._source.names
        n_free = len(free)
        if n_columns is None:
            return list(range(n_free))
        if n_columns not in (n_free + 1, n_free + 2):
            raise InvalidDataError(
                f"{self._path}: expected {n_free + 2} columns ({', '.join(free)}, log_likelihood, phase), or one less "
                f"without the phase, got {n_columns}"
            )
        if names is None:
            return list(range(n_free))
        if sorted(names[:n_free]) != sorted(free):
            raise InvalidDataError(
                f"{self._path}: holds the parameters {', '.join(names[:n_free])}; expected {', '.join(free)}"
            )
        return [names.index(name) for name in free]

    def _checked(self) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]:
        """For every block: number of its first row, counted from 1, rows, thetas in the space, which rows are valid."""
        first = 1
        for rows in self._source.blocks(BLOCK_ROWS):
            thetas, inside = self._into_space(rows[:, self._order])
            phases = self._phases(rows)
            valid: NDArray[np.bool_] = inside & (rows[:, len(self._order)] < np.inf)  # NaN is not smaller
            valid &= (phases == np.rint(phases)) & (phases >= _PHASES.min) & (phases <= _PHASES.max)
            yield first, rows, thetas, valid
            first += len(rows)

    def _phases(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        n_free = len(self._order)
        return rows[:, n_free + 1] if rows.shape[1] > n_free + 1 else np.full(len(rows), float(Phase.UNKNOWN))

    def _into_space(self, thetas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Thetas without the rounding of text, and whether each was a point of the space but for that rounding."""
        finite = np.isfinite(thetas)
        safe = np.where(finite, thetas, self._lower)
        clipped = np.clip(safe, self._lower, self._upper)
        snapped = np.where(self._space.is_continuous, clipped, self._space.from_unit(self._space.to_unit(clipped)))
        slack = _ROUNDING * np.maximum(np.abs(snapped), np.abs(safe))
        inside: NDArray[np.bool_] = np.all(finite & (np.abs(snapped - safe) <= slack), axis=1)
        return snapped, inside

    def _complaint(self, row: NDArray[np.float64], theta: NDArray[np.float64]) -> str:
        """What is wrong with a row."""
        for column, name in enumerate(self._space.free):
            number = float(row[self._order[column]])
            if not np.isfinite(number):
                return f"{name} is {number}"
            if abs(number - theta[column]) > _ROUNDING * max(abs(number), abs(theta[column])):
                n_values = self._space.n_values[column]
                kind = "a number" if n_values is None else f"one of {n_values} numbers"
                return f"{name} is {number:g}, expected {kind} in [{self._lower[column]:g}, {self._upper[column]:g}]"
        value = float(row[len(self._order)])
        if np.isnan(value) or value == np.inf:
            return f"the log-likelihood is {value}"
        return f"the phase is {float(row[-1]):g}, expected a whole number (is this a file of another problem?)"

    def batches(self, n_done: int) -> Iterator[Evaluations]:
        """The valid rows after the first `n_done`, in blocks."""
        for _, rows, thetas, valid in self._checked():
            n = int(valid.sum())
            skipped = min(n_done, n)
            n_done -= skipped
            if skipped < n:
                yield self._evaluations(rows[valid][skipped:], thetas[valid][skipped:])

    def _evaluations(self, rows: NDArray[np.float64], thetas: NDArray[np.float64]) -> Evaluations:
        n, values = len(rows), rows[:, len(self._order)]
        ok, excluded = int(EvaluationStatus.OK), int(EvaluationStatus.EXCLUDED)
        return Evaluations(
            ids=np.arange(n),
            thetas=thetas if self._problem is None else self._problem.to_root(thetas),
            phases=self._phases(rows).astype(np.int8),
            log_likelihoods=values.copy(),
            statuses=np.where(np.isfinite(values), ok, excluded).astype(np.int8),
            seconds=np.zeros(n, dtype=np.float32),
            workers=np.zeros(n, dtype=np.int32),
        )
