r"""From a lattice to the grid: halve the spacing, and accept a cell by one evaluation where the prediction is good.

A map of thousands of cells is first made on every second, fourth ... node. On each finer level the candidates are the
neighbours, corners included, of every cell above the cut; a candidate that turns out to be above it makes its own
neighbours candidates, so the edge of the region is found on the level itself. For each branch near by the argmax and
the value are predicted from the coarser levels (`profiles.surrogate`), and the likelihood is evaluated there, branch
by branch from the best prediction on, as long as the next one may be better than what was found.

With f the value found at the predicted argmax and the quantities of (2) there, the cell is accepted if

.. math:: |f - L| < \epsilon,\ unc < 5 \epsilon \mbox{ and } loss < 3 \epsilon, \qquad \mbox{or} \qquad
          loss < \epsilon / 100 \mbox{ and } |f - L| < \min(100 \epsilon, 3\, unc)                             (1)

The first is a test of the value, the second of the argmax: it makes profiles cheap that ripple while their argmax
hardly moves. A cell that lies so far outside the region that neither the errors of the prediction nor three times
:math:`|f - L|` would bring it in is accepted too. Any other cell is optimised from there, and so is a fixed share of
those inside that would be accepted. Only values that were evaluated enter the map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.profiles import ends
from wilks.profiles.prediction import predict
from wilks.profiles.records import Solution
from wilks.profiles.surrogate import fit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.profiles.schedule import ProfileMap
    from wilks.profiles.state import Job, MapState

_BLOCK = 256
_LOSS, _CERTAIN, _SMALL_LOSS, _WIDE_GAP = 3.0, 5.0, 0.01, 100.0  # in units of the accuracy
_CHECKED_SHARE = 0.05
_MOST_UNCERTAIN = 0.5
_LARGEST_DROP, _RESOLVED = 0.25, 0.005
_HASH = 2654435761  # Knuth's multiplier


@dataclass
class Guess:
    """What is expected of a branch in a cell.

    Attributes
    ----------
    row
        Nearest solution of the branch.
    argument, value, uncertainty, loss
        Prediction and its errors; NaN and infinity where there are too few solutions for a fit.
    """

    row: int
    argument: NDArray[np.float64]
    value: float
    uncertainty: float
    loss: float


def begin_level(plan: ProfileMap, state: MapState) -> None:
    """Halve the spacing, and make candidates of the cells around the region."""
    state.spacing //= 2
    state.candidates, state.guesses = [], {}
    state.seen = state.best_rows >= 0
    if len(state.settled):
        state.seen |= state.settled
    if state.grid.adaptive:
        state.candidates = bends(plan, state)
        return
    for cell in plan.region(state).tolist():
        state.grow(cell)


def bends(plan: ProfileMap, state: MapState) -> list[int]:
    """Middles of the steps of a path between which the curve is not resolved.

    It is where the log-likelihood drops by less than a fraction of the threshold over the step, and the best fit in
    the middle is certain and agrees with the straight line in the signed root of the drop
    (`profiles.regions`, equation 2), in which the curve is interpolated.
    """
    known = np.flatnonzero(state.best_rows >= 0)
    values = state.best_values[known]
    steps = np.diff(known) == 2 * state.spacing
    of_interest = np.maximum(values[1:], values[:-1]) > plan.cut(state)
    which = np.flatnonzero(steps & of_interest)
    middles = known[which] + state.spacing
    guesses = predictions(state, middles)
    root = np.sqrt(2 * np.maximum(state.best - values, 0.0))
    chosen = []
    for at, middle in zip(which.tolist(), middles.tolist(), strict=True):
        line = state.best - 0.125 * (root[at] + root[at + 1]) ** 2
        best = max(guesses[middle], key=lambda guess: guess.value if math.isfinite(guess.value) else -math.inf)
        certain = best.uncertainty < _RESOLVED and abs(best.value - line) < _RESOLVED
        gentle = abs(values[at] - values[at + 1]) < _LARGEST_DROP * plan.threshold
        if not (certain and gentle):
            chosen.append(middle)
    return chosen


def queue_block(plan: ProfileMap, state: MapState) -> None:
    """Predict a block of candidates, and queue them."""
    block, state.candidates = state.candidates[:_BLOCK], state.candidates[_BLOCK:]
    cells = np.array(block, dtype=np.int64)
    guesses = predictions(state, cells)
    for cell in block:
        ordered = _ordered(state, plan.options.accuracy, guesses[cell])
        state.guesses[cell] = ordered
        state.push(
            3, ordered[0].value if ordered and math.isfinite(ordered[0].value) else -math.inf, "refine", cell, -1
        )


def _ordered(state: MapState, accuracy: float, guesses: list[Guess]) -> list[Guess]:
    """The best guess first; of several that are equal the oldest branch, so that neighbours choose the same one."""
    highest = max((guess.value for guess in guesses if math.isfinite(guess.value)), default=math.nan)

    def place(guess: Guess) -> tuple[bool, float, int]:
        label = state.records.root(int(state.records.labels[guess.row]))
        value = highest if guess.value > highest - accuracy else guess.value
        return not math.isfinite(value), -value if math.isfinite(value) else 0.0, label

    return sorted(guesses, key=place)


def predictions(state: MapState, cells: NDArray[np.int64]) -> dict[int, list[Guess]]:
    """Guesses of every branch that has solutions near a cell, from the coarser levels."""
    grid, records, spacing = state.grid, state.records, state.spacing
    usable = np.flatnonzero(records.spacings[: records.n] > spacing)
    roots = records.roots()[usable]
    found: dict[int, list[Guess]] = {cell: [] for cell in cells.tolist()}
    for root in np.unique(roots).tolist():
        rows = usable[roots == root]
        near = _near(state, cells, rows, 5 * spacing)
        if not len(near):
            continue
        fits = fit_rows(grid, records, rows, near, spacing)
        for at, cell in enumerate(near.tolist()):
            row = int(fits.nearest[at])
            if row >= 0:
                known = bool(fits.known[at])
                found[cell].append(
                    Guess(
                        row,
                        fits.arguments[at],
                        float(fits.values[at]) if known else math.nan,
                        float(fits.uncertainties[at]),
                        float(fits.losses[at]),
                    )
                )
    return found


def _near(state: MapState, cells: NDArray[np.int64], rows: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Those of `cells` that lie within reach of the box around the rows' cells."""
    index = state.grid.indices
    places = index[state.records.cells[rows]]
    own = index[cells]
    inside: NDArray[np.int64] = cells[
        ((own >= places.min(axis=0) - reach) & (own <= places.max(axis=0) + reach)).all(axis=1)
    ]
    return inside


def begin_cell(plan: ProfileMap, state: MapState, cell: int) -> None:
    """Evaluate the next branch of a candidate that may be better than what is known of it."""
    guesses = state.guesses.get(cell, [])
    while guesses:
        guess = guesses.pop(0)
        known = state.best_values[cell]
        if (
            np.isfinite(known)
            and guess.value + min(guess.uncertainty, _MOST_UNCERTAIN) <= known + plan.options.accuracy
        ):
            continue
        label = state.records.root(int(state.records.labels[guess.row]))
        if not math.isfinite(guess.value):
            if np.isfinite(known):
                continue  # nothing but a tangent: the seams are for those
            tangent = state.tangents[label]
            guess.argument = predict(state.grid, state.records, cell, guess.row, tangent, state.spacing).argument
        if state.records.row_of(cell, label) is not None or (label, cell) in state.pending:
            continue
        twin = state.records.alike(cell, guess.argument, state.records.discrete[label])
        if twin is not None:
            continue
        plan.begin(
            state,
            "refine",
            cell,
            label,
            state.bases[label],
            guess.argument,
            curvature=state.records.curvatures[guess.row],
            age=int(state.records.ages[guess.row]) + 1,
            guess=guess,
        )
        return
    state.guesses.pop(cell, None)


def accepts(plan: ProfileMap, state: MapState, job: Job) -> bool:
    """Is one evaluation enough, by (1)? Then enter it."""
    guess, value = job.guess, job.ascent.value
    if guess is None or not math.isfinite(guess.value) or not math.isfinite(value):
        return False
    gap, cut = abs(value - guess.value), plan.cut(state)
    outside = max(value, guess.value + 4 * guess.uncertainty) < cut - 3 * gap
    certain = guess.uncertainty < _CERTAIN * plan.options.accuracy
    by_value = certain and gap < plan.options.accuracy and guess.loss < _LOSS * plan.options.accuracy
    widest = min(_WIDE_GAP * plan.options.accuracy, 3 * guess.uncertainty)
    by_place = guess.loss < _SMALL_LOSS * plan.options.accuracy and gap < widest
    if not (by_value or by_place or outside):
        return False
    if not outside and (job.cell * _HASH % 2**32) / 2**32 < _CHECKED_SHARE:
        return False
    solution = Solution(
        value, job.start, state.records.curvatures[guess.row], job.age, True, state.spacing, anchor=False
    )
    ends.enter_solution(plan, state, job, job.label, solution)
    return True
