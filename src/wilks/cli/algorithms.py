"""Algorithms from what a configuration says: a name, and options that are checked before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.store.document import Place, shorten, suggestion, wrong

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

    from wilks.searchers.searcher import Searcher


def algorithm(name: str, options: Mapping[str, Any]) -> Searcher:
    """Return an algorithm with its options.

    Raises
    ------
    PydanticCustomError
        If there is no such algorithm or option, or a value cannot be used; it knows the place.
    """
    from wilks.searchers.names import algorithm_class

    try:
        kind = algorithm_class(name)
    except InvalidConfigurationError as error:
        raise wrong(str(error), at=("algorithm",)) from None
    searcher: Searcher = made(kind, options, ("options",))
    return searcher


def option_names(kind: type) -> list[str]:
    """Options of a dataclass that a user may give; what `wilks.search` fills in itself does not show in its text."""
    return [field.name for field in dataclasses.fields(kind) if field.init and field.repr]


def made(kind: type, options: Mapping[str, Any], at: Place) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Return an instance of a dataclass of options, which are checked as in `algorithm`; `at` is their place."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    arguments = {}
    for name, value in options.items():
        if name not in option_names(kind):
            hint = suggestion(str(name), option_names(kind))
            raise wrong(f"{kind.__name__} has no option {name!r}{hint}", at=(*at, name))
        arguments[name] = _converted(known[name].default, value, (*at, name))
    try:
        return kind(**arguments)
    except InvalidConfigurationError as error:
        raise _located(str(error), kind, options, at) from None


def _converted(default: object, value: object, at: Place) -> object:
    """Lists become tuples and mappings options of their own, where the default says that this is meant."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if dataclasses.is_dataclass(default):
        if not isinstance(value, Mapping):
            raise wrong(f"expected a mapping (key: value), got {shorten(value)}", at=at)
        return made(type(default), value, at)
    return value


def _located(message: str, kind: type, options: Mapping[str, Any], at: Place) -> PydanticCustomError:
    """The error at the option that it begins with, or at all of them."""
    rest = message.removeprefix(f"{kind.__name__}: ")
    name, _, reason = rest.partition(": ")
    return wrong(reason, at=(*at, name)) if name in options and reason else wrong(message, at=at)
