"""CMA-ES for any function of parameters, then a local fit: `wilks.search` hands over to `wilks.fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.facades.homodyne.curve import Curve
from wilks.facades.homodyne.notices import NoEffectWarning, notice
from wilks.facades.homodyne.starts import box_of
from wilks.facades.homodyne.strategies.solving import SolverSettings, solve
from wilks.facades.homodyne.strategies.squares import BoxedSquares
from wilks.searchers.cma_es import CmaEs
from wilks.verbs.search import search

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from wilks.facades.homodyne.config import NLSQConfig

__all__ = ["CMAESResult", "CMAESWrapper", "CMAESWrapperConfig", "fit_with_cmaes"]

GENERATIONS = {"cmaes-fast": 50, "cmaes": 100, "cmaes-global": 200}
"""Preset -> generations."""
_HOPELESS = 10.0
_SEED = 42
_WITHOUT_EFFECT = (
    "tol_fun",
    "tol_x",
    "population_batch_size",
    "auto_memory",
    "memory_limit_gb",
    "refinement_workflow",
    "refinement_ftol",
    "refinement_xtol",
    "refinement_gtol",
    "normalize",
    "normalization_epsilon",
)


@dataclass
class CMAESWrapperConfig:
    """How to search and how to refine.

    The budget is (generations) times (draws of a generation) evaluations for every run, and that is all that
    `restart_strategy` and `max_restarts` say: a run that has converged is followed by another one as long as the budget
    lasts, with a doubled population in turn with small ones (BIPOP). Bounds are always normalised, memory and
    tolerances are those of the engine, so `tol_fun`, `tol_x`, `auto_memory`, `memory_limit_gb`,
    `population_batch_size`, `normalize`, `normalization_epsilon`, `refinement_workflow` and the refinement tolerances
    have no effect; a warning says so where they are not at their default.

    Examples
    --------
    >>> CMAESWrapperConfig(preset="cmaes-fast").to_cmaes_config(7).n_draws
    9
    """

    preset: str = "cmaes"
    max_generations: int | None = None
    popsize: int | None = None
    sigma: float = 0.5
    sigma_warmstart: float = 0.05
    tol_fun: float = 1e-8
    tol_x: float = 1e-8
    restart_strategy: str = "bipop"
    max_restarts: int = 9
    population_batch_size: int | None = None
    data_chunk_size: int | None = None
    auto_memory: bool = True
    memory_limit_gb: float = 8.0
    refine_with_nlsq: bool = True
    refinement_workflow: str = "auto"
    refinement_ftol: float = 1e-10
    refinement_xtol: float = 1e-10
    refinement_gtol: float = 1e-10
    refinement_max_nfev: int = 500
    refinement_loss: str = "linear"
    normalize: bool = True
    normalization_epsilon: float = 1e-12

    def __post_init__(self) -> None:
        """Check the words."""
        for name, known in (("preset", tuple(GENERATIONS)), ("restart_strategy", ("none", "bipop"))):
            if getattr(self, name) not in known:
                raise InvalidConfigurationError(
                    f"{name}: expected one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}"
                )

    @classmethod
    def from_nlsq_config(cls, config: NLSQConfig) -> CMAESWrapperConfig:
        """Take the fields that begin with ``cmaes_``."""
        names = [name for name in cls.__dataclass_fields__ if hasattr(config, f"cmaes_{name}")]
        return cls(**{name: getattr(config, f"cmaes_{name}") for name in names})

    def to_cmaes_config(self, n_params: int, *, sigma_override: float | None = None) -> CmaEs:
        """The searcher of wilks with this population and step."""
        draws = self.popsize or 4 + int(3 * math.log(max(1, n_params)))
        return CmaEs(n_draws=draws, sigma=self.sigma if sigma_override is None else sigma_override)

    def budget(self, n_params: int) -> int:
        """Evaluations of all runs together."""
        generations = self.max_generations or GENERATIONS[self.preset]
        runs = 1 + (self.max_restarts if self.restart_strategy == "bipop" else 0)
        return int(self.to_cmaes_config(n_params).n_draws or 1) * generations * runs

    def without_effect(self) -> list[str]:
        """Fields that change nothing, and are not at their default."""
        plain = self.__dataclass_fields__
        return [name for name in _WITHOUT_EFFECT if getattr(self, name) != plain[name].default]


@dataclass
class CMAESResult:
    """What a search found.

    Attributes
    ----------
    parameters, covariance
        Best parameters; their covariance, None without refinement.
    chi_squared, success, message
        Sum of squared residuals over sigma, and how it ended.
    diagnostics
        ``evaluations``, ``n_runs`` (1 + restarts), ``cmaes_chi_squared``, ``chi_squared_improvement`` (of the
        refinement, as a fraction), ``quality`` and ``warmstart``.
    method_used, nlsq_refined
        ``"cmaes"``; was there a local fit after it?
    """

    parameters: NDArray[np.float64]
    covariance: NDArray[np.float64] | None
    chi_squared: float
    success: bool
    diagnostics: dict[str, Any] = field(default_factory=dict)
    method_used: str = "cmaes"
    nlsq_refined: bool = False
    message: str = ""


class CMAESWrapper:
    """CMA-ES with restarts, then Levenberg-Marquardt.

    Parameters
    ----------
    config
        How; None for the defaults.

    Examples
    --------
    >>> wrapper = CMAESWrapper(CMAESWrapperConfig(preset="cmaes-fast", max_restarts=1))
    >>> x = np.linspace(0.0, 1.0, 20)
    >>> model = lambda x, a, b: a * np.exp(-b * x)
    >>> found = wrapper.fit(model, x, model(x, 2.0, 3.0), [1.0, 1.0], ([0.0, 0.0], [10.0, 10.0]))
    >>> found.parameters.round(6).tolist(), found.nlsq_refined
    ([2.0, 3.0], True)
    """

    def __init__(self, config: CMAESWrapperConfig | None = None) -> None:
        self.config = config or CMAESWrapperConfig()

    @property
    def is_available(self) -> bool:
        """True: the package ``cmaes`` comes with wilks."""
        return True

    def compute_scale_ratio(self, bounds: tuple[ArrayLike, ArrayLike]) -> float:
        """Largest over smallest width of the bounds; fixed parameters do not count.

        Examples
        --------
        >>> lower, upper = np.array([0, 0.001, 100]), np.array([1, 0.01, 10000])
        >>> round(CMAESWrapper().compute_scale_ratio((lower, upper)))  # (10000 - 100) / (0.01 - 0.001)
        1100000
        """
        box = box_of(tuple(np.asarray(side, dtype=float) for side in bounds))
        widths = box[:, 1] - box[:, 0]
        widths = widths[widths > 0]
        return float(widths.max() / widths.min()) if len(widths) else 1.0

    def should_use_cmaes(self, bounds: tuple[ArrayLike, ArrayLike], scale_threshold: float = 1000.0) -> bool:
        """Does the scale ratio exceed the threshold?"""
        return self.compute_scale_ratio(bounds) > scale_threshold

    def fit(
        self,
        model_func: Callable[..., ArrayLike],
        xdata: ArrayLike,
        ydata: ArrayLike,
        p0: ArrayLike,
        bounds: tuple[ArrayLike, ArrayLike],
        sigma: ArrayLike | None = None,
        warmstart_chi2: float | None = None,
    ) -> CMAESResult:
        """Search the box, and refine what was found.

        Parameters
        ----------
        model_func
            ``model_func(x, *params)``.
        xdata, ydata
            Data; points along the first axis.
        p0
            A point that is evaluated first.
        bounds
            (lower, upper).
        sigma
            Standard deviation of the data; None for 1, and a covariance from the residuals.
        warmstart_chi2
            Chi-squared of a fit that `p0` comes from: the search is then a narrow one (`sigma_warmstart`), and what is
            more than ten times worse is not refined.
        """
        config = self.config
        unused = config.without_effect()
        if unused:
            notice(f"CMAESWrapperConfig: no effect: {', '.join(unused)}", NoEffectWarning)
        curve = Curve(model_func, xdata, ydata, sigma, config.data_chunk_size)
        names = [f"p{k}" for k in range(np.size(p0))]
        squares = BoxedSquares.of(curve.residual, p0, bounds, names, chunked=curve.is_chunked)
        if squares.is_open:
            raise InvalidConfigurationError(
                f"bounds: CMA-ES searches the whole box; expected finite lower and upper bounds, got {bounds!r:.200}"
            )
        if not squares.is_free.any():
            chi_squared, fixed = curve.chi_squared(squares.start), np.zeros((len(names), len(names)))
            success = math.isfinite(chi_squared)
            return CMAESResult(squares.start, fixed, chi_squared, success, message="All parameters are fixed.")
        step = None if warmstart_chi2 is None else config.sigma_warmstart
        found = search(
            squares.problem(Loss(), squares.given),
            config.to_cmaes_config(len(names), sigma_override=step),
            n_evaluations=config.budget(len(names)),
            start=squares.values(squares.start),
            seed=_SEED,
            callbacks=(),
        )
        diagnostics: dict[str, Any] = {
            "evaluations": found.n_evaluations,
            "n_runs": found.details["n_runs"],
            "chi_squared_improvement": 0.0,
            "warmstart": warmstart_chi2 is not None,
        }
        if not found.best:
            message = f"{found.status.message} {squares.complaint()}"
            return CMAESResult(squares.start, None, math.inf, False, diagnostics, message=message)
        theta = squares.vector(found.best)
        chi_squared = curve.chi_squared(theta)
        diagnostics["cmaes_chi_squared"] = chi_squared
        hopeless = warmstart_chi2 is not None and chi_squared > _HOPELESS * warmstart_chi2
        if not config.refine_with_nlsq or hopeless:
            why = f"more than {_HOPELESS:g} times the chi-squared of the warm start" if hopeless else "not asked for"
            return CMAESResult(theta, None, chi_squared, not hopeless, diagnostics, message=f"No refinement: {why}.")
        return self._refined(curve, replace(squares, start=theta), diagnostics)

    def _refined(self, curve: Curve, squares: BoxedSquares, diagnostics: dict[str, Any]) -> CMAESResult:
        config = self.config
        settings = SolverSettings(
            Loss(config.refinement_loss),
            max_evaluations=config.refinement_max_nfev,
            sigma_known=curve.sigma_is_known,
        )
        bounds = squares.given[0], squares.given[1]
        local = solve(
            curve.residual, squares.start, bounds, squares.names, settings, chunked=curve.is_chunked, callbacks=()
        )
        chi_squared, before = curve.chi_squared(local.params), diagnostics["cmaes_chi_squared"]
        if before > 0:
            diagnostics["chi_squared_improvement"] = (before - chi_squared) / before
        diagnostics["refinement_evaluations"] = local.n_evaluations
        if local.result is not None:
            diagnostics["quality"] = local.result.quality.flag
        return CMAESResult(
            local.params,
            local.covariance,
            chi_squared,
            local.success,
            diagnostics,
            nlsq_refined=True,
            message=local.message,
        )


def fit_with_cmaes(
    model_func: Callable[..., ArrayLike],
    xdata: ArrayLike,
    ydata: ArrayLike,
    p0: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    sigma: ArrayLike | None = None,
    config: CMAESWrapperConfig | None = None,
) -> CMAESResult:
    """`CMAESWrapper.fit` in one call; the parameters are those of that."""
    return CMAESWrapper(config).fit(model_func, xdata, ydata, p0, bounds, sigma)
