"""Parallel tempering as an algorithm of the driver loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.core.proposal import Phase
from wilks.searchers.options import check_count
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState
from wilks.searchers.tempering.diagnostics import TemperingDiagnostics
from wilks.searchers.tempering.optimiser import TemperingState
from wilks.searchers.tempering.remarks import sampling_remarks
from wilks.searchers.tempering.sampler import SamplerState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.searchers.coordinates import Coordinates, Point

_REPLICAS_REAL, _REPLICAS_DISCRETE = 6, 10
_LEAST_PER_REPLICA = 25
_LEAST_FIRST, _FIRST_PER_PARAMETER = 20, 4
_NOT_BEGUN = "No draws: the search ended among the first points."
_SAMPLING_BOUNDARIES = ("reflect", "periodic")


@dataclass(frozen=True, kw_only=True)
class ParallelTempering(Searcher):
    """Replica exchange: walkers at several temperatures that exchange their states.

    Hot replicas cross barriers, cold ones refine what they hand down. Temperatures, steps and the weights of the moves
    adapt themselves; nothing depends on a constant added to the log-likelihood. With a local polish of the best point,
    which pays for its evaluations, it is ``Portfolio(methods=("tempering", "polish"))``.

    With ``sampling=True`` it is a sampler. The temperatures go from 1 to infinity, where the prior is drawn from (the
    declared one; uniform on the scale of the parameter otherwise). A fifth of the budget adapts the ladder, the steps
    and, if `n_replicas` is None, the number of replicas; then everything is frozen, and ``result.sample`` holds the
    draws at T = 1 and the log-evidence. Failed evaluations count as a likelihood of zero. Every sweep costs a few
    evaluations, also at points that were evaluated before.

    Parameters
    ----------
    n_replicas
        Number of replicas; None for 6 where all parameters are real and 10 elsewhere, fewer for a small budget. A
        sampler needs two, and chooses between 3 and 16.
    swap_every
        Sweeps between two exchanges.
    sampling
        Draw from the posterior instead of looking for its maximum; needs ``n_evaluations``.
    initial, restart_probability
        As in every search; a sampler allows no random restarts.
    boundary
        As in every search. In sampling ``"reflect"``, the default, stands for a rejection of what lies outside, which
        costs nothing; ``"periodic"`` is allowed too, the others would bias the draws.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(x=wilks.Real(-5, 5), kind=wilks.Categorical(["a", "b"]))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - (v["kind"] == "a"))
    >>> result = wilks.search(problem, wilks.ParallelTempering(n_replicas=4), n_evaluations=500, seed=1)
    >>> result.best["kind"], round(result.best["x"], 2)
    ('b', 1.0)

    The same as a sampler; the exact log-evidence is -2.11.

    >>> sampler = wilks.ParallelTempering(sampling=True)
    >>> result = wilks.search(problem, sampler, n_evaluations=4000, seed=1)
    >>> abs(result.log_evidence + 2.11) < 4 * result.sample.log_evidence_error
    True
    >>> round(float(result.draws["x"].mean()), 1)
    1.0
    """

    n_replicas: int | None = None
    swap_every: int = 1
    sampling: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_replicas", optional=True)
        check_count(self, "swap_every")
        if not isinstance(self.sampling, bool):
            raise InvalidConfigurationError(
                f"ParallelTempering: sampling: expected True or False, got {self.sampling!r}"
            )
        if self.sampling:
            self._check_sampling()

    def _check_sampling(self) -> None:
        why = "with sampling=True"
        if self.n_replicas is not None and self.n_replicas < 2:
            raise InvalidConfigurationError(
                f"ParallelTempering: n_replicas: expected at least 2 {why}, one at T = 1 and one for the prior, "
                f"got {self.n_replicas}"
            )
        if self.boundary not in _SAMPLING_BOUNDARIES:
            raise InvalidConfigurationError(
                f"ParallelTempering: boundary: expected 'reflect' (what lies outside is rejected) or 'periodic' {why}, "
                f"got {self.boundary!r}, which would bias the draws"
            )
        if self.restart_probability > 0:
            raise InvalidConfigurationError(
                f"ParallelTempering: restart_probability: expected 0 {why}, since random restarts would bias the "
                f"draws, got {self.restart_probability!r}"
            )

    @property
    def remembers_points(self) -> bool:
        """A sampler counts every visit."""
        return self.remember and not self.sampling

    def init(self, space: Space, seed: int, starts: NDArray[np.float64]) -> SearchState:
        """Return the state before the first batch; `starts` are evaluated first.

        Raises
        ------
        InvalidConfigurationError
            If it is to sample and there is no budget.
        """
        if self.sampling and self.budget is None:
            raise InvalidConfigurationError(
                "ParallelTempering: sampling=True needs a number of evaluations, since a fifth of it is the burn-in, "
                "got None; pass n_evaluations=..."
            )
        return super().init(space, seed, starts)

    def replicas_for(self, coordinates: Coordinates) -> int:
        """Number of replicas in a space."""
        if self.n_replicas is not None:
            return self.n_replicas
        n = _REPLICAS_REAL if len(coordinates.reals) == coordinates.dimension else _REPLICAS_DISCRETE
        return n if self.budget is None else max(2, min(n, self.budget // _LEAST_PER_REPLICA))

    def n_initial(self, coordinates: Coordinates) -> int:
        """At least one point for every replica; a sampler measures the spread of the losses by them."""
        if self.sampling:
            n = max(_LEAST_FIRST, _FIRST_PER_PARAMETER * coordinates.dimension)
            return n if self.budget is None else max(1, min(n, self.budget // 5))
        return max(super().n_initial(coordinates), self.replicas_for(coordinates))

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Start the replicas from the best points, those of a sampler from points of every quality."""
        if self.sampling and self.budget is not None:
            state.engine = SamplerState.begin(
                state.coordinates, points, losses, self.n_replicas, state.n_told, self.budget
            )
        else:
            n = self.replicas_for(state.coordinates)
            state.engine = TemperingState.begin(state.coordinates, points, losses, n)

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return one proposal for every replica; a sampler needs none that it can reject without."""
        engine: TemperingState | SamplerState = state.engine
        return engine.propose(state.coordinates, state.dice)

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """One sweep: accept or reject, then exchange."""
        engine: TemperingState | SamplerState = state.engine
        if isinstance(engine, SamplerState):
            if engine.absorb(state.dice, batch.points, batch.losses, batch.violated, batch.notes):
                engine.end_sweep(state.dice, state.n_told, attempt=(engine.n_swept + 1) % self.swap_every == 0)
            return
        used = self.used(state) if self.budget else None
        engine.absorb(state.dice, batch.points, batch.losses, batch.notes, used)
        engine.swap(state.dice, used, attempt=(engine.record.n_sweeps + 1) % self.swap_every == 0)

    @property
    def moves_in_vain(self) -> bool:  # type: ignore[override]  # a constant elsewhere
        """A sampler proposes by its kernel alone."""
        return not self.sampling

    @property
    def phase(self) -> Phase:  # type: ignore[override]  # a constant elsewhere
        """What its evaluations are logged as."""
        return Phase.SAMPLE if self.sampling else Phase.SEARCH

    def learn(self, state: SearchState, point: Point, loss: float) -> None:
        """Put a point found elsewhere on the coldest rung of the optimiser, if it is the best."""
        if isinstance(state.engine, TemperingState):
            state.engine.adopt(point, loss)

    def findings(self, state: SearchState) -> Findings:
        """Return the course of the replicas, and what was sampled so far."""
        engine: TemperingState | SamplerState | None = state.engine
        if isinstance(engine, SamplerState):
            remarks = sampling_remarks(engine, state.n_told, self.budget or 0)
            diagnostics = TemperingDiagnostics.of(engine.record, engine.temperatures)
            return Findings({"sampling": remarks}, diagnostics, engine.sample(state.coordinates))
        if engine is None:
            return Findings({"sampling": _NOT_BEGUN} if self.sampling else {})
        temperatures = engine.temperatures(self.used(state) if self.budget else None)
        return Findings(tempering=TemperingDiagnostics.of(engine.record, temperatures))

    def describe(self, state: SearchState) -> tuple[str, float]:
        """What is going on, for people."""
        engine: TemperingState | SamplerState | None = state.engine
        activity, fraction = super().describe(state)
        if isinstance(engine, SamplerState):
            activity = "sampling" if engine.frozen else "burn-in"
        return activity, fraction
