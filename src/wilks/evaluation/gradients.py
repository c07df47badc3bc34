"""What became of the gradients that were asked for: counts for the result of a run.

The counts are taken from the evaluations, which come back from wherever they were made and are kept in the log, so they
are the same for any executor and for a run that was resumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wilks.core.proposal import EvaluationStatus

if TYPE_CHECKING:
    from wilks.core.proposal import Evaluations
    from wilks.evaluation.call import ChunkAnswer

_OK = int(EvaluationStatus.OK)


class GradientCounts(NamedTuple):
    """How the gradients of some evaluations ended."""

    n_gradients: int
    """Calls of the user's gradient, those that failed included."""
    n_missing: int
    """Derivatives that it left out or that were not finite, without those of calls that failed."""
    n_errors: int
    """Calls that raised, or returned something that is no gradient."""


def count_gradients(evaluations: Evaluations | ChunkAnswer) -> GradientCounts:
    """Count the gradients among the payloads.

    Examples
    --------
    >>> from wilks.core.parameter import Real
    >>> from wilks.core.problem import LikelihoodProblem
    >>> from wilks.core.space import Space
    >>> from wilks.evaluation.call import evaluate_chunk
    >>> space = Space(a=Real(-1, 1), b=Real(-1, 1))
    >>> problem = LikelihoodProblem(space, lambda v: v["a"] * v["b"], gradient=lambda v: {"a": v["b"]})
    >>> count_gradients(evaluate_chunk(problem, np.zeros((3, 2)), "gradient"))
    GradientCounts(n_gradients=3, n_missing=3, n_errors=0)
    """
    gradients = [
        (position, payload)
        for position, payload in enumerate(evaluations.payloads or ())
        if payload is not None and payload.ndim == 1 and evaluations.statuses[position] == _OK
    ]
    broken = {position for position, _ in gradients if position in evaluations.errors}
    n_missing = sum(int(np.isnan(payload).sum()) for position, payload in gradients if position not in broken)
    return GradientCounts(len(gradients), n_missing, len(broken))


def first_error(evaluations: Evaluations | ChunkAnswer) -> str:
    """Text of the first gradient that failed; empty when none did."""
    for position, text in sorted(evaluations.errors.items()):
        if evaluations.statuses[position] == _OK:
            return text
    return ""
