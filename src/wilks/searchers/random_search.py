"""Points chosen without looking at the loss: uniformly random, a Latin hypercube, a Sobol sequence.

A Latin hypercube of n points has one of them in each of n equal slices of every axis (McKay, Beckman and Conover 1979);
a scrambled Sobol sequence fills the box evenly at every length, best at powers of two (Owen 1998). A design has the
size of the budget. Points that violate the constraints cost nothing and are replaced, and so are those that a space
without real parameters has seen before.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.searchers.designs import latin_hypercube, random_points
from wilks.searchers.options import check_count
from wilks.searchers.searcher import Searcher

if TYPE_CHECKING:
    from wilks.searchers.coordinates import Coordinates, Point
    from wilks.searchers.state import Batch, SearchState


@dataclass
class DrawnSoFar:
    """State of a search that does not look at the loss.

    Attributes
    ----------
    seed
        Of a sequence that is made again whenever it is continued.
    n_drawn
        Number of points that were drawn.
    n_spent
        Number of evaluations before the first of them.
    """

    seed: int
    n_drawn: int
    n_spent: int


@dataclass(frozen=True, kw_only=True)
class _Blind(Searcher):
    """A search that does not look at the loss.

    Parameters
    ----------
    batch_size
        Number of points that are proposed together where a design does not say how many.
    """

    needs_first = False

    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "batch_size")

    @property
    def n_planned(self) -> int | None:
        """Number of evaluations after which the search has nothing left to do."""
        return None

    @abstractmethod
    def draw(self, state: SearchState, n: int) -> list[Point]:
        """Draw the next `n` points."""

    def n_initial(self, coordinates: Coordinates) -> int:  # noqa: ARG002 - the same in every space
        """None: the points of the search are a design already."""
        return 0

    def begin(self, state: SearchState, points: list[Point], losses: list[float]) -> None:  # noqa: ARG002
        """Begin; the initial points count for the number that is planned."""
        state.engine = DrawnSoFar(state.dice.integer(2**32), 0, state.n_told)

    def propose(self, state: SearchState) -> tuple[list[Point], Any]:
        """Return the points that are missing, more of them where many were found to be useless."""
        drawn: DrawnSoFar = state.engine
        n = self.batch_size
        if self.n_planned is not None:
            pending = sum(map(math.isnan, (loss for batch in state.open for loss in batch.losses)))
            missing = self.n_planned - state.n_told - pending
            if missing <= 0:
                state.note = f"All {self.n_planned} points were evaluated."
                return [], None
            n = missing
            if self.n_planned == self.budget:  # which cuts off what is too much
                share = max(1, state.n_told + pending - drawn.n_spent) / max(1, drawn.n_drawn)
                n = max(missing, min(self.batch_size, math.ceil(missing / min(1.0, share))))
        points = self.draw(state, n)
        drawn.n_drawn += n
        return points, None

    def absorb(self, state: SearchState, batch: Batch) -> None:
        """Nothing is learned."""


@dataclass(frozen=True, kw_only=True)
class RandomSearch(_Blind):
    """Uniformly random points, without end.

    What every other search has to beat; with a log scale or a categorical parameter, uniform on that scale or over the
    values.

    Parameters
    ----------
    batch_size
        Number of points that are proposed together.
    initial, remember
        As in every search.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.random_search import RandomSearch
    >>> problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(-5, 5)), lambda v: -(v["x"] - 1) ** 2)
    >>> wilks.search(problem, RandomSearch(), n_evaluations=100, seed=1).n_evaluations
    100
    """

    def draw(self, state: SearchState, n: int) -> list[Point]:
        """Draw uniformly."""
        return random_points(state.coordinates, state.dice, n)


@dataclass(frozen=True, kw_only=True)
class _Design(_Blind):
    """Points that belong together, so that their number matters.

    Parameters
    ----------
    n_points
        Number of points; None for the number of evaluations of the search.
    """

    n_points: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "n_points", optional=True)

    @property
    def n_planned(self) -> int | None:
        """Number of points."""
        return self.budget if self.n_points is None else self.n_points


@dataclass(frozen=True, kw_only=True)
class LatinHypercube(_Design):
    """One Latin hypercube with as many points as the budget has; without a budget one hypercube after another.

    Parameters
    ----------
    n_points
        Size of the design; None for the number of evaluations of the search.
    batch_size
        Size of each hypercube where there is no budget.
    initial, remember
        As in every search; initial points count.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.random_search import LatinHypercube
    >>> problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(0, 10)), lambda v: -v["x"])
    >>> result = wilks.search(problem, LatinHypercube(), n_evaluations=10, seed=1)
    >>> sorted(int(x) for x in result.to_dataframe()["x"])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    def draw(self, state: SearchState, n: int) -> list[Point]:
        """Draw a hypercube."""
        return latin_hypercube(state.coordinates, state.dice, n)


@dataclass(frozen=True, kw_only=True)
class Sobol(_Design):
    """A scrambled Sobol sequence as long as the budget; without a budget it goes on.

    Parameters
    ----------
    n_points
        Length of the sequence; None for the number of evaluations of the search. Powers of two fill the box best.
    batch_size
        Number of points that are proposed together where there is no budget.
    initial, remember
        As in every search; initial points count.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> import wilks
    >>> from wilks.searchers.random_search import Sobol
    >>> problem = wilks.LikelihoodProblem(wilks.Space(x=wilks.Real(0, 8)), lambda v: -v["x"])
    >>> result = wilks.search(problem, Sobol(), n_evaluations=8, seed=1)
    >>> sorted(int(x) for x in result.to_dataframe()["x"])
    [0, 1, 2, 3, 4, 5, 6, 7]
    """

    def draw(self, state: SearchState, n: int) -> list[Point]:
        """Continue the sequence."""
        from scipy.stats import qmc  # noqa: PLC0415 - scipy loads on use

        drawn: DrawnSoFar = state.engine
        sequence = qmc.Sobol(state.coordinates.dimension, rng=drawn.seed)
        if drawn.n_drawn:
            sequence.fast_forward(drawn.n_drawn)
        with warnings.catch_warnings():
            # A length that is no power of two is the user's choice.
            warnings.filterwarnings("ignore", message="The balance properties of Sobol", category=UserWarning)
            return state.coordinates.points(sequence.random(n))
