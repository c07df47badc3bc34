"""Section of the report about a posterior: what it says of the parameters, and whether its draws can be trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.core.table import Table
from wilks.plots.posterior.collection import posterior_drawings
from wilks.report import elements
from wilks.report.figures import Artist, grid
from wilks.report.results import status_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.samplers.certificate import Certificate
    from wilks.samplers.result import Posterior

_MEANINGS = {
    "Pareto k-hat": "how heavy the tail of the weights is: above the limit a few draws decide the answer",
    "importance ESS": "as many independent draws would be as precise as all of these together",
    "k-hat of squares": "the same for weight times squared distance from the mean: above the limit a few far draws "
    "decide the standard deviation",
    "bulk ESS": "as many independent draws would be as precise for the mean",
    "tail ESS": "as many independent draws would be as precise for the 5 and 95 % quantiles",
    "R-hat": "1 when every chain says the same as all of them together",
    "divergences": "trajectories that left the posterior: a narrow part of it was not entered",
    "difference of means": "between two populations that know nothing of each other, in standard deviations",
    "difference of spreads": "of the logarithms of their standard deviations",
    "difference of log-evidence": "of what each of them says of the evidence",
    "log weight beyond draws": "how far walkers climbed above the largest weight of all draws: high where draws miss "
    "a neck or a tail",
    "autocorrelation times": "steps of a walker over the steps that it takes to forget where it was",
    "failed evaluations": "part of the evaluations that failed and count as impossible",
    "E-BFMI": "how well the momenta carry a chain from one level of the density to the next: the tails",
}
_CAPTIONS = {
    "pair": "Posterior of every parameter and pair, with the smallest regions that hold 68 and 95 %.",
    "forest": "Means with 68 and 95 % credible sets; the faint lines are parts of the draws alone.",
    "trace": "The chains, and the density of each: they should look alike.",
    "rank": "Ranks of the draws of each chain among all: level where the chains agree.",
    "ess": "Effective number of draws as draws come in: it should grow in a straight line.",
    "energy": "Energies of the draws and of their changes: the two should be about as wide.",
    "weights": "Weights of the draws, the largest first, and the tail that k-hat is the shape of.",
}
_LOW_CONTRACTION = 0.3
_MAX_ROWS = 40


def posterior_section(posterior: Posterior, artist: Artist) -> str:
    """Summary, remarks, certificate in plain words, pictures, and what was tried before."""
    parts = [status_line(posterior.status)]
    if not posterior.log_likelihoods.size or not math.isfinite(posterior.log_likelihood):
        return "".join(parts)
    shown = posterior.names[:_MAX_ROWS]
    parts.append(elements.table(Table("", *_rows(posterior.summary(shown)))))
    if len(shown) < len(posterior.names):
        parts.append(elements.paragraph(f"{len(posterior.names) - len(shown)} more parameters are not listed.", "note"))
    parts.append(elements.paragraph(_counts(posterior), "note"))
    notes = list(remarks(posterior))
    if notes:
        parts.append(elements.bullets(notes))
    parts += [f"<h3>Certificate</h3>{_certificate(posterior.certificate)}", "".join(_pictures(posterior, artist))]
    for method, certificate in posterior.attempts.items():
        tried = elements.paragraph(certificate.message or "Every check held.") + _certificate(certificate)
        parts.append(elements.details(f"Tried before: {method}", tried))
    parts.append(elements.details("What was executed", elements.table(_steps(posterior))))
    return "".join(parts)


def _rows(summary: Table) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    return summary.columns, summary.rows


def _counts(posterior: Posterior) -> str:
    """What the numbers come from, in a sentence."""
    chains = f"{posterior.n_chains} chain{'' if posterior.n_chains == 1 else 's'} of {posterior.n_draws:,} draws"
    if posterior.weighted is not None:
        of = f"{len(posterior.weighted.log_weights):,} weighted draws, resampled to {chains} with equal weights"
    else:
        of = chains
    evidence = ""
    if not math.isnan(posterior.log_evidence):
        evidence = f" Log-evidence {posterior.log_evidence:.4g} ± {posterior.log_evidence_error:.2g}."
    return (
        f"By {posterior.method}: {of}; {posterior.cost}.{evidence} Contraction is one minus the ratio of the standard "
        "deviations of posterior and prior, on the scale of the parameter: near 1 the data speak, near 0 the prior."
    )


def remarks(posterior: Posterior) -> Iterator[str]:
    """Yield what to keep in mind about a posterior, in sentences."""
    hardly = [n for n, found in posterior.contraction.items() if found < _LOW_CONTRACTION]
    if hardly:
        yield f"The data hardly narrow the prior of {', '.join(hardly)}: the posterior is mostly what was assumed."
    for name in posterior.names:
        if posterior.space[name].n_values is None and len(posterior.highest_density(name, 0.95)) > 1:
            yield f"The smallest 95 % set of {name} has several pieces: mean and standard deviation say little of it."


def _certificate(certificate: Certificate) -> str:
    """Every check with its verdict and what it means."""
    rows = [
        [elements.escape(cell) for cell in (*row[:4], row[4], _MEANINGS.get(check.name, ""))]
        for row, check in zip(certificate.table().rows, certificate.checks, strict=True)
    ]
    columns = ("check", "parameter", "value", "limit", "", "what it means")
    head = '<p class="good"><span aria-hidden="true">✓</span> Every check holds.</p>'
    if not certificate.ok:
        text = certificate.message or "Nothing was checked."
        head = f'<p class="bad"><span aria-hidden="true">!</span> {elements.escape(text)}</p>'
    return head + elements.rows_table("", columns, rows)


def _pictures(posterior: Posterior, artist: Artist) -> Iterator[str]:
    figures = [
        artist.figure(name, _CAPTIONS[name], draw) for name, draw in posterior_drawings(posterior) if name in _CAPTIONS
    ]
    # The picture of all pairs needs the whole width.
    yield figures[0]
    yield grid(figures[1:])


def _steps(posterior: Posterior) -> Table:
    steps = tuple((s.name, s.detail, f"{s.n_evaluations:,}") for s in posterior.provenance.executed)
    return Table("", ("step", "detail", "evaluations"), steps)
