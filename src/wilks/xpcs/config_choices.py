"""Values of a configuration that may be written in several ways: each is brought to one plain form, or refused.

The plain forms are numbers, texts, lists and dictionaries, so that a configuration can be written to a file and read
back; `wilks.xpcs.config_sections` makes the objects of the fit from them. What a value may be is asked of those objects
themselves wherever they know.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.loss import Loss
from wilks.store.document import Place, shorten, suggestion, wrong
from wilks.xpcs.convention import Convention
from wilks.xpcs.options import ShearWeights
from wilks.xpcs.parameters import ALIASES, check_mode
from wilks.xpcs.scaling import Scaling, as_scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

CONVENTIONS = {"physical": Convention(), "homodyne": Convention.homodyne()}
"""Conventions that have a name."""

_SCALES = ("linear", "log")


def number(value: object, at: Place = ()) -> float:
    """Return a finite number as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise wrong(f"expected a number, got {shorten(value)}", at=at)
    return float(value)


def numbers(value: object, at: Place = ()) -> list[float]:
    """Return a list of numbers."""
    if not isinstance(value, list) or not value:
        raise wrong(f"expected a list of numbers, got {shorten(value)}", at=at)
    return [number(item, (*at, position)) for position, item in enumerate(value)]


def number_or_numbers(value: object, at: Place = ()) -> float | list[float]:
    """Return one number, or a list with one for every angle."""
    if isinstance(value, list):
        return numbers(value, at)
    if isinstance(value, dict) or value is None:
        raise wrong(f"expected a number, or a list with one for every angle, got {shorten(value)}", at=at)
    return number(value, at)


def entries(value: object, known: Sequence[str], expected: str, at: Place = ()) -> dict[str, Any]:
    """Return a mapping whose keys are all known."""
    if not isinstance(value, dict):
        raise wrong(f"expected {expected}, got {shorten(value)}", at=at)
    for key in value:
        if key not in known:
            raise wrong(f"unknown key{suggestion(str(key), known)}", at=(*at, key))
    return value


def reason(error: Exception) -> str:
    """Return what an error says, without the name of the argument in front of it."""
    return str(error).partition(": ")[2]


def one_of(*known: str) -> BeforeValidator:
    """Return the validator of a text that must be one of a few."""

    def check(value: object) -> object:
        if value not in known:
            hint = suggestion(value, known) if isinstance(value, str) else f"; expected one of {', '.join(known)}"
            raise wrong(f"{shorten(value)} is unknown{hint}")
        return value

    return BeforeValidator(check)


def _mode(value: object) -> object:
    try:
        return check_mode(value)  # type: ignore[arg-type]  # that is what is checked
    except InvalidConfigurationError as error:
        raise wrong(reason(error)) from None


def _convention(value: object) -> object:
    known = [field.name for field in dataclasses.fields(Convention)]
    expected = f"{' or '.join(CONVENTIONS)}, or a mapping with {', '.join(known)}"
    if isinstance(value, str):
        if value not in CONVENTIONS:
            raise wrong(f"expected {expected}, got {shorten(value)}")
        return value
    given = entries(value, known, expected)
    try:
        return dataclasses.asdict(Convention(**given))
    except InvalidConfigurationError as error:
        name, _, text = str(error).partition(": ")
        raise wrong(text, at=(name,)) from None


def convention_of(choice: str | dict[str, Any]) -> Convention:
    """Return the convention that a plain form means."""
    return CONVENTIONS[choice] if isinstance(choice, str) else Convention(**choice)


def _scaling(value: object) -> object:
    expected = (
        "individual, averaged, constant, auto, {fourier: ORDER}, or {constant: {contrast: NUMBER, offset: NUMBER}}"
    )
    if not isinstance(value, dict):
        try:
            return as_scaling(value).kind
        except InvalidConfigurationError:
            hint = suggestion(value, ("individual", "averaged", "constant", "auto")) if isinstance(value, str) else ""
            text = f"expected {expected}, got {shorten(value)}"
            raise wrong(text + (hint if "did you mean" in hint else "")) from None
    if len(value) != 1:
        raise wrong(f"expected {expected}, got {shorten(value)}")
    ((kind, settings),) = entries(value, ("fourier", "constant"), expected).items()
    if kind == "fourier":
        try:
            Scaling.fourier(settings)
        except InvalidConfigurationError as error:
            raise wrong(reason(error), at=(kind,)) from None
        return {kind: settings}
    fixed = entries(settings, ("contrast", "offset"), "a mapping with contrast and offset", (kind,))
    return {
        kind: {
            name: None if fixed.get(name) is None else number_or_numbers(fixed[name], (kind, name))
            for name in ("contrast", "offset")
        }
    }


def scaling_of(choice: str | dict[str, Any]) -> Scaling:
    """Return the scaling that a plain form means."""
    if isinstance(choice, str):
        return as_scaling(choice)
    return Scaling.fourier(choice["fourier"]) if "fourier" in choice else Scaling.constant(**choice["constant"])


def _loss(value: object) -> object:
    expected = "a name, or a mapping with name and scale"
    given = {"name": value} if isinstance(value, str) else entries(value, ("name", "scale"), expected)
    if "name" not in given:
        raise wrong(f"expected {expected}, got {shorten(value)}")
    try:
        loss = Loss(**given)
    except InvalidProblemError as error:
        raise wrong(reason(error)) from None
    return loss.name if isinstance(value, str) else dataclasses.asdict(loss)


def loss_of(choice: str | dict[str, Any]) -> Loss:
    """Return the loss that a plain form means."""
    return Loss(choice) if isinstance(choice, str) else Loss(**choice)


def _weights(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, list):
        return numbers(value)
    expected = "a list with one weight for every angle, or {shear: {exponent: 1.0, minimum: 0.3}}"
    given = entries(value, ("shear",), expected)
    if not given:
        raise wrong(f"expected {expected}, got {shorten(value)}")
    known = [field.name for field in dataclasses.fields(ShearWeights)]
    shear = given["shear"]
    settings = entries({} if shear is None else shear, known, f"a mapping with {' and '.join(known)}", ("shear",))
    checked = {name: number(item, ("shear", name)) for name, item in settings.items()}
    try:
        return {"shear": dataclasses.asdict(ShearWeights(**checked))}
    except InvalidConfigurationError as error:
        raise wrong(reason(error), at=("shear",)) from None


def weights_of(choice: dict[str, Any] | list[float] | None) -> ShearWeights | tuple[float, ...] | None:
    """Return the weights that a plain form means."""
    if isinstance(choice, dict):
        return ShearWeights(**choice["shear"])
    return None if choice is None else tuple(choice)


def _memory(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)) or number(value) <= 0:
        raise wrong(f'expected a size such as "2GB", a fraction of what is free, or a number of bytes, got {value!r}')
    return value


def _frames(value: object) -> object:
    expected = "the first and the last frame, counted from 1, such as [1, 2000]; null as the last one is the end"
    if not isinstance(value, list) or len(value) != 2:
        raise wrong(f"expected {expected}, got {shorten(value)}")
    for position, frame in enumerate(value):
        open_end = position == 1 and frame is None
        if not open_end and (isinstance(frame, bool) or not isinstance(frame, int) or frame < 1):
            raise wrong(f"expected a whole number >= 1, got {shorten(frame)}", at=(position,))
    first, last = value
    if last is not None and last <= first:
        raise wrong(f"expected a last frame after the first one, got {first} and {last}")
    return value


def _angles(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        return [number(value)]
    if not value:
        raise wrong("expected at least one angle or range; null takes all angles")
    found: list[float | list[float]] = []
    for position, item in enumerate(value):
        if not isinstance(item, list):
            found.append(number(item, (position,)))
        elif len(item) == 2:
            found.append(numbers(item, (position,)))
        else:
            raise wrong(f"expected an angle, or a range [from, to], got {shorten(item)}", at=(position,))
    return found


def _parameter(value: object, at: Place) -> float | dict[str, Any]:
    expected = "a number, which fixes it, or {bounds: [lower, upper], scale: linear}"
    if not isinstance(value, (dict, list)) and value is not None:
        return number(value, at)
    given = entries(value, ("bounds", "scale"), expected, at)
    bounds = given.get("bounds")
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise wrong(f"expected bounds: [lower, upper], got {shorten(bounds)}", at=(*at, "bounds"))
    scale = given.get("scale")
    if scale is not None and scale not in _SCALES:
        raise wrong(f"expected linear or log, got {shorten(scale)}", at=(*at, "scale"))
    return {"bounds": numbers(bounds, (*at, "bounds")), "scale": scale}


def _by_name(value: object) -> dict[str, tuple[str, Any]]:
    """Parameter, by the name that the fit has for it -> the name that was given, and the value."""
    if not isinstance(value, dict):
        raise wrong(f"expected a mapping of names of parameters, got {shorten(value)}")
    found: dict[str, tuple[str, Any]] = {}
    for given, item in value.items():
        name = str(ALIASES.get(given, given))
        if name in found:
            raise wrong(f"{found[name][0]!r} and {given!r} are the same parameter; give one", at=(given,))
        found[name] = (given, item)
    return found


def _parameters(value: object) -> object:
    given = _by_name({} if value is None else value)
    return {name: _parameter(item, (key,)) for name, (key, item) in given.items()}


def _values(value: object) -> object:
    return {name: number(item, (key,)) for name, (key, item) in _by_name(value).items()}


def _names(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [ALIASES.get(item, item) if isinstance(item, str) else item for item in value]


def _start(value: object) -> object:
    return None if value is None else _values(value)


ModeChoice = Annotated[str, BeforeValidator(_mode)]
ConventionChoice = Annotated[Any, BeforeValidator(_convention)]
ScalingChoice = Annotated[Any, BeforeValidator(_scaling)]
LossChoice = Annotated[Any, BeforeValidator(_loss)]
WeightsChoice = Annotated[Any, BeforeValidator(_weights)]
MemoryChoice = Annotated[Any, BeforeValidator(_memory)]
FramesChoice = Annotated[Any, BeforeValidator(_frames)]
AnglesChoice = Annotated[Any, BeforeValidator(_angles)]
ParameterChoices = Annotated[Any, BeforeValidator(_parameters)]
Names = Annotated[list[str], BeforeValidator(_names)]
Values = Annotated[Any, BeforeValidator(_values)]
Start = Annotated[Any, BeforeValidator(_start)]
PerAngle = Annotated[Any, BeforeValidator(number_or_numbers)]
Numbers = Annotated[Any, BeforeValidator(numbers)]
