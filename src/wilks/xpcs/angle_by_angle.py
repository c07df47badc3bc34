r"""One fit for each angle, and their combination.

A joint fit is as quick and uses the angles together, so this is a check of it: do the angles agree? With the estimate
:math:`z_k` of angle k (logarithms of parameters with a log scale) and its covariance :math:`C_k`, the combination with
the least variance is

.. math:: \hat z = H^{-1} \sum_k H_k z_k, \quad H_k = C_k^{-1}, \quad H = \sum_k H_k, \quad
          \mathrm{cov}\,\hat z = H^{-1}                                                                           (1)

Only angles that determine all parameters within their boxes take part: elsewhere the estimate is where a bound is, and
no parabola describes the likelihood. If these angles agree, the deviations

.. math:: Q = \sum_k (z_k - \hat z)^T H_k (z_k - \hat z)                                                           (2)

follow a chi-squared distribution (Cochran 1954) with n (K - 1) degrees of freedom for n parameters and K angles.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.core.random import resolve_seed
from wilks.core.table import with_error
from wilks.verbs.context import Common
from wilks.xpcs.conclusion import conclude
from wilks.xpcs.course import Course
from wilks.xpcs.fitting import check_question
from wilks.xpcs.preparation import prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wilks.core.space import Space
    from wilks.loop.drive import Callback
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.options import FitOptions
    from wilks.xpcs.result import XpcsFit

Combination = Literal["inverse_variance", "uniform", "n_points"]


@dataclass(frozen=True, eq=False)
class SequentialFit:
    """Fits of single angles, and their combination.

    Attributes
    ----------
    fits
        One for each angle; None for an angle without data.
    names
        Free physical parameters.
    values, standard_errors
        Of the combination, by name; NaN if no angle could be used.
    covariance
        Of the combination, shape (n, n).
    combination
        How it was made.
    success
        Were there enough angles whose fit converged?
    used
        Positions of the angles that were combined.
    heterogeneity, heterogeneity_dof
        Q of equation (2), whatever the combination, and its degrees of freedom.
    message
        A sentence for people.
    """

    fits: tuple[XpcsFit | None, ...]
    names: tuple[str, ...]
    values: dict[str, float]
    standard_errors: dict[str, float]
    covariance: NDArray[np.float64]
    combination: Combination
    success: bool
    used: tuple[int, ...]
    heterogeneity: float
    heterogeneity_dof: int
    message: str

    @property
    def p_value(self) -> float:
        """Probability of angles that differ as much as these if they measure the same; NaN if nothing can differ."""
        if self.heterogeneity_dof < 1:
            return math.nan
        from scipy.special import gammaincc  # noqa: PLC0415 - scipy loads on use

        return float(gammaincc(self.heterogeneity_dof / 2, self.heterogeneity / 2))

    def __repr__(self) -> str:
        """Return the message."""
        numbers = ", ".join(
            f"{name} = {with_error(self.values[name], self.standard_errors[name])}" for name in self.names
        )
        return f"<SequentialFit: {self.message}>" if not self.used else f"<SequentialFit: {self.message}. {numbers}>"


def sequential(
    data: TwoTimeData,
    mode: str = "laminar_flow",
    *,
    parameters: Mapping[str, Real | float] | None = None,
    convention: Convention | None = None,
    options: FitOptions | None = None,
    combination: Combination = "inverse_variance",
    min_success_rate: float = 0.5,
    seed: int | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> SequentialFit:
    """Fit every angle by itself, and combine the answers.

    One angle does not tell the rates of shear from the direction of the flow: fix ``phi0`` for angles to be compared.

    Parameters
    ----------
    data, mode, parameters, convention, options, seed, callbacks
        As for `wilks.xpcs.fit`. Of the options, `Shrinkage` and `ShearWeights` relate angles to each other and mean
        nothing here.
    combination
        ``"inverse_variance"``: equation (1). ``"uniform"``: the mean of the angles. ``"n_points"``: their mean
        weighted with their numbers of pixels. Only angles that determine all parameters are combined.
    min_success_rate
        Fraction of the angles that must converge.

    Returns
    -------
    SequentialFit
        All fits, the combination, and a test of whether they agree.

    Raises
    ------
    InvalidDataError, InvalidConfigurationError
        If the data or an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from wilks import xpcs
    >>> geometry = xpcs.Geometry(t=0.1 * np.arange(50), dt=0.1, q=0.0054, gap=None, phi=[0.0, 90.0])
    >>> data = xpcs.simulate({"D0": 2e4, "alpha": 0.0, "D_offset": 0.0}, geometry, mode="static", sigma=0.01, seed=1)
    >>> found = xpcs.sequential(data, "static", parameters={"D_offset": 0.0}, seed=1, callbacks=())
    >>> found.success, abs(found.values["D0"] - 2e4) < 4 * found.standard_errors["D0"]
    (True, True)
    """
    if combination not in get_args(Combination):
        known = ", ".join(map(repr, get_args(Combination)))
        raise InvalidConfigurationError(f"combination: expected one of {known}, got {combination!r}")
    if not 0 <= min_success_rate <= 1:
        raise InvalidConfigurationError(f"min_success_rate: expected 0 to 1, got {min_success_rate!r}")
    question = check_question(data, mode, "individual", parameters, convention, options)
    prepared = prepare(data, question)
    common = Common(None, None, resolve_seed(seed), None, callbacks)
    fits: list[XpcsFit | None] = [None] * data.n_phi
    for position, angle in enumerate(prepared.used.tolist()):
        alone = prepared.only(position, question)
        fits[angle] = conclude(
            data, question, alone, Course(question, alone, common, [], time.perf_counter()).run(None)
        )
    return combine(question.space, tuple(fits), combination, min_success_rate)


def combine(
    space: Space, fits: tuple[XpcsFit | None, ...], combination: Combination, min_success_rate: float
) -> SequentialFit:
    """Combine fits of single angles."""
    names = space.free
    converged = {k: fit for k, fit in enumerate(fits) if fit is not None and fit.status.success}
    needed = max(1, math.ceil(min_success_rate * len(fits)))
    used = {k: fit for k, fit in converged.items() if all(math.isfinite(fit.standard_errors[name]) for name in names)}
    success = len(converged) >= needed and bool(used)
    n = len(names)
    z, covariance = np.full(n, np.nan), np.full((n, n), np.nan)
    heterogeneity, dof = math.nan, 0
    if used:
        points, covariances = _in_logs(space, list(used.values()))
        matrices = np.linalg.inv(covariances)
        covariance = np.linalg.inv(matrices.sum(axis=0))
        z = covariance @ np.einsum("kij,kj->i", matrices, points)  # (1)
        off = points - z
        heterogeneity = float(np.einsum("ki,kij,kj->", off, matrices, off))  # (2)
        dof = n * (len(used) - 1)
        if combination != "inverse_variance":
            counts = np.array([float(fit.n_used) for fit in used.values()])
            weights = np.ones(len(used)) if combination == "uniform" else counts
            weights /= weights.sum()
            z = weights @ points
            covariance = np.einsum("k,kij->ij", weights**2, covariances)
    factors = np.array([math.exp(z[i]) if _is_log(space, name) else 1.0 for i, name in enumerate(names)])
    covariance = covariance * np.outer(factors, factors)
    plain = [math.exp(z[i]) if _is_log(space, name) else float(z[i]) for i, name in enumerate(names)]
    message = (
        f"{len(converged)} of {len(fits)} angles converged ({needed} are needed), {len(used)} were combined by "
        f"{combination.replace('_', ' ')}"
    )
    if not used:
        open_names = sorted({name for fit in fits if fit is not None for name in names if not fit.identifiable[name]})
        message += (
            f": no angle determines {', '.join(open_names) or 'anything'} by itself; fix what one angle cannot tell"
        )
        message += " (phi0 with flow)" if "phi0" in open_names else ""
    return SequentialFit(
        fits,
        names,
        dict(zip(names, plain, strict=True)),
        dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
        covariance,
        combination,
        success,
        tuple(used),
        heterogeneity,
        dof,
        message,
    )


def _in_logs(space: Space, fits: list[XpcsFit]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates z_k, shape (k, n), and covariances C_k, shape (k, n, n)."""
    points, covariances = [], []
    logs, n = np.array([_is_log(space, name) for name in space.free]), len(space.free)
    for fit in fits:
        values = np.array([fit.physical[name] for name in space.free])
        slopes = np.where(logs, values, 1.0)
        points.append(np.where(logs, np.log(slopes), values))
        covariances.append(fit.covariance[:n, :n] / np.outer(slopes, slopes))
    return np.array(points), np.array(covariances)


def _is_log(space: Space, name: str) -> bool:
    box = space[name]
    return isinstance(box, Real) and box.scale == "log"
