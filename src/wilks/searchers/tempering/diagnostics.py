"""What a tempering run did: acceptance, swaps, the ladder and the way of every replica along it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_RECORDS = 2000


@dataclass
class Record:
    """Counters that a tempering state carries along; the memory does not grow with the length of the run.

    Attributes
    ----------
    proposed, accepted
        Moves on every rung.
    swap_attempts, swap_probability, swaps
        Attempts, sum of their probabilities and number of exchanges of every pair of neighbours.
    trips
        Completed journeys from the coldest rung to the hottest and back, of every replica.
    heading
        Where each replica came from: 0 nowhere yet, 1 the cold end, -1 the hot end after the cold one.
    every
        Sweeps between two entries of `trajectory`; it doubles when the list is full.
    trajectory
        Replica on every rung, entry after entry.
    ladders
        (number of the sweep, temperatures) whenever the ladder was adapted.
    """

    proposed: list[int]
    accepted: list[int]
    swap_attempts: list[int]
    swap_probability: list[float]
    swaps: list[int]
    trips: list[int]
    heading: list[int]
    n_sweeps: int = 0
    every: int = 1
    trajectory: list[int] = field(default_factory=list)
    ladders: list[tuple[int, list[float]]] = field(default_factory=list)

    @classmethod
    def of(cls, n_rungs: int) -> Record:
        """Return the record of a run that begins."""
        n_pairs = max(0, n_rungs - 1)
        return cls(
            [0] * n_rungs, [0] * n_rungs, [0] * n_pairs, [0.0] * n_pairs, [0] * n_pairs, [0] * n_rungs, [0] * n_rungs
        )

    def swept(self, replicas: list[int]) -> None:
        """Enter where the replicas are after a sweep and its swaps; `replicas[k]` is on rung k, 0 the coldest."""
        if self.n_sweeps % self.every == 0:
            n = len(replicas)
            self.trajectory += replicas
            if len(self.trajectory) >= _MOST_RECORDS * n:
                entries = [self.trajectory[at : at + n] for at in range(0, len(self.trajectory), 2 * n)]
                self.trajectory = list(itertools.chain.from_iterable(entries))
                self.every *= 2
        self.n_sweeps += 1
        cold, hot = replicas[0], replicas[-1]
        if cold != hot:
            if self.heading[cold] == -1:
                self.trips[cold] += 1
            self.heading[cold] = 1
            if self.heading[hot] == 1:
                self.heading[hot] = -1

    def adapted(self, temperatures: list[float]) -> None:
        """Enter a new ladder."""
        self.ladders.append((self.n_sweeps, list(temperatures)))
        if len(self.ladders) >= _MOST_RECORDS:
            self.ladders = self.ladders[::2]


@dataclass(frozen=True)
class TemperingDiagnostics:
    """The course of a tempering run, rungs from the coldest to the hottest.

    In sampling mode everything but the history of the ladder is about the sweeps since the ladder was changed last:
    about the frozen phase alone, once it has begun.

    Attributes
    ----------
    ladder
        Temperatures at the end, shape (n_rungs,), in units of the log-likelihood; infinite for a rung that samples the
        prior.
    ladder_history
        Sweeps at which the ladder was adapted, shape (n,), and the temperatures then, shape (n, n_rungs). A sampler
        tries ladders of different lengths: the shorter ones end in NaN.
    swap_rates
        Mean probability of a swap between neighbours, shape (n_rungs - 1,), NaN before the first attempt.
    swap_attempts, swaps
        Attempts and exchanges of every pair.
    acceptance
        Share of the moves that were accepted on every rung, shape (n_rungs,); moves that change nothing do not count.
    trajectory
        Replica on every rung, shape (n_records, n_rungs), every `trajectory_every` sweeps.
    round_trips
        Journeys of a replica from the coldest rung to the hottest and back, of all replicas together.
    n_sweeps
        Number of sweeps: one proposal on every rung.
    """

    ladder: NDArray[np.float64]
    ladder_history: tuple[NDArray[np.int64], NDArray[np.float64]]
    swap_rates: NDArray[np.float64]
    swap_attempts: NDArray[np.int64]
    swaps: NDArray[np.int64]
    acceptance: NDArray[np.float64]
    trajectory: NDArray[np.int64]
    trajectory_every: int
    round_trips: int
    n_sweeps: int

    @property
    def round_trip_rate(self) -> float:
        """Round trips per sweep."""
        return self.round_trips / self.n_sweeps if self.n_sweeps else 0.0

    @property
    def barrier(self) -> float:
        """Communication barrier: the sum of the rejection rates of all pairs."""
        return float(np.nansum(1.0 - self.swap_rates))

    @classmethod
    def of(cls, record: Record, temperatures: list[float]) -> TemperingDiagnostics:
        """Return the diagnostics of a record."""
        n = len(temperatures)
        attempts = np.array(record.swap_attempts, dtype=np.int64)
        proposed = np.array(record.proposed)
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = np.array(record.swap_probability) / attempts
            acceptance = np.array(record.accepted) / proposed
        history = (
            np.array([sweep for sweep, _ in record.ladders], dtype=np.int64),
            _rows([ladder for _, ladder in record.ladders], n),
        )
        return cls(
            ladder=np.array(temperatures),
            ladder_history=history,
            swap_rates=rates,
            swap_attempts=attempts,
            swaps=np.array(record.swaps, dtype=np.int64),
            acceptance=acceptance,
            trajectory=np.array(record.trajectory, dtype=np.int64).reshape(-1, n),
            trajectory_every=record.every,
            round_trips=sum(record.trips),
            n_sweeps=record.n_sweeps,
        )


def _rows(ladders: list[list[float]], n: int) -> NDArray[np.float64]:
    rows = np.full((len(ladders), max([n, *map(len, ladders)])), np.nan)
    for row, ladder in zip(rows, ladders, strict=True):
        row[: len(ladder)] = ladder
    return rows
