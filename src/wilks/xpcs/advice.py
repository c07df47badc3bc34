"""What to do about a fit that is not good: the step that a colleague would suggest, for each thing that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.core.parameter import Real
from wilks.core.status import Outcome
from wilks.xpcs.model import FLOW_NAMES
from wilks.xpcs.noise import ESTIMATED
from wilks.xpcs.quality import GOOD_MISFIT, MAX_CONDITION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.xpcs.residual_statistics import ResidualStatistics
    from wilks.xpcs.result import XpcsFit


def advice(result: XpcsFit, statistics: ResidualStatistics | None = None) -> tuple[str, ...]:
    """Sentences about what to do next; empty for a good fit.

    Parameters
    ----------
    result
        The fit.
    statistics
        Of its residuals; None where they are not known.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> advice(xpcs.fit(data, "static", seed=1, callbacks=()))[0][:41]
    'Fix one parameter of each group that only'
    """
    if not result.has_best:
        return (
            "The model is finite nowhere in the boxes of the parameters: take smaller exponents, or the default boxes.",
        )
    return (
        *_convergence(result),
        *_misfit(result),
        *(() if statistics is None else _noise(result, statistics)),
        *_open(result),
        *_bounds(result),
        *_degeneracy(result),
    )


def _convergence(result: XpcsFit) -> Iterator[str]:
    if result.status.outcome is Outcome.CONVERGED:
        return
    if result.status.outcome is Outcome.NOT_CONVERGED:
        yield "Fit again with more iterations (max_iterations) or starts (n_starts), or from this result (start)."
    else:
        yield "The fit was stopped before its end: let it run, from this result (start)."


def _is_misfit(result: XpcsFit) -> bool:
    return result.loss == "linear" and abs(result.reduced_chi_squared - 1.0) > GOOD_MISFIT


def _misfit(result: XpcsFit) -> Iterator[str]:
    if not _is_misfit(result):
        return
    if result.reduced_chi_squared > 1:
        yield (
            "Look at the residuals: a pattern that follows age, lag or angle speaks against the model (another mode, "
            "frames without the start of the experiment); residuals without a pattern speak against sigma."
        )
    if result.noise != ESTIMATED:
        yield "Leave out sigma: it is then estimated from the data."


def _noise(result: XpcsFit, statistics: ResidualStatistics) -> Iterator[str]:
    factor = statistics.inflation
    if not (statistics.correlated and factor > 1) or _is_misfit(result):
        return  # a model that is wrong is not mended by larger errors
    yield (
        "Look at the maps of the residuals. If they show no pattern, pairs of frames share noise, as that of speckles "
        f"that outlive a frame: multiply all standard errors by about {factor:.2g} before they are quoted. A pattern "
        "that follows age, lag or angle speaks against the model."
    )


def _sees_no_flow(result: XpcsFit) -> bool:
    """Is no parameter of the flow determined, and another one is?"""
    flow = {name for name in result.identifiable if name in FLOW_NAMES}
    unknown = {name for name, each in result.identifiable.items() if not each}
    return bool(flow) and flow <= unknown < result.identifiable.keys()


def _open(result: XpcsFit) -> Iterator[str]:
    found = result.identifiable
    names = [name for name, each in found.items() if not each and name not in result.at_bounds]
    if _sees_no_flow(result):
        yield "Fit the mode 'static', or measure angles nearer to the flow and longer times: no flow is seen in these."
        names = [name for name in names if name not in FLOW_NAMES]
    if not names:
        return
    if len(names) == len(found):
        yield (
            "Check that the right wave vector, angles and frames were read: correlations that the fit can use must "
            "fall with the lag."
        )
    else:
        yield (
            f"Fix one parameter of each group that only together is determined, at a value that is known (of "
            f"{', '.join(names)}), or measure more angles and longer times. The other parameters can be used."
        )


def _bounds(result: XpcsFit) -> Iterator[str]:
    without = FLOW_NAMES if _sees_no_flow(result) else ()
    for name, side in result.at_bounds.items():
        if name in without:
            continue
        box = result.space[name] if name in result.space.free else None
        if isinstance(box, Real):
            end = box.lower if side == "lower" else box.upper
            yield f"Widen the box of {name} beyond {end:g} if such values are possible, or fix {name}."
    coefficients = [name for name in result.at_bounds if name not in result.space.free]
    if coefficients:
        yield (
            f"Look at the data of the angles of {', '.join(coefficients)}: contrast or offset is at its bound. Leave "
            "out angles that are spoilt, or widen the box of contrast or offset."
        )


def _degeneracy(result: XpcsFit) -> Iterator[str]:
    if result.quality.degenerate:
        yield "Narrow the boxes to what is physically possible: parameters that lie apart fit about equally well."
    if result.quality.condition_number > MAX_CONDITION and all(result.identifiable.values()):
        yield "Fix one of the parameters that are correlated most: they can hardly be told apart."
