"""The run folder: what lies where, and which stages are finished.

    config.resolved.yaml    the full configuration
    run.sqlite              every evaluation, and the checkpoints
    results/NN-title.wilks  results of finished stages, for `wilks.load`
    results/index.json      which result belongs to which settings
    pictures/*.png, report.html

A finished stage is found by its settings, not by its number, so a configuration may grow and be reordered.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wilks.core.errors import CheckpointError

RESOLVED = "config.resolved.yaml"


@dataclass(frozen=True)
class Finished:
    """A finished stage: the key of its settings and the file of its result, relative to the folder."""

    key: str
    file: str


class RunFolder:
    """Paths and the list of finished stages of one run.

    Parameters
    ----------
    path
        The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / RESOLVED
        self.log = path / "run.sqlite"
        self.report = path / "report.html"
        self._index = path / "results" / "index.json"

    @property
    def holds_run(self) -> bool:
        """Is there a run in it?"""
        return self.config.exists() or self.log.exists()

    def create(self) -> None:
        """Make the folder if it does not exist.

        Raises
        ------
        CheckpointError
            If it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be made: {error.strerror or error}") from error

    def write_config(self, text: str) -> None:
        """Write the full configuration.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        _write(self.config, text)

    def file(self, group: str, number: int, title: str, ending: str) -> Path:
        """Return the path of a file of one stage; `number` counts from 1."""
        slug = re.sub(r"[^a-z0-9.=+]+", "-", title.lower()).strip("-")[:60] or "stage"
        return self.path / group / f"{number:02d}-{slug}{ending}"

    def is_finished(self, key: str) -> bool:
        """Is the result of the stage with these settings there?"""
        return any(entry.key == key for entry in self._finished())

    def result_of(self, key: str) -> Any:  # noqa: ANN401 - the class of the saved result; None if there is none
        """Load the result of the finished stage with these settings; None if there is none.

        Raises
        ------
        CheckpointError
            If there is one, and it cannot be read.
        """
        import wilks

        for entry in self._finished():
            if entry.key == key:
                return wilks.load(self.path / entry.file)
        return None

    def finished_files(self) -> list[Path]:
        """Return the files of all saved results, in the order in which they were finished.

        Raises
        ------
        CheckpointError
            If the list of them cannot be read.
        """
        return [self.path / entry.file for entry in self._finished()]

    def finish(self, key: str, number: int, title: str, result: Any) -> None:  # noqa: ANN401 - see above
        """Save a result, and note that the stage is finished.

        Raises
        ------
        CheckpointError
            If a file cannot be written.
        """
        path = result.save(self.file("results", number, title, ".wilks"))
        name = path.relative_to(self.path).as_posix()
        # A stage with other settings may have had this file; its result is gone.
        kept = [entry for entry in self._finished() if entry.file != name and entry.key != key]
        _write(self._index, json.dumps([asdict(entry) for entry in [*kept, Finished(key, name)]], indent=1) + "\n")

    def _finished(self) -> list[Finished]:
        try:
            text = self._index.read_text("utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"{self._index}: cannot be read: {error.strerror or error}") from error
        try:
            return [Finished(**entry) for entry in json.loads(text)]
        except (ValueError, TypeError):
            raise CheckpointError(
                f"{self._index}: damaged; delete it, the finished stages are then taken from run.sqlite"
            ) from None


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
