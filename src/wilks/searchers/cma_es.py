r"""CMA-ES with BIPOP restarts, through the package ``cmaes``.

A normal distribution N(m, sigma^2 C) is moved and shaped by the better half of its draws (Hansen 2016,
https://arxiv.org/abs/1604.00772). When it has converged it begins anew from a random mean: either with twice as many
draws as the last such run, or with few draws and a smaller sigma, whichever kind has used fewer evaluations (BIPOP:
Hansen 2009, https://doi.org/10.1145/1570256.1570333).

Discrete coordinates are treated as in CatCMA with margin (Hamano et al. 2025, https://arxiv.org/abs/2504.07884): an
ordered one is the rounded component of the normal distribution, whose probability to leave the present value never
falls below a margin; a categorical one has a probability of each level, which never falls below a margin either. It
is meant for spaces where the reals matter; where the choice of categories decides, use differential evolution.

A draw beyond a bound is evaluated where the rule for the boundary puts it. With ``"reflect"`` and ``"periodic"`` the
distribution lives in the unfolded space; with the other rules it learns from the point as evaluated.

The package compares losses with absolute tolerances: it is given the difference from the first best one in hundredths
of the spread of the first losses, so neither an offset nor a factor changes the run. It draws from its own generator,
which gets a new seed from the dice of the search for every generation; everything else that it knows is kept as plain
numbers and arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.searchers.cma_strategy import Parts, begun, components_of, limited_step, memory_of, one_hot, strategy_of
from wilks.searchers.losses import spread_of
from wilks.searchers.options import check_count, check_number
from wilks.searchers.searcher import Searcher
from wilks.searchers.state import Batch, Findings, SearchState

if TYPE_CHECKING:
    from cmaes import CatCMAwM
    from numpy.typing import NDArray

    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.dice import Dice

_SEED_LIMIT = 2**32
_LOSS_UNIT = 1e-2  # of the spread: the package stops at differences of 1e-12 in this unit
_UNFOLDED = ("reflect", "periodic")
_MOST_DOUBLINGS = 9
_LEAST_DRAWS = 4
_NOTICEABLE = 1e-12
_PATIENCE, _PATIENCE_DISCRETE = 5.0, 2.0


@dataclass
class Run:
    """One run between two restarts.

    Attributes
    ----------
    memory
        What the strategy of the package knows, by attribute.
    size
        Number of draws in a generation.
    large
        Is it of the kind with growing populations?
    n_used
        Evaluations that it took.
    lowest
        Its best loss.
    n_idle
        Generations since that fell noticeably.
    """

    memory: dict[str, Any]
    size: int
    large: bool
    n_used: int = 0
    lowest: float = math.inf
    n_idle: int = 0


@dataclass
class Draws:
    """What a generation must be remembered by.

    Attributes
    ----------
    run, generation
        Numbers of the run and of the generation that made it.
    raw
        Draws of the normal distribution, shape (n, number of components).
    points
        As they were to be evaluated.
    """

    run: int
    generation: int
    raw: NDArray[np.float64]
    points: list[Point]


@dataclass
class Bipop:
    """State of CMA-ES with restarts.

    Attributes
    ----------
    parts
        Which coordinates are treated how.
    reference, spread
        Offset and scale of the losses; infinite and 0 while none was finite or different.
    run
        The present run.
    n_runs, n_doublings
        Runs so far, and doublings of the population.
    n_used_large, n_used_small
        Evaluations of the restarts of both kinds.
    """

    parts: Parts
    reference: float
    spread: float
    run: Run
    n_runs: int = 1
    n_doublings: int = 0
    n_used_large: int = 0
    n_used_small: int = 0

    def normalised(self, losses: list[float]) -> list[float]:
        """Losses as the package sees them; those that are not finite are a little worse than the worst."""
        finite = [loss for loss in losses if math.isfinite(loss)]
        if finite:
            self.reference = min(finite) if self.reference == math.inf else self.reference
            self.spread = self.spread or spread_of([self.reference, *finite])
        unit = self.spread * _LOSS_UNIT or 1.0
        values = [(loss - self.reference) / unit for loss in finite]
        worst = max(values, default=0.0) + 1.0
        return [(loss - self.reference) / unit if math.isfinite(loss) else worst for loss in losses]

    def next_run(self, dice: Dice, default_size: int, sigma: float, coordinates: Coordinates) -> None:
        """Begin the next run: of the kind that has used less."""
        over = self.run
        if self.n_runs > 1:
            if over.large:
                self.n_used_large += over.n_used
            else:
                self.n_used_small += over.n_used
        large = self.n_used_large <= self.n_used_small
        if large:
            self.n_doublings = min(self.n_doublings + 1, _MOST_DOUBLINGS)
            size = default_size * 2**self.n_doublings
        else:
            ratio = 2.0**self.n_doublings / 2.0
            size = max(_LEAST_DRAWS, int(default_size * ratio ** (dice.uniform() ** 2)))
            sigma *= 10.0 ** (-2.0 * dice.uniform())
        mean = components_of(coordinates, self.parts, coordinates.random_point(dice))
        self.run = Run(begun(coordinates, self.parts, size, mean, sigma), size, large)
        self.n_runs += 1


@dataclass(frozen=True, kw_only=True)
class CmaEs(Searcher):
    """Covariance matrix adaptation with BIPOP restarts.

    The first choice for real parameters that depend on each other; slower than others where they do not.

    Parameters
    ----------
    n_draws
        Size of a generation of the first run; None for 4 + 3 ln d.
    sigma
        First standard deviation, as a share of every range.
    initial, boundary, restart_probability
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.cma_es import CmaEs
    >>> space = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] - 1) ** 2 - 100 * (v["x"] + v["y"]) ** 2)
    >>> result = wilks.search(problem, CmaEs(), n_evaluations=500, seed=1)
    >>> round(result.best["x"], 3), round(result.best["y"], 3)
    (1.0, -1.0)
    """

    n_draws: int | None = None
    sigma: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_draws", least=_LEAST_DRAWS, optional=True)
        check_number(self, "sigma", 1e-6, 1.0)

    def draws_for(self, parts: Parts) -> int:
        """Size of a generation of the first run."""
        return self.n_draws or 4 + int(3 * math.log(max(1, parts.n)))

    def n_initial(self, coordinates: Coordinates) -> int:
        """One generation."""
        return self.draws_for(Parts.of(coordinates))

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:
        """Begin in the middle of the better half of the initial points."""
        coordinates = state.coordinates
        parts = Parts.of(coordinates)
        order = sorted(range(len(points)), key=losses.__getitem__)
        better = order[: max(1, len(order) // 2)]
        weights = np.log(len(better) + 0.5) - np.log(np.arange(1, len(better) + 1))
        mean = np.average([components_of(coordinates, parts, points[i]) for i in better], axis=0, weights=weights)
        size = self.draws_for(parts)
        engine = Bipop(parts, math.inf, 0.0, Run(begun(coordinates, parts, size, mean, self.sigma), size, large=True))
        engine.normalised(losses)
        state.engine = engine

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return one generation."""
        engine: Bipop = state.engine
        coordinates, dice = state.coordinates, state.dice
        if self._is_over(engine):
            engine.next_run(dice, self.draws_for(engine.parts), self.sigma, coordinates)
        run, parts = engine.run, engine.parts
        strategy = strategy_of(run.memory, dice.integer(_SEED_LIMIT))
        drawn = [strategy.ask() for _ in range(run.size)]
        n = len(parts.numeric)
        raw = np.array([d._v_raw for d in drawn]) if n else np.empty((run.size, 0))  # noqa: SLF001 - before rounding
        run.memory = memory_of(strategy)
        points = [self._evaluated(coordinates, parts, d, row, dice) for d, row in zip(drawn, raw.tolist(), strict=True)]
        return points, Draws(engine.n_runs, run.memory["_g"], raw, points)

    def _evaluated(
        self, coordinates: Coordinates, parts: Parts, drawn: CatCMAwM.Solution, raw: list[float], dice: Dice
    ) -> Point:
        """Return a draw as a point inside the box."""
        point = [0.0] * coordinates.dimension
        for value, j in zip(raw, parts.smooth, strict=False):  # the stepped ones follow
            width = coordinates.widths[j]
            point[j] = coordinates.settle(j, value * width, 0.5 * width, dice)
        for row, j in enumerate(parts.stepped):
            point[j] = float(round(drawn.z[row] * coordinates.widths[j]))
        for row, j in enumerate(parts.labelled):
            point[j] = float(np.argmax(drawn.c[row]))
        return point

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Update the distribution, unless the run that drew the points is over."""
        engine: Bipop = state.engine
        draws: Draws = batch.notes
        run, coordinates, parts = engine.run, state.coordinates, engine.parts
        values = engine.normalised(batch.losses)
        if draws.run != engine.n_runs:
            return
        from cmaes import CatCMAwM  # noqa: PLC0415 - it loads scipy

        timely = draws.generation == run.memory["_g"]
        told = []
        for raw, drawn, point, value in zip(draws.raw, draws.points, batch.points, values, strict=True):
            as_drawn = raw
            if parts.numeric:
                if point != drawn or self.boundary not in _UNFOLDED:
                    as_drawn = self._as_evaluated(coordinates, parts, point, raw, same=point == drawn)
                if as_drawn is not raw or not timely:
                    as_drawn = limited_step(run.memory, as_drawn)
            hot = one_hot(coordinates, parts, point) if parts.labelled else None
            told.append((CatCMAwM.Solution(c=hot, _v_raw=as_drawn), value))
        strategy = strategy_of(run.memory)
        strategy.tell(told)
        run.memory = memory_of(strategy)
        self._account(engine, batch.losses)

    def _as_evaluated(
        self, coordinates: Coordinates, parts: Parts, point: Point, raw: NDArray[np.float64], *, same: bool
    ) -> NDArray[np.float64]:
        """Components of a point as evaluated; where it was drawn so, a rounded one keeps its draw."""
        components = components_of(coordinates, parts, point)
        if same:
            n = len(parts.smooth)
            components[n:] = raw[n:]
        return components

    def _account(self, engine: Bipop, losses: list[float]) -> None:
        run = engine.run
        run.n_used += len(losses)
        lowest = min(losses)
        run.n_idle = 0 if lowest < run.lowest - _NOTICEABLE * engine.spread else run.n_idle + 1
        run.lowest = min(run.lowest, lowest)

    def _is_over(self, engine: Bipop) -> bool:
        run, parts = engine.run, engine.parts
        patience = _PATIENCE_DISCRETE if parts.stepped or parts.labelled else _PATIENCE
        if run.n_idle > patience * (10 + math.ceil(30 * parts.n / run.size)):
            return True
        return bool(parts.numeric) and run.n_used > 0 and bool(strategy_of(run.memory).should_stop())

    def findings(self, state: SearchState) -> Findings:
        """Return the number of runs and the size of the present generation."""
        engine: Bipop | None = state.engine
        if engine is None:
            return Findings()
        return Findings({"n_runs": engine.n_runs, "n_draws": engine.run.size})
