"""Bounds, initial values, and fixed and active parameters of a configuration of the packages homodyne or xpcsjax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.store.document import shorten, suggestion
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.parameters import ALIASES, DEFAULTS, SCALING_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wilks.xpcs.translation_writer import Writer

_BOUNDS = "parameter_space.bounds"
_VALUES, _NAMES, _FIXED, _ACTIVE = (
    f"initial_parameters.{name}" for name in ("values", "parameter_names", "fixed_parameters", "active_parameters")
)
_IGNORED_THERE = "accepted there and ignored; it counts here"


def parameters(writer: Writer) -> None:
    """Take over the parameters of the model."""
    mode = writer.ours.data.get("model", {}).get("mode")
    if mode is None:
        return  # refused before
    if writer.get("initial_parameters.tied_parameters"):
        writer.refuse("initial_parameters.tied_parameters", "expected null: parameters cannot be tied")
    start = _initial_values(writer, mode)
    fixed = _fixed(writer, mode)
    _inactive(writer, mode, start, fixed)
    _bounds(writer, mode, fixed)
    free = {name: value for name, (_, value) in start.items() if name not in fixed and name not in SCALING_NAMES}
    if free:
        closed = "contrast and offset follow from the others in closed form, and need no start"
        writer.put(_VALUES, "model.start", free, closed if set(start) & set(SCALING_NAMES) else "")
        writer.also(_NAMES, "model.start")
        writer.ours.lines |= {
            ("model", "start", name): writer.line(_VALUES, position) for name, (position, _) in start.items()
        }


def _bounds(writer: Writer, mode: str, fixed: Iterable[str]) -> None:
    for position, item in enumerate(writer.list(_BOUNDS)):
        given = item.get("name") if isinstance(item, dict) else item
        name = ALIASES.get(given, given) if isinstance(given, str) else str(given)
        if name not in DEFAULTS and name not in SCALING_NAMES:
            hint = suggestion(name, [*DEFAULTS, *SCALING_NAMES])
            writer.refuse(_BOUNDS, f"{shorten(given)} is no parameter{hint}", position)
        elif name not in fixed and (name in PHYSICAL_NAMES[mode] or name in SCALING_NAMES):
            try:
                box = {"bounds": [float(item["min"]), float(item["max"])]}
            except (KeyError, TypeError, ValueError):
                writer.refuse(_BOUNDS, f"expected numbers as min and max of {name}", position)
            else:
                writer.put(_BOUNDS, f"model.parameters.{name}", box, "", position)


def _initial_values(writer: Writer, mode: str) -> dict[str, tuple[int, Any]]:
    """Parameter -> where its initial value stands, and the value."""
    values = writer.list(_VALUES)
    names = _known(writer, _NAMES, writer.list(_NAMES), mode) or list(PHYSICAL_NAMES[mode])
    if values and len(values) != len(names):
        writer.refuse(_VALUES, f"expected {len(names)} values, of {', '.join(names)}, got {len(values)}")
        return {}
    return {name: (position, value) for position, (name, value) in enumerate(zip(names, values, strict=False))}


def _fixed(writer: Writer, mode: str) -> set[str]:
    given = writer.mapping(_FIXED)
    names = dict(zip(_known(writer, _FIXED, list(given), mode), given, strict=True))
    for name, key in names.items():
        if name in PHYSICAL_NAMES[mode]:
            writer.put(_FIXED, f"model.parameters.{name}", given[key], _IGNORED_THERE, key)
    scaling = {name: given[key] for name, key in names.items() if name in SCALING_NAMES}
    if len(scaling) == len(SCALING_NAMES):
        writer.put(_FIXED, "model.scaling", {"constant": scaling}, _IGNORED_THERE)
    elif scaling:
        writer.refuse(_FIXED, "expected contrast and offset together: both are fixed, or both are free", *scaling)
    return set(names)


def _inactive(writer: Writer, mode: str, start: dict[str, tuple[int, Any]], fixed: set[str]) -> None:
    """Fix what is not in the list of active parameters at its initial value, and add it to the fixed ones."""
    active = writer.list(_ACTIVE)
    names = _known(writer, _ACTIVE, active, mode)
    held = [name for name in PHYSICAL_NAMES[mode] if active and name not in names and name not in fixed]
    without = [name for name in held if name not in start]
    if without:
        writer.refuse(
            _ACTIVE,
            f"{', '.join(without)} would be held, at no value: give values or fixed_parameters, or make them active",
        )
        return
    for name in held:
        position, value = start[name]
        writer.put(
            _ACTIVE, f"model.parameters.{name}", value, f"not active, held at its initial value; {_IGNORED_THERE}"
        )
        writer.ours.lines[("model", "parameters", name)] = writer.line(_VALUES, position)
    fixed.update(held)
    if active and not held:
        writer.also(_ACTIVE, "model.parameters")


def _known(writer: Writer, key: str, given: list[Any], mode: str) -> list[str]:
    """Names that parameters have here; those that are unknown, or of the other mode, are refused."""
    found = []
    for position, name in enumerate(given):
        ours = ALIASES.get(name, name) if isinstance(name, str) else str(name)
        below = name if isinstance(writer.get(key), dict) else position
        if ours in DEFAULTS and ours not in PHYSICAL_NAMES[mode]:
            writer.refuse(key, f"{name!r} belongs to the mode laminar_flow, and the mode is {mode}", below)
        elif ours not in PHYSICAL_NAMES[mode] and ours not in SCALING_NAMES:
            writer.refuse(key, f"{name!r} is no parameter{suggestion(ours, PHYSICAL_NAMES[mode])}", below)
        found.append(ours)
    return found
