"""The stage `sample` of a configuration: draws from the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from wilks.cli import algorithms
from wilks.cli.stage import VerbStage
from wilks.store.document import suggestion, wrong

if TYPE_CHECKING:
    from wilks.cli.workplace import Workplace

AUTO = "auto"
METHODS = {
    "importance": "AdaptiveImportance",
    "nuts": "Nuts",
    "ensemble": "Ensemble",
    "tempering": "ParallelTempering",
}
"""Name of a method in a configuration -> its class in `wilks`."""


class Sample(VerbStage):
    """The posterior: `wilks.sample`.

    Attributes
    ----------
    method
        `AUTO`, or a key of `METHODS`.
    options
        Options of the method, by the names that they have in Python.
    n_draws
        Number of draws, of all chains together.
    """

    verb: ClassVar[str] = "sample"

    method: str = AUTO
    options: dict[str, Any] = Field(default_factory=dict)
    n_draws: int = Field(4000, ge=100)

    @model_validator(mode="after")
    def _usable(self) -> Sample:
        if self.method not in (AUTO, *METHODS):
            known = [AUTO, *METHODS]
            raise wrong(f"unknown method {self.method!r}{suggestion(self.method, known)}", at=("method",))
        if self.method == AUTO and self.options:
            reason = f"options belong to a method, and none is chosen; set 'method' to one of {', '.join(METHODS)}"
            raise wrong(reason, at=("options",))
        self.made()
        return self

    def made(self) -> Any:  # noqa: ANN401 - each method has a class of its own, without a common base
        """Return the method with its options; None for the automatic choice."""
        import wilks

        if self.method == AUTO:
            return None
        always = {"sampling": True} if self.method == "tempering" else {}
        return algorithms.made(getattr(wilks, METHODS[self.method]), {**self.options, **always}, ("options",))

    def heading(self) -> str:
        """Return the title, or one made from the settings."""
        by = "" if self.method == AUTO else f" by {self.method}"
        return self.title or self._with_fixed(f"posterior{by}")

    def execute(self, workplace: Workplace) -> Any:  # noqa: ANN401 - see Stage
        """Call `wilks.sample`, from `start`, or the latest fit, or else search, that agrees with `fix`."""
        import wilks

        first = self.start or workplace.latest(("fit",), self.fix) or workplace.latest(("search",), self.fix)
        return wilks.sample(
            self.problem(workplace),
            self.made(),
            start=first,
            n_draws=self.n_draws,
            **self.common(workplace),
        )
