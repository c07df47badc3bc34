"""The least-squares problems of a fit: physical parameters in, factors out, whatever the data are summed up from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wilks.core.least_squares import FactoredProblem
from wilks.core.loss import Loss
from wilks.core.parameter import Real
from wilks.core.space import Space
from wilks.xpcs.model import PHYSICAL_NAMES, regularised_times
from wilks.xpcs.model import curves as curves_of
from wilks.xpcs.projection import AngleSums, Projection, normal_matrix, physical_sums, project, square_root
from wilks.xpcs.retraction import PowerLawSteps, power_law_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wilks.core.parameter import Value
    from wilks.core.problem import Values
    from wilks.xpcs.curves import Curves
    from wilks.xpcs.model import Geometry
    from wilks.xpcs.parameters import Mode
    from wilks.xpcs.scaling import LinearBlock
    from wilks.xpcs.sums import PairSums

_KEPT = 8


class Sums(Protocol):
    """Data that can be summed up; every array has one entry for each of the angles of the fit."""

    @property
    def centres(self) -> NDArray[np.float64]:
        """What was subtracted from c2."""
        ...

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Standard deviation of a pair of weight 1."""
        ...

    @property
    def n_used(self) -> NDArray[np.int64]:
        """Number of pairs that are not masked."""
        ...

    def grams(self, curves: Curves, *, derivatives: bool) -> NDArray[np.float64]:
        """Sums of products of the columns of the kernels, shape (n_angles, K, K)."""
        ...


class XpcsProblem(FactoredProblem):
    """Chi-squared as a function of the physical parameters, contrast and offset at their best.

    Parameters
    ----------
    space
        The physical parameters.
    sums
        The data.
    geometry
        Times, angles, wavevector, gap and convention.
    mode
        ``"static"`` or ``"laminar_flow"``.
    block
        How contrast and offset depend on the angle.
    angle_weights
        Weight of every angle in chi-squared, shape (n_angles,).
    """

    def __init__(
        self,
        space: Space,
        sums: Sums,
        geometry: Geometry,
        mode: Mode,
        block: LinearBlock,
        angle_weights: NDArray[np.float64],
        *,
        root: XpcsProblem | None = None,
    ) -> None:
        super().__init__(space, (), f"XPCS {mode}", root)
        self.sums, self.geometry, self.mode, self.block = sums, geometry, mode, block
        self.angle_weights = angle_weights
        self._recent: dict[tuple[float, ...], Projection] = {}

    def fix(self, **values: Value) -> XpcsProblem:
        """Return the same problem with some parameters fixed."""
        root = self.root
        assert isinstance(root, XpcsProblem)  # noqa: S101 - for the type checker
        space = self.space.fix(**values)
        return XpcsProblem(space, self.sums, self.geometry, self.mode, self.block, self.angle_weights, root=root)

    def functions(self) -> tuple[object, ...]:
        """What identifies the data (number, mean and noise of every angle), the geometry and the scaling."""
        sums, block, place = self.sums, self.block, self.geometry
        data = (
            sums.centres,
            sums.sigma,
            sums.n_used,
            place.t,
            place.phi,
            np.array([place.dt, place.q, place.gap or 0.0]),
        )
        scaling = (block.to_contrast, block.to_offset, block.contrast, block.offset, block.lower, block.upper)
        return (repr(place.convention), self.mode, *data, *scaling, block.penalty, self.angle_weights)

    def curved_steps(self, held: Sequence[str]) -> PowerLawSteps:
        """Steps that follow the valleys of the power laws whose parameters all move."""
        return power_law_steps(self.space, regularised_times(self.geometry.t, self.geometry.dt), held)

    def n_data(self, values: Values) -> int:  # noqa: ARG002 - the same everywhere
        """Return the number of pairs that are not masked."""
        return int(self.sums.n_used.sum())

    def log_likelihood(self, values: Values) -> float:
        """Minus half of the projected chi-squared."""
        found = self._projected(values, derivatives=False)
        return -math.inf if found is None else found.log_likelihood

    def factor(self, values: Values) -> tuple[float, NDArray[np.float64]]:
        """Log-likelihood and rows (residual | derivatives) of the projected problem."""
        found = self.projection(values)
        if found is None:
            return -math.inf, np.empty((0, 1))
        names = PHYSICAL_NAMES[self.mode]
        columns = [1 + names.index(name) for name in self.root.space.free]
        return found.log_likelihood, found.rows()[:, [0, *columns]]

    def projection(self, values: Values) -> Projection | None:
        """Return the best contrasts and offsets with all sums of products; None where the model is not finite."""
        key = tuple(float(values[name]) for name in PHYSICAL_NAMES[self.mode])
        if key not in self._recent:
            found = self._projected(values, derivatives=True)
            if found is None:
                return None
            while len(self._recent) >= _KEPT:
                self._recent.pop(next(iter(self._recent)))
            self._recent[key] = found
        return self._recent[key]

    def sums_at(self, values: Values, *, derivatives: bool = True) -> AngleSums | None:
        """Sums of products over the physical derivatives; None where the model is not finite."""
        plain = {name: float(values[name]) for name in PHYSICAL_NAMES[self.mode]}
        found = self._curves(plain)
        if not np.isfinite(found.decay).all() or not np.isfinite(found.strain).all():
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            grams = self.sums.grams(found, derivatives=derivatives)
        if not np.isfinite(grams).all():
            return None
        return physical_sums(grams, found, plain, self.sums.centres, self.angle_weights / self.sums.sigma**2)

    def _projected(self, values: Values, *, derivatives: bool) -> Projection | None:
        sums = self.sums_at(values, derivatives=derivatives)
        return None if sums is None else project(sums, self.block)

    def _curves(self, values: Values) -> Curves:
        return curves_of(values, self.geometry, self.mode)

    def __getstate__(self) -> dict[str, object]:
        """Without what is only kept to save time."""
        return {**self.__dict__, "_recent": {}}


class RobustXpcsProblem(FactoredProblem):
    """A robust cost as a function of the physical parameters and of the coefficients of contrast and offset.

    A robust cost is not quadratic in the coefficients, so they stand beside the physical parameters. It is a sum over
    single pixels, so it takes all of them.
    """

    def __init__(
        self,
        base: XpcsProblem,
        sums: PairSums,
        loss: Loss,
        start: Mapping[str, float],
        *,
        space: Space | None = None,
        root: RobustXpcsProblem | None = None,
    ) -> None:
        super().__init__(robust_space(base, start) if space is None else space, (), f"{base.name}, {loss.name}", root)
        self.base, self.sums, self.loss, self.start = base, sums, loss, dict(start)

    def fix(self, **values: Value) -> RobustXpcsProblem:
        """Return the same problem with some parameters fixed."""
        root = self.root
        assert isinstance(root, RobustXpcsProblem)  # noqa: S101 - for the type checker
        space = self.space.fix(**values)
        return RobustXpcsProblem(self.base, self.sums, self.loss, self.start, space=space, root=root)

    def functions(self) -> tuple[object, ...]:
        """What identifies the data, and the loss."""
        return (*self.base.functions(), repr(self.loss))

    def n_data(self, values: Values) -> int:
        """Return the number of pairs that are not masked."""
        return self.base.n_data(values)

    def log_likelihood(self, values: Values) -> float:
        """Minus the robust cost."""
        return self.factor(values)[0]

    def factor(self, values: Values) -> tuple[float, NDArray[np.float64]]:
        """Log-likelihood and rows (residual | derivatives)."""
        value, normal, _ = self.sums_at(values)
        if not math.isfinite(value):
            return value, np.empty((0, 1))
        n, physical = len(self.base.block.names), PHYSICAL_NAMES[self.base.mode]
        at = {name: i for i, name in enumerate(self.base.block.names)} | {
            name: n + i for i, name in enumerate(physical)
        }
        order = [len(normal) - 1, *(at[name] for name in self.root.space.free)]
        return value, square_root(normal[np.ix_(order, order)])

    def sums_at(self, values: Values) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Log-likelihood, weighted matrix N and its counterpart for the scores, both over (c, physical, residual)."""
        base = self.base
        c = np.array([float(values[name]) for name in base.block.names])
        contrast, offset = base.block.scaled(c)
        plain = {name: float(values[name]) for name in PHYSICAL_NAMES[base.mode]}
        found = curves_of(plain, base.geometry, base.mode)
        with np.errstate(over="ignore", invalid="ignore"):
            robust = self.sums.robust(found, contrast, offset, self.loss)
        penalty = base.block.penalty @ c
        value = -0.5 * (float(base.angle_weights @ robust.value) + float(c @ penalty))
        if not math.isfinite(value):
            return -math.inf, np.empty((0, 0)), np.empty((0, 0))
        normals = []
        for grams, power in ((robust.gram, 1), (robust.meat, 2)):
            scale = base.angle_weights**power / base.sums.sigma**2
            sums = physical_sums(grams, found, plain, base.sums.centres, scale)
            normals.append(normal_matrix(sums, base.block, contrast, offset))
        n = len(c)
        normals[0][:n, -1] += penalty
        normals[0][-1, :n] += penalty
        normals[0][-1, -1] += float(c @ penalty)
        return value, normals[0], normals[1]

    def curvature_at(self, values: Values) -> NDArray[np.float64]:
        r"""Curvature of the robust cost over (c, physical), of which standard errors are made.

        The matrix N of `sums_at` weights pixels by :math:`\rho'`, which is what steps need and is never negative; the
        curvature has :math:`\rho' + 2 z \rho''`, which is less, and negative for outliers (`wilks.solvers.robust`).
        """
        bent = _BentLoss(self.loss.name, self.loss.scale)
        problem = RobustXpcsProblem(self.base, self.sums, bent, self.start, space=self.space, root=self)
        return problem.sums_at(values)[1][:-1, :-1]


class _BentLoss(Loss):
    """A loss whose slope is the curvature of a residual's cost: sums weighted with it make the Hessian."""

    def rho(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Loss, rho' + 2 z rho'', and rho''."""
        value, slope, second = super().rho(z)
        return value, slope + 2.0 * z * second, second


def robust_space(base: XpcsProblem, start: Mapping[str, float]) -> Space:
    """Physical parameters and coefficients, with their boxes; `start` gives their initial values."""
    block = base.block
    boxes = {
        name: Real(low, high, initial=min(max(float(start[name]), low), high))
        for name, low, high in zip(block.names, block.lower.tolist(), block.upper.tolist(), strict=True)
    }
    return Space(
        {
            **{
                name: base.space[name] if name in base.space.free else base.space.constants[name]
                for name in base.space.names
            },
            **boxes,
        }
    )
