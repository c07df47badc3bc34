"""What all netCDF files share: names of variables, attributes, and numbers with a meaning, by the CF conventions.

In ``flag_meanings`` meanings are separated by blanks, so that a blank within one becomes an underscore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import IntEnum

    from numpy.typing import NDArray

VERSION = "CF-1.11"


def members(title: str, kind: type[IntEnum]) -> dict[str, Any]:
    """Attributes of a variable that holds members of an enumeration."""
    return flags(title, np.array([int(member) for member in kind], dtype=np.int8), [m.name.lower() for m in kind])


def flags(title: str, values: NDArray[np.integer[Any]], texts: Sequence[str]) -> dict[str, Any]:
    """Attributes of a variable that holds `values`, each with its meaning."""
    if not len(texts):
        return {"long_name": title}
    meanings = " ".join("_".join(text.split()) or "_" for text in texts)
    return {"long_name": title, "flag_values": values, "flag_meanings": meanings}


def set_attributes(target: Any, **attributes: Any) -> None:  # noqa: ANN401 - h5py has no types
    """Set attributes; text as fixed-length strings, which is what a classic file may hold."""
    import h5py

    for name, value in attributes.items():
        if isinstance(value, str):
            raw = value.encode()
            # Marked as UTF-8 where it is not ASCII, or some readers show escapes.
            kind = h5py.string_dtype("ascii" if value.isascii() else "utf-8", max(len(raw), 1))
            target.attrs.create(name, np.bytes_(raw), dtype=kind)
        else:
            target.attrs[name] = value


def variable_names(columns: Sequence[str]) -> list[str]:
    """Names without a slash, which would make a group; no name twice.

    Examples
    --------
    >>> variable_names(["a/b", "a_b"])
    ['a_b', 'a_b_']
    """
    names: list[str] = []
    for column in columns:
        names.append(unused(column.replace("/", "_"), names))
    return names


def names_beside(taken: Sequence[str], names: Sequence[str]) -> list[str]:
    """Names, with underscores after them where they are taken.

    Examples
    --------
    >>> names_beside(["status"], ["in_roi", "status"])
    ['in_roi', 'status_']
    """
    found: list[str] = []
    for name in names:
        found.append(unused(name, [*taken, *found]))
    return found


def unused(name: str, names: Sequence[str]) -> str:
    """The name, with underscores after it until nothing else has it."""
    while name in names:
        name += "_"
    return name
