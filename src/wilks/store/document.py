"""YAML that remembers where everything stood, and says so when something is wrong.

Stricter than YAML 1.1: duplicate keys are refused, only ``true`` and ``false`` are booleans (a category may be called
``no``), dates stay text, and ``1e-8`` is a number.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from pydantic_core import PydanticCustomError

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Place = tuple[str | int, ...]
"""Where a value stands: keys and positions from the top, such as ``("stages", 1, "fit")``."""

_BOOL, _FLOAT, _INT, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null"))
_PLAIN_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Rules that tell what an unquoted scalar is (YAML 1.2 core schema), by its first character."""
    number = "-+0123456789"
    rules = [
        (_INT, r"[-+]?[0-9]+(_[0-9]+)*", number),
        (_FLOAT, r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)", number + "."),
        (_BOOL, "true|True|false|False", "tTfF"),
        (_NULL, "~|null|Null|", "~nN"),
    ]
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, pattern, firsts in rules:
        for first in firsts:
            table.setdefault(first, []).append((tag, re.compile(f"^(?:{pattern})$")))
    table[""] = [(_NULL, re.compile("^$"))]
    return table


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers()


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _resolvers()

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - the signature of PyYAML
        """Write equal values twice rather than as a reference."""
        return True


def _float(_: _Loader, node: yaml.ScalarNode) -> float:
    text = str(node.value).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor(_FLOAT, _float)
_Loader.add_constructor(_INT, lambda _, node: int(str(node.value)))


@dataclass
class Document:
    """Plain data with the line of every value.

    Attributes
    ----------
    path
        The file, as the user named it.
    data
        Dictionaries, lists and scalars.
    lines
        Place -> line, counted from 1. A key of a mapping stands for its value.
    changed
        Place -> the option of the command line that put the value there.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)
    changed: dict[Place, str] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """File and line of a place, or of the nearest place around it; or the option that it came from."""
        while place not in self.lines and place not in self.changed and place:
            place = place[:-1]
        return self.changed.get(place) or f"{self.path}:{self.lines.get(place, 1)}"

    def order(self, place: Place) -> int:
        """Line of a place, to put messages in order; what was given as an option comes last."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def put(self, place: Place, value: object, option: str) -> None:
        """Set a value that an option of the command line gives; a position one past the end of a list appends.

        Raises
        ------
        InvalidConfigurationError
            If there is nothing at the place that could take the value.
        """
        target: Any = self.data
        for depth, key in enumerate(place[:-1]):
            if isinstance(target, dict) and isinstance(key, str):
                if target.get(key) is None:  # not there, or without content
                    target[key] = {}
                    if isinstance(place[depth + 1], int):
                        target[key] = []
                        self.changed[place[: depth + 1]] = option  # which made the list, whatever its length
                target = target[key]
            else:
                target = self._item(target, place[: depth + 1], option)
        last = place[-1]
        if isinstance(target, list) and last == len(target):
            target.append(value)
        elif isinstance(target, dict) and isinstance(last, str):
            target[last] = value
        else:
            self._item(target, place, option)
            target[last] = value
        for old in [known for known in self.lines if known[: len(place)] == place]:
            del self.lines[old]
        self.changed[place] = option

    def _item(self, target: object, place: Place, option: str) -> Any:  # noqa: ANN401 - any value of a document
        key, above = place[-1], ".".join(map(str, place[:-1])) or "the top"
        if isinstance(target, list) and isinstance(key, int):
            if key < len(target):
                return target[key]
            raise InvalidConfigurationError(f"{option}: {above} has {len(target)} entries, counted from 0; got {key}")
        kind = "a list, expected a number" if isinstance(target, list) else f"{target!r}, which has no entries"
        raise InvalidConfigurationError(f"{option}: {above} is {kind}, got {key!r}")


def read(path: Path) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises
    ------
    InvalidConfigurationError
        If the file cannot be read or is not such YAML; the message gives the lines.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InvalidConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidConfigurationError(f"{path}: expected text in UTF-8, got a byte that is none: {error}") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """Read a document from text; `path` is used in messages.

    Raises
    ------
    InvalidConfigurationError
        If the text is not YAML, repeats a key, or is no mapping at the top.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        builder = _Builder(loader, path)
        data = {} if node is None else builder.build(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        raise InvalidConfigurationError(
            f"{path}:{mark.line + 1 if mark else 1}: not valid YAML: {', '.join(parts)}"
        ) from error
    except yaml.YAMLError as error:
        raise InvalidConfigurationError(f"{path}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        builder.errors.append((1, f"{path}:1: expected a mapping (key: value), got {shorten(data)}"))
    if builder.errors:
        raise InvalidConfigurationError("\n".join(message for _, message in sorted(builder.errors)))
    return Document(path, data, builder.lines)


def value_of(text: str, option: str) -> Any:  # noqa: ANN401 - any YAML value
    """Read the value of an option by the rules of the file.

    Raises
    ------
    InvalidConfigurationError
        If it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise InvalidConfigurationError(f"{option}: not valid YAML: {text!r}") from error


def dump(data: object) -> str:
    """Return YAML that `parse` reads back to equal data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)


def shorten(value: object) -> str:
    """Short text of a value, for messages: what YAML would show of it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"a list of length {len(value)}"
    if isinstance(value, dict):
        return f"the keys {', '.join(map(str, value))}" if value else "an empty mapping"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Builder:
    """Turns nodes into plain data; collects lines, and errors with their lines."""

    def __init__(self, loader: _Loader, path: Path) -> None:
        self._loader = loader
        self._path = path
        self._open: set[int] = set()
        self.lines: dict[Place, int] = {}
        self.errors: list[tuple[int, str]] = []

    def build(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - any YAML value
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            try:
                return self._loader.construct_object(node)
            except ValueError:
                self._error(node, place, f"not valid YAML: {node.value!r} is no {node.tag.rpartition(':')[2]}")
                return None
        if node.tag not in _PLAIN_TAGS:
            self._error(node, place, f"the tag {node.tag.rpartition(':')[2]!r} is not accepted here")
            return None
        if id(node) in self._open:
            self._error(node, place, "refers to itself")
            return None
        self._open.add(id(node))
        try:
            return self._mapping(node, place) if isinstance(node, yaml.MappingNode) else self._list(node, place)
        finally:
            self._open.discard(id(node))

    def _list(self, node: yaml.Node, place: Place) -> list[Any]:
        return [self.build(item, (*place, position)) for position, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._loader.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                self._error(key_node, place, f"expected text as a key, got {shorten(key)}; put it in quotes")
            elif key in found:
                self._error(key_node, (*place, key), f"this key is there twice, the first time in line {first[key]}")
            else:
                first[key] = self.lines[(*place, key)] = line
                found[key] = self.build(value_node, (*place, key))
        return found

    def _error(self, node: yaml.Node, place: Place, message: str) -> None:
        line = node.start_mark.line + 1
        self.errors.append((line, f"{self._path}:{line}: {dotted(place)}{message}"))


def dotted(place: Place) -> str:
    """``stages.1.fit: `` for a place, nothing for the top."""
    return ".".join(map(str, place)) + ": " if place else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?``, or what there is to choose from."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}"


def wrong(message: str, *, at: Place = ()) -> PydanticCustomError:
    """Return the error that a validator raises; `at` is the place below the value that is validated."""
    return PydanticCustomError("wilks", "{message}", {"message": message, "at": at})
