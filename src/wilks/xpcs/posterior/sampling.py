"""Sample the posterior of two-time correlations: the verb of the application."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from wilks.core.chart import BoxChart
from wilks.core.errors import InvalidConfigurationError, SampleFailedError
from wilks.core.random import keyed_generator, resolve_seed
from wilks.core.result import Step
from wilks.samplers.result import Posterior
from wilks.samplers.target import Target
from wilks.verbs.context import Common, Context
from wilks.verbs.sample import check_arguments, draw_known
from wilks.xpcs.conclusion import conclude
from wilks.xpcs.course import Course
from wilks.xpcs.fitting import check_question, problem_of
from wilks.xpcs.options import ShearWeights
from wilks.xpcs.parameters import check_mode
from wilks.xpcs.posterior.comparison import LITTLE
from wilks.xpcs.posterior.modes import Modes, chart_of
from wilks.xpcs.posterior.noise_scale import Sigma
from wilks.xpcs.posterior.options import PosteriorOptions, check_choice
from wilks.xpcs.posterior.priors import about_fit, with_priors
from wilks.xpcs.posterior.problem import MarginalProblem
from wilks.xpcs.posterior.recovery import Recovered, recover
from wilks.xpcs.posterior.result import XpcsPosterior
from wilks.xpcs.posterior.widening import widened
from wilks.xpcs.preparation import Question, prepare, with_kernel_for
from wilks.xpcs.result import XpcsFit
from wilks.xpcs.scaling import as_scaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wilks.core.prior import Prior
    from wilks.core.space import Space
    from wilks.loop.drive import Callback
    from wilks.loop.stopping import StoppingRule
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.preparation import Prepared
    from wilks.xpcs.scaling import Scaling

_PASSES = 1500
_KEY = 80
_OUTSIDE = 0.01


def sample(
    data: TwoTimeData | XpcsFit,
    mode: str | None = None,
    *,
    scaling: str | Scaling | None = None,
    priors: Mapping[str, Prior] | None = None,
    sigma: Sigma = "integrated",
    method: object = None,
    n_draws: int = 4000,
    options: PosteriorOptions | None = None,
    executor: object = None,
    log: EvaluationLog | None = None,
    seed: int | None = None,
    stop: StoppingRule | Sequence[StoppingRule] | None = None,
    callbacks: Sequence[Callback] | None = None,
    throw: bool = False,
) -> XpcsPosterior:
    """Sample the posterior of the physical parameters, with contrasts, offsets and noise integrated out exactly.

    Every pair of times counts once, however the matrices were stored. Contrast and offset have flat priors on their
    boxes, physical parameters the priors of theirs: uniform on the scale of the box unless others are given. What was
    integrated out is drawn again for every draw.

    Parameters
    ----------
    data
        A result of `wilks.xpcs.fit` with its data, or data, which are fitted first.
    mode
        ``"static"`` or ``"laminar_flow"``, the default; that of the fit.
    scaling
        As for `wilks.xpcs.fit`; that of the fit, or ``"individual"``.
    priors
        Name -> prior of wilks or of ``scipy.stats``, such as ``{"D0": wilks.LogNormal(1000, 1.5)}``, cut to its box.
    sigma
        ``"integrated"``: the standard deviations that the data have (or that were estimated from them) are right up
        to a common unknown factor s with the prior 1 / s; ``"per_angle"``: to one for each angle; ``"known"``: right.
    method, n_draws
        As for `wilks.sample`: importance sampling from the fit by default.
    options
        `PosteriorOptions`: priors about the fit, the noise, and what a fit needs.
    executor, log, seed, stop, callbacks, throw
        As for `wilks.sample`.

    Returns
    -------
    XpcsPosterior
        Draws of all parameters with a certificate, contrast, offset and noise of every angle, and the fit.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        If the data or an argument cannot be used.
    SampleFailedError
        With ``throw=True``, if the certificate does not hold.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(60), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> truth = {"D0": 2e4, "alpha": -0.5, "D_offset": 100.0}
    >>> data = xpcs.simulate(truth, geometry, mode="static", sigma=0.01, seed=1)
    >>> fit = xpcs.fit(data, "static", seed=1, callbacks=())
    >>> posterior = xpcs.sample(fit, seed=1, callbacks=())
    >>> posterior.status.success, float(posterior.contrast_mean[0].round(2))
    (True, 0.3)
    """
    chosen = PosteriorOptions() if options is None else options
    if not isinstance(chosen, PosteriorOptions):
        raise InvalidConfigurationError(f"options: expected wilks.xpcs.PosteriorOptions(...), got {options!r:.200}")
    check_choice("sigma", sigma, get_args(Sigma))
    check_arguments(method, n_draws, None)
    common = Common(executor, log, resolve_seed(seed), stop, callbacks)
    ready = _ready(data, mode, scaling, chosen, common)
    space = _space(ready.question.space, priors, ready.fit, chosen)
    result = _sampled(ready, space, sigma, method, n_draws, chosen, common)
    if throw and not result.status.success:
        raise SampleFailedError(result)
    return result


@dataclass(frozen=True)
class _Ready:
    """A fit, what it answered, and its data, folded; was it fitted for this call?"""

    fit: XpcsFit
    question: Question
    prepared: Prepared
    is_new: bool


def _sampled(
    ready: _Ready,
    space: Space,
    sigma: Sigma,
    method: object,
    n_draws: int,
    options: PosteriorOptions,
    common: Common,
) -> XpcsPosterior:
    fit, question, prepared = ready.fit, ready.question, ready.prepared
    base = problem_of(question, prepared)
    chart = chart_of(space, base, fit)
    problem = MarginalProblem(base, sigma, space=space, chart=chart, bounds=question.bounds)
    context = Context(problem, "xpcs.sample", common)
    _enter(context, ready)
    target = Target(space, chart or BoxChart())
    known, ended = Modes(context, target, question, prepared, fit, sigma).known(common)
    found = draw_known(context, method, target, known, n_draws, ended)  # type: ignore[arg-type]  # checked
    result = _result(found, problem, ready, sigma, options)
    return widened(result, problem) if options.noise == "correlated" else result


def _enter(context: Context, ready: _Ready) -> None:
    """Enter the fit into the record."""
    n = ready.fit.n_evaluations if ready.is_new else 0
    context.n_evaluations += n
    context.steps.append(Step("fit" if ready.is_new else "fit, given", ready.fit.status.message, n))


def _ready(
    data: TwoTimeData | XpcsFit,
    mode: str | None,
    scaling: str | Scaling | None,
    options: PosteriorOptions,
    common: Common,
) -> _Ready:
    if isinstance(data, XpcsFit):
        question = _of_fit(data, mode, scaling, options)
        assert data.data is not None  # noqa: S101 - just checked
        prepared = with_kernel_for(prepare(data.data, question), question, _PASSES)
        return _Ready(data, question, prepared, is_new=False)
    question = check_question(
        data, mode or "laminar_flow", scaling or "individual", options.parameters, options.convention, options.fit
    )
    _check_loss(question)
    began = time.perf_counter()
    prepared = prepare(data, question)
    alone = replace(common, executor=None, log=None, stop=None)
    fit = conclude(data, question, prepared, Course(question, prepared, alone, [], began).run(None))
    if not fit.has_best:
        raise InvalidConfigurationError(f"sample: the fit found no point with a finite model: {fit.status.message}")
    return _Ready(fit, _with_weights(question, fit), with_kernel_for(prepared, question, _PASSES), is_new=True)


def _of_fit(fit: XpcsFit, mode: str | None, scaling: str | Scaling | None, options: PosteriorOptions) -> Question:
    """What a fit answered."""
    if fit.data is None:
        raise InvalidConfigurationError(
            "sample: this fit was loaded without its data; use sample(fit.with_data(data), ...)"
        )
    if not fit.has_best:
        raise InvalidConfigurationError(f"sample: this fit has no best point: {fit.status.message}")
    if mode is not None and check_mode(mode) != fit.mode:
        raise InvalidConfigurationError(
            f"mode: the fit has mode {fit.mode!r}, got {mode!r}; leave it out, or give the data in place of the fit"
        )
    for name in ("convention", "parameters", "fit"):
        if getattr(options, name) is not None:
            raise InvalidConfigurationError(
                f"PosteriorOptions: {name} is that of the fit; leave it out, or give the data in place of the fit"
            )
    chosen = fit.scaling if scaling is None else as_scaling(scaling)
    question = Question(fit.mode, fit.space, fit.boxes, chosen, fit.convention, fit.options)
    _check_loss(question)
    return _with_weights(question, fit)


def _check_loss(question: Question) -> None:
    if not question.options.loss.is_linear:
        raise InvalidConfigurationError(
            f"sample: the noise of a posterior is Gaussian, and the fit has the loss {question.options.loss.name!r}; "
            "fit without it, and mask outliers"
        )


def _with_weights(question: Question, fit: XpcsFit) -> Question:
    """Weights of the angles as numbers: those that the fit ended with."""
    if not isinstance(question.options.weights, ShearWeights):
        return question
    weights = tuple(np.nan_to_num(fit.angle_weights, nan=1.0).tolist())
    return replace(question, options=replace(question.options, weights=weights))


def _space(space: Space, priors: Mapping[str, Prior] | None, fit: XpcsFit, options: PosteriorOptions) -> Space:
    if options.prior_width is not None:
        space = about_fit(space, fit.physical, fit.standard_errors, options.prior_width)
    return with_priors(space, priors)


def _result(
    found: Posterior, problem: MarginalProblem, ready: _Ready, sigma: Sigma, options: PosteriorOptions
) -> XpcsPosterior:
    fit, prepared = ready.fit, ready.prepared
    thetas = np.stack([found.draws[name] for name in found.names], axis=-1)
    recovered = recover(problem, thetas, keyed_generator(found.provenance.seed, _KEY))
    n_phi = len(fit.phi)

    def every(values: Any) -> Any:  # noqa: ANN401 - arrays whose last axis is the used angles
        full = np.full((*values.shape[:-1], n_phi), np.nan)
        full[..., prepared.used] = values
        return full

    return XpcsPosterior(
        **{spec.name: getattr(found, spec.name) for spec in fields(Posterior)},
        mode=fit.mode,
        convention=fit.convention,
        scaling=replace(ready.question.scaling, kind=prepared.block.kind),
        q=fit.q,
        phi=fit.phi,
        contrast=every(recovered.contrast),
        offset=every(recovered.offset),
        sigma=every(recovered.sigma),
        contrast_mean=every(recovered.contrast_mean),
        contrast_sd=every(recovered.contrast_sd),
        offset_mean=every(recovered.offset_mean),
        offset_sd=every(recovered.offset_sd),
        noise="white",
        sigma_model=sigma,
        n_data=int(prepared.sums.n_used.sum()),
        outside=recovered.outside,
        fit_informed=options.prior_width is not None,
        remarks=_remarks(recovered, found, options),
        fit=fit,
    )


def _remarks(recovered: Recovered, posterior: Posterior, options: PosteriorOptions) -> tuple[str, ...]:
    found: list[str] = []
    if options.prior_width is not None:
        found.append(
            f"The priors are about the fit, {options.prior_width:g} standard errors wide: the data are used twice, and "
            "the posterior is narrower than what they say."
        )
    if recovered.outside > _OUTSIDE:
        found.append(
            f"Contrast or offset lie outside their bounds with a probability of {recovered.outside:.2g}, and this "
            "scaling does not cut them off: widen the bounds, or use scaling='individual'."
        )
    has_draws = posterior.log_likelihoods.size > 0
    open_names = [name for name, share in posterior.contraction.items() if share < LITTLE] if has_draws else []
    if open_names:
        found.append(f"The data say little of {', '.join(open_names)}: box and prior decide.")
    return tuple(found)
