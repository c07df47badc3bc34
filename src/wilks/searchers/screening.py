"""Screening: the log-likelihood at all points of a design, of which the best that lie apart are worth an ascent.

An ascent costs tens to hundreds of evaluations, a point one: where the optima are many and most of them poor, it pays
to look at a thousand points and to ascend from ten. Points that violate a constraint cost nothing and are replaced by
others; a point without a likelihood counts, since its evaluation was paid for.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.proposal import EvaluationStatus, Phase, Proposals
from wilks.core.random import keyed_generator
from wilks.core.status import Outcome, Status
from wilks.searchers.basins import start_design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations
    from wilks.core.space import Space

Design = Literal["latin_hypercube", "sobol", "random"]
DESIGNS: tuple[str, ...] = get_args(Design)

_KEY = 30
_APART = 0.1  # of the box, in one coordinate at least
_MOST_DRAWN = 50  # times the number of points that are wanted, where constraints leave little


@dataclass
class ScreeningState:
    """State of a screening.

    Attributes
    ----------
    points
        Points of the unit box, those that were given first, shape (n, dimension).
    values
        Log-likelihood of each; NaN until it is told, minus infinity where there is none.
    violated
        Numbers of the points that violate a constraint.
    n_given
        How many points were given.
    n_handed
        How many points were handed out.
    n_batches
        Designs that were drawn.
    """

    space: Space
    seed: int
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    n_given: int
    violated: list[int] = field(default_factory=list)
    n_handed: int = 0
    n_batches: int = 0

    @property
    def n_screened(self) -> int:
        """Points of the design that were handed out and violate no constraint, as far as is known."""
        return self.n_handed - self.n_given - sum(number >= self.n_given for number in self.violated)


@dataclass(frozen=True)
class Screening:
    """Evaluation of a design; a `core.algorithm.Algorithm`.

    Parameters
    ----------
    design
        ``"latin_hypercube"``, ``"sobol"`` or ``"random"``.
    n_points
        Number of points.
    """

    design: Design
    n_points: int

    generational = True

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> ScreeningState:
        """Return the state before the first point; `starts` are evaluated first, besides the design."""
        given = np.asarray(starts, dtype=float).reshape(-1, space.dimension)
        return ScreeningState(space, seed, given, np.full(len(given), np.nan), len(given))

    def ask(self, state: ScreeningState, limit: int) -> tuple[Proposals, ScreeningState]:
        """Hand out points; when all are told, draw others for those that violate a constraint."""
        n = len(state.points)
        if state.n_handed == n and not np.isnan(state.values).any():
            self._draw(state)
            n = len(state.points)
        last = min(n, state.n_handed + limit)
        ids = np.arange(state.n_handed, last)
        state.n_handed = last
        phases = np.full(len(ids), int(Phase.GLOBAL), dtype=np.int8)
        return Proposals(ids, state.space.from_unit(state.points[ids]), phases), state

    def _draw(self, state: ScreeningState) -> None:
        missing = self.n_points - state.n_screened
        if missing <= 0 or state.n_handed >= _MOST_DRAWN * self.n_points:
            return
        drawn = state.n_handed - state.n_given
        share = max(1, state.n_screened) / max(1, drawn)
        size = min(math.ceil(missing / share), self.n_points) if drawn else missing
        generator = keyed_generator(state.seed, _KEY, state.n_batches)
        rows = design_points(self.design, state.space, size, generator)
        state.n_batches += 1
        state.points = np.concatenate([state.points, rows])
        state.values = np.concatenate([state.values, np.full(len(rows), np.nan)])

    def tell(self, state: ScreeningState, evaluations: Evaluations) -> ScreeningState:
        """Enter the values."""
        state.values[evaluations.ids] = evaluations.log_likelihoods
        state.violated += evaluations.ids[evaluations.statuses == int(EvaluationStatus.VIOLATED)].tolist()
        return state

    def terminate(self, state: ScreeningState) -> Status | None:
        """End when as many points were evaluated as were asked for, or the constraints leave no hope of that."""
        if np.isnan(state.values).any() or not state.n_batches:
            return None
        if state.n_screened < self.n_points and state.n_handed < _MOST_DRAWN * self.n_points:
            return None
        return Status(Outcome.CONVERGED, f"{state.n_screened} points were screened.")

    def describe(self, state: ScreeningState) -> tuple[str, float]:
        """What is going on, for people."""
        return "screening", min(1.0, max(0, state.n_screened) / self.n_points)


def design_points(design: Design, space: Space, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Points of the unit box, shape (size, dimension).

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(0, 1))
    >>> points = design_points("latin_hypercube", space, 4, np.random.default_rng(1))
    >>> sorted((4 * points[:, 0]).astype(int).tolist())
    [0, 1, 2, 3]
    """
    if design == "random":
        return generator.random((size, space.dimension))
    if design == "latin_hypercube":
        return start_design(space, size, generator)
    from scipy.stats import qmc  # noqa: PLC0415 - scipy loads on use

    sequence = qmc.Sobol(space.dimension, rng=generator)
    with warnings.catch_warnings():
        # A length that is no power of two is the user's choice.
        warnings.filterwarnings("ignore", message="The balance properties of Sobol", category=UserWarning)
        return np.asarray(sequence.random(size))


def best_apart(points: NDArray[np.float64], values: NDArray[np.float64], n: int) -> list[int]:
    """Numbers of the `n` best points that lie apart, best first; if there are not so many, of the best others too.

    Those without a finite value are never among them.

    Examples
    --------
    >>> best_apart(np.array([[0.0], [0.02], [0.9]]), np.array([3.0, 2.0, 1.0]), 2)
    [0, 2]
    """
    order = [int(i) for i in np.argsort(-values, kind="stable") if math.isfinite(values[i])]
    kept: list[int] = []
    for i in order:
        if len(kept) == n:
            break
        if not kept or float(np.abs(points[kept] - points[i]).max(axis=1).min()) > _APART:
            kept.append(i)
    others = [i for i in order if i not in set(kept)]
    return sorted(kept + others[: n - len(kept)], key=order.index)
