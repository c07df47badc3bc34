r"""A global ascent for cells whose inner problem has many optima: differential evolution, then a local solver.

A population of N = max(10, 5 m) points, a Latin hypercube with the given start among them, moves by JADE (Zhang and
Sanderson 2009, https://doi.org/10.1109/TEVC.2009.2014613). Every member x meets a trial point that takes each
coordinate with probability CR, and one at least, from the mutant (current-to-pbest/1, their equation 6)

.. math:: v = x + F (x_{pbest} - x) + F (x_a - x_b)                                                             (1)

where :math:`x_{pbest}` is one of the best members, :math:`x_a` another one, and :math:`x_b` a member or a point of the
archive of beaten members; what leaves the box is reflected at its faces. The better of x and the trial stays. F and CR
belong to a trial: F is drawn from a Cauchy law around :math:`\mu_F`, CR from a normal law around :math:`\mu_{CR}`, and
the two means follow those that made improvements (their equations 10 to 12):

.. math:: \mu_F \leftarrow 0.9\,\mu_F + 0.1 \sum F^2 / \sum F, \quad
          \mu_{CR} \leftarrow 0.9\,\mu_{CR} + 0.1\, \overline{CR}                                               (2)

The population has done its work when it sits in one place, or when over a window of generations neither its best value
nor the median of its values has gained anything worth having. Its best point is handed to the local solver, whose end
is the end. A small population is watched for long: that
finds more, for less, than a large one that is watched for short.

Random numbers are keyed by the start, the seed and the generation, so a state holds none, and an ascent is the same
whatever else happens at the same time.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.random import keyed_generator
from wilks.solvers.around import Around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Generator = np.random.Generator

_LEAST, _PER_COORDINATE = 10, 5
_BEST_SHARE = 0.1
_LEARNING = 0.1
_WIDTH = 0.1
_ONE_PLACE = 1e-2
_HOPELESS = 5  # generations without any likelihood
_NEAR = 4.0  # log-likelihood that the known curvature lets a start lose on the way to its own optimum


@dataclass
class GlobalAscent:
    """State of one ascent; the attributes up to `reason` are those of `core.algorithm.Ascent`.

    Attributes
    ----------
    stage
        ``"first"`` and ``"evolve"`` while the population moves, then that of the local ascent.
    members, values
        The population.
    archive
        Beaten members.
    scales, rates
        F and CR of the trial points that are out.
    mean_scale, mean_rate
        Their means (2).
    gains
        Best and median value after each generation.
    local
        State of the local ascent, once it has begun.
    """

    points: NDArray[np.float64]
    u: NDArray[np.float64]
    value: float
    curvature: NDArray[np.float64]
    gradient: NDArray[np.float64]
    stage: str
    converged: bool = False
    reason: str = ""
    iteration: int = 0
    promise: float = 0.0
    origin: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    known: bool = False
    measure: bool = False
    given: float | None = None
    key: int = 0
    members: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    archive: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    scales: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    rates: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    mean_scale: float = 0.5
    mean_rate: float = 0.5
    gains: list[tuple[float, float]] = field(default_factory=list)
    local: Any = None


@dataclass(frozen=True)
class GlobalThenLocal(Around):
    """Maximiser for problems with many optima; a `core.algorithm.LocalSolver`.

    Parameters
    ----------
    solver
        Solver of the last part.
    seed
        Of the random numbers.
    gain
        Gain in log-likelihood over the window that is not worth having.
    window
        Number of generations in which something must be gained.
    max_generations
        Generations after which the best point is handed on in any case.
    """

    seed: int = 0
    gain: float = 0.1
    window: int = 10
    max_generations: int = 200

    @property
    def name(self) -> str:
        """For reports."""
        return f"differential evolution (JADE), then {self.solver.name}"

    def start(
        self,
        u: NDArray[np.float64],
        *,
        value: float | None = None,
        curvature: NDArray[np.float64] | None = None,
        measure: bool = False,
    ) -> GlobalAscent:
        """Begin with a population around which `u` is one; a `curvature` serves if the end is in its neighbourhood."""
        m = len(u)
        key = zlib.crc32(np.ascontiguousarray(u, dtype="<f8").tobytes())
        ascent = GlobalAscent(
            points=u[None, :].copy(),
            u=u.copy(),
            value=-math.inf,
            curvature=np.eye(m) if curvature is None else curvature,
            gradient=np.full(m, np.nan),
            stage="first",
            origin=u.copy(),
            known=curvature is not None,
            measure=measure,
            given=value,
            key=key,
        )
        if m == 0:
            return self._hand_on(ascent, value)
        n = max(_LEAST, _PER_COORDINATE * m)
        ascent.members = np.concatenate([u[None, :], _hypercube(n - 1, m, keyed_generator(self.seed, key, 0))])
        ascent.points = ascent.members[value is not None :].copy()
        return ascent

    def advance(
        self,
        ascent: GlobalAscent,
        values: NDArray[np.float64],
        payloads: list[NDArray[np.float64] | None] | None = None,
    ) -> GlobalAscent:
        """Take the values at ``ascent.points`` and go on."""
        if ascent.local is not None:
            ascent.local = self.solver.advance(ascent.local, values, payloads)
            return _mirror(ascent)
        found = np.where(np.isfinite(values), values, -np.inf)
        if ascent.stage == "first":
            ascent.values = found if ascent.given is None else np.concatenate([[ascent.given], found])
            ascent.stage = "evolve"
        else:
            _select(ascent, found, keyed_generator(self.seed, ascent.key, 1, ascent.iteration))
        best = int(np.argmax(ascent.values))
        ascent.u, ascent.value = ascent.members[best].copy(), float(ascent.values[best])
        ascent.gains.append((ascent.value, float(np.median(ascent.values))))
        if self._is_done(ascent):
            return self._hand_on(ascent, ascent.value)
        ascent.iteration += 1
        _propose(ascent, keyed_generator(self.seed, ascent.key, 2, ascent.iteration))
        return ascent

    def _is_done(self, ascent: GlobalAscent) -> bool:
        """Is the population in one place, or does it gain nothing any more?"""
        if ascent.iteration >= self.max_generations:
            return True
        finite = np.isfinite(ascent.values)
        if not finite.any():
            return ascent.iteration >= _HOPELESS
        inside = ascent.members[finite]
        if len(inside) > 1 and float(np.ptp(inside, axis=0).max()) < _ONE_PLACE:
            return True
        if len(ascent.gains) <= self.window:
            return False
        before, now = ascent.gains[-1 - self.window], ascent.gains[-1]
        return now[0] - before[0] < self.gain and (now[1] == before[1] or now[1] - before[1] < self.gain)

    def _hand_on(self, ascent: GlobalAscent, value: float | None) -> GlobalAscent:
        """Begin the local ascent at the best point."""
        if value is not None and not math.isfinite(value):
            ascent.points, ascent.stage = ascent.points[:0], "ended"
            ascent.reason = "no finite value in the population"
            return ascent
        d = ascent.u - ascent.origin
        near = ascent.known and 0.5 * float(d @ ascent.curvature @ d) < _NEAR
        curvature = ascent.curvature.copy() if near else None
        ascent.local = self.solver.start(ascent.u, value=value, curvature=curvature, measure=near and ascent.measure)
        ascent.members, ascent.archive = ascent.members[:0], ascent.archive[:0]  # a state is kept small
        return _mirror(ascent)


def _mirror(ascent: GlobalAscent) -> GlobalAscent:
    """Show the local ascent."""
    local = ascent.local
    ascent.points, ascent.stage, ascent.converged, ascent.reason = (
        local.points,
        local.stage,
        local.converged,
        local.reason,
    )
    ascent.iteration, ascent.promise = local.iteration, local.promise
    if math.isfinite(local.value):
        ascent.u, ascent.value, ascent.curvature, ascent.gradient = (
            local.u,
            local.value,
            local.curvature,
            local.gradient,
        )
    return ascent


def _hypercube(n: int, m: int, generator: Generator) -> NDArray[np.float64]:
    """Draw a Latin hypercube: every one of `n` equal slices of every axis holds one point."""
    slices = np.array([generator.permutation(n) for _ in range(m)]).T
    found: NDArray[np.float64] = (slices + generator.random((n, m))) / n
    return found


def reflected(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fold points back into the unit box at its faces.

    Examples
    --------
    >>> reflected(np.array([-0.25, 0.5, 1.25, 2.5])).tolist()
    [0.25, 0.5, 0.75, 0.5]
    """
    return np.asarray(1.0 - np.abs(1.0 - np.mod(points, 2.0)))


def _propose(ascent: GlobalAscent, generator: Generator) -> None:
    """Make a trial point (1) for every member."""
    members, (n, m) = ascent.members, ascent.members.shape
    ascent.scales = _cauchy(ascent.mean_scale, n, generator)
    ascent.rates = np.clip(ascent.mean_rate + _WIDTH * generator.standard_normal(n), 0.0, 1.0)
    order = np.argsort(-ascent.values, kind="stable")
    best = members[order[generator.integers(0, max(2, round(_BEST_SHARE * n)), n)]]
    every = np.arange(n)
    a = generator.integers(0, n - 1, n)
    a += a >= every  # another member
    pool = np.concatenate([members, ascent.archive.reshape(-1, m)])
    b = generator.integers(0, len(pool) - 2, n)
    low, high = np.minimum(a, every), np.maximum(a, every)
    b += b >= low
    b += b >= high  # neither of the two
    scale = ascent.scales[:, None]
    mutants = members + scale * (best - members) + scale * (members[a] - pool[b])
    taken = generator.random((n, m)) < ascent.rates[:, None]
    taken[every, generator.integers(0, m, n)] = True
    ascent.points = np.where(taken, reflected(mutants), members)


def _cauchy(centre: float, n: int, generator: Generator) -> NDArray[np.float64]:
    """Draw from a Cauchy law, again what is not positive, cut at 1."""
    drawn = centre + _WIDTH * generator.standard_cauchy(n)
    while (drawn <= 0).any():
        bad = drawn <= 0
        drawn[bad] = centre + _WIDTH * generator.standard_cauchy(int(bad.sum()))
    return np.minimum(drawn, 1.0)


def _select(ascent: GlobalAscent, found: NDArray[np.float64], generator: Generator) -> None:
    """Keep the better of each pair, and learn (2); on a plateau, also one without a likelihood, the trial goes on."""
    won, stays = found > ascent.values, found >= ascent.values
    if won.any():
        archive = np.concatenate([ascent.archive.reshape(-1, ascent.members.shape[1]), ascent.members[won]])
        keep = generator.permutation(len(archive))[: len(ascent.members)]
        ascent.archive = archive[np.sort(keep)]
        scales = ascent.scales[won]
        ascent.mean_scale += _LEARNING * (float(scales @ scales) / float(scales.sum()) - ascent.mean_scale)
        ascent.mean_rate += _LEARNING * (float(ascent.rates[won].mean()) - ascent.mean_rate)
    ascent.members = np.where(stays[:, None], ascent.points, ascent.members)
    ascent.values = np.where(stays, found, ascent.values)
