"""Section of the report about a search: what searched, what it found, and whether its replicas did their work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wilks import plots
from wilks.core.errors import MissingDependencyError
from wilks.core.parameter import Categorical
from wilks.core.table import Table, show, with_error
from wilks.plots.tempering import LOW_SWAP_RATE
from wilks.report import elements
from wilks.report.figures import Artist, grid
from wilks.report.results import status_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.core.parameter import Domain, Value
    from wilks.searchers.result import SearchResult
    from wilks.searchers.tempering.diagnostics import TemperingDiagnostics
    from wilks.searchers.tempering.sample import TemperedSample

_HIGH_SWAP_RATE = 0.8
_LOW_ACCEPTANCE = 0.02
_LATE, _MATTERS = 0.9, 0.05
_EDGE = 1e-6  # of the range
_OF_METHOD = "n_evaluations_"


def search_section(result: SearchResult, artist: Artist) -> str:
    """What was searched with what, the best point, its course, and the replicas in words and pictures."""
    name, n_free = result.algorithm.partition("(")[0], len(result.space.free)
    text = f"{n_free} parameter{'' if n_free == 1 else 's'} of {result.provenance.problem} were searched by {name}."
    parts = [status_line(result.status), elements.paragraph(text)]
    if not math.isfinite(result.log_likelihood):
        return "".join(parts)
    parts += [elements.table(result.table()), _methods(result)]
    notes = list(warnings(result))
    if notes:
        parts.append(elements.bullets(notes))
    caption = "How far the best log-likelihood was below the best of the search, over the number of evaluations."
    parts.append(artist.figure("course", caption, lambda: plots.convergence(result)))
    if result.tempering is not None and result.tempering.n_sweeps:
        parts.append(_tempering_part(result, result.tempering, artist))
    if result.sample is not None:
        parts.append(_sample_part(result, result.sample, artist))
    parts.append(elements.details("Settings and counts", elements.table(_settings(result))))
    return "".join(parts)


def _by_method(result: SearchResult) -> dict[str, int]:
    """What a portfolio counts as ``n_evaluations_kicks``, the most first."""
    counts = {n: k for n, k in result.details.items() if n.startswith(_OF_METHOD) and isinstance(k, int)}
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def _methods(result: SearchResult) -> str:
    """How the evaluations were shared out among the methods of a portfolio, in a sentence."""
    counts = _by_method(result)
    if not counts:
        return ""
    listed = [f"{name.removeprefix(_OF_METHOD)} {n:,}" for name, n in counts.items()]
    rest = result.n_evaluations - sum(counts.values())
    listed += [f"first and random points {rest:,}"] if rest else []
    return elements.paragraph(f"Evaluations by method: {', '.join(listed)}.")


def warnings(result: SearchResult) -> Iterator[str]:
    """Yield what to keep in mind about a best point, in sentences."""
    early = result.history[result.history[:, 0] <= _LATE * result.n_evaluations, 1]
    rise = result.log_likelihood - early[-1] if len(early) else 0.0
    if rise > _MATTERS:
        yield f"The best rose by {rise:.2g} in the last tenth of the evaluations: more of them may raise it further."
    for name in result.space.free:
        side = _edge(result.space[name], result.best[name])
        if side:
            yield f"{name} is best at the {side} end of its range: a wider range may hold a better point."
    failed = result.stats.get("n_failed", 0)
    if failed:
        yield f"{failed} of {result.n_evaluations} evaluations failed; none of them can be the best."


def _edge(domain: Domain, value: Value) -> str:
    """The end of its range at which a real parameter lies, in a word."""
    if domain.n_values is not None:
        return ""
    unit = float(domain.to_unit(np.array([domain.encode(value)]))[0])
    return "lower" if unit < _EDGE else "upper" if unit > 1.0 - _EDGE else ""


def readings(tempering: TemperingDiagnostics) -> Iterator[str]:
    """Yield what the diagnostics of parallel tempering mean, in sentences."""
    rates = tempering.swap_rates
    low = [pair for pair, rate in enumerate(rates.tolist()) if rate < LOW_SWAP_RATE]
    if low:
        pairs = ", ".join(f"{pair} and {pair + 1} ({rates[pair]:.2f})" for pair in low)
        yield (
            f"Swap rate below {LOW_SWAP_RATE:g} between the rungs {pairs}: replicas hardly exchange there; "
            "more rungs bring neighbours closer together."
        )
    elif rates.size and np.nanmin(np.nan_to_num(rates, nan=0.0)) > _HIGH_SWAP_RATE:
        yield f"All swap rates are above {_HIGH_SWAP_RATE:g}: fewer rungs would do, and leave more sweeps to each."
    elif rates.size and not np.isnan(rates).any():
        yield f"All neighbours exchange well: swap rates from {rates.min():.2f} to {rates.max():.2f}."
    if np.isnan(rates).any():
        yield "Some neighbours never tried to exchange: more sweeps are needed."
    if not rates.size:
        yield "A single rung: nothing is exchanged, this is annealing."
    elif tempering.round_trips:
        yield (
            f"{tempering.round_trips} round trip{'' if tempering.round_trips == 1 else 's'} between the coldest rung "
            f"and the hottest: one in {1 / tempering.round_trip_rate:,.0f} sweeps."
        )
    else:
        yield (
            "No round trip: no replica went from the coldest rung to the hottest and back, so little of what the hot "
            "rungs found came down; more evaluations help, or a ladder with other rungs."
        )
    stuck = [rung for rung, share in enumerate(tempering.acceptance.tolist()) if share < _LOW_ACCEPTANCE]
    if stuck:
        rungs = ", ".join(map(str, stuck))
        yield f"On rung {rungs} less than {100 * _LOW_ACCEPTANCE:g} % of the moves were accepted: it hardly moves."


def _tempering_part(result: SearchResult, tempering: TemperingDiagnostics, artist: Artist) -> str:
    figures = [
        artist.figure(
            "swaps",
            "Mean probability of a swap between neighbouring rungs; below the dashed line they hardly exchange.",
            lambda: plots.swap_rates(result),
        ),
        artist.figure("acceptance", "Share of the moves accepted on every rung.", lambda: plots.acceptance(result)),
        artist.figure("ladder", "Temperatures of the rungs over the sweeps.", lambda: plots.ladder(result)),
        artist.figure(
            "replicas", "Rung of every replica over the sweeps, one highlighted.", lambda: plots.replicas(result)
        ),
    ]
    return f"<h3>Replicas</h3>{elements.bullets(readings(tempering))}{grid(figures)}"


def _sample_part(result: SearchResult, sample: TemperedSample, artist: Artist) -> str:
    """Evidence and draws."""
    n = int(np.size(sample.log_likelihoods))
    text = f"Log-evidence {sample.log_evidence:.4g} ± {sample.log_evidence_error:.2g}, from {n:,} draws at T = 1."
    caption = "Draws: marginal densities, and the smallest regions that hold 68 and 95 % of them."
    figure = artist.figure("draws", caption, lambda: plots.corner(result))
    return f"<h3>Draws</h3>{elements.paragraph(text)}{elements.table(_draws_table(result, sample))}{figure}"


def _draws_table(result: SearchResult, sample: TemperedSample) -> Table:
    """Mean and spread of every parameter, or its most frequent value, and how good the draws are."""
    try:
        r_hat, ess = sample.r_hat, sample.ess
        note = "R-hat above 1.01, or an effective number below 400, asks for more evaluations."
    except MissingDependencyError as error:
        r_hat, ess, note = {}, {}, str(error)
    rows = []
    for name, theta in sample.draws.items():
        quality = (_number(ess.get(name), ".0f"), _number(r_hat.get(name), ".3f"))
        rows.append((name, _middle(result.space[name], theta), *quality))
    return Table("", ("parameter", "mean ± standard deviation", "effective draws", "R-hat"), tuple(rows), note)


def _middle(domain: Domain, theta: NDArray[np.float64]) -> str:
    if not isinstance(domain, Categorical):
        return with_error(float(theta.mean()), float(theta.std()))
    values, counts = np.unique(theta, return_counts=True)
    most = int(np.argmax(counts))
    return f"{show(domain.decode(float(values[most])))} in {100 * counts[most] / theta.size:.0f} %"


def _number(value: float | None, how: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, how)


def _settings(result: SearchResult) -> Table:
    rows = [("algorithm", result.algorithm), ("evaluations", f"{result.n_evaluations:,}")]
    if result.tempering is not None:
        rows += [
            ("rungs", str(len(result.tempering.ladder))),
            ("sweeps", f"{result.tempering.n_sweeps:,}"),
            ("sum of the rejection rates of all pairs", f"{result.tempering.barrier:.3g}"),
        ]
    shown = _by_method(result)
    rows += [(name.replace("_", " "), show(value)) for name, value in result.details.items() if name not in shown]
    return Table("", ("setting or count", "value"), tuple(rows))
