"""Options of the command line that set keys of the configuration of an XPCS analysis.

An option is a row of a table: its flag, the place of the key, and how the text becomes the value. So every key has one
meaning, in a file and on the command line, and what is wrong with a value is said with the option that it came from.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from wilks.xpcs.configuration import Override

Value = Any
Setting = tuple[str, Value]
"""Dotted key of the configuration, and its value."""
Meaning = Callable[[Value, str], Setting]


@dataclass(frozen=True)
class Option:
    """An option that sets one or several keys.

    Attributes
    ----------
    flag
        As it is typed, such as ``--q``.
    kind
        Type of the value.
    help
        A line for people.
    meaning
        The key that is set, and to what; it is called with the value and with the option as it was typed.
    form
        What the value looks like, for the help; None shows the type.
    """

    flag: str
    kind: Any
    help: str
    meaning: Meaning
    form: str | None = None

    @property
    def name(self) -> str:
        """Name of the argument in Python."""
        return self.flag.split("/")[0].strip("-").replace("-", "_")

    def typed(self, value: Value) -> str:
        """Return the option as it was typed."""
        on, *off = self.flag.split("/")
        return on if value is True else off[0] if value is False else f"{on} {value}"


@dataclass(frozen=True)
class Given:
    """Options that were given, with their values."""

    options: tuple[tuple[Option, Value], ...]

    def overrides(self) -> list[Override]:
        """Return what they put into the configuration.

        Raises
        ------
        InvalidConfigurationError
            If a value has the wrong form, or two options set the same key.
        """
        from wilks.xpcs.configuration import Override

        found: list[Override] = []
        for option, value in self.options:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                typed = option.typed(each)
                key, content = option.meaning(each, typed)
                same = next((other.option for other in found if other.key == key), None)
                if same is not None:
                    raise InvalidConfigurationError(f"{same} and {typed} both set {key}; give one of them")
                found.append(Override(key, content, typed))
        return found


def takes(options: Sequence[Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command all `options`; its function gets them as the argument `given`."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "given"
        ]
        added = [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    option.kind | None, typer.Option(option.flag, help=option.help, metavar=option.form)
                ],
            )
            for option in options
        ]
        by_name = {option.name: option for option in options}

        @functools.wraps(function)
        def command(*args: Any, **values: Any) -> None:  # noqa: ANN401 - what typer read
            found = [(by_name[name], values.pop(name)) for name in by_name if name in values]
            given = Given(tuple((option, value) for option, value in found if value is not None and value != []))
            function(*args, given=given, **values)

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer looks at
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _to(key: str) -> Meaning:
    """Set one key to the value."""
    return lambda value, _: (key, value)


def _constant(key: str, constant: Value) -> Meaning:
    """Set one key to a constant if the flag is there."""
    return lambda _, __: (key, constant)


def _read(text: str, typed: str) -> Value:
    """Read a value by the rules of the file."""
    from wilks.store.document import value_of

    return value_of(text, typed)


def _pair(text: str, typed: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise InvalidConfigurationError(f"{typed}: expected {form}")
    return name.strip(), value.strip()


def _named(section: str, example: str) -> Meaning:
    """Set an entry of a section: NAME=VALUE."""

    def meaning(text: str, typed: str) -> Setting:
        name, value = _pair(text, typed, f"NAME=VALUE, such as {example}")
        return f"{section}.{name}", _read(value, typed)

    return meaning


def _bounds(text: str, typed: str) -> Setting:
    form = "NAME=LOWER:UPPER, such as --bounds D0=100:1e6"
    name, value = _pair(text, typed, form)
    lower, colon, upper = value.partition(":")
    if not colon:
        raise InvalidConfigurationError(f"{typed}: expected {form}")
    return f"model.parameters.{name}", {"bounds": [_read(lower, typed), _read(upper, typed)]}


def _frames(text: str, typed: str) -> Setting:
    first, colon, last = text.partition(":")
    if not colon or not all(part.strip().isdigit() or not part.strip() for part in (first, last)):
        raise InvalidConfigurationError(f"{typed}: expected FIRST:LAST, counted from 1, such as 1:500 or 101:")
    return "data.frames", [int(first) if first.strip() else 1, int(last) if last.strip() else None]


def _scaling(text: str, typed: str) -> Setting:
    kind, colon, order = text.partition(":")
    return "model.scaling", {kind: _read(order, typed)} if colon else kind


def _formats(text: str, _: str) -> Setting:
    return "output.formats", [each.strip() for each in text.split(",") if each.strip()]


def _any(text: str, typed: str) -> Setting:
    name, value = _pair(text, typed, "KEY=VALUE, such as --set fit.n_starts=2000")
    return name, _read(value, typed)


def _numbers(key: str) -> Meaning:
    """Set one key to a list of numbers."""
    return lambda text, typed: (key, [_read(each, typed) for each in text.split(",")])


SEED = Option("--seed", int, "Seed of the random numbers.", _to("seed"))
SETTINGS = Option("--set", list[str], "Any key of the configuration. Repeatable.", _any, "KEY=VALUE")
MODE = Option("--mode", str, "static or laminar_flow.", _to("model.mode"))
CONVENTION = Option(
    "--convention", str, "Factors of the model: physical, or homodyne for that package.", _to("model.convention")
)

DATA = (
    Option("--q", float, "Wave vector in 1/Å.", _to("data.q")),
    Option("--q-tolerance", float, "How far a wave vector may be off, relative.", _to("data.q_tolerance")),
    Option("--angles", str, "Angles in degrees and ranges: -10:10,80,170:-170.", _to("data.angles"), "RANGES"),
    Option("--frames", str, "First and last frame, counted from 1: 1:500.", _frames, "FIRST:LAST"),
    Option("--dt", float, "Time between frames in s, where the file has none.", _to("data.dt")),
    Option("--gap", float, "Width of the sheared gap in Å.", _to("data.gap")),
    Option("--sigma", float, "Noise of a value of c2; estimated if not given.", _to("data.sigma")),
    Option("--layout", str, "auto, aps_u, aps_old or npz.", _to("data.layout")),
    Option("--cache", str, "Folder that keeps the selected matrices uncompressed.", _to("data.cache"), "FOLDER"),
)
MODEL = (
    MODE,
    Option("--scaling", str, "individual, averaged, constant, auto or fourier:ORDER.", _scaling),
    CONVENTION,
    Option(
        "--fix",
        list[str],
        "Hold a parameter at a value. Repeatable.",
        _named("model.parameters", "--fix phi0=-5"),
        "NAME=VALUE",
    ),
    Option("--bounds", list[str], "Box of a parameter. Repeatable.", _bounds, "NAME=LOWER:UPPER"),
    Option(
        "--start",
        list[str],
        "Where to start besides, for all free parameters. Repeatable.",
        _named("model.start", "--start D0=20000"),
        "NAME=VALUE",
    ),
)
FIT = (
    Option("--multi-start", bool, "Screen a design of starts (the default).", _constant("fit.method", "multi_start")),
    Option("--cmaes", bool, "Search with an evolution strategy, CMA-ES.", _constant("fit.method", "cma_es")),
    Option("--local", bool, "Start from the start values alone.", _constant("fit.method", "local")),
    Option("--starts", int, "Number of starts that are screened.", _to("fit.n_starts")),
    Option("--loss", str, "linear, soft_l1, huber, cauchy or arctan.", _to("fit.loss")),
    Option("--memory", str, "Memory for the folded data, such as 2GB.", _to("fit.memory_limit")),
    SEED,
)
OUTPUT = (
    Option("--out", str, "Folder of the results.", _to("output.folder"), "FOLDER"),
    Option("--formats", str, "Result files: json,npz,hdf5.", _formats, "NAMES"),
    Option("--pictures/--no-pictures", bool, "Draw the pictures.", _to("output.pictures")),
    Option("--report/--no-report", bool, "Write the report.", _to("output.report")),
    SETTINGS,
)
SAMPLE = (
    Option(
        "--prior",
        list[str],
        "Prior of a parameter, else uniform on its box. Repeatable.",
        _named("sample.priors", '--prior "D0=lognormal(1000,1.5)"'),
        "NAME=PRIOR",
    ),
    Option("--noise", str, "white, or correlated: pairs share the noise of their frames.", _to("sample.noise")),
    Option("--draws", int, "Number of draws.", _to("sample.n_draws")),
    Option("--method", str, "auto, importance, nuts or ensemble.", _to("sample.method")),
)
SIMULATION = (
    MODE,
    CONVENTION,
    Option(
        "--value",
        list[str],
        "Value of a parameter. Repeatable.",
        _named("simulation.values", "--value D0=20000"),
        "NAME=VALUE",
    ),
    Option("--frames", int, "Number of frames.", _to("simulation.n_frames")),
    Option("--dt", float, "Time between frames in s.", _to("simulation.dt")),
    Option("--q", float, "Wave vector in 1/Å.", _to("simulation.q")),
    Option("--gap", float, "Width of the sheared gap in Å.", _to("simulation.gap")),
    Option("--phi", str, "Angles in degrees: -60,-30,0,30,60.", _numbers("simulation.phi"), "ANGLES"),
    Option("--contrast", float, "Contrast.", _to("simulation.contrast")),
    Option("--offset", float, "Offset.", _to("simulation.offset")),
    Option("--sigma", float, "Noise of a value of c2.", _to("simulation.sigma")),
    Option("--layout", str, "aps_u, aps_old or npz.", _to("simulation.layout")),
    SEED,
    SETTINGS,
)
