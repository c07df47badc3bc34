"""Where the answers of several results disagree, in sentences, with the causes that the results themselves show.

Two sets disagree when one of their ends differs by more than a fifth of a standard error, and by twice the Monte Carlo
error of the end of a posterior more than that. Where this error is above a tenth of a standard error the draws are too
few to compare, and a difference may be said to be no more than that. A cause is named only where it was measured, as in
`wilks.verbs.causes`, and has at least a quarter of the difference; what is left without a cause is said to be so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wilks.samplers.result import Posterior
from wilks.searchers.result import SearchResult
from wilks.verbs import features
from wilks.verbs.causes import Place, Split, split
from wilks.verbs.entries import LEVELS, Entry
from wilks.verbs.reweighting import Draws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wilks.core.result import Result

VALUE_GAP = 0.05
END_GAP, END_GAP_IN_PIECES = 0.2, 0.5
"""Of a standard error; the ends of the smallest set of a posterior, of which pieces are made, are not known as well."""
_SHARE = 0.25
_CLEAR, _OFF, _ROOM, _PRECISE = 3.0, 0.5, 2.0, 0.1
_ENDS = ("lower", "upper")
_LOW_CONTRACTION = 0.3
_FAR = "the likelihood is not parabolic: the draws are too far from the Gaussian of the fit for more to be said"
_SWAYED = "the prior is too far from the likelihood for more to be said"
_LOOKED_AT = "prior, marginalisation, bounds, modes, skewness, grid and Monte Carlo error"


@dataclass(frozen=True)
class Answer:
    """One result and what it says of one parameter."""

    title: str
    result: Result
    entry: Entry

    @property
    def posterior(self) -> Posterior | None:
        """The result if it is a posterior."""
        return self.result if isinstance(self.result, Posterior) else None


@dataclass(frozen=True)
class _Gap:
    """Difference of two ends: the second answer minus the first."""

    place: Place
    ends: tuple[float, float]
    scale: float
    tolerance: float

    @property
    def size(self) -> float:
        return self.ends[1] - self.ends[0]


def find(
    results: Sequence[Result], columns: Sequence[str], entries: Mapping[str, tuple[Entry | None, ...]]
) -> tuple[str, ...]:
    """All disagreements, in sentences; those of a parameter begin with its name."""
    found: list[str] = []
    for i, one in enumerate(results):
        for j in range(i):
            if one.space.constants != results[j].space.constants:
                continue
            found += _of_heights((columns[j], results[j]), (columns[i], one))
            for name, row in entries.items():
                before, after = row[j], row[i]
                if before is None or after is None or not before.intervals_68 or not after.intervals_68:
                    continue
                found += _of_parameter(name, Answer(columns[j], results[j], before), Answer(columns[i], one, after))
    return tuple(dict.fromkeys(found))


def _of_heights(one: tuple[str, Result], other: tuple[str, Result]) -> Iterator[str]:
    """A best point that is better than another which claims to be the best."""
    (_, first), (_, second) = one, other
    gap = second.log_likelihood - first.log_likelihood
    (title, better), (worse_title, worse) = (other, one) if gap > 0 else (one, other)
    if not abs(gap) > VALUE_GAP or isinstance(worse, (SearchResult, Posterior)):  # which look for no maximum
        return
    if isinstance(better, Posterior) and better.provenance.fingerprint != worse.provenance.fingerprint:
        return  # heights of two likelihoods: one of them has parameters integrated out
    yield (
        f"The {title} reaches a log-likelihood {abs(gap):.3g} above the {worse_title}: "
        "fit again, starting from the better result."
    )


def _of_parameter(name: str, one: Answer, other: Answer) -> Iterator[str]:
    in_pieces = _pieces(name, one, other)
    if in_pieces:
        yield in_pieces
        return
    gap = _largest_gap(name, one, other)
    if gap is None:
        return
    if abs(gap.size) > gap.tolerance:
        end, level = _ENDS[gap.place.side], gap.place.level
        yield (
            f"{name}: the {end} end at {100 * level:.0f} % differs by {abs(gap.size):.3g} between the {one.title} and "
            f"the {other.title} ({abs(gap.size) / gap.scale:.1f} standard errors): {_explained(one, other, gap)}."
        )
    elif not _in_pieces(one, other):
        yield from _without_prior(name, one, other, gap.scale)


def _pieces(name: str, one: Answer, other: Answer) -> str:
    """Sets with different numbers of pieces, where both speak of real numbers."""
    if one.result.space[name].n_values is not None:
        return ""
    for level in LEVELS:
        few, many = sorted((one, other), key=lambda answer: len(answer.entry.intervals(level)))
        n_few, n_many = len(few.entry.intervals(level)), len(many.entry.intervals(level))
        if not n_few or n_few == n_many:
            continue
        what = f"{name}: the {100 * level:.0f} % set of the {many.title} has {n_many} pieces, "
        if few.entry.kind == "fit":
            return f"{what}a standard error has one."
        if isinstance(few.result, Posterior):
            draws = Draws.of(few.result)
            shares = [f"{100 * draws.mass(name, p.lower, p.upper):.2g} %" for p in many.entry.intervals(level)]
            return (
                f"{what}that of the {few.title} {n_few}: there are several modes, and the {few.title} has "
                f"{' and '.join(shares)} of its draws in these pieces."
            )
        return f"{what}that of the {few.title} {n_few}: there are several modes of different widths."
    return ""


def _with_fit(one: Answer, other: Answer) -> bool:
    """Is one of them a fit?"""
    return "fit" in (one.entry.kind, other.entry.kind)


def _in_pieces(one: Answer, other: Answer) -> bool:
    """Is one of them a posterior with a set in several pieces?"""
    return any(
        answer.posterior is not None and len(answer.entry.intervals(level)) > 1
        for answer in (one, other)
        for level in LEVELS
    )


def _largest_gap(name: str, one: Answer, other: Answer) -> _Gap | None:
    """The largest difference of the ends that both know; None without any, or without a width."""
    scale = min(one.entry.half_width, other.entry.half_width)
    share = END_GAP_IN_PIECES if _in_pieces(one, other) else END_GAP
    found = []
    for level in LEVELS:
        first, second = one.entry.intervals(level), other.entry.intervals(level)
        if not first or not second:
            continue
        for side, (a, b) in enumerate(((first[0], second[0]), (first[-1], second[-1]))):
            if a[2 + side] or b[2 + side]:  # an open end is not known
                continue
            ends = (float(a[side]), float(b[side]))
            noise = math.hypot(*(_noise(answer, name, end) for answer, end in zip((one, other), ends, strict=True)))
            room = _ROOM * noise if noise < _PRECISE * scale else 0.0
            found.append(_Gap(Place(name, level, side), ends, scale, share * scale + room))
    return max(found, key=lambda gap: abs(gap.size) / gap.tolerance) if found and scale > 0 else None


def _noise(answer: Answer, name: str, end: float) -> float:
    return 0.0 if answer.posterior is None else Draws.of(answer.posterior).noise(name, end)


def _explained(one: Answer, other: Answer, gap: _Gap) -> str:
    """Causes of a difference, in words."""
    posteriors = [(answer, answer.posterior) for answer in (one, other) if answer.posterior is not None]
    numerical = [f"the certificate of the {a.title} fails ({_failures(p)})" for a, p in posteriors if _failures(p)]
    if one.entry.is_coarse or other.entry.is_coarse:
        numerical.append("the grid of the profile is too coarse, make it finer")
    if numerical:
        return "; ".join(numerical)
    if len(posteriors) == 1:
        return _of_posterior(one, other, gap)
    if posteriors:
        noise = math.hypot(*(_noise(a, gap.place.name, end) for a, end in zip((one, other), gap.ends, strict=True)))
        return _noisy(noise) if abs(gap.size) < _CLEAR * noise else "at least one of them is wrong"
    if {one.entry.kind, other.entry.kind} == {"fit", "profile"}:
        seen = features.of_shape(gap.place, (one, other))
        why = f" ({'; '.join(seen)})" if seen else ""
        return f"the likelihood is not parabolic{why}, quote the profile"
    return "at least one of them is wrong"


def _failures(posterior: Posterior) -> str:
    """What fails in the certificate, in words; empty when nothing does."""
    certificate = posterior.certificate
    return "" if certificate.ok else "; ".join(map(str, certificate.failures)) or "nothing was checked"


def _noisy(noise: float) -> str:
    return f"no more than the Monte Carlo error of the draws (±{noise:.2g}), draw more"


def _split(one: Answer, other: Answer, gap: _Gap) -> Split | None:
    """Parts of the difference posterior minus other; None unless exactly one of them is a posterior."""
    first, second = one.posterior, other.posterior
    if first is not None and second is None:
        return split(first, other.result, gap.place, gap.ends)
    if second is not None and first is None:
        return split(second, one.result, gap.place, gap.ends[::-1])
    return None


def _of_posterior(one: Answer, other: Answer, gap: _Gap) -> str:
    """Causes of a difference between a posterior and a fit or a profile."""
    parts = _split(one, other, gap)
    if parts is None or _in_pieces(one, other):
        return "; ".join(features.of_shape(gap.place, (one, other)))
    size = gap.size if one.posterior is None else -gap.size
    if abs(size) < _CLEAR * parts.noise:
        return _noisy(parts.noise)
    found = list(_causes(parts, size, (one, other), gap.place))
    if math.isnan(parts.rest):
        unknown = _FAR if parts.far else "these results do not say why"
        return _SWAYED if parts.swayed else "; ".join(found) or unknown
    # The volume beside a profile is an approximation: Laplace's, in slices.
    approximate = 0.0 if _with_fit(one, other) else _OFF * abs(parts.volume)
    if abs(parts.rest) > max(END_GAP * gap.scale, _SHARE * abs(size), _CLEAR * parts.rest_noise, approximate):
        of = f"for {parts.rest:+.3g} of it " if found else ""
        found.append(
            f"{of}{_SWAYED}"
            if parts.swayed
            else f"{of}no cause was found among {_LOOKED_AT}: at least one of the two is wrong"
        )
    return "; ".join(found) or f"several causes, none of which has {100 * _SHARE:.0f} % of it"


def _causes(parts: Split, size: float, answers: tuple[Answer, Answer], place: Place) -> Iterator[str]:
    """What was measured to have a good part of the difference, in words."""

    def matters(part: float) -> bool:
        return part * math.copysign(1.0, size) >= _SHARE * abs(size)  # False for NaN

    contraction = next(a.posterior.contraction[place.name] for a in answers if a.posterior is not None)
    is_narrow = math.isnan(parts.prior) and contraction < _LOW_CONTRACTION
    if matters(parts.prior):
        yield f"the prior moves it by {parts.prior:+.3g} (contraction {contraction:.2f})"
    elif is_narrow:
        yield f"the data hardly narrow the prior (contraction {contraction:.2f})"
    if matters(parts.bound):
        seen = features.bounds(place, answers) or ["a bound of the box is within reach"]
        yield f"{seen[0]}, which moves it by {parts.bound:+.3g}"
    if matters(parts.volume):
        yield (
            f"marginalisation moves it by {parts.volume:+.3g}: the posterior counts the volume of the other "
            "parameters, a maximum over them does not"
        )
    shape = parts.shape - (parts.volume if _with_fit(*answers) and matters(parts.volume) else 0.0)
    if matters(shape) or (math.isnan(shape) and not is_narrow):
        seen = features.of_shape(place, answers, with_bounds=not matters(parts.bound))
        moved = "" if math.isnan(shape) else f", which moves it by {shape:+.3g}"
        if seen:
            yield f"{'; '.join(seen)}{moved}"
        elif moved:
            yield f"the likelihood is not parabolic{moved}"


def _without_prior(name: str, one: Answer, other: Answer, scale: float) -> Iterator[str]:
    """A posterior that agrees with a likelihood although its prior should have moved it."""
    pair = (one, other) if one.posterior is not None else (other, one)
    (drawn, against), posterior = pair, pair[0].posterior
    if posterior is None or against.posterior is not None or _failures(posterior) or against.entry.is_coarse:
        return
    if np.ptp(posterior.log_priors) == 0.0:
        return
    for side, end in enumerate(_ENDS):
        ends = (drawn.entry.intervals_68[-side][side], against.entry.intervals_68[-side][side])
        parts = split(posterior, against.result, Place(name, LEVELS[0], side), ends)
        is_clear = not parts.swayed and abs(parts.rest) > max(END_GAP * scale, _CLEAR * parts.rest_noise)
        cancels = abs(parts.rest + parts.prior) < 0.5 * abs(parts.prior)
        if abs(parts.prior) > END_GAP * scale and is_clear and cancels:
            yield (
                f"{name}: the prior should move the {end} end at 68 % of the {drawn.title} by {parts.prior:+.3g} away "
                f"from the {against.title}, and they agree: no cause was found, at least one of the two is wrong."
            )
            return
