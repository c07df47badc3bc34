"""Options as dataclasses whose fields are checked against their annotations: a mistake is an error that names it.

Configuration files of homodyne go through here: `CheckedOptions.from_dict` refuses unknown keys, and takes numbers that
YAML reads as text, such as ``1e-6``. What cannot be converted is an error; the default never takes its place silently.
"""

from __future__ import annotations

import math
import numbers
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.gfo.options import guess

__all__ = ["CheckedOptions", "limited", "section"]

OptionsT = TypeVar("OptionsT", bound="CheckedOptions")


def limited(
    default: Any,  # noqa: ANN401 - the type of the field
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
) -> Any:  # noqa: ANN401 - dataclasses know what it is
    """A field whose numbers lie between `least` and `most`, and above `above`."""
    return field(default=default, metadata={"limits": (least, most, above)})


class CheckedOptions:
    """Base of the dataclasses with options: values are checked, and converted, when an instance is made.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Steps(CheckedOptions):
    ...     tolerance: float = limited(1e-6, above=0)
    >>> Steps.from_dict({"tolerance": "1e-8"})
    Steps(tolerance=1e-08)
    >>> Steps.from_dict({"tolerence": 1e-8})
    Traceback (most recent call last):
        ...
    wilks.core.errors.InvalidConfigurationError: Steps: no option 'tolerence'; known are tolerance; did you mean ...
    """

    def __post_init__(self) -> None:
        """Check the fields.

        Raises
        ------
        InvalidConfigurationError
            If a value cannot be used.
        """
        hints = typing.get_type_hints(type(self))
        for each in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            if each.init and not each.name.startswith("_"):
                where = f"{type(self).__name__}: {each.name}"
                limits = each.metadata.get("limits", (-math.inf, math.inf, -math.inf))
                setattr(self, each.name, _checked(where, getattr(self, each.name), hints[each.name], limits))

    @classmethod
    def from_dict(cls: type[OptionsT], config_dict: Mapping[str, Any] | None) -> OptionsT:
        """Make the options from a section of a configuration; None is an empty one.

        Raises
        ------
        InvalidConfigurationError
            If a key is unknown, or a value cannot be used.
        """
        known = tuple(each.name for each in fields(cls) if each.init)  # type: ignore[arg-type]  # as above
        return cls(**section(cls.__name__, config_dict, known))


def section(where: str, given: Any, known: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - checked here
    """Check that it is a dictionary with known keys; None is an empty one."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidConfigurationError(f"{where}: expected a dictionary of options, got {given!r}")
    for key in given:
        if key not in known:
            raise InvalidConfigurationError(f"{where}: no option {key!r}; {guess(key, known)}")
    return dict(given)


def _checked(where: str, value: Any, hint: Any, limits: tuple[float, float, float]) -> Any:  # noqa: ANN401 - any type
    kind = get_origin(hint)
    if kind in (Union, types.UnionType):
        if value is None:
            return None
        [hint] = [each for each in get_args(hint) if each is not type(None)]
        kind = get_origin(hint)
    if kind is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise InvalidConfigurationError(f"{where}: got {value!r}; {guess(value, choices)}")
        return value
    if kind in (tuple, list):
        return _several(where, value, hint, limits)
    if hint in (int, float):
        return _number(where, value, hint, limits)
    if hint is bool:
        if not isinstance(value, bool) and type(value).__name__ != "bool":  # NumPy's
            raise InvalidConfigurationError(f"{where}: expected True or False, got {value!r}")
        return bool(value)
    if not isinstance(value, hint):
        raise InvalidConfigurationError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value


def _several(where: str, value: Any, hint: Any, limits: tuple[float, float, float]) -> Any:  # noqa: ANN401 - any type
    kind, inner = get_origin(hint), get_args(hint)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidConfigurationError(f"{where}: expected a list, got {value!r}")
    if kind is list:
        return [_checked(where, each, inner[0], limits) for each in value]
    if len(value) != len(inner):
        raise InvalidConfigurationError(f"{where}: expected {len(inner)} values, got {value!r}")
    found = tuple(_checked(where, each, of, limits) for each, of in zip(value, inner, strict=True))
    if len(found) == 2 and not found[0] < found[1]:
        raise InvalidConfigurationError(f"{where}: expected the lower one first, got {value!r}")
    return found


def _number(where: str, value: Any, kind: type, limits: tuple[float, float, float]) -> float:  # noqa: ANN401 - any type
    least, most, above = limits
    name = "an integer" if kind is int else "a number"
    bounds = [f">= {least:g}"] * (least > -math.inf) + [f"> {above:g}"] * (above > -math.inf)
    bounds += [f"<= {most:g}"] * (most < math.inf)
    wanted = " ".join([name, " and ".join(bounds)]).strip()
    number = math.nan
    if isinstance(value, (numbers.Real, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    whole = kind is float or number.is_integer()
    if not (math.isfinite(number) and whole and least <= number <= most and number > above):
        raise InvalidConfigurationError(f"{where}: expected {wanted}, got {value!r}")
    return int(number) if kind is int else number
