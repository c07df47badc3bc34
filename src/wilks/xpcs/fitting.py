"""Fit two-time correlations: the verb of the application."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wilks.core.errors import FitFailedError, InvalidConfigurationError, InvalidDataError, InvalidProblemError
from wilks.core.random import resolve_seed
from wilks.core.result import Result
from wilks.verbs.context import Common
from wilks.xpcs.conclusion import conclude
from wilks.xpcs.convention import Convention
from wilks.xpcs.course import Course
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.options import FitOptions, ShearWeights
from wilks.xpcs.parameters import ALIASES, DEFAULTS, SCALING_NAMES, check_mode, physical_space
from wilks.xpcs.preparation import PASSES_OF_A_VERB, Question, prepare, with_kernel_for
from wilks.xpcs.problems import XpcsProblem
from wilks.xpcs.scaling import as_scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.core.parameter import Real, Value
    from wilks.core.space import Space
    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.preparation import Prepared
    from wilks.xpcs.result import XpcsFit
    from wilks.xpcs.scaling import Scaling

    Start = Result | Mapping[str, Value] | Sequence[Mapping[str, Value]] | None


def fit(
    data: TwoTimeData,
    mode: str = "laminar_flow",
    *,
    scaling: str | Scaling = "individual",
    parameters: Mapping[str, Real | float] | None = None,
    convention: Convention | None = None,
    options: FitOptions | None = None,
    start: Start = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> XpcsFit:
    r"""Fit diffusion and flow to two-time correlations of many angles, exactly and without a start.

    The model is :math:`c_2 = \mathrm{offset}_k + \mathrm{contrast}_k f_k(t_1, t_2)`; see `wilks.xpcs.Convention`.
    Contrasts and offsets follow from the physical parameters in closed form (variable projection), so the fit is one in
    3 or 7 parameters however many angles there are. It screens a design of parameter sets on a coarse subset of the
    data, refines the best on a larger subset, and ends with Levenberg-Marquardt on every pair of times, each once.

    Parameters
    ----------
    data
        The correlations.
    mode
        ``"static"`` (D0, alpha, D_offset) or ``"laminar_flow"`` (these and gamma_dot_0, beta, gamma_dot_offset, phi0).
    scaling
        ``"individual"`` (a contrast and an offset for every angle), ``"averaged"``, ``"constant"`` (fixed at what
        quantiles of the data say), ``"auto"``, or a `Scaling`.
    parameters
        Name -> ``wilks.Real(lower, upper, ...)``, another box than the default, or a number that fixes the parameter;
        ``contrast`` and ``offset`` take boxes too.
    convention
        Factors of the model; the physical ones by default, ``Convention.homodyne()`` for those of that package.
    options
        `FitOptions`: loss, weights, number of starts, method, memory limit, regularisation.
    start
        Where to start besides: an earlier result, a dictionary of values, or a list of these.
    executor
        Where the subset is searched; compiled passes over all data use threads of this process.
    log
        Where the evaluations on all data are kept; with a file an interrupted fit goes on when it is called again
        with the same seed. The search on the subset, and a robust fit after the least squares, begin anew.
    seed, stop, callbacks, throw
        As for `wilks.fit`.

    Returns
    -------
    XpcsFit
        Values, standard errors, contrast and offset of every angle, what is identifiable, and a verdict.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        If the data or an argument cannot be used.
    FitFailedError
        With ``throw=True``, if the fit did not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> truth = {"D0": 2e4, "alpha": -0.5, "D_offset": 100.0}
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate(truth, geometry, mode="static", sigma=0.01, seed=1)
    >>> result = xpcs.fit(data, "static", seed=1, callbacks=())
    >>> result.status.success, abs(result.values["D0"] - 2e4) < 4 * result.standard_errors["D0"]
    (True, True)
    """
    question = check_question(data, mode, scaling, parameters, convention, options)
    common = Common(executor, None, resolve_seed(seed), stop, callbacks)
    starts, began = _given(question.space, start), time.perf_counter()
    prepared = prepare(data, question)
    result = conclude(data, question, prepared, Course(question, prepared, common, starts, began).run(log))
    if throw and not result.status.success:
        raise FitFailedError(result)
    return result


def problem(
    data: TwoTimeData,
    mode: str = "laminar_flow",
    *,
    scaling: str | Scaling = "individual",
    parameters: Mapping[str, Real | float] | None = None,
    convention: Convention | None = None,
    options: FitOptions | None = None,
) -> XpcsProblem:
    """Chi-squared of the data as a problem for the other verbs, such as ``wilks.profile``.

    Its parameters are the physical ones; contrast and offset are at their best at every point. Every evaluation is a
    pass over all data. The loss is least squares, and angles weigh the same unless the options give them weights.

    Parameters
    ----------
    data, mode, scaling, parameters, convention, options
        As for `fit`; of the options those for the search mean nothing here.

    Returns
    -------
    Problem
        With the log-likelihood ``-chi_squared / 2``.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        If the data or an argument cannot be used.

    Examples
    --------
    >>> import numpy as np, wilks
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(40), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> problem = xpcs.problem(data, "static", parameters={"D_offset": 0.0})
    >>> profile = wilks.profile(problem, over="alpha", seed=1, callbacks=())
    >>> len(profile.intervals("alpha", 0.68))
    1
    """
    question = check_question(data, mode, scaling, parameters, convention, options)
    if not question.options.loss.is_linear or isinstance(question.options.weights, ShearWeights):
        raise InvalidConfigurationError(
            "problem: a robust loss and ShearWeights need a fit around them; use xpcs.fit, or give weights as numbers"
        )
    return problem_of(question, with_kernel_for(prepare(data, question), question, PASSES_OF_A_VERB))


def problem_of(question: Question, prepared: Prepared) -> XpcsProblem:
    """Return chi-squared of prepared data."""
    weights = question.angle_weights(prepared.used)
    return XpcsProblem(question.space, prepared.sums, prepared.geometry, question.mode, prepared.block, weights)


def check_question(
    data: TwoTimeData,
    mode: str,
    scaling: str | Scaling,
    parameters: Mapping[str, Real | float] | None,
    convention: Convention | None,
    options: FitOptions | None,
) -> Question:
    """Check the arguments that say what to fit."""
    if not isinstance(data, TwoTimeData):
        raise InvalidDataError(f"xpcs.fit: expected wilks.xpcs.TwoTimeData first, got {type(data).__name__}")
    for name, value, kind in (("convention", convention, Convention), ("options", options, FitOptions)):
        if value is not None and not isinstance(value, kind):
            kind_given = f"{type(value).__module__}.{type(value).__name__}"
            raise InvalidConfigurationError(f"{name}: expected wilks.xpcs.{kind.__name__}(...), got a {kind_given}")
    chosen, known_mode = options or FitOptions(), check_mode(mode)
    space, boxes = physical_space(known_mode, parameters)
    if isinstance(chosen.weights, ShearWeights) and known_mode == "static":
        raise InvalidConfigurationError("FitOptions: weights: ShearWeights need mode='laminar_flow'")
    if isinstance(chosen.weights, tuple) and len(chosen.weights) != data.n_phi:
        raise InvalidConfigurationError(
            f"FitOptions: weights: expected one for each of the {data.n_phi} angles, got {len(chosen.weights)}"
        )
    return Question(known_mode, space, boxes, as_scaling(scaling), convention or Convention(), chosen)


def _given(space: Space, start: Start) -> list[dict[str, float]]:
    """Starts of the caller as dictionaries of all free physical parameters; those outside their box are an error."""
    several = start is None or isinstance(start, (list, tuple))
    items: list[Any] = list(start or ()) if several else [start]  # type: ignore[arg-type]  # checked below
    found = []
    for item in items:
        values = item.best if isinstance(item, Result) else item
        if not isinstance(values, Mapping):
            raise InvalidConfigurationError(
                f"start: expected a result, a dictionary of values or a list of these, got {values!r}"
            )
        named = {ALIASES.get(name, name): value for name, value in values.items()}
        unknown = [name for name in named if name not in (*DEFAULTS, *SCALING_NAMES)]
        if unknown and not isinstance(item, Result):
            raise InvalidConfigurationError(
                f"start: {', '.join(map(repr, unknown))} is no parameter; they are {', '.join(space.names)}"
            )
        missing = [name for name in space.free if name not in named]
        if missing:
            raise InvalidConfigurationError(f"start: {', '.join(missing)} is missing in {values!r}")
        try:
            theta = space.to_theta({name: named[name] for name in space.free})
        except InvalidProblemError as error:
            raise InvalidConfigurationError(
                f"start: {error}; give another start, or another box by parameters={{...: wilks.Real(...)}}"
            ) from error
        found.append(dict(zip(space.free, theta.tolist(), strict=True)))
    return found
