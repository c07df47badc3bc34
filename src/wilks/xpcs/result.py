"""The result of an XPCS fit."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.result import Result
from wilks.core.table import Table, show, with_error
from wilks.xpcs.model import Geometry, curves, model_matrix
from wilks.xpcs.views import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Real
    from wilks.solvers.result import Basin
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.diagnostics import Diagnostics
    from wilks.xpcs.identifiability import Identifiability
    from wilks.xpcs.options import FitOptions
    from wilks.xpcs.parameters import Mode
    from wilks.xpcs.quality import XpcsQuality
    from wilks.xpcs.scaling import Scaling
    from wilks.xpcs.source import Source
    from wilks.xpcs.strategy import Strategy


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class XpcsFit(Result):
    """The result of `wilks.xpcs.fit`.

    Attributes
    ----------
    mode, convention, scaling, scaling_reason
        What was fitted.
    t, phi, q, gap, dt
        Geometry of the data, in s, degrees, 1/Å and Å.
    names
        Free parameters in the order of `covariance`: physical ones, then the coefficients of contrast and offset.
    standard_errors
        Name -> standard error; NaN for a parameter at a bound, infinite for one that is not determined.
    covariance
        Shape (n, n), of the physical parameters and coefficients themselves; NaN in the rows of those at a bound.
    contrast, contrast_errors, offset, offset_errors
        Of every angle, in the order of the data, shape (n_phi,); NaN for an angle without data.
    loss
        Name of the loss that the fit minimised.
    chi_squared, dof
        Sum of squared residuals over sigma, each pair of times once, whatever the loss, and its degrees of freedom.
    n_used, n_masked
        Number of pairs that were used, and that were masked or not finite, all angles together.
    sigma, noise
        Standard deviation of a folded pair of each angle, shape (n_phi,), and where it comes from.
    at_bounds
        Name -> ``"lower"`` or ``"upper"``.
    identifiable
        Physical parameter -> whether the data determine it, and why not.
    quality
        A verdict with its reasons.
    notes
        What was found in the data, in sentences: pixels that are not used, angles without data, and what was seen
        when they were read.
    strategy
        How the data were held, and why.
    basins
        The optima that the search found, best first, with log-likelihoods on the coarse subset.
    information
        Gauss-Newton matrix of the free physical parameters with contrast and offset projected out: the inverse of
        their covariance where nothing is at a bound, shape (n_physical, n_physical).
    diagnostics
        Absorption, sensitivity, gradient, and what quantiles of the data say of contrast and offset.
    angle_weights
        Weight of every angle in chi-squared, shape (n_phi,); NaN for an angle without data.
    boxes, options
        Boxes that were given for contrast and offset, by name, and the options of the fit.
    source
        Where the data come from; None for data that were not read from a file.
    data
        What was fitted; None on a result that was loaded from a file.
    """

    mode: Mode
    convention: Convention
    scaling: Scaling
    scaling_reason: str
    t: NDArray[np.float64]
    phi: NDArray[np.float64]
    q: float
    gap: float | None
    dt: float
    names: tuple[str, ...]
    standard_errors: dict[str, float]
    covariance: NDArray[np.float64]
    contrast: NDArray[np.float64]
    contrast_errors: NDArray[np.float64]
    offset: NDArray[np.float64]
    offset_errors: NDArray[np.float64]
    loss: str
    chi_squared: float
    dof: int
    n_used: int
    n_masked: int
    sigma: NDArray[np.float64]
    noise: str
    at_bounds: dict[str, str]
    identifiable: dict[str, Identifiability]
    quality: XpcsQuality
    notes: tuple[str, ...]
    strategy: Strategy
    basins: tuple[Basin, ...]
    information: NDArray[np.float64]
    diagnostics: Diagnostics
    angle_weights: NDArray[np.float64]
    boxes: dict[str, Real]
    options: FitOptions
    source: Source | None = None
    data: TwoTimeData | None = field(default=None, metadata={"saved": False})

    @property
    def values(self) -> dict[str, Any]:
        """Values of all parameters, fixed ones included."""
        return self.best

    @property
    def physical(self) -> dict[str, float]:
        """Values of the physical parameters, fixed ones included."""
        return {name: float(self.best[name]) for name in self.space.names}  # type: ignore[arg-type]  # all are real

    @property
    def has_best(self) -> bool:
        """Is there a best point? Not if the model is finite nowhere."""
        return self.best.keys() >= set(self.space.names)

    @property
    def reduced_chi_squared(self) -> float:
        """Chi-squared per degree of freedom."""
        return self.chi_squared / self.dof if self.dof > 0 else float("nan")

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlation matrix of the free parameters."""
        size = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.covariance / np.outer(size, size))

    def model(self, angle: int) -> NDArray[np.float64]:
        """Fitted c2 of one angle, given by its position in `phi`, shape (n_t, n_t).

        Raises
        ------
        InvalidConfigurationError
            If there is no such angle, or the fit has no best point.
        """
        k = self._position(angle)
        if not self.has_best:
            raise InvalidConfigurationError(f"model: this result has no best point: {self.status.message}")
        geometry = Geometry(self.t, self.dt, self.q, self.gap, self.phi[k : k + 1], self.convention)
        f = model_matrix(curves(self.physical, geometry, self.mode), 0)
        return np.asarray(self.offset[k] + self.contrast[k] * f)

    def residuals(self, angle: int) -> NDArray[np.float64]:
        """(c2 - model) / sigma of one angle, shape (n_t, n_t), symmetric; NaN where the fit used nothing.

        They are those of the folded pairs: the squares of one half, summed over all angles, are chi-squared.

        Raises
        ------
        InvalidConfigurationError
            If there is no such angle, or the data are not here: a result that was loaded from a file gets them back
            by `with_data`.
        """
        residual = read(self, self._position(angle)).residual
        return np.where(np.isnan(residual), residual.T, residual)

    def with_data(self, data: TwoTimeData) -> XpcsFit:
        """Return the same result with the data it was made from."""
        if data.n_phi != len(self.phi) or data.n_t != len(self.t):
            raise InvalidConfigurationError(
                f"with_data: this result has {len(self.phi)} angles and {len(self.t)} times, "
                f"the data {data.n_phi} and {data.n_t}"
            )
        if not (np.array_equal(data.phi, self.phi) and np.array_equal(data.t, self.t) and data.q == self.q):
            raise InvalidConfigurationError(
                "with_data: angles, times or wave vector of the data are not those of this result: give the data that "
                "it was made from, in the same order"
            )
        return replace(self, data=data)

    def _position(self, angle: int) -> int:
        if (
            isinstance(angle, bool)
            or not isinstance(angle, (int, np.integer))
            or not -len(self.phi) <= angle < len(self.phi)
        ):
            raise InvalidConfigurationError(
                f"angle: expected its position, an integer from 0 to {len(self.phi) - 1}, got {angle!r}"
            )
        return int(angle) % len(self.phi)

    def table(self) -> Table:
        """Physical parameters with their errors."""
        rows = []
        for name in self.space.names:
            value = self.best.get(name)
            error = self.standard_errors.get(name)
            if value is None:
                text = "unknown"
            else:
                text = show(value) if error is None or not isinstance(value, float) else with_error(value, error)
            rows.append((name, text, self._remark(name)))
        robust = "" if self.loss == "linear" else f" (outliers counted in full; the fit has the loss {self.loss!r})"
        title = (
            f"XPCS fit, {self.mode}: reduced chi-squared {self.reduced_chi_squared:.4f}{robust} "
            f"({self.n_used} pairs of {len(self.phi)} {'angle' if len(self.phi) == 1 else 'angles'})"
        )
        note = " ".join(
            (
                f"Contrast {_range(self.contrast)}, offset {_range(self.offset)} ({self.scaling.kind}).",
                f"Quality: {self.quality.flag}.",
                *self.quality.reasons,
            )
        )
        reasons = [f"{name}: {found.reason}." for name, found in self.identifiable.items() if not found]
        other = [text for text in self.notes if text not in self.quality.reasons]
        note = "\n".join([note, *reasons, *other])
        return Table(title, ("parameter", "value", ""), tuple(rows), note)

    def _remark(self, name: str) -> str:
        if name in self.space.constants:
            return "fixed"
        unit = self.space[name].unit
        if name in self.at_bounds:
            return ", ".join(filter(None, (unit, f"at its {self.at_bounds[name]} bound")))
        found = self.identifiable.get(name)
        return unit if found is None or found else ", ".join(filter(None, (unit, "not determined")))

    def __repr__(self) -> str:
        """Return status and table."""
        return f"{self.status.message}\n{self.table().text()}\n{self.cost}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.status.message)} {html.escape(self.cost)}.</p>{self.table().html()}"


def _range(numbers: NDArray[np.float64]) -> str:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return "unknown"
    low, high = float(known.min()), float(known.max())
    return f"{low:.4g}" if len(numbers) == 1 or low == high else f"{low:.4g} to {high:.4g}"
