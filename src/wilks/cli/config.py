"""The configuration of a run: validation with lines, and the full version that is kept with the run."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model, model_validator

from wilks.cli import executors
from wilks.cli.document import Document, Place, dotted, dump, shorten, suggestion, wrong
from wilks.cli.stage import Settings, Stage
from wilks.cli.stages import STAGES
from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Categorical

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from wilks.core.problem import Problem


class _Entry(Settings):
    """One entry of `stages`: a mapping with one key, the verb."""

    @model_validator(mode="before")
    @classmethod
    def _one_key(cls, value: object) -> object:
        verbs = ", ".join(STAGES)
        if not isinstance(value, dict):
            raise wrong(f"expected one of {verbs} as a key with its settings, got {shorten(value)}")
        if len(value) != 1:
            hint = ""
            if len(value) > 1 and next(iter(value.values())) is None:
                hint = f"; indent what belongs to {next(iter(value))!r}"
            raise wrong(f"expected one key, one of {verbs}, got {shorten(value)}{hint}")
        return {key: {} if settings is None else settings for key, settings in value.items()}


_fields: dict[str, Any] = {verb: (stage | None, None) for verb, stage in STAGES.items()}
StageEntry = create_model("StageEntry", __base__=_Entry, __doc__="One key out of `STAGES`.", **_fields)


class _Model(Settings):
    """The keys of a configuration."""

    problem: str = Field(min_length=1)
    run: str = Field("run", min_length=1)
    seed: int = Field(1, ge=0)
    executor: Annotated[Any, BeforeValidator(executors.check)] = "serial"
    stages: list[StageEntry] = Field(min_length=1)  # made from the table above


@dataclass(frozen=True)
class Config:
    """A valid configuration.

    Attributes
    ----------
    document
        Where it came from, for messages about later findings.
    problem
        Reference to the problem, ``module:name`` or ``file.py:name``.
    folder
        The run folder.
    seed, executor
        As in the file, or the defaults.
    stages
        The stages, with all settings.
    """

    document: Document
    problem: str
    folder: Path
    seed: int
    executor: executors.Choice
    stages: tuple[Stage, ...]

    @property
    def base(self) -> Path:
        """The folder that the paths in the file are relative to."""
        return self.document.path.parent

    def resolved(self) -> str:
        """Return the full configuration as YAML, with paths that hold in the run folder."""
        plain = {
            "problem": _moved(self.problem, self.base, self.folder),
            "run": ".",
            "seed": self.seed,
            "executor": self.executor,
            "stages": [{stage.verb: stage.model_dump()} for stage in self.stages],
        }
        head = "# The full configuration of this run, defaults included. `wilks run` on this folder reads it.\n"
        return head + dump(plain)

    def check_names(self, problem: Problem) -> None:
        """Check every parameter that the stages name against the problem.

        Raises
        ------
        InvalidConfigurationError
            If a name is unknown or a value lies outside its domain; one line for each.
        """
        findings = []
        for number, stage in enumerate(self.stages):
            for below, text in _odd_names(stage, problem):
                findings.append(((STAGES_KEY, number, stage.verb, *below), text))
        _refuse(self.document, findings)


STAGES_KEY = "stages"


def validate(document: Document) -> Config:
    """Validate a document.

    Raises
    ------
    InvalidConfigurationError
        With one line for everything that is wrong: file, line, place, and what was expected.
    """
    try:
        model = _Model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        findings = [(_place(detail), _text(detail)) for detail in details]
        _refuse(document, findings)
        raise
    stages = tuple(next(stage for _, stage in entry if stage is not None) for entry in model.stages)
    _refuse(document, list(_without_results(stages)))
    folder = document.path.parent / model.run
    return Config(document, model.problem, folder, model.seed, model.executor, stages)


def _without_results(stages: tuple[Stage, ...]) -> Iterator[tuple[Place, str]]:
    for number, stage in enumerate(stages):
        if stage.resumable:
            return
        yield (
            (STAGES_KEY, number, stage.verb),
            "there is nothing to show yet: no search, fit or profile comes before it",
        )


def _refuse(document: Document, findings: list[tuple[Place, str]]) -> None:
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
}
"""Kind of error in pydantic -> what to say was expected."""

_LIMITS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _text(detail: ErrorDetails) -> str:
    kind, got = detail["type"], detail["input"]
    if kind == "wilks":
        return detail["msg"]
    if kind == "missing":
        return "this key is required"
    if kind == "extra_forbidden":
        *above, key = detail["loc"]
        return f"unknown key{suggestion(str(key), _keys_at(_Model, tuple(above)))}"
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


def _odd_names(stage: Stage, problem: Problem) -> Iterator[tuple[Place, str]]:
    space = problem.space
    for place, name, value in stage.mentions():
        is_node = place[0] == "grid"
        if is_node and (name not in space.free or isinstance(space[name], Categorical)):
            continue  # the name was found in `over`; a node of a categorical parameter is the number of a value
        if name in space.constants:
            yield place, f"{name!r} is a constant of the problem"
        elif name not in space.free:
            yield place, f"unknown parameter {name!r}{suggestion(name, space.free)}"
        elif value is not None:
            try:
                space[name].encode(value)
            except InvalidProblemError as error:
                yield place, str(error)
    if set(space.free) <= set(stage.fixed()):
        yield ("fix",), "every parameter is fixed, none is left to vary"


def _moved(reference: str, base: Path, folder: Path) -> str:
    """Return a reference to a file of the problem as seen from the run folder.

    It stays relative while the run folder lies below the file, so that the whole can be moved; otherwise it
    becomes absolute.
    """
    name, _, attribute = reference.rpartition(":")
    if not is_file(name):
        return reference
    path = Path(os.path.abspath(base / name))  # noqa: PTH100 - `resolve` would follow links
    home = Path(os.path.abspath(folder))  # noqa: PTH100 - see above
    inside = not Path(name).is_absolute() and home.is_relative_to(path.parent)
    return f"{os.path.relpath(path, home) if inside else path}:{attribute}"


def is_file(name: str) -> bool:
    """Does the first part of a reference name a file, and not a module?"""
    return name.endswith(".py") or "/" in name
