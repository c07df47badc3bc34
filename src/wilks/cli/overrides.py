"""Options of the command line that take the place of what the configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wilks.core.errors import InvalidConfigurationError
from wilks.store.document import Document, Place, value_of


@dataclass(frozen=True)
class Overrides:
    """What was given as options.

    Attributes
    ----------
    executor
        Name of the executor.
    workers
        Number of workers; alone, it means worker processes.
    seed
        Seed of a new run.
    settings
        Texts of the form ``dotted.key=value``.
    """

    executor: str | None = None
    workers: int | None = None
    seed: int | None = None
    settings: tuple[str, ...] = ()

    def apply(self, document: Document) -> None:
        """Put the options into a document.

        Raises
        ------
        InvalidConfigurationError
            If a text is not of the form ``key=value``, or there is no place for its key.
        """
        for text in self.settings:
            key, equals, value = text.partition("=")
            if not equals or not key.strip():
                raise InvalidConfigurationError(f"--set: expected KEY=VALUE, such as seed=2, got {text!r}")
            document.put(_place(key.strip()), value_of(value, f"--set {text}"), f"--set {text}")
        if self.seed is not None:
            document.put(("seed",), self.seed, f"--seed {self.seed}")
        if self.workers is not None:
            executor: Any = {self.executor or "processes": self.workers}
            document.put(("executor",), executor, f"--workers {self.workers}")
        elif self.executor is not None:
            document.put(("executor",), self.executor, f"--executor {self.executor}")


def _place(key: str) -> Place:
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))
