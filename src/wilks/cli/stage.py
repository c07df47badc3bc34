"""What every stage of a configuration is made of: settings, values in YAML, when to stop, what all verbs share.

The concrete stages, one class per verb, are in `wilks.cli.stages`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field

from wilks.core.errors import InvalidConfigurationError
from wilks.store.document import Place, shorten, wrong
from wilks.store.validation import Settings

if TYPE_CHECKING:
    from wilks.cli.workplace import Workplace
    from wilks.core.problem import Problem


def _scalar(value: object) -> object:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise wrong(f"expected one value (a number or text), got {shorten(value)}")
    return value


def _axis(value: object, at: Place) -> int | list[float]:
    """A number of nodes, or the nodes."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 2:
            raise wrong(f"expected at least 2 nodes, got {value}", at=at)
        return value
    if isinstance(value, list) and value:
        for position, node in enumerate(value):
            if isinstance(node, bool) or not isinstance(node, (int, float)) or not np.isfinite(node):
                raise wrong(f"expected a number, got {shorten(node)}", at=(*at, position))
        return [float(node) for node in value]
    raise wrong(f"expected a number of nodes, or a list of nodes, got {shorten(value)}", at=at)


def _grid(value: object) -> object:
    if isinstance(value, dict):
        return {name: _axis(axis, (name,)) for name, axis in value.items()}
    if isinstance(value, list):
        return [_axis(axis, (position,)) for position, axis in enumerate(value)]
    if value is None:
        return None
    raise wrong(f"expected a list in the order of 'over', such as [41, 41], or a mapping by name, got {shorten(value)}")


Value = Annotated[Any, BeforeValidator(_scalar)]
Values = dict[str, Value]
GridChoice = Annotated[Any, BeforeValidator(_grid)]


class Stop(Settings):
    """When a stage stops before it has converged."""

    n_evaluations: int | None = Field(None, gt=0)
    seconds: float | None = Field(None, gt=0)

    def rules(self) -> list[Any]:
        """Return the stopping rules."""
        import wilks

        rules: list[Any] = []
        if self.n_evaluations is not None:
            rules.append(wilks.MaxEvaluations(self.n_evaluations))
        if self.seconds is not None:
            rules.append(wilks.MaxTime(self.seconds))
        return rules


class Stage(Settings, ABC):
    """What every stage offers.

    Attributes
    ----------
    title
        Heading in summary and report; made from the settings when it is not given.
    """

    verb: ClassVar[str]
    resumable: ClassVar[bool] = False
    """Is the result saved, and taken from there when the run goes on?"""
    has_intervals: ClassVar[bool] = False
    """Can the result be compared with others, interval by interval?"""

    title: str | None = Field(None, min_length=1)

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        return self.title or self.verb

    def mentions(self) -> Iterator[tuple[Place, str, Any]]:
        """Yield every parameter that the settings name: place, name, and the value that it is given there or None."""
        yield from ()

    def fixed(self) -> dict[str, Any]:
        """Return the parameters that this stage fixes."""
        return {}

    def key(self, seed: int) -> str:
        """Return what identifies the work: equal for equal settings, whatever the title."""
        content = json.dumps([self.verb, self.model_dump(exclude={"title"}), seed], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @abstractmethod
    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - each verb has its own result
        """Do the work, and return what it gives."""


class VerbStage(Stage):
    """A stage that evaluates the likelihood.

    Attributes
    ----------
    fix
        Parameters held at a value in this stage.
    stop
        When to stop before convergence.
    start
        Values to start from.
    """

    resumable: ClassVar[bool] = True
    has_intervals: ClassVar[bool] = True

    fix: Values = Field(default_factory=dict)
    stop: Stop | None = None
    start: Values | None = None

    def mentions(self) -> Iterator[tuple[Place, str, Any]]:
        """Yield the names in `fix` and `start`."""
        for name, value in self.fix.items():
            yield ("fix", name), name, value
        for name, value in (self.start or {}).items():
            yield ("start", name), name, value

    def fixed(self) -> dict[str, Any]:
        """Return the parameters that this stage fixes."""
        return self.fix

    def _with_fixed(self, text: str) -> str:
        fixed = ", ".join(f"{name}={value}" for name, value in self.fix.items())
        return f"{text} with {fixed}" if fixed else text

    def problem(self, workplace: Workplace) -> Problem:
        """Return the problem of the run, restricted as this stage wants it."""
        problem = workplace.problem
        if problem is None:
            raise InvalidConfigurationError(f"{self.heading()}: needs the problem, which was not loaded")
        return problem.fix(**self.fix) if self.fix else problem

    def common(self, workplace: Workplace) -> dict[str, Any]:
        """Return the keywords that all verbs share."""
        rules = self.stop.rules() if self.stop else []
        return {**workplace.common(), **({"stop": rules} if rules else {})}
