"""What a user must know about a sample: what it rests on, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wilks.searchers.tempering.sampler import SamplerState

_FEW_TRIPS, _FEW_DRAWS = 10, 100
_LONG_BURN_IN = 0.3
_BLOCKED = 0.9


def sampling_remarks(sampler: SamplerState, n_told: int, budget: int) -> str:
    """Return sentences about the sample as it stands after `n_told` evaluations of `budget`."""
    if not sampler.frozen:
        return (
            f"No draws: the burn-in was going on after {n_told} evaluations and takes {sampler.plan.end} at least, "
            f"{budget} were planned; raise n_evaluations to {5 * sampler.plan.end} or more."
        )
    n, trips = sampler.n_draws, sum(sampler.record.trips)
    remarks = [
        f"{n} draws at T = 1 from {len(sampler.betas)} rungs after a burn-in of {sampler.n_burn_in} evaluations."
    ]
    if sampler.n_burn_in > _LONG_BURN_IN * budget:
        share = round(100 * sampler.n_burn_in / budget)
        remarks.append(f"The burn-in took {share} % of the budget, which is too small: raise n_evaluations.")
    if n < _FEW_DRAWS:
        remarks.append("These are too few draws to rely on: raise n_evaluations.")
    elif trips < _FEW_TRIPS:
        remarks.append(
            f"The replicas made {trips} round trips between the prior and T = 1, so modes may be missing or weighted "
            "wrongly: raise n_evaluations."
        )
    blocked = [k for k, rejection in enumerate(sampler.rejections) if rejection > _BLOCKED]
    if blocked:
        remarks.append(f"{len(blocked)} pairs of neighbouring rungs hardly exchange states: raise n_replicas.")
    return " ".join(remarks)
