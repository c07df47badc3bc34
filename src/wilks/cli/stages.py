"""The stages of a configuration: one class per verb, and the table of all of them.

A stage knows its settings (the keys that a configuration may give, with their defaults), the parameters that it
names, and how to call its verb. A new verb is a new class and a line in `STAGES`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from wilks.cli import algorithms
from wilks.cli.document import Place, shorten, wrong
from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.names import DEFAULT

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


class Settings(BaseModel):
    """Base of everything in a configuration: unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


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


class Search(VerbStage):
    """The good regions, without gradients: `wilks.search`.

    Attributes
    ----------
    algorithm
        A name out of `wilks.searchers.names.ALGORITHMS`.
    options
        Options of the algorithm, by name.
    n_evaluations
        Number of evaluations.
    """

    verb: ClassVar[str] = "search"

    algorithm: str = DEFAULT
    options: dict[str, Any] = Field(default_factory=dict)
    n_evaluations: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _known(self) -> Search:
        algorithms.algorithm(self.algorithm, self.options)
        return self

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        by = "" if self.algorithm == DEFAULT else f" by {self.algorithm.replace('_', ' ')}"
        return self.title or self._with_fixed(f"search{by}")

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.search`."""
        import wilks

        return wilks.search(
            self.problem(workplace),
            algorithms.algorithm(self.algorithm, self.options),
            n_evaluations=self.n_evaluations,
            start=self.start,
            **self.common(workplace),
        )


class Fit(VerbStage):
    """The best point and its errors: `wilks.fit`."""

    verb: ClassVar[str] = "fit"

    n_starts: int | None = Field(None, ge=0)

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        return self.title or self._with_fixed("fit")

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.fit`, from the latest search that agrees with `fix` unless a start is given."""
        import wilks

        return wilks.fit(
            self.problem(workplace),
            start=self.start or workplace.latest(("search",), self.fix),
            n_starts=self.n_starts,
            **self.common(workplace),
        )


class Profile(VerbStage):
    """A map of the profile likelihood: `wilks.profile`.

    Attributes
    ----------
    over
        The profiled parameters, one to three.
    grid
        For each of them a number of nodes, or the nodes: a list in the order of `over`, or a mapping by name.
    roi_threshold
        Depth of the map below the best log-likelihood.
    audit
        Number of cells that are optimised again from scratch.
    """

    verb: ClassVar[str] = "profile"

    over: list[str] = Field(min_length=1)
    grid: GridChoice = None
    roi_threshold: float = Field(4.0, gt=0)
    audit: int = Field(12, ge=0)

    @model_validator(mode="after")
    def _agreement(self) -> Profile:
        for position, name in enumerate(self.over):
            if name in self.over[:position]:
                raise wrong(f"{name!r} is there twice", at=("over", position))
            if name in self.fix:
                raise wrong(f"{name!r} is fixed in this stage, it cannot be profiled too", at=("over", position))
        if isinstance(self.grid, list) and len(self.grid) != len(self.over):
            raise wrong(
                f"expected {len(self.over)} entries, one for each of {', '.join(self.over)}, got {len(self.grid)}",
                at=("grid",),
            )
        if isinstance(self.grid, dict) and set(self.grid) != set(self.over):
            odd = min(set(self.grid) ^ set(self.over))
            reason = f"{odd!r} is not in 'over'" if odd in self.grid else f"no entry for {odd!r}"
            raise wrong(
                f"expected one entry for each of {', '.join(self.over)}: {reason}",
                at=("grid", odd) if odd in self.grid else ("grid",),
            )
        return self

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        return self.title or self._with_fixed(f"profile of {', '.join(self.over)}")

    def mentions(self) -> Iterator[tuple[Place, str, Any]]:
        """Yield the names in `over`, the nodes in `grid`, and what the base yields."""
        axes = self.grid if isinstance(self.grid, dict) else dict(zip(self.over, self.grid or [], strict=False))
        for position, name in enumerate(self.over):
            yield ("over", position), name, None
            at = name if isinstance(self.grid, dict) else position
            nodes = axes.get(name)
            for number, node in enumerate(nodes if isinstance(nodes, list) else []):
                yield ("grid", at, number), name, node
        yield from super().mentions()

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.profile`, from the latest search or fit that agrees with `fix`, or from `start`."""
        import wilks

        return wilks.profile(
            self.problem(workplace),
            over=tuple(self.over),
            grid=self._nodes(),
            roi_threshold=self.roi_threshold,
            audit=self.audit,
            start=self.start or workplace.latest(("search", "fit"), self.fix),
            **self.common(workplace),
        )

    def _nodes(self) -> Any:  # noqa: ANN401 - None, or one number or array per axis
        if self.grid is None:
            return None
        axes = [self.grid[name] for name in self.over] if isinstance(self.grid, dict) else self.grid
        return tuple(axis if isinstance(axis, int) else np.array(axis) for axis in axes)


class Compare(Stage):
    """The intervals of all results so far side by side: `wilks.compare`."""

    verb: ClassVar[str] = "compare"

    def heading(self) -> str:
        """Return the title, or the word for it."""
        return self.title or "comparison"

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.compare`."""
        import wilks

        done = [entry for entry in workplace.done if entry.stage.resumable]
        return wilks.compare(*(entry.result for entry in done), titles=tuple(entry.title for entry in done))


class Report(Stage):
    """A page of HTML with all results so far."""

    verb: ClassVar[str] = "report"

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Write the report; there is no result."""
        workplace.write_report(self.title)
        workplace.terminal.line(f"Written: {workplace.folder.report}")


STAGES: dict[str, type[Stage]] = {stage.verb: stage for stage in (Search, Fit, Profile, Compare, Report)}
"""Key of a stage in a configuration -> its class."""
