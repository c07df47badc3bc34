"""Sections of the report of a fit, as HTML."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.table import Table, duration
from wilks.report import elements
from wilks.report.results import basins_table
from wilks.xpcs.convention import Convention
from wilks.xpcs.summary import scaling_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.xpcs.residual_statistics import ResidualStatistics
    from wilks.xpcs.result import XpcsFit

_STRONG = 0.9
_LISTED_ANGLES, _LISTED_KEYS = 12, 6
_QUALITY = {
    "good": "Values and errors can be quoted as they are.",
    "noisy": "Values can be quoted; read the reasons below before you quote errors.",
    "marginal": "Read the reasons below before you quote a number.",
    "poor": "Do not quote these numbers.",
}


def verdict(result: XpcsFit, statistics: ResidualStatistics | None, advice: tuple[str, ...]) -> str:
    """How the fit ended, whether it can be trusted, why not, and what to do; marks do not depend on colour."""
    flag, noisy = result.quality.flag, statistics is not None and not statistics.is_white
    usable = _QUALITY["noisy" if noisy and flag == "good" else flag]
    lines = [
        (result.status.success, result.status.message),
        (flag == "good" and not noisy, f"Quality: {flag}. {usable}"),
    ]
    reasons: list[str] = []
    if result.has_best:  # without, the message says it all
        reasons += result.quality.reasons
        reasons += [f"{name}: {found.reason}." for name, found in result.identifiable.items() if not found]
    if statistics is not None and noisy:
        lines.append((False, "The residuals are not the noise that the standard errors take them for."))
        reasons += statistics.reasons
    parts = [_marked(text, good=good) for good, text in lines]
    if reasons:
        parts.append(f"<h3>Why</h3>{elements.bullets(reasons)}")
    if advice:
        parts.append(f"<h3>What to do</h3>{elements.bullets(advice)}")
    return "".join(parts)


def _marked(text: str, *, good: bool) -> str:
    mark, kind = ("✓", "good") if good else ("!", "bad")
    return f'<p class="{kind}"><span aria-hidden="true">{mark}</span> {elements.escape(text)}</p>'


def parameters(result: XpcsFit) -> str:
    """Physical parameters with errors and units, and which of them move together."""
    rows = result.table().rows
    title = f"Physical parameters, {result.mode}"
    if result.has_best:
        title += f": reduced chi-squared {result.reduced_chi_squared:.4f}, {result.dof:,} degrees of freedom"
    parts = [elements.table(Table(title, ("parameter", "value ± standard error", "unit, remark"), rows))]
    names, matrix = result.space.free, result.correlation
    known = [k for k in range(len(names)) if math.isfinite(matrix[k, k])]
    strong = [
        f"{names[i]} and {names[j]} are correlated by {matrix[i, j]:+.3f}: their errors are not independent."
        for i, j in combinations(known, 2)
        if abs(matrix[i, j]) > _STRONG
    ]
    parts.append(elements.bullets(strong) if strong else "")
    if len(known) > 1:
        table = Table(
            "",
            ("", *(names[k] for k in known)),
            tuple((names[i], *(f"{matrix[i, j]:+.3f}" for j in known)) for i in known),
        )
        parts.append(elements.details("Correlation of the physical parameters", elements.table(table)))
    return "".join(parts)


def scaling(result: XpcsFit) -> str:
    """Contrast and offset of every angle."""
    reason = f"Scaling: {result.scaling.kind}, {result.scaling_reason}."
    return elements.paragraph(reason) + elements.table(scaling_table(result, most=len(result.phi)))


def model(result: XpcsFit) -> str:
    """The model as a formula, and what its factors mean."""
    convention, flow = result.convention, result.mode == "laminar_flow"
    phase = "<i>s q L</i> cos(φ<sub>0</sub> &minus; φ) ∫ <i>G</i> d<i>t</i>"
    laws = [
        "<i>c</i><sub>2</sub> = offset + contrast · exp(&minus;2 <i>d q</i><sup>2</sup> ∫ <i>J</i> d<i>t</i>)"
        + (f" · |sinc({phase})|<sup><i>p</i></sup>" if flow else ""),
        "<i>J</i>(<i>t</i>) = D0 <i>t</i><sup>alpha</sup> + D_offset",
    ]
    factors = f"<i>d</i> = {convention.diffusion_factor:.6g}"
    if flow:
        laws.append("<i>G</i>(<i>t</i>) = gamma_dot_0 <i>t</i><sup>beta</sup> + gamma_dot_offset")
        factors += f", <i>s</i> = {convention.shear_argument:.6g}, <i>p</i> = {convention.shear_power}"
        factors += "; sinc <i>x</i> = sin(<i>x</i>) / <i>x</i>"
    formula = "<br>".join(laws)
    words = f"<p>with {factors}; integrals from <i>t</i><sub>1</sub> to <i>t</i><sub>2</sub>, in s.</p>"
    return f"<p>{formula}</p>{words}{elements.paragraph(_convention(convention, flow=flow))}"


def _convention(convention: Convention, *, flow: bool) -> str:
    usual = Convention()
    if convention == usual:
        gap = ", and the flow is averaged over a plane Couette gap" if flow else ""
        return f"The physical convention: J is the transport coefficient, 2 D for Brownian motion{gap}."
    parts = []
    if convention.diffusion_factor != usual.diffusion_factor:
        parts.append(f"transport coefficients by {convention.diffusion_factor / usual.diffusion_factor:.4g}")
    if flow and (convention.shear_argument, convention.shear_power) != (usual.shear_argument, usual.shear_power):
        ratio = convention.rate_ratio(usual)
        parts.append(f"shear rates by {ratio.small_phase:.4g} (small phase) to {ratio.first_zero:.4g} (first zero)")
    name = "The convention of the package homodyne." if convention == Convention.homodyne() else "An own convention."
    if not parts:
        return f"{name} In this mode its numbers are those of the physical convention."
    exact = "" if convention.shear_power == usual.shear_power or not flow else " Fit again for exact values."
    return f"{name} To compare with the physical convention multiply {' and '.join(parts)}.{exact}"


def data(result: XpcsFit) -> str:
    """Where the data come from, and what was used of them."""
    rows, source = [], result.source
    if source is not None:
        rows += [("file", source.path), ("layout", source.layout + (", from the cache" if source.cached else ""))]
        rows.append(("matrices", _some(source.keys, _LISTED_KEYS)))
        rows.append(("frames", f"{source.frames[0]} to {source.frames[1]}, counted from 1"))
    rows.append(("wave vector q", f"{result.q:.6g} 1/Å{_q_range(result)}"))
    angles = "1 angle" if len(result.phi) == 1 else f"{len(result.phi)} angles"
    rows.append((angles, f"{_some([f'{phi:g}' for phi in result.phi], _LISTED_ANGLES)} deg"))
    t = result.t
    rows.append((f"{len(t):,} times", f"{t[0]:g} s to {t[-1]:g} s, every {result.dt:g} s"))
    if result.gap is not None:
        rows.append(("gap", f"{result.gap:g} Å"))
    known = result.sigma[~np.isnan(result.sigma)]
    rows.append(("sigma of a pair", f"{_ends(known)} ({result.noise})" if len(known) else "unknown"))
    rows.append(("pairs of times", f"{result.n_used:,} used, {result.n_masked:,} not used"))
    rows.append(("how the data were held", f"{result.strategy.name}: {result.strategy.reason}"))
    notes = [] if source is not None else ["The data were given as arrays: no file is known."]
    notes += result.notes
    return elements.table(Table("", ("data", "value"), tuple(rows))) + (elements.bullets(notes) if notes else "")


def _q_range(result: XpcsFit) -> str:
    source = result.source
    if source is None:
        return ""
    asked = "" if source.q_requested is None else f", asked for {source.q_requested:.6g}"
    low, high = source.q_range
    return asked + ("" if low == high else f", in the file {low:.6g} to {high:.6g}")


def _some(texts: tuple[str, ...] | list[str], limit: int) -> str:
    if len(texts) <= limit:
        return ", ".join(texts)
    return f"{', '.join(texts[: limit - 1])}, ..., {texts[-1]}"


def _ends(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def quality(result: XpcsFit) -> str:
    """Every parameter's significance and how far contrast and offset imitate it; the optima that were found."""
    found, inner = result.quality, result.diagnostics
    rows = [
        (
            name,
            "determined" if each else "not determined",
            _number(found.significance.get(name)),
            _number(inner.absorption.get(name)),
            _number(inner.gradient.get(name)),
        )
        for name, each in result.identifiable.items()
    ]
    columns = ("parameter", "by the data", "value / error", "absorbed", "gradient")
    note = (
        "Absorbed: the part of the information on a parameter that contrast and offset take. Gradient: distance to the "
        "optimum in standard errors, far below 1 at the end of a fit."
    )
    numbers = [] if math.isnan(found.condition_number) else [f"Condition number: {found.condition_number:.3g}."]
    numbers.append(f"Distinct optima that the search found on a coarse subset: {found.n_basins}.")
    parts = [elements.table(Table("", columns, tuple(rows), note)), elements.bullets(numbers)]
    if len(result.basins) > 1:
        table = elements.table(basins_table(result))  # type: ignore[arg-type]  # told by what it has, as `is_fit` does
        parts.append(elements.details(f"The {len(result.basins)} optima found", table))
    return "".join(parts)


def residuals(statistics: ResidualStatistics) -> str:
    """What the residuals look like, in sentences and in numbers."""
    table = statistics.table()
    sentences = statistics.reasons or (table.note,)
    numbers = elements.table(replace(table, note=""), caption=False)
    return elements.bullets(sentences) + elements.details(f"{table.title}, angle by angle", numbers)


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3g}"


def timings(seconds: Mapping[str, float]) -> str:
    """What took how long."""
    rows = tuple((name, duration(value)) for name, value in seconds.items())
    return elements.table(Table("", ("step", "time"), (*rows, ("all", duration(sum(seconds.values()))))))
