"""The verb `compare`: the answers of several verbs side by side, and where they disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError
from wilks.core.result import Result
from wilks.core.table import Table, show
from wilks.profiles.result import ProfileResult
from wilks.samplers.result import Posterior
from wilks.searchers.result import SearchResult
from wilks.verbs import disagreements
from wilks.verbs.entries import Entry, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wilks.profiles.regions import Interval

__all__ = ["Comparison", "Entry", "compare"]


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
        """Best value, error, and 68 % and 95 % sets of every parameter and result."""
        rows = [
            (
                name,
                column,
                show(entry.best),
                f"{entry.standard_error:.3g}" if math.isfinite(entry.standard_error) else "-",
                _pieces(entry.intervals_68),
                _pieces(entry.intervals_95),
            )
            for name in self.names
            for column, entry in zip(self.columns, self.entries[name], strict=True)
            if entry is not None
        ]
        note = "\n".join([*self.remarks, *(self.disagreements or ("The results agree.",))])
        return Table("Comparison", ("parameter", "result", "best", "error", "68 %", "95 %"), tuple(rows), note)

    def __repr__(self) -> str:
        """Return the table."""
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def compare(*results: Result, titles: Sequence[str] | None = None) -> Comparison:
    """Put the intervals of several results side by side and say where they disagree.

    A fit gives symmetric intervals from its standard errors; a profile gives confidence sets from Wilks' theorem; a
    posterior gives its mean with its standard deviation, and credible sets: with equal tails, or the smallest set where
    that has several pieces. A search has a best point only, which is a disagreement if it lies above the others and
    none if it lies below; so is the best draw of a posterior.

    They disagree when their best log-likelihoods differ by more than 0.05, when their sets have different numbers of
    pieces, or when an end of their 68 % or 95 % sets differs by more than a fifth of a standard error. Every
    disagreement comes with its causes, as far as the results show them: the prior, the volume of the other parameters
    that a posterior counts and a profile does not, a bound, several modes, skewness, a coarse grid, Monte Carlo error,
    a certificate that failed. What has none of these means that one of the results is wrong. Between a fit and a
    profile it means that the likelihood is not parabolic, and the profile is the one to quote. Results of problems with
    other fixed values are not held against each other.

    Parameters
    ----------
    *results
        Results of `wilks.search`, `wilks.fit`, `wilks.profile` and `wilks.sample` on one problem.
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
    entries = {name: tuple(entry_of(result, name) for result in results) for name in names}
    names = tuple(name for name in names if any(entry is not None for entry in entries[name]))
    kept = {name: entries[name] for name in names}
    return Comparison(
        names,
        columns,
        kept,
        tuple(r.log_likelihood for r in results),
        disagreements.find(results, columns, kept),
        tuple(_remarks(results, columns, kept)),
    )


def _remarks(
    results: Sequence[Result], columns: Sequence[str], entries: dict[str, tuple[Entry | None, ...]]
) -> Iterator[str]:
    searches = [column for result, column in zip(results, columns, strict=True) if isinstance(result, SearchResult)]
    if searches:
        yield f"No intervals from {', '.join(searches)}: a search has a best point only; fit or profile from there."
    for place, (result, column) in enumerate(zip(results, columns, strict=True)):
        if not isinstance(result, Posterior):
            continue
        yield f"Of the {column}: the mean, the standard deviation, and credible sets with {_kinds(entries, place)}."
        if not result.certificate.ok:
            yield f"The certificate of the {column} fails: {result.certificate.message}"


def _kinds(entries: dict[str, tuple[Entry | None, ...]], place: int) -> str:
    """Which credible sets these are."""
    rows = {name: row[place] for name, row in entries.items()}
    in_pieces = [
        name for name, entry in rows.items() if entry and max(len(entry.intervals_68), len(entry.intervals_95)) > 1
    ]
    smallest = f"; of {', '.join(in_pieces)} the smallest sets" if in_pieces else ""
    return f"equal tails{smallest}"


def _titles(results: Sequence[Result]) -> tuple[str, ...]:
    """What each result is, with a number where that is not enough to tell them apart."""
    plain = [_title(result) for result in results]
    return tuple(
        title if plain.count(title) == 1 else f"{title} {plain[: i + 1].count(title)}" for i, title in enumerate(plain)
    )


def _title(result: Result) -> str:
    fixed = ", ".join(f"{name}={show(value)}" for name, value in result.space.constants.items())
    what = "search" if isinstance(result, SearchResult) else "fit"
    if isinstance(result, Posterior):
        what = "posterior"
    if isinstance(result, ProfileResult):
        what = "profile over " + ", ".join(result.over)
    return f"{what} ({fixed})" if fixed else what


def _pieces(pieces: tuple[Interval, ...]) -> str:
    return " or ".join(str(piece) for piece in pieces) or "-"
