"""What to do about a fit that is not good: the step that a colleague would suggest, for each thing that is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wilks.core.parameter import Real
from wilks.core.status import Outcome
from wilks.xpcs.model import POWER_LAWS
from wilks.xpcs.noise import ESTIMATED
from wilks.xpcs.quality import GOOD_MISFIT, MAX_CONDITION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wilks.xpcs.result import XpcsFit

_FLOW = (*POWER_LAWS[1], "phi0")


def advice(result: XpcsFit) -> tuple[str, ...]:
    """Sentences about what to do next; empty for a good fit.

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
    return (*_convergence(result), *_misfit(result), *_open(result), *_bounds(result), *_degeneracy(result))


def _convergence(result: XpcsFit) -> Iterator[str]:
    if result.status.outcome is Outcome.CONVERGED:
        return
    if result.status.outcome is Outcome.NOT_CONVERGED:
        yield "Fit again with more iterations (max_iterations) or starts (n_starts), or from this result (start)."
    else:
        yield "The fit was stopped before its end: let it run, from this result (start)."


def _misfit(result: XpcsFit) -> Iterator[str]:
    off = result.reduced_chi_squared - 1.0
    if result.loss != "linear" or math.isnan(off) or abs(off) <= GOOD_MISFIT:
        return
    if off > 0:
        yield (
            "Look at the residuals: a pattern that follows age, lag or angle speaks against the model (another mode, "
            "frames without the start of the experiment); residuals without a pattern speak against sigma."
        )
    if result.noise != ESTIMATED:
        yield "Leave out sigma: it is then estimated from the data."


def _open(result: XpcsFit) -> Iterator[str]:
    found = result.identifiable
    names = [name for name, each in found.items() if not each and name not in result.at_bounds]
    flow = [name for name in found if name in _FLOW]
    if not names:
        return
    if len(names) == len(found):
        yield (
            "Check that the right wave vector, angles and frames were read: correlations that the fit can use must "
            "fall with the lag."
        )
    elif flow and set(flow) <= set(names):
        yield "Fit the mode 'static', or measure angles nearer to the flow and longer times: no flow is seen in these."
    else:
        yield (
            f"Fix one parameter of each group that only together is determined, at a value that is known (of "
            f"{', '.join(names)}), or measure more angles and longer times. The other parameters can be used."
        )


def _bounds(result: XpcsFit) -> Iterator[str]:
    for name, side in result.at_bounds.items():
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
