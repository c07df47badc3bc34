"""What a log records of the problem that it belongs to, and how another problem differs from it."""

from __future__ import annotations

import copy
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wilks.core.space import Space
from wilks.core.versions import installed_version

if TYPE_CHECKING:
    from wilks.core.parameter import Domain
    from wilks.core.problem import Problem


def header_of(root: Problem, seed: int | None) -> dict[str, Any]:
    """Everything that is recorded when a log is bound to a problem."""
    return {
        "problem": root.name,
        "fingerprint": root.fingerprint,
        "description": root.space.describe(),
        "columns": list(root.space.free),
        "space": _without_priors(root.space),
        "seed": None if seed is None else int(seed),
        "wilks": installed_version("wilks"),
        "python": platform.python_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _without_priors(space: Space) -> Space:
    """The space as far as it is needed to decode points; a prior may be an object that cannot be written."""
    constants = space.constants
    return Space({name: constants[name] if name in constants else _without_prior(space[name]) for name in space.names})


def _without_prior(domain: Domain) -> Domain:
    plain = copy.copy(domain)
    object.__setattr__(plain, "prior", None)  # `dataclasses.replace` would write out the values of a long grid
    return plain


def difference(header: dict[str, Any], root: Problem) -> str:
    """In words, what differs between the recorded problem and another one."""
    was, now = _by_name(header["description"]), _by_name(root.space.describe())
    changed = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    if changed:
        lines = [f"  {name}: was {was.get(name, 'absent')}, is {now.get(name, 'absent')}" for name in changed]
        return "\n".join(["these parameters differ:", *lines])
    if list(was) != list(now):
        return f"the order of the parameters changed: it was {', '.join(was)}, it is {', '.join(now)}"
    text = "the parameters are the same, the function or its data changed"
    before, here = (v.rpartition(".")[0] for v in (header["python"], platform.python_version()))
    if before != here:
        text += (
            f" (the log was begun with Python {before}, this is Python {here}: if you changed nothing, "
            f"continue with Python {before})"
        )
    return text


def _by_name(description: str) -> dict[str, str]:
    """Parameter name -> its description."""
    lines = (line.partition("=") for line in description.split("\n"))
    return {name: text for name, _, text in lines}
