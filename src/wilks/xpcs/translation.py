"""A configuration of the packages homodyne or xpcsjax as one of ours, with an account of every key.

What has a meaning here is taken over, in the convention of those packages, so that numbers keep their meaning; the rest
is listed with the reason why it is not needed (`wilks.xpcs.translation_rules`). A key that those packages do not have
either is a typing error, and refused; they pass over it in silence.

Two things are honoured that those packages accept and ignore: parameters that are fixed, and those that are not
active.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wilks.store.document import dump, shorten, suggestion
from wilks.store.validation import refuse
from wilks.xpcs import translation_parts as parts
from wilks.xpcs.translation_parameters import parameters
from wilks.xpcs.translation_rules import REASONS, SECTIONS, TOP_KEYS, keys_of
from wilks.xpcs.translation_writer import Translated, Writer, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.store.document import Document, Place

_OFF = "switched off in the file"
_TAKEN = {"name", "min", "max", "min_angle", "max_angle"}
_WIDTH = 80
_SECTIONS = ("data", "model", "fit", "seed", "output")


class Dropped(NamedTuple):
    """A key that is not needed, and why."""

    key: str
    why: str


@dataclass(frozen=True)
class Translation:
    """What became of a configuration.

    Attributes
    ----------
    document
        Our configuration; its lines are those of the file that it was made from.
    translated
        Keys that were taken over: their name there, their name here, and a remark.
    dropped
        Keys that were not, and why.
    """

    document: Document
    translated: tuple[Translated, ...]
    dropped: tuple[Dropped, ...]

    def text(self) -> str:
        """Return for people what became of every key; keys with the same reason are listed together."""
        lines, before = [f"Taken over from {self.document.path}"], [""]
        for ours in dict.fromkeys(ours for _, ours, _ in self.translated):
            entries = [entry for entry in self.translated if entry.ours == ours]
            theirs = [entry.theirs for entry in entries]
            lines += _wrapped(_listed(theirs), 2) if theirs != before else []
            lines += _wrapped(f"-> {ours}: {_flow(value_at(self.document.data, ours))}", 4)
            lines += [line for entry in entries for line in _wrapped(entry.note, 7)]
            before = theirs
        reasons: dict[str, list[str]] = {}
        for key, why in self.dropped:
            reasons.setdefault(why, []).append(key)
        lines += ["Not needed"] if reasons else []
        for why, keys in reasons.items():
            lines += [*_wrapped(_listed(keys), 2), *_wrapped(f"-> {why}", 4)]
        return "\n".join(lines)

    def yaml(self) -> str:
        """Return our configuration as YAML, with the remarks as comments in front of it."""
        head = [f"Translated from {self.document.path.name}."]
        head += [f"{ours}: {note}." for _, ours, note in self.translated if note]
        lines = [line for text in head for line in textwrap.wrap(text, _WIDTH - 2, subsequent_indent="  ")]
        return "".join(f"# {line}\n" for line in lines) + dump(self.document.data)


def is_reference(document: Document) -> bool:
    """Is this a configuration of the packages homodyne or xpcsjax?"""
    return any(key in document.data for key in TOP_KEYS)


def translate(document: Document) -> Translation:
    r"""Translate a configuration of the packages homodyne or xpcsjax.

    Parameters
    ----------
    document
        The configuration; of a dictionary, ``Document(Path("config"), dictionary)``.

    Raises
    ------
    InvalidConfigurationError
        With one line for every key that does not exist there, and every value that has no meaning.

    Examples
    --------
    >>> from pathlib import Path
    >>> from wilks.store.document import parse
    >>> text = "analysis_mode: static\nanalyzer_parameters: {dt: 0.1, end_frame: -1}\nlogging: {level: INFO}"
    >>> translation = translate(parse(text, Path("old.yaml")))
    >>> translation.document.data["data"], translation.document.data["model"]["convention"]
    ({'dt': 0.1, 'frames': [1, None]}, 'homodyne')
    >>> translation.dropped
    (Dropped(key='logging', why='the command line has its own progress and messages'),)
    """
    refuse(document, list(_unknown_keys(document.data, (), "")))
    writer = Writer(document)
    for part in (parts.mode, parts.data, parts.scaling, parameters, parts.search, parts.machine, parts.output):
        part(writer)
    refuse(document, writer.findings)
    taken = {theirs for theirs, _, _ in writer.translated}
    dropped = tuple(Dropped(key, why) for key, why in _leaves(document.data, "") if key not in taken)
    writer.ours.data = {name: writer.ours.data[name] for name in _SECTIONS if name in writer.ours.data}
    return Translation(writer.ours, tuple(writer.translated), dropped)


def _unknown_keys(value: object, place: Place, path: str) -> Iterator[tuple[Place, str]]:
    """What is in a section that should not be there."""
    if value is None or SECTIONS[path].is_open:
        return
    if not isinstance(value, dict):
        yield place, f"expected a mapping (key: value), got {shorten(value)}"
        return
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if key not in keys_of(path):
            yield (*place, key), f"unknown key{suggestion(key, keys_of(path))}"
        elif f"{below}[]" in SECTIONS and isinstance(item, list):
            for position, entry in enumerate(item):
                yield from _unknown_keys(entry, (*place, key, position), f"{below}[]")
        elif below in SECTIONS and not (isinstance(item, list) and below in _LISTS_TOO):
            yield from _unknown_keys(item, (*place, key), below)


_LISTS_TOO = ("output.formats",)
"""Sections in whose place a list may stand."""


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every key of a file with the reason why it would not be needed; an open section counts as one key."""
    section = SECTIONS[path]
    if section.is_open or not isinstance(value, dict):
        yield path, section.reason
        return
    off = value.get("enable", value.get("enabled")) is False
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if below in SECTIONS:
            yield from _leaves(item, below)
            continue
        yield below, _OFF if off else REASONS.get(below, section.reason)
        if f"{below}[]" in SECTIONS and isinstance(item, list):
            for name in dict.fromkeys(name for entry in item for name in entry if name not in _TAKEN):
                yield f"{below}[].{name}", SECTIONS[f"{below}[]"].reason


def _listed(keys: list[str]) -> str:
    """Names of keys; where there are many of a section, its name and their number."""
    sections: dict[str, list[str]] = {}
    for key in keys:
        sections.setdefault(key.rpartition(".")[0], []).append(key)
    many = {section: f"{section} ({len(names)} keys)" for section, names in sections.items() if len(names) > 3}
    return ", ".join(many.get(section, ", ".join(names)) for section, names in sections.items())


def _flow(value: object) -> str:
    """Plain data as YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return dump({"": value}).partition(": ")[2].strip().removesuffix("}")


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, _WIDTH, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)
