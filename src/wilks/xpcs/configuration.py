"""The configuration of an analysis: one YAML file from the beamline's data to the report.

`load` reads a file (ours, or one of the package homodyne, which `wilks.xpcs.translation` turns into ours), puts
options of the command line into it, and checks everything that can be checked before data are read: keys, types, and
what the fit itself would refuse. Whatever is wrong is reported with file and line, all of it at once.

Paths in a file are relative to the folder of the file, paths in an option of the command line to the working folder.
In a `Configuration` all paths are absolute.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from wilks.core.errors import InvalidConfigurationError, InvalidDataError
from wilks.store.document import Document, Place, dump, parse, value_of
from wilks.store.validation import Settings, refuse, validated
from wilks.xpcs.config_choices import convention_of, scaling_of
from wilks.xpcs.config_findings import findings, findings_with
from wilks.xpcs.config_posterior import Sample
from wilks.xpcs.config_sections import Data, Fit, Model, Output, ProfileTask, Simulation
from wilks.xpcs.parameters import ALIASES
from wilks.xpcs.translation import is_reference, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wilks.core.parameter import Real
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.options import FitOptions
    from wilks.xpcs.scaling import Scaling
    from wilks.xpcs.translation import Translation

_PATHS: tuple[tuple[str, str], ...] = (("data", "file"), ("data", "cache"), ("output", "folder"))
_COMMAND_LINE = "the command line"


def _or_empty(value: object) -> object:
    """A section whose keys are all commented out is an empty one."""
    return {} if value is None else value


_Empty = BeforeValidator(_or_empty)


class Configuration(Settings):
    r"""What to read, what to fit, how, and what to write.

    Attributes
    ----------
    data
        The file, and what of it; None in a configuration that only simulates.
    model, fit
        What to fit, and how.
    seed
        Of everything that is drawn: the same seed gives the same answer.
    output
        What to write.
    profile
        Profiles of the likelihood.
    sample
        The posterior to draw, or None.
    simulation
        A measurement to make up, or None.

    Examples
    --------
    >>> text = "data: {file: sample.h5, q: 0.0054}\nmodel: {mode: static, parameters: {D_offset: 0}}"
    >>> configuration = load_text(text, "analysis.yaml").configuration
    >>> configuration.parameters()["D_offset"], configuration.options().n_starts
    (0.0, 1000)
    """

    data: Data | None = None
    model: Annotated[Model, _Empty] = Field(default_factory=Model)
    fit: Annotated[Fit, _Empty] = Field(default_factory=Fit)
    seed: int = Field(1, ge=0)
    output: Annotated[Output, _Empty] = Field(default_factory=Output)
    profile: Annotated[list[ProfileTask], BeforeValidator(lambda value: [] if value is None else value)] = Field(
        default_factory=list
    )
    sample: Sample | None = None
    simulation: Simulation | None = None

    def read(self) -> TwoTimeData:
        """Read the data with `wilks.xpcs.files.read`.

        Raises
        ------
        InvalidConfigurationError
            If the configuration has no section ``data``.
        InvalidDataError
            If the file cannot be read, or has not what is asked for.
        """
        return self._data().read()

    def _data(self) -> Data:
        if self.data is None:
            raise InvalidConfigurationError("data: this section is required, with the key file at least")
        return self.data

    def simulate(self) -> TwoTimeData:
        """Make up the measurement of the section ``simulation`` with `wilks.xpcs.simulate`.

        Raises
        ------
        InvalidConfigurationError
            If there is no such section.
        """
        if self.simulation is None:
            raise InvalidConfigurationError("simulation: this section is required, with the parameters in values")
        return self.simulation.made(self.model.mode, self.convention(), self.seed)

    def parameters(self) -> dict[str, Real | float]:
        """Return the box of every parameter, or the value at which it is fixed."""
        return {name: self.model.real_or_number(name) for name in self.model.parameters}

    def convention(self) -> Convention:
        """Return the factors of the model."""
        return convention_of(self.model.convention)

    def scaling(self) -> Scaling:
        """Return how contrast and offset depend on the angle."""
        return scaling_of(self.model.scaling)

    def options(self) -> FitOptions:
        """Return the options of the fit."""
        return self.fit.made()

    def start(self) -> dict[str, float] | None:
        """Return the values to start from besides those of the search, or None."""
        return None if self.model.start is None else dict(self.model.start)

    def arguments(self) -> dict[str, Any]:
        """Return the keywords that `wilks.xpcs.fit` and `wilks.xpcs.problem` share.

        A fit also takes `start` and `seed`.
        """
        return {
            "mode": self.model.mode,
            "scaling": self.scaling(),
            "parameters": self.parameters(),
            "convention": self.convention(),
            "options": self.options(),
        }

    @property
    def file(self) -> Path:
        """The data file.

        Raises
        ------
        InvalidConfigurationError
            If the configuration has no section ``data``.
        """
        return Path(self._data().file)

    @property
    def folder(self) -> Path:
        """The folder of the output: as it is given, or the name of the data file with ``-fit``, in the working folder.

        Examples
        --------
        >>> load_document(minimal("beamtime/sample.h5")).configuration.folder.name
        'sample-fit'
        """
        if self.output.folder is not None:
            return Path(self.output.folder)
        stem = "xpcs" if self.data is None else Path(self.data.file).stem
        return Path.cwd() / f"{stem}-fit"

    def resolved(self, folder: Path | None = None) -> str:
        """Return the full configuration as YAML, with all defaults; `load` reads it back to an equal one.

        Parameters
        ----------
        folder
            Where the text will be kept: paths from there to what lies below or beside it are written relative to it,
            so that both can be moved together. The others, and all paths if it is None, are absolute.
        """
        plain = self.model_dump()
        for section, key in _PATHS:
            path = (plain[section] or {}).get(key)
            if path is not None and folder is not None:
                plain[section][key] = _relative(path, folder)
        head = "# The full configuration, defaults included. Units: Å, s, degrees. `wilks xpcs fit` reads it.\n"
        return head + dump(plain)


@dataclass(frozen=True)
class Loaded:
    """A valid configuration, and where it came from.

    Attributes
    ----------
    configuration
        The configuration.
    document
        Its text with lines, for messages about later findings.
    translation
        How it was made from a file of the package homodyne; None if the file was one of ours.
    """

    configuration: Configuration
    document: Document
    translation: Translation | None = None

    def read(self) -> TwoTimeData:
        """Read the data, and check the configuration against them.

        Raises
        ------
        InvalidConfigurationError
            If there is no section ``data``, or with one line for everything that does not fit the data.
        InvalidDataError
            If the file cannot be read, or has not what is asked for; with the line of the section.
        """
        try:
            data = self.configuration.read()
        except InvalidDataError as error:
            raise InvalidDataError(f"{self.document.where(('data',))}: data: {error}") from error
        self.check(data)
        return data

    def check(self, data: TwoTimeData) -> None:
        """Check what can only be checked when the data are there: numbers of angles, and the gap.

        Raises
        ------
        InvalidConfigurationError
            With one line for everything that does not fit the data.
        """
        _refuse(self.document, findings_with(self.configuration, data))


class Override(NamedTuple):
    """A value from an option of the command line.

    Attributes
    ----------
    key
        Dotted, such as ``"model.mode"``; numbers are positions in lists.
    value
        Plain data.
    option
        The option as the user typed it, for messages.
    """

    key: str
    value: object
    option: str


def load(path: str | Path, overrides: Sequence[str | Override] = ()) -> Loaded:
    """Read a configuration from a file: YAML or JSON, ours or one of the package homodyne.

    Parameters
    ----------
    path
        The file.
    overrides
        Values that take the place of those in the file: texts ``"dotted.key=value"``, or `Override`.

    Raises
    ------
    InvalidConfigurationError
        With one line for everything that is wrong: file, line, place, and what was expected.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "analysis.yaml"
    ...     _ = path.write_text("data: {file: sample.h5}")
    ...     load(path, ["model.mode=static", "fit.loss=huber"]).configuration.options().loss
    Loss(name='huber', scale=1.0)
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidConfigurationError(f"{path}: expected YAML or JSON in UTF-8: {error}") from error
    return load_text(text, path, overrides)


def load_text(text: str, path: str | Path, overrides: Sequence[str | Override] = ()) -> Loaded:
    """Read a configuration from text; `path` says where it is from: paths are relative to its folder.

    Raises
    ------
    InvalidConfigurationError
        As for `load`.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return load_document(parse(text, path), overrides)
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidConfigurationError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    # JSON is YAML too, but for tabs between its tokens and some escapes: YAML gives the lines.
    document = parse(text.replace("\t", " "), path)
    return load_document(Document(path, plain, document.lines), overrides)


def load_document(document: Document, overrides: Sequence[str | Override] = ()) -> Loaded:
    """Make a configuration of a document, such as one of `minimal`.

    Raises
    ------
    InvalidConfigurationError
        As for `load`.
    """
    translation = translate(document) if is_reference(document) else None
    ours = document if translation is None else translation.document
    for override in overrides:
        given = _override(override) if isinstance(override, str) else override
        ours.put(_place(given.key), given.value, given.option)
    configuration = validated(Configuration, ours)
    _refuse(ours, findings(configuration))
    return Loaded(_located(configuration, ours), ours, translation)


def minimal(file: str) -> Document:
    """Return the shortest configuration there is, that of a command line which names a data file and nothing else.

    Examples
    --------
    >>> loaded = load_document(minimal("sample.h5"), ["model.mode=static", "data.q=0.0054"])
    >>> loaded.configuration.model.mode, loaded.configuration.data.q
    ('static', 0.0054)
    """
    return Document(Path(_COMMAND_LINE), {"data": {"file": file}}, {}, {(): _COMMAND_LINE, ("data", "file"): file})


def _override(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise InvalidConfigurationError(f"--set: expected KEY=VALUE, such as model.mode=static, got {text!r}")
    return Override(key.strip(), value_of(value, f"--set {text}"), f"--set {text}")


def _place(key: str) -> Place:
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))


def _located(configuration: Configuration, document: Document) -> Configuration:
    """Make the paths absolute."""
    changed: dict[str, dict[str, str]] = {}
    for section, key in _PATHS:
        given = getattr(getattr(configuration, section), key, None)
        if given is not None:
            place: Place = (section, key)
            from_option = any(place[:depth] in document.changed for depth in (1, 2))
            base = Path() if from_option else document.path.parent
            changed.setdefault(section, {})[key] = _absolute(base / Path(given).expanduser())
    return configuration.model_copy(
        update={name: getattr(configuration, name).model_copy(update=keys) for name, keys in changed.items()}
    )


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow links


def _relative(path: str, folder: Path) -> str:
    home = Path(_absolute(folder))
    near = Path(path).is_relative_to(home.parent)
    return os.path.relpath(path, home) if near else path


def _refuse(document: Document, found: Iterable[tuple[Place, str]]) -> None:
    """Raise an error for findings; the names of parameters in their places are those that the file has."""
    refuse(document, [(_as_written(place, document), text) for place, text in found])


def _as_written(place: Place, document: Document) -> Place:
    for alias, name in ALIASES.items():
        written = tuple(alias if part == name else part for part in place)
        if written != place and any(written in known for known in (document.lines, document.changed)):
            return written
    return place
