"""Checks of what the user gives; what is wrong is named together with what was expected."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.gfo.options import guess, is_number
from wilks.facades.paraprof.exceptions import ConfigurationError
from wilks.store.sample_formats import sample_format

Check = Callable[[str, Any], Any]
"""Takes the name of an argument and its value; returns the value, or raises."""


def whole(least: int) -> Check:
    """A check for integers, of NumPy too, that are not below `least`."""

    def check(name: str, value: Any) -> int:  # noqa: ANN401 - checked here
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
            raise ConfigurationError(f"{name}: expected an integer >= {least}, got {value!r}", name, value)
        return int(value)

    return check


def real(least: float = -math.inf, *, above: float = -math.inf, most: float = math.inf) -> Check:
    """A check for finite numbers that are not below `least`, lie above `above`, and not above `most`."""

    def check(name: str, value: Any) -> float:  # noqa: ANN401 - checked here
        number = float(value) if is_number(value) else math.nan
        if not math.isfinite(number) or not (least <= number <= most and number > above):
            limits = [f">= {least:g}"] * (least > -math.inf) + [f"> {above:g}"] * (above > -math.inf)
            limits += [f"<= {most:g}"] * (most < math.inf)
            wanted = " ".join(["a finite number", " and ".join(limits)]).strip()
            raise ConfigurationError(f"{name}: expected {wanted}, got {value!r}", name, value)
        return number

    return check


def one_of(*choices: str) -> Check:
    """A check for one of some words."""

    def check(name: str, value: Any) -> str:  # noqa: ANN401 - checked here
        if not isinstance(value, str) or value not in choices:
            raise ConfigurationError(f"{name}: got {value!r}; {guess(value, choices)}", name, value)
        return value

    return check


def optional(check: Check) -> Check:
    """The same check, which lets None pass."""
    return lambda name, value: None if value is None else check(name, value)


def flag(name: str, value: Any) -> bool:  # noqa: ANN401 - checked here
    """Check that it is True or False."""
    if value is True or value is False or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise ConfigurationError(f"{name}: expected True or False, got {value!r}", name, value)


def dictionary(name: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - checked here
    """Check that it is a dictionary."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}: expected a dictionary, got {value!r}", name, value)
    return value


def function(name: str, value: Any) -> Callable[..., Any]:  # noqa: ANN401 - checked here
    """Check that it can be called."""
    if not callable(value):
        raise ConfigurationError(f"{name}: expected a function of an array of parameters, got {value!r}", name, value)
    return value  # type: ignore[no-any-return]  # just checked


def path(name: str, value: Any) -> str:  # noqa: ANN401 - checked here
    """Check that it names a file, and return it as text."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigurationError(f"{name}: expected the name of a file, got {value!r}", name, value)
    return os.fsdecode(value)


def sample_file(name: str, value: Any) -> str:  # noqa: ANN401 - checked here
    """Check that it names a file of a known format."""
    text = path(name, value)
    try:
        sample_format(Path(text))
    except InvalidConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}", name, value) from None
    return text


def known_keys(where: str, given: Iterable[object], known: Iterable[str]) -> None:
    """Refuse keys that do not exist, with a guess at what was meant."""
    names = tuple(known)
    for key in given:
        if key not in names:
            raise ConfigurationError(f"{where}: no option {key!r}; {guess(key, names)}", where, key)
