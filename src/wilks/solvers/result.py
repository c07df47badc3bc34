"""The result of a fit."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from wilks.core.result import Result
from wilks.core.table import Table, show, with_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Value


@dataclass(frozen=True)
class Basin:
    """One local optimum that the fit found.

    Attributes
    ----------
    values
        Its parameter values, constants included.
    log_likelihood
        Its log-likelihood.
    n_hits
        Number of starts that ended in it.
    """

    values: dict[str, Value]
    log_likelihood: float
    n_hits: int


@dataclass(frozen=True)
class Identifiability:
    """Do the data determine a parameter?

    Attributes
    ----------
    ok
        The answer.
    reason
        Why not; empty when they do.
    """

    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Quality:
    """How far the numbers of a fit can be trusted; the thresholds of `flag` are those of `wilks.solvers.diagnostics`.

    Attributes
    ----------
    remaining_gain
        Log-likelihood that a further Newton step promises; far below 1 at an optimum.
    condition_number
        Of the curvature in units of the box; infinite with a flat direction.
    flat_directions
        Directions in which the likelihood does not change: name -> weight, largest weight 1.
    curvature_error
        Largest relative difference between a standard error and the distance at which the log-likelihood has fallen
        as far as it says, along the line of each parameter, both ways; where residuals come with a Jacobian, the same
        from values and Jacobians at two points, one standard error away along all principal axes at once. Infinite
        where the log-likelihood does not fall or ends.
    undiscovered
        Estimated probability that one more start would have found another optimum of interest; NaN where the method
        does not say.
    warnings
        Sentences for people; empty when all is well.
    flag
        ``"good"``, ``"marginal"`` or ``"poor"``.
    reasons
        Why it is not good, worst first.
    degenerate
        Are there other optima, elsewhere in the box, that the data hardly tell from the best one?
    identifiable
        Name -> `Identifiability`, for every free parameter.
    sensitivity
        Name -> root of minus the second derivative of the log-likelihood, the other parameters held; of a residual
        problem, the norm of the parameter's column of the Jacobian. Per unit of the parameter; in the order of what
        a move across its whole range does, largest first.
    imbalance
        Ratio of the largest to the smallest sensitivity, each times the range of its parameter.
    scaled_gradient
        Name -> derivative of the log-likelihood over the sensitivity; half its square is what moving this parameter
        alone would gain. Near zero at an optimum, except at a bound, where the parameter is left out.
    significance
        Name -> best value over standard error, for parameters that have one.
    """

    remaining_gain: float
    condition_number: float
    flat_directions: tuple[dict[str, float], ...] = ()
    curvature_error: float = math.nan
    undiscovered: float = math.nan
    warnings: tuple[str, ...] = ()
    flag: Literal["good", "marginal", "poor"] = "good"
    reasons: tuple[str, ...] = ()
    degenerate: bool = False
    identifiable: dict[str, Identifiability] = field(default_factory=dict)
    sensitivity: dict[str, float] = field(default_factory=dict)
    imbalance: float = math.nan
    scaled_gradient: dict[str, float] = field(default_factory=dict)
    significance: dict[str, float] = field(default_factory=dict)

    def table(self) -> Table:
        """What is known of every parameter, as a table.

        The columns are the value over its standard error, the sensitivity, the scaled gradient, and why the parameter
        is not determined where it is not.
        """
        rows = tuple(
            (
                name,
                *(
                    f"{numbers[name]:.3g}" if name in numbers else ""
                    for numbers in (self.significance, self.sensitivity, self.scaled_gradient)
                ),
                found.reason or "determined",
            )
            for name, found in self.identifiable.items()
        )
        note = f"Because {'; '.join(self.reasons)}." if self.reasons else ""
        columns = ("parameter", "value / error", "sensitivity", "scaled gradient", "")
        return Table(f"Quality: {self.flag}", columns, rows, note)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FitResult(Result):
    """The result of `wilks.fit`.

    Attributes
    ----------
    names
        Free parameters, in the order of `covariance`.
    standard_errors
        Name -> standard error; NaN for a parameter at its bound or without a derivative (discrete), infinite for
        one that takes part in a flat direction.
    covariance
        Inverse of minus the Hessian of the log-likelihood at the optimum (for residual problems of its Gauss-Newton
        part, the product of the Jacobians), shape (n, n), in the units of the parameters; NaN in the rows of
        parameters without a standard error. Parameters at a bound are held there. For a residual with another loss
        than the linear one, the covariance of the estimate that this loss makes.
    chi_squared, dof, reduced_chi_squared
        For residual problems: minus twice the log-likelihood (the sum of squared residuals, or what the loss makes of
        it), number of residuals minus number of free parameters that are not at a bound, and their ratio. None for
        likelihood problems.
    quality
        Diagnostics, with warnings in plain words.
    at_bounds
        Name -> ``"lower"`` or ``"upper"``, for parameters that the likelihood pushes against their bound.
    basins
        The optima found, best first.
    """

    names: tuple[str, ...]
    standard_errors: dict[str, float]
    covariance: NDArray[np.float64]
    quality: Quality
    at_bounds: dict[str, str]
    basins: tuple[Basin, ...]
    chi_squared: float | None = None
    dof: int | None = None

    # Dataclass fields with defaults end above; what follows is derived.
    @property
    def reduced_chi_squared(self) -> float | None:
        """Chi-squared per degree of freedom; None for likelihood problems or without degrees of freedom."""
        if self.chi_squared is None or not self.dof:
            return None
        return self.chi_squared / self.dof

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlation matrix of the free parameters, shape (n, n)."""
        scale = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.covariance / np.outer(scale, scale))

    def table(self) -> Table:
        """Best fit and standard errors as a table."""
        rows = []
        for name in self.space.names:
            value = self.best.get(name)
            if name in self.names and isinstance(value, float):
                text = with_error(value, self.standard_errors[name])
            else:
                text = show(value)
            rows.append((name, text, self._remark(name)))
        chi = ""
        if self.chi_squared is not None:
            chi = f"; chi-squared {self.chi_squared:.6g} for {self.dof} degrees of freedom"
        title = f"Fit: log-likelihood {self.log_likelihood:.6g}{chi}"
        return Table(title, ("parameter", "value", ""), tuple(rows), " ".join(self._notes()))

    def _notes(self) -> tuple[str, ...]:
        quality = self.quality
        if quality.flag == "good":
            return quality.warnings
        return (*quality.warnings, f"Quality: {quality.flag}.")

    def _remark(self, name: str) -> str:
        if name not in self.names:
            return "fixed"
        if name in self.at_bounds:
            return f"at its {self.at_bounds[name]} bound"
        if math.isinf(self.standard_errors[name]):
            return "not determined"
        return self.space[name].unit

    def __repr__(self) -> str:
        """Return status and table."""
        return f"{self.status.message}\n{self.table().text()}\n{self.cost}"

    def _repr_html_(self) -> str:
        from wilks.plots import picture_html  # noqa: PLC0415 - matplotlib loads on use

        status = html.escape(f"{self.status.message} {self.cost}.")
        return f"<p>{status}</p>{self.table().html()}{picture_html(self)}"
