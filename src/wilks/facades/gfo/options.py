"""Checks of what the user gives: every option has a definite meaning, and what is misspelt is named with a guess."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from wilks.core.errors import InvalidConfigurationError

VERBOSITY = ("progress_bar", "print_results", "print_times")
KNOWN_VERBOSITY = (*VERBOSITY, "print_search_stats", "print_statistics", "debug_stop")
OPTIMA = ("maximum", "minimum")
_DESIGNS = ("grid", "vertices", "random")
_EARLY_STOPPING = ("n_iter_no_change", "tol_abs", "tol_rel")
DEFAULT_INITIALIZE: dict[str, int] = {"vertices": 4, "random": 2}

Callback = Callable[[Any], object]


def guess(name: object, known: Iterable[str]) -> str:
    """Text that names what may have been meant, and what is known.

    Examples
    --------
    >>> guess("vertces", ["grid", "vertices"])
    "known are grid, vertices; did you mean 'vertices'?"
    """
    choices = list(known)
    close = difflib.get_close_matches(str(name), choices, n=1)
    return f"known are {', '.join(choices)}" + (f"; did you mean {close[0]!r}?" if close else "")


def is_number(value: object) -> TypeGuard[numbers.Real]:
    """Is it a real number of any type? True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def choice(where: str, value: object, known: Sequence[str]) -> str:
    """Return `value` if it is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise InvalidConfigurationError(f"{where}: got {value!r}; {guess(value, known)}")
    return value


def whole(where: str, value: object, least: int) -> int:
    """Return an integer that is not below `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise InvalidConfigurationError(f"{where}: expected an integer >= {least}, got {value!r}")
    return int(value)


def real(where: str, value: object, least: float = -math.inf) -> float:
    """Return a number that is not NaN and not below `least`."""
    if not is_number(value) or not float(value) >= least:
        limit = "" if least == -math.inf else f" >= {least:g}"
        raise InvalidConfigurationError(f"{where}: expected a number{limit}, got {value!r}")
    return float(value)


def probability(where: str, value: object) -> float:
    """Return a number between 0 and 1."""
    if not is_number(value) or not 0 <= float(value) <= 1:
        raise InvalidConfigurationError(f"{where}: expected a probability, a number in [0, 1], got {value!r}")
    return float(value)


def functions(where: str, value: object) -> tuple[Callable[..., Any], ...]:
    """Return a list of functions as a tuple; a single function is a list of one."""
    if value is None:
        return ()
    given = (value,) if callable(value) else value
    if not isinstance(given, (list, tuple)) or not all(map(callable, given)):
        raise InvalidConfigurationError(f"{where}: expected a list of functions, got {value!r}")
    return tuple(given)


@dataclass(frozen=True)
class Initialize:
    """The parts of the argument `initialize`."""

    counts: Mapping[str, int]
    warm_start: tuple[Mapping[str, Any], ...] = ()

    @property
    def n_asked(self) -> int:
        """Number of points."""
        return sum(self.counts.values()) + len(self.warm_start)

    @classmethod
    def of(cls, given: object) -> Initialize:
        """Check the argument; None is the default."""
        if given is None:
            given = DEFAULT_INITIALIZE
        if not isinstance(given, Mapping):
            raise InvalidConfigurationError(
                f"initialize: expected a dictionary such as {DEFAULT_INITIALIZE}, got {given!r}"
            )
        known = (*_DESIGNS, "warm_start")
        for key in given:
            choice("initialize", key, known)
        points = given.get("warm_start", ())
        if not isinstance(points, (list, tuple)) or not all(isinstance(point, Mapping) for point in points):
            raise InvalidConfigurationError(
                f"initialize: warm_start: expected a list of dictionaries of values, got {points!r}"
            )
        counts = {key: whole(f"initialize: {key}", given[key], 0) for key in _DESIGNS if key in given}
        return cls(counts, tuple(points))


@dataclass(frozen=True)
class EarlyStopping:
    """When a search without progress ends.

    Parameters
    ----------
    n_iter_no_change
        Number of iterations that are looked at.
    tol_abs, tol_rel
        Least improvement over them that counts, absolute and in percent of the best score before them.
    """

    n_iter_no_change: int
    tol_abs: float = 0.0
    tol_rel: float = 0.0

    @classmethod
    def of(cls, given: object) -> EarlyStopping | None:
        """Check the argument."""
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise InvalidConfigurationError(f"early_stopping: expected a dictionary, got {given!r}")
        for key in given:
            choice("early_stopping", key, _EARLY_STOPPING)
        if "n_iter_no_change" not in given:
            raise InvalidConfigurationError(f"early_stopping: 'n_iter_no_change' is required, got {dict(given)!r}")
        tolerances = {
            key: real(f"early_stopping: {key}", given[key], 0.0)
            for key in ("tol_abs", "tol_rel")
            if given.get(key) is not None
        }
        return cls(whole("early_stopping: n_iter_no_change", given["n_iter_no_change"], 1), **tolerances)

    def stalled(self, before: float, now: float) -> bool:
        """Is the way from one best score to another too short, in whichever direction is better?

        Examples
        --------
        >>> EarlyStopping(10, tol_rel=1.0).stalled(-100.0, -99.5)
        True
        """
        if before == now:
            return True
        if not math.isfinite(before):
            return False
        gain = abs(now - before)
        return gain < self.tol_abs or gain < 0.01 * self.tol_rel * abs(before)


@dataclass(frozen=True)
class SearchOptions:
    """The checked arguments of `search`, besides the objective and the memory."""

    n_iter: int
    max_time: float = math.inf
    max_score: float | None = None
    early_stopping: EarlyStopping | None = None
    verbosity: tuple[str, ...] = ()
    optimum: Literal["maximum", "minimum"] = "maximum"
    callbacks: tuple[Callback, ...] = ()
    catch: Mapping[type[Exception], float] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SearchOptions:
        """Check the arguments."""
        limit = given["max_time"]
        target = given["max_score"]
        return cls(
            n_iter=whole("n_iter", given["n_iter"], 0),
            max_time=math.inf if limit is None else real("max_time", limit, 0.0),
            max_score=None if target is None else real("max_score", target),
            early_stopping=EarlyStopping.of(given["early_stopping"]),
            verbosity=_verbosity(given["verbosity"]),
            optimum=optimum(given["optimum"]),
            callbacks=functions("callbacks", given["callbacks"]),
            catch=_catch(given["catch"]),
        )


def optimum(given: object) -> Literal["maximum", "minimum"]:
    """Check the direction of a search."""
    return "minimum" if choice("optimum", given, OPTIMA) == "minimum" else "maximum"


def _verbosity(given: object) -> tuple[str, ...]:
    if given is False or given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise InvalidConfigurationError(
            f"verbosity: expected False or a list of names such as {list(VERBOSITY)}, got {given!r}"
        )
    return tuple(choice("verbosity", name, KNOWN_VERBOSITY) for name in given)


def _catch(given: object) -> dict[type[Exception], float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidConfigurationError(f"catch: expected a dictionary from exceptions to scores, got {given!r}")
    for kind, score in given.items():
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise InvalidConfigurationError(f"catch: expected an exception class such as ValueError, got {kind!r}")
        if not is_number(score):
            raise InvalidConfigurationError(f"catch: {kind.__name__}: expected a score, got {score!r}")
    return {kind: float(score) for kind, score in given.items()}
