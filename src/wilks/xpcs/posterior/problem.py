"""The posterior's problem: physical parameters in, the marginal likelihood and its gradient out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.core.problem import LikelihoodProblem
from wilks.xpcs.model import PHYSICAL_NAMES
from wilks.xpcs.model import curves as curves_of
from wilks.xpcs.posterior.linear import FixedMarginal, LinearMarginal
from wilks.xpcs.posterior.marginal import PairMarginal
from wilks.xpcs.posterior.scan import Scanner
from wilks.xpcs.projection import physical_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Values
    from wilks.core.space import Space
    from wilks.xpcs.posterior.chart import PowerLawChart
    from wilks.xpcs.posterior.conditional import Marginal
    from wilks.xpcs.posterior.noise_scale import Sigma
    from wilks.xpcs.problems import XpcsProblem
    from wilks.xpcs.projection import AngleSums

    Array = NDArray[np.float64]

_BATCH = 2_000_000
"""Values of curves (sets x times) that are made at a time."""
_KEPT = 4_000_000
"""Numbers of sums that are kept, 32 MB: draws are asked for again when contrast and offset are recovered."""


class MarginalProblem(LikelihoodProblem):
    """The likelihood of the physical parameters with contrast, offset and noise integrated out.

    Parameters
    ----------
    base
        The data, the scaling and the weights of the angles.
    sigma
        What is known of the noise.
    space
        The parameters with their priors; those of `base` by default.
    chart
        Coordinates for samplers.
    bounds
        Of contrast and offset.
    """

    def __init__(
        self,
        base: XpcsProblem,
        sigma: Sigma,
        *,
        space: Space | None = None,
        chart: PowerLawChart | None = None,
        bounds: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.5, 1.5)),
        _root: MarginalProblem | None = None,
    ) -> None:
        self.base, self.sigma, self._chart, self.bounds = base, sigma, chart, bounds
        self.marginal = marginal_of(base, sigma, bounds)
        self._kept: dict[bytes, Array] = {}
        self.scan = Scanner(base.sums, len(base.geometry.t))  # type: ignore[arg-type]  # sums of all pairs, or of a subset
        super().__init__(
            base.space if space is None else space,
            self._log_likelihood,
            gradient=self._gradient,
            vectorized=self.scan.likes_batches(base.mode == "laminar_flow"),
            name=f"XPCS {base.mode}, marginal",
            _root=_root,
        )

    def fix(self, **values: Value) -> MarginalProblem:
        """Return the same problem with some parameters fixed."""
        root = self.root
        assert isinstance(root, MarginalProblem)  # noqa: S101 - for the type checker
        space = self.space.fix(**values)
        return MarginalProblem(self.base, self.sigma, space=space, bounds=self.bounds, _root=root)

    def functions(self) -> tuple[object, ...]:
        """What identifies the data, the scaling and what is known of the noise."""
        return (*self.base.functions(), self.sigma, self.bounds)

    def chart(self) -> PowerLawChart | None:
        """Coordinates in which the posterior is closer to a Gaussian than in the box."""
        return self._chart

    def products(self, thetas: Array) -> Array:
        """Sums of products of [1, f, y] over sigma^2, for thetas of shape (n, d): shape (n, n_angles, 3, 3)."""
        n_angles = len(self.base.sums.centres)
        keys = [row.tobytes() for row in np.ascontiguousarray(thetas, dtype=float)]
        known = [self._kept.get(key) for key in keys]
        new = [i for i, each in enumerate(known) if each is None]
        made = self._sums_of(thetas[new]) if new else np.empty((0, n_angles, 3, 3))
        room = max(1, _KEPT // (9 * n_angles))
        for i, each in zip(new, made, strict=True):
            if len(self._kept) >= room:
                self._kept.pop(next(iter(self._kept)))
            self._kept[keys[i]] = known[i] = each
        return np.array(known).reshape(-1, n_angles, 3, 3)

    def _sums_of(self, thetas: Array) -> Array:
        base = self.base
        scale = (base.angle_weights / base.sums.sigma**2)[:, None, None]
        n_t = len(base.geometry.t)
        found = np.empty((len(thetas), len(scale), 3, 3))
        step = max(1, _BATCH // (7 * n_t))
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(thetas), step):
                rows = thetas[first : first + step].tolist()
                many = [curves_of(self.space.values_of_row(row), base.geometry, base.mode) for row in rows]  # type: ignore[arg-type]  # all are real
                found[first : first + step] = self.scan(many) * scale
        return found

    def log_likelihoods(self, thetas: Array) -> Array:
        """Marginal log-likelihood at thetas of shape (n, d); minus infinity where the model is not finite."""
        products = self.products(thetas)
        found = np.full(len(products), -np.inf)
        finite = np.isfinite(products).all(axis=(1, 2, 3))
        if finite.any():
            with np.errstate(all="ignore"):  # rates far below zero let f overflow
                values = self.marginal.log_likelihood(products[finite])
            found[finite] = np.where(np.isfinite(values), values, -np.inf)
        return found

    def _log_likelihood(self, values: Values) -> Array | float:
        columns = [np.atleast_1d(np.asarray(values[name], dtype=float)) for name in self.space.free]
        found = self.log_likelihoods(np.stack(columns, axis=1))
        return found if self.vectorized else float(found[0])

    def _gradient(self, values: Values) -> Array:
        """Equation (5) of `wilks.xpcs.posterior.marginal`; NaN where the model is not finite."""
        base, root = self.base, self.root.space
        plain = {name: float(values[name]) for name in PHYSICAL_NAMES[base.mode]}
        with np.errstate(over="ignore", invalid="ignore"):
            curves = curves_of(plain, base.geometry, base.mode)
            grams = self.scan.with_derivatives(curves)
        if not np.isfinite(grams).all():
            return np.full(root.dimension, np.nan)
        sums = physical_sums(grams, curves, plain, base.sums.centres, base.angle_weights / base.sums.sigma**2)
        of_b, of_bo, of_bb = (each[0] for each in self.marginal.conditional(small(sums)[None]).slopes())
        columns = [2 + PHYSICAL_NAMES[base.mode].index(name) for name in root.free]
        with_one, with_f, with_y = (sums.products[:, i][:, columns] for i in (0, 1, -1))
        return np.asarray(of_b @ with_y - of_bo @ with_one - of_bb @ with_f)

    def __getstate__(self) -> dict[str, Any]:
        """Without the methods of this instance, which find it again, and what is kept to save time."""
        left = {key: value for key, value in self.__dict__.items() if key not in ("log_likelihood", "gradient")}
        return left | {"_kept": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put the methods back."""
        self.__dict__.update(state)
        self.log_likelihood, self.gradient = self._log_likelihood, self._gradient


def small(sums: AngleSums) -> Array:
    """Sums of products of [1, f, y] alone, of those with derivatives."""
    return sums.products[:, [0, 1, -1]][:, :, [0, 1, -1]]


def marginal_of(base: XpcsProblem, sigma: Sigma, bounds: tuple[tuple[float, float], tuple[float, float]]) -> Marginal:
    """Return what integrates contrast, offset and noise out for a scaling.

    Raises
    ------
    InvalidConfigurationError
        If there is no such formula for this scaling, or too few data.
    """
    block, sums = base.block, base.sums
    n = sums.n_used
    n_data = int(n.min() if sigma == "per_angle" else n.sum())
    taken = 2 if sigma == "per_angle" else len(block.names)
    if sigma != "known" and n_data <= taken + 1:
        raise InvalidConfigurationError(
            f"sample: {n_data} pairs do not tell {taken} coefficients and the noise; give the noise with the data "
            "(TwoTimeData(..., sigma=...)) and sigma='known'"
        )
    if not block.names:
        return FixedMarginal(n, block.contrast, block.offset - sums.centres, sigma)
    if block.kind in ("individual", "averaged") and not block.penalty.any():
        shared = block.kind == "averaged"
        if not (shared and sigma == "per_angle"):
            return PairMarginal(n, sums.centres, *bounds, shared, sigma)
    if sigma == "per_angle":
        raise InvalidConfigurationError(
            f"sigma: 'per_angle' integrates the noise of each angle, which scaling {block.kind!r} ties to that of the "
            "others; use scaling='individual', or sigma='integrated'"
        )
    return LinearMarginal(int(n.sum()), sums.centres, block, sigma, bounds)
