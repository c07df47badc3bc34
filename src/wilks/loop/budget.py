"""Budgets of evaluations: never more are made than are allowed, and points that violate constraints cost nothing.

Which points violate a constraint is known only when they are back. So points are handed out as if each of them counted,
the others wait, and for each that did not count another one follows. They go in the order in which they were proposed,
and the last one is handed out only when all before it leave room; so the points that are evaluated are the same for any
number of workers.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from wilks.core.status import Outcome, Status
from wilks.evaluation.evaluator import rows
from wilks.loop.stopping import MaxEvaluations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wilks.core.proposal import Proposals
    from wilks.evaluation.evaluator import Evaluator
    from wilks.loop.stopping import StoppingRule


class Budget:
    """Hands points on to the evaluator, as many as the rules allow.

    Parameters
    ----------
    rules
        The stopping rules of the run; the smallest `MaxEvaluations` among them counts.
    evaluator
        Who gets the points.
    """

    def __init__(self, rules: Iterable[StoppingRule], evaluator: Evaluator) -> None:
        found = [rule for rule in rules if isinstance(rule, MaxEvaluations)]
        self._rule = min(found, key=lambda rule: rule.n) if found else None
        self._evaluator = evaluator
        self._kept_back: deque[Proposals] = deque()

    @property
    def limit(self) -> float:
        """Number of evaluations that are allowed."""
        return math.inf if self._rule is None else self._rule.n

    @property
    def keeps_back(self) -> bool:
        """Are there points that were not handed out?"""
        return bool(self._kept_back)

    def submit(self, proposals: Proposals, n_made: int) -> None:
        """Take points, when `n_made` evaluations are made and others are under way; hand out what fits."""
        n = len(proposals.ids)
        rule = self._rule
        if rule is None or (not self._kept_back and n_made + self._evaluator.outstanding + n <= rule.n):
            self._evaluator.submit(proposals)
        elif n:
            self._kept_back.append(proposals)
            self.release(n_made)

    def release(self, n_made: int) -> None:
        """Hand out what fits, when `n_made` evaluations are made and others are under way."""
        while self._kept_back and self._rule is not None:
            allowed = self._rule.remaining(n_made + self._evaluator.outstanding)
            if not allowed:
                return
            batch = self._kept_back.popleft()
            if len(batch) > allowed:
                self._kept_back.appendleft(rows(batch, slice(allowed, None)))
                batch = rows(batch, slice(None, allowed))
            self._evaluator.submit(batch)

    def status(self, n_made: int) -> Status | None:
        """The end of the run, when points are kept back although none is under way."""
        if self._rule is None or not self._kept_back:
            return None
        return Status(Outcome.EVALUATION_LIMIT, f"{n_made} evaluations were made, {self._rule.n} were allowed.")
