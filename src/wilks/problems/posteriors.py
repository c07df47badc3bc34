"""Posteriors with known moments, quantiles and evidence: what a sampler is held against.

`POSTERIORS` has all of them, by the difficulty that each was made for.

Examples
--------
>>> known = POSTERIORS["modes"]()
>>> known.name, known.problem.space.dimension
('mixture_4d', 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wilks.problems.curved_posteriors import banana_posterior, funnel_posterior, mixture_posterior
from wilks.problems.gaussian_posteriors import (
    gaussian_posterior,
    log_scale_posterior,
    regression_posterior,
    truncated_posterior,
)
from wilks.problems.hierarchical_posteriors import scatter_posterior
from wilks.problems.known_posterior import KnownPosterior

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "POSTERIORS",
    "KnownPosterior",
    "banana_posterior",
    "funnel_posterior",
    "gaussian_posterior",
    "log_scale_posterior",
    "mixture_posterior",
    "regression_posterior",
    "scatter_posterior",
    "truncated_posterior",
]

POSTERIORS: dict[str, Callable[[], KnownPosterior]] = {
    "units": gaussian_posterior,
    "tails": regression_posterior,
    "bound": truncated_posterior,
    "scale": log_scale_posterior,
    "ridge": banana_posterior,
    "modes": mixture_posterior,
    "scatter": scatter_posterior,
    "funnel": funnel_posterior,
}
"""Difficulty -> the function that makes the posterior."""
