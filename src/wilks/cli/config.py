"""The configuration of a run: validation with lines, and the full version that is kept with the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, create_model, model_validator

from wilks.cli import executors
from wilks.cli.stage import Stage
from wilks.cli.stages import STAGES
from wilks.core.errors import InvalidConfigurationError, InvalidProblemError
from wilks.core.parameter import Categorical
from wilks.store.document import Document, Place, dump, shorten, suggestion, wrong
from wilks.store.validation import Settings, refuse, validated

if TYPE_CHECKING:
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
        refuse(self.document, findings)


STAGES_KEY = "stages"


def validate(document: Document) -> Config:
    """Validate a document.

    Raises
    ------
    InvalidConfigurationError
        With one line for everything that is wrong: file, line, place, and what was expected.
    """
    if "stages" not in document.data and {"data", "model"} & set(document.data):
        raise InvalidConfigurationError(
            f"{document.path}: this is the configuration of an XPCS analysis; for it use wilks xpcs fit, info and plot"
        )
    model = validated(_Model, document)
    stages = tuple(next(stage for _, stage in entry if stage is not None) for entry in model.stages)
    refuse(document, list(_without_results(stages)))
    folder = document.path.parent / model.run
    return Config(document, model.problem, folder, model.seed, model.executor, stages)


def _without_results(stages: tuple[Stage, ...]) -> Iterator[tuple[Place, str]]:
    for number, stage in enumerate(stages):
        if stage.resumable:
            return
        yield (
            (STAGES_KEY, number, stage.verb),
            "there is nothing to show yet: no search, fit, profile or sample comes before it",
        )


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
