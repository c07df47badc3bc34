"""The verb `compare`: the answers of several verbs side by side, and where they disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.core.wilks_theorem import wilks_depth
from wilks.profiles.regions import Interval
from wilks.profiles.result import ProfileResult
from wilks.searchers.result import SearchResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LEVELS = (0.68, 0.95)
_VALUE_GAP = 0.05
_END_GAP = 0.2


@dataclass(frozen=True)
class Entry:
    """What one result says of one parameter.

    Attributes
    ----------
    best
        Best value.
    standard_error
        From a fit; NaN otherwise.
    intervals_68, intervals_95
        Confidence sets as pieces; empty where the result cannot say.
    is_coarse
        Is the grid of the profile too coarse for this parameter?
    """

    best: Any
    standard_error: float
    intervals_68: tuple[Interval, ...]
    intervals_95: tuple[Interval, ...]
    is_coarse: bool = False


@dataclass(frozen=True, repr=False)
class Comparison:
    """Answers of several results, parameter by parameter.

    Attributes
    ----------
    names
        Parameters that at least one result speaks of.
    columns
        Titles of the results.
    entries
        Name -> one `Entry` or None per result.
    log_likelihoods
        Best log-likelihood of each result.
    disagreements
        Sentences for people, empty when all agree.
    remarks
        What some of the results cannot say, in sentences.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    entries: dict[str, tuple[Entry | None, ...]]
    log_likelihoods: tuple[float, ...]
    disagreements: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def table(self) -> Table:
        """Best value and 68 % and 95 % sets of every parameter and result."""
        rows = [
            (name, column, show(entry.best), _pieces(entry.intervals_68), _pieces(entry.intervals_95))
            for name in self.names
            for column, entry in zip(self.columns, self.entries[name], strict=True)
            if entry is not None
        ]
        note = "\n".join([*self.remarks, *(self.disagreements or ("The results agree.",))])
        return Table("Comparison", ("parameter", "result", "best", "68 %", "95 %"), tuple(rows), note)

    def __repr__(self) -> str:
        """Return the table."""
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def compare(*results: Result, titles: Sequence[str] | None = None) -> Comparison:
    """Put the intervals of several results side by side and say where they disagree.

    A fit gives symmetric intervals from its standard errors; a profile gives confidence sets from Wilks' theorem; a
    search has a best point only, which is a disagreement if it lies above the others and none if it lies below.
    They disagree when their best log-likelihoods differ by more than 0.05, when a set has several pieces, or when an
    end of their 68 % or 95 % sets differs by more than a fifth of a standard error: then the likelihood is not
    parabolic, and the profile is the one to quote. Results of problems with other fixed values are not held against
    each other.

    Parameters
    ----------
    *results
        Results of `wilks.search`, `wilks.fit` and `wilks.profile` on one problem.
    titles
        One per result; by default what each result is.

    Returns
    -------
    Comparison
        With a table, and the disagreements in words.

    Raises
    ------
    InvalidConfigurationError
        If there are no results, something else is given, or the titles do not fit.

    Examples
    --------
    >>> import wilks
    >>> space = wilks.Space(a=wilks.Real(-5, 5), b=wilks.Real(-5, 5))
    >>> problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["a"] ** 2 + v["b"] ** 2))
    >>> fit, profile = wilks.fit(problem, seed=1), wilks.profile(problem, over="a", seed=1)
    >>> wilks.compare(fit, profile).disagreements
    ()
    """
    if not results or not all(isinstance(result, Result) for result in results):
        raise InvalidConfigurationError(f"compare: expected results of wilks, got {results!r:.200}")
    columns = tuple(titles) if titles is not None else _titles(results)
    if len(columns) != len(results):
        raise InvalidConfigurationError(f"titles: expected {len(results)}, one per result, got {len(columns)}")
    names = tuple(dict.fromkeys(name for result in results for name in result.space.free))
    entries = {name: tuple(_entry(result, name) for result in results) for name in names}
    names = tuple(name for name in names if any(entry is not None for entry in entries[name]))
    kept = {name: entries[name] for name in names}
    return Comparison(
        names,
        columns,
        kept,
        tuple(r.log_likelihood for r in results),
        tuple(_disagreements(results, columns, kept)),
        tuple(_remarks(results, columns)),
    )


def _remarks(results: Sequence[Result], columns: Sequence[str]) -> Iterator[str]:
    searches = [column for result, column in zip(results, columns, strict=True) if isinstance(result, SearchResult)]
    if searches:
        yield f"No intervals from {', '.join(searches)}: a search has a best point only; fit or profile from there."


def _titles(results: Sequence[Result]) -> tuple[str, ...]:
    """What each result is, with a number where that is not enough to tell them apart."""
    plain = [_title(result) for result in results]
    return tuple(
        title if plain.count(title) == 1 else f"{title} {plain[: i + 1].count(title)}" for i, title in enumerate(plain)
    )


def _title(result: Result) -> str:
    fixed = ", ".join(f"{name}={show(value)}" for name, value in result.space.constants.items())
    what = "search" if isinstance(result, SearchResult) else "fit"
    if isinstance(result, ProfileResult):
        what = "profile over " + ", ".join(result.over)
    return f"{what} ({fixed})" if fixed else what


def _entry(result: Result, name: str) -> Entry | None:
    if name not in result.space.free or name not in result.best:
        return None
    best = result.best[name]
    errors: dict[str, float] | None = getattr(result, "standard_errors", None)  # fits of any kind have them
    if errors is not None:
        error = errors[name]
        return Entry(best, error, _symmetric(best, error, _LEVELS[0]), _symmetric(best, error, _LEVELS[1]))
    if isinstance(result, SearchResult):
        return Entry(best, math.nan, (), ())
    if isinstance(result, ProfileResult) and name in result.over:
        sets = [
            tuple(result.intervals(name, level)) if wilks_depth(level, 1) <= result.roi_threshold else ()
            for level in _LEVELS
        ]
        return Entry(best, math.nan, sets[0], sets[1], name in result.coarse_axes)
    return None


def _symmetric(best: Any, error: float, level: float) -> tuple[Interval, ...]:  # noqa: ANN401 - a parameter value
    if not isinstance(best, float) or not (math.isfinite(error) and error > 0):
        return ()
    half = math.sqrt(2 * wilks_depth(level, 1)) * error
    return (Interval(best - half, best + half, open_lower=False, open_upper=False),)


def _pieces(pieces: tuple[Interval, ...]) -> str:
    return " or ".join(str(piece) for piece in pieces) or "-"


def _disagreements(
    results: Sequence[Result], columns: Sequence[str], entries: dict[str, tuple[Entry | None, ...]]
) -> list[str]:
    found = []
    for i, one in enumerate(results):
        for j in range(i):
            other = results[j]
            if one.space.constants != other.space.constants:
                continue
            gap = one.log_likelihood - other.log_likelihood
            if abs(gap) > _VALUE_GAP:
                better, worse = (i, j) if gap > 0 else (j, i)
                if isinstance(results[worse], SearchResult):  # it makes no claim to have converged
                    continue
                found.append(
                    f"The {columns[better]} reaches a log-likelihood {abs(gap):.3g} above the {columns[worse]}: "
                    "fit again, starting from the better result."
                )
            for name, row in entries.items():
                found += _of_parameter(name, (columns[j], row[j]), (columns[i], row[i]))
    return list(dict.fromkeys(found))


def _of_parameter(name: str, one: tuple[str, Entry | None], other: tuple[str, Entry | None]) -> list[str]:
    (title, a), (other_title, b) = one, other
    if a is None or b is None or not a.intervals_68 or not b.intervals_68:
        return []
    n_fits = sum(math.isfinite(entry.standard_error) for entry in (a, b))
    for who, entry in ((title, a), (other_title, b)):
        if n_fits and len(entry.intervals_68) > 1:
            return [
                f"{name}: the 68 % set of the {who} has {len(entry.intervals_68)} pieces, a standard error has one."
            ]
    scale = min(0.5 * (e.intervals_68[0].upper - e.intervals_68[0].lower) for e in (a, b))
    gaps = [gap for level in _LEVELS for gap in _gaps_of_ends(a, b, level)]
    gap, level, end = max(gaps, key=lambda entry: abs(entry[0]), default=(0.0, _LEVELS[0], "lower"))
    if scale <= 0.0 or abs(gap) <= _END_GAP * scale:
        return []
    advice = "the likelihood is not parabolic, quote the profile" if n_fits == 1 else "at least one of them is wrong"
    if a.is_coarse or b.is_coarse:
        advice = "the grid of the profile is too coarse, make it finer"
    sentence = (
        f"{name}: the {end} end at {100 * level:.0f} % differs by {abs(gap):.3g} between the {title} and the "
        f"{other_title} ({abs(gap) / scale:.1f} standard errors): {advice}."
    )
    return [sentence]


def _gaps_of_ends(a: Entry, b: Entry, level: float) -> list[tuple[float, float, str]]:
    """Differences of the ends that both sets have: (difference, level, which end)."""
    one, other = (e.intervals_68 if level == _LEVELS[0] else e.intervals_95 for e in (a, b))
    if not one or not other:
        return []
    pairs = {"lower": (one[0], other[0]), "upper": (one[-1], other[-1])}
    return [
        (getattr(y, end) - getattr(x, end), level, end)
        for end, (x, y) in pairs.items()
        if not (getattr(x, f"open_{end}") or getattr(y, f"open_{end}"))
    ]
