"""What a command of `wilks xpcs` is given: a data file, a configuration, or the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import wilks
from wilks.cli.folder import RESOLVED, RunFolder
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.xpcs.configuration import Override, load_document, minimal
from wilks.xpcs.configuration import load as load_file
from wilks.xpcs.parameters import ALIASES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wilks.cli.xpcs.options import Given
    from wilks.xpcs.config_sections import ProfileTask
    from wilks.xpcs.configuration import Configuration, Loaded
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.posterior.result import XpcsPosterior

_MOST_AXES = 3
_CONFIGURATIONS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Maps:
    """Profile maps that were asked for on the command line.

    Attributes
    ----------
    over
        Parameters of each map.
    grid
        Nodes along each, the same for all maps; None for the default.
    """

    over: tuple[tuple[str, ...], ...] = ()
    grid: tuple[int, ...] | None = None

    @classmethod
    def of(cls, over: list[str], grid: str | None) -> Maps:
        """Read the options ``--over D0,alpha`` and ``--grid 41,41``.

        Raises
        ------
        InvalidConfigurationError
            If a text is not of this form.
        """
        names = tuple(tuple(ALIASES.get(name.strip(), name.strip()) for name in text.split(",")) for text in over)
        for text, found in zip(over, names, strict=True):
            if len(found) > _MOST_AXES:
                raise InvalidConfigurationError(f"--over {text}: expected one to {_MOST_AXES} parameters for a map")
        nodes = None
        if grid is not None:
            if not all(each.strip().isdecimal() for each in grid.split(",")):
                raise InvalidConfigurationError(f"--grid {grid}: expected numbers of nodes, such as 41,41")
            nodes = tuple(int(each) for each in grid.split(","))
        return cls(names, nodes)

    def __bool__(self) -> bool:
        """Was any asked for?"""
        return bool(self.over)

    def overrides(self, known: Sequence[ProfileTask]) -> list[Override]:
        """Return what they put into a configuration with the maps `known`; the same parameters are the same map."""
        tasks = [task.model_dump() for task in known]
        found = [Override("profile", list(tasks), "--over")]
        for over in self.over:
            same = [number for number, task in enumerate(tasks) if tuple(task["over"]) == over]
            number = same[0] if same else len(tasks)
            task = (tasks[number] if same else {}) | {"over": list(over)}
            typed = f"--over {','.join(over)}"
            if self.grid is not None:
                task["grid"] = list(self.grid)
                typed += f" --grid {','.join(map(str, self.grid))}"
            tasks[number:] = [task, *tasks[number + 1 :]]
            found.append(Override(f"profile.{number}", task, typed))
        return found


def load(
    source: Path, given: Given, maps: Maps | None = None, *, posterior: bool = False, resume: bool = False
) -> Loaded:
    """Return the configuration that a source and the options of the command line make.

    Where a run is gone on with, the maps and the posterior that it has are kept. With `posterior` it has one, that of
    the defaults if nothing else is said.

    Raises
    ------
    InvalidConfigurationError
        If it cannot be read, is not valid, or names no data.
    CheckpointError
        If the source is a folder without a run.
    """
    loaded = _loaded(source, given)
    if loaded.configuration.data is None:
        raise InvalidConfigurationError(f"{source}: data: this section is required, with the key file at least")
    own = loaded.configuration
    more: list[Override] = []
    before = _before(RunFolder(own.folder)) if resume and not source.is_dir() else None
    if before is not None or maps:
        kept = [] if before is None else before.profile
        known = [*own.profile, *(task for task in kept if task.over not in [each.over for each in own.profile])]
        more += (maps or Maps()).overrides(known) if maps or kept else []
    if own.sample is None:
        plain = None if before is None or before.sample is None else before.sample.model_dump()
        if posterior or plain is not None:
            more.append(Override("sample", plain or {}, "wilks xpcs sample"))
    if not more:
        return loaded
    return replace(load_document(loaded.document, more), translation=loaded.translation)


def _before(folder: RunFolder) -> Configuration | None:
    """Configuration of the run in a folder: what it has is not lost when it is gone on with from its source."""
    return load_file(folder.config).configuration if folder.config.exists() else None


def read(loaded: Loaded) -> TwoTimeData:
    """Read the data of a configuration, and check it against them.

    Raises
    ------
    InvalidConfigurationError
        If something does not fit the data.
    InvalidDataError
        If they cannot be read.
    """
    file, config = loaded.configuration.file, loaded.document.path
    if config.name == RESOLVED and not file.exists():
        raise InvalidDataError(
            f"{config.parent}: the data file of this run, {file}, is not there; bring it back, or say where it is: "
            "--set data.file=FILE"
        )
    if is_configuration(config):
        return loaded.read()
    data = loaded.configuration.read()  # of a data file alone: its name in a message is enough
    loaded.check(data)
    return data


def is_configuration(source: Path) -> bool:
    """Is this the name of a configuration, and not of data?"""
    return source.suffix.lower() in _CONFIGURATIONS


def _loaded(source: Path, given: Given) -> Loaded:
    overrides = given.overrides()
    if source.is_dir():
        folder = RunFolder(source)
        if not folder.config.exists():
            raise CheckpointError(
                f"{source}: there is no run in this folder ({folder.config.name} is missing); expected a data file, a "
                "configuration, or the folder of a run"
            )
        return load_file(folder.config, [Override("output.folder", str(source), str(source)), *overrides])
    if is_configuration(source):
        return load_file(source, overrides)
    return load_document(minimal(str(source)), overrides)


def finished_results(folder: RunFolder) -> tuple[Any, list[tuple[str, Any]]]:
    """Return the fit of a run, without its data, and its maps with their titles.

    Raises
    ------
    CheckpointError
        If there is no run, its fit is not finished, or a result cannot be read.
    """
    if not folder.holds_run:
        raise CheckpointError(f"{folder.path}: there is no run in this folder")
    results = [wilks.load(path) for path in folder.finished_files()]
    fits = [result for result in results if isinstance(result, wilks.xpcs.XpcsFit)]
    if not fits:
        raise CheckpointError(
            f"{folder.path}: no fit is finished in this folder; go on with: wilks xpcs fit {folder.path}"
        )
    maps = [(f"profile over {', '.join(result.over)}", result) for result in results if hasattr(result, "over")]
    return fits[-1], maps


def finished_posterior(folder: RunFolder) -> XpcsPosterior | None:
    """Return the posterior of a run, without its data; None if there is none.

    Raises
    ------
    CheckpointError
        If a result cannot be read.
    """
    results = [wilks.load(path) for path in folder.finished_files()]
    return next((each for each in reversed(results) if isinstance(each, wilks.xpcs.XpcsPosterior)), None)
