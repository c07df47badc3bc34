"""Validation of a document against a model, with the line of everything that is wrong."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from wilks.core.errors import InvalidConfigurationError
from wilks.store.document import Document, Place, dotted, shorten, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    Model = TypeVar("Model", bound="Settings")


class Settings(BaseModel):
    """Base of everything in a configuration: unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def validated(model: type[Model], document: Document) -> Model:
    """Return the document as an instance of `model`.

    Raises
    ------
    InvalidConfigurationError
        With one line for everything that is wrong: file, line, place, and what was expected.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        findings = [(_place(detail), _text(detail, model)) for detail in error.errors(include_url=False)]
        refuse(document, findings)
        raise


def refuse(document: Document, findings: list[tuple[Place, str]]) -> None:
    """Raise one error with a line for every finding, in the order of the file; nothing if there are none."""
    ordered = sorted(findings, key=lambda finding: document.order(finding[0]))
    lines = [f"{document.where(place)}: {dotted(place)}{text}" for place, text in ordered]
    if lines:
        raise InvalidConfigurationError("\n".join(lines))


def _place(detail: ErrorDetails) -> Place:
    return (*detail["loc"], *detail.get("ctx", {}).get("at", ()))


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "too_short": "at least one entry",
    "too_long": "fewer entries",
}
"""Kind of error in pydantic -> what to say was expected."""

_LIMITS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _text(detail: ErrorDetails, top: type[BaseModel]) -> str:
    kind, got = detail["type"], detail["input"]
    if kind == "wilks":
        return detail["msg"]
    if kind == "missing":
        return "this key is required"
    if kind == "extra_forbidden":
        *above, key = detail["loc"]
        return f"unknown key{suggestion(str(key), _keys_at(top, tuple(above)))}"
    if kind in _LIMITS:
        limit = _LIMITS[kind]
        return f"expected a number {_SIGNS[limit]} {detail['ctx'][limit]:g}, got {shorten(got)}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {shorten(got)}"
    return f"{detail['msg']}, got {shorten(got)}"


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Keys that a configuration may have at a place."""
    for key in place:
        if isinstance(key, str):
            model = next(_models_in(model.model_fields[key].annotation))
    return list(model.model_fields)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
