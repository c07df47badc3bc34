"""Versions of what is running, for records."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache  # reading the metadata of a package takes a millisecond
def installed_version(package: str) -> str:
    """Version of an installed package; a sentence when it runs from a folder without being installed.

    Examples
    --------
    >>> installed_version("no-such-package")
    'not installed as a package'
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
