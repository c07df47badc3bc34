"""Bookkeeping of an algorithm that runs many local ascents at once: who asked for which points.

Every request is a small batch of points of one owner. Points are handed out in the order in which they were asked for,
as many as fit; a request is answered when all its points are back, in whatever order they came.
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
    next_number: int = 0

    def add(self, owner: int, thetas: NDArray[np.float64], phase: int) -> None:
        """Open a request; `thetas` has at least one row."""
        k = len(thetas)
        payloads: list[NDArray[np.float64] | None] | None = None if self.want == "value" else [None] * k
        self.opened[self.next_number] = Request(owner, thetas, int(phase), np.full(k, -np.inf), payloads)
        self.unsent.append(self.next_number)
        self.next_number += 1

    @property
    def n_unsent(self) -> int:
        """Number of points that were not handed out yet."""
        return sum(len(self.opened[number].thetas) - self.opened[number].n_sent for number in self.unsent)

    def take(self, limit: int) -> Proposals:
        """Hand out at most `limit` points."""
        ids: list[int] = []
        parts: list[NDArray[np.float64]] = []
        phases: list[int] = []
        done = 0
        for number in self.unsent:
            if limit <= len(ids):
                break
            request = self.opened[number]
            first, last = request.n_sent, min(len(request.thetas), request.n_sent + limit - len(ids))
            ids += range((number << _SLOT_BITS) + first, (number << _SLOT_BITS) + last)
            parts.append(request.thetas[first:last])
            phases += [request.phase] * (last - first)
            request.n_sent = last
            if last == len(request.thetas):
                done += 1
        del self.unsent[:done]
        if not ids:
            return Proposals.empty(self.dimension)
        thetas = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Proposals(np.array(ids, dtype=np.int64), thetas, np.array(phases, dtype=np.int8), self.want)

    def answer(self, evaluations: Evaluations, finish: Callable[[Request], None]) -> None:
        """Enter answers, and call `finish` for every request that is complete (it may open others)."""
        payloads = evaluations.payloads
        complete: list[Request] = []
        rows = zip(evaluations.ids.tolist(), evaluations.log_likelihoods.tolist(), strict=True)
        for position, (number, value) in enumerate(rows):
            request = self.opened[number >> _SLOT_BITS]
            slot = number & _SLOT_MASK
            request.values[slot] = value
            if payloads is not None and request.payloads is not None:
                request.payloads[slot] = payloads[position]
            request.n_answered += 1
            if request.n_answered == len(request.values):
                del self.opened[number >> _SLOT_BITS]
                complete.append(request)
        for request in complete:
            finish(request)


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
            found.append(np.column_stack([payload[:, 0], payload[:, 1:][:, columns] * slope]))
    return found
