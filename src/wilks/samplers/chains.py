"""Markov chains as samplers leave them behind: positions in their coordinates, with what was recorded along the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wilks.loop.mixing import mixing
from wilks.samplers.certificate import Check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from wilks.core.result import Step
    from wilks.core.status import Status

R_HAT, LEAST_ESS, LEAST_BFMI = 1.01, 400.0, 0.3


@dataclass
class Chains:
    """Draws of several chains after their warmup.

    Attributes
    ----------
    thetas
        Parameters, shape (chain, draw, d).
    log_likelihoods
        Shape (chain, draw).
    sampling
        What the sampler recorded of every draw, under the names that ArviZ knows: ``"diverging"``, ``"energy"``,
        ``"tree_depth"``, ``"n_steps"``, ``"acceptance_rate"``, ``"step_size"``; each of shape (chain, draw).
    n_evaluations
        Calls of the likelihood (or of its gradient), warmup included.
    steps
        What was executed, retries included.
    log_evidence, log_evidence_error
        Where the sampler says.
    checks
        What the sampler has measured of itself, beside `chain_checks`.
    ended
        The status, if a rule, the user or a failure ended it before its end.
    """

    thetas: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    sampling: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    n_evaluations: int = 0
    steps: tuple[Step, ...] = ()
    log_evidence: float = float("nan")
    log_evidence_error: float = float("nan")
    checks: tuple[Check, ...] = ()
    ended: Status | None = None


def chain_checks(
    draws: Mapping[str, NDArray[np.float64]],
    sampling: Mapping[str, NDArray[np.float64]],
    discrete: Collection[str] = (),
) -> list[Check]:
    """Checks of Markov chains: R-hat, effective sizes, divergences and energies.

    Parameters
    ----------
    draws
        Name -> draws, shape (chain, draw).
    sampling
        As in `Chains`.
    discrete
        Names of parameters with discrete values: such a one may have all its probability in one value, and is left out
        then. A real parameter that never moves is one that could not be measured.
    """
    found = list(_worst({name: each for name, each in draws.items() if name not in discrete or np.ptp(each) > 0}))
    if "diverging" in sampling:
        n = float(np.sum(sampling["diverging"]))
        advice = "raise target_accept, or choose parameters in which the posterior has no narrow neck"
        found.append(Check.below("divergences", n, 0.0, advice))
    if "energy" in sampling:
        value = mixing(np.asarray(sampling["energy"], dtype=float), "bfmi")
        advice = "the tails are explored too slowly: choose other parameters, or draw longer chains"
        found.append(Check.at_least("E-BFMI", value, LEAST_BFMI, advice))
    return found


def _worst(draws: Mapping[str, NDArray[np.float64]]) -> Iterator[Check]:
    longer = "draw longer chains"
    apart = "the chains disagree: draw longer chains, and look whether there are several modes"
    for what, name, advice in (("rhat", "R-hat", apart), ("ess", "bulk ESS", longer), ("ess_tail", "tail ESS", longer)):
        values = {parameter: mixing(chains, what) for parameter, chains in draws.items()}  # type: ignore[arg-type]
        if not values:
            return
        # What cannot be measured is the worst.
        sign = -1.0 if what == "rhat" else 1.0
        worst = min(values, key=lambda each: -np.inf if np.isnan(values[each]) else sign * values[each])
        if what == "rhat":
            yield Check.below(name, values[worst], R_HAT, advice, worst)
        else:
            yield Check.at_least(name, values[worst], LEAST_ESS, advice, worst)
