"""The log of all evaluations of a run, in memory or in a file, shared by any number of verbs.

A log belongs to one problem. Points are kept in the coordinates of the problem's root, so that a problem and its
restrictions (``problem.fix``) share one log, and what one verb has found another can start from.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wilks.core.errors import CheckpointError, InvalidConfigurationError
from wilks.core.proposal import EvaluationStatus
from wilks.core.table import Table
from wilks.store import header, rows, tables
from wilks.store.imports import STAGE_KEY, Imported, SampleImport
from wilks.store.memory import MemoryBackend
from wilks.store.runfile import RunFile
from wilks.store.stage import StageLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import pandas as pd
    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Problem
    from wilks.core.space import Space
    from wilks.store.backend import Backend, StageSummary
    from wilks.store.rows import Arrays


class Failure(NamedTuple):
    """One failed evaluation."""

    values: dict[str, Value]
    """The parameter values, constants included."""
    status: str
    """``"failed"`` or ``"lost"``, or what else an error was reported with."""
    error: str
    """Traceback or reason; empty when it was not kept."""


class EvaluationLog:
    """Every evaluation of a run, with what is needed to continue it.

    Parameters
    ----------
    path
        A run file, made when it does not exist; without a path the log is kept in memory. While it is written there are
        two more files beside it (``-wal`` and ``-shm``); copy a run file only after `close`.
    read_only
        Only read, also while another process writes.

    Raises
    ------
    CheckpointError
        If the file cannot be opened, is damaged or no run file, or another process is writing it.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda values: -0.5 * values["x"] ** 2, name="hill")
    >>> with EvaluationLog() as log:
    ...     log.bind(problem)
    ...     len(log), log.best()
    (0, None)
    """

    def __init__(self, path: str | Path | None = None, *, read_only: bool = False) -> None:
        if path is None and read_only:
            raise InvalidConfigurationError("EvaluationLog: read_only=True needs the path of a run file")
        self._path = None if path is None else Path(path)
        self._read_only = read_only
        self._backend: Backend = MemoryBackend() if self._path is None else RunFile(self._path, read_only=read_only)
        # Closes the file when the log is forgotten or the interpreter ends.
        self._finalizer = weakref.finalize(self, self._backend.close)
        self._space: Space | None = None

    @property
    def path(self) -> Path | None:
        """The run file; None for a log in memory."""
        return self._path

    @property
    def closed(self) -> bool:
        """Was `close` called?"""
        return not self._finalizer.alive

    @property
    def header(self) -> dict[str, Any]:
        """What was recorded at the first `bind`: problem, fingerprint, columns, versions, seed; empty before it."""
        return {key: value for key, value in self._backend.read_header().items() if key != "space"}

    @property
    def space(self) -> Space | None:
        """The space of the root problem, without its priors; None before the first `bind`."""
        if self._space is None:
            self._space = self._backend.read_header().get("space")
        return self._space

    @property
    def _where(self) -> str:
        return "this log" if self._path is None else str(self._path)

    def close(self) -> None:
        """Close the run file. A log in memory can still be read afterwards. The second time nothing happens."""
        self._finalizer()

    def __enter__(self) -> EvaluationLog:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()

    def bind(self, problem: Problem, *, seed: int | None = None) -> None:
        """Tie the log to a problem, or check that it is the one that the log is tied to.

        Parameters
        ----------
        problem
            The problem; only its root counts, so restrictions of one problem share a log.
        seed
            Recorded when it is the first.

        Raises
        ------
        CheckpointError
            If the log belongs to another problem.
        """
        root = problem.root
        recorded = self._backend.read_header()
        if not recorded:
            self._backend.write_header(header.header_of(root, seed))
        elif recorded["fingerprint"] != root.fingerprint:
            raise CheckpointError(
                f"{self._where}: belongs to another problem than {root.name!r}: {header.difference(recorded, root)}\n"
                "Use another run folder or log for the changed problem, or undo the change to continue this one."
            )
        elif recorded["seed"] is None and seed is not None and not self._read_only:
            self._backend.write_header({"seed": int(seed)})

    def check_seed(self, seed: int | None) -> None:
        """Refuse a seed other than the recorded one; None agrees with every seed.

        Raises
        ------
        CheckpointError
            If another seed was recorded.
        """
        recorded = self._backend.read_header().get("seed")
        if seed is not None and recorded is not None and seed != recorded:
            raise CheckpointError(
                f"{self._where}: was begun with seed {recorded}, got seed {seed}; "
                f"continue with seed {recorded}, or use another run folder"
            )

    def stage(self, key: str, title: str) -> StageLog:
        """The part of the log that belongs to one call of a verb.

        Parameters
        ----------
        key
            Identifies the call and its settings: the same key continues the same stage.
        title
            For people.

        Raises
        ------
        CheckpointError
            If the log is not bound to a problem yet, or is closed.
        """
        if self.space is None:
            raise CheckpointError(f"{self._where}: bind(problem) comes before the first stage")
        return StageLog(self._backend, self._backend.open_stage(key, title), self.space.dimension)

    def import_samples(
        self, path: str | Path, problem: Problem | None = None, *, skip_invalid: bool = False
    ) -> Imported:
        """Add the rows of a sample file, so that verbs start from its best points.

        The log-likelihoods are taken as they are: the file has to come from the same likelihood. No result counts the
        rows as evaluations, and no verb reports a value of theirs that it did not evaluate itself. A file that the log
        holds already is not added again, so a program may be run again as it is.

        Parameters
        ----------
        path
            The file, text or HDF5, as written by `wilks export`, by ``wilks.store.samples`` or by another program. Its
            columns are the free parameters (theta), the log-likelihood and, perhaps, the phase; an HDF5 file with
            names of its columns may have the parameters in any order.
        problem
            The problem whose free parameters the columns are, which the log is tied to; by default the root problem
            that the log is tied to already.
        skip_invalid
            Leave out rows that are not points of the problem (not finite, or outside of the space) or have no
            log-likelihood (NaN), instead of refusing the file.

        Returns
        -------
        Imported
            Numbers of rows: added, known before, left out, half-written.

        Raises
        ------
        CheckpointError
            If the log belongs to another problem, or to none and none is given, or cannot be written.
        InvalidConfigurationError
            If the extension is not that of a sample file.
        InvalidDataError
            If the file cannot be read, holds no rows, has other columns, or holds rows that cannot be used.
        """
        path = Path(path)
        if problem is not None:
            self.bind(problem)
        space = self.space if problem is None else problem.space
        if space is None:
            raise CheckpointError(f"{self._where}: belongs to no problem yet; call import_samples(path, problem)")
        samples = SampleImport(path, space, problem, skip_invalid=skip_invalid)
        stage = self.stage(STAGE_KEY + samples.digest, f"samples of {path.name}")
        n_known = stage.n_evaluations
        for batch in samples.batches(n_known):
            stage.commit(batch)
        if n_known < samples.n_valid:
            stage.commit(None, finished=True)
        return Imported(samples.n_valid - n_known, n_known, samples.n_skipped, samples.n_dropped)

    @property
    def n_imported(self) -> int:
        """Number of rows that come from sample files, and were evaluated elsewhere."""
        return sum(stage.n_evaluations for stage in self.stages() if stage.key.startswith(STAGE_KEY))

    def __len__(self) -> int:
        """Number of evaluations, imported ones included."""
        return sum(self._backend.counts().values())

    def __bool__(self) -> bool:
        """True: a log is something also while it is empty."""
        return True

    def iter_batches(self) -> Iterator[Arrays]:
        """All evaluations in order, a block at a time, each block a dictionary as returned by `arrays`."""
        for block in self._backend.blocks():
            block.pop("ids")  # numbers within one run of an algorithm mean nothing across stages
            yield block

    def arrays(self) -> Arrays:
        """All evaluations in the order in which they were committed.

        Returns
        -------
        dict
            ``thetas`` (n, dimension) in the coordinates of the root problem, and ``log_likelihoods``, ``phases``,
            ``statuses``, ``seconds``, ``workers`` and ``stages`` (position in `stages()`), each of shape (n,).
        """
        blocks = [rows.no_rows(self._dimension), *self.iter_batches()]
        if len(blocks) == 2:
            return blocks[1]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def to_dataframe(self, *, stage: str | None = None) -> pd.DataFrame:
        """All evaluations as a table: values by name (without constants), log-likelihood, phase, status and so on.

        Parameters
        ----------
        stage
            Key of the stage whose evaluations are wanted; None for all.
        """
        blocks = self.iter_batches()
        if stage is not None:
            numbers = [number for number, summary in enumerate(self.stages()) if summary.key == stage]
            blocks = (rows.of_stages(block, numbers) for block in blocks)
        return tables.to_dataframe(blocks, self.space, self._titles())

    def _titles(self) -> list[str]:
        return [stage.title for stage in self._backend.stages()]

    def best(self) -> tuple[dict[str, Value], float] | None:
        """Values (constants included) and log-likelihood of the best point; None when no finite value was seen."""
        found = self._backend.best()
        if found is None:
            return None
        return self._values(found[0]), found[1]

    def _values(self, theta: NDArray[np.float64]) -> dict[str, Value]:
        if self.space is None:
            raise CheckpointError(f"{self._where}: holds points but no description of their parameters")
        return self.space.to_values(theta)

    def top(self, n: int, *, apart: float = 0.0) -> NDArray[np.float64]:
        """The best distinct points with a finite log-likelihood, at most `n`, best first, shape (k, dimension).

        Parameters
        ----------
        n
            Number of points.
        apart
            Leave out points that are nearer to a better one than this, in every coordinate of the unit box of the root
            problem: a log with thousands of points around one optimum still shows the others.
        """
        if n < 1:
            raise InvalidConfigurationError(f"top: expected a number of points >= 1, got {n}")
        if not 0 <= apart < 1:
            raise InvalidConfigurationError(f"top: expected a distance in [0, 1), got {apart}")
        if apart and self.space is not None:
            found = tables.top_apart(self._backend.blocks(), n, apart, self.space)
        else:
            found = tables.top(self._backend.blocks(), n)
        return rows.no_rows(self._dimension)["thetas"] if found is None else found

    @property
    def _dimension(self) -> int:
        return self.space.dimension if self.space else 0

    def counts(self) -> dict[str, int]:
        """Name of a status -> number of evaluations that ended so; every status is listed."""
        counts = self._backend.counts()
        known = {status.name.lower(): counts.pop(int(status), 0) for status in EvaluationStatus}
        return known | {str(status): n for status, n in counts.items()}

    def failures(self, limit: int = 10) -> list[Failure]:
        """The first failed evaluations; those whose error text was kept come first."""
        recorded = self._backend.failures(limit)
        found = [
            Failure(
                self._values(np.frombuffer(failure.theta, "<f8")),
                tables.name_of(EvaluationStatus, failure.status),
                failure.text,
            )
            for _, failure in recorded
        ]
        counts = self._backend.counts()
        if len(found) < min(limit, sum(counts.get(status, 0) for status in rows.FAILURES)):
            found += self._without_text({(stage, failure.row) for stage, failure in recorded}, limit - len(found))
        return found

    def _without_text(self, recorded: set[tuple[int, int]], limit: int) -> list[Failure]:
        found: list[Failure] = []
        n_rows: dict[int, int] = {}
        for block in self._backend.blocks():
            bad = np.isin(block["statuses"], rows.FAILURES)
            for stage in np.unique(block["stages"]).tolist():
                mine = np.flatnonzero(block["stages"] == stage)
                first = n_rows.get(stage, 0)
                n_rows[stage] = first + len(mine)
                for row in np.flatnonzero(bad[mine]).tolist():
                    if (stage, first + row) not in recorded:
                        status = tables.name_of(EvaluationStatus, int(block["statuses"][mine[row]]))
                        found.append(Failure(self._values(block["thetas"][mine[row]]), status, ""))
                    if len(found) == limit:
                        return found
        return found

    def stages(self) -> list[StageSummary]:
        """For every stage: key, title, number of evaluations, finished, best log-likelihood, last commit."""
        return self._backend.stages()

    def __repr__(self) -> str:
        """Return where the log is kept and what is in it."""
        name = "EvaluationLog()" if self._path is None else f"EvaluationLog({str(self._path)!r})"
        return f"{name}\n{self._table().text()}"

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        columns = ("stage", "evaluations", "best log-likelihood", "")
        if self.closed and self._path is not None:
            return Table(f"{self._path}: closed", columns, ())
        lines = tuple(
            (
                stage.title,
                str(stage.n_evaluations),
                f"{stage.log_likelihood:.6g}" if np.isfinite(stage.log_likelihood) else "",
                "finished" if stage.finished else "not finished",
            )
            for stage in self.stages()
        )
        counts = self._backend.counts()
        n_failed = sum(counts.get(status, 0) for status in rows.FAILURES)
        name = self.header.get("problem")
        title = f"{len(self)} evaluations" + (f" of {name!r}" if name else "")
        title += f", {self.n_imported} of them imported" if self.n_imported else ""
        return Table(title + (f", {n_failed} failed" if n_failed else ""), columns, lines)
