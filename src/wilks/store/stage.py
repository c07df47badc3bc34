"""One stage of a log: what the driver loop writes to and resumes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.core.errors import CheckpointError, InvalidDataError

if TYPE_CHECKING:
    from wilks.core.proposal import Evaluations
    from wilks.store.backend import Backend, Resumption


class StageLog:
    """The part of a log that belongs to one call of a verb; made by ``EvaluationLog.stage``.

    The evaluations committed since the last checkpoint are its redo log: after a crash the loop restarts from the
    checkpoint and answers the questions that the algorithm repeats from them.
    """

    def __init__(self, backend: Backend, number: int, dimension: int) -> None:
        self._backend = backend
        self._number = number
        self._dimension = dimension

    @property
    def n_evaluations(self) -> int:
        """Number of evaluations committed to this stage, in this process or before."""
        return sum(self._backend.counts(self._number).values())

    def resume(self) -> Resumption:
        """Return the last checkpoint, the evaluations committed after it, and whether the stage has ended.

        Raises
        ------
        CheckpointError
            If the run file is closed or damaged.
        """
        return self._backend.resume(self._number)

    def commit(self, evaluations: Evaluations | None, state: bytes | None = None, *, finished: bool = False) -> None:
        """Write evaluations and, when given, a new checkpoint that covers all evaluations up to and with these.

        When this returns, both survive the death of the process; after an error neither is written, and the same
        commit may be tried again.

        Parameters
        ----------
        evaluations
            New evaluations, in the coordinates of the root problem.
        state
            The encoded state of the algorithm; it replaces the last checkpoint, and the payloads kept so far are
            dropped.
        finished
            Has the stage ended?

        Raises
        ------
        CheckpointError
            If the run file cannot be written: the disk is full, the log is closed or read-only.
        InvalidDataError
            If the evaluations do not fit the problem.
        """
        if evaluations is not None and evaluations.thetas.shape != (len(evaluations.ids), self._dimension):
            raise InvalidDataError(
                f"evaluations: expected thetas of shape ({len(evaluations.ids)}, {self._dimension}), in the "
                f"coordinates of the root problem, got {evaluations.thetas.shape}"
            )
        self._backend.commit(self._number, evaluations, state, finished=finished)

    def __repr__(self) -> str:
        """Return number and size."""
        try:
            return f"<StageLog {self._number}: {self.n_evaluations} evaluations>"
        except CheckpointError:
            return f"<StageLog {self._number} of a closed log>"
