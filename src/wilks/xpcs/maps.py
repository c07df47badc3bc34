r"""Profile maps of a fit: chi-squared over one to three physical parameters, everything else at its best.

`wilks.profile` makes the map; what is known of a fit makes it quick. It spreads from the optimum, which has been
searched for already. Its grid reaches as far as the region of interest should: with the standard errors
:math:`\sigma_i`, a parabola is :math:`\Delta` deep at

.. math:: |x_i - \hat x_i| = \sigma_i \sqrt{2 \Delta}                                                           (1)

and where the true region reaches farther, the grid is extended with nodes of the same distance, so that nothing is
computed twice. Cells are audited by the search of a whole fit (`wilks.xpcs.fit`: a design screened on a subset, then
all data) with the parameters of the cell held, which knows nothing of the map. Limits on evaluations and time hold for
all of this together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import FitFailedError, InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.random import keyed_generator, resolve_seed
from wilks.core.result import Result, Step
from wilks.core.status import Outcome, Status
from wilks.loop.stopping import MaxEvaluations, MaxTime, RunInfo, as_rules
from wilks.profiles.audit import TOLERANCE, AuditLedger, summarise
from wilks.profiles.options import ProfileOptions
from wilks.verbs.context import Common
from wilks.verbs.profile import profile as map_of
from wilks.xpcs.course import Course
from wilks.xpcs.fitting import problem_of
from wilks.xpcs.options import ShearWeights
from wilks.xpcs.preparation import PASSES_OF_A_VERB, Question, prepare, with_kernel_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.profiles.result import ProfileResult
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.preparation import Prepared
    from wilks.xpcs.problems import XpcsProblem
    from wilks.xpcs.result import XpcsFit

_NODES = {2: 31, 3: 15}
"""Number of profiled parameters -> nodes along each; the path of a single one is followed."""
_MARGIN = 1.3
"""How much farther than equation (1) a grid reaches: regions are rarely ellipses."""
_EXTENSIONS = 4
_AUDIT_KEY = 60
_FROM_OUTSIDE = (Outcome.INTERRUPTED, Outcome.EVALUATION_LIMIT, Outcome.TIME_LIMIT)


def profile(
    fit: XpcsFit,
    over: Sequence[str] | str,
    *,
    grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None = None,
    roi_threshold: float = 4.0,
    audit: int = 12,
    options: ProfileOptions | None = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> ProfileResult:
    r"""Map the profile likelihood of a fit over one to three of its physical parameters.

    Contrasts, offsets and the other physical parameters are at their best in every cell. Intervals and regions from
    the map hold where those from standard errors do not: near bounds, along bent valleys, with several optima.

    Parameters
    ----------
    fit
        A result of `wilks.xpcs.fit`, with its data.
    over
        Names of free physical parameters.
    grid
        Nodes, as for `wilks.profile`, or their numbers: then, and by default, the grid reaches as far as the region of
        interest does, and has more nodes where that is farther than the standard errors say. By default a single
        parameter is followed with steps that fit it.
    roi_threshold
        Depth of the region of interest in log-likelihood.
    audit
        Number of cells that are optimised again from scratch; 0 for none.
    options
        ``wilks.ProfileOptions``; `max_starts` is 0, since the fit has found the optimum.
    log, seed, stop, callbacks, throw
        As for `wilks.profile`.

    Returns
    -------
    ProfileResult
        As of `wilks.profile`.

    Raises
    ------
    InvalidConfigurationError
        If the fit has no data or no best point, its loss is not least squares, or an argument cannot be used.
    FitFailedError
        With ``throw=True``, if the map did not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> fit = xpcs.fit(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> found = xpcs.profile(fit, "alpha", seed=1, callbacks=())
    >>> len(found.intervals("alpha", 0.68))
    1
    """
    began, names = time.perf_counter(), (over,) if isinstance(over, str) else tuple(over)
    question = _question(fit, names)
    chosen = replace(options or ProfileOptions(), max_starts=0)
    common = Common(None, None, resolve_seed(seed), stop, callbacks)
    assert fit.data is not None  # noqa: S101 - just checked
    prepared = with_kernel_for(prepare(fit.data, question), question, PASSES_OF_A_VERB)
    made = _Making(
        fit, question, prepared, problem_of(question, prepared), common, log, chosen, float(roi_threshold), began
    )
    result = made.map(names, grid)
    if audit and result.status.success and set(names) != set(fit.space.free):
        result = made.audited(result, audit)
    spent = replace(result.provenance, seconds=time.perf_counter() - began)
    result = replace(result, status=made.told(result), provenance=spent)
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def _question(fit: XpcsFit, names: tuple[str, ...]) -> Question:
    """What the fit answered, with weights of angles as numbers."""
    if fit.data is None:
        raise InvalidConfigurationError(
            "profile: this result was loaded without its data; use profile(result.with_data(data), ...)"
        )
    if not fit.has_best:
        raise InvalidConfigurationError(f"profile: this result has no best point: {fit.status.message}")
    unknown = [name for name in names if name not in fit.space.free]
    if unknown or not 1 <= len(names) <= len(_NODES) + 1:
        raise InvalidConfigurationError(
            f"over: expected one to {len(_NODES) + 1} of the free parameters {', '.join(fit.space.free)}, got "
            f"{', '.join(map(str, names)) or 'none'}"
        )
    options = fit.options
    if not options.loss.is_linear:
        raise InvalidConfigurationError(
            f"profile: maps are of least squares, and this fit has the loss {options.loss.name!r}: fit again without it"
        )
    if isinstance(options.weights, ShearWeights):  # those that the fit ended with
        options = replace(options, weights=tuple(np.nan_to_num(fit.angle_weights, nan=1.0).tolist()))
    return Question(fit.mode, fit.space, fit.boxes, fit.scaling, fit.convention, options)


def _counts(
    names: tuple[str, ...], grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None
) -> dict[str, int] | None:
    """Number of nodes of each axis; None where the nodes are given, or follow the curve of a single parameter."""
    if grid is None:
        return None if len(names) == 1 else dict.fromkeys(names, _NODES[len(names)])
    entries = dict(grid) if isinstance(grid, Mapping) else dict(zip(names, grid, strict=False))
    whole = (int, np.integer)
    counts = {name: int(n) for name, n in entries.items() if isinstance(n, whole) and not isinstance(n, bool) and n > 1}
    return counts if set(counts) == set(names) and len(grid) == len(names) else None  # else the verb says what is wrong


@dataclass(frozen=True)
class _Making:
    """A map under way: what all its parts need."""

    fit: XpcsFit
    question: Question
    prepared: Prepared
    problem: XpcsProblem
    common: Common
    log: EvaluationLog | None
    options: ProfileOptions
    depth: float
    began: float

    def map(
        self, names: tuple[str, ...], grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None
    ) -> ProfileResult:
        """Return the map, its grid extended until the region of interest lies within."""
        counts = _counts(names, grid)
        nodes = None if counts is None else {name: self._nodes(name, n) for name, n in counts.items()}
        result = self._map(names, nodes or grid, [self.fit.physical])
        for _ in range(_EXTENSIONS):
            wider = None if nodes is None or not result.status.success else self._wider(result)
            if wider is None:
                break
            spent = self._over(result.n_evaluations)
            if spent is not None:
                return replace(result, status=spent)
            result = _joined(result, self._map(names, wider, [result], result))
        return result

    def _map(
        self,
        names: tuple[str, ...],
        grid: Sequence[int | ArrayLike] | Mapping[str, int | ArrayLike] | None,
        start: Sequence[ProfileResult | Mapping[str, float]],
        after: ProfileResult | None = None,
    ) -> ProfileResult:
        return map_of(
            self.problem,
            over=names,
            grid=grid,
            roi_threshold=self.depth,
            start=[each if isinstance(each, Result) else self._free(each) for each in start],  # type: ignore[misc]  # two kinds
            audit=0,
            options=self.options,
            log=self.log,
            seed=self.common.seed,
            stop=self._left(after),
            callbacks=self.common.callbacks,
        )

    def _left(self, after: ProfileResult | None, n_more: int = 0) -> tuple[StoppingRule, ...]:
        """The rules of the call, their limits less what is spent."""
        n, seconds = 0 if after is None else after.n_evaluations, time.perf_counter() - self.began
        found: list[StoppingRule] = []
        for rule in as_rules(self.common.stop):
            if isinstance(rule, MaxEvaluations):
                found.append(MaxEvaluations(max(rule.n - n - n_more, 1)))
            elif isinstance(rule, MaxTime):
                found.append(MaxTime(max(rule.seconds - seconds, 1e-3)))
            else:
                found.append(rule)
        return tuple(found)

    def told(self, result: ProfileResult) -> Status:
        """The status of a result, with the numbers of all its parts where a limit has ended it."""
        if result.status.outcome not in (Outcome.EVALUATION_LIMIT, Outcome.TIME_LIMIT):
            return result.status
        return self._over(result.n_evaluations) or result.status

    def _over(self, n_evaluations: int) -> Status | None:
        """The status to end with if a limit is reached."""
        info = RunInfo("profile", n_evaluations, 0, -math.inf, time.perf_counter() - self.began)
        limits = (rule for rule in as_rules(self.common.stop) if isinstance(rule, (MaxEvaluations, MaxTime)))
        return next(filter(None, (rule.check(info) for rule in limits)), None)

    def _free(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: values[name] for name in self.fit.space.free}

    def _nodes(self, name: str, n: int) -> NDArray[np.float64]:
        """So many nodes of one axis about the optimum; over the whole box where the error says nothing."""
        box, value, error = self.fit.space[name], self.fit.physical[name], self.fit.standard_errors.get(name, math.nan)
        assert isinstance(box, Real)  # noqa: S101 - physical parameters are
        lower, upper = box.lower, box.upper
        if math.isfinite(error) and error > 0:
            reach = _MARGIN * error * math.sqrt(2 * self.depth)
            if box.scale == "log":
                ratio = math.exp(min(reach / value, 50.0))
                lower, upper = max(lower, value / ratio), min(upper, value * ratio)
            else:
                lower, upper = max(lower, value - reach), min(upper, value + reach)
        spaced = np.geomspace if box.scale == "log" else np.linspace
        return np.asarray(spaced(lower, upper, n))

    def _wider(self, result: ProfileResult) -> dict[str, NDArray[np.float64]] | None:
        """Nodes beyond the ends that the region of interest touches; None if it lies within."""
        found, changed = {}, False
        for axis, name in enumerate(result.over):
            box, nodes = self.fit.space[name], np.asarray(result.axes[name])
            assert isinstance(box, Real)  # noqa: S101 - physical parameters are
            others = tuple(other for other in range(result.in_roi.ndim) if other != axis)
            inside = np.asarray(result.in_roi.any(axis=others))
            is_log = box.scale == "log"
            line = np.log(nodes) if is_log else nodes
            step, n_more = line[1] - line[0], max(len(nodes) // 2, 1)
            more = step * np.arange(1, n_more + 1)
            below = line[0] - more[::-1] if inside[0] else np.empty(0)
            above = line[-1] + more if inside[-1] else np.empty(0)
            below, above = (np.exp(below), np.exp(above)) if is_log else (below, above)
            pieces = (below[below >= box.lower], nodes, above[above <= box.upper])
            found[name] = np.concatenate(pieces)
            changed |= len(found[name]) > len(nodes)
        return found if changed else None

    def audited(self, result: ProfileResult, n_cells: int) -> ProfileResult:
        """Return the map with its audit; where that finds better values, the map goes on from them."""
        rng = keyed_generator(resolve_seed(self.common.seed), _AUDIT_KEY)
        cells = np.flatnonzero(result.in_roi)
        cells = rng.permutation(cells)[:n_cells]
        values = result.log_likelihood_map.ravel()
        ledger, better = AuditLedger(len(cells)), []
        # A local fit trusts its start, which an audit must not.
        method = "multi_start" if self.question.options.method == "local" else self.question.options.method
        blind = replace(self.question, options=replace(self.question.options, method=method))
        ended_early: Status | None = None
        for cell in cells.tolist():
            ended_early = self._over(result.n_evaluations + ledger.n_evaluations)
            if ended_early is not None:
                break
            where = np.unravel_index(cell, result.in_roi.shape)
            held = {name: float(result.axes[name][i]) for name, i in zip(result.over, where, strict=True)}
            question = replace(blind, space=self.fit.space.fix(**held))
            common = replace(self.common, callbacks=(), stop=self._left(result, ledger.n_evaluations))
            ended = Course(question, self.prepared, common, [], time.perf_counter()).run(None)
            ledger.n_evaluations += ended.context.n_evaluations
            if ended.status.outcome in _FROM_OUTSIDE:
                ended_early = ended.status
                break
            found = -math.inf if ended.values is None else ended.problem.log_likelihood(ended.values)
            ledger.cells.append(cell)
            ledger.before.append(float(values[cell]))
            ledger.found.append(found)
            if ended.values is not None and found > values[cell] + TOLERANCE:
                better.append(ended.values)
        if better:
            spent = replace(result, n_evaluations=result.n_evaluations + ledger.n_evaluations)
            result = _joined(result, self._map(result.over, dict(result.axes), [result, *better], spent))
        best = np.maximum(values, result.log_likelihood_map.ravel())
        step = Step("audit", f"{len(ledger.cells)} cells, each by the search of a whole fit", ledger.n_evaluations)
        return replace(
            result,
            audit=summarise(ledger, best, result.in_roi.shape),
            status=ended_early or result.status,
            n_evaluations=result.n_evaluations + ledger.n_evaluations,
            provenance=replace(result.provenance, executed=(*result.provenance.executed, step)),
        )


def _joined(earlier: ProfileResult, later: ProfileResult) -> ProfileResult:
    """The later map, with what the earlier one has cost."""
    executed = (*earlier.provenance.executed, *later.provenance.executed)
    return replace(
        later,
        n_evaluations=earlier.n_evaluations + later.n_evaluations,
        provenance=replace(later.provenance, executed=executed, started=earlier.provenance.started),
    )
