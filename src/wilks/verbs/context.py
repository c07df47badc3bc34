"""What all verbs share: seed, executor, log, and the record of what was executed."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.fingerprint import fingerprint
from wilks.core.problem import LikelihoodProblem, Problem
from wilks.core.random import resolve_seed
from wilks.core.result import Provenance, Result, Step
from wilks.core.status import Outcome, Status
from wilks.core.versions import installed_version
from wilks.evaluation.evaluator import Evaluator
from wilks.evaluation.executors import as_executor
from wilks.loop.checkpoint import RunState
from wilks.loop.drive import Callback, Outcomes, Watch, drive
from wilks.loop.progress import Progress
from wilks.loop.stopping import StoppingRule, as_rules
from wilks.searchers.basins import MAX_COMBINATIONS
from wilks.solvers.gradient_check import GradientCheck
from wilks.store.log import EvaluationLog

_LOOKED_AT, _APART, _FAR_APART, _SLOPE, _SAME = 500, 0.05, 0.25, 0.1, 1e-12

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wilks.core.algorithm import Algorithm
    from wilks.core.parameter import Value

    Start = Result | Mapping[str, Value] | Sequence[Mapping[str, Value]] | None


@dataclass(frozen=True)
class Common:
    """The keywords that every verb takes."""

    executor: object = None
    log: EvaluationLog | None = None
    seed: int | None = None
    stop: StoppingRule | Sequence[StoppingRule] | None = None
    callbacks: Sequence[Callback] | None = None


@dataclass
class Context:
    """One call of a verb."""

    problem: Problem
    verb: str
    common: Common
    seed: int = 0
    steps: list[Step] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    n_evaluations: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        """Check the keywords and get ready."""
        if not isinstance(self.problem, Problem):
            raise InvalidProblemError(
                f"{self.verb}: expected a wilks.LikelihoodProblem or wilks.ResidualProblem first, "
                f"got {type(self.problem).__name__}"
            )
        self.seed = resolve_seed(self.common.seed)
        self.stage_key = ""
        self._ended: Status | None = None
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._executor = as_executor(self.common.executor)
        if self.common.log is not None and not isinstance(self.common.log, EvaluationLog):
            raise InvalidConfigurationError(f"log: expected a wilks.EvaluationLog, got {self.common.log!r}")
        self.log = EvaluationLog() if self.common.log is None else self.common.log
        self.log.bind(self.problem)
        given = self.common.callbacks
        if given is not None and (callable(given) or not all(callable(each) for each in given)):
            raise InvalidConfigurationError(f"callbacks: expected a list of functions of a RunInfo, got {given!r:.200}")
        callbacks = (Progress(),) if given is None else tuple(given)
        self._rules, self._callbacks = as_rules(self.common.stop), callbacks
        self.stats.update(n_failed=0, n_reused=0, n_violated=0)

    def run(self, algorithm: Algorithm[Any], title: str, starts: NDArray[np.float64], *identity: object) -> Outcomes:
        """Drive one algorithm; the same algorithm, problem, seed and `identity` find their checkpoint again.

        After a check that was ended from outside nothing is driven any more.
        """
        if self._ended is not None:
            state = algorithm.init(self.problem.space, self.seed, starts)
            return Outcomes(state, self._ended, RunState(state), 0.0, 0)
        key = fingerprint(self.verb, repr(algorithm), self.seed, self.problem.fingerprint, *identity)
        self.stage_key = f"{self.verb}-{key}"
        stage = self.log.stage(self.stage_key, title)
        watch = Watch(title, self._rules, self._callbacks, self.n_evaluations, time.perf_counter() - self.began)
        evaluator = Evaluator(self.problem, self._executor)
        outcomes = drive(algorithm, evaluator, stage, watch, seed=self.seed, starts=starts)
        self.n_evaluations += outcomes.run.n_evaluations
        self.stats["n_failed"] += outcomes.run.n_failed
        self.stats["n_violated"] += outcomes.run.n_violated
        self.stats["n_reused"] += outcomes.n_reused
        if self.has_gradient:
            self._count_gradients(outcomes)
        return outcomes

    @property
    def has_gradient(self) -> bool:
        """Did the user give a gradient?"""
        return isinstance(self.problem, LikelihoodProblem) and self.problem.gradient is not None

    def _count_gradients(self, outcomes: Outcomes) -> None:
        run = outcomes.run
        for name in ("n_gradients", "n_gradient_entries_missing", "n_gradient_errors"):
            self.stats[name] = self.stats.get(name, 0) + getattr(run, name)
        if run.n_gradient_errors:
            reason = run.gradient_error.strip().splitlines()[-1:] or ["its text was not kept"]
            detail = (
                f"failed at {run.n_gradient_errors} of {run.n_gradients} points; finite differences were used there. "
                f"The first: {reason[0]}"
            )
            self.steps.append(Step("gradient", detail))

    def check_gradient(self, starts: NDArray[np.float64]) -> Status | None:
        """Compare the user's gradient with differences, at the price of four evaluations.

        Returns
        -------
        Status or None
            The status, if the check was ended from outside.

        Raises
        ------
        InvalidProblemError
            If it points the wrong way.
        """
        if not self.has_gradient:
            return None
        outcomes = self.run(GradientCheck(), f"check of the gradient of {self.problem.name}", starts, starts)
        n = outcomes.run.n_evaluations
        if outcomes.status.outcome is not Outcome.CONVERGED:
            self._ended = outcomes.status
            return outcomes.status
        if outcomes.state.is_wrong:
            raise InvalidProblemError(f"{self.verb}: {outcomes.state.message}")
        message = outcomes.state.message or f"agrees with differences at {len(outcomes.state.ends)} points"
        if outcomes.state.message:
            self.stats["gradient_warning"] = message
        self.steps.append(Step("check of the gradient", message, n))
        return None

    def provenance(self) -> Provenance:
        """Where the result comes from."""
        return Provenance(
            versions=_versions(),
            seed=self.seed,
            problem=self.problem.name,
            fingerprint=self.problem.fingerprint,
            executed=tuple(self.steps),
            executor=self._executor.name,
            started=self._started,
            seconds=time.perf_counter() - self.began,
        )

    def starts(self, start: Start) -> NDArray[np.float64]:
        """Points of the unit box to start from, shape (n, dimension): what the caller gave, or initial values."""
        space = self.problem.space
        several = start is None or isinstance(start, (list, tuple))
        given: list[object] = list(start or ()) if several else [start]  # type: ignore[arg-type]  # checked
        rows = []
        for item in given:
            values = item.best if isinstance(item, Result) else item
            if not isinstance(values, Mapping):
                raise InvalidConfigurationError(
                    f"start: expected a result, a dictionary of values or a list of these, got {values!r}"
                )
            if isinstance(item, Result):  # perhaps of a problem with other parameters free
                if not values:
                    raise InvalidConfigurationError(f"start: the given result has no best point: {item.status.message}")
                values = {name: value for name, value in values.items() if name in space.free}
            rows.append(space.to_theta(values))
        if not rows and space.start is not None:
            rows.append(space.start)
        return space.to_unit(np.array(rows)) if rows else np.empty((0, space.dimension))

    def with_logged(self, starts: NDArray[np.float64], n: int, depth: float = math.inf) -> NDArray[np.float64]:
        """Append the best peaks of the log that lie apart from the starts and from each other, `n` at most.

        First those that are far apart, or one dense peak would hide all others; `depth` is how far below the best point
        of the log they may lie. A peak has no better point of the log near by: from there an ascent would end in the
        same place.
        """
        space, root = self.problem.space, self.problem.root.space
        far = self.log.top(n + len(starts), apart=_FAR_APART)
        best = self.log.top(_LOOKED_AT)
        if not len(best):
            return starts
        units = root.to_unit(best)
        rises = [i == 0 or np.abs(units[:i] - units[i]).max(axis=1).min() > _SLOPE for i in range(len(best))]
        points = np.concatenate([far, best[rises]])
        points = points[self._is_peak(root.to_unit(points), depth)]
        chosen = list(starts)
        for unit in space.to_unit(points[:, self.problem.root_columns()]):
            if len(chosen) >= len(starts) + n:
                break
            if all(float(np.abs(unit - other).max()) > _APART for other in chosen):
                chosen.append(unit)
        return np.array(chosen).reshape(-1, space.dimension)

    def _is_peak(self, points: NDArray[np.float64], depth: float) -> NDArray[np.bool_]:
        """Which points of the log have no better one near by, and are not `depth` below the first, its best one?"""
        root = self.problem.root.space
        own, highest = np.full(len(points), -np.inf), np.full(len(points), -np.inf)
        for batch in self.log.iter_batches():
            values = np.where(np.isfinite(batch["log_likelihoods"]), batch["log_likelihoods"], -np.inf)
            others = root.to_unit(batch["thetas"])
            for row, unit in enumerate(points):
                gaps = np.abs(others - unit).max(axis=1)
                own[row] = max(own[row], values[gaps < _SAME].max(initial=-np.inf))
                highest[row] = max(highest[row], values[gaps < _SLOPE].max(initial=-np.inf))
        found: NDArray[np.bool_] = (own >= highest) & (own > own[0] - depth)
        return found


def check_discrete(problem: Problem, verb: str, besides: Sequence[str] = ()) -> None:
    """Refuse a problem with more combinations of discrete values than a local method can go through."""
    space = problem.space
    sizes = {name: space[name].n_values for name in space.free if name not in besides}
    discrete = {name: size for name, size in sizes.items() if size is not None}
    n = math.prod(discrete.values())
    if n > MAX_COMBINATIONS:
        raise InvalidProblemError(
            f"{verb}: the discrete parameters {', '.join(discrete)} have {n} combinations, and each would need local "
            f"ascents of its own (at most {MAX_COMBINATIONS} are gone through); fix some of them with problem.fix(...)"
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "numpy": np.__version__}
    return found | {name: installed_version(name) for name in ("wilks", "scipy")}
