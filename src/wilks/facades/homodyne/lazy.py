"""Names of a package that load when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def looked_up(package: str, name: str, places: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever the name is
    """Return a name of a package, and keep it there.

    Parameters
    ----------
    package
        Full name of the package.
    name
        What is asked for: a module below the package, or a name of one.
    places
        Name -> module below the package.

    Raises
    ------
    AttributeError
        If there is no such name.

    Examples
    --------
    >>> looked_up("wilks.facades.homodyne", "ConfigManager", {"ConfigManager": "config_manager"}).__name__
    'ConfigManager'
    """
    if name in {place.split(".")[0] for place in places.values()}:
        return importlib.import_module(f"{package}.{name}")
    if name not in places:
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}; docs/coming-from/homodyne.md has all names"
        )
    found = getattr(importlib.import_module(f"{package}.{places[name]}"), name)
    setattr(sys.modules[package], name, found)
    return found
