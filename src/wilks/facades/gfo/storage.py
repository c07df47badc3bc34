"""Where scores are remembered, so that a point is evaluated once: in memory, or in what a user provides.

A key is a tuple: an identity of objective, search space and direction, then the exact number of every free parameter.
So one storage can serve any number of objectives, and none is given the scores of another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Key = tuple[Any, ...]


class ObjectiveResult(NamedTuple):
    """A score, in the user's units, with the metrics that came with it; an objective may return one."""

    score: float
    metrics: dict[str, Any]


class BaseStorage(ABC):
    """A storage of scores; derive from it to keep them elsewhere.

    Examples
    --------
    >>> storage = MemoryStorage()
    >>> storage.put(("objective", 1.0), ObjectiveResult(0.5, {}))
    >>> storage.contains(("objective", 1.0)), storage.get(("objective", 2.0))
    (True, None)
    """

    @abstractmethod
    def get(self, key: Key) -> ObjectiveResult | None:
        """Return what is stored, None when there is nothing."""

    @abstractmethod
    def put(self, key: Key, result: ObjectiveResult) -> None:
        """Store a result; when this returns, it is kept."""

    @abstractmethod
    def contains(self, key: Key) -> bool:
        """Is something stored?"""

    @abstractmethod
    def update(self, mapping: Mapping[Key, ObjectiveResult]) -> None:
        """Store many results."""


class MemoryStorage(BaseStorage):
    """Scores in a dictionary.

    Parameters
    ----------
    data
        What is known already: key -> result.

    Examples
    --------
    >>> len(MemoryStorage({("objective", 1.0): ObjectiveResult(0.5, {})}))
    1
    """

    def __init__(self, data: Mapping[Key, ObjectiveResult] | None = None) -> None:
        # A score without metrics is kept as the number alone, in half of the space.
        self.scores: dict[Key, float | ObjectiveResult] = {}
        self.update(data or {})

    def get(self, key: Key) -> ObjectiveResult | None:
        """Return what is stored, None when there is nothing."""
        found = self.scores.get(key)
        return found if found is None or isinstance(found, ObjectiveResult) else ObjectiveResult(found, {})

    def put(self, key: Key, result: ObjectiveResult) -> None:
        """Store a result."""
        self.scores[key] = as_result(result)

    def contains(self, key: Key) -> bool:
        """Is something stored?"""
        return key in self.scores

    def update(self, mapping: Mapping[Key, ObjectiveResult]) -> None:
        """Store many results."""
        for key, result in mapping.items():
            self.put(key, result)

    def items(self) -> Iterator[tuple[Key, ObjectiveResult]]:
        """Iterate over keys and results."""
        for key, found in self.scores.items():
            yield key, found if isinstance(found, ObjectiveResult) else ObjectiveResult(found, {})

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self.scores)

    def __bool__(self) -> bool:
        """True: a storage is something also while it is empty."""
        return True


def as_result(given: Any) -> ObjectiveResult:  # noqa: ANN401 - a number, a pair, or anything with score and metrics
    """Return a stored result, whichever form it has.

    Examples
    --------
    >>> as_result((0.5, {"loss": 1.0})), as_result(2)
    (ObjectiveResult(score=0.5, metrics={'loss': 1.0}), ObjectiveResult(score=2.0, metrics={}))
    """
    if isinstance(given, ObjectiveResult):
        return given
    if isinstance(given, tuple):
        return ObjectiveResult(float(given[0]), dict(given[1]))
    if hasattr(given, "score"):
        return ObjectiveResult(float(given.score), dict(getattr(given, "metrics", None) or {}))
    return ObjectiveResult(float(given), {})
