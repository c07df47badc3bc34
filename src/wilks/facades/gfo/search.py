"""The method `search`: one call of `wilks.search` on the user's objective, which goes on where the last one ended."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.fingerprint import fingerprint
from wilks.core.problem import LikelihoodProblem
from wilks.core.status import Outcome
from wilks.evaluation.executors import SerialExecutor
from wilks.facades.gfo.found import Found
from wilks.facades.gfo.identity import identity_of, settle
from wilks.facades.gfo.memory import warm_scores
from wilks.facades.gfo.objective import Feasible, Objective
from wilks.facades.gfo.options import VERBOSITY, SearchOptions
from wilks.facades.gfo.printing import Ended, ProgressBar, say, summary
from wilks.facades.gfo.records import Records
from wilks.facades.gfo.setup import Given, Setup
from wilks.facades.gfo.storage import BaseStorage, MemoryStorage
from wilks.store.log import EvaluationLog
from wilks.verbs.search import search as search_verb

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    import pandas as pd

    from wilks.facades.gfo.callbacks import CallbackInfo
    from wilks.searchers.result import SearchResult
    from wilks.searchers.searcher import Searcher
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics

_TITLE = "search"
_HANDED_ON = 5


class SearchOptimizer(Found):
    """An optimiser with the method `search`; the public classes say what is searched with.

    Parameters
    ----------
    given
        What the user gave to the constructor.
    make
        Makes the algorithm.
    """

    def __init__(self, given: Given, make: Callable[..., Searcher]) -> None:
        super().__init__(Setup(given, make))
        self._memory = MemoryStorage()
        self._identity = ""
        self._starts = list(self._setup.starts)
        self._begin("")

    def _begin(self, identity: str) -> None:
        """Forget the state of an earlier search."""
        self._identity = identity
        self._stage_key = ""
        self._checkpoint: bytes | None = None
        self._n_evaluations = 0
        self._tempering: TemperingDiagnostics | None = None

    def search(
        self,
        objective_function: Callable[[dict[str, Any]], Any],
        n_iter: int,
        max_time: float | None = None,
        max_score: float | None = None,
        early_stopping: dict[str, Any] | None = None,
        memory: bool | BaseStorage = True,
        memory_warm_start: pd.DataFrame | None = None,
        verbosity: list[str] | tuple[str, ...] | Literal[False] = VERBOSITY,
        optimum: Literal["maximum", "minimum"] = "maximum",
        callbacks: list[Callable[[CallbackInfo], bool | None]] | None = None,
        catch: dict[type[Exception], int | float] | None = None,
    ) -> None:
        """Evaluate an objective up to `n_iter` times, looking for the parameters with the best score.

        A second call with the same objective goes on where the first one ended: rows are appended, and the best is that
        of all calls. With another objective, or another `optimum`, a new record begins, and the best points of the old
        one are evaluated first.

        Parameters
        ----------
        objective_function
            Function of a dictionary of values that returns a score, or a score and a dictionary of metrics.
        n_iter
            Number of evaluations, the initialisation and remembered scores included.
        max_time
            Seconds after which the search ends; the iteration that is under way is finished.
        max_score
            The search ends when the best score reaches it, from below or, to minimise, from above.
        early_stopping
            ``{"n_iter_no_change": n}``, and perhaps ``"tol_abs"`` and ``"tol_rel"`` (in percent): end when the best
            score improved by nothing, or by less than these, in n iterations.
        memory
            Remember scores, so that no point is evaluated twice: True, False, or a storage.
        memory_warm_start
            The `search_data` of an earlier search, as the beginning of the memory.
        verbosity
            What to show: any of "progress_bar", "print_results", "print_times", "print_search_stats",
            "print_statistics", "debug_stop"; or False.
        optimum
            "maximum" or "minimum"; scores are in the user's units everywhere.
        callbacks
            Functions of a `CallbackInfo`, called after every iteration; one that returns False ends the search.
        catch
            Exception type -> score of an evaluation that raises it. NaN and infinite scores are never the best.

        Raises
        ------
        InvalidConfigurationError, InvalidProblemError
            If an argument cannot be used.
        KeyboardInterrupt
            After Ctrl-C; everything evaluated so far is kept, also when the objective or a callback raises.
        """
        options = SearchOptions.of(locals())
        if not callable(objective_function):
            raise InvalidConfigurationError(f"objective_function: expected a function, got {objective_function!r}")
        storage = self._storage(memory, memory_warm_start)
        own = identity_of(objective_function)
        identity = fingerprint(own, self._setup.space.fingerprint, options.optimum)
        if memory_warm_start is not None and storage is not None:
            storage.update(warm_scores(memory_warm_start, self._setup.space, identity))
        if identity != self._identity:
            self._change_to(identity, options)
        self._began = True
        try:
            self._search(objective_function, options, storage)
        finally:
            settle(objective_function, own)

    def _search(
        self, function: Callable[[dict[str, Any]], Any], options: SearchOptions, storage: BaseStorage | None
    ) -> None:
        bar = ProgressBar.wanted(type(self).__name__, options, self._records)
        objective = Objective(function, self._identity, self._records, options, storage, bar)
        first, began = len(self._records), time.perf_counter()
        try:
            interrupted = self._run(objective, options.n_iter) if options.n_iter else False
        finally:
            self._records.mend()
            if bar is not None:
                bar.close()
        self._report(objective, options, _name_of(function), first, time.perf_counter() - began)
        if objective.guard.error is not None:
            raise objective.guard.error
        if interrupted:
            if options.verbosity:
                say(f"Interrupted after {len(self._records) - first} of {options.n_iter} iterations; all are kept.")
            raise KeyboardInterrupt

    def _storage(self, memory: object, memory_warm_start: object) -> BaseStorage | None:
        if isinstance(memory, BaseStorage):
            return memory
        if not isinstance(memory, bool):
            raise InvalidConfigurationError(
                f"memory: expected True, False or a storage such as SQLiteStorage(path), got {memory!r}"
            )
        if memory_warm_start is not None and not memory:
            raise InvalidConfigurationError("memory_warm_start needs memory=True, or a storage, got memory=False")
        return self._memory if memory else None

    def _change_to(self, identity: str, options: SearchOptions) -> None:
        """Begin a new record; the best points of the old one come first."""
        best = self._records.best_points(_HANDED_ON)
        self._starts = [*best, *self._setup.starts]
        n_init = max(1, self._setup.n_init + len(best))
        self._records = Records(self._setup.space, 1.0 if options.optimum == "maximum" else -1.0, n_init=n_init)
        self._table = None
        self._begin(identity)

    def _run(self, objective: Objective, n_iter: int) -> bool:
        """Search until there are `n_iter` more evaluations; return whether Ctrl-C ended it."""
        setup = self._setup
        constraints = (Feasible(objective, setup.constraints),) if setup.constraints else ()
        problem = LikelihoodProblem(setup.space.space, objective, constraints=constraints, name=type(self).__name__)
        problem.fingerprint = self._identity
        log = EvaluationLog()
        if self._checkpoint is not None:
            log.bind(problem)
            log.stage(self._stage_key, _TITLE).commit(None, self._checkpoint)
        first = len(self._records)
        result: SearchResult = search_verb(
            problem,
            setup.algorithm,
            n_evaluations=self._n_evaluations + n_iter,
            start=[setup.space.coordinates(point) for point in self._starts],
            executor=SerialExecutor(),
            log=log,
            seed=setup.seed,
            callbacks=(),
        )
        self._checkpoint = log.stage(result.stage, _TITLE).resume()[0]
        self._stage_key, self._n_evaluations = result.stage, result.n_evaluations
        self._tempering = result.tempering
        interrupted = result.status.outcome is Outcome.INTERRUPTED
        made = len(self._records) - first
        if made < n_iter and not (interrupted or objective.reason or objective.guard.error):
            warnings.warn(f"{made} of {n_iter} iterations were made: {result.status.message}", stacklevel=4)
        return interrupted

    def _report(self, objective: Objective, options: SearchOptions, name: str, first: int, seconds: float) -> None:
        if not options.verbosity:
            return
        state = self._setup.random_state
        ended = Ended(type(self).__name__, name, state, first, seconds, objective.reason, self._acceptance())
        say(summary(ended, options, self._records))

    def _acceptance(self) -> float | None:
        """Share of the moves of all replicas that were accepted; None where nothing was accepted or rejected."""
        if self._tempering is None or not np.isfinite(self._tempering.acceptance).all():
            return None
        return float(self._tempering.acceptance.mean())

    def _course(self) -> TemperingDiagnostics | None:
        return self._tempering

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: everything but what can be made again."""
        return {**vars(self), "_table": None}

    def __repr__(self) -> str:
        """Return the name, the parameters and what was found."""
        found = f", best score {self._records.best_score:.6g}" if self._records.best_row >= 0 else ""
        return f"<{type(self).__name__}: {', '.join(self._setup.space.names)}, {len(self._records)} evaluations{found}>"


def _name_of(objective: Callable[..., Any]) -> str:
    return str(getattr(objective, "__name__", type(objective).__name__))
