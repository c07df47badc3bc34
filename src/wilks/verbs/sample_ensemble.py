"""The affine-invariant ensemble as a method of `wilks.sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.result import Step
from wilks.samplers.certificate import Check
from wilks.samplers.chains import Chains
from wilks.samplers.ensemble import LEAST_TIMES, EnsembleSampler

if TYPE_CHECKING:
    from wilks.samplers.ensemble_options import Ensemble
    from wilks.samplers.known import Known
    from wilks.samplers.target import Target
    from wilks.verbs.context import Context


def ensemble_draws(context: Context, method: Ensemble, target: Target, known: Known) -> Chains:
    """Draw from a posterior by ensembles of walkers.

    Parameters
    ----------
    context
        The call of the verb; evaluations and steps are entered there.
    method
        Options.
    target
        The density.
    known
        Draws or modes that the walkers start from, in the coordinates of `target`.

    Returns
    -------
    Chains
        One chain for each ensemble; as far as it came, if a rule or the user ended it.

    Raises
    ------
    InvalidConfigurationError
        If there are too few walkers for so many parameters.
    """
    sampler = EnsembleSampler(method, target, known)
    identity = (known.draws, known.means, known.covariances, target.power, type(target.chart).__qualname__)
    nowhere = np.empty((0, target.dimension))
    outcomes = context.run(sampler, f"ensemble sampling of {context.problem.name}", nowhere, *identity)
    thetas, log_likelihoods, look = sampler.draws(outcomes.state)
    n_walkers = sampler.options.walkers_for(target.dimension)
    rate = outcomes.state.n_accepted / max(outcomes.state.n_proposed, 1)
    detail = (
        f"{method.n_ensembles} ensembles of {n_walkers} walkers, {look.n_steps} steps, of which {look.n_warmup} are "
        f"warmup; autocorrelation time {look.time:.3g} steps; {100 * rate:.0f} % of the moves accepted. "
        f"{outcomes.status.message}"
    )
    step = Step("Ensemble", detail, outcomes.run.n_evaluations)
    context.steps.append(step)
    ended = None if sampler.terminate(outcomes.state) else outcomes.status
    advice = "draw longer chains: Ensemble(max_steps=...)"
    checks = (Check.at_least("autocorrelation times", look.n_times, LEAST_TIMES, advice),)
    n_evaluations = outcomes.run.n_evaluations
    return Chains(thetas, log_likelihoods, n_evaluations=n_evaluations, steps=(step,), checks=checks, ended=ended)
