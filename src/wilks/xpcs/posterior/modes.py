"""Where a sampler begins: the optima of a fit on all data, each with its width, in the coordinates of the posterior.

The search of a fit has seen the whole box, on a subset of the data. Its best optimum is known on all data; others that
came close are followed there now. One more is looked for where there is flow: correlations do not tell the direction of
a shear, so its mirror image, the rate with the other sign, fits as well if the box has room for it.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.parameter import Real
from wilks.core.result import Step
from wilks.core.status import Outcome, Status
from wilks.samplers.known import Known
from wilks.xpcs.course import Course
from wilks.xpcs.model import FLOW_NAMES, regularised_times
from wilks.xpcs.posterior.chart import PowerLawChart, power_law_chart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.samplers.target import Target
    from wilks.verbs.context import Common, Context
    from wilks.xpcs.posterior.noise_scale import Sigma
    from wilks.xpcs.posterior.problem import MarginalProblem
    from wilks.xpcs.preparation import Prepared, Question
    from wilks.xpcs.problems import XpcsProblem
    from wilks.xpcs.result import XpcsFit

    Array = NDArray[np.float64]

_OF_UNIFORM = 12.0
_DEPTH = 12.0
"""Log-likelihood below the best, down to which another optimum is a mode of interest."""
_APART = 3.0
"""Standard deviations between two optima that are not one."""
_STEP = 1e-5
_WEAK = (0.01, 0.1, 1.0)
"""Precision of size, slope and bend of a power law before there are data: a standard deviation of 10, 3 and 1."""
_MOST_MODES = 4
_ENDED = (Outcome.INTERRUPTED, Outcome.STOPPED_BY_CALLBACK, Outcome.TIME_LIMIT, Outcome.EVALUATION_LIMIT)


def covariance_at(problem: XpcsProblem, space: Space, values: dict[str, float], s: float) -> Array:
    """Covariance of the free parameters by the curvature at a point and the variance of the box, shape (d, d).

    Parameters
    ----------
    problem
        The data.
    space
        The free parameters.
    values
        The point.
    s
        Factor of the noise.
    """
    _, rows = problem.factor(values)
    slope = space.slope(space.to_theta({name: values[name] for name in space.free}))
    jacobian = rows[:, 1:] * slope
    with_box = jacobian.T @ jacobian / s**2 + _OF_UNIFORM * np.eye(len(slope))
    return np.asarray(np.linalg.inv(with_box) * np.outer(slope, slope))


def noise_factor(fit: XpcsFit, sigma: Sigma) -> float:
    """Factor of the noise that fits the residuals; 1 where it is known."""
    factor = fit.reduced_chi_squared
    return math.sqrt(factor) if sigma != "known" and math.isfinite(factor) and factor > 0 else 1.0


def chart_of(space: Space, problem: XpcsProblem, fit: XpcsFit) -> PowerLawChart | None:
    """Coordinates about a fit."""
    return power_law_chart(space, problem.geometry, fit.physical, covariance_at(problem, space, fit.physical, 1.0))


class Modes:
    """The search for the modes of one posterior.

    Parameters
    ----------
    context
        The call; what is done is entered there.
    target
        The density.
    question, prepared, fit
        The fit and its data.
    sigma
        What is known of the noise.
    """

    def __init__(
        self, context: Context, target: Target, question: Question, prepared: Prepared, fit: XpcsFit, sigma: Sigma
    ) -> None:
        problem: MarginalProblem = context.problem  # type: ignore[assignment]  # made for it
        self.context, self.target, self.problem = context, target, problem
        self.question, self.prepared, self.fit = question, prepared, fit
        self.s = noise_factor(fit, sigma)

    def known(self, common: Common) -> tuple[Known, Status | None]:
        """All modes, the highest first; and the status of a search that was ended from outside."""
        points, ended = [self.fit.physical], None
        for values in self._candidates():
            moved, ended = self._followed(values, common)
            if ended is not None:
                break
            if moved is not None:
                points.append(moved)
        kept: list[tuple[float, Array, Array]] = []
        heights = self.problem.log_likelihoods(np.array([self._theta(values) for values in points]))
        self.context.n_evaluations += len(points)
        for at in np.argsort(-heights, kind="stable").tolist():
            x, covariance = self._bell(points[at])
            if heights[at] < heights.max() - _DEPTH or any(_same(x, *other) for _, *other in kept):
                continue
            kept.append((float(heights[at]), x, covariance))
        if len(points) > 1:
            self.context.steps.append(Step("modes", f"{len(points)} optima were followed, {len(kept)} are of interest"))
        logs, means, covariances = zip(*kept, strict=True)
        return Known(np.array(means), np.array(covariances), np.array(logs)), ended

    def _theta(self, values: dict[str, float]) -> Array:
        return self.problem.space.to_theta({name: values[name] for name in self.problem.space.free})

    def _candidates(self) -> list[dict[str, float]]:
        """Other optima of the search, on the subset, and the mirror image of the flow."""
        found: list[dict[str, float]] = [
            {name: float(basin.values[name]) for name in self.fit.space.names}  # type: ignore[arg-type]  # all are real
            for basin in self.fit.basins[1:_MOST_MODES]
            if basin.log_likelihood > self.fit.basins[0].log_likelihood - _DEPTH * self.s**2
        ]
        mirrored = self._mirrored() if self.question.mode == "laminar_flow" else None
        return found if mirrored is None else [*found, mirrored]

    def _mirrored(self) -> dict[str, float] | None:
        """The flow with the other sign in size and slope at a reference time; None if the box does not let it turn."""
        values, boxes = self.fit.physical, self.fit.space
        amplitude, exponent, offset = FLOW_NAMES[:3]
        if offset not in boxes.free:
            return None
        times = regularised_times(self.problem.base.geometry.t, self.problem.base.geometry.dt)
        log_time = 0.5 * math.log(times[0] * times[-1])
        power = values[amplitude] * math.exp(values[exponent] * log_time)

        def within(name: str, value: float) -> float:
            box = boxes[name] if name in boxes.free else None
            return min(max(value, box.lower), box.upper) if isinstance(box, Real) else values[name]

        turned = values | {exponent: within(exponent, -values[exponent])}
        turned[amplitude] = within(amplitude, power * math.exp(-turned[exponent] * log_time))
        power_after = turned[amplitude] * math.exp(turned[exponent] * log_time)
        turned[offset] = within(offset, -(power + values[offset]) - power_after)
        rate = turned[offset] + power_after
        return turned if rate * (power + values[offset]) < 0 else None

    def _followed(self, values: dict[str, float], common: Common) -> tuple[dict[str, float] | None, Status | None]:
        """The optimum of all data near a point."""
        local = replace(self.question, options=replace(self.question.options, method="local"))
        alone = replace(common, executor=None, log=None, callbacks=())
        ended = Course(local, self.prepared, alone, [values], time.perf_counter()).run(None)
        self.context.n_evaluations += ended.context.n_evaluations
        if ended.status.outcome in _ENDED:
            return None, ended.status
        return ended.values, None

    def _bell(self, values: dict[str, float]) -> tuple[Array, Array]:
        """Coordinates of a mode, and the covariance there, by the curvature and a weak prior in these coordinates.

        Where amplitude and offset cancel, in a corner of the box, a step of the coordinates is next to none of the box,
        so a covariance of the box, carried over, is much too narrow along the valley and too wide across it.
        """
        space, chart = self.problem.space, self.target.chart
        theta = self._theta(values)
        x = chart.from_unit(space.to_unit(theta)[None])[0]
        precision, step = np.full(len(x), _OF_UNIFORM), np.full(len(x), _STEP)
        if isinstance(chart, PowerLawChart):
            for law in chart.laws:
                precision[list(law)] = _WEAK
                step[law[2]] *= x[law[2]]  # small in that corner, and positive
        above, below = (chart.to_unit(x + sign * np.diag(step)) for sign in (1.0, -1.0))
        into = (above - below) / (2.0 * step)[:, None]  # rows: derivatives of the box by one coordinate
        _, rows = self.problem.base.factor(values)
        jacobian = (rows[:, 1:] * space.slope(theta)) @ into.T
        return x, np.asarray(np.linalg.inv(jacobian.T @ jacobian / self.s**2 + np.diag(precision)))


def _same(x: Array, other: Array, covariance: Array) -> bool:
    apart = x - other
    return float(apart @ np.linalg.pinv(covariance, rcond=1e-14, hermitian=True) @ apart) < _APART**2 * len(x)
