"""When are two objectives the same? By their code and data; what a search itself changed in them does not count.

An objective that counts its calls in a list is still the same objective afterwards. So the fingerprint that a function
had when its search ended is remembered beside the one that it had at first.
"""

from __future__ import annotations

import types
import weakref
from dataclasses import dataclass
from typing import Any

from wilks.core.fingerprint import fingerprint


@dataclass(frozen=True)
class _Known:
    identity: str
    at_end: str


_known: weakref.WeakKeyDictionary[Any, dict[str, _Known]] = weakref.WeakKeyDictionary()
"""Function, object, or object of a method -> name of the method -> what is known."""


def identity_of(objective: Any) -> str:  # noqa: ANN401 - any callable
    """Text that identifies an objective; the same in every process.

    Examples
    --------
    >>> calls = []
    >>> def objective(para):
    ...     calls.append(para)
    ...     return 1.0
    >>> first = identity_of(objective)
    >>> score = objective({})
    >>> settle(objective, first)
    >>> identity_of(objective) == first
    True
    """
    now = fingerprint(objective)
    owner, name = _owner(objective)
    known = _known.get(owner, {}).get(name) if _can_be_key(owner) else None
    return known.identity if known is not None and known.at_end == now else now


def settle(objective: Any, identity: str) -> None:  # noqa: ANN401 - any callable
    """Remember that the present form of an objective is the one of this identity."""
    owner, name = _owner(objective)
    if _can_be_key(owner):
        _known.setdefault(owner, {})[name] = _Known(identity, fingerprint(objective))


def _owner(objective: Any) -> tuple[Any, str]:  # noqa: ANN401 - any callable
    if isinstance(objective, types.MethodType):  # made anew whenever it is looked up
        return objective.__self__, objective.__func__.__qualname__
    return objective, ""


def _can_be_key(owner: Any) -> bool:  # noqa: ANN401 - any object
    return type(owner).__hash__ is not None and getattr(type(owner), "__weakrefoffset__", 0) != 0
