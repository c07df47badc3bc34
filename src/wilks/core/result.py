"""Results: what every verb returns, as values that can be saved and loaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wilks.core import encoding
from wilks.core.errors import CheckpointError

if TYPE_CHECKING:
    from wilks.core.parameter import Value
    from wilks.core.space import Space
    from wilks.core.status import Status


@dataclass(frozen=True)
class Step:
    """One step that was executed: what it was, in words, and what it cost."""

    name: str
    detail: str
    n_evaluations: int = 0


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Attributes
    ----------
    versions
        Name -> version of wilks, Python, NumPy and SciPy.
    seed
        The seed that was used, also when none was given.
    problem, fingerprint
        Name of the problem and fingerprint of its space and functions.
    executed
        The steps that were executed, in order, fallbacks included: what was done, not what was asked for.
    executor
        The executor, with its number of workers.
    started
        Time of the start, UTC, ISO 8601.
    seconds
        Wall time of this call.
    """

    versions: dict[str, str]
    seed: int
    problem: str
    fingerprint: str
    executed: tuple[Step, ...]
    executor: str
    started: str
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What every verb returns.

    Attributes
    ----------
    space
        The space of the problem, with its units and labels.
    status
        How the run ended; ``status.message`` is for people, ``status.success`` for programs.
    best
        Values of the best point, constants included.
    log_likelihood
        Log-likelihood of the best point; minus infinity when there is none.
    n_evaluations
        Number of points evaluated for this result, failed ones included.
    stats
        Counts and times, by name.
    provenance
        Versions, seed, fingerprint and what was executed.
    log
        The log that the points were written to; None on a result that was loaded from a file.
    """

    space: Space
    status: Status
    best: dict[str, Value]
    log_likelihood: float
    n_evaluations: int
    stats: dict[str, Any]
    provenance: Provenance
    log: Any = field(default=None, repr=False, compare=False, kw_only=True, metadata={"saved": False})

    @property
    def cost(self) -> str:
        """Number of evaluations, and how many of them failed, in words."""
        failed = self.stats.get("n_failed", 0)
        return f"{self.n_evaluations} evaluations" + (f", {failed} of them failed" if failed else "")

    def save(self, path: str | Path) -> Path:
        """Write the result (without its log) to one file, and return the path.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        path = Path(path)
        encoding.save(replace(self, log=None), path)
        return path


def load(path: str | Path) -> Any:  # noqa: ANN401 - the class of the saved result
    """Read a result saved with ``result.save(path)``.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or holds no result.
    """
    result = encoding.load(path)
    if not isinstance(result, Result):
        raise CheckpointError(f"{path}: expected a saved result, found a {type(result).__name__}")
    return result
