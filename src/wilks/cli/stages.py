"""The stages of a configuration: one class per verb, and the table of all of them.

A stage knows its settings (the keys that a configuration may give, with their defaults), the parameters that it
names, and how to call its verb. A new verb is a new class and a line in `STAGES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from wilks.cli import algorithms
from wilks.cli.sampling import Sample
from wilks.cli.stage import GridChoice, Stage, VerbStage
from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.names import DEFAULT
from wilks.store.document import Place, wrong
from wilks.store.validation import Settings

if TYPE_CHECKING:
    from wilks.cli.workplace import Workplace
    from wilks.profiles.options import ProfileOptions
    from wilks.verbs.fit_options import FitOptions


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


class Choices(Settings, ABC):
    """Settings that stand for the options of a verb, which check themselves."""

    @abstractmethod
    def made(self) -> Any:  # noqa: ANN401 - each verb has its own options
        """Return the options."""

    @model_validator(mode="after")
    def _usable(self) -> Choices:
        try:
            self.made()
        except InvalidConfigurationError as error:
            name, _, reason = str(error).partition(": ")
            raise wrong(reason, at=(name,)) from None
        return self


class FitChoices(Choices):
    """How a `Fit` stage looks for the best point, as in `wilks.FitOptions`."""

    method: str = "multi_start"
    design: str = "latin_hypercube"
    n_screened: int = 1000
    n_refined: int = 10
    n_restarts: int = 3
    projection: str = "kaufman"
    x_scale: dict[str, float] | None = None
    sigma_known: bool = True

    def made(self) -> FitOptions:
        """Return the options."""
        from wilks.verbs.fit_options import FitOptions

        return FitOptions(**self.model_dump())


class Fit(VerbStage):
    """The best point and its errors: `wilks.fit`.

    Attributes
    ----------
    n_starts
        Number of random starts of a multi-start.
    options
        The method, and what is seldom changed.
    """

    verb: ClassVar[str] = "fit"

    n_starts: int | None = Field(None, ge=0)
    options: FitChoices = Field(default_factory=FitChoices)

    @model_validator(mode="after")
    def _agreement(self) -> Fit:
        method = self.options.method
        if self.n_starts is not None and method not in ("multi_start", "auto"):
            reason = f"only the method multi_start makes random starts, the method of this stage is {method}"
            raise wrong(reason, at=("n_starts",))
        return self

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        by = "" if self.options.method == "multi_start" else f" by {self.options.method.replace('_', ' ')}"
        return self.title or self._with_fixed(f"fit{by}")

    def mentions(self) -> Iterator[tuple[Place, str, Any]]:
        """Yield the names in `x_scale`, and what the base yields."""
        for name in self.options.x_scale or {}:
            yield ("options", "x_scale", name), name, None
        yield from super().mentions()

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.fit`, from the latest search that agrees with `fix` unless a start is given."""
        import wilks

        return wilks.fit(
            self.problem(workplace),
            start=self.start or workplace.latest(("search",), self.fix),
            n_starts=self.n_starts,
            options=self.options.made(),
            **self.common(workplace),
        )


class ProfileChoices(Choices):
    """What is seldom changed in a `Profile` stage, as in `wilks.ProfileOptions`."""

    accuracy: float = 1e-3
    inner: str = "local"
    n_optima: Any = None
    max_starts: int | None = None
    max_passes: int = 12

    def made(self) -> ProfileOptions:
        """Return the options; a list of the fewest and the most optima counts as a pair."""
        from wilks.profiles.options import ProfileOptions

        several = tuple(self.n_optima) if isinstance(self.n_optima, list) else self.n_optima
        return ProfileOptions(**{**self.model_dump(), "n_optima": several})

    def accepts(self, other: ProfileChoices) -> bool:
        """Was a map with other options made with at least the care that these ask for?"""
        return other.accuracy <= self.accuracy and other.inner in (self.inner, "global")


class Profile(VerbStage):
    """A map of the profile likelihood: `wilks.profile`.

    Attributes
    ----------
    over
        The profiled parameters.
    grid
        For each of them a number of nodes, or the nodes: a list in the order of `over`, or a mapping by name. Without
        it the path of one parameter is followed.
    roi_threshold
        Depth of the map below the best log-likelihood.
    audit
        Number of cells that are optimised again from scratch.
    options
        What is seldom changed.
    """

    verb: ClassVar[str] = "profile"

    over: list[str] = Field(min_length=1)
    grid: GridChoice = None
    roi_threshold: float = Field(4.0, gt=0)
    audit: int = Field(12, ge=0)
    options: ProfileChoices = Field(default_factory=ProfileChoices)

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
        """Call `wilks.profile`, from `start` or the latest search or fit that agrees with `fix`, and from profiles."""
        import wilks

        return wilks.profile(
            self.problem(workplace),
            over=tuple(self.over),
            grid=self._nodes(),
            roi_threshold=self.roi_threshold,
            audit=self.audit,
            options=self.options.made(),
            start=self._starts(workplace),
            **self.common(workplace),
        )

    def _starts(self, workplace: Workplace) -> list[Any] | None:
        """What to begin with; a profile that fixed the same hands over its optima and cells, so none is done twice."""
        first = self.start or workplace.latest(("search", "fit"), self.fix)
        earlier = [
            entry.result
            for entry in workplace.done
            if isinstance(entry.stage, Profile)
            and entry.stage.fix == self.fix
            and self.options.accepts(entry.stage.options)
        ]
        return [*([first] if first else []), *earlier] or None

    def _nodes(self) -> Any:  # noqa: ANN401 - None, or one number or array per axis
        if self.grid is None:
            return None
        axes = [self.grid[name] for name in self.over] if isinstance(self.grid, dict) else self.grid
        return tuple(axis if isinstance(axis, int) else np.array(axis) for axis in axes)


class VolumeChoices(Settings):
    """What is seldom changed in a `Volume` stage, as in `wilks.VolumeOptions`."""

    n_evaluations: int | None = Field(None, gt=0)
    sigma_fraction: float = Field(0.1, gt=0, le=1)
    partner_window: float | None = Field(None, gt=0)
    use_log: bool = True


class Volume(VerbStage):
    """Points through the region of interest: `wilks.sample_volume`.

    Attributes
    ----------
    roi_threshold
        Depth of the region below the best log-likelihood; that of the profiles by default.
    n_walkers, n_steps
        Size of the ensemble, and steps of each walker.
    options
        What is seldom changed.
    samples
        A file in the run folder for the samples, csv or HDF5; its summary goes beside it, as JSON.
    """

    verb: ClassVar[str] = "volume"
    has_intervals: ClassVar[bool] = False

    roi_threshold: float | None = Field(None, gt=0)
    n_walkers: int = Field(1000, gt=0)
    n_steps: int = Field(30, gt=0)
    options: VolumeChoices = Field(default_factory=VolumeChoices)
    samples: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _known_format(self) -> Volume:
        if self.samples is not None:
            from wilks.store.sample_formats import sample_format

            try:
                sample_format(Path(self.samples))
            except InvalidConfigurationError as error:
                raise wrong(str(error), at=("samples",)) from None
        return self

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        return self.title or self._with_fixed("volume")

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.sample_volume`, from all profiles that agree with `fix`, or the latest fit or search."""
        import wilks

        latest = workplace.latest(("search", "fit"), self.fix)
        found = workplace.every(("profile",), self.fix) or ([latest] if latest else [])
        result = wilks.sample_volume(
            self.problem(workplace),
            start=self.start or found,
            roi_threshold=self.roi_threshold,
            n_walkers=self.n_walkers,
            n_steps=self.n_steps,
            options=wilks.VolumeOptions(**self.options.model_dump()),
            **self.common(workplace),
        )
        if self.samples is not None and result.n_in_band:
            path = result.write_samples(workplace.folder.path / self.samples, overwrite=True)
            summary = result.write_summary(path.with_suffix(".json"), overwrite=True)
            workplace.terminal.line(f"Written: {path}, {summary.name}")
        return result


class Compare(Stage):
    """The intervals of all results so far side by side: `wilks.compare`."""

    verb: ClassVar[str] = "compare"

    def heading(self) -> str:
        """Return the title, or the word for it."""
        return self.title or "comparison"

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.compare`."""
        import wilks

        done = [entry for entry in workplace.done if entry.stage.has_intervals]
        return wilks.compare(*(entry.result for entry in done), titles=tuple(entry.title for entry in done))


class Report(Stage):
    """A page of HTML with all results so far."""

    verb: ClassVar[str] = "report"

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Write the report; there is no result."""
        workplace.write_report(self.title)
        workplace.terminal.line(f"Written: {workplace.folder.report}")


STAGES: dict[str, type[Stage]] = {
    stage.verb: stage for stage in (Search, Fit, Profile, Volume, Sample, Compare, Report)
}
"""Key of a stage in a configuration -> its class."""
