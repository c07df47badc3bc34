"""What travels between an algorithm and the machine: batches of proposals and of evaluations.

Both are tables of arrays, one row per point, so that a cheap likelihood is not buried under objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Want = Literal["value", "gradient", "residual"]
"""What an algorithm needs of a point: the log-likelihood, its gradient too, or the residual vector too."""


class Phase(IntEnum):
    """Which part of an algorithm asked for a point; logged with every evaluation."""

    GLOBAL = 0
    """Search for the optima."""
    MAP = 1
    """First pass over a profile grid."""
    REFINE = 2
    """Refinement of a profile grid."""
    SUSPECT = 3
    """Second chances for cells of a profile grid."""
    VOLUME = 4
    """Sampling of the volume of a region of interest."""
    AUDIT = 5
    """Cells of a profile that are optimised again from scratch."""
    CURVATURE = 6
    """Second derivatives at an optimum."""
    SEARCH = 7
    """Gradient-free search."""
    SAMPLE = 8
    """Posterior sampling."""
    UNKNOWN = -1
    """Points that came from elsewhere."""


class EvaluationStatus(IntEnum):
    """How one evaluation ended."""

    OK = 0
    """A finite log-likelihood."""
    EXCLUDED = 1
    """The likelihood is zero there: minus infinity, as returned by the user's function."""
    FAILED = 2
    """The function raised, or returned something that is not a log-likelihood."""
    VIOLATED = 3
    """A constraint does not hold there; the function was not called."""
    LOST = 4
    """The worker process died during the call, twice."""


@dataclass(frozen=True)
class Proposals:
    """Points that an algorithm wants evaluated.

    Parameters
    ----------
    ids
        Numbers that are unique within one run of the algorithm, shape (n,).
    thetas
        Points, shape (n, dimension).
    phases
        `Phase` of each point, shape (n,).
    want
        What is needed of every point of the batch.
    """

    ids: NDArray[np.int64]
    thetas: NDArray[np.float64]
    phases: NDArray[np.int8]
    want: Want = "value"

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.ids)

    @classmethod
    def empty(cls, dimension: int) -> Proposals:
        """Return a batch without points."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, dimension)), np.empty(0, dtype=np.int8))


@dataclass(frozen=True)
class Evaluations:
    """Points with their answers.

    Parameters
    ----------
    ids, thetas, phases
        As in the proposals.
    log_likelihoods
        Shape (n,); minus infinity wherever the status is not OK, so that a failure can never win.
    statuses
        `EvaluationStatus` of each point, shape (n,).
    seconds
        Time of each call, shape (n,).
    workers
        Process identifier of the worker of each call, shape (n,).
    payloads
        Gradients or residual vectors where they were wanted, None where there is none.
    errors
        For failed points: position in the batch -> traceback or reason.
    """

    ids: NDArray[np.int64]
    thetas: NDArray[np.float64]
    phases: NDArray[np.int8]
    log_likelihoods: NDArray[np.float64]
    statuses: NDArray[np.int8]
    seconds: NDArray[np.float32]
    workers: NDArray[np.int32]
    payloads: list[NDArray[np.float64] | None] | None = None
    errors: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.ids)
