"""How a file is read."""

from __future__ import annotations

import difflib
import math
import numbers
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from wilks.core.errors import InvalidConfigurationError

LayoutName = Literal["auto", "aps_u", "aps_old", "npz"]


@dataclass(frozen=True)
class ReadOptions:
    """How `wilks.xpcs.files.read` reads a file.

    Parameters
    ----------
    layout
        ``"aps_u"``, ``"aps_old"`` or ``"npz"``; ``"auto"`` recognises it.
    q_tolerance
        Matrices whose wave vector is as near to the one that is asked for are taken, relative to it.
    angle_tolerance
        Matrices whose angle is as near to one that is asked for are taken, in degrees.
    cache
        Folder for uncompressed copies of what was selected, from which it is read the next time; the files in it may
        be deleted. None keeps no copies.
    sigma
        Standard deviation of the values; None takes it from the file, or leaves it to be estimated.

    Raises
    ------
    InvalidConfigurationError
        If an option cannot be used.

    Examples
    --------
    >>> ReadOptions(q_tolerance=0.05).angle_tolerance
    0.5
    """

    layout: LayoutName = "auto"
    q_tolerance: float = 0.01
    angle_tolerance: float = 0.5
    cache: str | Path | None = None
    sigma: float | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        known = get_args(LayoutName)
        if self.layout not in known:
            near = difflib.get_close_matches(str(self.layout), known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InvalidConfigurationError(
                f"ReadOptions: layout: expected one of {', '.join(map(repr, known))}, got {self.layout!r}{hint}"
            )
        for name, upper in (("q_tolerance", 1.0), ("angle_tolerance", 180.0)):
            value = getattr(self, name)
            if not (_is_number(value) and 0 < value < upper):
                raise InvalidConfigurationError(
                    f"ReadOptions: {name}: expected a number between 0 and {upper:g}, got {value!r}"
                )
        if self.sigma is not None and not (_is_number(self.sigma) and 0 < self.sigma < math.inf):
            raise InvalidConfigurationError(
                f"ReadOptions: sigma: expected a positive number or None, got {self.sigma!r}"
            )
        if not (self.cache is None or isinstance(self.cache, str | Path)):
            raise InvalidConfigurationError(f"ReadOptions: cache: expected a folder or None, got {self.cache!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
