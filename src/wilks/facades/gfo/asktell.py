"""Ask and tell: the user's own loop, in any order, with any number of trials under way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.proposal import Evaluations, EvaluationStatus
from wilks.facades.gfo.feasibility import is_allowed
from wilks.facades.gfo.found import Found
from wilks.facades.gfo.objective import checked
from wilks.facades.gfo.options import optimum as direction
from wilks.facades.gfo.options import whole
from wilks.facades.gfo.setup import Given, Setup
from wilks.facades.gfo.storage import ObjectiveResult

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wilks.core.proposal import Proposals
    from wilks.searchers.searcher import Searcher
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics

    Score = float | tuple[float, dict[str, Any]] | None

_EVERYTHING = 1_000_000
_MAX_IN_VAIN = 20_000
_OK, _FAILED, _VIOLATED = int(EvaluationStatus.OK), int(EvaluationStatus.FAILED), int(EvaluationStatus.VIOLATED)


class Trial(dict[str, Any]):
    """Values to evaluate, by name.

    Attributes
    ----------
    id
        Number of the trial.
    """

    def __init__(self, values: Mapping[str, Any], number: int) -> None:
        super().__init__(values)
        self.id = number

    def __reduce__(self) -> tuple[type[Trial], tuple[dict[str, Any], int]]:
        """For pickle."""
        return Trial, (dict(self), self.id)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a user's own loop adds to the shared arguments.

    Parameters
    ----------
    initial_evaluations
        Pairs of values and score that are known.
    optimum
        "maximum" or "minimum".
    n_iter
        Number of evaluations that are planned; schedules stretch over it.
    """

    initial_evaluations: Sequence[tuple[Mapping[str, Any], Score]] | None = None
    optimum: str = "maximum"
    n_iter: int | None = None


class AskTellOptimizer(Found):
    """An optimiser with `ask` and `tell`; the public classes say what is searched with.

    Parameters
    ----------
    given
        The shared arguments.
    make
        Makes the algorithm.
    plan
        The others.
    """

    def __init__(self, given: Given, make: Callable[..., Searcher], plan: Plan) -> None:
        points, scores = _pairs(plan.initial_evaluations or ())
        if points and given.initialize is None:
            given = dataclasses.replace(given, initialize={})
        setup = Setup(given, make, points)
        super().__init__(setup, 1.0 if direction(plan.optimum) == "maximum" else -1.0)
        budget = None if plan.n_iter is None else whole("n_iter", plan.n_iter, 1)
        self._algorithm = dataclasses.replace(setup.algorithm, budget=budget)
        space = setup.space.space
        thetas = [space.to_theta(setup.space.coordinates(point)) for point in setup.starts]
        starts = space.to_unit(np.array(thetas)) if thetas else np.empty((0, space.dimension))
        self._state = self._algorithm.init(space, setup.seed, starts)
        self._open: dict[int, array[float]] = {}
        self._last: list[int] = []
        if points:
            self._enter_known(scores)

    def _enter_known(self, scores: list[Score]) -> None:
        proposals, self._state = self._algorithm.ask(self._state, len(scores))
        trials = self._handed(proposals, check=False)
        self._last = [trial.id for trial in trials]
        self.tell(scores)

    def ask(self, n: int | None = 1) -> list[Trial]:
        """Return points to evaluate.

        Parameters
        ----------
        n
            How many, whatever is still to be told; None for as many as the method wants to hear of before it moves
            on, which is none while those are under way.

        Returns
        -------
        list
            Dictionaries of values, each with the attribute `id`.
        """
        wanted = _EVERYTHING if n is None else whole("ask: n", n, 1)
        trials: list[Trial] = []
        n_in_vain = 0
        while len(trials) < wanted and n_in_vain < _MAX_IN_VAIN:
            before = len(trials)
            if n is None:
                proposals, self._state = self._algorithm.ask(self._state, wanted)
            else:
                proposals, self._state = self._algorithm.ask_more(self._state, wanted - before)
            trials += self._handed(proposals, check=True)
            n_violated = len(proposals) - (len(trials) - before)
            n_in_vain = n_in_vain + n_violated if len(trials) == before else 0
            if not n_violated and (n is None or not len(proposals)):
                break
        if n_in_vain >= _MAX_IN_VAIN:
            raise InvalidProblemError(
                f"ask: the last {n_in_vain} proposals violated the constraints; narrow the search space, or give "
                "initial_evaluations that satisfy them"
            )
        self._last = [trial.id for trial in trials]
        return trials

    def _handed(self, proposals: Proposals, *, check: bool) -> list[Trial]:
        """Trials for the proposals that the constraints allow; the method is told at once of the others."""
        setup = self._setup
        trials: list[Trial] = []
        violated: list[int] = []
        for number, theta in zip(proposals.ids.tolist(), proposals.thetas, strict=True):
            numbers = setup.space.snapped(setup.space.space.to_values(theta))
            if check and not is_allowed(setup.space, setup.constraints, numbers):
                violated.append(number)
                continue
            self._open[number] = setup.space.row(numbers)
            trials.append(Trial(setup.space.para(numbers), number))
        if violated:
            n = len(violated)
            self._tell_method(violated, np.full(n, -np.inf), np.full(n, _VIOLATED, dtype=np.int8))
        return trials

    def tell(self, scores: Sequence[Score] | Mapping[int, Score] | float, ids: Sequence[int] | None = None) -> None:
        """Report scores.

        Parameters
        ----------
        scores
            Scores of the last `ask`, in its order; or of the trials `ids`; or a dictionary from trial id to score.
            A score may be a pair of a number and a dictionary of metrics. None and NaN mean that the trial failed.
        ids
            Numbers of the trials, in any order; those that are left out can be told later.

        Raises
        ------
        InvalidConfigurationError
            If the numbers do not fit, or a trial is unknown or was told before.
        """
        told = self._by_id(scores, ids)
        results = {number: _result(score, number) for number, score in told.items()}
        values = []
        self._began = True
        for number, result in results.items():
            if result.metrics:
                self._records.metrics[len(self._records)] = result.metrics
            values.append(self._records.add(self._open.pop(number), result.score, math.nan, math.nan))
        likelihoods = np.array(values)
        statuses = np.where(np.isnan([r.score for r in results.values()]), _FAILED, _OK).astype(np.int8)
        self._tell_method(list(results), likelihoods, statuses)

    def _by_id(self, scores: object, ids: Sequence[int] | None) -> dict[int, Score]:
        if isinstance(scores, Mapping):
            told = dict(scores)
        else:
            numbers = self._last if ids is None else list(ids)
            listed = list(scores) if isinstance(scores, (list, tuple, np.ndarray)) else [scores]
            if len(listed) != len(numbers) or len(set(numbers)) != len(numbers):
                raise InvalidConfigurationError(
                    f"tell: expected {len(set(numbers))} scores, one for every trial, got {len(listed)}; "
                    "to tell some of them, give their ids too: tell(scores, ids)"
                )
            told = dict(zip(numbers, listed, strict=True))
        unknown = [number for number in told if number not in self._open]
        if unknown or not told:
            raise InvalidConfigurationError(
                f"tell: {'no trial is' if not told else f'trial {unknown[0]!r} is not'} waiting for a score; "
                f"waiting are {list(self._open) or 'none'}; call ask() first"
            )
        return told

    def _tell_method(self, numbers: list[int], likelihoods: NDArray[np.float64], statuses: NDArray[np.int8]) -> None:
        n = len(numbers)
        evaluations = Evaluations(
            ids=np.array(numbers, dtype=np.int64),
            thetas=np.empty((n, self._setup.space.space.dimension)),
            phases=np.zeros(n, dtype=np.int8),
            log_likelihoods=likelihoods,
            statuses=statuses,
            seconds=np.zeros(n, dtype=np.float32),
            workers=np.zeros(n, dtype=np.int32),
        )
        self._state = self._algorithm.tell(self._state, evaluations)

    @property
    def waiting(self) -> list[int]:
        """Numbers of the trials that were handed out and not told."""
        return list(self._open)

    def _course(self) -> TemperingDiagnostics | None:
        return self._algorithm.findings(self._state).tempering


def _pairs(known: Sequence[Any]) -> tuple[list[Mapping[str, Any]], list[Score]]:
    for pair in known:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], Mapping):
            raise InvalidConfigurationError(
                f"initial_evaluations: expected pairs of a dictionary of values and a score, got {pair!r}"
            )
    return [pair[0] for pair in known], [pair[1] for pair in known]


def _result(score: Score, number: int) -> ObjectiveResult:
    if score is None:
        return ObjectiveResult(math.nan, {})
    answer = checked(score, {"trial": number})
    return answer if isinstance(answer, ObjectiveResult) else ObjectiveResult(answer, {})
