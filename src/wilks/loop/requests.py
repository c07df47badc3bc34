"""Bookkeeping of an algorithm that runs many local ascents at once: who asked for which points.

Every request is a small batch of points of one owner. Points are handed out in the order in which they were asked for,
as many as fit; a request is answered when all its points are back, in whatever order they came. An owner may be
withdrawn: its points that were not handed out never will be, and nobody is called for the others.

When workers are idle, points may be asked for ahead: those that an owner will want if the answer that it waits for is
as expected. If it does want them, they are on their way or back already; if not, they were evaluated in vain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.proposal import Proposals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wilks.core.proposal import Evaluations, Want
    from wilks.core.space import Space

_SLOT_BITS = 32
_SLOT_MASK = (1 << _SLOT_BITS) - 1


@dataclass
class Request:
    """Points of one owner, shape (k, dimension), and the answers that are back."""

    owner: int
    thetas: NDArray[np.float64]
    phase: int
    values: NDArray[np.float64]
    payloads: list[NDArray[np.float64] | None] | None
    n_sent: int = 0
    n_answered: int = 0
    withdrawn: bool = False
    ahead: bool = False
    patient: bool = False

    @property
    def is_complete(self) -> bool:
        """Are all answers back?"""
        return self.n_answered == len(self.thetas)


@dataclass
class Requests:
    """The requests that are open.

    Examples
    --------
    >>> requests = Requests(dimension=1)
    >>> requests.add(owner=7, thetas=np.array([[0.0], [1.0]]), phase=0)
    >>> len(requests.take(1)), len(requests.take(5)), len(requests.take(5))
    (1, 1, 0)
    """

    dimension: int
    want: Want = "value"
    opened: dict[int, Request] = field(default_factory=dict)
    unsent: list[int] = field(default_factory=list)
    patient: list[int] = field(default_factory=list)
    next_number: int = 0
    aheads: dict[int, int] = field(default_factory=dict)
    foreseen: list[int] = field(default_factory=list)

    def add(
        self, owner: int, thetas: NDArray[np.float64], phase: int, *, ahead: bool = False, patient: bool = False
    ) -> None:
        """Open a request; `thetas` has at least one row.

        One that was made `ahead` waits until it is asked for; the points of one that is `patient` are handed out when
        nothing else is left.
        """
        number = self.aheads.pop(owner, None)
        if number is not None:
            earlier = self.opened[number]
            if np.array_equal(earlier.thetas, thetas):
                earlier.ahead = False
                if earlier.is_complete:
                    self.foreseen.append(number)
                return
            self._forget(number)
        k = len(thetas)
        payloads: list[NDArray[np.float64] | None] | None = None if self.want == "value" else [None] * k
        request = Request(owner, thetas, int(phase), np.full(k, -np.inf), payloads, ahead=ahead, patient=patient)
        self.opened[self.next_number] = request
        (self.patient if patient else self.unsent).append(self.next_number)
        if ahead:
            self.aheads[owner] = self.next_number
        self.next_number += 1

    def finish_foreseen(self, finish: Callable[[Request], None]) -> None:
        """Call `finish` for every request whose answers were back before it was made (it may open others)."""
        while self.foreseen:
            request = self.opened.pop(self.foreseen.pop(0), None)
            if request is not None:
                finish(request)

    @property
    def n_unsent(self) -> int:
        """Number of points that were not handed out yet."""
        return sum(len(self.opened[number].thetas) - self.opened[number].n_sent for number in self.unsent)

    @property
    def is_waiting(self) -> bool:
        """Is there a request that is neither patient nor made ahead?"""
        return any(not (request.patient or request.ahead) for request in self.opened.values())

    def hurry(self) -> None:
        """Let patient requests be patient no longer."""
        self.unsent += self.patient
        self.patient = []
        for request in self.opened.values():
            request.patient = False

    @property
    def n_under_way(self) -> int:
        """Number of points that were handed out and are not back."""
        return sum(request.n_sent - request.n_answered for request in self.opened.values())

    def withdraw(self, owner: int) -> None:
        """Forget what an owner asked for; answers to what was handed out already are taken in silence.

        Examples
        --------
        >>> requests = Requests(dimension=1)
        >>> requests.add(owner=7, thetas=np.array([[0.0], [1.0]]), phase=0)
        >>> len(requests.take(1))
        1
        >>> requests.withdraw(owner=7)
        >>> requests.n_unsent, requests.n_under_way, len(requests.take(1))
        (0, 1, 0)
        """
        self.aheads.pop(owner, None)
        for number in [number for number, request in self.opened.items() if request.owner == owner]:
            self._forget(number)

    def _forget(self, number: int) -> None:
        request = self.opened[number]
        if request.n_sent == request.n_answered:
            del self.opened[number]
        else:
            request.thetas = request.thetas[: request.n_sent]
            request.withdrawn, request.ahead = True, False
        for waiting in (self.unsent, self.patient):
            if number in waiting:
                waiting.remove(number)

    def take(self, limit: int, *, patient: bool = True) -> Proposals:
        """Hand out at most `limit` points; the `patient` ones too, or not."""
        ids: list[int] = []
        parts: list[NDArray[np.float64]] = []
        phases: list[int] = []
        finished: list[int] = []
        for number in [*self.unsent, *(self.patient if patient else ())]:
            if limit <= len(ids):
                break
            request = self.opened[number]
            first, last = request.n_sent, min(len(request.thetas), request.n_sent + limit - len(ids))
            ids += range((number << _SLOT_BITS) + first, (number << _SLOT_BITS) + last)
            parts.append(request.thetas[first:last])
            phases += [request.phase] * (last - first)
            request.n_sent = last
            if last == len(request.thetas):
                finished.append(number)
        n = min(len(finished), len(self.unsent))
        del self.unsent[:n], self.patient[: len(finished) - n]
        if not ids:
            return Proposals.empty(self.dimension)
        thetas = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Proposals(np.array(ids, dtype=np.int64), thetas, np.array(phases, dtype=np.int8), self.want)

    def answer(self, evaluations: Evaluations, finish: Callable[[Request], None]) -> None:
        """Enter answers, and call `finish` for every request that is complete (it may open others)."""
        payloads = evaluations.payloads
        complete: list[int] = []
        rows = zip(evaluations.ids.tolist(), evaluations.log_likelihoods.tolist(), strict=True)
        for position, (number, value) in enumerate(rows):
            request = self.opened[number >> _SLOT_BITS]
            slot = number & _SLOT_MASK
            request.values[slot] = value
            if payloads is not None and request.payloads is not None:
                request.payloads[slot] = payloads[position]
            request.n_answered += 1
            if request.is_complete and not request.ahead:
                complete.append(number >> _SLOT_BITS)
        for at in complete:
            ended = self.opened.pop(at, None)
            if ended is not None and not ended.withdrawn:  # one that ended before may have withdrawn it
                finish(ended)
        self.finish_foreseen(finish)


def in_unit(
    space: Space, request: Request, want: Want, columns: NDArray[np.int64]
) -> list[NDArray[np.float64] | None] | None:
    """Payloads of an answered request with their derivatives in the unit box, for the coordinates in `columns`."""
    if request.payloads is None:
        return None
    slopes = space.slope(request.thetas)[:, columns]
    found: list[NDArray[np.float64] | None] = []
    for payload, slope in zip(request.payloads, slopes, strict=True):
        if payload is None:
            found.append(None)
        elif want == "gradient":
            found.append(payload[columns] * slope)
        elif payload.shape[1] == 1:  # residuals alone
            found.append(payload)
        else:
            moved = payload if len(columns) == space.dimension else payload[:, [0, *(columns + 1)]]
            found.append(moved * np.concatenate([[1.0], slope]))
    return found
