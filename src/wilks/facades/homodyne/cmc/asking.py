"""What is asked of `wilks.xpcs.sample`, by whichever function of the page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.facades.homodyne.measurement import DEFAULT_SIGMA
from wilks.xpcs.convention import Convention
from wilks.xpcs.data import TwoTimeData
from wilks.xpcs.fitting import fit
from wilks.xpcs.folding import fold
from wilks.xpcs.parameters import ALIASES, check_mode, physical_space
from wilks.xpcs.posterior.sampling import sample
from wilks.xpcs.quantiles import quantile_scaling
from wilks.xpcs.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wilks.core.parameter import Real
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.posterior.result import XpcsPosterior


@dataclass(frozen=True)
class Asking:
    """Data, model, priors and start of a posterior.

    Attributes
    ----------
    data
        The measurement; without a sigma one for all angles is estimated, and integrated out afterwards.
    mode
        ``"static"`` or ``"laminar_flow"``.
    per_angle_mode
        How contrast and offset depend on the angle, as of `XpcsModel`.
    parameters
        Boxes with priors, or numbers, by the names of homodyne.
    start
        Values from which the fit before the sampling begins.
    seed
        Of everything that is drawn.
    progress
        Show how far it is?
    executor, log
        As for all verbs of wilks.
    """

    data: TwoTimeData
    mode: str
    per_angle_mode: str
    parameters: Mapping[str, Real | float]
    start: Mapping[str, float] = field(default_factory=dict)
    seed: int = 42
    progress: bool = True
    executor: object = None
    log: EvaluationLog | None = None

    def scaling(self) -> Scaling:
        """How contrast and offset depend on the angle, in the words of the engine."""
        if self.per_angle_mode == "individual":
            return Scaling.individual()
        if self.per_angle_mode == "auto":
            return Scaling.averaged()
        if self.per_angle_mode == "constant":
            return Scaling.constant()
        contrast, offset = quantile_scaling(fold(self.data).pairs)
        return Scaling.constant(float(np.nanmean(contrast)), float(np.nanmean(offset)))

    def sample(self, method: object = None, *, n_draws: int = 4000, throw: bool = False) -> XpcsPosterior:
        """Fit all data, and sample from there.

        Raises
        ------
        SampleFailedError
            With ``throw=True``, if the certificate does not hold.
        """
        callbacks = None if self.progress else ()
        fitted = fit(
            self.data,
            self.mode,
            scaling=self.scaling(),
            parameters=self.parameters,
            convention=Convention.homodyne(),
            start=self._whole_start(),
            seed=self.seed,
            callbacks=callbacks,
        )
        return sample(
            fitted,
            method=method,
            n_draws=n_draws,
            executor=self.executor,
            log=self.log,
            seed=self.seed,
            callbacks=callbacks,
            throw=throw,
        )

    def on(self, executor: object) -> Asking:
        """The same on another executor."""
        return replace(self, executor=executor)

    def _whole_start(self) -> dict[str, float] | None:
        """A value for every free parameter, inside its box; None where no value is given."""
        space = physical_space(check_mode(self.mode), self.parameters)[0]
        given = {ALIASES.get(name, name): float(value) for name, value in self.start.items()}
        given = {name: value for name, value in given.items() if name in space.free}
        if not given:
            return None
        found = {}
        middle = space.to_values(space.from_unit(np.full(space.dimension, 0.5)))
        for name in space.free:
            low, high = space[name].from_unit(np.array([0.0, 1.0])).tolist()
            found[name] = min(max(given.get(name, float(middle[name])), low), high)  # type: ignore[arg-type]  # all are real
        return found


def with_common_sigma(data: TwoTimeData) -> TwoTimeData:
    """The same data with one standard deviation for all angles, where they have none.

    The model of homodyne has one sigma. It is integrated out, so that the number itself does not matter.
    """
    if data.sigma is not None:
        return data
    estimates = fold(data).pairs.sigma
    known = estimates[np.isfinite(estimates) & (estimates > 0)]
    sigma = float(np.median(known)) if known.size else DEFAULT_SIGMA
    return TwoTimeData(data.c2, data.t, data.phi, data.q, data.gap, data.dt, sigma)
