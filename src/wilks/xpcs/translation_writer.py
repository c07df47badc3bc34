"""What the parts of a translation write into: our document, with the lines of theirs, and an account of every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wilks.store.document import Document, shorten

if TYPE_CHECKING:
    from wilks.store.document import Place


class Translated(NamedTuple):
    """A key that was taken over: its name there, its name here, and a remark where its meaning is not the same."""

    theirs: str
    ours: str
    note: str


class Writer:
    """Reads their document and writes ours, with the lines; collects what was taken over, and what is wrong.

    Attributes
    ----------
    ours
        Our document.
    translated
        Keys that were taken over.
    findings
        Places in their document, and what is wrong there.
    """

    def __init__(self, theirs: Document) -> None:
        self._theirs = theirs
        self.ours = Document(theirs.path, {}, {}, {})
        self.translated: list[Translated] = []
        self.findings: list[tuple[Place, str]] = []

    def get(self, key: str) -> Any:  # noqa: ANN401 - any value of a document
        """Value of one of their keys; None if it is not there."""
        return value_at(self._theirs.data, key)

    def mapping(self, key: str) -> dict[str, Any]:
        """Value of one of their keys that is a mapping; an empty one if it is not there."""
        found: dict[str, Any] = self._of(key, dict, "a mapping (key: value)")
        return found

    def flag(self, key: str) -> bool | None:
        """Value of one of their keys that is true or false; None if it is not there."""
        value = self.get(key)
        if value is None or isinstance(value, bool):
            return value
        hint = " (yes, no, on and off are text here)" if isinstance(value, str) else ""
        self.refuse(key, f"expected true or false, got {shorten(value)}{hint}")
        return None

    def list(self, key: str) -> list[Any]:
        """Value of one of their keys that is a list; an empty one if it is not there."""
        found: list[Any] = self._of(key, list, "a list")
        return found

    def _of(self, key: str, kind: type, expected: str) -> Any:  # noqa: ANN401 - of that kind
        value = self.get(key)
        if value is not None and not isinstance(value, kind):
            self.refuse(key, f"expected {expected}, got {shorten(value)}")
            value = None
        return kind() if value is None else value

    def put(self, key: str, ours: str, value: object, note: str = "", *below: str | int) -> None:
        """Take over one of their keys, or the part of it that `below` points to, as one of ours."""
        *above, last = place = tuple(ours.split("."))
        target = self.ours.data
        for name in above:
            target = target.setdefault(name, {})
        target[last] = value
        origin = (*key.split("."), *below)
        for theirs, line in self._theirs.lines.items():
            if theirs[: len(origin)] == origin:
                self.ours.lines[(*place, *theirs[len(origin) :])] = line
        for depth in range(len(place)):
            self.ours.lines.setdefault(place[:depth], self._theirs.order(origin))
        self.translated.append(Translated(key, ours, note))

    def copy(self, key: str, ours: str, note: str = "") -> None:
        """Take over a key as it is, if it has a value."""
        if self.get(key) is not None:
            self.put(key, ours, self.get(key), note)

    def also(self, key: str, ours: str) -> None:
        """Note that a key had its part in one of ours."""
        self.translated.append(Translated(key, ours, ""))

    def line(self, key: str, *below: str | int) -> int:
        """Line of one of their keys, or of a part of it."""
        return self._theirs.order((*key.split("."), *below))

    def refuse(self, key: str, text: str, *below: str | int) -> None:
        """Note that a value of one of their keys cannot be used."""
        self.findings.append(((*key.split("."), *below), text))


def value_at(data: object, key: str) -> Any:  # noqa: ANN401 - any value of a document
    """Return the value of a dotted key; None if it is not there."""
    for name in key.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data
